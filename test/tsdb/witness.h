/*
 * witness.h - a source whose every sample can be told from its series and its time, and so be checked by whoever reads it.
 *
 * WITNESS_SERIES series w{id="<n>"} stand in each frame. Beside them one more, w{epoch="<e>"}, for each WITNESS_EPOCH of
 * time, so that series come and go; with each fourth a generation begins.
 */
#ifndef NV_TEST_WITNESS_H
#define NV_TEST_WITNESS_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>

#include "metric/frame.h"
#include "tsdb/store.h"

enum { WITNESS_SERIES = 24, WITNESS_EPOCH = 300000, WITNESS_STEP = 1000 };

static const int64_t witness_begin = 1700000100000; /* the first frame's; begins an epoch */

struct witness {
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    uint32_t section, source, columns[WITNESS_SERIES], epoch_column;
    int64_t epoch, renewed;
};

static inline double witness_value(unsigned series, int64_t time_ms)
{
    uint64_t t = (uint64_t)time_ms / 1000;
    uint64_t r = (t * 2654435761U + series) * UINT64_C(0x9e3779b97f4a7c15);

    switch (series % 6) {
    case 0:
        return (double)(t * (series + 1));
    case 1:
        return (double)(r >> 50) * 0.001;
    case 2:
        return (double)series;
    case 3:
        return (double)(r >> 12) / 1e15;
    case 4:
        return (double)(t / 7 % 5);
    default:
        return (double)(4096 * (r >> 54));
    }
}

static inline uint32_t witness_column(struct witness *w, const char *name, int64_t number)
{
    char text[24];
    struct nv_str values[] = {
        {text, 0}
    };
    const char *const names[] = {name, NULL};
    struct nv_series_def def = {.name = "w",
                                .suffix = "",
                                .help = "A value.",
                                .type = NV_GAUGE,
                                .label_names = names,
                                .label_values = values,
                                .section = w->section};
    uint32_t column;

    values[0].n = (size_t)snprintf(text, sizeof(text), "%" PRId64, number);
    ck_assert_int_eq(nv_registry_add(w->registry, &def, &column), 0);
    return column;
}

static inline void witness_enter(struct witness *w)
{
    for (unsigned i = 0; i < WITNESS_SERIES; i++)
        w->columns[i] = witness_column(w, "id", i);
    w->epoch = -1;
}

static inline void witness_new(struct witness *w)
{
    *w = (struct witness){.registry = nv_registry_new(), .pool = nv_frame_pool_new()};
    w->section = nv_registry_add_section(w->registry);
    witness_enter(w);
}

static inline void witness_done(struct witness *w)
{
    nv_frame_pool_free(w->pool);
    nv_registry_free(w->registry);
}

static inline int witness_append(struct witness *w, struct nv_store *store, int64_t time_ms)
{
    int64_t epoch = time_ms / WITNESS_EPOCH;

    if (epoch / 4 != w->renewed) {
        nv_registry_renew(w->registry);
        witness_enter(w);
        w->renewed = epoch / 4;
    }
    if (epoch != w->epoch)
        w->epoch_column = witness_column(w, "epoch", epoch);
    w->epoch = epoch;
    struct nv_layout *layout = nv_registry_layout(w->registry);
    struct nv_frame *frame = nv_frame_new(w->pool, layout, time_ms);
    nv_layout_unref(layout);
    nv_bit_set(frame->observed, w->section);
    for (unsigned i = 0; i < WITNESS_SERIES; i++) {
        nv_bit_set(frame->present, w->columns[i]);
        frame->values[w->columns[i]] = witness_value(i, time_ms);
    }
    nv_bit_set(frame->present, w->epoch_column);
    frame->values[w->epoch_column] = (double)time_ms;
    int r = nv_store_append(store, w->source, frame);
    nv_frame_unref(frame);
    return r;
}

/* Appends the samples of one series; 0, or what select or read said. */
static inline int witness_read(struct nv_store *store, const char *name, int64_t number,
                               int64_t from_ms, int64_t to_ms, struct nv_samples *samples)
{
    const struct nv_queryable *q = nv_store_queryable(store);
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    struct nv_matcher matchers[] = {
        {NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("w"),  NULL},
        {NV_MATCH_EQUAL, nv_str(name),       nv_str(text), NULL},
    };
    struct nv_selection selection;

    nv_samples_reset(samples);
    int r = q->select(q->store, matchers, 2, from_ms, to_ms, 0, &selection);
    if (r < 0)
        return r;
    if (selection.n)
        r = q->read(&selection, 0, samples);
    q->release(&selection);
    return r;
}

static inline bool witness_bits_equal(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Each series that stands in every frame: in order, once, with the right values; returns the samples of the first. */
static inline size_t witness_check(struct nv_store *store, int64_t from_ms, int64_t to_ms,
                                   struct nv_samples *samples)
{
    size_t n = 0;

    for (unsigned k = WITNESS_SERIES; k-- > 0;) {
        int r = witness_read(store, "id", k, from_ms, to_ms, samples);
        ck_assert_msg(r == 0, "series %u: %s", k, strerror(-r));
        n = samples->n;
        for (size_t i = 0; i < n; i++) { /* no assertions: check notes each in a file */
            if (i > 0 && samples->times[i] <= samples->times[i - 1])
                ck_abort_msg("series %u: %" PRId64 " comes after %" PRId64, k, samples->times[i],
                             samples->times[i - 1]);
            if (!witness_bits_equal(samples->values[i], witness_value(k, samples->times[i])))
                ck_abort_msg("series %u at %" PRId64 " is %.17g", k, samples->times[i],
                             samples->values[i]);
        }
    }
    return n;
}

/* All that and no gap between the two times. */
static inline void witness_expect(struct nv_store *store, int64_t from_ms, int64_t to_ms)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    size_t n = witness_check(store, from_ms, to_ms, &samples);
    size_t expected = (size_t)((to_ms - from_ms) / WITNESS_STEP) + 1;

    ck_assert_msg(n == expected, "%zu of %zu samples, from %" PRId64 " to %" PRId64, n, expected,
                  n ? samples.times[0] : 0, n ? samples.times[n - 1] : 0);
    nv_samples_done(&samples);
}

/* The series of an epoch: a sample in each frame of it, then one marker. */
static inline void witness_expect_epoch(struct nv_store *store, int64_t epoch, bool marker)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    size_t expected = WITNESS_EPOCH / WITNESS_STEP;

    ck_assert_int_eq(witness_read(store, "epoch", epoch, INT64_MIN, INT64_MAX, &samples), 0);
    ck_assert_msg(samples.n == expected + marker, "epoch %" PRId64 ": %zu samples", epoch,
                  samples.n);
    for (size_t i = 0; i < expected; i++)
        ck_assert(witness_bits_equal(samples.values[i], (double)samples.times[i]));
    if (marker)
        ck_assert(nv_is_stale(samples.values[expected]));
    nv_samples_done(&samples);
}

#endif
