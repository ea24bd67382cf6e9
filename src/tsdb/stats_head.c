/*
 * What is in memory, counted by label: for /api/v1/status/tsdb.
 *
 * All series are held while they are counted, so that their labels stay; the labels of all, sorted, give the counts.
 */
#include "base/assert.h"
#include "tsdb/parts.h"

enum { WORK_BYTES = 256 << 20, NAMES_BYTES = 64 << 20 };

/* A label, and how many series have it. */
struct counted {
    const struct nv_pair *pair;
    uint64_t n;
};

struct work {
    struct nv_store *store;
    struct nv_arena arena;
    struct nv_head_series **series; /* held */
    size_t n_series;
    struct counted *pairs; /* by name */
    size_t n_pairs;
};

static void work_done(struct work *work)
{
    if (work->n_series)
        nv_series_unref(work->store->table, work->series, work->n_series);
    nv_arena_done(&work->arena);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct counted *)a)->pair,
              y = (uintptr_t)((const struct counted *)b)->pair;

    return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
    return nv_str_cmp(((const struct counted *)a)->pair->label.name,
                      ((const struct counted *)b)->pair->label.name);
}

/* The different labels of all series. */
static int count_pairs(struct work *work)
{
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < work->n_series; i++)
        n += nv_series_n_labels(work->series[i]);
    struct counted *all = nv_arena_alloc(&work->arena, (n + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; i < work->n_series; i++)
        for (size_t k = 0; k < nv_series_n_labels(work->series[i]); k++)
            all[n++] = (struct counted){nv_series_label(work->series[i], k), 1};
    if (n)
        qsort(all, n, sizeof(*all), by_address);
    for (size_t i = 0; i < n; i++) {
        if (kept && all[kept - 1].pair == all[i].pair)
            all[kept - 1].n++;
        else
            all[kept++] = all[i];
    }
    if (kept)
        qsort(all, kept, sizeof(*all), by_name);
    work->pairs = all;
    work->n_pairs = kept;
    return 0;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int greatest_first(const void *a, const void *b)
{
    const struct nv_store_count *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return nv_str_cmp(x->name, y->name);
}

/* Of a list in the work's arena, the first ones, with names of their own. */
static int keep_first(struct nv_store_counts *counts, size_t limit, struct nv_arena *arena)
{
    if (counts->n)
        qsort(counts->at, counts->n, sizeof(*counts->at), greatest_first);
    counts->n = counts->n < limit ? counts->n : limit;
    struct nv_store_count *kept = nv_arena_alloc(arena, (counts->n + 1) * sizeof(*kept));
    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < counts->n; i++) {
        kept[i] = (struct nv_store_count){nv_arena_str(arena, counts->at[i].name), counts->at[i].n};
        if (!kept[i].name.p)
            return -ENOMEM;
    }
    counts->at = kept;
    return 0;
}

static void add(struct nv_store_counts *counts, struct nv_str name, uint64_t n)
{
    counts->at[counts->n++] = (struct nv_store_count){name, n};
}

static struct nv_str join(struct nv_arena *arena, const struct nv_label *label)
{
    size_t n = label->name.n + 1 + label->value.n;
    char *text = nv_arena_alloc(arena, n + 1);

    if (!text)
        return (struct nv_str){NULL, 0};
    snprintf(text, n + 1, "%.*s=%.*s", NV_ARGS(label->name), NV_ARGS(label->value));
    return (struct nv_str){text, n};
}

static int make_lists(struct work *work, struct nv_store_head *head)
{
    struct nv_store_counts *const lists[] = {&head->by_metric, &head->values, &head->bytes,
                                             &head->by_pair};

    for (size_t i = 0; i < NV_LEN(lists); i++) {
        lists[i]->at = nv_arena_alloc(&work->arena, (work->n_pairs + 1) * sizeof(*lists[i]->at));
        if (!lists[i]->at)
            return -ENOMEM;
    }
    for (size_t i = 0; i < work->n_pairs; i++) {
        const struct nv_label *label = &work->pairs[i].pair->label;
        uint64_t n = work->pairs[i].n;
        struct nv_str both = join(&work->arena, label);
        if (!both.p)
            return -ENOMEM;
        add(&head->by_pair, both, n);
        if (nv_str_is(label->name, "__name__"))
            add(&head->by_metric, label->value, n);
        if (i == 0 || !nv_str_eq(label->name, work->pairs[i - 1].pair->label.name)) {
            add(&head->values, label->name, 0);
            add(&head->bytes, label->name, 0);
        }
        head->values.at[head->values.n - 1].n++;
        head->bytes.at[head->bytes.n - 1].n += n * label->value.n;
    }
    return 0;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void count_parts(struct nv_store *store, struct nv_store_head *ret)
{
    ret->from_ms = INT64_MAX;
    ret->to_ms = INT64_MIN;
    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        struct nv_head_view view;
        int64_t from, to;
        if (nv_head_span(store->heads[i], &from, &to)) {
            ret->from_ms = from < ret->from_ms ? from : ret->from_ms;
            ret->to_ms = to > ret->to_ms ? to : ret->to_ms;
        }
        if (nv_head_view(store->heads[i], &view) < 0)
            continue;
        ret->pages += view.n_pages;
        for (size_t k = 0; k < view.n_pages; k++)
            ret->columns += view.pages[k]->n_columns;
        for (size_t k = 0; k < view.n_chunks; k++) {
            if (!view.rows[k])
                continue;
            ret->chunks++;
            ret->columns += view.chunks[k]->at[view.rows[k] - 1].width;
        }
        nv_head_view_done(&view);
    }
}

static int count(struct work *work, size_t limit, struct nv_store_head *head)
{
    struct nv_arena *names = &head->arena;

    int r =
        nv_series_select(work->store->table, NULL, 0, &work->arena, &work->series, &work->n_series);
    if (r == 0)
        r = count_pairs(work);
    if (r == 0)
        r = make_lists(work, head);
    if (r == 0)
        r = keep_first(&head->by_metric, limit, names);
    if (r == 0)
        r = keep_first(&head->values, limit, names);
    if (r == 0)
        r = keep_first(&head->bytes, limit, names);
    if (r == 0)
        r = keep_first(&head->by_pair, limit, names);
    head->series = work->n_series;
    head->label_pairs = work->n_pairs;
    return r;
}

int nv_store_head(struct nv_store *store, size_t limit, struct nv_store_head *ret)
{
    __attribute__((cleanup(work_done))) struct work work = {.store = store,
                                                            .arena = NV_ARENA(WORK_BYTES)};

    *ret = (struct nv_store_head){.arena = NV_ARENA(NAMES_BYTES)};
    int r = count(&work, limit, ret);
    if (r < 0) {
        nv_store_head_done(ret);
        return r;
    }
    count_parts(store, ret);
    return 0;
}

void nv_store_head_done(struct nv_store_head *head)
{
    nv_arena_done(&head->arena);
    *head = (struct nv_store_head){0};
}
