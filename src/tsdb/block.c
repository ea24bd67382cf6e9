/*
 * A block: the samples of one time span in one file, written once.
 *
 *   file      := header part* footer trailer
 *   header    := "nvblock\n"  u32 version (1)  u32 CRC of the 12 bytes before
 *   part      := bytes  u32 CRC of them
 *   trailer   := u64 offset of the footer  u32 its length  u32 its CRC  u32 CRC of the 16 bytes before
 *
 * u32 and u64 are little-endian; a CRC is CRC32C; other numbers are those of nv_put_uvarint(), or of nv_put_varint()
 * where marked (s). Parts follow each other without gaps, in any order. The footer (block_footer.c) names those of
 *
 *   groups    times: as nv_codec_encode_times() has them
 *             observed sets, packed: for each section a set of rows (nv_codec_encode_set()), led by its length
 *   pages     labels, packed (index_page.c): of up to 512 series that follow each other in the order of label sets
 *             columns, packed (block_columns.c): where the columns of these series are, or the short ones themselves
 *   values    packed (index_values.c): in which pages a label occurs; only in blocks of 5 pages or more
 *
 * and what is packed begins with how (block_pack.c). A part of its own is also each column of more than 24 bytes:
 *
 *   column    := [own times] [presence] values
 *   own times := of a sparse series: its times, led by their length; likewise its starts as a column of doubles,
 *                if it has any
 *   presence  := the set of rows in which the series has a value; left out where that is all in which its section
 *                was observed
 *   values    := a column of doubles (nv_codec_encode()) as long as that set, or as the times
 *              | where some are histograms: the set of these among the values; a column of the doubles between them,
 *                led by its length (0: none); the histograms (nv_codec_encode_histograms())
 *
 * A column of doubles may need its base: that of another series of the group, with the same rows, no histograms and no
 * base of its own. So any column is read for the price of the times, one set, itself and at most one other.
 *
 * A reader trusts nothing: offsets lie within the file, numbers within their bounds, and what a checksum covers is
 * still refused where it makes no sense.
 */
#include "tsdb/block_parts.h"

#include <stdio.h>

#include "base/index.h"

static uint64_t next_id;

enum part_kind { LABELS, COLUMNS, VALUES, TIMES, OBSERVED };

/* ---- parts ---------------------------------------------------------------------------------- */

static int read_at(struct nv_block *block, uint64_t offset, void *p, size_t n)
{
    ssize_t got = block->fs->ops->pread(block->fs, block->handle, p, n, offset);

    return got < 0 ? (int)got : (size_t)got == n ? 0 : -EBADMSG;
}

int nv_block_part(struct nv_block *block, struct nv_part part, struct nv_arena *arena,
                  struct nv_str *ret)
{
    size_t n = (size_t)part.n + NV_PART_CRC;
    char *p = nv_arena_alloc(arena, n);

    if (!p)
        return -ENOMEM;
    int r = read_at(block, part.offset, p, n);
    if (r < 0)
        return r;
    if (nv_crc32c(0, p, part.n) != nv_load_u32(p + part.n))
        return -EBADMSG;
    *ret = (struct nv_str){p, part.n};
    return 0;
}

static int unpacked_part(struct nv_block *block, struct nv_part part, struct nv_arena *arena,
                         struct nv_str *ret)
{
    struct nv_str packed;

    int r = nv_block_part(block, part, arena, &packed);
    return r < 0 ? r : nv_unpack(packed, arena, ret);
}

void nv_block_note_fault(struct nv_block *block, int error)
{
    if (error != -EBADMSG && error != -EIO)
        return;
    __atomic_add_fetch(&block->faults, 1, __ATOMIC_RELAXED);
    nv_cache_count_fault(block->cache);
}

/* What is made of a part, by a function for each kind. */
struct loading {
    struct nv_block *block;
    struct nv_arena *scratch;
    struct nv_cached *into;
    size_t number, section;
};

static int load(struct nv_block *block, enum part_kind kind, size_t number, size_t section,
                int (*make)(struct loading *loading), struct nv_cached **ret)
{
    uint64_t key[2] = {block->id << 3 | kind, (uint64_t)number << 32 | section};

    if (kind == LABELS) { /* equal pages of all blocks are one; ids begin at 1 */
        key[0] = kind;
        key[1] = block->footer.pages[number].hash;
    }
    *ret = nv_cache_get(block->cache, key);
    if (*ret)
        return 0;
    NV_AUTO(nv_cached) *cached = nv_cached_new(key, (size_t)1 << 30);
    struct nv_scratch *scratch = nv_cache_lend(block->cache);
    int r = cached && scratch ? 0 : -ENOMEM;
    if (r == 0)
        r = make(&(struct loading){block, &scratch->arena, cached, number, section});
    if (scratch)
        nv_cache_give_back(block->cache, scratch);
    nv_block_note_fault(block, r);
    if (r < 0)
        return r;
    nv_cache_put(block->cache, cached);
    *ret = nv_take(cached);
    return 0;
}

static int make_labels(struct loading *l)
{
    const struct nv_page_place *place = &l->block->footer.pages[l->number];
    struct nv_label_page *page = nv_arena_alloc(&l->into->arena, sizeof(*page));
    struct nv_str raw;

    if (!page)
        return -ENOMEM;
    int r = unpacked_part(l->block, place->labels, l->scratch, &raw);
    if (r == 0)
        r = nv_hash(raw.p, raw.n, 0) == place->hash ? 0 : -EBADMSG;
    if (r == 0)
        r = nv_label_page_decode(raw, l->scratch, &l->into->arena, page);
    l->into->object = page;
    return r;
}

int nv_block_label_page(struct nv_block *block, size_t page, struct nv_cached **ret)
{
    int r = load(block, LABELS, page, 0, make_labels, ret);

    if (r == 0 &&
        ((struct nv_label_page *)(*ret)->object)->n_series != block->footer.pages[page].n) {
        nv_cached_free(*ret);
        r = -EBADMSG;
        nv_block_note_fault(block, r);
    }
    return r;
}

static int make_columns(struct loading *l)
{
    const struct nv_page_place *place = &l->block->footer.pages[l->number];
    struct nv_column_page *page = nv_arena_alloc(&l->into->arena, sizeof(*page));
    struct nv_str raw;

    if (!page)
        return -ENOMEM;
    int r = unpacked_part(l->block, place->columns, l->scratch, &raw);
    if (r == 0)
        r = nv_column_page_decode(raw, &l->block->footer, place, l->block->end, &l->into->arena,
                                  page);
    l->into->object = page;
    return r;
}

int nv_block_column_page(struct nv_block *block, size_t page, struct nv_cached **ret)
{
    return load(block, COLUMNS, page, 0, make_columns, ret);
}

static int make_values(struct loading *l)
{
    struct nv_values_page *page = nv_arena_alloc(&l->into->arena, sizeof(*page));
    struct nv_str raw;

    if (!page)
        return -ENOMEM;
    int r = unpacked_part(l->block, l->block->footer.values[l->number].part, l->scratch, &raw);
    if (r == 0)
        r = nv_values_page_decode(raw, l->block->footer.n_pages, &l->into->arena, page);
    l->into->object = page;
    return r;
}

int nv_block_values_page(struct nv_block *block, size_t page, struct nv_cached **ret)
{
    return load(block, VALUES, page, 0, make_values, ret);
}

/* Makes the arena as large as what it is to hold, and no larger. */
static void *exactly(struct nv_cached *cached, size_t n)
{
    cached->arena.max = n + 2 * sizeof(max_align_t);
    return cached->object = nv_arena_alloc(&cached->arena, n);
}

static int make_times(struct loading *l)
{
    const struct nv_group_place *group = &l->block->footer.groups[l->number];
    int64_t *times = exactly(l->into, group->n_rows * sizeof(*times));
    struct nv_str column;

    struct nv_scratch *scratch = nv_cache_lend(l->block->cache);
    int r = times && scratch ? 0 : -ENOMEM;
    if (r == 0)
        r = nv_block_part(l->block, group->times, l->scratch, &column);
    if (r == 0)
        r = nv_codec_decode_times(scratch->codec, column, times, group->n_rows);
    if (scratch) {
        scratch->rows = group->n_rows > scratch->rows ? group->n_rows : scratch->rows;
        nv_cache_give_back(l->block->cache, scratch);
    }
    for (size_t i = 1; r == 0 && i < group->n_rows; i++)
        r = times[i] > times[i - 1] ? 0 : -EBADMSG;
    if (r == 0 && (times[0] != group->from_ms || times[group->n_rows - 1] != group->to_ms))
        r = -EBADMSG;
    return r;
}

int nv_block_times(struct nv_block *block, uint32_t group, struct nv_cached **ret)
{
    return load(block, TIMES, group, 0, make_times, ret);
}

/* A set as bits; NULL where it has all rows. */
static int decode_set(struct nv_str set, size_t n_rows, struct nv_arena *arena, uint64_t **ret)
{
    uint64_t *bits = nv_arena_alloc(arena, nv_words(n_rows) * sizeof(*bits));

    if (!bits)
        return -ENOMEM;
    int r = nv_codec_decode_set(&set, bits, n_rows);
    if (r < 0 || set.n)
        return r < 0 ? r : -EBADMSG;
    *ret = nv_bits_count(bits, n_rows) < n_rows ? bits : NULL;
    return 0;
}

static int make_observed(struct loading *l)
{
    const struct nv_group_place *group = &l->block->footer.groups[l->number];
    struct nv_str sets, set = {NULL, 0};
    uint64_t *bits;

    int r = unpacked_part(l->block, group->observed, l->scratch, &sets);
    for (size_t i = 0; r == 0 && i <= l->section; i++)
        r = nv_get_sized(&sets, &set) ? 0 : -EBADMSG;
    if (r == 0)
        r = decode_set(set, group->n_rows, l->scratch, &bits);
    if (r < 0 || !bits)
        return r;
    uint64_t *kept = exactly(l->into, nv_words(group->n_rows) * sizeof(*kept));
    if (!kept)
        return -ENOMEM;
    memcpy(kept, bits, nv_words(group->n_rows) * sizeof(*kept));
    return 0;
}

int nv_block_sets(struct nv_block *block, uint32_t group, struct nv_arena *arena,
                  const uint64_t **ret, uint32_t *ret_n)
{
    const struct nv_group_place *place = &block->footer.groups[group];
    struct nv_str sets, set, last = {NULL, 0};
    uint64_t *bits = NULL;
    uint32_t i = 0;

    int r = unpacked_part(block, place->observed, arena, &sets);
    for (; r == 0 && i < place->n_sections; i++) {
        r = nv_get_sized(&sets, &set) ? 0 : -EBADMSG;
        if (r == 0 && (i == 0 || !nv_str_eq(set, last)))
            r = decode_set(set, place->n_rows, arena, &bits);
        if (r < 0)
            break;
        last = set;
        ret[i] = bits;
    }
    *ret_n = i;
    return r < 0 ? r : sets.n ? -EBADMSG : 0;
}

int nv_block_observed(struct nv_block *block, uint32_t group, uint32_t section,
                      struct nv_cached **ret)
{
    return load(block, OBSERVED, group, section, make_observed, ret);
}

size_t nv_block_page_of(const struct nv_block *block, uint32_t series)
{
    size_t low = 0, high = block->footer.n_pages;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (block->footer.pages[middle].first <= series)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int read_header(struct nv_block *block)
{
    char header[NV_BLOCK_HEADER];

    int r = read_at(block, 0, header, sizeof(header));
    if (r < 0)
        return r;
    if (memcmp(header, NV_BLOCK_MAGIC, 8) != 0 ||
        nv_crc32c(0, header, 12) != nv_load_u32(header + 12))
        return -EBADMSG;
    return nv_load_u32(header + 8) == NV_BLOCK_VERSION ? 0 : -EPROTONOSUPPORT;
}

static int read_footer(struct nv_block *block, uint64_t size)
{
    char trailer[NV_BLOCK_TRAILER];

    if (size < NV_BLOCK_HEADER + NV_BLOCK_TRAILER)
        return -EBADMSG;
    int r = read_at(block, size - sizeof(trailer), trailer, sizeof(trailer));
    if (r < 0)
        return r;
    uint32_t n = nv_load_u32(trailer + 8);
    block->end = nv_load_u64(trailer);
    if (nv_crc32c(0, trailer, 16) != nv_load_u32(trailer + 16) || n > NV_FOOTER_MAX ||
        block->end > size || size - block->end != (uint64_t)n + NV_BLOCK_TRAILER)
        return -EBADMSG;
    char *footer = nv_arena_alloc(&block->arena, n + 1);
    if (!footer)
        return -ENOMEM;
    r = read_at(block, block->end, footer, n);
    if (r < 0)
        return r;
    if (nv_crc32c(0, footer, n) != nv_load_u32(trailer + 12))
        return -EBADMSG;
    return nv_footer_decode((struct nv_str){footer, n}, block->end, &block->arena, &block->footer);
}

static int open_file(struct nv_block *block, const char *name)
{
    struct nv_fs_stat st;

    int r = block->fs->ops->open_read(block->fs, name);
    if (r < 0)
        return r;
    block->handle = r;
    r = block->fs->ops->stat(block->fs, name, &st);
    if (r == 0)
        r = read_header(block);
    if (r == 0)
        r = read_footer(block, st.size);
    if (r < 0)
        return r;
    block->info = (struct nv_block_info){
        .level = block->footer.level,
        .from_ms = block->footer.from_ms,
        .to_ms = block->footer.to_ms,
        .n_series = block->footer.n_series,
        .n_samples = block->footer.n_samples,
        .n_groups = block->footer.n_groups,
        .bytes = st.size,
    };
    snprintf(block->info.name, sizeof(block->info.name), "%s", name);
    return 0;
}

int nv_block_open(struct nv_fs *fs, struct nv_block_cache *cache, const char *name,
                  struct nv_block **ret)
{
    if (strlen(name) >= NV_BLOCK_NAME_MAX)
        return -ENAMETOOLONG;
    struct nv_block *block = calloc(1, sizeof(*block));
    if (!block)
        return -ENOMEM;
    *block = (struct nv_block){.refs = 1, .fs = fs, .cache = cache, .handle = -1};
    block->id = __atomic_add_fetch(&next_id, 1, __ATOMIC_RELAXED);
    block->arena = NV_ARENA((size_t)1 << 30);
    pthread_mutex_init(&block->mutex, NULL);
    pthread_mutex_init(&block->deleting, NULL);
    int r = open_file(block, name);
    if (r == 0)
        r = nv_marks_read(fs, name, block->footer.n_series, &block->marks);
    if (r < 0) {
        nv_block_unref(block);
        return r;
    }
    *ret = block;
    return 0;
}

struct nv_block *nv_block_ref(struct nv_block *block)
{
    __atomic_add_fetch(&block->refs, 1, __ATOMIC_RELAXED);
    return block;
}

void nv_block_unref(struct nv_block *block)
{
    if (!block || __atomic_sub_fetch(&block->refs, 1, __ATOMIC_ACQ_REL))
        return;
    if (block->handle >= 0)
        block->fs->ops->close(block->fs, block->handle);
    pthread_mutex_destroy(&block->mutex);
    pthread_mutex_destroy(&block->deleting);
    nv_arena_done(&block->arena);
    free(block->marks);
    free(block);
}

uint32_t nv_block_mark_of(const char *name)
{
    size_t n = strlen(name), suffix = strlen(NV_BLOCK_SUFFIX);

    return n < suffix + 8 ? 0 : (uint32_t)strtoul(name + n - suffix - 8, NULL, 16);
}

bool nv_block_is_made_of(const struct nv_block *block, const struct nv_block *other)
{
    uint32_t mark = nv_block_mark_of(other->info.name);

    for (size_t i = 0; block != other && i < block->footer.n_made_of; i++)
        if (block->footer.made_of[i] == mark)
            return true;
    return false;
}

uint64_t nv_block_faults(const struct nv_block *block)
{
    return __atomic_load_n(&block->faults, __ATOMIC_RELAXED);
}

const struct nv_block_info *nv_block_info(const struct nv_block *block)
{
    return &block->info;
}
