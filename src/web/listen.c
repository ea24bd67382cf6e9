#include "web/listen.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cleanup.h"

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_vm vm;
    struct sockaddr_storage storage;
};

__attribute__((format(printf, 4, 5))) static int refuse(int r, char *error, size_t max,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, max, format, arguments);
    va_end(arguments);
    return r;
}

static const char *advice(int r)
{
    switch (-r) {
    case EADDRINUSE:
        return "; stop what listens there, or choose another with --web.listen-address";
    case EACCES:
    case EPERM:
        return "; ports below 1024 and other users' directories need privileges, choose another "
               "with "
               "--web.listen-address";
    case EADDRNOTAVAIL:
        return "; no interface has that address";
    default:
        return "";
    }
}

static int refuse_listen(int r, const char *address, char *error, size_t max)
{
    return refuse(r, error, max, "cannot listen on %s: %s%s", address, strerror(-r), advice(r));
}

/* ---- names ---------------------------------------------------------------------------------- */

static void name_inet(int fd, struct nv_listener *listener)
{
    union address local;
    socklen_t n = sizeof(local);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, &local.any, &n) < 0 ||
        getnameinfo(&local.any, n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(listener->text, sizeof(listener->text), strchr(host, ':') ? "[%.80s]:%s" : "%.80s:%s",
             host, port);
}

/* Names a socket somebody else made. */
static void name_any(int fd, struct nv_listener *listener)
{
    union address local = {.any.sa_family = AF_UNSPEC};
    socklen_t n = sizeof(local);

    snprintf(listener->text, sizeof(listener->text), "descriptor %d", fd);
    if (getsockname(fd, &local.any, &n) < 0)
        return;
    if (local.any.sa_family == AF_UNIX)
        snprintf(listener->text, sizeof(listener->text), "unix:%.108s",
                 local.un.sun_path[0] ? local.un.sun_path : "(abstract)");
    else if (local.any.sa_family == AF_VSOCK)
        snprintf(listener->text, sizeof(listener->text), "vsock://:%u", local.vm.svm_port);
    else
        name_inet(fd, listener);
}

/* ---- TCP ------------------------------------------------------------------------------------ */

static int open_listener(const union address *address, socklen_t n, bool both_families)
{
    NV_AUTO_FD fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1, only6 = !both_families;

    if (fd < 0)
        return -errno;
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof(only6));
    if (address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, &address->any, n) < 0 || listen(fd, SOMAXCONN) < 0)
        return -errno;
    return nv_take_fd(&fd);
}

/* getaddrinfo() takes 99999 for 34463. */
static bool is_port(const char *text)
{
    uint64_t number;

    return text[strspn(text, "0123456789")] != '\0' ||
           (nv_str_to_u64(nv_str(text), &number) && number <= 65535);
}

/* Splits at the last colon, brackets removed. */
static bool split_host(const char *address, char *host, size_t host_max, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || !colon[1] || !is_port(colon + 1))
        return false;

    struct nv_str name = {address, (size_t)(colon - address)};
    if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
        name = (struct nv_str){name.p + 1, name.n - 2};
    else if (nv_str_find(name, ':') < name.n) /* an IPv6 address wants brackets */
        return false;
    if (name.n >= host_max)
        return false;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    *ret_port = colon + 1;
    return true;
}

/* As Go does, IPv4 is preferred where a name has both. */
static const struct addrinfo *preferred(const struct addrinfo *list)
{
    nv_assert(list);
    for (const struct addrinfo *one = list; one; one = one->ai_next) {
        if (one->ai_family == AF_INET)
            return one;
    }
    return list;
}

/* No host means every address: one socket for both families, or IPv4 where there is no IPv6. */
static int open_wildcard(const char *port)
{
    struct addrinfo hints = {
        .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int families[] = {AF_INET6, AF_INET};
    int r = -EAFNOSUPPORT;

    for (size_t i = 0; i < 2 && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL); i++) {
        union address address = {0};
        hints.ai_family = families[i];
        if (getaddrinfo(NULL, port, &hints, &list) != 0)
            return -EINVAL;
        memcpy(&address, list->ai_addr, list->ai_addrlen);
        r = open_listener(&address, list->ai_addrlen, true);
        freeaddrinfo(list);
    }
    return r;
}

static int listen_tcp(const char *text, struct nv_listener *ret, char *error, size_t max)
{
    char host[NI_MAXHOST];
    const char *port;

    if (!split_host(text, host, sizeof(host), &port))
        return refuse(-EINVAL, error, max,
                      "listen address '%s' is none of :PORT, HOST:PORT, [IPV6]:PORT, unix:PATH, "
                      "vsock://:PORT",
                      text);

    int fd;
    if (host[0] == '\0' || strcmp(host, "::") == 0) {
        fd = open_wildcard(port);
    } else {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
        struct addrinfo *list = NULL;
        int r = getaddrinfo(host, port, &hints, &list);
        if (r != 0)
            return refuse(-EINVAL, error, max, "cannot listen on %s: %s", text, gai_strerror(r));
        const struct addrinfo *one = preferred(list);
        union address address = {0};
        memcpy(&address, one->ai_addr, one->ai_addrlen);
        fd = open_listener(&address, one->ai_addrlen, false);
        freeaddrinfo(list);
    }
    if (fd < 0)
        return refuse_listen(fd, text, error, max);
    ret->fd = fd;
    name_inet(fd, ret);
    return 0;
}

/* ---- Unix and vsock ------------------------------------------------------------------------- */

/* Whether somebody accepts connections there. */
static bool is_alive(const union address *address)
{
    NV_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd >= 0 && (connect(fd, &address->any, sizeof(address->un)) == 0 || errno == EAGAIN);
}

/* Removes a socket that a dead process left. What is no socket is never touched. */
static int remove_stale(const union address *address)
{
    struct stat status;

    if (lstat(address->un.sun_path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    if (is_alive(address))
        return -EADDRINUSE;
    return unlink(address->un.sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int listen_unix(const char *text, struct nv_listener *ret, char *error, size_t max)
{
    const char *path = text + strlen("unix:");
    union address address = {.un.sun_family = AF_UNIX};
    struct stat status;

    if (!*path || strlen(path) >= sizeof(address.un.sun_path))
        return refuse(-EINVAL, error, max,
                      "listen address '%s': a socket's path has 1 to %zu bytes", text,
                      sizeof(address.un.sun_path) - 1);
    memcpy(address.un.sun_path, path, strlen(path) + 1);

    int r = remove_stale(&address);
    if (r < 0)
        return refuse_listen(r, text, error, max);
    NV_AUTO_FD fd = open_listener(&address, sizeof(address.un), false);
    if (fd < 0)
        return refuse_listen(fd, text, error, max);
    ret->unix_path = strdup(path);
    if (!ret->unix_path || lstat(path, &status) < 0)
        return refuse_listen(-ENOMEM, text, error, max);

    ret->unix_dev = status.st_dev;
    ret->unix_ino = status.st_ino;
    snprintf(ret->text, sizeof(ret->text), "unix:%s", path);
    ret->fd = nv_take_fd(&fd);
    return 0;
}

static int listen_vsock(const char *text, struct nv_listener *ret, char *error, size_t max)
{
    struct nv_str cid_text = nv_str(text + strlen("vsock://"));
    size_t colon = nv_str_find(cid_text, ':');
    struct nv_str port_text = nv_str_from(cid_text, colon + 1);
    uint64_t cid = VMADDR_CID_ANY, port = 0;

    cid_text.n = colon;
    if ((cid_text.n && !nv_str_to_u64(cid_text, &cid)) || !nv_str_to_u64(port_text, &port) ||
        cid > UINT32_MAX || port >= UINT32_MAX)
        return refuse(-EINVAL, error, max,
                      "listen address '%s' is not vsock://:PORT or vsock://CID:PORT", text);

    union address address = {
        .vm = {.svm_family = AF_VSOCK, .svm_cid = (unsigned)cid, .svm_port = (unsigned)port}
    };
    int fd = open_listener(&address, sizeof(address.vm), false);
    if (fd < 0)
        return refuse_listen(fd, text, error, max);
    ret->fd = fd;
    snprintf(ret->text, sizeof(ret->text), "%s", text);
    return 0;
}

/* ---- what others use ------------------------------------------------------------------------ */

int nv_listen(const char *address, struct nv_listener *ret, char *error, size_t error_max)
{
    *ret = (struct nv_listener){.fd = -1};
    if (strncmp(address, "unix:", 5) == 0)
        return listen_unix(address, ret, error, error_max);
    if (strncmp(address, "vsock://", 8) == 0)
        return listen_vsock(address, ret, error, error_max);
    return listen_tcp(address, ret, error, error_max);
}

int nv_listen_inherited(struct nv_listener *ret, size_t max, size_t *ret_n, char *error,
                        size_t error_max)
{
    int n = sd_listen_fds(1);

    if (n < 0)
        return refuse(n, error, error_max, "cannot take the sockets systemd passed: %s",
                      strerror(-n));
    if (n == 0)
        return refuse(-ENOENT, error, error_max,
                      "no socket was passed by systemd; start through a .socket unit, or drop "
                      "--web.systemd-socket");
    if ((size_t)n > max)
        return refuse(-E2BIG, error, error_max, "systemd passed %d sockets; %zu are served at most",
                      n, max);
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            return refuse(-ENOTSOCK, error, error_max,
                          "descriptor %d passed by systemd is no listening stream socket", fd);
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
            return refuse(-errno, error, error_max, "descriptor %d: %s", fd, strerror(errno));
        ret[i] = (struct nv_listener){.fd = fd, .inherited = true};
        name_any(fd, &ret[i]);
        *ret_n = (size_t)i + 1;
    }
    return 0;
}

void nv_listener_shut(struct nv_listener *listener)
{
    if (listener->fd >= 0 && !listener->inherited)
        shutdown(listener->fd, SHUT_RDWR);
}

void nv_listener_done(struct nv_listener *listener)
{
    struct stat status;

    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    if (listener->unix_path && lstat(listener->unix_path, &status) == 0 &&
        status.st_dev == listener->unix_dev && status.st_ino == listener->unix_ino)
        unlink(listener->unix_path);
    free(listener->unix_path);
    listener->unix_path = NULL;
}
