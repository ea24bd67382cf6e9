/*
 * query_table.c - an answer as an aligned table, and as CSV (RFC 4180, lines ending in LF).
 *
 * Labels that are the same everywhere stand once above the table; a column each has what differs. CSV has them all, so that
 * its columns depend on the series alone.
 */
#include "cli/query.h"
#include "cli/text.h"

enum { CELL_MAX = 8 << 20, LINE_MAX_BYTES = 64 << 20 };

static bool is_list(const struct nv_query *query)
{
    return query->kind == NV_QUERY_LABELS || query->kind == NV_QUERY_LABEL_VALUES;
}

/* A value, or a histogram. */
static void print_value(struct nv_buf *out, const struct nv_answer_series *series, size_t i)
{
    if (series->histograms && series->histograms[i])
        nv_answer_histogram_print(out, series->histograms[i]);
    else
        nv_answer_number_print(out, series->values[i]);
}

/* ---- tables --------------------------------------------------------------------------------- */

/* Which columns there are. */
struct columns {
    struct nv_label common[NV_QUERY_LABELS_MAX];
    struct nv_str names[NV_QUERY_LABELS_MAX];
    size_t n_common, n_names;
    bool one_column; /* for all labels: they are too many, or of one series only */
    bool times, histograms;
};

static void choose_columns(const struct nv_answer *answer, struct columns *ret)
{
    enum { OTHERS = 2 }; /* time and value */

    ret->n_common = answer->n > 1 ? nv_answer_common(answer, ret->common) : 0;
    ret->n_names = nv_answer_names(answer, ret->common, ret->n_common, ret->names);
    ret->one_column = answer->n == 1 || ret->n_names + OTHERS > NV_CLI_COLUMNS_MAX || !ret->n_names;
    ret->times = answer->type == NV_VALUE_MATRIX;
    for (size_t i = 0; i < answer->n; i++)
        ret->histograms = ret->histograms || answer->series[i].histograms;
}

static void add_cell(struct nv_cli_table *table, struct nv_buf *text)
{
    nv_cli_cell(table, nv_buf_c_string(text));
    nv_buf_reset(text);
}

static void begin_table(struct nv_cli_table *table, const struct columns *columns,
                        struct nv_buf names[NV_CLI_COLUMNS_MAX])
{
    const char *headers[NV_CLI_COLUMNS_MAX + 1];
    size_t n = 0;

    if (columns->one_column)
        headers[n++] = "SERIES";
    for (size_t i = 0; !columns->one_column && i < columns->n_names; i++) {
        nv_query_plain(&names[i], columns->names[i]);
        headers[n++] = nv_buf_c_string(&names[i]);
    }
    if (columns->times)
        headers[n++] = "TIME";
    headers[n++] = columns->histograms ? "VALUE" : ">VALUE";
    headers[n] = NULL;
    nv_cli_table_init(table, headers);
}

static void add_row(struct nv_cli_table *table, const struct columns *columns,
                    const struct nv_answer_series *series, size_t i, struct nv_buf *cell)
{
    char time[NV_RFC3339_MAX];

    if (columns->one_column) {
        nv_query_print_labels(cell, series->labels, series->n_labels, columns->common,
                              columns->n_common);
        add_cell(table, cell);
    }
    for (size_t k = 0; !columns->one_column && k < columns->n_names; k++) {
        nv_query_plain(cell, nv_label_value(series->labels, series->n_labels, columns->names[k]));
        add_cell(table, cell);
    }
    if (columns->times)
        nv_cli_cell(table, nv_query_time(time, series->times[i]));
    print_value(cell, series, i);
    add_cell(table, cell);
}

static void print_common(FILE *to, const struct columns *columns)
{
    NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);

    if (!columns->n_common)
        return;
    nv_query_print_labels(&line, columns->common, columns->n_common, NULL, 0);
    fprintf(to, "%s\n", nv_buf_c_string(&line));
}

static int print_result(FILE *to, const struct nv_answer *answer)
{
    struct nv_buf names[NV_CLI_COLUMNS_MAX];
    NV_AUTO_FREE struct columns *columns = calloc(1, sizeof(*columns));
    NV_AUTO_BUF cell = NV_BUF(CELL_MAX);
    struct nv_cli_table table;

    if (!columns)
        return nv_query_fail("out of memory");
    for (size_t i = 0; i < NV_CLI_COLUMNS_MAX; i++)
        names[i] = NV_BUF(CELL_MAX);
    choose_columns(answer, columns);
    begin_table(&table, columns, names);
    for (size_t i = 0; i < answer->n; i++) {
        for (size_t k = 0; k < answer->series[i].n; k++)
            add_row(&table, columns, &answer->series[i], k, &cell);
    }
    for (size_t i = 0; i < NV_CLI_COLUMNS_MAX; i++)
        nv_buf_done(&names[i]);
    if (table.text.failed) {
        nv_buf_done(&table.text);
        return nv_query_fail("this is too much for a table, try --output=csv");
    }
    print_common(to, columns);
    nv_cli_table_print(&table, to);
    return 0;
}

static void print_texts(FILE *to, const struct nv_answer *answer)
{
    for (size_t i = 0; i < answer->n_texts; i++) {
        NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);
        nv_query_plain(&line, answer->texts[i]);
        fprintf(to, "%s\n", nv_buf_c_string(&line));
    }
}

static void print_label_sets(FILE *to, const struct nv_answer *answer)
{
    for (size_t i = 0; i < answer->n; i++) {
        NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);
        nv_query_print_labels(&line, answer->series[i].labels, answer->series[i].n_labels, NULL, 0);
        fprintf(to, "%s\n", nv_buf_c_string(&line));
    }
}

/* A scalar or a string is a line without a head. */
static void print_single(FILE *to, const struct nv_answer *answer)
{
    NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);

    if (answer->type == NV_VALUE_STRING)
        nv_query_plain(&line, answer->string);
    else
        print_value(&line, answer->series, 0);
    fprintf(to, "%s\n", nv_buf_c_string(&line));
}

int nv_query_print_table(FILE *to, const struct nv_answer *answer, const struct nv_query *query)
{
    if (is_list(query))
        print_texts(to, answer);
    else if (query->kind == NV_QUERY_SERIES)
        print_label_sets(to, answer);
    else if (answer->n && (answer->type == NV_VALUE_STRING || answer->type == NV_VALUE_SCALAR))
        print_single(to, answer);
    else if (answer->n)
        return print_result(to, answer);
    return 0;
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static void add_field(struct nv_buf *line, struct nv_str text)
{
    bool plain = nv_str_find(text, ',') == text.n && nv_str_find(text, '"') == text.n &&
                 nv_str_find(text, '\n') == text.n && nv_str_find(text, '\r') == text.n;

    if (line->n)
        nv_buf_char(line, ',');
    if (plain) {
        nv_buf_str(line, text);
        return;
    }
    nv_buf_char(line, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            nv_buf_char(line, '"');
        nv_buf_char(line, text.p[i]);
    }
    nv_buf_char(line, '"');
}

static void end_line(FILE *to, struct nv_buf *line)
{
    nv_buf_char(line, '\n');
    if (!line->failed)
        fwrite(line->p, 1, line->n, to);
    nv_buf_reset(line);
}

/* The fields of a series that are the same at each time. An empty first field would not be seen: it gets quotes. */
static void add_labels(struct nv_buf *line, const struct nv_answer_series *series,
                       const struct nv_str *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++) {
        struct nv_str value = nv_label_value(series->labels, series->n_labels, names[i]);
        if (i == 0 && !value.n)
            nv_buf_text(line, "\"\"");
        else
            add_field(line, value);
    }
}

static void add_point(struct nv_buf *line, const struct nv_answer *answer,
                      const struct nv_answer_series *series, size_t i, struct nv_buf *cell)
{
    char time[NV_RFC3339_MAX];

    add_field(line, nv_str(nv_query_time(time, series->times[i])));
    nv_buf_reset(cell);
    if (answer->type == NV_VALUE_STRING)
        nv_buf_str(cell, answer->string);
    else
        print_value(cell, series, i);
    add_field(line, nv_buf_view(cell));
}

static void print_series(FILE *to, const struct nv_answer *answer, bool points,
                         const struct nv_str *names, size_t n_names)
{
    NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES), cell = NV_BUF(CELL_MAX);

    for (size_t i = 0; i < n_names; i++)
        add_field(&line, names[i]);
    if (points) {
        add_field(&line, NV_LIT("timestamp"));
        add_field(&line, NV_LIT("value"));
    }
    end_line(to, &line);
    for (size_t i = 0; i < answer->n; i++) {
        const struct nv_answer_series *series = &answer->series[i];
        for (size_t k = 0; k < (points ? series->n : 1); k++) {
            add_labels(&line, series, names, n_names);
            if (points)
                add_point(&line, answer, series, k, &cell);
            end_line(to, &line);
        }
    }
}

int nv_query_print_csv(FILE *to, const struct nv_answer *answer, const struct nv_query *query)
{
    NV_AUTO_FREE struct nv_str *names = calloc(NV_QUERY_LABELS_MAX, sizeof(*names));
    NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);

    if (!names)
        return nv_query_fail("out of memory");
    if (!is_list(query)) {
        size_t n = nv_answer_names(answer, NULL, 0, names);
        print_series(to, answer, query->kind != NV_QUERY_SERIES, names, n);
        return 0;
    }
    add_field(&line, query->kind == NV_QUERY_LABELS ? NV_LIT("label") : query->label);
    end_line(to, &line);
    for (size_t i = 0; i < answer->n_texts; i++) {
        add_field(&line, answer->texts[i]);
        end_line(to, &line);
    }
    return 0;
}
