/*
 * way.h - the ways on which the kubelet may be reached, the likeliest first.
 *
 *   given      --kubelet.url; a port where it names none is the kubelet's
 *   else       each address of the node (HOST_IP, HOST_IPS of the downward API; 127.0.0.1 where there is none) on 10250 with
 *              TLS; then without TLS on 10255, the port that serves reading only, where kubelets still have it
 *   names      with TLS a way is there twice where the node's name is known: by the address, and by that name, since a
 *              kubelet's own certificate bears only its name
 *   ownership  in the arena
 */
#ifndef NV_KUBE_WAY_H
#define NV_KUBE_WAY_H

#include "base/arena.h"
#include "base/cleanup.h"

enum { NV_KUBE_WAYS_MAX = 16, NV_KUBE_WAY_ERROR_MAX = 256, NV_KUBE_ADDRESS_MAX = 512 };

struct nv_kube_way {
    const char *url;         /* https://10.0.0.1:10250, without a slash behind it */
    struct nv_str address;   /* of it: 10.0.0.1:10250 */
    struct nv_str path;      /* of it: empty, or /api/v1/... */
    const char *server_name; /* that the certificate has to bear; NULL: the address */
    bool tls;
};

struct nv_kube_surroundings {
    const char *url;       /* of the flag; NULL or "" where it is not given */
    const char *host_ip;   /* HOST_IP; NULL for none, as with the others */
    const char *host_ips;  /* HOST_IPS, commas between them */
    const char *node_name; /* NODE_NAME */
};

/* Returns 0; -EINVAL and what is wrong with the URL; -ENOMEM. */
NV_MUST_USE int nv_kube_ways(const struct nv_kube_surroundings *around, struct nv_arena *memory,
                             const struct nv_kube_way **ret, size_t *ret_n,
                             char error[NV_KUBE_WAY_ERROR_MAX]);

#endif
