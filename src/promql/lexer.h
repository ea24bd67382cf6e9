/*
 * lexer.h - the words of a PromQL expression, one after the other, where they lie.
 *
 *   modes     inside braces there are no keywords and names have no colon; inside brackets a colon stands alone
 *   errors    a token of kind NV_TOKEN_ERROR, whose message is in lexer.error; nothing follows it
 */
#ifndef NV_PROMQL_LEXER_H
#define NV_PROMQL_LEXER_H

#include "promql/ast.h"

enum nv_token_kind {
    NV_TOKEN_END,
    NV_TOKEN_ERROR,
    NV_TOKEN_IDENTIFIER,
    NV_TOKEN_METRIC, /* with a colon in it */
    NV_TOKEN_NUMBER,
    NV_TOKEN_DURATION,
    NV_TOKEN_STRING, /* quotes included */
    NV_TOKEN_LEFT_PAREN,
    NV_TOKEN_RIGHT_PAREN,
    NV_TOKEN_LEFT_BRACE,
    NV_TOKEN_RIGHT_BRACE,
    NV_TOKEN_LEFT_BRACKET,
    NV_TOKEN_RIGHT_BRACKET,
    NV_TOKEN_COMMA,
    NV_TOKEN_COLON,
    NV_TOKEN_AT,
    NV_TOKEN_EQUAL,     /* = */
    NV_TOKEN_MATCH,     /* =~ */
    NV_TOKEN_NOT_MATCH, /* !~ */
    NV_TOKEN_OPERATOR,  /* `which` is an enum nv_op; NV_OP_NE is also a matcher's */
    NV_TOKEN_AGGREGATOR,
    NV_TOKEN_KEYWORD, /* `which` is an enum nv_keyword */
};

enum nv_keyword {
    NV_KEYWORD_OFFSET,
    NV_KEYWORD_BY,
    NV_KEYWORD_WITHOUT,
    NV_KEYWORD_ON,
    NV_KEYWORD_IGNORING,
    NV_KEYWORD_GROUP_LEFT,
    NV_KEYWORD_GROUP_RIGHT,
    NV_KEYWORD_BOOL,
    NV_KEYWORD_ANCHORED,
    NV_KEYWORD_SMOOTHED,
    NV_KEYWORD_FILL,
    NV_KEYWORD_FILL_LEFT,
    NV_KEYWORD_FILL_RIGHT,
    NV_KEYWORD_START, /* from here on also names of functions */
    NV_KEYWORD_END,
    NV_KEYWORD_STEP,
    NV_KEYWORD_RANGE,
    NV_KEYWORD_MIN_OF,
    NV_KEYWORD_MAX_OF,
};

struct nv_token {
    uint8_t kind, which;
    bool is_word; /* letters: could be a name */
    uint32_t start, end;
    double value; /* of a number, and of a duration in seconds */
};

struct nv_lexer {
    struct nv_str text;
    uint32_t at;
    unsigned parens;
    bool in_braces, in_brackets;
    char error[160];
};

struct nv_token nv_lexer_next(struct nv_lexer *lexer);

static inline struct nv_str nv_token_text(const struct nv_lexer *lexer,
                                          const struct nv_token *token)
{
    return (struct nv_str){lexer->text.p + token->start, token->end - token->start};
}

/* The text of a quoted string. Returns 0; -EINVAL with a message in `error`; -ENOMEM. */
NV_MUST_USE int nv_unquote(struct nv_str quoted, struct nv_arena *arena, struct nv_str *ret,
                           char error[160]);

/* A duration such as 1h30m in ms. Returns 0, -EINVAL, or -ERANGE. */
NV_MUST_USE int nv_duration_parse(struct nv_str text, int64_t *ret_ms);

#endif
