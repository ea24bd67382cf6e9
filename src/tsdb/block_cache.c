/*
 * Decoded parts of all open blocks, least recently used ones given up first. One mutex: what it guards
 * takes less than a microsecond.
 */
#include "tsdb/block_parts.h"

/* Of the readers' scratch that waits for the next, one may have grown large: a megabyte or three. */
enum { CHAINS = 1 << 10, IDLE_MAX = 4, LARGE_ROWS = 1 << 13 };

struct nv_block_cache {
    pthread_mutex_t mutex;
    size_t bytes, max;
    struct nv_cached *chains[CHAINS], *newest, *oldest;
    struct nv_block_cache *columns; /* a cache beside this one; NULL in itself */
    unsigned selection;             /* atomic */
    struct nv_scratch *idle;
    size_t n_idle, n_large;
    uint64_t faults; /* atomic */
};

static size_t cost(const struct nv_cached *cached)
{
    return sizeof(*cached) + cached->arena.total;
}

static struct nv_cached **chain_of(struct nv_block_cache *cache, const uint64_t key[2])
{
    return &cache->chains[(key[0] ^ key[1] * UINT64_C(0x9e3779b97f4a7c15) >> 32) % CHAINS];
}

static struct nv_cached *find(struct nv_block_cache *cache, const uint64_t key[2])
{
    struct nv_cached *at = *chain_of(cache, key);

    while (at && (at->key[0] != key[0] || at->key[1] != key[1]))
        at = at->chain;
    return at;
}

static void detach(struct nv_block_cache *cache, struct nv_cached *cached)
{
    *(cached->newer ? &cached->newer->older : &cache->newest) = cached->older;
    *(cached->older ? &cached->older->newer : &cache->oldest) = cached->newer;
}

static void attach(struct nv_block_cache *cache, struct nv_cached *cached)
{
    cached->newer = NULL;
    cached->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = cached;
    cache->newest = cached;
}

static void evict(struct nv_block_cache *cache)
{
    struct nv_cached *cached = cache->oldest;
    struct nv_cached **at = chain_of(cache, cached->key);

    while (*at != cached)
        at = &(*at)->chain;
    *at = cached->chain;
    detach(cache, cached);
    cache->bytes -= cost(cached);
    nv_cached_free(cached);
}

struct nv_cached *nv_cache_get(struct nv_block_cache *cache, const uint64_t key[2])
{
    if (!cache)
        return NULL;
    pthread_mutex_lock(&cache->mutex);
    struct nv_cached *cached = find(cache, key);
    if (cached) {
        __atomic_add_fetch(&cached->refs, 1, __ATOMIC_RELAXED);
        cached->selection = __atomic_load_n(&cache->selection, __ATOMIC_RELAXED);
        detach(cache, cached);
        attach(cache, cached);
    }
    pthread_mutex_unlock(&cache->mutex);
    return cached;
}

void nv_cache_put(struct nv_block_cache *cache, struct nv_cached *cached)
{
    if (!cache || cost(cached) > cache->max / 4 * 3)
        return;
    pthread_mutex_lock(&cache->mutex);
    if (!find(cache, cached->key)) {
        struct nv_cached **at = chain_of(cache, cached->key);
        cached->chain = *at;
        cached->selection = __atomic_load_n(&cache->selection, __ATOMIC_RELAXED);
        *at = cached;
        attach(cache, cached);
        cache->bytes += cost(cached);
        __atomic_add_fetch(&cached->refs, 1, __ATOMIC_RELAXED);
        while (cache->bytes > cache->max)
            evict(cache);
    }
    pthread_mutex_unlock(&cache->mutex);
}

bool nv_cache_make_room(struct nv_block_cache *cache, size_t bytes)
{
    unsigned selection = __atomic_load_n(&cache->selection, __ATOMIC_RELAXED);

    bytes += sizeof(struct nv_cached);
    pthread_mutex_lock(&cache->mutex);
    while (cache->oldest && cache->oldest->selection != selection &&
           cache->bytes + bytes > cache->max)
        evict(cache);
    bool fits = cache->bytes + bytes <= cache->max;
    pthread_mutex_unlock(&cache->mutex);
    return fits;
}

void nv_block_cache_select(struct nv_block_cache *cache)
{
    if (cache && cache->columns)
        __atomic_add_fetch(&cache->columns->selection, 1, __ATOMIC_RELAXED);
}

struct nv_cached *nv_cached_new(const uint64_t key[2], size_t arena_max)
{
    struct nv_cached *cached = calloc(1, sizeof(*cached));

    if (cached)
        *cached = (struct nv_cached){
            .refs = 1, .key = {key[0], key[1]},
                 .arena = NV_ARENA(arena_max)
        };
    return cached;
}

void nv_cached_free(struct nv_cached *cached)
{
    if (cached && __atomic_sub_fetch(&cached->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        nv_arena_done(&cached->arena);
        free(cached);
    }
}

static void scratch_free(struct nv_scratch *scratch)
{
    nv_codec_free(scratch->codec);
    nv_arena_done(&scratch->arena);
    free(scratch);
}

static struct nv_scratch *scratch_new(void)
{
    struct nv_scratch *scratch = calloc(1, sizeof(*scratch));

    if (!scratch)
        return NULL;
    scratch->arena = NV_ARENA((size_t)1 << 30);
    scratch->codec = nv_codec_new();
    if (scratch->codec)
        return scratch;
    free(scratch);
    return NULL;
}

static bool is_large(const struct nv_scratch *scratch)
{
    return scratch->rows > LARGE_ROWS;
}

/* Under the mutex. NULL: none waits. */
static struct nv_scratch *take_idle(struct nv_block_cache *cache)
{
    struct nv_scratch *scratch = cache->idle;

    if (scratch) {
        cache->idle = scratch->next;
        cache->n_idle--;
        cache->n_large -= is_large(scratch);
    }
    return scratch;
}

struct nv_scratch *nv_cache_lend(struct nv_block_cache *cache)
{
    struct nv_scratch *scratch = NULL;

    if (cache) {
        pthread_mutex_lock(&cache->mutex);
        scratch = take_idle(cache);
        pthread_mutex_unlock(&cache->mutex);
    }
    return scratch ? scratch : scratch_new();
}

void nv_cache_give_back(struct nv_block_cache *cache, struct nv_scratch *scratch)
{
    bool kept = false;

    nv_arena_reset(&scratch->arena);
    if (cache) {
        pthread_mutex_lock(&cache->mutex);
        kept = cache->n_idle < IDLE_MAX && !(is_large(scratch) && cache->n_large);
        if (kept) {
            scratch->next = cache->idle;
            cache->idle = scratch;
            cache->n_idle++;
            cache->n_large += is_large(scratch);
        }
        pthread_mutex_unlock(&cache->mutex);
    }
    if (!kept)
        scratch_free(scratch);
}

static void evict_all(struct nv_block_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    while (cache->oldest)
        evict(cache);
    pthread_mutex_unlock(&cache->mutex);
}

void nv_block_cache_trim(struct nv_block_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    struct nv_scratch *idle = cache->idle;
    cache->idle = NULL;
    cache->n_idle = cache->n_large = 0;
    pthread_mutex_unlock(&cache->mutex);
    if (cache->columns)
        evict_all(cache->columns);
    while (idle) {
        struct nv_scratch *next = idle->next;
        scratch_free(idle);
        idle = next;
    }
}

void nv_cache_count_fault(struct nv_block_cache *cache)
{
    if (cache)
        __atomic_add_fetch(&cache->faults, 1, __ATOMIC_RELAXED);
}

uint64_t nv_block_cache_faults(const struct nv_block_cache *cache)
{
    return __atomic_load_n(&cache->faults, __ATOMIC_RELAXED);
}

static struct nv_block_cache *cache_new(size_t bytes)
{
    struct nv_block_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    pthread_mutex_init(&cache->mutex, NULL);
    cache->max = bytes;
    return cache;
}

struct nv_block_cache *nv_block_cache_new(size_t bytes)
{
    struct nv_block_cache *cache = cache_new(bytes);

    if (cache)
        cache->columns = cache_new(NV_COLUMN_CACHE_BYTES); /* NULL: it does without */
    return cache;
}

struct nv_block_cache *nv_cache_of_columns(struct nv_block_cache *cache)
{
    return cache ? cache->columns : NULL;
}

void nv_block_cache_free(struct nv_block_cache *cache)
{
    if (!cache)
        return;
    nv_block_cache_trim(cache);
    evict_all(cache);
    nv_block_cache_free(cache->columns);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}
