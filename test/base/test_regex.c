/*
 * test_regex.c - expressions mean what RE2 means by them, and what RE2 refuses is refused in its words. The
 * expected verdicts and messages are those of Go's regexp.
 */
#include "base/regex.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>

#include <nodevitals/collector.h>

#include "base/buf.h"

static const struct {
    const char *pattern, *reason;
} refused[] = {
    {"a(b",           "missing closing ): `a(b`"                      },
    {"a)b",           "unexpected ): `a)b`"                           },
    {"[a",            "missing closing ]: `[a`"                       },
    {"[z-a]",         "invalid character class range: `z-a`"          },
    {"[[:foo:]]",     "invalid character class range: `[:foo:]`"      },
    {"\\p{Nonsense}", "invalid character class range: `\\p{Nonsense}`"},
    {"*a",            "missing argument to repetition operator: `*`"  },
    {"a|+",           "missing argument to repetition operator: `+`"  },
    {"(?i)??",        "missing argument to repetition operator: `??`" },
    {"a**",           "invalid nested repetition operator: `**`"      },
    {"a{2}{3}",       "invalid nested repetition operator: `{2}{3}`"  },
    {"a++",           "invalid nested repetition operator: `++`"      },
    {"a{1001}",       "invalid repeat count: `{1001}`"                },
    {"a{3,2}",        "invalid repeat count: `{3,2}`"                 },
    {"(a{100}){11}",  "invalid repeat count: `{11}`"                  },
    {"(?=a)",         "invalid or unsupported Perl syntax: `(?=`"     },
    {"(?<!a)",        "invalid named capture: `(?<!a)`"               },
    {"(?>a)",         "invalid or unsupported Perl syntax: `(?>`"     },
    {"(?#x)",         "invalid or unsupported Perl syntax: `(?#`"     },
    {"(?i-)",         "invalid or unsupported Perl syntax: `(?i-)`"   },
    {"(?R)",          "invalid or unsupported Perl syntax: `(?R`"     },
    {"(?P<1-2>a)",    "invalid named capture: `(?P<1-2>`"             },
    {"(?P=n)",        "invalid or unsupported Perl syntax: `(?P`"     },
    {"(a)\\1",        "invalid escape sequence: `\\1`"                },
    {"\\K",           "invalid escape sequence: `\\K`"                },
    {"\\Z",           "invalid escape sequence: `\\Z`"                },
    {"\\C",           "invalid escape sequence: `\\C`"                },
    {"\\x{110000}",   "invalid escape sequence: `\\x{110000`"         },
    {"a\\",           "trailing backslash at end of expression: ``"   },
    {"a\xff",         "invalid UTF-8: `\xff`"                         },
};

START_TEST(what_re2_refuses_is_refused_in_its_words)
{
    char error[NV_REGEX_ERROR_MAX], want[NV_REGEX_ERROR_MAX];
    struct nv_regex *regex = NULL;

    int r = nv_regex_new(nv_str(refused[_i].pattern), NV_REGEX_SEARCH, &regex, error);
    snprintf(want, sizeof(want), "error parsing regexp: %s", refused[_i].reason);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_str_eq(error, want);
}
END_TEST

static const struct {
    enum nv_regex_kind kind;
    const char *pattern, *text;
    bool matches;
} verdicts[] = {
    {NV_REGEX_SEARCH,   "",                                              "",                    true },
    {NV_REGEX_SEARCH,   "b",                                             "abc",                 true },
    {NV_REGEX_ANCHORED, "b",                                             "abc",                 false},
    {NV_REGEX_ANCHORED, "abc",                                           "abc",                 true },
    {NV_REGEX_ANCHORED, "a|abc",                                         "abc",                 true },
    {NV_REGEX_ANCHORED, "foo.*",                                         "foobar",              true },
    {NV_REGEX_ANCHORED, "foo.+",                                         "foo",                 false},
    {NV_REGEX_ANCHORED, ".*foo.*",                                       "xfooy",               true },
    {NV_REGEX_ANCHORED, ".+",                                            "",                    false},
    {NV_REGEX_ANCHORED, ".+.+",                                          "\xc3\xa9",            false},
    {NV_REGEX_ANCHORED, ".*",                                            "a\nb",                true },
    {NV_REGEX_SEARCH,   "^.*$",                                          "a\nb",                false},
    {NV_REGEX_SEARCH,   "a.b",                                           "a\nb",                false},
    {NV_REGEX_SEARCH,   "(?s)a.b",                                       "a\nb",                true },
    {NV_REGEX_SEARCH,   "b$",                                            "ab\n",                false},
    {NV_REGEX_SEARCH,   "(?m)b$",                                        "ab\n",                true },
    {NV_REGEX_SEARCH,   "(?m)^$",                                        "ab\n",                true },
    {NV_REGEX_SEARCH,   "^(autofs|cgroup2?|proc)$",                      "cgroup",              true },
    {NV_REGEX_SEARCH,   "^(autofs|cgroup2?|proc)$",                      "cgroup2",             true },
    {NV_REGEX_SEARCH,   "^(autofs|cgroup2?|proc)$",                      "cgroup22",            false},
    {NV_REGEX_SEARCH,   "^/(dev|run/credentials/.+|sys)($|/)",           "/dev",                true },
    {NV_REGEX_SEARCH,   "^/(dev|run/credentials/.+|sys)($|/)",           "/dev/shm",            true },
    {NV_REGEX_SEARCH,   "^/(dev|run/credentials/.+|sys)($|/)",           "/devices",            false},
    {NV_REGEX_SEARCH,   "^/(dev|run/credentials/.+|sys)($|/)",           "/run/credentials/",   false},
    {NV_REGEX_SEARCH,   "^/(dev|run/credentials/.+|sys)($|/)",           "/run/credentials/a",  true },
    {NV_REGEX_SEARCH,   "^/(dev|run/credentials/.+|sys)($|/)",           "/run/credentials/\n", false},
    {NV_REGEX_SEARCH,   "^(z?ram|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$", "nvme0n1p2",           true },
    {NV_REGEX_SEARCH,   "^(z?ram|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$", "nvme0n1",             false},
    {NV_REGEX_SEARCH,   "^(pg.*fault|oom_kill).*",                       "pgmajfault",          true },
    {NV_REGEX_SEARCH,   "^\\d$",                                         "\xd9\xa3",            false}, /* ARABIC-INDIC DIGIT THREE */
    {NV_REGEX_SEARCH,   "^\\pN$",                                        "\xd9\xa3",            true },
    {NV_REGEX_SEARCH,   "^\\w$",                                         "\xc3\xa9",            false},
    {NV_REGEX_SEARCH,   "^\\p{Greek}$",                                  "\xce\xb1",            true },
    {NV_REGEX_SEARCH,   "^\\P{Greek}$",                                  "\xce\xb1",            false},
    {NV_REGEX_SEARCH,   "^\\s$",                                         "\v",                  false},
    {NV_REGEX_SEARCH,   "^\\v$",                                         "\n",                  false},
    {NV_REGEX_SEARCH,   "^(?i)k$",                                       "\xe2\x84\xaa",        true }, /* KELVIN SIGN */
    {NV_REGEX_SEARCH,   "^(?i)\\W$",                                     "\xe2\x84\xaa",        false}, /* folds to a word character */
    {NV_REGEX_SEARCH,   "^(?i:a)b$",                                     "Ab",                  true },
    {NV_REGEX_SEARCH,   "^(?i:a)b$",                                     "AB",                  false},
    {NV_REGEX_SEARCH,   "^[^\\x00-\\x{10FFFF}]$",                        "a",                   false},
    {NV_REGEX_SEARCH,   "^\\Qa.b\\E$",                                   "a.b",                 true },
    {NV_REGEX_SEARCH,   "^\\Qa.b\\E$",                                   "axb",                 false},
    {NV_REGEX_SEARCH,   "^a{,2}$",                                       "a{,2}",               true },
    {NV_REGEX_SEARCH,   "^a{2$",                                         "a{2",                 true },
    {NV_REGEX_SEARCH,   "^\\101\\x42\\x{43}$",                           "ABC",                 true },
    {NV_REGEX_SEARCH,   "^[[:word:]-]+$",                                "a_1-",                true },
    {NV_REGEX_SEARCH,   "^[]a]$",                                        "]",                   true },
    {NV_REGEX_SEARCH,   "^a.b$",
     "a\xff"
     "b",                                                                                       true }, /* a stray byte is one character */
    {NV_REGEX_SEARCH,   "^a..b$",
     "a\xff"
     "b",                                                                                       false},
    {NV_REGEX_SEARCH,   "^\\x{FFFD}$",                                   "\xff",                true },
    {NV_REGEX_SEARCH,   "^\\x{D800}$",                                   "\xed\xa0\x80",        false},
    {NV_REGEX_SEARCH,   "(?U)^a+$",                                      "aaa",                 true },
    {NV_REGEX_SEARCH,   "^(?P<x>a)(?<y>b)$",                             "ab",                  true },
};

START_TEST(a_verdict_is_that_of_re2)
{
    char error[NV_REGEX_ERROR_MAX];
    NV_AUTO(nv_regex) *regex = NULL;

    ck_assert_int_eq(nv_regex_new(nv_str(verdicts[_i].pattern), verdicts[_i].kind, &regex, error),
                     0);
    ck_assert_msg(nv_regex_match(regex, nv_str(verdicts[_i].text)) == verdicts[_i].matches,
                  "`%s` and `%s`", verdicts[_i].pattern, verdicts[_i].text);
    ck_assert(nv_str_is(nv_regex_pattern(regex), verdicts[_i].pattern));
}
END_TEST

static struct nv_regex *made(const char *pattern, enum nv_regex_kind kind)
{
    char error[NV_REGEX_ERROR_MAX];
    struct nv_regex *regex = NULL;

    ck_assert_msg(nv_regex_new(nv_str(pattern), kind, &regex, error) == 0, "%s", error);
    return regex;
}

START_TEST(an_alternation_of_literals_tells_them_sorted_and_once)
{
    NV_AUTO(nv_regex) *regex = made("b|a(c|d)|b|e?", NV_REGEX_ANCHORED);
    static const char *const want[] = {"", "ac", "ad", "b", "e"};
    const struct nv_str *got = NULL;

    ck_assert_uint_eq(nv_regex_literals(regex, &got), NV_LEN(want));
    for (size_t i = 0; i < NV_LEN(want); i++)
        ck_assert(nv_str_is(got[i], want[i]));
}
END_TEST

START_TEST(what_is_more_than_literals_tells_none)
{
    NV_AUTO(nv_regex) *prefix = made("a.*|b", NV_REGEX_ANCHORED);
    NV_AUTO(nv_regex) *search = made("a|b", NV_REGEX_SEARCH);
    const struct nv_str *got;

    ck_assert_uint_eq(nv_regex_literals(prefix, &got), 0);
    ck_assert_uint_eq(nv_regex_literals(search, &got), 0);
}
END_TEST

START_TEST(searching_on_behind_a_match_sees_what_stands_before)
{
    char error[NV_REGEX_ERROR_MAX];
    struct nv_str spans[2], text = NV_LIT("ab ab");
    NV_AUTO(nv_regex) *first = NULL, *word = NULL;

    ck_assert_int_eq(nv_regex_new(NV_LIT("^a"), NV_REGEX_SEARCH, &first, error), 0);
    ck_assert_int_eq(nv_regex_new(NV_LIT("\\b(b|a)"), NV_REGEX_SEARCH, &word, error), 0);
    ck_assert_uint_eq(nv_regex_search(first, text, 0, spans, 2), 1);
    ck_assert_uint_eq(nv_regex_search(first, text, 3, spans, 2), 0);
    ck_assert_uint_eq(nv_regex_search(word, text, 1, spans, 2), 2);
    ck_assert_ptr_eq(spans[1].p, text.p + 3);
    ck_assert_uint_eq(nv_regex_search(word, text, 5, spans, 2), 0);
    ck_assert_uint_eq(nv_regex_search(word, text, 6, spans, 2), 0);
}
END_TEST

START_TEST(groups_are_reported_and_a_group_without_part_is_null)
{
    NV_AUTO(nv_regex) *regex = made("(a+)(x)?(?P<rest>.*)", NV_REGEX_ANCHORED);
    struct nv_str spans[4];

    ck_assert_uint_eq(nv_regex_groups(regex, NV_LIT("aab\xff"), spans, 4), 4);
    ck_assert(nv_str_is(spans[0], "aab\xff"));
    ck_assert(nv_str_is(spans[1], "aa"));
    ck_assert_ptr_null(spans[2].p);
    ck_assert(nv_str_is(spans[3], "b\xff"));
    ck_assert_uint_eq(nv_regex_groups(regex, NV_LIT("b"), spans, 4), 0);
    ck_assert_uint_eq(nv_regex_groups(regex, NV_LIT("a"), spans, 2), 2);
}
END_TEST

START_TEST(a_replacement_is_expanded_as_go_does)
{
    static const struct {
        const char *replacement, *want;
    } cases[] = {
        {"$1-$2",     "host-9100"},
        {"${1}x",     "hostx"    },
        {"$1x",       ""         },
        {"$port",     "9100"     },
        {"${port}!",  "9100!"    },
        {"$$1",       "$1"       },
        {"a$",        "a$"       },
        {"${1",       "${1"      },
        {"$0",        "host:9100"},
        {"$9",        ""         },
        {"${nobody}", ""         },
        {"$-",        "$-"       },
    };
    NV_AUTO(nv_regex) *regex = made("(.*):(?P<port>\\d+)", NV_REGEX_ANCHORED);
    struct nv_str spans[3];

    size_t n = nv_regex_groups(regex, NV_LIT("host:9100"), spans, 3);
    ck_assert_uint_eq(n, 3);
    for (size_t i = 0; i < NV_LEN(cases); i++) {
        NV_AUTO_BUF out = NV_BUF(1024);
        nv_regex_expand(regex, nv_str(cases[i].replacement), spans, n, &out);
        ck_assert_str_eq(nv_buf_c_string(&out), cases[i].want);
    }
}
END_TEST

/* Seconds or hours without a limit. */
START_TEST(an_expression_that_explodes_gives_up)
{
    static const char *const patterns[] = {"(a+)+$", "(a|aa)+$", "(a|a)*\\d", "(?:.*a){20}b"};
    char text[4000];

    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '!';
    for (size_t i = 0; i < NV_LEN(patterns); i++) {
        NV_AUTO(nv_regex) *regex = made(patterns[i], NV_REGEX_SEARCH);
        ck_assert(!nv_regex_match(regex, (struct nv_str){text, sizeof(text)}));
    }
}
END_TEST

START_TEST(what_is_too_long_or_too_deep_is_refused)
{
    static char pattern[NV_REGEX_LENGTH_MAX + 1];
    char error[NV_REGEX_ERROR_MAX];
    struct nv_regex *regex = NULL;

    memset(pattern, 'a', sizeof(pattern));
    ck_assert_int_eq(
        nv_regex_new((struct nv_str){pattern, sizeof(pattern)}, NV_REGEX_SEARCH, &regex, error),
        -EINVAL);
    memset(pattern, '(', sizeof(pattern));
    ck_assert_int_eq(
        nv_regex_new((struct nv_str){pattern, NV_REGEX_LENGTH_MAX}, NV_REGEX_SEARCH, &regex, error),
        -EINVAL);
    ck_assert_int_eq(strncmp(error, "error parsing regexp: expression nests too deeply: `", 52), 0);
}
END_TEST

START_TEST(thousands_of_literals_need_no_engine)
{
    NV_AUTO_BUF pattern = NV_BUF(NV_REGEX_LENGTH_MAX);
    const struct nv_str *literals;

    for (int i = 0; i < 4000; i++)
        nv_buf_printf(&pattern, "%sname-%05d", i ? "|" : "", i);
    NV_AUTO(nv_regex) *regex = made(nv_buf_c_string(&pattern), NV_REGEX_ANCHORED);
    ck_assert_uint_eq(nv_regex_literals(regex, &literals), 4000);
    ck_assert(nv_regex_match(regex, NV_LIT("name-03999")));
    ck_assert(!nv_regex_match(regex, NV_LIT("name-04000")));
}
END_TEST

static void *match_often(void *p)
{
    for (int i = 0; i < 2000; i++) {
        ck_assert(nv_regex_match(p, NV_LIT("nvme0n1p2")));
        ck_assert(nv_regex_match(p, NV_LIT("nvme0n1p\xff"
                                           "2")) == false);
    }
    return NULL;
}

START_TEST(threads_share_an_expression)
{
    NV_AUTO(nv_regex) *regex = made("nvme\\d+n\\d+p\\d+", NV_REGEX_ANCHORED);
    pthread_t threads[4];

    for (size_t i = 0; i < NV_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, match_often, regex), 0);
    for (size_t i = 0; i < NV_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("regex");
    TCase *tcase = tcase_create("regex");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, what_re2_refuses_is_refused_in_its_words, 0, NV_LEN(refused));
    tcase_add_loop_test(tcase, a_verdict_is_that_of_re2, 0, NV_LEN(verdicts));
    tcase_add_test(tcase, an_alternation_of_literals_tells_them_sorted_and_once);
    tcase_add_test(tcase, what_is_more_than_literals_tells_none);
    tcase_add_test(tcase, searching_on_behind_a_match_sees_what_stands_before);
    tcase_add_test(tcase, groups_are_reported_and_a_group_without_part_is_null);
    tcase_add_test(tcase, a_replacement_is_expanded_as_go_does);
    tcase_add_test(tcase, an_expression_that_explodes_gives_up);
    tcase_add_test(tcase, what_is_too_long_or_too_deep_is_refused);
    tcase_add_test(tcase, thousands_of_literals_need_no_engine);
    tcase_add_test(tcase, threads_share_an_expression);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
