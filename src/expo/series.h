/*
 * series.h - names and series written from their parts, for all forms that are text.
 *
 * The rendered text of a layout serves nearly always; this is for names that must be escaped, bounds in
 * another notation, and histograms that have no text. Only src/expo includes this.
 */
#ifndef NV_EXPO_SERIES_H
#define NV_EXPO_SERIES_H

#include "base/arena.h"
#include "expo/expo.h"
#include "metric/name.h"

enum { NV_EXPO_ESCAPED_MAX = 1 << 20 }; /* bytes of an escaped name */

struct nv_expo_writer {
    const struct nv_frame *frame;
    enum nv_expo_escaping escaping;
    enum nv_expo_form form;
    struct nv_buf *out;
    const struct nv_expo_part *parts; /* all that is written, for names that must not meet */
    size_t n_parts;
};

/* The families of several parts under one name, as one of one frame (merge.c). */
struct nv_expo_merge {
    struct nv_arena memory;
    struct nv_frame frame;
    struct nv_layout layout;
    struct nv_layout_family family;
};
struct nv_expo_same { /* a family, and where it is from */
    const struct nv_frame *frame;
    const struct nv_layout_family *family;
};

/* Fills frame and family; they live until the next. -ENOMEM. */
NV_MUST_USE int nv_expo_merge(struct nv_expo_merge *merge, const struct nv_expo_same *same,
                              size_t n, struct nv_expo_left_out *left_out);

/* Each writes the head and the present series of one family; nothing where none is present. */
void nv_expo_text_family(const struct nv_expo_writer *w, const struct nv_layout_family *family);
void nv_expo_openmetrics_family(const struct nv_expo_writer *w,
                                const struct nv_layout_family *family);
void nv_expo_protobuf_family(const struct nv_expo_writer *w, const struct nv_layout_family *family);

/* The fields of a native histogram in its message. */
struct nv_wire;
void nv_expo_protobuf_native(struct nv_wire *wire, const struct nv_histogram *h);

/* A name as the scheme has it, bare. What is legacy is left alone under every scheme. */
void nv_expo_metric_name(struct nv_buf *out, struct nv_str name, enum nv_expo_escaping escaping);
void nv_expo_label_name(struct nv_buf *out, struct nv_str name, enum nv_expo_escaping escaping);

/* A bare name as it stands in text: in quotes where it is not legacy. */
void nv_expo_quoted(struct nv_buf *out, struct nv_str name);

/* Whether a family's name is legacy. What is known of one of its series mostly saves looking. */
static inline bool nv_expo_has_plain_name(const struct nv_layout_family *family,
                                          const struct nv_series *series)
{
    return series->legacy || nv_name_is_legacy_metric(family->name);
}

/* The native histogram at a column, or NULL. */
static inline const struct nv_histogram *nv_expo_native(const struct nv_frame *frame, size_t column)
{
    return frame->histograms ? frame->histograms[column] : NULL;
}

/* Labels of the metric itself: le and quantile, which come last, tell its parts apart. */
static inline size_t nv_expo_n_own(const struct nv_series *series)
{
    bool part = series->role == NV_ROLE_BUCKET || series->role == NV_ROLE_QUANTILE;

    return series->n_labels - (part && series->n_labels ? 1u : 0u);
}

/* Whether two series are parts of one metric: their labels are the same but for le or quantile. */
bool nv_expo_same_metric(const struct nv_series *a, const struct nv_series *b);

/* Whether two series say the same part, such as le="1" and le="1.0". They follow each other. */
static inline bool nv_expo_same_part(const struct nv_series *a, const struct nv_series *b)
{
    return a->role == b->role && nv_expo_n_own(a) < a->n_labels && a->bound == b->bound &&
           nv_expo_same_metric(a, b);
}

/* Whether a value can stand as an unsigned integer. */
static inline bool nv_expo_is_u64(double value)
{
    return value >= 0 && value < 0x1p64 && value == (double)(uint64_t)value;
}

/*
 * `name` `suffix` {labels,bound} and a blank. `name` is escaped already; `n` labels of the series are
 * written, then `bound`, whose name is legacy, unless that name is empty.
 */
void nv_expo_series(struct nv_buf *out, struct nv_str name, const char *suffix,
                    const struct nv_series *series, size_t n, struct nv_label bound,
                    enum nv_expo_escaping escaping);

/* Whether the native histogram at place i of its family has classic buckets beside it, which say it in text. */
bool nv_expo_has_classic(const struct nv_frame *frame, const struct nv_layout_family *family,
                         uint32_t i);

/* A native histogram for those who know only classic ones: the buckets it has bounds for (custom ones;
 * else +Inf alone), sum and count. */
void nv_expo_native_text(const struct nv_expo_writer *w, struct nv_str name,
                         const struct nv_series *series, const struct nv_histogram *histogram);

/*
 * The classic view of a native histogram, bucket by bucket:
 *
 *     struct nv_expo_bucket b = {0};
 *     while (nv_expo_next_bucket(histogram, &b)) ... b.bound, b.cumulative
 */
struct nv_expo_bucket {
    double bound, cumulative;
    uint32_t n;           /* buckets given so far */
    uint32_t span, taken; /* where in the spans */
    uint32_t n_counts;
    int64_t index; /* of the next populated bucket, once `placed` */
    bool placed;
};
bool nv_expo_next_bucket(const struct nv_histogram *histogram, struct nv_expo_bucket *bucket);

#endif
