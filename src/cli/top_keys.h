/*
 * top_keys.h - what the user does to top: keys, and the mouse on what was drawn last.
 *
 *   ownership  the control owns the screen it fits
 */
#ifndef NV_CLI_TOP_KEYS_H
#define NV_CLI_TOP_KEYS_H

#include "cli/top.h"

struct nv_top_control {
    struct nv_top_view *view;
    struct nv_top_screen *screen; /* as it was drawn last; NULL before */
    size_t scroll, room;          /* of what scrolls: where it is, how many lines are seen */
    size_t height;                /* of the terminal */
    int64_t time_ms, newest_ms;   /* what is shown is of; the newest that was live */
    int64_t ahead_ms;             /* of our clock: that of the source */
    bool ended;                   /* as of the source */
    bool ask, quit;               /* what the user wants */
};

/* Takes a screen that was drawn and fits it to a terminal of this height. */
void nv_top_control_fit(struct nv_top_control *control, struct nv_top_screen *screen,
                        size_t height);

/* The line of the screen that stands on this one of the terminal, NV_TOP_LINES_MAX + 1 for none. */
size_t nv_top_control_line(const struct nv_top_control *control, size_t y);

/* A character, or one of the KEY_ values of ncurses. */
void nv_top_press(struct nv_top_control *control, int key, bool is_function);

enum nv_top_button {
    NV_TOP_BUTTON_LEFT,
    NV_TOP_BUTTON_RIGHT,
    NV_TOP_WHEEL_UP,
    NV_TOP_WHEEL_DOWN,
};
void nv_top_click(struct nv_top_control *control, enum nv_top_button button, size_t x, size_t y);

#endif
