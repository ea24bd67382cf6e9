/*
 * container - containers, pods and services as cAdvisor shows them, from cgroups: see container.h.
 *
 * With --collector.container.source=kubelet there is nothing here: the agent scrapes the kubelet's own /metrics/cadvisor
 * instead. With auto it does so, and leaves this collector out, where it does not see the node's cgroups.
 */
#include <nodevitals/sort.h>
#include <time.h>

#include "container.h"

enum { SOURCE, ENABLE, DISABLE, MAX_SERIES };

/* The words of cAdvisor's flags. Those without a group are known and have nothing here: see README.md. */
static const struct {
    const char *word;
    unsigned group;
    bool is_default;
} groups[] = {
    {"cpu",               NV_CG_CPU,      true },
    {"memory",            NV_CG_MEMORY,   true },
    {"diskIO",            NV_CG_DISK_IO,  true },
    {"disk",              NV_CG_DISK,     true },
    {"network",           NV_CG_NETWORK,  true },
    {"process",           NV_CG_PROCESS,  true },
    {"oom_event",         NV_CG_OOM,      true },
    {"pressure",          NV_CG_PRESSURE, true },
    {"hugetlb",           NV_CG_HUGETLB,  true },
    {"fds",               NV_CG_FDS,      false}, /* ours: for it looks into every process */
    {"accelerator",       0,              false},
    {"advtcp",            NV_CG_ADVTCP,   false},
    {"app",               0,              false},
    {"cpu_topology",      NV_CG_TOPOLOGY, false},
    {"cpuLoad",           0,              false},
    {"cpuset",            NV_CG_CPUSET,   false},
    {"memory_numa",       NV_CG_NUMA,     false},
    {"percpu",            NV_CG_PERCPU,   false},
    {"perf_event",        0,              false},
    {"referenced_memory", 0,              false},
    {"resctrl",           0,              false},
    {"sched",             NV_CG_SCHED,    false},
    {"tcp",               NV_CG_TCP,      false},
    {"udp",               NV_CG_UDP,      false},
};

static const struct nv_flag flags[] = {
    {"collector.container.source",         NV_FLAG_TEXT, "auto",
     "Where container metrics come from: cgroup, kubelet, or auto, which is cgroup wherever the "
     "host's tree can be read.", false},
    {"collector.container.enable-metrics",                              NV_FLAG_TEXT, "",
     "Groups to expose besides cpu,memory,diskIO,disk,network,process,oom_event,pressure,hugetlb, "
     "with "
     "commas between: tcp,udp,advtcp,sched,cpuset,memory_numa,percpu,cpu_topology,fds.", false},
    {"collector.container.disable-metrics",                               NV_FLAG_TEXT, "",
     "Groups not to expose, with commas between.", false},
    {"collector.container.max-series", NV_FLAG_INT, "100000",
     "Most series of containers; what is beyond is left out by whole cgroups.", false},
    {0                                 },
};

/* What is told of a cgroup that is not told of whole. */
#define CPU_TIMES                                                                                  \
    (NV_CG_BIT(NV_CG_CPU_USER) | NV_CG_BIT(NV_CG_CPU_SYSTEM) | NV_CG_BIT(NV_CG_CPU_USAGE))
#define MEMORY_IN_USE                                                                              \
    (NV_CG_BIT(NV_CG_MEM_USAGE) | NV_CG_BIT(NV_CG_MEM_WORKING_SET) | NV_CG_BIT(NV_CG_MEM_RSS) |    \
     NV_CG_BIT(NV_CG_MEM_CACHE))
#define TIMES (NV_CG_BIT(NV_CG_LAST_SEEN) | NV_CG_BIT(NV_CG_STARTED))
#define QUOTA                                                                                      \
    (NV_CG_BIT(NV_CG_CFS_PERIODS) | NV_CG_BIT(NV_CG_CFS_THROTTLED) |                               \
     NV_CG_BIT(NV_CG_CFS_THROTTLED_TIME) | NV_CG_BIT(NV_CG_CFS_BURSTS) |                           \
     NV_CG_BIT(NV_CG_CFS_BURST_TIME))

static const uint64_t sandbox_slots = CPU_TIMES | MEMORY_IN_USE | TIMES | NV_CG_BIT(NV_CG_THREADS);
static const uint64_t system_slots = CPU_TIMES | MEMORY_IN_USE | TIMES | NV_CG_BIT(NV_CG_THREADS) |
                                     NV_CG_BIT(NV_CG_MEM_SWAP) | NV_CG_BIT(NV_CG_SPEC_LIMIT) |
                                     NV_CG_BIT(NV_CG_OOM_KILLS);

/* ---- flags ---------------------------------------------------------------------------------- */

static int read_groups(struct nv_pass *pass, size_t flag, unsigned *ret)
{
    struct nv_str list = nv_flag(pass, flag)->text;

    *ret = 0;
    while (list.n) {
        struct nv_str word = nv_str_trim(nv_str_cut(&list, ','));
        size_t i = 0;
        while (i < NV_LEN(groups) && !nv_str_is(word, groups[i].word))
            i++;
        if (i == NV_LEN(groups))
            return nv_error(pass, -EINVAL, "--%s: unknown group \"%.*s\"", flags[flag].name,
                            NV_ARGS(word));
        if (flag == ENABLE && !groups[i].group)
            nv_say(pass, NV_WARN, "--%s: there is nothing of the group \"%.*s\"", flags[flag].name,
                   NV_ARGS(word));
        *ret |= groups[i].group;
    }
    return 0;
}

static int start(struct nv_pass *pass)
{
    struct nv_cg_state *state = nv_state(pass);
    struct nv_str source = nv_flag(pass, SOURCE)->text;
    unsigned more, less;

    if (!nv_str_is(source, "auto") && !nv_str_is(source, "cgroup") && !nv_str_is(source, "kubelet"))
        return nv_error(pass, -EINVAL, "--%s: \"%.*s\" is none of auto, cgroup, kubelet",
                        flags[SOURCE].name, NV_ARGS(source));
    int r = read_groups(pass, ENABLE, &more);
    if (r == 0)
        r = read_groups(pass, DISABLE, &less);
    if (r < 0)
        return r;
    if (nv_flag(pass, MAX_SERIES)->number < 1)
        return nv_error(pass, -EINVAL, "--%s has to be positive", flags[MAX_SERIES].name);

    for (size_t i = 0; i < NV_LEN(groups); i++)
        if (groups[i].is_default)
            state->groups |= groups[i].group;
    state->groups = (state->groups | more) & ~less;
    state->max_series = (uint64_t)nv_flag(pass, MAX_SERIES)->number;
    state->off = nv_str_is(source, "kubelet");
    state->text = malloc(NV_CG_TEXT_MAX);
    r = state->text ? nv_cg_root(state) : -ENOMEM;
    if (r == 0)
        r = nv_cg_ledger_start(state);
    return r < 0 ? r : nv_cg_births_start(state);
}

static void stop(void *state_)
{
    struct nv_cg_state *state = state_;

    nv_cg_free(state, state->root);
    nv_cg_names_free(state->names);
    nv_cg_ledger_free(state->ledger);
    nv_cg_births_free(state->births);
    free(state->machine);
    free(state->buckets);
    free(state->devices);
    free(state->mounts);
    free(state->text);
}

/* ---- the bound on series -------------------------------------------------------------------- */

/* Those that are left out first come last: sandboxes, then what lies deep; of equals the order of the paths decides. */
static int by_worth(const void *a_, const void *b_)
{
    const struct nv_cg *a = *(const struct nv_cg *const *)a_, *b = *(const struct nv_cg *const *)b_;

    if (a->is_sandbox != b->is_sandbox)
        return a->is_sandbox ? 1 : -1;
    if (a->depth != b->depth)
        return a->depth < b->depth ? -1 : 1;
    return strcmp(a->path, b->path);
}

static void keep_bound(struct nv_pass *pass, struct nv_cg_state *state)
{
    size_t n = 0, sum = 0;

    state->n_series_left_out = 0;
    for (struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup)) {
        cgroup->left_out = false;
        if (cgroup->values && cgroup->seen == state->pass) {
            sum += nv_cg_count_series(state, cgroup);
            n++;
        }
    }
    if (sum <= state->max_series)
        return;
    struct nv_cg **all = nv_alloc(pass, n * sizeof(struct nv_cg *));
    n = 0;
    for (struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup))
        if (cgroup->values && cgroup->seen == state->pass)
            all[n++] = cgroup;
    nv_sort(all, n, sizeof(struct nv_cg *), by_worth);
    for (; n && sum > state->max_series; n--) {
        size_t series = nv_cg_count_series(state, all[n - 1]);
        all[n - 1]->left_out = true;
        state->n_left_out++;
        state->n_series_left_out += series;
        sum -= series;
    }
}

/* ---- a pass --------------------------------------------------------------------------------- */

static void finish_root(const struct nv_cg_state *state, struct nv_cg_values *values)
{
    nv_cg_machine_limits(state, values);
    if (!nv_cg_has(values, NV_CG_MEM_USAGE) && nv_cg_has(values, NV_CG_MEM_RSS) &&
        nv_cg_has(values, NV_CG_MEM_CACHE))
        nv_cg_set(values, NV_CG_MEM_USAGE, values->at[NV_CG_MEM_RSS] + values->at[NV_CG_MEM_CACHE]);
}

/* What follows from what was read. */
static void finish(const struct nv_cg_state *state, struct nv_cg *cgroup, int64_t now_s)
{
    struct nv_cg_values *values = cgroup->values;

    if (cgroup->is.kind == NV_CG_ROOT)
        finish_root(state, values);
    if (nv_cg_has(values, NV_CG_MEM_USAGE) && nv_cg_has(values, NV_CG_MEM_INACTIVE_FILE)) {
        uint64_t usage = values->at[NV_CG_MEM_USAGE], idle = values->at[NV_CG_MEM_INACTIVE_FILE];
        nv_cg_set(values, NV_CG_MEM_WORKING_SET, usage > idle ? usage - idle : 0);
    }
    if (state->sums_ooms && nv_cg_has(values, NV_CG_MEM_USAGE) && cgroup->how == NV_CG_WHOLE &&
        !nv_cg_has(values, NV_CG_MEM_SWAP))
        nv_cg_set(values, NV_CG_MEM_SWAP,
                  0); /* a kernel of v2 that has no file for it has no swap */
    if ((state->groups & NV_CG_CPUSET) && state->has_v2 && cgroup->how == NV_CG_WHOLE &&
        !nv_cg_has(values, NV_CG_MEM_MIGRATE))
        nv_cg_set(values, NV_CG_MEM_MIGRATE, 0); /* v2 has no such switch */
    nv_cg_sched_finish(cgroup);
    if (!nv_cg_has(values, NV_CG_SPEC_QUOTA))
        values->mask &= ~QUOTA;
    nv_cg_set(values, NV_CG_LAST_SEEN, (uint64_t)now_s);
    int64_t started_ms = cgroup->started_ms > 0 ? cgroup->started_ms : cgroup->made_ms;
    if (started_ms > 0)
        nv_cg_set(values, NV_CG_STARTED, (uint64_t)started_ms);
    if (cgroup->how == NV_CG_SANDBOX)
        values->mask &= sandbox_slots;
    if (cgroup->how == NV_CG_SYSTEM)
        values->mask &= system_slots;
}

static int collect(struct nv_pass *pass)
{
    struct nv_cg_state *state = nv_state(pass);
    struct timespec now;

    if (state->off)
        return NV_NO_DATA;
    int r = nv_cg_hierarchies(pass, state);
    state->pass++;
    state->n_left_out = 0;
    if (r == 0)
        r = nv_cg_machine_read(pass, state);
    if (r)
        return r;
    nv_cg_walk(pass, state);
    nv_cg_sweep(state);
    nv_cg_label_all(pass, state);
    nv_cg_network(pass, state);
    nv_cg_ledger_count(pass, state);
    clock_gettime(CLOCK_REALTIME, &now);
    for (struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup))
        if (cgroup->values && cgroup->seen == state->pass)
            finish(state, cgroup, now.tv_sec);
    keep_bound(pass, state);
    nv_cg_emit(pass, state);
    nv_cg_ledger_emit(pass, state);
    nv_cg_disk_emit(pass, state);
    nv_cg_machine_emit(pass, state);
    return 0;
}

NV_COLLECTOR(container) = {
    NV_ABI_STAMP,
    .name = "container",
    .summary = "Containers, pods and services by their cgroups.",
    .job = "kubelet",
    .metrics_path = "/metrics/cadvisor",
    .options = NV_ON_IN_KUBERNETES | NV_MAY_BLOCK,
    .tables = NV_TABLES(&nv_cg_rows, &nv_cg_usages, &nv_cg_failures, &nv_cg_devices, &nv_cg_blkios,
                        &nv_cg_links, &nv_cg_ulimits, &nv_cg_hugepages, &nv_cg_ooms, &nv_cg_entries,
                        &nv_cg_bounds, &nv_cg_tcps, &nv_cg_udps, &nv_cg_advanced, &nv_cg_numas,
                        &nv_cg_disks, &nv_cg_disk_ios, &nv_cg_machines, &nv_cg_dimms,
                        &nv_cg_versions, &nv_cg_machine_errors, &nv_cg_caches, &nv_cg_siblings,
                        &nv_cg_node_memories, &nv_cg_node_huges, &nv_cg_node_distances),
    .flags = flags,
    .cadence_ms = 15000,
    .state_size = sizeof(struct nv_cg_state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
