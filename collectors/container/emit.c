#include "container.h"

#define NS   NV_OVER(1e9)
#define USEC NV_OVER(1e6)
#define MSEC NV_OVER(1e3)

/* clang-format off */
static const struct nv_family columns[NV_CG_COLUMNS] = {
    [NV_CG_CPU_USER]           = {"container_cpu_user_seconds_total", NV_COUNTER, NS, "CPU time in user mode."},
    [NV_CG_CPU_SYSTEM]         = {"container_cpu_system_seconds_total", NV_COUNTER, NS, "CPU time in the kernel."},
    [NV_CG_CFS_PERIODS]        = {"container_cpu_cfs_periods_total", NV_COUNTER, NV_AS_IS, "Periods of the CPU quota that have elapsed."},
    [NV_CG_CFS_THROTTLED]      = {"container_cpu_cfs_throttled_periods_total", NV_COUNTER, NV_AS_IS, "Periods in which the quota was used up."},
    [NV_CG_CFS_THROTTLED_TIME] = {"container_cpu_cfs_throttled_seconds_total", NV_COUNTER, NS, "Time held back by the CPU quota, over all CPUs."},
    [NV_CG_CFS_BURSTS]         = {"container_cpu_cfs_burst_periods_total", NV_COUNTER, NV_AS_IS, "Periods in which saved quota was used."},
    [NV_CG_CFS_BURST_TIME]     = {"container_cpu_cfs_burst_seconds_total", NV_COUNTER, NS, "CPU time above the quota, from what was saved."},
    [NV_CG_SCHED_RUN]          = {"container_cpu_schedstat_run_seconds_total", NV_COUNTER, NS, "Time its processes ran."},
    [NV_CG_SCHED_WAITED]       = {"container_cpu_schedstat_runqueue_seconds_total", NV_COUNTER, NS, "Time its processes waited for a CPU."},
    [NV_CG_SCHED_PERIODS]      = {"container_cpu_schedstat_run_periods_total", NV_COUNTER, NV_AS_IS, "How often its processes were given a CPU."},

    [NV_CG_MEM_USAGE]          = {"container_memory_usage_bytes", NV_GAUGE, NV_AS_IS, "Memory in use, page cache included."},
    [NV_CG_MEM_WORKING_SET]    = {"container_memory_working_set_bytes", NV_GAUGE, NV_AS_IS, "Memory in use without file cache that is idle."},
    [NV_CG_MEM_RSS]            = {"container_memory_rss", NV_GAUGE, NV_AS_IS, "Anonymous memory."},
    [NV_CG_MEM_CACHE]          = {"container_memory_cache", NV_GAUGE, NV_AS_IS, "Page cache, shared memory included."},
    [NV_CG_MEM_MAPPED]         = {"container_memory_mapped_file", NV_GAUGE, NV_AS_IS, "Files that are mapped."},
    [NV_CG_MEM_SWAP]           = {"container_memory_swap", NV_GAUGE, NV_AS_IS, "Swap in use."},
    [NV_CG_MEM_KERNEL]         = {"container_memory_kernel_usage", NV_GAUGE, NV_AS_IS, "Memory the kernel has allocated on its behalf."},
    [NV_CG_MEM_MAX_USAGE]      = {"container_memory_max_usage_bytes", NV_GAUGE, NV_AS_IS, "Most memory that was in use."},
    [NV_CG_MEM_FAILCNT]        = {"container_memory_failcnt", NV_COUNTER, NV_AS_IS, "How often the memory limit was reached."},
    [NV_CG_MEM_ACTIVE_FILE]    = {"container_memory_total_active_file_bytes", NV_GAUGE, NV_AS_IS, "File cache that was used lately."},
    [NV_CG_MEM_INACTIVE_FILE]  = {"container_memory_total_inactive_file_bytes", NV_GAUGE, NV_AS_IS, "File cache that is idle."},
    [NV_CG_MEM_HIGH]           = {"container_memory_events_high_total", NV_COUNTER, NV_AS_IS, "How often it was throttled above memory.high."},
    [NV_CG_MEM_MAX]            = {"container_memory_events_max_total", NV_COUNTER, NV_AS_IS, "How often memory.max was reached."},
    [NV_CG_MEM_DIRTY]          = {"container_memory_file_dirty_bytes", NV_GAUGE, NV_AS_IS, "File cache not yet written back."},
    [NV_CG_MEM_WRITEBACK]      = {"container_memory_file_writeback_bytes", NV_GAUGE, NV_AS_IS, "File cache being written back."},
    [NV_CG_MEM_PGSCAN]         = {"container_memory_pgscan_total", NV_COUNTER, NV_AS_IS, "Pages scanned by reclaim."},
    [NV_CG_MEM_PGSTEAL]        = {"container_memory_pgsteal_total", NV_COUNTER, NV_AS_IS, "Pages reclaimed."},
    [NV_CG_MEM_REFAULT_FILE]   = {"container_memory_workingset_refault_file_total", NV_COUNTER, NV_AS_IS, "Pages of files read back soon after they were reclaimed."},
    [NV_CG_MEM_REFAULT_ANON]   = {"container_memory_workingset_refault_anon_total", NV_COUNTER, NV_AS_IS, "Anonymous pages read back soon after they were reclaimed."},
    [NV_CG_MEM_MIGRATE]        = {"container_memory_migrate", NV_GAUGE, NV_AS_IS, "Whether memory moves along when its NUMA nodes are changed."},

    [NV_CG_PROCESSES]          = {"container_processes", NV_GAUGE, NV_AS_IS, "Processes, those of cgroups below included."},
    [NV_CG_FILE_DESCRIPTORS]   = {"container_file_descriptors", NV_GAUGE, NV_AS_IS, "Open file descriptors."},
    [NV_CG_SOCKETS]            = {"container_sockets", NV_GAUGE, NV_AS_IS, "Open sockets."},
    [NV_CG_THREADS]            = {"container_threads", NV_GAUGE, NV_AS_IS, "Threads."},
    [NV_CG_THREADS_MAX]        = {"container_threads_max", NV_GAUGE, NV_AS_IS, "Most threads allowed, 0 for no limit."},

    [NV_CG_PSI_CPU_SOME]       = {"container_pressure_cpu_waiting_seconds_total", NV_COUNTER, USEC, "Time in which some tasks waited for a CPU."},
    [NV_CG_PSI_CPU_FULL]       = {"container_pressure_cpu_stalled_seconds_total", NV_COUNTER, USEC, "Time in which all tasks waited for a CPU."},
    [NV_CG_PSI_MEM_SOME]       = {"container_pressure_memory_waiting_seconds_total", NV_COUNTER, USEC, "Time in which some tasks waited for memory."},
    [NV_CG_PSI_MEM_FULL]       = {"container_pressure_memory_stalled_seconds_total", NV_COUNTER, USEC, "Time in which all tasks waited for memory."},
    [NV_CG_PSI_IO_SOME]        = {"container_pressure_io_waiting_seconds_total", NV_COUNTER, USEC, "Time in which some tasks waited for I/O."},
    [NV_CG_PSI_IO_FULL]        = {"container_pressure_io_stalled_seconds_total", NV_COUNTER, USEC, "Time in which all tasks waited for I/O."},

    [NV_CG_SPEC_PERIOD]        = {"container_spec_cpu_period", NV_GAUGE, NV_AS_IS, "Period of the CPU quota in microseconds."},
    [NV_CG_SPEC_QUOTA]         = {"container_spec_cpu_quota", NV_GAUGE, NV_AS_IS, "CPU quota in microseconds a period."},
    [NV_CG_SPEC_SHARES]        = {"container_spec_cpu_shares", NV_GAUGE, NV_AS_IS, "CPU shares; on v2 those that make the weight."},
    [NV_CG_SPEC_LIMIT]         = {"container_spec_memory_limit_bytes", NV_GAUGE, NV_AS_IS, "Memory limit, 0 for none."},
    [NV_CG_SPEC_RESERVATION]   = {"container_spec_memory_reservation_limit_bytes", NV_GAUGE, NV_AS_IS, "Memory that is kept from reclaim, 0 for none."},
    [NV_CG_SPEC_SWAP]          = {"container_spec_memory_swap_limit_bytes", NV_GAUGE, NV_AS_IS, "Swap limit, on v1 with memory, 0 for none."},

    [NV_CG_LAST_SEEN]          = {"container_last_seen", NV_GAUGE, NV_AS_IS, "When it was last seen."},
    [NV_CG_STARTED]            = {"container_start_time_seconds", NV_GAUGE, MSEC, "When it was started."},
};

static const struct nv_family usage_columns[] = {
    {"container_cpu_usage_seconds_total", NV_COUNTER, NS, "CPU time used."},
};
static const struct nv_family failure_columns[] = {
    {"container_memory_failures_total", NV_COUNTER, NV_AS_IS, "Page faults."},
};
static const struct nv_family io_columns[NV_CG_IO_FAMILIES] = {
    [NV_CG_IO_READ_BYTES]   = {"container_fs_reads_bytes_total", NV_COUNTER, NV_AS_IS, "Bytes read from a device."},
    [NV_CG_IO_WRITE_BYTES]  = {"container_fs_writes_bytes_total", NV_COUNTER, NV_AS_IS, "Bytes written to a device."},
    [NV_CG_IO_READS]        = {"container_fs_reads_total", NV_COUNTER, NV_AS_IS, "Reads from a device."},
    [NV_CG_IO_WRITES]       = {"container_fs_writes_total", NV_COUNTER, NV_AS_IS, "Writes to a device."},
    [NV_CG_IO_COST_USAGE]   = {"container_fs_io_cost_usage_seconds_total", NV_COUNTER, USEC, "Device time used, as the I/O cost model has it."},
    [NV_CG_IO_COST_WAIT]    = {"container_fs_io_cost_wait_seconds_total", NV_COUNTER, USEC, "Time spent waiting for I/O cost."},
    [NV_CG_IO_COST_INDEBT]  = {"container_fs_io_cost_indebt_seconds_total", NV_COUNTER, USEC, "Time in debt of I/O cost."},
    [NV_CG_IO_COST_INDELAY] = {"container_fs_io_cost_indelay_seconds_total", NV_COUNTER, USEC, "Time delayed for debt of I/O cost."},
};
static const struct nv_family blkio_columns[] = {
    {"container_blkio_device_usage_total", NV_COUNTER, NV_AS_IS, "Bytes of a device by operation."},
};
static const struct nv_family link_columns[NV_CG_LINK_NUMBERS] = {
    {"container_network_receive_bytes_total", NV_COUNTER, NV_AS_IS, "Bytes received."},
    {"container_network_receive_packets_total", NV_COUNTER, NV_AS_IS, "Packets received."},
    {"container_network_receive_errors_total", NV_COUNTER, NV_AS_IS, "Errors while receiving."},
    {"container_network_receive_packets_dropped_total", NV_COUNTER, NV_AS_IS, "Packets dropped while receiving."},
    {"container_network_transmit_bytes_total", NV_COUNTER, NV_AS_IS, "Bytes sent."},
    {"container_network_transmit_packets_total", NV_COUNTER, NV_AS_IS, "Packets sent."},
    {"container_network_transmit_errors_total", NV_COUNTER, NV_AS_IS, "Errors while sending."},
    {"container_network_transmit_packets_dropped_total", NV_COUNTER, NV_AS_IS, "Packets dropped while sending."},
};
static const struct nv_family ulimit_columns[] = {
    {"container_ulimits_soft", NV_GAUGE, NV_AS_IS, "Soft limit of its first process, -1 for none."},
};
static const struct nv_family huge_columns[NV_CG_HUGE_NUMBERS] = {
    {"container_hugetlb_usage_bytes", NV_GAUGE, NV_AS_IS, "Huge pages in use or reserved."},
    {"container_hugetlb_max_usage_bytes", NV_GAUGE, NV_AS_IS, "Most huge pages that were in use."},
    {"container_hugetlb_failcnt", NV_COUNTER, NV_AS_IS, "How often the limit of huge pages was reached."},
};
static const struct nv_family bound_columns[] = {
    {"container_scrape_error", NV_GAUGE, NV_AS_IS, "Whether cgroups could not be read, in which case it is absent: always 0."},
    {"container_cgroups_left_out", NV_GAUGE, NV_AS_IS, "Cgroups without series, for there would be too many."},
    {"container_series_left_out", NV_GAUGE, NV_AS_IS, "Series these would have."},
};
/* clang-format on */

#define BASE "container", "id", "image", "name", "namespace", "pod"

const struct nv_table nv_cg_rows = {NV_LABELS(BASE), columns, NV_CG_COLUMNS};
const struct nv_table nv_cg_usages = {NV_LABELS(BASE, "cpu"), usage_columns, 1};
const struct nv_table nv_cg_failures = {NV_LABELS(BASE, "failure_type", "scope"), failure_columns,
                                        1};
const struct nv_table nv_cg_devices = {NV_LABELS(BASE, "device"), io_columns, NV_CG_IO_FAMILIES};
const struct nv_table nv_cg_blkios = {NV_LABELS(BASE, "device", "major", "minor", "operation"),
                                      blkio_columns, 1};
const struct nv_table nv_cg_links = {NV_LABELS(BASE, "interface"), link_columns,
                                     NV_CG_LINK_NUMBERS};
const struct nv_table nv_cg_ulimits = {NV_LABELS(BASE, "ulimit"), ulimit_columns, 1};

const struct nv_table nv_cg_hugepages = {NV_LABELS(BASE, "pagesize"), huge_columns,
                                         NV_CG_HUGE_NUMBERS};
const struct nv_table nv_cg_bounds = {NV_NO_LABELS, bound_columns, NV_LEN(bound_columns)};

static const struct {
    const char *name;
    enum nv_cg_io_number number;
} operations[] = {
    {"Read",    NV_CG_IO_READ_BYTES   },
    {"Write",   NV_CG_IO_WRITE_BYTES  },
    {"Sync",    NV_CG_IO_SYNC_BYTES   },
    {"Async",   NV_CG_IO_ASYNC_BYTES  },
    {"Discard", NV_CG_IO_DISCARD_BYTES},
    {"Total",   NV_CG_IO_TOTAL_BYTES  },
};

static const struct {
    const char *type, *scope;
    enum nv_cg_slot slot;
} faults[] = {
    {"pgfault",    "container", NV_CG_FAULTS          },
    {"pgfault",    "hierarchy", NV_CG_ALL_FAULTS      },
    {"pgmajfault", "container", NV_CG_MAJOR_FAULTS    },
    {"pgmajfault", "hierarchy", NV_CG_ALL_MAJOR_FAULTS},
};

enum { EXTRA_MAX = 4 /* labels beyond those that all rows have */ };

/* A row's labels: the cgroup's, then `extra`. */
struct labels {
    struct nv_str at[NV_CG_LABELS + EXTRA_MAX];
};

/* ---- the rows of a cgroup --------------------------------------------------------------------- */

static void emit_faults(struct nv_pass *pass, const struct nv_cg_values *values,
                        struct labels *labels)
{
    for (size_t i = 0; i < NV_LEN(faults); i++) {
        if (!nv_cg_has(values, faults[i].slot))
            continue;
        labels->at[NV_CG_LABELS] = nv_str(faults[i].type);
        labels->at[NV_CG_LABELS + 1] = nv_str(faults[i].scope);
        nv_emit_u64(pass, &nv_cg_failures, labels->at, 0, values->at[faults[i].slot]);
    }
}

static struct nv_str decimal(struct nv_pass *pass, uint32_t number)
{
    char *text = nv_alloc(pass, 12);

    return (struct nv_str){text, (size_t)snprintf(text, 12, "%u", number)};
}

static void emit_io(struct nv_pass *pass, struct nv_cg_state *state,
                    const struct nv_cg_values *values, struct labels *labels)
{
    for (size_t i = 0; i < values->n_io; i++) {
        const struct nv_cg_io *io = &values->io[i];
        struct nv_str *extra = &labels->at[NV_CG_LABELS];
        if (!io->mask)
            continue;
        extra[0] = nv_cg_device_name(pass, state, io->major, io->minor);
        if (extra[0].n) /* several that are not known would be one */
            nv_emit_some(pass, &nv_cg_devices, labels->at, io->at, NV_CG_IO_FAMILIES, io->mask);
        extra[1] = decimal(pass, io->major);
        extra[2] = decimal(pass, io->minor);
        for (size_t k = 0; k < NV_LEN(operations); k++) {
            if (!(io->mask & 1u << operations[k].number))
                continue;
            extra[3] = nv_str(operations[k].name);
            nv_emit_u64(pass, &nv_cg_blkios, labels->at, 0, io->at[operations[k].number]);
        }
    }
}

static void emit_links(struct nv_pass *pass, const struct nv_cg_values *values,
                       struct labels *labels)
{
    for (size_t i = 0; i < values->n_links; i++) {
        labels->at[NV_CG_LABELS] = values->links[i].name;
        nv_emit_row(pass, &nv_cg_links, labels->at, values->links[i].at, NV_CG_LINK_NUMBERS);
    }
}

static void emit_cgroup(struct nv_pass *pass, struct nv_cg_state *state, const struct nv_cg *cgroup)
{
    const struct nv_cg_values *values = cgroup->values;
    struct labels labels;

    memcpy(labels.at, cgroup->labels, sizeof(cgroup->labels));
    nv_emit_some(pass, &nv_cg_rows, labels.at, values->at, NV_CG_COLUMNS, values->mask);
    if (values->more && values->more->n_cores) {
        nv_cg_cores_emit(pass, values->more, labels.at);
    } else if (nv_cg_has(values, NV_CG_CPU_USAGE)) {
        labels.at[NV_CG_LABELS] = NV_LIT("total");
        nv_emit_u64(pass, &nv_cg_usages, labels.at, 0, values->at[NV_CG_CPU_USAGE]);
    }
    emit_faults(pass, values, &labels);
    emit_io(pass, state, values, &labels);
    emit_links(pass, values, &labels);
    if (values->more && values->more->sockets)
        nv_cg_sockets_emit(pass, values->more->sockets, labels.at);
    if (values->more)
        nv_cg_numa_emit(pass, values->more, labels.at);
    for (size_t i = 0; values->huge && i < state->n_huge; i++) {
        labels.at[NV_CG_LABELS] = nv_str(state->huge_names[i]);
        nv_emit_some(pass, &nv_cg_hugepages, labels.at, values->huge[i].at, NV_CG_HUGE_NUMBERS,
                     values->huge[i].mask);
    }
    if (nv_cg_has(values, NV_CG_OPEN_FILES_SOFT)) {
        labels.at[NV_CG_LABELS] = NV_LIT("max_open_files");
        nv_emit_i64(pass, &nv_cg_ulimits, labels.at, 0, (int64_t)values->at[NV_CG_OPEN_FILES_SOFT]);
    }
}

size_t nv_cg_count_series(const struct nv_cg_state *state, const struct nv_cg *cgroup)
{
    const struct nv_cg_values *values = cgroup->values;
    const uint32_t shown = (1u << NV_CG_IO_FAMILIES) - 1;
    size_t n = (size_t)__builtin_popcountll(values->mask) + values->n_links * NV_CG_LINK_NUMBERS;

    if (values->more)
        n += values->more->n_cores + values->more->n_pages;
    if (values->more && values->more->sockets)
        n += nv_cg_sockets_count(values->more->sockets);
    for (size_t i = 0; values->huge && i < state->n_huge; i++)
        n += (size_t)__builtin_popcountll(values->huge[i].mask);
    for (size_t i = 0; i < values->n_io; i++) {
        n += (size_t)__builtin_popcount(values->io[i].mask & shown);
        for (size_t k = 0; k < NV_LEN(operations); k++)
            n += values->io[i].mask >> operations[k].number & 1;
    }
    return n;
}

void nv_cg_emit(struct nv_pass *pass, struct nv_cg_state *state)
{
    for (const struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup))
        if (cgroup->values && cgroup->seen == state->pass && !cgroup->left_out)
            emit_cgroup(pass, state, cgroup);
    nv_emit_row(pass, &nv_cg_bounds, NULL,
                (uint64_t[]){0, state->n_left_out, state->n_series_left_out},
                NV_LEN(bound_columns));
}
