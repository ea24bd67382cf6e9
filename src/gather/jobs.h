/*
 * jobs.h - runs collectors that may block, on workers.
 *
 * One worker takes all jobs in turn; another is woken, or made, when none has ended for STALL_MS, so that a
 * worker that hangs holds nobody up, and a pass of quick ones wakes one thread. A run that hangs keeps
 * its worker and is not posted again until it returns.
 *
 *   bound      NV_GATHER_WORKERS_MAX workers
 *   threads    one waits at a time; the rest from any
 */
#ifndef NV_GATHER_JOBS_H
#define NV_GATHER_JOBS_H

#include "gather/run.h"

struct nv_jobs;

struct nv_jobs *nv_jobs_new(void);

/* Waits for workers to end; false where one hangs, and then what its run uses must stay. */
bool nv_jobs_free(struct nv_jobs *jobs);

/* Queues a run, for nv_jobs_go() to begin. False where the previous one has not ended. */
bool nv_jobs_post(struct nv_jobs *jobs, struct nv_run *run, uint64_t pass);

/* Wakes a worker for what was posted. */
void nv_jobs_go(struct nv_jobs *jobs);

/* Waits until the run has ended, or the deadline. To be woken once, wait for the run posted last first. */
bool nv_jobs_wait(struct nv_jobs *jobs, struct nv_run *run, int64_t deadline_ns);

bool nv_jobs_busy(struct nv_jobs *jobs, const struct nv_run *run);
void nv_jobs_count(struct nv_jobs *jobs, size_t *ret_workers, size_t *ret_held);

#endif
