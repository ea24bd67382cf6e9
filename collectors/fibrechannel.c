/*
 * fibrechannel - host bus adapters and the statistics of their links.
 *
 * Source: sys/class/fc_host/<host>/. A text that is missing is an empty label; ids lose their "0x". The
 * statistics are hexadecimal with a prefix; 2^64-1 means that the adapter does not count this. A host
 * whose state is missing or "Unknown" has zeros, which is what node_exporter shows.
 */
#include <nodevitals/sysfs.h>

static const struct nv_family info[] = {
    {"node_fibrechannel_info", NV_GAUGE, NV_AS_IS, "Texts of the host, always 1."},
};

// clang-format off
#define C NV_COUNTER, NV_AS_IS
static const struct nv_family statistics[] = {
    {"node_fibrechannel_dumped_frames_total",            C, "Frames dumped."},
    {"node_fibrechannel_error_frames_total",             C, "Frames in error."},
    {"node_fibrechannel_invalid_crc_total",              C, "Frames with a wrong checksum."},
    {"node_fibrechannel_rx_frames_total",                C, "Frames received."},
    {"node_fibrechannel_rx_words_total",                 C, "Words received."},
    {"node_fibrechannel_tx_frames_total",                C, "Frames sent."},
    {"node_fibrechannel_tx_words_total",                 C, "Words sent."},
    {"node_fibrechannel_seconds_since_last_reset_total", C, "Time since the statistics were reset."},
    {"node_fibrechannel_invalid_tx_words_total",         C, "Invalid words sent by the port."},
    {"node_fibrechannel_link_failure_total",             C, "Failures of the link."},
    {"node_fibrechannel_loss_of_sync_total",             C, "Times the synchronisation was lost."},
    {"node_fibrechannel_loss_of_signal_total",           C, "Times the signal was lost."},
    {"node_fibrechannel_nos_total",                      C, "Times the port was told that its peer is not operational."},
    {"node_fibrechannel_fcp_packet_aborts_total",        C, "SCSI packets aborted."},
};

static const char *const files[NV_LEN(statistics)] = {
    "dumped_frames", "error_frames", "invalid_crc_count", "rx_frames", "rx_words", "tx_frames",
    "tx_words", "seconds_since_last_reset", "invalid_tx_word_count", "link_failure_count",
    "loss_of_sync_count", "loss_of_signal_count", "nos_count", "fcp_packet_aborts",
};

static const struct {
    const char *file;
    bool is_id; /* shown without its "0x" */
} texts[] = {
    {"speed", false},        {"port_state", false},        {"port_type", false},
    {"port_id", true},       {"port_name", true},          {"fabric_name", true},
    {"symbolic_name", false}, {"supported_classes", false}, {"supported_speeds", false},
    {"dev_loss_tmo", false},
};
enum { PORT_STATE = 1 };
// clang-format on

static const struct nv_table infos = {
    NV_LABELS("speed", "port_state", "port_type", "port_id", "port_name", "fabric_name",
              "symbolic_name", "supported_classes", "supported_speeds", "dev_loss_tmo", "fc_host"),
    info, NV_LEN(info)};
static const struct nv_table hosts = {NV_LABELS("fc_host"), statistics, NV_LEN(statistics)};

static int collect_statistics(struct nv_pass *pass, struct nv_str host, bool counted)
{
    uint64_t values[NV_LEN(statistics)] = {0}, mask = counted ? 0 : UINT64_MAX;

    for (size_t i = 0; counted && i < NV_LEN(files); i++) {
        struct nv_str text;
        int r = nv_attribute(pass, &text, "sys/class/fc_host/%.*s/statistics/%s", NV_ARGS(host),
                             files[i]);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return nv_error(pass, r, "cannot read %s of %.*s", files[i], NV_ARGS(host));
        if (nv_str_to_u64_prefixed(text, &values[i]) && values[i] != UINT64_MAX)
            mask |= (uint64_t)1 << i;
    }
    nv_emit_some(pass, &hosts, &host, values, NV_LEN(values), mask);
    return 0;
}

static int collect_host(struct nv_pass *pass, struct nv_str host)
{
    struct nv_str labels[NV_LEN(texts) + 1];

    for (size_t i = 0; i < NV_LEN(texts); i++) {
        labels[i] = NV_LIT("");
        int r = nv_attribute(pass, &labels[i], "sys/class/fc_host/%.*s/%s", NV_ARGS(host),
                             texts[i].file);
        if (r < 0 && r != -ENOENT)
            return nv_error(pass, r, "cannot read %s of %.*s", texts[i].file, NV_ARGS(host));
        if (texts[i].is_id)
            labels[i] = nv_str_from(labels[i], 2);
    }
    labels[NV_LEN(texts)] = host;
    nv_emit_u64(pass, &infos, labels, 0, 1);
    struct nv_str state = labels[PORT_STATE];
    return collect_statistics(pass, host, state.n && !nv_str_is(state, "Unknown"));
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, "sys/class/fc_host", &names);

    if (r == -ENOENT)
        return NV_NO_DATA;
    for (size_t i = 0; r == 0 && i < names.n; i++)
        r = collect_host(pass, names.at[i]);
    return r;
}

NV_COLLECTOR(fibrechannel) = {
    NV_ABI_STAMP,
    .name = "fibrechannel",
    .summary = "Fibre Channel hosts.",
    .options = NV_MAY_BLOCK, /* statistics are a question to the adapter */
    .tables = NV_TABLES(&infos, &hosts),
    .collect = collect,
};
