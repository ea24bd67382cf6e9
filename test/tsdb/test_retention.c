/*
 * test_retention.c - what is allowed is never exceeded, what cannot be written costs history only, and a clock may do what
 * it likes.
 */
#include "store_model.h"

static uint64_t bytes_in(struct nv_fs *fs)
{
    struct nv_arena arena = NV_ARENA(1 << 24);
    struct nv_fs_stat stat;
    struct nv_str *names;
    uint64_t total = 0;
    size_t n;

    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    for (size_t i = 0; i < n; i++)
        if (fs->ops->stat(fs, names[i].p, &stat) == 0 && !stat.is_dir)
            total += stat.size;
    nv_arena_done(&arena);
    return total;
}

START_TEST(the_directory_stays_within_its_size)
{
    const struct nv_store_options how = {
        .block_ms = 60000, .wal_sync_ms = 1000, .retention_bytes = 300000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 3, MODEL_SERIES);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "node");
    uint64_t there = UINT64_MAX;

    for (int i = 0; i < 6000; i++) {
        model_step(&m, store, source, &there);
        nv_store_maintain(store);
        uint64_t bytes = bytes_in(disk);
        ck_assert_msg(bytes <= how.retention_bytes, "%" PRIu64 " bytes after %d steps", bytes, i);
    }
    nv_store_stats(store, &stats);
    ck_assert_uint_gt(stats.retained_blocks_dropped, 0);
    ck_assert_uint_gt(stats.block_bytes, how.retention_bytes / 3);
    ck_assert_uint_eq(stats.log_bytes + stats.block_bytes + stats.other_bytes, bytes_in(disk));
    model_compare(&m, store, m.now_ms - 100000, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

START_TEST(blocks_older_than_the_retention_time_go)
{
    const struct nv_store_options how = {
        .block_ms = 60000, .wal_sync_ms = 1000, .retention_ms = 1000000};
    struct model m;
    model_begin(&m, "a", 3, 8);
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t source = model_source(store, "node");
    uint64_t there = UINT64_MAX;
    int64_t from, to;

    for (int i = 0; i < 4000; i++) {
        model_step(&m, store, source, &there);
        nv_store_maintain(store);
    }
    nv_store_queryable(store)->range(store, &from, &to);
    ck_assert_int_ge(m.now_ms - from, 1000000);
    ck_assert_int_le(m.now_ms - from, 1000000 + 200000);
    model_compare(&m, store, m.now_ms - 1000000, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

/* A disk that is full, or fails, from step 500 to 900: all that is in memory can be read, and what was appended meanwhile
 * comes to the disk after all, since memory still had it. */
START_TEST(a_bad_disk_costs_nothing_that_memory_can_hold)
{
    static const int errors[] = {-ENOSPC, -EIO, -EROFS};
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 3, MODEL_SERIES);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "node");
    uint64_t there = UINT64_MAX;

    for (int i = 0; i < 1200; i++) {
        if (i == 500)
            nv_memory_fs_fail(disk, NV_MEMORY_FS_CHANGES, 0, UINT64_MAX, errors[_i], 7);
        if (i == 900) {
            nv_store_stats(store, &stats);
            ck_assert_int_eq(stats.disk_error, errors[_i]);
            ck_assert_uint_gt(stats.dropped_disk, 0);
            model_compare(&m, store, 0, INT64_MAX);
            nv_memory_fs_fail(disk, 0, 0, 0, 0, 0);
        }
        model_step(&m, store, source, &there);
        nv_store_maintain(store);
    }
    nv_store_stats(store, &stats);
    ck_assert_int_eq(stats.disk_error, 0);
    ck_assert_int_eq(nv_store_flush(store), 0);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_restart(&m);
    store = model_open_with(&m, disk, &how);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

START_TEST(a_clock_that_goes_back_is_dropped_until_it_has_caught_up)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 3, 8);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "node");
    uint64_t dropped = 0;

    for (int i = 0; i < 1000; i++) {
        m.now_ms += i == 300   ? 7 * 86400000LL
                    : i == 600 ? -30000
                               : 1000; /* suspend, and a step back */
        bool back = i >= 600 && i < 631;
        struct nv_frame *frame = model_frame(&m, 0xff, 0xf, !back);
        int r = nv_store_append(store, source, frame);
        ck_assert_int_eq(r, back ? NV_STORE_NOT_NEWER : 0);
        dropped += back;
        nv_frame_unref(frame);
        nv_store_maintain(store);
        if (i == 610) { /* a restart does not forget how far it was */
            nv_store_stats(store, &stats);
            ck_assert_uint_eq(stats.dropped_not_newer, dropped);
            nv_store_close(store);
            model_restart(&m);
            store = model_open_with(&m, disk, &how);
            source = model_source(store, "node");
        }
    }
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

START_TEST(a_second_writer_is_refused)
{
    char path[] = "/tmp/nodevitals-store-XXXXXX", error[NV_STORE_ERROR_MAX];
    struct nv_store_options options = {.block_ms = 60000};
    struct nv_store *store, *second;

    ck_assert_ptr_nonnull(mkdtemp(path));
    ck_assert_int_eq(nv_fs_open(path, &options.fs), 0);
    ck_assert_int_eq(nv_store_open(&options, &store, error), 0);
    ck_assert_int_eq(nv_fs_open(path, &options.fs), 0);
    ck_assert_int_eq(nv_store_open(&options, &second, error), -EWOULDBLOCK);
    ck_assert_ptr_nonnull(strstr(error, "another process"));
    ck_assert_int_eq(nv_fs_open(path, &options.fs), 0);
    options.read_only = true;
    ck_assert_int_eq(nv_store_open(&options, &second, error), 0);
    nv_store_close(second);
    nv_store_close(store);
    char lock[sizeof(path) + 8];
    snprintf(lock, sizeof(lock), "%s/lock", path);
    unlink(lock);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(memory_and_pages_stay_bounded_when_series_come_and_go)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 3, MODEL_SERIES);
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t source = model_source(store, "node");
    unsigned fresh = 0;
    uint64_t early = 0;

    for (int i = 0; i < 3000; i++) {
        m.now_ms += 1000;
        struct model_series *s = &m.series[fresh % MODEL_SERIES]; /* another takes its place */
        snprintf(s->id, sizeof(s->id), "n%u", fresh++);
        s->generation = 0;
        s->live = false;
        s->n = 0;
        if (nv_store_begins_page(store, source))
            model_renew(&m);
        struct nv_frame *frame = model_frame(&m, UINT64_MAX, 0xf, false);
        ck_assert_int_eq(nv_store_append(store, source, frame), 0);
        nv_frame_unref(frame);
        nv_store_maintain(store);
        nv_store_stats(store, &stats);
        ck_assert_uint_lt(stats.series, 2000);
        if (i == 1000)
            early = stats.memory_bytes;
    }
    ck_assert_uint_lt(stats.memory_bytes, 2 * early);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/retention");
    TCase *test = tcase_create("retention");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_test(test, the_directory_stays_within_its_size);
    tcase_add_test(test, blocks_older_than_the_retention_time_go);
    tcase_add_loop_test(test, a_bad_disk_costs_nothing_that_memory_can_hold, 0, 3);
    tcase_add_test(test, a_clock_that_goes_back_is_dropped_until_it_has_caught_up);
    tcase_add_test(test, a_second_writer_is_refused);
    tcase_add_test(test, memory_and_pages_stay_bounded_when_series_come_and_go);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
