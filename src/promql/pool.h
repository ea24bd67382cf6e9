/*
 * pool.h - the memory that all queries together may hold.
 *
 * A query draws on it in steps as its arenas grow, and gives everything back when its result ends. Where there
 * is no room it waits, first for its first step, before it holds anything.
 *
 *   bound      `max` bytes in all
 *   deadlock   where all that hold something would wait for more, the last to ask is refused
 *   order      whoever holds something already goes before those who begin
 *   threads    any number
 */
#ifndef NV_PROMQL_POOL_H
#define NV_PROMQL_POOL_H

#include <nodevitals/scan.h>

#include "base/cleanup.h"

struct nv_promql_pool;

enum {
    NV_PROMQL_POOL_STEP = 256 << 10, /* what a query takes at least, each time */
    NV_PROMQL_POOL_WAIT_MS = 120000, /* of a query without a deadline */
    NV_PROMQL_POOL_GLANCE_MS = 50,   /* how often one that waits looks whether it was cancelled */
};

struct nv_promql_pool *nv_promql_pool_new(size_t max); /* NULL when memory is out */
void nv_promql_pool_free(struct nv_promql_pool *pool); /* when no query is left */
NV_DEFINE_AUTO(nv_promql_pool)

struct nv_promql_pool_stats {
    size_t max, used, peak;
    unsigned queries, waiting; /* that hold something; that wait */
    uint64_t waits, refusals;
};
void nv_promql_pool_stats(struct nv_promql_pool *pool, struct nv_promql_pool_stats *ret);

/*
 * Takes `bytes` more for a query that holds `held`. Waits until deadline_ms (of CLOCK_MONOTONIC; 0: the bound
 * above), or until *cancel (may be NULL). Returns 0; -EDQUOT for more than there ever is; -EBUSY where no room
 * came; -ECANCELED.
 */
NV_MUST_USE int nv_promql_pool_take(struct nv_promql_pool *pool, size_t held, size_t bytes,
                                    int64_t deadline_ms, const volatile bool *cancel);

/* Gives back `bytes` of `held`. */
void nv_promql_pool_give(struct nv_promql_pool *pool, size_t held, size_t bytes);

#endif
