/*
 * codec_xor.c - true floats, each as its XOR with the one before; lowest bit first.
 *
 *   64 bits   the first value
 *   0         the next is the same
 *   1 0       differs within the last window: as many bits as that has
 *   1 1       6 bits: zeros above the window; 6 bits: its width less one; the window's bits
 *
 * The first difference opens a window. The last byte is filled with zeros.
 */
#include "tsdb/codec_parts.h"

struct window {
    unsigned above, width; /* width 0: none yet */
};

static bool fits(struct window window, uint64_t x)
{
    unsigned below = 64 - window.above - window.width;

    return window.width && (unsigned)__builtin_clzll(x) >= window.above &&
           (unsigned)__builtin_ctzll(x) >= below;
}

static struct window window_of(uint64_t x)
{
    unsigned above = (unsigned)__builtin_clzll(x);

    return (struct window){above, 64 - above - (unsigned)__builtin_ctzll(x)};
}

void nv_xor_put(struct nv_codec *codec, const double *values, size_t n, struct nv_buf *out)
{
    struct nv_bit_writer bits = nv_bit_writer(out);
    struct window window = {0};

    (void)codec;
    nv_put_bits(&bits, nv_bits_of(values[0]), 64);
    for (size_t i = 1; i < n; i++) {
        uint64_t x = nv_bits_of(values[i]) ^ nv_bits_of(values[i - 1]);
        if (!x) {
            nv_put_bits(&bits, 0, 1);
            continue;
        }
        struct window own = window_of(x);
        if (fits(window, x) && window.width <= own.width + 12) {
            nv_put_bits(&bits, 1, 2);
        } else {
            window = own;
            nv_put_bits(&bits, 3 | (uint64_t)own.above << 2 | (uint64_t)(own.width - 1) << 8, 14);
        }
        nv_put_bits(&bits, x >> (64 - window.above - window.width), window.width);
    }
    nv_bits_end(&bits);
}

int nv_xor_get(struct nv_str *in, double *values, size_t n)
{
    struct nv_bit_reader bits = nv_bit_reader(*in);
    struct window window = {0};
    uint64_t value = nv_get_bits(&bits, 64);

    values[0] = nv_double_of(value);
    for (size_t i = 1; i < n && !bits.failed; i++) {
        if (nv_get_bits(&bits, 1)) {
            if (nv_get_bits(&bits, 1)) {
                window.above = (unsigned)nv_get_bits(&bits, 6);
                window.width = (unsigned)nv_get_bits(&bits, 6) + 1;
            }
            if (!window.width || window.above + window.width > 64)
                return -EBADMSG;
            value ^= nv_get_bits(&bits, window.width) << (64 - window.above - window.width);
        }
        values[i] = nv_double_of(value);
    }
    if (bits.failed || bits.end - bits.p >= 4 || bits.n + 8 * (size_t)(bits.end - bits.p) >= 8)
        return -EBADMSG;
    in->p += in->n;
    in->n = 0;
    return 0;
}
