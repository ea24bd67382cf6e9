/*
 * test_admin.c - what an operator asks for: snapshots, deleting, what is in memory.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "store_model.h"
#include "support/fixture.h"

static const char *temp_path(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    return path;
}

static struct nv_store *open_dir(struct model *m, const char *path)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    struct nv_fs *fs;

    ck_assert_int_eq(nv_fs_open(path, &fs), 0);
    return model_open_with(m, fs, &how);
}

static struct nv_store *open_snapshot(const char *path, const char *name)
{
    char error[NV_STORE_ERROR_MAX], full[1024];
    struct nv_store *store;

    snprintf(full, sizeof(full), "%s/snapshots/%s", path, name);
    ck_assert_int_eq(nv_store_open_to_read(full, &store, error), 0);
    return store;
}

/* ---- snapshots ------------------------------------------------------------------------------ */

START_TEST(a_snapshot_is_a_store_with_what_was_there)
{
    struct nv_matcher id = {NV_MATCH_EQUAL, NV_LIT("id"), NV_LIT("001"), NULL};
    const char *path = temp_path("snapshot");
    char name[NV_BLOCK_NAME_MAX], without[NV_BLOCK_NAME_MAX];
    int64_t from, to;
    struct model m;
    model_begin(&m, "a", 5, 4);
    struct nv_store *store = open_dir(&m, path);
    uint32_t source = model_source(store, "node");
    int64_t begin = m.now_ms;

    for (int i = 0; i < 200; i++) {
        m.now_ms += 1000;
        model_append(&m, store, source, i % 50 ? 0xf : 0x7, 0xf);
        nv_store_maintain(store);
    }
    ck_assert_int_eq(nv_store_delete(store, &id, 1, begin, m.now_ms), 0);
    m.series[1].n = 0;
    ck_assert_int_eq(nv_store_snapshot(store, false, name), 0);
    ck_assert_int_eq(nv_store_snapshot(store, true, without), 0);
    ck_assert_uint_eq(strlen(name), strlen("20231114T221640Z-0123456789abcdef"));
    ck_assert_int_eq(strncmp(name, "20231114T221640Z-", 17), 0);

    struct nv_store *copy = open_snapshot(path, name);
    model_compare(&m, copy, 0, INT64_MAX);
    nv_store_close(copy);
    copy = open_snapshot(path, without);
    nv_store_queryable(copy)->range(copy, &from, &to);
    ck_assert_int_gt(from, begin);
    ck_assert_int_lt(to, m.now_ms);
    nv_store_close(copy);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

START_TEST(who_only_reads_or_keeps_all_in_memory_is_refused)
{
    struct nv_matcher id = {NV_MATCH_EQUAL, NV_LIT("id"), NV_LIT("001"), NULL};
    const char *path = temp_path("refused");
    char name[NV_BLOCK_NAME_MAX], error[NV_STORE_ERROR_MAX];
    struct nv_store *reader;
    struct model m;
    model_begin(&m, "a", 5, 4);

    nv_store_close(open_dir(&m, path));
    ck_assert_int_eq(nv_store_open_to_read(path, &reader, error), 0);
    ck_assert_int_eq(nv_store_snapshot(reader, false, name), -EROFS);
    ck_assert_int_eq(nv_store_delete(reader, &id, 1, 0, 1), -EROFS);
    ck_assert_int_eq(nv_store_clean(reader), -EROFS);
    nv_store_close(reader);
    struct nv_store *memory = model_open(&m, NULL);
    ck_assert_int_eq(nv_store_snapshot(memory, false, name), -EOPNOTSUPP);
    ck_assert_int_eq(nv_store_delete(memory, &id, 0, 0, 1), -EINVAL);
    ck_assert_int_eq(nv_store_delete(memory, &id, 1, 0, 1), 0);
    ck_assert_int_eq(nv_store_clean(memory), 0);
    nv_store_close(memory);
    model_end(&m);
}
END_TEST

/* ---- what is in memory ---------------------------------------------------------------------- */

static uint64_t count_of(const struct nv_store_counts *counts, const char *name)
{
    for (size_t i = 0; i < counts->n; i++)
        if (nv_str_is(counts->at[i].name, name))
            return counts->at[i].n;
    return UINT64_MAX;
}

START_TEST(what_is_in_memory_is_counted_by_label)
{
    struct nv_store_head head;
    struct model m;
    model_begin(&m, "a", 5, 12);
    struct nv_store *store = model_open(&m, NULL);
    uint32_t source = model_source(store, "node");

    ck_assert_int_eq(nv_store_head(store, 10, &head), 0);
    ck_assert_uint_eq(head.series + head.label_pairs + head.pages + head.chunks + head.values.n, 0);
    ck_assert_int_gt(head.from_ms, head.to_ms);
    nv_store_head_done(&head);
    for (int i = 0; i < 100; i++) {
        m.now_ms += 1000;
        model_append(&m, store, source, 0xfff, 0xf);
    }
    nv_store_maintain(store);
    ck_assert_int_eq(nv_store_head(store, 10, &head), 0);
    ck_assert_uint_eq(head.series, 12);
    ck_assert_uint_eq(head.label_pairs, 12 + 3);
    ck_assert_uint_eq(head.pages, 1);
    ck_assert_uint_eq(head.chunks, 1);
    ck_assert_uint_eq(head.columns, 24);
    ck_assert_int_eq(head.to_ms, m.now_ms);
    ck_assert_int_eq(head.from_ms, m.now_ms - 99000);

    ck_assert_uint_eq(head.by_metric.n, 1);
    ck_assert_uint_eq(count_of(&head.by_metric, "m_value"), 12);
    ck_assert_uint_eq(head.values.n, 4);
    ck_assert_str_eq(head.values.at[0].name.p, "id");
    ck_assert_str_eq(head.values.at[1].name.p, "__name__");
    ck_assert_uint_eq(count_of(&head.values, "id"), 12);
    ck_assert_uint_eq(count_of(&head.values, "job"), 1);
    ck_assert_uint_eq(count_of(&head.bytes, "id"), 12 * 3);
    ck_assert_uint_eq(count_of(&head.bytes, "instance"), 12 * 6);
    ck_assert_uint_eq(head.by_pair.n, 10);
    ck_assert_str_eq(head.by_pair.at[0].name.p, "__name__=m_value");
    ck_assert_uint_eq(count_of(&head.by_pair, "job=a"), 12);
    ck_assert_uint_eq(count_of(&head.by_pair, "id=000"), 1);
    nv_store_head_done(&head);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/admin");
    TCase *test = tcase_create("admin");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 60);
    tcase_add_test(test, a_snapshot_is_a_store_with_what_was_there);
    tcase_add_test(test, who_only_reads_or_keeps_all_in_memory_is_refused);
    tcase_add_test(test, what_is_in_memory_is_counted_by_label);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
