/*
 * codec_operation.c - how doubles are made of integers i. The numbers are part of the format.
 *
 *     0       i
 *     1       the bits of the double, ordered as doubles are: i >= 0 as they stand, i < 0 all but the sign flipped
 *     2       i * 2^-k, k given with the column
 *   3 .. 22   i * 10^-k or i / 10^k, as listed below; i / 1000 / 1000
 *
 * Each is one or two IEEE operations on (double)i, rounded to nearest, so every machine gives the same.
 * Multiples of whole numbers need no operation: the common factor of integers takes them.
 */
#include "tsdb/codec_operation.h"

#include <math.h>

enum kind { AS_INTEGER, AS_BITS, AS_BINARY, TIMES, OVER, OVER_TWICE };

static const struct {
    enum kind kind;
    double by, inverse;
} table[] = {
    {AS_INTEGER, 1,    1   },
    {AS_BITS,    1,    1   },
    {AS_BINARY,  1,    1   },
    {OVER,       10,   10  },
    {OVER,       100,  100 },
    {OVER,       1000, 1000},
    {TIMES,      1e-3, 1000},
    {TIMES,      1e-2, 100 },
    {TIMES,      1e-1, 10  },
    {OVER,       1e4,  1e4 },
    {OVER,       1e5,  1e5 },
    {OVER,       1e6,  1e6 },
    {TIMES,      1e-6, 1e6 },
    {OVER_TWICE, 1e3,  1e6 },
    {TIMES,      1e-4, 1e4 },
    {TIMES,      1e-5, 1e5 },
    {OVER,       1e7,  1e7 },
    {OVER,       1e8,  1e8 },
    {OVER,       1e9,  1e9 },
    {TIMES,      1e-9, 1e9 },
    {TIMES,      1e-7, 1e7 },
    {TIMES,      1e-8, 1e8 },
    {OVER,       1e12, 1e12},
};
_Static_assert(NV_LEN(table) <= NV_OPERATIONS_MAX, "an operation's number fits its byte");

enum { SHIFT_MAX = 62 };
static const double LIMIT = 9.2e18; /* a little below 2^63 */

static int64_t ordered(uint64_t bits)
{
    return (int64_t)(bits >> 63 ? bits ^ INT64_MAX : bits);
}

bool nv_operation_known(unsigned number)
{
    return number < NV_LEN(table);
}

bool nv_operation_is_fine(struct nv_made operation)
{
    return table[operation.number].inverse >= 1e6 || operation.number == NV_AS_BINARY;
}

static inline double apply(enum kind kind, double by, int64_t i)
{
    switch (kind) {
    case AS_BITS:
        return nv_double_of((uint64_t)ordered((uint64_t)i));
    case AS_BINARY:
    case TIMES:
        return (double)i * by;
    case OVER:
        return (double)i / by;
    case OVER_TWICE:
        return (double)i / by / by;
    case AS_INTEGER:
    default:
        return (double)i;
    }
}

#define EACH(kind_, by_)                                                                           \
    for (size_t i = 0; i < n; i++)                                                                 \
        values[i] = apply(kind_, by_, ints[i]);                                                    \
    return

void nv_operation_apply(struct nv_made operation, const int64_t *ints, double *values, size_t n)
{
    double by = table[operation.number].by;

    switch (table[operation.number].kind) { /* a loop each, which compilers make vectors of */
    case AS_INTEGER:
        EACH(AS_INTEGER, 1);
    case AS_BITS:
        EACH(AS_BITS, 1);
    case AS_BINARY:
        by = ldexp(1, -(int)operation.shift);
        EACH(TIMES, by);
    case TIMES:
        EACH(TIMES, by);
    case OVER:
        EACH(OVER, by);
    case OVER_TWICE:
        EACH(OVER_TWICE, by);
    }
}

void nv_operation_bits(struct nv_codec *codec, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        codec->ints[i] = ordered(nv_bits_of(values[i]));
}

static int64_t nearest(double value)
{
    return (int64_t)(value < 0 ? value - 0.5 : value + 0.5);
}

void nv_operation_near(struct nv_made operation, const double *values, int64_t *ints, size_t n)
{
    double inverse = table[operation.number].inverse;

    if (operation.number == NV_AS_BINARY)
        inverse = ldexp(1, (int)operation.shift);
    for (size_t i = 0; i < n; i++) {
        double scaled = values[i] * inverse;
        ints[i] = scaled > -LIMIT && scaled < LIMIT ? nearest(scaled) : 0;
    }
}

/* The exceptions of one operation; stops with -1 when there are too many. */
static int try(struct nv_codec *codec, const double *values, size_t n, size_t max_odd,
               enum kind kind, double by, double inverse)
{
    int64_t last = 0;
    size_t n_odd = 0;

    for (size_t i = 0; i < n; i++) {
        double scaled = values[i] * inverse;
        if (scaled > -LIMIT && scaled < LIMIT) {
            int64_t whole = kind == AS_INTEGER ? (int64_t)scaled : nearest(scaled);
            if (nv_bits_of(apply(kind, by, whole)) == nv_bits_of(values[i])) {
                codec->ints[i] = last = whole;
                continue;
            }
        }
        if (n_odd == max_odd)
            return -1;
        codec->odd[n_odd++] = (struct nv_odd){(uint32_t)i, nv_bits_of(values[i])};
        codec->ints[i] = last;
    }
    return (int)n_odd;
}

/* Binary places behind the point: 0 for whole numbers, more than SHIFT_MAX for what is no short binary fraction. */
static unsigned binary_places(double value)
{
    uint64_t bits = nv_bits_of(value), mantissa = bits & ((UINT64_C(1) << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff);

    if (bits << 1 == 0)
        return 0;
    if (exponent == 0 || exponent == 0x7ff)
        return SHIFT_MAX + 1;
    int places = 1023 + 52 - exponent - (mantissa ? __builtin_ctzll(mantissa) : 52);
    return places < 0 ? 0 : (unsigned)places;
}

/* Places that all but a few values have at most; SHIFT_MAX + 1 for none. */
static unsigned common_places(const double *values, size_t n, size_t max_odd)
{
    uint32_t count[SHIFT_MAX + 2] = {0};

    for (size_t i = 0; i < n; i++) {
        unsigned places = binary_places(values[i]);
        count[places < SHIFT_MAX + 1 ? places : SHIFT_MAX + 1]++;
    }
    size_t above = 0;
    for (unsigned shift = SHIFT_MAX + 1; shift > 0; shift--) {
        above += count[shift];
        if (above > max_odd)
            return shift;
    }
    return 0;
}

static int find_binary(struct nv_codec *codec, const double *values, size_t n, size_t max_odd,
                       struct nv_made *ret)
{
    unsigned shift = common_places(values, n, max_odd);

    if (shift > SHIFT_MAX)
        return -1;
    *ret = (struct nv_made){NV_AS_BINARY, shift};
    return try(codec, values, n, max_odd, AS_BINARY, ldexp(1, -(int)shift), ldexp(1, (int)shift));
}

static int find(struct nv_codec *codec, const double *values, size_t n, size_t max_odd,
                struct nv_made *ret)
{
    for (unsigned number = 0; number < NV_LEN(table); number++) {
        if (number == NV_AS_BITS || number == NV_AS_BINARY)
            continue;
        int n_odd = try(codec, values, n, max_odd, table[number].kind, table[number].by,
                        table[number].inverse);
        if (n_odd >= 0) {
            *ret = (struct nv_made){number, 0};
            return n_odd;
        }
    }
    return find_binary(codec, values, n, max_odd, ret);
}

int nv_operation_find(struct nv_codec *codec, const double *values, size_t n, size_t max_odd,
                      struct nv_made *ret)
{
    int n_odd = find(codec, values, n, 0, ret);

    return n_odd < 0 && max_odd ? find(codec, values, n, max_odd, ret) : n_odd;
}
