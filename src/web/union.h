/*
 * union.h - the series that fit any of several selectors, once each and in order.
 *
 *   order      by labels, or by metric name first
 *   bound      NV_UNION_MAX selectors; what the selections hold is drawn from the memory of all queries
 *   ownership  nv_union_done() in any case; series live until then
 */
#ifndef NV_WEB_UNION_H
#define NV_WEB_UNION_H

#include "web/api_parts.h"

enum { NV_UNION_MAX = 256 };

enum nv_union_order { NV_BY_LABELS, NV_BY_NAME };

struct nv_union {
    struct nv_exchange *x;
    struct nv_selection *selections;
    size_t n_selections;
    struct nv_unified {
        const struct nv_selected *series;
        struct nv_selection *from;
    } * at;
    size_t n;
    size_t held; /* bytes of the pool */
};

/*
 * `limit` (0: none) may cut what cannot be among the first so many and one. Returns 0; or NV_ANSWERED, and the failure
 * is told. Where nothing is kept there is nothing.
 */
NV_MUST_USE int nv_union_select(struct nv_exchange *x, const struct nv_selector_list *selectors,
                                int64_t from_ms, int64_t to_ms, uint64_t limit,
                                enum nv_union_order order, struct nv_union *ret);
void nv_union_done(struct nv_union *all);

/* The samples of series i, in place of what was there. Returns 0 or the queryable's error. */
NV_MUST_USE int nv_union_read(const struct nv_union *all, size_t i, struct nv_samples *samples);

#endif
