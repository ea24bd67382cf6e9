/*
 * take_in.h - an intake with its target, for tests: bodies go in, what a store would have got comes out as text.
 *
 *     struct taker t;
 *     taker_begin(&t);                       job="j", instance="i"
 *     t.scrape.honor_labels = true;          ... before the first body
 *     taker_scrape(&t, 1000, TEXT, "a 1\n");
 *     taker_samples(&t)                      "a{instance=\"i\",job=\"j\"} 1\n": sorted, the report left out
 *     taker_report(&t, "up")                 1
 *     t.sparse                               "a{...} 1 @500\n" for each sample handed on with its own time
 *     taker_end(&t);
 */
#ifndef NV_TEST_SCRAPE_TAKE_IN_H
#define NV_TEST_SCRAPE_TAKE_IN_H

#include <stdio.h>

#include "base/assert.h"
#include "base/number.h"
#include "metric/queryable.h"
#include "scrape/intake.h"

#define TEXT        "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PROTO                                                                                      \
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

enum { TAKER_MAX = 64 << 20, TAKER_LABELS = 400 };

struct taker {
    struct nv_config_scrape scrape;
    struct nv_label labels[8];
    size_t n_labels;
    struct nv_intake *intake;
    struct nv_frame *frame; /* of the last scrape */
    struct nv_buf sparse, text;
    int sparse_answer; /* of the store */
    size_t cut;        /* bytes fed at once; 0: all */
};

static inline void taker_begin(struct taker *t)
{
    *t = (struct taker){
        .scrape = {.job_name = "j", .fallback_protocol = -1, .honor_timestamps = true},
        .labels = {{NV_LIT("instance"), NV_LIT("i")},               {NV_LIT("job"), NV_LIT("j")}     },
        .n_labels = 2,
        .sparse = NV_BUF(TAKER_MAX),
        .text = NV_BUF(TAKER_MAX),
    };
}

static inline void taker_end(struct taker *t)
{
    if (t->frame)
        nv_frame_unref(t->frame);
    nv_intake_free(t->intake);
    nv_buf_done(&t->sparse);
    nv_buf_done(&t->text);
}

static inline void taker_write_series(struct nv_buf *out, struct nv_label *labels, size_t n)
{
    nv_labels_sort(labels, n);
    nv_buf_str(out, nv_label_value(labels, n, NV_LIT("__name__")));
    nv_buf_char(out, '{');
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (nv_str_is(labels[i].name, "__name__"))
            continue;
        nv_buf_text(out, first ? "" : ",");
        first = false;
        nv_name_escape_value(out, labels[i].name);
        nv_buf_text(out, "=\"");
        nv_name_escape_value(out, labels[i].value);
        nv_buf_char(out, '"');
    }
    nv_buf_text(out, "} ");
}

static inline void taker_write_counts(struct nv_buf *out, const char *side,
                                      const struct nv_span *spans, uint32_t n_spans,
                                      const double *counts)
{
    char number[NV_NUMBER_MAX];

    for (uint32_t s = 0, c = 0; s < n_spans; s++) {
        nv_buf_printf(out, " %s%d:", side, (int)spans[s].offset);
        for (uint32_t k = 0; k < spans[s].length; k++, c++) {
            nv_buf_text(out, k ? "," : "");
            nv_buf_add(out, number, nv_number_text(number, counts[c]));
        }
    }
}

static inline void taker_write_value(struct nv_buf *out, double value, const struct nv_histogram *h)
{
    char number[NV_NUMBER_MAX];

    if (!h) {
        nv_buf_text(out, nv_is_stale(value) ? "stale" : "");
        if (!nv_is_stale(value))
            nv_buf_add(out, number, nv_number_text(number, value));
        return;
    }
    nv_buf_printf(out, "{%sschema %d%s count %g sum %g zero %g/%g", h->is_float ? "float " : "",
                  (int)h->schema, h->reset_hint == NV_RESET_GAUGE ? " gauge" : "", h->count, h->sum,
                  h->zero_count, h->zero_threshold);
    taker_write_counts(out, "+", h->positive_spans, h->n_positive_spans, h->positive);
    taker_write_counts(out, "-", h->negative_spans, h->n_negative_spans, h->negative);
    nv_buf_char(out, '}');
}

static inline int taker_take_sparse(void *user, const struct nv_label *labels, size_t n,
                                    int64_t time_ms, double value,
                                    const struct nv_histogram *histogram)
{
    struct taker *t = user;
    struct nv_label own[TAKER_LABELS];

    nv_assert(n <= TAKER_LABELS);
    for (size_t i = 0; i < n; i++) {
        nv_assert(i == 0 || nv_str_cmp(labels[i - 1].name, labels[i].name) < 0);
        nv_assert(labels[i].value.n);
        own[i] = labels[i];
    }
    if (t->sparse_answer)
        return t->sparse_answer;
    taker_write_series(&t->sparse, own, n);
    taker_write_value(&t->sparse, value, histogram);
    nv_buf_printf(&t->sparse, " @%lld\n", (long long)time_ms);
    return 0;
}

static inline struct nv_intake *taker_intake(struct taker *t)
{
    const struct nv_intake_options options = {
        .scrape = &t->scrape,
        .labels = t->labels,
        .n_labels = t->n_labels,
        .sparse = taker_take_sparse,
        .user = t,
    };

    if (!t->intake)
        t->intake = nv_must(nv_intake_new(&options));
    return t->intake;
}

static inline void taker_frame(struct taker *t)
{
    static const struct nv_intake_report report = {.duration_s = 0.25, .timeout_s = 10};

    if (t->frame)
        nv_frame_unref(t->frame);
    t->frame = NULL;
    int r = nv_intake_frame(t->intake, &report, &t->frame);
    nv_assert(r == 0);
}

/* Each cut is fed from memory of its own, so that reading beyond it is found. */
static inline int taker_feed(struct taker *t, const char *body, size_t n)
{
    size_t cut = t->cut ? t->cut : n;
    int r = 0;

    for (size_t at = 0; at < n && r == 0; at += cut) {
        size_t some = n - at < cut ? n - at : cut;
        NV_AUTO_FREE char *copy = nv_must(malloc(some));
        memcpy(copy, body + at, some);
        r = nv_intake_feed(t->intake, copy, some);
    }
    return r;
}

static inline int taker_scrape_bytes(struct taker *t, int64_t time_ms, const char *type,
                                     const char *body, size_t n)
{
    taker_intake(t);
    nv_buf_reset(&t->sparse);
    nv_intake_begin(t->intake, nv_str(type), time_ms);
    int fed = taker_feed(t, body, n);
    int r = nv_intake_end(t->intake);
    nv_assert(fed == 0 || r == fed);
    taker_frame(t);
    return r;
}

static inline int taker_scrape(struct taker *t, int64_t time_ms, const char *type, const char *body)
{
    return taker_scrape_bytes(t, time_ms, type, body, strlen(body));
}

static inline void taker_fail(struct taker *t, int64_t time_ms, const char *why)
{
    nv_buf_reset(&t->sparse);
    nv_intake_fail(taker_intake(t), time_ms, why);
    taker_frame(t);
}

static inline const char *taker_error(const struct taker *t)
{
    return nv_intake_told(t->intake)->error;
}

static inline int taker_by_line(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

/* Sorts the lines of a text. */
static inline void taker_sort(struct nv_buf *text)
{
    struct nv_str rest = nv_buf_view(text);
    size_t n = 0;

    for (size_t i = 0; i < text->n; i++)
        n += text->p[i] == '\n';
    NV_AUTO_FREE struct nv_str *lines = nv_must(malloc((n + 1) * sizeof(*lines)));
    for (size_t i = 0; i < n; i++)
        lines[i] = nv_str_cut(&rest, '\n');
    qsort(lines, n, sizeof(*lines), taker_by_line);
    struct nv_buf sorted = NV_BUF(TAKER_MAX);
    for (size_t i = 0; i < n; i++) {
        nv_buf_str(&sorted, lines[i]);
        nv_buf_char(&sorted, '\n');
    }
    nv_buf_done(text);
    *text = sorted;
}

static inline void taker_write_column(struct taker *t, const struct nv_frame *frame, size_t column)
{
    const struct nv_series *series = nv_layout_series(frame->layout, column);
    const struct nv_target *target = &frame->layout->targets[series->section];
    struct nv_label labels[TAKER_LABELS];
    size_t n = 0;

    labels[n++] = (struct nv_label){NV_LIT("__name__"), series->name};
    for (size_t i = 0; i < series->n_labels; i++)
        labels[n++] = series->labels[i];
    for (size_t i = 0; i < target->n_labels; i++)
        labels[n++] = target->labels[i];
    taker_write_series(&t->text, labels, n);
    taker_write_value(&t->text, frame->values[column],
                      frame->histograms ? frame->histograms[column] : NULL);
    nv_buf_char(&t->text, '\n');
}

/* What the last frame has, section 1 (the report) or all others. */
static inline const char *taker_present(struct taker *t, bool report)
{
    nv_buf_reset(&t->text);
    for (size_t i = 0; i < t->frame->n_series; i++) {
        const struct nv_series *series = nv_layout_series(t->frame->layout, i);
        if (nv_frame_has(t->frame, i) && (series->section == 1) == report)
            taker_write_column(t, t->frame, i);
    }
    taker_sort(&t->text);
    return nv_buf_c_string(&t->text);
}

static inline const char *taker_samples(struct taker *t)
{
    return taker_present(t, false);
}

/* A value of the report; NaN where it is not there. */
static inline double taker_report(const struct taker *t, const char *name)
{
    for (size_t i = 0; i < t->frame->n_series; i++) {
        const struct nv_series *series = nv_layout_series(t->frame->layout, i);
        if (series->section == 1 && nv_str_is(series->name, name) && nv_frame_has(t->frame, i))
            return t->frame->values[i];
    }
    return (double)NAN;
}

static inline const char *taker_sparse(struct taker *t)
{
    return nv_buf_c_string(&t->sparse);
}

#endif
