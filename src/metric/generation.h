/*
 * generation.h - the memory of one generation of a registry: counted by its layouts and the registry.
 * Only src/metric includes this.
 */
#ifndef NV_METRIC_GENERATION_H
#define NV_METRIC_GENERATION_H

#include "base/arena.h"

enum { NV_GENERATION_MAX = 1 << 30 }; /* bytes */

struct nv_generation {
    unsigned refs; /* atomic */
    uint64_t number;
    struct nv_arena arena; /* written by the registry alone */
};

struct nv_generation *nv_generation_new(uint64_t number);
struct nv_generation *nv_generation_ref(struct nv_generation *generation);
void nv_generation_unref(struct nv_generation *generation);

#endif
