/*
 * kubernetes.h - the kubelet of this node, as flags and the downward API name it.
 *
 *   when       inside Kubernetes (KUBERNETES_SERVICE_HOST is set), where --kubelet.url is given, or where a collector that has
 *              nothing else to tell is on; elsewhere nothing of it exists
 *   order      new, add (before the gather starts), start; stop behind whoever asks for pods, free behind the gather
 *   metrics    nodevitals_kubelet_*
 */
#ifndef NV_AGENT_KUBERNETES_H
#define NV_AGENT_KUBERNETES_H

#include "agent/flags.h"
#include "gather/gather.h"
#include "kube/kubelet.h"

enum nv_option_kube {
    NV_OPTION_KUBELET_URL,
    NV_OPTION_KUBELET_TOKEN_FILE,
    NV_OPTION_KUBELET_CA_FILE,
    NV_OPTION_KUBELET_INSECURE,
    NV_OPTION_KUBELET_POLL,
};
extern const struct nv_flag nv_kubernetes_flags[];

/* What is wrong with the values. Returns 0, or -EINVAL. */
NV_MUST_USE int nv_kubernetes_check(const struct nv_flag_value *values,
                                    char error[NV_FLAGS_ERROR_MAX]);

struct nv_kubernetes;

/* `wanted`: by a collector that is on. Returns 0, with *ret NULL where there is nothing to ask; -EINVAL; -ENOMEM. */
NV_MUST_USE int nv_kubernetes_new(const struct nv_flag_value *values, bool wanted,
                                  struct nv_kubernetes **ret);
void nv_kubernetes_free(struct nv_kubernetes *kubernetes); /* stops first; NULL is fine */
NV_DEFINE_AUTO(nv_kubernetes)

/* Whether a collector has nothing to tell without a kubelet. */
bool nv_kubernetes_needs(const struct nv_collector *collector);

/* For struct nv_gather_options; NULL functions where there is no kubelet. */
struct nv_gather_pods nv_kubernetes_pods(struct nv_kubernetes *kubernetes);

/* Adds the collector that tells of it. */
NV_MUST_USE int nv_kubernetes_add(struct nv_kubernetes *kubernetes, struct nv_gather *gather);

NV_MUST_USE int nv_kubernetes_start(struct nv_kubernetes *kubernetes);
void nv_kubernetes_stop(struct nv_kubernetes *kubernetes);

/* Waits until the kubelet has answered once, or failed. */
void nv_kubernetes_wait(struct nv_kubernetes *kubernetes, int64_t timeout_ms);

#endif
