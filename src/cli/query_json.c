/*
 * query_json.c - an answer as JSON, in the shape that `data` has in the API.
 */
#include "base/json_out.h"
#include "cli/query.h"

enum { LINE_MAX_BYTES = 1 << 30 };

static void print_labels(struct nv_buf *out, const struct nv_answer_series *series)
{
    nv_buf_char(out, '{');
    for (size_t i = 0; i < series->n_labels; i++) {
        if (i)
            nv_buf_char(out, ',');
        nv_json_quote(out, series->labels[i].name);
        nv_buf_char(out, ':');
        nv_json_quote(out, series->labels[i].value);
    }
    nv_buf_char(out, '}');
}

/* Seconds, with three digits of a fraction where there is one. */
static void print_time(struct nv_buf *out, int64_t time_ms)
{
    uint64_t ms = time_ms < 0 ? -(uint64_t)time_ms : (uint64_t)time_ms;

    nv_buf_printf(out, "%s%llu", time_ms < 0 ? "-" : "", (unsigned long long)(ms / 1000));
    if (ms % 1000)
        nv_buf_printf(out, ".%03u", (unsigned)(ms % 1000));
}

static void print_number(struct nv_buf *out, double value)
{
    nv_buf_char(out, '"');
    nv_answer_number_print(out, value);
    nv_buf_char(out, '"');
}

static void print_histogram(struct nv_buf *out, const struct nv_answer_histogram *h)
{
    nv_buf_text(out, "{\"count\":");
    print_number(out, h->count);
    nv_buf_text(out, ",\"sum\":");
    print_number(out, h->sum);
    for (size_t i = 0; i < h->n; i++) {
        nv_buf_printf(out, "%s[%d,", i ? "," : ",\"buckets\":[", h->buckets[i].rule);
        print_number(out, h->buckets[i].lower);
        nv_buf_char(out, ',');
        print_number(out, h->buckets[i].upper);
        nv_buf_char(out, ',');
        print_number(out, h->buckets[i].count);
        nv_buf_char(out, ']');
    }
    nv_buf_text(out, h->n ? "]}" : "}");
}

static bool is_histogram(const struct nv_answer_series *series, size_t i)
{
    return series->histograms && series->histograms[i];
}

static void print_point(struct nv_buf *out, const struct nv_answer_series *series, size_t i)
{
    nv_buf_char(out, '[');
    print_time(out, series->times[i]);
    nv_buf_char(out, ',');
    if (is_histogram(series, i))
        print_histogram(out, series->histograms[i]);
    else
        print_number(out, series->values[i]);
    nv_buf_char(out, ']');
}

/* The floats, or the histograms, of a series; nothing where it has none. */
static void print_points(struct nv_buf *out, const struct nv_answer_series *series, bool histograms)
{
    size_t shown = 0;

    for (size_t i = 0; i < series->n; i++) {
        if (is_histogram(series, i) != histograms)
            continue;
        if (!shown++)
            nv_buf_text(out, histograms ? ",\"histograms\":[" : ",\"values\":[");
        else
            nv_buf_char(out, ',');
        print_point(out, series, i);
    }
    if (shown)
        nv_buf_char(out, ']');
}

static void print_result(FILE *to, const struct nv_answer *answer)
{
    bool is_vector = answer->type == NV_VALUE_VECTOR;

    fprintf(to, "{\"resultType\":\"%s\",\"result\":[", is_vector ? "vector" : "matrix");
    for (size_t i = 0; i < answer->n; i++) {
        const struct nv_answer_series *series = &answer->series[i];
        NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES); /* a series at a time */
        nv_buf_text(&line, i ? ",{\"metric\":" : "{\"metric\":");
        print_labels(&line, series);
        if (is_vector && series->n) {
            nv_buf_text(&line, is_histogram(series, 0) ? ",\"histogram\":" : ",\"value\":");
            print_point(&line, series, 0);
        } else {
            print_points(&line, series, false);
            print_points(&line, series, true);
        }
        nv_buf_char(&line, '}');
        fwrite(line.p, 1, line.n, to);
    }
    fputs("]}\n", to);
}

static void print_single(FILE *to, const struct nv_answer *answer)
{
    bool is_string = answer->type == NV_VALUE_STRING;
    NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);

    nv_buf_printf(&line, "{\"resultType\":\"%s\",\"result\":", is_string ? "string" : "scalar");
    if (is_string) {
        nv_buf_char(&line, '[');
        print_time(&line, answer->series->times[0]);
        nv_buf_char(&line, ',');
        nv_json_quote(&line, answer->string);
        nv_buf_char(&line, ']');
    } else {
        print_point(&line, answer->series, 0);
    }
    nv_buf_text(&line, "}\n");
    fwrite(line.p, 1, line.n, to);
}

static void print_list(FILE *to, const struct nv_answer *answer, bool texts)
{
    size_t n = texts ? answer->n_texts : answer->n;

    fputc('[', to);
    for (size_t i = 0; i < n; i++) {
        NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);
        if (i)
            nv_buf_char(&line, ',');
        if (texts)
            nv_json_quote(&line, answer->texts[i]);
        else
            print_labels(&line, &answer->series[i]);
        fwrite(line.p, 1, line.n, to);
    }
    fputs("]\n", to);
}

int nv_query_print_json(FILE *to, const struct nv_answer *answer, const struct nv_query *query)
{
    bool texts = query->kind == NV_QUERY_LABELS || query->kind == NV_QUERY_LABEL_VALUES;

    if (texts || query->kind == NV_QUERY_SERIES)
        print_list(to, answer, texts);
    else if (answer->type == NV_VALUE_STRING || answer->type == NV_VALUE_SCALAR)
        print_single(to, answer);
    else
        print_result(to, answer);
    return 0;
}
