/*
 * network.c - interfaces of pods and containers, from /proc/PID/net/dev of a process in their network namespace.
 *
 * A pod's numbers stand on its sandbox's row; on the pod's own where there is no sandbox. A container that is no pod's
 * has them on its own row. Those that use the host's network have none, or each would repeat the node's: of pods the
 * kubelet tells; of others, and where it is silent, the namespace is compared with that of the first process, and in
 * doubt nothing is said. Sockets (sockets.c) stand where the interfaces do.
 *
 * The process is remembered. That it is still of this cgroup is looked up each time, through one descriptor of its
 * folder in /proc, which is of that process and no later one with the same number.
 */
#include <strings.h>

#include "container.h"

static const char *const left_out[] = {"lo", "veth", "docker", "nerdctl"};

/* Columns of /proc/net/dev, from 0 behind the colon, in the order of the families. */
static const uint8_t columns[NV_CG_LINK_NUMBERS] = {0, 1, 2, 3, 8, 9, 10, 11};
enum { COLUMNS = 16 };

static bool is_left_out(struct nv_str name)
{
    for (size_t i = 0; i < NV_LEN(left_out); i++)
        if (name.n >= strlen(left_out[i]) &&
            strncasecmp(name.p, left_out[i], strlen(left_out[i])) == 0)
            return true;
    return false;
}

static void parse(struct nv_pass *pass, struct nv_cg_values *values, struct nv_str text)
{
    struct nv_scan file = nv_scan(text), line;
    struct nv_cg_link *links = NULL;
    size_t n = 0, room = 0;

    while (nv_scan_line(&file, &line) && n < NV_CG_LINKS_MAX) {
        struct nv_str rest = nv_scan_rest(&line);
        size_t colon = nv_str_find(rest, ':');
        uint64_t row[COLUMNS];
        if (colon == rest.n)
            continue; /* the heading */
        struct nv_str name = nv_str_trim((struct nv_str){rest.p, colon});
        line.at += colon + 1;
        if (is_left_out(name) ||
            nv_scan_row(&line, row, COLUMNS) <= columns[NV_CG_LINK_NUMBERS - 1])
            continue;
        if (n == room) {
            struct nv_cg_link *more = nv_alloc(pass, (room = room ? 2 * room : 4) * sizeof(*more));
            if (n)
                memcpy(more, links, n * sizeof(*more));
            links = more;
        }
        char *copy = nv_alloc(pass, name.n + 1);
        memcpy(copy, name.p, name.n);
        links[n].name = (struct nv_str){copy, name.n};
        for (size_t i = 0; i < NV_CG_LINK_NUMBERS; i++)
            links[n].at[i] = row[columns[i]];
        n++;
    }
    values->links = links;
    values->n_links = n;
}

/* ---- a process of the cgroup ------------------------------------------------------------------ */

static struct nv_str read_text(struct nv_pass *pass, struct nv_cg_state *state, int dir,
                               const char *name)
{
    int n = nv_dir_read_parts(pass, dir, name, state->text, NV_CG_TEXT_MAX);

    return (struct nv_str){state->text, n > 0 ? (size_t)n : 0};
}

/* Whether a line of /proc/PID/cgroup leads to a cgroup of this name or something below it. */
static bool leads_to(struct nv_str text, struct nv_str name)
{
    const char *end = text.p + text.n, *at = text.p;

    while (at < end && (at = memmem(at, (size_t)(end - at), name.p, name.n))) {
        const char *after = at + name.n;
        if (at > text.p && at[-1] == '/' && (after == end || *after == '\n' || *after == '/'))
            return true;
        at = after;
    }
    return false;
}

/* A descriptor of the process's folder, if it is of the cgroup; else negative. */
static int open_process(struct nv_pass *pass, struct nv_cg_state *state, const struct nv_cg *cgroup,
                        int64_t pid)
{
    char path[32];

    if (pid <= 0)
        return -ESRCH;
    nv_path(path, "proc/%lld", (long long)pid);
    int dir = nv_dir_open(pass, NV_DIR_ROOTS, path);
    if (dir < 0)
        return dir;
    if (leads_to(read_text(pass, state, dir, "cgroup"), cgroup->name))
        return dir;
    nv_dir_close(pass, dir);
    return -ESRCH;
}

static int any_process(struct nv_pass *pass, struct nv_cg_state *state, struct nv_cg *cgroup)
{
    int dir = open_process(pass, state, cgroup, cgroup->pid);

    if (dir >= 0)
        return dir;
    cgroup->pid = nv_cg_first_process(pass, state, cgroup);
    cgroup->netns = NV_CG_NETNS_UNKNOWN;
    return open_process(pass, state, cgroup, cgroup->pid);
}

/* ---- whose namespace -------------------------------------------------------------------------- */

/* What tells namespaces apart: the inode of net/stat, a folder that each has of its own, for anybody to see, as
 * ns/net is not. 0 where it cannot be seen. */
static uint64_t namespace_of(struct nv_pass *pass, int process)
{
    struct nv_dir_stat st = {0};
    int dir = nv_dir_open(pass, process, "net/stat");

    if (dir < 0)
        return 0;
    if (nv_dir_stat(pass, dir, &st) < 0)
        st.inode = 0;
    nv_dir_close(pass, dir);
    return st.inode;
}

static bool is_of_host(struct nv_pass *pass, const struct nv_cg_state *state, struct nv_cg *cgroup,
                       int process)
{
    if (cgroup->netns == NV_CG_NETNS_UNKNOWN) {
        uint64_t own = namespace_of(pass, process);
        cgroup->netns = own && state->host_netns && own != state->host_netns ? NV_CG_NETNS_OWN
                                                                             : NV_CG_NETNS_HOST;
    }
    return cgroup->netns == NV_CG_NETNS_HOST;
}

/* False where none of its processes is to be seen. */
static bool read_links(struct nv_pass *pass, struct nv_cg_state *state, struct nv_cg *from,
                       struct nv_cg_values *values, bool is_told)
{
    int dir = any_process(pass, state, from);

    if (dir < 0)
        return false;
    if (is_told || !is_of_host(pass, state, from, dir)) {
        if (state->groups & NV_CG_NETWORK)
            parse(pass, values, read_text(pass, state, dir, "net/dev"));
        nv_cg_sockets_read(pass, state, dir, values);
    }
    nv_dir_close(pass, dir);
    return true;
}

static bool may_have_links(const struct nv_cg_state *state, const struct nv_cg *cgroup)
{
    return cgroup->values && cgroup->is.kind == NV_CG_CONTAINER && cgroup->seen == state->pass;
}

/* By the sandbox's process; CRI-O's may have none, then by that of any container. */
static void of_pod(struct nv_pass *pass, struct nv_cg_state *state, struct nv_cg *pod)
{
    bool is_told = state->has_pods && pod->labels[NV_CG_L_POD].n;
    struct nv_cg *sandbox = NULL;

    if (pod->host_network)
        return;
    for (struct nv_cg *child = pod->first; child && !sandbox; child = child->next)
        if (child->is_sandbox && may_have_links(state, child))
            sandbox = child;
    if (sandbox && read_links(pass, state, sandbox, sandbox->values, is_told))
        return;
    struct nv_cg_values *values = sandbox ? sandbox->values : pod->values;
    for (struct nv_cg *child = pod->first; child; child = child->next)
        if (child != sandbox && may_have_links(state, child) &&
            read_links(pass, state, child, values, is_told))
            return;
}

/* A container that is no pod's; of a pod whose containers lie apart the sandbox is the one. */
static bool stands_alone(const struct nv_cg *cgroup)
{
    return cgroup->is.kind == NV_CG_CONTAINER && cgroup->above->is.kind != NV_CG_POD &&
           (cgroup->is_sandbox || !cgroup->labels[NV_CG_L_POD].n);
}

void nv_cg_network(struct nv_pass *pass, struct nv_cg_state *state)
{
    if (!(state->groups & (NV_CG_NETWORK | NV_CG_TCP | NV_CG_UDP | NV_CG_ADVTCP)))
        return;
    int first = nv_dir_open(pass, NV_DIR_ROOTS, "proc/1");
    if (first >= 0) {
        if (state->groups & NV_CG_NETWORK)
            parse(pass, state->root->values, read_text(pass, state, first, "net/dev"));
        state->host_netns = namespace_of(pass, first);
        nv_dir_close(pass, first);
    }
    for (struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup)) {
        if (cgroup->seen != state->pass)
            continue;
        if (cgroup->is.kind == NV_CG_POD)
            of_pod(pass, state, cgroup);
        else if (stands_alone(cgroup))
            read_links(pass, state, cgroup, cgroup->values, false);
    }
}
