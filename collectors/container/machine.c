/*
 * machine.c - what the node is: machine_*, cadvisor_version_info. Read anew every few minutes.
 *
 * Cores are pairs of socket and core, so that those of two sockets that have the same number are two.
 */
#include <nodevitals/cpulist.h>

#include "container.h"

enum { READ_EVERY = 20 /* passes */, CORES_MAX = 4096 };

enum { CORES, PHYSICAL, SOCKETS, BOOKS, DRAWERS, MEMORY, SWAP, N_COLUMNS };
static const struct nv_family columns[N_COLUMNS] = {
    [CORES] = {"machine_cpu_cores",          NV_GAUGE, NV_AS_IS, "CPUs, threads counted one by one."  },
    [PHYSICAL] = {"machine_cpu_physical_cores", NV_GAUGE, NV_AS_IS, "Cores of all sockets."              },
    [SOCKETS] = {"machine_cpu_sockets",        NV_GAUGE, NV_AS_IS, "CPU sockets."                       },
    [BOOKS] = {"machine_cpu_books",          NV_GAUGE, NV_AS_IS, "CPU books, which mainframes have."  },
    [DRAWERS] = {"machine_cpu_drawers",        NV_GAUGE, NV_AS_IS, "CPU drawers, which mainframes have."},
    [MEMORY] = {"machine_memory_bytes",       NV_GAUGE, NV_AS_IS, "Memory of the machine."             },
    [SWAP] = {"machine_swap_bytes",         NV_GAUGE, NV_AS_IS, "Swap of the machine."               },
};
static const struct nv_family dimm_columns[] = {
    {"machine_dimm_count",          NV_GAUGE, NV_AS_IS, "Memory modules of a type."   },
    {"machine_dimm_capacity_bytes", NV_GAUGE, NV_AS_IS, "Memory on modules of a type."},
};
static const struct nv_family info_columns[] = {
    {"cadvisor_version_info", NV_GAUGE, NV_AS_IS, "Kernel and distribution, always 1."},
};
static const struct nv_family error_columns[] = {
    {"machine_scrape_error", NV_GAUGE, NV_AS_IS, "Whether the machine could not be read."},
};

const struct nv_table nv_cg_machines = {NV_LABELS("boot_id", "machine_id", "system_uuid"), columns,
                                        N_COLUMNS};
const struct nv_table nv_cg_dimms = {NV_LABELS("boot_id", "machine_id", "system_uuid", "type"),
                                     dimm_columns, 2};
const struct nv_table nv_cg_versions = {
    NV_LABELS("kernelVersion", "osVersion", "dockerVersion", "cadvisorVersion", "cadvisorRevision"),
    info_columns, 1};
const struct nv_table nv_cg_machine_errors = {NV_NO_LABELS, error_columns, 1};

enum { BOOT_ID, MACHINE_ID, SYSTEM_UUID, KERNEL, DISTRIBUTION, N_TEXTS };
enum { TEXT_MAX = 128 };

/* Modules of a type. */
enum { DIMM_TYPES_MAX = 8 };
struct dimms {
    char type[64];
    uint64_t values[2]; /* how many, bytes */
};

struct nv_cg_machine {
    uint64_t values[N_COLUMNS], mask;
    char texts[N_TEXTS][TEXT_MAX];
    struct dimms dimms[DIMM_TYPES_MAX];
    size_t n_dimms;
};

static void put(struct nv_cg_machine *machine, size_t i, struct nv_str text)
{
    text = nv_str_trim(text);
    snprintf(machine->texts[i], TEXT_MAX, "%.*s", text.n < TEXT_MAX ? (int)text.n : 0, text.p);
}

static void read_line(struct nv_pass *pass, struct nv_cg_machine *machine, size_t i,
                      const char *path)
{
    struct nv_str text;

    if (nv_read(pass, path, &text) == 0)
        put(machine, i, text);
}

static void set(struct nv_cg_machine *machine, size_t i, uint64_t value)
{
    machine->values[i] = value;
    machine->mask |= 1u << i;
}

/* ---- what is read --------------------------------------------------------------------------- */

static void read_memory(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    struct nv_scan file, line;
    struct nv_str text;

    if (nv_read(pass, "proc/meminfo", &text) < 0)
        return;
    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        bool is_memory = nv_scan_accept(&line, "MemTotal:");
        if (!is_memory && !nv_scan_accept(&line, "SwapTotal:"))
            continue;
        uint64_t kib = nv_scan_u64(&line);
        if (!line.failed)
            set(machine, is_memory ? MEMORY : SWAP, kib * 1024);
    }
}

/* Different numbers of something, of a pass. */
struct numbers {
    uint64_t *at;
    size_t n, room;
};

static void note(struct nv_pass *pass, struct numbers *seen, uint64_t number)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->at[i] == number)
            return;
    if (seen->n == CORES_MAX)
        return;
    if (seen->n == seen->room) {
        uint64_t *more = nv_alloc(pass, (seen->room = 2 * seen->room + 32) * sizeof(*more));
        if (seen->n)
            memcpy(more, seen->at, seen->n * sizeof(*more));
        seen->at = more;
    }
    seen->at[seen->n++] = number;
}

/* How many different numbers the CPUs have for something. */
static uint64_t count_numbers(struct nv_pass *pass, struct nv_names cpus, const char *what)
{
    struct numbers seen = {0};
    char path[NV_PATH_MAX];
    uint64_t number;

    for (size_t i = 0; i < cpus.n; i++) {
        nv_path(path, "sys/devices/system/cpu/%.*s/topology/%s", NV_ARGS(cpus.at[i]), what);
        if (nv_read_u64(pass, path, &number) == 0)
            note(pass, &seen, number);
    }
    return seen.n;
}

/* Of mainframes; 0 of other machines. */
static void read_books(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    struct nv_names cpus = {0};
    uint64_t book;

    if (nv_read_u64(pass, "sys/devices/system/cpu/cpu0/topology/book_id", &book) < 0 ||
        nv_list(pass, "sys/devices/system/cpu", &cpus) < 0)
        cpus.n = 0;
    set(machine, BOOKS, count_numbers(pass, cpus, "book_id"));
    set(machine, DRAWERS, count_numbers(pass, cpus, "drawer_id"));
}

static struct dimms *dimms_of(struct nv_cg_machine *machine, struct nv_str type)
{
    struct dimms *dimms = machine->dimms;
    size_t i = 0;

    while (i < machine->n_dimms && !nv_str_is(type, dimms[i].type))
        i++;
    if (i == DIMM_TYPES_MAX || type.n >= sizeof(dimms->type))
        return NULL;
    if (i == machine->n_dimms)
        snprintf(dimms[machine->n_dimms++].type, sizeof(dimms->type), "%.*s", NV_ARGS(type));
    return &dimms[i];
}

/* sys/devices/system/edac/mc/mcN/dimmM: dimm_mem_type, size in MiB. */
static void read_dimms(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    static const char top[] = "sys/devices/system/edac/mc";
    struct nv_names controllers = {0}, dimms;
    char path[NV_PATH_MAX];
    struct nv_str type;
    uint64_t mib;

    if (nv_list(pass, top, &controllers) < 0)
        return;
    for (size_t i = 0; i < controllers.n; i++) {
        nv_path(path, "%s/%.*s", top, NV_ARGS(controllers.at[i]));
        if (!nv_str_starts(controllers.at[i], "mc") || nv_list(pass, path, &dimms) < 0)
            continue;
        for (size_t k = 0; k < dimms.n; k++) {
            nv_path(path, "%s/%.*s/%.*s/size", top, NV_ARGS(controllers.at[i]),
                    NV_ARGS(dimms.at[k]));
            if (!nv_str_starts(dimms.at[k], "dimm") || nv_read_u64(pass, path, &mib) < 0)
                continue;
            nv_path(path, "%s/%.*s/%.*s/dimm_mem_type", top, NV_ARGS(controllers.at[i]),
                    NV_ARGS(dimms.at[k]));
            struct dimms *of =
                nv_read_attribute(pass, path, &type) == 0 ? dimms_of(machine, type) : NULL;
            if (!of)
                continue;
            of->values[0]++;
            of->values[1] += mib << 20;
        }
    }
}

static void set_cores(struct nv_cg_machine *machine, const struct numbers *cores,
                      const struct numbers *sockets)
{
    if (cores->n)
        set(machine, PHYSICAL, cores->n);
    if (sockets->n)
        set(machine, SOCKETS, sockets->n);
}

/* From the kernel's view of its topology, where cpuinfo tells none: on ARM. */
static void read_topology(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    struct numbers cores = {0}, sockets = {0};
    struct nv_names names;
    char path[NV_PATH_MAX];

    if (nv_list(pass, "sys/devices/system/cpu", &names) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        uint64_t number, core, socket;
        if (!nv_str_starts(names.at[i], "cpu") ||
            !nv_str_to_u64(nv_str_from(names.at[i], strlen("cpu")), &number))
            continue;
        nv_path(path, "sys/devices/system/cpu/%.*s/topology/core_id", NV_ARGS(names.at[i]));
        if (nv_read_u64(pass, path, &core) < 0)
            continue;
        nv_path(path, "sys/devices/system/cpu/%.*s/topology/physical_package_id",
                NV_ARGS(names.at[i]));
        if (nv_read_u64(pass, path, &socket) < 0) /* "-1" where the firmware tells none */
            socket = 0;
        note(pass, &sockets, socket);
        note(pass, &cores, socket << 32 | core);
    }
    set_cores(machine, &cores, &sockets);
}

/* From blocks of "key : value" lines, one for a CPU; some architectures have none of these keys. */
static void read_cores(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    struct numbers cores = {0}, sockets = {0};
    uint64_t socket = 0, n_cpus = 0;
    struct nv_scan file, line;
    struct nv_str text;

    if (nv_read(pass, "proc/cpuinfo", &text) < 0)
        return;
    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        struct nv_str rest = nv_scan_rest(&line), key = nv_str_trim(nv_str_cut(&rest, ':'));
        uint64_t number;
        if (!nv_str_to_u64(nv_str_trim(rest), &number))
            continue;
        if (nv_str_is(key, "processor"))
            n_cpus++;
        else if (nv_str_is(key, "physical id"))
            note(pass, &sockets, socket = number);
        else if (nv_str_is(key, "core id"))
            note(pass, &cores, socket << 32 | number);
    }
    if (n_cpus)
        set(machine, CORES, n_cpus);
    set_cores(machine, &cores, &sockets);
}

static void read_online(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    struct nv_cpu_range range;
    struct nv_str list;
    uint64_t n = 0;
    int r;

    if (nv_read_attribute(pass, "sys/devices/system/cpu/online", &list) < 0)
        return;
    while ((r = nv_cpu_list_next(&list, &range)) > 0)
        n += nv_cpu_range_count(&range);
    if (r == 0 && n)
        set(machine, CORES, n);
}

static void read_distribution(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    struct nv_scan file, line;
    struct nv_str text;

    if (nv_read(pass, "root/etc/os-release", &text) < 0 &&
        nv_read(pass, "root/usr/lib/os-release", &text) < 0)
        return;
    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        if (!nv_scan_accept(&line, "PRETTY_NAME="))
            continue;
        struct nv_str name = nv_str_trim(nv_scan_rest(&line));
        if (name.n >= 2 && (name.p[0] == '"' || name.p[0] == '\'') &&
            name.p[name.n - 1] == name.p[0])
            name = (struct nv_str){name.p + 1, name.n - 2};
        put(machine, DISTRIBUTION, name);
    }
}

static void read_machine(struct nv_pass *pass, struct nv_cg_machine *machine)
{
    *machine = (struct nv_cg_machine){0};
    read_line(pass, machine, BOOT_ID, "proc/sys/kernel/random/boot_id");
    read_line(pass, machine, MACHINE_ID, "root/etc/machine-id");
    read_line(pass, machine, SYSTEM_UUID, "sys/class/dmi/id/product_uuid");
    read_line(pass, machine, KERNEL, "proc/sys/kernel/osrelease");
    read_memory(pass, machine);
    read_cores(pass, machine);
    if (!(machine->mask & 1u << PHYSICAL))
        read_topology(pass, machine);
    read_online(pass, machine);
    read_books(pass, machine);
    read_dimms(pass, machine);
    read_distribution(pass, machine);
}

/* ---- exported ------------------------------------------------------------------------------- */

int nv_cg_machine_read(struct nv_pass *pass, struct nv_cg_state *state)
{
    bool is_new = !state->machine;

    if (is_new && !(state->machine = calloc(1, sizeof(*state->machine))))
        return -ENOMEM;
    if (is_new || state->pass % READ_EVERY == 0)
        read_machine(pass, state->machine);
    return 0;
}

void nv_cg_machine_limits(const struct nv_cg_state *state, struct nv_cg_values *values)
{
    const struct nv_cg_machine *machine = state->machine;

    if (machine->mask & 1u << MEMORY)
        nv_cg_set(values, NV_CG_SPEC_LIMIT, machine->values[MEMORY]);
    if (machine->mask & 1u << SWAP)
        nv_cg_set(values, NV_CG_SPEC_SWAP, machine->values[SWAP]);
}

void nv_cg_machine_emit(struct nv_pass *pass, const struct nv_cg_state *state)
{
    const struct nv_cg_machine *machine = state->machine;
    const struct nv_str empty = NV_LIT("");
    struct nv_str texts[N_TEXTS];

    for (size_t i = 0; i < N_TEXTS; i++)
        texts[i] = nv_str(machine->texts[i]);
    nv_emit_some(pass, &nv_cg_machines, texts, machine->values, N_COLUMNS, machine->mask);
    for (size_t i = 0; i < machine->n_dimms; i++)
        nv_emit_row(pass, &nv_cg_dimms,
                    (struct nv_str[]){texts[BOOT_ID], texts[MACHINE_ID], texts[SYSTEM_UUID],
                                      nv_str(machine->dimms[i].type)},
                    machine->dimms[i].values, 2);
    nv_emit_u64(pass, &nv_cg_versions,
                (struct nv_str[]){texts[KERNEL], texts[DISTRIBUTION], empty, empty, empty}, 0, 1);
    nv_emit_u64(pass, &nv_cg_machine_errors, NULL, 0, !(machine->mask & 1u << MEMORY));
    nv_cg_topology_emit(pass, state, texts);
}
