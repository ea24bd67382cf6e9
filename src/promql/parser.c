/*
 * parser.c - what every part of the parser leans on: tokens, nodes, and saying what is wrong.
 */
#include "promql/parser.h"

#include <stdarg.h>

static const char *const value_type_names[] = {"scalar", "instant vector", "range vector",
                                               "string"};
static const char *const op_texts[] = {
    "",   "or", "and", "unless", "==", "!=", "<=", "<",     ">=", ">",
    "</", ">/", "+",   "-",      "*",  "/",  "%",  "atan2", "^"};
static const uint8_t op_levels[] = {0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5, 5, 6};
static const char *const aggregator_texts[] = {
    "sum",    "avg",  "count",   "min",          "max",      "group",  "stddev",
    "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};

static const struct {
    const char *name;
    unsigned bit;
} features[] = {
    {"promql-experimental-functions",   NV_PROMQL_EXPERIMENTAL  },
    {"promql-extended-range-selectors", NV_PROMQL_EXTENDED_RANGE},
    {"promql-binop-fill-modifiers",     NV_PROMQL_FILL          },
    {"promql-delayed-name-removal",     NV_PROMQL_DELAYED_NAMES },
    {"use-start-timestamps",            NV_PROMQL_START_TIMES   },
    {"type-and-unit-labels",            NV_PROMQL_TYPE_AND_UNIT },
};

unsigned nv_promql_feature(struct nv_str name)
{
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (nv_str_is(name, features[i].name))
            return features[i].bit;
    return 0;
}

const char *nv_value_type_name(enum nv_value_type type)
{
    return value_type_names[type];
}

const char *nv_op_text(enum nv_op op)
{
    return op_texts[op];
}

unsigned nv_op_level(enum nv_op op)
{
    return op_levels[op];
}

const char *nv_aggregator_text(enum nv_aggregator aggregator)
{
    return aggregator_texts[aggregator];
}

bool nv_aggregator_has_parameter(enum nv_aggregator aggregator)
{
    return aggregator >= NV_AGG_TOPK;
}

void *nv_parser_fail(struct nv_parser *p, uint32_t start, uint32_t end, const char *format, ...)
{
    va_list args;

    if (p->failed)
        return NULL;
    p->failed = -EINVAL;
    p->error->start = start;
    p->error->end = end;
    va_start(args, format);
    vsnprintf(p->error->text, sizeof(p->error->text), format, args);
    va_end(args);
    return NULL;
}

void *nv_parser_no_memory(struct nv_parser *p)
{
    if (!p->failed)
        p->failed = -ENOMEM;
    return NULL;
}

void nv_parser_advance(struct nv_parser *p)
{
    p->end = p->token.end;
    p->token = nv_lexer_next(&p->lexer);
    if (p->token.kind == NV_TOKEN_ERROR)
        nv_parser_fail(p, p->token.start, p->token.end, "%s", p->lexer.error);
}

/* What the token in front is called in messages. */
static void describe(const struct nv_parser *p, char *out, size_t size)
{
    struct nv_str text = nv_token_text(&p->lexer, &p->token);
    int n = (int)(text.n > 10 ? 10 : text.n);
    const char *cut = text.n > 10 ? "..." : "";
    static const char *const kinds[] = {[NV_TOKEN_IDENTIFIER] = "identifier ",
                                        [NV_TOKEN_METRIC] = "metric identifier ",
                                        [NV_TOKEN_NUMBER] = "number ",
                                        [NV_TOKEN_DURATION] = "duration "};

    switch (p->token.kind) {
    case NV_TOKEN_END:
        snprintf(out, size, "end of input");
        return;
    case NV_TOKEN_STRING: {
        NV_AUTO_BUF quoted = NV_BUF(256);
        nv_promql_print_string(&quoted, (struct nv_str){text.p, (size_t)n});
        snprintf(out, size, "string %s%s", nv_buf_c_string(&quoted), cut);
        return;
    }
    case NV_TOKEN_OPERATOR:
        snprintf(out, size, "<op:%s>", nv_op_text(p->token.which));
        return;
    case NV_TOKEN_AGGREGATOR:
        snprintf(out, size, "<aggr:%s>", nv_aggregator_text(p->token.which));
        return;
    case NV_TOKEN_KEYWORD:
        snprintf(out, size, "<%.*s>", NV_ARGS(text));
        return;
    default:
        snprintf(out, size, "%s\"%.*s\"%s",
                 p->token.kind <= NV_TOKEN_DURATION && kinds[p->token.kind] ? kinds[p->token.kind]
                                                                            : "",
                 n, text.p, cut);
    }
}

void *nv_parser_unexpected(struct nv_parser *p, const char *context, const char *expected)
{
    char what[128];

    if (p->failed)
        return NULL;
    describe(p, what, sizeof(what));
    return nv_parser_fail(p, p->token.start, p->token.end, "unexpected %s%s%s%s%s", what,
                          context ? " in " : "", context ? context : "",
                          expected ? ", expected " : "", expected ? expected : "");
}

struct nv_expr *nv_parser_node(struct nv_parser *p, enum nv_expr_kind kind, enum nv_value_type type,
                               uint32_t start)
{
    struct nv_expr *node = nv_arena_alloc(p->arena, sizeof(*node));

    if (!node)
        return nv_parser_no_memory(p);
    memset(node, 0, sizeof(*node));
    node->kind = kind;
    node->type = type;
    node->start = start;
    node->depth = 1;
    return node;
}

struct nv_expr *nv_parser_deepen(struct nv_parser *p, struct nv_expr *node,
                                 const struct nv_expr *child)
{
    if (!child)
        return NULL;
    if (child->depth >= NV_PROMQL_DEPTH_MAX)
        return nv_parser_fail(p, child->start, child->end, "expression is nested too deeply");
    if (node->depth <= child->depth)
        node->depth = child->depth + 1;
    return node;
}

bool nv_parser_is(const struct nv_parser *p, enum nv_token_kind kind)
{
    return p->token.kind == kind;
}

bool nv_parser_is_keyword(const struct nv_parser *p, enum nv_keyword keyword)
{
    return p->token.kind == NV_TOKEN_KEYWORD && p->token.which == keyword;
}

bool nv_parser_accept(struct nv_parser *p, enum nv_token_kind kind)
{
    if (p->token.kind != kind)
        return false;
    nv_parser_advance(p);
    return !p->failed;
}

bool nv_parser_expect(struct nv_parser *p, enum nv_token_kind kind, const char *context,
                      const char *expected)
{
    if (p->token.kind != kind)
        return nv_parser_unexpected(p, context, expected);
    nv_parser_advance(p);
    return !p->failed;
}

void nv_promql_position(struct nv_str text, uint32_t at, unsigned *ret_line, unsigned *ret_column)
{
    unsigned line = 1, column = 1;

    for (size_t i = 0; i < at && i < text.n; i++) {
        column++;
        if (text.p[i] == '\n') {
            line++;
            column = 1;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

void nv_promql_error_text(struct nv_str text, const struct nv_promql_error *error,
                          struct nv_buf *out)
{
    unsigned line, column;

    nv_promql_position(text, error->start, &line, &column);
    nv_buf_printf(out, "%u:%u: parse error: %s", line, column, error->text);
}
