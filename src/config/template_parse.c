/*
 * template_parse.c - from tokens to trees: actions and what they hold.
 */
#include "config/template_parser.h"

static struct nv_template_node *text_or_action(struct nv_tparser *p);

/* Nodes up to {{end}} or {{else}}, which is what is returned; NULL when it failed. */
static struct nv_template_node *list(struct nv_tparser *p, struct nv_template_node **ret)
{
    struct nv_template_node **end = ret;

    *ret = NULL;
    if (!nv_tparser_deepen(p))
        return NULL;
    while (!p->failed && nv_tparser_peek_solid(p)->kind != NV_TOK_EOF) {
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
    return p->failed ? NULL : nv_tparser_fail(p, "unexpected EOF");
}

static const char *node_name(const struct nv_template_node *node)
{
    return node->kind == NV_NODE_END ? "{{end}}" : "{{else}}";
}

/* What stands behind {{else}}: a list, or the control that {{else if}} begins. */
static void else_part(struct nv_tparser *p, struct nv_template_node *node,
                      struct nv_template_node *(*again)(struct nv_tparser *p))
{
    enum nv_template_token_kind same = node->kind == NV_NODE_IF ? NV_TOK_IF : NV_TOK_WITH;

    node->has_else = true;
    if (node->kind != NV_NODE_RANGE && nv_tparser_peek(p)->kind == same) {
        nv_tparser_next(p);
        if (nv_tparser_deepen(p)) {
            node->otherwise = again(p);
            p->depth--;
        }
        return;
    }
    const struct nv_template_node *end = list(p, &node->otherwise);
    if (end && end->kind != NV_NODE_END)
        nv_tparser_fail(p, "expected end; found %s", node_name(end));
}

static struct nv_template_node *control(struct nv_tparser *p, enum nv_template_node_kind kind,
                                        const char *context,
                                        struct nv_template_node *(*again)(struct nv_tparser *p))
{
    size_t variables = p->n_variables;
    struct nv_template_node *node = nv_tparser_node(p, kind, nv_tparser_peek(p));

    if (!node)
        return NULL;
    node->pipe = nv_tparser_pipeline(p, context, NV_TOK_RIGHT);
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

static struct nv_template_node *if_control(struct nv_tparser *p)
{
    return control(p, NV_NODE_IF, "if", if_control);
}

static struct nv_template_node *with_control(struct nv_tparser *p)
{
    return control(p, NV_NODE_WITH, "with", with_control);
}

static struct nv_template_node *range_control(struct nv_tparser *p)
{
    return control(p, NV_NODE_RANGE, "range", NULL);
}

static struct nv_template_node *expect_right(struct nv_tparser *p, enum nv_template_node_kind kind,
                                             const char *context)
{
    const struct nv_template_token *token = nv_tparser_next_solid(p);

    if (token->kind != NV_TOK_RIGHT)
        return nv_tparser_unexpected(p, token, context);
    return nv_tparser_node(p, kind, token);
}

static struct nv_template_node *leave_range(struct nv_tparser *p, enum nv_template_node_kind kind,
                                            const struct nv_template_token *token,
                                            const char *context)
{
    struct nv_template_node *node = expect_right(p, kind, context);

    if (!node)
        return NULL;
    node->pos = token->pos;
    if (p->ranges == 0)
        return nv_tparser_fail(p, "%s outside {{range}}", context);
    return node;
}

static struct nv_template_node *else_control(struct nv_tparser *p)
{
    const struct nv_template_token *token = nv_tparser_peek_solid(p);

    if (token->kind == NV_TOK_IF || token->kind == NV_TOK_WITH)
        return nv_tparser_node(p, NV_NODE_ELSE, token);
    return expect_right(p, NV_NODE_ELSE, "else");
}

static bool template_name(struct nv_tparser *p, const char *context, struct nv_str *ret)
{
    const struct nv_template_token *token = nv_tparser_next_solid(p);

    if (token->kind != NV_TOK_STRING && token->kind != NV_TOK_RAW_STRING)
        return nv_tparser_unexpected(p, token, context) != NULL;
    return nv_tparser_unquote(p, token->text, ret);
}

static struct nv_template_node *template_control(struct nv_tparser *p)
{
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_TEMPLATE, nv_tparser_peek_solid(p));

    if (!node || !template_name(p, "template clause", &node->text))
        return NULL;
    if (nv_tparser_peek_solid(p)->kind == NV_TOK_RIGHT) {
        nv_tparser_next(p);
        return node;
    }
    node->pipe = nv_tparser_pipeline(p, "template clause", NV_TOK_RIGHT);
    return p->failed ? NULL : node;
}

/* A tree of its own up to {{end}}, in which no variable of ours is known. */
static bool define_tree(struct nv_tparser *p, struct nv_str name, const char *context)
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
    nv_tparser_declare(p, NV_LIT("$"));
    const struct nv_template_node *end = p->failed ? NULL : list(p, &tree->body);
    if (end && end->kind != NV_NODE_END)
        nv_tparser_fail(p, "unexpected %s in %s", node_name(end), context);
    p->variables_from = from;
    p->n_variables = n;
    p->ranges = ranges;
    for (const struct nv_template_tree *t = p->template_->defined; t; t = t->next) {
        if (nv_str_eq(t->name, name) && t->body && tree->body)
            nv_tparser_fail(p, "template: multiple definition of template \"%.*s\"", NV_ARGS(name));
    }
    tree->next = p->template_->defined;
    p->template_->defined = tree;
    return !p->failed;
}

static struct nv_template_node *block_control(struct nv_tparser *p)
{
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_TEMPLATE, nv_tparser_peek_solid(p));

    if (!node || !template_name(p, "block clause", &node->text))
        return NULL;
    node->pipe = nv_tparser_pipeline(p, "block clause", NV_TOK_RIGHT);
    if (!node->pipe || !define_tree(p, node->text, "block clause"))
        return NULL;
    return node;
}

/* Variables that an action declares live until the control around it ends. */
static struct nv_template_node *action(struct nv_tparser *p)
{
    const struct nv_template_token *token = nv_tparser_peek_solid(p);

    switch (token->kind) {
    case NV_TOK_BLOCK:
        nv_tparser_next(p);
        return block_control(p);
    case NV_TOK_BREAK:
        nv_tparser_next(p);
        return leave_range(p, NV_NODE_BREAK, token, "{{break}}");
    case NV_TOK_CONTINUE:
        nv_tparser_next(p);
        return leave_range(p, NV_NODE_CONTINUE, token, "{{continue}}");
    case NV_TOK_ELSE:
        nv_tparser_next(p);
        return else_control(p);
    case NV_TOK_END:
        nv_tparser_next(p);
        return expect_right(p, NV_NODE_END, "end");
    case NV_TOK_IF:
        nv_tparser_next(p);
        return if_control(p);
    case NV_TOK_RANGE:
        nv_tparser_next(p);
        return range_control(p);
    case NV_TOK_TEMPLATE:
        nv_tparser_next(p);
        return template_control(p);
    case NV_TOK_WITH:
        nv_tparser_next(p);
        return with_control(p);
    default:
        break;
    }
    struct nv_template_node *node = nv_tparser_node(p, NV_NODE_ACTION, token);
    if (!node)
        return NULL;
    node->pipe = nv_tparser_pipeline(p, "command", NV_TOK_RIGHT);
    return node->pipe ? node : NULL;
}

static struct nv_template_node *text_or_action(struct nv_tparser *p)
{
    const struct nv_template_token *token = nv_tparser_next_solid(p);

    if (token->kind == NV_TOK_TEXT)
        return nv_tparser_node(p, NV_NODE_TEXT, token);
    if (token->kind != NV_TOK_LEFT)
        return nv_tparser_unexpected(p, token, "input");
    p->action_line = token->line;
    struct nv_template_node *node = action(p);
    p->action_line = 0;
    return node;
}

/* {{define}} stands at the top only. */
static bool definition(struct nv_tparser *p)
{
    struct nv_str name;

    if (!template_name(p, "define clause", &name))
        return false;
    const struct nv_template_token *token = nv_tparser_next_solid(p);
    if (token->kind != NV_TOK_RIGHT)
        return nv_tparser_unexpected(p, token, "define clause") != NULL;
    return define_tree(p, name, "define clause");
}

static void parse(struct nv_tparser *p)
{
    struct nv_template_node **end = &p->template_->main.body;

    nv_tparser_declare(p, NV_LIT("$"));
    while (!p->failed && nv_tparser_peek(p)->kind != NV_TOK_EOF) {
        size_t before = p->at;
        if (nv_tparser_peek(p)->kind == NV_TOK_LEFT) {
            nv_tparser_next(p);
            if (nv_tparser_next_solid(p)->kind == NV_TOK_DEFINE) {
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
            nv_tparser_fail(p, "unexpected %s", node_name(node));
            return;
        }
        *end = node;
        end = &node->next;
    }
}

int nv_template_parse(struct nv_template *template_, char error[NV_TEMPLATE_ERROR_MAX])
{
    struct nv_template_token *tokens = NULL;
    NV_AUTO_FREE struct nv_tparser *parser = calloc(1, sizeof(*parser)); /* 16 KB */
    ssize_t n = parser ? nv_template_lex(template_->text, &template_->memory, &tokens) : -ENOMEM;

    if (n < 0)
        return (int)n;
    *parser = (struct nv_tparser){.template_ = template_,
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
