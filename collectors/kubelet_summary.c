/*
 * kubelet-summary - what the kubelet alone knows of disk use: writable layers and logs of containers, ephemeral storage of
 * pods, volumes, and its file systems.
 *
 * Source: the kubelet's /stats/summary (JSON): node.fs and node.runtime, and in pods[] rootfs and logs of containers[],
 * volume[] and ephemeral-storage, each an object of six numbers of which any may be missing. The kubelet measures them once
 * a minute or so, and asks the runtime for it: hence the cadence, and that this is off by default.
 *
 * The names are ours. container_fs_usage_bytes is cAdvisor's, by device, and has no series for pods' containers under
 * containerd or CRI-O; kubelet_volume_stats_*, on the kubelet's /metrics, has volumes with a claim only.
 */
#include <errno.h>

#include <nodevitals/json.h>
#include <nodevitals/pods.h>

enum { VOLUMES_EXCLUDE };

static const struct nv_flag flags[] = {
    {"collector.kubelet-summary.volumes-exclude", NV_FLAG_REGEX_WHOLE, "kube-api-access-.*",
     "Expression for the names of volumes to leave out.", false},
    {0                      },
};

/* The numbers of a file system, in the order of the columns. */
enum { USED, INODES_USED, CAPACITY, AVAILABLE, INODES, INODES_FREE, NUMBERS };

static const char *const numbers[] = {
    [USED] = "usedBytes",           [INODES_USED] = "inodesUsed", [CAPACITY] = "capacityBytes",
    [AVAILABLE] = "availableBytes", [INODES] = "inodes",          [INODES_FREE] = "inodesFree",
};

// clang-format off
static const struct nv_family layer_columns[] = {
    {"kubelet_summary_container_rootfs_used_bytes",  NV_GAUGE, NV_AS_IS, "Bytes in the container's writable layer."},
    {"kubelet_summary_container_rootfs_inodes_used", NV_GAUGE, NV_AS_IS, "Inodes in the container's writable layer."},
};
static const struct nv_family log_columns[] = {
    {"kubelet_summary_container_logs_used_bytes",  NV_GAUGE, NV_AS_IS, "Bytes of the container's logs, rotated ones included."},
    {"kubelet_summary_container_logs_inodes_used", NV_GAUGE, NV_AS_IS, "Inodes of the container's logs."},
};
static const struct nv_family ephemeral_columns[] = {
    {"kubelet_summary_pod_ephemeral_storage_used_bytes",  NV_GAUGE, NV_AS_IS, "Bytes of the node's disk the pod uses, for which it may be evicted."},
    {"kubelet_summary_pod_ephemeral_storage_inodes_used", NV_GAUGE, NV_AS_IS, "Inodes of the node's disk the pod uses."},
};
static const struct nv_family volume_columns[] = {
    {"kubelet_summary_volume_used_bytes",      NV_GAUGE, NV_AS_IS, "Bytes in the volume."},
    {"kubelet_summary_volume_inodes_used",     NV_GAUGE, NV_AS_IS, "Inodes in the volume."},
    {"kubelet_summary_volume_capacity_bytes",  NV_GAUGE, NV_AS_IS, "Size of the file system the volume is on."},
    {"kubelet_summary_volume_available_bytes", NV_GAUGE, NV_AS_IS, "Bytes left on that file system."},
    {"kubelet_summary_volume_inodes",          NV_GAUGE, NV_AS_IS, "Inodes of that file system."},
    {"kubelet_summary_volume_inodes_free",     NV_GAUGE, NV_AS_IS, "Inodes left on that file system."},
};
static const struct nv_family filesystem_columns[] = {
    {"kubelet_summary_filesystem_used_bytes",      NV_GAUGE, NV_AS_IS, "Bytes in use: all of nodefs; images, layers of containers on the others."},
    {"kubelet_summary_filesystem_inodes_used",     NV_GAUGE, NV_AS_IS, "Inodes in use."},
    {"kubelet_summary_filesystem_capacity_bytes",  NV_GAUGE, NV_AS_IS, "Size of the file system."},
    {"kubelet_summary_filesystem_available_bytes", NV_GAUGE, NV_AS_IS, "Bytes left, by which the kubelet decides to evict."},
    {"kubelet_summary_filesystem_inodes",          NV_GAUGE, NV_AS_IS, "Inodes of the file system."},
    {"kubelet_summary_filesystem_inodes_free",     NV_GAUGE, NV_AS_IS, "Inodes left."},
};
// clang-format on

#define OF_CONTAINER NV_LABELS("namespace", "pod", "container")
#define OF_VOLUME    NV_LABELS("namespace", "pod", "volume", "persistentvolumeclaim")
static const struct nv_table layers = {OF_CONTAINER, layer_columns, NV_LEN(layer_columns)};
static const struct nv_table logs = {OF_CONTAINER, log_columns, NV_LEN(log_columns)};
static const struct nv_table ephemeral = {NV_LABELS("namespace", "pod"), ephemeral_columns,
                                          NV_LEN(ephemeral_columns)};
static const struct nv_table volumes = {OF_VOLUME, volume_columns, NV_LEN(volume_columns)};
static const struct nv_table filesystems = {NV_LABELS("filesystem"), filesystem_columns,
                                            NV_LEN(filesystem_columns)};

struct disk {
    uint64_t at[NUMBERS], mask;
};

struct reader {
    struct nv_pass *pass;
    struct nv_json json;
    struct nv_str ns, pod; /* of the present one */
};

/* ---- values --------------------------------------------------------------------------------- */

/* Enters an object; skips anything else and returns false. */
static bool enter(struct nv_json *json)
{
    if (nv_json_kind(json) == NV_JSON_OBJECT) {
        nv_json_object(json);
        return true;
    }
    nv_json_skip(json);
    return false;
}

static bool enter_list(struct nv_json *json)
{
    if (nv_json_kind(json) == NV_JSON_ARRAY) {
        nv_json_array(json);
        return true;
    }
    nv_json_skip(json);
    return false;
}

static struct nv_str read_text(struct reader *reader)
{
    if (nv_json_kind(&reader->json) != NV_JSON_TEXT) {
        nv_json_skip(&reader->json);
        return (struct nv_str){"", 0};
    }
    struct nv_str raw = nv_json_text(&reader->json);
    if (nv_str_find(raw, '\\') == raw.n)
        return raw;
    return nv_json_unescape(raw, nv_alloc(reader->pass, raw.n), raw.n);
}

/* One member of a file system, if it is a number of it; else it is skipped. */
static void read_number(struct nv_json *json, struct nv_str key, struct disk *disk)
{
    size_t i = 0;

    while (i < NUMBERS && !nv_json_key_is(key, numbers[i]))
        i++;
    if (i == NUMBERS || nv_json_kind(json) != NV_JSON_NUMBER) {
        nv_json_skip(json);
        return;
    }
    if (nv_str_to_u64(nv_json_number(json), &disk->at[i]))
        disk->mask |= UINT64_C(1) << i;
}

static struct disk read_disk(struct nv_json *json)
{
    struct disk disk = {.mask = 0};
    struct nv_str key;

    if (!enter(json))
        return disk;
    while (nv_json_key(json, &key))
        read_number(json, key, &disk);
    return disk;
}

static void emit(const struct reader *reader, const struct nv_table *table,
                 const struct nv_str *labels, const struct disk *disk)
{
    if (!reader->json.failed && disk->mask)
        nv_emit_some(reader->pass, table, labels, disk->at, table->n_columns, disk->mask);
}

/* ---- pods ----------------------------------------------------------------------------------- */

static void read_container(struct reader *reader)
{
    struct nv_str key, name = {"", 0};
    struct disk layer = {.mask = 0}, log = {.mask = 0};

    if (!enter(&reader->json))
        return;
    while (nv_json_key(&reader->json, &key)) {
        if (nv_json_key_is(key, "name"))
            name = read_text(reader);
        else if (nv_json_key_is(key, "rootfs"))
            layer = read_disk(&reader->json);
        else if (nv_json_key_is(key, "logs"))
            log = read_disk(&reader->json);
        else
            nv_json_skip(&reader->json);
    }
    const struct nv_str labels[] = {reader->ns, reader->pod, name};
    emit(reader, &layers, labels, &layer);
    emit(reader, &logs, labels, &log);
}

static struct nv_str read_claim(struct reader *reader)
{
    struct nv_str key, name = {"", 0};

    if (!enter(&reader->json))
        return name;
    while (nv_json_key(&reader->json, &key)) {
        if (nv_json_key_is(key, "name"))
            name = read_text(reader);
        else
            nv_json_skip(&reader->json);
    }
    return name;
}

static void read_volume(struct reader *reader)
{
    struct nv_str key, name = {"", 0}, claim = {"", 0};
    struct disk disk = {.mask = 0};

    if (!enter(&reader->json))
        return;
    while (nv_json_key(&reader->json, &key)) {
        if (nv_json_key_is(key, "name"))
            name = read_text(reader);
        else if (nv_json_key_is(key, "pvcRef"))
            claim = read_claim(reader);
        else
            read_number(&reader->json, key, &disk);
    }
    const struct nv_str labels[] = {reader->ns, reader->pod, name, claim};
    if (!nv_matches(reader->pass, VOLUMES_EXCLUDE, name))
        emit(reader, &volumes, labels, &disk);
}

static void read_list(struct reader *reader, void (*read)(struct reader *))
{
    if (!enter_list(&reader->json))
        return;
    while (nv_json_item(&reader->json))
        read(reader);
}

/* Name and namespace, which everything else of the pod needs as labels, wherever they stand in it. */
static void read_reference(struct reader *reader)
{
    struct nv_json here = reader->json;
    struct nv_str key;

    reader->ns = reader->pod = (struct nv_str){"", 0};
    nv_json_object(&reader->json);
    while (nv_json_key(&reader->json, &key)) {
        if (!nv_json_key_is(key, "podRef")) {
            nv_json_skip(&reader->json);
            continue;
        }
        if (!enter(&reader->json))
            continue;
        while (nv_json_key(&reader->json, &key)) {
            if (nv_json_key_is(key, "name"))
                reader->pod = read_text(reader);
            else if (nv_json_key_is(key, "namespace"))
                reader->ns = read_text(reader);
            else
                nv_json_skip(&reader->json);
        }
        break;
    }
    reader->json = here;
}

static void read_pod(struct reader *reader)
{
    struct nv_str key;

    if (nv_json_kind(&reader->json) != NV_JSON_OBJECT) {
        nv_json_skip(&reader->json);
        return;
    }
    read_reference(reader);
    nv_json_object(&reader->json);
    while (nv_json_key(&reader->json, &key)) {
        if (nv_json_key_is(key, "containers")) {
            read_list(reader, read_container);
        } else if (nv_json_key_is(key, "volume")) {
            read_list(reader, read_volume);
        } else if (nv_json_key_is(key, "ephemeral-storage")) {
            const struct nv_str labels[] = {reader->ns, reader->pod};
            struct disk disk = read_disk(&reader->json);
            emit(reader, &ephemeral, labels, &disk);
        } else {
            nv_json_skip(&reader->json);
        }
    }
}

/* ---- the node ------------------------------------------------------------------------------- */

static void read_filesystem(struct reader *reader, struct nv_str name)
{
    struct disk disk = read_disk(&reader->json);

    emit(reader, &filesystems, &name, &disk);
}

static void read_runtime(struct reader *reader)
{
    struct nv_str key;

    if (!enter(&reader->json))
        return;
    while (nv_json_key(&reader->json, &key)) {
        if (nv_json_key_is(key, "imageFs"))
            read_filesystem(reader, NV_LIT("imagefs"));
        else if (nv_json_key_is(key, "containerFs"))
            read_filesystem(reader, NV_LIT("containerfs"));
        else
            nv_json_skip(&reader->json);
    }
}

static void read_node(struct reader *reader)
{
    struct nv_str key;

    if (!enter(&reader->json))
        return;
    while (nv_json_key(&reader->json, &key)) {
        if (nv_json_key_is(key, "fs"))
            read_filesystem(reader, NV_LIT("nodefs"));
        else if (nv_json_key_is(key, "runtime"))
            read_runtime(reader);
        else
            nv_json_skip(&reader->json);
    }
}

static int collect(struct nv_pass *pass)
{
    struct reader reader = {.pass = pass};
    struct nv_str text, key;

    int r = nv_kubelet_ask(pass, "/stats/summary", &text);
    if (r < 0)
        return r == -ENOSYS ? NV_NO_DATA : r;
    reader.json = nv_json(text);
    nv_json_object(&reader.json);
    while (nv_json_key(&reader.json, &key)) {
        if (nv_json_key_is(key, "node"))
            read_node(&reader);
        else if (nv_json_key_is(key, "pods"))
            read_list(&reader, read_pod);
        else
            nv_json_skip(&reader.json);
    }
    return nv_json_done(&reader.json)
               ? 0
               : nv_error(pass, -EBADMSG, "/stats/summary: no JSON, or cut short");
}

NV_COLLECTOR(kubelet_summary) = {
    NV_ABI_STAMP,
    .name = "kubelet-summary",
    .summary = "Disk use of containers, pods and volumes, from the kubelet's /stats/summary.",
    .job = "kubelet",
    .metrics_path = "/stats/summary",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&layers, &logs, &ephemeral, &volumes, &filesystems),
    .flags = flags,
    .cadence_ms = 60000,
    .collect = collect,
};
