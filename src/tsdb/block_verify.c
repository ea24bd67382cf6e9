/*
 * Goes through a block from end to end: `tsdb verify` and `tsdb analyze`.
 */
#include "tsdb/block_parts.h"

struct verifying {
    struct nv_block *block;
    struct nv_buf *out;
    int faults;
    struct nv_part *parts; /* all that were named */
    size_t n_parts, parts_room;
    uint64_t n_samples;
};

__attribute__((format(printf, 3, 4))) static void fault(struct verifying *v, int error,
                                                        const char *format, ...)
{
    char what[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    v->faults++;
    nv_buf_printf(v->out, "%s: %s: %s\n", v->block->info.name, what,
                  error == -EBADMSG           ? "damaged"
                  : error == -EPROTONOSUPPORT ? "written by a newer version"
                                              : strerror(-error));
}

static int note(struct verifying *v, struct nv_part part)
{
    int r = nv_array_room((void **)&v->parts, &v->parts_room, v->n_parts, sizeof(*v->parts));

    if (r == 0)
        v->parts[v->n_parts++] = part;
    return r;
}

static void check_sets(struct verifying *v, uint32_t number)
{
    const struct nv_group_place *group = &v->block->footer.groups[number];
    struct nv_arena arena = NV_ARENA((size_t)1 << 30);
    uint32_t at = 0;

    const uint64_t **sets = nv_arena_alloc(&arena, (group->n_sections + 1) * sizeof(*sets));
    int r = sets ? nv_block_sets(v->block, number, &arena, sets, &at) : -ENOMEM;
    if (r < 0)
        fault(v, r, "observed set %u of group %u at %llu", at, number,
              (unsigned long long)group->observed.offset);
    nv_arena_done(&arena);
}

static int check_groups(struct verifying *v)
{
    struct nv_block *block = v->block;

    for (uint32_t i = 0; i < block->footer.n_groups; i++) {
        const struct nv_group_place *group = &block->footer.groups[i];
        NV_AUTO(nv_cached) *times = NULL;
        int r = nv_block_times(block, i, &times);
        if (r < 0)
            fault(v, r, "times of group %u at %llu", i, (unsigned long long)group->times.offset);
        check_sets(v, i);
        r = note(v, group->times);
        if (r == 0)
            r = note(v, group->observed);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Label sets rise, across pages too. `last` is the last set of the page before. */
static bool rising(const struct nv_label_page *page, struct nv_arena *arena,
                   struct nv_label_set *last)
{
    for (uint32_t i = 0; i < page->n_series; i++) {
        size_t n = nv_label_page_n(page, i);
        struct nv_label *labels = nv_arena_alloc(arena, n * sizeof(*labels) + 1);
        if (!labels)
            return false;
        nv_label_page_set(page, i, labels);
        if (last->at && nv_labels_compare(last->at, last->n, labels, n) >= 0)
            return false;
        *last = (struct nv_label_set){labels, n};
    }
    return true;
}

static int check_labels(struct verifying *v, struct nv_arena *arena)
{
    struct nv_block *block = v->block;
    struct nv_cached *held = NULL;
    struct nv_label_set last = {NULL, 0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < block->footer.n_pages; i++) {
        const struct nv_part part = block->footer.pages[i].labels;
        struct nv_cached *next = NULL;
        int e = nv_block_label_page(block, i, &next);
        if (e == 0 && !rising(next->object, arena, &last))
            e = -EBADMSG;
        if (e < 0) {
            fault(v, e, "page %zu of labels at %llu", i, (unsigned long long)part.offset);
            last.at = NULL;
        }
        nv_cached_free(held); /* `last` pointed there */
        held = next;
        r = note(v, part);
    }
    nv_cached_free(held);
    return r;
}

static int check_column(struct verifying *v, uint32_t number, const struct nv_column *column,
                        struct nv_arena *arena)
{
    struct nv_block_column got;

    int r = nv_block_column(v->block, number, arena, &got);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        fault(v, r, "column of series %u at %llu", number, (unsigned long long)column->offset);
    else
        v->n_samples += got.n;
    if (column->flags & NV_COLUMN_INLINE)
        return 0;
    return note(v, (struct nv_part){column->offset, column->length});
}

static int check_columns(struct verifying *v, struct nv_arena *arena)
{
    struct nv_block *block = v->block;

    for (size_t i = 0; i < block->footer.n_pages; i++) {
        const struct nv_page_place *place = &block->footer.pages[i];
        NV_AUTO(nv_cached) *held = NULL;
        int r = nv_block_column_page(block, i, &held);
        if (r < 0)
            fault(v, r, "page %zu of columns at %llu", i,
                  (unsigned long long)place->columns.offset);
        const struct nv_column_page *page = r == 0 ? held->object : NULL;
        r = note(v, place->columns);
        for (uint32_t k = 0; r == 0 && page && k < page->n; k++) {
            nv_arena_reset(arena);
            r = check_column(v, place->first + k, &page->at[k], arena);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_values(struct verifying *v)
{
    struct nv_block *block = v->block;

    for (size_t i = 0; i < block->footer.n_values; i++) {
        NV_AUTO(nv_cached) *held = NULL;
        int r = nv_block_values_page(block, i, &held);
        if (r < 0)
            fault(v, r, "page %zu of label values at %llu", i,
                  (unsigned long long)block->footer.values[i].part.offset);
        r = note(v, block->footer.values[i].part);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_parts(const void *a, const void *b)
{
    const struct nv_part *x = a, *y = b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Every byte belongs to one part; asked only where all parts are known. */
static void check_gaps(struct verifying *v)
{
    uint64_t at = NV_BLOCK_HEADER;

    qsort(v->parts, v->n_parts, sizeof(*v->parts), compare_parts);
    for (size_t i = 0; i < v->n_parts && v->parts[i].offset == at; i++)
        at += (uint64_t)v->parts[i].n + NV_PART_CRC;
    if (at != v->block->end)
        fault(v, -EBADMSG, "place of the parts, at %llu", (unsigned long long)at);
    else if (v->n_samples != v->block->footer.n_samples)
        fault(v, -EBADMSG, "number of samples in the footer");
}

static int check_all(struct verifying *v)
{
    struct nv_arena arena = NV_ARENA((size_t)1 << 30);

    int r = check_groups(v);
    if (r == 0)
        r = check_labels(v, &arena);
    if (r == 0)
        r = check_columns(v, &arena);
    if (r == 0)
        r = check_values(v);
    nv_arena_done(&arena);
    if (r == 0 && !v->faults)
        check_gaps(v);
    return r;
}

int nv_block_verify(struct nv_fs *fs, const char *name, struct nv_buf *out)
{
    struct nv_block_cache *cache = nv_block_cache_new(NV_BLOCK_CACHE_BYTES);
    struct verifying v = {.out = out};

    int r = cache ? nv_block_open(fs, cache, name, &v.block) : -ENOMEM;
    if (r < 0 && r != -ENOMEM) {
        nv_buf_printf(out, "%s: header, footer or marks: %s\n", name,
                      r == -EBADMSG ? "damaged" : strerror(-r));
        v.faults = 1;
        r = 0;
    } else if (r == 0) {
        r = check_all(&v);
        nv_block_unref(v.block);
    }
    free(v.parts);
    nv_block_cache_free(cache);
    return r < 0 ? r : v.faults;
}

/* ---- analyze -------------------------------------------------------------------------------- */

struct analysis {
    struct nv_block *block;
    struct nv_arena arena;
    int (*each)(void *user, uint32_t series, const struct nv_label *labels, size_t n_labels,
                const char *codec, uint64_t bytes, uint64_t samples);
    void *user;
};

static int analyze_series(struct analysis *a, uint32_t series, const struct nv_column *column)
{
    struct nv_block_column values;
    const struct nv_label *labels;
    size_t n_labels;
    const char *codec;

    nv_arena_reset(&a->arena);
    int r = nv_block_labels(a->block, series, &a->arena, &labels, &n_labels);
    if (r == 0)
        r = nv_block_column(a->block, series, &a->arena, &values);
    if (r == 0)
        r = nv_block_codec(a->block, series, &codec);
    if (r < 0)
        return r;
    uint64_t n = column->length + (column->flags & NV_COLUMN_INLINE ? 0 : NV_PART_CRC);
    return a->each(a->user, series, labels, n_labels, codec, n, values.n);
}

int nv_block_analyze(struct nv_block *block,
                     int (*each)(void *user, uint32_t series, const struct nv_label *labels,
                                 size_t n_labels, const char *codec, uint64_t bytes,
                                 uint64_t samples),
                     void *user)
{
    struct analysis a = {block, NV_ARENA((size_t)1 << 30), each, user};
    int r = 0;

    for (size_t i = 0; r == 0 && i < block->footer.n_pages; i++) {
        NV_AUTO(nv_cached) *held = NULL;
        r = nv_block_column_page(block, i, &held);
        const struct nv_column_page *page = r == 0 ? held->object : NULL;
        for (uint32_t k = 0; r == 0 && k < page->n; k++)
            r = analyze_series(&a, block->footer.pages[i].first + k, &page->at[k]);
    }
    nv_arena_done(&a.arena);
    return r;
}
