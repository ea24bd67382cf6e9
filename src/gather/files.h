/*
 * files.h - reads the node's files by our paths ("proc/stat"), through descriptors kept open.
 *
 *   roots    proc, sys, root, udev: the path flags
 *   kept     files of a live procfs or sysfs stay open between passes, at most NV_GATHER_KEPT_MAX: a read
 *            at offset 0 makes the kernel render them afresh. Those of processes ("proc/<pid>/") and those
 *            on other file systems, which may be replaced by renaming, are opened each time. A descriptor
 *            whose device is gone is dropped and the path opened once more
 *   absent   what is not there is believed absent until the kernel announces something: see absent.h
 *   threads  any; the table has a lock, which is not held while reading
 */
#ifndef NV_GATHER_FILES_H
#define NV_GATHER_FILES_H

#include "base/arena.h"
#include "base/buf.h"
#include "gather/gather.h"

struct nv_files;

struct nv_files *
nv_files_new(const struct nv_gather_options *options); /* NULL when memory is out */
void nv_files_free(struct nv_files *files);

/* Descriptors unused since the pass before the last may now make room. */
void nv_files_next_pass(struct nv_files *files);
size_t nv_files_kept(struct nv_files *files);

/*
 * Reads a file into `out`, after resetting it. `max` of at most 128 means an attribute: one read(2) of that many
 * bytes. `pinned` keeps any file open that can be, pids included. Returns 0, -EFBIG past max, or -errno.
 */
NV_MUST_USE int nv_files_read(struct nv_files *files, const char *path, size_t max, bool pinned,
                              struct nv_buf *out);

/* Sorted names, in the arena. `scratch` is overwritten. */
NV_MUST_USE int nv_files_list(struct nv_files *files, const char *path, struct nv_arena *arena,
                              struct nv_buf *scratch, struct nv_names *ret);

/* A descriptor of a directory, which the caller closes, or -errno. */
NV_MUST_USE int nv_files_open_dir(struct nv_files *files, const char *path);

NV_MUST_USE int nv_files_link(struct nv_files *files, const char *path, struct nv_arena *arena,
                              struct nv_str *ret);
NV_MUST_USE int nv_files_resolve(struct nv_files *files, const char *path, struct nv_arena *arena,
                                 struct nv_str *ret);
NV_MUST_USE int nv_files_stat(struct nv_files *files, const char *path, unsigned *ret_mode,
                              int64_t *ret_mtime_ns);

/* Flag value and rest joined and cleaned, in the arena; p is NULL when the arena is full. */
struct nv_str nv_files_native(const struct nv_files *files, const char *path,
                              struct nv_arena *arena);

/* Whether sysfs is mounted at the sys root and shows our own network namespace. */
bool nv_files_sysfs_is_live(struct nv_files *files);

#endif
