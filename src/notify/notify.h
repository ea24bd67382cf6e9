/*
 * notify.h - alerts out of the node: to Alertmanagers, and through receivers of its own.
 *
 *   alerts     what comes from the rules gets the external labels and alert_relabel_configs, then goes both ways
 *   state      in a folder, where there is one: notify.json (state.h) and silences.json, unless the configuration names
 *              another file for silences. Written a second after something was told, and at the stop
 *   reload     apply() at any time. Another silences_file takes a restart
 *   threads    two that tell, one that keeps, one for each Alertmanager; all made by the first configuration that needs
 *              them. Functions may be called by any; apply, start and stop by one
 */
#ifndef NV_NOTIFY_NOTIFY_H
#define NV_NOTIFY_NOTIFY_H

#include "notify/alertmanagers.h"
#include "notify/dispatch.h"
#include "notify/reports.h"

enum {
    NV_NOTIFY_THREADS = 2,
    NV_NOTIFY_KEEP_MS = 1000,     /* between two writes of the state */
    NV_NOTIFY_LOOK_MS = 5000,     /* between two looks at the silences' file */
    NV_NOTIFY_RESTORE_MS = 300000 /* how long what fired before a restart is believed to fire */
};

struct nv_notify_options {
    const char *folder;       /* of the state; NULL: none is kept */
    const char *external_url; /* of the agent, without a slash at the end */
};

struct nv_notify;

struct nv_notify *
nv_notify_new(const struct nv_notify_options *options); /* NULL when memory is out */
void nv_notify_free(struct nv_notify *notify);          /* stops first */
NV_DEFINE_AUTO(nv_notify)

/* Takes a count of the configuration. Returns 0, or a negative errno and what it could do. The first one reads the state. */
NV_MUST_USE int nv_notify_apply(struct nv_notify *notify, struct nv_config *config);
void nv_notify_stop(struct nv_notify *notify);

/* Alerts as the rules have them, without external labels. Copied. */
void nv_notify_send(struct nv_notify *notify, const struct nv_alert *alerts, size_t n);

/* The place of an expression in Prometheus' page: URL/graph?g0.expr=...&g0.tab=1 */
void nv_notify_generator_url(struct nv_buf *out, const char *external_url, struct nv_str expr);

/* ---- what is going on; they live as long as the notifiers ----------------------------------- */

struct nv_silences *
nv_notify_silences(struct nv_notify *notify); /* NULL before the first apply() */
struct nv_dispatch *nv_notify_dispatch(struct nv_notify *notify); /* the same */
struct nv_alertmanagers *nv_notify_alertmanagers(struct nv_notify *notify);
struct nv_reports *nv_notify_reports(struct nv_notify *notify);

/* Calls for each receiver of the configuration, in its order. */
void nv_notify_each_receiver(struct nv_notify *notify,
                             void (*tell)(void *user, const struct nv_notify_receiver *receiver),
                             void *user);

/* After a silence was changed, so that it is heard at once. */
void nv_notify_wake(struct nv_notify *notify);

#endif
