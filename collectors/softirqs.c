/*
 * softirqs - softirq handlers run, by kind and CPU.
 *
 * Source: /proc/softirqs: a heading with a word per CPU, then lines "NAME: count...". Names the table
 * does not know are left out. The cpu label is the place of the column.
 */
#include <nodevitals/collector.h>
#include <nodevitals/text.h>

static const struct nv_family columns[] = {
    {"node_softirqs_functions_total", NV_COUNTER, NV_AS_IS, "Softirq handlers run."},
};

static const struct nv_table softirqs = {NV_LABELS("cpu", "type"), columns, NV_LEN(columns)};

static const char *const types[] = {
    "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
};

static bool known(struct nv_str type)
{
    for (size_t i = 0; i < NV_LEN(types); i++) {
        if (nv_str_is(type, types[i]))
            return true;
    }
    return false;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    size_t max = 0;

    if (!nv_scan_line(&file, &line))
        return nv_error(pass, -EBADMSG, "proc/softirqs is empty");
    for (; !nv_scan_done(&line); max++)
        nv_scan_word(&line);
    const struct nv_str *cpus = nv_ordinals(pass, max);
    uint64_t *count = nv_alloc(pass, (max + 1) * sizeof(*count));

    while (nv_scan_line(&file, &line)) {
        struct nv_str type = nv_str_trim(nv_scan_until(&line, ':'));
        if (!known(type))
            continue;
        size_t n = nv_scan_row(&line, count, max);
        if (line.failed)
            return nv_error(pass, -EBADMSG, "proc/softirqs: %.*s has a bad count", NV_ARGS(type));
        for (size_t i = 0; i < n; i++) {
            struct nv_str labels[] = {cpus[i], type};
            nv_emit_row(pass, &softirqs, labels, &count[i], 1);
        }
    }
    return 0;
}

NV_COLLECTOR(softirqs) = {
    NV_ABI_STAMP,
    .name = "softirqs",
    .summary = "Softirqs by kind and CPU.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/softirqs"),
    .tables = NV_TABLES(&softirqs),
    .collect = collect,
};
