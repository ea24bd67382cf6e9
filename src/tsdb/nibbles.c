/*
 * nibbles.c - the ends of rANS streams.
 */
#include "tsdb/nibbles.h"

static const uint64_t LEAST = UINT64_C(1) << 32; /* that a state may be while there are words */

void nv_rans_begin(struct nv_rans_writer *w, bool two, struct nv_buf *words)
{
    *w = (struct nv_rans_writer){.words = words};
    w->state[0] = two ? LEAST : 1;
    w->state[1] = two ? LEAST : 0;
    nv_buf_reset(words);
}

void nv_rans_end(const struct nv_rans_writer *w, bool two, struct nv_buf *out)
{
    size_t n = w->words->n / 4, bytes = two ? 8 : (nv_width(w->state[0]) + 7) / 8;

    if (w->words->failed)
        out->failed = w->words->failed;
    nv_put_uvarint(out, bytes + (two ? 8 : 0) + 4 * n);
    for (size_t i = 0; i < bytes; i++)
        nv_put_byte(out, (uint8_t)(w->state[0] >> 8 * i));
    if (two)
        nv_put_u64(out, w->state[1]);
    for (size_t i = n; i-- > 0;) {
        uint32_t word;
        memcpy(&word, w->words->p + 4 * i, sizeof(word));
        for (unsigned shift = 0; shift < 32; shift += 8)
            nv_put_byte(out, (uint8_t)(word >> shift));
    }
}

static uint64_t get_state(struct nv_rans_reader *r, size_t n)
{
    uint64_t state = 0;

    for (size_t i = 0; i < n; i++)
        state |= (uint64_t)*r->p++ << 8 * i;
    return state;
}

bool nv_rans_open(struct nv_str *in, bool two, struct nv_rans_reader *ret)
{
    uint64_t n;

    if (!nv_get_uvarint(in, &n) || n > in->n || (two && (n < 16 || n % 4)))
        return false;
    *ret = (struct nv_rans_reader){.p = (const uint8_t *)in->p, .end = (const uint8_t *)in->p + n};
    in->p += n;
    in->n -= (size_t)n;
    ret->state[0] = get_state(ret, two || n <= 8 ? (n < 8 ? n : 8) : 5 + (n - 5) % 4);
    if (two)
        ret->state[1] = get_state(ret, 8);
    return true;
}

bool nv_rans_is_over(const struct nv_rans_reader *r, bool two)
{
    return r->p == r->end && r->state[0] == (two ? LEAST : 1) && r->state[1] == (two ? LEAST : 0);
}
