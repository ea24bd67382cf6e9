/*
 * discover.h - what there is to be scraped on this node, without asking the API server: annotated pods, and pods with a port
 * for metrics.
 *
 *   which      pods that run, with an address, but for our own: by the annotation prometheus.io/scrape (wish.h), which may also
 *              forbid; without one, where wanted, by TCP ports named metrics or *-metrics (with TLS where the name begins with
 *              https)
 *   ports      of an annotated pod the one it names; else all its TCP ports, those of sidecars included
 *   labels     namespace, pod, container (that has the port), node; __meta_kubernetes_* as Prometheus has them for pods
 *              (meta.h)
 *   same       targets with the same URL, as pods on the host's network have, are one: the first by namespace and name
 *   bounds     NV_KUBE_TARGETS_MAX targets, and those of what it uses
 *   ownership  all in the arena: nothing of the pods is kept
 */
#ifndef NV_KUBE_DISCOVER_H
#define NV_KUBE_DISCOVER_H

#include <nodevitals/pods.h>

#include "config/config.h"

enum { NV_KUBE_TARGETS_MAX = 512 };

struct nv_kube_wanted {
    bool annotated, named_ports;
    int64_t interval_ms, timeout_ms; /* of those that say nothing */

    /* Texts may be NULL. A pod is ours by its uid, or else by name and namespace. */
    const char *own_uid, *own_name, *own_namespace;
    const char *node_name; /* where a pod does not tell it */
};

/* One group a target. Returns 0, -ENOMEM. */
NV_MUST_USE int nv_kube_discover(const struct nv_pods *pods, const struct nv_kube_wanted *wanted,
                                 struct nv_arena *memory, struct nv_target_groups *ret,
                                 size_t *ret_left_out);

/* A hash of all targets and labels: the same for the same. */
uint64_t nv_kube_digest(const struct nv_target_groups *groups);

#endif
