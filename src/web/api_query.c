#include <errno.h>

#include "base/clock.h"
#include "promql/histogram_math.h"
#include "web/endpoints.h"
#include "web/exchange_parts.h"

enum {
    STEPS_MAX = 11000,  /* between start and end of a range query */
    TEXT_MAX = 8 << 20, /* of a formatted expression, and of a tree as JSON */
};

/* A query under way. */
struct query {
    struct nv_promql promql;
    struct nv_promql_options options;
    struct nv_promql_result result;
    uint64_t limit;
    bool stats;
    int64_t parsed_ns, evaluated_ns; /* when */
};

/* ---- what is asked -------------------------------------------------------------------------- */

/* Parses `query`. The caller ends it with nv_promql_done(), whatever comes. */
static int parse(struct nv_exchange *x, struct nv_promql *ret, bool as_parameter)
{
    NV_AUTO_BUF shown = NV_BUF(NV_EXCHANGE_ERROR_MAX);
    struct nv_str text = nv_param(x, "query");
    struct nv_promql_error error = {0};

    *ret = (struct nv_promql){0};
    int r = nv_promql_parse(text, x->api->promql.features, &x->memory, ret, &error);
    if (r == 0)
        return 0;
    if (r != -EINVAL)
        return nv_fail(x, NV_EXECUTION, "the expression needs too much memory");
    nv_promql_error_text(text, &error, &shown);
    if (!as_parameter)
        return nv_fail(x, NV_BAD_DATA, "%s", nv_buf_c_string(&shown));
    return nv_fail_parameter(x, "query", "%s", nv_buf_c_string(&shown));
}

static int read_lookback(struct nv_exchange *x, struct query *query)
{
    static const char name[] = "lookback_delta";
    char quoted[200];

    if (!nv_param(x, name).n)
        return 0;
    if (nv_ask_duration(x, name, 0, &query->options.lookback_ms) == 0)
        return 0;
    struct nv_str text = nv_param(x, name);
    snprintf(quoted, sizeof(quoted), "%.*s", (int)(text.n < 100 ? text.n : 100), text.p);
    return nv_fail(x, NV_BAD_DATA,
                   "error parsing lookback delta duration: cannot parse \"%s\" to a valid duration",
                   quoted);
}

/* limit, timeout, lookback_delta and stats, which both kinds have. */
static int read_options(struct nv_exchange *x, struct query *query)
{
    int64_t timeout_ms;

    query->options = x->api->promql;
    if (nv_ask_limit(x, "limit", &query->limit) ||
        nv_ask_duration(x, "timeout", x->api->timeout_ms, &timeout_ms))
        return NV_ANSWERED;
    if (timeout_ms < x->api->timeout_ms)
        x->deadline_ms = x->came_ns / 1000000 + timeout_ms;
    if (read_lookback(x, query))
        return NV_ANSWERED;
    query->options.deadline_ms = x->deadline_ms;
    query->options.cancel = x->cancel;

    struct nv_str stats = nv_param(x, "stats");
    query->stats = stats.n > 0;
    query->options.stats_by_step = x->api->step_stats && nv_str_is(stats, "all");
    if (query->stats && !nv_str_is(stats, "true") && !nv_str_is(stats, "all"))
        nv_warn(x, NV_LIT("parameter \"stats\" takes \"true\" or \"all\"; any other value is taken "
                          "for \"true\", which is deprecated"));
    return 0;
}

/* ---- what is answered ----------------------------------------------------------------------- */

/* Which ends of a bucket belong to it: 0 the upper, 1 the lower, 2 none, 3 both. */
static unsigned rule_of(const struct nv_bucket *bucket)
{
    if (bucket->side == 0)
        return 3;
    return bucket->lower < 0 ? bucket->upper > 0 ? 3 : 1 : bucket->upper > 0 ? 0 : 2;
}

static void write_histogram(struct nv_exchange *x, struct nv_writer *out,
                            const struct nv_histogram *h)
{
    struct nv_arena_mark mark = nv_arena_mark(&x->memory);
    size_t n = 0;
    const struct nv_bucket *buckets = nv_histogram_buckets(&x->memory, h, &n);

    nv_write_object(out);
    nv_write_key(out, "count");
    nv_write_sample_value(out, h->count);
    nv_write_key(out, "sum");
    nv_write_sample_value(out, h->sum);
    if (!buckets)
        out->failed = -ENOMEM; /* better cut off than wrong */
    if (n) {
        nv_write_key(out, "buckets");
        nv_write_array(out);
    }
    for (size_t i = 0; buckets && i < n; i++) {
        nv_write_array(out);
        nv_write_u64(out, rule_of(&buckets[i]));
        nv_write_sample_value(out, buckets[i].lower);
        nv_write_sample_value(out, buckets[i].upper);
        nv_write_sample_value(out, buckets[i].count);
        nv_write_array_end(out);
    }
    if (n)
        nv_write_array_end(out);
    nv_write_object_end(out);
    nv_arena_rewind(&x->memory, mark);
}

static void write_histogram_sample(struct nv_exchange *x, struct nv_writer *out, int64_t ms,
                                   const struct nv_histogram *h)
{
    nv_write_array(out);
    nv_write_time(out, ms);
    write_histogram(x, out, h);
    nv_write_array_end(out);
}

static const struct nv_histogram *histogram_at(const struct nv_promql_series *series, size_t i)
{
    return series->histograms ? series->histograms[i] : NULL;
}

static void write_values(struct nv_writer *out, const struct nv_promql_series *series)
{
    nv_write_key(out, "values");
    nv_write_array(out);
    for (size_t i = 0; i < series->n; i++) {
        if (!histogram_at(series, i))
            nv_write_sample(out, series->times[i], series->values[i]);
    }
    nv_write_array_end(out);
}

static void write_histograms(struct nv_exchange *x, struct nv_writer *out,
                             const struct nv_promql_series *series)
{
    nv_write_key(out, "histograms");
    nv_write_array(out);
    for (size_t i = 0; i < series->n; i++) {
        if (histogram_at(series, i))
            write_histogram_sample(x, out, series->times[i], histogram_at(series, i));
    }
    nv_write_array_end(out);
}

static void write_range(struct nv_exchange *x, struct nv_writer *out,
                        const struct nv_promql_series *series)
{
    size_t n_histograms = 0;

    for (size_t i = 0; series->histograms && i < series->n; i++)
        n_histograms += series->histograms[i] != NULL;
    if (n_histograms < series->n)
        write_values(out, series);
    if (n_histograms)
        write_histograms(x, out, series);
}

static void write_instant(struct nv_exchange *x, struct nv_writer *out,
                          const struct nv_promql_series *series)
{
    if (histogram_at(series, 0)) {
        nv_write_key(out, "histogram");
        write_histogram_sample(x, out, series->times[0], series->histograms[0]);
    } else {
        nv_write_key(out, "value");
        nv_write_sample(out, series->times[0], series->values[0]);
    }
}

static void write_series(struct nv_exchange *x, struct nv_writer *out, const struct query *query)
{
    const struct nv_promql_result *result = &query->result;
    size_t n = result->n;

    if (query->limit && n > query->limit) {
        n = (size_t)query->limit;
        nv_warn_truncated(x);
    }
    nv_write_array(out);
    for (size_t i = 0; i < n && !out->failed; i++) {
        const struct nv_promql_series *series = &result->series[i];
        nv_write_object(out);
        nv_write_key(out, "metric");
        nv_write_labels(out, series->labels, series->n_labels);
        if (result->type == NV_VALUE_VECTOR)
            write_instant(x, out, series);
        else
            write_range(x, out, series);
        nv_write_object_end(out);
    }
    nv_write_array_end(out);
}

static void write_result(struct nv_exchange *x, struct nv_writer *out, const struct query *query,
                         int64_t time_ms)
{
    static const char *const names[] = {"scalar", "vector", "matrix", "string"};
    const struct nv_promql_result *result = &query->result;

    nv_write_member_text(out, "resultType", names[result->type]);
    nv_write_key(out, "result");
    if (result->type == NV_VALUE_SCALAR) {
        nv_write_sample(out, time_ms, result->n ? result->series[0].values[0] : (double)NAN);
    } else if (result->type == NV_VALUE_STRING) {
        nv_write_array(out);
        nv_write_time(out, time_ms);
        nv_write_string(out, result->string);
        nv_write_array_end(out);
    } else {
        write_series(x, out, query);
    }
}

static void write_seconds(struct nv_writer *out, const char *key, int64_t ns)
{
    nv_write_member_real(out, key, (double)ns / 1e9);
}

static void write_steps(struct nv_writer *out, const char *key, const uint64_t *counts, size_t n,
                        int64_t start_ms, int64_t step_ms)
{
    if (!counts)
        return;
    nv_write_key(out, key);
    nv_write_array(out);
    for (size_t i = 0; i < n; i++) {
        nv_write_array(out);
        nv_write_time(out, start_ms + (int64_t)i * step_ms);
        nv_write_u64(out, counts[i]);
        nv_write_array_end(out);
    }
    nv_write_array_end(out);
}

static void write_stats(const struct nv_exchange *x, struct nv_writer *out,
                        const struct query *query, int64_t start_ms, int64_t step_ms)
{
    const struct nv_promql_stats *stats = &query->result.stats;
    int64_t eval_ns = query->evaluated_ns - query->parsed_ns;

    nv_write_key(out, "stats");
    nv_write_object(out);
    nv_write_key(out, "timings");
    nv_write_object(out);
    write_seconds(out, "evalTotalTime", eval_ns);
    write_seconds(out, "resultSortTime", 0); /* part of the evaluation */
    write_seconds(out, "queryPreparationTime", query->parsed_ns - x->began_ns);
    write_seconds(out, "innerEvalTime", eval_ns);
    write_seconds(out, "execQueueTime", x->began_ns - x->came_ns);
    write_seconds(out, "execTotalTime", query->evaluated_ns - x->came_ns);
    nv_write_object_end(out);
    nv_write_key(out, "samples");
    nv_write_object(out);
    write_steps(out, "totalQueryableSamplesPerStep", stats->queryable_by_step, stats->n_steps,
                start_ms, step_ms);
    nv_write_member_u64(out, "totalQueryableSamples", stats->queryable);
    write_steps(out, "samplesReadPerStep", stats->read_by_step, stats->n_steps, start_ms, step_ms);
    nv_write_member_u64(out, "samplesRead", stats->read);
    nv_write_member_u64(out, "peakSamples", stats->peak);
    nv_write_object_end(out);
    nv_write_object_end(out);
}

static void answer(struct nv_exchange *x, const struct query *query, int64_t start_ms,
                   int64_t step_ms)
{
    const struct nv_promql_result *result = &query->result;

    for (size_t i = 0; i < result->n_annotations; i++) {
        if (result->annotations[i].is_warning)
            nv_warn(x, result->annotations[i].text);
        else
            nv_inform(x, result->annotations[i].text);
    }
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    write_result(x, out, query, start_ms);
    if (query->stats)
        write_stats(x, out, query, start_ms, step_ms);
    nv_write_object_end(out);
}

/* ---- endpoints ------------------------------------------------------------------------------ */

/* Evaluates over a grid, or at its start for a step of 0. */
static int evaluate(struct nv_exchange *x, struct query *query, int64_t start_ms, int64_t end_ms,
                    int64_t step_ms)
{
    query->parsed_ns = nv_monotonic_ns();
    int r = step_ms ? nv_promql_eval(&query->promql, x->api->queryable, start_ms, end_ms, step_ms,
                                     &query->options, &query->result)
                    : nv_promql_eval_at(&query->promql, x->api->queryable, start_ms,
                                        &query->options, &query->result);
    query->evaluated_ns = nv_monotonic_ns();
    if (r < 0)
        return nv_fail_errno(x, r, query->result.error[0] ? query->result.error : strerror(-r));
    answer(x, query, start_ms, step_ms);
    return 0;
}

static int run_instant(struct nv_exchange *x)
{
    struct query query = {0};
    int64_t time_ms;

    if (read_options(x, &query) || nv_ask_time(x, "time", x->now_ms, &time_ms))
        return NV_ANSWERED;
    int r = parse(x, &query.promql, true);
    if (r == 0)
        r = evaluate(x, &query, time_ms, time_ms, 0);
    nv_promql_result_done(&query.result);
    nv_promql_done(&query.promql);
    return r;
}

struct range {
    int64_t start_ms, end_ms, step_ms;
};

static int read_range(struct nv_exchange *x, struct range *ret)
{
    if (nv_need_time(x, "start", &ret->start_ms) || nv_need_time(x, "end", &ret->end_ms))
        return NV_ANSWERED;
    if (ret->end_ms < ret->start_ms)
        return nv_fail_parameter(x, "end", "end timestamp must not be before start time");
    if (nv_need_duration(x, "step", &ret->step_ms))
        return NV_ANSWERED;
    if (ret->step_ms <= 0)
        return nv_fail_parameter(x, "step",
                                 "zero or negative query resolution step widths are not accepted. "
                                 "Try a positive integer");
    if ((ret->end_ms - ret->start_ms) / ret->step_ms > STEPS_MAX)
        return nv_fail(
            x, NV_BAD_DATA,
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
            "the query resolution (?step=XX)");
    return 0;
}

static int check_type(struct nv_exchange *x, const struct nv_promql *promql)
{
    enum nv_value_type type = promql->root->type;

    if (type == NV_VALUE_SCALAR || type == NV_VALUE_VECTOR)
        return 0;
    return nv_fail_parameter(
        x, "query",
        "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
        nv_value_type_name(type));
}

static int run_range(struct nv_exchange *x)
{
    struct query query = {0};
    struct range range;

    if (read_options(x, &query) || read_range(x, &range))
        return NV_ANSWERED;
    int r = parse(x, &query.promql, true);
    if (r == 0)
        r = check_type(x, &query.promql);
    if (r == 0)
        r = evaluate(x, &query, range.start_ms, range.end_ms, range.step_ms);
    nv_promql_result_done(&query.result);
    nv_promql_done(&query.promql);
    return r;
}

/* No exemplars are kept. An expression without selectors has no data at all, not even an empty list. */
static int run_exemplars(struct nv_exchange *x)
{
    struct nv_promql promql;
    int64_t start_ms, end_ms;

    if (nv_ask_time(x, "start", NV_API_TIME_MIN, &start_ms) ||
        nv_ask_time(x, "end", NV_API_TIME_MAX, &end_ms))
        return NV_ANSWERED;
    if (end_ms < start_ms)
        return nv_fail(x, NV_BAD_DATA, "end timestamp must not be before start timestamp");
    int r = parse(x, &promql, false);
    if (r == 0 && promql.selectors) {
        struct nv_writer *out = nv_data(x);
        nv_write_array(out);
        nv_write_array_end(out);
    }
    nv_promql_done(&promql);
    return r;
}

static int run_format(struct nv_exchange *x)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);
    struct nv_promql promql;

    int r = parse(x, &promql, true);
    if (r == 0)
        nv_promql_prettify(&text, promql.root);
    nv_promql_done(&promql);
    if (r)
        return r;
    if (text.failed)
        return nv_fail(x, NV_EXECUTION, "the formatted expression is too long");
    nv_write_string(nv_data(x), nv_buf_view(&text));
    return 0;
}

static int run_parse(struct nv_exchange *x)
{
    NV_AUTO_BUF tree = NV_BUF(TEXT_MAX);
    struct nv_promql promql;

    int r = parse(x, &promql, true);
    if (r == 0)
        nv_promql_json(&tree, promql.root);
    nv_promql_done(&promql);
    if (r)
        return r;
    if (tree.failed)
        return nv_fail(x, NV_EXECUTION, "the tree of the expression is too large");
    nv_write_json(nv_data(x), nv_buf_view(&tree));
    return 0;
}

const struct nv_endpoint nv_api_query_endpoints[] = {
    {"/api/v1/query",           NV_GET | NV_POST, NV_ENDPOINT_QUERY, run_instant},
    {"/api/v1/query_range",        NV_GET | NV_POST, NV_ENDPOINT_QUERY, run_range},
    {"/api/v1/query_exemplars",                         NV_GET | NV_POST, 0, run_exemplars},
    {"/api/v1/format_query",  NV_GET | NV_POST, 0, run_format},
    {"/api/v1/parse_query",                NV_GET | NV_POST, 0, run_parse},
    {0},
};
