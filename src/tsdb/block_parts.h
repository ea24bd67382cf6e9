/*
 * block_parts.h - what the files of the block share, and nobody else includes. The format stands in block.c.
 *
 *   parts     lie by offset and length; bytes that come from a file are refused with -EBADMSG, never believed
 *   objects   decoded parts live in an arena of their own, counted, in the cache or with who holds them
 */
#ifndef NV_TSDB_BLOCK_PARTS_H
#define NV_TSDB_BLOCK_PARTS_H

#include <pthread.h>
#include <zstd.h>

#include "base/assert.h"
#include "metric/frame.h"
#include "tsdb/block.h"

enum {
    NV_PART_CRC = 4,       /* bytes behind each part */
    NV_BLOCK_HEADER = 16,  /* bytes */
    NV_BLOCK_TRAILER = 20, /* bytes */
    NV_BLOCK_VERSION = 1,
    NV_PAGE_SERIES = 512,           /* series a page of labels or columns has, at most */
    NV_PAGE_TEXT = 128 << 10,       /* bytes of labels after which it has no more */
    NV_LABELS_MAX_BYTES = 64 << 10, /* of one series */
    NV_PAGE_TEXT_MAX = 1 << 20,     /* bytes of all texts of a page */
    NV_PAGE_BYTES_MAX = 4 << 20,    /* decoded */
    NV_PACKED_MAX = 64 << 20,
    NV_FOOTER_MAX = 64 << 20,
    NV_INLINE_MAX = 24,       /* bytes of a column that lies in the page itself */
    NV_VALUES_FROM_PAGES = 5, /* how many pages of labels make an index of values worth its bytes */
    NV_VALUES_PAGE = 256,     /* values a page of that index has */
};

#define NV_BLOCK_MAGIC "nvblock\n"

struct nv_part {
    uint64_t offset;
    uint32_t n; /* without the CRC */
};

/* ---- bits ----------------------------------------------------------------------------------- */

static inline size_t nv_words(size_t n_bits)
{
    return (n_bits + 63) / 64;
}

/* The last word's bits that count. */
static inline uint64_t nv_last_word(size_t n_bits)
{
    return n_bits % 64 ? (UINT64_C(1) << (n_bits % 64)) - 1 : UINT64_MAX;
}

static inline size_t nv_bits_count(const uint64_t *bits, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n / 64; i++)
        count += (size_t)__builtin_popcountll(bits[i]);
    if (n % 64)
        count += (size_t)__builtin_popcountll(bits[n / 64] & nv_last_word(n));
    return count;
}

static inline void nv_bits_fill(uint64_t *bits, size_t n)
{
    memset(bits, 0xff, nv_words(n) * sizeof(*bits));
    if (n)
        bits[nv_words(n) - 1] = nv_last_word(n);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static inline void nv_put_u32(struct nv_buf *out, uint32_t value)
{
    unsigned char bytes[4];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    nv_buf_add(out, bytes, sizeof(bytes));
}

static inline void nv_put_u64(struct nv_buf *out, uint64_t value)
{
    nv_put_u32(out, (uint32_t)value);
    nv_put_u32(out, (uint32_t)(value >> 32));
}

static inline uint32_t nv_load_u32(const void *p)
{
    const unsigned char *byte = p;

    return (uint32_t)byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 |
           (uint32_t)byte[3] << 24;
}

static inline uint64_t nv_load_u64(const void *p)
{
    const unsigned char *byte = p;

    return nv_load_u32(byte) | (uint64_t)nv_load_u32(byte + 4) << 32;
}

/* Reads a number of at most `max`. */
static inline bool nv_get_below(struct nv_str *in, uint64_t max, uint32_t *ret)
{
    uint64_t value;

    if (!nv_get_uvarint(in, &value) || value > max || value > UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    return true;
}

/* Takes n bytes from the front. */
static inline bool nv_get_bytes(struct nv_str *in, uint64_t n, struct nv_str *ret)
{
    if (n > in->n)
        return false;
    *ret = (struct nv_str){in->p, (size_t)n};
    *in = nv_str_from(*in, (size_t)n);
    return true;
}

/* Bytes led by their length. */
static inline void nv_put_sized(struct nv_buf *out, struct nv_str bytes)
{
    nv_put_uvarint(out, bytes.n);
    nv_buf_str(out, bytes);
}

static inline bool nv_get_sized(struct nv_str *in, struct nv_str *ret)
{
    uint64_t n;

    return nv_get_uvarint(in, &n) && nv_get_bytes(in, n, ret);
}

/* Makes room for one more element of an array that doubles. */
NV_MUST_USE int nv_array_room(void **at, size_t *room, size_t n, size_t size);

/* Appends bytes, with zstd where that makes them fewer; `fast` where time matters more than size. */
NV_MUST_USE int nv_pack(ZSTD_CCtx *zstd, bool fast, struct nv_str raw, struct nv_buf *out);
/* The bytes again: in the arena, or where they are. At most NV_PACKED_MAX. */
NV_MUST_USE int nv_unpack(struct nv_str packed, struct nv_arena *arena, struct nv_str *ret);

/* ---- the footer ----------------------------------------------------------------------------- */

struct nv_group_place {
    uint32_t n_rows, n_sections;
    int64_t from_ms, to_ms;
    struct nv_part times, observed;
};

struct nv_page_place {
    uint32_t first, n; /* series */
    struct nv_part labels, columns;
    uint64_t hash; /* XXH3-64 of the label page, unpacked: equal pages of blocks are cached once */
};

struct nv_values_place {
    struct nv_part part;
    struct nv_label first;
};

struct nv_footer {
    unsigned level;
    int64_t from_ms, to_ms;
    uint64_t n_series, n_samples;
    struct nv_group_place *groups;
    struct nv_page_place *pages;
    struct nv_values_place *values;
    uint32_t *made_of;
    size_t n_groups, n_pages, n_values, n_made_of;
};

void nv_footer_encode(const struct nv_footer *footer, struct nv_buf *out);
/* `end`: where the parts end in the file. */
NV_MUST_USE int nv_footer_decode(struct nv_str in, uint64_t end, struct nv_arena *arena,
                                 struct nv_footer *ret);

/* ---- pages of columns ----------------------------------------------------------------------- */

enum nv_column_flags {
    NV_COLUMN_PRESENCE =
        1, /* the rows it is present in stand in front of it: not all that were observed */
    NV_COLUMN_INLINE = 2,     /* it lies in the page */
    NV_COLUMN_BASED = 4,      /* `base` is needed to read it */
    NV_COLUMN_HISTOGRAMS = 8, /* some or all values are histograms */
    NV_COLUMN_SPARSE = 16,    /* it has times of its own */
    NV_COLUMN_STARTS = 32,    /* and starts */
    NV_COLUMN_FLAGS = 63,
};

struct nv_column {
    uint64_t offset; /* in the file, or in the page's bytes */
    uint32_t length, group, section;
    uint32_t extra; /* the base's series; or how many samples, of a sparse one */
    uint8_t flags;
};

struct nv_column_page {
    uint32_t n;
    const struct nv_column *at;
    const char *bytes; /* of columns in the page */
};

/* `inlined`: what their offsets are in. `base` numbers series by their order. */
void nv_column_page_encode(const struct nv_column *at, size_t n, uint32_t first,
                           const char *inlined, struct nv_buf *out);
NV_MUST_USE int nv_column_page_decode(struct nv_str in, const struct nv_footer *footer,
                                      const struct nv_page_place *place, uint64_t end,
                                      struct nv_arena *arena, struct nv_column_page *ret);

/* ---- pages of labels, and the index of values ----------------------------------------------- */

struct nv_label_set {
    const struct nv_label *at;
    size_t n;
};

struct nv_label_page {
    uint32_t n_series, n_names, n_shapes;
    const struct nv_str *names; /* sorted */
    const struct nv_label_values {
        const struct nv_str *at; /* sorted */
        uint32_t n;
    } * values;                  /* by name */
    const uint32_t *shape_ends;  /* where the names of each shape end */
    const uint16_t *shape_names; /* numbers of names, rising in each shape */
    const uint16_t *shapes;      /* of each series */
    const uint32_t *cells_at;    /* where each series' values begin */
    const uint16_t *cells;       /* numbers of values, by the shape's names */
};

NV_MUST_USE int nv_label_page_encode(const struct nv_label_set *sets, size_t n,
                                     struct nv_arena *scratch, struct nv_buf *out);
NV_MUST_USE int nv_label_page_decode(struct nv_str in, struct nv_arena *scratch,
                                     struct nv_arena *arena, struct nv_label_page *ret);
/* The labels of a series as views of the page. */
size_t nv_label_page_set(const struct nv_label_page *page, uint32_t i, struct nv_label *ret);
size_t nv_label_page_n(const struct nv_label_page *page, uint32_t i);

/* A label and the pages it occurs in. */
struct nv_posting {
    struct nv_label label;
    const uint32_t *pages; /* rising */
    uint32_t n_pages;
};
struct nv_values_page {
    uint32_t n;
    const struct nv_posting *at; /* by name, then value */
};
void nv_values_page_encode(const struct nv_posting *at, size_t n, size_t n_pages,
                           struct nv_buf *out);
NV_MUST_USE int nv_values_page_decode(struct nv_str in, size_t n_pages, struct nv_arena *arena,
                                      struct nv_values_page *ret);

/* Texts in order, each as what it shares with the one before, and the rest. */
struct nv_front {
    struct nv_buf shared, lengths, rest; /* written */
    struct nv_str last;
};
void nv_front_put(struct nv_front *front, struct nv_str text);
void nv_front_end(struct nv_front *front, struct nv_buf *out); /* writes, and frees */
struct nv_front_reader {
    struct nv_str shared, lengths, rest, last;
    char *at, *end; /* where the texts go */
};
/* Takes the three fields from the front of *in, and memory for all texts from the arena. */
NV_MUST_USE int nv_front_begin(struct nv_front_reader *reader, struct nv_str *in,
                               struct nv_arena *arena);
NV_MUST_USE int nv_front_get(struct nv_front_reader *reader, struct nv_str *ret);
bool nv_front_done(const struct nv_front_reader *reader); /* all was read */

/* ---- the cache ------------------------------------------------------------------------------ */

struct nv_cached {
    unsigned refs; /* atomic */
    uint64_t key[2];
    struct nv_cached *chain, *newer, *older;
    unsigned selection; /* that used it last */
    struct nv_arena arena;
    void *object;
};

/* Counted for the caller; NULL: not there. */
struct nv_cached *nv_cache_get(struct nv_block_cache *cache, const uint64_t key[2]);
/* Puts an object in, unless its key is there or it is too large; the caller keeps its count. */
void nv_cache_put(struct nv_block_cache *cache, struct nv_cached *cached);
struct nv_cached *nv_cached_new(const uint64_t key[2], size_t arena_max);
void nv_cached_free(struct nv_cached *cached); /* one count less */
/* Of the values of columns, which would crowd everything else out; NULL for no cache. */
struct nv_block_cache *nv_cache_of_columns(struct nv_block_cache *cache);
/* Makes room for so many bytes. False where only what the selection in front has used would have to go for it: a
 * selection larger than the cache keeps its first columns, and not each until the next one comes. */
bool nv_cache_make_room(struct nv_block_cache *cache, size_t bytes);
NV_DEFINE_AUTO(nv_cached)

/* What a reader works with; one user at a time. */
struct nv_scratch {
    struct nv_scratch *next;
    size_t rows; /* the most that were decoded */
    struct nv_codec *codec;
    struct nv_arena arena;
};
struct nv_scratch *nv_cache_lend(struct nv_block_cache *cache); /* NULL: memory is out */
void nv_cache_count_fault(struct nv_block_cache *cache);
void nv_cache_give_back(struct nv_block_cache *cache, struct nv_scratch *scratch);

/* ---- an open block -------------------------------------------------------------------------- */

struct nv_mark {
    uint32_t series;
    int64_t from_ms, to_ms;
};
struct nv_marks {
    size_t n;
    struct nv_mark at[]; /* by series */
};

struct nv_block {
    unsigned refs; /* atomic */
    struct nv_fs *fs;
    struct nv_block_cache *cache;
    int handle;
    uint64_t id, end; /* of the parts */
    uint64_t faults;  /* atomic */
    struct nv_block_info info;
    struct nv_footer footer;
    struct nv_arena arena;           /* the footer's */
    pthread_mutex_t mutex, deleting; /* of the marks: to look at them, to change them */
    struct nv_marks *marks;          /* NULL: none */
};

/* The random number a block's name ends in. */
uint32_t nv_block_mark_of(const char *name);
/* Reads a part into the arena and checks it. */
NV_MUST_USE int nv_block_part(struct nv_block *block, struct nv_part part, struct nv_arena *arena,
                              struct nv_str *ret);
/* Counts it, where the error says that a part is lost. */
void nv_block_note_fault(struct nv_block *block, int error);
/* The page a series is in. */
size_t nv_block_page_of(const struct nv_block *block, uint32_t series);
/* Decoded parts, through the cache. */
NV_MUST_USE int nv_block_label_page(struct nv_block *block, size_t page, struct nv_cached **ret);
NV_MUST_USE int nv_block_column_page(struct nv_block *block, size_t page, struct nv_cached **ret);
NV_MUST_USE int nv_block_values_page(struct nv_block *block, size_t page, struct nv_cached **ret);
NV_MUST_USE int nv_block_times(struct nv_block *block, uint32_t group, struct nv_cached **ret);
/* All sets of a group, NULL for those of all rows; *ret_n tells how many could be read. */
NV_MUST_USE int nv_block_sets(struct nv_block *block, uint32_t group, struct nv_arena *arena,
                              const uint64_t **ret, uint32_t *ret_n);
NV_MUST_USE int nv_block_observed(struct nv_block *block, uint32_t group, uint32_t section,
                                  struct nv_cached **ret);

/* What the codec of a series' values is called. */
NV_MUST_USE int nv_block_codec(struct nv_block *block, uint32_t series, const char **ret);

/* ---- marks ---------------------------------------------------------------------------------- */

/* Reads the marks beside a block; 0 and NULL where there are none. A torn end is left out. */
NV_MUST_USE int nv_marks_read(struct nv_fs *fs, const char *name, uint64_t n_series,
                              struct nv_marks **ret);
/* Takes deleted samples from those after the first `keep`. */
void nv_marks_apply(struct nv_block *block, uint32_t series, struct nv_samples *samples,
                    size_t keep);

#endif
