/*
 * promql_random.h - well-typed expressions and series for them, from a seed.
 */
#ifndef NV_TEST_PROMQL_RANDOM_H
#define NV_TEST_PROMQL_RANDOM_H

#include "base/buf.h"
#include "support/promql_series.h"

struct nv_dice {
    uint64_t state;
    bool
        floats; /* neither histograms nor what only they have; nothing that looks at the whole range */
};

uint64_t nv_dice_roll(struct nv_dice *dice, uint64_t n); /* below n */

/* An instant vector. */
void nv_random_expression(struct nv_dice *dice, struct nv_buf *out);

/* A few series over half an hour: counters with resets, gauges, gaps, markers, and histograms unless `floats`. */
void nv_random_series(struct nv_dice *dice, struct nv_memory_series *memory);

#endif
