/*
 * ethtool - what the drivers of network interfaces tell: themselves, link modes, and their statistics.
 *
 * Source: names from sys/class/net; SIOCETHTOOL ioctls ETHTOOL_GSET (the old words of 32 link modes, so
 * that newer modes do not appear), ETHTOOL_GDRVINFO, ETHTOOL_GSTRINGS and ETHTOOL_GSTATS. What a driver
 * does not answer is left out.
 *
 * The name of a statistic is made a metric's: every run of other characters, with the underscores
 * around it, becomes one underscore; lower case; rx and tx as words become received and transmitted.
 * Different statistics that end up with one name are left out, all of them.
 */
#include <nodevitals/sysfs.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INCLUDE, EXCLUDE, METRICS };
enum { STATISTICS_MAX = 32768, METRIC_MAX = 128 };

// clang-format off
#define G NV_GAUGE, NV_AS_IS

static const struct nv_family info[] = {
    {"node_ethtool_info", G, "Driver of the interface, always 1."},
};

static const struct nv_family abilities[] = {
    {"node_network_autonegotiate",                 G, "Whether the port negotiates its mode."},
    {"node_network_autonegotiate_supported",       G, "Whether the port can negotiate its mode."},
    {"node_network_autonegotiate_advertised",      G, "Whether the port offers to negotiate its mode."},
    {"node_network_pause_supported",               G, "Whether the port can pause."},
    {"node_network_pause_advertised",              G, "Whether the port offers to pause."},
    {"node_network_asymmetricpause_supported",     G, "Whether the port can pause in one direction."},
    {"node_network_asymmetricpause_advertised",    G, "Whether the port offers to pause in one direction."},
};

static const struct nv_family ports[] = {
    {"node_network_supported_port_info",           G, "A kind of port the interface can have, always 1."},
};

static const struct nv_family speeds[] = {
    {"node_network_supported_speed_bytes",         G, "Speed per second of a mode the port can have."},
    {"node_network_advertised_speed_bytes",        G, "Speed per second of a mode the port offers."},
};
enum { SUPPORTED, ADVERTISED };

#define U NV_UNTYPED, NV_AS_IS
static const struct {
    const char *statistic;
    struct nv_family family;
} known[] = { /* these names are older than the rule */
    {"rx_bytes",   {"node_ethtool_received_bytes_total",      U, "Bytes received."}},
    {"rx_dropped", {"node_ethtool_received_dropped_total",    U, "Frames received and dropped."}},
    {"rx_errors",  {"node_ethtool_received_errors_total",     U, "Frames received in error."}},
    {"rx_packets", {"node_ethtool_received_packets_total",    U, "Packets received."}},
    {"tx_bytes",   {"node_ethtool_transmitted_bytes_total",   U, "Bytes sent."}},
    {"tx_errors",  {"node_ethtool_transmitted_errors_total",  U, "Frames that could not be sent."}},
    {"tx_packets", {"node_ethtool_transmitted_packets_total", U, "Packets sent."}},
};

static const struct {
    unsigned char bit;
    const char *name;
} port_bits[] = {
    {7, "TP"}, {8, "AUI"}, {9, "MII"}, {10, "FIBRE"}, {11, "BNC"}, {16, "Backplane"},
};
enum { AUTONEG_BIT = 6, PAUSE_BIT = 13, ASYM_PAUSE_BIT = 14 };

static const struct {
    unsigned char bit;
    uint64_t megabits;
    const char *mode, *duplex;
} modes[] = {
    {0,  10,    "10baseT",      "half"}, {1,  10,    "10baseT",      "full"},
    {2,  100,   "100baseT",     "half"}, {3,  100,   "100baseT",     "full"},
    {4,  1000,  "1000baseT",    "half"}, {5,  1000,  "1000baseT",    "full"},
    {12, 10000, "10000baseT",   "full"}, {15, 2500,  "2500baseX",    "full"},
    {17, 1000,  "1000baseKX",   "full"}, {18, 10000, "10000baseKX4", "full"},
    {19, 10000, "10000baseKR",  "full"}, {20, 10000, "10000baseR",   "full"},
    {21, 20000, "20000baseMLD2", "full"}, {22, 20000, "20000baseKR2", "full"},
    {23, 40000, "40000baseKR4", "full"}, {24, 40000, "40000baseCR4", "full"},
    {25, 40000, "40000baseSR4", "full"}, {26, 40000, "40000baseLR4", "full"},
    {27, 56000, "56000baseKR4", "full"}, {28, 56000, "56000baseCR4", "full"},
    {29, 56000, "56000baseSR4", "full"}, {30, 56000, "56000baseLR4", "full"},
    {31, 25000, "25000baseCR",  "full"},
};
// clang-format on

static const struct nv_table infos = {NV_LABELS("bus_info", "device", "driver",
                                                "expansion_rom_version", "firmware_version",
                                                "version"),
                                      info, NV_LEN(info)};
static const struct nv_table table_abilities = {NV_LABELS("device"), abilities, NV_LEN(abilities)};
static const struct nv_table table_ports = {NV_LABELS("device", "type"), ports, NV_LEN(ports)};
static const struct nv_table table_speeds = {NV_LABELS("device", "duplex", "mode"), speeds,
                                             NV_LEN(speeds)};

struct statistic {
    struct nv_str raw;
    uint64_t value;
    bool dropped;
    char name[METRIC_MAX];
};

struct state {
    size_t max; /* statistics the buffers have room for */
    struct ethtool_gstrings *strings;
    struct ethtool_stats *values;
    struct statistic *statistics;
    uint32_t *slots; /* hash table of statistics by name: 1 + index, or 0; a power of two of them */
    size_t n_slots;
};

/* One request about a device. Returns 0 or a negative errno. */
static int ask(int fd, struct nv_str device, void *request)
{
    struct ifreq ifreq = {.ifr_data = request};

    if (device.n >= sizeof(ifreq.ifr_name))
        return -ENODEV;
    memcpy(ifreq.ifr_name, device.p, device.n);
    return ioctl(fd, SIOCETHTOOL, &ifreq) < 0 ? -errno : 0;
}

static void say(struct nv_pass *pass, struct nv_str device, const char *what, int r)
{
    nv_say(pass, NV_DEBUG, "%s of %.*s: error %d", what, NV_ARGS(device), -r);
}

/* ---- link modes, driver --------------------------------------------------------------------- */

static void emit_speeds(struct nv_pass *pass, struct nv_str device, size_t column, uint32_t bits)
{
    for (size_t i = 0; i < NV_LEN(modes); i++) {
        const struct nv_str labels[] = {device, nv_str(modes[i].duplex), nv_str(modes[i].mode)};
        if (bits >> modes[i].bit & 1)
            nv_emit_u64(pass, &table_speeds, labels, column, modes[i].megabits * 1000000 / 8);
    }
}

static void collect_modes(struct nv_pass *pass, int fd, struct nv_str device)
{
    struct ethtool_cmd answer = {.cmd = ETHTOOL_GSET};

    int r = ask(fd, device, &answer);
    if (r < 0) {
        say(pass, device, "link modes", r);
        return;
    }
    uint32_t can = answer.supported, offers = answer.advertising;
    const uint64_t values[] = {
        answer.autoneg,
        can >> AUTONEG_BIT & 1,
        offers >> AUTONEG_BIT & 1,
        can >> PAUSE_BIT & 1,
        offers >> PAUSE_BIT & 1,
        can >> ASYM_PAUSE_BIT & 1,
        offers >> ASYM_PAUSE_BIT & 1,
    };
    nv_emit_row(pass, &table_abilities, &device, values, NV_LEN(values));
    for (size_t i = 0; i < NV_LEN(port_bits); i++) {
        const struct nv_str labels[] = {device, nv_str(port_bits[i].name)};
        if (can >> port_bits[i].bit & 1)
            nv_emit_u64(pass, &table_ports, labels, 0, 1);
    }
    emit_speeds(pass, device, SUPPORTED, can);
    emit_speeds(pass, device, ADVERTISED, offers);
}

static struct nv_str fixed_text(const char *text, size_t max)
{
    return (struct nv_str){text, strnlen(text, max)};
}

static void collect_driver(struct nv_pass *pass, int fd, struct nv_str device)
{
    struct ethtool_drvinfo d = {.cmd = ETHTOOL_GDRVINFO};

    int r = ask(fd, device, &d);
    if (r < 0) {
        say(pass, device, "driver", r);
        return;
    }
    const struct nv_str labels[] = {
        fixed_text(d.bus_info, sizeof(d.bus_info)),
        device,
        fixed_text(d.driver, sizeof(d.driver)),
        fixed_text(d.erom_version, sizeof(d.erom_version)),
        fixed_text(d.fw_version, sizeof(d.fw_version)),
        fixed_text(d.version, sizeof(d.version)),
    };
    nv_emit_u64(pass, &infos, labels, 0, 1);
}

/* ---- statistics ----------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    char letter = c | 0x20;

    return nv_is_digit(c) || c == '_' || (letter >= 'a' && letter <= 'z');
}

/* Writes at most raw.n characters. */
static size_t sanitise(struct nv_str raw, char *out)
{
    size_t n = 0, floor = 0; /* what is before `floor` stands for an earlier run */

    for (size_t i = 0; i < raw.n;) {
        if (is_name_char(raw.p[i])) {
            out[n++] = raw.p[i++];
            continue;
        }
        while (n > floor && out[n - 1] == '_')
            n--;
        while (i < raw.n && !is_name_char(raw.p[i]))
            i++;
        while (i < raw.n && raw.p[i] == '_')
            i++;
        out[n++] = '_';
        floor = n;
    }
    return n;
}

/* Replaces a word between underscores; an underscore bounds one word only, as in (^|_)rx(_|$). */
static size_t replace(const char *text, size_t n, const char *word, const char *by, char *out)
{
    size_t n_word = strlen(word), n_by = strlen(by), n_out = 0;

    for (size_t i = 0; i < n;) {
        size_t at = text[i] == '_' ? i + 1 : i;
        size_t after = at + n_word;
        if ((at > i || i == 0) && after <= n && memcmp(text + at, word, n_word) == 0 &&
            (after == n || text[after] == '_')) {
            memcpy(out + n_out, text + i, at - i);
            n_out += at - i;
            memcpy(out + n_out, by, n_by);
            n_out += n_by;
            if (after < n)
                out[n_out++] = '_';
            i = after + 1;
        } else {
            out[n_out++] = text[i++];
        }
    }
    return n_out;
}

/* The metric's name of a statistic of at most ETH_GSTRING_LEN characters; "" where it is not wanted. */
static void name_of(struct nv_pass *pass, struct nv_str raw, char name[METRIC_MAX])
{
    char clean[ETH_GSTRING_LEN], received[3 * ETH_GSTRING_LEN], sent[5 * ETH_GSTRING_LEN];
    size_t n = sanitise(raw, clean), skip = 0;

    name[0] = '\0';
    if (!nv_str_is(nv_flag(pass, METRICS)->text, ".*") &&
        !nv_matches(pass, METRICS, (struct nv_str){clean, n}))
        return;
    for (size_t i = 0; i < NV_LEN(known); i++) {
        if (nv_str_is(raw, known[i].statistic)) {
            snprintf(name, METRIC_MAX, "%s", known[i].family.name);
            return;
        }
    }
    for (size_t i = 0; i < n; i++)
        clean[i] |= clean[i] >= 'A' && clean[i] <= 'Z' ? 0x20 : 0;
    while (skip < n && clean[skip] == '_')
        skip++;
    n = replace(clean + skip, n - skip, "rx", "received", received);
    n = replace(received, n, "tx", "transmitted", sent);
    snprintf(name, METRIC_MAX, "node_ethtool_%.*s", (int)n, sent);
}

/* The slot of a name: empty, or that of the statistic of the same name. */
static uint32_t *slot_of(struct state *state, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    size_t i = hash & (state->n_slots - 1);
    while (state->slots[i] && strcmp(state->statistics[state->slots[i] - 1].name, name) != 0)
        i = (i + 1) & (state->n_slots - 1);
    return &state->slots[i];
}

static const char *help_of(const char *name)
{
    for (size_t i = 0; i < NV_LEN(known); i++) {
        if (strcmp(name, known[i].family.name) == 0)
            return known[i].family.help;
    }
    return "Statistic of a network driver.";
}

static void emit_statistics(struct nv_pass *pass, struct nv_str device, size_t n)
{
    struct state *state = nv_state(pass);
    size_t n_kept = 0;

    memset(state->slots, 0, state->n_slots * sizeof(*state->slots));
    for (size_t i = 0; i < n; i++) {
        struct statistic *s = &state->statistics[n_kept];
        s->raw =
            fixed_text((const char *)state->strings->data + i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
        s->value = state->values->data[i];
        s->dropped = false;
        name_of(pass, s->raw, s->name);
        if (!*s->name)
            continue;
        uint32_t *slot = slot_of(state, s->name);
        struct statistic *twin = *slot ? &state->statistics[*slot - 1] : NULL;
        if (!twin)
            *slot = (uint32_t)++n_kept;
        else if (nv_str_eq(twin->raw, s->raw))
            twin->value = s->value;
        else
            twin->dropped = true;
    }
    for (size_t i = 0; i < n_kept; i++) {
        const struct statistic *s = &state->statistics[i];
        const struct nv_family family = {s->name, NV_UNTYPED, NV_AS_IS, help_of(s->name)};
        if (!s->dropped)
            nv_emit_named(pass, &family, NV_LABELS("device"), &device, (double)s->value);
    }
}

static void release(struct state *state)
{
    free(state->strings);
    free(state->values);
    free(state->statistics);
    free(state->slots);
    *state = (struct state){.max = 0};
}

/* Makes room for twice as many as are announced: kernels write as many as there are by then. */
static int make_room(struct state *state, size_t n)
{
    size_t max = 2 * n + 1024, n_slots = 1024;

    if (max <= state->max)
        return 0;
    release(state);
    while (n_slots < 2 * max)
        n_slots *= 2;
    *state = (struct state){
        .max = max,
        .strings = malloc(sizeof(*state->strings) + max * ETH_GSTRING_LEN),
        .values = malloc(sizeof(*state->values) + max * sizeof(uint64_t)),
        .statistics = malloc(max * sizeof(*state->statistics)),
        .slots = malloc(n_slots * sizeof(*state->slots)),
        .n_slots = n_slots,
    };
    if (state->strings && state->values && state->statistics && state->slots)
        return 0;
    release(state);
    return -ENOMEM;
}

static int collect_statistics(struct nv_pass *pass, int fd, struct nv_str device)
{
    struct state *state = nv_state(pass);
    uint64_t words[sizeof(struct ethtool_sset_info) / sizeof(uint64_t) + 1] = {
        0}; /* one count behind */
    struct ethtool_sset_info *sets = (void *)words;

    sets->cmd = ETHTOOL_GSSET_INFO;
    sets->sset_mask = 1u << ETH_SS_STATS;
    int r = ask(fd, device, sets);
    if (r < 0 || !sets->sset_mask || !sets->data[0] || sets->data[0] > STATISTICS_MAX)
        return r;
    r = make_room(state, sets->data[0]);
    if (r < 0)
        return r;
    *state->strings = (struct ethtool_gstrings){
        .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS, .len = sets->data[0]};
    *state->values = (struct ethtool_stats){.cmd = ETHTOOL_GSTATS, .n_stats = sets->data[0]};
    r = ask(fd, device, state->strings);
    if (r == 0)
        r = ask(fd, device, state->values);
    if (r == 0 && state->strings->len == state->values->n_stats &&
        state->strings->len <= state->max)
        emit_statistics(pass, device, state->strings->len);
    return r;
}

/* bonding_masters is a file; asked for a device of that name the kernel runs modprobe, six times a pass. */
static bool is_device(struct nv_pass *pass, struct nv_str name)
{
    char path[NV_PATH_MAX];

    nv_path(path, "sys/class/net/%.*s", NV_ARGS(name));
    return nv_is_directory(pass, path);
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;

    int r = nv_list(pass, "sys/class/net", &names);
    if (r == -ENOENT || r == -EACCES || r == -EPERM)
        return NV_NO_DATA;
    if (r < 0 || names.n == 0)
        return nv_error(pass, r < 0 ? r : -ENODEV, "no network devices in class/net");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return nv_error(pass, -errno, "cannot make a socket");
    for (size_t i = 0; i < names.n; i++) {
        struct nv_str device = names.at[i];
        if (!nv_wants(pass, INCLUDE, EXCLUDE, device) || !is_device(pass, device))
            continue;
        collect_modes(pass, fd, device);
        collect_driver(pass, fd, device);
        r = collect_statistics(pass, fd, device);
        if (r < 0)
            say(pass, device, "statistics", r);
    }
    close(fd);
    return 0;
}

static void stop(void *user)
{
    release(user);
}

NV_COLLECTOR(ethtool) = {
    NV_ABI_STAMP,
    .name = "ethtool",
    .summary = "What the drivers of network interfaces tell.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&infos, &table_abilities, &table_ports, &table_speeds),
    .flags = NV_FLAGS({"collector.ethtool.device-include", NV_FLAG_REGEX, "",
                       "Network devices to include.", false},
                      {"collector.ethtool.device-exclude", NV_FLAG_REGEX, "",
                       "Network devices to leave out.", false},
                      {"collector.ethtool.metrics-include", NV_FLAG_REGEX, ".*",
                       "Statistics to include.", false}),
    .state_size = sizeof(struct state),
    .stop = stop,
    .collect = collect,
};
