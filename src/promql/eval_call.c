/*
 * eval_call.c - functions of instant vectors and scalars.
 */
#include <time.h>

#include "promql/eval_calls.h"

static double sign(double x)
{
    return x < 0 ? -1 : x > 0 ? 1 : x;
}

static double degrees(double x)
{
    return x * 180 / M_PI;
}

static double radians(double x)
{
    return x * M_PI / 180;
}

static double (*const maths[NV_FN_COUNT])(double) = {
    [NV_FN_ABS] = fabs,    [NV_FN_CEIL] = ceil,   [NV_FN_FLOOR] = floor, [NV_FN_EXP] = exp,
    [NV_FN_SQRT] = sqrt,   [NV_FN_LN] = log,      [NV_FN_LOG2] = log2,   [NV_FN_LOG10] = log10,
    [NV_FN_SGN] = sign,    [NV_FN_SIN] = sin,     [NV_FN_COS] = cos,     [NV_FN_TAN] = tan,
    [NV_FN_ASIN] = asin,   [NV_FN_ACOS] = acos,   [NV_FN_ATAN] = atan,   [NV_FN_SINH] = sinh,
    [NV_FN_COSH] = cosh,   [NV_FN_TANH] = tanh,   [NV_FN_ASINH] = asinh, [NV_FN_ACOSH] = acosh,
    [NV_FN_ATANH] = atanh, [NV_FN_DEG] = degrees, [NV_FN_RAD] = radians,
};

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static double calendar(enum nv_function_id id, double seconds)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct tm tm;

    if (!(fabs(seconds) < 6e16)) /* further than struct tm reaches */
        return NAN;
    time_t t = (time_t)seconds;
    if (!gmtime_r(&t, &tm))
        return NAN;
    switch (id) {
    case NV_FN_MINUTE:
        return tm.tm_min;
    case NV_FN_HOUR:
        return tm.tm_hour;
    case NV_FN_DAY_OF_WEEK:
        return tm.tm_wday;
    case NV_FN_DAY_OF_MONTH:
        return tm.tm_mday;
    case NV_FN_DAY_OF_YEAR:
        return tm.tm_yday + 1;
    case NV_FN_DAYS_IN_MONTH:
        return days[tm.tm_mon] + (tm.tm_mon == 1 && is_leap(tm.tm_year + 1900));
    case NV_FN_MONTH:
        return tm.tm_mon + 1;
    default:
        return tm.tm_year + 1900.0;
    }
}

static bool is_calendar(enum nv_function_id id)
{
    switch (id) {
    case NV_FN_MINUTE:
    case NV_FN_HOUR:
    case NV_FN_DAY_OF_WEEK:
    case NV_FN_DAY_OF_MONTH:
    case NV_FN_DAY_OF_YEAR:
    case NV_FN_DAYS_IN_MONTH:
    case NV_FN_MONTH:
    case NV_FN_YEAR:
        return true;
    default:
        return false;
    }
}

static double clamped(double x, double low, double high)
{
    if (isnan(x) || isnan(low) || isnan(high))
        return NAN;
    return fmax(low, fmin(high, x));
}

/* One element, by parameters of its step; false where it goes. */
static bool element(const struct nv_calling *c, size_t i, double x, double *ret)
{
    double a = c->scalars[0] ? c->scalars[0][i] : 1, b = c->scalars[1] ? c->scalars[1][i] : 0;

    if (maths[c->id])
        return *ret = maths[c->id](x), true;
    switch (c->id) {
    case NV_FN_ROUND:
        *ret = floor(x * (1 / a) + 0.5) / (1 / a);
        return true;
    case NV_FN_CLAMP:
        *ret = clamped(x, a, b);
        return !(a > b);
    case NV_FN_CLAMP_MIN:
        *ret = isnan(x) || isnan(a) ? NAN : fmax(a, x);
        return true;
    case NV_FN_CLAMP_MAX:
        *ret = isnan(x) || isnan(a) ? NAN : fmin(a, x);
        return true;
    default:
        *ret = calendar(c->id, x);
        return true;
    }
}

static int elements(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct nv_calling *c = user;

    for (size_t i = 0; i < c->grid->n; i++) {
        if (!nv_row_is_float(row, i) || !element(c, i, row->values[i], &row->values[i]))
            nv_row_clear(row, i);
    }
    int r = nv_row_drop_name(ev, row);
    return r < 0 ? r : c->fn(ev, row, c->user);
}

/* All elements become the time of their step. */
static int timestamps(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct nv_calling *c = user;

    for (size_t i = 0; i < c->grid->n; i++)
        if (nv_row_has(row, i))
            row->values[i] = (double)nv_grid_time(c->grid, i) / 1000;
    row->histograms = NULL;
    int r = nv_row_drop_name(ev, row);
    return r < 0 ? r : c->fn(ev, row, c->user);
}

static int drop_name(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct nv_calling *c = user;
    int r = nv_row_drop_name(ev, row);

    return r < 0 ? r : c->fn(ev, row, c->user);
}

static int timestamp(struct nv_eval *ev, struct nv_calling *c)
{
    const struct nv_expr *arg = nv_expr_inner(c->expr->call.args[0]);

    if (arg->kind == NV_EXPR_SELECTOR && (!arg->invariant || c->grid->n == 1))
        return nv_eval_selector(ev, arg, c->grid, NV_YIELD_TIMES, drop_name, c);
    return nv_eval_rows(ev, arg, c->grid, timestamps, c);
}

/* Of a selector only, and only where start times are in use. */
static int start_timestamp(struct nv_eval *ev, struct nv_calling *c)
{
    const struct nv_expr *arg = nv_expr_inner(c->expr->call.args[0]);

    if (arg->kind != NV_EXPR_SELECTOR || !(ev->options.features & NV_PROMQL_START_TIMES))
        return 0;
    return nv_eval_selector(ev, arg, c->grid, NV_YIELD_STARTS, drop_name, c);
}

static int note_presence(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct nv_calling *c = user;

    (void)ev;
    for (size_t i = 0; i < c->grid->n; i++)
        c->present[i] |= nv_row_has(row, i);
    return 0;
}

static int note_windows(struct nv_eval *ev, struct nv_ranged *call, const struct nv_window *all,
                        void *user)
{
    struct nv_calling *c = user;
    size_t f = 0, h = 0;
    int64_t from, to;

    (void)ev;
    for (size_t i = 0; i < c->grid->n; i++) {
        nv_range_of(call->source, c->grid, i, &from, &to);
        while (f < all->n && all->times[f] <= from)
            f++;
        while (h < all->n_histograms && all->histogram_times[h] <= from)
            h++;
        c->present[i] |= (f < all->n && all->times[f] <= to) ||
                         (h < all->n_histograms && all->histogram_times[h] <= to);
    }
    return 0;
}

/* Labels that a plain selector demands: named once, and by equality. */
static size_t labels_demanded(const struct nv_expr *arg, struct nv_label *out)
{
    const struct nv_selector *s = &arg->selector;
    size_t n = 0;

    if (arg->kind != NV_EXPR_SELECTOR)
        return 0;
    for (size_t i = 0; i < s->n_matchers; i++) {
        const struct nv_matcher *m = &s->matchers[i];
        unsigned times = 0;
        for (size_t k = 0; k < s->n_matchers; k++)
            times += nv_str_eq(m->name, s->matchers[k].name);
        if (times == 1 && m->op == NV_MATCH_EQUAL && !nv_str_is(m->name, "__name__"))
            n = nv_labels_set(out, n, m->name, m->value);
    }
    return n;
}

static int absent(struct nv_eval *ev, struct nv_calling *c)
{
    const struct nv_expr *arg = nv_expr_inner(c->expr->call.args[0]);
    struct nv_ranged call = {.expr = c->expr, .source = arg, .id = c->id};
    struct nv_row row;
    size_t n_labels = arg->kind == NV_EXPR_SELECTOR ? arg->selector.n_matchers + 1 : 1;
    struct nv_label *labels = nv_pool_alloc(c->pool, n_labels, sizeof(*labels));
    bool any = false;

    c->present = nv_pool_alloc(c->pool, c->grid->n, sizeof(bool));
    if (!c->present || !labels)
        return nv_eval_no_memory(ev);
    memset(c->present, 0, c->grid->n);
    int r = c->id == NV_FN_ABSENT ? nv_eval_rows(ev, arg, c->grid, note_presence, c)
                                  : nv_eval_source(ev, &call, c->grid, note_windows, c);
    if (r == 0)
        r = nv_row_new(ev, c->pool, c->grid->n, false, &row);
    if (r < 0)
        return r;
    row.n_labels = labels_demanded(arg, labels);
    row.labels = labels;
    for (size_t i = 0; i < c->grid->n; i++) {
        if (c->present[i])
            continue;
        row.values[i] = 1;
        any = true;
    }
    return any ? c->fn(ev, &row, c->user) : 0;
}

static int vector(struct nv_eval *ev, struct nv_calling *c)
{
    struct nv_row row;
    int r = nv_row_new(ev, c->pool, c->grid->n, false, &row);

    if (r < 0)
        return r;
    memcpy(row.values, c->scalars[0], c->grid->n * sizeof(double));
    return c->fn(ev, &row, c->user);
}

/* minute() and its like without an argument: of the time of evaluation. */
static int calendar_now(struct nv_eval *ev, struct nv_calling *c)
{
    struct nv_row row;
    int r = nv_row_new(ev, c->pool, c->grid->n, false, &row);

    for (size_t i = 0; r == 0 && i < c->grid->n; i++)
        row.values[i] = calendar(c->id, (double)nv_grid_time(c->grid, i) / 1000);
    return r < 0 ? r : c->fn(ev, &row, c->user);
}

/* Scalar arguments over the grid, and the first vector. */
static int arguments(struct nv_eval *ev, struct nv_calling *c)
{
    const struct nv_call *call = &c->expr->call;

    for (size_t i = 0; i < call->n; i++) {
        if (call->args[i]->type == NV_VALUE_VECTOR && !c->vector)
            c->vector = call->args[i];
        if (call->args[i]->type != NV_VALUE_SCALAR)
            continue;
        double *values = nv_pool_alloc(c->pool, c->grid->n, sizeof(double));
        if (!values)
            return nv_eval_no_memory(ev);
        int r = nv_eval_scalar(ev, call->args[i], c->grid, values);
        if (r < 0)
            return r;
        c->scalars[c->n_scalars++] = values;
    }
    return 0;
}

static int dispatch(struct nv_eval *ev, struct nv_calling *c)
{
    switch (c->id) {
    case NV_FN_VECTOR:
        return vector(ev, c);
    case NV_FN_ABSENT:
    case NV_FN_ABSENT_OVER_TIME:
        return absent(ev, c);
    case NV_FN_TIMESTAMP:
        return timestamp(ev, c);
    case NV_FN_START_TIMESTAMP:
        return start_timestamp(ev, c);
    case NV_FN_SORT:
    case NV_FN_SORT_DESC:
    case NV_FN_SORT_BY_LABEL:
    case NV_FN_SORT_BY_LABEL_DESC:
        return nv_call_sort(ev, c);
    case NV_FN_LABEL_REPLACE:
    case NV_FN_LABEL_JOIN:
        return nv_call_label(ev, c);
    case NV_FN_INFO:
        return nv_call_info(ev, c);
    case NV_FN_HISTOGRAM_AVG:
    case NV_FN_HISTOGRAM_COUNT:
    case NV_FN_HISTOGRAM_SUM:
    case NV_FN_HISTOGRAM_STDDEV:
    case NV_FN_HISTOGRAM_STDVAR:
        return nv_call_histogram(ev, c);
    case NV_FN_HISTOGRAM_QUANTILE:
    case NV_FN_HISTOGRAM_QUANTILES:
    case NV_FN_HISTOGRAM_FRACTION:
        return nv_call_quantile(ev, c);
    default:
        break;
    }
    if (is_calendar(c->id) && !c->vector)
        return calendar_now(ev, c);
    if (maths[c->id] || is_calendar(c->id) || c->id == NV_FN_ROUND || c->id == NV_FN_CLAMP ||
        c->id == NV_FN_CLAMP_MIN || c->id == NV_FN_CLAMP_MAX)
        return nv_eval_rows(ev, c->vector, c->grid, elements, c);
    return nv_eval_fail(ev, "function %s() is not supported yet", c->expr->call.function->name);
}

int nv_eval_call(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                 nv_row_fn fn, void *user)
{
    struct nv_pool pool;
    struct nv_calling c = {.expr = expr,
                           .id = expr->call.function->id,
                           .grid = grid,
                           .fn = fn,
                           .user = user,
                           .pool = &pool};

    if (nv_window_function(c.id))
        return nv_eval_ranged(ev, expr, grid, fn, user);
    nv_pool_open(ev, &pool);
    int r = arguments(ev, &c);
    if (r == 0)
        r = dispatch(ev, &c);
    nv_pool_close(ev, &pool);
    return r;
}

/* scalar(v): the value of the only float there is. */
struct only {
    double *values;
    uint8_t *n;
    size_t n_steps;
};

static int note_only(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct only *only = user;

    (void)ev;
    for (size_t i = 0; i < only->n_steps; i++) {
        if (!nv_row_is_float(row, i))
            continue;
        only->values[i] = only->n[i] ? NAN : row->values[i];
        only->n[i] = 1;
    }
    return 0;
}

static int scalar_of(struct nv_eval *ev, const struct nv_expr *arg, const struct nv_grid *grid,
                     double *ret)
{
    struct nv_pool pool;

    nv_pool_open(ev, &pool);
    struct only only = {ret, nv_pool_alloc(&pool, grid->n, 1), grid->n};
    for (size_t i = 0; i < grid->n; i++)
        ret[i] = NAN;
    if (only.n)
        memset(only.n, 0, grid->n);
    int r = only.n ? nv_eval_rows(ev, arg, grid, note_only, &only) : nv_eval_no_memory(ev);
    nv_pool_close(ev, &pool);
    return r;
}

int nv_eval_scalar_call(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                        double *ret)
{
    const struct nv_call *call = &expr->call;
    struct nv_pool pool;
    bool is_min = call->function->id == NV_FN_MIN_OF;

    switch (call->function->id) {
    case NV_FN_TIME:
        for (size_t i = 0; i < grid->n; i++)
            ret[i] = (double)nv_grid_time(grid, i) / 1000;
        return 0;
    case NV_FN_PI:
        for (size_t i = 0; i < grid->n; i++)
            ret[i] = M_PI;
        return 0;
    case NV_FN_SCALAR:
        return scalar_of(ev, call->args[0], grid, ret);
    default:
        break;
    }
    nv_pool_open(ev, &pool);
    double *other = nv_pool_alloc(&pool, grid->n, sizeof(double));
    int r = other ? nv_eval_scalar(ev, call->args[0], grid, ret) : nv_eval_no_memory(ev);
    if (r == 0)
        r = nv_eval_scalar(ev, call->args[1], grid, other);
    for (size_t i = 0; r == 0 && i < grid->n; i++) {
        bool nan = isnan(ret[i]) || isnan(other[i]);
        ret[i] = nan ? NAN : is_min ? fmin(ret[i], other[i]) : fmax(ret[i], other[i]);
    }
    nv_pool_close(ev, &pool);
    return r;
}
