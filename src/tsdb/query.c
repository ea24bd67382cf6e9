/*
 * The store as a queryable.
 *
 * A selection first takes what is in memory and then the list of blocks: a page that becomes part of a block in between
 * is then seen twice, and never not at all. What is twice goes when the parts of a series are put together.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "tsdb/parts.h"
#include "tsdb/sparse.h"

enum { SELECTION_BYTES = 256 << 20, IN_MEMORY = UINT32_MAX };

/* A series as one block has it. */
struct piece {
    struct piece *next;
    uint32_t block, number;
};

struct merged {
    const struct nv_label *labels;
    size_t n_labels;
    struct piece *first, *last;
    struct nv_head_series *series;   /* in memory too; or NULL */
    struct nv_sparse_samples sparse; /* and what it has of times of its own */
    struct merged *also;             /* the same of another source, in memory; or NULL */
};

struct selection {
    struct nv_store *store;
    struct nv_arena arena, scratch;
    int64_t from_ms, to_ms;
    struct nv_head_series **held;
    size_t n_held;
    struct nv_head_view *views; /* by source */
    size_t n_views;
    struct nv_blocks *blocks;
    struct nv_codec *codec;
    struct merged **merged;
    size_t n_merged;
    uint64_t faults; /* parts of indexes that could not be read */
};

static void selection_free(struct selection *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_views; i++)
        nv_head_view_done(&s->views[i]);
    if (s->n_held)
        nv_series_unref(s->store->table, s->held, s->n_held);
    nv_blocks_unref(s->blocks);
    nv_codec_free(s->codec);
    nv_arena_done(&s->arena);
    nv_arena_done(&s->scratch);
    free(s);
}

/* ---- memory --------------------------------------------------------------------------------- */

static int compare_merged(const void *a, const void *b)
{
    const struct merged *x = *(struct merged *const *)a, *y = *(struct merged *const *)b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

/* Whether a source has anything in memory of that time. */
static bool overlaps(const struct nv_head_view *view, int64_t from_ms, int64_t to_ms)
{
    for (size_t i = 0; i < view->n_pages; i++)
        if (view->pages[i]->from_ms <= to_ms && view->pages[i]->to_ms >= from_ms)
            return true;
    for (size_t i = 0; i < view->n_chunks; i++)
        if (view->rows[i] && view->chunks[i]->times[0] <= to_ms &&
            view->chunks[i]->times[view->rows[i] - 1] >= from_ms)
            return true;
    return false;
}

static bool has_sparse(const struct nv_head_series *series)
{
    return __atomic_load_n(&series->sparse, __ATOMIC_ACQUIRE);
}

static int take_views(struct selection *s)
{
    size_t n = nv_store_n_heads(s->store);

    s->views = nv_arena_alloc(&s->arena, (n + 1) * sizeof(*s->views));
    if (!s->views)
        return -ENOMEM;
    for (; s->n_views < n; s->n_views++) {
        int r = nv_head_view(s->store->heads[s->n_views], &s->views[s->n_views]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What several sources have of one label set, one after the other, is one series. */
static void join_sources(struct selection *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_merged; i++) {
        struct merged *last = n ? s->merged[n - 1] : NULL;
        if (last && compare_merged(&last, &s->merged[i]) == 0) {
            s->merged[i]->also = last->also;
            last->also = s->merged[i];
        } else {
            s->merged[n++] = s->merged[i];
        }
    }
    s->n_merged = n;
}

static int select_memory(struct selection *s, const struct nv_matcher *matchers, size_t n)
{
    int r = nv_series_select(s->store->table, matchers, n, &s->arena, &s->held, &s->n_held);
    if (r == 0)
        r = take_views(s);
    if (r < 0)
        return r;
    s->merged = nv_arena_alloc(&s->arena, (s->n_held + 1) * sizeof(*s->merged));
    NV_AUTO_FREE bool *wanted = calloc(s->n_views + 1, sizeof(*wanted));
    if (!s->merged || !wanted)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_views; i++)
        wanted[i] = overlaps(&s->views[i], s->from_ms, s->to_ms);
    for (size_t i = 0; i < s->n_held; i++) {
        struct nv_head_series *series = s->held[i];
        if (series->source >= s->n_views || (!wanted[series->source] && !has_sparse(series)))
            continue;
        struct merged *merged = nv_arena_alloc(&s->arena, sizeof(*merged));
        if (!merged)
            return -ENOMEM;
        *merged = (struct merged){.labels = nv_series_labels(series, &s->arena),
                                  .n_labels = nv_series_n_labels(series),
                                  .series = series};
        r = nv_sparse_copy(s->store->heads[series->source], series, s->from_ms, s->to_ms, &s->arena,
                           &merged->sparse);
        if (r < 0 || !merged->labels)
            return -ENOMEM;
        s->merged[s->n_merged++] = merged;
    }
    if (s->n_merged)
        qsort(s->merged, s->n_merged, sizeof(*s->merged), compare_merged);
    join_sources(s);
    return 0;
}

/* ---- blocks --------------------------------------------------------------------------------- */

static int add_piece(struct selection *s, struct merged *merged, uint32_t block, uint32_t number)
{
    struct piece *piece = nv_arena_alloc(&s->arena, sizeof(*piece));

    if (!piece)
        return -ENOMEM;
    *piece = (struct piece){NULL, block, number};
    if (merged->last)
        merged->last->next = piece;
    else
        merged->first = piece;
    merged->last = piece;
    return 0;
}

/* A series that was in none of the lists before, with its labels copied out of the scratch arena. */
static struct merged *new_merged(struct selection *s, const struct nv_label *labels, size_t n)
{
    struct merged *merged = nv_arena_alloc(&s->arena, sizeof(*merged));
    struct nv_label *copy = nv_arena_alloc(&s->arena, (n + 1) * sizeof(*copy));

    if (!merged || !copy)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        copy[i].name = nv_arena_str(&s->arena, labels[i].name);
        copy[i].value = nv_arena_str(&s->arena, labels[i].value);
        if (!copy[i].name.p || !copy[i].value.p)
            return NULL;
    }
    *merged = (struct merged){.labels = copy, .n_labels = n};
    return merged;
}

/* Both lists are in order of labels: one walk. */
static int merge_block(struct selection *s, uint32_t block, const uint32_t *numbers, size_t n)
{
    struct merged **out = nv_arena_alloc(&s->arena, (s->n_merged + n + 1) * sizeof(*out));
    size_t n_out = 0, at = 0;

    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct nv_arena_mark mark = nv_arena_mark(&s->scratch);
        const struct nv_label *labels;
        size_t n_labels;
        int order = 1;
        int r = nv_block_labels(s->blocks->at[block], numbers[i], &s->scratch, &labels, &n_labels);
        if (nv_is_damage(r)) {
            nv_arena_rewind(&s->scratch, mark);
            s->faults++; /* its page of labels: the others stay */
            continue;
        }
        if (r < 0)
            return r;
        while (at < s->n_merged &&
               (order = nv_labels_compare(s->merged[at]->labels, s->merged[at]->n_labels, labels,
                                          n_labels)) < 0)
            out[n_out++] = s->merged[at++];
        bool known = at < s->n_merged && order == 0;
        struct merged *merged = known ? s->merged[at++] : new_merged(s, labels, n_labels);
        nv_arena_rewind(&s->scratch, mark);
        if (!merged || add_piece(s, merged, block, numbers[i]) < 0)
            return -ENOMEM;
        out[n_out++] = merged;
    }
    while (at < s->n_merged)
        out[n_out++] = s->merged[at++];
    s->merged = out;
    s->n_merged = n_out;
    return 0;
}

static bool block_overlaps(const struct nv_block *block, int64_t from_ms, int64_t to_ms)
{
    return nv_block_info(block)->from_ms <= to_ms && nv_block_info(block)->to_ms >= from_ms;
}

static int select_blocks(struct selection *s, const struct nv_matcher *matchers, size_t n)
{
    for (size_t i = 0; i < s->blocks->n; i++) {
        uint32_t *numbers;
        size_t n_numbers;
        if (!block_overlaps(s->blocks->at[i], s->from_ms, s->to_ms))
            continue;
        struct nv_arena_mark mark = nv_arena_mark(&s->scratch);
        uint64_t faults = nv_block_faults(s->blocks->at[i]);
        int r = nv_block_select(s->blocks->at[i], matchers, n, &s->scratch, &numbers, &n_numbers);
        s->faults += nv_block_faults(s->blocks->at[i]) - faults; /* of the index what can be read */
        if (r >= 0)
            r = merge_block(s, (uint32_t)i, numbers, n_numbers);
        nv_arena_rewind(&s->scratch, mark);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- selecting ------------------------------------------------------------------------------ */

static int selection_new(struct nv_store *store, const struct nv_matcher *matchers, size_t n,
                         int64_t from_ms, int64_t to_ms, struct selection **ret)
{
    struct selection *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    __atomic_store_n(&store->asked_ns, nv_monotonic_ns(), __ATOMIC_RELAXED);
    s->store = store;
    s->from_ms = from_ms;
    s->to_ms = to_ms;
    s->arena = NV_ARENA(SELECTION_BYTES);
    s->scratch = NV_ARENA(SELECTION_BYTES);
    s->codec = nv_codec_new();
    nv_block_cache_select(store->cache);
    nv_store_settle(store); /* who has appended reads it */
    int r = s->codec ? select_memory(s, matchers, n) : -ENOMEM;
    s->blocks = nv_store_view(store);
    if (r == 0)
        r = select_blocks(s, matchers, n);
    if (r < 0) {
        selection_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static int query_select(void *store, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                        int64_t to_ms, size_t limit, struct nv_selection *ret)
{
    struct selection *s;

    if (n == 0)
        return -EINVAL;
    int r = selection_new(store, matchers, n, from_ms, to_ms, &s);
    if (r < 0)
        return r;
    bool truncated = limit && s->n_merged > limit;
    size_t n_series = truncated ? limit : s->n_merged;
    struct nv_selected *series = nv_arena_alloc(&s->arena, (n_series + 1) * sizeof(*series));
    if (!series) {
        selection_free(s);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n_series; i++)
        series[i] =
            (struct nv_selected){s->merged[i]->labels, s->merged[i]->n_labels, s->merged[i]};
    nv_arena_done(&s->scratch); /* reading needs none */
    *ret = (struct nv_selection){.from = &s->store->queryable,
                                 .series = series,
                                 .n = n_series,
                                 .truncated = truncated,
                                 .bytes = s->arena.total + sizeof(*s),
                                 .faults = s->faults,
                                 .handle = s};
    return 0;
}

static int read_memory(struct selection *s, const struct merged *merged, struct nv_samples *samples,
                       uint64_t *faults)
{
    size_t first = samples->n;

    int r = nv_sparse_read(&merged->sparse, s->codec, samples);
    if (r == 0 && merged->sparse.n)
        nv_store_apply_marks(s->store, merged->series, samples, first);
    return r < 0 ? r
                 : nv_head_read(s->store, s->codec, &s->views[merged->series->source],
                                merged->series, s->from_ms, s->to_ms, samples, faults);
}

static int query_read(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    struct selection *s = selection->handle;
    const struct merged *merged = selection->series[i].handle;
    size_t first = samples->n;
    int r = 0;

    for (const struct piece *piece = merged->first; r == 0 && piece; piece = piece->next) {
        r = nv_block_read(s->blocks->at[piece->block], piece->number, s->from_ms, s->to_ms,
                          samples);
        if (nv_is_damage(r)) { /* what the other blocks have is as good as before */
            selection->faults++;
            r = 0;
        }
    }
    for (const struct merged *one = merged; r == 0 && one && one->series; one = one->also) {
        size_t own = samples->n;
        r = read_memory(s, one, samples, &selection->faults);
        if (r == 0 && merged->also) /* that it was absent at first says nothing of the others */
            r = nv_samples_settle(samples, own, false);
    }
    return r < 0 ? r : nv_samples_settle(samples, first, false);
}

static void query_release(struct nv_selection *selection)
{
    selection_free(selection->handle);
    *selection = (struct nv_selection){0};
}

/* ---- labels --------------------------------------------------------------------------------- */

/* Views of texts that live as long as the selection. */
struct texts {
    struct nv_str *at;
    size_t n, room, tidy_at;
};

enum { TIDY_FIRST = 65536 };

static int add_text(struct texts *t, struct nv_str text)
{
    if (t->n == t->room) {
        size_t room = t->room ? t->room * 2 : 64;
        struct nv_str *at = realloc(t->at, room * sizeof(*at));
        if (!at)
            return -ENOMEM;
        t->at = at;
        t->room = room;
    }
    t->at[t->n++] = text;
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

/* Sorts, and drops what is twice. */
static void tidy(struct texts *t)
{
    size_t kept = 0;

    if (t->n)
        qsort(t->at, t->n, sizeof(*t->at), compare_texts);
    for (size_t i = 0; i < t->n; i++)
        if (!kept || !nv_str_eq(t->at[kept - 1], t->at[i]))
            t->at[kept++] = t->at[i];
    t->n = kept;
    t->tidy_at =
        kept < TIDY_FIRST / 2 ? TIDY_FIRST : 2 * kept; /* so that all sorting costs one more */
}

/* The first so many, in memory of their own. */
static int give_texts(const struct texts *t, size_t n, struct nv_texts *ret)
{
    ret->at = nv_arena_alloc(&ret->arena, (n + 1) * sizeof(*ret->at));
    if (!ret->at)
        return -ENOMEM;
    for (; ret->n < n; ret->n++) {
        ret->at[ret->n] = nv_arena_str(&ret->arena, t->at[ret->n]);
        if (!ret->at[ret->n].p)
            return -ENOMEM;
    }
    return 0;
}

/* Of one series: its names, or its value of `name`. */
static int add_labels(struct texts *t, const struct merged *merged, const struct nv_str *name)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < merged->n_labels; i++) {
        if (!name)
            r = add_text(t, merged->labels[i].name);
        else if (nv_str_eq(merged->labels[i].name, *name))
            r = add_text(t, merged->labels[i].value);
    }
    if (t->n > t->tidy_at) /* mostly repetitions */
        tidy(t);
    return r;
}

/* Without matchers a block's own lists tell; nothing of its series has to be read. */
static int add_lists(struct selection *s, struct texts *t, const struct nv_str *name)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->blocks->n; i++) {
        struct nv_arena_mark mark = nv_arena_mark(&s->scratch);
        struct nv_block *block = s->blocks->at[i];
        struct nv_str *texts;
        size_t n;
        if (!block_overlaps(block, s->from_ms, s->to_ms))
            continue;
        r = name ? nv_block_label_values(block, *name, &s->scratch, &texts, &n)
                 : nv_block_label_names(block, &s->scratch, &texts, &n);
        r = r > 0 || nv_is_damage(r) ? 0 : r; /* of a damaged index what can be read */
        for (size_t k = 0; r == 0 && k < n; k++) {
            struct nv_str text = nv_arena_str(&s->arena, texts[k]);
            r = text.p ? add_text(t, text) : -ENOMEM;
        }
        nv_arena_rewind(&s->scratch, mark);
        tidy(t);
    }
    return r;
}

/* Without matchers: of blocks their lists, of what is in memory every series. */
static int collect_all(struct selection *s, struct texts *t, const struct nv_str *name,
                       int64_t from_ms, int64_t to_ms)
{
    s->to_ms =
        to_ms; /* nothing was selected from blocks, for no block lies in the range that was asked */
    s->n_merged = 0;
    int r = add_lists(s, t, name);
    for (size_t i = 0; r == 0 && i < s->n_held; i++) {
        struct nv_head_series *series = s->held[i];
        if (series->source >= s->n_views ||
            (!has_sparse(series) && !overlaps(&s->views[series->source], from_ms, to_ms)))
            continue;
        struct merged merged = {.labels = nv_series_labels(series, &s->arena),
                                .n_labels = nv_series_n_labels(series)};
        r = merged.labels ? add_labels(t, &merged, name) : -ENOMEM;
    }
    return r;
}

static int collect(struct nv_store *store, const struct nv_str *name,
                   const struct nv_matcher *matchers, size_t n, int64_t from_ms, int64_t to_ms,
                   size_t limit, struct nv_texts *ret)
{
    struct texts t = {.tidy_at = TIDY_FIRST};
    struct selection *s;

    *ret = (struct nv_texts){.arena = NV_ARENA(SELECTION_BYTES)};
    int r = selection_new(store, matchers, n, from_ms, n ? to_ms : INT64_MIN, &s);
    if (r < 0)
        return r;
    if (n == 0)
        r = collect_all(s, &t, name, from_ms, to_ms);
    for (size_t i = 0; r == 0 && i < s->n_merged; i++)
        r = add_labels(&t, s->merged[i], name);
    tidy(&t);
    ret->truncated = limit && t.n > limit;
    if (r == 0)
        r = give_texts(&t, ret->truncated ? limit : t.n, ret);
    selection_free(s);
    free(t.at);
    if (r < 0)
        nv_texts_done(ret);
    return r < 0 ? r : 0;
}

static int query_label_names(void *store, const struct nv_matcher *matchers, size_t n,
                             int64_t from_ms, int64_t to_ms, size_t limit, struct nv_texts *ret)
{
    return collect(store, NULL, matchers, n, from_ms, to_ms, limit, ret);
}

static int query_label_values(void *store, struct nv_str name, const struct nv_matcher *matchers,
                              size_t n, int64_t from_ms, int64_t to_ms, size_t limit,
                              struct nv_texts *ret)
{
    return collect(store, &name, matchers, n, from_ms, to_ms, limit, ret);
}

static void widen(int64_t *from, int64_t *to, int64_t other_from, int64_t other_to)
{
    if (other_from < *from)
        *from = other_from;
    if (other_to > *to)
        *to = other_to;
}

static void query_range(void *p, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    struct nv_store *store = p;
    int64_t from, to;

    *ret_from_ms = INT64_MAX;
    *ret_to_ms = INT64_MIN;
    for (size_t i = 0; i < nv_store_n_heads(store); i++)
        if (nv_head_span(store->heads[i], &from, &to))
            widen(ret_from_ms, ret_to_ms, from, to);
    struct nv_blocks *blocks = nv_store_view(store);
    for (size_t i = 0; i < blocks->n; i++)
        widen(ret_from_ms, ret_to_ms, nv_block_info(blocks->at[i])->from_ms,
              nv_block_info(blocks->at[i])->to_ms);
    nv_blocks_unref(blocks);
}

void nv_store_init_queryable(struct nv_store *store)
{
    store->queryable = (struct nv_queryable){.store = store,
                                             .select = query_select,
                                             .read = query_read,
                                             .release = query_release,
                                             .label_names = query_label_names,
                                             .label_values = query_label_values,
                                             .range = query_range};
}

const struct nv_queryable *nv_store_queryable(struct nv_store *store)
{
    return &store->queryable;
}
