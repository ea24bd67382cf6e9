/*
 * eval_prepare.c - before a query runs: lengths of time are computed, start() and its like become numbers, and
 * what is the same at every step is marked.
 */
#include "promql/eval_parts.h"
#include "promql/parser.h"

static int prepare(struct nv_eval *ev, struct nv_expr *expr);

static double range_s(const struct nv_eval *ev)
{
    return (double)(nv_grid_time(&ev->query, ev->query.n - 1) - ev->query.start) / 1000;
}

static double step_s(const struct nv_eval *ev)
{
    return ev->is_instant ? 0 : (double)ev->query.step / 1000;
}

static int settle(struct nv_eval *ev, struct nv_span_ms *span, bool positive)
{
    const struct nv_expr *at = span->expr;
    unsigned line, column;
    double seconds;

    if (!span->expr)
        return 0;
    const char *wrong = nv_duration_value(span->expr, step_s(ev), range_s(ev), &seconds, &at);
    if (!wrong) {
        at = span->expr;
        wrong = nv_duration_ms(seconds, positive, &span->ms);
    }
    if (wrong) {
        nv_promql_position(ev->text, at->start, &line, &column);
        return nv_eval_fail(ev, "%u:%u: %s", line, column, wrong);
    }
    span->expr = NULL;
    return 0;
}

static int settle_when(struct nv_eval *ev, struct nv_when *when)
{
    if (when->at == NV_AT_START || when->at == NV_AT_END) {
        when->at_ms =
            when->at == NV_AT_START ? ev->query.start : nv_grid_time(&ev->query, ev->query.n - 1);
        when->at = NV_AT_TIME;
    }
    return settle(ev, &when->offset, false);
}

static int prepare_selector(struct nv_eval *ev, struct nv_expr *expr)
{
    int r = settle_when(ev, &expr->selector.when);

    expr->invariant = expr->selector.when.at != NV_AT_NONE;
    return r == 0 && expr->selector.has_range ? settle(ev, &expr->selector.range, true) : r;
}

static int prepare_subquery(struct nv_eval *ev, struct nv_expr *expr)
{
    struct nv_subquery *s = &expr->subquery;
    int r = settle_when(ev, &s->when);

    if (r == 0)
        r = settle(ev, &s->range, true);
    if (r == 0 && s->has_step)
        r = settle(ev, &s->step, true);
    else if (r == 0)
        s->step.ms = ev->options.interval_ms;
    if (r == 0)
        r = prepare(ev, s->expr);
    expr->invariant = s->when.at != NV_AT_NONE;
    return r;
}

/* Which functions know what to do with the edges of an extended range. */
static int check_edges(struct nv_eval *ev, const struct nv_call *call)
{
    for (size_t i = 0; i < call->n; i++) {
        const struct nv_expr *arg = nv_expr_inner(call->args[i]);
        unsigned id = call->function->id;
        if (arg->kind != NV_EXPR_SELECTOR || !arg->selector.has_range)
            continue;
        bool smooth = id == NV_FN_RATE || id == NV_FN_INCREASE || id == NV_FN_DELTA;
        bool anchor = smooth || id == NV_FN_RESETS || id == NV_FN_CHANGES;
        if (arg->selector.edge == NV_EDGE_ANCHORED && !anchor)
            return nv_eval_fail(ev,
                                "anchored modifier can only be used with: changes, delta, "
                                "increase, rate, resets - not with %s",
                                call->function->name);
        if (arg->selector.edge == NV_EDGE_SMOOTHED && !smooth)
            return nv_eval_fail(
                ev, "smoothed modifier can only be used with: delta, increase, rate - not with %s",
                call->function->name);
    }
    return 0;
}

/* start(), end(), range() and step() are numbers from now on. */
static bool becomes_number(struct nv_eval *ev, struct nv_expr *expr)
{
    double value;

    switch (expr->call.function->id) {
    case NV_FN_START:
        value = (double)ev->query.start / 1000;
        break;
    case NV_FN_END:
        value = (double)nv_grid_time(&ev->query, ev->query.n - 1) / 1000;
        break;
    case NV_FN_RANGE:
        value = range_s(ev);
        break;
    case NV_FN_STEP:
        value = step_s(ev);
        break;
    default:
        return false;
    }
    expr->kind = NV_EXPR_NUMBER;
    expr->number.value = value;
    expr->number.is_duration = false;
    return true;
}

static int prepare_call(struct nv_eval *ev, struct nv_expr *expr)
{
    const struct nv_call *call = &expr->call;

    if (becomes_number(ev, expr))
        return 0;
    int r = check_edges(ev, call);
    bool safe = !(call->function->flags & NV_FUNCTION_UNSAFE);
    for (size_t i = 0; i < call->n && r == 0; i++) {
        r = prepare(ev, call->args[i]);
        safe = safe && call->args[i]->invariant;
    }
    if (call->function->id == NV_FN_TIMESTAMP && r == 0) {
        const struct nv_expr *arg = nv_expr_inner(call->args[0]);
        safe = arg->kind == NV_EXPR_SELECTOR && arg->invariant;
    }
    expr->invariant = safe;
    return r;
}

static int prepare_aggregation(struct nv_eval *ev, struct nv_expr *expr)
{
    struct nv_aggregation *a = &expr->aggregation;
    int r = prepare(ev, a->expr);

    if (r == 0 && a->parameter)
        r = prepare(ev, a->parameter);
    expr->invariant = a->expr->invariant && (!a->parameter || a->parameter->invariant);
    return r;
}

static int prepare_binary(struct nv_eval *ev, struct nv_expr *expr)
{
    int r = prepare(ev, expr->binary.left);

    if (r == 0)
        r = prepare(ev, expr->binary.right);
    expr->invariant = expr->binary.left->invariant && expr->binary.right->invariant;
    return r;
}

static int prepare(struct nv_eval *ev, struct nv_expr *expr)
{
    int r = 0;

    switch (expr->kind) {
    case NV_EXPR_SELECTOR:
        return prepare_selector(ev, expr);
    case NV_EXPR_SUBQUERY:
        return prepare_subquery(ev, expr);
    case NV_EXPR_CALL:
        return prepare_call(ev, expr);
    case NV_EXPR_AGGREGATION:
        return prepare_aggregation(ev, expr);
    case NV_EXPR_BINARY:
        return prepare_binary(ev, expr);
    case NV_EXPR_UNARY:
        r = prepare(ev, expr->unary.expr);
        expr->invariant = expr->unary.expr->invariant;
        return r;
    case NV_EXPR_PAREN:
        r = prepare(ev, expr->paren);
        expr->invariant = expr->paren->invariant;
        return r;
    default:
        expr->invariant = true;
        return 0;
    }
}

int nv_eval_prepare(struct nv_eval *ev, struct nv_expr *root)
{
    return prepare(ev, root);
}
