/*
 * http.h - requests to HTTP servers, over libcurl.
 *
 *   struct nv_http *http = nv_http_new(&(struct nv_http_options){.timeout_ms = 5000});
 *   NV_AUTO_BUF body = NV_BUF(ANSWER_MAX);
 *   int status;
 *
 *   r = nv_http_ask(http, &(struct nv_http_request){.url = "http://localhost:9100/metrics", .into = &body}, &status);
 *   if (r < 0)
 *       return nv_log_err(r, "...: %s", nv_http_error(http));
 *
 *   shape      a client keeps how to speak to a server (TLS, who we are, proxy, deadlines), and its connections open:
 *              one client per server, kept, is what is cheap
 *   URLs       http://..., https://..., and unix:/path/of.sock:/path?query for a socket of this machine
 *   bound      a request ends at its deadline; an answer goes into a buffer born with a maximum, or to a function that
 *              may end it; NV_HTTP_REDIRECTS_MAX redirects; secrets of NV_HTTP_SECRET_MAX bytes
 *   threads    one at a time per client, except that nv_http_cancel() may come from any
 *   library    loaded by the first nv_http_new(); where there is none, each request fails with -ENOPKG
 */
#ifndef NV_BASE_HTTP_H
#define NV_BASE_HTTP_H

#include <nodevitals/scan.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum {
    NV_HTTP_ERROR_MAX = 512,
    NV_HTTP_REDIRECTS_MAX = 10,
    NV_HTTP_SECRET_MAX = 64 << 10,
    NV_HTTP_CONNECT_MS = 10000, /* unless the options say otherwise */
    NV_HTTP_TIMEOUT_MS = 30000,
};

enum nv_http_tls_version { NV_TLS_DEFAULT, NV_TLS_1_0, NV_TLS_1_1, NV_TLS_1_2, NV_TLS_1_3 };

/* Files are read whenever a connection is made. NULL, false and 0 leave the library's way: the system's CAs, TLS 1.2. */
struct nv_http_tls {
    const char *ca, *cert, *key; /* the PEM text itself; else a file of it: */
    const char *ca_file, *cert_file, *key_file;
    const char *server_name; /* that the certificate has to bear, and is asked for */
    bool insecure_skip_verify;
    enum nv_http_tls_version min_version, max_version;
};

/* Copied by nv_http_new(). */
struct nv_http_options {
    struct nv_http_tls tls;
    const char *user, *user_file; /* basic authentication, where one of these is given */
    const char *password, *password_file;
    const char *credentials, *credentials_file; /* else Authorization: TYPE CREDENTIALS */
    const char *credentials_type;               /* NULL: Bearer */
    const char *user_agent;                     /* NULL: nodevitals */
    const char *proxy_url, *no_proxy;
    bool proxy_from_environment; /* http_proxy, https_proxy, no_proxy */
    bool follow_redirects;       /* to http and https only */
    int64_t connect_timeout_ms, timeout_ms;
};

struct nv_http_header {
    const char *name, *value;
};

struct nv_http_request {
    const char *method; /* NULL: GET, or POST where there is a body */
    const char *url;
    const struct nv_http_header *headers;
    size_t n_headers;
    size_t
        n_private; /* so many of them, the first ones, are for the host of the URL alone: no redirect carries them, nor
                         * who we are, to another. For requests without a body */
    struct nv_str body;                     /* p NULL: none. Read in place */
    int64_t connect_timeout_ms, timeout_ms; /* 0: the client's */
    bool
        decode; /* ask for gzip or zstd, which are undone anyway; what is counted is what comes out */

    /* Where the body of the answer goes; neither: nowhere. `take` returns 0, or a negative errno to end it. Status and
     * headers can be asked from there. */
    struct nv_buf *into;
    int (*take)(void *user, struct nv_str bytes);
    void *user;
};

struct nv_http;

struct nv_http *nv_http_new(const struct nv_http_options *options); /* NULL when memory is out */
void nv_http_free(struct nv_http *http);
NV_DEFINE_AUTO(nv_http)

/*
 * Returns 0 when there is an answer, whatever its status; or a negative errno, with a line for the user in
 * nv_http_error():
 *
 *   -ECONNREFUSED, -EHOSTUNREACH ...  could not connect, resolve
 *   -ETIMEDOUT, -ECANCELED            the deadline, nv_http_cancel()
 *   -ECONNRESET                       the server went away, or its answer ends in the midst of gzip or zstd
 *   -EBADMSG                          the answer is not coded as it says
 *   -EPROTO                           TLS, or no HTTP
 *   -EFBIG                            `into` is full
 *   -EINVAL                           URL, header or option is none
 *   -ENOPKG                           no libcurl
 *   others                            of `take`; of a file with a secret; -ENOMEM, -ELOOP, -EIO
 */
NV_MUST_USE int nv_http_ask(struct nv_http *http, const struct nv_http_request *request,
                            int *ret_status);
const char *nv_http_error(const struct nv_http *http);

/* How far the last request came, to tell what its deadline means. */
enum nv_http_reach {
    NV_HTTP_UNREACHED, /* nobody took the connection */
    NV_HTTP_CONNECTED, /* somebody did, but ended no handshake */
    NV_HTTP_ASKED,
};
enum nv_http_reach nv_http_reach(struct nv_http *http);

/* Of the last answer, until the next request. A header it did not have is empty. */
int nv_http_status(struct nv_http *http);
struct nv_str nv_http_header(struct nv_http *http, const char *name);

/* Ends the request that runs, and each one after, with -ECANCELED. */
void nv_http_cancel(struct nv_http *http);

/* Appends text as it may stand in a query or a form: all but letters, digits and "-._~" as %XX. */
void nv_http_escape(struct nv_buf *out, struct nv_str text);

#endif
