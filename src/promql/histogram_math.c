/*
 * histogram_math.c - native histograms as lists of (index, count), and back.
 */
#include "promql/histogram_math.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/number.h"

struct entry {
    int32_t index;
    double n;
};

/* A histogram taken apart. */
struct wide {
    int32_t schema;
    uint8_t hint;
    double threshold, zero, count, sum;
    struct entry *at[2]; /* positive, negative; rising index */
    size_t n[2];
    const double *bounds;
    size_t n_bounds;
};

static struct entry *expand(struct nv_arena *arena, const struct nv_span *spans, uint32_t n_spans,
                            const double *counts, uint32_t n_counts, size_t *ret_n)
{
    struct entry *out = nv_arena_alloc(arena, (n_counts + 1) * sizeof(*out));
    int64_t index = 0;
    uint32_t at = 0;

    *ret_n = 0;
    for (uint32_t s = 0; out && s < n_spans; s++) {
        index += spans[s].offset;
        for (uint32_t i = 0; i < spans[s].length && at < n_counts; i++, index++, at++)
            if (counts[at] != 0)
                out[(*ret_n)++] = (struct entry){(int32_t)index, counts[at]};
    }
    return out;
}

static int take_apart(struct nv_arena *arena, const struct nv_histogram *h, struct wide *ret)
{
    *ret =
        (struct wide){h->schema, h->reset_hint, h->zero_threshold, h->zero_count, h->count, h->sum};
    ret->at[0] = expand(arena, h->positive_spans, h->n_positive_spans, h->positive, h->n_positive,
                        &ret->n[0]);
    ret->at[1] = expand(arena, h->negative_spans, h->n_negative_spans, h->negative, h->n_negative,
                        &ret->n[1]);
    ret->bounds = h->custom_values;
    ret->n_bounds = h->n_custom;
    return ret->at[0] && ret->at[1] ? 0 : -ENOMEM;
}

static int collapse(struct nv_arena *arena, const struct entry *at, size_t n,
                    const struct nv_span **ret_spans, uint32_t *ret_n_spans,
                    const double **ret_counts, uint32_t *ret_n)
{
    struct nv_span *spans = nv_arena_alloc(arena, (n + 1) * sizeof(*spans));
    double *counts = nv_arena_alloc(arena, (n + 1) * sizeof(*counts));
    uint32_t n_spans = 0, n_counts = 0;
    int64_t next = 0;

    if (!spans || !counts)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (at[i].n == 0)
            continue;
        if (!n_spans || at[i].index != next)
            spans[n_spans++] = (struct nv_span){(int32_t)(at[i].index - next), 0};
        spans[n_spans - 1].length++;
        counts[n_counts++] = at[i].n;
        next = (int64_t)at[i].index + 1;
    }
    *ret_spans = spans;
    *ret_n_spans = n_spans;
    *ret_counts = counts;
    *ret_n = n_counts;
    return 0;
}

static int put_together(struct nv_arena *arena, const struct wide *w, struct nv_histogram **ret)
{
    struct nv_histogram *h = nv_arena_alloc(arena, sizeof(*h));
    double *bounds = nv_arena_alloc(arena, (w->n_bounds + 1) * sizeof(double));

    if (!h || !bounds)
        return -ENOMEM;
    if (w->n_bounds)
        memcpy(bounds, w->bounds, w->n_bounds * sizeof(double));
    *h = (struct nv_histogram){.schema = w->schema,
                               .reset_hint = w->hint,
                               .is_float = true,
                               .zero_threshold = w->threshold,
                               .zero_count = w->zero,
                               .count = w->count,
                               .sum = w->sum,
                               .custom_values = bounds,
                               .n_custom = (uint32_t)w->n_bounds};
    int r = collapse(arena, w->at[0], w->n[0], &h->positive_spans, &h->n_positive_spans,
                     &h->positive, &h->n_positive);
    if (r == 0)
        r = collapse(arena, w->at[1], w->n[1], &h->negative_spans, &h->n_negative_spans,
                     &h->negative, &h->n_negative);
    if (r == 0)
        *ret = h;
    return r;
}

/* The upper bound of an exponential bucket. */
static double bound_of(int32_t schema, int32_t index)
{
    if (schema < 0) {
        int64_t exponent = (int64_t)index * (INT64_C(1) << -schema);
        if (exponent == 1024)
            return DBL_MAX;
        return exponent > 1024 ? INFINITY : exponent < -1100 ? 0 : ldexp(1, (int)exponent);
    }
    int64_t per = INT64_C(1) << schema, whole = index >> schema, part = index & (per - 1);
    if (part == 0 && whole == 1024)
        return DBL_MAX;
    if (whole >= 1024)
        return INFINITY;
    return whole < -1100 ? 0 : ldexp(exp2((double)part / (double)per), (int)whole);
}

static void reduce(struct wide *w, int32_t schema)
{
    int shift = w->schema - schema;

    for (int side = 0; shift > 0 && side < 2; side++) {
        size_t n = 0;
        for (size_t i = 0; i < w->n[side]; i++) {
            int32_t index = ((w->at[side][i].index - 1) >> shift) + 1;
            if (n && w->at[side][n - 1].index == index)
                w->at[side][n - 1].n += w->at[side][i].n;
            else
                w->at[side][n++] = (struct entry){index, w->at[side][i].n};
        }
        w->n[side] = n;
    }
    if (shift > 0)
        w->schema = schema;
}

/* Makes the zero bucket reach at least to `threshold`, and on to the far bound of a bucket it cuts. */
static double widen(struct wide *w, double threshold)
{
    if (threshold <= w->threshold)
        return w->threshold;
    for (int side = 0; side < 2; side++) {
        size_t n = 0;
        while (n < w->n[side] && bound_of(w->schema, w->at[side][n].index - 1) < threshold) {
            double upper = bound_of(w->schema, w->at[side][n].index);
            if (upper > threshold) { /* the other side may have to follow */
                threshold = upper;
                side = -1;
                n = 0;
                break;
            }
            n++;
        }
    }
    for (int side = 0; side < 2; side++) {
        size_t n = 0;
        for (; n < w->n[side] && bound_of(w->schema, w->at[side][n].index) <= threshold; n++)
            w->zero += w->at[side][n].n;
        w->at[side] += n;
        w->n[side] -= n;
    }
    return w->threshold = threshold;
}

static void agree_on_zero(struct wide *a, struct wide *b)
{
    for (int i = 0; i < 64 && a->threshold != b->threshold; i++) { /* NaN never agrees */
        widen(b, a->threshold);
        widen(a, b->threshold);
    }
}

static int add_sides(struct nv_arena *arena, struct wide *a, const struct wide *b, double sign)
{
    for (int side = 0; side < 2; side++) {
        struct entry *out =
            nv_arena_alloc(arena, (a->n[side] + b->n[side] + 1) * sizeof(struct entry));
        size_t n = 0, i = 0, k = 0;
        if (!out)
            return -ENOMEM;
        while (i < a->n[side] || k < b->n[side]) {
            bool from_a =
                k == b->n[side] || (i < a->n[side] && a->at[side][i].index <= b->at[side][k].index);
            bool from_b =
                i == a->n[side] || (k < b->n[side] && b->at[side][k].index <= a->at[side][i].index);
            out[n] = from_a ? a->at[side][i] : (struct entry){b->at[side][k].index, 0};
            if (from_b)
                out[n].n += sign * b->at[side][k].n;
            n++;
            i += from_a;
            k += from_b;
        }
        a->at[side] = out;
        a->n[side] = n;
    }
    return 0;
}

static bool same_bounds(const struct wide *a, const struct wide *b)
{
    return a->n_bounds == b->n_bounds &&
           (!a->n_bounds || memcmp(a->bounds, b->bounds, a->n_bounds * sizeof(double)) == 0);
}

static void onto(struct wide *w, const double *bounds, size_t n_bounds)
{
    size_t n = 0, to = 0;

    for (size_t i = 0; i < w->n[0]; i++) {
        size_t index = (size_t)w->at[0][i].index;
        double upper = index < w->n_bounds ? w->bounds[index] : INFINITY;
        while (to < n_bounds && bounds[to] < upper)
            to++;
        if (n && w->at[0][n - 1].index == (int32_t)to)
            w->at[0][n - 1].n += w->at[0][i].n;
        else
            w->at[0][n++] = (struct entry){(int32_t)to, w->at[0][i].n};
    }
    w->n[0] = n;
    w->bounds = bounds;
    w->n_bounds = n_bounds;
}

/* Both on the bounds they have in common. */
static int reconcile(struct nv_arena *arena, struct wide *a, struct wide *b)
{
    size_t n = 0, i = 0, k = 0;
    double *common = nv_arena_alloc(arena, (a->n_bounds + 1) * sizeof(double));

    if (!common)
        return -ENOMEM;
    while (i < a->n_bounds && k < b->n_bounds) {
        if (a->bounds[i] == b->bounds[k])
            common[n++] = a->bounds[i];
        bool first = a->bounds[i] <= b->bounds[k], second = b->bounds[k] <= a->bounds[i];
        i += first;
        k += second;
    }
    onto(a, common, n);
    onto(b, common, n);
    return 0;
}

static uint8_t joint_hint(uint8_t a, uint8_t b, int *outcome)
{
    if (a == b)
        return a;
    if (a == NV_RESET_GAUGE || b == NV_RESET_GAUGE)
        return NV_RESET_GAUGE;
    if (a != NV_RESET_UNKNOWN && b != NV_RESET_UNKNOWN)
        *outcome |= NV_HISTOGRAM_CONFLICT;
    return NV_RESET_UNKNOWN;
}

/* Brings two to the same buckets. */
static int align(struct nv_arena *arena, struct wide *a, struct wide *b)
{
    bool custom = a->schema == NV_HISTOGRAM_CUSTOM;

    if (custom != (b->schema == NV_HISTOGRAM_CUSTOM))
        return NV_HISTOGRAM_MIXED;
    if (custom) {
        if (same_bounds(a, b))
            return 0;
        int r = reconcile(arena, a, b);
        return r < 0 ? r : NV_HISTOGRAM_RECONCILED;
    }
    agree_on_zero(a, b);
    int32_t schema = a->schema < b->schema ? a->schema : b->schema;
    reduce(a, schema);
    reduce(b, schema);
    return 0;
}

int nv_histogram_combine(struct nv_arena *arena, const struct nv_histogram *x,
                         const struct nv_histogram *y, bool subtract, struct nv_histogram **ret)
{
    struct wide a, b;
    double sign = subtract ? -1 : 1;
    int r = take_apart(arena, x, &a), outcome;

    if (r == 0)
        r = take_apart(arena, y, &b);
    if (r < 0)
        return r;
    outcome = align(arena, &a, &b);
    if (outcome < 0 || outcome == NV_HISTOGRAM_MIXED)
        return outcome;
    a.hint = joint_hint(a.hint, b.hint, &outcome);
    if (subtract)
        a.hint = NV_RESET_GAUGE;
    a.zero += sign * b.zero;
    a.count += sign * b.count;
    a.sum += sign * b.sum;
    r = add_sides(arena, &a, &b, sign);
    if (r == 0)
        r = put_together(arena, &a, ret);
    return r < 0 ? r : outcome;
}

int nv_histogram_scale(struct nv_arena *arena, const struct nv_histogram *h, double factor,
                       bool divide, struct nv_histogram **ret)
{
    struct wide w;
    int r = take_apart(arena, h, &w);

    if (r < 0)
        return r;
    if (divide && factor == 0)
        w.n[0] = w.n[1] = 0;
    double *all[] = {&w.zero, &w.count, &w.sum};
    for (size_t i = 0; i < 3; i++)
        *all[i] = divide ? *all[i] / factor : *all[i] * factor;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < w.n[side]; i++)
            w.at[side][i].n = divide ? w.at[side][i].n / factor : w.at[side][i].n * factor;
    if (factor < 0)
        w.hint = NV_RESET_GAUGE;
    return put_together(arena, &w, ret);
}

int nv_histogram_compact(struct nv_arena *arena, const struct nv_histogram *h,
                         struct nv_histogram **ret)
{
    struct wide w;
    int r = take_apart(arena, h, &w);

    return r < 0 ? r : put_together(arena, &w, ret);
}

static bool any_fell(const struct entry *now, size_t n_now, const struct entry *before, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        while (k < n_now && now[k].index < before[i].index)
            k++;
        if (before[i].n > 0 &&
            (k == n_now || now[k].index != before[i].index || now[k].n < before[i].n))
            return true;
    }
    return false;
}

int nv_histogram_is_reset(struct nv_arena *arena, const struct nv_histogram *h,
                          const struct nv_histogram *before)
{
    struct wide a, b;

    if (h->reset_hint == NV_RESET_YES || h->reset_hint == NV_RESET_NO)
        return h->reset_hint == NV_RESET_YES;
    if (h->count < before->count || nv_histogram_is_custom(h) != nv_histogram_is_custom(before))
        return 1;
    int r = take_apart(arena, h, &a);
    if (r == 0)
        r = take_apart(arena, before, &b);
    if (r < 0)
        return r;
    if (nv_histogram_is_custom(h)) {
        r = same_bounds(&a, &b) ? 0 : reconcile(arena, &a, &b);
        return r < 0 ? r : any_fell(a.at[0], a.n[0], b.at[0], b.n[0]);
    }
    if (a.schema > b.schema || a.threshold < b.threshold)
        return 1;
    if (widen(&b, a.threshold) != a.threshold || a.zero < b.zero)
        return 1;
    reduce(&b, a.schema);
    return any_fell(a.at[0], a.n[0], b.at[0], b.n[0]) || any_fell(a.at[1], a.n[1], b.at[1], b.n[1]);
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

int nv_histogram_equal(struct nv_arena *arena, const struct nv_histogram *x,
                       const struct nv_histogram *y)
{
    struct wide a, b;
    int r = take_apart(arena, x, &a);

    if (r == 0)
        r = take_apart(arena, y, &b);
    if (r < 0)
        return r;
    if (a.schema != b.schema || !same_bits(a.threshold, b.threshold) ||
        !same_bits(a.zero, b.zero) || !same_bits(a.count, b.count) || !same_bits(a.sum, b.sum) ||
        !same_bounds(&a, &b))
        return 0;
    for (int side = 0; side < 2; side++) {
        if (a.n[side] != b.n[side])
            return 0;
        for (size_t i = 0; i < a.n[side]; i++)
            if (a.at[side][i].index != b.at[side][i].index ||
                !same_bits(a.at[side][i].n, b.at[side][i].n))
                return 0;
    }
    return 1;
}

const struct nv_bucket *nv_histogram_buckets(struct nv_arena *arena, const struct nv_histogram *h,
                                             size_t *ret_n)
{
    struct wide w;
    size_t n = 0;

    if (take_apart(arena, h, &w) < 0)
        return NULL;
    struct nv_bucket *out = nv_arena_alloc(arena, (w.n[0] + w.n[1] + 1) * sizeof(*out));
    if (!out)
        return NULL;
    for (size_t i = w.n[1]; i-- > 0;) {
        struct entry e = w.at[1][i];
        out[n++] = (struct nv_bucket){-bound_of(w.schema, e.index),
                                      -bound_of(w.schema, e.index - 1), e.n, e.index, -1};
    }
    if (w.zero != 0)
        out[n++] = (struct nv_bucket){-w.threshold, w.threshold, w.zero, 0, 0};
    for (size_t i = 0; i < w.n[0]; i++) {
        struct entry e = w.at[0][i];
        size_t k = (size_t)e.index;
        if (w.schema != NV_HISTOGRAM_CUSTOM)
            out[n++] = (struct nv_bucket){bound_of(w.schema, e.index - 1),
                                          bound_of(w.schema, e.index), e.n, e.index, 1};
        else
            out[n++] = (struct nv_bucket){k && k <= w.n_bounds ? w.bounds[k - 1] : -INFINITY,
                                          k < w.n_bounds ? w.bounds[k] : INFINITY, e.n, e.index, 1};
    }
    *ret_n = n;
    return out;
}

/* How much of a bucket lies below x. */
static double part_below(double lower, double upper, bool linear, double x)
{
    if (linear)
        return (x - lower) / (upper - lower);
    if (lower >= 0)
        return (log2(x) - log2(lower)) / (log2(upper) - log2(lower));
    return 1 - (log2(-x) - log2(-upper)) / (log2(-lower) - log2(-upper));
}

struct trimming {
    struct wide w;
    double x, count, sum;
    bool upper, changed;
};

/* What is left of one bucket, and its share of the new count and sum. */
static double trim_bucket(struct trimming *t, double lower, double upper, bool linear, double n)
{
    double kept = n, from = lower, to = upper;

    if (t->upper ? upper <= t->x : lower >= t->x) {
        kept = n;
    } else if (t->upper ? lower >= t->x : upper <= t->x) {
        kept = 0;
    } else if (isinf(lower) || isinf(upper)) {
        kept = 0;
    } else {
        double below = part_below(lower, upper, linear, t->x);
        kept = n * (t->upper ? below : 1 - below);
        from = t->upper ? lower : t->x;
        to = t->upper ? t->x : upper;
    }
    t->changed |= kept != n;
    double middle = linear                     ? (from + to) / 2
                    : isinf(from) || isinf(to) ? (isinf(from) ? to : from)
                    : from < 0                 ? -sqrt(from * to)
                                               : sqrt(from * to);
    if (isinf(middle))
        middle = isinf(from) ? to : from;
    t->count += kept;
    t->sum += kept ? kept * middle : 0;
    return kept;
}

int nv_histogram_trim(struct nv_arena *arena, const struct nv_histogram *h, double x, bool upper,
                      struct nv_histogram **ret)
{
    struct trimming t = {.x = x, .upper = upper};
    int r = take_apart(arena, h, &t.w);
    bool custom = nv_histogram_is_custom(h);

    if (r < 0)
        return r;
    struct wide *w = &t.w;
    for (size_t i = 0; i < w->n[1]; i++)
        w->at[1][i].n =
            trim_bucket(&t, -bound_of(w->schema, w->at[1][i].index),
                        -bound_of(w->schema, w->at[1][i].index - 1), false, w->at[1][i].n);
    if (w->zero != 0) {
        double low = w->n[1] || !w->n[0] ? -w->threshold : 0;
        double high = w->n[0] || !w->n[1] ? w->threshold : 0;
        w->zero = trim_bucket(&t, low, high, true, w->zero);
    }
    for (size_t i = 0; i < w->n[0]; i++) {
        size_t k = (size_t)w->at[0][i].index;
        double low = custom ? (k && k <= w->n_bounds ? w->bounds[k - 1] : -INFINITY)
                            : bound_of(w->schema, w->at[0][i].index - 1);
        double high = custom ? (k < w->n_bounds ? w->bounds[k] : INFINITY)
                             : bound_of(w->schema, w->at[0][i].index);
        w->at[0][i].n = trim_bucket(&t, low, high, custom, w->at[0][i].n);
    }
    if (t.changed) {
        w->count = t.count;
        w->sum = t.sum;
    }
    return put_together(arena, w, ret);
}

static void print_number(struct nv_buf *out, double value)
{
    char text[NV_NUMBER_MAX];

    nv_buf_add(out, text, nv_number_text(text, value));
}

void nv_histogram_print(struct nv_buf *out, const struct nv_histogram *h)
{
    struct nv_arena arena = NV_ARENA(16 << 20);
    size_t n = 0;
    const struct nv_bucket *buckets = nv_histogram_buckets(&arena, h, &n);

    nv_buf_text(out, "{count:");
    print_number(out, h->count);
    nv_buf_text(out, ", sum:");
    print_number(out, h->sum);
    for (size_t i = 0; buckets && i < n; i++) {
        nv_buf_text(out, buckets[i].side > 0 ? ", (" : ", [");
        print_number(out, buckets[i].lower);
        nv_buf_char(out, ',');
        print_number(out, buckets[i].upper);
        nv_buf_text(out, buckets[i].side < 0 ? "):" : "]:");
        print_number(out, buckets[i].count);
    }
    nv_buf_char(out, '}');
    nv_arena_done(&arena);
}
