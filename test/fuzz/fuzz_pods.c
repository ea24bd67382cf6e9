/*
 * fuzz_pods.c - the kubelet's /pods as bytes: every text of the picture is touched, what has an id is found by it, and the
 * targets that follow have labels in order, each once, whatever the order of the pods.
 */
#include "base/assert.h"
#include "kube/discover.h"
#include "kube/pods.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile char sink;

static void touch(struct nv_str s)
{
    for (size_t i = 0; i < s.n; i++)
        sink = s.p[i];
}

static void check_container(const struct nv_pods *pods, const struct nv_pod_container *container)
{
    struct nv_pod_place place;

    const struct nv_str texts[] = {container->name,       container->image,  container->image_id,
                                   container->id,         container->reason, container->last_id,
                                   container->last_reason};
    for (size_t i = 0; i < NV_LEN(texts); i++)
        touch(texts[i]);
    nv_assert(container->kind <= NV_CONTAINER_EPHEMERAL);
    nv_assert(container->state <= NV_CONTAINER_TERMINATED);
    nv_assert(!container->id.n || nv_pods_find_container(pods, container->id, &place));
}

static void check_pod(const struct nv_pods *pods, const struct nv_pod *pod)
{
    const struct nv_str texts[] = {
        pod->name, pod->ns, pod->uid,     pod->hash, pod->node,   pod->phase,      pod->reason,
        pod->qos,  pod->ip, pod->host_ip, pod->json, pod->labels, pod->annotations};

    for (size_t i = 0; i < NV_LEN(texts); i++)
        touch(texts[i]);
    nv_assert(pod->n_containers <= NV_POD_CONTAINERS_EACH_MAX);
    nv_assert(!pod->uid.n || nv_pods_find_pod(pods, pod->uid));
    nv_assert(!pod->hash.n || nv_pods_find_pod(pods, pod->hash));
    for (size_t i = 0; i < pod->n_containers; i++)
        check_container(pods, nv_pod_container_at(pod, i));
}

static void check_targets(const struct nv_pods *pods)
{
    const struct nv_kube_wanted wanted = {
        .annotated = true, .named_ports = true, .interval_ms = 30000, .timeout_ms = 10000};
    struct nv_arena memory = NV_ARENA(64 << 20);
    struct nv_target_groups groups;
    size_t left_out;

    if (nv_kube_discover(pods, &wanted, &memory, &groups, &left_out) < 0) {
        nv_arena_done(&memory);
        return;
    }
    nv_assert(groups.n <= NV_KUBE_TARGETS_MAX);
    for (size_t i = 0; i < groups.n; i++) {
        const struct nv_target_group *group = &groups.at[i];
        touch(group->targets[0]);
        for (size_t k = 0; k < group->n_labels; k++) {
            touch(group->labels[k].name);
            touch(group->labels[k].value);
            nv_assert(!k || nv_str_cmp(group->labels[k - 1].name, group->labels[k].name) < 0);
        }
    }
    nv_arena_done(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
    char error[NV_PODS_ERROR_MAX] = "";
    struct nv_pods *pods = NULL;

    nv_buf_add(&text, data, n);
    int r = nv_pods_read(&text, 1, 1, &pods, error);
    if (r < 0) {
        nv_assert(r != -EBADMSG || error[0]);
        return 0;
    }
    nv_assert(pods->n <= NV_PODS_MAX && pods->n_containers <= NV_POD_CONTAINERS_MAX);
    for (size_t i = 0; i < pods->n; i++)
        check_pod(pods, nv_pod_at(pods, i));
    check_targets(pods);
    nv_pods_unref(pods);
    return 0;
}
