/*
 * utf8.h - reading UTF-8 that may be broken.
 */
#ifndef NV_BASE_UTF8_H
#define NV_BASE_UTF8_H

#include <nodevitals/scan.h>

/* Length of the character at the front of s (not empty), and the character in *ret; 0 where the bytes
 * are none: over-long, a surrogate, beyond U+10FFFF, cut short. */
static inline size_t nv_utf8_decode(struct nv_str s, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    uint32_t value = n < 2 ? c : c & (0xffu >> (n + 1));

    if (n == 0 || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        unsigned char next = (unsigned char)s.p[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3f);
    }
    if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *ret = value;
    return n;
}

/* Length of the character at the front of s; 0 where there is none. */
static inline size_t nv_utf8_length(struct nv_str s)
{
    uint32_t c;

    return s.n ? nv_utf8_decode(s, &c) : 0;
}

/* Writes a character (no surrogate). Returns how many of the four bytes it took. */
static inline size_t nv_utf8_encode(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(0xf00u >> n | c);
    return n;
}

static inline bool nv_utf8_valid(struct nv_str s)
{
    uint32_t c;

    while (s.n) {
        uint64_t eight;
        if (s.n >= sizeof(eight)) { /* nearly all text is ASCII */
            memcpy(&eight, s.p, sizeof(eight));
            if (!(eight & UINT64_C(0x8080808080808080))) {
                s = nv_str_from(s, sizeof(eight));
                continue;
            }
        }
        size_t n = nv_utf8_decode(s, &c);
        if (!n)
            return false;
        s = nv_str_from(s, n);
    }
    return true;
}

#endif
