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
    struct nv_histogram_adder *adder;
    bool mean, mixed;
};

int nv_histogram_sum_add(struct nv_eval *ev, struct nv_pool *pool, const struct nv_expr *at,
                         const struct nv_histogram *h, bool mean, struct nv_histogram_sum **sum)
{
    struct nv_histogram_sum *s = *sum;

    if (!s) {
        s = *sum = nv_pool_alloc(pool, 1, sizeof(*s));
        if (!s)
            return nv_eval_no_memory(ev);
        *s = (struct nv_histogram_sum){.mean = mean};
    }
    if (s->mixed)
        return 0;
    struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
    int outcome = nv_histogram_add(&pool->arena, &ev->scratch.arena, h, mean, &s->adder);
    nv_arena_rewind(&ev->scratch.arena, mark);
    if (outcome < 0)
        return nv_eval_no_memory(ev);
    s->mixed = !remark(ev, at->aggregation.expr, outcome, "aggregation");
    if (s->mixed)
        warn_mixed(ev, at->aggregation.expr, (struct nv_str){"", 0});
    return 0;
}

int nv_histogram_sum_end(struct nv_eval *ev, const struct nv_histogram_sum *sum,
                         const struct nv_histogram **ret)
{
    struct nv_histogram *out;

    *ret = NULL;
    if (sum->mixed)
        return 0;
    if (nv_histogram_added(&ev->scratch.arena, sum->adder, sum->mean, &out) < 0)
        return nv_eval_no_memory(ev);
    *ret = out;
    return 0;
}

/* --- ranges --- */

int nv_histograms_reduce(struct nv_eval *ev, const struct nv_ranged *call,
                         const struct nv_window *w, bool mean, const struct nv_histogram **ret)
{
    struct nv_arena *arena = &ev->work.arena;
    struct nv_histogram_adder *adder = NULL;
    struct nv_histogram *total;

    for (size_t i = 0; i < w->n_histograms; i++) {
        int outcome = nv_histogram_add(arena, arena, w->histograms[i], mean, &adder);
        if (outcome < 0)
            return nv_eval_no_memory(ev);
        if (!remark(ev, call->source, outcome, "aggregation"))
            return warn_mixed(ev, call->source, call->name), 0;
    }
    if (nv_histogram_added(&ev->scratch.arena, adder, mean, &total) < 0)
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

/* Whether the counter began anew at sample i: its buckets tell, or its start. 1, 0, or an error. */
static int is_reset(struct nv_eval *ev, const struct nv_window *w, size_t i)
{
    int r = nv_histogram_is_reset(&ev->work.arena, w->histograms[i], w->histograms[i - 1]);

    if (r < 0)
        return nv_eval_no_memory(ev);
    return r || nv_restarted(w->histogram_times, w->histogram_starts, i);
}

/*
 * The last less the first, and what was lost in resets between; with the least resolution of all. `from_zero`: less
 * nothing, as the counter began within.
 */
static int difference(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                      bool counter, bool from_zero, struct nv_histogram **ret)
{
    size_t last = w->n_histograms - 1, first = 0;
    struct nv_histogram none = *w->histograms[0], *d = NULL;
    int reset = counter && last ? is_reset(ev, w, 1) : 0, r;

    if (reset < 0)
        return reset;
    if (reset) { /* the first is all lost, and stands back as nothing of the second's kind */
        none = *w->histograms[1];
        first = 1;
    }
    none.count = none.sum = none.zero_count = 0;
    none.n_positive = none.n_negative = none.n_positive_spans = none.n_negative_spans = 0;
    r = combined(ev, call, w->histograms[last], first || from_zero ? &none : w->histograms[0], true,
                 &d);
    if (r == 1 && reset && from_zero)
        r = combined(ev, call, d, w->histograms[0], false, &d);
    for (size_t i = first + 1; r == 1 && counter && i <= last; i++) {
        reset = is_reset(ev, w, i);
        if (reset < 0)
            return reset;
        if (reset)
            r = combined(ev, call, d, w->histograms[i - 1], false, &d);
    }
    /* Samples between may be coarser: a difference of nothing brings their buckets in. */
    for (size_t i = first + 1; r == 1 && i < last; i++) {
        none = *w->histograms[i];
        none.count = none.sum = none.zero_count = 0;
        none.n_positive = none.n_negative = none.n_positive_spans = none.n_negative_spans = 0;
        r = combined(ev, call, d, &none, false, &d);
    }
    *ret = d;
    return r;
}

static int finish_rate(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                       double factor, struct nv_histogram *d, const struct nv_histogram **ret)
{
    if (call->id == NV_FN_RATE)
        factor /= (double)(w->to_ms - w->from_ms) / 1000;
    if (nv_histogram_scale(&ev->scratch.arena, d, factor, false, &d) < 0)
        return nv_eval_no_memory(ev);
    d->reset_hint = NV_RESET_GAUGE;
    *ret = d;
    return 1;
}

/* a + (b - a) * part; where the counter began anew between them, it did so at nothing. */
static int between(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                   size_t i, int64_t at, bool counter, bool left, const struct nv_histogram **ret)
{
    const struct nv_histogram *a = w->histograms[i], *b = w->histograms[i + 1];
    double part = (double)(at - w->histogram_times[i]) /
                  (double)(w->histogram_times[i + 1] - w->histogram_times[i]);
    struct nv_histogram *d;
    int reset = counter ? is_reset(ev, w, i + 1) : 0, r = reset;

    if (reset < 0)
        return r;
    if (reset) {
        if (nv_histogram_scale(&ev->work.arena, b, part, false, &d) < 0)
            return nv_eval_no_memory(ev);
        r = left ? 1 : combined(ev, call, d, a, false, &d);
    } else {
        r = combined(ev, call, b, a, true, &d);
        if (r == 1 && nv_histogram_scale(&ev->work.arena, d, part, false, &d) < 0)
            return nv_eval_no_memory(ev);
        if (r == 1)
            r = combined(ev, call, d, a, false, &d);
    }
    *ret = d;
    return r;
}

/* Between the histograms at both ends of an extended range, without extrapolation. */
static int edged_rate(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                      const struct nv_histogram **ret)
{
    bool smooth = call->source->selector.edge == NV_EDGE_SMOOTHED,
         counter = call->id != NV_FN_DELTA;
    size_t first, last;
    struct nv_histogram *d;
    int r = 1;

    if (!nv_edges_of(w->histogram_times, w->n_histograms, w, smooth, &first, &last))
        return 0;
    size_t n = last - first + 1;
    const struct nv_histogram **between_ends = nv_pool_alloc(&ev->work, n, sizeof(*between_ends));
    if (!between_ends)
        return nv_eval_no_memory(ev);
    memcpy(between_ends, w->histograms + first, n * sizeof(*between_ends));
    if (smooth && w->histogram_times[first] < w->from_ms && n > 1)
        r = between(ev, call, w, first, w->from_ms, counter, true, &between_ends[0]);
    if (r == 1 && smooth && n > 1 && w->histogram_times[last] > w->to_ms)
        r = between(ev, call, w, last - 1, w->to_ms, counter, false, &between_ends[n - 1]);
    if (r != 1)
        return r;
    struct nv_window part = *w;
    part.histograms = between_ends;
    part.histogram_times += first;
    part.histogram_starts = NULL;
    part.n_histograms = n;
    if (!fit_together(ev, call, &part, counter, false))
        return 0;
    r = difference(ev, call, &part, counter, false, &d);
    return r == 1 ? finish_rate(ev, call, w, 1, d, ret) : r;
}

int nv_histograms_rate(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                       const struct nv_histogram **ret)
{
    bool counter = call->id != NV_FN_DELTA;
    size_t n = w->n_histograms;
    int64_t start = w->histogram_starts ? w->histogram_starts[0] : 0;
    bool starts_here = counter && start > w->from_ms && start && start < w->histogram_times[0];
    struct nv_histogram *d;

    if (call->source->kind == NV_EXPR_SELECTOR && call->source->selector.edge != NV_EDGE_NONE)
        return edged_rate(ev, call, w, ret);
    if (n < 2 && !starts_here)
        return 0;
    if (counter)
        nv_note_overlaps(ev, call, w->histogram_times, w->histogram_starts, n);
    if (!fit_together(ev, call, w, counter, false))
        return 0;
    int r = difference(ev, call, w, counter, starts_here, &d);
    if (r != 1)
        return r;
    struct nv_stretch s = {starts_here ? start : w->histogram_times[0],
                           w->histogram_times[n - 1],
                           w->from_ms,
                           w->to_ms,
                           n - 1 + starts_here,
                           starts_here};
    double factor = nv_extrapolation(&s, d->count, w->histograms[0]->count, counter);
    return finish_rate(ev, call, w, factor, d, ret);
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
        reset = is_reset(ev, w, n - 1);
    if (!fit_together(ev, call, &tail, counter, reset > 0))
        return 0;
    int64_t ms = w->histogram_times[n - 1] - w->histogram_times[n - 2];
    if (ms == 0)
        return 0;
    if (reset < 0)
        return reset;
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

/* Of the samples at or before the left end of an extended range only the last counts. */
static void skip_before(const struct nv_window *w, size_t *f, size_t *h)
{
    while (*f + 1 < w->n && w->times[*f + 1] <= w->from_ms)
        ++*f;
    while (*h + 1 < w->n_histograms && w->histogram_times[*h + 1] <= w->from_ms)
        ++*h;
    bool float_before = w->n && w->times[*f] <= w->from_ms;
    bool histogram_before = w->n_histograms && w->histogram_times[*h] <= w->from_ms;
    if (!float_before || !histogram_before)
        return;
    if (w->times[*f] < w->histogram_times[*h])
        ++*f;
    else
        ++*h;
}

/* 1 where something happened between two neighbours of one kind, 0, or an error. */
static int float_step(const struct nv_window *w, size_t i, bool resets)
{
    double a = w->values[i - 1], b = w->values[i];

    if (resets)
        return b < a || nv_restarted(w->times, w->starts, i);
    return a != b && !(isnan(a) && isnan(b));
}

static int histogram_step(struct nv_eval *ev, const struct nv_window *w, size_t i, bool resets)
{
    if (resets)
        return is_reset(ev, w, i);
    int equal = nv_histogram_equal(&ev->work.arena, w->histograms[i], w->histograms[i - 1]);
    return equal < 0 ? nv_eval_no_memory(ev) : !equal;
}

int nv_histograms_steps(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                        double *ret)
{
    bool edged =
        call->source->kind == NV_EXPR_SELECTOR && call->source->selector.edge != NV_EDGE_NONE;
    bool resets = call->id == NV_FN_RESETS, within = !edged;
    size_t f = 0, h = 0, n = 0;
    int last = -1; /* 0 a float, 1 a histogram */

    if (edged)
        skip_before(w, &f, &h);
    while (f < w->n || h < w->n_histograms) {
        int kind = f == w->n || (h < w->n_histograms && w->histogram_times[h] < w->times[f]);
        int step = last >= 0 && kind != last;
        if (last == 0 && kind == 0)
            step = float_step(w, f, resets);
        else if (last == 1 && kind == 1)
            step = histogram_step(ev, w, h, resets);
        if (step < 0)
            return step;
        within |= (kind ? w->histogram_times[h] : w->times[f]) > w->from_ms;
        n += (size_t)step;
        last = kind;
        f += !kind;
        h += kind != 0;
    }
    *ret = (double)n;
    return within;
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
