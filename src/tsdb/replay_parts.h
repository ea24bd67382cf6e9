/*
 * replay_parts.h - the log being read again: what replay.c reads of it, replay_columns.c and replay_sparse.c enter. Only replay*.c
 * include this.
 */
#ifndef NV_TSDB_REPLAY_PARTS_H
#define NV_TSDB_REPLAY_PARTS_H

#include "tsdb/parts.h"

enum { NV_REPLAY_LABELS_MAX = 256, NV_REPLAY_ROW_BYTES = 256 << 20 };

struct nv_replay {
    struct nv_store *store;
    struct nv_head *by_number[NV_STORE_SOURCES_MAX]; /* as the segment numbers them */
    bool probed[NV_STORE_SOURCES_MAX];               /* what blocks hold of a source is known */
    int64_t covered_ms[NV_STORE_SOURCES_MAX];        /* up to where; by our number */
    bool gap[NV_STORE_SOURCES_MAX]; /* columns are missing: until they are told from the first */
    struct nv_columns
        *before[NV_STORE_SOURCES_MAX]; /* of the generation before, if none is missing */
    struct {
        struct nv_str *at; /* labels of sparse series by their number, as they lie in the segment */
        size_t n, room;
    } names[NV_STORE_SOURCES_MAX];
    struct nv_codec *codec;
    struct nv_arena row;
    uint64_t segment, last;
    bool damaged;

    /* For who verifies: what is wrong, or NULL. */
    struct nv_buf *faults;
    const char *name;
    size_t at; /* of the record */
    int n_faults;
};

/* A source as the segment numbers it; NULL: it was not told. */
static inline struct nv_head *nv_replay_head(struct nv_replay *replay, uint64_t number)
{
    return number < NV_STORE_SOURCES_MAX ? replay->by_number[number] : NULL;
}

/* The bodies of records by their type: 0; -EBADMSG: it makes no sense; -ENOMEM. */
NV_MUST_USE int nv_replay_columns(struct nv_replay *replay, struct nv_str body);
NV_MUST_USE int nv_replay_columns_again(struct nv_replay *replay, struct nv_str body);
NV_MUST_USE int nv_replay_sparse(struct nv_replay *replay, struct nv_str body);
NV_MUST_USE int nv_replay_name(struct nv_replay *replay, struct nv_str body);
NV_MUST_USE int nv_replay_again(struct nv_replay *replay, struct nv_str body);
NV_MUST_USE int nv_replay_native(struct nv_replay *replay, struct nv_str body);
NV_MUST_USE int nv_replay_delete(struct nv_replay *replay, struct nv_str body);

#endif
