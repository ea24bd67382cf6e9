#include "kube/pods.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "kube/pods_inside.h"

enum { MAGIC = 0x706f6473, ARENA_MAX = NV_PODS_TEXT_MAX, KIND_MAX = 64 /* bytes of it quoted */ };

/* ---- life ----------------------------------------------------------------------------------- */

static struct nv_pods_picture *picture_of(const struct nv_pods *pods)
{
    struct nv_pods_picture *picture = (struct nv_pods_picture *)(uintptr_t)pods;

    nv_assert(picture->magic == MAGIC);
    return picture;
}

const struct nv_pods *nv_pods_ref(const struct nv_pods *pods)
{
    atomic_fetch_add_explicit(&picture_of(pods)->count, 1, memory_order_relaxed);
    return pods;
}

static void picture_free(struct nv_pods_picture *picture)
{
    nv_arena_done(&picture->arena);
    free(picture->text);
    free(picture->at);
    free(picture->containers);
    free(picture->slots[0]);
    free(picture->slots[1]);
    free(picture);
}

void nv_pods_unref(const struct nv_pods *pods)
{
    if (pods && atomic_fetch_sub_explicit(&picture_of(pods)->count, 1, memory_order_acq_rel) == 1)
        picture_free(picture_of(pods));
}

size_t nv_pods_memory(const struct nv_pods *pods)
{
    const struct nv_pods_picture *picture = picture_of(pods);

    return sizeof(*picture) + picture->arena.total + pods->n * sizeof(struct nv_pod) +
           pods->n_containers * sizeof(struct nv_pod_container) +
           ((size_t)pods->n_by_id + pods->n_by_uid) * sizeof(struct nv_pods_slot);
}

/* ---- lookups -------------------------------------------------------------------------------- */

static struct nv_pods_slot *slots_for(size_t n, uint32_t *ret_n)
{
    uint32_t size = 16;

    while (size < 2 * n)
        size *= 2;
    *ret_n = size;
    return calloc(size, sizeof(struct nv_pods_slot));
}

static void put(struct nv_pods_slot *slots, uint32_t n, struct nv_str key, size_t pod,
                size_t container)
{
    uint32_t hash = nv_pods_hash(key), at = hash;

    while (slots[at & (n - 1)].pod)
        at++;
    slots[at & (n - 1)] = (struct nv_pods_slot){hash, (uint32_t)pod + 1, (uint32_t)container};
}

static void put_id(struct nv_pods_picture *picture, struct nv_str id, size_t pod, size_t container)
{
    struct nv_pod_place place;

    if (id.n && !nv_pods_find_container(&picture->pods, id, &place))
        put(picture->slots[0], picture->pods.n_by_id, id, pod, container);
}

static void put_uid(struct nv_pods_picture *picture, struct nv_str uid, size_t pod)
{
    if (uid.n && !nv_pods_find_pod(&picture->pods, uid))
        put(picture->slots[1], picture->pods.n_by_uid, uid, pod, 0);
}

/* Ids that are before those that were, should one be both. */
static int make_lookups(struct nv_pods_picture *picture)
{
    struct nv_pods *pods = &picture->pods;

    picture->slots[0] = slots_for(2 * pods->n_containers, &pods->n_by_id);
    picture->slots[1] = slots_for(2 * pods->n, &pods->n_by_uid);
    if (!picture->slots[0] || !picture->slots[1])
        return -ENOMEM;
    pods->by_id = picture->slots[0];
    pods->by_uid = picture->slots[1];
    for (size_t i = 0; i < 2 * pods->n; i++) {
        const struct nv_pod *pod = nv_pod_at(pods, i % pods->n);
        bool last = i >= pods->n;
        put_uid(picture, last ? pod->hash : pod->uid, i % pods->n);
        for (size_t k = 0; k < pod->n_containers; k++)
            put_id(picture, last ? pod->containers[k].last_id : pod->containers[k].id, i % pods->n,
                   k);
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* What grew by halves keeps no more than it holds; smaller is always there. */
static void trim(void *array, size_t n, size_t element)
{
    void **at = array;
    void *less = n ? realloc(*at, n * element) : NULL;

    if (less)
        *at = less;
}

static void settle(struct nv_pods_picture *picture)
{
    struct nv_pods *pods = &picture->pods;
    size_t next = 0;

    trim(&picture->at, pods->n, sizeof(struct nv_pod));
    trim(&picture->containers, pods->n_containers, sizeof(struct nv_pod_container));
    for (size_t i = 0; i < pods->n; i++) {
        struct nv_pod *pod = &picture->at[i];
        pod->containers = pod->n_containers ? &picture->containers[next] : NULL;
        next += pod->n_containers;
    }
    pods->at = picture->at;
    pods->pod_size = sizeof(struct nv_pod);
}

static int judge(struct nv_pods_reader *reader, char error[NV_PODS_ERROR_MAX])
{
    size_t n = reader->picture->pods.n;
    struct nv_str kind = reader->api_kind;

    if (reader->fields.no_memory)
        return -ENOMEM;
    if (!nv_json_done(&reader->fields.json))
        snprintf(error, NV_PODS_ERROR_MAX, "no JSON, or cut short, behind %zu pods", n);
    else if (!nv_str_is(kind, "PodList"))
        snprintf(error, NV_PODS_ERROR_MAX, "a \"%.*s\", not a PodList",
                 kind.n < KIND_MAX ? (int)kind.n : KIND_MAX, kind.n ? kind.p : "");
    else if (!reader->listed)
        snprintf(error, NV_PODS_ERROR_MAX, "a PodList without items");
    else
        return 0;
    return -EBADMSG;
}

int nv_pods_read(struct nv_buf *text, uint64_t version, int64_t time_ms, struct nv_pods **ret,
                 char error[NV_PODS_ERROR_MAX])
{
    struct nv_pods_picture *picture = calloc(1, sizeof(*picture));

    error[0] = '\0';
    if (!picture)
        return -ENOMEM;
    trim(&text->p, text->n, 1);
    text->size = text->n;
    *picture = (struct nv_pods_picture){
        .magic = MAGIC,
        .count = 1,
        .arena = NV_ARENA(ARENA_MAX),
        .pods = {.version = version, .time_ms = time_ms, .text = nv_buf_view(text)},
    };
    struct nv_pods_reader reader = {
        .fields = {.json = nv_json(nv_buf_view(text)), .arena = &picture->arena},
        .picture = picture,
    };
    nv_pods_read_list(&reader);
    int r = judge(&reader, error);
    if (r == 0) {
        settle(picture);
        r = make_lookups(picture);
    }
    if (r < 0) {
        picture_free(picture);
        return r;
    }
    picture->text = text->p;
    *text = NV_BUF(text->max);
    *ret = &picture->pods;
    return 0;
}
