/*
 * prettify.c - an expression over several lines, where one would be too long.
 *
 * A node that fits into LINE_MAX bytes stays on its line. Of others the operands stand on lines of their
 * own, a level deeper: behind an opening parenthesis, or above and below an operator.
 */
#include "promql/function.h"
#include "promql/print.h"

enum { LINE_MAX_BYTES = 100, INDENT = 2 };

static void pretty(struct nv_buf *out, const struct nv_expr *expr, unsigned level);

static void indent(struct nv_buf *out, unsigned level)
{
    for (unsigned i = 0; i < level * INDENT; i++)
        nv_buf_char(out, ' ');
}

static bool fits(const struct nv_expr *expr)
{
    NV_AUTO_BUF line = NV_BUF(LINE_MAX_BYTES);

    nv_promql_print(&line, expr);
    return !line.failed;
}

/* "(" operands, each on its line, ")" */
static void operands(struct nv_buf *out, struct nv_expr *const *at, size_t n, unsigned level)
{
    nv_buf_text(out, "(\n");
    for (size_t i = 0; i < n; i++) {
        indent(out, level + 1);
        pretty(out, at[i], level + 1);
        nv_buf_text(out, i + 1 < n ? ",\n" : "\n");
    }
    indent(out, level);
    nv_buf_char(out, ')');
}

/* The left operand lies deeper than its operator, unless a sign stands in front of it. */
static void binary(struct nv_buf *out, const struct nv_binary *b, unsigned level, bool is_signed)
{
    if (!is_signed)
        indent(out, 1);
    if (b->left->kind == NV_EXPR_NUMBER)
        nv_print_left(out, b);
    else
        pretty(out, b->left, level + 1);
    nv_buf_char(out, '\n');
    indent(out, level);
    nv_print_operator(out, b);
    nv_buf_char(out, '\n');
    indent(out, level + 1);
    pretty(out, b->right, level + 1);
}

/* The first line is indented by the caller. */
static void pretty(struct nv_buf *out, const struct nv_expr *expr, unsigned level)
{
    struct nv_expr *two[2];

    if (out->failed)
        return;
    if (expr->kind == NV_EXPR_SELECTOR || fits(expr)) {
        nv_promql_print(out, expr);
        return;
    }
    switch (expr->kind) {
    case NV_EXPR_CALL:
        nv_buf_text(out, expr->call.function->name);
        operands(out, expr->call.args, expr->call.n, level);
        return;
    case NV_EXPR_AGGREGATION:
        nv_print_grouping(out, &expr->aggregation);
        two[0] = expr->aggregation.parameter ? expr->aggregation.parameter : expr->aggregation.expr;
        two[1] = expr->aggregation.expr;
        operands(out, two, expr->aggregation.parameter ? 2 : 1, level);
        return;
    case NV_EXPR_BINARY:
        binary(out, &expr->binary, level, false);
        return;
    case NV_EXPR_SUBQUERY:
        pretty(out, expr->subquery.expr, level);
        nv_print_subquery_range(out, &expr->subquery);
        return;
    case NV_EXPR_UNARY:
        nv_buf_text(out, nv_op_text(expr->unary.op));
        if (expr->unary.expr->kind == NV_EXPR_BINARY && !fits(expr->unary.expr))
            binary(out, &expr->unary.expr->binary, level, true);
        else
            pretty(out, expr->unary.expr, level);
        return;
    case NV_EXPR_PAREN:
        operands(out, &(struct nv_expr *){expr->paren}, 1, level);
        return;
    default:
        nv_promql_print(out, expr);
    }
}

void nv_promql_prettify(struct nv_buf *out, const struct nv_expr *expr)
{
    pretty(out, expr, 0);
}
