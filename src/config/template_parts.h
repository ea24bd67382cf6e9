/*
 * template_parts.h - what the files of template.h share: tokens, nodes, the state of an execution.
 *
 * The tree is Go's, node for node, since error messages print nodes and the offset of each. A list of nodes is
 * linked by `next`; a pipeline's children are its commands, a command's its operands.
 */
#ifndef NV_CONFIG_TEMPLATE_PARTS_H
#define NV_CONFIG_TEMPLATE_PARTS_H

#include "config/template.h"

/* ---- tokens --------------------------------------------------------------------------------- */

enum nv_template_token_kind {
    NV_TOK_ERROR, /* text: what is wrong */
    NV_TOK_EOF,
    NV_TOK_TEXT,
    NV_TOK_LEFT,  /* {{ */
    NV_TOK_RIGHT, /* }} */
    NV_TOK_SPACE,
    NV_TOK_IDENTIFIER,
    NV_TOK_FIELD,    /* .name */
    NV_TOK_VARIABLE, /* $name */
    NV_TOK_BOOL,
    NV_TOK_NUMBER,
    NV_TOK_CHARACTER,
    NV_TOK_STRING,
    NV_TOK_RAW_STRING,
    NV_TOK_PIPE,
    NV_TOK_DECLARE, /* := */
    NV_TOK_ASSIGN,  /* = */
    NV_TOK_CHAR,    /* any other, such as a comma */
    NV_TOK_LEFT_PAREN,
    NV_TOK_RIGHT_PAREN,
    NV_TOK_KEYWORD, /* those behind are words */
    NV_TOK_BLOCK,
    NV_TOK_BREAK,
    NV_TOK_CONTINUE,
    NV_TOK_DOT,
    NV_TOK_DEFINE,
    NV_TOK_ELSE,
    NV_TOK_END,
    NV_TOK_IF,
    NV_TOK_NIL,
    NV_TOK_RANGE,
    NV_TOK_TEMPLATE,
    NV_TOK_WITH,
};

struct nv_template_token {
    enum nv_template_token_kind kind;
    uint32_t pos, line; /* an offset from 0, a line from 1 */
    struct nv_str text;
};

/* All tokens of a text, in the arena; the last is EOF or ERROR. Returns how many, or -ENOMEM. */
NV_MUST_USE ssize_t nv_template_lex(struct nv_str text, struct nv_arena *memory,
                                    struct nv_template_token **ret);

/* ---- nodes ---------------------------------------------------------------------------------- */

enum nv_template_node_kind {
    NV_NODE_TEXT,
    NV_NODE_ACTION,
    NV_NODE_IF,
    NV_NODE_RANGE,
    NV_NODE_WITH,
    NV_NODE_TEMPLATE,
    NV_NODE_BREAK,
    NV_NODE_CONTINUE,
    NV_NODE_END,  /* of a list, while it is parsed */
    NV_NODE_ELSE, /* likewise */
    NV_NODE_PIPE,
    NV_NODE_COMMAND,
    NV_NODE_FIELD,
    NV_NODE_VARIABLE,
    NV_NODE_CHAIN, /* fields of what stands in parentheses, or of a function's result */
    NV_NODE_DOT,
    NV_NODE_NIL,
    NV_NODE_BOOL,
    NV_NODE_NUMBER,
    NV_NODE_STRING,
    NV_NODE_IDENTIFIER,
};

struct nv_template_function;
struct nv_template_node {
    enum nv_template_node_kind kind;
    uint32_t pos;
    struct nv_template_node *next;
    struct nv_template_node *first;     /* commands, operands; the operand of a chain */
    struct nv_template_node *pipe;      /* of actions and controls; NULL in {{template "x"}} */
    struct nv_template_node *body;      /* of controls */
    struct nv_template_node *otherwise; /* behind else */
    bool has_else, assigns;             /* assigns: = and not := */
    struct nv_str text; /* as written; of TEXT what it says; the name of a function or template */
    const struct nv_str
        *names;        /* of FIELD and CHAIN; VARIABLE with the variable first; declared by PIPE */
    size_t n_names, n; /* n: how many nodes `first` begins */
    struct nv_template_value value; /* of BOOL, NUMBER, STRING */
    bool is_real, is_whole;         /* of NUMBER: which it can serve as */
    double real;
    int64_t whole;
    const struct nv_template_function *function; /* of IDENTIFIER */
};

struct nv_template_tree {
    struct nv_str name;
    struct nv_template_node *body;
    struct nv_template_tree *next;
};

struct nv_template {
    struct nv_arena memory;
    struct nv_str name, text;
    struct nv_template_tree main, *defined;
    bool plain;
};

/* Parses template->text into its trees. Returns 0; -EINVAL and a reason; -ENOMEM. */
NV_MUST_USE int nv_template_parse(struct nv_template *template_, char error[NV_TEMPLATE_ERROR_MAX]);

/* A node as Go prints it. */
void nv_template_print_node(struct nv_buf *out, const struct nv_template_node *node);

/* ---- texts ---------------------------------------------------------------------------------- */

/* In double quotes, as strconv.Quote. */
void nv_go_quote(struct nv_buf *out, struct nv_str text);
/* What stands in quotes of either kind, or in single ones (one character). False where it is none. */
bool nv_go_unquote(struct nv_str quoted, struct nv_buf *out);

/* What an action prints: Go's %v. */
void nv_template_print(struct nv_buf *out, const struct nv_template_value *value);
/* Go's fmt.Sprintf, and its name of a value's type. */
void nv_template_printf(struct nv_buf *out, struct nv_str format,
                        const struct nv_template_value *values, size_t n);
const char *nv_template_type(const struct nv_template_value *value);
/* A number by a C format of one conversion, as Go has it: the infinities have a sign. */
void nv_template_write_real(struct nv_buf *out, double value, char verb, int precision);

bool nv_template_truth(const struct nv_template_value *value);

/* A time as Go's layout says; as String() does; a duration as String() does. */
void nv_go_time_format(struct nv_buf *out, int64_t ms, struct nv_str layout);
void nv_go_time_text(struct nv_buf *out, int64_t ms);
void nv_go_duration_text(struct nv_buf *out, int64_t ns);

/* ---- an execution --------------------------------------------------------------------------- */

struct nv_template_variable {
    struct nv_str name;
    struct nv_template_value value;
};

struct nv_template_run {
    const struct nv_template *template_;
    const struct nv_template_tree *tree;
    const struct nv_template_context *context;
    const struct nv_template_node *node; /* what an error is about */
    struct nv_arena memory;
    struct nv_buf *out;
    size_t out_start, steps, depth;
    struct nv_template_variable *variables;
    size_t n_variables, room;
    char *error;
    char reason[NV_TEMPLATE_ERROR_MAX]; /* of the function that fails */
};

/* Remembers "template: NAME:LINE:COLUMN: executing ..." and returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int nv_template_fail(struct nv_template_run *run,
                                                           const char *format, ...);

/* Goes on to a node: what an error names. Fails past NV_TEMPLATE_STEPS_MAX. */
int nv_template_step(struct nv_template_run *run, const struct nv_template_node *node);
/* Declares a variable; gives one that is there another value. */
int nv_template_push(struct nv_template_run *run, struct nv_str name,
                     const struct nv_template_value *value);
int nv_template_assign(struct nv_template_run *run, struct nv_str name,
                       const struct nv_template_value *value);
/* What a pipeline comes to, its declarations made. */
int nv_template_eval(struct nv_template_run *run, const struct nv_template_value *dot,
                     const struct nv_template_node *pipe, struct nv_template_value *ret);

/* Arguments and results of functions. Errors of a function are its words alone; the caller adds its name. */
struct nv_template_call {
    struct nv_template_run *run;
    const struct nv_template_value *args;
    size_t n;
    struct nv_template_value result;
};
__attribute__((format(printf, 2, 3))) int nv_template_call_fail(struct nv_template_call *call,
                                                                const char *format, ...);
/* Makes the text of a buffer the result. Returns 0, -ENOMEM, or -EINVAL where it is too long. */
int nv_template_call_text(struct nv_template_call *call, struct nv_buf *text);

enum nv_template_parameter {
    NV_PARAMETER_ANY = 0,
    NV_PARAMETER_TEXT = 't',
    NV_PARAMETER_REAL = 'f',
    NV_PARAMETER_LIST = 'l', /* what a query answers */
    NV_PARAMETER_SAMPLE = 's',
    NV_PARAMETER_WHOLE = 'i',
    NV_PARAMETER_TIME = 'T',
    NV_PARAMETER_DURATION = 'd',
};

struct nv_template_function {
    const char *name;
    /* A letter per parameter, 'v' for any value; '.' behind the last: any number of that. */
    const char *parameters;
    int (*call)(struct nv_template_call *call);
};

/* By name, or NULL. `and` and `or`, which do not evaluate all they are given, have no call. */
const struct nv_template_function *nv_template_builtin(struct nv_str name);
const struct nv_template_function *nv_template_prometheus(struct nv_str name);
const struct nv_template_function *nv_template_number(struct nv_str name); /* among the last */
const struct nv_template_function *nv_template_method(enum nv_template_kind kind,
                                                      struct nv_str name);

/* The value of a key in a map of any kind, or NULL. */
const struct nv_template_value *nv_template_get(const struct nv_template_value *map,
                                                struct nv_str key);

#endif
