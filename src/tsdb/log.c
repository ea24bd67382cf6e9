/*
 * Two buffers: records are queued in the one while the thread writes the other. A rotation stands in the queue as a
 * record of its own type, so that it falls between the same two records for appenders and for the file.
 */
#include "tsdb/log.h"

#include <inttypes.h>
#include <pthread.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/locked.h"
#include "tsdb/log_record.h"

enum { QUEUE_ROOM = NV_LOG_QUEUE_MAX + NV_RECORD_MAX };

struct nv_log {
    struct nv_fs *fs;
    int64_t sync_ms;
    bool threads, stop;
    pthread_t thread;
    pthread_mutex_t lock; /* the queue */
    pthread_mutex_t file; /* the file; taken before the lock */
    pthread_cond_t work, done;

    /* Under the lock. */
    struct nv_buf queue;
    uint64_t queued_frames, segment;
    uint64_t asked, answered; /* flushes */
    bool gathering;           /* what comes now is written without another signal */
    int64_t busy_ns;          /* since when the writer is with the disk; 0: it is not */
    struct nv_log_stats stats;

    /* The writer's. */
    struct nv_buf writing;
    int handle; /* -1: none */
    uint64_t file_segment, file_bytes;
    bool dirty;
    int64_t synced_ns, retry_ns;
};

/* ---- names ---------------------------------------------------------------------------------- */

void nv_log_name(char name[NV_LOG_NAME_MAX], uint64_t segment)
{
    snprintf(name, NV_LOG_NAME_MAX, NV_LOG_PREFIX "%016" PRIx64 NV_LOG_SUFFIX, segment);
}

bool nv_log_is_name(struct nv_str name, uint64_t *ret_segment)
{
    uint64_t segment = 0;
    size_t prefix = strlen(NV_LOG_PREFIX);

    if (name.n != prefix + 16 + strlen(NV_LOG_SUFFIX) || !nv_str_starts(name, NV_LOG_PREFIX) ||
        !nv_str_ends(name, NV_LOG_SUFFIX))
        return false;
    for (size_t i = prefix; i < prefix + 16; i++) {
        char c = name.p[i];
        if (!nv_is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
        segment = segment << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret_segment = segment;
    return true;
}

/* ---- queue ---------------------------------------------------------------------------------- */

static void push_rotation(struct nv_log *log)
{
    size_t at = nv_record_begin(&log->queue, NV_RECORD_ROTATE);

    nv_put_uvarint(&log->queue, ++log->segment);
    nv_record_end(&log->queue, at);
}

/* What is queued is lost; sources begin anew in the segment after it. */
static void drop_queue(struct nv_log *log)
{
    log->stats.dropped_frames += log->queued_frames;
    log->queued_frames = 0;
    nv_buf_reset(&log->queue);
    push_rotation(log);
}

uint64_t nv_log_begin(struct nv_log *log)
{
    pthread_mutex_lock(&log->lock);
    return log->segment;
}

/* Columns of many series are more than the queue holds: whatever the size, it is taken where not too much waits. */
void nv_log_end(struct nv_log *log, struct nv_str records, uint64_t frames)
{
    if (records.n) {
        if (log->queue.n > NV_LOG_QUEUE_MAX) {
            log->stats.dropped_frames += frames;
            drop_queue(log);
        } else {
            nv_buf_str(&log->queue, records);
            log->queued_frames += frames;
            if (log->queue.failed)
                drop_queue(log);
        }
        if (!log->gathering)
            pthread_cond_signal(&log->work);
    }
    pthread_mutex_unlock(&log->lock);
}

uint64_t nv_log_segment(struct nv_log *log)
{
    NV_LOCKED(&log->lock);
    return log->segment;
}

void nv_log_rotate(struct nv_log *log)
{
    NV_LOCKED(&log->lock);
    push_rotation(log);
    pthread_cond_signal(&log->work);
}

/* ---- file ----------------------------------------------------------------------------------- */

static int sync_file(struct nv_log *log)
{
    if (log->handle < 0 || !log->dirty)
        return 0;
    int64_t begin = nv_monotonic_ns();
    int r = log->fs->ops->sync(log->fs, log->handle);
    int64_t end = nv_monotonic_ns();
    log->synced_ns = end;
    log->dirty = r < 0;
    NV_LOCKED(&log->lock);
    log->stats.syncs++;
    log->stats.sync_ns += (uint64_t)(end - begin);
    return r;
}

static void close_file(struct nv_log *log)
{
    if (log->handle >= 0)
        log->fs->ops->close(log->fs, log->handle);
    log->handle = -1;
    log->dirty = false;
}

/* A segment's file, and its name safe on disk: else a synced record could be in a file nobody finds. */
static int open_file(struct nv_log *log)
{
    char name[NV_LOG_NAME_MAX];
    NV_AUTO_BUF head = NV_BUF(NV_SEGMENT_HEAD);

    nv_log_name(name, log->file_segment);
    int handle = log->fs->ops->create(log->fs, name);
    if (handle < 0)
        return handle;
    nv_segment_put_head(&head, log->file_segment);
    int r = head.failed ? -ENOMEM : log->fs->ops->append(log->fs, handle, head.p, head.n);
    if (r == 0)
        r = log->fs->ops->sync(log->fs, handle);
    if (r == 0)
        r = log->fs->ops->sync_dir(log->fs);
    if (r < 0) {
        log->fs->ops->close(log->fs, handle);
        log->fs->ops->unlink(log->fs, name);
        return r;
    }
    log->handle = handle;
    log->file_bytes = head.n;
    log->synced_ns = nv_monotonic_ns();
    return 0;
}

static int append(struct nv_log *log, struct nv_str records)
{
    if (!records.n)
        return 0;
    if (log->handle < 0) {
        int r = open_file(log);
        if (r < 0)
            return r;
    }
    log->dirty = true;
    int r = log->fs->ops->append(log->fs, log->handle, records.p, records.n);
    if (r < 0)
        return r;
    log->file_bytes += records.n;
    NV_LOCKED(&log->lock);
    log->stats.bytes += records.n;
    return 0;
}

/* Writes log->writing, each side of a rotation to its own file. */
static int write_all(struct nv_log *log)
{
    struct nv_str rest = nv_buf_view(&log->writing), body;
    size_t at = 0, size;
    enum nv_record_type type;

    while (at < rest.n) {
        int r = nv_record_get(nv_str_from(rest, at), &type, &body, &size);
        nv_assert(r == 0);
        if (type != NV_RECORD_ROTATE) {
            at += size;
            continue;
        }
        r = append(log, (struct nv_str){rest.p, at});
        if (r == 0)
            r = sync_file(log);
        if (r < 0)
            return r;
        close_file(log);
        nv_assert(nv_get_uvarint(&body, &log->file_segment));
        rest = nv_str_from(rest, at + size);
        at = 0;
    }
    return append(log, rest);
}

void nv_log_let_go(struct nv_buf *buf)
{
    size_t max = buf->max;

    if (buf->size <= NV_LOG_KEEP_BYTES)
        return;
    nv_buf_done(buf);
    *buf = NV_BUF(max);
}

/* After an error nothing more goes into that file, whose end may be torn; the kernel may also have forgotten
 * what it could not sync. */
static void give_up(struct nv_log *log, int error, uint64_t frames)
{
    close_file(log);
    log->retry_ns = nv_monotonic_ns() + NV_LOG_RETRY_MS * INT64_C(1000000);
    NV_LOCKED(&log->lock);
    log->stats.error = error;
    log->stats.dropped_frames += frames;
    drop_queue(log);
}

/* The next batch. `force`: syncs in any case. Returns the error it met. */
static int write_batch(struct nv_log *log, bool force)
{
    NV_LOCKED(&log->file);

    pthread_mutex_lock(&log->lock);
    struct nv_buf swap = log->writing;
    log->writing = log->queue;
    log->queue = swap;
    nv_buf_reset(&log->queue);
    uint64_t frames = log->queued_frames;
    log->queued_frames = 0;
    log->busy_ns = nv_monotonic_ns();
    pthread_mutex_unlock(&log->lock);

    int r = write_all(log);
    if (r == 0 && (force || nv_monotonic_ns() - log->synced_ns >= log->sync_ms * 1000000))
        r = sync_file(log);
    if (r == 0 && log->file_bytes > NV_LOG_SEGMENT_BYTES) {
        log->file_bytes = 0;
        nv_log_rotate(log);
    }
    nv_log_let_go(&log->writing);
    if (r < 0)
        give_up(log, r, frames);
    pthread_mutex_lock(&log->lock);
    log->busy_ns = 0;
    if (r == 0 && log->handle >= 0)
        log->stats.error = 0;
    pthread_mutex_unlock(&log->lock);
    return r;
}

/* ---- thread --------------------------------------------------------------------------------- */

static void wait_until(struct nv_log *log, int64_t monotonic_ns)
{
    struct timespec t = {monotonic_ns / 1000000000, monotonic_ns % 1000000000};

    pthread_cond_clockwait(&log->work, &log->lock, CLOCK_MONOTONIC, &t);
}

/* Something has come: for a moment what follows it joins, for a call costs as much as a few frames. */
static void gather(struct nv_log *log)
{
    if (!log->sync_ms)
        return;
    log->gathering = true;
    wait_until(log, nv_monotonic_ns() + NV_LOG_GATHER_MS * INT64_C(1000000));
    log->gathering = false;
}

/* Waits, under the lock, until there is something to write or sync. */
static void wait_for_work(struct nv_log *log)
{
    for (;;) {
        int64_t now = nv_monotonic_ns();
        bool asked = log->asked > log->answered;
        if (log->stop || asked)
            return;
        if (log->stats.error && now < log->retry_ns)
            wait_until(log, log->retry_ns);
        else if (log->queue.n) {
            gather(log);
            return;
        } else if (!log->dirty)
            pthread_cond_wait(&log->work, &log->lock);
        else if (now - log->synced_ns >= log->sync_ms * 1000000)
            return;
        else
            wait_until(log, log->synced_ns + log->sync_ms * 1000000);
    }
}

static void *run(void *p)
{
    struct nv_log *log = p;

    pthread_setname_np(pthread_self(), "log");
    pthread_mutex_lock(&log->lock);
    while (!log->stop) {
        wait_for_work(log);
        uint64_t asked = log->asked;
        bool force = asked > log->answered || log->sync_ms == 0;
        pthread_mutex_unlock(&log->lock);
        (void)!write_batch(log, force);
        pthread_mutex_lock(&log->lock);
        if (asked > log->answered) {
            log->answered = asked;
            pthread_cond_broadcast(&log->done);
        }
    }
    pthread_mutex_unlock(&log->lock);
    (void)!write_batch(log, true); /* what came last */
    pthread_mutex_lock(&log->lock);
    log->answered = UINT64_MAX;
    pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* Under the lock: waits until that flush was answered; UINT64_MAX: until the thread is at its end. */
static int wait_answer(struct nv_log *log, uint64_t flush, int64_t deadline_ns)
{
    struct timespec t = {deadline_ns / 1000000000, deadline_ns % 1000000000};

    while (log->answered < flush)
        if (pthread_cond_clockwait(&log->done, &log->lock, CLOCK_MONOTONIC, &t) == ETIMEDOUT &&
            log->answered < flush)
            return -ETIMEDOUT;
    return 0;
}

int nv_log_flush(struct nv_log *log, int64_t deadline_ns)
{
    if (!log->threads)
        return write_batch(log, true);
    NV_LOCKED(&log->lock);
    uint64_t mine = ++log->asked;
    pthread_cond_signal(&log->work);
    int r = wait_answer(log, mine, deadline_ns);
    return r < 0 ? r : log->stats.error;
}

int nv_log_stop(struct nv_log *log, int64_t deadline_ns)
{
    if (!log->threads)
        return 0;
    NV_LOCKED(&log->lock);
    log->stop = true;
    pthread_cond_signal(&log->work);
    return wait_answer(log, UINT64_MAX, deadline_ns);
}

void nv_log_pump(struct nv_log *log)
{
    if (!log->threads)
        (void)!write_batch(log, log->sync_ms == 0);
}

void nv_log_stats(struct nv_log *log, struct nv_log_stats *ret)
{
    NV_LOCKED(&log->lock);
    *ret = log->stats;
    if (log->busy_ns && nv_monotonic_ns() - log->busy_ns > NV_LOG_HANGS_MS * INT64_C(1000000))
        ret->error = -ETIMEDOUT;
}

/* ---- life ----------------------------------------------------------------------------------- */

int nv_log_new(struct nv_fs *fs, uint64_t first, int64_t sync_ms, bool threads, struct nv_log **ret)
{
    struct nv_log *log = calloc(1, sizeof(*log));

    if (!log)
        return -ENOMEM;
    *log = (struct nv_log){
        .fs = fs,
        .sync_ms = sync_ms,
        .threads = threads,
        .segment = first,
        .file_segment = first,
        .handle = -1,
        .queue = NV_BUF(QUEUE_ROOM),
        .writing = NV_BUF(QUEUE_ROOM),
    };
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->file, NULL);
    pthread_cond_init(&log->work, NULL);
    pthread_cond_init(&log->done, NULL);
    int r = threads ? -pthread_create(&log->thread, NULL, run, log) : 0;
    if (r < 0) {
        log->threads = false;
        nv_log_free(log);
        return r;
    }
    *ret = log;
    return 0;
}

void nv_log_free(struct nv_log *log)
{
    if (!log)
        return;
    if (log->threads) {
        pthread_mutex_lock(&log->lock);
        log->stop = true;
        pthread_cond_signal(&log->work);
        pthread_mutex_unlock(&log->lock);
        pthread_join(log->thread, NULL);
    }
    (void)!write_batch(log, true);
    close_file(log);
    nv_buf_done(&log->queue);
    nv_buf_done(&log->writing);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->file);
    pthread_cond_destroy(&log->work);
    pthread_cond_destroy(&log->done);
    free(log);
}
