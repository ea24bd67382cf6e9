/*
 * wire_in.h - protobuf fields read where they lie.
 *
 *     while (nv_wire_next(&in, &field)) switch (field.number) ...
 *     if (in.failed) ...
 *
 * What is not known is passed over; groups, which nobody writes, are a failure. A field of another type than expected is
 * the reader's to refuse: its other members are zero.
 */
#ifndef NV_EXPO_WIRE_IN_H
#define NV_EXPO_WIRE_IN_H

#include <nodevitals/scan.h>

struct nv_wire_in {
    const unsigned char *at, *end;
    bool failed;
};

struct nv_wire_value {
    uint32_t number;
    uint64_t u64;        /* varints, and the bits of fixed ones */
    struct nv_str bytes; /* strings, messages, packed numbers; else p is NULL */
};

static inline struct nv_wire_in nv_wire_in(struct nv_str s)
{
    const unsigned char *at = (const unsigned char *)s.p;

    return (struct nv_wire_in){at, at ? at + s.n : at, false};
}

/* 1: a varint was read; 0: it goes on beyond the end; -1: it is none. */
static inline int nv_wire_varint(const unsigned char **at, const unsigned char *end, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (*at == end)
            return 0;
        unsigned char byte = *(*at)++;
        if (shift == 63 && byte > 1)
            return -1;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return 1;
        }
    }
    return -1;
}

static inline bool nv_wire_fixed(struct nv_wire_in *in, size_t n, uint64_t *ret)
{
    *ret = 0;
    if ((size_t)(in->end - in->at) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        *ret |= (uint64_t)in->at[i] << (8 * i);
    in->at += n;
    return true;
}

static inline bool nv_wire_bytes(struct nv_wire_in *in, struct nv_str *ret)
{
    uint64_t n;

    if (nv_wire_varint(&in->at, in->end, &n) != 1 || n > (size_t)(in->end - in->at))
        return false;
    *ret = (struct nv_str){(const char *)in->at, (size_t)n};
    in->at += n;
    return true;
}

static inline bool nv_wire_next(struct nv_wire_in *in, struct nv_wire_value *ret)
{
    uint64_t tag;
    bool good = false;

    if (in->at == in->end || in->failed)
        return false;
    *ret = (struct nv_wire_value){0};
    if (nv_wire_varint(&in->at, in->end, &tag) == 1 && tag >> 3 && tag >> 3 <= 0x1fffffff) {
        ret->number = (uint32_t)(tag >> 3);
        switch (tag & 7) {
        case 0:
            good = nv_wire_varint(&in->at, in->end, &ret->u64) == 1;
            break;
        case 1:
            good = nv_wire_fixed(in, 8, &ret->u64);
            break;
        case 2:
            good = nv_wire_bytes(in, &ret->bytes);
            break;
        case 5:
            good = nv_wire_fixed(in, 4, &ret->u64);
            break;
        default:
            break;
        }
    }
    in->failed = !good;
    return good;
}

static inline double nv_wire_as_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline int64_t nv_wire_as_zigzag(uint64_t u)
{
    return (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
}

#endif
