/*
 * eval_binary.c - operators on two samples, and on a vector and a scalar.
 */
#include "promql/histograms.h"

double nv_op_scalar(enum nv_op op, double a, double b)
{
    switch (op) {
    case NV_OP_ADD:
        return a + b;
    case NV_OP_SUB:
        return a - b;
    case NV_OP_MUL:
        return a * b;
    case NV_OP_DIV:
        return a / b;
    case NV_OP_MOD:
        return fmod(a, b);
    case NV_OP_POW:
        return pow(a, b);
    case NV_OP_ATAN2:
        return atan2(a, b);
    case NV_OP_EQ:
        return a == b;
    case NV_OP_NE:
        return a != b;
    case NV_OP_LE:
        return a <= b;
    case NV_OP_LT:
        return a < b;
    case NV_OP_GE:
        return a >= b;
    default:
        return a > b;
    }
}

int nv_op_samples(struct nv_eval *ev, const struct nv_expr *at, enum nv_op op, struct nv_operand a,
                  struct nv_operand b, struct nv_operand *ret, bool *ret_holds)
{
    *ret_holds = true;
    if (a.histogram || b.histogram)
        return nv_histograms_op(ev, at, op, a, b, ret, ret_holds);
    if (nv_op_is_trim(op))
        return nv_op_mismatch(ev, at, op, a, b);
    double value = nv_op_scalar(op, a.value, b.value);
    if (nv_op_is_comparison(op)) {
        *ret_holds = value != 0;
        value = a.value;
    }
    *ret = (struct nv_operand){value, NULL};
    return 1;
}

int nv_op_mismatch(struct nv_eval *ev, const struct nv_expr *at, enum nv_op op, struct nv_operand a,
                   struct nv_operand b)
{
    nv_annotate(ev, false, at,
                "incompatible sample types encountered for binary operator \"%s\": %s %s %s",
                nv_op_text(op), a.histogram ? "histogram" : "float", nv_op_text(op),
                b.histogram ? "histogram" : "float");
    return 0;
}

/* A vector on one side, a scalar on the other. */
struct mixed {
    const struct nv_expr *expr;
    const struct nv_grid *grid;
    const double *scalar;
    bool scalar_left;
    nv_row_fn fn;
    void *user;
};

static int mixed_step(struct nv_eval *ev, const struct mixed *m, struct nv_row *row, size_t i)
{
    const struct nv_binary *b = &m->expr->binary;
    struct nv_operand v = {row->values[i], nv_row_histogram(row, i)};
    struct nv_operand s = {m->scalar[i], NULL}, result;
    bool holds;
    int r = nv_op_samples(ev, m->expr, b->op, m->scalar_left ? s : v, m->scalar_left ? v : s,
                          &result, &holds);

    if (r < 0)
        return r;
    if (r == 0 || (!holds && !b->return_bool)) {
        nv_row_clear(row, i);
        return 0;
    }
    if (b->return_bool)
        result = (struct nv_operand){holds, NULL};
    else if (nv_op_is_comparison(b->op))
        result = v;
    row->values[i] = result.histogram ? 0 : result.value;
    if (row->histograms)
        row->histograms[i] = result.histogram;
    return 0;
}

static int mixed_row(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct mixed *m = user;
    const struct nv_binary *b = &m->expr->binary;
    bool keeps = (nv_op_is_comparison(b->op) && !b->return_bool) || nv_op_is_trim(b->op);
    int r = 0;

    for (size_t i = 0; r == 0 && i < m->grid->n; i++)
        if (nv_row_has(row, i))
            r = mixed_step(ev, m, row, i);
    if (r == 0 && !keeps)
        r = nv_row_drop_name(ev, row);
    return r < 0 ? r : m->fn(ev, row, m->user);
}

static int vector_and_scalar(struct nv_eval *ev, const struct nv_expr *expr,
                             const struct nv_grid *grid, nv_row_fn fn, void *user)
{
    const struct nv_binary *b = &expr->binary;
    bool left = b->left->type == NV_VALUE_SCALAR;
    struct nv_pool pool;

    nv_pool_open(ev, &pool);
    double *values = nv_pool_alloc(&pool, grid->n, sizeof(double));
    struct mixed mixed = {expr, grid, values, left, fn, user};
    int r = values ? nv_eval_scalar(ev, left ? b->left : b->right, grid, values)
                   : nv_eval_no_memory(ev);
    if (r == 0)
        r = nv_eval_rows(ev, left ? b->right : b->left, grid, mixed_row, &mixed);
    nv_pool_close(ev, &pool);
    return r;
}

int nv_eval_binary(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_row_fn fn, void *user)
{
    const struct nv_binary *b = &expr->binary;

    if (b->left->type == NV_VALUE_SCALAR || b->right->type == NV_VALUE_SCALAR)
        return vector_and_scalar(ev, expr, grid, fn, user);
    return nv_op_is_set(b->op) ? nv_eval_sets(ev, expr, grid, fn, user)
                               : nv_eval_vectors(ev, expr, grid, fn, user);
}
