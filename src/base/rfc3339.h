/*
 * rfc3339.h - moments as text: 2026-01-02T03:04:05.678Z.
 */
#ifndef NV_BASE_RFC3339_H
#define NV_BASE_RFC3339_H

#include <nodevitals/scan.h>

enum { NV_RFC3339_MAX = 48 }; /* bytes with NUL */

/* UTC with three digits of a second; years 0 to 9999, what lies beyond is cut to them. Returns the length. */
size_t nv_rfc3339_ms(char out[NV_RFC3339_MAX], int64_t ms);

/* UTC with as many digits as it takes, none for a whole second, as Go marshals a time. Returns the length. */
size_t nv_rfc3339_ns(char out[NV_RFC3339_MAX], int64_t ns);

/* "2026-01-02T03:04:05Z", fractions of any length (cut to ms), "+01:00"; t and z too. False where it is none. */
bool nv_rfc3339_read(struct nv_str text, int64_t *ret_ms);

#endif
