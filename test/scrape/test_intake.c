/*
 * test_intake.c - text bodies: what of them a store gets, scrape after scrape, as from Prometheus.
 */
#include <check.h>

#include "take_in.h"

static struct taker t;

static void setup(void)
{
    taker_begin(&t);
}

static void teardown(void)
{
    taker_end(&t);
}

#define L "instance=\"i\",job=\"j\""

START_TEST(samples_have_their_labels_and_those_of_the_target)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT,
                                  "# HELP a Some.\n# TYPE a counter\na 1\n"
                                  "b{x=\"y\",z=\"w\"} 2.5\n"),
                     0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\n"
                                        "b{" L ",x=\"y\",z=\"w\"} 2.5\n");
    ck_assert_int_eq(t.frame->time_ms, 1000);
    ck_assert_double_eq(taker_report(&t, "up"), 1);
    ck_assert_double_eq(taker_report(&t, "scrape_duration_seconds"), 0.25);
    ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 2);
    ck_assert_double_eq(taker_report(&t, "scrape_samples_post_metric_relabeling"), 2);
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 2);
    ck_assert(isnan(taker_report(&t, "scrape_timeout_seconds")));
}
END_TEST

START_TEST(the_next_scrape_adds_nothing)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\nb{x=\"y\"} 2\n"), 0);
    struct nv_layout *layout = nv_layout_ref(t.frame->layout);
    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, "a 3\nb{x=\"y\"} 4\n"), 0);
    ck_assert_ptr_eq(t.frame->layout, layout);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 3\nb{" L ",x=\"y\"} 4\n");
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 0);
    nv_layout_unref(layout);
}
END_TEST

START_TEST(what_disappears_is_observed_and_absent)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\nb 2\nc 3\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, "a 1\nc 3\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\nc{" L "} 3\n");
    ck_assert(nv_bit(t.frame->observed, 0) && nv_bit(t.frame->observed, 1));
    ck_assert_int_eq(taker_scrape(&t, 3000, TEXT, "a 1\nb 5\nc 3\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\nb{" L "} 5\nc{" L "} 3\n");
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 1); /* it was forgotten */
}
END_TEST

START_TEST(lines_may_come_in_any_order)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\nb 2\nc 3\nd 4\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, "d 8\nnew 9\nb 6\na 5\nc 7\n"), 0);
    ck_assert_str_eq(taker_samples(&t),
                     "a{" L "} 5\nb{" L "} 6\nc{" L "} 7\nd{" L "} 8\nnew{" L "} 9\n");
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 1);
}
END_TEST

START_TEST(a_bare_name_is_no_front_of_a_longer_one)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, "ab 2\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "ab{" L "} 2\n");
    ck_assert_int_eq(taker_scrape(&t, 3000, TEXT, "a {x=\"1\"} 3\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L ",x=\"1\"} 3\n");
    ck_assert_int_eq(taker_scrape(&t, 4000, TEXT, "a\t4\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "a{" L "} 4\n");
}
END_TEST

/* ---- text as Prometheus reads it ------------------------------------------------------------ */

static const struct {
    const char *body, *samples;
} readable[] = {
    {"",                                                       ""                                             },
    {"\n\n# only comments\n#HELP none\n# HELP\n",              ""                                             },
    {"a 1",                                                    "a{" L "} 1\n"                                 },
    {" \ta  { x = \"1\" , y=\"2\" , }  3 \n",                  "a{" L ",x=\"1\",y=\"2\"} 3\n"                 },
    {"a{x=\"1\"y=\"2\"} 3\n",                                  "a{" L ",x=\"1\",y=\"2\"} 3\n"                 },
    {"a{}1\n",                                                 "a{" L "} 1\n"                                 },
    {"a{x=\"\"} 1\n",                                          "a{" L "} 1\n"                                 },
    {"a{x=\"}\",y=\" {\\\"\\\\\\n\\q\"} 1\n",                  "a{" L ",x=\"}\",y=\" {\\\"\\\\\\n\\\\q\"} 1\n"},
    {"a NaN\n",                                                "a{" L "} NaN\n"                               },
    {"a +Inf\nb -inf\nc Infinity\n",                           "a{" L "} +Inf\nb{" L "} -Inf\nc{" L "} +Inf\n"},
    {"a -0.5e-3\n",                                            "a{" L "} -0.0005\n"                           },
    {"a .5\nb 5.\n",                                           "a{" L "} 0.5\nb{" L "} 5\n"                   },
    {"a 12345678901234567890123\n",                            "a{" L "} 1.2345678901234568e+22\n"            },
    {"a 1.7976931348623157e308\n",                             "a{" L "} 1.7976931348623157e+308\n"           },
    {"a:b_c1 1\n",                                             "a:b_c1{" L "} 1\n"                            },
    {"{\"a.b\",\"x y\"=\"1\"} 1\n",                            "a.b{" L ",x y=\"1\"} 1\n"                     },
    {"{x=\"1\",\"a\"} 1\n",                                    "a{" L ",x=\"1\"} 1\n"                         },
    {"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"0.50\"} "
     "1\nh_bucket{le=\"x\"} 1\n",                         "h_bucket{" L ",le=\"+Inf\"} 1\nh_bucket{" L ",le=\"0.5\"} 1\nh_bucket{" L
     ",le=\"1.0\"} 1\nh_bucket{" L ",le=\"x\"} 1\n"                     },
    {"# TYPE s summary\ns{quantile=\"1\"} 1\ns{le=\"1\"} 1\n",
     "s{" L ",le=\"1\"} 1\ns{" L ",quantile=\"1.0\"} 1\n"                                                     },
    {"# TYPE h counter\nh_bucket{le=\"1\"} 1\n",               "h_bucket{" L ",le=\"1\"} 1\n"                 },
    {"# HELP my-metric Some.\na 1\n",                          "a{" L "} 1\n"                                 },
    {"# TYPE a untyped\na 1\n# HELP a \\\\ \\n \xc3\xa4\n",    "a{" L "} 1\n"                                 },
    {"a 1\nup{x=\"1\"} 3\nup 3\n",                             "a{" L "} 1\nup{" L ",x=\"1\"} 3\n"            },
};

START_TEST(text_is_read_as_prometheus_reads_it)
{
    for (t.cut = 0; t.cut < 3; t.cut++) {
        ck_assert_msg(taker_scrape(&t, 1000 + (int64_t)t.cut, TEXT, readable[_i].body) == 0,
                      "%s: %s", readable[_i].body, taker_error(&t));
        ck_assert_str_eq(taker_samples(&t), readable[_i].samples);
        ck_assert_double_eq(taker_report(&t, "up"), 1);
    }
}
END_TEST

static const struct {
    const char *body, *error;
} unreadable[] = {
    {"a\n",                          "expected value after metric, got \"\\n\" while parsing: \"a\\n\""              },
    {"a{b='c'} 1\n",                 "expected label value, got \"'\" while parsing: \"a{b='\""                      },
    {"a{b=\n",                       "expected label value, got \"\\n\" while parsing: \"a{b=\\n\""                  },
    {"a{\xff=\"foo\"} 1\n",
     "expected label name or left brace, got \"\\xff\" while parsing: \"a{\\xff\""                                   },
    {"a{b=\"\xff\"} 1\n",            "invalid UTF-8 label value: \"\\\"\\xff\\\"\""                                  },
    {"a true\n",                     "strconv.ParseFloat: parsing \"true\": invalid syntax while parsing: \"a true\""},
    {"something_weird{problem=\"",
     "expected label value, got \"\\\"\" while parsing: \"something_weird{problem=\\\"\""                            },
    {"empty_label_name{=\"\"} 0",
     "expected label name or left brace, got \"=\" while parsing: \"empty_label_name{=\""                            },
    {"foo 1_2\n",                    "strconv.ParseFloat: parsing \"1_2\": invalid syntax while parsing: \"foo 1_2\""},
    {"foo 0x1p-3\n",
     "strconv.ParseFloat: parsing \"0x1p-3\": invalid syntax while parsing: \"foo 0x1p-3\""                          },
    {"foo 1e999\n",
     "strconv.ParseFloat: parsing \"1e999\": invalid syntax while parsing: \"foo 1e999\""                            },
    {"foo 0 1_2\n",                  "expected next entry after timestamp, got \"_\" while parsing: \"foo 0 1_\""    },
    {"foo 0 1 2\n",                  "expected next entry after timestamp, got \"2\" while parsing: \"foo 0 1 2\""   },
    {"foo 0 99999999999999999999\n",
     "timestamp out of range while parsing: \"foo 0 999999999999999999\""                                            },
    {"{a=\"ok\"} 1\n",               "metric name not set while parsing: \"{a=\\\"ok\\\"}\""                         },
    {"{\"a\",\"b\"} 1\n",            "metric name already set while parsing: \"{\\\"a\\\",\\\"b\\\"\""               },
    {"a{\"b\"} 1\n",                 "metric name already set while parsing: \"a{\\\"b\\\"\""                        },
    {"a{x=\"1\"}{y=\"2\"} 1\n",      "expected value after metric, got \"{\""                                        },
    {"1a 1\n",                       "expected a valid start token, got \"1\" while parsing: \"1\""                  },
    {"# TYPE a thing\n",             "invalid metric type \"thing\""                                                 },
    {"# TYPE a\n",                   "invalid metric type \"\""                                                      },
    {"# HELP a \xff\n",              "help text \"\\xff\" is not a valid utf8 string"                                },
    {"# TYPE 9a gauge\n",            "expected metric name, got \"9\" while parsing: \"# TYPE 9\""                   },
    {"a{x=\"1\",x=\"2\"} 1\n",       "label name \"x\" is not unique: invalid sample"                                },
    {"a{__name__=\"b\"} 1\n",        "label name \"__name__\" is not unique: invalid sample"                         },
    {"{\"\"} 1\n",                   "metric name not set while parsing: \"{\\\"\\\"}\""                             },
};

START_TEST(what_cannot_be_read_fails_the_scrape_as_a_whole)
{
    char body[256];

    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "good 1\nother 2\n"), 0);
    snprintf(body, sizeof(body), "good 1\n%s", unreadable[_i].body);
    for (t.cut = 0; t.cut < 3; t.cut++) {
        ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, body), -EBADMSG);
        ck_assert_str_eq(taker_error(&t), unreadable[_i].error);
        ck_assert_str_eq(taker_samples(&t), "");
        ck_assert_double_eq(taker_report(&t, "up"), 0);
        ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"),
                            strstr(unreadable[_i].error, "not unique") ? 2 : 1); /* it was read */
    }
    ck_assert_int_eq(taker_scrape(&t, 3000, TEXT, "good 1\nother 2\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "good{" L "} 1\nother{" L "} 2\n");
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 0);
}
END_TEST

START_TEST(a_target_that_does_not_answer_is_down_and_stale)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\n"), 0);
    taker_fail(&t, 2000, "connection refused");
    ck_assert_str_eq(taker_samples(&t), "");
    ck_assert_double_eq(taker_report(&t, "up"), 0);
    ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 0);
    ck_assert_str_eq(taker_error(&t), "connection refused");
    taker_fail(&t, 3000, taker_error(&t));
    ck_assert_str_eq(taker_error(&t), "connection refused");
}
END_TEST

START_TEST(a_broken_off_answer_is_no_answer)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\n"), 0);
    nv_intake_begin(t.intake, nv_str(TEXT), 2000);
    ck_assert_int_eq(nv_intake_feed(t.intake, "a 2\nb ", 6), 0);
    nv_intake_fail(t.intake, 2000, "unexpected EOF");
    taker_frame(&t);
    ck_assert_str_eq(taker_samples(&t), "");
    ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 0);
    ck_assert_uint_eq(nv_intake_told(t.intake)->body_bytes, 0); /* as Prometheus has it */
}
END_TEST

START_TEST(an_empty_answer_is_up_and_all_is_stale)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\n"), 0);
    ck_assert_int_eq(taker_scrape(&t, 2000, "", ""), 0);
    ck_assert_str_eq(taker_samples(&t), "");
    ck_assert_double_eq(taker_report(&t, "up"), 1);
}
END_TEST

START_TEST(who_leaves_takes_the_report_along)
{
    struct nv_frame *frame;

    ck_assert_int_eq(nv_intake_leave(taker_intake(&t), 500, &frame), 0);
    ck_assert_ptr_null(frame);
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT, "a 1\n"), 0);
    ck_assert_int_eq(nv_intake_leave(t.intake, 2000, &frame), 0);
    ck_assert(nv_bit(frame->observed, 0) && nv_bit(frame->observed, 1));
    for (size_t i = 0; i < frame->n_series; i++)
        ck_assert(!nv_frame_has(frame, i));
    nv_frame_unref(frame);
    ck_assert_int_eq(nv_intake_leave(t.intake, 3000, &frame), 0);
    ck_assert_ptr_null(frame);
}
END_TEST

/* ---- duplicates ----------------------------------------------------------------------------- */

START_TEST(of_duplicates_the_first_wins)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(taker_scrape(&t, 1000 + i, TEXT,
                                      "a 1\na 2\nb{x=\"1\",y=\"2\"} 3\nb{y=\"2\",x=\"1\"} 4\n"),
                         0);
        ck_assert_str_eq(taker_samples(&t), "a{" L "} 1\nb{" L ",x=\"1\",y=\"2\"} 3\n");
        ck_assert_uint_eq(nv_intake_told(t.intake)->duplicates, 2);
        ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 4);
        ck_assert_double_eq(taker_report(&t, "scrape_samples_post_metric_relabeling"), 4);
    }
}
END_TEST

START_TEST(bounds_that_are_only_written_differently_are_duplicates)
{
    ck_assert_int_eq(
        taker_scrape(&t, 1000, TEXT,
                     "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"1.0\"} 4\n"),
        0);
    ck_assert_str_eq(taker_samples(&t), "h_bucket{" L ",le=\"1.0\"} 3\n");
    ck_assert_uint_eq(nv_intake_told(t.intake)->duplicates, 1);
}
END_TEST

START_TEST(nobody_forges_the_report)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(taker_scrape(&t, 1000 + i, TEXT, "up 7\nscrape_samples_scraped 9\n"), 0);
        ck_assert_str_eq(taker_samples(&t), "");
        ck_assert_double_eq(taker_report(&t, "up"), 1);
        ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 2);
        ck_assert_uint_eq(nv_intake_told(t.intake)->duplicates, 2);
    }
}
END_TEST

/* ---- families ------------------------------------------------------------------------------- */

START_TEST(what_is_told_of_families_is_kept_and_follows)
{
    ck_assert_int_eq(taker_scrape(&t, 1000, TEXT,
                                  "# HELP b A \\\\ and\\na line.\n# TYPE b counter\nb 1\n"
                                  "# TYPE a untyped\n"),
                     0);
    struct nv_metadata *first = nv_intake_metadata(t.intake);
    ck_assert_uint_eq(first->n, 2);
    ck_assert(nv_str_is(first->at[0].family, "a") && nv_str_is(first->at[1].family, "b"));
    ck_assert_str_eq(first->at[0].type, "unknown");
    ck_assert_str_eq(first->at[1].type, "counter");
    ck_assert(nv_str_is(first->at[1].help, "A \\ and\na line."));

    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT,
                                  "# HELP b A \\\\ and\\na line.\n# TYPE b counter\nb 1\n"
                                  "# TYPE a untyped\n"),
                     0);
    struct nv_metadata *second = nv_intake_metadata(t.intake);
    ck_assert_ptr_eq(first, second);

    ck_assert_int_eq(taker_scrape(&t, 3000, TEXT, "# HELP b Else.\n# TYPE b gauge\nb 1\n"), 0);
    ck_assert_int_eq(
        taker_scrape(&t, 4000, TEXT, "# HELP b A \\\\ and\\na line.\n# TYPE b gauge\nb 1\n"), 0);
    struct nv_metadata *third = nv_intake_metadata(t.intake);
    ck_assert_str_eq(third->at[1].type, "gauge");
    ck_assert(nv_str_is(third->at[1].help, "A \\ and\na line."));
    nv_metadata_unref(first);
    nv_metadata_unref(second);
    nv_metadata_unref(third);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("intake");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, samples_have_their_labels_and_those_of_the_target);
    tcase_add_test(all, the_next_scrape_adds_nothing);
    tcase_add_test(all, what_disappears_is_observed_and_absent);
    tcase_add_test(all, lines_may_come_in_any_order);
    tcase_add_test(all, a_bare_name_is_no_front_of_a_longer_one);
    tcase_add_loop_test(all, text_is_read_as_prometheus_reads_it, 0, NV_LEN(readable));
    tcase_add_loop_test(all, what_cannot_be_read_fails_the_scrape_as_a_whole, 0,
                        NV_LEN(unreadable));
    tcase_add_test(all, a_target_that_does_not_answer_is_down_and_stale);
    tcase_add_test(all, a_broken_off_answer_is_no_answer);
    tcase_add_test(all, an_empty_answer_is_up_and_all_is_stale);
    tcase_add_test(all, who_leaves_takes_the_report_along);
    tcase_add_test(all, of_duplicates_the_first_wins);
    tcase_add_test(all, bounds_that_are_only_written_differently_are_duplicates);
    tcase_add_test(all, nobody_forges_the_report);
    tcase_add_test(all, what_is_told_of_families_is_kept_and_follows);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
