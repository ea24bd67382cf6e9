/*
 * listen.h - from an address as a flag has it to a socket that listens.
 *
 *   :9100                both families where IPv6 exists, else IPv4
 *   0.0.0.0:9100         IPv4; [::]:9100 is like :9100
 *   [::1]:9100, host:9100, host:http
 *   unix:/run/x.sock     a socket file nobody listens on is replaced; removed when closed
 *   vsock://:9100        any context; vsock://CID:9100 one
 */
#ifndef NV_WEB_LISTEN_H
#define NV_WEB_LISTEN_H

#include <sys/types.h>

#include <nodevitals/scan.h>

enum { NV_LISTEN_TEXT_MAX = 128 };

struct nv_listener {
    int fd;                        /* non-blocking; -1 for none */
    char text[NV_LISTEN_TEXT_MAX]; /* the true address, for the log */
    bool inherited;                /* from systemd, which keeps its own hold on it */
    char *unix_path;               /* to remove when closed */
    dev_t unix_dev;
    ino_t unix_ino;
};

/* Returns 0, or a negative errno and a line for the user in `error`. */
int nv_listen(const char *address, struct nv_listener *ret, char *error, size_t error_max);

/* Takes the sockets systemd handed over: *ret_n of them, at most max. -ENOENT when there are none. */
int nv_listen_inherited(struct nv_listener *ret, size_t max, size_t *ret_n, char *error,
                        size_t error_max);

/* Refuses connections from now on, where the socket is ours alone; the descriptor stays taken. */
void nv_listener_shut(struct nv_listener *listener);

/* Closes what is open and removes the socket file, if it is still ours. */
void nv_listener_done(struct nv_listener *listener);

#endif
