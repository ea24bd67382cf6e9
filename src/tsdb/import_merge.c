/*
 * import_merge.c - many sorted runs into one file of samples, series by series.
 *
 * Runs were written in the order in which samples came, so of equal times the one of the highest run came last.
 */
#include "tsdb/import_parts.h"

#include <errno.h>

enum { BUFFER_MIN = 4 << 10, BUFFER_MAX = 1 << 20 };

/* Where we are in a run. */
struct cursor {
    int handle;
    uint64_t offset; /* of what is to be read next */
    char *p;
    size_t at, n, size;
    uint32_t series, left; /* of the segment we are in; left 0: at the end of the run */
    struct nv_import_sample next;
};

struct merge {
    struct nv_import *import;
    struct cursor *cursors;
    size_t n;
    struct cursor **active; /* those in a segment of the series at hand, by run */
    size_t n_active;
    struct nv_buf out;
    uint64_t n_out;
    bool has_pending;
    struct nv_import_sample pending;
};

/* Takes n bytes of a run. 1 at its very end. */
static int take(struct merge *m, struct cursor *c, void *p, size_t n)
{
    const struct nv_fs_ops *ops = m->import->fs->ops;

    if (c->n - c->at < n) {
        size_t left = c->n - c->at;
        memmove(c->p, c->p + c->at, left);
        ssize_t got = ops->pread(m->import->fs, c->handle, c->p + left, c->size - left, c->offset);
        if (got < 0)
            return (int)got;
        c->at = 0;
        c->n = left + (size_t)got;
        c->offset += (uint64_t)got;
        if (c->n == 0)
            return 1;
        if (c->n < n)
            return -EIO;
    }
    memcpy(p, c->p + c->at, n);
    c->at += n;
    return 0;
}

/* To the next segment. */
static int next_segment(struct merge *m, struct cursor *c)
{
    uint32_t head[2];

    int r = take(m, c, head, sizeof(head));
    if (r) {
        c->left = 0;
        return r < 0 ? r : 0;
    }
    if (!head[1] || head[0] >= m->import->n_series)
        return -EIO;
    c->series = head[0];
    c->left = head[1];
    return take(m, c, &c->next, sizeof(c->next)) ? -EIO : 0;
}

static int open_cursor(struct merge *m, unsigned run, size_t size)
{
    struct cursor *c = &m->cursors[run];
    char name[NV_IMPORT_NAME_MAX];

    c->size = size;
    c->p = malloc(size);
    if (!c->p)
        return -ENOMEM;
    nv_import_name(m->import, run, name);
    c->handle = m->import->fs->ops->open_read(m->import->fs, name);
    return c->handle < 0 ? c->handle : next_segment(m, c);
}

static int open_cursors(struct merge *m)
{
    size_t size = m->import->options.memory / 2 / m->n;

    size = size < BUFFER_MIN ? BUFFER_MIN : size > BUFFER_MAX ? BUFFER_MAX : size;
    for (size_t i = 0; i < m->n; i++)
        m->cursors[i].handle = -1;
    for (size_t i = 0; i < m->n; i++) {
        int r = open_cursor(m, (unsigned)i, size);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- out ------------------------------------------------------------------------------------ */

static int flush(struct merge *m)
{
    int r = m->out.failed
                ? m->out.failed
                : m->import->fs->ops->append(m->import->fs, m->import->merged, m->out.p, m->out.n);
    m->import->stats.spilled += m->out.n;
    nv_buf_reset(&m->out);
    return r;
}

static int put_pending(struct merge *m)
{
    if (!m->has_pending)
        return 0;
    m->has_pending = false;
    nv_buf_add(&m->out, &m->pending, sizeof(m->pending));
    m->n_out++;
    return m->out.n >= BUFFER_MAX ? flush(m) : 0;
}

/* The last of equal times stays. */
static int put(struct merge *m, const struct nv_import_sample *sample)
{
    int r = 0;

    if (m->has_pending && m->pending.time_ms == sample->time_ms)
        nv_import_count_equal(m->import, sample->value, m->pending.value);
    else
        r = put_pending(m);
    m->pending = *sample;
    m->has_pending = true;
    return r;
}

/* ---- one series ----------------------------------------------------------------------------- */

static void find_active(struct merge *m, uint32_t series)
{
    m->n_active = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->cursors[i].left && m->cursors[i].series == series)
            m->active[m->n_active++] = &m->cursors[i];
}

/* The active one with the earliest sample, of equal ones the first run; and how far it may go: below the second's. */
static size_t earliest(const struct merge *m, int64_t *ret_until_ms)
{
    size_t best = 0;
    int64_t until_ms = INT64_MAX;

    for (size_t i = 1; i < m->n_active; i++) {
        int64_t time_ms = m->active[i]->next.time_ms, best_ms = m->active[best]->next.time_ms;
        if (time_ms < best_ms) {
            until_ms = best_ms;
            best = i;
        } else if (time_ms < until_ms) {
            until_ms = time_ms;
        }
    }
    *ret_until_ms = until_ms;
    return best;
}

/* Puts samples of one cursor up to a time, at least one. */
static int drain(struct merge *m, struct cursor *c, int64_t until_ms)
{
    do {
        int r = put(m, &c->next);
        if (r < 0)
            return r;
        if (--c->left == 0)
            return next_segment(m, c);
        if (take(m, c, &c->next, sizeof(c->next)))
            return -EIO;
    } while (c->next.time_ms < until_ms);
    return 0;
}

static int merge_series(struct merge *m, uint32_t number)
{
    struct nv_import_series *series = &m->import->series[number];

    find_active(m, number);
    series->at = m->n_out;
    while (m->n_active) {
        int64_t until_ms;
        size_t i = earliest(m, &until_ms);
        struct cursor *c = m->active[i];
        if (!m->has_pending && m->n_out == series->at)
            series->next_ms = c->next.time_ms;
        int r = drain(m, c, until_ms);
        if (r < 0)
            return r;
        if (!c->left || c->series != number)
            memmove(&m->active[i], &m->active[i + 1], (--m->n_active - i) * sizeof(c));
    }
    int r = put_pending(m);
    series->end = m->n_out;
    return r;
}

static int merge_all(struct merge *m)
{
    char name[NV_IMPORT_NAME_MAX];
    struct nv_import *import = m->import;

    int r = open_cursors(m);
    if (r < 0)
        return r;
    nv_import_name(import, NV_IMPORT_MERGED, name);
    import->merged = import->fs->ops->create(import->fs, name);
    if (import->merged < 0)
        return import->merged;
    for (size_t i = 0; i < import->n_series && r == 0; i++) {
        r = merge_series(m, (uint32_t)i);
        if (import->options.progress)
            import->options.progress(import->options.user, &import->stats);
    }
    return r < 0 ? r : flush(m);
}

/* The file anew, for reading. */
static int reopen(struct nv_import *import)
{
    char name[NV_IMPORT_NAME_MAX];

    nv_import_name(import, NV_IMPORT_MERGED, name);
    import->fs->ops->close(import->fs, import->merged);
    import->merged = import->fs->ops->open_read(import->fs, name);
    if (import->merged < 0)
        import->fs->ops->unlink(import->fs, name);
    return import->merged < 0 ? import->merged : 0;
}

static void remove_runs(struct nv_import *import)
{
    char name[NV_IMPORT_NAME_MAX];

    for (unsigned i = 0; i < import->n_runs; i++) {
        nv_import_name(import, i, name);
        import->fs->ops->unlink(import->fs, name);
    }
    import->n_runs = 0;
}

int nv_import_merge(struct nv_import *import)
{
    struct merge m = {
        .import = import,
        .n = import->n_runs,
        .cursors = calloc(import->n_runs, sizeof(*m.cursors)),
        .active = calloc(import->n_runs, sizeof(struct cursor *)),
        .out = NV_BUF(BUFFER_MAX + sizeof(struct nv_import_sample)),
    };
    int r = m.cursors && m.active ? merge_all(&m) : -ENOMEM;

    for (size_t i = 0; m.cursors && i < m.n; i++) {
        if (m.cursors[i].handle >= 0 && m.cursors[i].p)
            import->fs->ops->close(import->fs, m.cursors[i].handle);
        free(m.cursors[i].p);
    }
    free(m.cursors);
    free(m.active);
    nv_buf_done(&m.out);
    if (r == 0)
        r = reopen(import);
    if (r == 0)
        remove_runs(import);
    return r;
}
