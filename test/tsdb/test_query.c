/*
 * test_query.c - selecting, listing, identity; and one writer beside sealing, cutting, merging and eight readers (which
 * is worth most under the thread sanitizer).
 */
#include <pthread.h>

#include "store_model.h"

enum { READERS = 8, ROUNDS = 4000 };

struct shared {
    struct nv_store *store;
    bool stop; /* atomic */
    uint64_t reads;
};

static void *reader(void *p)
{
    struct shared *shared = p;
    const struct nv_queryable *q = nv_store_queryable(shared->store);
    struct nv_matcher matchers[] = {
        {NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("m_value"), NULL}
    };
    struct nv_samples samples = {0};

    while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
        struct nv_selection selection;
        struct nv_texts texts;
        ck_assert_int_eq(q->select(q->store, matchers, 1, 0, INT64_MAX, 0, &selection), 0);
        for (size_t i = 0; i < selection.n; i++) {
            nv_samples_reset(&samples);
            ck_assert_int_eq(q->read(&selection, i, &samples), 0);
            for (size_t k = 1; k < samples.n; k++)
                ck_assert(samples.times[k - 1] < samples.times[k]);
            __atomic_fetch_add(&shared->reads, samples.n, __ATOMIC_RELAXED);
        }
        q->release(&selection);
        ck_assert_int_eq(q->label_values(q->store, NV_LIT("id"), NULL, 0, 0, INT64_MAX, 0, &texts),
                         0);
        nv_texts_done(&texts);
    }
    nv_samples_done(&samples);
    return NULL;
}

static void *maintainer(void *p)
{
    struct shared *shared = p;

    while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
        nv_store_maintain(shared->store);
    return NULL;
}

START_TEST(readers_see_rising_samples_while_all_else_goes_on)
{
    const struct nv_store_options how = {
        .block_ms = 100000, .wal_sync_ms = 1000, .thin = {{2000000, 15000}}, .threads = true};
    pthread_t threads[READERS + 1];
    struct model m;
    model_begin(&m, "a", 7, MODEL_SERIES);
    struct shared shared = {.store = model_open_with(&m, nv_memory_fs_new(), &how)};
    uint32_t source = model_source(shared.store, "node");
    uint64_t there = model_random(&m);

    for (size_t i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, reader, &shared), 0);
    ck_assert_int_eq(pthread_create(&threads[READERS], NULL, maintainer, &shared), 0);
    for (int i = 0; i < ROUNDS; i++) {
        model_step(&m, shared.store, source, &there);
        if (model_random(&m) % 500 == 0)
            model_renew(&m);
        if (i % 100 == 0)
            ck_assert_int_eq(nv_store_flush(shared.store), 0);
    }
    __atomic_store_n(&shared.stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < READERS + 1; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_gt(shared.reads, 0);
    model_compare(&m, shared.store, m.now_ms - 1500000, INT64_MAX);
    nv_store_close(shared.store);
    model_end(&m);
}
END_TEST

/* ---- lists ---------------------------------------------------------------------------------- */

static void expect_values(struct nv_store *store, const char *name, const char *expected)
{
    const struct nv_queryable *q = nv_store_queryable(store);
    NV_AUTO_BUF text = NV_BUF(1 << 16);
    struct nv_texts texts;

    ck_assert_int_eq(q->label_values(q->store, nv_str(name), NULL, 0, 0, INT64_MAX, 0, &texts), 0);
    for (size_t i = 0; i < texts.n; i++) {
        nv_buf_str(&text, texts.at[i]);
        nv_buf_char(&text, ' ');
    }
    ck_assert_str_eq(nv_buf_c_string(&text), expected);
    nv_texts_done(&texts);
}

START_TEST(lists_are_sorted_and_come_from_memory_and_blocks)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    struct model m;
    model_begin(&m, "a", 9, 8);
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t source = model_source(store, "node");
    const struct nv_queryable *q = nv_store_queryable(store);
    struct nv_texts names;

    for (int i = 0; i < 400; i++) { /* the first half of the series is only in blocks by then */
        m.now_ms += 1000;
        if (i == 130 || i == 200)
            model_renew(&m);
        model_append(&m, store, source, i < 130 ? 0x0f : 0xf0, 0xf);
        nv_store_maintain(store);
    }
    expect_values(store, "id", "000 001 002 003 004 005 006 007 ");
    expect_values(store, "job", "a ");
    expect_values(store, "nothing", "");
    ck_assert_int_eq(q->label_names(q->store, NULL, 0, 0, INT64_MAX, 3, &names), 0);
    ck_assert_uint_eq(names.n, 3);
    ck_assert(names.truncated);
    nv_texts_done(&names);
    struct nv_store_stats stats;
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.series, 4); /* what lives in blocks only is forgotten here */
    nv_store_close(store);
    model_end(&m);
}
END_TEST

/* ---- identity ------------------------------------------------------------------------------- */

START_TEST(a_label_set_belongs_to_the_source_that_brought_it)
{
    struct model m, other;
    struct nv_store_stats stats;
    model_begin(&m, "a", 3, 4);
    model_begin(&other, "a", 4, 4);
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_label taken[] = {
        {NV_LIT("__name__"), NV_LIT("m_value")},
        {NV_LIT("id"),       NV_LIT("001")    },
        {NV_LIT("instance"), NV_LIT("host:1") },
        {NV_LIT("job"),      NV_LIT("a")      }
    };
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t first = model_source(store, "node"), second = model_source(store, "twin");

    ck_assert_uint_ne(first, second);
    ck_assert_uint_eq(model_source(store, "node"), first);
    for (int i = 0; i < 300; i++) { /* also when its samples are in blocks */
        m.now_ms += 1000;
        other.now_ms = m.now_ms;
        model_append(&m, store, first, 0xf, 0xf);
        model_append(&other, store, second, 0xf, 0xf);
        ck_assert_int_eq(nv_store_append_sparse(store, second, taken, 4, m.now_ms - 500, 1),
                         NV_STORE_CONFLICT);
        nv_store_maintain(store);
    }
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.dropped_conflict, 300 * (4 + 1));
    ck_assert_uint_gt(stats.blocks, 0);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
    model_end(&other);
}
END_TEST

/* Steps of one model under a source; each with upkeep, so that pages and blocks come about. */
static void run_steps(struct model *m, struct nv_store *store, uint32_t source, int steps,
                      uint64_t there)
{
    for (int i = 0; i < steps; i++) {
        m->now_ms += 1000;
        model_append(m, store, source, there, 0xf);
        nv_store_maintain(store);
    }
}

START_TEST(what_an_ended_source_had_another_may_go_on_with)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 5, 4);
    struct nv_store *store = model_open_with(&m, disk, &how);

    for (int round = 0; round < 12;
         round++) { /* names are used again, as by targets that come and go */
        static const char *const names[] = {"one", "two", "three"};
        uint32_t source = model_source(store, names[round % 3]);
        model_restart(&m);
        run_steps(&m, store, source, 20 + round * 7, 0xf);
        run_steps(&m, store, source, 1, 0);
        ck_assert_int_eq(nv_store_source_end(store, source), 0);
        ck_assert_int_eq(nv_store_source_end(store, source), 0); /* twice is once */
        model_compare(&m, store, 0, INT64_MAX);
    }
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.dropped_conflict, 0);
    ck_assert_uint_gt(stats.blocks, 0);
    nv_store_close(store);

    store = model_open_with(&m, disk, &how); /* nothing is claimed by what was read again */
    model_compare(&m, store, 0, INT64_MAX);
    model_restart(&m);
    run_steps(&m, store, model_source(store, "four"), 100, 0xf);
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.dropped_conflict, 0);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

START_TEST(series_may_move_between_sources_that_both_stay)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    struct nv_store_stats stats;
    struct model m, other;
    model_begin(&m, "a", 6, 4);
    model_begin(&other, "a", 6, 4);
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t first = model_source(store, "one"), second = model_source(store, "two");

    run_steps(&m, store, first, 80, 0xf);
    other.now_ms = m.now_ms;
    run_steps(&m, store, first, 1, 0x3); /* the other two have gone, and with the new generation */
    model_renew(&m);
    run_steps(&m, store, first, 1, 0x3);
    for (int i = 0; i < 200; i++) { /* go on under the second source */
        m.now_ms += 1000;
        other.now_ms = m.now_ms;
        model_append(&m, store, first, 0x3, 0xf);
        struct nv_frame *frame = model_frame(&other, 0xc, 0xf, false);
        ck_assert_int_eq(nv_store_append(store, second, frame), 0);
        for (size_t k = 2; k < 4; k++)
            model_note(&m.series[k], other.now_ms, other.series[k].value);
        nv_frame_unref(frame);
        nv_store_maintain(store);
    }
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.dropped_conflict, 0);
    ck_assert_uint_gt(stats.blocks, 0);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
    model_end(&other);
}
END_TEST

START_TEST(who_was_refused_is_heard_when_the_label_set_is_free)
{
    const struct nv_store_options how = {.block_ms = 600000, .wal_sync_ms = 1000};
    struct nv_store_stats stats, before;
    struct model m, other;
    model_begin(&m, "a", 7, 2);
    model_begin(&other, "a", 8, 2);
    struct nv_store *store = model_open_with(&m, nv_memory_fs_new(), &how);
    uint32_t first = model_source(store, "one"), second = model_source(store, "two");

    run_steps(&m, store, first, 1, 0x3);
    other.now_ms = m.now_ms;
    run_steps(&other, store, second, 10, 0x3);
    m.now_ms = other.now_ms;
    run_steps(&m, store, first, 1, 0);
    ck_assert_int_eq(nv_store_source_end(store, first), 0);
    other.now_ms = m.now_ms;
    run_steps(&other, store, second, 70, 0x3); /* the next page begins within these */
    nv_store_stats(store, &before);
    ck_assert_uint_gt(before.dropped_conflict, 0);
    run_steps(&other, store, second, 10, 0x3);
    nv_store_stats(store, &stats);
    ck_assert_uint_eq(stats.dropped_conflict, before.dropped_conflict);
    model_compare(&other, store, other.now_ms - 9000, INT64_MAX);
    nv_store_close(store);
    model_end(&m);
    model_end(&other);
}
END_TEST

START_TEST(target_labels_win_and_keep_what_they_hide)
{
    struct nv_registry *registry = nv_registry_new();
    struct nv_frame_pool *pool = nv_frame_pool_new();
    struct nv_label target[] = {
        {NV_LIT("instance"), NV_LIT("host:1")},
        {NV_LIT("job"),      NV_LIT("ours")  }
    };
    uint32_t section = nv_registry_add_section(registry), column, source;
    struct nv_str values[] = {NV_LIT("theirs")};
    struct nv_series_def def = {.name = "up",
                                .suffix = "",
                                .help = "Up.",
                                .type = NV_GAUGE,
                                .label_names = NV_LABELS("job"),
                                .label_values = values,
                                .section = section};
    struct nv_store_options options = {0};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    ck_assert_int_eq(nv_registry_set_target(registry, section, target, 2), 0);
    ck_assert_int_eq(nv_registry_add(registry, &def, &column), 0);
    ck_assert_int_eq(nv_store_open(&options, &store, error), 0);
    ck_assert_int_eq(nv_store_source(store, "node", &source), 0);
    struct nv_layout *layout = nv_registry_layout(registry);
    struct nv_frame *frame = nv_frame_new(pool, layout, 1000);
    nv_bit_set(frame->observed, section);
    nv_bit_set(frame->present, column);
    frame->values[column] = 1;
    ck_assert_int_eq(nv_store_append(store, source, frame), 0);
    ck_assert_int_eq(nv_store_append(store, source, frame), NV_STORE_NOT_NEWER);
    expect_values(store, "job", "ours ");
    expect_values(store, "exported_job", "theirs ");
    expect_values(store, "instance", "host:1 ");
    expect_values(store, "__name__", "up ");
    nv_frame_unref(frame);
    nv_layout_unref(layout);
    nv_store_close(store);
    nv_registry_free(registry);
    nv_frame_pool_free(pool);
}
END_TEST

/*
 * The newest sample of a window, which is what an instant vector is made of, as the whole series has it and as a reader of
 * the window alone gets it. A marker that nothing precedes in the window is not told; it means the same as no sample.
 */
static void compare_window(const struct model_series *s, struct nv_store *store, int64_t from,
                           int64_t to, struct nv_samples *got)
{
    const struct model_sample *last = NULL;

    for (size_t i = 0; i < s->n; i++)
        if (s->samples[i].time_ms >= from && s->samples[i].time_ms <= to)
            last = &s->samples[i];
    bool there = last && !nv_is_stale(last->value);
    model_read(store, "a", s->id, from, to, got);
    bool found = got->n && !nv_is_stale(got->values[got->n - 1]);
    if (there != found ||
        (there && (got->times[got->n - 1] != last->time_ms ||
                   model_bits(got->values[got->n - 1]) != model_bits(last->value))))
        ck_abort_msg("series %s in [%" PRId64 ", %" PRId64 "] ends otherwise", s->id, from, to);
}

START_TEST(a_marker_in_front_of_a_window_makes_no_difference)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_samples got = {0};
    struct model m;
    model_begin(&m, "a", 11, 4);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "node");
    int64_t begin = m.now_ms;

    for (int i = 0; i < 400; i++) { /* series that come and go, in blocks, pages and open rows */
        m.now_ms += 1000;
        model_append(&m, store, source, model_random(&m) & 0xf, 0xf);
        if (i % 7 == 0)
            nv_store_maintain(store);
    }
    for (int64_t to = begin; to <= m.now_ms + 5000; to += 700)
        for (int64_t length = 0; length <= 3; length++)
            for (size_t i = 0; i < 4; i++)
                compare_window(&m.series[i], store, to - length * 1000 + 1, to, &got);
    nv_samples_done(&got);
    nv_store_close(store);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

/* ---- staleness ------------------------------------------------------------------------------ */

START_TEST(a_section_unobserved_for_three_intervals_is_stale)
{
    struct nv_samples got = {0};
    struct model m;
    model_begin(&m, "a", 3, 2);
    struct nv_store *store = model_open(&m, NULL);
    uint32_t source = model_source(store, "node");

    for (int i = 0; i < 60; i++) { /* section 1 every 5 s, until it falls silent at 30 s */
        m.now_ms += 1000;
        model_append(&m, store, source, 3, i % 5 == 0 && i <= 30 ? 3 : 1);
    }
    model_read(store, "a", "001", 0, INT64_MAX, &got);
    ck_assert_uint_eq(got.n, 8);
    ck_assert(nv_is_stale(got.values[7]));
    ck_assert_int_eq(got.times[7] - got.times[6], 18000);
    nv_samples_done(&got);
    nv_store_close(store);
    model_end(&m);
}
END_TEST

/* ---- sparse --------------------------------------------------------------------------------- */

static const struct nv_label sparse_labels[] = {
    {NV_LIT("__name__"), NV_LIT("m_value")},
    {NV_LIT("id"),       NV_LIT("s")      },
    {NV_LIT("job"),      NV_LIT("push")   }
};

START_TEST(samples_with_times_of_their_own_survive_restart_and_block)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_samples got = {0};
    struct model m;
    model_begin(&m, "a", 3, 2);
    struct nv_store *store = model_open_with(&m, disk, &how);
    size_t n = 0;

    for (int64_t t = 1000; t < 200000; t += 1700, n++) {
        uint32_t source = model_source(store, "push");
        ck_assert_int_eq(nv_store_append_sparse(store, source, sparse_labels, 3, t, (double)t), 0);
        ck_assert_int_eq(nv_store_append_sparse(store, source, sparse_labels, 3, t, 0),
                         NV_STORE_NOT_NEWER);
        if (t % 3 == 0)
            nv_store_maintain(store);
        if (t % 11 == 0) {
            nv_store_close(store);
            store = model_open_with(&m, disk, &how);
        }
    }
    ck_assert(model_read(store, "push", "s", 0, INT64_MAX, &got));
    ck_assert_uint_eq(got.n, n);
    for (size_t i = 0; i < n; i++)
        ck_assert(got.times[i] == 1000 + (int64_t)i * 1700 &&
                  got.values[i] == (double)got.times[i]);
    nv_samples_done(&got);
    nv_store_close(store);
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

/* Long ones, as cAdvisor has them, would make a log of nothing else. */
START_TEST(labels_of_such_series_stand_in_the_log_but_twice)
{
    enum { SERIES = 20, TIMES = 100, LONG = 1000 };
    const struct nv_store_options how = {.block_ms = 3600000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_samples got = {0};
    struct nv_store_stats stats;
    struct model m;
    model_begin(&m, "a", 3, 2);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "push");
    char ids[SERIES][LONG + 1];

    for (int t = 1; t <= TIMES; t++) {
        for (int i = 0; i < SERIES; i++) {
            snprintf(ids[i], sizeof(ids[i]), "%0*d", LONG, i);
            const struct nv_label labels[] = {
                sparse_labels[0], {NV_LIT("id"), nv_str(ids[i])},
                 sparse_labels[2]
            };
            ck_assert_int_eq(nv_store_append_sparse(store, source, labels, 3, t * 1000 + i, t), 0);
        }
    }
    ck_assert_int_eq(nv_store_flush(store), 0);
    nv_store_stats(store, &stats);
    ck_assert_uint_lt(stats.log_bytes, SERIES * (2 * (LONG + 100) + TIMES * 40));
    nv_store_close(store);
    model_verify(disk);
    store = model_open_with(&m, disk, &how);
    for (int i = 0; i < SERIES; i++) {
        nv_samples_reset(&got);
        ck_assert(model_read(store, "push", ids[i], 0, INT64_MAX, &got));
        ck_assert_uint_eq(got.n, TIMES);
        for (int t = 1; t <= TIMES; t++)
            ck_assert(got.times[t - 1] == t * 1000 + i && got.values[t - 1] == t);
    }
    nv_samples_done(&got);
    nv_store_close(store);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

/* Sorting the list anew for every series would take minutes. */
START_TEST(values_by_the_ten_thousand_are_listed_at_once)
{
    enum { N = 80000 };
    const struct nv_matcher push = {NV_MATCH_EQUAL, NV_LIT("job"), NV_LIT("push"), NULL};
    struct model m;
    model_begin(&m, "a", 3, 2);
    struct nv_store *store = model_open(&m, NULL);
    uint32_t source = model_source(store, "push");
    const struct nv_queryable *q = nv_store_queryable(store);

    for (int i = 0; i < N; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        struct nv_label labels[] = {
            sparse_labels[0], {NV_LIT("id"), nv_str(id)},
             sparse_labels[2]
        };
        ck_assert_int_eq(nv_store_append_sparse(store, source, labels, 3, 1000, 1), 0);
    }
    for (size_t n = 0; n < 2; n++) {
        struct nv_texts texts;
        ck_assert_int_eq(q->label_values(q->store, NV_LIT("id"), &push, n, 0, 2000, 0, &texts), 0);
        ck_assert_uint_eq(texts.n, N);
        ck_assert(!texts.truncated);
        for (size_t i = 1; i < texts.n; i++)
            ck_assert_int_lt(nv_str_cmp(texts.at[i - 1], texts.at[i]), 0);
        nv_texts_done(&texts);
        ck_assert_int_eq(q->label_values(q->store, NV_LIT("id"), &push, n, 0, 2000, 2, &texts), 0);
        ck_assert(texts.n == 2 && texts.truncated && nv_str_is(texts.at[1], "1"));
        nv_texts_done(&texts);
    }
    nv_store_close(store);
    model_end(&m);
}
END_TEST

/* Every third sample a histogram, every seventh a marker. */
static void append_mixed(struct nv_store *store, int64_t t)
{
    static const struct nv_span spans[] = {
        {-2, 2},
        {3,  1}
    };
    const double counts[] = {(double)(t / 1700), 2, 0.5};
    const struct nv_histogram histogram = {.schema = 3,
                                           .is_float = true,
                                           .zero_threshold = 1e-9,
                                           .count = (double)(t / 1700) + 2.5,
                                           .sum = (double)t / 7,
                                           .positive_spans = spans,
                                           .n_positive_spans = 2,
                                           .positive = counts,
                                           .n_positive = 3};
    uint32_t source = model_source(store, "push");
    int r = t / 1700 % 3 == 0
                ? nv_store_append_sparse_histogram(store, source, sparse_labels, 3, t, &histogram)
                : nv_store_append_sparse(store, source, sparse_labels, 3, t,
                                         t / 1700 % 7 == 1 ? nv_stale() : (double)t);

    ck_assert_int_eq(r, 0);
}

static void check_mixed(const struct nv_samples *got, size_t i, int64_t t)
{
    ck_assert_int_eq(got->times[i], t);
    if (t / 1700 % 3 == 0) {
        const struct nv_histogram *h = got->histograms[i];
        ck_assert_ptr_nonnull(h);
        ck_assert(isnan(got->values[i]));
        ck_assert_uint_eq(model_bits(h->sum), model_bits((double)t / 7));
        ck_assert_uint_eq(h->n_positive, 3);
        ck_assert_uint_eq(model_bits(h->positive[0]), model_bits((double)(t / 1700)));
        ck_assert_int_eq(h->positive_spans[1].offset, 3);
        return;
    }
    ck_assert(!got->histograms || !got->histograms[i]);
    ck_assert_uint_eq(model_bits(got->values[i]),
                      model_bits(t / 1700 % 7 == 1 ? nv_stale() : (double)t));
}

START_TEST(histograms_with_times_of_their_own_survive_restart_and_block)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_samples got = {0};
    struct model m;
    model_begin(&m, "a", 3, 2);
    struct nv_store *store = model_open_with(&m, disk, &how);
    const int64_t first = 1700 * 3;
    size_t n = 0;

    for (int64_t t = first; t < 200000; t += 1700, n++) {
        append_mixed(store, t);
        if (t % 5 == 0)
            nv_store_maintain(store);
        if (t % 11 == 0) {
            nv_store_close(store);
            store = model_open_with(&m, disk, &how);
        }
    }
    ck_assert(model_read(store, "push", "s", 0, INT64_MAX, &got));
    size_t at = 0;
    for (int64_t t = first, i = 0; i < (int64_t)n; t += 1700, i++)
        check_mixed(&got, at++, t);
    ck_assert_uint_eq(got.n, n);
    nv_samples_done(&got);
    nv_store_close(store);
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

/* ---- deleting ------------------------------------------------------------------------------- */

START_TEST(deleted_samples_are_gone_from_memory_and_blocks_for_good)
{
    const struct nv_store_options how = {.block_ms = 60000, .wal_sync_ms = 1000};
    const struct nv_fs_ops *ops;
    struct nv_fs *disk = model_disk(&ops);
    struct nv_matcher id = {NV_MATCH_EQUAL, NV_LIT("id"), NV_LIT("001"), NULL};
    struct nv_samples got = {0};
    struct model m;
    model_begin(&m, "a", 3, 4);
    struct nv_store *store = model_open_with(&m, disk, &how);
    uint32_t source = model_source(store, "node");
    int64_t begin = m.now_ms;

    for (int i = 0; i < 300; i++) {
        m.now_ms += 1000;
        model_append(&m, store, source, 0xf, 0xf);
        nv_store_maintain(store);
    }
    int64_t from = begin + 50500, to = begin + 290500; /* in blocks, in pages and in open rows */
    ck_assert_int_eq(nv_store_delete(store, &id, 1, from, to), 0);
    struct model_series *s = &m.series[1];
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->samples[i].time_ms < from || s->samples[i].time_ms > to)
            s->samples[kept++] = s->samples[i];
    s->n = kept;
    ck_assert_uint_eq(kept, 60);
    model_compare(&m, store, 0, INT64_MAX);
    nv_store_close(store);
    store = model_open_with(&m, disk, &how);
    model_compare(&m, store, 0, INT64_MAX);
    model_restart(&m);
    source = model_source(store, "node");
    for (int i = 0; i < 200; i++) {
        m.now_ms += 1000;
        model_append(&m, store, source, 0xf, 0xf);
        nv_store_maintain(store);
    }
    ck_assert_int_eq(nv_store_clean(store), 0);
    model_compare(&m, store, 0, INT64_MAX);
    char name[NV_BLOCK_NAME_MAX];
    ck_assert_int_eq(nv_store_snapshot(store, false, name), 0);
    model_compare(&m, store, 0, INT64_MAX);
    nv_samples_done(&got);
    nv_store_close(store);
    model_verify(disk);
    model_end(&m);
    model_disk_done(disk, ops);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/query");
    TCase *test = tcase_create("query");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 240);
    tcase_add_test(test, lists_are_sorted_and_come_from_memory_and_blocks);
    tcase_add_test(test, a_label_set_belongs_to_the_source_that_brought_it);
    tcase_add_test(test, what_an_ended_source_had_another_may_go_on_with);
    tcase_add_test(test, series_may_move_between_sources_that_both_stay);
    tcase_add_test(test, who_was_refused_is_heard_when_the_label_set_is_free);
    tcase_add_test(test, target_labels_win_and_keep_what_they_hide);
    tcase_add_test(test, a_marker_in_front_of_a_window_makes_no_difference);
    tcase_add_test(test, a_section_unobserved_for_three_intervals_is_stale);
    tcase_add_test(test, samples_with_times_of_their_own_survive_restart_and_block);
    tcase_add_test(test, labels_of_such_series_stand_in_the_log_but_twice);
    tcase_add_test(test, values_by_the_ten_thousand_are_listed_at_once);
    tcase_add_test(test, histograms_with_times_of_their_own_survive_restart_and_block);
    tcase_add_test(test, deleted_samples_are_gone_from_memory_and_blocks_for_good);
    tcase_add_test(test, readers_see_rising_samples_while_all_else_goes_on);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
