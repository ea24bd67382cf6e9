/*
 * parse.c - the grammar, by recursive descent; binary operators by the level of the one in front.
 */
#include "promql/check.h"
#include "promql/parser.h"

static struct nv_expr *expression(struct nv_parser *p, unsigned level);

/* Texts and nodes gathered before their number is known. */
struct list {
    void *at;
    size_t n, room;
};

/* A place for one more; NULL when memory is out. What is outgrown stays in the arena. */
static void *list_add(struct nv_parser *p, struct list *list, size_t size)
{
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : 4;
        void *larger = nv_arena_alloc(p->arena, room * size);
        if (!larger)
            return nv_parser_no_memory(p);
        if (list->n)
            memcpy(larger, list->at, list->n * size);
        list->at = larger;
        list->room = room;
    }
    return (char *)list->at + size * list->n++;
}

static bool unquoted(struct nv_parser *p, struct nv_str *ret)
{
    char error[160];
    int r = nv_unquote(nv_token_text(&p->lexer, &p->token), p->arena, ret, error);

    if (r == -ENOMEM)
        return nv_parser_no_memory(p);
    if (r < 0)
        return nv_parser_fail(p, p->token.start, p->token.end, "%s", error);
    return true;
}

static bool matcher_op(struct nv_parser *p, enum nv_match_op *ret)
{
    switch (p->token.kind) {
    case NV_TOKEN_EQUAL:
        *ret = NV_MATCH_EQUAL;
        return true;
    case NV_TOKEN_MATCH:
        *ret = NV_MATCH_REGEX;
        return true;
    case NV_TOKEN_NOT_MATCH:
        *ret = NV_MATCH_NOT_REGEX;
        return true;
    default:
        *ret = NV_MATCH_NOT_EQUAL;
        return p->token.kind == NV_TOKEN_OPERATOR && p->token.which == NV_OP_NE;
    }
}

static bool add_matcher(struct nv_parser *p, struct nv_selector *s, struct list *list,
                        enum nv_match_op op, struct nv_str name, struct nv_str value)
{
    char error[NV_REGEX_ERROR_MAX];

    if (list->n >= NV_PROMQL_LABELS_MAX)
        return nv_parser_fail(p, p->token.start, p->token.end, "too many label matchers");
    struct nv_matcher *matcher = list_add(p, list, sizeof(*matcher));
    if (!matcher)
        return false;
    *matcher = (struct nv_matcher){0};
    s->matchers = list->at;
    s->n_matchers = list->n;
    int r = nv_matcher_init(matcher, op, name, value, error);
    if (r == -EINVAL)
        return nv_parser_fail(p, p->token.start, p->token.end, "%s", error);
    return r == 0 || nv_parser_no_memory(p);
}

static bool set_name(struct nv_parser *p, struct nv_selector *s, struct nv_str name, uint32_t start)
{
    if (s->name.n)
        return nv_parser_fail(p, start, p->token.end,
                              "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
                              (int)(s->name.n > 128 ? 128 : s->name.n), s->name.p,
                              (int)(name.n > 128 ? 128 : name.n), name.p);
    if (!name.n)
        return nv_parser_fail(p, start, p->token.end, "invalid metric name \"\"");
    s->name = name;
    return true;
}

/* name op "value", or the name of the metric in quotes. */
static bool matcher(struct nv_parser *p, struct nv_selector *s, struct list *list)
{
    uint32_t start = p->token.start;
    bool quoted = nv_parser_is(p, NV_TOKEN_STRING);
    struct nv_str name = nv_token_text(&p->lexer, &p->token), value;
    enum nv_match_op op;

    if (!quoted && !nv_parser_is(p, NV_TOKEN_IDENTIFIER))
        return nv_parser_unexpected(p, "label matching", "identifier or \"}\"");
    if (quoted && !unquoted(p, &name))
        return false;
    nv_parser_advance(p);
    if (p->failed)
        return false;
    if (!matcher_op(p, &op)) {
        bool ends = nv_parser_is(p, NV_TOKEN_COMMA) || nv_parser_is(p, NV_TOKEN_RIGHT_BRACE);
        if (quoted && ends)
            return set_name(p, s, name, start);
        return nv_parser_unexpected(p, "label matching", "label matching operator");
    }
    if (!name.n)
        return nv_parser_fail(p, start, p->token.end, "invalid label name \"\"");
    nv_parser_advance(p);
    if (!nv_parser_is(p, NV_TOKEN_STRING))
        return nv_parser_unexpected(p, "label matching", "string");
    if (!unquoted(p, &value) || !add_matcher(p, s, list, op, name, value))
        return false;
    nv_parser_advance(p);
    return !p->failed;
}

static bool matchers(struct nv_parser *p, struct nv_selector *s, struct list *list)
{
    nv_parser_advance(p); /* the brace */
    while (!nv_parser_is(p, NV_TOKEN_RIGHT_BRACE)) {
        if (!matcher(p, s, list))
            return false;
        if (!nv_parser_accept(p, NV_TOKEN_COMMA) && !nv_parser_is(p, NV_TOKEN_RIGHT_BRACE))
            return nv_parser_unexpected(p, "label matching", "\",\" or \"}\"");
    }
    nv_parser_advance(p);
    return !p->failed;
}

/* A name written as one is the first of the matchers. */
static bool put_name_first(struct nv_parser *p, struct nv_selector *s, struct list *list)
{
    if (!add_matcher(p, s, list, NV_MATCH_EQUAL, NV_LIT("__name__"), s->name))
        return false;
    struct nv_matcher last = s->matchers[s->n_matchers - 1];
    memmove(s->matchers + 1, s->matchers, (s->n_matchers - 1) * sizeof(last));
    s->matchers[0] = last;
    return true;
}

static struct nv_expr *selector(struct nv_parser *p)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_SELECTOR, NV_VALUE_VECTOR, p->token.start);
    struct list list = {0};

    if (!node)
        return NULL;
    struct nv_selector *s = &node->selector;
    s->next = p->promql->selectors;
    p->promql->selectors = s;
    if (!nv_parser_is(p, NV_TOKEN_LEFT_BRACE)) {
        s->name = nv_token_text(&p->lexer, &p->token);
        nv_parser_advance(p);
    }
    if (nv_parser_is(p, NV_TOKEN_LEFT_BRACE) && !matchers(p, s, &list))
        return NULL;
    if (p->failed || (s->name.n && !put_name_first(p, s, &list)))
        return NULL;
    node->end = p->end;
    return node;
}

/* "(" [name {"," name} [","]] ")" */
static bool names(struct nv_parser *p, struct nv_label_names *ret)
{
    struct list list = {0};

    if (!nv_parser_expect(p, NV_TOKEN_LEFT_PAREN, "grouping opts", "\"(\""))
        return false;
    while (!nv_parser_is(p, NV_TOKEN_RIGHT_PAREN)) {
        struct nv_str name = nv_token_text(&p->lexer, &p->token);
        if (nv_parser_is(p, NV_TOKEN_STRING)) {
            if (!unquoted(p, &name))
                return false;
        } else if (!p->token.is_word) {
            return nv_parser_unexpected(p, "grouping opts", "label");
        }
        if (!name.n || nv_parser_is(p, NV_TOKEN_METRIC))
            return nv_parser_fail(p, p->token.start, p->token.end,
                                  "invalid label name for grouping: \"%.*s\"",
                                  (int)(name.n > 128 ? 128 : name.n), name.p);
        if (list.n == NV_PROMQL_LABELS_MAX)
            return nv_parser_fail(p, p->token.start, p->token.end, "too many label names");
        struct nv_str *at = list_add(p, &list, sizeof(*at));
        if (!at)
            return false;
        *at = name;
        nv_parser_advance(p);
        if (!nv_parser_accept(p, NV_TOKEN_COMMA) && !nv_parser_is(p, NV_TOKEN_RIGHT_PAREN))
            return nv_parser_unexpected(p, "grouping opts", "\",\" or \")\"");
    }
    *ret = (struct nv_label_names){list.at, list.n};
    nv_parser_advance(p);
    return !p->failed;
}

/* "(" [expr {"," expr}] ")" */
static bool arguments(struct nv_parser *p, struct nv_expr *node, struct list *ret)
{
    if (!nv_parser_expect(p, NV_TOKEN_LEFT_PAREN, "function call args", "\"(\""))
        return false;
    while (!nv_parser_is(p, NV_TOKEN_RIGHT_PAREN)) {
        struct nv_expr *arg = expression(p, 1);
        struct nv_expr **at = arg ? list_add(p, ret, sizeof(*at)) : NULL;
        if (!at || !nv_parser_deepen(p, node, arg))
            return false;
        *at = arg;
        uint32_t comma = p->token.start;
        if (nv_parser_accept(p, NV_TOKEN_COMMA)) {
            if (nv_parser_is(p, NV_TOKEN_RIGHT_PAREN))
                return nv_parser_fail(p, comma, comma + 1,
                                      "trailing commas not allowed in function call args");
        } else if (!nv_parser_is(p, NV_TOKEN_RIGHT_PAREN)) {
            return nv_parser_unexpected(p, "function call args", "\",\" or \")\"");
        }
    }
    nv_parser_advance(p);
    return !p->failed;
}

static struct nv_expr *call(struct nv_parser *p, const struct nv_token *name)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_CALL, NV_VALUE_VECTOR, name->start);
    struct nv_str text = nv_token_text(&p->lexer, name);
    char lower[64];
    struct list list = {0};

    if (!node)
        return NULL;
    if (name->kind == NV_TOKEN_KEYWORD && text.n < sizeof(lower)) { /* START() as well */
        for (size_t i = 0; i < text.n; i++)
            lower[i] = (char)(text.p[i] | 0x20);
        for (size_t i = 0; i < text.n; i++)
            lower[i] = text.p[i] == '_' ? '_' : lower[i];
        text.p = lower;
    }
    const struct nv_function *f = nv_function_find(text);
    if (!f)
        return nv_parser_fail(p, name->start, name->end, "unknown function with name \"%.*s\"",
                              (int)(text.n > 128 ? 128 : text.n), text.p);
    if ((f->flags & NV_FUNCTION_EXPERIMENTAL) && !(p->features & NV_PROMQL_EXPERIMENTAL))
        return nv_parser_fail(p, name->start, name->end, "function \"%s\" is not enabled", f->name);
    if (!arguments(p, node, &list))
        return NULL;
    node->type = f->type;
    node->call.function = f;
    node->call.args = list.at;
    node->call.n = list.n;
    node->end = p->end;
    return node;
}

static bool is_grouping(const struct nv_parser *p)
{
    return nv_parser_is_keyword(p, NV_KEYWORD_BY) || nv_parser_is_keyword(p, NV_KEYWORD_WITHOUT);
}

static bool grouping(struct nv_parser *p, struct nv_aggregation *a)
{
    a->grouped = true;
    a->without = nv_parser_is_keyword(p, NV_KEYWORD_WITHOUT);
    nv_parser_advance(p);
    return names(p, &a->labels);
}

static struct nv_expr *aggregation(struct nv_parser *p, const struct nv_token *name)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_AGGREGATION, NV_VALUE_VECTOR, name->start);
    struct list list = {0};

    if (!node)
        return NULL;
    struct nv_aggregation *a = &node->aggregation;
    a->aggregator = name->which;
    size_t wants = nv_aggregator_has_parameter(name->which) ? 2 : 1;
    if (name->which >= NV_AGG_LIMITK && !(p->features & NV_PROMQL_EXPERIMENTAL))
        return nv_parser_fail(p, name->start, name->end,
                              "%s() is experimental and must be enabled with "
                              "--enable-feature=promql-experimental-functions",
                              nv_aggregator_text(name->which));
    if (is_grouping(p) && !grouping(p, a))
        return NULL;
    if (!arguments(p, node, &list))
        return NULL;
    if (is_grouping(p) && !a->grouped && !grouping(p, a))
        return NULL;
    node->end = p->end;
    if (!list.n)
        return nv_parser_fail(p, node->start, node->end,
                              "no arguments for aggregate expression provided");
    if (list.n != wants)
        return nv_parser_fail(p, node->start, node->end,
                              "wrong number of arguments for aggregate expression provided, "
                              "expected %zu, got %zu",
                              wants, list.n);
    struct nv_expr **args = list.at;
    a->expr = args[wants - 1];
    a->parameter = wants == 2 ? args[0] : NULL;
    return node;
}

static struct nv_expr *number(struct nv_parser *p)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_NUMBER, NV_VALUE_SCALAR, p->token.start);

    if (!node)
        return NULL;
    node->number.value = p->token.value;
    node->number.is_duration = nv_parser_is(p, NV_TOKEN_DURATION);
    nv_parser_advance(p);
    node->end = p->end;
    return p->failed ? NULL : node;
}

static struct nv_expr *string(struct nv_parser *p)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_STRING, NV_VALUE_STRING, p->token.start);

    if (!node || !unquoted(p, &node->string))
        return NULL;
    nv_parser_advance(p);
    node->end = p->end;
    return p->failed ? NULL : node;
}

static struct nv_expr *paren(struct nv_parser *p)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_PAREN, NV_VALUE_SCALAR, p->token.start);

    if (!node)
        return NULL;
    nv_parser_advance(p);
    node->paren = expression(p, 1);
    if (!nv_parser_deepen(p, node, node->paren))
        return NULL;
    if (!nv_parser_expect(p, NV_TOKEN_RIGHT_PAREN, NULL, NULL))
        return NULL;
    node->type = node->paren->type;
    node->end = p->end;
    return node;
}

/* Words that are operators or modifiers only, and never a metric's name. */
static bool is_reserved(const struct nv_token *token)
{
    if (token->kind == NV_TOKEN_OPERATOR)
        return token->which == NV_OP_ATAN2;
    return token->kind == NV_TOKEN_KEYWORD && token->which >= NV_KEYWORD_ON &&
           token->which <= NV_KEYWORD_BOOL;
}

/* A metric, a function or an aggregation: the next token tells. */
static struct nv_expr *name(struct nv_parser *p)
{
    struct nv_token token = p->token;
    struct nv_parser before = *p;

    nv_parser_advance(p);
    if (p->failed)
        return NULL;
    bool is_paren = nv_parser_is(p, NV_TOKEN_LEFT_PAREN);
    if (token.kind == NV_TOKEN_AGGREGATOR && (is_paren || is_grouping(p)))
        return aggregation(p, &token);
    if (is_paren && (token.kind == NV_TOKEN_IDENTIFIER ||
                     (token.kind == NV_TOKEN_KEYWORD && token.which >= NV_KEYWORD_START)))
        return call(p, &token);
    *p = before;
    return selector(p);
}

static struct nv_expr *primary(struct nv_parser *p)
{
    switch (p->token.kind) {
    case NV_TOKEN_NUMBER:
    case NV_TOKEN_DURATION:
        return number(p);
    case NV_TOKEN_STRING:
        return string(p);
    case NV_TOKEN_LEFT_PAREN:
        return paren(p);
    case NV_TOKEN_LEFT_BRACE:
        return selector(p);
    default:
        if (!p->token.is_word || is_reserved(&p->token))
            return nv_parser_unexpected(p, NULL, NULL);
        return name(p);
    }
}

/* expr "[" range ":" [step] "]", the range being read */
static struct nv_expr *subquery(struct nv_parser *p, struct nv_expr *inner,
                                const struct nv_span_ms *range)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_SUBQUERY, NV_VALUE_MATRIX, inner->start);

    if (!node || !nv_parser_deepen(p, node, inner))
        return NULL;
    node->subquery.expr = inner;
    node->subquery.range = *range;
    nv_parser_advance(p); /* the colon */
    if (!nv_parser_is(p, NV_TOKEN_RIGHT_BRACKET)) {
        node->subquery.has_step = true;
        if (!nv_parser_duration(p, &node->subquery.step))
            return NULL;
    }
    if (!nv_parser_expect(p, NV_TOKEN_RIGHT_BRACKET, "subquery selector", "\"]\""))
        return NULL;
    node->end = p->end;
    return node;
}

static struct nv_expr *brackets(struct nv_parser *p, struct nv_expr *expr)
{
    uint32_t start = p->token.start;
    struct nv_span_ms range;

    nv_parser_advance(p);
    if (p->failed || !nv_parser_duration(p, &range))
        return NULL;
    if (nv_parser_is(p, NV_TOKEN_COLON))
        return subquery(p, expr, &range);
    if (!nv_parser_expect(p, NV_TOKEN_RIGHT_BRACKET, "subquery or range", "\":\" or \"]\""))
        return NULL;
    if (expr->kind != NV_EXPR_SELECTOR || expr->selector.has_range)
        return nv_parser_fail(p, start, p->end, "ranges only allowed for vector selectors");
    if (expr->selector.when.has_offset)
        return nv_parser_fail(p, start, p->end, "no offset modifiers allowed before range");
    if (expr->selector.when.at != NV_AT_NONE)
        return nv_parser_fail(p, start, p->end, "no @ modifiers allowed before range");
    expr->selector.has_range = true;
    expr->selector.range = range;
    expr->type = NV_VALUE_MATRIX;
    expr->end = p->end;
    return expr;
}

static struct nv_when *when_of(struct nv_expr *expr)
{
    if (expr->kind == NV_EXPR_SELECTOR)
        return &expr->selector.when;
    return expr->kind == NV_EXPR_SUBQUERY ? &expr->subquery.when : NULL;
}

static struct nv_expr *offset(struct nv_parser *p, struct nv_expr *expr)
{
    struct nv_when *when = when_of(expr);

    if (!when)
        return nv_parser_fail(p, expr->start, p->token.end,
                              "offset modifier must be preceded by an instant vector selector or "
                              "range vector selector or a subquery");
    if (when->has_offset)
        return nv_parser_fail(p, expr->start, p->token.end, "offset may not be set multiple times");
    nv_parser_advance(p);
    when->has_offset = true;
    if (p->failed || !nv_parser_offset(p, &when->offset))
        return NULL;
    expr->end = p->end;
    return expr;
}

/* Behind `@`: start(), end(), or a time in seconds with or without a sign. */
static bool at_time(struct nv_parser *p, struct nv_when *when)
{
    bool minus = nv_parser_is(p, NV_TOKEN_OPERATOR) && p->token.which == NV_OP_SUB;
    bool plus = nv_parser_is(p, NV_TOKEN_OPERATOR) && p->token.which == NV_OP_ADD;

    if (nv_parser_is_keyword(p, NV_KEYWORD_START) || nv_parser_is_keyword(p, NV_KEYWORD_END)) {
        when->at = nv_parser_is_keyword(p, NV_KEYWORD_START) ? NV_AT_START : NV_AT_END;
        nv_parser_advance(p);
        return nv_parser_expect(p, NV_TOKEN_LEFT_PAREN, "@", "\"(\"") &&
               nv_parser_expect(p, NV_TOKEN_RIGHT_PAREN, "@", "\")\"");
    }
    if (minus || plus)
        nv_parser_advance(p);
    if (!nv_parser_is(p, NV_TOKEN_NUMBER) && !nv_parser_is(p, NV_TOKEN_DURATION))
        return nv_parser_unexpected(p, "@", "timestamp");
    double ms = round((minus ? -p->token.value : p->token.value) * 1000);
    if (!(fabs(ms) < 9.2e18))
        return nv_parser_fail(p, p->token.start, p->token.end,
                              "timestamp out of bounds for @ modifier: %f",
                              minus ? -p->token.value : p->token.value);
    when->at = NV_AT_TIME;
    when->at_ms = (int64_t)ms;
    nv_parser_advance(p);
    return !p->failed;
}

static struct nv_expr *at(struct nv_parser *p, struct nv_expr *expr)
{
    struct nv_when *when = when_of(expr);

    if (!when)
        return nv_parser_fail(p, expr->start, p->token.end,
                              "@ modifier must be preceded by an instant vector selector or range "
                              "vector selector or a subquery");
    if (when->at != NV_AT_NONE)
        return nv_parser_fail(p, expr->start, p->token.end,
                              "@ <timestamp> may not be set multiple times");
    nv_parser_advance(p);
    if (p->failed || !at_time(p, when))
        return NULL;
    expr->end = p->end;
    return expr;
}

static struct nv_expr *edge(struct nv_parser *p, struct nv_expr *expr)
{
    bool anchored = nv_parser_is_keyword(p, NV_KEYWORD_ANCHORED);
    const char *text = anchored ? "anchored" : "smoothed";

    if (!(p->features & NV_PROMQL_EXTENDED_RANGE))
        return nv_parser_fail(p, p->token.start, p->token.end,
                              "%s modifier is experimental and not enabled", text);
    if (expr->kind == NV_EXPR_SUBQUERY)
        return nv_parser_fail(p, expr->start, p->token.end,
                              "%s modifier is not supported for subqueries", text);
    if (expr->kind != NV_EXPR_SELECTOR)
        return nv_parser_fail(p, expr->start, p->token.end, "%s modifier not implemented", text);
    if (expr->selector.edge != NV_EDGE_NONE)
        return nv_parser_fail(p, expr->start, p->token.end,
                              "anchored and smoothed modifiers cannot be used together");
    expr->selector.edge = anchored ? NV_EDGE_ANCHORED : NV_EDGE_SMOOTHED;
    nv_parser_advance(p);
    expr->end = p->end;
    return p->failed ? NULL : expr;
}

/* What stands behind an operand and binds to it. */
static struct nv_expr *postfix(struct nv_parser *p, struct nv_expr *expr)
{
    while (expr) {
        if (p->failed)
            return NULL;
        if (nv_parser_is(p, NV_TOKEN_LEFT_BRACKET))
            expr = brackets(p, expr);
        else if (nv_parser_is(p, NV_TOKEN_AT))
            expr = at(p, expr);
        else if (nv_parser_is_keyword(p, NV_KEYWORD_OFFSET))
            expr = offset(p, expr);
        else if (nv_parser_is_keyword(p, NV_KEYWORD_ANCHORED) ||
                 nv_parser_is_keyword(p, NV_KEYWORD_SMOOTHED))
            expr = edge(p, expr);
        else
            return expr;
    }
    return NULL;
}

static struct nv_expr *unary(struct nv_parser *p)
{
    bool minus = nv_parser_is(p, NV_TOKEN_OPERATOR) && p->token.which == NV_OP_SUB;
    bool plus = nv_parser_is(p, NV_TOKEN_OPERATOR) && p->token.which == NV_OP_ADD;

    if (!minus && !plus)
        return postfix(p, primary(p));
    uint32_t start = p->token.start;
    nv_parser_advance(p);
    struct nv_expr *operand = p->failed ? NULL : expression(p, nv_op_level(NV_OP_POW));
    if (!operand)
        return NULL;
    if (operand->kind == NV_EXPR_NUMBER) { /* a sign is part of the number */
        operand->start = start;
        if (minus)
            operand->number.value = -operand->number.value;
        return operand;
    }
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_UNARY, operand->type, start);
    if (!node || !nv_parser_deepen(p, node, operand))
        return NULL;
    node->unary.op = minus ? NV_OP_SUB : NV_OP_ADD;
    node->unary.expr = operand;
    node->end = operand->end;
    return node;
}

/* "(" number with an optional sign ")" */
static bool fill_value(struct nv_parser *p, double *ret)
{
    if (!nv_parser_expect(p, NV_TOKEN_LEFT_PAREN, "fill", "\"(\""))
        return false;
    bool minus = nv_parser_is(p, NV_TOKEN_OPERATOR) && p->token.which == NV_OP_SUB;
    bool plus = nv_parser_is(p, NV_TOKEN_OPERATOR) && p->token.which == NV_OP_ADD;
    if (minus || plus)
        nv_parser_advance(p);
    if (!nv_parser_is(p, NV_TOKEN_NUMBER) && !nv_parser_is(p, NV_TOKEN_DURATION))
        return nv_parser_unexpected(p, "fill", "number");
    *ret = minus ? -p->token.value : p->token.value;
    nv_parser_advance(p);
    return nv_parser_expect(p, NV_TOKEN_RIGHT_PAREN, "fill", "\")\"");
}

static bool fills(struct nv_parser *p, struct nv_binary *b)
{
    while (p->token.kind == NV_TOKEN_KEYWORD && p->token.which >= NV_KEYWORD_FILL &&
           p->token.which <= NV_KEYWORD_FILL_RIGHT) {
        bool left = p->token.which != NV_KEYWORD_FILL_RIGHT;
        bool right = p->token.which != NV_KEYWORD_FILL_LEFT;
        double value = 0;
        if (!(p->features & NV_PROMQL_FILL))
            return nv_parser_fail(p, p->token.start, p->token.end,
                                  "binop fill modifiers are experimental and not enabled");
        if ((left && b->has_fill_left) || (right && b->has_fill_right))
            return nv_parser_unexpected(p, NULL, NULL);
        nv_parser_advance(p);
        if (p->failed || !fill_value(p, &value))
            return false;
        b->has_fill_left |= left;
        b->has_fill_right |= right;
        if (left)
            b->fill_left = value;
        if (right)
            b->fill_right = value;
    }
    return !p->failed;
}

static bool matching(struct nv_parser *p, struct nv_binary *b)
{
    if (!nv_parser_is_keyword(p, NV_KEYWORD_ON) && !nv_parser_is_keyword(p, NV_KEYWORD_IGNORING))
        return true;
    b->matched = true;
    b->on = nv_parser_is_keyword(p, NV_KEYWORD_ON);
    nv_parser_advance(p);
    if (p->failed || !names(p, &b->labels))
        return false;
    bool left = nv_parser_is_keyword(p, NV_KEYWORD_GROUP_LEFT);
    if (!left && !nv_parser_is_keyword(p, NV_KEYWORD_GROUP_RIGHT))
        return true;
    b->card = left ? NV_CARD_MANY_TO_ONE : NV_CARD_ONE_TO_MANY;
    nv_parser_advance(p);
    if (p->failed)
        return false;
    return nv_parser_is(p, NV_TOKEN_LEFT_PAREN) ? names(p, &b->include) : true;
}

static struct nv_expr *binary(struct nv_parser *p, struct nv_expr *left)
{
    struct nv_expr *node = nv_parser_node(p, NV_EXPR_BINARY, NV_VALUE_VECTOR, left->start);
    enum nv_op op = p->token.which;
    unsigned level = nv_op_level(op);

    if (!node)
        return NULL;
    node->binary.op = op;
    node->binary.left = left;
    nv_parser_advance(p);
    if (!p->failed && nv_parser_is_keyword(p, NV_KEYWORD_BOOL)) {
        node->binary.return_bool = true;
        nv_parser_advance(p);
    }
    if (p->failed || !matching(p, &node->binary) || !fills(p, &node->binary))
        return NULL;
    struct nv_expr *right = expression(p, op == NV_OP_POW ? level : level + 1);
    node->binary.right = right;
    if (!nv_parser_deepen(p, node, left) || !nv_parser_deepen(p, node, right))
        return NULL;
    if (left->type == NV_VALUE_SCALAR && right->type == NV_VALUE_SCALAR)
        node->type = NV_VALUE_SCALAR;
    node->end = right->end;
    return node;
}

static struct nv_expr *expression(struct nv_parser *p, unsigned level)
{
    if (++p->depth > NV_PROMQL_DEPTH_MAX)
        return nv_parser_fail(p, p->token.start, p->token.end, "expression is nested too deeply");
    struct nv_expr *left = unary(p);

    while (left && !p->failed && nv_parser_is(p, NV_TOKEN_OPERATOR) &&
           nv_op_level(p->token.which) >= level)
        left = binary(p, left);
    p->depth--;
    return p->failed ? NULL : left;
}

static int begin(struct nv_parser *p, struct nv_str text, struct nv_promql *ret)
{
    *ret = (struct nv_promql){0};
    *p->error = (struct nv_promql_error){0};
    if (text.n > NV_PROMQL_LENGTH_MAX)
        return snprintf(p->error->text, sizeof(p->error->text), "expression is too long"), -EINVAL;
    ret->text = nv_arena_str(p->arena, text);
    if (!ret->text.p)
        return -ENOMEM;
    p->lexer.text = ret->text;
    nv_parser_advance(p);
    if (nv_parser_is(p, NV_TOKEN_END))
        nv_parser_fail(p, 0, 0, "no expression found in input");
    return p->failed;
}

int nv_promql_parse(struct nv_str text, unsigned features, struct nv_arena *arena,
                    struct nv_promql *ret, struct nv_promql_error *error)
{
    struct nv_parser p = {.arena = arena, .promql = ret, .error = error, .features = features};
    int r = begin(&p, text, ret);

    if (r < 0)
        return r;
    ret->root = expression(&p, 1);
    if (ret->root && !nv_parser_is(&p, NV_TOKEN_END))
        nv_parser_unexpected(&p, NULL, NULL);
    if (!p.failed)
        p.failed = nv_promql_check(ret->root, error);
    if (p.failed)
        nv_promql_done(ret);
    return p.failed;
}

int nv_promql_parse_selector(struct nv_str text, struct nv_arena *arena, struct nv_promql *ret,
                             struct nv_promql_error *error)
{
    struct nv_parser p = {.arena = arena, .promql = ret, .error = error};
    int r = begin(&p, text, ret);

    if (r < 0)
        return r;
    if (!nv_parser_is(&p, NV_TOKEN_LEFT_BRACE) && (!p.token.is_word || is_reserved(&p.token)))
        nv_parser_unexpected(&p, NULL, NULL);
    else
        ret->root = selector(&p);
    if (ret->root && !nv_parser_is(&p, NV_TOKEN_END))
        nv_parser_unexpected(&p, NULL, NULL);
    if (p.failed)
        nv_promql_done(ret);
    return p.failed;
}

void nv_promql_done(struct nv_promql *promql)
{
    for (struct nv_selector *s = promql->selectors; s; s = s->next)
        for (size_t i = 0; i < s->n_matchers; i++)
            nv_matcher_done(&s->matchers[i]);
    promql->selectors = NULL;
}
