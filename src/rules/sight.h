/*
 * sight.h - what a rule sees: the storage, and what the rules before it in its group have written in this evaluation.
 *
 * The frame of an evaluation enters the storage when the evaluation ends. Until then its cells lie over the storage: a
 * series with a cell has one sample more, at the evaluation's time; one that vanished is stale there.
 *
 *   ownership  storage and cells are borrowed; a selection made from it ends before the next cell is written
 */
#ifndef NV_RULES_SIGHT_H
#define NV_RULES_SIGHT_H

#include "metric/queryable.h"
#include "rules/cells.h"

struct nv_sight {
    struct nv_queryable queryable; /* to ask */
    const struct nv_queryable *storage;
    const struct nv_cells *cells;
    int64_t time_ms; /* of the cells */
};

void nv_sight_init(struct nv_sight *sight, const struct nv_queryable *storage,
                   const struct nv_cells *cells, int64_t time_ms);

#endif
