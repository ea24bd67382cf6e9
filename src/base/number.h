/*
 * number.h - doubles as text, shortest digits that read back to the same double.
 *
 * The forms are those of Go's strconv, which all of Prometheus prints with: digits are the shortest
 * that identify the double, the nearest of those that are equally short. X is the exponent of the first
 * digit. Exponents have a sign and at least two digits; NaN, +Inf, -Inf.
 */
#ifndef NV_BASE_NUMBER_H
#define NV_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { NV_NUMBER_MAX = 32 }; /* bytes any of these writes at most */

/* Classic text, Go's 'g' with precision -1: exponent form where X < -4 or X >= 6; zero of either sign
 * is "0". Returns the bytes written; no NUL. */
size_t nv_number_text(char *out, double value);

/* As OpenMetrics has it: like text, with ".0" where neither point nor exponent tells it is a float. */
size_t nv_number_openmetrics(char *out, double value);

/* Go's 'f' with precision -1 (PromQL's JSON, label values of PromQL): never an exponent. Up to 330 bytes. */
enum { NV_NUMBER_PLAIN_MAX = 352 };
size_t nv_number_plain(char *out, double value);

/* As PromQL's API and encoding/json have it: plain, or an exponent where 0 < |value| < 1e-6 or |value| >= 1e21. */
size_t nv_number_json(char *out, double value);

/* Decimal digits of an integer. Returns the bytes written. */
size_t nv_number_u64(char *out, uint64_t value);

/*
 * Shortest decimal of a finite value > 0: `digits` (no NUL, no trailing zeros, at most 17) and the
 * exponent X of the first, value = d.ddd * 10^X. Returns how many digits.
 */
size_t nv_number_digits(char digits[17], int *ret_exponent, double value);

#endif
