#include <errno.h>
#include <strings.h>

#include "base/assert.h"
#include "base/regex.h"
#include "web/endpoints.h"
#include "web/local.h"
#include "web/server.h"

/* All there is, in the order in which it is looked for. */
static const struct nv_endpoint *const tables[] = {
    nv_api_query_endpoints,    nv_api_series_endpoints,  nv_api_metadata_endpoints,
    nv_api_rules_endpoints,    nv_api_targets_endpoints, nv_api_status_endpoints,
    nv_api_admin_endpoints,    nv_api_read_endpoints,    nv_api_federate_endpoints,
    nv_api_features_endpoints, nv_api_life_endpoints,    nv_api_alertmanager_endpoints,
};

static const struct {
    const char *name;
    enum nv_method method;
} methods[] = {
    {"GET",    NV_GET   },
    {"POST",   NV_POST  },
    {"PUT",    NV_PUT   },
    {"DELETE", NV_DELETE},
};

static const char form_type[] = "application/x-www-form-urlencoded";

static struct nv_str header(struct nv_connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection->mhd, MHD_HEADER_KIND, name);

    return value ? nv_str(value) : NV_LIT("");
}

static unsigned method_of(const char *name)
{
    for (size_t i = 0; i < NV_LEN(methods); i++) {
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    }
    return 0;
}

/* A path may stand in several lines, one for each way to use it. */
void nv_api_find(struct nv_connection *connection, const char *path, const char *method)
{
    struct nv_request *request = &connection->request;
    unsigned known = method_of(method);
    struct nv_str part;

    if (!connection->web->has_api)
        return;
    for (size_t i = 0; i < NV_LEN(tables); i++) {
        for (const struct nv_endpoint *one = tables[i]; one->path; one++) {
            if (!nv_endpoint_fits(one, path, &part))
                continue;
            if (!request->endpoint || (one->methods & known)) {
                request->endpoint = one;
                request->part = part;
            }
            if (one->methods & known)
                return;
        }
    }
}

/* ---- who may ask ---------------------------------------------------------------------------- */

static bool requires_certificate(const struct nv_access *access)
{
    return access->config.tls.present && access->config.tls.client_auth_type == NV_CLIENT_VERIFY;
}

/*
 * Whether whoever gets as far as here has shown who he is. The configuration may have asked for certificates only after
 * his session began, or in vain, because its files cannot be read or there is no TLS at all: so the session has to have
 * required one, too.
 */
static bool is_authenticated(const struct nv_connection *connection)
{
    const struct nv_access *access = connection->request.access;
    const struct nv_tls *session = connection->tls;

    if (connection->request.reviewed)
        return true;
    if (!access)
        return false;
    return access->config.n_users > 0 ||
           (requires_certificate(access) && session && requires_certificate(session->access));
}

static bool is_local(struct nv_connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct nv_str host = header(connection, "Host");

    if (!info || !nv_peer_is_local(info->client_addr))
        return false;
    if (header(connection, "X-Forwarded-For").n || header(connection, "Forwarded").n)
        return false;
    if (info->client_addr->sa_family == AF_UNIX || !host.n) /* no browser comes like that */
        return true;
    return nv_host_is_local(host, nv_str(connection->web->host));
}

static bool is_open(struct nv_connection *connection)
{
    return connection->web->api.access == NV_API_ALL || is_authenticated(connection);
}

bool nv_api_may_ask(struct nv_connection *connection)
{
    return connection->web->has_api && (is_open(connection) || is_local(connection));
}

static bool is_allowed_origin(struct nv_connection *connection, struct nv_str origin)
{
    const struct nv_web *web = connection->web;

    return web->cors && nv_regex_match(web->cors, origin);
}

/*
 * Whether a page of another origin makes a browser ask. It cannot read the answer; but where being local is all the
 * authority there is, it is the browser's and not the page's, and what changes state needs no answer.
 */
static bool is_smuggled(struct nv_connection *connection)
{
    struct nv_str origin = header(connection, "Origin");
    unsigned changes = NV_ENDPOINT_ADMIN | NV_ENDPOINT_LIFECYCLE;

    if (is_open(connection) && !(connection->request.endpoint->options & changes))
        return false;
    if (!origin.n)
        return nv_str_is(header(connection, "Sec-Fetch-Site"), "cross-site");
    return !nv_origin_is_own(origin, header(connection, "Host")) &&
           !is_allowed_origin(connection, origin);
}

/* ---- answers -------------------------------------------------------------------------------- */

static void add_origin_headers(struct nv_connection *connection, struct MHD_Response *response)
{
    const char *pattern = connection->web->api.cors_origin;
    struct nv_str origin = header(connection, "Origin");

    nv_add_header(response, "Vary", "Origin");
    if (!origin.n)
        return;
    nv_add_header(response, "Access-Control-Allow-Headers",
                  "Accept, Authorization, Content-Type, Origin");
    nv_add_header(response, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    nv_add_header(response, "Access-Control-Expose-Headers", "Date");
    if (is_allowed_origin(connection, origin))
        nv_add_header(response, "Access-Control-Allow-Origin",
                      strcmp(pattern, ".*") == 0 ? "*" : origin.p);
}

/* An answer of the event loop's own. */
static enum MHD_Result answer_text(struct nv_connection *connection, unsigned status,
                                   const char *type, const char *text)
{
    NV_AUTO_FREE char *copy = strdup(text);
    struct MHD_Response *response =
        copy ? MHD_create_response_from_buffer(strlen(copy), copy, MHD_RESPMEM_MUST_COPY) : NULL;

    if (response) {
        add_origin_headers(connection, response);
        if (type) {
            nv_add_header(response, "Content-Type", type);
            nv_add_header(response, "X-Content-Type-Options", "nosniff");
        }
    }
    return nv_answer(connection, status, response);
}

static enum MHD_Result refuse(struct nv_connection *connection, unsigned status, const char *text)
{
    return answer_text(connection, status, "text/plain; charset=utf-8", text);
}

enum MHD_Result nv_api_too_large(struct nv_connection *connection)
{
    char text[160];

    snprintf(text, sizeof(text),
             "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"the body of a request "
             "has at most %d bytes\"}",
             NV_API_BODY_MAX);
    return answer_text(connection, MHD_HTTP_CONTENT_TOO_LARGE, "application/json", text);
}

static enum MHD_Result refuse_method(struct nv_connection *connection)
{
    const struct nv_endpoint *endpoint = connection->request.endpoint;
    char allowed[64] = "OPTIONS";

    if (endpoint->options & NV_ENDPOINT_LIFECYCLE)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed");
    struct MHD_Response *response = MHD_create_response_from_buffer(
        19, (void *)(uintptr_t) "Method Not Allowed\n", MHD_RESPMEM_PERSISTENT);
    for (size_t i = 0; i < NV_LEN(methods); i++) {
        size_t n = strlen(allowed);
        if (endpoint->methods & methods[i].method)
            snprintf(allowed + n, sizeof(allowed) - n, ", %s", methods[i].name);
    }
    if (response) {
        add_origin_headers(connection, response);
        nv_add_header(response, "Allow", allowed);
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
        nv_add_header(response, "X-Content-Type-Options", "nosniff");
    }
    return nv_answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response);
}

static enum MHD_Result refuse_client(struct nv_connection *connection)
{
    return refuse(
        connection, MHD_HTTP_FORBIDDEN,
        "This is answered only on the machine itself: to clients on a loopback address or "
        "a Unix socket, under the name localhost and such, and to no page of another "
        "origin.\nFrom elsewhere it takes users or client certificates "
        "(--web.config.file), or --web.api-access=all.\n");
}

static enum MHD_Result refuse_early(struct nv_connection *connection)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        20, (void *)(uintptr_t) "Service Unavailable\n", MHD_RESPMEM_PERSISTENT);
    bool stopping = __atomic_load_n(&connection->web->stopping, __ATOMIC_RELAXED);

    if (response) {
        add_origin_headers(connection, response);
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
        nv_add_header(response, "X-Prometheus-Stopping", stopping ? "true" : "false");
    }
    return nv_answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, response);
}

/* ---- from request to inquiry ------------------------------------------------------------------- */

bool nv_api_wants_body(struct nv_connection *connection, const char *method)
{
    unsigned known = method_of(method);

    if (!connection->web->gate && !connection->web->review && !nv_api_may_ask(connection))
        return false; /* it will be refused */
    return known && known != NV_GET && (connection->request.endpoint->methods & known);
}

static bool is_form(struct nv_str type)
{
    struct nv_str name = nv_str_trim(nv_str_cut(&type, ';'));

    return name.n == sizeof(form_type) - 1 && strncasecmp(name.p, form_type, name.n) == 0;
}

/* Copies what the endpoint is to know. Returns 0, -ENOMEM, -E2BIG. */
static int fill(struct nv_inquiry *inquiry, struct nv_connection *connection)
{
    struct nv_request *request = &connection->request;
    struct nv_exchange *x = &inquiry->x;
    struct nv_str body = nv_buf_view(&request->body), none = {NULL, 0};
    const struct {
        const char *name;
        struct nv_str *to;
    } wanted[] = {
        {"Accept",           &x->accept          },
        {"Accept-Encoding",  &x->accept_encoding },
        {"Content-Type",     &x->content_type    },
        {"Content-Encoding", &x->content_encoding},
    };

    for (size_t i = 0; i < NV_LEN(wanted); i++) {
        *wanted[i].to = nv_arena_str(&x->memory, header(connection, wanted[i].name));
        if (!wanted[i].to->p)
            return -ENOMEM;
    }
    x->part = nv_unescape_name(request->part, &x->memory);
    if (!x->part.p)
        return -ENOMEM;
    inquiry->packed = nv_expo_accepts(x->accept_encoding, NV_CODING_GZIP);
    if (!(x->endpoint->options & NV_ENDPOINT_BODY))
        return nv_exchange_parse(x, is_form(x->content_type) ? body : none,
                                 nv_buf_view(&request->query));
    x->body = nv_arena_str(&x->memory, body.p ? body : NV_LIT(""));
    return x->body.p ? nv_exchange_parse(x, none, nv_buf_view(&request->query)) : -ENOMEM;
}

static enum MHD_Result start(struct nv_connection *connection, unsigned method)
{
    struct nv_request *request = &connection->request;
    const struct nv_web *web = connection->web;
    struct nv_inquiry *inquiry = nv_inquiry_new(connection);

    if (!inquiry)
        return nv_answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
    request->inquiry = inquiry;
    request->stage = NV_STAGE_INQUIRY;
    inquiry->x.endpoint = request->endpoint;
    inquiry->x.method = method;
    inquiry->x.deadline_ms = inquiry->x.came_ns / 1000000 + web->api.timeout_ms;
    int r = fill(inquiry, connection);
    nv_buf_done(&request->body);
    if (r == 0) {
        nv_deadline_set(&connection->deadline, web->api.timeout_ms + NV_WEB_ANSWER_MS);
        nv_inquiry_start(inquiry, connection);
        return MHD_YES;
    }
    if (r == -E2BIG)
        nv_fail(&inquiry->x, NV_BAD_DATA, "more than %d parameters", NV_EXCHANGE_PARAMETERS_MAX);
    else
        nv_fail(&inquiry->x, NV_TOO_BUSY, "too much memory is in use by requests");
    return nv_api_answer(connection);
}

/* Switches that are off. Returns true when it has answered. */
static bool is_switched_off(struct nv_connection *connection, enum MHD_Result *ret)
{
    const struct nv_api *api = &connection->web->api;
    unsigned options = connection->request.endpoint->options;

    if ((options & NV_ENDPOINT_LIFECYCLE) && !api->lifecycle)
        *ret = refuse(connection, MHD_HTTP_FORBIDDEN, "Lifecycle API is not enabled.");
    else if ((options & NV_ENDPOINT_ADMIN) && !api->admin)
        *ret = answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "application/json",
                           "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"admin "
                           "APIs disabled\"}");
    else
        return false;
    return true;
}

enum MHD_Result nv_api_begin(struct nv_connection *connection, const char *method)
{
    struct nv_request *request = &connection->request;
    unsigned known = method_of(method);
    enum MHD_Result result;

    if (!nv_api_may_ask(connection))
        return refuse_client(connection);
    if (strcmp(method, "OPTIONS") == 0)
        return answer_text(connection, MHD_HTTP_NO_CONTENT, NULL, "");
    if (is_smuggled(connection))
        return refuse_client(connection);
    if (!(request->endpoint->methods & known))
        return refuse_method(connection);
    if (is_switched_off(connection, &result))
        return result;
    if (!(request->endpoint->options & NV_ENDPOINT_EARLY) &&
        !__atomic_load_n(&connection->web->ready, __ATOMIC_RELAXED))
        return refuse_early(connection);
    if (request->body.failed)
        return request->body.failed == -EFBIG ? nv_api_too_large(connection)
                                              : refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                                       "Too busy, try again later.\n");
    return start(connection, known);
}

/* ---- from inquiry to answer -------------------------------------------------------------------- */

static ssize_t read_stream(void *cls, uint64_t position, char *to, size_t max)
{
    struct nv_inquiry *inquiry = cls;

    (void)position;
    return nv_stream_read(&inquiry->stream, to, max);
}

static void end_stream(void *cls)
{
    nv_inquiry_unref(cls);
}

static struct MHD_Response *stream_response(struct nv_inquiry *inquiry)
{
    enum { BLOCK = 16 << 10 };

    __atomic_add_fetch(&inquiry->refs, 1, __ATOMIC_RELAXED);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK, read_stream, inquiry, end_stream);
    if (!response)
        nv_inquiry_unref(inquiry);
    return response;
}

/* The answer is in the block. */
static struct MHD_Response *whole_response(struct nv_inquiry *inquiry)
{
    struct nv_writer *out = &inquiry->inside.out;
    struct nv_str text = {out->block, (size_t)(out->at - out->block)};
    struct nv_body *body = nv_body_take(&inquiry->web->bodies);

    if (!body)
        return NULL;
    nv_buf_str(&body->text, text);
    if (body->text.failed) { /* no answer is better than an empty one */
        nv_body_give(body);
        return NULL;
    }
    inquiry->packed = inquiry->packed && text.n >= NV_API_PACK_MIN &&
                      nv_body_compress(&body, NV_CODING_GZIP) == 0;
    return nv_body_response(body);
}

enum MHD_Result nv_api_answer(struct nv_connection *connection)
{
    struct nv_inquiry *inquiry = connection->request.inquiry;
    const struct nv_answer *answer = &inquiry->inside.answer;

    if (answer->packed)
        inquiry->packed = false;
    struct MHD_Response *response =
        inquiry->streaming ? stream_response(inquiry) : whole_response(inquiry);
    if (!response)
        return nv_answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
    if (!inquiry->streaming)
        nv_deadline_set(&connection->deadline, NV_WEB_ANSWER_MS);
    add_origin_headers(connection, response);
    if (answer->type[0]) {
        nv_add_header(response, "Content-Type", answer->type);
        nv_add_header(response, "Vary", "Accept-Encoding");
    }
    if (answer->refused)
        nv_add_header(response, "X-Content-Type-Options", "nosniff");
    if (inquiry->packed)
        nv_add_header(response, "Content-Encoding", "gzip");
    for (size_t i = 0; i < answer->n_headers; i++)
        nv_add_header(response, answer->headers[i].name, answer->headers[i].value);
    return nv_answer(connection, answer->status, response);
}
