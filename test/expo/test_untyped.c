/*
 * test_untyped.c - series without a layout, in every form.
 */
#include <check.h>

#include "base/buf.h"
#include "expo/untyped.h"

static struct nv_buf text;

static void keep(void *user, struct nv_str part)
{
    nv_buf_str(user, part);
}

static void begin(void)
{
    text = NV_BUF(8 << 20);
}

static void end(void)
{
    nv_buf_done(&text);
}

static const struct nv_label ab[] = {
    {NV_LIT("a"),        NV_LIT("x\"y")},
    {NV_LIT("instance"), NV_LIT("")    },
};
static const struct nv_label dotted[] = {
    {NV_LIT("b.c"), NV_LIT("1")},
};

static const struct nv_span span = {0, 1};
static const double count = 3;
static const struct nv_histogram histogram = {
    .schema = 0,
    .count = 3,
    .sum = 4.5,
    .positive_spans = &span,
    .n_positive_spans = 1,
    .positive = &count,
    .n_positive = 1,
};

/* Two families of floats, the first with a histogram among them. */
static void write_all(enum nv_expo_form form, enum nv_expo_escaping escaping)
{
    struct nv_expo_untyped u;
    struct nv_histogram gauge = histogram;

    gauge.reset_hint = NV_RESET_GAUGE;
    nv_expo_untyped_init(&u, (struct nv_expo_choice){form, escaping}, keep, &text);
    nv_expo_untyped_add(&u, NV_LIT("m_total"), ab, 2, 1.5, NULL, 1767322800500);
    nv_expo_untyped_add(&u, NV_LIT("m_total"), NULL, 0, -INFINITY, NULL, -1000);
    nv_expo_untyped_add(&u, NV_LIT("m_total"), ab, 1, NAN, &histogram, 7);
    nv_expo_untyped_add(&u, NV_LIT("m_total"), ab, 1, NAN, &gauge, 7);
    nv_expo_untyped_add(&u, NV_LIT("n.o"), dotted, 1, 1e21, NULL, 1000);
    ck_assert_int_eq(nv_expo_untyped_done(&u), 0);
}

#define COMPACT_HISTOGRAM                                                                          \
    "histogram:{sample_count:3 sample_sum:4.5 schema:0 zero_threshold:0 zero_count:0 "             \
    "positive_span:{offset:0 length:1} positive_delta:3} timestamp_ms:7}\n"

static const struct {
    enum nv_expo_form form;
    enum nv_expo_escaping escaping;
    const char *expected;
} forms[] = {
    {NV_EXPO_TEXT_0_0_4,        NV_ESCAPE_UNDERSCORES,
     "# TYPE m_total untyped\n"
     "m_total{a=\"x\\\"y\",instance=\"\"} 1.5 1767322800500\n"
     "m_total -Inf -1000\n"
     "# TYPE n_o untyped\n"
     "n_o{b_c=\"1\"} 1e+21 1000\n"                                                        },
    {NV_EXPO_TEXT_1_0_0,        NV_ESCAPE_ALLOW_UTF8,
     "# TYPE m_total untyped\n"
     "m_total{a=\"x\\\"y\",instance=\"\"} 1.5 1767322800500\n"
     "m_total -Inf -1000\n"
     "# TYPE \"n.o\" untyped\n"
     "{\"n.o\",\"b.c\"=\"1\"} 1e+21 1000\n"                                               },
    {NV_EXPO_OPENMETRICS_1_0_0, NV_ESCAPE_UNDERSCORES,
     "# TYPE m_total unknown\n"
     "m_total{a=\"x\\\"y\",instance=\"\"} 1.5 1.7673228005e+09\n"
     "m_total -Inf -1.0\n"
     "# TYPE n_o unknown\n"
     "n_o{b_c=\"1\"} 1e+21 1.0\n"
     "# EOF\n"                                                                            },
    {NV_EXPO_PROTO_COMPACT,     NV_ESCAPE_ALLOW_UTF8,
     "name:\"m_total\" type:UNTYPED "
     "metric:{label:{name:\"a\" value:\"x\\\"y\"} label:{name:\"instance\" value:\"\"} "
     "untyped:{value:1.5} timestamp_ms:1767322800500} "
     "metric:{untyped:{value:-inf} timestamp_ms:-1000}\n"
     "name:\"m_total\" type:HISTOGRAM metric:{label:{name:\"a\" "
     "value:\"x\\\"y\"} " COMPACT_HISTOGRAM
     "name:\"m_total\" type:GAUGE_HISTOGRAM metric:{label:{name:\"a\" "
     "value:\"x\\\"y\"} " COMPACT_HISTOGRAM "name:\"n.o\" type:UNTYPED "
     "metric:{label:{name:\"b.c\" value:\"1\"} untyped:{value:1e+21} timestamp_ms:1000}\n"},
};

START_TEST(series_are_written_in_every_form)
{
    write_all(forms[_i].form, forms[_i].escaping);
    ck_assert_str_eq(nv_buf_c_string(&text), forms[_i].expected);
}
END_TEST

START_TEST(a_delimited_family_bears_its_length)
{
    static const char expected[] = "\x1d\x0a\x01m\x18\x03\x22\x16\x0a\x06\x0a\x01"
                                   "a\x12\x01"
                                   "b\x2a\x09\x09\0\0\0\0\0\0\xf0?\x30\xe8\x07";
    struct nv_label label = {NV_LIT("a"), NV_LIT("b")};
    struct nv_expo_untyped u;

    nv_expo_untyped_init(
        &u, (struct nv_expo_choice){NV_EXPO_PROTO_DELIMITED, NV_ESCAPE_UNDERSCORES}, keep, &text);
    nv_expo_untyped_add(&u, NV_LIT("m"), &label, 1, 1, NULL, 1000);
    ck_assert_int_eq(nv_expo_untyped_done(&u), 0);
    ck_assert_uint_eq(text.n, sizeof(expected) - 1);
    ck_assert_mem_eq(text.p, expected, text.n);
}
END_TEST

START_TEST(nothing_is_an_empty_text_with_its_end)
{
    struct nv_expo_untyped u;

    nv_expo_untyped_init(&u, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES},
                         keep, &text);
    ck_assert_int_eq(nv_expo_untyped_done(&u), 0);
    ck_assert_uint_eq(text.n, 0);
    nv_expo_untyped_init(
        &u, (struct nv_expo_choice){NV_EXPO_OPENMETRICS_1_0_0, NV_ESCAPE_UNDERSCORES}, keep, &text);
    ck_assert_int_eq(nv_expo_untyped_done(&u), 0);
    ck_assert_str_eq(nv_buf_c_string(&text), "# EOF\n");
}
END_TEST

static size_t largest;

static void measure(void *user, struct nv_str part)
{
    (void)user;
    largest = part.n > largest ? part.n : largest;
}

START_TEST(text_is_handed_on_in_parts)
{
    struct nv_expo_untyped u;

    largest = 0;
    nv_expo_untyped_init(&u, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES},
                         measure, NULL);
    for (int i = 0; i < 100000; i++)
        nv_expo_untyped_add(&u, NV_LIT("m"), ab, 2, i, NULL, i);
    ck_assert_int_eq(nv_expo_untyped_done(&u), 0);
    ck_assert_uint_gt(largest, 0);
    ck_assert_uint_lt(largest, 64 << 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("untyped");
    TCase *tests = tcase_create("untyped");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_loop_test(tests, series_are_written_in_every_form, 0, NV_LEN(forms));
    tcase_add_test(tests, a_delimited_family_bears_its_length);
    tcase_add_test(tests, nothing_is_an_empty_text_with_its_end);
    tcase_add_test(tests, text_is_handed_on_in_parts);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
