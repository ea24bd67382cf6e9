/*
 * clock.h - the clocks we read.
 */
#ifndef NV_BASE_CLOCK_H
#define NV_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t nv_clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* For durations and deadlines. */
static inline int64_t nv_monotonic_ns(void)
{
    return nv_clock_ns(CLOCK_MONOTONIC);
}

/* Time of day, in milliseconds since the epoch. */
static inline int64_t nv_wall_ms(void)
{
    return nv_clock_ns(CLOCK_REALTIME) / 1000000;
}

#endif
