/*
 * libncursesw.c - ncurses for wide characters, loaded when something first draws on a terminal.
 *
 * An agent never does, and would pay for the library at each start. Where there is none, newterm() gives NULL and nothing else
 * is to be called.
 */
#include "base/lazy.h"
#include "base/terminal.h"

#include <curses.h>

static const char *const names[] = {"libncursesw.so.6", "libncursesw.so.5", NULL};
static struct nv_lazy library = NV_LAZY(names, NULL);

#define HAND_ON(...) NV_LAZY_FUNCTION(library, __VA_ARGS__)

bool nv_terminal_has_library(void)
{
    return nv_lazy_load(&library);
}

// clang-format off
HAND_ON(SCREEN *, newterm, (const char *type, FILE *out, FILE *in), (type, out, in), NULL)
HAND_ON(WINDOW *, newwin, (int lines, int columns, int y, int x), (lines, columns, y, x), NULL)
HAND_ON(int, endwin, (void), (), ERR)
HAND_ON(int, cbreak, (void), (), ERR)
HAND_ON(int, noecho, (void), (), ERR)
HAND_ON(int, keypad, (WINDOW *window, bool on), (window, on), ERR)
HAND_ON(int, nodelay, (WINDOW *window, bool on), (window, on), ERR)
HAND_ON(int, set_escdelay, (int ms), (ms), ERR)
HAND_ON(int, curs_set, (int visibility), (visibility), ERR)
HAND_ON(bool, has_colors, (void), (), FALSE)
HAND_ON(int, start_color, (void), (), ERR)
HAND_ON(int, use_default_colors, (void), (), ERR)
HAND_ON(int, init_pair, (short pair, short front, short back), (pair, front, back), ERR)
HAND_ON(int, tigetnum, (const char *name), (name), -1)
HAND_ON(char *, tigetstr, (const char *name), (name), NULL)
HAND_ON(int, wattr_set, (WINDOW *window, attr_t attributes, short pair, void *options),
        (window, attributes, pair, options), ERR)
HAND_ON(int, wmove, (WINDOW *window, int y, int x), (window, y, x), ERR)
HAND_ON(int, waddnwstr, (WINDOW *window, const wchar_t *text, int n), (window, text, n), ERR)
HAND_ON(int, werase, (WINDOW *window), (window), ERR)
HAND_ON(int, wrefresh, (WINDOW *window), (window), ERR)
HAND_ON(int, clearok, (WINDOW *window, bool on), (window, on), ERR)
HAND_ON(int, wget_wch, (WINDOW *window, wint_t *ret), (window, ret), ERR)
HAND_ON(int, getmaxx, (const WINDOW *window), (window), ERR)
HAND_ON(int, getmaxy, (const WINDOW *window), (window), ERR)
HAND_ON(mmask_t, mousemask, (mmask_t mask, mmask_t *ret_old), (mask, ret_old), 0)
HAND_ON(int, mouseinterval, (int ms), (ms), ERR)
HAND_ON(int, getmouse, (MEVENT *ret), (ret), ERR)
// clang-format on
