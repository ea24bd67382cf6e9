/*
 * Which blocks are written anew, and when.
 *
 *   class    how long a block may be: 0 as it was cut, then 6 and 24 times that, on boundaries of that length, never
 *            longer than a tenth of the retention time
 *   stage    0 as it was sampled, i: thinned to the i-th interval
 *   level    class + NV_LEVEL_STAGE * stage, in the name of the block
 *
 * A class is merged when its span has passed, so each sample is written once per class; but where it will be thinned
 * soon, it waits for that. So what is as it was sampled is written once, when it is cut, and only what is thin again.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "tsdb/parts.h"

enum { CLASSES = 3, AT_ONCE_MAX = 64, RETENTION_SHARE = 10 };

/* Soon: so many lengths of the class that would be merged. Blocks of an hour wait there, 18 at an age of 12 hours. */
enum { WAIT_SPANS = 2 };

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

/* How thin samples up to a time should be. */
static unsigned stage_due(const struct nv_store *store, int64_t to_ms, int64_t newest)
{
    unsigned stage = 0;

    for (unsigned i = 0; i < NV_STORE_THIN_MAX && store->options.thin[i].interval_ms > 0; i++)
        if (to_ms < newest - store->options.thin[i].age_ms)
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

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
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

static unsigned thinnest(struct nv_block *const *blocks, size_t n)
{
    unsigned stage = 0;

    for (size_t i = 0; i < n; i++)
        stage = stage_of(blocks[i]) > stage ? stage_of(blocks[i]) : stage;
    return stage;
}

static bool waits_to_be_thin(const struct nv_store *store, int64_t length)
{
    return store->options.thin[0].interval_ms > 0 &&
           store->options.thin[0].age_ms <= WAIT_SPANS * length;
}

/* Blocks of a lower class that begin in the span of `first`. Those of days are thin already, where they will be soon. */
static size_t neighbours(struct nv_store *store, size_t first, unsigned class, int64_t length,
                         struct nv_block *ret[AT_ONCE_MAX])
{
    const struct nv_blocks *blocks = store->blocks;
    int64_t begin = floor_to(nv_block_info(blocks->at[first])->from_ms, length);
    bool waits = class == CLASSES - 1 && waits_to_be_thin(store, length);
    int64_t end = nv_block_info(blocks->at[first])->to_ms;
    size_t n = 0, rows = 0;

    for (size_t i = first; i < blocks->n && n < AT_ONCE_MAX; i++) {
        struct nv_block *block = blocks->at[i];
        if (nv_block_info(block)->from_ms >= begin + length ||
            nv_is_jump(end, nv_block_info(block)->from_ms))
            break;
        if (nv_block_info(block)->to_ms > end)
            end = nv_block_info(block)->to_ms;
        if (class_of(block) >= class)
            continue;
        rows += nv_block_rows_max(block);
        if (rows > NV_BLOCK_ROWS_MAX)
            break;
        if (waits && !stage_of(block))
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
        size_t n = neighbours(store, i, class, length, some);
        if (n < 2)
            continue;
        unsigned stage = stage_due(store, later(end, nv_block_info(some[n - 1])->to_ms), newest);
        if (stage < thinnest(some, n) || (!stage && waits_to_be_thin(store, length)))
            continue; /* not old enough to be thin, or as thin as some of them */
        int r = rewrite(store, some, n, class, stage);
        if (r)
            return r;
        store->settled_ms[class] = end; /* it cannot be; not every second anew */
    }
    return 0;
}

/* Thins one block that is old enough. Those of class 0 wait for their span, with which they were to be merged. */
static int thin_one(struct nv_store *store, int64_t newest)
{
    int64_t length = store->options.block_ms * lengths[1];

    for (size_t i = 0; i < store->blocks->n; i++) {
        struct nv_block *block = store->blocks->at[i];
        const struct nv_block_info *info = nv_block_info(block);
        int64_t end = floor_to(info->from_ms, length) + length;
        int64_t to = class_of(block) == 0 ? later(end, info->to_ms) : info->to_ms;
        unsigned stage = stage_due(store, to, newest);
        if (stage <= stage_of(block) || end + store->options.block_ms > newest)
            continue;
        int r = rewrite(store, &block, 1, class_of(block), stage);
        if (r)
            return r;
    }
    return 0;
}

int nv_store_merge(struct nv_store *store)
{
    int64_t newest = store->aged_ms;

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
