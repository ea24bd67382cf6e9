/*
 * Rows as they come, and one series of them.
 */
#include "tsdb/chunk.h"

#include "base/assert.h"

enum { HISTOGRAM_BYTES_MAX = 1 << 30 };

/* ---- chunks --------------------------------------------------------------------------------- */

struct nv_chunk *nv_chunk_new(struct nv_columns *columns, size_t n_columns, size_t n_sections)
{
    struct nv_chunk *chunk = calloc(1, sizeof(*chunk));
    size_t stride = (n_columns + n_columns / 16 + 63) / 64 * 64 + 64;
    size_t words = n_sections / 64 + 1;

    if (!chunk)
        return NULL;
    *chunk = (struct nv_chunk){.refs = 1,
                               .columns = nv_columns_ref(columns),
                               .stride = (uint32_t)stride,
                               .section_words = (uint32_t)words,
                               .observed = calloc(NV_CHUNK_ROWS * words, sizeof(uint64_t)),
                               .present = calloc(NV_CHUNK_ROWS * stride / 64, sizeof(uint64_t)),
                               .values = malloc(NV_CHUNK_ROWS * stride * sizeof(double)),
                               .memory = NV_ARENA(HISTOGRAM_BYTES_MAX)};
    if (!chunk->observed || !chunk->present || !chunk->values) {
        nv_chunk_unref(chunk);
        return NULL;
    }
    return chunk;
}

struct nv_chunk *nv_chunk_ref(struct nv_chunk *chunk)
{
    __atomic_add_fetch(&chunk->refs, 1, __ATOMIC_RELAXED);
    return chunk;
}

void nv_chunk_unref(struct nv_chunk *chunk)
{
    if (!chunk || __atomic_sub_fetch(&chunk->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_columns_unref(chunk->columns);
    free(chunk->observed);
    free(chunk->present);
    free(chunk->values);
    free(chunk->histograms);
    nv_arena_done(&chunk->memory);
    free(chunk);
}

size_t nv_chunk_memory(const struct nv_chunk *chunk)
{
    return sizeof(*chunk) + NV_CHUNK_ROWS * ((size_t)chunk->stride * 8 + chunk->stride / 8 +
                                             chunk->section_words * sizeof(uint64_t));
}

static bool copy_histograms(struct nv_chunk *to, const struct nv_chunk *from)
{
    to->histograms = calloc(NV_CHUNK_ROWS * (size_t)to->stride, sizeof(*to->histograms));
    if (!to->histograms)
        return false;
    for (size_t row = 0; row < from->n_rows; row++) {
        for (size_t c = 0; c < from->widths[row]; c++) {
            const struct nv_histogram *h = from->histograms[row * from->stride + c];
            if (!h)
                continue;
            h = nv_histogram_copy(&to->memory, h);
            if (!h)
                return false;
            to->histograms[row * to->stride + c] = h;
        }
    }
    return true;
}

struct nv_chunk *nv_chunk_wider(const struct nv_chunk *from, size_t n_columns, size_t n_sections)
{
    struct nv_chunk *to = nv_chunk_new(
        from->columns, n_columns > from->stride ? n_columns : from->stride, n_sections);

    if (!to)
        return NULL;
    to->segment = from->segment;
    to->n_rows = from->n_rows;
    memcpy(to->times, from->times, sizeof(to->times));
    memcpy(to->widths, from->widths, sizeof(to->widths));
    for (size_t row = 0; row < from->n_rows; row++) {
        memcpy(to->observed + row * to->section_words, from->observed + row * from->section_words,
               from->section_words * sizeof(uint64_t));
        memcpy(to->present + row * to->stride / 64, from->present + row * from->stride / 64,
               from->stride / 64 * sizeof(uint64_t));
        memcpy(to->values + row * to->stride, from->values + row * from->stride,
               from->widths[row] * sizeof(double));
    }
    if (from->histograms && !copy_histograms(to, from)) {
        nv_chunk_unref(to);
        return NULL;
    }
    return to;
}

/* ---- histograms ----------------------------------------------------------------------------- */

static bool copy_part(struct nv_arena *arena, const void **part, size_t size)
{
    if (!size)
        return true;
    void *copy = nv_arena_alloc(arena, size);
    if (copy)
        *part = memcpy(copy, *part, size);
    return copy;
}

const struct nv_histogram *nv_histogram_copy(struct nv_arena *arena,
                                             const struct nv_histogram *histogram)
{
    struct nv_histogram *h = nv_arena_alloc(arena, sizeof(*h));

    if (!h)
        return NULL;
    *h = *histogram;
    if (!copy_part(arena, (const void **)&h->positive_spans,
                   h->n_positive_spans * sizeof(struct nv_span)) ||
        !copy_part(arena, (const void **)&h->negative_spans,
                   h->n_negative_spans * sizeof(struct nv_span)) ||
        !copy_part(arena, (const void **)&h->positive, h->n_positive * sizeof(double)) ||
        !copy_part(arena, (const void **)&h->negative, h->n_negative * sizeof(double)) ||
        !copy_part(arena, (const void **)&h->custom_values, h->n_custom * sizeof(double)))
        return NULL;
    return h;
}

/* ---- strips --------------------------------------------------------------------------------- */

void nv_chunk_strip(const struct nv_chunk *chunk, uint32_t n_rows, uint32_t column,
                    uint32_t section, struct nv_strip *ret)
{
    const struct nv_histogram **histograms = __atomic_load_n(&chunk->histograms, __ATOMIC_ACQUIRE);

    ret->n_rows = n_rows;
    ret->present = ret->observed = ret->native = 0;
    for (uint32_t row = 0; row < n_rows; row++) {
        uint64_t bit = UINT64_C(1) << row;
        if (section < chunk->section_words * 64 &&
            nv_bit(chunk->observed + row * (size_t)chunk->section_words, section))
            ret->observed |= bit;
        if (column >= chunk->widths[row] ||
            !nv_bit(chunk->present + row * (size_t)chunk->stride / 64, column))
            continue;
        ret->present |= bit;
        ret->values[row] = chunk->values[row * (size_t)chunk->stride + column];
        if (!histograms || !histograms[row * (size_t)chunk->stride + column])
            continue;
        ret->native |= bit;
        ret->histograms[row] = histograms[row * (size_t)chunk->stride + column];
    }
}
