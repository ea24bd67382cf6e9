/*
 * pcidevice - what sits on the PCI buses, how fast its link is, and how it sleeps.
 *
 * Source: /sys/bus/pci/devices/<address>, links whose targets give the device's own address and that of
 * its parent: .../0000:00:02.1/0000:01:00.0. Directly under a root bus (pci0000:00) the parent is "*".
 * Identifiers are hexadecimal as sysfs prints them. Names come from pci.ids, read once, at start.
 *
 * pci.ids: "vvvv  name" is a vendor, "<tab>dddd  name" its device, "<tab><tab>vvvv dddd  name" a subsystem
 * thereof; after "C cc  name" these are class, subclass and programming interface.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nodevitals/sysfs.h>

#define DEVICES "sys/bus/pci/devices"

enum { IDS_SIZE_MAX = 16 << 20 };

enum { IDSFILE, NAMES };

// clang-format off
static const struct nv_flag flags[] = {
    {"collector.pcidevice.idsfile", NV_FLAG_TEXT, "",      "File with the names of vendors, devices and classes.", false},
    {"collector.pcidevice.names",   NV_FLAG_BOOL, "false", "Show names beside identifiers.", false},
    {0},
};
// clang-format on

static const char *const ids_files[] = {"/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"};

#define ADDRESS "segment", "bus", "device", "function"

enum column {
    MAX_SPEED,
    MAX_WIDTH,
    CURRENT_SPEED,
    CURRENT_WIDTH,
    D3COLD,
    AUTOPROBE,
    NUMVFS,
    TOTALVFS,
    VF_MSIX,
    NUMA_NODE,
    COLUMNS
};
// clang-format off
static const struct nv_family columns[COLUMNS] = {
    [MAX_SPEED]     = {"node_pcidevice_max_link_transfers_per_second",     NV_GAUGE, NV_AS_IS, "Highest speed of the link; -1 where it is unknown."},
    [MAX_WIDTH]     = {"node_pcidevice_max_link_width",                    NV_GAUGE, NV_AS_IS, "Highest number of lanes; -1 where it is unknown."},
    [CURRENT_SPEED] = {"node_pcidevice_current_link_transfers_per_second", NV_GAUGE, NV_AS_IS, "Speed of the link now; -1 where it is unknown."},
    [CURRENT_WIDTH] = {"node_pcidevice_current_link_width",                NV_GAUGE, NV_AS_IS, "Number of lanes now; -1 where it is unknown."},
    [D3COLD]        = {"node_pcidevice_d3cold_allowed",                    NV_GAUGE, NV_AS_IS, "Whether the device may be switched off to sleep."},
    [AUTOPROBE]     = {"node_pcidevice_sriov_drivers_autoprobe",           NV_GAUGE, NV_AS_IS, "Whether drivers bind to new virtual functions."},
    [NUMVFS]        = {"node_pcidevice_sriov_numvfs",                      NV_GAUGE, NV_AS_IS, "Virtual functions in use."},
    [TOTALVFS]      = {"node_pcidevice_sriov_totalvfs",                    NV_GAUGE, NV_AS_IS, "Virtual functions there can be."},
    [VF_MSIX]       = {"node_pcidevice_sriov_vf_total_msix",               NV_GAUGE, NV_AS_IS, "Interrupt vectors for virtual functions."},
    [NUMA_NODE]     = {"node_pcidevice_numa_node",                         NV_GAUGE, NV_AS_IS, "NUMA node the device is attached to."},
};
// clang-format on
static const struct nv_table devices = {NV_LABELS(ADDRESS), columns, COLUMNS};

static const struct nv_family state_columns[] = {
    {"node_pcidevice_power_state", NV_GAUGE, NV_AS_IS, "1 for the power state the device is in."},
};
static const struct nv_table power_states = {NV_LABELS(ADDRESS, "state"), state_columns,
                                             NV_LEN(state_columns)};
static const char *const states[] = {"D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"};

#define IDENTITY                                                                                   \
    ADDRESS, "parent_segment", "parent_bus", "parent_device", "parent_function", "class_id",       \
        "vendor_id", "device_id", "subsystem_vendor_id", "subsystem_device_id", "revision"

static const struct nv_family info_columns[] = {
    {"node_pcidevice_info", NV_GAUGE, NV_AS_IS, "What the device is, in labels; always 1."},
};
static const struct nv_table infos = {NV_LABELS(IDENTITY), info_columns, NV_LEN(info_columns)};
static const struct nv_table named_infos = {NV_LABELS(IDENTITY, "vendor_name", "device_name",
                                                      "subsystem_vendor_name",
                                                      "subsystem_device_name", "class_name"),
                                            info_columns, NV_LEN(info_columns)};

enum kind { VENDOR, DEVICE, SUBSYSTEM, CLASS, SUBCLASS, INTERFACE };

/* A line of pci.ids. The identifiers stand in `id` one behind the other, the vendor's foremost. */
struct entry {
    enum kind kind;
    uint64_t id;
    struct nv_str name;
};

struct state {
    char *text; /* of pci.ids */
    struct entry *entries;
    size_t n_entries;
};

/* ---- pci.ids -------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* NULL where the file does not know it. */
static const struct entry *find(const struct state *state, enum kind kind, uint64_t id)
{
    const struct entry key = {.kind = kind, .id = id};

    return state->n_entries ? bsearch(&key, state->entries, state->n_entries, sizeof(key), compare)
                            : NULL;
}

/* Where the parser is: what the last line of each depth said. */
struct context {
    bool in_class;
    uint64_t outer, middle;
    bool has_middle;
};

/* "17aa 5095" or "5095" behind `depth` tabs. False for a line that is none of ours. */
static bool parse_entry(struct context *context, struct nv_str line, struct entry *entry)
{
    size_t depth = 0, end;
    uint64_t id, more = 0;

    while (depth < line.n && line.p[depth] == '\t')
        depth++;
    line = nv_str_from(line, depth);
    bool class = depth == 0 && nv_str_starts(line, "C ");
    line = nv_str_from(line, class ? 2 : 0);

    for (end = 0; end + 1 < line.n && (line.p[end] != ' ' || line.p[end + 1] != ' ');)
        end++;
    if (depth > 2 || end + 1 >= line.n)
        return false;
    struct nv_str second = {line.p, end};
    struct nv_str first = nv_str_cut(&second, ' ');
    entry->name = nv_str_trim(nv_str_from(line, end));
    if (!nv_str_to_hex(first, &id) || id > UINT16_MAX ||
        (second.n && (!nv_str_to_hex(second, &more) || more > UINT16_MAX)))
        return false;

    if (depth == 0) {
        *context = (struct context){.in_class = class, .outer = id};
        entry->kind = class ? CLASS : VENDOR;
        entry->id = id;
    } else if (depth == 1) {
        context->middle = context->outer << (context->in_class ? 8 : 16) | id;
        context->has_middle = true;
        entry->kind = context->in_class ? SUBCLASS : DEVICE;
        entry->id = context->middle;
    } else if (!context->has_middle || (context->in_class ? second.n != 0 : second.n == 0)) {
        return false;
    } else {
        entry->kind = context->in_class ? INTERFACE : SUBSYSTEM;
        entry->id =
            context->in_class ? context->middle << 8 | id : context->middle << 32 | id << 16 | more;
    }
    return true;
}

static int index_names(struct state *state, struct nv_str text)
{
    struct nv_scan file = nv_scan(text), line;
    struct context context = {0};
    size_t room = 0;

    while (nv_scan_line(&file, &line)) {
        struct nv_str rest = nv_scan_rest(&line);
        struct entry entry;
        if (!rest.n || rest.p[0] == '#' || !parse_entry(&context, rest, &entry))
            continue;
        if (state->n_entries == room) {
            room = room ? 2 * room : 4096;
            struct entry *grown = reallocarray(state->entries, room, sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            state->entries = grown;
        }
        state->entries[state->n_entries++] = entry;
    }
    if (state->n_entries)
        qsort(state->entries, state->n_entries, sizeof(*state->entries), compare);
    return 0;
}

static int read_ids(struct state *state, const char *path)
{
    struct stat status;
    size_t n = 0;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > IDS_SIZE_MAX) {
        close(fd);
        return -EFBIG;
    }
    state->text = malloc((size_t)status.st_size + 1);
    while (state->text && n < (size_t)status.st_size) {
        ssize_t got = read(fd, state->text + n, (size_t)status.st_size - n);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return state->text ? index_names(state, (struct nv_str){state->text, n}) : -ENOMEM;
}

/* A file that cannot be read leaves identifiers where names would stand. */
static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_str given = nv_flag(pass, IDSFILE)->text;
    char path[NV_PATH_MAX];
    int r = -ENOENT;

    if (!nv_on(pass, NAMES))
        return 0;
    nv_path(path, "%.*s", NV_ARGS(given));
    if (given.n)
        r = read_ids(state, path);
    for (size_t i = 0; !given.n && r < 0 && i < NV_LEN(ids_files); i++)
        r = read_ids(state, ids_files[i]);
    if (r < 0)
        nv_say(pass, NV_DEBUG, "no pci.ids: %s", strerror(-r));
    else
        nv_say(pass, NV_DEBUG, "pci.ids has %zu names", state->n_entries);
    return 0;
}

static void stop(void *memory)
{
    struct state *state = memory;

    free(state->text);
    free(state->entries);
}

/* ---- devices -------------------------------------------------------------------------------- */

/* The attributes that must be there, in the order of the labels. */
enum { CLASS_ID, VENDOR_ID, DEVICE_ID, SUBVENDOR_ID, SUBDEVICE_ID, REVISION, IDS };
static const struct {
    const char *file;
    int digits;
} ids[IDS] = {
    {"class",            6},
    {"vendor",           4},
    {"device",           4},
    {"subsystem_vendor", 4},
    {"subsystem_device", 4},
    {"revision",         2}
};

struct device {
    struct nv_str entry; /* in the folder */
    struct nv_str address[4], parent[4];
    uint64_t id[IDS];
};

static struct nv_str hex(struct nv_pass *pass, const char *prefix, uint64_t value, int digits)
{
    char *p = nv_alloc(pass, 24);
    int n = snprintf(p, 24, "%s%0*llx", prefix, digits, (unsigned long long)value);

    return (struct nv_str){p, (size_t)n};
}

/* "0000:45:00.0" into its four parts. */
static bool parse_address(struct nv_pass *pass, struct nv_str text, struct nv_str ret[4])
{
    static const int digits[4] = {4, 2, 2, 1};
    static const char separators[] = {':', ':', '.'};

    for (size_t i = 0; i < 4; i++) {
        uint64_t value;
        bool last = i == 3;
        if (!last && nv_str_find(text, separators[i]) == text.n)
            return false;
        struct nv_str part = last ? text : nv_str_cut(&text, separators[i]);
        if (!nv_str_to_hex(part, &value) || value > INT32_MAX)
            return false;
        ret[i] = hex(pass, "", value, digits[i]);
    }
    return true;
}

/* The text of an attribute: 1, 0 where it is absent or empty, or a negative errno. */
static int read_optional(struct nv_pass *pass, const struct device *device, const char *file,
                         struct nv_str *ret)
{
    int r = nv_attribute(pass, ret, DEVICES "/%.*s/%s", NV_ARGS(device->entry), file);

    if (r == -ENOENT)
        return 0;
    return r < 0 ? nv_error(pass, r, "%.*s/%s", NV_ARGS(device->entry), file) : ret->n > 0;
}

static int identify(struct nv_pass *pass, struct device *device)
{
    char path[NV_PATH_MAX];
    struct nv_str link, text;

    nv_path(path, DEVICES "/%.*s", NV_ARGS(device->entry));
    int r = nv_readlink(pass, path, &link);
    if (r < 0)
        return nv_error(pass, r, "%s", path);
    struct nv_str parent = nv_base_name(nv_dir_name(link));
    if (!parse_address(pass, nv_base_name(link), device->address))
        return nv_error(pass, -EBADMSG, "%s leads to %.*s", path, NV_ARGS(link));
    if (nv_str_starts(parent, "pci")) {
        for (size_t i = 0; i < 4; i++)
            device->parent[i] = NV_LIT("*");
    } else if (!parse_address(pass, parent, device->parent)) {
        return nv_error(pass, -EBADMSG, "%s leads to %.*s", path, NV_ARGS(link));
    }

    for (size_t i = 0; i < IDS; i++) {
        r = nv_attribute(pass, &text, DEVICES "/%.*s/%s", NV_ARGS(device->entry), ids[i].file);
        if (r == 0 && (!nv_str_to_u64_prefixed(text, &device->id[i]) || device->id[i] > INT32_MAX))
            r = -EBADMSG;
        if (r < 0)
            return nv_error(pass, r, "%s/%s", path, ids[i].file);
    }
    return 0;
}

/* "8.0 GT/s PCIe" in transfers per second, a plain number as it is; `unknown` where there is none. */
static int read_real(struct nv_pass *pass, const struct device *device, const char *file,
                     bool is_speed, double unknown, double *ret)
{
    struct nv_str text;
    int64_t number;

    *ret = unknown;
    int r = read_optional(pass, device, file, &text);
    if (r <= 0 || nv_str_starts(text, "Unknown"))
        return r < 0 ? r : 0;
    if (is_speed) {
        struct nv_str speed = nv_str_cut(&text, ' ');
        if (nv_str_starts(text, "GT/s") && nv_str_to_real(speed, ret)) {
            *ret *= 1e9;
            return 0;
        }
    } else if (nv_str_to_i64(text, &number)) {
        *ret = (double)number;
        return 0;
    }
    return nv_error(pass, -EBADMSG, "%.*s/%s", NV_ARGS(device->entry), file);
}

static const struct {
    enum column column;
    const char *file;
    double unknown;
} attributes[] = {
    {MAX_SPEED,     "max_link_speed",          -1},
    {MAX_WIDTH,     "max_link_width",          -1},
    {CURRENT_SPEED, "current_link_speed",      -1},
    {CURRENT_WIDTH, "current_link_width",      -1},
    {D3COLD,        "d3cold_allowed",          0 },
    {AUTOPROBE,     "sriov_drivers_autoprobe", 0 },
    {NUMVFS,        "sriov_numvfs",            0 },
    {TOTALVFS,      "sriov_totalvfs",          0 },
    {VF_MSIX,       "sriov_vf_total_msix",     0 },
    {NUMA_NODE,     "numa_node",               -1},
};

static int collect_values(struct nv_pass *pass, const struct device *device)
{
    double value[COLUMNS];
    struct nv_str state;

    for (size_t i = 0; i < NV_LEN(attributes); i++) {
        enum column column = attributes[i].column;
        bool is_speed = column == MAX_SPEED || column == CURRENT_SPEED;
        int r = read_real(pass, device, attributes[i].file, is_speed, attributes[i].unknown,
                          &value[column]);
        if (r < 0)
            return r;
    }
    value[D3COLD] = value[D3COLD] != 0;
    value[AUTOPROBE] = value[AUTOPROBE] != 0;
    nv_emit_reals(pass, &devices, device->address, value,
                  value[NUMA_NODE] == -1 ? NUMA_NODE : COLUMNS, UINT64_MAX);

    int r = read_optional(pass, device, "power_state", &state);
    for (size_t i = 0; r > 0 && i < NV_LEN(states); i++) {
        const struct nv_str labels[] = {device->address[0], device->address[1], device->address[2],
                                        device->address[3], nv_str(states[i])};
        nv_emit_u64(pass, &power_states, labels, 0, nv_str_is(state, states[i]));
    }
    return r < 0 ? r : 0;
}

static struct nv_str name_of(struct nv_pass *pass, enum kind kind, uint64_t key, uint64_t id)
{
    const struct entry *entry = find(nv_state(pass), kind, key);

    return entry ? entry->name : hex(pass, "", id, 4);
}

static struct nv_str class_name(struct nv_pass *pass, uint64_t class)
{
    const struct state *state = nv_state(pass);
    const struct entry *entry = find(state, INTERFACE, class);

    if (!entry)
        entry = find(state, SUBCLASS, class >> 8);
    if (!entry)
        entry = find(state, CLASS, class >> 16);
    return entry ? entry->name : (struct nv_str){NULL, 0};
}

static void emit_info(struct nv_pass *pass, const struct device *device)
{
    const uint64_t *id = device->id;
    struct nv_str labels[4 + 4 + IDS + 5];
    char unknown[64];

    for (size_t i = 0; i < 4; i++) {
        labels[i] = device->address[i];
        labels[4 + i] = device->parent[i];
    }
    for (size_t i = 0; i < IDS; i++)
        labels[8 + i] = hex(pass, "0x", id[i], ids[i].digits);
    if (!nv_on(pass, NAMES)) {
        nv_emit_u64(pass, &infos, labels, 0, 1);
        return;
    }

    struct nv_str *name = labels + 8 + IDS;
    uint64_t product = id[VENDOR_ID] << 16 | id[DEVICE_ID];
    uint64_t subsystem = id[SUBVENDOR_ID] << 16 | id[SUBDEVICE_ID];
    name[0] = name_of(pass, VENDOR, id[VENDOR_ID], id[VENDOR_ID]);
    name[1] = name_of(pass, DEVICE, product, id[DEVICE_ID]);
    name[2] = name_of(pass, VENDOR, id[SUBVENDOR_ID], id[SUBVENDOR_ID]);
    name[3] = name_of(pass, SUBSYSTEM, product << 32 | subsystem, id[SUBDEVICE_ID]);
    name[4] = class_name(pass, id[CLASS_ID]);
    if (!name[4].p) {
        int n = snprintf(unknown, sizeof(unknown), "Unknown class (%06llx)",
                         (unsigned long long)id[CLASS_ID]);
        name[4] = (struct nv_str){unknown, (size_t)n};
    }
    nv_emit_u64(pass, &named_infos, labels, 0, 1);
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;

    int r = nv_list(pass, DEVICES, &names);
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        struct device device = {.entry = names.at[i]};
        r = identify(pass, &device);
        if (r == 0)
            emit_info(pass, &device);
        if (r == 0)
            r = collect_values(pass, &device);
    }
    return r == -ENOENT ? NV_NO_DATA : r;
}

NV_COLLECTOR(pcidevice) = {
    NV_ABI_STAMP,
    .name = "pcidevice",
    .summary = "PCI devices and their links.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .flags = flags,
    .tables = NV_TABLES(&devices, &power_states, &infos, &named_infos),
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
