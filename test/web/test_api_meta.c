/*
 * test_api_meta.c - what is no query: series, metadata, targets, rules, federation; from a store in memory, with a sample
 * every ten seconds from 0 on, and from answers an agent might give.
 */
#include "run_endpoint.h"

#include <nodevitals/collector.h>

#include "promql/points.h"
#include "support/promql_series.h"
#include "tsdb/store.h"
#include "web/endpoints.h"

#define DATA(json)  "{\"status\":\"success\",\"data\":" json "}"
#define ERROR(text) "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"" text "\"}"
#define CUT(json)                                                                                  \
    "{\"status\":\"success\",\"data\":" json ",\"warnings\":[\"results truncated due to limit\"]}"

static struct nv_arena arena;
static struct nv_store *store;
static uint32_t source;
static struct nv_promql_pool *pool;
static struct nv_api api;

static void load(const char *line)
{
    struct nv_points points;

    ck_assert_int_eq(nv_points_parse(nv_str(line), true, &arena, &points), 0);
    for (size_t i = 0; i < points.n; i++)
        ck_assert_int_eq(nv_store_append_sparse(store, source, points.labels, points.n_labels,
                                                (int64_t)i * 10000, points.at[i].value),
                         0);
}

static int64_t now(void *user)
{
    (void)user;
    return 600000;
}

static void begin(void)
{
    const struct nv_store_options options = {.now_ms = now};
    char error[NV_STORE_ERROR_MAX];

    arena = NV_ARENA(16 << 20);
    ck_assert_int_eq(nv_store_open(&options, &store, error), 0);
    ck_assert_int_eq(nv_store_source(store, "test", &source), 0);
    load("{__name__=\"c\", job=\"a\"} 0+1x60");
    load("{__name__=\"c\", job=\"b\"} 0+2x60");
    load("{__name__=\"d\", job=\"b\", region=\"x\"} 1x59 stale");
    load("{__name__=\"e\", A=\"1\"} 1x60");
    load("{__name__=\"e\", b=\"2\"} 2x60");
    pool = nv_promql_pool_new(32 << 20);
    api = (struct nv_api){.queryable = nv_store_queryable(store), .timeout_ms = 60000};
    api.promql.pool = pool;
}

static void end(void)
{
    struct nv_promql_pool_stats stats;

    nv_promql_pool_stats(pool, &stats);
    ck_assert_uint_eq(stats.used, 0);
    nv_promql_pool_free(pool);
    nv_store_close(store);
    nv_arena_done(&arena);
}

/* ---- series --------------------------------------------------------------------------------- */

struct example {
    const char *request;
    unsigned status;
    const char *body;
};

#define C_A "{\"__name__\":\"c\",\"job\":\"a\"}"
#define C_B "{\"__name__\":\"c\",\"job\":\"b\"}"
#define D   "{\"__name__\":\"d\",\"job\":\"b\",\"region\":\"x\"}"

static const struct example series[] = {
    {"/api/v1/series?match[]=c",                                              200, DATA("[" C_A "," C_B "]")                            },
    {"/api/v1/series?match[]=d&match[]=c&match[]={job=%22b%22}",              200,
     DATA("[" C_A "," C_B "," D "]")                                                                                                    },
    {"/api/v1/series?match[]=c&limit=1",                                      200, CUT("[" C_A "]")                                     },
    {"/api/v1/series?match[]=c&match[]=d&limit=2",                            200, CUT("[" C_A "," C_B "]")                             },
    {"/api/v1/series?match[]=c&limit=2",                                      200, DATA("[" C_A "," C_B "]")                            },
    {"/api/v1/series?match[]=c&start=9&end=1",                                200, DATA("[]")                                           },
    {"/api/v1/series?match[]=nothing",                                        200, DATA("[]")                                           },
    {"/api/v1/series",                                                        400, ERROR("no match[] parameter provided")               },
    {"/api/v1/series?match[]={job!%3D%22x%22}",                               400,
     ERROR(
         "invalid parameter \\\"match[]\\\": match[] must contain at least one non-empty matcher")                                      },
    {"/api/v1/labels",                                                        200, DATA("[\"A\",\"__name__\",\"b\",\"job\",\"region\"]")},
    {"/api/v1/labels?match[]=d&match[]={A=%221%22}",                          200,
     DATA("[\"A\",\"__name__\",\"job\",\"region\"]")                                                                                    },
    {"/api/v1/labels?limit=2",                                                200, CUT("[\"A\",\"__name__\"]")                          },
    {"/api/v1/label/job/values",                                              200, DATA("[\"a\",\"b\"]")                                },
    {"/api/v1/label/job/values?match[]=d",                                    200, DATA("[\"b\"]")                                      },
    {"/api/v1/label/__name__/values?match[]=d&match[]=c&match[]={b=%222%22}", 200,
     DATA("[\"c\",\"d\",\"e\"]")                                                                                                        },
    {"/api/v1/label/U__job/values?limit=1",                                   200, CUT("[\"a\"]")                                       },
    {"/api/v1/label/x/values",                                                200, DATA("[]")                                           },
};

START_TEST(series_names_and_values_are_listed)
{
    expect_reply(&api, nv_api_series_endpoints, series[_i].request, NULL, series[_i].status,
                 series[_i].body);
}
END_TEST

START_TEST(a_form_asks_as_well)
{
    expect_reply(&api, nv_api_series_endpoints, "/api/v1/series?match[]=d", "match[]=c&limit=0",
                 200, DATA("[" C_A "," C_B "," D "]"));
}
END_TEST

START_TEST(too_many_selectors_are_refused)
{
    NV_AUTO_BUF request = NV_BUF(1 << 20);

    nv_buf_text(&request, "/api/v1/series?match[]=c");
    for (int i = 0; i < 256; i++)
        nv_buf_text(&request, "&match[]=c");
    expect_reply(&api, nv_api_series_endpoints, nv_buf_c_string(&request), NULL, 400,
                 ERROR("more than 256 selectors"));
    request.n -= strlen("&match[]=c");
    expect_reply(&api, nv_api_series_endpoints, nv_buf_c_string(&request), NULL, 200,
                 DATA("[" C_A "," C_B "]"));
}
END_TEST

static int fail_to_select(void *user, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                          int64_t to_ms, size_t limit, struct nv_selection *ret)
{
    (void)user, (void)matchers, (void)n, (void)from_ms, (void)to_ms, (void)limit, (void)ret;
    return -EIO;
}

START_TEST(a_store_that_fails_is_told)
{
    struct nv_queryable broken = *api.queryable;

    broken.select = fail_to_select;
    api.queryable = &broken;
    expect_reply(&api, nv_api_series_endpoints, "/api/v1/series?match[]=c", NULL, 500,
                 "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"selecting series: "
                 "Input/output error\"}");
}
END_TEST

START_TEST(without_memory_of_queries_there_is_an_error)
{
    nv_promql_pool_free(pool);
    pool = nv_promql_pool_new(8);
    api.promql.pool = pool;
    expect_reply(&api, nv_api_series_endpoints, "/api/v1/series?match[]=c", NULL, 422,
                 "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"selecting series "
                 "takes more memory than queries may have\"}");
}
END_TEST

/* ---- federation ----------------------------------------------------------------------------- */

static const struct nv_label external[] = {
    {NV_LIT("job"),    NV_LIT("outer")},
    {NV_LIT("region"), NV_LIT("eu")   },
};

static int tell_external(void *user, struct nv_arena *to, const struct nv_label **ret, size_t *n)
{
    (void)user, (void)to;
    *ret = external;
    *n = NV_LEN(external);
    return 0;
}

/* Asks at a time; the endpoint's own clock is that of the exchange. */
static void federate_at(int64_t now_ms, const char *request, const char *accept,
                        const char *expected)
{
    static const volatile bool never = false;
    static char block[NV_WRITER_BLOCK];
    struct nv_exchange_inside inside;
    struct reply reply = {.body = NV_BUF(1 << 20)};
    struct nv_exchange x = {.api = &api,
                            .endpoint = nv_api_federate_endpoints,
                            .method = NV_GET,
                            .memory = NV_ARENA(1 << 20),
                            .now_ms = now_ms,
                            .cancel = &never,
                            .accept = nv_str(accept)};

    nv_exchange_begin(&x, &inside, block, reply_take, &reply);
    ck_assert_int_eq(nv_exchange_parse(&x, NV_LIT(""), nv_str(request)), 0);
    nv_exchange_run(&x);
    nv_writer_flush(&inside.out);
    ck_assert_str_eq(nv_buf_c_string(&reply.body), expected);
    nv_exchange_end(&x);
    nv_buf_done(&reply.body);
}

START_TEST(the_newest_sample_of_each_series_is_federated_by_name)
{
    federate_at(300000, "match[]={__name__=~%22c|d|e%22}", "",
                "# TYPE c untyped\n"
                "c{job=\"a\",instance=\"\"} 30 300000\n"
                "c{job=\"b\",instance=\"\"} 60 300000\n"
                "# TYPE d untyped\n"
                "d{job=\"b\",region=\"x\",instance=\"\"} 1 300000\n"
                "# TYPE e untyped\n"
                "e{A=\"1\",instance=\"\"} 1 300000\n"
                "e{b=\"2\",instance=\"\"} 2 300000\n");
}
END_TEST

START_TEST(stale_and_old_samples_are_left_out)
{
    federate_at(605000, "match[]=d", "", "");
    federate_at(595000, "match[]=d", "",
                "# TYPE d untyped\nd{job=\"b\",region=\"x\",instance=\"\"} 1 590000\n");
    federate_at(899000, "match[]={job=%22a%22}", "",
                "# TYPE c untyped\nc{job=\"a\",instance=\"\"} 60 600000\n");
    federate_at(901000, "match[]={job=%22a%22}", "", "");
}
END_TEST

START_TEST(external_labels_are_attached_where_they_lack)
{
    api.sources.external_labels = tell_external;
    federate_at(300000, "match[]={__name__=~%22d|e%22}", "",
                "# TYPE d untyped\n"
                "d{job=\"b\",region=\"x\",instance=\"\"} 1 300000\n"
                "# TYPE e untyped\n"
                "e{A=\"1\",instance=\"\",job=\"outer\",region=\"eu\"} 1 300000\n"
                "e{b=\"2\",instance=\"\",job=\"outer\",region=\"eu\"} 2 300000\n");
}
END_TEST

START_TEST(histograms_go_in_protobuf_only)
{
    struct nv_memory_series *memory = nv_memory_series_new();
    struct nv_queryable queryable = nv_memory_series_queryable(memory);
    struct nv_points points;

    ck_assert_int_eq(
        nv_points_parse(
            NV_LIT("{__name__=\"h\"} 7 {{schema:0 sum:12.5 count:5 buckets:[2 0 3]}}x60"), true,
            &arena, &points),
        0);
    nv_memory_series_load(memory, &points, 10000, NULL);
    api.queryable = &queryable;
    federate_at(20000, "match[]=h", "", "");
    federate_at(20000, "match[]=h",
                "application/"
                "vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text",
                "name:\"h\" type:HISTOGRAM metric:{label:{name:\"instance\" value:\"\"} "
                "histogram:{sample_count_float:5 sample_sum:12.5 schema:0 zero_threshold:0 "
                "zero_count_float:0 positive_span:{offset:0 length:1} positive_span:{offset:1 "
                "length:1} positive_count:2 positive_count:3} timestamp_ms:20000}\n");
    nv_memory_series_free(memory);
}
END_TEST

/* ---- metadata and targets ------------------------------------------------------------------- */

static const struct nv_label target[] = {
    {NV_LIT("job"), NV_LIT("a")}
};
static const struct nv_label other[] = {
    {NV_LIT("job"), NV_LIT("b")}
};

static const struct nv_api_family families[] = {
    {NV_LIT("b"), NV_LIT("gauge"),   NV_LIT("B."),     NV_LIT(""),        target, 1},
    {NV_LIT("a"), NV_LIT("counter"), NV_LIT("One."),   NV_LIT("seconds"), target, 1},
    {NV_LIT("a"), NV_LIT("counter"), NV_LIT("Other."), NV_LIT(""),        other,  1},
    {NV_LIT("a"), NV_LIT("counter"), NV_LIT("One."),   NV_LIT("seconds"), other,  1},
};

static int each_family(void *user, int (*each)(void *to, const struct nv_api_family *family),
                       void *to)
{
    int r = 0;

    (void)user;
    for (size_t i = 0; i < NV_LEN(families) && r == 0; i++)
        r = each(to, &families[i]);
    return r;
}

#define ONE   "{\"type\":\"counter\",\"help\":\"One.\",\"unit\":\"seconds\"}"
#define OTHER "{\"type\":\"counter\",\"help\":\"Other.\",\"unit\":\"\"}"
#define OF_B  "\"b\":[{\"type\":\"gauge\",\"help\":\"B.\",\"unit\":\"\"}]"

static const struct example metadata[] = {
    {"/api/v1/metadata",                                            200, DATA("{\"a\":[" ONE "," OTHER "]," OF_B "}")},
    {"/api/v1/metadata?limit_per_metric=1",                         200, DATA("{\"a\":[" ONE "]," OF_B "}")          },
    {"/api/v1/metadata?limit=1",                                    200, DATA("{\"a\":[" ONE "," OTHER "]}")         },
    {"/api/v1/metadata?limit=0",                                    200, DATA("{}")                                  },
    {"/api/v1/metadata?limit=-1&metric=b",                          200, DATA("{" OF_B "}")                          },
    {"/api/v1/metadata?metric=nothing",                             200, DATA("{}")                                  },
    {"/api/v1/metadata?limit=x",                                    400, ERROR("limit must be a number")             },
    {"/api/v1/targets/metadata?metric=b",                           200,
     DATA("[{\"target\":{\"job\":\"a\"},\"type\":\"gauge\",\"help\":\"B.\",\"unit\":\"\"}]")                         },
    {"/api/v1/targets/metadata?match_target={job=%22b%22}&limit=1", 200,
     DATA("[{\"target\":{\"job\":\"b\"},\"metric\":\"a\",\"type\":\"counter\",\"help\":\"Other.\","
          "\"unit\":\"\"}]")                                                                                         },
    {"/api/v1/targets/metadata?match_target={job=%22c%22}",         200, DATA("[]")                                  },
    {"/api/v1/targets/metadata?match_target=1",                     400,
     ERROR(
         "invalid parameter \\\"match_target\\\": 1:1: parse error: unexpected number \\\"1\\\"")                    },
};

START_TEST(metadata_is_by_metric_and_by_target)
{
    api.sources.families = each_family;
    expect_reply(&api, nv_api_metadata_endpoints, metadata[_i].request, NULL, metadata[_i].status,
                 metadata[_i].body);
}
END_TEST

static int each_target(void *user, int (*each)(void *to, const struct nv_api_target *target),
                       void *to)
{
    static const struct nv_label discovered[] = {
        {NV_LIT("__address__"), NV_LIT("x:1")}
    };
    const struct nv_api_target targets[] = {
        {.pool = NV_LIT("p"),
         .url = NV_LIT("http://x:1/metrics"),
         .global_url = NV_LIT("http://y:1/metrics"),
         .last_error = NV_LIT("no \"luck\""),
         .labels = target,
         .n_labels = 1,
         .discovered = discovered,
         .n_discovered = 1,
         .health = NV_API_DOWN,
         .last_scrape_ns = 1700000000123456789,
         .last_duration_ns = 1500000,
         .interval_ms = 90000,
         .timeout_ms = 10000},
        {.pool = NV_LIT("p"),               .dropped = true,            .discovered = discovered,                          .n_discovered = 1              },
        {.pool = NV_LIT("a"), .dropped = true,                .discovered = discovered,                        .n_discovered = 1              },
    };
    int r = 0;

    (void)user;
    for (size_t i = 0; i < NV_LEN(targets) && r == 0; i++)
        r = each(to, &targets[i]);
    return r;
}

#define DISCOVERED "\"discoveredLabels\":{\"__address__\":\"x:1\"}"
#define ACTIVE                                                                                     \
    "{" DISCOVERED ",\"labels\":{\"job\":\"a\"},\"scrapePool\":\"p\","                             \
    "\"scrapeUrl\":\"http://x:1/metrics\",\"globalUrl\":\"http://y:1/metrics\","                   \
    "\"lastError\":\"no \\\"luck\\\"\",\"lastScrape\":\"2023-11-14T22:13:20.123456789Z\","         \
    "\"lastScrapeDuration\":0.0015,\"health\":\"down\",\"scrapeInterval\":\"1m30s\","              \
    "\"scrapeTimeout\":\"10s\"}"
#define DROPPED(pool) "{" DISCOVERED ",\"scrapePool\":\"" pool "\"}"
#define TARGETS(active, dropped, counts)                                                           \
    DATA("{\"activeTargets\":[" active "],\"droppedTargets\":[" dropped                            \
         "],\"droppedTargetCounts\":{" counts "}}")
#define COUNTS "\"a\":1,\"p\":1"

static const struct example targets[] = {
    {"/api/v1/targets",               200,                            TARGETS(ACTIVE,                                                      DROPPED("p") "," DROPPED("a"), COUNTS)},
    {"/api/v1/targets?state=any&scrapePool=p",                        200,                                                      TARGETS(ACTIVE,                                                                                  DROPPED("p"), COUNTS)},
    {"/api/v1/targets?state=active",                 200,TARGETS(ACTIVE,"", "")},
    {"/api/v1/targets?state=dropped&scrapePool=a",  200,             TARGETS("",                                                                                     DROPPED("a"), COUNTS)},
    {"/api/v1/targets?state=nothing",                            200,                                                          TARGETS("",                                                                                  "", "")},
    {"/api/v1/scrape_pools",                     200,                           DATA("{\"scrapePools\":[\"a\",\"p\"]}")  },
    {"/api/v1/scrape_pools/config?scrape_pool=z", 404,
     "{\"status\":\"error\",\"errorType\":\"not_found\",\"error\":\"scrape pool \\\"z\\\" not "
     "found\"}"},
};

START_TEST(targets_are_told_by_state_and_pool)
{
    api.sources.targets = each_target;
    expect_reply(&api, nv_api_targets_endpoints, targets[_i].request, NULL, targets[_i].status,
                 targets[_i].body);
}
END_TEST

/* ---- rules ---------------------------------------------------------------------------------- */

static const struct nv_label severity[] = {
    {NV_LIT("severity"), NV_LIT("page")}
};
static const struct nv_label note[] = {
    {NV_LIT("summary"), NV_LIT("{{ $value }}")}
};
static const struct nv_label filled[] = {
    {NV_LIT("summary"), NV_LIT("0.95")}
};

static const struct nv_rule_instance instances[] = {
    {severity, filled, 1, 1, NV_RULE_FIRING,  1700000000123, NV_RULES_NEVER, 0.95},
    {severity, filled, 1, 1, NV_RULE_PENDING, 1700000000000, 1700000001000,  -0  },
};

static const struct nv_rule_view rules_of_node[] = {
    {.is_alert = true,
     .name = NV_LIT("DiskFull"),
     .query = NV_LIT("a > 1"),
     .for_ms = 300000,
     .labels = severity,
     .n_labels = 1,
     .annotations = note,
     .n_annotations = 1,
     .state = NV_RULE_FIRING,
     .health = NV_RULE_HEALTH_OK,
     .evaluation_ns = 300000,
     .last_evaluation_ns = 1700000000123456789,
     .alerts = instances,
     .n_alerts = 2},
    {.name = NV_LIT("a:b"),
     .query = NV_LIT("sum(a)"),
     .health = NV_RULE_HEALTH_ERR,
     .last_error = NV_LIT("no"),
     .last_evaluation_ns = NV_RULES_NEVER},
};
static const struct nv_rule_view rules_of_other[] = {
    {.name = NV_LIT("c:d"), .query = NV_LIT("1"), .last_evaluation_ns = NV_RULES_NEVER},
};

static const struct nv_rule_group_view groups[] = {
    {.name = NV_LIT("node"),
     .file = NV_LIT("/a.yml"),
     .interval_ms = 15000,
     .evaluation_ns = 800000,
     .last_evaluation_ns = 1700000000000000000,
     .rules = rules_of_node,
     .n_rules = 2},
    {.name = NV_LIT("other"),
     .file = NV_LIT("/b.yml"),
     .interval_ms = 60500,
     .limit = 7,
     .last_evaluation_ns = NV_RULES_NEVER,
     .rules = rules_of_other,
     .n_rules = 1},
};

static enum nv_rules_detail detail;

static int tell_rules(void *user, enum nv_rules_detail wanted, struct nv_rules_view *ret)
{
    (void)user;
    detail = wanted;
    *ret = (struct nv_rules_view){.groups = groups, .n_groups = NV_LEN(groups)};
    return 0;
}

#define NEVER "\"0001-01-01T00:00:00Z\""
#define ALERT_1                                                                                    \
    "{\"labels\":{\"severity\":\"page\"},\"annotations\":{\"summary\":\"0.95\"},"                  \
    "\"state\":\"firing\",\"activeAt\":\"2023-11-14T22:13:20.123Z\",\"value\":\"9.5e-01\"}"
#define ALERT_2                                                                                    \
    "{\"labels\":{\"severity\":\"page\"},\"annotations\":{\"summary\":\"0.95\"},"                  \
    "\"state\":\"pending\",\"activeAt\":\"2023-11-14T22:13:20Z\","                                 \
    "\"keepFiringSince\":\"2023-11-14T22:13:21Z\",\"value\":\"0e+00\"}"
#define DISK_FULL(alerts)                                                                          \
    "{\"type\":\"alerting\",\"name\":\"DiskFull\",\"query\":\"a > 1\","                            \
    "\"labels\":{\"severity\":\"page\"},\"state\":\"firing\",\"duration\":300,"                    \
    "\"keepFiringFor\":0,\"annotations\":{\"summary\":\"{{ $value }}\"},\"alerts\":[" alerts "],"  \
    "\"health\":\"ok\",\"evaluationTime\":0.0003,"                                                 \
    "\"lastEvaluation\":\"2023-11-14T22:13:20.123456789Z\"}"
#define A_B                                                                                        \
    "{\"type\":\"recording\",\"name\":\"a:b\",\"query\":\"sum(a)\",\"labels\":{},"                 \
    "\"health\":\"err\",\"lastError\":\"no\",\"evaluationTime\":0,\"lastEvaluation\":" NEVER "}"
#define C_D                                                                                        \
    "{\"type\":\"recording\",\"name\":\"c:d\",\"query\":\"1\",\"labels\":{},"                      \
    "\"health\":\"unknown\",\"evaluationTime\":0,\"lastEvaluation\":" NEVER "}"
#define NODE(rules)                                                                                \
    "{\"name\":\"node\",\"file\":\"/a.yml\",\"interval\":15,\"limit\":0,"                          \
    "\"evaluationTime\":0.0008,\"lastEvaluation\":\"2023-11-14T22:13:20Z\",\"rules\":[" rules "]}"
#define OTHERS                                                                                     \
    "{\"name\":\"other\",\"file\":\"/b.yml\",\"interval\":60.5,\"limit\":7,"                       \
    "\"evaluationTime\":0,\"lastEvaluation\":" NEVER ",\"rules\":[" C_D "]}"
#define GROUPS(list) DATA("{\"groups\":[" list "]}")

static const struct example rules[] = {
    {"/api/v1/rules",                                                        200, GROUPS(NODE(DISK_FULL(ALERT_1 "," ALERT_2) "," A_B) "," OTHERS)},
    {"/api/v1/rules?exclude_alerts=true&type=ALERT",                         200, GROUPS(NODE(DISK_FULL("")))                                    },
    {"/api/v1/rules?type=record",                                            200, GROUPS(NODE(A_B) "," OTHERS)                                   },
    {"/api/v1/rules?rule_name[]=c:d&rule_name[]=x",                          200, GROUPS(OTHERS)                                                 },
    {"/api/v1/rules?rule_group[]=other&file[]=/b.yml",                       200, GROUPS(OTHERS)                                                 },
    {"/api/v1/rules?rule_group[]=other&file[]=/a.yml",                       200, GROUPS("")                                                     },
    {"/api/v1/rules?match[]={severity=%22page%22}&exclude_alerts=1",         200,
     GROUPS(NODE(DISK_FULL("")))                                                                                                                 },
    {"/api/v1/rules?match[]={severity=%22x%22}&match[]={severity=~%22y%22}", 200, GROUPS("")                                                     },
    {"/api/v1/rules?type=record&group_limit=2",                              200, GROUPS(NODE(A_B) "," OTHERS)                                   },
    {"/api/v1/rules?type=both",                                              400,
     ERROR("invalid parameter \\\"type\\\": not supported value \\\"both\\\"")                                                                   },
    {"/api/v1/rules?exclude_alerts=no",                                      400,
     ERROR("invalid parameter \\\"exclude_alerts\\\": error converting exclude_alerts: "
           "strconv.ParseBool: parsing \\\"no\\\": invalid syntax")                                                                              },
    {"/api/v1/rules?group_limit=0",                                          400,
     ERROR("invalid parameter \\\"group_limit\\\": group_limit needs to be greater than 0")                                                      },
    {"/api/v1/rules?group_limit=1&group_next_token=x",                       400,
     ERROR("invalid parameter \\\"group_next_token\\\": invalid group_next_token 'x'. were rule "
           "groups changed?")                                                                                                                    },
    {"/api/v1/alerts",                                                       200, DATA("{\"alerts\":[" ALERT_1 "," ALERT_2 "]}")                 },
    {"/api/v1/alertmanagers",                                                200,
     DATA("{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}")                                                                            },
};

START_TEST(rules_are_told_as_they_are_asked_for)
{
    api.sources.rules = tell_rules;
    expect_reply(&api, nv_api_rules_endpoints, rules[_i].request, NULL, rules[_i].status,
                 rules[_i].body);
}
END_TEST

START_TEST(rules_come_in_pages)
{
    api.sources.rules = tell_rules;
    struct reply reply =
        run_endpoint(&api, nv_api_rules_endpoints, "/api/v1/rules?type=record&group_limit=1", NULL);
    const char *text = nv_buf_c_string(&reply.body), *key = strstr(text, "groupNextToken\":\"");
    char request[256];

    ck_assert_ptr_nonnull(key);
    ck_assert_ptr_null(strstr(text, "c:d"));
    key += strlen("groupNextToken\":\"");
    ck_assert_uint_eq(strcspn(key, "\""), 64);
    snprintf(request, sizeof(request),
             "/api/v1/rules?type=record&group_limit=1&group_next_token=%.64s", key);
    nv_buf_done(&reply.body);
    expect_reply(&api, nv_api_rules_endpoints, request, NULL, 200, GROUPS(OTHERS));
}
END_TEST

START_TEST(alerts_are_asked_for_where_they_are_told)
{
    api.sources.rules = tell_rules;
    struct reply reply = run_endpoint(&api, nv_api_rules_endpoints, "/api/v1/rules", NULL);
    nv_buf_done(&reply.body);
    ck_assert_int_eq(detail, NV_RULES_ALERTS);
    reply = run_endpoint(&api, nv_api_rules_endpoints, "/api/v1/rules?exclude_alerts=true", NULL);
    nv_buf_done(&reply.body);
    ck_assert_int_eq(detail, NV_RULES_RULES);
}
END_TEST

static int each_manager(void *user, int (*each)(void *to, const struct nv_api_alertmanager *one),
                        void *to)
{
    static const struct nv_api_alertmanager managers[] = {
        {NV_LIT("http://a:9093/api/v2/alerts"), false},
        {NV_LIT("http://b:9093/api/v2/alerts"), true },
    };
    int r = 0;

    (void)user;
    for (size_t i = 0; i < NV_LEN(managers) && r == 0; i++)
        r = each(to, &managers[i]);
    return r;
}

START_TEST(alertmanagers_are_active_or_dropped)
{
    api.sources.alertmanagers = each_manager;
    expect_reply(&api, nv_api_rules_endpoints, "/api/v1/alertmanagers", NULL, 200,
                 DATA("{\"activeAlertmanagers\":[{\"url\":\"http://a:9093/api/v2/alerts\"}],"
                      "\"droppedAlertmanagers\":[{\"url\":\"http://b:9093/api/v2/alerts\"}]}"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/api_meta");
    TCase *tests = tcase_create("all");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_loop_test(tests, series_names_and_values_are_listed, 0, NV_LEN(series));
    tcase_add_test(tests, a_form_asks_as_well);
    tcase_add_test(tests, too_many_selectors_are_refused);
    tcase_add_test(tests, a_store_that_fails_is_told);
    tcase_add_test(tests, without_memory_of_queries_there_is_an_error);
    tcase_add_test(tests, the_newest_sample_of_each_series_is_federated_by_name);
    tcase_add_test(tests, stale_and_old_samples_are_left_out);
    tcase_add_test(tests, external_labels_are_attached_where_they_lack);
    tcase_add_test(tests, histograms_go_in_protobuf_only);
    tcase_add_loop_test(tests, metadata_is_by_metric_and_by_target, 0, NV_LEN(metadata));
    tcase_add_loop_test(tests, targets_are_told_by_state_and_pool, 0, NV_LEN(targets));
    tcase_add_loop_test(tests, rules_are_told_as_they_are_asked_for, 0, NV_LEN(rules));
    tcase_add_test(tests, rules_come_in_pages);
    tcase_add_test(tests, alerts_are_asked_for_where_they_are_told);
    tcase_add_test(tests, alertmanagers_are_active_or_dropped);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
