#include "kube/pods_inside.h"

/* A container's specification or status, before it meets its other half. */
struct half {
    struct nv_pod_container is;
    struct nv_str name, restart_policy, scheme_id, last_scheme_id;
};

static struct nv_pods_reader *reader_of(struct nv_fields *fields)
{
    return (struct nv_pods_reader *)fields;
}

/* ---- room ----------------------------------------------------------------------------------- */

/* Room for one more. `array` holds n of *size elements. */
static bool grow(struct nv_pods_reader *reader, void *array, size_t n, size_t *size, size_t element)
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
static struct nv_pod_container *find_container(struct nv_pods_reader *reader, struct nv_str name)
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
    struct nv_pods_reader *reader = reader_of(fields);

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

static void read_pod(struct nv_pods_reader *reader)
{
    struct nv_pods_picture *picture = reader->picture;
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
    struct nv_pods_reader *reader = whole;
    enum nv_json_kind kind = nv_json_kind(&fields->json);

    reader->listed |= kind == NV_JSON_ARRAY || kind == NV_JSON_NULL;
    if (!nv_fields_array(fields))
        return;
    while (nv_json_item(&fields->json))
        read_pod(reader);
}

static const struct nv_field list[] = {
    {"kind",                          NV_FIELD_TEXT, offsetof(struct nv_pods_reader, api_kind)},
    {"items", NV_FIELD_PART, 0, read_items},
    {0                              },
};

void nv_pods_read_list(struct nv_pods_reader *reader)
{
    nv_fields_read(&reader->fields, list, reader);
}
