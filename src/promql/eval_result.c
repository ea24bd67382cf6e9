/*
 * eval_result.c - what a query gives: rows as series of points, in the order they are wanted in.
 *
 * A row is dense, its points need not be: they are kept by themselves. Where a row has them all, the times are
 * those of the grid, and shared.
 */
#include "promql/eval_parts.h"

struct answer {
    const struct nv_grid *grid;
    struct nv_index index; /* of series, by labels */
    size_t room;
    const int64_t *times; /* of all steps; NULL: not needed yet */
    uint64_t samples;
};

static uint64_t series_hash(uint32_t i, const void *user)
{
    const struct nv_promql_series *s = &((const struct nv_promql_result *)user)->series[i];

    return nv_labels_hash(s->labels, s->n_labels);
}

static struct nv_promql_series *find(const struct nv_eval *ev, const struct answer *a,
                                     const struct nv_row *row, uint64_t hash)
{
    for (uint32_t at = nv_index_first(&a->index, hash), i;
         nv_index_next(&a->index, hash, &at, &i);) {
        struct nv_promql_series *s = &ev->result->series[i];
        if (nv_labels_equal(s->labels, s->n_labels, row->labels, row->n_labels))
            return s;
    }
    return NULL;
}

static int add_series(struct nv_eval *ev, struct answer *a, const struct nv_promql_series *series,
                      uint64_t hash)
{
    struct nv_promql_result *result = ev->result;
    struct nv_label *labels = nv_pool_alloc(&ev->kept, series->n_labels, sizeof(*labels));

    if (result->n == a->room) {
        size_t room = a->room ? a->room * 2 : 16;
        if (!nv_pool_count(ev, &ev->kept, (room - a->room) * (sizeof(*series) + 16)))
            return nv_eval_no_memory(ev); /* the index is counted with them */
        struct nv_promql_series *larger = realloc(result->series, room * sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        result->series = larger;
        a->room = room;
    }
    if (!labels)
        return nv_eval_no_memory(ev);
    if (series->n_labels)
        memcpy(labels, series->labels, series->n_labels * sizeof(*labels));
    result->series[result->n] = *series;
    result->series[result->n++].labels = labels;
    int r = nv_index_add(&a->index, hash, (uint32_t)result->n - 1, series_hash, result);
    return r < 0 ? nv_eval_no_memory(ev) : 0;
}

static const int64_t *grid_times(struct nv_eval *ev, struct answer *a)
{
    int64_t *times;

    if (a->times)
        return a->times;
    times = nv_pool_alloc(&ev->kept, a->grid->n, sizeof(*times));
    for (size_t i = 0; times && i < a->grid->n; i++)
        times[i] = nv_grid_time(a->grid, i);
    return a->times = times;
}

/* The histograms of a row that have one, each with all that belongs to it. */
static int keep_histograms(struct nv_eval *ev, const struct answer *a, const struct nv_row *row,
                           const struct nv_histogram **out, uint64_t *samples)
{
    const struct nv_histogram *last = NULL, *copy = NULL;
    size_t n = 0;

    for (size_t i = 0; i < a->grid->n; i++) {
        const struct nv_histogram *h = nv_row_histogram(row, i);
        if (!nv_row_has(row, i))
            continue;
        if (h && h != last) {
            copy = nv_pool_histogram(&ev->kept, h);
            if (!copy)
                return nv_eval_no_memory(ev);
            last = h;
        }
        *samples += h ? nv_histogram_weight(h) : 0;
        out[n++] = h ? copy : NULL;
    }
    return 0;
}

/* The points of a row, of which it has n, in memory of their own. */
static int keep_points(struct nv_eval *ev, struct answer *a, const struct nv_row *row, size_t n,
                       struct nv_promql_series *ret)
{
    bool full = n == a->grid->n;
    int64_t *times = full ? NULL : nv_pool_alloc(&ev->kept, n, sizeof(*times));
    double *values = nv_pool_alloc(&ev->kept, n, sizeof(*values));
    const struct nv_histogram **histograms = NULL;
    uint64_t samples = n;

    *ret = (struct nv_promql_series){.labels = row->labels, .n_labels = row->n_labels, .n = n};
    ret->times = full ? grid_times(ev, a) : times;
    if (!ret->times || !values)
        return nv_eval_no_memory(ev);
    if (row->histograms) {
        histograms = nv_pool_alloc(&ev->kept, n, sizeof(*histograms));
        int r =
            histograms ? keep_histograms(ev, a, row, histograms, &samples) : nv_eval_no_memory(ev);
        if (r < 0)
            return r;
    }
    for (size_t i = 0, k = 0; k < n; i++) {
        if (!nv_row_has(row, i))
            continue;
        if (times)
            times[k] = nv_grid_time(a->grid, i);
        values[k++] = row->values[i];
    }
    ret->values = values;
    ret->histograms = histograms;
    a->samples += samples;
    return nv_eval_hold(ev, samples);
}

/* Two lists of points under the same labels become one, unless they meet. */
static int merge_points(struct nv_eval *ev, struct nv_promql_series *to,
                        const struct nv_promql_series *from)
{
    size_t n = to->n + from->n, i = 0, k = 0;
    int64_t *times = nv_pool_alloc(&ev->kept, n, sizeof(*times));
    double *values = nv_pool_alloc(&ev->kept, n, sizeof(*values));
    bool any = to->histograms || from->histograms;
    const struct nv_histogram **histograms =
        any ? nv_pool_alloc(&ev->kept, n, sizeof(*histograms)) : NULL;

    if (!times || !values || (any && !histograms))
        return nv_eval_no_memory(ev);
    while (i < to->n || k < from->n) {
        bool first = k == from->n || (i < to->n && to->times[i] < from->times[k]);
        const struct nv_promql_series *s = first ? to : from;
        size_t at = first ? i++ : k++;
        if (i + k > 1 && times[i + k - 2] == s->times[at])
            return nv_eval_fail(ev, "vector cannot contain metrics with the same labelset");
        times[i + k - 1] = s->times[at];
        values[i + k - 1] = s->values[at];
        if (any)
            histograms[i + k - 1] = s->histograms ? s->histograms[at] : NULL;
    }
    to->times = times;
    to->values = values;
    to->histograms = histograms;
    to->n = n;
    return 0;
}

/* The last step of delayed name removal, too. */
static int answer_row(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct answer *a = user;
    struct nv_promql_series series;
    size_t n = 0;

    for (size_t i = 0; i < a->grid->n; i++)
        n += nv_row_has(row, i);
    if (!n)
        return 0;
    if (row->drop_name) {
        struct nv_label *labels = nv_pool_alloc(&ev->scratch, row->n_labels, sizeof(*labels));
        if (!labels)
            return nv_eval_no_memory(ev);
        row->n_labels = nv_labels_drop(row->labels, row->n_labels, NULL, true, labels);
        row->labels = labels;
    }
    uint64_t hash = nv_labels_hash(row->labels, row->n_labels);
    struct nv_promql_series *known = find(ev, a, row, hash);
    int r = keep_points(ev, a, row, n, &series);
    if (r == 0)
        r = known ? merge_points(ev, known, &series) : add_series(ev, a, &series, hash);
    return r < 0 ? r : nv_eval_check(ev);
}

static int by_labels(const void *a, const void *b)
{
    const struct nv_promql_series *x = a, *y = b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static int vector_result(struct nv_eval *ev, const struct nv_expr *root)
{
    struct nv_promql_result *result = ev->result;
    struct answer answer = {.grid = &ev->query};
    int r = nv_eval_rows(ev, root, &ev->query, answer_row, &answer);

    nv_index_done(&answer.index);
    if (r == 0 && result->n && !ev->is_instant)
        qsort(result->series, result->n, sizeof(*result->series), by_labels);
    return r;
}

static int scalar_result(struct nv_eval *ev, const struct nv_expr *root)
{
    struct answer answer = {.grid = &ev->query};
    struct nv_promql_series series;
    struct nv_row row;
    int r = nv_row_new(ev, &ev->scratch, ev->query.n, false, &row);

    if (r == 0)
        r = nv_eval_scalar(ev, root, &ev->query, row.values);
    if (r == 0)
        r = keep_points(ev, &answer, &row, ev->query.n, &series);
    if (r == 0)
        r = add_series(ev, &answer, &series, 0);
    nv_index_done(&answer.index);
    return r;
}

/* A column of points with what belongs to them. */
struct points {
    int64_t *times;
    struct nv_row row;
    size_t n;
};

/* Floats and histograms within (from, to], in order of time. */
static void plain_points(const struct nv_window *all, struct points *p)
{
    size_t f = 0, h = 0;

    while (f < all->n || h < all->n_histograms) {
        bool is_float =
            h == all->n_histograms || (f < all->n && all->times[f] <= all->histogram_times[h]);
        int64_t at = is_float ? all->times[f] : all->histogram_times[h];
        if (at > all->from_ms && at <= all->to_ms) {
            p->times[p->n] = at;
            p->row.values[p->n] = is_float ? all->values[f] : 0;
            if (!is_float)
                p->row.histograms[p->n] = all->histograms[h];
            p->n++;
        }
        f += is_float;
        h += !is_float;
    }
}

/* Floats between the ends, and points at both ends. */
static void edged_points(const struct nv_window *all, bool smooth, struct points *p)
{
    struct nv_edges e;

    if (!nv_window_edges(all, smooth, false, &e))
        return;
    p->times[p->n] = all->from_ms;
    p->row.values[p->n++] = e.left;
    for (size_t i = e.first; i <= e.last; i++) {
        if (all->times[i] <= all->from_ms || all->times[i] >= all->to_ms)
            continue;
        p->times[p->n] = all->times[i];
        p->row.values[p->n++] = all->values[i];
    }
    p->times[p->n] = all->to_ms;
    p->row.values[p->n++] = e.right;
}

/* What a range vector has of one series, by itself. */
static int raw_series(struct nv_eval *ev, struct nv_ranged *call, const struct nv_window *all,
                      void *user)
{
    struct nv_matrix *matrix = user;
    size_t room = all->n + all->n_histograms + 2;
    struct points p = {.times = nv_pool_alloc(&ev->kept, room, sizeof(int64_t))};
    struct nv_window w = *all;
    uint8_t edge =
        call->source->kind == NV_EXPR_SELECTOR ? call->source->selector.edge : NV_EDGE_NONE;
    int r = p.times ? nv_row_new(ev, &ev->scratch, room, all->n_histograms, &p.row)
                    : nv_eval_no_memory(ev);

    if (r < 0)
        return r;
    nv_range_of(call->source, &ev->query, 0, &w.from_ms, &w.to_ms);
    if (edge == NV_EDGE_NONE)
        plain_points(&w, &p);
    else
        edged_points(&w, edge == NV_EDGE_SMOOTHED, &p);
    if (!p.n)
        return 0;
    p.row.labels = call->labels;
    p.row.n_labels = call->n_labels;
    if (call->drop_name && (r = nv_row_drop_name(ev, &p.row)) < 0)
        return r;
    matrix->n_steps = p.n;
    r = nv_matrix_add(ev, &p.row, matrix);
    if (r < 0)
        return r;
    struct nv_promql_series *larger =
        realloc(ev->result->series, matrix->n * sizeof(*ev->result->series));
    if (!larger)
        return nv_eval_no_memory(ev);
    ev->result->series = larger;
    const struct nv_row *kept = &matrix->rows[matrix->n - 1];
    larger[ev->result->n++] = (struct nv_promql_series){kept->labels, kept->n_labels,  p.n, p.times,
                                                        kept->values, kept->histograms};
    return 0;
}

static int matrix_result(struct nv_eval *ev, const struct nv_expr *root, struct nv_matrix *matrix)
{
    struct nv_ranged call = {.expr = root, .source = nv_expr_inner(root)};

    int r = nv_eval_source(ev, &call, &ev->query, raw_series, matrix);
    if (r == 0 && ev->result->n)
        qsort(ev->result->series, ev->result->n, sizeof(*ev->result->series), by_labels);
    return r;
}

int nv_eval_result(struct nv_eval *ev, const struct nv_expr *root, struct nv_matrix *matrix)
{
    switch (root->type) {
    case NV_VALUE_STRING:
        ev->result->string = nv_arena_str(&ev->kept.arena, nv_eval_string(root));
        return ev->result->string.p ? 0 : nv_eval_no_memory(ev);
    case NV_VALUE_SCALAR:
        return scalar_result(ev, root);
    case NV_VALUE_MATRIX:
        return matrix_result(ev, root, matrix);
    default:
        return vector_result(ev, root);
    }
}
