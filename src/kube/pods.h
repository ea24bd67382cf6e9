/*
 * pods.h - reads the kubelet's answer on /pods into the counted picture collectors see (nodevitals/pods.h).
 *
 *   bound      NV_PODS_TEXT_MAX bytes; those of nodevitals/pods.h; NV_POD_CONTAINERS_EACH_MAX containers a pod
 *   tolerant   of anything missing, null, of another type or unknown within a pod; of nothing that is no PodList
 *   ownership  counted; made with a count of one. The text belongs to it
 *   threads    immutable once read; counts from any
 */
#ifndef NV_KUBE_PODS_H
#define NV_KUBE_PODS_H

#include <nodevitals/pods.h>

#include "base/buf.h"

enum {
    NV_PODS_TEXT_MAX = 32 << 20,
    NV_POD_CONTAINERS_EACH_MAX = 1024,
    NV_PODS_ERROR_MAX = 256,
};

/*
 * Takes the text over, and leaves the buffer empty. Returns 0; -EBADMSG where it is no PodList, with a reason in
 * `error`, or -ENOMEM, and leaves the buffer as it was.
 */
NV_MUST_USE int nv_pods_read(struct nv_buf *text, uint64_t version, int64_t time_ms,
                             struct nv_pods **ret, char error[NV_PODS_ERROR_MAX]);

const struct nv_pods *nv_pods_ref(const struct nv_pods *pods);
void nv_pods_unref(const struct nv_pods *pods);
static inline void nv_pods_free(struct nv_pods *pods)
{
    nv_pods_unref(pods);
}
NV_DEFINE_AUTO(nv_pods)

/* Bytes it holds beyond its text. */
size_t nv_pods_memory(const struct nv_pods *pods);

#endif
