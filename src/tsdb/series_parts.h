/*
 * series_parts.h - the table of series from within. Only series*.c include this.
 */
#ifndef NV_TSDB_SERIES_PARTS_H
#define NV_TSDB_SERIES_PARTS_H

#include <pthread.h>

#include "tsdb/series.h"

/* Things by number. The number of one that is gone is free again when no members mention it any more. */
struct nv_numbers {
    void **at; /* NULL: gone or free */
    uint32_t *free;
    uint32_t n, room, n_free, n_stale; /* gone, and perhaps mentioned */
};

struct nv_series_table {
    pthread_mutex_t lock;
    struct nv_pair **pairs;
    struct nv_pair_set **sets;
    struct nv_head_series **series; /* buckets, and of each a power of two */
    size_t n_pairs, pair_buckets, n_sets, set_buckets, n_series, series_buckets;
    struct nv_numbers set_numbers, series_numbers;
    size_t memory;
    uint64_t unclaimed; /* how often a claim was given back */
};

/* ---- series_labels.c ------------------------------------------------------------------------ */

NV_MUST_USE int nv_series_labels_init(struct nv_series_table *table);
/* After all series have gone. */
void nv_series_labels_done(struct nv_series_table *table);

/* A number for p. UINT32_MAX where memory is out. */
uint32_t nv_numbers_take(struct nv_numbers *numbers, void *p);
void nv_numbers_drop(struct nv_numbers *numbers, uint32_t number);
void nv_numbers_done(struct nv_numbers *numbers);
/* False where memory is out. */
NV_MUST_USE bool nv_members_add(struct nv_series_table *table, struct nv_members *members,
                                uint32_t number);

/* NULL: nobody has it. */
struct nv_pair *nv_series_find_pair(const struct nv_series_table *table,
                                    const struct nv_label *label);

/* The name and the set of some labels, made where they are not there and may be. -ENOENT, or -ENOMEM. */
NV_MUST_USE int nv_series_find_labels(struct nv_series_table *table, const struct nv_label *labels,
                                      size_t n, bool may_make, struct nv_pair **ret_name,
                                      struct nv_pair_set **ret_rest);
/* A series of it less; the last takes the set along, as does a set that was made for none. */
void nv_series_leave_set(struct nv_series_table *table, struct nv_pair_set *set);

/* Takes the numbers of what is gone out of all members; labels nobody has go too. */
void nv_series_sweep(struct nv_series_table *table);

/* ---- locking -------------------------------------------------------------------------------- */

static inline void nv_series_unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}
#define NV_SERIES_LOCKED(table)                                                                    \
    __attribute__((cleanup(nv_series_unlock), unused)) pthread_mutex_t *locked = &(table)->lock;   \
    pthread_mutex_lock(locked)

#endif
