/*
 * test_compare.c - random expressions over random series: a range query against single queries at its steps, and
 * against an evaluator that is slow and plain.
 *
 * NV_SEED and NV_ROUNDS in the environment make it another run, or a long one: test/promql/compare.sh.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "promql/eval.h"
#include "promql/histogram_math.h"
#include "support/promql_random.h"
#include "support/promql_slow.h"

enum { START_MS = 240000, END_MS = 1500000, STEP_MS = 35000, ROUNDS = 1500, PER_SERIES = 50 };

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value;

    return text && nv_str_to_u64(nv_str(text), &value) ? value : otherwise;
}

static bool alike(double a, double b)
{
    if ((isnan(a) && isnan(b)) || a == b)
        return true;
    return fabs(a - b) <= 1e-7 * fmax(fabs(a), fabs(b)) || fabs(a - b) < 1e-9;
}

static bool histograms_alike(const struct nv_histogram *a, const struct nv_histogram *b)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    size_t n = 0, m = 0;
    const struct nv_bucket *x = nv_histogram_buckets(&arena, a, &n),
                           *y = nv_histogram_buckets(&arena, b, &m);
    bool same = x && y && n == m && a->schema == b->schema && alike(a->sum, b->sum) &&
                alike(a->count, b->count);

    for (size_t i = 0; same && i < n; i++)
        same = x[i].index == y[i].index && alike(x[i].count, y[i].count);
    nv_arena_done(&arena);
    return same;
}

static int ask(struct nv_str text, const struct nv_queryable *queryable, int64_t at_ms,
               unsigned features, struct nv_arena *arena, struct nv_promql_result *ret)
{
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_promql_options options = {.features = features};
    int r = nv_promql_parse(text, NV_PROMQL_ALL, arena, &promql, &error);

    nv_assert(r == 0);
    if (at_ms < 0)
        r = nv_promql_eval(&promql, queryable, START_MS, END_MS, STEP_MS, &options, ret);
    else
        r = nv_promql_eval_at(&promql, queryable, at_ms, &options, ret);
    nv_promql_done(&promql);
    return r;
}

static const struct nv_promql_series *find(const struct nv_promql_result *all,
                                           const struct nv_label *labels, size_t n)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->series[i].n_labels == n &&
            nv_labels_compare(all->series[i].labels, n, labels, n) == 0)
            return &all->series[i];
    return NULL;
}

/* The place of a time in a series; n where it has none. */
static size_t place(const struct nv_promql_series *s, int64_t at_ms)
{
    size_t i = 0;

    while (i < s->n && s->times[i] != at_ms)
        i++;
    return i;
}

static size_t count_at(const struct nv_promql_result *all, int64_t at_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++)
        n += place(&all->series[i], at_ms) < all->series[i].n;
    return n;
}

static void differ(struct nv_str text, uint64_t seed, int64_t at_ms, const char *what)
{
    ck_abort_msg("%s at %lld ms (seed %llu): %.*s", what, (long long)at_ms,
                 (unsigned long long)seed, NV_ARGS(text));
}

/* Each step of the range is what the single query gives. */
static void against_single(struct nv_str text, const struct nv_queryable *queryable, uint64_t seed,
                           unsigned features, struct nv_arena *arena)
{
    struct nv_promql_result all, one;
    int failed = ask(text, queryable, -1, features, arena, &all);

    for (int64_t at = START_MS; at <= END_MS; at += STEP_MS) {
        int r = ask(text, queryable, at, features, arena, &one);
        if (failed == 0 && r < 0)
            differ(text, seed, at, one.error);
        for (size_t i = 0; failed == 0 && i < one.n; i++) {
            const struct nv_promql_series *s = &one.series[i],
                                          *other = find(&all, s->labels, s->n_labels);
            size_t k = other ? place(other, at) : 0;
            if (!other || k == other->n)
                differ(text, seed, at, "the range has no such point");
            const struct nv_histogram *h = s->histograms ? s->histograms[0] : NULL,
                                      *g = other->histograms ? other->histograms[k] : NULL;
            if (!h != !g || (h ? !histograms_alike(h, g) : !alike(s->values[0], other->values[k])))
                differ(text, seed, at, "the range has another value");
        }
        if (failed == 0 && count_at(&all, at) != one.n)
            differ(text, seed, at, "the range has more points");
        nv_promql_result_done(&one);
    }
    nv_promql_result_done(&all);
}

static void against_slow(struct nv_str text, const struct nv_queryable *queryable, uint64_t seed,
                         struct nv_arena *arena, size_t *n_compared)
{
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_promql_result all;
    int failed = ask(text, queryable, -1, 0, arena, &all), any = 0;

    nv_assert(nv_promql_parse(text, NV_PROMQL_ALL, arena, &promql, &error) == 0);
    for (int64_t at = START_MS; at <= END_MS; at += STEP_MS) {
        struct nv_arena memory = NV_ARENA((size_t)256 << 20);
        struct nv_slow_vector v;
        int r = nv_slow_eval(promql.root, queryable, at, &memory, &v);
        any = r < 0 ? r : any;
        *n_compared += r == 0 && failed == 0;
        if (r == -EINVAL && failed == 0)
            differ(text, seed, at, "an error is missing");
        for (size_t i = 0; r == 0 && failed == 0 && i < v.n; i++) {
            const struct nv_promql_series *s = find(&all, v.at[i].labels, v.at[i].n_labels);
            size_t k = s ? place(s, at) : 0;
            if (!s || k == s->n)
                differ(text, seed, at, "a point is missing");
            if (!alike(s->values[k], v.at[i].value))
                differ(text, seed, at, "another value");
        }
        if (r == 0 && failed == 0 && count_at(&all, at) != v.n)
            differ(text, seed, at, "a point too many");
        nv_arena_done(&memory);
    }
    if (failed < 0 && any == 0)
        differ(text, seed, 0, all.error);
    nv_promql_done(&promql);
    nv_promql_result_done(&all);
}

static size_t run(bool floats)
{
    uint64_t seed = number_of("NV_SEED", 1), rounds = number_of("NV_ROUNDS", ROUNDS);
    struct nv_memory_series *memory = NULL;
    struct nv_queryable queryable = {0};
    int64_t deadline = nv_monotonic_ns() + INT64_C(4000000000);
    bool bounded = !getenv("NV_ROUNDS");
    size_t n_compared = 0;

    for (uint64_t i = 0; i < rounds && (!bounded || nv_monotonic_ns() < deadline); i++) {
        struct nv_dice dice = {(seed + i) * UINT64_C(0x9e3779b97f4a7c15), floats};
        struct nv_arena arena = NV_ARENA((size_t)64 << 20);
        NV_AUTO_BUF text = NV_BUF(1 << 16);
        if (i % PER_SERIES == 0) {
            nv_memory_series_free(memory);
            memory = nv_memory_series_new();
            nv_random_series(&dice, memory);
            queryable = nv_memory_series_queryable(memory);
        }
        nv_random_expression(&dice, &text);
        if (floats)
            against_slow(nv_buf_view(&text), &queryable, seed + i, &arena, &n_compared);
        else
            against_single(nv_buf_view(&text), &queryable, seed + i, i % 2 ? NV_PROMQL_ALL : 0,
                           &arena);
        nv_arena_done(&arena);
    }
    nv_memory_series_free(memory);
    return n_compared;
}

START_TEST(a_range_is_its_single_queries)
{
    run(false);
}
END_TEST

START_TEST(floats_are_as_a_plain_evaluator_has_them)
{
    ck_assert_uint_gt(run(true), 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/compare");
    TCase *c = tcase_create("compare");

    tcase_set_timeout(c, 0);
    tcase_add_test(c, a_range_is_its_single_queries);
    tcase_add_test(c, floats_are_as_a_plain_evaluator_has_them);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
