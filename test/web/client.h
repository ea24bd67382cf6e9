/*
 * client.h - a small HTTP client for the tests of the server, and the server under test.
 */
#ifndef NV_TEST_CLIENT_H
#define NV_TEST_CLIENT_H

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"

enum { CLIENT_PATIENCE_S = 60 };

struct answer {
    int status;
    char head[4096];
    char body[65536]; /* its beginning */
    size_t body_n;    /* the whole */
};

static inline int client_open(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = CLIENT_PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void client_send(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        ck_assert_int_gt(sent, 0);
        text += sent;
        n -= (size_t)sent;
    }
}

/* Whether an answer has begun to arrive. */
static inline bool client_has_answer(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* Reads one answer. Status 0: the connection was closed before its end. */
static inline void client_receive(int fd, bool has_body, struct answer *ret)
{
    NV_AUTO_BUF all = NV_BUF(16 << 20);
    size_t head_n = 0, body_n = 0;

    *ret = (struct answer){0};
    for (;;) {
        char part[4096];
        if (!head_n && all.n) {
            const char *end = memmem(all.p, all.n, "\r\n\r\n", 4);
            if (end) {
                head_n = (size_t)(end - all.p) + 4;
                const char *length = strcasestr(nv_buf_c_string(&all), "\r\nContent-Length: ");
                if (length && has_body && length < end)
                    body_n = strtoul(length + 18, NULL, 10);
            }
        }
        if (head_n && all.n >= head_n + body_n)
            break;
        ssize_t got = recv(fd, part, sizeof(part), 0);
        if (got <= 0)
            return;
        nv_buf_add(&all, part, (size_t)got);
    }
    ret->status = (int)strtol(all.p + strlen("HTTP/1.1 "), NULL, 10);
    snprintf(ret->head, sizeof(ret->head), "%.*s", (int)head_n, all.p);
    snprintf(ret->body, sizeof(ret->body), "%.*s", (int)(all.n - head_n), all.p + head_n);
    ret->body_n = body_n;
}

static inline void client_get(int fd, const char *path, struct answer *ret)
{
    char text[40000];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    client_send(fd, text);
    client_receive(fd, true, ret);
}

/* On a connection of its own. */
static inline void client_get_once(int port, const char *path, struct answer *ret)
{
    int fd = client_open(port);

    client_get(fd, path, ret);
    close(fd);
}

static inline size_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

#endif
