/*
 * logind - who is logged in where.
 *
 * Source: org.freedesktop.login1 on the system bus: ListSeats, ListSessions, and each session's Remote,
 * Type and Class. All combinations are shown, those nobody uses as 0; sessions without a seat (remote
 * ones) are of the seat "".
 */
#include <nodevitals/bus.h>

#define LOGIND  "org.freedesktop.login1"
#define MANAGER LOGIND ".Manager"

enum { SEATS_MAX = 1024, OTHER = 0 };

static const char *const remotes[] = {"false", "true"};
static const char *const types[] = {"other", "unspecified", "tty", "x11", "wayland", "mir", "web"};
static const char *const classes[] = {"other", "user", "greeter", "lock-screen", "background"};

static const struct nv_family columns[] = {
    {"node_logind_sessions", NV_GAUGE, NV_AS_IS, "Sessions of a kind."},
};
static const struct nv_table sessions = {NV_LABELS("seat", "remote", "type", "class"), columns,
                                         NV_LEN(columns)};

struct seat {
    const char *name;
    uint64_t sessions[NV_LEN(remotes)][NV_LEN(types)][NV_LEN(classes)];
};

struct session {
    size_t remote, type, class;
};

static int ask(struct nv_pass *pass, const char *member, struct nv_bus_reply **ret)
{
    const struct nv_bus_call call = {
        .destination = LOGIND,
        .path = "/org/freedesktop/login1",
        .interface = MANAGER,
        .member = member,
    };

    return nv_bus_call(pass, &call, ret);
}

/* The place of a text in a list that begins with "other". */
static size_t place(const char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], text) == 0)
            return i;
    }
    return OTHER;
}

/* Reads the value that follows `key` where it is one of ours. */
static int read_value(struct nv_pass *pass, struct nv_bus_reply *reply, const char *key,
                      struct session *session)
{
    bool is_remote = strcmp(key, "Remote") == 0, is_type = strcmp(key, "Type") == 0;
    const char *text = "";
    int remote = 0, r;

    if (!is_remote && !is_type && strcmp(key, "Class") != 0)
        return nv_bus_skip(pass, reply, "v");
    r = nv_bus_enter(pass, reply, 'v', is_remote ? "b" : "s");
    if (r > 0)
        r = is_remote ? nv_bus_read(pass, reply, "b", &remote)
                      : nv_bus_read(pass, reply, "s", &text);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    if (is_remote)
        session->remote = remote != 0;
    else if (is_type)
        session->type = place(types, NV_LEN(types), text);
    else
        session->class = place(classes, NV_LEN(classes), text);
    return nv_bus_exit(pass, reply);
}

static int read_session(struct nv_pass *pass, struct nv_bus_reply *reply, struct session *ret)
{
    struct session session = {0};
    const char *key;

    int r = nv_bus_enter(pass, reply, 'a', "{sv}");
    while (r > 0) {
        r = nv_bus_enter(pass, reply, 'e', "sv");
        if (r <= 0)
            break;
        r = nv_bus_read(pass, reply, "s", &key);
        if (r > 0)
            r = read_value(pass, reply, key, &session);
        if (r >= 0)
            r = nv_bus_exit(pass, reply);
    }
    if (r == 0)
        *ret = session;
    return r;
}

static int ask_session(struct nv_pass *pass, const char *path, struct session *ret)
{
    const struct nv_bus_call call = {
        .destination = LOGIND,
        .path = path,
        .interface = "org.freedesktop.DBus.Properties",
        .member = "GetAll",
        .signature = "s",
        .arguments = (const char *const[]){LOGIND ".Session"},
    };
    struct nv_bus_reply *reply;

    int r = nv_bus_call(pass, &call, &reply);
    if (r < 0)
        return r;
    r = read_session(pass, reply, ret);
    nv_bus_unref(pass, reply);
    return r;
}

/* Reads the names of the seats, and puts the empty one behind them. */
static int read_seats(struct nv_pass *pass, struct nv_bus_reply *reply, struct seat **ret,
                      size_t *ret_n)
{
    const char *names[SEATS_MAX], *path;
    size_t n = 0;

    int r = nv_bus_enter(pass, reply, 'a', "(so)");
    while (r > 0 && n + 1 < SEATS_MAX) {
        r = nv_bus_read(pass, reply, "(so)", &names[n], &path);
        n += r > 0;
    }
    if (r < 0)
        return nv_error(pass, r, "ListSeats");
    names[n++] = "";
    *ret = nv_alloc(pass, n * sizeof(**ret));
    memset(*ret, 0, n * sizeof(**ret));
    for (size_t i = 0; i < n; i++)
        (*ret)[i].name = names[i];
    *ret_n = n;
    return 0;
}

/* A session that ends meanwhile is not counted. */
static int count_sessions(struct nv_pass *pass, struct nv_bus_reply *reply, struct seat *seats,
                          size_t n)
{
    const char *id, *user, *seat, *path;
    struct session session;
    uint32_t uid;

    int r = nv_bus_enter(pass, reply, 'a', "(susso)");
    while (r > 0) {
        r = nv_bus_read(pass, reply, "(susso)", &id, &uid, &user, &seat, &path);
        if (r <= 0)
            break;
        int asked = ask_session(pass, path, &session);
        if (asked == -ETIMEDOUT)
            return asked;
        if (asked < 0) {
            nv_say(pass, NV_DEBUG, "session %s: %s", id, strerror(-asked));
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (strcmp(seats[i].name, seat) == 0)
                seats[i].sessions[session.remote][session.type][session.class]++;
        }
    }
    return r < 0 ? nv_error(pass, r, "ListSessions") : 0;
}

static void emit_seat(struct nv_pass *pass, const struct seat *seat)
{
    for (size_t r = 0; r < NV_LEN(remotes); r++) {
        for (size_t t = 0; t < NV_LEN(types); t++) {
            for (size_t c = 0; c < NV_LEN(classes); c++) {
                const struct nv_str labels[] = {nv_str(seat->name), nv_str(remotes[r]),
                                                nv_str(types[t]), nv_str(classes[c])};
                nv_emit_u64(pass, &sessions, labels, 0, seat->sessions[r][t][c]);
            }
        }
    }
}

static int collect_sessions(struct nv_pass *pass, struct nv_bus_reply *seat_list)
{
    struct nv_bus_reply *reply;
    struct seat *seats;
    size_t n;

    int r = read_seats(pass, seat_list, &seats, &n);
    if (r < 0)
        return r;
    r = ask(pass, "ListSessions", &reply);
    if (r < 0)
        return r;
    r = count_sessions(pass, reply, seats, n);
    nv_bus_unref(pass, reply);
    for (size_t i = 0; r == 0 && i < n; i++)
        emit_seat(pass, &seats[i]);
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct nv_bus_reply *seats;

    int r = ask(pass, "ListSeats", &seats);
    if (r < 0)
        return r;
    r = collect_sessions(pass, seats);
    nv_bus_unref(pass, seats);
    return r;
}

NV_COLLECTOR(logind) = {
    NV_ABI_STAMP,
    .name = "logind",
    .summary = "Sessions of logind.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&sessions),
    .collect = collect,
};
