/*
 * query_chart.c - the answer of a range as a chart in a terminal.
 *
 *   rate(node_cpu_seconds_total[5m])                    the expression
 *   0.8 |      ..                                       the plot, its values at the left, and at the right the letters of
 *   0.4 |...../  \.....  a                              the series where they end
 *   0.0 +------+------+
 *          10:00  10:30 UTC
 *   a -- cpu="0"   min 0.1  max 0.8  last 0.4           a line for each series, after the labels they share
 *
 * At most SERIES_MAX series are drawn, those with the largest values; native histograms are not.
 */
#include <math.h>

#include "cli/chart.h"
#include "cli/query.h"
#include "cli/text.h"

enum {
    SERIES_MAX = 12,
    ROWS_PER_TICK = 3,
    TICK_GAP = 4,
    LEAST_PLOT = 16,
    LINE_MAX_BYTES = 1 << 20,
    MOST_ROWS = 500,
    MOST_COLUMNS = 2000,
};

static const char marks[] = " abcdefghijkl"; /* by owner */
static const char *const colors[] = {"",   "36", "33", "32", "35", "34", "31",
                                     "96", "93", "92", "95", "94", "91"};

struct drawn {
    const struct nv_answer_series *series;
    size_t place; /* in the answer */
    double least, most, last;
};

struct chart {
    const struct nv_answer *answer;
    const struct nv_query *query;
    const struct nv_chart_look *look;
    struct drawn drawn[SERIES_MAX];
    size_t n_drawn, n_left_out, n_histograms;
    bool binary;
    unsigned gutter, ends; /* columns left of the plot and right of it */
    struct nv_axis values;
    struct nv_time_axis times;
    struct nv_canvas canvas;
    struct nv_label common[NV_QUERY_LABELS_MAX];
    size_t n_common;
};

/* ---- what is drawn -------------------------------------------------------------------------- */

/* Of the values that can be drawn. False where there is none. */
static bool measure(const struct nv_answer_series *series, struct drawn *ret)
{
    *ret = (struct drawn){.series = series, .least = INFINITY, .most = -INFINITY, .last = NAN};
    for (size_t i = 0; i < series->n; i++) {
        double value = series->values[i];
        if (!isfinite(value) || (series->histograms && series->histograms[i]))
            continue;
        ret->least = value < ret->least ? value : ret->least;
        ret->most = value > ret->most ? value : ret->most;
        ret->last = value;
    }
    return ret->least <= ret->most;
}

static void choose(struct chart *chart)
{
    for (size_t i = 0; i < chart->answer->n; i++) {
        struct drawn one;
        chart->n_histograms += chart->answer->series[i].histograms != NULL;
        if (!measure(&chart->answer->series[i], &one))
            continue;
        one.place = i;
        size_t at = chart->n_drawn;
        if (at == SERIES_MAX) { /* in the place of the lowest, if that is lower */
            at = 0;
            for (size_t k = 1; k < SERIES_MAX; k++)
                at = chart->drawn[k].most < chart->drawn[at].most ? k : at;
            chart->n_left_out++;
            if (chart->drawn[at].most >= one.most)
                continue;
        } else {
            chart->n_drawn++;
        }
        chart->drawn[at] = one;
    }
}

static int compare_places(const void *a, const void *b)
{
    const struct drawn *x = a, *y = b;

    return (x->place > y->place) - (x->place < y->place);
}

/* ---- layout --------------------------------------------------------------------------------- */

static void lay_out(struct chart *chart)
{
    const struct nv_chart_look *look = chart->look;
    unsigned rows = look->height < 4 ? 4 : look->height > MOST_ROWS ? MOST_ROWS : look->height;
    unsigned width = look->width > MOST_COLUMNS ? MOST_COLUMNS : look->width;
    double least = INFINITY, most = -INFINITY;
    char text[NV_AXIS_TEXT_MAX];

    for (size_t i = 0; i < chart->n_drawn; i++) {
        least = fmin(least, chart->drawn[i].least);
        most = fmax(most, chart->drawn[i].most);
    }
    nv_axis_init(&chart->values, least, most, rows / ROWS_PER_TICK, chart->binary, look->utf8);
    for (unsigned i = 0; i < chart->values.n_ticks; i++) {
        int n = nv_cli_width(nv_axis_text(text, &chart->values, nv_axis_value(&chart->values, i)));
        chart->gutter = (unsigned)n > chart->gutter ? (unsigned)n : chart->gutter;
    }
    nv_time_axis_init(&chart->times, chart->query->start_ms, chart->query->end_ms, 1);
    unsigned zone = (unsigned)strlen(chart->times.zone);
    chart->gutter = zone > chart->gutter ? zone : chart->gutter;
    chart->ends = chart->n_drawn > 1 ? 3 : 0;
    unsigned taken = chart->gutter + 2 + chart->ends;
    chart->canvas.width = width > taken + LEAST_PLOT ? width - taken : LEAST_PLOT;
    chart->canvas.height = rows;
    unsigned most_texts = chart->canvas.width / (NV_TIME_TEXT + TICK_GAP);
    nv_time_axis_init(&chart->times, chart->query->start_ms, chart->query->end_ms,
                      most_texts ? most_texts : 1);
}

/* Dot columns and rows; the ends of the axes are on the outermost. */
static int place_of_time(const struct chart *chart, int64_t time_ms)
{
    const struct nv_query *query = chart->query;
    double span = (double)(query->end_ms - query->start_ms);
    unsigned dots = chart->canvas.width * chart->canvas.per_cell_x;

    return span > 0 ? (int)lround((double)(time_ms - query->start_ms) / span * (dots - 1)) : 0;
}

static int place_of_value(const struct chart *chart, double value)
{
    const struct nv_axis *axis = &chart->values;
    unsigned dots = chart->canvas.height * chart->canvas.per_cell_y;
    double span = axis->high - axis->low;

    value = fmin(fmax(value, axis->low), axis->high);
    return (int)lround((axis->high - value) / span * (dots - 1));
}

static void draw_series(struct chart *chart, size_t owner)
{
    const struct nv_answer_series *series = chart->drawn[owner - 1].series;
    int64_t gap_ms = chart->query->step_ms + chart->query->step_ms / 2, before_ms = 0;
    int x0 = 0, y0 = 0;
    bool connected = false;

    for (size_t i = 0; i < series->n; i++) {
        bool is_number =
            isfinite(series->values[i]) && !(series->histograms && series->histograms[i]);
        if (!is_number) {
            connected = false;
            continue;
        }
        int x = place_of_time(chart, series->times[i]),
            y = place_of_value(chart, series->values[i]);
        connected = connected && series->times[i] - before_ms <= gap_ms;
        nv_canvas_line(&chart->canvas, connected ? x0 : x, connected ? y0 : y, x, y,
                       (uint8_t)owner);
        x0 = x, y0 = y, before_ms = series->times[i], connected = true;
    }
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void begin_color(const struct chart *chart, struct nv_buf *line, uint8_t owner)
{
    if (chart->look->colors && owner)
        nv_buf_printf(line, "\033[%sm", colors[owner]);
}

static void end_color(const struct chart *chart, struct nv_buf *line, uint8_t owner)
{
    if (chart->look->colors && owner)
        nv_buf_text(line, "\033[0m");
}

static void end_line(FILE *to, struct nv_buf *line)
{
    while (line->n && line->p[line->n - 1] == ' ')
        line->n--;
    nv_buf_char(line, '\n');
    fwrite(line->p, 1, line->failed ? 0 : line->n, to);
    nv_buf_reset(line);
}

/* The text of the tick whose dots are in this row, at the right of the gutter; and the axis. */
static void print_tick(const struct chart *chart, unsigned row, struct nv_buf *line)
{
    const struct nv_axis *axis = &chart->values;
    char text[NV_AXIS_TEXT_MAX];
    bool utf8 = chart->look->utf8, found = false;

    text[0] = '\0';
    for (unsigned i = 0; i < axis->n_ticks && !found; i++) {
        double value = nv_axis_value(axis, i);
        found = (unsigned)place_of_value(chart, value) / chart->canvas.per_cell_y == row;
        if (found)
            nv_axis_text(text, axis, value);
    }
    nv_buf_printf(line, "%*s%s %s", (int)chart->gutter - nv_cli_width(text), "", text,
                  utf8 ? (found ? "\u2524" : "\u2502") : (found ? "+" : "|"));
}

/* Letters of the series whose last value is in this row. */
static void print_ends(const struct chart *chart, unsigned row, struct nv_buf *line)
{
    unsigned shown = 0;

    for (size_t i = 0; chart->ends && i < chart->n_drawn; i++) {
        int y = place_of_value(chart, chart->drawn[i].last);
        if ((unsigned)y / chart->canvas.per_cell_y != row)
            continue;
        if (shown == chart->ends - 1)
            return;
        if (!shown++)
            nv_buf_char(line, ' ');
        begin_color(chart, line, (uint8_t)(i + 1));
        nv_buf_char(line, marks[i + 1]);
        end_color(chart, line, (uint8_t)(i + 1));
    }
}

static void print_plot(FILE *to, const struct chart *chart, struct nv_buf *line)
{
    const struct nv_canvas *canvas = &chart->canvas;

    for (unsigned y = 0; y < canvas->height; y++) {
        uint8_t color = 0;
        print_tick(chart, y, line);
        for (unsigned x = 0; x < canvas->width; x++) {
            uint8_t owner = canvas->owners[(size_t)y * canvas->width + x];
            if (owner != color) {
                end_color(chart, line, color);
                begin_color(chart, line, owner);
                color = owner;
            }
            nv_canvas_cell(canvas, x, y, marks, line);
        }
        end_color(chart, line, color);
        print_ends(chart, y, line);
        end_line(to, line);
    }
}

/* The column of the plot a tick is in; the width of the plot behind the last. */
static unsigned tick_column(const struct chart *chart, unsigned i)
{
    int64_t time_ms = chart->times.first_ms + (int64_t)i * chart->times.step_ms;

    if (time_ms > chart->query->end_ms)
        return chart->canvas.width;
    return (unsigned)place_of_time(chart, time_ms) / chart->canvas.per_cell_x;
}

static void print_times(FILE *to, const struct chart *chart, struct nv_buf *line)
{
    bool utf8 = chart->look->utf8;
    char text[NV_AXIS_TEXT_MAX];
    unsigned at = 0, room = chart->canvas.width + chart->ends;

    nv_buf_printf(line, "%*s %s", (int)chart->gutter, "", utf8 ? "\u2514" : "+");
    for (unsigned x = 0, i = 0; x < chart->canvas.width; x++) {
        bool tick = tick_column(chart, i) == x;
        i += tick;
        nv_buf_text(line, utf8 ? (tick ? "\u252c" : "\u2500") : (tick ? "+" : "-"));
    }
    end_line(to, line);
    nv_buf_printf(line, "%*s  ", (int)chart->gutter, chart->times.zone);
    for (unsigned i = 0, x; (x = tick_column(chart, i)) < chart->canvas.width; i++) {
        nv_time_axis_text(text, &chart->times,
                          chart->times.first_ms + (int64_t)i * chart->times.step_ms);
        unsigned n = (unsigned)strlen(text), from = x > n / 2 ? x - n / 2 : 0;
        from = from + n > room ? room - n : from;
        if (from < at + (i > 0))
            continue;
        nv_buf_printf(line, "%*s%s", (int)(from - at), "", text);
        at = from + n;
    }
    end_line(to, line);
}

/* ---- the legend ----------------------------------------------------------------------------- */

/* What sets a series apart: {cpu="0"}; nothing where it is alone. */
static void print_name(const struct chart *chart, size_t i, struct nv_buf *out)
{
    const struct nv_answer_series *series = chart->drawn[i].series;

    if (chart->answer->n > 1)
        nv_query_print_labels(out, series->labels, series->n_labels, chart->common,
                              chart->n_common);
}

/* At most `width` characters, with dots where it was longer; padded. */
static void add_padded(struct nv_buf *line, struct nv_buf *text, unsigned width)
{
    const char *c_string = nv_buf_c_string(text);
    unsigned n = (unsigned)nv_cli_width(c_string), shown = 0;

    for (size_t i = 0; c_string[i]; i++) {
        shown += (c_string[i] & 0xc0) != 0x80;
        if (n > width && shown > width - 3)
            break;
        nv_buf_char(line, c_string[i]);
    }
    if (n > width)
        nv_buf_text(line, "...");
    else
        nv_buf_printf(line, "%*s", (int)(width - n), "");
}

static void print_entry(FILE *to, const struct chart *chart, size_t i, unsigned width,
                        struct nv_buf *line)
{
    const struct drawn *drawn = &chart->drawn[i];
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"min",  drawn->least},
        {"max",  drawn->most },
        {"last", drawn->last },
    };
    NV_AUTO_BUF name = NV_BUF(LINE_MAX_BYTES);
    uint8_t owner = (uint8_t)(i + 1);
    char text[NV_AXIS_TEXT_MAX];

    begin_color(chart, line, owner);
    nv_buf_char(line, marks[owner]);
    if (chart->look->colors)
        nv_buf_text(line, chart->look->utf8 ? " \u2501\u2501" : " --");
    end_color(chart, line, owner);
    nv_buf_char(line, ' ');
    print_name(chart, i, &name);
    add_padded(line, &name, width);
    for (size_t k = 0; k < NV_LEN(numbers); k++) {
        nv_axis_number(text, numbers[k].value, chart->binary, chart->look->utf8);
        nv_buf_printf(line, "  %s %s%*s", numbers[k].name, text, 8 - nv_cli_width(text), "");
    }
    end_line(to, line);
}

static void print_legend(FILE *to, const struct chart *chart, struct nv_buf *line)
{
    enum { NUMBERS = 3 * 14 + 6 };
    unsigned width = 0,
             room = chart->look->width > NUMBERS + 20 ? chart->look->width - NUMBERS : 20;

    for (size_t i = 0; i < chart->n_drawn; i++) {
        NV_AUTO_BUF name = NV_BUF(LINE_MAX_BYTES);
        print_name(chart, i, &name);
        unsigned n = (unsigned)nv_cli_width(nv_buf_c_string(&name));
        width = n > width ? n : width;
    }
    if (chart->n_common) {
        nv_query_print_labels(line, chart->common, chart->n_common, NULL, 0);
        end_line(to, line);
    }
    for (size_t i = 0; i < chart->n_drawn; i++)
        print_entry(to, chart, i, width < room ? width : room, line);
    if (chart->n_left_out)
        fprintf(to, "Not drawn: %zu series whose values are lower.\n", chart->n_left_out);
    if (chart->n_histograms)
        fprintf(to, "Not drawn: native histograms of %zu series; --output=table shows them.\n",
                chart->n_histograms);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int print_all(FILE *to, struct chart *chart)
{
    NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);

    lay_out(chart);
    if (nv_canvas_init(&chart->canvas, chart->canvas.width, chart->canvas.height,
                       chart->look->utf8) < 0)
        return nv_query_fail("out of memory");
    for (size_t i = chart->n_drawn; i > 0; i--) /* the first ones on top */
        draw_series(chart, i);
    nv_query_plain(&line, chart->query->expr);
    end_line(to, &line);
    print_plot(to, chart, &line);
    print_times(to, chart, &line);
    print_legend(to, chart, &line);
    nv_canvas_done(&chart->canvas);
    return 0;
}

int nv_query_print_chart(FILE *to, const struct nv_answer *answer, const struct nv_query *query,
                         const struct nv_chart_look *look)
{
    NV_AUTO_FREE struct chart *chart = calloc(1, sizeof(*chart));

    if (!chart)
        return nv_query_fail("out of memory");
    chart->answer = answer;
    chart->query = query;
    chart->look = look;
    chart->binary = nv_str_contains(query->expr, "bytes");
    chart->n_common = nv_answer_common(answer, chart->common);
    choose(chart);
    qsort(chart->drawn, chart->n_drawn, sizeof(chart->drawn[0]), compare_places);
    if (chart->n_drawn)
        return print_all(to, chart);
    if (answer->n)
        fprintf(to, "There is nothing to draw: %s.\n",
                chart->n_histograms ? "native histograms are shown by --output=table"
                                    : "no value is finite");
    return 0;
}
