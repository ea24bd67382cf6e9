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
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        const struct nv_chunk_kept *row = &chunk->at[i];
        for (uint32_t section = 0; section < row->sections; section++)
            observed[section] |= (uint64_t)nv_bit(row->observed, section) << i;
    }
}

/* All parts in one piece of memory. */
static struct nv_page *assemble(const struct nv_chunk *chunk, uint32_t n_columns,
                                const uint32_t *starts, struct nv_str times, struct nv_str data)
{
    const struct nv_chunk_kept *last = &chunk->at[chunk->n_rows - 1];
    uint32_t n_sections = last->sections, n_starts = (n_columns + JUMP - 1) / JUMP;
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
    uint32_t n_columns = chunk->at[chunk->n_rows - 1].width;
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
