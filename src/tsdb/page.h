/*
 * page.h - a full chunk, sealed: the times once, then each series as a compressed column; presence and observation as a
 * word, a bit per row. Immutable, counted, only ever in memory: the format is not that of a file.
 */
#ifndef NV_TSDB_PAGE_H
#define NV_TSDB_PAGE_H

#include "tsdb/chunk.h"
#include "tsdb/codec.h"

struct nv_page {
    unsigned refs; /* atomic */
    struct nv_columns *columns;
    uint64_t segment;
    int64_t from_ms, to_ms;
    uint32_t n_rows, n_columns, n_sections;
    uint64_t n_samples;
    size_t bytes;
    struct nv_str times;
    const uint64_t *observed; /* by section */
    const uint32_t *starts;   /* where columns 0, 16, 32 ... begin in `data` */
    const char *data;
    size_t n_data;
};

/* Compresses the published rows of a chunk (at least one). */
NV_MUST_USE int nv_page_seal(struct nv_codec *codec, const struct nv_chunk *chunk,
                             struct nv_page **ret);
struct nv_page *nv_page_ref(struct nv_page *page);
void nv_page_unref(struct nv_page *page);

/* Histograms come to lie in the arena. -EBADMSG, -ENOMEM. */
NV_MUST_USE int nv_page_strip(struct nv_codec *codec, const struct nv_page *page, uint32_t column,
                              uint32_t section, struct nv_arena *arena, struct nv_strip *ret);
NV_MUST_USE int nv_page_times(struct nv_codec *codec, const struct nv_page *page,
                              int64_t times[NV_CHUNK_ROWS]);

#endif
