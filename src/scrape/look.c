/*
 * look.c - targets that are found while the agent runs: in files of file_sd, and elsewhere.
 */
#include <errno.h>

#include "scrape/inside.h"

enum { NS_PER_MS = 1000000, ELSEWHERE_MEMORY = 64 << 20 };

/* ---- files ---------------------------------------------------------------------------------- */

bool nv_scrape_read_files(struct nv_scrape *scrape, struct nv_scrape_pool *pool, int64_t now_ns,
                          bool all)
{
    uint64_t errors = 0, scans = 0;
    bool any = false;

    for (size_t i = 0; i < pool->n_sds; i++) {
        struct nv_scrape_sd *sd = &pool->sds[i];
        char error[NV_YAML_ERROR_MAX] = "";
        bool changed = false;
        if (!all && now_ns < sd->look_ns)
            continue;
        sd->look_ns = now_ns + sd->every_ms * NS_PER_MS;
        scans++;
        if (nv_file_sd_refresh(sd->files, &changed, error) == 0) {
            nv_complaint_over(&sd->complaint);
        } else {
            errors++;
            if (nv_complaint_speaks(&sd->complaint))
                nv_log_error("scrape: %s: %s", pool->name, error);
        }
        any |= changed;
    }
    pthread_mutex_lock(&scrape->lock);
    scrape->stats.file_sd_errors += errors;
    scrape->stats.file_sd_scans += scans;
    pthread_mutex_unlock(&scrape->lock);
    return any;
}

/* What a pool's files name has changed. */
static void renew_pool(struct nv_scrape *scrape, struct nv_scrape_pool *pool)
{
    struct nv_scrape_plan plan = {0};

    int r = nv_scrape_plan_pool(&plan, pool, nv_scrape_n_others(scrape, pool));
    if (r == 0)
        r = nv_scrape_plan_end(&plan, pool);
    pthread_mutex_lock(&scrape->lock);
    if (r == 0)
        r = nv_scrape_make_room(scrape, plan.n);
    if (r == 0) {
        nv_scrape_change_begin(scrape);
        for (size_t i = 0; i < scrape->n_pools; i++) {
            if (scrape->pools[i] != pool)
                nv_scrape_change_keep(scrape->pools[i]);
        }
        nv_scrape_change_pool(scrape, pool, &plan);
        nv_scrape_change_end(scrape);
    }
    pthread_mutex_unlock(&scrape->lock);
    if (r < 0)
        nv_log_error("scrape: %s: its targets stay as they are: %s", pool->name, strerror(-r));
    nv_scrape_plan_done(&plan);
}

static void look_at_files(struct nv_scrape *scrape, int64_t now_ns)
{
    for (size_t i = 0; i < scrape->n_pools; i++) {
        if (nv_scrape_read_files(scrape, scrape->pools[i], now_ns, false))
            renew_pool(scrape, scrape->pools[i]);
    }
}

/* ---- elsewhere ------------------------------------------------------------------------------ */

static int plan_jobs(struct nv_scrape *scrape, const struct nv_scrape_job *jobs, size_t n,
                     struct nv_scrape_change *change)
{
    size_t others = 0;
    int r = 0;

    for (size_t i = 0; i < scrape->n_pools; i++)
        others += scrape->pools[i]->elsewhere ? 0 : scrape->pools[i]->n;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct nv_scrape_plan *plan;
        struct nv_scrape_pool *pool = nv_scrape_change_add(change, NULL, jobs[i].config, &plan);
        if (!pool)
            return -ENOMEM;
        r = nv_scrape_plan_add(plan, pool, &jobs[i].groups, others);
        if (r == 0)
            r = nv_scrape_plan_end(plan, pool);
        others += plan->n;
    }
    return r;
}

static int take_jobs(struct nv_scrape *scrape, const struct nv_scrape_job *jobs, size_t n)
{
    struct nv_scrape_change change;
    int r = nv_scrape_change_init(&change, n);

    if (r == 0)
        r = plan_jobs(scrape, jobs, n, &change);
    if (r == 0)
        r = nv_scrape_change_make(scrape, &change, true);
    nv_scrape_change_done(&change);
    return r;
}

static void look_elsewhere(struct nv_scrape *scrape)
{
    const struct nv_scrape_options *options = &scrape->options;
    struct nv_arena memory = NV_ARENA(ELSEWHERE_MEMORY);
    const struct nv_scrape_job *jobs = NULL;
    uint64_t version = scrape->version;
    size_t n = 0;

    if (!options->discover)
        return;
    int r = options->discover(options->discover_user, &memory, &version, &jobs, &n);
    if (r == 0 && (!scrape->looked || version != scrape->version))
        r = take_jobs(scrape, jobs, n);
    if (r == 0) {
        scrape->version = version;
        scrape->looked = true;
        nv_complaint_over(&scrape->discover_complaint);
    } else if (nv_complaint_speaks(&scrape->discover_complaint)) {
        nv_log_error("scrape: targets found on the node stay as they are: %s", strerror(-r));
    }
    nv_arena_done(&memory);
}

void nv_scrape_look_now(struct nv_scrape *scrape)
{
    int64_t now_ns = nv_monotonic_ns(), next_ns;

    pthread_mutex_lock(&scrape->lock);
    scrape->look_ns = now_ns + INT64_C(1) * NV_SCRAPE_LOOK_MS * NS_PER_MS;
    pthread_mutex_unlock(&scrape->lock);
    pthread_mutex_lock(&scrape->changing);
    look_at_files(scrape, now_ns);
    look_elsewhere(scrape);
    next_ns = now_ns + INT64_C(1) * NV_SCRAPE_LOOK_MS * NS_PER_MS;
    for (size_t i = 0; i < scrape->n_pools; i++) {
        const struct nv_scrape_pool *pool = scrape->pools[i];
        for (size_t k = 0; k < pool->n_sds; k++)
            next_ns = pool->sds[k].look_ns < next_ns ? pool->sds[k].look_ns : next_ns;
    }
    pthread_mutex_unlock(&scrape->changing);
    pthread_mutex_lock(&scrape->lock);
    scrape->look_ns = next_ns < scrape->look_ns ? next_ns : scrape->look_ns;
    pthread_mutex_unlock(&scrape->lock);
}
