/*
 * number.c - shortest decimals by Schubfach.
 *
 * A double v = c * 2^q stands for all reals nearer to it than to its neighbours. Scaled by a power of ten
 * 10^-k chosen so that this interval is 1 to 10 units wide, the shortest decimal in it is a multiple of
 * ten, of which at most one lies inside, or one of the two integers around v; of those the nearer one.
 * The three scaled numbers (v and both ends) are computed to 66 bits, the last of them "odd" when anything
 * below was not zero, which is enough to compare them exactly. At a power of two the interval below is
 * half as wide as the one above; the ends belong to it where c is even, as reading rounds to even.
 *
 * After R. Giulietti, "The Schubfach way to render doubles" (2020). The powers of ten, 128 bits each and
 * rounded up, are computed when first needed.
 */
#include "base/number.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum {
    POWER_MIN = -292,
    POWER_MAX = 324,
    LIMBS = 36, /* of 32 bits: 10^324 has 1077 bits; and 2^1151 / 10^292 keeps 181 */
};

struct power {
    uint64_t high, low;
};

static struct power powers[POWER_MAX - POWER_MIN + 1];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

/* A decimal without trailing zeros, digits * 10^exponent. */
struct decimal {
    uint64_t digits;
    int exponent;
};

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536"
    "37383940414243444546474849505152535455565758596061626364656667686970717273"
    "7475767778798081828384858687888990919293949596979899";

/* The first 128 bits of a number (lowest limb first), rounded up where `more` or what is cut off is not 0. */
static struct power first_bits(const uint32_t *limbs, bool more)
{
    uint32_t top[5] = {0}; /* highest first */
    int at = LIMBS - 1;

    while (!limbs[at])
        at--;
    for (int i = 0; i < 5 && at - i >= 0; i++)
        top[i] = limbs[at - i];
    for (int i = at - 5; i >= 0; i--)
        more |= limbs[i] != 0;
    int shift = __builtin_clz(top[0]);
    struct power power = {(uint64_t)top[0] << 32 | top[1], (uint64_t)top[2] << 32 | top[3]};
    if (shift) {
        power.high = power.high << shift | power.low >> (64 - shift);
        power.low = power.low << shift | top[4] >> (32 - shift);
    }
    more |= shift ? (uint32_t)(top[4] << shift) != 0 : top[4] != 0;
    power.low += more;
    power.high += more && power.low == 0;
    return power;
}

static void compute_powers(void)
{
    uint32_t limbs[LIMBS] = {1};

    for (int e = 0; e <= POWER_MAX; e++) {
        powers[e - POWER_MIN] = first_bits(limbs, false);
        uint64_t carry = 0;
        for (int i = 0; i < LIMBS; i++) {
            carry += (uint64_t)limbs[i] * 10;
            limbs[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    memset(limbs, 0, sizeof(limbs));
    limbs[LIMBS - 1] = 1u << 31;
    for (int e = -1; e >= POWER_MIN; e--) {
        uint64_t rest = 0;
        for (int i = LIMBS - 1; i >= 0; i--) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        powers[e - POWER_MIN] = first_bits(limbs, true); /* no power of ten divides one of two */
    }
}

/* power * factor / 2^128, its last bit set where anything was cut off beyond what rounding up adds. */
static uint64_t scale(struct power power, uint64_t factor)
{
    unsigned __int128 low = (unsigned __int128)power.low * factor;
    unsigned __int128 high = (unsigned __int128)power.high * factor + (uint64_t)(low >> 64);

    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static struct decimal without_zeros(uint64_t digits, int exponent)
{
    static const struct {
        uint64_t power;
        int zeros;
    } steps[] = {
        {100000000, 8},
        {10000,     4},
        {100,       2},
        {10,        1}
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && digits % 10 == 0; i++) {
        while (digits % steps[i].power == 0) {
            digits /= steps[i].power;
            exponent += steps[i].zeros;
        }
    }
    return (struct decimal){digits, exponent};
}

/* Of a finite value > 0. */
static struct decimal shortest(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff);
    uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;
    bool narrow = fraction == 0 && biased > 1; /* below */
    bool odd = c & 1;

    if (q <= 0 && q > -53 && !(c & ((UINT64_C(1) << -q) - 1)))
        return without_zeros(c >> -q, 0);

    double thousandths = value * 1000; /* jiffies and milliseconds: half the time */
    if (thousandths < 1e15) {
        uint64_t digits = (uint64_t)(thousandths + 0.5);
        if ((double)digits / 1000 == value) /* no other decimal of 15 digits reads back to it */
            return without_zeros(digits, -3);
    }

    pthread_once(&powers_once, compute_powers);
    int k = (q * 1262611 - (narrow ? 524031 : 0)) >> 22; /* log10 of the interval, rounded down */
    int h = q + ((-k * 1741647) >> 19) + 1;              /* from q to where the power's point is */
    struct power power = powers[-k - POWER_MIN];
    uint64_t lower = scale(power, (4 * c - 2 + narrow) << h) + odd; /* in quarters of a unit */
    uint64_t exact = scale(power, 4 * c << h);
    uint64_t upper = scale(power, (4 * c + 2) << h) - odd;
    uint64_t units = exact / 4;

    if (units >= 10) {
        uint64_t tens = units / 10;
        bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
        if (down != up)
            return without_zeros(tens + up, k + 1);
    }
    bool down = lower <= 4 * units, up = 4 * units + 4 <= upper;
    if (down == up)
        up = exact % 4 > 2 || (exact % 4 == 2 && units % 2);
    return without_zeros(units + up, k);
}

static int count_digits(uint64_t value)
{
    static const uint64_t powers_of_ten[] = {
        0,
        10,
        100,
        1000,
        10000,
        100000,
        1000000,
        10000000,
        100000000,
        1000000000,
        10000000000,
        100000000000,
        1000000000000,
        10000000000000,
        100000000000000,
        1000000000000000,
        10000000000000000,
        100000000000000000,
        1000000000000000000,
        UINT64_C(10000000000000000000),
    };
    int guess = (64 - __builtin_clzll(value | 1)) * 1233 >> 12; /* log10(2) = 1233 / 4096 */

    return guess + (value >= powers_of_ten[guess]);
}

/* Writes exactly n digits, 9 at most: in 32 bits a division costs half as much. */
static void put_few_digits(char *out, uint32_t value, int n)
{
    while (n >= 2) {
        n -= 2;
        memcpy(out + n, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (n)
        out[0] = (char)('0' + value);
}

/* Writes exactly n digits. */
static void put_digits(char *out, uint64_t value, int n)
{
    for (; n > 9; n -= 8) {
        put_few_digits(out + n - 8, (uint32_t)(value % 100000000), 8);
        value /= 100000000;
    }
    put_few_digits(out, (uint32_t)value, n);
}

size_t nv_number_u64(char *out, uint64_t value)
{
    int n = value ? count_digits(value) : 1;

    put_digits(out, value, n);
    return (size_t)n;
}

static char *put(char *out, const char *text)
{
    size_t n = strlen(text);

    memcpy(out, text, n);
    return out + n;
}

static char *put_zeros(char *out, int n)
{
    memset(out, '0', (size_t)n);
    return out + n;
}

/* d.ddde+XX */
static char *put_exponent_form(char *out, uint64_t digits, int n, int exponent)
{
    put_digits(out + 1, digits, n);
    out[0] = out[1];
    out[1] = '.';
    out += n > 1 ? n + 1 : 1;
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    int width = exponent >= 100 ? 3 : 2;
    put_digits(out, (uint64_t)exponent, width);
    return out + width;
}

/* Digits with the point where it belongs, and the zeros that takes. */
static char *put_plain_form(char *out, uint64_t digits, int n, int exponent)
{
    if (exponent < 0) {
        out = put_zeros(put(out, "0."), -exponent - 1);
        put_digits(out, digits, n);
        return out + n;
    }
    if (exponent >= n - 1) {
        put_digits(out, digits, n);
        return put_zeros(out + n, exponent - (n - 1));
    }
    put_digits(out + 1, digits, n);
    memmove(out, out + 1, (size_t)exponent + 1);
    out[exponent + 1] = '.';
    return out + n + 1;
}

/* NaN and the infinities; NULL for a number. */
static const char *name_of(double value)
{
    if (isnan(value))
        return "NaN";
    return isinf(value) ? value > 0 ? "+Inf" : "-Inf" : NULL;
}

size_t nv_number_text(char *out, double value)
{
    const char *name = name_of(value);
    char *at = out;

    if (name)
        return (size_t)(put(out, name) - out);
    if (value == 0)
        return (size_t)(put(out, "0") - out);
    if (value < 0)
        *at++ = '-';
    struct decimal decimal = shortest(fabs(value));
    int n = count_digits(decimal.digits), exponent = decimal.exponent + n - 1;
    at = exponent < -4 || exponent >= 6 ? put_exponent_form(at, decimal.digits, n, exponent)
                                        : put_plain_form(at, decimal.digits, n, exponent);
    return (size_t)(at - out);
}

size_t nv_number_openmetrics(char *out, double value)
{
    size_t n = nv_number_text(out, value);

    if (!name_of(value) && !memchr(out, '.', n) && !memchr(out, 'e', n))
        n = (size_t)(put(out + n, ".0") - out);
    return n;
}

size_t nv_number_plain(char *out, double value)
{
    const char *name = name_of(value);
    char *at = out;

    if (name)
        return (size_t)(put(out, name) - out);
    if (signbit(value))
        *at++ = '-';
    if (value == 0)
        return (size_t)(put(at, "0") - out);
    struct decimal decimal = shortest(fabs(value));
    int n = count_digits(decimal.digits);
    return (size_t)(put_plain_form(at, decimal.digits, n, decimal.exponent + n - 1) - out);
}

size_t nv_number_json(char *out, double value)
{
    const char *name = name_of(value);
    char *at = out;

    if (name)
        return (size_t)(put(out, name) - out);
    if (signbit(value))
        *at++ = '-';
    value = fabs(value);
    if (value < 1e15 && (double)(uint64_t)value == value) /* most counters */
        return (size_t)(at - out) + nv_number_u64(at, (uint64_t)value);
    struct decimal decimal = shortest(value);
    int n = count_digits(decimal.digits), exponent = decimal.exponent + n - 1;
    at = value < 1e-6 || value >= 1e21 ? put_exponent_form(at, decimal.digits, n, exponent)
                                       : put_plain_form(at, decimal.digits, n, exponent);
    return (size_t)(at - out);
}

size_t nv_number_digits(char digits[17], int *ret_exponent, double value)
{
    struct decimal decimal = shortest(value);
    int n = count_digits(decimal.digits);

    put_digits(digits, decimal.digits, n);
    *ret_exponent = decimal.exponent + n - 1;
    return (size_t)n;
}
