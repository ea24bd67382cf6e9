/*
 * eval_groups.h - the groups of an aggregation, by their labels.
 */
#ifndef NV_PROMQL_EVAL_GROUPS_H
#define NV_PROMQL_EVAL_GROUPS_H

#include "promql/eval_parts.h"

struct nv_group {
    uint64_t hash;
    const struct nv_label *labels;
    size_t n_labels;
    bool drop_name;
    void *user; /* what the aggregation keeps of it */
};

struct nv_groups {
    const struct nv_expr *expr;
    const struct nv_grid *grid;
    struct nv_pool pool;
    struct nv_group *at; /* moves when one is added */
    uint32_t n, room;
    struct nv_index index;
    nv_row_fn fn;
    void *user;
};

void nv_groups_open(struct nv_eval *ev, struct nv_groups *groups, const struct nv_expr *expr,
                    const struct nv_grid *grid, nv_row_fn fn, void *user);
void nv_groups_close(struct nv_eval *ev, struct nv_groups *groups);

/* Finds a group or makes it. */
int nv_groups_find(struct nv_eval *ev, struct nv_groups *groups, const struct nv_label *labels,
                   size_t n, bool drop_name, struct nv_group **ret);

/* Labels of the group of a row, with room for one more, in scratch memory; NULL past the limit. */
struct nv_label *nv_group_labels(struct nv_eval *ev, const struct nv_aggregation *a,
                                 const struct nv_row *row, size_t *ret_n);

/* Those with a parameter: topk, quantile, count_values ... */
int nv_eval_choice(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_row_fn fn, void *user);

#endif
