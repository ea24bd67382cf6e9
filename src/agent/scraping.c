#include "agent/scraping.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "agent/version.h"
#include "base/assert.h"
#include "base/log.h"

enum { CADENCE_MS = 15000 };

struct nv_scrape *nv_scraping_get(const struct nv_scraping *scraping)
{
    return __atomic_load_n(&scraping->scrape, __ATOMIC_ACQUIRE);
}

/* ---- the store, as scraping sees it --------------------------------------------------------- */

static int source(void *user, const char *name, uint32_t *ret)
{
    return nv_store_source(user, name, ret);
}

static void source_end(void *user, uint32_t number)
{
    int r = nv_store_source_end(user, number);

    if (r < 0)
        (void)nv_log_err(r, "scrape: a target's series are still its own");
}

static int append(void *user, uint32_t number, struct nv_frame *frame)
{
    return nv_store_append(user, number, frame);
}

static bool begins_page(void *user, uint32_t number)
{
    return nv_store_begins_page(user, number);
}

static int append_sparse(void *user, uint32_t number, const struct nv_label *labels,
                         size_t n_labels, int64_t time_ms, double value)
{
    return nv_store_append_sparse(user, number, labels, n_labels, time_ms, value);
}

static int append_sparse_histogram(void *user, uint32_t number, const struct nv_label *labels,
                                   size_t n_labels, int64_t time_ms,
                                   const struct nv_histogram *histogram)
{
    return nv_store_append_sparse_histogram(user, number, labels, n_labels, time_ms, histogram);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int make(struct nv_scraping *scraping)
{
    struct nv_scrape *scrape = nv_scrape_new(&scraping->options);

    if (!scrape)
        return -ENOMEM;
    __atomic_store_n(&scraping->scrape, scrape, __ATOMIC_RELEASE);
    return 0;
}

int nv_scraping_open(struct nv_scraping *scraping, struct nv_store *store,
                     int (*discover)(void *user, struct nv_arena *memory, uint64_t *version,
                                     const struct nv_scrape_job **ret, size_t *ret_n),
                     void *user)
{
    snprintf(scraping->user_agent, sizeof(scraping->user_agent), "nodevitals/%s",
             nv_version.version);
    scraping->options = (struct nv_scrape_options){
        .user_agent = scraping->user_agent,
        .discover = discover,
        .discover_user = user,
    };
    if (store)
        scraping->options.storage = (struct nv_scrape_storage){
            store, source, source_end, append, begins_page, append_sparse, append_sparse_histogram};
    return discover ? make(scraping) : 0;
}

int nv_scraping_apply(struct nv_scraping *scraping, struct nv_config *config,
                      char error[NV_YAML_ERROR_MAX])
{
    int r = 0;

    if (!scraping->scrape && !config->n_scrapes)
        return 0;
    snprintf(error, NV_YAML_ERROR_MAX, "out of memory");
    if (!scraping->scrape)
        r = make(scraping);
    if (r == 0)
        r = nv_scrape_apply(scraping->scrape, config, error);
    if (r == 0 && scraping->started)
        nv_scraping_start(scraping);
    return r;
}

void nv_scraping_start(struct nv_scraping *scraping)
{
    scraping->started = true;
    int r = scraping->scrape ? nv_scrape_start(scraping->scrape) : 0;
    if (r < 0)
        (void)nv_log_err(r, "scrape: no thread to ask targets");
}

void nv_scraping_stop(struct nv_scraping *scraping)
{
    scraping->started = false;
    if (scraping->scrape)
        nv_scrape_stop(scraping->scrape);
}

void nv_scraping_done(struct nv_scraping *scraping)
{
    nv_scraping_stop(scraping);
    nv_scrape_free(scraping->scrape);
    scraping->scrape = NULL;
}

/* ---- metrics -------------------------------------------------------------------------------- */

// clang-format off
static const struct nv_family totals[] = {
    {"prometheus_target_scrape_pool_reloads_total",                     NV_COUNTER, NV_AS_IS, "Configurations whose targets were taken over, or should have been."},
    {"prometheus_target_scrape_pool_reloads_failed_total",              NV_COUNTER, NV_AS_IS, "Configurations whose targets could not be taken over."},
    {"prometheus_target_scrape_pool_exceeded_target_limit_total",       NV_COUNTER, NV_AS_IS, "How often a job was found to have more targets than its limit."},
    {"prometheus_target_scrapes_exceeded_body_size_limit_total",        NV_COUNTER, NV_AS_IS, "Scrapes that failed since the body was larger than body_size_limit."},
    {"prometheus_target_scrapes_exceeded_sample_limit_total",           NV_COUNTER, NV_AS_IS, "Scrapes that failed since there were more samples than sample_limit."},
    {"prometheus_target_scrapes_sample_duplicate_timestamp_total",      NV_COUNTER, NV_AS_IS, "Samples dropped because the series had one of that time."},
    {"prometheus_target_scrapes_sample_out_of_order_total",             NV_COUNTER, NV_AS_IS, "Samples dropped because the series had a newer one."},
    {"prometheus_target_scrapes_sample_out_of_bounds_total",            NV_COUNTER, NV_AS_IS, "Samples dropped because their time is too far away."},
    {"prometheus_sd_file_read_errors_total",                            NV_COUNTER, NV_AS_IS, "Looks at files of targets that found one in trouble."},
    {"nodevitals_scrape_total",                                         NV_COUNTER, NV_AS_IS, "Scrapes of targets."},
    {"nodevitals_scrape_failed_total",                                  NV_COUNTER, NV_AS_IS, "Scrapes that failed."},
    {"nodevitals_scrape_missed_total",                                  NV_COUNTER, NV_AS_IS, "Scrapes left out since the one before was not over, or no thread was free."},
    {"nodevitals_scrape_dropped_total",                                 NV_COUNTER, NV_AS_IS, "Scrapes whose samples the history did not take."},
    {"nodevitals_scrape_refused_samples_total",                         NV_COUNTER, NV_AS_IS, "Samples left out since their labels are too many or too long, or their time is none for the history."},
    {"nodevitals_scrape_threads",                                       NV_GAUGE,   NV_AS_IS, "Threads that ask targets, or wait to."},
};
static const struct nv_family columns[] = {
    {"prometheus_target_scrape_pool_targets",                           NV_GAUGE,   NV_AS_IS, "Targets of the job."},
    {"prometheus_target_scrape_pool_target_limit",                      NV_GAUGE,   NV_AS_IS, "Targets the job may have; 0 for no limit."},
    {"prometheus_target_scrape_pool_sync_total",                        NV_COUNTER, NV_AS_IS, "How often the targets of the job were made anew."},
    {"nodevitals_scrape_dropped_targets",                               NV_GAUGE,   NV_AS_IS, "Discovered targets that relabelling left out."},
    {"nodevitals_scrape_left_out_targets",                              NV_GAUGE,   NV_AS_IS, "Targets that are not asked since there are too many of them."},
};
// clang-format on
static const struct nv_table totals_table = {NV_NO_LABELS, totals, NV_LEN(totals)};
static const struct nv_table pools_table = {NV_LABELS("scrape_job"), columns, NV_LEN(columns)};

static int emit_pool(void *to, const struct nv_scrape_pool_stats *pool)
{
    const uint64_t values[] = {
        pool->targets, (uint64_t)pool->target_limit, pool->syncs, pool->dropped, pool->left_out,
    };

    static_assert(NV_LEN(values) == NV_LEN(columns), "one value a column");
    nv_emit_row(to, &pools_table, &pool->name, values, NV_LEN(values));
    return 0;
}

static int collect(struct nv_pass *pass)
{
    const struct nv_scraping *scraping = (const void *)nv_flag(pass, 0)->text.p;
    struct nv_scrape_stats stats;

    nv_assert(scraping->magic == NV_SCRAPING_MAGIC);
    struct nv_scrape *scrape = nv_scraping_get(scraping);
    if (!scrape)
        return 0;
    nv_scrape_stats(scrape, &stats);
    const uint64_t values[] = {
        stats.reloads,          stats.failed_reloads,
        stats.exceeded_targets, stats.exceeded_body_size,
        stats.exceeded_samples, stats.duplicates,
        stats.out_of_order,     stats.out_of_bounds,
        stats.file_sd_errors,   stats.scrapes,
        stats.failed,           stats.missed,
        stats.dropped_frames,   stats.refused_samples,
        stats.threads,
    };
    static_assert(NV_LEN(values) == NV_LEN(totals), "one value a column");
    nv_emit_row(pass, &totals_table, NULL, values, NV_LEN(values));
    return nv_scrape_pools(scrape, emit_pool, pass);
}

static const struct nv_flag flags[] = {
    {.name = "scraping", .kind = NV_FLAG_TEXT},
    {0                 }
};

static const struct nv_collector scraping_collector = {
    NV_ABI_STAMP,
    .name = "self.scraping",
    .summary = "Targets that are asked for their metrics.",
    .tables = NV_TABLES(&totals_table, &pools_table),
    .flags = flags,
    .cadence_ms = CADENCE_MS,
    .collect = collect,
};

int nv_scraping_add(struct nv_scraping *scraping, struct nv_gather *gather)
{
    scraping->magic = NV_SCRAPING_MAGIC;
    scraping->handle.text = (struct nv_str){(const char *)scraping, sizeof(*scraping)};
    return nv_gather_add(gather, &scraping_collector, NV_GATHER_SELF, &scraping->handle);
}
