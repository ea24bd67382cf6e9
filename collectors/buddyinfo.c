/*
 * buddyinfo - free blocks of pages, by size; few large ones mean fragmentation.
 *
 * Source: /proc/buddyinfo, lines "Node 0, zone DMA" and a count per order: blocks of 2^order pages. All
 * lines must have the same number of counts.
 */
#include <nodevitals/collector.h>
#include <nodevitals/text.h>

enum { N_ORDERS_MAX = 64 };

static const struct nv_family columns[] = {
    {"node_buddyinfo_blocks", NV_GAUGE, NV_AS_IS, "Free blocks of 2^size pages."},
};

static const struct nv_table blocks = {NV_LABELS("node", "zone", "size"), columns, NV_LEN(columns)};

static struct nv_str without_comma(struct nv_str word)
{
    word.n -= nv_str_ends(word, ",");
    return word;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    const struct nv_str *orders = nv_ordinals(pass, N_ORDERS_MAX);
    size_t n_before = 0;

    for (bool first = true; nv_scan_line(&file, &line); first = false) {
        uint64_t count[N_ORDERS_MAX];
        nv_scan_skip(&line, 1);
        struct nv_str node = without_comma(nv_scan_word(&line));
        nv_scan_skip(&line, 1);
        struct nv_str zone = without_comma(nv_scan_word(&line));
        size_t n = nv_scan_row(&line, count, N_ORDERS_MAX);
        if (line.failed || !nv_scan_done(&line) || (!first && n != n_before))
            return nv_error(pass, -EBADMSG, "proc/buddyinfo: bad line of zone %.*s", NV_ARGS(zone));
        n_before = n;
        for (size_t i = 0; i < n; i++) {
            struct nv_str labels[] = {node, zone, orders[i]};
            nv_emit_row(pass, &blocks, labels, &count[i], 1);
        }
    }
    return 0;
}

NV_COLLECTOR(buddyinfo) = {
    NV_ABI_STAMP,
    .name = "buddyinfo",
    .summary = "Free memory by size of block.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/buddyinfo"),
    .tables = NV_TABLES(&blocks),
    .collect = collect,
};
