/*
 * surroundings.c - whether there is a kubelet to be asked: what flags, collectors and the environment say together.
 */
#include "agent/agent.h"

#include <stdio.h>

/* The value of a flag of a collector; empty where there is no such flag. */
static struct nv_str collector_flag(const struct nv_option_collector *entry, const char *name)
{
    const struct nv_flag *flag = entry->collector->flags;

    for (size_t i = 0; flag && flag[i].name; i++)
        if (strcmp(flag[i].name, name) == 0)
            return entry->values[i].text;
    return (struct nv_str){"", 0};
}

int nv_agent_kubernetes(const struct nv_options *options, struct nv_kubernetes **ret,
                        char error[NV_FLAGS_ERROR_MAX])
{
    struct nv_kubernetes_around around = {.sysfs = options->general[NV_OPTION_SYSFS].text.p};

    for (size_t i = 0; i < options->n_collectors; i++) {
        const struct nv_option_collector *entry = &options->collectors[i];
        if (!nv_options_is_on(options, i))
            continue;
        around.wanted |= nv_kubernetes_needs(entry->collector);
        if (strcmp(entry->name, "container") == 0) {
            around.containers = true;
            around.container_source = collector_flag(entry, "collector.container.source");
        }
    }
    int r = nv_kubernetes_new(options->kube, &around, ret);
    if (r == 0 && *ret)
        r = nv_kubernetes_start(*ret);
    if (r < 0)
        snprintf(error, NV_FLAGS_ERROR_MAX, "cannot ask the kubelet: %s", strerror(-r));
    return r;
}
