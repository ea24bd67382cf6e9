/*
 * btrfs - allocation, devices and commits of btrfs file systems.
 *
 * Sources:
 *   sys/fs/btrfs/<uuid>/   label, metadata_uuid (the directory's name before Linux 5.0), allocation/,
 *                          commit_stats (since Linux 6.0, else all 0), devices/<name>/size
 *   ioctl(2)               on any mount point of the file system: sizes and errors of its devices. It takes
 *                          privileges to open and to ask; without, the sizes come from sysfs. Then the
 *                          device series lack the label btrfs_dev_uuid, as they do in node_exporter
 *
 * Mount points are found in /proc/1/mountinfo (or self), and a file system by the uuid it answers with,
 * its own fsid: one with a changed metadata_uuid is found by neither node_exporter nor us. Opening a
 * directory may block: hence a worker.
 */
#include <nodevitals/sysfs.h>

#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ROOT "sys/fs/btrfs"

static const struct nv_family info_columns[] = {
    {"node_btrfs_info", NV_GAUGE, NV_AS_IS, "A file system, always 1."},
};
static const struct nv_family reserve_columns[] = {
    {"node_btrfs_global_rsv_size_bytes", NV_GAUGE, NV_AS_IS, "Size of the global reserve."},
};
static const struct nv_family reserved_columns[] = {
    {"node_btrfs_reserved_bytes", NV_GAUGE, NV_AS_IS, "Space reserved, by type of block group."},
};
static const struct nv_family layout_columns[] = {
    {"node_btrfs_used_bytes", NV_GAUGE, NV_AS_IS, "Space used, by type and layout of block group."},
    {"node_btrfs_size_bytes", NV_GAUGE, NV_AS_IS,
     "Space there is, by type and layout of block group."                                         },
};
static const struct nv_family ratio_columns[] = {
    {"node_btrfs_allocation_ratio", NV_GAUGE, NV_AS_IS,
     "Bytes of the devices that a byte takes, by type and layout of block group."},
};
static const struct nv_family commit_columns[] = {
    {"node_btrfs_commits_total",        NV_COUNTER, NV_AS_IS,      "Commits made."                  },
    {"node_btrfs_last_commit_seconds",  NV_GAUGE,   NV_OVER(1000), "Duration of the last commit."   },
    {"node_btrfs_max_commit_seconds",   NV_GAUGE,   NV_OVER(1000), "Duration of the longest commit."},
    {"node_btrfs_commit_seconds_total", NV_COUNTER, NV_OVER(1000), "Time spent in commits."         },
};
static const char *const commit_keys[NV_LEN(commit_columns)] = {
    "commits",
    "last_commit_ms",
    "max_commit_ms",
    "total_commit_ms",
};

#define SIZE_HELP "Size of a device of the file system."
static const struct nv_family sysfs_columns[] = {
    {"node_btrfs_device_size_bytes", NV_GAUGE, NV_TIMES(512), SIZE_HELP},
};
static const struct nv_family device_columns[] = {
    {"node_btrfs_device_size_bytes",   NV_GAUGE, NV_AS_IS, SIZE_HELP                             },
    {"node_btrfs_device_unused_bytes", NV_GAUGE, NV_AS_IS, "Space of a device in no block group."},
};
static const struct nv_family error_columns[] = {
    {"node_btrfs_device_errors_total", NV_COUNTER, NV_AS_IS, "Errors of a device, by type."},
};

static const struct nv_table infos = {NV_LABELS("uuid", "label"), info_columns, 1};
static const struct nv_table reserves = {NV_LABELS("uuid"), reserve_columns, 1};
static const struct nv_table reserveds = {NV_LABELS("uuid", "block_group_type"), reserved_columns,
                                          1};
static const struct nv_table layouts = {NV_LABELS("uuid", "block_group_type", "mode"),
                                        layout_columns, NV_LEN(layout_columns)};
static const struct nv_table ratios = {NV_LABELS("uuid", "block_group_type", "mode"), ratio_columns,
                                       1};
static const struct nv_table commits = {NV_LABELS("uuid"), commit_columns, NV_LEN(commit_columns)};
static const struct nv_table sysfs_devices = {NV_LABELS("uuid", "device"), sysfs_columns, 1};
static const struct nv_table devices = {NV_LABELS("uuid", "device", "btrfs_dev_uuid"),
                                        device_columns, NV_LEN(device_columns)};
static const struct nv_table errors = {NV_LABELS("uuid", "device", "btrfs_dev_uuid", "type"),
                                       error_columns, 1};

static const char *const group_types[] = {"data", "metadata", "system"};

static const struct {
    const char *type;
    enum btrfs_dev_stat_values index;
} error_types[] = {
    {"write",      BTRFS_DEV_STAT_WRITE_ERRS     },
    {"read",       BTRFS_DEV_STAT_READ_ERRS      },
    {"flush",      BTRFS_DEV_STAT_FLUSH_ERRS     },
    {"corruption", BTRFS_DEV_STAT_CORRUPTION_ERRS},
    {"generation", BTRFS_DEV_STAT_GENERATION_ERRS},
};

enum { UUID_TEXT = 37, DEVICE_IDS_MAX = 1 << 16 };

/* A file system that could be opened. */
struct opened {
    struct opened *next;
    int fd;
    char uuid[UUID_TEXT];
    struct nv_str device; /* as in mountinfo */
    struct btrfs_ioctl_fs_info_args info;
};

/* ---- mounts ------------------------------------------------------------------------------------- */

static void print_uuid(const unsigned char *bytes, char text[UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[n++] = '-';
        text[n++] = digits[bytes[i] >> 4];
        text[n++] = digits[bytes[i] & 15];
    }
    text[n] = '\0';
}

static struct nv_str cut_last(struct nv_str *line)
{
    const char *blank = line->n ? memrchr(line->p, ' ', line->n) : NULL;
    struct nv_str last = nv_str_from(*line, blank ? (size_t)(blank + 1 - line->p) : 0);

    line->n = blank ? (size_t)(blank - line->p) : 0;
    return last;
}

/* The system's path of a mount point, which mountinfo gives with blanks as \040 and tabs as \011. */
static char *mount_path(struct nv_pass *pass, struct nv_str point)
{
    struct nv_str root = nv_native_path(pass, "root");
    bool is_root = nv_str_is(root, "/");
    char *path = nv_alloc(pass, root.n + point.n + 2);
    size_t n = is_root ? 0 : root.n;

    if (!is_root && point.n >= root.n && memcmp(point.p, root.p, root.n) == 0)
        point = nv_str_from(point, root.n);
    memcpy(path, root.p, n);
    path[n++] = '/';
    for (size_t i = 0; i < point.n; i++) {
        struct nv_str rest = nv_str_from(point, i);
        bool blank = nv_str_starts(rest, "\\040"), tab = nv_str_starts(rest, "\\011");
        path[n++] = blank ? ' ' : tab ? '\t' : point.p[i];
        i += blank || tab ? 3 : 0;
    }
    path[n] = '\0';
    return path;
}

/* Opens a mount point and asks which file system it is. NULL where either fails or it is known. */
static struct opened *open_mount(struct nv_pass *pass, struct nv_str point, struct nv_str device,
                                 const struct opened *known)
{
    struct opened *opened = nv_alloc(pass, sizeof(*opened));
    const char *path = mount_path(pass, point);

    *opened = (struct opened){.device = device};
    opened->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
    if (opened->fd < 0 && errno == EPERM)
        opened->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened->fd < 0) {
        nv_say(pass, NV_DEBUG, "cannot open %s: %s", path, strerrordesc_np(errno));
        return NULL;
    }
    bool good = ioctl(opened->fd, BTRFS_IOC_FS_INFO, &opened->info) == 0;
    print_uuid(opened->info.fsid, opened->uuid);
    for (; known && good; known = known->next)
        good = strcmp(known->uuid, opened->uuid) != 0;
    if (!good) {
        close(opened->fd);
        return NULL;
    }
    return opened;
}

/* Opens each btrfs that is mounted, once. */
static struct opened *open_mounts(struct nv_pass *pass)
{
    struct opened *all = NULL;
    struct nv_scan file, line;
    struct nv_str text;
    int r = nv_read(pass, "proc/1/mountinfo", &text);

    if (r == -ENOENT)
        r = nv_read(pass, "proc/self/mountinfo", &text);
    if (r < 0)
        return NULL;
    for (file = nv_scan(text); nv_scan_line(&file, &line);) {
        struct nv_str rest = nv_scan_rest(&line);
        const struct opened *known = all;

        (void)cut_last(&rest);
        struct nv_str device = cut_last(&rest);
        if (!nv_str_is(cut_last(&rest), "btrfs"))
            continue;
        while (known && !nv_str_eq(known->device, device))
            known = known->next;
        nv_scan_skip(&line, 4);
        struct nv_str point = nv_scan_word(&line);
        struct opened *opened = known || line.failed ? NULL : open_mount(pass, point, device, all);
        if (opened) {
            opened->next = all;
            all = opened;
        }
    }
    return all;
}

/* ---- devices ------------------------------------------------------------------------------------ */

/* Asks for the sizes and errors of a device. 0; -ENODEV where there is none with that number. */
static int emit_device(struct nv_pass *pass, struct nv_str uuid, const struct opened *opened,
                       uint64_t id)
{
    struct btrfs_ioctl_dev_info_args info = {.devid = id};
    struct btrfs_ioctl_get_dev_stats stats = {.devid = id, .nr_items = BTRFS_DEV_STAT_VALUES_MAX};
    char device_uuid[UUID_TEXT];

    if (ioctl(opened->fd, BTRFS_IOC_DEV_INFO, &info) < 0 ||
        ioctl(opened->fd, BTRFS_IOC_GET_DEV_STATS, &stats) < 0)
        return -errno;

    print_uuid(info.uuid, device_uuid);
    struct nv_str path = {(const char *)info.path,
                          strnlen((const char *)info.path, sizeof(info.path))};
    if (nv_str_starts(path, "/dev/"))
        path = nv_str_from(path, strlen("/dev/"));
    struct nv_str labels[] = {
        uuid, path, nv_str(device_uuid), {NULL, 0}
    };
    uint64_t values[] = {info.total_bytes, info.total_bytes - info.bytes_used};
    nv_emit_row(pass, &devices, labels, values, NV_LEN(values));
    for (size_t i = 0; i < NV_LEN(error_types); i++) {
        labels[3] = nv_str(error_types[i].type);
        nv_emit_u64(pass, &errors, labels, 0, stats.values[error_types[i].index]);
    }
    return 0;
}

/* Emits all devices by ioctl. False where not even the first could be asked. */
static bool emit_devices(struct nv_pass *pass, struct nv_str uuid, const struct opened *opened)
{
    uint64_t found = 0, last = opened->info.max_id;

    for (uint64_t id = 0; id <= last && id < DEVICE_IDS_MAX && found < opened->info.num_devices;
         id++) {
        int r = emit_device(pass, uuid, opened, id);
        if (r < 0 && r != -ENODEV) {
            nv_say(pass, NV_DEBUG, "cannot ask device %llu of %.*s: %s", (unsigned long long)id,
                   NV_ARGS(uuid), strerrordesc_np(-r));
            break;
        }
        found += r == 0;
    }
    return found > 0;
}

static int emit_sysfs_devices(struct nv_pass *pass, struct nv_str uuid, const char *path,
                              const struct nv_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        struct nv_str labels[] = {uuid, names->at[i]};
        uint64_t sectors;
        int r =
            nv_attribute_u64(pass, &sectors, "%s/devices/%.*s/size", path, NV_ARGS(names->at[i]));

        if (r == -ENOENT) /* a device that is missing */
            continue;
        if (r < 0)
            return r;
        nv_emit_row(pass, &sysfs_devices, labels, &sectors, 1);
    }
    return 0;
}

/* ---- file systems ------------------------------------------------------------------------------- */

static double ratio_of(struct nv_str layout, size_t n_devices)
{
    static const struct {
        const char *layout;
        double ratio;
    } fixed[] = {
        {"single",  1},
        {"raid0",   1},
        {"dup",     2},
        {"raid1",   2},
        {"raid10",  2},
        {"raid1c3", 3},
        {"raid1c4", 4},
    };
    double n = (double)n_devices;

    for (size_t i = 0; i < NV_LEN(fixed); i++) {
        if (nv_str_is(layout, fixed[i].layout))
            return fixed[i].ratio;
    }
    return nv_str_is(layout, "raid5") ? n / (n - 1) : nv_str_is(layout, "raid6") ? n / (n - 2) : 0;
}

static int emit_layouts(struct nv_pass *pass, struct nv_str uuid, const char *type,
                        const char *path, size_t n_devices)
{
    struct nv_names names;
    int r = nv_list(pass, path, &names);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct nv_str labels[] = {uuid, nv_str(type), names.at[i]};
        uint64_t values[NV_LEN(layout_columns)];

        r = nv_attribute_u64(pass, &values[0], "%s/%.*s/used_bytes", path, NV_ARGS(names.at[i]));
        if (r == -ENOTDIR || r == -ENOENT) { /* a file of the type itself */
            r = 0;
            continue;
        }
        if (r == 0)
            r = nv_attribute_u64(pass, &values[1], "%s/%.*s/total_bytes", path,
                                 NV_ARGS(names.at[i]));
        if (r < 0)
            return r;
        nv_emit_row(pass, &layouts, labels, values, NV_LEN(values));
        nv_emit_real(pass, &ratios, labels, 0, ratio_of(names.at[i], n_devices));
    }
    return r;
}

static int emit_allocation(struct nv_pass *pass, struct nv_str uuid, const char *path,
                           size_t n_devices)
{
    uint64_t value;
    int r = nv_attribute_u64(pass, &value, "%s/allocation/global_rsv_size", path);

    if (r < 0)
        return r;
    nv_emit_row(pass, &reserves, &uuid, &value, 1);
    for (size_t i = 0; i < NV_LEN(group_types); i++) {
        struct nv_str labels[] = {uuid, nv_str(group_types[i])};
        char below[NV_PATH_MAX];

        nv_path(below, "%s/allocation/%s", path, group_types[i]);
        r = nv_attribute_u64(pass, &value, "%s/bytes_reserved", below);
        if (r == -ENOENT) /* mixed block groups have a type of their own */
            continue;
        if (r < 0)
            return r;
        nv_emit_row(pass, &reserveds, labels, &value, 1);
        r = emit_layouts(pass, uuid, group_types[i], below, n_devices);
        if (r < 0)
            return r;
    }
    return 0;
}

static int emit_commits(struct nv_pass *pass, struct nv_str uuid, const char *path)
{
    uint64_t value[NV_LEN(commit_columns)] = {0};
    char file_name[NV_PATH_MAX];
    struct nv_str text = {NULL, 0};
    struct nv_scan file, line;

    nv_path(file_name, "%s/commit_stats", path);
    int r = nv_read(pass, file_name, &text);
    if (r < 0 && r != -ENOENT)
        return r;
    for (file = nv_scan(text); nv_scan_line(&file, &line);) {
        struct nv_str key = nv_scan_word(&line);
        for (size_t i = 0; i < NV_LEN(commit_keys); i++) {
            if (nv_str_is(key, commit_keys[i]))
                value[i] = nv_scan_u64(&line);
        }
        if (line.failed)
            return nv_error(pass, -EBADMSG, "%s has an unknown form", file_name);
    }
    nv_emit_row(pass, &commits, &uuid, value, NV_LEN(value));
    return 0;
}

static int emit_file_system(struct nv_pass *pass, struct nv_str directory,
                            const struct opened *opened)
{
    char path[NV_PATH_MAX];
    struct nv_str labels[] = {directory, NV_LIT("")};
    struct nv_names names = {NULL, 0};

    nv_path(path, ROOT "/%.*s", NV_ARGS(directory));
    int r = nv_attribute(pass, &labels[1], "%s/label", path);
    if (r < 0)
        return r;
    r = nv_attribute(pass, &labels[0], "%s/metadata_uuid", path);
    if (r < 0 && r != -ENOENT)
        return r;
    const struct nv_str uuid = labels[0];
    nv_emit_u64(pass, &infos, labels, 0, 1);

    r = nv_entries(pass, &names, "%s/devices", path);
    if (r == 0)
        r = emit_allocation(pass, uuid, path, names.n);
    if (r == 0)
        r = emit_commits(pass, uuid, path);
    if (r < 0)
        return r;
    while (opened && !nv_str_is(uuid, opened->uuid))
        opened = opened->next;
    return opened && emit_devices(pass, uuid, opened)
               ? 0
               : emit_sysfs_devices(pass, uuid, path, &names);
}

static int collect(struct nv_pass *pass)
{
    struct opened *all = NULL;
    struct nv_names names;
    bool asked = false;
    int r = nv_list(pass, ROOT, &names);

    if (r == -ENOENT)
        return 0;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_str_find(names.at[i], '-') == names.at[i].n) /* "features" stands here as well */
            continue;
        if (!asked)
            all = open_mounts(pass);
        asked = true;
        r = emit_file_system(pass, names.at[i], all);
        if (r == -ENOENT)
            r = 0; /* unmounted meanwhile */
    }
    for (; all; all = all->next)
        close(all->fd);
    return r;
}

NV_COLLECTOR(btrfs) = {
    NV_ABI_STAMP,
    .name = "btrfs",
    .summary = "File systems of btrfs.",
    .options = NV_MAY_BLOCK,
    .tables = NV_TABLES(&infos, &reserves, &reserveds, &layouts, &ratios, &commits, &sysfs_devices,
                        &devices, &errors),
    .collect = collect,
};
