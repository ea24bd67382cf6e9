#include "promql/check.h"

#include <errno.h>
#include <stdarg.h>

#include "promql/function.h"

__attribute__((format(printf, 3, 4))) static int
wrong(struct nv_promql_error *error, const struct nv_expr *at, const char *format, ...)
{
    va_list args;

    error->start = at->start;
    error->end = at->end;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return -EINVAL;
}

static int expect(struct nv_promql_error *error, const struct nv_expr *expr,
                  enum nv_value_type type, const char *context)
{
    if (expr->type == type)
        return 0;
    return wrong(error, expr, "expected type %s in %s, got %s", nv_value_type_name(type), context,
                 nv_value_type_name(expr->type));
}

static int check_aggregation(struct nv_expr *expr, struct nv_promql_error *error)
{
    struct nv_aggregation *a = &expr->aggregation;
    int r = expect(error, a->expr, NV_VALUE_VECTOR, "aggregation expression");

    if (r == 0 && a->parameter)
        r = expect(error, a->parameter,
                   a->aggregator == NV_AGG_COUNT_VALUES ? NV_VALUE_STRING : NV_VALUE_SCALAR,
                   "aggregation parameter");
    if (r == 0)
        r = nv_promql_check(a->expr, error);
    return r == 0 && a->parameter ? nv_promql_check(a->parameter, error) : r;
}

/* Needs not one matcher that excludes the empty label set: it is no selection of series by itself. */
static int check_info_argument(const struct nv_expr *arg, struct nv_promql_error *error)
{
    if (arg->kind != NV_EXPR_SELECTOR || arg->selector.has_range)
        return wrong(error, arg, "expected label selectors only");
    if (arg->selector.name.n)
        return wrong(error, arg, "expected label selectors only, got vector selector instead");
    return 0;
}

static int check_call(struct nv_expr *expr, struct nv_promql_error *error)
{
    const struct nv_call *call = &expr->call;
    const struct nv_function *f = call->function;
    size_t least = nv_function_args_min(f), most = nv_function_args_max(f);
    char context[96];

    if (least == most && call->n != least)
        return wrong(error, expr, "expected %zu argument(s) in call to \"%s\", got %zu", least,
                     f->name, call->n);
    if (call->n < least)
        return wrong(error, expr, "expected at least %zu argument(s) in call to \"%s\", got %zu",
                     least, f->name, call->n);
    if (call->n > most)
        return wrong(error, expr, "expected at most %zu argument(s) in call to \"%s\", got %zu",
                     most, f->name, call->n);
    snprintf(context, sizeof(context), "call to function \"%s\"", f->name);
    for (size_t i = 0; i < call->n; i++) {
        bool labels = f->id == NV_FN_INFO && i == 1;
        int r = labels ? check_info_argument(call->args[i], error)
                       : nv_promql_check(call->args[i], error);
        if (r == 0)
            r = expect(error, call->args[i], nv_function_arg(f, i), context);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_matching(struct nv_expr *expr, struct nv_promql_error *error)
{
    struct nv_binary *b = &expr->binary;
    bool grouped = b->card != NV_CARD_ONE_TO_ONE;

    for (size_t i = 0; b->on && i < b->labels.n; i++)
        for (size_t k = 0; k < b->include.n; k++)
            if (nv_str_eq(b->labels.at[i], b->include.at[k]))
                return wrong(error, expr,
                             "label \"%.*s\" must not occur in ON and GROUP clause at once",
                             NV_ARGS(b->labels.at[i]));
    if (!nv_op_is_set(b->op))
        return 0;
    if (grouped)
        return wrong(error, expr, "no grouping allowed for \"%s\" operation", nv_op_text(b->op));
    b->card = NV_CARD_MANY_TO_MANY;
    return 0;
}

static int check_operands(struct nv_expr *expr, struct nv_promql_error *error)
{
    struct nv_binary *b = &expr->binary;
    bool vectors = b->left->type == NV_VALUE_VECTOR && b->right->type == NV_VALUE_VECTOR;
    bool fills = b->has_fill_left || b->has_fill_right;

    if (b->return_bool && !nv_op_is_comparison(b->op))
        return wrong(error, expr, "bool modifier can only be used on comparison operators");
    if (nv_op_is_comparison(b->op) && !b->return_bool && b->left->type == NV_VALUE_SCALAR &&
        b->right->type == NV_VALUE_SCALAR)
        return wrong(error, expr, "comparisons between scalars must use BOOL modifier");
    for (int i = 0; i < 2; i++) {
        const struct nv_expr *side = i ? b->right : b->left;
        if (side->type != NV_VALUE_SCALAR && side->type != NV_VALUE_VECTOR)
            return wrong(error, side,
                         "binary expression must contain only scalar and instant vector types");
    }
    if (!vectors && (b->labels.n || b->card != NV_CARD_ONE_TO_ONE))
        return wrong(error, expr, "vector matching only allowed between instant vectors");
    if (!vectors && fills)
        return wrong(error, expr, "filling in missing series only allowed between instant vectors");
    if (!vectors && nv_op_is_set(b->op))
        return wrong(error, expr, "set operator \"%s\" not allowed in binary scalar expression",
                     nv_op_text(b->op));
    if (fills && nv_op_is_set(b->op))
        return wrong(error, expr, "filling in missing series not allowed for set operators");
    return vectors ? check_matching(expr, error) : 0;
}

static int check_binary(struct nv_expr *expr, struct nv_promql_error *error)
{
    int r = nv_promql_check(expr->binary.left, error);

    if (r == 0)
        r = nv_promql_check(expr->binary.right, error);
    return r < 0 ? r : check_operands(expr, error);
}

static int check_unary(struct nv_expr *expr, struct nv_promql_error *error)
{
    const struct nv_expr *operand = expr->unary.expr;

    if (operand->type != NV_VALUE_SCALAR && operand->type != NV_VALUE_VECTOR)
        return wrong(error, expr,
                     "unary expression only allowed on expressions of type scalar or instant "
                     "vector, got \"%s\"",
                     nv_value_type_name(operand->type));
    return nv_promql_check(expr->unary.expr, error);
}

static int check_selector(struct nv_expr *expr, struct nv_promql_error *error)
{
    const struct nv_selector *s = &expr->selector;
    struct nv_str metric = NV_LIT("__name__");
    bool some = false;

    for (size_t i = s->name.n > 0; s->name.n && i < s->n_matchers; i++)
        if (nv_str_eq(s->matchers[i].name, metric))
            return wrong(error, expr, "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
                         (int)(s->name.n > 128 ? 128 : s->name.n), s->name.p,
                         (int)(s->matchers[i].value.n > 128 ? 128 : s->matchers[i].value.n),
                         s->matchers[i].value.p);
    for (size_t i = 0; i < s->n_matchers && !some; i++)
        some = !nv_matcher_fits(&s->matchers[i], (struct nv_str){"", 0});
    if (!some)
        return wrong(error, expr, "vector selector must contain at least one non-empty matcher");
    return 0;
}

static int check_subquery(struct nv_expr *expr, struct nv_promql_error *error)
{
    const struct nv_expr *inner = expr->subquery.expr;

    if (inner->type != NV_VALUE_VECTOR)
        return wrong(error, expr, "subquery is only allowed on instant vector, got %s instead",
                     nv_value_type_name(inner->type));
    return nv_promql_check(expr->subquery.expr, error);
}

int nv_promql_check(struct nv_expr *expr, struct nv_promql_error *error)
{
    switch (expr->kind) {
    case NV_EXPR_SELECTOR:
        return check_selector(expr, error);
    case NV_EXPR_SUBQUERY:
        return check_subquery(expr, error);
    case NV_EXPR_CALL:
        return check_call(expr, error);
    case NV_EXPR_AGGREGATION:
        return check_aggregation(expr, error);
    case NV_EXPR_BINARY:
        return check_binary(expr, error);
    case NV_EXPR_UNARY:
        return check_unary(expr, error);
    case NV_EXPR_PAREN:
        return nv_promql_check(expr->paren, error);
    default:
        return 0;
    }
}
