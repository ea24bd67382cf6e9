/*
 * rewrite_parts.h - a rewrite under way: walked and matched by rewrite_match.c, its rows by rewrite_rows.c, its series by
 * rewrite_series.c. Only rewrite*.c include this.
 */
#ifndef NV_TSDB_REWRITE_PARTS_H
#define NV_TSDB_REWRITE_PARTS_H

#include "tsdb/parts.h"

enum { NV_REWRITE_NONE = UINT32_MAX };

/* A group of the block that is written. */
struct nv_rewrite_out {
    size_t n_rows, n_sections, room_sections;
    int64_t *times;
    uint64_t **observed; /* all that was observed */
    uint64_t **kept;     /* of that, what thinning leaves; the same where nothing is thinned */
    uint32_t number;
    size_t n_kept; /* rows of the block's group, and their numbers here */
    uint32_t *kept_rows;
};

/* A group of one that is read. */
struct nv_rewrite_in {
    struct nv_block_group group;
    uint32_t out;       /* NV_REWRITE_NONE: not matched yet */
    uint32_t *sections; /* in `out` */
    uint32_t *rows;     /* likewise */
};

struct nv_rewrite_piece {
    uint32_t block, number, group, section;
};

struct nv_rewrite {
    struct nv_store *store;
    struct nv_block *const *blocks;
    size_t n;
    int64_t interval_ms; /* 0: nothing is thinned */
    struct nv_block_writer *writer;
    struct nv_arena arena, scratch, labels;
    struct nv_rewrite_in **in; /* by block */
    struct nv_rewrite_out *out;
    size_t n_out, room_out;
    struct nv_samples samples, thin;
    uint64_t n_before, n_after;
};

/* Over all series of all blocks, in the order of labels. */
struct nv_rewrite_cursor {
    uint32_t next;
    const struct nv_label *labels; /* of `next`; NULL at the end */
    size_t n_labels;
    struct nv_arena arena;
};

struct nv_rewrite_walk {
    struct nv_rewrite *w;
    struct nv_rewrite_cursor *at;
    struct nv_rewrite_piece *pieces;
};

NV_MUST_USE int nv_rewrite_walk_begin(struct nv_rewrite *w, struct nv_rewrite_walk *ret);
/* The next series, by its pieces, of which it returns how many; 0 at the end. `ret_labels` are in w->labels. */
NV_MUST_USE int nv_rewrite_walk_next(struct nv_rewrite_walk *walk, struct nv_rewrite_piece **ret,
                                     const struct nv_label **ret_labels, size_t *ret_n_labels);
void nv_rewrite_walk_done(struct nv_rewrite_walk *walk);

/* Finds the common groups and sections: w->in, w->out. */
NV_MUST_USE int nv_rewrite_match_all(struct nv_rewrite *w);

/* The rows of a common group, before and after thinning, into the block. */
NV_MUST_USE int nv_rewrite_group(struct nv_rewrite *w, uint32_t number);

/* All series into the block. -ECANCELED: the store is being closed. */
NV_MUST_USE int nv_rewrite_write(struct nv_rewrite *w);

/* A set of n rows without any, or NULL. */
uint64_t *nv_rewrite_set(struct nv_arena *arena, size_t n);

static inline int64_t nv_rewrite_window(const struct nv_rewrite *w, int64_t time)
{
    return time >= 0 ? time / w->interval_ms : -((-time + w->interval_ms - 1) / w->interval_ms);
}

#endif
