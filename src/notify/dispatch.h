/*
 * dispatch.h - alerts into notifications: routed, grouped, muted, repeated, as Alertmanager does it.
 *
 *   alerts     the newest word on each, until it is resolved and every receiver knows. NV_DISPATCH_ALERTS_MAX; more are
 *              refused and counted
 *   groups     the alerts of one route that agree in its group_by labels. Flushed group_wait after the first alert, then
 *              every group_interval
 *   flush      for each way of the route's receiver: sent when an alert fires that it has not been told of, when one is
 *              resolved (where it wants that), or when repeat_interval has passed. What is inhibited or silenced is left
 *              out. What failed is tried again after 1, 2, 4 ... seconds, group_interval at most, with what is true then;
 *              what was refused, with the next flush while anything of it fires
 *   passive    transport and clock come from outside; turn() may be called by several threads, each working on a group of
 *              its own
 *   restart    alerts and what was told can be kept (each) and put back (put, recall), so nothing is told twice
 *   threads    any
 */
#ifndef NV_NOTIFY_DISPATCH_H
#define NV_NOTIFY_DISPATCH_H

#include "notify/silence.h"

enum {
    NV_DISPATCH_ALERTS_MAX = 10000,
    NV_DISPATCH_ERROR_MAX = 512,
    NV_DISPATCH_MUTES_MAX = 16,
    NV_DISPATCH_IDLE_MS = 60000, /* the longest pause between two turns */
};
#define NV_DISPATCH_RECALL_MS (INT64_C(30) * 24 * 3600 * 1000) /* how old what is recalled may be */

enum nv_way { NV_WAY_WEBHOOK, NV_WAY_EMAIL, NV_WAY_COMMAND, NV_WAY_JOURNAL };

/* What one way of a receiver is to say. Borrowed. */
struct nv_notification {
    const struct nv_notify_receiver *receiver;
    enum nv_way way;
    size_t index; /* among the receiver's ways of that kind */
    const char *group_key;
    struct nv_alert *const *alerts; /* those that fire first */
    size_t n, n_firing;
    const struct nv_label *group_labels, *common_labels, *common_annotations;
    size_t n_group_labels, n_common_labels, n_common_annotations;
    int64_t now_ms;
};

struct nv_dispatch_options {
    /* Returns 0 when it is told; a negative errno and why. -EINVAL: refused, and no use to try at once. */
    int (*send)(void *user, const struct nv_notification *notification,
                char error[NV_DISPATCH_ERROR_MAX]);
    int64_t (*wall_ms)(void *user); /* NULL: the real one */
    void *user;
    struct nv_silences *silences; /* borrowed; NULL for none */
};

struct nv_dispatch_stats {
    uint64_t notifications, failures; /* told; tries that were not */
    uint64_t refused;                 /* alerts past the bound */
    size_t alerts, groups;
};

struct nv_dispatch;

struct nv_dispatch *nv_dispatch_new(const struct nv_dispatch_options *options); /* NULL: memory */
void nv_dispatch_free(struct nv_dispatch *dispatch);
NV_DEFINE_AUTO(nv_dispatch)

/* Takes a count of the configuration and routes all alerts anew; groups that stay keep their times and what was told.
 * Returns 0, or -ENOMEM and everything as it was. */
NV_MUST_USE int nv_dispatch_apply(struct nv_dispatch *dispatch, struct nv_config *config);

/* Takes a count of the alert. */
void nv_dispatch_put(struct nv_dispatch *dispatch, struct nv_alert *alert);

/* Flushes one group that is due. Returns milliseconds until there may be more to do, 0: at once; a put may make it
 * earlier. */
int64_t nv_dispatch_turn(struct nv_dispatch *dispatch);

void nv_dispatch_stats(struct nv_dispatch *dispatch, struct nv_dispatch_stats *ret);

/* ---- what is going on ----------------------------------------------------------------------- */

struct nv_dispatch_alert {
    const struct nv_alert *alert;
    const struct nv_notify_receiver *const *receivers;
    size_t n_receivers;
    char (*silenced_by)[NV_SILENCE_ID_MAX];
    size_t n_silenced_by;
    const struct nv_alert *inhibited_by; /* NULL for none */
};

/* Calls for each alert that fires, in order of their labels. */
void nv_dispatch_each(struct nv_dispatch *dispatch,
                      void (*tell)(void *user, const struct nv_dispatch_alert *alert), void *user);

/* ---- over a restart ------------------------------------------------------------------------- */

/* What a way of a group was last told. */
struct nv_told {
    const char *group_key;
    unsigned way; /* its number in the receiver, counted through all kinds */
    int64_t at_ms;
    const uint64_t *firing, *resolved; /* fingerprints, rising */
    size_t n_firing, n_resolved;
};

/* Changes whenever what is to be kept did. */
uint64_t nv_dispatch_changes(struct nv_dispatch *dispatch);
void nv_dispatch_each_alert(struct nv_dispatch *dispatch,
                            void (*tell)(void *user, const struct nv_alert *alert), void *user);
void nv_dispatch_each_told(struct nv_dispatch *dispatch,
                           void (*tell)(void *user, const struct nv_told *told), void *user);

/* One that was kept; it may be over, which nobody was told yet. After the first apply(). */
void nv_dispatch_put_back(struct nv_dispatch *dispatch, struct nv_alert *alert);

/* Copied; for the group when it comes, so before put_back(). What is too old is passed over. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_dispatch_recall(struct nv_dispatch *dispatch, const struct nv_told *told);

#endif
