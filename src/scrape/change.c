/*
 * change.c - pools in place of pools: all those of a configuration, or all those found elsewhere, at once.
 */
#include <errno.h>

#include "scrape/inside.h"

int nv_scrape_change_init(struct nv_scrape_change *change, size_t room)
{
    *change = (struct nv_scrape_change){
        .pools = calloc(room + 1, sizeof(struct nv_scrape_pool *)),
        .plans = calloc(room + 1, sizeof(struct nv_scrape_plan)),
        .room = room,
    };
    return change->pools && change->plans ? 0 : -ENOMEM;
}

void nv_scrape_change_done(struct nv_scrape_change *change)
{
    for (size_t i = 0; i < change->n; i++) {
        nv_scrape_pool_free(change->pools[i]);
        nv_scrape_plan_done(&change->plans[i]);
    }
    free(change->pools);
    free(change->plans);
}

struct nv_scrape_pool *nv_scrape_change_add(struct nv_scrape_change *change, struct nv_config *pin,
                                            const struct nv_config_scrape *config,
                                            struct nv_scrape_plan **ret_plan)
{
    struct nv_scrape_pool *pool = change->n < change->room ? nv_scrape_pool_new(pin, config) : NULL;

    if (!pool)
        return NULL;
    *ret_plan = &change->plans[change->n];
    change->pools[change->n++] = pool;
    return pool;
}

/* What a pool of the same name was, it goes on to be: its counts, and files that both name. */
static void inherit(const struct nv_scrape *scrape, struct nv_scrape_pool *pool)
{
    const struct nv_scrape_pool *before = nv_scrape_find_pool(scrape, pool->name);

    if (before)
        pool->stats.syncs = before->stats.syncs;
    for (size_t i = 0; i < pool->n_sds; i++) {
        if (pool->sds[i].lender)
            pool->sds[i].lender->files = NULL;
        pool->sds[i].lender = NULL;
    }
}

/* With the lock; cannot fail. Those of before go into the change, to be freed with it. */
static void replace(struct nv_scrape *scrape, struct nv_scrape_change *change, bool elsewhere,
                    struct nv_scrape_pool **pools)
{
    struct nv_scrape_pool **old = scrape->pools;
    size_t n = 0, n_old = scrape->n_pools, n_gone = 0;

    nv_scrape_change_begin(scrape);
    for (size_t i = 0; i < n_old; i++) {
        if (old[i]->elsewhere == elsewhere)
            continue;
        nv_scrape_change_keep(old[i]);
        pools[n++] = old[i];
    }
    for (size_t i = 0; i < change->n; i++) {
        inherit(scrape, change->pools[i]);
        nv_scrape_change_pool(scrape, change->pools[i], &change->plans[i]);
        pools[n++] = change->pools[i];
    }
    for (size_t i = 0; i < n_old; i++) {
        if (old[i]->elsewhere == elsewhere)
            old[n_gone++] = old[i];
    }
    free(change->pools);
    change->pools = old;
    change->n = n_gone;
    scrape->pools = pools;
    scrape->n_pools = n;
    nv_scrape_change_end(scrape);
}

int nv_scrape_change_make(struct nv_scrape *scrape, struct nv_scrape_change *change, bool elsewhere)
{
    size_t n_new = 0, n_old = scrape->n_pools;
    struct nv_scrape_pool **pools = calloc(n_old + change->n + 1, sizeof(*pools));
    struct nv_scrape_plan *plans = calloc(n_old + change->n + 1, sizeof(*plans));

    if (!pools || !plans) {
        free(pools);
        free(plans);
        return -ENOMEM;
    }
    if (change->n)
        memcpy(plans, change->plans, change->n * sizeof(*plans));
    free(change->plans);
    change->plans = plans; /* one for each pool that may end with the change */
    for (size_t i = 0; i < change->n; i++)
        n_new += change->plans[i].n;
    pthread_mutex_lock(&scrape->lock);
    int r = nv_scrape_make_room(scrape, n_new);
    if (r == 0)
        replace(scrape, change, elsewhere, pools);
    pthread_mutex_unlock(&scrape->lock);
    if (r < 0)
        free(pools);
    return r;
}
