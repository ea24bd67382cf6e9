/*
 * alertmanager.h - the way to one Alertmanager: a queue, and a client that empties it.
 *
 *   queue      the newest word on each alert: what is told anew replaces what still waits, so nothing is doubled and an
 *              outage of any length costs no more than the alerts there are. NV_ALERTMANAGER_QUEUE alerts; the oldest is
 *              dropped for a newer one, and counted
 *   sending    batches of NV_ALERTMANAGER_BATCH, as they come. Any 2xx is success. 408, 429, 5xx and what never got
 *              there are tried again after 1, 2, 4 ... NV_ALERTMANAGER_BACKOFF_MS; another 4xx would be refused again, and
 *              is dropped. One that fires and whose end has passed while it waited is left out: nobody says any more
 *              that it is true
 *   threads    add and stats from any; turn and drain from one
 */
#ifndef NV_NOTIFY_ALERTMANAGER_H
#define NV_NOTIFY_ALERTMANAGER_H

#include "notify/alert.h"

enum {
    NV_ALERTMANAGER_QUEUE = 10000,
    NV_ALERTMANAGER_BATCH = 256,
    NV_ALERTMANAGER_BACKOFF_MS = 60000,
    NV_ALERTMANAGER_BODY_MAX = 64 << 20,
    NV_ALERTMANAGER_ERROR_MAX = 512,
};

/* How a body gets there; and the time. */
struct nv_alertmanager_io {
    /* Returns 0 and the status; a negative errno and why. */
    int (*post)(void *user, struct nv_str body, int *ret_status,
                char error[NV_ALERTMANAGER_ERROR_MAX]);
    int64_t (*now_ns)(void *user); /* monotonic; NULL: the real one */
    int64_t (*wall_ms)(void *user);
    void *user;
};

struct nv_alertmanager_stats {
    uint64_t sent, errors, dropped; /* alerts; alerts of failed tries; alerts given up */
    size_t queued;
    int64_t latency_ns;      /* of the last answer */
    uint64_t latency_ns_sum; /* of all `posts` */
    uint64_t posts;
};

struct nv_alertmanager;

struct nv_alertmanager *nv_alertmanager_new(const struct nv_alertmanager_io *io); /* NULL: memory */
void nv_alertmanager_free(struct nv_alertmanager *am);
NV_DEFINE_AUTO(nv_alertmanager)

/* Takes a count of the alert. True where it wakes who sleeps: the queue was empty. */
bool nv_alertmanager_add(struct nv_alertmanager *am, struct nv_alert *alert);

/* Sends what is due: a batch at most. Returns nanoseconds until there may be more to do; INT64_MAX: until an add. `error`
 * tells what failed, and is empty otherwise. */
int64_t nv_alertmanager_turn(struct nv_alertmanager *am, char error[NV_ALERTMANAGER_ERROR_MAX]);

/* Another way to the same place; not during a turn. */
void nv_alertmanager_set_io(struct nv_alertmanager *am, const struct nv_alertmanager_io *io);

/* What nobody has taken yet, also what is on its way; the oldest first, each with a count for the caller. Returns how
 * many. */
size_t nv_alertmanager_waiting(struct nv_alertmanager *am, struct nv_alert **ret, size_t max);

void nv_alertmanager_stats(struct nv_alertmanager *am, struct nv_alertmanager_stats *ret);

#endif
