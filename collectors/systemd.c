/*
 * systemd - the service manager's units.
 *
 * Source: org.freedesktop.systemd1 on the system bus or, with --collector.systemd.private and for root
 * where there is no bus, systemd's own socket. ListUnits gives all units at once; what is beyond it costs a
 * call per unit and property. The type of a service or mount, which every scrape wants, is therefore
 * remembered until the unit changes its state or systemd reads its files anew (UnitsLoadTimestamp, since
 * systemd 250; on an older one for some minutes).
 *
 * A property that a unit or an older systemd lacks costs its series and nothing else.
 */
#include <time.h>
#include <unistd.h>

#include <nodevitals/bus.h>

#define SYSTEMD      "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define REMEMBER_NS  (300 * 1000000000ll)

enum {
    STATE_OF_MANAGER_SINCE =
        212,         /* the first systemd with SystemState, and with timers' triggers */
    STATES_MAX = 32, /* different active states counted */
};

enum {
    UNIT_INCLUDE,
    UNIT_EXCLUDE,
    TASK_METRICS,
    RESTARTS_METRICS,
    START_TIME_METRICS,
    PRIVATE,
    UNIT_WHITELIST,
    UNIT_BLACKLIST
};

// clang-format off
static const struct nv_flag flags[] = {
    {"collector.systemd.unit-include", NV_FLAG_REGEX_WHOLE, ".+", "Units to include.", false},
    {"collector.systemd.unit-exclude", NV_FLAG_REGEX_WHOLE, ".+\\.(automount|device|mount|scope|slice)", "Units to exclude.", false},
    {"collector.systemd.enable-task-metrics",       NV_FLAG_BOOL, "false", "Show the tasks of services.", false},
    {"collector.systemd.enable-restarts-metrics",   NV_FLAG_BOOL, "false", "Show the restarts of services.", false},
    {"collector.systemd.enable-start-time-metrics", NV_FLAG_BOOL, "false", "Show the start times of units.", false},
    {"collector.systemd.private",                   NV_FLAG_BOOL, "false", "Ask systemd without the bus.", true},
    {"collector.systemd.unit-whitelist", NV_FLAG_REGEX_WHOLE, "", "Old name of --collector.systemd.unit-include.", true},
    {"collector.systemd.unit-blacklist", NV_FLAG_REGEX_WHOLE, "", "Old name of --collector.systemd.unit-exclude.", true},
    {0},
};

static const struct nv_family state_columns[] = {
    {"node_systemd_unit_state", NV_GAUGE, NV_AS_IS, "1 for the state a unit is in."},
};
static const struct nv_family count_columns[] = {
    {"node_systemd_units", NV_GAUGE, NV_AS_IS, "Units in a state, all of them."},
};
static const struct nv_family restart_columns[] = {
    {"node_systemd_service_restart_total", NV_COUNTER, NV_AS_IS, "Restarts of a service that systemd made by itself."},
};
static const struct nv_family start_columns[] = {
    {"node_systemd_unit_start_time_seconds", NV_GAUGE, NV_OVER(1e6), "When a unit became active, in seconds since the epoch; 0 where it is not."},
};
static const struct nv_family task_columns[] = {
    {"node_systemd_unit_tasks_current", NV_GAUGE, NV_AS_IS, "Tasks of a service."},
    {"node_systemd_unit_tasks_max",     NV_GAUGE, NV_AS_IS, "Tasks a service may have."},
};
static const struct nv_family timer_columns[] = {
    {"node_systemd_timer_last_trigger_seconds", NV_GAUGE, NV_OVER(1e6), "When a timer last fired, in seconds since the epoch."},
};
static const struct nv_family socket_columns[] = {
    {"node_systemd_socket_accepted_connections_total", NV_COUNTER, NV_AS_IS, "Connections a socket accepted."},
    {"node_systemd_socket_current_connections",        NV_GAUGE,   NV_AS_IS, "Connections a socket has now."},
    {"node_systemd_socket_refused_connections_total",  NV_GAUGE,   NV_AS_IS, "Connections a socket refused."},
};
static const struct nv_family running_columns[] = {
    {"node_systemd_system_running", NV_GAUGE, NV_AS_IS, "Whether the system is up with no unit failed."},
};
static const struct nv_family version_columns[] = {
    {"node_systemd_version", NV_GAUGE, NV_AS_IS, "Version of systemd, in full in the label."},
};
static const struct nv_family virtualization_columns[] = {
    {"node_systemd_virtualization_info", NV_GAUGE, NV_AS_IS, "What systemd believes to run on, in a label; always 1."},
};

static const struct nv_table unit_states = {NV_LABELS("name", "state", "type"), state_columns, 1};
static const struct nv_table unit_counts = {NV_LABELS("state"), count_columns, 1};
static const struct nv_table restarts = {NV_LABELS("name"), restart_columns, 1};
static const struct nv_table start_times = {NV_LABELS("name"), start_columns, 1};
static const struct nv_table tasks = {NV_LABELS("name"), task_columns, NV_LEN(task_columns)};
static const struct nv_table timers = {NV_LABELS("name"), timer_columns, 1};
static const struct nv_table sockets = {NV_LABELS("name"), socket_columns, NV_LEN(socket_columns)};
static const struct nv_table running = {NV_NO_LABELS, running_columns, 1};
static const struct nv_table versions = {NV_LABELS("version"), version_columns, 1};
static const struct nv_table virtualization = {NV_LABELS("virtualization_type"), virtualization_columns, 1};
// clang-format on

static const char *const active_states[] = {"active", "activating", "deactivating", "inactive",
                                            "failed"};

/* A unit of the list. Texts live as long as the reply. */
struct unit {
    const char *name, *load, *active, *sub, *path;
};

/* What we remember of a unit. */
struct memory {
    char *name, *type;
    uint64_t states; /* hash of those it was in */
};

struct state {
    size_t include, exclude; /* flags that count: the new names, or the old ones */
    struct memory *known,
        *next; /* sorted by name; the second is where the next pass puts its own */
    size_t n_known, room_known, room_next;
    uint64_t loaded_us;    /* when systemd read its unit files; 0 where it does not tell */
    int64_t remembered_ns; /* since when we remember */
};

struct state_count {
    const char *name;
    uint64_t units;
};

/* ---- asking --------------------------------------------------------------------------------- */

/* Reads a property of a basic type; a text is copied. Any failure is the caller's to pass over. */
static int get(struct nv_pass *pass, const char *peer, const char *path, const char *interface,
               const char *property, const char *type, void *ret)
{
    const struct nv_bus_call call = {
        .destination = peer,
        .path = path,
        .interface = "org.freedesktop.DBus.Properties",
        .member = "Get",
        .signature = "ss",
        .arguments = (const char *const[]){interface, property},
    };
    struct nv_bus_reply *reply;

    int r = nv_bus_call(pass, &call, &reply);
    if (r < 0) {
        nv_say(pass, NV_DEBUG, "%s.%s of %s: %s", interface, property, path, strerror(-r));
        return r;
    }
    r = nv_bus_enter(pass, reply, 'v', type);
    if (r > 0)
        r = nv_bus_read(pass, reply, type, ret);
    if (r > 0 && type[0] == 's') {
        const char **text = ret;
        size_t size = strlen(*text) + 1;
        *text = memcpy(nv_alloc(pass, size), *text, size);
    }
    nv_bus_unref(pass, reply);
    return r > 0 ? 0 : r < 0 ? r : -EBADMSG;
}

static int get_manager(struct nv_pass *pass, const char *peer, const char *property,
                       const char *type, void *ret)
{
    return get(pass, peer, MANAGER_PATH, SYSTEMD ".Manager", property, type, ret);
}

static int list_units(struct nv_pass *pass, const char *peer, struct nv_bus_reply **ret)
{
    const struct nv_bus_call call = {
        .destination = peer,
        .path = MANAGER_PATH,
        .interface = SYSTEMD ".Manager",
        .member = "ListUnits",
    };

    return nv_bus_call(pass, &call, ret);
}

/* The peer that answers, with its answer. */
static int find_peer(struct nv_pass *pass, const char **ret_peer, struct nv_bus_reply **ret)
{
    *ret_peer = nv_on(pass, PRIVATE) ? NV_BUS_SYSTEMD_PRIVATE : SYSTEMD;
    int r = list_units(pass, *ret_peer, ret);
    if (r >= 0 || nv_on(pass, PRIVATE) || r == -ETIMEDOUT || geteuid() != 0)
        return r;
    *ret_peer = NV_BUS_SYSTEMD_PRIVATE;
    return list_units(pass, *ret_peer, ret) >= 0 ? 0 : r;
}

/* ---- the list ------------------------------------------------------------------------------- */

static void count_state(struct state_count counts[STATES_MAX], size_t *n, const char *active)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(counts[i].name, active) == 0) {
            counts[i].units++;
            return;
        }
    }
    if (*n < STATES_MAX)
        counts[(*n)++] = (struct state_count){active, 1};
}

static bool wants(struct nv_pass *pass, const struct unit *unit)
{
    const struct state *state = nv_state(pass);
    struct nv_str name = nv_str(unit->name);

    return nv_matches(pass, state->include, name) && !nv_matches(pass, state->exclude, name) &&
           strcmp(unit->load, "loaded") == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct unit *)a)->name, ((const struct unit *)b)->name);
}

/* Counts all units by state, and gives those that are wanted, sorted by name. */
static int read_units(struct nv_pass *pass, struct nv_bus_reply *reply, struct unit **ret,
                      size_t *ret_n)
{
    struct state_count counts[STATES_MAX];
    size_t n = 0, room = 512, n_counts = 0;
    struct unit *units = nv_alloc(pass, room * sizeof(*units)), unit;
    const char *description, *following, *job_type, *job_path;
    uint32_t job;

    for (; n_counts < NV_LEN(active_states); n_counts++)
        counts[n_counts] = (struct state_count){active_states[n_counts], 0};

    int r = nv_bus_enter(pass, reply, 'a', "(ssssssouso)");
    while (r > 0) {
        r = nv_bus_read(pass, reply, "(ssssssouso)", &unit.name, &description, &unit.load,
                        &unit.active, &unit.sub, &following, &unit.path, &job, &job_type,
                        &job_path);
        if (r <= 0)
            break;
        count_state(counts, &n_counts, unit.active);
        if (!wants(pass, &unit))
            continue;
        if (n == room) {
            struct unit *grown = nv_alloc(pass, 2 * room * sizeof(*grown));
            units = memcpy(grown, units, room * sizeof(*grown));
            room *= 2;
        }
        units[n++] = unit;
    }
    if (r < 0)
        return nv_error(pass, r, "ListUnits");

    for (size_t i = 0; i < n_counts; i++) {
        struct nv_str name = nv_str(counts[i].name);
        nv_emit_u64(pass, &unit_counts, &name, 0, counts[i].units);
    }
    qsort(units, n, sizeof(*units), compare);
    *ret = units;
    *ret_n = n;
    return 0;
}

/* ---- types, remembered ---------------------------------------------------------------------- */

static void forget(struct memory *memory)
{
    free(memory->name);
    free(memory->type);
    *memory = (struct memory){0};
}

static void forget_all(struct state *state)
{
    for (size_t i = 0; i < state->n_known; i++)
        forget(&state->known[i]);
    state->n_known = 0;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Forgets the types where systemd may have learned others. */
static void refresh(struct nv_pass *pass, const char *peer)
{
    struct state *state = nv_state(pass);
    uint64_t loaded_us = 0;
    int64_t now = now_ns();

    get_manager(pass, peer, "UnitsLoadTimestampMonotonic", "t", &loaded_us);
    if (loaded_us != state->loaded_us || (!loaded_us && now - state->remembered_ns > REMEMBER_NS)) {
        forget_all(state);
        state->remembered_ns = now;
    }
    state->loaded_us = loaded_us;
}

static uint64_t hash_states(const struct unit *unit)
{
    const char *const texts[] = {unit->load, unit->active, unit->sub};
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < NV_LEN(texts); i++) {
        for (const char *p = texts[i];; p++) {
            hash = (hash ^ (unsigned char)*p) * 1099511628211u;
            if (!*p)
                break;
        }
    }
    return hash;
}

static bool has_suffix(const struct unit *unit, const char *suffix)
{
    return nv_str_ends(nv_str(unit->name), suffix);
}

/* The type of a service or mount, asked anew. "" for other units; NULL with *ret_error where it failed. */
static const char *ask_type(struct nv_pass *pass, const char *peer, const struct unit *unit,
                            int *ret_error)
{
    const char *interface = has_suffix(unit, ".service") ? SYSTEMD ".Service"
                            : has_suffix(unit, ".mount") ? SYSTEMD ".Mount"
                                                         : NULL;
    const char *type = "";

    *ret_error = interface ? get(pass, peer, unit->path, interface, "Type", "s", &type) : 0;
    return *ret_error < 0 ? NULL : type;
}

/* Room for what this pass will remember. */
static int make_room(struct state *state, size_t n)
{
    if (n <= state->room_next)
        return 0;
    struct memory *grown = reallocarray(state->next, n, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    state->next = grown;
    state->room_next = n;
    return 0;
}

/* Puts what this pass remembers, n units of `next`, in the place of what was known. */
static void replace_known(struct state *state, size_t n)
{
    struct memory *known = state->known;
    size_t room = state->room_known;

    forget_all(state);
    state->known = state->next;
    state->room_known = state->room_next;
    state->n_known = n;
    state->next = known;
    state->room_next = room;
}

/* Sets *ret to the type of each unit, sorted as they are. Returns -ETIMEDOUT or -ENOMEM. */
static int find_types(struct nv_pass *pass, const char *peer, const struct unit *units, size_t n,
                      const char ***ret)
{
    struct state *state = nv_state(pass);
    const char **types = nv_alloc(pass, (n + 1) * sizeof(*types));
    size_t kept = 0, k = 0;

    int r = make_room(state, n);
    for (size_t i = 0; i < n && r == 0; i++) {
        uint64_t states = hash_states(&units[i]);
        while (k < state->n_known && strcmp(state->known[k].name, units[i].name) < 0)
            k++;
        struct memory *memory = k < state->n_known ? &state->known[k] : NULL;
        if (memory && strcmp(memory->name, units[i].name) == 0 && memory->states == states) {
            types[i] = memory->type;
            state->next[kept++] = *memory;
            *memory = (struct memory){0};
            k++;
            continue;
        }
        types[i] = ask_type(pass, peer, &units[i], &r);
        if (types[i]) {
            struct memory new = {strdup(units[i].name), strdup(types[i]), states};
            r = new.name &&new.type ? 0 : -ENOMEM;
            state->next[kept++] = new;
        } else {
            types[i] = "";
            r = r == -ETIMEDOUT ? r : 0;
        }
    }
    replace_known(state, kept);
    *ret = types;
    return r;
}

/* ---- emitting ------------------------------------------------------------------------------- */

static void emit_state(struct nv_pass *pass, const struct unit *unit, const char *type)
{
    for (size_t i = 0; i < NV_LEN(active_states); i++) {
        const struct nv_str labels[] = {nv_str(unit->name), nv_str(active_states[i]), nv_str(type)};
        nv_emit_u64(pass, &unit_states, labels, 0, strcmp(unit->active, active_states[i]) == 0);
    }
}

/* A property of type u (in *ret as well) or t as a column. */
static int emit_property(struct nv_pass *pass, const char *peer, const struct unit *unit,
                         const char *interface, const char *property, const char *type,
                         const struct nv_table *table, size_t column)
{
    struct nv_str name = nv_str(unit->name);
    uint64_t value = 0;
    uint32_t narrow = 0;
    bool is_narrow = type[0] == 'u';

    int r = get(pass, peer, unit->path, interface, property, type,
                is_narrow ? (void *)&narrow : (void *)&value);
    if (r < 0)
        return r;
    if (is_narrow)
        value = narrow;
    if (table != &tasks || value != UINT64_MAX) /* there: not counted, or no limit */
        nv_emit_u64(pass, table, &name, column, value);
    return 0;
}

static int emit_service(struct nv_pass *pass, const char *peer, const struct unit *unit)
{
    static const char interface[] = SYSTEMD ".Service";
    int r = 0;

    if (nv_on(pass, RESTARTS_METRICS))
        r = emit_property(pass, peer, unit, interface, "NRestarts", "u", &restarts, 0);
    if (r != -ETIMEDOUT && nv_on(pass, TASK_METRICS)) {
        r = emit_property(pass, peer, unit, interface, "TasksCurrent", "t", &tasks, 0);
        if (r == 0)
            r = emit_property(pass, peer, unit, interface, "TasksMax", "t", &tasks, 1);
    }
    return r;
}

static int emit_socket(struct nv_pass *pass, const char *peer, const struct unit *unit)
{
    static const char *const properties[] = {"NAccepted", "NConnections", "NRefused"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < NV_LEN(properties); i++)
        r = emit_property(pass, peer, unit, SYSTEMD ".Socket", properties[i], "u", &sockets, i);
    return r;
}

static int emit_start_time(struct nv_pass *pass, const char *peer, const struct unit *unit)
{
    struct nv_str name = nv_str(unit->name);

    if (strcmp(unit->active, "active") == 0)
        return emit_property(pass, peer, unit, SYSTEMD ".Unit", "ActiveEnterTimestamp", "t",
                             &start_times, 0);
    nv_emit_u64(pass, &start_times, &name, 0, 0);
    return 0;
}

/* What a unit has beside its state. Only a deadline that has passed is an error. */
static int emit_details(struct nv_pass *pass, const char *peer, const struct unit *unit,
                        bool has_timers)
{
    int r = 0;

    if (nv_on(pass, START_TIME_METRICS))
        r = emit_start_time(pass, peer, unit);
    if (r != -ETIMEDOUT && has_suffix(unit, ".service"))
        r = emit_service(pass, peer, unit);
    else if (r != -ETIMEDOUT && has_suffix(unit, ".socket"))
        r = emit_socket(pass, peer, unit);
    else if (r != -ETIMEDOUT && has_timers && has_suffix(unit, ".timer"))
        r = emit_property(pass, peer, unit, SYSTEMD ".Timer", "LastTriggerUSec", "t", &timers, 0);
    return r == -ETIMEDOUT ? r : 0;
}

static int emit_units(struct nv_pass *pass, const char *peer, struct nv_bus_reply *list,
                      bool has_timers)
{
    struct unit *units;
    const char **types;
    size_t n;

    int r = read_units(pass, list, &units, &n);
    if (r < 0)
        return r;
    refresh(pass, peer);
    r = find_types(pass, peer, units, n, &types);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        emit_state(pass, &units[i], types[i]);
    for (size_t i = 0; i < n && r == 0; i++)
        r = emit_details(pass, peer, &units[i], has_timers);
    return r;
}

/* The first number of three digits or more, with its fraction: 254.5 of "254.5-1-arch". 0 for none. */
static double parse_version(struct nv_str text)
{
    for (size_t i = 0, n; i < text.n; i += n + 1) {
        struct nv_str rest = nv_str_from(text, i);
        for (n = 0; n < rest.n && nv_is_digit(rest.p[n]);)
            n++;
        if (n < 3)
            continue;
        if (n + 1 < rest.n && rest.p[n] == '.' && nv_is_digit(rest.p[n + 1])) {
            for (n++; n < rest.n && nv_is_digit(rest.p[n]);)
                n++;
        }
        double version = 0;
        nv_str_to_real((struct nv_str){rest.p, n}, &version);
        return version;
    }
    return 0;
}

static double emit_version(struct nv_pass *pass, const char *peer)
{
    const char *text = "";

    get_manager(pass, peer, "Version", "s", &text);
    struct nv_str label = nv_str(text);
    double version = parse_version(label);
    if (version == 0)
        label = NV_LIT("");
    nv_emit_real(pass, &versions, &label, 0, version);
    return version;
}

static void emit_virtualization(struct nv_pass *pass, const char *peer)
{
    const char *text = "";

    int r = get_manager(pass, peer, "Virtualization", "s", &text);
    struct nv_str label = r < 0 ? NV_LIT("unknown") : text[0] ? nv_str(text) : NV_LIT("none");
    nv_emit_u64(pass, &virtualization, &label, 0, 1);
}

static int emit_running(struct nv_pass *pass, const char *peer)
{
    const char *text = "";

    int r = get_manager(pass, peer, "SystemState", "s", &text);
    if (r < 0)
        return r;
    nv_emit_u64(pass, &running, NULL, 0, strcmp(text, "running") == 0);
    return 0;
}

/* The list is held to the end: on systemd's private socket it keeps the connection open. */
static int collect(struct nv_pass *pass)
{
    struct nv_bus_reply *list;
    const char *peer;

    int r = find_peer(pass, &peer, &list);
    if (r < 0)
        return r;
    bool knows_state = emit_version(pass, peer) >= STATE_OF_MANAGER_SINCE;
    emit_virtualization(pass, peer);
    r = emit_units(pass, peer, list, knows_state);
    if (r == 0 && knows_state)
        r = emit_running(pass, peer);
    nv_bus_unref(pass, list);
    return r;
}

/* Which flag counts, the new one or its old name. */
static int choose(struct nv_pass *pass, size_t new, size_t old, size_t *ret)
{
    *ret = new;
    if (!nv_flag(pass, old)->text.n)
        return 0;
    if (nv_flag(pass, new)->given)
        return nv_error(pass, -EINVAL, "--%s and --%s cannot be used together", flags[old].name,
                        flags[new].name);
    nv_say(pass, NV_WARN, "--%s is deprecated, use --%s", flags[old].name, flags[new].name);
    *ret = old;
    return 0;
}

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);

    int r = choose(pass, UNIT_INCLUDE, UNIT_WHITELIST, &state->include);
    return r < 0 ? r : choose(pass, UNIT_EXCLUDE, UNIT_BLACKLIST, &state->exclude);
}

static void stop(void *memory)
{
    struct state *state = memory;

    forget_all(state);
    free(state->known);
    free(state->next);
}

NV_COLLECTOR(systemd) = {
    NV_ABI_STAMP,
    .name = "systemd",
    .summary = "Units of systemd.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&unit_states, &unit_counts, &restarts, &start_times, &tasks, &timers,
                        &sockets, &running, &versions, &virtualization),
    .flags = flags,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .cadence_ms = 15000,
    .collect = collect,
};
