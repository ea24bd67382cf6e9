/*
 * import.h - blocks from samples that come in any order.
 *
 *   order      series and times may come in any order; a series' are sorted. Of equal times the one that came last
 *              stays, whatever the values
 *   blocks     one for each span of time that has samples, aligned; shorter ones where a series has more than
 *              NV_BLOCK_ROWS_MAX samples in a span. Nothing is thinned and nothing expires
 *   clocks     series with the same times, or with times of which a shared clock has most, become a group; the
 *              rest is sparse. What was not there is unobserved: no staleness marker is invented
 *   memory     `memory` bytes of samples, besides NV_IMPORT_LABELS_MAX of labels and what a block being written
 *              needs; more samples go to temporary files of the store's directory, removed with the import
 *   threads    one user; the store's lock is the caller's business
 */
#ifndef NV_TSDB_IMPORT_H
#define NV_TSDB_IMPORT_H

#include "tsdb/block.h"

enum {
    NV_IMPORT_MEMORY = 64 << 20,
    NV_IMPORT_MEMORY_MIN = 1 << 12,
    NV_IMPORT_LABELS_MAX = 512 << 20, /* bytes of labels */
    NV_IMPORT_RUNS_MAX = 4096,        /* temporary files */
};

#define NV_IMPORT_SPAN_MS INT64_C(86400000)

struct nv_import_stats {
    uint64_t series, samples; /* given */
    uint64_t out_of_order, repeated,
        replaced;                    /* repeated: same time and value; replaced: another value */
    uint64_t written, blocks, bytes; /* samples, blocks and their bytes */
    uint64_t spilled;                /* bytes of temporary files */
};

struct nv_import_options {
    struct nv_fs *fs;
    size_t memory;   /* 0: NV_IMPORT_MEMORY */
    int64_t span_ms; /* 0: NV_IMPORT_SPAN_MS */
    void (*progress)(void *user, const struct nv_import_stats *stats);
    void *user;
};

struct nv_import;
NV_MUST_USE int nv_import_new(const struct nv_import_options *options, struct nv_import **ret);
void nv_import_free(struct nv_import *import); /* removes temporary files */
NV_DEFINE_AUTO(nv_import)

/* The number of a series, by its labels (by name, each once), which are copied. -EDQUOT: more series than
 * NV_BLOCK_SERIES_MAX or more labels than NV_IMPORT_LABELS_MAX; -ENOMEM. */
NV_MUST_USE int nv_import_series(struct nv_import *import, const struct nv_label *labels,
                                 size_t n_labels, uint32_t *ret);

/* -EDQUOT: more samples than the temporary files may hold; -ENOMEM; an error of the file layer. */
NV_MUST_USE int nv_import_add(struct nv_import *import, uint32_t series, int64_t time_ms,
                              double value);

/* Writes the blocks. Once, at the end; what fails leaves the blocks that were complete. */
NV_MUST_USE int nv_import_finish(struct nv_import *import, struct nv_import_stats *ret);

#endif
