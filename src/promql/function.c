#include "promql/function.h"

#define SCALAR NV_VALUE_SCALAR
#define VECTOR NV_VALUE_VECTOR
#define E      NV_FUNCTION_EXPERIMENTAL
#define K      NV_FUNCTION_KEEPS_NAME
#define U      NV_FUNCTION_UNSAFE

/* Sorted by name. */
// clang-format off
static const struct nv_function functions[] = {
    {"abs",                          "v",     0,  0,  VECTOR, 0,     NV_FN_ABS},
    {"absent",                       "v",     0,  0,  VECTOR, 0,     NV_FN_ABSENT},
    {"absent_over_time",             "m",     0,  0,  VECTOR, 0,     NV_FN_ABSENT_OVER_TIME},
    {"acos",                         "v",     0,  0,  VECTOR, 0,     NV_FN_ACOS},
    {"acosh",                        "v",     0,  0,  VECTOR, 0,     NV_FN_ACOSH},
    {"asin",                         "v",     0,  0,  VECTOR, 0,     NV_FN_ASIN},
    {"asinh",                        "v",     0,  0,  VECTOR, 0,     NV_FN_ASINH},
    {"atan",                         "v",     0,  0,  VECTOR, 0,     NV_FN_ATAN},
    {"atanh",                        "v",     0,  0,  VECTOR, 0,     NV_FN_ATANH},
    {"avg_over_time",                "m",     0,  0,  VECTOR, 0,     NV_FN_AVG_OVER_TIME},
    {"ceil",                         "v",     0,  0,  VECTOR, 0,     NV_FN_CEIL},
    {"changes",                      "m",     0,  0,  VECTOR, 0,     NV_FN_CHANGES},
    {"clamp",                        "vss",   0,  0,  VECTOR, 0,     NV_FN_CLAMP},
    {"clamp_max",                    "vs",    0,  0,  VECTOR, 0,     NV_FN_CLAMP_MAX},
    {"clamp_min",                    "vs",    0,  0,  VECTOR, 0,     NV_FN_CLAMP_MIN},
    {"cos",                          "v",     0,  0,  VECTOR, 0,     NV_FN_COS},
    {"cosh",                         "v",     0,  0,  VECTOR, 0,     NV_FN_COSH},
    {"count_over_time",              "m",     0,  0,  VECTOR, 0,     NV_FN_COUNT_OVER_TIME},
    {"day_of_month",                 "v",     1,  0,  VECTOR, U,     NV_FN_DAY_OF_MONTH},
    {"day_of_week",                  "v",     1,  0,  VECTOR, U,     NV_FN_DAY_OF_WEEK},
    {"day_of_year",                  "v",     1,  0,  VECTOR, U,     NV_FN_DAY_OF_YEAR},
    {"days_in_month",                "v",     1,  0,  VECTOR, U,     NV_FN_DAYS_IN_MONTH},
    {"deg",                          "v",     0,  0,  VECTOR, 0,     NV_FN_DEG},
    {"delta",                        "m",     0,  0,  VECTOR, 0,     NV_FN_DELTA},
    {"deriv",                        "m",     0,  0,  VECTOR, 0,     NV_FN_DERIV},
    {"double_exponential_smoothing", "mss",   0,  0,  VECTOR, E,     NV_FN_DOUBLE_EXPONENTIAL_SMOOTHING},
    {"end",                          "",      0,  0,  SCALAR, E | U, NV_FN_END},
    {"exp",                          "v",     0,  0,  VECTOR, 0,     NV_FN_EXP},
    {"first_over_time",              "m",     0,  0,  VECTOR, K,     NV_FN_FIRST_OVER_TIME},
    {"floor",                        "v",     0,  0,  VECTOR, 0,     NV_FN_FLOOR},
    {"histogram_avg",                "v",     0,  0,  VECTOR, 0,     NV_FN_HISTOGRAM_AVG},
    {"histogram_count",              "v",     0,  0,  VECTOR, 0,     NV_FN_HISTOGRAM_COUNT},
    {"histogram_fraction",           "ssv",   0,  0,  VECTOR, 0,     NV_FN_HISTOGRAM_FRACTION},
    {"histogram_quantile",           "sv",    0,  0,  VECTOR, 0,     NV_FN_HISTOGRAM_QUANTILE},
    {"histogram_quantiles",          "vtss", -1, 12,  VECTOR, E,     NV_FN_HISTOGRAM_QUANTILES},
    {"histogram_stddev",             "v",     0,  0,  VECTOR, 0,     NV_FN_HISTOGRAM_STDDEV},
    {"histogram_stdvar",             "v",     0,  0,  VECTOR, 0,     NV_FN_HISTOGRAM_STDVAR},
    {"histogram_sum",                "v",     0,  0,  VECTOR, 0,     NV_FN_HISTOGRAM_SUM},
    {"hour",                         "v",     1,  0,  VECTOR, U,     NV_FN_HOUR},
    {"idelta",                       "m",     0,  0,  VECTOR, 0,     NV_FN_IDELTA},
    {"increase",                     "m",     0,  0,  VECTOR, 0,     NV_FN_INCREASE},
    {"info",                         "vv",    1,  0,  VECTOR, E | K, NV_FN_INFO},
    {"irate",                        "m",     0,  0,  VECTOR, 0,     NV_FN_IRATE},
    {"label_join",                   "vttt", -1,  0,  VECTOR, K,     NV_FN_LABEL_JOIN},
    {"label_replace",                "vtttt", 0,  0,  VECTOR, K,     NV_FN_LABEL_REPLACE},
    {"last_over_time",               "m",     0,  0,  VECTOR, K,     NV_FN_LAST_OVER_TIME},
    {"ln",                           "v",     0,  0,  VECTOR, 0,     NV_FN_LN},
    {"log10",                        "v",     0,  0,  VECTOR, 0,     NV_FN_LOG10},
    {"log2",                         "v",     0,  0,  VECTOR, 0,     NV_FN_LOG2},
    {"mad_over_time",                "m",     0,  0,  VECTOR, E,     NV_FN_MAD_OVER_TIME},
    {"max_of",                       "ss",    0,  0,  SCALAR, E,     NV_FN_MAX_OF},
    {"max_over_time",                "m",     0,  0,  VECTOR, 0,     NV_FN_MAX_OVER_TIME},
    {"min_of",                       "ss",    0,  0,  SCALAR, E,     NV_FN_MIN_OF},
    {"min_over_time",                "m",     0,  0,  VECTOR, 0,     NV_FN_MIN_OVER_TIME},
    {"minute",                       "v",     1,  0,  VECTOR, U,     NV_FN_MINUTE},
    {"month",                        "v",     1,  0,  VECTOR, U,     NV_FN_MONTH},
    {"pi",                           "",      0,  0,  SCALAR, 0,     NV_FN_PI},
    {"predict_linear",               "ms",    0,  0,  VECTOR, U,     NV_FN_PREDICT_LINEAR},
    {"present_over_time",            "m",     0,  0,  VECTOR, 0,     NV_FN_PRESENT_OVER_TIME},
    {"quantile_over_time",           "sm",    0,  0,  VECTOR, 0,     NV_FN_QUANTILE_OVER_TIME},
    {"rad",                          "v",     0,  0,  VECTOR, 0,     NV_FN_RAD},
    {"range",                        "",      0,  0,  SCALAR, E | U, NV_FN_RANGE},
    {"rate",                         "m",     0,  0,  VECTOR, 0,     NV_FN_RATE},
    {"resets",                       "m",     0,  0,  VECTOR, 0,     NV_FN_RESETS},
    {"round",                        "vs",    1,  0,  VECTOR, 0,     NV_FN_ROUND},
    {"scalar",                       "v",     0,  0,  SCALAR, 0,     NV_FN_SCALAR},
    {"sgn",                          "v",     0,  0,  VECTOR, 0,     NV_FN_SGN},
    {"sin",                          "v",     0,  0,  VECTOR, 0,     NV_FN_SIN},
    {"sinh",                         "v",     0,  0,  VECTOR, 0,     NV_FN_SINH},
    {"sort",                         "v",     0,  0,  VECTOR, K,     NV_FN_SORT},
    {"sort_by_label",                "vt",   -1,  0,  VECTOR, E | K, NV_FN_SORT_BY_LABEL},
    {"sort_by_label_desc",           "vt",   -1,  0,  VECTOR, E | K, NV_FN_SORT_BY_LABEL_DESC},
    {"sort_desc",                    "v",     0,  0,  VECTOR, K,     NV_FN_SORT_DESC},
    {"sqrt",                         "v",     0,  0,  VECTOR, 0,     NV_FN_SQRT},
    {"start",                        "",      0,  0,  SCALAR, E | U, NV_FN_START},
    {"start_timestamp",              "v",     0,  0,  VECTOR, E,     NV_FN_START_TIMESTAMP},
    {"stddev_over_time",             "m",     0,  0,  VECTOR, 0,     NV_FN_STDDEV_OVER_TIME},
    {"stdvar_over_time",             "m",     0,  0,  VECTOR, 0,     NV_FN_STDVAR_OVER_TIME},
    {"step",                         "",      0,  0,  SCALAR, E | U, NV_FN_STEP},
    {"sum_over_time",                "m",     0,  0,  VECTOR, 0,     NV_FN_SUM_OVER_TIME},
    {"tan",                          "v",     0,  0,  VECTOR, 0,     NV_FN_TAN},
    {"tanh",                         "v",     0,  0,  VECTOR, 0,     NV_FN_TANH},
    {"time",                         "",      0,  0,  SCALAR, U,     NV_FN_TIME},
    {"timestamp",                    "v",     0,  0,  VECTOR, U,     NV_FN_TIMESTAMP},
    {"ts_of_first_over_time",        "m",     0,  0,  VECTOR, E,     NV_FN_TS_OF_FIRST_OVER_TIME},
    {"ts_of_last_over_time",         "m",     0,  0,  VECTOR, E,     NV_FN_TS_OF_LAST_OVER_TIME},
    {"ts_of_max_over_time",          "m",     0,  0,  VECTOR, E,     NV_FN_TS_OF_MAX_OVER_TIME},
    {"ts_of_min_over_time",          "m",     0,  0,  VECTOR, E,     NV_FN_TS_OF_MIN_OVER_TIME},
    {"vector",                       "s",     0,  0,  VECTOR, 0,     NV_FN_VECTOR},
    {"year",                         "v",     1,  0,  VECTOR, U,     NV_FN_YEAR},
};
// clang-format on

const struct nv_function *nv_function_find(struct nv_str name)
{
    size_t low = 0, high = sizeof(functions) / sizeof(functions[0]);

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = nv_str_cmp(nv_str(functions[middle].name), name);
        if (order == 0)
            return &functions[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct nv_function *nv_function_at(size_t i)
{
    return i < sizeof(functions) / sizeof(functions[0]) ? &functions[i] : NULL;
}

enum nv_value_type nv_function_arg(const struct nv_function *function, size_t i)
{
    size_t n = strlen(function->args);

    switch (function->args[i < n ? i : n - 1]) {
    case 's':
        return NV_VALUE_SCALAR;
    case 'v':
        return NV_VALUE_VECTOR;
    case 'm':
        return NV_VALUE_MATRIX;
    default:
        return NV_VALUE_STRING;
    }
}

size_t nv_function_args_min(const struct nv_function *function)
{
    size_t optional = function->optional < 0 ? 1 : (size_t)function->optional;

    return strlen(function->args) - optional;
}

size_t nv_function_args_max(const struct nv_function *function)
{
    if (function->optional >= 0)
        return strlen(function->args);
    return function->max ? function->max : SIZE_MAX;
}
