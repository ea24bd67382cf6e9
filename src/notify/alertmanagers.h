/*
 * alertmanagers.h - all Alertmanagers of a configuration: found, told of alerts, asked how they are.
 *
 *   targets    of static_configs and file_sd_configs, relabelled; an address is one URL, told once. A file that changed is
 *              read again within its refresh_interval
 *   reload     those whose URL stays keep their queue
 *   threads    one for each Alertmanager, one that looks at files where there are some; send, view from any; apply and stop
 *              from one
 *   bound      NV_ALERTMANAGERS_MAX of them
 */
#ifndef NV_NOTIFY_ALERTMANAGERS_H
#define NV_NOTIFY_ALERTMANAGERS_H

#include "notify/alertmanager.h"

enum {
    NV_ALERTMANAGERS_MAX = 64,
    NV_ALERTMANAGERS_URL_MAX = 2048,
    NV_ALERTMANAGERS_DRAIN_MS = 3000, /* at the stop, for what waits */
};

struct nv_alertmanagers;

struct nv_alertmanagers *nv_alertmanagers_new(void);      /* NULL when memory is out */
void nv_alertmanagers_free(struct nv_alertmanagers *all); /* stops first */
NV_DEFINE_AUTO(nv_alertmanagers)

/* Finds those of a configuration, of which it takes a count; begins to send. Returns 0, or a negative errno and everything
 * as it was. */
NV_MUST_USE int nv_alertmanagers_apply(struct nv_alertmanagers *all, struct nv_config *config);

/* Sends what waits, as far as NV_ALERTMANAGERS_DRAIN_MS reach. */
void nv_alertmanagers_stop(struct nv_alertmanagers *all);

void nv_alertmanagers_send(struct nv_alertmanagers *all, struct nv_alert *const *alerts, size_t n);

/* ---- what is going on ----------------------------------------------------------------------- */

struct nv_alertmanagers_view {
    struct nv_alertmanager_view {
        char url[NV_ALERTMANAGERS_URL_MAX]; /* without user and password */
        struct nv_alertmanager_stats stats;
    } * active;
    size_t n_active;
    char (*dropped)[NV_ALERTMANAGERS_URL_MAX]; /* by relabelling */
    size_t n_dropped;
};

/* A picture of this moment. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_alertmanagers_view(struct nv_alertmanagers *all,
                                      struct nv_alertmanagers_view *ret);
void nv_alertmanagers_view_done(struct nv_alertmanagers_view *view);

/* Calls for what waits at each, with its URL: to be kept over a restart. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_alertmanagers_each_waiting(struct nv_alertmanagers *all,
                                              void (*tell)(void *user, const char *url,
                                                           struct nv_alert *alert),
                                              void *user);

/* Puts back what waited for that URL; false where there is no such Alertmanager any more. */
bool nv_alertmanagers_put_back(struct nv_alertmanagers *all, const char *url,
                               struct nv_alert *alert);

#endif
