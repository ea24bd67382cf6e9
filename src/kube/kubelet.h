/*
 * kubelet.h - the kubelet of this node, asked for its pods again and again.
 *
 *   asked      every poll_ms, and soon when somebody misses something, but for that no oftener than every NV_KUBELET_SOON_MS,
 *              and NV_KUBELET_EXTRA times beyond what one in each poll_ms makes up
 *   kept       the last good answer while later ones fail, for NV_KUBELET_KEEP_MS
 *   failures   logged with doubling silence, and counted by their reason
 *   threads    one that asks; all functions from any
 *   bounds     those of pods.h; that of the buffer for any other answer
 */
#ifndef NV_KUBE_KUBELET_H
#define NV_KUBE_KUBELET_H

#include "kube/caller.h"
#include "kube/pods.h"

enum {
    NV_KUBELET_POLL_MS = 15000,
    NV_KUBELET_SOON_MS = 2000,
    NV_KUBELET_EXTRA = 5,
    NV_KUBELET_KEEP_MS = 5 * 60000,
};

struct nv_kubelet_options {
    struct nv_kube_access access;      /* its texts and ways are borrowed */
    int64_t poll_ms, soon_ms, keep_ms; /* 0: as above */
    void (*changed)(
        void *user); /* from the thread, when there are other pods than before; may be NULL */
    void *user;
};

struct nv_kubelet;

struct nv_kubelet *
nv_kubelet_new(const struct nv_kubelet_options *options); /* NULL: memory is out */
void nv_kubelet_free(struct nv_kubelet *kubelet);         /* stops first */
NV_DEFINE_AUTO(nv_kubelet)

NV_MUST_USE int nv_kubelet_start(struct nv_kubelet *kubelet);
void nv_kubelet_stop(struct nv_kubelet *kubelet); /* at once, in mid-request too */

/* Counted: nv_pods_unref(). NULL where there is no answer, or it is too old. */
const struct nv_pods *nv_kubelet_pods(struct nv_kubelet *kubelet);
void nv_kubelet_want(struct nv_kubelet *kubelet);

/* Waits until the first question is answered or failed, at most timeout_ms. True where there are pods. */
bool nv_kubelet_wait(struct nv_kubelet *kubelet, int64_t timeout_ms);

/* The way on which it answered last, whatever it said; the first one before that. */
const struct nv_kube_way *nv_kubelet_way(struct nv_kubelet *kubelet);

/*
 * GET of another path, from any thread, one after the other. Returns 0; -EACCES (401, 403), -ENOENT (404), -ETIMEDOUT,
 * -ECANCELED, -EIO, with a line in `error`.
 */
NV_MUST_USE int nv_kubelet_get(struct nv_kubelet *kubelet, const char *path, int64_t timeout_ms,
                               struct nv_buf *into, char error[NV_KUBE_CALL_ERROR_MAX]);

struct nv_kubelet_stats {
    bool up; /* the last question about pods was answered */
    uint64_t asked, failed[NV_KUBE_FAILURES];
    double seconds;          /* that all questions took */
    int64_t last_success_ms; /* wall time; 0: never */
    int64_t age_ms;          /* of the pods there are; -1: none */
    size_t pods, containers, left_out;
};
void nv_kubelet_stats(struct nv_kubelet *kubelet, struct nv_kubelet_stats *ret);

#endif
