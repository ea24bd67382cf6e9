/*
 * test_churn.c - what pods that come and go by the thousand leave behind: series in memory, segments of the log, records
 * of columns, and series that were refused while there was no room.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>

#include "support/frames.h"
#include "support/memory_fs.h"
#include "tsdb/codec_parts.h"
#include "tsdb/parts.h"
#include "tsdb/series_parts.h"
#include "tsdb/store_model.h"

static const int64_t begin_ms = 1699999200000;
static int64_t now_ms;

static int64_t clock_now(void *user)
{
    (void)user;
    return now_ms;
}

static struct nv_store *open_store(struct nv_fs *fs)
{
    const struct nv_store_options options = {.fs = fs, .now_ms = clock_now, .wal_sync_ms = 10000};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    ck_assert_int_eq(nv_store_open(&options, &store, error), 0);
    return store;
}

static uint32_t source_of(struct nv_store *store, const char *name)
{
    uint32_t source;

    ck_assert_int_eq(nv_store_source(store, name, &source), 0);
    return source;
}

/* A second passes, and the next frame is there. */
static void second(struct nv_store *store, uint32_t source, struct nv_frames *frames)
{
    now_ms += 1000;
    struct nv_frame *frame = nv_frames_make(frames, now_ms);
    ck_assert_int_eq(nv_store_append(store, source, frame), 0);
    nv_frame_unref(frame);
    ck_assert_int_ge(nv_store_maintain(store), 0);
}

static struct nv_store_stats stats_of(struct nv_store *store)
{
    struct nv_store_stats stats;

    nv_store_stats(store, &stats);
    return stats;
}

/* Series in memory for pages that wait are at most so many, however many there were. */
START_TEST(series_that_are_gone_leave_with_a_block_before_they_are_many)
{
    enum { LIVE = 2000, SECONDS = 200, A_GENERATION = 10 };
    NV_AUTO(nv_frames) *frames = nv_frames_new(LIVE, 1);
    struct nv_store *store = open_store(nv_memory_fs_new());
    uint32_t source = source_of(store, "node");
    uint64_t highest = 0;

    now_ms = begin_ms;
    for (int i = 0; i < SECONDS; i++) {
        nv_frames_replace(frames, LIVE);
        if (i % A_GENERATION == 0)
            nv_frames_renew(frames);
        second(store, source, frames);
        uint64_t n = stats_of(store).series;
        highest = n > highest ? n : highest;
    }
    ck_assert_uint_gt(nv_frames_made(frames), 20 * NV_STORE_SPARE_LEAST);
    ck_assert_msg(highest < 4 * NV_STORE_SPARE_LEAST, "%" PRIu64 " series in memory", highest);
    struct nv_store_stats stats = stats_of(store);
    ck_assert_uint_ge(stats.blocks, 3);
    ck_assert_uint_eq(stats.dropped_full + stats.dropped_disk + stats.dropped_conflict, 0);
    nv_store_close(store);
}
END_TEST

/* Pages that wait for the hour to pass are memory too. */
START_TEST(pages_wait_as_long_as_they_are_few_beside_the_series)
{
    enum { LIVE = 3000, SECONDS = 1500 };
    NV_AUTO(nv_frames) *frames = nv_frames_new(LIVE, 1);
    struct nv_store *store = open_store(nv_memory_fs_new());
    uint32_t source = source_of(store, "node");
    size_t highest = 0;

    now_ms = begin_ms;
    for (int i = 0; i < SECONDS; i++) {
        second(store, source, frames);
        size_t bytes = nv_head_page_bytes(store->heads[source]);
        highest = bytes > highest ? bytes : highest;
    }
    ck_assert_uint_ge(stats_of(store).blocks, 2);
    ck_assert_uint_le(highest, NV_STORE_PAGES_LEAST + NV_STORE_PAGES_LEAST / 4);
    nv_store_close(store);
}
END_TEST

/* White box: a table is full when it says so; a million series would take the test a minute. */
START_TEST(series_refused_for_want_of_room_are_taken_when_there_is_some)
{
    NV_AUTO(nv_frames) *frames = nv_frames_new(100, 1);
    struct nv_store *store = open_store(NULL);
    uint32_t source = source_of(store, "node");

    now_ms = begin_ms;
    second(store, source, frames);
    size_t n = store->table->n_series;
    ck_assert_uint_eq(n, 100);

    nv_frames_add(frames, 50);
    store->table->n_series = NV_SERIES_TABLE_MAX;
    for (int i = 0; i < NV_CHUNK_ROWS + 2; i++)
        second(store, source, frames);
    ck_assert_uint_eq(store->table->n_series, NV_SERIES_TABLE_MAX);
    struct nv_store_stats stats = stats_of(store);
    ck_assert_uint_eq(stats.dropped_full, 50U * (NV_CHUNK_ROWS + 2));
    ck_assert_uint_eq(stats.dropped_conflict, 0);

    store->table->n_series = n;
    for (int i = 0; i < NV_CHUNK_ROWS + 2; i++)
        second(store, source, frames);
    ck_assert_uint_eq(store->table->n_series, 150);
    uint64_t dropped = stats_of(store).dropped_full;
    second(store, source, frames);
    ck_assert_uint_eq(stats_of(store).dropped_full, dropped);
    nv_store_close(store);
}
END_TEST

/* A source that speaks once an hour does not keep all that others wrote meanwhile. */
START_TEST(a_source_that_speaks_seldom_holds_no_old_segments)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    NV_AUTO(nv_frames) *often = nv_frames_new(50, 1), *seldom = nv_frames_new(20, 2);
    struct nv_fs *fs = nv_memory_fs_new();
    struct nv_store *store = open_store(fs);
    uint32_t node = source_of(store, "node"), other = source_of(store, "other");
    uint64_t segment, oldest = UINT64_MAX;
    struct nv_str *names;
    size_t n;

    now_ms = begin_ms;
    second(store, other, seldom);
    for (int i = 0; i < 2 * NV_STORE_SEGMENTS; i++) {
        nv_log_rotate(store->log); /* as when it is full */
        for (int k = 0; k < 10; k++)
            second(store, node, often);
    }
    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    for (size_t i = 0; i < n; i++)
        if (nv_log_is_name(names[i], &segment) && segment < oldest)
            oldest = segment;
    ck_assert_uint_le(nv_log_segment(store->log) - oldest, NV_STORE_SEGMENTS);
    ck_assert_uint_ge(stats_of(store).blocks, 1);
    nv_arena_done(&arena);
    nv_store_close(store);
}
END_TEST

/* ---- the log -------------------------------------------------------------------------------- */

static uint64_t log_bytes(struct nv_store *store)
{
    struct nv_log_stats stats;

    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_log_stats(store->log, &stats);
    return stats.bytes;
}

/* All series that have a sample in memory, and the sum of their samples' hashes. */
static uint64_t digest(struct nv_store *store)
{
    const struct nv_matcher all = {NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("bench_value"), NULL};
    struct nv_arena arena = NV_ARENA(64 << 20);
    uint64_t sum = 0;
    struct nv_head_series **found;
    size_t n;

    ck_assert_int_eq(nv_series_select(store->table, &all, 1, &arena, &found, &n), 0);
    for (size_t i = 0; i < n; i++) {
        struct nv_samples samples = {0};
        struct nv_head_view view;
        NV_AUTO(nv_codec) *codec = nv_codec_new();
        uint64_t faults = 0, hash = found[i]->hash;
        ck_assert_int_eq(nv_head_view(store->heads[found[i]->source], &view), 0);
        ck_assert_int_eq(
            nv_head_read(store, codec, &view, found[i], INT64_MIN, INT64_MAX, &samples, &faults),
            0);
        nv_head_view_done(&view);
        for (size_t k = 0; k < samples.n; k++)
            hash = (hash ^ (uint64_t)samples.times[k] ^ nv_bits_of(samples.values[k])) *
                   UINT64_C(0x9e3779b97f4a7c15);
        sum += samples.n ? hash : 0;
        nv_samples_done(&samples);
    }
    nv_series_unref(store->table, found, n);
    nv_arena_done(&arena);
    return sum;
}

START_TEST(a_new_generation_tells_the_log_only_what_is_new)
{
    enum { LIVE = 5000, GONE = 200 };
    NV_AUTO(nv_frames) *frames = nv_frames_new(LIVE, 1);
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_store *store = open_store(disk);
    uint32_t source = source_of(store, "node");

    now_ms = begin_ms;
    second(store, source, frames);
    uint64_t first = log_bytes(store);
    nv_frames_replace(frames, GONE);
    second(store, source, frames);
    uint64_t before = log_bytes(store), generation = store->heads[source]->generation;
    nv_frames_renew(frames);
    second(store, source, frames);
    ck_assert_uint_eq(store->heads[source]->generation, generation + 1);
    uint64_t renewed = log_bytes(store) - before;
    ck_assert_msg(renewed < first / 2, "%" PRIu64 " bytes, and %" PRIu64 " at first", renewed,
                  first);

    for (int i = 0; i < 3; i++) { /* again, in another segment: told in full, then as before */
        nv_log_rotate(store->log);
        nv_frames_replace(frames, GONE);
        second(store, source, frames);
        nv_frames_renew(frames);
        second(store, source, frames);
    }
    ck_assert_int_eq(nv_store_flush(store), 0);
    uint64_t told = digest(store);
    nv_store_close(store);
    store = open_store(disk);
    ck_assert_uint_eq(digest(store), told);
    ck_assert_uint_eq(stats_of(store).corruptions, 0);
    nv_store_close(store);
    model_disk_done(disk, ops);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/churn");
    TCase *test = tcase_create("churn");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_test(test, series_that_are_gone_leave_with_a_block_before_they_are_many);
    tcase_add_test(test, pages_wait_as_long_as_they_are_few_beside_the_series);
    tcase_add_test(test, series_refused_for_want_of_room_are_taken_when_there_is_some);
    tcase_add_test(test, a_source_that_speaks_seldom_holds_no_old_segments);
    tcase_add_test(test, a_new_generation_tells_the_log_only_what_is_new);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
