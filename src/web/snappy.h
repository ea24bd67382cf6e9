/*
 * snappy.h - snappy's block format, as remote read and remote write have it; not the framed one.
 *
 *   packing    in fragments of NV_SNAPPY_FRAGMENT bytes that do not refer to each other, so that a block whose length
 *              is known beforehand can be written piece by piece
 *   unpacking  never more than the caller's maximum, and no memory for a length that the block cannot come to
 */
#ifndef NV_WEB_SNAPPY_H
#define NV_WEB_SNAPPY_H

#include "base/buf.h"

enum { NV_SNAPPY_FRAGMENT = 1 << 16, NV_SNAPPY_TABLE = 1 << 13 };

/* What packing needs for a while; its content does not matter. */
struct nv_snappy {
    uint16_t table[NV_SNAPPY_TABLE];
};

/* The front of a block that unpacks to so many bytes. */
void nv_snappy_begin(struct nv_buf *out, uint32_t length);

/* The next piece of it, of at most NV_SNAPPY_FRAGMENT bytes. */
void nv_snappy_add(struct nv_snappy *snappy, struct nv_str piece, struct nv_buf *out);

/* A whole block. Below 4 GiB. */
void nv_snappy_pack(struct nv_snappy *snappy, struct nv_str text, struct nv_buf *out);

/* Appends what a block holds. Returns 0; -EFBIG where it announces more than `max`; -EBADMSG; -ENOMEM. */
NV_MUST_USE int nv_snappy_unpack(struct nv_str block, size_t max, struct nv_buf *out);

#endif
