/*
 * pool.c - what a job names becomes its targets.
 *
 * In two steps. A plan needs memory and may fail, and nothing has happened; the change that follows takes what was planned
 * and cannot fail.
 */
#include "scrape/inside.h"

#include <errno.h>

#include "scrape/digest.h"

enum { LIST_FIRST = 16 };

/* ---- pools and targets ---------------------------------------------------------------------- */

static void free_infos(struct nv_scrape_info **infos, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nv_scrape_info_unref(infos[i]);
    free(infos);
}

struct nv_scrape_pool *nv_scrape_pool_new(struct nv_config *pin,
                                          const struct nv_config_scrape *config)
{
    struct nv_scrape_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->name = strdup(config->job_name);
    if (!pool->name) {
        free(pool);
        return NULL;
    }
    pool->pin = pin ? nv_config_ref(pin) : NULL;
    pool->config = config;
    pool->elsewhere = !pin;
    return pool;
}

void nv_scrape_pool_free(struct nv_scrape_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->n_sds; i++) {
        if (!pool->sds[i].lender)
            nv_file_sd_free(pool->sds[i].files);
    }
    free(pool->sds);
    free(pool->targets);
    free_infos(pool->dropped, pool->n_kept);
    nv_config_unref(pool->pin);
    free(pool->name);
    free(pool);
}

struct nv_scrape_pool *nv_scrape_find_pool(const struct nv_scrape *scrape, const char *name)
{
    for (size_t i = 0; i < scrape->n_pools; i++) {
        if (strcmp(scrape->pools[i]->name, name) == 0)
            return scrape->pools[i];
    }
    return NULL;
}

size_t nv_scrape_n_others(const struct nv_scrape *scrape, const struct nv_scrape_pool *pool)
{
    size_t n = 0;

    for (size_t i = 0; i < scrape->n_pools; i++)
        n += scrape->pools[i] == pool ? 0 : scrape->pools[i]->n;
    return n;
}

void nv_scrape_target_forget(struct nv_scrape_target *target)
{
    for (size_t i = 0; i < target->n_exposed; i++)
        nv_frame_unref(target->exposed[i]);
    target->n_exposed = 0;
    nv_metadata_unref(nv_take(target->metadata));
    free(nv_take(target->error));
}

void nv_scrape_target_free(struct nv_scrape_target *target)
{
    if (!target)
        return;
    nv_scrape_target_forget(target);
    nv_http_free(target->pull.http);
    nv_intake_free(target->pull.intake);
    nv_scrape_info_unref(target->pull.info);
    nv_scrape_info_unref(target->info);
    free(target);
}

/* ---- planning ------------------------------------------------------------------------------- */

static bool grow(struct nv_scrape_info ***at, size_t n, size_t *room)
{
    size_t more = *room ? *room * 2 : LIST_FIRST;

    if (n < *room)
        return true;
    struct nv_scrape_info **longer = realloc(*at, more * sizeof(struct nv_scrape_info *));
    if (!longer)
        return false;
    *at = longer;
    *room = more;
    return true;
}

static int keep_dropped(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool,
                        const struct nv_scrape_described *is)
{
    int64_t limit = pool->config->limits.dropped_targets;
    size_t most = limit && limit < NV_SCRAPE_DROPPED_MAX ? (size_t)limit : NV_SCRAPE_DROPPED_MAX;

    plan->n_dropped++;
    if (plan->n_kept == most)
        return 0;
    struct nv_scrape_info *info = nv_scrape_info_new(pool->pin, pool->config, 0, is);
    if (!info || !grow(&plan->dropped, plan->n_kept, &plan->room_kept)) {
        nv_scrape_info_unref(info);
        return -ENOMEM;
    }
    plan->dropped[plan->n_kept++] = info;
    return 0;
}

/* Two that are the same in the end are one. */
static int keep_target(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool,
                       const struct nv_scrape_described *is, uint64_t digest, size_t others)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->infos[i]->is.identity == is->identity)
            return 0;
    }
    plan->n_found++;
    if (plan->n + others >= NV_SCRAPE_TARGETS_MAX) {
        plan->n_left_out++;
        return 0;
    }
    struct nv_scrape_info *info = nv_scrape_info_new(pool->pin, pool->config, digest, is);
    if (!info || !grow(&plan->infos, plan->n, &plan->room)) {
        nv_scrape_info_unref(info);
        return -ENOMEM;
    }
    plan->infos[plan->n++] = info;
    return 0;
}

static int add_target(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool,
                      const struct nv_target_group *group, struct nv_str address, uint64_t digest,
                      struct nv_arena *memory, size_t others)
{
    char reason[NV_SCRAPE_REASON_MAX];
    struct nv_scrape_described is;

    int r = nv_scrape_describe(pool->config, group, address, memory, &is, reason);
    if (r == 0)
        return keep_target(plan, pool, &is, digest, others);
    if (r == NV_SCRAPE_DROPPED)
        return keep_dropped(plan, pool, &is);
    if (r == -ENOMEM)
        return r;
    nv_log_error("scrape: %s: target %.*s cannot be made: %s", pool->name, NV_ARGS(address),
                 r == -EINVAL ? reason : strerror(-r));
    return 0;
}

int nv_scrape_plan_add(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool,
                       const struct nv_target_groups *groups, size_t others)
{
    struct nv_arena memory = NV_ARENA(NV_SCRAPE_PLAN_MEMORY);
    uint64_t digest = nv_scrape_digest(pool->config);
    int r = 0;

    for (size_t i = 0; i < groups->n && r == 0; i++) {
        const struct nv_target_group *group = &groups->at[i];
        for (size_t k = 0; k < group->n_targets && r == 0; k++) {
            r = add_target(plan, pool, group, group->targets[k], digest, &memory, others);
            nv_arena_reset(&memory);
        }
    }
    nv_arena_done(&memory);
    return r;
}

int nv_scrape_plan_pool(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool,
                        size_t others)
{
    int r = nv_scrape_plan_add(plan, pool, &pool->config->targets.groups, others);

    for (size_t i = 0; i < pool->n_sds && r == 0; i++) {
        struct nv_target_groups groups = nv_file_sd_groups(pool->sds[i].files);
        r = nv_scrape_plan_add(plan, pool, &groups, others);
    }
    return r;
}

int nv_scrape_plan_end(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool)
{
    int64_t limit = pool->config->limits.targets;

    plan->spares = calloc(plan->n + 1, sizeof(*plan->spares));
    if (!plan->spares)
        return -ENOMEM;
    for (size_t i = 0; i < plan->n; i++) {
        plan->spares[i] = calloc(1, sizeof(*plan->spares[i]));
        if (!plan->spares[i])
            return -ENOMEM;
        if (limit && plan->n_found > (size_t)limit)
            plan->infos[i]->n_found = plan->n_found;
    }
    if (plan->n_left_out)
        nv_log_error("scrape: %s: %llu targets are left out, more than %d are not asked",
                     pool->name, (unsigned long long)plan->n_left_out, NV_SCRAPE_TARGETS_MAX);
    return 0;
}

void nv_scrape_plan_done(struct nv_scrape_plan *plan)
{
    free_infos(plan->infos, plan->n);
    free_infos(plan->dropped, plan->n_kept);
    for (size_t i = 0; plan->spares && i < plan->n; i++)
        nv_scrape_target_free(plan->spares[i]);
    free(plan->spares);
    *plan = (struct nv_scrape_plan){0};
}

/* ---- the change ----------------------------------------------------------------------------- */

int nv_scrape_make_room(struct nv_scrape *scrape, size_t n_new)
{
    size_t n = scrape->n_targets + n_new;

    if (n > scrape->room_targets) {
        struct nv_scrape_target **at =
            realloc(scrape->targets, n * sizeof(struct nv_scrape_target *));
        if (!at)
            return -ENOMEM;
        scrape->targets = at;
        scrape->room_targets = n;
    }
    return nv_scrape_heaps_room(scrape, n);
}

void nv_scrape_change_begin(struct nv_scrape *scrape)
{
    for (size_t i = 0; i < scrape->n_targets; i++)
        scrape->targets[i]->claimed = false;
}

void nv_scrape_change_keep(struct nv_scrape_pool *pool)
{
    for (size_t i = 0; i < pool->n; i++)
        pool->targets[i]->claimed = true;
}

static struct nv_scrape_target *find_target(const struct nv_scrape *scrape, uint64_t identity)
{
    for (size_t i = 0; i < scrape->n_targets; i++) {
        if (scrape->targets[i]->identity == identity)
            return scrape->targets[i];
    }
    return NULL;
}

/* One that was there goes on, at its own times. */
static void go_on(struct nv_scrape *scrape, struct nv_scrape_target *target,
                  struct nv_scrape_info *info, int64_t now_ms)
{
    bool waits = target->state == NV_SCRAPE_WAITING;
    bool anew = target->leaving || target->info->is.interval_ms != info->is.interval_ms;

    if (waits && anew)
        nv_scrape_stop_waiting(scrape, target);
    nv_scrape_info_unref(target->info);
    target->info = info;
    target->leaving = false;
    target->claimed = true;
    if (waits && anew)
        nv_scrape_wait(scrape, target,
                       nv_scrape_slot(target->identity, info->is.interval_ms, now_ms));
}

static void begin(struct nv_scrape *scrape, struct nv_scrape_target *target,
                  struct nv_scrape_info *info, int64_t now_ms)
{
    target->identity = info->is.identity;
    target->info = info;
    target->claimed = true;
    scrape->targets[scrape->n_targets++] = target;
    nv_scrape_wait(scrape, target, nv_scrape_slot(target->identity, info->is.interval_ms, now_ms));
}

void nv_scrape_change_pool(struct nv_scrape *scrape, struct nv_scrape_pool *pool,
                           struct nv_scrape_plan *plan)
{
    int64_t now_ms = nv_wall_ms();

    for (size_t i = 0; i < plan->n; i++) {
        struct nv_scrape_info *info = plan->infos[i];
        struct nv_scrape_target *target = find_target(scrape, info->is.identity);
        if (target) {
            go_on(scrape, target, info, now_ms);
            nv_scrape_target_free(plan->spares[i]);
            plan->spares[i] = target;
        } else {
            begin(scrape, plan->spares[i], info, now_ms);
        }
    }
    free(pool->targets);
    pool->targets = nv_take(plan->spares);
    pool->n = plan->n;
    free_infos(pool->dropped, pool->n_kept);
    pool->dropped = nv_take(plan->dropped);
    pool->n_kept = plan->n_kept;
    free(plan->infos);
    pool->stats.targets = plan->n;
    pool->stats.dropped = plan->n_dropped;
    pool->stats.left_out = plan->n_left_out;
    pool->stats.target_limit = pool->config->limits.targets;
    scrape->stats.exceeded_targets += plan->n && pool->targets[0]->info->n_found;
    pool->stats.syncs++;
    *plan = (struct nv_scrape_plan){0};
}

/* Whom nobody named leaves: at once, where nothing was ever asked of it; else with a last turn of its own. */
void nv_scrape_change_end(struct nv_scrape *scrape)
{
    int64_t now_ms = nv_wall_ms();

    for (size_t i = scrape->n_targets; i-- > 0;) {
        struct nv_scrape_target *target = scrape->targets[i];
        if (target->claimed || target->leaving)
            continue;
        bool waits = target->state == NV_SCRAPE_WAITING;
        if (waits)
            nv_scrape_stop_waiting(scrape, target);
        target->leaving = true;
        if (waits && !target->pull.info) {
            scrape->targets[i] = scrape->targets[--scrape->n_targets];
            nv_scrape_target_free(target);
        } else if (waits) {
            nv_scrape_wait(scrape, target, now_ms);
        }
    }
    nv_scrape_wake(scrape);
}
