#include "rules/unit_file.h"

#include <errno.h>
#include <math.h>

#include "base/rfc3339.h"
#include "config/units.h"

enum { MINUTE_MS = 60000 };

/* ---- readers -------------------------------------------------------------------------------- */

/* Prometheus' duration; a bare 0 too. */
static int read_time(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    struct nv_str text;
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r == 0 && nv_parse_duration(text, into) != 0)
        r = nv_schema_refuse(schema, node, "not a valid duration string: '%.64s'", text.p);
    return r;
}

static int read_real(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    struct nv_str text;
    int r = nv_schema_scalar(schema, node, &text);
    double *value = into;

    (void)with;
    if (r < 0 || nv_str_to_real(text, value))
        return r;
    bool minus = nv_str_starts(text, "-"); /* YAML has a point in front of these */
    struct nv_str word = nv_str_from(text, minus || nv_str_starts(text, "+"));
    if (nv_str_is(word, ".inf") || nv_str_is(word, ".Inf") || nv_str_is(word, ".INF"))
        *value = minus ? -INFINITY : INFINITY;
    else if (nv_str_is(word, ".nan") || nv_str_is(word, ".NaN") || nv_str_is(word, ".NAN"))
        *value = NAN;
    else
        return nv_schema_refuse(schema, node, "'%.64s' is no number", text.p);
    return 0;
}

/* RFC 3339, or seconds since the epoch. */
static int read_start(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    struct nv_str text;
    int r = nv_schema_scalar(schema, node, &text);
    int64_t *ms = into;
    double seconds;

    (void)with;
    if (r < 0 || nv_rfc3339_read(text, ms))
        return r;
    if (!nv_str_to_real(text, &seconds) || !(fabs(seconds) < 1e12))
        return nv_schema_refuse(schema, node,
                                "'%.64s' is no time; allowed: RFC 3339, or seconds since the epoch",
                                text.p);
    *ms = llround(seconds * 1000);
    return 0;
}

#define KEYS(keys) (keys), sizeof(keys) / sizeof((keys)[0])

// clang-format off
static const struct nv_schema_key series_keys[] = {
    NV_KEY(struct nv_unit_series, series, nv_schema_text, NULL),
    NV_KEY(struct nv_unit_series, values, nv_schema_text, NULL),
};
// clang-format on

static int read_series(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    struct nv_unit_series *series = item;

    *series = (struct nv_unit_series){"", ""};
    return nv_schema_read(schema, node, KEYS(series_keys), item);
}

// clang-format off
static const struct nv_schema_key alert_keys[] = {
    NV_KEY(struct nv_unit_alert, exp_labels, nv_schema_labels, NULL),
    NV_KEY(struct nv_unit_alert, exp_annotations, nv_schema_labels, NULL),
};
// clang-format on

static int read_alert(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    return nv_schema_read(schema, node, KEYS(alert_keys), item);
}

// clang-format off
static const struct nv_schema_key alert_test_keys[] = {
    {"eval_time", read_time, offsetof(struct nv_unit_alert_test, eval_time_ms), NULL},
    NV_KEY(struct nv_unit_alert_test, alertname, nv_schema_text, NULL),
    NV_KEY(struct nv_unit_alert_test, exp_alerts, nv_schema_list,
           NV_ITEMS(struct nv_unit_alert_test, exp_alerts, n_exp_alerts, read_alert,
                    NV_UNIT_ITEMS_MAX, "alert")),
};
// clang-format on

static int read_alert_test(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    return nv_schema_read(schema, node, KEYS(alert_test_keys), item);
}

// clang-format off
static const struct nv_schema_key sample_keys[] = {
    NV_KEY(struct nv_unit_sample, labels, nv_schema_text, NULL),
    NV_KEY(struct nv_unit_sample, histogram, nv_schema_text, NULL),
    NV_KEY(struct nv_unit_sample, value, read_real, NULL),
};
// clang-format on

static int read_sample(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    struct nv_unit_sample *sample = item;

    *sample = (struct nv_unit_sample){.labels = "{}"};
    int r = nv_schema_read(schema, node, KEYS(sample_keys), item);
    if (r == 0 && !*sample->labels)
        sample->labels = "{}";
    if (r == 0 && sample->histogram && !*sample->histogram)
        sample->histogram = NULL;
    return r;
}

// clang-format off
static const struct nv_schema_key expr_test_keys[] = {
    NV_KEY(struct nv_unit_expr_test, expr, nv_schema_text, NULL),
    {"eval_time", read_time, offsetof(struct nv_unit_expr_test, eval_time_ms), NULL},
    NV_KEY(struct nv_unit_expr_test, exp_samples, nv_schema_list,
           NV_ITEMS(struct nv_unit_expr_test, exp_samples, n_exp_samples, read_sample,
                    NV_UNIT_ITEMS_MAX, "sample")),
};
// clang-format on

static int read_expr_test(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    struct nv_unit_expr_test *test = item;

    test->expr = "";
    return nv_schema_read(schema, node, KEYS(expr_test_keys), item);
}

// clang-format off
static const struct nv_schema_key test_keys[] = {
    NV_KEY(struct nv_unit_test, name, nv_schema_text, NULL),
    {"interval", read_time, offsetof(struct nv_unit_test, interval_ms), NULL},
    {"start_timestamp", read_start, offsetof(struct nv_unit_test, start_ms), NULL},
    NV_KEY(struct nv_unit_test, input_series, nv_schema_list,
           NV_ITEMS(struct nv_unit_test, input_series, n_input_series, read_series,
                    NV_UNIT_ITEMS_MAX, "series")),
    {"alert_rule_test", nv_schema_list, offsetof(struct nv_unit_test, alert_tests),
     NV_ITEMS(struct nv_unit_test, alert_tests, n_alert_tests, read_alert_test,
              NV_UNIT_ITEMS_MAX, "test of an alert")},
    {"promql_expr_test", nv_schema_list, offsetof(struct nv_unit_test, expr_tests),
     NV_ITEMS(struct nv_unit_test, expr_tests, n_expr_tests, read_expr_test, NV_UNIT_ITEMS_MAX,
              "test of an expression")},
    NV_KEY(struct nv_unit_test, external_labels, nv_schema_labels, NULL),
    NV_KEY(struct nv_unit_test, external_url, nv_schema_text, NULL),
};
// clang-format on

static int read_test(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    return nv_schema_read(schema, node, KEYS(test_keys), item);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* A pattern as seen from where the file lies. */
static int from_folder(struct nv_schema *schema, const char **path)
{
    const char *slash = strrchr(schema->file, '/');

    if (**path == '/' || !slash)
        return 0;
    size_t n = (size_t)(slash - schema->file) + 1, rest = strlen(*path) + 1;
    char *joined;
    int r = nv_schema_alloc(schema, n + rest, &joined);
    if (r < 0)
        return r;
    memcpy(joined, schema->file, n);
    memcpy(joined + n, *path, rest);
    *path = joined;
    return 0;
}

static int locate(struct nv_schema *schema, struct nv_text_list *list)
{
    const char **paths;
    int r = nv_schema_alloc(schema, (list->n + 1) * sizeof(*paths), &paths);

    for (size_t i = 0; r == 0 && i < list->n; i++) {
        paths[i] = list->at[i];
        r = from_folder(schema, &paths[i]);
    }
    if (r == 0)
        list->at = paths;
    return r;
}

static int check_order(struct nv_schema *schema, const struct nv_yaml *root,
                       const struct nv_text_list *order)
{
    const struct nv_yaml *node = nv_yaml_get(root, "group_eval_order");

    for (size_t i = 0; i < order->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(order->at[i], order->at[k]) == 0)
                return nv_schema_refuse(schema, node, "group name repeated in evaluation order: %s",
                                        order->at[i]);
    return 0;
}

// clang-format off
static const struct nv_schema_key file_keys[] = {
    NV_KEY(struct nv_unit_file, rule_files, nv_schema_texts, NULL),
    NV_KEY(struct nv_unit_file, group_eval_order, nv_schema_texts, NULL),
    {"evaluation_interval", read_time, offsetof(struct nv_unit_file, evaluation_interval_ms), NULL},
    NV_KEY(struct nv_unit_file, fuzzy_compare, nv_schema_bool, NULL),
    NV_KEY(struct nv_unit_file, tests, nv_schema_list,
           NV_ITEMS(struct nv_unit_file, tests, n_tests, read_test, NV_UNIT_TESTS_MAX, "test")),
};
// clang-format on

int nv_unit_file_parse(const char *path, struct nv_str text, struct nv_arena *memory,
                       struct nv_unit_file *ret, char error[NV_YAML_ERROR_MAX])
{
    struct nv_schema schema = {.file = path, .memory = memory, .error = error};
    struct nv_unit_file file = {0};
    const struct nv_yaml *root;

    int r = nv_yaml_parse(path, text, memory, &root, error);
    if (r == 0)
        r = nv_schema_read(&schema, root, KEYS(file_keys), &file);
    if (r == 0)
        r = locate(&schema, &file.rule_files);
    if (r == 0)
        r = check_order(&schema, root, &file.group_eval_order);
    if (r < 0)
        return r;
    if (!file.evaluation_interval_ms)
        file.evaluation_interval_ms = MINUTE_MS;
    *ret = file;
    return 0;
}
