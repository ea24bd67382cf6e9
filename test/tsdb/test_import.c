/*
 * test_import.c - samples in any order become blocks that hold just these samples.
 */
#include <check.h>
#include <errno.h>

#include "support/memory_fs.h"
#include "tsdb/import.h"

enum { GIVEN_MAX = 1 << 20, SERIES_MAX = 64, TEXT_MAX = 256 << 20 };

struct given {
    unsigned series;
    int64_t time_ms;
    double value;
    size_t order;
};

static struct given given[GIVEN_MAX];
static size_t n_given;
static struct nv_fs *fs;

static void give(unsigned series, int64_t time_ms, double value)
{
    ck_assert_uint_lt(n_given, GIVEN_MAX);
    given[n_given] = (struct given){series, time_ms, value, n_given};
    n_given++;
}

static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Labels of a series by its number. */
static void labels_of(unsigned series, char text[32], struct nv_label labels[2])
{
    int n = snprintf(text, 32, "%u", series);

    labels[0] = (struct nv_label){NV_LIT("__name__"), series % 2 ? nv_str("odd") : nv_str("even")};
    labels[1] = (struct nv_label){
        NV_LIT("n"), {text, (size_t)n}
    };
}

static void set_up(void)
{
    fs = nv_memory_fs_new();
    ck_assert_ptr_nonnull(fs);
    n_given = 0;
}

static void tear_down(void)
{
    nv_fs_free(fs);
}

/* ---- in, and out again ---------------------------------------------------------------------- */

static int import_all(size_t memory, int64_t span_ms, struct nv_import_stats *stats)
{
    const struct nv_import_options options = {.fs = fs, .memory = memory, .span_ms = span_ms};
    NV_AUTO(nv_import) *import = NULL;
    int r = nv_import_new(&options, &import);

    for (size_t i = 0; i < n_given && r == 0; i++) {
        struct nv_label labels[2];
        char text[32];
        uint32_t number;
        labels_of(given[i].series, text, labels);
        r = nv_import_series(import, labels, 2, &number);
        if (r == 0)
            r = nv_import_add(import, number, given[i].time_ms, given[i].value);
    }
    return r < 0 ? r : nv_import_finish(import, stats);
}

static void line(struct nv_buf *out, struct nv_str name, struct nv_str number, int64_t time_ms,
                 double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    nv_buf_printf(out, "%.*s %.*s %lld %016llx\n", NV_ARGS(name), NV_ARGS(number),
                  (long long)time_ms, (unsigned long long)bits);
}

static int by_series_and_time(const void *a, const void *b)
{
    const struct given *x = a, *y = b;

    if (x->series % 2 != y->series % 2)
        return x->series % 2 ? 1 : -1;
    if (x->series != y->series) { /* as text */
        char s[16], t[16];
        snprintf(s, sizeof(s), "%u", x->series);
        snprintf(t, sizeof(t), "%u", y->series);
        return strcmp(s, t);
    }
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* What was given: sorted, of equal times the last. */
static void print_given(struct nv_buf *out)
{
    static struct given sorted[GIVEN_MAX];

    memcpy(sorted, given, n_given * sizeof(*sorted));
    qsort(sorted, n_given, sizeof(*sorted), by_series_and_time);
    for (size_t i = 0; i < n_given; i++) {
        struct nv_label labels[2];
        char text[32];
        if (i + 1 < n_given && sorted[i + 1].series == sorted[i].series &&
            sorted[i + 1].time_ms == sorted[i].time_ms)
            continue;
        labels_of(sorted[i].series, text, labels);
        line(out, labels[0].value, labels[1].value, sorted[i].time_ms, sorted[i].value);
    }
}

/* All series of one block, appended to what stands of them already. */
static void read_block(struct nv_block *block, struct nv_buf *by_series)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(SIZE_MAX)};
    struct nv_arena arena = NV_ARENA(SIZE_MAX);
    const struct nv_block_info *info = nv_block_info(block);

    for (uint32_t i = 0; i < info->n_series; i++) {
        const struct nv_label *labels;
        size_t n;
        uint64_t number;
        ck_assert_int_eq(nv_block_labels(block, i, &arena, &labels, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert(nv_str_to_u64(labels[1].value, &number) && number < SERIES_MAX);
        nv_samples_reset(&samples);
        ck_assert_int_eq(nv_block_read(block, i, INT64_MIN, INT64_MAX, &samples), 0);
        for (size_t k = 0; k < samples.n; k++)
            line(&by_series[number], labels[0].value, labels[1].value, samples.times[k],
                 samples.values[k]);
    }
    nv_samples_done(&samples);
    nv_arena_done(&arena);
}

struct span {
    int64_t from_ms;
    struct nv_block *block;
};

static int by_time(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

/* Opens all files; there are none but good blocks. */
static size_t open_blocks(struct nv_block_cache *cache, struct span *spans, size_t max)
{
    struct nv_arena arena = NV_ARENA(SIZE_MAX);
    struct nv_str *names;
    size_t n;

    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    ck_assert_uint_le(n, max);
    for (size_t i = 0; i < n; i++) {
        NV_AUTO_BUF faults = NV_BUF(TEXT_MAX);
        ck_assert_msg(nv_str_starts(names[i], "block-"), "%s", names[i].p);
        ck_assert_msg(nv_block_verify(fs, names[i].p, &faults) == 0, "%s",
                      nv_buf_c_string(&faults));
        ck_assert_int_eq(nv_block_open(fs, cache, names[i].p, &spans[i].block), 0);
        spans[i].from_ms = nv_block_info(spans[i].block)->from_ms;
    }
    qsort(spans, n, sizeof(*spans), by_time);
    nv_arena_done(&arena);
    return n;
}

static int by_name(const void *a, const void *b)
{
    return by_series_and_time(&(struct given){.series = *(const unsigned *)a},
                              &(struct given){.series = *(const unsigned *)b});
}

static size_t print_blocks(struct nv_buf *out)
{
    static struct span spans[1024];
    struct nv_block_cache *cache = nv_block_cache_new(1 << 20);
    struct nv_buf by_series[SERIES_MAX];
    unsigned order[SERIES_MAX];
    size_t n = open_blocks(cache, spans, NV_LEN(spans));

    for (unsigned i = 0; i < SERIES_MAX; i++) {
        by_series[i] = NV_BUF(TEXT_MAX);
        order[i] = i;
    }
    for (size_t i = 0; i < n; i++) {
        read_block(spans[i].block, by_series);
        nv_block_unref(spans[i].block);
    }
    nv_block_cache_free(cache);
    qsort(order, SERIES_MAX, sizeof(*order), by_name);
    for (unsigned i = 0; i < SERIES_MAX; i++)
        nv_buf_str(out, nv_buf_view(&by_series[order[i]]));
    for (unsigned i = 0; i < SERIES_MAX; i++)
        nv_buf_done(&by_series[i]);
    return n;
}

/* Imports what was given and compares. Returns the number of blocks. */
static size_t same_comes_out(size_t memory, int64_t span_ms, struct nv_import_stats *stats)
{
    NV_AUTO_BUF expected = NV_BUF(TEXT_MAX), got = NV_BUF(TEXT_MAX);

    ck_assert_int_eq(import_all(memory, span_ms, stats), 0);
    print_given(&expected);
    size_t n = print_blocks(&got);
    ck_assert_int_eq(expected.failed | got.failed, 0);
    ck_assert_uint_eq(got.n, expected.n);
    ck_assert(expected.n == 0 || memcmp(got.p, expected.p, got.n) == 0);
    ck_assert_uint_eq(stats->samples, n_given);
    ck_assert_uint_eq(stats->written, stats->samples - stats->repeated - stats->replaced);
    ck_assert_uint_eq(stats->blocks, n);
    return n;
}

static void shuffle(void)
{
    for (size_t i = n_given; i > 1; i--) {
        size_t k = next_random() % i;
        struct given other = given[i - 1];
        given[i - 1] = given[k];
        given[k] = other;
        given[i - 1].order = i - 1;
        given[k].order = k;
    }
}

/* Scrapes of 40 series, of which some come late, end early, or miss a few. */
static void give_scrapes(size_t n, int64_t interval_ms)
{
    for (size_t row = 0; row < n; row++) {
        for (unsigned s = 0; s < 40; s++) {
            if ((s == 3 && row < n / 2) || (s == 4 && row > n / 3) || (s == 5 && row % 7 == 0))
                continue;
            give(s, 1700000000000 + (int64_t)row * interval_ms + (s > 37 ? (int64_t)s : 0),
                 (double)(next_random() % (s + 1)));
        }
    }
}

/* ---- tests ---------------------------------------------------------------------------------- */

START_TEST(nothing_comes_of_nothing)
{
    struct nv_import_stats stats;

    ck_assert_uint_eq(same_comes_out(0, 0, &stats), 0);
}
END_TEST

START_TEST(frames_come_back)
{
    struct nv_import_stats stats;

    give_scrapes(300, 15000);
    ck_assert_uint_eq(same_comes_out(0, 0, &stats), 1);
    ck_assert_uint_eq(stats.out_of_order + stats.replaced + stats.repeated + stats.spilled, 0);
    ck_assert_uint_eq(stats.series, 40);
}
END_TEST

START_TEST(any_order_gives_the_same)
{
    struct nv_import_stats stats;

    give_scrapes(300, 15000);
    shuffle();
    ck_assert_uint_eq(same_comes_out(0, 0, &stats), 1);
    ck_assert_uint_gt(stats.out_of_order, 1000);
}
END_TEST

START_TEST(what_memory_does_not_hold_is_spilled_and_comes_back)
{
    struct nv_import_stats stats;

    give_scrapes(300, 15000);
    if (_i)
        shuffle();
    for (unsigned i = 0; i < 500; i++) /* repeated and replaced across runs */
        give(i % 40, given[i].time_ms, (double)(i % 3));
    ck_assert_uint_eq(same_comes_out(NV_IMPORT_MEMORY_MIN * 4, 0, &stats), 1);
    ck_assert_uint_gt(stats.spilled, 300 * 36 * 16);
    ck_assert_uint_gt(stats.replaced, 100);
    ck_assert_uint_gt(stats.repeated, 10);
}
END_TEST

START_TEST(of_equal_times_the_last_stays)
{
    struct nv_import_stats stats;

    give(1, 1000, 1);
    give(1, 2000, 1);
    give(1, 1000, 2);
    give(1, 1000, 3);
    give(1, 2000, 1);
    same_comes_out(0, 0, &stats);
    ck_assert_uint_eq(stats.replaced, 2);
    ck_assert_uint_eq(stats.repeated, 1);
    ck_assert_uint_eq(stats.out_of_order, 2);
}
END_TEST

START_TEST(no_staleness_is_invented_and_none_is_lost)
{
    struct nv_import_stats stats;

    for (int64_t row = 0; row < 100; row++) {
        give(0, row * 1000, 1);
        give(2, row * 1000, 2);
        if (row % 10 < 5) /* gaps that nobody called stale */
            give(1, row * 1000, 3);
        if (row % 10 < 7)
            give(3, row * 1000, row % 10 == 5 ? nv_stale() : 4); /* and a value right behind one */
        if (row % 10 >= 5 && row % 10 < 8)
            give(4, row * 1000, nv_stale());
    }
    same_comes_out(0, 0, &stats);
}
END_TEST

START_TEST(spans_are_aligned_and_gaps_cost_nothing)
{
    static const int64_t starts[] = {-1, 0, 86399999, 86400000, 1700000000000, 5000000000000};
    struct nv_import_stats stats;

    for (size_t i = 0; i < NV_LEN(starts); i++)
        for (unsigned s = 0; s < 5; s++)
            give(s, starts[i], (double)i);
    ck_assert_uint_eq(same_comes_out(0, 0, &stats), 5);
}
END_TEST

START_TEST(times_at_the_ends_of_the_world_are_kept)
{
    struct nv_import_stats stats;

    give(0, INT64_MIN, 1);
    give(1, INT64_MIN + 1, 1);
    give(0, INT64_MAX - 1, 2);
    ck_assert_uint_eq(same_comes_out(0, 0, &stats), 2);
}
END_TEST

START_TEST(a_series_with_more_rows_than_a_group_may_have_is_cut_by_time)
{
    struct nv_import_stats stats;

    for (int64_t i = 0; i < NV_BLOCK_ROWS_MAX + 100; i++) {
        give(0, i * 100, (double)i);
        if (i % 1000 == 0)
            give(1, i * 100, (double)i);
    }
    ck_assert_uint_eq(same_comes_out(_i ? 1 << 20 : 0, 0, &stats), 2);
}
END_TEST

START_TEST(series_without_a_common_clock_are_kept)
{
    struct nv_import_stats stats;

    for (unsigned s = 0; s < SERIES_MAX; s++) {
        int64_t time_ms = s;
        for (int i = 0; i < 50; i++)
            give(s, time_ms += 1 + (int64_t)(next_random() % 1000), (double)i);
    }
    same_comes_out(0, 0, &stats);
}
END_TEST

static bool has_temporary(void)
{
    struct nv_arena arena = NV_ARENA(SIZE_MAX);
    struct nv_str *names;
    bool found = false;
    size_t n;

    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    for (size_t i = 0; i < n; i++)
        found |= !nv_str_starts(names[i], "block-");
    nv_arena_done(&arena);
    return found;
}

/* Each call of the file layer in turn. */
START_TEST(what_fails_is_told_and_leaves_no_temporary_files)
{
    static const unsigned kinds[] = {NV_MEMORY_FS_READS, NV_MEMORY_FS_CHANGES};
    struct nv_import_stats stats;
    bool ended = false;

    give_scrapes(20, 15000);
    for (uint64_t nth = 0; !ended; nth++) {
        nv_memory_fs_fail(fs, kinds[_i], nth, 1, -EIO, 3);
        int r = import_all(NV_IMPORT_MEMORY_MIN, 0, &stats);
        nv_memory_fs_fail(fs, kinds[_i], 0, 0, 0, 0);
        ck_assert(r == 0 || r == -EIO);
        ended = r == 0 && nth > 20;
        ck_assert_uint_lt(nth, 10000);
        if (r < 0 && kinds[_i] == NV_MEMORY_FS_READS)
            ck_assert(!has_temporary());
    }
    ck_assert_int_eq(import_all(NV_IMPORT_MEMORY_MIN, 0, &stats), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("import");
    TCase *tcase = tcase_create("import");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, nothing_comes_of_nothing);
    tcase_add_test(tcase, frames_come_back);
    tcase_add_test(tcase, any_order_gives_the_same);
    tcase_add_loop_test(tcase, what_memory_does_not_hold_is_spilled_and_comes_back, 0, 2);
    tcase_add_test(tcase, of_equal_times_the_last_stays);
    tcase_add_test(tcase, no_staleness_is_invented_and_none_is_lost);
    tcase_add_test(tcase, spans_are_aligned_and_gaps_cost_nothing);
    tcase_add_test(tcase, times_at_the_ends_of_the_world_are_kept);
    tcase_add_loop_test(tcase, a_series_with_more_rows_than_a_group_may_have_is_cut_by_time, 0, 2);
    tcase_add_test(tcase, series_without_a_common_clock_are_kept);
    tcase_add_loop_test(tcase, what_fails_is_told_and_leaves_no_temporary_files, 0, 2);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
