/*
 * config.h - the file of --config.file, in Prometheus' vocabulary, and what it means.
 *
 *   global · rule_files · alerting · scrape_configs   as Prometheus has them, defaults filled in
 *   notify                                            ours: see notify_config.h
 *
 *   strict     unknown keys, wrong types and bad values are refused with their place. Keys of Prometheus that are not
 *              provided here are refused by a message of their own; a few that cannot matter here are accepted, and
 *              `notes` says so
 *   paths      relative ones are relative to the folder of the file
 *   ownership  counted; immutable once loaded; every pointer in it lives as long as a count is held
 *   bounds     those of yaml.h, NV_CONFIG_MEMORY_MAX bytes, and those below
 */
#ifndef NV_CONFIG_CONFIG_H
#define NV_CONFIG_CONFIG_H

#include "config/file_sd.h"
#include "config/http_config.h"
#include "config/notify_config.h"
#include "metric/relabel.h"

enum {
    NV_CONFIG_MEMORY_MAX = 256 << 20,
    NV_CONFIG_SCRAPES_MAX = 4096,
    NV_CONFIG_ALERTMANAGERS_MAX = 64,
    NV_CONFIG_RELABELS_MAX = 1024,
    NV_CONFIG_NOTES_MAX = 64,
    NV_CONFIG_EXTERNAL_LABELS_MAX = 256,
};

struct nv_relabel_list {
    const struct nv_relabel *at;
    size_t n;
};

/* Targets that stand in the configuration, and files that name more. */
struct nv_config_file_sd {
    struct nv_text_list files; /* patterns, absolute */
    int64_t refresh_interval_ms;
};
struct nv_config_targets {
    struct nv_target_groups groups;
    const struct nv_config_file_sd *file_sds;
    size_t n_file_sds;
};

enum nv_scrape_protocol {
    NV_SCRAPE_PROTO,        /* PrometheusProto */
    NV_SCRAPE_OPENMETRICS0, /* OpenMetricsText0.0.1 */
    NV_SCRAPE_OPENMETRICS1, /* OpenMetricsText1.0.0 */
    NV_SCRAPE_TEXT0,        /* PrometheusText0.0.4 */
    NV_SCRAPE_TEXT1,        /* PrometheusText1.0.0 */
    NV_SCRAPE_PROTOCOLS,
};

/* What a target is asked to do with names that are not of the old kind. */
enum nv_config_escaping {
    NV_ESCAPING_ALLOW_UTF8,
    NV_ESCAPING_UNDERSCORES,
    NV_ESCAPING_DOTS,
    NV_ESCAPING_VALUES,
};

/* 0 is no limit. In `global` they are the defaults of every scrape. */
struct nv_scrape_limits {
    int64_t body_size, samples, labels, label_name_length, label_value_length, targets;
    int64_t dropped_targets; /* keep_dropped_targets */
};

struct nv_config_global {
    int64_t scrape_interval_ms, scrape_timeout_ms; /* 1m, 10s */
    int64_t evaluation_interval_ms;                /* 1m */
    int64_t rule_query_offset_ms;
    const struct nv_label *external_labels; /* by name; ${VARIABLE} expanded */
    size_t n_external_labels;
    struct nv_scrape_limits limits;
    enum nv_scrape_protocol protocols[NV_SCRAPE_PROTOCOLS]; /* in order of preference */
    size_t n_protocols;
    int name_escaping; /* enum nv_config_escaping */
    bool scrape_native_histograms, always_scrape_classic_histograms, extra_scrape_metrics;
};

struct nv_config_alertmanager {
    struct nv_config_targets targets;
    const char *scheme;      /* http, https */
    const char *path_prefix; /* /; the path of the API is behind it */
    int64_t timeout_ms;      /* 10s */
    struct nv_http_config http;
    struct nv_relabel_list relabel, alert_relabel; /* of targets; of alerts */
};

struct nv_config_alerting {
    struct nv_relabel_list alert_relabel; /* of all alerts, before those of an Alertmanager */
    const struct nv_config_alertmanager *alertmanagers;
    size_t n_alertmanagers;
};

struct nv_config_parameter {
    const char *name;
    struct nv_text_list values;
};

struct nv_config_scrape {
    const char *job_name;
    int64_t interval_ms, timeout_ms;
    const char *metrics_path, *scheme;
    const struct nv_config_parameter *params;
    size_t n_params;
    bool honor_labels, honor_timestamps, track_timestamps_staleness, enable_compression;
    bool scrape_native_histograms, always_scrape_classic_histograms, extra_scrape_metrics;
    bool expose; /* ours: its series appear on our /metrics too */
    struct nv_scrape_limits limits;
    enum nv_scrape_protocol protocols[NV_SCRAPE_PROTOCOLS]; /* in order of preference */
    size_t n_protocols;
    int name_escaping;     /* enum nv_config_escaping */
    int fallback_protocol; /* enum nv_scrape_protocol, -1 for none */
    struct nv_http_config http;
    struct nv_config_targets targets;
    struct nv_relabel_list relabel, metric_relabel;
};

struct nv_config {
    unsigned refs; /* atomic */
    struct nv_arena memory;
    const char *path;     /* NULL: there is no file */
    struct nv_str folder; /* of the file, absolute where the path is */
    struct nv_config_global global;
    struct nv_text_list rule_files; /* patterns; relative ones are made relative to the folder */
    struct nv_config_alerting alerting;
    const struct nv_config_scrape *scrapes;
    size_t n_scrapes;
    struct nv_notify_config notify;
    const char *notes[NV_CONFIG_NOTES_MAX]; /* "FILE:LINE:COLUMN: 'runtime' has no effect here" */
    size_t n_notes;
    struct nv_str yaml;             /* as /api/v1/status/config shows it: secrets are <secret> */
    struct nv_owned_regex *regexes; /* what ends with it */
};

/*
 * Whole or not at all. Returns 0 and *ret with one count; -EBADMSG and others with one line in `error`. A path of
 * NULL gives the defaults, as an empty file does.
 */
NV_MUST_USE int nv_config_load(const char *path, struct nv_config **ret,
                               char error[NV_YAML_ERROR_MAX]);
NV_MUST_USE int nv_config_parse(const char *path, struct nv_str text, struct nv_config **ret,
                                char error[NV_YAML_ERROR_MAX]);

struct nv_config *nv_config_ref(struct nv_config *config);
void nv_config_unref(struct nv_config *config); /* NULL is fine */
static inline void nv_config_free(struct nv_config *config)
{
    nv_config_unref(config);
}
NV_DEFINE_AUTO(nv_config)

/*
 * The files a list of patterns names, sorted, each once; a pattern without wildcards names itself whether or not there
 * is such a file. Texts in the arena. Returns 0, -ENOMEM, or -E2BIG past NV_CONFIG_GLOB_MAX files.
 */
enum { NV_CONFIG_GLOB_MAX = 16384 };
NV_MUST_USE int nv_config_glob(const struct nv_text_list *patterns, struct nv_arena *memory,
                               struct nv_text_list *ret);

#endif
