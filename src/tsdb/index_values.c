/*
 * The index of label values: which pages of labels a value occurs in. A block of few pages has none; all of its
 * pages are looked at. A page of the index has up to 256 labels, in order:
 *
 *   labels                 how many
 *   for each: pages        how many; 0 for all of the block. Then each number less the one before, less 1
 *   six fields of texts    names, then values: see index_front.c; a new name begins its values with nothing to share
 */
#include "tsdb/block_parts.h"

static void put_pages(struct nv_buf *out, const struct nv_posting *posting, size_t n_pages)
{
    uint32_t next = 0;

    nv_put_uvarint(out, posting->n_pages == n_pages ? 0 : posting->n_pages);
    for (uint32_t i = 0; posting->n_pages < n_pages && i < posting->n_pages; i++) {
        nv_put_uvarint(out, posting->pages[i] - next);
        next = posting->pages[i] + 1;
    }
}

void nv_values_page_encode(const struct nv_posting *at, size_t n, size_t n_pages,
                           struct nv_buf *out)
{
    struct nv_buf empty = NV_BUF(NV_PAGE_BYTES_MAX);
    struct nv_front names = {
        empty, empty, empty, {NULL, 0}
    };
    struct nv_front values = {
        empty, empty, empty, {NULL, 0}
    };

    nv_put_uvarint(out, n);
    for (size_t i = 0; i < n; i++)
        put_pages(out, &at[i], n_pages);
    for (size_t i = 0; i < n; i++) {
        if (i && !nv_str_eq(at[i].label.name, at[i - 1].label.name))
            values.last = (struct nv_str){NULL, 0};
        nv_front_put(&names, at[i].label.name);
        nv_front_put(&values, at[i].label.value);
    }
    nv_front_end(&names, out);
    nv_front_end(&values, out);
}

static int get_pages(struct nv_str *in, size_t n_pages, struct nv_arena *arena,
                     struct nv_posting *ret)
{
    uint32_t jump;
    uint64_t next = 0;

    if (!nv_get_below(in, n_pages, &ret->n_pages))
        return -EBADMSG;
    bool all = ret->n_pages == 0;
    if (all)
        ret->n_pages = (uint32_t)n_pages;
    else if (ret->n_pages > in->n)
        return -EBADMSG;
    uint32_t *pages = nv_arena_alloc(arena, ret->n_pages * sizeof(*pages) + 1);
    if (!pages)
        return -ENOMEM;
    for (uint32_t i = 0; i < ret->n_pages; i++) {
        jump = 0;
        if (!all && !nv_get_below(in, n_pages, &jump))
            return -EBADMSG;
        next += jump;
        if (next >= n_pages)
            return -EBADMSG;
        pages[i] = (uint32_t)next++;
    }
    ret->pages = pages;
    return 0;
}

static int get_texts(struct nv_str *in, struct nv_posting *at, uint32_t n, struct nv_arena *arena)
{
    struct nv_front_reader names, values;
    struct nv_str name = {NULL, 0};

    int r = nv_front_begin(&names, in, arena);
    if (r == 0)
        r = nv_front_begin(&values, in, arena);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < n; i++) {
        r = nv_front_get(&names, &at[i].label.name);
        if (r < 0)
            return r;
        if (i && !nv_str_eq(name, at[i].label.name))
            values.last = (struct nv_str){NULL, 0};
        name = at[i].label.name;
        r = nv_front_get(&values, &at[i].label.value);
        if (r < 0)
            return r;
        if (i && nv_labels_compare(&at[i - 1].label, 1, &at[i].label, 1) >= 0)
            return -EBADMSG;
    }
    return nv_front_done(&names) && nv_front_done(&values) && !in->n ? 0 : -EBADMSG;
}

int nv_values_page_decode(struct nv_str in, size_t n_pages, struct nv_arena *arena,
                          struct nv_values_page *ret)
{
    uint32_t n;

    if (!nv_get_below(&in, NV_VALUES_PAGE, &n))
        return -EBADMSG;
    struct nv_posting *at = nv_arena_alloc(arena, (n + 1) * sizeof(*at));
    if (!at)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        int r = get_pages(&in, n_pages, arena, &at[i]);
        if (r < 0)
            return r;
    }
    int r = get_texts(&in, at, n, arena);
    if (r == 0)
        *ret = (struct nv_values_page){n, at};
    return r;
}
