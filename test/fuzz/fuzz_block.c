/*
 * fuzz_block.c - blocks of any bytes, and their parts, are refused or read; what a page of labels says survives being
 * written again. The first byte tells what the rest is:
 *
 *   B          a file
 *   E          a good file with bytes changed (16 bits of offset, 8 of change, and so on), its checksums made to fit
 *   F L C V M  a footer, a page of labels, of columns, of label values, a file of marks
 */
#include "support/memory_fs.h"
#include "tsdb/block_parts.h"

enum { ROWS = 70, GOOD_SERIES = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a good block --------------------------------------------------------------------------- */

static void add(struct nv_block_writer *writer, const char *name, uint32_t section,
                const uint64_t *present, const double *values)
{
    struct nv_label label = {NV_LIT("__name__"), nv_str(name)};

    int r = nv_block_add_series(writer, 0, section, &label, 1, present, values, NULL);
    nv_assert(r == 0);
}

static void write_good(struct nv_fs *fs, char name[NV_BLOCK_NAME_MAX])
{
    int64_t times[ROWS];
    double values[3][ROWS];
    uint64_t odd[2] = {0x5555555555555555, 0x15}, some[2] = {0x5000000000000005, 0x15};
    const uint64_t *observed[2] = {NULL, odd};
    struct nv_block_writer *made;

    for (int i = 0; i < ROWS; i++) {
        times[i] = i * 1000 + i % 2;
        values[0][i] = i * 7919 % 104729;
        values[1][i] = 2 * values[0][i];
        values[2][i] = 5;
    }
    int r = nv_block_writer_new(fs, &made);
    nv_assert(r == 0);
    NV_AUTO(nv_block_writer) *writer = made;
    r = nv_block_add_group(writer, times, ROWS, observed, 2);
    nv_assert(r == 0);
    add(writer, "a", 0, NULL, values[0]);
    add(writer, "b", 0, NULL, values[1]);
    add(writer, "c", 1, some, values[0]);
    add(writer, "d", 1, NULL, values[2]);
    struct nv_samples own = {.times = times, .values = values[0], .n = ROWS};
    struct nv_label label = {NV_LIT("__name__"), NV_LIT("e")};
    r = nv_block_add_sparse(writer, &label, 1, &own);
    nv_assert(r == 0);
    r = nv_block_commit(writer, 1, name);
    nv_assert(r == 0);
}

static void store_u32(unsigned char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (8 * i));
}

static void mend(unsigned char *bytes, struct nv_part part)
{
    store_u32(bytes + part.offset + part.n, nv_crc32c(0, bytes + part.offset, part.n));
}

/* Makes all checksums fit, of the parts where a good block has them. */
static void mend_all(unsigned char *bytes, size_t n, struct nv_block *good)
{
    const struct nv_footer *footer = &good->footer;
    struct nv_cached *held;

    store_u32(bytes + 12, nv_crc32c(0, bytes, 12));
    mend(bytes, footer->groups[0].times);
    mend(bytes, footer->groups[0].observed);
    mend(bytes, footer->pages[0].labels);
    mend(bytes, footer->pages[0].columns);
    int r = nv_block_column_page(good, 0, &held);
    nv_assert(r == 0);
    const struct nv_column_page *page = held->object;
    for (uint32_t i = 0; i < page->n; i++)
        if (!(page->at[i].flags & NV_COLUMN_INLINE))
            mend(bytes, (struct nv_part){page->at[i].offset, page->at[i].length});
    nv_cached_free(held);
    unsigned char *trailer = bytes + n - NV_BLOCK_TRAILER;
    store_u32(trailer + 12, nv_crc32c(0, bytes + good->end, n - NV_BLOCK_TRAILER - good->end));
    store_u32(trailer + 16, nv_crc32c(0, trailer, 16));
}

/* ---- whole files ---------------------------------------------------------------------------- */

static void read_all(struct nv_block *block, bool must)
{
    struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_samples samples = {0};
    const struct nv_label *labels;
    struct nv_str *texts;
    uint32_t *found;
    size_t n;

    for (uint32_t i = 0; i < nv_block_info(block)->n_series && i < 1000; i++) {
        nv_samples_reset(&samples);
        nv_arena_reset(&arena);
        int r = nv_block_read(block, i, INT64_MIN, INT64_MAX, &samples);
        nv_assert(r == 0 || !must);
        for (size_t k = 1; k < samples.n; k++)
            nv_assert(samples.times[k] > samples.times[k - 1]);
        r = nv_block_labels(block, i, &arena, &labels, &n);
        nv_assert(r == 0 || !must);
    }
    int r = nv_block_select(block, NULL, 0, &arena, &found, &n);
    nv_assert(r == 0 && n <= nv_block_info(block)->n_series);
    r = nv_block_label_names(block, &arena, &texts, &n);
    nv_assert(r == 0);
    nv_samples_done(&samples);
    nv_arena_done(&arena);
}

static void try_file(struct nv_fs *fs, const char *name)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    struct nv_block *block;

    int faults = nv_block_verify(fs, name, &out);
    nv_assert(faults >= 0 && (faults > 0) == (out.n > 0));
    int r = nv_block_open(fs, NULL, name, &block);
    nv_assert(r == 0 || faults);
    if (r < 0)
        return;
    read_all(block, !faults);
    nv_block_unref(block);
}

static void try_edits(const uint8_t *data, size_t size)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    char name[NV_BLOCK_NAME_MAX];
    struct nv_block *good;
    size_t n;

    write_good(fs, name);
    int r = nv_block_open(fs, NULL, name, &good);
    nv_assert(r == 0);
    const unsigned char *original = nv_memory_fs_bytes(fs, name, &n);
    unsigned char *bytes NV_AUTO_FREE = malloc(n);
    nv_assert(bytes);
    memcpy(bytes, original, n);
    for (size_t i = 0; i + 3 <= size; i += 3)
        bytes[(data[i] | (size_t)data[i + 1] << 8) % (n - NV_BLOCK_TRAILER)] ^= data[i + 2];
    mend_all(bytes, n, good);
    nv_block_unref(good);
    nv_memory_fs_put(fs, "edited.nvb", bytes, n);
    try_file(fs, "edited.nvb");
}

static void try_bytes(const uint8_t *data, size_t size)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();

    nv_memory_fs_put(fs, "bytes.nvb", data, size);
    try_file(fs, "bytes.nvb");
}

static void try_marks(const uint8_t *data, size_t size)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct nv_marks *marks;

    nv_memory_fs_put(fs, "x" NV_BLOCK_MARKS, data, size);
    if (nv_marks_read(fs, "x", 100, &marks) == 0)
        free(marks);
}

/* ---- parts ---------------------------------------------------------------------------------- */

static void write_again(const struct nv_label_page *page, struct nv_arena *arena)
{
    NV_AUTO_BUF out = NV_BUF(NV_PAGE_BYTES_MAX);
    struct nv_label_set *sets = nv_arena_alloc(arena, (page->n_series + 1) * sizeof(*sets));
    struct nv_label_page again;

    for (uint32_t i = 0; sets && i < page->n_series; i++) {
        sets[i].n = nv_label_page_n(page, i);
        struct nv_label *labels = nv_arena_alloc(arena, sets[i].n * sizeof(*labels) + 1);
        if (!labels)
            return;
        nv_label_page_set(page, i, labels);
        sets[i].at = labels;
    }
    if (!sets || nv_label_page_encode(sets, page->n_series, arena, &out) < 0)
        return;
    int r = nv_label_page_decode(nv_buf_view(&out), arena, arena, &again);
    nv_assert(r == 0 || r == -ENOMEM);
    for (uint32_t i = 0; r == 0 && i < page->n_series; i++) {
        struct nv_label *labels = nv_arena_alloc(arena, sets[i].n * sizeof(*labels) + 1);
        if (!labels)
            return;
        nv_assert(nv_label_page_set(&again, i, labels) == sets[i].n);
        nv_assert(nv_labels_compare(labels, sets[i].n, sets[i].at, sets[i].n) == 0);
    }
}

static void try_part(char kind, struct nv_str in)
{
    struct nv_arena arena = NV_ARENA(32 << 20), scratch = NV_ARENA(32 << 20);
    struct nv_group_place groups[2] = {
        {.n_rows = 10, .n_sections = 3},
        {.n_rows = 5           }
    };
    struct nv_footer footer = {.n_series = 300, .groups = groups, .n_groups = 2};
    struct nv_page_place place = {.first = 100, .n = 7};
    struct nv_label_page labels;
    struct nv_column_page columns;
    struct nv_values_page values;
    int r = 0;

    if (kind == 'F')
        r = nv_footer_decode(in, 100000, &arena, &footer);
    else if (kind == 'C')
        r = nv_column_page_decode(in, &footer, &place, 100000, &arena, &columns);
    else if (kind == 'V')
        r = nv_values_page_decode(in, 1000, &arena, &values);
    else
        r = nv_label_page_decode(in, &scratch, &arena, &labels);
    if (r == 0 && kind == 'L')
        write_again(&labels, &arena);
    nv_arena_done(&arena);
    nv_arena_done(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] == 'B')
        try_bytes(data + 1, size - 1);
    else if (data[0] == 'E')
        try_edits(data + 1, size - 1);
    else if (data[0] == 'M')
        try_marks(data + 1, size - 1);
    else if (memchr("FLCV", data[0], 4))
        try_part((char)data[0], (struct nv_str){(const char *)data + 1, size - 1});
    return 0;
}
