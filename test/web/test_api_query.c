/*
 * test_api_query.c - queries as JSON: shapes, errors, limits. Series are loaded every ten seconds from 0 on.
 */
#include "run_endpoint.h"

#include "promql/points.h"
#include "support/promql_series.h"
#include "web/endpoints.h"

static struct nv_arena arena;
static struct nv_memory_series *memory;
static struct nv_queryable queryable;
static struct nv_api api;

static void load(const char *line)
{
    struct nv_points points;

    ck_assert_int_eq(nv_points_parse(nv_str(line), true, &arena, &points), 0);
    nv_memory_series_load(memory, &points, 10000, NULL);
}

static void begin(void)
{
    arena = NV_ARENA(16 << 20);
    memory = nv_memory_series_new();
    load("{__name__=\"c\", job=\"a\"} 0+1x60");
    load("{__name__=\"c\", job=\"b\"} 0+2x60");
    load("{__name__=\"h\"} {{schema:0 sum:12.5 count:6 z_bucket:1 z_bucket_w:0.001 buckets:[2 0 "
         "3]}}x60");
    load("{__name__=\"mixed\"} 1 2 {{schema:0 sum:1 count:1 buckets:[1]}}");
    queryable = nv_memory_series_queryable(memory);
    api = (struct nv_api){.queryable = &queryable, .timeout_ms = 60000};
}

static void end(void)
{
    nv_memory_series_free(memory);
    nv_arena_done(&arena);
}

static const struct {
    const char *request, *form; /* form: a POST */
    unsigned status;
    const char *body;
} cases[] = {
    {"/api/v1/query?query=c&time=100.5",                                    NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__"
     "name__\":\"c\","
     "\"job\":\"a\"},\"value\":[100.500,\"10\"]},{\"metric\":{\"__name__\":\"c\",\"job\":\"b\"},"
     "\"value\":[100.500,"
     "\"20\"]}]}}"                                                                                                         },
    {"/api/v1/query",                                                       "query=c&time=100.5&limit=1",           200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__"
     "name__\":\"c\","
     "\"job\":\"a\"},\"value\":[100.500,\"10\"]}]},\"warnings\":[\"results truncated due to "
     "limit\"]}"                                                                                                           },
    {"/api/v1/query?query=nothing&time=1",                                  "query=1e-7&time=1970-01-01T00:00:04Z", 200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"1e-07\"]}}"                              },
    {"/api/v1/query?query=1%2B1&time=4",                                    NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}}"                                  },
    {"/api/v1/query?query=1",                                               NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1700000000.500,\"1\"]"
     "}}"                                                                                                                  },
    {"/api/v1/query?query=%22a%5C%22b%22&time=0",                           NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[0,\"a\\\"b\"]}}"                             },
    {"/api/v1/query?query=c%7Bjob=%22a%22%7D[25s]&time=100",                NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__"
     "name__\":\"c\","
     "\"job\":\"a\"},\"values\":[[80,\"8\"],[90,\"9\"],[100,\"10\"]]}]}}"                                                  },
    {"/api/v1/query?query=h&time=0",                                        NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__"
     "name__\":\"h\"},"
     "\"histogram\":[0,{\"count\":\"6\",\"sum\":\"12.5\",\"buckets\":[[3,\"-0.001\",\"0.001\","
     "\"1\"],"
     "[0,\"0.5\",\"1\",\"2\"],[0,\"2\",\"4\",\"3\"]]}]}]}}"                                                                },
    {"/api/v1/query?query=-h&time=0",                                       NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},"
     "\"histogram\":[0,{\"count\":\"-6\",\"sum\":\"-12.5\",\"buckets\":[[3,\"-0.001\",\"0.001\",\"-"
     "1\"],"
     "[0,\"0.5\",\"1\",\"-2\"],[0,\"2\",\"4\",\"-3\"]]}]}]}}"                                                              },
    {"/api/v1/query_range?query=c%7Bjob=%22a%22%7D&start=0&end=20&step=10", NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__"
     "name__\":\"c\","
     "\"job\":\"a\"},\"values\":[[0,\"0\"],[10,\"1\"],[20,\"2\"]]}]}}"                                                     },
    {"/api/v1/query_range",                                                 "query=mixed&start=0&end=20&step=10s",  200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__"
     "name__\":"
     "\"mixed\"},\"values\":[[0,\"1\"],[10,\"2\"]],\"histograms\":[[20,{\"count\":\"1\",\"sum\":"
     "\"1\","
     "\"buckets\":[[0,\"0.5\",\"1\",\"1\"]]}]]}]}}"                                                                        },
    {"/api/v1/query_range?query=2&start=0&end=1&step=1",                    NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},"
     "\"values\":[[0,"
     "\"2\"],[1,\"2\"]]}]}}"                                                                                               },
    {"/api/v1/query?query=rate(h%5B1m%5D)%2Brate(nothing%5B1m%5D)&time=0",  NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}"                                         },
    {"/api/v1/query?query=quantile(2,c)&time=100",                          NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},"
     "\"value\":[100,"
     "\"+Inf\"]}]},\"warnings\":[\"PromQL warning: quantile value should be between 0 and 1, got 2 "
     "(1:10)\"]}"                                                                                                          },
    {"/api/v1/query?query=rate(c%5B1m%5D)&time=60&limit=1",                 NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"job\":"
     "\"a\"},"
     "\"value\":[60,\"0.1\"]}]},\"warnings\":[\"results truncated due to "
     "limit\"],\"infos\":[\"PromQL info: "
     "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \\\"c\\\" "
     "(1:6)\"]}"                                                                                                           },
    {"/api/v1/format_query?query=sum(c)by(job)",                            NULL,                                   200,
     "{\"status\":\"success\",\"data\":\"sum by (job) (c)\"}"                                                              },
    {"/api/v1/parse_query?query=1",                                         NULL,                                   200,
     "{\"status\":\"success\",\"data\":{\"type\":\"numberLiteral\",\"val\":\"1\"}}"                                        },
    {"/api/v1/query_exemplars?query=c&start=0&end=1",                       NULL,                                   200,
     "{\"status\":\"success\",\"data\":[]}"                                                                                },
    {"/api/v1/query_exemplars?query=1&start=0&end=1",                       NULL,                                   204, ""},

    {"/api/v1/query?query=",                                                NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
     "\\\"query\\\": 1:1: parse error: "
     "no expression found in input\"}"                                                                                     },
    {"/api/v1/query?query=sum(&time=0",                                     NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
     "\\\"query\\\": 1:5: parse error: "
     "unclosed left parenthesis\"}"                                                                                        },
    {"/api/v1/query?query=1&time=x",                                        NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"time\\\": "
     "Invalid time value for 'time': cannot parse \\\"x\\\" "
     "to a valid timestamp\"}"                                                                                             },
    {"/api/v1/query?query=1&time=NaN",                                      NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"time\\\": "
     "Invalid time value for 'time': cannot parse "
     "\\\"NaN\\\" to a valid timestamp\"}"                                                                                 },
    {"/api/v1/query?query=1&limit=-1",                                      NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
     "\\\"limit\\\": limit must be "
     "non-negative\"}"                                                                                                     },
    {"/api/v1/query?query=1&timeout=x",                                     NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
     "\\\"timeout\\\": cannot parse "
     "\\\"x\\\" to a valid duration\"}"                                                                                    },
    {"/api/v1/query?query=1&lookback_delta=x",                              NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"error parsing lookback delta "
     "duration: cannot parse "
     "\\\"x\\\" to a valid duration\"}"                                                                                    },
    {"/api/v1/query?query=c*on(x)group_left()c&time=0",                     NULL,                                   422,
     "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"found duplicate series for the "
     "match group {} on the "
     "right hand-side of the operation: [{__name__=\\\"c\\\", job=\\\"a\\\"}, {__name__=\\\"c\\\", "
     "job=\\\"b\\\"}];many-to-many "
     "matching not allowed: matching labels must be unique on one side\"}"                                                 },
    {"/api/v1/query_range?query=c&end=1&step=1",                            NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
     "\\\"start\\\": cannot parse \\\"\\\" to "
     "a valid timestamp\"}"                                                                                                },
    {"/api/v1/query_range?query=c&start=2&end=1&step=1",                    NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"end\\\": "
     "end timestamp must not be "
     "before start time\"}"                                                                                                },
    {"/api/v1/query_range?query=c&start=0&end=1&step=0",                    NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"step\\\": "
     "zero or negative query "
     "resolution step widths are not accepted. Try a positive integer\"}"                                                  },
    {"/api/v1/query_range?query=c&start=0&end=11001&step=1",                NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"exceeded maximum resolution of "
     "11,000 points per "
     "timeseries. Try decreasing the query resolution (?step=XX)\"}"                                                       },
    {"/api/v1/query_range?query=c%5B1m%5D&start=0&end=1&step=1",            NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
     "\\\"query\\\": invalid expression type "
     "\\\"range vector\\\" for range query, must be Scalar or instant Vector\"}"                                           },
    {"/api/v1/query_exemplars?query=c&start=2&end=1",                       NULL,                                   400,
     "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"end timestamp must not be "
     "before start timestamp\"}"                                                                                           },
};

START_TEST(each_request_has_its_answer)
{
    expect_reply(&api, nv_api_query_endpoints, cases[_i].request, cases[_i].form, cases[_i].status,
                 cases[_i].body);
}
END_TEST

START_TEST(a_query_that_needs_too_many_samples_is_an_error_of_execution)
{
    api.promql.max_samples = 10;
    expect_reply(&api, nv_api_query_endpoints, "/api/v1/query?query=sum(c%5B5m%5D)&time=100", NULL,
                 400,
                 "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
                 "\\\"query\\\": 1:5: parse error: expected type instant vector in aggregation "
                 "expression, got range vector\"}");
    expect_reply(
        &api, nv_api_query_endpoints, "/api/v1/query?query=c%5B5m%5D&time=300", NULL, 422,
        "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"query processing would "
        "load too many samples into memory in query execution\"}");
}
END_TEST

START_TEST(a_query_whose_time_is_up_is_a_timeout)
{
    struct reply reply =
        run_endpoint(&api, nv_api_query_endpoints, "/api/v1/query?query=c&time=1&timeout=-1", NULL);

    ck_assert_uint_eq(reply.status, 503);
    ck_assert_ptr_nonnull(strstr(nv_buf_c_string(&reply.body), "\"errorType\":\"timeout\""));
    nv_buf_done(&reply.body);
}
END_TEST

START_TEST(times_and_steps_at_the_edge_of_what_there_is_do_not_overflow)
{
    static const char *const requests[] = {
        "/api/v1/query?query=c&time=1e300",
        "/api/v1/query?query=c&time=-1e300",
        "/api/v1/query?query=c%5B1m%5D%20offset%201000y&time=-9223309901257974.000",
        "/api/v1/query_range?query=c&start=-9223309901257974&end=9223309901257974&step=9e8",
        "/api/v1/query_range?query=rate(c%5B1y%5D)&start=-1e18&end=1e18&step=9e9",
        "/api/v1/query_range?query=c&start=0&end=0&step=1e9",
        "/api/v1/query_range?query=c&start=0&end=1&step=0.0001",
        "/api/v1/query?query=c&lookback_delta=9e9&time=5",
        "/api/v1/query?query=c&lookback_delta=-1&time=5",
    };

    for (size_t i = 0; i < NV_LEN(requests); i++) {
        struct reply reply = run_endpoint(&api, nv_api_query_endpoints, requests[i], NULL);
        ck_assert_uint_ne(reply.status, 0);
        nv_buf_done(&reply.body);
    }
}
END_TEST

START_TEST(stats_are_told_when_asked_for)
{
    struct reply reply = run_endpoint(&api, nv_api_query_endpoints,
                                      "/api/v1/query?query=c&time=100&stats=true", NULL);

    const char *body = nv_buf_c_string(&reply.body);
    ck_assert_ptr_nonnull(strstr(body, "\"stats\":{\"timings\":{\"evalTotalTime\":"));
    ck_assert_ptr_nonnull(strstr(body, "\"samples\":{\"totalQueryableSamples\":2,"));
    ck_assert_ptr_null(strstr(body, "PerStep"));
    nv_buf_done(&reply.body);

    api.step_stats = true;
    reply = run_endpoint(&api, nv_api_query_endpoints,
                         "/api/v1/query_range?query=c&start=0&end=10.5&step=10.5&stats=all", NULL);
    ck_assert_ptr_nonnull(strstr(nv_buf_c_string(&reply.body),
                                 "\"totalQueryableSamplesPerStep\":[[0,2],[10.500,2]]"));
    nv_buf_done(&reply.body);
}
END_TEST

/* A long expression, so that its tree takes block after block. */
START_TEST(a_request_that_gets_no_more_memory_is_an_error)
{
    NV_AUTO_BUF form = NV_BUF(1 << 20);
    static const char *const paths[] = {"/api/v1/query", "/api/v1/format_query",
                                        "/api/v1/parse_query", "/api/v1/query_exemplars"};
    unsigned status = 0;

    nv_buf_text(&form, "time=300&query=sum(rate(c[1m]))");
    for (int i = 0; i < 60; i++)
        nv_buf_printf(&form, "%%2Bsum(max_over_time(c{job=~\"a|b|%d\"}[2m]))", i);
    for (size_t i = 0; i < NV_LEN(paths); i++) {
        for (int blocks = 0; blocks == 0 || status != 200; blocks++) {
            ck_assert_int_lt(blocks, 100);
            blocks_left = blocks;
            struct reply reply =
                run_endpoint(&api, nv_api_query_endpoints, paths[i], nv_buf_c_string(&form));
            blocks_left = -1;
            status = reply.status;
            ck_assert_msg(status == 200 || status == 422 || status == 503, "%u %s", status,
                          nv_buf_c_string(&reply.body));
            nv_buf_done(&reply.body);
        }
    }
}
END_TEST

/* A parameter nobody asks for fills the first block more and more, until there is no room for the buckets. */
START_TEST(a_histogram_that_gets_no_memory_is_an_error_not_half_a_histogram)
{
    static const char request[] = "/api/v1/query?query=h&time=0&rest=";
    char text[sizeof(request) + 4096];
    bool failed = false;

    struct reply whole = run_endpoint(&api, nv_api_query_endpoints, request, NULL);
    for (size_t n = 0; n < 4000; n += 16) {
        snprintf(text, sizeof(text), "%s%0*d", request, (int)n, 0);
        blocks_left = 1;
        struct reply reply = run_endpoint(&api, nv_api_query_endpoints, text, NULL);
        blocks_left = -1;
        failed |= reply.status != 200;
        ck_assert_msg(reply.status != 200 ||
                          nv_str_eq(nv_buf_view(&reply.body), nv_buf_view(&whole.body)),
                      "%zu: %s", n, nv_buf_c_string(&reply.body));
        ck_assert_uint_gt(reply.body.n, 0);
        nv_buf_done(&reply.body);
    }
    ck_assert(failed);
    nv_buf_done(&whole.body);
}
END_TEST

static int remark(struct nv_exchange *x)
{
    char text[32];

    for (int i = 0; i < 13; i++) {
        snprintf(text, sizeof(text), "w%d", i);
        nv_warn(x, nv_str(text));
        nv_warn(x, nv_str(text));
    }
    nv_inform(x, NV_LIT("i"));
    nv_write_null(nv_data(x));
    return 0;
}

static int fail_late(struct nv_exchange *x)
{
    struct nv_writer *out = nv_data(x);

    nv_write_string(out, NV_LIT("begun"));
    return nv_fail(x, NV_EXECUTION, "and %s", "failed");
}

static int fail_packed(struct nv_exchange *x)
{
    nv_answer_header(x, "Content-Encoding", "snappy");
    nv_write_text(nv_raw(x, 200, "application/x-protobuf", true), "begun");
    return -ESTALE;
}

static int fail_canceled(struct nv_exchange *x)
{
    return nv_fail(x, NV_CANCELED, "gone");
}

static int show_part(struct nv_exchange *x)
{
    nv_write_string(nv_data(x), x->part);
    return 0;
}

static const struct nv_endpoint own[] = {
    {"/remark",      NV_GET, 0, remark},
    {"/api/late",             NV_GET, 0, fail_late},
    {"/packed_late",              NV_GET, 0, fail_packed},
    {"/plain",NV_GET, 0, fail_canceled},
    {"/api/canceled",     NV_GET, 0, fail_canceled},
    {"/l/{n}/v", NV_GET, 0, show_part},
    {0            },
};

START_TEST(ten_remarks_of_a_kind_are_told_and_the_rest_counted)
{
    expect_reply(
        &api, own, "/remark", NULL, 200,
        "{\"status\":\"success\",\"data\":null,\"warnings\":[\"w0\",\"w1\",\"w2\",\"w3\","
        "\"w4\",\"w5\",\"w6\",\"w7\",\"w8\",\"w9\",\"6 more warning annotations omitted\"],"
        "\"infos\":[\"i\"]}");
}
END_TEST

START_TEST(what_was_canceled_is_counted_so_wherever_it_was_asked)
{
    static const char *const paths[] = {"/plain", "/api/canceled"};

    for (size_t i = 0; i < NV_LEN(paths); i++) {
        struct reply reply = run_endpoint(&api, own, paths[i], NULL);
        ck_assert_uint_eq(reply.status, 499);
        ck_assert_int_eq(reply.outcome, NV_OUTCOME_CANCELED);
        nv_buf_done(&reply.body);
    }
}
END_TEST

START_TEST(an_error_replaces_what_has_not_left_yet)
{
    struct reply reply = run_endpoint(&api, own, "/packed_late", NULL);
    ck_assert_uint_eq(reply.status, 500);
    ck_assert_uint_eq(reply.n_headers, 0);
    nv_buf_done(&reply.body);
    expect_reply(&api, own, "/api/late", NULL, 422,
                 "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"and failed\"}");
}
END_TEST

START_TEST(names_in_paths_are_unescaped)
{
    static const struct {
        const char *path, *body;
    } names[] = {
        {"/l/job/v",          "{\"status\":\"success\",\"data\":\"job\"}"             },
        {"/l/U__a_2e_b__c/v", "{\"status\":\"success\",\"data\":\"a.b_c\"}"           },
        {"/l/U___e4_/v",      "{\"status\":\"success\",\"data\":\"\xc3\xa4\"}"        },
        {"/l/U___1F600_/v",   "{\"status\":\"success\",\"data\":\"\xf0\x9f\x98\x80\"}"},
        {"/l/U__a_zz_/v",     "{\"status\":\"success\",\"data\":\"U__a_zz_\"}"        },
        {"/l/U__a_/v",        "{\"status\":\"success\",\"data\":\"U__a_\"}"           },
        {"/l/U___d800_/v",    "{\"status\":\"success\",\"data\":\"U___d800_\"}"       },
        {"/l/U__/v",          "{\"status\":\"success\",\"data\":\"\"}"                },
        {"/l/a__b/v",         "{\"status\":\"success\",\"data\":\"a__b\"}"            },
    };

    for (size_t i = 0; i < NV_LEN(names); i++)
        expect_reply(&api, own, names[i].path, NULL, 200, names[i].body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/api_query");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, each_request_has_its_answer, 0, NV_LEN(cases));
    tcase_add_test(tcase, a_query_that_needs_too_many_samples_is_an_error_of_execution);
    tcase_add_test(tcase, a_query_whose_time_is_up_is_a_timeout);
    tcase_add_test(tcase, times_and_steps_at_the_edge_of_what_there_is_do_not_overflow);
    tcase_add_test(tcase, stats_are_told_when_asked_for);
    tcase_add_test(tcase, a_request_that_gets_no_more_memory_is_an_error);
    tcase_add_test(tcase, a_histogram_that_gets_no_memory_is_an_error_not_half_a_histogram);
    tcase_add_test(tcase, ten_remarks_of_a_kind_are_told_and_the_rest_counted);
    tcase_add_test(tcase, what_was_canceled_is_counted_so_wherever_it_was_asked);
    tcase_add_test(tcase, an_error_replaces_what_has_not_left_yet);
    tcase_add_test(tcase, names_in_paths_are_unescaped);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
