#include "agent/identity.h"

#include <stdio.h>

/* The port behind the last colon, or NULL: sockets of files and of virtual machines have none that a
 * Prometheus would name. */
static const char *port_of(const char *address)
{
    const char *colon = strrchr(address, ':');

    if (strncmp(address, "unix:", 5) == 0 || strncmp(address, "vsock:", 6) == 0 || !colon)
        return NULL;
    return colon[1] ? colon + 1 : NULL;
}

void nv_identity_init(struct nv_identity *identity, const struct nv_storage *storage,
                      const char *node_name, const char *host, const char *const *addresses,
                      size_t n_addresses)
{
    char *instance = identity->instance;
    const char *port = NULL;

    for (size_t i = 0; i < n_addresses && !port; i++)
        port = port_of(addresses[i]);
    if (storage->instance[0])
        snprintf(instance, NV_IDENTITY_INSTANCE_MAX, "%s", storage->instance);
    else if (node_name && node_name[0])
        snprintf(instance, NV_IDENTITY_INSTANCE_MAX, "%s", node_name);
    else
        snprintf(instance, NV_IDENTITY_INSTANCE_MAX, "%s%s%s", host && host[0] ? host : "localhost",
                 port ? ":" : "", port ? port : "");
    identity->labels[0] = (struct nv_label){nv_str("instance"), nv_str(instance)};
    identity->labels[1] = (struct nv_label){nv_str("job"), nv_str(storage->job)};
}
