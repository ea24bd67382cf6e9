/*
 * section_parts.h - a section from within: its rows (section_rows.c), and what is emitted into them and published (section.c).
 * Nobody else includes this.
 *
 *   row    one label tuple of a table, or one series that was named at run time; owns consecutive cells
 *   cell   one value of a row; has a column of the registry once it was published with a value
 *   step   one emission of the previous run: its row, and the step that followed. A run that emits
 *          the same rows in the same order walks from step to step; a row more or less is linked in or
 *          out where it stands, so that the rest of the path still fits
 *
 * Rows are in chunks that do not move. The runner writes rows, steps and the staging side of the cells;
 * the owner has columns and the published side.
 */
#ifndef NV_METRIC_SECTION_PARTS_H
#define NV_METRIC_SECTION_PARTS_H

#include "base/arena.h"
#include "base/index.h"
#include "metric/section.h"

enum { NV_SECTION_NONE = UINT32_MAX, NV_SECTION_ROWS_A_CHUNK = 32, NV_SECTION_KEYS_MAX = 1 << 29 };

/* A family made at run time, and its labels' names. */
struct nv_section_named {
    struct nv_family family;
    const char *suffix;
    const char *const *names;
    uint32_t n_names;
};

struct nv_section_row {
    const struct nv_table *table; /* or NULL: */
    const struct nv_section_named *named;
    const char *key; /* each label value with its length in front */
    uint32_t key_size, first_cell, n_cells, step;
};

struct nv_section_step {
    uint32_t row, next;
    uint64_t run;
};

struct nv_section_side {
    double *values;
    uint8_t *present;
    size_t n;                               /* cells there is room for */
    const struct nv_histogram **histograms; /* by cell, or NULL where there never was one */
    struct nv_arena histogram_memory;
};

struct nv_section {
    struct nv_registry *registry;
    uint32_t index;
    uint64_t generation;

    /* The runner's. */
    struct nv_arena memory; /* of rows */
    struct nv_section_row **chunks;
    size_t n_rows, room_chunks, n_cells, n_named;
    struct nv_index row_index;
    struct nv_section_step *steps;
    size_t n_steps, room_steps, n_visited;
    uint32_t first_step, at_step;
    uint64_t run;
    struct nv_section_side staging;
    size_t n_dropped;
    char dropped[NV_SECTION_WHAT_MAX];

    /* The owner's. */
    struct nv_section_side published;
    uint32_t *columns;
    size_t n_columns, n_present, n_refused;
    bool changed; /* which cells are published */
};

static inline const struct nv_histogram *nv_section_histogram_at(const struct nv_section_side *side,
                                                                 size_t cell)
{
    return side->histograms ? side->histograms[cell] : NULL;
}

static inline struct nv_section_row *nv_section_row_at(const struct nv_section *section, uint32_t i)
{
    return &section->chunks[i / NV_SECTION_ROWS_A_CHUNK][i % NV_SECTION_ROWS_A_CHUNK];
}

/* What an emission names: a row of a table, or a sample of a family of its own. */
struct nv_section_wanted {
    const struct nv_table *table;
    const struct nv_family *family;
    const char *suffix;
    const char *const *names;
    const struct nv_str *labels;
};

/* The row the last run emitted at this place, else by its name; NULL where it may not be had. */
struct nv_section_row *nv_section_next_row(struct nv_section *section,
                                           const struct nv_section_wanted *wanted);

/* Leaves out the steps this run did not take, once they are the greater part. */
void nv_section_shorten_path(struct nv_section *section);
void nv_section_forget_rows(struct nv_section *section);

/* The labels of a row, as views into its key; how many. */
size_t nv_section_row_labels(const struct nv_section_row *row, struct nv_str labels[NV_LABELS_MAX]);
void nv_section_row_wanted(const struct nv_section_row *row, struct nv_str labels[NV_LABELS_MAX],
                           struct nv_section_wanted *ret);

/* Room for n cells. */
void nv_section_side_room(struct nv_section_side *side, size_t n);

#endif
