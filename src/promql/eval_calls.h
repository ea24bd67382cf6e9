/*
 * eval_calls.h - one call of a function of instant vectors, as the files that compute them share it.
 */
#ifndef NV_PROMQL_EVAL_CALLS_H
#define NV_PROMQL_EVAL_CALLS_H

#include "promql/eval_parts.h"

enum { NV_CALL_SCALARS_MAX = 12 };

struct nv_calling {
    const struct nv_expr *expr;
    enum nv_function_id id;
    const struct nv_grid *grid;
    nv_row_fn fn; /* where the result goes */
    void *user;
    struct nv_pool *pool;                 /* for the time of the call */
    const struct nv_expr *vector;         /* the first argument that is one */
    double *scalars[NV_CALL_SCALARS_MAX]; /* the scalar ones, over the grid */
    size_t n_scalars;
    bool *present; /* absent(): by step */
};

int nv_call_sort(struct nv_eval *ev, struct nv_calling *c);
int nv_call_label(struct nv_eval *ev, struct nv_calling *c);
int nv_call_histogram(struct nv_eval *ev, struct nv_calling *c);
int nv_call_info(struct nv_eval *ev, struct nv_calling *c);
int nv_call_quantile(struct nv_eval *ev, struct nv_calling *c);

#endif
