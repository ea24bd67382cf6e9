/*
 * disk.c - space on the node's own file systems, on the row of the node.
 *
 * Those that lie on a block device and whose statfs(2) asks nobody, each device once, by the mount table of the first
 * process. The table is read every few minutes, the space each time. A container's own space is what the kubelet
 * knows (collector kubelet-summary): finding it out means walking through all of its files.
 */
#include <sys/statfs.h>

#include "container.h"

enum { READ_EVERY = 20 /* passes */ };

static const char *const calm_types[] = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat"};

enum { INODES_FREE, INODES, LIMIT, USAGE, N_COLUMNS };
static const struct nv_family columns[N_COLUMNS] = {
    [INODES_FREE] = {"container_fs_inodes_free",  NV_GAUGE, NV_AS_IS, "Inodes that are free."     },
    [INODES] = {"container_fs_inodes_total", NV_GAUGE, NV_AS_IS, "Inodes of the file system."},
    [LIMIT] = {"container_fs_limit_bytes",  NV_GAUGE, NV_AS_IS, "Size of the file system."  },
    [USAGE] = {"container_fs_usage_bytes",  NV_GAUGE, NV_AS_IS, "Space in use."             },
};

const struct nv_table nv_cg_disks = {
    NV_LABELS("container", "id", "image", "name", "namespace", "pod", "device"), columns,
    N_COLUMNS};

static bool is_calm(struct nv_str type)
{
    for (size_t i = 0; i < NV_LEN(calm_types); i++)
        if (nv_str_is(type, calm_types[i]))
            return true;
    return false;
}

static bool is_known(const struct nv_cg_state *state, const char *device)
{
    for (size_t i = 0; i < state->n_disks; i++)
        if (strcmp(state->disks[i].device, device) == 0)
            return true;
    return false;
}

static void read_mount(struct nv_cg_state *state, struct nv_scan *line)
{
    struct nv_cg_disk *disk = &state->disks[state->n_disks];

    nv_scan_skip(line, 4);
    struct nv_str point = nv_scan_word(line);
    while (!nv_scan_done(line) && !nv_str_is(nv_scan_word(line), "-"))
        ;
    struct nv_str type = nv_scan_word(line), device = nv_scan_word(line);
    if (!is_calm(type) || !nv_str_starts(device, "/dev/") || device.n >= sizeof(disk->device) ||
        point.n >= sizeof(disk->point) || nv_str_find(point, '\\') < point.n)
        return;
    snprintf(disk->device, sizeof(disk->device), "%.*s", NV_ARGS(device));
    snprintf(disk->point, sizeof(disk->point), "%.*s", NV_ARGS(point));
    state->n_disks += !is_known(state, disk->device);
}

static void read_mounts(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_scan file, line;
    struct nv_str text;

    state->n_disks = 0;
    if (nv_read(pass, "proc/1/mountinfo", &text) < 0 &&
        nv_read(pass, "proc/self/mountinfo", &text) < 0)
        return;
    file = nv_scan(text);
    while (state->n_disks < NV_CG_DISKS_MAX && nv_scan_line(&file, &line))
        read_mount(state, &line);
}

void nv_cg_disk_emit(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_str labels[NV_CG_LABELS + 1], root = nv_native_path(pass, "root");
    char path[NV_PATH_MAX];
    struct statfs answer;

    if (!(state->groups & NV_CG_DISK))
        return;
    if (state->pass % READ_EVERY == 1)
        read_mounts(pass, state);
    memcpy(labels, state->root->labels, sizeof(state->root->labels));
    for (size_t i = 0; i < state->n_disks; i++) {
        nv_path(path, "%.*s%s", NV_ARGS(root), state->disks[i].point);
        if (!path[0] || statfs(path, &answer) < 0)
            continue;
        uint64_t block = (uint64_t)answer.f_bsize;
        labels[NV_CG_LABELS] = nv_str(state->disks[i].device);
        nv_emit_row(pass, &nv_cg_disks, labels,
                    (uint64_t[N_COLUMNS]){[INODES_FREE] = answer.f_ffree,
                                          [INODES] = answer.f_files,
                                          [LIMIT] = answer.f_blocks * block,
                                          [USAGE] = (answer.f_blocks - answer.f_bfree) * block},
                    N_COLUMNS);
    }
}
