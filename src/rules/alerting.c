/*
 * alerting.c - the result of an alerting rule changes its alerts, which are written as ALERTS and ALERTS_FOR_STATE
 * and sent.
 */
#include <errno.h>

#include "rules/group.h"

/* The labels of ALERTS: the alert's, and its state in the place of any label of that name. */
static int alerts_labels(struct nv_evaluation *ev, const struct nv_alert *alert,
                         struct nv_label **ret, size_t *ret_n)
{
    struct nv_label *labels =
        nv_arena_alloc(&ev->bench->expand, (alert->n_labels + 1) * sizeof(*labels));

    if (!labels)
        return nv_evaluation_fail(ev, "out of memory");
    memcpy(labels, alert->labels, alert->n_labels * sizeof(*labels));
    *ret_n = nv_labels_put(labels, alert->n_labels, NV_LIT("alertstate"),
                           nv_str(nv_rule_state_name(alert->state)));
    *ret = labels;
    return 0;
}

static int claim_series(struct nv_evaluation *ev, const struct nv_rule *rule, const char *name,
                        const struct nv_label *labels, size_t n, struct nv_columns_of_rule *now)
{
    int r = nv_cells_claim(&ev->group->cells, rule->section, nv_str(name), labels, n,
                           &rule->columns, now->n, &now->at[now->n]);

    if (r ==
        NV_CELLS_TWICE) /* alerts that differ by a label `alertstate` alone; one may stand for both */
        return 0;
    now->n += r == 0;
    return r ? nv_evaluation_cells_failed(ev, r, nv_str(name), labels, n) : 0;
}

static int claim(struct nv_evaluation *ev, const struct nv_rule *rule, const struct nv_alert *alert,
                 struct nv_columns_of_rule *now, double *values)
{
    struct nv_label *labels = NULL;
    size_t n = 0, at = now->n;

    int r = alerts_labels(ev, alert, &labels, &n);
    if (r == 0)
        r = claim_series(ev, rule, "ALERTS", labels, n, now);
    if (r == 0 && now->n > at)
        values[at++] = 1;
    if (r == 0)
        r = claim_series(ev, rule, "ALERTS_FOR_STATE", alert->labels, alert->n_labels, now);
    if (r == 0 && now->n > at)
        values[at] = (double)(alert->active_ms / 1000 - (alert->active_ms % 1000 < 0));
    return r;
}

static int write_columns(struct nv_evaluation *ev, const struct nv_columns_of_rule *now,
                         const double *values)
{
    int failed = 0;

    for (size_t i = 0; i < now->n; i++) {
        int r = nv_cells_write(&ev->group->cells, now->at[i], values[i], NULL);
        if (r == -ENOMEM)
            failed = nv_evaluation_fail(ev, "out of memory");
    }
    return failed;
}

static int write_alerts(struct nv_evaluation *ev, struct nv_rule *rule, size_t n_active)
{
    struct nv_cells *cells = &ev->group->cells;
    struct nv_columns_of_rule now = {0};
    double *values = nv_arena_alloc(&ev->bench->expand, (2 * n_active + 1) * sizeof(*values));

    if (!values || nv_columns_room(&now, 2 * n_active + 1) < 0)
        return nv_evaluation_fail(ev, "out of memory");
    nv_cells_begin_claims(cells);
    int r = 0;
    for (size_t i = 0; i < rule->alerts.n && r == 0; i++)
        if (nv_alert_is_active(rule->alerts.at[i]))
            r = claim(ev, rule, rule->alerts.at[i], &now, values);
    if (r == 0)
        r = write_columns(ev, &now, values);
    if (r < 0) {
        free(now.at);
        return r;
    }
    nv_cells_close(cells, rule->section, &rule->columns);
    free(rule->columns.at);
    rule->columns = now;
    return 0;
}

/* ---- sending -------------------------------------------------------------------------------- */

static void describe(const struct nv_evaluation *ev, const struct nv_rule *rule,
                     const struct nv_alert *alert, struct nv_rule_alert *ret)
{
    bool resolved = alert->state == NV_RULE_INACTIVE;

    *ret = (struct nv_rule_alert){
        .labels = alert->labels,
        .n_labels = alert->n_labels,
        .annotations = alert->annotations,
        .n_annotations = alert->n_annotations,
        .resolved = resolved,
        .starts_ms = alert->fired_ms,
        .ends_ms = resolved ? alert->resolved_ms : alert->valid_ms,
        .value = alert->value,
        .rule = rule->def->name,
        .group = ev->group->def->name,
        .file = ev->group->def->file,
    };
}

static void send_due(struct nv_evaluation *ev, const struct nv_rule *rule)
{
    const struct nv_rules_options *options = &ev->group->engine->options;
    struct nv_rule_alert *due = NULL;
    size_t n = 0;

    for (size_t i = 0; i < rule->alerts.n && options->send; i++) {
        struct nv_alert *alert = rule->alerts.at[i];
        if (!nv_alert_is_due(alert, ev->time_ms, options->resend_delay_ms))
            continue;
        if (!due)
            due = nv_arena_alloc(&ev->bench->expand, (rule->alerts.n - i) * sizeof(*due));
        if (!due)
            return; /* they are still due next time */
        nv_alert_sent(alert, ev->time_ms, ev->group->interval_ms, options->resend_delay_ms);
        describe(ev, rule, alert, &due[n++]);
    }
    if (!n)
        return;
    nv_buf_reset(&ev->bench->text);
    nv_rule_ask_print(&ev->bench->parse, options->features, rule->def->expr, &ev->bench->text);
    for (size_t i = 0; i < n; i++)
        due[i].expr = nv_buf_view(&ev->bench->text);
    options->send(options->send_user, due, n);
}

/* ---- an evaluation -------------------------------------------------------------------------- */

static int change(struct nv_evaluation *ev, struct nv_rule *rule,
                  const struct nv_alert_found *found, size_t n, size_t *ret_active)
{
    const struct nv_alert_terms terms = {
        .now_ms = ev->time_ms,
        .for_ms = rule->def->for_ms,
        .keep_firing_ms = rule->def->keep_firing_ms,
        .limit = ev->group->def->limit,
    };

    pthread_mutex_lock(&ev->group->lock);
    int r = nv_alerts_evaluate(&rule->alerts, found, n, &terms, ret_active);
    pthread_mutex_unlock(&ev->group->lock);
    if (r == NV_ALERTS_TWICE)
        return nv_evaluation_fail(
            ev, "vector contains metrics with the same labelset after applying alert labels");
    if (r == NV_ALERTS_LIMIT)
        return nv_evaluation_fail(ev, "exceeded limit of %llu with %zu alerts",
                                  (unsigned long long)terms.limit, *ret_active);
    return r < 0 ? nv_evaluation_fail(ev, "out of memory") : 0;
}

int nv_rule_alerting(struct nv_evaluation *ev, struct nv_rule *rule,
                     const struct nv_promql_result *result)
{
    struct nv_alert_found *found;
    size_t n_active = 0;

    nv_arena_reset(&ev->bench->expand);
    int r = nv_rule_expand(ev, rule, result, &found);
    if (r == 0)
        r = change(ev, rule, found, result->n, &n_active);
    if (r < 0)
        return r;
    if (rule->restored)
        r = write_alerts(ev, rule, n_active);
    send_due(ev, rule);
    return r;
}
