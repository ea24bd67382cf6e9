/*
 * promql_series.h - series in memory, written in the notation of PromQL's test scripts, that can be asked.
 *
 *   {__name__="x", a="b"} 1 2+3x4 _ stale {{schema:0 count:3 sum:4 buckets:[1 2]}}
 *
 *   hints      histograms read back with the hint a store gives them: unknown where a counter begins, not_reset
 *              where it goes on, gauge as stored
 */
#ifndef NV_TEST_PROMQL_SERIES_H
#define NV_TEST_PROMQL_SERIES_H

#include "metric/queryable.h"

struct nv_point {
    bool is_missing;
    bool has_hint; /* the notation names a counter_reset_hint */
    double value;
    const struct nv_histogram *histogram;
};

struct nv_points {
    struct nv_label *labels;
    size_t n_labels, n, room;
    struct nv_point *at;
    int64_t *starts; /* of a @st line: relative, INT64_MIN for none; NULL otherwise */
};

/* Reads `series points`, or only points where `with_labels` is false. Memory is the arena's. 0, -EINVAL, -ENOMEM. */
int nv_points_parse(struct nv_str line, bool with_labels, struct nv_arena *arena,
                    struct nv_points *ret);

struct nv_memory_series;
struct nv_memory_series *nv_memory_series_new(void);
void nv_memory_series_free(struct nv_memory_series *memory);

/* Point i at i * step_ms. `starts` as in nv_points, or NULL. */
void nv_memory_series_load(struct nv_memory_series *memory, const struct nv_points *points,
                           int64_t step_ms, const int64_t *starts);

/* Native histograms with custom buckets beside the classic ones. */
int nv_memory_series_convert(struct nv_memory_series *memory, size_t first);
size_t nv_memory_series_count(const struct nv_memory_series *memory);
struct nv_queryable nv_memory_series_queryable(struct nv_memory_series *memory);

#endif
