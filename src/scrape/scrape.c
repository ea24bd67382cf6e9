#include "scrape/scrape.h"

#include <errno.h>
#include <stdio.h>

#include "scrape/digest.h"
#include "scrape/inside.h"

enum { LEAST_LOOK_MS = 1000 };

struct nv_scrape *nv_scrape_new(const struct nv_scrape_options *options)
{
    struct nv_scrape *scrape = calloc(1, sizeof(*scrape));

    if (!scrape)
        return NULL;
    scrape->options = *options;
    scrape->looks = options->discover != NULL;
    pthread_mutex_init(&scrape->changing, NULL);
    pthread_mutex_init(&scrape->lock, NULL);
    nv_cond_init(&scrape->turn);
    nv_cond_init(&scrape->idle);
    nv_cond_init(&scrape->gone);
    return scrape;
}

void nv_scrape_free(struct nv_scrape *scrape)
{
    if (!scrape)
        return;
    nv_scrape_stop(scrape);
    for (size_t i = 0; i < scrape->n_pools; i++)
        nv_scrape_pool_free(scrape->pools[i]);
    for (size_t i = 0; i < scrape->n_targets; i++)
        nv_scrape_target_free(scrape->targets[i]);
    free(scrape->pools);
    free(scrape->targets);
    free(scrape->prompt.at);
    free(scrape->hanging.at);
    pthread_cond_destroy(&scrape->turn);
    pthread_cond_destroy(&scrape->idle);
    pthread_cond_destroy(&scrape->gone);
    pthread_mutex_destroy(&scrape->lock);
    pthread_mutex_destroy(&scrape->changing);
    free(scrape);
}

/* ---- a configuration ------------------------------------------------------------------------ */

/* The files of the pool before, where they are the same: what they say stays known. */
static struct nv_scrape_sd *find_sd(struct nv_scrape_pool *before, uint64_t digest)
{
    for (size_t i = 0; before && i < before->n_sds; i++) {
        if (before->sds[i].digest == digest)
            return &before->sds[i];
    }
    return NULL;
}

static bool is_lent(const struct nv_scrape_pool *pool, const struct nv_scrape_sd *sd)
{
    for (size_t i = 0; i < pool->n_sds; i++) {
        if (pool->sds[i].lender == sd)
            return true;
    }
    return false;
}

static int open_files(struct nv_scrape *scrape, struct nv_scrape_pool *pool)
{
    const struct nv_config_targets *targets = &pool->config->targets;
    struct nv_scrape_pool *before = nv_scrape_find_pool(scrape, pool->name);

    pool->sds = calloc(targets->n_file_sds + 1, sizeof(*pool->sds));
    if (!pool->sds)
        return -ENOMEM;
    for (size_t i = 0; i < targets->n_file_sds; i++) {
        const struct nv_config_file_sd *config = &targets->file_sds[i];
        struct nv_scrape_sd *sd = &pool->sds[i];
        sd->digest = nv_file_sd_digest(config);
        sd->every_ms = config->refresh_interval_ms;
        if (sd->every_ms > NV_SCRAPE_LOOK_MS) /* a look is cheap, and changes count at once */
            sd->every_ms = NV_SCRAPE_LOOK_MS;
        if (sd->every_ms < LEAST_LOOK_MS)
            sd->every_ms = LEAST_LOOK_MS;
        sd->lender = find_sd(before, sd->digest);
        if (sd->lender && is_lent(pool, sd->lender))
            sd->lender = NULL;
        sd->files = sd->lender ? sd->lender->files : nv_file_sd_new(config->files.at);
        if (!sd->files)
            return -ENOMEM;
        pool->n_sds++;
    }
    return 0;
}

static int plan(struct nv_scrape *scrape, struct nv_config *config, struct nv_scrape_change *change)
{
    size_t others = 0;
    int r = 0;

    for (size_t i = 0; i < scrape->n_pools; i++)
        others += scrape->pools[i]->elsewhere ? scrape->pools[i]->n : 0;
    for (size_t i = 0; i < config->n_scrapes && r == 0; i++) {
        struct nv_scrape_plan *one;
        struct nv_scrape_pool *pool =
            nv_scrape_change_add(change, config, &config->scrapes[i], &one);
        r = pool ? open_files(scrape, pool) : -ENOMEM;
        if (r < 0)
            return r;
        (void)nv_scrape_read_files(scrape, pool, nv_monotonic_ns(), true);
        r = nv_scrape_plan_pool(one, pool, others);
        if (r == 0)
            r = nv_scrape_plan_end(one, pool);
        others += one->n;
    }
    return r;
}

/* Files are looked at when the first is due. */
static void set_looks(struct nv_scrape *scrape)
{
    bool any = scrape->options.discover != NULL;

    for (size_t i = 0; i < scrape->n_pools; i++)
        any |= scrape->pools[i]->n_sds > 0;
    pthread_mutex_lock(&scrape->lock);
    scrape->looks = any;
    scrape->look_ns = nv_monotonic_ns() + INT64_C(1000000) * LEAST_LOOK_MS;
    nv_scrape_wake(scrape);
    pthread_mutex_unlock(&scrape->lock);
}

int nv_scrape_apply(struct nv_scrape *scrape, struct nv_config *config,
                    char error[NV_YAML_ERROR_MAX])
{
    struct nv_scrape_change change;

    pthread_mutex_lock(&scrape->changing);
    int r = nv_scrape_change_init(&change, config->n_scrapes);
    if (r == 0)
        r = plan(scrape, config, &change);
    if (r == 0)
        r = nv_scrape_change_make(scrape, &change, false);
    nv_scrape_change_done(&change);
    if (r == 0)
        set_looks(scrape);
    pthread_mutex_unlock(&scrape->changing);
    pthread_mutex_lock(&scrape->lock);
    scrape->stats.reloads++;
    scrape->stats.failed_reloads += r < 0;
    pthread_mutex_unlock(&scrape->lock);
    if (r < 0)
        snprintf(error, NV_YAML_ERROR_MAX, "the targets cannot be set up: %s", strerror(-r));
    return r;
}

/* ---- life ----------------------------------------------------------------------------------- */

int nv_scrape_start(struct nv_scrape *scrape)
{
    pthread_mutex_lock(&scrape->lock);
    scrape->started = true;
    scrape->stopping = false;
    nv_scrape_wake(scrape);
    bool good = scrape->n_threads || (!scrape->prompt.n && !scrape->hanging.n && !scrape->looks);
    pthread_mutex_unlock(&scrape->lock);
    return good ? 0 : -EAGAIN;
}

void nv_scrape_stop(struct nv_scrape *scrape)
{
    pthread_mutex_lock(&scrape->lock);
    if (scrape->started)
        nv_scrape_end_threads(scrape);
    scrape->started = false;
    pthread_mutex_unlock(&scrape->lock);
}

void nv_scrape_look(struct nv_scrape *scrape)
{
    pthread_mutex_lock(&scrape->lock);
    scrape->look_ns = 0;
    nv_scrape_wake(scrape);
    pthread_mutex_unlock(&scrape->lock);
}
