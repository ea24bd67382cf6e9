/*
 * slide.h - what goes along with a window as it moves over a series, so that a step costs what enters and leaves
 * and not what the window holds.
 *
 *   memory     the evaluator's scratch, for the time of a series
 *   windows    [low, high) of the series' floats; both ends only move forward
 *   exactness  nothing is ever subtracted from a sum: what left has been added to none that is still in use
 */
#ifndef NV_PROMQL_SLIDE_H
#define NV_PROMQL_SLIDE_H

#include "promql/eval_parts.h"

/* A sum of twice a double's digits. */
struct nv_twin {
    double high, low;
};

/* Sums over [low, high): those of what was there at the last turn, from each sample on, and of what came since. */
struct nv_slide_sums {
    struct nv_twin *y, *xy; /* by sample of the front part, from `turn - n_front` on */
    size_t room, n_front, turn, high;
    struct nv_twin back_y, back_xy;
    __int128 x, xx; /* of [x_low, x_high), exact */
    size_t x_low, x_high;
};

/* Samples in order of value. */
struct nv_slide_order {
    double *sorted;
    size_t room, low, high;
};

/* Candidates for the extreme, the best first; numbers of samples. */
struct nv_slide_queue {
    uint32_t *at;
    size_t first, n, high;
};

/* Samples at which something happened, in order. */
struct nv_slide_events {
    const uint32_t *at;
    size_t n, first, end;
};

struct nv_slider {
    bool begun, direct; /* direct: the series is not fit for it, each window is seen by itself */
    bool noted;         /* a remark has been made of this series */
    size_t constant_from, constant_high; /* the last run of equal values among those before */
    union {
        struct nv_slide_sums sums;
        struct nv_slide_order order;
        struct nv_slide_queue queue;
        struct nv_slide_events events;
    };
};

/* Sums of a window, x in seconds from an origin. */
struct nv_sums {
    double x, xx, xy;
    struct nv_twin y;
};

/* Each returns 0, 1 where the window must be seen by itself, or an error. */
int nv_slide_sum(struct nv_eval *ev, const struct nv_window *w, struct nv_twin *ret);
int nv_slide_sums(struct nv_eval *ev, const struct nv_window *w, int64_t origin_ms,
                  struct nv_sums *ret);
int nv_slide_order(struct nv_eval *ev, const struct nv_window *w, const double **ret);
int nv_slide_extreme(struct nv_eval *ev, const struct nv_window *w, bool is_max, bool last,
                     size_t *ret);

/* Those of a window behind its first sample. `happens` looks at a sample and the one before. */
typedef bool (*nv_event_fn)(const struct nv_window *all, size_t i);
bool nv_is_reset(const struct nv_window *w, size_t i); /* rate.c */
int nv_slide_events(struct nv_eval *ev, const struct nv_window *w, nv_event_fn happens,
                    const uint32_t **ret, size_t *ret_n);

/* Whether all of a window are equal. */
bool nv_slide_is_constant(const struct nv_window *w);

static inline double nv_twin_value(struct nv_twin t)
{
    return t.high + t.low;
}

static inline struct nv_twin nv_twin_add(struct nv_twin a, struct nv_twin b)
{
    double s = a.high + b.high, part = s - a.high;
    double rest = (a.high - (s - part)) + (b.high - part) + a.low + b.low;
    double high = s + rest;

    return (struct nv_twin){high, rest - (high - s)};
}

/* a * b without rounding, while no part leaves the range of doubles. */
static inline struct nv_twin nv_twin_product(double a, double b)
{
    const double split = 134217729; /* 2^27 + 1 */
    double p = a * b, x = a * split, y = b * split;
    double a_high = x - (x - a), b_high = y - (y - b);
    double a_low = a - a_high, b_low = b - b_high;

    return (struct nv_twin){p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) +
                                   a_low * b_low};
}

static inline struct nv_twin nv_twin_times(struct nv_twin a, double b)
{
    struct nv_twin p = nv_twin_product(a.high, b);

    return nv_twin_add(p, (struct nv_twin){a.low * b, 0});
}

#endif
