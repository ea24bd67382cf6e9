/*
 * prom_chunk.c - chunks of Prometheus: XOR (1), integer (2) and float (3) histograms.
 *
 *   all        encoding byte | BE16 samples | [flags byte of histograms] | bits, most significant first
 *   XOR        varint t, 64-bit value; uvarint step, value code; then the step's change by class, value code
 *   value      the xor with the one before: 0 for none; 10 + bits within the last window; 11 + 5 bits of leading
 *              zeros + 6 bits of width + bits
 *   histogram  flags: 10...... reset, 01...... none, 11...... gauge, 00...... unknown; layout: zero threshold, schema, spans,
 *              custom bounds; first sample whole, later ones as change of change (integers) or xor (floats)
 *   varbit     an integer by class: one more 1 in front for each larger class
 *
 * A reader takes all samples of a histogram chunk but the first for "no reset", so a reset begins a chunk, as
 * does another layout. In a stale one only time and sum count; none but stale ones follow it.
 */
#include "tsdb/prom_chunk.h"

#include <math.h>

#include "base/assert.h"
#include "tsdb/codec.h"

enum { XOR = 1, HISTOGRAM = 2, FLOAT_HISTOGRAM = 3 };

struct bits {
    struct nv_buf *out;
    unsigned left; /* bits free in the last byte */
};

static void put(struct bits *bits, uint64_t value, unsigned n)
{
    while (n) {
        if (!bits->left) {
            nv_buf_char(bits->out, 0);
            bits->left = 8;
        }
        if (bits->out->failed)
            return;
        unsigned take = n < bits->left ? n : bits->left;
        unsigned part = (unsigned)(value >> (n - take)) & ((1u << take) - 1);
        unsigned char *last = (unsigned char *)bits->out->p + bits->out->n - 1;
        *last = (unsigned char)(*last | part << (bits->left - take));
        bits->left -= take;
        n -= take;
    }
}

/* ---- codes ---------------------------------------------------------------------------------- */

/* A class of `width` bits holds -(2^(width-1) - 1) ... 2^(width-1). */
static bool fits(int64_t value, unsigned width)
{
    int64_t half = INT64_C(1) << (width - 1);

    return value > -half && value <= half;
}

static const struct {
    unsigned width;
    uint64_t prefix;
    unsigned prefix_width;
} steps[] = {
    {14, 2,  2},
    {17, 6,  3},
    {20, 14, 4},
};

/* The change of a step, in XOR chunks. */
static void put_step(struct bits *bits, int64_t change)
{
    if (!change) {
        put(bits, 0, 1);
        return;
    }
    for (size_t i = 0; i < NV_LEN(steps); i++) {
        if (fits(change, steps[i].width)) {
            put(bits, steps[i].prefix, steps[i].prefix_width);
            put(bits, (uint64_t)change, steps[i].width);
            return;
        }
    }
    put(bits, 15, 4);
    put(bits, (uint64_t)change, 64);
}

static const unsigned varbit_widths[] = {3, 6, 9, 12, 18, 25, 56, 64};

/* `class`: i ones and, but for the last, a zero. */
static void put_class(struct bits *bits, size_t class, uint64_t value)
{
    size_t ones = class + 1;
    bool last = ones == NV_LEN(varbit_widths);

    put(bits, last ? 0xff : (UINT64_C(1) << (ones + 1)) - 2, (unsigned)ones + !last);
    put(bits, value, varbit_widths[class]);
}

static void put_varbit(struct bits *bits, int64_t value)
{
    size_t class = 0;

    if (!value) {
        put(bits, 0, 1);
        return;
    }
    while (class + 1 < NV_LEN(varbit_widths) && !fits(value, varbit_widths[class]))
        class ++;
    put_class(bits, class, (uint64_t)value);
}

static void put_uvarbit(struct bits *bits, uint64_t value)
{
    size_t class = 0;

    if (!value) {
        put(bits, 0, 1);
        return;
    }
    while (class + 1 < NV_LEN(varbit_widths) && value >> varbit_widths[class])
        class ++;
    put_class(bits, class, value);
}

/* The value before, and the window of its xor. */
struct xor_state {
    uint64_t before;
    unsigned leading, trailing;
    bool has_window;
};

static void put_xor(struct bits *bits, struct xor_state *state, double value)
{
    uint64_t x = nv_bits_of(value) ^ state->before;

    state->before ^= x;
    put(bits, x != 0, 1);
    if (!x)
        return;
    unsigned leading = (unsigned)__builtin_clzll(x), trailing = (unsigned)__builtin_ctzll(x);
    if (leading > 31)
        leading = 31;
    bool reuse = state->has_window && leading >= state->leading && trailing >= state->trailing;
    if (!reuse) {
        state->leading = leading;
        state->trailing = trailing;
        state->has_window = true;
    }
    unsigned width = 64 - state->leading - state->trailing;
    put(bits, !reuse, 1);
    if (!reuse) {
        put(bits, leading, 5);
        put(bits, width & 63, 6);
    }
    put(bits, x >> state->trailing, width);
}

static void put_header(struct nv_buf *out, uint8_t encoding, size_t n)
{
    nv_buf_char(out, (char)encoding);
    nv_buf_char(out, (char)(n >> 8));
    nv_buf_char(out, (char)n);
}

/* ---- doubles -------------------------------------------------------------------------------- */

static const struct nv_histogram *histogram_at(const struct nv_samples *samples, size_t i)
{
    return samples->histograms ? samples->histograms[i] : NULL;
}

static size_t xor_chunk(const struct nv_samples *samples, size_t from, struct nv_buf *out)
{
    const int64_t *times = samples->times + from;
    const double *values = samples->values + from;
    struct bits bits = {out, 0};
    struct xor_state state = {0};
    uint64_t step = 0; /* wraps, as in Go, where times are worlds apart */
    size_t n = 1;

    while (n < NV_PROM_CHUNK_SAMPLES_MAX && from + n < samples->n &&
           !histogram_at(samples, from + n))
        n++;
    put_header(out, XOR, n);
    nv_put_varint(out, times[0]);
    put(&bits, nv_bits_of(values[0]), 64);
    state.before = nv_bits_of(values[0]);
    for (size_t i = 1; i < n; i++) {
        uint64_t next = (uint64_t)times[i] - (uint64_t)times[i - 1];
        if (i == 1)
            for (uint64_t rest = next;; rest >>= 7) { /* a uvarint, which need not begin a byte */
                put(&bits, (rest & 0x7f) | (rest > 0x7f ? 0x80 : 0), 8);
                if (rest <= 0x7f)
                    break;
            }
        else
            put_step(&bits, (int64_t)(next - step));
        step = next;
        put_xor(&bits, &state, values[i]);
    }
    return n;
}

/* ---- histograms ----------------------------------------------------------------------------- */

static bool is_whole(double value)
{
    return value >= 0 && value < 0x1p62 && value == (double)(int64_t)value;
}

static bool are_whole(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_whole(values[i]))
            return false;
    return true;
}

static bool is_integral(const struct nv_histogram *h)
{
    return !h->is_float && is_whole(h->count) && is_whole(h->zero_count) &&
           are_whole(h->positive, h->n_positive) && are_whole(h->negative, h->n_negative);
}

static bool same_spans(const struct nv_span *a, size_t n_a, const struct nv_span *b, size_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

static bool same_layout(const struct nv_histogram *a, const struct nv_histogram *b)
{
    return a->schema == b->schema &&
           nv_bits_of(a->zero_threshold) == nv_bits_of(b->zero_threshold) &&
           a->n_positive == b->n_positive && a->n_negative == b->n_negative &&
           same_spans(a->positive_spans, a->n_positive_spans, b->positive_spans,
                      b->n_positive_spans) &&
           same_spans(a->negative_spans, a->n_negative_spans, b->negative_spans,
                      b->n_negative_spans) &&
           a->n_custom == b->n_custom &&
           (a->n_custom == 0 ||
            memcmp(a->custom_values, b->custom_values, a->n_custom * sizeof(double)) == 0);
}

static bool none_fell(const double *before, const double *now, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (now[i] < before[i])
            return false;
    return true;
}

/* Whether b may follow a in a chunk. */
static bool may_follow(const struct nv_histogram *a, const struct nv_histogram *b)
{
    bool gauge = a->reset_hint == NV_RESET_GAUGE;

    if (nv_is_stale(a->sum) || nv_is_stale(b->sum))
        return nv_is_stale(b->sum) && is_integral(a) == is_integral(b);
    if (is_integral(a) != is_integral(b) || !same_layout(a, b) ||
        gauge != (b->reset_hint == NV_RESET_GAUGE))
        return false;
    if (gauge)
        return true;
    return b->reset_hint != NV_RESET_YES && b->count >= a->count &&
           b->zero_count >= a->zero_count && none_fell(a->positive, b->positive, a->n_positive) &&
           none_fell(a->negative, b->negative, a->n_negative);
}

static void put_threshold(struct bits *bits, double threshold)
{
    int exponent;
    double fraction = frexp(threshold, &exponent);

    if (threshold == 0) {
        put(bits, 0, 8);
    } else if (fraction == 0.5 && exponent >= -242 && exponent <= 11) {
        put(bits, (uint64_t)(exponent + 243), 8);
    } else {
        put(bits, 255, 8);
        put(bits, nv_bits_of(threshold), 64);
    }
}

static void put_spans(struct bits *bits, const struct nv_span *spans, size_t n)
{
    put_uvarbit(bits, n);
    for (size_t i = 0; i < n; i++) {
        put_uvarbit(bits, spans[i].length);
        put_varbit(bits, spans[i].offset);
    }
}

static void put_bound(struct bits *bits, double bound)
{
    double thousands = bound * 1000;

    if (thousands >= 0 && thousands <= 33554430 && round(thousands) / 1000 == bound) {
        put_uvarbit(bits, (uint64_t)round(thousands) + 1);
        return;
    }
    put(bits, 0, 1);
    put(bits, nv_bits_of(bound), 64);
}

static void put_layout(struct bits *bits, const struct nv_histogram *h)
{
    put_threshold(bits, h->zero_threshold);
    put_varbit(bits, h->schema);
    put_spans(bits, h->positive_spans, h->n_positive_spans);
    put_spans(bits, h->negative_spans, h->n_negative_spans);
    if (h->schema != NV_HISTOGRAM_CUSTOM)
        return;
    put_uvarbit(bits, h->n_custom);
    for (size_t i = 0; i < h->n_custom; i++)
        put_bound(bits, h->custom_values[i]);
}

/* What the sample before was, number by number: time, count, zero count, buckets. */
struct number_state {
    int64_t value, change;
};
struct histogram_state {
    struct number_state time, count, zero, *buckets;
    struct xor_state sum, float_count, float_zero, *floats;
};

static void put_number(struct bits *bits, struct number_state *state, int64_t value)
{
    int64_t change = (int64_t)((uint64_t)value - (uint64_t)state->value);

    put_varbit(bits, (int64_t)((uint64_t)change - (uint64_t)state->change));
    *state = (struct number_state){value, change};
}

static void put_float(struct bits *bits, struct xor_state *state, double value, bool first)
{
    if (!first) {
        put_xor(bits, state, value);
        return;
    }
    put(bits, nv_bits_of(value), 64);
    state->before = nv_bits_of(value);
}

/* The buckets of one sign, each as its difference from the one to its left. */
static void put_counts(struct bits *bits, struct number_state *states, const double *counts,
                       size_t n, bool first)
{
    int64_t left = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t count = (int64_t)counts[i], value = count - left;
        left = count;
        if (first) {
            put_varbit(bits, value);
            states[i] = (struct number_state){value, 0};
        } else {
            put_number(bits, &states[i], value);
        }
    }
}

static void put_integers(struct bits *bits, struct histogram_state *state, int64_t time,
                         const struct nv_histogram *h, bool first)
{
    bool stale = nv_is_stale(h->sum);

    if (first) {
        put_varbit(bits, time);
        put_uvarbit(bits, (uint64_t)h->count);
        put_uvarbit(bits, (uint64_t)h->zero_count);
        state->time.value = time;
        state->count.value = (int64_t)h->count;
        state->zero.value = (int64_t)h->zero_count;
    } else {
        put_number(bits, &state->time, time);
        put_number(bits, &state->count,
                   stale ? state->count.value + state->count.change : (int64_t)h->count);
        put_number(bits, &state->zero,
                   stale ? state->zero.value + state->zero.change : (int64_t)h->zero_count);
    }
    put_float(bits, &state->sum, h->sum, first);
    put_counts(bits, state->buckets, h->positive, h->n_positive, first);
    if (state->buckets)
        put_counts(bits, state->buckets + h->n_positive, h->negative, h->n_negative, first);
}

static void put_floats(struct bits *bits, struct histogram_state *state, int64_t time,
                       const struct nv_histogram *h, bool first)
{
    if (first) {
        put_varbit(bits, time);
        state->time.value = time;
    } else {
        put_number(bits, &state->time, time);
    }
    put_float(bits, &state->float_count, h->count, first);
    put_float(bits, &state->float_zero, h->zero_count, first);
    put_float(bits, &state->sum, h->sum, first);
    for (size_t i = 0; i < h->n_positive; i++)
        put_float(bits, &state->floats[i], h->positive[i], first);
    for (size_t i = 0; i < h->n_negative; i++)
        put_float(bits, &state->floats[h->n_positive + i], h->negative[i], first);
}

static uint8_t reset_flags(const struct nv_histogram *h)
{
    static const uint8_t flags[] = {[NV_RESET_UNKNOWN] = 0,
                                    [NV_RESET_YES] = 0x80,
                                    [NV_RESET_NO] = 0x40,
                                    [NV_RESET_GAUGE] = 0xc0};

    nv_assert(h->reset_hint < NV_LEN(flags));
    return flags[h->reset_hint];
}

/* Writes n histograms that may follow each other. */
static void histogram_chunk(const struct nv_samples *samples, size_t from, size_t n,
                            struct nv_buf *out)
{
    const struct nv_histogram *first = samples->histograms[from];
    bool integral = is_integral(first);
    size_t n_buckets = (size_t)first->n_positive + first->n_negative;
    NV_AUTO_FREE void *buckets =
        calloc(n_buckets + 1, integral ? sizeof(struct number_state) : sizeof(struct xor_state));
    struct histogram_state state = {.buckets = buckets, .floats = buckets};
    struct bits bits = {out, 0};

    if (!buckets) {
        out->failed = -ENOMEM;
        return;
    }
    put_header(out, integral ? HISTOGRAM : FLOAT_HISTOGRAM, n);
    nv_buf_char(out, (char)reset_flags(first));
    const struct nv_histogram empty = {.sum = first->sum};
    put_layout(&bits, nv_is_stale(first->sum) ? &empty : first);
    for (size_t i = 0; i < n; i++) {
        const struct nv_histogram *h = samples->histograms[from + i];
        const struct nv_histogram stale = {.sum = h->sum};
        (integral ? put_integers : put_floats)(&bits, &state, samples->times[from + i],
                                               nv_is_stale(h->sum) ? &stale : h, i == 0);
    }
}

size_t nv_prom_chunk(const struct nv_samples *samples, size_t from, struct nv_buf *out)
{
    size_t n = 1;

    nv_assert(from < samples->n);
    if (!histogram_at(samples, from))
        return xor_chunk(samples, from, out);
    for (; n < NV_PROM_CHUNK_SAMPLES_MAX && from + n < samples->n; n++) {
        const struct nv_histogram *next = samples->histograms[from + n];
        if (!next || !may_follow(samples->histograms[from + n - 1], next))
            break;
    }
    histogram_chunk(samples, from, n, out);
    return n;
}
