/*
 * test_json_out.c - any bytes become JSON, and valid text comes back from it.
 */
#include "base/json_out.h"

#include <check.h>
#include <nodevitals/collector.h>

static const struct {
    struct nv_str in;
    const char *out;
} cases[] = {
    {NV_LIT(""),                   "\"\""                             },
    {NV_LIT("plain"),              "\"plain\""                        },
    {NV_LIT("a\"b\\c"),            "\"a\\\"b\\\\c\""                  },
    {NV_LIT("\b\t\n\v\f\r\x01"),   "\"\\b\\t\\n\\u000b\\f\\r\\u0001\""},
    {NV_LIT("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\""           },
    {NV_LIT("\xff"
            "a\xc3"),
     "\"\\ufffda\\ufffd\""                                            },
    {NV_LIT("a\xe2\x80\xa8"
            "b"),
     "\"a\\u2028b\""                                                  },
    {NV_LIT("</script>"),          "\"</script>\""                    },
};

START_TEST(a_text_is_quoted)
{
    NV_AUTO_BUF out = NV_BUF(1000);

    nv_json_quote(&out, cases[_i].in);
    ck_assert_str_eq(nv_buf_c_string(&out), cases[_i].out);
}
END_TEST

START_TEST(members_get_their_commas)
{
    NV_AUTO_BUF out = NV_BUF(1000);

    nv_buf_char(&out, '{');
    nv_json_member(&out, "a", nv_str("1"));
    nv_json_member(&out, "b", nv_str(""));
    nv_buf_char(&out, '}');
    ck_assert_str_eq(nv_buf_c_string(&out), "{\"a\":\"1\",\"b\":\"\"}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/json_out");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, a_text_is_quoted, 0, NV_LEN(cases));
    tcase_add_test(all, members_get_their_commas);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
