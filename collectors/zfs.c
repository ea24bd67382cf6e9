/*
 * zfs - ZFS on Linux: its caches, and what its pools and datasets did.
 *
 * Source: proc/spl/kstat/zfs/. Its files are tables under the heading "name type data", one number a row;
 * types 3 and 4 are numbers of 64 bits, with and without sign. Names of families come from the rows.
 *
 *   <file>           one for each part of ZFS; which there are depends on the release
 *   <pool>/io        a heading of names and a row of numbers, until OpenZFS 2.1
 *   <pool>/objset-*  of a dataset, whose name (it may hold blanks) is the row dataset_name
 *   <pool>/state     one word
 *
 * There may be thousands of datasets, each with a file that takes locks of its pool: hence a worker.
 */
#include <nodevitals/sysfs.h>

#include <strings.h>

#define ROOT "proc/spl/kstat/zfs"

enum { NAME_MAX_BYTES = 128, FIELDS_MAX = 64 };

static const struct {
    const char *file, *name;
} parts[] = {
    {"abdstats",          "node_zfs_abd_"        },
    {"arcstats",          "node_zfs_arc_"        },
    {"dbufstats",         "node_zfs_dbuf_"       },
    {"dmu_tx",            "node_zfs_dmu_tx_"     },
    {"dnodestats",        "node_zfs_dnode_"      },
    {"fm",                "node_zfs_fm_"         },
    {"vdev_cache_stats",  "node_zfs_vdev_cache_" },
    {"vdev_mirror_stats", "node_zfs_vdev_mirror_"},
    {"xuio_stats",        "node_zfs_xuio_"       },
    {"zfetchstats",       "node_zfs_zfetch_"     },
    {"zil",               "node_zfs_zil_"        },
};

static const struct nv_family state_columns[] = {
    {"node_zfs_zpool_state", NV_GAUGE, NV_AS_IS, "State a pool is in, 1 for one of them."},
};
static const struct nv_table states = {NV_LABELS("zpool", "state"), state_columns, 1};
static const char *const state_names[] = {
    "online", "degraded", "faulted", "offline", "removed", "unavail", "suspended",
};

/* Emits one number under the name prefix + field, in which what no name may have becomes "_". */
static void emit_field(struct nv_pass *pass, const char *prefix, struct nv_str field,
                       const char *help, const char *const *names, const struct nv_str *labels,
                       double value)
{
    char name[NAME_MAX_BYTES];
    size_t n = strlen(prefix);

    if (n + field.n >= sizeof(name))
        return;
    memcpy(name, prefix, n);
    for (size_t i = 0; i < field.n; i++) {
        char c = field.p[i], lower = c | 0x20;
        name[n++] = nv_is_digit(c) || (lower >= 'a' && lower <= 'z') || c == ':' ? c : '_';
    }
    name[n] = '\0';
    nv_emit_named(pass, &(struct nv_family){name, NV_UNTYPED, NV_AS_IS, help}, names, labels,
                  value);
}

/* Cuts off the next row that holds a number. False at the end. */
static bool next_row(struct nv_scan *file, struct nv_str *ret_field, struct nv_str *ret_type,
                     struct nv_scan *ret_rest)
{
    struct nv_scan line;

    while (nv_scan_line(file, &line)) {
        *ret_field = nv_scan_word(&line);
        *ret_type = nv_scan_word(&line);
        *ret_rest = line;
        nv_scan_word(&line);
        if (!line.failed)
            return true;
    }
    return false;
}

/* Skips what is before the rows. False where the heading is missing. */
static bool skip_heading(struct nv_scan *file)
{
    struct nv_str field, type;
    struct nv_scan rest;

    while (next_row(file, &field, &type, &rest)) {
        if (nv_str_is(field, "name") && nv_str_is(type, "type") &&
            nv_str_is(nv_str_trim(nv_scan_rest(&rest)), "data"))
            return true;
    }
    return false;
}

/* A number of the type "3" or "4". */
static bool to_number(struct nv_str type, struct nv_str text, double *ret)
{
    uint64_t number;
    int64_t with_sign;

    if (nv_str_to_u64(text, &number)) {
        *ret = (double)number;
        return true;
    }
    if (!nv_str_is(type, "3") || !nv_str_to_i64(text, &with_sign))
        return false;
    *ret = (double)with_sign;
    return true;
}

static int emit_part(struct nv_pass *pass, const char *file_name, const char *prefix)
{
    struct nv_str text, field, type;
    struct nv_scan file, rest;
    char path[NV_PATH_MAX];

    nv_path(path, ROOT "/%s", file_name);
    if (nv_read(pass, path, &text) < 0) {
        nv_say(pass, NV_DEBUG, "no %s in this release of ZFS", file_name);
        return 0;
    }
    file = nv_scan(text);
    if (!skip_heading(&file))
        return nv_error(pass, -EBADMSG, "%s has no heading", file_name);
    while (next_row(&file, &field, &type, &rest)) {
        double value;

        if (!nv_str_is(type, "3") && !nv_str_is(type, "4"))
            continue;
        if (!to_number(type, nv_scan_word(&rest), &value))
            return nv_error(pass, -EBADMSG, "%s: %.*s is no number", file_name, NV_ARGS(field));
        emit_field(pass, prefix, field,
                   "Figure of the ZFS module, of the kernel's kstat of that name.", NV_NO_LABELS,
                   NULL, value);
    }
    return 0;
}

static int emit_io(struct nv_pass *pass, struct nv_str pool, struct nv_scan file)
{
    struct nv_str fields[FIELDS_MAX];
    struct nv_scan line;
    size_t n = 0;

    while (nv_scan_line(&file, &line)) {
        size_t i = 0;
        for (; i < FIELDS_MAX && !nv_scan_done(&line); i++) {
            struct nv_str word = nv_scan_word(&line);
            uint64_t value;

            if (!n) {
                fields[i] = word;
                continue;
            }
            if (i >= n || !nv_str_to_u64(word, &value))
                return nv_error(pass, -EBADMSG, "%.*s: the io file does not fit its heading",
                                NV_ARGS(pool));
            emit_field(pass, "node_zfs_zpool_", fields[i],
                       "Figure of the input and output of a pool.", NV_LABELS("zpool"), &pool,
                       (double)value);
        }
        if (!n && i >= 12 && nv_str_is(fields[0], "nread"))
            n = i;
    }
    return n ? 0 : nv_error(pass, -EBADMSG, "%.*s: the io file has no heading", NV_ARGS(pool));
}

static int emit_dataset(struct nv_pass *pass, struct nv_str pool, struct nv_scan file)
{
    struct nv_str labels[] = {pool, NV_LIT("")}, field, type;
    struct nv_scan rest;

    if (!skip_heading(&file))
        return nv_error(pass, -EBADMSG, "%.*s: an objset has no heading", NV_ARGS(pool));
    while (next_row(&file, &field, &type, &rest)) {
        double value;

        if (nv_str_is(field, "dataset_name")) {
            labels[1] = nv_str_trim(nv_scan_rest(&rest));
            continue;
        }
        if (!nv_str_is(type, "4"))
            continue;
        if (!to_number(type, nv_scan_word(&rest), &value))
            return nv_error(pass, -EBADMSG, "%.*s: %.*s is no number", NV_ARGS(labels[1]),
                            NV_ARGS(field));
        emit_field(pass, "node_zfs_zpool_dataset_", field, "Figure of a dataset.",
                   NV_LABELS("zpool", "dataset"), labels, value);
    }
    return 0;
}

static int emit_state(struct nv_pass *pass, struct nv_str pool, struct nv_scan file)
{
    struct nv_str state = nv_str_trim(nv_scan_rest(&file));

    state = nv_str_trim(nv_str_cut(&state, '\n'));
    if (!state.n)
        return nv_error(pass, -EBADMSG, "%.*s: the state is empty", NV_ARGS(pool));
    for (size_t i = 0; i < NV_LEN(state_names); i++) {
        struct nv_str labels[] = {pool, nv_str(state_names[i])};
        nv_emit_u64(pass, &states, labels, 0,
                    state.n == labels[1].n && strncasecmp(state.p, labels[1].p, state.n) == 0);
    }
    return 0;
}

static int emit_pool(struct nv_pass *pass, struct nv_str pool)
{
    struct nv_names names;
    int r = nv_entries(pass, &names, ROOT "/%.*s", NV_ARGS(pool));

    if (r < 0) /* a file, or a pool exported meanwhile */
        return r == -ENOTDIR || r == -ENOENT ? 0 : r;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct nv_str name = names.at[i], text;
        int (*emit)(struct nv_pass *, struct nv_str, struct nv_scan) =
            nv_str_is(name, "io")            ? emit_io
            : nv_str_is(name, "state")       ? emit_state
            : nv_str_starts(name, "objset-") ? emit_dataset
                                             : NULL;
        char path[NV_PATH_MAX];

        if (!emit)
            continue;
        nv_path(path, ROOT "/%.*s/%.*s", NV_ARGS(pool), NV_ARGS(name));
        r = nv_read(pass, path, &text);
        if (r == 0)
            r = emit(pass, pool, nv_scan(text));
        else if (r == -ENOENT)
            r = 0;
    }
    return r;
}

static bool is_part(struct nv_str name)
{
    for (size_t i = 0; i < NV_LEN(parts); i++) {
        if (nv_str_is(name, parts[i].file))
            return true;
    }
    return false;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, ROOT, &names);

    if (r < 0)
        return NV_NO_DATA;
    for (size_t i = 0; r == 0 && i < NV_LEN(parts); i++)
        r = emit_part(pass, parts[i].file, parts[i].name);
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (!is_part(names.at[i]))
            r = emit_pool(pass, names.at[i]);
    }
    return r;
}

NV_COLLECTOR(zfs) = {
    NV_ABI_STAMP,
    .name = "zfs",
    .summary = "ZFS, its pools and datasets.",
    .options = NV_MAY_BLOCK,
    .tables = NV_TABLES(&states),
    .collect = collect,
};
