#include "web/server.h"

#include <errno.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/assert.h"

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
        /* Error pages have X-Content-Type-Options already. */
        (void)MHD_del_response_header(response, header->name, "nosniff");
        nv_add_header(response, header->name, header->value);
    }
    enum MHD_Result result = MHD_queue_response(connection->mhd, status, response);
    MHD_destroy_response(response);
    return result;
}

static bool has_users(const struct nv_connection *connection)
{
    const struct nv_access *access = connection->request.access;

    return access && access->config.n_users > 0;
}

enum MHD_Result nv_answer_error(struct nv_connection *connection, unsigned status, const char *text)
{
    NV_AUTO_FREE char *copy = strdup(text); /* its type is not const, and it may be on the stack */
    struct MHD_Response *response =
        copy ? MHD_create_response_from_buffer(strlen(copy), copy, MHD_RESPMEM_MUST_COPY) : NULL;

    if (response) {
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
        nv_add_header(response, "X-Content-Type-Options", "nosniff");
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED && !connection->request.endpoint)
            nv_add_header(response, "Allow", "GET, HEAD");
        if (status == MHD_HTTP_UNAUTHORIZED && connection->web->review)
            nv_add_header(response, "WWW-Authenticate", "Bearer");
        if (status == MHD_HTTP_UNAUTHORIZED && (has_users(connection) || !connection->web->review))
            nv_add_header(response, "WWW-Authenticate", "Basic");
    }
    return nv_answer(connection, status, response);
}

/* ---- the life of a connection --------------------------------------------------------------- */

static void connection_begin(struct nv_lane *lane, struct MHD_Connection *mhd, void **context)
{
    struct nv_web *web = lane->door->web;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct nv_connection *connection = calloc(1, sizeof(*connection));

    nv_count(&web->counters.connections);
    nv_count(&web->counters.connections_open);
    *context = connection;
    if (!connection) { /* cannot be refused here: what follows sees that there is none */
        nv_deadlines_renounce(&web->deadlines);
        shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    connection->magic = NV_CONNECTION_MAGIC;
    connection->web = web;
    connection->lane = lane;
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

static void connection_end(struct nv_lane *lane, struct nv_connection *connection)
{
    struct nv_web *web = lane->door->web;

    __atomic_sub_fetch(&lane->connections, 1, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&web->counters.connections_open, 1, __ATOMIC_RELAXED);
    if (!connection)
        return;
    nv_assert(connection->magic == NV_CONNECTION_MAGIC);
    nv_deadline_remove(&web->deadlines, &connection->deadline);
    nv_tls_unref(connection->tls);
    nv_buf_done(&connection->request.query);
    nv_arena_done(&connection->request.memory);
    connection->magic = 0;
    free(connection);
}

void nv_on_connection(void *lane, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_begin(lane, mhd, context);
    else
        connection_end(lane, *context);
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
void *nv_on_request_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct nv_connection *connection = connection_of(mhd);
    const char *mark = strchr(uri, '?');

    (void)cls;
    if (!connection)
        return NULL;
    struct nv_request *request = &connection->request;
    __atomic_store_n(&connection->deadline.idle, false, __ATOMIC_RELAXED);
    request->stage = NV_STAGE_HEAD;
    request->body_seen = 0;
    request->endpoint = NULL;
    request->body_kept = false;
    request->counted = request->limited = request->reviewed = false;
    request->status = 0;
    nv_arena_reset(&request->memory);
    nv_buf_reset(&request->query);
    if (mark)
        nv_buf_text(&request->query, mark + 1);
    return request;
}

/*
 * libmicrohttpd takes a short read for the end of what there is, so it misses a FIN that came with the request
 * and would keep the connection until it is idle for too long. Closing the side that is closed already makes
 * the kernel tell it once more.
 */
static void repeat_fin(int socket)
{
    char byte;

    if (recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        shutdown(socket, SHUT_RD);
}

static void inquiry_completed(struct nv_connection *connection)
{
    struct nv_request *request = &connection->request;

    if (request->inquiry)
        nv_inquiry_leave(nv_take(request->inquiry));
    nv_buf_done(&request->body);
    __atomic_sub_fetch(&connection->web->inquiries.body_bytes, request->body_counted,
                       __ATOMIC_RELAXED);
    request->body = NV_BUF(NV_API_BODY_MAX);
    request->body_counted = 0;
}

void nv_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                     enum MHD_RequestTerminationCode how)
{
    struct nv_request *request = *context;

    (void)cls;
    (void)mhd;
    if (!request)
        return;
    struct nv_deadline *deadline = &nv_connection_of(request)->deadline;
    *context = NULL;
    nv_scrape_completed(request);
    inquiry_completed(nv_connection_of(request));
    nv_access_unref(nv_take(request->access));
    nv_deadline_set(deadline, NV_WEB_IDLE_S * 1000 + NV_WEB_HEAD_MS);
    __atomic_store_n(&deadline->idle, true, __ATOMIC_RELAXED);
    if (__atomic_load_n(&nv_connection_of(request)->web->stopping, __ATOMIC_RELAXED))
        shutdown(deadline->socket, SHUT_RDWR);
    else if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        repeat_fin(deadline->socket);
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

static enum MHD_Result after_bcrypt(struct nv_connection *connection, const char *path,
                                    const char *method)
{
    struct nv_request *request = &connection->request;

    explicit_bzero(request->credentials, sizeof(*request->credentials));
    if (request->verdict < 0)
        return nv_answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                               "Too busy, try again later.\n");
    return request->verdict ? nv_route(connection, path, method) : refuse_user(connection);
}

static enum MHD_Result check_password(struct nv_connection *connection, const char *header,
                                      const char *path, const char *method)
{
    const struct nv_access *access = connection->request.access;
    struct nv_credentials credentials;

    if (!header || !nv_credentials_read(header, &credentials))
        return refuse_user(connection);
    int verdict = nv_gate_recall(connection->web->gate, access, &credentials);
    enum MHD_Result result = verdict > 0    ? nv_route(connection, path, method)
                             : verdict == 0 ? refuse_user(connection)
                                            : ask_bcrypt(connection, &credentials);
    explicit_bzero(&credentials, sizeof(credentials));
    return result;
}

/* A token; a user with a password; the certificate of the session: whatever is shown first decides. */
static enum MHD_Result check_user(struct nv_connection *connection, const char *path,
                                  const char *method)
{
    const struct nv_web *web = connection->web;
    const char *header = MHD_lookup_connection_value(connection->mhd, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_AUTHORIZATION);
    enum MHD_Result result;

    if (!web->review)
        return has_users(connection) ? check_password(connection, header, path, method)
                                     : nv_route(connection, path, method);
    if (nv_is_bearer(header))
        return nv_review_bearer(connection, header, path, method);
    if (header && has_users(connection))
        return check_password(connection, header, path, method);
    if (!header && nv_review_certificate(connection, path, method, &result))
        return result;
    return refuse_user(connection);
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
        return check_user(connection, path, method);
    if (!request->access)
        return nv_answer_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
                               "Internal Server Error\n");
    if (!nv_gate_take_token(web->gate)) {
        nv_count(&web->counters.rate_limited);
        return nv_answer_error(connection, MHD_HTTP_TOO_MANY_REQUESTS, "Too Many Requests\n");
    }
    return check_user(connection, path, method);
}

/* ---- requests ------------------------------------------------------------------------------- */

static size_t body_max(const struct nv_request *request)
{
    return request->body_kept ? NV_API_BODY_MAX : NV_WEB_BODY_MAX;
}

/* A body means nothing to most; one that is announced as long is refused before it is sent. */
static enum MHD_Result begin(struct nv_connection *connection, const char *path, const char *method)
{
    struct nv_request *request = &connection->request;
    const char *length = MHD_lookup_connection_value(connection->mhd, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t n = 0;

    request->stage = NV_STAGE_BODY;
    nv_deadline_set(&connection->deadline, NV_WEB_HEAD_MS);
    nv_api_find(connection, path, method);
    request->body_kept = request->endpoint && nv_api_wants_body(connection, method);
    request->from_stranger = !nv_api_may_ask(connection);
    request->body.max = NV_API_BODY_MAX;
    if (length && (!nv_str_to_u64(nv_str(length), &n) || n > body_max(request)))
        return request->body_kept ? nv_api_too_large(connection)
                                  : nv_answer_error(connection, MHD_HTTP_CONTENT_TOO_LARGE,
                                                    "Request Entity Too Large\n");
    return MHD_YES;
}

/* A piece of the body. What is kept is counted, so that all together are bounded. */
static enum MHD_Result take_body(struct nv_connection *connection, const char *upload, size_t n)
{
    struct nv_request *request = &connection->request;
    size_t *all = &connection->web->inquiries.body_bytes;
    size_t most = request->from_stranger ? NV_API_STRANGERS_MAX : NV_API_BODIES_MAX;

    request->body_seen += n;
    if (request->body_seen > body_max(request) && !request->body_kept)
        return MHD_NO;
    if (!request->body_kept || request->body.failed)
        return MHD_YES; /* the head's deadline ends what does not end */
    request->body_counted += n;
    if (__atomic_add_fetch(all, n, __ATOMIC_RELAXED) <= most)
        nv_buf_add(&request->body, upload, n);
    else
        request->body.failed = -ENOMEM;
    return MHD_YES;
}

/* A request line may have the whole URL, as for a proxy. */
static const char *path_of(const char *url)
{
    const char *host = strncasecmp(url, "http://", 7) == 0    ? url + 7
                       : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                              : NULL;
    const char *slash = host ? strchr(host, '/') : url;

    return slash ? slash : "/";
}

enum MHD_Result nv_on_request(void *cls, struct MHD_Connection *mhd, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_n, void **context)
{
    struct nv_request *request = *context;

    (void)cls;
    (void)mhd;
    (void)version;
    if (!request)
        return MHD_NO;
    struct nv_connection *connection = nv_connection_of(request);
    nv_assert(connection->magic == NV_CONNECTION_MAGIC);

    switch (request->stage) {
    case NV_STAGE_HEAD:
        return begin(connection, path_of(path), method);
    case NV_STAGE_BODY:
        if (*upload_n) {
            size_t n = *upload_n;
            *upload_n = 0;
            return take_body(connection, upload, n);
        }
        nv_count(&connection->web->counters.requests);
        nv_deadline_set(&connection->deadline, NV_WEB_ANSWER_MS);
        return admit(connection, path_of(path), method);
    case NV_STAGE_PASSWORD:
        return after_bcrypt(connection, path_of(path), method);
    case NV_STAGE_REVIEW:
        return nv_reviewed(connection, path_of(path), method);
    case NV_STAGE_PASS:
        return nv_scrape_answer(connection);
    case NV_STAGE_INQUIRY:
        return nv_api_answer(connection);
    case NV_STAGE_ANSWERED:
        *upload_n = 0; /* refused early: what still comes is dropped */
        return MHD_YES;
    }
    return MHD_NO;
}
