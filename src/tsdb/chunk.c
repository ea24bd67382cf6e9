/*
 * Rows lie in slabs, several small ones or one wide one in each.
 */
#include "tsdb/chunk.h"

#include <sys/mman.h>

#include "base/assert.h"

enum { HISTOGRAM_BYTES_MAX = 1 << 30, SLAB_BYTES = 64 << 10, SLAB_MAPPED = 128 << 10 };

struct nv_slab {
    struct nv_slab *before;
    size_t bytes, used;
    bool mapped;
};

/* ---- rows ----------------------------------------------------------------------------------- */

static struct nv_slab *slab_new(size_t bytes)
{
    bool mapped = bytes >= SLAB_MAPPED;
    void *p = mapped ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                     : malloc(bytes);

    if (!p || p == MAP_FAILED)
        return NULL;
    struct nv_slab *slab = p;
    *slab = (struct nv_slab){.bytes = bytes, .used = sizeof(*slab), .mapped = mapped};
    return slab;
}

static void slab_free(struct nv_slab *slab)
{
    if (slab->mapped)
        munmap(slab, slab->bytes);
    else
        free(slab);
}

/* Room for rows of that size: a few, or one that is wide. Their memory goes back to the system when they are sealed. */
static bool more_slab(struct nv_chunk *chunk, size_t row_bytes)
{
    size_t left = NV_CHUNK_ROWS - chunk->n_rows, n = SLAB_BYTES / row_bytes;

    n = n > left ? left : n < 1 ? 1 : n;
    struct nv_slab *slab = slab_new(sizeof(*slab) + n * row_bytes);
    if (!slab)
        return false;
    slab->before = chunk->slab;
    chunk->slab = slab;
    __atomic_store_n(&chunk->bytes, chunk->bytes + slab->bytes, __ATOMIC_RELAXED);
    return true;
}

struct nv_chunk_row *nv_chunk_next(struct nv_chunk *chunk, int64_t time_ms, size_t n_columns,
                                   size_t n_sections, bool histograms)
{
    size_t observed = n_sections / 64 + 1, present = n_columns / 64 + 1;
    size_t words = observed + present + n_columns + (histograms ? n_columns : 0);
    struct nv_chunk_row *row = &chunk->at[chunk->n_rows];

    nv_assert(chunk->n_rows < NV_CHUNK_ROWS);
    if ((!chunk->slab || chunk->slab->bytes - chunk->slab->used < words * 8) &&
        !more_slab(chunk, words * 8))
        return NULL;
    uint64_t *p = (uint64_t *)((char *)chunk->slab + chunk->slab->used);
    chunk->slab->used += words * 8;
    *row = (struct nv_chunk_row){
        .width = (uint32_t)n_columns,
        .sections = (uint32_t)n_sections,
        .observed = p,
        .present = p + observed,
        .values = (double *)(p + observed + present),
    };
    chunk->times[chunk->n_rows] = time_ms;
    memset(p, 0, (observed + present) * sizeof(*p));
    if (histograms) {
        row->histograms = (const struct nv_histogram **)(row->values + n_columns);
        memset(row->histograms, 0, n_columns * sizeof(*row->histograms));
    }
    return row;
}

void nv_chunk_publish(struct nv_chunk *chunk)
{
    __atomic_store_n(&chunk->n_rows, chunk->n_rows + 1, __ATOMIC_RELEASE);
}

bool nv_chunk_is_full(const struct nv_chunk *chunk)
{
    return chunk->n_rows == NV_CHUNK_ROWS ||
           (chunk->n_rows >= NV_CHUNK_ROWS_LEAST && chunk->bytes >= NV_CHUNK_BYTES);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_chunk *nv_chunk_new(struct nv_columns *columns)
{
    struct nv_chunk *chunk = malloc(sizeof(*chunk));

    if (!chunk)
        return NULL;
    chunk->refs = 1;
    chunk->columns = nv_columns_ref(columns);
    chunk->n_rows = 0;
    chunk->segment = 0;
    chunk->slab = NULL;
    chunk->bytes = 0;
    chunk->memory = NV_ARENA(HISTOGRAM_BYTES_MAX);
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
    while (chunk->slab) {
        struct nv_slab *slab = chunk->slab;
        chunk->slab = slab->before;
        slab_free(slab);
    }
    nv_arena_done(&chunk->memory);
    free(chunk);
}

size_t nv_chunk_memory(const struct nv_chunk *chunk)
{
    return sizeof(*chunk) + __atomic_load_n(&chunk->bytes, __ATOMIC_RELAXED);
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
    ret->n_rows = n_rows;
    ret->present = ret->observed = ret->native = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        const struct nv_chunk_row *row = &chunk->at[i];
        uint64_t bit = UINT64_C(1) << i;
        if (section < row->sections && nv_bit(row->observed, section))
            ret->observed |= bit;
        if (column >= row->width || !nv_bit(row->present, column))
            continue;
        ret->present |= bit;
        ret->values[i] = row->values[column];
        if (!row->histograms || !row->histograms[column])
            continue;
        ret->native |= bit;
        ret->histograms[i] = row->histograms[column];
    }
}
