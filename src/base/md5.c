#include "base/md5.h"

/* Where step i of a round takes its word (first + i * step mod 16), and how far each fourth step turns. */
static const struct {
    unsigned first, step, turns[4];
} rounds[] = {
    {0, 1, {7, 12, 17, 22}},
    {1, 5, {5, 9, 14, 20} },
    {5, 3, {4, 11, 16, 23}},
    {0, 7, {6, 10, 15, 21}},
};

struct md5 {
    uint32_t state[4], sines[64];
};

static uint32_t turn(uint32_t value, unsigned n)
{
    return value << n | value >> (32 - n);
}

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round) {
    case 0:
        return (b & c) | (~b & d);
    case 1:
        return (d & b) | (~d & c);
    case 2:
        return b ^ c ^ d;
    default:
        return c ^ (b | ~d);
    }
}

static void add_block(struct md5 *md5, const unsigned char *block)
{
    uint32_t a = md5->state[0], b = md5->state[1], c = md5->state[2], d = md5->state[3];
    uint32_t words[16];

    for (size_t i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
                   (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
    for (unsigned i = 0; i < 64; i++) {
        unsigned round = i / 16;
        uint32_t word = words[(rounds[round].first + i % 16 * rounds[round].step) % 16];
        uint32_t sum = a + mix(round, b, c, d) + word + md5->sines[i];
        a = d;
        d = c;
        c = b;
        b += turn(sum, rounds[round].turns[i % 4]);
    }
    md5->state[0] += a;
    md5->state[1] += b;
    md5->state[2] += c;
    md5->state[3] += d;
}

void nv_md5(struct nv_str text, unsigned char ret[16])
{
    struct md5 md5 = {
        .state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
    };
    unsigned char last[128] = {0};
    size_t whole = text.n / 64 * 64, rest = text.n - whole, end = rest < 56 ? 64 : 128;

    for (unsigned i = 0; i < 64; i++) /* as the RFC defines its table */
        md5.sines[i] = (uint32_t)(4294967296.0 * fabs(sin(i + 1)));
    for (size_t at = 0; at < whole; at += 64)
        add_block(&md5, (const unsigned char *)text.p + at);
    if (rest)
        memcpy(last, text.p + whole, rest);
    last[rest] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        last[end - 8 + i] = (unsigned char)((uint64_t)text.n * 8 >> 8 * i);
    for (size_t at = 0; at < end; at += 64)
        add_block(&md5, last + at);
    for (unsigned i = 0; i < 16; i++)
        ret[i] = (unsigned char)(md5.state[i / 4] >> 8 * (i % 4));
}
