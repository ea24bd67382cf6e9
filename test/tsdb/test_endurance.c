/*
 * test_endurance.c - hours of a store in seconds: memory and disk stay within their limits, pages stay full while series
 * come and go, and the log tells a column once in a segment. test/bench/endurance.c is the same at full length.
 */
#include <check.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "support/frames.h"
#include "support/heap.h"
#include "support/memory_fs.h"
#include "tsdb/parts.h"

#define HOUR_MS INT64_C(3600000)

static const int64_t begin_ms = 1699999200000; /* a full hour */
static int64_t now_ms;

static int64_t clock_now(void *user)
{
    (void)user;
    return now_ms;
}

struct run {
    struct nv_fs *fs;
    struct nv_store *store;
    struct nv_frames *frames;
    uint32_t source;
    uint64_t limit;
    double pending;
};

static void begin(struct run *run, size_t n_series, uint64_t limit)
{
    struct nv_store_options options = {.fs = nv_memory_fs_new(),
                                       .now_ms = clock_now,
                                       .wal_sync_ms = 10000,
                                       .block_ms = 600000,
                                       .retention_bytes = limit,
                                       .thin = {{HOUR_MS / 3, 5000}}};
    char error[NV_STORE_ERROR_MAX];

    now_ms = begin_ms;
    *run = (struct run){.fs = options.fs, .frames = nv_frames_new(n_series, 1), .limit = limit};
    ck_assert_int_eq(nv_store_open(&options, &run->store, error), 0);
    ck_assert_int_eq(nv_store_source(run->store, "bench", &run->source), 0);
}

static void end(struct run *run)
{
    nv_store_close(run->store);
    nv_frames_free(run->frames);
}

static void check_disk(struct run *run)
{
    struct nv_store_stats stats;

    nv_store_stats(run->store, &stats);
    uint64_t all = stats.log_bytes + stats.block_bytes + stats.other_bytes;
    if (run->limit && all > run->limit)
        ck_abort_msg("%" PRIu64 " bytes on disk, at most %" PRIu64, all, run->limit);
}

/* Frames of a span; `replaced` or `added` series with each. */
static void pass(struct run *run, int64_t span_ms, int64_t step_ms, double replaced, size_t added)
{
    for (int64_t until = now_ms + span_ms; now_ms < until;) {
        int64_t hour = now_ms / HOUR_MS;
        now_ms += step_ms;
        if (now_ms / HOUR_MS != hour)
            nv_frames_renew(run->frames);
        run->pending += replaced;
        nv_frames_replace(run->frames, (size_t)run->pending);
        run->pending -= (double)(size_t)run->pending;
        if (added)
            nv_frames_add(run->frames, added);
        struct nv_frame *frame = nv_frames_make(run->frames, now_ms);
        if (nv_store_append(run->store, run->source, frame) != 0)
            ck_abort_msg("a frame was refused");
        nv_frame_unref(frame);
        nv_store_maintain(run->store);
        if (now_ms % 60000 == 0)
            check_disk(run);
    }
}

static uint64_t store_memory(struct run *run)
{
    struct nv_store_stats stats;

    nv_store_stats(run->store, &stats);
    ck_assert_uint_eq(stats.dropped_full + stats.dropped_disk + stats.dropped_conflict, 0);
    return stats.memory_bytes;
}

START_TEST(hours_of_steady_frames_need_no_more_memory_than_the_first)
{
    struct run run;
    uint64_t highest[3] = {0};
    size_t heap[3] = {0};

    begin(&run, 200, 600 << 10);
    for (int part = 0; part < 3; part++) {
        for (int i = 0; i < 8; i++) { /* not in step with blocks */
            pass(&run, 437000, 1000, 0, 0);
            uint64_t bytes = store_memory(&run);
            highest[part] = bytes > highest[part] ? bytes : highest[part];
            size_t used = mallinfo2().uordblks + mallinfo2().hblkhd;
            heap[part] = used > heap[part] ? used : heap[part];
        }
    }
    ck_assert_uint_lt(highest[0], 1 << 20);
    ck_assert_uint_le(highest[2], highest[1] + highest[1] / 4);
    if (nv_heap_counts()) {
        ck_assert_uint_lt(heap[0], 8 << 20);
        ck_assert_uint_le(heap[2], heap[1] + heap[1] / 4);
    }
    struct nv_store_stats stats;
    nv_store_stats(run.store, &stats);
    ck_assert_uint_gt(stats.retained_blocks_dropped, 0);
    ck_assert_uint_gt(stats.thinned_samples, 0);
    end(&run);
}
END_TEST

/* ---- churn ---------------------------------------------------------------------------------- */

START_TEST(series_that_come_and_go_are_forgotten_and_leave_pages_full)
{
    struct run run;
    size_t pages = 0, full = 0;
    int64_t seen_ms = 0;

    begin(&run, 500, 0);
    for (int i = 0; i < 3 * 4; i++) { /* three hours, a tenth of the series each */
        for (int k = 0; k < 15; k++) {
            pass(&run, 60000, 2000, 50.0 / 1800, 0);
            const struct nv_head *head = run.store->heads[run.source];
            for (size_t p = 0; p < head->n_pages; p++) {
                if (head->pages[p]->from_ms <= seen_ms)
                    continue;
                seen_ms = head->pages[p]->from_ms;
                pages++;
                full += head->pages[p]->n_rows == NV_CHUNK_ROWS;
            }
        }
    }
    ck_assert_uint_ge(pages, 60); /* some go to a block at once */
    ck_assert_msg(pages - full <= 3, "%zu of %zu pages are full", full, pages); /* one an hour */
    ck_assert_uint_gt(nv_frames_made(run.frames), 640);
    struct nv_store_stats stats;
    nv_store_stats(run.store, &stats);
    ck_assert_msg(stats.series < 600, "%" PRIu64 " series in memory", stats.series);
    ck_assert_uint_lt(store_memory(&run), 4 << 20);
    end(&run);
}
END_TEST

/* ---- the log -------------------------------------------------------------------------------- */

struct told {
    uint64_t generation, next, columns, repeated;
};

/* Columns of a segment: each once, in order. */
static void count_columns(struct run *run, const char *name, struct told *told)
{
    struct nv_str in, body;
    enum nv_record_type type;
    size_t size;

    in.p = (const char *)nv_memory_fs_bytes(run->fs, name, &in.n);
    in = nv_str_from(in, NV_SEGMENT_HEAD);
    told->generation = UINT64_MAX;
    for (; nv_record_get(in, &type, &body, &size) == 0; in = nv_str_from(in, size)) {
        uint64_t source, generation, first, n;
        if (type != NV_RECORD_COLUMNS && type != NV_RECORD_COLUMNS_AGAIN)
            continue;
        ck_assert(nv_get_uvarint(&body, &source) && nv_get_uvarint(&body, &generation) &&
                  nv_get_uvarint(&body, &first) && nv_get_uvarint(&body, &n));
        if (generation != told->generation)
            told->next = 0;
        told->repeated += first != told->next;
        told->generation = generation;
        told->next = first + n;
        told->columns += n;
    }
}

START_TEST(the_log_tells_a_column_once_in_a_segment)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct told told = {0};
    struct nv_str *names;
    struct run run;
    uint64_t segment;
    size_t n, segments = 0;

    begin(&run, 100, 0);
    pass(&run, 900000, 1000, 0, 2); /* from 100 to 1,900 series */
    ck_assert_int_eq(nv_store_flush(run.store), 0);
    ck_assert_int_eq(run.fs->ops->list(run.fs, &arena, &names, &n), 0);
    for (size_t i = 0; i < n; i++) {
        if (!nv_log_is_name(names[i], &segment))
            continue;
        segments++;
        count_columns(&run, names[i].p, &told);
    }
    ck_assert_uint_gt(segments, 0);
    ck_assert_uint_gt(told.columns, 0);
    ck_assert_uint_eq(told.repeated, 0);
    ck_assert_msg(told.columns <= (segments + 1) * nv_frames_made(run.frames),
                  "%" PRIu64 " columns in %zu segments", told.columns, segments);
    nv_arena_done(&arena);
    end(&run);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/endurance");
    TCase *test = tcase_create("endurance");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_test(test, hours_of_steady_frames_need_no_more_memory_than_the_first);
    tcase_add_test(test, series_that_come_and_go_are_forgotten_and_leave_pages_full);
    tcase_add_test(test, the_log_tells_a_column_once_in_a_segment);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
