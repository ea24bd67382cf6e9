/*
 * cond.h - conditions that are waited for by the monotonic clock, which nobody sets.
 */
#ifndef NV_BASE_COND_H
#define NV_BASE_COND_H

#include <pthread.h>

#include "base/clock.h"

static inline void nv_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* Waits until nv_monotonic_ns() is that late; INT64_MAX: for ever. As pthread_cond_timedwait(3): 0, or ETIMEDOUT. */
static inline int nv_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ns)
{
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};

    return until_ns == INT64_MAX ? pthread_cond_wait(cond, lock)
                                 : pthread_cond_timedwait(cond, lock, &until);
}

#endif
