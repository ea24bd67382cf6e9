/*
 * template_parse.c - from tokens to trees.
 */
#include "config/template_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

enum { VARIABLES_MAX = 1024 };

struct parser {
    struct nv_template *template_;
    struct nv_arena *memory;
    const struct nv_template_token *tokens;
    size_t n, at, touched; /* the next token; the furthest that was looked at, where errors are */
    struct nv_str variables[VARIABLES_MAX];
    size_t n_variables, variables_from; /* those of this tree begin there */
    unsigned ranges, depth;
    uint32_t action_line;
    char *error;
    int failed;
};

/* ---- errors --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void *fail(struct parser *p, const char *format, ...)
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

static void *unexpected(struct parser *p, const struct nv_template_token *token,
                        const char *context)
{
    NV_AUTO_BUF text = NV_BUF(256);

    if (token->kind == NV_TOK_ERROR) {
        if (!p->action_line || p->action_line == token->line)
            return fail(p, "%.*s", NV_ARGS(token->text));
        return fail(p, "%.*s%s started at %.*s:%u", NV_ARGS(token->text),
                    nv_str_ends(token->text, " action") ? "" : " in action",
                    p->template_->name.n < 256 ? (int)p->template_->name.n : 256,
                    p->template_->name.p, p->action_line);
    }
    print_token(&text, token);
    return fail(p, "unexpected %s in %s", nv_buf_c_string(&text), context);
}

/* ---- tokens --------------------------------------------------------------------------------- */

static const struct nv_template_token *peek(struct parser *p)
{
    if (p->at > p->touched)
        p->touched = p->at;
    return &p->tokens[p->at];
}

/* The last token stays. */
static const struct nv_template_token *next(struct parser *p)
{
    const struct nv_template_token *token = peek(p);

    if (p->at + 1 < p->n)
        p->at++;
    return token;
}

static const struct nv_template_token *peek_solid(struct parser *p)
{
    while (peek(p)->kind == NV_TOK_SPACE)
        next(p);
    return peek(p);
}

static const struct nv_template_token *next_solid(struct parser *p)
{
    peek_solid(p);
    return next(p);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static struct nv_template_node *new_node(struct parser *p, enum nv_template_node_kind kind,
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

static bool deepen(struct parser *p)
{
    if (p->depth >= NV_TEMPLATE_DEPTH_MAX)
        return fail(p, "nested more than %d levels deep", NV_TEMPLATE_DEPTH_MAX) != NULL;
    p->depth++;
    return true;
}

static void add_name(struct parser *p, struct nv_template_node *node, struct nv_str name)
{
    struct nv_str *names = nv_arena_alloc(p->memory, (node->n_names + 1) * sizeof(*names));

    if (!names) {
        p->failed = p->failed ? p->failed : -ENOMEM;
        return;
    }
    if (node->n_names)
        memcpy(names, node->names, node->n_names * sizeof(*names));
    names[node->n_names++] = name;
    node->names = names;
}

static void declare(struct parser *p, struct nv_str name)
{
    if (p->n_variables == VARIABLES_MAX)
        fail(p, "more than %d variables", VARIABLES_MAX);
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
static bool unquote(struct parser *p, struct nv_str quoted, struct nv_str *ret)
{
    NV_AUTO_BUF text = NV_BUF(NV_TEMPLATE_TEXT_MAX);

    if (!nv_go_unquote(quoted, &text)) {
        fail(p, "invalid syntax");
        return false;
    }
    *ret = nv_arena_str(p->memory, nv_buf_view(&text));
    if (!ret->p)
        p->failed = -ENOMEM;
    return ret->p != NULL;
}

/* ---- operands ------------------------------------------------------------------------------- */

static struct nv_template_node *pipeline(struct parser *p, const char *context,
                                         enum nv_template_token_kind end);

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

static struct nv_template_node *number(struct parser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = new_node(p, NV_NODE_NUMBER, token);

    if (!node)
        return NULL;
    if (token->kind == NV_TOK_CHARACTER) {
        NV_AUTO_BUF text = NV_BUF(16);
        uint32_t c = 0;
        if (!nv_go_unquote(token->text, &text))
            return fail(p, "invalid syntax");
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
        return fail(p, "illegal number syntax: \"%.*s\"", NV_ARGS(token->text));
    bool point = false;
    for (size_t i = 0; i < token->text.n; i++)
        point |= strchr(".eEpP", token->text.p[i]) != NULL;
    if (!point)
        return fail(p, "integer overflow: \"%.*s\"", NV_ARGS(token->text));
    node->is_real = true;
    node->is_whole = fabs(node->real) < 9e18 && (double)(int64_t)node->real == node->real;
    node->whole = node->is_whole ? (int64_t)node->real : 0;
    node->value = nv_template_real(node->real);
    return node;
}

static struct nv_template_node *variable(struct parser *p, const struct nv_template_token *token)
{
    for (size_t i = p->n_variables; i-- > p->variables_from;) {
        if (nv_str_eq(p->variables[i], token->text)) {
            struct nv_template_node *node = new_node(p, NV_NODE_VARIABLE, token);
            if (node)
                add_name(p, node, token->text);
            return node;
        }
    }
    return fail(p, "undefined variable \"%.*s\"", NV_ARGS(token->text));
}

static struct nv_template_node *identifier(struct parser *p, const struct nv_template_token *token)
{
    const struct nv_template_function *function = nv_template_prometheus(token->text);

    if (!function)
        function = nv_template_builtin(token->text);
    if (!function)
        return fail(p, "function \"%.*s\" not defined", NV_ARGS(token->text));
    struct nv_template_node *node = new_node(p, NV_NODE_IDENTIFIER, token);
    if (node)
        node->function = function;
    return node;
}

static struct nv_template_node *string(struct parser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = new_node(p, NV_NODE_STRING, token);

    if (!node || !unquote(p, token->text, &node->value.text))
        return NULL;
    node->value.kind = NV_TEMPLATE_TEXT;
    return node;
}

static struct nv_template_node *boolean(struct parser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = new_node(p, NV_NODE_BOOL, token);

    if (node)
        node->value = (struct nv_template_value){.kind = NV_TEMPLATE_BOOL,
                                                 .yes = nv_str_is(token->text, "true")};
    return node;
}

static struct nv_template_node *field(struct parser *p, const struct nv_template_token *token)
{
    struct nv_template_node *node = new_node(p, NV_NODE_FIELD, token);

    if (node)
        add_name(p, node, nv_str_from(token->text, 1));
    return node;
}

/* NULL, without a failure, where no operand begins. */
static struct nv_template_node *term(struct parser *p)
{
    size_t before = p->at;
    const struct nv_template_token *token = next_solid(p);

    switch (token->kind) {
    case NV_TOK_IDENTIFIER:
        return identifier(p, token);
    case NV_TOK_DOT:
        return new_node(p, NV_NODE_DOT, token);
    case NV_TOK_NIL:
        return new_node(p, NV_NODE_NIL, token);
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
        return pipeline(p, "parenthesized pipeline", NV_TOK_RIGHT_PAREN);
    case NV_TOK_STRING:
    case NV_TOK_RAW_STRING:
        return string(p, token);
    default:
        p->at = before;
        return NULL;
    }
}

/* A term and the fields behind it. */
static struct nv_template_node *operand(struct parser *p)
{
    struct nv_template_node *node = term(p);

    if (!node || p->failed || peek(p)->kind != NV_TOK_FIELD)
        return node;
    if (node->kind == NV_NODE_BOOL || node->kind == NV_NODE_STRING ||
        node->kind == NV_NODE_NUMBER || node->kind == NV_NODE_NIL || node->kind == NV_NODE_DOT) {
        NV_AUTO_BUF shown = NV_BUF(NV_TEMPLATE_ERROR_MAX), quoted = NV_BUF(NV_TEMPLATE_ERROR_MAX);
        nv_template_print_node(&shown, node);
        nv_go_quote(&quoted, nv_buf_view(&shown));
        return fail(p, "unexpected . after term %s", nv_buf_c_string(&quoted));
    }
    struct nv_template_node *holder = node;
    if (node->kind != NV_NODE_FIELD && node->kind != NV_NODE_VARIABLE) {
        holder = new_node(p, NV_NODE_CHAIN, peek(p));
        if (!holder)
            return NULL;
        holder->first = node;
    }
    holder->pos = peek(p)->pos;
    while (!p->failed && peek(p)->kind == NV_TOK_FIELD)
        add_name(p, holder, nv_str_from(next(p)->text, 1));
    return holder;
}

/* ---- commands and pipelines ----------------------------------------------------------------- */

static struct nv_template_node *command(struct parser *p)
{
    struct nv_template_node *node = new_node(p, NV_NODE_COMMAND, peek_solid(p));
    struct nv_template_node **end = node ? &node->first : NULL;

    while (!p->failed) {
        peek_solid(p);
        struct nv_template_node *child = operand(p);
        if (p->failed)
            return NULL;
        if (child)
            append(node, &end, child);
        const struct nv_template_token *token = peek(p);
        if (token->kind == NV_TOK_SPACE) {
            next(p);
            continue;
        }
        if (token->kind == NV_TOK_PIPE)
            next(p);
        else if (token->kind != NV_TOK_RIGHT && token->kind != NV_TOK_RIGHT_PAREN)
            return unexpected(p, token, "operand");
        break;
    }
    if (!p->failed && node->n == 0)
        return fail(p, "empty command");
    return p->failed ? NULL : node;
}

/* `$a :=`, `$a =`, and in a range `$a, $b :=`. False where something failed. */
static bool declarations(struct parser *p, struct nv_template_node *pipe, const char *context)
{
    while (peek_solid(p)->kind == NV_TOK_VARIABLE) {
        size_t before = p->at;
        const struct nv_template_token *name = next(p), *sign = peek_solid(p);
        bool comma = sign->kind == NV_TOK_CHAR && nv_str_is(sign->text, ",");
        if (sign->kind != NV_TOK_ASSIGN && sign->kind != NV_TOK_DECLARE && !comma) {
            p->at = before;
            return true;
        }
        next(p);
        pipe->assigns = sign->kind == NV_TOK_ASSIGN;
        add_name(p, pipe, name->text);
        declare(p, name->text);
        if (!comma)
            return !p->failed;
        if (strcmp(context, "range") != 0 || pipe->n_names >= 2)
            return fail(p, "too many declarations in %s", context) != NULL;
        enum nv_template_token_kind kind = peek_solid(p)->kind;
        if (kind != NV_TOK_VARIABLE && kind != NV_TOK_RIGHT && kind != NV_TOK_RIGHT_PAREN)
            return fail(p, "range can only initialize variables") != NULL;
    }
    return !p->failed;
}

/* Only the first command may begin with what cannot be called. */
static void check_pipeline(struct parser *p, const struct nv_template_node *pipe,
                           const char *context)
{
    int stage = 1;

    if (!pipe->first) {
        fail(p, "missing value for %s", context);
        return;
    }
    for (const struct nv_template_node *c = pipe->first->next; c; c = c->next) {
        enum nv_template_node_kind kind = c->first->kind;
        stage++;
        if (kind == NV_NODE_BOOL || kind == NV_NODE_DOT || kind == NV_NODE_NIL ||
            kind == NV_NODE_NUMBER || kind == NV_NODE_STRING)
            fail(p, "non executable command in pipeline stage %d", stage);
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

static struct nv_template_node *pipeline(struct parser *p, const char *context,
                                         enum nv_template_token_kind end_kind)
{
    if (!deepen(p))
        return NULL;
    struct nv_template_node *pipe = new_node(p, NV_NODE_PIPE, peek_solid(p));
    struct nv_template_node **end = pipe ? &pipe->first : NULL;

    if (!pipe || !declarations(p, pipe, context))
        return NULL;
    while (!p->failed) {
        const struct nv_template_token *token = peek_solid(p);
        if (token->kind == end_kind) {
            next(p);
            check_pipeline(p, pipe, context);
            break;
        }
        if (!begins_operand(token->kind)) {
            next(p);
            return unexpected(p, token, context);
        }
        struct nv_template_node *child = command(p);
        if (child)
            append(pipe, &end, child);
    }
    p->depth--;
    return p->failed ? NULL : pipe;
}

/* ---- actions -------------------------------------------------------------------------------- */

static struct nv_template_node *text_or_action(struct parser *p);

/* Nodes up to {{end}} or {{else}}, which is what is returned; NULL when it failed. */
static struct nv_template_node *list(struct parser *p, struct nv_template_node **ret)
{
    struct nv_template_node **end = ret;

    *ret = NULL;
    if (!deepen(p))
        return NULL;
    while (!p->failed && peek_solid(p)->kind != NV_TOK_EOF) {
        struct nv_template_node *node = text_or_action(p);
        if (!node)
            return NULL;
        if (node->kind == NV_NODE_END || node->kind == NV_NODE_ELSE) {
            p->depth--;
            return node;
        }
        *end = node;
        end = &node->next;
    }
    return p->failed ? NULL : fail(p, "unexpected EOF");
}

static const char *node_name(const struct nv_template_node *node)
{
    return node->kind == NV_NODE_END ? "{{end}}" : "{{else}}";
}

/* What stands behind {{else}}: a list, or the control that {{else if}} begins. */
static void else_part(struct parser *p, struct nv_template_node *node,
                      struct nv_template_node *(*again)(struct parser *p))
{
    enum nv_template_token_kind same = node->kind == NV_NODE_IF ? NV_TOK_IF : NV_TOK_WITH;

    node->has_else = true;
    if (node->kind != NV_NODE_RANGE && peek(p)->kind == same) {
        next(p);
        if (deepen(p)) {
            node->otherwise = again(p);
            p->depth--;
        }
        return;
    }
    const struct nv_template_node *end = list(p, &node->otherwise);
    if (end && end->kind != NV_NODE_END)
        fail(p, "expected end; found %s", node_name(end));
}

static struct nv_template_node *control(struct parser *p, enum nv_template_node_kind kind,
                                        const char *context,
                                        struct nv_template_node *(*again)(struct parser *p))
{
    size_t variables = p->n_variables;
    struct nv_template_node *node = new_node(p, kind, peek(p));

    if (!node)
        return NULL;
    node->pipe = pipeline(p, context, NV_TOK_RIGHT);
    if (!node->pipe)
        return NULL;
    node->pos = node->pipe->pos;
    p->ranges += kind == NV_NODE_RANGE;
    const struct nv_template_node *end = list(p, &node->body);
    p->ranges -= kind == NV_NODE_RANGE;
    if (end && end->kind == NV_NODE_ELSE)
        else_part(p, node, again);
    p->n_variables = variables;
    return p->failed ? NULL : node;
}

static struct nv_template_node *if_control(struct parser *p)
{
    return control(p, NV_NODE_IF, "if", if_control);
}

static struct nv_template_node *with_control(struct parser *p)
{
    return control(p, NV_NODE_WITH, "with", with_control);
}

static struct nv_template_node *range_control(struct parser *p)
{
    return control(p, NV_NODE_RANGE, "range", NULL);
}

static struct nv_template_node *expect_right(struct parser *p, enum nv_template_node_kind kind,
                                             const char *context)
{
    const struct nv_template_token *token = next_solid(p);

    if (token->kind != NV_TOK_RIGHT)
        return unexpected(p, token, context);
    return new_node(p, kind, token);
}

static struct nv_template_node *leave_range(struct parser *p, enum nv_template_node_kind kind,
                                            const struct nv_template_token *token,
                                            const char *context)
{
    struct nv_template_node *node = expect_right(p, kind, context);

    if (!node)
        return NULL;
    node->pos = token->pos;
    if (p->ranges == 0)
        return fail(p, "%s outside {{range}}", context);
    return node;
}

static struct nv_template_node *else_control(struct parser *p)
{
    const struct nv_template_token *token = peek_solid(p);

    if (token->kind == NV_TOK_IF || token->kind == NV_TOK_WITH)
        return new_node(p, NV_NODE_ELSE, token);
    return expect_right(p, NV_NODE_ELSE, "else");
}

static bool template_name(struct parser *p, const char *context, struct nv_str *ret)
{
    const struct nv_template_token *token = next_solid(p);

    if (token->kind != NV_TOK_STRING && token->kind != NV_TOK_RAW_STRING)
        return unexpected(p, token, context) != NULL;
    return unquote(p, token->text, ret);
}

static struct nv_template_node *template_control(struct parser *p)
{
    struct nv_template_node *node = new_node(p, NV_NODE_TEMPLATE, peek_solid(p));

    if (!node || !template_name(p, "template clause", &node->text))
        return NULL;
    if (peek_solid(p)->kind == NV_TOK_RIGHT) {
        next(p);
        return node;
    }
    node->pipe = pipeline(p, "template clause", NV_TOK_RIGHT);
    return p->failed ? NULL : node;
}

/* A tree of its own up to {{end}}, in which no variable of ours is known. */
static bool define_tree(struct parser *p, struct nv_str name, const char *context)
{
    size_t from = p->variables_from, n = p->n_variables;
    unsigned ranges = p->ranges;
    struct nv_template_tree *tree = nv_arena_alloc(p->memory, sizeof(*tree));

    if (!tree) {
        p->failed = -ENOMEM;
        return false;
    }
    *tree = (struct nv_template_tree){.name = name};
    p->variables_from = n;
    p->ranges = 0;
    declare(p, NV_LIT("$"));
    const struct nv_template_node *end = p->failed ? NULL : list(p, &tree->body);
    if (end && end->kind != NV_NODE_END)
        fail(p, "unexpected %s in %s", node_name(end), context);
    p->variables_from = from;
    p->n_variables = n;
    p->ranges = ranges;
    for (const struct nv_template_tree *t = p->template_->defined; t; t = t->next) {
        if (nv_str_eq(t->name, name) && t->body && tree->body)
            fail(p, "template: multiple definition of template \"%.*s\"", NV_ARGS(name));
    }
    tree->next = p->template_->defined;
    p->template_->defined = tree;
    return !p->failed;
}

static struct nv_template_node *block_control(struct parser *p)
{
    struct nv_template_node *node = new_node(p, NV_NODE_TEMPLATE, peek_solid(p));

    if (!node || !template_name(p, "block clause", &node->text))
        return NULL;
    node->pipe = pipeline(p, "block clause", NV_TOK_RIGHT);
    if (!node->pipe || !define_tree(p, node->text, "block clause"))
        return NULL;
    return node;
}

/* Variables that an action declares live until the control around it ends. */
static struct nv_template_node *action(struct parser *p)
{
    const struct nv_template_token *token = peek_solid(p);

    switch (token->kind) {
    case NV_TOK_BLOCK:
        next(p);
        return block_control(p);
    case NV_TOK_BREAK:
        next(p);
        return leave_range(p, NV_NODE_BREAK, token, "{{break}}");
    case NV_TOK_CONTINUE:
        next(p);
        return leave_range(p, NV_NODE_CONTINUE, token, "{{continue}}");
    case NV_TOK_ELSE:
        next(p);
        return else_control(p);
    case NV_TOK_END:
        next(p);
        return expect_right(p, NV_NODE_END, "end");
    case NV_TOK_IF:
        next(p);
        return if_control(p);
    case NV_TOK_RANGE:
        next(p);
        return range_control(p);
    case NV_TOK_TEMPLATE:
        next(p);
        return template_control(p);
    case NV_TOK_WITH:
        next(p);
        return with_control(p);
    default:
        break;
    }
    struct nv_template_node *node = new_node(p, NV_NODE_ACTION, token);
    if (!node)
        return NULL;
    node->pipe = pipeline(p, "command", NV_TOK_RIGHT);
    return node->pipe ? node : NULL;
}

static struct nv_template_node *text_or_action(struct parser *p)
{
    const struct nv_template_token *token = next_solid(p);

    if (token->kind == NV_TOK_TEXT)
        return new_node(p, NV_NODE_TEXT, token);
    if (token->kind != NV_TOK_LEFT)
        return unexpected(p, token, "input");
    p->action_line = token->line;
    struct nv_template_node *node = action(p);
    p->action_line = 0;
    return node;
}

/* {{define}} stands at the top only. */
static bool definition(struct parser *p)
{
    struct nv_str name;

    if (!template_name(p, "define clause", &name))
        return false;
    const struct nv_template_token *token = next_solid(p);
    if (token->kind != NV_TOK_RIGHT)
        return unexpected(p, token, "define clause") != NULL;
    return define_tree(p, name, "define clause");
}

static void parse(struct parser *p)
{
    struct nv_template_node **end = &p->template_->main.body;

    declare(p, NV_LIT("$"));
    while (!p->failed && peek(p)->kind != NV_TOK_EOF) {
        size_t before = p->at;
        if (peek(p)->kind == NV_TOK_LEFT) {
            next(p);
            if (next_solid(p)->kind == NV_TOK_DEFINE) {
                if (!definition(p))
                    return;
                continue;
            }
            p->at = before;
        }
        struct nv_template_node *node = text_or_action(p);
        if (!node)
            return;
        if (node->kind == NV_NODE_END || node->kind == NV_NODE_ELSE) {
            fail(p, "unexpected %s", node_name(node));
            return;
        }
        *end = node;
        end = &node->next;
    }
}

int nv_template_parse(struct nv_template *template_, char error[NV_TEMPLATE_ERROR_MAX])
{
    struct nv_template_token *tokens = NULL;
    NV_AUTO_FREE struct parser *parser = calloc(1, sizeof(*parser)); /* 16 KB */
    ssize_t n = parser ? nv_template_lex(template_->text, &template_->memory, &tokens) : -ENOMEM;

    if (n < 0)
        return (int)n;
    *parser = (struct parser){.template_ = template_,
                              .memory = &template_->memory,
                              .tokens = tokens,
                              .n = (size_t)n,
                              .error = error};
    template_->main.name = template_->name;
    parse(parser);
    template_->plain = template_->main.body == NULL ||
                       (template_->main.body->kind == NV_NODE_TEXT && !template_->main.body->next);
    return parser->failed;
}
