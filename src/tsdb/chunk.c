/*
 * Rows lie in slabs, several small ones or one wide one in each.
 */
#include "tsdb/chunk.h"

#include <sys/mman.h>

#include "base/assert.h"
#include "tsdb/codec.h"

enum { HISTOGRAM_BYTES_MAX = 1 << 30, SLAB_BYTES = 64 << 10, SLAB_MAPPED = 128 << 10 };

struct nv_slab {
    struct nv_slab *before;
    size_t bytes, used;
    bool mapped;
};

/* ---- rows ----------------------------------------------------------------------------------- */

static struct nv_slab *slab_new(size_t bytes)
{
    bool mapped = bytes >= SLAB_MAPPED;
    void *p = mapped ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                     : malloc(bytes);

    if (!p || p == MAP_FAILED)
        return NULL;
    struct nv_slab *slab = p;
    *slab = (struct nv_slab){.bytes = bytes, .used = sizeof(*slab), .mapped = mapped};
    return slab;
}

static void slab_free(struct nv_slab *slab)
{
    if (slab->mapped)
        munmap(slab, slab->bytes);
    else
        free(slab);
}

/*
 * Memory for a row; NULL when there is none. A slab has room for a few rows of that size, or is of one that is large, which
 * then lies behind the slab that smaller ones go to. It goes back to the system when the rows are sealed.
 */
static char *take_room(struct nv_chunk *chunk, size_t row_bytes)
{
    size_t left = NV_CHUNK_ROWS - chunk->n_rows, n = SLAB_BYTES / row_bytes;
    struct nv_slab *slab = chunk->slab, **place = &chunk->slab;

    if (!slab || slab->bytes - slab->used < row_bytes) {
        n = n > left ? left : n < 1 ? 1 : n;
        if (slab && n == 1)
            place = &slab->before;
        slab = slab_new(sizeof(*slab) + n * row_bytes);
        if (!slab)
            return NULL;
        slab->before = *place;
        *place = slab;
        __atomic_store_n(&chunk->bytes, chunk->bytes + slab->bytes, __ATOMIC_RELAXED);
    }
    slab->used += row_bytes;
    return (char *)slab + slab->used - row_bytes;
}

static size_t words(size_t bits)
{
    return bits / 64 + 1;
}

/* ---- the draft ------------------------------------------------------------------------------ */

void nv_chunk_draft_done(struct nv_chunk_draft *draft)
{
    free(draft->row.observed);
    free(draft->row.present);
    free(draft->row.values);
    free(draft->histograms);
    free(draft->last);
    free(draft->stored);
    free(draft->changed);
    *draft = (struct nv_chunk_draft){0};
}

/* What the chunk has stays known: there may be more columns at any of its rows. */
static bool grow_last(struct nv_chunk_draft *draft, size_t room, size_t known)
{
    if (!nv_resize((void **)&draft->last, room * sizeof(*draft->last)) ||
        !nv_resize((void **)&draft->stored, words(room) * sizeof(*draft->stored)) ||
        !nv_resize((void **)&draft->changed, words(room) * sizeof(*draft->changed)))
        return false;
    memset(draft->stored + known, 0, (words(room) - known) * sizeof(*draft->stored));
    return true;
}

static bool draft_columns(struct nv_chunk_draft *draft, size_t n, bool histograms)
{
    struct nv_chunk_row *row = &draft->row;

    if (n > draft->room_columns || !draft->room_columns) {
        size_t room = n + n / 8 + 64, known = draft->room_columns ? words(draft->room_columns) : 0;
        free(row->present);
        free(row->values);
        free(draft->histograms);
        draft->histograms = NULL;
        row->present = malloc(words(room) * sizeof(*row->present));
        row->values = malloc(room * sizeof(*row->values));
        draft->room_columns = 0; /* what the chunk has is forgotten then, and comes once more */
        if (!row->present || !row->values || !grow_last(draft, room, known))
            return false;
        draft->room_columns = room;
    }
    if (histograms && !draft->histograms)
        draft->histograms = calloc(draft->room_columns, sizeof(*draft->histograms));
    return !histograms || draft->histograms;
}

static bool draft_sections(struct nv_chunk_draft *draft, size_t n)
{
    if (n <= draft->room_sections && draft->row.observed)
        return true;
    free(draft->row.observed);
    draft->row.observed = malloc(words(n) * sizeof(uint64_t));
    draft->room_sections = n;
    return draft->row.observed;
}

struct nv_chunk_row *nv_chunk_draft(struct nv_chunk_draft *draft, int64_t time_ms, size_t n_columns,
                                    size_t n_sections, bool histograms)
{
    struct nv_chunk_row *row = &draft->row;

    if (row->histograms)
        memset(row->histograms, 0, row->width * sizeof(*row->histograms));
    row->histograms = NULL;
    if (!draft_columns(draft, n_columns, histograms) || !draft_sections(draft, n_sections))
        return NULL;
    row->time_ms = time_ms;
    row->width = (uint32_t)n_columns;
    row->sections = (uint32_t)n_sections;
    row->histograms = histograms ? draft->histograms : NULL;
    memset(row->observed, 0, words(n_sections) * sizeof(uint64_t));
    memset(row->present, 0, words(n_columns) * sizeof(uint64_t));
    return row;
}

/* ---- keeping -------------------------------------------------------------------------------- */

/* Of a word of columns those whose value is not what the chunk has last; also NaN of another kind is another value. */
static uint64_t changed_in(const struct nv_chunk_draft *draft, size_t w)
{
    const double *values = &draft->row.values[w * 64], *last = &draft->last[w * 64];
    uint64_t present = draft->row.present[w], known = present & draft->stored[w], same = 0;

    if (known == UINT64_MAX) {
        for (unsigned i = 0; i < 64; i++)
            same |= (uint64_t)(nv_bits_of(values[i]) == nv_bits_of(last[i])) << i;
        return ~same;
    }
    for (; known; known &= known - 1) {
        unsigned i = (unsigned)__builtin_ctzll(known);
        same |= (uint64_t)(nv_bits_of(values[i]) == nv_bits_of(last[i])) << i;
    }
    return present & ~same;
}

/* What the row changes, how many values that are, and how many histograms it has. */
static void compare(struct nv_chunk_draft *draft, size_t *ret_values, size_t *ret_histograms)
{
    const struct nv_chunk_row *row = &draft->row;

    *ret_values = *ret_histograms = 0;
    for (size_t w = 0; w < words(row->width); w++) {
        draft->changed[w] = changed_in(draft, w);
        *ret_values += (size_t)__builtin_popcountll(draft->changed[w]);
        for (uint64_t bits = row->histograms ? row->present[w] : 0; bits; bits &= bits - 1)
            *ret_histograms += row->histograms[w * 64 + (size_t)__builtin_ctzll(bits)] != NULL;
    }
}

static size_t whole_words(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

/* The changed values of a word of columns, which are the last ones then; a whole one at once, as rows of other sources are. */
static uint32_t pack_values(struct nv_chunk_draft *draft, uint32_t w, double *values)
{
    const double *from = &draft->row.values[w * 64];
    uint64_t changed = draft->changed[w];
    uint32_t n = 0;

    draft->stored[w] |= changed;
    if (changed == UINT64_MAX) {
        memcpy(&draft->last[w * 64], from, 64 * sizeof(*values));
        memcpy(values, from, 64 * sizeof(*values));
        return 64;
    }
    for (; changed; changed &= changed - 1) {
        unsigned i = (unsigned)__builtin_ctzll(changed);
        values[n++] = draft->last[w * 64 + i] = from[i];
    }
    return n;
}

static uint32_t pack_histograms(const struct nv_chunk_row *row, struct nv_chunk_histogram *ret)
{
    uint32_t n = 0;

    for (uint32_t w = 0; row->histograms && w < words(row->width); w++) {
        for (uint64_t bits = row->present[w]; bits; bits &= bits - 1) {
            uint32_t c = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (row->histograms[c])
                ret[n++] = (struct nv_chunk_histogram){c, row->histograms[c]};
        }
    }
    return n;
}

/* In the order of size, so that all lie well: histograms, values, bits, counts. */
static void pack(struct nv_chunk_draft *draft, size_t n_histograms, size_t n_values, char *p,
                 struct nv_chunk_kept *ret)
{
    const struct nv_chunk_row *row = &draft->row;
    struct nv_chunk_histogram *histograms = (struct nv_chunk_histogram *)p;
    double *values = (double *)(histograms + n_histograms);
    uint64_t *observed = (uint64_t *)(values + n_values);
    uint64_t *present = observed + words(row->sections);
    uint64_t *changed = present + words(row->width);
    uint32_t *before = (uint32_t *)(changed + words(row->width)), n = 0;

    memcpy(observed, row->observed, words(row->sections) * sizeof(*observed));
    memcpy(present, row->present, words(row->width) * sizeof(*present));
    memcpy(changed, draft->changed, words(row->width) * sizeof(*changed));
    for (uint32_t w = 0; w < words(row->width); w++) {
        before[w] = n;
        n += pack_values(draft, w, values + n);
    }
    *ret = (struct nv_chunk_kept){
        .width = row->width,
        .sections = row->sections,
        .n_histograms = pack_histograms(row, histograms),
        .observed = observed,
        .present = present,
        .changed = changed,
        .values = values,
        .before = before,
        .histograms = histograms,
    };
}

int nv_chunk_publish(struct nv_chunk *chunk, struct nv_chunk_draft *draft)
{
    const struct nv_chunk_row *row = &draft->row;
    size_t n_values, n_histograms;

    nv_assert(chunk->n_rows < NV_CHUNK_ROWS);
    if (chunk->n_rows == 0)
        memset(draft->stored, 0, words(draft->room_columns) * sizeof(*draft->stored));
    compare(draft, &n_values, &n_histograms);
    size_t bytes = n_histograms * sizeof(struct nv_chunk_histogram) + n_values * sizeof(double) +
                   (words(row->sections) + 2 * words(row->width)) * sizeof(uint64_t) +
                   whole_words(words(row->width) * sizeof(uint32_t));
    char *p = take_room(chunk, bytes);

    if (!p)
        return -ENOMEM;
    pack(draft, n_histograms, n_values, p, &chunk->at[chunk->n_rows]);
    chunk->times[chunk->n_rows] = row->time_ms;
    __atomic_store_n(&chunk->n_rows, chunk->n_rows + 1, __ATOMIC_RELEASE);
    return 0;
}

bool nv_chunk_is_full(const struct nv_chunk *chunk)
{
    return chunk->n_rows == NV_CHUNK_ROWS ||
           (chunk->n_rows >= NV_CHUNK_ROWS_LEAST && chunk->bytes >= NV_CHUNK_BYTES);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_chunk *nv_chunk_new(struct nv_columns *columns)
{
    struct nv_chunk *chunk = malloc(sizeof(*chunk));

    if (!chunk)
        return NULL;
    chunk->refs = 1;
    chunk->columns = nv_columns_ref(columns);
    chunk->n_rows = 0;
    chunk->segment = 0;
    chunk->slab = NULL;
    chunk->bytes = 0;
    chunk->memory = NV_ARENA(HISTOGRAM_BYTES_MAX);
    return chunk;
}

struct nv_chunk *nv_chunk_ref(struct nv_chunk *chunk)
{
    __atomic_add_fetch(&chunk->refs, 1, __ATOMIC_RELAXED);
    return chunk;
}

void nv_chunk_unref(struct nv_chunk *chunk)
{
    if (!chunk || __atomic_sub_fetch(&chunk->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_columns_unref(chunk->columns);
    while (chunk->slab) {
        struct nv_slab *slab = chunk->slab;
        chunk->slab = slab->before;
        slab_free(slab);
    }
    nv_arena_done(&chunk->memory);
    free(chunk);
}

size_t nv_chunk_memory(const struct nv_chunk *chunk)
{
    return sizeof(*chunk) + __atomic_load_n(&chunk->bytes, __ATOMIC_RELAXED);
}

/* ---- histograms ----------------------------------------------------------------------------- */

static bool copy_part(struct nv_arena *arena, const void **part, size_t size)
{
    if (!size)
        return true;
    void *copy = nv_arena_alloc(arena, size);
    if (copy)
        *part = memcpy(copy, *part, size);
    return copy;
}

const struct nv_histogram *nv_histogram_copy(struct nv_arena *arena,
                                             const struct nv_histogram *histogram)
{
    struct nv_histogram *h = nv_arena_alloc(arena, sizeof(*h));

    if (!h)
        return NULL;
    *h = *histogram;
    if (!copy_part(arena, (const void **)&h->positive_spans,
                   h->n_positive_spans * sizeof(struct nv_span)) ||
        !copy_part(arena, (const void **)&h->negative_spans,
                   h->n_negative_spans * sizeof(struct nv_span)) ||
        !copy_part(arena, (const void **)&h->positive, h->n_positive * sizeof(double)) ||
        !copy_part(arena, (const void **)&h->negative, h->n_negative * sizeof(double)) ||
        !copy_part(arena, (const void **)&h->custom_values, h->n_custom * sizeof(double)))
        return NULL;
    return h;
}

/* ---- strips --------------------------------------------------------------------------------- */

static const struct nv_histogram *find_histogram(const struct nv_chunk_kept *row, uint32_t column)
{
    size_t first = 0, n = row->n_histograms;

    while (n > 0) {
        const struct nv_chunk_histogram *middle = &row->histograms[first + n / 2];
        if (middle->column == column)
            return middle->histogram;
        if (middle->column < column) {
            first += n / 2 + 1;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    }
    return NULL;
}

void nv_chunk_strip(const struct nv_chunk *chunk, uint32_t n_rows, uint32_t column,
                    uint32_t section, struct nv_strip *ret)
{
    uint32_t word = column / 64;
    uint64_t in_front = (UINT64_C(1) << column % 64) - 1;
    double last = NAN;

    ret->n_rows = n_rows;
    ret->present = ret->observed = ret->native = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        const struct nv_chunk_kept *row = &chunk->at[i];
        uint64_t bit = UINT64_C(1) << i;
        if (section < row->sections && nv_bit(row->observed, section))
            ret->observed |= bit;
        if (column >= row->width || !nv_bit(row->present, column))
            continue;
        if (nv_bit(row->changed, column))
            last = row->values[row->before[word] +
                               (uint32_t)__builtin_popcountll(row->changed[word] & in_front)];
        ret->present |= bit;
        ret->values[i] = last;
        ret->histograms[i] = find_histogram(row, column);
        ret->native |= ret->histograms[i] ? bit : 0;
    }
}
