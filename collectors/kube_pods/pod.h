/*
 * pod.h - what of a pod, as the kubelet's /pods has it, becomes kube_pod_* samples.
 *
 * Texts are empty and numbers not there where the pod does not say.
 */
#ifndef NV_KUBE_PODS_POD_H
#define NV_KUBE_PODS_POD_H

#include "read.h"

struct nv_kube_owner {
    struct nv_str kind, name;
    bool controller;
};

struct nv_kube_toleration {
    struct nv_str key, op, value, effect, seconds;
};

struct nv_kube_volume {
    struct nv_str name, claim;
    bool has_claim, read_only, ephemeral;
};

struct nv_kube_claim { /* of spec.resourceClaims, or status.resourceClaimStatuses */
    struct nv_str name, resource, template_name;
};

struct nv_kube_spec_container {
    struct nv_str name, image, restart_policy;
    struct nv_kube_list requests, limits; /* struct nv_kube_pair */
};

struct nv_kube_state {
    bool waiting, running, terminated;
    struct nv_str reason; /* of waiting or terminated */
    struct nv_kube_number started, finished, exit_code;
};

struct nv_kube_status_container {
    struct nv_str name, image, image_id, id;
    bool ready;
    struct nv_kube_number restarts;
    struct nv_kube_state state, last;
};

struct nv_kube_condition {
    struct nv_str type, status, reason;
    struct nv_kube_number changed;
};

struct nv_kube_ip {
    struct nv_str ip;
};

/* Regular containers or init containers: what is wanted of them, and how they are. */
struct nv_kube_containers {
    struct nv_kube_list specs, statuses;
};

struct nv_kube_pod {
    struct nv_str name, ns, uid;
    struct nv_kube_number created, deleted, started;
    struct nv_kube_list labels, annotations, owners; /* the first two, and node_selector, raw */

    struct nv_str node, priority_class, restart_policy, service_account, scheduler, runtime_class;
    bool host_network;
    struct nv_kube_list overhead, node_selector, tolerations, volumes, claims;

    struct nv_str phase, qos, reason, host_ip, ip;
    struct nv_kube_list ips, conditions, claim_statuses;

    struct nv_kube_containers regular, init;
};

/* Reads one pod. False where it is no JSON object, or has no name. */
bool nv_kube_read_pod(struct nv_pass *pass, struct nv_str json, struct nv_kube_pod *ret);

/* A quantity ("100m", "0.5", "128Mi", "1e3") times `scale`, rounded up to a whole number. False where it is none. */
bool nv_kube_quantity(struct nv_str text, int64_t scale, double *ret);

/* emit_pod.c, emit_containers.c: what they have of a pod. */
void nv_kube_emit_pod(struct nv_pass *pass, const struct nv_kube_pod *pod);
void nv_kube_emit_containers(struct nv_pass *pass, const struct nv_kube_pod *pod);

/*
 * A row whose labels are a map's keys behind `prefix`, made label names as kube-state-metrics has them. `allowed`: the
 * keys to take, "*" for all.
 */
void nv_kube_emit_labels(struct nv_pass *pass, const struct nv_family *family, const char *prefix,
                         const struct nv_kube_pod *pod, const struct nv_kube_list *map,
                         const struct nv_flag_value *allowed);

#endif
