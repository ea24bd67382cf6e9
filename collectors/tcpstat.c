/*
 * tcpstat - TCP sockets by state, and the bytes in their queues.
 *
 * Source: an inet_diag dump of AF_INET and, where proc/net/tcp6 exists, AF_INET6. Only states that occur
 * have a series; the queues do where there is any socket.
 *
 * The answer is some 100 bytes a socket, so it is counted as it arrives, on a socket of our own, rather
 * than kept: a hundred thousand connections cost no memory.
 */
#include <nodevitals/netlink.h>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const struct nv_family columns[] = {
    {"node_tcp_connection_states", NV_GAUGE, NV_AS_IS,
     "TCP sockets by state, and bytes queued in all of them."},
};

static const struct nv_table states = {NV_LABELS("state"), columns, NV_LEN(columns)};

static const char *const names[] = {
    [1] = "established",      [2] = "syn_sent",  [3] = "syn_recv", [4] = "fin_wait1",
    [5] = "fin_wait2",        [6] = "time_wait", [7] = "close",    [8] = "close_wait",
    [9] = "last_ack",         [10] = "listen",   [11] = "closing", [12] = "rx_queued_bytes",
    [13] = "tx_queued_bytes",
};
enum { CLOSING = 11, NEW_SYN_RECV, RX = 12, TX, N_NAMES };

enum { ANSWER_BYTES = 64 << 10, TIMEOUT_MS = 2000 };

struct counts {
    uint64_t at[N_NAMES];
    bool any;
};

static void count(struct counts *counts, const struct nlmsghdr *message)
{
    struct inet_diag_msg socket;

    if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        !nv_netlink_head(message, &socket, sizeof(socket)))
        return;
    counts->any = true;
    counts->at[RX] += socket.idiag_rqueue;
    counts->at[TX] += socket.idiag_wqueue;
    if (socket.idiag_state <= CLOSING)
        counts->at[socket.idiag_state]++;
}

/* Reads messages up to the end of the dump. Returns 0 or a negative errno. */
static int count_answer(int fd, char *buffer, struct counts *counts)
{
    for (;;) {
        ssize_t n = recv(fd, buffer, ANSWER_BYTES, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -EPIPE : errno == EAGAIN ? -ETIMEDOUT : -errno;
        for (size_t at = 0; at + NLMSG_HDRLEN <= (size_t)n;) {
            struct nlmsghdr *message = (void *)(buffer + at);
            int error = 0;
            if (message->nlmsg_len < NLMSG_HDRLEN || message->nlmsg_len > (size_t)n - at)
                return -EBADMSG;
            if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
                return nv_netlink_head(message, &error, sizeof(error)) ? error : 0;
            count(counts, message);
            at += NLMSG_ALIGN(message->nlmsg_len);
        }
    }
}

static int count_sockets(struct nv_pass *pass, int family, struct counts *counts)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY}
    };
    const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
    char *buffer = nv_alloc(pass, ANSWER_BYTES);

    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.sdiag_family = (uint8_t)family;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states =
        (2u << NEW_SYN_RECV) - 2; /* from 1; that one is shown as SYN_RECV */
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -errno;
    int r = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        send(fd, &request, sizeof(request), 0) < 0)
        r = -errno;
    if (r == 0)
        r = count_answer(fd, buffer, counts);
    close(fd);
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct counts counts = {0};

    int r = count_sockets(pass, AF_INET, &counts);
    if (r == 0 && nv_stat(pass, "proc/net/tcp6", NULL, NULL) == 0)
        r = count_sockets(pass, AF_INET6, &counts);
    if (r < 0)
        return nv_error(pass, r, "cannot list TCP sockets");
    for (size_t i = 0; i < N_NAMES; i++) {
        if (!names[i] || (i < RX ? counts.at[i] == 0 : !counts.any))
            continue;
        const struct nv_str state = nv_str(names[i]);
        nv_emit_row(pass, &states, &state, &counts.at[i], 1);
    }
    return 0;
}

NV_COLLECTOR(tcpstat) = {
    NV_ABI_STAMP,
    .name = "tcpstat",
    .summary = "TCP sockets by state.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&states),
    .collect = collect,
};
