/*
 * test_real.c - decimals are read into the double that strtod() finds, or left to it.
 */
#include "base/real.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nodevitals/collector.h>

enum { TRIES = 200000 };

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void check(const char *text)
{
    double value = -1, expected = strtod(text, NULL);
    const char *end = nv_real_read(text, text + strlen(text), &value);

    if (!end) /* too long, or of no use */
        return;
    ck_assert_msg(*end == '\0', "%s: stopped at %s", text, end);
    ck_assert_msg(memcmp(&value, &expected, sizeof(value)) == 0, "%s: %.17g, not %.17g", text,
                  value, expected);
}

START_TEST(random_decimals_are_read_as_strtod_reads_them)
{
    char text[96];

    for (int i = 0; i < TRIES; i++) {
        unsigned long long m = next_random() >> next_random() % 64;
        int digits = (int)(next_random() % 12), e = (int)(next_random() % 60) - 30;
        snprintf(text, sizeof(text), "%s%llu.%0*lluE%d", next_random() % 2 ? "-" : "", m % 10000000,
                 digits, (unsigned long long)(next_random() % 100000), e);
        check(text);
        snprintf(text, sizeof(text), "%llue%d", m % UINT64_C(10000000000000000000), e);
        check(text);
        snprintf(text, sizeof(text), "%.17g", (double)m * 1e-9);
        check(text);
    }
}
END_TEST

/* Between two doubles, or one digit beside: where rounding twice would go wrong. */
START_TEST(the_middle_between_two_doubles_goes_to_the_even_one)
{
    static const char *const texts[] = {
        "9007199254740993",
        "9007199254740995",
        "9007199254740993.0",
        "9007199254740993e1",
        "9007199254740992.99",
        "1.0000000000000002e0",
        "9223372036854775807",
        "9223372036854775808",
        "4611686018427387905",
        "8.988465674311580e23",
        "1e23",
        "8.5e22",
        "1e-27",
        "123456789012345678e-27",
        "0.1",
        "0.30000000000000004",
        "2.2250738585072e-10",
        "5e-1",
    };

    for (size_t i = 0; i < NV_LEN(texts); i++)
        check(texts[i]);
    for (uint64_t m = (UINT64_C(1) << 53) - 50; m < (UINT64_C(1) << 53) + 50; m++) {
        char text[32];
        snprintf(text, sizeof(text), "%lluE0", (unsigned long long)m * 1024 + 512);
        check(text);
    }
}
END_TEST

static const struct {
    const char *text;
    int taken; /* -1: refused */
    double value;
} forms[] = {
    {"1",                    1,  1    },
    {"+1.5 ",                4,  1.5  },
    {"-.5}",                 3,  -0.5 },
    {"5.,",                  2,  5    },
    {"1e3x",                 3,  1000 },
    {"1E-3",                 4,  0.001},
    {"",                     -1, 0    },
    {"-",                    -1, 0    },
    {".",                    -1, 0    },
    {"e5",                   -1, 0    },
    {"1e",                   -1, 0    },
    {"1e+",                  -1, 0    },
    {"nan",                  -1, 0    },
    {"1e99999",              -1, 0    },
    {"12345678901234567890", -1, 0    },
    {"1e300",                -1, 0    },
};

START_TEST(what_is_no_such_number_is_left_to_others)
{
    double value = 7;
    const char *end = nv_real_read(forms[_i].text, forms[_i].text + strlen(forms[_i].text), &value);

    ck_assert_int_eq(end ? (int)(end - forms[_i].text) : -1, forms[_i].taken);
    ck_assert_double_eq(value, end ? forms[_i].value : 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("real");
    TCase *all = tcase_create("all");

    tcase_add_test(all, random_decimals_are_read_as_strtod_reads_them);
    tcase_add_test(all, the_middle_between_two_doubles_goes_to_the_even_one);
    tcase_add_loop_test(all, what_is_no_such_number_is_left_to_others, 0, NV_LEN(forms));
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
