#include "kube/review_cache.h"

#include <stdlib.h>
#include <string.h>

static struct nv_review_entry *set_of(struct nv_review_cache *cache,
                                      const struct nv_review_digest *digest)
{
    return cache->at[(digest->at[0] | (unsigned)digest->at[1] << 8) % NV_REVIEW_SETS];
}

static struct nv_review_entry *find(struct nv_review_cache *cache,
                                    const struct nv_review_digest *digest)
{
    struct nv_review_entry *set = set_of(cache, digest);

    /* Digests are keyed by a secret: that their comparison ends early tells nobody anything. */
    for (size_t i = 0; i < NV_REVIEW_WAYS; i++) {
        if (set[i].until_ns && memcmp(&set[i].digest, digest, sizeof(*digest)) == 0)
            return &set[i];
    }
    return NULL;
}

struct nv_review_entry *nv_review_cache_find(struct nv_review_cache *cache,
                                             const struct nv_review_digest *digest, int64_t now_ns)
{
    struct nv_review_entry *entry = find(cache, digest);

    if (!entry || entry->until_ns <= now_ns)
        return NULL;
    entry->used_ns = now_ns;
    return entry;
}

static void forget(struct nv_review_entry *entry)
{
    free(entry->who);
    *entry = (struct nv_review_entry){0};
}

/* Whether a gives way before b. */
static bool is_lesser(const struct nv_review_entry *a, const struct nv_review_entry *b,
                      int64_t now_ns)
{
    bool old_a = a->until_ns <= now_ns, old_b = b->until_ns <= now_ns;

    if (old_a != old_b)
        return old_a;
    if (a->yes != b->yes)
        return b->yes;
    return a->used_ns < b->used_ns;
}

void nv_review_cache_put(struct nv_review_cache *cache, const struct nv_review_digest *digest,
                         bool yes, char *who, int64_t now_ns, int64_t for_ms)
{
    struct nv_review_entry *set = set_of(cache, digest), *place = find(cache, digest);

    if (!place) { /* a free one was used never and until never: it is the least */
        place = &set[0];
        for (size_t i = 1; i < NV_REVIEW_WAYS; i++)
            place = is_lesser(&set[i], place, now_ns) ? &set[i] : place;
    }
    forget(place);
    *place = (struct nv_review_entry){
        .digest = *digest,
        .until_ns = now_ns + for_ms * 1000000,
        .used_ns = now_ns,
        .yes = yes,
        .who = who,
    };
}

void nv_review_cache_clear(struct nv_review_cache *cache)
{
    for (size_t i = 0; i < NV_REVIEW_SETS; i++)
        for (size_t k = 0; k < NV_REVIEW_WAYS; k++)
            forget(&cache->at[i][k]);
}
