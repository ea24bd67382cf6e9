#include "support/promql_slow.h"

#include <errno.h>
#include <math.h>

#include "base/assert.h"
#include "promql/function.h"

enum { LOOKBACK_MS = 300000, INTERVAL_MS = 60000 };

struct slow {
    const struct nv_queryable *queryable;
    struct nv_arena *arena;
    int64_t at;
};

/* A series within a window. */
struct range {
    struct nv_label *labels;
    size_t n_labels, n, room;
    int64_t *times;
    double *values;
};

struct ranges {
    struct range *at;
    size_t n, room;
};

static int vector_of(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret);
static int scalar_of(const struct slow *s, const struct nv_expr *e, double *ret);

#define GROW(s, list, item)                                                                        \
    do {                                                                                           \
        if ((list)->n == (list)->room) {                                                           \
            size_t room_ = (list)->room ? (list)->room * 2 : 8;                                    \
            void *more_ = nv_must(nv_arena_alloc((s)->arena, room_ * sizeof(*(list)->at)));        \
            if ((list)->n)                                                                         \
                memcpy(more_, (list)->at, (list)->n * sizeof(*(list)->at));                        \
            (list)->at = more_;                                                                    \
            (list)->room = room_;                                                                  \
        }                                                                                          \
        (list)->at[(list)->n++] = (item);                                                          \
    } while (0)

/* ---- labels ---------------------------------------------------------------------------------- */

static bool listed(const struct nv_label_names *names, struct nv_str name)
{
    for (size_t i = 0; i < names->n; i++)
        if (nv_str_eq(names->at[i], name))
            return true;
    return false;
}

/* A copy with, or without, the labels listed. */
static struct nv_slow_sample filtered(const struct slow *s, const struct nv_slow_sample *from,
                                      const struct nv_label_names *names, bool keep)
{
    struct nv_slow_sample out = {.value = from->value};

    out.labels = nv_must(nv_arena_alloc(s->arena, (from->n_labels + 1) * sizeof(*out.labels)));
    for (size_t i = 0; i < from->n_labels; i++)
        if (listed(names, from->labels[i].name) == keep)
            out.labels[out.n_labels++] = from->labels[i];
    return out;
}

static struct nv_slow_sample unnamed(const struct slow *s, const struct nv_slow_sample *from)
{
    struct nv_str name = NV_LIT("__name__");

    return filtered(s, from, &(struct nv_label_names){&name, 1}, false);
}

static bool same_labels(const struct nv_slow_sample *a, const struct nv_slow_sample *b)
{
    return a->n_labels == b->n_labels &&
           nv_labels_compare(a->labels, a->n_labels, b->labels, b->n_labels) == 0;
}

static int unique(const struct nv_slow_vector *v)
{
    for (size_t i = 0; i < v->n; i++)
        for (size_t k = 0; k < i; k++)
            if (same_labels(&v->at[i], &v->at[k]))
                return -EINVAL;
    return 0;
}

static void set_label(const struct slow *s, struct nv_slow_sample *to, struct nv_str name,
                      struct nv_str value)
{
    struct nv_slow_sample out = filtered(s, to, &(struct nv_label_names){&name, 1}, false);
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
static int instant(const struct slow *s, const struct nv_selector *selector, bool times,
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
        if (same_labels(&other, sample))
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
        int r = vector_of(&inner, q->expr, &v);
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

static double total(const double *values, size_t n)
{
    long double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return (double)sum;
}

static double squares(const double *values, size_t n)
{
    long double mean = (long double)total(values, n) / n, sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return (double)(sum / n);
}

static double most(const double *values, size_t n, int sign)
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

static double quantile(const struct slow *s, double q, const double *values, size_t n)
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
        return *ret = total(w->values, w->n), true;
    case NV_FN_AVG_OVER_TIME:
        return *ret = total(w->values, w->n) / (double)w->n, true;
    case NV_FN_MIN_OVER_TIME:
        return *ret = most(w->values, w->n, -1), true;
    case NV_FN_MAX_OVER_TIME:
        return *ret = most(w->values, w->n, 1), true;
    case NV_FN_COUNT_OVER_TIME:
        return *ret = (double)w->n, true;
    case NV_FN_PRESENT_OVER_TIME:
        return *ret = 1, true;
    case NV_FN_LAST_OVER_TIME:
        return *ret = w->values[w->n - 1], true;
    case NV_FN_FIRST_OVER_TIME:
        return *ret = w->values[0], true;
    case NV_FN_STDDEV_OVER_TIME:
        return *ret = sqrt(squares(w->values, w->n)), true;
    case NV_FN_STDVAR_OVER_TIME:
        return *ret = squares(w->values, w->n), true;
    case NV_FN_QUANTILE_OVER_TIME:
        return *ret = quantile(s, parameter, w->values, w->n), true;
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
        r = scalar_of(s, call->args[1 - m], &parameter);
    for (size_t i = 0; r == 0 && i < all.n; i++) {
        struct nv_slow_sample sample = {all.at[i].labels, all.at[i].n_labels, 0};
        if (!all.at[i].n || !reduce(s, call, &all.at[i], from, to, parameter, &sample.value))
            continue;
        if (id != NV_FN_LAST_OVER_TIME && id != NV_FN_FIRST_OVER_TIME)
            sample = unnamed(s, &sample);
        GROW(s, ret, sample);
    }
    return r < 0 ? r : unique(ret);
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
    return unique(v);
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

static int call_of(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret)
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
        r = scalar_of(s, call->args[0], &sample.value);
        GROW(s, ret, sample);
        return r;
    }
    const struct nv_expr *arg = call->n ? call->args[0] : NULL;
    while (arg && arg->kind == NV_EXPR_PAREN)
        arg = arg->paren;
    if (!arg || arg->type != NV_VALUE_VECTOR)
        return -ENOTSUP;
    if (id == NV_FN_TIMESTAMP && arg->kind == NV_EXPR_SELECTOR)
        r = instant(s, &arg->selector, true, &v);
    else
        r = vector_of(s, arg, &v);
    if (r == 0 && id == NV_FN_ABSENT)
        return absent(s, e, v.n > 0, ret);
    if (r == 0 && id == NV_FN_LABEL_REPLACE) {
        *ret = v;
        return replace_labels(s, call, ret);
    }
    if (r == 0 && call->n == 2)
        r = scalar_of(s, call->args[1], &parameter);
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        struct nv_slow_sample sample = unnamed(s, &v.at[i]);
        if (id == NV_FN_TIMESTAMP)
            sample.value = arg->kind == NV_EXPR_SELECTOR ? v.at[i].value : (double)s->at / 1000;
        else if (!apply(id, v.at[i].value, parameter, &sample.value))
            r = -ENOTSUP;
        GROW(s, ret, sample);
    }
    return r < 0 ? r : unique(ret);
}

/* ---- aggregation ------------------------------------------------------------------------------ */

static double aggregate(const struct slow *s, enum nv_aggregator what, double parameter,
                        const double *values, size_t n)
{
    switch (what) {
    case NV_AGG_SUM:
        return total(values, n);
    case NV_AGG_AVG:
        return total(values, n) / (double)n;
    case NV_AGG_COUNT:
        return (double)n;
    case NV_AGG_GROUP:
        return 1;
    case NV_AGG_MIN:
        return most(values, n, -1);
    case NV_AGG_MAX:
        return most(values, n, 1);
    case NV_AGG_STDDEV:
        return sqrt(squares(values, n));
    case NV_AGG_STDVAR:
        return squares(values, n);
    default:
        return quantile(s, parameter, values, n);
    }
}

/* Whether an element is among the first k of its group; `by`: for topk, bottomk, or as they come. */
static bool is_chosen(const struct nv_slow_vector *v, const struct nv_slow_vector *groups, size_t i,
                      enum nv_aggregator what, double k)
{
    double before = 0, sign = what == NV_AGG_TOPK ? 1 : -1;

    for (size_t j = 0; j < v->n; j++) {
        double x = sign * v->at[i].value, y = sign * v->at[j].value;
        if (j == i || !same_labels(&groups->at[i], &groups->at[j]))
            continue;
        bool first = what == NV_AGG_LIMITK  ? j < i
                     : isnan(x) != isnan(y) ? isnan(x)
                     : isnan(x) || x == y   ? j < i
                                            : y > x;
        before += first;
    }
    return before + 1 <= k;
}

static int aggregation(const struct slow *s, const struct nv_aggregation *a,
                       struct nv_slow_vector *ret)
{
    struct nv_slow_vector v = {0}, groups = {0};
    struct nv_str name = NV_LIT("__name__");
    double parameter = 0;
    int r = vector_of(s, a->expr, &v);

    if (r == 0 && a->parameter)
        r = scalar_of(s, a->parameter, &parameter);
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        struct nv_slow_sample group = filtered(s, &v.at[i], &a->labels, !a->without);
        if (a->without)
            group = filtered(s, &group, &(struct nv_label_names){&name, 1}, false);
        GROW(s, &groups, group);
    }
    bool chooses = a->aggregator == NV_AGG_TOPK || a->aggregator == NV_AGG_BOTTOMK ||
                   a->aggregator == NV_AGG_LIMITK;
    double *values = nv_must(nv_arena_alloc(s->arena, (v.n + 1) * sizeof(double)));
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        size_t n = 0;
        bool first = true;
        if (chooses) {
            if (is_chosen(&v, &groups, i, a->aggregator, parameter))
                GROW(s, ret, v.at[i]);
            continue;
        }
        for (size_t k = 0; k < v.n; k++) {
            if (!same_labels(&groups.at[i], &groups.at[k]))
                continue;
            first &= k >= i;
            values[n++] = v.at[k].value;
        }
        struct nv_slow_sample sample = groups.at[i];
        sample.value = aggregate(s, a->aggregator, parameter, values, n);
        if (first)
            GROW(s, ret, sample);
    }
    return r;
}

/* ---- operators -------------------------------------------------------------------------------- */

static double operate(enum nv_op op, double a, double b)
{
    switch (op) {
    case NV_OP_ADD:
        return a + b;
    case NV_OP_SUB:
        return a - b;
    case NV_OP_MUL:
        return a * b;
    case NV_OP_DIV:
        return a / b;
    case NV_OP_MOD:
        return fmod(a, b);
    case NV_OP_POW:
        return pow(a, b);
    case NV_OP_EQ:
        return a == b;
    case NV_OP_NE:
        return a != b;
    case NV_OP_LT:
        return a < b;
    case NV_OP_LE:
        return a <= b;
    case NV_OP_GT:
        return a > b;
    default:
        return a >= b;
    }
}

/* What two values give: false where a comparison does not hold. `kept`: what is left of one that does. */
static bool judge(const struct nv_binary *b, double x, double y, double kept, double *ret)
{
    double value = operate(b->op, x, y);

    *ret = nv_op_is_comparison(b->op) && !b->return_bool ? kept : value;
    return !nv_op_is_comparison(b->op) || b->return_bool || value;
}

static int with_scalar(const struct slow *s, const struct nv_binary *b, struct nv_slow_vector *ret)
{
    bool left = b->left->type == NV_VALUE_SCALAR;
    struct nv_slow_vector v = {0};
    double k;
    int r = scalar_of(s, left ? b->left : b->right, &k);

    if (r == 0)
        r = vector_of(s, left ? b->right : b->left, &v);
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        double x = v.at[i].value, value;
        struct nv_slow_sample sample = v.at[i];
        if (!judge(b, left ? k : x, left ? x : k, x, &value))
            continue;
        if (!nv_op_is_comparison(b->op) || b->return_bool)
            sample = unnamed(s, &sample);
        sample.value = value;
        GROW(s, ret, sample);
    }
    return r < 0 ? r : unique(ret);
}

static struct nv_slow_sample signature(const struct slow *s, const struct nv_binary *b,
                                       const struct nv_slow_sample *from)
{
    struct nv_slow_sample out = filtered(s, from, &b->labels, b->on);

    return b->on ? out : unnamed(s, &out);
}

static int sets(const struct slow *s, const struct nv_binary *b, const struct nv_slow_vector *left,
                const struct nv_slow_vector *right, struct nv_slow_vector *ret)
{
    const struct nv_slow_vector *from = b->op == NV_OP_OR ? right : left,
                                *other = b->op == NV_OP_OR ? left : right;

    for (size_t i = 0; b->op == NV_OP_OR && i < left->n; i++)
        GROW(s, ret, left->at[i]);
    for (size_t i = 0; i < from->n; i++) {
        struct nv_slow_sample own = signature(s, b, &from->at[i]);
        bool found = false;
        for (size_t k = 0; k < other->n; k++) {
            struct nv_slow_sample its = signature(s, b, &other->at[k]);
            found |= same_labels(&own, &its);
        }
        if (found == (b->op == NV_OP_AND))
            GROW(s, ret, from->at[i]);
    }
    return 0;
}

/* The only one of a side with a signature: NULL for none, *r for two. */
static const struct nv_slow_sample *partner(const struct slow *s, const struct nv_binary *b,
                                            const struct nv_slow_vector *side,
                                            const struct nv_slow_sample *own, int *r)
{
    const struct nv_slow_sample *found = NULL;

    for (size_t k = 0; k < side->n; k++) {
        struct nv_slow_sample its = signature(s, b, &side->at[k]);
        if (!same_labels(own, &its))
            continue;
        if (found)
            *r = -EINVAL;
        found = &side->at[k];
    }
    return found;
}

static int pairs(const struct slow *s, const struct nv_binary *b, const struct nv_slow_vector *left,
                 const struct nv_slow_vector *right, struct nv_slow_vector *ret)
{
    bool one_left = b->card == NV_CARD_ONE_TO_MANY, grouped = b->card != NV_CARD_ONE_TO_ONE;
    const struct nv_slow_vector *many = one_left ? right : left, *one = one_left ? left : right;
    struct nv_slow_vector made = {0};
    int r = 0;

    if (!one->n || !many->n)
        return 0;
    for (size_t i = 0; i < one->n; i++) { /* twice on this side is an error, whoever asks for it */
        struct nv_slow_sample own = signature(s, b, &one->at[i]);
        partner(s, b, one, &own, &r);
    }
    for (size_t i = 0; r == 0 && i < many->n; i++) {
        struct nv_slow_sample own = signature(s, b, &many->at[i]), sample = many->at[i];
        const struct nv_slow_sample *other = partner(s, b, one, &own, &r);
        if (r < 0 || !other)
            continue;
        if (!grouped)
            partner(s, b, many, &own, &r);
        double x = one_left ? other->value : sample.value,
               y = one_left ? sample.value : other->value;
        bool drops = !nv_op_is_comparison(b->op) || b->return_bool;
        if (drops)
            sample = unnamed(s, &sample);
        if (!grouped)
            sample = filtered(s, &sample, &b->labels, b->on);
        GROW(s, &made, sample);
        if (judge(b, x, y, x, &sample.value))
            GROW(s, ret, sample);
    }
    return r < 0 ? r : unique(&made);
}

static int binary(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret)
{
    const struct nv_binary *b = &e->binary;
    struct nv_slow_vector left = {0}, right = {0};

    if (b->left->type == NV_VALUE_SCALAR || b->right->type == NV_VALUE_SCALAR)
        return with_scalar(s, b, ret);
    int r = vector_of(s, b->left, &left);
    if (r == 0)
        r = vector_of(s, b->right, &right);
    if (r < 0)
        return r;
    return nv_op_is_set(b->op) ? sets(s, b, &left, &right, ret) : pairs(s, b, &left, &right, ret);
}

static int scalar_of(const struct slow *s, const struct nv_expr *e, double *ret)
{
    struct nv_slow_vector v = {0};
    double a, b;
    int r;

    switch (e->kind) {
    case NV_EXPR_NUMBER:
        return *ret = e->number.value, 0;
    case NV_EXPR_PAREN:
        return scalar_of(s, e->paren, ret);
    case NV_EXPR_UNARY:
        r = scalar_of(s, e->unary.expr, ret);
        *ret = e->unary.op == NV_OP_SUB ? -*ret : *ret;
        return r;
    case NV_EXPR_BINARY:
        r = scalar_of(s, e->binary.left, &a);
        if (r == 0)
            r = scalar_of(s, e->binary.right, &b);
        if (r == 0)
            *ret = operate(e->binary.op, a, b);
        return r;
    default:
        break;
    }
    if (e->kind != NV_EXPR_CALL)
        return -ENOTSUP;
    if (e->call.function->id == NV_FN_TIME)
        return *ret = (double)s->at / 1000, 0;
    if (e->call.function->id != NV_FN_SCALAR)
        return -ENOTSUP;
    r = vector_of(s, e->call.args[0], &v);
    *ret = v.n == 1 ? v.at[0].value : NAN;
    return r;
}

static int vector_of(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret)
{
    int r;

    switch (e->kind) {
    case NV_EXPR_SELECTOR:
        return instant(s, &e->selector, false, ret);
    case NV_EXPR_PAREN:
        return vector_of(s, e->paren, ret);
    case NV_EXPR_UNARY:
        r = vector_of(s, e->unary.expr, ret);
        for (size_t i = 0; r == 0 && e->unary.op == NV_OP_SUB && i < ret->n; i++) {
            ret->at[i] = unnamed(s, &ret->at[i]);
            ret->at[i].value = -ret->at[i].value;
        }
        return r < 0 ? r : unique(ret);
    case NV_EXPR_CALL:
        return call_of(s, e, ret);
    case NV_EXPR_AGGREGATION:
        return aggregation(s, &e->aggregation, ret);
    case NV_EXPR_BINARY:
        return binary(s, e, ret);
    default:
        return -ENOTSUP;
    }
}

int nv_slow_eval(const struct nv_expr *expr, const struct nv_queryable *queryable, int64_t at_ms,
                 struct nv_arena *arena, struct nv_slow_vector *ret)
{
    struct slow s = {queryable, arena, at_ms};

    *ret = (struct nv_slow_vector){0};
    return vector_of(&s, expr, ret);
}
