/*
 * eval.h - what a PromQL expression is worth over a grid of times.
 *
 *   grid       start, start + step ... up to end; an instant query is a grid of one
 *   order      series of a range query by nv_labels_compare(); of an instant query as evaluated, or as sort() says
 *   bounds     samples held, memory, and time: each ends the query with its error
 *   memory     counted as arenas grow, and drawn from the pool of all queries where there is one
 *   ownership  the caller ends a result with nv_promql_result_done(); labels and histograms live in it
 *   threads    a query belongs to one thread
 */
#ifndef NV_PROMQL_EVAL_H
#define NV_PROMQL_EVAL_H

#include "metric/queryable.h"
#include "promql/ast.h"
#include "promql/pool.h"

struct nv_promql_options {
    int64_t lookback_ms;         /* 0: five minutes */
    int64_t interval_ms;         /* default step of subqueries; 0: one minute */
    uint64_t max_samples;        /* 0: fifty million */
    size_t max_memory;           /* bytes; 0: all of the pool, 32 MB without one */
    int64_t deadline_ms;         /* of CLOCK_MONOTONIC; 0: none */
    const volatile bool *cancel; /* atomic: set by another thread to end the query; may be NULL */
    unsigned features;           /* enum nv_promql_feature */
    struct nv_promql_pool *pool; /* of all queries; NULL: only max_memory bounds this one */
    bool stats_by_step;          /* to be counted by step, too */
};

/* What a query had to look at, as `stats` tells it. */
struct nv_promql_stats {
    uint64_t queryable;                         /* a sample counts at every step that sees it */
    uint64_t read;                              /* and here once */
    uint64_t peak;                              /* held at once */
    uint64_t *queryable_by_step, *read_by_step; /* NULL unless asked for */
    size_t n_steps;
};

struct nv_promql_series {
    const struct nv_label *labels;
    size_t n_labels, n;
    const int64_t *times;
    const double *values;
    const struct nv_histogram *const
        *histograms; /* NULL where all are floats; entries NULL for floats */
};

struct nv_annotation {
    bool is_warning; /* else an info */
    struct nv_str text;
};

struct nv_promql_result {
    enum nv_value_type type;         /* of a range query: a matrix */
    struct nv_promql_series *series; /* a scalar is one without labels */
    size_t n;
    struct nv_str string;
    struct nv_annotation *annotations;
    size_t n_annotations;
    struct nv_promql_stats stats;
    char error[NV_PROMQL_ERROR_MAX];
    struct nv_eval *memory;
};

/*
 * Returns 0; -EINVAL for an error of execution, -EDQUOT past a limit, -ETIMEDOUT, -EBUSY where other queries held
 * the pool for too long, -ECANCELED, -ENOMEM, or what the queryable failed with (-EIO, -EBADMSG); the text of an error is in ret->error. To be ended with
 * nv_promql_result_done() in any case. The tree is changed: it serves once.
 */
NV_MUST_USE int nv_promql_eval(struct nv_promql *promql, const struct nv_queryable *queryable,
                               int64_t start_ms, int64_t end_ms, int64_t step_ms,
                               const struct nv_promql_options *options,
                               struct nv_promql_result *ret);

/* The same at one time; a range vector is allowed, and gives its samples. */
NV_MUST_USE int nv_promql_eval_at(struct nv_promql *promql, const struct nv_queryable *queryable,
                                  int64_t time_ms, const struct nv_promql_options *options,
                                  struct nv_promql_result *ret);
void nv_promql_result_done(struct nv_promql_result *result);

#endif
