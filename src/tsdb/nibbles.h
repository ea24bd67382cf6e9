/*
 * nibbles.h - symbols below 16 under probabilities that adapt, as a range asymmetric numeral system (rANS).
 *
 * A state of 64 bits holds what is not written yet. Reading a symbol of frequency f from c on, of 2^15 in all,
 * makes it f * (state >> 15) + (state mod 2^15) - c; reading n <= 32 plain bits takes them off its low end. A
 * state below 2^32 is then shifted up by the next word of 32 bits, while there is one. So the writer works from
 * the last symbol to the first, begins with the state 1, and writes as the state at its end: 5 to 8 bytes before
 * the words (as many as make the length right modulo 4), or up to 8 where there are no words; little-endian.
 *
 * A model has 16 rising numbers c, at most 2^15 - 16; symbol s begins at c[s] + s and ends at the next one's
 * beginning, so none is impossible. After each symbol every c moves towards 0 up to s and 2^15 - 16 above, by
 * 2^-k of the way, rounded down; k grows from 3 as log2 of the number of symbols seen plus 8, to a limit.
 */
#ifndef NV_TSDB_NIBBLES_H
#define NV_TSDB_NIBBLES_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "tsdb/codec_parts.h"

enum {
    NV_NIBBLES = 16,
    NV_NIBBLE_BITS = 15,
    NV_NIBBLE_TOTAL = (1 << NV_NIBBLE_BITS) - NV_NIBBLES,
    NV_NIBBLE_SLOWEST = 8, /* limits of k go up to it */
};

typedef int16_t nv_lanes __attribute__((vector_size(16), may_alias));

struct nv_model {
    int16_t c[NV_NIBBLES] __attribute__((aligned(16)));
    uint32_t seen;
};

/* The first n symbols alike, the others next to impossible. */
static inline void nv_model_init(struct nv_model *model, unsigned n)
{
    for (unsigned i = 0; i < NV_NIBBLES; i++)
        model->c[i] = (int16_t)(i < n ? NV_NIBBLE_TOTAL * i / n : NV_NIBBLE_TOTAL);
    model->seen = 0;
}

static inline unsigned nv_model_begin(const struct nv_model *model, unsigned symbol)
{
    return (unsigned)model->c[symbol] + symbol;
}

static inline unsigned nv_model_end(const struct nv_model *model, unsigned symbol)
{
    return symbol + 1 < NV_NIBBLES ? nv_model_begin(model, symbol + 1) : 1U << NV_NIBBLE_BITS;
}

static inline void nv_model_learn(struct nv_model *model, unsigned symbol, unsigned limit)
{
    static const nv_lanes low = {0, 1, 2, 3, 4, 5, 6, 7}, high = {8, 9, 10, 11, 12, 13, 14, 15};
    nv_lanes *c = (nv_lanes *)model->c;
    int16_t s = (int16_t)symbol;
    unsigned k = 31 - (unsigned)__builtin_clz(model->seen + 8);

    k = k < limit ? k : limit;
    model->seen += k < limit;
    int16_t shift = (int16_t)k;
    c[0] += (((low > s) & NV_NIBBLE_TOTAL) - c[0]) >> shift;
    c[1] += (((high > s) & NV_NIBBLE_TOTAL) - c[1]) >> shift;
}

/* The symbol whose share `slot` lies in. */
static inline unsigned nv_model_find(const struct nv_model *model, unsigned slot)
{
#ifdef __SSE2__
    const __m128i *c = (const __m128i *)model->c;
    __m128i at = _mm_set1_epi16((short)slot);
    __m128i low = _mm_add_epi16(_mm_load_si128(c), _mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7));
    __m128i high =
        _mm_add_epi16(_mm_load_si128(c + 1), _mm_setr_epi16(8, 9, 10, 11, 12, 13, 14, 15));
    __m128i above = _mm_packs_epi16(_mm_cmpgt_epi16(low, at), _mm_cmpgt_epi16(high, at));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(above) | 1U << NV_NIBBLES) - 1;
#else
    unsigned symbol = 0;
    for (unsigned step = NV_NIBBLES / 2; step; step /= 2)
        symbol += nv_model_begin(model, symbol + step) <= slot ? step : 0;
    return symbol;
#endif
}

struct nv_rans_reader {
    uint64_t state;
    const uint8_t *p, *end;
};

static inline void nv_rans_refill(struct nv_rans_reader *r)
{
    if (r->state >> 32 || r->p == r->end)
        return;
    uint32_t word = (uint32_t)r->p[0] | (uint32_t)r->p[1] << 8 | (uint32_t)r->p[2] << 16 |
                    (uint32_t)r->p[3] << 24;
    r->state = r->state << 32 | word;
    r->p += 4;
}

static inline struct nv_rans_reader nv_rans_reader(struct nv_str in)
{
    struct nv_rans_reader r = {0, (const uint8_t *)in.p, (const uint8_t *)in.p + in.n};
    size_t n = in.n <= 8 ? in.n : 5 + (in.n - 5) % 4;

    for (size_t i = 0; i < n; i++)
        r.state |= (uint64_t)r.p[i] << 8 * i;
    r.p += n;
    return r;
}

static inline unsigned nv_rans_symbol(struct nv_rans_reader *r, struct nv_model *model,
                                      unsigned limit)
{
    unsigned slot = (unsigned)(r->state & ((1U << NV_NIBBLE_BITS) - 1));
    unsigned symbol = nv_model_find(model, slot), begin = nv_model_begin(model, symbol);
    unsigned f = nv_model_end(model, symbol) - begin;

    r->state = f * (r->state >> NV_NIBBLE_BITS) + slot - begin;
    nv_rans_refill(r);
    nv_model_learn(model, symbol, limit);
    return symbol;
}

/* n <= 32 */
static inline uint64_t nv_rans_bits32(struct nv_rans_reader *r, unsigned n)
{
    uint64_t bits = r->state & ((UINT64_C(1) << n) - 1);

    r->state >>= n;
    nv_rans_refill(r);
    return bits;
}

/* n <= 64 */
static inline uint64_t nv_rans_bits(struct nv_rans_reader *r, unsigned n)
{
    if (n <= 32)
        return nv_rans_bits32(r, n);
    uint64_t low = nv_rans_bits32(r, 32);
    return low | nv_rans_bits32(r, n - 32) << 32;
}

/* The writer's words come out last first. */
struct nv_rans_writer {
    uint64_t state;
    struct nv_buf *words;
};

static inline void nv_rans_spill(struct nv_rans_writer *w)
{
    uint32_t word = (uint32_t)w->state;

    nv_buf_add(w->words, &word, sizeof(word));
    w->state >>= 32;
}

static inline void nv_rans_put_share(struct nv_rans_writer *w, unsigned begin, unsigned f)
{
    if (w->state >> (64 - NV_NIBBLE_BITS) >= f)
        nv_rans_spill(w);
    w->state = (w->state / f << NV_NIBBLE_BITS) + w->state % f + begin;
}

static inline void nv_rans_put_bits32(struct nv_rans_writer *w, uint64_t bits, unsigned n)
{
    if (n && w->state >> (64 - n))
        nv_rans_spill(w);
    w->state = w->state << n | bits;
}

/* Reverse of nv_rans_bits(). */
static inline void nv_rans_put_bits(struct nv_rans_writer *w, uint64_t bits, unsigned n)
{
    if (n > 32) {
        nv_rans_put_bits32(w, bits >> 32, n - 32);
        n = 32;
        bits &= UINT32_MAX;
    }
    nv_rans_put_bits32(w, bits, n);
}

/* Appends the length, the state and the words in reading order. */
static inline void nv_rans_end(const struct nv_rans_writer *w, struct nv_buf *out)
{
    size_t n = w->words->n / 4, bytes = (nv_width(w->state) + 7) / 8;

    if (w->words->failed)
        out->failed = w->words->failed;
    nv_put_uvarint(out, bytes + 4 * n);
    for (size_t i = 0; i < bytes; i++)
        nv_put_byte(out, (uint8_t)(w->state >> 8 * i));
    for (size_t i = n; i-- > 0;) {
        uint32_t word;
        memcpy(&word, w->words->p + 4 * i, sizeof(word));
        for (unsigned shift = 0; shift < 32; shift += 8)
            nv_put_byte(out, (uint8_t)(word >> shift));
    }
}

/* Takes a stream from the front of *in, length first. */
static inline bool nv_rans_take(struct nv_str *in, struct nv_str *ret)
{
    uint64_t n;

    if (!nv_get_uvarint(in, &n) || n > in->n)
        return false;
    *ret = (struct nv_str){in->p, (size_t)n};
    in->p += n;
    in->n -= (size_t)n;
    return true;
}

#endif
