/*
 * over_time.c - functions that reduce the samples of a window to one value.
 */
#include "promql/eval_parts.h"
#include "promql/histograms.h"
#include "promql/slide.h"

int nv_compare_values(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    if (isnan(x) || isnan(y))
        return !isnan(x) - !isnan(y);
    return (x > y) - (x < y);
}

double nv_quantile(double q, const double *sorted, size_t n)
{
    if (!n || isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    double rank = q * (double)(n - 1);
    size_t low = (size_t)fmax(0, floor(rank)), high = low + 1 < n ? low + 1 : n - 1;
    double weight = rank - floor(rank);
    return sorted[low] * (1 - weight) + sorted[high] * weight;
}

/* A remark about a range of both kinds, for functions that look at floats only. */
static void note_ignored(struct nv_eval *ev, const struct nv_ranged *call,
                         const struct nv_window *w)
{
    if (w->n && w->n_histograms)
        nv_annotate(ev, false, call->source,
                    "ignored histograms in a range containing both floats and histograms for "
                    "metric name %s",
                    nv_quoted(ev, call->name));
}

/* True, with a warning, where both kinds are in the window. */
static bool is_mixed(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w)
{
    if (!w->n || !w->n_histograms)
        return false;
    nv_annotate(ev, true, call->source,
                "encountered a mix of histograms and floats for metric name %s",
                nv_quoted(ev, call->name));
    return true;
}

static double sum(const struct nv_window *w)
{
    double total = 0, c = 0;

    for (size_t i = 0; i < w->n; i++)
        nv_sum_add(&total, &c, w->values[i]);
    return isinf(total) ? total : total + c;
}

/* The mean of sums as long as they fit, then an incremental one. */
static double mean(const struct nv_window *w)
{
    double total = w->values[0], c = 0, average = 0;
    bool incremental = false;

    for (size_t i = 1; i < w->n; i++) {
        double n = (double)(i + 1);
        if (!incremental) {
            double new_total = total, new_c = c;
            nv_sum_add(&new_total, &new_c, w->values[i]);
            if (!isinf(new_total)) {
                total = new_total;
                c = new_c;
                continue;
            }
            incremental = true;
            average = total / (n - 1);
            c /= n - 1;
        }
        double q = (n - 1) / n;
        double kept = q * average, kept_c = q * c;
        nv_sum_add(&kept, &kept_c, w->values[i] / n);
        average = kept;
        c = kept_c;
    }
    return incremental ? average + c : total / (double)w->n + c / (double)w->n;
}

static double variance(const struct nv_window *w)
{
    double n = 0, average = 0, c = 0, square = 0, square_c = 0;

    for (size_t i = 0; i < w->n; i++) {
        n++;
        double delta = w->values[i] - (average + c);
        nv_sum_add(&average, &c, delta / n);
        nv_sum_add(&square, &square_c, delta * (w->values[i] - (average + c)));
    }
    return (square + square_c) / n;
}

/* The sum or the mean, in steps where the series is fit for it. */
static int reduced(struct nv_eval *ev, const struct nv_window *w, bool is_mean, double *ret)
{
    struct nv_twin total;
    double n = (double)w->n;
    int r = nv_slide_sum(ev, w, &total);

    if (r < 0)
        return r;
    if (r > 0)
        *ret = is_mean ? mean(w) : sum(w);
    else
        *ret = is_mean ? total.high / n + total.low / n : nv_twin_value(total);
    return 1;
}

/* Values in an order of their own; NULL past the limit. */
static double *sorted(struct nv_eval *ev, const struct nv_window *w)
{
    double *values = nv_pool_alloc(&ev->scratch, w->n, sizeof(double));

    if (!values)
        return NULL;
    memcpy(values, w->values, w->n * sizeof(double));
    qsort(values, w->n, sizeof(double), nv_compare_values);
    return values;
}

static int quantile(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                    double *ret)
{
    double q = call->parameters[0][w->step];
    const double *values;
    int r = nv_slide_order(ev, w, &values);

    if (r < 0)
        return r;
    if (!(q >= 0 && q <= 1))
        nv_annotate(ev, true, call->expr->call.args[0],
                    "quantile value should be between 0 and 1, got %s", nv_shown(ev, q));
    *ret = nv_quantile(q, values, w->n);
    return 1;
}

/* The median of the distances to the median. */
static int mad(struct nv_eval *ev, const struct nv_window *w, double *ret)
{
    struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
    double *values = sorted(ev, w);

    if (!values)
        return nv_eval_no_memory(ev);
    double median = nv_quantile(0.5, values, w->n);
    for (size_t i = 0; i < w->n; i++)
        values[i] = fabs(w->values[i] - median);
    qsort(values, w->n, sizeof(double), nv_compare_values);
    *ret = isnan(values[0]) ? NAN : nv_quantile(0.5, values, w->n);
    nv_arena_rewind(&ev->scratch.arena, mark);
    return 1;
}

/* Of a window by itself. */
static void sums_of(const struct nv_window *w, int64_t origin_ms, struct nv_sums *ret)
{
    double x_sum = 0, x_c = 0, y_sum = 0, y_c = 0, xy_sum = 0, xy_c = 0, xx_sum = 0, xx_c = 0;

    for (size_t i = 0; i < w->n; i++) {
        double x = (double)(w->times[i] - origin_ms) / 1000, y = w->values[i];
        nv_sum_add(&x_sum, &x_c, x);
        nv_sum_add(&y_sum, &y_c, y);
        nv_sum_add(&xy_sum, &xy_c, x * y);
        nv_sum_add(&xx_sum, &xx_c, x * x);
    }
    *ret = (struct nv_sums){
        x_sum + x_c, xx_sum + xx_c, xy_sum + xy_c, {y_sum, y_c}
    };
}

/* Least squares with x in seconds from `origin_ms`. */
static int regression(struct nv_eval *ev, const struct nv_window *w, int64_t origin_ms,
                      double *ret_slope, double *ret_intercept)
{
    double n = (double)w->n;
    struct nv_sums s;

    if (nv_slide_is_constant(w)) {
        *ret_slope = isinf(w->values[0]) ? NAN : 0;
        *ret_intercept = isinf(w->values[0]) ? NAN : w->values[0];
        return 0;
    }
    int r = nv_slide_sums(ev, w, origin_ms, &s);
    if (r < 0)
        return r;
    if (r > 0)
        sums_of(w, origin_ms, &s);
    double y = nv_twin_value(s.y);
    double covariance = s.xy - s.x * y / n, spread = s.xx - s.x * s.x / n;
    *ret_slope = covariance / spread;
    *ret_intercept = y / n - *ret_slope * s.x / n;
    return 0;
}

static int linear(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                  double *ret)
{
    double slope, intercept;

    if (w->n < 2)
        return 0;
    bool predicts = call->id == NV_FN_PREDICT_LINEAR;
    int r = regression(ev, w, predicts ? w->at_ms : w->times[0], &slope, &intercept);
    if (r < 0)
        return r;
    *ret = predicts ? slope * call->parameters[0][w->step] + intercept : slope;
    return 1;
}

static int smoothing(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                     double *ret)
{
    double sf = call->parameters[0][w->step], tf = call->parameters[1][w->step];

    if (!(sf > 0 && sf < 1))
        return nv_eval_fail(ev, "invalid smoothing factor. Expected: 0 < sf < 1, got: %f", sf);
    if (!(tf > 0 && tf < 1))
        return nv_eval_fail(ev, "invalid trend factor. Expected: 0 < tf < 1, got: %f", tf);
    if (w->n < 2)
        return 0;
    double before = 0, s = w->values[0], b = w->values[1] - w->values[0];
    for (size_t i = 1; i < w->n; i++) {
        if (i > 1)
            b = tf * (s - before) + (1 - tf) * b;
        before = s;
        s = sf * w->values[i] + (1 - sf) * (s + b);
    }
    *ret = s;
    return 1;
}

/* The largest or smallest value, or when it was there last. */
static int extreme(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                   double *ret)
{
    enum nv_function_id id = call->id;
    bool time = id == NV_FN_TS_OF_MIN_OVER_TIME || id == NV_FN_TS_OF_MAX_OVER_TIME;
    bool is_max = id == NV_FN_MAX_OVER_TIME || id == NV_FN_TS_OF_MAX_OVER_TIME;
    size_t best;
    int r = nv_slide_extreme(ev, w, is_max, time, &best);

    if (r < 0)
        return r;
    *ret = time ? (double)w->times[best] / 1000 : w->values[best];
    return 1;
}

/* Functions of floats alone. */
static int of_floats(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                     double *ret, const struct nv_histogram **ret_histogram)
{
    (void)ret_histogram;
    if (call->id == NV_FN_DOUBLE_EXPONENTIAL_SMOOTHING) {
        int r = smoothing(ev, call, w, ret);
        if (w->n)
            note_ignored(ev, call, w);
        return r;
    }
    if (!w->n)
        return 0;
    note_ignored(ev, call, w);
    switch (call->id) {
    case NV_FN_MIN_OVER_TIME:
    case NV_FN_MAX_OVER_TIME:
    case NV_FN_TS_OF_MIN_OVER_TIME:
    case NV_FN_TS_OF_MAX_OVER_TIME:
        return extreme(ev, call, w, ret);
    case NV_FN_STDDEV_OVER_TIME:
        *ret = sqrt(variance(w));
        return 1;
    case NV_FN_STDVAR_OVER_TIME:
        *ret = variance(w);
        return 1;
    case NV_FN_QUANTILE_OVER_TIME:
        return quantile(ev, call, w, ret);
    case NV_FN_MAD_OVER_TIME:
        return mad(ev, w, ret);
    default:
        return linear(ev, call, w, ret);
    }
}

static int sum_or_mean(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                       double *ret, const struct nv_histogram **ret_histogram)
{
    if (is_mixed(ev, call, w))
        return 0;
    if (w->n_histograms)
        return nv_histograms_reduce(ev, call, w, call->id == NV_FN_AVG_OVER_TIME, ret_histogram);
    return reduced(ev, w, call->id == NV_FN_AVG_OVER_TIME, ret);
}

static int count(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                 double *ret, const struct nv_histogram **ret_histogram)
{
    (void)ev;
    (void)ret_histogram;
    *ret = call->id == NV_FN_PRESENT_OVER_TIME ? 1 : (double)(w->n + w->n_histograms);
    return 1;
}

/* The oldest or newest of either kind, or its time. */
static int at_end(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                  double *ret, const struct nv_histogram **ret_histogram)
{
    bool first = call->id == NV_FN_FIRST_OVER_TIME || call->id == NV_FN_TS_OF_FIRST_OVER_TIME;
    bool time = call->id == NV_FN_TS_OF_FIRST_OVER_TIME || call->id == NV_FN_TS_OF_LAST_OVER_TIME;
    size_t f = first || !w->n ? 0 : w->n - 1,
           h = first || !w->n_histograms ? 0 : w->n_histograms - 1;

    (void)ev;
    bool is_float = !w->n_histograms || (w->n && (first ? w->times[f] < w->histogram_times[h]
                                                        : w->times[f] > w->histogram_times[h]));
    if (time)
        *ret = (double)(is_float ? w->times[f] : w->histogram_times[h]) / 1000;
    else if (is_float)
        *ret = w->values[f];
    else
        *ret_histogram = w->histograms[h];
    return 1;
}

static const nv_window_fn functions[NV_FN_COUNT] = {
    [NV_FN_MIN_OVER_TIME] = of_floats,
    [NV_FN_MAX_OVER_TIME] = of_floats,
    [NV_FN_TS_OF_MIN_OVER_TIME] = of_floats,
    [NV_FN_TS_OF_MAX_OVER_TIME] = of_floats,
    [NV_FN_STDDEV_OVER_TIME] = of_floats,
    [NV_FN_STDVAR_OVER_TIME] = of_floats,
    [NV_FN_QUANTILE_OVER_TIME] = of_floats,
    [NV_FN_MAD_OVER_TIME] = of_floats,
    [NV_FN_DERIV] = of_floats,
    [NV_FN_PREDICT_LINEAR] = of_floats,
    [NV_FN_DOUBLE_EXPONENTIAL_SMOOTHING] = of_floats,
    [NV_FN_SUM_OVER_TIME] = sum_or_mean,
    [NV_FN_AVG_OVER_TIME] = sum_or_mean,
    [NV_FN_COUNT_OVER_TIME] = count,
    [NV_FN_PRESENT_OVER_TIME] = count,
    [NV_FN_FIRST_OVER_TIME] = at_end,
    [NV_FN_LAST_OVER_TIME] = at_end,
    [NV_FN_TS_OF_FIRST_OVER_TIME] = at_end,
    [NV_FN_TS_OF_LAST_OVER_TIME] = at_end,
    [NV_FN_RATE] = nv_window_rate,
    [NV_FN_INCREASE] = nv_window_rate,
    [NV_FN_DELTA] = nv_window_rate,
    [NV_FN_IRATE] = nv_window_instant_rate,
    [NV_FN_IDELTA] = nv_window_instant_rate,
    [NV_FN_RESETS] = nv_window_steps,
    [NV_FN_CHANGES] = nv_window_steps,
};

nv_window_fn nv_window_function(enum nv_function_id id)
{
    return functions[id];
}
