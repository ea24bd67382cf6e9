/*
 * web.h - the HTTP server: listeners, routes, TLS, users.
 *
 *   routes     the telemetry path (any method), /metrics/cadvisor and /metrics/resource, "/" (landing page), /-/healthy,
 *              /-/ready, and with nv_web_set_api() those of the API; all else is 404
 *   threads    WEB_LANES of libmicrohttpd for the first listener, one for each further one; one that
 *              ends overdue connections; threads for passes and passwords, made when needed. A pass runs on
 *              the lane that read the request where it delays nobody, else on a thread of its own with
 *              the connection suspended, so that health always answers
 *   bounds     see limits.h
 *   ownership  strings of the options are copied; gather and the collectors' names are borrowed and outlive
 *              the server
 */
#ifndef NV_WEB_WEB_H
#define NV_WEB_WEB_H

#include "gather/gather.h"
#include "kube/review.h"
#include "web/api.h"

/*
 * What scraped targets expose: it is shown with the node's own families, under names that collect[] and exclude[] take like
 * those of collectors. Two names have paths of their own, too. From any thread; frames are lent for the call of each().
 */
#define NV_WEB_CONTAINER "container" /* container and machine families: /metrics/cadvisor */
#define NV_WEB_RESOURCE                                                                            \
    "resource" /* the kubelet's /metrics/resource: there alone, for it repeats the others */
enum { NV_WEB_EXPOSED_MAX = 2048 }; /* frames */
struct nv_web_exposed {
    bool (*has)(void *user, struct nv_str name); /* also while its target is down. NULL: none has */
    void (*each)(void *user, void (*each)(void *to, struct nv_str name, struct nv_frame *frame),
                 void *to);
    void *user;
};

struct nv_web_options {
    const char *const
        *listen; /* ":9100", "127.0.0.1:9100", "[::1]:9100", "unix:PATH", "vsock://:9100" */
    size_t n_listen;
    bool systemd_socket;        /* serve inherited sockets instead of `listen` */
    const char *telemetry_path; /* "/metrics" */
    unsigned max_requests;      /* concurrent unfiltered scrapes; 0: no limit */
    const char *config_file;    /* TLS, users, headers; NULL or "" for none */

    const char *version, *branch, *revision; /* shown on the landing page */

    struct nv_gather *gather;
    const char *const
        *collectors; /* every collector there is, on or off (collect[] tells the two apart) */
    size_t n_collectors;
    struct nv_web_exposed exposed;

    /* The API server of the cluster judges requests by their tokens, or by verified certificates; copied. NULL: it does not.
     * Where `config_file` names users, they pass too. */
    const struct nv_review_options *kubernetes;
    bool
        self_signed; /* TLS with a certificate of our own making, where there is no `config_file` */
};

struct nv_web;

/*
 * Reads the web configuration and opens the listeners, so that what is wrong shows before anything runs.
 * On failure returns a negative errno and one line for the user in `error`.
 */
enum { NV_WEB_ERROR_MAX = 1024 };
NV_MUST_USE int nv_web_new(const struct nv_web_options *options, struct nv_web **ret,
                           char error[NV_WEB_ERROR_MAX]);

/* Serves the API, too. Before the start. Returns 0; a negative errno and a line for the user in `error`. */
NV_MUST_USE int nv_web_set_api(struct nv_web *web, const struct nv_api *api,
                               char error[NV_WEB_ERROR_MAX]);

/* Serves. The gather must have been started. */
NV_MUST_USE int nv_web_start(struct nv_web *web, char error[NV_WEB_ERROR_MAX]);

/* Stops listening, lets passes under way end (NV_GATHER_PASS_MS at most), closes what is left. Idempotent. */
void nv_web_stop(struct nv_web *web);
void nv_web_free(struct nv_web *web); /* stops first */
NV_DEFINE_AUTO(nv_web)

/* Before the first call /-/ready answers 503. From any thread. */
void nv_web_set_ready(struct nv_web *web, bool ready);

/* What the caller may log: "[::]:9100", "unix:/run/x"; valid from nv_web_new() on, with the true port. */
size_t nv_web_n_addresses(const struct nv_web *web);
const char *nv_web_address(const struct nv_web *web, size_t i);
bool nv_web_has_tls(const struct nv_web *web);
const char *nv_web_warning(const struct nv_web *web); /* about the configuration; "" for none */

/* Totals since the start. From any thread, a collector inside a pass included. */
struct nv_web_stats {
    uint64_t requests_200, requests_500, requests_503; /* promhttp_metric_handler_requests_total */
    uint64_t in_flight;                         /* promhttp_metric_handler_requests_in_flight */
    uint64_t errors_gathering, errors_encoding; /* promhttp_metric_handler_errors_total */
    uint64_t requests;                          /* on all paths */
    uint64_t response_bytes;                    /* bodies of scrapes, as sent */
    uint64_t connections, connections_open;
    uint64_t connections_overdue; /* ended for being too slow */
    uint64_t auth_failures, rate_limited;
    uint64_t api[NV_OUTCOMES]; /* requests to the API, by what they came to */
    uint64_t queries, queries_waiting, query_ns;
    uint64_t query_memory, query_memory_waits; /* bytes now; how often one had to wait for some */
    bool has_reviews;
    struct nv_review_stats reviews;                 /* by the API server */
    uint64_t exposed_conflicts, exposed_duplicates; /* series of exposed targets left out */
    uint64_t config_errors; /* failed attempts to read the changed configuration */
};
void nv_web_stats(struct nv_web *web, struct nv_web_stats *ret);

#endif
