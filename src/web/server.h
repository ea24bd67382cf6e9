/*
 * server.h - the inside of the HTTP server: what its files share.
 *
 *   server.c   event loops, start and stop
 *   accept.c   listeners into connections
 *   request.c  the life of connections and requests, who may ask
 *   route.c    which path means what; the small pages
 *   api.c      paths: who may ask, from request to inquiry and back
 *   inquiry.c  exchanges under way
 *   scrape.c   the telemetry path: selection, limit, pass, exposition
 *   reviewed.c requests that the API server of a cluster judges
 *   shown.c    the frames of an answer: those of the pass, and those of exposed targets
 *   resource.c /metrics/resource
 *   body.c     memory of answers, kept for the next
 *
 * A request is read whole, admitted (access.h), routed and answered. Where that needs time (a password, a
 * pass) the connection is suspended, a job does the work and resumes it, and the request goes on at the
 * next stage. One connection has one request at a time, so the request lives in the connection.
 */
#ifndef NV_WEB_SERVER_H
#define NV_WEB_SERVER_H

#include <microhttpd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "expo/expo.h"
#include "kube/review.h"
#include "web/access.h"
#include "web/inquiry.h"
#include "web/deadline.h"
#include "web/jobs.h"
#include "web/limits.h"
#include "web/listen.h"
#include "web/query.h"
#include "web/tls.h"
#include "web/web.h"

/* ---- bodies of answers ---------------------------------------------------------------------- */

struct nv_body {
    struct nv_buf text;
    struct nv_body *next;
    struct nv_bodies *home;
};

struct nv_bodies {
    pthread_mutex_t lock;
    struct nv_body *kept;
    size_t n_kept, bytes_kept;
    struct nv_compressor
        *compressor; /* one at rest; a second scrape at the same time makes its own */
};

void nv_bodies_init(struct nv_bodies *bodies);
void nv_bodies_done(struct nv_bodies *bodies);
struct nv_body *nv_body_take(struct nv_bodies *bodies); /* empty; NULL when memory is out */
void nv_body_give(struct nv_body *body);

/* An answer that gives the body back when it is sent, whatever happens to it. NULL when memory is out. */
struct MHD_Response *nv_body_response(struct nv_body *body);

/* Replaces *body by its compressed form. Returns 0 or a negative errno and leaves it. */
int nv_body_compress(struct nv_body **body, enum nv_expo_coding coding);

/* ---- connections and requests --------------------------------------------------------------- */

enum nv_stage {
    NV_STAGE_HEAD,     /* the head is read */
    NV_STAGE_BODY,     /* its body is read and dropped */
    NV_STAGE_PASSWORD, /* a job verifies the password */
    NV_STAGE_REVIEW,   /* the API server is asked who it is */
    NV_STAGE_PASS,     /* a job scrapes */
    NV_STAGE_INQUIRY,  /* a job answers an inquiry */
    NV_STAGE_ANSWERED,
};

enum nv_scrape_kind {
    NV_SCRAPE_ALL,        /* the telemetry path */
    NV_SCRAPE_CONTAINERS, /* /metrics/cadvisor */
    NV_SCRAPE_RESOURCE,   /* /metrics/resource */
};

struct nv_request {
    enum nv_stage stage;
    size_t body_seen;
    struct nv_buf query; /* raw, as in the request line */
    struct nv_arena memory;

    struct nv_access *access; /* counted: the configuration it was admitted under; or NULL */
    struct nv_credentials *credentials; /* in `memory`, while a job verifies them */
    int verdict;                        /* of that job: 1 right, 0 wrong, -EAGAIN not asked */

    struct nv_review_ask review; /* while it is asked, and after */
    int review_state;            /* atomic */
    bool reviewed;               /* and he may */

    /* An inquiry. */
    const struct nv_endpoint *endpoint; /* NULL: it is none */
    struct nv_str part;                 /* of its path, {name} */
    struct nv_buf body;
    bool body_kept;             /* it is wanted; else it is dropped */
    bool from_stranger;         /* nobody knows yet whether he may ask */
    size_t body_counted;        /* of it among all bodies */
    struct nv_inquiry *inquiry; /* counted */

    /* A scrape. */
    enum nv_scrape_kind kind;
    bool passes;           /* collectors are to run for it */
    bool counted, limited; /* in flight; under the limit of concurrent requests */
    unsigned status;       /* of the answer, 0 for none */
    struct nv_gather_selection selection;
    struct nv_query wanted;
    struct nv_expo_choice choice;
    enum nv_expo_coding coding;
    int64_t timeout_ms;
    struct MHD_Response *response; /* made by a job, not queued yet */

    struct nv_request *next_scrape;
    struct nv_job job;
};

enum { NV_CONNECTION_MAGIC = 0x6e766377 };

struct nv_connection {
    uint32_t magic;
    struct nv_web *web;
    struct nv_lane *lane;
    struct MHD_Connection *mhd;
    struct nv_deadline deadline;
    struct nv_tls *tls; /* counted: the certificates of its session */
    struct nv_request request;
};

/* One event loop: a daemon of libmicrohttpd that does not listen. */
struct nv_lane {
    struct nv_door *door;
    struct MHD_Daemon *daemon;
    unsigned connections; /* atomic; those on the way to it included */
    bool busy;            /* atomic: inside a pass, nothing may be given to it */
};

/* A listener and the event loops that serve it. */
struct nv_door {
    struct nv_web *web;
    struct nv_listener listener;
    struct nv_lane lanes[NV_WEB_LANES];
    unsigned n_lanes;
    unsigned lanes_busy; /* atomic: how many are inside a pass */
};

struct nv_counters { /* atomic */
    uint64_t requests, response_bytes, connections, connections_open;
    uint64_t auth_failures, rate_limited;
    uint64_t scrapes_200, scrapes_500, scrapes_503, in_flight;
    uint64_t errors_gathering, errors_encoding;
    uint64_t exposed_conflicts, exposed_duplicates;
};

/* Takes connections for the event loops. */
struct nv_accept {
    pthread_t thread;
    int stop_fd; /* an eventfd */
    bool running;
};

struct nv_web {
    char *telemetry_path, *landing;
    unsigned max_requests;
    struct nv_gather *gather;
    const char *const *collectors;
    size_t n_collectors;
    struct nv_web_exposed exposed;
    uint64_t
        node_collectors[NV_GATHER_COLLECTORS_MAX / 64]; /* which of gather's collect[] may name */

    struct nv_door doors[NV_WEB_LISTENERS_MAX];
    size_t n_doors;
    struct nv_accept accept;
    bool started;
    bool ready, stopping; /* atomic */

    struct nv_gate *gate;     /* NULL without a web configuration */
    struct nv_review *review; /* NULL unless the API server is asked who may ask */
    bool tls;                 /* as at the start */
    const char *warning;

    struct nv_api api;
    bool has_api;
    struct nv_promql_pool
        *pool;             /* atomic: that of the API, for those who ask while it is being set up */
    struct nv_regex *cors; /* NULL: no other origin may read */
    struct nv_web_build build;
    char host[256]; /* this machine's name */
    struct nv_inquiries inquiries;

    struct nv_deadlines deadlines;
    struct nv_jobs passes, passwords;
    struct nv_bodies bodies;
    struct nv_counters counters;
    unsigned limited; /* atomic: requests under the limit now */

    /* Unfiltered scrapes that wait for a thread share its pass. */
    pthread_mutex_t scrapes_lock;
    struct nv_request *scrapes;
    struct nv_job scrapes_job;
    bool scrapes_queued;
};

static inline void nv_count(uint64_t *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static inline struct nv_connection *nv_connection_of(struct nv_request *request)
{
    return (struct nv_connection *)(void *)((char *)request -
                                            offsetof(struct nv_connection, request));
}

/* ---- answers: each returns what the access handler returns ---------------------------------- */

/* Queues `response` (consumed; NULL means memory is out) with the configured headers. */
enum MHD_Result nv_answer(struct nv_connection *connection, unsigned status,
                          struct MHD_Response *response);

/* Text that outlives the server, or is copied; as an error page of Go: nosniff. */
enum MHD_Result nv_answer_error(struct nv_connection *connection, unsigned status,
                                const char *text);

void nv_add_header(struct MHD_Response *response, const char *name, const char *value);

/* request.c: what libmicrohttpd calls */
void nv_on_connection(void *lane, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode code);
void *nv_on_request_line(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result nv_on_request(void *cls, struct MHD_Connection *mhd, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_n, void **context);
void nv_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                     enum MHD_RequestTerminationCode how);

/* reviewed.c: as the others; the last gives false where the session shows no user. */
bool nv_is_bearer(const char *header); /* NULL is fine */
enum MHD_Result nv_review_bearer(struct nv_connection *connection, const char *header,
                                 const char *path, const char *method);
bool nv_review_certificate(struct nv_connection *connection, const char *path, const char *method,
                           enum MHD_Result *ret);
enum MHD_Result nv_reviewed(struct nv_connection *connection, const char *path,
                            const char *method); /* after NV_STAGE_REVIEW */

/* accept.c */
NV_MUST_USE int nv_accept_start(struct nv_web *web);
void nv_accept_stop(struct nv_web *web);

/* route.c */
bool nv_route_is_health(const char *path);
enum MHD_Result nv_route_health(struct nv_connection *connection, const char *path,
                                const char *method);
enum MHD_Result nv_route(struct nv_connection *connection, const char *path, const char *method);
int nv_route_init(struct nv_web *web, const struct nv_web_options *options);

/* api.c */
void nv_api_find(struct nv_connection *connection, const char *path,
                 const char *method); /* sets the endpoint */
bool nv_api_wants_body(struct nv_connection *connection, const char *method);
enum MHD_Result nv_api_begin(struct nv_connection *connection, const char *method);
enum MHD_Result nv_api_answer(struct nv_connection *connection); /* after NV_STAGE_INQUIRY */
enum MHD_Result nv_api_too_large(struct nv_connection *connection);
bool nv_api_may_ask(struct nv_connection *connection); /* the page, too */

/* scrape.c */
enum MHD_Result nv_scrape(struct nv_connection *connection, enum nv_scrape_kind kind); /* begins */
enum MHD_Result nv_scrape_answer(struct nv_connection *connection); /* after NV_STAGE_PASS */
void nv_scrape_completed(struct nv_request *request);
void nv_scrape_init(struct nv_web *web); /* when the collectors are known */

/* shown.c: what a request shows. No memory where no target is exposed. */
struct nv_shown {
    struct nv_expo_part own, *parts; /* parts: `own` where it is alone, else made */
    size_t n, room;
    struct nv_web *web;
    const struct nv_request *request;
    const char *name; /* frames of that name alone; NULL: those the request asks for */
    int failed;
};

/* frame: of the pass, NULL where there was none. The caller holds it until nv_shown_done(). */
NV_MUST_USE int nv_shown_init(struct nv_shown *shown, struct nv_web *web,
                              const struct nv_request *request, const struct nv_frame *frame);
void nv_shown_done(struct nv_shown *shown);
bool nv_is_exposed(const struct nv_web *web, struct nv_str name);

/* resource.c: classic text in the kubelet's shape, from its own answer (`direct`) or from container families. -ENODATA: there is nothing; -ENOMEM. */
NV_MUST_USE int nv_resource_write(const struct nv_expo_part *parts, size_t n, bool direct,
                                  struct nv_buf *out);

#endif
