/*
 * answers_scrape.c - what the API tells of targets that are asked.
 */
#include <stdio.h>

#include "agent/answers.h"

enum { HOST_MAX = 256 };

struct listing {
    int (*each)(void *to, const struct nv_api_target *target);
    void *to;
    struct nv_str host; /* our name, for others */
    struct nv_buf url;
};

/* What others would ask instead: our name in place of an address that means everyone's own machine. */
static struct nv_str global_url(struct listing *listing, struct nv_str url)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    struct nv_str rest = url, scheme = nv_str_cut(&rest, '/');

    rest = nv_str_from(rest, 1); /* behind the second slash */
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (!nv_str_starts(rest, own[i]))
            continue;
        struct nv_str behind = nv_str_from(rest, strlen(own[i]));
        if (behind.n && !strchr(":/?", behind.p[0]))
            continue;
        nv_buf_reset(&listing->url);
        nv_buf_printf(&listing->url, "%.*s//%.*s%.*s", NV_ARGS(scheme), NV_ARGS(listing->host),
                      NV_ARGS(behind));
        return listing->url.failed ? url : nv_buf_view(&listing->url);
    }
    return url;
}

static int tell_target(void *to, const struct nv_scrape_view *view)
{
    static const enum nv_api_health healths[] = {[NV_SCRAPE_UNKNOWN] = NV_API_UNKNOWN,
                                                 [NV_SCRAPE_UP] = NV_API_UP,
                                                 [NV_SCRAPE_DOWN] = NV_API_DOWN};
    struct listing *listing = to;
    const struct nv_api_target target = {
        .pool = view->pool,
        .url = view->url,
        .global_url = global_url(listing, view->url),
        .last_error = view->error,
        .labels = view->labels,
        .n_labels = view->n_labels,
        .discovered = view->discovered,
        .n_discovered = view->n_discovered,
        .dropped = view->dropped,
        .unlisted = view->unlisted,
        .health = healths[view->health],
        .last_scrape_ns = view->last_ms * 1000000,
        .last_duration_ns = view->last_duration_ns,
        .interval_ms = view->interval_ms,
        .timeout_ms = view->timeout_ms,
    };

    return listing->each(listing->to, &target);
}

int nv_answer_scraped_targets(const struct nv_answers *answers,
                              int (*each)(void *to, const struct nv_api_target *target), void *to)
{
    struct nv_scrape *scrape = nv_scraping_get(answers->scraping);
    char host[HOST_MAX] = "localhost";

    if (!scrape)
        return 0;
    (void)gethostname(host, sizeof(host) - 1);
    struct listing listing = {each, to, nv_str(host), NV_BUF(64 << 10)};
    int r = nv_scrape_targets(scrape, tell_target, &listing);
    nv_buf_done(&listing.url);
    return r;
}

struct pools {
    int (*each)(void *to, struct nv_str pool);
    void *to;
};

static int tell_pool(void *to, const struct nv_scrape_pool_stats *stats)
{
    const struct pools *pools = to;

    return pools->each(pools->to, stats->name);
}

int nv_answer_pools(void *user, int (*each)(void *to, struct nv_str pool), void *to)
{
    const struct nv_answers *answers = user;
    struct nv_scrape *scrape = nv_scraping_get(answers->scraping);
    struct pools pools = {each, to};

    return scrape ? nv_scrape_pools(scrape, tell_pool, &pools) : 0;
}

struct families {
    int (*each)(void *to, const struct nv_api_family *family);
    void *to;
};

static int tell_family(void *to, const struct nv_scrape_family *family)
{
    const struct families *families = to;
    const struct nv_api_family told = {
        .name = family->name,
        .type = family->type,
        .help = family->help,
        .unit = family->unit,
        .target = family->labels,
        .n_target = family->n_labels,
    };

    return families->each(families->to, &told);
}

int nv_answer_scraped_families(const struct nv_answers *answers,
                               int (*each)(void *to, const struct nv_api_family *family), void *to)
{
    struct nv_scrape *scrape = nv_scraping_get(answers->scraping);
    struct families families = {each, to};

    return scrape ? nv_scrape_families(scrape, tell_family, &families) : 0;
}
