#include "agent/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

// clang-format off
static const struct nv_flag general_flags[] = {
    [NV_OPTION_PROCFS]           = {"path.procfs",                 NV_FLAG_TEXT, "/proc",          "Where procfs is mounted.", false},
    [NV_OPTION_SYSFS]            = {"path.sysfs",                  NV_FLAG_TEXT, "/sys",           "Where sysfs is mounted.", false},
    [NV_OPTION_ROOTFS]           = {"path.rootfs",                 NV_FLAG_TEXT, "/",              "Where the root of the host is mounted.", false},
    [NV_OPTION_UDEV]             = {"path.udev.data",              NV_FLAG_TEXT, "/run/udev/data", "Where udev keeps its data.", false},
    [NV_OPTION_DISABLE_DEFAULTS] = {"collector.disable-defaults",  NV_FLAG_BOOL, "false",          "Run only collectors that are switched on by name.", false},
    [NV_OPTION_PLUGIN_DIR]       = {"collector.plugin-dir",        NV_FLAG_LIST, "",               "Folder whose *.so files are loaded as further collectors.", false},
    [NV_OPTION_GOMAXPROCS]       = {"runtime.gomaxprocs",          NV_FLAG_INT,  "1",              "Accepted for the sake of node_exporter's users; there is no Go here to limit (environment GOMAXPROCS).", false},
    [NV_OPTION_LOG_LEVEL]        = {"log.level",                   NV_FLAG_TEXT, "info",           "Least level that is logged: debug, info, warn or error.", false},
    [NV_OPTION_LOG_FORMAT]       = {"log.format",                  NV_FLAG_TEXT, "logfmt",         "Form of the log: logfmt or json; unless given, the journal where systemd started us.", false},
    {0},
};
static const struct nv_flag web_flags[] = {
    [NV_OPTION_LISTEN]           = {"web.listen-address",           NV_FLAG_LIST, ":9100",    "Where to listen: HOST:PORT, unix:PATH or vsock://:PORT.", false},
    [NV_OPTION_SYSTEMD_SOCKET]   = {"web.systemd-socket",           NV_FLAG_BOOL, "false",    "Serve the sockets that systemd hands over instead of listening.", false},
    [NV_OPTION_TELEMETRY_PATH]   = {"web.telemetry-path",           NV_FLAG_TEXT, "/metrics", "Path of the metrics.", false},
    [NV_OPTION_DISABLE_EXPORTER_METRICS] = {"web.disable-exporter-metrics", NV_FLAG_BOOL, "false", "Leave out what the agent tells of itself (process_*, promhttp_*, nodevitals_*).", false},
    [NV_OPTION_MAX_REQUESTS]     = {"web.max-requests",             NV_FLAG_INT,  "40",       "How many scrapes may run at once; 0 for any number.", false},
    [NV_OPTION_WEB_CONFIG]       = {"web.config.file",              NV_FLAG_TEXT, "",         "YAML file that sets up TLS, users and headers.", false},
    [NV_OPTION_KUBERNETES_AUTH]  = {"web.kubernetes-auth",          NV_FLAG_BOOL, "false",    "Let the API server of the cluster say who may ask: bearer tokens, and client certificates that were verified, are checked by TokenReview and SubjectAccessReview for the path.", false},
    [NV_OPTION_KUBERNETES_URL]   = {"web.kubernetes-auth.url",      NV_FLAG_TEXT, "",         "URL of the API server; unless given, that of the cluster the agent runs in.", false},
    [NV_OPTION_KUBERNETES_TOKEN_FILE] = {"web.kubernetes-auth.token-file", NV_FLAG_TEXT, "", "File of the agent's own token for the API server, read anew for each question; unless given, that of the service account.", false},
    [NV_OPTION_KUBERNETES_CA_FILE] = {"web.kubernetes-auth.ca-file", NV_FLAG_TEXT, "",        "File of the certificates that the API server's is verified by; unless given, that of the service account, or with a URL those of the system.", false},
    [NV_OPTION_KUBERNETES_AUDIENCE] = {"web.kubernetes-auth.audience", NV_FLAG_LIST, "",      "Audience that tokens may be for, beside others; unless given, that of the API server.", false},
    [NV_OPTION_KUBERNETES_SELF_SIGNED] = {"web.kubernetes-auth.self-signed", NV_FLAG_BOOL, "false", "Serve TLS with a certificate made at the start, where --web.config.file gives none.", false},
    {0},
};

static const struct nv_flag ntp_flags[] = {
    {"collector.ntp.server",                 NV_FLAG_TEXT,     "127.0.0.1", "Not provided.", true},
    {"collector.ntp.server-port",            NV_FLAG_INT,      "123",       "Not provided.", true},
    {"collector.ntp.protocol-version",       NV_FLAG_INT,      "4",         "Not provided.", true},
    {"collector.ntp.server-is-local",        NV_FLAG_BOOL,     "false",     "Not provided.", true},
    {"collector.ntp.ip-ttl",                 NV_FLAG_INT,      "1",         "Not provided.", true},
    {"collector.ntp.max-distance",           NV_FLAG_DURATION, "3.46608s",  "Not provided.", true},
    {"collector.ntp.local-offset-tolerance", NV_FLAG_DURATION, "1ms",       "Not provided.", true},
    {0},
};
static const struct nv_flag runit_flags[] = {
    {"collector.runit.servicedir", NV_FLAG_TEXT, "/etc/service", "Not provided.", true},
    {0},
};
static const struct nv_flag supervisord_flags[] = {
    {"collector.supervisord.url", NV_FLAG_TEXT, "http://localhost:9001/RPC2", "Not provided.", true},
    {0},
};
// clang-format on

/* Deprecated in node_exporter, so not worth a port; a command line that names them must still work. */
static const struct {
    const char *name;
    const struct nv_flag *flags;
} retired[] = {
    {"ntp",         ntp_flags        },
    {"runit",       runit_flags      },
    {"supervisord", supervisord_flags},
};

/* Flags whose default comes from the environment. */
static const struct {
    const char *variable, *flag;
} environment[] = {
    {"GOMAXPROCS",      "runtime.gomaxprocs"       },
    {"SUPERVISORD_URL", "collector.supervisord.url"},
};

static const char *const levels[] = {"debug", "info", "warn", "error"};
static const char *const formats[] = {"logfmt", "json"};

struct nv_options *nv_options_new(const char *program, const char *summary)
{
    NV_AUTO(nv_options) *options = calloc(1, sizeof(*options));

    if (!options)
        return NULL;
    options->names = NV_ARENA(NV_OPTIONS_NAMES_MAX);
    options->flags = nv_flags_new(program, summary);
    return options->flags ? nv_take(options) : NULL;
}

void nv_options_free(struct nv_options *options)
{
    if (!options)
        return;
    nv_flags_free(options->flags);
    nv_arena_done(&options->names);
    free(options);
}

/* Remembers what was wrong, in the words of flags unless others are given, and returns error. */
__attribute__((format(printf, 3, 4))) static int fail(struct nv_options *options, int error,
                                                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(options->error, sizeof(options->error), format, arguments);
    va_end(arguments);
    return error;
}

static int failed_flags(struct nv_options *options, int r)
{
    return r == -EINVAL || r == -EEXIST
               ? fail(options, -EINVAL, "%s", nv_flags_error(options->flags))
               : r;
}

__attribute__((format(printf, 2, 3))) static const char *make_text(struct nv_options *options,
                                                                   const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return nv_arena_str(&options->names, nv_str(text)).p;
}

static bool is_off(const struct nv_collector *collector)
{
    if ((collector->options & NV_ON_IN_KUBERNETES) && getenv("KUBERNETES_SERVICE_HOST"))
        return false;
    return collector->options & (NV_OFF_BY_DEFAULT | NV_ON_IN_KUBERNETES);
}

/* Adds --[no-]collector.NAME and the collector's own flags. */
static int add(struct nv_options *options, const char *name, const struct nv_collector *collector,
               const struct nv_flag *flags)
{
    struct nv_option_collector *entry = &options->collectors[options->n_collectors];
    bool off = !collector || is_off(collector);
    struct nv_flag_value *value;

    if (options->n_collectors == NV_LEN(options->collectors))
        return fail(options, -EINVAL, "more than %zu collectors", NV_LEN(options->collectors));
    *entry = (struct nv_option_collector){.name = name, .collector = collector};
    entry->on_flag[0] = (struct nv_flag){
        .name = make_text(options, "collector.%s", name),
        .kind = NV_FLAG_BOOL,
        .fallback = off ? "false" : "true",
        .help = collector ? make_text(options, "%s On by default: %s.", collector->summary,
                                      (collector->options & NV_ON_IN_KUBERNETES) ? "in Kubernetes"
                                      : off                                      ? "no"
                                                                                 : "yes")
                          : "Not provided: the flag is accepted with a warning.",
        .hidden = !collector,
    };
    const char *title = make_text(options, "Collector %s", name);
    if (!entry->on_flag[0].name || !entry->on_flag[0].help || !title)
        return -ENOMEM;

    int r = nv_flags_add(options->flags, title, entry->on_flag, &value);
    entry->on = value;
    if (r == 0)
        r = nv_flags_add(options->flags, title, flags, &value);
    entry->values = value;
    if (r == 0)
        options->n_collectors++;
    return failed_flags(options, r);
}

static int add_plugin(const struct nv_collector *collector, void *user)
{
    return add(user, collector->name, collector, collector->flags);
}

static int load_plugins(const char *dir, void *user)
{
    struct nv_options *options = user;
    char error[NV_GATHER_ERROR_MAX] = "";

    int r = nv_gather_load_plugins(dir, add_plugin, options, error);
    if (r < 0 && r != -ENOMEM && !options->error[0]) /* unless add() has told what it was */
        fail(options, r, "%s", error[0] ? error : strerror(-r));
    if (r < 0 && r != -ENOMEM)
        return -EINVAL;
    return r;
}

static int add_all(struct nv_options *options, const struct nv_collector *const *builtins)
{
    struct nv_flag_value *general = NULL, *web = NULL, *storage = NULL, *query = NULL,
                         *rules = NULL, *kube = NULL;

    int r = nv_flags_add(options->flags, "General", general_flags, &general);
    if (r == 0)
        r = nv_flags_add(options->flags, "Web", web_flags, &web);
    if (r == 0)
        r = nv_flags_add(options->flags, "Storage", nv_storage_flags, &storage);
    if (r == 0)
        r = nv_flags_add(options->flags, "Queries", nv_query_flags, &query);
    if (r == 0)
        r = nv_flags_add(options->flags, "Rules", nv_configured_flags, &rules);
    if (r == 0)
        r = nv_flags_add(options->flags, "Kubernetes", nv_kubernetes_flags, &kube);
    if (r < 0)
        return failed_flags(options, r);
    options->general = general;
    options->web = web;
    options->storage = storage;
    options->query = query;
    options->rules = rules;
    options->kube = kube;
    for (size_t i = 0; r == 0 && builtins[i]; i++)
        r = add(options, builtins[i]->name, builtins[i], builtins[i]->flags);
    for (size_t i = 0; r == 0 && i < NV_LEN(retired); i++)
        r = add(options, retired[i].name, NULL, retired[i].flags);
    return r;
}

static int check_word(struct nv_options *options, const char *flag, struct nv_str word,
                      const char *const *words, size_t n)
{
    char list[64] = "";
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        if (nv_str_is(word, words[i]))
            return 0;
        length +=
            (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", i ? "," : "", words[i]);
    }
    return fail(options, -EINVAL, "flag '--%s': enum value must be one of %s, got '%.*s'", flag,
                list, NV_ARGS(word));
}

static int check(struct nv_options *options)
{
    const struct nv_flag_value *general = options->general, *web = options->web;
    struct nv_str path = web[NV_OPTION_TELEMETRY_PATH].text;

    int r =
        check_word(options, "log.level", general[NV_OPTION_LOG_LEVEL].text, levels, NV_LEN(levels));
    if (r == 0)
        r = check_word(options, "log.format", general[NV_OPTION_LOG_FORMAT].text, formats,
                       NV_LEN(formats));
    if (r == 0 && !nv_str_starts(path, "/"))
        r = fail(options, -EINVAL, "flag '--web.telemetry-path' cannot be '%.*s': it begins with /",
                 NV_ARGS(path));
    int64_t requests = web[NV_OPTION_MAX_REQUESTS].number;
    if (r == 0 && (requests < 0 || requests > UINT16_MAX))
        r = fail(options, -EINVAL, "flag '--web.max-requests' cannot be '%lld': it is 0 to %d",
                 (long long)requests, UINT16_MAX);
    for (size_t i = 0; r == 0 && i < options->n_collectors; i++) {
        if (nv_options_is_on(options, i))
            r = failed_flags(options,
                             nv_flags_compile(options->flags, options->collectors[i].values));
    }
    if (r == 0)
        r = nv_storage_read(options->storage, &options->history, options->error);
    if (r == 0)
        r = nv_asking_read(options->query, &options->asking, options->error);
    if (r == 0)
        r = nv_kubernetes_check(options->kube, options->error);
    return r;
}

int nv_options_parse(struct nv_options *options, const struct nv_collector *const *builtins,
                     int argc, const char *const *argv)
{
    int r = add_all(options, builtins);
    if (r < 0)
        return r;
    r = nv_flags_peek(options->flags, argc, argv, "collector.plugin-dir", load_plugins, options);
    if (r < 0)
        return options->error[0] ? r : failed_flags(options, r);
    for (size_t i = 0; i < NV_LEN(environment); i++) {
        const char *text = getenv(environment[i].variable);
        if (!text || !text[0])
            continue;
        r = nv_flags_default(options->flags, environment[i].flag, text);
        if (r == -EINVAL)
            return fail(options, r, "environment variable %s cannot be '%s'",
                        environment[i].variable, text);
        if (r < 0)
            return r;
    }
    r = nv_flags_parse(options->flags, argc, argv);
    return r == 0 ? check(options) : failed_flags(options, r);
}

/* What was switched by name is as it was switched; the default decides the rest, unless disabled. */
static bool is_asked_for(const struct nv_options *options, size_t i)
{
    const struct nv_flag_value *on = options->collectors[i].on;

    return on->on && (on->given || !options->general[NV_OPTION_DISABLE_DEFAULTS].on);
}

bool nv_options_is_on(const struct nv_options *options, size_t i)
{
    return options->collectors[i].collector && is_asked_for(options, i);
}

bool nv_options_is_missed(const struct nv_options *options, size_t i)
{
    return !options->collectors[i].collector && is_asked_for(options, i);
}

enum nv_log_level nv_options_log_level(const struct nv_options *options)
{
    static const enum nv_log_level known[] = {NV_DEBUG, NV_INFO, NV_WARN, NV_ERROR};

    for (size_t i = 0; i < NV_LEN(levels); i++) {
        if (nv_str_is(options->general[NV_OPTION_LOG_LEVEL].text, levels[i]))
            return known[i];
    }
    return NV_INFO;
}
