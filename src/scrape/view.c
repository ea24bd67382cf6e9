/*
 * view.c - what is going on, for the API and the metrics. What is shown is copied or counted first, so that nobody who reads
 * slowly holds the lock.
 */
#include <errno.h>

#include "scrape/inside.h"

/* What a target showed when it was looked at. */
struct picture {
    struct nv_scrape_info *info; /* counted */
    bool dropped;
    uint64_t unlisted;
    enum nv_scrape_health health;
    int64_t last_ms, last_duration_ns;
    char *error;
    struct nv_metadata *metadata; /* counted */
};

struct pictures {
    struct picture *at;
    size_t n;
};

static void pictures_done(struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->n; i++) {
        struct picture *one = &pictures->at[i];
        nv_scrape_info_unref(one->info);
        free(one->error);
        nv_metadata_unref(one->metadata);
    }
    free(pictures->at);
}

static void take_picture(const struct nv_scrape_target *target, struct picture *ret)
{
    *ret = (struct picture){
        .info = nv_scrape_info_ref(target->info),
        .health = target->health,
        .last_ms = target->last_ms,
        .last_duration_ns = target->last_duration_ns,
        .error = target->error ? strdup(target->error) : NULL,
        .metadata = target->metadata,
    };
    if (ret->metadata)
        __atomic_add_fetch(&ret->metadata->refs, 1, __ATOMIC_RELAXED);
}

static int take_pictures(struct nv_scrape *scrape, struct pictures *ret)
{
    size_t n = 0;

    pthread_mutex_lock(&scrape->lock);
    for (size_t i = 0; i < scrape->n_pools; i++)
        n += scrape->pools[i]->n + scrape->pools[i]->n_kept;
    *ret = (struct pictures){calloc(n + 1, sizeof(*ret->at)), 0};
    for (size_t i = 0; ret->at && i < scrape->n_pools; i++) {
        const struct nv_scrape_pool *pool = scrape->pools[i];
        for (size_t k = 0; k < pool->n; k++)
            take_picture(pool->targets[k], &ret->at[ret->n++]);
        for (size_t k = 0; k < pool->n_kept; k++)
            ret->at[ret->n++] = (struct picture){
                .info = nv_scrape_info_ref(pool->dropped[k]),
                .dropped = true,
                .unlisted = k + 1 < pool->n_kept ? 0 : pool->stats.dropped - pool->n_kept,
            };
    }
    pthread_mutex_unlock(&scrape->lock);
    return ret->at ? 0 : -ENOMEM;
}

int nv_scrape_targets(struct nv_scrape *scrape,
                      int (*each)(void *to, const struct nv_scrape_view *view), void *to)
{
    struct pictures pictures;
    int r = take_pictures(scrape, &pictures);

    for (size_t i = 0; r == 0 && i < pictures.n; i++) {
        const struct picture *one = &pictures.at[i];
        const struct nv_scrape_described *is = &one->info->is;
        const struct nv_scrape_view view = {
            .pool = nv_str(one->info->config->job_name),
            .url = is->url,
            .error = nv_str(one->error ? one->error : ""),
            .labels = is->labels,
            .discovered = is->discovered,
            .n_labels = is->n_labels,
            .n_discovered = is->n_discovered,
            .dropped = one->dropped,
            .unlisted = one->unlisted,
            .health = one->health,
            .last_ms = one->last_ms,
            .last_duration_ns = one->last_duration_ns,
            .interval_ms = is->interval_ms,
            .timeout_ms = is->timeout_ms,
        };
        r = each(to, &view);
    }
    pictures_done(&pictures);
    return r;
}

int nv_scrape_families(struct nv_scrape *scrape,
                       int (*each)(void *to, const struct nv_scrape_family *family), void *to)
{
    struct pictures pictures;
    int r = take_pictures(scrape, &pictures);

    for (size_t i = 0; i < pictures.n; i++) {
        const struct nv_metadata *metadata = pictures.at[i].metadata;
        const struct nv_scrape_described *is = &pictures.at[i].info->is;
        for (size_t k = 0; metadata && r == 0 && k < metadata->n; k++) {
            const struct nv_metadata_entry *entry = &metadata->at[k];
            const struct nv_scrape_family family = {
                .name = entry->family,
                .type = nv_str(entry->type),
                .help = entry->help,
                .unit = entry->unit,
                .labels = is->labels,
                .n_labels = is->n_labels,
            };
            r = each(to, &family);
        }
    }
    pictures_done(&pictures);
    return r;
}

void nv_scrape_stats(struct nv_scrape *scrape, struct nv_scrape_stats *ret)
{
    pthread_mutex_lock(&scrape->lock);
    *ret = scrape->stats;
    ret->threads = scrape->n_threads;
    pthread_mutex_unlock(&scrape->lock);
}

int nv_scrape_pools(struct nv_scrape *scrape,
                    int (*each)(void *to, const struct nv_scrape_pool_stats *pool), void *to)
{
    int r = 0;

    pthread_mutex_lock(&scrape->lock); /* which keeps the names */
    for (size_t i = 0; r == 0 && i < scrape->n_pools; i++) {
        struct nv_scrape_pool_stats stats = scrape->pools[i]->stats;
        stats.name = nv_str(scrape->pools[i]->name);
        r = each(to, &stats);
    }
    pthread_mutex_unlock(&scrape->lock);
    return r;
}
