/*
 * template_parser.h - what the two halves of the parser share: tokens, nodes, pipelines; and actions, made of these.
 *
 * The first failure sticks: what is called behind it gives NULL or false.
 */
#ifndef NV_CONFIG_TEMPLATE_PARSER_H
#define NV_CONFIG_TEMPLATE_PARSER_H

#include "config/template_parts.h"

enum { NV_TPARSER_VARIABLES_MAX = 1024, NV_TPARSER_FIELDS_MAX = 256 /* .a.b.c */ };

struct nv_tparser {
    struct nv_template *template_;
    struct nv_arena *memory;
    const struct nv_template_token *tokens;
    size_t n, at, touched; /* the next token; the furthest that was looked at, where errors are */
    struct nv_str variables[NV_TPARSER_VARIABLES_MAX];
    size_t n_variables, variables_from; /* those of this tree begin there */
    unsigned ranges, depth;
    uint32_t action_line;
    char *error;
    int failed;
};

/* Remembers "template: NAME:LINE: ..." and returns NULL. */
__attribute__((format(printf, 2, 3))) void *nv_tparser_fail(struct nv_tparser *p,
                                                            const char *format, ...);
void *nv_tparser_unexpected(struct nv_tparser *p, const struct nv_template_token *token,
                            const char *context);

/* The next token; the solid ones are no blanks. The last token stays. */
const struct nv_template_token *nv_tparser_peek(struct nv_tparser *p);
const struct nv_template_token *nv_tparser_next(struct nv_tparser *p);
const struct nv_template_token *nv_tparser_peek_solid(struct nv_tparser *p);
const struct nv_template_token *nv_tparser_next_solid(struct nv_tparser *p);

struct nv_template_node *nv_tparser_node(struct nv_tparser *p, enum nv_template_node_kind kind,
                                         const struct nv_template_token *token);
bool nv_tparser_deepen(struct nv_tparser *p);
void nv_tparser_declare(struct nv_tparser *p, struct nv_str name);

/* Text between quotes, in the arena. */
bool nv_tparser_unquote(struct nv_tparser *p, struct nv_str quoted, struct nv_str *ret);

/* Everything up to a token of kind `end`, which is taken too. */
struct nv_template_node *nv_tparser_pipeline(struct nv_tparser *p, const char *context,
                                             enum nv_template_token_kind end);

#endif
