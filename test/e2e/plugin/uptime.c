/*
 * uptime - how long the machine has been up, and how long its CPUs were idle. An example of a plugin.
 *
 *   cc -shared -fPIC -DNV_PLUGIN -I <prefix>/include uptime.c -o uptime.so
 *   nodevitals --collector.plugin-dir=<folder of uptime.so>
 *
 * Source: /proc/uptime: two numbers, seconds with two decimals.
 */
#include <errno.h>

#include <nodevitals/collector.h>

enum { IDLE }; /* flags */

static const struct nv_family columns[] = {
    {"example_uptime_seconds",     NV_GAUGE,   NV_AS_IS, "Time since the machine was booted."},
    {"example_idle_seconds_total", NV_COUNTER, NV_AS_IS, "Idle time of all CPUs together."   },
};

static const struct nv_table uptime = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0);
    double values[] = {nv_scan_real(&file), nv_scan_real(&file)};

    if (file.failed)
        return nv_error(pass, -EBADMSG, "not two numbers");
    nv_emit_reals(pass, &uptime, NULL, values, nv_on(pass, IDLE) ? 2 : 1, UINT64_MAX);
    return 0;
}

NV_COLLECTOR(uptime) = {
    NV_ABI_STAMP,
    .name = "uptime",
    .summary = "Time since boot.",
    .sources = NV_SOURCES("proc/uptime"),
    .tables = NV_TABLES(&uptime),
    .flags = NV_FLAGS({"collector.uptime.idle", NV_FLAG_BOOL, "false", "Idle time as well.",
                       false}),
    .collect = collect,
};
