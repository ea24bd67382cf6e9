/*
 * export.h - what a queryable holds, written for others: OpenMetrics text, Prometheus blocks.
 *
 *   selectors  a series is written where it fits any of them; all are where there are none
 *   memory     one series at a time, beside the labels of all; of blocks also their index
 *   loss       none, but that native histograms do not fit OpenMetrics 1.0 and are left out, counted; series that
 *              cannot be read likewise. What the queryable itself leaves out, it tells. Of NaNs text keeps apart the
 *              staleness marker only; Prometheus blocks keep every bit, and histograms
 */
#ifndef NV_TSDB_EXPORT_H
#define NV_TSDB_EXPORT_H

#include <stdio.h>

#include "metric/queryable.h"

struct nv_export_stats {
    uint64_t series, samples, blocks, bytes;
    uint64_t left_out; /* samples that are histograms, of text */
    uint64_t damaged;  /* series that could not be read; of blocks, once for each */
    int64_t at_ms;     /* how far; of text: to_ms at the end only */
};

struct nv_export_selector {
    const struct nv_matcher *matchers;
    size_t n;
};

struct nv_export {
    const struct nv_queryable *from;
    const struct nv_export_selector *selectors;
    size_t n_selectors;
    int64_t from_ms, to_ms; /* both included; cut to what there is */
    void (*progress)(void *user, const struct nv_export_stats *stats);
    void *user;
};

/*
 * Writes OpenMetrics 1.0 with timestamps, series by labels, ended by # EOF. There is no metadata: the store has
 * none. A staleness marker is written `naN` (see expo/parse_openmetrics.c). Returns 0; -EIO and the like where
 * `to` fails; or what the queryable returned.
 */
NV_MUST_USE int nv_export_openmetrics(const struct nv_export *export, FILE *to,
                                      struct nv_export_stats *ret);

/*
 * Writes Prometheus blocks of two hours into the folder `path`, made where it is missing, with an empty wal/ beside
 * them. A block appears whole, under its name, or not at all.
 */
NV_MUST_USE int nv_export_prometheus(const struct nv_export *export, const char *path,
                                     struct nv_export_stats *ret);

/* ---- for the exports themselves ------------------------------------------------------------- */

struct nv_picked {
    struct nv_selection *from;
    size_t i;
};

/* The series that fit any selector, once each, by labels. */
struct nv_picks {
    struct nv_selection *selections;
    size_t n_selections;
    struct nv_picked *at;
    size_t n;
};

NV_MUST_USE int nv_export_pick(const struct nv_export *export, int64_t from_ms, int64_t to_ms,
                               struct nv_picks *ret);
void nv_picks_done(struct nv_picks *picks);

static inline const struct nv_selected *nv_picked(const struct nv_picks *picks, size_t i)
{
    return &picks->at[i].from->series[picks->at[i].i];
}

/* The samples of one, in place of what was there. */
NV_MUST_USE int nv_picked_read(const struct nv_picks *picks, size_t i, struct nv_samples *samples);

/* The part of the asked range that has samples; false for none. */
bool nv_export_range(const struct nv_export *export, int64_t *ret_from_ms, int64_t *ret_to_ms);

#endif
