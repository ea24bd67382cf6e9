/*
 * codec_times.c - time columns: integers as codec_integer.c has them, which takes what the interval has in common
 * as their factor and the interval itself by differences of differences.
 */
#include "tsdb/codec_parts.h"

int nv_codec_encode_times(struct nv_codec *codec, enum nv_codec_effort effort, const int64_t *times,
                          size_t n, struct nv_buf *out)
{
    nv_assert(n >= 1 && n <= NV_CODEC_ROWS_MAX);
    int r = nv_codec_room(codec, n);
    if (r < 0)
        return r;
    nv_integers_put(codec, effort, times, n, out);
    return out->failed;
}

int nv_codec_decode_times(struct nv_codec *codec, struct nv_str column, int64_t *times, size_t n)
{
    if (n < 1 || n > NV_CODEC_ROWS_MAX)
        return -EBADMSG;
    int r = nv_codec_room(codec, n);
    if (r < 0)
        return r;
    r = nv_integers_get(codec, &column, times, n);
    if (r < 0)
        return r;
    for (size_t i = 1; i < n; i++) {
        if (times[i] <= times[i - 1])
            return -EBADMSG;
    }
    return column.n ? -EBADMSG : 0;
}
