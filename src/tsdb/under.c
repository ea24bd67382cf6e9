#include "tsdb/under.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 512 };

struct under {
    struct nv_fs fs; /* first: one is the other */
    struct nv_fs *below;
    char directory[NAME_MAX_BYTES / 2];
};

struct path {
    char text[NAME_MAX_BYTES];
};

static struct nv_fs *below(struct nv_fs *fs)
{
    return ((struct under *)fs)->below;
}

static struct path in(struct nv_fs *fs, const char *name)
{
    struct path path;

    snprintf(path.text, sizeof(path.text), "%s/%s", ((struct under *)fs)->directory, name);
    return path;
}

static int under_open_read(struct nv_fs *fs, const char *name)
{
    return below(fs)->ops->open_read(below(fs), in(fs, name).text);
}

static int under_create(struct nv_fs *fs, const char *name)
{
    return below(fs)->ops->create(below(fs), in(fs, name).text);
}

static int under_open_append(struct nv_fs *fs, const char *name)
{
    return below(fs)->ops->open_append(below(fs), in(fs, name).text);
}

static ssize_t under_pread(struct nv_fs *fs, int handle, void *p, size_t n, uint64_t offset)
{
    return below(fs)->ops->pread(below(fs), handle, p, n, offset);
}

static int under_append(struct nv_fs *fs, int handle, const void *p, size_t n)
{
    return below(fs)->ops->append(below(fs), handle, p, n);
}

static int under_sync(struct nv_fs *fs, int handle)
{
    return below(fs)->ops->sync(below(fs), handle);
}

static int under_truncate(struct nv_fs *fs, const char *name, uint64_t size)
{
    return below(fs)->ops->truncate(below(fs), in(fs, name).text, size);
}

static void under_close(struct nv_fs *fs, int handle)
{
    below(fs)->ops->close(below(fs), handle);
}

static int under_rename(struct nv_fs *fs, const char *from, const char *to)
{
    return below(fs)->ops->rename(below(fs), in(fs, from).text, in(fs, to).text);
}

static int under_link(struct nv_fs *fs, const char *from, const char *to)
{
    return below(fs)->ops->link(below(fs), in(fs, from).text, in(fs, to).text);
}

static int under_unlink(struct nv_fs *fs, const char *name)
{
    return below(fs)->ops->unlink(below(fs), in(fs, name).text);
}

static int under_mkdir(struct nv_fs *fs, const char *name)
{
    return below(fs)->ops->mkdir(below(fs), in(fs, name).text);
}

static int under_sync_dir(struct nv_fs *fs)
{
    return below(fs)->ops->sync_dir(below(fs));
}

static int under_stat(struct nv_fs *fs, const char *name, struct nv_fs_stat *ret)
{
    return below(fs)->ops->stat(below(fs), in(fs, name).text, ret);
}

/* Nobody lists a directory that is being written. */
static int under_list(struct nv_fs *fs, struct nv_arena *arena, struct nv_str **ret, size_t *ret_n)
{
    (void)fs, (void)arena;
    *ret = NULL;
    *ret_n = 0;
    return -EOPNOTSUPP;
}

static int under_lock(struct nv_fs *fs, const char *name)
{
    (void)fs, (void)name;
    return 0;
}

static void under_free(struct nv_fs *fs)
{
    free(fs);
}

static const struct nv_fs_ops ops = {
    .open_read = under_open_read,
    .create = under_create,
    .open_append = under_open_append,
    .pread = under_pread,
    .append = under_append,
    .sync = under_sync,
    .truncate = under_truncate,
    .close = under_close,
    .rename = under_rename,
    .link = under_link,
    .unlink = under_unlink,
    .mkdir = under_mkdir,
    .sync_dir = under_sync_dir,
    .stat = under_stat,
    .list = under_list,
    .lock = under_lock,
    .free = under_free,
};

struct nv_fs *nv_fs_under(struct nv_fs *fs, const char *directory)
{
    struct under *under = calloc(1, sizeof(*under));

    if (!under || strlen(directory) >= sizeof(under->directory)) {
        free(under);
        return NULL;
    }
    under->fs.ops = &ops;
    under->below = fs;
    memcpy(under->directory, directory, strlen(directory) + 1);
    return &under->fs;
}
