/*
 * index.h - a hash index: from the hash of a key to the number of what the caller keeps under it.
 *
 * Open addressing; the caller compares keys, so an index holds no key. Nothing is removed.
 *
 *     for (uint32_t at = nv_index_first(ix, hash), v; nv_index_next(ix, hash, &at, &v);)
 *         if (key_of(v) is the one) return v;
 */
#ifndef NV_BASE_INDEX_H
#define NV_BASE_INDEX_H

#include <nodevitals/scan.h>

#include "base/cleanup.h"

struct nv_index_slot {
    uint32_t hash, value; /* value + 1; 0: free */
};
struct nv_index {
    struct nv_index_slot *slots;
    uint32_t n, size; /* size: 0 or a power of two */
};

uint64_t nv_hash(const void *p, size_t n, uint64_t seed);

/* With a key that only this process has: of texts that others choose, who could choose those that collide. */
uint64_t nv_hash_keyed(const void *p, size_t n);

static inline uint32_t nv_index_first(const struct nv_index *index, uint64_t hash)
{
    return index->size ? (uint32_t)hash & (index->size - 1) : 0;
}

/* The next candidate; false when there is none left. */
static inline bool nv_index_next(const struct nv_index *index, uint64_t hash, uint32_t *at,
                                 uint32_t *ret_value)
{
    if (!index->size)
        return false;
    for (;; *at = (*at + 1) & (index->size - 1)) {
        const struct nv_index_slot *slot = &index->slots[*at];
        if (!slot->value)
            return false;
        if (slot->hash == (uint32_t)(hash >> 32)) {
            *ret_value = slot->value - 1;
            *at = (*at + 1) & (index->size - 1);
            return true;
        }
    }
}

/* Adds; the caller has made sure that the key is new. `rehash` gives the hash of a value. -ENOMEM. */
NV_MUST_USE int nv_index_add(struct nv_index *index, uint64_t hash, uint32_t value,
                             uint64_t (*rehash)(uint32_t value, const void *user),
                             const void *user);
void nv_index_done(struct nv_index *index);

#endif
