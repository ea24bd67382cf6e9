#include "support/http_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support/fixture.h"

enum { REQUEST_MAX = 1 << 20, ANSWER_MAX = 64 << 20, CONNECTIONS_MAX = 8 };

struct connection {
    struct nv_http_server *server;
    pthread_t thread;
    int fd;
    bool used;
    gnutls_session_t tls;
};

struct nv_http_server {
    nv_http_server_fn answer;
    void *user;
    int tcp, local, stop; /* stop: an eventfd, readable when the server is to end */
    unsigned port, accepted;
    char url[64], socket[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8];
    pthread_t thread;
    pthread_mutex_t lock;
    struct nv_http_server_tls tls;
    gnutls_certificate_credentials_t credentials;
    struct connection connections[CONNECTIONS_MAX];
};

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Waits for bytes. False when the server is to end. */
static bool wait_for(const struct connection *c)
{
    struct pollfd fds[] = {
        {.fd = c->fd,           .events = POLLIN},
        {.fd = c->server->stop, .events = POLLIN}
    };

    if (c->tls && gnutls_record_check_pending(c->tls))
        return true;
    return poll(fds, 2, -1) > 0 && !fds[1].revents;
}

static ssize_t receive(const struct connection *c, char *bytes, size_t n)
{
    if (!wait_for(c))
        return -1;
    return c->tls ? gnutls_record_recv(c->tls, bytes, n) : recv(c->fd, bytes, n, 0);
}

static bool send_all(const struct connection *c, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent =
            c->tls ? gnutls_record_send(c->tls, bytes, n) : send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Bytes of the request at the front of the text; 0 where it is not whole yet. */
static size_t request_length(struct nv_buf *text)
{
    const char *whole = nv_buf_c_string(text), *end = strstr(whole, "\r\n\r\n");
    const char *length = strcasestr(whole, "\r\nContent-Length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;

    return end && (size_t)(end - whole) + 4 + body <= text->n ? (size_t)(end - whole) + 4 + body
                                                              : 0;
}

static bool read_request(const struct connection *c, struct nv_buf *text, size_t *ret)
{
    char chunk[4096];

    while (!(*ret = request_length(text))) {
        ssize_t n = receive(c, chunk, sizeof(chunk));
        if (n <= 0)
            return false;
        nv_buf_add(text, chunk, (size_t)n);
        ck_assert_int_eq(text->failed, 0);
    }
    return true;
}

static enum nv_http_server_then answer_one(const struct connection *c, struct nv_buf *text,
                                           size_t length)
{
    struct nv_http_server *server = c->server;
    NV_AUTO_BUF answer = NV_BUF(ANSWER_MAX), request = NV_BUF(REQUEST_MAX);

    nv_buf_add(&request, text->p, length);
    memmove(text->p, text->p + length, text->n - length);
    text->n -= length;
    pthread_mutex_lock(&server->lock);
    enum nv_http_server_then then =
        server->answer(nv_buf_c_string(&request), &answer, server->user);
    pthread_mutex_unlock(&server->lock);
    ck_assert_int_eq(answer.failed, 0);
    return send_all(c, answer.p, answer.n) ? then : NV_HTTP_SERVER_CLOSE;
}

static void stall(const struct connection *c)
{
    char chunk[4096];

    while (receive(c, chunk, sizeof(chunk)) > 0)
        ;
}

static bool shake_hands(struct connection *c)
{
    int r;

    if (!c->server->credentials)
        return true;
    gnutls_init(&c->tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    if (c->server->tls.priority)
        gnutls_priority_set_direct(c->tls, c->server->tls.priority, NULL);
    else
        gnutls_set_default_priority(c->tls);
    gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, c->server->credentials);
    gnutls_certificate_server_set_request(
        c->tls, c->server->tls.wants_certificate ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    gnutls_transport_set_int(c->tls, c->fd);
    gnutls_handshake_set_timeout(c->tls, 10000);
    while ((r = gnutls_handshake(c->tls)) < 0 && !gnutls_error_is_fatal(r))
        ;
    return r == 0;
}

static void *serve(void *user)
{
    struct connection *c = user;
    enum nv_http_server_then then = NV_HTTP_SERVER_KEEP;
    NV_AUTO_BUF text = NV_BUF(REQUEST_MAX);
    size_t length;

    if (shake_hands(c)) {
        while (then == NV_HTTP_SERVER_KEEP && read_request(c, &text, &length))
            then = answer_one(c, &text, length);
        if (then == NV_HTTP_SERVER_STALL)
            stall(c);
    }
    if (c->tls)
        gnutls_deinit(c->tls);
    c->tls = NULL;
    shutdown(c->fd, SHUT_RDWR);
    return NULL;
}

/* ---- the server ----------------------------------------------------------------------------- */

static void finish(struct connection *c)
{
    if (!c->used)
        return;
    pthread_join(c->thread, NULL);
    close(c->fd);
    c->used = false;
}

/* A place for one more connection: the one that was given longest ago, whose thread has to be at its end. */
static void begin(struct nv_http_server *server, int fd)
{
    struct connection *c = &server->connections[server->accepted % CONNECTIONS_MAX];

    finish(c);
    *c = (struct connection){.server = server, .fd = fd, .used = true};
    __atomic_fetch_add(&server->accepted, 1, __ATOMIC_RELAXED);
    ck_assert_int_eq(pthread_create(&c->thread, NULL, serve, c), 0);
}

static void *accept_all(void *user)
{
    struct nv_http_server *server = user;
    struct pollfd fds[] = {
        {.fd = server->tcp,   .events = POLLIN},
        {.fd = server->local, .events = POLLIN},
        {.fd = server->stop,  .events = POLLIN}
    };

    while (poll(fds, 3, -1) > 0 && !fds[2].revents) {
        for (size_t i = 0; i < 2; i++) {
            int fd = fds[i].revents ? accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC) : -1;
            if (fd >= 0)
                begin(server, fd);
        }
    }
    return NULL;
}

static int listen_on(const struct sockaddr *address, socklen_t n)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, address, n), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    return fd;
}

struct nv_http_server *nv_http_server_start(nv_http_server_fn answer, void *user)
{
    static unsigned made;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct nv_http_server *server = calloc(1, sizeof(*server));
    socklen_t n = sizeof(address);

    ck_assert_ptr_nonnull(server);
    server->answer = answer;
    server->user = user;
    server->stop = eventfd(0, EFD_CLOEXEC);
    server->tcp = listen_on((struct sockaddr *)&address, sizeof(address));
    ck_assert_int_eq(getsockname(server->tcp, (struct sockaddr *)&address, &n), 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", server->port);
    int length = snprintf(path.sun_path, sizeof(path.sun_path), "%s/http-%d-%u.sock", nv_temp_dir(),
                          getpid(), made++);
    ck_assert_int_lt(length, (int)sizeof(path.sun_path));
    snprintf(server->socket, sizeof(server->socket), "unix:%s", path.sun_path);
    server->local = listen_on((struct sockaddr *)&path, sizeof(path));
    pthread_mutex_init(&server->lock, NULL);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, accept_all, server), 0);
    return server;
}

void nv_http_server_stop(struct nv_http_server *server)
{
    static const uint64_t one = 1;

    ck_assert_int_eq(write(server->stop, &one, sizeof(one)), sizeof(one));
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        finish(&server->connections[i]);
    close(server->tcp);
    close(server->local);
    close(server->stop);
    unlink(server->socket + strlen("unix:"));
    if (server->credentials)
        gnutls_certificate_free_credentials(server->credentials);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void nv_http_server_use_tls(struct nv_http_server *server, const struct nv_http_server_tls *tls)
{
    server->tls = *tls;
    ck_assert_int_eq(gnutls_certificate_allocate_credentials(&server->credentials), 0);
    ck_assert_int_eq(gnutls_certificate_set_x509_key_file(server->credentials, tls->cert_file,
                                                          tls->key_file, GNUTLS_X509_FMT_PEM),
                     0);
    snprintf(server->url, sizeof(server->url), "https://127.0.0.1:%u", server->port);
}

unsigned nv_http_server_port(const struct nv_http_server *server)
{
    return server->port;
}

const char *nv_http_server_url(const struct nv_http_server *server)
{
    return server->url;
}

const char *nv_http_server_socket(const struct nv_http_server *server)
{
    return server->socket;
}

unsigned nv_http_server_connections(struct nv_http_server *server)
{
    return __atomic_load_n(&server->accepted, __ATOMIC_RELAXED);
}

void nv_http_server_answer(struct nv_buf *answer, int status, const char *type, const char *body)
{
    nv_buf_printf(
        answer, "HTTP/1.1 %d Said\r\nContent-Type: %s\r\nContent-Length: %zu\r\nX-Empty:\r\n\r\n%s",
        status, type, strlen(body), body);
}
