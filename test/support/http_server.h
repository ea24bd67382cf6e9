/*
 * http_server.h - a small HTTP server in threads, whose answers a function writes.
 *
 *   listens   on 127.0.0.1 at a port of the kernel's choice, and on a socket in the temporary folder
 *   bound     requests of 1 MiB; eight connections at once, a thread each
 *   errors    of the server itself end the test
 */
#ifndef NV_TEST_HTTP_SERVER_H
#define NV_TEST_HTTP_SERVER_H

#include "base/buf.h"

/* What becomes of the connection when the answer is written. */
enum nv_http_server_then {
    NV_HTTP_SERVER_KEEP,  /* the next request may come */
    NV_HTTP_SERVER_CLOSE, /* it is closed */
    NV_HTTP_SERVER_STALL, /* nothing more is said, until the client goes or the server stops */
};

/* Gets the whole request, head and body, ended by NUL; appends the whole answer, status line and all. Called from
 * several threads, one call at a time. */
typedef enum nv_http_server_then (*nv_http_server_fn)(const char *request, struct nv_buf *answer,
                                                      void *user);

struct nv_http_server;
struct nv_http_server *nv_http_server_start(nv_http_server_fn answer, void *user);
void nv_http_server_stop(struct nv_http_server *server);

/* From then on connections speak TLS. */
struct nv_http_server_tls {
    const char *cert_file, *key_file; /* PEM */
    const char *priority;             /* as GnuTLS has them; NULL: its default */
    bool wants_certificate;           /* of the client, whatever it says */
};
void nv_http_server_use_tls(struct nv_http_server *server, const struct nv_http_server_tls *tls);

unsigned nv_http_server_port(const struct nv_http_server *server);
const char *nv_http_server_url(const struct nv_http_server *server);    /* http://127.0.0.1:PORT */
const char *nv_http_server_socket(const struct nv_http_server *server); /* unix:PATH */
unsigned nv_http_server_connections(struct nv_http_server *server);     /* accepted so far */

/* "HTTP/1.1 200 OK", a Content-Length, `type`, and the body. */
void nv_http_server_answer(struct nv_buf *answer, int status, const char *type, const char *body);

#endif
