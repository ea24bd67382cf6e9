/*
 * frame.h - one observation of a layout.
 *
 *   shape      one time (int64, ms since the epoch); an observed bit per section; per series of an
 *              observed section a presence bit and a value: a double, or a native histogram
 *   meaning    unobserved: nothing is said of the section's series. Observed and absent: stale
 *   ownership  counted; immutable once given out
 */
#ifndef NV_METRIC_FRAME_H
#define NV_METRIC_FRAME_H

#include "base/arena.h"
#include "metric/histogram.h"
#include "metric/layout.h"

struct nv_frame {
    unsigned refs; /* atomic */
    struct nv_layout *layout;
    int64_t time_ms;
    size_t n_series; /* that of the layout */
    uint64_t *observed, *present;
    double *values;
    const struct nv_histogram *
        *histograms; /* by column, NULL where a value is a double; or NULL for none */
    int64_t *own_ms; /* as samples brought them, by column, 0 for none; or NULL. Owned */
    struct nv_frame *next_free;
    size_t room_series, room_sections; /* sizes of the arrays */
    struct nv_frame_pool *pool;
    const struct nv_histogram **histogram_columns; /* what `histograms` is where there are any */
    size_t room_histograms;
    struct nv_arena histogram_memory;
};

static inline bool nv_bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static inline void nv_bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline bool nv_frame_has(const struct nv_frame *frame, size_t column)
{
    return nv_bit(frame->present, column);
}

/* When a present value was observed. */
static inline int64_t nv_frame_time(const struct nv_frame *frame, size_t column)
{
    int64_t own_ms = frame->own_ms ? frame->own_ms[column] : 0;

    return own_ms ? own_ms : frame->time_ms;
}

/* Frames are made from a pool, which keeps the memory of those given back. */
struct nv_frame_pool *nv_frame_pool_new(void);
void nv_frame_pool_free(struct nv_frame_pool *pool);
NV_DEFINE_AUTO(nv_frame_pool)

/* An empty frame of the layout (whose count it takes a share of), or NULL. */
struct nv_frame *nv_frame_new(struct nv_frame_pool *pool, struct nv_layout *layout,
                              int64_t time_ms);

/* Makes a copy of a histogram the present value of a column, before the frame is given out. -ENOMEM. */
NV_MUST_USE int nv_frame_put_histogram(struct nv_frame *frame, size_t column,
                                       const struct nv_histogram *histogram);
struct nv_frame *nv_frame_ref(struct nv_frame *frame);
void nv_frame_unref(struct nv_frame *frame);
static inline void nv_frame_free(struct nv_frame *frame)
{
    if (frame)
        nv_frame_unref(frame);
}
NV_DEFINE_AUTO(nv_frame)

#endif
