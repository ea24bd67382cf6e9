/*
 * path.h - paths joined and cleaned as Go's path.Join() does it, for labels carry them.
 */
#ifndef NV_GATHER_PATH_H
#define NV_GATHER_PATH_H

#include "base/buf.h"

/* Appends root/rest without empty, "." and ".." parts; "" becomes ".". */
void nv_path_join(struct nv_buf *out, struct nv_str root, struct nv_str rest);

#endif
