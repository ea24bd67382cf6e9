/*
 * test_crash.c - power cuts at every call that changes the disk: afterwards the store opens, has everything up to the last
 * sync, in order and once, and nothing that was not appended; verify is content; and it goes on.
 */
#include "store_model.h"

enum { STEPS = 260, MORE_STEPS = 40 };

/* The same history each time; returns the time up to which it was flushed, INT64_MIN for nothing. */
static int64_t history(struct model *m, struct nv_fs *disk, bool *ret_opened)
{
    struct nv_store_options options = {
        .fs = disk, .block_ms = 20000, .now_ms = model_now, .now_user = m, .wal_sync_ms = 10000};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;
    int64_t flushed = INT64_MIN;
    uint64_t there = model_random(m);

    *ret_opened = nv_store_open(&options, &store, error) == 0;
    if (!*ret_opened)
        return flushed;
    uint32_t source = model_source(store, "node");
    for (int i = 0; i < STEPS; i++) {
        model_step(m, store, source, &there);
        if (i % 7 == 0 && nv_store_flush(store) == 0)
            flushed = m->now_ms;
        if (i % 23 == 0)
            nv_store_maintain(store);
        if (i == STEPS / 2)
            model_renew(m);
    }
    nv_store_close(store);
    return flushed;
}

static uint64_t count_changes(void)
{
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct model m;
    bool opened;

    model_begin(&m, "a", 5, 24);
    history(&m, disk, &opened);
    uint64_t n = nv_memory_fs_calls(disk, NV_MEMORY_FS_CHANGES);
    model_end(&m);
    model_disk_done(disk, ops);
    return n;
}

static void cut_at(uint64_t call, size_t torn, bool names)
{
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct model m;
    bool opened;
    int64_t from, to;

    model_begin(&m, "a", 5, 24);
    nv_memory_fs_fail(disk, NV_MEMORY_FS_CHANGES, call, UINT64_MAX, -EIO, torn);
    int64_t flushed = history(&m, disk, &opened);
    nv_memory_fs_fail(disk, NV_MEMORY_FS_CHANGES, 0, 0, 0, 0);
    nv_memory_fs_cut(disk, torn, names);

    model_restart(&m);
    struct nv_store *store = model_open(&m, disk);
    nv_store_queryable(store)->range(store, &from, &to);
    ck_assert_msg(to >= flushed, "call %" PRIu64 ": flushed to %" PRId64 ", has %" PRId64, call,
                  flushed, to);
    model_forget(&m, to);
    model_compare(&m, store, 0, INT64_MAX);
    model_verify(disk);
    uint32_t source = model_source(store, "node");
    uint64_t there = model_random(&m);
    if (to > 0) /* a longer pause would make sections stale that are not observed at once */
        m.now_ms = to;
    for (int i = 0; i < MORE_STEPS; i++) {
        model_step(&m, store, source, &there);
        if (i % 10 == 0)
            nv_store_maintain(store);
    }
    ck_assert_int_eq(nv_store_flush(store), 0);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}

START_TEST(a_power_cut_at_any_call_loses_nothing_that_was_synced)
{
    static const size_t torn[] = {0, 1, 9, 100000};
    uint64_t n = count_changes();

    ck_assert_uint_gt(n, 100);
    for (uint64_t call = 0; call < n; call++)
        cut_at(call, torn[(call + (uint64_t)_i) % 4], (call + (uint64_t)_i) % 3 == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/crash");
    TCase *test = tcase_create("crash");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_loop_test(test, a_power_cut_at_any_call_loses_nothing_that_was_synced, 0, 4);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
