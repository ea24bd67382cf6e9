/*
 * network_route - the unicast routes of all tables, IPv4 and IPv6.
 *
 * Source: RTM_GETLINK for the names of interfaces, and an RTM_GETROUTE dump. A route with several next
 * hops is one series per hop. The same route in two tables is one series.
 */
#include <nodevitals/address.h>
#include <nodevitals/links.h>

static const struct nv_family info[] = {
    {"node_network_route_info", NV_GAUGE, NV_AS_IS, "A route, always 1."},
};
static const struct nv_family count[] = {
    {"node_network_routes", NV_GAUGE, NV_AS_IS, "Routes through the interface."},
};

static const struct nv_table infos = {
    NV_LABELS("device", "src", "dest", "gw", "priority", "proto", "weight"), info, NV_LEN(info)};
static const struct nv_table counts = {NV_LABELS("device"), count, NV_LEN(count)};

// clang-format off
static const struct {
    unsigned char number;
    const char *name;
} protocols[] = {
    {0, "unspec"},      {1, "redirect"}, {2, "kernel"}, {3, "boot"},   {4, "static"},
    {8, "gated"},       {9, "ra"},       {10, "mrt"},   {11, "zebra"}, {12, "bird"},
    {13, "dnrouted"},   {14, "xorp"},    {15, "ntk"},   {16, "dhcp"},  {17, "mrouted"},
    {42, "babel"},      {186, "bgp"},    {187, "isis"}, {188, "ospf"}, {189, "rip"},
    {192, "eigrp"},
};
// clang-format on

struct walk {
    struct nv_pass *pass;
    struct nv_link_names names;
    uint64_t *counts; /* routes per name */
};

struct route {
    char src[NV_IP_TEXT_MAX], dest[NV_IP_TEXT_MAX + 4], gateway[NV_IP_TEXT_MAX], priority[16];
    struct nv_str labels[7];
};
enum { DEVICE, SRC, DEST, GW, PRIORITY, PROTO, WEIGHT };

static struct nv_str protocol_name(unsigned number)
{
    for (size_t i = 0; i < NV_LEN(protocols); i++) {
        if (protocols[i].number == number)
            return nv_str(protocols[i].name);
    }
    return NV_LIT("unknown");
}

static void emit(struct walk *walk, struct route *route, int interface, struct nv_str gateway,
                 int hops)
{
    ptrdiff_t i = nv_link_names_find(&walk->names, interface);
    char weight[16];

    if (i < 0)
        return;
    walk->counts[i]++;
    int n = hops < 0 ? 0 : snprintf(weight, sizeof(weight), "%d", hops + 1);
    route->labels[DEVICE] = nv_str(walk->names.at[i].name);
    route->labels[GW] = nv_ip_text(gateway, route->gateway);
    route->labels[WEIGHT] = (struct nv_str){weight, (size_t)n};
    nv_emit_u64(walk->pass, &infos, route->labels, 0, 1);
}

static void emit_hops(struct walk *walk, struct route *route, struct nv_str hops)
{
    struct rtnexthop hop;

    while (hops.n >= sizeof(hop)) {
        memcpy(&hop, hops.p, sizeof(hop));
        if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > hops.n)
            return;
        struct nv_str attributes = {hops.p + sizeof(hop), hop.rtnh_len - sizeof(hop)}, value;
        struct nv_str gateway = {NULL, 0};
        unsigned type;
        while (nv_netlink_attribute(&attributes, &type, &value)) {
            if (type == RTA_GATEWAY)
                gateway = value;
        }
        emit(walk, route, hop.rtnh_ifindex, gateway, hop.rtnh_hops);
        hops = nv_str_from(hops, RTNH_ALIGN(hop.rtnh_len));
    }
}

static void fill_labels(struct route *route, const struct rtmsg *head,
                        const struct nv_str attribute[RTA_MAX + 1])
{
    char text[NV_IP_TEXT_MAX];
    struct nv_str dest = nv_ip_text(attribute[RTA_DST], text);
    int n = snprintf(route->priority, sizeof(route->priority), "%u",
                     nv_netlink_u32(attribute[RTA_PRIORITY]));

    route->labels[SRC] = nv_ip_text(attribute[RTA_PREFSRC], route->src);
    route->labels[PRIORITY] = (struct nv_str){route->priority, (size_t)n};
    route->labels[PROTO] = protocol_name(head->rtm_protocol);
    route->labels[DEST] = NV_LIT("default");
    if (head->rtm_dst_len) {
        n = snprintf(route->dest, sizeof(route->dest), "%.*s/%u", NV_ARGS(dest), head->rtm_dst_len);
        route->labels[DEST] = (struct nv_str){route->dest, (size_t)n};
    }
}

static int emit_route(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct nv_str attributes = nv_netlink_payload(message, sizeof(struct rtmsg)), value;
    struct nv_str attribute[RTA_MAX + 1] = {
        {NULL, 0}
    };
    struct rtmsg head;
    struct route route;
    unsigned type;

    if (message->nlmsg_type != RTM_NEWROUTE || !nv_netlink_head(message, &head, sizeof(head)) ||
        head.rtm_type != RTN_UNICAST || (head.rtm_family != AF_INET && head.rtm_family != AF_INET6))
        return 0;
    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type <= RTA_MAX)
            attribute[type] = value;
    }
    fill_labels(&route, &head, attribute);
    if (attribute[RTA_MULTIPATH].n)
        emit_hops(walk, &route, attribute[RTA_MULTIPATH]);
    else
        emit(walk, &route, (int)nv_netlink_u32(attribute[RTA_OIF]), attribute[RTA_GATEWAY], -1);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    const struct {
        struct nlmsghdr header;
        struct rtmsg body;
    } request = {
        {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETROUTE},
        {0                           }
    };
    struct walk walk = {.pass = pass};

    int r = nv_link_names(pass, &walk.names);
    if (r < 0)
        return nv_error(pass, r, "cannot list links");
    walk.counts = nv_alloc(pass, (walk.names.n + 1) * sizeof(*walk.counts));
    memset(walk.counts, 0, (walk.names.n + 1) * sizeof(*walk.counts));
    r = nv_netlink(pass, NETLINK_ROUTE, &request, sizeof(request), emit_route, &walk);
    if (r < 0)
        return nv_error(pass, r, "cannot list routes");
    for (size_t i = 0; i < walk.names.n; i++) {
        struct nv_str device = nv_str(walk.names.at[i].name);
        if (walk.counts[i])
            nv_emit_row(pass, &counts, &device, &walk.counts[i], 1);
    }
    return 0;
}

NV_COLLECTOR(network_route) = {
    NV_ABI_STAMP,
    .name = "network_route",
    .summary = "The routing table.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK, /* a table can have a million routes */
    .tables = NV_TABLES(&infos, &counts),
    .collect = collect,
};
