/*
 * tables.h - the families kube_pod_*, by the labels they share.
 */
#ifndef NV_KUBE_PODS_TABLES_H
#define NV_KUBE_PODS_TABLES_H

#include <nodevitals/collector.h>

/* Columns of NV_KUBE_POD. */
enum nv_kube_pod_column {
    NV_KUBE_CREATED,
    NV_KUBE_START,
    NV_KUBE_COMPLETION,
    NV_KUBE_DELETION,
    NV_KUBE_OVERHEAD_CPU,
    NV_KUBE_OVERHEAD_MEMORY,
    NV_KUBE_SCHEDULED_TIME,
    NV_KUBE_UNSCHEDULABLE,
    NV_KUBE_UNSCHEDULED_TIME,
    NV_KUBE_INITIALIZED_TIME,
    NV_KUBE_CONTAINERS_READY_TIME,
    NV_KUBE_READY_TIME,
    NV_KUBE_POD_COLUMNS,
};

/* Of NV_KUBE_CONTAINER and its twin for init containers. */
enum nv_kube_container_column {
    NV_KUBE_STARTED,
    NV_KUBE_WAITING,
    NV_KUBE_RUNNING,
    NV_KUBE_TERMINATED,
    NV_KUBE_LAST_EXITCODE,
    NV_KUBE_LAST_TIME,
    NV_KUBE_READY,
    NV_KUBE_RESTARTS,
    NV_KUBE_CONTAINER_COLUMNS,
};

enum nv_kube_reason_column {
    NV_KUBE_WAITING_REASON,
    NV_KUBE_TERMINATED_REASON,
    NV_KUBE_LAST_REASON
};
enum nv_kube_condition_column { NV_KUBE_IS_READY, NV_KUBE_IS_SCHEDULED };
enum nv_kube_resource_column { NV_KUBE_REQUESTS, NV_KUBE_LIMITS };
enum nv_kube_volume_column { NV_KUBE_VOLUME_INFO, NV_KUBE_VOLUME_READONLY };
enum nv_kube_why_column { NV_KUBE_STATUS_REASON, NV_KUBE_DISRUPTION_REASON };

/* Values of labels stand in the order of the table: namespace, pod, uid first. */
enum nv_kube_table {
    NV_KUBE_POD,
    NV_KUBE_INFO, /* host_ip pod_ip node created_by_kind created_by_name priority_class host_network */
    NV_KUBE_IPS,            /* ip ip_family */
    NV_KUBE_OWNER,          /* owner_kind owner_name owner_is_controller */
    NV_KUBE_POLICY,         /* type */
    NV_KUBE_ACCOUNT,        /* service_account */
    NV_KUBE_SCHEDULER,      /* name */
    NV_KUBE_RUNTIME,        /* runtimeclass_name */
    NV_KUBE_TOLERATIONS,    /* key operator value effect toleration_seconds */
    NV_KUBE_VOLUMES,        /* volume persistentvolumeclaim ephemeral */
    NV_KUBE_CLAIM,          /* claim_name resourceclaim_name resourceclaim_template_name */
    NV_KUBE_PHASE,          /* phase */
    NV_KUBE_QOS,            /* qos_class */
    NV_KUBE_CONDITION,      /* condition */
    NV_KUBE_WHY,            /* reason */
    NV_KUBE_CONTAINER_INFO, /* container image_spec image image_id container_id */
    NV_KUBE_CONTAINER,      /* container */
    NV_KUBE_REASON,         /* container reason */
    NV_KUBE_RESOURCES,      /* container node resource unit */
    NV_KUBE_INIT_INFO,      /* as above, and restart_policy */
    NV_KUBE_INIT_CONTAINER, /* these as above */
    NV_KUBE_INIT_REASON,
    NV_KUBE_INIT_RESOURCES,
    NV_KUBE_TABLES,
};
enum { NV_KUBE_LABELS = 10 }; /* the most a table has */
extern const struct nv_table nv_kube_tables[NV_KUBE_TABLES];

#endif
