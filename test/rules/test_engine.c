/*
 * test_engine.c - groups of rules over simulated hours: slots, recorded series, staleness, order, failures, reloads.
 */
#include "rules/world.h"

static struct world *w;

static void begin(void)
{
    w = world_new();
}

static void end(void)
{
    world_look_away();
    world_free(w);
}

START_TEST(a_recorded_series_has_its_name_and_labels_and_the_time_of_the_slot)
{
    world_fill(w, "up{job=\"a\",instance=\"x\"}", 0, 600, 15, 3);
    world_apply(w, "groups:\n- name: g\n  labels: {team: infra, unit: group}\n  rules:\n"
                   "  - {record: 'job:up', expr: 'sum by (job, instance) (up)', labels: {unit: n, "
                   "instance: ''}}\n");
    world_run(w, 130);
    double slot = world_slot(w, "g", 60);
    ck_assert_str_eq(world_ask(w, "{__name__=\"job:up\"}", slot),
                     "job:up{job=\"a\", team=\"infra\", unit=\"n\"} 3");
    ck_assert_str_eq(world_ask(w, "timestamp({__name__=\"job:up\"}) - time()", slot + 30),
                     "{job=\"a\", team=\"infra\", unit=\"n\"} -30");
}
END_TEST

START_TEST(a_scalar_is_recorded_without_labels)
{
    world_apply(w, "groups:\n- name: g\n  rules: [{record: now, expr: time()}]\n");
    world_run(w, 70);
    double slot = world_slot(w, "g", 0);
    char want[64];
    snprintf(want, sizeof(want), "now %.17g", T0 / 1000 + slot);
    ck_assert_str_eq(world_ask(w, "now", slot), want);
}
END_TEST

START_TEST(a_vanished_series_becomes_stale_at_once)
{
    world_fill(w, "up{i=\"a\"}", 0, 600, 15, 1);
    world_fill(w, "up{i=\"b\"}", 0, 100, 15, 1);
    world_sample(w, "up{i=\"b\"}", 101, nv_stale());
    world_apply(w, "groups:\n- name: g\n  interval: 10s\n  rules: [{record: r, expr: up}]\n");
    world_run(w, 95);
    ck_assert_str_eq(world_ask(w, "r", 95), "r{i=\"a\"} 1, r{i=\"b\"} 1");
    world_run(w, 120);
    ck_assert_str_eq(world_ask(w, "r", 120), "r{i=\"a\"} 1");
}
END_TEST

START_TEST(a_rule_sees_what_the_ones_before_it_gave_and_no_more_of_what_they_give_no_more)
{
    world_fill(w, "up{i=\"a\"}", 0, 600, 15, 1);
    world_fill(w, "up{i=\"b\"}", 0, 100, 15, 1);
    world_sample(w, "up{i=\"b\"}", 101, nv_stale());
    world_apply(w, "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                   "  - {record: one, expr: up + 1}\n"
                   "  - {record: two, expr: one * 10}\n"
                   "  - {record: n, expr: 'count({__name__=~\"one|two\"})'}\n"
                   "  - {record: age, expr: 'time() - timestamp(one{i=\"a\"})'}\n");
    world_run(w, 20);
    ck_assert_str_eq(world_ask(w, "two", 20), "two{i=\"a\"} 20, two{i=\"b\"} 20");
    ck_assert_str_eq(world_ask(w, "n", 20), "n 4");
    ck_assert_str_eq(world_ask(w, "age", 20), "age{i=\"a\"} 0");
    world_run(w, 120);
    ck_assert_str_eq(world_ask(w, "two", 120), "two{i=\"a\"} 20");
    ck_assert_str_eq(world_ask(w, "n", 120), "n 2");
}
END_TEST

START_TEST(alerts_are_seen_by_the_rules_behind_them_in_the_same_evaluation)
{
    world_fill(w, "up", 0, 600, 15, 0);
    world_apply(w, "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                   "  - {alert: Down, expr: up == 0, for: 30s}\n"
                   "  - {record: pending, expr: 'count(ALERTS{alertstate=\"pending\"})'}\n"
                   "  - {record: since, expr: 'floor(time() - ALERTS_FOR_STATE)'}\n");
    world_run(w, 10);
    double slot = world_slot(w, "g", 0);
    ck_assert_str_eq(world_ask(w, "pending", slot), "pending 1");
    ck_assert_str_eq(world_ask(w, "since", slot), "since{alertname=\"Down\"} 0");
    world_run(w, slot + 30);
    ck_assert_str_eq(world_ask(w, "pending", slot + 30), "");
    ck_assert_str_eq(world_ask(w, "ALERTS", slot + 30),
                     "ALERTS{alertname=\"Down\", alertstate=\"firing\"} 1");
}
END_TEST

START_TEST(the_query_offset_moves_the_question_and_the_answer)
{
    world_sample(w, "x", 0, 1);
    world_sample(w, "x", 50, 2);
    world_apply(w, "groups:\n- name: g\n  interval: 10s\n  query_offset: 20s\n"
                   "  rules: [{record: r, expr: x}, {alert: A, expr: x == 2}]\n");
    world_run(w, 100);
    double slot =
        world_slot(w, "g", 60) - 20; /* the first that sees the 2 at t >= 50 - or not yet */
    ck_assert_str_eq(world_ask(w, "r", 49.9), "r 1");
    ck_assert_double_lt(slot, 60);
    const char *answer = world_ask(w, "time() - timestamp(r)", slot);
    ck_assert_str_eq(answer, "{} 0");
    ck_assert_str_eq(world_ask(w, "ALERTS", 60),
                     "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1");
    ck_assert_int_eq((w->sent[0].at_ms - T0) % 10000, (int64_t)(slot * 1000) % 10000);
    ck_assert_int_eq(w->sent[0].starts_ms, w->sent[0].at_ms); /* alerts have the slot's own time */
}
END_TEST

START_TEST(equal_label_sets_fail_the_rule_which_writes_nothing)
{
    world_fill(w, "up{i=\"a\"}", 0, 600, 15, 1);
    world_fill(w, "up{i=\"b\"}", 0, 600, 15, 1);
    world_apply(w, "groups:\n- name: g\n  rules:\n"
                   "  - {record: r, expr: up, labels: {i: same}}\n  - {record: fine, expr: '1'}\n");
    world_run(w, 70);
    const struct nv_rule_view *rule = world_look(w, "r");
    ck_assert_int_eq(rule->health, NV_RULE_HEALTH_ERR);
    ck_assert(nv_str_is(rule->last_error, "vector contains metrics with the same labelset after "
                                          "applying rule labels"));
    ck_assert_str_eq(world_ask(w, "r", 70), "");
    ck_assert_int_eq(world_look(w, "fine")->health, NV_RULE_HEALTH_OK);
    ck_assert_uint_eq(world_look(w, "fine")->last_error.n, 0);
}
END_TEST

START_TEST(the_limit_of_a_group_fails_a_rule_that_gives_more)
{
    world_fill(w, "up{i=\"a\"}", 0, 600, 15, 1);
    world_fill(w, "up{i=\"b\"}", 0, 600, 15, 1);
    world_apply(
        w,
        "groups:\n- name: g\n  limit: 1\n  rules: [{record: r, expr: up}, {alert: A, expr: up}]\n");
    world_run(w, 70);
    ck_assert(nv_str_is(world_look(w, "r")->last_error, "exceeded limit of 1 with 2 series"));
    ck_assert(nv_str_is(world_look(w, "A")->last_error, "exceeded limit of 1 with 2 alerts"));
    ck_assert_uint_eq(world_look(w, "A")->n_alerts, 0);
    ck_assert_uint_eq(w->n_sent, 0);
    ck_assert_str_eq(world_ask(w, "{__name__=~\"r|ALERTS\"}", 70), "");
}
END_TEST

/* As a failed query in Prometheus: nothing is written, no markers either. */
START_TEST(a_rule_that_fails_says_nothing_of_its_series_and_stops_no_other)
{
    world_fill(w, "a{x=\"1\",y=\"1\"}", 0, 600, 15, 1);
    world_fill(w, "b{x=\"1\",y=\"1\"}", 0, 600, 15, 1);
    world_fill(w, "b{x=\"1\",y=\"2\"}", 100, 600, 15, 1);
    world_apply(w, "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                   "  - {record: r, expr: a + on (x) b}\n  - {record: s, expr: time()}\n");
    world_run(w, 90);
    ck_assert_str_eq(world_ask(w, "r", 90), "r{x=\"1\"} 2");
    ck_assert_int_eq(world_look(w, "r")->health, NV_RULE_HEALTH_OK);
    world_run(w, 130);
    ck_assert_int_eq(world_look(w, "r")->health, NV_RULE_HEALTH_ERR);
    ck_assert_uint_gt(world_look(w, "r")->last_error.n, 10);
    ck_assert_str_eq(world_ask(w, "r", 130), "r{x=\"1\"} 2");
    ck_assert_int_eq(world_look(w, "s")->health, NV_RULE_HEALTH_OK);
    ck_assert_uint_ge(world_group(w, "g")->failures, 3);
}
END_TEST

START_TEST(a_matrix_or_a_text_is_no_result)
{
    world_apply(w, "groups:\n- name: g\n  rules: [{record: r, expr: '\"text\"'}]\n");
    world_run(w, 70);
    ck_assert(nv_str_is(world_look(w, "r")->last_error, "rule result is not a vector or scalar"));
}
END_TEST

START_TEST(slots_stay_where_they_are_over_restarts_and_differ_between_groups)
{
    static const char rules[] = "groups:\n- {name: a, rules: [{record: r, expr: '1'}]}\n"
                                "- {name: b, rules: [{record: s, expr: '1'}]}\n";
    world_apply(w, rules);
    world_run(w, 130);
    double a = world_slot(w, "a", 0), b = world_slot(w, "b", 0);
    ck_assert_double_ne(a, b);
    world_start(w);
    world_apply(w, rules);
    world_run(w, 260);
    ck_assert_double_eq_tol(world_slot(w, "a", 0), a, 1e-6);
    ck_assert_uint_eq(world_group(w, "a")->iterations, 2);
    ck_assert_uint_eq(world_group(w, "a")->missed, 0);
}
END_TEST

static void take_25_seconds(struct world *world)
{
    world->now_ms += 25000;
    world->before_query = NULL;
}

START_TEST(slots_that_pass_during_an_evaluation_are_missed_and_counted)
{
    world_apply(w, "groups:\n- {name: g, interval: 10s, rules: [{record: r, expr: x}]}\n");
    world_run(w, 10);
    ck_assert_uint_eq(world_group(w, "g")->iterations, 1);
    w->before_query = take_25_seconds;
    world_run(w, 60);
    const struct nv_rule_group_view *g = world_group(w, "g");
    ck_assert_uint_eq(g->missed,
                      1); /* of the two the evaluation took, the last is evaluated late */
    ck_assert_uint_eq(g->iterations - g->missed, g->evaluations);
}
END_TEST

START_TEST(a_clock_that_is_set_back_goes_on_and_one_set_forth_misses_nothing)
{
    world_apply(w, "groups:\n- {name: g, interval: 10s, rules: [{record: r, expr: '1'}]}\n");
    world_run(w, 100);
    uint64_t before = world_group(w, "g")->evaluations;
    w->slept_ns += INT64_C(3600) * 1000000000; /* the monotonic clock goes on */
    w->now_ms -= 3600000;
    world_run(w, -3400);
    ck_assert_uint_ge(world_group(w, "g")->evaluations, before + 8);
    w->slept_ns -= INT64_C(7200) * 1000000000;
    w->now_ms += 7200000;
    world_run(w, 3900);
    ck_assert_uint_eq(world_group(w, "g")->missed, 0);
}
END_TEST

START_TEST(a_reload_keeps_what_is_the_same_and_ends_what_is_no_more)
{
    world_apply(w, "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                   "  - {record: keep, expr: '1'}\n  - {record: drop, expr: '2'}\n"
                   "- name: gone\n  interval: 10s\n  rules: [{record: old, expr: '3'}]\n");
    world_run(w, 60);
    ck_assert_str_eq(world_ask(w, "{__name__=~\"keep|drop|old\"}", 60), "drop 2, keep 1, old 3");
    world_apply(w, "groups:\n- name: g\n  interval: 10s\n  rules:\n"
                   "  - {record: fresh, expr: '4'}\n  - {record: keep, expr: '1'}\n");
    world_run(w, 80);
    ck_assert_str_eq(world_ask(w, "{__name__=~\"keep|drop|old|fresh\"}", 80), "fresh 4, keep 1");
}
END_TEST

START_TEST(an_alert_goes_on_over_a_reload_and_over_a_new_name_of_its_group)
{
    world_fill(w, "up", 0, 3600, 15, 0);
    world_apply(
        w, "groups:\n- name: g\n  interval: 10s\n  rules: [{alert: A, expr: up == 0, for: 5m}]\n");
    world_run(w, 200);
    int64_t since = world_look(w, "A")->alerts[0].active_ms;
    world_apply(
        w, "groups:\n- name: g\n  interval: 10s\n  rules: [{alert: A, expr: up < 1, for: 5m}]\n");
    world_run(w, 250);
    ck_assert_int_eq(world_look(w, "A")->alerts[0].active_ms, since);
    world_apply(
        w, "groups:\n- name: h\n  interval: 10s\n  rules: [{alert: A, expr: up < 1, for: 5m}]\n");
    world_run(w, 330);
    ck_assert_int_eq(world_look(w, "A")->alerts[0].active_ms, since);
    ck_assert_int_eq(world_look(w, "A")->state, NV_RULE_FIRING);
    ck_assert_str_eq(world_ask(w, "count(ALERTS)", 330), "{} 1");
}
END_TEST

START_TEST(a_group_by_the_name_another_had_writes_beside_it)
{
    world_apply(w, "groups:\n- {name: g, interval: 10s, rules: [{record: r, expr: '1'}]}\n");
    world_run(w, 30);
    world_apply(w, "groups:\n- {name: h, interval: 10s, rules: [{record: r, expr: '1'}]}\n");
    world_run(w, 60);
    world_apply(w, "groups:\n- {name: h, interval: 10s, rules: [{record: r, expr: '1'}]}\n"
                   "- {name: g, interval: 10s, rules: [{record: s, expr: '2'}]}\n");
    world_run(w, 100);
    ck_assert_str_eq(world_ask(w, "{__name__=~\"r|s\"}", 100), "r 1, s 2");
    ck_assert_str_eq(world_ask(w, "count_over_time(r[30s])", 100), "{} 3");
}
END_TEST

START_TEST(an_unchanged_group_is_not_touched_by_a_reload)
{
    static const char rules[] =
        "groups:\n- {name: g, interval: 10s, rules: [{record: r, expr: '1'}]}\n";
    world_apply(w, rules);
    world_run(w, 60);
    uint64_t before = world_group(w, "g")->iterations;
    world_apply(w, rules);
    ck_assert_uint_eq(world_group(w, "g")->iterations, before);
    ck_assert_int_eq(world_look(w, "r")->health, NV_RULE_HEALTH_OK);
}
END_TEST

START_TEST(series_that_come_and_go_do_not_pile_up)
{
    char series[64];

    world_apply(w, "groups:\n- {name: g, interval: 10s, rules: [{record: r, expr: up}]}\n");
    for (int i = 0; i < 2000; i++) {
        snprintf(series, sizeof(series), "up{i=\"%d\"}", i);
        world_sample(w, series, i * 10, 1);
        world_run(w, i * 10 + 9);
        world_sample(w, series, i * 10 + 9.5, nv_stale());
    }
    ck_assert_uint_eq(world_group(w, "g")->samples, 1);
    ck_assert_str_eq(world_ask(w, "count(r)", 19999), "{} 1");
}
END_TEST

START_TEST(a_frame_the_store_refuses_costs_the_history_alone)
{
    world_fill(w, "up", 0, 600, 15, 0);
    world_apply(w, "groups:\n- {name: g, interval: 10s, rules: [{alert: A, expr: up == 0}]}\n");
    w->append_fails = -ENOSPC;
    world_run(w, 60);
    ck_assert_int_eq(world_look(w, "A")->state, NV_RULE_FIRING);
    ck_assert_uint_ge(w->n_sent, 1);
    w->append_fails = 0;
    world_run(w, 80);
    ck_assert_str_eq(world_ask(w, "ALERTS", 80),
                     "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1");
}
END_TEST

START_TEST(threads_evaluate_and_stop)
{
    w->options.clock = (struct nv_rules_clock){NULL, NULL, NULL};
    w->options.threads = 3;
    world_apply(w, "groups:\n- {name: a, interval: 10ms, rules: [{record: r, expr: '1'}]}\n"
                   "- {name: b, interval: 10ms, rules: [{record: s, expr: '1'}]}\n");
    /* The store in memory has one user: what is written goes nowhere. */
    ck_assert_int_eq(nv_rules_start(w->rules), 0);
    while (world_group(w, "a")->evaluations < 5 || world_group(w, "b")->evaluations < 5)
        usleep(2000);
    nv_rules_stop(w->rules);
    uint64_t n = world_group(w, "a")->evaluations;
    usleep(30000);
    ck_assert_uint_eq(world_group(w, "a")->evaluations, n);
}
END_TEST

START_TEST(pictures_and_reloads_go_beside_evaluations)
{
    static const char *const rules[] = {
        "groups:\n- {name: a, interval: 5ms, rules: [{record: r, expr: up}, {alert: A, expr: r > "
        "0, "
        "annotations: {x: '{{ $value }}'}}]}\n- {name: b, interval: 5ms, rules: [{alert: B, expr: "
        "up}]}\n",
        "groups:\n- {name: a, interval: 5ms, rules: [{alert: A, expr: up >= 1}, {record: s, expr: "
        "up}]}\n"
        "- {name: c, interval: 5ms, rules: [{record: t, expr: '1'}]}\n",
    };

    w->options.clock = (struct nv_rules_clock){NULL, NULL, NULL};
    w->options.threads = 3;
    w->options.send = NULL;
    world_apply(w, rules[0]);
    world_fill(w, "up{i=\"a\"}", 0, 60, 15, 1);
    ck_assert_int_eq(nv_rules_start(w->rules), 0);
    for (int i = 1; i <= 60; i++) {
        uint64_t before = world_group(w, "a")->iterations;
        (void)world_look(w, "A");
        while (world_group(w, "a")->iterations == before)
            usleep(500);
        world_apply(w, rules[i % 2]);
    }
    nv_rules_stop(w->rules);
}
END_TEST

static struct world *held;

/* Evaluations hang until they are told to end. */
static int hang(void *user, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                int64_t to_ms, size_t limit, struct nv_selection *ret)
{
    int r = world_select(user, matchers, n, from_ms, to_ms, limit, ret);

    __atomic_add_fetch(&held->n_held, 1, __ATOMIC_RELAXED);
    usleep(300000);
    return r;
}

START_TEST(a_reload_does_not_wait_for_what_takes_for_ever)
{
    char rules[8192];
    size_t n =
        (size_t)snprintf(rules, sizeof(rules), "groups:\n- name: a\n  interval: 10ms\n  rules:\n");

    held = w;
    w->queryable.select = hang;
    w->options.clock = (struct nv_rules_clock){NULL, NULL, NULL};
    w->options.threads = 1;
    for (int i = 0; i < 100; i++) /* half a minute */
        n += (size_t)snprintf(rules + n, sizeof(rules) - n, "  - {record: r%d, expr: up}\n", i);
    world_apply(w, rules);
    ck_assert_int_eq(nv_rules_start(w->rules), 0);
    while (!__atomic_load_n(&w->n_held, __ATOMIC_RELAXED))
        usleep(1000);
    world_apply(w, "groups: []\n");
    ck_assert_uint_lt(__atomic_load_n(&w->n_held, __ATOMIC_RELAXED), 90);
    nv_rules_stop(w->rules);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_recorded_series_has_its_name_and_labels_and_the_time_of_the_slot,
        a_scalar_is_recorded_without_labels,
        a_vanished_series_becomes_stale_at_once,
        a_rule_sees_what_the_ones_before_it_gave_and_no_more_of_what_they_give_no_more,
        alerts_are_seen_by_the_rules_behind_them_in_the_same_evaluation,
        the_query_offset_moves_the_question_and_the_answer,
        equal_label_sets_fail_the_rule_which_writes_nothing,
        the_limit_of_a_group_fails_a_rule_that_gives_more,
        a_rule_that_fails_says_nothing_of_its_series_and_stops_no_other,
        a_matrix_or_a_text_is_no_result,
        slots_stay_where_they_are_over_restarts_and_differ_between_groups,
        slots_that_pass_during_an_evaluation_are_missed_and_counted,
        a_clock_that_is_set_back_goes_on_and_one_set_forth_misses_nothing,
        a_reload_keeps_what_is_the_same_and_ends_what_is_no_more,
        an_alert_goes_on_over_a_reload_and_over_a_new_name_of_its_group,
        a_group_by_the_name_another_had_writes_beside_it,
        an_unchanged_group_is_not_touched_by_a_reload,
        series_that_come_and_go_do_not_pile_up,
        a_frame_the_store_refuses_costs_the_history_alone,
        threads_evaluate_and_stop,
        pictures_and_reloads_go_beside_evaluations,
        a_reload_does_not_wait_for_what_takes_for_ever,
    };
    Suite *suite = suite_create("rules");
    TCase *tcase = tcase_create("engine");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 120);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
