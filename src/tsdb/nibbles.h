/*
 * nibbles.h - symbols below 16 under probabilities that adapt, as a range asymmetric numeral system (rANS).
 *
 * A state of 64 bits holds what is not written yet. Reading a symbol of frequency f from c on, of 2^15 in all,
 * makes it f * (state >> 15) + (state mod 2^15) - c; reading n <= 32 plain bits takes them off its low end. A
 * state below 2^32 is then shifted up by the next word of 32 bits, while there is one. The writer works from the
 * last symbol to the first. A stream is its length, a uvarint, and, little-endian:
 *
 *   one state    the state in up to 8 bytes; 5 to 8, what makes the length right modulo 4, where words follow; it
 *                ends as 1
 *   two states   both in 8 bytes each; reading one does not wait for the other, and who reads says which; they
 *                end as 2^32
 *   words        for whichever state is below 2^32 first
 *
 * A model has 16 rising numbers c, at most T = 2^15 - 16; symbol s begins at c[s] + s and ends at the next one's
 * beginning, so none is impossible. A model of n symbols begins with c[s] = T * s / n, rounded down, and T from
 * c[n] on. After each symbol every c moves towards 0 up to s and T above, by 2^-k of the way, rounded down; k grows
 * from 3 as log2 of the number of symbols seen plus 8, to a limit.
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

/* Here c[s] + s, which is where symbol s begins, and behind them the end of all. */
struct nv_model {
    uint16_t begin[NV_NIBBLES + 1] __attribute__((aligned(16)));
    uint16_t seen;
};

/* The first n symbols alike, the others next to impossible. */
static inline void nv_model_init(struct nv_model *model, unsigned n)
{
    for (unsigned i = 0; i < NV_NIBBLES; i++)
        model->begin[i] = (uint16_t)((i < n ? NV_NIBBLE_TOTAL * i / n : NV_NIBBLE_TOTAL) + i);
    model->begin[NV_NIBBLES] = 1U << NV_NIBBLE_BITS;
    model->seen = 0;
}

static inline void nv_model_learn(struct nv_model *model, unsigned symbol, unsigned limit)
{
    static const nv_lanes low = {0, 1, 2, 3, 4, 5, 6, 7}, high = {8, 9, 10, 11, 12, 13, 14, 15};
    nv_lanes *begin = (nv_lanes *)model->begin;
    int16_t s = (int16_t)symbol;
    unsigned k = 31 - (unsigned)__builtin_clz(model->seen + 8U);

    k = k < limit ? k : limit;
    model->seen += k < limit;
    int16_t shift = (int16_t)k;
    begin[0] += (((low > s) & NV_NIBBLE_TOTAL) + low - begin[0]) >> shift;
    begin[1] += (((high > s) & NV_NIBBLE_TOTAL) + high - begin[1]) >> shift;
}

/* The symbol whose share `slot` lies in. */
static inline unsigned nv_model_find(const struct nv_model *model, unsigned slot)
{
#ifdef __SSE2__
    const __m128i *begin = (const __m128i *)model->begin;
    __m128i at = _mm_set1_epi16((short)slot);
    __m128i above = _mm_packs_epi16(_mm_cmpgt_epi16(_mm_load_si128(begin), at),
                                    _mm_cmpgt_epi16(_mm_load_si128(begin + 1), at));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(above) | 1U << NV_NIBBLES) - 1;
#else
    unsigned symbol = 0;
    for (unsigned step = NV_NIBBLES / 2; step; step /= 2)
        symbol += model->begin[symbol + step] <= slot ? step : 0;
    return symbol;
#endif
}

struct nv_rans_reader {
    uint64_t state[2];
    const uint8_t *p, *end;
};

static inline void nv_rans_refill(struct nv_rans_reader *r, unsigned which)
{
    if (r->state[which] >> 32 || r->p == r->end)
        return;
    uint32_t word = (uint32_t)r->p[0] | (uint32_t)r->p[1] << 8 | (uint32_t)r->p[2] << 16 |
                    (uint32_t)r->p[3] << 24;
    r->state[which] = r->state[which] << 32 | word;
    r->p += 4;
}

static inline unsigned nv_rans_symbol(struct nv_rans_reader *r, unsigned which,
                                      struct nv_model *model, unsigned limit)
{
    uint64_t state = r->state[which];
    unsigned slot = (unsigned)(state & ((1U << NV_NIBBLE_BITS) - 1));
    unsigned symbol = nv_model_find(model, slot), begin = model->begin[symbol];
    unsigned f = model->begin[symbol + 1] - begin;

    r->state[which] = f * (state >> NV_NIBBLE_BITS) + slot - begin;
    nv_rans_refill(r, which);
    nv_model_learn(model, symbol, limit);
    return symbol;
}

/* n <= 32 */
static inline uint64_t nv_rans_bits32(struct nv_rans_reader *r, unsigned which, unsigned n)
{
    uint64_t bits = r->state[which] & ((UINT64_C(1) << n) - 1);

    r->state[which] >>= n;
    nv_rans_refill(r, which);
    return bits;
}

/* n <= 64 */
static inline uint64_t nv_rans_bits(struct nv_rans_reader *r, unsigned which, unsigned n)
{
    if (n <= 32)
        return nv_rans_bits32(r, which, n);
    uint64_t low = nv_rans_bits32(r, which, 32);
    return low | nv_rans_bits32(r, which, n - 32) << 32;
}

/* The writer's words come out last first. */
struct nv_rans_writer {
    uint64_t state[2];
    struct nv_buf *words;
};

static inline void nv_rans_spill(struct nv_rans_writer *w, unsigned which)
{
    uint32_t word = (uint32_t)w->state[which];

    nv_buf_add(w->words, &word, sizeof(word));
    w->state[which] >>= 32;
}

static inline void nv_rans_put_share(struct nv_rans_writer *w, unsigned which, unsigned begin,
                                     unsigned f)
{
    if (w->state[which] >> (64 - NV_NIBBLE_BITS) >= f)
        nv_rans_spill(w, which);
    uint64_t state = w->state[which];
    w->state[which] = (state / f << NV_NIBBLE_BITS) + state % f + begin;
}

static inline void nv_rans_put_bits32(struct nv_rans_writer *w, unsigned which, uint64_t bits,
                                      unsigned n)
{
    if (n && w->state[which] >> (64 - n))
        nv_rans_spill(w, which);
    w->state[which] = w->state[which] << n | bits;
}

/* Reverse of nv_rans_bits(). */
static inline void nv_rans_put_bits(struct nv_rans_writer *w, unsigned which, uint64_t bits,
                                    unsigned n)
{
    if (n > 32) {
        nv_rans_put_bits32(w, which, bits >> 32, n - 32);
        n = 32;
        bits &= UINT32_MAX;
    }
    nv_rans_put_bits32(w, which, bits, n);
}

void nv_rans_begin(struct nv_rans_writer *w, bool two, struct nv_buf *words);

/* Appends the stream, length first. */
void nv_rans_end(const struct nv_rans_writer *w, bool two, struct nv_buf *out);

/* Takes a stream from the front of *in. */
bool nv_rans_open(struct nv_str *in, bool two, struct nv_rans_reader *ret);

/* Whether all was read, and nothing else. */
bool nv_rans_is_over(const struct nv_rans_reader *r, bool two);

#endif
