/*
 * varint.c - integers of as many bytes as they need: seven bits a byte, lowest first, the top bit says
 * that more follow; signed ones zig-zagged (0, -1, 1, -2 ... become 0, 1, 2, 3 ...).
 */
#include "tsdb/codec.h"

enum { UVARINT_BYTES = 10 };

void nv_put_uvarint(struct nv_buf *out, uint64_t value)
{
    uint8_t bytes[UVARINT_BYTES];
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    nv_buf_add(out, bytes, n);
}

void nv_put_varint(struct nv_buf *out, int64_t value)
{
    nv_put_uvarint(out, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

bool nv_get_uvarint(struct nv_str *in, uint64_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < in->n && i < UVARINT_BYTES; i++) {
        uint64_t byte = (uint8_t)in->p[i];
        if (i == UVARINT_BYTES - 1 && byte > 1)
            return false;
        value |= (byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *ret = value;
            in->p += i + 1;
            in->n -= i + 1;
            return true;
        }
    }
    return false;
}

bool nv_get_varint(struct nv_str *in, int64_t *ret)
{
    uint64_t value;

    if (!nv_get_uvarint(in, &value))
        return false;
    *ret = (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
    return true;
}
