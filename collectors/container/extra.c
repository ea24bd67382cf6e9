/*
 * extra.c - huge pages; descriptors, sockets and limits of processes.
 *
 * Huge pages are read of those sizes of which the machine has any, as sys/kernel/mm/hugepages tells. What is reserved
 * counts where the kernel counts it (rsvd), mapped and not touched included.
 *
 * Descriptors (group "fds") are counted process by process in /proc, the most expensive number there is: off by default,
 * of containers only, and within a pass no more than FDS_PROCESSES processes and FDS_EACH descriptors of one. For others'
 * processes that takes CAP_SYS_PTRACE; a process that cannot be seen is left out, a container without any has no row.
 */
#include "files.h"

enum {
    SIZES_EVERY = 20, /* passes */
    FDS_PROCESSES = 2000,
    FDS_EACH = 4096,
};

/* ---- huge pages ----------------------------------------------------------------------------- */

/* "2MB" of "hugepages-2048kB". */
static bool name_size(struct nv_str folder, char out[NV_CG_HUGE_NAME])
{
    static const char *const units[] = {"KB", "MB", "GB"};
    uint64_t kib;
    size_t unit = 0;

    if (!nv_str_starts(folder, "hugepages-") || !nv_str_ends(folder, "kB"))
        return false;
    folder = nv_str_from(folder, strlen("hugepages-"));
    folder.n -= strlen("kB");
    if (!nv_str_to_u64(folder, &kib) || !kib)
        return false;
    for (; kib >= 1024 && kib % 1024 == 0 && unit + 1 < NV_LEN(units); unit++)
        kib /= 1024;
    int n = snprintf(out, NV_CG_HUGE_NAME, "%llu%s", (unsigned long long)kib, units[unit]);
    return n > 0 && n < NV_CG_HUGE_NAME;
}

void nv_cg_huge_sizes(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_names names;
    char path[NV_PATH_MAX];
    uint64_t pages;

    if (!(state->groups & NV_CG_HUGETLB) || state->pass % SIZES_EVERY != 1)
        return;
    state->n_huge = 0;
    if (nv_list(pass, "sys/kernel/mm/hugepages", &names) < 0)
        return;
    for (size_t i = 0; i < names.n && state->n_huge < NV_CG_HUGE_MAX; i++) {
        nv_path(path, "sys/kernel/mm/hugepages/%.*s/nr_hugepages", NV_ARGS(names.at[i]));
        if (nv_read_u64(pass, path, &pages) == 0 && pages &&
            name_size(names.at[i], state->huge_names[state->n_huge]))
            state->n_huge++;
    }
}

static bool read_number(struct nv_pass *pass, struct nv_cg_state *state, int dir, const char *size,
                        const char *rest, uint64_t *ret)
{
    char name[64];

    nv_path(name, "hugetlb.%s.%s", size, rest);
    int n = nv_dir_read(pass, dir, name, state->text, 64);
    return n > 0 && nv_str_to_u64(nv_str_trim((struct nv_str){state->text, (size_t)n}), ret);
}

/* The failures of v2, in a file of lines: "max N". */
static bool read_failures(struct nv_pass *pass, struct nv_cg_state *state, int dir,
                          const char *size, uint64_t *ret)
{
    char name[64];

    nv_path(name, "hugetlb.%s.events", size);
    int n = nv_dir_read(pass, dir, name, state->text, NV_CG_TEXT_MAX);
    struct nv_scan file = nv_scan((struct nv_str){state->text, n > 0 ? (size_t)n : 0}), line;
    while (nv_scan_line(&file, &line))
        if (nv_scan_accept(&line, "max "))
            return nv_str_to_u64(nv_str_trim(nv_scan_rest(&line)), ret);
    return false;
}

static void read_size(struct nv_pass *pass, struct nv_cg_state *state, int dir, bool is_v2,
                      const char *size, struct nv_cg_huge *huge)
{
    uint64_t *at = huge->at;

    if (is_v2) {
        if (read_number(pass, state, dir, size, "rsvd.current", &at[0]) ||
            read_number(pass, state, dir, size, "current", &at[0]))
            huge->mask = 1;
        if (read_failures(pass, state, dir, size, &at[2]))
            huge->mask |= 4;
        return;
    }
    bool reserved = read_number(pass, state, dir, size, "rsvd.usage_in_bytes", &at[0]);
    if (reserved || read_number(pass, state, dir, size, "usage_in_bytes", &at[0]))
        huge->mask |= 1;
    if (read_number(pass, state, dir, size,
                    reserved ? "rsvd.max_usage_in_bytes" : "max_usage_in_bytes", &at[1]))
        huge->mask |= 2;
    if (read_number(pass, state, dir, size, reserved ? "rsvd.failcnt" : "failcnt", &at[2]))
        huge->mask |= 4;
}

void nv_cg_huge_read(struct nv_pass *pass, struct nv_cg_state *state, int dir, bool is_v2,
                     struct nv_cg_values *values)
{
    values->huge = nv_alloc(pass, NV_CG_HUGE_MAX * sizeof(*values->huge));
    memset(values->huge, 0, NV_CG_HUGE_MAX * sizeof(*values->huge));
    for (size_t i = 0; i < state->n_huge; i++)
        read_size(pass, state, dir, is_v2, state->huge_names[i], &values->huge[i]);
}

/* ---- processes ------------------------------------------------------------------------------ */

/* The soft limit of a line "Max open files  SOFT  HARD  files"; -1 for none. */
static void read_limits(struct nv_pass *pass, int64_t pid, struct nv_cg_values *values)
{
    struct nv_scan file, line;
    struct nv_str text;
    char path[64];
    uint64_t soft;

    nv_path(path, "proc/%lld/limits", (long long)pid);
    if (nv_read(pass, path, &text) < 0)
        return;
    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        if (!nv_scan_accept(&line, "Max open files"))
            continue;
        struct nv_str word = nv_scan_word(&line);
        if (nv_str_is(word, "unlimited"))
            nv_cg_set(values, NV_CG_OPEN_FILES_SOFT, (uint64_t)-1);
        else if (nv_str_to_u64(word, &soft))
            nv_cg_set(values, NV_CG_OPEN_FILES_SOFT, soft);
    }
}

static void count_descriptors(struct nv_pass *pass, int64_t pid, struct nv_cg_values *values)
{
    struct nv_names names;
    struct nv_str target;
    uint64_t sockets = 0;
    char path[64];

    nv_path(path, "proc/%lld/fd", (long long)pid);
    if (nv_list(pass, path, &names) < 0)
        return;
    for (size_t i = 0; i < names.n && i < FDS_EACH; i++) {
        nv_path(path, "proc/%lld/fd/%.*s", (long long)pid, NV_ARGS(names.at[i]));
        sockets += nv_readlink(pass, path, &target) == 0 && nv_str_starts(target, "socket:");
    }
    uint64_t all = nv_cg_has(values, NV_CG_SOCKETS) ? values->at[NV_CG_SOCKETS] : 0;
    nv_cg_set(values, NV_CG_SOCKETS, all + sockets);
    all = nv_cg_has(values, NV_CG_FILE_DESCRIPTORS) ? values->at[NV_CG_FILE_DESCRIPTORS] : 0;
    nv_cg_set(values, NV_CG_FILE_DESCRIPTORS, all + names.n);
}

void nv_cg_fds_read(struct nv_pass *pass, struct nv_cg_state *state, struct nv_cg_values *values,
                    struct nv_str procs)
{
    bool is_first = !nv_cg_has(values, NV_CG_FILE_DESCRIPTORS);
    char *copy = nv_alloc(pass, procs.n + 1); /* reading goes on in the same memory */

    memcpy(copy, procs.p, procs.n);
    procs.p = copy;
    while (procs.n && state->n_fds_processes < FDS_PROCESSES) {
        int64_t pid;
        if (!nv_str_to_i64(nv_str_cut(&procs, '\n'), &pid) || pid <= 0)
            continue;
        state->n_fds_processes++;
        if (is_first)
            read_limits(pass, pid, values);
        is_first = false;
        count_descriptors(pass, pid, values);
    }
}
