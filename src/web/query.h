/*
 * query.h - what the query of a scrape asks for: collect[], exclude[], name[].
 *
 * Read as Go's net/url does: pairs at '&', a key up to the first '=', %XX and '+' decoded in both; a pair
 * that cannot be decoded, or has a ';', is dropped.
 *
 *   ownership  views into `memory`, which the caller lends and keeps
 *   bound      NV_WEB_NAMES_MAX values of each kind; those beyond are dropped
 */
#ifndef NV_WEB_QUERY_H
#define NV_WEB_QUERY_H

#include "base/arena.h"

struct nv_query {
    const struct nv_str *collect, *exclude, *names;
    size_t n_collect, n_exclude, n_names;
};

/* Returns 0; -ENOMEM when the arena is full. */
int nv_query_parse(struct nv_str raw, struct nv_arena *memory, struct nv_query *ret);

/* The next pair, as it stands; takes it from *rest. False where there is none. */
bool nv_query_next(struct nv_str *rest, struct nv_str *ret_key, struct nv_str *ret_value);

/* Decodes into `out`, which has room for text.n bytes. False where a % is not followed by two digits. */
bool nv_query_decode(struct nv_str text, char *out, struct nv_str *ret);

#endif
