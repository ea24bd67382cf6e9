/*
 * codec_parts.h - what the files of the codec share, and nobody else includes.
 *
 * Three layers, each in bytes that follow each other:
 *
 *   column     codec.c: doubles; the choice of a codec, operations and exceptions
 *   integers   codec_integer.c: int64 values as residuals of a prediction
 *   residuals  residuals.c: many small signed numbers, packed or entropy-coded
 *
 * Writers append to a buffer and let its failure stick; readers take from the front of *in and return
 * 0 or -EBADMSG.
 */
#ifndef NV_TSDB_CODEC_PARTS_H
#define NV_TSDB_CODEC_PARTS_H

#include <errno.h>

#include "base/assert.h"
#include "tsdb/codec.h"

enum {
    NV_ODD_PER_ROWS = 32, /* one row in so many, and one more, may be an exception */
    NV_COLUMN_MAX = NV_CODEC_ROWS_MAX * 64, /* bytes; alternatives of a column stand side by side */
};

struct nv_odd { /* a value that the column's operation does not give */
    uint32_t row;
    uint64_t bits;
};

struct nv_codec {
    size_t room; /* rows each array has place for */
    int64_t *ints, *near, *residuals, *trial, *runs;
    double *doubles;
    uint32_t *shares; /* two a row */
    struct nv_odd *odd;
    unsigned faults;
    struct nv_buf text, other, words;
};

NV_MUST_USE int nv_codec_room(struct nv_codec *codec, size_t n);

static inline double nv_double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline uint64_t nv_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t nv_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

/* How many bits a number has; 0 for 0. */
static inline unsigned nv_width(uint64_t value)
{
    return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

/* Modulo 2^64, as every difference of integers here is. */
static inline int64_t nv_minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t nv_plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline void nv_put_byte(struct nv_buf *out, unsigned byte)
{
    nv_buf_char(out, (char)byte);
}

static inline void nv_put_u64(struct nv_buf *out, uint64_t value)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    nv_buf_add(out, bytes, sizeof(bytes));
}

static inline bool nv_get_byte(struct nv_str *in, uint8_t *ret)
{
    if (!in->n)
        return false;
    *ret = (uint8_t)*in->p++;
    in->n--;
    return true;
}

static inline bool nv_get_u64(struct nv_str *in, uint64_t *ret)
{
    uint64_t value = 0;

    if (in->n < 8)
        return false;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)(uint8_t)in->p[i] << 8 * i;
    in->p += 8;
    in->n -= 8;
    *ret = value;
    return true;
}

/* n may be 0. Of the codec's arrays these use runs, shares and words, and what they are given. */
void nv_residuals_put(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *r,
                      size_t n, struct nv_buf *out);
NV_MUST_USE int nv_residuals_get(struct nv_codec *codec, struct nv_str *in, int64_t *r, size_t n);

/* Uses codec->residuals and codec->trial; x may be codec->ints. */
void nv_integers_put(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *x,
                     size_t n, struct nv_buf *out);
/* About how many bits they would take. Uses the same. */
double nv_integers_weigh(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *x,
                         size_t n);
NV_MUST_USE int nv_integers_get(struct nv_codec *codec, struct nv_str *in, int64_t *x, size_t n);

/* Few different values. Uses codec->ints, near and residuals. False, and nothing, where there are too many. */
bool nv_dictionary_put(struct nv_codec *codec, enum nv_codec_effort effort, const double *values,
                       size_t n, struct nv_buf *out);
NV_MUST_USE int nv_dictionary_get(struct nv_codec *codec, struct nv_str *in, double *values,
                                  size_t n);

/* XOR with the value before. */
void nv_xor_put(struct nv_codec *codec, const double *values, size_t n, struct nv_buf *out);
NV_MUST_USE int nv_xor_get(struct nv_str *in, double *values, size_t n);

/* Bits, lowest first, into whole bytes. */
struct nv_bit_writer {
    struct nv_buf *out;
    uint64_t bits;
    unsigned n;
};
struct nv_bit_reader {
    const uint8_t *p, *end;
    uint64_t bits;
    unsigned n;
    bool failed;
};
static inline struct nv_bit_writer nv_bit_writer(struct nv_buf *out)
{
    return (struct nv_bit_writer){.out = out};
}

/* Up to 32 bits. */
static inline void nv_put_bits32(struct nv_bit_writer *w, uint64_t value, unsigned width)
{
    w->bits |= value << w->n;
    w->n += width;
    if (w->n < 32)
        return;
    uint8_t bytes[4] = {(uint8_t)w->bits, (uint8_t)(w->bits >> 8), (uint8_t)(w->bits >> 16),
                        (uint8_t)(w->bits >> 24)};
    nv_buf_add(w->out, bytes, sizeof(bytes));
    w->bits >>= 32;
    w->n -= 32;
}

static inline void nv_put_bits(struct nv_bit_writer *w, uint64_t value, unsigned width)
{
    if (width > 32) {
        nv_put_bits32(w, (uint32_t)value, 32);
        value >>= 32;
        width -= 32;
    }
    nv_put_bits32(w, value, width);
}

static inline void nv_bits_end(struct nv_bit_writer *w)
{
    for (unsigned n = 0; n < w->n; n += 8)
        nv_put_byte(w->out, (uint8_t)(w->bits >> n));
    w->bits = 0;
    w->n = 0;
}

static inline struct nv_bit_reader nv_bit_reader(struct nv_str in)
{
    return (struct nv_bit_reader){(const uint8_t *)in.p, (const uint8_t *)in.p + in.n, 0, 0, false};
}

static inline uint64_t nv_get_bits32(struct nv_bit_reader *r, unsigned width)
{
    if (r->n < width) {
        if (r->end - r->p >= 4) {
            uint32_t four = (uint32_t)r->p[0] | (uint32_t)r->p[1] << 8 | (uint32_t)r->p[2] << 16 |
                            (uint32_t)r->p[3] << 24;
            r->bits |= (uint64_t)four << r->n;
            r->p += 4;
            r->n += 32;
        } else {
            for (; r->p < r->end; r->n += 8)
                r->bits |= (uint64_t)*r->p++ << r->n;
        }
        if (r->n < width) {
            r->failed = true;
            return 0;
        }
    }
    uint64_t value = r->bits & ((UINT64_C(1) << width) - 1);
    r->bits >>= width;
    r->n -= width;
    return value;
}

static inline uint64_t nv_get_bits(struct nv_bit_reader *r, unsigned width)
{
    uint64_t low = 0;

    if (width <= 32)
        return nv_get_bits32(r, width);
    low = nv_get_bits32(r, 32);
    return low | nv_get_bits32(r, width - 32) << 32;
}

/* Bytes a writer of n bits makes. */
static inline size_t nv_bits_bytes(uint64_t n)
{
    return (size_t)((n + 7) / 8);
}

#endif
