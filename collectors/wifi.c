/*
 * wifi - wireless interfaces, the network they joined, and the stations they talk to.
 *
 * Source: generic netlink nl80211: a dump of interfaces, and for each its scan results, of which the one
 * with a status is the network joined, and its stations. With --collector.wifi.fixtures the source is a
 * folder: interfaces.json, <interface>/bss.json and <interface>/stationinfo.json, with the fields named
 * below in any case, hardware addresses in base64, durations in nanoseconds and rates in bits.
 */
#include <nodevitals/address.h>
#include <nodevitals/json.h>
#include <nodevitals/native.h>
#include <nodevitals/netlink.h>

#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/nl80211.h>

enum { FIXTURES };
enum { INTERFACES_MAX = 1024 };

// clang-format off
#define C NV_COUNTER, NV_AS_IS
#define G NV_GAUGE, NV_AS_IS

static const struct nv_family interface[] = {
    {"node_wifi_interface_frequency_hertz", NV_GAUGE, NV_TIMES(1e6), "Frequency the interface is tuned to."},
};
static const struct nv_family info[] = {
    {"node_wifi_station_info", G, "The network the interface has joined, always 1."},
};
static const struct nv_family station[] = {
    {"node_wifi_station_connected_seconds_total",   C, "Time since the station connected."},
    {"node_wifi_station_inactive_seconds",          G, "Time since the station was last active."},
    {"node_wifi_station_receive_bits_per_second",   G, "Rate of reception from the station."},
    {"node_wifi_station_transmit_bits_per_second",  G, "Rate of transmission to the station."},
    {"node_wifi_station_receive_bytes_total",       C, "Bytes received from the station."},
    {"node_wifi_station_transmit_bytes_total",      C, "Bytes sent to the station."},
    {"node_wifi_station_received_packets_total",    C, "Packets received from the station."},
    {"node_wifi_station_transmitted_packets_total", C, "Packets sent to the station."},
    {"node_wifi_station_signal_dbm",                G, "Strength of the station's signal."},
    {"node_wifi_station_transmit_retries_total",    C, "Times a packet to the station was sent again."},
    {"node_wifi_station_transmit_failed_total",     C, "Packets to the station that failed for good."},
    {"node_wifi_station_beacon_loss_total",         C, "Times the station's beacons were lost."},
};
enum {
    CONNECTED, INACTIVE, RX_RATE, TX_RATE, RX_BYTES, TX_BYTES, RX_PACKETS, TX_PACKETS, SIGNAL,
    RETRIES, FAILED, BEACON_LOSS, N_STATION,
};
static const char *const station_keys[N_STATION] = {
    "Connected", "Inactive", "ReceiveBitrate", "TransmitBitrate", "ReceivedBytes",
    "TransmittedBytes", "ReceivedPackets", "TransmittedPackets", "Signal", "TransmitRetries",
    "TransmitFailed", "BeaconLoss",
};
// clang-format on

static const struct nv_table interfaces = {NV_LABELS("device"), interface, NV_LEN(interface)};
static const struct nv_table infos = {NV_LABELS("bssid", "device", "mode", "ssid"), info,
                                      NV_LEN(info)};
static const struct nv_table stations = {NV_LABELS("device", "mac_address"), station,
                                         NV_LEN(station)};

enum status { AUTHENTICATED, ASSOCIATED, IBSS_JOINED };

static void emit_network(struct nv_pass *pass, struct nv_str device, struct nv_str hardware,
                         struct nv_str name, int64_t status)
{
    char text[NV_HARDWARE_TEXT_MAX];
    struct nv_str mode = status == AUTHENTICATED || status == ASSOCIATED ? NV_LIT("client")
                         : status == IBSS_JOINED                         ? NV_LIT("ad-hoc")
                                                                         : NV_LIT("unknown");
    const struct nv_str labels[] = {nv_hardware_text(hardware, text), device, mode, name};

    nv_emit_u64(pass, &infos, labels, 0, 1);
}

static void emit_station(struct nv_pass *pass, struct nv_str device, struct nv_str hardware,
                         const double values[N_STATION])
{
    char text[NV_HARDWARE_TEXT_MAX];
    const struct nv_str labels[] = {device, nv_hardware_text(hardware, text)};

    nv_emit_reals(pass, &stations, labels, values, N_STATION, UINT64_MAX);
}

/* ---- nl80211 -------------------------------------------------------------------------------- */

struct device {
    uint32_t index, megahertz;
    char name[IFNAMSIZ];
};

struct walk {
    struct nv_pass *pass;
    struct nv_str device;
    struct device *devices;
    size_t n;
    bool joined; /* a network has been shown */
};

static struct nv_str attributes_of(const struct nlmsghdr *message)
{
    return nv_netlink_payload(message, GENL_HDRLEN);
}

static int add_device(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct nv_str attributes = attributes_of(message), value, name = NV_LIT("");
    struct device device = {0};
    unsigned type;

    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == NL80211_ATTR_IFINDEX)
            device.index = nv_netlink_u32(value);
        else if (type == NL80211_ATTR_IFNAME)
            name = nv_netlink_text(value);
        else if (type == NL80211_ATTR_WIPHY_FREQ)
            device.megahertz = nv_netlink_u32(value);
    }
    if (!name.n || name.n >= sizeof(device.name) || walk->n == INTERFACES_MAX)
        return 0; /* some virtual ones have no name */
    memcpy(device.name, name.p, name.n);
    walk->devices[walk->n++] = device;
    return 0;
}

/* The element 0 among those of a beacon: each a number, a length, and so many bytes. */
static struct nv_str network_name(struct nv_str elements)
{
    while (elements.n >= 2) {
        size_t length = (unsigned char)elements.p[1];
        if (length > elements.n - 2)
            break;
        if (elements.p[0] == 0)
            return (struct nv_str){elements.p + 2, length};
        elements = nv_str_from(elements, 2 + length);
    }
    return NV_LIT("");
}

static int emit_scan(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct nv_str attributes = attributes_of(message), value, network = {NULL, 0};
    struct nv_str hardware = NV_LIT(""), name = NV_LIT(""), status = {NULL, 0};
    unsigned type;

    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == NL80211_ATTR_BSS)
            network = value;
    }
    while (nv_netlink_attribute(&network, &type, &value)) {
        if (type == NL80211_BSS_BSSID)
            hardware = value;
        else if (type == NL80211_BSS_STATUS)
            status = value;
        else if (type == NL80211_BSS_INFORMATION_ELEMENTS)
            name = network_name(value);
    }
    if (!status.n || walk->joined)
        return 0;
    walk->joined = true;
    emit_network(walk->pass, walk->device, hardware, name, nv_netlink_u32(status));
    return 0;
}

/* Bits per second. The 16-bit number is used where there is no other. */
static double rate_of(struct nv_str attributes)
{
    uint32_t wide = 0, narrow = 0;
    struct nv_str value;
    unsigned type;

    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == NL80211_RATE_INFO_BITRATE32)
            wide = nv_netlink_u32(value);
        else if (type == NL80211_RATE_INFO_BITRATE)
            narrow = nv_netlink_u16(value);
    }
    return (double)(wide ? wide : narrow) * 100000;
}

/* Whole seconds and the rest, added, which is how node_exporter turns durations into numbers. */
static double seconds_of(int64_t ns)
{
    return (double)(ns / 1000000000) + (double)(ns % 1000000000) / 1e9;
}

static void set_value(double values[N_STATION], unsigned type, struct nv_str value)
{
    switch (type) {
    case NL80211_STA_INFO_CONNECTED_TIME:
        values[CONNECTED] = nv_netlink_u32(value);
        break;
    case NL80211_STA_INFO_INACTIVE_TIME:
        values[INACTIVE] = seconds_of((int64_t)nv_netlink_u32(value) * 1000000);
        break;
    case NL80211_STA_INFO_RX_BITRATE:
        values[RX_RATE] = rate_of(value);
        break;
    case NL80211_STA_INFO_TX_BITRATE:
        values[TX_RATE] = rate_of(value);
        break;
    case NL80211_STA_INFO_RX_BYTES64:
        values[RX_BYTES] = (double)nv_netlink_u64(value);
        break;
    case NL80211_STA_INFO_TX_BYTES64:
        values[TX_BYTES] = (double)nv_netlink_u64(value);
        break;
    case NL80211_STA_INFO_RX_PACKETS:
        values[RX_PACKETS] = nv_netlink_u32(value);
        break;
    case NL80211_STA_INFO_TX_PACKETS:
        values[TX_PACKETS] = nv_netlink_u32(value);
        break;
    case NL80211_STA_INFO_SIGNAL:
        values[SIGNAL] = (int8_t)nv_netlink_u8(value);
        break;
    case NL80211_STA_INFO_TX_RETRIES:
        values[RETRIES] = nv_netlink_u32(value);
        break;
    case NL80211_STA_INFO_TX_FAILED:
        values[FAILED] = nv_netlink_u32(value);
        break;
    case NL80211_STA_INFO_BEACON_LOSS:
        values[BEACON_LOSS] = nv_netlink_u32(value);
        break;
    default:
        break;
    }
}

static int emit_station_message(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct nv_str attributes = attributes_of(message), value, facts = {NULL, 0};
    struct nv_str hardware = NV_LIT("");
    double values[N_STATION] = {0};
    uint32_t rx_bytes = 0, tx_bytes = 0; /* wrap at 4 GiB */
    unsigned type;

    while (nv_netlink_attribute(&attributes, &type, &value)) {
        if (type == NL80211_ATTR_MAC)
            hardware = value;
        else if (type == NL80211_ATTR_STA_INFO)
            facts = value;
    }
    while (nv_netlink_attribute(&facts, &type, &value)) {
        set_value(values, type, value);
        if (type == NL80211_STA_INFO_RX_BYTES)
            rx_bytes = nv_netlink_u32(value);
        else if (type == NL80211_STA_INFO_TX_BYTES)
            tx_bytes = nv_netlink_u32(value);
    }
    if (values[RX_BYTES] == 0)
        values[RX_BYTES] = rx_bytes;
    if (values[TX_BYTES] == 0)
        values[TX_BYTES] = tx_bytes;
    emit_station(walk->pass, walk->device, hardware, values);
    return 0;
}

/* A dump of one interface, or of all where index is 0. */
static int dump(struct walk *walk, uint16_t family, uint8_t command, uint32_t index,
                nv_netlink_fn each)
{
    struct {
        struct nlmsghdr header;
        struct genlmsghdr body;
        struct nlattr attribute;
        uint32_t index;
    } request = {
        .header = {.nlmsg_len = sizeof(request),          .nlmsg_type = family            },
        .body = {.cmd = command,                        .version = 1                    },
        .attribute = {.nla_len = NLA_HDRLEN + sizeof(index), .nla_type = NL80211_ATTR_IFINDEX},
        .index = index,
    };

    if (!index)
        request.header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
    return nv_netlink(walk->pass, NETLINK_GENERIC, &request, request.header.nlmsg_len, each, walk);
}

/* What an interface of another kind, or one that has gone meanwhile, answers. */
static int nothing(int r)
{
    return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
}

static int collect_netlink(struct nv_pass *pass)
{
    struct walk walk = {.pass = pass};
    uint16_t family;

    int r = nv_genl_family(pass, NL80211_GENL_NAME, &family);
    if (r == -ENOENT || r == -EPERM || r == -EACCES)
        return NV_NO_DATA;
    if (r < 0)
        return nv_error(pass, r, "cannot ask for nl80211");
    walk.devices = nv_alloc(pass, INTERFACES_MAX * sizeof(*walk.devices));
    r = dump(&walk, family, NL80211_CMD_GET_INTERFACE, 0, add_device);
    for (size_t i = 0; r == 0 && i < walk.n; i++) {
        uint32_t index = walk.devices[i].index;
        walk.device = nv_str(walk.devices[i].name);
        walk.joined = false;
        nv_emit_u64(pass, &interfaces, &walk.device, 0, walk.devices[i].megahertz);
        if (!index)
            continue;
        r = nothing(dump(&walk, family, NL80211_CMD_GET_SCAN, index, emit_scan));
        if (r == 0)
            r = nothing(dump(&walk, family, NL80211_CMD_GET_STATION, index, emit_station_message));
    }
    return r < 0 ? nv_error(pass, r, "cannot ask nl80211") : 0;
}

/* ---- fixtures ------------------------------------------------------------------------------- */

static struct nv_str read_text(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_str raw = nv_json_text(json);

    return nv_json_unescape(raw, nv_alloc(pass, raw.n + 1), raw.n + 1);
}

static int base64_digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : nv_is_digit(c)       ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Bytes in base64. Fails where they are something else. */
static struct nv_str read_bytes(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_str text = read_text(pass, json);
    char *bytes = nv_alloc(pass, text.n + 1);
    uint32_t bits = 0;
    size_t n = 0, n_bits = 0;

    while (text.n && text.p[text.n - 1] == '=')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0) {
            nv_json_fail(json);
            return NV_LIT("");
        }
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes[n++] = (char)(bits >> n_bits);
        }
    }
    return (struct nv_str){bytes, n};
}

/* A file of the fixtures' folder. */
static int load(struct nv_pass *pass, struct nv_str device, const char *file, struct nv_json *ret)
{
    char name[256];
    struct nv_str text = {NULL, 0};

    if (device.n + strlen(file) + 2 > sizeof(name))
        return -ENAMETOOLONG;
    snprintf(name, sizeof(name), "%.*s%s%s", NV_ARGS(device), device.n ? "/" : "", file);
    int r = nv_native_read(pass, nv_flag(pass, FIXTURES)->text, name, &text);
    if (r == 0)
        *ret = nv_json(text);
    return r;
}

static int collect_network(struct nv_pass *pass, struct nv_str device)
{
    struct nv_str key, name = NV_LIT(""), hardware = NV_LIT("");
    struct nv_json json;
    int64_t status = 0;

    int r = load(pass, device, "bss.json", &json);
    if (r < 0)
        return r;
    nv_json_object(&json);
    while (nv_json_key(&json, &key)) {
        if (nv_json_null(&json))
            continue;
        if (nv_json_key_is_any_case(key, "SSID"))
            name = read_text(pass, &json);
        else if (nv_json_key_is_any_case(key, "BSSID"))
            hardware = read_bytes(pass, &json);
        else if (nv_json_key_is_any_case(key, "Status"))
            status = nv_json_i64(&json);
        else
            nv_json_skip(&json);
    }
    if (!nv_json_done(&json))
        return -EBADMSG;
    emit_network(pass, device, hardware, name, status);
    return 0;
}

static void read_station(struct nv_pass *pass, struct nv_json *json, struct nv_str *hardware,
                         double values[N_STATION])
{
    struct nv_str key;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        size_t i = 0;
        while (i < N_STATION && !nv_json_key_is_any_case(key, station_keys[i]))
            i++;
        if (nv_json_null(json))
            continue;
        if (i == CONNECTED || i == INACTIVE)
            values[i] = seconds_of(nv_json_i64(json));
        else if (i < N_STATION)
            values[i] = (double)nv_json_i64(json);
        else if (nv_json_key_is_any_case(key, "HardwareAddr"))
            *hardware = read_bytes(pass, json);
        else
            nv_json_skip(json);
    }
}

static int collect_stations(struct nv_pass *pass, struct nv_str device)
{
    struct nv_json json;

    int r = load(pass, device, "stationinfo.json", &json);
    if (r < 0)
        return r;
    nv_json_array(&json);
    while (nv_json_item(&json)) {
        struct nv_str hardware = NV_LIT("");
        double values[N_STATION] = {0};
        read_station(pass, &json, &hardware, values);
        if (!json.failed)
            emit_station(pass, device, hardware, values);
    }
    return nv_json_done(&json) ? 0 : -EBADMSG;
}

static int collect_fixture(struct nv_pass *pass, struct nv_json *json)
{
    struct nv_str key, name = NV_LIT("");
    uint64_t megahertz = 0;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        if (nv_json_null(json))
            continue;
        if (nv_json_key_is_any_case(key, "Name"))
            name = read_text(pass, json);
        else if (nv_json_key_is_any_case(key, "Frequency"))
            megahertz = nv_json_u64(json);
        else
            nv_json_skip(json);
    }
    if (json->failed || !name.n)
        return 0;
    nv_emit_u64(pass, &interfaces, &name, 0, megahertz);
    int r = collect_network(pass, name);
    if (r == 0 || r == -ENOENT)
        r = collect_stations(pass, name);
    return r == -ENOENT ? 0 : r;
}

static int collect_fixtures(struct nv_pass *pass)
{
    struct nv_json json;

    int r = load(pass, NV_LIT(""), "interfaces.json", &json);
    if (r < 0)
        return nv_error(pass, r, "cannot read interfaces.json");
    nv_json_array(&json);
    while (r == 0 && nv_json_item(&json))
        r = collect_fixture(pass, &json);
    if (r == 0 && !nv_json_done(&json))
        r = -EBADMSG;
    return r < 0 ? nv_error(pass, r, "the fixtures cannot be read") : 0;
}

static int collect(struct nv_pass *pass)
{
    return nv_flag(pass, FIXTURES)->text.n ? collect_fixtures(pass) : collect_netlink(pass);
}

NV_COLLECTOR(wifi) = {
    NV_ABI_STAMP,
    .name = "wifi",
    .summary = "Wireless interfaces and their stations.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&interfaces, &infos, &stations),
    .flags = NV_FLAGS({"collector.wifi.fixtures", NV_FLAG_TEXT, "",
                       "Folder with interfaces.json, to test with.", false}),
    .collect = collect,
};
