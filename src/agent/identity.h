/*
 * identity.h - the target labels of this node's series: what a central Prometheus would give them.
 *
 *   job        as the flag has it
 *   instance   the flag; else $NODE_NAME, which Kubernetes manifests set; else HOST:PORT, with the port the
 *              agent listens on first (HOST alone where it listens on no port)
 */
#ifndef NV_AGENT_IDENTITY_H
#define NV_AGENT_IDENTITY_H

#include "agent/storage.h"

enum { NV_IDENTITY_INSTANCE_MAX = 320 };

struct nv_identity {
    char instance[NV_IDENTITY_INSTANCE_MAX];
    struct nv_label labels[2]; /* instance, job */
};

/*
 * `node_name` and `host` may be NULL; `addresses` are those of nv_web_address(): "[::]:9100", "unix:/run/x". The
 * identity stays where it is, for its labels point into it.
 */
void nv_identity_init(struct nv_identity *identity, const struct nv_storage *storage,
                      const char *node_name, const char *host, const char *const *addresses,
                      size_t n_addresses);

#endif
