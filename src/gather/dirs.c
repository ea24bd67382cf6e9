#include "gather/dirs.h"

#include <dirent.h>
#include <fcntl.h>
#include <nodevitals/dir.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

enum { ENTRIES_ROOM = 16384 };

struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

static struct nv_run *run_of(struct nv_pass *pass)
{
    struct nv_run *run = (struct nv_run *)pass;

    nv_assert(run->magic == NV_RUN_MAGIC);
    return run;
}

int nv_dirs_open(struct nv_pass *pass, int at, const char *path)
{
    if (at == NV_DIR_ROOTS)
        return nv_files_open_dir(nv_gather_shared(run_of(pass)->gather)->files, path);
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void nv_dirs_close(struct nv_pass *pass, int dir)
{
    (void)pass;
    close(dir);
}

int nv_dirs_read(struct nv_pass *pass, int dir, const char *name, bool in_parts, char *out,
                 size_t max)
{
    size_t n = 0;
    ssize_t r = 1;

    (void)pass;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    while (n < max && r > 0) {
        r = read(fd, out + n, max - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            r = -errno;
        else
            n += (size_t)r;
        if (!in_parts)
            break;
    }
    close(fd);
    return r < 0 ? (int)r : (int)n;
}

static bool is_folder(int dir, const struct entry *entry)
{
    struct stat st;

    if (entry->name[0] == '.')
        return false;
    if (entry->type != DT_UNKNOWN)
        return entry->type == DT_DIR;
    return fstatat(dir, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Adds the folders among the entries of one read; the first `*n` of `names` are there already. */
static struct nv_str *add_folders(struct nv_arena *arena, int dir, const struct nv_buf *entries,
                                  struct nv_str *names, size_t *n, size_t *room)
{
    for (size_t at = 0; at < entries->n;) {
        const struct entry *entry = (const void *)(entries->p + at);
        at += entry->size;
        if (!is_folder(dir, entry) || *n == NV_NAMES_MAX)
            continue;
        if (*n == *room) {
            *room = *room ? 2 * *room : 16;
            struct nv_str *more = nv_must(nv_arena_alloc(arena, *room * sizeof(*more)));
            if (*n)
                memcpy(more, names, *n * sizeof(*more));
            names = more;
        }
        names[*n] = nv_arena_str(arena, nv_str(entry->name));
        nv_must((void *)(uintptr_t)names[(*n)++].p);
    }
    return names;
}

int nv_dirs_list(struct nv_pass *pass, int dir, struct nv_names *ret)
{
    struct nv_lane *lane = run_of(pass)->lane;
    struct nv_buf *entries = &lane->scratch;
    struct nv_str *names = NULL;
    size_t n = 0, room = 0;

    if (lseek(dir, 0, SEEK_SET) < 0) /* it may have been listed before */
        return -errno;
    for (;;) {
        nv_buf_reset(entries);
        if (!nv_buf_room(entries, ENTRIES_ROOM))
            return entries->failed;
        ssize_t r = getdents64(dir, entries->p, entries->size);
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        entries->n = (size_t)r;
        names = add_folders(&lane->arena, dir, entries, names, &n, &room);
    }
    *ret = (struct nv_names){names, n};
    return 0;
}

int nv_dirs_stat(struct nv_pass *pass, int dir, struct nv_dir_stat *ret)
{
    struct stat st;

    (void)pass;
    if (fstat(dir, &st) < 0)
        return -errno;
    *ret = (struct nv_dir_stat){
        .inode = st.st_ino,
        .n_links = st.st_nlink,
        .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
    };
    return 0;
}
