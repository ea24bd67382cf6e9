/*
 * cells.h - what the rules of a group write in one evaluation: a row of cells that becomes a frame.
 *
 *   cell       a series of the group: a column of its registry. A rule first claims its cells, all of them, and then
 *              writes; so a rule whose result cannot be written as a whole writes nothing
 *   steady     the n-th result of a rule is nearly always the series it was in the evaluation before: its column is
 *              then found by comparing labels, without hashing and without memory
 *   layout     made when somebody looks, and for the frame: each picture takes memory
 *   sections   one for each rule; those of rules that are no more are observed once more, empty, and given away anew
 *   threads    one user
 */
#ifndef NV_RULES_CELLS_H
#define NV_RULES_CELLS_H

#include "metric/frame.h"

enum { NV_CELLS_MEMORY = 64 << 20 }; /* of histograms in one evaluation */

/* Columns of one rule, in the order of its result. */
struct nv_columns_of_rule {
    uint32_t *at;
    size_t n, room;
};

struct nv_cells {
    struct nv_registry *registry;
    struct nv_frame_pool *pool;
    struct nv_layout
        *layout; /* as of nv_cells_settle(): columns known without asking the registry */

    /* By column: the evaluation it was written in, in which it vanished, and the claim it belongs to. */
    uint64_t *written, *gone, *claimed;
    double *values;
    const struct nv_histogram **histograms;
    size_t room;

    uint64_t evaluation, claim;
    size_t n_written, n_written_before;
    uint64_t *observed; /* by section */
    size_t n_sections, room_sections;
    uint32_t *ending, *spare; /* sections without a rule: to be observed empty; to be given away */
    size_t n_ending, n_spare, room_unused;
    struct nv_arena memory; /* of one evaluation */
};

/* Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_cells_init(struct nv_cells *cells);
void nv_cells_done(struct nv_cells *cells);

NV_MUST_USE int nv_cells_add_section(struct nv_cells *cells, uint32_t *ret);
NV_MUST_USE int nv_cells_end_section(struct nv_cells *cells, uint32_t section);

void nv_cells_begin(struct nv_cells *cells);

enum nv_cells_outcome {
    NV_CELLS_TWICE = 1, /* the rule has claimed it already */
    NV_CELLS_UNFIT,     /* the store takes no such name, or no more series */
    NV_CELLS_DIFFERS,   /* another rule has written another value */
};

/* Begins the claims of a rule, whose columns in the evaluation before are `before`. */
void nv_cells_begin_claims(struct nv_cells *cells);

/* The column of a series; labels by name, without __name__, none empty. `i`: its place in the result. Returns 0; an
 * outcome; -ENOMEM. */
NV_MUST_USE int nv_cells_claim(struct nv_cells *cells, uint32_t section, struct nv_str name,
                               const struct nv_label *labels, size_t n_labels,
                               const struct nv_columns_of_rule *before, size_t i,
                               uint32_t *ret_column);

/* From here on the layout has all columns, for those who look at what was written. -ENOMEM. */
NV_MUST_USE int nv_cells_settle(struct nv_cells *cells);

/* Returns 0, NV_CELLS_DIFFERS or -ENOMEM. */
NV_MUST_USE int nv_cells_write(struct nv_cells *cells, uint32_t column, double value,
                               const struct nv_histogram *histogram);

/* What a rule wrote before and has not written now is gone; its section is observed. */
void nv_cells_close(struct nv_cells *cells, uint32_t section,
                    const struct nv_columns_of_rule *before);

/*
 * The frame of the evaluation. *ret is NULL where there is nothing to tell. Returns 0 or -ENOMEM.
 */
NV_MUST_USE int nv_cells_frame(struct nv_cells *cells, int64_t time_ms, struct nv_frame **ret);

/* Whether columns without use outweigh the others, so that a new generation is worth it. */
bool nv_cells_is_sparse(const struct nv_cells *cells);

/* A generation with the columns of these rules alone, which are renumbered. Between evaluations. After -ENOMEM some
 * rules have none, and find theirs anew. */
NV_MUST_USE int nv_cells_renew(struct nv_cells *cells, struct nv_columns_of_rule *const *rules,
                               size_t n);

static inline bool nv_cells_has(const struct nv_cells *cells, size_t column)
{
    return column < cells->room && cells->written[column] == cells->evaluation;
}

static inline bool nv_cells_lost(const struct nv_cells *cells, size_t column)
{
    return column < cells->room && cells->gone[column] == cells->evaluation &&
           cells->written[column] != cells->evaluation;
}

#endif
