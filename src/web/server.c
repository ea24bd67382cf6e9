#include "web/server.h"

#include <errno.h>
#include <gnutls/abstract.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/regex.h"
#include "web/nothing.h"

/* ---- event loops ---------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format,
                                                         va_list arguments)
{
    char text[512];

    (void)cls; /* resets, garbage and the like: every client can cause them */
    if (!nv_log_wants(NV_DEBUG))
        return;
    vsnprintf(text, sizeof(text), format, arguments);
    nv_log_debug("%.*s", NV_ARGS(nv_str_trim(nv_str(text))));
}

__attribute__((noreturn)) static void on_panic(void *cls, const char *file, unsigned line,
                                               const char *reason)
{
    (void)cls;
    nv_assert_failed(reason ? reason : "libmicrohttpd", file, (int)line);
}

/* libmicrohttpd wants a certificate before it speaks TLS. Ours come with every session (nv_tls_attach), where
 * they can change; it never gets as far as to ask for this one. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities,
                          int n_authorities, const gnutls_pk_algorithm_t *algorithms,
                          int n_algorithms, gnutls_pcert_st **certificates, unsigned *n,
                          gnutls_privkey_t *key)
{
    (void)session, (void)authorities, (void)n_authorities, (void)algorithms;
    (void)n_algorithms, (void)certificates, (void)n, (void)key;
    return -1;
}

static int lane_open(struct nv_lane *lane)
{
    unsigned per_ip = NV_WEB_CONNECTIONS_PER_IP_MAX / NV_WEB_LANES; /* each loop counts its own */
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER,         (intptr_t)on_log,             NULL},
        {MHD_OPTION_CONNECTION_LIMIT,        NV_WEB_CONNECTIONS_MAX,       NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (int)per_ip,                  NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, NV_WEB_HEAD_MAX,              NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT,      NV_WEB_IDLE_S,                NULL},
        {MHD_OPTION_NOTIFY_CONNECTION,       (intptr_t)nv_on_connection,   lane},
        {MHD_OPTION_NOTIFY_COMPLETED,        (intptr_t)nv_on_completed,    NULL},
        {MHD_OPTION_URI_LOG_CALLBACK,        (intptr_t)nv_on_request_line, NULL},
        {MHD_OPTION_END,                     0,                            NULL},
        {MHD_OPTION_END,                     0,                            NULL},
    };
    size_t n = NV_LEN(options) - 2;

    if (nv_web_has_tls(lane->door->web)) {
        flags |= MHD_USE_TLS;
        options[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)no_certificate};
    }

    errno = 0;
    lane->daemon = MHD_start_daemon(flags, 0, NULL, NULL, nv_on_request, NULL, MHD_OPTION_ARRAY,
                                    options, MHD_OPTION_END);
    return lane->daemon ? 0 : errno > 0 ? -errno : -EIO;
}

static int door_open(struct nv_door *door, unsigned n_lanes)
{
    int r = 0;

    for (door->n_lanes = 0; door->n_lanes < n_lanes && r == 0; door->n_lanes += r == 0) {
        door->lanes[door->n_lanes].door = door;
        r = lane_open(&door->lanes[door->n_lanes]);
    }
    return r;
}

static void door_close(struct nv_door *door)
{
    while (door->n_lanes > 0)
        MHD_stop_daemon(door->lanes[--door->n_lanes].daemon);
    nv_listener_done(&door->listener);
}

int nv_web_start(struct nv_web *web, char error[NV_WEB_ERROR_MAX])
{
    nv_assert(!web->started);
    MHD_set_panic_func(on_panic, NULL);
    nv_scrape_init(web);
    web->started = true;
    int r = nv_deadlines_start(&web->deadlines);
    for (size_t i = 0; i < web->n_doors && r == 0; i++) {
        r = door_open(&web->doors[i], i == 0 ? NV_WEB_LANES : 1);
        if (r < 0)
            snprintf(error, NV_WEB_ERROR_MAX, "cannot serve %s: %s", web->doors[i].listener.text,
                     strerror(-r));
    }
    if (r == 0) {
        r = nv_accept_start(web);
        if (r < 0)
            snprintf(error, NV_WEB_ERROR_MAX, "cannot take connections: %s", strerror(-r));
    }
    if (r < 0)
        nv_web_stop(web);
    return r;
}

void nv_web_stop(struct nv_web *web)
{
    if (!web->started)
        return;
    web->started = false;
    __atomic_store_n(&web->stopping, true, __ATOMIC_RELAXED); /* what waits is not begun any more */
    nv_accept_stop(web);
    for (size_t i = 0; i < web->n_doors; i++)
        nv_listener_shut(&web->doors[i].listener);
    /* A connection must not be suspended when its daemon stops; from here on none can be. */
    nv_inquiries_cancel(&web->inquiries);
    nv_jobs_stop(&web->inquiries.queries);
    nv_jobs_stop(&web->inquiries.asks);
    nv_jobs_stop(&web->passwords);
    if (web->review)
        nv_review_stop(web->review);
    nv_jobs_stop(&web->passes);
    /* Nor may a connection have something to say by then: libmicrohttpd 0.9.75 dies of answering a bad request
     * while it stops (MHD_queue_response() then claims to have queued what it did not). */
    nv_deadlines_end(&web->deadlines, NV_WEB_GRACE_MS, NV_WEB_LEAVE_MS);
    for (size_t i = 0; i < web->n_doors; i++)
        door_close(&web->doors[i]);
    nv_deadlines_stop(&web->deadlines);
}

/* ---- making and ending ---------------------------------------------------------------------- */

static int open_doors(struct nv_web *web, const struct nv_web_options *options,
                      char error[NV_WEB_ERROR_MAX])
{
    struct nv_listener inherited[NV_WEB_LISTENERS_MAX];
    int r = 0;

    if (options->systemd_socket) {
        size_t n = 0;
        r = nv_listen_inherited(inherited, NV_WEB_LISTENERS_MAX, &n, error, NV_WEB_ERROR_MAX);
        for (size_t i = 0; i < n; i++)
            web->doors[web->n_doors++].listener = inherited[i];
    } else if (options->n_listen > NV_WEB_LISTENERS_MAX) {
        snprintf(error, NV_WEB_ERROR_MAX, "%zu listen addresses; %d are served at most",
                 options->n_listen, NV_WEB_LISTENERS_MAX);
        r = -E2BIG;
    } else {
        for (size_t i = 0; i < options->n_listen && r == 0; i++) {
            r = nv_listen(options->listen[i], &web->doors[i].listener, error, NV_WEB_ERROR_MAX);
            web->n_doors += r == 0;
        }
    }
    for (size_t i = 0; i < web->n_doors; i++)
        web->doors[i].web = web;
    return r;
}

static int open_gate(struct nv_web *web, const char *path, bool self_signed,
                     char error[NV_WEB_ERROR_MAX])
{
    _Static_assert((int)NV_WEB_ERROR_MAX >= (int)NV_YAML_ERROR_MAX, "an error fits");

    web->warning = "";
    bool has_file = path && *path;
    if (!has_file && !self_signed)
        return 0;
    snprintf(error, NV_WEB_ERROR_MAX, "out of memory");
    int r =
        has_file ? nv_gate_new(path, &web->gate, error) : nv_gate_self_signed(&web->gate, error);
    if (r < 0)
        return r;
    const struct nv_web_config *config = &web->gate->access->config;
    web->tls = config->tls.present;
    if (config->tls.present && config->http2_asked && config->http2)
        web->warning = "http_server_config: http2 is not provided; clients get HTTP/1.1";
    return 0;
}

static int open_review(struct nv_web *web, const struct nv_review_options *options,
                       char error[NV_WEB_ERROR_MAX])
{
    _Static_assert((int)NV_WEB_ERROR_MAX >= (int)NV_REVIEW_ERROR_MAX, "an error fits");

    int r = options ? nv_review_new(options, &web->review, error) : 0;
    if (r == 0 && web->review && !nv_web_has_tls(web) && !web->warning[0])
        web->warning =
            "tokens are taken without TLS: who listens in can use them; give a certificate by "
            "--web.config.file, or --web.kubernetes-auth.self-signed";
    return r;
}

static int check_path(const char *path, char error[NV_WEB_ERROR_MAX])
{
    if (path[0] == '/' && !strpbrk(path, "?# "))
        return 0;
    snprintf(error, NV_WEB_ERROR_MAX,
             "telemetry path '%s' must begin with / and have no blank, ? or #", path);
    return -EINVAL;
}

int nv_web_new(const struct nv_web_options *options, struct nv_web **ret,
               char error[NV_WEB_ERROR_MAX])
{
    int r = check_path(options->telemetry_path, error);
    if (r < 0)
        return r;

    NV_AUTO(nv_web) *web = calloc(1, sizeof(*web));
    if (!web) {
        snprintf(error, NV_WEB_ERROR_MAX, "out of memory");
        return -ENOMEM;
    }
    nv_deadlines_init(&web->deadlines);
    nv_jobs_init(&web->passes, "nv-pass", NV_WEB_PASS_THREADS_MAX, NV_WEB_PASSES_WAITING_MAX);
    nv_jobs_init(&web->passwords, "nv-password", 1, NV_WEB_PASSWORDS_WAITING_MAX);
    nv_bodies_init(&web->bodies);
    r = nv_inquiries_init(&web->inquiries);
    gethostname(web->host, sizeof(web->host) - 1);
    web->build = (struct nv_web_build){options->version, options->revision, options->branch};
    pthread_mutex_init(&web->scrapes_lock, NULL);
    web->telemetry_path = strdup(options->telemetry_path);
    web->max_requests = options->max_requests;
    web->gather = options->gather;
    web->collectors = options->collectors;
    web->n_collectors = options->n_collectors;
    web->exposed = options->exposed;

    if (r == 0)
        r = web->telemetry_path ? nv_route_init(web, options) : -ENOMEM;
    if (r < 0) {
        snprintf(error, NV_WEB_ERROR_MAX, "out of memory");
        return r;
    }
    r = open_gate(web, options->config_file, options->self_signed, error);
    if (r == 0)
        r = open_review(web, options->kubernetes, error);
    if (r == 0)
        r = open_doors(web, options, error);
    if (r < 0)
        return r;
    *ret = nv_take(web);
    return 0;
}

void nv_web_free(struct nv_web *web)
{
    if (!web)
        return;
    nv_web_stop(web);
    for (size_t i = 0; i < web->n_doors; i++)
        nv_listener_done(&web->doors[i].listener);
    nv_jobs_done(&web->passwords);
    nv_jobs_done(&web->passes);
    nv_inquiries_done(&web->inquiries);
    nv_regex_free(web->cors);
    nv_deadlines_done(&web->deadlines);
    nv_bodies_done(&web->bodies);
    nv_gate_free(web->gate);
    nv_review_free(web->review);
    pthread_mutex_destroy(&web->scrapes_lock);
    free(web->telemetry_path);
    free(web->landing);
    free(web);
}

/* ---- what is asked of a server -------------------------------------------------------------- */

int nv_web_set_api(struct nv_web *web, const struct nv_api *api, char error[NV_WEB_ERROR_MAX])
{
    char reason[NV_REGEX_ERROR_MAX] = "";

    nv_assert(!web->started && !web->has_api);
    web->api = *api;
    web->has_api = api->access != NV_API_OFF;
    if (!web->api.queryable)
        web->api.queryable = &nv_queryable_of_nothing;
    if (!web->api.timeout_ms)
        web->api.timeout_ms = NV_API_TIMEOUT_MS;
    if (!web->api.max_concurrency)
        web->api.max_concurrency = NV_API_QUERIES_MAX;
    web->inquiries.queries.threads_max = web->api.max_concurrency;
    __atomic_store_n(&web->pool, api->promql.pool, __ATOMIC_RELEASE);
    if (!api->cors_origin || !api->cors_origin[0])
        return 0;
    int r = nv_regex_new(nv_str(api->cors_origin), NV_REGEX_ANCHORED, &web->cors, reason);
    if (r < 0)
        snprintf(error, NV_WEB_ERROR_MAX, "origin '%.200s' cannot be: %s", api->cors_origin,
                 reason[0] ? reason : strerror(-r));
    return r;
}

void nv_web_set_ready(struct nv_web *web, bool is_ready)
{
    __atomic_store_n(&web->ready, is_ready, __ATOMIC_RELAXED);
}

size_t nv_web_n_addresses(const struct nv_web *web)
{
    return web->n_doors;
}

const char *nv_web_address(const struct nv_web *web, size_t i)
{
    nv_assert(i < web->n_doors);
    return web->doors[i].listener.text;
}

bool nv_web_has_tls(const struct nv_web *web)
{
    return web->tls;
}

const char *nv_web_warning(const struct nv_web *web)
{
    return web->warning;
}

static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static uint64_t gate_errors(struct nv_gate *gate)
{
    if (!gate)
        return 0;
    pthread_mutex_lock(&gate->lock);
    uint64_t errors = gate->errors;
    pthread_mutex_unlock(&gate->lock);
    return errors;
}

static void tell_queries(struct nv_web *web, struct nv_web_stats *ret)
{
    struct nv_inquiries *inquiries = &web->inquiries;
    struct nv_jobs *jobs = &inquiries->queries;
    struct nv_promql_pool_stats pool = {0};

    for (size_t i = 0; i < NV_OUTCOMES; i++)
        ret->api[i] = load(&inquiries->outcomes[i]);
    ret->query_ns = load(&inquiries->query_ns);
    pthread_mutex_lock(&jobs->lock);
    ret->queries = jobs->threads - jobs->idle;
    ret->queries_waiting = jobs->waiting;
    pthread_mutex_unlock(&jobs->lock);
    struct nv_promql_pool *memory = __atomic_load_n(&web->pool, __ATOMIC_ACQUIRE);
    if (memory)
        nv_promql_pool_stats(memory, &pool);
    ret->query_memory = pool.used;
    ret->query_memory_waits = pool.waits;
}

void nv_web_stats(struct nv_web *web, struct nv_web_stats *ret)
{
    const struct nv_counters *counters = &web->counters;

    *ret = (struct nv_web_stats){
        .requests_200 = load(&counters->scrapes_200),
        .requests_500 = load(&counters->scrapes_500),
        .requests_503 = load(&counters->scrapes_503),
        .in_flight = load(&counters->in_flight),
        .errors_gathering = load(&counters->errors_gathering),
        .errors_encoding = load(&counters->errors_encoding),
        .requests = load(&counters->requests),
        .response_bytes = load(&counters->response_bytes),
        .connections = load(&counters->connections),
        .connections_open = load(&counters->connections_open),
        .connections_overdue = load(&web->deadlines.overdue),
        .auth_failures = load(&counters->auth_failures),
        .rate_limited = load(&counters->rate_limited),
        .exposed_conflicts = load(&counters->exposed_conflicts),
        .exposed_duplicates = load(&counters->exposed_duplicates),
        .config_errors = gate_errors(web->gate),
    };
    tell_queries(web, ret);
    ret->has_reviews = web->review;
    if (web->review)
        nv_review_stats(web->review, &ret->reviews);
}
