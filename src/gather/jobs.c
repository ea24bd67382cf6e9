#include "gather/jobs.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/clock.h"

enum { STALL_MS = 5, STACK_SIZE = 512 << 10, QUEUE_SIZE = NV_GATHER_COLLECTORS_MAX };

struct nv_jobs {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct nv_run *queue[QUEUE_SIZE]; /* a ring */
    uint64_t passes[QUEUE_SIZE];
    size_t first, n_queued;
    size_t n_workers, n_idle, n_ended; /* n_ended counts runs, and never goes back */
    const struct nv_run *awaited;      /* whose end the owner sleeps for */
    bool stopping;
};

struct nv_jobs *nv_jobs_new(void)
{
    struct nv_jobs *jobs = calloc(1, sizeof(*jobs));

    if (!jobs)
        return NULL;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->work, NULL);
    pthread_cond_init(&jobs->done, NULL);
    return jobs;
}

static void run_next(struct nv_jobs *jobs, struct nv_lane *lane)
{
    struct nv_run *run = jobs->queue[jobs->first];
    uint64_t pass = jobs->passes[jobs->first];

    jobs->first = (jobs->first + 1) % QUEUE_SIZE;
    jobs->n_queued--;
    pthread_mutex_unlock(&jobs->lock);
    lane->n_answers = 0;
    nv_run_collect(run, lane, pass);
    pthread_mutex_lock(&jobs->lock);
    run->busy = false;
    jobs->n_ended++;
    if (jobs->awaited == run)
        pthread_cond_broadcast(&jobs->done);
}

static void *worker_main(void *user)
{
    struct nv_jobs *jobs = user;
    struct nv_lane lane;

    pthread_setname_np(pthread_self(), "worker");
    nv_lane_init(&lane);
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        if (jobs->n_queued) {
            run_next(jobs, &lane);
            continue;
        }
        jobs->n_idle++;
        pthread_cond_wait(&jobs->work, &jobs->lock);
        jobs->n_idle--;
    }
    pthread_mutex_unlock(&jobs->lock);
    nv_lane_done(&lane);

    pthread_mutex_lock(&jobs->lock);
    jobs->n_workers--;
    pthread_cond_broadcast(&jobs->done);
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* Wakes an idle worker, or makes one. */
static void wake_worker(struct nv_jobs *jobs)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (jobs->n_idle) {
        pthread_cond_signal(&jobs->work);
        return;
    }
    if (jobs->n_workers == NV_GATHER_WORKERS_MAX || pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&thread, &attributes, worker_main, jobs) == 0)
        jobs->n_workers++;
    pthread_attr_destroy(&attributes);
}

bool nv_jobs_post(struct nv_jobs *jobs, struct nv_run *run, uint64_t pass)
{
    pthread_mutex_lock(&jobs->lock);
    bool posted = !run->busy;
    if (posted) {
        nv_assert(jobs->n_queued < QUEUE_SIZE);
        size_t at = (jobs->first + jobs->n_queued++) % QUEUE_SIZE;
        jobs->queue[at] = run;
        jobs->passes[at] = pass;
        run->busy = true;
    }
    pthread_mutex_unlock(&jobs->lock);
    return posted;
}

void nv_jobs_go(struct nv_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    if (jobs->n_queued)
        wake_worker(jobs);
    pthread_mutex_unlock(&jobs->lock);
}

static void wait_until(struct nv_jobs *jobs, int64_t deadline_ns)
{
    struct timespec at = {deadline_ns / 1000000000, deadline_ns % 1000000000};

    pthread_cond_clockwait(&jobs->done, &jobs->lock, CLOCK_MONOTONIC, &at);
}

bool nv_jobs_wait(struct nv_jobs *jobs, struct nv_run *run, int64_t deadline_ns)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->awaited = run;
    for (int64_t now; run->busy && (now = nv_monotonic_ns()) < deadline_ns;) {
        size_t before = jobs->n_ended;
        int64_t stall = now + STALL_MS * 1000000;
        bool queued = jobs->n_queued > 0;
        wait_until(jobs, queued && stall < deadline_ns ? stall : deadline_ns);
        if (jobs->n_queued && jobs->n_ended == before)
            wake_worker(jobs);
    }
    bool ended = !run->busy;
    jobs->awaited = NULL;
    pthread_mutex_unlock(&jobs->lock);
    return ended;
}

bool nv_jobs_busy(struct nv_jobs *jobs, const struct nv_run *run)
{
    pthread_mutex_lock(&jobs->lock);
    bool busy = run->busy;
    pthread_mutex_unlock(&jobs->lock);
    return busy;
}

void nv_jobs_count(struct nv_jobs *jobs, size_t *ret_workers, size_t *ret_held)
{
    pthread_mutex_lock(&jobs->lock);
    *ret_workers = jobs->n_workers;
    *ret_held = jobs->n_workers - jobs->n_idle;
    pthread_mutex_unlock(&jobs->lock);
}

bool nv_jobs_free(struct nv_jobs *jobs)
{
    enum { PATIENCE_MS = 500 };

    if (!jobs)
        return true;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_broadcast(&jobs->work);
    int64_t deadline = nv_monotonic_ns() + INT64_C(1000000) * PATIENCE_MS;
    while (jobs->n_workers && nv_monotonic_ns() < deadline)
        wait_until(jobs, deadline);
    bool ended = jobs->n_workers == 0;
    pthread_mutex_unlock(&jobs->lock);
    if (!ended)
        return false;
    pthread_cond_destroy(&jobs->work);
    pthread_cond_destroy(&jobs->done);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
    return true;
}
