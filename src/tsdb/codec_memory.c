/*
 * codec_memory.c - the scratch memory of one user of the codecs.
 */
#include "tsdb/codec_parts.h"

struct nv_codec *nv_codec_new(void)
{
    struct nv_codec *codec = calloc(1, sizeof(*codec));

    if (!codec)
        return NULL;
    codec->text = NV_BUF(NV_COLUMN_MAX);
    codec->other = NV_BUF(NV_COLUMN_MAX);
    codec->words = NV_BUF(NV_COLUMN_MAX);
    return codec;
}

static void free_arrays(struct nv_codec *codec)
{
    free(codec->ints);
    free(codec->near);
    free(codec->residuals);
    free(codec->trial);
    free(codec->runs);
    free(codec->shares);
    free(codec->doubles);
    free(codec->odd);
    codec->ints = codec->near = codec->residuals = codec->trial = codec->runs = NULL;
    codec->shares = NULL;
    codec->doubles = NULL;
    codec->odd = NULL;
    codec->room = 0;
}

void nv_codec_trim(struct nv_codec *codec)
{
    free_arrays(codec);
    nv_buf_done(&codec->text);
    nv_buf_done(&codec->other);
    nv_buf_done(&codec->words);
}

void nv_codec_free(struct nv_codec *codec)
{
    if (codec)
        nv_codec_trim(codec);
    free(codec);
}

/* Not zeroed: what a column does not use stays untouched, and out of memory. */
int nv_codec_room(struct nv_codec *codec, size_t n)
{
    size_t room = 256;

    if (n <= codec->room)
        return 0;
    while (room < n)
        room *= 2;
    free_arrays(codec);
    codec->ints = malloc(room * sizeof(*codec->ints));
    codec->near = malloc(room * sizeof(*codec->near));
    codec->residuals = malloc(room * sizeof(*codec->residuals));
    codec->trial = malloc(room * sizeof(*codec->trial));
    codec->runs = malloc(room * sizeof(*codec->runs));
    codec->shares = malloc(room * 2 * sizeof(*codec->shares));
    codec->doubles = malloc(room * sizeof(*codec->doubles));
    codec->odd = malloc((room / NV_ODD_PER_ROWS + 2) * sizeof(*codec->odd));
    if (!codec->ints || !codec->near || !codec->residuals || !codec->trial || !codec->runs ||
        !codec->shares || !codec->doubles || !codec->odd) {
        free_arrays(codec);
        return -ENOMEM;
    }
    codec->room = room;
    return 0;
}
