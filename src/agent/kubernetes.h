/*
 * kubernetes.h - the kubelet of this node, as flags and the downward API name it.
 *
 *   when       inside Kubernetes (KUBERNETES_SERVICE_HOST is set), where --kubelet.url is given, or where a collector that has
 *              nothing else to tell is on; elsewhere nothing of it exists
 *   order      new, add (before the gather starts), start; stop behind whoever asks for pods, free behind the gather
 *   found      its endpoints and the pods of the node, to be scraped
 *   metrics    nodevitals_kubelet_*
 */
#ifndef NV_AGENT_KUBERNETES_H
#define NV_AGENT_KUBERNETES_H

#include "agent/flags.h"
#include "gather/gather.h"
#include "kube/kubelet.h"
#include "scrape/scrape.h"

enum nv_option_kube {
    NV_OPTION_KUBELET_URL,
    NV_OPTION_KUBELET_TOKEN_FILE,
    NV_OPTION_KUBELET_CA_FILE,
    NV_OPTION_KUBELET_INSECURE,
    NV_OPTION_KUBELET_POLL,
    NV_OPTION_KUBELET_ENDPOINTS,
    NV_OPTION_KUBE_ANNOTATIONS,
    NV_OPTION_KUBE_PORT_NAMES,
    NV_OPTION_KUBE_INTERVAL,
};
extern const struct nv_flag nv_kubernetes_flags[];

/* What is wrong with the values. Returns 0, or -EINVAL. */
NV_MUST_USE int nv_kubernetes_check(const struct nv_flag_value *values,
                                    char error[NV_FLAGS_ERROR_MAX]);

struct nv_kubernetes;

/* What the kubelet is there for, beside flags of its own. */
struct nv_kubernetes_around {
    bool wanted;                    /* by a collector that is on and needs it */
    bool containers;                /* the collector `container` is on, */
    struct nv_str container_source; /* from there: auto, cgroup, kubelet */
    const char *sysfs;
};

/* Returns 0, with *ret NULL where there is nothing to ask; -EINVAL; -ENOMEM. */
NV_MUST_USE int nv_kubernetes_new(const struct nv_flag_value *values,
                                  const struct nv_kubernetes_around *around,
                                  struct nv_kubernetes **ret);
void nv_kubernetes_free(struct nv_kubernetes *kubernetes); /* stops first; NULL is fine */
NV_DEFINE_AUTO(nv_kubernetes)

/* Whether a collector has nothing to tell without a kubelet. */
bool nv_kubernetes_needs(const struct nv_collector *collector);

/* For struct nv_gather_options; NULL functions where there is no kubelet. */
struct nv_gather_pods nv_kubernetes_pods(struct nv_kubernetes *kubernetes);

/* Whether the kubelet's own metrics stand in for a collector, which then is not to run: as asked for, or where the node's cgroups
 * are not to be seen. */
bool nv_kubernetes_replaces(const struct nv_kubernetes *kubernetes,
                            const struct nv_collector *collector);

/* For struct nv_scrape_options, with the struct as user. `look`: called when there may be other jobs than before. */
int nv_kubernetes_discover(void *kubernetes, struct nv_arena *memory, uint64_t *version,
                           const struct nv_scrape_job **ret, size_t *ret_n);
void nv_kubernetes_on_change(struct nv_kubernetes *kubernetes, void (*look)(void *user),
                             void *user);

/* Adds the collector that tells of it. */
NV_MUST_USE int nv_kubernetes_add(struct nv_kubernetes *kubernetes, struct nv_gather *gather);

NV_MUST_USE int nv_kubernetes_start(struct nv_kubernetes *kubernetes);
void nv_kubernetes_stop(struct nv_kubernetes *kubernetes);

/* Waits until the kubelet has answered once, or failed. */
void nv_kubernetes_wait(struct nv_kubernetes *kubernetes, int64_t timeout_ms);

#endif
