/*
 * disk.c - space on the node's own file systems, and I/O of their devices, on the row of the node.
 *
 * Those that lie on a block device and whose statfs(2) asks nobody, each device once, by the mount table of the first
 * process. The table is read every few minutes, the space each time. A container's own space is what the kubelet
 * knows (collector kubelet-summary): finding it out means walking through all of its files.
 *
 * I/O is what /proc/diskstats has of the device, partitions too, in seconds where cAdvisor's are a thousand times
 * a thousand too small.
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

#define MSEC NV_OVER(1e3)

enum { NUMBERS = 11 /* of a line of /proc/diskstats, behind the name; newer kernels have more */ };
static const struct nv_family io_columns[] = {
    {"container_fs_reads_merged_total",             NV_COUNTER, NV_AS_IS, "Reads merged."                },
    {"container_fs_sector_reads_total",             NV_COUNTER, NV_AS_IS, "Sectors of 512 bytes read."   },
    {"container_fs_read_seconds_total",             NV_COUNTER, MSEC,     "Time in reads."               },
    {"container_fs_writes_merged_total",            NV_COUNTER, NV_AS_IS, "Writes merged."               },
    {"container_fs_sector_writes_total",            NV_COUNTER, NV_AS_IS, "Sectors of 512 bytes written."},
    {"container_fs_write_seconds_total",            NV_COUNTER, MSEC,     "Time in writes."              },
    {"container_fs_io_current",                     NV_GAUGE,   NV_AS_IS, "I/Os in flight."              },
    {"container_fs_io_time_seconds_total",          NV_COUNTER, MSEC,     "Time with I/O in flight."     },
    {"container_fs_io_time_weighted_seconds_total", NV_COUNTER, MSEC,     "I/O time by queue depth."     },
};
/* Where in the line each is. */
static const uint8_t io_places[NV_LEN(io_columns)] = {1, 2, 3, 5, 6, 7, 8, 9, 10};

const struct nv_table nv_cg_disk_ios = {
    NV_LABELS("container", "id", "image", "name", "namespace", "pod", "device"), io_columns,
    NV_LEN(io_columns)};

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

    nv_scan_skip(line, 2);
    struct nv_str minor = nv_scan_word(line), major = nv_str_cut(&minor, ':');
    nv_scan_skip(line, 1);
    struct nv_str point = nv_scan_word(line);
    while (!nv_scan_done(line) && !nv_str_is(nv_scan_word(line), "-"))
        ;
    struct nv_str type = nv_scan_word(line), device = nv_scan_word(line);
    if (!nv_str_to_u64(major, &disk->major) || !nv_str_to_u64(minor, &disk->minor) ||
        !is_calm(type) || !nv_str_starts(device, "/dev/") || device.n >= sizeof(disk->device) ||
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

static bool is_of(const struct nv_cg_disk *disk, uint64_t major, uint64_t minor, struct nv_str name)
{
    return (disk->major == major && disk->minor == minor) ||
           nv_str_is(name, disk->device + strlen("/dev/"));
}

static void emit_io(struct nv_pass *pass, const struct nv_cg_state *state, struct nv_str *labels)
{
    struct nv_scan file, line;
    struct nv_str text;

    if (!(state->groups & NV_CG_DISK_IO) || !state->n_disks ||
        nv_read(pass, "proc/diskstats", &text) < 0)
        return;
    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        uint64_t major = nv_scan_u64(&line), minor = nv_scan_u64(&line);
        uint64_t row[NUMBERS], values[NV_LEN(io_columns)];
        struct nv_str name = nv_scan_word(&line);
        size_t i = 0;
        while (i < state->n_disks && !is_of(&state->disks[i], major, minor, name))
            i++;
        if (i == state->n_disks || nv_scan_row(&line, row, NUMBERS) != NUMBERS)
            continue;
        for (size_t k = 0; k < NV_LEN(io_places); k++)
            values[k] = row[io_places[k]];
        labels[NV_CG_LABELS] = nv_str(state->disks[i].device);
        nv_emit_row(pass, &nv_cg_disk_ios, labels, values, NV_LEN(io_columns));
    }
}

void nv_cg_disk_emit(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_str labels[NV_CG_LABELS + 1], root = nv_native_path(pass, "root");
    char path[NV_PATH_MAX];
    struct statfs answer;

    if (!(state->groups & (NV_CG_DISK | NV_CG_DISK_IO)))
        return;
    if (state->pass % READ_EVERY == 1)
        read_mounts(pass, state);
    memcpy(labels, state->root->labels, sizeof(state->root->labels));
    emit_io(pass, state, labels);
    for (size_t i = 0; (state->groups & NV_CG_DISK) && i < state->n_disks; i++) {
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
