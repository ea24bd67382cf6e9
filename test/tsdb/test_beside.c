/*
 * test_beside.c - a directory read beside the process that writes it: no gap, nothing twice, nothing changed.
 *
 *   NV_BESIDE_ROUNDS   how often it is opened while somebody writes, 30 if not said otherwise
 */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.h"
#include "support/memory_fs.h"
#include "witness.h"

static int64_t now_ms = witness_begin;

static int64_t clock_now(void *user)
{
    (void)user;
    return __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
}

static const char *temp_path(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    return path;
}

static struct nv_store *open_to_write(const char *path)
{
    struct nv_store_options options = {
        .block_ms = 600000, .now_ms = clock_now, .wal_sync_ms = 10000};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    ck_assert_int_eq(nv_fs_open(path, &options.fs), 0);
    int r = nv_store_open(&options, &store, error);
    ck_assert_msg(r == 0, "cannot open: %s", error);
    return store;
}

static struct nv_store *open_to_read(const char *path)
{
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    int r = nv_store_open_to_read(path, &store, error);
    ck_assert_msg(r == 0, "cannot open: %d: %s", r, error);
    return store;
}

/* ---- beside a writer ------------------------------------------------------------------------ */

enum { FRAMES_A_TURN = 5, TURN_US = 2000, FRAMES_MAX = 40000 };

struct writer {
    struct nv_store *store;
    struct witness witness;
    int64_t written_ms; /* acknowledged up to this frame */
    bool stop;
};

static void *write_on(void *p)
{
    struct writer *w = p;

    for (int n = 0; n < FRAMES_MAX && !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); n++) {
        int64_t t = witness_begin + (int64_t)n * WITNESS_STEP;
        __atomic_store_n(&now_ms, t, __ATOMIC_RELAXED);
        if (witness_append(&w->witness, w->store, t) != 0)
            ck_abort_msg("a frame was refused");
        if (n % FRAMES_A_TURN)
            continue;
        nv_store_maintain(w->store);
        __atomic_store_n(&w->written_ms, t, __ATOMIC_RELEASE);
        usleep(TURN_US);
    }
    return NULL;
}

START_TEST(whoever_reads_beside_a_writer_has_all_that_was_acknowledged_once)
{
    const char *path = temp_path("beside");
    const char *rounds = getenv("NV_BESIDE_ROUNDS");
    struct writer w = {.store = open_to_write(path), .written_ms = witness_begin};
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    pthread_t thread;

    witness_new(&w.witness);
    ck_assert_int_eq(nv_store_source(w.store, "w", &w.witness.source), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, write_on, &w), 0);
    for (long i = rounds ? strtol(rounds, NULL, 10) : 30; i > 0; i--) {
        while (__atomic_load_n(&w.written_ms, __ATOMIC_ACQUIRE) == witness_begin)
            usleep(TURN_US);
        int64_t written_ms = __atomic_load_n(&w.written_ms, __ATOMIC_ACQUIRE);
        struct nv_store *store = open_to_read(path);
        size_t n = witness_check(store, INT64_MIN, INT64_MAX, &samples);
        ck_assert_uint_gt(n, 0);
        ck_assert_int_eq(samples.times[0], witness_begin);
        ck_assert_int_ge(samples.times[n - 1], written_ms);
        ck_assert_int_eq(samples.times[n - 1] - samples.times[0], (int64_t)(n - 1) * WITNESS_STEP);
        nv_store_close(store);
    }
    __atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    nv_samples_done(&samples);
    nv_store_close(w.store);
    witness_done(&w.witness);
}
END_TEST

/* ---- at the worst moment -------------------------------------------------------------------- */

/* The writer's disk, of which a reader's first looks are spoilt. */
static struct {
    const struct nv_fs_ops *ops;
    struct nv_store *writer;
    struct witness witness;
    int looks; /* this many are */
    bool moves;
} spoilt;

static void go_on(int frames)
{
    for (int i = 0; i < frames; i++) {
        now_ms += WITNESS_STEP;
        if (witness_append(&spoilt.witness, spoilt.writer, now_ms) != 0)
            ck_abort_msg("a frame was refused");
        if (i % FRAMES_A_TURN == 0)
            nv_store_maintain(spoilt.writer);
    }
    nv_store_maintain(spoilt.writer);
}

/* Either everything moves to other files behind the look, or the look itself came in the midst of that, and has neither
 * the blocks that went nor those that came. */
static int spoil(struct nv_fs *fs, struct nv_arena *arena, struct nv_str **ret, size_t *ret_n)
{
    int r = spoilt.ops->list(fs, arena, ret, ret_n);

    ck_assert_int_eq(r, 0);
    if (spoilt.looks <= 0)
        return 0;
    spoilt.looks--;
    if (spoilt.moves) {
        int left = spoilt.looks; /* the writer looks too */
        spoilt.looks = 0;
        go_on(4000);
        spoilt.looks = left;
        return 0;
    }
    size_t n = 0;
    for (size_t i = 0; i < *ret_n; i++)
        if (!nv_str_starts((*ret)[i], "block-"))
            (*ret)[n++] = (*ret)[i];
    *ret_n = n;
    return 0;
}

static void keep(struct nv_fs *fs)
{
    (void)fs;
}

START_TEST(what_moves_while_it_is_looked_at_is_looked_at_again) /* looped: _i is how */
{
    struct nv_fs *fs = nv_memory_fs_new();
    struct nv_store_options options = {
        .fs = fs, .block_ms = 600000, .now_ms = clock_now, .wal_sync_ms = 10000};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *reader;

    spoilt.ops = fs->ops;
    struct nv_fs_ops ops = *fs->ops;
    ops.list = spoil;
    ops.free = keep;
    fs->ops = &ops;
    ck_assert_int_eq(nv_store_open(&options, &spoilt.writer, error), 0);
    witness_new(&spoilt.witness);
    ck_assert_int_eq(nv_store_source(spoilt.writer, "w", &spoilt.witness.source), 0);
    now_ms = witness_begin - WITNESS_STEP;
    go_on(2000);
    spoilt.looks = _i == 0 ? 3 : 1;
    spoilt.moves = _i == 0;
    options.read_only = true;
    ck_assert_int_eq(nv_store_open(&options, &reader, error), 0);
    ck_assert_int_eq(spoilt.looks, 0);
    witness_expect(reader, witness_begin, now_ms);
    nv_store_close(reader);
    nv_store_close(spoilt.writer);
    witness_done(&spoilt.witness);
    fs->ops = spoilt.ops;
    nv_fs_free(fs);
}
END_TEST

/* ---- blocks that go ------------------------------------------------------------------------- */

START_TEST(what_was_opened_is_read_to_the_end_after_it_was_merged)
{
    const char *path = temp_path("merged");
    struct nv_store *writer = open_to_write(path);
    struct nv_store_stats before, after;
    struct witness w;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(writer, "w", &w.source), 0);
    now_ms = witness_begin - WITNESS_STEP;
    for (int i = 0; i < 3000; i++) {
        now_ms += WITNESS_STEP;
        ck_assert_int_eq(witness_append(&w, writer, now_ms), 0);
        if (i % 50 == 0)
            nv_store_maintain(writer);
    }
    nv_store_maintain(writer);
    int64_t read_ms = now_ms;
    struct nv_store *reader = open_to_read(path);
    nv_store_stats(writer, &before);
    for (int i = 0; i < 6000; i++) {
        now_ms += WITNESS_STEP;
        ck_assert_int_eq(witness_append(&w, writer, now_ms), 0);
        if (i % 50 == 0)
            nv_store_maintain(writer);
    }
    nv_store_stats(writer, &after);
    ck_assert_uint_gt(after.merges, before.merges);
    witness_expect(reader, witness_begin, read_ms);
    nv_store_close(reader);
    nv_store_close(writer);
    witness_done(&w);
}
END_TEST

/* ---- nothing is changed --------------------------------------------------------------------- */

struct listing {
    struct nv_arena arena;
    struct nv_str *names;
    struct stat *stats;
    size_t n;
};

static void list(const char *path, struct listing *ret)
{
    NV_AUTO(nv_fs) *fs = NULL;
    char name[1024];

    *ret = (struct listing){.arena = NV_ARENA(1 << 20)};
    ck_assert_int_eq(nv_fs_open(path, &fs), 0);
    ck_assert_int_eq(fs->ops->list(fs, &ret->arena, &ret->names, &ret->n), 0);
    ret->stats = nv_arena_alloc(&ret->arena, ret->n * sizeof(*ret->stats));
    for (size_t i = 0; i < ret->n; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, ret->names[i].p);
        ck_assert_int_eq(stat(name, &ret->stats[i]), 0);
    }
}

static void check_unchanged(const struct listing *a, const struct listing *b)
{
    ck_assert_uint_eq(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        ck_assert_str_eq(a->names[i].p, b->names[i].p);
        ck_assert_uint_eq(a->stats[i].st_ino, b->stats[i].st_ino);
        ck_assert_int_eq(a->stats[i].st_size, b->stats[i].st_size);
        ck_assert_int_eq(a->stats[i].st_ctim.tv_sec, b->stats[i].st_ctim.tv_sec);
        ck_assert_int_eq(a->stats[i].st_ctim.tv_nsec, b->stats[i].st_ctim.tv_nsec);
    }
}

/* A torn record, an unfinished block and a damaged one would all be tidied up by a writer. */
START_TEST(reading_changes_no_file)
{
    const char *path = temp_path("unchanged");
    struct nv_store *writer = open_to_write(path);
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    struct listing before, after;
    struct witness w;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(writer, "w", &w.source), 0);
    now_ms = witness_begin - WITNESS_STEP;
    for (int i = 0; i < 1000; i++) {
        now_ms += WITNESS_STEP;
        ck_assert_int_eq(witness_append(&w, writer, now_ms), 0);
    }
    nv_store_maintain(writer);
    nv_write_file(path, NV_BLOCK_UNFINISHED "1", "half a block");
    nv_write_file(path, "block-0-1-0-1" NV_BLOCK_SUFFIX, "no block at all");
    nv_write_file(path, "log-00000000000000ff.nvl", "short");
    list(path, &before);
    struct nv_store *reader = open_to_read(path);
    witness_expect(reader, witness_begin, now_ms);
    ck_assert_int_eq(nv_store_maintain(reader), 0);
    ck_assert_int_eq(nv_store_append_sparse(reader, 0, NULL, 0, 1, 1), -EROFS);
    ck_assert_int_eq(nv_store_clean(reader), -EROFS);
    nv_store_close(reader);
    list(path, &after);
    check_unchanged(&before, &after);
    nv_arena_done(&before.arena);
    nv_arena_done(&after.arena);
    nv_samples_done(&samples);
    nv_store_close(writer);
    witness_done(&w);
}
END_TEST

START_TEST(where_there_is_no_directory_none_is_made)
{
    const char *path = temp_path("absent");
    char error[NV_STORE_ERROR_MAX] = "";
    struct nv_store *store = NULL;
    struct stat st;

    ck_assert_int_eq(nv_store_open_to_read(path, &store, error), -ENOENT);
    ck_assert_str_eq(error, "No such file or directory");
    ck_assert_int_ne(stat(path, &st), 0);
    nv_write_file(nv_temp_dir(), "absent", "a file");
    ck_assert_int_eq(nv_store_open_to_read(path, &store, error), -ENOTDIR);
    ck_assert_ptr_null(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/beside");
    TCase *test = tcase_create("beside");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 300);
    tcase_add_test(test, whoever_reads_beside_a_writer_has_all_that_was_acknowledged_once);
    tcase_add_loop_test(test, what_moves_while_it_is_looked_at_is_looked_at_again, 0, 2);
    tcase_add_test(test, what_was_opened_is_read_to_the_end_after_it_was_merged);
    tcase_add_test(test, reading_changes_no_file);
    tcase_add_test(test, where_there_is_no_directory_none_is_made);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
