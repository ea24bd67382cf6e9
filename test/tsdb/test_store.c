/*
 * test_store.c - the store against a model, under random frames: what goes in comes out, from memory, from pages, from
 * blocks, across generations and restarts.
 */
#include "store_model.h"

START_TEST(what_was_appended_is_read_from_memory)
{
    struct model m;
    model_begin(&m, "a", 1, 8);
    struct nv_store *store = model_open(&m, NULL);
    uint32_t source = model_source(store, "node");
    uint64_t there = 0xff;

    for (int i = 0; i < 300; i++) {
        model_step(&m, store, source, &there);
        if (i % 50 == 0)
            model_compare(&m, store, 0, INT64_MAX);
    }
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

START_TEST(pages_and_blocks_answer_as_memory_does)
{
    struct model m;
    model_begin(&m, "a", 2 + (uint64_t)_i, MODEL_SERIES);
    struct nv_store *store = model_open(&m, nv_memory_fs_new());
    uint32_t source = model_source(store, "node");
    uint64_t there = model_random(&m);

    for (int i = 0; i < 3000; i++) {
        model_step(&m, store, source, &there);
        if (model_random(&m) % 16 == 0)
            nv_store_maintain(store);
        if (model_random(&m) % 400 == 0)
            model_renew(&m);
        if (i % 500 == 499)
            model_compare(&m, store, m.now_ms - (int64_t)(model_random(&m) % 3000000),
                          m.now_ms - (int64_t)(model_random(&m) % 1000));
    }
    struct nv_store_stats stats;
    nv_store_stats(store, &stats);
    ck_assert_uint_gt(stats.blocks, 1);
    ck_assert_uint_eq(stats.dropped_conflict, 0);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

START_TEST(restarts_change_nothing)
{
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct model m;
    model_begin(&m, "a", 100 + (uint64_t)_i, MODEL_SERIES);
    struct nv_store *store = model_open(&m, disk);
    uint32_t source = model_source(store, "node");
    uint64_t there = model_random(&m);

    for (int i = 0; i < 3000; i++) {
        model_step(&m, store, source, &there);
        if (model_random(&m) % 16 == 0)
            nv_store_maintain(store);
        if (model_random(&m) % 300)
            continue;
        nv_store_close(store);
        model_verify(disk);
        model_restart(&m);
        store = model_open(&m, disk);
        source = model_source(store, "node");
        model_compare(&m, store, 0, INT64_MAX);
    }
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/store");
    TCase *test = tcase_create("store");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 120);
    tcase_add_test(test, what_was_appended_is_read_from_memory);
    tcase_add_loop_test(test, pages_and_blocks_answer_as_memory_does, 0, 4);
    tcase_add_loop_test(test, restarts_change_nothing, 0, 4);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
