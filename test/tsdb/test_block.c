/*
 * test_block.c - a block gives back what was put in: groups, sparse series, histograms, deletions; by many at once.
 */
#include "blocks.h"

#include <pthread.h>

START_TEST(what_was_written_is_read)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct model m;
    char name[NV_BLOCK_NAME_MAX];

    for (uint64_t seed = 1; seed <= 5; seed++) {
        make_model(&m, seed * 12345);
        write_model(fs, &m, name);
        struct nv_block *block = open_block(fs, name);
        check_model(block, &m);
        nv_block_unref(block);
        verified(fs, name);
    }
}
END_TEST

START_TEST(a_block_tells_its_span_its_level_and_how_much_it_holds)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct model m;
    char name[NV_BLOCK_NAME_MAX];
    struct nv_fs_stat st;
    uint64_t n = 0;

    make_model(&m, 1);
    write_model(fs, &m, name);
    struct nv_block *block = open_block(fs, name);
    const struct nv_block_info *info = nv_block_info(block);
    for (size_t k = 0; k < SERIES; k++)
        for (size_t i = 0; i < ROWS; i++)
            n += nv_bit(m.present[k], i);
    ck_assert_int_eq(fs->ops->stat(fs, name, &st), 0);
    ck_assert_str_eq(info->name, name);
    ck_assert_uint_eq(info->n_samples, n);
    ck_assert_uint_eq(info->bytes, st.size);
    ck_assert_uint_eq(info->level, 1);
    ck_assert_int_eq(info->from_ms, m.times[0]);
    ck_assert_int_eq(info->to_ms, m.times[ROWS - 1]);
    nv_block_unref(block);
}
END_TEST

/* Adds one series of three rows. */
static int add_small(struct nv_block_writer *writer, int group, const char *labels, double first)
{
    struct model_labels l;
    double values[3] = {first, first + 1, first + 2};

    model_labels(&l, "%s", labels);
    return nv_block_add_series(writer, (uint32_t)group, 0, l.at, l.n, NULL, values, NULL);
}

START_TEST(series_are_in_order_whatever_order_they_came_in)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct nv_block_writer *made;
    struct nv_arena arena = NV_ARENA(1 << 20);
    char name[NV_BLOCK_NAME_MAX];
    int64_t early[3] = {1, 2, 3}, late[3] = {-10, 20, 30};
    struct nv_samples samples = {0};
    const struct nv_label *labels;
    size_t n;

    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    ck_assert_int_eq(nv_block_add_group(writer, early, 3, NULL, 1), 0);
    ck_assert_int_eq(nv_block_add_group(writer, late, 3, NULL, 1), 1);
    ck_assert_int_eq(add_small(writer, 1, "c", 300), 0);
    ck_assert_int_eq(add_small(writer, 0, "a|x=2", 200), 0);
    ck_assert_int_eq(add_small(writer, 1, "a|x=1", 100), 0);
    ck_assert_int_eq(nv_block_commit(writer, 3, name), 0);

    struct nv_block *block = open_block(fs, name);
    ck_assert_int_eq(nv_block_info(block)->from_ms, -10);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(nv_block_labels(block, i, &arena, &labels, &n), 0);
        ck_assert(nv_str_is(labels[0].value, i < 2 ? "a" : "c"));
        nv_samples_reset(&samples);
        ck_assert_int_eq(nv_block_read(block, i, INT64_MIN, INT64_MAX, &samples), 0);
        ck_assert_uint_eq(samples.n, 3);
        same_double(samples.values[0], 100 * (i + 1));
        ck_assert_int_eq(samples.times[2], i == 1 ? 3 : 30);
    }
    nv_samples_done(&samples);
    nv_arena_done(&arena);
    nv_block_unref(block);
    verified(fs, name);
}
END_TEST

START_TEST(what_no_block_may_hold_is_refused)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct nv_block_writer *made;
    int64_t times[3] = {1, 2, 3}, standing[2] = {5, 5};
    char name[NV_BLOCK_NAME_MAX];
    struct nv_label unsorted[2] = {
        {NV_LIT("b"), NV_LIT("1")},
        {NV_LIT("a"), NV_LIT("1")}
    };
    double values[3] = {1, 2, 3};

    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    ck_assert_int_eq(nv_block_commit(writer, 1, name), -ENODATA);
    ck_assert_int_eq(nv_block_add_group(writer, standing, 2, NULL, 1), -EINVAL);
    ck_assert_int_eq(nv_block_add_group(writer, times, 0, NULL, 1), -EINVAL);
    ck_assert_int_eq(nv_block_add_group(writer, times, NV_BLOCK_ROWS_MAX + 1, NULL, 1), -EFBIG);
    int group = nv_block_add_group(writer, times, 3, NULL, 1);
    ck_assert_int_eq(group, 0);
    ck_assert_int_eq(nv_block_add_series(writer, 0, 0, unsorted, 2, NULL, values, NULL), -EINVAL);
    uint64_t two = 3, three = 7;
    const uint64_t *observed[1] = {&two};
    ck_assert_int_eq(nv_block_add_group(writer, times, 3, observed, 1), 1);
    ck_assert_int_eq(nv_block_add_series(writer, 1, 0, unsorted, 1, &three, values, NULL), -EINVAL);
    ck_assert_int_eq(add_small(writer, group, "a", 1), 0);
    ck_assert_int_eq(add_small(writer, group, "a", 1), 0);
    ck_assert_int_eq(nv_block_commit(writer, 1, name), -EEXIST);
}
END_TEST

START_TEST(a_writer_given_up_leaves_nothing)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct nv_block_writer *writer;
    int64_t times[3] = {1, 2, 3};
    struct nv_str *names;
    size_t n;

    ck_assert_int_eq(nv_block_writer_new(fs, &writer), 0);
    ck_assert_int_eq(nv_block_add_group(writer, times, 3, NULL, 1), 0);
    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert(nv_str_starts(names[0], NV_BLOCK_UNFINISHED));
    nv_block_writer_free(writer);
    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    ck_assert_uint_eq(n, 0);
    nv_arena_done(&arena);
}
END_TEST

/* ---- what columns are based on -------------------------------------------------------------- */

struct tally {
    size_t copies, multiples, constants, n;
    uint64_t bytes;
};

static int tally(void *user, uint32_t series, const struct nv_label *labels, size_t n_labels,
                 const char *codec, uint64_t bytes, uint64_t samples)
{
    struct tally *t = user;

    (void)series, (void)labels, (void)n_labels;
    t->copies += strcmp(codec, "copy") == 0;
    t->multiples += strcmp(codec, "multiple") == 0;
    t->constants += strcmp(codec, "constant") == 0;
    t->bytes += bytes;
    t->n += samples;
    return 0;
}

START_TEST(copies_and_multiples_cost_next_to_nothing)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct nv_block_writer *made;
    static int64_t times[1000];
    static double values[5][1000];
    uint64_t random = 99;
    char name[NV_BLOCK_NAME_MAX];
    struct model_labels l;
    struct tally t = {0};

    for (size_t i = 0; i < 1000; i++) {
        times[i] = (int64_t)i * 1000;
        values[0][i] = (double)(model_random(&random) >> 12);
        values[1][i] = values[0][i] * 512;
        values[2][i] = values[0][i] * 0.25;
        values[3][i] = values[0][i];
        values[4][i] = i == 500 ? 1 : values[0][i];
    }
    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    ck_assert_int_eq(nv_block_add_group(writer, times, 1000, NULL, 1), 0);
    for (int k = 0; k < 5; k++) {
        model_labels(&l, "z%d", 9 - k); /* so that bases are renumbered */
        ck_assert_int_eq(nv_block_add_series(writer, 0, 0, l.at, l.n, NULL, values[k], NULL), 0);
    }
    ck_assert_int_eq(nv_block_commit(writer, 1, name), 0);
    struct nv_block *block = open_block(fs, name);
    ck_assert_int_eq(nv_block_analyze(block, tally, &t), 0);
    ck_assert_uint_eq(t.copies, 1);
    ck_assert_uint_eq(t.multiples, 2);
    ck_assert_uint_eq(t.n, 5000);
    struct nv_samples samples = {0};
    for (uint32_t k = 0; k < 5; k++) {
        nv_samples_reset(&samples);
        ck_assert_int_eq(nv_block_read(block, 4 - k, INT64_MIN, INT64_MAX, &samples), 0);
        ck_assert_mem_eq(samples.values, values[k], sizeof(values[k]));
    }
    nv_samples_done(&samples);
    nv_block_unref(block);
    verified(fs, name);
}
END_TEST

/* ---- sparse series and histograms ----------------------------------------------------------- */

static void sparse_samples(struct nv_samples *samples, bool starts)
{
    ck_assert_int_eq(nv_samples_room(samples, 100), 0);
    samples->n = 100;
    for (size_t i = 0; i < 100; i++) {
        samples->times[i] = (int64_t)(i * i) * 977 - 5000;
        samples->values[i] = i % 10 == 9 ? nv_stale() : (double)i / 3;
    }
    if (!starts)
        return;
    samples->starts = calloc(samples->room, sizeof(*samples->starts));
    for (size_t i = 0; i < 100; i++)
        samples->starts[i] = i < 50 ? 0 : -4999;
}

START_TEST(sparse_series_keep_times_starts_and_markers)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct nv_block_writer *made;
    struct nv_samples with = {0}, without = {0}, got = {0};
    struct model_labels a, b;
    char name[NV_BLOCK_NAME_MAX];

    sparse_samples(&with, true);
    sparse_samples(&without, false);
    model_labels(&a, "a");
    model_labels(&b, "b");
    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    ck_assert_int_eq(nv_block_add_sparse(writer, b.at, b.n, &without), 0);
    ck_assert_int_eq(nv_block_add_sparse(writer, a.at, a.n, &with), 0);
    ck_assert_int_eq(nv_block_commit(writer, 1, name), 0);

    struct nv_block *block = open_block(fs, name);
    ck_assert_int_eq(nv_block_info(block)->from_ms, -5000);
    ck_assert_int_eq(nv_block_read(block, 1, INT64_MIN, INT64_MAX, &got), 0);
    ck_assert_ptr_null(got.starts);
    ck_assert_int_eq(nv_block_read(block, 0, with.times[60], with.times[70], &got), 0);
    ck_assert_uint_eq(got.n, 111);
    ck_assert_mem_eq(got.times, without.times, 100 * sizeof(*got.times));
    ck_assert_mem_eq(got.values, without.values, 100 * sizeof(*got.values));
    ck_assert_mem_eq(got.times + 100, with.times + 60, 11 * sizeof(*got.times));
    ck_assert_mem_eq(got.values + 100, with.values + 60, 11 * sizeof(*got.values));
    ck_assert_mem_eq(got.starts + 100, with.starts + 60, 11 * sizeof(*got.starts));
    ck_assert_int_eq(got.starts[99], 0);
    nv_block_unref(block);
    nv_samples_done(&with);
    nv_samples_done(&without);
    nv_samples_done(&got);
    verified(fs, name);
}
END_TEST

START_TEST(histograms_may_stand_among_doubles)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct nv_block_writer *made;
    int64_t times[64];
    double values[64], counts[64][3];
    struct nv_span spans[64];
    struct nv_histogram histograms[64];
    const struct nv_histogram *given[64];
    uint64_t present = UINT64_MAX & ~(UINT64_C(1) << 40);
    struct model_labels l;
    char name[NV_BLOCK_NAME_MAX];
    struct nv_samples got = {0};

    for (int i = 0; i < 64; i++) {
        times[i] = i * 1000;
        values[i] = i;
        counts[i][0] = i, counts[i][1] = 2 * i, counts[i][2] = 5;
        spans[i] = (struct nv_span){-1, 3};
        histograms[i] = (struct nv_histogram){.schema = 2,
                                              .zero_threshold = 1e-9,
                                              .count = 3 * i + 5,
                                              .sum = i == 30 ? nv_stale() : i * 1.5,
                                              .positive_spans = &spans[i],
                                              .n_positive_spans = 1,
                                              .positive = counts[i],
                                              .n_positive = 3};
        given[i] = i % 8 == 5 ? NULL : &histograms[i];
    }
    model_labels(&l, "h");
    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    ck_assert_int_eq(nv_block_add_group(writer, times, 64, NULL, 1), 0);
    ck_assert_int_eq(nv_block_add_series(writer, 0, 0, l.at, l.n, &present, values, given), 0);
    ck_assert_int_eq(nv_block_commit(writer, 1, name), 0);

    struct nv_block *block = open_block(fs, name);
    ck_assert_int_eq(nv_block_read(block, 0, INT64_MIN, INT64_MAX, &got), 0);
    ck_assert_uint_eq(got.n, 64);
    for (int row = 0, i = 0; row < 64; row++) {
        if (row == 40) {
            ck_assert(nv_is_stale(got.values[row]));
            ck_assert_ptr_null(got.histograms[row]);
            continue;
        }
        ck_assert_int_eq(got.histograms[row] != NULL, given[i] != NULL);
        if (given[i]) {
            same_double(got.histograms[row]->sum, given[i]->sum);
            same_double(got.histograms[row]->positive[1], given[i]->positive[1]);
            ck_assert(isnan(got.values[row]));
        } else {
            same_double(got.values[row], values[i]);
        }
        i++;
    }
    nv_samples_done(&got);
    nv_block_unref(block);
    verified(fs, name);
}
END_TEST

/* ---- merging and deleting ------------------------------------------------------------------- */

/* What a merge does: everything out of one block and into the next. */
START_TEST(what_is_taken_out_makes_the_same_block_again)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct model m;
    char name[NV_BLOCK_NAME_MAX], copy[NV_BLOCK_NAME_MAX];
    struct nv_arena arena = NV_ARENA(8 << 20);
    struct nv_block_writer *made;
    struct nv_block_group group;
    struct nv_block_column column;
    const struct nv_label *labels;
    size_t n;

    make_model(&m, 5);
    write_model(fs, &m, name);
    struct nv_block *block = open_block(fs, name);
    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    ck_assert_int_eq(nv_block_group(block, 0, &arena, &group), 0);
    ck_assert_int_eq(nv_block_group(block, 1, &arena, &group), -EINVAL);
    ck_assert_int_eq(
        nv_block_add_group(writer, group.times, group.n_rows, group.observed, group.n_sections), 0);
    for (uint32_t k = 0; k < SERIES; k++) {
        ck_assert_int_eq(nv_block_labels(block, k, &arena, &labels, &n), 0);
        ck_assert_int_eq(nv_block_column(block, k, &arena, &column), 0);
        ck_assert_int_eq(nv_block_add_series(writer, column.group, column.section, labels, n,
                                             column.present, column.values, column.histograms),
                         0);
    }
    ck_assert_int_eq(nv_block_commit(writer, 2, copy), 0);
    nv_block_unref(block);
    block = open_block(fs, copy);
    check_model(block, &m);
    nv_block_unref(block);
    nv_arena_done(&arena);
}
END_TEST

START_TEST(what_is_deleted_stays_deleted)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct model m;
    char name[NV_BLOCK_NAME_MAX], marks[NV_BLOCK_NAME_MAX + 16];
    uint32_t some[] = {7, 3, 7}, none[] = {SERIES};
    struct nv_samples got = {0};
    int64_t from, to;

    make_model(&m, 5);
    write_model(fs, &m, name);
    struct nv_block *block = open_block(fs, name);
    ck_assert(!nv_block_has_marks(block));
    ck_assert_int_eq(nv_block_delete(block, none, 1, 0, 1), -EINVAL);
    ck_assert_int_eq(nv_block_delete(block, some, 2, m.times[100], m.times[199]), 0);
    ck_assert_int_eq(nv_block_delete(block, some, 1, m.times[250], INT64_MAX), 0);
    nv_memory_fs_cut(fs, 0, false);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(nv_block_read(block, 3, m.times[100], m.times[199], &got), 0);
        ck_assert_int_eq(nv_block_read(block, 7, m.times[250], INT64_MAX, &got), 0);
        ck_assert_uint_eq(got.n, 0);
        check_read(block, 7, &m, 7, INT64_MIN, m.times[99]);
        check_read(block, 7, &m, 7, m.times[200], m.times[249]);
        check_read(block, 3, &m, 3, m.times[200], INT64_MAX);
        check_read(block, 4, &m, 4, INT64_MIN, INT64_MAX);
        ck_assert(nv_block_mark(block, 7, 1, &from, &to));
        ck_assert_int_eq(from, m.times[250]);
        ck_assert(!nv_block_mark(block, 7, 2, &from, &to));
        ck_assert(!nv_block_mark(block, 4, 0, &from, &to));
        nv_block_unref(block);
        block = open_block(fs, name);
    }
    verified(fs, name);

    /* A mark that was torn off was not promised, and does not spoil the next. */
    snprintf(marks, sizeof(marks), "%s" NV_BLOCK_MARKS, name);
    nv_memory_fs_fail(fs, NV_MEMORY_FS_WRITES, 1, 1, -EIO, 13);
    ck_assert_int_eq(nv_block_delete(block, some, 1, m.times[0], m.times[5]), -EIO);
    check_read(block, 7, &m, 7, INT64_MIN, m.times[99]);
    verified(fs, name);
    ck_assert_int_eq(nv_block_delete(block, some, 1, m.times[0], m.times[5]), 0);
    nv_block_unref(block);
    block = open_block(fs, name);
    ck_assert(nv_block_mark(block, 7, 2, &from, &to));
    nv_block_unref(block);

    size_t n;
    unsigned char *bytes = nv_memory_fs_bytes(fs, marks, &n);
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= 0x10;
        ck_assert_int_lt(nv_block_open(fs, NULL, name, &block), 0);
        bytes[i] ^= 0x10;
    }
    nv_samples_done(&got);
}
END_TEST

/* ---- many readers --------------------------------------------------------------------------- */

struct shared {
    struct nv_block *block;
    const struct model *m;
};

static void *read_all(void *user)
{
    const struct shared *shared = user;

    for (int i = 0; i < 2; i++)
        check_model(shared->block, shared->m);
    return NULL;
}

START_TEST(a_small_cache_serves_many_readers)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct model m;
    struct nv_block_cache *cache = nv_block_cache_new(16 << 10); /* so that all are evicted again */
    char name[NV_BLOCK_NAME_MAX];
    pthread_t threads[4];
    struct shared shared = {.m = &m};

    make_model(&m, 77);
    write_model(fs, &m, name);
    ck_assert_int_eq(nv_block_open(fs, cache, name, &shared.block), 0);
    for (size_t i = 0; i < NV_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_all, &shared), 0);
    for (size_t i = 0; i < NV_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    nv_block_unref(shared.block);
    nv_block_cache_free(cache);
}
END_TEST

static void *delete_again_and_again(void *user)
{
    const struct shared *shared = user;
    uint32_t seven = 7;

    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(nv_block_delete(shared->block, &seven, 1, i, i), 0);
    return NULL;
}

START_TEST(readers_go_on_while_something_is_deleted)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct model m;
    char name[NV_BLOCK_NAME_MAX];
    pthread_t threads[3];
    struct shared shared = {.m = &m};

    make_model(&m, 78);
    write_model(fs, &m, name);
    shared.block = open_block(fs, name);
    for (size_t i = 0; i < NV_LEN(threads); i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, i ? read_all : delete_again_and_again, &shared), 0);
    for (size_t i = 0; i < NV_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    nv_block_unref(shared.block);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block");
    TCase *tcase = tcase_create("block");

    tcase_add_test(tcase, what_was_written_is_read);
    tcase_add_test(tcase, a_block_tells_its_span_its_level_and_how_much_it_holds);
    tcase_add_test(tcase, series_are_in_order_whatever_order_they_came_in);
    tcase_add_test(tcase, what_no_block_may_hold_is_refused);
    tcase_add_test(tcase, a_writer_given_up_leaves_nothing);
    tcase_add_test(tcase, copies_and_multiples_cost_next_to_nothing);
    tcase_add_test(tcase, sparse_series_keep_times_starts_and_markers);
    tcase_add_test(tcase, histograms_may_stand_among_doubles);
    tcase_add_test(tcase, what_is_taken_out_makes_the_same_block_again);
    tcase_add_test(tcase, what_is_deleted_stays_deleted);
    tcase_add_test(tcase, a_small_cache_serves_many_readers);
    tcase_add_test(tcase, readers_go_on_while_something_is_deleted);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
