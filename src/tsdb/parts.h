/*
 * parts.h - the store from within. Only src/tsdb includes this.
 *
 *   locks      maintain: one at a time cuts, merges, thins, drops; view: which blocks there are;
 *              sources: which heads. Order: maintain, sources, a head's, view
 *   blocks     in order of their first sample; a reader holds what it saw
 */
#ifndef NV_TSDB_PARTS_H
#define NV_TSDB_PARTS_H

#include <pthread.h>

#include "tsdb/head.h"
#include "tsdb/log.h"
#include "tsdb/store.h"

enum {
    NV_STORE_BLOCKS_MAX = 4096,
    /* A block is cut before its time where pages take so many bytes for each series, within these bounds, of which the least
     * is less once they span some minutes: a block costs time for each series, but a small node's memory should be small; */
    NV_STORE_PAGES_A_SERIES = 64,
    NV_STORE_PAGES_LEAST = 1 << 20,
    NV_STORE_PAGES_LEAST_LATER = 256 << 10,
    NV_STORE_PAGES_LATER_MS = 5 * 60 * 1000,
    NV_STORE_PAGES_MOST = 16 << 20,
    /* or where there are twice the series that were left after the last one, and at least and at most so many more. */
    NV_STORE_SPARE_LEAST = 16 << 10,
    NV_STORE_SPARE_MOST = 64 << 10,
    NV_STORE_SEGMENTS = 4, /* of the log; what is in an older one goes to a block before its time */
    NV_STORE_MEMORY_BYTES =
        64 << 20, /* without a disk, or while it fails: then the oldest pages go */
    NV_STORE_BLOCK_MS = 3600 * 1000,
    NV_STORE_MARKS_MAX = 65536,
    NV_STORE_RETRY_MS = 60000,            /* after blocks could not be merged */
    NV_STORE_CUT_RETRY_MS = 5000,         /* or one not be cut */
    NV_STORE_PATIENCE_MS = 5 * 60 * 1000, /* see clock.c */
    NV_STORE_LOOK_MS = 60000,
    NV_STORE_QUIET_MS = 15000, /* without a query: then what queries left in memory is given up */
    NV_STORE_REWRITE_SERIES =
        256 << 10,      /* of one block that is written anew: memory holds their labels */
    NV_LEVEL_STAGE = 8, /* see merge.c */
};

struct nv_blocks {
    unsigned refs; /* atomic */
    size_t n;
    struct nv_block *at[];
};

/* Deleted samples of a series that are still in memory. */
struct nv_mark {
    struct nv_head_series *series; /* held */
    int64_t from_ms, to_ms;
};

struct nv_store {
    struct nv_store_options options;
    struct nv_fs *fs; /* NULL: in memory only */
    struct nv_series_table *table;
    size_t series_kept; /* in it after the last cut; the maintainer's */
    struct nv_log *log; /* NULL: not written */
    struct nv_block_cache *cache;
    struct nv_queryable queryable;

    pthread_mutex_t sources_lock;
    struct nv_head *heads[NV_STORE_SOURCES_MAX];
    size_t n_heads; /* atomic */

    pthread_mutex_t view_lock;
    struct nv_blocks *blocks;

    pthread_mutex_t marks_lock;
    struct nv_mark *marks;
    size_t n_marks; /* atomic */

    pthread_mutex_t maintain_lock;
    int64_t cut_ms, rotated_ms,
        opened_ms; /* newest row at the last cut, and at the last rotation */
    int64_t seen_ms, aged_ms, jumped_ms, behind_ms, looked_ms; /* see clock.c */
    size_t n_ahead;
    int64_t settled_ms[3];          /* by class: spans before that are merged, or cannot be */
    int64_t retry_ns, cut_retry_ns; /* monotonic: not before, after an error */
    bool cut_now;           /* damage was found: what is left of that file goes to a block */
    struct nv_str *damaged; /* segments to set aside then */
    size_t n_damaged;
    struct nv_arena damaged_names;

    pthread_t thread;
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    bool running, stop, ended, woken;

    struct nv_store_stats
        stats;          /* counters, and the files' bytes as maintenance saw them last; atomic */
    int64_t counted_ns; /* monotonic: when that was */
    int64_t asked_ns;   /* likewise, atomic: the last query; 0: what it left was given up */
};

/* Whether an error says that a part is lost, and no more than that. */
static inline bool nv_is_damage(int error)
{
    return error == -EBADMSG || error == -EIO;
}

static inline void nv_count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* Behind the name of a block that was set aside: see clock.c. */
#define NV_AHEAD ".ahead"

int64_t nv_store_now(const struct nv_store *store);
static inline size_t nv_store_n_heads(const struct nv_store *store)
{
    return __atomic_load_n(&store->n_heads, __ATOMIC_ACQUIRE);
}

/* Newest row of all sources, or sample of all blocks; INT64_MIN: none. */
int64_t nv_store_newest(struct nv_store *store);

/* ---- blocks --------------------------------------------------------------------------------- */

struct nv_blocks *nv_store_view(struct nv_store *store);
struct nv_blocks *nv_blocks_new(size_t n); /* room for n; NULL when memory is out */
void nv_blocks_unref(struct nv_blocks *blocks);

/* One list for another: without those in `gone`, with `fresh` (or NULL). Takes over the hold on `fresh`. */
NV_MUST_USE int nv_store_replace(struct nv_store *store, struct nv_block *const *gone,
                                 size_t n_gone, struct nv_block *fresh);
/* Removes a block's files. */
void nv_store_unlink_block(struct nv_store *store, const char *name);

/* ---- memory --------------------------------------------------------------------------------- */

/* Appends the samples of a series in [from, to] that are in a view of its head. Deleted ones are left out, and pages that
 * are damaged, which are added to *faults. */
NV_MUST_USE int nv_head_read(struct nv_store *store, struct nv_codec *codec,
                             const struct nv_head_view *view, const struct nv_head_series *series,
                             int64_t from_ms, int64_t to_ms, struct nv_samples *samples,
                             uint64_t *faults);

/* One sample more; there is room. */
NV_MUST_USE int nv_samples_add(struct nv_samples *samples, int64_t time_ms, double value,
                               const struct nv_histogram *histogram);

/*
 * What was read from several parts becomes one rising series from sample `first` on: a time twice keeps its first,
 * a marker behind a marker goes, and one in front of everything unless `keep_first`.
 */
NV_MUST_USE int nv_samples_settle(struct nv_samples *samples, size_t first, bool keep_first);

bool nv_store_is_marked(struct nv_store *store, const struct nv_head_series *series);
NV_MUST_USE int nv_store_add_mark(struct nv_store *store, struct nv_head_series *series,
                                  int64_t from_ms, int64_t to_ms);
/* Leaves out what is marked, from sample `first` on. */
void nv_store_apply_marks(struct nv_store *store, const struct nv_head_series *series,
                          struct nv_samples *samples, size_t first);
void nv_store_drop_marks(struct nv_store *store, const struct nv_head *head, int64_t until_ms);

void nv_store_init_queryable(struct nv_store *store);

/* Waits until the frames appended by now are entered, also those of layouts that take a while to follow. */
void nv_store_settle(struct nv_store *store);

/* ---- maintenance ---------------------------------------------------------------------------- */

/* Writes what is in pages as a block. `all`: open rows too. Returns 1, 0 for nothing to write, or an error. */
NV_MUST_USE int nv_store_cut(struct nv_store *store, bool all);
/* Writes what is in memory, open rows too, as a block of another directory layer, and keeps it. */
NV_MUST_USE int nv_store_write_memory(struct nv_store *store, struct nv_fs *fs,
                                      char name[NV_BLOCK_NAME_MAX]);
/* Writes n blocks as one of a level, thinned to interval_ms (0: not), without what was deleted, in their place. */
NV_MUST_USE int nv_store_rewrite(struct nv_store *store, struct nv_block *const *blocks, size_t n,
                                 unsigned level, int64_t interval_ms);
/* What the clock asks for: see clock.c. Ages count from store->aged_ms. */
void nv_store_begin_clock(struct nv_store *store);
void nv_store_mind_clock(struct nv_store *store);
/* Seals what is full, in the middle of longer work. */
void nv_store_seal_pending(struct nv_store *store);
NV_MUST_USE int nv_store_merge(struct nv_store *store);  /* likewise; one step */
NV_MUST_USE int nv_store_retain(struct nv_store *store); /* how many were dropped */
void nv_store_drop_segments(struct nv_store *store);
uint64_t nv_store_directory_bytes(struct nv_store *store, struct nv_store_stats *stats);
/* Looks at the files' sizes, for the statistics: who asks for these must not wait for the disk. */
void nv_store_count_files(struct nv_store *store, bool changed);

/* -ESTALE: opened for reading, and who writes the directory changed it meanwhile. */
NV_MUST_USE int nv_store_recover(struct nv_store *store, char error[NV_STORE_ERROR_MAX]);

/* The segments among these names; *ret_next: the number of the one to begin with. */
NV_MUST_USE int nv_replay_log(struct nv_store *store, const struct nv_str *names, size_t n,
                              uint64_t *ret_next);
/* Appends what is wrong with a segment; returns how many faults, or -ENOMEM. */
NV_MUST_USE int nv_replay_verify(struct nv_fs *fs, const char *name, uint64_t segment,
                                 struct nv_buf *out);

#endif
