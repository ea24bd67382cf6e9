/*
 * promql_slow_parts.h - what the files of the slow evaluator share.
 */
#ifndef NV_TEST_PROMQL_SLOW_PARTS_H
#define NV_TEST_PROMQL_SLOW_PARTS_H

#include "base/assert.h"
#include "promql/function.h"
#include "support/promql_slow.h"

struct slow {
    const struct nv_queryable *queryable;
    struct nv_arena *arena;
    int64_t at;
};

/* A series within a window. */
struct range {
    struct nv_label *labels;
    size_t n_labels, n, room;
    int64_t *times;
    double *values;
};

struct ranges {
    struct range *at;
    size_t n, room;
};

#define GROW(s, list, item)                                                                        \
    do {                                                                                           \
        if ((list)->n == (list)->room) {                                                           \
            size_t room_ = (list)->room ? (list)->room * 2 : 8;                                    \
            void *more_ = nv_must(nv_arena_alloc((s)->arena, room_ * sizeof(*(list)->at)));        \
            if ((list)->n)                                                                         \
                memcpy(more_, (list)->at, (list)->n * sizeof(*(list)->at));                        \
            (list)->at = more_;                                                                    \
            (list)->room = room_;                                                                  \
        }                                                                                          \
        (list)->at[(list)->n++] = (item);                                                          \
    } while (0)

struct nv_slow_sample nv_slow_filtered(const struct slow *s, const struct nv_slow_sample *from,
                                       const struct nv_label_names *names, bool keep);
struct nv_slow_sample nv_slow_unnamed(const struct slow *s, const struct nv_slow_sample *from);
bool nv_slow_same_labels(const struct nv_slow_sample *a, const struct nv_slow_sample *b);
int nv_slow_unique(const struct nv_slow_vector *v);
double nv_slow_total(const double *values, size_t n);
double nv_slow_most(const double *values, size_t n, int sign);
double nv_slow_squares(const double *values, size_t n);
double nv_slow_quantile(const struct slow *s, double q, const double *values, size_t n);
int nv_slow_instant(const struct slow *s, const struct nv_selector *selector, bool times,
                    struct nv_slow_vector *ret);
int nv_slow_call_of(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret);
int nv_slow_vector_of(const struct slow *s, const struct nv_expr *e, struct nv_slow_vector *ret);
int nv_slow_scalar_of(const struct slow *s, const struct nv_expr *e, double *ret);

#endif
