/*
 * units.h - lengths of time and sizes as Prometheus' files write them.
 *
 *   duration   1y2w3d4h5m6s7ms, units in that order, whole numbers; 0 without a unit. A year has 365 days
 *   size       512MB, 1KiB, 1.5GB: a unit is required, and each step is 1024 with or without the i; 0 alone
 */
#ifndef NV_CONFIG_UNITS_H
#define NV_CONFIG_UNITS_H

#include "base/buf.h"

enum nv_units_outcome { NV_UNITS_INVALID = 1, NV_UNITS_OUT_OF_RANGE };

/* Returns 0, or an nv_units_outcome. Never negative: signs are not part of the notation. */
NV_MUST_USE int nv_parse_duration(struct nv_str text, int64_t *ret_ms);
NV_MUST_USE int nv_parse_size(struct nv_str text, int64_t *ret_bytes);

/* The shortest notation: 90000 ms is 1m30s; 0 is 0s. */
void nv_write_duration(struct nv_buf *out, int64_t ms);

#endif
