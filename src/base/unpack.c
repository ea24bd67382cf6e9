#include "base/unpack.h"

#include <errno.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

enum { GZIP_WINDOW = 15 + 16 /* with gzip's frame, and no other */ };

struct nv_unpack {
    ZSTD_DStream *zstd; /* NULL: gzip */
    z_stream gzip;
    bool whole; /* a member or frame has ended, and none has begun */
    char piece[NV_UNPACK_PIECE];
};

static bool is(struct nv_str coding, const char *name)
{
    return coding.n == strlen(name) && strncasecmp(coding.p, name, coding.n) == 0;
}

int nv_unpack_new(struct nv_str coding, struct nv_unpack **ret)
{
    bool zstd = is(coding, "zstd");

    *ret = NULL;
    if (!zstd && !is(coding, "gzip") && !is(coding, "x-gzip"))
        return 0;
    NV_AUTO(nv_unpack) *unpack = calloc(1, sizeof(*unpack));
    if (!unpack)
        return -ENOMEM;
    if (zstd)
        unpack->zstd = ZSTD_createDStream();
    if (zstd ? !unpack->zstd : inflateInit2(&unpack->gzip, GZIP_WINDOW) != Z_OK)
        return -ENOMEM;
    if (zstd && ZSTD_isError(ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax,
                                                    NV_UNPACK_WINDOW_LOG)))
        return -ENOMEM;
    *ret = nv_take(unpack);
    return 0;
}

void nv_unpack_free(struct nv_unpack *unpack)
{
    if (!unpack)
        return;
    ZSTD_freeDStream(unpack->zstd);
    inflateEnd(&unpack->gzip);
    free(unpack);
}

/* Takes some bytes from the front of *in. Returns how many came out. */
static ssize_t step_gzip(struct nv_unpack *unpack, struct nv_str *in)
{
    z_stream *z = &unpack->gzip;

    if (unpack->whole && inflateReset(z) != Z_OK)
        return -EBADMSG;
    z->next_in = (Bytef *)(uintptr_t)in->p; /* which it only reads */
    z->avail_in = in->n < UINT32_MAX ? (uInt)in->n : UINT32_MAX;
    z->next_out = (Bytef *)unpack->piece;
    z->avail_out = sizeof(unpack->piece);
    int r = inflate(z, Z_NO_FLUSH);
    if (r == Z_MEM_ERROR)
        return -ENOMEM;
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
        return -EBADMSG;
    unpack->whole = r == Z_STREAM_END;
    *in = nv_str_from(*in, (size_t)((const char *)z->next_in - in->p));
    return (ssize_t)(sizeof(unpack->piece) - z->avail_out);
}

static ssize_t step_zstd(struct nv_unpack *unpack, struct nv_str *in)
{
    ZSTD_inBuffer from = {in->p, in->n, 0};
    ZSTD_outBuffer to = {unpack->piece, sizeof(unpack->piece), 0};
    size_t r = ZSTD_decompressStream(unpack->zstd, &to, &from);

    if (ZSTD_isError(r))
        return -EBADMSG;
    unpack->whole = r == 0;
    *in = nv_str_from(*in, from.pos);
    return (ssize_t)to.pos;
}

int nv_unpack_feed(struct nv_unpack *unpack, struct nv_str bytes,
                   int (*take)(void *user, struct nv_str piece), void *user)
{
    bool full = false; /* then there may be more, without another byte */

    while (bytes.n || full) {
        size_t before = bytes.n;
        ssize_t n = unpack->zstd ? step_zstd(unpack, &bytes) : step_gzip(unpack, &bytes);
        int r = n > 0 ? take(user, (struct nv_str){unpack->piece, (size_t)n}) : (int)n;
        if (r < 0)
            return r;
        full = n == NV_UNPACK_PIECE && !unpack->whole;
        if (n == 0 && bytes.n == before)
            return bytes.n ? -EBADMSG : 0; /* it would not go on */
    }
    return 0;
}

bool nv_unpack_is_whole(const struct nv_unpack *unpack)
{
    return unpack->whole;
}
