/*
 * infiniband - adapters, the state of their ports, and what passed through them.
 *
 * Source: sys/class/infiniband/<device>/{board_id,fw_ver,hca_type} and, below ports/<port>/, state and
 * phys_state ("4: ACTIVE"), rate ("40 Gb/sec (4X QDR)"), and the counters of three folders. The old
 * data counters count words of four bytes. A counter that is missing, not permitted, not supported or
 * "N/A (no PMA)" has no series; counters/ itself must be there.
 */
#include <nodevitals/sysfs.h>

enum { INCLUDE, EXCLUDE };

static const struct nv_family info[] = {
    {"node_infiniband_info", NV_GAUGE, NV_AS_IS, "Texts of the adapter, always 1."},
};

static const struct nv_family states[] = {
    {"node_infiniband_state_id",              NV_GAUGE, NV_AS_IS,
     "State of the port: 0 no change, 1 down, 2 init, 3 armed, 4 active, 5 deferred."},
    {"node_infiniband_physical_state_id",     NV_GAUGE, NV_AS_IS,
     "Physical state of the port: 0 no change, 1 sleep, 2 polling, 3 disabled, 4 shift, 5 link up, "
     "6 recovery, 7 test."                                                           },
    {"node_infiniband_rate_bytes_per_second", NV_GAUGE, NV_AS_IS,
     "Most the port can transfer in a second."                                       },
};

// clang-format off
#define C NV_COUNTER, NV_AS_IS
#define W NV_COUNTER, NV_TIMES(4)

static const struct nv_family counters[] = {
    {"node_infiniband_legacy_data_received_bytes_total",              W, "Bytes received, from the extended counters."},
    {"node_infiniband_legacy_data_transmitted_bytes_total",           W, "Bytes sent, from the extended counters."},
    {"node_infiniband_legacy_multicast_packets_received_total",       C, "Multicast packets received, from the extended counters."},
    {"node_infiniband_legacy_multicast_packets_transmitted_total",    C, "Multicast packets sent, from the extended counters."},
    {"node_infiniband_legacy_packets_received_total",                 C, "Packets received, from the extended counters."},
    {"node_infiniband_legacy_packets_transmitted_total",              C, "Packets sent, from the extended counters."},
    {"node_infiniband_legacy_unicast_packets_received_total",         C, "Unicast packets received, from the extended counters."},
    {"node_infiniband_legacy_unicast_packets_transmitted_total",      C, "Unicast packets sent, from the extended counters."},
    {"node_infiniband_excessive_buffer_overrun_errors_total",         C, "Times buffers overran long enough to matter."},
    {"node_infiniband_link_downed_total",                             C, "Times the link went down for good."},
    {"node_infiniband_link_error_recovery_total",                     C, "Times the link recovered from an error."},
    {"node_infiniband_local_link_integrity_errors_total",             C, "Times local errors went past their threshold."},
    {"node_infiniband_multicast_packets_received_total",              C, "Multicast packets received, those in error included."},
    {"node_infiniband_multicast_packets_transmitted_total",           C, "Multicast packets sent, those in error included."},
    {"node_infiniband_port_constraint_errors_received_total",         C, "Packets received and discarded by a constraint of the port."},
    {"node_infiniband_port_constraint_errors_transmitted_total",      C, "Packets not sent because of a constraint of the port."},
    {"node_infiniband_port_data_received_bytes_total",                W, "Bytes received on all virtual lanes."},
    {"node_infiniband_port_data_transmitted_bytes_total",             W, "Bytes sent on all virtual lanes."},
    {"node_infiniband_port_discards_received_total",                  C, "Packets received and discarded since the port was down or congested."},
    {"node_infiniband_port_discards_transmitted_total",               C, "Packets not sent since the port was down or congested."},
    {"node_infiniband_port_errors_received_total",                    C, "Packets received in error."},
    {"node_infiniband_port_packets_received_total",                   C, "Packets received, those in error included."},
    {"node_infiniband_port_packets_transmitted_total",                C, "Packets sent, those in error included."},
    {"node_infiniband_port_receive_remote_physical_errors_total",     C, "Packets received that their sender had marked as bad."},
    {"node_infiniband_port_receive_switch_relay_errors_total",        C, "Packets received that a switch could not pass on."},
    {"node_infiniband_port_transmit_wait_total",                      C, "Ticks in which there was data and no way to send it."},
    {"node_infiniband_symbol_error_total",                            C, "Symbol errors on the physical lanes."},
    {"node_infiniband_unicast_packets_received_total",                C, "Unicast packets received, those in error included."},
    {"node_infiniband_unicast_packets_transmitted_total",             C, "Unicast packets sent, those in error included."},
    {"node_infiniband_vl15_dropped_total",                            C, "Management packets dropped for lack of a buffer."},
};

static const struct nv_family hw_counters[] = {
    {"node_infiniband_duplicate_requests_packets_total",              C, "Requests received a second time."},
    {"node_infiniband_implied_nak_seq_errors_total",                  C, "Times an acknowledgement came beyond the expected sequence."},
    {"node_infiniband_lifespan_seconds", NV_GAUGE, NV_AS_IS,             "Longest time between two updates of the hardware counters."},
    {"node_infiniband_local_ack_timeout_errors_total",                C, "Times the acknowledgement timer ran out."},
    {"node_infiniband_np_cnp_packets_sent_total",                     C, "Congestion notifications sent."},
    {"node_infiniband_np_ecn_marked_roce_packets_received_total",     C, "RoCE packets received with a mark of congestion."},
    {"node_infiniband_out_of_buffer_drops_total",                     C, "Drops for lack of a work request."},
    {"node_infiniband_out_of_sequence_packets_received_total",        C, "Packets received out of sequence."},
    {"node_infiniband_packet_sequence_errors_total",                  C, "Negative acknowledgements of a sequence received."},
    {"node_infiniband_req_cqes_errors_total",                         C, "Completions of requests in error."},
    {"node_infiniband_req_cqes_flush_errors_total",                   C, "Completions of requests flushed in error."},
    {"node_infiniband_req_remote_access_errors_total",                C, "Remote access errors seen by the requester."},
    {"node_infiniband_req_remote_invalid_request_errors_total",       C, "Invalid requests the remote side told the requester of."},
    {"node_infiniband_resp_cqes_errors_total",                        C, "Completions of responses in error."},
    {"node_infiniband_resp_cqes_flush_errors_total",                  C, "Completions of responses flushed in error."},
    {"node_infiniband_resp_local_length_errors_total",                C, "Local length errors seen by the responder."},
    {"node_infiniband_resp_remote_access_errors_total",               C, "Remote access errors seen by the responder."},
    {"node_infiniband_rnr_nak_retry_packets_received_total",          C, "Receiver-not-ready answers received."},
    {"node_infiniband_roce_adp_retransmits_total",                    C, "Adaptive retransmissions of RoCE traffic."},
    {"node_infiniband_roce_adp_retransmits_timeout_total",            C, "Adaptive retransmissions of RoCE traffic that timed out."},
    {"node_infiniband_roce_slow_restart_cnps_total",                  C, "Congestion notifications that RoCE slow restart generated."},
    {"node_infiniband_roce_slow_restart_total",                       C, "Changes of state of RoCE slow restart."},
    {"node_infiniband_roce_slow_restart_used_total",                  C, "Times RoCE slow restart was used."},
    {"node_infiniband_rp_cnp_ignored_packets_received_total",         C, "Congestion notifications received and ignored."},
    {"node_infiniband_rp_cnp_packets_handled_total",                  C, "Congestion notifications received and obeyed."},
    {"node_infiniband_rx_atomic_requests_total",                      C, "Atomic requests received."},
    {"node_infiniband_rx_dct_connect_requests_total",                 C, "Connect requests received by dynamically connected queues."},
    {"node_infiniband_rx_icrc_encapsulated_errors_total",             C, "RoCE packets received with a wrong checksum."},
    {"node_infiniband_rx_read_requests_total",                        C, "Read requests received."},
    {"node_infiniband_rx_write_requests_total",                       C, "Write requests received."},
};
enum { LIFESPAN = 2 };

static const char *const counter_files[NV_LEN(counters)] = {
    "counters_ext/port_rcv_data_64", "counters_ext/port_xmit_data_64",
    "counters_ext/port_multicast_rcv_packets", "counters_ext/port_multicast_xmit_packets",
    "counters_ext/port_rcv_packets_64", "counters_ext/port_xmit_packets_64",
    "counters_ext/port_unicast_rcv_packets", "counters_ext/port_unicast_xmit_packets",
    "counters/excessive_buffer_overrun_errors", "counters/link_downed",
    "counters/link_error_recovery", "counters/local_link_integrity_errors",
    "counters/multicast_rcv_packets", "counters/multicast_xmit_packets",
    "counters/port_rcv_constraint_errors", "counters/port_xmit_constraint_errors",
    "counters/port_rcv_data", "counters/port_xmit_data",
    "counters/port_rcv_discards", "counters/port_xmit_discards",
    "counters/port_rcv_errors", "counters/port_rcv_packets", "counters/port_xmit_packets",
    "counters/port_rcv_remote_physical_errors", "counters/port_rcv_switch_relay_errors",
    "counters/port_xmit_wait", "counters/symbol_error",
    "counters/unicast_rcv_packets", "counters/unicast_xmit_packets", "counters/VL15_dropped",
};

static const char *const hw_counter_files[NV_LEN(hw_counters)] = {
    "hw_counters/duplicate_request", "hw_counters/implied_nak_seq_err", "hw_counters/lifespan",
    "hw_counters/local_ack_timeout_err", "hw_counters/np_cnp_sent",
    "hw_counters/np_ecn_marked_roce_packets", "hw_counters/out_of_buffer",
    "hw_counters/out_of_sequence", "hw_counters/packet_seq_err", "hw_counters/req_cqe_error",
    "hw_counters/req_cqe_flush_error", "hw_counters/req_remote_access_errors",
    "hw_counters/req_remote_invalid_request", "hw_counters/resp_cqe_error",
    "hw_counters/resp_cqe_flush_error", "hw_counters/resp_local_length_error",
    "hw_counters/resp_remote_access_errors", "hw_counters/rnr_nak_retry_err",
    "hw_counters/roce_adp_retrans", "hw_counters/roce_adp_retrans_to",
    "hw_counters/roce_slow_restart_cnps", "hw_counters/roce_slow_restart_trans",
    "hw_counters/roce_slow_restart", "hw_counters/rp_cnp_ignored", "hw_counters/rp_cnp_handled",
    "hw_counters/rx_atomic_requests", "hw_counters/rx_dct_connect",
    "hw_counters/rx_icrc_encapsulated", "hw_counters/rx_read_requests",
    "hw_counters/rx_write_requests",
};
// clang-format on

static const struct nv_table infos = {
    NV_LABELS("board_id", "device", "firmware_version", "hca_type"), info, NV_LEN(info)};
static const char *const port_labels[] = {"device", "port", NULL};
static const struct nv_table table_states = {port_labels, states, NV_LEN(states)};
static const struct nv_table table_counters = {port_labels, counters, NV_LEN(counters)};
static const struct nv_table table_hw_counters = {port_labels, hw_counters, NV_LEN(hw_counters)};

/* Reads the counters that are there. Returns 0 and their mask, or a negative errno. */
static int read_counters(struct nv_pass *pass, struct nv_str device, struct nv_str port,
                         const char *const *files, size_t n, uint64_t *values, uint64_t *ret_mask)
{
    *ret_mask = 0;
    for (size_t i = 0; i < n; i++) {
        struct nv_str text;
        int r = nv_attribute(pass, &text, "sys/class/infiniband/%.*s/ports/%.*s/%s",
                             NV_ARGS(device), NV_ARGS(port), files[i]);
        if (r == -ENOENT || r == -EACCES || r == -EPERM || r == -EOPNOTSUPP || r == -EINVAL ||
            (r == 0 && nv_str_contains(text, "N/A (no PMA)")))
            continue;
        if (r == 0 && !nv_str_to_u64_prefixed(text, &values[i]))
            r = -EBADMSG;
        if (r < 0)
            return nv_error(pass, r, "cannot read %s of %.*s port %.*s", files[i], NV_ARGS(device),
                            NV_ARGS(port));
        *ret_mask |= (uint64_t)1 << i;
    }
    return 0;
}

static int read_port_file(struct nv_pass *pass, struct nv_str device, struct nv_str port,
                          const char *file, struct nv_str *ret)
{
    return nv_attribute(pass, ret, "sys/class/infiniband/%.*s/ports/%.*s/%s", NV_ARGS(device),
                        NV_ARGS(port), file);
}

/* state, phys_state and rate, in this order. */
static int read_states(struct nv_pass *pass, struct nv_str device, struct nv_str port,
                       uint64_t values[NV_LEN(states)])
{
    static const char *const files[] = {"state", "phys_state"};
    struct nv_str text;
    double gigabits;
    int r;

    for (size_t i = 0; i < NV_LEN(files); i++) {
        r = read_port_file(pass, device, port, files[i], &text);
        if (r < 0)
            return r;
        if (!nv_str_to_u64(nv_str_cut(&text, ':'), &values[i]))
            return nv_error(pass, -EBADMSG, "%s of %.*s port %.*s is no number", files[i],
                            NV_ARGS(device), NV_ARGS(port));
    }
    r = read_port_file(pass, device, port, "rate", &text);
    if (r < 0)
        return r;
    if (!nv_str_to_real(nv_str_cut(&text, ' '), &gigabits) || !(gigabits >= 0 && gigabits < 1e6))
        return nv_error(pass, -EBADMSG, "rate of %.*s port %.*s is no number", NV_ARGS(device),
                        NV_ARGS(port));
    values[2] = (uint64_t)((double)(float)gigabits * 125000000);
    return 0;
}

static int collect_port(struct nv_pass *pass, struct nv_str device, struct nv_str port)
{
    const struct nv_str labels[] = {device, port};
    uint64_t values[NV_LEN(states)], counts[NV_LEN(counters)], hw_counts[NV_LEN(hw_counters)];
    uint64_t mask, hw_mask;
    struct nv_names names;
    struct nv_str layer;

    int r = read_port_file(pass, device, port, "link_layer", &layer);
    if (r == 0)
        r = read_states(pass, device, port, values);
    if (r == 0)
        r = nv_entries(pass, &names, "sys/class/infiniband/%.*s/ports/%.*s/counters",
                       NV_ARGS(device), NV_ARGS(port));
    if (r == 0)
        r = read_counters(pass, device, port, counter_files, NV_LEN(counters), counts, &mask);
    if (r == 0)
        r = read_counters(pass, device, port, hw_counter_files, NV_LEN(hw_counters), hw_counts,
                          &hw_mask);
    if (r < 0)
        return r;
    if (hw_mask & (uint64_t)1 << LIFESPAN)
        hw_counts[LIFESPAN] /= 1000; /* the file has milliseconds */
    nv_emit_row(pass, &table_states, labels, values, NV_LEN(states));
    nv_emit_some(pass, &table_counters, labels, counts, NV_LEN(counters), mask);
    nv_emit_some(pass, &table_hw_counters, labels, hw_counts, NV_LEN(hw_counters), hw_mask);
    return 0;
}

static int collect_device(struct nv_pass *pass, struct nv_str device)
{
    static const char *const files[] = {"board_id", "fw_ver", "hca_type"};
    enum { BOARD, FIRMWARE, TYPE };
    struct nv_str text[NV_LEN(files)];
    struct nv_names ports;

    for (size_t i = 0; i < NV_LEN(files); i++) {
        text[i] = NV_LIT("");
        int r =
            nv_attribute(pass, &text[i], "sys/class/infiniband/%.*s/%s", NV_ARGS(device), files[i]);
        if (r < 0 && (r != -ENOENT || i == FIRMWARE)) /* every driver tells its firmware */
            return r;
    }
    int r = nv_entries(pass, &ports, "sys/class/infiniband/%.*s/ports", NV_ARGS(device));
    if (r < 0)
        return r;
    const struct nv_str labels[] = {text[BOARD], device, text[FIRMWARE], text[TYPE]};
    nv_emit_u64(pass, &infos, labels, 0, 1);
    for (size_t i = 0; i < ports.n && r == 0; i++)
        r = collect_port(pass, device, ports.at[i]);
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, "sys/class/infiniband", &names);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_wants(pass, INCLUDE, EXCLUDE, names.at[i]))
            r = collect_device(pass, names.at[i]);
    }
    return r == -ENOENT ? NV_NO_DATA : r;
}

NV_COLLECTOR(infiniband) = {
    NV_ABI_STAMP,
    .name = "infiniband",
    .summary = "InfiniBand adapters and their ports.",
    .options = NV_MAY_BLOCK, /* a counter is a question to the hardware */
    .tables = NV_TABLES(&infos, &table_states, &table_counters, &table_hw_counters),
    .flags = NV_FLAGS({"collector.infiniband.device-include", NV_FLAG_REGEX, "",
                       "Adapters to include.", false},
                      {"collector.infiniband.device-exclude", NV_FLAG_REGEX, "",
                       "Adapters to leave out.", false}),
    .collect = collect,
};
