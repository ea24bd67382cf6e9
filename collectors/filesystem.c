/*
 * filesystem - space of mounted file systems.
 *
 * Sources:
 *   /proc/1/mountinfo   the mounts of the first process; /proc/self/mountinfo only where that does not
 *                       exist. Fields are split at single blanks: id, parent, major:minor, root, mount
 *                       point, options, optional fields, "-", type, device, options of the file system.
 *                       One malformed line is a failure of all
 *   statfs(2)           on the root path and the mount point
 *
 * A mount point loses --path.rootfs where it begins with it, as plain text, so that "/hostdata" becomes
 * "data" where the root is "/host"; that is node_exporter's.
 *
 * statfs() on a network file system may never return. It is called under nv_guard(), one item for a mount
 * point: who does not answer in time has device_error="mountpoint timeout", is not asked again until the
 * call returns, and delays nobody.
 *
 * Where nothing is mounted but file systems that answer from memory, the calls are made right here: handing them
 * to another thread and back costs more than they do. One mount of another kind anywhere, filtered or not, may be on
 * the way to any path, and then all are guarded.
 *
 * The text of mountinfo seldom changes, while parsing, filtering and finding duplicates cost far more than
 * comparing it. What was made of it is therefore kept until it differs.
 */
#include <nodevitals/filter.h>

#include <sys/statfs.h>

static const struct nv_family columns[] = {
    {"node_filesystem_device_error",    NV_GAUGE, NV_AS_IS,
     "Whether statfs failed, or did not answer."                                                     },
    {"node_filesystem_readonly",        NV_GAUGE, NV_AS_IS, "Whether the mount cannot be written to."},
    {"node_filesystem_size_bytes",      NV_GAUGE, NV_AS_IS, "Size of the file system."               },
    {"node_filesystem_free_bytes",      NV_GAUGE, NV_AS_IS, "Space that is free."                    },
    {"node_filesystem_avail_bytes",     NV_GAUGE, NV_AS_IS,
     "Space that is free to users without privileges."                                               },
    {"node_filesystem_files",           NV_GAUGE, NV_AS_IS, "Inodes of the file system."             },
    {"node_filesystem_files_free",      NV_GAUGE, NV_AS_IS, "Inodes that are free."                  },
    {"node_filesystem_purgeable_bytes", NV_GAUGE, NV_AS_IS,
     "Space the system could free by itself, which Linux does not tell: always 0."                   },
};
enum { DEVICE_ERROR, READ_ONLY, SIZE, FREE, AVAILABLE, FILES, FILES_FREE, PURGEABLE, N_COLUMNS };
enum { ALWAYS = 1 << DEVICE_ERROR | 1 << READ_ONLY };

static const struct nv_family info_columns[] = {
    {"node_filesystem_mount_info", NV_GAUGE, NV_AS_IS, "Device numbers of a mount, always 1."},
};

static const struct nv_table spaces = {NV_LABELS("device", "device_error", "fstype", "mountpoint"),
                                       columns, N_COLUMNS};
static const struct nv_table infos = {NV_LABELS("device", "major", "minor", "mountpoint"),
                                      info_columns, 1};

enum {
    POINTS_INCLUDE,
    POINTS_EXCLUDE,
    POINTS_IGNORED,
    TYPES_INCLUDE,
    TYPES_EXCLUDE,
    TYPES_IGNORED,
    MOUNT_TIMEOUT,
    STAT_WORKERS,
};
static const struct nv_filter points = {POINTS_INCLUDE, POINTS_EXCLUDE, POINTS_IGNORED};
static const struct nv_filter types = {TYPES_INCLUDE, TYPES_EXCLUDE, TYPES_IGNORED};

static const struct nv_flag flags[] = {
    {"collector.filesystem.mount-points-include",                                                NV_FLAG_REGEX, "",
     "Mount points to expose, by expression.", false},
    {"collector.filesystem.mount-points-exclude",                                                                                        NV_FLAG_REGEX,
     "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)", "Mount points to leave out, by expression.", false},
    {"collector.filesystem.ignored-mount-points",                                                                                     NV_FLAG_REGEX, "",
     "The old name of mount-points-exclude.", true},
    {"collector.filesystem.fs-types-include",                                                NV_FLAG_REGEX, "",
     "Types of file systems to expose, by expression.", false},
    {"collector.filesystem.fs-types-exclude", NV_FLAG_REGEX,
     "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|"
     "mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|"
     "tracefs)$", "Types of file systems to leave out, by expression.", false},
    {"collector.filesystem.ignored-fs-types",                                                                                     NV_FLAG_REGEX, "",
     "The old name of fs-types-exclude.", true},
    {"collector.filesystem.mount-timeout",                                                NV_FLAG_DURATION, "5s",
     "How long a file system may take to answer.", true},
    {"collector.filesystem.stat-workers",                                                                                        NV_FLAG_INT, "4",
     "How many file systems are asked at once.", true},
    {0                                                                                     },
};

enum {
    MOUNTS_MAX = 1 << 20,
    MARGIN_MS = 100, /* of the pass, for the rows to be in time */
    NUMBER_MAX = 12,
};

/* Types whose statfs() asks nobody: disks keep these numbers in memory, the rest have none. */
static const char *const calm_types[] = {
    "bpf",       "binfmt_misc", "cgroup",    "cgroup2", "configfs", "debugfs",    "devpts",
    "devtmpfs",  "efivarfs",    "erofs",     "exfat",   "ext2",     "ext3",       "ext4",
    "f2fs",      "fusectl",     "hugetlbfs", "iso9660", "mqueue",   "nfsd",       "nsfs",
    "overlay",   "proc",        "pstore",    "ramfs",   "rootfs",   "rpc_pipefs", "securityfs",
    "selinuxfs", "squashfs",    "sysfs",     "tmpfs",   "tracefs",  "vfat",       "xfs",
};

struct mount {
    struct nv_str device, type, point; /* as in labels; they point into the kept text */
    char major[NUMBER_MAX], minor[NUMBER_MAX];
    bool read_only;
    bool is_repeat; /* of an earlier mount in device, type and point: only its numbers are new */
    bool is_copy;   /* and not even those */
    uint32_t probe; /* number of its mount point among the distinct ones */
};

struct state {
    char *text, *copy; /* mountinfo as it was, and a copy in which mount points are decoded */
    size_t text_n;
    struct mount *mounts; /* those the filters want, in the order of the file */
    size_t n_mounts, mounts_max, n_probes, point_n_max;
    bool is_calm; /* nothing is mounted that could hang */
};

/* One call of statfs(2). The path follows, in as many bytes as the longest needs. */
struct probe {
    struct statfs answer;
    int error;
    char path[];
};

static void forget(struct state *state)
{
    free(state->text);
    free(state->copy);
    free(state->mounts);
    *state = (struct state){0};
}

static void stop(void *state)
{
    forget(state);
}

static int start(struct nv_pass *pass)
{
    int r = nv_filter_start(pass, &points, flags);

    return r < 0 ? r : nv_filter_start(pass, &types, flags);
}

/* ---- parsing ------------------------------------------------------------------------------------ */

/* Replaces \040 and \011, in place: no other escapes, as in node_exporter. */
static struct nv_str decode(struct nv_str text, char *copy)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++, n++) {
        struct nv_str rest = nv_str_from(text, i);
        bool is_blank = nv_str_starts(rest, "\\040"), is_tab = nv_str_starts(rest, "\\011");
        copy[n] = is_blank ? ' ' : is_tab ? '\t' : text.p[i];
        i += is_blank || is_tab ? 3 : 0;
    }
    return (struct nv_str){copy, n};
}

/* Takes the root path off a mount point. */
static struct nv_str strip_root(struct nv_str point, struct nv_str root)
{
    if (root.n == 1 && root.p[0] == '/')
        return point;
    if (point.n >= root.n && memcmp(point.p, root.p, root.n) == 0)
        point = nv_str_from(point, root.n);
    return point.n ? point : NV_LIT("/");
}

/* Whether a list of options, "a,b=c", has an option. */
static bool has_option(struct nv_str options, const char *option)
{
    while (options.n) {
        if (nv_str_is(nv_str_cut(&options, ','), option))
            return true;
    }
    return false;
}

/* Cuts the last field off *line, which keeps what is before the blank. */
static struct nv_str cut_last(struct nv_str *line)
{
    const char *blank = line->n ? memrchr(line->p, ' ', line->n) : NULL;
    size_t from = blank ? (size_t)(blank - line->p) + 1 : 0;
    struct nv_str last = nv_str_from(*line, from);

    line->n = blank ? from - 1 : 0;
    return last;
}

static bool parse_numbers(struct nv_str text, struct mount *mount)
{
    uint64_t major, minor;

    if (!nv_str_to_u64(nv_str_cut(&text, ':'), &major) || !nv_str_to_u64(text, &minor) ||
        major > UINT32_MAX || minor > UINT32_MAX)
        return false;
    (void)snprintf(mount->major, sizeof(mount->major), "%u", (unsigned)major);
    (void)snprintf(mount->minor, sizeof(mount->minor), "%u", (unsigned)minor);
    return true;
}

/* Reads a line of mountinfo. `copy` has room for the mount point. */
static bool parse_mount(struct nv_str line, char *copy, struct mount *ret)
{
    uint64_t id;
    struct nv_str super_options = cut_last(&line);

    ret->device = cut_last(&line);
    ret->type = cut_last(&line);
    if (!nv_str_is(cut_last(&line), "-"))
        return false;
    if (!nv_str_to_u64(nv_str_cut(&line, ' '), &id) ||
        !nv_str_to_u64(nv_str_cut(&line, ' '), &id) || !parse_numbers(nv_str_cut(&line, ' '), ret))
        return false;
    nv_str_cut(&line, ' '); /* the directory of the file system that is mounted */
    ret->point = decode(nv_str_cut(&line, ' '), copy);
    struct nv_str options = nv_str_cut(&line, ' ');

    ret->read_only = has_option(options, "ro") || has_option(super_options, "ro") ||
                     has_option(super_options, "emergency_ro");
    return options.n > 0;
}

static bool append(struct state *state, const struct mount *mount)
{
    if (state->n_mounts == state->mounts_max) {
        size_t max = state->mounts_max ? 2 * state->mounts_max : 64;
        struct mount *mounts = reallocarray(state->mounts, max, sizeof(*mounts));
        if (!mounts)
            return false;
        state->mounts = mounts;
        state->mounts_max = max;
    }
    state->mounts[state->n_mounts++] = *mount;
    return true;
}

/* By mount point, then by what else makes a row, then as in the file. */
static int by_point(const void *a_, const void *b_, void *mounts_)
{
    const uint32_t a = *(const uint32_t *)a_, b = *(const uint32_t *)b_;
    const struct mount *mounts = mounts_, *x = &mounts[a], *y = &mounts[b];
    int order = nv_str_cmp(x->point, y->point);

    if (!order)
        order = nv_str_cmp(x->device, y->device);
    if (!order)
        order = nv_str_cmp(x->type, y->type);
    return order ? order : (a > b) - (a < b);
}

/* Numbers the distinct mount points and marks what has no row of its own. */
static void find_repeats(struct nv_pass *pass, struct state *state)
{
    uint32_t *index = nv_alloc(pass, (state->n_mounts + 1) * sizeof(*index));

    for (uint32_t i = 0; i < state->n_mounts; i++)
        index[i] = i;
    qsort_r(index, state->n_mounts, sizeof(*index), by_point, state->mounts);

    for (size_t i = 0; i < state->n_mounts; i++) {
        struct mount *mount = &state->mounts[index[i]];
        const struct mount *before = i ? &state->mounts[index[i - 1]] : NULL;

        if (!before || !nv_str_eq(mount->point, before->point))
            state->n_probes++;
        else
            mount->is_repeat =
                nv_str_eq(mount->device, before->device) && nv_str_eq(mount->type, before->type);
        mount->is_copy = mount->is_repeat && strcmp(mount->major, before->major) == 0 &&
                         strcmp(mount->minor, before->minor) == 0;
        mount->probe = (uint32_t)state->n_probes - 1;
        if (mount->point.n > state->point_n_max)
            state->point_n_max = mount->point.n;
    }
}

static bool is_calm(struct nv_str type)
{
    for (size_t i = 0; i < NV_LEN(calm_types); i++)
        if (nv_str_is(type, calm_types[i]))
            return true;
    return false;
}

/* Makes the state anew from the text of mountinfo. */
static int parse(struct nv_pass *pass, struct state *state, struct nv_str text)
{
    struct nv_str root = nv_native_path(pass, "root");
    struct nv_scan file, line;

    forget(state);
    state->text = malloc(text.n + 1);
    state->copy = malloc(text.n + 1);
    if (!state->text || !state->copy)
        return -ENOMEM;
    memcpy(state->text, text.p, text.n);
    state->is_calm = true;

    file = nv_scan((struct nv_str){state->text, text.n});
    while (nv_scan_line(&file, &line)) {
        struct mount mount = {0};
        struct nv_str whole = nv_scan_rest(&line);

        if (!parse_mount(whole, state->copy + (whole.p - state->text), &mount))
            return nv_error(pass, -EBADMSG, "malformed line of mountinfo: \"%.*s\"",
                            whole.n > 200 ? 200 : (int)whole.n, whole.p);
        state->is_calm = state->is_calm && is_calm(mount.type);
        mount.point = strip_root(mount.point, root);
        if (!nv_filter_wants(pass, &points, mount.point))
            nv_say(pass, NV_DEBUG, "mount point %.*s is left out", NV_ARGS(mount.point));
        else if (!nv_filter_wants(pass, &types, mount.type))
            nv_say(pass, NV_DEBUG, "mount point %.*s is left out for its type %.*s",
                   NV_ARGS(mount.point), NV_ARGS(mount.type));
        else if (state->n_mounts == MOUNTS_MAX)
            return -E2BIG;
        else if (!append(state, &mount))
            return -ENOMEM;
    }
    state->text_n = text.n;
    find_repeats(pass, state);
    return 0;
}

/* Brings the state up to date. */
static int read_mounts(struct nv_pass *pass, struct state *state)
{
    struct nv_str text;
    int r = nv_read(pass, "proc/1/mountinfo", &text);

    if (r == -ENOENT)
        r = nv_read(pass, "proc/self/mountinfo", &text);
    if (r < 0)
        return r;
    if (state->text && state->text_n == text.n && memcmp(state->text, text.p, text.n) == 0)
        return 0;
    r = parse(pass, state, text);
    if (r < 0)
        forget(state);
    return r;
}

/* ---- asking ------------------------------------------------------------------------------------- */

static void call_statfs(void *item)
{
    struct probe *probe = item;

    probe->error = statfs(probe->path, &probe->answer) < 0 ? errno : 0;
}

/* Calls statfs() for every distinct mount point. Items are *ret_size bytes apart. */
static int ask(struct nv_pass *pass, const struct state *state, char **ret, size_t *ret_size,
               unsigned char **ret_outcomes)
{
    struct nv_str root = nv_native_path(pass, "root");
    size_t align = _Alignof(struct probe);
    size_t size = sizeof(struct probe) + root.n + 1 + state->point_n_max + 1;
    size = (size + align - 1) / align * align;
    char *items = nv_alloc(pass, (state->n_probes + 1) * size);
    struct nv_str *keys = nv_alloc(pass, (state->n_probes + 1) * sizeof(*keys));
    unsigned char *outcomes = nv_alloc(pass, state->n_probes + 1);

    for (size_t i = 0; i < state->n_mounts; i++) {
        const struct mount *mount = &state->mounts[i];
        struct probe *probe = (void *)(items + mount->probe * size);

        probe->error = 0;
        (void)snprintf(probe->path, size - sizeof(*probe), "%.*s/%.*s", NV_ARGS(root),
                       NV_ARGS(mount->point));
        keys[mount->probe] = mount->point;
    }

    int64_t timeout_ms = nv_flag(pass, MOUNT_TIMEOUT)->number / 1000000;
    int64_t left_ms = nv_remaining_ms(pass);
    left_ms = left_ms > 2 * MARGIN_MS ? left_ms - MARGIN_MS : left_ms / 2;
    timeout_ms = timeout_ms < left_ms ? timeout_ms : left_ms;
    int64_t workers = nv_flag(pass, STAT_WORKERS)->number;

    *ret = items;
    *ret_size = size;
    *ret_outcomes = outcomes;
    if (state->is_calm) {
        for (size_t i = 0; i < state->n_probes; i++)
            call_statfs(items + i * size);
        memset(outcomes, NV_GUARD_DONE, state->n_probes);
        return 0;
    }
    return nv_guard(pass, items, size, state->n_probes, keys, call_statfs,
                    timeout_ms > 0 ? timeout_ms : 1, workers > 0 ? (size_t)workers : 1, outcomes);
}

/* The text of an error as Go has it, for alerts compare it. */
static struct nv_str error_text(struct nv_pass *pass, int error)
{
    const char *text = strerrordesc_np(error);
    char *copy;

    if (error == ESTALE)
        return NV_LIT("stale NFS file handle");
    if (!text) {
        copy = nv_alloc(pass, 32);
        return (struct nv_str){copy, (size_t)snprintf(copy, 32, "errno %d", error)};
    }
    size_t n = strlen(text);
    copy = nv_alloc(pass, n + 1);
    memcpy(copy, text, n + 1);
    if (copy[0] >= 'A' && copy[0] <= 'Z')
        copy[0] |= 0x20;
    return (struct nv_str){copy, n};
}

static void emit_mount(struct nv_pass *pass, const struct mount *mount, const struct probe *probe,
                       enum nv_guard_outcome outcome)
{
    struct nv_str labels[] = {mount->device, NV_LIT(""), mount->type, mount->point};
    const struct statfs *answer = &probe->answer;
    bool failed = outcome != NV_GUARD_DONE || probe->error;
    double value[N_COLUMNS] = {[DEVICE_ERROR] = failed, [READ_ONLY] = mount->read_only};

    if (mount->is_copy)
        return;
    if (outcome != NV_GUARD_DONE) {
        labels[1] = NV_LIT("mountpoint timeout");
    } else if (probe->error) {
        labels[1] = error_text(pass, probe->error);
        nv_say(pass, NV_DEBUG, "%s: %.*s", probe->path, NV_ARGS(labels[1]));
    } else {
        double block = (double)answer->f_bsize;
        value[SIZE] = (double)answer->f_blocks * block;
        value[FREE] = (double)answer->f_bfree * block;
        value[AVAILABLE] = (double)answer->f_bavail * block;
        value[FILES] = (double)answer->f_files;
        value[FILES_FREE] = (double)answer->f_ffree;
    }
    if (!mount->is_repeat)
        nv_emit_reals(pass, &spaces, labels, value, N_COLUMNS, failed ? ALWAYS : UINT64_MAX);
    if (!failed)
        nv_emit_u64(pass, &infos,
                    (struct nv_str[]){mount->device, nv_str(mount->major), nv_str(mount->minor),
                                      mount->point},
                    0, 1);
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    unsigned char *outcomes = NULL;
    char *items = NULL;
    size_t size = 0;

    int r = read_mounts(pass, state);
    if (r == 0 && state->n_mounts)
        r = ask(pass, state, &items, &size, &outcomes);
    for (size_t i = 0; r == 0 && i < state->n_mounts; i++) {
        const struct mount *mount = &state->mounts[i];
        emit_mount(pass, mount, (const void *)(items + mount->probe * size),
                   outcomes[mount->probe]);
    }
    return r;
}

NV_COLLECTOR(filesystem) = {
    NV_ABI_STAMP,
    .name = "filesystem",
    .summary = "Space of mounted file systems.",
    .options = NV_MAY_BLOCK,
    .tables = NV_TABLES(&spaces, &infos),
    .flags = flags,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .cadence_ms = 15000,
    .collect = collect,
};
