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
    int socket;
};

struct nv_deadlines {
    pthread_mutex_t lock;
    pthread_cond_t earlier;
    struct nv_deadline head; /* of a ring */
    int64_t wake_ns;
    size_t n, n_peak; /* sockets watched, and most of them since memory was last given back */
    uint64_t overdue; /* atomic: how many were ended */
    bool running, stopping;
    pthread_t thread;
};

void nv_deadlines_init(struct nv_deadlines *all);
void nv_deadlines_done(struct nv_deadlines *all); /* stops first */
NV_MUST_USE int nv_deadlines_start(struct nv_deadlines *all);
void nv_deadlines_stop(struct nv_deadlines *all);

void nv_deadline_add(struct nv_deadlines *all, struct nv_deadline *one, int socket, int64_t in_ms);
void nv_deadline_remove(struct nv_deadlines *all, struct nv_deadline *one);

/* One that is earlier than the one before is met when that has passed: late by the difference. */
void nv_deadline_set(struct nv_deadline *one, int64_t in_ms);

#endif
