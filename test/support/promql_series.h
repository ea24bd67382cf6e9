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
#include "promql/points.h"

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
