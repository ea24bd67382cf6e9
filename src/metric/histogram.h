/*
 * histogram.h - a native histogram: sparse buckets of exponential or custom boundaries.
 *
 * Bucket i of schema s covers (2^((i-1) * 2^-s), 2^(i * 2^-s)]; schemas -4 to 8, and -53 with the upper
 * bounds in custom_values. Spans give runs of bucket indexes: the first offset is the index itself, later
 * ones the gap. Counts are absolute and kept as doubles; `is_float` tells whether they came as floats.
 *
 *   ownership  spans, counts and custom values belong to whoever made the histogram; it is immutable
 *   staleness  a histogram whose sum is the staleness marker
 */
#ifndef NV_METRIC_HISTOGRAM_H
#define NV_METRIC_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NV_HISTOGRAM_CUSTOM = -53 };
enum nv_reset_hint { NV_RESET_UNKNOWN, NV_RESET_YES, NV_RESET_NO, NV_RESET_GAUGE };

struct nv_span {
    int32_t offset;
    uint32_t length;
};

struct nv_histogram {
    int32_t schema;
    uint8_t reset_hint; /* enum nv_reset_hint */
    bool is_float;
    double zero_threshold, zero_count, count, sum;
    const struct nv_span *positive_spans, *negative_spans;
    const double *positive, *negative, *custom_values;
    uint32_t n_positive_spans, n_negative_spans, n_positive, n_negative, n_custom;
};

/* The histogram and all it points to, in the arena; NULL past its limit. */
struct nv_arena;
const struct nv_histogram *nv_histogram_keep(struct nv_arena *arena, const struct nv_histogram *h);

#endif
