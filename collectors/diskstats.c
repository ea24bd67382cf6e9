/*
 * diskstats - block device I/O since boot, and what udev knows of the devices.
 *
 * Sources:
 *   /proc/diskstats       major, minor, name, then the columns below in file order. Linux 4.18 appended
 *                         the discards, 5.5 the flushes; on an older kernel they are absent, which is not
 *                         zero. A line without even the first eleven (Linux 2.6, partitions) is left out
 *   udev/b<major>:<minor> lines E:KEY=VALUE; replaced as a whole with every event about the device
 *   sys/block/<device>/queue/rotational  "0" where it is missing, as for partitions
 *
 * Device names, filters and what udev says are kept from pass to pass. A device is known by name and
 * numbers; its udev file is read again when its time of change is another or still too young to tell two
 * changes apart, and with it, or after half a minute, rotational, which an administrator may change.
 */
#include <nodevitals/filter.h>
#include <nodevitals/sysfs.h>

#include <time.h>

#define MS     NV_TIMES(0.001) /* the file counts milliseconds, */
#define SECTOR NV_TIMES(512)   /* and sectors of 512 bytes whatever the device's own size */

static const struct nv_family columns[] = {
    {"node_disk_reads_completed_total",             NV_COUNTER, NV_AS_IS, "Reads completed."                      },
    {"node_disk_reads_merged_total",                NV_COUNTER, NV_AS_IS, "Reads merged with others."             },
    {"node_disk_read_bytes_total",                  NV_COUNTER, SECTOR,   "Bytes read."                           },
    {"node_disk_read_time_seconds_total",           NV_COUNTER, MS,       "Time spent in reads, summed over them."},
    {"node_disk_writes_completed_total",            NV_COUNTER, NV_AS_IS, "Writes completed."                     },
    {"node_disk_writes_merged_total",               NV_COUNTER, NV_AS_IS, "Writes merged with others."            },
    {"node_disk_written_bytes_total",               NV_COUNTER, SECTOR,   "Bytes written."                        },
    {"node_disk_write_time_seconds_total",          NV_COUNTER, MS,
     "Time spent in writes, summed over them."                                                                    },
    {"node_disk_io_now",                            NV_GAUGE,   NV_AS_IS, "Requests in flight."                   },
    {"node_disk_io_time_seconds_total",             NV_COUNTER, MS,       "Time with requests in flight."         },
    {"node_disk_io_time_weighted_seconds_total",    NV_COUNTER, MS,
     "Time with requests in flight, times their number."                                                          },
    {"node_disk_discards_completed_total",          NV_COUNTER, NV_AS_IS, "Discards completed."                   },
    {"node_disk_discards_merged_total",             NV_COUNTER, NV_AS_IS, "Discards merged with others."          },
    {"node_disk_discarded_sectors_total",           NV_COUNTER, NV_AS_IS, "Sectors discarded."                    },
    {"node_disk_discard_time_seconds_total",        NV_COUNTER, MS,
     "Time spent in discards, summed over them."                                                                  },
    {"node_disk_flush_requests_total",              NV_COUNTER, NV_AS_IS, "Flushes completed."                    },
    {"node_disk_flush_requests_time_seconds_total", NV_COUNTER, MS,
     "Time spent in flushes, summed over them."                                                                   },
};
enum { COLUMNS_MIN = 11 };

static const struct nv_family info_columns[] = {
    {"node_disk_info", NV_GAUGE, NV_AS_IS, "What is known of a device, always 1."},
};
static const struct nv_family mapper_columns[] = {
    {"node_disk_device_mapper_info", NV_GAUGE, NV_AS_IS,
     "What is known of a device of the device mapper, always 1."},
};
static const struct nv_family content_columns[] = {
    {"node_disk_filesystem_info", NV_GAUGE, NV_AS_IS, "What a device holds, always 1."},
};
static const struct nv_family ata_columns[] = {
    {"node_disk_ata_write_cache",         NV_GAUGE, NV_AS_IS, "Whether an ATA disk has a write cache."},
    {"node_disk_ata_write_cache_enabled", NV_GAUGE, NV_AS_IS,
     "Whether the write cache of an ATA disk is in use."                                              },
    {"node_disk_ata_rotation_rate_rpm",   NV_GAUGE, NV_AS_IS,
     "Rotations per minute of an ATA disk, 0 for one that does not turn."                             },
};

static const struct nv_table disks = {NV_LABELS("device"), columns, NV_LEN(columns)};
static const struct nv_table infos = {NV_LABELS("device", "major", "minor", "path", "wwn", "model",
                                                "revision", "serial", "rotational"),
                                      info_columns, 1};
static const struct nv_table mappers = {
    NV_LABELS("device", "name", "uuid", "vg_name", "lv_name", "lv_layer"), mapper_columns, 1};
static const struct nv_table contents = {NV_LABELS("device", "type", "usage", "uuid", "version"),
                                         content_columns, 1};
static const struct nv_table atas = {NV_LABELS("device"), ata_columns, NV_LEN(ata_columns)};

/* Properties of udev, in the order of the labels above where they are such. */
// clang-format off
enum property {
    PATH, WWN, MODEL, REVISION, SCSI_SERIAL, SHORT_SERIAL, SERIAL,
    DM_NAME, DM_UUID, DM_VG_NAME, DM_LV_NAME, DM_LV_LAYER,
    FS_TYPE, FS_USAGE, FS_UUID, FS_VERSION,
    ATA, WRITE_CACHE, WRITE_CACHE_ENABLED, ROTATION_RATE, N_PROPERTIES,
};
static const char *const property_names[N_PROPERTIES] = {
    "ID_PATH", "ID_WWN", "ID_MODEL", "ID_REVISION", "SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL",
    "DM_NAME", "DM_UUID", "DM_VG_NAME", "DM_LV_NAME", "DM_LV_LAYER",
    "ID_FS_TYPE", "ID_FS_USAGE", "ID_FS_UUID", "ID_FS_VERSION",
    "ID_ATA", "ID_ATA_WRITE_CACHE", "ID_ATA_WRITE_CACHE_ENABLED", "ID_ATA_ROTATION_RATE_RPM",
};
// clang-format on

enum { INCLUDE, EXCLUDE, IGNORED_DEVICES };
static const struct nv_filter filter = {INCLUDE, EXCLUDE, IGNORED_DEVICES};
static const struct nv_flag flags[] = {
    {"collector.diskstats.device-include", NV_FLAG_REGEX, "", "Devices to expose, by expression.",
     false},
    {"collector.diskstats.device-exclude",                                  NV_FLAG_REGEX,
     "^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$", "Devices to leave out, by expression.", false},
    {"collector.diskstats.ignored-devices",                                NV_FLAG_REGEX, "", "The old name of device-exclude.",
     true},
    {0},
};

enum {
    NUMBER_MAX = 12,           /* a major or minor as text */
    UDEV_TEXT_MAX = 256 << 10, /* a longer file is taken for none */
    YOUNG_NS = 2000000000,     /* file times may be as coarse as that */
    ROTATIONAL_S = 30,
};

struct device {
    char *name; /* with its NUL, in the same allocation */
    size_t name_n;
    char major[NUMBER_MAX], minor[NUMBER_MAX];
    bool wanted, known;
    bool rotational;
    int64_t udev_mtime_ns; /* 0 for no file */
    int64_t read_ns;       /* when rotational was read */
    char *udev;            /* text that the properties point into */
    struct nv_str property[N_PROPERTIES];
};

struct state {
    struct device **devices; /* in the order of the file */
    size_t n_devices, devices_max;
};

static void device_free(struct device *device)
{
    free(device->udev);
    free(device->name);
    free(device);
}

static void stop(void *state_)
{
    struct state *state = state_;

    for (size_t i = 0; i < state->n_devices; i++)
        device_free(state->devices[i]);
    free(state->devices);
}

static int start(struct nv_pass *pass)
{
    if (nv_stat(pass, "udev", NULL, NULL) < 0)
        nv_say(pass, NV_WARN, "no udev data, devices will be without their properties");
    return nv_filter_start(pass, &filter, flags);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Copies a udev file into the device and finds the properties in it. */
static void parse_udev(struct device *device, struct nv_str text)
{
    struct nv_scan file, line;

    free(device->udev);
    memset(device->property, 0, sizeof(device->property));
    device->udev = text.n && text.n <= UDEV_TEXT_MAX ? malloc(text.n) : NULL;
    if (!device->udev)
        return;
    memcpy(device->udev, text.p, text.n);

    file = nv_scan((struct nv_str){device->udev, text.n});
    while (nv_scan_line(&file, &line)) {
        if (!nv_scan_accept(&line, "E:"))
            continue;
        struct nv_str key = nv_scan_until(&line, '=');
        for (size_t i = 0; i < N_PROPERTIES && !line.failed; i++) {
            if (nv_str_is(key, property_names[i]))
                device->property[i] = nv_scan_rest(&line);
        }
    }
}

/* Brings up to date what is kept of a device. */
static void refresh(struct nv_pass *pass, struct device *device)
{
    char path[NV_PATH_MAX];
    int64_t mtime_ns = 0, now = now_ns(CLOCK_MONOTONIC);
    struct nv_str text = {NULL, 0};

    nv_path(path, "udev/b%s:%s", device->major, device->minor);
    if (nv_stat(pass, path, NULL, &mtime_ns) < 0)
        mtime_ns = 0;
    bool changed = !device->known || mtime_ns != device->udev_mtime_ns;
    if (changed) {
        if (mtime_ns && nv_read(pass, path, &text) < 0)
            mtime_ns = 0;
        parse_udev(device, text);
        bool young = mtime_ns && now_ns(CLOCK_REALTIME) - mtime_ns < YOUNG_NS;
        device->udev_mtime_ns = young ? -1 : mtime_ns;
    }
    if (changed || now - device->read_ns >= ROTATIONAL_S * INT64_C(1000000000)) {
        uint64_t value = 0;
        int r = nv_attribute_u64(pass, &value, "sys/block/%s/queue/rotational", device->name);
        device->rotational = r == 0 && value == 1;
        device->read_ns = now;
    }
    device->known = true;
}

static bool is_device(const struct device *device, struct nv_str name, const char *major,
                      const char *minor)
{
    return device->name_n == name.n && memcmp(device->name, name.p, name.n) == 0 &&
           strcmp(device->major, major) == 0 && strcmp(device->minor, minor) == 0;
}

static struct device *device_new(struct nv_pass *pass, struct nv_str name)
{
    struct device *device = calloc(1, sizeof(*device));

    if (!device)
        return NULL;
    device->name = malloc(name.n + 1);
    if (!device->name) {
        free(device);
        return NULL;
    }
    memcpy(device->name, name.p, name.n);
    device->name[name.n] = '\0';
    device->name_n = name.n;
    device->wanted = nv_filter_wants(pass, &filter, name);
    return device;
}

/* Makes room for one more. */
static bool reserve(struct state *state)
{
    if (state->n_devices < state->devices_max)
        return true;
    size_t max = state->devices_max ? 2 * state->devices_max : 32;
    struct device **devices = reallocarray(state->devices, max, sizeof(struct device *));
    if (!devices)
        return false;
    state->devices = devices;
    state->devices_max = max;
    return true;
}

/*
 * Finds the device of line `at` of the file, or makes it, and puts it in that place. The file's order
 * seldom changes, so the device is nearly always there. NULL when memory is out.
 */
static struct device *find(struct nv_pass *pass, size_t at, struct nv_str name, const char *major,
                           const char *minor)
{
    struct state *state = nv_state(pass);
    size_t i = at;

    while (i < state->n_devices && !is_device(state->devices[i], name, major, minor))
        i++;
    if (i == state->n_devices) {
        struct device *device = reserve(state) ? device_new(pass, name) : NULL;
        if (!device)
            return NULL;
        (void)snprintf(device->major, sizeof(device->major), "%s", major);
        (void)snprintf(device->minor, sizeof(device->minor), "%s", minor);
        state->devices[state->n_devices++] = device;
    }
    struct device *device = state->devices[i];
    memmove(&state->devices[at + 1], &state->devices[at], (i - at) * sizeof(struct device *));
    state->devices[at] = device;
    return device;
}

static void emit_properties(struct nv_pass *pass, const struct device *device)
{
    const struct nv_str *property = device->property;
    const struct nv_str name = {device->name, device->name_n};
    static const uint64_t one = 1;
    struct nv_str serial = property[SCSI_SERIAL];

    if (!serial.n)
        serial = property[SHORT_SERIAL].n ? property[SHORT_SERIAL] : property[SERIAL];
    nv_emit_row(pass, &infos,
                (struct nv_str[]){name, nv_str(device->major), nv_str(device->minor),
                                  property[PATH], property[WWN], property[MODEL],
                                  property[REVISION], serial,
                                  device->rotational ? NV_LIT("1") : NV_LIT("0")},
                &one, 1);
    if (property[DM_NAME].n)
        nv_emit_row(pass, &mappers,
                    (struct nv_str[]){name, property[DM_NAME], property[DM_UUID],
                                      property[DM_VG_NAME], property[DM_LV_NAME],
                                      property[DM_LV_LAYER]},
                    &one, 1);
    if (property[FS_TYPE].n)
        nv_emit_row(pass, &contents,
                    (struct nv_str[]){name, property[FS_TYPE], property[FS_USAGE],
                                      property[FS_UUID], property[FS_VERSION]},
                    &one, 1);
    for (size_t i = 0; property[ATA].n && i < NV_LEN(ata_columns); i++) {
        double value;
        if (nv_str_to_real(property[WRITE_CACHE + i], &value))
            nv_emit_real(pass, &atas, &name, i, value);
    }
}

/* A line of the file. Passes over one that is too short. */
static int collect_line(struct nv_pass *pass, struct nv_scan *line, size_t *at)
{
    char major[NUMBER_MAX], minor[NUMBER_MAX];
    uint64_t value[NV_LEN(columns)];
    unsigned long long major_number = nv_scan_u64(line), minor_number = nv_scan_u64(line);
    struct nv_str name = nv_scan_word(line);
    bool short_line = line->failed;
    size_t n = nv_scan_row(line, value, NV_LEN(columns));

    if (!short_line && line->failed)
        return nv_error(pass, -EBADMSG, "%.*s: a column is no number", NV_ARGS(name));
    if (n < COLUMNS_MIN || major_number > UINT32_MAX || minor_number > UINT32_MAX)
        return 0;
    (void)snprintf(major, sizeof(major), "%llu", major_number);
    (void)snprintf(minor, sizeof(minor), "%llu", minor_number);

    struct device *device = find(pass, *at, name, major, minor);
    if (!device)
        return -ENOMEM;
    ++*at;
    if (device->wanted) {
        refresh(pass, device);
        nv_emit_row(pass, &disks, &name, value, n);
        emit_properties(pass, device);
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    struct state *state = nv_state(pass);
    size_t n = 0;
    int r = 0;

    while (r == 0 && nv_scan_line(&file, &line))
        r = collect_line(pass, &line, &n);
    while (r == 0 && state->n_devices > n) /* what was not in the file has moved to the end */
        device_free(state->devices[--state->n_devices]);
    return r;
}

NV_COLLECTOR(diskstats) = {
    NV_ABI_STAMP,
    .name = "diskstats",
    .summary = "Block device I/O.",
    .sources = NV_SOURCES("proc/diskstats"),
    .tables = NV_TABLES(&disks, &infos, &mappers, &contents, &atas),
    .flags = flags,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
