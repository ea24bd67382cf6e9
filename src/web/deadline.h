/*
 * deadline.h - ends connections that take too long.
 *
 * libmicrohttpd times the silence between two bytes; a client that drips them is not silent. It also misses a
 * FIN that arrives with the beginning of a request, and waits for the rest. One thread
 * sleeps until the earliest deadline and shuts down the sockets that are overdue; their event loop then
 * closes them as it would for any client that went away. Without connections it sleeps for ever.
 *
 * A crowd leaves behind a heap full of holes (each connection had 32 KB): when it has gone, the same thread gives
 * them back to the kernel.
 *
 *   threads    any may add, remove and set; a socket must stay open until it is removed
 *   cost       setting a deadline is one store: the thread looks again when the old one has passed
 */
#ifndef NV_WEB_DEADLINE_H
#define NV_WEB_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct nv_deadline {
    struct nv_deadline *prev, *next;
    int64_t at_ns; /* atomic; monotonic */
    bool idle;     /* atomic; between two requests: nobody waits for an answer */
    int socket;
};

struct nv_deadlines {
    pthread_mutex_t lock;
    pthread_cond_t earlier, gone; /* look again; a socket was removed while they end */
    struct nv_deadline head;      /* of a ring */
    int64_t wake_ns;
    size_t n, n_peak; /* sockets watched, and most of them since memory was last given back */
    size_t n_coming;  /* sockets announced and not yet added */
    uint64_t overdue; /* atomic: how many were ended */
    bool running, stopping, ending;
    pthread_t thread;
};

void nv_deadlines_init(struct nv_deadlines *all);
void nv_deadlines_done(struct nv_deadlines *all); /* stops first */
NV_MUST_USE int nv_deadlines_start(struct nv_deadlines *all);
void nv_deadlines_stop(struct nv_deadlines *all);

/*
 * Ends every socket: the idle ones at once, the others after grace_ms, those still to come when they come. Returns when
 * none is left, wait_ms later at most.
 */
void nv_deadlines_end(struct nv_deadlines *all, int64_t grace_ms, int64_t wait_ms);

/* Announces a socket that another thread will add, or takes that back. False, and not, where there are max already. */
bool nv_deadlines_announce(struct nv_deadlines *all, size_t max);
void nv_deadlines_renounce(struct nv_deadlines *all);

/* Adds one that was announced. */
void nv_deadline_add(struct nv_deadlines *all, struct nv_deadline *one, int socket, int64_t in_ms);
void nv_deadline_remove(struct nv_deadlines *all, struct nv_deadline *one);

/* One that is earlier than the one before is met when that has passed: late by the difference. */
void nv_deadline_set(struct nv_deadline *one, int64_t in_ms);

#endif
