/*
 * distribution.h - a cumulative histogram that is classic and native at once.
 *
 *   classic    at most NV_DISTRIBUTION_BOUNDS bounds and one bucket without
 *   native     exponential buckets within a range; what is at or below the zero threshold counts as zero, what is above
 *              the range in its last bucket
 *   values     not negative
 *   threads    the caller's lock
 */
#ifndef NV_AGENT_DISTRIBUTION_H
#define NV_AGENT_DISTRIBUTION_H

#include <nodevitals/collector.h>

#include "metric/histogram.h"

enum { NV_DISTRIBUTION_BOUNDS = 11, NV_DISTRIBUTION_NATIVE = 160 };

struct nv_distribution_shape {
    struct {
        double bound;
        const char *text; /* as label le has it */
    } classic[NV_DISTRIBUTION_BOUNDS];
    int schema;    /* 2^schema native buckets for each doubling */
    int zero_log2; /* the zero threshold is two to this power */
    int doublings; /* of the threshold, that native buckets cover; NATIVE holds them */
};

struct nv_distribution {
    const struct nv_distribution_shape *shape;
    uint64_t classic[NV_DISTRIBUTION_BOUNDS + 1]; /* each bucket by itself */
    uint64_t native[NV_DISTRIBUTION_NATIVE];
    uint64_t zero, count;
    double sum;
};

void nv_distribution_observe(struct nv_distribution *distribution, double value);

/* Memory for a native picture. */
struct nv_distribution_room {
    struct nv_span spans[NV_DISTRIBUTION_NATIVE];
    double counts[NV_DISTRIBUTION_NATIVE];
};

/* The native histogram as it is now; points into the room. */
void nv_distribution_native(const struct nv_distribution *distribution,
                            struct nv_distribution_room *room, struct nv_histogram *ret);

#endif
