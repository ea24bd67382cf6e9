/*
 * test_openmetrics.c - OpenMetrics text, by its letter and through a strict reader.
 */
#include <check.h>

#include "frames.h"
#include "strict.h"

static struct maker m;

static void begin(void)
{
    make_begin(&m);
}

static void end(void)
{
    make_end(&m);
}

static void is_strict(const char *text)
{
    struct nv_str line = {NULL, 0};
    const char *wrong = strict_openmetrics(nv_str(text), &line);

    ck_assert_msg(!wrong, "%s: %.*s", wrong, NV_ARGS(line));
}

static void expect(enum nv_expo_escaping escaping, const char *text)
{
    char *got = make_text(&m, NV_EXPO_OPENMETRICS_1_0_0, escaping);

    ck_assert_str_eq(got, text);
    is_strict(got);
    free(got);
}

START_TEST(nothing_is_an_end)
{
    expect(NV_ESCAPE_UNDERSCORES, "# EOF\n");
}
END_TEST

START_TEST(a_counter_is_a_family_without_total)
{
    make_add(&m, NV_COUNTER, "a_total", "", 7, "x", "y", NULL);
    expect(NV_ESCAPE_UNDERSCORES, "# HELP a Some help.\n# TYPE a counter\n"
                                  "a_total{x=\"y\"} 7.0\n# EOF\n");
}
END_TEST

START_TEST(a_counter_whose_name_lacks_total_is_unknown)
{
    make_add(&m, NV_COUNTER, "a", "", 7, NULL);
    make_add(&m, NV_COUNTER, "_total", "", 7, NULL);
    expect(NV_ESCAPE_UNDERSCORES, "# HELP _total Some help.\n# TYPE _total unknown\n_total 7.0\n"
                                  "# HELP a Some help.\n# TYPE a unknown\na 7.0\n# EOF\n");
}
END_TEST

START_TEST(a_counter_whose_short_name_is_taken_is_unknown)
{
    make_add(&m, NV_COUNTER, "x_total", "", 1, NULL);
    make_add(&m, NV_GAUGE, "x", "", 2, NULL);
    make_add(&m, NV_COUNTER, "y_total", "", 3, NULL);
    make_add(&m, NV_GAUGE, "y_created", "", 4, NULL);
    make_add(&m, NV_GAUGE, "y_create", "", 5, NULL);
    expect(NV_ESCAPE_UNDERSCORES,
           "# HELP x Some help.\n# TYPE x gauge\nx 2.0\n"
           "# HELP x_total Some help.\n# TYPE x_total unknown\nx_total 1.0\n"
           "# HELP y_create Some help.\n# TYPE y_create gauge\ny_create 5.0\n"
           "# HELP y_created Some help.\n# TYPE y_created gauge\ny_created 4.0\n"
           "# HELP y_total Some help.\n# TYPE y_total unknown\ny_total 3.0\n# EOF\n");
}
END_TEST

START_TEST(values_are_floats_and_help_escapes_quotes)
{
    m.help = "a \"b\" \\ \n";
    make_add(&m, NV_UNTYPED, "a", "", 1e6, NULL);
    make_add(&m, NV_UNTYPED, "b", "", NAN, NULL);
    make_add(&m, NV_GAUGE, "c", "", -INFINITY, NULL);
    make_add(&m, NV_GAUGE, "d", "", 0.5, NULL);
    expect(NV_ESCAPE_UNDERSCORES, "# HELP a a \\\"b\\\" \\\\ \\n\n# TYPE a unknown\na 1e+06\n"
                                  "# HELP b a \\\"b\\\" \\\\ \\n\n# TYPE b unknown\nb NaN\n"
                                  "# HELP c a \\\"b\\\" \\\\ \\n\n# TYPE c gauge\nc -Inf\n"
                                  "# HELP d a \\\"b\\\" \\\\ \\n\n# TYPE d gauge\nd 0.5\n# EOF\n");
}
END_TEST

START_TEST(a_family_without_help_has_no_help_line)
{
    m.help = "";
    make_add(&m, NV_GAUGE, "a", "", 1, NULL);
    expect(NV_ESCAPE_UNDERSCORES, "# TYPE a gauge\na 1.0\n# EOF\n");
}
END_TEST

START_TEST(bounds_are_floats_and_counts_integers)
{
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 3, "a", "b", "le", "1", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 4, "a", "b", "le", "0.25", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 4.5, "a", "b", "le", "+Inf", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_count", 4e6, "a", "b", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_sum", 9, "a", "b", NULL);
    make_add(&m, NV_SUMMARY, "s", "", 9, "quantile", "1", NULL);
    make_add(&m, NV_SUMMARY, "s", "_count", 9, NULL);
    expect(NV_ESCAPE_UNDERSCORES,
           "# HELP h Some help.\n# TYPE h histogram\n"
           "h_bucket{a=\"b\",le=\"0.25\"} 4\nh_bucket{a=\"b\",le=\"1.0\"} 3\n"
           "h_bucket{a=\"b\",le=\"+Inf\"} 4.5\nh_sum{a=\"b\"} 9.0\nh_count{a=\"b\"} 4000000\n"
           "# HELP s Some help.\n# TYPE s summary\ns{quantile=\"1.0\"} 9.0\ns_count 9\n# EOF\n");
}
END_TEST

START_TEST(of_bounds_that_were_written_differently_one_stays)
{
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 3, "le", "1", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 4, "le", "1.0", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 5, "le", "1", "a", "b", NULL);
    expect(NV_ESCAPE_UNDERSCORES,
           "# HELP h Some help.\n# TYPE h histogram\n"
           "h_bucket{le=\"1.0\"} 3\nh_bucket{a=\"b\",le=\"1.0\"} 5\n# EOF\n");
}
END_TEST

/* Underscores, allow-utf-8, dots and values. */
static const char *const escaped[] = {
    "# HELP my_c Some help.\n# TYPE my_c counter\nmy_c_total{a_b=\"x\"} 1.0\n# EOF\n",
    "# HELP \"my.c\" Some help.\n# TYPE \"my.c\" counter\n"
    "{\"my.c_total\",\"a.b\"=\"x\"} 1.0\n# EOF\n",
    "# HELP my_dot_c_ Some help.\n# TYPE my_dot_c_ counter\n"
    "my_dot_c__total{a_dot_b=\"x\"} 1.0\n# EOF\n",
    "# HELP U__my_2e_c_ Some help.\n# TYPE U__my_2e_c_ counter\n"
    "U__my_2e_c__total{U__a_2e_b=\"x\"} 1.0\n# EOF\n",
};

START_TEST(names_that_are_not_legacy_follow_the_scheme)
{
    make_add(&m, NV_COUNTER, "my.c_total", "", 1, "a.b", "x", NULL);
    expect((enum nv_expo_escaping)_i, escaped[_i]);
}
END_TEST

START_TEST(a_native_histogram_is_shown_by_its_last_bucket)
{
    struct nv_histogram h = {.schema = 3, .count = 8, .sum = 12.5, .zero_count = 8};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, "a", "b", NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES, "# HELP h Some help.\n# TYPE h histogram\n"
                                  "h_bucket{a=\"b\",le=\"+Inf\"} 8\nh_sum{a=\"b\"} 12.5\n"
                                  "h_count{a=\"b\"} 8\n# EOF\n");
}
END_TEST

START_TEST(a_native_histogram_with_classic_buckets_is_shown_by_those)
{
    struct nv_histogram h = {.schema = 3, .count = 8, .sum = 12.5, .zero_count = 8};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, "a", "b", NULL)] = &h;
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 5, "a", "b", "le", "1", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 8, "a", "b", "le", "+Inf", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_sum", 12.5, "a", "b", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_count", 8, "a", "b", NULL);
    expect(NV_ESCAPE_UNDERSCORES, "# HELP h Some help.\n# TYPE h histogram\n"
                                  "h_bucket{a=\"b\",le=\"1.0\"} 5\n"
                                  "h_bucket{a=\"b\",le=\"+Inf\"} 8\nh_sum{a=\"b\"} 12.5\n"
                                  "h_count{a=\"b\"} 8\n# EOF\n");
}
END_TEST

static const char *const loose[] = {
    "",
    "# EOF",
    "# EOF\n\n",
    "# TYPE a gauge\na 1.0\n",
    "\n# EOF\n",
    "# TYPE a counter\na 1.0\n# EOF\n",
    "# TYPE a gauge\na  1.0\n# EOF\n",
    "# TYPE a gauge\na 1.0 \n# EOF\n",
    "# TYPE a gauge\na 1.0\na 2.0\n# EOF\n",
    "# TYPE a gauge\na 1.0\n# TYPE a gauge\n# EOF\n",
    "# TYPE a gauge\n# TYPE a gauge\n# EOF\n",
    "# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n",
    "# TYPE a gauge\na{b=\"1\",b=\"2\"} 1\n# EOF\n",
    "# TYPE a untyped\na 1\n# EOF\n",
    "# HELP a say \"x\"\n# TYPE a gauge\na 1\n# EOF\n",
    "# TYPE a gauge\na.b 1\n# EOF\n",
    "# TYPE a gauge\na nan\n# EOF\n",
};

START_TEST(the_strict_reader_is_strict)
{
    struct nv_str line;

    ck_assert_msg(strict_openmetrics(nv_str(loose[_i]), &line), "accepted: %s", loose[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("openmetrics");
    TCase *tc = tcase_create("openmetrics");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, nothing_is_an_end);
    tcase_add_test(tc, a_counter_is_a_family_without_total);
    tcase_add_test(tc, a_counter_whose_name_lacks_total_is_unknown);
    tcase_add_test(tc, a_counter_whose_short_name_is_taken_is_unknown);
    tcase_add_test(tc, values_are_floats_and_help_escapes_quotes);
    tcase_add_test(tc, a_family_without_help_has_no_help_line);
    tcase_add_test(tc, bounds_are_floats_and_counts_integers);
    tcase_add_test(tc, of_bounds_that_were_written_differently_one_stays);
    tcase_add_loop_test(tc, names_that_are_not_legacy_follow_the_scheme, 0, NV_LEN(escaped));
    tcase_add_test(tc, a_native_histogram_is_shown_by_its_last_bucket);
    tcase_add_test(tc, a_native_histogram_with_classic_buckets_is_shown_by_those);
    tcase_add_loop_test(tc, the_strict_reader_is_strict, 0, NV_LEN(loose));
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
