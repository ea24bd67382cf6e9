#include "support/memory_fs.h"

#include <pthread.h>

#include "base/assert.h"

enum { FILES_MAX = 4096, HANDLES_MAX = 4096 };

struct file {
    unsigned char *p;
    size_t n, room;
    size_t durable; /* bytes from the front that were synced */
    unsigned refs;  /* names, durable names and handles */
    bool is_dir;
};

struct name {
    char *text;
    struct file *file;
};

struct names {
    struct name at[FILES_MAX];
    size_t n;
};

struct memory_fs {
    struct nv_fs fs;
    pthread_mutex_t mutex;
    struct names now, durable;
    struct file *handles[HANDLES_MAX];
    uint64_t calls[3], read; /* calls of reads, writes, syncs */
    struct {
        unsigned kinds;
        uint64_t skip, times;
        int error;
        size_t torn;
    } fault;
    unsigned hangs, hanging; /* calls of these kinds; so many now */
    pthread_cond_t goes_on;
    bool locked;
};

static struct memory_fs *memory(const struct nv_fs *fs)
{
    return __extension__({
        union {
            const struct nv_fs *from;
            struct memory_fs *to;
        } u = {fs};
        u.to;
    });
}

static struct memory_fs *take(struct nv_fs *fs)
{
    pthread_mutex_lock(&memory(fs)->mutex);
    return memory(fs);
}

/* For a call of a kind, which may hang. */
static struct memory_fs *take_for(struct nv_fs *fs, unsigned kind)
{
    struct memory_fs *m = take(fs);

    m->hanging++;
    while (m->hangs & kind)
        pthread_cond_wait(&m->goes_on, &m->mutex);
    m->hanging--;
    return m;
}

static void unlock(struct memory_fs **fs)
{
    pthread_mutex_unlock(&(*fs)->mutex);
}
#define LOCKED __attribute__((cleanup(unlock))) struct memory_fs

static void file_unref(struct file *file)
{
    if (--file->refs == 0) {
        free(file->p);
        free(file);
    }
}

static struct name *find(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->at[i].text, text) == 0)
            return &names->at[i];
    return NULL;
}

static struct file *find_file(struct memory_fs *m, const char *text)
{
    struct name *name = find(&m->now, text);

    return name ? name->file : NULL;
}

static void add(struct names *names, const char *text, struct file *file)
{
    nv_assert(names->n < FILES_MAX);
    names->at[names->n++] = (struct name){nv_must(strdup(text)), file};
    file->refs++;
}

static void drop(struct names *names, struct name *name)
{
    nv_assert(name);
    free(name->text);
    file_unref(name->file);
    *name = names->at[--names->n];
}

static void drop_all(struct names *names)
{
    while (names->n)
        drop(names, &names->at[0]);
}

static void copy(struct names *to, const struct names *from)
{
    drop_all(to);
    for (size_t i = 0; i < from->n; i++)
        add(to, from->at[i].text, from->at[i].file);
}

/* Counts a call; the error it is to fail with. */
static int count(struct memory_fs *m, unsigned kind)
{
    m->calls[kind / 2]++;
    if (!m->fault.times || !(m->fault.kinds & kind))
        return 0;
    if (m->fault.skip) {
        m->fault.skip--;
        return 0;
    }
    if (m->fault.times != UINT64_MAX)
        m->fault.times--;
    return m->fault.error;
}

static int open_handle(struct memory_fs *m, struct file *file)
{
    for (int i = 0; i < HANDLES_MAX; i++) {
        if (!m->handles[i]) {
            m->handles[i] = file;
            file->refs++;
            return i;
        }
    }
    return -EMFILE;
}

static struct file *new_file(struct memory_fs *m, const char *name)
{
    struct file *file = nv_must(calloc(1, sizeof(*file)));

    add(&m->now, name, file);
    return file;
}

static int memory_open_read(struct nv_fs *fs, const char *name)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_READS);
    struct file *file = find_file(m, name);
    int r = count(m, NV_MEMORY_FS_READS);

    return r < 0 ? r : file ? open_handle(m, file) : -ENOENT;
}

static int memory_create(struct nv_fs *fs, const char *name)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    int r = count(m, NV_MEMORY_FS_WRITES);

    return r < 0 ? r : find_file(m, name) ? -EEXIST : open_handle(m, new_file(m, name));
}

static int memory_open_append(struct nv_fs *fs, const char *name)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    struct file *file = find_file(m, name);
    int r = count(m, NV_MEMORY_FS_WRITES);

    return r < 0 ? r : open_handle(m, file ? file : new_file(m, name));
}

static ssize_t memory_pread(struct nv_fs *fs, int handle, void *p, size_t n, uint64_t offset)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_READS);
    const struct file *file = m->handles[handle];
    int r = count(m, NV_MEMORY_FS_READS);

    nv_assert(file);
    if (r < 0)
        return r;
    if (offset >= file->n)
        return 0;
    n = n < file->n - offset ? n : file->n - (size_t)offset;
    memcpy(p, file->p + offset, n);
    m->read += n;
    return (ssize_t)n;
}

static void file_append(struct file *file, const void *p, size_t n)
{
    if (!n)
        return;
    if (file->room - file->n < n) {
        file->room = (file->n + n) * 2;
        file->p = nv_must(realloc(file->p, file->room));
    }
    memcpy(file->p + file->n, p, n);
    file->n += n;
}

static int memory_append(struct nv_fs *fs, int handle, const void *p, size_t n)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    int r = count(m, NV_MEMORY_FS_WRITES);
    size_t part = r == 0 ? n : m->fault.torn < n ? m->fault.torn : n;

    nv_assert(m->handles[handle]);
    file_append(m->handles[handle], p, part);
    fs->written += part;
    return r;
}

static int memory_sync(struct nv_fs *fs, int handle)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_SYNCS);
    int r = count(m, NV_MEMORY_FS_SYNCS);

    nv_assert(m->handles[handle]);
    fs->synced++;
    if (r == 0)
        m->handles[handle]->durable = m->handles[handle]->n;
    return r;
}

static int memory_sync_dir(struct nv_fs *fs)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_SYNCS);
    int r = count(m, NV_MEMORY_FS_SYNCS);

    fs->synced++;
    if (r == 0)
        copy(&m->durable, &m->now);
    return r;
}

static int memory_truncate(struct nv_fs *fs, const char *name, uint64_t size)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    struct file *file = find_file(m, name);
    int r = count(m, NV_MEMORY_FS_WRITES);

    if (r < 0 || !file)
        return r < 0 ? r : -ENOENT;
    file->n = size < file->n ? (size_t)size : file->n;
    file->durable = file->durable < file->n ? file->durable : file->n;
    return 0;
}

static void memory_close(struct nv_fs *fs, int handle)
{
    LOCKED *m = take(fs);

    nv_assert(m->handles[handle]);
    file_unref(nv_take(m->handles[handle]));
}

static int memory_link(struct nv_fs *fs, const char *from, const char *to)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    struct file *file = find_file(m, from);
    int r = count(m, NV_MEMORY_FS_WRITES);

    if (r < 0 || !file || find_file(m, to))
        return r < 0 ? r : file ? -EEXIST : -ENOENT;
    add(&m->now, to, file);
    return 0;
}

static int memory_rename(struct nv_fs *fs, const char *from, const char *to)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    struct file *file = find_file(m, from);
    int r = count(m, NV_MEMORY_FS_WRITES);

    if (r < 0 || !file)
        return r < 0 ? r : -ENOENT;
    file->refs++;
    if (find(&m->now, to))
        drop(&m->now, find(&m->now, to));
    add(&m->now, to, file);
    if (strcmp(from, to) != 0)
        drop(&m->now, find(&m->now, from));
    file_unref(file);
    return 0;
}

static int memory_unlink(struct nv_fs *fs, const char *name)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    struct name *at = find(&m->now, name);
    int r = count(m, NV_MEMORY_FS_WRITES);

    if (r < 0 || !at)
        return r < 0 ? r : -ENOENT;
    drop(&m->now, at);
    return 0;
}

static int memory_mkdir(struct nv_fs *fs, const char *name)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_WRITES);
    int r = count(m, NV_MEMORY_FS_WRITES);

    if (r < 0 || find_file(m, name))
        return r < 0 ? r : -EEXIST;
    new_file(m, name)->is_dir = true;
    return 0;
}

static int memory_stat(struct nv_fs *fs, const char *name, struct nv_fs_stat *ret)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_READS);
    const struct file *file = find_file(m, name);
    int r = count(m, NV_MEMORY_FS_READS);

    if (r < 0 || !file)
        return r < 0 ? r : -ENOENT;
    *ret = (struct nv_fs_stat){.size = file->n, .is_dir = file->is_dir};
    return 0;
}

static int compare(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

static int memory_list(struct nv_fs *fs, struct nv_arena *arena, struct nv_str **ret, size_t *ret_n)
{
    LOCKED *m = take_for(fs, NV_MEMORY_FS_READS);
    int r = count(m, NV_MEMORY_FS_READS);
    struct nv_str *at = nv_arena_alloc(arena, (m->now.n + 1) * sizeof(*at));

    if (r < 0 || !at)
        return r < 0 ? r : -ENOMEM;
    for (size_t i = 0; i < m->now.n; i++) {
        at[i] = nv_arena_str(arena, nv_str(m->now.at[i].text));
        if (!at[i].p)
            return -ENOMEM;
    }
    qsort(at, m->now.n, sizeof(*at), compare);
    *ret = at;
    *ret_n = m->now.n;
    return 0;
}

static int memory_lock(struct nv_fs *fs, const char *name)
{
    LOCKED *m = take(fs);

    (void)name;
    if (m->locked)
        return -EWOULDBLOCK;
    m->locked = true;
    return 0;
}

static void memory_free(struct nv_fs *fs)
{
    struct memory_fs *m = memory(fs);

    drop_all(&m->now);
    drop_all(&m->durable);
    for (size_t i = 0; i < HANDLES_MAX; i++)
        if (m->handles[i])
            file_unref(m->handles[i]);
    pthread_mutex_destroy(&m->mutex);
    pthread_cond_destroy(&m->goes_on);
    free(m);
}

static const struct nv_fs_ops memory_ops = {
    .open_read = memory_open_read,
    .create = memory_create,
    .open_append = memory_open_append,
    .pread = memory_pread,
    .append = memory_append,
    .sync = memory_sync,
    .truncate = memory_truncate,
    .close = memory_close,
    .rename = memory_rename,
    .link = memory_link,
    .unlink = memory_unlink,
    .mkdir = memory_mkdir,
    .sync_dir = memory_sync_dir,
    .stat = memory_stat,
    .list = memory_list,
    .lock = memory_lock,
    .free = memory_free,
};

struct nv_fs *nv_memory_fs_new(void)
{
    struct memory_fs *m = nv_must(calloc(1, sizeof(*m)));

    m->fs.ops = &memory_ops;
    pthread_mutex_init(&m->mutex, NULL);
    pthread_cond_init(&m->goes_on, NULL);
    return &m->fs;
}

void nv_memory_fs_cut(struct nv_fs *fs, size_t torn, bool names)
{
    LOCKED *m = take(fs);

    if (names)
        copy(&m->durable, &m->now);
    copy(&m->now, &m->durable);
    for (size_t i = 0; i < m->now.n; i++) {
        struct file *file = m->now.at[i].file;
        size_t left = file->n - file->durable;
        file->n = file->durable += left < torn ? left : torn;
    }
    m->locked = false;
}

void nv_memory_fs_fail(struct nv_fs *fs, unsigned kinds, uint64_t nth, uint64_t times, int error,
                       size_t torn)
{
    LOCKED *m = take(fs);

    m->fault.kinds = kinds;
    m->fault.skip = nth;
    m->fault.times = times;
    m->fault.error = error;
    m->fault.torn = torn;
}

void nv_memory_fs_hang(struct nv_fs *fs, unsigned kinds)
{
    LOCKED *m = take(fs);

    m->hangs = kinds;
    pthread_cond_broadcast(&m->goes_on);
}

unsigned nv_memory_fs_hanging(struct nv_fs *fs)
{
    LOCKED *m = take(fs);

    return m->hanging;
}

uint64_t nv_memory_fs_calls(const struct nv_fs *fs, unsigned kinds)
{
    const struct memory_fs *m = memory(fs);

    return (kinds & NV_MEMORY_FS_READS ? m->calls[0] : 0) +
           (kinds & NV_MEMORY_FS_WRITES ? m->calls[1] : 0) +
           (kinds & NV_MEMORY_FS_SYNCS ? m->calls[2] : 0);
}

uint64_t nv_memory_fs_read(const struct nv_fs *fs)
{
    return memory(fs)->read;
}

unsigned char *nv_memory_fs_bytes(struct nv_fs *fs, const char *name, size_t *ret_n)
{
    LOCKED *m = take(fs);
    struct file *file = find_file(m, name);

    if (!file)
        return NULL;
    *ret_n = file->n;
    return file->p;
}

void nv_memory_fs_put(struct nv_fs *fs, const char *name, const void *p, size_t n)
{
    LOCKED *m = take(fs);

    if (find(&m->now, name))
        drop(&m->now, find(&m->now, name));
    if (find(&m->durable, name))
        drop(&m->durable, find(&m->durable, name));
    struct file *file = new_file(m, name);
    file_append(file, p, n);
    file->durable = n;
    add(&m->durable, name, file);
}
