/*
 * test_number.c - doubles are written as Go's strconv writes them. The expected texts of the table are Go's.
 */
#include "base/number.h"

#include <check.h>
#include <math.h>

#include <nodevitals/collector.h>

static const struct {
    double value;
    const char *text, *openmetrics, *plain;
} table[] = {
    {0,                       "0",                       "0.0",                     "0"                              },
    {-0.0,                    "0",                       "0.0",                     "-0"                             },
    {1,                       "1",                       "1.0",                     "1"                              },
    {-1,                      "-1",                      "-1.0",                    "-1"                             },
    {10,                      "10",                      "10.0",                    "10"                             },
    {0.1,                     "0.1",                     "0.1",                     "0.1"                            },
    {0.5,                     "0.5",                     "0.5",                     "0.5"                            },
    {123.456,                 "123.456",                 "123.456",                 "123.456"                        },
    {-2.5,                    "-2.5",                    "-2.5",                    "-2.5"                           },
    {118821.284256,           "118821.284256",           "118821.284256",           "118821.284256"                  },
    {999999,                  "999999",                  "999999.0",                "999999"                         },
    {1000000,                 "1e+06",                   "1e+06",                   "1000000"                        },
    {1150976,                 "1.150976e+06",            "1.150976e+06",            "1150976"                        },
    {12345678.9,              "1.23456789e+07",          "1.23456789e+07",          "12345678.9"                     },
    {1700000000.123,          "1.700000000123e+09",      "1.700000000123e+09",      "1700000000.123"                 },
    {0.0001,                  "0.0001",                  "0.0001",                  "0.0001"                         },
    {0.00012345,              "0.00012345",              "0.00012345",              "0.00012345"                     },
    {0.00001,                 "1e-05",                   "1e-05",                   "0.00001"                        },
    {9.5e-07,                 "9.5e-07",                 "9.5e-07",                 "0.00000095"                     },
    {9 * 0.001,               "0.009000000000000001",    "0.009000000000000001",    "0.009000000000000001"           },
    {1.0 / 3,                 "0.3333333333333333",      "0.3333333333333333",      "0.3333333333333333"             },
    {2.0 / 3,                 "0.6666666666666666",      "0.6666666666666666",      "0.6666666666666666"             },
    {0.1 + 0.2,               "0.30000000000000004",     "0.30000000000000004",     "0.30000000000000004"            },
    {1e15,                    "1e+15",                   "1e+15",                   "1000000000000000"               },
    {9007199254740991,        "9.007199254740991e+15",   "9.007199254740991e+15",   "9007199254740991"               },
    {9007199254740992,        "9.007199254740992e+15",   "9.007199254740992e+15",   "9007199254740992"               },
    {9007199254740994,        "9.007199254740994e+15",   "9.007199254740994e+15",   "9007199254740994"               },
    {18446744073709551615.0,  "1.8446744073709552e+19",  "1.8446744073709552e+19",
     "18446744073709552000"                                                                                          },
    {1e21,                    "1e+21",                   "1e+21",                   "1000000000000000000000"         },
    {1e22,                    "1e+22",                   "1e+22",                   "10000000000000000000000"        },
    {1e23,                    "1e+23",                   "1e+23",                   "100000000000000000000000"       },
    {1e100,                   "1e+100",                  "1e+100",                  NULL                             },
    {0x1p-44,                 "5.684341886080802e-14",   "5.684341886080802e-14",   "0.00000000000005684341886080802"},
    {0x1p-1022,               "2.2250738585072014e-308", "2.2250738585072014e-308", NULL                             },
    {0x0.fffffffffffffp-1022, "2.225073858507201e-308",  "2.225073858507201e-308",  NULL                             },
    {0x1p-1074,               "5e-324",                  "5e-324",                  NULL                             },
    {0x1.fffffffffffffp1023,  "1.7976931348623157e+308", "1.7976931348623157e+308", NULL                             },
    {NAN,                     "NaN",                     "NaN",                     "NaN"                            },
    {INFINITY,                "+Inf",                    "+Inf",                    "+Inf"                           },
    {-INFINITY,               "-Inf",                    "-Inf",                    "-Inf"                           },
};

static const char *with_nul(char *text, size_t n)
{
    text[n] = '\0';
    return text;
}

START_TEST(a_number_is_written_as_go_writes_it)
{
    char text[NV_NUMBER_PLAIN_MAX + 1];

    ck_assert_str_eq(with_nul(text, nv_number_text(text, table[_i].value)), table[_i].text);
    ck_assert_str_eq(with_nul(text, nv_number_openmetrics(text, table[_i].value)),
                     table[_i].openmetrics);
    if (table[_i].plain)
        ck_assert_str_eq(with_nul(text, nv_number_plain(text, table[_i].value)), table[_i].plain);
}
END_TEST

START_TEST(integers_are_written_in_full)
{
    static const struct {
        uint64_t value;
        const char *text;
    } integers[] = {
        {0,          "0"                   },
        {9,          "9"                   },
        {10,         "10"                  },
        {99,         "99"                  },
        {100,        "100"                 },
        {UINT32_MAX, "4294967295"          },
        {UINT64_MAX, "18446744073709551615"},
    };
    char text[NV_NUMBER_MAX + 1];

    for (size_t i = 0; i < NV_LEN(integers); i++)
        ck_assert_str_eq(with_nul(text, nv_number_u64(text, integers[i].value)), integers[i].text);
    for (uint64_t power = 1, digits = 1; digits <= 19; power *= 10, digits++) {
        ck_assert_uint_eq(nv_number_u64(text, power), digits);
        ck_assert_uint_eq(nv_number_u64(text, power * 10 - 1), digits);
    }
}
END_TEST

/* Texts of n digits near the value, written by printf, which is exact. */
static bool reads_back_with(double value, int n_digits)
{
    char text[64];

    snprintf(text, sizeof(text), "%.*e", n_digits - 1, value);
    return strtod(text, NULL) == value;
}

/* What every finite value > 0 must keep: it reads back, and no shorter decimal nor nearer one of that length does. */
static void check_value(double value)
{
    char text[NV_NUMBER_PLAIN_MAX + 1], digits[17];
    int exponent;

    ck_assert_double_eq(strtod(with_nul(text, nv_number_text(text, value)), NULL), value);
    ck_assert_double_eq(strtod(with_nul(text, nv_number_plain(text, value)), NULL), value);
    size_t n = nv_number_digits(digits, &exponent, value);
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, 17);
    ck_assert_int_ne(digits[0], '0');
    ck_assert_msg(n == 1 || digits[n - 1] != '0', "%s ends in a zero", text);
    if (n > 1)
        ck_assert_msg(!reads_back_with(value, (int)n - 1), "%s has a digit too many", text);
    if (reads_back_with(value,
                        (int)n)) { /* then the nearest of that length is what printf rounds to */
        char want[64], got[64];
        snprintf(want, sizeof(want), "%.*e", (int)n - 1, value);
        snprintf(got, sizeof(got), "%.1s%s%.*se%c%02d", digits, n > 1 ? "." : "", (int)n - 1,
                 digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
        ck_assert_str_eq(got, want);
    }
}

START_TEST(json_has_an_exponent_below_a_millionth_and_from_1e21_on)
{
    static const struct {
        double value;
        const char *text;
    } known[] = {
        {0,        "0"                    },
        {-0.0,     "-0"                   },
        {1e-6,     "0.000001"             },
        {-1e-7,    "-1e-07"               },
        {1e20,     "100000000000000000000"},
        {1e21,     "1e+21"                },
        {1e15,     "1000000000000000"     },
        {1.5e300,  "1.5e+300"             },
        {NAN,      "NaN"                  },
        {INFINITY, "+Inf"                 },
    };
    char text[NV_NUMBER_PLAIN_MAX], other[NV_NUMBER_PLAIN_MAX];

    for (size_t i = 0; i < NV_LEN(known); i++) {
        size_t n = nv_number_json(text, known[i].value);
        ck_assert_msg(n == strlen(known[i].text) && memcmp(text, known[i].text, n) == 0,
                      "%s, not %.*s", known[i].text, (int)n, text);
    }
    for (int i = 0; i < 200000; i++) {
        double value = ldexp((double)random() * (i % 2 ? 1 : -1), (int)(random() % 200) - 120);
        size_t n = nv_number_json(text, value), m;
        if (fabs(value) >= 1e-6 && fabs(value) < 1e21)
            m = nv_number_plain(other, value);
        else
            m = nv_number_text(other, value);
        ck_assert(n == m && n <= NV_NUMBER_MAX && memcmp(text, other, n) == 0);
    }
}
END_TEST

START_TEST(random_bits_are_shortest_and_read_back)
{
    uint64_t bits = 88172645463325252u;

    for (int i = 0; i < 100000; i++) {
        double value;
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        uint64_t positive = bits >> 1;
        memcpy(&value, &positive, sizeof(value));
        if (isfinite(value) && value > 0)
            check_value(value);
    }
}
END_TEST

START_TEST(powers_of_two_and_their_neighbours_are_shortest)
{
    for (int e = -1074; e < 1024; e++) {
        double power = ldexp(1, e);
        check_value(power);
        check_value(nextafter(power, INFINITY));
        if (nextafter(power, 0) > 0)
            check_value(nextafter(power, 0));
    }
}
END_TEST

START_TEST(thousandths_are_shortest_whether_multiplied_or_divided)
{
    for (uint64_t i = 1; i < UINT64_C(1) << 60; i = i * 9 / 8 + 1) {
        check_value((double)i * 0.001);
        check_value((double)i / 1000);
        check_value((double)i / 100);
        check_value((double)i * 1e-9);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("number");
    TCase *tcase = tcase_create("number");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_number_is_written_as_go_writes_it, 0, NV_LEN(table));
    tcase_add_test(tcase, integers_are_written_in_full);
    tcase_add_test(tcase, json_has_an_exponent_below_a_millionth_and_from_1e21_on);
    tcase_add_test(tcase, random_bits_are_shortest_and_read_back);
    tcase_add_test(tcase, powers_of_two_and_their_neighbours_are_shortest);
    tcase_add_test(tcase, thousandths_are_shortest_whether_multiplied_or_divided);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
