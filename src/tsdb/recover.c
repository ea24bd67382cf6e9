/*
 * What a start finds in the directory: blocks, which are opened; files that were not finished, which go; and the log:
 * see replay.c.
 */
#include "base/assert.h"
#include "tsdb/parts.h"

/* ---- blocks --------------------------------------------------------------------------------- */

static void set_aside(struct nv_store *store, const char *name)
{
    char to[NV_BLOCK_NAME_MAX + 32];

    nv_count(&store->stats.corruptions, 1);
    if (store->options.read_only)
        return;
    snprintf(to, sizeof(to), "%s" NV_DAMAGED, name);
    if (store->fs->ops->rename(store->fs, name, to) == 0)
        (void)!store->fs->ops->sync_dir(store->fs);
}

static int open_blocks(struct nv_store *store, const struct nv_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct nv_block *block;
        if (memchr(names[i].p, '/', names[i].n))
            continue;
        if (nv_str_starts(names[i], NV_BLOCK_UNFINISHED) && !store->options.read_only)
            store->fs->ops->unlink(store->fs, names[i].p);
        if (!nv_str_starts(names[i], "block-") || !nv_str_ends(names[i], NV_BLOCK_SUFFIX))
            continue;
        int r = nv_block_open(store->fs, store->cache, names[i].p, &block);
        if (r == 0)
            r = nv_store_replace(store, NULL, 0, block);
        else if (r == -ENOENT && store->options.read_only)
            return -ESTALE;
        else if (r == -EBADMSG)
            set_aside(store, names[i].p);
        else if (r == -EIO)
            nv_count(&store->stats.corruptions, 1);
        if (r == -ENOMEM)
            return r;
    }
    return 0;
}

static bool is_leftover(const struct nv_blocks *blocks, const struct nv_block *block)
{
    for (size_t i = 0; i < blocks->n; i++)
        if (nv_block_is_made_of(blocks->at[i], block))
            return true;
    return false;
}

/* What was merged, and was to be removed when the machine stopped. Leftovers tell of others, so all are found first. */
static int drop_leftovers(struct nv_store *store)
{
    struct nv_blocks *blocks = nv_store_view(store);
    NV_AUTO_FREE struct nv_block **gone = calloc(blocks->n + 1, sizeof(*gone));
    size_t n = 0;

    for (size_t i = 0; gone && i < blocks->n; i++)
        if (is_leftover(blocks, blocks->at[i]))
            gone[n++] = blocks->at[i];
    int r = !gone ? -ENOMEM : n ? nv_store_replace(store, gone, n, NULL) : 0;
    for (size_t i = 0; r == 0 && i < n && !store->options.read_only; i++)
        nv_store_unlink_block(store, nv_block_info(gone[i])->name);
    nv_blocks_unref(blocks);
    return r;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* The next name of a block or a segment; NULL where there is none left. */
static const struct nv_str *next_part(const struct nv_str *names, size_t n, size_t *at)
{
    uint64_t segment;

    while (*at < n) {
        const struct nv_str *name = &names[(*at)++];
        if (nv_log_is_name(*name, &segment) ||
            (nv_str_starts(*name, "block-") && nv_str_ends(*name, NV_BLOCK_SUFFIX)))
            return name;
    }
    return NULL;
}

/*
 * Who writes the directory beside us may have moved samples from a segment to a block, or from blocks to another one,
 * while we read: each file was whole, and all together were not. They were where the names are the same before and after.
 */
static int check_same(struct nv_store *store, const struct nv_str *names, size_t n)
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(64 << 20);
    const struct nv_str *a, *b;
    struct nv_str *again;
    size_t n_again, at = 0, at_again = 0;

    int r = store->fs->ops->list(store->fs, &arena, &again, &n_again);
    if (r < 0)
        return r;
    do {
        a = next_part(names, n, &at);
        b = next_part(again, n_again, &at_again);
        if (!a != !b || (a && !nv_str_eq(*a, *b)))
            return -ESTALE;
    } while (a);
    return 0;
}

int nv_store_recover(struct nv_store *store, char error[NV_STORE_ERROR_MAX])
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_str *names;
    uint64_t next = 1;
    size_t n;

    int r = store->fs->ops->list(store->fs, &arena, &names, &n);
    if (r < 0) {
        snprintf(error, NV_STORE_ERROR_MAX, "cannot read the directory: %s", strerror(-r));
        return r;
    }
    r = open_blocks(store, names, n);
    if (r == 0)
        r = drop_leftovers(store);
    if (r == 0)
        r = nv_replay_log(store, names, n, &next);
    if (r == 0 && store->options.read_only)
        r = check_same(store, names, n);
    if (r < 0)
        snprintf(error, NV_STORE_ERROR_MAX, "cannot read what is there: %s", strerror(-r));
    if (r < 0 || store->options.read_only)
        return r;
    store->cut_now = store->n_damaged > 0;
    for (size_t i = 0; i < store->n_heads; i++) { /* what was read is not new */
        store->heads[i]->log.valid = false;
        store->heads[i]->samples = store->heads[i]->frames = 0;
        store->heads[i]->not_newer = store->heads[i]->full = 0;
    }
    r = nv_log_new(store->fs, next, store->options.wal_sync_ms, store->options.threads,
                   &store->log);
    if (r == 0 && store->cut_now)
        (void)!nv_store_cut(store, true);
    return r;
}
