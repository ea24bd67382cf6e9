/*
 * under.h - a file layer for one directory of another: all names begin with it.
 */
#ifndef NV_TSDB_UNDER_H
#define NV_TSDB_UNDER_H

#include "tsdb/fs.h"

/* The layer below stays the caller's, and must outlive this one. NULL when memory is out. */
struct nv_fs *nv_fs_under(struct nv_fs *fs, const char *directory);

#endif
