/*
 * qdisc - what queueing disciplines sent, dropped and hold; the root one of every interface only.
 *
 * Source: an RTM_GETQDISC dump. TCA_STATS2 nests tc_stats' numbers in two structures, and is followed by
 * TCA_STATS, an older structure without requeues; the later of the two is believed. With
 * --collector.qdisc.fixtures the source is results.json in that folder, an array of objects with
 * IfaceName, Kind, Parent and the numbers below.
 */
#include <nodevitals/devices.h>
#include <nodevitals/json.h>
#include <nodevitals/links.h>
#include <nodevitals/native.h>

#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>

enum {
    FIXTURES,
    INCLUDE,
    EXCLUDE
}; /* the old names of the last two follow: see nv_device_flags() */

// clang-format off
static const struct nv_flag flags[] = {
    {"collector.qdisc.fixtures", NV_FLAG_TEXT, "", "Folder with results.json, to test with.", false},
    {"collector.qdisc.device-include", NV_FLAG_REGEX, "",
     "Network devices to include (excludes device-exclude).", false},
    {"collector.qdisc.device-exclude", NV_FLAG_REGEX, "",
     "Network devices to leave out (excludes device-include).", false},
    {"collector.qdisk.device-include", NV_FLAG_REGEX, "",
     "Old name of --collector.qdisc.device-include.", true},
    {"collector.qdisk.device-exclude", NV_FLAG_REGEX, "",
     "Old name of --collector.qdisc.device-exclude.", true},
    {0},
};

#define C NV_COUNTER, NV_AS_IS
#define G NV_GAUGE, NV_AS_IS

static const struct nv_family columns[] = {
    {"node_qdisc_bytes_total",          C, "Bytes sent."},
    {"node_qdisc_packets_total",        C, "Packets sent."},
    {"node_qdisc_drops_total",          C, "Packets dropped."},
    {"node_qdisc_requeues_total",       C, "Packets put back, to be sent again."},
    {"node_qdisc_overlimits_total",     C, "Packets above the limit."},
    {"node_qdisc_current_queue_length", G, "Packets in the queue."},
    {"node_qdisc_backlog",              G, "Bytes in the queue."},
};
enum { BYTES, PACKETS, DROPS, REQUEUES, OVERLIMITS, QLEN, BACKLOG, N_COLUMNS };
static const char *const keys[N_COLUMNS] = {
    "Bytes", "Packets", "Drops", "Requeues", "Overlimits", "Qlen", "Backlog",
};
// clang-format on

static const struct nv_table table = {NV_LABELS("device", "kind"), columns, NV_LEN(columns)};

struct state {
    struct nv_device_flags devices;
};

struct qdisc {
    struct nv_str device, kind;
    uint64_t parent, values[N_COLUMNS];
};

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);

    return nv_device_flags(pass, flags, INCLUDE, &state->devices);
}

static void emit(struct nv_pass *pass, const struct qdisc *qdisc)
{
    const struct state *state = nv_state(pass);
    const struct nv_str labels[] = {qdisc->device, qdisc->kind};

    if (nv_wants(pass, state->devices.include, state->devices.exclude, qdisc->device))
        nv_emit_row(pass, &table, labels, qdisc->values, N_COLUMNS);
}

/* ---- netlink -------------------------------------------------------------------------------- */

struct walk {
    struct nv_pass *pass;
    struct nv_link_names names;
};

static bool copy(struct nv_str from, void *ret, size_t n)
{
    if (from.n < n)
        return false;
    memcpy(ret, from.p, n);
    return true;
}

static void read_stats2(struct nv_str attributes, uint64_t values[N_COLUMNS])
{
    enum { BASIC_BYTES = 12 }; /* bytes and packets, without the structure's padding */
    struct gnet_stats_basic basic = {0};
    struct gnet_stats_queue queue;
    struct nv_str value;
    unsigned type;

    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == TCA_STATS_BASIC && copy(value, &basic, BASIC_BYTES)) {
            values[BYTES] = basic.bytes;
            values[PACKETS] = basic.packets;
        } else if (type == TCA_STATS_QUEUE && copy(value, &queue, sizeof(queue))) {
            values[DROPS] = queue.drops;
            values[REQUEUES] = queue.requeues;
            values[OVERLIMITS] = queue.overlimits;
            values[QLEN] = queue.qlen;
            values[BACKLOG] = queue.backlog;
        }
    }
}

static void read_stats(struct nv_str value, uint64_t values[N_COLUMNS])
{
    enum { STATS_BYTES = 36 }; /* up to backlog */
    struct tc_stats stats = {0};

    if (!copy(value, &stats, STATS_BYTES))
        return;
    values[BYTES] = stats.bytes;
    values[PACKETS] = stats.packets;
    values[DROPS] = stats.drops;
    values[OVERLIMITS] = stats.overlimits;
    values[QLEN] = stats.qlen;
    values[BACKLOG] = stats.backlog;
}

static int emit_message(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct nv_str attributes = nv_netlink_payload(message, sizeof(struct tcmsg)), value;
    struct qdisc qdisc = {.kind = NV_LIT("")};
    struct tcmsg head;
    unsigned type;

    if (message->nlmsg_type != RTM_NEWQDISC || !nv_netlink_head(message, &head, sizeof(head)) ||
        (head.tcm_parent != TC_H_ROOT && head.tcm_parent != 0))
        return 0;
    qdisc.device = nv_link_name(&walk->names, head.tcm_ifindex);
    if (!qdisc.device.n)
        return 0;
    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == TCA_KIND)
            qdisc.kind = nv_netlink_text(value);
        else if (type == TCA_STATS2)
            read_stats2(value, qdisc.values);
        else if (type == TCA_STATS)
            read_stats(value, qdisc.values);
    }
    emit(walk->pass, &qdisc);
    return 0;
}

static int collect_netlink(struct nv_pass *pass)
{
    const struct {
        struct nlmsghdr header;
        struct tcmsg body;
    } request = {
        {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETQDISC},
        {0                           }
    };
    struct walk walk = {.pass = pass};

    int r = nv_link_names(pass, &walk.names);
    if (r == 0)
        r = nv_netlink(pass, NETLINK_ROUTE, &request, sizeof(request), emit_message, &walk);
    return r < 0 ? nv_error(pass, r, "cannot list queueing disciplines") : 0;
}

/* ---- fixtures ------------------------------------------------------------------------------- */

static struct nv_str read_name(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_str raw = nv_json_text(json);

    return nv_json_unescape(raw, nv_alloc(pass, raw.n + 1), raw.n + 1);
}

static void read_object(struct nv_pass *pass, struct nv_json *json, struct qdisc *qdisc)
{
    struct nv_str key;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        uint64_t *number = nv_json_key_is_any_case(key, "Parent") ? &qdisc->parent : NULL;
        for (size_t i = 0; i < N_COLUMNS; i++) {
            if (nv_json_key_is_any_case(key, keys[i]))
                number = &qdisc->values[i];
        }
        if (nv_json_null(json))
            continue;
        if (number)
            *number = nv_json_u64(json);
        else if (nv_json_key_is_any_case(key, "IfaceName"))
            qdisc->device = read_name(pass, json);
        else if (nv_json_key_is_any_case(key, "Kind"))
            qdisc->kind = read_name(pass, json);
        else
            nv_json_skip(json);
    }
}

static int collect_fixtures(struct nv_pass *pass)
{
    struct nv_str text = {NULL, 0};

    int r = nv_native_read(pass, nv_flag(pass, FIXTURES)->text, "results.json", &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read results.json");
    struct nv_json json = nv_json(text);
    nv_json_array(&json);
    while (nv_json_item(&json)) {
        struct qdisc qdisc = {.device = NV_LIT(""), .kind = NV_LIT("")};
        read_object(pass, &json, &qdisc);
        if (!json.failed && qdisc.parent == 0)
            emit(pass, &qdisc);
    }
    return nv_json_done(&json) ? 0 : nv_error(pass, -EBADMSG, "results.json cannot be read");
}

static int collect(struct nv_pass *pass)
{
    return nv_flag(pass, FIXTURES)->text.n ? collect_fixtures(pass) : collect_netlink(pass);
}

NV_COLLECTOR(qdisc) = {
    NV_ABI_STAMP,
    .name = "qdisc",
    .summary = "Queueing disciplines of network interfaces.",
    .options = NV_OFF_BY_DEFAULT,
    .tables = NV_TABLES(&table),
    .flags = flags,
    .state_size = sizeof(struct state),
    .start = start,
    .collect = collect,
};
