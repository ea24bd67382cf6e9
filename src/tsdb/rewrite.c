/*
 * Several blocks, or one, written as one: merged, thinned, and without what was deleted.
 *
 * Groups of different blocks that share series are one source's, and so are sections: they are matched by the series that
 * lie in both, those of equal number first. A series whose pieces lie in matched sections is a column of the common
 * group. One that moved, or of which samples were deleted, is written with times of its own.
 *
 * Thinning keeps, for each window of the interval, the row of a section's last observation. A series is then still a
 * column if its samples and markers follow from the rows that are kept. If one went stale between two of them, or lived
 * between them only, it gets times of its own, with the marker where it was, and with one sample of that life.
 */
#include "base/assert.h"
#include "tsdb/rewrite_parts.h"

enum { REWRITE_BYTES = 1 << 30 };

static void rewrite_done(struct nv_rewrite *w)
{
    nv_block_writer_free(w->writer);
    nv_samples_done(&w->samples);
    nv_samples_done(&w->thin);
    nv_arena_done(&w->arena);
    nv_arena_done(&w->scratch);
    nv_arena_done(&w->labels);
}

static int build(struct nv_rewrite *w)
{
    int r = nv_block_writer_new(w->store->fs, &w->writer);
    if (r == 0)
        r = nv_rewrite_match_all(w);
    for (uint32_t i = 0; r == 0 && i < w->n_out; i++)
        r = nv_rewrite_group(w, i);
    return r == 0 ? nv_rewrite_write(w) : r;
}

/* The new block in place of the old ones, for readers at once, and then on disk. */
static int replace(struct nv_rewrite *w, const char *name)
{
    NV_AUTO_FREE char(*names)[NV_BLOCK_NAME_MAX] = calloc(w->n, NV_BLOCK_NAME_MAX);
    struct nv_store *store = w->store;
    struct nv_block *fresh = NULL;

    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < w->n; i++)
        snprintf(names[i], NV_BLOCK_NAME_MAX, "%s", nv_block_info(w->blocks[i])->name);
    int r = name[0] ? nv_block_open(store->fs, store->cache, name, &fresh) : 0;
    if (r == 0)
        r = nv_store_replace(store, w->blocks, w->n, fresh);
    for (size_t i = 0; r == 0 && i < w->n; i++)
        nv_store_unlink_block(store, names[i]);
    return r;
}

int nv_store_rewrite(struct nv_store *store, struct nv_block *const *blocks, size_t n,
                     unsigned level, int64_t interval_ms)
{
    __attribute__((cleanup(rewrite_done))) struct nv_rewrite w = {
        .store = store,
        .blocks = blocks,
        .n = n,
        .interval_ms = interval_ms,
        .arena = NV_ARENA(REWRITE_BYTES),
        .scratch = NV_ARENA(REWRITE_BYTES),
        .labels = NV_ARENA(REWRITE_BYTES),
    };
    char name[NV_BLOCK_NAME_MAX] = "";

    int r = build(&w);
    for (size_t i = 0; r == 0 && i < n; i++)
        nv_block_note_origin(w.writer, nv_block_info(blocks[i])->name);
    if (r == 0)
        r = nv_block_commit(w.writer, level, name);
    if (r == -ENODATA)
        name[0] = '\0';
    else if (r < 0)
        return r;
    r = replace(&w, name);
    if (r == 0 && interval_ms)
        nv_count(&store->stats.thinned_samples, w.n_before - w.n_after);
    return r;
}
