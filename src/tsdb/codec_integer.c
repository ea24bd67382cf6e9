/*
 * codec_integer.c - int64 values as what a prediction leaves over. All differences are modulo 2^64.
 *
 *   byte      order: 0, 1 or 2; + 4 where there is a common factor
 *   uvarint   the factor g, where there is one
 *   varint    order 1 and 2: the first value; order 0: where there is a factor, what it leaves over
 *   varint    order 2: the first difference, divided by g
 *   residuals order 0: of all values, less what g leaves over, divided by g;
 *             order 1: of the n - 1 differences of neighbours, divided by g;
 *             order 2: of the n - 2 differences of those
 */
#include "tsdb/coded.h"

enum { ORDERS = 3, HAS_FACTOR = 4 };

struct plan {
    uint64_t factor; /* 0 and 1 are none */
    int64_t offset;
    unsigned order;
};

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

/* What divides evenly once the offset is taken off; which by itself might leave the range. */
static int64_t floor_of(int64_t x, uint64_t factor)
{
    int64_t quotient = x / (int64_t)factor;

    return quotient - (x % (int64_t)factor < 0);
}

/* Of x, or of its n - 1 differences d: residuals into r. Returns how many. */
static size_t predict(const int64_t *x, const int64_t *d, size_t n, struct plan plan, int64_t *r)
{
    if (plan.order == 0) {
        for (size_t i = 0; i < n; i++)
            r[i] = plan.factor > 1 ? floor_of(x[i], plan.factor) : x[i];
        return n;
    }
    if (plan.order == 1) {
        memcpy(r, d, (n - 1) * sizeof(*r));
        return n - 1;
    }
    for (size_t i = 2; i < n; i++)
        r[i - 2] = nv_minus(d[i - 1], d[i - 2]);
    return n - 2;
}

/* A quick weight for pages in memory: what all would take in bits of their own. */
static double widths(const int64_t *r, size_t n)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < n; i++)
        bits += nv_width(nv_zigzag(r[i]));
    return (double)bits;
}

static double width_of_range(const int64_t *r, size_t n)
{
    int64_t least = r[0], most = r[0];

    for (size_t i = 1; i < n; i++) {
        least = r[i] < least ? r[i] : least;
        most = r[i] > most ? r[i] : most;
    }
    return (double)n * nv_width((uint64_t)nv_minus(most, least));
}

static double weigh(enum nv_codec_effort effort, unsigned order, const int64_t *r, size_t n)
{
    if (effort == NV_CODEC_SMALL)
        return nv_coded_weigh(r, n);
    return order ? widths(r, n) : width_of_range(r, n);
}

/* What is left over by a common factor. */
static int64_t offset_of(int64_t x, uint64_t factor)
{
    int64_t rest = factor > 1 ? x % (int64_t)factor : 0;

    return rest < 0 ? rest + (int64_t)factor : rest;
}

/* Finds factor and order, with the differences in codec->residuals. Returns the weight. */
static double best_plan(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *x,
                        size_t n, struct plan *ret)
{
    struct plan plan = {.factor = factor_of(x, n)};
    double least = 0;

    plan.offset = offset_of(x[0], plan.factor);
    plan.order = 1;
    differences(x, n, plan.factor, codec->residuals);
    *ret = plan;
    for (unsigned order = 0; n > 2 && order < ORDERS; order++) {
        plan.order = order;
        size_t many = predict(x, codec->residuals, n, plan, codec->trial);
        double weight = weigh(effort, order, codec->trial, many);
        if (order == 0 || weight < least) {
            least = weight;
            *ret = plan;
        }
    }
    return least;
}

double nv_integers_weigh(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *x,
                         size_t n)
{
    struct plan plan;

    return best_plan(codec, effort, x, n, &plan);
}

void nv_integers_put(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *x,
                     size_t n, struct nv_buf *out)
{
    struct plan plan;

    (void)best_plan(codec, effort, x, n, &plan);
    nv_put_byte(out, plan.order | (plan.factor > 1 ? HAS_FACTOR : 0));
    if (plan.factor > 1)
        nv_put_uvarint(out, plan.factor);
    if (plan.order > 0)
        nv_put_varint(out, x[0]);
    else if (plan.factor > 1)
        nv_put_varint(out, plan.offset);
    if (plan.order == 2)
        nv_put_varint(out, codec->residuals[0]);
    size_t many = predict(x, codec->residuals, n, plan, codec->trial);
    nv_residuals_put(codec, effort, codec->trial, many, out);
}

/* Undoes the prediction in place: x holds the residuals, from x[order] on. */
static void rebuild(int64_t *x, size_t n, unsigned order, uint64_t factor, int64_t first,
                    int64_t slope)
{
    uint64_t at = (uint64_t)first, step = (uint64_t)slope * factor;

    if (order == 0) {
        for (size_t i = 0; i < n; i++)
            x[i] = (int64_t)(at + (uint64_t)x[i] * factor);
        return;
    }
    x[0] = first;
    if (order == 1) {
        for (size_t i = 1; i < n; i++)
            x[i] = (int64_t)(at += (uint64_t)x[i] * factor);
        return;
    }
    x[1] = (int64_t)(at += step);
    for (size_t i = 2; i < n; i++) {
        step += (uint64_t)x[i] * factor;
        x[i] = (int64_t)(at += step);
    }
}

int nv_integers_get(struct nv_codec *codec, struct nv_str *in, int64_t *x, size_t n)
{
    uint64_t factor = 1;
    int64_t first = 0, slope = 0;
    uint8_t head;

    if (!nv_get_byte(in, &head) || (head & 3) >= ORDERS || head >= 2 * HAS_FACTOR)
        return -EBADMSG;
    unsigned order = head & 3;
    if (order > n || (head & HAS_FACTOR && !nv_get_uvarint(in, &factor)))
        return -EBADMSG;
    if (head && !nv_get_varint(in, &first))
        return -EBADMSG;
    if (order == 2 && !nv_get_varint(in, &slope))
        return -EBADMSG;
    int r = nv_residuals_get(codec, in, x + order, n - order);
    if (r < 0)
        return r;
    rebuild(x, n, order, factor, first, slope);
    return 0;
}
