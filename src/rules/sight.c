#include "rules/sight.h"

#include <errno.h>
#include <math.h>

enum { LABELS_MEMORY = 256 << 20, NOWHERE = UINT32_MAX };

/* A series of a selection: one of the storage's, one of the cells', or both. */
struct seen {
    uint32_t stored, column; /* NOWHERE: not there */
};

struct selected {
    struct nv_selection stored;
    struct nv_arena memory; /* of the cells' labels */
    struct seen *seen;      /* by series */
};

static struct nv_str name_label(void)
{
    return NV_LIT("__name__");
}

static bool matcher_fits(const struct nv_matcher *matcher, const struct nv_series *series)
{
    return nv_matcher_fits(matcher,
                           nv_str_is(matcher->name, "__name__")
                               ? series->name
                               : nv_label_value(series->labels, series->n_labels, matcher->name));
}

static bool fits(const struct nv_series *series, const struct nv_matcher *matchers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!matcher_fits(&matchers[i], series))
            return false;
    return true;
}

/* All labels of a series, its name among them. */
static int labels_of(const struct nv_series *series, struct nv_arena *memory,
                     struct nv_selected *ret)
{
    struct nv_label *labels = nv_arena_alloc(memory, (series->n_labels + 1u) * sizeof(*labels));
    size_t n = 0, i = 0;

    if (!labels)
        return -ENOMEM;
    for (; i < series->n_labels && nv_str_cmp(series->labels[i].name, name_label()) < 0; i++)
        labels[n++] = series->labels[i];
    labels[n++] = (struct nv_label){name_label(), series->name};
    for (; i < series->n_labels; i++)
        labels[n++] = series->labels[i];
    *ret = (struct nv_selected){labels, n, NULL};
    return 0;
}

/* ---- selecting ------------------------------------------------------------------------------ */

struct fresh {
    struct nv_selected series;
    uint32_t column;
};

struct found {
    struct fresh *at;
    size_t n, room;
};

static int by_labels(const void *a, const void *b)
{
    const struct fresh *x = a, *y = b;

    return nv_labels_compare(x->series.labels, x->series.n_labels, y->series.labels,
                             y->series.n_labels);
}

static int add_found(struct found *found, const struct nv_series *series, uint32_t column,
                     struct nv_arena *memory)
{
    if (found->n == found->room) {
        size_t room = found->room ? found->room * 2 : 16;
        struct fresh *larger = realloc(found->at, room * sizeof(*larger));
        if (!larger)
            return -ENOMEM;
        found->at = larger;
        found->room = room;
    }
    int r = labels_of(series, memory, &found->at[found->n].series);
    found->at[found->n].column = column;
    found->n += r == 0;
    return r;
}

static int find(const struct nv_cells *cells, const struct nv_matcher *matchers, size_t n,
                struct nv_arena *memory, struct found *ret)
{
    int r = 0;

    for (uint32_t c = 0; r == 0 && c < cells->layout->n_series; c++) {
        const struct nv_series *series = nv_layout_series(cells->layout, c);
        if ((nv_cells_has(cells, c) || nv_cells_lost(cells, c)) && fits(series, matchers, n))
            r = add_found(ret, series, c, memory);
    }
    if (ret->n)
        qsort(ret->at, ret->n, sizeof(*ret->at), by_labels);
    return r;
}

/* Two sorted lists as one. */
static int merge(struct selected *selected, const struct found *found, struct nv_selection *ret)
{
    const struct nv_selection *stored = &selected->stored;
    size_t room = stored->n + found->n + 1, s = 0, f = 0;

    ret->series = malloc(room * sizeof(*ret->series));
    selected->seen = malloc(room * sizeof(*selected->seen));
    if (!ret->series || !selected->seen)
        return -ENOMEM;
    while (s < stored->n || f < found->n) {
        int order =
            s == stored->n ? 1
            : f == found->n
                ? -1
                : nv_labels_compare(stored->series[s].labels, stored->series[s].n_labels,
                                    found->at[f].series.labels, found->at[f].series.n_labels);
        struct seen seen = {order <= 0 ? (uint32_t)s : NOWHERE,
                            order >= 0 ? found->at[f].column : NOWHERE};
        ret->series[ret->n] = order <= 0 ? stored->series[s] : found->at[f].series;
        selected->seen[ret->n++] = seen;
        s += order <= 0;
        f += order >= 0;
    }
    return 0;
}

static void release(struct nv_selection *selection)
{
    struct selected *selected = selection->handle;

    if (selected->stored.from)
        selected->stored.from->release(&selected->stored);
    nv_arena_done(&selected->memory);
    free(selected->seen);
    free(selected);
    free(selection->series);
    *selection = (struct nv_selection){0};
}

static int select_series(void *store, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                         int64_t to_ms, size_t limit, struct nv_selection *ret)
{
    const struct nv_sight *sight = store;
    struct found found = {0};

    if (sight->time_ms < from_ms || sight->time_ms > to_ms)
        return sight->storage->select(sight->storage->store, matchers, n, from_ms, to_ms, limit,
                                      ret);
    struct selected *selected = calloc(1, sizeof(*selected));
    if (!selected)
        return -ENOMEM;
    selected->memory = NV_ARENA(LABELS_MEMORY);
    *ret = (struct nv_selection){.from = &sight->queryable, .handle = selected};
    int r = sight->storage->select(sight->storage->store, matchers, n, from_ms, to_ms, limit,
                                   &selected->stored);
    if (r < 0)
        selected->stored.from = NULL;
    if (r == 0)
        r = find(sight->cells, matchers, n, &selected->memory, &found);
    if (r == 0)
        r = merge(selected, &found, ret);
    ret->truncated = selected->stored.truncated;
    free(found.at);
    if (r < 0)
        release(ret);
    return r;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int append(const struct nv_sight *sight, uint32_t column, struct nv_samples *samples)
{
    const struct nv_cells *cells = sight->cells;
    bool has = nv_cells_has(cells, column);
    const struct nv_histogram *histogram =
        has && cells->histograms ? cells->histograms[column] : NULL;

    if (nv_samples_room(samples, 1) < 0)
        return -ENOMEM;
    if (histogram && !samples->histograms) {
        samples->histograms = calloc(samples->room, sizeof(*samples->histograms));
        if (!samples->histograms)
            return -ENOMEM;
    }
    size_t i = samples->n++;
    samples->times[i] = sight->time_ms;
    samples->values[i] = histogram ? NAN : has ? cells->values[column] : nv_stale();
    if (samples->histograms)
        samples->histograms[i] = histogram;
    if (samples->starts)
        samples->starts[i] = 0;
    return 0;
}

static int read_series(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    struct selected *selected = selection->handle;
    const struct nv_sight *sight = selection->from->store;
    struct seen seen = selected->seen[i];
    int r = 0;

    if (seen.stored != NOWHERE)
        r = selected->stored.from->read(&selected->stored, seen.stored, samples);
    return r < 0 || seen.column == NOWHERE ? r : append(sight, seen.column, samples);
}

/* ---- the rest is the storage's -------------------------------------------------------------- */

static int label_names(void *store, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                       int64_t to_ms, size_t limit, struct nv_texts *ret)
{
    const struct nv_queryable *storage = ((const struct nv_sight *)store)->storage;

    return storage->label_names(storage->store, matchers, n, from_ms, to_ms, limit, ret);
}

static int label_values(void *store, struct nv_str name, const struct nv_matcher *matchers,
                        size_t n, int64_t from_ms, int64_t to_ms, size_t limit,
                        struct nv_texts *ret)
{
    const struct nv_queryable *storage = ((const struct nv_sight *)store)->storage;

    return storage->label_values(storage->store, name, matchers, n, from_ms, to_ms, limit, ret);
}

static void range(void *store, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    const struct nv_queryable *storage = ((const struct nv_sight *)store)->storage;

    storage->range(storage->store, ret_from_ms, ret_to_ms);
}

void nv_sight_init(struct nv_sight *sight, const struct nv_queryable *storage,
                   const struct nv_cells *cells, int64_t time_ms)
{
    *sight = (struct nv_sight){
        .queryable = {sight, select_series, read_series, release, label_names, label_values, range},
        .storage = storage,
        .cells = cells,
        .time_ms = time_ms,
    };
}
