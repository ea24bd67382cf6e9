/*
 * test_thin.c - merging changes nothing a reader sees; thinning leaves what its definition says, and nothing else.
 */
#include "store_model.h"

enum { STEPS = 3000, INTERVAL = 15000, AGE = 300000 };

START_TEST(merged_blocks_answer_as_their_parts_did)
{
    const struct nv_store_options how = {.block_ms = 65000, .wal_sync_ms = 10000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 20 + (uint64_t)_i, MODEL_SERIES);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "node");
    uint64_t there = model_random(&m);

    for (int i = 0; i < STEPS; i++) {
        model_step(&m, store, source, &there);
        nv_store_maintain(store);
        if (model_random(&m) % 500 == 0)
            model_renew(&m);
        if (model_random(&m) % 700 == 0) {
            nv_store_close(store);
            model_restart(&m);
            store = model_open_with(&m, disk, &how);
            source = model_source(store, "node");
        }
        if (i % 500 == 499)
            model_compare(&m, store, 0, INT64_MAX);
    }
    nv_store_stats(store, &stats);
    ck_assert_uint_lt(stats.blocks, STEPS / 65 / 2);
    model_compare(&m, store, m.now_ms - 1000000, m.now_ms - 500000);
    nv_store_close(store);
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

static int64_t window(int64_t time)
{
    return time / INTERVAL;
}

/* Whether the model's sample has to be there once it is old: a marker, or the value at the last observation of its
 * section in its window. `last` has the last observations, by section. */
static bool must_stay(const struct model_sample *sample, const int64_t *last, size_t n_last)
{
    if (nv_is_stale(sample->value))
        return true;
    for (size_t i = 0; i < n_last; i++)
        if (last[i] == sample->time_ms)
            return true;
    return false;
}

/* A window that two blocks share counts once in each of them. */
static bool is_shared(struct nv_store *store, int64_t time_ms)
{
    struct nv_block *blocks[256];
    size_t n = nv_store_blocks(store, blocks, 256);

    for (size_t i = 0; i < n && i < 256; i++)
        if (window(nv_block_info(blocks[i])->to_ms) == window(time_ms))
            return true;
    return false;
}

/* Old samples of one series: those that must stay are there, others only if nothing else of their life is. */
static void check_thin(struct nv_store *store, const struct model_series *s,
                       const struct nv_samples *got, int64_t thin_until, const int64_t *last,
                       size_t n_last)
{
    size_t at = 0;
    bool alive = false;

    for (size_t k = 0; k < s->n && s->samples[k].time_ms <= thin_until; k++) {
        const struct model_sample *sample = &s->samples[k];
        bool stale = nv_is_stale(sample->value);
        bool ends = k + 1 < s->n && nv_is_stale(s->samples[k + 1].value);
        bool must = must_stay(sample, last, n_last) || (!stale && ends && !alive);
        if (stale && at == 0)
            continue;
        if (!must && is_shared(store, sample->time_ms)) {
            at += at < got->n && got->times[at] == sample->time_ms;
            continue;
        }
        if (!must) {
            ck_assert_msg(at == got->n || got->times[at] != sample->time_ms,
                          "%s: %" PRId64 " should have gone", s->id, sample->time_ms);
            continue;
        }
        ck_assert_msg(at < got->n && got->times[at] == sample->time_ms &&
                          model_bits(got->values[at]) == model_bits(sample->value),
                      "%s: %" PRId64 " is missing, %" PRId64 " stands there", s->id,
                      sample->time_ms, at < got->n ? got->times[at] : 0);
        alive = !stale;
        at++;
    }
    ck_assert_uint_eq(at, got->n);
}

START_TEST(thinning_keeps_the_last_of_each_window_and_every_edge)
{
    const struct nv_store_options how = {
        .block_ms = 65000, .wal_sync_ms = 10000, .thin = {{AGE, INTERVAL}}};
    static int64_t last[MODEL_SECTIONS][STEPS];
    size_t n_last[MODEL_SECTIONS] = {0};
    struct nv_samples got = {0};
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 40 + (uint64_t)_i, MODEL_SERIES);
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t source = model_source(store, "node");
    uint64_t there = model_random(&m);

    for (int i = 0; i < STEPS; i++) {
        m.now_ms += 1000;
        if (model_random(&m) % 3 == 0)
            there ^= UINT64_C(1) << model_random(&m) % MODEL_SERIES;
        unsigned observed = 1 | (i % 2 ? 2 : 0) | (i % 3 ? 0 : 4) | (i % 4 ? 0 : 8);
        for (size_t s = 0; s < MODEL_SECTIONS; s++) {
            if (!(observed >> s & 1))
                continue;
            if (n_last[s] && window(last[s][n_last[s] - 1]) == window(m.now_ms))
                n_last[s]--;
            last[s][n_last[s]++] = m.now_ms;
        }
        model_append(&m, store, source, there, observed);
        nv_store_maintain(store);
    }
    nv_store_stats(store, &stats);
    ck_assert_uint_gt(stats.thinned_samples, 0);
    int64_t until = m.now_ms - AGE - 6 * 65000 - 2 * 65000; /* whole spans are thinned */
    for (size_t i = 0; i < m.n; i++) {
        model_read(store, "a", m.series[i].id, 0, until, &got);
        check_thin(store, &m.series[i], &got, until, last[m.series[i].section],
                   n_last[m.series[i].section]);
    }
    nv_samples_done(&got);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

/* Merged as they were sampled, they would be written twice before they are thin. */
START_TEST(what_will_soon_be_thin_is_merged_only_then)
{
    const struct nv_store_options how = {
        .block_ms = 65000, .wal_sync_ms = 10000, .thin = {{12 * 65000, INTERVAL}}};
    struct nv_block *blocks[64];
    struct model m;
    model_begin(&m, "a", 50, MODEL_SERIES);
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t source = model_source(store, "node");
    size_t merged = 0;

    for (int i = 0; i < 40 * 65; i++) {
        m.now_ms += 1000;
        model_append(&m, store, source, 0xff, 1);
        nv_store_maintain(store);
        size_t n = nv_store_blocks(store, blocks, 64);
        merged = 0;
        for (size_t k = 0; k < n; k++) {
            unsigned class = nv_block_info(blocks[k])->level % 8;
            unsigned stage = nv_block_info(blocks[k])->level / 8;
            ck_assert(class == 0 || stage > 0);
            merged += class > 0;
        }
    }
    ck_assert_uint_gt(merged, 0);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/thin");
    TCase *test = tcase_create("thin");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_loop_test(test, merged_blocks_answer_as_their_parts_did, 0, 3);
    tcase_add_loop_test(test, thinning_keeps_the_last_of_each_window_and_every_edge, 0, 3);
    tcase_add_test(test, what_will_soon_be_thin_is_merged_only_then);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
