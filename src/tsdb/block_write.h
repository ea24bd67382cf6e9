/*
 * block_write.h - a block that is being written: what block_write.c collects, block_encode.c encodes and block_commit.c completes.
 */
#ifndef NV_TSDB_BLOCK_WRITE_H
#define NV_TSDB_BLOCK_WRITE_H

#include "base/index.h"
#include "tsdb/block_parts.h"

/* Numbers of interned texts. */
struct nv_text_pair {
    uint32_t name, value;
};

struct nv_written {
    size_t labels_at;
    uint32_t n_labels;
    struct nv_column column; /* extra, of a based one: the base by order of coming */
};

/* A column that was written, to try as base for later ones. */
struct nv_base {
    uint32_t series, group;
    size_t n;
    uint64_t rows; /* stands for the set of rows it is present in */
    double *values;
};

struct nv_block_writer {
    struct nv_fs *fs;
    struct nv_codec *codec;
    ZSTD_CCtx *zstd;
    int handle, failed; /* failed: the file is spoilt */
    uint64_t offset, random;
    char temporary[NV_BLOCK_NAME_MAX];
    struct nv_buf out, column, doubles, packed, inlined;

    struct nv_footer footer;
    size_t groups_room;
    uint64_t ***observed; /* by group and section; NULL: all rows */

    struct nv_written *series;
    size_t n_series, series_room;
    struct nv_text_pair *labels;
    size_t n_labels, labels_room;
    struct nv_str *texts;
    size_t n_texts, texts_room;
    struct nv_index by_text;
    struct nv_arena strings;

    struct nv_base *bases; /* oldest first */
    size_t n_bases, bases_bytes;
};

/* Of block_encode.c: each appends to w->column. `rows` stands for the set of rows the values are at. */
NV_MUST_USE int nv_writer_encode_doubles(struct nv_block_writer *w, const double *values, size_t n,
                                         uint64_t rows, struct nv_column *column);
NV_MUST_USE int nv_writer_encode_mixed(struct nv_block_writer *w, const double *values,
                                       const struct nv_histogram *const *histograms, size_t n);
NV_MUST_USE int nv_writer_encode_starts(struct nv_block_writer *w, const int64_t *starts, size_t n);
void nv_writer_forget_bases(struct nv_block_writer *w);

/* Of block_write.c. */
NV_MUST_USE int nv_writer_put_packed(struct nv_block_writer *w, const struct nv_buf *raw,
                                     struct nv_part *ret);
NV_MUST_USE int nv_writer_put_footer(struct nv_block_writer *w);

#endif
