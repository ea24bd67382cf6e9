/*
 * config_scrape.c - `scrape_configs`, and what they inherit from `global`.
 */
#include "config/config_parts.h"

enum { PARAMS_MAX = 256 };

const char *const nv_scrape_protocol_names[] = {
    [NV_SCRAPE_PROTO] = "PrometheusProto",
    [NV_SCRAPE_OPENMETRICS0] = "OpenMetricsText0.0.1",
    [NV_SCRAPE_OPENMETRICS1] = "OpenMetricsText1.0.0",
    [NV_SCRAPE_TEXT0] = "PrometheusText0.0.4",
    [NV_SCRAPE_TEXT1] = "PrometheusText1.0.0",
    NULL,
};

const char *const nv_config_escaping_names[] = {
    [NV_ESCAPING_ALLOW_UTF8] = "allow-utf-8",
    [NV_ESCAPING_UNDERSCORES] = "underscores",
    [NV_ESCAPING_DOTS] = "dots",
    [NV_ESCAPING_VALUES] = "values",
    NULL,
};

int nv_schema_protocols(struct nv_schema *schema, const struct nv_yaml *node,
                        enum nv_scrape_protocol into[NV_SCRAPE_PROTOCOLS], size_t *ret_n)
{
    struct nv_text_list texts;
    int r = nv_schema_texts(schema, node, &texts, NULL); /* for its message where it is no list */

    *ret_n = 0;
    for (size_t i = 0; r == 0 && i < node->n; i++) {
        int protocol = 0;
        r = nv_schema_choice(schema, node->items[i], &protocol, nv_scrape_protocol_names);
        for (size_t k = 0; r == 0 && k < *ret_n; k++) {
            if (into[k] == (enum nv_scrape_protocol)protocol)
                r = nv_schema_refuse(schema, node->items[i],
                                     "duplicated protocol in scrape_protocols, got %s",
                                     nv_scrape_protocol_names[protocol]);
        }
        if (r == 0)
            into[(*ret_n)++] = (enum nv_scrape_protocol)protocol;
    }
    if (r == 0 && node->n == 0)
        return nv_schema_refuse(schema, node, "scrape_protocols cannot be empty");
    return r;
}

static int read_protocols(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                          const void *with)
{
    struct nv_config_scrape *scrape = into;

    (void)with;
    return nv_schema_protocols(schema, node, scrape->protocols, &scrape->n_protocols);
}

static int read_job_name(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with)
{
    int r = nv_schema_text(schema, node, into, with);

    if (r == 0 && !(*(const char **)into)[0])
        return nv_schema_refuse(schema, node, "job_name is empty");
    return r;
}

/* A map of names, each with a list of values. */
static int read_params(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    struct nv_config_scrape *scrape = into;
    struct nv_config_parameter *params;

    (void)with;
    if (node->kind != NV_YAML_MAP)
        return nv_schema_refuse(schema, node, "a map of parameters and lists of values is wanted");
    if (node->n > PARAMS_MAX)
        return nv_schema_refuse(schema, node, "more than %d parameters", PARAMS_MAX);
    int r = nv_schema_alloc(schema, node->n * sizeof(*params), &params);
    for (size_t i = 0; i < node->n && r == 0; i++) {
        r = nv_schema_text(schema, node->pairs[i].key, &params[i].name, NULL);
        if (r == 0 && !nv_yaml_is_null(node->pairs[i].value))
            r = nv_schema_texts(schema, node->pairs[i].value, &params[i].values, NULL);
    }
    scrape->params = params;
    scrape->n_params = node->n;
    return r;
}

const struct nv_schema_range nv_config_any_count = {0, INT64_MAX};

static const struct nv_schema_key keys[] = {
    NV_FIELD("job_name", struct nv_config_scrape, job_name, read_job_name, NULL),
    NV_FIELD("scrape_interval", struct nv_config_scrape, interval_ms, nv_schema_milliseconds, NULL),
    NV_FIELD("scrape_timeout", struct nv_config_scrape, timeout_ms, nv_schema_milliseconds, NULL),
    NV_FIELD("metrics_path", struct nv_config_scrape, metrics_path, nv_schema_text, NULL),
    NV_FIELD("scheme", struct nv_config_scrape, scheme, nv_schema_scheme, NULL),
    NV_WHOLE("params", read_params, NULL),
    NV_FIELD("honor_labels", struct nv_config_scrape, honor_labels, nv_schema_bool, NULL),
    NV_FIELD("honor_timestamps", struct nv_config_scrape, honor_timestamps, nv_schema_bool, NULL),
    NV_FIELD("track_timestamps_staleness", struct nv_config_scrape, track_timestamps_staleness,
             nv_schema_bool, NULL),
    NV_FIELD("enable_compression", struct nv_config_scrape, enable_compression, nv_schema_bool,
             NULL),
    NV_FIELD("expose", struct nv_config_scrape, expose, nv_schema_bool, NULL),
    NV_SCRAPE_KEYS(struct nv_config_scrape),
    NV_WHOLE("scrape_protocols", read_protocols, NULL),
    NV_FIELD("fallback_scrape_protocol", struct nv_config_scrape, fallback_protocol,
             nv_schema_choice, nv_scrape_protocol_names),
    NV_NOT_PROVIDED("native_histogram_bucket_limit"),
    NV_NOT_PROVIDED("native_histogram_min_bucket_factor"),
    NV_FIELD("static_configs", struct nv_config_scrape, targets.groups, nv_schema_target_groups,
             NULL),
    NV_FIELD("file_sd_configs", struct nv_config_scrape, targets, nv_schema_file_sd, NULL),
    NV_FIELD("relabel_configs", struct nv_config_scrape, relabel, nv_schema_relabel,
             "target relabeling rule"),
    NV_FIELD("metric_relabel_configs", struct nv_config_scrape, metric_relabel, nv_schema_relabel,
             "metric relabeling rule"),
    NV_HTTP_KEYS(struct nv_config_scrape, http),
    NV_DISCOVERY_NOT_PROVIDED,
};

static int read_scrape(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    const struct nv_config_global *global = &schema->config->global;
    struct nv_config_scrape *scrape = item;

    *scrape = (struct nv_config_scrape){
        .metrics_path = "/metrics",
        .scheme = "http",
        .honor_timestamps = true,
        .enable_compression = true,
        .fallback_protocol = -1,
        .http = NV_HTTP_CONFIG_DEFAULT,
        .scrape_native_histograms = global->scrape_native_histograms,
        .always_scrape_classic_histograms = global->always_scrape_classic_histograms,
        .extra_scrape_metrics = global->extra_scrape_metrics,
        .name_escaping = global->name_escaping,
    };
    int r = nv_schema_read(schema, node, NV_KEYS(keys), scrape);
    if (r == 0 && !scrape->job_name)
        return nv_schema_refuse(schema, node, "job_name is empty");
    return r < 0 ? r : nv_http_config_check(schema, node, &scrape->http);
}

int nv_schema_scrapes(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    (void)with;
    return nv_schema_list(schema, node, into,
                          NV_ITEMS(struct nv_config, scrapes, n_scrapes, read_scrape,
                                   NV_CONFIG_SCRAPES_MAX, "scrape config section"));
}

/* ---- what is inherited ---------------------------------------------------------------------- */

static void inherit(int64_t *value, int64_t global)
{
    *value = *value ? *value : global;
}

static void inherit_limits(struct nv_scrape_limits *limits, const struct nv_scrape_limits *global)
{
    inherit(&limits->body_size, global->body_size);
    inherit(&limits->samples, global->samples);
    inherit(&limits->labels, global->labels);
    inherit(&limits->label_name_length, global->label_name_length);
    inherit(&limits->label_value_length, global->label_value_length);
    inherit(&limits->targets, global->targets);
    inherit(&limits->dropped_targets, global->dropped_targets);
}

static void inherit_protocols(struct nv_config_scrape *scrape,
                              const struct nv_config_global *global)
{
    static const enum nv_scrape_protocol usual[] = {NV_SCRAPE_OPENMETRICS1, NV_SCRAPE_OPENMETRICS0,
                                                    NV_SCRAPE_TEXT1, NV_SCRAPE_TEXT0};

    if (scrape->n_protocols)
        return;
    if (global->n_protocols) {
        memcpy(scrape->protocols, global->protocols, sizeof(scrape->protocols));
        scrape->n_protocols = global->n_protocols;
        return;
    }
    if (scrape->scrape_native_histograms) /* which only protobuf carries */
        scrape->protocols[scrape->n_protocols++] = NV_SCRAPE_PROTO;
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        scrape->protocols[scrape->n_protocols++] = usual[i];
}

static int finish(struct nv_schema *schema, const struct nv_yaml *at,
                  struct nv_config_scrape *scrape, const struct nv_config_global *global)
{
    inherit(&scrape->interval_ms, global->scrape_interval_ms);
    if (scrape->timeout_ms > scrape->interval_ms)
        return nv_schema_refuse(schema, at,
                                "scrape timeout greater than scrape interval for scrape config "
                                "with job name \"%.128s\"",
                                scrape->job_name);
    if (!scrape->timeout_ms)
        scrape->timeout_ms = global->scrape_timeout_ms < scrape->interval_ms
                                 ? global->scrape_timeout_ms
                                 : scrape->interval_ms;
    inherit_limits(&scrape->limits, &global->limits);
    inherit_protocols(scrape, global);
    return 0;
}

/* The place of a job among all, by name, to find those that come twice. */
struct job {
    const char *name;
    size_t number;
};

static int order_jobs(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static int check_names(struct nv_schema *schema, const struct nv_yaml *list,
                       const struct nv_config_scrape *scrapes, size_t n)
{
    struct job *jobs;
    int r = nv_schema_alloc(schema, n * sizeof(*jobs), &jobs);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        jobs[i] = (struct job){scrapes[i].job_name, i};
    qsort(jobs, n, sizeof(*jobs), order_jobs);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(jobs[i - 1].name, jobs[i].name) == 0)
            return nv_schema_refuse(schema, list->items[jobs[i].number],
                                    "found multiple scrape configs with job name \"%.128s\"",
                                    jobs[i].name);
    }
    return 0;
}

int nv_config_finish_scrapes(struct nv_schema *schema, const struct nv_yaml *root,
                             struct nv_config *config)
{
    const struct nv_yaml *list = nv_yaml_get(root, "scrape_configs");
    struct nv_config_scrape *scrapes;
    size_t n = config->n_scrapes;

    if (!n)
        return 0;
    int r = nv_schema_alloc(schema, n * sizeof(*scrapes), &scrapes);
    if (r < 0)
        return r;
    memcpy(scrapes, config->scrapes, n * sizeof(*scrapes));
    for (size_t i = 0; i < n && r == 0; i++)
        r = finish(schema, list->items[i], &scrapes[i], &config->global);
    config->scrapes = scrapes;
    return r < 0 ? r : check_names(schema, list, scrapes, n);
}
