/*
 * xfrm - what went wrong with packets of IPsec.
 *
 * Source: proc/net/xfrm_stat, a key and a number a line. A key the kernel lacks reads as 0, as
 * node_exporter has it; one not listed here is ignored.
 */
#include <nodevitals/collector.h>

// clang-format off
#define C NV_COUNTER, NV_AS_IS
static const struct nv_family columns[] = {
    {"node_xfrm_acquire_error_packets_total",                C, "Acquire events that failed."},
    {"node_xfrm_fwd_hdr_error_packets_total",                C, "Packets to forward whose header was in error."},
    {"node_xfrm_in_buffer_error_packets_total",              C, "Packets received for which there was no buffer."},
    {"node_xfrm_in_error_packets_total",                     C, "Packets received with an error of no other kind."},
    {"node_xfrm_in_hdr_error_packets_total",                 C, "Packets received whose header was in error."},
    {"node_xfrm_in_no_pols_packets_total",                   C, "Packets received whose state has no policy."},
    {"node_xfrm_in_no_states_packets_total",                 C, "Packets received for which there is no state."},
    {"node_xfrm_in_pol_block_packets_total",                 C, "Packets received that a policy discards."},
    {"node_xfrm_in_pol_error_packets_total",                 C, "Packets received whose policy is in error."},
    {"node_xfrm_in_state_expired_packets_total",             C, "Packets received whose state has expired."},
    {"node_xfrm_in_state_invalid_packets_total",             C, "Packets received whose state is invalid."},
    {"node_xfrm_in_state_mismatch_packets_total",            C, "Packets received whose state has another option than the packet."},
    {"node_xfrm_in_state_mode_error_packets_total",          C, "Packets received in error as to the mode of the transformation."},
    {"node_xfrm_in_state_proto_error_packets_total",         C, "Packets received in error as to the protocol of the transformation."},
    {"node_xfrm_in_state_seq_error_packets_total",           C, "Packets received with a sequence number out of the window."},
    {"node_xfrm_in_tmpl_mismatch_packets_total",             C, "Packets received that match no template of their state."},
    {"node_xfrm_out_bundle_check_error_packets_total",       C, "Packets whose bundle failed a check on the way out."},
    {"node_xfrm_out_bundle_gen_error_packets_total",         C, "Packets for which no bundle could be made."},
    {"node_xfrm_out_error_packets_total",                    C, "Packets not sent, with an error of no other kind."},
    {"node_xfrm_out_no_states_packets_total",                C, "Packets not sent since there is no state."},
    {"node_xfrm_out_pol_block_packets_total",                C, "Packets not sent since a policy discards them."},
    {"node_xfrm_out_pol_dead_packets_total",                 C, "Packets not sent since their policy is dead."},
    {"node_xfrm_out_pol_error_packets_total",                C, "Packets not sent since their policy is in error."},
    {"node_xfrm_out_state_expired_packets_total",            C, "Packets not sent since their state has expired."},
    {"node_xfrm_out_state_invalid_packets_total",            C, "Packets not sent since their state is invalid."},
    {"node_xfrm_out_state_mode_error_packets_total",         C, "Packets not sent, in error as to the mode of the transformation."},
    {"node_xfrm_out_state_proto_error_packets_total",        C, "Packets not sent, in error as to the protocol of the transformation."},
    {"node_xfrm_out_state_seq_error_packets_total",          C, "Packets not sent since the sequence number ran over."},
};

static const char *const keys[NV_LEN(columns)] = {
    "XfrmAcquireError",
    "XfrmFwdHdrError",
    "XfrmInBufferError",
    "XfrmInError",
    "XfrmInHdrError",
    "XfrmInNoPols",
    "XfrmInNoStates",
    "XfrmInPolBlock",
    "XfrmInPolError",
    "XfrmInStateExpired",
    "XfrmInStateInvalid",
    "XfrmInStateMismatch",
    "XfrmInStateModeError",
    "XfrmInStateProtoError",
    "XfrmInStateSeqError",
    "XfrmInTmplMismatch",
    "XfrmOutBundleCheckError",
    "XfrmOutBundleGenError",
    "XfrmOutError",
    "XfrmOutNoStates",
    "XfrmOutPolBlock",
    "XfrmOutPolDead",
    "XfrmOutPolError",
    "XfrmOutStateExpired",
    "XfrmOutStateInvalid",
    "XfrmOutStateModeError",
    "XfrmOutStateProtoError",
    "XfrmOutStateSeqError",
};
// clang-format on

static const struct nv_table table = {NV_NO_LABELS, columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    uint64_t values[NV_LEN(columns)] = {0};

    while (nv_scan_line(&file, &line)) {
        struct nv_str key = nv_scan_word(&line);
        uint64_t value = nv_scan_u64(&line);
        if (line.failed || !nv_scan_done(&line))
            return nv_error(pass, -EBADMSG, "net/xfrm_stat: not a key and a number");
        for (size_t i = 0; i < NV_LEN(keys); i++) {
            if (nv_str_is(key, keys[i]))
                values[i] = value;
        }
    }
    nv_emit_row(pass, &table, NULL, values, NV_LEN(values));
    return 0;
}

NV_COLLECTOR(xfrm) = {
    NV_ABI_STAMP,
    .name = "xfrm",
    .summary = "Errors of IPsec transformations.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/net/xfrm_stat"),
    .tables = NV_TABLES(&table),
    .collect = collect,
};
