/*
 * histogram_math.h - arithmetic of native histograms.
 *
 * Results are compacted: no bucket in them is empty. They lie in the arena given.
 */
#ifndef NV_PROMQL_HISTOGRAM_MATH_H
#define NV_PROMQL_HISTOGRAM_MATH_H

#include "base/arena.h"
#include "base/buf.h"
#include "metric/histogram.h"

/* What becomes known on the way of adding two; NV_HISTOGRAM_MIXED comes without a result. */
enum nv_histogram_outcome {
    NV_HISTOGRAM_MIXED = 1,      /* exponential buckets and custom ones */
    NV_HISTOGRAM_RECONCILED = 2, /* custom bounds differed: those in common were kept */
    NV_HISTOGRAM_CONFLICT = 4,   /* one says the counter was reset, the other that it was not */
};

/* A non-empty bucket with its bounds, which keep their order on the negative side. */
struct nv_bucket {
    double lower, upper, count;
    int32_t index;
    int8_t side; /* -1 negative, 0 zero, 1 positive */
};

int nv_histogram_compact(struct nv_arena *arena, const struct nv_histogram *h,
                         struct nv_histogram **ret);

/* a + b, or a - b (whose hint is gauge). Returns outcomes or-ed, or -ENOMEM. */
int nv_histogram_combine(struct nv_arena *arena, const struct nv_histogram *a,
                         const struct nv_histogram *b, bool subtract, struct nv_histogram **ret);

/*
 * Many of them, added up or averaged without losing to rounding. `add` makes the adder with the first; it lies in
 * `arena`, what is needed on the way in `scratch`. Returns outcomes or-ed; after NV_HISTOGRAM_MIXED the adder is of
 * no more use. `added` ends it.
 */
struct nv_histogram_adder;
int nv_histogram_add(struct nv_arena *arena, struct nv_arena *scratch, const struct nv_histogram *h,
                     bool mean, struct nv_histogram_adder **adder);
int nv_histogram_added(struct nv_arena *arena, struct nv_histogram_adder *adder, bool mean,
                       struct nv_histogram **ret);

int nv_histogram_scale(struct nv_arena *arena, const struct nv_histogram *h, double factor,
                       bool divide, struct nv_histogram **ret);

/* 1 where the counter began anew between `before` and `h`, 0 where not, -ENOMEM. */
int nv_histogram_is_reset(struct nv_arena *arena, const struct nv_histogram *h,
                          const struct nv_histogram *before);
int nv_histogram_equal(struct nv_arena *arena, const struct nv_histogram *a,
                       const struct nv_histogram *b);

/* Non-empty buckets in rising order of their bounds; NULL when memory is out. */
const struct nv_bucket *nv_histogram_buckets(struct nv_arena *arena, const struct nv_histogram *h,
                                             size_t *ret_n);

/* Keeps what lies below x (`upper`), or above. */
int nv_histogram_trim(struct nv_arena *arena, const struct nv_histogram *h, double x, bool upper,
                      struct nv_histogram **ret);
void nv_histogram_print(struct nv_buf *out, const struct nv_histogram *h);

static inline bool nv_histogram_is_custom(const struct nv_histogram *h)
{
    return h->schema == NV_HISTOGRAM_CUSTOM;
}

#endif
