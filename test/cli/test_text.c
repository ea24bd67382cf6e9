/*
 * test_text.c - sizes, spans and tables as the commands print them.
 */
#include <check.h>

#include "cli/text.h"

static const struct {
    uint64_t bytes;
    const char *text;
} sizes[] = {
    {0,          "0 B"     },
    {999,        "999 B"   },
    {1000,       "1.0 KiB" },
    {150000,     "146 KiB" },
    {1 << 20,    "1.0 MiB" },
    {UINT64_MAX, "16.0 EiB"},
};

START_TEST(sizes_are_readable)
{
    char text[NV_CLI_TEXT_MAX];

    ck_assert_str_eq(nv_cli_size(text, sizes[_i].bytes), sizes[_i].text);
}
END_TEST

static const struct {
    int64_t ms;
    const char *text;
} spans[] = {
    {0,         "0s"    },
    {1,         "0.001s"},
    {1500,      "1.5s"  },
    {59000,     "59s"   },
    {60000,     "1m"    },
    {61500,     "1m1s"  },
    {3600000,   "1h"    },
    {10485000,  "2h54m" },
    {86399999,  "23h59m"},
    {86400000,  "1d"    },
    {90061000,  "1d1h"  },
    {864061000, "10d"   },
};

START_TEST(spans_have_at_most_two_units)
{
    char text[NV_CLI_TEXT_MAX];

    ck_assert_str_eq(nv_cli_span(text, spans[_i].ms), spans[_i].text);
}
END_TEST

START_TEST(counts_have_commas_and_ratios_two_decimals)
{
    char text[NV_CLI_TEXT_MAX];

    ck_assert_str_eq(nv_cli_count(text, 0), "0");
    ck_assert_str_eq(nv_cli_count(text, 999), "999");
    ck_assert_str_eq(nv_cli_count(text, 1000), "1,000");
    ck_assert_str_eq(nv_cli_count(text, UINT64_MAX), "18,446,744,073,709,551,615");
    ck_assert_str_eq(nv_cli_ratio(text, 1, 3), "0.33");
    ck_assert_str_eq(nv_cli_ratio(text, 1, 0), "-");
}
END_TEST

START_TEST(times_are_utc_and_before_1970_too)
{
    char text[NV_CLI_TEXT_MAX];

    ck_assert_str_eq(nv_cli_time(text, 1700000000999), "2023-11-14 22:13:20");
    ck_assert_str_eq(nv_cli_time(text, -1), "1969-12-31 23:59:59");
    nv_cli_time(text, INT64_MIN); /* no year any calendar has: whatever it says, it says it */
    nv_cli_time(text, INT64_MAX);
}
END_TEST

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
    static const char *const headers[] = {"NAME", ">N", NULL};
    NV_AUTO_FREE char *text = NULL;
    struct nv_cli_table table;
    size_t n;

    nv_cli_table_init(&table, headers);
    nv_cli_cell(&table, "\xc3\xa4");
    nv_cli_cell(&table, "12345");
    nv_cli_cell(&table, "a long name");
    nv_cli_cell(&table, "1");
    FILE *to = open_memstream(&text, &n);
    nv_cli_table_print(&table, to);
    fclose(to);
    ck_assert_str_eq(text, "NAME             N\n"
                           "\xc3\xa4            12345\n"
                           "a long name      1\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");

    tcase_add_loop_test(tcase, sizes_are_readable, 0, NV_LEN(sizes));
    tcase_add_loop_test(tcase, spans_have_at_most_two_units, 0, NV_LEN(spans));
    tcase_add_test(tcase, counts_have_commas_and_ratios_two_decimals);
    tcase_add_test(tcase, times_are_utc_and_before_1970_too);
    tcase_add_test(tcase, columns_are_as_wide_as_their_widest_cell);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
