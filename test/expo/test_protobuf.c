/*
 * test_protobuf.c - the protobuf forms. A small decoder, which knows wire types and nothing of our fields,
 * turns messages back into text: "4:{1:{1:"a" 2:"b"} 2:{1:f1}}", with f for doubles.
 */
#include <check.h>
#include <inttypes.h>

#include "base/number.h"
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

static uint64_t varint(struct nv_str *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        ck_assert_uint_gt(in->n, 0);
        unsigned char c = (unsigned char)in->p[0];
        *in = nv_str_from(*in, 1);
        value |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            ck_assert_msg(c || !shift, "a varint longer than it has to be");
            return value;
        }
    }
    ck_abort_msg("varint too long");
}

/* Which fields are messages, by the path of numbers that leads to them. */
static bool is_message(const char *path)
{
    static const char *const messages[] = {"4",   "4.1",   "4.2",   "4.3",   "4.4",   "4.5",
                                           "4.7", "4.4.3", "4.7.3", "4.7.9", "4.7.12"};

    for (size_t i = 0; i < NV_LEN(messages); i++)
        if (strcmp(path, messages[i]) == 0)
            return true;
    return false;
}

static void decode(struct nv_buf *out, struct nv_str in, const char *path)
{
    for (bool first = true; in.n; first = false) {
        uint64_t tag = varint(&in);
        char below[64], number[NV_NUMBER_MAX];
        snprintf(below, sizeof(below), "%s%s%u", path, path[0] ? "." : "", (unsigned)(tag >> 3));
        nv_buf_printf(out, "%s%u:", first ? "" : " ", (unsigned)(tag >> 3));
        if ((tag & 7) == 0) {
            nv_buf_printf(out, "%" PRIu64, varint(&in));
        } else if ((tag & 7) == 1) {
            double value;
            ck_assert_uint_ge(in.n, 8);
            memcpy(&value, in.p, 8);
            in = nv_str_from(in, 8);
            nv_buf_char(out, 'f');
            nv_buf_add(out, number, nv_number_text(number, value));
        } else {
            ck_assert_uint_eq(tag & 7, 2);
            uint64_t n = varint(&in);
            ck_assert_uint_le(n, in.n);
            struct nv_str body = {in.p, n};
            in = nv_str_from(in, n);
            nv_buf_char(out, is_message(below) ? '{' : '"');
            if (is_message(below))
                decode(out, body, below);
            else
                nv_buf_str(out, body);
            nv_buf_char(out, is_message(below) ? '}' : '"');
        }
    }
}

/* Each family on a line, without its help, which is "Some help." */
static void expect(enum nv_expo_escaping escaping, const char *text)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20), got = NV_BUF(1 << 20);

    nv_expo_write(make_frame(&m), (struct nv_expo_choice){NV_EXPO_PROTO_DELIMITED, escaping}, NULL,
                  0, &out);
    for (struct nv_str in = nv_buf_view(&out); in.n;) {
        uint64_t n = varint(&in);
        ck_assert_uint_le(n, in.n);
        decode(&got, (struct nv_str){in.p, n}, "");
        nv_buf_char(&got, '\n');
        in = nv_str_from(in, n);
    }
    ck_assert_str_eq(nv_buf_c_string(&got), text);
}

START_TEST(single_values_have_their_types)
{
    make_add(&m, NV_COUNTER, "a_total", "", 7, "x", "1", "y", "", NULL);
    make_add(&m, NV_COUNTER, "a_total", "", 8, NULL);
    make_add(&m, NV_GAUGE, "b", "", -0.5, NULL);
    make_add(&m, NV_UNTYPED, "c", "", NAN, NULL);
    expect(NV_ESCAPE_UNDERSCORES, "1:\"a_total\" 2:\"Some help.\" 3:0 4:{3:{1:f8}} "
                                  "4:{1:{1:\"x\" 2:\"1\"} 1:{1:\"y\" 2:\"\"} 3:{1:f7}}\n"
                                  "1:\"b\" 2:\"Some help.\" 3:1 4:{2:{1:f-0.5}}\n"
                                  "1:\"c\" 2:\"Some help.\" 3:3 4:{5:{1:fNaN}}\n");
}
END_TEST

START_TEST(parts_with_the_same_labels_are_one_metric)
{
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 3, "a", "x", "le", "1", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 2, "a", "y", "le", "1", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 4.5, "a", "x", "le", "+Inf", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_count", 4.5, "a", "x", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_count", 2, "a", "y", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_sum", 9, "a", "x", NULL);
    make_add(&m, NV_SUMMARY, "s", "", 9, "quantile", "0.5", NULL);
    make_add(&m, NV_SUMMARY, "s", "", 10, "quantile", "0.9", NULL);
    make_add(&m, NV_SUMMARY, "s", "_count", 300, NULL);
    make_add(&m, NV_SUMMARY, "s", "_sum", 1, NULL);
    expect(NV_ESCAPE_UNDERSCORES,
           "1:\"h\" 2:\"Some help.\" 3:4 "
           "4:{1:{1:\"a\" 2:\"x\"} 7:{3:{1:3 2:f1} 3:{4:f4.5 2:f+Inf} 2:f9 4:f4.5}} "
           "4:{1:{1:\"a\" 2:\"y\"} 7:{3:{1:2 2:f1} 1:2}}\n"
           "1:\"s\" 2:\"Some help.\" 3:2 "
           "4:{4:{3:{1:f0.5 2:f9} 3:{1:f0.9 2:f10} 2:f1 1:300}}\n");
}
END_TEST

START_TEST(a_count_that_is_missing_is_that_of_the_last_bucket)
{
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 3, "le", "1", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 4, "le", "+Inf", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 5, "le", "inf", NULL); /* the same bound */
    expect(NV_ESCAPE_UNDERSCORES,
           "1:\"h\" 2:\"Some help.\" 3:4 4:{7:{3:{1:3 2:f1} 3:{1:4 2:f+Inf} 1:4}}\n");
}
END_TEST

static const struct nv_span spans[] =
    {
        {-2, 2},
        {1,  1}
},
                            low[] = {{0, 2}, {1, 1}};
static const double counts[] = {1, 5, 4}, bounds[] = {0.5, 1, 2, 4};

/* sint32 and sint64 are shown as they lie there: -2 is 3, 4 is 8. */
START_TEST(a_native_histogram_goes_as_spans_and_deltas)
{
    struct nv_histogram h = {.schema = -4,
                             .count = 12,
                             .sum = 12.5,
                             .zero_threshold = 0.001,
                             .zero_count = 1,
                             .positive_spans = spans,
                             .n_positive_spans = 2,
                             .positive = counts,
                             .n_positive = 3,
                             .negative_spans = low,
                             .n_negative_spans = 1,
                             .negative = counts,
                             .n_negative = 2};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, "a", "b", NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES,
           "1:\"h\" 2:\"Some help.\" 3:4 4:{1:{1:\"a\" 2:\"b\"} 7:{1:12 2:f12.5 5:7 6:f0.001 7:1 "
           "9:{1:0 2:2} 10:2 10:8 12:{1:3 2:2} 12:{1:2 2:1} 13:2 13:8 13:1}}\n");
}
END_TEST

START_TEST(a_histogram_of_floats_goes_as_counts)
{
    struct nv_histogram h = {.schema = 0,
                             .is_float = true,
                             .count = 10,
                             .sum = 1,
                             .positive_spans = spans,
                             .n_positive_spans = 2,
                             .positive = counts,
                             .n_positive = 3};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES, "1:\"h\" 2:\"Some help.\" 3:4 4:{7:{4:f10 2:f1 5:0 6:f0 8:f0 "
                                  "12:{1:3 2:2} 12:{1:2 2:1} 14:f1 14:f5 14:f4}}\n");
}
END_TEST

START_TEST(an_empty_native_histogram_has_a_span_of_nothing)
{
    struct nv_histogram h = {.schema = 3};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES, "1:\"h\" 2:\"Some help.\" 3:4 "
                                  "4:{7:{1:0 2:f0 5:6 6:f0 7:0 12:{1:0 2:0}}}\n");
}
END_TEST

START_TEST(custom_bounds_go_as_classic_buckets)
{
    struct nv_histogram h = {.schema = NV_HISTOGRAM_CUSTOM,
                             .count = 11,
                             .sum = 12.5,
                             .positive_spans = low,
                             .n_positive_spans = 2,
                             .positive = counts,
                             .n_positive = 3,
                             .custom_values = bounds,
                             .n_custom = 4};

    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES,
           "1:\"h\" 2:\"Some help.\" 3:4 4:{7:{1:11 2:f12.5 3:{1:1 2:f0.5} 3:{1:6 2:f1} "
           "3:{1:6 2:f2} 3:{1:10 2:f4} 3:{1:11 2:f+Inf}}}\n");
}
END_TEST

START_TEST(classic_buckets_join_the_native_histogram_of_their_labels)
{
    struct nv_histogram h = {.schema = 0, .count = 4, .sum = 9, .zero_count = 4};

    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 4, "le", "+Inf", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_count", 4, NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_sum", 9, NULL);
    m.histograms[make_add(&m, NV_HISTOGRAM, "h", "", 0, NULL)] = &h;
    expect(NV_ESCAPE_UNDERSCORES,
           "1:\"h\" 2:\"Some help.\" 3:4 4:{7:{1:4 2:f9 5:0 6:f0 7:4 3:{1:4 2:f+Inf}}}\n");
}
END_TEST

START_TEST(names_follow_the_scheme)
{
    make_add(&m, NV_GAUGE, "m.x", "", 1, "a.b", "c", NULL);
    expect(NV_ESCAPE_ALLOW_UTF8,
           "1:\"m.x\" 2:\"Some help.\" 3:1 4:{1:{1:\"a.b\" 2:\"c\"} 2:{1:f1}}\n");
    expect(NV_ESCAPE_VALUES,
           "1:\"U__m_2e_x\" 2:\"Some help.\" 3:1 4:{1:{1:\"U__a_2e_b\" 2:\"c\"} 2:{1:f1}}\n");
}
END_TEST

/* A length takes one to three bytes; those of the family move when theirs grows. */
START_TEST(long_families_have_long_lengths)
{
    char labels[16];

    for (int i = 0; i < 2000; i++) {
        snprintf(labels, sizeof(labels), "%04d", i);
        make_add(&m, NV_GAUGE, "m", "", i, "n", labels, NULL);
    }
    NV_AUTO_BUF out = NV_BUF(1 << 20), got = NV_BUF(1 << 20);
    nv_expo_write(make_frame(&m), (struct nv_expo_choice){NV_EXPO_PROTO_DELIMITED, 0}, NULL, 0,
                  &out);
    struct nv_str in = nv_buf_view(&out);
    uint64_t n = varint(&in);
    ck_assert_uint_eq(n, in.n);
    ck_assert_uint_gt(n, 1 << 14);
    decode(&got, in, "");
    ck_assert_ptr_nonnull(strstr(nv_buf_c_string(&got), " 4:{1:{1:\"n\" 2:\"1999\"} 2:{1:f1999}}"));
}
END_TEST

START_TEST(the_text_forms_say_the_same)
{
    make_add(&m, NV_HISTOGRAM, "h", "_bucket", 3, "a", "\"x\"\n", "le", "+Inf", NULL);
    make_add(&m, NV_HISTOGRAM, "h", "_sum", -INFINITY, "a", "\"x\"\n", NULL);
    make_add(&m, NV_GAUGE, "i", "", 0.25, NULL);
    char *text = make_text(&m, NV_EXPO_PROTO_TEXT, NV_ESCAPE_UNDERSCORES);
    ck_assert_str_eq(text, "name: \"h\"\nhelp: \"Some help.\"\ntype: HISTOGRAM\nmetric: {\n"
                           "  label: {\n    name: \"a\"\n    value: \"\\\"x\\\"\\n\"\n  }\n"
                           "  histogram: {\n    bucket: {\n      cumulative_count: 3\n"
                           "      upper_bound: inf\n    }\n    sample_sum: -inf\n"
                           "    sample_count: 3\n  }\n}\n\n"
                           "name: \"i\"\nhelp: \"Some help.\"\ntype: GAUGE\nmetric: {\n"
                           "  gauge: {\n    value: 0.25\n  }\n}\n\n");
    free(text);
    text = make_text(&m, NV_EXPO_PROTO_COMPACT, NV_ESCAPE_UNDERSCORES);
    ck_assert_str_eq(
        text, "name:\"h\" help:\"Some help.\" type:HISTOGRAM metric:{label:{name:\"a\" "
              "value:\"\\\"x\\\"\\n\"} histogram:{bucket:{cumulative_count:3 upper_bound:inf} "
              "sample_sum:-inf sample_count:3}}\n"
              "name:\"i\" help:\"Some help.\" type:GAUGE metric:{gauge:{value:0.25}}\n");
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("protobuf");
    TCase *tc = tcase_create("protobuf");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, single_values_have_their_types);
    tcase_add_test(tc, parts_with_the_same_labels_are_one_metric);
    tcase_add_test(tc, a_count_that_is_missing_is_that_of_the_last_bucket);
    tcase_add_test(tc, a_native_histogram_goes_as_spans_and_deltas);
    tcase_add_test(tc, a_histogram_of_floats_goes_as_counts);
    tcase_add_test(tc, an_empty_native_histogram_has_a_span_of_nothing);
    tcase_add_test(tc, custom_bounds_go_as_classic_buckets);
    tcase_add_test(tc, classic_buckets_join_the_native_histogram_of_their_labels);
    tcase_add_test(tc, names_follow_the_scheme);
    tcase_add_test(tc, long_families_have_long_lengths);
    tcase_add_test(tc, the_text_forms_say_the_same);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
