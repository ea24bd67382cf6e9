/*
 * softnet - packet processing in soft interrupts, by CPU.
 *
 * Source: proc/net/softnet_stat, a row per CPU of 9 (Linux 2.6) to 15 hexadecimal columns. The 13th and
 * later ones tell the CPU's number; on kernels without it a row's place is its number. Columns a kernel
 * lacks read as 0, as node_exporter has it.
 */
#include <nodevitals/collector.h>

// clang-format off
#define C NV_COUNTER, NV_AS_IS
static const struct nv_family columns[] = {
    {"node_softnet_processed_total",        C, "Packets processed."},
    {"node_softnet_dropped_total",          C, "Packets dropped because the backlog was full."},
    {"node_softnet_times_squeezed_total",   C, "Times processing stopped with packets left, for lack of budget or time."},
    {"node_softnet_cpu_collision_total",    C, "Collisions on the lock of a device while sending."},
    {"node_softnet_received_rps_total",     C, "Times another CPU woke this one to process packets."},
    {"node_softnet_flow_limit_count_total", C, "Packets dropped by the limit of a flow."},
    {"node_softnet_backlog_len", NV_GAUGE, NV_AS_IS, "Packets in the backlog."},
};
// clang-format on
static const unsigned char column[NV_LEN(columns)] = {0, 1, 2, 8, 9, 10, 11};

enum { COLUMNS_MIN = 9, BACKLOG = 11, INDEX = 12, COLUMNS_MAX = 13 };

static const struct nv_table cpus = {NV_LABELS("cpu"), columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;

    for (uint64_t ordinal = 0; nv_scan_line(&file, &line); ordinal++) {
        uint64_t row[COLUMNS_MAX] = {0}, values[NV_LEN(columns)];
        char text[24];
        size_t n = 0;
        while (n < COLUMNS_MAX && !nv_scan_done(&line))
            row[n++] = nv_scan_hex(&line);
        if (n < COLUMNS_MIN || line.failed)
            return nv_error(pass, -EBADMSG, "net/softnet_stat: row %llu is too short or no number",
                            (unsigned long long)ordinal);
        if (n < COLUMNS_MAX) {
            row[BACKLOG] = 0;
            row[INDEX] = ordinal;
        }
        for (size_t i = 0; i < NV_LEN(values); i++)
            values[i] = row[column[i]];
        int width = snprintf(text, sizeof(text), "%llu", (unsigned long long)row[INDEX]);
        const struct nv_str cpu = {text, (size_t)width};
        nv_emit_row(pass, &cpus, &cpu, values, NV_LEN(values));
    }
    return 0;
}

NV_COLLECTOR(softnet) = {
    NV_ABI_STAMP,
    .name = "softnet",
    .summary = "Packet processing by CPU.",
    .sources = NV_SOURCES("proc/net/softnet_stat"),
    .tables = NV_TABLES(&cpus),
    .collect = collect,
};
