/*
 * test_parse.c - what parses, how it prints, and what is said of what does not.
 */
#include <check.h>
#include <errno.h>

#include "promql/ast.h"

/* Prints what `text` parses to, or its error. */
static const char *shown(const char *text)
{
    static char out[4096];
    struct nv_arena arena = NV_ARENA(16 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;
    NV_AUTO_BUF buf = NV_BUF(1 << 20);

    int r = nv_promql_parse(nv_str(text), NV_PROMQL_ALL, &arena, &promql, &error);
    if (r == -EINVAL)
        nv_promql_error_text(nv_str(text), &error, &buf);
    else
        nv_promql_print(&buf, promql.root);
    snprintf(out, sizeof(out), "%s", nv_buf_c_string(&buf));
    if (r == 0)
        nv_promql_done(&promql);
    nv_arena_done(&arena);
    return out;
}

static const char *const same[] = {
    "1",
    "-0.00005",
    "+Inf",
    "-Inf ^ 2",
    "NaN",
    "5m",
    "1h30m",
    "\"a\\n\\\"b\\\\\"",
    "up",
    "up{a=\"b\",c!=\"d\",e=~\"f|g\",h!~\"i\"}",
    "{\"my.metric\",\"l.x\"=\"v\"}",
    "{__name__=~\".+\"}",
    "rate(up[5m])",
    "up[5m] offset 1m",
    "up @ 10.500 offset -5m",
    "up @ start() offset 1w",
    "up[5m] @ end()",
    "up[1h:5m]",
    "up[1h:] @ -1.000 offset 1m",
    "rate(up[5m] offset 1m)[1h:1m]",
    "sum by (a, b) (up)",
    "sum without () (up)",
    "topk by (job) (3, up)",
    "count_values(\"v\", up)",
    "a + on (x) group_left (y) b",
    "a > bool ignoring (x, \"l.y\") b",
    "a == bool 1",
    "a and on () b or c unless d",
    "a + fill (0) b",
    "a * on (x) group_right () fill_left (1) fill_right (-2) b",
    "a </ 5",
    "-1 ^ 2",
    "-a * b",
    "2 ^ 3 ^ 2",
    "(a + b) * c",
    "up[2m * 15]",
    "up[step() + 1]",
    "up offset -min_of(step(), 1s)",
    "up offset 2s ^ 2",
    "up anchored",
    "rate(up[5m] smoothed offset 1m)",
    "sum + by",
    "start",
    "start() + end()",
    "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\")",
    "info(up, {k=~\".+\"})",
};

static const char *const canonical[][2] = {
    {" sum ( up ) by ( a ,b, ) # comment",  "sum by (a, b) (up)"              },
    {"up{b='1',a=`2`,}",                    "up{a=\"2\",b=\"1\"}"             },
    {"{'up'}",                              "up"                              },
    {"1_000 + 0x1F + 0755 + 1E3 + .5 + 5.", "1000 + 31 + 493 + 1000 + 0.5 + 5"},
    {"1 - -1",                              "1 - -1"                          },
    {"--1",                                 "1"                               },
    {"up[90m]",                             "up[1h30m]"                       },
    {"up[1800]",                            "up[30m]"                         },
    {"up[90d]",                             "up[90d]"                         },
    {"up[14d]",                             "up[2w]"                          },
    {"up offset -2 ^ 2",                    "up offset -2s ^ 2"               },
    {"SUM(up) AND ON() UP",                 "sum(up) and on () UP"            },
    {"\"\\x41\\u00e9\\101\"",               "\"A\xc3\xa9"
                              "A\""              },
};

static const char *const errors[][2] = {
    {"",                            "1:1: parse error: no expression found in input"                                  },
    {"1 +",                         "1:4: parse error: unexpected end of input"                                       },
    {"1 2",                         "1:3: parse error: unexpected number \"2\""                                       },
    {"sum(up",                      "1:7: parse error: unclosed left parenthesis"                                     },
    {"sum)",                        "1:4: parse error: unexpected right parenthesis ')'"                              },
    {"up{",                         "1:4: parse error: unexpected end of input inside braces"                         },
    {"up{a}",
     "1:5: parse error: unexpected \"}\" in label matching, expected label matching operator"                         },
    {"up{a=b}",                     "1:6: parse error: unexpected identifier \"b\" in label matching, expected string"},
    {"up[5m",                       "1:6: parse error: unclosed left bracket"                                         },
    {"\nfoo(up)",                   "2:1: parse error: unknown function with name \"foo\""                            },
    {"rate(up)",                    "1:6: parse error: expected type range vector in call to function \"rate\", got "
                 "instant vector"                                                                     },
    {"rate()",                      "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"             },
    {"round(up, 1, 2)",
     "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"                                   },
    {"rate(up[5m],)",               "1:12: parse error: trailing commas not allowed in function call args"            },
    {"sum()",                       "1:1: parse error: no arguments for aggregate expression provided"                },
    {"topk(up)",                    "1:1: parse error: wrong number of arguments for aggregate expression provided, "
                 "expected 2, got 1"                                                                  },
    {"sum(up[5m])",
     "1:5: parse error: expected type instant vector in aggregation expression, got range vector"                     },
    {"1 == 1",                      "1:1: parse error: comparisons between scalars must use BOOL modifier"            },
    {"a + bool b",                  "1:1: parse error: bool modifier can only be used on comparison operators"        },
    {"a and 1",                     "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"  },
    {"a[5m] + 1",
     "1:1: parse error: binary expression must contain only scalar and instant vector types"                          },
    {"1 + on(a) b",                 "1:1: parse error: vector matching only allowed between instant vectors"          },
    {"a and on(x) group_left(y) b", "1:1: parse error: no grouping allowed for \"and\" operation"                     },
    {"a + on(x) group_left(x) b",
     "1:1: parse error: label \"x\" must not occur in ON and GROUP clause at once"                                    },
    {"-a[5m]",                      "1:1: parse error: unary expression only allowed on expressions of type scalar or "
               "instant vector, got \"range vector\""                                                   },
    {"1[5m]",                       "1:2: parse error: ranges only allowed for vector selectors"                      },
    {"a offset 1m [5m]",            "1:13: parse error: no offset modifiers allowed before range"                     },
    {"a @ 1 [5m]",                  "1:7: parse error: no @ modifiers allowed before range"                           },
    {"a offset 1m offset 1m",       "1:1: parse error: offset may not be set multiple times"                          },
    {"(a) offset 1m",               "1:1: parse error: offset modifier must be preceded by an instant vector "
                      "selector or range vector selector or a subquery"                          },
    {"up{__name__=\"a\"}",          "1:1: parse error: metric name must not be set twice: \"up\" or \"a\""            },
    {"{a=\"\"}",                    "1:1: parse error: vector selector must contain at least one non-empty matcher"   },
    {"up{a=~\"(\"}",                "1:7: parse error: error parsing regexp: missing closing ): `(`"                  },
    {"up[0]",                       "1:4: parse error: duration must be greater than 0"                               },
    {"1[5m:]",                      "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"},
    {"\"a\\q\"",                    "1:1: parse error: unknown escape sequence U+0071 'q'"                            },
    {"\"a",                         "1:1: parse error: unterminated quoted string"                                    },
    {"5mm",                         "1:1: parse error: bad number or duration syntax: \"5mm\""                        },
    {"300y",                        "1:1: parse error: duration out of range"                                         },
    {"info(up, foo)",
     "1:10: parse error: expected label selectors only, got vector selector instead"                                  },
    {"bool",                        "1:1: parse error: unexpected <bool>"                                             },
};

START_TEST(canonical_text_prints_as_it_is)
{
    ck_assert_str_eq(shown(same[_i]), same[_i]);
}
END_TEST

START_TEST(other_spellings_print_canonically)
{
    ck_assert_str_eq(shown(canonical[_i][0]), canonical[_i][1]);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_its_place)
{
    ck_assert_str_eq(shown(errors[_i][0]), errors[_i][1]);
}
END_TEST

/* Parses and writes with `write`. */
static const char *written(const char *text, void (*write)(struct nv_buf *, const struct nv_expr *))
{
    static char out[4096];
    struct nv_arena arena = NV_ARENA(16 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;
    NV_AUTO_BUF buf = NV_BUF(1 << 20);

    ck_assert_int_eq(nv_promql_parse(nv_str(text), NV_PROMQL_ALL, &arena, &promql, &error), 0);
    write(&buf, promql.root);
    snprintf(out, sizeof(out), "%s", nv_buf_c_string(&buf));
    nv_promql_done(&promql);
    nv_arena_done(&arena);
    return out;
}

#define LONG "{instance=\"node-with-a-long-name:9100\",job=\"node-exporter\"}"

static const char *const lines[][2] = {
    {"sum(rate(a[5m]))",                                                                          "sum(rate(a[5m]))"                        },
    {"-(a" LONG " + b" LONG ")",                                                                  "-(\n    a" LONG "\n  +\n    b" LONG "\n)"},
    {"sum by (x) (rate(a" LONG "[5m]) / on (y) group_left () (b" LONG " or c))",
     "sum by (x) (\n"
     "    rate(a" LONG "[5m])\n"
     "  / on (y) group_left ()\n"
     "    (b" LONG " or c)\n"
     ")"                                                                                                                                    },
    {"topk(5, max_over_time(rate(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" LONG "[5m])[1h:1m] offset 1d))",
     "topk(\n"
     "  5,\n"
     "  max_over_time(\n"
     "    rate(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" LONG "[5m])[1h:1m] offset 1d\n"
     "  )\n"
     ")"                                                                                                                                    },
};

START_TEST(long_expressions_go_over_several_lines)
{
    char once[4096];

    snprintf(once, sizeof(once), "%s", written(lines[_i][0], nv_promql_prettify));
    ck_assert_str_eq(once, lines[_i][1]);
    ck_assert_str_eq(written(once, nv_promql_prettify), once);
}
END_TEST

static const char *const trees[][2] = {
    {"-1.5",                        "{\"type\":\"numberLiteral\",\"val\":\"-1.5\"}"            },
    {"\"a\\\"\\n\"",                "{\"type\":\"stringLiteral\",\"val\":\"a\\\"\\n\"}"        },
    {"up{a!=\"b\"} @ 10 offset 1m",
     "{\"type\":\"vectorSelector\",\"name\":\"up\",\"offset\":60000,\"timestamp\":10000,"
     "\"startOrEnd\":null,\"matchers\":[{\"name\":\"__name__\",\"value\":\"up\",\"type\":\"=\"},"
     "{\"name\":\"a\",\"value\":\"b\",\"type\":\"!=\"}],\"anchored\":false,\"smoothed\":false}"},
    {"up[step() + 1]",
     "{\"type\":\"matrixSelector\",\"name\":\"up\",\"range\":0,\"rangeExpr\":{\"type\":"
     "\"durationExpr\",\"op\":\"+\",\"lhs\":{\"type\":\"durationExpr\",\"op\":\"step\",\"lhs\":"
     "null,"
     "\"rhs\":null,\"wrapped\":false},\"rhs\":{\"type\":\"numberLiteral\",\"val\":\"1\"},"
     "\"wrapped\":"
     "false},\"offset\":0,\"timestamp\":null,\"startOrEnd\":null,\"matchers\":[{\"name\":\"__name__"
     "\","
     "\"value\":\"up\",\"type\":\"=\"}],\"anchored\":false,\"smoothed\":false}"                },
    {"1 > bool 2",
     "{\"type\":\"binaryExpr\",\"op\":\">\",\"lhs\":{\"type\":\"numberLiteral\",\"val\":\"1\"},"
     "\"rhs\":{\"type\":\"numberLiteral\",\"val\":\"2\"},\"matching\":null,\"bool\":true}"     },
    {"round(vector(1))",            "{\"type\":\"call\",\"func\":{\"name\":\"round\",\"argTypes\":[\"vector\","
                         "\"scalar\"],\"variadic\":1,"
                         "\"returnType\":\"vector\"},\"args\":[{\"type\":\"call\",\"func\":{"
                         "\"name\":\"vector\",\"argTypes\":"
                         "[\"scalar\"],\"variadic\":0,\"returnType\":\"vector\"},\"args\":[{"
                         "\"type\":\"numberLiteral\",\"val\":"
                         "\"1\"}]}]}"                                  },
};

START_TEST(trees_are_told_as_json)
{
    ck_assert_str_eq(written(trees[_i][0], nv_promql_json), trees[_i][1]);
}
END_TEST

START_TEST(lists_of_labels_are_bounded)
{
    NV_AUTO_BUF matchers = NV_BUF(1 << 20), names = NV_BUF(1 << 20);
    struct nv_arena arena = NV_ARENA(16 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;

    nv_buf_text(&matchers, "up{");
    nv_buf_text(&names, "sum by (");
    for (int i = 0; i <= NV_PROMQL_LABELS_MAX; i++) {
        nv_buf_text(&matchers, "a!=\"b\",");
        nv_buf_text(&names, "a,");
    }
    nv_buf_text(&matchers, "}");
    nv_buf_text(&names, ") (up)");
    ck_assert_int_eq(nv_promql_parse(nv_buf_view(&matchers), 0, &arena, &promql, &error), -EINVAL);
    ck_assert_str_eq(error.text, "too many label matchers");
    ck_assert_int_eq(nv_promql_parse(nv_buf_view(&names), 0, &arena, &promql, &error), -EINVAL);
    ck_assert_str_eq(error.text, "too many label names");
    nv_arena_done(&arena);
}
END_TEST

START_TEST(experimental_things_are_refused_unless_enabled)
{
    static const char *const texts[] = {"limitk(1, up)", "mad_over_time(up[1m])", "a + fill(0) b",
                                        "up anchored"};
    struct nv_promql promql;
    struct nv_promql_error error;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct nv_arena arena = NV_ARENA(1 << 20);
        ck_assert_int_eq(nv_promql_parse(nv_str(texts[i]), 0, &arena, &promql, &error), -EINVAL);
        ck_assert(strstr(error.text, "not enabled") || strstr(error.text, "experimental"));
        nv_arena_done(&arena);
    }
}
END_TEST

/* A thousand of each would end the stack of a careless parser. */
START_TEST(deep_nesting_is_refused)
{
    static const char *const pieces[] = {
        "(", "-", "a + ", "2 ^ ", "abs(", "sum by (a) (", "up offset -", "up[(", "up[-", "up[1 + "};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        NV_AUTO_BUF text = NV_BUF(8 << 20);
        struct nv_arena arena = NV_ARENA(512 << 20);
        struct nv_promql promql;
        struct nv_promql_error error;
        for (int k = 0; k < 100000; k++)
            nv_buf_text(&text,
                        k && i >= 6 ? strchr(pieces[i], i == 6 ? '-' : '[') + (i != 6) : pieces[i]);
        nv_buf_text(&text, "1");
        int r = nv_promql_parse(nv_buf_view(&text), NV_PROMQL_ALL, &arena, &promql, &error);
        ck_assert_int_eq(r, -EINVAL);
        ck_assert_str_eq(error.text, "expression is nested too deeply");
        nv_arena_done(&arena);
    }
}
END_TEST

/* Ten megabytes of one thing are refused, four are parsed or refused; no kind takes long. */
START_TEST(long_expressions_end)
{
    static const char *const pieces[][3] = {
        {"a",                          " + a",          ""     },
        {"label_join(a, \"b\", \"c\"", ", \"d\"",       ")"    },
        {"{",                          "a!=\"b\",",     "}"    },
        {"sum by (",                   "a,",            ") (b)"},
        {"\"",                         "a\\n",          "\""   },
        {"a[",                         "1+",            "1]"   },
        {"",                           "# comment\n",   "a"    },
        {"round(",                     "a,",            "a)"   },
        {"1",                          "00000000",      ""     },
        {"a",                          "aaaaaaaaa",     ""     },
        {"a ",                         "and on (x) a ", ""     },
        {"a{b=~\"",                    "x|",            "y\"}" },
    };
    struct nv_promql promql;
    struct nv_promql_error error;

    for (size_t i = 0; i < 2 * sizeof(pieces) / sizeof(pieces[0]); i++) {
        const char *const *p = pieces[i / 2];
        size_t most = i % 2 ? (size_t)10 << 20 : NV_PROMQL_LENGTH_MAX - 64;
        NV_AUTO_BUF text = NV_BUF(11 << 20), out = NV_BUF(32 << 20);
        struct nv_arena arena = NV_ARENA(64 << 20);
        nv_buf_text(&text, p[0]);
        while (text.n < most)
            nv_buf_text(&text, p[1]);
        nv_buf_text(&text, p[2]);
        int r = nv_promql_parse(nv_buf_view(&text), NV_PROMQL_ALL, &arena, &promql, &error);
        if (i % 2) {
            ck_assert_int_eq(r, -EINVAL);
            ck_assert_str_eq(error.text, "expression is too long");
        }
        ck_assert(r == 0 || r == -EINVAL || r == -ENOMEM);
        if (r == 0) {
            nv_promql_print(&out, promql.root);
            nv_promql_prettify(&out, promql.root);
            nv_promql_json(&out, promql.root);
            nv_promql_done(&promql);
        }
        nv_arena_done(&arena);
    }
}
END_TEST

START_TEST(every_limit_of_memory_is_met_with_an_error)
{
    struct nv_str text =
        NV_LIT("sum by (a) (rate(x{a=~\"b|c.*d\"}[5m] offset 1m)) / on(a) y[1h:1m]");

    for (size_t max = 0; max < 8192; max += 64) {
        struct nv_arena arena = NV_ARENA(max);
        struct nv_promql promql;
        struct nv_promql_error error;
        int r = nv_promql_parse(text, 0, &arena, &promql, &error);
        ck_assert(r == -ENOMEM || r == -EINVAL);
        nv_arena_done(&arena);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/parse");
    TCase *c = tcase_create("parse");

    tcase_add_loop_test(c, canonical_text_prints_as_it_is, 0, sizeof(same) / sizeof(same[0]));
    tcase_add_loop_test(c, other_spellings_print_canonically, 0,
                        sizeof(canonical) / sizeof(canonical[0]));
    tcase_add_loop_test(c, what_is_wrong_is_said_with_its_place, 0,
                        sizeof(errors) / sizeof(errors[0]));
    tcase_add_loop_test(c, long_expressions_go_over_several_lines, 0,
                        sizeof(lines) / sizeof(lines[0]));
    tcase_add_loop_test(c, trees_are_told_as_json, 0, sizeof(trees) / sizeof(trees[0]));
    tcase_add_test(c, lists_of_labels_are_bounded);
    tcase_add_test(c, experimental_things_are_refused_unless_enabled);
    tcase_add_test(c, deep_nesting_is_refused);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, long_expressions_end);
    tcase_add_test(c, every_limit_of_memory_is_met_with_an_error);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
