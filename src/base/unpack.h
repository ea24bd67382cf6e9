/*
 * unpack.h - undoes the coding of an HTTP answer as it comes: gzip, zstd.
 *
 *   whole      an answer that ends within its coding is half of one, though its length was right: the library that
 *              fetches it would not tell
 *   several    members of gzip and frames of zstd may follow each other; anything else behind them is an error
 *   others     a coding that nobody asked for passes as it is: there are those who name a charset there
 *   memory     40 KiB for gzip, a window of 2^NV_UNPACK_WINDOW_LOG bytes at most for zstd; pieces of NV_UNPACK_PIECE
 */
#ifndef NV_BASE_UNPACK_H
#define NV_BASE_UNPACK_H

#include <nodevitals/scan.h>

#include "base/cleanup.h"

enum { NV_UNPACK_PIECE = 32 << 10, NV_UNPACK_WINDOW_LOG = 23 /* all that HTTP needs: RFC 9659 */ };

struct nv_unpack;

/* *ret NULL: there is nothing to undo. -ENOMEM. */
NV_MUST_USE int nv_unpack_new(struct nv_str coding, struct nv_unpack **ret);
void nv_unpack_free(struct nv_unpack *unpack); /* NULL is fine */
NV_DEFINE_AUTO(nv_unpack)

/* Gives take() what comes out, in pieces. Returns 0; -EBADMSG: it is not what it says; -ENOMEM; what take() returned. */
NV_MUST_USE int nv_unpack_feed(struct nv_unpack *unpack, struct nv_str bytes,
                               int (*take)(void *user, struct nv_str piece), void *user);

/* Whether it may end here. */
bool nv_unpack_is_whole(const struct nv_unpack *unpack);

#endif
