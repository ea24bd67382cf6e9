/*
 * codec_base.c - what one column has to do with another.
 */
#include "tsdb/codec_base.h"

#include "tsdb/codec_operation.h"

bool nv_is_constant(const double *values, size_t n)
{
    return memcmp(values, values + 1, (n - 1) * sizeof(*values)) == 0;
}

/* NaN is left out: its payload is the machine's. */
static bool is_multiple(const double *values, size_t n, const double *base, enum nv_multiple kind,
                        double c)
{
    for (size_t i = 0; i < n; i++) {
        double made = kind == NV_TIMES_BASE ? base[i] * c : base[i] / c;
        if (made != made || nv_bits_of(made) != nv_bits_of(values[i]))
            return false;
    }
    return true;
}

enum nv_multiple nv_multiple_find(const double *values, size_t n, const double *base, double *ret_c)
{
    size_t i = 0;

    if (memcmp(values, base, n * sizeof(*values)) == 0)
        return NV_EQUAL;
    while (i < n && (base[i] == 0 || values[i] == 0))
        i++;
    if (i == n)
        return NV_NO_MULTIPLE;
    *ret_c = values[i] / base[i];
    if (is_multiple(values, n, base, NV_TIMES_BASE, *ret_c))
        return NV_TIMES_BASE;
    *ret_c = base[i] / values[i];
    return is_multiple(values, n, base, NV_BASE_OVER, *ret_c) ? NV_BASE_OVER : NV_NO_MULTIPLE;
}

enum { WINDOWS = 4, WINDOW = 64, LOOKED_AT = WINDOWS * WINDOW };

/* Some rows of a column, in stretches, so that their steps can be seen. Returns how many. */
static size_t look(const double *values, size_t n, double some[LOOKED_AT])
{
    if (n <= LOOKED_AT) {
        memcpy(some, values, n * sizeof(*some));
        return n;
    }
    for (size_t i = 0; i < WINDOWS; i++)
        memcpy(some + i * WINDOW, values + (n - WINDOW) / (WINDOWS - 1) * i,
               WINDOW * sizeof(*some));
    return LOOKED_AT;
}

/* About the bits of a column's steps, as far as the column is not the base's sum with something. */
static unsigned steps_width(const int64_t *x, const int64_t *base, size_t n)
{
    int64_t last = 0, step_before = 0;
    unsigned bits = 0, bits_of_second = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t y = base ? nv_minus(x[i], base[i]) : x[i], step = nv_minus(y, last);
        if (i % WINDOW)
            bits += nv_width(nv_zigzag(step));
        if (i % WINDOW > 1)
            bits_of_second += nv_width(nv_zigzag(nv_minus(step, step_before)));
        last = y;
        step_before = step;
    }
    return bits < bits_of_second ? bits : bits_of_second;
}

int nv_codec_choose_base(struct nv_codec *codec, const double *values, size_t n,
                         const double *const *bases, size_t n_bases)
{
    double some[LOOKED_AT], other[LOOKED_AT];
    struct nv_made operation;
    double c;
    int best = -1;

    if (n_bases == 0 || n < 2 || nv_is_constant(values, n) || nv_codec_room(codec, LOOKED_AT) < 0)
        return -1;
    size_t many = look(values, n, some);
    bool integers = nv_operation_find(codec, some, many, 0, &operation) == 0;
    unsigned least = integers ? steps_width(codec->ints, NULL, many) : 0;
    least -= least / NV_WORTH_A_BASE;
    for (size_t i = n_bases; i-- > 0;) {
        look(bases[i], n, other);
        if (nv_multiple_find(some, many, other, &c) != NV_NO_MULTIPLE)
            return (int)i;
        if (!integers)
            continue;
        nv_operation_near(operation, other, codec->near, many);
        unsigned width = steps_width(codec->ints, codec->near, many);
        if (width < least) {
            least = width;
            best = (int)i;
        }
    }
    return best;
}
