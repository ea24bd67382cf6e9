/*
 * regex_reader.h - the state of reading a pattern, and its smallest steps. Private to regex*.c.
 *
 * Steps return 0, -ENOMEM, or -EINVAL after saying in reader->error what is wrong and where.
 */
#ifndef NV_BASE_REGEX_READER_H
#define NV_BASE_REGEX_READER_H

#include "base/regex_syntax.h"

enum {
    NV_REGEX_DOT_IS_ANY = 1, /* (?s) */
    NV_REGEX_FOLD = 2,       /* (?i) */
    NV_REGEX_LINES = 4,      /* (?m) */
    NV_REGEX_LAZY = 8,       /* (?U) */
};

struct nv_regex_reader {
    struct nv_arena *arena;
    struct nv_str whole, rest;
    unsigned flags, depth;
    size_t n_captures;
    struct nv_str *names;
    size_t names_size;
    char *error;
};

static inline bool nv_regex_front(const struct nv_regex_reader *reader, char c)
{
    return reader->rest.n && reader->rest.p[0] == c;
}

static inline void nv_regex_drop(struct nv_regex_reader *reader, size_t n)
{
    reader->rest = nv_str_from(reader->rest, n);
}

/* What was read between two states of the rest. */
static inline struct nv_str nv_regex_between(struct nv_str from, struct nv_str to)
{
    return (struct nv_str){from.p, (size_t)(to.p - from.p)};
}

/* Returns -EINVAL. */
int nv_regex_refuse(struct nv_regex_reader *reader, const char *reason, struct nv_str where);

/* 0, or refuses what is no UTF-8, from there on. */
NV_MUST_USE int nv_regex_check_utf8(struct nv_regex_reader *reader, struct nv_str s);

/* The next character; UINT32_MAX at the end. */
NV_MUST_USE int nv_regex_take(struct nv_regex_reader *reader, uint32_t *ret);

/* A backslash and the character it stands for. */
NV_MUST_USE int nv_regex_take_escape(struct nv_regex_reader *reader, uint32_t *ret);

/* NULL when memory is out. */
struct nv_regex_node *nv_regex_new_node(struct nv_regex_reader *reader, enum nv_regex_op op);

/* [...] into a new node. */
NV_MUST_USE int nv_regex_take_class(struct nv_regex_reader *reader, struct nv_regex_node *class);

/* \pN, \p{Greek}, \P{^Greek} ... and \d, \S ... into a class, with what came of it in *ret. False where
 * the front is no such escape. */
bool nv_regex_take_property(struct nv_regex_reader *reader, struct nv_regex_node *class, int *ret);
bool nv_regex_take_escaped_group(struct nv_regex_reader *reader, struct nv_regex_node *class,
                                 int *ret);

#endif
