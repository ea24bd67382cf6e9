/*
 * container.h - the container collector from within: its state, and what its files do for each other.
 *
 *   container.c    the descriptor, flags, the order of a pass
 *   name.c         what a cgroup is, by its name
 *   hierarchies.c  where the controllers are mounted, v1, v2 or some of each
 *   tree.c         the cgroups, remembered from pass to pass
 *   walk.c         goes through the hierarchies and reads the files that files.c lists
 *   parse.c        what a file's text becomes
 *   label.c        pods to labels; logs.c and runtime.c where they do not tell
 *   network.c      interfaces; sockets.c sockets; devices.c names of disks
 *   extra.c        huge pages and descriptors; sched.c run queues; numa.c cores and NUMA nodes
 *   disk.c         the node's file systems
 *   ledger.c       what outlives a container; ledger_kept.c keeps it over a restart of the agent
 *   births.c       containers that nobody has seen
 *   machine.c      what the node is; topology.c how it is built
 *   emit.c         rows; the tables are there
 *
 * A pass walks every hierarchy with a controller of interest once, entering what it reads in the cgroup's values, then
 * emits all rows in the order of the tree. A cgroup that goes while it is read is skipped without a word.
 *
 * What others may rely on: each row has the labels container, pod, namespace, image, name and id, empty where they
 * say nothing. A container of a pod has a `container` other than "" and "POD"; the pod itself has `pod`, and an empty
 * `container` and `name`; a sandbox has `pod`, an empty `container` or "POD", and a `name`; the node has id "/".
 */
#ifndef NV_CONTAINER_CONTAINER_H
#define NV_CONTAINER_CONTAINER_H

#include <nodevitals/dir.h>
#include <nodevitals/pods.h>

#include "name.h"

enum {
    NV_CG_MAX = 20000, /* cgroups remembered; what is beyond is counted as left out */
    NV_CG_DEPTH_MAX = 24,
    NV_CG_TEXT_MAX = 1 << 20, /* of a file */
    NV_CG_FOLDERS_MAX = 16,   /* of a container that are searched for its processes */
    NV_CG_DEVICES_MAX = 512,  /* of one cgroup */
    NV_CG_LINKS_MAX = 256,    /* network interfaces of one namespace */
};

/* ---- what is measured ----------------------------------------------------------------------- */

/* Groups, by the names cAdvisor's flags have for them. */
enum {
    NV_CG_CPU = 1 << 0,
    NV_CG_MEMORY = 1 << 1,
    NV_CG_DISK_IO = 1 << 2,
    NV_CG_DISK = 1 << 3,
    NV_CG_NETWORK = 1 << 4,
    NV_CG_PROCESS = 1 << 5,
    NV_CG_FDS = 1 << 6,
    NV_CG_OOM = 1 << 7,
    NV_CG_PRESSURE = 1 << 8,
    NV_CG_HUGETLB = 1 << 9,
    NV_CG_SCHED = 1 << 10,
    NV_CG_TCP = 1 << 11,
    NV_CG_UDP = 1 << 12,
    NV_CG_ADVTCP = 1 << 13,
    NV_CG_CPUSET = 1 << 14,
    NV_CG_NUMA = 1 << 15,
    NV_CG_PERCPU = 1 << 16,
    NV_CG_TOPOLOGY = 1 << 17,
    NV_CG_ALWAYS = 1 << 30,
};

/* A cgroup's numbers: those of the first table, in its order, then what other tables or rows are made of. */
enum nv_cg_slot {
    NV_CG_CPU_USER, /* times of CPU in nanoseconds */
    NV_CG_CPU_SYSTEM,
    NV_CG_CFS_PERIODS,
    NV_CG_CFS_THROTTLED,
    NV_CG_CFS_THROTTLED_TIME,
    NV_CG_CFS_BURSTS,
    NV_CG_CFS_BURST_TIME,
    NV_CG_SCHED_RUN,
    NV_CG_SCHED_WAITED,
    NV_CG_SCHED_PERIODS,
    NV_CG_MEM_USAGE,
    NV_CG_MEM_WORKING_SET,
    NV_CG_MEM_RSS,
    NV_CG_MEM_CACHE,
    NV_CG_MEM_MAPPED,
    NV_CG_MEM_SWAP,
    NV_CG_MEM_KERNEL,
    NV_CG_MEM_MAX_USAGE,
    NV_CG_MEM_FAILCNT,
    NV_CG_MEM_ACTIVE_FILE,
    NV_CG_MEM_INACTIVE_FILE,
    NV_CG_MEM_HIGH,
    NV_CG_MEM_MAX,
    NV_CG_MEM_DIRTY,
    NV_CG_MEM_WRITEBACK,
    NV_CG_MEM_PGSCAN,
    NV_CG_MEM_PGSTEAL,
    NV_CG_MEM_REFAULT_FILE,
    NV_CG_MEM_REFAULT_ANON,
    NV_CG_MEM_MIGRATE,
    NV_CG_PROCESSES,
    NV_CG_FILE_DESCRIPTORS,
    NV_CG_SOCKETS,
    NV_CG_THREADS,
    NV_CG_THREADS_MAX,
    NV_CG_PSI_CPU_SOME, /* microseconds */
    NV_CG_PSI_CPU_FULL,
    NV_CG_PSI_MEM_SOME,
    NV_CG_PSI_MEM_FULL,
    NV_CG_PSI_IO_SOME,
    NV_CG_PSI_IO_FULL,
    NV_CG_SPEC_PERIOD,
    NV_CG_SPEC_QUOTA,
    NV_CG_SPEC_SHARES,
    NV_CG_SPEC_LIMIT,
    NV_CG_SPEC_RESERVATION,
    NV_CG_SPEC_SWAP,
    NV_CG_LAST_SEEN,
    NV_CG_STARTED, /* milliseconds */
    NV_CG_COLUMNS,
    NV_CG_CPU_USAGE = NV_CG_COLUMNS,
    NV_CG_FAULTS, /* its own; on v2 those below too */
    NV_CG_MAJOR_FAULTS,
    NV_CG_ALL_FAULTS,
    NV_CG_ALL_MAJOR_FAULTS,
    NV_CG_OOM_KILLS,
    NV_CG_OPEN_FILES_SOFT,
    NV_CG_SLOTS,
};
_Static_assert(NV_CG_SLOTS <= 64, "a bit each");
#define NV_CG_BIT(slot) (UINT64_C(1) << (slot))

enum nv_cg_io_number {
    NV_CG_IO_READ_BYTES,
    NV_CG_IO_WRITE_BYTES,
    NV_CG_IO_READS,
    NV_CG_IO_WRITES,
    NV_CG_IO_COST_USAGE, /* microseconds */
    NV_CG_IO_COST_WAIT,
    NV_CG_IO_COST_INDEBT,
    NV_CG_IO_COST_INDELAY,
    NV_CG_IO_FAMILIES,
    NV_CG_IO_SYNC_BYTES = NV_CG_IO_FAMILIES,
    NV_CG_IO_ASYNC_BYTES,
    NV_CG_IO_DISCARD_BYTES,
    NV_CG_IO_TOTAL_BYTES,
    NV_CG_IO_NUMBERS,
};

/* I/O of one device. */
struct nv_cg_io {
    uint32_t major, minor;
    uint32_t mask;
    uint64_t at[NV_CG_IO_NUMBERS];
};

enum { NV_CG_LINK_NUMBERS = 8 };
struct nv_cg_link {
    struct nv_str name;
    uint64_t at[NV_CG_LINK_NUMBERS]; /* in the order of the families */
};

/* Huge pages of one size: bytes, most bytes, failures; bits of what is known. */
enum { NV_CG_HUGE_MAX = 8, NV_CG_HUGE_NAME = 16, NV_CG_HUGE_NUMBERS = 3 };
struct nv_cg_huge {
    uint64_t at[NV_CG_HUGE_NUMBERS], mask;
};

/* A process, in the order of /proc/PID/schedstat. */
enum { NV_CG_SCHED_NUMBERS = 3 };
struct nv_cg_process {
    int64_t pid;
    uint64_t at[NV_CG_SCHED_NUMBERS];
};
struct nv_cg_sched;
struct nv_cg_sockets;
struct nv_cg_pages;

/* What groups that are off by default have beside slots. */
struct nv_cg_more {
    struct nv_cg_process *processes;
    size_t n_processes, room_processes;
    bool has_processes;
    const struct nv_cg_sockets *sockets;
    uint64_t *cores;
    size_t n_cores;
    struct nv_cg_pages *pages;
    size_t n_pages;
};

/* Of this pass; what is pointed to is the pass's memory. */
struct nv_cg_values {
    uint64_t mask; /* which slots are known */
    uint64_t at[NV_CG_SLOTS];
    struct nv_cg_io *io;
    size_t n_io, room_io;
    const struct nv_cg_link *links;
    size_t n_links;
    struct nv_cg_huge *huge; /* as many as there are sizes, or NULL */
    struct nv_cg_more *more; /* NULL where it is not asked for */
};

enum { NV_CG_NETNS_UNKNOWN, NV_CG_NETNS_HOST, NV_CG_NETNS_OWN };

/* ---- the tree ------------------------------------------------------------------------------- */

/* How much is read and told of a cgroup. */
enum {
    NV_CG_WHOLE = 1 << 0,   /* containers, pods, and what is above them */
    NV_CG_SANDBOX = 1 << 1, /* a process that waits for ever */
    NV_CG_SYSTEM = 1 << 2,  /* services, slices, other folders */
    NV_CG_NODE = 1 << 3,
};

enum nv_cg_label {
    NV_CG_L_CONTAINER,
    NV_CG_L_ID,
    NV_CG_L_IMAGE,
    NV_CG_L_NAME,
    NV_CG_L_NAMESPACE,
    NV_CG_L_POD,
    NV_CG_LABELS,
};

struct nv_cg {
    struct nv_cg *above, *first, *last, *next; /* what it lies in, what lies in it */
    struct nv_cg *hash_next;
    uint64_t hash;
    char *path;         /* from the root of the hierarchy, "/" for that */
    struct nv_str name; /* the end of the path */
    struct nv_cg_name is;
    uint8_t how; /* NV_CG_WHOLE ... */
    uint8_t depth;
    bool is_new; /* has no labels yet */
    bool is_sandbox, left_out;
    bool host_network; /* no interfaces of its own */
    bool asked_comm, is_watched;
    uint8_t netns;   /* NV_CG_NETNS_... of */
    int64_t pid;     /* a process of it */
    uint64_t seen;   /* the pass; */
    uint64_t walked; /* and the hierarchies of it */
    uint64_t inode;
    int64_t made_ms;                    /* the folder; */
    int64_t started_ms;                 /* the container, as the pods say */
    struct nv_str labels[NV_CG_LABELS]; /* in `label_text`, but the id */
    char *label_text;
    uint64_t oom_kills; /* of it, with what one of the same labels had before it: */
    uint64_t oom_carried;
    uint64_t oom_before, oom_gone; /* kills below: of before we looked, and of what has gone */
    bool has_oom_before, is_met;
    bool is_entered, of_pod;     /* under a name, and under a pod's: */
    uint64_t entered_as;         /* its hash, */
    uint64_t oom_entered;        /* and what was counted there */
    uint64_t labels_of;          /* version of the pods, and 1 */
    struct nv_cg_values *values; /* NULL where it has no row */
    struct nv_cg_sched *sched;   /* NULL where it is not asked for */
};

/* ---- hierarchies ---------------------------------------------------------------------------- */

enum {
    NV_CG_C_CPU = 1 << 0,
    NV_CG_C_CPUACCT = 1 << 1,
    NV_CG_C_MEMORY = 1 << 2,
    NV_CG_C_IO = 1 << 3,
    NV_CG_C_PIDS = 1 << 4,
    NV_CG_C_HUGETLB = 1 << 5,
    NV_CG_C_CORE = 1 << 6, /* what every cgroup of v2 has */
    NV_CG_C_CPUSET = 1 << 7,
    NV_CG_HIERARCHIES_MAX = 16,
    NV_CG_MOUNT_MAX = 256,
};

struct nv_cg_hierarchy {
    bool is_v2;
    unsigned controllers;
    char path[NV_CG_MOUNT_MAX]; /* ours */
};

struct nv_cg_files; /* files.h */

struct nv_cg_device {
    uint32_t major, minor;
    char name[64]; /* "/dev/..." */
};

/* A file system of the node. */
enum { NV_CG_DISKS_MAX = 64 };
struct nv_cg_disk {
    char device[128], point[256];
    uint64_t major, minor; /* of the mount; of btrfs not the device's */
};

struct nv_cg_state {
    /* From the command line. */
    unsigned groups;
    uint64_t max_series;
    bool off; /* another source has the containers */

    /* Mounts, as they were when they last changed. */
    char *mounts;
    size_t n_mounts;
    struct nv_cg_hierarchy hierarchies[NV_CG_HIERARCHIES_MAX];
    size_t n_hierarchies;
    bool has_v2;
    bool sums_ooms; /* a cgroup's kills have those below it */

    /* The tree. */
    struct nv_cg *root;
    struct nv_cg **buckets;
    size_t n_buckets, n_cgroups;
    uint64_t pass;

    char *text; /* of the file that is read */
    struct nv_cg_device *devices;
    size_t n_devices, room_devices;
    struct nv_cg_disk disks[NV_CG_DISKS_MAX];
    size_t n_disks;
    char huge_names[NV_CG_HUGE_MAX][NV_CG_HUGE_NAME];
    size_t n_huge;
    size_t n_fds_processes; /* looked into in this pass */
    size_t n_sched_processes;
    uint64_t devices_of;       /* the pass they were read in */
    struct nv_cg_names *names; /* label.c */
    struct nv_cg_machine *machine;
    struct nv_cg_ledger *ledger;
    struct nv_cg_births *births;
    bool has_pods;
    uint64_t host_netns; /* inode of the first process's, 0 where it is not to be seen */
    uint64_t n_left_out, n_series_left_out; /* of this pass */
};

/* ---- hierarchies.c */
int nv_cg_hierarchies(struct nv_pass *pass, struct nv_cg_state *state);

/* ---- tree.c */
struct nv_cg *nv_cg_child(struct nv_cg_state *state, struct nv_cg *above, struct nv_str name);
void nv_cg_free(struct nv_cg_state *state, struct nv_cg *cgroup);
void nv_cg_sweep(struct nv_cg_state *state); /* those that were not seen */
int nv_cg_root(struct nv_cg_state *state);

/* The cgroup after this one, parents first, NULL at the end. */
struct nv_cg *nv_cg_next(const struct nv_cg *cgroup);

/* ---- walk.c */
void nv_cg_walk(struct nv_pass *pass, struct nv_cg_state *state);

static inline void nv_cg_set(struct nv_cg_values *values, enum nv_cg_slot slot, uint64_t value)
{
    values->at[slot] = value;
    values->mask |= NV_CG_BIT(slot);
}

static inline bool nv_cg_has(const struct nv_cg_values *values, enum nv_cg_slot slot)
{
    return values->mask & NV_CG_BIT(slot);
}

/* Makes it where there is none. */
static inline struct nv_cg_more *nv_cg_more(struct nv_pass *pass, struct nv_cg_values *values)
{
    if (!values->more) {
        values->more = nv_alloc(pass, sizeof(*values->more));
        memset(values->more, 0, sizeof(*values->more));
    }
    return values->more;
}

/* ---- label.c, logs.c */
void nv_cg_label_all(struct nv_pass *pass, struct nv_cg_state *state);
void nv_cg_names_free(struct nv_cg_names *names);
int64_t nv_cg_first_process(struct nv_pass *pass, const struct nv_cg_state *state,
                            const struct nv_cg *cgroup); /* 0 for none */

/* ---- network.c */
void nv_cg_network(struct nv_pass *pass, struct nv_cg_state *state);

/* ---- extra.c */
void nv_cg_huge_sizes(struct nv_pass *pass, struct nv_cg_state *state);
void nv_cg_huge_read(struct nv_pass *pass, struct nv_cg_state *state, int dir, bool is_v2,
                     struct nv_cg_values *values);
void nv_cg_fds_read(struct nv_pass *pass, struct nv_cg_state *state, struct nv_cg_values *values,
                    struct nv_str procs);

/* ---- sched.c */
void nv_cg_sched_read(struct nv_pass *pass, struct nv_cg_state *state, struct nv_cg_values *values,
                      struct nv_str procs);
void nv_cg_sched_finish(struct nv_cg *cgroup);
void nv_cg_sched_free(struct nv_cg_sched *sched);

/* ---- sockets.c: of the process whose folder this is; `labels` have room for one more */
extern const struct nv_table nv_cg_tcps, nv_cg_udps, nv_cg_advanced;
void nv_cg_sockets_read(struct nv_pass *pass, struct nv_cg_state *state, int dir,
                        struct nv_cg_values *values);
void nv_cg_sockets_emit(struct nv_pass *pass, const struct nv_cg_sockets *sockets,
                        struct nv_str *labels);
size_t nv_cg_sockets_count(const struct nv_cg_sockets *sockets);

/* ---- numa.c: `labels` have room for three more */
extern const struct nv_table nv_cg_numas;
void nv_cg_numa_emit(struct nv_pass *pass, const struct nv_cg_more *more, struct nv_str *labels);
void nv_cg_cores_emit(struct nv_pass *pass, const struct nv_cg_more *more, struct nv_str *labels);

/* ---- devices.c: "" for one that is not known */
struct nv_str nv_cg_device_name(struct nv_pass *pass, struct nv_cg_state *state, uint32_t major,
                                uint32_t minor);

/* ---- births.c */
int nv_cg_births_start(struct nv_cg_state *state);
void nv_cg_births_free(struct nv_cg_births *births);
void nv_cg_births_watch(struct nv_pass *pass, struct nv_cg_state *state, const char *hierarchy,
                        struct nv_cg *cgroup);

/* Ids of containers made since the last call. Views that live as long as the pass. */
size_t nv_cg_births_read(struct nv_pass *pass, struct nv_cg_state *state, struct nv_str **ret);

/* ---- disk.c */
extern const struct nv_table nv_cg_disks, nv_cg_disk_ios;
void nv_cg_disk_emit(struct nv_pass *pass, struct nv_cg_state *state);

/* ---- machine.c */
extern const struct nv_table nv_cg_machines, nv_cg_dimms, nv_cg_versions, nv_cg_machine_errors;
int nv_cg_machine_read(struct nv_pass *pass, struct nv_cg_state *state);
void nv_cg_machine_limits(const struct nv_cg_state *state, struct nv_cg_values *values);
void nv_cg_machine_emit(struct nv_pass *pass, const struct nv_cg_state *state);

/* ---- topology.c: `ids` are the labels of all machine_* */
extern const struct nv_table nv_cg_caches, nv_cg_siblings, nv_cg_node_memories, nv_cg_node_huges,
    nv_cg_node_distances;
void nv_cg_topology_emit(struct nv_pass *pass, const struct nv_cg_state *state,
                         const struct nv_str *ids);

/* ---- ledger.c */
extern const struct nv_table nv_cg_ooms, nv_cg_entries;
int nv_cg_ledger_start(struct nv_cg_state *state);
void nv_cg_ledger_free(struct nv_cg_ledger *ledger);
void nv_cg_ledger_gone(struct nv_cg_state *state, struct nv_cg *cgroup);
void nv_cg_ledger_count(struct nv_pass *pass, struct nv_cg_state *state);
void nv_cg_ledger_emit(struct nv_pass *pass, const struct nv_cg_state *state);

/* ---- emit.c */
extern const struct nv_table nv_cg_rows, nv_cg_usages, nv_cg_failures, nv_cg_devices, nv_cg_blkios,
    nv_cg_links, nv_cg_ulimits, nv_cg_hugepages, nv_cg_bounds;
size_t nv_cg_count_series(const struct nv_cg_state *state,
                          const struct nv_cg *cgroup); /* as they will be emitted */
void nv_cg_emit(struct nv_pass *pass, struct nv_cg_state *state);

#endif
