/*
 * test_relabel.c - rules that rewrite label sets.
 */
#include <check.h>

#include "base/buf.h"
#include "metric/relabel.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct nv_arena memory;

static void begin(void)
{
    memory = NV_ARENA(16 << 20);
}

static void end(void)
{
    nv_arena_done(&memory);
}

/* A rule in few words: source labels are separated by commas. NULL: as it is by default. */
struct rule {
    enum nv_relabel_action action;
    const char *source, *regex, *target, *replacement, *separator;
    uint64_t modulus;
};

static struct nv_relabel make(const struct rule *rule)
{
    struct nv_relabel made = NV_RELABEL_DEFAULT;
    struct nv_str *names = nv_arena_alloc(&memory, 8 * sizeof(*names));
    struct nv_str rest = nv_str(rule->source ? rule->source : "");
    char error[NV_REGEX_ERROR_MAX];

    made.action = rule->action;
    made.modulus = rule->modulus;
    made.source_labels = names;
    while (rest.n)
        names[made.n_source_labels++] = nv_str_cut(&rest, ',');
    if (rule->target)
        made.target_label = nv_str(rule->target);
    if (rule->replacement)
        made.replacement = nv_str(rule->replacement);
    if (rule->separator)
        made.separator = nv_str(rule->separator);
    if (rule->regex)
        ck_assert_int_eq(nv_regex_new(nv_str(rule->regex), NV_REGEX_ANCHORED, &made.regex, error),
                         0);
    return made;
}

/* Labels from "name=value name=value", sorted. */
static size_t split(const char *text, struct nv_label *labels)
{
    struct nv_str rest = nv_str(text);
    size_t n = 0;

    while (rest.n) {
        struct nv_str pair = nv_str_cut(&rest, ' ');
        labels[n].name = nv_str_cut(&pair, '=');
        labels[n++].value = pair;
    }
    return n;
}

static void show(struct nv_buf *out, const struct nv_label *labels, size_t n)
{
    nv_buf_reset(out);
    for (size_t i = 0; i < n; i++)
        nv_buf_printf(out, "%s%.*s=%.*s", i ? " " : "", NV_ARGS(labels[i].name),
                      NV_ARGS(labels[i].value));
}

static const struct {
    const char *before;
    struct rule rule;
    const char *after; /* NULL: dropped */
} cases[] = {
    {"a=foo b=bar c=baz",
     {NV_RELABEL_REPLACE, "a", "f(.*)", "d", "ch${1}-ch${1}", NULL, 0},
     "a=foo b=bar c=baz d=choo-choo"                                                                        },
    {"a=foo b=bar",
     {NV_RELABEL_REPLACE, "a,b", "f(.*);(.*)r", "a", "b${1}${2}m", NULL, 0},
     "a=boobam b=bar"                                                                                       },
    {"a=foo",                   {NV_RELABEL_REPLACE, "a", NULL, "b", NULL, NULL, 0},      "a=foo b=foo"     },
    {"a=foo",                   {NV_RELABEL_REPLACE, "a", "o", "b", "x", NULL, 0},        "a=foo"           },
    {"a=foo",                   {NV_RELABEL_REPLACE, "a", "f|foo", "b", "x", NULL, 0},    "a=foo b=x"       },
    {"a=foo b=bar",             {NV_RELABEL_REPLACE, "a", NULL, "b", "", NULL, 0},        "a=foo"           },
    {"a=foo b=bar",             {NV_RELABEL_REPLACE, "nope", "(.+)", "b", "x", NULL, 0},  "a=foo b=bar"     },
    {"a=foo b=bar",             {NV_RELABEL_REPLACE, "nope", NULL, "b", "$1", NULL, 0},   "a=foo"           },
    {"a=foo",                   {NV_RELABEL_REPLACE, NULL, NULL, "b", "fixed", NULL, 0},  "a=foo b=fixed"   },
    {"a=some-name-value",
     {NV_RELABEL_REPLACE, "a", "some-([^-]+)-([^,]+)", "${1}", "${2}", NULL, 0},
     "a=some-name-value name=value"                                                                         },
    {"a=some-name-value",
     {NV_RELABEL_REPLACE, "a", "some-([^-]*)-(.*)", "${3}", "${2}", NULL, 0},
     "a=some-name-value"                                                                                    },
    {"a=x.y",
     {NV_RELABEL_REPLACE, "a", "(?P<first>.)\\.(.)", "b", "${first}:$2", NULL, 0},
     "a=x.y b=x:y"                                                                                          },
    {"a=x b=y",                 {NV_RELABEL_REPLACE, "b,a", "(.*)", "c", "$1", "--", 0},  "a=x b=y c=y--x"  },
    {"a=\xc3\xbc",
     {NV_RELABEL_REPLACE, "a", NULL, "\xc3\xa4 b", NULL, NULL, 0},
     "a=\xc3\xbc \xc3\xa4 b=\xc3\xbc"                                                                       },
    {"a=foo",                   {NV_RELABEL_DROP, "a", ".*o.*", NULL, NULL, NULL, 0},     NULL              },
    {"a=foo",                   {NV_RELABEL_DROP, "a", "o", NULL, NULL, NULL, 0},         "a=foo"           },
    {"a=foo",                   {NV_RELABEL_DROP, NULL, NULL, NULL, NULL, NULL, 0},       NULL              },
    {"a=foo",                   {NV_RELABEL_KEEP, "a", "foo|x", NULL, NULL, NULL, 0},     "a=foo"           },
    {"a=foo",                   {NV_RELABEL_KEEP, "a", "no-match", NULL, NULL, NULL, 0},  NULL              },
    {"a=1 b=1",                 {NV_RELABEL_KEEPEQUAL, "a", NULL, "b", NULL, NULL, 0},    "a=1 b=1"         },
    {"a=1 b=2",                 {NV_RELABEL_KEEPEQUAL, "a", NULL, "b", NULL, NULL, 0},    NULL              },
    {"a=1 b=1",                 {NV_RELABEL_DROPEQUAL, "a", NULL, "b", NULL, NULL, 0},    NULL              },
    {"a=1 b=2",                 {NV_RELABEL_DROPEQUAL, "a", NULL, "b", NULL, NULL, 0},    "a=1 b=2"         },
    {"a=foo b=bar c=baz",
     {NV_RELABEL_HASHMOD, "c", NULL, "d", NULL, NULL, 1000},
     "a=foo b=bar c=baz d=976"                                                                              },
    {"a=foo\nbar",              {NV_RELABEL_HASHMOD, "a", NULL, "b", NULL, NULL, 1000},   "a=foo\nbar b=734"},
    {"a=foo b1=bar b2=baz",
     {NV_RELABEL_LABELMAP, NULL, "(b.*)", NULL, "bar_${1}", NULL, 0},
     "a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz"                                                            },
    {"__meta_my_bar=aaa a=foo",
     {NV_RELABEL_LABELMAP, NULL, "__meta_(my.*)", NULL, NULL, NULL, 0},
     "__meta_my_bar=aaa a=foo my_bar=aaa"                                                                   },
    {"a=x b=y",                 {NV_RELABEL_LABELMAP, NULL, "(.)", NULL, "a", NULL, 0},   "a=y b=y"         },
    {"a=foo b1=bar b2=baz",     {NV_RELABEL_LABELDROP, NULL, "b.*", NULL, NULL, NULL, 0}, "a=foo"           },
    {"a=foo b1=bar b2=baz",
     {NV_RELABEL_LABELKEEP, NULL, "b.*", NULL, NULL, NULL, 0},
     "b1=bar b2=baz"                                                                                        },
    {"a=FoO\xc3\x9c",
     {NV_RELABEL_LOWERCASE, "a", NULL, "b", NULL, NULL, 0},
     "a=FoO\xc3\x9c b=foo\xc3\xbc"                                                                          },
    {"a=FoO\xc3\xbc",           {NV_RELABEL_UPPERCASE, "a", NULL, "a", NULL, NULL, 0},    "a=FOO\xc3\x9c"   },
    {"a= b=x",                  {NV_RELABEL_DROP, "b", "never", NULL, NULL, NULL, 0},     "b=x"             },
    {"",                        {NV_RELABEL_LABELDROP, NULL, ".*", NULL, NULL, NULL, 0},  ""                },
};

START_TEST(each_action_does_what_prometheus_does)
{
    struct nv_label labels[8];
    const struct nv_label *after = NULL;
    size_t n = split(cases[_i].before, labels), n_after = 0;
    struct nv_relabel rule = make(&cases[_i].rule);
    NV_AUTO_BUF before = NV_BUF(1024), text = NV_BUF(1024);

    show(&before, labels, n);
    int r = nv_relabel(&rule, 1, &memory, labels, n, &after, &n_after);
    nv_relabel_done(&rule);
    ck_assert_int_eq(r, cases[_i].after ? 0 : NV_RELABEL_DROPPED);
    if (r == 0) {
        show(&text, after, n_after);
        ck_assert_str_eq(nv_buf_c_string(&text), cases[_i].after);
    }
    show(&text, labels, n);
    ck_assert(nv_str_eq(nv_buf_view(&text), nv_buf_view(&before))); /* the old set stays */
}
END_TEST

START_TEST(rules_see_what_those_before_them_did)
{
    static const struct rule words[] = {
        {NV_RELABEL_REPLACE,   "a",   "foo",     "b",  "bar",  NULL, 0},
        {NV_RELABEL_REPLACE,   "a,b", "foo;bar", "c",  "done", NULL, 0},
        {NV_RELABEL_LABELDROP, NULL,  "a",       NULL, NULL,   NULL, 0},
        {NV_RELABEL_KEEP,      "c",   "done",    NULL, NULL,   NULL, 0},
    };
    struct nv_relabel rules[COUNT(words)];
    struct nv_label labels[8];
    const struct nv_label *after = NULL;
    size_t n = split("a=foo", labels), n_after = 0;
    NV_AUTO_BUF text = NV_BUF(1024);

    for (size_t i = 0; i < COUNT(words); i++)
        rules[i] = make(&words[i]);
    ck_assert_int_eq(nv_relabel(rules, COUNT(rules), &memory, labels, n, &after, &n_after), 0);
    show(&text, after, n_after);
    ck_assert_str_eq(nv_buf_c_string(&text), "b=bar c=done");
    for (size_t i = 0; i < COUNT(rules); i++)
        nv_relabel_done(&rules[i]);
}
END_TEST

static const struct {
    struct rule rule;
    const char *error; /* NULL: fine */
} checks[] = {
    {{NV_RELABEL_REPLACE, "a", NULL, "b", NULL, NULL, 0},    NULL                            },
    {{NV_RELABEL_REPLACE, "a", NULL, NULL, NULL, NULL, 0},
     "relabel configuration for replace action requires 'target_label' value"                },
    {{NV_RELABEL_LOWERCASE, "a", NULL, NULL, NULL, NULL, 0},
     "relabel configuration for lowercase action requires 'target_label' value"              },
    {{NV_RELABEL_HASHMOD, "a", NULL, "b", NULL, NULL, 0},
     "relabel configuration for hashmod requires non-zero modulus"                           },
    {{NV_RELABEL_HASHMOD, "a", NULL, "b", NULL, NULL, 5},    NULL                            },
    {{NV_RELABEL_UPPERCASE, "a", NULL, "b", "x", NULL, 0},
     "'replacement' can not be set for uppercase action"                                     },
    {{NV_RELABEL_LABELDROP, NULL, "a", NULL, NULL, NULL, 0}, NULL                            },
    {{NV_RELABEL_LABELDROP, "a", "a", NULL, NULL, NULL, 0},
     "labeldrop action requires only 'regex', and no other fields"                           },
    {{NV_RELABEL_LABELKEEP, NULL, "a", "b", NULL, NULL, 0},
     "labelkeep action requires only 'regex', and no other fields"                           },
    {{NV_RELABEL_KEEPEQUAL, "a", "x", "b", NULL, NULL, 0},
     "keepequal action requires only 'source_labels' and `target_label`, and no other fields"},
    {{NV_RELABEL_DROPEQUAL, "a", NULL, "b", NULL, ",", 0},
     "dropequal action requires only 'source_labels' and `target_label`, and no other fields"},
    {{NV_RELABEL_LABELMAP, NULL, "a", NULL, "", NULL, 0},
     "\"\" is invalid 'replacement' for labelmap action"                                     },
    {{NV_RELABEL_REPLACE, "a", NULL, "\xff", NULL, NULL, 0},
     "\"\xff\" is invalid 'target_label' for replace action"                                 },
};

START_TEST(fields_that_do_not_go_together_are_refused)
{
    struct nv_relabel rule = make(&checks[_i].rule);
    char error[NV_RELABEL_ERROR_MAX] = "";
    int r = nv_relabel_check(&rule, error);

    nv_relabel_done(&rule);
    ck_assert_int_eq(r, checks[_i].error ? -EINVAL : 0);
    if (r < 0)
        ck_assert_str_eq(error, checks[_i].error);
}
END_TEST

START_TEST(a_value_that_grows_without_end_is_an_error)
{
    static const struct rule doubling = {NV_RELABEL_REPLACE, "a", "(.*)", "a", "$1$1", NULL, 0};
    struct nv_relabel rules[64];
    struct nv_label labels[1];
    const struct nv_label *after = NULL;
    size_t n = split("a=x", labels), n_after = 0;

    for (size_t i = 0; i < 64; i++)
        rules[i] = make(&doubling);
    int r = nv_relabel(rules, 64, &memory, labels, n, &after, &n_after);
    ck_assert(r == -E2BIG || r == -ENOMEM);
    for (size_t i = 0; i < 64; i++)
        nv_relabel_done(&rules[i]);
}
END_TEST

START_TEST(a_full_arena_is_an_error)
{
    static const struct rule add = {NV_RELABEL_REPLACE, "a", NULL, "b", NULL, NULL, 0};
    struct nv_arena none = NV_ARENA(0);
    struct nv_relabel rule = make(&add);
    struct nv_label labels[1];
    const struct nv_label *after = NULL;
    size_t n = split("a=x", labels), n_after = 0;

    ck_assert_int_eq(nv_relabel(&rule, 1, &none, labels, n, &after, &n_after), -ENOMEM);
    nv_relabel_done(&rule);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metric/relabel");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_loop_test(all, each_action_does_what_prometheus_does, 0, COUNT(cases));
    tcase_add_test(all, rules_see_what_those_before_them_did);
    tcase_add_loop_test(all, fields_that_do_not_go_together_are_refused, 0, COUNT(checks));
    tcase_add_test(all, a_value_that_grows_without_end_is_an_error);
    tcase_add_test(all, a_full_arena_is_an_error);
    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
