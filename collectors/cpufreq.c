/*
 * cpufreq - what frequencies the CPUs run at, and may run at.
 *
 * Sources: /sys/devices/system/cpu/cpu<N>/cpufreq of each CPU not listed in .../cpu/offline, in kHz. A
 * number that is missing or cannot be read is absent (cpuinfo_cur_freq is for root only; cpuinfo_avg_freq
 * came with Linux 6.13); a missing text fails the whole, as a CPU is then being taken away.
 *
 * Which files there are is found again when the kernel's list of CPUs, or that of policies, changes: a
 * driver may come late, or be replaced. So a pass reads only what is there.
 */
#include <nodevitals/collector.h>
#include <nodevitals/cpulist.h>
#include <nodevitals/sysfs.h>

#define KHZ  NV_TIMES(1000.0)
#define ROOT "sys/devices/system/cpu/cpu"

static const struct nv_family columns[] = {
    {"node_cpu_frequency_hertz",             NV_GAUGE, KHZ, NV_CPU_FREQUENCY_HELP                    },
    {"node_cpu_frequency_max_hertz",         NV_GAUGE, KHZ, "Highest frequency of the hardware."     },
    {"node_cpu_frequency_min_hertz",         NV_GAUGE, KHZ, "Lowest frequency of the hardware."      },
    {"node_cpu_frequency_avg_hertz",         NV_GAUGE, KHZ,
     "Average frequency as the hardware measured it."                                                },
    {"node_cpu_scaling_frequency_hertz",     NV_GAUGE, KHZ, "Frequency the scaling driver asked for."},
    {"node_cpu_scaling_frequency_max_hertz", NV_GAUGE, KHZ,
     "Highest frequency scaling may choose."                                                         },
    {"node_cpu_scaling_frequency_min_hertz", NV_GAUGE, KHZ, "Lowest frequency scaling may choose."   },
};

static const char *const files[NV_LEN(columns)] = {
    "cpuinfo_cur_freq", "cpuinfo_max_freq", "cpuinfo_min_freq", "cpuinfo_avg_freq",
    "scaling_cur_freq", "scaling_max_freq", "scaling_min_freq",
};

static const struct nv_family governor_columns[] = {
    {"node_cpu_scaling_governor", NV_GAUGE, NV_AS_IS, "Whether the governor is the one in use."},
};

static const struct nv_table frequencies = {NV_LABELS("cpu"), columns, NV_LEN(columns)};
static const struct nv_table governors = {NV_LABELS("cpu", "governor"), governor_columns, 1};

enum { SOURCE_OFFLINE, SOURCE_ONLINE };

struct cpu {
    char number[8];
    unsigned files; /* bit i: file i is there and may be read */
};

struct state {
    struct nv_watch watch;
    struct cpu *cpus;
    size_t n_cpus, room;
};

/* "sys/devices/system/cpu/cpu<N>/cpufreq/", to which set() appends a file. */
struct path {
    char text[96];
    size_t n;
};

static struct path path_of(const struct cpu *cpu)
{
    struct path path;

    nv_path(path.text, ROOT "%s/cpufreq/", cpu->number);
    path.n = strlen(path.text);
    return path;
}

static const char *set(struct path *path, const char *file)
{
    memcpy(path->text + path->n, file, strlen(file) + 1);
    return path->text;
}

/* Returns 0, or the error of a text that cannot be read. */
static int discover_cpu(struct nv_pass *pass, struct cpu *cpu)
{
    static const char *const texts[] = {"scaling_driver", "related_cpus", "scaling_setspeed"};
    struct path path = path_of(cpu);
    struct nv_str text;

    for (size_t i = 0; i < NV_LEN(files); i++) {
        int r = nv_read_attribute(pass, set(&path, files[i]), &text);
        if (r != -ENOENT && r != -EACCES && r != -EPERM)
            cpu->files |= 1u << i;
    }
    for (size_t i = 0; i < NV_LEN(texts); i++) {
        int r = nv_read_attribute(pass, set(&path, texts[i]), &text);
        if (r < 0)
            return nv_error(pass, r, "cannot read %s", path.text);
    }
    return 0;
}

static int discover(struct nv_pass *pass, struct nv_str offline)
{
    struct state *state = nv_state(pass);
    struct nv_names names;
    struct nv_str digits;
    unsigned number;

    state->n_cpus = 0;
    int r = nv_list(pass, "sys/devices/system/cpu", &names);
    if (r < 0)
        return r;
    if (names.n > state->room) {
        struct cpu *cpus = reallocarray(state->cpus, names.n, sizeof(*cpus));
        if (!cpus)
            return -ENOMEM;
        state->cpus = cpus;
        state->room = names.n;
    }

    for (size_t i = 0; i < names.n; i++) {
        struct cpu *cpu = &state->cpus[state->n_cpus];
        char path[NV_PATH_MAX];
        if (!nv_numbered(names.at[i], "cpu", &digits) || !nv_cpu_number(digits, &number) ||
            nv_cpu_list_has(offline, number))
            continue;
        *cpu = (struct cpu){0};
        nv_path(cpu->number, "%u", number);
        nv_path(path, ROOT "%u/cpufreq", number);
        if (!nv_is_directory(pass, path))
            continue;
        r = discover_cpu(pass, cpu);
        if (r < 0)
            return r;
        state->n_cpus++;
    }
    return 0;
}

static int collect_governors(struct nv_pass *pass, struct path *path, struct nv_str cpu)
{
    struct nv_str governor, all;

    int r = nv_read_attribute(pass, set(path, "scaling_governor"), &governor);
    if (r == 0)
        r = nv_read_attribute(pass, set(path, "scaling_available_governors"), &all);
    if (r < 0)
        return nv_error(pass, r, "cannot read %s", path->text);
    do {
        struct nv_str labels[] = {cpu, nv_str_cut(&all, ' ')};
        nv_emit_u64(pass, &governors, labels, 0, nv_str_eq(labels[1], governor));
    } while (all.n);
    return 0;
}

static int collect_cpu(struct nv_pass *pass, const struct cpu *cpu)
{
    struct path path = path_of(cpu);
    struct nv_str label = nv_str(cpu->number);
    uint64_t value[NV_LEN(columns)] = {0}, mask = 0;

    for (size_t i = 0; i < NV_LEN(files); i++) {
        if ((cpu->files >> i & 1) && nv_read_u64(pass, set(&path, files[i]), &value[i]) == 0)
            mask |= UINT64_C(1) << i;
    }
    nv_emit_some(pass, &frequencies, &label, value, NV_LEN(columns), mask);
    return collect_governors(pass, &path, label);
}

/* Whether to look which files there are: the lists of CPUs and policies are not those of last time. */
static bool changed(struct nv_pass *pass, struct nv_str offline)
{
    struct state *state = nv_state(pass);
    struct nv_scan online = nv_pass_text(pass, SOURCE_ONLINE);
    struct nv_names policies;

    nv_watch_add(&state->watch, offline);
    nv_watch_add(&state->watch, nv_scan_rest(&online));
    if (nv_list(pass, "sys/devices/system/cpu/cpufreq", &policies) == 0) {
        for (size_t i = 0; i < policies.n; i++)
            nv_watch_add(&state->watch, policies.at[i]);
    }
    return nv_watch_changed(&state->watch);
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_scan file = nv_pass_text(pass, SOURCE_OFFLINE);
    struct nv_str offline = nv_scan_rest(&file);
    int r = 0;

    if (changed(pass, offline))
        r = discover(pass, offline);
    for (size_t i = 0; r == 0 && i < state->n_cpus; i++)
        r = collect_cpu(pass, &state->cpus[i]);
    if (r < 0)
        nv_watch_reset(&state->watch);
    return r;
}

static void stop(void *memory)
{
    struct state *state = memory;

    free(state->cpus);
}

NV_COLLECTOR(cpufreq) = {
    NV_ABI_STAMP,
    .name = "cpufreq",
    .summary = "Frequencies and governors of the CPUs.",
    .sources = NV_SOURCES("sys/devices/system/cpu/offline", "?sys/devices/system/cpu/online"),
    .tables = NV_TABLES(&frequencies, &governors),
    .state_size = sizeof(struct state),
    .stop = stop,
    .collect = collect,
};
