/*
 * notices.h - which links were announced lately, for collectors that cache what a link keeps.
 *
 * A ring of the last NV_NOTICES_MAX link indexes; each reader has a cursor of its own, and is told "any"
 * (index 0) where it has fallen behind.
 *
 *   threads    any
 */
#ifndef NV_GATHER_NOTICES_H
#define NV_GATHER_NOTICES_H

#include "base/netlink.h"

enum { NV_NOTICES_MAX = 1024 };

struct nv_notices;

struct nv_notices *nv_notices_new(void);
void nv_notices_free(struct nv_notices *notices);

/* See nv_link_notices() in collector.h. */
void nv_notices_read(struct nv_notices *notices, uint64_t *cursor,
                     void (*each)(int ifindex, void *user), void *user);

#endif
