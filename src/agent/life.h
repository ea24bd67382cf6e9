/*
 * life.h - wishes of other threads to the main loop: to reload, to end.
 *
 *   reload     waits until the loop has done it, NV_LIFE_WAIT_MS at most
 *   threads    any may wish; one loop takes
 */
#ifndef NV_AGENT_LIFE_H
#define NV_AGENT_LIFE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"

enum { NV_LIFE_WAIT_MS = 60000, NV_LIFE_ERROR_MAX = 4096 };

struct nv_life {
    int fd; /* an eventfd, readable when something is wished */
    pthread_mutex_t lock;
    pthread_cond_t done;
    uint64_t wished, served; /* reloads */
    bool quit, closed;
    int result; /* of the last reload */
    char error[NV_LIFE_ERROR_MAX];
};

NV_MUST_USE int nv_life_init(struct nv_life *life);
void nv_life_done(struct nv_life *life);

/* Returns 0; what the reload came to, and why in `error`; -ETIMEDOUT; -ESHUTDOWN. */
NV_MUST_USE int nv_life_reload(struct nv_life *life, struct nv_buf *error);
void nv_life_quit(struct nv_life *life);

/* What the loop finds when the descriptor is readable. A reload is to be told of with nv_life_serve(). */
struct nv_life_wishes {
    uint64_t reload; /* 0: none */
    bool quit;
};
struct nv_life_wishes nv_life_take(struct nv_life *life);
void nv_life_serve(struct nv_life *life, uint64_t reload, int result, const char *error);

/* Nobody waits any more from here on. */
void nv_life_close(struct nv_life *life);

#endif
