/*
 * config_parts.h - what the files behind config.h share: readers of its parts.
 */
#ifndef NV_CONFIG_CONFIG_PARTS_H
#define NV_CONFIG_CONFIG_PARTS_H

#include "config/config.h"

#define NV_KEYS(table) (table), sizeof(table) / sizeof((table)[0])

/* Expressions are not in the arena: they end with the configuration. */
struct nv_owned_regex {
    struct nv_regex *regex;
    struct nv_owned_regex *next;
};
NV_MUST_USE int nv_config_own(struct nv_schema *schema, struct nv_regex *regex);

/* Adds to the notes of the configuration. */
__attribute__((format(printf, 3, 4))) void
nv_config_note(struct nv_schema *schema, const struct nv_yaml *node, const char *format, ...);

/* Accepts anything, and notes that it does nothing. `with` is the key. */
int nv_schema_no_effect(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                        const void *with);

/* Accepts false alone: `with` says what is not provided. */
int nv_schema_only_false(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with);

/* Nothing: the key was read before. */
int nv_schema_nothing(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with);

/* metric_name_validation_scheme. */
int nv_schema_names_scheme(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with);

/* struct nv_relabel_list. `with`: what the rules are called where one is empty. */
int nv_schema_relabel(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with);

int nv_schema_scheme(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with);
/* A pattern of files, and a list of them (struct nv_text_list), made absolute; * may stand in the last part alone. */
int nv_schema_patterns(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with);
/* struct nv_config_targets, from file_sd_configs. */
int nv_schema_file_sd(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with);

int nv_schema_alerting(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with);
int nv_schema_scrapes(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with);
/* Fills in what scrapes inherit from `global`. */
NV_MUST_USE int nv_config_finish_scrapes(struct nv_schema *schema, const struct nv_yaml *root,
                                         struct nv_config *config);

/* A list of protocols, each once. */
extern const char *const nv_scrape_protocol_names[];
int nv_schema_protocols(struct nv_schema *schema, const struct nv_yaml *node,
                        enum nv_scrape_protocol into[NV_SCRAPE_PROTOCOLS], size_t *ret_n);
extern const char *const nv_config_escaping_names[];

/* Writes the tree as YAML, what is hidden as <secret>; the whole with the effective global times first. */
void nv_config_print(struct nv_buf *out, const struct nv_yaml *root,
                     const struct nv_schema_hidden *hidden, const struct nv_config_global *global);

/* What `global` and each scrape have in common, by the same names. */
extern const struct nv_schema_range nv_config_any_count;
#define NV_SCRAPE_COUNT(type, name, member)                                                        \
    NV_FIELD(name, type, limits.member, nv_schema_int, &nv_config_any_count)
#define NV_SCRAPE_KEYS(type)                                                                       \
    NV_FIELD("body_size_limit", type, limits.body_size, nv_schema_size, NULL),                     \
        NV_SCRAPE_COUNT(type, "sample_limit", samples),                                            \
        NV_SCRAPE_COUNT(type, "label_limit", labels),                                              \
        NV_SCRAPE_COUNT(type, "label_name_length_limit", label_name_length),                       \
        NV_SCRAPE_COUNT(type, "label_value_length_limit", label_value_length),                     \
        NV_SCRAPE_COUNT(type, "target_limit", targets),                                            \
        NV_SCRAPE_COUNT(type, "keep_dropped_targets", dropped_targets),                            \
        NV_FIELD("scrape_native_histograms", type, scrape_native_histograms, nv_schema_bool,       \
                 NULL),                                                                            \
        NV_FIELD("always_scrape_classic_histograms", type, always_scrape_classic_histograms,       \
                 nv_schema_bool, NULL),                                                            \
        NV_FIELD("extra_scrape_metrics", type, extra_scrape_metrics, nv_schema_bool, NULL),        \
        NV_FIELD("metric_name_escaping_scheme", type, name_escaping, nv_schema_choice,             \
                 nv_config_escaping_names),                                                        \
        NV_WHOLE("metric_name_validation_scheme", nv_schema_names_scheme, NULL),                   \
        NV_WHOLE("convert_classic_histograms_to_nhcb", nv_schema_only_false,                       \
                 "converting classic histograms"),                                                 \
        NV_WHOLE("scrape_failure_log_file", nv_schema_no_effect, "scrape_failure_log_file")

/* Discovery that Prometheus has and we do not: named so that the message can say so. */
#define NV_NOT_PROVIDED(name) NV_WHOLE(name, nv_schema_not_provided, NULL)
#define NV_DISCOVERY_NOT_PROVIDED                                                                  \
    NV_NOT_PROVIDED("aws_sd_configs"), NV_NOT_PROVIDED("azure_sd_configs"),                        \
        NV_NOT_PROVIDED("consul_sd_configs"), NV_NOT_PROVIDED("digitalocean_sd_configs"),          \
        NV_NOT_PROVIDED("dns_sd_configs"), NV_NOT_PROVIDED("docker_sd_configs"),                   \
        NV_NOT_PROVIDED("dockerswarm_sd_configs"), NV_NOT_PROVIDED("ec2_sd_configs"),              \
        NV_NOT_PROVIDED("eureka_sd_configs"), NV_NOT_PROVIDED("gce_sd_configs"),                   \
        NV_NOT_PROVIDED("hetzner_sd_configs"), NV_NOT_PROVIDED("http_sd_configs"),                 \
        NV_NOT_PROVIDED("ionos_sd_configs"), NV_NOT_PROVIDED("kubernetes_sd_configs"),             \
        NV_NOT_PROVIDED("kuma_sd_configs"), NV_NOT_PROVIDED("lightsail_sd_configs"),               \
        NV_NOT_PROVIDED("linode_sd_configs"), NV_NOT_PROVIDED("marathon_sd_configs"),              \
        NV_NOT_PROVIDED("nerve_sd_configs"), NV_NOT_PROVIDED("nomad_sd_configs"),                  \
        NV_NOT_PROVIDED("openstack_sd_configs"), NV_NOT_PROVIDED("outscale_sd_configs"),           \
        NV_NOT_PROVIDED("ovhcloud_sd_configs"), NV_NOT_PROVIDED("puppetdb_sd_configs"),            \
        NV_NOT_PROVIDED("scaleway_sd_configs"), NV_NOT_PROVIDED("serverset_sd_configs"),           \
        NV_NOT_PROVIDED("stackit_sd_configs"), NV_NOT_PROVIDED("triton_sd_configs"),               \
        NV_NOT_PROVIDED("uyuni_sd_configs"), NV_NOT_PROVIDED("vultr_sd_configs")

#endif
