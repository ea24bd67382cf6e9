/*
 * sparse.h - series with times of their own, in memory until the next block.
 *
 *   bound    NV_SPARSE_BYTES of all sources of a store: then a block is cut; what comes before that is done: full
 *   threads  those of the head: one writer of a source, any number of readers, the maintainer
 */
#ifndef NV_TSDB_SPARSE_H
#define NV_TSDB_SPARSE_H

#include "tsdb/head.h"

enum { NV_SPARSE_BYTES = 32 << 20, NV_SPARSE_ROWS = NV_CODEC_ROWS_MAX };

struct nv_store;

struct nv_sparse {
    struct nv_head_series *series; /* held */
    int64_t *times;
    double *values;
    struct nv_str *
        natives; /* histograms, as codec.h's columns of one; p NULL: the value is a double. NULL: all are */
    size_t n, room;
    int64_t last_ms;
    uint64_t
        log_segment; /* in which it has a number, by which the log knows it; UINT64_MAX: none */
    uint32_t log_number;
};

/* A sample: `native` a histogram as above, p NULL for a double. */
struct nv_sparse_sample {
    int64_t time_ms;
    double value;
    struct nv_str native;
};

/* Returns 0, an outcome of store.h, or -ENOMEM. The log is told, where there is one. Nothing is claimed by what is replayed. */
NV_MUST_USE int nv_sparse_replay(struct nv_head *head, const struct nv_label *labels,
                                 size_t n_labels, const struct nv_sparse_sample *sample);
NV_MUST_USE int nv_sparse_append(struct nv_head *head, struct nv_log *log,
                                 const struct nv_label *labels, size_t n_labels,
                                 const struct nv_sparse_sample *sample);
void nv_sparse_done(struct nv_head *head);

/* Samples that were copied. */
struct nv_sparse_samples {
    struct nv_sparse_sample *at;
    size_t n;
};

/* What is in memory of a series in [from, to], copied into the arena. */
NV_MUST_USE int nv_sparse_copy(struct nv_head *head, const struct nv_head_series *series,
                               int64_t from_ms, int64_t to_ms, struct nv_arena *arena,
                               struct nv_sparse_samples *ret);

/* The first samples of the i-th series of a source, likewise; false where there is none such. */
NV_MUST_USE int nv_sparse_take(struct nv_head *head, size_t i, struct nv_arena *arena,
                               struct nv_head_series **ret_series, struct nv_sparse_samples *ret);

/* Appends them, histograms decoded. */
NV_MUST_USE int nv_sparse_read(const struct nv_sparse_samples *from, struct nv_codec *codec,
                               struct nv_samples *samples);

/* Lets go of the first n samples of a series, and of one that has none left. */
void nv_sparse_drop(struct nv_head *head, struct nv_head_series *series, size_t n);
/* After a cut: what is left came in this segment of the log, or later. */
void nv_sparse_settle(struct nv_head *head, uint64_t segment);
bool nv_store_sparse_due(struct nv_store *store);

#endif
