/*
 * chunk.h - the rows of one source as they come: at most NV_CHUNK_ROWS, of which `n_rows` are published: those never change.
 *
 *   threads  one writer; any number of readers of what is published
 */
#ifndef NV_TSDB_CHUNK_H
#define NV_TSDB_CHUNK_H

#include "metric/frame.h"
#include "tsdb/columns.h"

enum { NV_CHUNK_ROWS = 64 };

struct nv_chunk {
    unsigned refs; /* atomic */
    struct nv_columns *columns;
    uint32_t stride, section_words;
    uint32_t n_rows;  /* atomic */
    uint64_t segment; /* the first of the log that has a row of it */
    int64_t times[NV_CHUNK_ROWS];
    uint32_t widths[NV_CHUNK_ROWS];         /* columns known at that row; later ones are absent */
    uint64_t *observed, *present;           /* section_words and stride / 64 words a row */
    double *values;                         /* stride a row */
    const struct nv_histogram **histograms; /* atomic; likewise, or NULL while there was none */
    struct nv_arena memory;                 /* of histograms */
};

/* Room for so many columns and sections at least. NULL when memory is out. */
struct nv_chunk *nv_chunk_new(struct nv_columns *columns, size_t n_columns, size_t n_sections);
struct nv_chunk *nv_chunk_ref(struct nv_chunk *chunk);
void nv_chunk_unref(struct nv_chunk *chunk);
size_t nv_chunk_memory(const struct nv_chunk *chunk);

/* The same rows with more room. */
struct nv_chunk *nv_chunk_wider(const struct nv_chunk *chunk, size_t n_columns, size_t n_sections);

static inline uint32_t nv_chunk_rows(const struct nv_chunk *chunk)
{
    return __atomic_load_n(&chunk->n_rows, __ATOMIC_ACQUIRE);
}

/* A histogram that the chunk keeps. NULL when memory is out. */
const struct nv_histogram *nv_histogram_copy(struct nv_arena *arena,
                                             const struct nv_histogram *histogram);

/* One series in up to NV_CHUNK_ROWS rows: of a page or of a chunk. */
struct nv_strip {
    uint32_t n_rows;
    uint64_t present, observed; /* a bit per row */
    uint64_t native;            /* rows whose value is a histogram */
    double values[NV_CHUNK_ROWS];
    const struct nv_histogram *histograms[NV_CHUNK_ROWS]; /* where `native` has a bit */
};

/* Histograms of a chunk live as long as it is held. */
void nv_chunk_strip(const struct nv_chunk *chunk, uint32_t n_rows, uint32_t column,
                    uint32_t section, struct nv_strip *ret);

#endif
