/*
 * config_alerting.c - `alerting`: where alerts go.
 */
#include "config/config_parts.h"

static int read_api_version(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                            const void *with)
{
    struct nv_str text = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &text);

    (void)into;
    (void)with;
    if (r < 0 || nv_str_is(text, "v2"))
        return r;
    return nv_schema_refuse(
        schema, node, "expected Alertmanager api version to be one of [v2] but got %.64s", text.p);
}

static int read_alertmanager(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const struct nv_schema_key keys[] = {
        NV_FIELD("static_configs", struct nv_config_alertmanager, targets.groups,
                 nv_schema_target_groups, NULL),
        NV_FIELD("file_sd_configs", struct nv_config_alertmanager, targets, nv_schema_file_sd,
                 NULL),
        NV_KEY(struct nv_config_alertmanager, scheme, nv_schema_scheme, NULL),
        NV_KEY(struct nv_config_alertmanager, path_prefix, nv_schema_text, NULL),
        NV_FIELD("timeout", struct nv_config_alertmanager, timeout_ms, nv_schema_milliseconds,
                 NULL),
        NV_WHOLE("api_version", read_api_version, NULL),
        NV_FIELD("relabel_configs", struct nv_config_alertmanager, relabel, nv_schema_relabel,
                 "Alertmanager target relabeling rule"),
        NV_FIELD("alert_relabel_configs", struct nv_config_alertmanager, alert_relabel,
                 nv_schema_relabel, "Alertmanager alert relabeling rule"),
        NV_HTTP_KEYS(struct nv_config_alertmanager, http),
        NV_NOT_PROVIDED("sigv4"),
        NV_NOT_PROVIDED("google_iam"),
        NV_DISCOVERY_NOT_PROVIDED,
    };
    struct nv_config_alertmanager *alertmanager = item;

    *alertmanager = (struct nv_config_alertmanager){
        .scheme = "http", .path_prefix = "/", .timeout_ms = 10000, .http = NV_HTTP_CONFIG_DEFAULT};
    int r = nv_schema_read(schema, node, NV_KEYS(keys), alertmanager);
    if (r < 0)
        return r;
    if (alertmanager->timeout_ms == 0)
        alertmanager->timeout_ms = 10000;
    return nv_http_config_check(schema, node, &alertmanager->http);
}

int nv_schema_alerting(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    const struct nv_schema_key keys[] = {
        NV_FIELD("alert_relabel_configs", struct nv_config_alerting, alert_relabel,
                 nv_schema_relabel, "alert relabeling rule"),
        NV_FIELD("alertmanagers", struct nv_config_alerting, alertmanagers, nv_schema_list,
                 NV_ITEMS(struct nv_config_alerting, alertmanagers, n_alertmanagers,
                          read_alertmanager, NV_CONFIG_ALERTMANAGERS_MAX, "alertmanager")),
    };

    (void)with;
    return nv_schema_read(schema, node, NV_KEYS(keys), into);
}
