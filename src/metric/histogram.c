#include "metric/histogram.h"

#include "base/arena.h"

static bool keep(struct nv_arena *arena, const void *from, size_t size, void *ret)
{
    void *copy = nv_arena_alloc(arena, size + 1);

    if (copy && size)
        memcpy(copy, from, size);
    memcpy(ret, &copy, sizeof(copy));
    return copy;
}

const struct nv_histogram *nv_histogram_keep(struct nv_arena *arena, const struct nv_histogram *h)
{
    struct nv_histogram *copy;

    if (!keep(arena, h, sizeof(*h), &copy) ||
        !keep(arena, h->positive_spans, h->n_positive_spans * sizeof(struct nv_span),
              &copy->positive_spans) ||
        !keep(arena, h->negative_spans, h->n_negative_spans * sizeof(struct nv_span),
              &copy->negative_spans) ||
        !keep(arena, h->positive, h->n_positive * sizeof(double), &copy->positive) ||
        !keep(arena, h->negative, h->n_negative * sizeof(double), &copy->negative) ||
        !keep(arena, h->custom_values, h->n_custom * sizeof(double), &copy->custom_values))
        return NULL;
    return copy;
}
