/*
 * top_draw.c - header and panels. A panel without data takes no room; panels go into the shortest column, as many as the
 * width has room for.
 */
#include <math.h>

#include "cli/top.h"

enum {
    COLUMN = 76,
    COLUMNS_MAX = 4,
    CORES_MAX = 256,
    DEVICES_MAX = 16,
    ALERTS_MAX = 24,
    PROCESSES_SHOWN = 20,
    NUMBER = 10
};

/* Where a panel goes, and how far it has come. */
struct area {
    struct nv_top_screen *screen;
    const struct nv_top_data *data;
    const struct nv_top_view *view;
    size_t x, y, width;
};

/* ---- numbers -------------------------------------------------------------------------------- */

static bool is_known(double value)
{
    return isfinite(value);
}

static const char *percent(char out[NV_CLI_TEXT_MAX], double value)
{
    if (is_known(value))
        snprintf(out, NV_CLI_TEXT_MAX, "%.1f%%", fmin(fmax(value, 0), 1e6));
    else
        snprintf(out, NV_CLI_TEXT_MAX, "-");
    return out;
}

static const char *size(char out[NV_CLI_TEXT_MAX], double value)
{
    if (!is_known(value))
        snprintf(out, NV_CLI_TEXT_MAX, "-");
    else
        nv_cli_size(out, (uint64_t)fmin(fmax(value, 0), 0x1p63));
    return out;
}

static const char *seconds(char out[NV_CLI_TEXT_MAX], double value)
{
    if (!is_known(value) || value < 0)
        snprintf(out, NV_CLI_TEXT_MAX, "-");
    else if (value < 1)
        snprintf(out, NV_CLI_TEXT_MAX, "%.1f ms", value * 1000);
    else
        snprintf(out, NV_CLI_TEXT_MAX, "%.1f s", fmin(value, 1e6));
    return out;
}

static enum nv_top_style style_of(double share, double warn, double bad)
{
    return share >= bad ? NV_TOP_BAD : share >= warn ? NV_TOP_WARN : NV_TOP_GOOD;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void put(struct area *a, size_t x, size_t width, enum nv_top_style style, const char *text)
{
    if (x < a->width)
        nv_top_put(a->screen, a->x + x, a->y, width < a->width - x ? width : a->width - x, style,
                   nv_str(text));
}

static void put_str(struct area *a, size_t x, size_t width, enum nv_top_style style,
                    struct nv_str text)
{
    if (x < a->width)
        nv_top_put(a->screen, a->x + x, a->y, width < a->width - x ? width : a->width - x, style,
                   text);
}

/* Columns of numbers, counted from the right; those that would touch what is at the left are left out. */
static void put_number(struct area *a, size_t from_right, size_t least_x, enum nv_top_style style,
                       const char *text)
{
    if (a->width >= from_right * NUMBER + NUMBER + least_x)
        nv_top_put_right(a->screen, a->x + a->width - (from_right + 1) * NUMBER, a->y, NUMBER,
                         style, nv_str(text));
}

static void title(struct area *a, const char *text, const char *const *numbers, size_t n)
{
    put(a, 0, a->width, NV_TOP_TITLE, text);
    for (size_t i = 0; i < n; i++)
        put_number(a, n - 1 - i, strlen(text), NV_TOP_DIM, numbers[i]);
    a->y++;
}

/* How wide a name may be beside so many numbers; in a narrow place the numbers at the left go. */
static size_t name_width(const struct area *a, size_t n_numbers)
{
    while (n_numbers && a->width < n_numbers * NUMBER + NUMBER)
        n_numbers--;
    return a->width - n_numbers * NUMBER > 1 ? a->width - n_numbers * NUMBER - 1 : 1;
}

/* ---- CPU ------------------------------------------------------------------------------------ */

static int compare_cores(const void *a, const void *b)
{
    struct nv_str x = nv_top_label(*(const struct nv_answer_series *const *)a, "cpu"),
                  y = nv_top_label(*(const struct nv_answer_series *const *)b, "cpu");

    return x.n != y.n ? (x.n < y.n ? -1 : 1) : nv_str_cmp(x, y); /* 2 before 10 */
}

static const struct nv_answer_series *history_of(const struct nv_top_data *data, struct nv_str cpu)
{
    for (size_t i = 0; i < data->history.n; i++) {
        if (nv_str_eq(nv_top_label(&data->history.series[i], "cpu"), cpu))
            return &data->history.series[i];
    }
    return NULL;
}

/* Points by their time, so that a gap is one; the last is the newest of all cores. */
static void put_history(struct area *a, size_t x, size_t width, struct nv_str cpu)
{
    const struct nv_answer_series *series = history_of(a->data, cpu);
    int64_t step_ms = nv_top_step(a->view->span_ms), end_ms = INT64_MIN;
    double values[NV_TOP_POINTS];

    for (size_t i = 0; i < a->data->history.n; i++) {
        const struct nv_answer_series *one = &a->data->history.series[i];
        if (one->n && one->times[one->n - 1] > end_ms)
            end_ms = one->times[one->n - 1];
    }
    for (size_t i = 0; i < NV_TOP_POINTS; i++)
        values[i] = NAN;
    for (size_t i = 0; series && i < series->n; i++) {
        int64_t back = 0;
        if (!__builtin_sub_overflow(end_ms, series->times[i], &back) && back >= 0 &&
            back / step_ms < NV_TOP_POINTS)
            values[NV_TOP_POINTS - 1 - back / step_ms] = series->values[i];
    }
    nv_top_put_graph(a->screen, a->x + x, a->y, width, values, NV_TOP_POINTS);
}

static void put_core(struct area *a, size_t x, size_t width, const struct nv_answer_series *core)
{
    char text[NV_CLI_TEXT_MAX];
    double busy = nv_top_last(core);

    put_str(a, x, 4, NV_TOP_DIM, nv_top_label(core, "cpu"));
    nv_top_put_right(a->screen, a->x + x + 4, a->y, 7, style_of(busy, 60, 90),
                     nv_str(percent(text, busy)));
    size_t most = a->screen->utf8 ? NV_TOP_POINTS / 2 : NV_TOP_POINTS;
    if (width > 13)
        put_history(a, x + 12, width - 13 < most ? width - 13 : most, nv_top_label(core, "cpu"));
}

static void put_modes(struct area *a)
{
    static const char *const modes[] = {"user",    "system", "iowait", "irq",
                                        "softirq", "steal",  "nice"};
    NV_AUTO_BUF line = NV_BUF(512);
    char text[NV_CLI_TEXT_MAX];

    for (size_t i = 0; i < NV_LEN(modes); i++) {
        double value = nv_top_value_of(a->data, NV_TOP_CPU_MODE, "mode", nv_str(modes[i]));
        if (value >= 0.05 || (i < 3 && is_known(value)))
            nv_buf_printf(&line, "%s%s %s", line.n ? "  " : "", modes[i], percent(text, value));
    }
    put_str(a, 5, a->width, NV_TOP_PLAIN, nv_buf_view(&line));
}

static void draw_cpu(struct area *a)
{
    const struct nv_top_rows *rows = &a->data->parts[NV_TOP_CPU];
    const struct nv_answer_series *cores[CORES_MAX];
    size_t n = rows->n < CORES_MAX ? rows->n : CORES_MAX;

    if (!n)
        return;
    memcpy(cores, rows->at, n * sizeof(cores[0]));
    qsort(cores, n, sizeof(cores[0]), compare_cores);
    put_modes(a);
    title(a, "CPU", NULL, 0);
    size_t most = a->width / 24 ? a->width / 24 : 1;
    size_t beside = n <= 8 ? 1 : n <= 32 ? 2 : 4;
    beside = beside > most ? most : beside;
    size_t lines = (n + beside - 1) / beside, width = a->width / beside;
    for (size_t line = 0; line < lines; line++, a->y++) {
        for (size_t i = line; i < n; i += lines)
            put_core(a, i / lines * width, width, cores[i]);
    }
}

/* ---- memory, pressure ----------------------------------------------------------------------- */

static void put_share(struct area *a, const char *name, double used, double total)
{
    char one[NV_CLI_TEXT_MAX], two[NV_CLI_TEXT_MAX], text[3 * NV_CLI_TEXT_MAX];
    double share = used / total;

    snprintf(text, sizeof(text), "%s of %s", size(one, used), size(two, total));
    put(a, 0, 6, NV_TOP_DIM, name);
    nv_top_put_right(a->screen, a->x + 5, a->y, 6, style_of(share, 0.8, 0.95),
                     nv_str(percent(one, 100 * share)));
    put(a, 12, a->width, NV_TOP_PLAIN, text);
    if (a->width > 45)
        nv_top_put_bar(a->screen, a->x + 36, a->y, a->width - 37, style_of(share, 0.8, 0.95),
                       share);
    a->y++;
}

static void draw_memory(struct area *a)
{
    double total = nv_top_value(a->data, NV_TOP_MEMORY_TOTAL),
           available = nv_top_value(a->data, NV_TOP_MEMORY_AVAILABLE),
           cache = nv_top_value(a->data, NV_TOP_MEMORY_CACHE),
           swap = nv_top_value(a->data, NV_TOP_SWAP_TOTAL);

    if (!is_known(total) || !is_known(available))
        return;
    title(a, "Memory", NULL, 0);
    put_share(a, "used", total - available, total);
    if (is_known(cache))
        put_share(a, "cache", cache, total);
    if (is_known(swap))
        put_share(a, "swap", swap - nv_top_value(a->data, NV_TOP_SWAP_FREE), swap);
}

static void draw_pressure(struct area *a)
{
    static const struct {
        const char *name;
        enum nv_top_part some, all;
    } kinds[] = {
        {"cpu",    NV_TOP_PRESSURE_CPU,    NV_TOP_N_PARTS       },
        {"memory", NV_TOP_PRESSURE_MEMORY, NV_TOP_STALLED_MEMORY},
        {"io",     NV_TOP_PRESSURE_IO,     NV_TOP_STALLED_IO    },
    };
    static const char *const heads[] = {"some", "full"};
    char text[NV_CLI_TEXT_MAX];
    bool any = false;

    for (size_t i = 0; i < NV_LEN(kinds); i++) {
        double some = nv_top_value(a->data, kinds[i].some);
        if (!is_known(some))
            continue;
        if (!any)
            title(a, "Pressure", heads, NV_LEN(heads));
        any = true;
        put(a, 0, name_width(a, 2), NV_TOP_DIM, kinds[i].name);
        put_number(a, 1, 6, style_of(some, 10, 40), percent(text, some));
        if (kinds[i].all != NV_TOP_N_PARTS) {
            double all = nv_top_value(a->data, kinds[i].all);
            put_number(a, 0, 6, style_of(all, 5, 20), percent(text, all));
        }
        a->y++;
    }
}

/* ---- devices -------------------------------------------------------------------------------- */

/* By name; no more than there is room for. */
static int compare_devices(const void *a, const void *b)
{
    const struct nv_answer_series *x = *(const struct nv_answer_series *const *)a,
                                  *y = *(const struct nv_answer_series *const *)b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static size_t list(const struct area *a, enum nv_top_part part,
                   const struct nv_answer_series *ret[NV_TOP_ROWS_MAX])
{
    const struct nv_top_rows *rows = &a->data->parts[part];

    if (!rows->n)
        return 0;
    memcpy(ret, rows->at, rows->n * sizeof(rows->at[0]));
    qsort(ret, rows->n, sizeof(rows->at[0]), compare_devices);
    return rows->n;
}

static void more(struct area *a, size_t n, size_t shown)
{
    char text[NV_CLI_TEXT_MAX];

    if (n <= shown)
        return;
    snprintf(text, sizeof(text), "and %zu more", n - shown);
    put(a, 0, a->width, NV_TOP_DIM, text);
    a->y++;
}

static void draw_disks(struct area *a)
{
    static const char *const heads[] = {"read/s", "written/s", "latency", "busy"};
    const struct nv_answer_series *disks[NV_TOP_ROWS_MAX];
    size_t n = list(a, NV_TOP_DISK_READ, disks);
    char text[NV_CLI_TEXT_MAX];

    if (n)
        title(a, "Disks", heads, NV_LEN(heads));
    for (size_t i = 0; i < n && i < DEVICES_MAX; i++, a->y++) {
        struct nv_str name = nv_top_label(disks[i], "device");
        double busy = nv_top_value_of(a->data, NV_TOP_DISK_BUSY, "device", name);
        put_str(a, 0, name_width(a, 4), NV_TOP_DIM, name);
        put_number(a, 3, NUMBER, NV_TOP_PLAIN, size(text, nv_top_last(disks[i])));
        put_number(a, 2, NUMBER, NV_TOP_PLAIN,
                   size(text, nv_top_value_of(a->data, NV_TOP_DISK_WRITTEN, "device", name)));
        put_number(a, 1, NUMBER, NV_TOP_PLAIN,
                   seconds(text, nv_top_value_of(a->data, NV_TOP_DISK_LATENCY, "device", name)));
        put_number(a, 0, NUMBER, style_of(busy, 60, 90), percent(text, busy));
    }
    more(a, n, DEVICES_MAX);
}

static void draw_network(struct area *a)
{
    static const char *const heads[] = {"in/s", "out/s"};
    const struct nv_answer_series *links[NV_TOP_ROWS_MAX];
    size_t n = list(a, NV_TOP_NET_RECEIVED, links);
    char text[NV_CLI_TEXT_MAX];

    if (n)
        title(a, "Network", heads, NV_LEN(heads));
    for (size_t i = 0; i < n && i < DEVICES_MAX; i++, a->y++) {
        struct nv_str name = nv_top_label(links[i], "device");
        put_str(a, 0, name_width(a, 2), NV_TOP_DIM, name);
        put_number(a, 1, NUMBER, NV_TOP_PLAIN, size(text, nv_top_last(links[i])));
        put_number(a, 0, NUMBER, NV_TOP_PLAIN,
                   size(text, nv_top_value_of(a->data, NV_TOP_NET_SENT, "device", name)));
    }
    more(a, n, DEVICES_MAX);
}

static void draw_filesystems(struct area *a)
{
    static const char *const heads[] = {"size", "free", "used"};
    const struct nv_answer_series *all[NV_TOP_ROWS_MAX];
    size_t n = list(a, NV_TOP_FS_SIZE, all);
    char text[NV_CLI_TEXT_MAX];

    if (n)
        title(a, "File systems", heads, NV_LEN(heads));
    for (size_t i = 0; i < n && i < DEVICES_MAX; i++, a->y++) {
        struct nv_str name = nv_top_label(all[i], "mountpoint");
        double total = nv_top_last(all[i]),
               free_bytes = nv_top_value_of(a->data, NV_TOP_FS_AVAILABLE, "mountpoint", name),
               used = 100 * (1 - free_bytes / total);
        put_str(a, 0, name_width(a, 3), NV_TOP_DIM, name);
        put_number(a, 2, NUMBER, NV_TOP_PLAIN, size(text, total));
        put_number(a, 1, NUMBER, NV_TOP_PLAIN, size(text, free_bytes));
        put_number(a, 0, NUMBER, style_of(used, 80, 95), percent(text, used));
    }
    more(a, n, DEVICES_MAX);
}

/* ---- groups, alerts ------------------------------------------------------------------------- */

static void put_group(struct area *a, const struct nv_top_group *group)
{
    struct nv_str pod = nv_top_label(group->series, "pod");
    size_t width = name_width(a, 2), indent = 2 * group->depth < width / 2 ? 2 * group->depth : 0;
    char text[NV_CLI_TEXT_MAX];

    put_str(a, indent, width - indent, NV_TOP_PLAIN, group->name);
    if (pod.n && indent + group->name.n + 1 < width)
        put_str(a, indent + group->name.n + 1, width - indent - group->name.n - 1, NV_TOP_DIM, pod);
    put_number(a, 1, NUMBER, style_of(group->cpu, 60, 90), percent(text, group->cpu));
    put_number(a, 0, NUMBER, NV_TOP_PLAIN, size(text, group->memory));
    a->y++;
}

static void draw_groups(struct area *a)
{
    static const char *const heads[] = {"cpu", "memory"};
    static const char *const orders[] = {"by CPU", "by memory", "by name"};
    NV_AUTO_FREE struct nv_top_group *groups = calloc(NV_TOP_ROWS_MAX, sizeof(*groups));
    NV_AUTO_BUF head = NV_BUF(256);

    if (!groups || (!a->data->parts[NV_TOP_GROUP_CPU].n && !a->data->parts[NV_TOP_GROUP_MEMORY].n))
        return;
    size_t n = nv_top_tree(a->data, a->view, groups);
    nv_buf_printf(&head, "Groups %s", orders[a->view->order]);
    if (a->view->filter[0])
        nv_buf_printf(&head, ", with %s", a->view->filter);
    title(a, nv_buf_c_string(&head), heads, NV_LEN(heads));
    for (size_t i = 0; i < n; i++)
        put_group(a, &groups[i]);
    if (!n) {
        put(a, 0, a->width, NV_TOP_DIM, "none");
        a->y++;
    }
}

static void draw_alerts(struct area *a)
{
    const struct nv_answer_series *alerts[NV_TOP_ROWS_MAX];
    size_t n = list(a, NV_TOP_ALERTS, alerts);

    if (n)
        title(a, "Alerts", NULL, 0);
    for (size_t i = 0; i < n && i < ALERTS_MAX; i++, a->y++) {
        NV_AUTO_BUF line = NV_BUF(4096);
        nv_buf_str(&line, nv_top_label(alerts[i], "alertname"));
        for (size_t k = 0; k < alerts[i]->n_labels; k++) {
            const struct nv_label *label = &alerts[i]->labels[k];
            if (nv_str_starts(label->name, "__") || nv_str_is(label->name, "alertname") ||
                nv_str_is(label->name, "alertstate") || nv_str_is(label->name, "nv_part"))
                continue;
            nv_buf_char(&line, ' ');
            nv_buf_str(&line, label->name);
            nv_buf_char(&line, '=');
            nv_buf_str(&line, label->value);
        }
        put_str(a, 0, a->width, NV_TOP_BAD, nv_buf_view(&line));
    }
    more(a, n, ALERTS_MAX);
}

static void draw_processes(struct area *a)
{
    static const char *const heads[] = {"pid", "cpu", "memory"};
    char text[NV_CLI_TEXT_MAX];
    size_t shown = 0;

    if (a->view->n_processes)
        title(a, "Processes", heads, NV_LEN(heads));
    for (size_t i = 0; i < a->view->n_processes && shown < PROCESSES_SHOWN; i++) {
        const struct nv_top_process *process = &a->view->processes[i];
        if (!nv_str_contains(nv_str(process->name), a->view->filter))
            continue;
        put(a, 0, name_width(a, 3), NV_TOP_PLAIN, process->name);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)process->pid);
        put_number(a, 2, NUMBER, NV_TOP_DIM, text);
        put_number(a, 1, NUMBER, style_of(process->cpu, 60, 90),
                   percent(text, process->cpu < 0 ? NAN : process->cpu));
        put_number(a, 0, NUMBER, NV_TOP_PLAIN, size(text, process->memory));
        a->y++;
        shown++;
    }
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void (*const panels[NV_TOP_N_PANELS])(struct area *a) = {
    [NV_TOP_PANEL_CPU] = draw_cpu,
    [NV_TOP_PANEL_MEMORY] = draw_memory,
    [NV_TOP_PANEL_PRESSURE] = draw_pressure,
    [NV_TOP_PANEL_DISKS] = draw_disks,
    [NV_TOP_PANEL_NETWORK] = draw_network,
    [NV_TOP_PANEL_FILESYSTEMS] = draw_filesystems,
    [NV_TOP_PANEL_GROUPS] = draw_groups,
    [NV_TOP_PANEL_ALERTS] = draw_alerts,
    [NV_TOP_PANEL_PROCESSES] = draw_processes,
};

static void write_node(const struct nv_top_data *data, struct nv_buf *line)
{
    const struct nv_top_rows *uname = &data->parts[NV_TOP_UNAME];
    double uptime = nv_top_value(data, NV_TOP_UPTIME);
    size_t alerts = data->parts[NV_TOP_ALERTS].n;
    char text[NV_CLI_TEXT_MAX];

    if (uname->n)
        nv_buf_str(line, nv_top_label(uname->at[0], "nodename"));
    if (alerts)
        nv_buf_printf(line, "%s%zu firing", line->n ? "  " : "", alerts);
    if (is_known(nv_top_value(data, NV_TOP_LOAD1)))
        nv_buf_printf(line, "%sload %.2f %.2f %.2f", line->n ? "  " : "",
                      nv_top_value(data, NV_TOP_LOAD1), nv_top_value(data, NV_TOP_LOAD5),
                      nv_top_value(data, NV_TOP_LOAD15));
    if (uptime >= 0 && uptime < 1e10)
        nv_buf_printf(line, "%sup %s", line->n ? "  " : "",
                      nv_cli_span(text, (int64_t)uptime * 1000));
    if (!line->n)
        nv_buf_text(line, data->time_ms ? "nothing known at this time" : "no answer yet");
}

static void draw_header(struct area *a)
{
    NV_AUTO_BUF line = NV_BUF(8192);
    char time[NV_CLI_TEXT_MAX], span[NV_CLI_TEXT_MAX], when[2 * NV_CLI_TEXT_MAX];

    for (size_t x = 0; x < a->width; x++)
        nv_top_put(a->screen, x, 0, 1, NV_TOP_BAR, NV_LIT(" "));
    write_node(a->data, &line);
    put_str(a, 0, a->width, NV_TOP_BAR, nv_buf_view(&line));
    a->y++;
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
    put_str(a, 0, a->width, NV_TOP_DIM, nv_buf_view(&line));
    a->y++;
    if (a->view->error[0]) {
        put(a, 0, a->width, NV_TOP_BAD, a->view->error);
        a->y++;
    }
    if (a->view->filtering) {
        nv_buf_reset(&line);
        nv_buf_printf(&line, "Filter: %s_", a->view->filter);
        put_str(a, 0, a->width, NV_TOP_WARN, nv_buf_view(&line));
        a->y++;
    }
}

static void draw_help(struct area *a)
{
    static const char *const lines[] = {
        "q quit            ? this help",
        "Left Right        a step back, forth",
        "[ ]               a span back, forth",
        "n                 now, live again",
        "Space             pause",
        "- +               longer, shorter span",
        "s c m a           sort by the next, CPU, memory, name",
        "t                 groups as tree, or flat",
        "/                 filter groups and processes; Enter keeps, Esc clears",
        "1 ... 9           hide and show panels",
        "Up Down PgUp PgDn Home, wheel: scroll",
    };

    title(a, "Keys", NULL, 0);
    for (size_t i = 0; i < NV_LEN(lines); i++, a->y++)
        put(a, 0, a->width, NV_TOP_PLAIN, lines[i]);
}

void nv_top_draw(struct nv_top_screen *screen, const struct nv_top_data *data,
                 const struct nv_top_view *view)
{
    struct area all = {screen, data, view, 0, 0, screen->width};
    size_t n = screen->width / COLUMN, heights[COLUMNS_MAX];

    n = n < 1 ? 1 : n > COLUMNS_MAX ? COLUMNS_MAX : n;
    draw_header(&all);
    screen->head = all.y;
    if (view->help) {
        draw_help(&all);
        return;
    }
    for (size_t i = 0; i < n; i++)
        heights[i] = all.y;
    for (size_t i = 0; i < NV_TOP_N_PANELS; i++) {
        size_t column = 0, width = screen->width / n;
        for (size_t k = 1; k < n; k++)
            column = heights[k] < heights[column] ? k : column;
        struct area a = {
            screen, data, view, column * width, heights[column], n > 1 ? width - 2 : width};
        if (!(view->hidden & 1u << i))
            panels[i](&a);
        heights[column] = a.y;
    }
}
