/*
 * sum.h - sums that lose nothing to rounding (Neumaier): the sum is `sum` + `c`, unless `sum` is infinite.
 */
#ifndef NV_PROMQL_SUM_H
#define NV_PROMQL_SUM_H

#include <math.h>

static inline void nv_sum_add(double *sum, double *c, double x)
{
    double t = *sum + x;

    if (isinf(t))
        *c = 0;
    else if (fabs(*sum) >= fabs(x))
        *c += (*sum - t) + x;
    else
        *c += (x - t) + *sum;
    *sum = t;
}

#endif
