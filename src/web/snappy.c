/*
 * snappy.c - blocks: a varint of the length, then elements until it is reached.
 *
 *   tag & 3   0  literal: (tag >> 2) + 1 bytes follow; from 60 on, that many less 59 bytes of length less 1 come first
 *             1  copy of 4 + (tag >> 2 & 7) bytes; offset (tag >> 5) << 8 | next byte
 *             2  copy of (tag >> 2) + 1 bytes; offset in two bytes, least first
 *             3  the same in four bytes; read, never written
 *
 * A copy may overlap itself, and then repeats.
 */
#include "web/snappy.h"

#include "base/assert.h"

enum {
    LITERAL_SHORT = 60, /* lengths up to here stand in the tag */
    COPY_MAX = 64,
    COPY_MIN = 4,
    PATIENCE = 5,   /* a step grows by one after 2^5 looks in vain */
    GROWTH_MAX = 22 /* the densest element: 64 bytes out of three */
};

/* ---- packing -------------------------------------------------------------------------------- */

void nv_snappy_begin(struct nv_buf *out, uint32_t length)
{
    for (; length >= 0x80; length >>= 7)
        nv_buf_char(out, (char)(length | 0x80));
    nv_buf_char(out, (char)length);
}

static uint32_t load(const unsigned char *p)
{
    uint32_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

static void put_literal(struct nv_buf *out, const unsigned char *p, size_t n)
{
    size_t less = n - 1;

    if (n == 0)
        return;
    if (less < LITERAL_SHORT) {
        nv_buf_char(out, (char)(less << 2));
    } else {
        bool two = less > 0xff; /* a fragment needs no more */
        nv_buf_char(out, (char)((LITERAL_SHORT + two) << 2));
        nv_buf_char(out, (char)less);
        if (two)
            nv_buf_char(out, (char)(less >> 8));
    }
    nv_buf_add(out, p, n);
}

static void put_copy(struct nv_buf *out, size_t offset, size_t n)
{
    while (n > COPY_MAX) { /* and leaves no rest that is too short */
        size_t part = n >= COPY_MAX + COPY_MIN ? COPY_MAX : COPY_MAX - COPY_MIN;
        put_copy(out, offset, part);
        n -= part;
    }
    if (n < 12 && offset < 2048) {
        nv_buf_char(out, (char)(1 | (n - COPY_MIN) << 2 | (offset >> 8) << 5));
        nv_buf_char(out, (char)offset);
        return;
    }
    const char bytes[] = {(char)(2 | (n - 1) << 2), (char)offset, (char)(offset >> 8)};
    nv_buf_add(out, bytes, sizeof(bytes));
}

static size_t match_length(const unsigned char *p, size_t from, size_t at, size_t n)
{
    size_t length = COPY_MIN;

    while (at + length < n && p[from + length] == p[at + length])
        length++;
    return length;
}

void nv_snappy_add(struct nv_snappy *snappy, struct nv_str piece, struct nv_buf *out)
{
    const unsigned char *p = (const unsigned char *)piece.p;
    size_t n = piece.n, literal = 0;
    unsigned looks = 1 << PATIENCE;

    nv_assert(n <= NV_SNAPPY_FRAGMENT);
    memset(snappy->table, 0, sizeof(snappy->table)); /* place 0 is looked at like any other */
    for (size_t at = 1; at + sizeof(uint32_t) <= n;) {
        uint32_t word = load(p + at);
        uint16_t *slot = &snappy->table[word * UINT32_C(0x9e3779b1) >> 19];
        size_t from = *slot;
        *slot = (uint16_t)at;
        if (load(p + from) != word) {
            at += looks++ >> PATIENCE;
            continue;
        }
        size_t length = match_length(p, from, at, n);
        put_literal(out, p + literal, at - literal);
        put_copy(out, at - from, length);
        literal = at += length;
        looks = 1 << PATIENCE;
    }
    put_literal(out, p + literal, n - literal);
}

void nv_snappy_pack(struct nv_snappy *snappy, struct nv_str text, struct nv_buf *out)
{
    nv_assert(text.n <= UINT32_MAX);
    nv_snappy_begin(out, (uint32_t)text.n);
    while (text.n) {
        struct nv_str piece = {text.p, text.n < NV_SNAPPY_FRAGMENT ? text.n : NV_SNAPPY_FRAGMENT};
        nv_snappy_add(snappy, piece, out);
        text = nv_str_from(text, piece.n);
    }
}

/* ---- unpacking ------------------------------------------------------------------------------ */

/* What is left of a block, and of the room for it. */
struct unpacking {
    const unsigned char *at, *end;
    unsigned char *first, *to, *to_end;
};

/* A number of `n` bytes, least first. False at the end. */
static bool take_number(struct unpacking *u, size_t n, uint32_t *ret)
{
    if ((size_t)(u->end - u->at) < n)
        return false;
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret |= (uint32_t)*u->at++ << (8 * i);
    return true;
}

static bool take_literal(struct unpacking *u, unsigned tag)
{
    uint32_t less = tag >> 2;

    if (less >= LITERAL_SHORT && !take_number(u, less - LITERAL_SHORT + 1, &less))
        return false;
    size_t n = (size_t)less + 1;
    if ((size_t)(u->end - u->at) < n || (size_t)(u->to_end - u->to) < n)
        return false;
    memcpy(u->to, u->at, n);
    u->at += n;
    u->to += n;
    return true;
}

static bool take_copy(struct unpacking *u, unsigned tag)
{
    static const size_t offset_bytes[] = {0, 1, 2, 4};
    uint32_t offset;

    if (!take_number(u, offset_bytes[tag & 3], &offset))
        return false;
    size_t n = (tag >> 2) + 1;
    if ((tag & 3) == 1) {
        n = (tag >> 2 & 7) + COPY_MIN;
        offset |= (tag >> 5) << 8;
    }
    if (offset == 0 || offset > (size_t)(u->to - u->first) || (size_t)(u->to_end - u->to) < n)
        return false;
    for (size_t i = 0; i < n; i++) /* byte by byte: what it makes it may read */
        u->to[i] = (u->to - offset)[i];
    u->to += n;
    return true;
}

static bool take_length(struct unpacking *u, uint32_t *ret)
{
    uint64_t length = 0;
    unsigned shift = 0;

    do {
        if (u->at == u->end || shift > 28)
            return false;
        length |= (uint64_t)(*u->at & 0x7f) << shift;
        shift += 7;
    } while (*u->at++ & 0x80);
    *ret = (uint32_t)length;
    return length <= UINT32_MAX;
}

int nv_snappy_unpack(struct nv_str block, size_t max, struct nv_buf *out)
{
    struct unpacking u = {(const unsigned char *)block.p, (const unsigned char *)block.p + block.n,
                          NULL, NULL, NULL};
    uint32_t length;

    if (!block.n || !take_length(&u, &length))
        return -EBADMSG;
    if (length > max)
        return -EFBIG;
    if (length / GROWTH_MAX > block.n)
        return -EBADMSG;
    if (!nv_buf_room(out, length))
        return out->failed;
    if (!length)
        return u.at == u.end ? 0 : -EBADMSG;
    u.first = u.to = (unsigned char *)out->p + out->n;
    u.to_end = u.to + length;
    while (u.at < u.end) {
        unsigned tag = *u.at++;
        if (!((tag & 3) == 0 ? take_literal(&u, tag) : take_copy(&u, tag)))
            return -EBADMSG;
    }
    if (u.to != u.to_end)
        return -EBADMSG;
    out->n += length;
    return 0;
}
