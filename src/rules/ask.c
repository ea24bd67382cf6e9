/*
 * ask.c - queries, of rules and of the templates of their alerts.
 */
#include <errno.h>

#include "base/clock.h"
#include "config/template.h"
#include "rules/group.h"

static void options_of(const struct nv_rules *engine, struct nv_promql_options *ret)
{
    const struct nv_rules_options *from = &engine->options;

    *ret = (struct nv_promql_options){
        .lookback_ms = from->lookback_ms,
        .interval_ms = engine->config.interval_ms,
        .max_samples = from->max_samples,
        .max_memory = from->max_memory,
        .deadline_ms = nv_monotonic_ns() / 1000000 + from->timeout_ms,
        .cancel = &engine->cancel,
        .features = from->features,
        .pool = from->pool,
    };
}

static int fail_parse(struct nv_evaluation *ev, struct nv_str text, int r,
                      const struct nv_promql_error *error)
{
    struct nv_buf *out = &ev->bench->text;

    if (r != -EINVAL)
        return nv_evaluation_fail(ev, "the expression is too large");
    nv_buf_reset(out);
    nv_promql_error_text(text, error, out);
    return nv_evaluation_fail(ev, "%s", nv_buf_c_string(out));
}

int nv_rule_ask(struct nv_evaluation *ev, struct nv_str text, bool looks,
                struct nv_promql_result *ret)
{
    const struct nv_rules *engine = ev->group->engine;
    struct nv_promql_options options;
    struct nv_promql_error error;
    struct nv_promql promql;

    *ret = (struct nv_promql_result){0};
    looks = looks && ev->sees_more;
    if (looks && nv_cells_settle(&ev->group->cells) < 0)
        return nv_evaluation_fail(ev, "out of memory");
    options_of(engine, &options);
    struct nv_arena_mark mark = nv_arena_mark(&ev->bench->parse);
    int r = nv_promql_parse(text, options.features, &ev->bench->parse, &promql, &error);
    if (r < 0)
        return fail_parse(ev, text, r, &error);
    r = nv_promql_eval_at(&promql, looks ? &ev->sight.queryable : engine->options.storage.queryable,
                          nv_evaluation_query_ms(ev), &options, ret);
    nv_promql_done(&promql);
    nv_arena_rewind(&ev->bench->parse, mark);
    if (r == 0)
        return 0;
    nv_evaluation_fail(ev, "%s", ret->error[0] ? ret->error : strerror(-r));
    return r;
}

/* ---- for templates -------------------------------------------------------------------------- */

static int keep_sample(const struct nv_promql_series *series, struct nv_arena *memory,
                       struct nv_template_sample *ret)
{
    struct nv_label *labels = nv_arena_alloc(memory, (series->n_labels + 1) * sizeof(*labels));
    const struct nv_histogram *h = series->histograms ? series->histograms[series->n - 1] : NULL;

    if (!labels)
        return -ENOMEM;
    for (size_t i = 0; i < series->n_labels; i++) {
        labels[i].name = nv_arena_str(memory, series->labels[i].name);
        labels[i].value = nv_arena_str(memory, series->labels[i].value);
        if (!labels[i].name.p || !labels[i].value.p)
            return -ENOMEM;
    }
    *ret = (struct nv_template_sample){labels, series->n_labels, series->values[series->n - 1],
                                       h ? nv_histogram_keep(memory, h) : NULL};
    return h && !ret->histogram ? -ENOMEM : 0;
}

int nv_rule_ask_for_template(void *user, struct nv_str expression, int64_t time_ms,
                             struct nv_arena *memory, const struct nv_template_sample **ret,
                             size_t *ret_n, char *error)
{
    struct nv_evaluation *ev = user;
    struct nv_promql_result result;
    struct nv_template_sample *samples = NULL;

    (void)time_ms; /* the evaluation's */
    int r = nv_rule_ask(ev, expression, true, &result);
    if (r == 0 && result.type != NV_VALUE_VECTOR && result.type != NV_VALUE_SCALAR)
        r = nv_evaluation_fail(ev, "query result is not a vector or scalar");
    if (r == 0) {
        samples = nv_arena_alloc(memory, (result.n + 1) * sizeof(*samples));
        r = samples ? 0 : nv_evaluation_fail(ev, "out of memory");
    }
    for (size_t i = 0; r == 0 && i < result.n; i++)
        r = keep_sample(&result.series[i], memory, &samples[i]);
    *ret = samples;
    *ret_n = result.n;
    if (r < 0)
        snprintf(error, NV_TEMPLATE_ERROR_MAX, "%s", ev->reason);
    nv_promql_result_done(&result);
    return r;
}

void nv_rule_ask_print(struct nv_arena *memory, unsigned features, struct nv_str text,
                       struct nv_buf *out)
{
    struct nv_arena_mark mark = nv_arena_mark(memory);
    struct nv_promql_error error;
    struct nv_promql promql;

    if (nv_promql_parse(text, features, memory, &promql, &error) == 0) {
        nv_promql_print(out, promql.root);
        nv_promql_done(&promql);
    } else {
        nv_buf_str(out, text);
    }
    nv_arena_rewind(memory, mark);
}
