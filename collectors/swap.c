/*
 * swap - swap devices and files.
 *
 * Source: /proc/swaps: a heading, then lines of name, type, size and use in KiB, priority, which may
 * be negative. A blank in a name stays \040, as the file has it.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_swap_size_bytes", NV_GAUGE, NV_TIMES(1024), "Size of the swap area."               },
    {"node_swap_used_bytes", NV_GAUGE, NV_TIMES(1024), "Part of the swap area that is in use."},
    {"node_swap_priority",   NV_GAUGE, NV_AS_IS,
     "Priority of the swap area, the highest is filled first."                                },
};

static const struct nv_table areas = {NV_LABELS("device", "swap_type"), columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;

    nv_scan_line(&file, &line);
    while (nv_scan_line(&file, &line)) {
        struct nv_str labels[2];
        double value[NV_LEN(columns)];
        labels[0] = nv_scan_word(&line);
        labels[1] = nv_scan_word(&line);
        for (size_t i = 0; i < NV_LEN(columns); i++)
            value[i] = (double)nv_scan_i64(&line);
        if (line.failed)
            return nv_error(pass, -EBADMSG, "proc/swaps: bad line of %.*s", NV_ARGS(labels[0]));
        nv_emit_reals(pass, &areas, labels, value, NV_LEN(columns), UINT64_MAX);
    }
    return 0;
}

NV_COLLECTOR(swap) = {
    NV_ABI_STAMP,
    .name = "swap",
    .summary = "Swap devices and files.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/swaps"),
    .tables = NV_TABLES(&areas),
    .collect = collect,
};
