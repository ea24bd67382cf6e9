/*
 * nvmesubsystem - NVMe subsystems and the paths to them.
 *
 * Source: sys/class/nvme-subsystem/nvme-subsys<N>/, whose entries nvme<X> are controllers, the paths, and
 * nvme<X>n<Y> namespaces. A path is always in one of seven states; a state that has no name here, such as
 * that of a newer kernel, is "unknown".
 */
#include <nodevitals/sysfs.h>

#define ROOT "sys/class/nvme-subsystem"

static const struct nv_family info_columns[] = {
    {"node_nvmesubsystem_info", NV_GAUGE, NV_AS_IS, "What a subsystem says of itself, always 1."},
};
static const struct nv_family namespace_columns[] = {
    {"node_nvmesubsystem_namespace_info", NV_GAUGE, NV_AS_IS,
     "A namespace of the subsystem, always 1."},
};
static const struct nv_family path_columns[] = {
    {"node_nvmesubsystem_paths",      NV_GAUGE, NV_AS_IS, "Paths to the subsystem."              },
    {"node_nvmesubsystem_paths_live", NV_GAUGE, NV_AS_IS, "Paths to the subsystem that are live."},
};
static const struct nv_family state_columns[] = {
    {"node_nvmesubsystem_path_state", NV_GAUGE, NV_AS_IS, "State a path is in, 1 for one of them."},
};

static const struct nv_table infos = {NV_LABELS("subsystem", "nqn", "model", "serial", "iopolicy"),
                                      info_columns, 1};
static const struct nv_table namespaces = {NV_LABELS("subsystem", "device"), namespace_columns, 1};
static const struct nv_table paths = {NV_LABELS("subsystem"), path_columns, NV_LEN(path_columns)};
static const struct nv_table states = {NV_LABELS("subsystem", "controller", "transport", "state"),
                                       state_columns, 1};

static const char *const info_files[] = {"subsysnqn", "model", "serial", "iopolicy"};
static const char *const state_names[] = {
    "connecting", "dead", "deleting", "live", "new", "resetting", "unknown",
};
enum { DELETING = 2, LIVE = 3, UNKNOWN = 6 };

static const uint64_t one = 1;

static size_t state_of(struct nv_str text)
{
    for (size_t i = 0; i < NV_LEN(state_names); i++) {
        if (nv_str_is(text, state_names[i]))
            return i;
    }
    return nv_str_is(text, "deleting (no IO)") ? DELETING : UNKNOWN;
}

/* Emits the states of one path. Sets *ret_live. */
static int emit_path(struct nv_pass *pass, struct nv_str subsystem, struct nv_str controller,
                     bool *ret_live)
{
    struct nv_str transport, text;
    int r =
        nv_attribute(pass, &text, ROOT "/%.*s/%.*s/state", NV_ARGS(subsystem), NV_ARGS(controller));
    if (r == 0)
        r = nv_attribute(pass, &transport, ROOT "/%.*s/%.*s/transport", NV_ARGS(subsystem),
                         NV_ARGS(controller));
    if (r < 0)
        return r;

    size_t state = state_of(text);
    for (size_t i = 0; i < NV_LEN(state_names); i++) {
        struct nv_str labels[] = {subsystem, controller, transport, nv_str(state_names[i])};
        nv_emit_u64(pass, &states, labels, 0, i == state);
    }
    *ret_live = state == LIVE;
    return 0;
}

/* nvme0n1, but not the path nvme0c1n1. */
static bool is_namespace(struct nv_str name)
{
    struct nv_str id = name;

    nv_str_cut(&id, 'n');
    struct nv_str controller = nv_str_cut(&id, 'n');
    return id.n && nv_str_starts(name, "nvme") && nv_is_numbered(controller, "vme") &&
           nv_is_numbered(id, "");
}

static int emit_subsystem(struct nv_pass *pass, struct nv_str subsystem)
{
    struct nv_str labels[1 + NV_LEN(info_files)] = {subsystem};
    struct nv_names names;
    uint64_t count[2] = {0, 0};
    bool live;

    for (size_t i = 0; i < NV_LEN(info_files); i++) {
        int r =
            nv_attribute(pass, &labels[1 + i], ROOT "/%.*s/%s", NV_ARGS(subsystem), info_files[i]);
        if (r < 0)
            return r;
    }
    int r = nv_entries(pass, &names, ROOT "/%.*s", NV_ARGS(subsystem));
    if (r < 0)
        return r;
    nv_emit_row(pass, &infos, labels, &one, 1);

    for (size_t i = 0; i < names.n; i++) {
        if (nv_is_numbered(names.at[i], "nvme")) {
            r = emit_path(pass, subsystem, names.at[i], &live);
            if (r < 0)
                return r;
            count[0]++;
            count[1] += live;
        } else if (is_namespace(names.at[i])) {
            nv_emit_row(pass, &namespaces, (struct nv_str[]){subsystem, names.at[i]}, &one, 1);
        }
    }
    nv_emit_row(pass, &paths, &subsystem, count, 2);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, ROOT, &names);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_is_numbered(names.at[i], "nvme-subsys"))
            r = emit_subsystem(pass, names.at[i]);
    }
    return r == -ENOENT || r == -EACCES || r == -EPERM ? NV_NO_DATA : r;
}

NV_COLLECTOR(nvmesubsystem) = {
    NV_ABI_STAMP,
    .name = "nvmesubsystem",
    .summary = "NVMe subsystems and the paths to them.",
    .options = NV_OFF_BY_DEFAULT,
    .tables = NV_TABLES(&infos, &namespaces, &paths, &states),
    .collect = collect,
};
