/*
 * fuzz_config.c - configurations. What is accepted keeps its promises: times that fit each other, routes with receivers,
 * and what is shown reads as YAML again.
 */
#include "base/assert.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_route(const struct nv_notify_route *route)
{
    nv_assert(route->receiver && route->group_interval_ms > 0 && route->repeat_interval_ms > 0);
    for (size_t i = 0; i < route->n_routes; i++)
        check_route(&route->routes[i]);
}

static void check(const struct nv_config *config)
{
    const struct nv_config_global *global = &config->global;

    nv_assert(global->scrape_interval_ms > 0 && global->evaluation_interval_ms > 0 &&
              global->scrape_timeout_ms <= global->scrape_interval_ms);
    for (size_t i = 0; i < config->n_scrapes; i++) {
        const struct nv_config_scrape *scrape = &config->scrapes[i];
        nv_assert(scrape->job_name[0] && scrape->interval_ms > 0 && scrape->timeout_ms > 0 &&
                  scrape->timeout_ms <= scrape->interval_ms && scrape->n_protocols > 0);
    }
    if (config->notify.route)
        check_route(config->notify.route);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_arena memory = NV_ARENA(256 << 20);
    char error[NV_YAML_ERROR_MAX] = "";
    const struct nv_yaml *root = NULL;
    NV_AUTO(nv_config) *config = NULL;

    if (nv_config_parse("/f", (struct nv_str){(const char *)data, size}, &config, error) == 0) {
        check(config);
        int r = nv_yaml_parse("shown", config->yaml, &memory, &root, error);
        nv_assert(r == 0 || config->yaml.n > NV_YAML_SIZE_MAX);
    } else {
        nv_assert(!config && error[0] && !strchr(error, '\n'));
    }
    nv_arena_done(&memory);
    return 0;
}
