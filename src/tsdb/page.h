/*
 * page.h - the rows of one source: open ones as they come, and sealed ones as compressed columns.
 *
 *   columns    the series of one generation by number; only grows. Counted, and holds its series
 *   chunk      at most NV_CHUNK_ROWS rows, row by row, of which `n_rows` are published: those never change
 *   page       a full chunk, sealed: the times once, then each series by itself; presence and observation as a
 *              word, a bit per row. Immutable, counted, only ever in memory: the format is not that of a file
 *   threads    one writer of columns and chunk; any number of readers of what is published
 */
#ifndef NV_TSDB_PAGE_H
#define NV_TSDB_PAGE_H

#include "metric/frame.h"
#include "tsdb/codec.h"
#include "tsdb/series.h"

enum { NV_CHUNK_ROWS = 64 };

struct nv_column {
    struct nv_head_series *series;
    uint32_t section;
    bool
        orphan; /* was there in the generation before, and is not in the layout of this one; the writer's */
};

struct nv_columns {
    unsigned refs; /* atomic */
    struct nv_series_table *table;
    struct nv_column *at; /* atomic: replaced by a larger copy */
    uint32_t n, room;     /* the writer's */
    struct nv_column **outgrown;
    uint32_t n_outgrown;
    uint64_t number;
};

struct nv_columns *nv_columns_new(struct nv_series_table *table, uint64_t number);
struct nv_columns *nv_columns_ref(struct nv_columns *columns);
void nv_columns_unref(struct nv_columns *columns);

/* Adds a series, whose hold passes to the columns also where this fails. -ENOMEM. */
NV_MUST_USE int nv_columns_add(struct nv_columns *columns, struct nv_head_series *series,
                               uint32_t section, bool orphan);

static inline struct nv_column *nv_columns_at(const struct nv_columns *columns)
{
    return __atomic_load_n(&columns->at, __ATOMIC_ACQUIRE);
}

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

struct nv_page {
    unsigned refs; /* atomic */
    struct nv_columns *columns;
    uint64_t segment;
    int64_t from_ms, to_ms;
    uint32_t n_rows, n_columns, n_sections;
    uint64_t n_samples;
    size_t bytes;
    struct nv_str times;
    const uint64_t *observed; /* by section */
    const uint32_t *starts;   /* where columns 0, 16, 32 ... begin in `data` */
    const char *data;
    size_t n_data;
};

/* Compresses the published rows of a chunk (at least one). */
NV_MUST_USE int nv_page_seal(struct nv_codec *codec, const struct nv_chunk *chunk,
                             struct nv_page **ret);
struct nv_page *nv_page_ref(struct nv_page *page);
void nv_page_unref(struct nv_page *page);

/* One series in up to NV_CHUNK_ROWS rows: of a page or of a chunk. */
struct nv_strip {
    uint32_t n_rows;
    uint64_t present, observed; /* a bit per row */
    uint64_t native;            /* rows whose value is a histogram */
    double values[NV_CHUNK_ROWS];
    const struct nv_histogram *histograms[NV_CHUNK_ROWS]; /* where `native` has a bit */
};

/* Histograms come to lie in the arena. -EBADMSG, -ENOMEM. */
NV_MUST_USE int nv_page_strip(struct nv_codec *codec, const struct nv_page *page, uint32_t column,
                              uint32_t section, struct nv_arena *arena, struct nv_strip *ret);
NV_MUST_USE int nv_page_times(struct nv_codec *codec, const struct nv_page *page,
                              int64_t times[NV_CHUNK_ROWS]);

/* Histograms of a chunk live as long as it is held. */
void nv_chunk_strip(const struct nv_chunk *chunk, uint32_t n_rows, uint32_t column,
                    uint32_t section, struct nv_strip *ret);

#endif
