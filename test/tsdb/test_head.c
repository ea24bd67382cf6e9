/*
 * test_head.c - layouts of many series are followed aside, and still every frame is entered, in order and once; frames come
 * back although their columns grow within a chunk.
 */
#include <check.h>
#include <stdlib.h>

#include "support/frames.h"
#include "support/memory_fs.h"
#include "tsdb/store.h"

enum { WIDE = 3000, GENERATIONS = 6, FRAMES = 40, GROWING = 300 };

static int64_t now_ms = 1700000000000;

static int64_t clock_now(void *user)
{
    (void)user;
    return __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
}

static struct nv_store *open_store(bool threads)
{
    struct nv_store_options options = {
        .fs = nv_memory_fs_new(), .now_ms = clock_now, .wal_sync_ms = 10000, .threads = threads};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    ck_assert_int_eq(nv_store_open(&options, &store, error), 0);
    return store;
}

static void append(struct nv_store *store, uint32_t source, struct nv_frames *frames)
{
    __atomic_add_fetch(&now_ms, 1000, __ATOMIC_RELAXED);
    NV_AUTO(nv_frame) *frame = nv_frames_make(frames, now_ms);

    ck_assert_int_eq(nv_store_append(store, source, frame), 0);
}

/* The samples of all series of a kind, less markers; each series' times rise. */
static size_t count_samples(struct nv_store *store, const char *kind)
{
    const struct nv_queryable *q = nv_store_queryable(store);
    struct nv_matcher matcher = {NV_MATCH_EQUAL, NV_LIT("kind"), nv_str(kind), NULL};
    struct nv_samples samples = {0};
    struct nv_selection selection;
    size_t n = 0;

    ck_assert_int_eq(q->select(q->store, &matcher, 1, 0, INT64_MAX, 0, &selection), 0);
    for (size_t i = 0; i < selection.n; i++) {
        nv_samples_reset(&samples);
        ck_assert_int_ge(q->read(&selection, i, &samples), 0);
        for (size_t k = 0; k < samples.n; k++) {
            ck_assert(!k || samples.times[k - 1] < samples.times[k]);
            n += !nv_is_stale(samples.values[k]);
        }
    }
    nv_samples_done(&samples);
    q->release(&selection);
    return n;
}

START_TEST(frames_of_a_wide_layout_are_entered_in_order) /* looped: with and without threads */
{
    struct nv_frames *frames = nv_frames_new(WIDE, 5);
    struct nv_store *store = open_store(_i);
    struct nv_store_stats stats;
    uint32_t source;

    ck_assert_int_eq(nv_store_source(store, "wide", &source), 0);
    for (int generation = 0; generation < GENERATIONS; generation++) {
        for (int i = 0; i < FRAMES; i++) {
            append(store, source, frames);
            (void)nv_store_begins_page(store, source);
        }
        nv_frames_replace(frames, WIDE / 20);
        nv_frames_renew(frames);
    }
    struct nv_frame *late = nv_frames_make(frames, now_ms);
    ck_assert_int_eq(nv_store_append(store, source, late), NV_STORE_NOT_NEWER);
    nv_frame_unref(late);
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.frames, GENERATIONS * FRAMES);
    ck_assert_uint_eq(stats.samples, (uint64_t)GENERATIONS * FRAMES * WIDE);
    ck_assert_uint_eq(stats.dropped_full + stats.dropped_conflict, 0);
    ck_assert_uint_eq(count_samples(store, "k3"), (size_t)GENERATIONS * FRAMES * WIDE / 20);
    nv_store_close(store);
    nv_frames_free(frames);
}
END_TEST

/* As rules do, which read what those before them recorded. */
START_TEST(who_has_appended_reads_it)
{
    struct nv_frames *frames = nv_frames_new(WIDE, 5);
    struct nv_store *store = open_store(true);
    uint32_t source;

    ck_assert_int_eq(nv_store_source(store, "wide", &source), 0);
    for (size_t i = 1; i <= 20; i++) {
        append(store, source, frames);
        ck_assert_uint_eq(count_samples(store, "k3"), i * WIDE / 20);
        nv_frames_replace(frames, WIDE / 20);
        nv_frames_renew(frames);
    }
    nv_store_close(store);
    nv_frames_free(frames);
}
END_TEST

START_TEST(series_that_join_within_a_chunk_leave_its_rows_as_they_were)
{
    struct nv_frames *frames = nv_frames_new(10, 5);
    struct nv_store *store = open_store(false);
    uint32_t source;

    ck_assert_int_eq(nv_store_source(store, "growing", &source), 0);
    for (int i = 0; i < GROWING; i++) {
        append(store, source, frames);
        nv_frames_add(frames, 20); /* one of each kind */
    }
    ck_assert_uint_eq(count_samples(store, "k13"), (size_t)GROWING * (GROWING - 1) / 2);
    nv_store_close(store);
    nv_frames_free(frames);
}
END_TEST

/* A section of its own cadence, and one that has a row each second. */
struct two {
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    uint32_t sections[2], columns[2];
};

static void two_begin(struct two *two)
{
    static const char *const names[] = {"seldom", "often"};

    two->registry = nv_registry_new();
    two->pool = nv_frame_pool_new();
    for (int i = 0; i < 2; i++) {
        two->sections[i] = nv_registry_add_section(two->registry);
        struct nv_str values[] = {NV_LIT("k0")};
        struct nv_series_def def = {.name = names[i],
                                    .suffix = "",
                                    .help = "A number.",
                                    .type = NV_GAUGE,
                                    .label_names = NV_LABELS("kind"),
                                    .label_values = values,
                                    .section = two->sections[i]};
        ck_assert_int_eq(nv_registry_add(two->registry, &def, &two->columns[i]), 0);
    }
    nv_registry_set_cadence(two->registry, two->sections[0], 15000);
}

static void two_append(struct two *two, struct nv_store *store, uint32_t source, bool with_seldom)
{
    now_ms += 1000;
    struct nv_layout *layout = nv_registry_layout(two->registry);
    NV_AUTO(nv_frame) *frame = nv_frame_new(two->pool, layout, now_ms);

    for (int i = with_seldom ? 0 : 1; i < 2; i++) {
        nv_bit_set(frame->observed, two->sections[i]);
        nv_bit_set(frame->present, two->columns[i]);
        frame->values[two->columns[i]] = 1;
    }
    nv_layout_unref(layout);
    ck_assert_int_eq(nv_store_append(store, source, frame), 0);
}

static size_t count_markers(struct nv_store *store, const char *name)
{
    const struct nv_queryable *q = nv_store_queryable(store);
    struct nv_matcher matcher = {NV_MATCH_EQUAL, NV_LIT("__name__"), nv_str(name), NULL};
    struct nv_samples samples = {0};
    struct nv_selection selection;
    size_t n = 0;

    ck_assert_int_eq(q->select(q->store, &matcher, 1, 0, INT64_MAX, 0, &selection), 0);
    ck_assert_uint_eq(selection.n, 1);
    ck_assert_int_ge(q->read(&selection, 0, &samples), 0);
    for (size_t k = 0; k < samples.n; k++)
        n += nv_is_stale(samples.values[k]);
    nv_samples_done(&samples);
    q->release(&selection);
    return n;
}

/* Somebody scrapes each second, and stops: what comes every 15 s anyway is not stale for that. */
START_TEST(who_scrapes_for_a_while_changes_no_cadence)
{
    struct nv_store *store = open_store(false);
    struct two two;
    uint32_t source;

    two_begin(&two);
    ck_assert_int_eq(nv_store_source(store, "node", &source), 0);
    for (int i = 0; i < 60; i++)
        two_append(&two, store, source, true);
    for (int i = 1; i <= 60; i++)
        two_append(&two, store, source, i % 15 == 0);
    ck_assert_uint_eq(count_markers(store, "seldom"), 0);
    for (int i = 0; i < 60; i++) /* and when nothing comes any more it is */
        two_append(&two, store, source, false);
    ck_assert_uint_eq(count_markers(store, "seldom"), 1);
    ck_assert_uint_eq(count_markers(store, "often"), 0);
    nv_store_close(store);
    nv_registry_free(two.registry);
    nv_frame_pool_free(two.pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/head");
    TCase *test = tcase_create("head");

    tcase_set_timeout(test, 120);
    tcase_add_loop_test(test, frames_of_a_wide_layout_are_entered_in_order, 0, 2);
    tcase_add_test(test, who_has_appended_reads_it);
    tcase_add_test(test, series_that_join_within_a_chunk_leave_its_rows_as_they_were);
    tcase_add_test(test, who_scrapes_for_a_while_changes_no_cadence);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
