/*
 * cpu - what the CPUs spend their time on, and what is known of them.
 *
 * Sources:
 *   /proc/stat                      per CPU, jiffies of 10 ms by mode; old kernels have fewer columns.
 *                                   Guest time is part of user and nice too, so it is a family of its own
 *   sys/devices/system/cpu          thermal throttling, which CPUs are online, which are isolated (asked
 *                                   for once, at start)
 *   /proc/cpuinfo                   with --collector.cpu.info: model, flags, bugs, frequency
 *
 * Idle and iowait of the kernel may run backwards a little, which a counter must not: a smaller number
 * than before is held back, each by itself. When idle falls by 3 s or more, the CPU was unplugged and
 * counts anew. A CPU that is not in the file is forgotten.
 *
 * Of the threads of a core, and the cores of a package, the first in the directory whose count can be
 * read speaks for all. Which those are is found again when the kernel's lists of CPUs change, so that
 * a pass reads only the counts themselves.
 */
#include <nodevitals/collector.h>
#include <nodevitals/cpulist.h>

enum {
    N_MODES = 8, /* without guest and guest_nice, which follow */
    N_COLUMNS = 10,
    IDLE = 3,
    HOTPLUG_JIFFIES = 300, /* idle goes back by as much only over a hotplug */
};

static const char *const modes[N_MODES] = {
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
};

static const struct nv_family seconds_columns[] = {
    {"node_cpu_seconds_total", NV_COUNTER, NV_OVER(100), "Time spent in each mode."},
};
static const struct nv_family guest_columns[] = {
    {"node_cpu_guest_seconds_total", NV_COUNTER, NV_OVER(100),
     "Time spent running guests, which user and nice contain as well."},
};
static const struct nv_family info_columns[] = {
    {"node_cpu_info", NV_GAUGE, NV_AS_IS, "Model of the CPU, always 1."},
};
static const struct nv_family frequency_columns[] = {
    {"node_cpu_frequency_hertz", NV_GAUGE, NV_TIMES(1e6), NV_CPU_FREQUENCY_HELP},
};
static const struct nv_family flag_columns[] = {
    {"node_cpu_flag_info", NV_GAUGE, NV_AS_IS, "Feature of the first CPU, always 1."},
};
static const struct nv_family bug_columns[] = {
    {"node_cpu_bug_info", NV_GAUGE, NV_AS_IS, "Bug of the first CPU, always 1."},
};
static const struct nv_family core_columns[] = {
    {"node_cpu_core_throttles_total", NV_COUNTER, NV_AS_IS,
     "Times the core was slowed down because of heat."},
};
static const struct nv_family package_columns[] = {
    {"node_cpu_package_throttles_total", NV_COUNTER, NV_AS_IS,
     "Times the package was slowed down because of heat."},
};
static const struct nv_family isolated_columns[] = {
    {"node_cpu_isolated", NV_GAUGE, NV_AS_IS, "The scheduler leaves the CPU alone, always 1."},
};
static const struct nv_family online_columns[] = {
    {"node_cpu_online", NV_GAUGE, NV_AS_IS, "Whether the CPU is online."},
};

/* Labels of node_cpu_info, in the order of enum info. */
enum info {
    PACKAGE,
    CORE,
    CPU,
    VENDOR,
    FAMILY,
    MODEL,
    MODEL_NAME,
    MICROCODE,
    STEPPING,
    CACHE,
    N_INFO
};

static const struct nv_table seconds = {NV_LABELS("cpu", "mode"), seconds_columns, 1};
static const struct nv_table guests = {NV_LABELS("cpu", "mode"), guest_columns, 1};
static const struct nv_table infos = {NV_LABELS("package", "core", "cpu", "vendor", "family",
                                                "model", "model_name", "microcode", "stepping",
                                                "cachesize"),
                                      info_columns, 1};
static const struct nv_table frequencies = {NV_LABELS("package", "core", "cpu"), frequency_columns,
                                            1};
static const struct nv_table flags = {NV_LABELS("flag"), flag_columns, 1};
static const struct nv_table bugs = {NV_LABELS("bug"), bug_columns, 1};
static const struct nv_table cores = {NV_LABELS("package", "core"), core_columns, 1};
static const struct nv_table packages = {NV_LABELS("package"), package_columns, 1};
static const struct nv_table isolated = {NV_LABELS("cpu"), isolated_columns, 1};
static const struct nv_table online = {NV_LABELS("cpu"), online_columns, 1};

/* Keys of /proc/cpuinfo by architecture. None means another thing on another architecture. */
static const struct {
    const char *key;
    enum info info;
} info_keys[] = {
    {"vendor_id",   VENDOR    }, /* x86, s390 */
    {"vendor",      VENDOR    },
    {"cpu family",  FAMILY    },
    {"model",       MODEL     },
    {"model name",  MODEL_NAME}, /* arm and loongarch too */
    {"stepping",    STEPPING  },
    {"microcode",   MICROCODE },
    {"cache size",  CACHE     },
    {"physical id", PACKAGE   },
    {"core id",     CORE      },
    {"cpu",         VENDOR    }, /* ppc64 */
    {"uarch",       MODEL_NAME}, /* riscv */
    {"package",     PACKAGE   }, /* loongarch */
    {"core",        CORE      },
    {"CPU Family",  FAMILY    },
    {"Model Name",  MODEL_NAME},
};

enum { FLAG_GUEST, FLAG_INFO, FLAG_FLAGS_INCLUDE, FLAG_BUGS_INCLUDE };
enum { SOURCE_STAT, SOURCE_ONLINE, SOURCE_PRESENT };

/* The times last shown of a CPU. */
struct held {
    uint64_t pass; /* when the CPU was last there; 0 for never */
    uint64_t value[N_COLUMNS];
};

/* A directory of sys/devices/system/cpu. */
struct cpu {
    char number[8];
    size_t order; /* in the directory */
    bool has_topology, online;
    uint64_t package, core;
};

/* A throttle count that is read in every pass. */
struct throttle {
    const struct nv_table *table;
    char package[24], core[24], path[80];
};

struct state {
    uint64_t pass;
    struct held *held; /* by number of the CPU */
    size_t n_held;
    char *isolated;
    int isolated_error;

    /* What the directory held when it was last looked at. */
    struct nv_watch watch;
    size_t room; /* of both arrays, in CPUs */
    struct cpu *cpus;
    size_t n_cpus;
    bool has_online;
    struct throttle *throttles;
    size_t n_throttles;
};

/* ---- time by mode --------------------------------------------------------------------------- */

static struct held *find_held(struct state *state, unsigned cpu)
{
    if (cpu >= state->n_held) {
        size_t n = cpu < 32 ? 64 : 2 * (size_t)cpu;
        struct held *grown = reallocarray(state->held, n, sizeof(*grown));
        if (!grown)
            return NULL;
        memset(grown + state->n_held, 0, (n - state->n_held) * sizeof(*grown));
        state->held = grown;
        state->n_held = n;
    }
    return &state->held[cpu];
}

static void hold(struct held *held, const uint64_t *value, uint64_t pass)
{
    bool known = held->pass && held->pass + 1 == pass;

    if (held->value[IDLE] > value[IDLE] && held->value[IDLE] - value[IDLE] >= HOTPLUG_JIFFIES)
        known = false;
    for (size_t i = 0; i < N_COLUMNS; i++) {
        if (!known || value[i] > held->value[i])
            held->value[i] = value[i];
    }
    held->pass = pass;
}

static void emit_times(struct nv_pass *pass, struct nv_str cpu, const uint64_t *value)
{
    struct nv_str labels[2] = {cpu};

    for (size_t i = 0; i < N_MODES; i++) {
        labels[1] = nv_str(modes[i]);
        nv_emit_row(pass, &seconds, labels, &value[i], 1);
    }
    if (!nv_on(pass, FLAG_GUEST))
        return;
    for (size_t i = 0; i < N_COLUMNS - N_MODES; i++) {
        labels[1] = nv_str(modes[i]); /* user, nice */
        nv_emit_row(pass, &guests, labels, &value[N_MODES + i], 1);
    }
}

static int collect_times(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_scan file = nv_pass_text(pass, SOURCE_STAT), line;

    state->pass++;
    while (nv_scan_line(&file, &line)) {
        uint64_t value[N_COLUMNS] = {0};
        unsigned number;
        if (!nv_scan_accept(&line, "cpu"))
            break; /* they stand first */
        if (line.at == line.end || *line.at == ' ')
            continue; /* the sum of all */
        struct nv_str cpu = nv_scan_word(&line);
        if (!nv_scan_row(&line, value, N_COLUMNS) || line.failed || !nv_cpu_number(cpu, &number))
            return nv_error(pass, -EBADMSG, "proc/stat: bad line of CPU %.*s", NV_ARGS(cpu));
        struct held *held = find_held(state, number);
        if (!held)
            return -ENOMEM;
        hold(held, value, state->pass);
        emit_times(pass, cpu, held->value);
    }
    return 0;
}

/* ---- cpuinfo -------------------------------------------------------------------------------- */

/* What cpuinfo says of one CPU. */
struct about {
    struct nv_str info[N_INFO];
    struct nv_str flags, bugs;
    double mhz;
};

static void emit_words(struct nv_pass *pass, const struct nv_table *table, size_t flag,
                       struct nv_str words)
{
    const uint64_t one = 1;

    for (struct nv_scan s = nv_scan(words); !nv_scan_done(&s);) {
        struct nv_str word = nv_scan_word(&s);
        if (nv_matches(pass, flag, word))
            nv_emit_row(pass, table, &word, &one, 1);
    }
}

static void emit_about(struct nv_pass *pass, const struct about *about, bool first)
{
    const uint64_t one = 1;

    if (first) {
        emit_words(pass, &flags, FLAG_FLAGS_INCLUDE, about->flags);
        emit_words(pass, &bugs, FLAG_BUGS_INCLUDE, about->bugs);
    }
    nv_emit_row(pass, &infos, about->info, &one, 1);
    if (nv_collector_is_on(pass, "cpufreq"))
        nv_emit_real(pass, &frequencies, &about->info[PACKAGE], 0, about->mhz);
}

static int take_pair(struct about *about, struct nv_str key, struct nv_str value)
{
    for (size_t i = 0; i < NV_LEN(info_keys); i++) {
        if (nv_str_is(key, info_keys[i].key))
            about->info[info_keys[i].info] = value;
    }
    if (nv_str_is(key, "flags") || nv_str_is(key, "Features") || nv_str_is(key, "features"))
        about->flags = value;
    else if (nv_str_is(key, "bugs"))
        about->bugs = value;
    else if (nv_str_is(key, "clock") && nv_str_ends(value, "MHz"))
        return nv_str_to_real((struct nv_str){value.p, value.n - 3}, &about->mhz) ? 0 : -EBADMSG;
    else if (nv_str_is(key, "cpu MHz") || nv_str_is(key, "cpu MHz dynamic"))
        return nv_str_to_real(value, &about->mhz) ? 0 : -EBADMSG;
    return 0;
}

/* A line "processor : 0" begins a CPU ("cpu number : 0" on s390). What stands before the first is
 * common to all. */
static int collect_info(struct nv_pass *pass)
{
    struct about about = {0}, common = {0};
    struct nv_scan file, line;
    struct nv_str text;
    size_t n = 0;

    int r = nv_read(pass, "proc/cpuinfo", &text);
    if (r < 0)
        return r;
    for (file = nv_scan(text); nv_scan_line(&file, &line);) {
        struct nv_str value = nv_scan_rest(&line), key = nv_str_trim(nv_str_cut(&value, ':'));
        value = nv_str_trim(value);
        if (nv_str_is(key, "processor") || nv_str_is(key, "cpu number")) {
            if (n)
                emit_about(pass, &about, n == 1);
            about = common;
            about.info[CPU] = value;
            n++;
        } else if (take_pair(n ? &about : &common, key, value) < 0) {
            return nv_error(pass, -EBADMSG, "proc/cpuinfo: bad %.*s", NV_ARGS(key));
        }
    }
    if (!n)
        return nv_error(pass, -EBADMSG, "proc/cpuinfo names no processor");
    emit_about(pass, &about, n == 1);
    return 0;
}

/* ---- the directory -------------------------------------------------------------------------- */

static int by_core(const void *a, const void *b)
{
    const struct cpu *x = a, *y = b;

    if (x->package != y->package)
        return x->package < y->package ? -1 : 1;
    if (x->core != y->core)
        return x->core < y->core ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_package(const void *a, const void *b)
{
    const struct cpu *x = a, *y = b;

    if (x->package != y->package)
        return x->package < y->package ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool read_topology(struct nv_pass *pass, struct cpu *cpu)
{
    char path[NV_PATH_MAX];

    nv_path(path, "sys/devices/system/cpu/cpu%s/topology/physical_package_id", cpu->number);
    if (nv_read_u64(pass, path, &cpu->package) < 0)
        return false;
    nv_path(path, "sys/devices/system/cpu/cpu%s/topology/core_id", cpu->number);
    return nv_read_u64(pass, path, &cpu->core) == 0;
}

/* Returns 0 or the error for which the file cannot be read. */
static int read_online(struct nv_pass *pass, struct cpu *cpu)
{
    char path[NV_PATH_MAX];
    struct nv_str text;

    nv_path(path, "sys/devices/system/cpu/cpu%s/online", cpu->number);
    int r = nv_read_attribute(pass, path, &text);
    cpu->online = r == 0 && nv_str_is(text, "1");
    return r;
}

/* Adds the throttle count of each core, or package: the first of it that can be read. */
static void add_throttles(struct nv_pass *pass, const struct nv_table *table, const char *file)
{
    struct state *state = nv_state(pass);
    const struct cpu *last = NULL;
    struct cpu *sorted = nv_alloc(pass, (state->n_cpus + 1) * sizeof(*sorted));
    bool core = table == &cores;
    uint64_t unused;

    if (state->n_cpus)
        memcpy(sorted, state->cpus, state->n_cpus * sizeof(*sorted));
    qsort(sorted, state->n_cpus, sizeof(*sorted), core ? by_core : by_package);
    for (const struct cpu *cpu = sorted; cpu < sorted + state->n_cpus; cpu++) {
        if (!cpu->has_topology ||
            (last && last->package == cpu->package && (!core || last->core == cpu->core)))
            continue;
        struct throttle *throttle = &state->throttles[state->n_throttles];
        throttle->table = table;
        nv_path(throttle->path, "sys/devices/system/cpu/cpu%s/thermal_throttle/%s", cpu->number,
                file);
        nv_path(throttle->package, "%llu", (unsigned long long)cpu->package);
        nv_path(throttle->core, "%llu", (unsigned long long)cpu->core);
        if (nv_read_u64(pass, throttle->path, &unused) < 0)
            continue;
        last = cpu;
        state->n_throttles++;
    }
}

static int make_room(struct state *state, size_t n)
{
    if (n <= state->room)
        return 0;
    struct cpu *cpus = reallocarray(state->cpus, n, sizeof(*cpus));
    if (!cpus)
        return -ENOMEM;
    state->cpus = cpus;
    struct throttle *throttles = reallocarray(state->throttles, 2 * n, sizeof(*throttles));
    if (!throttles)
        return -ENOMEM;
    state->throttles = throttles;
    state->room = n;
    return 0;
}

static int discover(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_names names;

    int r = nv_list(pass, "sys/devices/system/cpu", &names);
    if (r == -ENOENT)
        names.n = 0;
    else if (r < 0)
        return r;
    if (make_room(state, names.n) < 0)
        return -ENOMEM;

    state->n_cpus = state->n_throttles = 0;
    for (size_t i = 0; i < names.n; i++) {
        struct nv_str name = names.at[i];
        unsigned number;
        if (!nv_str_starts(name, "cpu") || !nv_cpu_number(nv_str_from(name, 3), &number))
            continue;
        struct cpu *cpu = &state->cpus[state->n_cpus];
        *cpu = (struct cpu){.order = state->n_cpus++};
        nv_path(cpu->number, "%u", number);
        cpu->has_topology = read_topology(pass, cpu);
        int online_r = read_online(pass, cpu);
        if (cpu->order == 0)
            state->has_online = online_r != -ENOENT;
    }
    add_throttles(pass, &cores, "core_throttle_count");
    add_throttles(pass, &packages, "package_throttle_count");
    return 0;
}

/* Whether to look what is in the directory: the kernel's lists are not those of last time. */
static bool changed(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_scan lists[] = {nv_pass_text(pass, SOURCE_ONLINE),
                              nv_pass_text(pass, SOURCE_PRESENT)};

    nv_watch_add(&state->watch, nv_scan_rest(&lists[0]));
    nv_watch_add(&state->watch, nv_scan_rest(&lists[1]));
    return nv_watch_changed(&state->watch);
}

static int collect_directory(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);

    int r = changed(pass) ? discover(pass) : 0;
    if (r < 0) {
        nv_watch_reset(&state->watch);
        return r;
    }

    for (size_t i = 0; i < state->n_throttles; i++) {
        const struct throttle *throttle = &state->throttles[i];
        struct nv_str labels[] = {nv_str(throttle->package), nv_str(throttle->core)};
        uint64_t count;
        if (nv_read_u64(pass, throttle->path, &count) == 0)
            nv_emit_row(pass, throttle->table, labels, &count, 1);
        else
            nv_watch_reset(&state->watch);
    }
    for (size_t i = 0; state->has_online && i < state->n_cpus; i++) {
        struct nv_str number = nv_str(state->cpus[i].number);
        nv_emit_u64(pass, &online, &number, 0, state->cpus[i].online);
    }
    return 0;
}

static int collect_isolated(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_str list = nv_str(state->isolated ? state->isolated : "");
    struct nv_cpu_range range;
    int r = state->isolated_error;

    while (r >= 0 && (r = nv_cpu_list_next(&list, &range)) > 0) {
        for (unsigned cpu = range.first; cpu <= range.last; cpu += range.stride) {
            char number[8];
            nv_path(number, "%u", cpu);
            struct nv_str label = nv_str(number);
            nv_emit_u64(pass, &isolated, &label, 0, 1);
        }
    }
    return r < 0 ? nv_error(pass, r, "sys/devices/system/cpu/isolated") : 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* What stands in the list, or goes wrong with it, is told in each pass: a bad file is no reason not to start. */
static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_str text;

    int r = nv_read(pass, "sys/devices/system/cpu/isolated", &text);
    if (r < 0) {
        state->isolated_error = r == -ENOENT ? 0 : r;
        return 0;
    }
    state->isolated = strndup(text.p, text.n);
    return state->isolated ? 0 : -ENOMEM;
}

static void stop(void *memory)
{
    struct state *state = memory;

    free(state->held);
    free(state->isolated);
    free(state->cpus);
    free(state->throttles);
}

static int collect(struct nv_pass *pass)
{
    int r = 0;

    if (nv_on(pass, FLAG_INFO) || nv_flag(pass, FLAG_FLAGS_INCLUDE)->regex ||
        nv_flag(pass, FLAG_BUGS_INCLUDE)->regex)
        r = collect_info(pass);
    if (r == 0)
        r = collect_times(pass);
    if (r == 0)
        r = collect_isolated(pass);
    return r < 0 ? r : collect_directory(pass);
}

NV_COLLECTOR(cpu) = {
    NV_ABI_STAMP,
    .name = "cpu",
    .summary = "CPU time by mode, throttling, and with flags the model.",
    .sources = NV_SOURCES("proc/stat", "?sys/devices/system/cpu/online",
                          "?sys/devices/system/cpu/present"),
    .tables = NV_TABLES(&seconds, &guests, &infos, &frequencies, &flags, &bugs, &cores, &packages,
                        &isolated, &online),
    .flags = NV_FLAGS({"collector.cpu.guest", NV_FLAG_BOOL, "true",
                       "Expose the time spent running guests.", false},
                      {"collector.cpu.info", NV_FLAG_BOOL, "false", "Expose the model of each CPU.",
                       false},
                      {"collector.cpu.info.flags-include", NV_FLAG_REGEX, "",
                       "Features to expose; switches collector.cpu.info on.", false},
                      {"collector.cpu.info.bugs-include", NV_FLAG_REGEX, "",
                       "Bugs to expose; switches collector.cpu.info on.", false}),
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
