/*
 * import_parts.h - what the files of the import share, and nobody else includes.
 *
 *   import.c         takes samples, sorts what memory holds, spills it
 *   import_merge.c   temporary files into one, by series and time
 *   import_clocks.c  which series of a span share a clock
 *   import_blocks.c  spans into blocks
 */
#ifndef NV_TSDB_IMPORT_PARTS_H
#define NV_TSDB_IMPORT_PARTS_H

#include "base/index.h"
#include "tsdb/import.h"

struct nv_import_sample {
    int64_t time_ms;
    double value;
};

struct nv_import_row { /* as given */
    struct nv_import_sample sample;
    uint32_t series;
};

struct nv_import_series {
    const struct nv_label *labels;
    uint32_t n_labels;
    uint64_t at, end; /* its samples that no block has yet, among all sorted ones */
    int64_t next_ms;  /* the time of the first of them */
    int64_t newest_ms;
};

struct nv_import {
    struct nv_import_options options;
    struct nv_import_stats stats;
    struct nv_fs *fs;
    uint64_t random; /* in the names of temporary files */

    struct nv_arena labels;
    struct nv_index index;
    struct nv_import_series *series;
    size_t n_series, room_series;

    struct nv_import_row *rows;
    size_t n_rows, room_rows, max_rows;
    unsigned n_runs;

    /* Sorted by series and time, each time once: in memory, or in the temporary file `merged`. */
    struct nv_import_sample *sorted;
    int merged; /* a handle; < 0: none */
};

enum { NV_IMPORT_NAME_MAX = 64 };

/* Temporary files; `run` NV_IMPORT_MERGED is that of all runs. */
#define NV_IMPORT_MERGED UINT32_MAX
void nv_import_name(const struct nv_import *import, unsigned run, char out[NV_IMPORT_NAME_MAX]);

/* Of samples with equal times: counts what the later one replaces. */
static inline void nv_import_count_equal(struct nv_import *import, double kept, double dropped)
{
    if (memcmp(&kept, &dropped, sizeof(kept)) == 0)
        import->stats.repeated++;
    else
        import->stats.replaced++;
}

/* Merges all runs; sets the places of the series. */
NV_MUST_USE int nv_import_merge(struct nv_import *import);

/* Reads n sorted samples. */
NV_MUST_USE int nv_import_read(struct nv_import *import, uint64_t at, size_t n,
                               struct nv_import_sample *ret);

/* ---- clocks --------------------------------------------------------------------------------- */

/* The samples of one series within a span. */
struct nv_import_part {
    uint32_t series, n; /* n: at most NV_BLOCK_ROWS_MAX */
    uint64_t at, hash;  /* of its times */
    uint32_t clock;
};

/* A set of times that at least one series has. */
struct nv_import_clock {
    uint32_t part;  /* the first that has it */
    uint32_t count; /* how many do */
    uint32_t group; /* NV_BLOCK_SPARSE: none */
    uint32_t section;
};

struct nv_import_group {
    int64_t *times;
    size_t n_rows, n_sections, n_series;
    uint64_t **observed; /* by section */
    uint32_t number;     /* in the block */
};

struct nv_import_clocks {
    struct nv_import_clock *at;
    size_t n, room;
    struct nv_index index;
    struct nv_import_group *groups;
    size_t n_groups;
    struct nv_arena bits;
    struct nv_import_sample *samples; /* scratch, for the longest part */
    int64_t *times;                   /* scratch, for the longest part */
};

/* Finds the clocks of parts and groups them; parts learn their clock. */
NV_MUST_USE int nv_import_clocks_find(struct nv_import *import, struct nv_import_part *parts,
                                      size_t n, struct nv_import_clocks *ret);
void nv_import_clocks_done(struct nv_import_clocks *clocks);

/* Writes all blocks. */
NV_MUST_USE int nv_import_write(struct nv_import *import);

#endif
