/*
 * log_coder.h - what the writer and the reader of values do alike. The format stands in log_values.c; only that and
 * log_values_get.c include this.
 */
#ifndef NV_TSDB_LOG_CODER_H
#define NV_TSDB_LOG_CODER_H

#include "metric/frame.h"
#include "tsdb/codec_parts.h"
#include "tsdb/log_values.h"

enum {
    NV_CODER_UNARY = 7,
    NV_CODER_FIRST_K = 4,
    NV_CODER_OPERATION_BITS = 4,
    NV_CODER_SHIFT_BITS = 6,
    NV_CODER_WIDTH_BITS = 6,
    NV_CODER_MEAN_BIT = 64,
    NV_CODER_MEAN_SHARE = 16,
    NV_CODER_FRESH = UINT16_MAX, /* no mean yet */
};

/* How the kernel's integer became the value: i / by, or i * by. */
static const struct {
    double by;
    bool times;
} nv_coder_operations[] = {
    {1,    false},
    {1e1,  false},
    {1e2,  false},
    {1e3,  false},
    {1e6,  false},
    {1e9,  false},
    {1e-1, true },
    {1e-2, true },
    {1e-3, true },
    {1e-6, true },
    {1e-9, true },
};
enum { NV_CODER_BITS = sizeof(nv_coder_operations) / sizeof(nv_coder_operations[0]) };

static const double nv_coder_integer_max = 9007199254740992.0; /* 2^53 */

static inline size_t nv_coder_words(size_t bits)
{
    return bits / 64 + 1;
}

static inline double nv_coder_value(int64_t integer, unsigned operation)
{
    if (operation == NV_CODER_BITS)
        return nv_double_of((uint64_t)integer);
    return nv_coder_operations[operation].times
               ? (double)integer * nv_coder_operations[operation].by
               : (double)integer / nv_coder_operations[operation].by;
}

/* The integer behind a value, where the operation gives the very same bits back. */
static inline bool nv_coder_integer(double value, unsigned operation, int64_t *ret)
{
    if (operation == NV_CODER_BITS) {
        *ret = (int64_t)nv_bits_of(value);
        return true;
    }
    if (operation == 0) { /* most */
        if (!(value > -nv_coder_integer_max && value < nv_coder_integer_max))
            return false;
        *ret = (int64_t)value;
        return nv_bits_of((double)*ret) == nv_bits_of(value);
    }
    double by = nv_coder_operations[operation].by;
    double scaled = nv_coder_operations[operation].times ? value / by : value * by;
    if (!(scaled > -nv_coder_integer_max && scaled < nv_coder_integer_max))
        return false;
    *ret = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    return nv_bits_of(nv_coder_value(*ret, operation)) == nv_bits_of(value);
}

static inline unsigned nv_coder_k(uint16_t mean)
{
    if (mean == NV_CODER_FRESH)
        return NV_CODER_FIRST_K;
    return mean < NV_CODER_MEAN_BIT / 2 ? 0 : (mean - NV_CODER_MEAN_BIT / 2u) / NV_CODER_MEAN_BIT;
}

static inline uint16_t nv_coder_follow_mean(uint16_t mean, unsigned width)
{
    if (mean == NV_CODER_FRESH)
        return (uint16_t)(width * NV_CODER_MEAN_BIT);
    return (uint16_t)(mean - mean / NV_CODER_MEAN_SHARE +
                      width * (NV_CODER_MEAN_BIT / NV_CODER_MEAN_SHARE));
}

static inline bool nv_coder_uses_step(const struct nv_log_coder *c)
{
    return c->step_mean != NV_CODER_FRESH && c->step_mean + NV_CODER_MEAN_BIT / 2u < c->mean;
}

/* A change was told: what the next will be told by. */
static inline void nv_coder_follow(struct nv_log_coder *c, int64_t d)
{
    if (c->mean != NV_CODER_FRESH)
        c->step_mean =
            nv_coder_follow_mean(c->step_mean, nv_width(nv_zigzag(nv_minus(d, c->step))));
    c->mean = nv_coder_follow_mean(c->mean, nv_width(c->negative ? nv_zigzag(d) : (uint64_t)d));
    c->step = d;
}

static inline void nv_coder_begin(struct nv_log_coder *c, int64_t integer)
{
    c->integer = integer;
    c->step = 0;
    c->mean = c->step_mean = NV_CODER_FRESH;
}

static inline void nv_coder_note(struct nv_log_values *values, size_t w, uint64_t changed)
{
    values->active[w] |= changed & values->used[w];
    values->used[w] |= changed;
    values->formed[w] |= changed;
}

/* The columns of a word there are, of n. */
static inline uint64_t nv_coder_columns(size_t w, size_t n)
{
    return n >= w * 64 + 64 ? UINT64_MAX : n > w * 64 ? (UINT64_C(1) << (n - w * 64)) - 1 : 0;
}

#endif
