/*
 * test_chart.c - charts as text, at fixed sizes; and the axes they have.
 */
#include "cli/chart.h"

#include <check.h>
#include <math.h>
#include <nodevitals/collector.h>
#include <time.h>

#include "cli/query.h"

#define NOON INT64_C(1767355200000) /* 2026-01-02T12:00:00Z, a Friday */

enum { MINUTE = 60000, HOUR = 60 * MINUTE };

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void setup(void)
{
    set_zone("UTC");
}

/* ---- axes ----------------------------------------------------------------------------------- */

static const struct {
    double least, most;
    unsigned max_ticks;
    bool binary;
    const char *texts; /* of all ticks */
} axes[] = {
    {0,    1,         5, false, "0 0.2 0.4 0.6 0.8 1.0"              },
    {0.3,  0.4,       5, false, "0.30 0.32 0.34 0.36 0.38 0.40"      },
    {1,    9,         5, false, "0 2 4 6 8 10"                       },
    {-3,   7,         5, false, "-4 -2 0 2 4 6 8"                    },
    {-9,   -8,        2, false, "-9.0 -8.5 -8.0"                     },
    {-9,   -1,        4, false, "-10.0 -7.5 -5.0 -2.5 0"             },
    {0,    11.2e9,    5, false, "0 2.5G 5.0G 7.5G 10.0G 12.5G"       },
    {0,    12e9,      5, true,  "0 2.5Gi 5.0Gi 7.5Gi 10.0Gi 12.5Gi"  },
    {1000, 1023,      5, true,  "1000 1005 1010 1015 1020 1025"      },
    {0,    999999,    2, false, "0 500k 1000k"                       },
    {5,    5,         2, false, "0 2.5 5.0"                          },
    {-5,   -5,        2, false, "-5.0 -2.5 0"                        },
    {0,    0,         2, false, "0 0.5 1.0"                          },
    {0,    0.0002,    2, false, "0 100\u00b5 200\u00b5"              },
    {0,    3e-9,      3, false, "0 1n 2n 3n"                         },
    {0,    5e22,      2, false, "0 25000E 50000E"                    },
    {0,    1e-20,     2, false, "0 5e-21 1e-20"                      },
    {1e6,  1e6 + 0.5, 2, false, "1.00000000M 1.00000025M 1.00000050M"},
};

START_TEST(ticks_are_round_and_share_a_unit)
{
    NV_AUTO_BUF texts = NV_BUF(4096);
    char text[NV_AXIS_TEXT_MAX];
    struct nv_axis axis;

    nv_axis_init(&axis, axes[_i].least, axes[_i].most, axes[_i].max_ticks, axes[_i].binary, true);
    ck_assert(axis.low <= axes[_i].least + 1e-9 * axis.step);
    ck_assert(axis.high >= axes[_i].most - 1e-9 * axis.step);
    for (unsigned i = 0; i < axis.n_ticks; i++)
        nv_buf_printf(&texts, "%s%s", i ? " " : "",
                      nv_axis_text(text, &axis, nv_axis_value(&axis, i)));
    ck_assert_str_eq(nv_buf_c_string(&texts), axes[_i].texts);
}
END_TEST

START_TEST(no_pair_of_values_makes_an_axis_without_end)
{
    static const double odd[] = {0,       1,     -1,     1e308,         -1e308, 5e-324,
                                 -5e-324, 1e300, 1e-300, 123456789.125, 0.1};
    struct nv_axis axis;

    for (size_t i = 0; i < NV_LEN(odd); i++) {
        for (size_t k = 0; k < NV_LEN(odd); k++) {
            nv_axis_init(&axis, fmin(odd[i], odd[k]), fmax(odd[i], odd[k]), 5, k & 1, false);
            ck_assert_msg(axis.n_ticks >= 2 && axis.n_ticks <= 8, "%g %g: %u", odd[i], odd[k],
                          axis.n_ticks);
            ck_assert(isfinite(axis.low) && isfinite(axis.high) && axis.low < axis.high);
        }
    }
}
END_TEST

START_TEST(numbers_have_four_digits_and_a_unit)
{
    static const struct {
        double value;
        bool binary;
        const char *text;
    } cases[] = {
        {0,       false, "0"       },
        {1234,    false, "1.234k"  },
        {-1234.5, true,  "-1.206Ki"},
        {0.12345, false, "0.1235"  },
        {1e-5,    false, "10u"     },
        {1e33,    false, "1e+15E"  },
    };
    char text[NV_AXIS_TEXT_MAX];

    for (size_t i = 0; i < NV_LEN(cases); i++)
        ck_assert_str_eq(nv_axis_number(text, cases[i].value, cases[i].binary, false),
                         cases[i].text);
    ck_assert_str_eq(nv_axis_number(text, NAN, false, false), "NaN");
    ck_assert_str_eq(nv_axis_number(text, -INFINITY, false, false), "-Inf");
}
END_TEST

static const struct {
    const char *zone;
    int64_t start_ms, end_ms;
    unsigned max_ticks;
    const char *texts;
} time_axes[] = {
    {"UTC",       NOON - HOUR,                    NOON,                     5, "11:00 11:15 11:30 11:45 12:00"               },
    {"UTC",       NOON - HOUR + 1,                NOON,                     5, "11:15 11:30 11:45 12:00"                     },
    {"UTC",       NOON,                           NOON + 40000,             5, "12:00:00 12:00:10 12:00:20 12:00:30 12:00:40"},
    {"UTC",       NOON - 24 * (int64_t)HOUR,      NOON,                     5, "12:00 18:00 Jan 02 06:00 12:00"              },
    {"UTC",       NOON - 30 * 24 * (int64_t)HOUR, NOON,                     5, "Dec 10 Dec 18 Dec 26"                        },
    {"CET-1",     NOON - 3 * HOUR,                NOON,                     4, "10:00 11:00 12:00 13:00"                     },
    {"UTX+03:30", NOON - 3 * HOUR,                NOON,                     4, "06:00 07:00 08:00"                           },
    {"UTC",       NOON,                           NOON,                     5, "12:00:00"                                    },
    {"UTC",       0,                              INT64_C(253402300799999), 1, "Jan 01"                                      },
};

START_TEST(times_are_round_where_people_are)
{
    NV_AUTO_BUF texts = NV_BUF(4096);
    char text[NV_AXIS_TEXT_MAX];
    struct nv_time_axis axis;

    set_zone(time_axes[_i].zone);
    nv_time_axis_init(&axis, time_axes[_i].start_ms, time_axes[_i].end_ms, time_axes[_i].max_ticks);
    for (int64_t ms = axis.first_ms; ms <= time_axes[_i].end_ms; ms += axis.step_ms) {
        nv_time_axis_text(text, &axis, ms);
        ck_assert_uint_le(strlen(text), NV_TIME_TEXT);
        nv_buf_printf(&texts, "%s%s", texts.n ? " " : "", text);
    }
    ck_assert_str_eq(nv_buf_c_string(&texts), time_axes[_i].texts);
}
END_TEST

/* ---- charts --------------------------------------------------------------------------------- */

/* The chart of a matrix from NOON on, in steps of a minute. */
static void must_draw(const char *expr, unsigned minutes, const char *data,
                      const struct nv_chart_look *look, const char *expected)
{
    const struct nv_query query = {
        .kind = NV_QUERY_RANGE,
        .expr = nv_str(expr),
        .start_ms = NOON,
        .end_ms = NOON + minutes * MINUTE,
        .step_ms = MINUTE,
    };
    struct nv_answer answer = {.memory = NV_ARENA(NV_QUERY_MEMORY_MAX)};
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    ck_assert_int_eq(nv_query_read_data(&answer, NV_QUERY_RANGE, nv_str(data)), 0);
    ck_assert_int_eq(nv_query_print_chart(to, &answer, &query, look), 0);
    fclose(to);
    ck_assert_str_eq(text, expected);
    free(text);
    nv_answer_done(&answer);
}

/* Values of a series at NOON, a minute later, and so on; "-" for none. */
static void add_series(struct nv_buf *out, const char *metric, const char *values)
{
    struct nv_str rest = nv_str(values);

    nv_buf_text(out, out->n ? "," : "{\"resultType\":\"matrix\",\"result\":[");
    nv_buf_printf(out, "{\"metric\":{%s},\"values\":[", metric);
    for (unsigned i = 0, n = 0; rest.n; i++) {
        struct nv_str value = nv_str_cut(&rest, ' ');
        if (nv_str_is(value, "-"))
            continue;
        nv_buf_printf(out, "%s[%lld,\"%.*s\"]", n++ ? "," : "", (long long)(NOON / 1000 + i * 60),
                      NV_ARGS(value));
    }
    nv_buf_text(out, "]}");
}

static const char *end_series(struct nv_buf *out)
{
    nv_buf_text(out, "]}");
    return nv_buf_c_string(out);
}

static const struct nv_chart_look ascii = {.width = 40, .height = 6},
                                  braille = {.width = 40, .height = 6, .utf8 = true},
                                  colored = {
                                      .width = 30, .height = 4, .utf8 = true, .colors = true};

START_TEST(a_line_climbs)
{
    NV_AUTO_BUF data = NV_BUF(1 << 16);

    add_series(&data, "\"__name__\":\"x\",\"a\":\"b\"", "0 1 2 3 4 5 6 7 8 9 10");
    const char *text = end_series(&data);
    must_draw("x", 10, text, &ascii,
              "x\n"
              " 10 +                                 aa\n"
              "    |                          aaaaaaa\n"
              "    |                   aaaaaaa\n"
              "  5 +            aaaaaaa\n"
              "    |     aaaaaaa\n"
              "  0 +aaaaa\n"
              "    ++---------------------------------+\n"
              "UTC  12:00                         12:10\n"
              "x{a=\"b\"}\n"
              "a   min 0         max 10        last 10\n");
    must_draw("x", 10, text, &braille,
              "x\n"
              " 10 ┤                             ⢀⡠⠤⠒⠒⠉\n"
              "    │                       ⢀⣀⠤⠤⠒⠊⠁\n"
              "    │                  ⣀⠤⠒⠊⠉⠁\n"
              "  5 ┤           ⢀⣀⡠⠤⠒⠒⠉\n"
              "    │     ⢀⡠⠤⠒⠒⠉⠁\n"
              "  0 ┤⣀⠤⠤⠒⠊⠁\n"
              "    └┬─────────────────────────────────┬\n"
              "UTC  12:00                         12:10\n"
              "x{a=\"b\"}\n"
              "a   min 0         max 10        last 10\n");
}
END_TEST

START_TEST(two_lines_have_letters_and_a_legend)
{
    NV_AUTO_BUF data = NV_BUF(1 << 16);

    add_series(&data, "\"job\":\"j\",\"cpu\":\"0\"", "0 1024 2048 1024 0");
    add_series(&data, "\"job\":\"j\",\"cpu\":\"1\"", "2048 2048 2048 2048 2048");
    const char *text = end_series(&data);
    must_draw("rate(x_bytes_total[5m])", 4, text, &ascii,
              "rate(x_bytes_total[5m])\n"
              "2Ki +bbbbbbbbbbbbbbbaaabbbbbbbbbbbbbb b\n"
              "    |            aaa   aa\n"
              "    |          aa        aa\n"
              "1Ki +      aaaa            aaa\n"
              "    |  aaaa                   aaaa\n"
              "  0 +aa                           aaa a\n"
              "    ++-------------------------------\n"
              "UTC  12:00\n"
              "{job=\"j\"}\n"
              "a {cpu=\"0\"}  min 0         max 2Ki       last 0\n"
              "b {cpu=\"1\"}  min 2Ki       max 2Ki       last 2Ki\n");
    must_draw("rate(x_bytes_total[5m])", 4, text, &colored,
              "rate(x_bytes_total[5m])\n"
              "2Ki ┤\033[33m⠉⠉⠉⠉⠉⠉⠉⠉⠉\033[0m\033[36m⡩⠛⠙⠭⡉\033[0m\033[33m⠉⠉⠉⠉⠉⠉⠉⠉\033[0m "
              "\033[33mb\033[0m\n"
              "    │      \033[36m⣀⠔⠉\033[0m    \033[36m⠈⠢⢄\033[0m\n"
              "    │   \033[36m⣀⠔⠊\033[0m          \033[36m⠑⠢⣀\033[0m\n"
              "  0 ┤\033[36m⡠⠔⠉\033[0m                \033[36m⠉⠢⢄\033[0m \033[36ma\033[0m\n"
              "    └┬─────────────────────\n"
              "UTC  12:00\n"
              "{job=\"j\"}\n"
              "\033[36ma ━━\033[0m {cpu=\"0\"}  min 0         max 2Ki       last 0\n"
              "\033[33mb ━━\033[0m {cpu=\"1\"}  min 2Ki       max 2Ki       last 2Ki\n");
}
END_TEST

START_TEST(gaps_stay_gaps)
{
    NV_AUTO_BUF data = NV_BUF(1 << 16);

    add_series(&data, "", "1 1 1 - - - NaN 1 +Inf 1 1");
    must_draw("x", 10, end_series(&data), &ascii,
              "x\n"
              "1.0 +aaaaaaaa                a      aaaa\n"
              "    |\n"
              "    |\n"
              "0.5 +\n"
              "    |\n"
              "  0 +\n"
              "    ++---------------------------------+\n"
              "UTC  12:00                         12:10\n"
              "a   min 1         max 1         last 1\n");
}
END_TEST

START_TEST(a_single_moment_is_a_dot)
{
    NV_AUTO_BUF data = NV_BUF(1 << 16);

    add_series(&data, "", "5");
    must_draw("x", 0, end_series(&data), &ascii,
              "x\n"
              "5.0 +a\n"
              "    |\n"
              "    |\n"
              "2.5 +\n"
              "    |\n"
              "  0 +\n"
              "    ++----------------------------------\n"
              "UTC  12:00:00\n"
              "a   min 5         max 5         last 5\n");
}
END_TEST

START_TEST(of_many_series_the_highest_are_drawn)
{
    NV_AUTO_BUF data = NV_BUF(1 << 16);
    char metric[64], values[64];

    for (int i = 0; i < 15; i++) {
        snprintf(metric, sizeof(metric), "\"n\":\"%d\"", i);
        snprintf(values, sizeof(values), "%d %d", i * 7 % 15, i * 7 % 15);
        add_series(&data, metric, values);
    }
    must_draw("x", 1, end_series(&data), &(struct nv_chart_look){.width = 60, .height = 4},
              "x\n"
              " 20 +\n"
              "    |bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb bd\n"
              "    |aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ac\n"
              "  0 +iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii i\n"
              "    ++-------------------------+------------------------+\n"
              "UTC  12:00:00              12:00:30                 12:01:00\n"
              "a {n=\"1\"}   min 7         max 7         last 7\n"
              "b {n=\"2\"}   min 14        max 14        last 14\n"
              "c {n=\"3\"}   min 6         max 6         last 6\n"
              "d {n=\"4\"}   min 13        max 13        last 13\n"
              "e {n=\"5\"}   min 5         max 5         last 5\n"
              "f {n=\"6\"}   min 12        max 12        last 12\n"
              "g {n=\"7\"}   min 4         max 4         last 4\n"
              "h {n=\"8\"}   min 11        max 11        last 11\n"
              "i {n=\"9\"}   min 3         max 3         last 3\n"
              "j {n=\"10\"}  min 10        max 10        last 10\n"
              "k {n=\"12\"}  min 9         max 9         last 9\n"
              "l {n=\"14\"}  min 8         max 8         last 8\n"
              "Not drawn: 3 series whose values are lower.\n");
}
END_TEST

START_TEST(histograms_are_not_drawn_and_that_is_said)
{
    static const char data[] = "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},"
                               "\"histograms\":[[1767355200,{\"count\":\"1\",\"sum\":\"1\"}]]}]}";

    must_draw("x", 1, data, &ascii,
              "There is nothing to draw: native histograms are shown by --output=table.\n");
    must_draw("x", 1,
              "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[1767355200,"
              "\"NaN\"]]}]}",
              &ascii, "There is nothing to draw: no value is finite.\n");
    must_draw("x", 1, "{\"resultType\":\"matrix\",\"result\":[]}", &ascii, "");
}
END_TEST

START_TEST(no_size_is_too_small_or_too_large)
{
    static const unsigned sizes[] = {0, 1, 7, 100, 5000, 100000};
    NV_AUTO_BUF data = NV_BUF(1 << 16);

    add_series(&data, "\"a\":\"x\"", "1e300 -1e300 1e308 -1e308");
    add_series(&data, "\"a\":\"\\u001b[2J\"", "0 1 2 -3");
    const char *text = end_series(&data);
    for (size_t i = 0; i < NV_LEN(sizes) * NV_LEN(sizes); i++) {
        const struct nv_chart_look look = {sizes[i % NV_LEN(sizes)], sizes[i / NV_LEN(sizes)],
                                           .utf8 = i & 1};
        const struct nv_query query = {.kind = NV_QUERY_RANGE,
                                       .expr = NV_LIT("x\033"),
                                       .start_ms = NOON,
                                       .end_ms = NOON + MINUTE,
                                       .step_ms = MINUTE};
        struct nv_answer answer = {.memory = NV_ARENA(NV_QUERY_MEMORY_MAX)};
        char *out = NULL;
        size_t n;
        FILE *to = open_memstream(&out, &n);
        ck_assert_int_eq(nv_query_read_data(&answer, NV_QUERY_RANGE, nv_str(text)), 0);
        ck_assert_int_eq(nv_query_print_chart(to, &answer, &query, &look), 0);
        fclose(to);
        ck_assert(n > 0 && !strchr(out, '\033'));
        free(out);
        nv_answer_done(&answer);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chart");
    TCase *tcase = tcase_create("chart");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, ticks_are_round_and_share_a_unit, 0, NV_LEN(axes));
    tcase_add_test(tcase, no_pair_of_values_makes_an_axis_without_end);
    tcase_add_test(tcase, numbers_have_four_digits_and_a_unit);
    tcase_add_loop_test(tcase, times_are_round_where_people_are, 0, NV_LEN(time_axes));
    tcase_add_test(tcase, a_line_climbs);
    tcase_add_test(tcase, two_lines_have_letters_and_a_legend);
    tcase_add_test(tcase, gaps_stay_gaps);
    tcase_add_test(tcase, a_single_moment_is_a_dot);
    tcase_add_test(tcase, of_many_series_the_highest_are_drawn);
    tcase_add_test(tcase, histograms_are_not_drawn_and_that_is_said);
    tcase_add_test(tcase, no_size_is_too_small_or_too_large);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
