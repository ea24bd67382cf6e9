/*
 * declared.h - what a pod's specification says of its ports, and who made the pod.
 */
#ifndef NV_KUBE_DECLARED_H
#define NV_KUBE_DECLARED_H

#include <nodevitals/pods.h>

#include "base/arena.h"
#include "base/cleanup.h"

enum { NV_KUBE_PORTS_MAX = 128 };

/* A TCP port that a container declares. */
struct nv_kube_port {
    struct nv_str container, image, id, name;
    uint64_t number;
    bool init; /* of a sidecar */
};

struct nv_kube_declared {
    const struct nv_pod *pod;
    struct nv_kube_port ports[NV_KUBE_PORTS_MAX]; /* those of containers that keep running */
    size_t n_ports;
    struct nv_str controller_kind, controller_name;
};

/* Views into the pod, or its texts without escapes in the arena. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_kube_declared_read(const struct nv_pod *pod, struct nv_arena *memory,
                                      struct nv_kube_declared *ret);

#endif
