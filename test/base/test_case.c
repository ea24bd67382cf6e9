/*
 * test_case.c - upper and lower case of UTF-8.
 */
#include <check.h>

#include "base/case.h"

static const struct {
    const char *text, *upper, *lower;
} texts[] = {
    {"",                   "",                   ""                  },
    {"aBc-1_z",            "ABC-1_Z",            "abc-1_z"           },
    {"gr\xc3\xbc\xc3\x9f", "GR\xc3\x9c\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"\xce\x91\xce\xb2",   "\xce\x91\xce\x92",   "\xce\xb1\xce\xb2"  },
    {"a\xff",              "A\xef\xbf\xbd",      "a\xef\xbf\xbd"     },
};

START_TEST(letters_change_their_case_and_nothing_else)
{
    NV_AUTO_BUF upper = NV_BUF(64), lower = NV_BUF(64);

    nv_utf8_upper(&upper, nv_str(texts[_i].text));
    nv_utf8_lower(&lower, nv_str(texts[_i].text));
    ck_assert_str_eq(nv_buf_c_string(&upper), texts[_i].upper);
    ck_assert_str_eq(nv_buf_c_string(&lower), texts[_i].lower);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/case");
    TCase *all = tcase_create("all");

    tcase_add_loop_test(all, letters_change_their_case_and_nothing_else, 0,
                        sizeof(texts) / sizeof(texts[0]));
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
