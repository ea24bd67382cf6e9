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

/* A stretch that holds a column's first change; the column has one. */
static size_t changing(const double *values, size_t n)
{
    size_t at = 1;

    while (nv_bits_of(values[at]) == nv_bits_of(values[0]))
        at++;
    at -= at < WINDOW / 8 ? at : WINDOW / 8;
    return n <= WINDOW ? 0 : at > n - WINDOW ? n - WINDOW : at;
}

/* All of a short column, of others that stretch and some more. Returns how many rows. */
static size_t look(const double *values, size_t n, size_t first, double some[LOOKED_AT])
{
    if (n <= LOOKED_AT) {
        memcpy(some, values, n * sizeof(*some));
        return n;
    }
    memcpy(some, values + first, WINDOW * sizeof(*some));
    for (size_t i = 1; i < WINDOWS; i++)
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

/* A column that looks for a base. */
struct seeker {
    struct nv_codec *codec;
    bool integers;
    struct nv_made operation;
};

/* Whether values are a multiple of a base, or their steps take less than *least beside it, which then becomes that. */
static enum nv_multiple compare(const struct seeker *seeker, const double *values, size_t n,
                                const int64_t *x, const double *base, unsigned *least)
{
    double c;

    enum nv_multiple multiple = nv_multiple_find(values, n, base, &c);
    if (multiple != NV_NO_MULTIPLE || !seeker->integers)
        return multiple;
    nv_operation_near(seeker->operation, base, seeker->codec->near, n);
    unsigned width = steps_width(x, seeker->codec->near, n);
    *least = width < *least ? width : *least;
    return NV_NO_MULTIPLE;
}

static unsigned worth(const struct seeker *seeker, const int64_t *x, size_t n)
{
    unsigned width = seeker->integers ? steps_width(x, NULL, n) : 0;

    return width - width / NV_WORTH_A_BASE;
}

int nv_codec_choose_base(struct nv_codec *codec, const double *values, size_t n,
                         const double *const *bases, size_t n_bases)
{
    double some[LOOKED_AT], other[LOOKED_AT];
    struct seeker seeker = {.codec = codec};
    int best = -1;

    if (n_bases == 0 || n < 2 || nv_is_constant(values, n) || nv_codec_room(codec, LOOKED_AT) < 0)
        return -1;
    size_t first = changing(values, n), many = look(values, n, first, some);
    size_t probe = n < WINDOW ? n : WINDOW, at = n <= LOOKED_AT ? first : 0;
    seeker.integers = nv_operation_find(codec, some, many, 0, &seeker.operation) == 0;
    const int64_t *x = codec->ints;
    unsigned least = worth(&seeker, x, many), least_probed = worth(&seeker, x + at, probe);
    for (size_t i = n_bases; i-- > 0;) {
        unsigned width = least_probed;
        if (compare(&seeker, values + first, probe, x + at, bases[i] + first, &width) ==
                NV_NO_MULTIPLE &&
            width == least_probed)
            continue;
        look(bases[i], n, first, other);
        width = least;
        if (compare(&seeker, some, many, x, other, &width) != NV_NO_MULTIPLE)
            return (int)i;
        if (width < least) {
            least = width;
            best = (int)i;
        }
    }
    return best;
}
