/*
 * label.h - from what was discovered of a target to its labels, its URL and its times, as Prometheus makes them.
 *
 *   discovered  __address__, the labels of its group, and from the configuration where these do not have them: job,
 *               __scheme__, __metrics_path__, __scrape_interval__, __scrape_timeout__, the first value of each parameter as
 *               __param_<name>
 *   final       those after relabel_configs, without __meta_*; `instance` is the address where nothing says otherwise
 *   public      final labels that do not begin with __: what its series have
 *   identity    a hash of the job, the public labels and the URL
 *   ownership   all in the caller's arena
 */
#ifndef NV_SCRAPE_LABEL_H
#define NV_SCRAPE_LABEL_H

#include "config/config.h"

enum { NV_SCRAPE_URL_MAX = 32 << 10, NV_SCRAPE_REASON_MAX = 512 };

struct nv_scrape_described {
    const struct nv_label *discovered, *labels; /* by name; labels: the public ones */
    size_t n_discovered, n_labels;
    struct nv_str url; /* ended by NUL */
    int64_t interval_ms, timeout_ms;
    uint64_t identity;
};

enum nv_scrape_label_outcome {
    NV_SCRAPE_DROPPED = 1 /* by relabelling; discovered labels are there */
};

/* Returns 0; the outcome; -EINVAL and what is wrong in Prometheus' words; -ENOMEM; or what nv_relabel() returned. */
NV_MUST_USE int nv_scrape_describe(const struct nv_config_scrape *config,
                                   const struct nv_target_group *group, struct nv_str address,
                                   struct nv_arena *memory, struct nv_scrape_described *ret,
                                   char reason[NV_SCRAPE_REASON_MAX]);

#endif
