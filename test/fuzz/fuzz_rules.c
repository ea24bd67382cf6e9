/*
 * fuzz_rules.c - rule files, and what they make of an engine: three evaluations over a few series.
 *
 * Broken promises: a text that is refused without a reason, or accepted and then different from itself; a group whose
 * rules have no verdict after an evaluation.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/log.h"
#include "rules/memory_store.h"
#include "rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_FUZZED = 16 << 10, STEPS = 3, STEP_MS = 60000 };

static void fill(struct nv_memory_store *store)
{
    static const struct nv_label series[][2] = {
        {{NV_LIT("__name__"), NV_LIT("up")}, {NV_LIT("job"), NV_LIT("a")}},
        {{NV_LIT("__name__"), NV_LIT("up")}, {NV_LIT("job"), NV_LIT("b")}},
        {{NV_LIT("__name__"), NV_LIT("x")},  {NV_LIT("a"), NV_LIT("b")}  },
    };

    for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++)
        for (int step = 0; step < STEPS; step++)
            nv_assert(nv_memory_store_add(store, series[i], 2, step * STEP_MS,
                                          (double)(step * (int)i), NULL) == 0);
}

static void evaluate(struct nv_rule_set *set)
{
    NV_AUTO(nv_memory_store) *store = nv_must(nv_memory_store_new());
    const struct nv_rules_options options = {
        .storage = {nv_memory_store_queryable(store), store, nv_memory_store_source,
                    nv_memory_store_append, NULL},
        .timeout_ms = 1000,
        .max_samples = 10000,
        .max_memory = 4 << 20,
    };
    const struct nv_rules_config config = {.interval_ms = STEP_MS};
    NV_AUTO(nv_rules) *rules = NULL;
    struct nv_rules_view view;

    fill(store);
    nv_assert(nv_rules_new(&options, &rules) == 0);
    nv_assert(nv_rules_apply(rules, set, &config) == 0);
    for (int step = 0; step < STEPS; step++)
        nv_rules_evaluate_at(rules, step * STEP_MS);
    nv_assert(nv_rules_view(rules, NV_RULES_ALERTS, &view) == 0);
    for (size_t g = 0; g < view.n_groups; g++) {
        for (size_t i = 0; i < view.groups[g].n_rules; i++) {
            const struct nv_rule_view *rule = &view.groups[g].rules[i];
            nv_assert(rule->health != NV_RULE_HEALTH_UNKNOWN);
            nv_assert((rule->health == NV_RULE_HEALTH_ERR) == (rule->last_error.n > 0));
        }
    }
    nv_rules_view_done(&view);
    nv_assert(nv_rules_apply(rules, set, &config) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct nv_rule_file_options options = {.ignore_unknown = size % 2};
    NV_AUTO(nv_rule_set) *set = nv_must(nv_rule_set_new());
    NV_AUTO_BUF mistakes = NV_BUF(1 << 20), found = NV_BUF(1 << 20);

    if (size > SIZE_MAX_FUZZED)
        return 0;
    nv_log_setup(NV_ERROR, NV_LOG_LOGFMT, -1);
    struct nv_str text = {(const char *)data, size};
    int r = nv_rule_set_add_text(set, "r.yml", text, &options, &mistakes);
    nv_assert(r == 0 || (r == -EBADMSG && mistakes.n) || r == -ENOMEM);
    if (r < 0)
        return 0;
    (void)nv_rule_set_duplicates(set, 0, &found);
    for (size_t i = 0; i < set->n_groups; i++)
        nv_assert(nv_rule_group_same(&set->groups[i], &set->groups[i]));
    evaluate(set);
    return 0;
}
