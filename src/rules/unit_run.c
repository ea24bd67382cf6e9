#include "rules/unit_run.h"

#include <errno.h>

#include "config/units.h"
#include "promql/points.h"
#include "rules/unit_parts.h"

enum { STEPS_MAX = 10000000 };

/* Points of an input series that are still to come. */
struct input {
    struct nv_points points;
    size_t next;
};

/* ---- input ---------------------------------------------------------------------------------- */

static int parse_input(struct nv_unit *unit, const struct nv_unit_series *series, struct input *ret)
{
    NV_AUTO_BUF line = NV_BUF(NV_YAML_SIZE_MAX);

    nv_buf_printf(&line, "%s %s", series->series, series->values);
    if (line.failed)
        return -ENOMEM;
    struct nv_str kept = nv_arena_str(&unit->memory, nv_buf_view(&line));
    if (!kept.p)
        return -ENOMEM;
    int r = nv_points_parse(kept, true, &unit->memory, &ret->points);
    if (r == -EINVAL)
        nv_buf_printf(unit->out, "    input series cannot be read: %s %s\n", series->series,
                      series->values);
    return r;
}

static int parse_inputs(struct nv_unit *unit, struct input **ret)
{
    const struct nv_unit_test *test = unit->test;
    struct input *inputs =
        nv_arena_alloc(&unit->memory, (test->n_input_series + 1) * sizeof(*inputs));
    int r = inputs ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < test->n_input_series; i++) {
        inputs[i].next = 0;
        r = parse_input(unit, &test->input_series[i], &inputs[i]);
    }
    *ret = inputs;
    return r;
}

/* Samples up to a time after the start. */
static int load(struct nv_unit *unit, struct input *inputs, int64_t until_ms)
{
    const struct nv_unit_test *test = unit->test;
    int64_t interval = test->interval_ms ? test->interval_ms : unit->file->evaluation_interval_ms;

    for (size_t i = 0; i < test->n_input_series; i++) {
        struct nv_points *points = &inputs[i].points;
        for (; inputs[i].next < points->n && (int64_t)inputs[i].next * interval <= until_ms;
             inputs[i].next++) {
            const struct nv_point *point = &points->at[inputs[i].next];
            if (point->is_missing)
                continue;
            int r = nv_memory_store_add(unit->store, points->labels, points->n_labels,
                                        test->start_ms + (int64_t)inputs[i].next * interval,
                                        point->value, point->histogram);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static int64_t last_time(const struct nv_unit_test *test)
{
    int64_t last = 0;

    for (size_t i = 0; i < test->n_alert_tests; i++)
        if (test->alert_tests[i].eval_time_ms > last)
            last = test->alert_tests[i].eval_time_ms;
    for (size_t i = 0; i < test->n_expr_tests; i++)
        if (test->expr_tests[i].eval_time_ms > last)
            last = test->expr_tests[i].eval_time_ms;
    return last;
}

/* Whether all rules are well; tells which are not. */
static bool check_rules(struct nv_unit *unit, int64_t at_ms)
{
    bool well = true;

    for (size_t g = 0; g < unit->rules->n_groups; g++) {
        const struct nv_group *group = unit->rules->groups[g];
        for (size_t i = 0; i < group->n_rules; i++) {
            const struct nv_rule *rule = &group->rules[i];
            if (rule->health != NV_RULE_HEALTH_ERR)
                continue;
            nv_buf_printf(unit->out, "    rule: %.*s, time: ", NV_ARGS(rule->def->name));
            nv_write_duration(unit->out, at_ms);
            nv_buf_printf(unit->out, ", err: %s\n",
                          rule->last_error ? rule->last_error : "unknown error");
            well = false;
        }
    }
    return well;
}

/* Returns 1 where a rule failed. */
static int step(struct nv_unit *unit, struct input *inputs, int64_t at_ms)
{
    const struct nv_unit_test *test = unit->test;
    int64_t interval = unit->file->evaluation_interval_ms;

    int r = load(unit, inputs, at_ms);
    if (r < 0)
        return r;
    nv_rules_evaluate_at(unit->rules, test->start_ms + at_ms);
    if (!check_rules(unit, at_ms))
        return 1;
    for (size_t i = 0; r == 0 && i < test->n_alert_tests; i++) {
        int64_t time = test->alert_tests[i].eval_time_ms;
        if (time >= at_ms && time - at_ms < interval)
            r = nv_unit_compare_alerts(unit, &test->alert_tests[i]);
    }
    return r;
}

static int run_steps(struct nv_unit *unit, struct input *inputs)
{
    int64_t last = last_time(unit->test), interval = unit->file->evaluation_interval_ms;
    int r = 0;

    if (last / interval > STEPS_MAX) {
        nv_buf_printf(unit->out, "    more than %d evaluations\n", STEPS_MAX);
        return 0;
    }
    for (int64_t at = 0; r == 0 && at <= last; at += interval)
        r = step(unit, inputs, at);
    for (size_t i = 0; r == 0 && i < unit->test->n_expr_tests; i++)
        r = nv_unit_compare_expr(unit, &unit->test->expr_tests[i]);
    return r < 0 ? r : 0;
}

/* ---- a test --------------------------------------------------------------------------------- */

static bool check_names(struct nv_unit *unit)
{
    bool well = true;

    for (size_t i = 0; i < unit->test->n_alert_tests; i++) {
        if (unit->test->alert_tests[i].alertname && *unit->test->alert_tests[i].alertname)
            continue;
        nv_buf_text(unit->out, "    an item under alert_rule_test misses required attribute "
                               "alertname at eval_time ");
        nv_write_duration(unit->out, unit->test->alert_tests[i].eval_time_ms);
        nv_buf_char(unit->out, '\n');
        well = false;
    }
    return well;
}

static int open_engine(struct nv_unit *unit, struct nv_rule_set *set)
{
    const struct nv_unit_test *test = unit->test;
    const struct nv_rules_options options = {
        .storage = {nv_memory_store_queryable(unit->store), unit->store, nv_memory_store_source,
                    nv_memory_store_append, NULL},
        .features = unit->options->features,
    };
    const struct nv_rules_config config = {
        .interval_ms = unit->file->evaluation_interval_ms,
        .external_labels = test->external_labels.at,
        .n_external_labels = test->external_labels.n,
        .external_url = test->external_url,
    };

    int r = nv_rules_new(&options, &unit->rules);
    return r < 0 ? r : nv_rules_apply(unit->rules, set, &config);
}

static int run_test(struct nv_unit *unit, struct nv_rule_set *set)
{
    struct input *inputs;

    if (!check_names(unit))
        return 0;
    unit->memory = NV_ARENA(NV_UNIT_MEMORY);
    unit->store = nv_memory_store_new();
    int r = unit->store ? open_engine(unit, set) : -ENOMEM;
    if (r == 0)
        r = parse_inputs(unit, &inputs);
    if (r == 0)
        r = run_steps(unit, inputs);
    nv_rules_free(unit->rules);
    nv_memory_store_free(unit->store);
    nv_arena_done(&unit->memory);
    return r == -EINVAL ? 0 : r; /* told */
}

static bool is_wanted(const struct nv_unit_options *options, const char *name)
{
    for (size_t i = 0; i < options->n_run; i++)
        if (nv_regex_match(options->run[i], nv_str(name)))
            return true;
    return !options->n_run;
}

/* ---- a file --------------------------------------------------------------------------------- */

static int load_rules(const struct nv_unit_file *file, const struct nv_unit_options *options,
                      struct nv_rule_set *set, struct nv_buf *out, struct nv_buf *warnings)
{
    const struct nv_rule_file_options rule_options = {.features = options->features,
                                                      .ignore_unknown = options->ignore_unknown};
    int worst = 0;

    for (size_t i = 0; i < file->rule_files.n; i++) {
        size_t n = 0;
        int r = nv_rule_set_add_pattern(set, file->rule_files.at[i], &rule_options, out, &n);
        if (r == -ENOMEM)
            return r;
        if (r == 0 && !n)
            nv_buf_printf(warnings, "  WARNING: no file match pattern %s\n",
                          file->rule_files.at[i]);
        worst = r < 0 ? r : worst;
    }
    return worst;
}

struct ordered {
    struct nv_rule_group_def def;
    size_t order, at;
};

static int by_order(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

/* Groups as group_eval_order has them, before and between them the others as they stand. */
static int order_groups(const struct nv_unit_file *file, struct nv_rule_set *set)
{
    NV_AUTO_FREE struct ordered *list = calloc(set->n_groups + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < set->n_groups; i++) {
        list[i] = (struct ordered){set->groups[i], 0, i};
        for (size_t k = 0; k < file->group_eval_order.n; k++)
            if (nv_str_is(set->groups[i].name, file->group_eval_order.at[k]))
                list[i].order = k;
    }
    if (set->n_groups)
        qsort(list, set->n_groups, sizeof(*list), by_order);
    for (size_t i = 0; i < set->n_groups; i++)
        set->groups[i] = list[i].def;
    return 0;
}

static int run_tests(const struct nv_unit_file *file, const struct nv_unit_options *options,
                     struct nv_rule_set *set, struct nv_buf *out)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < file->n_tests; i++) {
        const struct nv_unit_test *test = &file->tests[i];
        struct nv_unit unit = {.file = file, .test = test, .options = options, .out = out};
        const char *name = test->name ? test->name : "";
        size_t before = out->n;
        if (!is_wanted(options, name))
            continue;
        r = run_test(&unit, set);
        if (options->each)
            options->each(options->user, name, nv_str_from(nv_buf_view(out), before));
    }
    return r;
}

int nv_unit_run(const char *path, const struct nv_unit_options *options, struct nv_buf *out,
                struct nv_buf *warnings)
{
    struct nv_arena memory = NV_ARENA(NV_UNIT_MEMORY);
    NV_AUTO(nv_rule_set) *set = nv_rule_set_new();
    NV_AUTO_FREE char *error = malloc(NV_YAML_ERROR_MAX);
    size_t before = out->n;
    struct nv_unit_file file;
    struct nv_str text;

    if (!set || !error)
        return -ENOMEM;
    int r = nv_config_read_file(path, &memory, &text, error);
    if (r == 0)
        r = nv_unit_file_parse(path, text, &memory, &file, error);
    if (r < 0) {
        nv_buf_printf(out, "%s\n", error);
        nv_arena_done(&memory);
        return 1;
    }
    r = load_rules(&file, options, set, out, warnings);
    if (r == 0)
        r = order_groups(&file, set);
    if (r == 0)
        r = run_tests(&file, options, set, out);
    nv_arena_done(&memory);
    return r == -ENOMEM || out->failed ? -ENOMEM : r < 0 || out->n > before;
}
