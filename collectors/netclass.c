/*
 * netclass - properties of network interfaces, those of sys/class/net/<interface>/.
 *
 * Where sysfs is that of our own network namespace the same numbers come from two netlink dumps, links
 * and ethtool's link modes, which costs less than twenty files an interface. What sysfs would refuse
 * (the carrier of an interface that is down) is left out likewise. Three attributes netlink lacks
 * (FIXED below) are read from sysfs once and again when the kernel has announced a change of the link.
 *
 * --collector.netclass.netlink chooses the families and labels node_exporter has under that flag: no
 * administrative state, link modes of interfaces that are down too, `dormant` repeating the link mode.
 * An unknown speed is left out there; upstream shows 2^32-1 Mbit/s.
 */
#include <nodevitals/address.h>
#include <nodevitals/links.h>

#include <linux/ethtool_netlink.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <sys/stat.h>

enum { IGNORED, IGNORE_INVALID_SPEED, NETLINK, WITH_STATS };

// clang-format off
static const struct nv_flag flags[] = {
    {"collector.netclass.ignored-devices", NV_FLAG_REGEX, "^$", "Network devices to leave out.",
     false},
    {"collector.netclass.ignore-invalid-speed", NV_FLAG_BOOL, "false",
     "Leave out a negative speed, which means an unknown one.", false},
    {"collector.netclass.netlink", NV_FLAG_BOOL, "false",
     "Show what node_exporter shows when it asks by netlink.", false},
    {"collector.netclass_rtnl.with-stats", NV_FLAG_BOOL, "false",
     "With netlink, show the statistics of links as well.", false},
    {0},
};
// clang-format on

enum column {
    UP,
    ADDR_ASSIGN_TYPE,
    CARRIER,
    CARRIER_CHANGES,
    CARRIER_UP,
    CARRIER_DOWN,
    DEV_ID,
    DORMANT,
    FLAGS,
    IFINDEX,
    IFLINK,
    LINK_MODE,
    MTU,
    NAME_ASSIGN_TYPE,
    GROUP,
    SPEED,
    TX_QUEUE_LEN,
    TYPE,
};

// clang-format off
#define G NV_GAUGE, NV_AS_IS

static const struct nv_family columns[] = {
    [UP]               = {"node_network_up",                         G, "Whether the operational state is up."},
    [ADDR_ASSIGN_TYPE] = {"node_network_address_assign_type",        G, "How the hardware address came about, as the kernel numbers it."},
    [CARRIER]          = {"node_network_carrier",                    G, "Whether there is a physical link."},
    [CARRIER_CHANGES]  = {"node_network_carrier_changes_total",      NV_COUNTER, NV_AS_IS, "Changes of the carrier."},
    [CARRIER_UP]       = {"node_network_carrier_up_changes_total",   NV_COUNTER, NV_AS_IS, "Times the carrier came."},
    [CARRIER_DOWN]     = {"node_network_carrier_down_changes_total", NV_COUNTER, NV_AS_IS, "Times the carrier went."},
    [DEV_ID]           = {"node_network_device_id",                  G, "Number that tells devices with one hardware address apart."},
    [DORMANT]          = {"node_network_dormant",                    G, "Whether the interface waits for something before it can be used."},
    [FLAGS]            = {"node_network_flags",                      G, "IFF_ flags of the interface."},
    [IFINDEX]          = {"node_network_iface_id",                   G, "Interface index."},
    [IFLINK]           = {"node_network_iface_link",                 G, "Index of the interface this one sits on, or its own."},
    [LINK_MODE]        = {"node_network_iface_link_mode",            G, "Who decides that the link is up: 0 the driver, 1 user space."},
    [MTU]              = {"node_network_mtu_bytes",                  G, "Largest packet the interface takes."},
    [NAME_ASSIGN_TYPE] = {"node_network_name_assign_type",           G, "How the name came about, as the kernel numbers it."},
    [GROUP]            = {"node_network_net_dev_group",              G, "Group the interface belongs to."},
    [SPEED]            = {"node_network_speed_bytes",                G, "Speed of the link per second; negative when unknown."},
    [TX_QUEUE_LEN]     = {"node_network_transmit_queue_length",      G, "Length of the transmit queue."},
    [TYPE]             = {"node_network_protocol_type",              G, "Hardware type, an ARPHRD_ number."},
};
enum { N_COLUMNS = NV_LEN(columns) };

static const char *const files[N_COLUMNS] = {
    [ADDR_ASSIGN_TYPE] = "addr_assign_type", [CARRIER] = "carrier",
    [CARRIER_CHANGES] = "carrier_changes",   [CARRIER_UP] = "carrier_up_count",
    [CARRIER_DOWN] = "carrier_down_count",   [DEV_ID] = "dev_id",
    [DORMANT] = "dormant",                   [FLAGS] = "flags",
    [IFINDEX] = "ifindex",                   [IFLINK] = "iflink",
    [LINK_MODE] = "link_mode",               [MTU] = "mtu",
    [NAME_ASSIGN_TYPE] = "name_assign_type", [GROUP] = "netdev_group",
    [SPEED] = "speed",                       [TX_QUEUE_LEN] = "tx_queue_len",
    [TYPE] = "type",
};

#define BIT(column) ((uint64_t)1 << (column))
#define FIXED (BIT(ADDR_ASSIGN_TYPE) | BIT(DEV_ID) | BIT(NAME_ASSIGN_TYPE))

static const struct nv_family info[] = {
    {"node_network_info", G, "Texts of the interface, always 1."},
};
static const struct nv_family altnames[] = {
    {"node_network_altnames_info", G, "A further name of the interface, always 1."},
};

static const struct nv_family statistics[] = { /* the order of struct rtnl_link_stats64 */
    {"node_network_receive_packets_total",           G, "Packets received."},
    {"node_network_transmit_packets_total",          G, "Packets sent."},
    {"node_network_receive_bytes_total",             G, "Bytes received."},
    {"node_network_transmit_bytes_total",            G, "Bytes sent."},
    {"node_network_receive_errors_total",            G, "Bad packets received."},
    {"node_network_transmit_errors_total",           G, "Errors while sending."},
    {"node_network_receive_dropped_total",           G, "Packets received, then dropped."},
    {"node_network_transmit_dropped_total",          G, "Packets dropped on the way out."},
    {"node_network_multicast_total",                 G, "Multicast packets received."},
    {"node_network_collisions_total",                G, "Collisions while sending."},
    {"node_network_receive_length_errors_total",     G, "Packets received with an invalid length."},
    {"node_network_receive_over_errors_total",       G, "Receiver ring overruns."},
    {"node_network_receive_crc_errors_total",        G, "Packets received with a bad checksum."},
    {"node_network_receive_frame_errors_total",      G, "Packets received with bad alignment."},
    {"node_network_receive_fifo_errors_total",       G, "Receive FIFO overruns."},
    {"node_network_receive_missed_errors_total",     G, "Packets the device had no room for."},
    {"node_network_transmit_aborted_errors_total",   G, "Aborted transmissions."},
    {"node_network_transmit_carrier_errors_total",   G, "Transmissions that lost their carrier."},
    {"node_network_transmit_fifo_errors_total",      G, "Transmit FIFO errors."},
    {"node_network_transmit_heartbeat_errors_total", G, "Heartbeat errors."},
    {"node_network_transmit_window_errors_total",    G, "Late collisions."},
    {"node_network_receive_compressed_total",        G, "Compressed packets received."},
    {"node_network_transmit_compressed_total",       G, "Compressed packets sent."},
    {"node_network_receive_nohandler_total",         G, "Packets received that nothing was there to handle."},
};
enum { N_STATISTICS = NV_LEN(statistics) };
/* Those netdev exposes as counters under the same names; a family cannot have two types. */
#define NETDEV_HAS (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(21) | BIT(22) | BIT(23))
// clang-format on

static const struct nv_table devices = {NV_LABELS("device"), columns, NV_LEN(columns)};
static const struct nv_table infos = {
    NV_LABELS("address", "adminstate", "broadcast", "device", "duplex", "ifalias", "operstate"),
    info, NV_LEN(info)};
static const struct nv_table netlink_infos = {
    NV_LABELS("address", "broadcast", "device", "duplex", "ifalias", "operstate"), info,
    NV_LEN(info)};
static const struct nv_table altname_infos = {NV_LABELS("altname", "device"), altnames,
                                              NV_LEN(altnames)};
static const struct nv_table stats = {NV_LABELS("device"), statistics, NV_LEN(statistics)};

/* One interface, wherever it was read. */
struct device {
    struct nv_str name, address, broadcast, duplex, ifalias, operstate;
    int64_t values[N_COLUMNS];
    uint64_t mask; /* which values are there */
};

/* What netlink lacks of a link, kept between passes. */
struct fixed {
    int index;
    bool known;
    uint64_t seen; /* number of the last pass that met the link */
    uint64_t mask;
    int64_t values[N_COLUMNS];
};

struct state {
    bool own_sysfs; /* sysfs has the links of our own network namespace; once true, always */
    uint64_t notices, passes;
    struct fixed *at; /* in the order of their indexes */
    size_t n, max;
};

static void set(struct device *device, enum column column, int64_t value)
{
    device->values[column] = value;
    device->mask |= BIT(column);
}

static void emit_device(struct nv_pass *pass, const struct device *device)
{
    pass->host->emit(pass, &devices, &device->name, NV_I64, device->values, 0, N_COLUMNS,
                     device->mask);
}

static void emit_info(struct nv_pass *pass, const struct device *d)
{
    struct nv_str adminstate = !(d->mask & BIT(FLAGS))     ? NV_LIT("unknown")
                               : d->values[FLAGS] & IFF_UP ? NV_LIT("up")
                                                           : NV_LIT("down");
    const struct nv_str labels[] = {d->address, adminstate, d->broadcast, d->name,
                                    d->duplex,  d->ifalias, d->operstate};

    nv_emit_u64(pass, &infos, labels, 0, 1);
}

/* Mbit/s to bytes, in integers; -1, unknown, is kept unless a flag says otherwise. */
static void set_speed(struct nv_pass *pass, struct device *device, int64_t megabits)
{
    int64_t bytes;

    device->mask &= ~BIT(SPEED);
    if (megabits < 0 && nv_on(pass, IGNORE_INVALID_SPEED))
        return;
    if (!__builtin_mul_overflow(megabits, 1000 * 1000, &bytes))
        set(device, SPEED, bytes / 8);
}

static bool ignored(struct nv_pass *pass, struct nv_str name)
{
    return !nv_str_is(nv_flag(pass, IGNORED)->text, "^$") && nv_matches(pass, IGNORED, name);
}

/* ---- sysfs ---------------------------------------------------------------------------------- */

/* Returns 1 with the text, 0 for an attribute the interface has not (now), or a negative errno. */
static int read_text(struct nv_pass *pass, struct nv_str name, const char *file, struct nv_str *ret)
{
    char path[NV_PATH_MAX];

    *ret = NV_LIT("");
    nv_path(path, "sys/class/net/%.*s/%s", NV_ARGS(name), file);
    int r = nv_read_attribute(pass, path, ret);
    if (r == 0)
        return 1;
    return r == -ENOENT || r == -ENODEV || r == -EACCES || r == -EPERM || r == -EINVAL ||
                   r == -EOPNOTSUPP
               ? 0
               : nv_error(pass, r, "cannot read %s", path);
}

static int read_number(struct nv_pass *pass, struct device *device, enum column column)
{
    struct nv_str text;
    int64_t value = 0; /* also for a text that is no number */

    int r = read_text(pass, device->name, files[column], &text);
    if (r <= 0)
        return r;
    nv_str_to_i64_prefixed(text, &value);
    set(device, column, value);
    return 1;
}

static int read_device(struct nv_pass *pass, struct device *d)
{
    const struct {
        const char *file;
        struct nv_str *text;
    } texts[] = {
        {"address",   &d->address  },
        {"broadcast", &d->broadcast},
        {"duplex",    &d->duplex   },
        {"ifalias",   &d->ifalias  },
        {"operstate", &d->operstate},
    };
    int r, n = 0;

    for (size_t i = 0; i < NV_LEN(texts); i++, n += r) {
        r = read_text(pass, d->name, texts[i].file, texts[i].text);
        if (r < 0)
            return r;
    }
    for (size_t i = UP + 1; i < N_COLUMNS; i++, n += r) {
        r = read_number(pass, d, i);
        if (r < 0)
            return r;
    }
    if (d->mask & BIT(SPEED))
        set_speed(pass, d, d->values[SPEED]);
    set(d, UP, nv_str_is(d->operstate, "up"));
    return n;
}

static int collect_sysfs(struct nv_pass *pass)
{
    struct nv_names names, none;
    char path[NV_PATH_MAX];

    int r = nv_list(pass, "sys/class/net", &names);
    if (r == -ENOENT || r == -EACCES || r == -EPERM)
        return NV_NO_DATA;
    if (r < 0)
        return nv_error(pass, r, "cannot list class/net");
    for (size_t i = 0; i < names.n; i++) {
        struct device device = {.name = names.at[i]};
        unsigned mode;
        if (ignored(pass, device.name))
            continue;
        nv_path(path, "sys/class/net/%.*s", NV_ARGS(device.name));
        if (nv_stat(pass, path, &mode, NULL) == 0 && (mode & S_IFMT) == S_IFREG)
            continue; /* bonding_masters */
        r = read_device(pass, &device);
        if (r < 0)
            return r;
        if (r == 0 && nv_list(pass, path, &none) == -ENOENT) { /* it went while we were reading */
            if (nv_sysfs_is_live(pass))
                continue;
            return NV_NO_DATA; /* nothing goes from a tree of files */
        }
        emit_device(pass, &device);
        emit_info(pass, &device);
    }
    return 0;
}

/* ---- what netlink lacks --------------------------------------------------------------------- */

static struct fixed *fixed_at_or_after(struct state *state, int index)
{
    size_t low = 0, high = state->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (state->at[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return state->at + low;
}

static void on_notice(int index, void *user)
{
    struct state *state = user;

    if (state->n == 0)
        return;
    for (size_t i = 0; index == 0 && i < state->n; i++)
        state->at[i].known = false;
    struct fixed *fixed = fixed_at_or_after(state, index);
    if (index && fixed < state->at + state->n && fixed->index == index)
        fixed->known = false;
}

/* The entry of a link, made if need be; NULL when memory is out. */
static struct fixed *fixed_of(struct state *state, int index)
{
    if (state->n == state->max) {
        size_t max = state->max ? 2 * state->max : 32;
        struct fixed *at = realloc(state->at, max * sizeof(*at));
        if (!at)
            return NULL;
        state->at = at;
        state->max = max;
    }
    struct fixed *fixed = fixed_at_or_after(state, index);
    if (fixed < state->at + state->n && fixed->index == index)
        return fixed;
    memmove(fixed + 1, fixed, (size_t)(state->at + state->n - fixed) * sizeof(*fixed));
    *fixed = (struct fixed){.index = index};
    state->n++;
    return fixed;
}

static void forget_unseen(struct state *state)
{
    size_t n = 0;

    for (size_t i = 0; i < state->n; i++) {
        if (state->at[i].seen != state->passes)
            continue;
        if (n != i)
            state->at[n] = state->at[i];
        n++;
    }
    state->n = n;
}

static void add_fixed(struct nv_pass *pass, struct device *device, int index)
{
    struct state *state = nv_state(pass);
    struct fixed *fixed = fixed_of(state, index);

    if (!fixed)
        return;
    fixed->seen = state->passes;
    if (!fixed->known) {
        struct device fresh = {.name = device->name};
        for (size_t i = 0; i < N_COLUMNS; i++) {
            if (FIXED & BIT(i))
                (void)read_number(pass, &fresh, i);
        }
        memcpy(fixed->values, fresh.values, sizeof(fixed->values));
        fixed->mask = fresh.mask;
        fixed->known = fresh.mask != 0; /* else it has gone or changed its name meanwhile */
    }
    for (size_t i = 0; i < N_COLUMNS; i++) {
        if (fixed->mask & BIT(i))
            set(device, i, fixed->values[i]);
    }
}

/* ---- speed and duplex ----------------------------------------------------------------------- */

struct mode {
    int index;
    uint32_t speed;
    unsigned duplex;
};

struct modes {
    int result; /* of the dump: 0 or a negative errno */
    struct mode *at;
    size_t n, max;
    bool unordered;
};

static int count_mode(const struct nlmsghdr *message, void *user)
{
    struct modes *modes = user;

    (void)message;
    modes->max++;
    return 0;
}

static int add_mode(const struct nlmsghdr *message, void *user)
{
    struct modes *modes = user;
    struct nv_str attributes = nv_netlink_payload(message, GENL_HDRLEN), value, header = {NULL, 0};
    struct mode mode = {0, UINT32_MAX, DUPLEX_UNKNOWN};
    unsigned type;

    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == ETHTOOL_A_LINKMODES_HEADER)
            header = value;
        else if (type == ETHTOOL_A_LINKMODES_SPEED)
            mode.speed = nv_netlink_u32(value);
        else if (type == ETHTOOL_A_LINKMODES_DUPLEX)
            mode.duplex = nv_netlink_u8(value);
    }
    while (nv_netlink_attribute(&header, &type, &value)) {
        if (type == ETHTOOL_A_HEADER_DEV_INDEX)
            mode.index = (int)nv_netlink_u32(value);
    }
    if (!mode.index || modes->n == modes->max)
        return 0;
    modes->unordered |= modes->n && modes->at[modes->n - 1].index > mode.index;
    modes->at[modes->n++] = mode;
    return 0;
}

static int order_modes(const void *a, const void *b)
{
    int x = ((const struct mode *)a)->index, y = ((const struct mode *)b)->index;

    return (x > y) - (x < y);
}

/* The link modes of all interfaces whose driver has any. Linux 5.6 and later. */
static int load_modes(struct nv_pass *pass, struct modes *ret)
{
    struct {
        struct nlmsghdr header;
        struct genlmsghdr body;
    } request = {.header = {.nlmsg_len = sizeof(request)}};

    request.body.cmd = ETHTOOL_MSG_LINKMODES_GET;
    request.body.version = ETHTOOL_GENL_VERSION;
    int r = nv_genl_family(pass, ETHTOOL_GENL_NAME, &request.header.nlmsg_type);
    if (r == 0)
        r = nv_netlink(pass, NETLINK_GENERIC, &request, sizeof(request), count_mode, ret);
    if (r < 0)
        return r;
    ret->at = nv_alloc(pass, (ret->max + 1) * sizeof(*ret->at));
    r = nv_netlink(pass, NETLINK_GENERIC, &request, sizeof(request), add_mode, ret);
    if (ret->unordered)
        nv_sort(ret->at, ret->n, sizeof(*ret->at), order_modes);
    return r;
}

static const struct mode *find_mode(const struct modes *modes, int index)
{
    size_t low = 0, high = modes->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (modes->at[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < modes->n && modes->at[low].index == index ? &modes->at[low] : NULL;
}

/* ---- whose sysfs it is ---------------------------------------------------------------------- */

struct comparison {
    struct nv_pass *pass;
    size_t n_links, n_same;
};

static int compare_link(const struct nlmsghdr *message, void *user)
{
    struct comparison *comparison = user;
    struct nv_link link;
    struct nv_str index, address;
    char text[NV_HARDWARE_TEXT_MAX];
    int64_t number;

    if (!nv_link_parse(message, &link))
        return 0;
    comparison->n_links++;
    struct nv_str own = nv_hardware_text(link.attribute[IFLA_ADDRESS], text);
    if (read_text(comparison->pass, link.name, "ifindex", &index) == 1 &&
        read_text(comparison->pass, link.name, "address", &address) == 1 &&
        nv_str_to_i64(index, &number) && number == link.index && nv_str_eq(address, own))
        comparison->n_same++;
    return 0;
}

/*
 * Whether sysfs is that of our network namespace. A mount of the host's sysfs in a container is not: it
 * keeps the namespace it was mounted in. A lone loopback is like any other, so that it proves nothing;
 * reading its files costs next to nothing either.
 */
static bool sysfs_is_own(struct nv_pass *pass, struct state *state)
{
    struct comparison comparison = {.pass = pass};
    struct nv_names names;
    size_t n = 0;

    if (state->own_sysfs || !nv_sysfs_is_live(pass))
        return state->own_sysfs;
    if (nv_list(pass, "sys/class/net", &names) < 0 || nv_links(pass, compare_link, &comparison) < 0)
        return false;
    for (size_t i = 0; i < names.n; i++)
        n += !nv_str_is(names.at[i], "bonding_masters");
    state->own_sysfs = n > 1 && n == comparison.n_links && n == comparison.n_same;
    return state->own_sysfs;
}

/* ---- netlink -------------------------------------------------------------------------------- */

struct walk {
    struct nv_pass *pass;
    struct modes modes;
    bool live; /* sysfs is that of these links */
};

struct texts {
    char address[NV_HARDWARE_TEXT_MAX], broadcast[NV_HARDWARE_TEXT_MAX];
};

static void set_u32(struct device *device, enum column column, struct nv_str value)
{
    if (value.p)
        set(device, column, (int32_t)nv_netlink_u32(value));
}

/* What both ways of showing a link have in common. */
static void common_of(struct device *d, const struct nv_link *link, struct texts *texts)
{
    static const char *const states[] = {"unknown", "notpresent", "down", "lowerlayerdown",
                                         "testing", "dormant",    "up"};
    unsigned state = nv_netlink_u8(link->attribute[IFLA_OPERSTATE]);

    *d = (struct device){.name = link->name};
    d->address = nv_hardware_text(link->attribute[IFLA_ADDRESS], texts->address);
    d->broadcast = nv_hardware_text(link->attribute[IFLA_BROADCAST], texts->broadcast);
    d->duplex = NV_LIT("");
    d->ifalias = nv_netlink_text(link->attribute[IFLA_IFALIAS]);
    d->operstate = state < NV_LEN(states) ? nv_str(states[state]) : NV_LIT("");
    set(d, UP, state == IF_OPER_UP);
    set(d, IFINDEX, link->index);
    set(d, TYPE, link->type);
    if (link->attribute[IFLA_LINKMODE].p)
        set(d, LINK_MODE, nv_netlink_u8(link->attribute[IFLA_LINKMODE]));
    set_u32(d, CARRIER_CHANGES, link->attribute[IFLA_CARRIER_CHANGES]);
    set_u32(d, CARRIER_UP, link->attribute[IFLA_CARRIER_UP_COUNT]);
    set_u32(d, CARRIER_DOWN, link->attribute[IFLA_CARRIER_DOWN_COUNT]);
    set_u32(d, MTU, link->attribute[IFLA_MTU]);
    set_u32(d, GROUP, link->attribute[IFLA_GROUP]);
    set_u32(d, TX_QUEUE_LEN, link->attribute[IFLA_TXQLEN]);
}

/* The flags file has the device's own word, not what dev_get_flags() makes of it for us. */
static int set_flags(struct nv_pass *pass, struct device *device, const struct nv_link *link)
{
    unsigned word = link->flags & ~(unsigned)(IFF_PROMISC | IFF_ALLMULTI | IFF_RUNNING |
                                              IFF_LOWER_UP | IFF_DORMANT);

    if (!link->attribute[IFLA_ALLMULTI].p) /* before Linux 6.0 */
        return read_number(pass, device, FLAGS);
    if (nv_netlink_u32(link->attribute[IFLA_PROMISCUITY]))
        word |= IFF_PROMISC;
    if (nv_netlink_u32(link->attribute[IFLA_ALLMULTI]))
        word |= IFF_ALLMULTI;
    set(device, FLAGS, word);
    return 1;
}

/* As sysfs has it: only of an interface that is up. */
static int set_mode(struct walk *walk, struct device *device, const struct nv_link *link)
{
    if (!(link->flags & IFF_UP))
        return 0;
    if (walk->modes.result < 0) {
        int r = read_text(walk->pass, link->name, "duplex", &device->duplex);
        if (r >= 0)
            r = read_number(walk->pass, device, SPEED);
        if (device->mask & BIT(SPEED))
            set_speed(walk->pass, device, device->values[SPEED]);
        return r;
    }
    const struct mode *mode = find_mode(&walk->modes, link->index);
    if (!mode)
        return 0;
    set_speed(walk->pass, device, (int32_t)mode->speed);
    device->duplex = mode->duplex == DUPLEX_HALF   ? NV_LIT("half")
                     : mode->duplex == DUPLEX_FULL ? NV_LIT("full")
                                                   : NV_LIT("unknown");
    return 1;
}

static int emit_as_sysfs(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct texts texts;
    struct device device;
    struct nv_link link;

    if (!nv_link_parse(message, &link) || ignored(walk->pass, link.name))
        return 0;
    common_of(&device, &link, &texts);
    if (device.ifalias.n > 128) /* as much as one read of an attribute gives */
        device.ifalias.n = 128;
    device.ifalias = nv_str_trim(device.ifalias);
    if (link.flags & IFF_UP) {
        set(&device, CARRIER, nv_netlink_u8(link.attribute[IFLA_CARRIER]));
        set(&device, DORMANT, (link.flags & IFF_DORMANT) != 0);
    }
    struct nv_str below = link.attribute[IFLA_LINK];
    set(&device, IFLINK, below.p ? (int32_t)nv_netlink_u32(below) : link.index);
    int r = set_flags(walk->pass, &device, &link);
    if (r >= 0)
        r = set_mode(walk, &device, &link);
    if (r < 0)
        return r;
    add_fixed(walk->pass, &device, link.index);
    emit_device(walk->pass, &device);
    emit_info(walk->pass, &device);
    return 0;
}

static void emit_altnames(struct nv_pass *pass, const struct nv_link *link)
{
    struct nv_str names = link->attribute[IFLA_PROP_LIST], name;
    unsigned type;

    while (nv_netlink_attribute(&names, &type, &name)) {
        const struct nv_str labels[] = {nv_netlink_text(name), link->name};
        if (type == IFLA_ALT_IFNAME)
            nv_emit_u64(pass, &altname_infos, labels, 0, 1);
    }
}

static void emit_statistics(struct nv_pass *pass, const struct nv_link *link)
{
    struct nv_str text = link->attribute[IFLA_STATS64];
    uint64_t values[N_STATISTICS] = {0};

    if (!text.n)
        return;
    memcpy(values, text.p, text.n < sizeof(values) ? text.n : sizeof(values));
    nv_emit_some(pass, &stats, &link->name, values, N_STATISTICS,
                 nv_collector_is_on(pass, "netdev") ? ~NETDEV_HAS : UINT64_MAX);
}

static int emit_as_netlink(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct texts texts;
    struct device d;
    struct nv_link link;

    if (!nv_link_parse(message, &link) || ignored(walk->pass, link.name))
        return 0;
    common_of(&d, &link, &texts);
    if (link.attribute[IFLA_CARRIER].p)
        set(&d, CARRIER, nv_netlink_u8(link.attribute[IFLA_CARRIER]));
    if (d.mask & BIT(LINK_MODE))
        set(&d, DORMANT, d.values[LINK_MODE]);
    set(&d, FLAGS, link.flags);
    int32_t below = (int32_t)nv_netlink_u32(link.attribute[IFLA_LINK]);
    set(&d, IFLINK, below > 0 ? below : link.index);
    const struct mode *mode = find_mode(&walk->modes, link.index);
    if (mode) {
        if (mode->speed != UINT32_MAX)
            set_speed(walk->pass, &d, mode->speed);
        d.duplex = mode->duplex == DUPLEX_HALF   ? NV_LIT("Half")
                   : mode->duplex == DUPLEX_FULL ? NV_LIT("Full")
                                                 : NV_LIT("Unknown");
    }
    if (walk->live)
        add_fixed(walk->pass, &d, link.index);
    emit_device(walk->pass, &d);
    const struct nv_str labels[] = {d.address, d.broadcast, d.name,
                                    d.duplex,  d.ifalias,   d.operstate};
    nv_emit_u64(walk->pass, &netlink_infos, labels, 0, 1);
    emit_altnames(walk->pass, &link);
    if (nv_on(walk->pass, WITH_STATS))
        emit_statistics(walk->pass, &link);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct walk walk = {.pass = pass, .live = sysfs_is_own(pass, state)};

    if (!nv_on(pass, NETLINK) && !walk.live)
        return collect_sysfs(pass);
    state->passes++;
    nv_link_notices(pass, &state->notices, on_notice, state);
    walk.modes.result = load_modes(pass, &walk.modes);
    if (walk.modes.result < 0) {
        walk.modes.n = 0;
        nv_say(pass, NV_DEBUG, "no link modes by netlink (error %d)", -walk.modes.result);
    }
    int r = nv_links(pass, nv_on(pass, NETLINK) ? emit_as_netlink : emit_as_sysfs, &walk);
    if (r == 0)
        forget_unseen(state);
    return r;
}

static void stop(void *user)
{
    struct state *state = user;

    free(state->at);
}

NV_COLLECTOR(netclass) = {
    NV_ABI_STAMP,
    .name = "netclass",
    .summary = "Properties of network interfaces.",
    .tables = NV_TABLES(&devices, &infos, &netlink_infos, &altname_infos, &stats),
    .flags = flags,
    .state_size = sizeof(struct state),
    .stop = stop,
    .collect = collect,
};
