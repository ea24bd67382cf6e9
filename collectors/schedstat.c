/*
 * schedstat - how long tasks ran on each CPU, and how long they waited for it.
 *
 * Source: /proc/schedstat, where the kernel was built with it: lines "cpuN" and nine numbers, of which
 * the last three are used: nanoseconds run, nanoseconds waited, timeslices. The lines of scheduling
 * domains between them are skipped, and so are those of a kernel that counts fewer.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_schedstat_running_seconds_total", NV_COUNTER, NV_OVER(1e9), "Time the CPU ran tasks."    },
    {"node_schedstat_waiting_seconds_total", NV_COUNTER, NV_OVER(1e9),
     "Time tasks waited while another one ran on the CPU."                                          },
    {"node_schedstat_timeslices_total",      NV_COUNTER, NV_AS_IS,     "Timeslices the CPU has run."},
};

static const struct nv_table cpus = {NV_LABELS("cpu"), columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    uint64_t value[9];

    while (nv_scan_line(&file, &line)) {
        if (!nv_scan_accept(&line, "cpu"))
            continue;
        struct nv_str cpu = nv_scan_word(&line);
        size_t n = nv_scan_row(&line, value, NV_LEN(value));
        if (line.failed)
            return nv_error(pass, -EBADMSG, "proc/schedstat: bad line of CPU %.*s", NV_ARGS(cpu));
        if (n == NV_LEN(value))
            nv_emit_row(pass, &cpus, &cpu, &value[6], NV_LEN(columns));
    }
    return 0;
}

NV_COLLECTOR(schedstat) = {
    NV_ABI_STAMP,
    .name = "schedstat",
    .summary = "Time tasks ran and waited, per CPU.",
    .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/schedstat"),
    .tables = NV_TABLES(&cpus),
    .collect = collect,
};
