/*
 * meminfo - where the memory is.
 *
 * Source: /proc/meminfo: "Key:  number kB", or no unit for what counts pages. The keys below are those
 * node_exporter 1.12 knows and, at the end, those that it had until it got a list of its own and that
 * dashboards still ask for; others of the file are left out. A key the kernel lacks, or was built without, is absent. Numbers come out in bytes, but for HugePages_*, which count pages.
 */
#include <nodevitals/collector.h>

// clang-format off
static const struct nv_family columns[] = {
    {"node_memory_MemTotal_bytes",          NV_GAUGE, NV_AS_IS, "Memory the kernel can use."},
    {"node_memory_MemFree_bytes",           NV_GAUGE, NV_AS_IS, "Memory nobody uses."},
    {"node_memory_MemAvailable_bytes",      NV_GAUGE, NV_AS_IS, "Estimate of what new programs could take without swapping."},
    {"node_memory_Buffers_bytes",           NV_GAUGE, NV_AS_IS, "Page cache of block devices."},
    {"node_memory_Cached_bytes",            NV_GAUGE, NV_AS_IS, "Page cache of files, tmpfs and shared memory included."},
    {"node_memory_SwapCached_bytes",        NV_GAUGE, NV_AS_IS, "Memory that is also still on swap."},
    {"node_memory_Active_bytes",            NV_GAUGE, NV_AS_IS, "Page cache and anonymous memory used recently."},
    {"node_memory_Inactive_bytes",          NV_GAUGE, NV_AS_IS, "Page cache and anonymous memory not used recently."},
    {"node_memory_Active_anon_bytes",       NV_GAUGE, NV_AS_IS, "Anonymous memory used recently."},
    {"node_memory_Inactive_anon_bytes",     NV_GAUGE, NV_AS_IS, "Anonymous memory not used recently."},
    {"node_memory_Active_file_bytes",       NV_GAUGE, NV_AS_IS, "Page cache used recently."},
    {"node_memory_Inactive_file_bytes",     NV_GAUGE, NV_AS_IS, "Page cache not used recently."},
    {"node_memory_Unevictable_bytes",       NV_GAUGE, NV_AS_IS, "Memory that cannot be reclaimed."},
    {"node_memory_Mlocked_bytes",           NV_GAUGE, NV_AS_IS, "Memory locked by programs."},
    {"node_memory_SwapTotal_bytes",         NV_GAUGE, NV_AS_IS, "Swap space."},
    {"node_memory_SwapFree_bytes",          NV_GAUGE, NV_AS_IS, "Swap space nobody uses."},
    {"node_memory_Zswap_bytes",             NV_GAUGE, NV_AS_IS, "Memory zswap takes for compressed pages."},
    {"node_memory_Zswapped_bytes",          NV_GAUGE, NV_AS_IS, "Original size of what zswap holds."},
    {"node_memory_Dirty_bytes",             NV_GAUGE, NV_AS_IS, "Page cache waiting to be written back."},
    {"node_memory_Writeback_bytes",         NV_GAUGE, NV_AS_IS, "Page cache being written back."},
    {"node_memory_AnonPages_bytes",         NV_GAUGE, NV_AS_IS, "Anonymous memory mapped by programs."},
    {"node_memory_Mapped_bytes",            NV_GAUGE, NV_AS_IS, "Page cache mapped by programs."},
    {"node_memory_Shmem_bytes",             NV_GAUGE, NV_AS_IS, "Shared memory and tmpfs."},
    {"node_memory_Slab_bytes",              NV_GAUGE, NV_AS_IS, "Memory of the kernel's slab caches."},
    {"node_memory_SReclaimable_bytes",      NV_GAUGE, NV_AS_IS, "Slab memory that can be reclaimed."},
    {"node_memory_SUnreclaim_bytes",        NV_GAUGE, NV_AS_IS, "Slab memory that cannot be reclaimed."},
    {"node_memory_KernelStack_bytes",       NV_GAUGE, NV_AS_IS, "Stacks of the kernel's threads and of programs in the kernel."},
    {"node_memory_PageTables_bytes",        NV_GAUGE, NV_AS_IS, "Page tables of the lowest level."},
    {"node_memory_NFS_Unstable_bytes",      NV_GAUGE, NV_AS_IS, "NFS pages sent but not yet committed."},
    {"node_memory_Bounce_bytes",            NV_GAUGE, NV_AS_IS, "Bounce buffers of block devices."},
    {"node_memory_WritebackTmp_bytes",      NV_GAUGE, NV_AS_IS, "Temporary buffers of FUSE."},
    {"node_memory_CommitLimit_bytes",       NV_GAUGE, NV_AS_IS, "Memory that may be promised under strict overcommit."},
    {"node_memory_Committed_AS_bytes",      NV_GAUGE, NV_AS_IS, "Memory promised to programs."},
    {"node_memory_VmallocTotal_bytes",      NV_GAUGE, NV_AS_IS, "Address space of vmalloc."},
    {"node_memory_VmallocUsed_bytes",       NV_GAUGE, NV_AS_IS, "Vmalloc memory in use."},
    {"node_memory_VmallocChunk_bytes",      NV_GAUGE, NV_AS_IS, "Largest free piece of the vmalloc address space."},
    {"node_memory_Percpu_bytes",            NV_GAUGE, NV_AS_IS, "Memory of per-CPU allocations."},
    {"node_memory_HardwareCorrupted_bytes", NV_GAUGE, NV_AS_IS, "Memory set aside because the hardware reported errors."},
    {"node_memory_AnonHugePages_bytes",     NV_GAUGE, NV_AS_IS, "Anonymous memory in transparent huge pages."},
    {"node_memory_ShmemHugePages_bytes",    NV_GAUGE, NV_AS_IS, "Shared memory and tmpfs in huge pages."},
    {"node_memory_ShmemPmdMapped_bytes",    NV_GAUGE, NV_AS_IS, "Shared memory mapped by huge pages."},
    {"node_memory_CmaTotal_bytes",          NV_GAUGE, NV_AS_IS, "Memory of the contiguous allocator."},
    {"node_memory_CmaFree_bytes",           NV_GAUGE, NV_AS_IS, "Memory the contiguous allocator has free."},
    {"node_memory_Hugepagesize_bytes",      NV_GAUGE, NV_AS_IS, "Size of a default huge page."},
    {"node_memory_DirectMap4k_bytes",       NV_GAUGE, NV_AS_IS, "Kernel memory mapped by 4 KiB pages."},
    {"node_memory_DirectMap2M_bytes",       NV_GAUGE, NV_AS_IS, "Kernel memory mapped by 2 MiB pages."},
    {"node_memory_DirectMap1G_bytes",       NV_GAUGE, NV_AS_IS, "Kernel memory mapped by 1 GiB pages."},
    {"node_memory_HugePages_Total",         NV_GAUGE, NV_AS_IS, "Huge pages in the pool."},
    {"node_memory_HugePages_Free",          NV_GAUGE, NV_AS_IS, "Huge pages not allocated."},
    {"node_memory_HugePages_Rsvd",          NV_GAUGE, NV_AS_IS, "Huge pages promised but not allocated."},
    {"node_memory_HugePages_Surp",          NV_GAUGE, NV_AS_IS, "Huge pages above the configured number."},
    {"node_memory_KReclaimable_bytes",      NV_GAUGE, NV_AS_IS, "Kernel memory that can be reclaimed, slabs included."},
    {"node_memory_SecPageTables_bytes",     NV_GAUGE, NV_AS_IS, "Page tables of virtual machines and IOMMUs."},
    {"node_memory_FileHugePages_bytes",     NV_GAUGE, NV_AS_IS, "Page cache in huge pages."},
    {"node_memory_FilePmdMapped_bytes",     NV_GAUGE, NV_AS_IS, "Page cache mapped by programs as huge pages."},
    {"node_memory_Hugetlb_bytes",           NV_GAUGE, NV_AS_IS, "Memory in huge pages of all sizes."},
    {"node_memory_Unaccepted_bytes",        NV_GAUGE, NV_AS_IS, "Memory of a confidential guest that it has not accepted yet."},
    {"node_memory_Balloon_bytes",           NV_GAUGE, NV_AS_IS, "Memory the balloon driver has given back to the host."},
};

/* Their keys. The order is mostly that of the file, so that the next line's key is soon found. */
static const char *const keys[] = {
    "MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active",
    "Inactive", "Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable",
    "Mlocked", "SwapTotal", "SwapFree", "Zswap", "Zswapped", "Dirty", "Writeback", "AnonPages",
    "Mapped", "Shmem", "Slab", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables",
    "NFS_Unstable", "Bounce", "WritebackTmp", "CommitLimit", "Committed_AS", "VmallocTotal",
    "VmallocUsed", "VmallocChunk", "Percpu", "HardwareCorrupted", "AnonHugePages",
    "ShmemHugePages", "ShmemPmdMapped", "CmaTotal", "CmaFree", "Hugepagesize", "DirectMap4k",
    "DirectMap2M", "DirectMap1G", "HugePages_Total", "HugePages_Free", "HugePages_Rsvd",
    "HugePages_Surp", "KReclaimable", "SecPageTables", "FileHugePages", "FilePmdMapped", "Hugetlb",
    "Unaccepted", "Balloon",
};
// clang-format on
_Static_assert(NV_LEN(keys) == NV_LEN(columns), "one key per column");

static const struct nv_table memory = {NV_NO_LABELS, columns, NV_LEN(columns)};

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

/* The number and the unit of a line. */
static bool parse(struct nv_scan *line, uint64_t *ret)
{
    uint64_t value;

    if (!nv_str_to_u64_prefixed(nv_scan_word(line), &value))
        return false;
    if (!nv_scan_done(line) && (!nv_str_is(nv_scan_word(line), "kB") || !nv_scan_done(line) ||
                                __builtin_mul_overflow(value, 1024, &value)))
        return false;
    *ret = value;
    return true;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    uint64_t value[NV_LEN(columns)] = {0}, mask = 0;
    size_t next = 0;

    while (nv_scan_line(&file, &line)) {
        struct nv_str whole = nv_scan_rest(&line), key = nv_scan_until(&line, ':');
        uint64_t number;
        if (!parse(&line, &number))
            return nv_error(pass, -EBADMSG, "proc/meminfo: bad line \"%.*s\"",
                            whole.n < 80 ? (int)whole.n : 80, whole.p);
        size_t i = find(key, next);
        if (i == NV_LEN(keys))
            continue;
        value[i] = number;
        mask |= UINT64_C(1) << i;
        next = i + 1;
    }
    nv_emit_some(pass, &memory, NULL, value, NV_LEN(columns), mask);
    return 0;
}

NV_COLLECTOR(meminfo) = {
    NV_ABI_STAMP,
    .name = "meminfo",
    .summary = "Memory by use.",
    .sources = NV_SOURCES("proc/meminfo"),
    .tables = NV_TABLES(&memory),
    .collect = collect,
};
