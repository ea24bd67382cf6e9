#include "agent/configured.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

// clang-format off
const struct nv_flag nv_configured_flags[] = {
    [NV_OPTION_CONFIG_FILE]      = {"config.file",                    NV_FLAG_TEXT,     "",    "YAML file in Prometheus' vocabulary: rule files, and who is told of alerts.", false},
    [NV_OPTION_EXTERNAL_URL]     = {"web.external-url",               NV_FLAG_TEXT,     "",    "URL under which others reach this agent, for links in alerts; unless given, this host and the first port.", false},
    [NV_OPTION_OUTAGE_TOLERANCE] = {"rules.alert.for-outage-tolerance", NV_FLAG_DURATION, "1h",  "How long the agent may be away and still know since when an alert was pending.", false},
    [NV_OPTION_GRACE_PERIOD]     = {"rules.alert.for-grace-period",   NV_FLAG_DURATION, "10m", "How long an alert that was pending before a restart waits at least; only rules whose 'for' is at least as long are restored.", false},
    [NV_OPTION_RESEND_DELAY]     = {"rules.alert.resend-delay",       NV_FLAG_DURATION, "1m",  "How long after an alert was sent it is sent again.", false},
    {0},
};
// clang-format on

enum { NS_PER_MS = 1000000 };

struct nv_configured {
    uint32_t magic;
    struct nv_flag_value handle; /* carries our address to the collector */
    const struct nv_flag_value *values;
    const struct nv_asking *asking;
    struct nv_configured_options options;
    bool opened, running;

    pthread_mutex_t lock; /* of what follows */
    struct nv_config *config;
    struct nv_rules *rules; /* NULL before there were any; set once */
    bool reload_ok;
    int64_t loaded_ms;
};

void nv_external_url(char out[NV_EXTERNAL_URL_MAX], const struct nv_flag_value *flag,
                     const char *host, const char *address, bool tls)
{
    const char *port = address ? strrchr(address, ':') : NULL;
    struct nv_str given = flag->text;

    while (given.n && given.p[given.n - 1] == '/')
        given.n--;
    if (given.n)
        snprintf(out, NV_EXTERNAL_URL_MAX, "%.*s", NV_ARGS(given));
    else if (port && nv_is_digit(port[1]))
        snprintf(out, NV_EXTERNAL_URL_MAX, "%s://%s%s", tls ? "https" : "http", host, port);
    else
        snprintf(out, NV_EXTERNAL_URL_MAX, "%s://%s", tls ? "https" : "http", host);
}

struct nv_configured *nv_configured_new(const struct nv_flag_value *values,
                                        const struct nv_asking *asking)
{
    struct nv_configured *configured = calloc(1, sizeof(*configured));

    if (!configured)
        return NULL;
    configured->magic = NV_CONFIGURED_MAGIC;
    configured->handle.text = (struct nv_str){(const char *)configured, sizeof(*configured)};
    configured->values = values;
    configured->asking = asking;
    pthread_mutex_init(&configured->lock, NULL);
    return configured;
}

void nv_configured_free(struct nv_configured *configured)
{
    if (!configured)
        return;
    nv_configured_stop(configured);
    nv_rules_free(configured->rules);
    nv_config_unref(configured->config);
    pthread_mutex_destroy(&configured->lock);
    free(configured);
}

int nv_configured_add(struct nv_configured *configured, struct nv_gather *gather)
{
    return nv_gather_add(gather, &nv_configured_collector, NV_GATHER_SELF, &configured->handle);
}

/* ---- the store, as rules see it ------------------------------------------------------------- */

static int source(void *user, const char *name, uint32_t *ret)
{
    return nv_store_source(((struct nv_configured *)user)->options.store, name, ret);
}

static int append(void *user, uint32_t number, struct nv_frame *frame)
{
    return nv_store_append(((struct nv_configured *)user)->options.store, number, frame);
}

static bool begins_page(void *user, uint32_t number)
{
    return nv_store_begins_page(((struct nv_configured *)user)->options.store, number);
}

/* ---- loading -------------------------------------------------------------------------------- */

/* All mistakes are logged; the first is for whoever asked. */
static void tell_mistakes(struct nv_str lines, char error[NV_YAML_ERROR_MAX])
{
    bool first = true;

    while (lines.n) {
        struct nv_str line = nv_str_cut(&lines, '\n');
        if (first)
            snprintf(error, NV_YAML_ERROR_MAX, "%.*s", NV_ARGS(line));
        else
            nv_log_error("rules: %.*s", NV_ARGS(line));
        first = false;
    }
}

static int load_rules(const struct nv_configured *configured, const struct nv_config *config,
                      struct nv_rule_set *set, char error[NV_YAML_ERROR_MAX])
{
    const struct nv_rule_file_options options = {.features = configured->asking->features};
    NV_AUTO_BUF mistakes = NV_BUF(NV_RULE_MISTAKES_MAX);
    int r = 0;

    for (size_t i = 0; i < config->rule_files.n && r != -ENOMEM; i++) {
        int e = nv_rule_set_add_pattern(set, config->rule_files.at[i], &options, &mistakes, NULL);
        r = e < 0 ? e : r;
    }
    if (r == -EBADMSG) {
        tell_mistakes(nv_buf_view(&mistakes), error);
    } else if (r == 0 && set->n_groups && !configured->options.store) {
        r = -EINVAL;
        snprintf(error, NV_YAML_ERROR_MAX, "%s: rules need the history, which is off",
                 config->path ? config->path : "");
    } else if (r < 0) {
        snprintf(error, NV_YAML_ERROR_MAX, "%s", strerror(-r));
    }
    return r;
}

static int make_engine(struct nv_configured *configured)
{
    const struct nv_flag_value *values = configured->values;
    const struct nv_asking *asking = configured->asking;
    const struct nv_rules_options options = {
        .storage = {nv_store_queryable(configured->options.store), configured, source, append,
                    begins_page},
        .send = configured->options.send,
        .send_user = configured->options.user,
        .features = asking->features,
        .timeout_ms = asking->timeout_ms,
        .lookback_ms = asking->lookback_ms,
        .max_samples = asking->max_samples,
        .max_memory = asking->max_memory,
        .pool = configured->options.pool,
        .outage_tolerance_ms = values[NV_OPTION_OUTAGE_TOLERANCE].number / NS_PER_MS,
        .grace_period_ms = values[NV_OPTION_GRACE_PERIOD].number / NS_PER_MS,
        .resend_delay_ms = values[NV_OPTION_RESEND_DELAY].number / NS_PER_MS,
        .restore = !configured->opened,
    };
    struct nv_rules *rules;

    int r = nv_rules_new(&options, &rules);
    if (r < 0)
        return r;
    pthread_mutex_lock(&configured->lock);
    configured->rules = rules;
    pthread_mutex_unlock(&configured->lock);
    return 0;
}

/* The rules of a set begin, or take the place of others. */
static int apply_rules(struct nv_configured *configured, const struct nv_config *config,
                       struct nv_rule_set *set)
{
    const struct nv_rules_config of_all = {
        .interval_ms = config->global.evaluation_interval_ms,
        .query_offset_ms = config->global.rule_query_offset_ms,
        .external_labels = config->global.external_labels,
        .n_external_labels = config->global.n_external_labels,
        .external_url = configured->options.external_url,
    };
    int r = 0;

    if (!configured->rules && !set->n_groups)
        return 0;
    if (!configured->rules)
        r = make_engine(configured);
    if (r == 0)
        r = nv_rules_apply(configured->rules, set, &of_all);
    if (r == 0 && !configured->running) {
        r = nv_rules_start(configured->rules);
        configured->running = r == 0;
    }
    return r;
}

static void keep(struct nv_configured *configured, struct nv_config *config)
{
    pthread_mutex_lock(&configured->lock);
    struct nv_config *before = configured->config;
    configured->config = config;
    configured->reload_ok = true;
    configured->loaded_ms = nv_wall_ms();
    pthread_mutex_unlock(&configured->lock);
    nv_config_unref(before);
}

static int load(struct nv_configured *configured, char error[NV_YAML_ERROR_MAX])
{
    const char *path = configured->values[NV_OPTION_CONFIG_FILE].text.p;
    NV_AUTO(nv_rule_set) *set = nv_rule_set_new();
    NV_AUTO(nv_config) *config = NULL;
    const struct nv_configured_options *options = &configured->options;

    snprintf(error, NV_YAML_ERROR_MAX, "out of memory");
    int r = set ? nv_config_load(path[0] ? path : NULL, &config, error) : -ENOMEM;
    if (r == 0)
        r = load_rules(configured, config, set, error);
    if (r == 0 && options->apply)
        r = options->apply(options->user, config, error);
    if (r < 0)
        return r;
    r = apply_rules(configured, config, set);
    if (r < 0) {
        char other[NV_YAML_ERROR_MAX];
        snprintf(error, NV_YAML_ERROR_MAX, "the rules cannot be set up: %s", strerror(-r));
        if (options->apply && configured->config &&
            options->apply(options->user, configured->config, other) < 0)
            nv_log_error("reload: %s", other);
        return r;
    }
    for (size_t i = 0; i < config->n_notes; i++)
        nv_log_warn("config: %s", config->notes[i]);
    if (set->n_more)
        nv_log_warn("rules: %zu files have more than one document, of which the first counts",
                    set->n_more);
    if (set->n_rules)
        nv_log_info("rules: %zu in %zu groups of %zu files", set->n_rules, set->n_groups,
                    set->n_files);
    keep(configured, nv_take(config));
    return 0;
}

static int check_flags(const struct nv_configured *configured, char error[NV_YAML_ERROR_MAX])
{
    for (size_t i = NV_OPTION_OUTAGE_TOLERANCE; i <= NV_OPTION_RESEND_DELAY; i++) {
        if (configured->values[i].number >= 0)
            continue;
        snprintf(error, NV_YAML_ERROR_MAX, "flag '--%s' cannot be negative",
                 nv_configured_flags[i].name);
        return -EINVAL;
    }
    return 0;
}

int nv_configured_open(struct nv_configured *configured,
                       const struct nv_configured_options *options, char error[NV_YAML_ERROR_MAX])
{
    configured->options = *options;
    int r = check_flags(configured, error);
    if (r == 0)
        r = load(configured, error);
    configured->opened = r == 0;
    return r;
}

int nv_configured_reload(struct nv_configured *configured, char error[NV_YAML_ERROR_MAX])
{
    int r = load(configured, error);

    if (r == 0)
        return 0;
    nv_log_error("reload: everything stays as it was: %s", error);
    pthread_mutex_lock(&configured->lock);
    configured->reload_ok = false;
    pthread_mutex_unlock(&configured->lock);
    return r;
}

void nv_configured_stop(struct nv_configured *configured)
{
    if (configured->running)
        nv_rules_stop(configured->rules);
    configured->running = false;
}

/* ---- what is going on ----------------------------------------------------------------------- */

struct nv_config *nv_configured_config(struct nv_configured *configured)
{
    pthread_mutex_lock(&configured->lock);
    struct nv_config *config = configured->config ? nv_config_ref(configured->config) : NULL;
    pthread_mutex_unlock(&configured->lock);
    return config;
}

int nv_configured_view(struct nv_configured *configured, enum nv_rules_detail detail,
                       struct nv_rules_view *ret)
{
    pthread_mutex_lock(&configured->lock);
    struct nv_rules *rules = configured->rules;
    pthread_mutex_unlock(&configured->lock);
    if (rules)
        return nv_rules_view(rules, detail, ret);
    *ret = (struct nv_rules_view){0};
    return 0;
}

void nv_configured_tell(struct nv_configured *configured, struct nv_configured_told *ret)
{
    nv_assert(configured && configured->magic == NV_CONFIGURED_MAGIC);
    pthread_mutex_lock(&configured->lock);
    *ret = (struct nv_configured_told){
        .has_file = configured->values[NV_OPTION_CONFIG_FILE].text.n > 0,
        .reload_ok = configured->reload_ok,
        .loaded_ms = configured->loaded_ms,
    };
    pthread_mutex_unlock(&configured->lock);
}
