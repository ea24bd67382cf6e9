/*
 * eval_aggregate.c - sum, avg, count and the like: groups that add up row by row and hold no series.
 */
#include "promql/eval_groups.h"
#include "promql/histograms.h"

static uint64_t group_hash(uint32_t i, const void *user)
{
    return ((const struct nv_groups *)user)->at[i].hash;
}

void nv_groups_open(struct nv_eval *ev, struct nv_groups *groups, const struct nv_expr *expr,
                    const struct nv_grid *grid, nv_row_fn fn, void *user)
{
    *groups = (struct nv_groups){.expr = expr, .grid = grid, .fn = fn, .user = user};
    nv_pool_open(ev, &groups->pool);
}

void nv_groups_close(struct nv_eval *ev, struct nv_groups *groups)
{
    free(groups->at);
    nv_index_done(&groups->index);
    nv_pool_close(ev, &groups->pool);
}

struct nv_label *nv_group_labels(struct nv_eval *ev, const struct nv_aggregation *a,
                                 const struct nv_row *row, size_t *ret_n)
{
    struct nv_label *labels = nv_pool_alloc(&ev->scratch, row->n_labels + 1, sizeof(*labels));

    if (labels)
        *ret_n = a->without ? nv_labels_drop(row->labels, row->n_labels, &a->labels, true, labels)
                            : nv_labels_keep(row->labels, row->n_labels, &a->labels, labels);
    return labels;
}

int nv_groups_find(struct nv_eval *ev, struct nv_groups *groups, const struct nv_label *labels,
                   size_t n, bool drop_name, struct nv_group **ret)
{
    uint64_t hash = nv_labels_hash(labels, n);

    for (uint32_t at = nv_index_first(&groups->index, hash), i;
         nv_index_next(&groups->index, hash, &at, &i);) {
        struct nv_group *g = &groups->at[i];
        if (!nv_labels_equal(labels, n, g->labels, g->n_labels))
            continue;
        g->drop_name |= drop_name;
        *ret = g;
        return 0;
    }
    if (groups->n == groups->room) {
        uint32_t room = groups->room ? groups->room * 2 : 16;
        struct nv_group *larger = realloc(groups->at, room * sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        groups->at = larger;
        groups->room = room;
    }
    struct nv_label *copy = nv_pool_alloc(&groups->pool, n, sizeof(*copy));
    if (!copy)
        return nv_eval_no_memory(ev);
    if (n)
        memcpy(copy, labels, n * sizeof(*copy));
    *ret = &groups->at[groups->n++];
    **ret = (struct nv_group){.hash = hash, .labels = copy, .n_labels = n, .drop_name = drop_name};
    int r = nv_index_add(&groups->index, hash, groups->n - 1, group_hash, groups);
    return r < 0 ? nv_eval_no_memory(ev) : 0;
}

/* What a group adds up, by step. */
struct sums {
    double *a, *c;
    uint32_t *n; /* floats, and for count() histograms too */
    uint8_t *flags;
    struct nv_histogram_sum **histograms;
};

enum { INCREMENTAL = 1, MIXED = 2 };

static int new_sums(struct nv_eval *ev, struct nv_groups *groups, struct nv_group *g)
{
    size_t n = groups->grid->n;
    struct sums *s = nv_pool_alloc(&groups->pool, 1, sizeof(*s));

    if (!s)
        return nv_eval_no_memory(ev);
    *s = (struct sums){nv_pool_alloc(&groups->pool, n, sizeof(double)),
                       nv_pool_alloc(&groups->pool, n, sizeof(double)),
                       nv_pool_alloc(&groups->pool, n, sizeof(uint32_t)),
                       nv_pool_alloc(&groups->pool, n, 1), NULL};
    if (!s->a || !s->c || !s->n || !s->flags)
        return nv_eval_no_memory(ev);
    memset(s->a, 0, n * sizeof(double));
    memset(s->c, 0, n * sizeof(double));
    memset(s->n, 0, n * sizeof(uint32_t));
    memset(s->flags, 0, n);
    g->user = s;
    return 0;
}

static void add_mean(struct sums *s, size_t i, double x)
{
    double n = s->n[i], sum = s->a[i], c = s->c[i];

    if (!(s->flags[i] & INCREMENTAL)) {
        nv_sum_add(&sum, &c, x);
        if (n == 1 || !isinf(sum)) {
            s->a[i] = sum;
            s->c[i] = c;
            return;
        }
        s->flags[i] |= INCREMENTAL;
        s->a[i] /= n - 1;
        s->c[i] /= n - 1;
    }
    double q = (n - 1) / n;
    s->a[i] *= q;
    s->c[i] *= q;
    nv_sum_add(&s->a[i], &s->c[i], x / n);
}

/* Welford: a is the sum of squared distances, c the mean. */
static void add_variance(struct sums *s, size_t i, double x)
{
    if (s->n[i] == 1) {
        s->c[i] = x;
        s->a[i] = isnan(x) || isinf(x) ? NAN : 0;
        return;
    }
    double delta = x - s->c[i];
    s->c[i] += delta / s->n[i];
    s->a[i] += delta * (x - s->c[i]);
}

static void add_float(enum nv_aggregator aggregator, struct sums *s, size_t i, double x)
{
    s->n[i]++;
    switch (aggregator) {
    case NV_AGG_SUM:
        nv_sum_add(&s->a[i], &s->c[i], x);
        return;
    case NV_AGG_AVG:
        add_mean(s, i, x);
        return;
    case NV_AGG_MIN:
        if (s->n[i] == 1 || x < s->a[i] || isnan(s->a[i]))
            s->a[i] = x;
        return;
    case NV_AGG_MAX:
        if (s->n[i] == 1 || x > s->a[i] || isnan(s->a[i]))
            s->a[i] = x;
        return;
    case NV_AGG_STDDEV:
    case NV_AGG_STDVAR:
        add_variance(s, i, x);
        return;
    default:
        return;
    }
}

static int add_histogram(struct nv_eval *ev, struct nv_groups *groups, struct sums *s, size_t i,
                         const struct nv_histogram *h)
{
    enum nv_aggregator aggregator = groups->expr->aggregation.aggregator;

    if (aggregator == NV_AGG_COUNT || aggregator == NV_AGG_GROUP) {
        s->n[i]++;
        return 0;
    }
    if (aggregator != NV_AGG_SUM && aggregator != NV_AGG_AVG) {
        nv_annotate(ev, false, groups->expr->aggregation.expr,
                    "ignored histogram in %s aggregation", nv_aggregator_text(aggregator));
        return 0;
    }
    if (!s->histograms) {
        s->histograms = nv_pool_alloc(&groups->pool, groups->grid->n, sizeof(*s->histograms));
        if (!s->histograms)
            return nv_eval_no_memory(ev);
        memset(s->histograms, 0, groups->grid->n * sizeof(*s->histograms));
    }
    return nv_histogram_sum_add(ev, &groups->pool, groups->expr, h, aggregator == NV_AGG_AVG,
                                &s->histograms[i]);
}

static int add_row(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct nv_groups *groups = user;
    const struct nv_aggregation *a = &groups->expr->aggregation;
    struct nv_group *g;
    size_t n;
    const struct nv_label *labels = nv_group_labels(ev, a, row, &n);
    int r =
        labels ? nv_groups_find(ev, groups, labels, n, row->drop_name, &g) : nv_eval_no_memory(ev);

    if (r == 0 && !g->user)
        r = new_sums(ev, groups, g);
    for (size_t i = 0; r == 0 && i < groups->grid->n; i++) {
        const struct nv_histogram *h = nv_row_histogram(row, i);
        if (h)
            r = add_histogram(ev, groups, g->user, i, h);
        else if (nv_row_has(row, i))
            add_float(a->aggregator, g->user, i, row->values[i]);
    }
    return r < 0 ? r : nv_eval_check(ev);
}

static double total(enum nv_aggregator aggregator, const struct sums *s, size_t i)
{
    double n = s->n[i];

    switch (aggregator) {
    case NV_AGG_SUM:
        return s->a[i] + s->c[i];
    case NV_AGG_AVG:
        return s->flags[i] & INCREMENTAL ? s->a[i] + s->c[i] : s->a[i] / n + s->c[i] / n;
    case NV_AGG_COUNT:
        return n;
    case NV_AGG_GROUP:
        return 1;
    case NV_AGG_STDDEV:
        return sqrt(s->a[i] / n);
    case NV_AGG_STDVAR:
        return s->a[i] / n;
    default:
        return s->a[i];
    }
}

static int emit(struct nv_eval *ev, struct nv_groups *groups, const struct nv_group *g)
{
    const struct sums *s = g->user;
    const struct nv_expr *expr = groups->expr;
    struct nv_row row;
    int r = nv_row_new(ev, &ev->scratch, groups->grid->n, s->histograms, &row);

    for (size_t i = 0; r == 0 && i < groups->grid->n; i++) {
        bool histogram = s->histograms && s->histograms[i];
        if (histogram && s->n[i]) {
            nv_annotate(ev, true, expr->aggregation.expr,
                        "encountered a mix of histograms and floats for aggregation");
        } else if (histogram) {
            r = nv_histogram_sum_end(ev, s->histograms[i], &row.histograms[i]);
            if (row.histograms[i])
                row.values[i] = 0;
        } else if (s->n[i]) {
            row.values[i] = total(expr->aggregation.aggregator, s, i);
        }
    }
    row.labels = g->labels;
    row.n_labels = g->n_labels;
    row.drop_name = g->drop_name;
    return r < 0 ? r : groups->fn(ev, &row, groups->user);
}

int nv_eval_aggregation(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                        nv_row_fn fn, void *user)
{
    struct nv_groups groups;

    if (expr->aggregation.parameter)
        return nv_eval_choice(ev, expr, grid, fn, user);
    nv_groups_open(ev, &groups, expr, grid, fn, user);
    int r = nv_eval_rows(ev, expr->aggregation.expr, grid, add_row, &groups);
    for (uint32_t i = 0; r == 0 && i < groups.n; i++) {
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        r = emit(ev, &groups, &groups.at[i]);
        nv_arena_rewind(&ev->scratch.arena, mark);
    }
    nv_groups_close(ev, &groups);
    return r;
}
