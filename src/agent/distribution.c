#include "agent/distribution.h"

#include <math.h>

#include "base/assert.h"

enum { GAP_MAX = 2 /* empty buckets that are cheaper to write than a new span */ };

static int n_native(const struct nv_distribution_shape *shape)
{
    return shape->doublings << shape->schema;
}

/* Index of the first native bucket, as schemas count. */
static int first_index(const struct nv_distribution_shape *shape)
{
    return shape->zero_log2 * (1 << shape->schema) + 1;
}

static void observe_native(struct nv_distribution *d, double value)
{
    const struct nv_distribution_shape *shape = d->shape;
    int n = n_native(shape);

    nv_assert(n <= NV_DISTRIBUTION_NATIVE);
    if (value <= ldexp(1, shape->zero_log2)) {
        d->zero++;
        return;
    }
    double index = ceil(log2(value) * (1 << shape->schema)) - first_index(shape);
    d->native[index < 0 ? 0 : index < n ? (int)index : n - 1]++;
}

void nv_distribution_observe(struct nv_distribution *d, double value)
{
    size_t bucket = 0;

    if (!(value >= 0) || isinf(value))
        return;
    while (bucket < NV_DISTRIBUTION_BOUNDS && value > d->shape->classic[bucket].bound)
        bucket++;
    d->classic[bucket]++;
    d->count++;
    d->sum += value;
    observe_native(d, value);
}

void nv_distribution_native(const struct nv_distribution *d, struct nv_distribution_room *room,
                            struct nv_histogram *ret)
{
    int n = n_native(d->shape), first = first_index(d->shape), end = 0;
    uint32_t n_spans = 0, n_counts = 0;

    for (int i = 0; i < n; i++) {
        if (!d->native[i])
            continue;
        if (n_spans && i - end <= GAP_MAX) {
            room->spans[n_spans - 1].length += (uint32_t)(i - end);
            for (; end < i; end++)
                room->counts[n_counts++] = 0;
        } else {
            room->spans[n_spans] = (struct nv_span){n_spans ? i - end : i + first, 0};
            n_spans++;
        }
        room->spans[n_spans - 1].length++;
        room->counts[n_counts++] = (double)d->native[i];
        end = i + 1;
    }
    *ret = (struct nv_histogram){
        .schema = d->shape->schema,
        .zero_threshold = ldexp(1, d->shape->zero_log2),
        .zero_count = (double)d->zero,
        .count = (double)d->count,
        .sum = d->sum,
        .positive_spans = room->spans,
        .n_positive_spans = n_spans,
        .positive = room->counts,
        .n_positive = n_counts,
    };
}
