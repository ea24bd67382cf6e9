/*
 * top_panels.c - the panels that are no tables: CPU, memory, alerts.
 */
#include <math.h>

#include "cli/top_draw.h"

enum { CORES_MAX = 256 };

/* ---- CPU ------------------------------------------------------------------------------------ */

static int compare_cores(const void *a, const void *b)
{
    struct nv_str x = nv_top_label(*(const struct nv_answer_series *const *)a, "cpu"),
                  y = nv_top_label(*(const struct nv_answer_series *const *)b, "cpu");

    return x.n != y.n ? (x.n < y.n ? -1 : 1) : nv_str_cmp(x, y); /* 2 before 10 */
}

static void put_core(struct nv_top_area *a, size_t x, size_t width,
                     const struct nv_answer_series *core)
{
    char text[NV_CLI_TEXT_MAX];
    struct nv_top_past past;
    double busy = nv_top_last(core);
    struct nv_str name = nv_top_label(core, "cpu");

    nv_top_area_put(a, x, 4, NV_TOP_DIM, name);
    nv_top_put_right(a->screen, a->x + x + 4, a->y, 7, nv_top_style_of(busy, 60, 90),
                     nv_str(nv_top_percent(text, busy)));
    size_t most = a->screen->utf8 ? NV_TOP_POINTS / 2 : NV_TOP_POINTS;
    if (width <= 13)
        return;
    nv_top_past_read(&past, a, NV_TOP_CPU, "cpu", name);
    nv_top_put_graph(a->screen, a->x + x + 12, a->y, width - 13 < most ? width - 13 : most,
                     past.values, NV_TOP_POINTS, (struct nv_top_scale){100, 60, 90});
}

static void put_modes(struct nv_top_area *a)
{
    static const char *const modes[] = {"user",    "system", "iowait", "irq",
                                        "softirq", "steal",  "nice"};
    NV_AUTO_BUF line = NV_BUF(512);
    char text[NV_CLI_TEXT_MAX];

    for (size_t i = 0; i < NV_LEN(modes); i++) {
        double value =
            nv_top_last(nv_top_find(&a->data->parts[NV_TOP_CPU_MODE], "mode", nv_str(modes[i])));
        if (value >= 0.05 || (i < 3 && isfinite(value)))
            nv_buf_printf(&line, "%s%s %s", line.n ? "  " : "", modes[i],
                          nv_top_percent(text, value));
    }
    nv_top_area_put(a, 5, a->width, NV_TOP_PLAIN, nv_buf_view(&line));
}

void nv_top_draw_cpu(struct nv_top_area *a, enum nv_top_panel panel)
{
    const struct nv_top_rows *rows = &a->data->parts[NV_TOP_CPU];
    const struct nv_answer_series *cores[CORES_MAX];
    size_t n = rows->n < CORES_MAX ? rows->n : CORES_MAX;

    if (!n)
        return;
    memcpy(cores, rows->at, n * sizeof(cores[0]));
    qsort(cores, n, sizeof(cores[0]), compare_cores);
    put_modes(a);
    nv_top_area_title(a, panel);
    a->y++;
    size_t most = a->width / 24 ? a->width / 24 : 1;
    size_t beside = n <= 8 ? 1 : n <= 32 ? 2 : 4;
    beside = beside > most ? most : beside;
    size_t lines = (n + beside - 1) / beside, width = a->width / beside;
    for (size_t line = 0; line < lines; line++, a->y++) {
        for (size_t i = line; i < n; i += lines)
            put_core(a, i / lines * width, width, cores[i]);
    }
}

/* ---- memory --------------------------------------------------------------------------------- */

/* With a bar of what is and a graph of what was. */
static void put_share(struct nv_top_area *a, const char *name, double used, double total,
                      enum nv_top_part part)
{
    char one[NV_CLI_TEXT_MAX], two[NV_CLI_TEXT_MAX], text[3 * NV_CLI_TEXT_MAX];
    struct nv_top_past past;
    double share = used / total;
    enum nv_top_style style = nv_top_style_of(share, 0.8, 0.95);

    snprintf(text, sizeof(text), "%s of %s", nv_top_size(one, used), nv_top_size(two, total));
    nv_top_area_put(a, 0, 6, NV_TOP_DIM, nv_str(name));
    nv_top_put_right(a->screen, a->x + 5, a->y, 6, style, nv_str(nv_top_percent(one, 100 * share)));
    nv_top_area_put(a, 12, a->width, NV_TOP_PLAIN, nv_str(text));
    if (a->width > 45) {
        size_t bar = (a->width - 36) / 3;
        nv_top_put_bar(a->screen, a->x + 36, a->y, bar, style, share);
        nv_top_past_read(&past, a, part, "", (struct nv_str){"", 0});
        nv_top_put_graph(a->screen, a->x + 37 + bar, a->y, a->width - 38 - bar, past.values,
                         NV_TOP_POINTS, (struct nv_top_scale){100, 80, 95});
    }
    a->y++;
}

void nv_top_draw_memory(struct nv_top_area *a, enum nv_top_panel panel)
{
    double total = nv_top_value(a->data, NV_TOP_MEMORY_TOTAL),
           available = nv_top_value(a->data, NV_TOP_MEMORY_AVAILABLE),
           cache = nv_top_value(a->data, NV_TOP_MEMORY_CACHE),
           swap = nv_top_value(a->data, NV_TOP_SWAP_TOTAL);

    if (!isfinite(total) || !isfinite(available))
        return;
    nv_top_area_title(a, panel);
    a->y++;
    put_share(a, "used", total - available, total, NV_TOP_MEMORY_USED);
    if (isfinite(cache))
        put_share(a, "cache", cache, total, NV_TOP_MEMORY_CACHED);
    if (isfinite(swap))
        put_share(a, "swap", swap - nv_top_value(a->data, NV_TOP_SWAP_FREE), swap,
                  NV_TOP_SWAP_USED);
}

/* ---- alerts --------------------------------------------------------------------------------- */

/* Those that fire first, then by their labels. */
static int compare_alerts(const void *a, const void *b)
{
    const struct nv_answer_series *x = *(const struct nv_answer_series *const *)a,
                                  *y = *(const struct nv_answer_series *const *)b;
    int order = nv_str_cmp(nv_top_label(x, "alertstate"), nv_top_label(y, "alertstate"));

    return order ? order : nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static void put_alert(struct nv_top_area *a, enum nv_top_panel panel,
                      const struct nv_answer_series *alert)
{
    NV_AUTO_BUF labels = NV_BUF(1 << 16);
    char text[2 * NV_CLI_TEXT_MAX] = "", span[NV_CLI_TEXT_MAX];
    struct nv_str state = nv_top_label(alert, "alertstate");
    double since = nv_top_last(alert);
    bool fires = nv_str_is(state, "firing"), since_known = since >= 0 && since < 1e10;
    enum nv_top_style style = fires ? NV_TOP_BAD : NV_TOP_WARN;

    nv_top_write_labels(&labels, alert);
    snprintf(text, sizeof(text), "%s%s%s ", fires ? "firing" : "pending", since_known ? " " : "",
             since_known ? nv_cli_span(span, (int64_t)since * 1000) : "");
    nv_top_area_put(a, 0, a->width, style, nv_str(text));
    nv_top_area_put(a, strlen(text), a->width, style, nv_buf_view(&labels));
    struct nv_top_row row = {.key = nv_top_key(nv_buf_view(&labels)), .series = alert};
    nv_top_area_row(a, panel, &row);
}

void nv_top_draw_alerts(struct nv_top_area *a, enum nv_top_panel panel)
{
    const struct nv_answer_series *alerts[NV_TOP_ROWS_MAX];
    const struct nv_top_rows *rows = &a->data->parts[NV_TOP_ALERTS];
    size_t most = nv_top_area_most(a);

    if (!rows->n)
        return;
    memcpy(alerts, rows->at, rows->n * sizeof(alerts[0]));
    qsort(alerts, rows->n, sizeof(alerts[0]), compare_alerts);
    nv_top_area_title(a, panel);
    a->y++;
    for (size_t i = 0; i < rows->n && i < most; i++)
        put_alert(a, panel, alerts[i]);
    if (rows->n > most)
        nv_top_area_more(a, rows->n - most);
}
