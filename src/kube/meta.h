/*
 * meta.h - the labels of a target that is a pod: its own, and __meta_kubernetes_* as Prometheus has them.
 *
 *   bounds     NV_KUBE_LABELS_MAX labels; those of empty values, annotations of more than NV_KUBE_ANNOTATION_MAX bytes, and
 *              labels and annotations of the pod beyond NV_KUBE_BYTES_MAX bytes in all, are left out
 *   ownership  all in the arena `memory`; `scratch` may be forgotten behind nv_kube_target_labels()
 */
#ifndef NV_KUBE_META_H
#define NV_KUBE_META_H

#include "config/file_sd.h"
#include "kube/declared.h"
#include "kube/wish.h"

enum {
    NV_KUBE_LABELS_MAX = 4 * NV_KUBE_PAIRS_MAX + 64,
    NV_KUBE_ANNOTATION_MAX = 1024,
    NV_KUBE_BYTES_MAX = 16 << 10
};

/* Labels being collected. */
struct nv_kube_label {
    struct nv_label is;
    size_t turn; /* of those of one name, which sets the last wins */
};
struct nv_kube_labels {
    struct nv_arena *memory, *scratch;
    struct nv_kube_label *at; /* room for NV_KUBE_LABELS_MAX */
    size_t n, bytes;
};

/* What a target is known by. */
struct nv_kube_target {
    const struct nv_kube_declared *declared;
    const struct nv_kube_port *port; /* NULL: of no container in particular */
    const struct nv_kube_wish *wish;
    struct nv_str node;
    bool https;
    int64_t interval_ms, timeout_ms;
};

/* Adds one, copied; behind the prefix all but [a-zA-Z0-9_] becomes _. -ENOMEM. */
NV_MUST_USE int nv_kube_label_add(struct nv_kube_labels *labels, const char *prefix,
                                  struct nv_str name, struct nv_str value);

/* All labels of a target, by name. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_kube_target_labels(struct nv_kube_labels *labels,
                                      const struct nv_kube_target *target,
                                      struct nv_target_group *ret);

/* Puts what was collected in order of names, each once. */
NV_MUST_USE int nv_kube_labels_finish(struct nv_kube_labels *labels, struct nv_target_group *ret);

#endif
