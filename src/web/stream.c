#include "web/stream.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"

/* Level 1 packs JSON of samples to an eighth at 150 MB/s; higher ones cost twice as much for a tenth. */
enum {
    LEVEL = 1,
    GZIP_WINDOW = 15 + 16 /* with gzip's frame */,
    MEMORY_LEVEL = 8,
    PIECE = 16 << 10
};

struct nv_packer {
    z_stream z;
    char piece[PIECE];
};

void nv_stream_init(struct nv_stream *stream, struct MHD_Connection *mhd,
                    struct nv_deadline *deadline, const volatile bool *cancel)
{
    *stream = (struct nv_stream){.mhd = mhd, .deadline = deadline, .cancel = cancel};
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->changed, NULL);
}

void nv_stream_done(struct nv_stream *stream)
{
    if (stream->packer)
        deflateEnd(&stream->packer->z);
    free(stream->packer);
    free(stream->ring);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->lock);
}

static struct nv_packer *make_packer(void)
{
    struct nv_packer *packer = calloc(1, sizeof(*packer));

    if (packer && deflateInit2(&packer->z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                               Z_DEFAULT_STRATEGY) != Z_OK) {
        free(packer);
        return NULL;
    }
    return packer;
}

int nv_stream_begin(struct nv_stream *stream, bool packed)
{
    stream->ring = malloc(NV_STREAM_RING);
    if (!stream->ring)
        return -ENOMEM;
    if (packed) {
        stream->packer = make_packer();
        if (!stream->packer)
            return -ENOMEM;
    }
    stream->begun_ns = nv_monotonic_ns();
    return 0;
}

/* ---- the writer ----------------------------------------------------------------------------- */

/* With the lock. A suspended connection cannot go away, so it is there to be resumed. */
static void resume(struct nv_stream *stream)
{
    if (!stream->waiting)
        return;
    stream->waiting = false;
    MHD_resume_connection(stream->mhd);
}

/* With the lock: as much as there is room for. */
static size_t put_some(struct nv_stream *stream, const char *p, size_t n)
{
    size_t at = (stream->from + stream->n) % NV_STREAM_RING, room = NV_STREAM_RING - stream->n;
    size_t straight = NV_STREAM_RING - at;

    n = n < room ? n : room;
    n = n < straight ? n : straight;
    memcpy(stream->ring + at, p, n);
    stream->n += n;
    return n;
}

static int put(struct nv_stream *stream, const char *p, size_t n)
{
    pthread_mutex_lock(&stream->lock);
    while (n && !stream->gone && !__atomic_load_n(stream->cancel, __ATOMIC_RELAXED)) {
        size_t some = put_some(stream, p, n);
        p += some;
        n -= some;
        if (some)
            resume(stream);
        else
            pthread_cond_wait(&stream->changed, &stream->lock);
    }
    pthread_mutex_unlock(&stream->lock);
    return n ? -ECANCELED : 0;
}

static int pack(struct nv_stream *stream, const char *p, size_t n, int flush)
{
    struct nv_packer *packer = stream->packer;
    int r = 0;

    packer->z.next_in = (Bytef *)(uintptr_t)p;
    packer->z.avail_in = (uInt)n;
    do {
        packer->z.next_out = (Bytef *)packer->piece;
        packer->z.avail_out = PIECE;
        if (deflate(&packer->z, flush) == Z_STREAM_ERROR)
            return -EIO;
        r = put(stream, packer->piece, PIECE - packer->z.avail_out);
    } while (r == 0 && packer->z.avail_out == 0);
    return r;
}

int nv_stream_write(struct nv_stream *stream, const char *p, size_t n)
{
    return stream->packer ? pack(stream, p, n, Z_NO_FLUSH) : put(stream, p, n);
}

void nv_stream_end(struct nv_stream *stream, int failed)
{
    if (!failed && stream->packer)
        failed = pack(stream, NULL, 0, Z_FINISH);
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    stream->failed = failed;
    resume(stream);
    pthread_mutex_unlock(&stream->lock);
}

/* ---- the reader ----------------------------------------------------------------------------- */

void nv_stream_leave(struct nv_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->gone = true;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

void nv_stream_wake(struct nv_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

/* The deadline that a client keeps which is as fast as it must be. */
static void set_pace(struct nv_stream *stream)
{
    int64_t due_ms = NV_STREAM_GRACE_MS + (int64_t)(stream->taken / NV_STREAM_RATE) * 1000;
    int64_t past_ms = (nv_monotonic_ns() - stream->begun_ns) / 1000000;

    nv_deadline_set(stream->deadline, due_ms - past_ms);
}

ssize_t nv_stream_read(struct nv_stream *stream, char *to, size_t max)
{
    ssize_t result = 0;

    pthread_mutex_lock(&stream->lock);
    if (stream->n) {
        size_t straight = NV_STREAM_RING - stream->from, n = stream->n;
        n = n < straight ? n : straight;
        n = n < max ? n : max;
        memcpy(to, stream->ring + stream->from, n);
        stream->from = (stream->from + n) % NV_STREAM_RING;
        stream->n -= n;
        stream->taken += n;
        set_pace(stream);
        if (stream->n <=
            NV_STREAM_RING / 2) /* so that the thread wakes for more than a few bytes */
            pthread_cond_signal(&stream->changed);
        result = (ssize_t)n;
    } else if (stream->ended) {
        result =
            stream->failed ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->waiting = true;
        MHD_suspend_connection(stream->mhd);
    }
    pthread_mutex_unlock(&stream->lock);
    return result;
}
