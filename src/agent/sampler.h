/*
 * sampler.h - takes a frame for the store at every tick of an aligned clock.
 *
 *   clock      ticks are the multiples of the interval in wall time; sleeping is by the monotonic clock. A tick that
 *              comes when its time is long over is missed: counted, not made up for. Where the wall clock is
 *              stepped (or the machine slept) ticks go on from the new time, and nothing was missed. After a
 *              step back the store takes nothing until its newest time is reached again, or, where that is an hour or
 *              more, for some minutes (see src/tsdb/clock.c), and counts that
 *   time       a frame bears its tick's time when the tick came within NV_TICKS_LATE_PERCENT of the interval,
 *              else the true one; a frame shared with a scrape bears the scrape's
 *   sources    NV_SAMPLER_NODE, all collectors' sections; NV_SAMPLER_AGENT, an `up` for each target they have, from when it
 *              has series
 *   threads    one of its own; statistics from any
 *   memory     a tick under an unchanged layout allocates nothing
 */
#ifndef NV_AGENT_SAMPLER_H
#define NV_AGENT_SAMPLER_H

#include "gather/gather.h"

enum { NV_TICKS_LATE_PERCENT = 2 };

/* The clock alone, in times that are handed in. */
struct nv_ticks {
    int64_t interval_ms, next_ms,
        last_ns; /* next: wall; last: monotonic, of the last tick, 0 before it */
    uint64_t ticks, missed, jumps;
};
void nv_ticks_init(struct nv_ticks *ticks, int64_t interval_ms, int64_t wall_ms);

/* Returns 0 where a tick is due, and its time; else nanoseconds to sleep. */
int64_t nv_ticks_next(struct nv_ticks *ticks, int64_t wall_ns, int64_t monotonic_ns,
                      int64_t *ret_time_ms);

enum nv_sampler_source { NV_SAMPLER_NODE, NV_SAMPLER_AGENT };

struct nv_sampler_options {
    struct nv_gather *gather; /* started, its targets set */
    int64_t interval_ms;

    /* Takes a frame (borrowed). Returns 0, a negative errno, or a positive outcome: the frame was dropped. */
    int (*append)(void *user, enum nv_sampler_source source, struct nv_frame *frame);
    /* Whether the next frame of the node begins a page, so that a new layout costs least; NULL: always. */
    bool (*begins_page)(void *user);
    void *user;

    /* Sees each frame of the node and the monotonic time its values were read at; or NULL. */
    void (*observe)(void *observer, const struct nv_frame *frame, int64_t monotonic_ns);
    void *observer;

    int64_t (*wall_ns)(void *clock); /* NULL: the real clocks */
    int64_t (*monotonic_ns)(void *clock);
    void *clock;
};

struct nv_sampler;

/* Returns 0, or -ENOMEM. */
NV_MUST_USE int nv_sampler_new(const struct nv_sampler_options *options, struct nv_sampler **ret);
void nv_sampler_free(struct nv_sampler *sampler); /* stops first */
NV_DEFINE_AUTO(nv_sampler)

/* Begins the thread. Returns 0 or a negative errno. */
NV_MUST_USE int nv_sampler_start(struct nv_sampler *sampler);

/* Lets a tick under way end, then the thread. Idempotent. */
void nv_sampler_stop(struct nv_sampler *sampler);

/* One turn of the thread, for tests: a tick where one is due. Returns nanoseconds to sleep. */
int64_t nv_sampler_turn(struct nv_sampler *sampler);

struct nv_sampler_stats {
    uint64_t ticks, missed, jumps, failed; /* failed: without a frame, for lack of memory */
    uint64_t ns;                           /* spent in ticks, appending included */
    int64_t last_ms,
        last_ns; /* when the last one began, in wall time, and its part of ns; 0 before */
};
void nv_sampler_stats(struct nv_sampler *sampler, struct nv_sampler_stats *ret);

#endif
