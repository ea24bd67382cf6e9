/*
 * store.h - the local store: frames in, series out, in bounded memory and bounded disk.
 *
 *   sources    each appends frames of its own layouts; a frame whose time is not after the source's last is
 *              dropped and counted. Series are named by their labels and their section's target labels
 *   conflicts  a label set belongs to the first source that brings it, until that begins a generation without it or ends;
 *              others' samples for it are dropped and counted meanwhile
 *   durability a frame enters the head, then a log thread writes it; acknowledged means written (write(2));
 *              synced at least every wal_sync_ms. After kill -9 nothing acknowledged is lost
 *   bad disk   appends, queries and alerts go on in memory; history waits in a bounded queue and then is dropped, counted;
 *              writing resumes by itself
 *   threads    one appender per source; any number of readers; maintenance on a thread of the store
 *   time       from options.now_ms, so that a week can pass in seconds. A clock that was set back by an hour or more, and
 *              stays so, gets its own history: see clock.c
 */
#ifndef NV_TSDB_STORE_H
#define NV_TSDB_STORE_H

#include "metric/frame.h"
#include "metric/queryable.h"
#include "tsdb/block.h"
#include "tsdb/fs.h"

enum {
    NV_STORE_SOURCES_MAX = 1024,
    NV_STORE_THIN_MAX = 8,
    NV_STORE_FLUSH_MS = 10000, /* a disk that needs longer for a few megabytes hangs */
    NV_STORE_ADMIN_MS =
        60000, /* that delete, clean and snapshot wait for maintenance under way: -ETIMEDOUT */
};

struct nv_store_options {
    struct nv_fs *fs;         /* the store's from here on; NULL: in memory only */
    int64_t retention_ms;     /* 0: for ever */
    uint64_t retention_bytes; /* everything in the directory; 0: no limit */
    int64_t wal_sync_ms;      /* 0: every frame */
    struct {
        int64_t age_ms, interval_ms;
    } thin[NV_STORE_THIN_MAX]; /* rising ages; 0 at the end */
    int64_t block_ms;          /* shortest block; 0: an hour */
    int64_t (*now_ms)(void *user);
    void *now_user;
    bool read_only; /* see nv_store_open_to_read() */
    bool threads;   /* false: nothing happens but in nv_store_maintain(), for tests */
};

struct nv_store;

/* -EWOULDBLOCK: another process writes this directory. A line for the user in `error`. */
enum { NV_STORE_ERROR_MAX = 512 };
NV_MUST_USE int nv_store_open(const struct nv_store_options *options, struct nv_store **ret,
                              char error[NV_STORE_ERROR_MAX]);
void nv_store_close(struct nv_store *store); /* seals nothing, syncs the log; waits for the disk */

/*
 * Writes and syncs what was appended and ends the store's threads, so that nv_store_close() waits for nothing. Nothing may
 * be appended then. -ETIMEDOUT: a disk hangs; nothing was freed, and all that is left is to leave the process, or to try
 * again. Another error is the disk's, which has not taken the last samples; closing waits for nothing then either.
 */
NV_MUST_USE int nv_store_stop(struct nv_store *store, int64_t within_ms);

/*
 * Opens a directory to be asked through nv_store_queryable(): all that is there at this moment, log included. It may
 * have a writer, in this process or another: no lock is taken, nothing is made or changed, and blocks that were opened
 * are read to the end even when they have been merged or dropped since. What comes later is not seen; open it anew.
 * -ENOENT, -ENOTDIR, -EACCES ...; -EAGAIN: it changed each time it was looked at, for some seconds. With a line for the
 * user in `error`, without the path.
 */
NV_MUST_USE int nv_store_open_to_read(const char *path, struct nv_store **ret,
                                      char error[NV_STORE_ERROR_MAX]);

/* The number of a source, by its name; the same name gives the same source after a restart. */
NV_MUST_USE int nv_store_source(struct nv_store *store, const char *name, uint32_t *ret);

/*
 * The source has no more frames for now: all its series are stale by its last one, and others may have them. What was
 * appended stays. Its place is kept for its name; who has many that come and go gives the names of those that went to
 * those that come, for there are at most NV_STORE_SOURCES_MAX. -ENOMEM: nothing was done.
 */
NV_MUST_USE int nv_store_source_end(struct nv_store *store, uint32_t source);

enum nv_store_outcome {
    NV_STORE_NOT_NEWER = 1, /* at or before the source's last frame: dropped, counted */
    NV_STORE_FULL,          /* a bound of series or memory: dropped, counted */
    NV_STORE_CONFLICT, /* of a sparse sample: another source brought these labels first; dropped, counted */
};
NV_MUST_USE int nv_store_append(struct nv_store *store, uint32_t source, struct nv_frame *frame);

/* Whether the next frame of a source begins a page: then a new generation of its layout costs no short page. */
bool nv_store_begins_page(struct nv_store *store, uint32_t source);

/* One sample with a time of its own, to a sparse source. */
NV_MUST_USE int nv_store_append_sparse(struct nv_store *store, uint32_t source,
                                       const struct nv_label *labels, size_t n_labels,
                                       int64_t time_ms, double value);

NV_MUST_USE int nv_store_append_sparse_histogram(struct nv_store *store, uint32_t source,
                                                 const struct nv_label *labels, size_t n_labels,
                                                 int64_t time_ms,
                                                 const struct nv_histogram *histogram);

const struct nv_queryable *nv_store_queryable(struct nv_store *store);

/* Everything that is due now: sealing, blocks, merging, thinning, retention. Returns what was done, 0 for nothing. */
int nv_store_maintain(struct nv_store *store);

/* Waits until all that was appended is written, and synced; -ETIMEDOUT after NV_STORE_FLUSH_MS. */
NV_MUST_USE int nv_store_flush(struct nv_store *store);

/*
 * What an operator may ask for. Each waits for maintenance under way, mostly less than a second.
 *
 *   delete     the samples in [from, to] of the series that fit (at least one matcher; -EINVAL without) are not read
 *              from when it returns, and not after a restart; later samples of these series are not meant
 *   clean      writes the blocks anew of which something was deleted: that is when space becomes free
 *   snapshot   a store of its own in snapshots/<name>, as "20261120T101722Z-<16 hex digits>": hard links to the blocks
 *              and, unless skip_head, what is in memory as one block more. -EOPNOTSUPP in memory only
 *
 * -EROFS: opened for reading; otherwise the disk's error.
 */
NV_MUST_USE int nv_store_delete(struct nv_store *store, const struct nv_matcher *matchers, size_t n,
                                int64_t from_ms, int64_t to_ms);
NV_MUST_USE int nv_store_clean(struct nv_store *store);
NV_MUST_USE int nv_store_snapshot(struct nv_store *store, bool skip_head,
                                  char name[NV_BLOCK_NAME_MAX]);

struct nv_store_stats {
    uint64_t series, series_sealed_pages, frames, samples, dropped_not_newer, dropped_full,
        dropped_conflict, dropped_disk, log_bytes, block_bytes, other_bytes, log_syncs, log_sync_ns,
        corruptions, read_faults, codec_faults, set_backs, blocks, merges, thinned_samples,
        retained_blocks_dropped, memory_bytes;
    int64_t from_ms, to_ms;
    int64_t behind_ms; /* of the clock, behind the newest sample; 0: it is not */
    int disk_error;    /* 0, or the errno for which nothing is written now */
};
void nv_store_stats(struct nv_store *store, struct nv_store_stats *ret);

/* A list of names with a number each, the greatest first, equal ones by name. */
struct nv_store_counts {
    struct nv_store_count {
        struct nv_str name;
        uint64_t n;
    } * at;
    size_t n;
};

/* What is in memory: series that have samples no block has yet. */
struct nv_store_head {
    struct nv_arena arena;        /* of the names */
    uint64_t series, label_pairs; /* pairs: different ones */
    uint64_t pages, chunks; /* pages are sealed, chunks are not yet: 64 rows of a source at most */
    uint64_t columns;       /* one per series in each of these: what Prometheus calls a chunk */
    int64_t from_ms, to_ms; /* of samples in memory; from > to: none */
    struct nv_store_counts by_metric; /* series of each metric */
    struct nv_store_counts values;    /* values of each label name */
    struct nv_store_counts bytes;     /* bytes of these values, in all series, of each label name */
    struct nv_store_counts by_pair;   /* series of each "name=value" */
};

/* The first `limit` of each list. Costs a walk over all series; no lock is held for it. -ENOMEM. */
NV_MUST_USE int nv_store_head(struct nv_store *store, size_t limit, struct nv_store_head *ret);
void nv_store_head_done(struct nv_store_head *head);

/* Offline: verifies the whole directory; appends what is wrong; returns how many faults. */
NV_MUST_USE int nv_store_verify(struct nv_fs *fs, struct nv_buf *out);

/* What there is to know of the blocks, in order of time: of the first `max`. Returns how many there are. */
size_t nv_store_block_infos(struct nv_store *store, struct nv_block_info *ret, size_t max);

/* Likewise, of what is in memory: the bytes its columns would take in a block. The codec's names as of blocks. */
NV_MUST_USE int nv_store_analyze_memory(struct nv_store *store, nv_analyze_each *each, void *user);

/* Offline: the blocks of an open store, in order of time. */
size_t nv_store_blocks(struct nv_store *store, struct nv_block **ret, size_t max);

#endif
