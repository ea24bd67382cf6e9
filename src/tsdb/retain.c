/*
 * What may stay: blocks no older than the retention time, and everything in the directory within its size.
 *
 * The size wins. An eighth of it is kept free, so that the next block and a merge have room and the limit holds while
 * they are being written. Age counts from the newest sample, not from the clock: importing old data expires nothing.
 */
#include "base/assert.h"
#include "tsdb/parts.h"

enum { RESERVE_SHARE = 8 };

uint64_t nv_store_directory_bytes(struct nv_store *store, struct nv_store_stats *stats)
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_fs_stat stat;
    struct nv_str *names;
    uint64_t total = 0, segment;
    size_t n;

    if (store->fs->ops->list(store->fs, &arena, &names, &n) < 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (store->fs->ops->stat(store->fs, names[i].p, &stat) < 0 || stat.is_dir)
            continue;
        total += stat.size;
        if (!stats)
            continue;
        if (nv_log_is_name(names[i], &segment))
            stats->log_bytes += stat.size;
        else if (nv_str_starts(names[i], "block-"))
            stats->block_bytes += stat.size;
        else
            stats->other_bytes += stat.size;
    }
    return total;
}

static struct nv_block *oldest(struct nv_store *store)
{
    struct nv_block *found = NULL;

    for (size_t i = 0; i < store->blocks->n; i++)
        if (!found || nv_block_info(store->blocks->at[i])->to_ms < nv_block_info(found)->to_ms)
            found = store->blocks->at[i];
    return found;
}

static int drop_block(struct nv_store *store, struct nv_block *block)
{
    char name[NV_BLOCK_NAME_MAX];

    snprintf(name, sizeof(name), "%s", nv_block_info(block)->name);
    int r = nv_store_replace(store, &block, 1, NULL);
    if (r < 0)
        return r;
    nv_store_unlink_block(store, name);
    nv_count(&store->stats.retained_blocks_dropped, 1);
    return 0;
}

/* Files set aside are the first to go where there is no room: nobody reads them. */
static bool drop_damaged(struct nv_store *store)
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_str *names;
    size_t n;

    if (store->fs->ops->list(store->fs, &arena, &names, &n) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((nv_str_ends(names[i], NV_DAMAGED) || nv_str_ends(names[i], NV_AHEAD)) &&
            store->fs->ops->unlink(store->fs, names[i].p) == 0)
            return true;
    return false;
}

static bool is_too_large(struct nv_store *store)
{
    uint64_t limit = store->options.retention_bytes;

    return limit && nv_store_directory_bytes(store, NULL) > limit - limit / RESERVE_SHARE;
}

int nv_store_retain(struct nv_store *store)
{
    int64_t keep = store->options.retention_ms, newest = store->aged_ms;
    struct nv_block *block;
    int n = 0;

    while (keep && (block = oldest(store)) && nv_block_info(block)->to_ms < newest - keep) {
        int r = drop_block(store, block);
        if (r < 0)
            return r;
        n++;
    }
    while (is_too_large(store)) {
        if (drop_damaged(store)) {
            n++;
            continue;
        }
        block = oldest(store);
        if (!block)
            break;
        int r = drop_block(store, block);
        if (r < 0)
            return r;
        n++;
    }
    return n;
}
