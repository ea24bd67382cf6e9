/*
 * promql_slow_operators.c - aggregations and operators of the slow evaluator, and the way down the tree.
 */
#include "support/promql_slow_parts.h"

#include <errno.h>
#include <math.h>

/* ---- aggregation ------------------------------------------------------------------------------ */

static double aggregate(const struct slow *s, enum nv_aggregator what, double parameter,
                        const double *values, size_t n)
{
    switch (what) {
    case NV_AGG_SUM:
        return nv_slow_total(values, n);
    case NV_AGG_AVG:
        return nv_slow_total(values, n) / (double)n;
    case NV_AGG_COUNT:
        return (double)n;
    case NV_AGG_GROUP:
        return 1;
    case NV_AGG_MIN:
        return nv_slow_most(values, n, -1);
    case NV_AGG_MAX:
        return nv_slow_most(values, n, 1);
    case NV_AGG_STDDEV:
        return sqrt(nv_slow_squares(values, n));
    case NV_AGG_STDVAR:
        return nv_slow_squares(values, n);
    default:
        return nv_slow_quantile(s, parameter, values, n);
    }
}

/* Whether an element is among the first k of its group; `by`: for topk, bottomk, or as they come. */
static bool is_chosen(const struct nv_slow_vector *v, const struct nv_slow_vector *groups, size_t i,
                      enum nv_aggregator what, double k)
{
    double before = 0, sign = what == NV_AGG_TOPK ? 1 : -1;

    for (size_t j = 0; j < v->n; j++) {
        double x = sign * v->at[i].value, y = sign * v->at[j].value;
        if (j == i || !nv_slow_same_labels(&groups->at[i], &groups->at[j]))
            continue;
        bool first = what == NV_AGG_LIMITK  ? j < i
                     : isnan(x) != isnan(y) ? isnan(x)
                     : isnan(x) || x == y   ? j < i
                                            : y > x;
        before += first;
    }
    return before + 1 <= k;
}

static int aggregation(const struct slow *s, const struct nv_aggregation *a,
                       struct nv_slow_vector *ret)
{
    struct nv_slow_vector v = {0}, groups = {0};
    struct nv_str name = NV_LIT("__name__");
    double parameter = 0;
    int r = nv_slow_vector_of(s, a->expr, &v);

    if (r == 0 && a->parameter)
        r = nv_slow_scalar_of(s, a->parameter, &parameter);
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        struct nv_slow_sample group = nv_slow_filtered(s, &v.at[i], &a->labels, !a->without);
        if (a->without)
            group = nv_slow_filtered(s, &group, &(struct nv_label_names){&name, 1}, false);
        GROW(s, &groups, group);
    }
    bool chooses = a->aggregator == NV_AGG_TOPK || a->aggregator == NV_AGG_BOTTOMK ||
                   a->aggregator == NV_AGG_LIMITK;
    double *values = nv_must(nv_arena_alloc(s->arena, (v.n + 1) * sizeof(double)));
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        size_t n = 0;
        bool first = true;
        if (chooses) {
            if (is_chosen(&v, &groups, i, a->aggregator, parameter))
                GROW(s, ret, v.at[i]);
            continue;
        }
        for (size_t k = 0; k < v.n; k++) {
            if (!nv_slow_same_labels(&groups.at[i], &groups.at[k]))
                continue;
            first &= k >= i;
            values[n++] = v.at[k].value;
        }
        struct nv_slow_sample sample = groups.at[i];
        sample.value = aggregate(s, a->aggregator, parameter, values, n);
        if (first)
            GROW(s, ret, sample);
    }
    return r;
}

/* ---- operators -------------------------------------------------------------------------------- */

static double operate(enum nv_op op, double a, double b)
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
    case NV_OP_EQ:
        return a == b;
    case NV_OP_NE:
        return a != b;
    case NV_OP_LT:
        return a < b;
    case NV_OP_LE:
        return a <= b;
    case NV_OP_GT:
        return a > b;
    default:
        return a >= b;
    }
}

/* What two values give: false where a comparison does not hold. `kept`: what is left of one that does. */
static bool judge(const struct nv_binary *b, double x, double y, double kept, double *ret)
{
    double value = operate(b->op, x, y);

    *ret = nv_op_is_comparison(b->op) && !b->return_bool ? kept : value;
    return !nv_op_is_comparison(b->op) || b->return_bool || value;
}

static int with_scalar(const struct slow *s, const struct nv_binary *b, struct nv_slow_vector *ret)
{
    bool left = b->left->type == NV_VALUE_SCALAR;
    struct nv_slow_vector v = {0};
    double k;
    int r = nv_slow_scalar_of(s, left ? b->left : b->right, &k);

    if (r == 0)
        r = nv_slow_vector_of(s, left ? b->right : b->left, &v);
    for (size_t i = 0; r == 0 && i < v.n; i++) {
        double x = v.at[i].value, value;
        struct nv_slow_sample sample = v.at[i];
        if (!judge(b, left ? k : x, left ? x : k, x, &value))
            continue;
        if (!nv_op_is_comparison(b->op) || b->return_bool)
            sample = nv_slow_unnamed(s, &sample);
        sample.value = value;
        GROW(s, ret, sample);
    }
    return r < 0 ? r : nv_slow_unique(ret);
}

static struct nv_slow_sample signature(const struct slow *s, const struct nv_binary *b,
                                       const struct nv_slow_sample *from)
{
    struct nv_slow_sample out = nv_slow_filtered(s, from, &b->labels, b->on);

    return b->on ? out : nv_slow_unnamed(s, &out);
}

static int sets(const struct slow *s, const struct nv_binary *b, const struct nv_slow_vector *left,
                const struct nv_slow_vector *right, struct nv_slow_vector *ret)
{
    const struct nv_slow_vector *from = b->op == NV_OP_OR ? right : left,
                                *other = b->op == NV_OP_OR ? left : right;

    for (size_t i = 0; b->op == NV_OP_OR && i < left->n; i++)
        GROW(s, ret, left->at[i]);
    for (size_t i = 0; i < from->n; i++) {
        struct nv_slow_sample own = signature(s, b, &from->at[i]);
        bool found = false;
        for (size_t k = 0; k < other->n; k++) {
            struct nv_slow_sample its = signature(s, b, &other->at[k]);
            found |= nv_slow_same_labels(&own, &its);
        }
        if (found == (b->op == NV_OP_AND))
            GROW(s, ret, from->at[i]);
    }
    return 0;
}

/* The only one of a side with a signature: NULL for none, *r for two. */
static const struct nv_slow_sample *partner(const struct slow *s, const struct nv_binary *b,
                                            const struct nv_slow_vector *side,
                                            const struct nv_slow_sample *own, int *r)
{
    const struct nv_slow_sample *found = NULL;

    for (size_t k = 0; k < side->n; k++) {
        struct nv_slow_sample its = signature(s, b, &side->at[k]);
        if (!nv_slow_same_labels(own, &its))
            continue;
        if (found)
            *r = -EINVAL;
        found = &side->at[k];
    }
    return found;
}

static int pairs(const struct slow *s, const struct nv_binary *b, const struct nv_slow_vector *left,
                 const struct nv_slow_vector *right, struct nv_slow_vector *ret)
{
    bool one_left = b->card == NV_CARD_ONE_TO_MANY, grouped = b->card != NV_CARD_ONE_TO_ONE;
    const struct nv_slow_vector *many = one_left ? right : left, *one = one_left ? left : right;
    struct nv_slow_vector made = {0};
    int r = 0;

    if (!one->n || !many->n)
        return 0;
    for (size_t i = 0; i < one->n; i++) { /* twice on this side is an error, whoever asks for it */
        struct nv_slow_sample own = signature(s, b, &one->at[i]);
        partner(s, b, one, &own, &r);
    }
    for (size_t i = 0; r == 0 && i < many->n; i++) {
        struct nv_slow_sample own = signature(s, b, &many->at[i]), sample = many->at[i];
        const struct nv_slow_sample *other = partner(s, b, one, &own, &r);
        if (r < 0 || !other)
            continue;
        if (!grouped)
            partner(s, b, many, &own, &r);
        double x = one_left ? other->value : sample.value,
               y = one_left ? sample.value : other->value;
        bool drops = !nv_op_is_comparison(b->op) || b->return_bool;
        if (drops)
            sample = nv_slow_unnamed(s, &sample);
        if (!grouped)
            sample = nv_slow_filtered(s, &sample, &b->labels, b->on);
        GROW(s, &made, sample);
        if (judge(b, x, y, x, &sample.value))
            GROW(s, ret, sample);
    }
    return r < 0 ? r : nv_slow_unique(&made);
}

static int binary(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret)
{
    const struct nv_binary *b = &e->binary;
    struct nv_slow_vector left = {0}, right = {0};

    if (b->left->type == NV_VALUE_SCALAR || b->right->type == NV_VALUE_SCALAR)
        return with_scalar(s, b, ret);
    int r = nv_slow_vector_of(s, b->left, &left);
    if (r == 0)
        r = nv_slow_vector_of(s, b->right, &right);
    if (r < 0)
        return r;
    return nv_op_is_set(b->op) ? sets(s, b, &left, &right, ret) : pairs(s, b, &left, &right, ret);
}

int nv_slow_scalar_of(const struct slow *s, const struct nv_expr *e, double *ret)
{
    struct nv_slow_vector v = {0};
    double a, b;
    int r;

    switch (e->kind) {
    case NV_EXPR_NUMBER:
        return *ret = e->number.value, 0;
    case NV_EXPR_PAREN:
        return nv_slow_scalar_of(s, e->paren, ret);
    case NV_EXPR_UNARY:
        r = nv_slow_scalar_of(s, e->unary.expr, ret);
        *ret = e->unary.op == NV_OP_SUB ? -*ret : *ret;
        return r;
    case NV_EXPR_BINARY:
        r = nv_slow_scalar_of(s, e->binary.left, &a);
        if (r == 0)
            r = nv_slow_scalar_of(s, e->binary.right, &b);
        if (r == 0)
            *ret = operate(e->binary.op, a, b);
        return r;
    default:
        break;
    }
    if (e->kind != NV_EXPR_CALL)
        return -ENOTSUP;
    if (e->call.function->id == NV_FN_TIME)
        return *ret = (double)s->at / 1000, 0;
    if (e->call.function->id != NV_FN_SCALAR)
        return -ENOTSUP;
    r = nv_slow_vector_of(s, e->call.args[0], &v);
    *ret = v.n == 1 ? v.at[0].value : NAN;
    return r;
}

int nv_slow_vector_of(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret)
{
    int r;

    switch (e->kind) {
    case NV_EXPR_SELECTOR:
        return nv_slow_instant(s, &e->selector, false, ret);
    case NV_EXPR_PAREN:
        return nv_slow_vector_of(s, e->paren, ret);
    case NV_EXPR_UNARY:
        r = nv_slow_vector_of(s, e->unary.expr, ret);
        for (size_t i = 0; r == 0 && e->unary.op == NV_OP_SUB && i < ret->n; i++) {
            ret->at[i] = nv_slow_unnamed(s, &ret->at[i]);
            ret->at[i].value = -ret->at[i].value;
        }
        return r < 0 ? r : nv_slow_unique(ret);
    case NV_EXPR_CALL:
        return nv_slow_call_of(s, e, ret);
    case NV_EXPR_AGGREGATION:
        return aggregation(s, &e->aggregation, ret);
    case NV_EXPR_BINARY:
        return binary(s, e, ret);
    default:
        return -ENOTSUP;
    }
}

int nv_slow_eval(const struct nv_expr *expr, const struct nv_queryable *queryable, int64_t at_ms,
                 struct nv_arena *arena, struct nv_slow_vector *ret)
{
    struct slow s = {queryable, arena, at_ms};

    *ret = (struct nv_slow_vector){0};
    return nv_slow_vector_of(&s, expr, ret);
}
