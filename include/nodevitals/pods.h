/*
 * pods.h - the pods of this node, as the kubelet last told them.
 *
 *   const struct nv_pods *pods = nv_pods(pass);
 *   struct nv_pod_place place;
 *
 *   if (pods && nv_pods_find_container(pods, id, &place))
 *       emit(place.pod->ns, place.pod->name, place.container->name);
 *   else
 *       nv_pods_wanted(pass);
 *
 *   shape      pods with their containers, both in the order of the answer; a container that has a status and no
 *              specification, or the other way round, is there all the same
 *   texts      views into the answer, escapes resolved; empty where it says nothing. A time is 0 there
 *   memory     all of it lives until collect() returns
 *   bounds     NV_PODS_MAX pods and NV_POD_CONTAINERS_MAX containers in all: `left_out` counts what is beyond
 *   growing    structures grow at their end: step by nv_pod_at() and nv_pod_container_at(), not by index
 */
#ifndef NODEVITALS_PODS_H
#define NODEVITALS_PODS_H

#include <nodevitals/collector.h>

enum { NV_PODS_MAX = 4096, NV_POD_CONTAINERS_MAX = 32768 };

enum nv_pod_container_kind {
    NV_CONTAINER_REGULAR,
    NV_CONTAINER_INIT,
    NV_CONTAINER_SIDECAR, /* an init container that keeps running: restartPolicy Always */
    NV_CONTAINER_EPHEMERAL,
};

enum nv_pod_container_state {
    NV_CONTAINER_UNKNOWN, /* no status yet */
    NV_CONTAINER_WAITING,
    NV_CONTAINER_RUNNING,
    NV_CONTAINER_TERMINATED,
};

struct nv_pod_container {
    struct nv_str name;
    struct nv_str image; /* of the status, else of the specification */
    struct nv_str image_id;
    struct nv_str id; /* the runtime's, without its scheme; empty before the first start */
    uint8_t kind;     /* enum nv_pod_container_kind */
    uint8_t state;    /* enum nv_pod_container_state */
    bool ready, started;
    int32_t exit_code; /* where terminated */
    uint64_t restarts;
    int64_t started_ms,
        finished_ms;      /* of the state; started also of the last state while it waits */
    struct nv_str reason; /* of waiting or terminated */

    /* The state before, where there was one. */
    struct nv_str last_id, last_reason;
    int64_t last_started_ms, last_finished_ms;
    int32_t last_exit_code;
    bool has_last;
};

struct nv_pod {
    struct nv_str name, ns;
    struct nv_str uid;  /* as in cgroup names; of a static pod its hash */
    struct nv_str hash; /* of a static pod or its mirror, else empty */
    struct nv_str node;
    struct nv_str phase; /* Pending, Running, Succeeded, Failed, Unknown */
    struct nv_str reason, qos;
    struct nv_str ip; /* the first */
    struct nv_str host_ip;
    int64_t created_ms, started_ms, deleted_ms; /* deleted: since when it is to end */
    bool host_network, ready;
    const struct nv_pod_container *containers;
    size_t n_containers;
    size_t container_size; /* bytes from one to the next */

    /* JSON, as the answer has it: the whole pod; its labels and annotations, empty where there are none. */
    struct nv_str json, labels, annotations;
};

/* Where a container is. */
struct nv_pod_place {
    const struct nv_pod *pod;
    const struct nv_pod_container *container;
};

struct nv_pods_slot {
    uint32_t hash, pod, container; /* pod: its number and 1, 0 for a free slot */
};

struct nv_pods {
    uint64_t version;   /* another for each answer that differs from the one before */
    int64_t time_ms;    /* when this answer came */
    struct nv_str text; /* the answer: a PodList, for <nodevitals/json.h> */
    const struct nv_pod *at;
    size_t n;
    size_t pod_size; /* bytes from one to the next */
    size_t n_containers, left_out;

    /* By container id, the last one's too, and by uid and hash: powers of two, at most half full. */
    const struct nv_pods_slot *by_id, *by_uid;
    uint32_t n_by_id, n_by_uid;
};

static inline const struct nv_pod *nv_pod_at(const struct nv_pods *pods, size_t i)
{
    return (const struct nv_pod *)(const void *)((const char *)pods->at + i * pods->pod_size);
}

static inline const struct nv_pod_container *nv_pod_container_at(const struct nv_pod *pod, size_t i)
{
    return (const struct nv_pod_container *)(const void *)((const char *)pod->containers +
                                                           i * pod->container_size);
}

/* FNV-1a, folded. */
static inline uint32_t nv_pods_hash(struct nv_str key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < key.n; i++) {
        hash ^= (unsigned char)key.p[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return (uint32_t)(hash ^ hash >> 32);
}

/* The container that bears, or whose instance before bore, an id (64 hexadecimal digits, no scheme). */
static inline bool nv_pods_find_container(const struct nv_pods *pods, struct nv_str id,
                                          struct nv_pod_place *ret)
{
    uint32_t hash = nv_pods_hash(id);

    for (uint32_t at = hash; pods->n_by_id; at++) {
        const struct nv_pods_slot *slot = &pods->by_id[at & (pods->n_by_id - 1)];
        if (!slot->pod)
            return false;
        if (slot->hash != hash)
            continue;
        const struct nv_pod *pod = nv_pod_at(pods, slot->pod - 1);
        const struct nv_pod_container *container = nv_pod_container_at(pod, slot->container);
        if (nv_str_eq(container->id, id) || nv_str_eq(container->last_id, id)) {
            *ret = (struct nv_pod_place){pod, container};
            return true;
        }
    }
    return false;
}

/* The pod of a uid, as it stands in a cgroup's name with its minus signs; NULL for none. */
static inline const struct nv_pod *nv_pods_find_pod(const struct nv_pods *pods, struct nv_str uid)
{
    uint32_t hash = nv_pods_hash(uid);

    for (uint32_t at = hash; pods->n_by_uid; at++) {
        const struct nv_pods_slot *slot = &pods->by_uid[at & (pods->n_by_uid - 1)];
        if (!slot->pod)
            return NULL;
        const struct nv_pod *pod = nv_pod_at(pods, slot->pod - 1);
        if (slot->hash == hash && (nv_str_eq(pod->uid, uid) || nv_str_eq(pod->hash, uid)))
            return pod;
    }
    return NULL;
}

/*
 * What the kubelet told last, the same within one collect(); NULL where it told nothing yet, or too long ago, or
 * nobody asks it.
 */
static inline const struct nv_pods *nv_pods(struct nv_pass *pass)
{
    return pass->host->pods(pass);
}

/*
 * What the kubelet answers on another path, such as "/stats/summary". The view lives until the next call or the end of
 * collect(). -ENOSYS where nobody asks a kubelet; -EACCES (401, 403), -ENOENT (404), -ETIMEDOUT, -EIO; nv_said() tells
 * more. For collectors that may block.
 */
static inline int nv_kubelet_ask(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    return pass->host->kubelet(pass, path, ret);
}

/* Asks for a newer answer soon, since something is there that this one does not name. Returns at once. */
static inline void nv_pods_wanted(struct nv_pass *pass)
{
    pass->host->pods_wanted(pass);
}

#endif
