#include "base/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"

enum {
    RECEIVE_SIZE = 32 << 10, /* what the kernel fills at once when offered that much */
    RECEIVE_MAX = 1 << 20,   /* one message of a link with some thousand virtual functions */
    NOTICE_SIZE = 16 << 10,
    NOTICES_MAX = 65536, /* in one drain */
    NOTICE_BACKLOG = 1 << 20,
    DUMP_TRIES = 3,
    FAMILIES_MAX = 32,
    FAMILY_ABSENT_S = 60, /* asking for an absent family makes the kernel run modprobe */
};

/* What receiving can come to, short of an error. */
enum outcome { MORE, COMPLETE, INTERRUPTED, TOO_LONG };

struct family {
    char name[GENL_NAMSIZ];
    uint16_t id; /* 0: absent, as of checked_ns */
    int64_t checked_ns;
};

struct nv_netlink {
    struct mnl_socket *sockets[NV_NETLINK_PROTOCOLS];
    struct mnl_socket *links;
    uint32_t sequence;
    size_t receive_size;
    struct family families[FAMILIES_MAX];
    size_t n_families;
    struct nv_buf family_answer;
    struct nv_buf
        received; /* of one read: what is kept is mostly far less than what must be offered */
};

/* One answer on its way into `out`. */
struct exchange {
    struct mnl_socket *socket;
    struct nv_buf *in, *out;
    uint32_t sequence;
    size_t receive_size;
    size_t received; /* bytes, stale ones too */
    bool interrupted;
};

struct nv_netlink *nv_netlink_new(void)
{
    struct nv_netlink *netlink = calloc(1, sizeof(*netlink));

    if (!netlink)
        return NULL;
    netlink->receive_size = RECEIVE_SIZE;
    netlink->family_answer = NV_BUF(2 * RECEIVE_MAX);
    netlink->received = NV_BUF(2 * RECEIVE_MAX);
    return netlink;
}

static void close_socket(struct mnl_socket **socket)
{
    if (*socket)
        mnl_socket_close(*socket);
    *socket = NULL;
}

void nv_netlink_free(struct nv_netlink *netlink)
{
    if (!netlink)
        return;
    for (size_t i = 0; i < NV_NETLINK_PROTOCOLS; i++)
        close_socket(&netlink->sockets[i]);
    close_socket(&netlink->links);
    nv_buf_done(&netlink->family_answer);
    nv_buf_done(&netlink->received);
    free(netlink);
}

static int open_socket(int protocol, int flags, unsigned groups, struct mnl_socket **ret)
{
    static const struct timeval wait = {.tv_sec = NV_NETLINK_WAIT_MS / 1000,
                                        .tv_usec = NV_NETLINK_WAIT_MS % 1000 * 1000};
    struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC | flags);

    if (!socket)
        return -errno;
    int fd = mnl_socket_get_fd(socket);
    if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0) {
        int error = -errno;
        mnl_socket_close(socket);
        return error;
    }
    *ret = socket;
    return 0;
}

static int send_request(struct exchange *exchange, const void *request, size_t n)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct nlmsghdr header;

    memcpy(&header, request, sizeof(header));
    header.nlmsg_len = (uint32_t)n;
    header.nlmsg_seq = exchange->sequence;
    header.nlmsg_pid = 0;
    if (!header.nlmsg_flags)
        header.nlmsg_flags = NLM_F_DUMP;
    header.nlmsg_flags |= NLM_F_REQUEST;
    if ((header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        header.nlmsg_flags |= NLM_F_ACK; /* it ends the answer, as NLMSG_DONE does a dump */

    struct iovec parts[2] = {
        {.iov_base = &header,                                     .iov_len = sizeof(header)    },
        {.iov_base = (char *)(uintptr_t)request + sizeof(header), .iov_len = n - sizeof(header)},
    };
    struct msghdr message = {
        .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    do
        sent = sendmsg(mnl_socket_get_fd(exchange->socket), &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : (size_t)sent < n ? -EIO : 0;
}

/*
 * Receives one datagram to `into`. Sets *ret_n to its length, which is more than `size` where it was
 * cut, and 0 where it came from another process rather than the kernel.
 */
static int receive(struct mnl_socket *socket, void *into, size_t size, size_t *ret_n)
{
    struct sockaddr_nl from = {0};
    struct iovec part = {.iov_base = into, .iov_len = size};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    do
        n = recvmsg(mnl_socket_get_fd(socket), &message, MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (message.msg_namelen != sizeof(from))
        return -EPROTO;
    *ret_n = from.nl_pid == 0 ? (size_t)n : 0;
    return 0;
}

static bool whole(const char *at, size_t n)
{
    struct nlmsghdr header;

    if (n < sizeof(header))
        return false;
    memcpy(&header, at, sizeof(header));
    return header.nlmsg_len >= sizeof(header) && header.nlmsg_len <= n;
}

/* The error inside NLMSG_ERROR (0: an acknowledgement) or NLMSG_DONE. */
static int error_within(const struct nlmsghdr *message)
{
    int error;

    if (message->nlmsg_len < NLMSG_HDRLEN + sizeof(error))
        return message->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
    memcpy(&error, (const char *)message + NLMSG_HDRLEN, sizeof(error));
    return error < 0 ? error : 0;
}

/*
 * Keeps what belongs to the answer of the n bytes received, at the end of out, which has room for all.
 * Returns MORE, COMPLETE or an error; *ret_from_kernel tells whose error.
 */
static int keep(struct exchange *exchange, size_t n, bool *ret_from_kernel)
{
    struct nv_buf *out = exchange->out;
    const char *at = exchange->in->p;

    while (n) {
        if (!whole(at, n))
            return -EBADMSG;
        struct nlmsghdr *message = (struct nlmsghdr *)(uintptr_t)at;
        size_t length = message->nlmsg_len;
        size_t step = NLMSG_ALIGN(length) < n ? NLMSG_ALIGN(length) : n;
        bool ours = message->nlmsg_seq == exchange->sequence &&
                    message->nlmsg_pid == mnl_socket_get_portid(exchange->socket);
        at += step;
        n -= step;
        if (!ours || message->nlmsg_type == NLMSG_NOOP)
            continue;
        exchange->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (message->nlmsg_type == NLMSG_OVERRUN)
            return -ENOBUFS;
        if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
            int error = error_within(message);
            *ret_from_kernel = error < 0;
            return error < 0 ? error : COMPLETE;
        }
        memcpy(out->p + out->n, message, length);
        memset(out->p + out->n + length, 0, NLMSG_ALIGN(length) - length);
        out->n += NLMSG_ALIGN(length);
    }
    return MORE;
}

static int read_answer(struct exchange *exchange, bool *ret_from_kernel)
{
    struct nv_buf *in = exchange->in, *out = exchange->out;
    int r = MORE;

    while (r == MORE) {
        size_t n = 0;
        nv_buf_reset(in);
        if (!nv_buf_room(in, exchange->receive_size))
            return in->failed;
        r = receive(exchange->socket, in->p, exchange->receive_size, &n);
        if (r < 0)
            return r == -EAGAIN ? -ETIMEDOUT : r;
        if (n > exchange->receive_size) {
            exchange->receive_size = n;
            return n > RECEIVE_MAX ? -EFBIG : TOO_LONG;
        }
        exchange->received += n;
        if (exchange->received > NV_NETLINK_ANSWER_MAX)
            return -EFBIG;
        if (!nv_buf_room(out, n + NLMSG_ALIGNTO))
            return out->failed;
        r = keep(exchange, n, ret_from_kernel);
    }
    return r == COMPLETE && exchange->interrupted ? INTERRUPTED : r;
}

/* One request and its answer. The socket stays open only where it is in a known state afterwards. */
static int ask_once(struct nv_netlink *netlink, int protocol, const void *request, size_t n,
                    struct nv_buf *out)
{
    struct mnl_socket **socket = &netlink->sockets[protocol];
    size_t before = out->n;
    bool from_kernel = false;

    if (!*socket) {
        int r = open_socket(protocol, 0, 0, socket);
        if (r < 0)
            return r;
    }
    struct exchange exchange = {.socket = *socket,
                                .in = &netlink->received,
                                .out = out,
                                .sequence = ++netlink->sequence,
                                .receive_size = netlink->receive_size};
    int r = send_request(&exchange, request, n);
    if (r == 0)
        r = read_answer(&exchange, &from_kernel);
    if (r == TOO_LONG)
        netlink->receive_size = exchange.receive_size;
    if (r != COMPLETE)
        out->n = before;
    if (r != COMPLETE && r != INTERRUPTED && !from_kernel)
        close_socket(socket);
    return r;
}

/* A family whose number the kernel no longer knows came with a module that has gone. */
static void forget_family(struct nv_netlink *netlink, const void *request)
{
    struct nlmsghdr header;

    memcpy(&header, request, sizeof(header));
    for (size_t i = 0; i < netlink->n_families; i++) {
        if (netlink->families[i].id == header.nlmsg_type)
            netlink->families[i] = netlink->families[--netlink->n_families];
    }
}

int nv_netlink_ask(struct nv_netlink *netlink, int protocol, const void *request, size_t n,
                   struct nv_buf *out)
{
    int r = -EINTR;

    if (protocol < 0 || protocol >= NV_NETLINK_PROTOCOLS || n < sizeof(struct nlmsghdr) ||
        n > RECEIVE_SIZE || out->n % NLMSG_ALIGNTO)
        return -EINVAL;
    if (out->failed)
        return out->failed;
    for (int tries = 0; tries < DUMP_TRIES; tries++) {
        r = ask_once(netlink, protocol, request, n, out);
        if (r == COMPLETE)
            return 0;
        if (r < 0)
            break;
        r = r == TOO_LONG ? -EMSGSIZE : -EINTR;
    }
    if (r == -ENOENT && protocol == NETLINK_GENERIC)
        forget_family(netlink, request);
    return r;
}

/* The id within the answer of CTRL_CMD_GETFAMILY; 0 where there is none. */
static uint16_t id_within(struct nv_str answer)
{
    if (!whole(answer.p, answer.n))
        return 0;
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)answer.p;
    if (message->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
        return 0;

    struct nv_str attributes = {answer.p + NLMSG_HDRLEN + GENL_HDRLEN,
                                message->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN};
    struct nlattr header;
    while (attributes.n >= sizeof(header)) {
        memcpy(&header, attributes.p, sizeof(header));
        if (header.nla_len < sizeof(header) || header.nla_len > attributes.n)
            return 0;
        if ((header.nla_type & NLA_TYPE_MASK) == CTRL_ATTR_FAMILY_ID &&
            header.nla_len >= NLA_HDRLEN + sizeof(uint16_t)) {
            uint16_t id;
            memcpy(&id, attributes.p + NLA_HDRLEN, sizeof(id));
            return id;
        }
        attributes = nv_str_from(attributes, NLA_ALIGN(header.nla_len));
    }
    return 0;
}

/* Asks the kernel. -ENOENT where it has no such family. */
static int ask_family(struct nv_netlink *netlink, const char *name, uint16_t *ret_id)
{
    struct {
        struct nlmsghdr header;
        struct genlmsghdr generic;
        struct nlattr attribute;
        char name[GENL_NAMSIZ];
    } request = {
        .header = {.nlmsg_type = GENL_ID_CTRL,          .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .generic = {.cmd = CTRL_CMD_GETFAMILY,           .version = 1                            },
        .attribute = {.nla_len = NLA_HDRLEN + GENL_NAMSIZ, .nla_type = CTRL_ATTR_FAMILY_NAME       },
    };

    memcpy(request.name, name, strlen(name));
    nv_buf_reset(&netlink->family_answer);
    int r = nv_netlink_ask(netlink, NETLINK_GENERIC, &request, sizeof(request),
                           &netlink->family_answer);
    if (r < 0)
        return r;
    *ret_id = id_within(nv_buf_view(&netlink->family_answer));
    return *ret_id ? 0 : -EBADMSG;
}

int nv_netlink_family(struct nv_netlink *netlink, const char *name, uint16_t *ret_id)
{
    int64_t now = nv_monotonic_ns();
    struct family *known = NULL;
    uint16_t id = 0;

    if (strlen(name) >= GENL_NAMSIZ)
        return -ENOENT;
    for (size_t i = 0; i < netlink->n_families; i++) {
        if (strcmp(netlink->families[i].name, name) == 0)
            known = &netlink->families[i];
    }
    bool fresh =
        known && (known->id || now - known->checked_ns < FAMILY_ABSENT_S * INT64_C(1000000000));
    if (!fresh) {
        int r = ask_family(netlink, name, &id);
        if (r < 0 && r != -ENOENT)
            return r;
        if (!known && netlink->n_families < FAMILIES_MAX)
            known = &netlink->families[netlink->n_families++];
        if (known) {
            *known = (struct family){.id = id, .checked_ns = now};
            memcpy(known->name, name, strlen(name));
        }
    } else {
        id = known->id;
    }
    if (!id)
        return -ENOENT;
    *ret_id = id;
    return 0;
}

static int subscribe(struct nv_netlink *netlink)
{
    int r = open_socket(NETLINK_ROUTE, SOCK_NONBLOCK, RTMGRP_LINK, &netlink->links);
    int backlog = NOTICE_BACKLOG;

    if (r < 0)
        return r;
    /* Beyond the system's limit where we may; with less, notices are lost sooner, and that is noticed. */
    if (setsockopt(mnl_socket_get_fd(netlink->links), SOL_SOCKET, SO_RCVBUFFORCE, &backlog,
                   sizeof(backlog)) < 0)
        (void)setsockopt(mnl_socket_get_fd(netlink->links), SOL_SOCKET, SO_RCVBUF, &backlog,
                         sizeof(backlog));
    return 0;
}

/* Calls each() for the links of one datagram; with 0 where it cannot be read. */
static void announce(const char *at, size_t n, void (*each)(int ifindex, void *user), void *user)
{
    while (n) {
        struct ifinfomsg link;
        if (!whole(at, n)) {
            each(0, user);
            return;
        }
        const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)at;
        size_t step = NLMSG_ALIGN(message->nlmsg_len) < n ? NLMSG_ALIGN(message->nlmsg_len) : n;
        if (message->nlmsg_len >= NLMSG_HDRLEN + sizeof(link) &&
            (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK)) {
            memcpy(&link, at + NLMSG_HDRLEN, sizeof(link));
            each(link.ifi_index, user);
        }
        at += step;
        n -= step;
    }
}

int nv_netlink_drain_links(struct nv_netlink *netlink, void (*each)(int ifindex, void *user),
                           void *user)
{
    _Alignas(struct nlmsghdr) char notice[NOTICE_SIZE];

    if (!netlink->links) {
        int r = subscribe(netlink);
        each(0, user); /* after the subscription, so that nothing falls between */
        return r;
    }
    for (int i = 0; i < NOTICES_MAX; i++) {
        size_t n = 0;
        int r = receive(netlink->links, notice, sizeof(notice), &n);
        if (r == -EAGAIN)
            return 0;
        if (r == -ENOBUFS || n > sizeof(notice)) {
            each(0, user);
            continue;
        }
        if (r < 0) {
            close_socket(&netlink->links);
            each(0, user);
            return r;
        }
        announce(notice, n, each, user);
    }
    each(0, user); /* they come faster than we read; what is left is drained the next time */
    return 0;
}
