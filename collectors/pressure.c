/*
 * pressure - time that tasks lost waiting for CPU, I/O or memory.
 *
 * Sources: /proc/pressure/{cpu,io,memory,irq}, Linux 4.20 and for irq 6.1: lines "some" and "full" with
 * averages and a total in microseconds. Of cpu the full line means nothing and is left out; irq has only
 * that one. A kernel booted with psi=0 has the files and refuses to read them.
 */
#include <nodevitals/collector.h>

#define US NV_OVER(1000.0, 1000.0)

static const struct nv_family columns[] = {
    {"node_pressure_cpu_waiting_seconds_total",    NV_COUNTER, US, "Time some task waited for a CPU."},
    {"node_pressure_io_waiting_seconds_total",     NV_COUNTER, US, "Time some task waited for I/O."  },
    {"node_pressure_io_stalled_seconds_total",     NV_COUNTER, US, "Time all tasks waited for I/O."  },
    {"node_pressure_memory_waiting_seconds_total", NV_COUNTER, US,
     "Time some task waited for memory."                                                             },
    {"node_pressure_memory_stalled_seconds_total", NV_COUNTER, US,
     "Time all tasks waited for memory."                                                             },
    {"node_pressure_irq_stalled_seconds_total",    NV_COUNTER, US,
     "Time tasks were held up by interrupts."                                                        },
};

static const struct nv_table table = {NV_NO_LABELS, columns, NV_LEN(columns)};

static const struct resource {
    const char *name;
    int some, full; /* columns, -1 for none */
} resources[] = {
    {"cpu",    0,  -1},
    {"io",     1,  2 },
    {"memory", 3,  4 },
    {"irq",    -1, 5 },
};

/* Returns 0, NV_NO_DATA where an expected line is not there, or -EBADMSG. */
static int collect_resource(struct nv_pass *pass, const struct resource *resource,
                            struct nv_scan file)
{
    uint64_t some = 0, full = 0;
    bool has_some = false, has_full = false;
    struct nv_scan line;

    while (nv_scan_line(&file, &line)) {
        bool is_some = nv_scan_accept(&line, "some "),
             is_full = !is_some && nv_scan_accept(&line, "full ");
        if (!is_some && !is_full)
            continue;
        nv_scan_skip(&line, 3);
        struct nv_str total = nv_scan_word(&line);
        if (line.failed || !nv_str_starts(total, "total=") ||
            !nv_str_to_u64(nv_str_from(total, strlen("total=")), is_some ? &some : &full))
            return nv_error(pass, -EBADMSG, "proc/pressure/%s: bad line", resource->name);
        has_some |= is_some;
        has_full |= is_full;
    }
    if ((resource->some >= 0 && !has_some) || (resource->full >= 0 && !has_full)) {
        nv_say(pass, NV_DEBUG, "proc/pressure/%s lacks a line", resource->name);
        return NV_NO_DATA;
    }
    if (resource->some >= 0)
        nv_emit_u64(pass, &table, NULL, (size_t)resource->some, some);
    if (resource->full >= 0)
        nv_emit_u64(pass, &table, NULL, (size_t)resource->full, full);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    int outcome = NV_NO_DATA;

    for (size_t i = 0; i < NV_LEN(resources); i++) {
        int r = nv_pass_error(pass, i);
        if (r == -ENOENT)
            continue;
        if (r == -EOPNOTSUPP)
            return NV_NO_DATA;
        if (r < 0)
            return nv_error(pass, r, "cannot read proc/pressure/%s", resources[i].name);
        outcome = collect_resource(pass, &resources[i], nv_pass_text(pass, i));
        if (outcome != 0)
            return outcome;
    }
    return outcome;
}

NV_COLLECTOR(pressure) = {
    NV_ABI_STAMP,
    .name = "pressure",
    .summary = "Pressure stall information.",
    .sources = NV_SOURCES("?proc/pressure/cpu", "?proc/pressure/io", "?proc/pressure/memory",
                          "?proc/pressure/irq"),
    .tables = NV_TABLES(&table),
    .collect = collect,
};
