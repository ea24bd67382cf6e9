/*
 * xfs - what XFS did since it was mounted.
 *
 * Source: sys/fs/xfs/<device>/stats/stats, lines of a keyword and 32-bit numbers. Each table is a line, its
 * columns in file order. vnodes had seven numbers before an eighth, unused one; the lines that no table
 * names are passed over.
 */
#include <nodevitals/sysfs.h>

#define COUNTER(name, help)                                                                        \
    {                                                                                              \
        name, NV_COUNTER, NV_AS_IS, help                                                           \
    }

static const struct nv_family extent_columns[] = {
    COUNTER("node_xfs_extent_allocation_extents_allocated_total", "Extents allocated."),
    COUNTER("node_xfs_extent_allocation_blocks_allocated_total", "Blocks allocated."),
    COUNTER("node_xfs_extent_allocation_extents_freed_total", "Extents freed."),
    COUNTER("node_xfs_extent_allocation_blocks_freed_total", "Blocks freed."),
};
static const struct nv_family allocation_columns[] = {
    COUNTER("node_xfs_allocation_btree_lookups_total", "Lookups in allocation trees."),
    COUNTER("node_xfs_allocation_btree_compares_total", "Comparisons in allocation trees."),
    COUNTER("node_xfs_allocation_btree_records_inserted_total", "Records put in allocation trees."),
    COUNTER("node_xfs_allocation_btree_records_deleted_total",
            "Records taken from allocation trees."),
};
static const struct nv_family mapping_columns[] = {
    COUNTER("node_xfs_block_mapping_reads_total", "Block maps read."),
    COUNTER("node_xfs_block_mapping_writes_total", "Block maps written."),
    COUNTER("node_xfs_block_mapping_unmaps_total", "Block maps deleted."),
    COUNTER("node_xfs_block_mapping_extent_list_insertions_total", "Extents put in extent lists."),
    COUNTER("node_xfs_block_mapping_extent_list_deletions_total",
            "Extents taken from extent lists."),
    COUNTER("node_xfs_block_mapping_extent_list_lookups_total", "Lookups in extent lists."),
    COUNTER("node_xfs_block_mapping_extent_list_compares_total", "Comparisons in extent lists."),
};
static const struct nv_family map_columns[] = {
    COUNTER("node_xfs_block_map_btree_lookups_total", "Lookups in block map trees."),
    COUNTER("node_xfs_block_map_btree_compares_total", "Comparisons in block map trees."),
    COUNTER("node_xfs_block_map_btree_records_inserted_total", "Records put in block map trees."),
    COUNTER("node_xfs_block_map_btree_records_deleted_total",
            "Records taken from block map trees."),
};
static const struct nv_family directory_columns[] = {
    COUNTER("node_xfs_directory_operation_lookup_total",
            "Names looked up past the kernel's cache."),
    COUNTER("node_xfs_directory_operation_create_total", "Directory entries created."),
    COUNTER("node_xfs_directory_operation_remove_total", "Directory entries removed."),
    COUNTER("node_xfs_directory_operation_getdents_total", "Listings of directories."),
};
static const struct nv_family inode_columns[] = {
    COUNTER("node_xfs_inode_operation_attempts_total", "Inodes looked for in the cache."),
    COUNTER("node_xfs_inode_operation_found_total", "Inodes found in the cache."),
    COUNTER("node_xfs_inode_operation_recycled_total", "Inodes found that were being recycled."),
    COUNTER("node_xfs_inode_operation_missed_total", "Inodes not found in the cache."),
    COUNTER("node_xfs_inode_operation_duplicates_total",
            "Inodes that another had cached meanwhile."),
    COUNTER("node_xfs_inode_operation_reclaims_total", "Inodes put out of the cache."),
    COUNTER("node_xfs_inode_operation_attribute_changes_total", "Attributes of inodes changed."),
};
static const struct nv_family call_columns[] = {
    COUNTER("node_xfs_write_calls_total", "Calls that write files."),
    COUNTER("node_xfs_read_calls_total", "Calls that read files."),
};
static const struct nv_family vnode_columns[] = {
    COUNTER("node_xfs_vnode_active_total", "Vnodes not on the free lists."),
    COUNTER("node_xfs_vnode_allocate_total", "Vnodes allocated."),
    COUNTER("node_xfs_vnode_get_total", "Calls of vn_get."),
    COUNTER("node_xfs_vnode_hold_total", "Calls of vn_hold."),
    COUNTER("node_xfs_vnode_release_total", "Calls of vn_rele."),
    COUNTER("node_xfs_vnode_reclaim_total", "Calls of vn_reclaim."),
    COUNTER("node_xfs_vnode_remove_total", "Calls of vn_remove."),
};

#define DEVICE NV_LABELS("device")
static const struct nv_table extents = {DEVICE, extent_columns, NV_LEN(extent_columns)};
static const struct nv_table allocations = {DEVICE, allocation_columns, NV_LEN(allocation_columns)};
static const struct nv_table mappings = {DEVICE, mapping_columns, NV_LEN(mapping_columns)};
static const struct nv_table maps = {DEVICE, map_columns, NV_LEN(map_columns)};
static const struct nv_table directories = {DEVICE, directory_columns, NV_LEN(directory_columns)};
static const struct nv_table inodes = {DEVICE, inode_columns, NV_LEN(inode_columns)};
static const struct nv_table calls = {DEVICE, call_columns, NV_LEN(call_columns)};
static const struct nv_table vnodes = {DEVICE, vnode_columns, NV_LEN(vnode_columns)};

enum { NUMBERS_MAX = 8 };

static const struct {
    const char *keyword;
    const struct nv_table *table;
    size_t numbers_max; /* as many as columns, up to this */
} lines[] = {
    {"extent_alloc", &extents,     4},
    {"abt",          &allocations, 4},
    {"blk_map",      &mappings,    7},
    {"bmbt",         &maps,        4},
    {"dir",          &directories, 4},
    {"ig",           &inodes,      7},
    {"rw",           &calls,       2},
    {"vnodes",       &vnodes,      8},
};

static int emit_line(struct nv_pass *pass, struct nv_str device, struct nv_scan *line)
{
    struct nv_str keyword = nv_scan_word(line);
    uint64_t value[NUMBERS_MAX];

    for (size_t i = 0; i < NV_LEN(lines); i++) {
        if (!nv_str_is(keyword, lines[i].keyword))
            continue;
        size_t n = nv_scan_row(line, value, lines[i].numbers_max);
        bool fits = !line->failed && nv_scan_done(line) && n >= lines[i].table->n_columns;
        for (size_t k = 0; k < n; k++)
            fits = fits && value[k] <= UINT32_MAX;
        if (!fits)
            return nv_error(pass, -EBADMSG, "%.*s: unknown form of the line %s", NV_ARGS(device),
                            lines[i].keyword);
        nv_emit_row(pass, lines[i].table, &device, value, lines[i].table->n_columns);
        break;
    }
    return 0;
}

static int emit_device(struct nv_pass *pass, struct nv_str device)
{
    char path[NV_PATH_MAX];
    struct nv_scan file, line;
    struct nv_str text;

    nv_path(path, "sys/fs/xfs/%.*s/stats/stats", NV_ARGS(device));
    int r = nv_read(pass, path, &text);
    if (r < 0) /* "stats", of all devices, and "debug" stand here as well */
        return r == -ENOENT || r == -ENOTDIR ? 0 : r;

    file = nv_scan(text);
    while (r == 0 && nv_scan_line(&file, &line))
        r = emit_line(pass, device, &line);
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, "sys/fs/xfs", &names);

    if (r == -ENOENT)
        return 0;
    for (size_t i = 0; r == 0 && i < names.n; i++)
        r = emit_device(pass, names.at[i]);
    return r;
}

NV_COLLECTOR(xfs) = {
    NV_ABI_STAMP,
    .name = "xfs",
    .summary = "Activity of XFS file systems.",
    .tables = NV_TABLES(&extents, &allocations, &mappings, &maps, &directories, &inodes, &calls,
                        &vnodes),
    .collect = collect,
};
