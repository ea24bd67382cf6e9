/*
 * conntrack - the kernel's table of connections: its size, its limit, and what happened in it.
 *
 * Sources: proc/sys/net/netfilter/nf_conntrack_{count,max}, and proc/net/stat/nf_conntrack: a heading
 * and a row per CPU of 16 or 17 hexadecimal columns, which are summed. A missing file ends the run with
 * "no data", what came before it stays.
 */
#include <nodevitals/collector.h>

enum { COUNT, LIMIT, STATISTICS };

static const struct nv_family entries[] = {
    {"node_nf_conntrack_entries",       NV_GAUGE, NV_AS_IS, "Connections tracked."},
    {"node_nf_conntrack_entries_limit", NV_GAUGE, NV_AS_IS,
     "How many connections the table can hold."                                   },
};

// clang-format off
static const struct nv_family statistics[] = {
    {"node_nf_conntrack_stat_found",          NV_GAUGE, NV_AS_IS, "Lookups that found an entry."},
    {"node_nf_conntrack_stat_invalid",        NV_GAUGE, NV_AS_IS, "Packets that could not be tracked."},
    {"node_nf_conntrack_stat_ignore",         NV_GAUGE, NV_AS_IS, "Packets that belong to an entry already."},
    {"node_nf_conntrack_stat_insert",         NV_GAUGE, NV_AS_IS, "Entries inserted."},
    {"node_nf_conntrack_stat_insert_failed",  NV_GAUGE, NV_AS_IS, "Entries that could not be inserted since they were there."},
    {"node_nf_conntrack_stat_drop",           NV_GAUGE, NV_AS_IS, "Packets dropped for want of an entry."},
    {"node_nf_conntrack_stat_early_drop",     NV_GAUGE, NV_AS_IS, "Entries given up to make room for new ones."},
    {"node_nf_conntrack_stat_search_restart", NV_GAUGE, NV_AS_IS, "Lookups begun again because the table was resized."},
};
static const unsigned char column[NV_LEN(statistics)] = {2, 4, 5, 8, 9, 10, 11, 16};
// clang-format on

enum { COLUMNS_MIN = 16, COLUMNS_MAX = 17 };

static const struct nv_table table_entries = {NV_NO_LABELS, entries, NV_LEN(entries)};
static const struct nv_table table_statistics = {NV_NO_LABELS, statistics, NV_LEN(statistics)};

/* The outcome of a source that could not be read. */
static int missing(struct nv_pass *pass, size_t source)
{
    int r = nv_pass_error(pass, source);

    return r == -ENOENT ? NV_NO_DATA : r;
}

static int collect_number(struct nv_pass *pass, size_t source)
{
    struct nv_scan text = nv_pass_text(pass, source);
    uint64_t value;

    if (nv_pass_error(pass, source) < 0)
        return missing(pass, source);
    if (!nv_str_to_u64(nv_scan_rest(&text), &value))
        return nv_error(pass, -EBADMSG, "not a number");
    nv_emit_u64(pass, &table_entries, NULL, source, value);
    return 0;
}

static int collect_statistics(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, STATISTICS), line;
    uint64_t sums[NV_LEN(statistics)] = {0};

    if (nv_pass_error(pass, STATISTICS) < 0)
        return missing(pass, STATISTICS);
    nv_scan_line(&file, &line); /* the heading */
    while (nv_scan_line(&file, &line)) {
        uint64_t row[COLUMNS_MAX] = {0};
        size_t n = 0;
        while (n < COLUMNS_MAX && !nv_scan_done(&line))
            row[n++] = nv_scan_hex(&line);
        if (n < COLUMNS_MIN || !nv_scan_done(&line) || line.failed)
            return nv_error(pass, -EBADMSG, "net/stat/nf_conntrack: not 16 or 17 numbers");
        for (size_t i = 0; i < NV_LEN(sums); i++)
            sums[i] += row[column[i]];
    }
    nv_emit_row(pass, &table_statistics, NULL, sums, NV_LEN(sums));
    return 0;
}

static int collect(struct nv_pass *pass)
{
    int r = collect_number(pass, COUNT);

    if (r == 0)
        r = collect_number(pass, LIMIT);
    return r == 0 ? collect_statistics(pass) : r;
}

NV_COLLECTOR(conntrack) = {
    NV_ABI_STAMP,
    .name = "conntrack",
    .summary = "The table of tracked connections.",
    .sources = NV_SOURCES("?proc/sys/net/netfilter/nf_conntrack_count",
                          "?proc/sys/net/netfilter/nf_conntrack_max",
                          "?proc/net/stat/nf_conntrack"),
    .tables = NV_TABLES(&table_entries, &table_statistics),
    .collect = collect,
};
