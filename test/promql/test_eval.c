/*
 * test_eval.c - what scripts cannot say: limits, errors of storage, names dropped at once, remarks.
 */
#include <check.h>
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "promql/eval.h"
#include "support/promql_series.h"

static struct nv_memory_series *memory;
static struct nv_queryable queryable;
static struct nv_arena arena;
static struct nv_promql_result result;

static void load(const char *line)
{
    struct nv_points points;

    ck_assert_int_eq(nv_points_parse(nv_str(line), true, &arena, &points), 0);
    nv_memory_series_load(memory, &points, 10000, NULL);
}

static void setup(void)
{
    memory = nv_memory_series_new();
    queryable = nv_memory_series_queryable(memory);
    arena = NV_ARENA(64 << 20);
    load("a_total{x=\"1\"} 0+1x1000");
    load("a_total{x=\"2\"} 0+2x1000");
    load("b{x=\"1\"} 5x1000");
}

static void teardown(void)
{
    nv_promql_result_done(&result);
    nv_arena_done(&arena);
    nv_memory_series_free(memory);
}

/* Over `steps` steps of 10 s. */
static int run(const char *text, unsigned steps, const struct nv_promql_options *options)
{
    struct nv_promql promql;
    struct nv_promql_error error;

    nv_promql_result_done(&result);
    int r = nv_promql_parse(nv_str(text), options->features, &arena, &promql, &error);
    ck_assert_msg(r == 0, "%s", error.text);
    r = nv_promql_eval(&promql, &queryable, 0, (int64_t)steps * 10000 - 10000, 10000, options,
                       &result);
    nv_promql_done(&promql);
    return r;
}

START_TEST(more_samples_than_allowed_are_an_error)
{
    struct nv_promql_options options = {.max_samples = 1000};

    ck_assert_int_eq(run("a_total", 400, &options), 0);
    ck_assert_int_eq(run("a_total", 600, &options), -EDQUOT);
    ck_assert_str_eq(result.error, "query processing would load too many samples into memory in "
                                   "query execution");
    ck_assert_uint_eq(result.n, 0);
}
END_TEST

/* Only the answer counts, not what flows into it. */
START_TEST(a_sum_holds_no_more_than_its_answer)
{
    struct nv_promql_options options = {.max_samples = 1000};

    ck_assert_int_eq(run("sum(rate(a_total[1m]))", 900, &options), 0);
    ck_assert_uint_eq(result.n, 1);
}
END_TEST

START_TEST(more_memory_than_allowed_is_an_error)
{
    struct nv_promql_options options = {.max_memory = 1 << 20};

    ck_assert_int_eq(run("a_total", 1000, &options), 0);
    ck_assert_int_eq(run("vector(1)", 100000, &options), -EDQUOT);
    ck_assert_int_eq(run("sum_over_time(a_total[100y:1ms])", 10, &options), -EDQUOT);
    ck_assert(strstr(result.error, "memory"));
}
END_TEST

/* Series with few points, thousands of them over a long grid, take memory for the points alone. */
START_TEST(sparse_answers_take_memory_for_their_points)
{
    struct nv_promql_options options = {.max_memory = 4 << 20};

    ck_assert_int_eq(run("count_values(\"v\", a_total)", 1000, &options), 0);
    ck_assert_uint_gt(result.n, 1000);
    ck_assert_int_eq(run("sum(count_values(\"v\", a_total))", 1000, &options), 0);
    ck_assert_uint_eq(result.n, 1);
    ck_assert_double_eq(result.series[0].values[0], 2);
}
END_TEST

START_TEST(a_query_ends_at_its_deadline_and_when_cancelled)
{
    struct nv_promql_options late = {.deadline_ms = 1}, cancelled = {.cancel = &(bool){true}};

    ck_assert_int_eq(run("a_total", 10, &late), -ETIMEDOUT);
    ck_assert_str_eq(result.error, "query timed out in expression evaluation");
    ck_assert_int_eq(run("a_total", 10, &cancelled), -ECANCELED);
    ck_assert_str_eq(result.error, "query was canceled in expression evaluation");
}
END_TEST

START_TEST(names_dropped_at_once_may_collide)
{
    struct nv_promql_options at_once = {0}, delayed = {.features = NV_PROMQL_DELAYED_NAMES};
    const char *text = "sum(abs({__name__=~\"a_total|b\"}))";

    ck_assert_int_eq(run(text, 2, &at_once), -EINVAL);
    ck_assert_str_eq(result.error, "vector cannot contain metrics with the same labelset");
    ck_assert_int_eq(run(text, 2, &delayed), 0);
}
END_TEST

START_TEST(a_range_query_gives_no_range_vector)
{
    struct nv_promql_options options = {0};

    ck_assert_int_eq(run("a_total[5m]", 2, &options), -EINVAL);
    ck_assert_str_eq(result.error, "invalid expression type \"range vector\" for range query, must "
                                   "be Scalar or instant Vector");
}
END_TEST

START_TEST(a_remark_comes_once_however_many_series)
{
    struct nv_promql_options options = {0};

    load("gauge{x=\"1\"} 1x1000");
    load("gauge{x=\"2\"} 1x1000");
    ck_assert_int_eq(run("rate(gauge[1m])", 100, &options), 0);
    ck_assert_uint_eq(result.n_annotations, 1);
    ck_assert(!result.annotations[0].is_warning);
    ck_assert(nv_str_is(result.annotations[0].text,
                        "PromQL info: metric might not be a counter, name does not end in "
                        "_total/_sum/_count/_bucket: \"gauge\" (1:6)"));
}
END_TEST

START_TEST(the_type_label_tells_what_is_a_counter_where_series_carry_it)
{
    struct nv_promql_options options = {.features = NV_PROMQL_TYPE_AND_UNIT};

    load("typed{__type__=\"counter\"} 0+1x100");
    load("typed_total{__type__=\"gauge\",__unit__=\"s\"} 0+1x100");
    ck_assert_int_eq(run("rate(typed[1m])", 10, &options), 0);
    ck_assert_uint_eq(result.n_annotations, 0);
    ck_assert_int_eq(run("rate(typed_total[1m])", 10, &options), 0);
    ck_assert_uint_eq(result.n_annotations, 1);
    ck_assert(nv_str_is(result.annotations[0].text,
                        "PromQL info: metric might not be a counter, __type__ label is not set to "
                        "\"counter\" or \"histogram\", got \"gauge\": \"typed_total\" (1:6)"));
    ck_assert_uint_eq(result.series[0].n_labels, 0);
}
END_TEST

/* At a step a selector sees one sample, a window all in it; each is read once. */
START_TEST(what_a_query_sees_is_counted)
{
    struct nv_promql_options options = {.stats_by_step = true};

    ck_assert_int_eq(run("b", 10, &options), 0);
    ck_assert_uint_eq(result.stats.queryable, 10);
    ck_assert_uint_eq(result.stats.read, 10);
    ck_assert_uint_eq(result.stats.peak, 10);
    ck_assert_int_eq(run("sum(rate(a_total[1m]))", 10, &options), 0);
    ck_assert_uint_eq(result.stats.n_steps, 10);
    ck_assert_uint_eq(result.stats.queryable_by_step[0], 2);
    ck_assert_uint_eq(result.stats.queryable_by_step[4], 10);
    ck_assert_uint_eq(result.stats.queryable_by_step[9], 12);
    ck_assert_uint_eq(result.stats.queryable, 2 * (1 + 2 + 3 + 4 + 5 + 5 * 6));
    ck_assert_uint_eq(result.stats.read, 20);
    ck_assert_int_eq(run("a_total @ 50", 10, &options), 0);
    ck_assert_uint_eq(result.stats.queryable, 20);
    ck_assert_uint_eq(result.stats.queryable_by_step[9], 2);
    ck_assert_uint_eq(result.stats.read, 2);
    ck_assert_int_eq(run("max_over_time(a_total[40s:20s])", 10, &options), 0);
    ck_assert_uint_eq(result.stats.queryable_by_step[9], 4);
}
END_TEST

START_TEST(what_stands_twice_is_evaluated_once)
{
    struct nv_promql_options options = {0};

    ck_assert_int_eq(run("sum(rate(a_total[1m]))", 10, &options), 0);
    uint64_t seen = result.stats.queryable;
    ck_assert_uint_eq(result.stats.read, 20);
    ck_assert_int_eq(run("sum(rate(a_total[1m])) / (1 + sum(rate(a_total[1m])))", 10, &options), 0);
    ck_assert_uint_eq(result.stats.read, 20);
    ck_assert_uint_eq(result.stats.queryable, 2 * seen);
    ck_assert_double_eq_tol(result.series[0].values[8], 0.3 / 1.3, 1e-9);
}
END_TEST

/* Remarks tell where they come from: both places do. */
START_TEST(what_stands_twice_is_remarked_upon_twice)
{
    struct nv_promql_options options = {0};

    ck_assert_int_eq(run("rate(b[1m]) + rate(b[1m])", 10, &options), 0);
    ck_assert_uint_eq(result.n_annotations, 2);
}
END_TEST

/* However long and fine a grid is, it ends in an error, soon and in little memory. */
START_TEST(grids_without_end_are_refused)
{
    static const char *const texts[] = {"1",
                                        "time()",
                                        "a_total",
                                        "vector(1)",
                                        "absent(x)",
                                        "sum(a_total)",
                                        "-a_total",
                                        "rate(a_total[1m])",
                                        "a_total + b",
                                        "a_total or b",
                                        "topk(1, a_total)",
                                        "scalar(b)",
                                        "quantile(0.5, a_total)",
                                        "count_values(\"v\", b)",
                                        "histogram_quantile(0.5, a_total)",
                                        "label_replace(a_total, \"a\", \"b\", \"c\", \"\")",
                                        "hour()",
                                        "clamp(b, 1, 2)",
                                        "a_total @ 10",
                                        "sum_over_time(a_total[1m:1s])",
                                        "info(a_total)",
                                        "sort(a_total)",
                                        "absent_over_time(a_total[1m])",
                                        "1 + 2",
                                        "b > bool 1",
                                        "min_of(1, 2)"};
    struct nv_promql_options options = {.features = NV_PROMQL_ALL};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct nv_promql promql;
        struct nv_promql_error error;
        nv_promql_result_done(&result);
        ck_assert_int_eq(nv_promql_parse(nv_str(texts[i]), NV_PROMQL_ALL, &arena, &promql, &error),
                         0);
        int r = nv_promql_eval(&promql, &queryable, 0, INT64_MAX / 2, 1, &options, &result);
        ck_assert_msg(r == -EDQUOT, "%s: %d", texts[i], r);
        ck_assert(result.error[0]);
        nv_promql_done(&promql);
    }
}
END_TEST

START_TEST(subqueries_without_end_are_refused)
{
    struct nv_promql_options options = {0};

    ck_assert_int_eq(run("max_over_time(a_total[290y:1ms])", 1, &options), -EDQUOT);
    ck_assert_int_eq(run("max_over_time(max_over_time(a_total[1h:1ms])[290y:1ms])", 1, &options),
                     -EDQUOT);
    ck_assert_int_eq(run("count_over_time(max_over_time(a_total[1y:1s])[1y:1s])", 1, &options),
                     -EDQUOT);
}
END_TEST

/* A value of many kinds of matches, and expressions that try them all. */
START_TEST(regular_expressions_that_explode_end)
{
    NV_AUTO_BUF line = NV_BUF(1 << 16);
    struct nv_promql_options options = {0};
    int64_t begin = nv_monotonic_ns();

    nv_buf_text(&line, "long{l=\"");
    for (int i = 0; i < 5000; i++)
        nv_buf_char(&line, 'a');
    nv_buf_text(&line, "!\"} 1x10");
    load(nv_buf_c_string(&line));
    (void)run("long{l=~\"(a*)*b\"}", 2, &options);
    (void)run("long{l=~\"(a|aa)+$\"}", 2, &options);
    (void)run("label_replace(long, \"x\", \"$1\", \"l\", \"((a+)+)+b\")", 2, &options);
    ck_assert_int_lt(nv_monotonic_ns() - begin, INT64_C(60000000000));
}
END_TEST

/* A remark of its own at every step of every series. */
START_TEST(remarks_without_end_are_bounded)
{
    struct nv_promql_options options = {0};

    ck_assert_int_eq(run("quantile_over_time(time() + 2, a_total[1m])", 10000, &options), 0);
    ck_assert_uint_gt(result.n_annotations, 100);
    ck_assert_uint_le(result.n_annotations, 10000);
}
END_TEST

static int broken_read(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    (void)selection;
    (void)i;
    (void)samples;
    return -EIO;
}

static int broken_select(void *store, const struct nv_matcher *matchers, size_t n, int64_t from,
                         int64_t to, size_t limit, struct nv_selection *ret)
{
    static struct nv_queryable broken;
    int r = nv_memory_series_queryable(memory).select(store, matchers, n, from, to, limit, ret);

    broken = nv_memory_series_queryable(memory);
    broken.read = broken_read;
    ret->from = &broken;
    return r;
}

START_TEST(an_error_of_storage_is_passed_up_with_its_cause)
{
    static const char *const texts[] = {"a_total",         "rate(a_total[1m])",
                                        "a_total + b",     "sum(a_total) or topk(1, b)",
                                        "absent(a_total)", "max_over_time(rate(a_total[1m])[5m:])"};
    struct nv_promql_options options = {0};

    queryable.select = broken_select;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_int_eq(run(texts[i], 5, &options), -EIO);
        ck_assert_str_eq(result.error, "expanding series: Input/output error");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/eval");
    TCase *c = tcase_create("eval");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, more_samples_than_allowed_are_an_error);
    tcase_add_test(c, a_sum_holds_no_more_than_its_answer);
    tcase_add_test(c, more_memory_than_allowed_is_an_error);
    tcase_add_test(c, sparse_answers_take_memory_for_their_points);
    tcase_add_test(c, a_query_ends_at_its_deadline_and_when_cancelled);
    tcase_add_test(c, names_dropped_at_once_may_collide);
    tcase_add_test(c, a_range_query_gives_no_range_vector);
    tcase_add_test(c, a_remark_comes_once_however_many_series);
    tcase_add_test(c, the_type_label_tells_what_is_a_counter_where_series_carry_it);
    tcase_add_test(c, what_a_query_sees_is_counted);
    tcase_add_test(c, what_stands_twice_is_evaluated_once);
    tcase_add_test(c, what_stands_twice_is_remarked_upon_twice);
    tcase_add_test(c, grids_without_end_are_refused);
    tcase_add_test(c, subqueries_without_end_are_refused);
    tcase_add_test(c, regular_expressions_that_explode_end);
    tcase_add_test(c, remarks_without_end_are_bounded);
    tcase_add_test(c, an_error_of_storage_is_passed_up_with_its_cause);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
