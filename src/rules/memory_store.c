#include "rules/memory_store.h"

#include <errno.h>
#include <math.h>

#include "base/index.h"
#include "metric/matcher.h"
#include "promql/histogram_math.h"
#include "rules/rule_file.h"

enum { NAME_MAX_BYTES = 512, SOURCES_MAX = 1024 };

struct sample {
    int64_t time_ms;
    double value;
    const struct nv_histogram *histogram;
};

struct series {
    const struct nv_label *labels;
    size_t n_labels;
    struct sample *at;
    size_t n, room;
};

/* A series a source has written last, and when. */
struct written {
    uint32_t series, section;
    int64_t time_ms;
    bool live;
};

struct source {
    char name[NAME_MAX_BYTES];
    struct written *at;
    size_t n, room;
    struct nv_index index; /* by series */
};

struct nv_memory_store {
    struct nv_arena memory;
    struct series *series;
    size_t n, room;
    struct nv_index index;
    struct source *sources;
    size_t n_sources;
    struct nv_queryable queryable;
};

static bool grow(void **p, size_t *room, size_t size)
{
    size_t more = *room ? *room * 2 : 16;
    void *larger = realloc(*p, more * size);

    if (!larger)
        return false;
    *p = larger;
    *room = more;
    return true;
}

/* ---- series --------------------------------------------------------------------------------- */

static uint64_t rehash_series(uint32_t value, const void *user)
{
    const struct nv_memory_store *store = user;

    return nv_rule_labels_hash(store->series[value].labels, store->series[value].n_labels);
}

static const struct nv_label *keep_labels(struct nv_memory_store *store,
                                          const struct nv_label *labels, size_t n)
{
    struct nv_label *kept = nv_arena_alloc(&store->memory, (n + 1) * sizeof(*kept));

    for (size_t i = 0; kept && i < n; i++) {
        kept[i].name = nv_arena_str(&store->memory, labels[i].name);
        kept[i].value = nv_arena_str(&store->memory, labels[i].value);
        if (!kept[i].name.p || !kept[i].value.p)
            return NULL;
    }
    return kept;
}

static int series_of(struct nv_memory_store *store, const struct nv_label *labels, size_t n,
                     uint32_t *ret)
{
    uint64_t hash = nv_rule_labels_hash(labels, n);

    for (uint32_t at = nv_index_first(&store->index, hash);
         nv_index_next(&store->index, hash, &at, ret);)
        if (nv_labels_compare(store->series[*ret].labels, store->series[*ret].n_labels, labels,
                              n) == 0)
            return 0;
    if (store->n == store->room &&
        !grow((void **)&store->series, &store->room, sizeof(struct series)))
        return -ENOMEM;
    *ret = (uint32_t)store->n;
    struct series *series = &store->series[store->n];
    *series = (struct series){keep_labels(store, labels, n), n, NULL, 0, 0};
    if (!series->labels)
        return -ENOMEM;
    store->n++;
    return nv_index_add(&store->index, hash, *ret, rehash_series, store);
}

static int put(struct nv_memory_store *store, uint32_t number, int64_t time_ms, double value,
               const struct nv_histogram *histogram)
{
    struct series *series = &store->series[number];

    if (series->n && series->at[series->n - 1].time_ms >= time_ms)
        return 1;
    if (series->n == series->room &&
        !grow((void **)&series->at, &series->room, sizeof(struct sample)))
        return -ENOMEM;
    struct nv_histogram *kept = NULL;
    if (histogram && nv_histogram_compact(&store->memory, histogram, &kept) < 0)
        return -ENOMEM;
    series->at[series->n++] = (struct sample){time_ms, histogram ? NAN : value, kept};
    return 0;
}

int nv_memory_store_add(struct nv_memory_store *store, const struct nv_label *labels,
                        size_t n_labels, int64_t time_ms, double value,
                        const struct nv_histogram *histogram)
{
    uint32_t number;
    int r = series_of(store, labels, n_labels, &number);

    return r < 0 ? r : put(store, number, time_ms, value, histogram);
}

/* ---- frames --------------------------------------------------------------------------------- */

int nv_memory_store_source(void *user, const char *name, uint32_t *ret)
{
    struct nv_memory_store *store = user;

    for (size_t i = 0; i < store->n_sources; i++) {
        if (strcmp(store->sources[i].name, name) == 0) {
            *ret = (uint32_t)i;
            return 0;
        }
    }
    if (store->n_sources == SOURCES_MAX || strlen(name) >= NAME_MAX_BYTES)
        return -E2BIG;
    struct source *source = &store->sources[store->n_sources];
    memcpy(source->name, name, strlen(name) + 1);
    *ret = (uint32_t)store->n_sources++;
    return 0;
}

static uint64_t rehash_written(uint32_t value, const void *user)
{
    const struct source *source = user;

    return nv_hash(&source->at[value].series, sizeof(uint32_t), 0);
}

/* What a source knows of a series. */
static struct written *written_of(struct source *source, uint32_t series)
{
    uint64_t hash = nv_hash(&series, sizeof(series), 0);
    uint32_t i;

    for (uint32_t at = nv_index_first(&source->index, hash);
         nv_index_next(&source->index, hash, &at, &i);)
        if (source->at[i].series == series)
            return &source->at[i];
    if (source->n == source->room &&
        !grow((void **)&source->at, &source->room, sizeof(struct written)))
        return NULL;
    source->at[source->n] = (struct written){.series = series};
    if (nv_index_add(&source->index, hash, (uint32_t)source->n, rehash_written, source) < 0)
        return NULL;
    return &source->at[source->n++];
}

static int append_series(struct nv_memory_store *store, struct source *source,
                         const struct nv_frame *frame, size_t column)
{
    const struct nv_series *series = nv_layout_series(frame->layout, column);
    struct nv_label labels[NV_LABELS_MAX + 1];
    size_t n = 0, i = 0;
    uint32_t number;

    for (; i < series->n_labels && nv_str_cmp(series->labels[i].name, NV_LIT("__name__")) < 0; i++)
        labels[n++] = series->labels[i];
    labels[n++] = (struct nv_label){NV_LIT("__name__"), series->name};
    for (; i < series->n_labels; i++)
        labels[n++] = series->labels[i];
    int r = series_of(store, labels, n, &number);
    struct written *written = r == 0 ? written_of(source, number) : NULL;
    if (!written)
        return -ENOMEM;
    *written = (struct written){number, series->section, frame->time_ms, true};
    return put(store, number, frame->time_ms, frame->values[column],
               frame->histograms ? frame->histograms[column] : NULL);
}

static int mark_stale(struct nv_memory_store *store, struct source *source,
                      const struct nv_frame *frame)
{
    int r = 0;

    for (size_t i = 0; i < source->n && r >= 0; i++) {
        struct written *written = &source->at[i];
        if (!written->live || written->time_ms == frame->time_ms ||
            !nv_bit(frame->observed, written->section))
            continue;
        written->live = false;
        r = put(store, written->series, frame->time_ms, nv_stale(), NULL);
    }
    return r < 0 ? r : 0;
}

int nv_memory_store_append(void *user, uint32_t number, struct nv_frame *frame)
{
    struct nv_memory_store *store = user;
    struct source *source = &store->sources[number];
    int r = 0;

    for (size_t c = 0; c < frame->n_series && r >= 0; c++)
        if (nv_frame_has(frame, c) &&
            nv_bit(frame->observed, nv_layout_series(frame->layout, c)->section))
            r = append_series(store, source, frame, c);
    return r < 0 ? r : mark_stale(store, source, frame);
}

/* ---- asking --------------------------------------------------------------------------------- */

struct selected {
    int64_t from_ms, to_ms;
};

static int by_labels(const void *a, const void *b)
{
    const struct nv_selected *x = a, *y = b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static int select_series(void *user, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                         int64_t to_ms, size_t limit, struct nv_selection *ret)
{
    struct nv_memory_store *store = user;
    struct selected *selected = malloc(sizeof(*selected));

    (void)limit;
    *ret = (struct nv_selection){.from = &store->queryable, .handle = selected};
    ret->series = malloc((store->n + 1) * sizeof(*ret->series));
    if (!ret->series || !selected) {
        free(ret->series);
        free(selected);
        return -ENOMEM;
    }
    *selected = (struct selected){from_ms, to_ms};
    for (size_t i = 0; i < store->n; i++) {
        struct series *series = &store->series[i];
        if (series->n && series->at[0].time_ms <= to_ms &&
            series->at[series->n - 1].time_ms >= from_ms &&
            nv_matchers_fit(matchers, n, series->labels, series->n_labels))
            ret->series[ret->n++] = (struct nv_selected){series->labels, series->n_labels, series};
    }
    if (ret->n)
        qsort(ret->series, ret->n, sizeof(*ret->series), by_labels);
    return 0;
}

/* The first sample at or after a time. */
static size_t first_at(const struct series *series, int64_t time_ms)
{
    size_t low = 0, high = series->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->at[middle].time_ms < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A counter's histogram says whether the counter began anew, as a store tells from the one before. */
static const struct nv_histogram *hinted(struct nv_arena *memory, const struct nv_histogram *h,
                                         const struct nv_histogram *before)
{
    struct nv_histogram *copy = nv_arena_alloc(memory, sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = *h;
    if (h->reset_hint == NV_RESET_GAUGE)
        return copy;
    bool begins = !before || before->reset_hint == NV_RESET_GAUGE || nv_is_stale(before->sum) ||
                  h->reset_hint == NV_RESET_YES || before->schema != h->schema ||
                  before->zero_threshold != h->zero_threshold ||
                  nv_histogram_is_reset(memory, h, before) != 0;
    copy->reset_hint = begins ? NV_RESET_UNKNOWN : NV_RESET_NO;
    return copy;
}

static int add_sample(struct nv_samples *samples, const struct sample *sample,
                      const struct sample *before)
{
    const struct nv_histogram *h = NULL;

    samples->histogram_memory.max = NV_MEMORY_STORE_MAX;
    if (sample->histogram) {
        h = hinted(&samples->histogram_memory, sample->histogram,
                   before ? before->histogram : NULL);
        if (!h)
            return -ENOMEM;
    }
    if (nv_samples_room(samples, 1) < 0)
        return -ENOMEM;
    if (sample->histogram && !samples->histograms) {
        samples->histograms = calloc(samples->room, sizeof(*samples->histograms));
        if (!samples->histograms)
            return -ENOMEM;
    }
    samples->times[samples->n] = sample->time_ms;
    samples->values[samples->n] = sample->value;
    if (samples->histograms)
        samples->histograms[samples->n] = h;
    if (samples->starts)
        samples->starts[samples->n] = 0;
    samples->n++;
    return 0;
}

static int read_series(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    const struct selected *range = selection->handle;
    const struct series *series = selection->series[i].handle;
    int r = 0;

    for (size_t k = first_at(series, range->from_ms);
         r == 0 && k < series->n && series->at[k].time_ms <= range->to_ms; k++)
        r = add_sample(samples, &series->at[k], k ? &series->at[k - 1] : NULL);
    return r;
}

static void release(struct nv_selection *selection)
{
    free(selection->series);
    free(selection->handle);
    *selection = (struct nv_selection){0};
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_memory_store *nv_memory_store_new(void)
{
    struct nv_memory_store *store = calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    store->memory = NV_ARENA(NV_MEMORY_STORE_MAX);
    store->sources = calloc(SOURCES_MAX, sizeof(*store->sources));
    store->queryable = (struct nv_queryable){
        .store = store, .select = select_series, .read = read_series, .release = release};
    if (store->sources)
        return store;
    free(store);
    return NULL;
}

void nv_memory_store_free(struct nv_memory_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->n; i++)
        free(store->series[i].at);
    for (size_t i = 0; i < store->n_sources; i++) {
        free(store->sources[i].at);
        nv_index_done(&store->sources[i].index);
    }
    nv_index_done(&store->index);
    nv_arena_done(&store->memory);
    free(store->sources);
    free(store->series);
    free(store);
}

const struct nv_queryable *nv_memory_store_queryable(struct nv_memory_store *store)
{
    return &store->queryable;
}
