/*
 * Which blocks are written anew, and when.
 *
 *   class    how long a block may be: 0 as it was cut, then 6 and 24 times that, on boundaries of that length, never
 *            longer than a tenth of the retention time
 *   stage    0 as it was sampled, i: thinned to the i-th interval
 *   level    class + NV_LEVEL_STAGE * stage, in the name of the block
 *
 * A class is merged when its span has passed, so each sample is written once per class. Thinning comes before the merge
 * into days: what is merged then is small.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "tsdb/parts.h"

enum { CLASSES = 3, AT_ONCE_MAX = 64, RETENTION_SHARE = 10 };

static const int64_t lengths[CLASSES] = {1, 6, 24};

static unsigned class_of(const struct nv_block *block)
{
    unsigned class = nv_block_info(block)->level % NV_LEVEL_STAGE;

    return class < CLASSES ? class : CLASSES - 1;
}

static unsigned stage_of(const struct nv_block *block)
{
    return nv_block_info(block)->level / NV_LEVEL_STAGE;
}

/* How thin a block of that age should be. */
static unsigned stage_due(const struct nv_store *store, const struct nv_block *block,
                          int64_t newest)
{
    unsigned stage = 0;

    for (unsigned i = 0; i < NV_STORE_THIN_MAX && store->options.thin[i].interval_ms > 0; i++)
        if (nv_block_info(block)->to_ms < newest - store->options.thin[i].age_ms)
            stage = i + 1;
    return stage;
}

static int64_t interval_of(const struct nv_store *store, unsigned stage)
{
    return stage ? store->options.thin[stage - 1].interval_ms : 0;
}

static int64_t floor_to(int64_t time, int64_t length)
{
    int64_t rest = time % length;

    return time - (rest < 0 ? rest + length : rest);
}

static uint64_t bytes_of(struct nv_block *const *blocks, size_t n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += nv_block_info(blocks[i])->bytes;
    return bytes;
}

/* Old and new are there together for a moment: that too must be within the limit. */
static bool has_room(struct nv_store *store, struct nv_block *const *blocks, size_t n)
{
    uint64_t limit = store->options.retention_bytes;

    return !limit || nv_store_directory_bytes(store, NULL) + bytes_of(blocks, n) <= limit;
}

static int rewrite(struct nv_store *store, struct nv_block *const *blocks, size_t n, unsigned class,
                   unsigned stage)
{
    if (!has_room(store, blocks, n))
        return 0;
    int r = nv_store_rewrite(store, blocks, n, class + NV_LEVEL_STAGE * stage,
                             interval_of(store, stage));
    if (r < 0 && r != -ECANCELED)
        __atomic_store_n(&store->stats.disk_error, r, __ATOMIC_RELAXED);
    if (r < 0)
        return r == -EFBIG || r == -EBADMSG ? 0 : r;
    if (n > 1)
        nv_count(&store->stats.merges, 1);
    return 1;
}

/* Blocks of a lower class that begin in the span of `first`. Days wait until their parts are thin, if they will be soon. */
static size_t neighbours(struct nv_store *store, size_t first, unsigned class, int64_t length,
                         int64_t newest, struct nv_block *ret[AT_ONCE_MAX])
{
    const struct nv_blocks *blocks = store->blocks;
    int64_t begin = floor_to(nv_block_info(blocks->at[first])->from_ms, length);
    bool waits = class == CLASSES - 1 && store->options.thin[0].interval_ms > 0 &&
                 store->options.thin[0].age_ms <= 2 * length;
    size_t n = 0, rows = 0;

    for (size_t i = first; i < blocks->n && n < AT_ONCE_MAX; i++) {
        struct nv_block *block = blocks->at[i];
        if (nv_block_info(block)->from_ms >= begin + length)
            break;
        if (class_of(block) >= class)
            continue;
        rows += nv_block_rows_max(block);
        if (rows > NV_BLOCK_ROWS_MAX)
            break;
        if ((waits && !stage_of(block)) ||
            (n && stage_due(store, block, newest) < stage_of(ret[0])))
            return 0;
        ret[n++] = block;
    }
    return n;
}

/* Merges one span of a class; 0 where there is none to merge. */
static int merge_class(struct nv_store *store, unsigned class, int64_t newest)
{
    int64_t length = store->options.block_ms * lengths[class];
    struct nv_block *some[AT_ONCE_MAX];

    if (store->options.retention_ms && length > store->options.retention_ms / RETENTION_SHARE)
        return 0;
    for (size_t i = 0; i < store->blocks->n; i++) {
        const struct nv_block_info *info = nv_block_info(store->blocks->at[i]);
        int64_t end = floor_to(info->from_ms, length) + length;
        if (class_of(store->blocks->at[i]) >= class || end <= store->settled_ms[class] ||
            end + store->options.block_ms > newest)
            continue;
        size_t n = neighbours(store, i, class, length, newest, some);
        if (n < 2)
            continue;
        unsigned stage = 0;
        for (size_t k = 0; k < n; k++)
            stage = stage_of(some[k]) > stage ? stage_of(some[k]) : stage;
        int r = rewrite(store, some, n, class, stage);
        if (r)
            return r;
        store->settled_ms[class] = end; /* it cannot be; not every second anew */
    }
    return 0;
}

/* Thins one block that is old enough. Those of class 0 first become longer, while they still can. */
static int thin_one(struct nv_store *store, int64_t newest)
{
    int64_t length = store->options.block_ms * lengths[1];

    for (size_t i = 0; i < store->blocks->n; i++) {
        struct nv_block *block = store->blocks->at[i];
        unsigned stage = stage_due(store, block, newest);
        int64_t end = floor_to(nv_block_info(block)->from_ms, length) + length;
        if (stage <= stage_of(block) ||
            (class_of(block) == 0 && end + store->options.block_ms > newest))
            continue;
        int r = rewrite(store, &block, 1, class_of(block), stage);
        if (r)
            return r;
    }
    return 0;
}

int nv_store_merge(struct nv_store *store)
{
    int64_t newest = nv_store_newest(store);

    if (store->options.threads && nv_monotonic_ns() < store->retry_ns)
        return 0;
    int r = merge_class(store, 1, newest);
    if (r == 0)
        r = thin_one(store, newest);
    if (r == 0)
        r = merge_class(store, 2, newest);
    if (r < 0)
        store->retry_ns = nv_monotonic_ns() + NV_STORE_RETRY_MS * INT64_C(1000000);
    return r;
}
