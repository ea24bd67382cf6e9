#include "promql/pool.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/assert.h"
#include "base/cond.h"

struct nv_promql_pool {
    pthread_mutex_t lock;
    pthread_cond_t room;
    size_t max, used, peak;
    unsigned holders, waiting, waiting_holders;
    uint64_t waits, refusals;
};

struct nv_promql_pool *nv_promql_pool_new(size_t max)
{
    struct nv_promql_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->max = max;
    pthread_mutex_init(&pool->lock, NULL);
    nv_cond_init(&pool->room);
    return pool;
}

void nv_promql_pool_free(struct nv_promql_pool *pool)
{
    if (!pool)
        return;
    nv_assert(!pool->used && !pool->waiting);
    pthread_cond_destroy(&pool->room);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void nv_promql_pool_stats(struct nv_promql_pool *pool, struct nv_promql_pool_stats *ret)
{
    pthread_mutex_lock(&pool->lock);
    *ret = (struct nv_promql_pool_stats){.max = pool->max,
                                         .used = pool->used,
                                         .peak = pool->peak,
                                         .queries = pool->holders,
                                         .waiting = pool->waiting,
                                         .waits = pool->waits,
                                         .refusals = pool->refusals};
    pthread_mutex_unlock(&pool->lock);
}

static int64_t now_ms(void)
{
    return nv_monotonic_ns() / 1000000;
}

static bool has_room(const struct nv_promql_pool *pool, bool holds, size_t bytes)
{
    return bytes <= pool->max - pool->used && (holds || !pool->waiting_holders);
}

/* Under the lock. Returns 0 when there is room, -EBUSY, or -ECANCELED. */
static int wait_for_room(struct nv_promql_pool *pool, bool holds, size_t bytes, int64_t deadline_ms,
                         const volatile bool *cancel)
{
    while (!has_room(pool, holds, bytes)) {
        int64_t now = now_ms(), until = now + NV_PROMQL_POOL_GLANCE_MS;
        if (cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED))
            return -ECANCELED;
        if (now >= deadline_ms || (holds && pool->waiting_holders == pool->holders))
            return -EBUSY;
        if (until > deadline_ms)
            until = deadline_ms;
        nv_cond_wait_until(&pool->room, &pool->lock, until * 1000000);
    }
    return 0;
}

int nv_promql_pool_take(struct nv_promql_pool *pool, size_t held, size_t bytes, int64_t deadline_ms,
                        const volatile bool *cancel)
{
    bool holds = held > 0;
    int r = 0;

    if (bytes > pool->max - (held < pool->max ? held : pool->max))
        return -EDQUOT;
    if (!deadline_ms)
        deadline_ms = now_ms() + NV_PROMQL_POOL_WAIT_MS;
    pthread_mutex_lock(&pool->lock);
    if (!has_room(pool, holds, bytes)) {
        pool->waits++;
        pool->waiting++;
        pool->waiting_holders += holds;
        r = wait_for_room(pool, holds, bytes, deadline_ms, cancel);
        pool->waiting_holders -= holds;
        pool->waiting--;
        pool->refusals += r < 0;
        if (!pool->waiting_holders)
            pthread_cond_broadcast(&pool->room);
    }
    if (r == 0) {
        pool->used += bytes;
        pool->holders += !holds;
        if (pool->used > pool->peak)
            pool->peak = pool->used;
    }
    pthread_mutex_unlock(&pool->lock);
    return r;
}

void nv_promql_pool_give(struct nv_promql_pool *pool, size_t held, size_t bytes)
{
    if (!bytes)
        return;
    pthread_mutex_lock(&pool->lock);
    nv_assert(bytes <= held && bytes <= pool->used);
    pool->used -= bytes;
    pool->holders -= bytes == held;
    pthread_cond_broadcast(&pool->room);
    pthread_mutex_unlock(&pool->lock);
}
