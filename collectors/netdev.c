/*
 * netdev - traffic and errors of network interfaces.
 *
 * Source: an RTM_GETLINK dump; rtnl_link_stats64, else the 32-bit rtnl_link_stats of the same fields.
 * By default they are folded into the columns /proc/net/dev has always had, so that both sources (and
 * every dashboard) agree; --collector.netdev.enable-detailed-metrics shows them as the kernel has them.
 * With --no-collector.netdev.netlink the source is /proc/net/dev: a name, a colon, and 16 columns in
 * the order of the table below.
 */
#include <nodevitals/address.h>
#include <nodevitals/devices.h>
#include <nodevitals/links.h>

#include <linux/if_addr.h>

enum {
    INCLUDE,
    EXCLUDE,
    WHITELIST, /* nv_device_flags() wants these four in a row */
    BLACKLIST,
    ADDRESS_INFO,
    DETAILED,
    NETLINK,
    IFALIAS,
};

// clang-format off
static const struct nv_flag flags[] = {
    {"collector.netdev.device-include", NV_FLAG_REGEX, "",
     "Network devices to include (excludes device-exclude).", false},
    {"collector.netdev.device-exclude", NV_FLAG_REGEX, "",
     "Network devices to leave out (excludes device-include).", false},
    {"collector.netdev.device-whitelist", NV_FLAG_REGEX, "",
     "Old name of --collector.netdev.device-include.", true},
    {"collector.netdev.device-blacklist", NV_FLAG_REGEX, "",
     "Old name of --collector.netdev.device-exclude.", true},
    {"collector.netdev.address-info", NV_FLAG_BOOL, "false",
     "Tell the addresses of every device.", false},
    {"collector.netdev.enable-detailed-metrics", NV_FLAG_BOOL, "false",
     "Show every error counter of the kernel under its own name.", false},
    {"collector.netdev.netlink", NV_FLAG_BOOL, "true",
     "Ask the kernel by netlink rather than through /proc/net/dev.", false},
    {"collector.netdev.label-ifalias", NV_FLAG_BOOL, "false",
     "Add the alias of the device as a label.", false},
    {0},
};

#define C NV_COUNTER, NV_AS_IS

static const struct nv_family folded[] = { /* the order of /proc/net/dev */
    {"node_network_receive_bytes_total",       C, "Bytes received."},
    {"node_network_receive_packets_total",     C, "Packets received."},
    {"node_network_receive_errs_total",        C, "Bad packets received."},
    {"node_network_receive_drop_total",        C, "Packets dropped on the way in, those the device had no room for included."},
    {"node_network_receive_fifo_total",        C, "Receive FIFO overruns."},
    {"node_network_receive_frame_total",       C, "Received packets with frame, length, ring overrun or checksum errors."},
    {"node_network_receive_compressed_total",  C, "Compressed packets received."},
    {"node_network_receive_multicast_total",   C, "Multicast packets received."},
    {"node_network_transmit_bytes_total",      C, "Bytes sent."},
    {"node_network_transmit_packets_total",    C, "Packets sent."},
    {"node_network_transmit_errs_total",       C, "Errors while sending."},
    {"node_network_transmit_drop_total",       C, "Packets dropped on the way out."},
    {"node_network_transmit_fifo_total",       C, "Transmit FIFO errors."},
    {"node_network_transmit_colls_total",      C, "Collisions while sending."},
    {"node_network_transmit_carrier_total",    C, "Packets lost to carrier, abort, heartbeat or window errors."},
    {"node_network_transmit_compressed_total", C, "Compressed packets sent."},
    {"node_network_receive_nohandler_total",   C, "Packets received that nothing was there to handle."},
};
enum { N_PROCFS = 16, N_FOLDED = NV_LEN(folded) };

static const struct nv_family detailed[] = { /* the order of struct rtnl_link_stats64 */
    {"node_network_receive_packets_total",          C, "Packets received."},
    {"node_network_transmit_packets_total",         C, "Packets sent."},
    {"node_network_receive_bytes_total",            C, "Bytes received."},
    {"node_network_transmit_bytes_total",           C, "Bytes sent."},
    {"node_network_receive_errors_total",           C, "Bad packets received."},
    {"node_network_transmit_errors_total",          C, "Errors while sending."},
    {"node_network_receive_dropped_total",          C, "Packets received, then dropped."},
    {"node_network_transmit_dropped_total",         C, "Packets dropped on the way out."},
    {"node_network_multicast_total",                C, "Multicast packets received."},
    {"node_network_collisions_total",               C, "Collisions while sending."},
    {"node_network_receive_length_errors_total",    C, "Packets received with an invalid length."},
    {"node_network_receive_over_errors_total",      C, "Receiver ring overruns."},
    {"node_network_receive_crc_errors_total",       C, "Packets received with a bad checksum."},
    {"node_network_receive_frame_errors_total",     C, "Packets received with bad alignment."},
    {"node_network_receive_fifo_errors_total",      C, "Receive FIFO overruns."},
    {"node_network_receive_missed_errors_total",    C, "Packets the device had no room for."},
    {"node_network_transmit_aborted_errors_total",  C, "Aborted transmissions."},
    {"node_network_transmit_carrier_errors_total",  C, "Transmissions that lost their carrier."},
    {"node_network_transmit_fifo_errors_total",     C, "Transmit FIFO errors."},
    {"node_network_transmit_heartbeat_errors_total", C, "Heartbeat errors."},
    {"node_network_transmit_window_errors_total",   C, "Late collisions."},
    {"node_network_receive_compressed_total",       C, "Compressed packets received."},
    {"node_network_transmit_compressed_total",      C, "Compressed packets sent."},
    {"node_network_receive_nohandler_total",        C, "Packets received that nothing was there to handle."},
};
enum { N_DETAILED = NV_LEN(detailed) };

static const struct nv_family procfs_detailed[] = {
    {"node_network_receive_bytes_total",       C, "Bytes received."},
    {"node_network_receive_packets_total",     C, "Packets received."},
    {"node_network_receive_errors_total",      C, "Bad packets received."},
    {"node_network_receive_dropped_total",     C, "Packets received, then dropped."},
    {"node_network_receive_fifo_total",        C, "Receive FIFO overruns."},
    {"node_network_receive_frame_total",       C, "Received packets with frame, length, ring overrun or checksum errors."},
    {"node_network_receive_compressed_total",  C, "Compressed packets received."},
    {"node_network_receive_multicast_total",   C, "Multicast packets received."},
    {"node_network_transmit_bytes_total",      C, "Bytes sent."},
    {"node_network_transmit_packets_total",    C, "Packets sent."},
    {"node_network_transmit_errors_total",     C, "Errors while sending."},
    {"node_network_transmit_dropped_total",    C, "Packets dropped on the way out."},
    {"node_network_transmit_fifo_total",       C, "Transmit FIFO errors."},
    {"node_network_transmit_colls_total",      C, "Collisions while sending."},
    {"node_network_transmit_carrier_total",    C, "Packets lost to carrier, abort, heartbeat or window errors."},
    {"node_network_transmit_compressed_total", C, "Compressed packets sent."},
};

static const struct nv_family address_info[] = {
    {"node_network_address_info", NV_GAUGE, NV_AS_IS, "An address of the device, always 1."},
};
// clang-format on

static const char *const by_device[] = {"device", NULL};
static const char *const by_alias[] = {"device", "ifalias", NULL};

static const struct nv_table tables[][2] = {
  /* without and with the alias */
    {{by_device, folded, NV_LEN(folded)},                   {by_alias, folded, NV_LEN(folded)}    },
    {{by_device, detailed, NV_LEN(detailed)},               {by_alias, detailed, NV_LEN(detailed)}},
    {{by_device, procfs_detailed, NV_LEN(procfs_detailed)},
     {by_alias, procfs_detailed, NV_LEN(procfs_detailed)}                                         },
};
static const struct nv_table addresses = {NV_LABELS("address", "device", "netmask", "scope"),
                                          address_info, NV_LEN(address_info)};

struct state {
    struct nv_device_flags devices;
};

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);

    return nv_device_flags(pass, flags, INCLUDE, &state->devices);
}

static bool wanted(struct nv_pass *pass, struct nv_str device)
{
    struct state *state = nv_state(pass);

    return nv_wants(pass, state->devices.include, state->devices.exclude, device);
}

/* ---- statistics ----------------------------------------------------------------------------- */

static void emit(struct nv_pass *pass, const struct nv_table table[2], struct nv_str device,
                 const struct nv_link *link, const uint64_t *values, size_t n)
{
    struct nv_str labels[2] = {
        device, {NULL, 0}
    };
    bool with_alias = nv_on(pass, IFALIAS);

    if (with_alias && link && nv_sysfs_is_live(pass)) {
        labels[1] = nv_str_trim(nv_netlink_text(link->attribute[IFLA_IFALIAS]));
    } else if (with_alias) {
        char path[NV_PATH_MAX];
        nv_path(path, "sys/class/net/%.*s/ifalias", NV_ARGS(device));
        if (nv_read_attribute(pass, path, &labels[1]) < 0)
            labels[1] = NV_LIT("");
    }
    nv_emit_row(pass, &table[with_alias], labels, values, n);
}

/* The counters in the order of struct rtnl_link_stats64. Returns how many; 0 where there are none. */
static size_t counters_of(const struct nv_link *link, uint64_t values[N_DETAILED])
{
    struct nv_str wide = link->attribute[IFLA_STATS64], narrow = link->attribute[IFLA_STATS];
    size_t n = wide.n / sizeof(uint64_t);

    if (n > N_DETAILED)
        n = N_DETAILED;
    if (n) {
        memcpy(values, wide.p, n * sizeof(uint64_t));
        return n;
    }
    for (; n < N_DETAILED && (n + 1) * sizeof(uint32_t) <= narrow.n; n++)
        values[n] = nv_netlink_u32(nv_str_from(narrow, n * sizeof(uint32_t)));
    return n;
}

static void fold(const struct rtnl_link_stats64 *s, uint64_t values[N_FOLDED])
{
    const uint64_t columns[N_FOLDED] = {
        s->rx_bytes,
        s->rx_packets,
        s->rx_errors,
        s->rx_dropped + s->rx_missed_errors,
        s->rx_fifo_errors,
        s->rx_frame_errors + s->rx_length_errors + s->rx_over_errors + s->rx_crc_errors,
        s->rx_compressed,
        s->multicast,
        s->tx_bytes,
        s->tx_packets,
        s->tx_errors,
        s->tx_dropped,
        s->tx_fifo_errors,
        s->collisions,
        s->tx_carrier_errors + s->tx_aborted_errors + s->tx_heartbeat_errors + s->tx_window_errors,
        s->tx_compressed,
        s->rx_nohandler,
    };

    memcpy(values, columns, sizeof(columns));
}

static int emit_link(const struct nlmsghdr *message, void *user)
{
    struct nv_pass *pass = user;
    uint64_t values[N_DETAILED] = {0}, columns[N_FOLDED];
    struct rtnl_link_stats64 stats = {0};
    struct nv_link link;

    if (!nv_link_parse(message, &link) || !wanted(pass, link.name))
        return 0;
    size_t n = counters_of(&link, values);
    if (n == 0) {
        nv_say(pass, NV_DEBUG, "%.*s has no statistics", NV_ARGS(link.name));
        return 0;
    }
    if (nv_on(pass, DETAILED)) {
        emit(pass, tables[1], link.name, &link, values, N_DETAILED);
        return 0;
    }
    _Static_assert(sizeof(stats) >= sizeof(values), "rtnl_link_stats64 begins with these counters");
    memcpy(&stats, values, sizeof(values));
    fold(&stats, columns);
    emit(pass, tables[0], link.name, &link, columns, N_FOLDED);
    return 0;
}

static int collect_procfs(struct nv_pass *pass)
{
    struct nv_str text;
    int r = nv_read(pass, "proc/net/dev", &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read net/dev");

    struct nv_scan file = nv_scan(text), line;
    nv_scan_line(&file, &line); /* two lines of headings */
    nv_scan_line(&file, &line);
    while (nv_scan_line(&file, &line)) {
        struct nv_str whole = nv_scan_rest(&line);
        const char *colon = whole.n ? memrchr(whole.p, ':', whole.n) : NULL;
        uint64_t values[N_PROCFS];
        if (!colon)
            return nv_error(pass, -EBADMSG, "net/dev: no colon in \"%.*s\"", NV_ARGS(whole));
        struct nv_str device = nv_str_trim((struct nv_str){whole.p, (size_t)(colon - whole.p)});
        line.at = colon + 1;
        if (nv_scan_row(&line, values, N_PROCFS) < N_PROCFS)
            return nv_error(pass, -EBADMSG, "net/dev: too few numbers for %.*s", NV_ARGS(device));
        if (wanted(pass, device))
            emit(pass, tables[nv_on(pass, DETAILED) ? 2 : 0], device, NULL, values, N_PROCFS);
    }
    return 0;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static struct nv_str scope_of_ip4(const unsigned char *ip)
{
    if (ip[0] == 127 || (ip[0] == 169 && ip[1] == 254) ||
        (ip[0] == 224 && ip[1] == 0 && ip[2] == 0))
        return NV_LIT("link-local");
    bool unspecified = !(ip[0] | ip[1] | ip[2] | ip[3]);
    bool broadcast = (ip[0] & ip[1] & ip[2] & ip[3]) == 255;
    return unspecified || broadcast || ip[0] >> 4 == 14 ? NV_LIT("") : NV_LIT("global");
}

static struct nv_str scope_of_ip6(const unsigned char *ip)
{
    static const unsigned char zero[15];
    bool high_is_zero = memcmp(ip, zero, sizeof(zero)) == 0;

    if ((high_is_zero && ip[15] == 1) || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) ||
        (ip[0] == 0xff && (ip[1] & 0x0f) == 2))
        return NV_LIT("link-local");
    if (ip[0] == 0xff)
        return (ip[1] & 0x0f) == 1 ? NV_LIT("interface-local") : NV_LIT("");
    return high_is_zero && ip[15] == 0 ? NV_LIT("") : NV_LIT("global");
}

struct address_walk {
    struct nv_pass *pass;
    struct nv_link_names names;
};

static int emit_address(const struct nlmsghdr *message, void *user)
{
    struct address_walk *walk = user;
    struct nv_str attributes = nv_netlink_payload(message, sizeof(struct ifaddrmsg)), value;
    struct nv_str address = {NULL, 0}, local = {NULL, 0};
    struct ifaddrmsg head;
    char text[NV_IP_TEXT_MAX], netmask[8];
    unsigned type;

    if (message->nlmsg_type != RTM_NEWADDR || !nv_netlink_head(message, &head, sizeof(head)))
        return 0;
    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == IFA_ADDRESS)
            address = value;
        else if (type == IFA_LOCAL)
            local = value;
    }
    if (local.n) /* on a point-to-point link the other one is the peer's */
        address = local;

    struct nv_str device = nv_link_name(&walk->names, (int)head.ifa_index);
    if (!device.n || !wanted(walk->pass, device) || (address.n != 4 && address.n != 16))
        return 0;
    const unsigned char *ip = (const unsigned char *)address.p;
    int n = snprintf(netmask, sizeof(netmask), "%u", head.ifa_prefixlen);
    const struct nv_str labels[] = {
        nv_ip_text(address, text),
        device,
        {netmask, (size_t)n},
        address.n == 4 ? scope_of_ip4(ip) : scope_of_ip6(ip),
    };
    nv_emit_u64(walk->pass, &addresses, labels, 0, 1);
    return 0;
}

static int collect_addresses(struct nv_pass *pass)
{
    const struct {
        struct nlmsghdr header;
        struct ifaddrmsg body;
    } request = {
        {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETADDR},
        {0                           }
    };
    struct address_walk walk = {.pass = pass};

    int r = nv_link_names(pass, &walk.names);
    if (r < 0)
        return r;
    return nv_netlink(pass, NETLINK_ROUTE, &request, sizeof(request), emit_address, &walk);
}

static int collect(struct nv_pass *pass)
{
    int r = nv_on(pass, NETLINK) ? nv_links(pass, emit_link, pass) : collect_procfs(pass);

    return r == 0 && nv_on(pass, ADDRESS_INFO) ? collect_addresses(pass) : r;
}

NV_COLLECTOR(netdev) = {
    NV_ABI_STAMP,
    .name = "netdev",
    .summary = "Traffic and errors of network interfaces.",
    .tables = NV_TABLES(&tables[0][0], &tables[0][1], &tables[1][0], &tables[1][1], &tables[2][0],
                        &tables[2][1], &addresses),
    .flags = flags,
    .state_size = sizeof(struct state),
    .start = start,
    .collect = collect,
};
