#include "support/promql_slow_parts.h"

#include <errno.h>
#include <math.h>

#include "base/assert.h"
#include "promql/function.h"

enum { LOOKBACK_MS = 300000, INTERVAL_MS = 60000 };

/* ---- labels ---------------------------------------------------------------------------------- */

static bool listed(const struct nv_label_names *names, struct nv_str name)
{
    for (size_t i = 0; i < names->n; i++)
        if (nv_str_eq(names->at[i], name))
            return true;
    return false;
}

/* A copy with, or without, the labels listed. */
struct nv_slow_sample nv_slow_filtered(const struct slow *s, const struct nv_slow_sample *from,
                                       const struct nv_label_names *names, bool keep)
{
    struct nv_slow_sample out = {.value = from->value};

    out.labels = nv_must(nv_arena_alloc(s->arena, (from->n_labels + 1) * sizeof(*out.labels)));
    for (size_t i = 0; i < from->n_labels; i++)
        if (listed(names, from->labels[i].name) == keep)
            out.labels[out.n_labels++] = from->labels[i];
    return out;
}

struct nv_slow_sample nv_slow_unnamed(const struct slow *s, const struct nv_slow_sample *from)
{
    struct nv_str name = NV_LIT("__name__");

    return nv_slow_filtered(s, from, &(struct nv_label_names){&name, 1}, false);
}

bool nv_slow_same_labels(const struct nv_slow_sample *a, const struct nv_slow_sample *b)
{
    return a->n_labels == b->n_labels &&
           nv_labels_compare(a->labels, a->n_labels, b->labels, b->n_labels) == 0;
}

int nv_slow_unique(const struct nv_slow_vector *v)
{
    for (size_t i = 0; i < v->n; i++)
        for (size_t k = 0; k < i; k++)
            if (nv_slow_same_labels(&v->at[i], &v->at[k]))
                return -EINVAL;
    return 0;
}

static void set_label(const struct slow *s, struct nv_slow_sample *to, struct nv_str name,
                      struct nv_str value)
{
    struct nv_slow_sample out = nv_slow_filtered(s, to, &(struct nv_label_names){&name, 1}, false);
    size_t at = 0;

    while (at < out.n_labels && nv_str_cmp(out.labels[at].name, name) < 0)
        at++;
    if (value.n) {
        memmove(out.labels + at + 1, out.labels + at, (out.n_labels - at) * sizeof(*out.labels));
        out.labels[at] = (struct nv_label){name, nv_arena_str(s->arena, value)};
        out.n_labels++;
    }
    *to = out;
}

/* ---- selectors -------------------------------------------------------------------------------- */

static int64_t time_of(const struct slow *s, const struct nv_when *when)
{
    return (when->at == NV_AT_TIME ? when->at_ms : s->at) - when->offset.ms;
}

/* All samples in [from, to], markers among them. */
static int gather(const struct slow *s, const struct nv_selector *selector, int64_t from,
                  int64_t to, struct ranges *ret)
{
    struct nv_selection selection;
    struct nv_samples samples = {0};
    int r = s->queryable->select(s->queryable->store, selector->matchers, selector->n_matchers,
                                 from, to, 0, &selection);

    *ret = (struct ranges){0};
    for (size_t i = 0; r == 0 && i < selection.n; i++) {
        nv_samples_reset(&samples);
        r = selection.from->read(&selection, i, &samples);
        if (r < 0)
            break;
        struct range range = {.n_labels = selection.series[i].n_labels, .n = samples.n};
        size_t bytes = samples.n * sizeof(double);
        range.labels =
            nv_must(nv_arena_alloc(s->arena, (range.n_labels + 1) * sizeof(struct nv_label)));
        memcpy(range.labels, selection.series[i].labels, range.n_labels * sizeof(struct nv_label));
        range.times = nv_must(nv_arena_alloc(s->arena, bytes + 8));
        range.values = nv_must(nv_arena_alloc(s->arena, bytes + 8));
        if (samples.n) {
            memcpy(range.times, samples.times, bytes);
            memcpy(range.values, samples.values, bytes);
        }
        if (samples.histograms)
            r = -ENOTSUP;
        GROW(s, ret, range);
    }
    nv_samples_done(&samples);
    s->queryable->release(&selection);
    return r;
}

/* `times`: the samples' times instead of their values. */
int nv_slow_instant(const struct slow *s, const struct nv_selector *selector, bool times,
                    struct nv_slow_vector *ret)
{
    int64_t at = time_of(s, &selector->when);
    struct ranges all;
    int r = gather(s, selector, at - LOOKBACK_MS + 1, at, &all);

    for (size_t i = 0; r == 0 && i < all.n; i++) {
        const struct range *range = &all.at[i];
        if (!range->n || nv_is_stale(range->values[range->n - 1]))
            continue;
        struct nv_slow_sample sample = {range->labels, range->n_labels,
                                        times ? (double)range->times[range->n - 1] / 1000
                                              : range->values[range->n - 1]};
        GROW(s, ret, sample);
    }
    return r;
}

static void without_markers(struct ranges *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct range *range = &all->at[i];
        size_t n = 0;
        for (size_t k = 0; k < range->n; k++) {
            if (nv_is_stale(range->values[k]))
                continue;
            range->times[n] = range->times[k];
            range->values[n++] = range->values[k];
        }
        range->n = n;
    }
}

static void add_point(const struct slow *s, struct ranges *all, const struct nv_slow_sample *sample,
                      int64_t time, size_t most)
{
    struct range *found = NULL;

    for (size_t i = 0; i < all->n && !found; i++) {
        struct nv_slow_sample other = {all->at[i].labels, all->at[i].n_labels, 0};
        if (nv_slow_same_labels(&other, sample))
            found = &all->at[i];
    }
    if (!found) {
        struct range range = {.labels = sample->labels, .n_labels = sample->n_labels};
        range.times = nv_must(nv_arena_alloc(s->arena, most * sizeof(int64_t)));
        range.values = nv_must(nv_arena_alloc(s->arena, most * sizeof(double)));
        GROW(s, all, range);
        found = &all->at[all->n - 1];
    }
    found->times[found->n] = time;
    found->values[found->n++] = sample->value;
}

/* The expression at every multiple of the step in (from, to]. */
static int subquery(const struct slow *s, const struct nv_subquery *q, int64_t from, int64_t to,
                    struct ranges *ret)
{
    int64_t step = q->has_step ? q->step.ms : INTERVAL_MS, first = from / step * step;
    size_t most = (size_t)((to - from) / step) + 2;

    *ret = (struct ranges){0};
    while (first <= from)
        first += step;
    for (int64_t t = first; t <= to; t += step) {
        struct slow inner = {s->queryable, s->arena, t};
        struct nv_slow_vector v = {0};
        int r = nv_slow_vector_of(&inner, q->expr, &v);
        if (r < 0)
            return r;
        for (size_t i = 0; i < v.n; i++)
            add_point(s, ret, &v.at[i], t, most);
    }
    return 0;
}

/* The series of a range vector, and the window (*from, *to]. */
static int window(const struct slow *s, const struct nv_expr *e, struct ranges *ret, int64_t *from,
                  int64_t *to)
{
    while (e->kind == NV_EXPR_PAREN)
        e = e->paren;
    bool plain = e->kind == NV_EXPR_SELECTOR;
    *to = time_of(s, plain ? &e->selector.when : &e->subquery.when);
    *from = *to - (plain ? e->selector.range.ms : e->subquery.range.ms);
    int r = plain ? gather(s, &e->selector, *from + 1, *to, ret)
                  : subquery(s, &e->subquery, *from, *to, ret);
    if (r == 0)
        without_markers(ret);
    return r;
}

/* ---- functions of ranges ---------------------------------------------------------------------- */

double nv_slow_total(const double *values, size_t n)
{
    long double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return (double)sum;
}

double nv_slow_squares(const double *values, size_t n)
{
    long double mean = (long double)nv_slow_total(values, n) / n, sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return (double)(sum / n);
}

double nv_slow_most(const double *values, size_t n, int sign)
{
    double best = values[0];

    for (size_t i = 1; i < n; i++)
        if (isnan(best) || sign * values[i] > sign * best)
            best = values[i];
    return best;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    if (isnan(x) || isnan(y))
        return !isnan(x) - !isnan(y);
    return (x > y) - (x < y);
}

double nv_slow_quantile(const struct slow *s, double q, const double *values, size_t n)
{
    double *sorted = nv_must(nv_arena_alloc(s->arena, n * sizeof(double)));

    memcpy(sorted, values, n * sizeof(double));
    qsort(sorted, n, sizeof(double), ascending);
    double rank = q * (double)(n - 1), low = floor(rank), weight = rank - low;
    size_t i = (size_t)low;
    return sorted[i] * (1 - weight) + sorted[i + 1 < n ? i + 1 : n - 1] * weight;
}

static bool rate(enum nv_function_id id, const struct range *w, int64_t from, int64_t to,
                 double *ret)
{
    bool counter = id != NV_FN_DELTA;
    size_t n = w->n;

    if (n < 2)
        return false;
    double d = w->values[n - 1] - w->values[0];
    for (size_t i = 1; counter && i < n; i++)
        if (w->values[i] < w->values[i - 1])
            d += w->values[i - 1];
    double span = (double)(w->times[n - 1] - w->times[0]) / 1000, average = span / (double)(n - 1);
    double before = (double)(w->times[0] - from) / 1000,
           after = (double)(to - w->times[n - 1]) / 1000;
    if (before >= average * 1.1)
        before = average / 2;
    if (counter && d > 0 && w->values[0] >= 0 && span * (w->values[0] / d) < before)
        before = span * (w->values[0] / d);
    if (after >= average * 1.1)
        after = average / 2;
    *ret = d * ((span + before + after) / span);
    if (id == NV_FN_RATE)
        *ret /= (double)(to - from) / 1000;
    return true;
}

/* Of the last two. */
static bool instant_rate(enum nv_function_id id, const struct range *w, double *ret)
{
    size_t n = w->n;

    if (n < 2)
        return false;
    double a = w->values[n - 2], b = w->values[n - 1];
    if (id == NV_FN_IDELTA)
        *ret = b - a;
    else
        *ret = (b < a ? b : b - a) / ((double)(w->times[n - 1] - w->times[n - 2]) / 1000);
    return true;
}

static double steps(enum nv_function_id id, const struct range *w)
{
    double n = 0;

    for (size_t i = 1; i < w->n; i++) {
        double a = w->values[i - 1], b = w->values[i];
        n += id == NV_FN_RESETS ? b < a : a != b && !(isnan(a) && isnan(b));
    }
    return n;
}

static bool line(const struct range *w, int64_t origin, double *slope, double *at_origin)
{
    long double n = w->n, x = 0, y = 0, xy = 0, xx = 0;
    bool constant = true;

    if (w->n < 2)
        return false;
    for (size_t i = 0; i < w->n; i++) {
        long double t = (long double)(w->times[i] - origin) / 1000;
        constant = constant && w->values[i] == w->values[0];
        x += t;
        y += w->values[i];
        xy += t * w->values[i];
        xx += t * t;
    }
    if (constant) {
        *slope = isinf(w->values[0]) ? NAN : 0;
        *at_origin = isinf(w->values[0]) ? NAN : w->values[0];
        return true;
    }
    long double m = (xy - x * y / n) / (xx - x * x / n);
    *slope = (double)m;
    *at_origin = (double)(y / n - m * x / n);
    return true;
}

/* False where the window does not suffice. */
static bool reduce(const struct slow *s, const struct nv_call *call, const struct range *w,
                   int64_t from, int64_t to, double parameter, double *ret)
{
    enum nv_function_id id = call->function->id;
    double slope;

    switch (id) {
    case NV_FN_RATE:
    case NV_FN_INCREASE:
    case NV_FN_DELTA:
        return rate(id, w, from, to, ret);
    case NV_FN_IRATE:
    case NV_FN_IDELTA:
        return instant_rate(id, w, ret);
    case NV_FN_RESETS:
    case NV_FN_CHANGES:
        return *ret = steps(id, w), true;
    case NV_FN_SUM_OVER_TIME:
        return *ret = nv_slow_total(w->values, w->n), true;
    case NV_FN_AVG_OVER_TIME:
        return *ret = nv_slow_total(w->values, w->n) / (double)w->n, true;
    case NV_FN_MIN_OVER_TIME:
        return *ret = nv_slow_most(w->values, w->n, -1), true;
    case NV_FN_MAX_OVER_TIME:
        return *ret = nv_slow_most(w->values, w->n, 1), true;
    case NV_FN_COUNT_OVER_TIME:
        return *ret = (double)w->n, true;
    case NV_FN_PRESENT_OVER_TIME:
        return *ret = 1, true;
    case NV_FN_LAST_OVER_TIME:
        return *ret = w->values[w->n - 1], true;
    case NV_FN_FIRST_OVER_TIME:
        return *ret = w->values[0], true;
    case NV_FN_STDDEV_OVER_TIME:
        return *ret = sqrt(nv_slow_squares(w->values, w->n)), true;
    case NV_FN_STDVAR_OVER_TIME:
        return *ret = nv_slow_squares(w->values, w->n), true;
    case NV_FN_QUANTILE_OVER_TIME:
        return *ret = nv_slow_quantile(s, parameter, w->values, w->n), true;
    case NV_FN_DERIV:
        return line(w, w->times[0], ret, &slope);
    default: /* predict_linear() */
        if (!line(w, s->at, &slope, ret))
            return false;
        *ret = slope * parameter + *ret;
        return true;
    }
}

static bool is_known(enum nv_function_id id)
{
    static const uint8_t known[] = {
        NV_FN_RATE,
        NV_FN_INCREASE,
        NV_FN_DELTA,
        NV_FN_IRATE,
        NV_FN_IDELTA,
        NV_FN_RESETS,
        NV_FN_CHANGES,
        NV_FN_SUM_OVER_TIME,
        NV_FN_AVG_OVER_TIME,
        NV_FN_MIN_OVER_TIME,
        NV_FN_MAX_OVER_TIME,
        NV_FN_COUNT_OVER_TIME,
        NV_FN_LAST_OVER_TIME,
        NV_FN_PRESENT_OVER_TIME,
        NV_FN_FIRST_OVER_TIME,
        NV_FN_STDDEV_OVER_TIME,
        NV_FN_STDVAR_OVER_TIME,
        NV_FN_QUANTILE_OVER_TIME,
        NV_FN_DERIV,
        NV_FN_PREDICT_LINEAR,
    };
    return memchr(known, (int)id, sizeof(known));
}

static int ranged(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret)
{
    const struct nv_call *call = &e->call;
    enum nv_function_id id = call->function->id;
    struct ranges all;
    int64_t from, to;
    double parameter = 0;
    size_t m = call->args[0]->type == NV_VALUE_MATRIX ? 0 : 1;
    int r = window(s, call->args[m], &all, &from, &to);

    if (!is_known(id))
        return -ENOTSUP;
    if (r == 0 && call->n == 2)
        r = nv_slow_scalar_of(s, call->args[1 - m], &parameter);
    for (size_t i = 0; r == 0 && i < all.n; i++) {
        struct nv_slow_sample sample = {all.at[i].labels, all.at[i].n_labels, 0};
        if (!all.at[i].n || !reduce(s, call, &all.at[i], from, to, parameter, &sample.value))
            continue;
        if (id != NV_FN_LAST_OVER_TIME && id != NV_FN_FIRST_OVER_TIME)
            sample = nv_slow_unnamed(s, &sample);
        GROW(s, ret, sample);
    }
    return r < 0 ? r : nv_slow_unique(ret);
}

/* ---- functions of vectors --------------------------------------------------------------------- */

static bool apply(enum nv_function_id id, double x, double parameter, double *ret)
{
    switch (id) {
    case NV_FN_ABS:
        return *ret = fabs(x), true;
    case NV_FN_CEIL:
        return *ret = ceil(x), true;
    case NV_FN_FLOOR:
        return *ret = floor(x), true;
    case NV_FN_EXP:
        return *ret = exp(x), true;
    case NV_FN_SQRT:
        return *ret = sqrt(x), true;
    case NV_FN_LN:
        return *ret = log(x), true;
    case NV_FN_DEG:
        return *ret = x * 180 / M_PI, true;
    case NV_FN_SGN:
        return *ret = x < 0 ? -1 : x > 0 ? 1 : x, true;
    case NV_FN_HOUR:
        *ret = fabs(x) < 1e15 ? fmod(floor(trunc(x) / 3600), 24) : NAN;
        *ret += *ret < 0 ? 24 : 0;
        return fabs(x) < 1e15 || isnan(x) || isinf(x);
    case NV_FN_CLAMP_MAX:
        return *ret = isnan(x) ? x : fmin(x, parameter), true;
    default:
        return false;
    }
}

static int replace_labels(const struct slow *s, const struct nv_call *call,
                          struct nv_slow_vector *v)
{
    struct nv_str to = call->args[1]->string, text = call->args[2]->string,
                  from = call->args[3]->string, pattern = call->args[4]->string, groups[8];
    char error[NV_REGEX_ERROR_MAX];
    struct nv_regex *regex;

    nv_assert(nv_regex_new(pattern, NV_REGEX_ANCHORED, &regex, error) == 0);
    for (size_t i = 0; i < v->n; i++) {
        NV_AUTO_BUF out = NV_BUF(4096);
        struct nv_str value = nv_label_value(v->at[i].labels, v->at[i].n_labels, from);
        size_t n = nv_regex_groups(regex, value, groups, 8);
        if (!n)
            continue;
        nv_regex_expand(regex, text, groups, n, &out);
        set_label(s, &v->at[i], to, nv_buf_view(&out));
    }
    nv_regex_free(regex);
    return nv_slow_unique(v);
}

static int absent(const struct slow *s, const struct nv_expr *e, bool there,
                  struct nv_slow_vector *ret)
{
    const struct nv_expr *arg = e->call.args[0];
    struct nv_slow_sample sample = {nv_must(nv_arena_alloc(s->arena, 16)), 0, 1};

    if (there)
        return 0;
    while (arg->kind == NV_EXPR_PAREN)
        arg = arg->paren;
    for (size_t i = 0; arg->kind == NV_EXPR_SELECTOR && i < arg->selector.n_matchers; i++) {
        const struct nv_matcher *m = &arg->selector.matchers[i];
        if (m->op == NV_MATCH_EQUAL && !nv_str_is(m->name, "__name__"))
            set_label(s, &sample, m->name, m->value);
    }
    GROW(s, ret, sample);
    return 0;
}

static int absent_over_time(const struct slow *s, const struct nv_expr *e,
                            struct nv_slow_vector *ret)
{
    struct ranges all;
    int64_t from, to;
    bool there = false;
    int r = window(s, e->call.args[0], &all, &from, &to);

    for (size_t i = 0; r == 0 && i < all.n; i++)
        there |= all.at[i].n > 0;
    return r < 0 ? r : absent(s, e, there, ret);
}

int nv_slow_call_of(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret)
{
    const struct nv_call *call = &e->call;
    enum nv_function_id id = call->function->id;
    struct nv_slow_vector v = {0};
    double parameter = 0;
    int r;

    if (id == NV_FN_ABSENT_OVER_TIME)
        return absent_over_time(s, e, ret);
    for (size_t i = 0; i < call->n; i++)
        if (call->args[i]->type == NV_VALUE_MATRIX)
            return ranged(s, e, ret);
    if (id == NV_FN_VECTOR) {
        struct nv_slow_sample sample = {NULL, 0, 0};
        r = nv_slow_scalar_of(s, call->args[0], &sample.value);
        GROW(s, ret, sample);
        return r;
    }
    const struct nv_expr *arg = call->n ? call->args[0] : NULL;
    while (arg && arg->kind == NV_EXPR_PAREN)
        arg = arg->paren;
    if (!arg || arg->type != NV_VALUE_VECTOR)
        return -ENOTSUP;
    if (id == NV_FN_TIMESTAMP && arg->kind == NV_EXPR_SELECTOR)
        r = nv_slow_instant(s, &arg->selector, true, &v);
    else
        r = nv_slow_vector_of(s, arg, &v);
    if (r == 0 && id == NV_FN_ABSENT)
        return absent(s, e, v.n > 0, ret);
    if (r == 0 && id == NV_FN_LABEL_REPLACE) {
        *ret = v;
        return replace_labels(s, call, ret);
    }
    if (r == 0 && call->n == 2)
        r = nv_slow_scalar_of(s, call->args[1], &parameter);
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        struct nv_slow_sample sample = nv_slow_unnamed(s, &v.at[i]);
        if (id == NV_FN_TIMESTAMP)
            sample.value = arg->kind == NV_EXPR_SELECTOR ? v.at[i].value : (double)s->at / 1000;
        else if (!apply(id, v.at[i].value, parameter, &sample.value))
            r = -ENOTSUP;
        GROW(s, ret, sample);
    }
    return r < 0 ? r : nv_slow_unique(ret);
}
