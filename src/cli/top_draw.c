/*
 * top_draw.c - header, help, and panels where they have room. A panel without data takes none; panels go into the shortest
 * column, as many as the width has room for.
 */
#include <math.h>

#include "cli/top_draw.h"

enum { COLUMN = 76, COLUMNS_MAX = 4, HELP_WIDTH = 74, HELP_KEYS = 18 };

static const struct {
    const char *title;
    void (*draw)(struct nv_top_area *a, enum nv_top_panel panel);
} panels[NV_TOP_N_PANELS] = {
    [NV_TOP_PANEL_CPU] = {"CPU",          nv_top_draw_cpu   },
    [NV_TOP_PANEL_MEMORY] = {"Memory",       nv_top_draw_memory},
    [NV_TOP_PANEL_PRESSURE] = {"Pressure",     nv_top_draw_table },
    [NV_TOP_PANEL_DISKS] = {"Disks",        nv_top_draw_table },
    [NV_TOP_PANEL_NETWORK] = {"Network",      nv_top_draw_table },
    [NV_TOP_PANEL_FILESYSTEMS] = {"File systems", nv_top_draw_table },
    [NV_TOP_PANEL_GROUPS] = {"Groups",       nv_top_draw_table },
    [NV_TOP_PANEL_ALERTS] = {"Alerts",       nv_top_draw_alerts},
    [NV_TOP_PANEL_PROCESSES] = {"Processes",    nv_top_draw_table },
};

/* ---- numbers -------------------------------------------------------------------------------- */

const char *nv_top_percent(char out[NV_CLI_TEXT_MAX], double value)
{
    if (isfinite(value))
        snprintf(out, NV_CLI_TEXT_MAX, "%.1f%%", fmin(fmax(value, 0), 1e6));
    else
        snprintf(out, NV_CLI_TEXT_MAX, "-");
    return out;
}

const char *nv_top_size(char out[NV_CLI_TEXT_MAX], double value)
{
    if (!isfinite(value))
        snprintf(out, NV_CLI_TEXT_MAX, "-");
    else
        nv_cli_size(out, (uint64_t)fmin(fmax(value, 0), 0x1p63));
    return out;
}

enum nv_top_style nv_top_style_of(double value, double warn, double bad)
{
    return value >= bad ? NV_TOP_BAD : value >= warn ? NV_TOP_WARN : NV_TOP_GOOD;
}

/* ---- lines ---------------------------------------------------------------------------------- */

void nv_top_area_put(struct nv_top_area *a, size_t x, size_t width, enum nv_top_style style,
                     struct nv_str text)
{
    if (x < a->width)
        nv_top_put(a->screen, a->x + x, a->y, width < a->width - x ? width : a->width - x, style,
                   text);
}

static void put_line(struct nv_top_area *a, enum nv_top_style style, struct nv_str text)
{
    nv_top_area_put(a, 0, a->width, style, text);
    a->y++;
}

static void put(struct nv_top_area *a, enum nv_top_style style, const char *text)
{
    put_line(a, style, nv_str(text));
}

struct nv_top_spot *nv_top_area_spot(struct nv_top_area *a, enum nv_top_spot_kind kind,
                                     enum nv_top_panel panel, size_t x, size_t width)
{
    struct nv_top_spot *spot = nv_top_spot_add(a->screen);

    *spot = (struct nv_top_spot){
        .kind = (uint8_t)kind,
        .panel = (uint8_t)panel,
        .x = (uint16_t)(a->x + x),
        .y = (uint16_t)a->y,
        .width = (uint16_t)width,
    };
    return spot;
}

size_t nv_top_area_title(struct nv_top_area *a, enum nv_top_panel panel)
{
    struct nv_str title = nv_str(panels[panel].title);

    nv_top_area_put(a, 0, a->width, NV_TOP_TITLE, title);
    nv_top_area_spot(a, NV_TOP_SPOT_TITLE, panel, 0, title.n);
    return title.n;
}

void nv_top_write_labels(struct nv_buf *out, const struct nv_answer_series *series)
{
    static const char *const silent[] = {"alertname", "alertstate", "nv_part"};

    nv_buf_str(out, nv_top_label(series, "alertname"));
    for (size_t i = 0; i < series->n_labels; i++) {
        const struct nv_label *label = &series->labels[i];
        bool shown = label->value.n && !nv_str_starts(label->name, "__");
        for (size_t k = 0; k < NV_LEN(silent); k++)
            shown = shown && !nv_str_is(label->name, silent[k]);
        if (shown)
            nv_buf_printf(out, "%s%.*s=%.*s", out->n ? " " : "", NV_ARGS(label->name),
                          NV_ARGS(label->value));
    }
}

static void put_foot(struct nv_top_area *a, const struct nv_top_row *row)
{
    NV_AUTO_BUF line = NV_BUF(1 << 16);

    if (row->series)
        nv_top_write_labels(&line, row->series);
    else
        nv_buf_printf(&line, "%.*s  %s", NV_ARGS(row->name),
                      a->view->command ? a->view->command : "");
    for (size_t x = 0; x < a->screen->width; x++)
        nv_top_put(a->screen, x, a->screen->height, 1, NV_TOP_BAR, NV_LIT(" "));
    nv_top_put(a->screen, 0, a->screen->height, a->screen->width, NV_TOP_BAR, nv_buf_view(&line));
}

void nv_top_area_row(struct nv_top_area *a, enum nv_top_panel panel, const struct nv_top_row *row)
{
    const struct nv_top_spot *chosen = &a->view->chosen;
    bool is_node = row->mark == '-' || row->mark == '+';

    if (chosen->kind && chosen->panel == panel && chosen->key == row->key) {
        nv_top_reverse(a->screen, a->x, a->y, a->width);
        put_foot(a, row);
    }
    nv_top_area_spot(a, is_node ? NV_TOP_SPOT_NODE : NV_TOP_SPOT_ROW, panel, 0, a->width)->key =
        row->key;
    a->y++;
}

size_t nv_top_area_most(const struct nv_top_area *a)
{
    return a->view->alone ? NV_TOP_ROWS_MAX : NV_TOP_LISTED_MAX;
}

void nv_top_area_more(struct nv_top_area *a, size_t n)
{
    char text[NV_CLI_TEXT_MAX];

    snprintf(text, sizeof(text), "and %zu more", n);
    put(a, NV_TOP_DIM, text);
}

/* Points by their time, so that a gap is one; the last is the newest of all histories. */
void nv_top_past_read(struct nv_top_past *ret, const struct nv_top_area *a, enum nv_top_part part,
                      const char *label, struct nv_str value)
{
    const struct nv_answer_series *series = nv_top_find(&a->data->pasts[part], label, value);
    int64_t step_ms = nv_top_step(a->view->span_ms);

    ret->most = 0;
    for (size_t i = 0; i < NV_TOP_POINTS; i++)
        ret->values[i] = NAN;
    for (size_t i = 0; series && i < series->n; i++) {
        int64_t back = 0;
        if (__builtin_sub_overflow(a->data->past_end_ms, series->times[i], &back) || back < 0 ||
            back / step_ms >= NV_TOP_POINTS)
            continue;
        ret->values[NV_TOP_POINTS - 1 - back / step_ms] = series->values[i];
        if (isfinite(series->values[i]))
            ret->most = fmax(ret->most, series->values[i]);
    }
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void write_node(const struct nv_top_data *data, struct nv_buf *line)
{
    const struct nv_top_rows *uname = &data->parts[NV_TOP_UNAME];
    double uptime = nv_top_value(data, NV_TOP_UPTIME);
    size_t alerts = 0;
    char text[NV_CLI_TEXT_MAX];

    for (size_t i = 0; i < data->parts[NV_TOP_ALERTS].n; i++)
        alerts += nv_str_is(nv_top_label(data->parts[NV_TOP_ALERTS].at[i], "alertstate"), "firing");
    if (uname->n)
        nv_buf_str(line, nv_top_label(uname->at[0], "nodename"));
    if (alerts)
        nv_buf_printf(line, "%s%zu firing", line->n ? "  " : "", alerts);
    if (isfinite(nv_top_value(data, NV_TOP_LOAD1)))
        nv_buf_printf(line, "%sload %.2f %.2f %.2f", line->n ? "  " : "",
                      nv_top_value(data, NV_TOP_LOAD1), nv_top_value(data, NV_TOP_LOAD5),
                      nv_top_value(data, NV_TOP_LOAD15));
    if (uptime >= 0 && uptime < 1e10)
        nv_buf_printf(line, "%sup %s", line->n ? "  " : "",
                      nv_cli_span(text, (int64_t)uptime * 1000));
    if (!line->n)
        nv_buf_text(line, !data->time_ms ? "no answer yet"
                          : data->now.n  ? "unnamed node"
                                         : "nothing known at this time");
}

static void draw_header(struct nv_top_area *a)
{
    NV_AUTO_BUF line = NV_BUF(8192);
    char time[NV_CLI_TEXT_MAX], span[NV_CLI_TEXT_MAX], when[2 * NV_CLI_TEXT_MAX];

    for (size_t x = 0; x < a->width; x++)
        nv_top_put(a->screen, x, 0, 1, NV_TOP_BAR, NV_LIT(" "));
    write_node(a->data, &line);
    put_line(a, NV_TOP_BAR, nv_buf_view(&line));
    nv_buf_reset(&line);
    if (a->data->time_ms)
        snprintf(when, sizeof(when), "%s UTC", nv_cli_time(time, a->data->time_ms));
    else
        snprintf(when, sizeof(when), "no time yet");
    nv_buf_printf(&line, "%s  %s  span %s  %s", when,
                  a->view->paused  ? "paused"
                  : a->view->at_ms ? "past"
                  : a->view->ended ? "newest"
                                   : "live",
                  nv_cli_span(span, a->view->span_ms), a->view->source);
    put_line(a, NV_TOP_DIM, nv_buf_view(&line));
    if (a->view->error[0])
        put(a, NV_TOP_BAD, a->view->error);
    if (a->view->filtering) {
        nv_buf_reset(&line);
        nv_buf_printf(&line, "Filter: %s_", a->view->filter);
        put_line(a, NV_TOP_WARN, nv_buf_view(&line));
    }
}

/* Words in as many lines as they need. */
static size_t line_length(const char *text, size_t width)
{
    size_t n = strlen(text);

    for (size_t i = n > width ? width : 0; i; i--) {
        if (text[i] == ' ')
            return i;
    }
    return n;
}

static void put_wrapped(struct nv_top_area *a, const char *text)
{
    while (*text) {
        size_t n = line_length(text, a->width);
        put_line(a, NV_TOP_PLAIN, (struct nv_str){text, n});
        text += n;
        text += strspn(text, " ");
    }
}

static void draw_help(struct nv_top_area *a)
{
    static const char *const lines[] = {
        "q                 quit",
        "?                 this help",
        "Left Right        a step back, forth",
        "[ ]               a span back, forth",
        "n                 now, live again",
        "Space             pause",
        "- +               longer, shorter span",
        "j k Enter         the next, previous row; folds a group",
        "s r               sort by the next column; the other way round",
        "c m a             groups and processes by CPU, memory, name",
        "t                 groups as tree, or flat",
        "/                 filter groups and processes; Enter keeps, Esc clears",
        "1 ... 9           hide and show panels",
        "z                 the panel of the row alone, or all; 1 ... 9 another",
        "Up Down Page Home scroll, as the wheel does",
        "Click             a head: sort; a row: choose, fold; a title: alone",
        "Right click       a title: hide",
    };

    put(a, NV_TOP_TITLE, "Keys");
    for (size_t i = 0; i < NV_LEN(lines); i++) {
        if (a->width >= HELP_WIDTH) {
            put(a, NV_TOP_PLAIN, lines[i]);
        } else {
            put_line(a, NV_TOP_TITLE, (struct nv_str){lines[i], HELP_KEYS});
            put_wrapped(a, lines[i] + HELP_KEYS);
        }
    }
}

/* A panel that is alone and has nothing to show can be left, still. */
static void put_absence(struct nv_top_area *a, enum nv_top_panel panel)
{
    nv_top_area_title(a, panel);
    a->y++;
    put(a, NV_TOP_DIM, "nothing here");
}

static void draw_panels(struct nv_top_area *all)
{
    const struct nv_top_view *view = all->view;
    size_t n = all->width / COLUMN, heights[COLUMNS_MAX];

    n = n < 1 || view->alone ? 1 : n > COLUMNS_MAX ? COLUMNS_MAX : n;
    for (size_t i = 0; i < n; i++)
        heights[i] = all->y;
    for (unsigned i = 0; i < NV_TOP_N_PANELS; i++) {
        size_t column = 0, width = all->width / n;
        for (size_t k = 1; k < n; k++)
            column = heights[k] < heights[column] ? k : column;
        struct nv_top_area a = *all;
        a.x = column * width;
        a.y = heights[column];
        a.width = n > 1 ? width - 2 : width;
        if (view->alone ? view->alone == i + 1 : !(view->hidden & 1u << i))
            panels[i].draw(&a, (enum nv_top_panel)i);
        if (view->alone == i + 1 && a.y == heights[column])
            put_absence(&a, (enum nv_top_panel)i);
        heights[column] = a.y;
    }
}

void nv_top_view_init(struct nv_top_view *view)
{
    *view = (struct nv_top_view){
        .source = "",
        .error = "",
        .sorts = {[NV_TOP_PANEL_GROUPS] = {NV_TOP_GROUPS_CPU, false},
                  [NV_TOP_PANEL_PROCESSES] = {NV_TOP_PROCESSES_CPU, false}},
    };
}

void nv_top_draw(struct nv_top_screen *screen, const struct nv_top_data *data,
                 const struct nv_top_view *view)
{
    struct nv_top_area all = {screen, data, view, 0, 0, screen->width};

    draw_header(&all);
    screen->head = all.y;
    if (view->help)
        draw_help(&all);
    else
        draw_panels(&all);
}
