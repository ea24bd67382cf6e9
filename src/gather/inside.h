/*
 * inside.h - the gather from within: what its life (gather.c) and its passes (passes.c) share.
 */
#ifndef NV_GATHER_INSIDE_H
#define NV_GATHER_INSIDE_H

#include <pthread.h>

#include "gather/jobs.h"
#include "gather/notices.h"
#include "gather/run.h"

struct nv_gather {
    struct nv_shared shared;
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    struct nv_jobs *jobs;
    struct nv_notices *notices;
    struct nv_source **sources; /* of inline collectors */
    size_t n_sources;
    struct nv_run *runs[NV_GATHER_COLLECTORS_MAX];
    size_t n_runs;
    struct nv_lane lane;
    struct nv_section *report; /* node_scrape_collector_* */
    struct nv_target *targets; /* their own memory */
    size_t n_targets;
    bool started;

    pthread_mutex_t scrape_lock; /* one scrape at a time, its wait for workers included */
    pthread_mutex_t pass_lock;   /* sections, runs and the registry; not held while waiting */
    uint64_t pass;

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t shared_done;
    bool shared_running, renew_asked;
    uint64_t shared_number;
    int64_t shared_begin_ns;
    struct nv_frame *shared_frame; /* of the last whole pass */
    int shared_result;
    struct nv_gather_stats stats;
};

/* targets.c */
void nv_gather_drop_targets(struct nv_gather *gather);

static inline bool nv_run_may_block(const struct nv_run *run)
{
    return run->collector->options & NV_MAY_BLOCK;
}

/* How often it is asked for the store; 0: with each sample. */
static inline unsigned nv_run_cadence_ms(const struct nv_run *run)
{
    unsigned ms = run->collector->cadence_ms;

    return ms || !nv_run_may_block(run) ? ms : NV_GATHER_CADENCE_MS;
}

#endif
