/*
 * pods_inside.h - an answer of the kubelet while it is read: what pods.c (its life, its lookups) and pods_read.c (its
 * members) share.
 */
#ifndef NV_KUBE_PODS_INSIDE_H
#define NV_KUBE_PODS_INSIDE_H

#include <stdatomic.h>

#include "kube/fields.h"
#include "kube/pods.h"

/* What stands behind the structure collectors see. */
struct nv_pods_picture {
    struct nv_pods pods; /* first */
    uint32_t magic;
    _Atomic unsigned count;
    char *text;
    struct nv_arena arena; /* texts without their escapes */
    struct nv_pod *at;
    struct nv_pod_container *containers;
    struct nv_pods_slot *slots[2];
};

struct nv_pods_reader {
    struct nv_fields fields; /* first */
    struct nv_pods_picture *picture;
    size_t size, containers_size; /* how many there is room for */
    struct nv_str api_kind;
    bool listed; /* there were items */

    /* Of the present pod. Its containers begin at `first`. */
    size_t first, hint;
    enum nv_pod_container_kind kind; /* of the present list */
};

/* Reads the list, as far as it is one. Pods do not know their containers yet, only how many there are. */
void nv_pods_read_list(struct nv_pods_reader *reader);

#endif
