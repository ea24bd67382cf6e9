/*
 * test_merge.c - several frames written as one exposition.
 */
#include <check.h>

#include "base/number.h"
#include "frames_text.h"

static struct maker first, second, third;
static struct nv_expo_left_out left_out;

static void begin(void)
{
    make_begin(&first);
    make_begin(&second);
    make_begin(&third);
}

static void end(void)
{
    make_end(&first);
    make_end(&second);
    make_end(&third);
}

static char *write_parts(enum nv_expo_form form, const char *const *prefixes,
                         const struct nv_str *names, size_t n_names)
{
    const struct nv_expo_part parts[] = {
        {make_frame(&first),  NULL    },
        {make_frame(&second), prefixes},
        {make_frame(&third),  NULL    },
    };
    struct nv_buf out = NV_BUF(64 << 20);

    nv_expo_write_parts(parts, NV_LEN(parts), (struct nv_expo_choice){form, NV_ESCAPE_UNDERSCORES},
                        names, n_names, &out, &left_out);
    ck_assert_int_eq(out.failed, 0);
    nv_buf_c_string(&out);
    return out.p;
}

static void expect(enum nv_expo_form form, const char *text)
{
    char *got = write_parts(form, NULL, NULL, 0);

    ck_assert_str_eq(got, text);
    free(got);
}

START_TEST(families_of_all_frames_come_in_one_order_with_one_head)
{
    second.help = "Another help.";
    make_add(&first, NV_GAUGE, "b", "", 1, "x", "2", NULL);
    make_add(&second, NV_GAUGE, "b", "", 2, "x", "1", NULL);
    make_add(&third, NV_GAUGE, "b", "", 3, "x", "3", NULL);
    make_add(&second, NV_GAUGE, "a", "", 4, NULL);
    make_add(&third, NV_COUNTER, "c_total", "", 5, NULL);
    expect(NV_EXPO_TEXT_0_0_4, "# HELP a Another help.\n# TYPE a gauge\na 4\n"
                               "# HELP b Some help.\n# TYPE b gauge\n"
                               "b{x=\"1\"} 2\nb{x=\"2\"} 1\nb{x=\"3\"} 3\n"
                               "# HELP c_total Some help.\n# TYPE c_total counter\nc_total 5\n");
    ck_assert_uint_eq(left_out.conflicts + left_out.duplicates, 0);
    expect(NV_EXPO_OPENMETRICS_1_0_0,
           "# HELP a Another help.\n# TYPE a gauge\na 4.0\n"
           "# HELP b Some help.\n# TYPE b gauge\n"
           "b{x=\"1\"} 2.0\nb{x=\"2\"} 1.0\nb{x=\"3\"} 3.0\n"
           "# HELP c Some help.\n# TYPE c counter\nc_total 5.0\n# EOF\n");
}
END_TEST

START_TEST(the_first_frame_wins_where_types_differ)
{
    make_add(&first, NV_GAUGE, "a", "", 1, NULL);
    make_add(&second, NV_COUNTER, "a", "", 2, "x", "1", NULL);
    make_add(&second, NV_COUNTER, "a", "", 3, "x", "2", NULL);
    make_add(&third, NV_GAUGE, "a", "", 4, "x", "1", NULL);
    expect(NV_EXPO_TEXT_0_0_4, "# HELP a Some help.\n# TYPE a gauge\na 1\na{x=\"1\"} 4\n");
    ck_assert_uint_eq(left_out.conflicts, 2);
    ck_assert_uint_eq(left_out.duplicates, 0);
}
END_TEST

/* An absent series is no reason to leave out another's. */
START_TEST(what_is_absent_wins_nothing)
{
    uint32_t column = make_add(&first, NV_GAUGE, "a", "", 1, NULL);

    first.present[column / 64] = 0;
    make_add(&second, NV_COUNTER, "a", "", 2, NULL);
    expect(NV_EXPO_TEXT_0_0_4, "# HELP a Some help.\n# TYPE a counter\na 2\n");
    ck_assert_uint_eq(left_out.conflicts, 0);
}
END_TEST

START_TEST(a_series_of_two_frames_is_written_once_and_counted)
{
    make_add(&first, NV_GAUGE, "a", "", 1, "x", "1", "y", "", NULL);
    make_add(&second, NV_GAUGE, "a", "", 2, "y", "", "x", "1", NULL);
    make_add(&third, NV_GAUGE, "a", "", 3, "x", "1", NULL);
    expect(NV_EXPO_TEXT_0_0_4,
           "# HELP a Some help.\n# TYPE a gauge\na{x=\"1\"} 3\na{x=\"1\",y=\"\"} 1\n");
    ck_assert_uint_eq(left_out.duplicates, 1);
}
END_TEST

/* Buckets of one and the sum of another would be the histogram of nobody. */
START_TEST(a_histogram_of_two_frames_is_the_first_ones_whole)
{
    make_add(&first, NV_HISTOGRAM, "h", "_bucket", 1, "le", "1", NULL);
    make_add(&first, NV_HISTOGRAM, "h", "_bucket", 2, "le", "+Inf", NULL);
    make_add(&first, NV_HISTOGRAM, "h", "_sum", 3, NULL);
    make_add(&first, NV_HISTOGRAM, "h", "_count", 2, NULL);
    make_add(&second, NV_HISTOGRAM, "h", "_bucket", 9, "le", "0.5", NULL);
    make_add(&second, NV_HISTOGRAM, "h", "_sum", 9, NULL);
    make_add(&second, NV_HISTOGRAM, "h", "_count", 7, "x", "1", NULL);
    expect(NV_EXPO_TEXT_0_0_4, "# HELP h Some help.\n# TYPE h histogram\n"
                               "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"
                               "h_count{x=\"1\"} 7\n");
    ck_assert_uint_eq(left_out.duplicates, 2);
}
END_TEST

START_TEST(native_histograms_of_several_frames_stay_themselves)
{
    static const struct nv_histogram one = {.schema = 1, .count = 4, .sum = 5},
                                     other = {.schema = 1, .count = 8, .sum = 9};
    uint32_t a = make_add(&first, NV_HISTOGRAM, "h", "", 0, NULL);
    uint32_t b = make_add(&second, NV_HISTOGRAM, "h", "", 0, "x", "1", NULL);

    first.histograms[a] = &one;
    second.histograms[b] = &other;
    expect(NV_EXPO_TEXT_0_0_4,
           "# HELP h Some help.\n# TYPE h histogram\n"
           "h_bucket{le=\"+Inf\"} 4\nh_sum 5\nh_count 4\n"
           "h_bucket{x=\"1\",le=\"+Inf\"} 8\nh_sum{x=\"1\"} 9\nh_count{x=\"1\"} 8\n");
    char *text = write_parts(NV_EXPO_PROTO_TEXT, NULL, NULL, 0);
    ck_assert_ptr_nonnull(strstr(text, "sample_count: 8"));
    ck_assert_ptr_null(strstr(strstr(text, "name: \"h\"") + 1, "name: \"h\""));
    free(text);
}
END_TEST

/* OpenMetrics would take the gauge x for another head of the counter x_total. */
START_TEST(a_counter_that_meets_a_gauge_of_another_frame_is_unknown_in_openmetrics)
{
    make_add(&first, NV_COUNTER, "x_total", "", 1, NULL);
    make_add(&second, NV_GAUGE, "x", "", 2, NULL);
    expect(NV_EXPO_OPENMETRICS_1_0_0,
           "# HELP x Some help.\n# TYPE x gauge\nx 2.0\n"
           "# HELP x_total Some help.\n# TYPE x_total unknown\nx_total 1.0\n# EOF\n");
}
END_TEST

START_TEST(prefixes_and_names_choose_among_the_families)
{
    static const char *const prefixes[] = {"container_", "machine_", NULL};
    const struct nv_str names[] = {NV_LIT("machine_b"), NV_LIT("x")};

    make_add(&first, NV_GAUGE, "x", "", 1, NULL);
    make_add(&second, NV_GAUGE, "container_a", "", 2, NULL);
    make_add(&second, NV_GAUGE, "machine_b", "", 3, NULL);
    make_add(&second, NV_GAUGE, "other", "", 4, NULL);
    char *got = write_parts(NV_EXPO_TEXT_0_0_4, prefixes, NULL, 0);
    ck_assert_ptr_nonnull(strstr(got, "container_a 2\n"));
    ck_assert_ptr_null(strstr(got, "other"));
    free(got);
    got = write_parts(NV_EXPO_TEXT_0_0_4, prefixes, names, NV_LEN(names));
    ck_assert_str_eq(got, "# HELP machine_b Some help.\n# TYPE machine_b gauge\nmachine_b 3\n"
                          "# HELP x Some help.\n# TYPE x gauge\nx 1\n");
    free(got);
}
END_TEST

START_TEST(one_part_is_what_a_frame_alone_is)
{
    const struct nv_expo_part part = {make_frame(&first), NULL};
    struct nv_buf out = NV_BUF(4096);

    make_add(&first, NV_GAUGE, "a", "", 1, NULL);
    ck_assert_ptr_eq(make_frame(&first), part.frame);
    nv_expo_write_parts(&part, 1, (struct nv_expo_choice){0}, NULL, 0, &out, &left_out);
    ck_assert_str_eq(nv_buf_c_string(&out), "# HELP a Some help.\n# TYPE a gauge\na 1\n");
    nv_buf_done(&out);
    nv_expo_write_parts(NULL, 0, (struct nv_expo_choice){NV_EXPO_OPENMETRICS_1_0_0, 0}, NULL, 0,
                        &out, &left_out);
    ck_assert_str_eq(nv_buf_c_string(&out), "# EOF\n");
    nv_buf_done(&out);
}
END_TEST

/* ---- anything at all -------------------------------------------------------------------------- */

static uint64_t state = 1;
static uint32_t roll(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(state >> 33) % below;
}

/* Values tell the frame: a series of frame i has i as its value. */
static void fill(struct maker *m, double value)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    char name[8], label[8];

    for (uint32_t i = 0, n = roll(60); i < n; i++) {
        uint32_t which = roll(12), kind = which % 3;
        const char *const names[] = {kind == 2 && which == 5 ? "le" : "x", NULL};
        snprintf(name, sizeof(name), "f%u", which);
        snprintf(label, sizeof(label), "%u", roll(6));
        const struct nv_str value_of = nv_str(label);
        struct nv_series_def def = {.name = name,
                                    .suffix =
                                        kind == 2 ? suffixes[which == 5 ? 0 : 1 + roll(2)] : "",
                                    .help = "H.",
                                    .type = kind == 2        ? NV_HISTOGRAM
                                            : roll(8) == 0   ? NV_UNTYPED
                                            : which % 3 == 0 ? NV_GAUGE
                                                             : NV_COUNTER,
                                    .label_names = names,
                                    .label_values = &value_of,
                                    .section = m->section};
        uint32_t column;
        if (nv_registry_add(m->registry, &def, &column) != 0)
            continue;
        m->values[column] = value;
        if (roll(5))
            nv_bit_set(m->present, column);
    }
}

static size_t count_present(struct maker *m)
{
    const struct nv_frame *frame = make_frame(m);
    size_t n = 0;

    for (size_t i = 0; i < frame->n_series; i++)
        n += nv_frame_has(frame, i);
    return n;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        n += *line != '#';
    return n;
}

START_TEST(every_series_is_written_or_counted_and_none_twice)
{
    for (int round = 0; round < 300; round++) {
        struct maker again;
        char error[256] = "";
        size_t n_samples;

        begin();
        fill(&first, 1);
        fill(&second, 2);
        fill(&third, 3);
        char *text = write_parts(NV_EXPO_TEXT_0_0_4, NULL, NULL, 0);
        ck_assert_uint_eq(count_lines(text) + left_out.conflicts + left_out.duplicates,
                          count_present(&first) + count_present(&second) + count_present(&third));
        ck_assert_msg(make_from_text(&again, nv_str(text), error, sizeof(error), &n_samples) == 0,
                      "%s in\n%s", error, text);
        ck_assert_uint_eq(nv_registry_n_series(again.registry), n_samples);
        make_end(&again);
        free(text);
        end();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("expo/merge");
    TCase *by_hand = tcase_create("by hand"), *any = tcase_create("any");

    tcase_add_checked_fixture(by_hand, begin, end);
    tcase_add_test(by_hand, families_of_all_frames_come_in_one_order_with_one_head);
    tcase_add_test(by_hand, the_first_frame_wins_where_types_differ);
    tcase_add_test(by_hand, what_is_absent_wins_nothing);
    tcase_add_test(by_hand, a_series_of_two_frames_is_written_once_and_counted);
    tcase_add_test(by_hand, a_histogram_of_two_frames_is_the_first_ones_whole);
    tcase_add_test(by_hand, native_histograms_of_several_frames_stay_themselves);
    tcase_add_test(by_hand,
                   a_counter_that_meets_a_gauge_of_another_frame_is_unknown_in_openmetrics);
    tcase_add_test(by_hand, prefixes_and_names_choose_among_the_families);
    tcase_add_test(by_hand, one_part_is_what_a_frame_alone_is);
    tcase_add_test(any, every_series_is_written_or_counted_and_none_twice);
    tcase_set_timeout(any, 120);
    suite_add_tcase(suite, by_hand);
    suite_add_tcase(suite, any);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
