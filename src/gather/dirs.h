/*
 * dirs.h - what stands behind <nodevitals/dir.h>: system calls and no more.
 */
#ifndef NV_GATHER_DIRS_H
#define NV_GATHER_DIRS_H

#include "gather/run.h"

int nv_dirs_open(struct nv_pass *pass, int at, const char *path);
void nv_dirs_close(struct nv_pass *pass, int dir);
int nv_dirs_read(struct nv_pass *pass, int dir, const char *name, bool in_parts, char *out,
                 size_t max);
int nv_dirs_list(struct nv_pass *pass, int dir, struct nv_names *ret);
int nv_dirs_stat(struct nv_pass *pass, int dir, struct nv_dir_stat *ret);

#endif
