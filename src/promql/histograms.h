/*
 * histograms.h - native histograms within the evaluator: sums, differences, rates, quantiles.
 *
 * What these return lies in the memory of the row being made.
 */
#ifndef NV_PROMQL_HISTOGRAMS_H
#define NV_PROMQL_HISTOGRAMS_H

#include "promql/eval_calls.h"
#include "promql/histogram_math.h"

/* Where the samples of a rate lie within their window. */
struct nv_stretch {
    int64_t first_ms, last_ms, from_ms, to_ms;
    size_t n_gaps;
    bool starts_here; /* the first is the counter's own start */
};

/* The factor by which a difference grows when it is stretched to the ends of the window. */
double nv_extrapolation(const struct nv_stretch *stretch, double d, double first, bool counter);

int nv_histograms_reduce(struct nv_eval *ev, const struct nv_ranged *call,
                         const struct nv_window *w, bool mean, const struct nv_histogram **ret);
int nv_histograms_rate(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                       const struct nv_histogram **ret);
int nv_histograms_instant_rate(struct nv_eval *ev, const struct nv_ranged *call,
                               const struct nv_window *w, double *ret,
                               const struct nv_histogram **ret_histogram);
int nv_histograms_steps(struct nv_eval *ev, const struct nv_ranged *call, const struct nv_window *w,
                        double *ret);

/* The histograms of a group, added up. */
struct nv_histogram_sum;
int nv_histogram_sum_add(struct nv_eval *ev, struct nv_pool *pool, const struct nv_expr *at,
                         const struct nv_histogram *h, bool mean, struct nv_histogram_sum **sum);
int nv_histogram_sum_end(struct nv_eval *ev, const struct nv_histogram_sum *sum,
                         const struct nv_histogram **ret);

/* Two samples of which at least one is a histogram; as nv_op_samples(). */
int nv_histograms_op(struct nv_eval *ev, const struct nv_expr *at, enum nv_op op,
                     struct nv_operand a, struct nv_operand b, struct nv_operand *ret,
                     bool *ret_holds);

/* Remarks that the two do not go together; 0. */
int nv_op_mismatch(struct nv_eval *ev, const struct nv_expr *at, enum nv_op op, struct nv_operand a,
                   struct nv_operand b);

#endif
