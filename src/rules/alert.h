/*
 * alert.h - the alerts of one rule, and how evaluations change them.
 *
 *   pending    in the result, but not for so long as the rule's `for` asks
 *   firing     in the result long enough; or no more in it, for less than `keep_firing_for`
 *   inactive   was firing; kept for NV_RULES_RESOLVED_MS, so that its end is told again and again
 *   identity   the label set
 *   times      ms since the epoch, NV_RULES_NEVER for what has not happened
 */
#ifndef NV_RULES_ALERT_H
#define NV_RULES_ALERT_H

#include "base/index.h"
#include "rules/rules.h"

struct nv_alert {
    enum nv_rule_state state;
    double value;
    int64_t active_ms, fired_ms, resolved_ms, sent_ms, valid_ms, keep_since_ms;
    const struct nv_label *labels, *annotations; /* in this block; in one of their own */
    size_t n_labels, n_annotations;
    void *annotation_memory;
    uint64_t seen; /* the evaluation that had it in its result */
};

struct nv_alerts {
    struct nv_alert **at;
    size_t n, room;
    struct nv_index index; /* by labels */
    bool moved;            /* so that the index has to be made anew */
    uint64_t evaluation;
};
void nv_alerts_done(struct nv_alerts *alerts);
void nv_alerts_clear(struct nv_alerts *alerts);
struct nv_alert *nv_alerts_find(const struct nv_alerts *alerts, const struct nv_label *labels,
                                size_t n_labels);

/* An element of the result, as the alert it is. */
struct nv_alert_found {
    const struct nv_label *labels, *annotations; /* by name */
    size_t n_labels, n_annotations;
    double value;
};

struct nv_alert_terms {
    int64_t now_ms, for_ms, keep_firing_ms;
    uint64_t limit;
};

enum nv_alerts_outcome {
    NV_ALERTS_TWICE = 1, /* equal labels in the result: nothing was changed */
    NV_ALERTS_LIMIT, /* more than the limit: all are dropped; *ret_active tells how many there were */
};

/* Takes in a result. *ret_active: how many are pending or firing. Returns 0, an outcome, or -ENOMEM. */
NV_MUST_USE int nv_alerts_evaluate(struct nv_alerts *alerts, const struct nv_alert_found *found,
                                   size_t n, const struct nv_alert_terms *terms,
                                   size_t *ret_active);

static inline bool nv_alert_is_active(const struct nv_alert *alert)
{
    return alert->state != NV_RULE_INACTIVE;
}

/* Whether it is time to send it; and notes that it was sent. */
bool nv_alert_is_due(const struct nv_alert *alert, int64_t now_ms, int64_t resend_ms);
void nv_alert_sent(struct nv_alert *alert, int64_t now_ms, int64_t interval_ms, int64_t resend_ms);

/* The highest state of all. */
enum nv_rule_state nv_alerts_state(const struct nv_alerts *alerts);

/*
 * When an alert counts as active since, which was active since `was` until the process went down, and is so again:
 * time down does not count, and it does not fire before the grace period is over.
 */
int64_t nv_alert_restored(int64_t now_ms, int64_t down_ms, int64_t was_ms, int64_t for_ms,
                          int64_t grace_ms);

#endif
