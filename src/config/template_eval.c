/*
 * template_eval.c - what a pipeline comes to: variables, calls, fields.
 *
 * run->node is what was looked at last, as Go has it: that is what an error names.
 */
#include <stdarg.h>
#include <stdio.h>

#include "config/template_parts.h"

typedef struct nv_template_value value_t;
typedef const struct nv_template_node node_t;

enum { FEW = 6 };

struct place {
    uint32_t line, column;
};

static struct place place_of(const struct nv_template_run *run)
{
    struct place place = {1, run->node->pos};

    for (uint32_t i = 0; i < run->node->pos; i++) {
        if (run->template_->text.p[i] == '\n') {
            place.line++;
            place.column = run->node->pos - i - 1;
        }
    }
    return place;
}

int nv_template_fail(struct nv_template_run *run, const char *format, ...)
{
    NV_AUTO_BUF text = NV_BUF(8 * NV_TEMPLATE_ERROR_MAX);
    NV_AUTO_BUF shown = NV_BUF(8 * NV_TEMPLATE_TEXT_MAX);
    struct place place = place_of(run);
    char message[NV_TEMPLATE_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    nv_buf_printf(&text, "error executing template %.*s: template: %.*s:%u:%u: executing ",
                  NV_ARGS(run->template_->name), NV_ARGS(run->template_->name), place.line,
                  place.column);
    nv_go_quote(&text, run->tree->name);
    nv_template_print_node(&shown, run->node);
    nv_buf_text(&text, " at <");
    nv_buf_add(&text, shown.p, shown.n < NV_TEMPLATE_ERROR_MAX ? shown.n : NV_TEMPLATE_ERROR_MAX);
    nv_buf_printf(&text, ">: %s", message);
    snprintf(run->error, NV_TEMPLATE_ERROR_MAX, "%s", nv_buf_c_string(&text));
    return -EINVAL;
}

static int out_of_memory(struct nv_template_run *run)
{
    return nv_template_fail(run, "more than %d bytes of values", NV_TEMPLATE_MEMORY_MAX);
}

int nv_template_step(struct nv_template_run *run, node_t *node)
{
    run->node = node;
    if (++run->steps > NV_TEMPLATE_STEPS_MAX)
        return nv_template_fail(run, "more than %d steps", NV_TEMPLATE_STEPS_MAX);
    return 0;
}

/* ---- variables ------------------------------------------------------------------------------ */

int nv_template_push(struct nv_template_run *run, struct nv_str name, const value_t *value)
{
    if (run->n_variables == run->room) {
        size_t room = run->room ? run->room * 2 : 8;
        struct nv_template_variable *variables =
            nv_arena_alloc(&run->memory, room * sizeof(*variables));
        if (!variables)
            return out_of_memory(run);
        if (run->n_variables)
            memcpy(variables, run->variables, run->n_variables * sizeof(*variables));
        run->variables = variables;
        run->room = room;
    }
    run->variables[run->n_variables++] = (struct nv_template_variable){name, *value};
    return 0;
}

static struct nv_template_variable *find_variable(struct nv_template_run *run, struct nv_str name)
{
    for (size_t i = run->n_variables; i-- > 0;) {
        if (nv_str_eq(run->variables[i].name, name))
            return &run->variables[i];
    }
    return NULL;
}

int nv_template_assign(struct nv_template_run *run, struct nv_str name, const value_t *value)
{
    struct nv_template_variable *variable = find_variable(run, name);

    if (!variable)
        return nv_template_fail(run, "undefined variable: %.*s", NV_ARGS(name));
    variable->value = *value;
    return 0;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static int eval_operand(struct nv_template_run *run, const value_t *dot, node_t *node,
                        value_t *ret);

static const char *parameter_type(char parameter)
{
    switch (parameter) {
    case NV_PARAMETER_TEXT:
        return "string";
    case NV_PARAMETER_REAL:
        return "float64";
    case NV_PARAMETER_WHOLE:
        return "int";
    case NV_PARAMETER_LIST:
        return "template.queryResult";
    case NV_PARAMETER_SAMPLE:
        return "*template.sample";
    case NV_PARAMETER_TIME:
        return "time.Time";
    default:
        return "time.Duration";
    }
}

static bool is_sample(const value_t *value)
{
    return value->kind == NV_TEMPLATE_STRUCT && value->map.type &&
           strcmp(value->map.type, "*template.sample") == 0;
}

/* Whether a value is what a parameter wants. */
static int check_value(struct nv_template_run *run, const value_t *value, char parameter)
{
    bool fits = parameter == 'v' ||
                (parameter == NV_PARAMETER_TEXT && value->kind == NV_TEMPLATE_TEXT) ||
                (parameter == NV_PARAMETER_REAL && value->kind == NV_TEMPLATE_REAL) ||
                (parameter == NV_PARAMETER_WHOLE && value->kind == NV_TEMPLATE_INT) ||
                (parameter == NV_PARAMETER_LIST && value->kind == NV_TEMPLATE_LIST) ||
                (parameter == NV_PARAMETER_TIME && value->kind == NV_TEMPLATE_TIME) ||
                (parameter == NV_PARAMETER_DURATION && value->kind == NV_TEMPLATE_DURATION) ||
                (parameter == NV_PARAMETER_SAMPLE && is_sample(value));

    if (fits)
        return 0;
    if (value->kind == NV_TEMPLATE_NIL)
        return nv_template_fail(run, "invalid value; expected %s", parameter_type(parameter));
    return nv_template_fail(run, "wrong type for value; expected %s; got %s",
                            parameter_type(parameter), nv_template_type(value));
}

__attribute__((format(printf, 3, 4))) static int fail_node(struct nv_template_run *run,
                                                           node_t *node, const char *format, ...)
{
    NV_AUTO_BUF shown = NV_BUF(NV_TEMPLATE_TEXT_MAX);
    char message[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    nv_template_print_node(&shown, node);
    return nv_template_fail(run, "%s%.*s", message, shown.n < 256 ? (int)shown.n : 256, shown.p);
}

/* A literal for a parameter. Numbers serve as whatever they can be. */
static int eval_literal(struct nv_template_run *run, node_t *node, char parameter, value_t *ret)
{
    *ret = node->value;
    switch (parameter) {
    case 'v':
        return 0;
    case NV_PARAMETER_TEXT:
        return node->kind == NV_NODE_STRING ? 0 : fail_node(run, node, "expected string; found ");
    case NV_PARAMETER_REAL:
        if (node->kind != NV_NODE_NUMBER)
            return fail_node(run, node, "expected float; found ");
        *ret = nv_template_real(node->real);
        return 0;
    case NV_PARAMETER_WHOLE:
    case NV_PARAMETER_DURATION:
        if (node->kind != NV_NODE_NUMBER || !node->is_whole)
            return fail_node(run, node, "expected integer; found ");
        *ret = (value_t){.kind = parameter == NV_PARAMETER_WHOLE ? NV_TEMPLATE_INT
                                                                 : NV_TEMPLATE_DURATION,
                         .whole = node->whole};
        return 0;
    default: {
        NV_AUTO_BUF shown = NV_BUF(NV_TEMPLATE_TEXT_MAX);
        nv_template_print_node(&shown, node);
        return nv_template_fail(run, "can't handle %.*s for arg of type %s",
                                shown.n < 256 ? (int)shown.n : 256, shown.p,
                                parameter_type(parameter));
    }
    }
}

static int eval_argument(struct nv_template_run *run, const value_t *dot, node_t *node,
                         char parameter, value_t *ret)
{
    int r = nv_template_step(run, node);

    if (r < 0)
        return r;
    switch (node->kind) {
    case NV_NODE_BOOL:
    case NV_NODE_NUMBER:
    case NV_NODE_STRING:
        return eval_literal(run, node, parameter, ret);
    case NV_NODE_NIL:
        *ret = (value_t){.kind = NV_TEMPLATE_NIL};
        return parameter == 'v'
                   ? 0
                   : nv_template_fail(run, "cannot assign nil to %s", parameter_type(parameter));
    default:
        r = eval_operand(run, dot, node, ret);
        return r < 0 ? r : check_value(run, ret, parameter);
    }
}

/* The parameter that argument i is for; those of a function with any number repeat the last. */
static char parameter_at(const struct nv_template_function *function, size_t i)
{
    size_t n = strlen(function->parameters);

    if (n && function->parameters[n - 1] == '.')
        return function->parameters[i < n - 2 ? i : n - 2];
    return function->parameters[i];
}

static int check_count(struct nv_template_run *run, const struct nv_template_function *function,
                       size_t n, size_t n_written)
{
    size_t wanted = strlen(function->parameters);

    if (wanted && function->parameters[wanted - 1] == '.')
        return n >= wanted - 2 ? 0
                               : nv_template_fail(run,
                                                  "wrong number of args for %s: want at least %zu "
                                                  "got %zu",
                                                  function->name, wanted - 2, n_written);
    return n == wanted ? 0
                       : nv_template_fail(run, "wrong number of args for %s: want %zu got %zu",
                                          function->name, wanted, n);
}

/* The first operand that decides; those behind it are not evaluated. */
static int eval_and_or(struct nv_template_run *run, const value_t *dot, node_t *args,
                       const value_t *final, bool is_or, value_t *ret)
{
    for (; args; args = args->next) {
        int r = eval_argument(run, dot, args, 'v', ret);
        if (r < 0 || nv_template_truth(ret) == is_or)
            return r;
    }
    if (final)
        *ret = *final;
    return 0;
}

/* `args` are the nodes behind the function; `receiver` comes first where it is a method; `final` last. */
static int eval_call(struct nv_template_run *run, const value_t *dot,
                     const struct nv_template_function *function, node_t *node, node_t *args,
                     const value_t *receiver, const value_t *final, value_t *ret)
{
    size_t n = 0, n_args = 0;

    for (node_t *a = args; a; a = a->next)
        n_args++;
    int r = check_count(run, function, n_args + (final != NULL), n_args);
    if (r < 0)
        return r;
    if (!function->call)
        return eval_and_or(run, dot, args, final, strcmp(function->name, "or") == 0, ret);

    value_t few[FEW], *values = few; /* calls in a long range shall not fill the arena */
    if (n_args + 2 > FEW)
        values = nv_arena_alloc(&run->memory, (n_args + 2) * sizeof(*values));
    if (!values)
        return out_of_memory(run);
    if (receiver)
        values[n++] = *receiver;
    size_t i = 0;
    for (node_t *a = args; a && r == 0; a = a->next, i++)
        r = eval_argument(run, dot, a, parameter_at(function, i), &values[n++]);
    if (r == 0 && final) {
        values[n++] = *final;
        r = check_value(run, final, parameter_at(function, i));
    }
    if (r < 0)
        return r;
    struct nv_template_call call = {.run = run, .args = values, .n = n};
    r = function->call(&call);
    if (r == -ENOMEM)
        return out_of_memory(run);
    if (r < 0) {
        run->node = node;
        return nv_template_fail(run, "error calling %s: %s", function->name, run->reason);
    }
    *ret = call.result;
    return 0;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* One field of a value: a method, a member, a key. */
static int eval_field(struct nv_template_run *run, const value_t *dot, struct nv_str name,
                      node_t *node, node_t *args, const value_t *final, const value_t *receiver,
                      value_t *ret)
{
    const struct nv_template_function *method = nv_template_method(receiver->kind, name);
    value_t from = *receiver; /* ret may be the same */

    if (from.kind == NV_TEMPLATE_NIL) {
        *ret = from;
        return 0;
    }
    if (method)
        return eval_call(run, dot, method, node, args, &from, final, ret);
    bool is_map = from.kind == NV_TEMPLATE_MAP || from.kind == NV_TEMPLATE_TEXTS;
    if (!is_map && from.kind != NV_TEMPLATE_STRUCT)
        return nv_template_fail(run, "can't evaluate field %.*s in type %s", NV_ARGS(name),
                                nv_template_type(&from));
    const value_t *found = nv_template_get(&from, name);
    if (!found && from.kind == NV_TEMPLATE_STRUCT)
        return nv_template_fail(run, "can't evaluate field %.*s in type %s", NV_ARGS(name),
                                nv_template_type(&from));
    if (args || final)
        return nv_template_fail(run,
                                is_map ? "%.*s is not a method but has arguments"
                                       : "%.*s has arguments but cannot be invoked as function",
                                NV_ARGS(name));
    *ret = found                            ? *found
           : from.kind == NV_TEMPLATE_TEXTS ? nv_template_text(NV_LIT(""))
                                            : (value_t){.kind = NV_TEMPLATE_NIL};
    return 0;
}

/* Names from `first` on, of a value; arguments go to the last. */
static int eval_fields(struct nv_template_run *run, const value_t *dot, node_t *node, size_t first,
                       node_t *args, const value_t *final, const value_t *receiver, value_t *ret)
{
    value_t at = *receiver;

    for (size_t i = first; i < node->n_names; i++) {
        bool last = i + 1 == node->n_names;
        int r = eval_field(run, dot, node->names[i], node, last ? args : NULL, last ? final : NULL,
                           &at, &at);
        if (r < 0)
            return r;
    }
    *ret = at;
    return 0;
}

static int refuse_arguments(struct nv_template_run *run, node_t *first, node_t *args,
                            const value_t *final)
{
    return args || final ? fail_node(run, first, "can't give argument to non-function ") : 0;
}

static int eval_variable(struct nv_template_run *run, const value_t *dot, node_t *node,
                         node_t *args, const value_t *final, value_t *ret)
{
    const struct nv_template_variable *variable = find_variable(run, node->names[0]);
    int r = nv_template_step(run, node);

    if (r < 0)
        return r;
    if (!variable)
        return nv_template_fail(run, "undefined variable: %.*s", NV_ARGS(node->names[0]));
    value_t value = variable->value;
    if (node->n_names == 1) {
        r = refuse_arguments(run, node, args, final);
        *ret = value;
        return r;
    }
    return eval_fields(run, dot, node, 1, args, final, &value, ret);
}

static int eval_chain(struct nv_template_run *run, const value_t *dot, node_t *node, node_t *args,
                      const value_t *final, value_t *ret)
{
    value_t value = {.kind = NV_TEMPLATE_NIL};
    int r = nv_template_step(run, node);

    if (r < 0)
        return r;
    if (node->first->kind == NV_NODE_NIL)
        return fail_node(run, node, "indirection through explicit nil in ");
    r = eval_argument(run, dot, node->first, 'v', &value);
    return r < 0 ? r : eval_fields(run, dot, node, 0, args, final, &value, ret);
}

/* What can stand anywhere in a command. `args` and `final` where it stands first; an error of a function is about
 * all of the command. */
static int eval_first(struct nv_template_run *run, const value_t *dot, node_t *node,
                      node_t *command, node_t *args, const value_t *final, value_t *ret)
{
    int r;

    switch (node->kind) {
    case NV_NODE_FIELD:
        r = nv_template_step(run, node);
        return r < 0 ? r : eval_fields(run, dot, node, 0, args, final, dot, ret);
    case NV_NODE_CHAIN:
        return eval_chain(run, dot, node, args, final, ret);
    case NV_NODE_IDENTIFIER:
        r = nv_template_step(run, node);
        return r < 0 ? r : eval_call(run, dot, node->function, command, args, NULL, final, ret);
    case NV_NODE_VARIABLE:
        return eval_variable(run, dot, node, args, final, ret);
    case NV_NODE_PIPE:
        r = refuse_arguments(run, node, args, final);
        return r < 0 ? r : nv_template_eval(run, dot, node, ret);
    default:
        r = nv_template_step(run, node);
        if (r == 0)
            r = refuse_arguments(run, node, args, final);
        if (r < 0)
            return r;
        if (node->kind == NV_NODE_NIL)
            return nv_template_fail(run, "nil is not a command");
        *ret = node->kind == NV_NODE_DOT ? *dot : node->value;
        return 0;
    }
}

static int eval_operand(struct nv_template_run *run, const value_t *dot, node_t *node, value_t *ret)
{
    return eval_first(run, dot, node, node, NULL, NULL, ret);
}

int nv_template_eval(struct nv_template_run *run, const value_t *dot, node_t *pipe, value_t *ret)
{
    value_t value = {.kind = NV_TEMPLATE_NIL};
    bool has_value = false;
    int r = nv_template_step(run, pipe);

    if (r < 0)
        return r;
    for (node_t *command = pipe->first; command; command = command->next) {
        value_t before = value;
        r = eval_first(run, dot, command->first, command, command->first->next,
                       has_value ? &before : NULL, &value);
        if (r < 0)
            return r;
        has_value = true;
    }
    for (size_t i = 0; i < pipe->n_names; i++) {
        r = pipe->assigns ? nv_template_assign(run, pipe->names[i], &value)
                          : nv_template_push(run, pipe->names[i], &value);
        if (r < 0)
            return r;
    }
    *ret = value;
    return 0;
}
