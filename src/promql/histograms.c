/*
 * histograms.c - native histograms in operators, aggregations and functions of ranges.
 */
#include "promql/histograms.h"

#include <errno.h>

/* Remarks on what came up when two were added. Returns whether there is a result. */
static bool remark(struct nv_eval *ev, const struct nv_expr *at, int outcome, const char *during)
{
    if (outcome & NV_HISTOGRAM_RECONCILED)
        nv_annotate(ev, false, at, "mismatched custom buckets were reconciled during %s", during);
    if (outcome & NV_HISTOGRAM_CONFLICT)
        nv_annotate(ev, true, at, "conflicting counter resets during histogram %s", during);
    return !(outcome & NV_HISTOGRAM_MIXED);
}

static void warn_mixed(struct nv_eval *ev, const struct nv_expr *at, struct nv_str name)
{
    nv_annotate(ev, true, at,
                "vector contains a mix of histograms with exponential and custom buckets schemas "
                "for metric name %s",
                nv_quoted(ev, name));
}

static int scaled(struct nv_eval *ev, const struct nv_histogram *h, double factor, bool divide,
                  struct nv_operand *ret)
{
    struct nv_histogram *out;

    if (nv_histogram_scale(&ev->scratch.arena, h, factor, divide, &out) < 0)
        return nv_eval_no_memory(ev);
    *ret = (struct nv_operand){0, out};
    return 1;
}

static int two(struct nv_eval *ev, const struct nv_expr *at, enum nv_op op, struct nv_operand a,
               struct nv_operand b, struct nv_operand *ret, bool *ret_holds)
{
    struct nv_histogram *out = NULL;
    bool minus = op == NV_OP_SUB;

    if (op == NV_OP_EQ || op == NV_OP_NE) {
        int equal = nv_histogram_equal(&ev->scratch.arena, a.histogram, b.histogram);
        if (equal < 0)
            return nv_eval_no_memory(ev);
        *ret_holds = equal == (op == NV_OP_EQ);
        *ret = a;
        return 1;
    }
    if (op != NV_OP_ADD && !minus)
        return nv_op_mismatch(ev, at, op, a, b);
    int outcome = nv_histogram_combine(&ev->scratch.arena, a.histogram, b.histogram, minus, &out);
    if (outcome < 0)
        return nv_eval_no_memory(ev);
    if (!remark(ev, at, outcome, minus ? "subtraction" : "addition")) {
        nv_annotate(ev, true, at, "incompatible bucket layout encountered for binary operator %s",
                    nv_op_text(op));
        return 0;
    }
    *ret = (struct nv_operand){0, out};
    return 1;
}

int nv_histograms_op(struct nv_eval *ev, const struct nv_expr *at, enum nv_op op,
                     struct nv_operand a, struct nv_operand b, struct nv_operand *ret,
                     bool *ret_holds)
{
    struct nv_histogram *out;

    *ret_holds = true;
    if (a.histogram && b.histogram)
        return two(ev, at, op, a, b, ret, ret_holds);
    if (op == NV_OP_MUL)
        return scaled(ev, a.histogram ? a.histogram : b.histogram, a.histogram ? b.value : a.value,
                      false, ret);
    if (op == NV_OP_DIV && a.histogram)
        return scaled(ev, a.histogram, b.value, true, ret);
    if (!nv_op_is_trim(op) || !a.histogram)
        return nv_op_mismatch(ev, at, op, a, b);
    if (nv_histogram_trim(&ev->scratch.arena, a.histogram, b.value, op == NV_OP_TRIM_UPPER, &out) <
        0)
        return nv_eval_no_memory(ev);
    *ret = (struct nv_operand){0, out};
    return 1;
}

/* --- aggregation --- */

struct nv_histogram_sum {
    struct nv_histogram total; /* in arrays of its own, written over as it grows */
    struct {
        void *p;
        size_t room;
    } arrays[5];
    double n;
    bool mean, mixed;
};

static const void *keep(struct nv_pool *pool, struct nv_histogram_sum *s, size_t which,
                        const void *from, size_t bytes)
{
    if (bytes > s->arrays[which].room || !s->arrays[which].p) {
        s->arrays[which].room = bytes * 2;
        s->arrays[which].p = nv_pool_alloc(pool, 1, bytes * 2);
    }
    if (bytes && s->arrays[which].p)
        memcpy(s->arrays[which].p, from, bytes);
    return s->arrays[which].p;
}

/* Writes a total over the one before. */
static int replace(struct nv_eval *ev, struct nv_pool *pool, struct nv_histogram_sum *s,
                   const struct nv_histogram *h)
{
    s->total = *h;
    s->total.positive_spans =
        keep(pool, s, 0, h->positive_spans, h->n_positive_spans * sizeof(struct nv_span));
    s->total.negative_spans =
        keep(pool, s, 1, h->negative_spans, h->n_negative_spans * sizeof(struct nv_span));
    s->total.positive = keep(pool, s, 2, h->positive, h->n_positive * sizeof(double));
    s->total.negative = keep(pool, s, 3, h->negative, h->n_negative * sizeof(double));
    s->total.custom_values = keep(pool, s, 4, h->custom_values, h->n_custom * sizeof(double));
    for (size_t i = 0; i < 5; i++)
        if (!s->arrays[i].p)
            return nv_eval_no_memory(ev);
    return 0;
}

int nv_histogram_sum_add(struct nv_eval *ev, struct nv_pool *pool, const struct nv_expr *at,
                         const struct nv_histogram *h, bool mean, struct nv_histogram_sum **sum)
{
    struct nv_histogram_sum *s = *sum;
    struct nv_histogram *total = NULL;

    if (!s) {
        s = *sum = nv_pool_alloc(pool, 1, sizeof(*s));
        if (!s)
            return nv_eval_no_memory(ev);
        *s = (struct nv_histogram_sum){.mean = mean, .n = 1};
        return replace(ev, pool, s, h);
    }
    s->n++;
    if (s->mixed)
        return 0;
    struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
    int outcome = nv_histogram_combine(&ev->scratch.arena, &s->total, h, false, &total);
    if (outcome < 0)
        return nv_eval_no_memory(ev);
    s->mixed = !remark(ev, at->aggregation.expr, outcome, "aggregation");
    if (s->mixed)
        warn_mixed(ev, at->aggregation.expr, (struct nv_str){"", 0});
    int r = s->mixed ? 0 : replace(ev, pool, s, total);
    nv_arena_rewind(&ev->scratch.arena, mark);
    return r;
}

int nv_histogram_sum_end(struct nv_eval *ev, const struct nv_histogram_sum *sum,
                         const struct nv_histogram **ret)
{
    struct nv_histogram *out;

    *ret = NULL;
    if (sum->mixed)
        return 0;
    if (nv_histogram_scale(&ev->scratch.arena, &sum->total, sum->mean ? sum->n : 1, true, &out) < 0)
        return nv_eval_no_memory(ev);
    *ret = out;
    return 0;
}

/* --- ranges --- */

int nv_histograms_reduce(struct nv_eval *ev, const struct nv_ranged *call,
                         const struct nv_window *w, bool mean, const struct nv_histogram **ret)
{
    struct nv_arena *arena = &ev->work.arena;
    struct nv_histogram *total = NULL, *next = NULL;

    if (nv_histogram_compact(arena, w->histograms[0], &total) < 0)
        return nv_eval_no_memory(ev);
    for (size_t i = 1; i < w->n_histograms; i++) {
        int outcome = nv_histogram_combine(arena, total, w->histograms[i], false, &next);
        if (outcome < 0)
            return nv_eval_no_memory(ev);
        if (!remark(ev, call->source, outcome, "aggregation"))
            return warn_mixed(ev, call->source, call->name), 0;
        total = next;
    }
    if (nv_histogram_scale(&ev->scratch.arena, total, mean ? (double)w->n_histograms : 1, true,
                           &total) < 0)
        return nv_eval_no_memory(ev);
    *ret = total;
    return 1;
}

/* Whether all of a window are of one kind; remarks on hints that do not fit the function. */
static bool fit_together(struct nv_eval *ev, const struct nv_ranged *call,
                         const struct nv_window *w, bool counter, bool may_mix)
{
    size_t last = w->n_histograms - 1;
    bool gauge = false;

    for (size_t i = 0; i <= last; i++) {
        gauge |= w->histograms[i]->reset_hint == NV_RESET_GAUGE;
        if (!may_mix &&
            nv_histogram_is_custom(w->histograms[i]) != nv_histogram_is_custom(w->histograms[0]))
            return warn_mixed(ev, call->source, call->name), false;
    }
    if (counter && gauge)
        nv_annotate(ev, true, call->source, "this native histogram metric is not a counter: %s",
                    nv_quoted(ev, call->name));
    if (!counter && (w->histograms[0]->reset_hint != NV_RESET_GAUGE ||
                     w->histograms[last]->reset_hint != NV_RESET_GAUGE))
        nv_annotate(ev, true, call->source, "this native histogram metric is not a gauge: %s",
                    nv_quoted(ev, call->name));
    return true;
}

/* a - b, or a + b, with remarks. */
static int combined(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_histogram *a,
                    const struct nv_histogram *b, bool minus, struct nv_histogram **ret)
{
    struct nv_histogram x = *a, y = *b; /* hints of samples in one counter are no conflict */

    x.reset_hint = y.reset_hint = NV_RESET_GAUGE;
    int outcome = nv_histogram_combine(&ev->work.arena, &x, &y, minus, ret);
    if (outcome < 0)
        return nv_eval_no_memory(ev);
    return remark(ev, call->source, outcome, minus ? "subtraction" : "addition");
}

/* The last less the first, and what was lost in resets between; with the least resolution of all. */
static int difference(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                      bool counter, struct nv_histogram **ret)
{
    size_t last = w->n_histograms - 1;
    struct nv_histogram *d = NULL;
    int r = combined(ev, call, w->histograms[last], w->histograms[0], true, &d);

    for (size_t i = 1; r == 1 && counter && i <= last; i++) {
        int reset = nv_histogram_is_reset(&ev->work.arena, w->histograms[i], w->histograms[i - 1]);
        if (reset < 0)
            return nv_eval_no_memory(ev);
        if (reset)
            r = combined(ev, call, d, w->histograms[i - 1], false, &d);
    }
    /* Samples between may be coarser: a difference of nothing brings their buckets in. */
    for (size_t i = 1; r == 1 && i < last; i++) {
        struct nv_histogram none = *w->histograms[i];
        none.count = none.sum = none.zero_count = 0;
        none.n_positive = none.n_negative = none.n_positive_spans = none.n_negative_spans = 0;
        r = combined(ev, call, d, &none, false, &d);
    }
    *ret = d;
    return r;
}

int nv_histograms_rate(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                       const struct nv_histogram **ret)
{
    bool counter = call->id != NV_FN_DELTA;
    size_t n = w->n_histograms;
    struct nv_histogram *d;

    if (call->source->kind == NV_EXPR_SELECTOR && call->source->selector.edge != NV_EDGE_NONE)
        return nv_eval_fail(ev, "anchored and smoothed ranges of histograms are not supported yet");
    if (n < 2 || !fit_together(ev, call, w, counter, false))
        return 0;
    int r = difference(ev, call, w, counter, &d);
    if (r != 1)
        return r;
    struct nv_stretch s = {
        w->histogram_times[0], w->histogram_times[n - 1], w->from_ms, w->to_ms, n - 1, false};
    double factor = nv_extrapolation(&s, d->count, w->histograms[0]->count, counter);
    if (call->id == NV_FN_RATE)
        factor /= (double)(w->to_ms - w->from_ms) / 1000;
    if (nv_histogram_scale(&ev->scratch.arena, d, factor, false, &d) < 0)
        return nv_eval_no_memory(ev);
    d->reset_hint = NV_RESET_GAUGE;
    *ret = d;
    return 1;
}

int nv_histograms_instant_rate(struct nv_eval *ev, const struct nv_ranged *call,
                               const struct nv_window *w, double *ret,
                               const struct nv_histogram **ret_histogram)
{
    bool counter = call->id == NV_FN_IRATE;
    size_t n = w->n_histograms;
    struct nv_histogram *d;
    int reset = 0, r;

    (void)ret;
    if (n + w->n < 2)
        return 0;
    if (w->n && (n < 2 || w->times[w->n - 1] > w->histogram_times[n - 2])) {
        if (w->n >= 2 && w->times[w->n - 2] > w->histogram_times[n - 1]) {
            struct nv_window floats = *w;
            floats.n_histograms = 0;
            return nv_window_instant_rate(ev, call, &floats, ret, ret_histogram);
        }
        nv_annotate(ev, true, call->source,
                    "encountered a mix of histograms and floats for metric name %s",
                    nv_quoted(ev, call->name));
        return 0;
    }
    struct nv_window tail = *w;
    tail.histograms += n - 2;
    tail.n_histograms = 2;
    if (counter) /* where the kind of buckets changed, it began anew */
        reset = nv_histogram_is_reset(&ev->work.arena, w->histograms[n - 1], w->histograms[n - 2]);
    if (!fit_together(ev, call, &tail, counter, reset > 0))
        return 0;
    int64_t ms = w->histogram_times[n - 1] - w->histogram_times[n - 2];
    if (ms == 0)
        return 0;
    if (reset < 0)
        return nv_eval_no_memory(ev);
    if (reset)
        r = nv_histogram_compact(&ev->work.arena, w->histograms[n - 1], &d) < 0
                ? nv_eval_no_memory(ev)
                : 1;
    else
        r = combined(ev, call, w->histograms[n - 1], w->histograms[n - 2], true, &d);
    if (r != 1)
        return r;
    double seconds = counter ? (double)ms / 1000 : 1;
    if (nv_histogram_scale(&ev->scratch.arena, d, seconds, true, &d) < 0)
        return nv_eval_no_memory(ev);
    d->reset_hint = NV_RESET_GAUGE;
    *ret_histogram = d;
    return 1;
}

int nv_histograms_steps(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                        double *ret)
{
    size_t f = 0, h = 0, n = 0;
    int last = -1; /* 0 a float, 1 a histogram */
    bool resets = call->id == NV_FN_RESETS;
    struct nv_arena *arena = &ev->work.arena;

    while (f < w->n || h < w->n_histograms) {
        int kind = f == w->n || (h < w->n_histograms && w->histogram_times[h] < w->times[f]);
        int step = 0;
        if (last >= 0 && kind != last)
            step = 1;
        else if (last == 0)
            step = resets ? w->values[f] < w->values[f - 1]
                          : w->values[f] != w->values[f - 1] &&
                                !(isnan(w->values[f]) && isnan(w->values[f - 1]));
        else if (last == 1)
            step = resets ? nv_histogram_is_reset(arena, w->histograms[h], w->histograms[h - 1])
                          : nv_histogram_equal(arena, w->histograms[h], w->histograms[h - 1]) == 0;
        if (step < 0)
            return nv_eval_no_memory(ev);
        n += (size_t)step;
        last = kind;
        f += !kind;
        h += kind != 0;
    }
    *ret = (double)n;
    return 1;
}

/* --- functions of an instant vector --- */

static double variance(struct nv_arena *arena, const struct nv_histogram *h)
{
    size_t n = 0;
    const struct nv_bucket *buckets = nv_histogram_buckets(arena, h, &n);
    double mean = h->sum / h->count, total = 0, c = 0;

    for (size_t i = 0; buckets && i < n; i++) {
        double low = buckets[i].lower, high = buckets[i].upper, middle;
        if (nv_histogram_is_custom(h))
            middle = (low + high) / 2;
        else if (low <= 0 && high >= 0)
            middle = 0;
        else
            middle = low < 0 ? -sqrt(low * high) : sqrt(low * high);
        double delta = middle - mean;
        nv_sum_add(&total, &c, buckets[i].count * delta * delta);
    }
    return (total + c) / h->count;
}

static double figure(struct nv_eval *ev, enum nv_function_id id, const struct nv_histogram *h)
{
    switch (id) {
    case NV_FN_HISTOGRAM_COUNT:
        return h->count;
    case NV_FN_HISTOGRAM_SUM:
        return h->sum;
    case NV_FN_HISTOGRAM_AVG:
        return h->sum / h->count;
    case NV_FN_HISTOGRAM_STDVAR:
        return variance(&ev->scratch.arena, h);
    default:
        return sqrt(variance(&ev->scratch.arena, h));
    }
}

static int figures(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct nv_calling *c = user;

    for (size_t i = 0; i < c->grid->n; i++) {
        const struct nv_histogram *h = nv_row_histogram(row, i);
        row->values[i] = h ? figure(ev, c->id, h) : nv_stale();
    }
    row->histograms = NULL;
    int r = nv_row_drop_name(ev, row);
    return r < 0 ? r : c->fn(ev, row, c->user);
}

int nv_call_histogram(struct nv_eval *ev, struct nv_calling *c)
{
    return nv_eval_rows(ev, c->vector, c->grid, figures, c);
}
