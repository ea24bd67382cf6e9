/*
 * memory_queryable.h - a queryable of a few series in memory, for what reads one.
 */
#ifndef NV_TEST_MEMORY_QUERYABLE_H
#define NV_TEST_MEMORY_QUERYABLE_H

#include <check.h>
#include <errno.h>

#include "metric/queryable.h"

enum { MEMORY_SERIES_MAX = 4096 };

struct memory_series {
    struct nv_label *labels; /* by name */
    size_t n_labels;
    struct nv_samples samples;
    bool damaged; /* so that it cannot be read */
};

struct memory {
    struct memory_series series[MEMORY_SERIES_MAX]; /* by labels, once memory_ready() ran */
    size_t n;
    struct nv_arena arena;
    struct nv_queryable queryable;
};

struct memory_range {
    int64_t from_ms, to_ms;
};

static inline void memory_init(struct memory *m)
{
    memset(m, 0, sizeof(*m));
    m->arena = NV_ARENA(SIZE_MAX);
}

static inline void memory_done(struct memory *m)
{
    for (size_t i = 0; i < m->n; i++)
        nv_samples_done(&m->series[i].samples);
    nv_arena_done(&m->arena);
}

/* Pairs of names and values, ended by NULL; names sorted. */
static inline struct memory_series *memory_add(struct memory *m, const char *const *pairs)
{
    struct memory_series *series = &m->series[m->n++];
    size_t n = 0;

    ck_assert_uint_le(m->n, MEMORY_SERIES_MAX);
    while (pairs[n])
        n += 2;
    series->n_labels = n / 2;
    series->labels = nv_arena_alloc(&m->arena, n * sizeof(*series->labels));
    series->samples.histogram_memory = NV_ARENA(SIZE_MAX);
    for (size_t i = 0; i < n / 2; i++)
        series->labels[i] = (struct nv_label){nv_arena_str(&m->arena, nv_str(pairs[2 * i])),
                                              nv_arena_str(&m->arena, nv_str(pairs[2 * i + 1]))};
    return series;
}

static inline void memory_sample(struct memory_series *series, int64_t time_ms, double value)
{
    struct nv_samples *s = &series->samples;

    ck_assert_int_eq(nv_samples_room(s, 1), 0);
    s->times[s->n] = time_ms;
    if (s->histograms)
        s->histograms[s->n] = NULL;
    s->values[s->n++] = value;
}

/* The histogram is the caller's and has to live on. */
static inline void memory_histogram(struct memory_series *series, int64_t time_ms,
                                    const struct nv_histogram *histogram)
{
    struct nv_samples *s = &series->samples;

    memory_sample(series, time_ms, NAN);
    if (!s->histograms)
        s->histograms = calloc(s->room, sizeof(*s->histograms));
    ck_assert_ptr_nonnull(s->histograms);
    s->histograms[s->n - 1] = histogram;
}

static inline int memory_by_labels(const void *a, const void *b)
{
    const struct memory_series *x = a, *y = b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static inline int memory_select(void *store, const struct nv_matcher *matchers, size_t n,
                                int64_t from_ms, int64_t to_ms, size_t limit,
                                struct nv_selection *ret)
{
    struct memory *m = store;
    struct memory_range *range = malloc(sizeof(*range));

    (void)limit;
    ck_assert_uint_gt(n, 0);
    *range = (struct memory_range){from_ms, to_ms};
    *ret = (struct nv_selection){
        .from = &m->queryable, .series = calloc(m->n + 1, sizeof(*ret->series)), .handle = range};
    for (size_t i = 0; i < m->n; i++)
        if (nv_matchers_fit(matchers, n, m->series[i].labels, m->series[i].n_labels))
            ret->series[ret->n++] =
                (struct nv_selected){m->series[i].labels, m->series[i].n_labels, &m->series[i]};
    return 0;
}

static inline int memory_read(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    const struct memory_range *range = selection->handle;
    const struct memory_series *series = selection->series[i].handle;
    const struct nv_samples *all = &series->samples;

    if (series->damaged)
        return -EBADMSG;
    if (nv_samples_room(samples, all->n) < 0)
        return -ENOMEM;
    if (all->histograms && !samples->histograms)
        samples->histograms = calloc(samples->room, sizeof(*samples->histograms));
    for (size_t k = 0; k < all->n; k++) {
        if (all->times[k] < range->from_ms || all->times[k] > range->to_ms ||
            (!samples->n && nv_is_stale(all->values[k]))) /* as the store does */
            continue;
        if (samples->histograms)
            samples->histograms[samples->n] = all->histograms ? all->histograms[k] : NULL;
        samples->times[samples->n] = all->times[k];
        samples->values[samples->n++] = all->values[k];
    }
    return 0;
}

static inline void memory_release(struct nv_selection *selection)
{
    free(selection->series);
    free(selection->handle);
}

static inline void memory_range_of(void *store, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    const struct memory *m = store;

    *ret_from_ms = INT64_MAX;
    *ret_to_ms = INT64_MIN;
    for (size_t i = 0; i < m->n; i++) {
        const struct nv_samples *s = &m->series[i].samples;
        if (s->n && s->times[0] < *ret_from_ms)
            *ret_from_ms = s->times[0];
        if (s->n && s->times[s->n - 1] > *ret_to_ms)
            *ret_to_ms = s->times[s->n - 1];
    }
}

/* Sorts what was added, and makes it a queryable. */
static inline const struct nv_queryable *memory_ready(struct memory *m)
{
    qsort(m->series, m->n, sizeof(m->series[0]), memory_by_labels);
    m->queryable = (struct nv_queryable){.store = m,
                                         .select = memory_select,
                                         .read = memory_read,
                                         .release = memory_release,
                                         .range = memory_range_of};
    return &m->queryable;
}

#endif
