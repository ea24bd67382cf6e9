/*
 * token.h - the tokens of classic text, read where they lie, and the messages of Go's parser.
 *
 * A call leaves the cursor behind what it took. Each returns 0, -EBADMSG with the message written, or
 * -ENOMEM. Views are of the text, or of the arena where something had to be unescaped. Only src/expo
 * includes this.
 */
#ifndef NV_EXPO_TOKEN_H
#define NV_EXPO_TOKEN_H

#include "base/arena.h"
#include "base/cleanup.h"

enum { NV_TOKEN_QUOTED_MAX = 200 }; /* bytes of a token that a message quotes */

struct nv_token {
    const char *at, *end;
    uint32_t line;
    struct nv_arena arena; /* unescaped strings */
    char *error;
    size_t error_max;
    char quoted[2][NV_TOKEN_QUOTED_MAX * 4 + 8]; /* for messages */
    unsigned turn;
};

/* Write the message, with the line in front. Return -EBADMSG. */
__attribute__((format(printf, 2, 3))) int nv_token_fail(struct nv_token *t, const char *format,
                                                        ...);
int nv_token_ended(struct nv_token *t);

/* A view in double quotes, and the character at the cursor in single ones, as Go's %q has them. Each
 * lasts until the next call but one. */
const char *nv_token_quote(struct nv_token *t, struct nv_str s);
const char *nv_token_quote_here(struct nv_token *t);

/* The byte at the cursor; -1 at the end, which is an error anywhere but between lines. */
static inline int nv_token_peek(const struct nv_token *t)
{
    return t->at < t->end ? (unsigned char)*t->at : -1;
}

static inline bool nv_token_is_blank(int c)
{
    return c == ' ' || c == '\t';
}

static inline void nv_token_blanks(struct nv_token *t)
{
    while (nv_token_is_blank(nv_token_peek(t)))
        t->at++;
}

/* Up to the next blank, tab or newline; up to the newline. Both are left. */
NV_MUST_USE int nv_token_word(struct nv_token *t, struct nv_str *ret);
NV_MUST_USE int nv_token_line(struct nv_token *t, struct nv_str *ret);

/* Resolves \\ \n \" in a view that has a backslash. */
NV_MUST_USE int nv_token_unescape(struct nv_token *t, struct nv_str *s);

/* What stands between the double quote at the cursor and the next that is not escaped. */
NV_MUST_USE int nv_token_quoted(struct nv_token *t, const char *what, struct nv_str *ret);

/* A name, in quotes or bare; empty where there is none. `what` it is, for messages. */
NV_MUST_USE int nv_token_name(struct nv_token *t, bool colons, const char *what,
                              struct nv_str *ret);

/* As Go's ParseFloat(), without hexadecimal and underscores: out of range is an error. */
bool nv_token_number(struct nv_str s, double *ret);

/* Decimal seconds to milliseconds, without a double in between; false where they are too many. The syntax was checked. */
bool nv_token_seconds(struct nv_str s, int64_t *ret);

bool nv_token_is_integer(struct nv_str s);

#endif
