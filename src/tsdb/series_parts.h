/*
 * series_parts.h - the table of series from within. Only series*.c include this.
 */
#ifndef NV_TSDB_SERIES_PARTS_H
#define NV_TSDB_SERIES_PARTS_H

#include <pthread.h>

#include "tsdb/series.h"

struct nv_series_table {
    pthread_mutex_t lock;
    struct nv_pair **pairs;
    struct nv_head_series **series; /* buckets */
    size_t n_pairs, pair_buckets, n_series, series_buckets, memory;
    struct nv_head_series **slots;
    uint32_t *free; /* numbers nobody mentions */
    uint32_t n_slots, room_slots, n_free, n_stale;
    uint64_t unclaimed; /* how often a claim was given back */
};

uint64_t nv_series_pair_hash(const struct nv_label *label);
struct nv_pair *nv_series_find_pair(const struct nv_series_table *table,
                                    const struct nv_label *label, uint64_t hash);

static inline void nv_series_unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}
#define NV_SERIES_LOCKED(table)                                                                    \
    __attribute__((cleanup(nv_series_unlock), unused)) pthread_mutex_t *locked = &(table)->lock;   \
    pthread_mutex_lock(locked)

#endif
