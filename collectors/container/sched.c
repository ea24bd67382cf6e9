/*
 * sched.c - run queues (group "sched"), from /proc/PID/schedstat: nanoseconds run, nanoseconds waited, times run.
 *
 * A container's counters are those of its processes and the last ones of processes that have gone, or they would fall
 * with each that ends; so the processes of the pass before are remembered, in the order of their numbers. One whose
 * counter fell is another with the same number.
 *
 * Off by default, for it reads a file of every process; no more than PROCESSES_MAX in a pass. A container beyond says
 * nothing in that pass, and remembers what it knew.
 */
#include <nodevitals/sort.h>

#include "container.h"

enum { PROCESSES_MAX = 20000 };

struct nv_cg_sched {
    uint64_t gone[NV_CG_SCHED_NUMBERS];
    struct nv_cg_process *all;
    size_t n;
};

static struct nv_cg_process *room_for_one(struct nv_pass *pass, struct nv_cg_more *more)
{
    if (more->n_processes == more->room_processes) {
        size_t room = more->room_processes ? 2 * more->room_processes : 16;
        struct nv_cg_process *processes = nv_alloc(pass, room * sizeof(*processes));
        if (more->n_processes)
            memcpy(processes, more->processes, more->n_processes * sizeof(*processes));
        more->processes = processes;
        more->room_processes = room;
    }
    return &more->processes[more->n_processes];
}

static bool read_process(struct nv_pass *pass, int proc, struct nv_cg_process *process)
{
    char name[32], text[128];

    nv_path(name, "%lld/schedstat", (long long)process->pid);
    int n = nv_dir_read(pass, proc, name, text, sizeof(text));
    struct nv_scan scan = nv_scan((struct nv_str){text, n > 0 ? (size_t)n : 0});
    return nv_scan_row(&scan, process->at, NV_CG_SCHED_NUMBERS) == NV_CG_SCHED_NUMBERS;
}

void nv_cg_sched_read(struct nv_pass *pass, struct nv_cg_state *state, struct nv_cg_values *values,
                      struct nv_str procs)
{
    struct nv_cg_more *more = nv_cg_more(pass, values);
    int proc = nv_dir_open(pass, NV_DIR_ROOTS, "proc");

    more->has_processes = proc >= 0;
    while (proc >= 0 && procs.n) {
        struct nv_cg_process *process = room_for_one(pass, more);
        if (!nv_str_to_i64(nv_str_cut(&procs, '\n'), &process->pid) || process->pid <= 0)
            continue;
        if (state->n_sched_processes++ >= PROCESSES_MAX) {
            more->has_processes = false;
            break;
        }
        more->n_processes += read_process(pass, proc, process);
    }
    if (proc >= 0)
        nv_dir_close(pass, proc);
}

static int by_pid(const void *a, const void *b)
{
    int64_t left = ((const struct nv_cg_process *)a)->pid;
    int64_t right = ((const struct nv_cg_process *)b)->pid;

    return left < right ? -1 : left > right;
}

/* Enters what went since the pass before. Both lists are in order. */
static void add_gone(struct nv_cg_sched *sched, const struct nv_cg_more *more)
{
    size_t at = 0;

    for (size_t i = 0; i < sched->n; i++) {
        const struct nv_cg_process *old = &sched->all[i];
        while (at < more->n_processes && more->processes[at].pid < old->pid)
            at++;
        if (at < more->n_processes && more->processes[at].pid == old->pid &&
            more->processes[at].at[0] >= old->at[0])
            continue;
        for (size_t k = 0; k < NV_CG_SCHED_NUMBERS; k++)
            sched->gone[k] += old->at[k];
    }
}

/* Remembers the processes there are; those of before where memory is out. */
static void remember(struct nv_cg_sched *sched, const struct nv_cg_more *more)
{
    size_t size = more->n_processes * sizeof(*sched->all);
    struct nv_cg_process *all = malloc(size + 1);

    if (!all)
        return;
    if (size)
        memcpy(all, more->processes, size);
    free(sched->all);
    sched->all = all;
    sched->n = more->n_processes;
}

void nv_cg_sched_finish(struct nv_cg *cgroup)
{
    const struct nv_cg_more *more = cgroup->values->more;
    uint64_t sum[NV_CG_SCHED_NUMBERS];

    if (!more || !more->has_processes || (!cgroup->sched && !more->n_processes) ||
        (!cgroup->sched && !(cgroup->sched = calloc(1, sizeof(*cgroup->sched)))))
        return;
    if (more->n_processes)
        nv_sort(more->processes, more->n_processes, sizeof(*more->processes), by_pid);
    add_gone(cgroup->sched, more);
    remember(cgroup->sched, more);
    memcpy(sum, cgroup->sched->gone, sizeof(sum));
    for (size_t i = 0; i < more->n_processes; i++)
        for (size_t k = 0; k < NV_CG_SCHED_NUMBERS; k++)
            sum[k] += more->processes[i].at[k];
    for (size_t k = 0; k < NV_CG_SCHED_NUMBERS; k++)
        nv_cg_set(cgroup->values, (enum nv_cg_slot)(NV_CG_SCHED_RUN + k), sum[k]);
}

void nv_cg_sched_free(struct nv_cg_sched *sched)
{
    if (!sched)
        return;
    free(sched->all);
    free(sched);
}
