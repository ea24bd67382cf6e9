/*
 * top.h - what the files of `nodevitals top` share: what is asked each tick, and the screen it is drawn on.
 *
 *   top.c           the command line; --once and --batch
 *   top_ask.c       one question for all that is shown, and one for the histories
 *   top_screen.c    a screen in memory, on which nothing stands but characters of one place each
 *   top_draw.c      header, help, and where the panels go (top_draw.h: what those share)
 *   top_panels.c    CPU, memory, alerts
 *   top_tables.c    panels of rows and columns of numbers, sorted by any of them
 *   top_processes.c the processes of this moment, where the node is this one
 *   top_tree.c      containers, pods and units as a tree
 *   top_live.c      ticks, a thread that asks, and the screen on the terminal
 *   top_keys.c      what keys and the mouse do
 *   top_terminal.c  the terminal, which is as it was however top ends
 *
 *   bounds     NV_TOP_ROWS_MAX series of a kind, NV_TOP_LINES_MAX lines, NV_TOP_WIDTH_MAX columns, NV_TOP_SPOTS_MAX places
 *              for the mouse
 *   ownership  data has all it shows, and ends with nv_top_data_free()
 */
#ifndef NV_CLI_TOP_H
#define NV_CLI_TOP_H

#include "cli/query.h"

enum {
    NV_TOP_ROWS_MAX = 512,
    NV_TOP_LINES_MAX = 1024,
    NV_TOP_WIDTH_MAX = 1000,
    NV_TOP_ERROR_MAX = 256,
    NV_TOP_FILTER_MAX = 64,
    NV_TOP_POINTS = 120, /* of a history */
    NV_TOP_PROCESSES_MAX = 8192,
    NV_TOP_NAME_MAX = 64, /* of a process; the kernel's own are longest */
    NV_TOP_COLUMNS_MAX = 4,
    NV_TOP_SPOTS_MAX = 1536,
    NV_TOP_FOLDED_MAX = 256,
    NV_TOP_COMMAND_MAX = 512,
    NV_TOP_LONG_MS = 30000, /* steps that are asked for more often than they are over */
    NV_TOP_LISTED_MAX = 20, /* rows of a panel, but for groups, that is not alone */
};

/* ---- what is asked -------------------------------------------------------------------------- */

enum nv_top_part {
    NV_TOP_UNAME,
    NV_TOP_UPTIME,
    NV_TOP_LOAD1,
    NV_TOP_LOAD5,
    NV_TOP_LOAD15,
    NV_TOP_CPU,      /* busy, by cpu */
    NV_TOP_CPU_MODE, /* by mode, of all */
    NV_TOP_MEMORY_TOTAL,
    NV_TOP_MEMORY_AVAILABLE,
    NV_TOP_MEMORY_CACHE,
    NV_TOP_SWAP_TOTAL,
    NV_TOP_SWAP_FREE,
    NV_TOP_PRESSURE_SOME, /* by resource */
    NV_TOP_PRESSURE_FULL,
    NV_TOP_DISK_READ,
    NV_TOP_DISK_WRITTEN,
    NV_TOP_DISK_BUSY,
    NV_TOP_DISK_LATENCY,
    NV_TOP_NET_RECEIVED,
    NV_TOP_NET_SENT,
    NV_TOP_FS_SIZE,
    NV_TOP_FS_AVAILABLE,
    NV_TOP_FS_USED, /* percent */
    NV_TOP_GROUP_CPU,
    NV_TOP_GROUP_MEMORY,
    NV_TOP_ALERTS, /* firing and pending: since how many seconds, negative where that is not known */
    NV_TOP_N_NOW,  /* what follows is shown as history alone: percent */
    NV_TOP_MEMORY_USED = NV_TOP_N_NOW,
    NV_TOP_MEMORY_CACHED,
    NV_TOP_SWAP_USED,
    NV_TOP_N_PARTS,
};

struct nv_top_rows {
    size_t n;
    const struct nv_answer_series *at[NV_TOP_ROWS_MAX];
};

struct nv_top_data {
    int64_t time_ms; /* that it is of */
    struct nv_answer now, history;
    bool has_history, of_now; /* of_now: no other time was asked for */
    struct nv_top_rows parts[NV_TOP_N_PARTS], pasts[NV_TOP_N_PARTS];
    int64_t past_end_ms;          /* of the newest point of all histories */
    char error[NV_TOP_ERROR_MAX]; /* why there is nothing; "" where there is */
};
struct nv_top_data *nv_top_data_new(void); /* NULL when memory is out */
void nv_top_data_free(struct nv_top_data *data);
NV_DEFINE_AUTO(nv_top_data)

/* Sorts what was answered by its part. */
void nv_top_data_sort(struct nv_top_data *data);

/* Takes the histories of another. */
void nv_top_data_keep_past(struct nv_top_data *data, struct nv_top_data *from);

/* The one value of a part; NAN where there is none. */
double nv_top_value(const struct nv_top_data *data, enum nv_top_part part);
double nv_top_last(const struct nv_answer_series *series);

/* The one whose label is that, NULL where there is none. */
const struct nv_answer_series *nv_top_find(const struct nv_top_rows *rows, const char *label,
                                           struct nv_str value);
struct nv_str nv_top_label(const struct nv_answer_series *series, const char *name);

/* Who is asked: a server, or a folder. */
struct nv_top_source {
    struct nv_query_server server;
    const char *folder; /* NULL: the server */
    bool ended;         /* nobody writes the folder any more */
};

struct nv_top_wish {
    int64_t at_ms; /* 0: now */
    int64_t span_ms;
    bool history;
};

/* Asks. Always fills *ret in, with an error where there is no answer. */
void nv_top_ask(struct nv_top_source *source, const struct nv_top_wish *wish,
                struct nv_top_data *ret);

/* What "now" means: of a folder that nobody writes its newest sample. 0, or 1 after telling why. */
NV_MUST_USE int nv_top_now(struct nv_top_source *source, int64_t *ret_ms);

int64_t nv_top_step(int64_t span_ms); /* between points of the history */

/* ---- the screen ----------------------------------------------------------------------------- */

enum nv_top_style {
    NV_TOP_PLAIN,
    NV_TOP_TITLE,
    NV_TOP_DIM,
    NV_TOP_GOOD,
    NV_TOP_WARN,
    NV_TOP_BAD,
    NV_TOP_BAR, /* the line at the top */
    NV_TOP_N_STYLES,
};

struct nv_top_cell {
    uint32_t c; /* takes one place on any terminal; ASCII unless the screen is UTF-8 */
    uint8_t style;
    bool reversed;
};

enum nv_top_panel {
    NV_TOP_PANEL_CPU,
    NV_TOP_PANEL_MEMORY,
    NV_TOP_PANEL_PRESSURE,
    NV_TOP_PANEL_DISKS,
    NV_TOP_PANEL_NETWORK,
    NV_TOP_PANEL_FILESYSTEMS,
    NV_TOP_PANEL_GROUPS,
    NV_TOP_PANEL_ALERTS,
    NV_TOP_PANEL_PROCESSES,
    NV_TOP_N_PANELS,
};

/* What the mouse meets. */
enum nv_top_spot_kind {
    NV_TOP_SPOT_NONE,
    NV_TOP_SPOT_TITLE, /* of a panel */
    NV_TOP_SPOT_HEAD,  /* of a column */
    NV_TOP_SPOT_ROW,
    NV_TOP_SPOT_NODE, /* a row with others below it */
};
struct nv_top_spot {
    uint8_t kind, panel, column;
    uint16_t x, y, width;
    uint64_t key; /* of the row */
};
struct nv_top_screen {
    size_t width, height;
    size_t used;         /* lines on which something stands */
    size_t head;         /* of them, the first ones, that stay when others scroll */
    bool utf8, has_foot; /* a line for the bottom of the terminal, behind the last of the others */
    struct nv_top_cell *cells;
    struct nv_top_spot *spots; /* in the order they were drawn */
    size_t n_spots;
};

/* Made empty, in the size asked for within the bounds. NULL when memory is out. */
struct nv_top_screen *nv_top_screen_new(size_t width, size_t height, bool utf8);
void nv_top_screen_free(struct nv_top_screen *screen);
NV_DEFINE_AUTO(nv_top_screen)

/*
 * Puts text into `width` places, cut with a mark where it is longer. What is no character of one place in a writing from left
 * to right becomes a question mark, and what is off the screen is left out. Returns the places taken.
 */
size_t nv_top_put(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                  enum nv_top_style style, struct nv_str text);
void nv_top_put_right(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                      enum nv_top_style style, struct nv_str text);

/* A bar of `share` (0 to 1) of the width. */
void nv_top_put_bar(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                    enum nv_top_style style, double share);

/* Values, NAN for gaps, two in one place with UTF-8, the last at the right. */
struct nv_top_scale {
    double full; /* what fills a place */
    double warn, bad;
};
void nv_top_put_graph(struct nv_top_screen *screen, size_t x, size_t y, size_t width,
                      const double *values, size_t n, struct nv_top_scale scale);

/* How a column is sorted. */
void nv_top_put_order(struct nv_top_screen *screen, size_t x, size_t y, bool rising);

/* Shows these places the other way round. */
void nv_top_reverse(struct nv_top_screen *screen, size_t x, size_t y, size_t width);

/* Lines without the blanks at their ends. */
void nv_top_print(const struct nv_top_screen *screen, struct nv_buf *out);

/* A place for the mouse, to be filled in; one past the bound is not found again. The last that covers a place is found, or NULL. */
struct nv_top_spot *nv_top_spot_add(struct nv_top_screen *screen);
const struct nv_top_spot *nv_top_spot_at(const struct nv_top_screen *screen, size_t x, size_t y);

/* ---- drawing -------------------------------------------------------------------------------- */

/* By which column, 0 for the name; reversed: the least number, the last name first. */
struct nv_top_sort {
    uint8_t column;
    bool reversed;
};

struct nv_top_process {
    uint64_t pid;
    double cpu, memory; /* percent of a core, bytes */
    char name[NV_TOP_NAME_MAX];
};

/* How it is looked at. */
struct nv_top_view {
    int64_t at_ms; /* 0: live */
    int64_t span_ms;
    bool paused, help, flat;
    bool ended;     /* nobody writes it any more: what is live is its newest sample */
    bool filtering; /* the filter is being typed */
    char filter[NV_TOP_FILTER_MAX];
    struct nv_top_sort sorts[NV_TOP_N_PANELS];
    unsigned hidden;           /* bits of panels */
    unsigned alone;            /* the panel that has the screen for itself, plus one; 0 for none */
    struct nv_top_spot chosen; /* a row, or none; its place does not count */
    uint64_t folded[NV_TOP_FOLDED_MAX]; /* keys of groups */
    size_t n_folded;
    const struct nv_top_process *processes; /* of this moment; in their order */
    size_t n_processes;
    const char *command; /* of the process that is chosen; "" where it is not known */
    const char *source;
    const char *error; /* of the last question; "" for none */
};

/* As it is looked at first. */
void nv_top_view_init(struct nv_top_view *view);

/* Draws header and panels from the top of the screen on. */
void nv_top_draw(struct nv_top_screen *screen, const struct nv_top_data *data,
                 const struct nv_top_view *view);

/* A row of a table. */
struct nv_top_row {
    struct nv_str name, beside;            /* beside: shown behind the name */
    double values[NV_TOP_COLUMNS_MAX];     /* NAN: not known */
    uint64_t key;                          /* tells it from others of its panel, also next time */
    const struct nv_answer_series *series; /* NULL for a process */
    size_t depth, parent;
    char
        mark; /* in a tree: '-' above others, '+' where those are folded away, else ' '; '\0' elsewhere */
};

/* Greatest numbers and first names first, what is not known last. */
void nv_top_rows_sort(struct nv_top_row *rows, size_t n, struct nv_top_sort sort);
int nv_top_numbers_compare(double a, double b, bool reversed);

/* How many columns a panel can be sorted by, its names among them; 0 for one that cannot. */
size_t nv_top_columns(enum nv_top_panel panel);

uint64_t nv_top_key(struct nv_str text);

enum { NV_TOP_GROUPS_CPU = 1, NV_TOP_GROUPS_MEMORY }; /* columns */
enum { NV_TOP_PROCESSES_PID = 1, NV_TOP_PROCESSES_CPU, NV_TOP_PROCESSES_MEMORY };

/*
 * Fills `rows` in the order they are shown in: parents before their children and those sorted among themselves, without what is
 * folded away or neither fits the filter nor is above what does; or flat, where the view says so. Returns how many.
 */
size_t nv_top_tree(const struct nv_top_data *data, const struct nv_top_view *view,
                   struct nv_top_row rows[NV_TOP_ROWS_MAX]);

/* Folds a group, or unfolds it. */
void nv_top_fold(struct nv_top_view *view, uint64_t key);

/* ---- processes ------------------------------------------------------------------------------ */

struct nv_top_processes;
struct nv_top_processes *nv_top_processes_new(void); /* NULL when memory is out */
void nv_top_processes_free(struct nv_top_processes *processes);
NV_DEFINE_AUTO(nv_top_processes)

/*
 * Reads them from a folder like /proc; no more than NV_TOP_PROCESSES_MAX, and none that has gone. Their share of a core is that
 * since the last reading, or since they began. The time is CLOCK_BOOTTIME's.
 */
void nv_top_processes_read(struct nv_top_processes *processes, const char *proc, int64_t now_ns);

/* Whether it is time to read them again, which depends on the CPU time it took. */
bool nv_top_processes_due(const struct nv_top_processes *processes, int64_t now_ns);
void nv_top_processes_took(struct nv_top_processes *processes, int64_t now_ns, int64_t cost_ns);

/* Sorts them. They stay where they are until they are read or sorted again. */
const struct nv_top_process *nv_top_processes_sort(struct nv_top_processes *processes,
                                                   struct nv_top_sort sort, size_t *ret_n);

/* What it was called with, "" where that is not known. */
void nv_top_processes_command(char out[NV_TOP_COMMAND_MAX], const char *proc, uint64_t pid);

/* Whether the source tells of the node this runs on. */
bool nv_top_is_here(const struct nv_top_source *source, const struct nv_top_data *data);

/* ---- live ----------------------------------------------------------------------------------- */

struct nv_top_look {
    int64_t interval_ms;
    bool colors, utf8;
};

/* Shows it until the user leaves. Returns the exit status. */
int nv_top_live(struct nv_top_source *source, struct nv_top_view *view,
                struct nv_top_processes *processes, const struct nv_top_look *look);

#endif
