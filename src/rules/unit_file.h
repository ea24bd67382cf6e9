/*
 * unit_file.h - files of tests for rules, as promtool has them.
 *
 *   file       {rule_files, evaluation_interval, group_eval_order, fuzzy_compare, tests: [...]}; unknown keys are refused
 *   times      ms; of a test relative to its start
 *   ownership  all in the caller's arena
 */
#ifndef NV_RULES_UNIT_FILE_H
#define NV_RULES_UNIT_FILE_H

#include "config/schema.h"

enum { NV_UNIT_ITEMS_MAX = 100000, NV_UNIT_TESTS_MAX = 100000 };

struct nv_unit_series {
    const char *series, *values;
};

struct nv_unit_alert { /* one that is expected */
    struct nv_schema_labels exp_labels, exp_annotations;
};

struct nv_unit_alert_test {
    int64_t eval_time_ms;
    const char *alertname;
    const struct nv_unit_alert *exp_alerts;
    size_t n_exp_alerts;
};

struct nv_unit_sample {
    const char *labels, *histogram; /* histogram: instead of the value, or NULL */
    double value;
};

struct nv_unit_expr_test {
    const char *expr;
    int64_t eval_time_ms;
    const struct nv_unit_sample *exp_samples;
    size_t n_exp_samples;
};

struct nv_unit_test {
    const char *name; /* NULL: none */
    int64_t interval_ms, start_ms;
    const struct nv_unit_series *input_series;
    size_t n_input_series;
    const struct nv_unit_alert_test *alert_tests;
    size_t n_alert_tests;
    const struct nv_unit_expr_test *expr_tests;
    size_t n_expr_tests;
    struct nv_schema_labels external_labels;
    const char *external_url;
};

struct nv_unit_file {
    struct nv_text_list
        rule_files; /* patterns, with the folder of the file in front where they are relative */
    struct nv_text_list group_eval_order;
    int64_t evaluation_interval_ms;
    bool fuzzy_compare;
    const struct nv_unit_test *tests;
    size_t n_tests;
};

/* Returns 0; -EBADMSG and others with a line in `error`. */
NV_MUST_USE int nv_unit_file_parse(const char *path, struct nv_str text, struct nv_arena *memory,
                                   struct nv_unit_file *ret, char error[NV_YAML_ERROR_MAX]);

#endif
