/*
 * The footer, which tells where all parts are: numbers as nv_put_uvarint() has them, those marked (s) signed.
 *
 *   level, from (s), to - from, series, samples
 *   groups     then for each: rows, sections, first time - from, last - first time, part of its times, part of
 *              the observed sets
 *   pages      then for each: series, part of labels, part of columns, 8 bytes of hash
 *   values     pages of the index of label values, then for each: part, name and value (led by their lengths)
 *              it begins with
 *   made of    blocks this one was made of, then for each the 4 bytes its name ends in; left out where there are none.
 *              Such a one that is still there holds nothing of its own
 *
 * A part is its offset, less the end (CRC included) of the part named before it (s), and its length.
 */
#include "tsdb/block_parts.h"

struct places {
    uint64_t at;  /* where the next part is expected */
    uint64_t end; /* when reading: where the last one may end */
};

static void put_part(struct nv_buf *out, struct places *places, struct nv_part part)
{
    nv_put_varint(out, (int64_t)(part.offset - places->at));
    nv_put_uvarint(out, part.n);
    places->at = part.offset + part.n + NV_PART_CRC;
}

static bool get_part(struct nv_str *in, struct places *places, struct nv_part *ret)
{
    int64_t jump;

    if (!nv_get_varint(in, &jump) || !nv_get_below(in, UINT32_MAX - NV_PART_CRC, &ret->n))
        return false;
    ret->offset = places->at + (uint64_t)jump;
    if (ret->offset < NV_BLOCK_HEADER || ret->offset > places->end ||
        places->end - ret->offset < (uint64_t)ret->n + NV_PART_CRC)
        return false;
    places->at = ret->offset + ret->n + NV_PART_CRC;
    return true;
}

static void put_group(struct nv_buf *out, const struct nv_footer *footer, struct places *places,
                      const struct nv_group_place *group)
{
    nv_put_uvarint(out, group->n_rows);
    nv_put_uvarint(out, group->n_sections);
    nv_put_uvarint(out, (uint64_t)group->from_ms - (uint64_t)footer->from_ms);
    nv_put_uvarint(out, (uint64_t)group->to_ms - (uint64_t)group->from_ms);
    put_part(out, places, group->times);
    put_part(out, places, group->observed);
}

static bool get_group(struct nv_str *in, const struct nv_footer *footer, struct places *places,
                      struct nv_group_place *ret)
{
    uint64_t after, span;

    if (!nv_get_below(in, NV_BLOCK_ROWS_MAX, &ret->n_rows) || !ret->n_rows ||
        !nv_get_below(in, NV_BLOCK_SECTIONS_MAX, &ret->n_sections) || !nv_get_uvarint(in, &after) ||
        !nv_get_uvarint(in, &span))
        return false;
    ret->from_ms = (int64_t)((uint64_t)footer->from_ms + after);
    ret->to_ms = (int64_t)((uint64_t)ret->from_ms + span);
    return ret->from_ms >= footer->from_ms && ret->to_ms >= ret->from_ms &&
           ret->to_ms <= footer->to_ms && get_part(in, places, &ret->times) &&
           get_part(in, places, &ret->observed);
}

static void put_page(struct nv_buf *out, struct places *places, const struct nv_page_place *page)
{
    nv_put_uvarint(out, page->n);
    put_part(out, places, page->labels);
    put_part(out, places, page->columns);
    nv_put_u64(out, page->hash);
}

static bool get_page(struct nv_str *in, struct places *places, struct nv_page_place *ret)
{
    struct nv_str hash;

    if (!nv_get_below(in, NV_PAGE_SERIES, &ret->n) || !ret->n ||
        !get_part(in, places, &ret->labels) || !get_part(in, places, &ret->columns) ||
        !nv_get_bytes(in, 8, &hash))
        return false;
    ret->hash = nv_load_u64(hash.p);
    return true;
}

static bool get_values(struct nv_str *in, struct places *places, struct nv_values_place *ret)
{
    return get_part(in, places, &ret->part) && nv_get_sized(in, &ret->first.name) &&
           nv_get_sized(in, &ret->first.value);
}

void nv_footer_encode(const struct nv_footer *footer, struct nv_buf *out)
{
    struct places places = {.at = NV_BLOCK_HEADER};

    nv_put_uvarint(out, footer->level);
    nv_put_varint(out, footer->from_ms);
    nv_put_uvarint(out, (uint64_t)footer->to_ms - (uint64_t)footer->from_ms);
    nv_put_uvarint(out, footer->n_series);
    nv_put_uvarint(out, footer->n_samples);
    nv_put_uvarint(out, footer->n_groups);
    for (size_t i = 0; i < footer->n_groups; i++)
        put_group(out, footer, &places, &footer->groups[i]);
    nv_put_uvarint(out, footer->n_pages);
    for (size_t i = 0; i < footer->n_pages; i++)
        put_page(out, &places, &footer->pages[i]);
    nv_put_uvarint(out, footer->n_values);
    for (size_t i = 0; i < footer->n_values; i++) {
        put_part(out, &places, footer->values[i].part);
        nv_put_sized(out, footer->values[i].first.name);
        nv_put_sized(out, footer->values[i].first.value);
    }
    if (footer->n_made_of)
        nv_put_uvarint(out, footer->n_made_of);
    for (size_t i = 0; i < footer->n_made_of; i++)
        nv_put_u32(out, footer->made_of[i]);
}

/* An array of as many as the next number says; each takes at least `least` bytes of what follows. */
static int get_count(struct nv_str *in, size_t max, size_t least, size_t size,
                     struct nv_arena *arena, size_t *ret_n, void **ret)
{
    uint32_t n;

    if (!nv_get_below(in, max, &n) || n > in->n / least)
        return -EBADMSG;
    *ret = nv_arena_alloc(arena, (n + 1) * size);
    *ret_n = n;
    return *ret ? 0 : -ENOMEM;
}

static int get_pages(struct nv_str *in, struct places *places, struct nv_arena *arena,
                     struct nv_footer *footer)
{
    uint64_t n_series = 0;

    int r = get_count(in, NV_BLOCK_SERIES_MAX, 13, sizeof(*footer->pages), arena, &footer->n_pages,
                      (void **)&footer->pages);
    for (size_t i = 0; r == 0 && i < footer->n_pages; i++) {
        footer->pages[i].first = (uint32_t)n_series;
        r = get_page(in, places, &footer->pages[i]) ? 0 : -EBADMSG;
        n_series += footer->pages[i].n;
    }
    return r < 0 ? r : n_series == footer->n_series ? 0 : -EBADMSG;
}

static int get_made_of(struct nv_str *in, struct nv_arena *arena, struct nv_footer *footer)
{
    struct nv_str bytes;

    int r = get_count(in, NV_BLOCK_MADE_OF_MAX, 4, sizeof(*footer->made_of), arena,
                      &footer->n_made_of, (void **)&footer->made_of);
    for (size_t i = 0; r == 0 && i < footer->n_made_of; i++) {
        if (!nv_get_bytes(in, 4, &bytes))
            return -EBADMSG;
        footer->made_of[i] = nv_load_u32(bytes.p);
    }
    return r == 0 && !footer->n_made_of ? -EBADMSG : r;
}

int nv_footer_decode(struct nv_str in, uint64_t end, struct nv_arena *arena, struct nv_footer *ret)
{
    struct places places = {.at = NV_BLOCK_HEADER, .end = end};
    struct nv_footer footer = {0};
    uint32_t level;
    uint64_t span;

    if (!nv_get_below(&in, UINT32_MAX, &level) || !nv_get_varint(&in, &footer.from_ms) ||
        !nv_get_uvarint(&in, &span) || !nv_get_uvarint(&in, &footer.n_series) ||
        footer.n_series > NV_BLOCK_SERIES_MAX || !nv_get_uvarint(&in, &footer.n_samples))
        return -EBADMSG;
    footer.level = level;
    footer.to_ms = (int64_t)((uint64_t)footer.from_ms + span);
    if (footer.to_ms < footer.from_ms)
        return -EBADMSG;

    int r = get_count(&in, NV_BLOCK_GROUPS_MAX, 8, sizeof(*footer.groups), arena, &footer.n_groups,
                      (void **)&footer.groups);
    for (size_t i = 0; r == 0 && i < footer.n_groups; i++)
        r = get_group(&in, &footer, &places, &footer.groups[i]) ? 0 : -EBADMSG;
    if (r == 0)
        r = get_pages(&in, &places, arena, &footer);
    if (r == 0)
        r = get_count(&in, NV_BLOCK_SERIES_MAX, 4, sizeof(*footer.values), arena, &footer.n_values,
                      (void **)&footer.values);
    for (size_t i = 0; r == 0 && i < footer.n_values; i++)
        r = get_values(&in, &places, &footer.values[i]) ? 0 : -EBADMSG;
    if (r == 0 && in.n)
        r = get_made_of(&in, arena, &footer);
    if (r == 0 && in.n)
        r = -EBADMSG;
    if (r == 0)
        *ret = footer;
    return r;
}
