/*
 * test_rule_file.c - rule files: what they may say, and how they are refused. The fixtures are those of
 * ../shared/fixtures/rules and rules-real, whose READMEs tell what becomes of each.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>

#include "promql/ast.h"
#include "rules/rule_file.h"
#include "support/fixture.h"

static struct nv_rule_set *set;
static struct nv_buf mistakes;
static struct nv_rule_file_options options;

static void begin(void)
{
    set = nv_rule_set_new();
    mistakes = NV_BUF(NV_RULE_MISTAKES_MAX);
    options = (struct nv_rule_file_options){0};
}

static void end(void)
{
    nv_rule_set_free(set);
    nv_buf_done(&mistakes);
}

static int add(const char *text)
{
    return nv_rule_set_add_text(set, "r.yml", nv_str(text), &options, &mistakes);
}

#define ck_mistakes(text, want)                                                                    \
    do {                                                                                           \
        ck_assert_int_eq(add(text), -EBADMSG);                                                     \
        ck_assert_str_eq(nv_buf_c_string(&mistakes), want);                                        \
        ck_assert_uint_eq(set->n_groups, 0);                                                       \
        ck_assert_uint_eq(set->n_rules, 0);                                                        \
    } while (0)

START_TEST(every_field_of_every_kind_is_read)
{
    ck_assert_int_eq(add("groups:\n"
                         "- name: g\n"
                         "  interval: 15s\n"
                         "  query_offset: 0s\n"
                         "  limit: 7\n"
                         "  labels: {team: infra, severity: none}\n"
                         "  rules:\n"
                         "  - {record: 'a:b', expr: ' sum(x) ', labels: {z: \"1\", unit: s}}\n"
                         "  - {alert: Down, expr: up == 0, for: 1h30m, keep_firing_for: 5m,\n"
                         "     labels: {severity: page}, annotations: {summary: '{{ $value }}'}}\n"
                         "- name: h\n"),
                     0);
    ck_assert_uint_eq(set->n_groups, 2);
    ck_assert_uint_eq(set->n_rules, 2);
    const struct nv_rule_group_def *g = &set->groups[0];
    ck_assert_int_eq(g->interval_ms, 15000);
    ck_assert_int_eq(g->query_offset_ms, 0);
    ck_assert_uint_eq(g->limit, 7);
    ck_assert(nv_str_is(g->rules[0].expr, "sum(x)"));
    ck_assert_uint_eq(g->rules[0].n_labels, 4);
    ck_assert(nv_str_is(g->rules[0].labels[0].name, "severity"));
    ck_assert(nv_str_is(g->rules[0].labels[0].value, "none"));
    ck_assert(nv_str_is(g->rules[0].labels[3].name, "z"));
    ck_assert(g->rules[1].is_alert);
    ck_assert_int_eq(g->rules[1].for_ms, 5400000);
    ck_assert_int_eq(g->rules[1].keep_firing_ms, 300000);
    ck_assert(nv_str_is(g->rules[1].labels[0].value, "page"));
    ck_assert(nv_str_is(g->rules[1].annotations[0].name, "summary"));
    ck_assert_uint_eq(g->rules[1].line, 9);
    ck_assert_int_eq(set->groups[1].query_offset_ms, -1);
    ck_assert_int_eq(set->groups[1].interval_ms, 0);
}
END_TEST

START_TEST(an_empty_file_has_no_groups)
{
    ck_assert_int_eq(add(""), 0);
    ck_assert_int_eq(add("groups:\n"), 0);
    ck_assert_int_eq(add("# nothing\n---\n"), 0);
    ck_assert_uint_eq(set->n_groups, 0);
    ck_assert_uint_eq(set->n_files, 3);
}
END_TEST

START_TEST(the_first_document_of_a_file_counts)
{
    static const char *const texts[] = {
        "groups: [{name: a}]\n---\ngroups: [{name: b}]\n",
        "# x\n\n%YAML 1.1\n---\ngroups: [{name: a}]\n...\n# no\n---\n- what: [is this\n",
        "--- # y\ngroups: [{name: a, rules: [{record: r, expr: 'a --- 1'}]}]\n",
        "groups: [{name: a}]\n---\n",
    };
    static const size_t more[] = {1, 2, 2, 2};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(add(texts[i]) == 0, "%zu: %s", i, nv_buf_c_string(&mistakes));
        ck_assert_uint_eq(set->n_groups, i + 1);
        ck_assert_uint_eq(set->n_more, more[i]);
    }
}
END_TEST

START_TEST(mistakes_are_told_with_file_place_group_and_rule)
{
    ck_mistakes(
        "groups:\n- name: g\n  rules:\n  - {record: r, expr: 'sum(x'}\n",
        "r.yml: 4:23: group \"g\", rule 1, \"r\": could not parse expression: 1:6: parse error: "
        "unclosed left parenthesis\n");
}
END_TEST

START_TEST(all_mistakes_of_a_file_are_told_at_once)
{
    ck_mistakes(
        "groups:\n"
        "- name: g\n"
        "  rules:\n"
        "  - {record: r, alert: A, expr: '1'}\n"
        "  - {expr: '1'}\n"
        "  - {record: r}\n"
        "  - {record: r, expr: '1', for: 5m, keep_firing_for: 1m, annotations: {a: b}}\n"
        "  - {record: 'a{b=\"c\"}', expr: '1'}\n"
        "  - {alert: A, expr: '1', labels: {__name__: x}}\n"
        "  - {alert: A, expr: '1', fro: 5m}\n"
        "- name: g\n"
        "- {rules: []}\n",
        "r.yml: 4:14: 4:24: group \"g\", rule 1, \"r\": only one of 'record' and 'alert' must be "
        "set\n"
        "r.yml: 5:5: group \"g\", rule 2, \"\": one of 'record' or 'alert' must be set\n"
        "r.yml: 6:5: group \"g\", rule 3, \"r\": field 'expr' must be set in rule\n"
        "r.yml: 7:14: 7:71: group \"g\", rule 4, \"r\": invalid field 'annotations' in recording "
        "rule\n"
        "r.yml: 7:14: 7:33: group \"g\", rule 4, \"r\": invalid field 'for' in recording rule\n"
        "r.yml: 7:14: 7:54: group \"g\", rule 4, \"r\": invalid field 'keep_firing_for' in "
        "recording rule\n"
        "r.yml: 8:14: group \"g\", rule 5, \"a{b=\"c\"}\": braces present in the recording rule "
        "name; "
        "should it be in expr?: a{b=\"c\"}\n"
        "r.yml: 9:36: group \"g\", rule 6, \"A\": invalid label name: __name__\n"
        "r.yml: 10:27: group \"g\", rule 7, \"A\": field fro not found\n"
        "r.yml: 11:3: groupname: \"g\" is repeated in the same file\n"
        "r.yml: 12:3: Groupname must not be empty\n");
}
END_TEST

START_TEST(templates_are_parsed_when_a_file_is_read)
{
    ck_assert_int_eq(add("groups:\n- name: g\n  rules:\n"
                         "  - {alert: A, expr: '1', annotations: {x: '{{ $nothing }}'}}\n"),
                     -EBADMSG);
    ck_assert_ptr_nonnull(
        strstr(nv_buf_c_string(&mistakes),
               "group \"g\", rule 1, \"A\": annotation \"x\": template: __alert_A:1:"));
}
END_TEST

START_TEST(durations_have_whole_numbers_and_limits_do_too)
{
    ck_mistakes("groups:\n- {name: g, interval: 1.5m, limit: -1}\n",
                "r.yml: 2:23: not a valid duration string: \"1.5m\"\n"
                "r.yml: 2:36: limit must be a whole number from 0: \"-1\"\n");
}
END_TEST

START_TEST(names_of_the_old_scheme_are_asked_for)
{
    static const char text[] = "groups:\n- name: g\n  rules:\n"
                               "  - {record: 'a.b', expr: '1', labels: {'x-y': z}}\n";
    ck_assert_int_eq(add(text), 0);
    options.legacy_names = true;
    ck_assert_int_eq(add(text), -EBADMSG);
    ck_assert_str_eq(nv_buf_c_string(&mistakes),
                     "r.yml: 4:14: group \"g\", rule 1, \"a.b\": invalid recording rule name: a.b\n"
                     "r.yml: 4:41: group \"g\", rule 1, \"a.b\": invalid label name: x-y\n");
}
END_TEST

START_TEST(groups_are_the_same_by_all_they_say)
{
    static const char *const texts[] = {
        "groups: [{name: g, rules: [{alert: A, expr: '1', labels: {a: b}}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: '2', labels: {a: b}}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: '1', labels: {a: c}}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: '1', labels: {a: b}, for: 1s}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: '1', labels: {a: b}, annotations: {a: b}}]}]",
        "groups: [{name: g, limit: 1, rules: [{alert: A, expr: '1', labels: {a: b}}]}]",
        "groups: [{name: g, query_offset: 0s, rules: [{alert: A, expr: '1', labels: {a: b}}]}]",
        "groups: [{name: g, rules: [{record: A, expr: '1', labels: {a: b}}]}]",
    };
    size_t n = sizeof(texts) / sizeof(texts[0]);

    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(add(texts[i]), 0);
    ck_assert_int_eq(add("groups:\n# moved\n\n- name: g\n  rules:\n  - alert: A\n    expr: '1'\n"
                         "    labels: {a: b}\n"),
                     0);
    ck_assert(nv_rule_group_same(&set->groups[0], &set->groups[n]));
    for (size_t i = 1; i < n; i++)
        ck_assert_msg(!nv_rule_group_same(&set->groups[0], &set->groups[i]), "%s", texts[i]);
}
END_TEST

START_TEST(rules_that_are_there_twice_are_told)
{
    NV_AUTO_BUF out = NV_BUF(4096);

    ck_assert_int_eq(add("groups:\n- name: g\n  labels: {a: b}\n  rules:\n"
                         "  - {record: job:test:count, expr: '1'}\n"
                         "  - {record: job:test:count, expr: '2', labels: {a: b}}\n"
                         "  - {record: job:test:count, expr: '2', labels: {a: c}}\n"),
                     0);
    ck_assert_uint_eq(nv_rule_set_duplicates(set, 0, &out), 1);
    ck_assert_str_eq(nv_buf_c_string(&out),
                     "1 duplicate rule(s) found.\n"
                     "Metric: job:test:count\n"
                     "Label(s):\n"
                     "\ta: b\n"
                     "Might cause inconsistency while recording expressions\n");
}
END_TEST

/* ---- fixtures ------------------------------------------------------------------------------- */

static int add_shared(const char *path)
{
    const char *full = nv_shared(path);

    ck_assert_ptr_nonnull(full);
    nv_buf_reset(&mistakes);
    return nv_rule_set_add_file(set, full, &options, &mistakes);
}

START_TEST(the_files_of_rulefmt_are_taken_or_refused_as_their_names_say)
{
    struct dirent **entries;
    char path[512];
    int seen = 0, n = scandir(nv_shared("fixtures/rules/rulefmt"), &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        bool bad = strstr(name, ".bad.") && !strstr(name, "legacy_validation");
        snprintf(path, sizeof(path), "fixtures/rules/rulefmt/%s", name);
        if (name[0] != '.') {
            ck_assert_msg((add_shared(path) < 0) == bad, "%s: %s", name,
                          nv_buf_c_string(&mistakes));
            seen++;
        }
        free(entries[i]);
    }
    free(entries);
    ck_assert_int_eq(seen, 16);
    options.legacy_names = true;
    ck_assert_int_lt(add_shared("fixtures/rules/rulefmt/legacy_validation_annotation.bad.yaml"), 0);
    ck_assert_int_eq(add_shared("fixtures/rules/rulefmt/legacy_validation_annotation.good.yaml"),
                     0);
}
END_TEST

START_TEST(the_files_of_promtool_are_taken_or_refused_as_the_readme_says)
{
    static const struct {
        const char *name;
        unsigned features;
        bool ignore_unknown, bad;
    } files[] = {
        {"rules.yml",                 0,                                                                  false, false},
        {"at-modifier.yml",           0,                                                                  false, false},
        {"negative-offset.yml",       0,                                                                  false, false},
        {"features.yml",              0,                                                                  false, true },
        {"features.yml",              NV_PROMQL_EXPERIMENTAL | NV_PROMQL_EXTENDED_RANGE | NV_PROMQL_FILL, false,
         false                                                                                                        },
        {"rules_duplicates.yml",      0,                                                                  false, false},
        {"prometheus-rules.lint.yml", 0,                                                                  false, false},
        {"rules_extrafields.yml",     0,                                                                  false, true },
        {"rules_extrafields.yml",     0,                                                                  true,  false},
        {"rules_large.yml",           0,                                                                  false, false},
        {"rules-bad.yml",             0,                                                                  false, true },
        {"bad-rules-syntax.yml",      0,                                                                  false, true },
        {"bad-rules-error.yml",       0,                                                                  false, false},
    };
    char path[256];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "fixtures/rules/promtool/%s", files[i].name);
        options.features = files[i].features;
        options.ignore_unknown = files[i].ignore_unknown;
        ck_assert_msg((add_shared(path) < 0) == files[i].bad, "%s: %s", files[i].name,
                      nv_buf_c_string(&mistakes));
    }
}
END_TEST

START_TEST(the_lint_tells_of_the_files_made_for_it)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    ck_assert_int_eq(add_shared("fixtures/rules/promtool/rules_duplicates.yml"), 0);
    ck_assert_uint_gt(nv_rule_set_duplicates(set, 0, &out), 0);
    size_t first = set->n_groups;
    ck_assert_int_eq(add_shared("fixtures/rules/promtool/prometheus-rules.lint.yml"), 0);
    ck_assert_uint_gt(nv_rule_set_duplicates(set, first, &out), 0);
    first = set->n_groups;
    ck_assert_int_eq(add_shared("fixtures/rules/promtool/rules.yml"), 0);
    ck_assert_uint_eq(nv_rule_set_duplicates(set, first, &out), 0);
}
END_TEST

START_TEST(rule_files_of_the_world_load_unchanged)
{
    static const char *const files[] = {"node-exporter", "kubernetes-node",
                                        "kube-prometheus-general", "kube-state-metrics"};
    char path[256];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "fixtures/rules-real/%s.yaml", files[i]);
        ck_assert_msg(add_shared(path) == 0, "%s", nv_buf_c_string(&mistakes));
    }
    ck_assert_uint_gt(set->n_rules, 100);
}
END_TEST

START_TEST(a_file_cut_at_any_byte_is_taken_or_refused)
{
    const char *path = nv_shared("fixtures/rules/rulefmt/test_aliases.yaml");
    struct nv_arena memory = NV_ARENA(1 << 20);
    char error[NV_YAML_ERROR_MAX];
    struct nv_str text;

    ck_assert_int_eq(nv_config_read_file(path, &memory, &text, error), 0);
    for (size_t n = 0; n < text.n; n++) {
        nv_buf_reset(&mistakes);
        int r = nv_rule_set_add_text(set, "cut", (struct nv_str){text.p, n}, &options, &mistakes);
        ck_assert(r == 0 || (r == -EBADMSG && mistakes.n));
    }
    nv_arena_done(&memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rule_file");
    TCase *own = tcase_create("own"), *shared = tcase_create("shared");

    tcase_add_checked_fixture(own, begin, end);
    tcase_add_checked_fixture(shared, begin, end);
    tcase_set_timeout(shared, 120);
    tcase_add_test(own, every_field_of_every_kind_is_read);
    tcase_add_test(own, an_empty_file_has_no_groups);
    tcase_add_test(own, the_first_document_of_a_file_counts);
    tcase_add_test(own, mistakes_are_told_with_file_place_group_and_rule);
    tcase_add_test(own, all_mistakes_of_a_file_are_told_at_once);
    tcase_add_test(own, templates_are_parsed_when_a_file_is_read);
    tcase_add_test(own, durations_have_whole_numbers_and_limits_do_too);
    tcase_add_test(own, names_of_the_old_scheme_are_asked_for);
    tcase_add_test(own, groups_are_the_same_by_all_they_say);
    tcase_add_test(own, rules_that_are_there_twice_are_told);
    suite_add_tcase(suite, own);
    tcase_add_test(shared, the_files_of_rulefmt_are_taken_or_refused_as_their_names_say);
    tcase_add_test(shared, the_files_of_promtool_are_taken_or_refused_as_the_readme_says);
    tcase_add_test(shared, the_lint_tells_of_the_files_made_for_it);
    tcase_add_test(shared, rule_files_of_the_world_load_unchanged);
    tcase_add_test(shared, a_file_cut_at_any_byte_is_taken_or_refused);
    bool found = nv_shared("fixtures/rules") != NULL;
    if (found)
        suite_add_tcase(suite, shared);
    else
        printf("../shared/fixtures/rules is not there: its files were not tried\n");
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : found ? 0 : 77;
}
