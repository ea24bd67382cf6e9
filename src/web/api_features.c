/*
 * api_features.c - /features: what this build can do and which of it is on, by category.
 */
#include "promql/function.h"
#include "web/exchange.h"

/* A feature that is there always, or while a bit of --enable-feature is set, or never. */
struct feature {
    const char *name;
    unsigned bit; /* enum nv_promql_feature; 0: always */
};

static const struct feature promql[] = {
    {"anchored",             NV_PROMQL_EXTENDED_RANGE},
    {"at_modifier",                      0},
    {"bool",0},
    {"by",                 0},
    {"delayed_name_removal",                      NV_PROMQL_DELAYED_NAMES},
    {"duration_expr",     0},
    {"fill", NV_PROMQL_FILL},
    {"fill_left",                      NV_PROMQL_FILL},
    {"fill_right",                 NV_PROMQL_FILL},
    {"group_left",                 0},
    {"group_right",                      0},
    {"ignoring",0},
    {"negative_offset",           0},
    {"offset",                      0},
    {"on",     0},
    {"per_query_lookback_delta",          0},
    {"smoothed",                      NV_PROMQL_EXTENDED_RANGE},
    {"start_timestamps",                                   NV_PROMQL_START_TIMES},
    {"subqueries",      0},
    {"type_and_unit_labels",                      NV_PROMQL_TYPE_AND_UNIT},
    {"without",0},
    {0                  },
};

static const struct feature operators[] = {
    {"!=",           0},
    {"!~",              0},
    {"%",0},
    {"*",            0},
    {"+",              0},
    {"-",  0},
    {"/",            0},
    {"<",              0},
    {"<=",            0},
    {"==",            0},
    {"=~",              0},
    {">",0},
    {">=",           0},
    {"@",              0},
    {"^",  0},
    {"and",           0},
    {"atan2",              0},
    {"or",              0},
    {"unless",           0},
    {"avg",              0},
    {"bottomk",0},
    {"count",            0},
    {"count_values",              0},
    {"group",   0},
    {"limit_ratio",        NV_PROMQL_EXPERIMENTAL},
    {"limitk",              NV_PROMQL_EXPERIMENTAL},
    {"max",0},
    {"min",       0},
    {"quantile",              0},
    {"stddev",0},
    {"stdvar",      0},
    {"sum",              0},
    {"topk",  0},
    {0},
};

static const struct feature api[] = {
    {"exclude_alerts",    0},
    {"label_values_match",                   0},
    {"query_stats",0},
    {"query_warnings",       0},
    {"time_range_labels",                   0},
    {"time_range_series",            0},
    {0},
};

static const struct feature rules[] = {
    {"keep_firing_for", 0},
    {"query_offset",                 0},
    {0},
};

static const struct feature templating[] = {
    {"args",              0},
    {"externalURL",                   0},
    {"first",0},
    {"graphLink",             0},
    {"humanize",                   0},
    {"humanize1024",      0},
    {"humanizeDuration",          0},
    {"humanizePercentage",                   0},
    {"humanizeTimestamp",             0},
    {"label",  0},
    {"match",                   0},
    {"now",0},
    {"parseDuration", 0},
    {"parseDurationTime",                   0},
    {"pathPrefix",                 0},
    {"query",             0},
    {"reReplaceAll",                   0},
    {"safeHtml",                   0},
    {"sortByLabel",     0},
    {"stripDomain",                   0},
    {"stripPort",0},
    {"strvalue",        0},
    {"tableLink",                   0},
    {"title",      0},
    {"toDuration",      0},
    {"toLower",                   0},
    {"toTime",0},
    {"toUpper",       0},
    {"urlQueryEscape",                   0},
    {"value",0},
    {0        },
};

static void write_features(struct nv_writer *out, const struct feature *list, unsigned on)
{
    for (; list->name; list++)
        nv_write_member_bool(out, list->name, !list->bit || (on & list->bit));
}

static void begin(struct nv_writer *out, const char *category)
{
    nv_write_key(out, category);
    nv_write_object(out);
}

static void write_functions(struct nv_writer *out, unsigned on)
{
    const struct nv_function *function;

    begin(out, "promql_functions");
    for (size_t i = 0; (function = nv_function_at(i)); i++)
        nv_write_member_bool(out, function->name,
                             !(function->flags & NV_FUNCTION_EXPERIMENTAL) ||
                                 (on & NV_PROMQL_EXPERIMENTAL));
    nv_write_object_end(out);
}

static int get_features(struct nv_exchange *x)
{
    unsigned on = x->api->promql.features;
    struct nv_writer *out = nv_data(x);

    nv_write_object(out);
    begin(out, "api");
    nv_write_member_bool(out, "admin", x->api->admin);
    nv_write_member_bool(out, "lifecycle", x->api->lifecycle);
    nv_write_member_bool(out, "otlp_write_receiver", false);
    nv_write_member_bool(out, "remote_write_receiver", false);
    write_features(out, api, on);
    nv_write_object_end(out);

    begin(out, "promql");
    nv_write_member_bool(out, "per_step_stats", x->api->step_stats);
    write_features(out, promql, on);
    nv_write_object_end(out);
    write_functions(out, on);
    begin(out, "promql_operators");
    write_features(out, operators, on);
    nv_write_object_end(out);

    begin(out, "rules");
    nv_write_member_bool(out, "concurrent_rule_eval", false);
    write_features(out, rules, on);
    nv_write_object_end(out);
    begin(out, "templating_functions");
    write_features(out, templating, on);
    nv_write_object_end(out);
    nv_write_object_end(out);
    return 0;
}

const struct nv_endpoint nv_api_features_endpoints[] = {
    {"/api/v1/features", NV_GET, 0, get_features},
    {0                },
};
