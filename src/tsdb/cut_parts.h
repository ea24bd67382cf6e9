/*
 * cut_parts.h - a cut under way: what cut.c collects and cut_series.c writes.
 */
#ifndef NV_TSDB_CUT_PARTS_H
#define NV_TSDB_CUT_PARTS_H

#include "tsdb/parts.h"
#include "tsdb/sparse.h"

/* One source of a cut. */
struct nv_cut_group {
    struct nv_head *head;
    struct nv_head_view view;
    size_t n_pages, n_rows, n_sections;
    int64_t *times;
    uint64_t **observed;
    uint32_t number; /* in the block */
};

/* A series in one generation of its source; or with times of its own. There is one for each, so it is small. */
struct nv_cut_entry {
    struct nv_head_series *series;
    const struct nv_columns
        *columns; /* NULL: with times of its own, `column` is its number among those */
    uint32_t group, column, section,
        order; /* order: among those of a series, by time, the sparse one last */
};

/* A series with times of its own, and what was written of it. */
struct nv_cut_sparse {
    struct nv_head *head;
    struct nv_head_series *series;
    struct nv_sparse_samples samples; /* in the arena */
};

struct nv_cut_live {
    struct nv_head_series *series;
    bool live;
};

struct nv_cut {
    struct nv_store *store;
    struct nv_block_writer *writer;
    struct nv_codec *codec;
    struct nv_arena arena, scratch;
    struct nv_cut_group *groups;
    size_t n_groups;
    struct nv_cut_entry *entries;
    size_t n_entries, room;
    struct nv_cut_sparse *sparse;
    size_t n_sparse, room_sparse;
    struct nv_cut_live *lives; /* what holds once the block is there */
    size_t n_lives, room_lives;
    struct nv_samples samples;
    uint64_t segment; /* of the log, when this began */
    bool any;
};

/* Room for one more of n. */
bool nv_cut_grow(void **p, size_t *room, size_t n, size_t size);

/* cut_series.c: writes all entries, in the order of labels. */
NV_MUST_USE int nv_cut_write(struct nv_cut *cut);

#endif
