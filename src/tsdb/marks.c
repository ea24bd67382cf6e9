/*
 * Samples that were deleted and are still in memory: readers leave them out, and so does the next block.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/parts.h"

bool nv_store_is_marked(struct nv_store *store, const struct nv_head_series *series)
{
    if (!__atomic_load_n(&store->n_marks, __ATOMIC_ACQUIRE))
        return false;
    NV_LOCKED(&store->marks_lock);
    for (size_t i = 0; i < store->n_marks; i++)
        if (store->marks[i].series == series)
            return true;
    return false;
}

int nv_store_add_mark(struct nv_store *store, struct nv_head_series *series, int64_t from_ms,
                      int64_t to_ms)
{
    NV_LOCKED(&store->marks_lock);

    if (store->n_marks == NV_STORE_MARKS_MAX)
        return -ENOSPC;
    struct nv_mark *marks = realloc(store->marks, (store->n_marks + 1) * sizeof(*marks));
    if (!marks)
        return -ENOMEM;
    store->marks = marks;
    nv_series_ref(store->table, series);
    marks[store->n_marks] = (struct nv_mark){series, from_ms, to_ms};
    __atomic_store_n(&store->n_marks, store->n_marks + 1, __ATOMIC_RELEASE);
    return 0;
}

static void leave_out(struct nv_samples *samples, size_t first, int64_t from_ms, int64_t to_ms)
{
    size_t kept = first;

    for (size_t i = first; i < samples->n; i++) {
        if (samples->times[i] >= from_ms && samples->times[i] <= to_ms)
            continue;
        samples->times[kept] = samples->times[i];
        samples->values[kept] = samples->values[i];
        if (samples->histograms)
            samples->histograms[kept] = samples->histograms[i];
        if (samples->starts)
            samples->starts[kept] = samples->starts[i];
        kept++;
    }
    samples->n = kept;
}

void nv_store_apply_marks(struct nv_store *store, const struct nv_head_series *series,
                          struct nv_samples *samples, size_t first)
{
    if (!__atomic_load_n(&store->n_marks, __ATOMIC_ACQUIRE))
        return;
    NV_LOCKED(&store->marks_lock);
    for (size_t i = 0; i < store->n_marks; i++)
        if (store->marks[i].series == series)
            leave_out(samples, first, store->marks[i].from_ms, store->marks[i].to_ms);
}

void nv_store_drop_marks(struct nv_store *store, const struct nv_head *head, int64_t until_ms)
{
    NV_LOCKED(&store->marks_lock);
    size_t kept = 0;

    for (size_t i = 0; i < store->n_marks; i++) {
        struct nv_mark mark = store->marks[i];
        if (!head || (mark.series->source == head->number && mark.to_ms <= until_ms))
            nv_series_unref(store->table, &mark.series, 1);
        else
            store->marks[kept++] = mark;
    }
    __atomic_store_n(&store->n_marks, kept, __ATOMIC_RELEASE);
}
