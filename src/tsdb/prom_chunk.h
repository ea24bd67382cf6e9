/*
 * prom_chunk.h - samples as a chunk of Prometheus. Only prom_block.c asks. The format stands in prom_chunk.c.
 */
#ifndef NV_TSDB_PROM_CHUNK_H
#define NV_TSDB_PROM_CHUNK_H

#include "base/buf.h"
#include "metric/queryable.h"

enum { NV_PROM_CHUNK_SAMPLES_MAX = 120 };

/* Appends the encoding byte and the data of a chunk that begins with sample `from`. Returns how many
 * samples it took, at least one. */
size_t nv_prom_chunk(const struct nv_samples *samples, size_t from, struct nv_buf *out);

#endif
