/*
 * dir.h - trees of small files, read relative to the directories they lie in: cgroups, processes.
 *
 *   int dir = nv_dir_open(pass, NV_DIR_ROOTS, "sys/fs/cgroup"), child = nv_dir_open(pass, dir, "system.slice");
 *   int n = nv_dir_read(pass, child, "cpu.stat", text, sizeof(text));
 *   nv_dir_close(pass, child);
 *
 * Where a tree has thousands of files, walking down each one's path costs more than reading it. A descriptor
 * is open until it is closed, which the collector does before collect() returns.
 */
#ifndef NODEVITALS_DIR_H
#define NODEVITALS_DIR_H

#include <nodevitals/collector.h>

enum { NV_DIR_ROOTS = -1 };

struct nv_dir_stat {
    uint64_t inode;
    uint64_t
        n_links; /* of cgroupfs and most others 2 and one for each folder below; 1 where it does not tell */
    int64_t mtime_ns;
};

/* A folder: a path of ours where `at` is NV_DIR_ROOTS, else below that one, symbolic links not followed there. Returns
 * a descriptor or a negative errno. */
static inline int nv_dir_open(struct nv_pass *pass, int at, const char *path)
{
    return pass->host->dir_open(pass, at, path);
}

static inline void nv_dir_close(struct nv_pass *pass, int dir)
{
    pass->host->dir_close(pass, dir);
}

/* At most `max` bytes of a file that comes whole with its first read, as one record of the kernel's does. Returns how
 * many, or a negative errno. */
static inline int nv_dir_read(struct nv_pass *pass, int dir, const char *name, char *out,
                              size_t max)
{
    return pass->host->dir_read(pass, dir, name, false, out, max);
}

/* The same of a file that comes in many records, such as a list of processes. */
static inline int nv_dir_read_parts(struct nv_pass *pass, int dir, const char *name, char *out,
                                    size_t max)
{
    return pass->host->dir_read(pass, dir, name, true, out, max);
}

/* Names of the folders below, in no order, without those beginning with a dot. They end in a NUL. */
static inline int nv_dir_list(struct nv_pass *pass, int dir, struct nv_names *ret)
{
    return pass->host->dir_list(pass, dir, ret);
}

static inline int nv_dir_stat(struct nv_pass *pass, int dir, struct nv_dir_stat *ret)
{
    return pass->host->dir_stat(pass, dir, ret);
}

#endif
