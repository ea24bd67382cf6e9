/*
 * residuals.c - n signed numbers, mostly small, as bytes; n is the reader's to know.
 *
 *   byte      how
 *     0 SAME      varint: the number they all are
 *     1 PACKED    groups of 16: a byte w, then their zig-zagged values in w bits each, lowest bit first,
 *                 to the next whole byte
 *     2 OFFSET    varint m, then groups as above, of the values less m
 *     3 CODED     coded.c, one state
 *     4 RUNS      varint m, uvarint k >= 1: all are m but k of them; then twice k numbers, not as RUNS: how many m
 *                 stand before each of those k, since the one before it; and each less m
 *     5 CODED_TWO coded.c, two states
 *   nothing at all for n = 0
 */
#include "tsdb/coded.h"

enum how { SAME, PACKED, OFFSET, CODED, RUNS, CODED_TWO };
enum {
    GROUP = 16,
    LONG = 2048, /* a second state costs a dozen bytes, and saves a third of the time to read; */
    LARGE = 512, /* of so many bytes, too, a dozen are few */
    RARE = 4,    /* one in so many may differ for RUNS to be tried; at least 2 */
    WORTH = 32,  /* RUNS read so much faster that they may take a 32nd more */
};

/* Of two alternatives at the end of a buffer, the second from `middle` on. */
static void keep_one(struct nv_buf *out, size_t from, size_t middle, bool second)
{
    if (second && !out->failed) {
        memmove(out->p + from, out->p + middle, out->n - middle);
        out->n -= middle - from;
    } else {
        out->n = middle;
    }
}

static void put_groups(const int64_t *r, size_t n, bool offset, int64_t least, struct nv_buf *out)
{
    struct nv_bit_writer bits = nv_bit_writer(out);
    uint64_t u[GROUP];

    for (size_t at = 0; at < n; at += GROUP) {
        size_t many = n - at < GROUP ? n - at : GROUP;
        uint64_t all = 0;
        for (size_t i = 0; i < many; i++) {
            u[i] = offset ? (uint64_t)nv_minus(r[at + i], least) : nv_zigzag(r[at + i]);
            all |= u[i];
        }
        unsigned width = nv_width(all);
        nv_put_byte(out, width);
        for (size_t i = 0; i < many; i++)
            nv_put_bits(&bits, u[i], width);
        nv_bits_end(&bits);
    }
}

static int get_groups(struct nv_str *in, int64_t *r, size_t n, bool offset, int64_t least)
{
    for (size_t at = 0; at < n; at += GROUP) {
        size_t many = n - at < GROUP ? n - at : GROUP;
        uint8_t width;
        if (!nv_get_byte(in, &width) || width > 64)
            return -EBADMSG;
        size_t bytes = nv_bits_bytes(many * width);
        if (bytes > in->n)
            return -EBADMSG;
        struct nv_bit_reader bits = nv_bit_reader((struct nv_str){in->p, bytes});
        for (size_t i = 0; i < many; i++) {
            uint64_t u = nv_get_bits(&bits, width);
            r[at + i] = offset ? nv_plus((int64_t)u, least) : nv_unzigzag(u);
        }
        in->p += bytes;
        in->n -= bytes;
    }
    return 0;
}

static void put_packed(const int64_t *r, size_t n, int64_t least, int64_t most, struct nv_buf *out)
{
    bool offset = least >= 0 || most <= 0;

    nv_put_byte(out, offset ? OFFSET : PACKED);
    if (offset)
        nv_put_varint(out, least);
    put_groups(r, n, offset, least, out);
}

static void put_coded(struct nv_codec *codec, const int64_t *r, size_t n, bool two,
                      struct nv_buf *out)
{
    nv_put_byte(out, two ? CODED_TWO : CODED);
    nv_coded_put(codec, r, n, two, out);
}

static void put_leaf(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *r,
                     size_t n, struct nv_buf *out)
{
    int64_t least = r[0], most = r[0];

    for (size_t i = 1; i < n; i++) {
        least = r[i] < least ? r[i] : least;
        most = r[i] > most ? r[i] : most;
    }
    if (least == most) {
        nv_put_byte(out, SAME);
        nv_put_varint(out, least);
        return;
    }
    size_t from = out->n;
    put_packed(r, n, least, most, out);
    if (effort == NV_CODEC_FAST)
        return;
    size_t middle = out->n;
    put_coded(codec, r, n, n >= LONG, out);
    if (n < LONG && out->n - middle >= LARGE) {
        out->n = middle;
        put_coded(codec, r, n, true, out);
    }
    keep_one(out, from, middle, out->n - middle < middle - from);
}

static void put_runs(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *r,
                     size_t n, int64_t common, struct nv_buf *out)
{
    int64_t *gaps = codec->runs, *others = codec->runs + n / 2;
    size_t n_others = 0, next = 0;

    for (size_t i = 0; i < n; i++) {
        if (r[i] == common)
            continue;
        gaps[n_others] = (int64_t)(i - next);
        others[n_others++] = nv_minus(r[i], common);
        next = i + 1;
    }
    nv_put_byte(out, RUNS);
    nv_put_varint(out, common);
    nv_put_uvarint(out, n_others);
    put_leaf(codec, effort, gaps, n_others, out);
    put_leaf(codec, effort, others, n_others, out);
}

/* Whether one number is common enough for runs, and at least one is another. */
static bool has_common(const int64_t *r, size_t n, int64_t *ret)
{
    int64_t common = nv_median(r, n);
    size_t n_others = 0;

    for (size_t i = 0; i < n; i++)
        n_others += r[i] != common;
    *ret = common;
    return n_others && n_others <= n / RARE;
}

void nv_residuals_put(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *r,
                      size_t n, struct nv_buf *out)
{
    int64_t common;

    if (!n)
        return;
    size_t from = out->n;
    put_leaf(codec, effort, r, n, out);
    if (!has_common(r, n, &common))
        return;
    size_t middle = out->n;
    put_runs(codec, effort, r, n, common, out);
    size_t runs = out->n - middle, leaf = middle - from;
    keep_one(out, from, middle, runs <= leaf + leaf / WORTH);
}

static int get_leaf(struct nv_str *in, uint8_t how, int64_t *r, size_t n)
{
    int64_t least = 0;

    if (how == CODED || how == CODED_TWO)
        return nv_coded_get(in, how == CODED_TWO, r, n);
    if (how > OFFSET || (how != PACKED && !nv_get_varint(in, &least)))
        return -EBADMSG;
    if (how != SAME)
        return get_groups(in, r, n, how == OFFSET, least);
    for (size_t i = 0; i < n; i++)
        r[i] = least;
    return 0;
}

static int get_others(struct nv_str *in, int64_t *gaps, int64_t *others, size_t n)
{
    uint8_t how;

    if (!nv_get_byte(in, &how))
        return -EBADMSG;
    int r = get_leaf(in, how, gaps, n);
    if (r == 0 && !nv_get_byte(in, &how))
        r = -EBADMSG;
    return r < 0 ? r : get_leaf(in, how, others, n);
}

/* The others are read to the front of r and moved to their places from the last on. */
static int get_runs(struct nv_codec *codec, struct nv_str *in, int64_t *r, size_t n)
{
    int64_t *gaps = codec->runs, common;
    uint64_t n_others;
    size_t rows = 0;

    if (!nv_get_varint(in, &common) || !nv_get_uvarint(in, &n_others) || !n_others || n_others > n)
        return -EBADMSG;
    int status = get_others(in, gaps, r, (size_t)n_others);
    if (status < 0)
        return status;
    for (size_t i = 0; i < n_others; i++) {
        if (gaps[i] < 0 || (uint64_t)gaps[i] >= n - rows)
            return -EBADMSG;
        rows += (size_t)gaps[i] + 1;
    }
    for (size_t i = (size_t)n_others, end = n; i-- > 0;) {
        for (; end > rows; end--)
            r[end - 1] = common;
        r[--end] = nv_plus(r[i], common);
        rows -= (size_t)gaps[i] + 1;
    }
    for (size_t i = 0; i < (size_t)gaps[0]; i++)
        r[i] = common;
    return 0;
}

int nv_residuals_get(struct nv_codec *codec, struct nv_str *in, int64_t *r, size_t n)
{
    uint8_t how;

    if (!n)
        return 0;
    if (!nv_get_byte(in, &how))
        return -EBADMSG;
    return how == RUNS ? get_runs(codec, in, r, n) : get_leaf(in, how, r, n);
}
