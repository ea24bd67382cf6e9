/*
 * topology.c - how CPUs, caches and NUMA nodes lie (group "cpu_topology"), from sys/devices/system. Off by default.
 *
 *   cpu/cpuN/topology   core_id, thread_siblings_list
 *   cpu/cpuN/cache      indexM: level, type, size ("32K"), shared_cpu_list
 *   node/nodeN          cpulist, meminfo, hugepages, distance
 *
 * A cache is told once, by the first of the CPUs that share it: as its core's, or as the node's, with an empty core_id,
 * where all of the node's do and it is none of the first two levels.
 */
#include <nodevitals/cpulist.h>
#include <nodevitals/sort.h>

#include "container.h"

enum { CPUS_MAX = 8192, NODES_MAX = 64, SMALL = 4096 /* bytes of a file */ };

#define IDS "boot_id", "machine_id", "system_uuid"

static const struct nv_family cache_columns[] = {
    {"machine_cpu_cache_capacity_bytes", NV_GAUGE, NV_AS_IS, "Size of a cache."},
};
static const struct nv_family sibling_columns[] = {
    {"machine_thread_siblings_count", NV_GAUGE, NV_AS_IS, "Threads of the core of a thread."},
};
static const struct nv_family memory_columns[] = {
    {"machine_node_memory_capacity_bytes", NV_GAUGE, NV_AS_IS, "Memory of a NUMA node."},
};
static const struct nv_family huge_columns[] = {
    {"machine_node_hugepages_count", NV_GAUGE, NV_AS_IS, "Huge pages of a NUMA node."},
};
static const struct nv_family distance_columns[] = {
    {"machine_node_distance", NV_GAUGE, NV_AS_IS, "How far one NUMA node is from another."},
};

const struct nv_table nv_cg_caches = {NV_LABELS(IDS, "core_id", "level", "node_id", "type"),
                                      cache_columns, 1};
const struct nv_table nv_cg_siblings = {NV_LABELS(IDS, "core_id", "node_id", "thread_id"),
                                        sibling_columns, 1};
const struct nv_table nv_cg_node_memories = {NV_LABELS(IDS, "node_id"), memory_columns, 1};
const struct nv_table nv_cg_node_huges = {NV_LABELS(IDS, "node_id", "page_size"), huge_columns, 1};
const struct nv_table nv_cg_node_distances = {NV_LABELS(IDS, "node_id", "target_node_id"),
                                              distance_columns, 1};

enum { N_IDS = 3 };

/* A CPU's node, and what cpulist that has. */
struct place {
    struct nv_str node, cpus;
};

/* ---- reading ---------------------------------------------------------------------------------- */

/* What a file below an open folder says, trimmed; empty where it is not there. */
static struct nv_str read_word(struct nv_pass *pass, int dir, const char *name)
{
    char *text = nv_alloc(pass, SMALL);
    int n = nv_dir_read(pass, dir, name, text, SMALL);

    return nv_str_trim((struct nv_str){text, n > 0 ? (size_t)n : 0});
}

/* The number behind a prefix: of "cpu7" 7. */
static bool number_of(struct nv_str name, const char *prefix, uint64_t *ret)
{
    return nv_str_starts(name, prefix) && nv_str_to_u64(nv_str_from(name, strlen(prefix)), ret);
}

/* How many CPUs a list has, and its first. */
static uint64_t count_list(struct nv_str list, uint64_t *ret_first)
{
    struct nv_cpu_range range;
    uint64_t n = 0;

    *ret_first = UINT64_MAX;
    while (nv_cpu_list_next(&list, &range) > 0) {
        if (!n)
            *ret_first = range.first;
        n += nv_cpu_range_count(&range);
    }
    return n;
}

/* "32K", "8M". */
static bool read_size(struct nv_str text, uint64_t *ret)
{
    uint64_t unit = 1;

    if (nv_str_ends(text, "K") || nv_str_ends(text, "M"))
        unit = text.p[--text.n] == 'K' ? 1 << 10 : 1 << 20;
    return nv_str_to_u64(text, ret) && !__builtin_mul_overflow(*ret, unit, ret);
}

/* ---- CPUs ------------------------------------------------------------------------------------- */

static void emit_cache(struct nv_pass *pass, int dir, const struct nv_str *ids, struct nv_str core,
                       uint64_t cpu, const struct place *place)
{
    struct nv_str shared = read_word(pass, dir, "shared_cpu_list");
    uint64_t size, first;

    count_list(shared, &first);
    if (first != cpu || !read_size(read_word(pass, dir, "size"), &size))
        return;
    struct nv_str level = read_word(pass, dir, "level");
    bool is_of_core = nv_str_is(level, "1") || nv_str_is(level, "2");
    if (!is_of_core && nv_str_eq(shared, place->cpus))
        core = NV_LIT("");
    const struct nv_str labels[] = {
        ids[0], ids[1], ids[2], core, level, place->node, read_word(pass, dir, "type")};
    nv_emit_u64(pass, &nv_cg_caches, labels, 0, size);
}

static void emit_caches(struct nv_pass *pass, int cpu_dir, const struct nv_str *ids,
                        struct nv_str core, uint64_t cpu, const struct place *place)
{
    int dir = nv_dir_open(pass, cpu_dir, "cache");
    struct nv_names names = {0};

    if (dir < 0)
        return;
    if (nv_dir_list(pass, dir, &names) < 0)
        names.n = 0;
    for (size_t i = 0; i < names.n; i++) {
        int index =
            nv_str_starts(names.at[i], "index") ? nv_dir_open(pass, dir, names.at[i].p) : -1;
        if (index < 0)
            continue;
        emit_cache(pass, index, ids, core, cpu, place);
        nv_dir_close(pass, index);
    }
    nv_dir_close(pass, dir);
}

static void emit_cpus(struct nv_pass *pass, const struct nv_str *ids, const struct place *places)
{
    int all = nv_dir_open(pass, NV_DIR_ROOTS, "sys/devices/system/cpu");
    struct nv_names names = {0};
    uint64_t cpu, first;

    if (all < 0)
        return;
    if (nv_dir_list(pass, all, &names) < 0)
        names.n = 0;
    for (size_t i = 0; i < names.n; i++) {
        struct nv_str thread = nv_str_from(names.at[i], strlen("cpu"));
        int dir = number_of(names.at[i], "cpu", &cpu) && cpu < CPUS_MAX
                      ? nv_dir_open(pass, all, names.at[i].p)
                      : -1;
        if (dir < 0)
            continue;
        struct nv_str core = read_word(pass, dir, "topology/core_id");
        uint64_t n = count_list(read_word(pass, dir, "topology/thread_siblings_list"), &first);
        const struct nv_str labels[] = {ids[0], ids[1], ids[2], core, places[cpu].node, thread};
        if (n)
            nv_emit_u64(pass, &nv_cg_siblings, labels, 0, n);
        emit_caches(pass, dir, ids, core, cpu, &places[cpu]);
        nv_dir_close(pass, dir);
    }
    nv_dir_close(pass, all);
}

/* ---- NUMA nodes ------------------------------------------------------------------------------- */

static void note_cpus(struct place *places, struct nv_str list, struct nv_str node)
{
    struct nv_str all = list;
    struct nv_cpu_range range;

    while (nv_cpu_list_next(&list, &range) > 0)
        for (unsigned cpu = range.first; cpu <= range.last && cpu < CPUS_MAX; cpu += range.stride)
            places[cpu] = (struct place){node, all};
}

static void emit_memory(struct nv_pass *pass, int dir, const struct nv_str *labels)
{
    struct nv_scan file = nv_scan(read_word(pass, dir, "meminfo")), line;

    while (nv_scan_line(&file, &line)) { /* "Node 0 MemTotal: 1024 kB" */
        nv_scan_skip(&line, 2);
        if (!nv_str_is(nv_scan_word(&line), "MemTotal:"))
            continue;
        uint64_t kib = nv_scan_u64(&line);
        if (!line.failed)
            nv_emit_u64(pass, &nv_cg_node_memories, labels, 0, kib * 1024);
        return;
    }
}

static void emit_huge(struct nv_pass *pass, int node, struct nv_str *labels)
{
    int dir = nv_dir_open(pass, node, "hugepages");
    struct nv_names names = {0};
    char path[NV_PATH_MAX];
    uint64_t pages;

    if (dir < 0)
        return;
    if (nv_dir_list(pass, dir, &names) < 0)
        names.n = 0;
    for (size_t i = 0; i < names.n; i++) {
        struct nv_str size = nv_str_from(names.at[i], strlen("hugepages-"));
        nv_path(path, "%.*s/nr_hugepages", NV_ARGS(names.at[i]));
        if (!nv_str_starts(names.at[i], "hugepages-") || !nv_str_ends(size, "kB") ||
            !nv_str_to_u64(read_word(pass, dir, path), &pages))
            continue;
        labels[N_IDS + 1] = (struct nv_str){size.p, size.n - strlen("kB")};
        nv_emit_u64(pass, &nv_cg_node_huges, labels, 0, pages);
    }
    nv_dir_close(pass, dir);
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = 0, right = 0;

    number_of(*(const struct nv_str *)a, "node", &left);
    number_of(*(const struct nv_str *)b, "node", &right);
    return left < right ? -1 : left > right;
}

/* The nodes among the names, in the order of their numbers, which is that of distances. */
static size_t choose_nodes(struct nv_names names, struct nv_str *nodes)
{
    uint64_t number;
    size_t n = 0;

    for (size_t i = 0; i < names.n && n < NODES_MAX; i++)
        if (number_of(names.at[i], "node", &number))
            nodes[n++] = names.at[i];
    if (n)
        nv_sort(nodes, n, sizeof(*nodes), by_number);
    return n;
}

static void emit_node(struct nv_pass *pass, int dir, const struct nv_str *ids,
                      const struct nv_str *nodes, size_t n, size_t which)
{
    struct nv_str labels[N_IDS + 2] = {ids[0], ids[1], ids[2], nv_str_from(nodes[which], 4)};
    struct nv_scan distances = nv_scan(read_word(pass, dir, "distance"));

    emit_memory(pass, dir, labels);
    emit_huge(pass, dir, labels);
    for (size_t i = 0; i < n; i++) {
        uint64_t distance = nv_scan_u64(&distances);
        if (distances.failed)
            return;
        labels[N_IDS + 1] = nv_str_from(nodes[i], strlen("node"));
        nv_emit_u64(pass, &nv_cg_node_distances, labels, 0, distance);
    }
}

static void emit_nodes(struct nv_pass *pass, const struct nv_str *ids, struct place *places)
{
    int all = nv_dir_open(pass, NV_DIR_ROOTS, "sys/devices/system/node");
    struct nv_str nodes[NODES_MAX];
    struct nv_names names = {0};

    if (all < 0)
        return;
    if (nv_dir_list(pass, all, &names) < 0)
        names.n = 0;
    size_t n = choose_nodes(names, nodes);
    for (size_t i = 0; i < n; i++) {
        int dir = nv_dir_open(pass, all, nodes[i].p);
        if (dir < 0)
            continue;
        note_cpus(places, read_word(pass, dir, "cpulist"), nv_str_from(nodes[i], strlen("node")));
        emit_node(pass, dir, ids, nodes, n, i);
        nv_dir_close(pass, dir);
    }
    nv_dir_close(pass, all);
}

void nv_cg_topology_emit(struct nv_pass *pass, const struct nv_cg_state *state,
                         const struct nv_str *ids)
{
    if (!(state->groups & NV_CG_TOPOLOGY))
        return;
    struct place *places = nv_alloc(pass, CPUS_MAX * sizeof(*places));
    for (size_t i = 0; i < CPUS_MAX; i++)
        places[i] = (struct place){NV_LIT("0"), NV_LIT("")}; /* a machine without nodes has one */
    emit_nodes(pass, ids, places);
    emit_cpus(pass, ids, places);
}
