#include "kube/pods.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "kube/fields.h"

enum { MAGIC = 0x706f6473, ARENA_MAX = NV_PODS_TEXT_MAX, KIND_MAX = 64 /* bytes of it quoted */ };

/* What stands behind the structure collectors see. */
struct picture {
    struct nv_pods pods; /* first */
    uint32_t magic;
    _Atomic unsigned count;
    char *text;
    struct nv_arena arena; /* texts without their escapes */
    struct nv_pod *at;
    struct nv_pod_container *containers;
    struct nv_pods_slot *slots[2];
};

struct reader {
    struct nv_fields fields; /* first */
    struct picture *picture;
    size_t size, containers_size; /* how many there is room for */
    struct nv_str api_kind;
    bool listed; /* there were items */

    /* Of the present pod. Its containers begin at `first`. */
    size_t first, hint;
    enum nv_pod_container_kind kind;
};

/* A container's specification or status, before it meets its other half. */
struct half {
    struct nv_pod_container is;
    struct nv_str name, restart_policy, scheme_id, last_scheme_id;
};

static struct reader *reader_of(struct nv_fields *fields)
{
    return (struct reader *)fields;
}

/* ---- life ----------------------------------------------------------------------------------- */

static struct picture *picture_of(const struct nv_pods *pods)
{
    struct picture *picture = (struct picture *)(uintptr_t)pods;

    nv_assert(picture->magic == MAGIC);
    return picture;
}

const struct nv_pods *nv_pods_ref(const struct nv_pods *pods)
{
    atomic_fetch_add_explicit(&picture_of(pods)->count, 1, memory_order_relaxed);
    return pods;
}

static void picture_free(struct picture *picture)
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
    const struct picture *picture = picture_of(pods);

    return sizeof(*picture) + picture->arena.total + pods->n * sizeof(struct nv_pod) +
           pods->n_containers * sizeof(struct nv_pod_container) +
           ((size_t)pods->n_by_id + pods->n_by_uid) * sizeof(struct nv_pods_slot);
}

/* ---- room ----------------------------------------------------------------------------------- */

/* Room for one more. `array` holds n of *size elements. */
static bool grow(struct reader *reader, void *array, size_t n, size_t *size, size_t element)
{
    void **at = array;

    if (n < *size)
        return true;
    size_t wanted = *size + *size / 2 + 32;
    void *grown = realloc(*at, wanted * element);
    if (!grown) {
        reader->fields.no_memory = true;
        nv_json_fail(&reader->fields.json);
        return false;
    }
    *at = grown;
    *size = wanted;
    return true;
}

static bool same_class(uint8_t a, enum nv_pod_container_kind b)
{
    return a == b || ((a == NV_CONTAINER_SIDECAR || a == NV_CONTAINER_INIT) &&
                      (b == NV_CONTAINER_SIDECAR || b == NV_CONTAINER_INIT));
}

/*
 * The container of a name in the present pod, made where it is new; NULL where there is no room. Statuses come in
 * the order of the specification, or in that of names: the next one is a good guess.
 */
static struct nv_pod_container *find_container(struct reader *reader, struct nv_str name)
{
    struct nv_pods *pods = &reader->picture->pods;
    size_t n = pods->n_containers - reader->first;

    for (size_t i = 0; i < n; i++) {
        size_t k = reader->hint + i < n ? reader->hint + i : reader->hint + i - n;
        struct nv_pod_container *at = &reader->picture->containers[reader->first + k];
        if (same_class(at->kind, reader->kind) && nv_str_eq(at->name, name)) {
            reader->hint = k + 1 < n ? k + 1 : 0;
            return at;
        }
    }
    if (n == NV_POD_CONTAINERS_EACH_MAX || pods->n_containers == NV_POD_CONTAINERS_MAX) {
        pods->left_out++;
        return NULL;
    }
    if (!grow(reader, &reader->picture->containers, pods->n_containers, &reader->containers_size,
              sizeof(struct nv_pod_container)))
        return NULL;
    struct nv_pod_container *new = &reader->picture->containers[pods->n_containers++];
    *new = (struct nv_pod_container){.name = name, .kind = (uint8_t)reader->kind};
    return new;
}

/* ---- containers ----------------------------------------------------------------------------- */

static struct nv_str without_scheme(struct nv_str id)
{
    for (size_t i = 0; i + 3 <= id.n; i++)
        if (memcmp(id.p + i, "://", 3) == 0)
            return nv_str_from(id, i + 3);
    return id;
}

static const struct nv_field waiting[] = {
    {"reason",              NV_FIELD_TEXT, offsetof(struct half, is.reason)},
    {0},
};
static const struct nv_field running[] = {
    {"startedAt",           NV_FIELD_TIME, offsetof(struct half, is.started_ms)},
    {0},
};
static const struct nv_field terminated[] = {
    {"exitCode",            NV_FIELD_CODE, offsetof(struct half, is.exit_code)},
    {"reason", NV_FIELD_TEXT, offsetof(struct half, is.reason)},
    {"startedAt",                     NV_FIELD_TIME, offsetof(struct half, is.started_ms)},
    {"finishedAt",        NV_FIELD_TIME, offsetof(struct half, is.finished_ms)},
    {0          },
};
static const struct nv_field last_terminated[] = {
    {"exitCode",            NV_FIELD_CODE, offsetof(struct half, is.last_exit_code)},
    {"reason", NV_FIELD_TEXT, offsetof(struct half, is.last_reason)},
    {"startedAt",                     NV_FIELD_TIME, offsetof(struct half, is.last_started_ms)},
    {"finishedAt",        NV_FIELD_TIME, offsetof(struct half, is.last_finished_ms)},
    {"containerID",      NV_FIELD_TEXT, offsetof(struct half, last_scheme_id)},
    {0          },
};

/* A state is the name of the one member that is an object. */
static void read_state(struct nv_fields *fields, const struct nv_field *table,
                       enum nv_pod_container_state state, struct half *half)
{
    if (nv_json_kind(&fields->json) == NV_JSON_OBJECT)
        half->is.state = (uint8_t)state;
    nv_fields_read(fields, table, half);
}

static void read_waiting(struct nv_fields *fields, void *half)
{
    read_state(fields, waiting, NV_CONTAINER_WAITING, half);
}

static void read_running(struct nv_fields *fields, void *half)
{
    read_state(fields, running, NV_CONTAINER_RUNNING, half);
}

static void read_terminated(struct nv_fields *fields, void *half)
{
    read_state(fields, terminated, NV_CONTAINER_TERMINATED, half);
}

static void read_last_terminated(struct nv_fields *fields, void *whole)
{
    struct half *half = whole;

    half->is.has_last |= nv_json_kind(&fields->json) == NV_JSON_OBJECT;
    nv_fields_read(fields, last_terminated, half);
}

static const struct nv_field states[] = {
    {"waiting",      NV_FIELD_PART, 0, read_waiting},
    {"running",             NV_FIELD_PART, 0, read_running},
    {"terminated",              NV_FIELD_PART, 0, read_terminated},
    {0},
};
static const struct nv_field last_states[] = {
    {"terminated", NV_FIELD_PART, 0, read_last_terminated},
    {0          },
};

static void read_states(struct nv_fields *fields, void *half)
{
    nv_fields_read(fields, states, half);
}

static void read_last_states(struct nv_fields *fields, void *half)
{
    nv_fields_read(fields, last_states, half);
}

static const struct nv_field specification[] = {
    {"name",                NV_FIELD_TEXT, offsetof(struct half, name)},
    {"image", NV_FIELD_TEXT, offsetof(struct half, is.image)},
    {"restartPolicy",                     NV_FIELD_TEXT, offsetof(struct half, restart_policy)},
    {0       },
};
static const struct nv_field status[] = {
    {"name",                NV_FIELD_TEXT, offsetof(struct half, name)},
    {"state", NV_FIELD_PART, 0, read_states},
    {"lastState",                     NV_FIELD_PART, 0, read_last_states},
    {"ready",        NV_FIELD_BOOL, offsetof(struct half, is.ready)},
    {"restartCount",          NV_FIELD_COUNT, offsetof(struct half, is.restarts)},
    {"image",           NV_FIELD_TEXT, offsetof(struct half, is.image)},
    {"imageID",                    NV_FIELD_TEXT, offsetof(struct half, is.image_id)},
    {"containerID",                     NV_FIELD_TEXT, offsetof(struct half, scheme_id)},
    {"started", NV_FIELD_BOOL, offsetof(struct half, is.started)},
    {0           },
};

static void take_specification(struct nv_pod_container *container, const struct half *half)
{
    if (!container->image.n) /* the status may have come first */
        container->image = half->is.image;
    if (container->kind == NV_CONTAINER_INIT && nv_str_is(half->restart_policy, "Always"))
        container->kind = NV_CONTAINER_SIDECAR;
}

static void take_status(struct nv_pod_container *container, const struct half *half)
{
    struct nv_pod_container before = *container;

    *container = half->is;
    container->name = before.name;
    container->kind = before.kind;
    if (!container->image.n)
        container->image = before.image;
    container->id = without_scheme(half->scheme_id);
    container->last_id = without_scheme(half->last_scheme_id);
    if (!container->started_ms)
        container->started_ms = container->last_started_ms;
}

static void read_containers(struct nv_fields *fields, const struct nv_field *table,
                            enum nv_pod_container_kind kind,
                            void (*take)(struct nv_pod_container *, const struct half *))
{
    struct reader *reader = reader_of(fields);

    reader->kind = kind;
    reader->hint = 0;
    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json)) {
        struct half half = {
            .name = {"", 0}
        };
        nv_fields_read(fields, table, &half);
        if (fields->json.failed || !half.name.n)
            continue;
        struct nv_pod_container *container = find_container(reader, half.name);
        if (container)
            take(container, &half);
    }
}

/* ---- pods ----------------------------------------------------------------------------------- */

static void read_regular(struct nv_fields *fields, void *pod)
{
    (void)pod;
    read_containers(fields, specification, NV_CONTAINER_REGULAR, take_specification);
}

static void read_init(struct nv_fields *fields, void *pod)
{
    (void)pod;
    read_containers(fields, specification, NV_CONTAINER_INIT, take_specification);
}

static void read_ephemeral(struct nv_fields *fields, void *pod)
{
    (void)pod;
    read_containers(fields, specification, NV_CONTAINER_EPHEMERAL, take_specification);
}

static void read_regular_statuses(struct nv_fields *fields, void *pod)
{
    (void)pod;
    read_containers(fields, status, NV_CONTAINER_REGULAR, take_status);
}

static void read_init_statuses(struct nv_fields *fields, void *pod)
{
    (void)pod;
    read_containers(fields, status, NV_CONTAINER_INIT, take_status);
}

static void read_ephemeral_statuses(struct nv_fields *fields, void *pod)
{
    (void)pod;
    read_containers(fields, status, NV_CONTAINER_EPHEMERAL, take_status);
}

/* Keeps where the annotations are, and takes the hash of a static pod or of its mirror from them. */
static void read_annotations(struct nv_fields *fields, void *whole)
{
    static const struct nv_field hashes[] = {
        {"kubernetes.io/config.hash", NV_FIELD_TEXT, offsetof(struct nv_pod, hash)},
        {"kubernetes.io/config.mirror",     NV_FIELD_TEXT, offsetof(struct nv_pod, hash)},
        {0                          },
    };
    struct nv_pod *pod = whole;
    bool object = nv_json_kind(&fields->json) == NV_JSON_OBJECT;
    const char *first = fields->json.at;

    nv_fields_read(fields, hashes, pod);
    if (object)
        pod->annotations = (struct nv_str){first, (size_t)(fields->json.at - first)};
}

/* The first address, where podIP itself is missing. */
static void read_ips(struct nv_fields *fields, void *whole)
{
    static const struct nv_field address[] = {
        {"ip", NV_FIELD_TEXT, 0},
        {0  }
    };
    struct nv_pod *pod = whole;

    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json)) {
        struct nv_str ip = {"", 0};
        nv_fields_read(fields, address, &ip);
        if (!pod->ip.n)
            pod->ip = ip;
    }
}

static void read_conditions(struct nv_fields *fields, void *whole)
{
    struct condition {
        struct nv_str type, status;
    };
    static const struct nv_field condition[] = {
        {"type",                     NV_FIELD_TEXT, offsetof(struct condition, type)},
        {"status", NV_FIELD_TEXT, offsetof(struct condition, status)},
        {0                         },
    };
    struct nv_pod *pod = whole;

    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json)) {
        struct condition is = {
            {"", 0},
            {"", 0}
        };
        nv_fields_read(fields, condition, &is);
        if (nv_str_is(is.type, "Ready"))
            pod->ready = nv_str_is(is.status, "True");
    }
}

static const struct nv_field metadata[] = {
    {"name",                  NV_FIELD_TEXT, offsetof(struct nv_pod, name)},
    {"namespace", NV_FIELD_TEXT, offsetof(struct nv_pod, ns)},
    {"uid",                       NV_FIELD_TEXT, offsetof(struct nv_pod, uid)},
    {"labels",          NV_FIELD_JSON, offsetof(struct nv_pod, labels)},
    {"annotations",                    NV_FIELD_PART, 0, read_annotations},
    {"creationTimestamp",                   NV_FIELD_TIME, offsetof(struct nv_pod, created_ms)},
    {"deletionTimestamp", NV_FIELD_TIME, offsetof(struct nv_pod, deleted_ms)},
    {0                      },
};
static const struct nv_field spec[] = {
    {"nodeName",              NV_FIELD_TEXT, offsetof(struct nv_pod, node)},
    {"hostNetwork", NV_FIELD_BOOL, offsetof(struct nv_pod, host_network)},
    {"containers",                       NV_FIELD_PART, 0, read_regular},
    {"initContainers",          NV_FIELD_PART, 0, read_init},
    {"ephemeralContainers",          NV_FIELD_PART, 0, read_ephemeral},
    {0           },
};
static const struct nv_field pod_status[] = {
    {"phase",                 NV_FIELD_TEXT, offsetof(struct nv_pod, phase)},
    {"reason", NV_FIELD_TEXT, offsetof(struct nv_pod, reason)},
    {"qosClass",                       NV_FIELD_TEXT, offsetof(struct nv_pod, qos)},
    {"podIP",          NV_FIELD_TEXT, offsetof(struct nv_pod, ip)},
    {"podIPs",                NV_FIELD_PART, 0, read_ips},
    {"hostIP",              NV_FIELD_TEXT, offsetof(struct nv_pod, host_ip)},
    {"startTime", NV_FIELD_TIME, offsetof(struct nv_pod, started_ms)},
    {"conditions",                       NV_FIELD_PART, 0, read_conditions},
    {"containerStatuses", NV_FIELD_PART, 0, read_regular_statuses},
    {"initContainerStatuses",                    NV_FIELD_PART, 0, read_init_statuses},
    {"ephemeralContainerStatuses",                NV_FIELD_PART, 0, read_ephemeral_statuses},
    {0                     },
};

static void read_metadata(struct nv_fields *fields, void *pod)
{
    nv_fields_read(fields, metadata, pod);
}

static void read_spec(struct nv_fields *fields, void *pod)
{
    nv_fields_read(fields, spec, pod);
}

static void read_status(struct nv_fields *fields, void *pod)
{
    nv_fields_read(fields, pod_status, pod);
}

static const struct nv_field pod_fields[] = {
    {"metadata",     NV_FIELD_PART, 0, read_metadata},
    {"spec",             NV_FIELD_PART, 0, read_spec},
    {"status",              NV_FIELD_PART, 0, read_status},
    {0},
};

static void read_pod(struct reader *reader)
{
    struct picture *picture = reader->picture;
    struct nv_json *json = &reader->fields.json;
    struct nv_pod pod = {.container_size = sizeof(struct nv_pod_container)};

    if (nv_json_kind(json) != NV_JSON_OBJECT || picture->pods.n == NV_PODS_MAX) {
        picture->pods.left_out++;
        nv_json_skip(json);
        return;
    }
    reader->first = picture->pods.n_containers;
    const char *first = json->at;
    nv_fields_read(&reader->fields, pod_fields, &pod);
    if (json->failed || !grow(reader, &picture->at, picture->pods.n, &reader->size, sizeof(pod)))
        return;
    pod.json = (struct nv_str){first, (size_t)(json->at - first)};
    pod.n_containers = picture->pods.n_containers - reader->first;
    picture->at[picture->pods.n++] = pod;
}

/* No pods at all are written as null. */
static void read_items(struct nv_fields *fields, void *whole)
{
    struct reader *reader = whole;
    enum nv_json_kind kind = nv_json_kind(&fields->json);

    reader->listed |= kind == NV_JSON_ARRAY || kind == NV_JSON_NULL;
    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json))
        read_pod(reader);
}

static const struct nv_field list[] = {
    {"kind",                  NV_FIELD_TEXT, offsetof(struct reader, api_kind)},
    {"items", NV_FIELD_PART, 0, read_items},
    {0                      },
};

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

static void put_id(struct picture *picture, struct nv_str id, size_t pod, size_t container)
{
    struct nv_pod_place place;

    if (id.n && !nv_pods_find_container(&picture->pods, id, &place))
        put(picture->slots[0], picture->pods.n_by_id, id, pod, container);
}

static void put_uid(struct picture *picture, struct nv_str uid, size_t pod)
{
    if (uid.n && !nv_pods_find_pod(&picture->pods, uid))
        put(picture->slots[1], picture->pods.n_by_uid, uid, pod, 0);
}

/* Ids that are before those that were, should one be both. */
static int make_lookups(struct picture *picture)
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

static void settle(struct picture *picture)
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

static int judge(struct reader *reader, char error[NV_PODS_ERROR_MAX])
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
    struct picture *picture = calloc(1, sizeof(*picture));

    error[0] = '\0';
    if (!picture)
        return -ENOMEM;
    trim(&text->p, text->n, 1);
    text->size = text->n;
    *picture = (struct picture){
        .magic = MAGIC,
        .count = 1,
        .arena = NV_ARENA(ARENA_MAX),
        .pods = {.version = version, .time_ms = time_ms, .text = nv_buf_view(text)},
    };
    struct reader reader = {
        .fields = {.json = nv_json(nv_buf_view(text)), .arena = &picture->arena},
        .picture = picture,
    };
    nv_fields_read(&reader.fields, list, &reader);
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
