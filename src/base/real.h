/*
 * real.h - decimal numbers read where they stand, into the nearest double.
 *
 * For those who read millions: digits are gathered once, and what 128 bits can hold exactly (19 digits, exponents of
 * ten up to 27 either way) is rounded once, without strtod().
 */
#ifndef NV_BASE_REAL_H
#define NV_BASE_REAL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads [+-]digits[.digits][e[+-]digits] at the front, not beyond `end`. Returns where it ends; NULL where there is no such
 * number there or it is too long for this: ask one of those that know every form.
 */
const char *nv_real_read(const char *at, const char *end, double *ret);

/* m * 10^e, to the nearest double; e from -NV_REAL_EXPONENT_MAX to NV_REAL_EXPONENT_MAX. */
enum { NV_REAL_EXPONENT_MAX = 27 };
double nv_real(uint64_t m, int e);

#endif
