/*
 * block.h - an immutable file of the samples of one time span. The format stands in block.c.
 *
 *   group     series that share a clock: one time column, sections with the rows they were observed in, and
 *             per series the rows it is present in and a value for each of those
 *   sparse    series with times of their own, one column each
 *   order     series by nv_labels_compare(), across groups; numbered from 0
 *   reading   by pread through a bounded cache; every part has a CRC32C, checked when read; an I/O error or damage is
 *             an error of the part, all others stay readable
 *   writing   under a temporary name; complete with nv_block_commit(): synced, renamed, directory synced
 *   threads   a writer has one user; a block any number of readers
 */
#ifndef NV_TSDB_BLOCK_H
#define NV_TSDB_BLOCK_H

#include "metric/queryable.h"
#include "tsdb/codec.h"
#include "tsdb/fs.h"

enum {
    NV_BLOCK_SERIES_MAX = 4 << 20,
    NV_BLOCK_ROWS_MAX = NV_CODEC_ROWS_MAX, /* a group; 36 hours at 1 s */
    NV_BLOCK_GROUPS_MAX = 1 << 20,
    NV_BLOCK_SECTIONS_MAX = 1 << 16, /* a group */
    NV_BLOCK_MADE_OF_MAX = 256,
    NV_BLOCK_CACHE_BYTES = 2 << 20,  /* of all open blocks together, by default */
    NV_COLUMN_CACHE_BYTES = 5 << 19, /* and of decoded columns, until it is quiet */
};

/* What begins so is a file that was not finished: removed when a store is opened for writing. */
#define NV_BLOCK_UNFINISHED "tmp-"
#define NV_BLOCK_SUFFIX     ".nvb"
#define NV_BLOCK_MARKS      ".marks" /* behind the name of a block: what was deleted of it */

/* ---- writing -------------------------------------------------------------------------------- */

struct nv_block_writer;

NV_MUST_USE int nv_block_writer_new(struct nv_fs *fs, struct nv_block_writer **ret);
void nv_block_writer_free(struct nv_block_writer *writer); /* not committed: removes the file */
NV_DEFINE_AUTO(nv_block_writer)

/* A group of n_rows rows; n_sections sections with a bit per row in which they were observed. Returns its number. */
NV_MUST_USE int nv_block_add_group(struct nv_block_writer *writer, const int64_t *times,
                                   size_t n_rows, const uint64_t *const *observed,
                                   size_t n_sections);

/*
 * A series of a group. Any order of calls; the writer sorts the table. `present` has a bit per row (only rows
 * in which the section was observed; NULL: all of those); `values` one per set bit, in order; `histograms`
 * likewise or NULL, and then NULL entries for doubles. Columns are encoded at once and written out as they come;
 * keep series of one family together, in the order of labels, for the codec looks at the neighbours. Labels
 * are copied. A label set may come once (-EEXIST, by nv_block_commit()). A series without a value is left out.
 */
NV_MUST_USE int nv_block_add_series(struct nv_block_writer *writer, uint32_t group,
                                    uint32_t section, const struct nv_label *labels,
                                    size_t n_labels, const uint64_t *present, const double *values,
                                    const struct nv_histogram *const *histograms);

/* A sparse series: its own rising times; staleness markers are ordinary values. `starts` may be NULL. */
NV_MUST_USE int nv_block_add_sparse(struct nv_block_writer *writer, const struct nv_label *labels,
                                    size_t n_labels, const struct nv_samples *samples);

/* The block is made of the one of that name (of NV_BLOCK_MADE_OF_MAX at most): see nv_block_is_made_of(). */
void nv_block_note_origin(struct nv_block_writer *writer, const char *name);

/* Completes the file under its name (block-<from>-<to>-<level>-<random>.nvb). `level`: how often its samples were
 * merged. -ENODATA for a block without samples, and no file. */
enum { NV_BLOCK_NAME_MAX = 96 };
NV_MUST_USE int nv_block_commit(struct nv_block_writer *writer, unsigned level,
                                char name[NV_BLOCK_NAME_MAX]);

/* ---- reading -------------------------------------------------------------------------------- */

struct nv_block_cache;
struct nv_block_cache *nv_block_cache_new(size_t bytes);
void nv_block_cache_free(struct nv_block_cache *cache);
void nv_block_cache_trim(
    struct nv_block_cache *cache); /* gives up what readers left; call it when it is quiet */
void nv_block_cache_select(struct nv_block_cache *cache); /* another selection begins */

/* How often a part of a block was met that is damaged or cannot be read: all blocks together, those that went too. */
uint64_t nv_block_cache_faults(const struct nv_block_cache *cache);

struct nv_block;
struct nv_block_info {
    char name[NV_BLOCK_NAME_MAX];
    unsigned level;
    int64_t from_ms, to_ms; /* of samples, both included */
    uint64_t n_series, n_samples, n_groups, bytes;
};

NV_MUST_USE int nv_block_open(struct nv_fs *fs, struct nv_block_cache *cache, const char *name,
                              struct nv_block **ret);
struct nv_block *nv_block_ref(struct nv_block *block);
void nv_block_unref(struct nv_block *block);
const struct nv_block_info *nv_block_info(const struct nv_block *block);

/* Whether all that another block holds is in this one, which replaced it: it is still there where nobody came to remove it. */
bool nv_block_is_made_of(const struct nv_block *block, const struct nv_block *other);

/* How often a damaged part, or one that could not be read, was met so far. Selecting and listing go on without it. */
uint64_t nv_block_faults(const struct nv_block *block);

/* Numbers of the series that fit, rising, in the arena. */
NV_MUST_USE int nv_block_select(struct nv_block *block, const struct nv_matcher *matchers, size_t n,
                                struct nv_arena *arena, uint32_t **ret, size_t *ret_n);

/* The labels of a series, in the arena. */
NV_MUST_USE int nv_block_labels(struct nv_block *block, uint32_t series, struct nv_arena *arena,
                                const struct nv_label **ret, size_t *ret_n);

/*
 * Appends the samples of a series in [from, to]: those present, and a staleness marker at each row that is the
 * first, after one with a value, in which its section was observed without it. Before its first value nothing is
 * stale, for a block does not know what was before; who does, writes the marker as a value, after which none is
 * added. Deleted ranges (marks) are left out. -EBADMSG: a part it needs is damaged; -EIO; then nothing is appended.
 */
NV_MUST_USE int nv_block_read(struct nv_block *block, uint32_t series, int64_t from_ms,
                              int64_t to_ms, struct nv_samples *samples);

/* Sorted, each once. */
NV_MUST_USE int nv_block_label_names(struct nv_block *block, struct nv_arena *arena,
                                     struct nv_str **ret, size_t *ret_n);
NV_MUST_USE int nv_block_label_values(struct nv_block *block, struct nv_str name,
                                      struct nv_arena *arena, struct nv_str **ret, size_t *ret_n);

/* For merging: a group as it was added, and each series' place, marks not applied. */
struct nv_block_group {
    size_t n_rows, n_sections;
    const int64_t *times;
    const uint64_t *const *observed; /* by section; NULL: in all rows */
};
NV_MUST_USE int nv_block_group(struct nv_block *block, uint32_t group, struct nv_arena *arena,
                               struct nv_block_group *ret);

#define NV_BLOCK_SPARSE UINT32_MAX /* in place of a group */
struct nv_block_column {
    uint32_t group, section;
    const uint64_t *present;                      /* a bit per row of the group; NULL: sparse */
    const int64_t *times, *starts;                /* sparse; starts NULL: none known */
    const double *values;                         /* NaN where there is a histogram */
    const struct nv_histogram *const *histograms; /* NULL: none */
    size_t n;
};
NV_MUST_USE int nv_block_column(struct nv_block *block, uint32_t series, struct nv_arena *arena,
                                struct nv_block_column *ret);

/* Where a series lies, its values unread; and the rows of the largest group. */
NV_MUST_USE int nv_block_place(struct nv_block *block, uint32_t series, uint32_t *ret_group,
                               uint32_t *ret_section);
size_t nv_block_rows_max(const struct nv_block *block);

/* Marks the samples of n series as deleted, on disk when it returns: in <name>.marks beside the block, a file that
 * goes where the block goes. */
NV_MUST_USE int nv_block_delete(struct nv_block *block, const uint32_t *series, size_t n,
                                int64_t from_ms, int64_t to_ms);

/* The i-th mark on a series, for who applies them; false where there is none. */
bool nv_block_mark(struct nv_block *block, uint32_t series, size_t i, int64_t *ret_from_ms,
                   int64_t *ret_to_ms);
bool nv_block_has_marks(struct nv_block *block);

/* Reads every part against the format, marks too. Appends a line for each fault, which names its part; returns how many,
 * or -ENOMEM. */
NV_MUST_USE int nv_block_verify(struct nv_fs *fs, const char *name, struct nv_buf *out);

/* For `tsdb analyze`: calls each() per series with its codec's name and its bytes. */
typedef int nv_analyze_each(void *user, uint32_t series, const struct nv_label *labels,
                            size_t n_labels, const char *codec, uint64_t bytes, uint64_t samples);
NV_MUST_USE int nv_block_analyze(struct nv_block *block, nv_analyze_each *each, void *user);

#endif
