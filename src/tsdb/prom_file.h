/*
 * prom_file.h - the files of a Prometheus block, and its index. Only prom_block.c and prom_index.c ask.
 *
 *   errors   the first sticks in `error`; ask once, by nv_prom_file_close()
 *   numbers  big-endian, or LEB128
 */
#ifndef NV_TSDB_PROM_FILE_H
#define NV_TSDB_PROM_FILE_H

#include "base/buf.h"
#include "metric/layout.h"

enum { NV_PROM_PENDING_MAX = 1 << 16 };

struct nv_prom_file {
    int fd, error;
    uint64_t at;  /* bytes written and pending */
    uint32_t crc; /* since nv_prom_file_mark() */
    size_t n;
    char pending[NV_PROM_PENDING_MAX];
};

void nv_prom_file_create(struct nv_prom_file *file, int dir, const char *name);
void nv_prom_file_add(struct nv_prom_file *file, const void *p, size_t n);
void nv_prom_file_be32(struct nv_prom_file *file, uint32_t value);
void nv_prom_file_be64(struct nv_prom_file *file, uint64_t value);
void nv_prom_file_uvarint(struct nv_prom_file *file, uint64_t value);
void nv_prom_file_string(struct nv_prom_file *file, struct nv_str s); /* length and bytes */
void nv_prom_file_pad(struct nv_prom_file *file, size_t to);          /* zeros, to a multiple */

static inline void nv_prom_file_mark(struct nv_prom_file *file)
{
    file->crc = 0;
}
void nv_prom_file_crc(struct nv_prom_file *file); /* of what came since the mark */

/* Syncs and closes. Returns 0 or what went wrong first. */
NV_MUST_USE int nv_prom_file_close(struct nv_prom_file *file);

struct nv_prom_series {
    const struct nv_label *labels; /* by name */
    size_t n_labels;
    size_t first_chunk, n_chunks;
};
struct nv_prom_chunk_place {
    int64_t from_ms, to_ms; /* both included */
    uint64_t ref;
};

/* Writes the index of series that are sorted by labels. -EFBIG beyond its limits. */
NV_MUST_USE int nv_prom_index_write(int dir, const struct nv_prom_series *series, size_t n,
                                    const struct nv_prom_chunk_place *chunks);

#endif
