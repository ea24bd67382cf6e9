/*
 * section.h - records what one collector, target or rule emits, and hands it to frames.
 *
 * An emitted row is compared with what stood at the cursor in the previous run (table, label bytes); where
 * it matches, which is nearly always, its values are stored and the cursor moves on: no hashing, no
 * allocation. Where it does not, the row is looked up or made.
 *
 *   two sides  the runner calls begin, emit_*, end; the owner calls publish and fill, never while the
 *              runner runs. What was published last stays readable meanwhile
 *   duplicates the second value for a cell in one run is dropped, counted, and the first one named
 *   bounds     NV_SERIES_MAX series, NV_FAMILIES_MAX families made at run time; beyond: dropped, counted
 */
#ifndef NV_METRIC_SECTION_H
#define NV_METRIC_SECTION_H

#include "metric/frame.h"

struct nv_section;

struct nv_section *nv_section_new(struct nv_registry *registry);
void nv_section_free(struct nv_section *section);
NV_DEFINE_AUTO(nv_section)

uint32_t nv_section_index(const struct nv_section *section);

/* The runner's side. */
void nv_section_begin(struct nv_section *section);
void nv_section_emit(struct nv_section *section, const struct nv_table *table,
                     const struct nv_str *labels, enum nv_number number, const void *values,
                     size_t first, size_t n, uint64_t mask);
void nv_section_emit_sample(struct nv_section *section, const struct nv_family *family,
                            const char *suffix, const char *const *names,
                            const struct nv_str *labels, double value);
/* A native histogram (copied), beside which parts of a classic one may stand. */
void nv_section_emit_histogram(struct nv_section *section, const struct nv_family *family,
                               const char *const *names, const struct nv_str *labels,
                               const struct nv_histogram *histogram);
void nv_section_end(struct nv_section *section);

/* The owner's side. publish() registers what is new; returns how many cells were dropped (duplicates,
 * conflicts, bounds), with the first named in `what` when there were any. */
enum { NV_SECTION_WHAT_MAX = 256 };
size_t nv_section_publish(struct nv_section *section, char what[NV_SECTION_WHAT_MAX]);

/* Forgets what was published: the section is observed without series. */
void nv_section_clear(struct nv_section *section);

/* Writes the published cells into a frame made under the registry's present layout, and marks the section
 * observed. Cells another section has filled are left; returns how many. */
size_t nv_section_fill(const struct nv_section *section, struct nv_frame *frame);

/*
 * A family of another type or help may stand in the way of a published cell, and be absent by now: a textfile was
 * changed. settled() is false when what is published has changed since it was last called; n_refused() counts such
 * cells; outlived() tells whether one would be taken by a new generation that has only what is present in the frame.
 */
bool nv_section_settled(struct nv_section *section);
size_t nv_section_n_refused(const struct nv_section *section);
bool nv_section_outlived(const struct nv_section *section, const struct nv_frame *frame);

/* How many series were published last, and how many the section knows, absent ones included. */
size_t nv_section_n_present(const struct nv_section *section);
size_t nv_section_n_known(const struct nv_section *section);

/* After nv_registry_renew(): forgets all series but those published last. */
void nv_section_renew(struct nv_section *section);

#endif
