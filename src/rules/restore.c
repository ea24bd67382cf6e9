/*
 * restore.c - since when the alerts were active that a process before us knew: from ALERTS_FOR_STATE, whose last sample
 * tells when that process went down.
 */
#include <errno.h>

#include "base/log.h"
#include "rules/group.h"

enum { MATCHERS_MAX = 2 + 256 };

struct matchers {
    struct nv_matcher at[MATCHERS_MAX];
    size_t n;
};

static int match(struct matchers *matchers, struct nv_str name, struct nv_str value)
{
    char error[NV_REGEX_ERROR_MAX];

    if (matchers->n == MATCHERS_MAX)
        return 0; /* label sets are compared anyway */
    int r = nv_matcher_init(&matchers->at[matchers->n], NV_MATCH_EQUAL, name, value, error);
    matchers->n += r == 0;
    return r;
}

static int make_matchers(const struct nv_rule_def *def, struct matchers *ret)
{
    ret->n = 0;
    int r = match(ret, NV_LIT("__name__"), NV_LIT("ALERTS_FOR_STATE"));
    if (r == 0)
        r = match(ret, NV_LIT("alertname"), def->name);
    for (size_t i = 0; r == 0 && i < def->n_labels; i++)
        if (!nv_str_is(def->labels[i].name, "alertname") &&
            !nv_str_contains(def->labels[i].value, "{{"))
            r = match(ret, def->labels[i].name, def->labels[i].value);
    return r;
}

static struct nv_alert *alert_of(struct nv_rule *rule, const struct nv_selected *series)
{
    struct nv_label labels[2 * NV_LABELS_MAX + 2];
    size_t n = 0;

    if (series->n_labels > 2 * NV_LABELS_MAX)
        return NULL;
    for (size_t i = 0; i < series->n_labels; i++)
        if (!nv_str_is(series->labels[i].name, "__name__"))
            labels[n++] = series->labels[i];
    return nv_alerts_find(&rule->alerts, labels, n);
}

static void restore_alert(struct nv_evaluation *ev, const struct nv_rule *rule,
                          struct nv_alert *alert, int64_t now_ms, const struct nv_samples *samples)
{
    double was_s = samples->values[samples->n - 1];

    if (nv_is_stale(was_s) || !(was_s > -1e15 && was_s < 1e15))
        return;
    pthread_mutex_lock(&ev->group->lock);
    alert->active_ms =
        nv_alert_restored(now_ms, samples->times[samples->n - 1], (int64_t)was_s * 1000,
                          rule->def->for_ms, ev->group->engine->options.grace_period_ms);
    pthread_mutex_unlock(&ev->group->lock);
}

static int restore_from(struct nv_evaluation *ev, struct nv_rule *rule, int64_t now_ms,
                        struct nv_selection *selection)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    int r = 0;

    for (size_t i = 0; i < selection->n && r == 0; i++) {
        struct nv_alert *alert = alert_of(rule, &selection->series[i]);
        if (!alert || !nv_alert_is_active(alert))
            continue;
        nv_samples_reset(&samples);
        r = selection->from->read(selection, i, &samples);
        if (r == 0 && samples.n)
            restore_alert(ev, rule, alert, now_ms, &samples);
    }
    nv_samples_done(&samples);
    return r;
}

/* Samples from before we began: what the storage says of the time since is our own silence. */
static int restore_rule(struct nv_evaluation *ev, struct nv_rule *rule, int64_t now_ms)
{
    const struct nv_rules *engine = ev->group->engine;
    const struct nv_queryable *storage = engine->options.storage.queryable;
    struct nv_selection selection;
    struct matchers matchers;

    int r = make_matchers(rule->def, &matchers);
    if (r == 0)
        r = storage->select(storage->store, matchers.at, matchers.n,
                            now_ms - engine->options.outage_tolerance_ms, engine->began_ms - 1, 0,
                            &selection);
    if (r == 0) {
        r = restore_from(ev, rule, now_ms, &selection);
        storage->release(&selection);
    }
    for (size_t i = 0; i < matchers.n; i++)
        nv_matcher_done(&matchers.at[i]);
    return r;
}

void nv_rule_restore(struct nv_evaluation *ev)
{
    struct nv_group *group = ev->group;
    int64_t now_ms = nv_rules_wall_ns(group->engine) / 1000000;

    for (size_t i = 0; i < group->n_rules; i++) {
        struct nv_rule *rule = &group->rules[i];
        if (rule->restored)
            continue;
        rule->restored = true;
        if (!rule->def->is_alert || !rule->alerts.n ||
            rule->def->for_ms < group->engine->options.grace_period_ms)
            continue;
        int r = restore_rule(ev, rule, now_ms);
        if (r < 0)
            nv_log_err(r, "rules: cannot read since when %.*s was active",
                       NV_ARGS(rule->def->name));
    }
}
