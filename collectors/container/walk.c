#include "files.h"

/* The groups of blkio files; the first of them that tells of a device at the root is read in this pass. */
static const struct {
    const char *bytes, *ops;
} blkio[] = {
    {"blkio.bfq.io_service_bytes_recursive",      "blkio.bfq.io_serviced_recursive"     },
    {"blkio.io_service_bytes_recursive",          "blkio.io_serviced_recursive"         }, /* CFQ */
    {"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"},
    {"blkio.throttle.io_service_bytes",           "blkio.throttle.io_serviced"          },
};
enum { BLKIO_USUAL = 2 };

struct walk {
    struct nv_pass *pass;
    struct nv_cg_state *state;
    const struct nv_cg_hierarchy *hierarchy;
    const struct nv_cg_file *files[32]; /* those to be read in this hierarchy */
    size_t n_files, blkio;
    bool has_io_v1;
    uint64_t number; /* of the hierarchy within the pass, from 1 */
};

static struct nv_str read_text(struct walk *walk, int dir, const char *name)
{
    int n = nv_dir_read(walk->pass, dir, name, walk->state->text, NV_CG_TEXT_MAX);

    return (struct nv_str){walk->state->text, n > 0 ? (size_t)n : 0};
}

/* crun, and Podman of users, put the processes one folder below the container's. */
static void read_procs(struct walk *walk, int dir, struct nv_cg_values *values, bool and_below)
{
    int n = nv_dir_read_parts(walk->pass, dir, NV_CG_PROCS, walk->state->text, NV_CG_TEXT_MAX);
    struct nv_dir_stat st;
    struct nv_names names;

    if (n < 0)
        return;
    struct nv_str text = {walk->state->text, (size_t)n};
    nv_cg_parse_procs(walk->pass, values, 0, text);
    if (n && (walk->state->groups & NV_CG_FDS))
        nv_cg_fds_read(walk->pass, walk->state, values, text);
    if (n && (walk->state->groups & NV_CG_SCHED))
        nv_cg_sched_read(walk->pass, walk->state, values, text);
    if (n || !and_below || nv_dir_stat(walk->pass, dir, &st) < 0 || st.n_links == 2 ||
        nv_dir_list(walk->pass, dir, &names) < 0)
        return;
    for (size_t i = 0; i < names.n && i < NV_CG_FOLDERS_MAX; i++) {
        int below = nv_dir_open(walk->pass, dir, names.at[i].p);
        if (below < 0)
            continue;
        read_procs(walk, below, values, false);
        nv_dir_close(walk->pass, below);
    }
}

static void read_blkio(struct walk *walk, int dir, struct nv_cg_values *values, size_t group)
{
    struct nv_str text = read_text(walk, dir, blkio[group].bytes);

    if (!text.n)
        return;
    nv_cg_parse_blkio_bytes(walk->pass, values, 0, text);
    nv_cg_parse_blkio_ops(walk->pass, values, 0, read_text(walk, dir, blkio[group].ops));
}

static void choose_blkio(struct walk *walk, int dir, struct nv_cg_values *values)
{
    for (size_t i = 0; i < NV_LEN(blkio); i++) {
        read_blkio(walk, dir, values, i);
        if (values->n_io) {
            walk->blkio = i;
            return;
        }
    }
    walk->blkio = BLKIO_USUAL;
}

static void read_files(struct walk *walk, int dir, struct nv_cg *cgroup)
{
    struct nv_cg_values *values = cgroup->values;

    for (size_t i = 0; i < walk->n_files; i++) {
        const struct nv_cg_file *file = walk->files[i];
        if (!(file->how & cgroup->how))
            continue;
        if (file->parse == nv_cg_parse_procs) {
            if (cgroup->is.kind == NV_CG_CONTAINER)
                read_procs(walk, dir, values, true);
            continue;
        }
        struct nv_str text = read_text(walk, dir, file->name);
        if (text.n)
            file->parse(walk->pass, values, file->slot, text);
    }
    if (walk->state->n_huge && (walk->hierarchy->controllers & NV_CG_C_HUGETLB) &&
        cgroup->how == NV_CG_WHOLE)
        nv_cg_huge_read(walk->pass, walk->state, dir, walk->hierarchy->is_v2, values);
    if (!walk->has_io_v1 || cgroup->how == NV_CG_SANDBOX)
        return;
    if (cgroup->is.kind == NV_CG_ROOT)
        choose_blkio(walk, dir, values);
    else
        read_blkio(walk, dir, values, walk->blkio);
}

static void forget(struct nv_cg_values *values)
{
    values->mask = 0;
    values->io = NULL;
    values->links = NULL;
    values->n_io = values->room_io = values->n_links = 0;
    values->huge = NULL;
    values->more = NULL;
}

/* Forgets what the pass before knew; and, where another folder has taken the name, what was believed of it. */
static void begin(struct walk *walk, struct nv_cg *cgroup, const struct nv_dir_stat *st)
{
    if (cgroup->seen == walk->state->pass)
        return;
    if (cgroup->inode && cgroup->inode != st->inode) {
        nv_cg_ledger_gone(walk->state, cgroup);
        cgroup->oom_kills = cgroup->oom_carried = 0;
        cgroup->is_met = cgroup->is_entered = cgroup->of_pod = cgroup->has_oom_before = false;
        cgroup->oom_before = cgroup->oom_gone = cgroup->oom_entered = 0;
        cgroup->made_ms = cgroup->started_ms = 0;
        cgroup->pid = 0;
        cgroup->asked_comm = cgroup->is_watched = false;
        nv_cg_sched_free(cgroup->sched);
        cgroup->sched = NULL;
        cgroup->is_new = true;
    }
    if (!cgroup->made_ms)
        cgroup->made_ms = st->mtime_ns / 1000000;
    cgroup->inode = st->inode;
    cgroup->seen = walk->state->pass;
    if (!cgroup->values)
        return;
    forget(cgroup->values);
}

/* The folder below that has a row, or may have one below it, else NULL. */
static struct nv_cg *wanted_below(struct walk *walk, struct nv_cg *cgroup, struct nv_str name)
{
    struct nv_cg *child = nv_cg_child(walk->state, cgroup, name);

    if (!child || child->is.kind != NV_CG_IGNORED)
        return child;
    child->seen = walk->state->pass;
    return NULL;
}

static void visit(struct walk *walk, int dir, struct nv_cg *cgroup)
{
    struct nv_dir_stat st = {0};
    struct nv_names names;

    if (nv_dir_stat(walk->pass, dir, &st) < 0 ||
        (cgroup->seen == walk->state->pass && cgroup->walked == walk->number))
        return;
    begin(walk, cgroup, &st);
    nv_cg_births_watch(walk->pass, walk->state, walk->hierarchy->path, cgroup);
    cgroup->walked = walk->number;
    if (cgroup->values)
        read_files(walk, dir, cgroup);
    if (st.n_links == 2 || /* its own name and its dot: nothing is below */
        nv_dir_list(walk->pass, dir, &names) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        struct nv_cg *child = wanted_below(walk, cgroup, names.at[i]);
        int below = child ? nv_dir_open(walk->pass, dir, names.at[i].p) : -1;
        if (below < 0)
            continue;
        visit(walk, below, child);
        nv_dir_close(walk->pass, below);
    }
}

static bool choose_files(struct walk *walk)
{
    const struct nv_cg_hierarchy *hierarchy = walk->hierarchy;
    unsigned groups = walk->state->groups | NV_CG_ALWAYS;

    walk->n_files = 0;
    for (const struct nv_cg_file *file = hierarchy->is_v2 ? nv_cg_files_v2 : nv_cg_files_v1;
         file->name && walk->n_files < NV_LEN(walk->files); file++)
        if ((file->controller & hierarchy->controllers) && (file->groups & groups))
            walk->files[walk->n_files++] = file;
    walk->has_io_v1 =
        !hierarchy->is_v2 && (hierarchy->controllers & NV_CG_C_IO) && (groups & NV_CG_DISK_IO);
    walk->blkio = BLKIO_USUAL;
    return walk->n_files || walk->has_io_v1 ||
           (walk->state->n_huge && (hierarchy->controllers & NV_CG_C_HUGETLB));
}

void nv_cg_walk(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct walk walk = {.pass = pass, .state = state};

    state->n_fds_processes = state->n_sched_processes = 0;
    nv_cg_huge_sizes(pass, state);
    for (size_t i = 0; i < state->n_hierarchies; i++) {
        walk.hierarchy = &state->hierarchies[i];
        walk.number = i + 1;
        if (!choose_files(&walk))
            continue;
        int dir = nv_dir_open(pass, NV_DIR_ROOTS, walk.hierarchy->path);
        if (dir < 0)
            continue;
        visit(&walk, dir, state->root);
        nv_dir_close(pass, dir);
    }
}
