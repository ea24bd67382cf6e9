#include "base/real.h"

#include <string.h>

#include "base/assert.h"

enum { DIGITS_MAX = 19, PLAIN_EXPONENT = 22 /* 10^22 is a double */ };

/* 5^27 is the last one below 2^63. */
static uint64_t power_of_five(int e)
{
    uint64_t power = 1;

    for (uint64_t square = 5; e; e >>= 1, square *= square)
        if (e & 1)
            power *= square;
    return power;
}

static double power_of_two(int e)
{
    uint64_t bits = (uint64_t)(1023 + e) << 52;
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Of a product: its first 64 bits, the last of which stands for all that follow, are rounded once. */
static double times_power(uint64_t m, int e)
{
    unsigned __int128 product = (unsigned __int128)m * power_of_five(e);
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;

    if (!high)
        return (double)low * power_of_two(e);
    int shift = __builtin_clzll(high);
    if (shift) {
        high = high << shift | low >> (64 - shift);
        low <<= shift;
    }
    return (double)(high | (low != 0)) * power_of_two(e + 64 - shift);
}

/* Of a quotient likewise: it has 63 or 64 bits, and the remainder tells whether it is exact. */
static double over_power(uint64_t m, int e)
{
    uint64_t divisor = power_of_five(e);
    int up = __builtin_clzll(m), more = 63 - __builtin_clzll(divisor);
    unsigned __int128 dividend = (unsigned __int128)(m << up) << more;
    uint64_t quotient = (uint64_t)(dividend / divisor);
    bool exact = (unsigned __int128)quotient * divisor == dividend;

    return (double)(quotient | !exact) * power_of_two(-up - more - e);
}

double nv_real(uint64_t m, int e)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    nv_assert(e >= -NV_REAL_EXPONENT_MAX && e <= NV_REAL_EXPONENT_MAX);
    if (m == 0)
        return 0;
    if (m < UINT64_C(1) << 53 && e >= -PLAIN_EXPONENT && e <= PLAIN_EXPONENT)
        return e < 0 ? (double)m / powers[-e] : (double)m * powers[e];
    return e < 0 ? over_power(m, -e) : times_power(m, e);
}

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* An exponent from behind its letter; NULL where there is none, or it is of no use here. */
static const char *exponent(const char *at, const char *end, int *ret)
{
    bool minus = at < end && *at == '-';
    int value = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!is_digit(at, end))
        return NULL;
    for (; is_digit(at, end); at++) {
        value = value * 10 + (*at - '0');
        if (value > 1000)
            return NULL;
    }
    *ret = minus ? -value : value;
    return at;
}

const char *nv_real_read(const char *at, const char *end, double *ret)
{
    bool minus = at < end && *at == '-';
    uint64_t m = 0;
    int e = 0, given = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const char *first = at;
    for (; is_digit(at, end); at++)
        m = m * 10 + (uint64_t)(*at - '0');
    long digits = at - first;
    if (at < end && *at == '.') {
        const char *point = ++at;
        for (; is_digit(at, end); at++)
            m = m * 10 + (uint64_t)(*at - '0');
        e = (int)(point - at < -DIGITS_MAX ? -DIGITS_MAX - 1 : point - at);
        digits += at - point;
    }
    if (digits == 0 ||
        digits > DIGITS_MAX) /* leading zeros included, so that m has not overflowed */
        return NULL;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = exponent(at + 1, end, &given);
        if (!at)
            return NULL;
    }
    e += given;
    if (e < -NV_REAL_EXPONENT_MAX || e > NV_REAL_EXPONENT_MAX)
        return NULL;
    double value = nv_real(m, e);
    *ret = minus ? -value : value;
    return at;
}
