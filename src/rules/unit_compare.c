/*
 * unit_compare.c - what is against what is expected, and how the difference is told.
 *
 * Both sides become lists of lines, sorted; a line of one side that has no equal on the other is the difference.
 */
#include <errno.h>
#include <math.h>

#include "base/number.h"
#include "config/units.h"
#include "promql/histogram_math.h"
#include "promql/points.h"
#include "rules/unit_parts.h"

enum { LINE_MAX_BYTES = 1 << 20 };

/* One element of a side: what it is called, its text as a whole, and for samples its value. */
struct line {
    struct nv_str text;
    struct nv_str key; /* of samples: the labels */
    double value;
    const struct nv_histogram *histogram;
};

struct side {
    struct line *at;
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = nv_str_cmp(x->key, y->key);

    return order ? order : nv_str_cmp(x->text, y->text);
}

static void sort_side(struct side *side)
{
    if (side->n)
        qsort(side->at, side->n, sizeof(*side->at), by_text);
}

static int keep_line(struct nv_unit *unit, struct nv_buf *text, struct nv_str *ret)
{
    if (text->failed)
        return -ENOMEM;
    *ret = nv_arena_str(&unit->memory, nv_buf_view(text));
    return ret->p ? 0 : -ENOMEM;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void tell_time(struct nv_buf *out, int64_t ms)
{
    nv_write_duration(out, ms);
}

static void tell_side(struct nv_buf *out, const char *name, const struct side *side)
{
    nv_buf_printf(out, "        %s: ", name);
    if (!side->n)
        nv_buf_text(out, "nil");
    for (size_t i = 0; i < side->n; i++)
        nv_buf_printf(out, "%s%.*s", i || side->n > 1 ? "\n            " : "",
                      NV_ARGS(side->at[i].text));
    nv_buf_char(out, '\n');
}

static bool same_value(double a, double b, bool fuzzy)
{
    if (a == b || (isnan(a) && isnan(b)))
        return true;
    return fuzzy && (nextafter(a, b) == b || fabs(a - b) <= 0);
}

static bool same_line(struct nv_unit *unit, const struct line *a, const struct line *b)
{
    if (!nv_str_eq(a->key, b->key) || !a->histogram != !b->histogram)
        return false;
    if (a->histogram)
        return a->histogram->reset_hint == b->histogram->reset_hint &&
               nv_histogram_equal(&unit->memory, a->histogram, b->histogram) == 1;
    return a->key.n ? same_value(a->value, b->value, unit->file->fuzzy_compare)
                    : nv_str_eq(a->text, b->text);
}

static bool same_sides(struct nv_unit *unit, const struct side *a, const struct side *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++)
        if (!same_line(unit, &a->at[i], &b->at[i]))
            return false;
    return a->n == b->n;
}

/* Lines of one side alone. */
static void tell_diff(struct nv_unit *unit, const struct side *exp, const struct side *got)
{
    size_t e = 0, g = 0;

    nv_buf_text(unit->out, "        diff (-exp +got):\n");
    while (e < exp->n || g < got->n) {
        int order = e == exp->n ? 1 : g == got->n ? -1 : by_text(&exp->at[e], &got->at[g]);
        if (e < exp->n && g < got->n && same_line(unit, &exp->at[e], &got->at[g]))
            order = 0;
        const struct line *line = order <= 0 ? &exp->at[e] : &got->at[g];
        nv_buf_printf(unit->out, "          %c %.*s\n",
                      order < 0   ? '-'
                      : order > 0 ? '+'
                                  : ' ',
                      NV_ARGS(line->text));
        e += order <= 0;
        g += order >= 0;
    }
}

static void tell_sides(struct nv_unit *unit, const struct side *exp, const struct side *got)
{
    if (unit->options->diff) {
        tell_diff(unit, exp, got);
        return;
    }
    tell_side(unit->out, "exp", exp);
    tell_side(unit->out, "got", got);
}

static void tell_test(struct nv_unit *unit)
{
    if (unit->test->name && *unit->test->name)
        nv_buf_printf(unit->out, "    name: %s,\n", unit->test->name);
}

/* ---- alerts --------------------------------------------------------------------------------- */

static int alert_line(struct nv_unit *unit, const struct nv_label *labels, size_t n_labels,
                      const struct nv_label *annotations, size_t n_annotations, struct line *ret)
{
    NV_AUTO_BUF text = NV_BUF(LINE_MAX_BYTES);

    nv_buf_text(&text, "Labels:");
    nv_promql_print_labels(&text, labels, n_labels);
    nv_buf_text(&text, " Annotations:");
    nv_promql_print_labels(&text, annotations, n_annotations);
    *ret = (struct line){0};
    return keep_line(unit, &text, &ret->text);
}

static int expected_alerts(struct nv_unit *unit, const struct nv_unit_alert_test *test,
                           struct side *ret)
{
    int r = 0;

    ret->at = nv_arena_alloc(&unit->memory, (test->n_exp_alerts + 1) * sizeof(*ret->at));
    for (size_t i = 0; ret->at && r == 0 && i < test->n_exp_alerts; i++) {
        const struct nv_unit_alert *alert = &test->exp_alerts[i];
        struct nv_label *labels =
            nv_arena_alloc(&unit->memory, (alert->exp_labels.n + 2) * sizeof(*labels));
        size_t n = alert->exp_labels.n;
        if (!labels)
            return -ENOMEM;
        if (n)
            memcpy(labels, alert->exp_labels.at, n * sizeof(*labels));
        n = nv_labels_put(labels, n, NV_LIT("alertname"), nv_str(test->alertname));
        r = alert_line(unit, labels, n, alert->exp_annotations.at, alert->exp_annotations.n,
                       &ret->at[ret->n++]);
    }
    return ret->at ? r : -ENOMEM;
}

static size_t count_alerts(const struct nv_unit *unit)
{
    size_t n = 0;

    for (size_t g = 0; g < unit->rules->n_groups; g++)
        for (size_t i = 0; i < unit->rules->groups[g]->n_rules; i++)
            n += unit->rules->groups[g]->rules[i].alerts.n;
    return n;
}

static int firing_of(struct nv_unit *unit, const struct nv_rule *rule, struct side *ret)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < rule->alerts.n; i++) {
        const struct nv_alert *alert = rule->alerts.at[i];
        if (alert->state == NV_RULE_FIRING)
            r = alert_line(unit, alert->labels, alert->n_labels, alert->annotations,
                           alert->n_annotations, &ret->at[ret->n++]);
    }
    return r;
}

static int firing_alerts(struct nv_unit *unit, const char *name, struct side *ret)
{
    int r = 0;

    ret->at = nv_arena_alloc(&unit->memory, (count_alerts(unit) + 1) * sizeof(*ret->at));
    if (!ret->at)
        return -ENOMEM;
    for (size_t g = 0; g < unit->rules->n_groups; g++) {
        const struct nv_group *group = unit->rules->groups[g];
        for (size_t i = 0; r == 0 && i < group->n_rules; i++)
            if (group->rules[i].def->is_alert && nv_str_is(group->rules[i].def->name, name))
                r = firing_of(unit, &group->rules[i], ret);
    }
    return r;
}

int nv_unit_compare_alerts(struct nv_unit *unit, const struct nv_unit_alert_test *test)
{
    struct nv_arena_mark mark = nv_arena_mark(&unit->memory);
    struct side exp = {0}, got = {0};

    int r = expected_alerts(unit, test, &exp);
    if (r == 0)
        r = firing_alerts(unit, test->alertname, &got);
    sort_side(&exp);
    sort_side(&got);
    if (r == 0 && !same_sides(unit, &exp, &got)) {
        tell_test(unit);
        nv_buf_printf(unit->out, "    alertname: %s, time: ", test->alertname);
        tell_time(unit->out, test->eval_time_ms);
        nv_buf_text(unit->out, ",\n");
        tell_sides(unit, &exp, &got);
    }
    nv_arena_rewind(&unit->memory, mark);
    return r;
}

/* ---- expressions ---------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int
tell_expr(struct nv_unit *unit, const struct nv_unit_expr_test *test, const char *format, ...)
{
    va_list arguments;
    char what[2048];

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    tell_test(unit);
    nv_buf_text(unit->out, "    expr: ");
    nv_promql_print_string(unit->out, nv_str(test->expr));
    nv_buf_text(unit->out, ", time: ");
    tell_time(unit->out, test->eval_time_ms);
    nv_buf_printf(unit->out, ",%s\n", what);
    return 0;
}

static int sample_line(struct nv_unit *unit, const struct nv_label *labels, size_t n, double value,
                       const struct nv_histogram *histogram, struct line *ret)
{
    NV_AUTO_BUF text = NV_BUF(LINE_MAX_BYTES);
    char number[NV_NUMBER_MAX];

    nv_promql_print_labels(&text, labels, n);
    *ret = (struct line){.value = value, .histogram = histogram};
    int r = keep_line(unit, &text, &ret->key);
    nv_buf_char(&text, ' ');
    if (histogram)
        nv_histogram_print(&text, histogram);
    else
        nv_buf_add(&text, number, nv_number_text(number, value));
    return r < 0 ? r : keep_line(unit, &text, &ret->text);
}

/* -EINVAL: it cannot be read, which is told. */
static int expected_sample(struct nv_unit *unit, const struct nv_unit_expr_test *test,
                           const struct nv_unit_sample *sample, struct line *ret)
{
    struct nv_points labels, points = {0};
    struct nv_histogram *compact = NULL;

    int r = nv_points_parse(nv_str(sample->labels), true, &unit->memory, &labels);
    if (r == -EINVAL || (r == 0 && labels.n)) {
        tell_expr(unit, test, " err: labels '%s' cannot be read", sample->labels);
        return -EINVAL;
    }
    if (r == 0 && sample->histogram) {
        r = nv_points_parse(nv_str(sample->histogram), false, &unit->memory, &points);
        if (r == -EINVAL || (r == 0 && (points.n != 1 || !points.at[0].histogram))) {
            tell_expr(unit, test, " err: histogram '%s' cannot be read", sample->histogram);
            return -EINVAL;
        }
        if (r == 0)
            r = nv_histogram_compact(&unit->memory, points.at[0].histogram, &compact);
    }
    return r < 0 ? r
                 : sample_line(unit, labels.labels, labels.n_labels, sample->value, compact, ret);
}

static int expected_samples(struct nv_unit *unit, const struct nv_unit_expr_test *test,
                            struct side *ret)
{
    int r = 0;

    ret->at = nv_arena_alloc(&unit->memory, (test->n_exp_samples + 1) * sizeof(*ret->at));
    for (size_t i = 0; ret->at && r == 0 && i < test->n_exp_samples; i++)
        r = expected_sample(unit, test, &test->exp_samples[i], &ret->at[ret->n++]);
    return ret->at ? r : -ENOMEM;
}

static int got_samples(struct nv_unit *unit, const struct nv_promql_result *result,
                       struct side *ret)
{
    int r = 0;

    ret->at = nv_arena_alloc(&unit->memory, (result->n + 1) * sizeof(*ret->at));
    for (size_t i = 0; ret->at && r == 0 && i < result->n; i++) {
        const struct nv_promql_series *series = &result->series[i];
        size_t last = series->n - 1;
        const struct nv_histogram *h = series->histograms ? series->histograms[last] : NULL;
        struct nv_histogram *compact = NULL;
        if (h)
            r = nv_histogram_compact(&unit->memory, h, &compact);
        if (r >= 0)
            r = sample_line(unit, series->labels, series->n_labels, series->values[last], compact,
                            &ret->at[ret->n++]);
    }
    return ret->at ? r : -ENOMEM;
}

static int compare_samples(struct nv_unit *unit, const struct nv_unit_expr_test *test,
                           const struct nv_promql_result *result)
{
    struct side exp = {0}, got = {0};

    if (result->type != NV_VALUE_VECTOR && result->type != NV_VALUE_SCALAR)
        return tell_expr(unit, test, " err: rule result is not a vector or scalar");
    int r = expected_samples(unit, test, &exp);
    if (r == -EINVAL)
        return 0;
    if (r == 0)
        r = got_samples(unit, result, &got);
    sort_side(&exp);
    sort_side(&got);
    if (r == 0 && !same_sides(unit, &exp, &got)) {
        tell_expr(unit, test, "%s", "");
        tell_sides(unit, &exp, &got);
    }
    return r;
}

int nv_unit_compare_expr(struct nv_unit *unit, const struct nv_unit_expr_test *test)
{
    const struct nv_promql_options options = {.interval_ms = unit->file->evaluation_interval_ms,
                                              .features = unit->options->features};
    struct nv_arena_mark mark = nv_arena_mark(&unit->memory);
    struct nv_promql_error error;
    struct nv_promql_result result;
    struct nv_promql promql;

    int r = nv_promql_parse(nv_str(test->expr), options.features, &unit->memory, &promql, &error);
    if (r < 0) {
        NV_AUTO_BUF text = NV_BUF(LINE_MAX_BYTES);
        if (r == -EINVAL)
            nv_promql_error_text(nv_str(test->expr), &error, &text);
        return r == -EINVAL ? tell_expr(unit, test, " err: %s", nv_buf_c_string(&text)) : r;
    }
    r = nv_promql_eval_at(&promql, nv_memory_store_queryable(unit->store),
                          unit->test->start_ms + test->eval_time_ms, &options, &result);
    if (r == 0)
        r = compare_samples(unit, test, &result);
    else
        r = tell_expr(unit, test, " err: %s", result.error[0] ? result.error : strerror(-r));
    nv_promql_result_done(&result);
    nv_promql_done(&promql);
    nv_arena_rewind(&unit->memory, mark);
    return r;
}
