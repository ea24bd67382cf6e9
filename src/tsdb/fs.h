/*
 * fs.h - the file layer under the store: what it does to its directory, and nothing else does.
 *
 * Tests put their own below (files that forget what was not synced, disks that fill, reads that fail), and
 * counts come from here. All names are relative to the store's directory and hold at most two '/'.
 *
 *   errors   negative errno; a short write is continued until it is whole or fails
 *   threads  any
 */
#ifndef NV_TSDB_FS_H
#define NV_TSDB_FS_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/cleanup.h"

struct nv_fs;
struct nv_fs_stat {
    uint64_t size;
    int64_t mtime_ms;
    bool is_dir;
};

struct nv_fs_ops {
    int (*open_read)(struct nv_fs *fs, const char *name); /* a handle >= 0 */
    int (*create)(struct nv_fs *fs, const char *name);    /* empty, for writing; exists: -EEXIST */
    int (*open_append)(struct nv_fs *fs, const char *name); /* created where it is missing */
    ssize_t (*pread)(struct nv_fs *fs, int handle, void *p, size_t n, uint64_t offset);
    int (*append)(struct nv_fs *fs, int handle, const void *p,
                  size_t n);                   /* all of it, at the end */
    int (*sync)(struct nv_fs *fs, int handle); /* fdatasync */
    int (*truncate)(struct nv_fs *fs, const char *name, uint64_t size);
    void (*close)(struct nv_fs *fs, int handle);
    int (*rename)(struct nv_fs *fs, const char *from, const char *to);
    int (*link)(struct nv_fs *fs, const char *from, const char *to);
    int (*unlink)(struct nv_fs *fs, const char *name); /* a file, or an empty directory */
    int (*mkdir)(struct nv_fs *fs, const char *name);
    int (*sync_dir)(struct nv_fs *fs); /* the names in the directory, not below it */
    int (*stat)(struct nv_fs *fs, const char *name, struct nv_fs_stat *ret);

    /* Files and directories, also those below ("snapshots/x/y"), sorted; the texts end in NUL. */
    int (*list)(struct nv_fs *fs, struct nv_arena *arena, struct nv_str **ret, size_t *ret_n);

    /* Keeps other processes out, by a file of that name, until the layer is freed. -EWOULDBLOCK: one has it. */
    int (*lock)(struct nv_fs *fs, const char *name);
    void (*free)(struct nv_fs *fs);
};
struct nv_fs {
    const struct nv_fs_ops *ops;
    uint64_t written, synced; /* bytes, calls; atomic */
};

/* The real one. The directory is made where it is missing. */
NV_MUST_USE int nv_fs_open(const char *path, struct nv_fs **ret);

/* A directory that is there, for reading only: whatever would change it is refused (-EROFS). */
NV_MUST_USE int nv_fs_open_to_read(const char *path, struct nv_fs **ret);

static inline void nv_fs_free(struct nv_fs *fs)
{
    if (fs)
        fs->ops->free(fs);
}
NV_DEFINE_AUTO(nv_fs)

/* CRC32C (Castagnoli) of n bytes, continued from `crc` (0 at first); by instruction where there is one. */
uint32_t nv_crc32c(uint32_t crc, const void *p, size_t n);
uint32_t nv_crc32c_by_table(uint32_t crc, const void *p, size_t n); /* the same, for tests */

#endif
