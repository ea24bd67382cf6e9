/*
 * test_units.c - durations and sizes as Prometheus' files write them.
 */
#include <check.h>

#include "config/units.h"
#include "support/fixture.h"

static const struct {
    const char *text;
    int64_t ms;
} durations[] = {
    {"0",               0                            },
    {"0s",              0                            },
    {"15s",             15000                        },
    {"1h30m",           5400000                      },
    {"1d",              86400000                     },
    {"2w",              1209600000                   },
    {"1y",              INT64_C(31536000000)         },
    {"250ms",           250                          },
    {"1m500ms",         60500                        },
    {"1y2w3d4h5m6s7ms", INT64_C(33019506007)         },
    {"292y",            INT64_C(292) * 365 * 86400000},
};

START_TEST(a_duration_is_numbers_with_falling_units)
{
    int64_t ms = -1;

    ck_assert_int_eq(nv_parse_duration(nv_str(durations[_i].text), &ms), 0);
    ck_assert_int_eq(ms, durations[_i].ms);
}
END_TEST

static const struct {
    const char *text;
    int outcome;
} no_durations[] = {
    {"",                         NV_UNITS_INVALID     },
    {"1",                        NV_UNITS_INVALID     },
    {"-1s",                      NV_UNITS_INVALID     },
    {"1.5h",                     NV_UNITS_INVALID     },
    {"30m1h",                    NV_UNITS_INVALID     },
    {"1s1s",                     NV_UNITS_INVALID     },
    {"1h ",                      NV_UNITS_INVALID     },
    {"1us",                      NV_UNITS_INVALID     },
    {"h",                        NV_UNITS_INVALID     },
    {"300y",                     NV_UNITS_OUT_OF_RANGE},
    {"99999999999999999999y",    NV_UNITS_OUT_OF_RANGE},
    {"99999999999999999999999s", NV_UNITS_OUT_OF_RANGE},
    {"9223372036854775807ms",    NV_UNITS_OUT_OF_RANGE},
};

START_TEST(anything_else_is_no_duration)
{
    int64_t ms = -1;

    ck_assert_int_eq(nv_parse_duration(nv_str(no_durations[_i].text), &ms),
                     no_durations[_i].outcome);
    ck_assert_int_eq(ms, -1);
}
END_TEST

static const struct {
    int64_t ms;
    const char *text;
} written[] = {
    {0,                    "0s"     },
    {90000,                "1m30s"  },
    {INT64_C(31536000000), "1y"     },
    {691200000,            "8d"     },
    {604800000,            "1w"     },
    {90000000,             "25h"    },
    {1500,                 "1s500ms"},
};

START_TEST(durations_are_written_as_they_are_read)
{
    NV_AUTO_BUF out = NV_BUF(64);
    int64_t ms;

    nv_write_duration(&out, written[_i].ms);
    ck_assert_str_eq(nv_buf_c_string(&out), written[_i].text);
    ck_assert_int_eq(nv_parse_duration(nv_buf_view(&out), &ms), 0);
    ck_assert_int_eq(ms, written[_i].ms);
}
END_TEST

static const struct {
    const char *text;
    int outcome;
    int64_t bytes;
} sizes[] = {
    {"0",     0,                     0                  },
    {"10B",   0,                     10                 },
    {"512MB", 0,                     512 << 20          },
    {"1KiB",  0,                     1024               },
    {"1.5GB", 0,                     INT64_C(1610612736)},
    {"2EiB",  0,                     INT64_C(2) << 60   },
    {"10",    NV_UNITS_INVALID,      -1                 },
    {"",      NV_UNITS_INVALID,      -1                 },
    {"MB",    NV_UNITS_INVALID,      -1                 },
    {"1mb",   NV_UNITS_INVALID,      -1                 },
    {"-1B",   NV_UNITS_INVALID,      -1                 },
    {"1iB",   NV_UNITS_INVALID,      -1                 },
    {"8EB",   NV_UNITS_OUT_OF_RANGE, -1                 },
};

START_TEST(a_size_has_a_unit_of_1024)
{
    int64_t bytes = -1;

    ck_assert_int_eq(nv_parse_size(nv_str(sizes[_i].text), &bytes), sizes[_i].outcome);
    ck_assert_int_eq(bytes, sizes[_i].bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config/units");
    TCase *all = tcase_create("all");

    tcase_add_loop_test(all, a_duration_is_numbers_with_falling_units, 0, NV_LEN(durations));
    tcase_add_loop_test(all, anything_else_is_no_duration, 0, NV_LEN(no_durations));
    tcase_add_loop_test(all, durations_are_written_as_they_are_read, 0, NV_LEN(written));
    tcase_add_loop_test(all, a_size_has_a_unit_of_1024, 0, NV_LEN(sizes));
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
