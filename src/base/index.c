#include "base/index.h"

#include <pthread.h>
#include <sys/random.h>

#include "base/clock.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { FIRST_SIZE = 64, KEY_BYTES = 192 };

static unsigned char key[KEY_BYTES];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    if (getrandom(key, sizeof(key), GRND_NONBLOCK) == (ssize_t)sizeof(key))
        return;
    uint64_t weak = (uint64_t)nv_monotonic_ns() ^ (uint64_t)getpid() << 32 ^ (uintptr_t)&weak;
    XXH3_generateSecret(key, sizeof(key), &weak, sizeof(weak));
}

uint64_t nv_hash(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

uint64_t nv_hash_keyed(const void *p, size_t n)
{
    pthread_once(&key_once, make_key);
    return XXH3_64bits_withSecret(p, n, key, sizeof(key));
}

void nv_index_done(struct nv_index *index)
{
    free(index->slots);
    *index = (struct nv_index){0};
}

static void put(struct nv_index *index, uint64_t hash, uint32_t value)
{
    uint32_t at = nv_index_first(index, hash);

    while (index->slots[at].value)
        at = (at + 1) & (index->size - 1);
    index->slots[at] = (struct nv_index_slot){(uint32_t)(hash >> 32), value + 1};
}

static int grow(struct nv_index *index, uint64_t (*rehash)(uint32_t, const void *),
                const void *user)
{
    struct nv_index old = *index;

    index->size = old.size ? old.size * 2 : FIRST_SIZE;
    index->slots = calloc(index->size, sizeof(*index->slots));
    if (!index->slots) {
        *index = old;
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < old.size; i++)
        if (old.slots[i].value)
            put(index, rehash(old.slots[i].value - 1, user), old.slots[i].value - 1);
    free(old.slots);
    return 0;
}

int nv_index_add(struct nv_index *index, uint64_t hash, uint32_t value,
                 uint64_t (*rehash)(uint32_t, const void *), const void *user)
{
    if ((index->n + 1) * 4 > index->size * 3) {
        int r = grow(index, rehash, user);
        if (r < 0)
            return r;
    }
    put(index, hash, value);
    index->n++;
    return 0;
}
