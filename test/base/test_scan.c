/*
 * test_scan.c - views and the scanner: exact bounds of numbers, and a failure that sticks.
 */
#include <nodevitals/scan.h>

#include <check.h>
#include <float.h>

#include <nodevitals/collector.h>

START_TEST(views_compare_by_bytes)
{
    ck_assert(nv_str_eq(NV_LIT("a\0b"), NV_LIT("a\0b")));
    ck_assert(!nv_str_eq(NV_LIT("a\0b"), NV_LIT("a\0c")));
    ck_assert(nv_str_eq((struct nv_str){NULL, 0}, NV_LIT("")));
    ck_assert_int_lt(nv_str_cmp(NV_LIT("a"), NV_LIT("ab")), 0);
    ck_assert_int_gt(nv_str_cmp(NV_LIT("\xff"), NV_LIT("a")), 0);
    ck_assert_int_eq(nv_str_cmp(NV_LIT(""), (struct nv_str){NULL, 0}), 0);
    ck_assert(nv_str_starts(NV_LIT("eth0"), "eth") && !nv_str_starts(NV_LIT("et"), "eth"));
    ck_assert(nv_str_ends(NV_LIT("eth0"), "0") && !nv_str_ends(NV_LIT("0"), "h0"));
    ck_assert(nv_str_contains(NV_LIT("eth0"), "th") && !nv_str_contains(NV_LIT("eth0"), "x"));
}
END_TEST

START_TEST(a_view_is_cut_at_each_separator_and_then_empty)
{
    struct nv_str s = NV_LIT("a::b");

    ck_assert(nv_str_is(nv_str_cut(&s, ':'), "a"));
    ck_assert(nv_str_is(nv_str_cut(&s, ':'), ""));
    ck_assert(nv_str_is(nv_str_cut(&s, ':'), "b"));
    ck_assert_uint_eq(s.n, 0);
    ck_assert(nv_str_is(nv_str_cut(&s, ':'), ""));
    ck_assert(nv_str_is(nv_str_trim(NV_LIT(" \t\v a b\r\n")), "a b"));
    ck_assert_uint_eq(nv_str_trim(NV_LIT(" \n ")).n, 0);
}
END_TEST

START_TEST(unsigned_numbers_end_at_their_range)
{
    uint64_t value = 7;

    ck_assert(nv_str_to_u64(NV_LIT(" 18446744073709551615\n"), &value) && value == UINT64_MAX);
    value = 7;
    static const char *const wrong[] = {
        "18446744073709551616", "", " ", "-1", "+1", "1 2", "0x1", "1.0"};
    for (size_t i = 0; i < NV_LEN(wrong); i++)
        ck_assert_msg(!nv_str_to_u64(nv_str(wrong[i]), &value) && value == 7, "%s", wrong[i]);
}
END_TEST

START_TEST(signed_numbers_end_at_their_range)
{
    int64_t value = 7;

    ck_assert(nv_str_to_i64(NV_LIT("-9223372036854775808"), &value) && value == INT64_MIN);
    ck_assert(nv_str_to_i64(NV_LIT("+9223372036854775807"), &value) && value == INT64_MAX);
    value = 7;
    static const char *const wrong[] = {
        "-9223372036854775809", "9223372036854775808", "-", "--1", "- 1", ""};
    for (size_t i = 0; i < NV_LEN(wrong); i++)
        ck_assert_msg(!nv_str_to_i64(nv_str(wrong[i]), &value) && value == 7, "%s", wrong[i]);
}
END_TEST

START_TEST(hexadecimal_has_no_prefix_and_sixteen_digits)
{
    uint64_t value = 7;

    ck_assert(nv_str_to_hex(NV_LIT("fFfffFFFffffffff"), &value) && value == UINT64_MAX);
    ck_assert(!nv_str_to_hex(NV_LIT("0x1"), &value) &&
              !nv_str_to_hex(NV_LIT("10000000000000000"), &value));
    ck_assert(!nv_str_to_hex(NV_LIT(""), &value) && !nv_str_to_hex(NV_LIT("g"), &value));
}
END_TEST

START_TEST(a_prefix_tells_the_base)
{
    static const struct {
        const char *text;
        uint64_t want;
    } right[] = {
        {"0x1F",   31},
        {"0b101",  5 },
        {"0o17",   15},
        {"017",    15},
        {"0",      0 },
        {"10",     10},
        {"1_0",    10},
        {"0x_1_f", 31}
    };
    static const char *const wrong[] = {
        "0x", "0b2", "08", "0x1_", "0x__1", "_1", "0x10000000000000000", ""};
    uint64_t value;
    int64_t sign;

    for (size_t i = 0; i < NV_LEN(right); i++) {
        ck_assert_msg(nv_str_to_u64_prefixed(nv_str(right[i].text), &value), "%s", right[i].text);
        ck_assert_uint_eq(value, right[i].want);
    }
    for (size_t i = 0; i < NV_LEN(wrong); i++)
        ck_assert_msg(!nv_str_to_u64_prefixed(nv_str(wrong[i]), &value), "%s", wrong[i]);
    ck_assert(nv_str_to_i64_prefixed(NV_LIT("-0x10"), &sign) && sign == -16);
    ck_assert(!nv_str_to_i64_prefixed(NV_LIT("- 1"), &sign));
}
END_TEST

START_TEST(reals_are_those_of_strtod)
{
    static const char *const texts[] = {
        "0",     "0.00",    "-1.5",  "123456789012345", "1234567890123456",
        ".5",    "5.",      "1e308", "4.9e-324",        "0.1",
        "1e400", "3.14159", "inf",   "-Infinity",       "0x1p-2"};
    static const char *const wrong[] = {"", ".", "-", "1.2.3", "1e", "1 2", "x", "--1"};
    double value;

    for (size_t i = 0; i < NV_LEN(texts); i++) {
        ck_assert_msg(nv_str_to_real(nv_str(texts[i]), &value), "%s", texts[i]);
        ck_assert_msg(value == strtod(texts[i], NULL), "%s", texts[i]);
    }
    ck_assert(nv_str_to_real(NV_LIT("nan"), &value) && isnan(value));
    for (size_t i = 0; i < NV_LEN(wrong); i++)
        ck_assert_msg(!nv_str_to_real(nv_str(wrong[i]), &value), "%s", wrong[i]);
}
END_TEST

START_TEST(a_record_is_read_where_it_lies)
{
    struct nv_scan file = nv_scan(NV_LIT("cpu0 1 -2 ff 2.5 k:v rest of it\nlast")), line;
    uint64_t value;

    ck_assert(nv_scan_line(&file, &line));
    ck_assert(nv_scan_accept(&line, "cpu"));
    ck_assert(!nv_scan_accept(&line, "x"));
    value = nv_scan_u64(&line);
    ck_assert_uint_eq(value, 0);
    value = nv_scan_u64(&line);
    ck_assert_uint_eq(value, 1);
    ck_assert_int_eq(nv_scan_i64(&line), -2);
    value = nv_scan_hex(&line);
    ck_assert_uint_eq(value, 255);
    ck_assert_double_eq(nv_scan_real(&line), 2.5);
    nv_scan_blanks(&line);
    ck_assert(nv_str_is(nv_scan_until(&line, ':'), "k"));
    nv_scan_skip(&line, 2);
    ck_assert(nv_str_is(nv_scan_rest(&line), " of it"));
    ck_assert(!nv_scan_done(&line) && !line.failed);
    ck_assert(nv_scan_line(&file, &line) && nv_str_is(nv_scan_word(&line), "last"));
    ck_assert(nv_scan_done(&line) && !nv_scan_line(&file, &line));
}
END_TEST

START_TEST(the_first_failure_empties_the_window_for_good)
{
    struct nv_scan scan = nv_scan(NV_LIT("x 1 2 3"));

    ck_assert_uint_eq(nv_scan_u64(&scan), 0);
    ck_assert(scan.failed);
    ck_assert_uint_eq(nv_scan_u64(&scan), 0);
    ck_assert_uint_eq(nv_scan_word(&scan).n, 0);
    ck_assert(nv_scan_done(&scan) && scan.failed);
}
END_TEST

START_TEST(a_row_may_be_short_but_not_wrong)
{
    uint64_t values[3];
    struct nv_scan few = nv_scan(NV_LIT("1 2\n")), many = nv_scan(NV_LIT("1 2 3 4")),
                   wrong = nv_scan(NV_LIT("1 2x")), empty = nv_scan((struct nv_str){NULL, 0});

    ck_assert_uint_eq(nv_scan_row(&few, values, 3), 2);
    ck_assert(!few.failed);
    ck_assert_uint_eq(nv_scan_row(&many, values, 3), 3);
    ck_assert(nv_str_is(nv_scan_rest(&many), " 4"));
    nv_scan_row(&wrong, values, 3);
    ck_assert(wrong.failed);
    ck_assert_uint_eq(nv_scan_row(&empty, values, 3), 0);
    ck_assert(!empty.failed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan");
    TCase *tcase = tcase_create("scan");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, views_compare_by_bytes);
    tcase_add_test(tcase, a_view_is_cut_at_each_separator_and_then_empty);
    tcase_add_test(tcase, unsigned_numbers_end_at_their_range);
    tcase_add_test(tcase, signed_numbers_end_at_their_range);
    tcase_add_test(tcase, hexadecimal_has_no_prefix_and_sixteen_digits);
    tcase_add_test(tcase, a_prefix_tells_the_base);
    tcase_add_test(tcase, reals_are_those_of_strtod);
    tcase_add_test(tcase, a_record_is_read_where_it_lies);
    tcase_add_test(tcase, the_first_failure_empties_the_window_for_good);
    tcase_add_test(tcase, a_row_may_be_short_but_not_wrong);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
