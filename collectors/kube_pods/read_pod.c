/*
 * read_pod.c - which members of a pod go where.
 */
#include "pod.h"

#include <stddef.h>

#define END                                                                                        \
    {                                                                                              \
        NULL, NV_KUBE_TEXT, 0, NULL, 0, 0                                                          \
    }
#define PLAIN(key, kind, type, member)                                                             \
    {                                                                                              \
        key, kind, offsetof(type, member), NULL, 0, 0                                              \
    }
#define WITHIN(key, fields)                                                                        \
    {                                                                                              \
        key, NV_KUBE_OBJECT, 0, fields, 0, 0                                                       \
    }
#define PART(key, fields, type, member, flag)                                                      \
    {                                                                                              \
        key, NV_KUBE_OBJECT, offsetof(type, member), fields, 0, 1 + offsetof(type, flag)           \
    }
#define ITEMS(key, fields, item, type, member)                                                     \
    {                                                                                              \
        key, NV_KUBE_LIST, offsetof(type, member), fields, sizeof(item), 0                         \
    }

// clang-format off
typedef struct nv_kube_owner owner;
static const struct nv_kube_field owner_fields[] = {
    PLAIN("kind",       NV_KUBE_TEXT, owner, kind),
    PLAIN("name",       NV_KUBE_TEXT, owner, name),
    PLAIN("controller", NV_KUBE_BOOL, owner, controller),
    END,
};

typedef struct nv_kube_toleration toleration;
static const struct nv_kube_field toleration_fields[] = {
    PLAIN("key",               NV_KUBE_TEXT, toleration, key),
    PLAIN("operator",          NV_KUBE_TEXT, toleration, op),
    PLAIN("value",             NV_KUBE_TEXT, toleration, value),
    PLAIN("effect",            NV_KUBE_TEXT, toleration, effect),
    PLAIN("tolerationSeconds", NV_KUBE_TEXT, toleration, seconds),
    END,
};

typedef struct nv_kube_volume volume;
static const struct nv_kube_field claim_source_fields[] = {
    PLAIN("claimName", NV_KUBE_TEXT, volume, claim),
    PLAIN("readOnly",  NV_KUBE_BOOL, volume, read_only),
    END,
};
static const struct nv_kube_field nothing_fields[] = {END};
static const struct nv_kube_field volume_fields[] = {
    PLAIN("name", NV_KUBE_TEXT, volume, name),
    {"persistentVolumeClaim", NV_KUBE_OBJECT, 0, claim_source_fields, 0, 1 + offsetof(volume, has_claim)},
    {"ephemeral",             NV_KUBE_OBJECT, 0, nothing_fields,      0, 1 + offsetof(volume, ephemeral)},
    END,
};

typedef struct nv_kube_claim claim;
static const struct nv_kube_field claim_source[] = { /* older: source {...} */
    PLAIN("resourceClaimName",         NV_KUBE_TEXT, claim, resource),
    PLAIN("resourceClaimTemplateName", NV_KUBE_TEXT, claim, template_name),
    END,
};
static const struct nv_kube_field claim_fields[] = {
    PLAIN("name",                      NV_KUBE_TEXT, claim, name),
    PLAIN("resourceClaimName",         NV_KUBE_TEXT, claim, resource),
    PLAIN("resourceClaimTemplateName", NV_KUBE_TEXT, claim, template_name),
    WITHIN("source", claim_source),
    END,
};

typedef struct nv_kube_spec_container spec_container;
static const struct nv_kube_field resource_fields[] = {
    PLAIN("requests", NV_KUBE_MAP, spec_container, requests),
    PLAIN("limits",   NV_KUBE_MAP, spec_container, limits),
    END,
};
static const struct nv_kube_field spec_container_fields[] = {
    PLAIN("name",          NV_KUBE_TEXT, spec_container, name),
    PLAIN("image",         NV_KUBE_TEXT, spec_container, image),
    PLAIN("restartPolicy", NV_KUBE_TEXT, spec_container, restart_policy),
    WITHIN("resources", resource_fields),
    END,
};

typedef struct nv_kube_state state;
static const struct nv_kube_field waiting_fields[] = {
    PLAIN("reason", NV_KUBE_TEXT, state, reason),
    END,
};
static const struct nv_kube_field running_fields[] = {
    PLAIN("startedAt", NV_KUBE_TIME, state, started),
    END,
};
static const struct nv_kube_field terminated_fields[] = {
    PLAIN("reason",     NV_KUBE_TEXT,   state, reason),
    PLAIN("startedAt",  NV_KUBE_TIME,   state, started),
    PLAIN("finishedAt", NV_KUBE_TIME,   state, finished),
    PLAIN("exitCode",   NV_KUBE_NUMBER, state, exit_code),
    END,
};
static const struct nv_kube_field state_fields[] = {
    {"waiting",    NV_KUBE_OBJECT, 0, waiting_fields,    0, 1 + offsetof(state, waiting)},
    {"running",    NV_KUBE_OBJECT, 0, running_fields,    0, 1 + offsetof(state, running)},
    {"terminated", NV_KUBE_OBJECT, 0, terminated_fields, 0, 1 + offsetof(state, terminated)},
    END,
};

typedef struct nv_kube_status_container status_container;
static const struct nv_kube_field status_container_fields[] = {
    PLAIN("name",         NV_KUBE_TEXT,   status_container, name),
    PLAIN("image",        NV_KUBE_TEXT,   status_container, image),
    PLAIN("imageID",      NV_KUBE_TEXT,   status_container, image_id),
    PLAIN("containerID",  NV_KUBE_TEXT,   status_container, id),
    PLAIN("ready",        NV_KUBE_BOOL,   status_container, ready),
    PLAIN("restartCount", NV_KUBE_NUMBER, status_container, restarts),
    {"state",     NV_KUBE_OBJECT, offsetof(status_container, state), state_fields, 0, 0},
    {"lastState", NV_KUBE_OBJECT, offsetof(status_container, last),  state_fields, 0, 0},
    END,
};

typedef struct nv_kube_condition condition;
static const struct nv_kube_field condition_fields[] = {
    PLAIN("type",               NV_KUBE_TEXT, condition, type),
    PLAIN("status",             NV_KUBE_TEXT, condition, status),
    PLAIN("reason",             NV_KUBE_TEXT, condition, reason),
    PLAIN("lastTransitionTime", NV_KUBE_TIME, condition, changed),
    END,
};

typedef struct nv_kube_ip ip;
static const struct nv_kube_field ip_fields[] = {
    PLAIN("ip", NV_KUBE_TEXT, ip, ip),
    END,
};

typedef struct nv_kube_pod pod;
static const struct nv_kube_field metadata_fields[] = {
    PLAIN("name",              NV_KUBE_TEXT, pod, name),
    PLAIN("namespace",         NV_KUBE_TEXT, pod, ns),
    PLAIN("uid",               NV_KUBE_TEXT, pod, uid),
    PLAIN("creationTimestamp", NV_KUBE_TIME, pod, created),
    PLAIN("deletionTimestamp", NV_KUBE_TIME, pod, deleted),
    PLAIN("labels",            NV_KUBE_RAW_MAP, pod, labels),
    PLAIN("annotations",       NV_KUBE_RAW_MAP, pod, annotations),
    ITEMS("ownerReferences", owner_fields, owner, pod, owners),
    END,
};
static const struct nv_kube_field spec_fields[] = {
    PLAIN("nodeName",           NV_KUBE_TEXT, pod, node),
    PLAIN("priorityClassName",  NV_KUBE_TEXT, pod, priority_class),
    PLAIN("restartPolicy",      NV_KUBE_TEXT, pod, restart_policy),
    PLAIN("serviceAccountName", NV_KUBE_TEXT, pod, service_account),
    PLAIN("schedulerName",      NV_KUBE_TEXT, pod, scheduler),
    PLAIN("runtimeClassName",   NV_KUBE_TEXT, pod, runtime_class),
    PLAIN("hostNetwork",        NV_KUBE_BOOL, pod, host_network),
    PLAIN("overhead",           NV_KUBE_MAP,  pod, overhead),
    PLAIN("nodeSelector",       NV_KUBE_RAW_MAP, pod, node_selector),
    ITEMS("tolerations",    toleration_fields,     toleration,     pod, tolerations),
    ITEMS("volumes",        volume_fields,         volume,         pod, volumes),
    ITEMS("resourceClaims", claim_fields,          claim,          pod, claims),
    ITEMS("containers",     spec_container_fields, spec_container, pod, regular.specs),
    ITEMS("initContainers", spec_container_fields, spec_container, pod, init.specs),
    END,
};
static const struct nv_kube_field status_fields[] = {
    PLAIN("phase",     NV_KUBE_TEXT, pod, phase),
    PLAIN("qosClass",  NV_KUBE_TEXT, pod, qos),
    PLAIN("reason",    NV_KUBE_TEXT, pod, reason),
    PLAIN("hostIP",    NV_KUBE_TEXT, pod, host_ip),
    PLAIN("podIP",     NV_KUBE_TEXT, pod, ip),
    PLAIN("startTime", NV_KUBE_TIME, pod, started),
    ITEMS("podIPs",                ip_fields,               ip,               pod, ips),
    ITEMS("conditions",            condition_fields,        condition,        pod, conditions),
    ITEMS("resourceClaimStatuses", claim_fields,            claim,            pod, claim_statuses),
    ITEMS("containerStatuses",     status_container_fields, status_container, pod, regular.statuses),
    ITEMS("initContainerStatuses", status_container_fields, status_container, pod, init.statuses),
    END,
};
static const struct nv_kube_field pod_fields[] = {
    WITHIN("metadata", metadata_fields),
    WITHIN("spec",     spec_fields),
    WITHIN("status",   status_fields),
    END,
};
// clang-format on

bool nv_kube_read_pod(struct nv_pass *pass, struct nv_str text, struct nv_kube_pod *ret)
{
    struct nv_json json = nv_json(text);

    memset(ret, 0, sizeof(*ret));
    nv_kube_read(pass, &json, pod_fields, ret);
    return !json.failed && ret->name.n;
}
