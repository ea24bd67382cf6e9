/*
 * template_run.c - executes trees: texts and actions, one behind another.
 */
#include "config/template_parts.h"

/* What walking a list can come to, short of success. */
enum { LEAVE_RANGE = 1, NEXT_ROUND };

typedef struct nv_template_value value_t;
typedef const struct nv_template_node node_t;

static int deepen(struct nv_template_run *run)
{
    if (run->depth >= NV_TEMPLATE_NESTING_MAX)
        return nv_template_fail(run, "exceeded maximum template depth (%d)",
                                NV_TEMPLATE_NESTING_MAX);
    run->depth++;
    return 0;
}

static int walk_list(struct nv_template_run *run, const value_t *dot, node_t *node);

static int check_output(struct nv_template_run *run)
{
    if (run->out->failed == -ENOMEM)
        return -ENOMEM;
    if (run->out->failed || run->out->n - run->out_start > NV_TEMPLATE_OUTPUT_MAX)
        return nv_template_fail(run, "more than %d bytes of output", NV_TEMPLATE_OUTPUT_MAX);
    return 0;
}

static int walk_action(struct nv_template_run *run, const value_t *dot, node_t *node)
{
    value_t value;
    int r = nv_template_eval(run, dot, node->pipe, &value);

    if (r < 0 || node->pipe->n_names)
        return r;
    run->node = node;
    if (value.kind == NV_TEMPLATE_NIL)
        nv_buf_text(run->out, "<no value>");
    else
        nv_template_print(run->out, &value);
    return check_output(run);
}

static int walk_if_or_with(struct nv_template_run *run, const value_t *dot, node_t *node)
{
    size_t mark = run->n_variables;
    value_t value;
    int r = deepen(run);

    if (r == 0)
        r = nv_template_eval(run, dot, node->pipe, &value);
    if (r < 0)
        return r;
    if (nv_template_truth(&value))
        r = walk_list(run, node->kind == NV_NODE_WITH ? &value : dot, node->body);
    else
        r = walk_list(run, dot, node->otherwise);
    run->n_variables = mark;
    run->depth--;
    return r;
}

/* Sets what the range declares. Its variables were pushed by the pipeline, in order. */
static int set_range_variables(struct nv_template_run *run, node_t *pipe, size_t mark,
                               const value_t *index, const value_t *element)
{
    size_t n = pipe->n_names;

    for (size_t i = 0; i < n; i++) {
        const value_t *value = i + 1 == n ? element : index;
        if (!pipe->assigns) {
            run->variables[mark - n + i].value = *value;
            continue;
        }
        int r = nv_template_assign(run, pipe->names[i], value);
        if (r < 0)
            return r;
    }
    return 0;
}

/* One round. Returns LEAVE_RANGE where that ends it. */
static int walk_round(struct nv_template_run *run, node_t *node, size_t mark, const value_t *index,
                      const value_t *element)
{
    int r = nv_template_step(run, node);

    if (r == 0)
        r = set_range_variables(run, node->pipe, mark, index, element);
    if (r == 0)
        r = walk_list(run, element, node->body);
    run->n_variables = mark;
    return r == NEXT_ROUND ? 0 : r;
}

/* What there is to range over; -1 for nothing of the kind. */
static int64_t count_rounds(const value_t *value)
{
    switch (value->kind) {
    case NV_TEMPLATE_NIL:
        return 0;
    case NV_TEMPLATE_INT:
    case NV_TEMPLATE_DURATION:
        return value->whole > 0 ? value->whole : 0;
    case NV_TEMPLATE_LIST:
        return (int64_t)value->list.n;
    case NV_TEMPLATE_MAP:
    case NV_TEMPLATE_TEXTS:
        return (int64_t)value->map.n;
    default:
        return -1;
    }
}

static void round_values(const value_t *value, int64_t i, value_t *index, value_t *element)
{
    *index = (value_t){.kind = NV_TEMPLATE_INT, .whole = i};
    if (value->kind == NV_TEMPLATE_LIST) {
        *element = value->list.items[i];
    } else if (value->kind == NV_TEMPLATE_MAP || value->kind == NV_TEMPLATE_TEXTS) {
        *index = nv_template_text(value->map.pairs[i].key);
        *element = value->map.pairs[i].value;
    } else {
        *element = (value_t){.kind = value->kind, .whole = i};
    }
}

static int walk_range(struct nv_template_run *run, const value_t *dot, node_t *node)
{
    size_t before = run->n_variables;
    value_t value;
    int r = deepen(run);

    if (r == 0)
        r = nv_template_eval(run, dot, node->pipe, &value);
    if (r < 0)
        return r;
    size_t mark = run->n_variables;
    int64_t n = count_rounds(&value);
    bool whole = value.kind == NV_TEMPLATE_INT || value.kind == NV_TEMPLATE_DURATION;
    if (n < 0 || (whole && node->pipe->n_names > 1)) {
        NV_AUTO_BUF shown = NV_BUF(NV_TEMPLATE_OUTPUT_MAX);
        nv_template_print(&shown, &value);
        return nv_template_fail(run,
                                n < 0 ? "range can't iterate over %.*s"
                                      : "can't use %.*s to iterate over more than one variable",
                                shown.n < 256 ? (int)shown.n : 256, shown.p);
    }
    for (int64_t i = 0; i < n && r == 0; i++) {
        value_t index, element;
        round_values(&value, i, &index, &element);
        r = walk_round(run, node, mark, &index, &element);
    }
    if (n == 0)
        r = walk_list(run, dot, node->otherwise);
    run->n_variables = before;
    run->depth--;
    return r == LEAVE_RANGE && n ? 0 : r;
}

static const struct nv_template_tree *find_tree(const struct nv_template_run *run,
                                                struct nv_str name)
{
    for (const struct nv_template_tree *t = run->template_->defined; t; t = t->next) {
        if (nv_str_eq(t->name, name))
            return t;
    }
    return nv_str_eq(run->template_->main.name, name) ? &run->template_->main : NULL;
}

/* A template sees its own dot, and that as $, and no variable of ours. */
static int walk_template(struct nv_template_run *run, const value_t *dot, node_t *node)
{
    const struct nv_template_tree *tree = find_tree(run, node->text), *caller = run->tree;
    struct nv_template_variable *variables = run->variables;
    size_t n_variables = run->n_variables, room = run->room;
    value_t value = {.kind = NV_TEMPLATE_NIL};

    if (!tree)
        return nv_template_fail(run, "template \"%.*s\" not defined", NV_ARGS(node->text));
    int r = node->pipe ? nv_template_eval(run, dot, node->pipe, &value) : 0;
    if (r == 0)
        r = deepen(run);
    if (r < 0)
        return r;
    run->tree = tree;
    run->variables = NULL;
    run->n_variables = run->room = 0;
    r = nv_template_push(run, NV_LIT("$"), &value);
    if (r == 0)
        r = walk_list(run, &value, tree->body);
    if (r < 0)
        return r;
    run->tree = caller;
    run->variables = variables;
    run->n_variables = n_variables;
    run->room = room;
    run->depth--;
    return 0;
}

static int walk(struct nv_template_run *run, const value_t *dot, node_t *node)
{
    int r = nv_template_step(run, node);

    if (r < 0)
        return r;
    switch (node->kind) {
    case NV_NODE_TEXT:
        nv_buf_str(run->out, node->text);
        return check_output(run);
    case NV_NODE_ACTION:
        return walk_action(run, dot, node);
    case NV_NODE_IF:
    case NV_NODE_WITH:
        return walk_if_or_with(run, dot, node);
    case NV_NODE_RANGE:
        return walk_range(run, dot, node);
    case NV_NODE_TEMPLATE:
        return walk_template(run, dot, node);
    default:
        return node->kind == NV_NODE_BREAK ? LEAVE_RANGE : NEXT_ROUND;
    }
}

static int walk_list(struct nv_template_run *run, const value_t *dot, node_t *node)
{
    int r = 0;

    for (; node && r == 0; node = node->next)
        r = walk(run, dot, node);
    return r;
}

int nv_template_execute(const struct nv_template *template_,
                        const struct nv_template_context *context,
                        const struct nv_template_value *dot, struct nv_buf *out,
                        char error[NV_TEMPLATE_ERROR_MAX])
{
    struct nv_template_run run = {
        .template_ = template_,
        .tree = &template_->main,
        .context = context,
        .memory = NV_ARENA(NV_TEMPLATE_MEMORY_MAX),
        .out = out,
        .out_start = out->n,
        .error = error,
    };
    node_t nothing = {.kind = NV_NODE_TEXT};

    run.node = template_->main.body ? template_->main.body : &nothing;
    int r = nv_template_push(&run, NV_LIT("$"), dot);
    if (r == 0)
        r = walk_list(&run, dot, template_->main.body);
    nv_arena_done(&run.memory);
    if (r < 0)
        out->n = run.out_start;
    return r < 0 ? r : 0;
}
