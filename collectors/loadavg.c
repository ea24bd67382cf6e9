/*
 * loadavg - tasks running or in uninterruptible sleep, averaged over 1, 5 and 15 minutes.
 *
 * Source: /proc/loadavg: the three averages, then running/all tasks and the last pid, which other
 * collectors count better.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_load1",  NV_GAUGE, NV_AS_IS, "Load of the last minute."    },
    {"node_load5",  NV_GAUGE, NV_AS_IS, "Load of the last 5 minutes." },
    {"node_load15", NV_GAUGE, NV_AS_IS, "Load of the last 15 minutes."},
};

static const struct nv_table load = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0);
    double value[NV_LEN(columns)];

    for (size_t i = 0; i < NV_LEN(columns); i++)
        value[i] = nv_scan_real(&file);
    if (file.failed)
        return nv_error(pass, -EBADMSG, "proc/loadavg does not begin with three numbers");
    nv_emit_reals(pass, &load, NULL, value, NV_LEN(columns), UINT64_MAX);
    return 0;
}

NV_COLLECTOR(loadavg) = {
    NV_ABI_STAMP,
    .name = "loadavg",
    .summary = "Load averages.",
    .sources = NV_SOURCES("proc/loadavg"),
    .tables = NV_TABLES(&load),
    .collect = collect,
};
