/*
 * view.c - pictures of groups, rules and alerts, in memory of their own.
 */
#include <errno.h>

#include "rules/group.h"

enum { VIEW_MEMORY = 256 << 20 };

struct viewing {
    struct nv_arena *memory;
    unsigned features;
    enum nv_rules_detail detail;
    struct nv_arena parse;
    struct nv_buf text;
    bool no_memory;
};

static void *make(struct viewing *v, size_t n, size_t size)
{
    void *p = nv_arena_alloc(v->memory, (n + 1) * size);

    if (p)
        memset(p, 0, (n + 1) * size);
    v->no_memory |= !p;
    return p;
}

static struct nv_str keep(struct viewing *v, struct nv_str text)
{
    struct nv_str kept = nv_arena_str(v->memory, text);

    v->no_memory |= !kept.p;
    return kept;
}

static const struct nv_label *keep_labels(struct viewing *v, const struct nv_label *labels,
                                          size_t n)
{
    struct nv_label *kept = make(v, n, sizeof(*kept));

    for (size_t i = 0; kept && i < n; i++)
        kept[i] = (struct nv_label){keep(v, labels[i].name), keep(v, labels[i].value)};
    return kept;
}

static void view_alerts(struct viewing *v, const struct nv_alerts *alerts, struct nv_rule_view *ret)
{
    struct nv_rule_instance *list = make(v, alerts->n, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; list && i < alerts->n; i++) {
        const struct nv_alert *alert = alerts->at[i];
        if (!nv_alert_is_active(alert))
            continue;
        list[n++] = (struct nv_rule_instance){
            .labels = keep_labels(v, alert->labels, alert->n_labels),
            .n_labels = alert->n_labels,
            .annotations = keep_labels(v, alert->annotations, alert->n_annotations),
            .n_annotations = alert->n_annotations,
            .state = alert->state,
            .active_ms = alert->active_ms,
            .keep_firing_since_ms = alert->keep_since_ms,
            .value = alert->value,
        };
    }
    ret->alerts = list;
    ret->n_alerts = list ? n : 0;
}

static void view_rule(struct viewing *v, const struct nv_rule *rule, struct nv_rule_view *ret)
{
    const struct nv_rule_def *def = rule->def;

    nv_buf_reset(&v->text);
    nv_rule_ask_print(&v->parse, v->features, def->expr, &v->text);
    *ret = (struct nv_rule_view){
        .is_alert = def->is_alert,
        .name = keep(v, def->name),
        .query = keep(v, nv_buf_view(&v->text)),
        .for_ms = def->for_ms,
        .keep_firing_ms = def->keep_firing_ms,
        .labels = keep_labels(v, def->labels, def->n_labels),
        .n_labels = def->n_labels,
        .annotations = keep_labels(v, def->annotations, def->n_annotations),
        .n_annotations = def->n_annotations,
        .health = rule->health,
        .last_error = keep(v, rule->last_error ? nv_str(rule->last_error) : NV_LIT("")),
        .evaluation_ns = rule->evaluation_ns,
        .last_evaluation_ns = rule->last_evaluation_ns,
    };
    if (!def->is_alert)
        return;
    ret->state = rule->last_evaluation_ns == NV_RULES_NEVER ? NV_RULE_UNKNOWN
                                                            : nv_alerts_state(&rule->alerts);
    if (v->detail == NV_RULES_ALERTS)
        view_alerts(v, &rule->alerts, ret);
}

static void view_group(struct viewing *v, struct nv_group *group, struct nv_rule_group_view *ret)
{
    struct nv_rule_view *rules =
        v->detail == NV_RULES_GROUPS ? NULL : make(v, group->n_rules, sizeof(*rules));

    pthread_mutex_lock(&group->lock);
    *ret = (struct nv_rule_group_view){
        .name = keep(v, group->def->name),
        .file = keep(v, nv_str(group->def->file)),
        .interval_ms = group->interval_ms,
        .query_offset_ms = group->offset_ms,
        .limit = group->def->limit,
        .evaluation_ns = group->stats.evaluation_ns,
        .last_evaluation_ns = group->stats.last_evaluation_ns,
        .rules = rules,
        .n_rules = group->n_rules,
        .iterations = group->stats.iterations,
        .missed = group->stats.missed,
        .evaluations = group->stats.evaluations,
        .failures = group->stats.failures,
        .samples = group->stats.samples,
        .evaluation_ns_total = group->stats.ns,
        .rules_ns_total = group->stats.rules_ns,
        .last_slot_ms = group->stats.last_slot_ms,
    };
    for (size_t i = 0; rules && i < group->n_rules; i++)
        view_rule(v, &group->rules[i], &rules[i]);
    pthread_mutex_unlock(&group->lock);
}

static int by_file_and_name(const void *a, const void *b)
{
    const struct nv_rule_group_view *x = a, *y = b;
    int order = nv_str_cmp(x->file, y->file);

    return order ? order : nv_str_cmp(x->name, y->name);
}

int nv_rules_view(struct nv_rules *rules, enum nv_rules_detail detail, struct nv_rules_view *ret)
{
    *ret = (struct nv_rules_view){.memory = NV_ARENA(VIEW_MEMORY)};
    struct viewing v = {
        .memory = &ret->memory,
        .features = rules->options.features,
        .detail = detail,
        .parse = NV_ARENA(NV_RULES_QUERY_MEMORY),
        .text = NV_BUF(NV_PROMQL_LENGTH_MAX * 2),
    };

    pthread_mutex_lock(&rules->lock);
    struct nv_rule_group_view *groups = make(&v, rules->n_groups, sizeof(*groups));
    for (size_t i = 0; groups && i < rules->n_groups; i++)
        view_group(&v, rules->groups[i], &groups[i]);
    ret->n_groups = groups ? rules->n_groups : 0;
    pthread_mutex_unlock(&rules->lock);
    if (ret->n_groups)
        qsort(groups, ret->n_groups, sizeof(*groups), by_file_and_name);
    ret->groups = groups;
    nv_arena_done(&v.parse);
    nv_buf_done(&v.text);
    if (!v.no_memory)
        return 0;
    nv_rules_view_done(ret);
    return -ENOMEM;
}

void nv_rules_view_done(struct nv_rules_view *view)
{
    nv_arena_done(&view->memory);
    *view = (struct nv_rules_view){0};
}
