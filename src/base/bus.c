/*
 * bus.c - the connections behind bus.h, one per peer that is asked.
 *
 * A peer that does not answer holds its connection until the deadline of the call, so each has one of
 * its own: a dead logind must not hide systemd. They stay open between passes, since nobody sends us
 * anything that we did not ask for.
 *
 * Except systemd on its private socket: there it announces every change of every unit whether the
 * peer reads or not, and keeps in its own memory what is not read. So that connection lives no longer
 * than the replies that came over it.
 *
 * sd-bus counts references without atomics, a message's on its connection among them. Hence a reply
 * is released under the lock as well; reading it touches nothing but itself.
 *
 * Waiting is bounded by the call's deadline everywhere: for the lock, for the handshake (which sd-bus
 * alone would wait 25 s for), for the answer.
 */
#include "base/bus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "base/assert.h"
#include "base/clock.h"

#define PRIVATE_ADDRESS "unix:path=/run/systemd/private"
#define SYSTEMD_NAME    "org.freedesktop.systemd1"

enum {
    PEERS_MAX = 8,       /* further destinations share the last one's connection */
    PEER_NAME_MAX = 256, /* of a bus name, as the protocol has it */
    DRAIN_MAX = 100000,  /* unasked messages dropped before a call */
};

struct peer {
    pthread_mutex_t lock;
    char name[PEER_NAME_MAX];
    bool private;
    sd_bus *connection; /* NULL while there is none */
    size_t replies;     /* alive */
};

struct nv_bus {
    pthread_mutex_t lock; /* of n_peers; a peer once made stays */
    size_t n_peers;
    struct peer peers[PEERS_MAX];
};

struct nv_bus_reply {
    struct peer *peer;
    sd_bus_message *message;
};

struct nv_bus *nv_bus_new(void)
{
    struct nv_bus *bus = calloc(1, sizeof(*bus));

    if (bus)
        pthread_mutex_init(&bus->lock, NULL);
    return bus;
}

void nv_bus_free(struct nv_bus *bus)
{
    if (!bus)
        return;
    for (size_t i = 0; i < bus->n_peers; i++) {
        nv_assert(bus->peers[i].replies == 0);
        sd_bus_close_unref(bus->peers[i].connection);
        pthread_mutex_destroy(&bus->peers[i].lock);
    }
    pthread_mutex_destroy(&bus->lock);
    free(bus);
}

static struct peer *find_peer(struct nv_bus *bus, const char *name)
{
    struct peer *peer = NULL;

    pthread_mutex_lock(&bus->lock);
    for (size_t i = 0; i < bus->n_peers && !peer; i++) {
        if (strcmp(bus->peers[i].name, name) == 0)
            peer = &bus->peers[i];
    }
    if (!peer && bus->n_peers == PEERS_MAX)
        peer = &bus->peers[PEERS_MAX - 1];
    if (!peer) {
        peer = &bus->peers[bus->n_peers++];
        pthread_mutex_init(&peer->lock, NULL);
        snprintf(peer->name, sizeof(peer->name), "%s", name);
        peer->private = strcmp(name, NV_BUS_SYSTEMD_PRIVATE) == 0;
    }
    pthread_mutex_unlock(&bus->lock);
    return peer;
}

/* The thread sanitizers of gcc 12 and clang 14 do not see pthread_mutex_clocklock(), and call the unlock that
 * follows a mistake; under them the wait is by the wall clock. */
#if defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(thread_sanitizer)
#else
#define SANITIZED 0
#endif

static int lock_until(struct peer *peer, int64_t deadline_ns)
{
    if (SANITIZED)
        deadline_ns += nv_clock_ns(CLOCK_REALTIME) - nv_monotonic_ns();
    struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                             .tv_nsec = deadline_ns % 1000000000};

    if (SANITIZED)
        return -pthread_mutex_timedlock(&peer->lock, &until);
    return -pthread_mutex_clocklock(&peer->lock, CLOCK_MONOTONIC, &until);
}

static uint64_t remaining_us(int64_t deadline_ns)
{
    int64_t left = deadline_ns - nv_monotonic_ns();

    return left > 0 ? (uint64_t)left / 1000 : 0;
}

/* Sees the handshake through. sd_bus_call() would do it too, but without our deadline. */
static int wait_ready(sd_bus *connection, int64_t deadline_ns)
{
    for (;;) {
        int r = sd_bus_is_ready(connection);
        if (r != 0)
            return r < 0 ? r : 0;
        r = sd_bus_process(connection, NULL);
        if (r < 0)
            return r;
        if (r > 0)
            continue;
        uint64_t left = remaining_us(deadline_ns);
        if (!left)
            return -ETIMEDOUT;
        r = sd_bus_wait(connection, left);
        if (r < 0 && r != -EINTR)
            return r;
    }
}

static int open_private(sd_bus **ret)
{
    sd_bus *connection = NULL;

    int r = sd_bus_new(&connection);
    if (r >= 0)
        r = sd_bus_set_address(connection, PRIVATE_ADDRESS);
    if (r >= 0)
        r = sd_bus_start(connection);
    if (r < 0) {
        sd_bus_close_unref(connection);
        return r;
    }
    *ret = connection;
    return 0;
}

static int connect_peer(struct peer *peer, int64_t deadline_ns)
{
    int r = peer->private ? open_private(&peer->connection) : sd_bus_open_system(&peer->connection);

    if (r >= 0)
        r = wait_ready(peer->connection, deadline_ns);
    if (r < 0)
        peer->connection = sd_bus_close_unref(peer->connection);
    return r < 0 ? r : 0;
}

/* Drops what has arrived unasked; sd-bus would keep it in its queue, which is bounded. */
static int drain(sd_bus *connection)
{
    int r = 1;

    for (unsigned i = 0; i < DRAIN_MAX && r > 0; i++)
        r = sd_bus_process(connection, NULL);
    return r < 0 ? r : 0;
}

static int append_arguments(sd_bus_message *message, const struct nv_bus_call *call)
{
    const char *types = call->signature ? call->signature : "";

    for (size_t i = 0; types[i]; i++) {
        if (types[i] != 's' && types[i] != 'o')
            return -EINVAL;
        int r = sd_bus_message_append_basic(message, types[i], call->arguments[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* One attempt over a connection that stands. Writes *ret on success only. */
static int exchange(const struct peer *peer, const struct nv_bus_call *call, int64_t deadline_ns,
                    sd_bus_message **ret, sd_bus_error *error)
{
    __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *request = NULL;

    int r = drain(peer->connection);
    if (r < 0)
        return r;
    r = sd_bus_message_new_method_call(peer->connection, &request,
                                       peer->private ? SYSTEMD_NAME : call->destination, call->path,
                                       call->interface, call->member);
    if (r >= 0)
        r = append_arguments(request, call);
    if (r < 0)
        return r;
    uint64_t left = remaining_us(deadline_ns);
    if (!left) /* to sd-bus, 0 means its own default */
        return -ETIMEDOUT;
    r = sd_bus_call(peer->connection, request, left, error, ret);
    return r < 0 ? r : 0;
}

static bool is_broken(sd_bus *connection, int r)
{
    return r == -ETIMEDOUT || sd_bus_is_ready(connection) <= 0;
}

/* With the lock held. A connection that broke while it lay idle is opened anew once. */
static int ask(struct peer *peer, const struct nv_bus_call *call, int64_t deadline_ns,
               sd_bus_message **ret, sd_bus_error *error)
{
    for (bool again = peer->connection != NULL;; again = false) {
        int r = peer->connection ? 0 : connect_peer(peer, deadline_ns);
        if (r < 0)
            return r;
        r = exchange(peer, call, deadline_ns, ret, error);
        if (r == 0 || !is_broken(peer->connection, r))
            return r;
        peer->connection = sd_bus_close_unref(peer->connection);
        if (!again || r == -ETIMEDOUT)
            return r;
        sd_bus_error_free(error);
    }
}

static int reply_new(struct peer *peer, sd_bus_message *message, struct nv_bus_reply **ret)
{
    struct nv_bus_reply *reply = malloc(sizeof(*reply));

    if (!reply)
        return -ENOMEM;
    *reply = (struct nv_bus_reply){peer, message};
    peer->replies++;
    *ret = reply;
    return 0;
}

static void unlock(struct peer *peer)
{
    if (peer->private && peer->replies == 0)
        peer->connection = sd_bus_close_unref(peer->connection);
    pthread_mutex_unlock(&peer->lock);
}

int nv_bus_ask(struct nv_bus *bus, const struct nv_bus_call *call, int64_t timeout_ms,
               struct nv_bus_reply **ret, char error[NV_BUS_ERROR_MAX])
{
    int64_t deadline_ns = nv_monotonic_ns() + timeout_ms * 1000000;
    struct peer *peer = find_peer(bus, call->destination);
    sd_bus_error bus_error = SD_BUS_ERROR_NULL;
    sd_bus_message *message = NULL;

    int r = timeout_ms > 0 ? lock_until(peer, deadline_ns) : -ETIMEDOUT;
    if (r < 0) {
        snprintf(error, NV_BUS_ERROR_MAX, "no answer in time");
        return r;
    }
    r = ask(peer, call, deadline_ns, &message, &bus_error);
    if (r == 0) {
        r = reply_new(peer, message, ret);
        if (r < 0)
            sd_bus_message_unref(message);
    } else if (bus_error.name) {
        snprintf(error, NV_BUS_ERROR_MAX, "%s: %s", bus_error.name,
                 bus_error.message ? bus_error.message : "");
    } else {
        snprintf(error, NV_BUS_ERROR_MAX, r == -ETIMEDOUT ? "no answer in time" : "no connection");
    }
    sd_bus_error_free(&bus_error);
    unlock(peer);
    return r;
}

void nv_bus_reply_unref(struct nv_bus_reply *reply)
{
    if (!reply)
        return;
    struct peer *peer = reply->peer;
    pthread_mutex_lock(&peer->lock);
    peer->replies--;
    sd_bus_message_unref(reply->message);
    unlock(peer);
    free(reply);
}

int nv_bus_reply_read(struct nv_bus_reply *reply, const char *types, va_list results)
{
    return sd_bus_message_readv(reply->message, types, results);
}

int nv_bus_reply_enter(struct nv_bus_reply *reply, char type, const char *contents)
{
    return sd_bus_message_enter_container(reply->message, type, contents);
}

int nv_bus_reply_exit(struct nv_bus_reply *reply)
{
    return sd_bus_message_exit_container(reply->message);
}

int nv_bus_reply_skip(struct nv_bus_reply *reply, const char *types)
{
    return sd_bus_message_skip(reply->message, types);
}
