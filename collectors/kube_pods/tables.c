/*
 * tables.c - names, types and what they mean. A number is what the kubelet's /pods says at this moment.
 */
#include "tables.h"

#define POD "namespace", "pod", "uid"

// clang-format off
static const struct nv_family pod[] = {
    [NV_KUBE_CREATED]               = {"kube_pod_created",
        NV_GAUGE, NV_AS_IS, "When the pod was made, in seconds since the epoch."},
    [NV_KUBE_START]                 = {"kube_pod_start_time",
        NV_GAUGE, NV_AS_IS, "When the kubelet took the pod on, in seconds since the epoch."},
    [NV_KUBE_COMPLETION]            = {"kube_pod_completion_time",
        NV_GAUGE, NV_AS_IS, "When the last of the containers that have ended did, in seconds since the epoch."},
    [NV_KUBE_DELETION]              = {"kube_pod_deletion_timestamp",
        NV_GAUGE, NV_AS_IS, "By when the pod is to be gone, in seconds since the epoch."},
    [NV_KUBE_OVERHEAD_CPU]          = {"kube_pod_overhead_cpu_cores",
        NV_GAUGE, NV_AS_IS, "CPU that running the pod costs beside its containers, in cores."},
    [NV_KUBE_OVERHEAD_MEMORY]       = {"kube_pod_overhead_memory_bytes",
        NV_GAUGE, NV_AS_IS, "Memory that running the pod costs beside its containers."},
    [NV_KUBE_SCHEDULED_TIME]        = {"kube_pod_status_scheduled_time",
        NV_GAUGE, NV_AS_IS, "When the pod was given to a node, in seconds since the epoch."},
    [NV_KUBE_UNSCHEDULABLE]         = {"kube_pod_status_unschedulable",
        NV_GAUGE, NV_AS_IS, "Whether no node would take the pod."},
    [NV_KUBE_UNSCHEDULED_TIME]      = {"kube_pod_status_unscheduled_time",
        NV_GAUGE, NV_AS_IS, "Since when no node takes the pod, in seconds since the epoch."},
    [NV_KUBE_INITIALIZED_TIME]      = {"kube_pod_status_initialized_time",
        NV_GAUGE, NV_AS_IS, "When the init containers were through, in seconds since the epoch."},
    [NV_KUBE_CONTAINERS_READY_TIME] = {"kube_pod_status_container_ready_time",
        NV_GAUGE, NV_AS_IS, "When the last container became ready, in seconds since the epoch."},
    [NV_KUBE_READY_TIME]            = {"kube_pod_status_ready_time",
        NV_GAUGE, NV_AS_IS, "When the pod became ready, in seconds since the epoch."},
};
static const struct nv_family info[] = {
    {"kube_pod_info",
        NV_GAUGE, NV_AS_IS, "Which pod this is and where it runs."},
};
static const struct nv_family ips[] = {
    {"kube_pod_ips",
        NV_GAUGE, NV_AS_IS, "Addresses of the pod."},
};
static const struct nv_family owner[] = {
    {"kube_pod_owner",
        NV_GAUGE, NV_AS_IS, "Who the pod belongs to."},
};
static const struct nv_family policy[] = {
    {"kube_pod_restart_policy",
        NV_GAUGE, NV_AS_IS, "What happens when a container of the pod ends."},
};
static const struct nv_family account[] = {
    {"kube_pod_service_account",
        NV_GAUGE, NV_AS_IS, "The account the pod acts under."},
};
static const struct nv_family scheduler[] = {
    {"kube_pod_scheduler",
        NV_GAUGE, NV_AS_IS, "Who chose the node for the pod."},
};
static const struct nv_family runtime[] = {
    {"kube_pod_runtimeclass_name_info",
        NV_GAUGE, NV_AS_IS, "The class of runtime the pod asked for."},
};
static const struct nv_family tolerations[] = {
    {"kube_pod_tolerations",
        NV_GAUGE, NV_AS_IS, "Taints of nodes the pod puts up with."},
};
static const struct nv_family claim[] = {
    {"kube_pod_resourceclaim_info",
        NV_GAUGE, NV_AS_IS, "Device claims of the pod, and what they came to."},
};
static const struct nv_family phase[] = {
    {"kube_pod_status_phase",
        NV_GAUGE, NV_AS_IS, "Whether the pod is in this phase of its life."},
};
static const struct nv_family qos[] = {
    {"kube_pod_status_qos_class",
        NV_GAUGE, NV_AS_IS, "Whether the pod is of this class of service."},
};
static const struct nv_family volumes[] = {
    [NV_KUBE_VOLUME_INFO]           = {"kube_pod_spec_volumes_persistentvolumeclaims_info",
        NV_GAUGE, NV_AS_IS, "Volumes of the pod that are claims on persistent ones."},
    [NV_KUBE_VOLUME_READONLY]       = {"kube_pod_spec_volumes_persistentvolumeclaims_readonly",
        NV_GAUGE, NV_AS_IS, "Whether the pod only reads such a volume."},
};
static const struct nv_family conditions[] = {
    [NV_KUBE_IS_READY]              = {"kube_pod_status_ready",
        NV_GAUGE, NV_AS_IS, "Whether the pod being ready has this answer."},
    [NV_KUBE_IS_SCHEDULED]          = {"kube_pod_status_scheduled",
        NV_GAUGE, NV_AS_IS, "Whether the pod having a node has this answer."},
};
static const struct nv_family why[] = {
    [NV_KUBE_STATUS_REASON]         = {"kube_pod_status_reason",
        NV_GAUGE, NV_AS_IS, "Why the pod is as it is, where that is known."},
    [NV_KUBE_DISRUPTION_REASON]     = {"kube_pod_status_disruption_reason",
        NV_GAUGE, NV_AS_IS, "Why the pod is being driven from its node."},
};
static const struct nv_family container_info[] = {
    {"kube_pod_container_info",
        NV_GAUGE, NV_AS_IS, "Which container of the pod this is, and what it runs."},
};
static const struct nv_family container_state[] = {
    [NV_KUBE_STARTED]               = {"kube_pod_container_state_started",
        NV_GAUGE, NV_AS_IS, "When the container was last started, in seconds since the epoch."},
    [NV_KUBE_WAITING]               = {"kube_pod_container_status_waiting",
        NV_GAUGE, NV_AS_IS, "Whether the container waits to be started."},
    [NV_KUBE_RUNNING]               = {"kube_pod_container_status_running",
        NV_GAUGE, NV_AS_IS, "Whether the container runs."},
    [NV_KUBE_TERMINATED]            = {"kube_pod_container_status_terminated",
        NV_GAUGE, NV_AS_IS, "Whether the container has ended."},
    [NV_KUBE_LAST_EXITCODE]         = {"kube_pod_container_status_last_terminated_exitcode",
        NV_GAUGE, NV_AS_IS, "With which status the container ended the last time before this."},
    [NV_KUBE_LAST_TIME]             = {"kube_pod_container_status_last_terminated_timestamp",
        NV_GAUGE, NV_AS_IS, "When the container ended the last time before this, in seconds since the epoch."},
    [NV_KUBE_READY]                 = {"kube_pod_container_status_ready",
        NV_GAUGE, NV_AS_IS, "Whether the container is ready to serve."},
    [NV_KUBE_RESTARTS]              = {"kube_pod_container_status_restarts_total",
        NV_COUNTER, NV_AS_IS, "How often the container was started again."},
};
static const struct nv_family container_reason[] = {
    [NV_KUBE_WAITING_REASON]        = {"kube_pod_container_status_waiting_reason",
        NV_GAUGE, NV_AS_IS, "What the container waits for."},
    [NV_KUBE_TERMINATED_REASON]     = {"kube_pod_container_status_terminated_reason",
        NV_GAUGE, NV_AS_IS, "Why the container has ended."},
    [NV_KUBE_LAST_REASON]           = {"kube_pod_container_status_last_terminated_reason",
        NV_GAUGE, NV_AS_IS, "Why the container ended the last time before this."},
};
static const struct nv_family container_resources[] = {
    [NV_KUBE_REQUESTS]              = {"kube_pod_container_resource_requests",
        NV_GAUGE, NV_AS_IS, "What the container is promised of a resource."},
    [NV_KUBE_LIMITS]                = {"kube_pod_container_resource_limits",
        NV_GAUGE, NV_AS_IS, "What the container may take of a resource at most."},
};
static const struct nv_family init_info[] = {
    {"kube_pod_init_container_info",
        NV_GAUGE, NV_AS_IS, "Which init container of the pod this is, and what it runs."},
};
static const struct nv_family init_state[] = {
    [NV_KUBE_STARTED]               = {"kube_pod_init_container_state_started",
        NV_GAUGE, NV_AS_IS, "When the init container was last started, in seconds since the epoch."},
    [NV_KUBE_WAITING]               = {"kube_pod_init_container_status_waiting",
        NV_GAUGE, NV_AS_IS, "Whether the init container waits to be started."},
    [NV_KUBE_RUNNING]               = {"kube_pod_init_container_status_running",
        NV_GAUGE, NV_AS_IS, "Whether the init container runs."},
    [NV_KUBE_TERMINATED]            = {"kube_pod_init_container_status_terminated",
        NV_GAUGE, NV_AS_IS, "Whether the init container has ended."},
    [NV_KUBE_LAST_EXITCODE]         = {"kube_pod_init_container_status_last_terminated_exitcode",
        NV_GAUGE, NV_AS_IS, "With which status the init container ended the last time before this."},
    [NV_KUBE_LAST_TIME]             = {"kube_pod_init_container_status_last_terminated_timestamp",
        NV_GAUGE, NV_AS_IS, "When the init container ended the last time before this, in seconds since the epoch."},
    [NV_KUBE_READY]                 = {"kube_pod_init_container_status_ready",
        NV_GAUGE, NV_AS_IS, "Whether the init container did its work."},
    [NV_KUBE_RESTARTS]              = {"kube_pod_init_container_status_restarts_total",
        NV_COUNTER, NV_AS_IS, "How often the init container was started again."},
};
static const struct nv_family init_reason[] = {
    [NV_KUBE_WAITING_REASON]        = {"kube_pod_init_container_status_waiting_reason",
        NV_GAUGE, NV_AS_IS, "What the init container waits for."},
    [NV_KUBE_TERMINATED_REASON]     = {"kube_pod_init_container_status_terminated_reason",
        NV_GAUGE, NV_AS_IS, "Why the init container has ended."},
    [NV_KUBE_LAST_REASON]           = {"kube_pod_init_container_status_last_terminated_reason",
        NV_GAUGE, NV_AS_IS, "Why the init container ended the last time before this."},
};
static const struct nv_family init_resources[] = {
    [NV_KUBE_REQUESTS]              = {"kube_pod_init_container_resource_requests",
        NV_GAUGE, NV_AS_IS, "What the init container is promised of a resource."},
    [NV_KUBE_LIMITS]                = {"kube_pod_init_container_resource_limits",
        NV_GAUGE, NV_AS_IS, "What the init container may take of a resource at most."},
};

const struct nv_table nv_kube_tables[NV_KUBE_TABLES] = {
    [NV_KUBE_POD]            = {NV_LABELS(POD),
        pod, NV_LEN(pod)},
    [NV_KUBE_INFO]           = {NV_LABELS(POD, "host_ip", "pod_ip", "node", "created_by_kind", "created_by_name", "priority_class", "host_network"),
        info, NV_LEN(info)},
    [NV_KUBE_IPS]            = {NV_LABELS(POD, "ip", "ip_family"),
        ips, NV_LEN(ips)},
    [NV_KUBE_OWNER]          = {NV_LABELS(POD, "owner_kind", "owner_name", "owner_is_controller"),
        owner, NV_LEN(owner)},
    [NV_KUBE_POLICY]         = {NV_LABELS(POD, "type"),
        policy, NV_LEN(policy)},
    [NV_KUBE_ACCOUNT]        = {NV_LABELS(POD, "service_account"),
        account, NV_LEN(account)},
    [NV_KUBE_SCHEDULER]      = {NV_LABELS(POD, "name"),
        scheduler, NV_LEN(scheduler)},
    [NV_KUBE_RUNTIME]        = {NV_LABELS(POD, "runtimeclass_name"),
        runtime, NV_LEN(runtime)},
    [NV_KUBE_TOLERATIONS]    = {NV_LABELS(POD, "key", "operator", "value", "effect", "toleration_seconds"),
        tolerations, NV_LEN(tolerations)},
    [NV_KUBE_VOLUMES]        = {NV_LABELS(POD, "volume", "persistentvolumeclaim", "ephemeral"),
        volumes, NV_LEN(volumes)},
    [NV_KUBE_CLAIM]          = {NV_LABELS(POD, "claim_name", "resourceclaim_name", "resourceclaim_template_name"),
        claim, NV_LEN(claim)},
    [NV_KUBE_PHASE]          = {NV_LABELS(POD, "phase"),
        phase, NV_LEN(phase)},
    [NV_KUBE_QOS]            = {NV_LABELS(POD, "qos_class"),
        qos, NV_LEN(qos)},
    [NV_KUBE_CONDITION]      = {NV_LABELS(POD, "condition"),
        conditions, NV_LEN(conditions)},
    [NV_KUBE_WHY]            = {NV_LABELS(POD, "reason"),
        why, NV_LEN(why)},
    [NV_KUBE_CONTAINER_INFO] = {NV_LABELS(POD, "container", "image_spec", "image", "image_id", "container_id"),
        container_info, NV_LEN(container_info)},
    [NV_KUBE_CONTAINER]      = {NV_LABELS(POD, "container"),
        container_state, NV_LEN(container_state)},
    [NV_KUBE_REASON]         = {NV_LABELS(POD, "container", "reason"),
        container_reason, NV_LEN(container_reason)},
    [NV_KUBE_RESOURCES]      = {NV_LABELS(POD, "container", "node", "resource", "unit"),
        container_resources, NV_LEN(container_resources)},
    [NV_KUBE_INIT_INFO]      = {NV_LABELS(POD, "container", "image_spec", "image", "image_id", "container_id", "restart_policy"),
        init_info, NV_LEN(init_info)},
    [NV_KUBE_INIT_CONTAINER] = {NV_LABELS(POD, "container"),
        init_state, NV_LEN(init_state)},
    [NV_KUBE_INIT_REASON]    = {NV_LABELS(POD, "container", "reason"),
        init_reason, NV_LEN(init_reason)},
    [NV_KUBE_INIT_RESOURCES] = {NV_LABELS(POD, "container", "node", "resource", "unit"),
        init_resources, NV_LEN(init_resources)},
};
// clang-format on
