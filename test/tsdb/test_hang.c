/*
 * test_hang.c - a disk of which calls do not return.
 */
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/memory_fs.h"
#include "tsdb/parts.h"
#include "witness.h"

static int64_t now_ms = witness_begin;

static int64_t clock_now(void *user)
{
    (void)user;
    return __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
}

static void leave_open(struct nv_fs *fs)
{
    (void)fs;
}

static int no_lock(struct nv_fs *fs, const char *name)
{
    (void)fs, (void)name;
    return 0;
}

/* A disk that outlives its store. */
static struct nv_fs_ops lent;
static const struct nv_fs_ops *own;

static struct nv_fs *disk_new(void)
{
    struct nv_fs *fs = nv_memory_fs_new();

    own = fs->ops;
    lent = *own;
    lent.free = leave_open;
    lent.lock = no_lock;
    fs->ops = &lent;
    return fs;
}

static void disk_free(struct nv_fs *fs)
{
    fs->ops = own;
    nv_fs_free(fs);
}

static struct nv_store *open_store(struct nv_fs *fs)
{
    struct nv_store_options options = {
        .fs = fs, .block_ms = 600000, .now_ms = clock_now, .wal_sync_ms = 100, .threads = true};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    int r = nv_store_open(&options, &store, error);
    ck_assert_msg(r == 0, "cannot open: %s", error);
    return store;
}

static void append(struct witness *w, struct nv_store *store, int n)
{
    for (int i = 0; i < n; i++) {
        __atomic_store_n(&now_ms, now_ms + WITNESS_STEP, __ATOMIC_RELAXED);
        if (witness_append(w, store, now_ms) != 0)
            ck_abort_msg("a frame was refused");
    }
}

static int disk_error(struct nv_store *store)
{
    struct nv_store_stats stats;

    nv_store_stats(store, &stats);
    return stats.disk_error;
}

static void wait_for_error(struct nv_store *store, int error)
{
    int64_t end = nv_monotonic_ns() + INT64_C(60000000000);

    while (disk_error(store) != error) {
        if (nv_monotonic_ns() > end)
            ck_abort_msg("the disk's error is %d, not %d", disk_error(store), error);
        usleep(10000);
    }
}

START_TEST(sampling_and_queries_go_on_and_nothing_is_lost)
{
    struct nv_fs *fs = disk_new();
    struct nv_store *store = open_store(fs);
    struct witness w;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append(&w, store, 300);
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_memory_fs_hang(fs, NV_MEMORY_FS_CHANGES);
    append(&w, store, 3000);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    wait_for_error(store, -ETIMEDOUT);
    append(&w, store, 100);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);

    nv_memory_fs_hang(fs, 0);
    wait_for_error(store, 0);
    append(&w, store, 100);
    ck_assert_int_eq(nv_store_flush(store), 0);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    store = open_store(fs);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    witness_done(&w);
    disk_free(fs);
}
END_TEST

/* ---- what waits ----------------------------------------------------------------------------- */

enum { WIDE = 5000, NOISE_BYTES = 8 };

/* A source of many series of noise, which nothing makes smaller. */
struct wide {
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    uint32_t section, source;
    uint64_t seed;
};

static void wide_new(struct wide *w)
{
    const char *const names[] = {"id", NULL};
    char text[16];
    struct nv_str values[] = {
        {text, 0}
    };
    uint32_t column;

    *w = (struct wide){.registry = nv_registry_new(), .pool = nv_frame_pool_new(), .seed = 1};
    w->section = nv_registry_add_section(w->registry);
    for (int i = 0; i < WIDE; i++) {
        struct nv_series_def def = {.name = "wide",
                                    .suffix = "",
                                    .help = "Noise.",
                                    .type = NV_GAUGE,
                                    .label_names = names,
                                    .label_values = values,
                                    .section = w->section};
        values[0].n = (size_t)snprintf(text, sizeof(text), "%d", i);
        ck_assert_int_eq(nv_registry_add(w->registry, &def, &column), 0);
    }
}

static void wide_append(struct wide *w, struct nv_store *store)
{
    struct nv_layout *layout = nv_registry_layout(w->registry);

    __atomic_store_n(&now_ms, now_ms + WITNESS_STEP, __ATOMIC_RELAXED);
    struct nv_frame *frame = nv_frame_new(w->pool, layout, now_ms);
    nv_layout_unref(layout);
    nv_bit_set(frame->observed, w->section);
    for (size_t i = 0; i < WIDE; i++) {
        w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t bits = (w->seed ^ w->seed >> 29) & ~(UINT64_C(1) << 62); /* finite */
        nv_bit_set(frame->present, i);
        memcpy(&frame->values[i], &bits, sizeof(bits));
    }
    if (nv_store_append(store, w->source, frame) != 0)
        ck_abort_msg("a frame was refused");
    nv_frame_unref(frame);
}

static size_t count_since(struct nv_store *store, int64_t from_ms)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    struct nv_matcher id = {NV_MATCH_EQUAL, NV_LIT("id"), NV_LIT("7"), NULL};
    const struct nv_queryable *q = nv_store_queryable(store);
    struct nv_selection selection;

    ck_assert_int_eq(q->select(q->store, &id, 1, from_ms, INT64_MAX, 0, &selection), 0);
    ck_assert_uint_eq(selection.n, 1);
    ck_assert_int_eq(q->read(&selection, 0, &samples), 0);
    size_t n = samples.n;
    q->release(&selection);
    nv_samples_done(&samples);
    return n;
}

START_TEST(what_waits_is_bounded_and_the_oldest_goes_first)
{
    const size_t frames = 5 * (size_t)NV_STORE_MEMORY_BYTES / 2 / (WIDE * NOISE_BYTES);
    const size_t chunk = (size_t)NV_CHUNK_ROWS * WIDE * NOISE_BYTES;
    struct nv_fs *fs = disk_new();
    struct nv_store *store = open_store(fs);
    struct nv_store_stats stats;
    struct wide w;

    wide_new(&w);
    ck_assert_int_eq(nv_store_source(store, "wide", &w.source), 0);
    wide_append(&w, store);
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_memory_fs_hang(fs, NV_MEMORY_FS_CHANGES | NV_MEMORY_FS_READS);
    for (size_t i = 0; i < frames; i++)
        wide_append(&w, store);
    nv_store_stats(store, &stats);
    /* and chunks that wait to be sealed, and those sealed since pages were dropped last */
    ck_assert_uint_lt(stats.memory_bytes,
                      (uint64_t)NV_STORE_MEMORY_BYTES + 3 * (NV_HEAD_WAITING + 1) * chunk);
    ck_assert_uint_gt(stats.dropped_disk, 0);
    ck_assert_uint_eq(count_since(store, now_ms - 99 * WITNESS_STEP), 100);

    nv_memory_fs_hang(fs, 0);
    int64_t resumed_ms = now_ms;
    for (int i = 0; i < 10; i++)
        wide_append(&w, store);
    while (nv_store_flush(store) != 0)
        usleep(10000);
    ck_assert_uint_eq(count_since(store, resumed_ms + 1), 10);
    wide_append(&w, store); /* and whatever the queue dropped, this is written */
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_store_close(store);
    store = open_store(fs);
    ck_assert_uint_ge(count_since(store, now_ms), 1);
    nv_store_close(store);
    nv_frame_pool_free(w.pool);
    nv_registry_free(w.registry);
    disk_free(fs);
}
END_TEST

/* ---- leaving -------------------------------------------------------------------------------- */

static const unsigned kinds[] = {NV_MEMORY_FS_SYNCS, NV_MEMORY_FS_WRITES, NV_MEMORY_FS_READS};

START_TEST(stopping_has_a_deadline_whatever_hangs) /* looped: _i is a kind of call */
{
    struct nv_fs *fs = disk_new();
    struct nv_store *store = open_store(fs);
    struct witness w;

    witness_new(&w);
    ck_assert_int_eq(nv_store_source(store, "w", &w.source), 0);
    append(&w, store, 100);
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_memory_fs_hang(fs, kinds[_i]);
    append(&w, store, 2000);          /* a block is due, so that maintenance meets the disk too */
    while (!nv_memory_fs_hanging(fs)) /* or the test is ended */
        usleep(10000);
    ck_assert_int_eq(nv_store_stop(store, 200), -ETIMEDOUT);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_memory_fs_hang(fs, 0);
    ck_assert_int_eq(nv_store_stop(store, 60000), 0);
    nv_store_close(store);
    store = open_store(fs);
    witness_expect(store, witness_begin + WITNESS_STEP, now_ms);
    nv_store_close(store);
    witness_done(&w);
    disk_free(fs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/hang");
    TCase *test = tcase_create("hang");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 280);
    tcase_add_test(test, sampling_and_queries_go_on_and_nothing_is_lost);
    tcase_add_test(test, what_waits_is_bounded_and_the_oldest_goes_first);
    tcase_add_loop_test(test, stopping_has_a_deadline_whatever_hangs, 0, (int)NV_LEN(kinds));
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
