/*
 * json.c - a tree as JSON, in the shape of Prometheus' parse_query.
 *
 * Members that a node does not have are null, lists without elements []. Values of numbers are texts.
 */
#include "base/json_out.h"
#include "base/number.h"
#include "promql/function.h"

static const char *const types[] = {"scalar", "vector", "matrix", "string"};
static const char *const cards[] = {"one-to-one", "many-to-one", "one-to-many", "many-to-many"};
static const char *const match_ops[] = {"=", "!=", "=~", "!~"};

static void tree(struct nv_buf *out, const struct nv_expr *expr);

/* `"name":` behind a comma */
static void member(struct nv_buf *out, const char *name)
{
    nv_buf_printf(out, ",\"%s\":", name);
}

static void text_member(struct nv_buf *out, const char *name, struct nv_str value)
{
    member(out, name);
    nv_json_quote(out, value);
}

static void flag(struct nv_buf *out, const char *name, bool value)
{
    member(out, name);
    nv_buf_text(out, value ? "true" : "false");
}

/* A node, or null. */
static void node(struct nv_buf *out, const char *name, const struct nv_expr *expr)
{
    member(out, name);
    if (expr)
        tree(out, expr);
    else
        nv_buf_text(out, "null");
}

static void names(struct nv_buf *out, const char *name, const struct nv_label_names *list)
{
    member(out, name);
    nv_buf_char(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            nv_buf_char(out, ',');
        nv_json_quote(out, list->at[i]);
    }
    nv_buf_char(out, ']');
}

static void number(struct nv_buf *out, double value)
{
    char digits[NV_NUMBER_PLAIN_MAX];

    nv_buf_char(out, '"');
    nv_buf_add(out, digits, nv_number_plain(digits, value));
    nv_buf_char(out, '"');
}

/* Expressions of lengths of time have a shape of their own; parentheses are a flag of what they hold. */
static void duration(struct nv_buf *out, const char *name, const struct nv_expr *expr)
{
    bool wrapped = false;
    const struct nv_expr *left = NULL, *right = NULL;
    const char *op;

    member(out, name);
    for (; expr && expr->kind == NV_EXPR_PAREN; expr = expr->paren)
        wrapped = true;
    if (!expr || expr->kind == NV_EXPR_NUMBER) {
        if (expr)
            tree(out, expr);
        else
            nv_buf_text(out, "null");
        return;
    }
    if (expr->kind == NV_EXPR_BINARY) {
        op = nv_op_text(expr->binary.op);
        left = expr->binary.left;
        right = expr->binary.right;
    } else if (expr->kind == NV_EXPR_UNARY) {
        op = nv_op_text(expr->unary.op);
        right = expr->unary.expr;
    } else {
        op = expr->call.function->name;
        left = expr->call.n ? expr->call.args[0] : NULL;
        right = expr->call.n ? expr->call.args[1] : NULL;
    }
    nv_buf_printf(out, "{\"type\":\"durationExpr\",\"op\":\"%s\"", op);
    duration(out, "lhs", left);
    duration(out, "rhs", right);
    flag(out, "wrapped", wrapped);
    nv_buf_char(out, '}');
}

/* In ms; a length that is computed later as its tree, under another name. */
static void span(struct nv_buf *out, const char *name, const struct nv_span_ms *span)
{
    char later[32];

    member(out, name);
    nv_buf_printf(out, "%lld", span->expr ? 0LL : (long long)span->ms);
    if (!span->expr)
        return;
    snprintf(later, sizeof(later), "%sExpr", name);
    duration(out, later, span->expr);
}

static void when(struct nv_buf *out, const struct nv_when *when)
{
    span(out, "offset", &when->offset);
    member(out, "timestamp");
    if (when->at == NV_AT_TIME)
        nv_buf_printf(out, "%lld", (long long)when->at_ms);
    else
        nv_buf_text(out, "null");
    member(out, "startOrEnd");
    nv_buf_text(out, when->at == NV_AT_START ? "\"start\""
                     : when->at == NV_AT_END ? "\"end\""
                                             : "null");
}

static void selector(struct nv_buf *out, const struct nv_selector *s)
{
    nv_buf_text(out, s->has_range ? "\"matrixSelector\"" : "\"vectorSelector\"");
    text_member(out, "name", s->name);
    if (s->has_range)
        span(out, "range", &s->range);
    when(out, &s->when);
    member(out, "matchers");
    nv_buf_char(out, '[');
    for (size_t i = 0; i < s->n_matchers; i++) {
        nv_buf_text(out, i ? ",{\"name\":" : "{\"name\":");
        nv_json_quote(out, s->matchers[i].name);
        text_member(out, "value", s->matchers[i].value);
        text_member(out, "type", nv_str(match_ops[s->matchers[i].op]));
        nv_buf_char(out, '}');
    }
    nv_buf_char(out, ']');
    flag(out, "anchored", s->edge == NV_EDGE_ANCHORED);
    flag(out, "smoothed", s->edge == NV_EDGE_SMOOTHED);
}

static void subquery(struct nv_buf *out, const struct nv_subquery *s)
{
    nv_buf_text(out, "\"subquery\"");
    node(out, "expr", s->expr);
    span(out, "range", &s->range);
    span(out, "step", &s->step);
    when(out, &s->when);
}

static void call(struct nv_buf *out, const struct nv_call *c)
{
    const struct nv_function *f = c->function;

    nv_buf_printf(out, "\"call\",\"func\":{\"name\":\"%s\",\"argTypes\":[", f->name);
    for (size_t i = 0; f->args[i]; i++)
        nv_buf_printf(out, "%s\"%s\"", i ? "," : "", types[nv_function_arg(f, i)]);
    nv_buf_printf(out, "],\"variadic\":%d,\"returnType\":\"%s\"},\"args\":[", f->optional,
                  types[f->type]);
    for (size_t i = 0; i < c->n; i++) {
        if (i)
            nv_buf_char(out, ',');
        tree(out, c->args[i]);
    }
    nv_buf_char(out, ']');
}

static void aggregation(struct nv_buf *out, const struct nv_aggregation *a)
{
    nv_buf_printf(out, "\"aggregation\",\"op\":\"%s\"", nv_aggregator_text(a->aggregator));
    node(out, "expr", a->expr);
    node(out, "param", a->parameter);
    names(out, "grouping", &a->labels);
    flag(out, "without", a->without);
}

static void fill(struct nv_buf *out, const char *name, bool has, double value)
{
    nv_buf_printf(out, "\"%s\":", name);
    if (has)
        number(out, value);
    else
        nv_buf_text(out, "null");
}

/* How two vectors meet; null where there are not two. */
static void matching(struct nv_buf *out, const struct nv_binary *b)
{
    member(out, "matching");
    if (b->left->type != NV_VALUE_VECTOR || b->right->type != NV_VALUE_VECTOR) {
        nv_buf_text(out, "null");
        return;
    }
    nv_buf_printf(out, "{\"card\":\"%s\"", cards[b->card]);
    names(out, "labels", &b->labels);
    flag(out, "on", b->on);
    names(out, "include", &b->include);
    member(out, "fillValues");
    nv_buf_char(out, '{');
    fill(out, "lhs", b->has_fill_left, b->fill_left);
    nv_buf_char(out, ',');
    fill(out, "rhs", b->has_fill_right, b->fill_right);
    nv_buf_text(out, "}}");
}

static void binary(struct nv_buf *out, const struct nv_binary *b)
{
    nv_buf_printf(out, "\"binaryExpr\",\"op\":\"%s\"", nv_op_text(b->op));
    node(out, "lhs", b->left);
    node(out, "rhs", b->right);
    matching(out, b);
    flag(out, "bool", b->return_bool);
}

static void tree(struct nv_buf *out, const struct nv_expr *expr)
{
    if (out->failed)
        return;
    nv_buf_text(out, "{\"type\":");
    switch (expr->kind) {
    case NV_EXPR_NUMBER:
        nv_buf_text(out, "\"numberLiteral\",\"val\":");
        number(out, expr->number.value);
        break;
    case NV_EXPR_STRING:
        nv_buf_text(out, "\"stringLiteral\",\"val\":");
        nv_json_quote(out, expr->string);
        break;
    case NV_EXPR_SELECTOR:
        selector(out, &expr->selector);
        break;
    case NV_EXPR_SUBQUERY:
        subquery(out, &expr->subquery);
        break;
    case NV_EXPR_CALL:
        call(out, &expr->call);
        break;
    case NV_EXPR_AGGREGATION:
        aggregation(out, &expr->aggregation);
        break;
    case NV_EXPR_BINARY:
        binary(out, &expr->binary);
        break;
    case NV_EXPR_UNARY:
        nv_buf_printf(out, "\"unaryExpr\",\"op\":\"%s\"", nv_op_text(expr->unary.op));
        node(out, "expr", expr->unary.expr);
        break;
    default:
        nv_buf_text(out, "\"parenExpr\"");
        node(out, "expr", expr->paren);
    }
    nv_buf_char(out, '}');
}

void nv_promql_json(struct nv_buf *out, const struct nv_expr *expr)
{
    tree(out, expr);
}
