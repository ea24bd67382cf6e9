/*
 * scraping.h - targets that are asked for their metrics, as the configuration has them and as they are found on the node.
 *
 *   order      add (before the gather starts), open (once the history is there), apply (with each configuration), start (once
 *              the API is there), stop (before the history ends), done (after the gather)
 *   nothing    without scrape_configs, and with nobody who finds targets, there is no thread and no memory
 *   metrics    prometheus_target_* and prometheus_sd_*, by the names dashboards look for; nodevitals_scrape_*
 *   threads    get() and the metrics from any; the rest from one
 */
#ifndef NV_AGENT_SCRAPING_H
#define NV_AGENT_SCRAPING_H

#include "gather/gather.h"
#include "scrape/scrape.h"
#include "tsdb/store.h"

enum { NV_SCRAPING_MAGIC = 0x73637261 };

struct nv_scraping {
    uint32_t magic;
    struct nv_flag_value handle; /* carries our address to the collector */
    struct nv_store
        *store; /* NULL: no history; targets are asked all the same, for /metrics and the API */
    struct nv_scrape
        *scrape; /* atomic; NULL before there is something to ask, then the same to the end */
    struct nv_scrape_options options;
    char user_agent[64];
    bool started;
};

/* Adds the collector that tells of it. It stays where it is from here on. */
NV_MUST_USE int nv_scraping_add(struct nv_scraping *scraping, struct nv_gather *gather);

/* `discover` as in scrape.h; NULL: nothing is found on the node. -ENOMEM. */
NV_MUST_USE int nv_scraping_open(struct nv_scraping *scraping, struct nv_store *store,
                                 int (*discover)(void *user, struct nv_arena *memory,
                                                 uint64_t *version,
                                                 const struct nv_scrape_job **ret, size_t *ret_n),
                                 void *user);
NV_MUST_USE int nv_scraping_apply(struct nv_scraping *scraping, struct nv_config *config,
                                  char error[NV_YAML_ERROR_MAX]);
void nv_scraping_start(struct nv_scraping *scraping);
void nv_scraping_stop(struct nv_scraping *scraping);
void nv_scraping_done(struct nv_scraping *scraping); /* stops first */

/* NULL where nothing is asked. */
struct nv_scrape *nv_scraping_get(const struct nv_scraping *scraping);

#endif
