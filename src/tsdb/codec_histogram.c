/*
 * codec_histogram.c - native histograms of one series, in runs of rows that share a layout. Per run:
 *
 *   uvarint   rows
 *   byte      bits 0-1 reset hint, bit 2 counts are floats; or 0xff: rows without a histogram, and
 *             nothing more in this run
 *   varint    schema
 *   u64       bits of the zero threshold
 *   twice     positive, then negative spans: uvarint how many; each a varint offset, a uvarint length
 *   uvarint   number of custom bounds; u64 each
 *   columns   count, zero count, sum, each positive bucket, each negative one: uvarint bytes and a
 *             column of doubles (codec.c) of that many, without a base
 */
#include "tsdb/codec_parts.h"

enum {
    NO_HISTOGRAM = 0xff,
    HINT = 3,
    IS_FLOAT = 4,
    SCALARS = 3, /* count, zero count, sum */
    PARTS_MAX = 1 << 14,
};

/* Buckets, or PARTS_MAX + 1 where there are too many. */
static uint32_t n_buckets(const struct nv_span *spans, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n && sum <= PARTS_MAX; i++)
        sum += spans[i].length;
    return sum > PARTS_MAX ? PARTS_MAX + 1 : (uint32_t)sum;
}

static bool is_sound(const struct nv_histogram *h)
{
    return h->n_positive_spans <= PARTS_MAX && h->n_negative_spans <= PARTS_MAX &&
           h->n_custom <= PARTS_MAX && h->n_positive <= PARTS_MAX && h->n_negative <= PARTS_MAX &&
           n_buckets(h->positive_spans, h->n_positive_spans) == h->n_positive &&
           n_buckets(h->negative_spans, h->n_negative_spans) == h->n_negative;
}

static bool same_spans(const struct nv_span *a, uint32_t n_a, const struct nv_span *b, uint32_t n_b)
{
    if (n_a != n_b)
        return false;
    for (uint32_t i = 0; i < n_a; i++) {
        if (a[i].offset != b[i].offset || a[i].length != b[i].length)
            return false;
    }
    return true;
}

static bool same_layout(const struct nv_histogram *a, const struct nv_histogram *b)
{
    if (!a || !b)
        return a == b;
    return a->schema == b->schema && a->reset_hint == b->reset_hint && a->is_float == b->is_float &&
           nv_bits_of(a->zero_threshold) == nv_bits_of(b->zero_threshold) &&
           same_spans(a->positive_spans, a->n_positive_spans, b->positive_spans,
                      b->n_positive_spans) &&
           same_spans(a->negative_spans, a->n_negative_spans, b->negative_spans,
                      b->n_negative_spans) &&
           a->n_custom == b->n_custom &&
           (!a->n_custom || memcmp(a->custom_values, b->custom_values,
                                   a->n_custom * sizeof(*a->custom_values)) == 0);
}

/* The number at one place of a histogram: the scalars, the positive buckets, the negative ones. */
static double part(const struct nv_histogram *h, uint32_t i)
{
    if (i < SCALARS)
        return i == 0 ? h->count : i == 1 ? h->zero_count : h->sum;
    i -= SCALARS;
    return i < h->n_positive ? h->positive[i] : h->negative[i - h->n_positive];
}

static void put_spans(const struct nv_span *spans, uint32_t n, struct nv_buf *out)
{
    nv_put_uvarint(out, n);
    for (uint32_t i = 0; i < n; i++) {
        nv_put_varint(out, spans[i].offset);
        nv_put_uvarint(out, spans[i].length);
    }
}

static void put_layout(const struct nv_histogram *h, struct nv_buf *out)
{
    nv_put_byte(out, (h->reset_hint & HINT) | (h->is_float ? IS_FLOAT : 0));
    nv_put_varint(out, h->schema);
    nv_put_u64(out, nv_bits_of(h->zero_threshold));
    put_spans(h->positive_spans, h->n_positive_spans, out);
    put_spans(h->negative_spans, h->n_negative_spans, out);
    nv_put_uvarint(out, h->n_custom);
    for (uint32_t i = 0; i < h->n_custom; i++)
        nv_put_u64(out, nv_bits_of(h->custom_values[i]));
}

static int put_run(struct nv_codec *codec, enum nv_codec_effort effort,
                   const struct nv_histogram *const *h, size_t n, struct nv_buf *out)
{
    nv_put_uvarint(out, n);
    if (!h[0]) {
        nv_put_byte(out, NO_HISTOGRAM);
        return 0;
    }
    put_layout(h[0], out);
    NV_AUTO_BUF column = NV_BUF(NV_COLUMN_MAX);
    for (uint32_t at = 0; at < SCALARS + h[0]->n_positive + h[0]->n_negative; at++) {
        for (size_t i = 0; i < n; i++)
            codec->doubles[i] = part(h[i], at);
        nv_buf_reset(&column);
        int r = nv_codec_encode(codec, effort, codec->doubles, n, NULL, NULL, &column);
        if (r < 0)
            return r;
        nv_put_uvarint(out, column.n);
        nv_buf_add(out, column.p, column.n);
    }
    return 0;
}

int nv_codec_encode_histograms(struct nv_codec *codec, enum nv_codec_effort effort,
                               const struct nv_histogram *const *histograms, size_t n,
                               struct nv_buf *out)
{
    nv_assert(n >= 1 && n <= NV_CODEC_ROWS_MAX);
    int r = nv_codec_room(codec, n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (histograms[i] && !is_sound(histograms[i]))
            r = -EINVAL;
    }
    for (size_t from = 0, to; r == 0 && from < n; from = to) {
        for (to = from + 1; to < n && same_layout(histograms[from], histograms[to]); to++)
            ;
        r = put_run(codec, effort, histograms + from, to - from, out);
    }
    return r < 0 ? r : out->failed;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static int get_spans(struct nv_str *in, struct nv_arena *arena, const struct nv_span **ret,
                     uint32_t *ret_n, uint32_t *ret_n_buckets)
{
    uint64_t n, length;
    int64_t offset;

    if (!nv_get_uvarint(in, &n) || n > PARTS_MAX || n > in->n)
        return -EBADMSG;
    struct nv_span *spans = nv_arena_alloc(arena, (size_t)n * sizeof(*spans) + 1);
    if (!spans)
        return -ENOMEM;
    for (uint64_t i = 0; i < n; i++) {
        if (!nv_get_varint(in, &offset) || !nv_get_uvarint(in, &length) || offset < INT32_MIN ||
            offset > INT32_MAX || length > PARTS_MAX)
            return -EBADMSG;
        spans[i] = (struct nv_span){(int32_t)offset, (uint32_t)length};
    }
    *ret = spans;
    *ret_n = (uint32_t)n;
    *ret_n_buckets = n_buckets(spans, *ret_n);
    return *ret_n_buckets > PARTS_MAX ? -EBADMSG : 0;
}

static int get_bounds(struct nv_str *in, struct nv_arena *arena, struct nv_histogram *h)
{
    uint64_t n, bits;

    if (!nv_get_uvarint(in, &n) || n > PARTS_MAX || n > in->n)
        return -EBADMSG;
    double *bounds = nv_arena_alloc(arena, (size_t)n * sizeof(*bounds) + 1);
    if (!bounds)
        return -ENOMEM;
    for (uint64_t i = 0; i < n; i++) {
        if (!nv_get_u64(in, &bits))
            return -EBADMSG;
        bounds[i] = nv_double_of(bits);
    }
    h->custom_values = bounds;
    h->n_custom = (uint32_t)n;
    return 0;
}

static int get_layout(struct nv_str *in, uint8_t head, struct nv_arena *arena,
                      struct nv_histogram *h)
{
    int64_t schema;
    uint64_t threshold;

    if (head > (HINT | IS_FLOAT) || !nv_get_varint(in, &schema) || schema < INT32_MIN ||
        schema > INT32_MAX || !nv_get_u64(in, &threshold))
        return -EBADMSG;
    *h = (struct nv_histogram){
        .schema = (int32_t)schema,
        .reset_hint = head & HINT,
        .is_float = head & IS_FLOAT,
        .zero_threshold = nv_double_of(threshold),
    };
    int r = get_spans(in, arena, &h->positive_spans, &h->n_positive_spans, &h->n_positive);
    if (r == 0)
        r = get_spans(in, arena, &h->negative_spans, &h->n_negative_spans, &h->n_negative);
    return r < 0 ? r : get_bounds(in, arena, h);
}

static int get_column(struct nv_codec *codec, struct nv_str *in, size_t n)
{
    uint64_t bytes;

    if (!nv_get_uvarint(in, &bytes) || bytes > in->n)
        return -EBADMSG;
    struct nv_str column = {in->p, (size_t)bytes};
    in->p += bytes;
    in->n -= (size_t)bytes;
    return nv_codec_decode(codec, column, NULL, codec->doubles, n);
}

/* Spreads a column over the rows. */
static void set_part(struct nv_histogram *h, double *buckets, const double *values, size_t n,
                     uint32_t at)
{
    size_t width = h->n_positive + h->n_negative;

    for (size_t i = 0; i < n; i++) {
        if (at == 0)
            h[i].count = values[i];
        else if (at == 1)
            h[i].zero_count = values[i];
        else if (at == 2)
            h[i].sum = values[i];
        else
            buckets[i * width + at - SCALARS] = values[i];
    }
}

static int get_rows(struct nv_codec *codec, struct nv_str *in, struct nv_arena *arena,
                    struct nv_histogram like, const struct nv_histogram **ret, size_t n)
{
    size_t width = like.n_positive + like.n_negative;
    if (width > in->n)
        return -EBADMSG;
    struct nv_histogram *h = nv_arena_alloc(arena, n * sizeof(*h));
    double *buckets = nv_arena_alloc(arena, n * width * sizeof(*buckets) + 1);
    if (!h || !buckets)
        return -ENOMEM;

    for (size_t i = 0; i < n; i++) {
        h[i] = like;
        h[i].positive = buckets + i * width;
        h[i].negative = buckets + i * width + like.n_positive;
        ret[i] = &h[i];
    }
    for (uint32_t at = 0; at < SCALARS + width; at++) {
        int r = get_column(codec, in, n);
        if (r < 0)
            return r;
        set_part(h, buckets, codec->doubles, n, at);
    }
    return 0;
}

static int get_run(struct nv_codec *codec, struct nv_str *in, struct nv_arena *arena,
                   const struct nv_histogram **ret, size_t n)
{
    struct nv_histogram like;
    uint8_t head;

    if (!nv_get_byte(in, &head))
        return -EBADMSG;
    if (head == NO_HISTOGRAM) {
        for (size_t i = 0; i < n; i++)
            ret[i] = NULL;
        return 0;
    }
    int r = get_layout(in, head, arena, &like);
    return r < 0 ? r : get_rows(codec, in, arena, like, ret, n);
}

int nv_codec_decode_histograms(struct nv_codec *codec, struct nv_str column, struct nv_arena *arena,
                               const struct nv_histogram **histograms, size_t n)
{
    if (n < 1 || n > NV_CODEC_ROWS_MAX)
        return -EBADMSG;
    int r = nv_codec_room(codec, n);
    uint64_t rows;
    for (size_t at = 0; r == 0 && at < n; at += (size_t)rows) {
        if (!nv_get_uvarint(&column, &rows) || rows < 1 || rows > n - at)
            return -EBADMSG;
        r = get_run(codec, &column, arena, histograms + at, (size_t)rows);
    }
    return r == 0 && column.n ? -EBADMSG : r;
}
