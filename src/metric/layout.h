/*
 * layout.h - all series of one source in a fixed order, ready to be written.
 *
 *   registry   the writable side: families, sections, series, and the strings they share
 *   layout     an immutable picture of it, counted; a frame holds the one it was made under
 *   column     the number of a series: its place in frames and in the store. Within a generation
 *              columns are only added, so a layout of n series is the beginning of any later one
 *   order      families by name; in a family as node_exporter has it: fewer labels first, then label
 *              values pairwise as bytes; parts of a histogram or summary by bound, then sum, count
 *   generation ends by nv_registry_renew(), which starts from nothing; old layouts stay valid
 *
 *   bounds     NV_LAYOUT_SERIES_MAX series, NV_LAYOUT_FAMILIES_MAX families
 *   threads    the registry has one user; layouts may be read by any
 */
#ifndef NV_METRIC_LAYOUT_H
#define NV_METRIC_LAYOUT_H

#include <nodevitals/collector.h>

#include "base/cleanup.h"
#include "metric/name.h"

enum { NV_LAYOUT_SERIES_MAX = 4 << 20, NV_LAYOUT_FAMILIES_MAX = 200000, NV_LAYOUT_CHUNK = 256 };

/* A generation of more series than that has room for few that are absent: a source of the store has 128k columns. */
enum { NV_LAYOUT_WIDE = 96 << 10, NV_LAYOUT_WIDE_SPARE = 4096 };

/* Whether, of n series of a generation, those that are absent weigh more than those that are there and a spare. */
static inline bool nv_layout_is_outweighed(size_t n, size_t there, size_t spare)
{
    return n > 2 * there + spare || (n > NV_LAYOUT_WIDE && n > there + NV_LAYOUT_WIDE_SPARE);
}

struct nv_label {
    struct nv_str name, value;
};

/* Which part of its family's sample a series is. */
enum nv_role {
    NV_ROLE_VALUE,    /* counter, gauge, untyped; or a native histogram */
    NV_ROLE_BUCKET,   /* name_bucket{le="bound"} */
    NV_ROLE_QUANTILE, /* name{quantile="bound"} */
    NV_ROLE_SUM,      /* name_sum */
    NV_ROLE_COUNT,    /* name_count */
};

struct nv_series {
    uint32_t family; /* see nv_layout_family_of() */
    uint32_t section;
    uint8_t role; /* enum nv_role */
    bool legacy;  /* metric and label names need no quoting or escaping */
    bool quoted;  /* the metric's does: it stands within `rest` */
    uint16_t n_labels;
    double bound;                  /* of a bucket or quantile */
    const struct nv_label *labels; /* by name; le or quantile is last; no __name__ */
    struct nv_str name;            /* with its suffix */
    /* As classic text what comes behind nv_series_text(): `{a="b"} `, blank included; the same for all series of these labels.
     * p NULL: not rendered. */
    struct nv_str rest;
};

/* The beginning of a series as classic text. */
static inline struct nv_str nv_series_text(const struct nv_series *series)
{
    return series->quoted ? NV_LIT("") : series->name;
}

/* A family as it stands in one layout. */
struct nv_layout_family {
    struct nv_str name, help;
    enum nv_type type;
    struct nv_str head;     /* classic: "# HELP name help\n# TYPE name type\n" */
    const uint32_t *series; /* columns in order of exposition */
    uint32_t n_series;
};

/* Labels that all series of a section have in the store, and not on /metrics: job, instance ... They win over
 * a series' own label of that name, which is kept as exported_<name>. */
struct nv_target {
    const struct nv_label *labels; /* by name */
    size_t n_labels;
    unsigned cadence_ms; /* how often it is observed at least, as long as it is; 0: nobody said */
};

struct nv_layout {
    unsigned refs; /* atomic */
    uint64_t generation;
    struct nv_generation *memory;
    const struct nv_series *const *chunks; /* NV_LAYOUT_CHUNK series each */
    size_t n_series;
    const struct nv_layout_family *const *families; /* by name */
    size_t n_families;
    const struct nv_layout_family *const *by_number; /* the same, as series name them */
    size_t n_sections;
    const struct nv_target *targets; /* by section */
};

static inline const struct nv_series *nv_layout_series(const struct nv_layout *layout,
                                                       size_t column)
{
    return &layout->chunks[column / NV_LAYOUT_CHUNK][column % NV_LAYOUT_CHUNK];
}

static inline const struct nv_layout_family *nv_layout_family_of(const struct nv_layout *layout,
                                                                 const struct nv_series *series)
{
    return layout->by_number[series->family];
}

/* The family of a name; NULL for none. */
const struct nv_layout_family *nv_layout_find(const struct nv_layout *layout, struct nv_str name);

struct nv_layout *nv_layout_ref(struct nv_layout *layout);
void nv_layout_unref(struct nv_layout *layout);

struct nv_registry;
struct nv_registry *nv_registry_new(void);
void nv_registry_free(struct nv_registry *registry);
NV_DEFINE_AUTO(nv_registry)

/* A new series, in views that nv_registry_add() copies. */
struct nv_series_def {
    const char *name; /* of the family */
    const char *suffix;
    const char *help;
    enum nv_type type;
    const char *const *label_names;    /* NULL at the end; any order */
    const struct nv_str *label_values; /* invalid UTF-8 becomes U+FFFD */
    uint32_t section;
};

enum nv_registry_outcome {
    NV_REGISTRY_DUPLICATE = 1, /* that label set stands already, at *ret_column */
    NV_REGISTRY_CONFLICT,      /* the family has another type or help, or its names collide */
    NV_REGISTRY_INVALID,       /* a name is no name, a label comes twice or begins with __ */
    NV_REGISTRY_FULL,
};

/* Returns 0 and the column; an outcome; or -ENOMEM, and the registry as it was. */
NV_MUST_USE int nv_registry_add(struct nv_registry *registry, const struct nv_series_def *def,
                                uint32_t *ret_column);

/*
 * A lean registry, for the many series of others: label sets are kept once, no text is rendered, and nobody minds whether
 * families go together. The first series of a family says its help and type; later ones may have another help, and be
 * untyped. A bare one has no families at all: nothing of it can be shown.
 */
struct nv_registry *nv_registry_new_lean(bool bare);

enum { NV_REGISTRY_LABELS_MAX = 128 };
struct nv_labelled_series {
    struct nv_str family;
    const char *suffix; /* "" but for parts of histograms and summaries */
    struct nv_str help;
    enum nv_type type;
    const struct nv_label *labels; /* no name twice; those that begin with __ too */
    size_t n_labels;
    uint32_t section;
};

/* As nv_registry_add(), to a lean one. A part without its le or quantile is invalid. */
NV_MUST_USE int nv_registry_add_labelled(struct nv_registry *registry,
                                         const struct nv_labelled_series *def,
                                         uint32_t *ret_column);

/* Whether a definition that was a conflict would be one still, had a new generation only the columns of `present`
 * (a bit each, of the present layout). */
bool nv_registry_refuses(const struct nv_registry *registry, const struct nv_series_def *def,
                         const uint64_t *present);

uint32_t nv_registry_add_section(struct nv_registry *registry);

/* How often a section is observed at least; when it is so more often for a while, as by scrapes, that is no promise. */
void nv_registry_set_cadence(struct nv_registry *registry, uint32_t section, unsigned cadence_ms);

/* The target labels of a section, copied. With the section's first use, or at the begin of a generation: those of a
 * generation do not change. -ENOMEM. */
NV_MUST_USE int nv_registry_set_target(struct nv_registry *registry, uint32_t section,
                                       const struct nv_label *labels, size_t n);
uint64_t nv_registry_generation(const struct nv_registry *registry);
size_t nv_registry_n_series(const struct nv_registry *registry);

/* A series, which stays where it is until the generation ends. */
const struct nv_series *nv_registry_series(const struct nv_registry *registry, size_t column);

/* Bytes a generation holds, those of pictures that were replaced included. */
size_t nv_registry_memory(const struct nv_registry *registry);

/* Begins a generation without series; sections stay. */
void nv_registry_renew(struct nv_registry *registry);

/* The present layout, with a count for the caller; NULL when memory is out. Costs nothing where nothing
 * was added since. */
struct nv_layout *nv_registry_layout(struct nv_registry *registry);

#endif
