/*
 * template_pipeline.c - from tokens to pipelines: operands, commands, declarations.
 */
#include "config/template_parser.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

/* ---- errors --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) void *nv_tparser_fail(struct nv_tparser *p,
                                                            const char *format, ...)
{
    va_list arguments;

    if (p->failed)
        return NULL;
    p->failed = -EINVAL;
    int n = snprintf(p->error, NV_TEMPLATE_ERROR_MAX, "template: %.*s:%u: ",
                     p->template_->name.n < 256 ? (int)p->template_->name.n : 256,
                     p->template_->name.p, p->tokens[p->touched].line);
    va_start(arguments, format);
    vsnprintf(p->error + n, NV_TEMPLATE_ERROR_MAX - (size_t)n, format, arguments);
    va_end(arguments);
    return NULL;
}

/* A token as messages show it. */
static void print_token(struct nv_buf *out, const struct nv_template_token *token)
{
    if (token->kind == NV_TOK_EOF) {
        nv_buf_text(out, "EOF");
    } else if (token->kind > NV_TOK_KEYWORD) {
        nv_buf_printf(out, "<%.*s>", NV_ARGS(token->text));
    } else if (token->text.n > 10) {
        size_t n = 10;
        while ((token->text.p[n] & 0xc0) == 0x80 && n)
            n--;
        nv_go_quote(out, (struct nv_str){token->text.p, n});
        nv_buf_text(out, "...");
    } else {
        nv_go_quote(out, token->text);
    }
}

void *nv_tparser_unexpected(struct nv_tparser *p, const struct nv_template_token *token,
                            const char *context)
{
    NV_AUTO_BUF text = NV_BUF(256);

    if (token->kind == NV_TOK_ERROR) {
        if (!p->action_line || p->action_line == token->line)
            return nv_tparser_fail(p, "%.*s", NV_ARGS(token->text));
        return nv_tparser_fail(p, "%.*s%s started at %.*s:%u", NV_ARGS(token->text),
                               nv_str_ends(token->text, " action") ? "" : " in action",
                               p->template_->name.n < 256 ? (int)p->template_->name.n : 256,
                               p->template_->name.p, p->action_line);
    }
    print_token(&text, token);
    return nv_tparser_fail(p, "unexpected %s in %s", nv_buf_c_string(&text), context);
}

/* ---- tokens --------------------------------------------------------------------------------- */

const struct nv_template_token *nv_tparser_peek(struct nv_tparser *p)
{
    if (p->at > p->touched)
        p->touched = p->at;
    return &p->tokens[p->at];
}

/* The last token stays. */
const struct nv_template_token *nv_tparser_next(struct nv_tparser *p)
{
    const struct nv_template_token *token = nv_tparser_peek(p);

    if (p->at + 1 < p->n)
        p->at++;
    return token;
}

const struct nv_template_token *nv_tparser_peek_solid(struct nv_tparser *p)
{
    while (nv_tparser_peek(p)->kind == NV_TOK_SPACE)
        nv_tparser_next(p);
    return nv_tparser_peek(p);
}

const struct nv_template_token *nv_tparser_next_solid(struct nv_tparser *p)
{
    nv_tparser_peek_solid(p);
    return nv_tparser_next(p);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

struct nv_template_node *nv_tparser_node(struct nv_tparser *p, enum nv_template_node_kind kind,
                                         const struct nv_template_token *token)
{
    struct nv_template_node *node = nv_arena_alloc(p->memory, sizeof(*node));

    if (!node) {
        p->failed = p->failed ? p->failed : -ENOMEM;
        return NULL;
    }
    *node = (struct nv_template_node){.kind = kind, .pos = token->pos, .text = token->text};
    return node;
}

bool nv_tparser_deepen(struct nv_tparser *p)
{
    if (p->depth >= NV_TEMPLATE_DEPTH_MAX)
        return nv_tparser_fail(p, "nested more than %d levels deep", NV_TEMPLATE_DEPTH_MAX) != NULL;
    p->depth++;
    return true;
}

static void add_name(struct nv_tparser *p, struct nv_template_node *node, struct nv_str name)
{
    struct nv_str *names = nv_arena_alloc(p->memory, (node->n_names + 1) * sizeof(*names));

    if (node->n_names == NV_TPARSER_FIELDS_MAX) {
        nv_tparser_fail(p, "more than %d fields", NV_TPARSER_FIELDS_MAX);
        return;
    }
    if (!names) {
        p->failed = p->failed ? p->failed : -ENOMEM;
        return;
    }
    if (node->n_names)
        memcpy(names, node->names, node->n_names * sizeof(*names));
    names[node->n_names++] = name;
    node->names = names;
}

void nv_tparser_declare(struct nv_tparser *p, struct nv_str name)
{
    if (p->n_variables == NV_TPARSER_VARIABLES_MAX)
        nv_tparser_fail(p, "more than %d variables", NV_TPARSER_VARIABLES_MAX);
    else
        p->variables[p->n_variables++] = name;
}

static void append(struct nv_template_node *parent, struct nv_template_node ***end,
                   struct nv_template_node *child)
{
    **end = child;
    *end = &child->next;
    parent->n++;
}

/* Text between quotes, in the arena. */
bool nv_tparser_unquote(struct nv_tparser *p, struct nv_str quoted, struct nv_str *ret)
{
    NV_AUTO_BUF text = NV_BUF(NV_TEMPLATE_TEXT_MAX);

    if (!nv_go_unquote(quoted, &text)) {
        nv_tparser_fail(p, "invalid syntax");
        return false;
    }
    *ret = nv_arena_str(p->memory, nv_buf_view(&text));
    if (!ret->p)
        p->failed = -ENOMEM;
    return ret->p != NULL;
}

/* ---- operands ------------------------------------------------------------------------------- */

/* Go takes underscores between digits only where a prefix tells the base. */
static bool parse_real(struct nv_str text, double *ret)
{
    char copy[128];
    char *end;

    if (text.n == 0 || text.n >= sizeof(copy) || nv_str_find(text, '_') < text.n)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    bool hexadecimal = strpbrk(copy, "xX") != NULL;
    if (hexadecimal && !strpbrk(copy, "pP"))
        return false;
    *ret = strtod(copy, &end);
    return *end == '\0' && isfinite(*ret);
}

static struct nv_template_node *number(struct nv_tparser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_NUMBER, token);

    if (!node)
        return NULL;
    if (token->kind == NV_TOK_CHARACTER) {
        NV_AUTO_BUF text = NV_BUF(16);
        uint32_t c = 0;
        if (!nv_go_unquote(token->text, &text))
            return nv_tparser_fail(p, "invalid syntax");
        struct nv_str character = nv_buf_view(&text);
        if (character.n)
            (void)nv_utf8_decode(character, &c);
        node->whole = c;
        node->real = c;
        node->is_whole = node->is_real = true;
        node->value = (struct nv_template_value){.kind = NV_TEMPLATE_INT, .whole = c};
        return node;
    }
    node->is_whole = nv_str_to_i64_prefixed(token->text, &node->whole);
    if (node->is_whole) {
        node->is_real = true;
        node->real = (double)node->whole;
        node->value = (struct nv_template_value){.kind = NV_TEMPLATE_INT, .whole = node->whole};
        return node;
    }
    if (!parse_real(token->text, &node->real))
        return nv_tparser_fail(p, "illegal number syntax: \"%.*s\"", NV_ARGS(token->text));
    bool point = false;
    for (size_t i = 0; i < token->text.n; i++)
        point |= strchr(".eEpP", token->text.p[i]) != NULL;
    if (!point)
        return nv_tparser_fail(p, "integer overflow: \"%.*s\"", NV_ARGS(token->text));
    node->is_real = true;
    node->is_whole = fabs(node->real) < 9e18 && (double)(int64_t)node->real == node->real;
    node->whole = node->is_whole ? (int64_t)node->real : 0;
    node->value = nv_template_real(node->real);
    return node;
}

static struct nv_template_node *variable(struct nv_tparser *p,
                                         const struct nv_template_token *token)
{
    for (size_t i = p->n_variables; i-- > p->variables_from;) {
        if (nv_str_eq(p->variables[i], token->text)) {
            struct nv_template_node *node = nv_tparser_node(p, NV_NODE_VARIABLE, token);
            if (node)
                add_name(p, node, token->text);
            return node;
        }
    }
    return nv_tparser_fail(p, "undefined variable \"%.*s\"", NV_ARGS(token->text));
}

static struct nv_template_node *identifier(struct nv_tparser *p,
                                           const struct nv_template_token *token)
{
    const struct nv_template_function *function = nv_template_prometheus(token->text);

    if (!function)
        function = nv_template_builtin(token->text);
    if (!function)
        return nv_tparser_fail(p, "function \"%.*s\" not defined", NV_ARGS(token->text));
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_IDENTIFIER, token);
    if (node)
        node->function = function;
    return node;
}

static struct nv_template_node *string(struct nv_tparser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_STRING, token);

    if (!node || !nv_tparser_unquote(p, token->text, &node->value.text))
        return NULL;
    node->value.kind = NV_TEMPLATE_TEXT;
    return node;
}

static struct nv_template_node *boolean(struct nv_tparser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_BOOL, token);

    if (node)
        node->value = (struct nv_template_value){.kind = NV_TEMPLATE_BOOL,
                                                 .yes = nv_str_is(token->text, "true")};
    return node;
}

static struct nv_template_node *field(struct nv_tparser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_FIELD, token);

    if (node)
        add_name(p, node, nv_str_from(token->text, 1));
    return node;
}

/* NULL, without a failure, where no operand begins. */
static struct nv_template_node *term(struct nv_tparser *p)
{
    size_t before = p->at;
    const struct nv_template_token *token = nv_tparser_next_solid(p);

    switch (token->kind) {
    case NV_TOK_IDENTIFIER:
        return identifier(p, token);
    case NV_TOK_DOT:
        return nv_tparser_node(p, NV_NODE_DOT, token);
    case NV_TOK_NIL:
        return nv_tparser_node(p, NV_NODE_NIL, token);
    case NV_TOK_VARIABLE:
        return variable(p, token);
    case NV_TOK_FIELD:
        return field(p, token);
    case NV_TOK_BOOL:
        return boolean(p, token);
    case NV_TOK_CHARACTER:
    case NV_TOK_NUMBER:
        return number(p, token);
    case NV_TOK_LEFT_PAREN:
        return nv_tparser_pipeline(p, "parenthesized pipeline", NV_TOK_RIGHT_PAREN);
    case NV_TOK_STRING:
    case NV_TOK_RAW_STRING:
        return string(p, token);
    default:
        p->at = before;
        return NULL;
    }
}

/* A term and the fields behind it. */
static struct nv_template_node *operand(struct nv_tparser *p)
{
    struct nv_template_node *node = term(p);

    if (!node || p->failed || nv_tparser_peek(p)->kind != NV_TOK_FIELD)
        return node;
    if (node->kind == NV_NODE_BOOL || node->kind == NV_NODE_STRING ||
        node->kind == NV_NODE_NUMBER || node->kind == NV_NODE_NIL || node->kind == NV_NODE_DOT) {
        NV_AUTO_BUF shown = NV_BUF(NV_TEMPLATE_ERROR_MAX), quoted = NV_BUF(NV_TEMPLATE_ERROR_MAX);
        nv_template_print_node(&shown, node);
        nv_go_quote(&quoted, nv_buf_view(&shown));
        return nv_tparser_fail(p, "unexpected . after term %s", nv_buf_c_string(&quoted));
    }
    struct nv_template_node *holder = node;
    if (node->kind != NV_NODE_FIELD && node->kind != NV_NODE_VARIABLE) {
        holder = nv_tparser_node(p, NV_NODE_CHAIN, nv_tparser_peek(p));
        if (!holder)
            return NULL;
        holder->first = node;
    }
    holder->pos = nv_tparser_peek(p)->pos;
    while (!p->failed && nv_tparser_peek(p)->kind == NV_TOK_FIELD)
        add_name(p, holder, nv_str_from(nv_tparser_next(p)->text, 1));
    return holder;
}

/* ---- commands and pipelines ----------------------------------------------------------------- */

static struct nv_template_node *command(struct nv_tparser *p)
{
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_COMMAND, nv_tparser_peek_solid(p));
    struct nv_template_node **end = node ? &node->first : NULL;

    while (!p->failed) {
        nv_tparser_peek_solid(p);
        struct nv_template_node *child = operand(p);
        if (p->failed)
            return NULL;
        if (child)
            append(node, &end, child);
        const struct nv_template_token *token = nv_tparser_peek(p);
        if (token->kind == NV_TOK_SPACE) {
            nv_tparser_next(p);
            continue;
        }
        if (token->kind == NV_TOK_PIPE)
            nv_tparser_next(p);
        else if (token->kind != NV_TOK_RIGHT && token->kind != NV_TOK_RIGHT_PAREN)
            return nv_tparser_unexpected(p, token, "operand");
        break;
    }
    if (!p->failed && node->n == 0)
        return nv_tparser_fail(p, "empty command");
    return p->failed ? NULL : node;
}

/* `$a :=`, `$a =`, and in a range `$a, $b :=`. False where something failed. */
static bool declarations(struct nv_tparser *p, struct nv_template_node *pipe, const char *context)
{
    while (nv_tparser_peek_solid(p)->kind == NV_TOK_VARIABLE) {
        size_t before = p->at;
        const struct nv_template_token *name = nv_tparser_next(p), *sign = nv_tparser_peek_solid(p);
        bool comma = sign->kind == NV_TOK_CHAR && nv_str_is(sign->text, ",");
        if (sign->kind != NV_TOK_ASSIGN && sign->kind != NV_TOK_DECLARE && !comma) {
            p->at = before;
            return true;
        }
        nv_tparser_next(p);
        pipe->assigns = sign->kind == NV_TOK_ASSIGN;
        add_name(p, pipe, name->text);
        nv_tparser_declare(p, name->text);
        if (!comma)
            return !p->failed;
        if (strcmp(context, "range") != 0 || pipe->n_names >= 2)
            return nv_tparser_fail(p, "too many declarations in %s", context) != NULL;
        enum nv_template_token_kind kind = nv_tparser_peek_solid(p)->kind;
        if (kind != NV_TOK_VARIABLE && kind != NV_TOK_RIGHT && kind != NV_TOK_RIGHT_PAREN)
            return nv_tparser_fail(p, "range can only initialize variables") != NULL;
    }
    return !p->failed;
}

/* Only the first command may begin with what cannot be called. */
static void check_pipeline(struct nv_tparser *p, const struct nv_template_node *pipe,
                           const char *context)
{
    int stage = 1;

    if (!pipe->first) {
        nv_tparser_fail(p, "missing value for %s", context);
        return;
    }
    for (const struct nv_template_node *c = pipe->first->next; c; c = c->next) {
        enum nv_template_node_kind kind = c->first->kind;
        stage++;
        if (kind == NV_NODE_BOOL || kind == NV_NODE_DOT || kind == NV_NODE_NIL ||
            kind == NV_NODE_NUMBER || kind == NV_NODE_STRING)
            nv_tparser_fail(p, "non executable command in pipeline stage %d", stage);
    }
}

static bool begins_operand(enum nv_template_token_kind kind)
{
    switch (kind) {
    case NV_TOK_BOOL:
    case NV_TOK_CHARACTER:
    case NV_TOK_DOT:
    case NV_TOK_FIELD:
    case NV_TOK_IDENTIFIER:
    case NV_TOK_NUMBER:
    case NV_TOK_NIL:
    case NV_TOK_RAW_STRING:
    case NV_TOK_STRING:
    case NV_TOK_VARIABLE:
    case NV_TOK_LEFT_PAREN:
        return true;
    default:
        return false;
    }
}

struct nv_template_node *nv_tparser_pipeline(struct nv_tparser *p, const char *context,
                                             enum nv_template_token_kind end_kind)
{
    if (!nv_tparser_deepen(p))
        return NULL;
    struct nv_template_node *pipe = nv_tparser_node(p, NV_NODE_PIPE, nv_tparser_peek_solid(p));
    struct nv_template_node **end = pipe ? &pipe->first : NULL;

    if (!pipe || !declarations(p, pipe, context))
        return NULL;
    while (!p->failed) {
        const struct nv_template_token *token = nv_tparser_peek_solid(p);
        if (token->kind == end_kind) {
            nv_tparser_next(p);
            check_pipeline(p, pipe, context);
            break;
        }
        if (!begins_operand(token->kind)) {
            nv_tparser_next(p);
            return nv_tparser_unexpected(p, token, context);
        }
        struct nv_template_node *child = command(p);
        if (child)
            append(pipe, &end, child);
    }
    p->depth--;
    return p->failed ? NULL : pipe;
}
