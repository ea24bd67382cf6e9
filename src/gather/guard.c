#include "gather/guard.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/clock.h"

enum { STALL_MS = 10, STACK_SIZE = 256 << 10, WAITING = 0, RUNNING, DONE, SKIPPED };

struct batch {
    char *items;
    unsigned char *states;
    size_t n, item_size, next, n_done, n_threads, room;
    unsigned refs; /* the caller and each thread inside; under the lock */
    void (*call)(void *item);
    struct batch *following;
};

struct stuck {
    char *key;
    const struct batch *batch;
    size_t item;
};

struct nv_guards {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct batch *queue; /* batches that want one more thread */
    struct batch *spare; /* memory of the last batch */
    struct stuck stuck[NV_GUARD_STUCK_MAX];
    size_t n_stuck, n_threads, n_idle, n_wanted;
    bool stopping;
};

/* ---- stuck keys; under the lock ------------------------------------------------------------- */

static bool is_stuck(const struct nv_guards *guards, struct nv_str key)
{
    for (size_t i = 0; i < guards->n_stuck; i++)
        if (nv_str_is(key, guards->stuck[i].key))
            return true;
    return false;
}

static void remember_stuck(struct nv_guards *guards, struct nv_str key, const struct batch *batch,
                           size_t item)
{
    if (guards->n_stuck < NV_GUARD_STUCK_MAX)
        guards->stuck[guards->n_stuck++] =
            (struct stuck){nv_must(strndup(key.p, key.n)), batch, item};
}

static void forget_stuck(struct nv_guards *guards, const struct batch *batch, size_t item)
{
    for (size_t i = 0; i < guards->n_stuck; i++) {
        if (guards->stuck[i].batch == batch && guards->stuck[i].item == item) {
            free(guards->stuck[i].key);
            guards->stuck[i] = guards->stuck[--guards->n_stuck];
            return;
        }
    }
}

/* ---- batches -------------------------------------------------------------------------------- */

static void batch_free(struct batch *batch)
{
    if (batch)
        free(batch->items);
    free(batch);
}

static void batch_unref(struct nv_guards *guards, struct batch *batch)
{
    if (--batch->refs)
        return;
    if (guards->spare)
        batch_free(batch);
    else
        guards->spare = batch;
}

/* A batch with a copy of the items; their states lie behind them. */
static struct batch *batch_new(struct nv_guards *guards, const void *items, size_t item_size,
                               size_t n)
{
    struct batch *batch = guards->spare;
    size_t size = n * (item_size + 1) + 1;

    guards->spare = NULL;
    if (!batch)
        batch = nv_must(calloc(1, sizeof(*batch)));
    if (batch->room < size) {
        free(batch->items);
        batch->items = nv_must(malloc(size));
        batch->room = size;
    }
    char *memory = batch->items;
    size_t room = batch->room;
    *batch =
        (struct batch){.items = memory, .room = room, .n = n, .item_size = item_size, .refs = 1};
    if (n)
        memcpy(batch->items, items, n * item_size);
    batch->states = (unsigned char *)batch->items + n * item_size;
    memset(batch->states, WAITING, n);
    return batch;
}

/* ---- threads -------------------------------------------------------------------------------- */

/* Works through a batch. The lock is held on entry and exit, not while calling. */
static void work(struct nv_guards *guards, struct batch *batch)
{
    while (batch->next < batch->n) {
        size_t i = batch->next++;
        if (batch->states[i] == SKIPPED)
            continue;
        batch->states[i] = RUNNING;
        pthread_mutex_unlock(&guards->lock);
        batch->call(batch->items + i * batch->item_size);
        pthread_mutex_lock(&guards->lock);
        batch->states[i] = DONE;
        batch->n_done++;
        if (guards->n_stuck)
            forget_stuck(guards, batch, i);
    }
    pthread_cond_broadcast(&guards->done);
}

static void *thread_main(void *user)
{
    struct nv_guards *guards = user;

    pthread_mutex_lock(&guards->lock);
    while (!guards->stopping) {
        struct batch *batch = guards->queue;
        if (!batch) {
            guards->n_idle++;
            pthread_cond_wait(&guards->work, &guards->lock);
            guards->n_idle--;
            continue;
        }
        guards->queue = batch->following;
        batch->refs++;
        work(guards, batch);
        batch_unref(guards, batch);
    }
    guards->n_threads--;
    pthread_cond_broadcast(&guards->done);
    pthread_mutex_unlock(&guards->lock);
    return NULL;
}

static bool spawn(struct nv_guards *guards)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (guards->n_threads == NV_GUARD_THREADS_MAX || pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    bool made = pthread_create(&thread, &attributes, thread_main, guards) == 0;
    pthread_attr_destroy(&attributes);
    guards->n_threads += made;
    return made;
}

static bool in_queue(const struct nv_guards *guards, const struct batch *batch)
{
    for (const struct batch *b = guards->queue; b; b = b->following)
        if (b == batch)
            return true;
    return false;
}

/* Asks for one more thread on the batch. False where none is to be had. */
static bool want_thread(struct nv_guards *guards, struct batch *batch)
{
    if (in_queue(guards, batch))
        return true;
    if (!guards->n_idle && !spawn(guards))
        return false;
    batch->following = guards->queue;
    guards->queue = batch;
    batch->n_threads++;
    pthread_cond_signal(&guards->work);
    return true;
}

static void unqueue(struct nv_guards *guards, struct batch *batch)
{
    for (struct batch **at = &guards->queue; *at; at = &(*at)->following) {
        if (*at == batch) {
            *at = batch->following;
            return;
        }
    }
}

/* ---- the caller ----------------------------------------------------------------------------- */

static void wait_until(struct nv_guards *guards, int64_t deadline_ns)
{
    struct timespec at = {deadline_ns / 1000000000, deadline_ns % 1000000000};

    pthread_cond_clockwait(&guards->done, &guards->lock, CLOCK_MONOTONIC, &at);
}

static void wait_for(struct nv_guards *guards, struct batch *batch, size_t n_calls,
                     int64_t deadline_ns, size_t width)
{
    bool threads = want_thread(guards, batch);

    while (batch->n_done < n_calls && threads) {
        size_t before = batch->n_done;
        int64_t now = nv_monotonic_ns();
        if (now >= deadline_ns)
            return;
        int64_t stall = now + STALL_MS * 1000000;
        bool last = batch->next >= batch->n || batch->n_threads >= width;
        wait_until(guards, last || stall > deadline_ns ? deadline_ns : stall);
        if (batch->n_done == before && batch->next < batch->n && batch->n_threads < width)
            want_thread(guards, batch); /* nothing moved: one more, if there is one */
    }
}

static void give_results(struct nv_guards *guards, struct batch *batch, void *items,
                         const struct nv_str *keys, unsigned char *outcomes)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->states[i] == SKIPPED) {
            outcomes[i] = NV_GUARD_STUCK;
        } else if (batch->states[i] == DONE) {
            outcomes[i] = NV_GUARD_DONE;
            memcpy((char *)items + i * batch->item_size, batch->items + i * batch->item_size,
                   batch->item_size);
        } else {
            outcomes[i] = NV_GUARD_LATE;
            if (batch->states[i] == RUNNING)
                remember_stuck(guards, keys[i], batch, i);
        }
    }
    batch->next = batch->n; /* what was not begun is not begun later */
}

int nv_guard_run(struct nv_guards *guards, void *items, size_t item_size, size_t n,
                 const struct nv_str *keys, void (*call)(void *item), int64_t deadline_ns,
                 size_t width, unsigned char *ret_outcomes)
{
    if (n > SIZE_MAX / 2 / (item_size + 1))
        return -E2BIG;
    pthread_mutex_lock(&guards->lock);
    struct batch *batch = batch_new(guards, items, item_size, n);
    size_t n_calls = n;
    batch->call = call;
    for (size_t i = 0; guards->n_stuck && i < n; i++) {
        if (is_stuck(guards, keys[i])) {
            batch->states[i] = SKIPPED;
            n_calls--;
        }
    }
    if (n_calls)
        wait_for(guards, batch, n_calls, deadline_ns, width ? width : 1);
    unqueue(guards, batch);
    give_results(guards, batch, items, keys, ret_outcomes);
    batch_unref(guards, batch);
    pthread_mutex_unlock(&guards->lock);
    return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_guards *nv_guards_new(void)
{
    struct nv_guards *guards = calloc(1, sizeof(*guards));

    if (!guards)
        return NULL;
    pthread_mutex_init(&guards->lock, NULL);
    pthread_cond_init(&guards->work, NULL);
    pthread_cond_init(&guards->done, NULL);
    return guards;
}

void nv_guards_count(struct nv_guards *guards, size_t *ret_threads, size_t *ret_held)
{
    pthread_mutex_lock(&guards->lock);
    *ret_threads = guards->n_threads;
    *ret_held = guards->n_stuck;
    pthread_mutex_unlock(&guards->lock);
}

void nv_guards_free(struct nv_guards *guards)
{
    enum { PATIENCE_MS = 500 };

    if (!guards)
        return;
    pthread_mutex_lock(&guards->lock);
    guards->stopping = true;
    pthread_cond_broadcast(&guards->work);
    int64_t deadline = nv_monotonic_ns() + INT64_C(1000000) * PATIENCE_MS;
    while (guards->n_threads && nv_monotonic_ns() < deadline)
        wait_until(guards, deadline);
    bool hangs = guards->n_threads > 0;
    pthread_mutex_unlock(&guards->lock);
    if (hangs)
        return;
    batch_free(guards->spare);
    pthread_cond_destroy(&guards->work);
    pthread_cond_destroy(&guards->done);
    pthread_mutex_destroy(&guards->lock);
    free(guards);
}
