/*
 * test_selector_text.c - selectors as people type them.
 */
#include <check.h>
#include <errno.h>

#include "metric/selector_text.h"

static struct nv_selector selector;
static char error[NV_SELECTOR_ERROR_MAX];

static const struct {
    const char *text, *matchers;
} good[] = {
    {"up",                                                            "__name__ = up\n"                       },
    {" a:b ",                                                         "__name__ = a:b\n"                      },
    {"up{}",                                                          "__name__ = up\n"                       },
    {"{a=\"b\"}",                                                     "a = b\n"                               },
    {" up { a = \"b\" , c != 'd' , e =~ `f.\\d` , g !~ \"h|i\" , } ",
     "__name__ = up\na = b\nc != d\ne =~ f.\\d\ng !~ h|i\n"                                                   },
    {"{\"a b\",'c d'=\"\"}",                                          "__name__ = a b\nc d = \n"              },
    {"{a=\"\\\"\\\\\\n\\x41\\102\\u00e4\\U0001f600\"}",               "a = \"\\\nAB\xc3\xa4\xf0\x9f\x98\x80\n"},
    {"{__name__=~\"a.*\"}",                                           "__name__ =~ a.*\n"                     },
};

START_TEST(what_is_right_is_read)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    NV_AUTO_BUF out = NV_BUF(4096);

    ck_assert_msg(nv_selector_init(&selector, nv_str(good[_i].text), error) == 0, "%s", error);
    for (size_t i = 0; i < selector.n; i++)
        nv_buf_printf(&out, "%.*s %s %.*s\n", NV_ARGS(selector.matchers[i].name),
                      ops[selector.matchers[i].op], NV_ARGS(selector.matchers[i].value));
    ck_assert_str_eq(nv_buf_c_string(&out), good[_i].matchers);
    nv_selector_done(&selector);
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    {"",                    "character 1: expected a metric name or an opening brace, got the end"},
    {"{}",                  "character 3: no matcher"                                             },
    {"1",                   "character 1: expected a metric name or an opening brace, got '1'"    },
    {"up down",             "character 4: expected the end, got 'down'"                           },
    {"up{",                 "character 4: expected a label name, got the end"                     },
    {"up{a}",               "character 5: expected =, !=, =~ or !~, got '}'"                      },
    {"up{a=b}",             "character 6: expected a value in quotes, got 'b}'"                   },
    {"up{a=\"b}",           "character 9: expected the closing quote, got the end"                },
    {"up{a=\"b\" c=\"d\"}", "character 10: expected a comma or the closing brace, got 'c=\"d\"}'" },
    {"up{a=\"\\q\"}",       "character 8: expected an escape sequence, got 'q\"}'"                },
    {"up{a=\"\\400\"}",     "character 11: expected an escape sequence, got '\"}'"                },
    {"up{a=\"\\ud800\"}",   "character 13: expected the digits of a character, got '\"}'"         },
    {"up{\"a\"}",           "character 7: the metric name is given twice"                         },
    {"{\"\"}",              "character 4: empty name"                                             },
};

START_TEST(what_is_wrong_is_told_where)
{
    ck_assert_int_eq(nv_selector_init(&selector, nv_str(bad[_i].text), error), -EINVAL);
    ck_assert_str_eq(error, bad[_i].error);
}
END_TEST

START_TEST(a_bad_expression_is_told)
{
    ck_assert_int_eq(nv_selector_init(&selector, nv_str("{a=~\"b\",c=~\"(\"}"), error), -EINVAL);
    ck_assert(nv_str_starts(nv_str(error), "character 15: "));
}
END_TEST

START_TEST(every_beginning_is_read_or_refused)
{
    struct nv_str whole = nv_str(good[_i].text);

    for (size_t n = 0; n < whole.n; n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, whole.p, n);
        if (nv_selector_init(&selector, (struct nv_str){copy, n}, error) == 0)
            nv_selector_done(&selector);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("selector_text");
    TCase *tcase = tcase_create("selector_text");

    tcase_add_loop_test(tcase, what_is_right_is_read, 0, NV_LEN(good));
    tcase_add_loop_test(tcase, what_is_wrong_is_told_where, 0, NV_LEN(bad));
    tcase_add_test(tcase, a_bad_expression_is_told);
    tcase_add_loop_test(tcase, every_beginning_is_read_or_refused, 0, NV_LEN(good));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
