#include "expo/expo.h"

#include <errno.h>
#include <libdeflate.h>
#include <zstd.h>

enum { GZIP_LEVEL = 1, ZSTD_LEVEL = 1 };

struct nv_compressor {
    struct libdeflate_compressor *gzip; /* made when first asked for, as is the other */
    ZSTD_CCtx *zstd;
};

struct nv_compressor *nv_compressor_new(void)
{
    return calloc(1, sizeof(struct nv_compressor));
}

void nv_compressor_free(struct nv_compressor *compressor)
{
    if (!compressor)
        return;
    if (compressor->gzip)
        libdeflate_free_compressor(compressor->gzip);
    ZSTD_freeCCtx(compressor->zstd);
    free(compressor);
}

static int compress_gzip(struct nv_compressor *compressor, struct nv_str in, struct nv_buf *out)
{
    if (!compressor->gzip)
        compressor->gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
    if (!compressor->gzip)
        return -ENOMEM;

    size_t bound = libdeflate_gzip_compress_bound(compressor->gzip, in.n);
    if (!nv_buf_room(out, bound))
        return -ENOMEM;
    out->n += libdeflate_gzip_compress(compressor->gzip, in.p, in.n, out->p + out->n, bound);
    return 0;
}

static int compress_zstd(struct nv_compressor *compressor, struct nv_str in, struct nv_buf *out)
{
    if (!compressor->zstd)
        compressor->zstd = ZSTD_createCCtx();
    if (!compressor->zstd || !nv_buf_room(out, ZSTD_compressBound(in.n)))
        return -ENOMEM;

    size_t n = ZSTD_compressCCtx(compressor->zstd, out->p + out->n, ZSTD_compressBound(in.n), in.p,
                                 in.n, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        return -ENOMEM;
    out->n += n;
    return 0;
}

int nv_compress(struct nv_compressor *compressor, enum nv_expo_coding coding, struct nv_str in,
                struct nv_buf *out)
{
    if (coding == NV_CODING_GZIP)
        return compress_gzip(compressor, in, out);
    if (coding == NV_CODING_ZSTD)
        return compress_zstd(compressor, in, out);
    nv_buf_str(out, in);
    return out->failed ? -ENOMEM : 0;
}
