/*
 * configured.h - what the file of --config.file sets up: the rules, and who is told of their alerts.
 *
 *   load       at the start, where mistakes are fatal, and at each reload, where everything stays as it was. Whole or not at
 *              all: the file, all rule files, then the engine
 *   engine     made when there are rules for the first time; a configuration without rules costs nothing
 *   metrics    prometheus_rule_*, by the names dashboards look for; nodevitals_config_last_reload_*
 *   order      new, add (before the gather starts), open, reload ..., stop (before the history ends), free (after the gather)
 *   threads    config() and view() from any; the rest from one
 */
#ifndef NV_AGENT_CONFIGURED_H
#define NV_AGENT_CONFIGURED_H

#include "agent/asking.h"
#include "config/config.h"
#include "gather/gather.h"
#include "rules/rules.h"
#include "tsdb/store.h"

/* Indexes into the values of the group, in the order of its table. */
enum nv_option_rules {
    NV_OPTION_CONFIG_FILE,
    NV_OPTION_EXTERNAL_URL,
    NV_OPTION_OUTAGE_TOLERANCE,
    NV_OPTION_GRACE_PERIOD,
    NV_OPTION_RESEND_DELAY,
};
extern const struct nv_flag nv_configured_flags[];

enum { NV_CONFIGURED_MAGIC = 0x636f6e66, NV_EXTERNAL_URL_MAX = 1024 };

/*
 * The URL under which others reach the agent, without a slash at the end: the flag, else HTTP(S) on this host and the port of
 * its first address.
 */
void nv_external_url(char out[NV_EXTERNAL_URL_MAX], const struct nv_flag_value *flag,
                     const char *host, const char *address, bool tls);

struct nv_configured;

/* `values` and `asking` are borrowed. NULL when memory is out. */
struct nv_configured *nv_configured_new(const struct nv_flag_value *values,
                                        const struct nv_asking *asking);
void nv_configured_free(struct nv_configured *configured); /* stops first */
NV_DEFINE_AUTO(nv_configured)

/* Adds the collector that tells of it. */
NV_MUST_USE int nv_configured_add(struct nv_configured *configured, struct nv_gather *gather);

struct nv_configured_options {
    struct nv_store *store; /* NULL: no history, and so no rules */
    struct nv_promql_pool *pool;
    const char *external_url; /* borrowed */
    /* Takes over a configuration, its whole or nothing; the last to be asked. NULL: nobody wants to know. */
    int (*apply)(void *user, struct nv_config *config, char error[NV_YAML_ERROR_MAX]);
    void (*send)(void *user, const struct nv_rule_alert *alerts, size_t n); /* as in rules.h */
    void *user;
};

/* Loads the file for the first time, and begins. Returns 0, or a negative errno and a line for the user. */
NV_MUST_USE int nv_configured_open(struct nv_configured *configured,
                                   const struct nv_configured_options *options,
                                   char error[NV_YAML_ERROR_MAX]);

/* Loads it again. What is wrong is logged, too. */
NV_MUST_USE int nv_configured_reload(struct nv_configured *configured,
                                     char error[NV_YAML_ERROR_MAX]);
void nv_configured_stop(struct nv_configured *configured);

/* The configuration as of now, with a count for the caller; NULL before open. */
struct nv_config *nv_configured_config(struct nv_configured *configured);

/* As nv_rules_view(); without rules an empty picture. */
NV_MUST_USE int nv_configured_view(struct nv_configured *configured, enum nv_rules_detail detail,
                                   struct nv_rules_view *ret);

struct nv_configured_told {
    bool has_file, reload_ok;
    int64_t loaded_ms; /* wall time of the last success */
};
void nv_configured_tell(struct nv_configured *configured, struct nv_configured_told *ret);

/* configured_metrics.c: the collector; its one flag's text is the address of what it tells of. */
extern const struct nv_collector nv_configured_collector;

#endif
