/*
 * dmmultipath - device mapper's multipath devices and their paths.
 *
 * Source: sys/block/dm-<N>/: a multipath device is one whose dm/uuid begins with "mpath-". Its paths are
 * the entries of slaves/, their states block/<path>/device/state: SCSI says "running", NVMe "live" for a
 * path that works. A path without that file has failed in no way we could know, but works in none either.
 */
#include <nodevitals/sysfs.h>

static const struct nv_family columns[] = {
    {"node_dmmultipath_device_active",       NV_GAUGE, NV_AS_IS,      "Whether the device is not suspended."},
    {"node_dmmultipath_device_size_bytes",   NV_GAUGE, NV_TIMES(512), "Size of the device."                 },
    {"node_dmmultipath_device_paths",        NV_GAUGE, NV_AS_IS,      "Paths of the device."                },
    {"node_dmmultipath_device_paths_active", NV_GAUGE, NV_AS_IS,      "Paths that work."                    },
    {"node_dmmultipath_device_paths_failed", NV_GAUGE, NV_AS_IS,      "Paths that do not work."             },
};
enum { ACTIVE, SIZE, PATHS, PATHS_ACTIVE, PATHS_FAILED, N_COLUMNS };

static const struct nv_family info_columns[] = {
    {"node_dmmultipath_device_info", NV_GAUGE, NV_AS_IS, "A multipath device, always 1."},
};
static const struct nv_family path_columns[] = {
    {"node_dmmultipath_path_state", NV_GAUGE, NV_AS_IS, "State of a path, always 1."},
};

static const struct nv_table devices = {NV_LABELS("device", "sysfs_name"), columns, N_COLUMNS};
static const struct nv_table infos = {NV_LABELS("device", "sysfs_name", "uuid"), info_columns, 1};
static const struct nv_table paths = {NV_LABELS("device", "path", "state"), path_columns, 1};

static const uint64_t one = 1;

/* Emits the states of the paths and counts them. */
static int emit_paths(struct nv_pass *pass, struct nv_str sysfs_name, struct nv_str device,
                      uint64_t *value)
{
    struct nv_names names;
    int r = nv_entries(pass, &names, "sys/block/%.*s/slaves", NV_ARGS(sysfs_name));
    if (r < 0)
        return r;

    value[PATHS] = names.n;
    value[PATHS_ACTIVE] = 0;
    for (size_t i = 0; i < names.n; i++) {
        struct nv_str labels[] = {device, names.at[i], NV_LIT("unknown")};
        r = nv_attribute(pass, &labels[2], "sys/block/%.*s/device/state", NV_ARGS(names.at[i]));
        if (r < 0 && r != -ENOENT)
            return r;
        value[PATHS_ACTIVE] += nv_str_is(labels[2], "running") || nv_str_is(labels[2], "live");
        nv_emit_row(pass, &paths, labels, &one, 1);
    }
    value[PATHS_FAILED] = value[PATHS] - value[PATHS_ACTIVE];
    return 0;
}

static int emit_device(struct nv_pass *pass, struct nv_str sysfs_name, struct nv_str uuid)
{
    struct nv_str labels[] =
        {
            {NULL, 0},
            sysfs_name, uuid
    },
                  suspended;
    uint64_t value[N_COLUMNS];

    int r = nv_attribute(pass, &labels[0], "sys/block/%.*s/dm/name", NV_ARGS(sysfs_name));
    if (r == 0)
        r = nv_attribute(pass, &suspended, "sys/block/%.*s/dm/suspended", NV_ARGS(sysfs_name));
    if (r == 0)
        r = nv_attribute_u64(pass, &value[SIZE], "sys/block/%.*s/size", NV_ARGS(sysfs_name));
    if (r < 0)
        return r;
    value[ACTIVE] = !nv_str_is(suspended, "1");
    r = emit_paths(pass, sysfs_name, labels[0], value);
    if (r < 0)
        return r;
    nv_emit_row(pass, &infos, labels, &one, 1);
    nv_emit_row(pass, &devices, labels, value, N_COLUMNS);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, "sys/block", &names);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct nv_str uuid;

        if (!nv_is_numbered(names.at[i], "dm-"))
            continue;
        r = nv_attribute(pass, &uuid, "sys/block/%.*s/dm/uuid", NV_ARGS(names.at[i]));
        if (r == -ENOENT)
            r = 0; /* gone meanwhile */
        else if (r == 0 && nv_str_starts(uuid, "mpath-"))
            r = emit_device(pass, names.at[i], uuid);
    }
    return r == -ENOENT || r == -EACCES || r == -EPERM ? NV_NO_DATA : r;
}

NV_COLLECTOR(dmmultipath) = {
    NV_ABI_STAMP,
    .name = "dmmultipath",
    .summary = "Multipath devices of the device mapper.",
    .tables = NV_TABLES(&devices, &infos, &paths),
    .cadence_ms = 15000,
    .collect = collect,
};
