/*
 * memory_fs.h - a file layer in memory, for bad days: power cuts, full disks, reads that fail.
 *
 *   durable    what was synced: bytes of a file by sync(), its name by sync_dir(); a truncation at once
 *   power cut  nv_memory_fs_cut() forgets the rest, but for as many bytes as the disk happened to have written of
 *              what was appended last; the layer stays usable, handles do not
 *   faults     the n-th call of a kind from now on, and so many after it, fail with an errno; a failing append may
 *              leave the front of its bytes behind
 *   hanging    calls of a kind do not return until they are let go on
 *   threads    any
 */
#ifndef NV_TEST_MEMORY_FS_H
#define NV_TEST_MEMORY_FS_H

#include "tsdb/fs.h"

struct nv_fs *nv_memory_fs_new(void);

/* `torn`: bytes that were appended last, and not synced, but are there all the same (of each file).
 * `names`: so are the changes of names. Both is allowed to happen; so is neither. */
void nv_memory_fs_cut(struct nv_fs *fs, size_t torn, bool names);

enum nv_memory_fs_calls {
    NV_MEMORY_FS_READS = 1, /* open_read, pread, stat, list */
    NV_MEMORY_FS_WRITES =
        2,                  /* create, open_append, append, truncate, rename, link, unlink, mkdir */
    NV_MEMORY_FS_SYNCS = 4, /* sync, sync_dir */
    NV_MEMORY_FS_CHANGES = 6, /* the latter two */
};

/* Call number `nth` (0: the next) of these kinds and `times` - 1 after it (UINT64_MAX: all) fail with `error`
 * (-ENOSPC, -EIO ...); a failing append keeps `torn` of its bytes. `times` 0 ends it. */
void nv_memory_fs_fail(struct nv_fs *fs, unsigned kinds, uint64_t nth, uint64_t times, int error,
                       size_t torn);

/* From now on calls of these kinds do not return, until this is called again without them; 0 lets all go on. */
void nv_memory_fs_hang(struct nv_fs *fs, unsigned kinds);
/* How many calls hang now. */
unsigned nv_memory_fs_hanging(struct nv_fs *fs);

/* Calls of these kinds so far: how many places there are to fail at. */
uint64_t nv_memory_fs_calls(const struct nv_fs *fs, unsigned kinds);

/* Bytes read by pread so far. */
uint64_t nv_memory_fs_read(const struct nv_fs *fs);

/* The bytes of a file, to look at or to spoil; NULL where there is none. Until the next call that changes it. */
unsigned char *nv_memory_fs_bytes(struct nv_fs *fs, const char *name, size_t *ret_n);

/* Makes a file of these bytes, durable at once; one of that name is replaced. */
void nv_memory_fs_put(struct nv_fs *fs, const char *name, const void *p, size_t n);

#endif
