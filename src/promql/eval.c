/*
 * eval.c - goes down the tree; begins and ends a query.
 */
#include "promql/eval.h"

#include <errno.h>

#include "promql/eval_parts.h"

bool nv_eval_delays_names(const struct nv_eval *ev)
{
    return ev->options.features & NV_PROMQL_DELAYED_NAMES;
}

const struct nv_expr *nv_expr_inner(const struct nv_expr *expr)
{
    while (expr->kind == NV_EXPR_PAREN)
        expr = expr->paren;
    return expr;
}

struct nv_str nv_eval_string(const struct nv_expr *expr)
{
    return nv_expr_inner(expr)->string;
}

static int scalar(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                  double *ret)
{
    struct nv_pool pool;
    int r;

    switch (expr->kind) {
    case NV_EXPR_NUMBER:
        for (size_t i = 0; i < grid->n; i++)
            ret[i] = expr->number.value;
        return 0;
    case NV_EXPR_PAREN:
        return nv_eval_scalar(ev, expr->paren, grid, ret);
    case NV_EXPR_UNARY:
        r = nv_eval_scalar(ev, expr->unary.expr, grid, ret);
        for (size_t i = 0; r == 0 && expr->unary.op == NV_OP_SUB && i < grid->n; i++)
            ret[i] = -ret[i];
        return r;
    case NV_EXPR_CALL:
        return nv_eval_scalar_call(ev, expr, grid, ret);
    default:
        break;
    }
    nv_pool_open(ev, &pool);
    double *right = nv_pool_alloc(&pool, grid->n, sizeof(double));
    r = right ? nv_eval_scalar(ev, expr->binary.left, grid, ret) : nv_eval_no_memory(ev);
    if (r == 0)
        r = nv_eval_scalar(ev, expr->binary.right, grid, right);
    for (size_t i = 0; r == 0 && i < grid->n; i++)
        ret[i] = nv_op_scalar(expr->binary.op, ret[i], right[i]);
    nv_pool_close(ev, &pool);
    return r;
}

int nv_eval_scalar(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   double *ret)
{
    struct nv_grid first = {grid->start, grid->step, 1};

    if (!expr->invariant || grid->n == 1)
        return scalar(ev, expr, grid, ret);
    int r = scalar(ev, expr, &first, ret);
    for (size_t i = 1; i < grid->n; i++)
        ret[i] = ret[0];
    return r;
}

/* Hands each row on with its sign turned. */
struct onward {
    const struct nv_expr *expr;
    const struct nv_grid *grid;
    nv_row_fn fn;
    void *user;
};

static int negate(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct onward *o = user;
    bool ignored;

    for (size_t i = 0; i < o->grid->n; i++) {
        struct nv_operand v = {row->values[i], nv_row_histogram(row, i)}, product;
        if (!nv_row_has(row, i))
            continue;
        if (!v.histogram) {
            row->values[i] = -row->values[i];
            continue;
        }
        int r = nv_op_samples(ev, o->expr, NV_OP_MUL, v, (struct nv_operand){-1, NULL}, &product,
                              &ignored);
        if (r < 0)
            return r;
        row->histograms[i] = product.histogram;
    }
    int r = nv_row_drop_name(ev, row);
    return r < 0 ? r : o->fn(ev, row, o->user);
}

static int rows(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                nv_row_fn fn, void *user)
{
    struct onward onward = {expr, grid, fn, user};

    switch (expr->kind) {
    case NV_EXPR_SELECTOR:
        return nv_eval_selector(ev, expr, grid, NV_YIELD_SAMPLES, fn, user);
    case NV_EXPR_PAREN:
        return nv_eval_rows(ev, expr->paren, grid, fn, user);
    case NV_EXPR_UNARY:
        return expr->unary.op == NV_OP_SUB
                   ? nv_eval_rows(ev, expr->unary.expr, grid, negate, &onward)
                   : nv_eval_rows(ev, expr->unary.expr, grid, fn, user);
    case NV_EXPR_CALL:
        return nv_eval_call(ev, expr, grid, fn, user);
    case NV_EXPR_AGGREGATION:
        return nv_eval_aggregation(ev, expr, grid, fn, user);
    default:
        return nv_eval_binary(ev, expr, grid, fn, user);
    }
}

/* What is the same at every step is evaluated at the first and repeated. */
static int repeat(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct onward *o = user;
    const struct nv_histogram *h = nv_row_histogram(row, 0);
    struct nv_row wide;
    int r = nv_row_new(ev, &ev->scratch, o->grid->n, h, &wide);

    if (r < 0)
        return r;
    wide.labels = row->labels;
    wide.n_labels = row->n_labels;
    wide.drop_name = row->drop_name;
    for (size_t i = 0; i < o->grid->n; i++) {
        wide.values[i] = row->values[0];
        if (h)
            wide.histograms[i] = h;
    }
    return o->fn(ev, &wide, o->user);
}

/* Whether series that differ by name alone may come out of an expression. */
static bool names_vary(const struct nv_expr *expr)
{
    expr = nv_expr_inner(expr);
    if (expr->kind == NV_EXPR_SELECTOR) {
        for (size_t i = 0; i < expr->selector.n_matchers; i++)
            if (expr->selector.matchers[i].op == NV_MATCH_EQUAL &&
                nv_str_is(expr->selector.matchers[i].name, "__name__"))
                return false;
        return true;
    }
    if (expr->kind == NV_EXPR_SUBQUERY)
        return names_vary(expr->subquery.expr);
    if (expr->kind == NV_EXPR_CALL) {
        if (!(expr->call.function->flags & NV_FUNCTION_KEEPS_NAME))
            return false;
        return expr->call.function->id == NV_FN_LABEL_REPLACE ||
               expr->call.function->id == NV_FN_LABEL_JOIN || names_vary(expr->call.args[0]);
    }
    if (expr->kind == NV_EXPR_AGGREGATION)
        return expr->aggregation.aggregator >= NV_AGG_TOPK || expr->aggregation.labels.n;
    return expr->kind == NV_EXPR_BINARY &&
           (nv_op_is_set(expr->binary.op) || nv_op_is_comparison(expr->binary.op) ||
            nv_op_is_trim(expr->binary.op));
}

/* Whether names are dropped from series that had different ones, which may then be the same. */
static bool may_collide(const struct nv_expr *expr)
{
    if (expr->kind == NV_EXPR_CALL && !(expr->call.function->flags & NV_FUNCTION_KEEPS_NAME)) {
        for (size_t i = 0; i < expr->call.n; i++)
            if (expr->call.args[i]->type != NV_VALUE_SCALAR &&
                expr->call.args[i]->type != NV_VALUE_STRING && names_vary(expr->call.args[i]))
                return true;
        return false;
    }
    if (expr->kind == NV_EXPR_UNARY)
        return names_vary(expr->unary.expr);
    return expr->kind == NV_EXPR_BINARY && !nv_op_is_set(expr->binary.op);
}

/* Evaluates at the first step; the samples seen there count as seen at every step. */
static int repeated(struct nv_eval *ev, const struct nv_expr *expr, struct onward *onward)
{
    struct nv_promql_stats *stats = &ev->result->stats;
    struct nv_grid first = {onward->grid->start, onward->grid->step, 1};
    uint64_t before = stats->queryable;
    int r = nv_eval_rows(ev, expr, &first, repeat, onward);
    uint64_t n = stats->queryable - before;

    stats->queryable += n * (onward->grid->n - 1);
    for (size_t i = 1; stats->queryable_by_step && !ev->in_subquery && i < stats->n_steps; i++)
        stats->queryable_by_step[i] += n;
    return r;
}

/* Rows, of which no two have the same labels at a step. */
static int distinct(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                    nv_row_fn fn, void *user)
{
    if (nv_eval_delays_names(ev) || !may_collide(expr))
        return rows(ev, expr, grid, fn, user);

    struct nv_matrix matrix;
    nv_matrix_open(ev, &matrix, grid->n);
    int r = rows(ev, expr, grid, nv_matrix_merge, &matrix);
    if (r == 0)
        r = nv_matrix_emit(ev, &matrix, fn, user);
    nv_matrix_close(ev, &matrix);
    return r;
}

int nv_eval_rows(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                 nv_row_fn fn, void *user)
{
    struct onward onward = {expr, grid, fn, user};
    int r = nv_eval_check(ev);

    if (r < 0)
        return r;
    if (expr->invariant && grid->n > 1)
        return repeated(ev, expr, &onward);
    if (expr->shared)
        return nv_eval_shared(ev, expr, grid, distinct, fn, user);
    return distinct(ev, expr, grid, fn, user);
}

/* What outlives the query: the matrix behind the result, and the selections labels point into. */
struct memory {
    struct nv_eval ev;
    struct nv_matrix matrix;
};

static int run(struct memory *m, struct nv_promql *promql)
{
    struct nv_eval *ev = &m->ev;
    int r = nv_eval_prepare(ev, promql->root);

    if (r == 0)
        r = nv_eval_share(ev, promql->root);
    if (r < 0)
        return r;
    return nv_eval_result(ev, promql->root, &m->matrix);
}

/* What is granted beyond `bytes` goes back to all. */
static void give_back(struct nv_eval *ev, size_t bytes)
{
    if (!ev->options.pool || ev->granted <= bytes)
        return;
    nv_promql_pool_give(ev->options.pool, ev->granted, ev->granted - bytes);
    ev->granted = bytes;
}

static int stats_by_step(struct nv_eval *ev)
{
    struct nv_promql_stats *stats = &ev->result->stats;
    size_t n = ev->query.n;

    if (!ev->options.stats_by_step)
        return 0;
    stats->queryable_by_step = nv_pool_alloc(&ev->kept, n, 2 * sizeof(uint64_t));
    if (!stats->queryable_by_step)
        return nv_eval_no_memory(ev);
    memset(stats->queryable_by_step, 0, n * 2 * sizeof(uint64_t));
    stats->read_by_step = stats->queryable_by_step + n;
    stats->n_steps = n;
    return 0;
}

/* What one query may have where nothing else is said: as much as all. */
static size_t memory_of(struct nv_promql_pool *pool)
{
    struct nv_promql_pool_stats stats = {.max = 32 << 20};

    if (pool)
        nv_promql_pool_stats(pool, &stats);
    return stats.max;
}

static int eval(struct nv_promql *promql, const struct nv_queryable *queryable, struct nv_grid grid,
                bool is_instant, const struct nv_promql_options *options,
                struct nv_promql_result *ret)
{
    struct memory *m = calloc(1, sizeof(*m));

    *ret = (struct nv_promql_result){.type = promql->root->type};
    if (!m)
        return -ENOMEM;
    struct nv_eval *ev = &m->ev;
    ret->memory = ev;
    ev->queryable = queryable;
    ev->options = *options;
    ev->text = promql->text;
    ev->result = ret;
    ev->query = grid;
    ev->is_instant = is_instant;
    if (!ev->options.lookback_ms)
        ev->options.lookback_ms = 300000;
    if (!ev->options.interval_ms)
        ev->options.interval_ms = 60000;
    if (!ev->options.max_samples)
        ev->options.max_samples = 50000000;
    if (!ev->options.max_memory)
        ev->options.max_memory = memory_of(options->pool);
    nv_pool_open(ev, &ev->kept);
    nv_pool_open(ev, &ev->scratch);
    nv_pool_open(ev, &ev->work);
    nv_matrix_open(ev, &m->matrix, grid.n);
    int r = stats_by_step(ev);
    if (r == 0)
        r = run(m, promql);
    nv_eval_end_shared(ev);
    nv_annotate_gathered(ev);
    nv_index_done(&ev->annotations);
    nv_pool_empty(ev, &ev->scratch);
    nv_pool_empty(ev, &ev->work);
    nv_samples_done(&ev->samples);
    give_back(ev, ev->memory);
    if (r < 0)
        ret->n = 0;
    return r;
}

int nv_promql_eval(struct nv_promql *promql, const struct nv_queryable *queryable, int64_t start_ms,
                   int64_t end_ms, int64_t step_ms, const struct nv_promql_options *options,
                   struct nv_promql_result *ret)
{
    enum nv_value_type type = promql->root->type;
    int64_t span;

    *ret = (struct nv_promql_result){.type = NV_VALUE_MATRIX};
    if (step_ms <= 0 || end_ms < start_ms || __builtin_sub_overflow(end_ms, start_ms, &span)) {
        snprintf(ret->error, sizeof(ret->error), "invalid range or step");
        return -EINVAL;
    }
    if (type != NV_VALUE_SCALAR && type != NV_VALUE_VECTOR) {
        snprintf(ret->error, sizeof(ret->error),
                 "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
                 nv_value_type_name(type));
        return -EINVAL;
    }
    struct nv_grid grid = {start_ms, step_ms, (size_t)(span / step_ms) + 1};
    int r = eval(promql, queryable, grid, false, options, ret);
    ret->type = NV_VALUE_MATRIX;
    return r;
}

int nv_promql_eval_at(struct nv_promql *promql, const struct nv_queryable *queryable,
                      int64_t time_ms, const struct nv_promql_options *options,
                      struct nv_promql_result *ret)
{
    return eval(promql, queryable, (struct nv_grid){time_ms, 1, 1}, true, options, ret);
}

void nv_promql_result_done(struct nv_promql_result *result)
{
    struct nv_eval *ev = result->memory;

    free(result->series);
    free(result->annotations);
    if (ev) {
        struct memory *m = (struct memory *)ev; /* its first member */
        nv_matrix_close(ev, &m->matrix);
        nv_pool_close(ev, &ev->work);
        nv_pool_close(ev, &ev->scratch);
        nv_pool_close(ev, &ev->kept);
        for (size_t i = 0; i < ev->n_selections; i++) {
            ev->selections[i]->from->release(ev->selections[i]);
            free(ev->selections[i]);
        }
        free(ev->selections);
        give_back(ev, 0);
        free(m);
    }
    *result = (struct nv_promql_result){0};
}
