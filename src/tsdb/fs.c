/*
 * The real file layer: one open directory, and everything relative to it.
 *
 * A handle is a file descriptor. Where the directory was removed under us, the first call that makes a
 * file makes the directory anew and opens it in the old one's place, so that writing goes on by itself.
 */
#include "tsdb/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/assert.h"

enum { DEPTH_MAX = 3, LISTED_MAX = 1 << 20, LIST_FIRST = 64 };

struct real_fs {
    struct nv_fs fs; /* first: one is the other */
    char *path;
    char *lock_name;
    int dir, lock;
    pthread_mutex_t reopening;
};

struct listing {
    struct nv_arena *arena;
    struct nv_str *at;
    size_t n, room;
};

static struct real_fs *real(struct nv_fs *fs)
{
    return (struct real_fs *)fs;
}

static int error_or(int result)
{
    return result < 0 ? -errno : result;
}

/* mkdir -p. */
static int make_path(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof(part))
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i])
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST && (errno != EROFS || i == n))
            return -errno;
    }
    return 0;
}

static int open_dir(const char *path)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir >= 0 || errno != ENOENT)
        return error_or(dir);
    int r = make_path(path);
    if (r < 0)
        return r;
    return error_or(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* Opened for reading, which is enough for flock(): a descriptor for writing, held all the time, would keep the
 * administrator from remounting the file system read-only. */
static int take_lock(struct real_fs *fs, int *ret)
{
    NV_AUTO_FD fd = openat(fs->dir, fs->lock_name, O_RDONLY | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    *ret = nv_take_fd(&fd);
    return 0;
}

/* Returns 0 where the directory had gone and stands again. */
static int reopen(struct real_fs *fs)
{
    struct stat st;

    if (fstat(fs->dir, &st) < 0)
        return -errno;
    if (st.st_nlink)
        return -ENOENT;
    NV_AUTO_FD dir = open_dir(fs->path);
    if (dir < 0)
        return dir;
    if (dup3(dir, fs->dir, O_CLOEXEC) < 0)
        return -errno;
    if (!fs->lock_name)
        return 0;
    int old = fs->lock;
    int r = take_lock(fs, &fs->lock);
    if (r == 0)
        close(old);
    return r;
}

/* Opens for writing, in a directory made anew if need be. */
static int open_writing(struct real_fs *fs, const char *name, int flags)
{
    int fd = openat(fs->dir, name, flags | O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

    if (fd >= 0 || errno != ENOENT)
        return error_or(fd);
    pthread_mutex_lock(&fs->reopening);
    int r = reopen(fs);
    pthread_mutex_unlock(&fs->reopening);
    if (r < 0)
        return r;
    return error_or(openat(fs->dir, name, flags | O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
}

static int real_create(struct nv_fs *fs, const char *name)
{
    return open_writing(real(fs), name, O_EXCL);
}

static int real_open_append(struct nv_fs *fs, const char *name)
{
    return open_writing(real(fs), name, 0);
}

static int real_open_read(struct nv_fs *fs, const char *name)
{
    return error_or(openat(real(fs)->dir, name, O_RDONLY | O_CLOEXEC));
}

/* Until n bytes or the end. */
static ssize_t real_pread(struct nv_fs *fs, int handle, void *p, size_t n, uint64_t offset)
{
    size_t done = 0;

    (void)fs;
    while (done < n) {
        ssize_t part = pread(handle, (char *)p + done, n - done, (off_t)(offset + done));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -errno;
        if (part == 0)
            break;
        done += (size_t)part;
    }
    return (ssize_t)done;
}

static int real_append(struct nv_fs *fs, int handle, const void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t part = write(handle, (const char *)p + done, n - done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -errno;
        done += (size_t)part;
        __atomic_add_fetch(&fs->written, (uint64_t)part, __ATOMIC_RELAXED);
    }
    return 0;
}

/* A file whose directory was removed would take all that is written, for nobody: that is found out here. */
static int real_sync(struct nv_fs *fs, int handle)
{
    struct stat st;

    __atomic_add_fetch(&fs->synced, 1, __ATOMIC_RELAXED);
    if (fdatasync(handle) < 0 || fstat(handle, &st) < 0)
        return -errno;
    return st.st_nlink ? 0 : -ENOENT;
}

static int real_sync_dir(struct nv_fs *fs)
{
    __atomic_add_fetch(&fs->synced, 1, __ATOMIC_RELAXED);
    return error_or(fsync(real(fs)->dir));
}

static int real_truncate(struct nv_fs *fs, const char *name, uint64_t size)
{
    NV_AUTO_FD fd = openat(real(fs)->dir, name, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0)
        return -errno;
    return error_or(fdatasync(fd));
}

static void real_close(struct nv_fs *fs, int handle)
{
    (void)fs;
    close(handle);
}

static int real_rename(struct nv_fs *fs, const char *from, const char *to)
{
    int dir = real(fs)->dir;

    return error_or(renameat(dir, from, dir, to));
}

static int real_link(struct nv_fs *fs, const char *from, const char *to)
{
    int dir = real(fs)->dir;

    return error_or(linkat(dir, from, dir, to, 0));
}

static int real_unlink(struct nv_fs *fs, const char *name)
{
    int dir = real(fs)->dir;

    if (unlinkat(dir, name, 0) == 0)
        return 0;
    return error_or(errno == EISDIR ? unlinkat(dir, name, AT_REMOVEDIR) : -1);
}

static int real_mkdir(struct nv_fs *fs, const char *name)
{
    return error_or(mkdirat(real(fs)->dir, name, 0777));
}

static int real_stat(struct nv_fs *fs, const char *name, struct nv_fs_stat *ret)
{
    struct stat st;

    if (fstatat(real(fs)->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    *ret = (struct nv_fs_stat){
        .size = (uint64_t)st.st_size,
        .mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st.st_mode),
    };
    return 0;
}

static int list_add(struct listing *list, const char *name)
{
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : LIST_FIRST;
        struct nv_str *at =
            room <= LISTED_MAX ? nv_arena_alloc(list->arena, room * sizeof(*at)) : NULL;
        if (!at)
            return -ENOMEM;
        if (list->n)
            memcpy(at, list->at, list->n * sizeof(*at));
        list->at = at;
        list->room = room;
    }
    struct nv_str copy = nv_arena_str(list->arena, nv_str(name));
    if (!copy.p)
        return -ENOMEM;
    list->at[list->n++] = copy;
    return 0;
}

static void close_listed(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Adds the names in a directory ("" or "x/"), without those below. */
static int list_one(struct real_fs *fs, const char *prefix, struct listing *list)
{
    char name[PATH_MAX];
    NV_AUTO_FD fd = openat(fs->dir, *prefix ? prefix : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    __attribute__((cleanup(close_listed))) DIR *dir = fdopendir(fd);
    if (!dir)
        return -errno;
    nv_take_fd(&fd);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int n = snprintf(name, sizeof(name), "%s%s", prefix, entry->d_name);
        int r = n > 0 && (size_t)n < sizeof(name) ? list_add(list, name) : -ENAMETOOLONG;
        if (r < 0)
            return r;
    }
}

static size_t depth_of(struct nv_str name)
{
    size_t depth = 1;

    for (size_t i = 0; i < name.n; i++)
        depth += name.p[i] == '/';
    return depth;
}

static int compare(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

/* What vanishes between two looks is no error. */
static int real_list(struct nv_fs *fs, struct nv_arena *arena, struct nv_str **ret, size_t *ret_n)
{
    struct listing list = {.arena = arena};
    struct nv_fs_stat st;
    char prefix[PATH_MAX];

    int r = list_one(real(fs), "", &list);
    for (size_t i = 0; r == 0 && i < list.n; i++) {
        if (depth_of(list.at[i]) == DEPTH_MAX || real_stat(fs, list.at[i].p, &st) < 0 || !st.is_dir)
            continue;
        int n = snprintf(prefix, sizeof(prefix), "%s/", list.at[i].p);
        r = n > 0 && (size_t)n < sizeof(prefix) ? list_one(real(fs), prefix, &list) : 0;
        r = r == -ENOENT ? 0 : r;
    }
    if (r < 0)
        return r;
    if (list.n)
        qsort(list.at, list.n, sizeof(*list.at), compare);
    *ret = list.at;
    *ret_n = list.n;
    return 0;
}

static int real_lock(struct nv_fs *fs, const char *name)
{
    nv_assert(!real(fs)->lock_name);
    real(fs)->lock_name = strdup(name);
    if (!real(fs)->lock_name)
        return -ENOMEM;
    int r = take_lock(real(fs), &real(fs)->lock);
    if (r < 0)
        free(nv_take(real(fs)->lock_name));
    return r;
}

static void real_free(struct nv_fs *fs)
{
    if (real(fs)->lock >= 0)
        close(real(fs)->lock);
    if (real(fs)->dir >= 0)
        close(real(fs)->dir);
    pthread_mutex_destroy(&real(fs)->reopening);
    free(real(fs)->path);
    free(real(fs)->lock_name);
    free(fs);
}

static const struct nv_fs_ops real_ops = {
    .open_read = real_open_read,
    .create = real_create,
    .open_append = real_open_append,
    .pread = real_pread,
    .append = real_append,
    .sync = real_sync,
    .truncate = real_truncate,
    .close = real_close,
    .rename = real_rename,
    .link = real_link,
    .unlink = real_unlink,
    .mkdir = real_mkdir,
    .sync_dir = real_sync_dir,
    .stat = real_stat,
    .list = real_list,
    .lock = real_lock,
    .free = real_free,
};

static int real_new(const char *path, int dir, const struct nv_fs_ops *ops, struct nv_fs **ret)
{
    NV_AUTO_FD owned = dir;
    struct real_fs *fs = calloc(1, sizeof(*fs));

    if (!fs)
        return -ENOMEM;
    *fs = (struct real_fs){.fs.ops = ops, .path = strdup(path), .dir = -1, .lock = -1};
    pthread_mutex_init(&fs->reopening, NULL);
    if (!fs->path) {
        real_free(&fs->fs);
        return -ENOMEM;
    }
    fs->dir = nv_take_fd(&owned);
    *ret = &fs->fs;
    return 0;
}

int nv_fs_open(const char *path, struct nv_fs **ret)
{
    int dir = open_dir(path);

    return dir < 0 ? dir : real_new(path, dir, &real_ops, ret);
}

/* ---- for reading only ----------------------------------------------------------------------- */

static int refuse(struct nv_fs *fs, const char *name)
{
    (void)fs, (void)name;
    return -EROFS;
}

static int refuse_append(struct nv_fs *fs, int handle, const void *p, size_t n)
{
    (void)fs, (void)handle, (void)p, (void)n;
    return -EROFS;
}

static int refuse_sync(struct nv_fs *fs, int handle)
{
    (void)fs, (void)handle;
    return -EROFS;
}

static int refuse_truncate(struct nv_fs *fs, const char *name, uint64_t size)
{
    (void)fs, (void)name, (void)size;
    return -EROFS;
}

static int refuse_two(struct nv_fs *fs, const char *from, const char *to)
{
    (void)fs, (void)from, (void)to;
    return -EROFS;
}

static int refuse_sync_dir(struct nv_fs *fs)
{
    (void)fs;
    return -EROFS;
}

static const struct nv_fs_ops reading_ops = {
    .open_read = real_open_read,
    .create = refuse,
    .open_append = refuse,
    .pread = real_pread,
    .append = refuse_append,
    .sync = refuse_sync,
    .truncate = refuse_truncate,
    .close = real_close,
    .rename = refuse_two,
    .link = refuse_two,
    .unlink = refuse,
    .mkdir = refuse,
    .sync_dir = refuse_sync_dir,
    .stat = real_stat,
    .list = real_list,
    .lock = refuse,
    .free = real_free,
};

int nv_fs_open_to_read(const char *path, struct nv_fs **ret)
{
    int dir = error_or(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    return dir < 0 ? dir : real_new(path, dir, &reading_ops, ret);
}
