/*
 * kube_pods.c - kube_pod_*, as kube-state-metrics has them of one node, from the kubelet's /pods.
 *
 * Other than there: a static pod has the uid its kubelet gave it, no owner and no time of creation; pods without a node
 * are nobody's here. Labels, annotations and node selectors are told where they are asked for, by key.
 */
#include <nodevitals/pods.h>

#include "pod.h"
#include "tables.h"

enum flag { LABELS, ANNOTATIONS, SELECTORS };
// clang-format off
static const struct nv_flag flags[] = {
    [LABELS]      = {"collector.kube-pods.labels",         NV_FLAG_LIST, "", "Key of a pod's label to have on kube_pod_labels, * for all; repeatable.", false},
    [ANNOTATIONS] = {"collector.kube-pods.annotations",    NV_FLAG_LIST, "", "Key of a pod's annotation to have on kube_pod_annotations, * for all; repeatable.", false},
    [SELECTORS]   = {"collector.kube-pods.node-selectors", NV_FLAG_LIST, "", "Key of a pod's node selector to have on kube_pod_nodeselectors, * for all; repeatable.", false},
    {0},
};
// clang-format on

static const struct nv_family labels = {"kube_pod_labels", NV_GAUGE, NV_AS_IS,
                                        "Labels of the pod."};
static const struct nv_family annotations = {"kube_pod_annotations", NV_GAUGE, NV_AS_IS,
                                             "Annotations of the pod."};
static const struct nv_family selectors = {"kube_pod_nodeselectors", NV_GAUGE, NV_AS_IS,
                                           "Labels the pod wants of its node."};

static int collect(struct nv_pass *pass)
{
    const struct nv_pods *pods = nv_pods(pass);
    struct nv_kube_pod pod;

    if (!pods)
        return NV_NO_DATA;
    for (size_t i = 0; i < pods->n; i++) {
        if (!nv_kube_read_pod(pass, nv_pod_at(pods, i)->json, &pod))
            continue;
        nv_kube_emit_pod(pass, &pod);
        nv_kube_emit_containers(pass, &pod);
        nv_kube_emit_labels(pass, &labels, "label_", &pod, &pod.labels, nv_flag(pass, LABELS));
        nv_kube_emit_labels(pass, &annotations, "annotation_", &pod, &pod.annotations,
                            nv_flag(pass, ANNOTATIONS));
        nv_kube_emit_labels(pass, &selectors, "nodeselector_", &pod, &pod.node_selector,
                            nv_flag(pass, SELECTORS));
    }
    return 0;
}

NV_COLLECTOR(kube_pods) = {
    NV_ABI_STAMP,
    .name = "kube-pods",
    .summary = "Expose kube_pod_* metrics of this node's pods, from the kubelet.",
    .options = NV_ON_IN_KUBERNETES | NV_MAY_BLOCK,
    .flags = flags,
    .cadence_ms = 15000,
    .collect = collect,
    .job = "kube-state-metrics",
};
