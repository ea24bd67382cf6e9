#include "web/deadline.h"

#include <errno.h>
#include <malloc.h>
#include <sys/socket.h>

#include "base/cond.h"

#define NEVER   INT64_MAX
#define CROWD   32
#define STEP_NS INT64_C(1000000000) /* it wakes no more often than this */

/* Shuts down what is overdue. Returns the earliest deadline of the others. With the lock. */
static int64_t sweep(struct nv_deadlines *all)
{
    int64_t now_ns = nv_monotonic_ns(), earliest_ns = NEVER;

    for (struct nv_deadline *one = all->head.next; one != &all->head; one = one->next) {
        int64_t at_ns = __atomic_load_n(&one->at_ns, __ATOMIC_RELAXED);
        if (at_ns <= now_ns) {
            shutdown(one->socket, SHUT_RDWR);
            if (!all->ending)
                __atomic_add_fetch(&all->overdue, 1, __ATOMIC_RELAXED);
            __atomic_store_n(&one->at_ns, NEVER, __ATOMIC_RELAXED);
        } else if (at_ns < earliest_ns) {
            earliest_ns = at_ns;
        }
    }
    if (earliest_ns != NEVER && earliest_ns < now_ns + STEP_NS)
        earliest_ns = now_ns + STEP_NS;
    return earliest_ns;
}

/* With the lock, which it leaves for the while: true when it did. */
static bool give_back_memory(struct nv_deadlines *all)
{
    if (all->n_peak < CROWD || all->n > all->n_peak / 4)
        return false;
    all->n_peak = all->n;
    pthread_mutex_unlock(&all->lock);
    malloc_trim(0);
    pthread_mutex_lock(&all->lock);
    return true;
}

static void *watch(void *arg)
{
    struct nv_deadlines *all = arg;

    pthread_mutex_lock(&all->lock);
    while (!all->stopping) {
        if (give_back_memory(all))
            continue;
        all->wake_ns = sweep(all);
        nv_cond_wait_until(&all->earlier, &all->lock, all->wake_ns);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

void nv_deadlines_init(struct nv_deadlines *all)
{
    *all = (struct nv_deadlines){.wake_ns = NEVER};
    all->head.prev = all->head.next = &all->head;
    pthread_mutex_init(&all->lock, NULL);
    nv_cond_init(&all->earlier);
    nv_cond_init(&all->gone);
}

void nv_deadlines_done(struct nv_deadlines *all)
{
    nv_deadlines_stop(all);
    pthread_cond_destroy(&all->gone);
    pthread_cond_destroy(&all->earlier);
    pthread_mutex_destroy(&all->lock);
}

int nv_deadlines_start(struct nv_deadlines *all)
{
    all->stopping = all->ending = false;
    int r = pthread_create(&all->thread, NULL, watch, all);
    if (r != 0)
        return -r;
    pthread_setname_np(all->thread, "nv-deadlines");
    all->running = true;
    return 0;
}

void nv_deadlines_stop(struct nv_deadlines *all)
{
    if (!all->running)
        return;
    pthread_mutex_lock(&all->lock);
    all->stopping = true;
    pthread_cond_signal(&all->earlier);
    pthread_mutex_unlock(&all->lock);
    pthread_join(all->thread, NULL);
    all->running = false;
}

void nv_deadlines_end(struct nv_deadlines *all, int64_t grace_ms, int64_t wait_ms)
{
    int64_t now_ns = nv_monotonic_ns(), until_ns = now_ns + wait_ms * 1000000;
    int r = 0;

    if (!all->running)
        return;
    pthread_mutex_lock(&all->lock);
    all->ending = true;
    for (struct nv_deadline *one = all->head.next; one != &all->head; one = one->next) {
        bool idle = __atomic_load_n(&one->idle, __ATOMIC_RELAXED);
        __atomic_store_n(&one->at_ns, idle ? now_ns : now_ns + grace_ms * 1000000,
                         __ATOMIC_RELAXED);
    }
    pthread_cond_signal(&all->earlier);
    while (all->n + all->n_coming > 0 && r == 0)
        r = nv_cond_wait_until(&all->gone, &all->lock, until_ns);
    pthread_mutex_unlock(&all->lock);
}

bool nv_deadlines_announce(struct nv_deadlines *all, size_t max)
{
    pthread_mutex_lock(&all->lock);
    bool fits = all->n + all->n_coming < max;
    all->n_coming += fits;
    pthread_mutex_unlock(&all->lock);
    return fits;
}

void nv_deadlines_renounce(struct nv_deadlines *all)
{
    pthread_mutex_lock(&all->lock);
    all->n_coming--;
    if (all->ending)
        pthread_cond_signal(&all->gone);
    pthread_mutex_unlock(&all->lock);
}

void nv_deadline_add(struct nv_deadlines *all, struct nv_deadline *one, int socket, int64_t in_ms)
{
    one->socket = socket;
    nv_deadline_set(one, in_ms);
    pthread_mutex_lock(&all->lock);
    one->next = &all->head;
    one->prev = all->head.prev;
    one->prev->next = one->next->prev = one;
    all->n_coming--;
    all->n++;
    if (all->ending)
        nv_deadline_set(one, 0);
    if (all->n > all->n_peak)
        all->n_peak = all->n;
    if (one->at_ns < all->wake_ns)
        pthread_cond_signal(&all->earlier);
    pthread_mutex_unlock(&all->lock);
}

void nv_deadline_remove(struct nv_deadlines *all, struct nv_deadline *one)
{
    pthread_mutex_lock(&all->lock);
    one->prev->next = one->next;
    one->next->prev = one->prev;
    all->n--;
    if (all->ending)
        pthread_cond_signal(&all->gone);
    pthread_mutex_unlock(&all->lock);
}

void nv_deadline_set(struct nv_deadline *one, int64_t in_ms)
{
    __atomic_store_n(&one->at_ns, nv_monotonic_ns() + in_ms * 1000000, __ATOMIC_RELAXED);
}
