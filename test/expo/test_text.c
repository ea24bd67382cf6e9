/*
 * test_text.c - classic text, with names of every kind.
 */
#include <check.h>

#include "frames.h"

static struct maker m;

static void begin(void)
{
    make_begin(&m);
}

static void end(void)
{
    make_end(&m);
}

static void expect(enum nv_expo_escaping escaping, const char *text)
{
    char *got = make_text(&m, NV_EXPO_TEXT_0_0_4, escaping);

    ck_assert_str_eq(got, text);
    free(got);
}

START_TEST(families_and_series_come_in_order_with_their_heads)
{
    make_add(&m, NV_GAUGE, "node_b", "", 0.25, "cpu", "2", NULL);
    make_add(&m, NV_GAUGE, "node_b", "", 1e6, "cpu", "10", NULL);
    make_add(&m, NV_COUNTER, "node_a_total", "", 7, NULL);
    make_add(&m, NV_UNTYPED, "node_c", "", NAN, "empty", "", NULL);
    expect(NV_ESCAPE_UNDERSCORES, "# HELP node_a_total Some help.\n"
                                  "# TYPE node_a_total counter\n"
                                  "node_a_total 7\n"
                                  "# HELP node_b Some help.\n"
                                  "# TYPE node_b gauge\n"
                                  "node_b{cpu=\"10\"} 1e+06\n"
                                  "node_b{cpu=\"2\"} 0.25\n"
                                  "# HELP node_c Some help.\n"
                                  "# TYPE node_c untyped\n"
                                  "node_c{empty=\"\"} NaN\n");
}
END_TEST

START_TEST(a_family_without_a_present_series_is_not_written)
{
    uint32_t column = make_add(&m, NV_GAUGE, "a", "", 1, NULL);

    make_add(&m, NV_GAUGE, "b", "", -INFINITY, NULL);
    m.present[column / 64] &= ~(UINT64_C(1) << column % 64);
    expect(NV_ESCAPE_UNDERSCORES, "# HELP b Some help.\n# TYPE b gauge\nb -Inf\n");
}
END_TEST

START_TEST(only_the_families_asked_for_are_written)
{
    NV_AUTO_BUF out = NV_BUF(4096);
    struct nv_str names[] = {NV_LIT("c"), NV_LIT("a"), NV_LIT("nothing")};

    make_add(&m, NV_GAUGE, "a", "", 1, NULL);
    make_add(&m, NV_GAUGE, "b", "", 2, NULL);
    make_add(&m, NV_GAUGE, "c", "", 3, NULL);
    nv_expo_write(make_frame(&m), (struct nv_expo_choice){0}, names, NV_LEN(names), &out);
    ck_assert_str_eq(nv_buf_c_string(&out), "# HELP a Some help.\n# TYPE a gauge\na 1\n"
                                            "# HELP c Some help.\n# TYPE c gauge\nc 3\n");
}
END_TEST

START_TEST(help_and_label_values_are_escaped)
{
    m.help = "back\\slash \"quote\"\nline";
    make_add(&m, NV_GAUGE, "a", "", 1, "p", "c:\\x \"y\"\nz \xc3\xa4", NULL);
    expect(NV_ESCAPE_UNDERSCORES, "# HELP a back\\\\slash \"quote\"\\nline\n# TYPE a gauge\n"
                                  "a{p=\"c:\\\\x \\\"y\\\"\\nz \xc3\xa4\"} 1\n");
}
END_TEST

/* Underscores, allow-utf-8, dots and values. */
static const char *const escaped[] = {
    "# HELP my_m_tric_1 Some help.\n# TYPE my_m_tric_1 gauge\n"
    "my_m_tric_1{a_b=\"x\",le_gal=\"y\"} 1\n",
    "# HELP \"my.m\xc3\xa9tric_1\" Some help.\n# TYPE \"my.m\xc3\xa9tric_1\" gauge\n"
    "{\"my.m\xc3\xa9tric_1\",\"a:b\"=\"x\",le_gal=\"y\"} 1\n",
    "# HELP my_dot_m__tric__1 Some help.\n# TYPE my_dot_m__tric__1 gauge\n"
    "my_dot_m__tric__1{a__b=\"x\",le_gal=\"y\"} 1\n",
    "# HELP U__my_2e_m_e9_tric__1 Some help.\n# TYPE U__my_2e_m_e9_tric__1 gauge\n"
    "U__my_2e_m_e9_tric__1{U__a_3a_b=\"x\",le_gal=\"y\"} 1\n",
};

START_TEST(names_that_are_not_legacy_follow_the_scheme)
{
    make_add(&m, NV_GAUGE, "my.m\xc3\xa9tric_1", "", 1, "a:b", "x", "le_gal", "y", NULL);
    expect((enum nv_expo_escaping)_i, escaped[_i]);
}
END_TEST

/* Only a label needs care. */
static const char *const escaped_label[] = {
    "m{a_b=\"x\"} 1\n",
    "m{\"a.b\"=\"x\"} 1\n",
    "m{a_dot_b=\"x\"} 1\n",
    "m{U__a_2e_b=\"x\"} 1\n",
};

START_TEST(labels_that_are_not_legacy_follow_the_scheme)
{
    make_add(&m, NV_GAUGE, "m", "", 1, "a.b", "x", NULL);
    char *got = make_text(&m, NV_EXPO_TEXT_1_0_0, (enum nv_expo_escaping)_i);
    ck_assert_ptr_nonnull(strstr(got, escaped_label[_i]));
    free(got);
}
END_TEST

START_TEST(suffixes_stay_outside_of_the_escaping)
{
    make_add(&m, NV_HISTOGRAM, "h.x", "_bucket", 1, "le", "+Inf", NULL);
    make_add(&m, NV_HISTOGRAM, "h.x", "_sum", 2.5, NULL);
    make_add(&m, NV_HISTOGRAM, "h.x", "_count", 1, NULL);
    expect(NV_ESCAPE_VALUES, "# HELP U__h_2e_x Some help.\n# TYPE U__h_2e_x histogram\n"
                             "U__h_2e_x_bucket{le=\"+Inf\"} 1\nU__h_2e_x_sum 2.5\n"
                             "U__h_2e_x_count 1\n");
    expect(NV_ESCAPE_ALLOW_UTF8, "# HELP \"h.x\" Some help.\n# TYPE \"h.x\" histogram\n"
                                 "{\"h.x_bucket\",le=\"+Inf\"} 1\n{\"h.x_sum\"} 2.5\n"
                                 "{\"h.x_count\"} 1\n");
}
END_TEST

static const struct nv_span spans[] = {
    {0, 2},
    {1, 1}
};
static const double counts[] = {1, 2, 4}, bounds[] = {0.5, 1, 2, 4};

START_TEST(a_native_histogram_is_shown_by_what_classic_text_can_say)
{
    struct nv_histogram h = {.schema = 0,
                             .count = 8,
                             .sum = 12.5,
                             .zero_count = 1,
                             .positive_spans = spans,
                             .n_positive_spans = 2,
                             .positive = counts,
                             .n_positive = 3};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, "a", "b", NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES,
           "# HELP h Some help.\n# TYPE h histogram\nh_bucket{a=\"b\",le=\"+Inf\"} 8\n"
           "h_sum{a=\"b\"} 12.5\nh_count{a=\"b\"} 8\n");
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
                                  "h_bucket{a=\"b\",le=\"1\"} 5\n"
                                  "h_bucket{a=\"b\",le=\"+Inf\"} 8\nh_sum{a=\"b\"} 12.5\n"
                                  "h_count{a=\"b\"} 8\n");
}
END_TEST

START_TEST(a_histogram_of_custom_bounds_is_shown_as_a_classic_one)
{
    struct nv_histogram h = {.schema = NV_HISTOGRAM_CUSTOM,
                             .count = 8,
                             .sum = 12.5,
                             .positive_spans = spans,
                             .n_positive_spans = 2,
                             .positive = counts,
                             .n_positive = 3,
                             .custom_values = bounds,
                             .n_custom = 4};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES,
           "# HELP h Some help.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\n"
           "h_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"4\"} 7\n"
           "h_bucket{le=\"+Inf\"} 8\nh_sum 12.5\nh_count 8\n");
}
END_TEST

START_TEST(a_buffer_that_is_too_small_fails_and_is_left_within_its_bound)
{
    make_add(&m, NV_GAUGE, "node_b", "", 0.25, "cpu", "2", NULL);
    make_add(&m, NV_COUNTER, "a.b", "", 7, NULL);
    for (int form = NV_EXPO_TEXT_0_0_4; form <= NV_EXPO_PROTO_COMPACT; form++) {
        for (size_t max = 0; max < 40; max++) {
            NV_AUTO_BUF out = NV_BUF(max);
            nv_expo_write(make_frame(&m),
                          (struct nv_expo_choice){(enum nv_expo_form)form, NV_ESCAPE_VALUES}, NULL,
                          0, &out);
            ck_assert_int_eq(out.failed, -EFBIG);
            ck_assert_uint_le(out.n, max);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, families_and_series_come_in_order_with_their_heads);
    tcase_add_test(tc, a_family_without_a_present_series_is_not_written);
    tcase_add_test(tc, only_the_families_asked_for_are_written);
    tcase_add_test(tc, help_and_label_values_are_escaped);
    tcase_add_loop_test(tc, names_that_are_not_legacy_follow_the_scheme, 0, NV_LEN(escaped));
    tcase_add_loop_test(tc, labels_that_are_not_legacy_follow_the_scheme, 0, NV_LEN(escaped_label));
    tcase_add_test(tc, suffixes_stay_outside_of_the_escaping);
    tcase_add_test(tc, a_native_histogram_is_shown_by_what_classic_text_can_say);
    tcase_add_test(tc, a_native_histogram_with_classic_buckets_is_shown_by_those);
    tcase_add_test(tc, a_histogram_of_custom_bounds_is_shown_as_a_classic_one);
    tcase_add_test(tc, a_buffer_that_is_too_small_fails_and_is_left_within_its_bound);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
