/*
 * log.h - the write-ahead log: what is not in a block yet, in segments. The format stands in log_record.c.
 *
 *   writing    records are queued; a thread writes them, syncs at least every sync_ms and rotates
 *   segments   each can be read by itself: after nv_log_segment() changed, a source tells its columns and a
 *              whole frame again. One that nothing in memory needs any more is removed; the store sees to it that
 *              after NV_STORE_SEGMENTS nothing does
 *   bad disk   the queue holds NV_LOG_QUEUE_MAX bytes and what one frame takes beyond; when writing fails, or the queue is
 *              full, what is queued is dropped and counted, and a new segment begins; the next attempt is a second later
 *   damage     a record that is cut short ends a segment; what else cannot be read is skipped, and the
 *              file is set aside as <name>.damaged when its rest is safe in a block
 *   threads    any number of appenders
 */
#ifndef NV_TSDB_LOG_H
#define NV_TSDB_LOG_H

#include "base/buf.h"
#include "tsdb/fs.h"

enum {
    NV_LOG_QUEUE_MAX = 8 << 20,
    NV_LOG_KEEP_BYTES =
        64 << 10, /* of a buffer, from one time to the next; a new generation is larger */
    NV_LOG_SEGMENT_BYTES = 32 << 20, /* then the next begins in any case */
    NV_LOG_NAME_MAX = 32,
    NV_LOG_RETRY_MS = 1000,
    NV_LOG_GATHER_MS = 1, /* from the first record to its write, unless every frame is synced */
    NV_LOG_HANGS_MS =
        5000, /* a write or sync that takes longer is told as an error, -ETIMEDOUT, until it returns */
};
#define NV_LOG_PREFIX "log-"
#define NV_LOG_SUFFIX ".nvl"
#define NV_DAMAGED    ".damaged"

struct nv_log;

/* Begins at segment `first`. With `threads` false nothing is written but by flush and pump. */
NV_MUST_USE int nv_log_new(struct nv_fs *fs, uint64_t first, int64_t sync_ms, bool threads,
                           struct nv_log **ret);
void nv_log_free(struct nv_log *log); /* writes what is queued, syncs */
NV_DEFINE_AUTO(nv_log)

/* Holds the log and returns the segment in which a record would come to stand, */
uint64_t nv_log_begin(struct nv_log *log);
/* until its records are queued (none: n 0). `frames` are counted if they have to be dropped. */
void nv_log_end(struct nv_log *log, struct nv_str records, uint64_t frames);

/* Gives up a buffer of records that was used, if it has become large. */
void nv_log_let_go(struct nv_buf *buf);

/* The segment that records go to now. */
uint64_t nv_log_segment(struct nv_log *log);
/* Begins the next one. */
void nv_log_rotate(struct nv_log *log);

/* Waits until all that was queued is written and synced. Returns the disk's error, or -ETIMEDOUT: not by then (in
 * nv_monotonic_ns()). */
NV_MUST_USE int nv_log_flush(struct nv_log *log, int64_t deadline_ns);
/* Ends the thread; nv_log_free() then waits for nothing. -ETIMEDOUT: the disk holds it. */
NV_MUST_USE int nv_log_stop(struct nv_log *log, int64_t deadline_ns);
/* Writes what is queued, without waiting for another attempt to be due; for stores without threads. */
void nv_log_pump(struct nv_log *log);

struct nv_log_stats {
    uint64_t bytes, syncs, sync_ns, dropped_frames;
    int error;
};
void nv_log_stats(struct nv_log *log, struct nv_log_stats *ret);

void nv_log_name(char name[NV_LOG_NAME_MAX], uint64_t segment);
bool nv_log_is_name(struct nv_str name, uint64_t *ret_segment);

#endif
