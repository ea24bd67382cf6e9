/*
 * ast.h - a PromQL expression as a tree, from text and back to text.
 *
 *   shape      every node knows its value type and which bytes of the query it came from; parentheses are
 *              nodes, so that the printed text parses back to the same tree
 *   bound      NV_PROMQL_LENGTH_MAX bytes, NV_PROMQL_DEPTH_MAX levels, NV_PROMQL_LABELS_MAX labels in one place,
 *              and the arena's own limit
 *   ownership  nodes and texts live in the arena; compiled matchers are freed by nv_promql_done()
 *   errors     the first one, in upstream's words: "1:5: parse error: ..."
 */
#ifndef NV_PROMQL_AST_H
#define NV_PROMQL_AST_H

#include "base/arena.h"
#include "base/buf.h"
#include "metric/matcher.h"

enum {
    NV_PROMQL_LENGTH_MAX = 4 << 20,
    NV_PROMQL_DEPTH_MAX = 600,
    NV_PROMQL_LABELS_MAX = 1000, /* matchers of a selector, names in a list */
    NV_PROMQL_ERROR_MAX = 512,
};

/* What --enable-feature may switch on. */
enum nv_promql_feature {
    NV_PROMQL_EXPERIMENTAL = 1 << 0,   /* promql-experimental-functions */
    NV_PROMQL_EXTENDED_RANGE = 1 << 1, /* promql-extended-range-selectors */
    NV_PROMQL_FILL = 1 << 2,           /* promql-binop-fill-modifiers */
    NV_PROMQL_DELAYED_NAMES = 1 << 3,  /* promql-delayed-name-removal */
    NV_PROMQL_START_TIMES = 1 << 4,    /* use-start-timestamps */
    NV_PROMQL_TYPE_AND_UNIT = 1 << 5,  /* type-and-unit-labels */
    NV_PROMQL_ALL = (1 << 5) - 1,      /* all but the last, as upstream's scripts assume */
};

/* The bit of a name that --enable-feature takes; 0 for one that is not of PromQL. */
unsigned nv_promql_feature(struct nv_str name);

enum nv_value_type {
    NV_VALUE_SCALAR,
    NV_VALUE_VECTOR,
    NV_VALUE_MATRIX,
    NV_VALUE_STRING,
};
const char *nv_value_type_name(enum nv_value_type type); /* "instant vector" ... */

enum nv_expr_kind {
    NV_EXPR_NUMBER,
    NV_EXPR_STRING,
    NV_EXPR_SELECTOR, /* with a range it is a matrix */
    NV_EXPR_SUBQUERY,
    NV_EXPR_CALL,
    NV_EXPR_AGGREGATION,
    NV_EXPR_BINARY,
    NV_EXPR_UNARY,
    NV_EXPR_PAREN,
};

enum nv_op {
    NV_OP_INVALID,
    NV_OP_OR,
    NV_OP_AND,
    NV_OP_UNLESS,
    NV_OP_EQ,
    NV_OP_NE,
    NV_OP_LE,
    NV_OP_LT,
    NV_OP_GE,
    NV_OP_GT,
    NV_OP_TRIM_UPPER, /* </ keeps what lies below */
    NV_OP_TRIM_LOWER, /* >/ keeps what lies above */
    NV_OP_ADD,
    NV_OP_SUB,
    NV_OP_MUL,
    NV_OP_DIV,
    NV_OP_MOD,
    NV_OP_ATAN2,
    NV_OP_POW,
};
const char *nv_op_text(enum nv_op op);

static inline bool nv_op_is_set(enum nv_op op)
{
    return op >= NV_OP_OR && op <= NV_OP_UNLESS;
}

static inline bool nv_op_is_comparison(enum nv_op op)
{
    return op >= NV_OP_EQ && op <= NV_OP_GT;
}

static inline bool nv_op_is_trim(enum nv_op op)
{
    return op == NV_OP_TRIM_UPPER || op == NV_OP_TRIM_LOWER;
}

enum nv_aggregator {
    NV_AGG_SUM,
    NV_AGG_AVG,
    NV_AGG_COUNT,
    NV_AGG_MIN,
    NV_AGG_MAX,
    NV_AGG_GROUP,
    NV_AGG_STDDEV,
    NV_AGG_STDVAR,
    NV_AGG_TOPK,
    NV_AGG_BOTTOMK,
    NV_AGG_COUNT_VALUES,
    NV_AGG_QUANTILE,
    NV_AGG_LIMITK,
    NV_AGG_LIMIT_RATIO,
};
const char *nv_aggregator_text(enum nv_aggregator aggregator);
bool nv_aggregator_has_parameter(enum nv_aggregator aggregator);

struct nv_expr;

/* A length of time: in ms, or still an expression of numbers, step(), range(), min_of() and max_of(). */
struct nv_span_ms {
    int64_t ms;
    struct nv_expr *expr; /* NULL once `ms` is known */
};

enum nv_at { NV_AT_NONE, NV_AT_TIME, NV_AT_START, NV_AT_END };

/* When a selector or subquery looks. */
struct nv_when {
    struct nv_span_ms offset;
    bool has_offset;
    uint8_t at; /* enum nv_at */
    int64_t at_ms;
};

enum nv_edge { NV_EDGE_NONE, NV_EDGE_ANCHORED, NV_EDGE_SMOOTHED };

struct nv_selector {
    struct nv_str name; /* also among the matchers; empty where it was not written as a name */
    struct nv_matcher *matchers;
    size_t n_matchers;
    struct nv_when when;
    bool has_range;
    uint8_t edge; /* enum nv_edge */
    struct nv_span_ms range;
    struct nv_selector *next; /* of the query */
};

struct nv_subquery {
    struct nv_expr *expr;
    struct nv_span_ms range, step;
    bool has_step;
    struct nv_when when;
};

struct nv_label_names {
    struct nv_str *at;
    size_t n;
};

struct nv_function;
struct nv_call {
    const struct nv_function *function;
    struct nv_expr **args;
    size_t n;
};

struct nv_aggregation {
    uint8_t aggregator;    /* enum nv_aggregator */
    bool without, grouped; /* grouped: `by` or `without` was written */
    struct nv_label_names labels;
    struct nv_expr *expr, *parameter;
};

enum nv_card { NV_CARD_ONE_TO_ONE, NV_CARD_MANY_TO_ONE, NV_CARD_ONE_TO_MANY, NV_CARD_MANY_TO_MANY };

struct nv_binary {
    uint8_t op;                    /* enum nv_op */
    uint8_t card;                  /* enum nv_card, of two vectors */
    bool return_bool, on, matched; /* matched: `on` or `ignoring` was written */
    bool has_fill_left, has_fill_right;
    double fill_left, fill_right;
    struct nv_label_names labels, include;
    struct nv_expr *left, *right;
};

struct nv_expr {
    uint8_t kind; /* enum nv_expr_kind */
    uint8_t type; /* enum nv_value_type */
    uint16_t depth;
    bool invariant;      /* the same at each step: set when a query is prepared */
    uint8_t shared;      /* likewise: number of those that are the same, or 0 */
    uint32_t start, end; /* bytes of the query */
    union {
        struct {
            double value;
            bool is_duration;
        } number;
        struct nv_str string;
        struct nv_selector selector;
        struct nv_subquery subquery;
        struct nv_call call;
        struct nv_aggregation aggregation;
        struct nv_binary binary;
        struct {
            uint8_t op;
            struct nv_expr *expr;
        } unary;
        struct nv_expr *paren;
    };
};

/* A parsed query. */
struct nv_promql {
    struct nv_expr *root;
    struct nv_str text;
    struct nv_selector *selectors; /* all of them, for nv_promql_done() */
};

struct nv_promql_error {
    uint32_t start, end;
    char text[NV_PROMQL_ERROR_MAX]; /* without position */
};

/* Parses and checks; `text` is copied. Returns 0; -EINVAL with *error; -ENOMEM or -EDQUOT where the arena ends. */
NV_MUST_USE int nv_promql_parse(struct nv_str text, unsigned features, struct nv_arena *arena,
                                struct nv_promql *ret, struct nv_promql_error *error);
void nv_promql_done(struct nv_promql *promql);

/* A selector as in the API's match[]; the tree's root is then a selector without modifiers. It may be one that fits
 * everything. */
NV_MUST_USE int nv_promql_parse_selector(struct nv_str text, struct nv_arena *arena,
                                         struct nv_promql *ret, struct nv_promql_error *error);

/* Line and column (1-based, in bytes) of a place in the query. */
void nv_promql_position(struct nv_str text, uint32_t at, unsigned *ret_line, unsigned *ret_column);

/* "1:5: parse error: ...", as the API shows it. */
void nv_promql_error_text(struct nv_str text, const struct nv_promql_error *error,
                          struct nv_buf *out);

/* In one line. */
void nv_promql_print(struct nv_buf *out, const struct nv_expr *expr);

/* Over several lines where it is long; parses back to the same tree. */
void nv_promql_prettify(struct nv_buf *out, const struct nv_expr *expr);

/* As the API's parse_query has it: {"type":"call",...}. */
void nv_promql_json(struct nv_buf *out, const struct nv_expr *expr);
void nv_promql_print_duration(struct nv_buf *out, int64_t ms);
void nv_promql_print_string(struct nv_buf *out, struct nv_str text); /* quoted and escaped */

/* `name{a="b", c="d"}`, as series are told in messages. */
void nv_promql_print_labels(struct nv_buf *out, const struct nv_label *labels, size_t n);

#endif
