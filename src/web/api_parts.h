/*
 * api_parts.h - what endpoints of several files need.
 */
#ifndef NV_WEB_API_PARTS_H
#define NV_WEB_API_PARTS_H

#include "base/buf.h"
#include "web/exchange.h"

/* Tells a failure of the queryable, the pool or the time while doing `what`. NV_ANSWERED. */
int nv_fail_select(struct nv_exchange *x, int error, const char *what);

/* 0, or NV_ANSWERED where it is over and that is told. */
NV_MUST_USE int nv_go_on(struct nv_exchange *x, const char *what);

/* Takes memory for the exchange from that of all queries, noted in *held. 0, or NV_ANSWERED. */
NV_MUST_USE int nv_pool_draw(struct nv_exchange *x, size_t *held, size_t bytes, const char *what);
void nv_pool_give_back(struct nv_exchange *x, size_t *held);

/* A truth value as Go reads it; false where it is not there. 0, or NV_ANSWERED: `why` says what could not be done. */
NV_MUST_USE int nv_ask_bool(struct nv_exchange *x, const char *name, const char *why, bool *ret);

/* A text as an error shows it: in quotes, not too much of it. */
enum { NV_SHOWN_MAX = 1024 };
const char *nv_show(struct nv_str text, char ret[NV_SHOWN_MAX]);

#endif
