/*
 * eval_window.c - slides functions of range vectors along their series.
 *
 * A series is decoded once; two places, one for each end of the window, then move over its samples.
 */
#include <errno.h>

#include "promql/slide.h"

enum { WORK_MAX = 1 << 18 }; /* samples looked at before time is looked at */

static bool has_markers(const struct nv_samples *samples)
{
    bool any = false;

    for (size_t i = 0; i < samples->n; i++)
        any |= nv_is_stale(samples->values[i]);
    return any;
}

/* Samples without staleness markers, floats and histograms apart; where they lie, if they are all floats. */
static int separate(struct nv_eval *ev, const struct nv_samples *from, struct nv_window *ret)
{
    bool use_starts = from->starts && (ev->options.features & NV_PROMQL_START_TIMES);

    if (!from->histograms && !has_markers(from)) {
        *ret = (struct nv_window){.times = from->times,
                                  .starts = use_starts ? from->starts : NULL,
                                  .values = from->values,
                                  .n = from->n};
        return 0;
    }
    size_t room = from->n ? from->n : 1, n = 0, n_h = 0;
    int64_t *times = nv_pool_alloc(&ev->scratch, room * 4, sizeof(int64_t));
    double *values = nv_pool_alloc(&ev->scratch, room, sizeof(double));
    const struct nv_histogram **histograms =
        from->histograms ? nv_pool_alloc(&ev->scratch, room, sizeof(void *)) : NULL;

    if (!times || !values || (from->histograms && !histograms))
        return nv_eval_no_memory(ev);
    int64_t *starts = times + room, *h_times = times + 2 * room, *h_starts = times + 3 * room;
    for (size_t i = 0; i < from->n; i++) {
        const struct nv_histogram *h = from->histograms ? from->histograms[i] : NULL;
        int64_t start = from->starts ? from->starts[i] : 0;
        if (nv_is_stale(h ? h->sum : from->values[i]))
            continue;
        if (h) {
            h_times[n_h] = from->times[i];
            h_starts[n_h] = start;
            histograms[n_h++] = h;
        } else {
            times[n] = from->times[i];
            starts[n] = start;
            values[n++] = from->values[i];
        }
    }
    *ret = (struct nv_window){.times = times,
                              .starts = use_starts ? starts : NULL,
                              .values = values,
                              .n = n,
                              .histogram_times = h_times,
                              .histogram_starts = use_starts ? h_starts : NULL,
                              .histograms = histograms,
                              .n_histograms = n_h};
    return 0;
}

static const struct nv_when *when_of(const struct nv_expr *source)
{
    return source->kind == NV_EXPR_SELECTOR ? &source->selector.when : &source->subquery.when;
}

static int64_t length_of(const struct nv_expr *source)
{
    return source->kind == NV_EXPR_SELECTOR ? source->selector.range.ms : source->subquery.range.ms;
}

void nv_range_of(const struct nv_expr *source, const struct nv_grid *grid, size_t i,
                 int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    *ret_to_ms = nv_when_time(when_of(source), grid, i);
    *ret_from_ms = nv_sat_add(*ret_to_ms, -length_of(source));
}

static int from_selector(struct nv_eval *ev, struct nv_ranged *call, const struct nv_grid *grid,
                         nv_series_fn fn, void *user)
{
    const struct nv_selector *selector = &call->source->selector;
    struct nv_selection *selection;
    int64_t from, to, ignored;

    nv_range_of(call->source, grid, 0, &from, &ignored);
    nv_range_of(call->source, grid, grid->n - 1, &ignored, &to);
    if (selector->edge != NV_EDGE_NONE)
        from = nv_sat_add(from, -ev->options.lookback_ms);
    if (selector->edge == NV_EDGE_SMOOTHED)
        to = nv_sat_add(to, ev->options.lookback_ms);
    int r = nv_eval_open(ev, selector->matchers, selector->n_matchers, nv_sat_add(from, 1), to,
                         &selection);
    for (size_t i = 0; r == 0 && i < selection->n; i++) {
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        struct nv_window all;
        r = nv_eval_read(ev, selection, i);
        if (r == 0)
            r = separate(ev, &ev->samples, &all);
        call->labels = selection->series[i].labels;
        call->n_labels = selection->series[i].n_labels;
        call->drop_name = false;
        call->name = nv_label_value(call->labels, call->n_labels, NV_LIT("__name__"));
        if (r == 0)
            r = fn(ev, call, &all, user);
        nv_arena_rewind(&ev->scratch.arena, mark);
    }
    return r;
}

struct from_rows {
    struct nv_ranged *call;
    struct nv_grid grid;
    nv_series_fn fn;
    void *user;
    bool in_subquery; /* the caller itself */
};

/* What a subquery yields counts as made, not as observed: hints about resets do not carry over. */
static const struct nv_histogram *without_hint(struct nv_eval *ev, const struct nv_histogram *h)
{
    if (h->reset_hint != NV_RESET_YES && h->reset_hint != NV_RESET_NO)
        return h;
    struct nv_histogram *copy = nv_pool_alloc(&ev->scratch, 1, sizeof(*copy));
    if (!copy)
        return NULL;
    *copy = *h;
    copy->reset_hint = NV_RESET_UNKNOWN;
    return copy;
}

/* A row of the inner grid as samples. */
static int row_as_series(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct from_rows *from = user;
    size_t n = from->grid.n;
    struct nv_samples samples = {.times = nv_pool_alloc(&ev->scratch, n, sizeof(int64_t)),
                                 .values = nv_pool_alloc(&ev->scratch, n, sizeof(double))};
    struct nv_window all;

    if (row->histograms)
        samples.histograms = nv_pool_alloc(&ev->scratch, n, sizeof(void *));
    if (!samples.times || !samples.values || (row->histograms && !samples.histograms))
        return nv_eval_no_memory(ev);
    for (size_t i = 0; i < n; i++) {
        if (!nv_row_has(row, i))
            continue;
        const struct nv_histogram *h = nv_row_histogram(row, i);
        samples.times[samples.n] = nv_grid_time(&from->grid, i);
        samples.values[samples.n] = row->values[i];
        if (row->histograms)
            samples.histograms[samples.n] = h ? without_hint(ev, h) : NULL;
        if (h && !samples.histograms[samples.n])
            return nv_eval_no_memory(ev);
        samples.n++;
    }
    from->call->labels = row->labels;
    from->call->n_labels = row->n_labels;
    from->call->drop_name = row->drop_name;
    from->call->name = nv_row_name(row);
    bool inner = ev->in_subquery;
    int r = separate(ev, &samples, &all);
    ev->in_subquery = from->in_subquery;
    if (r == 0)
        r = from->fn(ev, from->call, &all, from->user);
    ev->in_subquery = inner;
    return r;
}

/* Whether the rows of an expression may hold one series in parts. */
static bool comes_in_parts(const struct nv_expr *expr)
{
    expr = nv_expr_inner(expr);
    if (expr->kind == NV_EXPR_CALL && (expr->call.function->flags & NV_FUNCTION_KEEPS_NAME))
        return true;
    if (expr->kind == NV_EXPR_CALL)
        for (size_t i = 0; i < expr->call.n; i++)
            if (expr->call.args[i]->type == NV_VALUE_VECTOR && comes_in_parts(expr->call.args[i]))
                return true;
    if (expr->kind == NV_EXPR_UNARY)
        return comes_in_parts(expr->unary.expr);
    return expr->kind == NV_EXPR_BINARY ||
           (expr->kind == NV_EXPR_AGGREGATION && expr->aggregation.parameter);
}

static int from_subquery(struct nv_eval *ev, struct nv_ranged *call, const struct nv_grid *grid,
                         nv_series_fn fn, void *user)
{
    const struct nv_subquery *s = &call->source->subquery;
    struct from_rows from = {
        call, {0, s->step.ms, 0},
         fn, user, ev->in_subquery
    };
    int64_t first, last, ignored;

    nv_range_of(call->source, grid, 0, &first, &ignored);
    nv_range_of(call->source, grid, grid->n - 1, &ignored, &last);
    from.grid.start = s->step.ms * (first / s->step.ms);
    if (from.grid.start <= first)
        from.grid.start += s->step.ms;
    if (last < from.grid.start)
        return 0;
    from.grid.n = (size_t)((last - from.grid.start) / s->step.ms) + 1;
    struct nv_matrix matrix;
    int r;
    ev->in_subquery = true;
    if (!comes_in_parts(s->expr)) {
        r = nv_eval_rows(ev, s->expr, &from.grid, row_as_series, &from);
        ev->in_subquery = from.in_subquery;
        return r;
    }
    nv_matrix_open(ev, &matrix, from.grid.n);
    r = nv_eval_rows(ev, s->expr, &from.grid, nv_matrix_merge, &matrix);
    ev->in_subquery = from.in_subquery;
    if (r == 0)
        r = nv_matrix_emit(ev, &matrix, row_as_series, &from);
    nv_matrix_close(ev, &matrix);
    return r;
}

int nv_eval_source(struct nv_eval *ev, struct nv_ranged *call, const struct nv_grid *grid,
                   nv_series_fn fn, void *user)
{
    return call->source->kind == NV_EXPR_SELECTOR ? from_selector(ev, call, grid, fn, user)
                                                  : from_subquery(ev, call, grid, fn, user);
}

struct sliding {
    const struct nv_grid *grid;
    nv_window_fn function;
    nv_row_fn fn;
    void *user;
};

/* The part of a sorted column that lies in (from, to]; both ends only move forward. */
static void slide(const int64_t *times, size_t n, int64_t from, int64_t to, size_t *low,
                  size_t *high)
{
    while (*high < n && times[*high] <= to)
        ++*high;
    while (*low < *high && times[*low] <= from)
        ++*low;
}

/* A window that moves, and how far. */
struct moving {
    struct nv_window w;
    int64_t edge, ahead; /* of extended ranges: how much more they see */
    size_t low, high, low_h, high_h;
    struct nv_slider slider;
};

static void start(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *all,
                  struct moving *m)
{
    uint8_t edge =
        call->source->kind == NV_EXPR_SELECTOR ? call->source->selector.edge : NV_EDGE_NONE;

    *m = (struct moving){.w = *all};
    m->w.all = all;
    m->w.slider = &m->slider;
    if (edge != NV_EDGE_NONE)
        m->edge = ev->options.lookback_ms;
    if (edge == NV_EDGE_SMOOTHED)
        m->ahead = ev->options.lookback_ms;
}

/* What of all samples the window of step i sees. Returns how many it did not see before. */
static size_t move(const struct nv_ranged *call, const struct nv_grid *grid, size_t i,
                   struct moving *m)
{
    struct nv_window *w = &m->w;
    const struct nv_window *all = w->all;
    size_t before = m->high + m->high_h;

    nv_range_of(call->source, grid, i, &w->from_ms, &w->to_ms);
    int64_t from = nv_sat_add(w->from_ms, -m->edge), to = nv_sat_add(w->to_ms, m->ahead);
    slide(all->times, all->n, from, to, &m->low, &m->high);
    w->times = all->times + m->low;
    w->values = all->values + m->low;
    w->starts = all->starts ? all->starts + m->low : NULL;
    w->first = m->low;
    w->n = m->high - m->low;
    w->at_ms = nv_grid_time(grid, i);
    w->step = i;
    if (all->n_histograms) {
        slide(all->histogram_times, all->n_histograms, from, to, &m->low_h, &m->high_h);
        w->histogram_times = all->histogram_times + m->low_h;
        w->histogram_starts = all->histogram_starts ? all->histogram_starts + m->low_h : NULL;
        w->histograms = all->histograms + m->low_h;
        w->n_histograms = m->high_h - m->low_h;
    }
    return m->high + m->high_h - before;
}

static uint64_t weight(const struct nv_window *w)
{
    uint64_t n = w->n;

    for (size_t i = 0; i < w->n_histograms; i++)
        n += 1 + nv_histogram_weight(w->histograms[i]);
    return n;
}

/* What the function makes of one window, into its step of the row. */
static int step(struct nv_eval *ev, struct nv_ranged *call, const struct sliding *s,
                const struct nv_window *w, struct nv_row *row)
{
    const struct nv_histogram *h = NULL;
    int r = s->function(ev, call, w, &row->values[w->step], &h);

    if (w->n_histograms)
        nv_arena_reset(&ev->work.arena);
    if (r == 0)
        row->values[w->step] = nv_stale();
    if (r != 1 || !h)
        return r;
    if (nv_row_histograms(ev, &ev->scratch, s->grid->n, row) < 0)
        return nv_eval_no_memory(ev);
    row->histograms[w->step] = h;
    row->values[w->step] = 0;
    return 1;
}

static int slide_series(struct nv_eval *ev, struct nv_ranged *call, const struct nv_window *all,
                        void *user)
{
    const struct sliding *s = user;
    bool reads = call->source->kind == NV_EXPR_SELECTOR, any = false;
    uint64_t widest = 0, work = 0;
    struct moving m;
    struct nv_row row;
    int r = nv_row_new(ev, &ev->scratch, s->grid->n, false, &row);

    start(ev, call, all, &m);
    for (size_t i = 0; r >= 0 && i < s->grid->n; i++) {
        size_t n_new = move(call, s->grid, i, &m);
        if (!m.w.n && !m.w.n_histograms)
            continue;
        uint64_t n = weight(&m.w);
        if (n > widest)
            widest = n;
        nv_eval_saw(ev, i, n, reads ? n_new : 0);
        r = step(ev, call, s, &m.w, &row);
        any |= r == 1;
        work += n;
        if (r >= 0 && work > WORK_MAX) {
            int over = nv_eval_check(ev);
            r = over < 0 ? over : r;
            work = 0;
        }
    }
    if (r < 0 || !any)
        return r < 0 ? r : 0;
    r = nv_eval_hold(ev, widest);
    ev->n_samples -= widest;
    if (r < 0)
        return r;
    row.labels = call->labels;
    row.n_labels = call->n_labels;
    row.drop_name = call->drop_name;
    if (!(call->expr->call.function->flags & NV_FUNCTION_KEEPS_NAME))
        r = nv_row_drop_name(ev, &row);
    return r < 0 ? r : s->fn(ev, &row, s->user);
}

int nv_eval_ranged(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_row_fn fn, void *user)
{
    struct nv_ranged call = {.expr = expr, .id = expr->call.function->id};
    struct sliding s = {grid, nv_window_function(call.id), fn, user};
    size_t n_scalars = 0;
    struct nv_pool pool;
    int r = 0;

    nv_pool_open(ev, &pool);
    for (size_t i = 0; r == 0 && i < expr->call.n; i++) {
        const struct nv_expr *arg = nv_expr_inner(expr->call.args[i]);
        if (arg->type == NV_VALUE_MATRIX) {
            call.source = arg;
            continue;
        }
        double *values = nv_pool_alloc(&pool, grid->n, sizeof(double));
        call.parameters[n_scalars++] = values;
        r = values ? nv_eval_scalar(ev, arg, grid, values) : nv_eval_no_memory(ev);
    }
    if (r == 0)
        r = nv_eval_source(ev, &call, grid, slide_series, &s);
    nv_pool_close(ev, &pool);
    return r;
}
