#include "web/server.h"

#include <errno.h>

#include "base/assert.h"

/*
 * The telemetry path, and those of the kubelet's that stand in for a part of it. Statuses, bodies and what is counted are those of node_exporter with client_golang:
 * bad selections are 400 and not counted; the limit holds for unfiltered scrapes only, since each filtered
 * one gets a limiter of its own there; the counts rise when the answer has been written.
 */

#define TIMEOUT_HEADER "X-Prometheus-Scrape-Timeout-Seconds"
#define TIMEOUT_SHARE  0.8 /* of the scraper's patience; the rest is for the way */

enum { REASON_MAX = 600 };

/* ---- what is asked for ---------------------------------------------------------------------- */

static bool is_known(const struct nv_web *web, struct nv_str name)
{
    for (size_t i = 0; i < web->n_collectors; i++) {
        if (nv_str_is(name, web->collectors[i]))
            return true;
    }
    return false;
}

void nv_scrape_init(struct nv_web *web)
{
    for (size_t i = 0; i < nv_gather_count(web->gather); i++) {
        if (is_known(web, nv_str(nv_gather_name(web->gather, i))))
            nv_bit_set(web->node_collectors, i);
    }
}

/* False, and why, for a name that is unknown or off. */
static bool select_only(struct nv_web *web, const struct nv_query *query,
                        struct nv_gather_selection *ret, char reason[REASON_MAX])
{
    ret->some = true;
    for (size_t i = 0; i < query->n_collect; i++) {
        struct nv_str name = query->collect[i];
        int number = is_known(web, name) ? nv_gather_find(web->gather, name) : -ENOENT;
        if (number < 0 && !nv_str_is(name, NV_WEB_RESOURCE) && nv_is_exposed(web, name))
            continue;
        if (number < 0) {
            snprintf(reason, REASON_MAX,
                     "Couldn't create filtered metrics handler: couldn't create collector: "
                     "%s collector: %.*s",
                     is_known(web, name) ? "disabled" : "missing",
                     (int)(name.n < 256 ? name.n : 256), name.n ? name.p : "");
            return false;
        }
        nv_bit_set(ret->bits, (size_t)number);
    }
    return true;
}

/* Unknown names are ignored; leaving out all there is leaves out nothing, as in node_exporter. */
static void select_rest(struct nv_web *web, const struct nv_query *query,
                        struct nv_gather_selection *ret)
{
    bool any = false;

    memcpy(ret->bits, web->node_collectors, sizeof(ret->bits));
    for (size_t i = 0; i < query->n_exclude; i++) {
        int number = nv_gather_find(web->gather, query->exclude[i]);
        if (number >= 0)
            ret->bits[number / 64] &= ~(UINT64_C(1) << (number % 64));
    }
    for (size_t i = 0; i < NV_LEN(ret->bits); i++)
        any |= ret->bits[i] != 0;
    ret->some = any;
}

static bool select_collectors(struct nv_web *web, struct nv_request *request,
                              char reason[REASON_MAX])
{
    const struct nv_query *query = &request->wanted;

    request->selection = (struct nv_gather_selection){0};
    if (query->n_collect && query->n_exclude) {
        snprintf(reason, REASON_MAX, "Combined collect and exclude queries are not allowed.");
        return false;
    }
    if (query->n_collect)
        return select_only(web, query, &request->selection, reason);
    if (query->n_exclude)
        select_rest(web, query, &request->selection);
    return true;
}

/* What a path of the kubelet's is made from. False: nothing is on that it could be. */
static bool select_containers(struct nv_web *web, struct nv_request *request)
{
    bool direct =
        request->kind == NV_SCRAPE_RESOURCE && nv_is_exposed(web, nv_str(NV_WEB_RESOURCE));
    int number = nv_gather_find(web->gather, nv_str(NV_WEB_CONTAINER));

    request->selection = (struct nv_gather_selection){.some = true};
    request->passes = number >= 0 && !direct;
    if (request->passes)
        nv_bit_set(request->selection.bits, (size_t)number);
    return request->passes || direct || nv_is_exposed(web, nv_str(NV_WEB_CONTAINER));
}

static const char *header(struct nv_connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection->mhd, MHD_HEADER_KIND, name);

    return value ? value : "";
}

static int64_t timeout_ms(const char *text)
{
    double seconds;

    if (!nv_str_to_real(nv_str(text), &seconds) || !(seconds > 0))
        return NV_GATHER_PASS_MS;
    double ms = seconds * 1000 * TIMEOUT_SHARE;
    return ms >= NV_GATHER_PASS_MS ? NV_GATHER_PASS_MS : ms < 1 ? 1 : (int64_t)ms;
}

/* ---- the work, on whatever thread ----------------------------------------------------------- */

static struct MHD_Response *failure(struct nv_request *request, int r, uint64_t *counter)
{
    char text[REASON_MAX];
    int n = snprintf(text, sizeof(text), "An error has occurred while serving metrics:\n\n%s\n",
                     strerror(-r));
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);

    nv_count(counter);
    request->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    if (response) {
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
        nv_add_header(response, "X-Content-Type-Options", "nosniff");
    }
    return response;
}

/* -ENODATA: what is asked for is on, and at present there is nothing of it. */
static int write_text(struct nv_web *web, struct nv_request *request, const struct nv_shown *shown,
                      struct nv_buf *out)
{
    const struct nv_query *query = &request->wanted;
    struct nv_expo_left_out left_out;

    if (request->kind == NV_SCRAPE_RESOURCE)
        return nv_resource_write(shown->parts, shown->n,
                                 shown->name && strcmp(shown->name, NV_WEB_RESOURCE) == 0, out);
    nv_expo_write_parts(shown->parts, shown->n, request->choice, query->names, query->n_names, out,
                        &left_out);
    __atomic_add_fetch(&web->counters.exposed_conflicts, left_out.conflicts, __ATOMIC_RELAXED);
    __atomic_add_fetch(&web->counters.exposed_duplicates, left_out.duplicates, __ATOMIC_RELAXED);
    bool nothing = out->n <= strlen("# EOF\n") && query->n_names == 0;
    return nothing && request->kind == NV_SCRAPE_CONTAINERS && !out->failed ? -ENODATA
                                                                            : out->failed;
}

static int write_body(struct nv_web *web, struct nv_request *request, const struct nv_frame *frame,
                      struct nv_body **body)
{
    struct nv_shown shown;

    int r = nv_shown_init(&shown, web, request, frame);
    if (r < 0)
        return r;
    r = write_text(web, request, &shown, &(*body)->text);
    nv_shown_done(&shown);
    if (r < 0)
        return r;
    return request->coding == NV_CODING_IDENTITY ? 0 : nv_body_compress(body, request->coding);
}

static struct MHD_Response *nothing_yet(struct nv_request *request)
{
    static char text[] =
        "No container metrics at present: what they come from failed, or has not answered yet.\n";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);

    request->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (response)
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
    return response;
}

static void render(struct nv_web *web, struct nv_request *request, const struct nv_frame *frame)
{
    struct nv_body *body = nv_body_take(&web->bodies);
    char type[NV_EXPO_TYPE_MAX];

    int r = body ? write_body(web, request, frame, &body) : -ENOMEM;
    if (r < 0) {
        if (body)
            nv_body_give(body);
        request->response = r == -ENODATA ? nothing_yet(request)
                                          : failure(request, r, &web->counters.errors_encoding);
        return;
    }
    __atomic_add_fetch(&web->counters.response_bytes, body->text.n, __ATOMIC_RELAXED);
    request->status = MHD_HTTP_OK;
    request->response = nv_body_response(body);
    if (!request->response)
        return;
    nv_expo_content_type(request->choice, type);
    nv_add_header(request->response, "Content-Type", type);
    if (request->coding != NV_CODING_IDENTITY)
        nv_add_header(request->response, "Content-Encoding",
                      request->coding == NV_CODING_GZIP ? "gzip" : "zstd");
}

/* Answers a chain of requests for the same selection from one pass. */
static void pass(struct nv_web *web, struct nv_request *chain)
{
    NV_AUTO(nv_frame) *frame = NULL;
    int64_t wait_ms = NV_GATHER_PASS_MS;

    for (struct nv_request *one = chain; one; one = one->next_scrape)
        wait_ms = one->timeout_ms < wait_ms ? one->timeout_ms : wait_ms;
    int r = chain->passes ? nv_gather_pass(web->gather, &chain->selection, wait_ms, &frame) : 0;
    for (struct nv_request *one = chain; one; one = one->next_scrape) {
        if (r < 0)
            one->response = failure(one, r, &web->counters.errors_gathering);
        else
            render(web, one, frame);
    }
}

static bool is_stopping(const struct nv_web *web)
{
    return __atomic_load_n(&web->stopping, __ATOMIC_RELAXED);
}

static void pass_alone(struct nv_job *job)
{
    struct nv_request *request =
        (struct nv_request *)(void *)((char *)job - offsetof(struct nv_request, job));
    struct nv_connection *connection = nv_connection_of(request);

    nv_assert(connection->magic == NV_CONNECTION_MAGIC);
    if (!is_stopping(connection->web))
        pass(connection->web, request);
    MHD_resume_connection(connection->mhd);
}

static void pass_shared(struct nv_job *job)
{
    struct nv_web *web =
        (struct nv_web *)(void *)((char *)job - offsetof(struct nv_web, scrapes_job));

    pthread_mutex_lock(&web->scrapes_lock);
    struct nv_request *chain = web->scrapes;
    web->scrapes = NULL;
    web->scrapes_queued = false; /* who comes from now on gets a pass begun later */
    pthread_mutex_unlock(&web->scrapes_lock);

    if (!is_stopping(web))
        pass(web, chain);
    while (chain) {
        struct nv_request *one = chain;
        chain = one->next_scrape; /* after the resume it may be gone */
        MHD_resume_connection(nv_connection_of(one)->mhd);
    }
}

/* ---- on which thread ------------------------------------------------------------------------ */

/*
 * A pass may block for seconds. It runs right here when this event loop serves nobody else and another one
 * stays free for whoever connects meanwhile; that is the usual case, one Prometheus and a kept connection, and
 * it saves two context switches.
 */
static bool enter_lane(struct nv_lane *lane)
{
    struct nv_door *door = lane->door;

    if (__atomic_add_fetch(&door->lanes_busy, 1, __ATOMIC_SEQ_CST) < door->n_lanes) {
        __atomic_store_n(&lane->busy, true, __ATOMIC_SEQ_CST); /* before the look: see accept.c */
        if (__atomic_load_n(&lane->connections, __ATOMIC_SEQ_CST) == 1)
            return true;
        __atomic_store_n(&lane->busy, false, __ATOMIC_SEQ_CST);
    }
    __atomic_sub_fetch(&door->lanes_busy, 1, __ATOMIC_SEQ_CST);
    return false;
}

static void leave_lane(struct nv_lane *lane)
{
    __atomic_store_n(&lane->busy, false, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&lane->door->lanes_busy, 1, __ATOMIC_SEQ_CST);
}

/* Adds to the scrapes that wait for a common pass. */
static int await_shared(struct nv_web *web, struct nv_request *request)
{
    int r = 0;

    pthread_mutex_lock(&web->scrapes_lock);
    if (!web->scrapes_queued) {
        web->scrapes_job.run = pass_shared;
        r = nv_jobs_add(&web->passes, &web->scrapes_job);
        web->scrapes_queued = r == 0;
    }
    if (r == 0) {
        request->next_scrape = web->scrapes;
        web->scrapes = request;
    }
    pthread_mutex_unlock(&web->scrapes_lock);
    return r;
}

static enum MHD_Result hand_over(struct nv_connection *connection)
{
    struct nv_web *web = connection->web;
    struct nv_request *request = &connection->request;

    request->stage = NV_STAGE_PASS;
    MHD_suspend_connection(connection->mhd);
    request->job.run = pass_alone;
    int r = request->selection.some ? nv_jobs_add(&web->passes, &request->job)
                                    : await_shared(web, request);
    if (r < 0) /* stopping, or too many wait: goes on without an answer */
        MHD_resume_connection(connection->mhd);
    return MHD_YES;
}

enum MHD_Result nv_scrape_answer(struct nv_connection *connection)
{
    struct nv_request *request = &connection->request;

    if (!request->response && request->status == 0) {
        request->status = MHD_HTTP_SERVICE_UNAVAILABLE;
        return nv_answer_error(connection, request->status, "Too busy, try again later.\n");
    }
    return nv_answer(connection, request->status, nv_take(request->response));
}

/* Claims a place under the limit. */
static bool claim(struct nv_web *web, struct nv_request *request)
{
    request->limited = web->max_requests && !request->selection.some;
    return !request->limited ||
           __atomic_add_fetch(&web->limited, 1, __ATOMIC_RELAXED) <= web->max_requests;
}

static enum MHD_Result refuse_selection(struct nv_connection *connection, char *reason)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(reason), reason, MHD_RESPMEM_MUST_COPY);

    if (response)
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
    return nv_answer(connection, MHD_HTTP_BAD_REQUEST, response);
}

static enum MHD_Result refuse_path(struct nv_connection *connection)
{
    return nv_answer_error(connection, MHD_HTTP_NOT_FOUND,
                           "No container metrics: --collector.container is off.\n");
}

enum MHD_Result nv_scrape(struct nv_connection *connection, enum nv_scrape_kind kind)
{
    struct nv_web *web = connection->web;
    struct nv_request *request = &connection->request;
    char reason[REASON_MAX];

    if (nv_query_parse(nv_buf_view(&request->query), &request->memory, &request->wanted) < 0)
        return nv_answer_error(connection, MHD_HTTP_URI_TOO_LONG, "URI Too Long\n");
    request->kind = kind;
    request->passes = true;
    if (kind != NV_SCRAPE_ALL && !select_containers(web, request))
        return refuse_path(connection);
    if (kind == NV_SCRAPE_ALL && !select_collectors(web, request, reason))
        return refuse_selection(connection, reason);

    request->counted = true;
    request->next_scrape = NULL;
    nv_count(&web->counters.in_flight);
    if (!claim(web, request)) {
        snprintf(reason, sizeof(reason),
                 "Limit of concurrent requests reached (%u), try again later.\n",
                 web->max_requests);
        request->status = MHD_HTTP_SERVICE_UNAVAILABLE;
        return nv_answer_error(connection, request->status, reason);
    }
    request->choice = kind == NV_SCRAPE_RESOURCE
                          ? (struct nv_expo_choice){0}
                          : nv_expo_negotiate(nv_str(header(connection, "Accept")));
    request->coding = nv_expo_negotiate_coding(nv_str(header(connection, "Accept-Encoding")));
    request->timeout_ms = timeout_ms(header(connection, TIMEOUT_HEADER));

    if (!enter_lane(connection->lane))
        return hand_over(connection);
    pass(web, request);
    leave_lane(connection->lane);
    return nv_scrape_answer(connection);
}

void nv_scrape_completed(struct nv_request *request)
{
    struct nv_web *web = nv_connection_of(request)->web;
    struct nv_counters *counters = &web->counters;

    if (request->response)
        MHD_destroy_response(nv_take(request->response));
    if (!request->counted)
        return;
    nv_count(request->status == MHD_HTTP_OK                    ? &counters->scrapes_200
             : request->status == MHD_HTTP_SERVICE_UNAVAILABLE ? &counters->scrapes_503
                                                               : &counters->scrapes_500);
    __atomic_sub_fetch(&counters->in_flight, 1, __ATOMIC_RELAXED);
    if (request->limited)
        __atomic_sub_fetch(&web->limited, 1, __ATOMIC_RELAXED);
}
