/*
 * test_alerting.c - the life of alerts, over simulated hours: the checklist of the alert-generator specification line by
 * line, what it leaves out (keep_firing_for, limit, restarts), and what the API is told.
 */
#include "rules/world.h"

static struct world *w;

static void begin(void)
{
    w = world_new();
    w->config.interval_ms = 15000;
}

static void end(void)
{
    world_look_away();
    world_free(w);
}

#define MINUTES *60.0
#define HOURS   *3600.0

static const char plain[] = "groups:\n- name: g\n  rules:\n"
                            "  - {alert: Down, expr: up == 0, labels: {severity: page}}\n";

static const char patient[] =
    "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: up == 0\n    for: 1m\n"
    "    labels: {severity: page}\n    annotations: {value: 'it is {{ $value }}'}\n";

/* The first slot at or after a time, in ms since T0. */
static int64_t slot(double from_s)
{
    return (int64_t)(world_slot(w, "g", from_s) * 1000 + 0.5);
}

static const struct nv_rule_instance *alert(const char *rule, size_t i)
{
    const struct nv_rule_view *view = world_look(w, rule);

    ck_assert_uint_gt(view->n_alerts, i);
    return &view->alerts[i];
}

/* ---- format and rules ----------------------------------------------------------------------- */

START_TEST(an_alert_has_the_elements_labels_the_rules_over_them_and_its_name_over_all)
{
    world_fill(w, "up{job=\"a\",severity=\"mine\",alertname=\"other\"}", 0, 600, 15, 0);
    world_apply(w, plain);
    world_run(w, 60);
    const struct nv_rule_instance *a = alert("Down", 0);
    ck_assert_uint_eq(a->n_labels, 3);
    ck_assert(nv_str_is(nv_label_value(a->labels, 3, NV_LIT("alertname")), "Down"));
    ck_assert(nv_str_is(nv_label_value(a->labels, 3, NV_LIT("job")), "a"));
    ck_assert(nv_str_is(nv_label_value(a->labels, 3, NV_LIT("severity")), "page"));
}
END_TEST

START_TEST(groups_without_an_interval_have_the_global_one)
{
    world_apply(w, plain);
    world_run(w, 5 MINUTES);
    ck_assert_uint_eq(world_group(w, "g")->iterations, 20);
    ck_assert_int_eq(world_group(w, "g")->interval_ms, 15000);
}
END_TEST

START_TEST(templates_see_labels_value_and_what_is_external)
{
    static const struct nv_label external[] = {
        {NV_LIT("cluster"), NV_LIT("lab")}
    };
    w->config.external_labels = external;
    w->config.n_external_labels = 1;
    w->config.external_url = "http://node:9100/";
    world_fill(w, "up{job=\"a\"}", 0, 600, 15, 0.25);
    world_apply(w, "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up < 1\n"
                   "    labels: {at: '{{ $labels.job }}-{{ $externalLabels.cluster }}', none: '{{ "
                   "$labels.nope }}'}\n"
                   "    annotations:\n"
                   "      value: '{{ $value | humanizePercentage }} of {{ .Labels.job }}'\n"
                   "      url: '{{ externalURL }}{{ $externalURL }}'\n"
                   "      query: '{{ with query \"up * 4\" }}{{ . | first | value }}{{ end }}'\n"
                   "      optional: '{{ graphLink \"up\" }}{{ tableLink \"up\" }}{{ pathPrefix "
                   "}}{{ safeHtml \"x\" }}'\n");
    world_run(w, 60);
    ck_assert_uint_ge(w->n_sent, 1);
    ck_assert_str_eq(w->sent[0].labels, "{alertname=\"A\", at=\"a-lab\", job=\"a\"}");
    ck_assert_ptr_nonnull(strstr(w->sent[0].annotations, "value=\"25% of a\""));
    ck_assert_ptr_nonnull(
        strstr(w->sent[0].annotations, "url=\"http://node:9100/http://node:9100/\""));
    ck_assert_ptr_nonnull(strstr(w->sent[0].annotations, "query=\"1\""));
}
END_TEST

START_TEST(a_template_that_fails_is_told_in_its_place_and_stops_nothing)
{
    world_fill(w, "up", 0, 600, 15, 0);
    world_apply(w, "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up == 0, annotations: {x: "
                   "'{{ query \"nothing\" | first | value }}', y: fine}}\n");
    world_run(w, 60);
    ck_assert_int_eq(world_look(w, "A")->health, NV_RULE_HEALTH_OK);
    ck_assert_ptr_nonnull(
        strstr(w->sent[0].annotations,
               "x=\"<error expanding template: error executing template __alert_A: "));
    ck_assert_ptr_nonnull(strstr(w->sent[0].annotations, "y=\"fine\""));
}
END_TEST

START_TEST(equal_alerts_fail_the_rule_which_sends_and_writes_nothing)
{
    world_fill(w, "up{i=\"a\"}", 0, 600, 15, 0);
    world_fill(w, "up{i=\"b\"}", 100, 600, 15, 0);
    world_apply(w, "groups:\n- name: g\n  rules: [{alert: A, expr: up == 0, labels: {i: x}}]\n");
    world_run(w, 90);
    ck_assert_uint_eq(world_look(w, "A")->n_alerts, 1);
    size_t sent = w->n_sent;
    world_run(w, 300);
    const struct nv_rule_view *rule = world_look(w, "A");
    ck_assert_int_eq(rule->health, NV_RULE_HEALTH_ERR);
    ck_assert(
        nv_str_is(rule->last_error,
                  "vector contains metrics with the same labelset after applying alert labels"));
    ck_assert_uint_eq(w->n_sent, sent); /* and nothing resolved either */
    ck_assert_uint_eq(rule->n_alerts, 1);
}
END_TEST

/* ---- states --------------------------------------------------------------------------------- */

START_TEST(without_for_it_fires_at_the_first_evaluation)
{
    world_fill(w, "up", 0, 600, 15, 0);
    world_apply(w, plain);
    world_run(w, 16);
    int64_t first = slot(0);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_FIRING);
    ck_assert_int_eq(alert("Down", 0)->active_ms, T0 + first);
    ck_assert_int_eq(w->sent[0].at_ms, T0 + first);
    ck_assert_int_eq(w->sent[0].starts_ms, T0 + first);
}
END_TEST

START_TEST(with_for_it_is_pending_until_the_first_evaluation_at_or_after_it)
{
    world_fill(w, "up", 0, 600, 15, 0);
    world_apply(w, patient);
    world_run(w, 16);
    int64_t first = slot(0);
    world_run(w, first / 1000. + 59);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_PENDING);
    ck_assert_int_eq(world_look(w, "Down")->state, NV_RULE_PENDING);
    ck_assert_uint_eq(w->n_sent, 0);
    world_run(w, first / 1000. + 60);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_FIRING);
    ck_assert_int_eq(alert("Down", 0)->active_ms, T0 + first);
    ck_assert_int_eq(w->sent[0].starts_ms, T0 + first + 60000);
}
END_TEST

START_TEST(a_for_below_the_interval_waits_for_the_next_evaluation)
{
    world_fill(w, "up", 0, 600, 15, 0);
    world_apply(w, "groups:\n- {name: g, rules: [{alert: Down, expr: up == 0, for: 1s}]}\n");
    world_run(w, 16);
    double first = slot(0) / 1000.;
    world_run(w, first + 14);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_PENDING);
    world_run(w, first + 15);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_FIRING);
}
END_TEST

START_TEST(a_pending_alert_that_vanishes_is_forgotten_and_never_sent)
{
    world_fill(w, "up", 0, 50, 15, 0);
    world_fill(w, "up", 51, 600, 15, 1);
    world_apply(w, patient);
    world_run(w, 600);
    ck_assert_uint_eq(w->n_sent, 0);
    ck_assert_uint_eq(world_look(w, "Down")->n_alerts, 0);
    ck_assert_int_eq(world_look(w, "Down")->state, NV_RULE_INACTIVE);
}
END_TEST

START_TEST(annotations_and_values_are_those_of_the_last_evaluation)
{
    for (int i = 0; i < 60; i++)
        world_sample(w, "up", i * 15, -i);
    world_apply(w, "groups:\n- {name: g, rules: [{alert: A, expr: up <= 0, annotations: {v: '{{ "
                   "$value }}'}}]}\n");
    world_run(w, 100);
    double at = world_slot(w, "g", 80);
    char want[16];
    snprintf(want, sizeof(want), "-%d", (int)(at / 15));
    ck_assert_int_eq((int)alert("A", 0)->value, -(int)(at / 15));
    ck_assert(nv_str_is(alert("A", 0)->annotations[0].value, want));
    ck_assert_int_eq(alert("A", 0)->active_ms, T0 + slot(0));
}
END_TEST

START_TEST(absent_once_it_is_over_and_what_comes_back_is_a_new_alert)
{
    world_fill(w, "up", 0, 100, 1, 0);
    world_fill(w, "up", 101, 130, 1, 1);
    world_fill(w, "up", 131, 600, 1, 0);
    world_apply(w, plain);
    world_run(w, 600);
    int64_t first = T0 + slot(0), over = T0 + slot(101), again = T0 + slot(131);
    ck_assert_int_eq(w->sent[0].starts_ms, first);
    size_t i = 0;
    while (!w->sent[i].resolved)
        i++;
    ck_assert_int_eq(w->sent[i].at_ms, over);
    ck_assert_int_eq(w->sent[i].starts_ms, first);
    ck_assert_int_eq(w->sent[i].ends_ms, over);
    ck_assert(!w->sent[i + 1].resolved);
    ck_assert_int_eq(w->sent[i + 1].starts_ms, again);
    ck_assert_int_eq(w->sent[i + 1].at_ms, again);
    ck_assert_int_eq(alert("Down", 0)->active_ms, again);
}
END_TEST

START_TEST(the_series_alerts_tells_the_state_at_the_time_of_the_evaluation)
{
    world_fill(w, "up{alertstate=\"mine\",job=\"a\"}", 0, 100, 1, 0);
    world_fill(w, "up{alertstate=\"mine\",job=\"a\"}", 101, 600, 1, 1);
    world_apply(w, patient);
    world_run(w, 300);
    int64_t first = slot(0);
    double at = first / 1000. + 15;
    ck_assert_str_eq(
        world_ask(w, "ALERTS", at),
        "ALERTS{alertname=\"Down\", alertstate=\"pending\", job=\"a\", severity=\"page\"} 1");
    ck_assert_str_eq(
        world_ask(w, "timestamp(ALERTS) - time()", at),
        "{alertname=\"Down\", alertstate=\"pending\", job=\"a\", severity=\"page\"} 0");
    ck_assert_str_eq(
        world_ask(w, "ALERTS", first / 1000. + 60),
        "ALERTS{alertname=\"Down\", alertstate=\"firing\", job=\"a\", severity=\"page\"} 1");
    char want[256];
    snprintf(want, sizeof(want),
             "ALERTS_FOR_STATE{alertname=\"Down\", alertstate=\"mine\", job=\"a\", "
             "severity=\"page\"} %lld",
             (long long)(T0 + first) / 1000);
    ck_assert_str_eq(world_ask(w, "ALERTS_FOR_STATE", at), want);
    ck_assert_str_eq(world_ask(w, "{__name__=~\"ALERTS.*\"}", world_slot(w, "g", 101)), "");
}
END_TEST

START_TEST(keep_firing_for_holds_an_alert_that_is_gone)
{
    world_fill(w, "up", 0, 100, 1, 0);
    world_fill(w, "up", 101, 900, 1, 1);
    world_apply(w,
                "groups:\n- {name: g, rules: [{alert: A, expr: up == 0, keep_firing_for: 1m}]}\n");
    world_run(w, 120);
    int64_t gone = slot(101);
    ck_assert_int_eq(alert("A", 0)->state, NV_RULE_FIRING);
    ck_assert_int_eq(alert("A", 0)->keep_firing_since_ms, T0 + gone);
    world_run(w, gone / 1000. + 59);
    ck_assert_int_eq(alert("A", 0)->state, NV_RULE_FIRING);
    ck_assert_str_eq(world_ask(w, "ALERTS", gone / 1000. + 45),
                     "ALERTS{alertname=\"A\", alertstate=\"firing\"} 1");
    world_run(w, gone / 1000. + 60);
    ck_assert_uint_eq(world_look(w, "A")->n_alerts, 0);
    ck_assert(w->sent[w->n_sent - 1].resolved);
    ck_assert_int_eq(w->sent[w->n_sent - 1].ends_ms, T0 + gone + 60000);
}
END_TEST

START_TEST(what_is_kept_firing_and_comes_back_was_never_gone)
{
    world_fill(w, "up", 0, 100, 1, 0);
    world_fill(w, "up", 101, 130, 1, 1);
    world_fill(w, "up", 131, 900, 1, 0);
    world_apply(w,
                "groups:\n- {name: g, rules: [{alert: A, expr: up == 0, keep_firing_for: 1m}]}\n");
    world_run(w, 300);
    ck_assert_int_eq(alert("A", 0)->active_ms, T0 + slot(0));
    ck_assert_int_eq(alert("A", 0)->keep_firing_since_ms, NV_RULES_NEVER);
    for (size_t i = 0; i < w->n_sent; i++)
        ck_assert(!w->sent[i].resolved);
}
END_TEST

START_TEST(a_longer_for_makes_a_firing_alert_pending_again)
{
    world_fill(w, "up", 0, 3600, 15, 0);
    world_apply(w, patient);
    world_run(w, 120);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_FIRING);
    world_apply(w, "groups:\n- name: g\n  rules:\n  - {alert: Down, expr: up == 0, for: 5m, "
                   "labels: {severity: page}}\n");
    world_run(w, 140);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_PENDING);
    world_run(w, 330);
    ck_assert_int_eq(alert("Down", 0)->state, NV_RULE_FIRING);
    ck_assert_int_eq(alert("Down", 0)->active_ms, T0 + slot(0));
}
END_TEST

START_TEST(past_the_limit_all_alerts_are_dropped)
{
    char series[32];

    for (int i = 0; i < 3; i++) {
        snprintf(series, sizeof(series), "up{i=\"%d\"}", i);
        world_fill(w, series, i < 2 ? 0 : 100, 600, 15, 0);
    }
    world_apply(w, "groups:\n- {name: g, limit: 2, rules: [{alert: A, expr: up == 0}]}\n");
    world_run(w, 90);
    ck_assert_uint_eq(world_look(w, "A")->n_alerts, 2);
    world_run(w, 130);
    ck_assert_uint_eq(world_look(w, "A")->n_alerts, 0);
    ck_assert(nv_str_is(world_look(w, "A")->last_error, "exceeded limit of 2 with 3 alerts"));
}
END_TEST

/* ---- sending -------------------------------------------------------------------------------- */

START_TEST(firing_alerts_are_sent_again_after_the_resend_delay)
{
    world_fill(w, "up", 0, 1 HOURS, 15, 0);
    world_apply(w, plain);
    world_run(w, 600);
    /* Strictly after the delay, as the original compares: five intervals of 15 s for a minute. */
    for (size_t i = 1; i < w->n_sent; i++)
        ck_assert_int_eq(w->sent[i].at_ms - w->sent[i - 1].at_ms, 75000);
    ck_assert_uint_ge(w->n_sent, 8);
    ck_assert_int_eq(w->sent[3].ends_ms, w->sent[3].at_ms + 4 * 60000);
    ck_assert_str_eq(w->sent[0].expr, "up == 0");
}
END_TEST

START_TEST(validity_follows_an_interval_above_the_delay)
{
    w->config.interval_ms = 120000;
    world_fill(w, "up", 0, 1 HOURS, 15, 0);
    world_apply(w, plain);
    world_run(w, 600);
    ck_assert_uint_ge(w->n_sent, 4);
    ck_assert_int_eq(w->sent[1].at_ms - w->sent[0].at_ms, 120000);
    ck_assert_int_eq(w->sent[1].ends_ms, w->sent[1].at_ms + 4 * 120000);
}
END_TEST

START_TEST(a_delay_of_its_own_is_kept)
{
    w->options.resend_delay_ms = 20000;
    world_fill(w, "up", 0, 1 HOURS, 15, 0);
    world_apply(w, plain);
    world_run(w, 600);
    ck_assert_int_eq(w->sent[1].at_ms - w->sent[0].at_ms, 30000);
    ck_assert_int_eq(w->sent[1].ends_ms, w->sent[1].at_ms + 4 * 20000);
}
END_TEST

START_TEST(a_resolved_alert_is_told_for_a_quarter_of_an_hour)
{
    world_fill(w, "up", 0, 100, 1, 0);
    world_fill(w, "up", 101, 1 HOURS, 15, 1);
    world_apply(w, plain);
    world_run(w, 1 HOURS);
    int64_t over = T0 + slot(101), last = 0;
    size_t n = 0;
    for (size_t i = 0; i < w->n_sent; i++) {
        if (!w->sent[i].resolved)
            continue;
        ck_assert_int_eq(w->sent[i].ends_ms, over);
        if (n++)
            ck_assert_int_eq(w->sent[i].at_ms - last, 75000);
        else
            ck_assert_int_eq(w->sent[i].at_ms, over);
        last = w->sent[i].at_ms;
    }
    ck_assert_int_le(last - over, NV_RULES_RESOLVED_MS);
    ck_assert_int_gt(last - over, NV_RULES_RESOLVED_MS - 75000);
    ck_assert_uint_eq(world_look(w, "Down")->n_alerts, 0);
}
END_TEST

/* ---- restarts ------------------------------------------------------------------------------- */

static const char slow[] =
    "groups:\n- name: g\n  rules:\n  - alert: Slow\n    expr: up == 0\n    for: 30m\n"
    "    labels: {severity: page, at: '{{ $labels.job }}'}\n";

/* Runs until `down`, is away until `up`, runs until `until`. */
static void restart(const char *rules, double down_s, double up_s, double until_s)
{
    world_fill(w, "up{job=\"a\"}", 0, 3 HOURS, 15, 0);
    world_apply(w, rules);
    world_run(w, down_s);
    nv_rules_free(w->rules);
    w->rules = NULL;
    w->n_sent = 0;
    w->now_ms = T0 + (int64_t)(up_s * 1000);
    w->options.restore = true;
    world_start(w);
    world_apply(w, rules);
    world_run(w, until_s);
}

START_TEST(time_down_does_not_count_for_an_alert_that_was_pending)
{
    restart(slow, 10 MINUTES, 15 MINUTES, 16 MINUTES);
    int64_t first = slot(0), down = slot(10 MINUTES) - 15000;
    /* Restored when the second evaluation was over, at its time: active since, and as long again as it was away. */
    int64_t now = slot(15 MINUTES) + 15000;
    ck_assert_int_eq(alert("Slow", 0)->active_ms / 1000 * 1000,
                     (T0 + first / 1000 * 1000 + now - down) / 1000 * 1000);
    world_run(w, 34 MINUTES);
    ck_assert_int_eq(alert("Slow", 0)->state, NV_RULE_PENDING);
    world_run(w, 37 MINUTES);
    ck_assert_int_eq(alert("Slow", 0)->state, NV_RULE_FIRING);
}
END_TEST

START_TEST(an_alert_that_was_firing_fires_again_at_the_evaluation_after_restoring)
{
    restart(slow, 40 MINUTES, 45 MINUTES, 46 MINUTES);
    ck_assert_int_eq(alert("Slow", 0)->state, NV_RULE_FIRING);
    ck_assert_int_eq(alert("Slow", 0)->active_ms, T0 + slot(0) / 1000 * 1000);
    ck_assert_int_eq(w->sent[0].at_ms, T0 + slot(45 MINUTES) + 2 * 15000);
}
END_TEST

START_TEST(one_that_would_soon_have_fired_waits_for_the_grace_period)
{
    restart(slow, 25 MINUTES, 30 MINUTES, 31 MINUTES);
    int64_t now = slot(30 MINUTES) + 15000;
    ck_assert_int_eq(alert("Slow", 0)->active_ms, T0 + now + 10 * 60000 - 30 * 60000);
    world_run(w, 39 MINUTES);
    ck_assert_int_eq(alert("Slow", 0)->state, NV_RULE_PENDING);
    world_run(w, 41 MINUTES);
    ck_assert_int_eq(alert("Slow", 0)->state, NV_RULE_FIRING);
}
END_TEST

START_TEST(past_the_outage_tolerance_an_alert_begins_anew)
{
    restart(slow, 10 MINUTES, 90 MINUTES, 91 MINUTES);
    ck_assert_int_eq(alert("Slow", 0)->active_ms, T0 + slot(90 MINUTES));
}
END_TEST

START_TEST(a_for_below_the_grace_period_begins_anew)
{
    restart(patient, 10 MINUTES, 11 MINUTES, 12 MINUTES);
    ck_assert_int_eq(alert("Down", 0)->active_ms, T0 + slot(11 MINUTES));
}
END_TEST

START_TEST(what_had_ended_before_the_restart_is_not_restored)
{
    world_fill(w, "up{job=\"a\"}", 0, 600, 15, 0);
    world_fill(w, "up{job=\"a\"}", 601, 899, 15, 1);
    world_fill(w, "up{job=\"a\"}", 900, 1800, 15, 0);
    world_apply(w, slow);
    world_run(w, 800);
    w->now_ms = T0 + 900000;
    w->options.restore = true;
    world_start(w);
    world_apply(w, slow);
    world_run(w, 960);
    ck_assert_int_eq(alert("Slow", 0)->active_ms, T0 + slot(900));
}
END_TEST

START_TEST(until_it_is_restored_an_alert_writes_no_series)
{
    restart(slow, 10 MINUTES, 15 MINUTES, 15 MINUTES + 16);
    double first = slot(15 MINUTES) / 1000.;
    ck_assert_int_eq(alert("Slow", 0)->state, NV_RULE_PENDING);
    world_run(w, 16 MINUTES);
    ck_assert_str_eq(world_ask(w, "count_over_time(ALERTS[14s])", first + 1), "");
    ck_assert_str_eq(world_ask(w, "count_over_time(ALERTS[14s])", first + 16), "");
    ck_assert_str_eq(world_ask(w, "count(count_over_time(ALERTS[14s]))", first + 31), "{} 1");
}
END_TEST

/* ---- what the API is told ------------------------------------------------------------------- */

START_TEST(the_picture_has_all_the_api_shows)
{
    world_fill(w, "up{job=\"a\"}", 0, 600, 15, 0);
    world_apply(w, "groups:\n- name: g\n  limit: 5\n  rules:\n"
                   "  - {record: r, expr: 'sum(up)   by(job)', labels: {x: y}}\n"
                   "  - {alert: A, expr: up==0, for: 5m, keep_firing_for: 1m, labels: {severity: "
                   "page}, annotations: {s: 't {{ $value }}'}}\n");
    const struct nv_rule_group_view *g = world_group(w, "g");
    ck_assert_int_eq(g->last_evaluation_ns, NV_RULES_NEVER);
    ck_assert_int_eq(g->rules[1].state, NV_RULE_UNKNOWN);
    ck_assert_int_eq(g->rules[1].health, NV_RULE_HEALTH_UNKNOWN);
    world_run(w, 100);
    g = world_group(w, "g");
    ck_assert(nv_str_is(g->file, "r.yml"));
    ck_assert_int_eq(g->interval_ms, 15000);
    ck_assert_uint_eq(g->limit, 5);
    ck_assert_int_eq(g->last_evaluation_ns, (T0 + slot(86)) * 1000000);
    ck_assert_uint_eq(g->n_rules, 2);
    const struct nv_rule_view *r = &g->rules[0], *a = &g->rules[1];
    ck_assert(!r->is_alert);
    ck_assert(nv_str_is(r->query, "sum by (job) (up)"));
    ck_assert(nv_str_is(r->labels[0].name, "x"));
    ck_assert(nv_str_is(a->query, "up == 0"));
    ck_assert_int_eq(a->for_ms, 300000);
    ck_assert_int_eq(a->keep_firing_ms, 60000);
    ck_assert(nv_str_is(a->annotations[0].value, "t {{ $value }}")); /* as written */
    ck_assert_int_eq(a->state, NV_RULE_PENDING);
    ck_assert_int_eq(a->health, NV_RULE_HEALTH_OK);
    ck_assert_uint_eq(a->last_error.n, 0);
    ck_assert(nv_str_is(a->alerts[0].annotations[0].value, "t 0")); /* expanded */
    ck_assert_uint_eq(g->samples, 3);
}
END_TEST

START_TEST(pictures_are_sorted_by_file_and_name)
{
    world_apply(w, "groups: [{name: z}, {name: a}, {name: m}]\n");
    nv_rules_view_done(&world_view);
    ck_assert_int_eq(nv_rules_view(w->rules, NV_RULES_ALERTS, &world_view), 0);
    ck_assert(nv_str_is(world_view.groups[0].name, "a"));
    ck_assert(nv_str_is(world_view.groups[2].name, "z"));
}
END_TEST

/* ---- rules of the world --------------------------------------------------------------------- */

START_TEST(rules_of_the_world_evaluate_without_error)
{
    static const char *const files[] = {"node-exporter", "kubernetes-node",
                                        "kube-prometheus-general", "kube-state-metrics"};
    NV_AUTO(nv_rule_set) *set = nv_rule_set_new();
    NV_AUTO_BUF mistakes = NV_BUF(1 << 16);
    const struct nv_rule_file_options options = {0};
    char path[256];

    if (!nv_shared("fixtures/rules-real"))
        return;
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "fixtures/rules-real/%s.yaml", files[i]);
        ck_assert_int_eq(nv_rule_set_add_file(set, nv_shared(path), &options, &mistakes), 0);
    }
    static const char *const series[] = {
        "node_filesystem_avail_bytes{job=\"node-exporter\",instance=\"n\",device=\"/dev/"
        "a\",mountpoint=\"/\",fstype=\"ext4\"}",
        "node_filesystem_size_bytes{job=\"node-exporter\",instance=\"n\",device=\"/dev/"
        "a\",mountpoint=\"/\",fstype=\"ext4\"}",
        "node_filesystem_readonly{job=\"node-exporter\",instance=\"n\",device=\"/dev/"
        "a\",mountpoint=\"/\",fstype=\"ext4\"}",
        "node_cpu_seconds_total{job=\"node-exporter\",instance=\"n\",cpu=\"0\",mode=\"idle\"}",
        "node_load1{job=\"node-exporter\",instance=\"n\"}",
        "up{job=\"node-exporter\",instance=\"n\"}",
        "kube_pod_info{job=\"kube-state-metrics\",namespace=\"x\",pod=\"p\",node=\"n\"}",
    };
    for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++)
        world_fill(w, series[i], 0, 2 HOURS, 30, i == 2 ? 0 : 100);
    world_start(w);
    ck_assert_int_eq(nv_rules_apply(w->rules, set, &w->config), 0);
    world_run(w, 2 HOURS);
    nv_rules_view_done(&world_view);
    ck_assert_int_eq(nv_rules_view(w->rules, NV_RULES_ALERTS, &world_view), 0);
    for (size_t g = 0; g < world_view.n_groups; g++)
        for (size_t i = 0; i < world_view.groups[g].n_rules; i++)
            ck_assert_msg(world_view.groups[g].rules[i].health == NV_RULE_HEALTH_OK, "%.*s: %.*s",
                          NV_ARGS(world_view.groups[g].rules[i].name),
                          NV_ARGS(world_view.groups[g].rules[i].last_error));
    ck_assert_int_eq(world_look(w, "Watchdog")->state, NV_RULE_FIRING);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_alert_has_the_elements_labels_the_rules_over_them_and_its_name_over_all,
        groups_without_an_interval_have_the_global_one,
        templates_see_labels_value_and_what_is_external,
        a_template_that_fails_is_told_in_its_place_and_stops_nothing,
        equal_alerts_fail_the_rule_which_sends_and_writes_nothing,
        without_for_it_fires_at_the_first_evaluation,
        with_for_it_is_pending_until_the_first_evaluation_at_or_after_it,
        a_for_below_the_interval_waits_for_the_next_evaluation,
        a_pending_alert_that_vanishes_is_forgotten_and_never_sent,
        annotations_and_values_are_those_of_the_last_evaluation,
        absent_once_it_is_over_and_what_comes_back_is_a_new_alert,
        the_series_alerts_tells_the_state_at_the_time_of_the_evaluation,
        keep_firing_for_holds_an_alert_that_is_gone,
        what_is_kept_firing_and_comes_back_was_never_gone,
        a_longer_for_makes_a_firing_alert_pending_again,
        past_the_limit_all_alerts_are_dropped,
        firing_alerts_are_sent_again_after_the_resend_delay,
        validity_follows_an_interval_above_the_delay,
        a_delay_of_its_own_is_kept,
        a_resolved_alert_is_told_for_a_quarter_of_an_hour,
        time_down_does_not_count_for_an_alert_that_was_pending,
        an_alert_that_was_firing_fires_again_at_the_evaluation_after_restoring,
        one_that_would_soon_have_fired_waits_for_the_grace_period,
        past_the_outage_tolerance_an_alert_begins_anew,
        a_for_below_the_grace_period_begins_anew,
        what_had_ended_before_the_restart_is_not_restored,
        until_it_is_restored_an_alert_writes_no_series,
        the_picture_has_all_the_api_shows,
        pictures_are_sorted_by_file_and_name,
        rules_of_the_world_evaluate_without_error,
    };
    Suite *suite = suite_create("alerting");
    TCase *tcase = tcase_create("alerting");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 240);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
