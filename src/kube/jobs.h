/*
 * jobs.h - what is found on a node as jobs to be scraped: the pods, and the kubelet's own endpoints.
 *
 *   pods       job "kubernetes-pods"; no token of ours goes there, and no certificate is verified: nothing is known of them
 *   kubelet    jobs "kubelet/metrics", "kubelet/cadvisor" and so on, one an endpoint, whose series all have job="kubelet" and the path
 *              as metrics_path, since endpoints share families. Asked on the way, with the token and certificates, of the
 *              client (caller.h); times of its own are not honoured, so that its series end when they are gone
 *   threads    finding: one at a time
 *   ownership  configurations live as long as the jobs; targets are in the caller's arena
 */
#ifndef NV_KUBE_JOBS_H
#define NV_KUBE_JOBS_H

#include "kube/caller.h"
#include "kube/discover.h"

enum nv_kube_endpoint {
    NV_KUBE_METRICS,
    NV_KUBE_PROBES,
    NV_KUBE_RESOURCE,
    NV_KUBE_CADVISOR,
    NV_KUBE_ENDPOINTS,
};

#define NV_KUBE_PODS_JOB "kubernetes-pods"

/* Whose series are exposed: as those of the collector `container`, and by themselves. */
#define NV_KUBE_CADVISOR_JOB "kubelet/cadvisor"
#define NV_KUBE_RESOURCE_JOB "kubelet/resource"

/* The endpoint of a word: metrics, probes, resource, cadvisor; -ENOENT. */
int nv_kube_endpoint_find(struct nv_str word);

struct nv_kube_jobs_options {
    const struct nv_kube_access *access; /* borrowed */
    unsigned endpoints;                  /* bits */
    struct nv_kube_wanted pods;          /* its texts are borrowed */
};

struct nv_kube_job {
    const struct nv_config_scrape *config;
    struct nv_target_groups groups;
};

struct nv_kube_jobs;

/* NULL when memory is out. */
struct nv_kube_jobs *nv_kube_jobs_new(const struct nv_kube_jobs_options *options);
void nv_kube_jobs_free(struct nv_kube_jobs *jobs);
NV_DEFINE_AUTO(nv_kube_jobs)

/*
 * All jobs there are, for these pods (NULL: none are known) and this way to the kubelet. *version: the same as long as they
 * are. Where it is already what was put there for them, *ret is left alone. Returns 0 or -ENOMEM.
 */
NV_MUST_USE int nv_kube_jobs_find(struct nv_kube_jobs *jobs, const struct nv_pods *pods,
                                  const struct nv_kube_way *way, struct nv_arena *memory,
                                  uint64_t *version, const struct nv_kube_job **ret, size_t *ret_n);

/* Targets that were left out at the last time, past their bound. */
size_t nv_kube_jobs_left_out(const struct nv_kube_jobs *jobs);

#endif
