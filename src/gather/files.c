#include "gather/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <nodevitals/sort.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/assert.h"
#include "base/index.h"
#include "gather/absent.h"
#include "gather/path.h"

enum {
    ATTRIBUTE_MAX = 128,
    FIRST_ROOM = 4000,
    LEAST_ROOM = 1000,
    ENTRIES_ROOM = 16384,
    SLOTS = 4 * NV_GATHER_KEPT_MAX,
    FREE = 0xffff
};

enum root_number { PROC, SYS, ROOT, UDEV, N_ROOTS };

struct root {
    const char *name;
    char *path;
    int fd;
    bool live; /* a procfs or sysfs: its files may be kept open */
};

struct kept {
    char *path;
    uint64_t hash, used; /* the pass it was last used in */
    int fd;
    unsigned readers;
    bool pinned;
};

struct nv_files {
    struct root roots[N_ROOTS];
    pthread_mutex_t lock; /* what follows */
    struct nv_absent *absent;
    uint64_t pass, swept;
    struct kept kept[NV_GATHER_KEPT_MAX];
    size_t n_kept, n_kept_max;
    uint16_t slots[SLOTS]; /* into kept, by hash */
};

/* ---- roots ---------------------------------------------------------------------------------- */

static void open_root(struct root *root, const char *name, const char *path)
{
    struct statfs fs;

    root->name = name;
    root->path = nv_must(strdup(path[0] ? path : "."));
    root->fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    root->live = root->fd >= 0 && fstatfs(root->fd, &fs) == 0 &&
                 (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC);
}

/* How many descriptors may be kept: half of those the process may have, since connections and passing reads need
 * some too. */
static size_t kept_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 2 > NV_GATHER_KEPT_MAX)
        return NV_GATHER_KEPT_MAX;
    return limit.rlim_cur / 2;
}

struct nv_files *nv_files_new(const struct nv_gather_options *options)
{
    struct nv_files *files = calloc(1, sizeof(*files));

    if (!files)
        return NULL;
    files->absent = nv_must(nv_absent_new());
    files->n_kept_max = kept_max();
    pthread_mutex_init(&files->lock, NULL);
    memset(files->slots, 0xff, sizeof(files->slots));
    open_root(&files->roots[PROC], "proc", options->procfs);
    open_root(&files->roots[SYS], "sys", options->sysfs);
    open_root(&files->roots[ROOT], "root", options->rootfs);
    open_root(&files->roots[UDEV], "udev", options->udev);
    return files;
}

void nv_files_free(struct nv_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->n_kept; i++) {
        close(files->kept[i].fd);
        free(files->kept[i].path);
    }
    for (size_t i = 0; i < N_ROOTS; i++) {
        if (files->roots[i].fd >= 0)
            close(files->roots[i].fd);
        free(files->roots[i].path);
    }
    nv_absent_free(files->absent);
    pthread_mutex_destroy(&files->lock);
    free(files);
}

/* The root of a path and what follows it: relative to the root's descriptor, "." for itself. */
static struct root *find_root(struct nv_files *files, const char *path, const char **ret_rest)
{
    for (size_t i = 0; i < N_ROOTS; i++) {
        size_t n = strlen(files->roots[i].name);
        if (strncmp(path, files->roots[i].name, n) == 0 && (path[n] == '/' || !path[n])) {
            const char *rest = path + n;
            while (*rest == '/')
                rest++;
            *ret_rest = *rest ? rest : ".";
            return &files->roots[i];
        }
    }
    return NULL;
}

static bool known_absent(struct nv_files *files, const char *path, uint64_t hash)
{
    pthread_mutex_lock(&files->lock);
    bool absent = nv_absent_has(files->absent, path, hash);
    pthread_mutex_unlock(&files->lock);
    return absent;
}

static void note_absent(struct nv_files *files, const char *path, uint64_t hash)
{
    pthread_mutex_lock(&files->lock);
    nv_absent_add(files->absent, path, hash);
    pthread_mutex_unlock(&files->lock);
}

/* A path below a live procfs or sysfs, processes aside: what is not there now comes with a notice. */
static bool may_be_noted(const struct root *root, const char *path)
{
    return root->live && (strncmp(path, "proc/", 5) != 0 || !nv_is_digit(path[5]));
}

static int open_below(struct nv_files *files, const char *path, int flags, struct root **ret_root)
{
    const char *rest;
    struct root *root = find_root(files, path, &rest);
    uint64_t hash = nv_hash(path, strlen(path), 0);

    if (!root || root->fd < 0)
        return -ENOENT;
    bool noted = may_be_noted(root, path);
    if (noted && known_absent(files, path, hash))
        return -ENOENT;
    int fd = openat(root->fd, rest, flags | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int r = -errno;
        if (noted && r == -ENOENT)
            note_absent(files, path, hash);
        return r;
    }
    if (ret_root)
        *ret_root = root;
    return fd;
}

int nv_files_open_dir(struct nv_files *files, const char *path)
{
    return open_below(files, path, O_RDONLY | O_DIRECTORY, NULL);
}

/* ---- kept descriptors; under the lock ------------------------------------------------------- */

static struct kept *find_kept(struct nv_files *files, const char *path, uint64_t hash)
{
    for (size_t at = hash % SLOTS; files->slots[at] != FREE; at = (at + 1) % SLOTS) {
        struct kept *kept = &files->kept[files->slots[at]];
        if (kept->hash == hash && strcmp(kept->path, path) == 0)
            return kept;
    }
    return NULL;
}

static void index_kept(struct nv_files *files)
{
    memset(files->slots, 0xff, sizeof(files->slots));
    for (size_t i = 0; i < files->n_kept; i++) {
        size_t at = files->kept[i].hash % SLOTS;
        while (files->slots[at] != FREE)
            at = (at + 1) % SLOTS;
        files->slots[at] = (uint16_t)i;
    }
}

static void drop_kept(struct nv_files *files, struct kept *kept)
{
    close(kept->fd);
    free(kept->path);
    *kept = files->kept[--files->n_kept];
}

/* Closes what was not used lately; at most once a pass, so that a full table costs no search a file. */
static void sweep_kept(struct nv_files *files)
{
    if (files->swept == files->pass)
        return;
    files->swept = files->pass;
    for (size_t i = files->n_kept; i-- > 0;) {
        struct kept *kept = &files->kept[i];
        if (!kept->pinned && !kept->readers && kept->used + 1 < files->pass)
            drop_kept(files, kept);
    }
    index_kept(files);
}

/* Takes over `fd` as the path's. False where the table is full; then the caller keeps it. */
static bool keep(struct nv_files *files, const char *path, uint64_t hash, int fd, bool pinned)
{
    if (files->n_kept >= files->n_kept_max)
        sweep_kept(files);
    if (files->n_kept >= files->n_kept_max || find_kept(files, path, hash))
        return false;
    char *copy = strdup(path);
    if (!copy)
        return false;
    files->kept[files->n_kept++] = (struct kept){copy, hash, files->pass, fd, 0, pinned};
    index_kept(files);
    return true;
}

void nv_files_next_pass(struct nv_files *files)
{
    pthread_mutex_lock(&files->lock);
    files->pass++;
    nv_absent_refresh(files->absent);
    pthread_mutex_unlock(&files->lock);
}

size_t nv_files_kept(struct nv_files *files)
{
    pthread_mutex_lock(&files->lock);
    size_t n = files->n_kept;
    pthread_mutex_unlock(&files->lock);
    return n;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Whether one read that leaves room has read it all: attributes of sysfs and sysctls come whole. */
static bool comes_whole(const char *path)
{
    return strncmp(path, "sys/", 4) == 0 || strncmp(path, "proc/sys/", 9) == 0;
}

/* What stands in the file now. A seq_file of many records answers some 4 KiB at a time however large the
 * buffer, so only a read of 0 bytes is the end. */
static int read_all(int fd, size_t max, bool whole, struct nv_buf *out)
{
    nv_buf_reset(out);
    for (;;) {
        /* Small at first: what is allocated and copied once stays resident for good. */
        size_t want = max <= ATTRIBUTE_MAX ? max : out->n ? LEAST_ROOM : FIRST_ROOM;
        if (!nv_buf_room(out, want))
            return out->failed;
        if (max > ATTRIBUTE_MAX)
            want = out->size - out->n;
        ssize_t n = pread(fd, out->p + out->n, want, (off_t)out->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        out->n += (size_t)n;
        if (n == 0 || max <= ATTRIBUTE_MAX || (whole && (size_t)n < want))
            return 0;
        if (out->n > max)
            return -EFBIG;
    }
}

/* An open file stays with its interface, whose name may by now be another's: nobody would notice. */
static bool belongs_to_interface(const char *path)
{
    return strncmp(path, "sys/class/net/", 14) == 0 && strchr(path + 14, '/');
}

static bool may_keep(const struct root *root, const char *path, bool pinned)
{
    if (belongs_to_interface(path))
        return false;
    return pinned ? root->live : may_be_noted(root, path);
}

static int read_fresh(struct nv_files *files, const char *path, uint64_t hash, size_t max,
                      bool pinned, struct nv_buf *out)
{
    struct root *root = NULL;
    int fd = open_below(files, path, O_RDONLY, &root);

    if (fd < 0)
        return fd;
    int r = read_all(fd, max, root->live && comes_whole(path), out);
    if (r == 0 && may_keep(root, path, pinned)) {
        pthread_mutex_lock(&files->lock);
        if (keep(files, path, hash, fd, pinned))
            fd = -1;
        pthread_mutex_unlock(&files->lock);
    }
    if (fd >= 0)
        close(fd);
    return r;
}

int nv_files_read(struct nv_files *files, const char *path, size_t max, bool pinned,
                  struct nv_buf *out)
{
    uint64_t hash = nv_hash(path, strlen(path), 0);

    pthread_mutex_lock(&files->lock);
    struct kept *kept = find_kept(files, path, hash);
    int fd = kept ? kept->fd : -1;
    if (kept) {
        kept->used = files->pass;
        kept->readers++;
    }
    pthread_mutex_unlock(&files->lock);
    if (fd < 0)
        return read_fresh(files, path, hash, max, pinned, out);

    int r = read_all(fd, max, comes_whole(path), out);
    bool gone = r == -ENODEV || r == -ESRCH || r == -ESTALE || r == -ENXIO;
    pthread_mutex_lock(&files->lock);
    kept = find_kept(files, path, hash); /* it may have moved, but not gone: we are a reader */
    nv_assert(kept);
    if (--kept->readers == 0 && gone) {
        drop_kept(files, kept);
        index_kept(files);
    }
    pthread_mutex_unlock(&files->lock);
    return gone ? read_fresh(files, path, hash, max, pinned, out) : r;
}

/* ---- directories and links ------------------------------------------------------------------ */

struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

static int by_name(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

/* All entries as the kernel gives them, one after another. */
static int read_entries(int fd, struct nv_buf *out)
{
    nv_buf_reset(out);
    for (;;) {
        if (!nv_buf_room(out, ENTRIES_ROOM))
            return out->failed;
        ssize_t n = getdents64(fd, out->p + out->n, out->size - out->n);
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        out->n += (size_t)n;
    }
}

static const struct entry *next_entry(const struct nv_buf *entries, size_t *at)
{
    const struct entry *entry = (const void *)(entries->p + *at);

    if (*at >= entries->n)
        return NULL;
    *at += entry->size;
    return entry;
}

int nv_files_list(struct nv_files *files, const char *path, struct nv_arena *arena,
                  struct nv_buf *scratch, struct nv_names *ret)
{
    NV_AUTO_FD fd = open_below(files, path, O_RDONLY | O_DIRECTORY, NULL);
    const struct entry *entry;
    size_t n = 0, at = 0;

    if (fd < 0)
        return fd;
    int r = read_entries(fd, scratch);
    if (r < 0)
        return r;
    while (next_entry(scratch, &at))
        n++;
    if (n > NV_NAMES_MAX)
        return -EFBIG;

    struct nv_str *names = nv_must(nv_arena_alloc(arena, (n + 1) * sizeof(*names)));
    bool sorted = true;
    for (n = at = 0; (entry = next_entry(scratch, &at));) {
        if (entry->name[0] == '.')
            continue;
        names[n] = nv_arena_str(arena, nv_str(entry->name));
        nv_must((void *)(uintptr_t)names[n].p);
        sorted = sorted && (n == 0 || nv_str_cmp(names[n - 1], names[n]) < 0);
        n++;
    }
    if (!sorted)
        nv_sort(names, n, sizeof(*names), by_name);
    *ret = (struct nv_names){names, n};
    return 0;
}

int nv_files_link(struct nv_files *files, const char *path, struct nv_arena *arena,
                  struct nv_str *ret)
{
    char text[PATH_MAX];
    const char *rest;
    const struct root *root = find_root(files, path, &rest);

    if (!root || root->fd < 0)
        return -ENOENT;
    ssize_t n = readlinkat(root->fd, rest, text, sizeof(text));
    if (n < 0)
        return -errno;
    *ret = nv_arena_str(arena, (struct nv_str){text, (size_t)n});
    return ret->p ? 0 : -ENOMEM;
}

int nv_files_resolve(struct nv_files *files, const char *path, struct nv_arena *arena,
                     struct nv_str *ret)
{
    char text[PATH_MAX], self[64];
    NV_AUTO_FD fd = open_below(files, path, O_PATH, NULL);

    if (fd < 0)
        return fd;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(self, text, sizeof(text));
    if (n < 0)
        return -errno;
    *ret = nv_arena_str(arena, (struct nv_str){text, (size_t)n});
    return ret->p ? 0 : -ENOMEM;
}

int nv_files_stat(struct nv_files *files, const char *path, unsigned *ret_mode,
                  int64_t *ret_mtime_ns)
{
    struct stat st;
    const char *rest;
    const struct root *root = find_root(files, path, &rest);

    if (!root || root->fd < 0)
        return -ENOENT;
    if (fstatat(root->fd, rest, &st, 0) < 0)
        return -errno;
    if (ret_mode)
        *ret_mode = st.st_mode;
    if (ret_mtime_ns)
        *ret_mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return 0;
}

struct nv_str nv_files_native(const struct nv_files *files, const char *path,
                              struct nv_arena *arena)
{
    for (size_t i = 0; i < N_ROOTS; i++) {
        const struct root *root = &files->roots[i];
        size_t n = strlen(root->name);
        if (strncmp(path, root->name, n) != 0 || (path[n] != '/' && path[n]))
            continue;
        size_t size = strlen(root->path) + strlen(path + n) + 3;
        struct nv_buf out = {.p = nv_arena_alloc(arena, size), .size = size, .max = size};
        if (!out.p)
            break;
        nv_path_join(&out, nv_str(root->path), nv_str(path + n));
        nv_buf_c_string(&out);
        return nv_buf_view(&out);
    }
    return (struct nv_str){NULL, 0};
}

bool nv_files_sysfs_is_live(struct nv_files *files)
{
    return files->roots[SYS].live;
}
