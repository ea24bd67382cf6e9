#include "metric/generation.h"

struct nv_generation *nv_generation_new(uint64_t number)
{
    struct nv_generation *generation = malloc(sizeof(*generation));

    if (generation)
        *generation = (struct nv_generation){1, number, NV_ARENA(NV_GENERATION_MAX)};
    return generation;
}

struct nv_generation *nv_generation_ref(struct nv_generation *generation)
{
    __atomic_add_fetch(&generation->refs, 1, __ATOMIC_RELAXED);
    return generation;
}

void nv_generation_unref(struct nv_generation *generation)
{
    if (__atomic_sub_fetch(&generation->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_arena_done(&generation->arena);
    free(generation);
}
