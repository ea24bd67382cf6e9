/*
 * outgoing.h - from the rules to whoever is told of their alerts: the notifiers, as the configuration has them.
 *
 *   order      add (before the gather starts), open (once the agent's URL is known), then as nv_configured_options says;
 *              stop behind the rules, done behind the gather
 *   no file    without --config.file there are no notifiers
 *   metrics    prometheus_notifications_*, by the names dashboards look for
 *   threads    send() and the metrics from any
 */
#ifndef NV_AGENT_OUTGOING_H
#define NV_AGENT_OUTGOING_H

#include "gather/gather.h"
#include "notify/notify.h"
#include "rules/rules.h"

enum { NV_OUTGOING_MAGIC = 0x616c7274 };

struct nv_outgoing {
    uint32_t magic;
    struct nv_flag_value handle; /* carries our address to the collector */
    struct nv_notify *notify;    /* atomic; NULL before open, and where there are none */
    const char *external_url;    /* borrowed */
};

/* Adds the collector that tells of it. It stays where it is from here on. */
NV_MUST_USE int nv_outgoing_add(struct nv_outgoing *outgoing, struct nv_gather *gather);

/* Makes the notifiers. `folder`: for what they keep; NULL: nothing is kept. -ENOMEM. */
NV_MUST_USE int nv_outgoing_open(struct nv_outgoing *outgoing, const char *folder,
                                 const char *external_url);
void nv_outgoing_stop(struct nv_outgoing *outgoing);
void nv_outgoing_done(struct nv_outgoing *outgoing); /* stops first */

/* NULL where there are none. */
struct nv_notify *nv_outgoing_notify(const struct nv_outgoing *outgoing);

/* For nv_configured_options, with the struct as their user. */
int nv_outgoing_apply(void *user, struct nv_config *config, char error[NV_YAML_ERROR_MAX]);
void nv_outgoing_send(void *user, const struct nv_rule_alert *of_rule, size_t n);

#endif
