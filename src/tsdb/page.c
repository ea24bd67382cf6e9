/*
 * A sealed column, by its number, in `data`:
 *
 *   uvarint length of what follows; 0: absent in all rows
 *   flags   1 not present in all rows in which its section was observed: a word of presence follows
 *           2 some values are histograms: a word of those rows follows, then the uvarint length of the doubles' column
 *   doubles' column (codec.h), histograms' column; each missing where there are none
 */
#include "tsdb/page.h"

#include "base/assert.h"

enum { PARTIAL = 1, NATIVE = 2, JUMP = 16, PAGE_BYTES_MAX = 1 << 30 };

/* ---- columns -------------------------------------------------------------------------------- */

struct nv_columns *nv_columns_new(struct nv_series_table *table, uint64_t number)
{
    struct nv_columns *columns = calloc(1, sizeof(*columns));

    if (columns)
        *columns = (struct nv_columns){.refs = 1, .table = table, .number = number};
    return columns;
}

struct nv_columns *nv_columns_ref(struct nv_columns *columns)
{
    __atomic_add_fetch(&columns->refs, 1, __ATOMIC_RELAXED);
    return columns;
}

/* All series at once, for the table is locked only so long. */
static void let_go(struct nv_columns *columns)
{
    struct nv_head_series **series = nv_must(malloc((columns->n + 1) * sizeof(*series)));

    for (uint32_t i = 0; i < columns->n; i++)
        series[i] = columns->at[i].series;
    nv_series_drop_places(columns->table, series, columns->n, columns);
    nv_series_unref(columns->table, series, columns->n);
    free(series);
}

void nv_columns_unref(struct nv_columns *columns)
{
    if (!columns || __atomic_sub_fetch(&columns->refs, 1, __ATOMIC_ACQ_REL))
        return;
    if (columns->n)
        let_go(columns);
    for (uint32_t i = 0; i < columns->n_outgrown; i++)
        free(columns->outgrown[i]);
    free(columns->outgrown);
    free(columns->at);
    free(columns);
}

/* A larger copy; readers may still be in the old one, which stays until all is freed. */
static int widen(struct nv_columns *columns)
{
    uint32_t room = columns->room ? columns->room * 2 : 256;
    struct nv_column *at = malloc(room * sizeof(*at));
    struct nv_column **outgrown =
        realloc(columns->outgrown, (columns->n_outgrown + 1) * sizeof(*outgrown));

    if (outgrown)
        columns->outgrown = outgrown;
    if (!at || !outgrown) {
        free(at);
        return -ENOMEM;
    }
    if (columns->at) {
        memcpy(at, columns->at, columns->n * sizeof(*at));
        columns->outgrown[columns->n_outgrown++] = columns->at;
    }
    __atomic_store_n(&columns->at, at, __ATOMIC_RELEASE);
    columns->room = room;
    return 0;
}

int nv_columns_add(struct nv_columns *columns, struct nv_head_series *series, uint32_t section,
                   bool orphan)
{
    int r = columns->n == columns->room ? widen(columns) : 0;

    if (r == 0)
        r = nv_series_add_place(columns->table, series,
                                (struct nv_place){columns, columns->n, section});
    if (r < 0) {
        nv_series_unref(columns->table, &series, 1);
        return r;
    }
    columns->at[columns->n++] = (struct nv_column){series, section, orphan};
    return 0;
}

/* ---- chunks --------------------------------------------------------------------------------- */

struct nv_chunk *nv_chunk_new(struct nv_columns *columns, size_t n_columns, size_t n_sections)
{
    struct nv_chunk *chunk = calloc(1, sizeof(*chunk));
    size_t stride = (n_columns + n_columns / 16 + 63) / 64 * 64 + 64;
    size_t words = n_sections / 64 + 1;

    if (!chunk)
        return NULL;
    *chunk = (struct nv_chunk){.refs = 1,
                               .columns = nv_columns_ref(columns),
                               .stride = (uint32_t)stride,
                               .section_words = (uint32_t)words,
                               .observed = calloc(NV_CHUNK_ROWS * words, sizeof(uint64_t)),
                               .present = calloc(NV_CHUNK_ROWS * stride / 64, sizeof(uint64_t)),
                               .values = malloc(NV_CHUNK_ROWS * stride * sizeof(double)),
                               .memory = NV_ARENA(PAGE_BYTES_MAX)};
    if (!chunk->observed || !chunk->present || !chunk->values) {
        nv_chunk_unref(chunk);
        return NULL;
    }
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
    free(chunk->observed);
    free(chunk->present);
    free(chunk->values);
    free(chunk->histograms);
    nv_arena_done(&chunk->memory);
    free(chunk);
}

size_t nv_chunk_memory(const struct nv_chunk *chunk)
{
    return sizeof(*chunk) + NV_CHUNK_ROWS * ((size_t)chunk->stride * 8 + chunk->stride / 8 +
                                             chunk->section_words * sizeof(uint64_t));
}

static bool copy_histograms(struct nv_chunk *to, const struct nv_chunk *from)
{
    to->histograms = calloc(NV_CHUNK_ROWS * (size_t)to->stride, sizeof(*to->histograms));
    if (!to->histograms)
        return false;
    for (size_t row = 0; row < from->n_rows; row++) {
        for (size_t c = 0; c < from->widths[row]; c++) {
            const struct nv_histogram *h = from->histograms[row * from->stride + c];
            if (!h)
                continue;
            h = nv_histogram_copy(&to->memory, h);
            if (!h)
                return false;
            to->histograms[row * to->stride + c] = h;
        }
    }
    return true;
}

struct nv_chunk *nv_chunk_wider(const struct nv_chunk *from, size_t n_columns, size_t n_sections)
{
    struct nv_chunk *to = nv_chunk_new(
        from->columns, n_columns > from->stride ? n_columns : from->stride, n_sections);

    if (!to)
        return NULL;
    to->segment = from->segment;
    to->n_rows = from->n_rows;
    memcpy(to->times, from->times, sizeof(to->times));
    memcpy(to->widths, from->widths, sizeof(to->widths));
    for (size_t row = 0; row < from->n_rows; row++) {
        memcpy(to->observed + row * to->section_words, from->observed + row * from->section_words,
               from->section_words * sizeof(uint64_t));
        memcpy(to->present + row * to->stride / 64, from->present + row * from->stride / 64,
               from->stride / 64 * sizeof(uint64_t));
        memcpy(to->values + row * to->stride, from->values + row * from->stride,
               from->widths[row] * sizeof(double));
    }
    if (from->histograms && !copy_histograms(to, from)) {
        nv_chunk_unref(to);
        return NULL;
    }
    return to;
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

void nv_chunk_strip(const struct nv_chunk *chunk, uint32_t n_rows, uint32_t column,
                    uint32_t section, struct nv_strip *ret)
{
    const struct nv_histogram **histograms = __atomic_load_n(&chunk->histograms, __ATOMIC_ACQUIRE);

    ret->n_rows = n_rows;
    ret->present = ret->observed = ret->native = 0;
    for (uint32_t row = 0; row < n_rows; row++) {
        uint64_t bit = UINT64_C(1) << row;
        if (section < chunk->section_words * 64 &&
            nv_bit(chunk->observed + row * (size_t)chunk->section_words, section))
            ret->observed |= bit;
        if (column >= chunk->widths[row] ||
            !nv_bit(chunk->present + row * (size_t)chunk->stride / 64, column))
            continue;
        ret->present |= bit;
        ret->values[row] = chunk->values[row * (size_t)chunk->stride + column];
        if (!histograms || !histograms[row * (size_t)chunk->stride + column])
            continue;
        ret->native |= bit;
        ret->histograms[row] = histograms[row * (size_t)chunk->stride + column];
    }
}

/* ---- sealing -------------------------------------------------------------------------------- */

struct sealing {
    struct nv_codec *codec;
    struct nv_buf body, column;
    struct nv_strip strip;
    uint64_t n_samples;
};

static void put_word(struct nv_buf *out, uint64_t word)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(word >> 8 * i);
    nv_buf_add(out, bytes, 8);
}

/* The histograms of a strip, and its doubles, each without gaps. */
static size_t gather_natives(const struct nv_strip *strip,
                             const struct nv_histogram *out[NV_CHUNK_ROWS])
{
    size_t n = 0;

    for (uint32_t row = 0; row < strip->n_rows; row++)
        if (strip->native >> row & 1)
            out[n++] = strip->histograms[row];
    return n;
}

static size_t gather_doubles(const struct nv_strip *strip, double out[NV_CHUNK_ROWS])
{
    uint64_t doubles = strip->present & ~strip->native;
    size_t n = 0;

    for (; doubles; doubles &= doubles - 1)
        out[n++] = strip->values[__builtin_ctzll(doubles)];
    return n;
}

static int seal_native(struct sealing *s)
{
    const struct nv_histogram *histograms[NV_CHUNK_ROWS];
    size_t n = gather_natives(&s->strip, histograms);

    return nv_codec_encode_histograms(s->codec, NV_CODEC_FAST, histograms, n, &s->column);
}

/* The body of one column into s->column. */
static int seal_column(struct sealing *s)
{
    const struct nv_strip *strip = &s->strip;
    double values[NV_CHUNK_ROWS];
    size_t n = gather_doubles(strip, values);
    bool unused;
    int r = 0;

    nv_buf_reset(&s->column);
    if (!strip->present)
        return 0;
    nv_buf_char(&s->column, (char)((strip->present != strip->observed ? PARTIAL : 0) |
                                   (strip->native ? NATIVE : 0)));
    if (strip->present != strip->observed)
        put_word(&s->column, strip->present);
    if (!strip->native)
        return nv_codec_encode(s->codec, NV_CODEC_FAST, values, n, NULL, &unused, &s->column);
    put_word(&s->column, strip->native);
    nv_buf_reset(&s->body);
    if (n)
        r = nv_codec_encode(s->codec, NV_CODEC_FAST, values, n, NULL, &unused, &s->body);
    nv_put_uvarint(&s->column, s->body.n);
    nv_buf_str(&s->column, nv_buf_view(&s->body));
    return r < 0 ? r : seal_native(s);
}

static int seal_columns(struct sealing *s, const struct nv_chunk *chunk, uint32_t n_columns,
                        uint32_t *starts, struct nv_buf *out)
{
    const struct nv_column *columns = nv_columns_at(chunk->columns);

    for (uint32_t c = 0; c < n_columns; c++) {
        if (c % JUMP == 0)
            starts[c / JUMP] = (uint32_t)out->n;
        nv_chunk_strip(chunk, chunk->n_rows, c, columns[c].section, &s->strip);
        int r = seal_column(s);
        if (r < 0)
            return r;
        s->n_samples += (uint64_t)__builtin_popcountll(s->strip.present);
        nv_put_uvarint(out, s->column.n);
        nv_buf_str(out, nv_buf_view(&s->column));
        if (s->column.failed || out->failed)
            return -ENOMEM;
    }
    return 0;
}

/* The rows in which each section was observed, a word each. */
static void gather_observed(const struct nv_chunk *chunk, uint32_t n_sections, uint64_t *observed)
{
    memset(observed, 0, n_sections * sizeof(*observed));
    for (uint32_t row = 0; row < chunk->n_rows; row++) {
        const uint64_t *bits = chunk->observed + row * (size_t)chunk->section_words;
        for (uint32_t section = 0; section < n_sections; section++)
            observed[section] |= (uint64_t)nv_bit(bits, section) << row;
    }
}

/* All parts in one piece of memory. */
static struct nv_page *assemble(const struct nv_chunk *chunk, uint32_t n_columns,
                                const uint32_t *starts, struct nv_str times, struct nv_str data)
{
    uint32_t n_sections = chunk->section_words * 64, n_starts = (n_columns + JUMP - 1) / JUMP;
    size_t bytes = sizeof(struct nv_page) + n_sections * sizeof(uint64_t) +
                   n_starts * sizeof(uint32_t) + times.n + data.n;
    struct nv_page *page = malloc(bytes);

    if (!page)
        return NULL;
    uint64_t *observed = (uint64_t *)(page + 1);
    uint32_t *kept = (uint32_t *)(observed + n_sections);
    char *text = (char *)(kept + n_starts);
    gather_observed(chunk, n_sections, observed);
    if (n_starts)
        memcpy(kept, starts, n_starts * sizeof(*kept));
    memcpy(text, times.p, times.n);
    if (data.n)
        memcpy(text + times.n, data.p, data.n);
    *page = (struct nv_page){
        .refs = 1,
        .columns = nv_columns_ref(chunk->columns),
        .segment = chunk->segment,
        .from_ms = chunk->times[0],
        .to_ms = chunk->times[chunk->n_rows - 1],
        .n_rows = chunk->n_rows,
        .n_columns = n_columns,
        .n_sections = n_sections,
        .bytes = bytes,
        .times = {text, times.n},
        .observed = observed,
        .starts = kept,
        .data = text + times.n,
        .n_data = data.n
    };
    return page;
}

int nv_page_seal(struct nv_codec *codec, const struct nv_chunk *chunk, struct nv_page **ret)
{
    uint32_t n_columns = chunk->widths[chunk->n_rows - 1];
    NV_AUTO_BUF times = NV_BUF(PAGE_BYTES_MAX), data = NV_BUF(PAGE_BYTES_MAX);
    struct sealing s = {codec, NV_BUF(PAGE_BYTES_MAX), NV_BUF(PAGE_BYTES_MAX)};
    NV_AUTO_FREE uint32_t *starts = malloc((n_columns / JUMP + 1) * sizeof(*starts));

    int r = starts
                ? nv_codec_encode_times(codec, NV_CODEC_FAST, chunk->times, chunk->n_rows, &times)
                : -ENOMEM;
    if (r == 0)
        r = seal_columns(&s, chunk, n_columns, starts, &data);
    nv_buf_done(&s.body);
    nv_buf_done(&s.column);
    if (r < 0)
        return r;
    *ret = assemble(chunk, n_columns, starts, nv_buf_view(&times), nv_buf_view(&data));
    if (!*ret)
        return -ENOMEM;
    (*ret)->n_samples = s.n_samples;
    return 0;
}

struct nv_page *nv_page_ref(struct nv_page *page)
{
    __atomic_add_fetch(&page->refs, 1, __ATOMIC_RELAXED);
    return page;
}

void nv_page_unref(struct nv_page *page)
{
    if (!page || __atomic_sub_fetch(&page->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_columns_unref(page->columns);
    free(page);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool get_word(struct nv_str *in, uint64_t *ret)
{
    if (in->n < 8)
        return false;
    *ret = 0;
    for (int i = 0; i < 8; i++)
        *ret |= (uint64_t)(unsigned char)in->p[i] << 8 * i;
    *in = nv_str_from(*in, 8);
    return true;
}

static bool find_column(const struct nv_page *page, uint32_t column, struct nv_str *ret)
{
    uint32_t start = page->starts[column / JUMP];
    struct nv_str in = {page->data + start, page->n_data - start};
    uint64_t size = 0;

    for (uint32_t skip = column % JUMP + 1; skip; skip--) {
        in = nv_str_from(in, size);
        if (!nv_get_uvarint(&in, &size) || size > in.n)
            return false;
    }
    *ret = (struct nv_str){in.p, size};
    return true;
}

static int strip_natives(struct nv_codec *codec, struct nv_str in, struct nv_arena *arena,
                         struct nv_strip *strip)
{
    const struct nv_histogram *histograms[NV_CHUNK_ROWS];
    size_t n = (size_t)__builtin_popcountll(strip->native), i = 0;

    int r = nv_codec_decode_histograms(codec, in, arena, histograms, n);
    for (uint64_t bits = strip->native; r == 0 && bits; bits &= bits - 1) {
        strip->histograms[__builtin_ctzll(bits)] = histograms[i++];
        strip->values[__builtin_ctzll(bits)] = NAN;
    }
    return r;
}

static int strip_doubles(struct nv_codec *codec, struct nv_str in, struct nv_strip *strip)
{
    uint64_t bits = strip->present & ~strip->native;
    double values[NV_CHUNK_ROWS];
    size_t n = (size_t)__builtin_popcountll(bits), i = 0;

    if (!n)
        return 0;
    int r = nv_codec_decode(codec, in, NULL, values, n);
    for (; r == 0 && bits; bits &= bits - 1)
        strip->values[__builtin_ctzll(bits)] = values[i++];
    return r;
}

int nv_page_strip(struct nv_codec *codec, const struct nv_page *page, uint32_t column,
                  uint32_t section, struct nv_arena *arena, struct nv_strip *ret)
{
    struct nv_str in;
    uint64_t size;

    ret->n_rows = page->n_rows;
    ret->observed = section < page->n_sections ? page->observed[section] : 0;
    ret->present = ret->native = 0;
    if (column >= page->n_columns)
        return 0;
    if (!find_column(page, column, &in))
        return -EBADMSG;
    if (!in.n)
        return 0;
    unsigned flags = (unsigned char)in.p[0];
    in = nv_str_from(in, 1);
    ret->present = ret->observed;
    if (((flags & PARTIAL) && !get_word(&in, &ret->present)) ||
        ((flags & NATIVE) && !get_word(&in, &ret->native)))
        return -EBADMSG;
    if (!(flags & NATIVE))
        return strip_doubles(codec, in, ret);
    if (!nv_get_uvarint(&in, &size) || size > in.n)
        return -EBADMSG;
    int r = strip_doubles(codec, (struct nv_str){in.p, size}, ret);
    return r < 0 ? r : strip_natives(codec, nv_str_from(in, size), arena, ret);
}

int nv_page_times(struct nv_codec *codec, const struct nv_page *page, int64_t times[NV_CHUNK_ROWS])
{
    return nv_codec_decode_times(codec, page->times, times, page->n_rows);
}
