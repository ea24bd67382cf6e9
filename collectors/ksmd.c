/*
 * ksmd - merging of equal pages by the kernel's KSM.
 *
 * Sources: /sys/kernel/mm/ksm, a number per file, in the order of the columns. A file the kernel lacks
 * (general_profit came with Linux 6.1) only drops its column.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_ksmd_full_scans_total",     NV_COUNTER, NV_AS_IS,        "Scans of all areas marked as mergeable."           },
    {"node_ksmd_general_profit_bytes", NV_GAUGE,   NV_AS_IS,        "Memory that merging saves."                        },
    {"node_ksmd_merge_across_nodes",   NV_GAUGE,   NV_AS_IS,
     "Whether pages of different NUMA nodes are merged."                                                                },
    {"node_ksmd_pages_shared",         NV_GAUGE,   NV_AS_IS,        "Merged pages in use."                              },
    {"node_ksmd_pages_sharing",        NV_GAUGE,   NV_AS_IS,        "Further places that use merged pages."             },
    {"node_ksmd_pages_to_scan",        NV_GAUGE,   NV_AS_IS,        "Pages to scan before ksmd sleeps."                 },
    {"node_ksmd_pages_unshared",       NV_GAUGE,   NV_AS_IS,
     "Pages without an equal that are checked again."                                                                   },
    {"node_ksmd_pages_volatile",       NV_GAUGE,   NV_AS_IS,        "Pages that change too fast to be merged."          },
    {"node_ksmd_run",                  NV_GAUGE,   NV_AS_IS,        "What ksmd does: 0 stopped, 1 runs, 2 unmerges all."},
    {"node_ksmd_sleep_seconds",        NV_GAUGE,   NV_OVER(1000.0), "Time ksmd sleeps between two scans."               },
};

static const struct nv_table ksm = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    for (size_t i = 0; i < NV_LEN(columns); i++) {
        struct nv_scan file = nv_pass_text(pass, i);
        uint64_t value = 0;
        int r = nv_pass_error(pass, i);
        if (r == -ENOENT)
            continue;
        if (r == 0 && !nv_str_to_u64(nv_scan_rest(&file), &value))
            r = -EBADMSG;
        if (r < 0)
            return nv_error(pass, r, "cannot tell %s", columns[i].name);
        nv_emit_u64(pass, &ksm, NULL, i, value);
    }
    return 0;
}

NV_COLLECTOR(ksmd) = {
    NV_ABI_STAMP,
    .name = "ksmd",
    .summary = "Merging of equal pages.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("?sys/kernel/mm/ksm/full_scans", "?sys/kernel/mm/ksm/general_profit",
                          "?sys/kernel/mm/ksm/merge_across_nodes",
                          "?sys/kernel/mm/ksm/pages_shared", "?sys/kernel/mm/ksm/pages_sharing",
                          "?sys/kernel/mm/ksm/pages_to_scan", "?sys/kernel/mm/ksm/pages_unshared",
                          "?sys/kernel/mm/ksm/pages_volatile", "?sys/kernel/mm/ksm/run",
                          "?sys/kernel/mm/ksm/sleep_millisecs"),
    .tables = NV_TABLES(&ksm),
    .collect = collect,
};
