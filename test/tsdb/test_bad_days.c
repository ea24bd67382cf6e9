/*
 * test_bad_days.c - the store when its process is killed, its disk is full, broken, read-only or gone, when the clock jumps,
 * and when everybody works on it at once.
 *
 *   NV_KILL_ROUNDS   how often a writer is killed, 40 if not said otherwise
 *   NV_THREADS_MS    how long readers and writer run beside each other, 1500
 */
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/fixture.h"
#include "support/memory_fs.h"
#include "witness.h"

static int64_t now_ms = witness_begin;

static int64_t clock_now(void *user)
{
    (void)user;
    return __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
}

static long from_environment(const char *name, long otherwise)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : otherwise;
}

/* Blocks of ten minutes, so that cutting and merging happen all the time. */
static struct nv_store *open_store(struct nv_fs *fs, bool threads)
{
    struct nv_store_options options = {.fs = fs,
                                       .block_ms = 600000,
                                       .now_ms = clock_now,
                                       .wal_sync_ms = 10000,
                                       .threads = threads};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    int r = nv_store_open(&options, &store, error);
    ck_assert_msg(r == 0, "cannot open: %s", error);
    return store;
}

static struct nv_store *open_dir(const char *path, bool threads)
{
    struct nv_fs *fs;

    int r = nv_fs_open(path, &fs);
    ck_assert_msg(r == 0, "%s: %s", path, strerror(-r));
    return open_store(fs, threads);
}

static void verify_dir(const char *path)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    NV_AUTO(nv_fs) *fs = NULL;

    ck_assert_int_eq(nv_fs_open(path, &fs), 0);
    int r = nv_store_verify(fs, &out);
    ck_assert_msg(r == 0, "verify: %d: %s", r, nv_buf_c_string(&out));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_dir(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *temp_path(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    return path;
}

static void append_until(struct witness *w, struct nv_store *store, int64_t until_ms,
                         int64_t maintain_every)
{
    while (now_ms < until_ms) {
        now_ms += WITNESS_STEP;
        int r = witness_append(w, store, now_ms);
        if (r != 0) /* check notes each assertion in a file: not for each frame */
            ck_abort_msg("append: %d", r);
        if (now_ms / WITNESS_STEP % maintain_every == 0)
            nv_store_maintain(store);
    }
}

static int disk_error(struct nv_store *store)
{
    struct nv_store_stats stats;

    nv_store_stats(store, &stats);
    return stats.disk_error;
}

/* ---- killed --------------------------------------------------------------------------------- */

enum { KILL_RETENTION_MS = 4 * 3600 * 1000 };

static struct nv_store *open_killed(const char *path, bool threads)
{
    struct nv_store_options options = {.block_ms = 600000,
                                       .retention_ms = KILL_RETENTION_MS,
                                       .thin = {{2 * 3600 * 1000, 1000}}, /* thins nothing away */
                                       .now_ms = clock_now,
                                       .wal_sync_ms = 10000,
                                       .threads = threads};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    ck_assert_int_eq(nv_fs_open(path, &options.fs), 0);
    int r = nv_store_open(&options, &store, error);
    ck_assert_msg(r == 0, "cannot open: %s", error);
    return store;
}

static void *maintain_always(void *p)
{
    for (;;)
        if (nv_store_maintain(p) == 0)
            usleep(200);
    return NULL;
}

enum { FLUSH_EVERY = 50 }; /* frames between two acknowledgements */

/* Appends until it is killed; *acknowledged is the time of the newest frame that write(2) has taken. */
static void write_until_killed(const char *path, int64_t from_ms, volatile int64_t *acknowledged)
{
    struct nv_store *store = open_killed(path, true);
    struct witness w;
    pthread_t thread;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, maintain_always, store), 0);
    for (int64_t t = from_ms;; t += WITNESS_STEP) {
        __atomic_store_n(&now_ms, t, __ATOMIC_RELAXED);
        if (witness_append(&w, store, t) != 0)
            _exit(1);
        if (t / WITNESS_STEP % FLUSH_EVERY == 0) {
            if (nv_store_flush(store) != 0)
                _exit(2);
            __atomic_store_n(acknowledged, t, __ATOMIC_RELEASE);
        }
    }
}

static void kill_one(const char *path, int64_t from_ms, int64_t *acknowledged, int64_t delay_us)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        write_until_killed(path, from_ms, acknowledged);
        _exit(3);
    }
    usleep((useconds_t)delay_us);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the writer ended: %x",
                  (unsigned)status);
}

/* Returns the time of the newest frame. */
static int64_t check_killed(const char *path, int64_t acknowledged)
{
    struct nv_store *store = open_killed(path, false);
    const struct nv_queryable *q = nv_store_queryable(store);
    int64_t from, to;

    q->range(q->store, &from, &to);
    if (acknowledged)
        ck_assert_msg(to >= acknowledged, "acknowledged to %" PRId64 ", has %" PRId64, acknowledged,
                      to);
    if (from > to) {
        to = witness_begin - WITNESS_STEP;
    } else {
        /* Retention counts from frames that the kill may have taken: as many as are not yet acknowledged. */
        int64_t lost_ms = FLUSH_EVERY * WITNESS_STEP;
        ck_assert_msg(from == witness_begin || from <= to - KILL_RETENTION_MS + lost_ms,
                      "%" PRId64 " is the oldest, %" PRId64 " the newest", from, to);
        witness_expect(store, from, to);
    }
    nv_store_close(store);
    return to;
}

START_TEST(whoever_is_killed_has_what_was_acknowledged_in_order_and_once)
{
    const char *path = temp_path("killed");
    int64_t newest = witness_begin - WITNESS_STEP, *acknowledged;
    uint64_t seed = 12345;

    acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(acknowledged, MAP_FAILED);
    long rounds = from_environment("NV_KILL_ROUNDS", 40);
    for (long i = 0; i < rounds; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        kill_one(path, newest + WITNESS_STEP, acknowledged, (int64_t)(seed >> 33) % 60000);
        newest = check_killed(path, *acknowledged);
        if (i % 8 == 0)
            verify_dir(path);
    }
    verify_dir(path);
    ck_assert_int_gt(*acknowledged, 0);
    munmap(acknowledged, 4096);
    remove_dir(path);
}
END_TEST

/* ---- disks ---------------------------------------------------------------------------------- */

/* A tmpfs of its own, in a namespace of its own; false where that is not allowed. */
static bool mount_small(const char *path, const char *options)
{
    if (mkdir(path, 0755) < 0 || unshare(CLONE_NEWNS) < 0)
        return false;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", path, "tmpfs", 0, options) == 0;
}

/* That works as soon as the log too has met the error, and given up its file: nothing else is held open for writing. */
static void make_read_only(const char *path, struct witness *w, struct nv_store *store)
{
    for (int i = 0; i < 200; i++) {
        if (mount("none", path, NULL, MS_REMOUNT | MS_RDONLY, "size=64m") == 0)
            return;
        ck_assert_int_eq(errno, EBUSY);
        append_until(w, store, now_ms + WITNESS_STEP, 1);
    }
    ck_abort_msg("somebody still writes to a full disk");
}

/*
 * A disk that fills, and then is as large as it should be; between the two, for _i 1, it is read-only, as after an error the
 * kernel met.
 */
START_TEST(a_full_or_read_only_disk_costs_nothing_that_fits_in_memory)
{
    const char *path = temp_path("full");
    struct witness w;

    if (!mount_small(path, "size=96k")) {
        printf("SKIP: no tmpfs of our own: %s\n", strerror(errno));
        return;
    }
    struct nv_store *store = open_dir(path, false);
    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    for (int i = 0; i < 100 && disk_error(store) == 0; i++)
        append_until(&w, store, now_ms + 60000, 5);
    ck_assert_int_eq(disk_error(store), -ENOSPC);
    if (_i == 1)
        make_read_only(path, &w, store);
    append_until(&w, store, now_ms + 600000, 5);
    ck_assert_int_eq(disk_error(store), _i == 1 ? -EROFS : -ENOSPC);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);

    ck_assert_int_eq(mount("none", path, NULL, MS_REMOUNT, "size=64m"), 0);
    append_until(&w, store, now_ms + 1200000, 5);
    ck_assert_int_eq(disk_error(store), 0);
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_store_close(store);
    verify_dir(path);
    store = open_dir(path, false);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    witness_done(&w);
    umount(path);
}
END_TEST

static const int errors[] = {-EIO, -EROFS, -ENOSPC, -EDQUOT};

START_TEST(a_disk_that_fails_for_an_hour_is_told_and_lived_through)
{
    struct nv_fs *fs = nv_memory_fs_new();
    struct nv_store *store = open_store(fs, false);
    struct witness w;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append_until(&w, store, now_ms + 1500000, 5);
    ck_assert_int_eq(disk_error(store), 0);
    nv_memory_fs_fail(fs, NV_MEMORY_FS_CHANGES, 0, UINT64_MAX, errors[_i], 3);
    append_until(&w, store, now_ms + 3600000, 5);
    ck_assert_int_eq(disk_error(store), errors[_i]);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_memory_fs_fail(fs, 0, 0, 0, 0, 0);
    append_until(&w, store, now_ms + 1500000, 5);
    ck_assert_int_eq(disk_error(store), 0);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    witness_done(&w);
}
END_TEST

/* What is read is right and rising, whatever is missing. Returns how many samples. */
static size_t check_some(struct nv_store *store, int64_t series, struct nv_samples *samples)
{
    int r = witness_read(store, "id", series, INT64_MIN, INT64_MAX, samples);

    ck_assert_msg(r == 0, "series %" PRId64 ": %s", series, strerror(-r));
    for (size_t i = 0; i < samples->n; i++) {
        if (i > 0 && samples->times[i] <= samples->times[i - 1])
            ck_abort_msg("%" PRId64 " comes after %" PRId64, samples->times[i],
                         samples->times[i - 1]);
        if (!witness_bits_equal(samples->values[i],
                                witness_value((unsigned)series, samples->times[i])))
            ck_abort_msg("series %" PRId64 " is wrong at %" PRId64, series, samples->times[i]);
    }
    return samples->n;
}

START_TEST(a_read_that_fails_costs_what_was_to_be_read_and_no_more)
{
    struct nv_fs *fs = nv_memory_fs_new();
    struct nv_store *store = open_store(fs, false);
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    struct nv_store_stats stats;
    struct witness w;
    size_t whole = 3600, least = SIZE_MAX;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append_until(&w, store, now_ms + 3600000, 5);
    for (uint64_t nth = 0; nth < 20; nth++) {
        nv_memory_fs_fail(fs, NV_MEMORY_FS_READS, nth, 1, -EIO, 0);
        size_t n = check_some(store, (int64_t)nth, &samples);
        ck_assert_uint_le(n, whole);
        least = n < least ? n : least;
        nv_memory_fs_fail(fs, 0, 0, 0, 0, 0);
    }
    ck_assert_uint_lt(least, whole);
    ck_assert_uint_gt(least, 0);
    nv_store_stats(store, &stats);
    ck_assert_uint_gt(stats.read_faults, 0);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_samples_done(&samples);
    nv_store_close(store);
    witness_done(&w);
}
END_TEST

static void leave_open(struct nv_fs *fs)
{
    (void)fs;
}

static int no_lock(struct nv_fs *fs, const char *name)
{
    (void)fs, (void)name;
    return 0;
}

static struct nv_store *open_memory_to_read(struct nv_fs *fs)
{
    struct nv_store_options options = {.fs = fs, .now_ms = clock_now, .read_only = true};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    int r = nv_store_open(&options, &store, error);
    ck_assert_msg(r == 0, "cannot open: %s", error);
    return store;
}

/* Bytes of a block here and there: a query gives what the others have, and tells. */
START_TEST(a_damaged_part_costs_its_own_samples_and_nothing_else)
{
    struct nv_fs *fs = nv_memory_fs_new();
    const struct nv_fs_ops *ops = fs->ops;
    struct nv_fs_ops lent = *ops;
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    struct nv_store_stats stats;
    struct witness w;
    enum { WHOLE = 9000 };
    size_t n, lost_some = 0, told = 0;

    lent.free = leave_open;
    fs->ops = &lent;
    struct nv_store *store = open_store(fs, false);
    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append_until(&w, store, now_ms + WHOLE * WITNESS_STEP, 5);
    struct nv_block *block;
    ck_assert_uint_gt(nv_store_blocks(store, &block, 1), 1);
    struct nv_block_info info = *nv_block_info(block);
    size_t held = (size_t)((info.to_ms - info.from_ms) / WITNESS_STEP) + 1;
    nv_store_close(store);
    unsigned char *bytes = nv_memory_fs_bytes(fs, info.name, &n);
    for (size_t i = 16; i < n; i += n / 61) {
        size_t least = WHOLE;
        bytes[i] ^= 0x10;
        store = open_memory_to_read(fs);
        for (int64_t k = 0; k < WITNESS_SERIES; k++) {
            size_t got = check_some(store, k, &samples);
            least = got < least ? got : least;
        }
        nv_store_stats(store, &stats);
        ck_assert_uint_ge(least, WHOLE - held);
        lost_some += least < WHOLE;
        told += stats.read_faults + stats.corruptions > 0;
        nv_store_close(store);
        bytes[i] ^= 0x10;
    }
    ck_assert_uint_gt(lost_some, 10);
    ck_assert_uint_ge(told, lost_some);
    nv_samples_done(&samples);
    witness_done(&w);
    fs->ops = ops;
    nv_fs_free(fs);
}
END_TEST

static const struct nv_fs_ops *whole_ops;

static int keep_blocks(struct nv_fs *fs, const char *name)
{
    return strncmp(name, "block-", 6) == 0 ? -EIO : whole_ops->unlink(fs, name);
}

/* A machine that stops between the two: what was merged is there twice, is read once, and goes with the next start. */
START_TEST(what_was_merged_and_not_removed_is_left_out_and_removed_later)
{
    struct nv_fs *fs = nv_memory_fs_new();
    struct nv_fs_ops lent = *fs->ops;
    struct nv_store_stats writer, reader, next;
    struct witness w;

    whole_ops = fs->ops;
    lent.free = leave_open;
    lent.lock = no_lock;
    lent.unlink = keep_blocks;
    fs->ops = &lent;
    struct nv_store *store = open_store(fs, false);
    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append_until(&w, store, now_ms + 9000000, 5);
    nv_store_stats(store, &writer);
    ck_assert_uint_gt(writer.merges, 0);
    nv_store_close(store);

    store = open_memory_to_read(fs);
    nv_store_stats(store, &reader);
    ck_assert_uint_eq(reader.blocks, writer.blocks);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    lent.unlink = whole_ops->unlink;
    store = open_store(fs, false);
    nv_store_stats(store, &next);
    ck_assert_uint_eq(next.blocks, writer.blocks);
    ck_assert_uint_lt(next.block_bytes, reader.block_bytes);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    witness_done(&w);
    fs->ops = whole_ops;
    nv_fs_free(fs);
}
END_TEST

/* Nobody may do that, and somebody does. What was on disk is gone; memory and what comes is not. */
START_TEST(a_directory_that_was_removed_is_made_again)
{
    const char *path = temp_path("removed");
    struct witness w;

    struct nv_store *store = open_dir(path, false);
    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append_until(&w, store, now_ms + 60000, 5);
    remove_dir(path);
    append_until(&w, store, now_ms + 60000, 5);
    (void)!nv_store_flush(store); /* where it is found out, at the latest */
    append_until(&w, store, now_ms + 60000, 5);
    ck_assert_int_eq(nv_store_flush(store), 0);
    ck_assert_int_eq(disk_error(store), 0);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    int64_t removed_and_flushed = witness_begin + 120000 + WITNESS_STEP;
    nv_store_close(store);
    verify_dir(path);
    store = open_dir(path, false);
    witness_expect(store, removed_and_flushed, now_ms);
    nv_store_close(store);
    witness_done(&w);
    remove_dir(path);
}
END_TEST

/* ---- clocks --------------------------------------------------------------------------------- */

START_TEST(what_is_not_newer_is_dropped_and_counted)
{
    struct nv_store *store = open_store(nv_memory_fs_new(), false);
    struct nv_store_stats stats;
    struct witness w;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append_until(&w, store, witness_begin + 100000, 5);
    ck_assert_int_eq(witness_append(&w, store, now_ms), NV_STORE_NOT_NEWER);
    for (int64_t back = 1; back <= 30; back++) /* an NTP step */
        ck_assert_int_eq(witness_append(&w, store, now_ms - back * 1000), NV_STORE_NOT_NEWER);
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.dropped_not_newer, 31);
    append_until(&w, store, witness_begin + 200000, 5);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    witness_done(&w);
}
END_TEST

START_TEST(a_clock_that_jumps_ahead_leaves_a_gap_and_nothing_else)
{
    struct nv_fs *fs = nv_memory_fs_new();
    struct nv_store *store = open_store(fs, false);
    struct witness w;
    int64_t edges[5][2];

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    for (int i = 0; i < 5; i++) { /* suspended for seven hours, five times */
        edges[i][0] = now_ms + WITNESS_STEP;
        append_until(&w, store, now_ms + 700000, 5);
        edges[i][1] = now_ms;
        now_ms += INT64_C(7) * 3600 * 1000;
    }
    for (int i = 0; i < 5; i++) {
        witness_expect(store, edges[i][0], edges[i][1]);
        if (i > 0) {
            struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
            ck_assert_int_eq(
                witness_read(store, "id", 1, edges[i - 1][1] + 1, edges[i][0] - 1, &samples), 0);
            ck_assert_uint_eq(samples.n, 0);
            nv_samples_done(&samples);
        }
    }
    nv_store_close(store);
    witness_done(&w);
}
END_TEST

/* ---- everybody at once ---------------------------------------------------------------------- */

enum { READERS = 8, TELL_EVERY = 40 };

struct crowd {
    struct nv_store *store;
    bool stop;
    uint64_t reads;
};

static bool stopped(struct crowd *crowd)
{
    return __atomic_load_n(&crowd->stop, __ATOMIC_RELAXED);
}

static void *read_always(void *p)
{
    struct crowd *crowd = p;
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    struct nv_texts texts;

    while (!stopped(crowd)) {
        const struct nv_queryable *q = nv_store_queryable(crowd->store);
        int64_t from, to;
        q->range(q->store, &from, &to);
        if (from > to)
            continue;
        uint64_t n = __atomic_add_fetch(&crowd->reads, 1, __ATOMIC_RELAXED);
        from = n % 2 ? from : to - 1200000;
        size_t got = witness_check(crowd->store, from, to, &samples);
        ck_assert_uint_gt(got, 0);
        for (size_t i = 1; i < got; i++)
            if (samples.times[i] - samples.times[i - 1] != WITNESS_STEP)
                ck_abort_msg("a gap behind %" PRId64, samples.times[i - 1]);
        ck_assert_int_eq(q->label_values(q->store, NV_LIT("id"), NULL, 0, from, to, 0, &texts), 0);
        ck_assert_uint_eq(texts.n, WITNESS_SERIES);
        nv_texts_done(&texts);
    }
    nv_samples_done(&samples);
    return NULL;
}

static void *maintain_crowd(void *p)
{
    struct crowd *crowd = p;

    while (!stopped(crowd))
        if (nv_store_maintain(crowd->store) == 0)
            usleep(500);
    return NULL;
}

static void *ask_crowd(void *p)
{
    struct crowd *crowd = p;
    struct nv_store_stats stats;

    while (!stopped(crowd)) {
        nv_store_stats(crowd->store, &stats);
        ck_assert_int_eq(stats.disk_error, 0);
        ck_assert_int_eq(nv_store_flush(crowd->store), 0);
        usleep(1000);
    }
    return NULL;
}

START_TEST(a_writer_maintenance_and_eight_readers_work_side_by_side)
{
    struct crowd crowd = {.store = open_store(nv_memory_fs_new(), true)};
    pthread_t threads[READERS + 2];
    struct witness w;
    int64_t end = nv_monotonic_ns() + from_environment("NV_THREADS_MS", 1500) * INT64_C(1000000);

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(crowd.store, "w", &w.source), 0);
    for (int i = 0; i < READERS + 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL,
                                        i < READERS    ? read_always
                                        : i == READERS ? maintain_crowd
                                                       : ask_crowd,
                                        &crowd),
                         0);
    int64_t t = witness_begin;
    for (; nv_monotonic_ns() < end; t += WITNESS_STEP) {
        __atomic_store_n(&now_ms, t, __ATOMIC_RELAXED);
        if (witness_append(&w, crowd.store, t) != 0)
            ck_abort_msg("a frame was refused");
        if (t / WITNESS_STEP % TELL_EVERY == 0)
            usleep(1000);
    }
    __atomic_store_n(&crowd.stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < READERS + 2; i++)
        pthread_join(threads[i], NULL);
    witness_expect(crowd.store, witness_begin, t - WITNESS_STEP);
    struct nv_store_stats stats;
    nv_store_stats(crowd.store, &stats);
    ck_assert_uint_gt(stats.blocks, 0);
    ck_assert_uint_gt(crowd.reads, READERS);
    nv_store_close(crowd.store);
    witness_done(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/bad_days");
    TCase *test = tcase_create("bad_days");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 3600);
    tcase_add_test(test, whoever_is_killed_has_what_was_acknowledged_in_order_and_once);
    tcase_add_loop_test(test, a_full_or_read_only_disk_costs_nothing_that_fits_in_memory, 0, 2);
    tcase_add_loop_test(test, a_disk_that_fails_for_an_hour_is_told_and_lived_through, 0,
                        (int)NV_LEN(errors));
    tcase_add_test(test, a_read_that_fails_costs_what_was_to_be_read_and_no_more);
    tcase_add_test(test, a_damaged_part_costs_its_own_samples_and_nothing_else);
    tcase_add_test(test, what_was_merged_and_not_removed_is_left_out_and_removed_later);
    tcase_add_test(test, a_directory_that_was_removed_is_made_again);
    tcase_add_test(test, what_is_not_newer_is_dropped_and_counted);
    tcase_add_test(test, a_clock_that_jumps_ahead_leaves_a_gap_and_nothing_else);
    tcase_add_test(test, a_writer_maintenance_and_eight_readers_work_side_by_side);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
