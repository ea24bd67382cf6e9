/*
 * save.h - small files that are replaced whole: after a crash there is the old one or the new one.
 */
#ifndef NV_BASE_SAVE_H
#define NV_BASE_SAVE_H

#include <nodevitals/scan.h>

#include "base/buf.h"

/* Writes beside it, syncs, renames, syncs the folder; mode 0640. Returns 0 or a negative errno, and the file as it was. */
NV_MUST_USE int nv_save(const char *path, struct nv_str text);

/* Adds all of a regular file. Returns 0; -EFBIG where it passes the buffer's bound; a negative errno. */
NV_MUST_USE int nv_load(const char *path, struct nv_buf *into);

#endif
