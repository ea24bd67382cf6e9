#include "web/jobs.h"

#include <errno.h>
#include <time.h>

#include "base/cond.h"
#include "base/assert.h"
#include "web/limits.h"

/* Waits for work. False when it is time for the thread to leave. Called and returns with the lock. */
static bool await_work(struct nv_jobs *jobs)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += NV_WEB_THREAD_IDLE_S;
    jobs->idle++;
    int r = 0;
    while (!jobs->first && !jobs->stopping && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&jobs->work, &jobs->lock, &until);
    jobs->idle--;
    return jobs->first;
}

static void *work(void *arg)
{
    struct nv_jobs *jobs = arg;

    pthread_mutex_lock(&jobs->lock);
    while (await_work(jobs)) {
        struct nv_job *job = jobs->first;
        jobs->first = job->next;
        if (!jobs->first)
            jobs->last = &jobs->first;
        jobs->waiting--;
        pthread_mutex_unlock(&jobs->lock);
        job->run(job);
        pthread_mutex_lock(&jobs->lock);
    }
    jobs->threads--;
    pthread_cond_broadcast(&jobs->left); /* under the lock: the waiter may free it all afterwards */
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static int make_thread(struct nv_jobs *jobs)
{
    pthread_attr_t attr;
    pthread_t thread;

    if (pthread_attr_init(&attr) != 0)
        return -ENOMEM;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &attr, work, jobs);
    pthread_attr_destroy(&attr);
    if (r != 0)
        return -r;
    pthread_setname_np(thread, jobs->name);
    jobs->threads++;
    return 0;
}

void nv_jobs_init(struct nv_jobs *jobs, const char *name, size_t threads_max, size_t waiting_max)
{
    *jobs = (struct nv_jobs){
        .name = name, .threads_max = threads_max, .waiting_max = waiting_max, .last = &jobs->first};
    pthread_mutex_init(&jobs->lock, NULL);
    nv_cond_init(&jobs->work);
    nv_cond_init(&jobs->left);
}

void nv_jobs_done(struct nv_jobs *jobs)
{
    nv_jobs_stop(jobs);
    pthread_cond_destroy(&jobs->work);
    pthread_cond_destroy(&jobs->left);
    pthread_mutex_destroy(&jobs->lock);
}

/* With the lock. A job that found no thread at all would wait for ever. */
static int admit(struct nv_jobs *jobs, struct nv_job *job)
{
    if (jobs->stopping)
        return -ESHUTDOWN;
    if (jobs->waiting >= jobs->waiting_max)
        return -EAGAIN;
    if (jobs->idle <= jobs->waiting && jobs->threads < jobs->threads_max && make_thread(jobs) < 0 &&
        jobs->threads == 0)
        return -EAGAIN;

    job->next = NULL;
    *jobs->last = job;
    jobs->last = &job->next;
    jobs->waiting++;
    pthread_cond_signal(&jobs->work);
    return 0;
}

int nv_jobs_add(struct nv_jobs *jobs, struct nv_job *job)
{
    pthread_mutex_lock(&jobs->lock);
    int r = admit(jobs, job);
    pthread_mutex_unlock(&jobs->lock);
    return r;
}

void nv_jobs_stop(struct nv_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_broadcast(&jobs->work);
    while (jobs->threads > 0)
        pthread_cond_wait(&jobs->left, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    nv_assert(!jobs->first);
}
