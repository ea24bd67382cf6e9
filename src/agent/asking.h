/*
 * asking.h - the flags of queries and of the API, and what the API is given to answer from.
 *
 *   features   those of PromQL by upstream's names; upstream's others are accepted and have no effect, unknown ones too,
 *              and both are told
 */
#ifndef NV_AGENT_ASKING_H
#define NV_AGENT_ASKING_H

#include "agent/flags.h"
#include "web/web.h"

/* Indexes into the values of the group, in the order of its table. */
enum nv_option_query {
    NV_OPTION_QUERY_TIMEOUT,
    NV_OPTION_QUERY_MAX_SAMPLES,
    NV_OPTION_QUERY_MAX_CONCURRENCY,
    NV_OPTION_QUERY_LOOKBACK,
    NV_OPTION_QUERY_MAX_MEMORY,
    NV_OPTION_API_ACCESS,
    NV_OPTION_ADMIN_API,
    NV_OPTION_LIFECYCLE,
    NV_OPTION_CORS_ORIGIN,
    NV_OPTION_FEATURES,
};
extern const struct nv_flag nv_query_flags[];

/* What they mean. */
struct nv_asking {
    int64_t timeout_ms, lookback_ms;
    uint64_t max_samples;
    size_t max_memory;
    unsigned max_concurrency;
    enum nv_api_access access;
    bool admin, lifecycle, step_stats;
    unsigned features; /* enum nv_promql_feature */
    const char *cors_origin;
};

/* Returns 0, or -EINVAL with what is wrong. Texts are those of the values. */
NV_MUST_USE int nv_asking_read(const struct nv_flag_value *values, struct nv_asking *ret,
                               char error[NV_FLAGS_ERROR_MAX]);

/* Logs a warning for each feature that has no effect. */
void nv_asking_warn(const struct nv_flag_value *values);

/* Fills in what the flags say; the pool is the caller's. */
void nv_asking_fill(const struct nv_asking *asking, struct nv_promql_pool *pool,
                    struct nv_api *api);

#endif
