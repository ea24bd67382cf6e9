/*
 * parser.h - what the two halves of the parser share: expressions, and the lengths of time within them.
 */
#ifndef NV_PROMQL_PARSER_H
#define NV_PROMQL_PARSER_H

#include "promql/function.h"
#include "promql/lexer.h"

struct nv_parser {
    struct nv_lexer lexer;
    struct nv_token token; /* the one in front */
    uint32_t end;          /* of the one before */
    struct nv_arena *arena;
    struct nv_promql *promql;
    struct nv_promql_error *error;
    unsigned features, depth;
    int failed; /* 0, or why: the first failure stays */
};

void nv_parser_advance(struct nv_parser *p);

/* These give NULL, for the caller to pass up. */
__attribute__((format(printf, 4, 5))) void *nv_parser_fail(struct nv_parser *p, uint32_t start,
                                                           uint32_t end, const char *format, ...);
void *nv_parser_unexpected(struct nv_parser *p, const char *context, const char *expected);
void *nv_parser_no_memory(struct nv_parser *p);

struct nv_expr *nv_parser_node(struct nv_parser *p, enum nv_expr_kind kind, enum nv_value_type type,
                               uint32_t start);

/* Makes a node deeper than its child; NULL where that is too deep, or there is no child. */
struct nv_expr *nv_parser_deepen(struct nv_parser *p, struct nv_expr *node,
                                 const struct nv_expr *child);

bool nv_parser_is(const struct nv_parser *p, enum nv_token_kind kind);
bool nv_parser_is_keyword(const struct nv_parser *p, enum nv_keyword keyword);

/* Takes the token if it is of that kind. */
bool nv_parser_accept(struct nv_parser *p, enum nv_token_kind kind);

/* Takes it or fails with what was expected. */
bool nv_parser_expect(struct nv_parser *p, enum nv_token_kind kind, const char *context,
                      const char *expected);
unsigned nv_op_level(enum nv_op op);

/* A length of time in brackets (must be above 0), and behind `offset`. False after a failure. */
bool nv_parser_duration(struct nv_parser *p, struct nv_span_ms *ret);
bool nv_parser_offset(struct nv_parser *p, struct nv_span_ms *ret);

/* The value of an expression of lengths of time, in seconds. Returns NULL, or what is wrong with it at *ret_at. */
const char *nv_duration_value(const struct nv_expr *expr, double step_s, double range_s,
                              double *ret, const struct nv_expr **ret_at);

/* Seconds to ms. Returns NULL or what is wrong. */
const char *nv_duration_ms(double seconds, bool positive, int64_t *ret);

#endif
