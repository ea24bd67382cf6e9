/*
 * Completes a block: puts the series in order, and writes what tells where they are.
 */
#include "tsdb/block_write.h"

#include <stdio.h>

struct occurrence { /* a label in a page */
    uint32_t name, value, page;
};

struct completion {
    struct nv_block_writer *w;
    struct nv_arena arena;
    uint32_t *order; /* series by labels, as they came */
    uint32_t *rank;  /* the other way round */
    uint32_t *text_rank;
    struct occurrence *occurrences;
    size_t n_occurrences, occurrences_room, pages_room, values_room;
};

static int compare_series(const void *a, const void *b, void *user)
{
    const struct nv_block_writer *w = user;
    const struct nv_written *x = &w->series[*(const uint32_t *)a];
    const struct nv_written *y = &w->series[*(const uint32_t *)b];

    for (size_t i = 0; i < x->n_labels && i < y->n_labels; i++) {
        const struct nv_text_pair *p = &w->labels[x->labels_at + i];
        const struct nv_text_pair *q = &w->labels[y->labels_at + i];
        int order = p->name == q->name ? 0 : nv_str_cmp(w->texts[p->name], w->texts[q->name]);
        if (!order && p->value != q->value)
            order = nv_str_cmp(w->texts[p->value], w->texts[q->value]);
        if (order)
            return order;
    }
    return (x->n_labels > y->n_labels) - (x->n_labels < y->n_labels);
}

static int sort_series(struct completion *c)
{
    struct nv_block_writer *w = c->w;
    bool sorted = true;

    c->order = nv_arena_alloc(&c->arena, w->n_series * sizeof(*c->order));
    c->rank = nv_arena_alloc(&c->arena, w->n_series * sizeof(*c->rank));
    if (!c->order || !c->rank)
        return -ENOMEM;
    for (uint32_t i = 0; i < w->n_series; i++) {
        c->order[i] = i;
        sorted = sorted && (i == 0 || compare_series(&c->order[i - 1], &c->order[i], w) < 0);
    }
    if (!sorted)
        qsort_r(c->order, w->n_series, sizeof(*c->order), compare_series, w);
    for (uint32_t i = 0; i < w->n_series; i++) {
        c->rank[c->order[i]] = i;
        if (!sorted && i && compare_series(&c->order[i - 1], &c->order[i], w) == 0)
            return -EEXIST;
    }
    return 0;
}

/* How many series from `first` on a page takes. */
static uint32_t page_length(const struct completion *c, size_t first)
{
    const struct nv_block_writer *w = c->w;
    size_t bytes = 0, n = 0;

    for (; first + n < w->n_series && n < NV_PAGE_SERIES && bytes < NV_PAGE_TEXT; n++) {
        const struct nv_written *series = &w->series[c->order[first + n]];
        for (size_t i = 0; i < series->n_labels; i++) {
            const struct nv_text_pair *pair = &w->labels[series->labels_at + i];
            bytes += w->texts[pair->name].n + w->texts[pair->value].n;
        }
    }
    return (uint32_t)n;
}

static int compare_occurrences(const void *a, const void *b, void *user)
{
    const struct occurrence *x = a, *y = b;
    const uint32_t *rank = user;

    if (x->name != y->name)
        return rank[x->name] < rank[y->name] ? -1 : 1;
    if (x->value != y->value)
        return rank[x->value] < rank[y->value] ? -1 : 1;
    return (x->page > y->page) - (x->page < y->page);
}

/* Remembers the labels of a page, each once. */
static int note_occurrences(struct completion *c, size_t first, uint32_t n, uint32_t page)
{
    const struct nv_block_writer *w = c->w;
    size_t begin = c->n_occurrences;

    for (size_t i = first; i < first + n; i++) {
        const struct nv_written *series = &w->series[c->order[i]];
        for (size_t k = 0; k < series->n_labels; k++) {
            int r = nv_array_room((void **)&c->occurrences, &c->occurrences_room, c->n_occurrences,
                                  sizeof(*c->occurrences));
            if (r < 0)
                return r;
            const struct nv_text_pair *pair = &w->labels[series->labels_at + k];
            c->occurrences[c->n_occurrences++] = (struct occurrence){pair->name, pair->value, page};
        }
    }
    struct occurrence *at = c->occurrences + begin;
    size_t n_all = c->n_occurrences - begin, kept = 0;
    if (n_all)
        qsort_r(at, n_all, sizeof(*at), compare_occurrences, c->text_rank);
    for (size_t i = 0; i < n_all; i++)
        if (!kept || memcmp(&at[kept - 1], &at[i], sizeof(*at)) != 0)
            at[kept++] = at[i];
    c->n_occurrences = begin + kept;
    return 0;
}

static int write_labels(struct completion *c, size_t first, uint32_t n, struct nv_page_place *place)
{
    const struct nv_block_writer *w = c->w;
    NV_AUTO_BUF raw = NV_BUF(NV_PAGE_BYTES_MAX);
    struct nv_arena_mark mark = nv_arena_mark(&c->arena);
    struct nv_label_set *sets = nv_arena_alloc(&c->arena, n * sizeof(*sets));
    int r = sets ? 0 : -ENOMEM;

    for (uint32_t i = 0; r == 0 && i < n; i++) {
        const struct nv_written *series = &w->series[c->order[first + i]];
        struct nv_label *labels = nv_arena_alloc(&c->arena, series->n_labels * sizeof(*labels) + 1);
        sets[i] = (struct nv_label_set){labels, series->n_labels};
        for (size_t k = 0; labels && k < series->n_labels; k++) {
            const struct nv_text_pair *pair = &w->labels[series->labels_at + k];
            labels[k] = (struct nv_label){w->texts[pair->name], w->texts[pair->value]};
        }
        r = labels ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = nv_label_page_encode(sets, n, &c->arena, &raw);
    nv_arena_rewind(&c->arena, mark);
    if (r < 0)
        return r;
    place->hash = nv_hash(raw.p, raw.n, 0);
    return nv_writer_put_packed(c->w, &raw, &place->labels);
}

static int write_columns(struct completion *c, size_t first, uint32_t n,
                         struct nv_page_place *place)
{
    NV_AUTO_BUF raw = NV_BUF(NV_PAGE_BYTES_MAX);
    struct nv_column columns[NV_PAGE_SERIES];

    for (uint32_t i = 0; i < n; i++) {
        columns[i] = c->w->series[c->order[first + i]].column;
        if (columns[i].flags & NV_COLUMN_BASED)
            columns[i].extra = c->rank[columns[i].extra];
    }
    nv_column_page_encode(columns, n, (uint32_t)first, c->w->inlined.p, &raw);
    return raw.failed ? raw.failed : nv_writer_put_packed(c->w, &raw, &place->columns);
}

/* All label pages, then all pages of columns: who selects reads the former only. */
static int write_pages(struct completion *c)
{
    struct nv_footer *footer = &c->w->footer;
    int r = 0;

    for (size_t first = 0; r == 0 && first < c->w->n_series;) {
        r = nv_array_room((void **)&footer->pages, &c->pages_room, footer->n_pages,
                          sizeof(*footer->pages));
        if (r < 0)
            return r;
        struct nv_page_place place = {(uint32_t)first, page_length(c, first), {0}, {0}, 0};
        r = write_labels(c, first, place.n, &place);
        footer->pages[footer->n_pages++] = place;
        first += place.n;
    }
    for (size_t i = 0; r == 0 && i < footer->n_pages; i++)
        r = write_columns(c, footer->pages[i].first, footer->pages[i].n, &footer->pages[i]);
    return r;
}

static int compare_texts(const void *a, const void *b, void *user)
{
    const struct nv_block_writer *w = user;

    return nv_str_cmp(w->texts[*(const uint32_t *)a], w->texts[*(const uint32_t *)b]);
}

static int rank_texts(struct completion *c)
{
    size_t n = c->w->n_texts;
    uint32_t *order = nv_arena_alloc(&c->arena, n * sizeof(*order) + 1);

    c->text_rank = nv_arena_alloc(&c->arena, n * sizeof(*c->text_rank) + 1);
    if (!order || !c->text_rank)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    if (n)
        qsort_r(order, n, sizeof(*order), compare_texts, c->w);
    for (uint32_t i = 0; i < n; i++)
        c->text_rank[order[i]] = i;
    return 0;
}

static int write_values_page(struct completion *c, const struct nv_posting *at, size_t n)
{
    NV_AUTO_BUF raw = NV_BUF(NV_PAGE_BYTES_MAX);
    struct nv_footer *footer = &c->w->footer;

    if (!n)
        return 0;
    int r = nv_array_room((void **)&footer->values, &c->values_room, footer->n_values,
                          sizeof(*footer->values));
    if (r < 0)
        return r;
    struct nv_values_place *place = &footer->values[footer->n_values++];
    place->first = at[0].label;
    nv_values_page_encode(at, n, footer->n_pages, &raw);
    return nv_writer_put_packed(c->w, &raw, &place->part);
}

/* From `at` on: how many occurrences are of the same label. */
static size_t same_label(const struct completion *c, size_t at)
{
    const struct occurrence *o = c->occurrences;
    size_t n = 1;

    while (at + n < c->n_occurrences && o[at].name == o[at + n].name &&
           o[at].value == o[at + n].value)
        n++;
    return n;
}

static int write_values(struct completion *c)
{
    const struct nv_block_writer *w = c->w;
    struct nv_posting *at = nv_arena_alloc(&c->arena, NV_VALUES_PAGE * sizeof(*at));
    uint32_t *pages = nv_arena_alloc(&c->arena, c->n_occurrences * sizeof(*pages) + 1);
    size_t n = 0, text = 0;
    int r = at && pages ? 0 : -ENOMEM;

    if (r == 0 && c->n_occurrences)
        qsort_r(c->occurrences, c->n_occurrences, sizeof(*c->occurrences), compare_occurrences,
                c->text_rank);
    for (size_t i = 0; r == 0 && i < c->n_occurrences;) {
        size_t n_pages = same_label(c, i);
        for (size_t k = i; k < i + n_pages; k++)
            pages[k] = c->occurrences[k].page;
        struct nv_label label = {w->texts[c->occurrences[i].name],
                                 w->texts[c->occurrences[i].value]};
        if (n == NV_VALUES_PAGE || text > NV_PAGE_TEXT) {
            r = write_values_page(c, at, n);
            n = text = 0;
        }
        at[n++] = (struct nv_posting){label, pages + i, (uint32_t)n_pages};
        text += label.name.n + label.value.n;
        i += n_pages;
    }
    return r < 0 ? r : write_values_page(c, at, n);
}

static int index_values(struct completion *c)
{
    const struct nv_footer *footer = &c->w->footer;

    if (footer->n_pages < NV_VALUES_FROM_PAGES)
        return 0;
    int r = rank_texts(c);
    for (uint32_t i = 0; r == 0 && i < footer->n_pages; i++)
        r = note_occurrences(c, footer->pages[i].first, footer->pages[i].n, i);
    return r < 0 ? r : write_values(c);
}

/* Names the file. From the rename on it is a block, which a failure to sync its name takes back. */
static int publish(struct nv_block_writer *w, const char *name)
{
    const struct nv_fs_ops *ops = w->fs->ops;

    int r = ops->sync(w->fs, w->handle);
    if (r == 0)
        r = ops->rename(w->fs, w->temporary, name);
    if (r < 0)
        return r;
    ops->close(w->fs, w->handle);
    w->handle = -1;
    r = ops->sync_dir(w->fs);
    if (r < 0)
        ops->unlink(w->fs, name);
    return r;
}

static int complete(struct completion *c)
{
    int r = sort_series(c);

    if (r == 0)
        r = write_pages(c);
    if (r == 0)
        r = index_values(c);
    return r < 0 ? r : nv_writer_put_footer(c->w);
}

int nv_block_commit(struct nv_block_writer *w, unsigned level, char name[NV_BLOCK_NAME_MAX])
{
    struct completion c = {.w = w, .arena = NV_ARENA(SIZE_MAX / 2)};

    if (w->failed < 0)
        return w->failed;
    if (!w->n_series)
        return -ENODATA;
    w->footer.level = level;
    w->footer.n_series = w->n_series;
    int r = complete(&c);
    nv_arena_done(&c.arena);
    free(c.occurrences);
    if (r == 0) {
        snprintf(name, NV_BLOCK_NAME_MAX, "block-%lld-%lld-%u-%08x" NV_BLOCK_SUFFIX,
                 (long long)w->footer.from_ms, (long long)w->footer.to_ms, level,
                 (unsigned)w->random);
        r = publish(w, name);
    }
    if (r < 0)
        w->failed = r;
    return r;
}
