/*
 * jobs.h - work that would hold up an event loop, on threads made when needed.
 *
 *   shape      a queue in order of arrival; threads up to a maximum, which leave when they have been idle for
 *              NV_WEB_THREAD_IDLE_S, so that a server at rest has none
 *   bound      `waiting_max` jobs in the queue
 *   ownership  the caller owns a job until run() was called, and again after
 *   threads    any may add; nv_jobs_stop() waits for what is queued and running
 */
#ifndef NV_WEB_JOBS_H
#define NV_WEB_JOBS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct nv_job {
    struct nv_job *next;
    void (*run)(struct nv_job *job); /* may free what holds the job */
};

struct nv_jobs {
    pthread_mutex_t lock;
    pthread_cond_t work, left;
    struct nv_job *first, **last;
    size_t waiting, waiting_max;
    size_t threads, threads_max, idle;
    const char *name; /* of the threads, at most 15 bytes */
    bool stopping;
};

void nv_jobs_init(struct nv_jobs *jobs, const char *name, size_t threads_max, size_t waiting_max);
void nv_jobs_done(struct nv_jobs *jobs); /* stops first */

/* Returns 0; -EAGAIN when the queue is full or no thread can be made; -ESHUTDOWN after the stop. */
NV_MUST_USE int nv_jobs_add(struct nv_jobs *jobs, struct nv_job *job);

void nv_jobs_stop(struct nv_jobs *jobs);

#endif
