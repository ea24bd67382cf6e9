#include "support/promql_series.h"

#include <errno.h>

#include "base/assert.h"
#include "promql/histograms.h"
#include "promql/lexer.h"

struct sample {
    int64_t time, start;
    double value;
    const struct nv_histogram *histogram;
};

struct series {
    struct nv_label *labels;
    size_t n_labels, n, room;
    struct sample *at;
};

struct nv_memory_series {
    struct nv_arena arena;
    struct series **at;
    size_t n, room;
};

struct nv_memory_series *nv_memory_series_new(void)
{
    struct nv_memory_series *memory = nv_must(calloc(1, sizeof(*memory)));

    memory->arena = NV_ARENA((size_t)1 << 30);
    return memory;
}

void nv_memory_series_free(struct nv_memory_series *memory)
{
    for (size_t i = 0; memory && i < memory->n; i++) {
        free(memory->at[i]->at);
        free(memory->at[i]);
    }
    if (memory) {
        free(memory->at);
        nv_arena_done(&memory->arena);
    }
    free(memory);
}

size_t nv_memory_series_count(const struct nv_memory_series *memory)
{
    return memory->n;
}

static struct series *series_of(struct nv_memory_series *memory, const struct nv_label *labels,
                                size_t n)
{
    for (size_t i = 0; i < memory->n; i++)
        if (memory->at[i]->n_labels == n &&
            nv_labels_compare(memory->at[i]->labels, n, labels, n) == 0)
            return memory->at[i];
    if (memory->n == memory->room) {
        memory->room = memory->room ? memory->room * 2 : 16;
        memory->at = nv_must(realloc(memory->at, memory->room * sizeof(*memory->at)));
    }
    struct series *s = memory->at[memory->n++] = nv_must(malloc(sizeof(*s)));
    *s = (struct series){nv_must(nv_arena_alloc(&memory->arena, (n + 1) * sizeof(*labels))), n};
    for (size_t i = 0; i < n; i++)
        s->labels[i] = (struct nv_label){nv_arena_str(&memory->arena, labels[i].name),
                                         nv_arena_str(&memory->arena, labels[i].value)};
    return s;
}

static void put(struct series *s, struct sample sample)
{
    if (s->n == s->room) {
        s->room = s->room ? s->room * 2 : 16;
        s->at = nv_must(realloc(s->at, s->room * sizeof(*s->at)));
    }
    size_t at = s->n++;
    for (; at && s->at[at - 1].time > sample.time; at--)
        s->at[at] = s->at[at - 1];
    s->at[at] = sample;
}

static const struct nv_histogram *copied(struct nv_memory_series *memory,
                                         const struct nv_histogram *h)
{
    struct nv_histogram *copy = NULL;

    nv_assert(nv_histogram_compact(&memory->arena, h, &copy) == 0);
    return copy;
}

void nv_memory_series_load(struct nv_memory_series *memory, const struct nv_points *points,
                           int64_t step_ms, const int64_t *starts)
{
    struct series *s = series_of(memory, points->labels, points->n_labels);

    for (size_t i = 0; i < points->n; i++) {
        const struct nv_point *p = &points->at[i];
        int64_t time = (int64_t)i * step_ms;
        if (p->is_missing)
            continue;
        put(s, (struct sample){time, starts && starts[i] != INT64_MIN ? time + starts[i] : 0,
                               p->value, p->histogram ? copied(memory, p->histogram) : NULL});
    }
}

struct found {
    size_t *at;
    int64_t from, to;
};

static int by_labels(const void *a, const void *b)
{
    const struct nv_selected *x = a, *y = b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static const struct nv_queryable memory_queryable;

static int select_series(void *store, const struct nv_matcher *matchers, size_t n, int64_t from,
                         int64_t to, size_t limit, struct nv_selection *ret)
{
    struct nv_memory_series *memory = store;
    int64_t *range = nv_must(malloc(2 * sizeof(int64_t)));

    (void)limit;
    range[0] = from;
    range[1] = to;
    *ret = (struct nv_selection){.from = &memory_queryable, .handle = range};
    ret->series = nv_must(calloc(memory->n + 1, sizeof(*ret->series)));
    for (size_t i = 0; i < memory->n; i++) {
        struct series *s = memory->at[i];
        if (nv_matchers_fit(matchers, n, s->labels, s->n_labels))
            ret->series[ret->n++] = (struct nv_selected){s->labels, s->n_labels, s};
    }
    if (ret->n)
        qsort(ret->series, ret->n, sizeof(*ret->series), by_labels);
    return 0;
}

/* Hints as chunks of a store give them. */
static struct nv_histogram *hinted(struct nv_arena *arena, const struct nv_histogram *h,
                                   const struct nv_histogram *before)
{
    struct nv_histogram *copy = nv_must(nv_arena_alloc(arena, sizeof(*copy)));

    *copy = *h;
    if (h->reset_hint == NV_RESET_GAUGE)
        return copy;
    bool begins = !before || before->reset_hint == NV_RESET_GAUGE || nv_is_stale(before->sum) ||
                  h->reset_hint == NV_RESET_YES || before->schema != h->schema ||
                  before->zero_threshold != h->zero_threshold ||
                  nv_histogram_is_reset(arena, h, before) != 0;
    copy->reset_hint = begins ? NV_RESET_UNKNOWN : NV_RESET_NO;
    return copy;
}

static int read_series(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    const struct series *s = selection->series[i].handle;
    const int64_t *range = selection->handle;
    bool histograms = false, starts = false;
    const struct nv_histogram *before = NULL;

    samples->histogram_memory.max = (size_t)1 << 30;
    for (size_t k = 0; k < s->n; k++) {
        histograms |= s->at[k].histogram != NULL;
        starts |= s->at[k].start != 0;
    }
    if (nv_samples_room(samples, s->n) < 0)
        return -ENOMEM;
    if (histograms)
        samples->histograms = nv_must(calloc(samples->room + 1, sizeof(*samples->histograms)));
    if (starts)
        samples->starts = nv_must(calloc(samples->room + 1, sizeof(*samples->starts)));
    for (size_t k = 0; k < s->n; k++) {
        const struct sample *from = &s->at[k];
        const struct nv_histogram *h = NULL;
        if (from->histogram)
            h = hinted(&samples->histogram_memory, from->histogram, before);
        before = from->histogram;
        if (from->time < range[0] || from->time > range[1])
            continue;
        samples->times[samples->n] = from->time;
        samples->values[samples->n] = h ? NAN : from->value;
        if (histograms)
            samples->histograms[samples->n] = h;
        if (starts)
            samples->starts[samples->n] = from->start;
        samples->n++;
    }
    return 0;
}

static void release(struct nv_selection *selection)
{
    free(selection->series);
    free(selection->handle);
}

static const struct nv_queryable memory_queryable = {NULL, select_series, read_series, release};

struct nv_queryable nv_memory_series_queryable(struct nv_memory_series *memory)
{
    struct nv_queryable queryable = memory_queryable;

    queryable.store = memory;
    return queryable;
}

/* --- classic histograms as native ones --- */

static bool without_suffix(const struct series *s, const char *suffix, struct nv_label *out,
                           size_t *ret_n, struct nv_str *ret_le)
{
    size_t n = 0;
    bool fits = false;

    *ret_le = (struct nv_str){"", 0};
    for (size_t i = 0; i < s->n_labels; i++) {
        struct nv_label label = s->labels[i];
        if (nv_str_is(label.name, "le")) {
            *ret_le = label.value;
            continue;
        }
        if (nv_str_is(label.name, "__name__")) {
            fits = nv_str_ends(label.value, suffix);
            label.value.n -= fits ? strlen(suffix) : 0;
        }
        out[n++] = label;
    }
    *ret_n = n;
    return fits;
}

static const struct sample *sample_at(const struct series *s, int64_t time)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (s->at[i].time == time && !s->at[i].histogram)
            return &s->at[i];
    return NULL;
}

struct parts {
    struct nv_label *labels;
    size_t n_labels, n;
    struct {
        double bound;
        const struct series *series;
    } buckets[64];
    const struct series *count, *sum;
};

static struct parts *parts_of(struct parts *all, size_t *n, struct nv_memory_series *memory,
                              const struct nv_label *labels, size_t n_labels)
{
    for (size_t i = 0; i < *n; i++)
        if (all[i].n_labels == n_labels &&
            nv_labels_compare(all[i].labels, n_labels, labels, n_labels) == 0)
            return &all[i];
    struct parts *p = &all[(*n)++];
    *p = (struct parts){.n_labels = n_labels};
    p->labels = nv_must(nv_arena_alloc(&memory->arena, (n_labels + 1) * sizeof(*labels)));
    memcpy(p->labels, labels, n_labels * sizeof(*labels));
    return p;
}

static void convert_at(struct nv_memory_series *memory, const struct parts *p, int64_t time)
{
    struct nv_histogram *h = nv_must(nv_arena_alloc(&memory->arena, sizeof(*h)));
    double *counts = nv_must(nv_arena_alloc(&memory->arena, 65 * sizeof(double)));
    double *bounds = nv_must(nv_arena_alloc(&memory->arena, 65 * sizeof(double)));
    const struct sample *count = sample_at(p->count, time), *sum = sample_at(p->sum, time);
    double before = 0;
    uint32_t n = 0, n_bounds = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct sample *s = sample_at(p->buckets[i].series, time);
        if (!s || nv_is_stale(s->value))
            continue;
        counts[n++] = s->value - before;
        before = s->value;
        if (!isinf(p->buckets[i].bound))
            bounds[n_bounds++] = p->buckets[i].bound;
    }
    if (!n && !count)
        return;
    double total = count ? count->value : before;
    if (n == n_bounds)
        counts[n++] = total - before;
    struct nv_span *span = nv_must(nv_arena_alloc(&memory->arena, sizeof(*span)));
    *span = (struct nv_span){0, n};
    *h = (struct nv_histogram){.schema = NV_HISTOGRAM_CUSTOM,
                               .is_float = true,
                               .count = total,
                               .sum = sum ? sum->value : 0,
                               .positive = counts,
                               .n_positive = n,
                               .custom_values = bounds,
                               .n_custom = n_bounds,
                               .positive_spans = span,
                               .n_positive_spans = 1};
    put(series_of(memory, p->labels, p->n_labels), (struct sample){time, 0, NAN, h});
}

int nv_memory_series_convert(struct nv_memory_series *memory, size_t first)
{
    size_t n_series = memory->n, n = 0;
    struct parts *all = nv_must(calloc(n_series + 1, sizeof(*all)));

    for (size_t i = first; i < n_series; i++) {
        const struct series *s = memory->at[i];
        struct nv_label labels[64];
        size_t n_labels;
        struct nv_str le;
        double bound;
        if (s->n_labels > 64)
            continue;
        if (without_suffix(s, "_bucket", labels, &n_labels, &le)) {
            if (!nv_str_to_real(le, &bound))
                continue;
            struct parts *p = parts_of(all, &n, memory, labels, n_labels);
            size_t at = p->n++;
            for (; at && p->buckets[at - 1].bound > bound; at--)
                p->buckets[at] = p->buckets[at - 1];
            p->buckets[at].bound = bound;
            p->buckets[at].series = s;
        } else if (without_suffix(s, "_count", labels, &n_labels, &le)) {
            parts_of(all, &n, memory, labels, n_labels)->count = s;
        } else if (without_suffix(s, "_sum", labels, &n_labels, &le)) {
            parts_of(all, &n, memory, labels, n_labels)->sum = s;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (int64_t step = 0; all[i].n && step < 100000; step++) {
            /* Every time at which the first of the buckets has a sample; the others share it. */
            const struct series *s = all[i].buckets[0].series;
            if ((size_t)step >= s->n)
                break;
            convert_at(memory, &all[i], s->at[step].time);
        }
    }
    free(all);
    return 0;
}
