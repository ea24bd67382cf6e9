/*
 * hierarchies.c - where each controller is mounted, from the mounts of the first process or our own.
 *
 * A line of type cgroup names its controllers among its last options, in any order ("cpu,cpuacct" or "cpuacct,cpu"); one
 * of type cgroup2 has those its cgroup.controllers lists, which may be none (hybrid: systemd's bookkeeping, and PSI) or
 * some (partly moved). Of several mounts of one controller the first whose folder we can see counts: inside a container
 * that is the host's, by a hostPath, if there is one.
 *
 * A mount point is the system's: what lies below the native path of --path.sysfs is ours by that, what lies below
 * "/sys" too (a mount table of the host that is read in a container, or a fixture), anything else is below
 * --path.rootfs.
 *
 * Where no mount tells, sys/fs/cgroup is v2 if it has a cgroup.controllers.
 */
#include "container.h"

enum {
    MOUNTS_EVERY = 20 /* passes: with a thousand mounts their list costs as much as the cgroups */
};

static const struct {
    const char *name;
    unsigned controller;
} controllers[] = {
    {"cpu",     NV_CG_C_CPU    },
    {"cpuacct", NV_CG_C_CPUACCT},
    {"memory",  NV_CG_C_MEMORY },
    {"io",      NV_CG_C_IO     },
    {"blkio",   NV_CG_C_IO     },
    {"pids",    NV_CG_C_PIDS   },
    {"hugetlb", NV_CG_C_HUGETLB},
    {"cpuset",  NV_CG_C_CPUSET },
};

static unsigned controllers_in(struct nv_str list, char separator)
{
    unsigned found = 0;

    while (list.n) {
        struct nv_str name = nv_str_trim(nv_str_cut(&list, separator));
        for (size_t i = 0; i < NV_LEN(controllers); i++)
            if (nv_str_is(name, controllers[i].name))
                found |= controllers[i].controller;
    }
    return found;
}

/* Our path of a mount point; false where it does not fit. */
static bool our_path(struct nv_pass *pass, struct nv_str point, char out[NV_CG_MOUNT_MAX])
{
    struct nv_str sys = nv_native_path(pass, "sys");
    const char *root = "root";

    if (sys.n && point.n > sys.n && memcmp(point.p, sys.p, sys.n) == 0 && point.p[sys.n] == '/') {
        root = "sys";
        point = nv_str_from(point, sys.n);
    } else if (nv_str_starts(point, "/sys/")) {
        root = "sys";
        point = nv_str_from(point, strlen("/sys"));
    }
    int n = snprintf(out, NV_CG_MOUNT_MAX, "%s%.*s", root, NV_ARGS(point));
    return n > 0 && n < NV_CG_MOUNT_MAX;
}

static unsigned taken(const struct nv_cg_state *state)
{
    unsigned all = 0;

    for (size_t i = 0; i < state->n_hierarchies; i++)
        all |= state->hierarchies[i].controllers;
    return all;
}

static void add(struct nv_cg_state *state, const char *path, bool is_v2, unsigned wanted)
{
    unsigned controllers_left = wanted & ~taken(state);

    if (!controllers_left || state->n_hierarchies == NV_CG_HIERARCHIES_MAX)
        return;
    struct nv_cg_hierarchy *hierarchy = &state->hierarchies[state->n_hierarchies++];
    *hierarchy = (struct nv_cg_hierarchy){.is_v2 = is_v2, .controllers = controllers_left};
    snprintf(hierarchy->path, sizeof(hierarchy->path), "%s", path);
    state->has_v2 = state->has_v2 || is_v2;
}

/* A tree of v2, with what controllers it has; false where it is not to be seen. */
static bool add_v2(struct nv_pass *pass, struct nv_cg_state *state, const char *path)
{
    char file[NV_CG_MOUNT_MAX + 32];
    struct nv_str list;

    nv_path(file, "%s/cgroup.controllers", path);
    if (nv_read(pass, file, &list) < 0)
        return false;
    add(state, path, true, NV_CG_C_CORE | controllers_in(list, ' '));
    return true;
}

static void add_v1(struct nv_pass *pass, struct nv_cg_state *state, const char *path,
                   unsigned wanted)
{
    int dir = nv_dir_open(pass, NV_DIR_ROOTS, path);

    if (dir < 0)
        return;
    nv_dir_close(pass, dir);
    add(state, path, false, wanted);
}

static void read_mount(struct nv_pass *pass, struct nv_cg_state *state, struct nv_scan *line)
{
    char path[NV_CG_MOUNT_MAX];

    nv_scan_skip(line, 4);
    struct nv_str point = nv_scan_word(line);
    nv_scan_skip(line, 1);
    while (!nv_scan_done(line) && !nv_str_is(nv_scan_word(line), "-"))
        ;
    struct nv_str type = nv_scan_word(line);
    bool is_v2 = nv_str_is(type, "cgroup2");
    if ((!is_v2 && !nv_str_is(type, "cgroup")) || !our_path(pass, point, path))
        return;
    nv_scan_skip(line, 1); /* the device */
    unsigned wanted = controllers_in(nv_scan_word(line), ',');
    if (is_v2)
        add_v2(pass, state, path);
    else if (wanted)
        add_v1(pass, state, path, wanted);
}

static void keep_text(struct nv_cg_state *state, struct nv_str text)
{
    free(state->mounts);
    state->mounts = malloc(text.n + 1);
    state->n_mounts = state->mounts ? text.n : 0;
    if (state->mounts && text.n)
        memcpy(state->mounts, text.p, text.n);
}

/* Times of the CPU are on v2 without any controller; they count where no cpuacct of v1 has them. */
static void give_times(struct nv_cg_state *state)
{
    for (size_t i = 0; i < state->n_hierarchies && !(taken(state) & NV_CG_C_CPUACCT); i++)
        if (state->hierarchies[i].is_v2)
            state->hierarchies[i].controllers |= NV_CG_C_CPUACCT;
}

/* The mounts of the first process; our own where those cannot be read, or show no cgroups. */
static struct nv_str read_mounts(struct nv_pass *pass)
{
    static const char *const files[] = {"proc/1/mountinfo", "proc/self/mountinfo"};
    struct nv_str text;

    for (size_t i = 0; i < NV_LEN(files); i++)
        if (nv_read(pass, files[i], &text) == 0 && nv_str_contains(text, " - cgroup"))
            return text;
    return NV_LIT("");
}

int nv_cg_hierarchies(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_scan file, line;

    if (state->n_hierarchies && state->pass % MOUNTS_EVERY)
        return 0;
    struct nv_str text = read_mounts(pass);
    if (state->n_hierarchies && state->mounts && text.n == state->n_mounts &&
        memcmp(text.p, state->mounts, text.n) == 0)
        return 0;

    state->n_hierarchies = 0;
    state->has_v2 = false;
    file = nv_scan(text);
    while (nv_scan_line(&file, &line))
        read_mount(pass, state, &line);
    if (!state->n_hierarchies) {
        nv_scan_fail(&file);
        add_v2(pass, state, "sys/fs/cgroup");
    }
    give_times(state);
    state->sums_ooms = false;
    for (size_t i = 0; i < state->n_hierarchies; i++)
        if (state->hierarchies[i].controllers & NV_CG_C_MEMORY)
            state->sums_ooms = state->hierarchies[i].is_v2;
    keep_text(state, text);
    return state->n_hierarchies ? 0 : NV_NO_DATA;
}
