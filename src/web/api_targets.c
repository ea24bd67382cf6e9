/*
 * api_targets.c - what is observed, and how that goes: /targets, /scrape_pools.
 */
#include <errno.h>

#include "web/api_parts.h"

enum { POOLS_MAX = 4096 };

struct listing {
    struct nv_writer *out;
    struct nv_str pool; /* empty: all */
    bool dropped;       /* those, else the others */
};

static void write_duration(struct nv_writer *out, const char *key, int64_t ms)
{
    NV_AUTO_BUF text = NV_BUF(64);

    nv_promql_print_duration(&text, ms);
    nv_write_member(out, key, nv_buf_view(&text));
}

static void write_active(struct nv_writer *out, const struct nv_api_target *target)
{
    static const char *const healths[] = {
        [NV_API_UNKNOWN] = "unknown", [NV_API_UP] = "up", [NV_API_DOWN] = "down"};

    nv_write_key(out, "labels");
    nv_write_labels(out, target->labels, target->n_labels);
    nv_write_member(out, "scrapePool", target->pool);
    nv_write_member(out, "scrapeUrl", target->url);
    nv_write_member(out, "globalUrl", target->global_url);
    nv_write_member(out, "lastError", target->last_error);
    nv_write_key(out, "lastScrape");
    nv_write_moment_ns(out, target->last_scrape_ns, target->last_scrape_ns != 0);
    nv_write_member_real(out, "lastScrapeDuration", (double)target->last_duration_ns / 1e9);
    nv_write_member_text(out, "health", healths[target->health]);
    write_duration(out, "scrapeInterval", target->interval_ms);
    write_duration(out, "scrapeTimeout", target->timeout_ms);
}

static int write_target(void *to, const struct nv_api_target *target)
{
    const struct listing *listing = to;
    struct nv_writer *out = listing->out;

    if (target->dropped != listing->dropped ||
        (listing->pool.n && !nv_str_eq(listing->pool, target->pool)))
        return 0;
    nv_write_object(out);
    nv_write_key(out, "discoveredLabels");
    nv_write_labels(out, target->discovered, target->n_discovered);
    if (target->dropped)
        nv_write_member(out, "scrapePool", target->pool);
    else
        write_active(out, target);
    nv_write_object_end(out);
    return 0;
}

static int write_targets(struct nv_exchange *x, struct nv_writer *out, const char *key,
                         bool dropped, bool shown)
{
    struct listing listing = {out, nv_param(x, "scrapePool"), dropped};
    const struct nv_api_sources *sources = &x->api->sources;

    nv_write_key(out, key);
    nv_write_array(out);
    int r = shown && sources->targets ? sources->targets(x->api->user, write_target, &listing) : 0;
    nv_write_array_end(out);
    return r;
}

/* ---- pools ---------------------------------------------------------------------------------- */

struct pool {
    struct nv_str name;
    uint64_t dropped;
};

struct pools {
    struct nv_arena *memory;
    struct pool *at; /* room for POOLS_MAX; by name */
    size_t n;
};

static int add_to_pool(struct pools *pools, struct nv_str pool, uint64_t dropped)
{
    size_t i = pools->n;

    while (i && nv_str_cmp(pools->at[i - 1].name, pool) > 0)
        i--;
    if (i && nv_str_eq(pools->at[i - 1].name, pool)) {
        pools->at[i - 1].dropped += dropped;
        return 0;
    }
    struct nv_str name = nv_arena_str(pools->memory, pool);
    if (!name.p || pools->n == POOLS_MAX)
        return -ENOMEM;
    memmove(&pools->at[i + 1], &pools->at[i], (pools->n++ - i) * sizeof(*pools->at));
    pools->at[i] = (struct pool){name, dropped};
    return 0;
}

static int add_target(void *to, const struct nv_api_target *target)
{
    return add_to_pool(to, target->pool, target->dropped + target->unlisted);
}

static int add_pool(void *to, struct nv_str pool)
{
    return add_to_pool(to, pool, 0);
}

static int find_pools(struct nv_exchange *x, struct pools *ret)
{
    const struct nv_api_sources *sources = &x->api->sources;

    *ret = (struct pools){&x->memory, nv_arena_alloc(&x->memory, POOLS_MAX * sizeof(*ret->at)), 0};
    if (!ret->at)
        return -ENOMEM;
    int r = sources->targets ? sources->targets(x->api->user, add_target, ret) : 0;
    return r == 0 && sources->pools ? sources->pools(x->api->user, add_pool, ret) : r;
}

static int get_targets(struct nv_exchange *x)
{
    struct nv_str state = nv_param(x, "state");
    bool any = !state.n || nv_str_is(state, "any");
    bool active = any || nv_str_is(state, "active"), dropped = any || nv_str_is(state, "dropped");
    struct pools pools;

    int r = find_pools(x, &pools);
    if (r < 0)
        return r;
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    r = write_targets(x, out, "activeTargets", false, active);
    if (r == 0)
        r = write_targets(x, out, "droppedTargets", true, dropped);
    nv_write_key(out, "droppedTargetCounts");
    nv_write_object(out);
    for (size_t i = 0; dropped && i < pools.n; i++) {
        nv_write_key_str(out, pools.at[i].name);
        nv_write_u64(out, pools.at[i].dropped);
    }
    nv_write_object_end(out);
    nv_write_object_end(out);
    return r;
}

static int get_pools(struct nv_exchange *x)
{
    struct pools pools;

    int r = find_pools(x, &pools);
    if (r < 0)
        return r;
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    nv_write_key(out, "scrapePools");
    nv_write_array(out);
    for (size_t i = 0; i < pools.n; i++)
        nv_write_string(out, pools.at[i].name);
    nv_write_array_end(out);
    nv_write_object_end(out);
    return 0;
}

static int get_pool_config(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_str pool = nv_param(x, "scrape_pool");
    NV_AUTO_BUF yaml = NV_BUF(4 << 20);

    int r = sources->pool_config ? sources->pool_config(x->api->user, pool, &yaml) : -ENOENT;
    if (r == -ENOENT) {
        char shown[NV_SHOWN_MAX];
        return nv_fail(x, NV_NOT_FOUND, "scrape pool %s not found", nv_show(pool, shown));
    }
    if (r == 0)
        r = yaml.failed;
    if (r < 0)
        return r;
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    nv_write_member(out, "yaml", nv_buf_view(&yaml));
    nv_write_object_end(out);
    return 0;
}

const struct nv_endpoint nv_api_targets_endpoints[] = {
    {"/api/v1/targets", NV_GET, 0, get_targets},
    {"/api/v1/scrape_pools",                NV_GET, 0, get_pools},
    {"/api/v1/scrape_pools/config",                 NV_GET, 0, get_pool_config},
    {0},
};
