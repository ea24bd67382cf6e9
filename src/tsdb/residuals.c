/*
 * residuals.c - n signed numbers, mostly small, as bytes; n is the reader's to know.
 *
 *   byte      how
 *     0 SAME      varint: the number they all are
 *     1 PACKED    groups of 16: a byte w, then their zig-zagged values in w bits each, lowest bit first,
 *                 to the next whole byte
 *     2 OFFSET    varint m, then groups as above, of the values less m
 *   nothing at all for n = 0
 */
#include "tsdb/codec_parts.h"

enum how { SAME, PACKED, OFFSET };
enum { GROUP = 16 };

static void put_groups(const int64_t *r, size_t n, bool offset, int64_t least, struct nv_buf *out)
{
    struct nv_bit_writer bits = nv_bit_writer(out);
    uint64_t u[GROUP];

    for (size_t at = 0; at < n; at += GROUP) {
        size_t many = n - at < GROUP ? n - at : GROUP;
        uint64_t all = 0;
        for (size_t i = 0; i < many; i++) {
            u[i] = offset ? (uint64_t)nv_minus(r[at + i], least) : nv_zigzag(r[at + i]);
            all |= u[i];
        }
        unsigned width = nv_width(all);
        nv_put_byte(out, width);
        for (size_t i = 0; i < many; i++)
            nv_put_bits(&bits, u[i], width);
        nv_bits_end(&bits);
    }
}

static int get_groups(struct nv_str *in, int64_t *r, size_t n, bool offset, int64_t least)
{
    for (size_t at = 0; at < n; at += GROUP) {
        size_t many = n - at < GROUP ? n - at : GROUP;
        uint8_t width;
        if (!nv_get_byte(in, &width) || width > 64)
            return -EBADMSG;
        size_t bytes = nv_bits_bytes(many * width);
        if (bytes > in->n)
            return -EBADMSG;
        struct nv_bit_reader bits = nv_bit_reader((struct nv_str){in->p, bytes});
        for (size_t i = 0; i < many; i++) {
            uint64_t u = nv_get_bits(&bits, width);
            r[at + i] = offset ? nv_plus((int64_t)u, least) : nv_unzigzag(u);
        }
        in->p += bytes;
        in->n -= bytes;
    }
    return 0;
}

void nv_residuals_put(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *r,
                      size_t n, struct nv_buf *out)
{
    (void)codec;
    (void)effort;
    if (!n)
        return;
    int64_t least = r[0], most = r[0];
    for (size_t i = 1; i < n; i++) {
        least = r[i] < least ? r[i] : least;
        most = r[i] > most ? r[i] : most;
    }
    if (least == most) {
        nv_put_byte(out, SAME);
        nv_put_varint(out, least);
    } else if (least >= 0 || most <= 0) {
        nv_put_byte(out, OFFSET);
        nv_put_varint(out, least);
        put_groups(r, n, true, least, out);
    } else {
        nv_put_byte(out, PACKED);
        put_groups(r, n, false, 0, out);
    }
}

int nv_residuals_get(struct nv_codec *codec, struct nv_str *in, int64_t *r, size_t n)
{
    uint8_t how;
    int64_t least = 0;

    (void)codec;
    if (!n)
        return 0;
    if (!nv_get_byte(in, &how) || how > OFFSET)
        return -EBADMSG;
    if (how != PACKED && !nv_get_varint(in, &least))
        return -EBADMSG;
    if (how != SAME)
        return get_groups(in, r, n, how == OFFSET, least);
    for (size_t i = 0; i < n; i++)
        r[i] = least;
    return 0;
}
