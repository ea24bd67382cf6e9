/*
 * bcachefs - the file system of that name.
 *
 * Source: sys/fs/bcachefs/<uuid>/. Sizes and many counts are written for people, in binary units: "4.94G"
 * is 4.94 * 2^30, cut to a whole number. Of figures since the mount and since the file system was made,
 * only the latter are exposed: they are the ones that only grow. What a kernel lacks is absent.
 *
 *   counters/<name>      "since filesystem creation:  4.94G"; the file names the family
 *   errors               name, count, time of the last, with a blank between them or not
 *   compression_stats    a heading; algorithm, compressed, uncompressed, average extent
 *   btree_write_stats    a heading; kind of write, count, average size
 *   dev-<N>/io_done      sections "read:" and "write:", then lines "user  :610019098624"
 *   dev-<N>/io_errors    the section "IO errors since filesystem creation", then lines "read:  18828"
 */
#include <nodevitals/sysfs.h>

#include <sys/stat.h>

#define ROOT "sys/fs/bcachefs"

static const struct nv_family info_columns[] = {
    {"node_bcachefs_info", NV_GAUGE, NV_AS_IS, "A file system, always 1."},
};
static const struct nv_family cache_columns[] = {
    {"node_bcachefs_btree_cache_size_bytes", NV_GAUGE, NV_AS_IS, "Memory the trees' cache takes."},
};
static const struct nv_family compression_columns[] = {
    {"node_bcachefs_compression_compressed_bytes",   NV_GAUGE, NV_AS_IS,
     "Size of data as compressed by an algorithm."},
    {"node_bcachefs_compression_uncompressed_bytes", NV_GAUGE, NV_AS_IS,
     "Size of the same data before compression."  },
};
static const struct nv_family error_columns[] = {
    {"node_bcachefs_errors_total", NV_COUNTER, NV_AS_IS,
     "Errors found in the file system, by type."},
};
static const struct nv_family write_columns[] = {
    {"node_bcachefs_btree_writes_total",             NV_COUNTER, NV_AS_IS, "Writes of tree nodes, by type."},
    {"node_bcachefs_btree_write_average_size_bytes", NV_GAUGE,   NV_AS_IS,
     "Average size of writes of tree nodes."                                                               },
};
static const struct nv_family device_columns[] = {
    {"node_bcachefs_device_bucket_size_bytes", NV_GAUGE, NV_AS_IS,
     "Size of a bucket of the device."                                                     },
    {"node_bcachefs_device_buckets",           NV_GAUGE, NV_AS_IS, "Buckets of the device."},
    {"node_bcachefs_device_durability",        NV_GAUGE, NV_AS_IS,
     "How many replicas one on the device counts for."                                     },
};
static const struct nv_family device_info_columns[] = {
    {"node_bcachefs_device_info", NV_GAUGE, NV_AS_IS, "A device of the file system, always 1."},
};
static const struct nv_family done_columns[] = {
    {"node_bcachefs_device_io_done_bytes_total", NV_COUNTER, NV_AS_IS,
     "Bytes read from and written to the device, by type of data."},
};
static const struct nv_family io_error_columns[] = {
    {"node_bcachefs_device_io_errors_total", NV_COUNTER, NV_AS_IS,
     "Errors of the device, by type."},
};

static const struct nv_table infos = {NV_LABELS("uuid"), info_columns, 1};
static const struct nv_table caches = {NV_LABELS("uuid"), cache_columns, 1};
static const struct nv_table compressions = {NV_LABELS("uuid", "algorithm"), compression_columns,
                                             2};
static const struct nv_table errors = {NV_LABELS("uuid", "error_type"), error_columns, 1};
static const struct nv_table writes = {NV_LABELS("uuid", "type"), write_columns, 2};
static const struct nv_table devices = {NV_LABELS("uuid", "device"), device_columns,
                                        NV_LEN(device_columns)};
static const struct nv_table device_infos = {NV_LABELS("uuid", "device", "label", "state"),
                                             device_info_columns, 1};
static const struct nv_table dones = {NV_LABELS("uuid", "device", "operation", "data_type"),
                                      done_columns, 1};
static const struct nv_table io_errors = {NV_LABELS("uuid", "device", "type"), io_error_columns, 1};

static const char *const device_files[NV_LEN(device_columns)] = {
    "bucket_size",
    "nbuckets",
    "durability",
};

static const uint64_t one = 1;

/* A number with or without a binary unit, cut to a whole one. */
static bool to_number(struct nv_str text, double *ret)
{
    static const char units[] = "KMGTPE";
    double scale = 1;
    uint64_t whole;

    if (nv_str_to_u64(text, &whole)) {
        *ret = (double)whole;
        return true;
    }
    text = nv_str_trim(text);
    const char *unit = text.n ? memchr(units, text.p[text.n - 1] & ~0x20, sizeof(units) - 1) : NULL;
    if (unit) {
        for (const char *at = units; at <= unit; at++)
            scale *= 1024;
        text.n--;
    }
    if (!nv_str_to_real(text, ret))
        return false;
    *ret = floor(*ret * scale);
    return *ret >= 0 && *ret < 0x1p64;
}

/* Reads a file below a directory. Empty where it is missing. */
static int read_below(struct nv_pass *pass, const char *directory, const char *name,
                      struct nv_scan *ret)
{
    char path[NV_PATH_MAX];
    struct nv_str text = {NULL, 0};

    nv_path(path, "%s/%s", directory, name);
    int r = nv_read(pass, path, &text);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret = nv_scan(text);
    return 0;
}

static int refuse(struct nv_pass *pass, const char *directory, const char *name)
{
    return nv_error(pass, -EBADMSG, "%s/%s has an unknown form", directory, name);
}

static int emit_counter(struct nv_pass *pass, struct nv_str uuid, const char *path,
                        struct nv_str name)
{
    static const char key[] = "since filesystem creation:", prefix[] = "node_bcachefs_";
    char family[256], file_name[NV_PATH_MAX];
    struct nv_scan file, line;
    size_t n = sizeof(prefix) - 1;
    double value;

    if (name.n + sizeof(prefix) + sizeof("_total") > sizeof(family))
        return 0;
    nv_path(file_name, "counters/%.*s", NV_ARGS(name));
    int r = read_below(pass, path, file_name, &file);
    if (r < 0)
        return r;

    memcpy(family, prefix, sizeof(prefix));
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i], lower = c | 0x20;
        family[n++] = nv_is_digit(c) || (lower >= 'a' && lower <= 'z') ? c : '_';
    }
    memcpy(family + n, "_total", sizeof("_total"));
    while (nv_scan_line(&file, &line)) {
        if (!nv_scan_accept(&line, key))
            continue;
        if (!to_number(nv_str_trim(nv_scan_rest(&line)), &value))
            return refuse(pass, path, file_name);
        nv_emit_named(pass,
                      &(struct nv_family){family, NV_COUNTER, NV_AS_IS,
                                          "Events of that name since the file system was made."},
                      NV_LABELS("uuid"), &uuid, value);
    }
    return 0;
}

static int emit_counters(struct nv_pass *pass, struct nv_str uuid, const char *path)
{
    struct nv_names names;
    int r = nv_entries(pass, &names, "%s/counters", path);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (size_t i = 0; r == 0 && i < names.n; i++)
        r = emit_counter(pass, uuid, path, names.at[i]);
    return r;
}

/* Emits rows of a name and `n` numbers, but for the first `skip` lines. */
static int emit_rows(struct nv_pass *pass, struct nv_str uuid, const char *path, const char *name,
                     size_t skip, const struct nv_table *table)
{
    struct nv_scan file, line;
    int r = read_below(pass, path, name, &file);

    while (r == 0 && nv_scan_line(&file, &line)) {
        struct nv_str labels[] = {
            uuid, {NULL, 0}
        };
        double values[2];

        if (nv_scan_done(&line) || (skip && skip--))
            continue;
        labels[1] = nv_scan_word(&line);
        if (nv_str_ends(labels[1], ":"))
            labels[1].n--;
        for (size_t i = 0; i < table->n_columns; i++) {
            struct nv_str word = nv_scan_word(&line);
            if (line.failed || !to_number(word, &values[i]))
                return refuse(pass, path, name);
        }
        nv_emit_reals(pass, table, labels, values, table->n_columns, UINT64_MAX);
    }
    return r;
}

/* Emits the lines "type: number" of the sections "read:" and "write:". */
static int emit_done(struct nv_pass *pass, const char *path, const struct nv_str *device)
{
    struct nv_str labels[] = {
        device[0], device[1], {NULL, 0},
          {NULL, 0}
    };
    struct nv_scan file, line;
    int r = read_below(pass, path, "io_done", &file);

    while (r == 0 && nv_scan_line(&file, &line)) {
        struct nv_str number = nv_str_trim(nv_scan_rest(&line));
        struct nv_str key = nv_str_trim(nv_str_cut(&number, ':'));
        double value;

        if (!nv_str_trim(number).n) {
            bool known = nv_str_is(key, "read") || nv_str_is(key, "write");
            labels[2] = known ? key : (struct nv_str){NULL, 0};
        } else if (labels[2].n) {
            if (!to_number(nv_str_trim(number), &value))
                return refuse(pass, path, "io_done");
            labels[3] = key;
            nv_emit_real(pass, &dones, labels, 0, value);
        }
    }
    return r;
}

/* Emits the lines "type: number" of the section about all time. */
static int emit_io_errors(struct nv_pass *pass, const char *path, const struct nv_str *device)
{
    struct nv_str labels[] = {
        device[0], device[1], {NULL, 0}
    };
    struct nv_scan file, line;
    bool all_time = false;
    int r = read_below(pass, path, "io_errors", &file);

    while (r == 0 && nv_scan_line(&file, &line)) {
        struct nv_str number = nv_str_trim(nv_scan_rest(&line));
        double value;

        if (nv_str_starts(number, "IO errors since")) {
            all_time = nv_str_starts(number, "IO errors since filesystem creation");
            continue;
        }
        labels[2] = nv_str_trim(nv_str_cut(&number, ':'));
        if (!all_time || !labels[2].n)
            continue;
        if (!to_number(nv_str_trim(number), &value))
            return refuse(pass, path, "io_errors");
        nv_emit_real(pass, &io_errors, labels, 0, value);
    }
    return r;
}

static int emit_device(struct nv_pass *pass, struct nv_str uuid, struct nv_str name)
{
    struct nv_str labels[] = {uuid, nv_str_from(name, strlen("dev-")), NV_LIT(""), NV_LIT("")};
    double values[NV_LEN(device_columns)] = {0};
    char path[NV_PATH_MAX];
    uint64_t mask = 0;

    nv_path(path, ROOT "/%.*s/%.*s", NV_ARGS(uuid), NV_ARGS(name));
    for (size_t i = 0; i < NV_LEN(device_columns); i++) {
        struct nv_str text;
        int r = nv_attribute(pass, &text, "%s/%s", path, device_files[i]);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        if (!to_number(text, &values[i]))
            return refuse(pass, path, device_files[i]);
        mask |= UINT64_C(1) << i;
    }
    (void)nv_attribute(pass, &labels[2], "%s/label", path);
    (void)nv_attribute(pass, &labels[3], "%s/state", path);
    nv_emit_row(pass, &device_infos, labels, &one, 1);
    nv_emit_reals(pass, &devices, labels, values, NV_LEN(device_columns), mask);

    int r = emit_done(pass, path, labels);
    return r < 0 ? r : emit_io_errors(pass, path, labels);
}

static int emit_file_system(struct nv_pass *pass, struct nv_str uuid, const char *path)
{
    struct nv_names names;
    struct nv_str text;
    double size;

    nv_emit_row(pass, &infos, &uuid, &one, 1);
    int r = nv_attribute(pass, &text, "%s/btree_cache_size", path);
    if (r == 0 && !to_number(text, &size))
        return refuse(pass, path, "btree_cache_size");
    if (r == 0)
        nv_emit_real(pass, &caches, &uuid, 0, size);
    if (r == 0 || r == -ENOENT)
        r = emit_rows(pass, uuid, path, "compression_stats", 1, &compressions);
    if (r == 0)
        r = emit_rows(pass, uuid, path, "errors", 0, &errors);
    if (r == 0)
        r = emit_rows(pass, uuid, path, "btree_write_stats", 1, &writes);
    if (r == 0)
        r = emit_counters(pass, uuid, path);
    if (r == 0)
        r = nv_list(pass, path, &names);
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_str_starts(names.at[i], "dev-"))
            r = emit_device(pass, uuid, names.at[i]);
    }
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    bool found = false;
    int r = nv_list(pass, ROOT, &names);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        char path[NV_PATH_MAX];
        unsigned mode;

        nv_path(path, ROOT "/%.*s", NV_ARGS(names.at[i]));
        if (nv_stat(pass, path, &mode, NULL) < 0 || !S_ISDIR(mode))
            continue;
        found = true;
        r = emit_file_system(pass, names.at[i], path);
    }
    if (r == -ENOENT)
        r = 0;
    return r == 0 && !found ? NV_NO_DATA : r;
}

NV_COLLECTOR(bcachefs) = {
    NV_ABI_STAMP,
    .name = "bcachefs",
    .summary = "File systems of bcachefs.",
    .tables = NV_TABLES(&infos, &caches, &compressions, &errors, &writes, &devices, &device_infos,
                        &dones, &io_errors),
    .collect = collect,
};
