/*
 * netlink.h - netlink sockets kept open, and whole answers read with a deadline. Over libmnl.
 *
 *   bound      an answer has at most NV_NETLINK_ANSWER_MAX bytes, a wait NV_NETLINK_WAIT_MS
 *   threads    one user at a time
 */
#ifndef NV_BASE_NETLINK_H
#define NV_BASE_NETLINK_H

#include "base/buf.h"

enum { NV_NETLINK_ANSWER_MAX = 256 << 20, NV_NETLINK_WAIT_MS = 2000, NV_NETLINK_PROTOCOLS = 32 };

struct nv_netlink;

struct nv_netlink *
nv_netlink_new(void); /* NULL when memory is out; sockets are opened when needed */
void nv_netlink_free(struct nv_netlink *netlink);
NV_DEFINE_AUTO(nv_netlink)

/*
 * Sends a request (nlmsghdr and payload; flags 0 means NLM_F_REQUEST | NLM_F_DUMP; the sequence number is
 * ours) and appends all messages of the answer to `out`, back to back and aligned, without NLMSG_DONE. An
 * interrupted dump (NLM_F_DUMP_INTR) is asked again, three times at most, then -EINTR. Returns 0, the
 * kernel's error, -ETIMEDOUT, -EFBIG; after an error `out` is as it was. A socket on which an answer is still
 * under way is opened anew the next time. `out` needs 32 KiB of room beyond the answer.
 */
NV_MUST_USE int nv_netlink_ask(struct nv_netlink *netlink, int protocol, const void *request,
                               size_t n, struct nv_buf *out);

/* The id of a generic netlink family, remembered (its absence for a minute, since asking may start
 * modprobe). -ENOENT where there is none. */
NV_MUST_USE int nv_netlink_family(struct nv_netlink *netlink, const char *name, uint16_t *ret_id);

/*
 * Link notices: drains what RTNLGRP_LINK has announced since the last call, without waiting. Calls each()
 * per link index, with 0 when notices were lost (and on the first call, which subscribes).
 */
int nv_netlink_drain_links(struct nv_netlink *netlink, void (*each)(int ifindex, void *user),
                           void *user);

#endif
