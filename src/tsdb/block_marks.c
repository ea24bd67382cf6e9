/*
 * What was deleted of a block, in a file of its own beside it, to which marks are added:
 *
 *   file  := "nvmarks\n"  u32 version (1)  u32 CRC of the 12 bytes before  mark*
 *   mark  := u32 series  s64 from  s64 to, both included  u32 CRC of the 20 bytes before
 *
 * What was torn off at the end, by a power cut while it was written, was never promised and is not looked at.
 * Readers drop the samples; the next merge applies the marks, and the file goes with its block.
 */
#include "tsdb/block_parts.h"

#include <stdio.h>

#define MAGIC "nvmarks\n"
enum { HEADER = 16, MARK = 24, VERSION = 1, MARKS_MAX = 16 << 20 };

static int compare(const void *a, const void *b)
{
    const struct nv_mark *x = a, *y = b;

    if (x->series != y->series)
        return x->series < y->series ? -1 : 1;
    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

static void name_of(const char *block, char name[NV_BLOCK_NAME_MAX + 16])
{
    snprintf(name, NV_BLOCK_NAME_MAX + 16, "%s" NV_BLOCK_MARKS, block);
}

static int parse(const char *p, size_t n, uint64_t n_series, struct nv_marks **ret)
{
    size_t n_marks = n < HEADER ? 0 : (n - HEADER) / MARK;
    struct nv_marks *marks NV_AUTO_FREE =
        calloc(1, sizeof(*marks) + n_marks * sizeof(struct nv_mark));

    if (!marks)
        return -ENOMEM;
    if (n >= HEADER && (memcmp(p, MAGIC, 8) != 0 || nv_crc32c(0, p, 12) != nv_load_u32(p + 12)))
        return -EBADMSG;
    if (n >= HEADER && nv_load_u32(p + 8) != VERSION)
        return -EPROTONOSUPPORT;
    for (size_t i = 0; i < n_marks; i++) {
        const char *at = p + HEADER + i * MARK;
        struct nv_mark mark = {nv_load_u32(at), (int64_t)nv_load_u64(at + 4),
                               (int64_t)nv_load_u64(at + 12)};
        if (nv_crc32c(0, at, 20) != nv_load_u32(at + 20) || mark.series >= n_series)
            return -EBADMSG;
        marks->at[marks->n++] = mark;
    }
    qsort(marks->at, marks->n, sizeof(marks->at[0]), compare);
    *ret = nv_take(marks);
    return 0;
}

int nv_marks_read(struct nv_fs *fs, const char *block, uint64_t n_series, struct nv_marks **ret)
{
    char name[NV_BLOCK_NAME_MAX + 16];
    struct nv_fs_stat st;

    name_of(block, name);
    *ret = NULL;
    int r = fs->ops->stat(fs, name, &st);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (st.size > HEADER + (uint64_t)MARKS_MAX * MARK)
        return -EFBIG;
    char *p NV_AUTO_FREE = malloc((size_t)st.size + 1);
    int handle = fs->ops->open_read(fs, name);
    if (handle < 0)
        return handle;
    ssize_t got = p ? fs->ops->pread(fs, handle, p, (size_t)st.size, 0) : -ENOMEM;
    fs->ops->close(fs, handle);
    return got < 0 ? (int)got : parse(p, (size_t)got, n_series, ret);
}

/* A series' first mark; marks->n where it has none. */
static size_t first_of(const struct nv_marks *marks, uint32_t series)
{
    size_t low = 0, high = marks->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (marks->at[middle].series < series)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool deleted(const struct nv_marks *marks, size_t first, uint32_t series, int64_t time_ms)
{
    for (size_t i = first; i < marks->n && marks->at[i].series == series; i++)
        if (marks->at[i].from_ms <= time_ms && time_ms <= marks->at[i].to_ms)
            return true;
    return false;
}

void nv_marks_apply(struct nv_block *block, uint32_t series, struct nv_samples *samples,
                    size_t keep)
{
    if (!__atomic_load_n(&block->marks, __ATOMIC_ACQUIRE))
        return;
    pthread_mutex_lock(&block->mutex);
    size_t first = first_of(block->marks, series), n = keep;
    for (size_t i = keep; i < samples->n; i++) {
        if (deleted(block->marks, first, series, samples->times[i]))
            continue;
        samples->times[n] = samples->times[i];
        samples->values[n] = samples->values[i];
        if (samples->starts)
            samples->starts[n] = samples->starts[i];
        if (samples->histograms)
            samples->histograms[n] = samples->histograms[i];
        n++;
    }
    samples->n = n;
    pthread_mutex_unlock(&block->mutex);
}

bool nv_block_has_marks(struct nv_block *block)
{
    return __atomic_load_n(&block->marks, __ATOMIC_ACQUIRE);
}

bool nv_block_mark(struct nv_block *block, uint32_t series, size_t i, int64_t *ret_from_ms,
                   int64_t *ret_to_ms)
{
    bool found = false;

    if (!nv_block_has_marks(block))
        return false;
    pthread_mutex_lock(&block->mutex);
    size_t at = first_of(block->marks, series);
    if (i < block->marks->n - at && block->marks->at[at + i].series == series) {
        *ret_from_ms = block->marks->at[at + i].from_ms;
        *ret_to_ms = block->marks->at[at + i].to_ms;
        found = true;
    }
    pthread_mutex_unlock(&block->mutex);
    return found;
}

/* ---- adding --------------------------------------------------------------------------------- */

static void put_mark(struct nv_buf *out, const struct nv_mark *mark)
{
    size_t begin = out->n;

    nv_put_u32(out, mark->series);
    nv_put_u64(out, (uint64_t)mark->from_ms);
    nv_put_u64(out, (uint64_t)mark->to_ms);
    if (!out->failed)
        nv_put_u32(out, nv_crc32c(0, out->p + begin, out->n - begin));
}

/* Makes a torn end good: marks are whole from here on. */
static int trim(struct nv_fs *fs, const char *name, uint64_t *ret_size)
{
    struct nv_fs_stat st;

    *ret_size = 0;
    int r = fs->ops->stat(fs, name, &st);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (st.size >= HEADER)
        *ret_size = st.size - (st.size - HEADER) % MARK;
    return *ret_size < st.size ? fs->ops->truncate(fs, name, *ret_size) : 0;
}

static int write_marks(struct nv_fs *fs, const char *block, struct nv_buf *out,
                       const struct nv_mark *at, size_t n)
{
    char name[NV_BLOCK_NAME_MAX + 16];
    uint64_t size;

    name_of(block, name);
    int r = trim(fs, name, &size);
    if (r < 0)
        return r;
    if (!size) {
        nv_buf_text(out, MAGIC);
        nv_put_u32(out, VERSION);
        if (!out->failed)
            nv_put_u32(out, nv_crc32c(0, out->p, out->n));
    }
    for (size_t i = 0; i < n; i++)
        put_mark(out, &at[i]);
    int handle = out->failed ? out->failed : fs->ops->open_append(fs, name);
    if (handle < 0)
        return handle;
    r = fs->ops->append(fs, handle, out->p, out->n);
    if (r == 0)
        r = fs->ops->sync(fs, handle);
    fs->ops->close(fs, handle);
    return r == 0 && !size ? fs->ops->sync_dir(fs) : r;
}

/* The marks there are and n more. NULL: too many, or memory is out. */
static struct nv_marks *more_marks(const struct nv_marks *old, const uint32_t *series, size_t n,
                                   int64_t from_ms, int64_t to_ms)
{
    size_t before = old ? old->n : 0;

    if (n > MARKS_MAX - before)
        return NULL;
    struct nv_marks *marks = calloc(1, sizeof(*marks) + (before + n) * sizeof(marks->at[0]));
    if (!marks)
        return NULL;
    if (before)
        memcpy(marks->at, old->at, before * sizeof(marks->at[0]));
    for (size_t i = 0; i < n; i++)
        marks->at[before + i] = (struct nv_mark){series[i], from_ms, to_ms};
    marks->n = before + n;
    return marks;
}

/* Under block->deleting: nobody else changes the marks, and readers go on until they are exchanged. */
static int delete_more(struct nv_block *block, const uint32_t *series, size_t n, int64_t from_ms,
                       int64_t to_ms)
{
    NV_AUTO_BUF out = NV_BUF(HEADER + (size_t)MARKS_MAX * MARK);
    struct nv_marks *marks NV_AUTO_FREE = more_marks(block->marks, series, n, from_ms, to_ms);

    if (!marks)
        return -ENOMEM;
    int r = write_marks(block->fs, block->info.name, &out, marks->at + marks->n - n, n);
    if (r < 0)
        return r;
    qsort(marks->at, marks->n, sizeof(marks->at[0]), compare);
    pthread_mutex_lock(&block->mutex);
    struct nv_marks *old = block->marks;
    __atomic_store_n(&block->marks, nv_take(marks), __ATOMIC_RELEASE);
    pthread_mutex_unlock(&block->mutex);
    free(old);
    return 0;
}

int nv_block_delete(struct nv_block *block, const uint32_t *series, size_t n, int64_t from_ms,
                    int64_t to_ms)
{
    if (!n || from_ms > to_ms)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (series[i] >= block->footer.n_series)
            return -EINVAL;
    pthread_mutex_lock(&block->deleting);
    int r = delete_more(block, series, n, from_ms, to_ms);
    pthread_mutex_unlock(&block->deleting);
    return r;
}
