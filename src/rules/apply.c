/*
 * apply.c - a new set of rules: what goes on, what is taken over, what ends.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"
#include "rules/group.h"

enum {
    DEFAULT_INTERVAL_MS = 60000,
    CONFIG_MEMORY = 4 << 20,
    PAUSE_MS = 2000,   /* an evaluation that takes longer is given up for a reload */
    RESTORE_AFTER = 2, /* evaluations: after the first there may not be enough data */
};

/* Waits until nobody evaluates, and lets nobody begin. What takes long is cut short: whoever reloads is waited for. */
static void pause_all(struct nv_rules *rules)
{
    int64_t until = nv_monotonic_ns() + INT64_C(1000000) * PAUSE_MS;
    const struct timespec at = {until / 1000000000, until % 1000000000};

    pthread_mutex_lock(&rules->lock);
    rules->paused = true;
    while (rules->n_busy && !nv_rules_is_cancelled(rules))
        if (pthread_cond_clockwait(&rules->idle, &rules->lock, CLOCK_MONOTONIC, &at) == ETIMEDOUT)
            nv_rules_cancel(rules, true);
    while (rules->n_busy)
        pthread_cond_wait(&rules->idle, &rules->lock);
    nv_rules_cancel(rules, false);
    pthread_mutex_unlock(&rules->lock);
}

static void resume_all(struct nv_rules *rules)
{
    pthread_mutex_lock(&rules->lock);
    rules->paused = false;
    pthread_cond_broadcast(&rules->wake);
    pthread_mutex_unlock(&rules->lock);
}

/* What a group of the new set is to what there is: the same, another form of an old one, or new. */
struct plan {
    struct nv_group *made; /* NULL: the old one goes on */
    struct nv_group *old;  /* NULL: there was none */
    const struct nv_rule_group_def *def;
};

struct applying {
    struct nv_rules *rules;
    struct nv_rule_set *set;
    struct plan *plans;
    struct nv_group **groups; /* that will be the engine's */
    struct nv_arena memory;   /* of the new configuration */
    struct nv_rules_config config;
};

static int copy_config(struct applying *a, const struct nv_rules_config *config)
{
    struct nv_label *labels =
        nv_arena_alloc(&a->memory, (config->n_external_labels + 1) * sizeof(*labels));
    const char *url = config->external_url ? config->external_url : "";

    a->config = *config;
    if (a->config.interval_ms <= 0)
        a->config.interval_ms = DEFAULT_INTERVAL_MS;
    a->config.external_url = nv_arena_str(&a->memory, nv_str(url)).p;
    if (!labels || !a->config.external_url)
        return -ENOMEM;
    for (size_t i = 0; i < config->n_external_labels; i++) {
        labels[i].name = nv_arena_str(&a->memory, config->external_labels[i].name);
        labels[i].value = nv_arena_str(&a->memory, config->external_labels[i].value);
        if (!labels[i].name.p || !labels[i].value.p)
            return -ENOMEM;
    }
    a->config.external_labels = labels;
    return 0;
}

static bool is_planned(const struct applying *a, const struct nv_group *group, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a->plans[i].old == group)
            return true;
    return false;
}

static bool same_rule(const struct nv_rule_def *a, const struct nv_rule_def *b)
{
    return a->is_alert == b->is_alert && nv_str_eq(a->name, b->name) &&
           nv_rule_labels_same(a->labels, a->n_labels, b->labels, b->n_labels);
}

static bool share_rules(const struct nv_rule_group_def *a, const struct nv_rule_group_def *b)
{
    for (size_t i = 0; i < a->n_rules; i++)
        for (size_t k = 0; k < b->n_rules; k++)
            if (same_rule(&a->rules[i], &b->rules[k]))
                return true;
    return false;
}

static bool in_set(const struct nv_rule_set *set, const struct nv_rule_group_def *def)
{
    for (size_t i = 0; i < set->n_groups; i++)
        if (nv_rule_group_is(&set->groups[i], def))
            return true;
    return false;
}

/* The group of that name; else, for a renamed one, one that goes and has rules of this: its series are its. */
static void find_old(struct applying *a, size_t i)
{
    struct nv_rules *rules = a->rules;
    struct plan *plan = &a->plans[i];

    for (size_t k = 0; k < rules->n_groups; k++)
        if (nv_rule_group_is(rules->groups[k]->def, plan->def)) {
            plan->old = rules->groups[k];
            return;
        }
    for (size_t k = 0; k < rules->n_groups; k++) {
        struct nv_group *old = rules->groups[k];
        if (!is_planned(a, old, i) && !in_set(a->set, old->def) &&
            share_rules(plan->def, old->def)) {
            plan->old = old;
            return;
        }
    }
}

static bool goes_on(const struct applying *a, const struct plan *plan)
{
    const struct nv_rules_config *config = &a->config;
    const struct nv_rule_group_def *def = plan->def;
    const struct nv_group *old = plan->old;

    return old && nv_rule_group_same(old->def, def) &&
           old->interval_ms == (def->interval_ms ? def->interval_ms : config->interval_ms) &&
           old->offset_ms ==
               (def->query_offset_ms >= 0 ? def->query_offset_ms : config->query_offset_ms);
}

static void discard(struct applying *a)
{
    for (size_t i = 0; a->plans && i < a->set->n_groups; i++)
        nv_rule_group_free(a->plans[i].made);
    free(a->plans);
    free(a->groups);
    nv_arena_done(&a->memory);
}

/* Everything that can fail. */
static int plan(struct applying *a, const struct nv_rules_config *config)
{
    size_t n = a->set->n_groups;
    struct nv_rules_config before = a->rules->config;

    a->plans = calloc(n + 1, sizeof(*a->plans));
    a->groups = calloc(n + 1, sizeof(*a->groups));
    int r = a->plans && a->groups ? copy_config(a, config) : -ENOMEM;
    a->rules->config = a->config; /* new groups take their intervals from it */
    for (size_t i = 0; i < n && r == 0; i++) {
        struct plan *p = &a->plans[i];
        p->def = &a->set->groups[i];
        find_old(a, i);
        if (!goes_on(a, p))
            r = nv_rule_group_new(a->rules, a->set, p->def, &p->made);
    }
    if (r < 0)
        a->rules->config = before;
    return r;
}

/* A rule goes on where it was: its section, its series, its alerts. */
static void move_rule(struct nv_rule *from, struct nv_rule *to)
{
    to->section = from->section;
    to->restored = from->restored;
    to->columns = from->columns;
    to->alerts = from->alerts;
    from->columns = (struct nv_columns_of_rule){0};
    from->alerts = (struct nv_alerts){0};
}

/* The new form of a group takes the old one's place in the store, and what its rules have in common. */
static int take_over(struct nv_group *group, struct nv_group *old)
{
    NV_AUTO_FREE bool *taken = calloc(old->n_rules + 1, sizeof(*taken));
    NV_AUTO_FREE bool *found = calloc(group->n_rules + 1, sizeof(*found));
    NV_AUTO_FREE struct nv_columns_of_rule **columns = calloc(group->n_rules + 1, sizeof(*columns));
    int r = taken && found && columns ? 0 : -ENOMEM;

    nv_cells_done(&group->cells);
    group->cells = old->cells;
    old->cells = (struct nv_cells){0};
    group->source = old->source;
    group->newest_ms = old->newest_ms;
    group->until_restore = old->until_restore;
    for (size_t i = 0; r == 0 && i < group->n_rules; i++) {
        columns[i] = &group->rules[i].columns;
        for (size_t k = 0; k < old->n_rules && !found[i]; k++) {
            if (taken[k] || !same_rule(group->rules[i].def, old->rules[k].def))
                continue;
            move_rule(&old->rules[k], &group->rules[i]);
            taken[k] = found[i] = true;
        }
    }
    for (size_t k = 0; r == 0 && k < old->n_rules; k++)
        if (!taken[k])
            r = nv_cells_end_section(&group->cells, old->rules[k].section);
    if (r == 0)
        r = nv_cells_renew(&group->cells, columns, group->n_rules);
    for (size_t i = 0; r == 0 && i < group->n_rules; i++)
        if (!found[i])
            r = nv_cells_add_section(&group->cells, &group->rules[i].section);
    return r;
}

static int add_sections(struct nv_group *group)
{
    int r = 0;

    for (size_t i = 0; i < group->n_rules && r == 0; i++)
        r = nv_cells_add_section(&group->cells, &group->rules[i].section);
    return r;
}

static void await_restoring(struct nv_group *group)
{
    group->until_restore = RESTORE_AFTER;
    for (size_t i = 0; i < group->n_rules; i++)
        group->rules[i].restored = !group->rules[i].def->is_alert;
}

/* Ends what is no more. */
static void end_old(struct applying *a)
{
    struct nv_rules *rules = a->rules;

    for (size_t k = 0; k < rules->n_groups; k++) {
        struct nv_group *old = rules->groups[k];
        bool kept = false;
        for (size_t i = 0; i < a->set->n_groups; i++)
            kept |= a->groups[i] == old;
        if (kept)
            continue;
        if (old->cells.registry) /* nobody took it over */
            nv_rule_group_end(old);
        nv_rule_group_free(old);
    }
    free(rules->groups);
    rules->groups = nv_take(a->groups);
    rules->n_groups = a->set->n_groups;
}

static void keep_group(struct applying *a, struct plan *p)
{
    struct nv_rule_set *before = p->old->set;

    pthread_mutex_lock(&p->old->lock);
    p->old->set = nv_rule_set_ref(a->set);
    p->old->def = p->def;
    for (size_t i = 0; i < p->old->n_rules; i++)
        p->old->rules[i].def = &p->def->rules[i];
    pthread_mutex_unlock(&p->old->lock);
    nv_rule_set_free(before);
}

static void commit(struct applying *a)
{
    struct nv_rules *rules = a->rules;
    int64_t now = nv_rules_wall_ns(rules) / 1000000;
    struct nv_arena memory = rules->config_memory;

    for (size_t i = 0; i < a->set->n_groups; i++) {
        struct plan *p = &a->plans[i];
        struct nv_group *group = a->groups[i] = p->made ? p->made : p->old;
        if (!p->made) {
            keep_group(a, p);
            continue;
        }
        p->made = NULL;
        int r = p->old ? take_over(group, p->old) : add_sections(group);
        nv_must(r == 0 ? group : NULL); /* half taken over is not undone */
        if (!p->old && !rules->applied && rules->options.restore)
            await_restoring(group);
        group->next_ms = nv_rule_group_slot(group, now) + group->interval_ms;
    }
    end_old(a);
    if (!rules->applied)
        rules->began_ms = now;
    rules->applied = true;
    rules->config_memory = a->memory;
    a->memory = memory; /* ends with the rest */
}

int nv_rules_apply(struct nv_rules *rules, struct nv_rule_set *set,
                   const struct nv_rules_config *config)
{
    struct applying a = {.rules = rules, .set = set, .memory = NV_ARENA(CONFIG_MEMORY)};

    pause_all(rules);
    int r = plan(&a, config);
    if (r == 0) {
        pthread_mutex_lock(&rules->lock);
        commit(&a);
        pthread_mutex_unlock(&rules->lock);
    }
    discard(&a);
    resume_all(rules);
    return r;
}
