/*
 * world.h - an engine of rules in a world of its own: a clock that is set, a store in memory, alerts that are noted.
 *
 * Groups have their slots shifted by a hash; world_run() goes from slot to slot. Times are seconds since T0.
 */
#ifndef NV_TEST_RULES_WORLD_H
#define NV_TEST_RULES_WORLD_H

#include <check.h>

#include "base/assert.h"
#include "promql/eval.h"
#include "rules/memory_store.h"
#include "rules/rules.h"
#include "support/fixture.h"

#define T0 INT64_C(1767225600000) /* 2026-01-01 00:00, ms */

enum { SENT_MAX = 4096 };

/* An alert that was sent. */
struct sent {
    int64_t at_ms, starts_ms, ends_ms;
    bool resolved;
    double value;
    char labels[256], annotations[256], expr[256];
};

struct world {
    struct nv_memory_store *store;
    struct nv_rules *rules;
    struct nv_rules_options options;
    struct nv_rules_config config;
    int64_t now_ms, slept_ns;
    struct sent sent[SENT_MAX];
    size_t n_sent;
    int append_fails;
    unsigned n_held;                           /* atomic: queries that were made to wait */
    void (*before_query)(struct world *world); /* hooks into select() */
    struct nv_queryable queryable;
};

static inline int64_t world_wall_ns(void *user)
{
    return ((struct world *)user)->now_ms * 1000000;
}

static inline int64_t world_monotonic_ns(void *user)
{
    const struct world *w = user;

    return (w->now_ms - T0) * 1000000 + 1000000000 + w->slept_ns;
}

static inline void world_print(char *to, size_t size, const struct nv_label *labels, size_t n)
{
    NV_AUTO_BUF text = NV_BUF(4096);

    nv_promql_print_labels(&text, labels, n);
    snprintf(to, size, "%s", nv_buf_c_string(&text));
}

static inline void world_send(void *user, const struct nv_rule_alert *alerts, size_t n)
{
    struct world *w = user;

    for (size_t i = 0; i < n && w->n_sent < SENT_MAX; i++) {
        struct sent *s = &w->sent[w->n_sent++];
        *s = (struct sent){w->now_ms,
                           alerts[i].starts_ms,
                           alerts[i].ends_ms,
                           alerts[i].resolved,
                           alerts[i].value,
                           "",
                           "",
                           ""};
        world_print(s->labels, sizeof(s->labels), alerts[i].labels, alerts[i].n_labels);
        world_print(s->annotations, sizeof(s->annotations), alerts[i].annotations,
                    alerts[i].n_annotations);
        snprintf(s->expr, sizeof(s->expr), "%.*s", NV_ARGS(alerts[i].expr));
    }
}

static inline int world_append(void *user, uint32_t source, struct nv_frame *frame)
{
    struct world *w = user;

    return w->append_fails      ? w->append_fails
           : w->options.threads ? 0
                                : nv_memory_store_append(w->store, source, frame);
}

static inline int world_source(void *user, const char *name, uint32_t *ret)
{
    return nv_memory_store_source(((struct world *)user)->store, name, ret);
}

static inline int world_select(void *user, const struct nv_matcher *matchers, size_t n,
                               int64_t from_ms, int64_t to_ms, size_t limit,
                               struct nv_selection *ret)
{
    struct world *w = user;
    const struct nv_queryable *store = nv_memory_store_queryable(w->store);

    if (w->before_query)
        w->before_query(w);
    return store->select(store->store, matchers, n, from_ms, to_ms, limit, ret);
}

static inline struct world *world_new(void)
{
    struct world *w = nv_must(calloc(1, sizeof(*w)));

    nv_quiet();
    w->now_ms = T0;
    w->store = nv_must(nv_memory_store_new());
    w->queryable = *nv_memory_store_queryable(w->store);
    w->queryable.store = w;
    w->queryable.select = world_select;
    w->config.interval_ms = 60000;
    w->options = (struct nv_rules_options){
        .storage = {&w->queryable, w, world_source, world_append, NULL},
        .clock = {world_wall_ns,         world_monotonic_ns,          w         },
        .send = world_send,
        .send_user = w,
        .resend_delay_ms = -1,
        .outage_tolerance_ms = -1,
        .grace_period_ms = -1,
    };
    return w;
}

static inline void world_start(struct world *w)
{
    nv_rules_free(w->rules);
    ck_assert_int_eq(nv_rules_new(&w->options, &w->rules), 0);
}

static inline void world_free(struct world *w)
{
    nv_rules_free(w->rules);
    nv_memory_store_free(w->store);
    free(w);
}

/* Rules from YAML. Starts the engine if it has not begun. */
static inline int world_try_apply(struct world *w, const char *yaml)
{
    const struct nv_rule_file_options options = {0};
    NV_AUTO(nv_rule_set) *set = nv_must(nv_rule_set_new());
    NV_AUTO_BUF mistakes = NV_BUF(1 << 16);

    if (!w->rules)
        world_start(w);
    int r = nv_rule_set_add_text(set, "r.yml", nv_str(yaml), &options, &mistakes);
    if (r < 0)
        fprintf(stderr, "%s", nv_buf_c_string(&mistakes));
    return r < 0 ? r : nv_rules_apply(w->rules, set, &w->config);
}

static inline void world_apply(struct world *w, const char *yaml)
{
    ck_assert_int_eq(world_try_apply(w, yaml), 0);
}

/* Goes on to a time, evaluating what is due on the way. */
static inline void world_run(struct world *w, double until_s)
{
    int64_t until = T0 + llround(until_s * 1000);

    for (;;) {
        int64_t sleep_ms = (nv_rules_turn(w->rules) + 999999) / 1000000;
        if (w->now_ms + sleep_ms > until)
            break;
        w->now_ms += sleep_ms ? sleep_ms : 1;
    }
    w->now_ms = until;
    nv_rules_turn(w->rules);
}

/* A sample of `name{a="x"}` as PromQL writes it. */
static inline void world_sample(struct world *w, const char *series, double at_s, double value)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_label labels[16];
    size_t n = 0;

    ck_assert_int_eq(nv_promql_parse_selector(nv_str(series), &arena, &promql, &error), 0);
    const struct nv_selector *s = &promql.root->selector;
    for (size_t i = 0; i < s->n_matchers; i++) {
        size_t at = n++;
        for (; at && nv_str_cmp(labels[at - 1].name, s->matchers[i].name) > 0; at--)
            labels[at] = labels[at - 1];
        labels[at] = (struct nv_label){s->matchers[i].name, s->matchers[i].value};
    }
    ck_assert_int_eq(
        nv_memory_store_add(w->store, labels, n, T0 + llround(at_s * 1000), value, NULL), 0);
    nv_promql_done(&promql);
    nv_arena_done(&arena);
}

/* The same value every `step_s` seconds, both ends included. */
static inline void world_fill(struct world *w, const char *series, double from_s, double to_s,
                              double step_s, double value)
{
    for (double at = from_s; at <= to_s; at += step_s)
        world_sample(w, series, at, value);
}

/* An expression at a time: "{a="x"} 1, {a="y"} 2"; in memory of the test. */
static inline const char *world_ask(struct world *w, const char *expr, double at_s)
{
    static char answer[8192];
    struct nv_arena arena = NV_ARENA(1 << 20);
    const struct nv_promql_options options = {0};
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_promql_result result;
    NV_AUTO_BUF text = NV_BUF(sizeof(answer) - 1);

    ck_assert_int_eq(nv_promql_parse(nv_str(expr), 0, &arena, &promql, &error), 0);
    ck_assert_int_eq(nv_promql_eval_at(&promql, nv_memory_store_queryable(w->store),
                                       T0 + llround(at_s * 1000), &options, &result),
                     0);
    for (size_t i = 0; i < result.n; i++) {
        if (i)
            nv_buf_text(&text, ", ");
        nv_promql_print_labels(&text, result.series[i].labels, result.series[i].n_labels);
        nv_buf_printf(&text, " %.17g", result.series[i].values[0]);
    }
    snprintf(answer, sizeof(answer), "%s", nv_buf_c_string(&text));
    nv_promql_result_done(&result);
    nv_promql_done(&promql);
    nv_arena_done(&arena);
    return answer;
}

/* When the group's slots are: its first one at or after a time, in seconds. */
static inline double world_slot(struct world *w, const char *group, double from_s)
{
    struct nv_rules_view view;
    double slot = -1;

    ck_assert_int_eq(nv_rules_view(w->rules, NV_RULES_GROUPS, &view), 0);
    for (size_t i = 0; i < view.n_groups; i++) {
        if (!nv_str_is(view.groups[i].name, group))
            continue;
        ck_assert_int_ne(view.groups[i].last_slot_ms, NV_RULES_NEVER);
        slot = (double)(view.groups[i].last_slot_ms - T0) / 1000;
        double interval = (double)view.groups[i].interval_ms / 1000;
        while (slot < from_s)
            slot += interval;
        while (slot - interval >= from_s)
            slot -= interval;
    }
    nv_rules_view_done(&view);
    ck_assert_double_ge(slot, 0);
    return slot;
}

/* The view of one rule, which is there; ends with world_look_away(). */
static struct nv_rules_view world_view;

static inline const struct nv_rule_view *world_look(struct world *w, const char *rule)
{
    nv_rules_view_done(&world_view);
    ck_assert_int_eq(nv_rules_view(w->rules, NV_RULES_ALERTS, &world_view), 0);
    for (size_t g = 0; g < world_view.n_groups; g++)
        for (size_t i = 0; i < world_view.groups[g].n_rules; i++)
            if (nv_str_is(world_view.groups[g].rules[i].name, rule))
                return &world_view.groups[g].rules[i];
    nv_assert_failed("there is such a rule", rule, 0);
}

static inline const struct nv_rule_group_view *world_group(struct world *w, const char *group)
{
    nv_rules_view_done(&world_view);
    ck_assert_int_eq(nv_rules_view(w->rules, NV_RULES_ALERTS, &world_view), 0);
    for (size_t g = 0; g < world_view.n_groups; g++)
        if (nv_str_is(world_view.groups[g].name, group))
            return &world_view.groups[g];
    nv_assert_failed("there is such a group", group, 0);
}

static inline void world_look_away(void)
{
    nv_rules_view_done(&world_view);
}

#endif
