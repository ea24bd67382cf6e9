/*
 * function.h - PromQL's functions: what they take and give. How they compute is the evaluator's.
 */
#ifndef NV_PROMQL_FUNCTION_H
#define NV_PROMQL_FUNCTION_H

#include "promql/ast.h"

enum { NV_FUNCTION_ARGS_MAX = 5 };

enum nv_function_flag {
    NV_FUNCTION_EXPERIMENTAL = 1,
    NV_FUNCTION_KEEPS_NAME = 2,
    NV_FUNCTION_UNSAFE = 4, /* depends on the step, whatever its arguments */
};

#define NV_FUNCTIONS(X)                                                                            \
    X(ABS)                                                                                         \
    X(ABSENT)                                                                                      \
    X(ABSENT_OVER_TIME)                                                                            \
    X(ACOS)                                                                                        \
    X(ACOSH)                                                                                       \
    X(ASIN)                                                                                        \
    X(ASINH)                                                                                       \
    X(ATAN)                                                                                        \
    X(ATANH)                                                                                       \
    X(AVG_OVER_TIME) X(CEIL) X(CHANGES) X(CLAMP) X(CLAMP_MAX) X(CLAMP_MIN) X(COS) X(COSH) X(       \
        COUNT_OVER_TIME) X(DAY_OF_MONTH) X(DAY_OF_WEEK) X(DAY_OF_YEAR) X(DAYS_IN_MONTH) X(DEG)     \
        X(DELTA) X(DERIV) X(DOUBLE_EXPONENTIAL_SMOOTHING) X(END) X(EXP) X(FIRST_OVER_TIME) X(      \
            FLOOR) X(HISTOGRAM_AVG) X(HISTOGRAM_COUNT) X(HISTOGRAM_FRACTION) X(HISTOGRAM_QUANTILE) \
            X(HISTOGRAM_QUANTILES) X(HISTOGRAM_STDDEV) X(HISTOGRAM_STDVAR) X(HISTOGRAM_SUM)        \
                X(HOUR) X(IDELTA) X(INCREASE) X(INFO) X(IRATE) X(LABEL_JOIN) X(LABEL_REPLACE)      \
                    X(LAST_OVER_TIME) X(LN) X(LOG10) X(LOG2) X(MAD_OVER_TIME) X(MAX_OF)            \
                        X(MAX_OVER_TIME) X(MIN_OF) X(MIN_OVER_TIME) X(MINUTE) X(MONTH) X(PI)       \
                            X(PREDICT_LINEAR) X(PRESENT_OVER_TIME) X(QUANTILE_OVER_TIME) X(RAD) X( \
                                RANGE) X(RATE) X(RESETS) X(ROUND) X(SCALAR) X(SGN) X(SIN) X(SINH)  \
                                X(SORT) X(SORT_BY_LABEL) X(SORT_BY_LABEL_DESC) X(SORT_DESC)        \
                                    X(SQRT) X(START) X(START_TIMESTAMP) X(STDDEV_OVER_TIME)        \
                                        X(STDVAR_OVER_TIME) X(STEP) X(SUM_OVER_TIME) X(TAN)        \
                                            X(TANH) X(TIME) X(TIMESTAMP) X(TS_OF_FIRST_OVER_TIME)  \
                                                X(TS_OF_LAST_OVER_TIME) X(TS_OF_MAX_OVER_TIME)     \
                                                    X(TS_OF_MIN_OVER_TIME) X(VECTOR) X(YEAR)

enum nv_function_id {
#define NV_FUNCTION_ID(id) NV_FN_##id,
    NV_FUNCTIONS(NV_FUNCTION_ID)
#undef NV_FUNCTION_ID
        NV_FN_COUNT,
};

struct nv_function {
    const char *name;
    const char *args; /* one letter each: s scalar, v vector, m matrix, t string */
    int8_t
        optional; /* how many of them, from the end, may be left out; -1: the last may be repeated or left out */
    uint8_t max;  /* of repeated ones: the most there may be in all; 0: any number */
    uint8_t type; /* enum nv_value_type of the result */
    uint8_t flags;
    uint8_t id; /* enum nv_function_id */
};

const struct nv_function *nv_function_find(struct nv_str name); /* NULL where there is none */
const struct nv_function *nv_function_at(size_t i); /* all of them, by name; NULL behind the last */

/* The type of argument i. */
enum nv_value_type nv_function_arg(const struct nv_function *function, size_t i);
size_t nv_function_args_min(const struct nv_function *function);
size_t nv_function_args_max(const struct nv_function *function); /* SIZE_MAX: any number */

#endif
