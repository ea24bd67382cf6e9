/*
 * perf - events that the CPUs and the kernel count, by perf_event_open(2).
 *
 * An event is a descriptor per CPU, opened at start for all tasks, hypervisor excluded, read raw: what is
 * not scaled for the time a counter shared its register with others. Events come in three groups, each
 * of which can be left out or cut down to some names; of a group, what a CPU does not have is absent,
 * but having none of it is a start error, usual in virtual machines. Tracepoints are asked for as
 * subsystem:event; their numbers are in tracefs, which is looked for where the kernel mounts it and in
 * the mount table. The path flags do not apply.
 */
#include <nodevitals/collector.h>
#include <nodevitals/cpulist.h>

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// clang-format off
static const struct nv_family columns[] = {
    {"node_perf_cpucycles_total",                   NV_COUNTER, NV_AS_IS, "CPU cycles."},
    {"node_perf_instructions_total",                NV_COUNTER, NV_AS_IS, "Instructions retired."},
    {"node_perf_branch_instructions_total",         NV_COUNTER, NV_AS_IS, "Branches retired."},
    {"node_perf_branch_misses_total",               NV_COUNTER, NV_AS_IS, "Branches predicted wrongly."},
    {"node_perf_cache_refs_total",                  NV_COUNTER, NV_AS_IS, "Cache accesses."},
    {"node_perf_cache_misses_total",                NV_COUNTER, NV_AS_IS, "Cache misses."},
    {"node_perf_ref_cpucycles_total",               NV_COUNTER, NV_AS_IS, "CPU cycles at the reference frequency."},
    {"node_perf_stalled_cycles_backend_total",      NV_COUNTER, NV_AS_IS, "Cycles stalled in the back end."},
    {"node_perf_stalled_cycles_frontend_total",     NV_COUNTER, NV_AS_IS, "Cycles stalled in the front end."},
    {"node_perf_page_faults_total",                 NV_COUNTER, NV_AS_IS, "Page faults."},
    {"node_perf_context_switches_total",            NV_COUNTER, NV_AS_IS, "Context switches."},
    {"node_perf_cpu_migrations_total",              NV_COUNTER, NV_AS_IS, "Tasks moved to another CPU."},
    {"node_perf_minor_faults_total",                NV_COUNTER, NV_AS_IS, "Page faults served from memory."},
    {"node_perf_major_faults_total",                NV_COUNTER, NV_AS_IS, "Page faults that needed I/O."},
    {"node_perf_cache_l1d_read_hits_total",         NV_COUNTER, NV_AS_IS, "Reads of the first level data cache."},
    {"node_perf_cache_l1d_read_misses_total",       NV_COUNTER, NV_AS_IS, "Read misses of the first level data cache."},
    {"node_perf_cache_l1d_write_hits_total",        NV_COUNTER, NV_AS_IS, "Writes to the first level data cache."},
    {"node_perf_cache_l1_instr_read_misses_total",  NV_COUNTER, NV_AS_IS, "Read misses of the first level instruction cache."},
    {"node_perf_cache_tlb_instr_read_hits_total",   NV_COUNTER, NV_AS_IS, "Reads of the instruction TLB."},
    {"node_perf_cache_tlb_instr_read_misses_total", NV_COUNTER, NV_AS_IS, "Read misses of the instruction TLB."},
    {"node_perf_cache_tlb_data_read_hits_total",    NV_COUNTER, NV_AS_IS, "Reads of the data TLB."},
    {"node_perf_cache_tlb_data_read_misses_total",  NV_COUNTER, NV_AS_IS, "Read misses of the data TLB."},
    {"node_perf_cache_tlb_data_write_hits_total",   NV_COUNTER, NV_AS_IS, "Writes to the data TLB."},
    {"node_perf_cache_tlb_data_write_misses_total", NV_COUNTER, NV_AS_IS, "Write misses of the data TLB."},
    {"node_perf_cache_ll_read_hits_total",          NV_COUNTER, NV_AS_IS, "Reads of the last level cache."},
    {"node_perf_cache_ll_read_misses_total",        NV_COUNTER, NV_AS_IS, "Read misses of the last level cache."},
    {"node_perf_cache_ll_write_hits_total",         NV_COUNTER, NV_AS_IS, "Writes to the last level cache."},
    {"node_perf_cache_ll_write_misses_total",       NV_COUNTER, NV_AS_IS, "Write misses of the last level cache."},
    {"node_perf_cache_bpu_read_hits_total",         NV_COUNTER, NV_AS_IS, "Reads of the branch predictor."},
    {"node_perf_cache_bpu_read_misses_total",       NV_COUNTER, NV_AS_IS, "Read misses of the branch predictor."},
};

#define CACHE_EVENT(cache, operation, result)                                                      \
    (PERF_COUNT_HW_CACHE_##cache | PERF_COUNT_HW_CACHE_OP_##operation << 8 |                       \
     PERF_COUNT_HW_CACHE_RESULT_##result << 16)

enum group { HARDWARE, SOFTWARE, CACHE, N_GROUPS };

/* Events of the columns, by the names the flags have for them. */
static const struct event {
    enum group group;
    const char *name;
    uint64_t config;
} events[] = {
    {HARDWARE, "CpuCycles", PERF_COUNT_HW_CPU_CYCLES},
    {HARDWARE, "CpuInstr", PERF_COUNT_HW_INSTRUCTIONS},
    {HARDWARE, "BranchInstr", PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
    {HARDWARE, "BranchMisses", PERF_COUNT_HW_BRANCH_MISSES},
    {HARDWARE, "CacheRef", PERF_COUNT_HW_CACHE_REFERENCES},
    {HARDWARE, "CacheMisses", PERF_COUNT_HW_CACHE_MISSES},
    {HARDWARE, "RefCpuCycles", PERF_COUNT_HW_REF_CPU_CYCLES},
    {HARDWARE, "StalledCyclesBackend", PERF_COUNT_HW_STALLED_CYCLES_BACKEND},
    {HARDWARE, "StalledCyclesFrontend", PERF_COUNT_HW_STALLED_CYCLES_FRONTEND},
    {SOFTWARE, "PageFault", PERF_COUNT_SW_PAGE_FAULTS},
    {SOFTWARE, "ContextSwitch", PERF_COUNT_SW_CONTEXT_SWITCHES},
    {SOFTWARE, "CpuMigration", PERF_COUNT_SW_CPU_MIGRATIONS},
    {SOFTWARE, "MinorFault", PERF_COUNT_SW_PAGE_FAULTS_MIN},
    {SOFTWARE, "MajorFault", PERF_COUNT_SW_PAGE_FAULTS_MAJ},
    {CACHE, "L1DataReadHit", CACHE_EVENT(L1D, READ, ACCESS)},
    {CACHE, "L1DataReadMiss", CACHE_EVENT(L1D, READ, MISS)},
    {CACHE, "L1DataWriteHit", CACHE_EVENT(L1D, WRITE, ACCESS)},
    {CACHE, "L1InstrReadMiss", CACHE_EVENT(L1I, READ, MISS)},
    {CACHE, "InstrTLBReadHit", CACHE_EVENT(ITLB, READ, ACCESS)},
    {CACHE, "InstrTLBReadMiss", CACHE_EVENT(ITLB, READ, MISS)},
    {CACHE, "DataTLBReadHit", CACHE_EVENT(DTLB, READ, ACCESS)},
    {CACHE, "DataTLBReadMiss", CACHE_EVENT(DTLB, READ, MISS)},
    {CACHE, "DataTLBWriteHit", CACHE_EVENT(DTLB, WRITE, ACCESS)},
    {CACHE, "DataTLBWriteMiss", CACHE_EVENT(DTLB, WRITE, MISS)},
    {CACHE, "LLReadHit", CACHE_EVENT(LL, READ, ACCESS)},
    {CACHE, "LLReadMiss", CACHE_EVENT(LL, READ, MISS)},
    {CACHE, "LLWriteHit", CACHE_EVENT(LL, WRITE, ACCESS)},
    {CACHE, "LLWriteMiss", CACHE_EVENT(LL, WRITE, MISS)},
    {CACHE, "BPUReadHit", CACHE_EVENT(BPU, READ, ACCESS)},
    {CACHE, "BPUReadMiss", CACHE_EVENT(BPU, READ, MISS)},
};
// clang-format on
_Static_assert(NV_LEN(events) == NV_LEN(columns), "one event per column");

enum {
    FLAG_CPUS,
    FLAG_TRACEPOINT,
    FLAG_GROUPS, /* two for each: disable, profilers */
};
enum { N_EVENTS = NV_LEN(events), N_TRACEPOINTS_MAX = 256 };

static const struct {
    const char *name;
    uint32_t type;
} groups[N_GROUPS] = {
    {"hardware", PERF_TYPE_HARDWARE},
    {"software", PERF_TYPE_SOFTWARE},
    {"cache",    PERF_TYPE_HW_CACHE},
};

static const struct nv_table table = {NV_LABELS("cpu"), columns, NV_LEN(columns)};

struct tracepoint {
    char family[160];
    uint64_t id;
};

struct state {
    unsigned *cpus;
    size_t n_cpus;
    struct tracepoint *tracepoints;
    size_t n_tracepoints;
    int *fds; /* per CPU: of the events, then of the tracepoints; -1 for none */
};

static int *fds_of(const struct state *state, size_t cpu)
{
    return state->fds + cpu * (N_EVENTS + state->n_tracepoints);
}

/* ---- what to count -------------------------------------------------------------------------- */

static int add_cpus(struct state *state, struct nv_str list)
{
    struct nv_cpu_range range;
    int r;

    while ((r = nv_cpu_list_next(&list, &range)) > 0) {
        size_t n = (range.last - range.first) / range.stride + 1;
        if (state->n_cpus + n > NV_CPUS_MAX)
            return -E2BIG;
        unsigned *cpus = reallocarray(state->cpus, state->n_cpus + n, sizeof(*cpus));
        if (!cpus)
            return -ENOMEM;
        state->cpus = cpus;
        for (size_t i = 0; i < n; i++)
            cpus[state->n_cpus++] = range.first + (unsigned)i * range.stride;
    }
    return r;
}

static int choose_cpus(struct nv_pass *pass)
{
    struct nv_str list = nv_flag(pass, FLAG_CPUS)->text;
    char all[32];

    if (!list.n && nv_read_attribute(pass, "sys/devices/system/cpu/online", &list) < 0) {
        nv_path(all, "0-%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
        list = nv_str(all);
    }
    int r = add_cpus(nv_state(pass), list);
    return r < 0 ? nv_error(pass, r, "--collector.perf.cpus: no list of CPUs: %.*s", NV_ARGS(list))
                 : 0;
}

/* The number in events/<subsystem>/<event>/id below a tracefs. */
static bool read_id(const char *tracefs, const char *tracepoint, uint64_t *ret)
{
    char path[512], text[32];

    nv_path(path, "%s/events/%s/id", tracefs, tracepoint);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    return n > 0 && nv_str_to_u64((struct nv_str){text, (size_t)n}, ret);
}

/* Looks through the mount table for a tracefs or debugfs that has the tracepoint. */
static bool find_id(const char *tracepoint, uint64_t *ret)
{
    char line[1024], tracefs[256];
    bool found = read_id("/sys/kernel/tracing", tracepoint, ret) ||
                 read_id("/sys/kernel/debug/tracing", tracepoint, ret);
    FILE *file = found ? NULL : fopen("/proc/self/mounts", "re");

    while (file && !found && fgets(line, sizeof(line), file)) {
        struct nv_scan s = nv_scan(nv_str(line));
        nv_scan_word(&s);
        struct nv_str point = nv_scan_word(&s), type = nv_scan_word(&s);
        if (!nv_str_is(type, "tracefs") && !nv_str_is(type, "debugfs"))
            continue;
        nv_path(tracefs, "%.*s%s", NV_ARGS(point), nv_str_is(type, "debugfs") ? "/tracing" : "");
        found = read_id(tracefs, tracepoint, ret);
    }
    if (file)
        fclose(file);
    return found;
}

static int choose_tracepoints(struct nv_pass *pass)
{
    const struct nv_flag_value *flag = nv_flag(pass, FLAG_TRACEPOINT);
    struct state *state = nv_state(pass);

    if (flag->n_list > N_TRACEPOINTS_MAX)
        return nv_error(pass, -E2BIG, "more than %d tracepoints", N_TRACEPOINTS_MAX);
    state->tracepoints = calloc(flag->n_list + 1, sizeof(*state->tracepoints));
    if (!state->tracepoints)
        return -ENOMEM;
    for (size_t i = 0; i < flag->n_list; i++) {
        struct nv_str event = flag->list[i], subsystem = nv_str_cut(&event, ':');
        struct tracepoint *tracepoint = &state->tracepoints[i];
        char path[256];
        if (!subsystem.n || !event.n || nv_str_contains(event, ":") ||
            nv_str_contains(flag->list[i], "/"))
            return nv_error(pass, -EINVAL,
                            "--collector.perf.tracepoint: want subsystem:event, not %.*s",
                            NV_ARGS(flag->list[i]));
        nv_path(path, "%.*s/%.*s", NV_ARGS(subsystem), NV_ARGS(event));
        if (!find_id(path, &tracepoint->id))
            return nv_error(pass, -ENOENT,
                            "--collector.perf.tracepoint: no tracepoint %.*s (is tracefs mounted?)",
                            NV_ARGS(flag->list[i]));
        nv_path(tracepoint->family, "node_perf_%.*s_%.*s", NV_ARGS(subsystem), NV_ARGS(event));
        state->n_tracepoints++;
    }
    return 0;
}

/* The events of a group that the flags want, as bits; unknown names are an error. */
static int choose_events(struct nv_pass *pass, enum group group, uint64_t *ret)
{
    const struct nv_flag_value *disable = nv_flag(pass, FLAG_GROUPS + 2 * (size_t)group),
                               *names = disable + 1;
    uint64_t all = 0, chosen = 0;

    for (size_t i = 0; i < N_EVENTS; i++)
        all |= events[i].group == group ? UINT64_C(1) << i : 0;
    for (size_t k = 0; k < names->n_list; k++) {
        uint64_t bit = 0;
        for (size_t i = 0; i < N_EVENTS; i++) {
            if (events[i].group == group && nv_str_is(names->list[k], events[i].name))
                bit = UINT64_C(1) << i;
        }
        if (!bit)
            return nv_error(pass, -EINVAL, "--collector.perf.%s-profilers: unknown name %.*s",
                            groups[group].name, NV_ARGS(names->list[k]));
        chosen |= bit;
    }
    *ret = disable->on ? 0 : names->n_list ? chosen : all;
    return 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int open_event(uint32_t type, uint64_t config, unsigned cpu)
{
    struct perf_event_attr attr = {
        .type = type,
        .size = sizeof(attr),
        .config = config,
        .inherit = 1,
        .exclude_hv = 1,
    };
    long fd = syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

    return fd < 0 ? -errno : (int)fd;
}

/* The wanted events of a group on a CPU. All that open will do, none is an error. */
static int open_group(struct nv_pass *pass, enum group group, uint64_t wanted, size_t cpu)
{
    const struct state *state = nv_state(pass);
    int r = -ENOENT;
    bool some = false;

    for (size_t i = 0; i < N_EVENTS; i++) {
        if (!(wanted >> i & 1))
            continue;
        int fd = open_event(groups[group].type, events[i].config, state->cpus[cpu]);
        some |= fd >= 0;
        if (fd >= 0)
            fds_of(state, cpu)[i] = fd;
        else
            r = fd;
    }
    if (!some && wanted)
        return nv_error(pass, r,
                        "perf: CPU %u has no %s event that can be opened; see "
                        "--collector.perf.disable-%s-profilers",
                        state->cpus[cpu], groups[group].name, groups[group].name);
    return 0;
}

static int open_tracepoints(struct nv_pass *pass, size_t cpu)
{
    const struct state *state = nv_state(pass);

    for (size_t i = 0; i < state->n_tracepoints; i++) {
        int fd = open_event(PERF_TYPE_TRACEPOINT, state->tracepoints[i].id, state->cpus[cpu]);
        if (fd < 0)
            return nv_error(pass, fd, "perf: cannot open %s on CPU %u",
                            state->tracepoints[i].family, state->cpus[cpu]);
        fds_of(state, cpu)[N_EVENTS + i] = fd;
    }
    return 0;
}

/* A descriptor per event and CPU exceeds the usual soft limit soon. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    uint64_t wanted[N_GROUPS];

    int r = choose_cpus(pass);
    if (r == 0)
        r = choose_tracepoints(pass);
    for (unsigned group = 0; r == 0 && group < N_GROUPS; group++)
        r = choose_events(pass, group, &wanted[group]);
    if (r < 0)
        return r;

    size_t n = state->n_cpus * (N_EVENTS + state->n_tracepoints);
    state->fds = calloc(n + 1, sizeof(*state->fds));
    if (!state->fds)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        state->fds[i] = -1;
    raise_limit();
    for (size_t cpu = 0; r == 0 && cpu < state->n_cpus; cpu++) {
        r = open_tracepoints(pass, cpu);
        for (unsigned group = 0; r == 0 && group < N_GROUPS; group++)
            r = open_group(pass, group, wanted[group], cpu);
    }
    return r;
}

static void stop(void *memory)
{
    struct state *state = memory;
    size_t n = state->fds ? state->n_cpus * (N_EVENTS + state->n_tracepoints) : 0;

    for (size_t i = 0; i < n; i++) {
        if (state->fds[i] >= 0)
            close(state->fds[i]);
    }
    free(state->fds);
    free(state->tracepoints);
    free(state->cpus);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_count(int fd, uint64_t *ret)
{
    return fd >= 0 && read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
}

static void collect_cpu(struct nv_pass *pass, size_t cpu)
{
    const struct state *state = nv_state(pass);
    const int *fds = fds_of(state, cpu);
    uint64_t value[N_EVENTS] = {0}, mask = 0, count;
    char number[16];

    nv_path(number, "%u", state->cpus[cpu]);
    struct nv_str label = nv_str(number);
    for (size_t i = 0; i < N_EVENTS; i++)
        mask |= read_count(fds[i], &value[i]) ? UINT64_C(1) << i : 0;
    nv_emit_some(pass, &table, &label, value, N_EVENTS, mask);
    for (size_t i = 0; i < state->n_tracepoints; i++) {
        struct nv_family family = {state->tracepoints[i].family, NV_COUNTER, NV_AS_IS,
                                   "Times the kernel passed the tracepoint of this name."};
        if (read_count(fds[N_EVENTS + i], &count))
            nv_emit_named(pass, &family, table.labels, &label, (double)count);
    }
}

static int collect(struct nv_pass *pass)
{
    const struct state *state = nv_state(pass);

    for (size_t cpu = 0; cpu < state->n_cpus; cpu++)
        collect_cpu(pass, cpu);
    return 0;
}

NV_COLLECTOR(perf) = {
    NV_ABI_STAMP,
    .name = "perf",
    .summary = "Events counted by CPUs and kernel.",
    .options = NV_OFF_BY_DEFAULT,
    .tables = NV_TABLES(&table),
    .flags = NV_FLAGS({"collector.perf.cpus", NV_FLAG_TEXT, "",
                       "CPUs to count on, as 0,2-4 or 0-15:4; all by default.", false},
                      {"collector.perf.tracepoint", NV_FLAG_LIST, "",
                       "Tracepoint to count, subsystem:event (repeatable).", false},
                      {"collector.perf.disable-hardware-profilers", NV_FLAG_BOOL, "false",
                       "Count no hardware events.", false},
                      {"collector.perf.hardware-profilers", NV_FLAG_LIST, "",
                       "Hardware event to count (repeatable); all by default.", false},
                      {"collector.perf.disable-software-profilers", NV_FLAG_BOOL, "false",
                       "Count no software events.", false},
                      {"collector.perf.software-profilers", NV_FLAG_LIST, "",
                       "Software event to count (repeatable); all by default.", false},
                      {"collector.perf.disable-cache-profilers", NV_FLAG_BOOL, "false",
                       "Count no cache events.", false},
                      {"collector.perf.cache-profilers", NV_FLAG_LIST, "",
                       "Cache event to count (repeatable); all by default.", false}),
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
