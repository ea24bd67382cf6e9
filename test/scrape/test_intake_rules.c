/*
 * test_intake_rules.c - what a scrape configuration does to the samples of a target: labels, relabelling, limits, types, own times.
 */
#include <check.h>

#include "expo/expo.h"
#include "take_in.h"

static struct taker t;
static struct nv_config *config;

static void setup(void)
{
    taker_begin(&t);
    config = NULL;
}

static void teardown(void)
{
    taker_end(&t);
    nv_config_unref(config);
}

/* Takes over the first scrape_configs entry of a file; lines are indented as under it. */
static void configure(const char *lines)
{
    char text[4096], error[NV_YAML_ERROR_MAX];

    snprintf(text, sizeof(text), "scrape_configs:\n- job_name: j\n%s", lines);
    int r = nv_config_parse("test.yml", nv_str(text), &config, error);
    ck_assert_msg(r == 0, "%s", error);
    t.scrape = config->scrapes[0];
}

static const char *samples_of(const char *body)
{
    static int64_t time_ms = 1000000;

    ck_assert_msg(taker_scrape(&t, time_ms += 1000, TEXT, body) == 0, "%s", taker_error(&t));
    return taker_samples(&t);
}

static const char *error_of(const char *type, const char *body)
{
    ck_assert_int_lt(taker_scrape(&t, 1000, type, body), 0);
    ck_assert_str_eq(taker_samples(&t), "");
    ck_assert_double_eq(taker_report(&t, "up"), 0);
    return taker_error(&t);
}

#define L "instance=\"i\",job=\"j\""

/* ---- labels of the target ------------------------------------------------------------------- */

START_TEST(the_target_has_the_last_word)
{
    ck_assert_str_eq(samples_of("a{job=\"x\"} 1\n"), "a{exported_job=\"x\"," L "} 1\n");
    ck_assert_str_eq(samples_of("a{job=\"x\",exported_job=\"y\"} 1\n"),
                     "a{exported_exported_job=\"x\",exported_job=\"y\"," L "} 1\n");
    ck_assert_str_eq(samples_of("a{job=\"\"} 1\n"), "a{" L "} 1\n");
}
END_TEST

START_TEST(shorter_labels_are_exported_first)
{
    t.labels[0] = (struct nv_label){NV_LIT("exported_job"), NV_LIT("e")};
    ck_assert_str_eq(samples_of("a{job=\"x\",exported_job=\"y\"} 1\n"),
                     "a{exported_exported_exported_job=\"y\",exported_exported_job=\"x\",exported_"
                     "job=\"e\",job=\"j\"} 1\n");
}
END_TEST

START_TEST(honor_labels_gives_the_sample_the_last_word)
{
    t.scrape.honor_labels = true;
    ck_assert_str_eq(samples_of("a{job=\"x\"} 1\nb 2\n"),
                     "a{instance=\"i\",job=\"x\"} 1\nb{" L "} 2\n");
    ck_assert_str_eq(samples_of("a{job=\"\"} 1\n"), "a{instance=\"i\"} 1\n");
}
END_TEST

START_TEST(hidden_labels_of_the_target_stay_hidden)
{
    t.labels[2] = (struct nv_label){NV_LIT("zone"), NV_LIT("z")};
    t.labels[1] = (struct nv_label){NV_LIT("__param_x"), NV_LIT("1")};
    t.labels[0] = (struct nv_label){NV_LIT("__address__"), NV_LIT("h:1")};
    t.n_labels = 3;
    ck_assert_str_eq(samples_of("a 1\n"), "a{zone=\"z\"} 1\n");
}
END_TEST

/* ---- metric_relabel_configs ----------------------------------------------------------------- */

START_TEST(what_is_dropped_is_scraped_and_not_kept)
{
    configure("  metric_relabel_configs:\n"
              "  - source_labels: [__name__]\n    regex: go_.*\n    action: drop\n");
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(samples_of("go_a 1\nb 2\ngo_c{x=\"1\"} 3\n"), "b{" L "} 2\n");
        ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 3);
        ck_assert_double_eq(taker_report(&t, "scrape_samples_post_metric_relabeling"), 1);
        ck_assert_double_eq(taker_report(&t, "scrape_series_added"), i == 0);
    }
}
END_TEST

START_TEST(rules_see_the_target_and_may_change_it)
{
    configure(
        "  metric_relabel_configs:\n"
        "  - source_labels: [x]\n    regex: \"1\"\n    target_label: job\n    replacement: other\n"
        "  - regex: instance\n    action: labeldrop\n"
        "  - source_labels: [__name__]\n    regex: (.*)_old\n    target_label: __name__\n    "
        "replacement: ${1}_new\n");
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(samples_of("a_old{x=\"1\"} 1\nb 2\n"),
                         "a_new{job=\"other\",x=\"1\"} 1\nb{job=\"j\"} 2\n");
}
END_TEST

START_TEST(series_that_become_one_are_duplicates)
{
    configure("  metric_relabel_configs:\n  - regex: x\n    action: labeldrop\n");
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(samples_of("a{x=\"1\"} 1\na{x=\"2\"} 2\n"), "a{" L "} 1\n");
        ck_assert_uint_eq(nv_intake_told(t.intake)->duplicates, 1);
    }
}
END_TEST

START_TEST(a_name_that_is_taken_away_fails_the_scrape)
{
    configure("  metric_relabel_configs:\n  - regex: __name__\n    action: labeldrop\n");
    ck_assert_str_eq(error_of(TEXT, "a 1\n"), "missing metric name (__name__ label)");
}
END_TEST

START_TEST(new_rules_are_obeyed_at_once)
{
    ck_assert_str_eq(samples_of("a 1\nb 2\n"), "a{" L "} 1\nb{" L "} 2\n");
    struct nv_config_scrape before = t.scrape;
    configure("  metric_relabel_configs:\n  - source_labels: [__name__]\n    regex: a\n    action: "
              "drop\n");
    nv_intake_apply(t.intake, &config->scrapes[0]);
    ck_assert_str_eq(samples_of("a 1\nb 2\n"), "b{" L "} 2\n");
    before.expose = true;
    nv_intake_apply(t.intake, &before);
    ck_assert_str_eq(samples_of("a 1\nb 2\n"), "a{" L "} 1\nb{" L "} 2\n");
}
END_TEST

/* ---- limits --------------------------------------------------------------------------------- */

START_TEST(more_samples_than_allowed_fail_the_scrape)
{
    t.scrape.limits.samples = 2;
    ck_assert_str_eq(samples_of("a 1\nb 2\n"), "a{" L "} 1\nb{" L "} 2\n");
    ck_assert_str_eq(error_of(TEXT, "a 1\nb 2\nc 3\nd 4\n"), "sample limit exceeded");
    ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 4);
    ck_assert_double_eq(taker_report(&t, "scrape_samples_post_metric_relabeling"), 4);
    ck_assert(nv_intake_told(t.intake)->sample_limit);
    ck_assert_str_eq(samples_of("a 1\nb 2\n"), "a{" L "} 1\nb{" L "} 2\n");
}
END_TEST

START_TEST(what_is_dropped_does_not_count_for_the_limit)
{
    configure("  sample_limit: 1\n  metric_relabel_configs:\n"
              "  - source_labels: [__name__]\n    regex: a\n    action: keep\n");
    ck_assert_str_eq(samples_of("a 1\nb 2\nc 3\n"), "a{" L "} 1\n");
}
END_TEST

START_TEST(limits_of_labels_have_the_texts_of_prometheus)
{
    t.scrape.limits.labels = 4;
    ck_assert_str_eq(samples_of("a{x=\"1\"} 1\n"), "a{" L ",x=\"1\"} 1\n");
    ck_assert_str_eq(error_of(TEXT, "a{x=\"1\",y=\"2\"} 1\n"),
                     "label_limit exceeded (metric: a, number of labels: 5, limit: 4)");
    ck_assert(nv_intake_told(t.intake)->label_limit);
    t.scrape.limits.labels = 0;
    t.scrape.limits.label_name_length = 8;
    ck_assert_str_eq(
        error_of(TEXT, "a{x23456789=\"1\"} 1\n"),
        "label_name_length_limit exceeded (metric: a, label name: x23456789, length: 9, limit: 8)");
    t.scrape.limits.label_name_length = 0;
    t.scrape.limits.label_value_length = 3;
    ck_assert_str_eq(error_of(TEXT, "a{x=\"12\\\"4\"} 1\n"),
                     "label_value_length_limit exceeded (metric: a, label name: x, value: "
                     "\"12\\\"4\", length: 4, limit: 3)");
}
END_TEST

START_TEST(a_body_as_long_as_the_limit_is_too_long)
{
    t.scrape.extra_scrape_metrics = true;
    t.scrape.limits.body_size = 8;
    ck_assert_str_eq(samples_of("a 1\nb 2"), "a{" L "} 1\nb{" L "} 2\n");
    ck_assert_double_eq(taker_report(&t, "scrape_body_size_bytes"), 7);
    ck_assert_double_eq(taker_report(&t, "scrape_timeout_seconds"), 10);
    ck_assert_double_eq(taker_report(&t, "scrape_sample_limit"), 0);
    t.cut = 4;
    ck_assert_str_eq(error_of(TEXT, "a 1\nb 2\n"), "body size limit exceeded");
    ck_assert_int_eq(nv_intake_end(t.intake), -EFBIG);
    ck_assert_double_eq(taker_report(&t, "scrape_body_size_bytes"), -1);
    ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 0);
}
END_TEST

/* ---- Content-Type --------------------------------------------------------------------------- */

START_TEST(what_is_no_exposition_is_refused_without_a_fallback)
{
    ck_assert_str_eq(error_of("", "a 1\n"),
                     "non-compliant scrape target sending blank Content-Type and no "
                     "fallback_scrape_protocol specified for target");
    ck_assert_str_eq(error_of("text/html; charset=utf-8", "<html>"),
                     "received unsupported Content-Type \"text/html; charset=utf-8\" and no "
                     "fallback_scrape_protocol specified for target");
    ck_assert_str_eq(
        error_of("a/b/c", "a 1\n"),
        "cannot parse Content-Type \"a/b/c\" and no fallback_scrape_protocol for target");
    ck_assert_int_lt(
        taker_scrape(&t, 1000, "application/vnd.google.protobuf; proto=other; encoding=delimited",
                     "x"),
        0);
}
END_TEST

START_TEST(the_fallback_takes_what_says_nothing)
{
    configure("  fallback_scrape_protocol: PrometheusText0.0.4\n");
    ck_assert_int_eq(taker_scrape(&t, 1000, "", "a 1\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 2000, "application/json", "a 1\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\n");
    ck_assert_int_eq(taker_scrape(&t, 3000, "Text/Plain", "a 1\n"), 0);
    ck_assert_int_lt(taker_scrape(&t, 4000, OPENMETRICS, "a 1\n"), 0);
}
END_TEST

/* ---- own times ------------------------------------------------------------------------------ */

START_TEST(own_times_go_their_own_way)
{
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a{x=\"1\",a=\"0\",z=\"9\"} 1 9000\nb 2\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "b{" L "} 2\n");
    ck_assert_str_eq(taker_sparse(&t), "a{a=\"0\"," L ",x=\"1\",z=\"9\"} 1 @9000\n");
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 2);
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a{x=\"1\",a=\"0\",z=\"9\"} 3 19000\nb 2\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "a{a=\"0\"," L ",x=\"1\",z=\"9\"} 3 @19000\n");
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 0);
    ck_assert_int_eq(taker_scrape(&t, 30000, TEXT, "b 2\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), ""); /* no marker, unless that is tracked */
}
END_TEST

START_TEST(own_times_that_are_not_honoured_are_not_seen)
{
    t.scrape.honor_timestamps = false;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(taker_scrape(&t, 10000 + i, TEXT, "a 1 9000\nb 2 -5\n"), 0);
        ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\nb{" L "} 2\n");
        ck_assert_str_eq(taker_sparse(&t), "");
    }
}
END_TEST

START_TEST(a_repeat_is_no_news_and_the_past_is_past)
{
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1 9000\nb 1 9000\nc 1 9000\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a 1 9000\nb 2 9000\nc 3 8000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "");
    ck_assert_uint_eq(nv_intake_told(t.intake)->duplicates, 1);
    ck_assert_uint_eq(nv_intake_told(t.intake)->out_of_order, 1);
    ck_assert_int_eq(taker_scrape(&t, 30000, TEXT, "a 5 99999999999\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "");
    ck_assert_uint_eq(nv_intake_told(t.intake)->out_of_bounds, 1);
    ck_assert_double_eq(taker_report(&t, "up"), 1);
}
END_TEST

START_TEST(a_series_may_bring_several_times_at_once)
{
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1 7000\na 2 8000\na 3 9000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "a{" L "} 1 @7000\na{" L "} 2 @8000\na{" L "} 3 @9000\n");
    ck_assert_uint_eq(nv_intake_told(t.intake)->duplicates, 0);
}
END_TEST

START_TEST(own_times_of_a_bad_body_are_not_seen)
{
    ck_assert_int_lt(taker_scrape(&t, 10000, TEXT, "a 1 9000\nb x\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "");
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a 1 9000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "a{" L "} 1 @9000\n");
}
END_TEST

START_TEST(tracked_own_times_become_stale_when_they_are_gone)
{
    t.scrape.track_timestamps_staleness = true;
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1 9000\nb 1 9000\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "b 2 19000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "b{" L "} 2 @19000\na{" L "} stale @20000\n");
    ck_assert_int_eq(taker_scrape(&t, 30000, TEXT, "b 3 29000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "b{" L "} 3 @29000\n");
    taker_fail(&t, 40000, "gone");
    ck_assert_str_eq(taker_sparse(&t), "b{" L "} stale @40000\n");
    ck_assert_int_eq(taker_scrape(&t, 50000, TEXT, "b 4 49000\n"), 0);
    struct nv_frame *frame;
    nv_buf_reset(&t.sparse);
    ck_assert_int_eq(nv_intake_leave(t.intake, 60000, &frame), 0);
    ck_assert_str_eq(taker_sparse(&t), "b{" L "} stale @60000\n");
    nv_frame_unref(frame);
}
END_TEST

START_TEST(a_scrape_that_is_abandoned_makes_nothing_stale)
{
    t.scrape.track_timestamps_staleness = true;
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1 9000\n"), 0);
    nv_buf_reset(&t.sparse);
    nv_intake_begin(t.intake, nv_str(TEXT), 20000);
    ck_assert_int_eq(nv_intake_feed(t.intake, "a 2 19000\nb", 11), 0);
    nv_intake_abandon(t.intake);
    ck_assert_str_eq(taker_sparse(&t), "");
    ck_assert_int_eq(taker_scrape(&t, 30000, TEXT, "a 3 29000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "a{" L "} 3 @29000\n");
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 0);
}
END_TEST

START_TEST(a_series_may_change_between_the_two_ways)
{
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\n");
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a 2 19000\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "");
    ck_assert_str_eq(taker_sparse(&t), "a{" L "} 2 @19000\n");
    ck_assert_int_eq(taker_scrape(&t, 30000, TEXT, "a 3\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 3\n");
    ck_assert_uint_eq(nv_intake_n_series(t.intake), 2);
}
END_TEST

/* What was in a frame has its time; one that follows with an older time of its own is late. */
START_TEST(an_own_time_before_the_last_frame_is_out_of_order)
{
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1 9000\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a 2\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 30000, TEXT, "a 3 19999\n"), 0);
    ck_assert_uint_eq(nv_intake_told(t.intake)->out_of_order, 1);
    ck_assert_int_eq(taker_scrape(&t, 40000, TEXT, "a 4 20001\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "a{" L "} 4 @20001\n");
}
END_TEST

START_TEST(a_series_that_loses_its_own_time_is_not_gone)
{
    t.scrape.track_timestamps_staleness = true;
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1 9000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "a{" L "} 1 @9000\n");
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a 2\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "");
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 2\n");
}
END_TEST

START_TEST(what_the_store_refuses_is_counted)
{
    t.sparse_answer = 1;
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, "a 1 9000\n"), 0);
    ck_assert_uint_eq(nv_intake_told(t.intake)->refused, 1);
    t.sparse_answer = 0;
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a 1 9000\n"), 0);
    ck_assert_str_eq(taker_sparse(&t), "a{" L "} 1 @9000\n");
}
END_TEST

/* ---- OpenMetrics ---------------------------------------------------------------------------- */

START_TEST(openmetrics_has_times_in_seconds_and_exemplars)
{
    static const char body[] =
        "# HELP a Help \\\"it\\\".\n# TYPE a counter\n# UNIT x_seconds seconds\n"
        "a_total 17 # {trace=\"}\\\"x\"} 0.5 1.5\n"
        "a_created 1520872607.123\n"
        "b{le=\"1\"} 2 9.0015\n"
        "c 3 1e1 # {} 4\n"
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"
        "# EOF\n";
    for (t.cut = 0; t.cut < 4; t.cut++) {
        ck_assert_msg(taker_scrape(&t, 10000, OPENMETRICS, body) == 0, "%s", taker_error(&t));
        ck_assert_str_eq(taker_samples(&t), "a_created{" L "} 1.520872607123e+09\n"
                                            "a_total{" L "} 17\n"
                                            "h_bucket{" L ",le=\"1.0\"} 1\n");
        if (t.cut == 0)
            ck_assert_str_eq(taker_sparse(&t), "b{" L ",le=\"1\"} 2 @9001\nc{" L "} 3 @10000\n");
    }
    struct nv_metadata *metadata = nv_intake_metadata(t.intake);
    ck_assert(nv_str_is(metadata->at[0].help, "Help \"it\"."));
    ck_assert(nv_str_is(metadata->at[2].unit, "seconds"));
    nv_metadata_unref(metadata);
}
END_TEST

static const struct {
    const char *body, *error;
} bad_openmetrics[] = {
    {"a 1\n",                        "data does not end with # EOF"                                            },
    {"# EO",                         "data does not end with # EOF"                                            },
    {"a 1\nb 2",                     "data does not end with # EOF"                                            },
    {"# HELP a\n# EOF\n",
     "expected text after the metric name, got \"\\n\" while parsing: \"# HELP a\\n\""                         },
    {"a 1\n# EOF\nb 2\n",            "unexpected data after # EOF"                                             },
    {"a 1\n# EOF\n\n",               "unexpected data after # EOF"                                             },
    {"\n# EOF\n",                    "expected a valid start token, got \"\\n\" while parsing: \"\\n\""        },
    {"a  1\n# EOF\n",                "strconv.ParseFloat: parsing \"\": invalid syntax while parsing: \"a \""  },
    {"a 1 \n# EOF\n",                "strconv.ParseFloat: parsing \"\": invalid syntax while parsing: \"a 1 \""},
    {"# a comment\n# EOF\n",         "expected a valid start token, got \"#\" while parsing: \"#\""            },
    {"a 1 NaN\n# EOF\n",             "invalid timestamp \"NaN\" while parsing: \"a 1 NaN\""                    },
    {"# TYPE a untyped\n# EOF\n",    "invalid metric type \"untyped\""                                         },
    {"# UNIT a seconds\n# EOF\n",    "unit \"seconds\" not a suffix of metric \"a\""                           },
    {"a 1 # {x=\"1\" 2\n# EOF\n",
     "expected comma or brace close, got \" \" while parsing: \"a 1 # {x=\\\"1\\\" \""                         },
    {"a 1 # {x=\"1\"}\n# EOF\n",
     "expected value after exemplar labels, got \"\\n\" while parsing: \"a 1 # {x=\\\"1\\\"}\\n\""             },
    {"a{x=\"1\"y=\"2\"} 1\n# EOF\n",
     "expected comma or brace close, got \"y\" while parsing: \"a{x=\\\"1\\\"y\""                              },
};

START_TEST(openmetrics_is_strict)
{
    for (t.cut = 0; t.cut < 3; t.cut++)
        ck_assert_str_eq(error_of(OPENMETRICS, bad_openmetrics[_i].body),
                         bad_openmetrics[_i].error);
}
END_TEST

START_TEST(an_end_may_lack_its_newline)
{
    ck_assert_int_eq(taker_scrape(&t, 10000, OPENMETRICS, "a 1\n# EOF"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\n");
}
END_TEST

/* ---- what others may see -------------------------------------------------------------------- */

static struct nv_str written(struct nv_frame *frame, struct nv_buf *out)
{
    const struct nv_expo_choice choice = {NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES};

    nv_buf_reset(out);
    nv_expo_write(frame, choice, NULL, 0, out);
    return nv_str(nv_buf_c_string(out));
}

START_TEST(an_exposed_target_is_shown_with_its_families)
{
    struct nv_frame *frames[NV_INTAKE_EXPOSED_MAX];
    struct nv_buf out = NV_BUF(1 << 20);

    t.scrape.expose = true;
    ck_assert_int_eq(
        taker_scrape(&t, 10000, TEXT,
                     "# HELP a All.\n# TYPE a counter\na{x=\"\\\"\"} 1\n"
                     "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                     "h_sum 3\nh_count 2\nh 5\n# TYPE own gauge\nown 6 9000\n"),
        0);
    ck_assert_uint_eq(nv_intake_exposed(t.intake, frames), 2);
    ck_assert_str_eq(
        written(frames[0], &out).p,
        "# HELP a All.\n# TYPE a counter\na{x=\"\\\"\"} 1\n"
        "# HELP h \n# TYPE h histogram\nh 5\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
        "h_sum 3\nh_count 2\n");
    ck_assert_str_eq(written(frames[1], &out).p, "# HELP own \n# TYPE own gauge\nown 6\n");
    nv_frame_unref(frames[0]);
    nv_frame_unref(frames[1]);
    taker_fail(&t, 20000, "gone");
    ck_assert_uint_eq(nv_intake_exposed(t.intake, frames), 0);
    nv_buf_done(&out);
}
END_TEST

/* Whoever shows an answer that is older than the question can say so. */
START_TEST(times_that_are_not_honoured_are_shown)
{
    struct nv_frame *frames[NV_INTAKE_EXPOSED_MAX];
    NV_AUTO_BUF body = NV_BUF(1 << 20);

    t.scrape.expose = true;
    t.scrape.honor_timestamps = false;
    for (int i = 0; i < 1000; i++) /* which leave, so that the others get other columns */
        nv_buf_printf(&body, "gone{i=\"%d\"} 1 7\n", i);
    ck_assert_int_eq(taker_scrape(&t, 10000, TEXT, nv_buf_c_string(&body)), 0);
    ck_assert_int_eq(taker_scrape(&t, 20000, TEXT, "a 1 19000\nb 2\nc 3 18000\n"), 0);
    ck_assert(nv_intake_wants_renewal(t.intake));
    ck_assert_int_eq(taker_scrape(&t, 30000, TEXT, "a 1 29000\nb 2\nc 3 28000\nc 3 27000\n"), 0);
    nv_intake_renew(t.intake);
    const struct nv_intake_report report = {0};
    struct nv_frame *kept;
    ck_assert_int_eq(nv_intake_frame(t.intake, &report, &kept), 0);
    ck_assert_ptr_null(kept->own_ms); /* in the store they do not count */
    nv_frame_unref(kept);
    ck_assert_uint_eq(nv_intake_exposed(t.intake, frames), 1);
    static const struct {
        const char *name;
        int64_t time_ms;
    } wanted[] = {
        {"a", 29000},
        {"b", 30000},
        {"c", 28000},
    };
    for (size_t i = 0; i < NV_LEN(wanted); i++) {
        const struct nv_layout_family *family =
            nv_layout_find(frames[0]->layout, nv_str(wanted[i].name));
        ck_assert_ptr_nonnull(family);
        ck_assert_int_eq(nv_frame_time(frames[0], family->series[0]), wanted[i].time_ms);
    }
    nv_frame_unref(frames[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("intake_rules");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, the_target_has_the_last_word);
    tcase_add_test(all, shorter_labels_are_exported_first);
    tcase_add_test(all, honor_labels_gives_the_sample_the_last_word);
    tcase_add_test(all, hidden_labels_of_the_target_stay_hidden);
    tcase_add_test(all, what_is_dropped_is_scraped_and_not_kept);
    tcase_add_test(all, rules_see_the_target_and_may_change_it);
    tcase_add_test(all, series_that_become_one_are_duplicates);
    tcase_add_test(all, a_name_that_is_taken_away_fails_the_scrape);
    tcase_add_test(all, new_rules_are_obeyed_at_once);
    tcase_add_test(all, more_samples_than_allowed_fail_the_scrape);
    tcase_add_test(all, what_is_dropped_does_not_count_for_the_limit);
    tcase_add_test(all, limits_of_labels_have_the_texts_of_prometheus);
    tcase_add_test(all, a_body_as_long_as_the_limit_is_too_long);
    tcase_add_test(all, what_is_no_exposition_is_refused_without_a_fallback);
    tcase_add_test(all, the_fallback_takes_what_says_nothing);
    tcase_add_test(all, own_times_go_their_own_way);
    tcase_add_test(all, own_times_that_are_not_honoured_are_not_seen);
    tcase_add_test(all, a_repeat_is_no_news_and_the_past_is_past);
    tcase_add_test(all, a_series_may_bring_several_times_at_once);
    tcase_add_test(all, own_times_of_a_bad_body_are_not_seen);
    tcase_add_test(all, tracked_own_times_become_stale_when_they_are_gone);
    tcase_add_test(all, a_scrape_that_is_abandoned_makes_nothing_stale);
    tcase_add_test(all, a_series_may_change_between_the_two_ways);
    tcase_add_test(all, an_own_time_before_the_last_frame_is_out_of_order);
    tcase_add_test(all, a_series_that_loses_its_own_time_is_not_gone);
    tcase_add_test(all, what_the_store_refuses_is_counted);
    tcase_add_test(all, openmetrics_has_times_in_seconds_and_exemplars);
    tcase_add_loop_test(all, openmetrics_is_strict, 0, NV_LEN(bad_openmetrics));
    tcase_add_test(all, an_end_may_lack_its_newline);
    tcase_add_test(all, an_exposed_target_is_shown_with_its_families);
    tcase_add_test(all, times_that_are_not_honoured_are_shown);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
