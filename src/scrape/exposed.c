/*
 * exposed.c - what is shown on our own /metrics. Asked with every scrape of ours: what there is is counted under the lock, and
 * where no job is exposed that is all.
 */
#include <errno.h>

#include "scrape/inside.h"

struct shown {
    struct nv_scrape_info *info; /* counted */
    struct nv_frame *frame;      /* counted */
};

static size_t count(const struct nv_scrape *scrape)
{
    size_t n = 0;

    for (size_t i = 0; i < scrape->n_pools; i++) {
        const struct nv_scrape_pool *pool = scrape->pools[i];
        for (size_t k = 0; pool->config->expose && k < pool->n; k++)
            n += pool->targets[k]->n_exposed;
    }
    return n;
}

static size_t take(const struct nv_scrape_pool *pool, struct shown *to)
{
    size_t n = 0;

    for (size_t i = 0; i < pool->n; i++) {
        const struct nv_scrape_target *target = pool->targets[i];
        for (size_t k = 0; k < target->n_exposed; k++)
            to[n++] =
                (struct shown){nv_scrape_info_ref(target->info), nv_frame_ref(target->exposed[k])};
    }
    return n;
}

static int take_all(struct nv_scrape *scrape, struct shown **ret, size_t *ret_n)
{
    size_t n = 0;

    pthread_mutex_lock(&scrape->lock);
    size_t most = count(scrape);
    struct shown *shown = most ? calloc(most, sizeof(*shown)) : NULL;
    for (size_t i = 0; shown && i < scrape->n_pools; i++) {
        if (scrape->pools[i]->config->expose)
            n += take(scrape->pools[i], shown + n);
    }
    pthread_mutex_unlock(&scrape->lock);
    *ret = shown;
    *ret_n = n;
    return most && !shown ? -ENOMEM : 0;
}

int nv_scrape_exposed(struct nv_scrape *scrape, struct nv_str job,
                      int (*each)(void *to, struct nv_str job, struct nv_frame *frame), void *to)
{
    struct shown *shown;
    size_t n;
    int r = take_all(scrape, &shown, &n);

    for (size_t i = 0; i < n; i++) {
        struct nv_str name = nv_str(shown[i].info->config->job_name);
        if (r == 0 && (!job.n || nv_str_eq(job, name)))
            r = each(to, name, shown[i].frame);
        nv_frame_unref(shown[i].frame);
        nv_scrape_info_unref(shown[i].info);
    }
    free(shown);
    return r;
}

bool nv_scrape_exposes(struct nv_scrape *scrape, struct nv_str job)
{
    bool found = false;

    pthread_mutex_lock(&scrape->lock);
    for (size_t i = 0; i < scrape->n_pools; i++)
        found |= scrape->pools[i]->config->expose && nv_str_is(job, scrape->pools[i]->name);
    pthread_mutex_unlock(&scrape->lock);
    return found;
}
