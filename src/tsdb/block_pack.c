/*
 * What is packed begins with how: 0, the bytes follow as they are; 1, their number follows and then a zstd
 * frame of them.
 */
#include "tsdb/block_parts.h"

enum { AS_IS, ZSTD };
enum { WELL = 15, FAST = 3 }; /* some ms for a page; higher ones hardly help what is this short */

int nv_array_room(void **at, size_t *room, size_t n, size_t size)
{
    if (n < *room)
        return 0;
    size_t wanted = *room ? *room * 2 : 64;
    void *larger = reallocarray(*at, wanted, size);
    if (!larger)
        return -ENOMEM;
    *at = larger;
    *room = wanted;
    return 0;
}

int nv_pack(ZSTD_CCtx *zstd, bool fast, struct nv_str raw, struct nv_buf *out)
{
    size_t begin = out->n;

    nv_buf_char(out, ZSTD);
    nv_put_uvarint(out, raw.n);
    size_t head = out->n, bound = ZSTD_compressBound(raw.n);
    if (!nv_buf_room(out, bound))
        return out->failed;
    size_t n = ZSTD_compressCCtx(zstd, out->p + head, bound, raw.p, raw.n, fast ? FAST : WELL);
    if (!ZSTD_isError(n) && head - begin + n <= raw.n) {
        out->n = head + n;
        return 0;
    }
    out->n = begin;
    nv_buf_char(out, AS_IS);
    nv_buf_str(out, raw);
    return out->failed;
}

int nv_unpack(struct nv_str packed, struct nv_arena *arena, struct nv_str *ret)
{
    uint64_t n;

    if (!packed.n)
        return -EBADMSG;
    struct nv_str in = nv_str_from(packed, 1);
    if (packed.p[0] == AS_IS) {
        *ret = in;
        return 0;
    }
    if (packed.p[0] != ZSTD || !nv_get_uvarint(&in, &n) || n > NV_PACKED_MAX)
        return -EBADMSG;
    char *p = nv_arena_alloc(arena, (size_t)n + 1);
    if (!p)
        return -ENOMEM;
    size_t got = ZSTD_decompress(p, (size_t)n, in.p, in.n);
    if (ZSTD_isError(got) || got != n)
        return -EBADMSG;
    *ret = (struct nv_str){p, (size_t)n};
    return 0;
}
