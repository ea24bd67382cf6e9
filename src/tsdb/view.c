/*
 * Which blocks there are: a list that is replaced whole, so that a reader keeps the one it saw.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/parts.h"

struct nv_blocks *nv_blocks_new(size_t n)
{
    struct nv_blocks *blocks = calloc(1, sizeof(*blocks) + n * sizeof(struct nv_block *));

    if (blocks)
        blocks->refs = 1;
    return blocks;
}

void nv_blocks_unref(struct nv_blocks *blocks)
{
    if (!blocks || __atomic_sub_fetch(&blocks->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < blocks->n; i++)
        nv_block_unref(blocks->at[i]);
    free(blocks);
}

struct nv_blocks *nv_store_view(struct nv_store *store)
{
    NV_LOCKED(&store->view_lock);
    __atomic_add_fetch(&store->blocks->refs, 1, __ATOMIC_RELAXED);
    return store->blocks;
}

static bool is_among(const struct nv_block *block, struct nv_block *const *some, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (some[i] == block)
            return true;
    return false;
}

/* By their first sample, then their last: so the samples of a series come in order. */
static void insert(struct nv_blocks *blocks, struct nv_block *block)
{
    const struct nv_block_info *a = nv_block_info(block);
    size_t at = blocks->n++;

    for (; at > 0; at--) {
        const struct nv_block_info *b = nv_block_info(blocks->at[at - 1]);
        if (b->from_ms < a->from_ms || (b->from_ms == a->from_ms && b->to_ms <= a->to_ms))
            break;
        blocks->at[at] = blocks->at[at - 1];
    }
    blocks->at[at] = block;
}

int nv_store_replace(struct nv_store *store, struct nv_block *const *gone, size_t n_gone,
                     struct nv_block *fresh)
{
    struct nv_blocks *old = store->blocks;
    struct nv_blocks *next = nv_blocks_new(old->n + 1);

    if (!next) {
        nv_block_unref(fresh);
        return -ENOMEM;
    }
    for (size_t i = 0; i < old->n; i++)
        if (!is_among(old->at[i], gone, n_gone))
            next->at[next->n++] = nv_block_ref(old->at[i]);
    if (fresh)
        insert(next, fresh);
    {
        NV_LOCKED(&store->view_lock);
        store->blocks = next;
    }
    nv_blocks_unref(old);
    return 0;
}

void nv_store_unlink_block(struct nv_store *store, const char *name)
{
    char marks[NV_BLOCK_NAME_MAX + sizeof(NV_BLOCK_MARKS)];

    snprintf(marks, sizeof(marks), "%s" NV_BLOCK_MARKS, name);
    store->fs->ops->unlink(store->fs, name);
    store->fs->ops->unlink(store->fs, marks);
}

size_t nv_store_block_infos(struct nv_store *store, struct nv_block_info *ret, size_t max)
{
    NV_LOCKED(&store->view_lock);
    size_t n = store->blocks->n;

    for (size_t i = 0; i < n && i < max; i++)
        ret[i] = *nv_block_info(store->blocks->at[i]);
    return n;
}

size_t nv_store_blocks(struct nv_store *store, struct nv_block **ret, size_t max)
{
    NV_LOCKED(&store->view_lock);
    size_t n = store->blocks->n;

    for (size_t i = 0; i < n && i < max; i++)
        ret[i] = store->blocks->at[i];
    return n;
}
