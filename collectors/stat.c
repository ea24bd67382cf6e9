/*
 * stat - kernel activity since boot, for the machine as a whole.
 *
 * Source: /proc/stat, lines of a key and numbers. Only the first number of the intr line, their sum, is
 * used: the others count one interrupt each, thousands on a large machine. The softirq line has a
 * sum and then one number per vector; with --collector.stat.softirq they are exposed under lower-case
 * names, of which block_iopoll is the old one of IRQ_POLL. A line that is not there gives no series.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_intr_total",             NV_COUNTER, NV_AS_IS, "Interrupts serviced."                      },
    {"node_context_switches_total", NV_COUNTER, NV_AS_IS, "Context switches on all CPUs."             },
    {"node_boot_time_seconds",      NV_GAUGE,   NV_AS_IS, "When the machine was booted, in Unix time."},
    {"node_forks_total",            NV_COUNTER, NV_AS_IS, "Processes and threads created."            },
    {"node_procs_running",          NV_GAUGE,   NV_AS_IS, "Tasks that run or could run."              },
    {"node_procs_blocked",          NV_GAUGE,   NV_AS_IS, "Tasks that wait for I/O to complete."      },
};

/* Keys of the columns, in the order in which the file has them too. */
static const char *const keys[NV_LEN(columns)] = {
    "intr", "ctxt", "btime", "processes", "procs_running", "procs_blocked",
};

static const struct nv_family softirq_columns[] = {
    {"node_softirqs_total", NV_COUNTER, NV_AS_IS, "Softirqs serviced, by vector."},
};

static const char *const vectors[] = {
    "hi",           "timer",   "net_tx", "net_rx",  "block",
    "block_iopoll", "tasklet", "sched",  "hrtimer", "rcu",
};

static const struct nv_table totals = {NV_NO_LABELS, columns, NV_LEN(columns)};
static const struct nv_table softirqs = {NV_LABELS("vector"), softirq_columns,
                                         NV_LEN(softirq_columns)};

enum { FLAG_SOFTIRQ };

static void emit_softirqs(struct nv_pass *pass, const uint64_t *value)
{
    for (size_t i = 0; i < NV_LEN(vectors); i++) {
        struct nv_str vector = nv_str(vectors[i]);
        nv_emit_row(pass, &softirqs, &vector, &value[i], 1);
    }
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    uint64_t value[NV_LEN(columns)] = {0}, softirq[1 + NV_LEN(vectors)], mask = 0;
    bool has_softirq = false;

    while (nv_scan_line(&file, &line)) {
        if (nv_scan_accept(&line, "cpu")) /* thousands, perhaps */
            continue;
        struct nv_str key = nv_scan_word(&line);
        for (size_t i = 0; i < NV_LEN(keys); i++) {
            if (!nv_str_is(key, keys[i]))
                continue;
            value[i] = nv_scan_u64(&line);
            if (line.failed)
                return nv_error(pass, -EBADMSG, "proc/stat: %s has no number", keys[i]);
            mask |= UINT64_C(1) << i;
        }
        if (!nv_str_is(key, "softirq"))
            continue;
        if (nv_scan_row(&line, softirq, NV_LEN(softirq)) < NV_LEN(softirq))
            return nv_error(pass, -EBADMSG, "proc/stat: softirq lacks numbers");
        has_softirq = true;
    }
    if (mask == 0)
        return nv_error(pass, -EBADMSG, "proc/stat has none of the expected lines");

    nv_emit_some(pass, &totals, NULL, value, NV_LEN(columns), mask);
    if (has_softirq && nv_on(pass, FLAG_SOFTIRQ))
        emit_softirqs(pass, softirq + 1);
    return 0;
}

NV_COLLECTOR(stat) = {
    NV_ABI_STAMP,
    .name = "stat",
    .summary = "Boot time, forks, interrupts and context switches.",
    .sources = NV_SOURCES("proc/stat"),
    .tables = NV_TABLES(&totals, &softirqs),
    .flags = NV_FLAGS({"collector.stat.softirq", NV_FLAG_BOOL, "false",
                       "Expose the softirqs of each vector.", false}),
    .collect = collect,
};
