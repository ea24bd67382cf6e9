/*
 * promql_slow.h - PromQL over floats, one step after the other and everything anew at each: slow, and short enough
 * to be seen to be right. Names are dropped at once. What it does not know it refuses.
 */
#ifndef NV_TEST_PROMQL_SLOW_H
#define NV_TEST_PROMQL_SLOW_H

#include "metric/queryable.h"
#include "promql/ast.h"

struct nv_slow_sample {
    struct nv_label *labels;
    size_t n_labels;
    double value;
};

struct nv_slow_vector {
    struct nv_slow_sample *at;
    size_t n, room;
};

/* Returns 0; -EINVAL where the query is in error; -ENOTSUP. */
int nv_slow_eval(const struct nv_expr *expr, const struct nv_queryable *queryable, int64_t at_ms,
                 struct nv_arena *arena, struct nv_slow_vector *ret);

#endif
