/*
 * configured_metrics.c - what rules and reloads tell of themselves: rules by Prometheus' names, which its dashboards and
 * alerts ask for.
 */
#include "agent/configured.h"

#include <assert.h>
#include <stdio.h>

enum { CADENCE_MS = 15000, GROUP_NAME_MAX = 4096 };

#define NS NV_OVER(1e9)
#define MS NV_OVER(1000)

// clang-format off
static const struct nv_family group_columns[] = {
    {"prometheus_rule_evaluations_total",             NV_COUNTER, NV_AS_IS, "Evaluations of rules."},
    {"prometheus_rule_evaluation_failures_total",     NV_COUNTER, NV_AS_IS, "Evaluations of rules that failed."},
    {"prometheus_rule_group_iterations_total",        NV_COUNTER, NV_AS_IS, "Slots in which a group was due, missed ones included."},
    {"prometheus_rule_group_iterations_missed_total", NV_COUNTER, NV_AS_IS, "Slots that went by while an evaluation took too long."},
    {"prometheus_rule_group_interval_seconds",        NV_GAUGE,   MS,       "How often a group is due."},
    {"prometheus_rule_group_rules",                   NV_GAUGE,   NV_AS_IS, "Rules in a group."},
    {"prometheus_rule_group_last_evaluation_samples", NV_GAUGE,   NV_AS_IS, "Samples the last evaluation of a group has written."},
};
static const struct nv_family last_columns[] = {
    {"prometheus_rule_group_last_duration_seconds",             NV_GAUGE, NS, "How long the last evaluation of a group took."},
    {"prometheus_rule_group_last_evaluation_timestamp_seconds", NV_GAUGE, NS, "When that was."},
};
static const struct nv_family reload_columns[] = {
    {"nodevitals_config_last_reload_successful",                NV_GAUGE, NV_AS_IS, "Whether the last attempt to load the configuration succeeded."},
    {"nodevitals_config_last_reload_success_timestamp_seconds", NV_GAUGE, MS,       "When the configuration was last loaded."},
};
// clang-format on
static const struct nv_table group_table = {NV_LABELS("rule_group"), group_columns,
                                            NV_LEN(group_columns)};
static const struct nv_table last_table = {NV_LABELS("rule_group"), last_columns,
                                           NV_LEN(last_columns)};
static const struct nv_table reload_table = {NV_NO_LABELS, reload_columns, NV_LEN(reload_columns)};

static const struct nv_family rule_duration = {"prometheus_rule_evaluation_duration_seconds",
                                               NV_SUMMARY, NV_AS_IS,
                                               "How long evaluations of rules took."};
static const struct nv_family group_duration = {"prometheus_rule_group_duration_seconds",
                                                NV_SUMMARY, NV_AS_IS,
                                                "How long evaluations of groups took."};

static void emit_group(struct nv_pass *pass, const struct nv_rule_group_view *g)
{
    char name[GROUP_NAME_MAX];
    const uint64_t values[] = {g->evaluations,           g->failures, g->iterations, g->missed,
                               (uint64_t)g->interval_ms, g->n_rules,  g->samples};
    static_assert(NV_LEN(values) == NV_LEN(group_columns), "one value a column");
    int n = snprintf(name, sizeof(name), "%.*s;%.*s", NV_ARGS(g->file), NV_ARGS(g->name));
    struct nv_str label = {name, n < (int)sizeof(name) ? (size_t)n : sizeof(name) - 1};

    nv_emit_row(pass, &group_table, &label, values, NV_LEN(values));
    if (g->last_evaluation_ns == NV_RULES_NEVER)
        return;
    nv_emit_i64(pass, &last_table, &label, 0, g->evaluation_ns);
    nv_emit_i64(pass, &last_table, &label, 1, g->last_evaluation_ns);
}

static void emit_durations(struct nv_pass *pass, const struct nv_family *family, uint64_t ns,
                           uint64_t n)
{
    static const char *const no_names[] = {NULL};

    nv_emit_part(pass, family, "_sum", no_names, NULL, (double)ns / 1e9);
    nv_emit_part(pass, family, "_count", no_names, NULL, (double)n);
}

static void emit_rules(struct nv_pass *pass, const struct nv_rules_view *view)
{
    uint64_t rule_ns = 0, rules = 0, group_ns = 0, groups = 0;

    for (size_t i = 0; i < view->n_groups; i++) {
        const struct nv_rule_group_view *g = &view->groups[i];
        emit_group(pass, g);
        rule_ns += g->rules_ns_total;
        rules += g->evaluations;
        group_ns += g->evaluation_ns_total;
        groups += g->iterations - g->missed;
    }
    if (!view->n_groups)
        return;
    emit_durations(pass, &rule_duration, rule_ns, rules);
    emit_durations(pass, &group_duration, group_ns, groups);
}

static int collect(struct nv_pass *pass)
{
    struct nv_configured *configured = (void *)(uintptr_t)nv_flag(pass, 0)->text.p;
    struct nv_configured_told told;
    struct nv_rules_view view;

    nv_configured_tell(configured, &told); /* which proves the address */
    if (told.has_file) {
        nv_emit_u64(pass, &reload_table, NULL, 0, told.reload_ok);
        nv_emit_i64(pass, &reload_table, NULL, 1, told.loaded_ms);
    }
    int r = nv_configured_view(configured, NV_RULES_GROUPS, &view);
    if (r < 0)
        return r;
    emit_rules(pass, &view);
    nv_rules_view_done(&view);
    return 0;
}

static const struct nv_flag flags[] = {
    {.name = "configured", .kind = NV_FLAG_TEXT},
    {0                   }
};

const struct nv_collector nv_configured_collector = {
    NV_ABI_STAMP,
    .name = "self.configured",
    .summary = "Rules, and reloads of the configuration.",
    .tables = NV_TABLES(&group_table, &last_table, &reload_table),
    .flags = flags,
    .cadence_ms = CADENCE_MS,
    .collect = collect,
};
