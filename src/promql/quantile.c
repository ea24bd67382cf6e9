/*
 * quantile.c - histogram_quantile, histogram_quantiles and histogram_fraction, of classic and native histograms.
 *
 * Classic ones come as a row for each bucket: they are gathered by their labels without `le` first.
 */
#include "base/number.h"
#include "promql/histograms.h"

struct bound {
    double upper, count;
};

struct classic {
    uint64_t hash;
    const struct nv_label *labels; /* without le */
    size_t n_labels, n, room;
    bool drop_name;
    struct part {
        double upper;
        double *values; /* by step */
    } * parts;
    struct nv_row native; /* values NULL where there is none */
};

struct quantiling {
    struct nv_calling *c;
    struct classic *at;
    uint32_t n, room;
    struct nv_index index;
};

/* --- native --- */

/* Where within a bucket a fraction of its observations lies. */
static double interpolate(const struct nv_histogram *h, const struct nv_bucket *b, double lower,
                          double upper, double fraction)
{
    if (nv_histogram_is_custom(h) || b->side == 0)
        return lower + (upper - lower) * fraction;
    double low = log2(fabs(lower)), high = log2(fabs(upper));
    if (lower >= 0)
        return exp2(low + (high - low) * fraction);
    return -exp2(high + (low - high) * (1 - fraction));
}

/* The zero bucket reaches to one side only where the other has no buckets. */
static void edges(const struct nv_histogram *h, const struct nv_bucket *b, double *lower,
                  double *upper)
{
    *lower = b->lower;
    *upper = b->upper;
    if (b->side == 0 && h->n_positive && !h->n_negative)
        *lower = 0;
    else if (b->side == 0 && h->n_negative && !h->n_positive)
        *upper = 0;
    if (nv_histogram_is_custom(h) && isinf(*lower) && *upper > 0)
        *lower = 0;
}

static double native_quantile(struct nv_eval *ev, const struct nv_calling *c, struct nv_str name,
                              double q, const struct nv_histogram *h)
{
    size_t n = 0, i;
    double seen = 0, lower, upper;
    const char *of = name.n ? " for metric name " : "", *quoted = name.n ? nv_quoted(ev, name) : "";

    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (h->count == 0 || isnan(q))
        return NAN;
    const struct nv_bucket *b = nv_histogram_buckets(&ev->scratch.arena, h, &n);
    if (!b || !n)
        return NAN;
    bool up = isnan(h->sum) || q < 0.5;
    double rank = (up ? q : 1 - q) * h->count;
    for (i = 0; i < n; i++) {
        seen += b[up ? i : n - 1 - i].count;
        if (seen >= rank)
            break;
    }
    const struct nv_bucket *in = &b[i == n ? (up ? n - 1 : 0) : up ? i : n - 1 - i];
    edges(h, in, &lower, &upper);
    if (isnan(h->sum) && i == n) {
        nv_annotate(ev, false, c->vector,
                    "input to histogram_quantile has NaN observations, result is NaN%s%s", of,
                    quoted);
        return NAN;
    }
    if (isnan(h->sum))
        nv_annotate(ev, false, c->vector,
                    "input to histogram_quantile has NaN observations, result is skewed higher%s%s",
                    of, quoted);
    if (nv_histogram_is_custom(h) && isinf(in->lower) && in->upper <= 0)
        return in->upper;
    if (nv_histogram_is_custom(h) && isinf(in->upper))
        return in->lower;
    if (i == n)
        return upper;
    double inside = up ? rank - (seen - in->count) : seen - rank;
    return interpolate(h, in, lower, upper, inside / in->count);
}

/* Observations below x. */
static double native_rank(struct nv_eval *ev, const struct nv_histogram *h, double x)
{
    size_t n = 0;
    const struct nv_bucket *b = nv_histogram_buckets(&ev->scratch.arena, h, &n);
    double rank = 0, lower, upper;

    for (size_t i = 0; b && i < n; i++) {
        edges(h, &b[i], &lower, &upper);
        if (nv_histogram_is_custom(h))
            lower = b[i].lower; /* as it is: nothing is known of what lies below */
        if (nv_histogram_is_custom(h) && isinf(lower) && upper > 0)
            lower = 0;
        if (x >= upper) {
            rank += b[i].count;
            continue;
        }
        if (x <= lower)
            continue;
        if (isinf(lower))
            rank += b[i].count;
        else if (isinf(upper))
            rank += 0;
        else if (nv_histogram_is_custom(h) || b[i].side == 0)
            rank += b[i].count * (x - lower) / (upper - lower);
        else if (lower >= 0)
            rank += b[i].count * (log2(x) - log2(lower)) / (log2(upper) - log2(lower));
        else
            rank += b[i].count * (1 - (log2(-x) - log2(-upper)) / (log2(-lower) - log2(-upper)));
    }
    return rank;
}

static double native_fraction(struct nv_eval *ev, const struct nv_calling *c, struct nv_str name,
                              double low, double high, const struct nv_histogram *h)
{
    if (h->count == 0 || isnan(low) || isnan(high))
        return NAN;
    if (low >= high)
        return 0;
    if (isnan(h->sum))
        nv_annotate(ev, false, c->vector,
                    "input to histogram_fraction has NaN observations, which are excluded from all "
                    "fractions%s%s",
                    name.n ? " for metric name " : "", name.n ? nv_quoted(ev, name) : "");
    return (native_rank(ev, h, high) - native_rank(ev, h, low)) / h->count;
}

/* --- classic --- */

/* Equal bounds become one, and counts never fall; what had to be mended is told. */
static size_t mend(struct bound *b, size_t n, double *ret_low, double *ret_high, double *ret_most)
{
    size_t kept = 0;

    *ret_most = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && b[kept - 1].upper == b[i].upper)
            b[kept - 1].count += b[i].count;
        else
            b[kept++] = b[i];
    }
    for (size_t i = 1; i < kept; i++) {
        double before = b[i - 1].count, difference = before - b[i].count;
        if (b[i].count == before)
            continue;
        double sum = fabs(before) + fabs(b[i].count);
        if (fabs(difference) / sum < 1e-12) {
            b[i].count = before;
        } else if (difference > 0) {
            if (*ret_most == 0)
                *ret_low = b[i].upper;
            *ret_high = b[i].upper;
            *ret_most = fmax(*ret_most, difference);
            b[i].count = before;
        }
    }
    return kept;
}

static double classic_quantile(double q, const struct bound *b, size_t n)
{
    size_t i = 0;

    if (isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (n < 2 || b[n - 1].upper != INFINITY || b[n - 1].count == 0 || isnan(b[n - 1].count))
        return NAN;
    double rank = q * b[n - 1].count;
    while (i < n - 1 && !(b[i].count >= rank))
        i++;
    if (i == n - 1)
        return b[n - 2].upper;
    if (i == 0 && b[0].upper <= 0)
        return b[0].upper;
    double start = i ? b[i - 1].upper : 0, before = i ? b[i - 1].count : 0;
    return start + (b[i].upper - start) * ((rank - before) / (b[i].count - before));
}

static double classic_rank(const struct bound *b, size_t n, double x)
{
    double before = 0, lower = b[0].upper > 0 ? 0 : -INFINITY;

    for (size_t i = 0; i < n; i++) {
        if (x < b[i].upper) {
            if (x <= lower)
                return before;
            if (isinf(lower))
                return b[i].count;
            if (isinf(b[i].upper))
                return before;
            return before + (b[i].count - before) * (x - lower) / (b[i].upper - lower);
        }
        before = b[i].count;
        lower = b[i].upper;
    }
    return before;
}

static double classic_fraction(double low, double high, const struct bound *b, size_t n)
{
    if (b[n - 1].count == 0 || isnan(low) || isnan(high))
        return NAN;
    if (low >= high)
        return 0;
    return (classic_rank(b, n, high) - classic_rank(b, n, low)) / b[n - 1].count;
}

/* --- rows --- */

static uint64_t hash_of(uint32_t i, const void *user)
{
    return ((const struct quantiling *)user)->at[i].hash;
}

static int find(struct nv_eval *ev, struct quantiling *q, const struct nv_row *row,
                struct classic **ret)
{
    struct nv_str le = NV_LIT("le");
    struct nv_label_names names = {&le, 1};
    struct nv_label *labels = nv_pool_alloc(q->c->pool, row->n_labels + 1, sizeof(*labels));

    if (!labels)
        return nv_eval_no_memory(ev);
    size_t n = nv_labels_drop(row->labels, row->n_labels, &names, false, labels);
    uint64_t hash = nv_labels_hash(labels, n);
    for (uint32_t at = nv_index_first(&q->index, hash), i;
         nv_index_next(&q->index, hash, &at, &i);) {
        *ret = &q->at[i];
        if (nv_labels_equal(labels, n, (*ret)->labels, (*ret)->n_labels))
            return 0;
    }
    if (q->n == q->room) {
        uint32_t room = q->room ? q->room * 2 : 16;
        struct classic *larger = realloc(q->at, room * sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        q->at = larger;
        q->room = room;
    }
    *ret = &q->at[q->n++];
    **ret = (struct classic){.hash = hash, .labels = labels, .n_labels = n};
    int r = nv_index_add(&q->index, hash, q->n - 1, hash_of, q);
    return r < 0 ? nv_eval_no_memory(ev) : 0;
}

static int add_part(struct nv_eval *ev, struct quantiling *q, struct classic *to, double upper,
                    const struct nv_row *row)
{
    size_t steps = q->c->grid->n;

    if (to->n == to->room) {
        size_t room = to->room ? to->room * 2 : 16;
        struct part *larger = nv_pool_alloc(q->c->pool, room, sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        if (to->n)
            memcpy(larger, to->parts, to->n * sizeof(*larger));
        to->parts = larger;
        to->room = room;
    }
    double *values = nv_pool_alloc(q->c->pool, steps, sizeof(double));
    if (!values)
        return nv_eval_no_memory(ev);
    for (size_t i = 0; i < steps; i++)
        values[i] = nv_row_is_float(row, i) ? row->values[i] : nv_stale();
    size_t at = to->n++;
    for (; at && to->parts[at - 1].upper > upper; at--)
        to->parts[at] = to->parts[at - 1];
    to->parts[at] = (struct part){upper, values};
    return 0;
}

static bool le_of(struct nv_eval *ev, const struct quantiling *q, const struct nv_row *row,
                  double *ret)
{
    struct nv_str le = nv_label_value(row->labels, row->n_labels, NV_LIT("le"));
    struct nv_str name = nv_row_name(row);

    if (le.n && nv_str_to_real(le, ret) && !isnan(*ret))
        return true;
    nv_annotate(
        ev, true, q->c->vector, "bucket label \"le\" is missing or has a malformed value of %s%s%s",
        nv_quoted(ev, le), name.n ? " for metric name " : "", name.n ? nv_quoted(ev, name) : "");
    return false;
}

/* A row's native histograms, kept; they are the store's until the row is gone. */
static int keep_native(struct nv_eval *ev, struct quantiling *q, struct classic *to,
                       const struct nv_row *row)
{
    size_t steps = q->c->grid->n;
    int r = 0;

    if (!to->native.values)
        r = nv_row_new(ev, q->c->pool, steps, true, &to->native);
    for (size_t i = 0; r == 0 && i < steps; i++) {
        const struct nv_histogram *h = nv_row_histogram(row, i);
        struct nv_histogram *copy;
        if (!h)
            continue;
        if (nv_histogram_compact(&q->c->pool->arena, h, &copy) < 0)
            return nv_eval_no_memory(ev);
        to->native.values[i] = 0;
        to->native.histograms[i] = copy;
    }
    return r;
}

static int gather(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct quantiling *q = user;
    bool floats = false, histograms = false;
    struct classic *to = NULL;
    double upper = 0;

    for (size_t i = 0; i < q->c->grid->n; i++) {
        floats |= nv_row_is_float(row, i);
        histograms |= nv_row_histogram(row, i) != NULL;
    }
    bool bucket = floats && le_of(ev, q, row, &upper);
    if (!bucket && !histograms)
        return 0;
    int r = find(ev, q, row, &to);
    if (r == 0)
        to->drop_name |= row->drop_name;
    if (r == 0 && histograms)
        r = keep_native(ev, q, to, row);
    if (r == 0 && bucket)
        r = add_part(ev, q, to, upper, row);
    return r < 0 ? r : nv_eval_check(ev);
}

static void note_mended(struct nv_eval *ev, const struct quantiling *q, struct nv_str name,
                        size_t i, double low, double high, double most)
{
    struct nv_fix *f = ev->fixes;
    int64_t time = nv_grid_time(q->c->grid, i);

    while (f && !(f->at == q->c->vector->start && nv_str_eq(f->name, name)))
        f = f->next;
    if (!f) {
        f = nv_pool_alloc(&ev->kept, 1, sizeof(*f));
        if (!f)
            return;
        *f = (struct nv_fix){q->c->vector->start, name, low, high, most, 0, time, time, ev->fixes};
        ev->fixes = f;
    }
    f->low = fmin(f->low, low);
    f->high = fmax(f->high, high);
    f->difference = fmax(f->difference, most);
    f->first_ms = time < f->first_ms ? time : f->first_ms;
    f->last_ms = time > f->last_ms ? time : f->last_ms;
    f->n++;
}

/* The value of one group at one step, by parameters p; absent where there is none. */
static double value_at(struct nv_eval *ev, struct quantiling *q, const struct classic *g, size_t i,
                       double p, double p2, struct bound *b)
{
    bool fraction = q->c->id == NV_FN_HISTOGRAM_FRACTION;
    struct nv_str name = nv_label_value(g->labels, g->n_labels, NV_LIT("__name__"));
    const struct nv_histogram *h = g->native.values ? nv_row_histogram(&g->native, i) : NULL;
    size_t n = 0;
    double low = 0, high = 0, most;

    for (size_t k = 0; k < g->n; k++)
        if (!nv_is_stale(g->parts[k].values[i]))
            b[n++] = (struct bound){g->parts[k].upper, g->parts[k].values[i]};
    if (h && n) {
        nv_annotate(ev, true, q->c->vector,
                    "vector contains a mix of classic and native histograms%s%s",
                    name.n ? " for metric name " : "", name.n ? nv_quoted(ev, name) : "");
        return nv_stale();
    }
    if (h)
        return fraction ? native_fraction(ev, q->c, name, p, p2, h)
                        : native_quantile(ev, q->c, name, p, h);
    if (!n)
        return nv_stale();
    if (b[n - 1].upper != INFINITY) /* which a quantile beyond 0 to 1 does not mind */
        return fraction ? NAN : classic_quantile(p, b, n);
    n = mend(b, n, &low, &high, &most);
    if (most > 0 && !fraction)
        note_mended(ev, q, name, i, low, high, most);
    return fraction ? classic_fraction(p, p2, b, n) : classic_quantile(p, b, n);
}

/* One row: all groups' value for one parameter. `label` gets the parameter, for histogram_quantiles(). */
static int emit(struct nv_eval *ev, struct quantiling *q, const struct classic *g, size_t which,
                struct bound *b)
{
    struct nv_calling *c = q->c;
    struct nv_row row;
    int r = nv_row_new(ev, &ev->scratch, c->grid->n, false, &row);
    struct nv_label *labels = nv_pool_alloc(&ev->scratch, g->n_labels + 1, sizeof(*labels));

    if (r < 0 || !labels)
        return nv_eval_no_memory(ev);
    for (size_t i = 0; i < c->grid->n; i++) {
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        double p2 = c->n_scalars > 1 ? c->scalars[1][i] : 0;
        row.values[i] = value_at(ev, q, g, i, c->scalars[which][i], p2, b);
        nv_arena_rewind(&ev->scratch.arena, mark);
    }
    if (g->n_labels)
        memcpy(labels, g->labels, g->n_labels * sizeof(*labels));
    row.labels = labels;
    row.n_labels = g->n_labels;
    row.drop_name = g->drop_name;
    if (c->id == NV_FN_HISTOGRAM_QUANTILES) {
        char text[NV_NUMBER_MAX];
        struct nv_str value = {text, nv_number_openmetrics(text, c->scalars[which][0])};
        value = nv_arena_str(&ev->kept.arena, value);
        if (!value.p)
            return nv_eval_no_memory(ev);
        row.n_labels =
            nv_labels_set(labels, row.n_labels, nv_eval_string(c->expr->call.args[1]), value);
    }
    r = nv_row_drop_name(ev, &row);
    return r < 0 ? r : c->fn(ev, &row, c->user);
}

static void check_parameters(struct nv_eval *ev, const struct nv_calling *c)
{
    size_t first = c->id == NV_FN_HISTOGRAM_QUANTILES ? 2 : 0;

    for (size_t k = 0; c->id != NV_FN_HISTOGRAM_FRACTION && k < c->n_scalars; k++)
        for (size_t i = 0; i < c->grid->n; i++)
            if (!(c->scalars[k][i] >= 0 && c->scalars[k][i] <= 1))
                nv_annotate(ev, true, c->expr->call.args[first + k],
                            "quantile value should be between 0 and 1, got %s",
                            nv_shown(ev, c->scalars[k][i]));
}

int nv_call_quantile(struct nv_eval *ev, struct nv_calling *c)
{
    struct quantiling q = {.c = c};
    size_t most = 0, times = c->id == NV_FN_HISTOGRAM_QUANTILES ? c->n_scalars : 1;
    int r = nv_eval_rows(ev, c->vector, c->grid, gather, &q);

    if (r == 0)
        check_parameters(ev, c);
    for (uint32_t i = 0; i < q.n; i++)
        most = q.at[i].n > most ? q.at[i].n : most;
    struct bound *b = nv_pool_alloc(c->pool, most + 1, sizeof(*b));
    if (r == 0 && !b)
        r = nv_eval_no_memory(ev);
    for (uint32_t i = 0; r == 0 && i < q.n; i++) {
        for (size_t k = 0; r == 0 && k < times; k++) {
            struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
            r = emit(ev, &q, &q.at[i], k, b);
            nv_arena_rewind(&ev->scratch.arena, mark);
        }
    }
    free(q.at);
    nv_index_done(&q.index);
    return r;
}
