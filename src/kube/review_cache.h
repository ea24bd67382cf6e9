/*
 * review_cache.h - verdicts under the digests of what they are about, for a while.
 *
 *   shape      sets of NV_REVIEW_WAYS places, chosen by the digest: looking is looking at one set. What is past its time gives
 *              way first, then a refusal, then whatever was used least lately: who guesses pushes out guesses
 *   bound      NV_REVIEW_SETS * NV_REVIEW_WAYS
 *   threads    one at a time
 */
#ifndef NV_KUBE_REVIEW_CACHE_H
#define NV_KUBE_REVIEW_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NV_REVIEW_DIGEST = 32, NV_REVIEW_SETS = 128, NV_REVIEW_WAYS = 8 };

struct nv_review_digest {
    uint8_t at[NV_REVIEW_DIGEST];
};

struct nv_review_entry {
    struct nv_review_digest digest;
    int64_t until_ns, used_ns; /* until_ns 0: free */
    bool yes;
    char *who; /* owned: who a token is, as JSON; NULL in the cache of rights */
};

struct nv_review_cache {
    struct nv_review_entry at[NV_REVIEW_SETS][NV_REVIEW_WAYS];
};

/* What is known at this moment, or NULL. */
struct nv_review_entry *nv_review_cache_find(struct nv_review_cache *cache,
                                             const struct nv_review_digest *digest, int64_t now_ns);

/* In place of what was known, or of what gives way. `who` is taken over. */
void nv_review_cache_put(struct nv_review_cache *cache, const struct nv_review_digest *digest,
                         bool yes, char *who, int64_t now_ns, int64_t for_ms);

void nv_review_cache_clear(struct nv_review_cache *cache);

#endif
