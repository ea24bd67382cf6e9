/*
 * rules.h - recording and alerting rules: groups of them evaluated by the clock, alerts kept, everything told.
 *
 *   groups     each by itself, on threads of a pool; rules of a group in order, each sees what those before it gave
 *   slots      multiples of the interval, shifted by a hash of file and name; an evaluation bears its slot's time
 *   storage    read as a queryable; written as one frame for each evaluation, a group being a source and a rule a
 *              section of it. A rule that fails leaves its section unobserved; what it gave before and gives no more
 *              becomes stale
 *   alerts     pending and firing ones are kept over a restart by ALERTS_FOR_STATE; resolved ones are told for
 *              NV_RULES_RESOLVED_MS
 *   bounds     those of rule_file.h, of a query's samples, memory and time; NV_RULES_ALERTS_MAX alerts of a rule
 *   threads    apply() and stop() from one; view() and stats from any
 *   time       from options.clock, so that hours can pass at once
 */
#ifndef NV_RULES_RULES_H
#define NV_RULES_RULES_H

#include "metric/frame.h"
#include "metric/queryable.h"
#include "rules/rule_file.h"

enum {
    NV_RULES_RESOLVED_MS = 15 * 60 * 1000,
    NV_RULES_ALERTS_MAX = 100000,
    NV_RULES_THREADS_MAX = 16,
};

/* Instead of a time, for what has not happened. */
#define NV_RULES_NEVER INT64_MIN

enum nv_rule_state { NV_RULE_UNKNOWN, NV_RULE_INACTIVE, NV_RULE_PENDING, NV_RULE_FIRING };
enum nv_rule_health { NV_RULE_HEALTH_UNKNOWN, NV_RULE_HEALTH_OK, NV_RULE_HEALTH_ERR };
const char *
nv_rule_state_name(enum nv_rule_state state); /* "unknown" "inactive" "pending" "firing" */
const char *nv_rule_health_name(enum nv_rule_health health); /* "unknown" "ok" "err" */

/* An alert that is to be sent: firing, or resolved. */
struct nv_rule_alert {
    const struct nv_label *labels, *annotations; /* by name; alertname among the labels */
    size_t n_labels, n_annotations;
    bool resolved;
    int64_t starts_ms; /* since when it fires */
    int64_t ends_ms;   /* when it was resolved; else until when it holds if nothing more is heard */
    double value;
    struct nv_str rule, expr, group; /* the alert's name; its expression; its group's name */
    const char *file;
};

/* What the engine writes to. Each group has a source of its own. */
struct nv_rule_storage {
    const struct nv_queryable *queryable;
    void *user;
    /* The number of a source; the same name gives the same one. Returns 0; a negative errno or a positive outcome. */
    int (*source)(void *user, const char *name, uint32_t *ret);
    /* Takes a frame (borrowed). Returns 0; a negative errno or a positive outcome: the frame was dropped. */
    int (*append)(void *user, uint32_t source, struct nv_frame *frame);
    /* Whether the next frame begins a page, so that a new layout costs least; NULL: always. */
    bool (*begins_page)(void *user, uint32_t source);
};

struct nv_rules_clock {
    int64_t (*wall_ns)(void *user); /* NULL: the real clocks */
    int64_t (*monotonic_ns)(void *user);
    void *user;
};

struct nv_rules_options {
    struct nv_rule_storage storage;
    struct nv_rules_clock clock;

    /* Called after each evaluation of a rule that has something to send; what it gets is borrowed. May be NULL. */
    void (*send)(void *user, const struct nv_rule_alert *alerts, size_t n);
    void *send_user;

    unsigned threads;            /* 0: two */
    unsigned features;           /* enum nv_promql_feature */
    int64_t timeout_ms;          /* of a query; 0: two minutes */
    int64_t lookback_ms;         /* 0: five minutes */
    uint64_t max_samples;        /* of a query; 0: fifty million */
    size_t max_memory;           /* of a query; 0: 32 MB */
    struct nv_promql_pool *pool; /* of all queries; may be NULL */
    int64_t resend_delay_ms;     /* negative: a minute */
    int64_t outage_tolerance_ms; /* negative: an hour */
    int64_t grace_period_ms;     /* negative: ten minutes */
    bool restore; /* `for` states of the groups that are there at the first apply() */
};

struct nv_rules;
NV_MUST_USE int nv_rules_new(const struct nv_rules_options *options, struct nv_rules **ret);
void nv_rules_free(struct nv_rules *rules); /* stops first */
NV_DEFINE_AUTO(nv_rules)

/* What the configuration says of all groups. Copied. */
struct nv_rules_config {
    int64_t interval_ms, query_offset_ms;
    const struct nv_label *external_labels; /* by name */
    size_t n_external_labels;
    const char *external_url; /* NULL: "" */
};

/*
 * Takes over the groups of a set; the caller keeps its own count. Groups that stay as they were go on; rules whose name and
 * labels stay keep their alerts; what is no more becomes stale. Waits for evaluations under way, and ends those that take long. Returns 0; -ENOMEM or
 * what a source could not be made for, and everything as it was.
 */
NV_MUST_USE int nv_rules_apply(struct nv_rules *rules, struct nv_rule_set *set,
                               const struct nv_rules_config *config);

/* The pool of threads. stop() ends queries under way. */
NV_MUST_USE int nv_rules_start(struct nv_rules *rules);
void nv_rules_stop(struct nv_rules *rules);

/* One turn of a thread, for tests and tools: evaluates all groups that are due. Returns nanoseconds to sleep. */
int64_t nv_rules_turn(struct nv_rules *rules);

/* Evaluates all groups at a time, whatever their slots, in the order of the set. */
void nv_rules_evaluate_at(struct nv_rules *rules, int64_t time_ms);

/* ---- what is going on ----------------------------------------------------------------------- */

struct nv_rule_instance {
    const struct nv_label *labels, *annotations; /* by name */
    size_t n_labels, n_annotations;
    enum nv_rule_state state; /* pending or firing */
    int64_t active_ms;
    int64_t keep_firing_since_ms; /* NV_RULES_NEVER: it is in the result of its expression */
    double value;
};

struct nv_rule_view {
    bool is_alert;
    struct nv_str name, query; /* query: as PromQL prints it */
    int64_t for_ms, keep_firing_ms;
    const struct nv_label *labels, *annotations; /* as written; annotations of alerts */
    size_t n_labels, n_annotations;
    enum nv_rule_state state; /* of an alert */
    enum nv_rule_health health;
    struct nv_str last_error;   /* empty: none */
    int64_t evaluation_ns;      /* how long the last one took */
    int64_t last_evaluation_ns; /* when it was, in wall time; NV_RULES_NEVER */
    const struct nv_rule_instance *alerts;
    size_t n_alerts;
};

struct nv_rule_group_view {
    struct nv_str name;
    struct nv_str file;
    int64_t interval_ms, query_offset_ms;
    uint64_t limit;
    int64_t evaluation_ns, last_evaluation_ns; /* as of a rule */
    const struct nv_rule_view *rules;
    size_t n_rules;

    /* For metrics. */
    uint64_t iterations, missed, evaluations, failures;
    uint64_t samples;             /* written by the last evaluation */
    uint64_t evaluation_ns_total; /* in all iterations, and the rules in them */
    uint64_t rules_ns_total;
    int64_t last_slot_ms; /* NV_RULES_NEVER */
};

struct nv_rules_view {
    struct nv_arena memory; /* of all of it */
    const struct nv_rule_group_view *groups;
    size_t n_groups; /* by file, then name */
};

enum nv_rules_detail {
    NV_RULES_GROUPS, /* groups alone, for metrics */
    NV_RULES_RULES,  /* without alerts */
    NV_RULES_ALERTS,
};

/* A picture of this moment. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_rules_view(struct nv_rules *rules, enum nv_rules_detail detail,
                              struct nv_rules_view *ret);
void nv_rules_view_done(struct nv_rules_view *view);

#endif
