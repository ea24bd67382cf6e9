/*
 * fuzz_codec.c - columns. The first byte chooses what the others are:
 *
 *   0   doubles, little-endian, which must come back bit for bit, fast and small, alone and beside each other
 *   1   a column of doubles, 2 of times, 3 of histograms, 4 a set: of as many rows as the second byte says times 9
 */
#include "base/assert.h"
#include "tsdb/codec.h"

enum { ROWS_MAX = 255 * 9 + 1, COLUMN_MAX = 1 << 24, HISTOGRAMS_MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                       size_t n, const double *base)
{
    NV_AUTO_BUF column = NV_BUF(COLUMN_MAX);
    double *back NV_AUTO_FREE = nv_must(malloc(n * sizeof(*back)));
    bool used = false;

    nv_assert(nv_codec_encode(codec, effort, values, n, base, &used, &column) == 0);
    nv_assert(nv_codec_faults(codec) == 0);
    nv_assert(used == nv_codec_needs_base(nv_buf_view(&column)));
    nv_assert(nv_codec_decode(codec, nv_buf_view(&column), used ? base : NULL, back, n) == 0);
    nv_assert(memcmp(back, values, n * sizeof(*back)) == 0);
}

static void check_doubles(struct nv_codec *codec, const uint8_t *data, size_t size)
{
    size_t n = size / sizeof(double) < ROWS_MAX ? size / sizeof(double) : ROWS_MAX;

    if (!n)
        return;
    double *values NV_AUTO_FREE = nv_must(malloc(n * sizeof(*values)));
    memcpy(values, data, n * sizeof(*values));
    round_trip(codec, NV_CODEC_FAST, values, n, NULL);
    round_trip(codec, NV_CODEC_SMALL, values, n, NULL);
    round_trip(codec, NV_CODEC_SMALL, values + n / 2, n - n / 2, values);
}

static void check_column(struct nv_codec *codec, struct nv_str column, size_t n)
{
    double *values NV_AUTO_FREE = nv_must(malloc(n * sizeof(*values)));
    double *base NV_AUTO_FREE = nv_must(calloc(n, sizeof(*base)));

    if (nv_codec_decode(codec, column, base, values, n) == 0)
        round_trip(codec, NV_CODEC_SMALL, values, n, base);
    (void)nv_codec_name(column);
}

static void check_times(struct nv_codec *codec, struct nv_str column, size_t n)
{
    NV_AUTO_BUF again = NV_BUF(COLUMN_MAX);
    int64_t *times NV_AUTO_FREE = nv_must(malloc(n * sizeof(*times)));
    int64_t *back NV_AUTO_FREE = nv_must(malloc(n * sizeof(*back)));

    if (nv_codec_decode_times(codec, column, times, n) < 0)
        return;
    nv_assert(nv_codec_encode_times(codec, NV_CODEC_SMALL, times, n, &again) == 0);
    nv_assert(nv_codec_decode_times(codec, nv_buf_view(&again), back, n) == 0);
    nv_assert(memcmp(back, times, n * sizeof(*times)) == 0);
}

static void check_histograms(struct nv_codec *codec, struct nv_str column, size_t n)
{
    NV_AUTO_BUF again = NV_BUF(COLUMN_MAX);
    struct nv_arena arena = NV_ARENA(HISTOGRAMS_MAX);
    const struct nv_histogram **list NV_AUTO_FREE = nv_must(calloc(n, sizeof(*list)));

    if (nv_codec_decode_histograms(codec, column, &arena, list, n) == 0)
        nv_assert(nv_codec_encode_histograms(codec, NV_CODEC_FAST, list, n, &again) == 0);
    nv_arena_done(&arena);
}

static void check_set(struct nv_str in, size_t n)
{
    NV_AUTO_BUF again = NV_BUF(COLUMN_MAX);
    size_t words = (n + 63) / 64;
    uint64_t *bits NV_AUTO_FREE = nv_must(malloc(words * sizeof(*bits)));
    uint64_t *back NV_AUTO_FREE = nv_must(malloc(words * sizeof(*back)));

    if (nv_codec_decode_set(&in, bits, n) < 0)
        return;
    nv_assert(nv_codec_encode_set(bits, n, &again) == 0);
    in = nv_buf_view(&again);
    nv_assert(nv_codec_decode_set(&in, back, n) == 0 && in.n == 0);
    nv_assert(memcmp(back, bits, words * sizeof(*bits)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    NV_AUTO(nv_codec) *codec = nv_must(nv_codec_new());

    if (size < 2)
        return 0;
    struct nv_str column = {(const char *)data + 2, size - 2};
    size_t n = 1 + 9 * (size_t)data[1];
    switch (data[0]) {
    case 0:
        check_doubles(codec, data + 1, size - 1);
        break;
    case 1:
        check_column(codec, column, n);
        break;
    case 2:
        check_times(codec, column, n);
        break;
    case 3:
        check_histograms(codec, column, n);
        break;
    default:
        check_set(column, n);
    }
    return 0;
}
