/*
 * columns.h - the series of a source in one generation, by number; only grows. Counted, and holds its series.
 *
 *   threads  one writer; any number of readers of what was there when they saw it
 */
#ifndef NV_TSDB_COLUMNS_H
#define NV_TSDB_COLUMNS_H

#include "tsdb/series.h"

struct nv_column {
    struct nv_head_series *series;
    uint32_t section;
    bool
        orphan; /* was there in the generation before, and is not in the layout of this one; the writer's */
};

struct nv_columns {
    unsigned refs; /* atomic */
    struct nv_series_table *table;
    struct nv_column *at; /* atomic: replaced by a larger copy */
    uint32_t n, room;     /* the writer's */
    struct nv_column **outgrown;
    uint32_t n_outgrown;
    uint64_t number;
};

struct nv_columns *nv_columns_new(struct nv_series_table *table, uint64_t number);
struct nv_columns *nv_columns_ref(struct nv_columns *columns);
void nv_columns_unref(struct nv_columns *columns);

/* Room for n in all, so that no copy is outgrown. -ENOMEM. */
NV_MUST_USE int nv_columns_reserve(struct nv_columns *columns, uint32_t n);

/* Adds a series, whose hold passes to the columns also where this fails. -ENOMEM. */
NV_MUST_USE int nv_columns_add(struct nv_columns *columns, struct nv_head_series *series,
                               uint32_t section, bool orphan);

static inline struct nv_column *nv_columns_at(const struct nv_columns *columns)
{
    return __atomic_load_n(&columns->at, __ATOMIC_ACQUIRE);
}

#endif
