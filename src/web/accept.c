#include "web/server.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/*
 * libmicrohttpd 0.9.75 could accept by itself, but not stop accepting: MHD_quiesce_daemon() and an event loop both
 * take the listener from the loop's epoll set, and the one that comes second aborts the process. So a thread of ours
 * accepts, and hands each connection to the loop it belongs to. libmicrohttpd does not look at connections that are
 * suspended either: the same thread hears when the client of an inquiry hangs up.
 */

enum {
    BATCH = 32, /* connections taken from one listener before the others have their turn */
    LOOKS = 64, /* for a loop that is not busy */
};

/* The loop with the fewest connections, of those that have room, and of those not busy if so asked. */
static struct nv_lane *emptiest(struct nv_door *door, bool idle)
{
    struct nv_lane *best = NULL;
    unsigned fewest = NV_WEB_LANE_CONNECTIONS_MAX;

    for (unsigned i = 0; i < door->n_lanes; i++) {
        struct nv_lane *lane = &door->lanes[i];
        unsigned n = __atomic_load_n(&lane->connections, __ATOMIC_SEQ_CST);
        if (n >= fewest || (idle && __atomic_load_n(&lane->busy, __ATOMIC_SEQ_CST)))
            continue;
        best = lane;
        fewest = n;
    }
    return best;
}

/*
 * One inside a pass gets no connection, which it would let wait, unless all others are full; it looks at the number of its
 * connections after it said that it is busy, and we look at that after we counted, so one of us sees the other. With
 * several loops one is never busy (nv_scrape()), though who looks at one after the other may find both so: hence several
 * looks. A loop that is alone never is. There is room in one of them: nobody else adds.
 */
static struct nv_lane *choose_lane(struct nv_door *door)
{
    for (int looks = 0;; looks++) {
        struct nv_lane *lane = emptiest(door, looks < LOOKS);
        if (!lane)
            continue;
        __atomic_add_fetch(&lane->connections, 1, __ATOMIC_SEQ_CST);
        if (looks >= LOOKS || !__atomic_load_n(&lane->busy, __ATOMIC_SEQ_CST))
            return lane;
        __atomic_sub_fetch(&lane->connections, 1, __ATOMIC_SEQ_CST);
    }
}

/* Returns 0, or -EAGAIN when there is none, or no room for one. */
static int take_one(struct nv_door *door, bool *crowded)
{
    struct nv_deadlines *deadlines = &door->web->deadlines;
    struct sockaddr_storage address;
    socklen_t n = sizeof(address);

    *crowded = !emptiest(door, false) || !nv_deadlines_announce(deadlines, NV_WEB_CONNECTIONS_MAX);
    if (*crowded)
        return -EAGAIN;
    int fd =
        accept4(door->listener.fd, (struct sockaddr *)&address, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        /* What is no matter of this one client (descriptors, memory) passes. */
        *crowded = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        nv_deadlines_renounce(deadlines);
        return errno == ECONNABORTED || errno == EINTR ? 0 : -EAGAIN;
    }
    struct nv_lane *lane = choose_lane(door);
    if (MHD_add_connection(lane->daemon, fd, (struct sockaddr *)&address, n) != MHD_YES) {
        __atomic_sub_fetch(&lane->connections, 1, __ATOMIC_SEQ_CST);
        nv_deadlines_renounce(deadlines); /* over the limit of one address; the socket is closed */
    }
    return 0;
}

/* At a door with a crowd nobody is waited for: who knocks would wake us again and again. */
static void take_some(struct nv_door *door, struct pollfd *knock)
{
    bool crowded = !knock->events;

    for (int n = 0; n < BATCH && (crowded || knock->revents); n++) {
        if (take_one(door, &crowded) < 0)
            break;
    }
    knock->events = crowded ? 0 : POLLIN;
}

static void *take(void *arg)
{
    struct nv_web *web = arg;
    enum { STOP, HANGUPS, DOORS };
    struct pollfd fds[DOORS + NV_WEB_LISTENERS_MAX] = {
        [STOP] = {.fd = web->accept.stop_fd,    .events = POLLIN},
        [HANGUPS] = {.fd = web->inquiries.hangups, .events = POLLIN},
    };
    bool crowded = false;
    int wait_ms = -1;

    for (size_t i = 0; i < web->n_doors; i++)
        fds[DOORS + i] = (struct pollfd){.fd = web->doors[i].listener.fd, .events = POLLIN};
    while (!fds[STOP].revents) {
        if (poll(fds, DOORS + web->n_doors, crowded ? NV_WEB_CROWDED_MS : wait_ms) < 0)
            continue;
        if (fds[HANGUPS].revents || wait_ms >= 0)
            wait_ms = nv_inquiries_take_hangups(&web->inquiries);
        crowded = false;
        for (size_t i = 0; i < web->n_doors && !fds[STOP].revents; i++) {
            take_some(&web->doors[i], &fds[DOORS + i]);
            crowded |= !fds[DOORS + i].events;
        }
    }
    return NULL;
}

int nv_accept_start(struct nv_web *web)
{
    struct nv_accept *accept = &web->accept;

    accept->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (accept->stop_fd < 0)
        return -errno;
    int r = pthread_create(&accept->thread, NULL, take, web);
    if (r != 0) {
        close(accept->stop_fd);
        return -r;
    }
    pthread_setname_np(accept->thread, "nv-accept");
    accept->running = true;
    return 0;
}

void nv_accept_stop(struct nv_web *web)
{
    struct nv_accept *accept = &web->accept;

    if (!accept->running)
        return;
    (void)!eventfd_write(accept->stop_fd, 1);
    pthread_join(accept->thread, NULL);
    close(accept->stop_fd);
    accept->running = false;
}
