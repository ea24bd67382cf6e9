/*
 * nvme - NVMe controllers and their namespaces.
 *
 * Source: sys/class/nvme/<device>/. A controller with native multipathing holds no namespaces of its own.
 *
 *   nuse       blocks in use, since Linux 6.8; without it that series alone is absent. The kernel asks the
 *              device for it, which may take as long as an admin command does: hence a worker
 *   size       is in sectors of 512 bytes whatever the format is, but is multiplied by the logical block
 *              size, as node_exporter does: on formats of 4 KiB that is 8 times too much
 *   ana_state  only where the subsystem has asymmetric access; else "unknown"
 */
#include <nodevitals/sysfs.h>

static const struct nv_family info_columns[] = {
    {"node_nvme_info", NV_GAUGE, NV_AS_IS, "What a controller says of itself, always 1."},
};
static const struct nv_family space_columns[] = {
    {"node_nvme_namespace_capacity_bytes",           NV_GAUGE, NV_AS_IS, "Capacity of the namespace."        },
    {"node_nvme_namespace_size_bytes",               NV_GAUGE, NV_AS_IS, "Size of the namespace."            },
    {"node_nvme_namespace_used_bytes",               NV_GAUGE, NV_AS_IS, "Bytes the namespace has allocated."},
    {"node_nvme_namespace_logical_block_size_bytes", NV_GAUGE, NV_AS_IS,
     "Size of a block as the host addresses it."                                                             },
};
static const struct nv_family access_columns[] = {
    {"node_nvme_namespace_info", NV_GAUGE, NV_AS_IS, "How the namespace can be reached, always 1."},
};

enum { CAPACITY, SIZE, USED, BLOCK, N_SPACES };

static const char *const info_files[] = {"cntlid", "firmware_rev", "model", "serial", "state"};

static const struct nv_table controllers = {
    NV_LABELS("device", "cntlid", "firmware_revision", "model", "serial", "state"), info_columns,
    1};
static const struct nv_table spaces = {NV_LABELS("device", "nsid"), space_columns, N_SPACES};
static const struct nv_table accesses = {NV_LABELS("device", "nsid", "ana_state"), access_columns,
                                         1};

static const uint64_t one = 1;

/* The number of a namespace, from "nvme0n1"; empty where the name is another thing's. */
static struct nv_str namespace_id(struct nv_str name)
{
    struct nv_str id = nv_str_from(name, strlen("nvme")), controller = nv_str_cut(&id, 'n');
    uint64_t number;

    return nv_str_starts(name, "nvme") && nv_str_to_u64(controller, &number) &&
                   nv_str_to_u64(id, &number)
               ? id
               : (struct nv_str){id.p, 0};
}

static int emit_namespace(struct nv_pass *pass, struct nv_str device, struct nv_str name,
                          struct nv_str id)
{
    struct nv_str labels[] = {device, id, NV_LIT("unknown")};
    uint64_t value[N_SPACES], sectors, used;
    char path[NV_PATH_MAX];

    nv_path(path, "sys/class/nvme/%.*s/%.*s", NV_ARGS(device), NV_ARGS(name));
    int r = nv_attribute_u64(pass, &value[BLOCK], "%s/queue/logical_block_size", path);
    if (r == 0)
        r = nv_attribute_u64(pass, &sectors, "%s/size", path);
    if (r < 0)
        return r;
    int used_r = nv_attribute_u64(pass, &used, "%s/nuse", path);
    (void)nv_attribute(pass, &labels[2], "%s/ana_state", path);

    value[SIZE] = value[CAPACITY] = sectors * value[BLOCK];
    value[USED] = used_r == 0 ? used * value[BLOCK] : 0;
    nv_emit_some(pass, &spaces, labels, value, N_SPACES,
                 used_r == 0 ? UINT64_MAX : ~(UINT64_C(1) << USED));
    nv_emit_row(pass, &accesses, labels, &one, 1);
    return used_r == -ENOENT ? 0 : used_r;
}

/* What a kernel or a device does not tell is an empty label. */
static int emit_controller(struct nv_pass *pass, struct nv_str device)
{
    struct nv_str labels[1 + NV_LEN(info_files)] = {device};
    struct nv_names names;

    for (size_t i = 0; i < NV_LEN(info_files); i++) {
        labels[1 + i] = NV_LIT("");
        int r = nv_attribute(pass, &labels[1 + i], "sys/class/nvme/%.*s/%s", NV_ARGS(device),
                             info_files[i]);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    int r = nv_entries(pass, &names, "sys/class/nvme/%.*s", NV_ARGS(device));
    if (r < 0)
        return r;
    nv_emit_row(pass, &controllers, labels, &one, 1);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct nv_str id = namespace_id(names.at[i]);
        if (id.n)
            r = emit_namespace(pass, device, names.at[i], id);
        if (r == -ENOENT)
            r = 0; /* it went away meanwhile */
    }
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, "sys/class/nvme", &names);

    if (r == -ENOENT)
        return NV_NO_DATA;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        r = emit_controller(pass, names.at[i]);
        if (r == -ENOENT)
            r = 0;
    }
    return r;
}

NV_COLLECTOR(nvme) = {
    NV_ABI_STAMP,
    .name = "nvme",
    .summary = "NVMe controllers and namespaces.",
    .options = NV_MAY_BLOCK,
    .tables = NV_TABLES(&controllers, &spaces, &accesses),
    .collect = collect,
};
