/*
 * codec_operation.h - the arithmetic that makes doubles of integers, done again bit for bit.
 */
#ifndef NV_TSDB_CODEC_OPERATION_H
#define NV_TSDB_CODEC_OPERATION_H

#include "tsdb/codec_parts.h"

enum { NV_AS_INTEGER = 0, NV_AS_BITS = 1, NV_AS_BINARY = 2, NV_OPERATIONS_MAX = 48 };

/* How the numbers of a column are made. `shift` belongs to NV_AS_BINARY. */
struct nv_made {
    unsigned number;
    unsigned shift;
};

/*
 * Finds the operation of a column with at most `max_odd` exceptions, and the integers (codec->ints), in
 * which an exception repeats its predecessor. Returns the number of exceptions (codec->odd), or -1.
 */
int nv_operation_find(struct nv_codec *codec, const double *values, size_t n, size_t max_odd,
                      struct nv_made *ret);

/* The integers of NV_AS_BITS, which has them for every double. */
void nv_operation_bits(struct nv_codec *codec, const double *values, size_t n);

/* Integers near what the operation would make the values of; 0 where there is none. The same on every machine. */
void nv_operation_near(struct nv_made operation, const double *values, int64_t *ints, size_t n);

/* Whether its integers may have more digits than were in the values. */
bool nv_operation_is_fine(struct nv_made operation);

bool nv_operation_known(unsigned number);
void nv_operation_apply(struct nv_made operation, const int64_t *ints, double *values, size_t n);

#endif
