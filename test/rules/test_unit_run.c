/*
 * test_unit_run.c - `test rules`: verdicts as promtool's over its own files in ../shared/fixtures/rules/promtool, and what
 * a failure says.
 */
#include <check.h>
#include <stdio.h>

#include "promql/ast.h"
#include "rules/unit_run.h"
#include "support/fixture.h"

static struct nv_buf out, warnings;

static void begin(void)
{
    out = NV_BUF(NV_UNIT_OUTPUT_MAX);
    warnings = NV_BUF(NV_UNIT_OUTPUT_MAX);
}

static void end(void)
{
    nv_buf_done(&out);
    nv_buf_done(&warnings);
}

static int run(const char *path, const char *only, bool ignore_unknown, bool diff)
{
    NV_AUTO(nv_regex) *regex = NULL;
    char error[NV_REGEX_ERROR_MAX];
    struct nv_unit_options options = {.ignore_unknown = ignore_unknown, .diff = diff};

    if (only) {
        ck_assert_int_eq(nv_regex_new(nv_str(only), NV_REGEX_SEARCH, &regex, error), 0);
        options.run = &regex;
        options.n_run = 1;
    }
    nv_buf_reset(&out);
    return nv_unit_run(path, &options, &out, &warnings);
}

/* A file of tests, with rules.yml beside it. */
static int run_text(const char *rules, const char *tests, bool diff)
{
    char path[512];

    nv_write_file(nv_temp_dir(), "rules.yml", rules);
    nv_write_file(nv_temp_dir(), "test.yml", tests);
    snprintf(path, sizeof(path), "%s/test.yml", nv_temp_dir());
    return run(path, NULL, false, diff);
}

START_TEST(the_tests_of_promtool_have_the_verdicts_of_the_readme)
{
    static const struct {
        const char *name, *only;
        bool ignore_unknown, fails;
    } files[] = {
        {"unittest.yml",               NULL,      false, false},
        {"long-period.yml",            NULL,      false, false},
        {"no-test-group-interval.yml", NULL,      false, false},
        {"at-modifier-test.yml",       NULL,      false, false},
        {"negative-offset-test.yml",   NULL,      false, false},
        {"start-time-test.yml",        NULL,      false, false},
        {"rules_run.yml",              NULL,      false, true },
        {"rules_run.yml",              "correct", false, false},
        {"rules_run.yml",              "wrong",   false, true },
        {"rules_run_fuzzy.yml",        NULL,      false, true },
        {"rules_run_fuzzy.yml",        "correct", false, false},
        {"rules_run_fuzzy.yml",        "wrong",   false, true },
        {"failing.yml",                NULL,      false, true },
        {"bad-input-series.yml",       NULL,      false, true },
        {"bad-promql.yml",             NULL,      false, true },
        {"bad-rules-error-test.yml",   NULL,      false, true },
        {"bad-rules-syntax-test.yml",  NULL,      false, true },
        {"rules_run_no_fuzzy.yml",     NULL,      false, true },
        {"rules_run_extrafields.yml",  NULL,      true,  false},
        {"rules_run_extrafields.yml",  NULL,      false, true },
    };
    char path[256];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "fixtures/rules/promtool/%s", files[i].name);
        int r = run(nv_shared(path), files[i].only, files[i].ignore_unknown, false);
        ck_assert_msg(r == files[i].fails, "%s (%s): %d\n%s", files[i].name,
                      files[i].only ? files[i].only : "all", r, nv_buf_c_string(&out));
    }
}
END_TEST

static const char down[] = "groups:\n- name: g\n  rules:\n"
                           "  - {alert: Down, expr: up == 0, for: 1m, labels: {severity: page},\n"
                           "     annotations: {summary: '{{ $labels.job }} is down'}}\n"
                           "  - {record: 'n:up', expr: sum(up)}\n";

START_TEST(a_failure_shows_what_is_and_what_was_expected)
{
    ck_assert_int_eq(
        run_text(down,
                 "rule_files: [rules.yml]\n"
                 "tests:\n"
                 "- name: both\n"
                 "  input_series: [{series: 'up{job=\"a\"}', values: '0x5'}]\n"
                 "  alert_rule_test:\n"
                 "  - {eval_time: 2m, alertname: Down, exp_alerts: [{exp_labels: {job: a}}]}\n"
                 "  promql_expr_test:\n"
                 "  - {expr: 'n:up', eval_time: 1m, exp_samples: [{labels: 'n:up', value: 1}]}\n"
                 "  - {expr: 'nothing', eval_time: 1m, exp_samples: [{labels: '{}', value: 1}]}\n",
                 false),
        1);
    ck_assert_str_eq(nv_buf_c_string(&out),
                     "    name: both,\n"
                     "    alertname: Down, time: 2m,\n"
                     "        exp: Labels:{alertname=\"Down\", job=\"a\"} Annotations:{}\n"
                     "        got: Labels:{alertname=\"Down\", job=\"a\", severity=\"page\"} "
                     "Annotations:{summary=\"a is down\"}\n"
                     "    name: both,\n"
                     "    expr: \"n:up\", time: 1m,\n"
                     "        exp: n:up 1\n"
                     "        got: n:up 0\n"
                     "    name: both,\n"
                     "    expr: \"nothing\", time: 1m,\n"
                     "        exp: {} 1\n"
                     "        got: nil\n");
}
END_TEST

START_TEST(a_difference_shows_the_lines_one_side_has_alone)
{
    ck_assert_int_eq(run_text(down,
                              "tests:\n"
                              "- input_series: [{series: 'up{job=\"a\"}', values: 0}, {series: "
                              "'up{job=\"b\"}', values: 1}]\n"
                              "  promql_expr_test:\n"
                              "  - {expr: up, exp_samples: [{labels: 'up{job=\"a\"}', value: 0}, "
                              "{labels: 'up{job=\"c\"}', value: 2}]}\n",
                              true),
                     1);
    ck_assert_str_eq(nv_buf_c_string(&out), "    expr: \"up\", time: 0s,\n"
                                            "        diff (-exp +got):\n"
                                            "            up{job=\"a\"} 0\n"
                                            "          + up{job=\"b\"} 1\n"
                                            "          - up{job=\"c\"} 2\n");
}
END_TEST

START_TEST(a_rule_that_fails_ends_its_test)
{
    ck_assert_int_eq(
        run_text("groups:\n- name: g\n  rules: [{record: r, expr: a + on (x) b}]\n",
                 "rule_files: [rules.yml]\n"
                 "tests:\n"
                 "- input_series: [{series: 'a{x=\"1\"}', values: '1x9'}, {series: "
                 "'b{x=\"1\",y=\"1\"}', values: '1x9'},\n"
                 "                 {series: 'b{x=\"1\",y=\"2\"}', values: '_ _ 1x9'}]\n"
                 "  promql_expr_test: [{expr: '1', eval_time: 9m}]\n",
                 false),
        1);
    ck_assert_msg(
        nv_str_starts(nv_buf_view(&out), "    rule: r, time: 2m, err: found duplicate series"),
        "%s", nv_buf_c_string(&out));
    ck_assert_ptr_null(strstr(nv_buf_c_string(&out), "expr:"));
}
END_TEST

START_TEST(groups_are_evaluated_in_the_order_that_is_asked_for)
{
    static const char rules[] = "groups:\n- {name: second, rules: [{record: b, expr: a * 2}]}\n"
                                "- {name: first, rules: [{record: a, expr: '21'}]}\n";
    char tests[512];

    for (int asked = 0; asked < 2; asked++) {
        snprintf(
            tests, sizeof(tests),
            "rule_files: [rules.yml]\n%s"
            "tests: [{promql_expr_test: [{expr: b, exp_samples: [{labels: b, value: 42}]}]}]\n",
            asked ? "group_eval_order: [first, second]\n" : "");
        ck_assert_int_eq(run_text(rules, tests, false), !asked);
    }
    ck_assert_int_eq(run_text(rules, "group_eval_order: [first, second, first]\n", false), 1);
    ck_assert_ptr_nonnull(
        strstr(nv_buf_c_string(&out), "group name repeated in evaluation order: first"));
}
END_TEST

START_TEST(an_alert_without_a_name_is_told)
{
    ck_assert_int_eq(run_text(down, "tests: [{alert_rule_test: [{eval_time: 5m}]}]\n", false), 1);
    ck_assert_str_eq(nv_buf_c_string(&out),
                     "    an item under alert_rule_test misses required attribute "
                     "alertname at eval_time 5m\n");
}
END_TEST

START_TEST(external_labels_and_url_reach_the_templates)
{
    ck_assert_int_eq(run_text("groups:\n- name: g\n  rules: [{alert: A, expr: '1', annotations: "
                              "{x: '{{ $externalLabels.c }} {{ externalURL }}'}}]\n",
                              "rule_files: [rules.yml]\n"
                              "tests:\n- external_labels: {c: d}\n  external_url: http://x/\n"
                              "  alert_rule_test: [{eval_time: 0, alertname: A, exp_alerts: "
                              "[{exp_annotations: {x: 'd http://x/'}}]}]\n",
                              false),
                     0);
}
END_TEST

START_TEST(histograms_are_recorded_and_seen_by_later_rules)
{
    ck_assert_int_eq(
        run_text(
            "groups:\n- name: g\n  rules:\n  - {record: h, expr: sum(x)}\n"
            "  - {record: n, expr: histogram_count(h)}\n"
            "  - {record: more, expr: histogram_count(h) - histogram_count(h offset 1m)}\n",
            "rule_files: [rules.yml]\n"
            "tests:\n- input_series:\n"
            "  - {series: 'x{a=\"p\"}', values: '{{schema:0 count:3 sum:4 buckets:[1 "
            "2]}}+{{count:1 sum:1 buckets:[1]}}x4'}\n"
            "  - {series: 'x{a=\"q\"}', values: '{{schema:0 count:3 sum:4 buckets:[1 2]}}x4'}\n"
            "  promql_expr_test:\n"
            "  - {expr: n, eval_time: 3m, exp_samples: [{labels: n, value: 9}]}\n"
            "  - {expr: more, eval_time: 3m, exp_samples: [{labels: more, value: 1}]}\n"
            "  - {expr: h, eval_time: 3m, exp_samples: [{labels: h, histogram: "
            "'{{count:9 sum:11 counter_reset_hint:not_reset buckets:[5 4]}}'}]}\n",
            false),
        0);
}
END_TEST

START_TEST(a_pattern_without_files_is_a_warning)
{
    ck_assert_int_eq(run_text(down, "rule_files: ['none-*.yml']\ntests: []\n", false), 0);
    ck_assert_ptr_nonnull(strstr(nv_buf_c_string(&warnings), "WARNING: no file match pattern"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unit_run");
    TCase *own = tcase_create("own"), *shared = tcase_create("shared");

    tcase_add_checked_fixture(own, begin, end);
    tcase_add_checked_fixture(shared, begin, end);
    tcase_set_timeout(shared, 240);
    tcase_add_test(own, a_failure_shows_what_is_and_what_was_expected);
    tcase_add_test(own, a_difference_shows_the_lines_one_side_has_alone);
    tcase_add_test(own, a_rule_that_fails_ends_its_test);
    tcase_add_test(own, groups_are_evaluated_in_the_order_that_is_asked_for);
    tcase_add_test(own, an_alert_without_a_name_is_told);
    tcase_add_test(own, external_labels_and_url_reach_the_templates);
    tcase_add_test(own, histograms_are_recorded_and_seen_by_later_rules);
    tcase_add_test(own, a_pattern_without_files_is_a_warning);
    suite_add_tcase(suite, own);
    tcase_add_test(shared, the_tests_of_promtool_have_the_verdicts_of_the_readme);
    bool found = nv_shared("fixtures/rules/promtool") != NULL;
    if (found)
        suite_add_tcase(suite, shared);
    else
        printf("../shared/fixtures/rules is not there: promtool's tests were not tried\n");
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : found ? 0 : 77;
}
