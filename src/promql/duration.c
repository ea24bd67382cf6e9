/*
 * duration.c - lengths of time within expressions: 5m, 2m*15, step()+1, -(range()/2).
 */
#include "promql/parser.h"

static struct nv_expr *parse(struct nv_parser *p, unsigned level);

static struct nv_expr *number(struct nv_parser *p)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_NUMBER, NV_VALUE_SCALAR, p->token.start);

    if (!node)
        return NULL;
    node->number.value = p->token.value;
    node->number.is_duration = nv_parser_is(p, NV_TOKEN_DURATION);
    nv_parser_advance(p);
    node->end = p->end;
    return node;
}

/* step(), range(), min_of(a, b), max_of(a, b) */
static struct nv_expr *call(struct nv_parser *p)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_CALL, NV_VALUE_SCALAR, p->token.start);
    static const char *const names[] = {"step", "range", "min_of", "max_of"};
    unsigned which = p->token.which - NV_KEYWORD_STEP;

    if (!node)
        return NULL;
    node->call.function = nv_function_find(nv_str(names[which]));
    node->call.args = nv_arena_alloc(p->arena, 2 * sizeof(struct nv_expr *));
    node->call.n = which >= 2 ? 2 : 0;
    if (!node->call.args)
        return nv_parser_no_memory(p);
    nv_parser_advance(p);
    if (!nv_parser_expect(p, NV_TOKEN_LEFT_PAREN, "duration expression", "\"(\""))
        return NULL;
    for (size_t i = 0; i < node->call.n; i++) {
        if (i && !nv_parser_expect(p, NV_TOKEN_COMMA, "duration expression", "\",\""))
            return NULL;
        node->call.args[i] = parse(p, 0);
        if (!nv_parser_deepen(p, node, node->call.args[i]))
            return NULL;
    }
    if (!nv_parser_expect(p, NV_TOKEN_RIGHT_PAREN, "duration expression", "\")\""))
        return NULL;
    node->end = p->end;
    return node;
}

static struct nv_expr *paren(struct nv_parser *p)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_PAREN, NV_VALUE_SCALAR, p->token.start);

    if (!node)
        return NULL;
    nv_parser_advance(p);
    node->paren = parse(p, 0);
    if (!nv_parser_deepen(p, node, node->paren) ||
        !nv_parser_expect(p, NV_TOKEN_RIGHT_PAREN, "duration expression", "\")\""))
        return NULL;
    node->end = p->end;
    return node;
}

static bool is_sign(const struct nv_parser *p)
{
    return nv_parser_is(p, NV_TOKEN_OPERATOR) &&
           (p->token.which == NV_OP_ADD || p->token.which == NV_OP_SUB);
}

/* `level`: of operators that the operand of a sign may hold. */
static struct nv_expr *operand(struct nv_parser *p, unsigned level)
{
    bool is_call = nv_parser_is(p, NV_TOKEN_KEYWORD) && p->token.which >= NV_KEYWORD_STEP;

    if (nv_parser_is(p, NV_TOKEN_NUMBER) || nv_parser_is(p, NV_TOKEN_DURATION))
        return number(p);
    if (nv_parser_is(p, NV_TOKEN_LEFT_PAREN))
        return paren(p);
    if (is_call)
        return call(p);
    if (!is_sign(p))
        return nv_parser_unexpected(p, level == UINT32_MAX ? "offset" : "duration expression",
                                    "number, duration, step(), or range()");

    struct nv_expr *node = nv_parser_node(p, NV_EXPR_UNARY, NV_VALUE_SCALAR, p->token.start);
    if (!node)
        return NULL;
    node->unary.op = p->token.which;
    nv_parser_advance(p);
    if (++p->depth > NV_PROMQL_DEPTH_MAX)
        return nv_parser_fail(p, p->token.start, p->token.end, "expression is nested too deeply");
    node->unary.expr = level == UINT32_MAX ? operand(p, level) : parse(p, nv_op_level(NV_OP_POW));
    p->depth--;
    if (!nv_parser_deepen(p, node, node->unary.expr))
        return NULL;
    node->end = p->end;
    if (node->unary.expr->kind != NV_EXPR_NUMBER)
        return node;
    struct nv_expr *folded = node->unary.expr;
    folded->start = node->start;
    if (node->unary.op == NV_OP_SUB)
        folded->number.value = -folded->number.value;
    return folded;
}

static struct nv_expr *parse(struct nv_parser *p, unsigned level)
{
    if (++p->depth > NV_PROMQL_DEPTH_MAX)
        return nv_parser_fail(p, p->token.start, p->token.end, "expression is nested too deeply");
    struct nv_expr *left = operand(p, level);

    while (left && nv_parser_is(p, NV_TOKEN_OPERATOR)) {
        enum nv_op op = p->token.which;
        unsigned own = nv_op_level(op);
        if (op < NV_OP_ADD || op == NV_OP_ATAN2 || own < level)
            break;
        struct nv_expr *node = nv_parser_node(p, NV_EXPR_BINARY, NV_VALUE_SCALAR, left->start);
        if (!node)
            return NULL;
        nv_parser_advance(p);
        node->binary.op = op;
        node->binary.left = left;
        node->binary.right = parse(p, op == NV_OP_POW ? own : own + 1);
        if (!nv_parser_deepen(p, node, left) || !nv_parser_deepen(p, node, node->binary.right))
            return NULL;
        node->end = p->end;
        left = node;
    }
    p->depth--;
    return left;
}

const char *nv_duration_ms(double seconds, bool positive, int64_t *ret)
{
    if (isnan(seconds) || isinf(seconds))
        return "duration is NaN or infinite";
    if (positive && seconds < 0.001)
        return "duration must be greater than 0";
    if (fabs(seconds) > 9.2e9) /* some 292 years */
        return "duration is out of range";
    *ret = (int64_t)(seconds * 1000);
    return NULL;
}

static const char *binary_value(const struct nv_expr *expr, double left, double right, double *ret)
{
    switch (expr->binary.op) {
    case NV_OP_ADD:
        *ret = left + right;
        return NULL;
    case NV_OP_SUB:
        *ret = left - right;
        return NULL;
    case NV_OP_MUL:
        *ret = left * right;
        return NULL;
    case NV_OP_POW:
        *ret = pow(left, right);
        return NULL;
    case NV_OP_DIV:
        *ret = right == 0 ? 0 : left / right;
        return right == 0 ? "division by zero" : NULL;
    default:
        *ret = right == 0 ? 0 : fmod(left, right);
        return right == 0 ? "modulo by zero" : NULL;
    }
}

const char *nv_duration_value(const struct nv_expr *expr, double step_s, double range_s,
                              double *ret, const struct nv_expr **ret_at)
{
    const struct nv_expr *first = NULL, *second = NULL;
    double a = 0, b = 0;

    *ret_at = expr;
    if (expr->kind == NV_EXPR_NUMBER)
        return *ret = expr->number.value, NULL;
    if (expr->kind == NV_EXPR_PAREN)
        return nv_duration_value(expr->paren, step_s, range_s, ret, ret_at);
    if (expr->kind == NV_EXPR_UNARY) {
        const char *wrong = nv_duration_value(expr->unary.expr, step_s, range_s, &a, ret_at);
        *ret = expr->unary.op == NV_OP_SUB ? -a : a;
        return wrong;
    }
    if (expr->kind == NV_EXPR_BINARY) {
        first = expr->binary.left;
        second = expr->binary.right;
    } else if (expr->call.n == 2) {
        first = expr->call.args[0];
        second = expr->call.args[1];
    } else {
        return *ret = expr->call.function->id == NV_FN_STEP ? step_s : range_s, NULL;
    }
    const char *wrong = nv_duration_value(first, step_s, range_s, &a, ret_at);
    if (!wrong)
        wrong = nv_duration_value(second, step_s, range_s, &b, ret_at);
    if (wrong)
        return wrong;
    *ret_at = expr;
    if (expr->kind == NV_EXPR_BINARY)
        return binary_value(expr, a, b, ret);
    *ret = expr->call.function->id == NV_FN_MIN_OF ? fmin(a, b) : fmax(a, b);
    return NULL;
}

/* A plain number is known at once. */
static bool settle(struct nv_parser *p, struct nv_expr *expr, bool positive, struct nv_span_ms *ret)
{
    if (!expr)
        return false;
    *ret = (struct nv_span_ms){.expr = expr};
    if (expr->kind != NV_EXPR_NUMBER)
        return true;
    const char *wrong = nv_duration_ms(expr->number.value, positive, &ret->ms);
    if (wrong)
        return nv_parser_fail(p, expr->start, expr->end, "%s", wrong);
    ret->ms = llround(expr->number.value * 1000); /* 1001ms is 1001, whatever 1.001 is */
    ret->expr = NULL;
    return true;
}

bool nv_parser_duration(struct nv_parser *p, struct nv_span_ms *ret)
{
    return settle(p, parse(p, 0), true, ret);
}

bool nv_parser_offset(struct nv_parser *p, struct nv_span_ms *ret)
{
    return settle(p, operand(p, UINT32_MAX), false, ret);
}
