/*
 * codec_integer.c - int64 values as what a prediction leaves over. All differences are modulo 2^64.
 *
 *   byte      order: 0, 1 or 2; + 4 where there is a common factor
 *   uvarint   the factor g, where there is one
 *   varint    the first value (of n >= 1)
 *   varint    order 2, n >= 2: the first difference, divided by g
 *   residuals order 0: of the other values, less the first, divided by g;
 *             order 1: of the n - 1 differences of neighbours, divided by g;
 *             order 2: of the n - 2 differences of those
 */
#include "tsdb/codec_parts.h"

enum { ORDERS = 3, HAS_FACTOR = 4 };

static uint64_t common_factor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

/* Of all differences; 0 where there are none. A wrapped difference has no factor but 1. */
static uint64_t factor_of(const int64_t *x, size_t n)
{
    uint64_t factor = 0;

    for (size_t i = 1; i < n && factor != 1; i++) {
        int64_t difference;
        if (__builtin_sub_overflow(x[i], x[i - 1], &difference) || difference == INT64_MIN)
            return 1;
        if (difference)
            factor = common_factor(magnitude(difference), factor);
    }
    return factor;
}

/* r[i] becomes the difference of neighbours i and i + 1, divided. */
static void differences(const int64_t *x, size_t n, uint64_t factor, int64_t *r)
{
    for (size_t i = 1; i < n; i++)
        r[i - 1] = nv_minus(x[i], x[i - 1]);
    for (size_t i = 1; factor > 1 && i < n; i++)
        r[i - 1] /= (int64_t)factor;
}

/* About how many bits the residuals of each order take. */
static void weigh(const int64_t *x, const int64_t *d, size_t n, uint64_t factor,
                  uint64_t weight[ORDERS])
{
    unsigned less = factor > 1 ? nv_width(factor) - 1 : 0;

    weight[0] = weight[1] = weight[2] = 0;
    for (size_t i = 1; i < n; i++) {
        unsigned width = nv_width(magnitude(nv_minus(x[i], x[0])));
        weight[0] += width > less ? width - less : width > 0;
        weight[1] += nv_width(magnitude(d[i - 1]));
        if (i > 1)
            weight[2] += nv_width(magnitude(nv_minus(d[i - 1], d[i - 2])));
    }
}

static unsigned best_order(const uint64_t weight[ORDERS])
{
    unsigned order = 1;

    if (weight[2] < weight[order])
        order = 2;
    if (weight[0] < weight[order])
        order = 0;
    return order;
}

void nv_integers_put(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *x,
                     size_t n, struct nv_buf *out)
{
    uint64_t factor = factor_of(x, n), weight[ORDERS];
    int64_t *d = codec->residuals, *r = codec->trial;

    differences(x, n, factor, d);
    weigh(x, d, n, factor, weight);
    unsigned order = best_order(weight);
    nv_put_byte(out, order | (factor > 1 ? HAS_FACTOR : 0));
    if (factor > 1)
        nv_put_uvarint(out, factor);
    nv_put_varint(out, x[0]);
    if (order == 1 || n < 2) {
        nv_residuals_put(codec, effort, d, n - 1, out);
        return;
    }
    if (order == 2) {
        nv_put_varint(out, d[0]);
        for (size_t i = 2; i < n; i++)
            r[i - 2] = nv_minus(d[i - 1], d[i - 2]);
        nv_residuals_put(codec, effort, r, n - 2, out);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        r[i - 1] = nv_minus(x[i], x[0]);
        if (factor > 1)
            r[i - 1] /= (int64_t)factor;
    }
    nv_residuals_put(codec, effort, r, n - 1, out);
}

/* Undoes the prediction in place: x holds the residuals, from x[order] or x[1] on. */
static void rebuild(int64_t *x, size_t n, unsigned order, uint64_t factor, int64_t first,
                    int64_t slope)
{
    uint64_t at = (uint64_t)first, step = (uint64_t)slope;

    x[0] = first;
    for (size_t i = 1; i < n; i++) {
        uint64_t r = (uint64_t)x[i];
        if (order == 0) {
            x[i] = (int64_t)((uint64_t)first + r * factor);
            continue;
        }
        if (order == 1)
            step = r;
        else if (i > 1)
            step += r;
        at += step * factor;
        x[i] = (int64_t)at;
    }
}

int nv_integers_get(struct nv_codec *codec, struct nv_str *in, int64_t *x, size_t n)
{
    uint64_t factor = 1;
    int64_t first, slope = 0;
    uint8_t head;

    if (!nv_get_byte(in, &head) || (head & 3) >= ORDERS || head >= 2 * HAS_FACTOR)
        return -EBADMSG;
    unsigned order = head & 3, skip = order == 2 ? 2 : 1;
    if (head & HAS_FACTOR && !nv_get_uvarint(in, &factor))
        return -EBADMSG;
    if (!nv_get_varint(in, &first) || (n > 1 && order == 2 && !nv_get_varint(in, &slope)))
        return -EBADMSG;
    if (n > skip) {
        int r = nv_residuals_get(codec, in, x + skip, n - skip);
        if (r < 0)
            return r;
    }
    rebuild(x, n, order, factor, first, slope);
    return 0;
}
