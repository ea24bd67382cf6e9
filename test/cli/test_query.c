/*
 * test_query.c - what `nodevitals query` makes of times, of answers and of errors.
 */
#include "cli/query.h"

#include <check.h>
#include <math.h>
#include <nodevitals/collector.h>

#define NOW INT64_C(1767322800000) /* 2026-01-02T03:00:00Z */

/* ---- times ---------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t ms;
} times[] = {
    {"now",                       NOW           },
    {"-1h",                       NOW - 3600000 },
    {"now-1h30m",                 NOW - 5400000 },
    {"+5s",                       NOW + 5000    },
    {"now+500ms",                 NOW + 500     },
    {"-1d",                       NOW - 86400000},
    {"1767322800",                NOW           },
    {"1767322800.25",             NOW + 250     },
    {"-5",                        -5000         },
    {"2026-01-02T03:00:00Z",      NOW           },
    {"2026-01-02T04:00:00+01:00", NOW           },
    {"2026-01-02T03:00:00.5Z",    NOW + 500     },
};

START_TEST(times_are_absolute_or_relative)
{
    int64_t ms = 0;

    ck_assert(nv_query_read_time(nv_str(times[_i].text), NOW, &ms));
    ck_assert_int_eq(ms, times[_i].ms);
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
    static const char *const bad[] = {
        "",
        "nowish",
        "now-",
        "-",
        "1h",
        "now1h",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "1e9",
        "-1x",
        "9223372036854775807",
        "-9999999w",
        "now-99999999999999999999h",
    };
    int64_t ms;

    for (size_t i = 0; i < NV_LEN(bad); i++)
        ck_assert_msg(!nv_query_read_time(nv_str(bad[i]), NOW, &ms), "%s", bad[i]);
}
END_TEST

START_TEST(steps_are_seconds_or_durations)
{
    static const char *const bad[] = {"", "0", "-5", "0s", "x", "1e99", "NaN"};
    int64_t ms;

    ck_assert(nv_query_read_step(NV_LIT("15"), &ms) && ms == 15000);
    ck_assert(nv_query_read_step(NV_LIT("0.5"), &ms) && ms == 500);
    ck_assert(nv_query_read_step(NV_LIT("1m30s"), &ms) && ms == 90000);
    for (size_t i = 0; i < NV_LEN(bad); i++)
        ck_assert_msg(!nv_query_read_step(nv_str(bad[i]), &ms), "%s", bad[i]);
}
END_TEST

START_TEST(a_range_without_a_step_has_some_250)
{
    ck_assert_int_eq(nv_query_step(0, 0), 1000);
    ck_assert_int_eq(nv_query_step(0, 3600000), 14000);
    ck_assert_int_eq(nv_query_step(0, INT64_C(86400000)), 345000);
}
END_TEST

START_TEST(moments_have_no_more_digits_than_they_need)
{
    char text[NV_RFC3339_MAX];

    ck_assert_str_eq(nv_query_time(text, NOW), "2026-01-02T03:00:00Z");
    ck_assert_str_eq(nv_query_time(text, NOW + 500), "2026-01-02T03:00:00.5Z");
    ck_assert_str_eq(nv_query_time(text, -1), "1969-12-31T23:59:59.999Z");
}
END_TEST

/* ---- answers -------------------------------------------------------------------------------- */

#define VECTOR                                                                                     \
    "{\"resultType\":\"vector\",\"result\":["                                                      \
    "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\",\"x\":\"\\u001b[31m\\n\\\"\"},"                \
    "\"value\":[1767322800.500,\"1\"]},"                                                           \
    "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\",\"y\":\"\xc3\xa9\"},"                          \
    "\"value\":[1767322800.500,\"-Inf\"]}]}"
#define MATRIX                                                                                     \
    "{\"resultType\":\"matrix\",\"result\":["                                                      \
    "{\"metric\":{},\"values\":[[1767322800,\"1e+30\"],[1767322830,\"NaN\"]],"                     \
    "\"histograms\":[[1767322815.050,{\"count\":\"5\",\"sum\":\"12.5\",\"buckets\":"               \
    "[[1,\"-2\",\"-1\",\"1\"],[3,\"-0.001\",\"0.001\",\"2\"],[0,\"0.5\",\"1\",\"2\"]]}]]}]}"

/* The answer to `data`, which has to be one. */
static struct nv_answer answer_of(enum nv_query_kind kind, const char *data)
{
    struct nv_answer answer = {.memory = NV_ARENA(NV_QUERY_MEMORY_MAX)};
    int r = nv_query_read_data(&answer, kind, nv_str(data));

    ck_assert_msg(r == 0, "%d: %s", r, data);
    return answer;
}

typedef int (*print_fn)(FILE *to, const struct nv_answer *answer, const struct nv_query *query);

static void must_print(print_fn print, enum nv_query_kind kind, const char *data,
                       const char *expected)
{
    const struct nv_query query = {.kind = kind, .label = NV_LIT("mode")};
    struct nv_answer answer = answer_of(kind, data);
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    ck_assert_int_eq(print(to, &answer, &query), 0);
    fclose(to);
    ck_assert_str_eq(text, expected);
    free(text);
    nv_answer_done(&answer);
}

START_TEST(json_goes_out_as_it_came)
{
    static const struct {
        enum nv_query_kind kind;
        const char *data;
    } cases[] = {
        {NV_QUERY_INSTANT,      VECTOR                                                         },
        {NV_QUERY_RANGE,        MATRIX                                                         },
        {NV_QUERY_INSTANT,      "{\"resultType\":\"scalar\",\"result\":[-1.500,\"1e-07\"]}"    },
        {NV_QUERY_INSTANT,      "{\"resultType\":\"string\",\"result\":[0,\"a\\n\\\\b\"]}"     },
        {NV_QUERY_INSTANT,      "{\"resultType\":\"vector\",\"result\":[]}"                    },
        {NV_QUERY_SERIES,       "[{\"__name__\":\"up\",\"job\":\"a\"},{\"__name__\":\"down\"}]"},
        {NV_QUERY_LABELS,       "[\"__name__\",\"job\"]"                                       },
        {NV_QUERY_LABEL_VALUES, "[]"                                                           },
    };
    char expected[4096];

    snprintf(expected, sizeof(expected), "%s\n", cases[_i].data);
    must_print(nv_query_print_json, cases[_i].kind, cases[_i].data, expected);
}
END_TEST

START_TEST(a_table_shows_once_what_is_common)
{
    must_print(nv_query_print_table, NV_QUERY_INSTANT, VECTOR,
               "up{job=\"a\"}\n"
               "x            y  VALUE\n"
               "\\x1b[31m\\n\"         1\n"
               "             \xc3\xa9   -Inf\n");
}
END_TEST

START_TEST(a_table_of_one_series_names_it_whole)
{
    must_print(nv_query_print_table, NV_QUERY_INSTANT,
               "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"a.b\":"
               "\"c\"},\"value\":[0,\"1.50\"]}]}",
               "SERIES         VALUE\n"
               "up{\"a.b\"=\"c\"}    1.5\n");
}
END_TEST

START_TEST(a_table_of_a_range_has_times_and_histograms)
{
    must_print(nv_query_print_table, NV_QUERY_RANGE, MATRIX,
               "SERIES  TIME                     VALUE\n"
               "{}      2026-01-02T03:00:00Z     1e+30\n"
               "{}      2026-01-02T03:00:15.05Z  {count:5, sum:12.5, [-2,-1):1, [-0.001,0.001]:2, "
               "(0.5,1]:2}\n"
               "{}      2026-01-02T03:00:30Z     NaN\n");
}
END_TEST

START_TEST(a_scalar_and_a_string_are_a_line)
{
    must_print(nv_query_print_table, NV_QUERY_INSTANT,
               "{\"resultType\":\"scalar\",\"result\":[0,\"2\"]}", "2\n");
    must_print(nv_query_print_table, NV_QUERY_INSTANT,
               "{\"resultType\":\"string\",\"result\":[0,\"a\\nb\"]}", "a\\nb\n");
}
END_TEST

START_TEST(csv_has_a_column_for_each_label)
{
    must_print(nv_query_print_csv, NV_QUERY_INSTANT, VECTOR,
               "__name__,job,x,y,timestamp,value\n"
               "up,a,\"\033[31m\n\"\"\",,2026-01-02T03:00:00.5Z,1\n"
               "up,a,,\xc3\xa9,2026-01-02T03:00:00.5Z,-Inf\n");
    must_print(nv_query_print_csv, NV_QUERY_RANGE, MATRIX,
               "timestamp,value\n"
               "2026-01-02T03:00:00Z,1e+30\n"
               "2026-01-02T03:00:15.05Z,\"{count:5, sum:12.5, [-2,-1):1, [-0.001,0.001]:2, "
               "(0.5,1]:2}\"\n"
               "2026-01-02T03:00:30Z,NaN\n");
}
END_TEST

START_TEST(lists_are_a_line_each)
{
    must_print(nv_query_print_table, NV_QUERY_LABEL_VALUES, "[\"a\",\"b\\nc\"]", "a\nb\\nc\n");
    must_print(nv_query_print_csv, NV_QUERY_LABEL_VALUES, "[\"a,b\"]", "mode\n\"a,b\"\n");
    must_print(nv_query_print_table, NV_QUERY_SERIES, "[{\"__name__\":\"up\",\"b\":\"\\\"\"},{}]",
               "up{b=\"\\\"\"}\n{}\n");
    must_print(nv_query_print_csv, NV_QUERY_SERIES, "[{\"b\":\"1\",\"a\":\"2\"},{\"b\":\"3\"}]",
               "a,b\n2,1\n\"\",3\n");
}
END_TEST

START_TEST(the_order_of_keys_is_free)
{
    must_print(nv_query_print_table, NV_QUERY_RANGE,
               "{\"result\":[{\"values\":[[1,\"2\"]],\"more\":[{}],\"metric\":{\"a\":\"b\"}}],"
               "\"resultType\":\"matrix\",\"extra\":{\"a\":[1,2]}}",
               "SERIES   TIME                  VALUE\n"
               "{a=\"b\"}  1970-01-01T00:00:01Z      2\n");
}
END_TEST

START_TEST(what_is_no_answer_is_refused)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"resultType\":\"vector\"}",
        "{\"resultType\":\"tensor\",\"result\":[]}",
        "{\"resultType\":\"vector\",\"result\":{}}",
        "{\"resultType\":\"vector\",\"result\":[{}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{}}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,2]}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1]}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"2\",3]}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1e300,\"2\"]}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"a\":1},\"value\":[1,\"2\"]}]}",
        "{\"resultType\":\"scalar\",\"result\":[1,\"x\"]}",
        "{\"resultType\":\"string\",\"result\":[1]}",
        "{\"resultType\":\"scalar\",\"result\":[1,\"2\"]} x",
    };

    for (size_t i = 0; i < NV_LEN(bad); i++) {
        struct nv_answer answer = {.memory = NV_ARENA(NV_QUERY_MEMORY_MAX)};
        ck_assert_msg(nv_query_read_data(&answer, NV_QUERY_INSTANT, nv_str(bad[i])) == -EBADMSG,
                      "%s", bad[i]);
        nv_answer_done(&answer);
    }
}
END_TEST

START_TEST(an_answer_cut_anywhere_is_refused)
{
    static const char *const whole[] = {VECTOR, MATRIX};

    for (size_t i = 0; i < NV_LEN(whole); i++) {
        for (size_t n = 0; n < strlen(whole[i]); n++) {
            char *copy = strndup(whole[i], n);
            struct nv_answer answer = {.memory = NV_ARENA(NV_QUERY_MEMORY_MAX)};
            ck_assert_int_eq(nv_query_read_data(&answer, NV_QUERY_RANGE, (struct nv_str){copy, n}),
                             -EBADMSG);
            nv_answer_done(&answer);
            free(copy);
        }
    }
}
END_TEST

START_TEST(an_answer_beyond_the_memory_is_refused)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);
    struct nv_answer answer = {.memory = NV_ARENA(64 << 10)};

    nv_buf_text(&text,
                "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[0,\"1\"]");
    for (size_t i = 0; i < 10000; i++)
        nv_buf_text(&text, ",[1,\"1\"]");
    nv_buf_text(&text, "]}]}");
    ck_assert_int_eq(nv_query_read_data(&answer, NV_QUERY_RANGE, nv_buf_view(&text)), -EDQUOT);
    nv_answer_done(&answer);
}
END_TEST

/* ---- errors --------------------------------------------------------------------------------- */

static const struct {
    const char *expr, *message, *shown;
} places[] = {
    {"sum(x",               "invalid parameter \"query\": 1:6: parse error: unclosed left parenthesis",
     "  sum(x\n       ^\n"                                                                                                                     },
    {"a +\n  b )",          "2:5: parse error: unexpected \")\"",                                       "    b )\n      ^\n"                   },
    {"\xc3\xa9\xc3\xa9\t}", "1:6: parse error: x",                                                      "  \xc3\xa9\xc3\xa9\\x09}\n        ^\n"},
    {"up",                  "many-to-many matching not allowed",                                        ""                                     },
    {"up",                  "x: parse error: y",                                                        ""                                     },
    {"up",                  "99999999999999999999:1: parse error: y",                                   ""                                     },
    {"up",                  "9:9: parse error: y",                                                      "  up\n    ^\n"                        },
};

START_TEST(a_caret_stands_under_the_place_of_an_error)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    nv_query_print_place(to, nv_str(places[_i].expr), nv_str(places[_i].message));
    fclose(to);
    ck_assert_str_eq(text, places[_i].shown);
    free(text);
}
END_TEST

START_TEST(of_a_long_expression_only_the_place_is_shown)
{
    char expr[1001], *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    memset(expr, 'a', 1000);
    expr[499] = ')';
    expr[1000] = '\0';
    nv_query_print_place(to, nv_str(expr), NV_LIT("1:500: parse error: x"));
    fclose(to);
    ck_assert_uint_lt(n, 210);
    char *caret = strchr(text, '^');
    ck_assert(text[(caret - strchr(text, '\n')) - 1] == ')');
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query");
    TCase *tcase = tcase_create("query");

    tcase_add_loop_test(tcase, times_are_absolute_or_relative, 0, NV_LEN(times));
    tcase_add_test(tcase, what_is_no_time_is_refused);
    tcase_add_test(tcase, steps_are_seconds_or_durations);
    tcase_add_test(tcase, a_range_without_a_step_has_some_250);
    tcase_add_test(tcase, moments_have_no_more_digits_than_they_need);
    tcase_add_loop_test(tcase, json_goes_out_as_it_came, 0, 8);
    tcase_add_test(tcase, a_table_shows_once_what_is_common);
    tcase_add_test(tcase, a_table_of_one_series_names_it_whole);
    tcase_add_test(tcase, a_table_of_a_range_has_times_and_histograms);
    tcase_add_test(tcase, a_scalar_and_a_string_are_a_line);
    tcase_add_test(tcase, csv_has_a_column_for_each_label);
    tcase_add_test(tcase, lists_are_a_line_each);
    tcase_add_test(tcase, the_order_of_keys_is_free);
    tcase_add_test(tcase, what_is_no_answer_is_refused);
    tcase_add_test(tcase, an_answer_cut_anywhere_is_refused);
    tcase_add_test(tcase, an_answer_beyond_the_memory_is_refused);
    tcase_add_loop_test(tcase, a_caret_stands_under_the_place_of_an_error, 0, NV_LEN(places));
    tcase_add_test(tcase, of_a_long_expression_only_the_place_is_shown);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
