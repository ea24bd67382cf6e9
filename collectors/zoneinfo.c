/*
 * zoneinfo - pages of each memory zone of each NUMA node.
 *
 * Source: /proc/zoneinfo, a block per zone headed "Node 0, zone DMA", of lines "key number". What is
 * counted per node stands in the block of the node's first zone only. A key the block lacks is absent, and
 * so is one whose value is no number. "protection: (a, b, ...)" gives a family per element, made at run
 * time. Lines of the per-CPU page sets, whose keys end in a colon, are most of the file on a large machine.
 */
#include <nodevitals/collector.h>

// clang-format off
static const struct nv_family columns[] = {
    {"node_zoneinfo_nr_inactive_anon_pages",        NV_GAUGE,   NV_AS_IS, "Anonymous pages not used recently."},
    {"node_zoneinfo_nr_active_anon_pages",          NV_GAUGE,   NV_AS_IS, "Anonymous pages used recently."},
    {"node_zoneinfo_nr_inactive_file_pages",        NV_GAUGE,   NV_AS_IS, "Page cache not used recently."},
    {"node_zoneinfo_nr_active_file_pages",          NV_GAUGE,   NV_AS_IS, "Page cache used recently."},
    {"node_zoneinfo_nr_unevictable_pages",          NV_GAUGE,   NV_AS_IS, "Pages that cannot be reclaimed."},
    {"node_zoneinfo_nr_slab_reclaimable_pages",     NV_GAUGE,   NV_AS_IS, "Slab pages that can be reclaimed."},
    {"node_zoneinfo_nr_slab_unreclaimable_pages",   NV_GAUGE,   NV_AS_IS, "Slab pages that cannot be reclaimed."},
    {"node_zoneinfo_nr_isolated_anon_pages",        NV_GAUGE,   NV_AS_IS, "Anonymous pages taken off the lists for a while."},
    {"node_zoneinfo_nr_isolated_file_pages",        NV_GAUGE,   NV_AS_IS, "Page cache taken off the lists for a while."},
    {"node_zoneinfo_nr_anon_pages",                 NV_GAUGE,   NV_AS_IS, "Anonymous pages that are mapped."},
    {"node_zoneinfo_nr_mapped_pages",               NV_GAUGE,   NV_AS_IS, "Page cache mapped by programs."},
    {"node_zoneinfo_nr_file_pages",                 NV_GAUGE,   NV_AS_IS, "Page cache."},
    {"node_zoneinfo_nr_dirty_pages",                NV_GAUGE,   NV_AS_IS, "Pages waiting to be written back."},
    {"node_zoneinfo_nr_writeback_pages",            NV_GAUGE,   NV_AS_IS, "Pages being written back."},
    {"node_zoneinfo_nr_shmem_pages",                NV_GAUGE,   NV_AS_IS, "Pages of shared memory and tmpfs."},
    {"node_zoneinfo_nr_anon_transparent_hugepages", NV_GAUGE,   NV_AS_IS, "Anonymous transparent huge pages."},
    {"node_zoneinfo_nr_dirtied_total",              NV_COUNTER, NV_AS_IS, "Pages dirtied since boot."},
    {"node_zoneinfo_nr_written_total",              NV_COUNTER, NV_AS_IS, "Pages written since boot."},
    {"node_zoneinfo_min_pages",                     NV_GAUGE,   NV_AS_IS, "Pages kept back for the kernel itself."},
    {"node_zoneinfo_low_pages",                     NV_GAUGE,   NV_AS_IS, "Free pages below which reclaim begins."},
    {"node_zoneinfo_high_pages",                    NV_GAUGE,   NV_AS_IS, "Free pages above which reclaim ends."},
    {"node_zoneinfo_scanned_pages",                 NV_GAUGE,   NV_AS_IS, "Pages scanned since some were last reclaimed."},
    {"node_zoneinfo_spanned_pages",                 NV_GAUGE,   NV_AS_IS, "Pages the zone spans, holes included."},
    {"node_zoneinfo_present_pages",                 NV_GAUGE,   NV_AS_IS, "Pages of the zone that exist."},
    {"node_zoneinfo_managed_pages",                 NV_GAUGE,   NV_AS_IS, "Pages of the zone that the page allocator manages."},
    {"node_zoneinfo_nr_free_pages",                 NV_GAUGE,   NV_AS_IS, "Free pages."},
    {"node_zoneinfo_nr_mlock_stack_pages",          NV_GAUGE,   NV_AS_IS, "Pages of locked stacks."},
    {"node_zoneinfo_nr_kernel_stacks",              NV_GAUGE,   NV_AS_IS, "Kernel stacks."},
    {"node_zoneinfo_numa_hit_total",                NV_COUNTER, NV_AS_IS, "Pages allocated on the node asked for."},
    {"node_zoneinfo_numa_miss_total",               NV_COUNTER, NV_AS_IS, "Pages allocated here though another node was asked for."},
    {"node_zoneinfo_numa_foreign_total",            NV_COUNTER, NV_AS_IS, "Pages asked for here and allocated on another node."},
    {"node_zoneinfo_numa_interleave_total",         NV_COUNTER, NV_AS_IS, "Pages allocated here by interleaving."},
    {"node_zoneinfo_numa_local_total",              NV_COUNTER, NV_AS_IS, "Pages allocated for a CPU of this node."},
    {"node_zoneinfo_numa_other_total",              NV_COUNTER, NV_AS_IS, "Pages allocated for a CPU of another node."},
};

/* Keys of the columns, in the order of the file, so that the next line's key is soon found. */
static const char *const keys[] = {
    "nr_inactive_anon", "nr_active_anon", "nr_inactive_file", "nr_active_file", "nr_unevictable",
    "nr_slab_reclaimable", "nr_slab_unreclaimable", "nr_isolated_anon", "nr_isolated_file",
    "nr_anon_pages", "nr_mapped", "nr_file_pages", "nr_dirty", "nr_writeback", "nr_shmem",
    "nr_anon_transparent_hugepages", "nr_dirtied", "nr_written", "min", "low", "high", "scanned",
    "spanned", "present", "managed", "nr_free_pages", "nr_mlock_stack", "nr_kernel_stack",
    "numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other",
};
// clang-format on
_Static_assert(NV_LEN(keys) == NV_LEN(columns), "one key per column");

static const struct nv_table zones = {NV_LABELS("node", "zone"), columns, NV_LEN(columns)};

struct zone {
    struct nv_str labels[2]; /* node, zone */
    double value[NV_LEN(columns)];
    uint64_t mask;
    struct nv_str protection;
};

/* Index of a key, looked for from `from` on and then from the beginning; NV_LEN(keys) where there is none. */
static size_t find(struct nv_str key, size_t from)
{
    for (size_t n = 0; n < NV_LEN(keys); n++) {
        size_t i = (from + n) % NV_LEN(keys);
        if (nv_str_is(key, keys[i]))
            return i;
    }
    return NV_LEN(keys);
}

static void emit_protection(struct nv_pass *pass, const struct zone *zone)
{
    struct nv_str list = zone->protection;
    int64_t value;

    for (unsigned i = 0; list.n; i++) {
        char name[64];
        nv_path(name, "node_zoneinfo_protection_%u", i);
        struct nv_family family = {name, NV_GAUGE, NV_AS_IS,
                                   "Pages kept back from requests that could use a higher zone."};
        if (!nv_str_to_i64(nv_str_cut(&list, ','), &value))
            return;
        nv_emit_named(pass, &family, zones.labels, zone->labels, (double)value);
    }
}

static void emit(struct nv_pass *pass, const struct zone *zone)
{
    if (!zone->labels[0].n)
        return;
    nv_emit_reals(pass, &zones, zone->labels, zone->value, NV_LEN(columns), zone->mask);
    emit_protection(pass, zone);
}

/* "Node 0, zone    DMA". Returns whether the line is such a heading. */
static bool take_heading(struct nv_scan line, struct zone *zone)
{
    if (!nv_scan_accept(&line, "Node "))
        return false;
    struct nv_str node = nv_scan_until(&line, ',');
    nv_scan_skip(&line, 1);
    struct nv_str name = nv_scan_word(&line);
    if (line.failed)
        return false;
    *zone = (struct zone){
        .labels = {nv_str_trim(node), name}
    };
    return true;
}

static void take_line(struct nv_scan *line, struct zone *zone, size_t *next)
{
    int64_t number;

    if (nv_scan_done(line))
        return;
    struct nv_str key = nv_scan_word(line);
    if (nv_str_is(key, "protection:")) {
        nv_scan_until(line, '(');
        zone->protection = nv_scan_until(line, ')');
    } else if (!nv_str_ends(key, ":") && !nv_scan_done(line)) {
        size_t i = find(key, *next);
        if (i == NV_LEN(keys) || !nv_str_to_i64_prefixed(nv_scan_word(line), &number))
            return;
        zone->value[i] = (double)number;
        zone->mask |= UINT64_C(1) << i;
        *next = i + 1;
    }
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    struct zone zone = {0};
    size_t next = 0;

    while (nv_scan_line(&file, &line)) {
        struct zone begun;
        if (take_heading(line, &begun)) {
            emit(pass, &zone);
            zone = begun;
        } else {
            take_line(&line, &zone, &next);
        }
    }
    emit(pass, &zone);
    return 0;
}

NV_COLLECTOR(zoneinfo) = {
    NV_ABI_STAMP,
    .name = "zoneinfo",
    .summary = "Pages of each memory zone.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/zoneinfo"),
    .tables = NV_TABLES(&zones),
    .collect = collect,
};
