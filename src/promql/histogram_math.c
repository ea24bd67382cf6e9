/*
 * histogram_math.c - native histograms as lists of (index, count), and back.
 */
#include "promql/histogram_math.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "promql/sum.h"

/* c: what sums have lost to rounding (Neumaier); 0 elsewhere. */
struct entry {
    int32_t index;
    double n, c;
};

/* A histogram taken apart. */
struct wide {
    int32_t schema;
    uint8_t hint;
    double threshold, zero, count, sum, zero_c, count_c, sum_c;
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
                out[(*ret_n)++] = (struct entry){(int32_t)index, counts[at], 0};
    }
    return out;
}

static int take_apart(struct nv_arena *arena, const struct nv_histogram *h, struct wide *ret)
{
    *ret = (struct wide){.schema = h->schema,
                         .hint = h->reset_hint,
                         .threshold = h->zero_threshold,
                         .zero = h->zero_count,
                         .count = h->count,
                         .sum = h->sum};
    ret->at[0] = expand(arena, h->positive_spans, h->n_positive_spans, h->positive, h->n_positive,
                        &ret->n[0]);
    ret->at[1] = expand(arena, h->negative_spans, h->n_negative_spans, h->negative, h->n_negative,
                        &ret->n[1]);
    ret->bounds = h->custom_values;
    ret->n_bounds = h->n_custom;
    return ret->at[0] && ret->at[1] ? 0 : -ENOMEM;
}

static double whole(double sum, double c)
{
    return isfinite(sum) ? sum + c : sum;
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
        double count = whole(at[i].n, at[i].c);
        if (count == 0)
            continue;
        if (!n_spans || at[i].index != next)
            spans[n_spans++] = (struct nv_span){(int32_t)(at[i].index - next), 0};
        spans[n_spans - 1].length++;
        counts[n_counts++] = count;
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
                               .zero_count = whole(w->zero, w->zero_c),
                               .count = whole(w->count, w->count_c),
                               .sum = whole(w->sum, w->sum_c),
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

static void add_entry(struct entry *to, const struct entry *from, double sign)
{
    nv_sum_add(&to->n, &to->c, sign * from->n);
    to->c += sign * from->c;
}

static void reduce(struct wide *w, int32_t schema)
{
    int shift = w->schema - schema;

    for (int side = 0; shift > 0 && side < 2; side++) {
        size_t n = 0;
        for (size_t i = 0; i < w->n[side]; i++) {
            int32_t index = ((w->at[side][i].index - 1) >> shift) + 1;
            if (n && w->at[side][n - 1].index == index)
                add_entry(&w->at[side][n - 1], &w->at[side][i], 1);
            else
                w->at[side][n++] = (struct entry){index, w->at[side][i].n, w->at[side][i].c};
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
        for (; n < w->n[side] && bound_of(w->schema, w->at[side][n].index) <= threshold; n++) {
            nv_sum_add(&w->zero, &w->zero_c, w->at[side][n].n);
            w->zero_c += w->at[side][n].c;
        }
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
            out[n] = from_a ? a->at[side][i] : (struct entry){b->at[side][k].index, 0, 0};
            if (from_b)
                add_entry(&out[n], &b->at[side][k], sign);
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
            add_entry(&w->at[0][n - 1], &w->at[0][i], 1);
        else
            w->at[0][n++] = (struct entry){(int32_t)to, w->at[0][i].n, w->at[0][i].c};
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

/* a becomes the sum or difference. Returns outcomes or-ed; of NV_HISTOGRAM_MIXED a is left as it was. */
static int join(struct nv_arena *arena, struct wide *a, struct wide *b, double sign)
{
    int outcome = align(arena, a, b);

    if (outcome < 0 || outcome == NV_HISTOGRAM_MIXED)
        return outcome;
    a->hint = joint_hint(a->hint, b->hint, &outcome);
    if (sign < 0)
        a->hint = NV_RESET_GAUGE;
    nv_sum_add(&a->zero, &a->zero_c, sign * b->zero);
    nv_sum_add(&a->count, &a->count_c, sign * b->count);
    nv_sum_add(&a->sum, &a->sum_c, sign * b->sum);
    a->zero_c += sign * b->zero_c; /* of buckets that went into the zero bucket */
    int r = add_sides(arena, a, b, sign);
    return r < 0 ? r : outcome;
}

int nv_histogram_combine(struct nv_arena *arena, const struct nv_histogram *x,
                         const struct nv_histogram *y, bool subtract, struct nv_histogram **ret)
{
    struct wide a, b;
    int r = take_apart(arena, x, &a), outcome;

    if (r == 0)
        r = take_apart(arena, y, &b);
    if (r < 0)
        return r;
    outcome = join(arena, &a, &b, subtract ? -1 : 1);
    if (outcome < 0 || outcome == NV_HISTOGRAM_MIXED)
        return outcome;
    r = put_together(arena, &a, ret);
    return r < 0 ? r : outcome;
}

/* ---- many added up -------------------------------------------------------------------------- */

struct nv_histogram_adder {
    struct wide total; /* in arrays of its own, written over as it grows */
    size_t room[2], room_bounds;
    double n;
    bool
        incremental; /* the total is the mean, since the sum would have left the range of doubles */
};

static void scale_wide(struct wide *w, double factor)
{
    double *all[] = {&w->zero, &w->zero_c, &w->count, &w->count_c, &w->sum, &w->sum_c};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        *all[i] *= factor;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < w->n[side]; i++) {
            w->at[side][i].n *= factor;
            w->at[side][i].c *= factor;
        }
}

static bool overflows(const struct wide *w)
{
    bool any = isinf(w->zero) || isinf(w->count) || isinf(w->sum);

    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < w->n[side] && !any; i++)
            any = isinf(w->at[side][i].n);
    return any;
}

/* Takes over a total that lies elsewhere. */
static int keep_total(struct nv_arena *arena, struct nv_histogram_adder *adder,
                      const struct wide *total)
{
    struct wide before = adder->total;
    double *bounds = (double *)(uintptr_t)before.bounds; /* which are the adder's own */

    adder->total = *total;
    for (int side = 0; side < 2; side++) {
        struct entry *at = before.at[side];
        if (total->n[side] > adder->room[side] || !at) {
            adder->room[side] = total->n[side] * 2;
            at = nv_arena_alloc(arena, adder->room[side] * sizeof(*at));
        }
        if (!at)
            return -ENOMEM;
        if (total->n[side])
            memmove(at, total->at[side], total->n[side] * sizeof(*at));
        adder->total.at[side] = at;
    }
    if (total->n_bounds > adder->room_bounds || !bounds) {
        adder->room_bounds = total->n_bounds;
        bounds = nv_arena_alloc(arena, total->n_bounds * sizeof(*bounds));
    }
    if (!bounds)
        return -ENOMEM;
    if (total->n_bounds)
        memmove(bounds, total->bounds, total->n_bounds * sizeof(*bounds));
    adder->total.bounds = bounds;
    return 0;
}

/* A total that may be changed without changing the adder's. */
static int copy_total(struct nv_arena *scratch, const struct nv_histogram_adder *adder,
                      struct wide *ret)
{
    *ret = adder->total;
    for (int side = 0; side < 2; side++) {
        struct entry *at = nv_arena_alloc(scratch, (ret->n[side] + 1) * sizeof(*at));
        if (!at)
            return -ENOMEM;
        if (ret->n[side])
            memcpy(at, ret->at[side], ret->n[side] * sizeof(*at));
        ret->at[side] = at;
    }
    return 0;
}

int nv_histogram_add(struct nv_arena *arena, struct nv_arena *scratch, const struct nv_histogram *h,
                     bool mean, struct nv_histogram_adder **ret)
{
    struct nv_histogram_adder *adder = *ret;
    struct wide one, total;
    int r = take_apart(scratch, h, &one);

    if (r < 0)
        return r;
    if (!adder) {
        adder = nv_arena_alloc(arena, sizeof(*adder));
        if (!adder)
            return -ENOMEM;
        *adder = (struct nv_histogram_adder){.n = 1};
        *ret = adder;
        return keep_total(arena, adder, &one);
    }
    r = copy_total(scratch, adder, &total);
    if (r < 0)
        return r;
    if (adder->incremental) {
        scale_wide(&total, adder->n / (adder->n + 1));
        scale_wide(&one, 1 / (adder->n + 1));
    }
    int outcome = join(scratch, &total, &one, 1);
    if (outcome < 0 || outcome == NV_HISTOGRAM_MIXED)
        return outcome;
    adder->n++;
    if (mean && !adder->incremental && overflows(&total) && !overflows(&adder->total)) {
        adder->incremental = true;
        adder->n--;
        scale_wide(&adder->total, 1 / adder->n);
        return nv_histogram_add(arena, scratch, h, mean, ret);
    }
    r = keep_total(arena, adder, &total);
    return r < 0 ? r : outcome;
}

int nv_histogram_added(struct nv_arena *arena, struct nv_histogram_adder *adder, bool mean,
                       struct nv_histogram **ret)
{
    struct wide *w = &adder->total;
    double n = adder->n;

    if (mean && !adder->incremental) {
        double *all[] = {&w->zero, &w->zero_c, &w->count, &w->count_c, &w->sum, &w->sum_c};
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            *all[i] /= n;
        for (int side = 0; side < 2; side++)
            for (size_t i = 0; i < w->n[side]; i++) {
                w->at[side][i].n /= n;
                w->at[side][i].c /= n;
            }
    }
    return put_together(arena, w, ret);
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
