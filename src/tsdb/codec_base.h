/*
 * codec_base.h - what one column has to do with another.
 */
#ifndef NV_TSDB_CODEC_BASE_H
#define NV_TSDB_CODEC_BASE_H

#include "tsdb/codec_parts.h"

/* A column with a base must be smaller by one part in so many, for it takes twice the time to read. */
enum { NV_WORTH_A_BASE = 8 };

enum nv_multiple {
    NV_NO_MULTIPLE,
    NV_EQUAL,
    NV_TIMES_BASE, /* base * c */
    NV_BASE_OVER,  /* base / c */
};

/* What all values are of a base, bit for bit. */
enum nv_multiple nv_multiple_find(const double *values, size_t n, const double *base,
                                  double *ret_c);

/* n >= 1 */
bool nv_is_constant(const double *values, size_t n);

#endif
