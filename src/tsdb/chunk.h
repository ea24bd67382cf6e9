/*
 * chunk.h - the rows of one source as they come, of which `n_rows` are published: those never change.
 *
 *   bound    NV_CHUNK_ROWS rows; of wide rows fewer, once they take NV_CHUNK_BYTES, but NV_CHUNK_ROWS_LEAST
 *   memory   a row is drafted as wide as the columns are, and kept with the values that are there and are not those of the row
 *            before: most seconds observe a few hundred columns of thousands, and change a third of them. So columns may be
 *            added without moving rows
 *   threads  one writer; any number of readers of what is published
 */
#ifndef NV_TSDB_CHUNK_H
#define NV_TSDB_CHUNK_H

#include "metric/frame.h"
#include "tsdb/columns.h"

enum { NV_CHUNK_ROWS = 64, NV_CHUNK_ROWS_LEAST = 16, NV_CHUNK_BYTES = 4 << 20 };

/* A row as it comes. It stays as it is until the next one. */
struct nv_chunk_row {
    int64_t time_ms;
    uint32_t width, sections;     /* known at that row; later ones are absent, and unobserved */
    uint64_t *observed, *present; /* sections / 64 + 1 and width / 64 + 1 words */
    double *values;               /* by column; undefined where nothing is present */
    const struct nv_histogram **histograms; /* by column; NULL where the row has none */
};

/* The memory of the writer's row, for one chunk after the other. */
struct nv_chunk_draft {
    struct nv_chunk_row row;
    size_t room_columns, room_sections;
    const struct nv_histogram **histograms; /* all NULL between rows */
    double *last;                           /* by column, the newest value in the chunk, */
    uint64_t *stored, *changed;             /* where it has one; and what the row changes of them */
};
void nv_chunk_draft_done(struct nv_chunk_draft *draft);

/* A row as it is kept. */
struct nv_chunk_kept {
    uint32_t width, sections, n_histograms;
    const uint64_t *observed, *present,
        *changed;           /* `present`, but for values as in the row before that has one */
    const double *values;   /* those changed, in order */
    const uint32_t *before; /* for each word of `changed`, how many values are in front of it */
    const struct nv_chunk_histogram *histograms; /* in order */
};
struct nv_chunk_histogram {
    uint32_t column;
    const struct nv_histogram *histogram;
};

struct nv_chunk {
    unsigned refs; /* atomic */
    struct nv_columns *columns;
    uint32_t n_rows;  /* atomic */
    uint64_t segment; /* the first of the log that has a row of it */
    int64_t times[NV_CHUNK_ROWS];
    struct nv_chunk_kept at[NV_CHUNK_ROWS];
    struct nv_slab *slab; /* the newest, in which there may be rows left */
    size_t bytes;
    struct nv_arena memory; /* of histograms */
};

struct nv_chunk *nv_chunk_new(struct nv_columns *columns); /* NULL when memory is out */
struct nv_chunk *nv_chunk_ref(struct nv_chunk *chunk);
void nv_chunk_unref(struct nv_chunk *chunk);
size_t nv_chunk_memory(const struct nv_chunk *chunk);
bool nv_chunk_is_full(const struct nv_chunk *chunk);

/* The next row, with nothing observed or present in it. NULL when memory is out. */
struct nv_chunk_row *nv_chunk_draft(struct nv_chunk_draft *draft, int64_t time_ms, size_t n_columns,
                                    size_t n_sections, bool histograms);
/* Keeps it. -ENOMEM, and nothing has happened. */
NV_MUST_USE int nv_chunk_publish(struct nv_chunk *chunk, struct nv_chunk_draft *draft);

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
