/*
 * series.h - the series that are in memory, and an index over their labels.
 *
 *   labels     what a series has beside its name is a set that all series with the same labels share
 *   identity   one series for a label set and a source, while anything holds it: the columns of a head, pages that wait for
 *              a block, a sparse series, a reader
 *   claim      of the series of one label set at most one is claimed: its source may add samples, the others may not until
 *              it gives the claim back; what they had stays readable
 *   forgetting the last who lets go of a series removes it, so what lives only in blocks costs nothing here
 *   places     in which columns the series stands, newest generation last
 *   bound      NV_SERIES_TABLE_MAX series
 *   threads    any; one lock, held for as long as a lookup takes. Labels of a held series are constant
 */
#ifndef NV_TSDB_SERIES_H
#define NV_TSDB_SERIES_H

#include "base/arena.h"
#include "metric/matcher.h"

enum { NV_SERIES_TABLE_MAX = 1 << 20 };

struct nv_series_table;
struct nv_columns;
struct nv_sparse;

/* Numbers of those who have something, those dropped since included. Mostly it is one. */
struct nv_members {
    union {
        uint32_t one, *many; /* where there is room for more than one */
    };
    uint32_t n, room;
};

static inline const uint32_t *nv_members_at(const struct nv_members *members)
{
    return members->room ? members->many : &members->one;
}

/* A label, shared by all that have it: series have a name, and sets every other label. */
struct nv_pair {
    struct nv_label label;
    struct nv_pair *next; /* in its bucket */
    uint64_t hash;
    struct nv_members members;
};

/* The labels of a series without its name: of a container one set, for all its families. */
struct nv_pair_set {
    struct nv_pair_set *next; /* in its bucket */
    uint64_t hash;
    struct nv_members members; /* series */
    uint32_t number, n_series; /* that are there */
    uint16_t n, name_at;       /* where a name belongs among them */
    struct nv_pair *at[];
};

/* Where a series stands in one generation of its source. */
struct nv_place {
    struct nv_columns *columns;
    uint32_t column, section;
};

struct nv_head_series {
    struct nv_head_series *next; /* in its bucket */
    struct nv_pair *name;        /* or NULL */
    struct nv_pair_set *rest;
    union {
        struct nv_place one, *many; /* more than one */
    } places;
    struct nv_sparse *sparse; /* samples with times of their own, under the lock of the source */
    uint32_t hash, refs, number, source;
    uint16_t n_places;
    bool live;    /* had a value at the end of the last block written; the maintainer's */
    bool claimed; /* under the lock of the table */
};

static inline size_t nv_series_n_labels(const struct nv_head_series *series)
{
    return series->rest->n + (series->name != NULL);
}

/* Label i of a series, in the order of their names; of two series the same label is the same pair. */
static inline const struct nv_pair *nv_series_label(const struct nv_head_series *series, size_t i)
{
    const struct nv_pair_set *rest = series->rest;

    if (!series->name || i < rest->name_at)
        return rest->at[i];
    return i == rest->name_at ? series->name : rest->at[i - 1];
}

struct nv_series_table *nv_series_table_new(void);
void nv_series_table_free(struct nv_series_table *table);
NV_DEFINE_AUTO(nv_series_table)

enum nv_series_outcome {
    NV_SERIES_CONFLICT = 1, /* the label set is claimed for another source */
    NV_SERIES_FULL,
};

/* Finds or makes the series of a sorted label set for a source, and holds it. Or an outcome, or -ENOMEM. */
NV_MUST_USE int nv_series_take(struct nv_series_table *table, uint32_t source,
                               const struct nv_label *labels, size_t n,
                               struct nv_head_series **ret);

/* The same, and claims it for the source: only this can be a conflict. */
NV_MUST_USE int nv_series_claim(struct nv_series_table *table, uint32_t source,
                                const struct nv_label *labels, size_t n,
                                struct nv_head_series **ret);

/* Gives claims back; those that are none are left. */
void nv_series_unclaim(struct nv_series_table *table, struct nv_head_series *const *series,
                       size_t n);

/* Rises whenever a claim was given back: what was a conflict before may be none now. */
uint64_t nv_series_unclaimed(struct nv_series_table *table);
void nv_series_ref(struct nv_series_table *table, struct nv_head_series *series);
void nv_series_unref(struct nv_series_table *table, struct nv_head_series *const *series, size_t n);

/* The newest place of a series in these columns. */
bool nv_series_place(struct nv_series_table *table, const struct nv_head_series *series,
                     const struct nv_columns *columns, struct nv_place *ret);
NV_MUST_USE int nv_series_add_place(struct nv_series_table *table, struct nv_head_series *series,
                                    struct nv_place place);
void nv_series_drop_places(struct nv_series_table *table, struct nv_head_series *const *series,
                           size_t n, const struct nv_columns *columns);

/* The places of a series, copied into the arena. */
NV_MUST_USE int nv_series_places(struct nv_series_table *table, const struct nv_head_series *series,
                                 struct nv_arena *arena, struct nv_place **ret, size_t *ret_n);

/* The series that fit, held, in no order; the array is in the arena. */
NV_MUST_USE int nv_series_select(struct nv_series_table *table, const struct nv_matcher *matchers,
                                 size_t n, struct nv_arena *arena, struct nv_head_series ***ret,
                                 size_t *ret_n);

/* Labels of a series as an array of the arena; the texts live as long as the series is held. NULL: -ENOMEM. */
const struct nv_label *nv_series_labels(const struct nv_head_series *series,
                                        struct nv_arena *arena);

size_t nv_series_count(struct nv_series_table *table);
size_t nv_series_memory(struct nv_series_table *table);

#endif
