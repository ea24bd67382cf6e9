/*
 * group.h - a group at work. Only src/rules includes this.
 *
 *   rules.c     the engine: slots and threads; apply.c takes over a new set
 *   group.c     one evaluation of a group: its rules in order, then the frame
 *   record.c    what a recording rule does with its result
 *   alerting.c  what an alerting rule does with its, expand.c its templates
 *   ask.c       queries, of rules and of templates
 *   restore.c   `for` states after a restart
 *   view.c      pictures of it all
 *
 *   locks      engine's `lock`, then a group's. A group is evaluated by one thread at a time, marked `busy`; that
 *              thread alone writes it, under the group's lock where view.c reads
 */
#ifndef NV_RULES_GROUP_H
#define NV_RULES_GROUP_H

#include <pthread.h>

#include "base/log.h"
#include "config/template.h"
#include "promql/eval.h"
#include "rules/alert.h"
#include "rules/cells.h"
#include "rules/sight.h"

enum {
    NV_RULES_QUERY_MEMORY = 16 << 20,  /* of a parsed expression */
    NV_RULES_EXPAND_MEMORY = 64 << 20, /* of the labels and annotations of one rule's alerts */
    NV_RULES_REASON_MAX = 1024,
};

/* A rule and what it keeps from evaluation to evaluation. */
struct nv_rule {
    const struct nv_rule_def *def;
    uint32_t section;
    bool looks;    /* at what rules before it write, or may */
    bool restored; /* its alerts may be written */
    struct nv_columns_of_rule columns;
    struct nv_alerts alerts;

    /* Under the group's lock. */
    enum nv_rule_health health;
    char *last_error; /* NULL: none */
    int64_t evaluation_ns, last_evaluation_ns;
};

struct nv_group {
    struct nv_rules *engine;
    struct nv_rule_set *set; /* a count of it */
    const struct nv_rule_group_def *def;
    struct nv_rule *rules;
    size_t n_rules;
    int64_t interval_ms, offset_ms, shift_ms;
    struct nv_cells cells;
    uint32_t source;
    int64_t newest_ms;      /* time of its last frame */
    unsigned until_restore; /* evaluations until `for` states are restored; 0: nothing to restore */
    struct nv_complaint refused;

    /* Under the engine's lock. */
    bool busy;
    int64_t next_ms, last_ns; /* next slot; monotonic time of the last one, 0 before it */

    pthread_mutex_t lock;
    struct {
        uint64_t iterations, missed, evaluations, failures, samples, ns, rules_ns;
        int64_t evaluation_ns, last_evaluation_ns, last_slot_ms;
    } stats;
};

/* What a thread works with, so that groups at rest hold nothing. */
struct nv_rules_bench {
    struct nv_arena parse, expand;
    struct nv_buf text;
};
void nv_rules_bench_init(struct nv_rules_bench *bench);
void nv_rules_bench_done(struct nv_rules_bench *bench);

struct nv_rules {
    struct nv_rules_options options;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    struct nv_group **groups;
    size_t n_groups, n_busy;
    bool paused, stopping;
    volatile bool cancel; /* atomic: queries under way */

    bool applied;
    int64_t began_ms; /* of the first apply(): what is older, another process wrote */
    pthread_t threads[NV_RULES_THREADS_MAX];
    unsigned n_threads;
    struct nv_rules_bench bench; /* of nv_rules_turn() and evaluate_at() */

    /* Written while nobody is busy. */
    struct nv_arena config_memory;
    struct nv_rules_config config;
};

static inline int64_t nv_rules_wall_ns(const struct nv_rules *engine)
{
    return engine->options.clock.wall_ns(engine->options.clock.user);
}

static inline int64_t nv_rules_monotonic_ns(const struct nv_rules *engine)
{
    return engine->options.clock.monotonic_ns(engine->options.clock.user);
}

/* Ends what is under way, or lets it be. */
static inline void nv_rules_cancel(struct nv_rules *engine, bool cancel)
{
    __atomic_store_n(&engine->cancel, cancel, __ATOMIC_RELAXED);
}

static inline bool nv_rules_is_cancelled(const struct nv_rules *engine)
{
    return __atomic_load_n(&engine->cancel, __ATOMIC_RELAXED);
}

/* An evaluation under way. */
struct nv_evaluation {
    struct nv_group *group;
    struct nv_rules_bench *bench;
    int64_t time_ms; /* of the slot */
    struct nv_sight sight;
    bool sees_more;                   /* the cells have something the storage has not */
    char reason[NV_RULES_REASON_MAX]; /* why a rule failed */
};

static inline int64_t nv_evaluation_query_ms(const struct nv_evaluation *ev)
{
    return ev->time_ms - ev->group->offset_ms;
}

/* group.c */
NV_MUST_USE int nv_rule_group_new(struct nv_rules *engine, struct nv_rule_set *set,
                                  const struct nv_rule_group_def *def, struct nv_group **ret);
void nv_rule_group_free(struct nv_group *group);
bool nv_rule_group_is(const struct nv_rule_group_def *a, const struct nv_rule_group_def *b);

/* The last slot of a group that is not after a time. */
int64_t nv_rule_group_slot(const struct nv_group *group, int64_t ms);
void nv_rule_group_evaluate(struct nv_group *group, struct nv_rules_bench *bench, int64_t time_ms);

/* A last frame without any series, so that all become stale. */
void nv_rule_group_end(struct nv_group *group);
__attribute__((format(printf, 2, 3))) int nv_evaluation_fail(struct nv_evaluation *ev,
                                                             const char *format, ...);

/* ask.c: `text` at the evaluation's time. *ret is to be ended by nv_promql_result_done() in any case. Returns 0 or an
 * error, with its reason. */
NV_MUST_USE int nv_rule_ask(struct nv_evaluation *ev, struct nv_str text, bool looks,
                            struct nv_promql_result *ret);

/* As a template's `query`; `user` is the evaluation. */
int nv_rule_ask_for_template(void *user, struct nv_str expression, int64_t time_ms,
                             struct nv_arena *memory, const struct nv_template_sample **ret,
                             size_t *ret_n, char *error);

/* The expression as PromQL prints it. */
void nv_rule_ask_print(struct nv_arena *memory, unsigned features, struct nv_str text,
                       struct nv_buf *out);

/* record.c, alerting.c: claim, write, close. Return 0 or an error with its reason. */
NV_MUST_USE int nv_rule_record(struct nv_evaluation *ev, struct nv_rule *rule,
                               const struct nv_promql_result *result);
NV_MUST_USE int nv_rule_alerting(struct nv_evaluation *ev, struct nv_rule *rule,
                                 const struct nv_promql_result *result);

/* The columns an evaluation has claimed become those of the rule. */
NV_MUST_USE int nv_columns_room(struct nv_columns_of_rule *columns, size_t n);
int nv_evaluation_cells_failed(struct nv_evaluation *ev, int r, struct nv_str name,
                               const struct nv_label *labels, size_t n_labels);

/* expand.c: the elements of a result as alerts, in bench->expand. */
NV_MUST_USE int nv_rule_expand(struct nv_evaluation *ev, const struct nv_rule *rule,
                               const struct nv_promql_result *result, struct nv_alert_found **ret);

/* restore.c */
void nv_rule_restore(struct nv_evaluation *ev);

/* A label set with one label set or, where the value is empty, taken away; `labels` (by name) has room for one more.
 * Returns how many there are. */
size_t nv_labels_put(struct nv_label *labels, size_t n, struct nv_str name, struct nv_str value);

#endif
