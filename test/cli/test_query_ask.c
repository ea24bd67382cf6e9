/*
 * test_query_ask.c - what is asked of a store at hand comes out as the API would have it, native histograms included.
 */
#include <check.h>
#include <fcntl.h>

#include "cli/query.h"
#include "support/promql_series.h"

static struct nv_memory_series *memory;
static struct nv_queryable queryable;
static struct nv_arena arena;

static void load(const char *line)
{
    struct nv_points points;

    ck_assert_int_eq(nv_points_parse(nv_str(line), true, &arena, &points), 0);
    nv_memory_series_load(memory, &points, 10000, NULL);
}

static void setup(void)
{
    arena = NV_ARENA(64 << 20);
    memory = nv_memory_series_new();
    queryable = nv_memory_series_queryable(memory);
    load("up{job=\"a\"} 1 0 1 1");
    load("up{job=\"b\"} 1 1");
    load("h{job=\"a\"} {{schema:0 count:9 sum:4.5 z_bucket:2 z_bucket_w:0.001 buckets:[1 2 0 1] "
         "n_buckets:[3]}} _ 5");
    load("c{job=\"a\"} {{schema:-53 count:3 sum:1 custom_values:[1 2] buckets:[1 0 2]}}");
}

static void teardown(void)
{
    nv_memory_series_free(memory);
    nv_arena_done(&arena);
}

/* The answer as JSON; the caller's. NULL where there is none. */
static char *ask(struct nv_query query)
{
    struct nv_answer answer = {.memory = NV_ARENA(NV_QUERY_MEMORY_MAX)};
    char *text = NULL;
    size_t n;

    query.timeout_ms = 60000;
    if (nv_query_ask(&query, &queryable, &answer) == 0) {
        FILE *to = open_memstream(&text, &n);
        ck_assert_int_eq(nv_query_print_json(to, &answer, &query), 0);
        fclose(to);
    }
    nv_answer_done(&answer);
    return text;
}

static void must_answer(struct nv_query query, const char *expected)
{
    char *text = ask(query);

    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
    free(text);
}

static struct nv_query instant(const char *expr, int64_t time_ms)
{
    return (struct nv_query){.kind = NV_QUERY_INSTANT, .expr = nv_str(expr), .end_ms = time_ms};
}

START_TEST(values_come_as_text_and_times_as_seconds)
{
    must_answer(instant("up", 15500),
                "{\"resultType\":\"vector\",\"result\":["
                "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"value\":[15.500,\"0\"]},"
                "{\"metric\":{\"__name__\":\"up\",\"job\":\"b\"},\"value\":[15.500,\"1\"]}]}\n");
    must_answer(instant("up{job=\"a\"}[25s]", 20000),
                "{\"resultType\":\"matrix\",\"result\":["
                "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},"
                "\"values\":[[0,\"1\"],[10,\"0\"],[20,\"1\"]]}]}\n");
    must_answer(instant("1/0", 0), "{\"resultType\":\"scalar\",\"result\":[0,\"+Inf\"]}\n");
    must_answer(instant("'x'", 1000), "{\"resultType\":\"string\",\"result\":[1,\"x\"]}\n");
    must_answer(instant("nothing", 0), "{\"resultType\":\"vector\",\"result\":[]}\n");
}
END_TEST

START_TEST(buckets_tell_which_bounds_are_theirs)
{
    must_answer(
        instant("h", 0),
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"h\",\"job\":\"a\"},"
        "\"histogram\":[0,{\"count\":\"9\",\"sum\":\"4.5\",\"buckets\":["
        "[1,\"-1\",\"-0.5\",\"3\"],[3,\"-0.001\",\"0.001\",\"2\"],[0,\"0.5\",\"1\",\"1\"],"
        "[0,\"1\",\"2\",\"2\"],[0,\"4\",\"8\",\"1\"]]}]}]}\n");
    must_answer(
        instant("c", 0),
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"c\",\"job\":\"a\"},"
        "\"histogram\":[0,{\"count\":\"3\",\"sum\":\"1\",\"buckets\":["
        "[3,\"-Inf\",\"1\",\"1\"],[0,\"2\",\"+Inf\",\"2\"]]}]}]}\n");
}
END_TEST

START_TEST(a_series_has_its_floats_and_its_histograms_apart)
{
    must_answer((struct nv_query){.kind = NV_QUERY_RANGE,
                                  .expr = NV_LIT("histogram_count(h) or h"),
                                  .start_ms = 0,
                                  .end_ms = 20000,
                                  .step_ms = 20000},
                "{\"resultType\":\"matrix\",\"result\":["
                "{\"metric\":{\"__name__\":\"h\",\"job\":\"a\"},\"values\":[[20,\"5\"]]},"
                "{\"metric\":{\"job\":\"a\"},\"values\":[[0,\"9\"]]}]}\n");
    must_answer(
        (struct nv_query){.kind = NV_QUERY_RANGE,
                          .expr = NV_LIT("c or h"),
                          .start_ms = 0,
                          .end_ms = 20000,
                          .step_ms = 20000,
                          .lookback_ms = 5000,
                          .limit = 1},
        "{\"resultType\":\"matrix\",\"result\":["
        "{\"metric\":{\"__name__\":\"c\",\"job\":\"a\"},\"histograms\":[[0,{\"count\":\"3\","
        "\"sum\":\"1\",\"buckets\":[[3,\"-Inf\",\"1\",\"1\"],[0,\"2\",\"+Inf\",\"2\"]]}]]}]}\n");
}
END_TEST

START_TEST(selectors_are_a_union_in_order)
{
    const struct nv_str matches[] = {NV_LIT("up{job=\"b\"}"), NV_LIT("up"), NV_LIT("c")};
    struct nv_query query = {.kind = NV_QUERY_SERIES, .matches = matches, .n_matches = 3};

    must_answer(query, "[{\"__name__\":\"c\",\"job\":\"a\"},{\"__name__\":\"up\",\"job\":\"a\"},"
                       "{\"__name__\":\"up\",\"job\":\"b\"}]\n");
    query.limit = 1;
    must_answer(query, "[{\"__name__\":\"c\",\"job\":\"a\"}]\n");
}
END_TEST

START_TEST(what_cannot_be_asked_is_refused)
{
    const struct nv_str bad[] = {NV_LIT("up{"), NV_LIT("{}"), NV_LIT("rate(up[5m])")};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(dup2(null, STDERR_FILENO), STDERR_FILENO);
    close(null);
    ck_assert_ptr_null(ask(instant("up{", 0)));
    ck_assert_ptr_null(ask(instant("up + on(job) up + on() up", 0)));
    ck_assert_ptr_null(ask((struct nv_query){
        .kind = NV_QUERY_RANGE, .expr = NV_LIT("up[5m]"), .end_ms = 1000, .step_ms = 1000}));
    for (size_t i = 0; i < NV_LEN(bad); i++)
        ck_assert_ptr_null(
            ask((struct nv_query){.kind = NV_QUERY_SERIES, .matches = &bad[i], .n_matches = 1}));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_ask");
    TCase *tcase = tcase_create("ask");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, values_come_as_text_and_times_as_seconds);
    tcase_add_test(tcase, buckets_tell_which_bounds_are_theirs);
    tcase_add_test(tcase, a_series_has_its_floats_and_its_histograms_apart);
    tcase_add_test(tcase, selectors_are_a_union_in_order);
    tcase_add_test(tcase, what_cannot_be_asked_is_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
