#include "web/server.h"

#include <gnutls/abstract.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/log.h"

_Thread_local struct nv_lane nv_lane;

/* ---- answers -------------------------------------------------------------------------------- */

void nv_add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)!MHD_add_response_header(response, name, value); /* fails for want of memory only */
}

enum MHD_Result nv_answer(struct nv_connection *connection, unsigned status,
                          struct MHD_Response *response)
{
    const struct nv_access *access = connection->request.access;

    connection->request.stage = NV_STAGE_ANSWERED;
    if (!response)
        return MHD_NO; /* closes the connection */
    for (size_t i = 0; access && i < access->config.n_headers; i++) {
        const struct nv_web_header *header = &access->config.headers[i];
        (void)MHD_del_response_header(response, header->name,
                                      "nosniff"); /* ours would stand twice */
        nv_add_header(response, header->name, header->value);
    }
    enum MHD_Result result = MHD_queue_response(connection->mhd, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result nv_answer_error(struct nv_connection *connection, unsigned status, const char *text)
{
    NV_AUTO_FREE char *copy =
        strdup(text); /* libmicrohttpd wants it writable, and copies it again */
    struct MHD_Response *response =
        copy ? MHD_create_response_from_buffer(strlen(copy), copy, MHD_RESPMEM_MUST_COPY) : NULL;

    if (response) {
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
        nv_add_header(response, "X-Content-Type-Options", "nosniff");
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
            nv_add_header(response, "Allow", "GET, HEAD");
        if (status == MHD_HTTP_UNAUTHORIZED)
            nv_add_header(response, "WWW-Authenticate", "Basic");
    }
    return nv_answer(connection, status, response);
}

/* ---- the life of a connection --------------------------------------------------------------- */

static void connection_begin(struct nv_door *door, struct MHD_Connection *mhd, void **context)
{
    struct nv_web *web = door->web;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct nv_connection *connection = calloc(1, sizeof(*connection));

    nv_lane.connections++;
    nv_count(&web->counters.connections);
    nv_count(&web->counters.connections_open);
    *context = connection;
    if (!connection) { /* cannot be refused here: what follows sees that there is none */
        shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    connection->magic = NV_CONNECTION_MAGIC;
    connection->web = web;
    connection->door = door;
    connection->mhd = mhd;
    connection->request.query = NV_BUF(NV_WEB_QUERY_MAX);
    connection->request.memory = NV_ARENA(128 << 10);
    nv_deadline_add(&web->deadlines, &connection->deadline, info->connect_fd, NV_WEB_HEAD_MS);
    if (nv_web_has_tls(web)) {
        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        connection->tls = nv_gate_tls(web->gate);
        nv_tls_attach(connection->tls, info->tls_session);
    }
}

static void connection_end(struct nv_door *door, struct nv_connection *connection)
{
    if (nv_lane.connections) /* at the stop another thread may clean up */
        nv_lane.connections--;
    __atomic_sub_fetch(&door->web->counters.connections_open, 1, __ATOMIC_RELAXED);
    if (!connection)
        return;
    nv_assert(connection->magic == NV_CONNECTION_MAGIC);
    nv_deadline_remove(&door->web->deadlines, &connection->deadline);
    nv_tls_unref(connection->tls);
    nv_buf_done(&connection->request.query);
    nv_arena_done(&connection->request.memory);
    connection->magic = 0;
    free(connection);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_begin(cls, mhd, context);
    else
        connection_end(cls, *context);
}

static struct nv_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct nv_connection *connection = info ? info->socket_context : NULL;

    nv_assert(!connection || connection->magic == NV_CONNECTION_MAGIC);
    return connection;
}

/* ---- the life of a request ------------------------------------------------------------------ */

/* The request line as it came, before libmicrohttpd decodes it. Its result is the request's context. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct nv_connection *connection = connection_of(mhd);
    const char *mark = strchr(uri, '?');

    (void)cls;
    if (!connection)
        return NULL;
    struct nv_request *request = &connection->request;
    request->stage = NV_STAGE_HEAD;
    request->body_seen = 0;
    request->counted = request->limited = false;
    request->status = 0;
    nv_arena_reset(&request->memory);
    nv_buf_reset(&request->query);
    if (mark)
        nv_buf_text(&request->query, mark + 1);
    return request;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct nv_request *request = *context;

    (void)cls;
    (void)how;
    (void)mhd;
    if (!request)
        return;
    *context = NULL;
    nv_scrape_completed(request);
    nv_access_unref(nv_take(request->access));
    nv_deadline_set(&nv_connection_of(request)->deadline, NV_WEB_IDLE_S * 1000 + NV_WEB_HEAD_MS);
}

/* ---- who may ask ---------------------------------------------------------------------------- */

static enum MHD_Result refuse_user(struct nv_connection *connection)
{
    nv_count(&connection->web->counters.auth_failures);
    return nv_answer_error(connection, MHD_HTTP_UNAUTHORIZED, "Unauthorized\n");
}

static void verify(struct nv_job *job)
{
    struct nv_request *request =
        (struct nv_request *)(void *)((char *)job - offsetof(struct nv_request, job));
    struct nv_connection *connection = nv_connection_of(request);
    struct nv_web *web = connection->web;

    nv_assert(connection->magic == NV_CONNECTION_MAGIC);
    if (!__atomic_load_n(&web->stopping, __ATOMIC_RELAXED))
        request->verdict = nv_gate_verify(web->gate, request->access, request->credentials);
    MHD_resume_connection(connection->mhd);
}

/* A password that was not seen lately: bcrypt takes as long as many scrapes, so others go on meanwhile. */
static enum MHD_Result ask_bcrypt(struct nv_connection *connection,
                                  const struct nv_credentials *credentials)
{
    struct nv_request *request = &connection->request;

    request->credentials = nv_arena_alloc(&request->memory, sizeof(*credentials));
    if (!request->credentials)
        return nv_answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
    *request->credentials = *credentials;
    request->verdict = -EAGAIN;
    request->stage = NV_STAGE_PASSWORD;
    request->job.run = verify;
    MHD_suspend_connection(connection->mhd);
    if (nv_jobs_add(&connection->web->passwords, &request->job) < 0)
        MHD_resume_connection(connection->mhd); /* without a verdict */
    return MHD_YES;
}

static enum MHD_Result after_bcrypt(struct nv_connection *connection, const char *path)
{
    struct nv_request *request = &connection->request;

    explicit_bzero(request->credentials, sizeof(*request->credentials));
    if (request->verdict < 0)
        return nv_answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                               "Too busy, try again later.\n");
    return request->verdict ? nv_route(connection, path) : refuse_user(connection);
}

static enum MHD_Result check_user(struct nv_connection *connection, const char *path)
{
    const struct nv_access *access = connection->request.access;
    const char *header = MHD_lookup_connection_value(connection->mhd, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_AUTHORIZATION);
    struct nv_credentials credentials;

    if (access->config.n_users == 0)
        return nv_route(connection, path);
    if (!header || !nv_credentials_read(header, &credentials))
        return refuse_user(connection);
    int verdict = nv_gate_recall(connection->web->gate, access, &credentials);
    enum MHD_Result result = verdict > 0    ? nv_route(connection, path)
                             : verdict == 0 ? refuse_user(connection)
                                            : ask_bcrypt(connection, &credentials);
    explicit_bzero(&credentials, sizeof(credentials));
    return result;
}

/* Health needs neither password nor token, and is told even while the configuration is broken: whoever
 * restarts us for want of it would not mend that. */
static enum MHD_Result admit(struct nv_connection *connection, const char *path, const char *method)
{
    struct nv_web *web = connection->web;
    struct nv_request *request = &connection->request;

    if (request->query.failed)
        return nv_answer_error(connection, MHD_HTTP_URI_TOO_LONG, "URI Too Long\n");
    if (web->gate)
        request->access = nv_gate_access(web->gate);
    if (nv_route_is_health(path))
        return nv_route_health(connection, path, method);
    if (!web->gate)
        return nv_route(connection, path);
    if (!request->access)
        return nv_answer_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
                               "Internal Server Error\n");
    if (!nv_gate_take_token(web->gate)) {
        nv_count(&web->counters.rate_limited);
        return nv_answer_error(connection, MHD_HTTP_TOO_MANY_REQUESTS, "Too Many Requests\n");
    }
    return check_user(connection, path);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* A body means nothing here; one that is announced as long is refused before it is sent. */
static enum MHD_Result begin(struct nv_connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection->mhd, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t n = 0;

    connection->request.stage = NV_STAGE_BODY;
    nv_deadline_set(&connection->deadline, NV_WEB_HEAD_MS);
    if (length && (!nv_str_to_u64(nv_str(length), &n) || n > NV_WEB_BODY_MAX))
        return nv_answer_error(connection, MHD_HTTP_CONTENT_TOO_LARGE,
                               "Request Entity Too Large\n");
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_n, void **context)
{
    struct nv_request *request = *context;

    (void)cls;
    (void)mhd;
    (void)version;
    (void)upload;
    if (!request)
        return MHD_NO;
    struct nv_connection *connection = nv_connection_of(request);
    nv_assert(connection->magic == NV_CONNECTION_MAGIC);

    switch (request->stage) {
    case NV_STAGE_HEAD:
        return begin(connection);
    case NV_STAGE_BODY:
        if (*upload_n) {
            request->body_seen += *upload_n;
            *upload_n = 0;
            return request->body_seen > NV_WEB_BODY_MAX ? MHD_NO : MHD_YES;
        }
        nv_count(&connection->web->counters.requests);
        nv_deadline_set(&connection->deadline, NV_WEB_ANSWER_MS);
        return admit(connection, path, method);
    case NV_STAGE_PASSWORD:
        return after_bcrypt(connection, path);
    case NV_STAGE_PASS:
        return nv_scrape_answer(connection);
    case NV_STAGE_ANSWERED:
        *upload_n = 0; /* refused early: what still comes is dropped */
        return MHD_YES;
    }
    return MHD_NO;
}

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

static int door_open(struct nv_door *door, unsigned lanes)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER,         (intptr_t)on_log,              NULL},
        {MHD_OPTION_LISTEN_SOCKET,           door->listener.fd,             NULL},
        {MHD_OPTION_CONNECTION_LIMIT,        NV_WEB_CONNECTIONS_MAX,        NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, NV_WEB_CONNECTIONS_PER_IP_MAX, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, NV_WEB_HEAD_MAX,               NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT,      NV_WEB_IDLE_S,                 NULL},
        {MHD_OPTION_NOTIFY_CONNECTION,       (intptr_t)on_connection,       door},
        {MHD_OPTION_NOTIFY_COMPLETED,        (intptr_t)on_completed,        NULL},
        {MHD_OPTION_URI_LOG_CALLBACK,        (intptr_t)on_request_line,     NULL},
        {MHD_OPTION_END,                     0,                             NULL},
        {MHD_OPTION_END,                     0,                             NULL},
        {MHD_OPTION_END,                     0,                             NULL},
    };
    size_t n = NV_LEN(options) - 3;

    if (lanes > 1)
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (int)lanes, NULL};
    if (nv_web_has_tls(door->web)) {
        flags |= MHD_USE_TLS;
        options[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)no_certificate};
    }

    door->lanes = lanes;
    errno = 0;
    door->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_ARRAY,
                                    options, MHD_OPTION_END);
    return door->daemon ? 0 : errno > 0 ? -errno : -EIO;
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
    for (size_t i = 0; i < web->n_doors; i++) {
        if (web->doors[i].daemon) /* stops listening; the socket stays ours */
            (void)MHD_quiesce_daemon(web->doors[i].daemon);
        nv_listener_done(&web->doors[i].listener);
    }
    /* A connection must not be suspended when its daemon stops; from here on none can be. */
    nv_jobs_stop(&web->passwords);
    nv_jobs_stop(&web->passes);
    for (size_t i = 0; i < web->n_doors; i++) {
        if (web->doors[i].daemon)
            MHD_stop_daemon(web->doors[i].daemon);
        web->doors[i].daemon = NULL;
    }
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

static int open_gate(struct nv_web *web, const char *path, char error[NV_WEB_ERROR_MAX])
{
    _Static_assert((int)NV_WEB_ERROR_MAX >= (int)NV_YAML_ERROR_MAX, "an error fits");

    web->warning = "";
    if (!path || !*path)
        return 0;
    snprintf(error, NV_WEB_ERROR_MAX, "out of memory");
    int r = nv_gate_new(path, &web->gate, error);
    if (r < 0)
        return r;
    const struct nv_web_config *config = &web->gate->access->config;
    web->tls = config->tls.present;
    if (config->tls.present && config->http2_asked && config->http2)
        web->warning = "http_server_config: http2 is not provided; clients get HTTP/1.1";
    return 0;
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
    pthread_mutex_init(&web->scrapes_lock, NULL);
    web->telemetry_path = strdup(options->telemetry_path);
    web->max_requests = options->max_requests;
    web->gather = options->gather;
    web->collectors = options->collectors;
    web->n_collectors = options->n_collectors;

    r = web->telemetry_path ? nv_route_init(web, options) : -ENOMEM;
    if (r < 0) {
        snprintf(error, NV_WEB_ERROR_MAX, "out of memory");
        return r;
    }
    r = open_gate(web, options->config_file, error);
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
    nv_deadlines_done(&web->deadlines);
    nv_bodies_done(&web->bodies);
    nv_gate_free(web->gate);
    pthread_mutex_destroy(&web->scrapes_lock);
    free(web->telemetry_path);
    free(web->landing);
    free(web);
}

/* ---- what is asked of a server -------------------------------------------------------------- */

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

void nv_web_stats(const struct nv_web *web, struct nv_web_stats *ret)
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
        .config_errors = gate_errors(web->gate),
    };
}
