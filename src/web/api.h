/*
 * api.h - what the HTTP API is given to answer from. The agent fills it; nv_web_set_api() takes it.
 *
 *   absent     every callback may be NULL: its endpoints then answer as if there were nothing, in the right shape
 *   callbacks  get `user`, run on query threads, many at once; what they hand to each() is borrowed for the call.
 *              Each returns 0 or a negative errno; each() returning other than 0 ends the list, with that value
 *   ownership  copied; what its pointers lead to outlives the server
 */
#ifndef NV_WEB_API_H
#define NV_WEB_API_H

#include "gather/gather.h"
#include "metric/queryable.h"
#include "notify/notify.h"
#include "promql/eval.h"
#include "rules/rules.h"
#include "tsdb/store.h"

enum nv_api_access {
    NV_API_LOCAL, /* clients on this machine, and those an authenticator let pass */
    NV_API_ALL,
    NV_API_OFF, /* as if there were no API */
};

/* What requests come to, as they are counted. */
enum nv_api_outcome {
    NV_OUTCOME_SUCCESS,
    NV_OUTCOME_BAD_DATA,
    NV_OUTCOME_EXECUTION,
    NV_OUTCOME_CANCELED,
    NV_OUTCOME_TIMEOUT, /* memory and places that did not become free in time included */
    NV_OUTCOME_ERROR,
    NV_OUTCOMES,
};

/* Metadata of a family, under the target that has it. */
struct nv_api_family {
    struct nv_str name, type, help, unit; /* type: "counter" "gauge" ... "unknown" */
    const struct nv_label *target;        /* by name */
    size_t n_target;
};

enum nv_api_health { NV_API_UNKNOWN, NV_API_UP, NV_API_DOWN };
struct nv_api_target {
    struct nv_str pool, url, global_url, last_error;
    const struct nv_label *labels, *discovered; /* by name */
    size_t n_labels, n_discovered;
    bool dropped;      /* by relabelling: pool and discovered labels are all there is */
    uint64_t unlisted; /* of a dropped one: how many more there are of its pool that are not told */
    enum nv_api_health health;
    int64_t last_scrape_ns;   /* wall time; 0: never */
    int64_t last_duration_ns; /* how long it took */
    int64_t interval_ms, timeout_ms;
};

struct nv_api_alertmanager {
    struct nv_str url;
    bool dropped;
};

/* What status/runtimeinfo shows. */
struct nv_api_runtime {
    int64_t started_ms, last_config_ms; /* wall time */
    bool reload_ok;
    uint64_t corruptions, threads;
    char cwd[256], retention[64]; /* retention: "15d or 512MB" */
};

struct nv_api_replay {
    uint64_t min, max, current;
};

struct nv_api_sources {
    int (*families)(void *user, int (*each)(void *to, const struct nv_api_family *family),
                    void *to);
    int (*targets)(void *user, int (*each)(void *to, const struct nv_api_target *target), void *to);
    int (*pools)(void *user, int (*each)(void *to, struct nv_str pool),
                 void *to); /* without targets, too */
    int (*alertmanagers)(void *user, int (*each)(void *to, const struct nv_api_alertmanager *one),
                         void *to);
    int (*rules)(void *user, enum nv_rules_detail detail, struct nv_rules_view *ret);
    int (*external_labels)(void *user, struct nv_arena *memory, const struct nv_label **ret,
                           size_t *ret_n);

    int (*config)(void *user, struct nv_buf *yaml);                          /* secrets taken out */
    int (*pool_config)(void *user, struct nv_str pool, struct nv_buf *yaml); /* -ENOENT */
    int (*flags)(void *user, int (*each)(void *to, const char *name, struct nv_str value),
                 void *to);
    int (*runtime)(void *user, struct nv_api_runtime *ret);
    int (*head)(void *user, size_t limit, struct nv_store_head *ret);
    int (*blocks)(void *user, int (*each)(void *to, const struct nv_block_info *block), void *to);
    int (*replay)(void *user, struct nv_api_replay *ret);
    int (*collectors)(void *user, int (*each)(void *to, const struct nv_gather_report *report),
                      void *to);

    /* Asked only with the admin switch on. */
    int (*delete_series)(void *user, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                         int64_t to_ms);
    int (*clean)(void *user);
    int (*snapshot)(void *user, bool skip_head, char name[NV_BLOCK_NAME_MAX]);

    /* Asked only with the life cycle switch on. reload() may wait; it returns 0, or a negative errno and why. */
    int (*reload)(void *user, struct nv_buf *error);
    void (*quit)(void *user);
};

struct nv_api {
    const struct nv_queryable *queryable; /* NULL: nothing is kept; endpoints never see that */
    struct nv_promql_options promql;      /* deadline and cancel are the server's to set */
    int64_t timeout_ms;                   /* of a query; 0: two minutes */
    unsigned max_concurrency;             /* queries at once, beyond which they wait; 0: 20 */
    bool step_stats;                      /* promql-per-step-stats */
    enum nv_api_access access;
    bool admin, lifecycle;
    const char *cors_origin;  /* expression for the whole Origin; NULL or "": none but our own */
    const char *external_url; /* NULL: none */
    struct nv_notify *notify; /* alerts on their way out, for /api/v2; NULL for none */
    struct nv_api_sources sources;
    void *user;
};

#endif
