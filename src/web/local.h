/*
 * local.h - whether a request comes from this machine, and from whose page.
 *
 * A client is local by its address: loopback, or a Unix socket. That is not enough where it is a browser, for a page
 * from anywhere may make it ask:
 *
 *   under a name of its own that it lets resolve to 127.0.0.1 (DNS rebinding), and read the answer as its own; the Host
 *   header tells: it must be localhost, a name below it, a loopback address, or this machine's name
 *
 *   under our name, and not read the answer but have it done; the Origin header tells: it must be our own
 *
 * Nor is a proxy's address that of the client for whom it asks; those that say so (Forwarded) are not local.
 */
#ifndef NV_WEB_LOCAL_H
#define NV_WEB_LOCAL_H

#include <sys/socket.h>

#include <nodevitals/scan.h>

bool nv_peer_is_local(const struct sockaddr *address);

/* "localhost:9100", "[::1]:9100", "db1:9100"; `own`: this machine's name, with or without its domain. */
bool nv_host_is_local(struct nv_str host, struct nv_str own);

/* Whether "https://host:port" is where a request for `host` was made from. */
bool nv_origin_is_own(struct nv_str origin, struct nv_str host);

#endif
