/*
 * stream.h - an answer on its way from the thread that writes it to the event loop that sends it.
 *
 *   shape      a ring of NV_STREAM_RING bytes; the writer waits while it is full, the connection is suspended while it
 *              is empty
 *   pace       whoever takes less than NV_STREAM_RATE bytes a second, after NV_STREAM_GRACE_MS, is cut off
 *   packed     optionally as gzip: one stream, by zlib, for libdeflate cannot pack what is not all there yet
 *   threads    one writes, the event loop reads
 */
#ifndef NV_WEB_STREAM_H
#define NV_WEB_STREAM_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "web/deadline.h"

enum {
    NV_STREAM_RING = 128 << 10,
    NV_STREAM_RATE = 32 << 10,
    NV_STREAM_GRACE_MS = 30000,
};

struct nv_stream {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *ring;
    size_t from, n; /* bytes that wait: n of them, from `from` on */
    uint64_t taken; /* by the event loop */
    int64_t begun_ns;
    bool ended, gone,
        waiting; /* no more comes; nobody reads; the connection is suspended for want of bytes */
    int failed;  /* negative: to be cut off */
    const volatile bool *cancel;
    struct nv_packer *packer; /* NULL: as it is */
    struct MHD_Connection *mhd;
    struct nv_deadline *deadline; /* of the connection */
};

void nv_stream_init(struct nv_stream *stream, struct MHD_Connection *mhd,
                    struct nv_deadline *deadline, const volatile bool *cancel);
void nv_stream_done(struct nv_stream *stream);

/* Before the first write. -ENOMEM. */
NV_MUST_USE int nv_stream_begin(struct nv_stream *stream, bool packed);

/* Writes all of it. Returns 0; -ECANCELED where nobody reads any more; -ENOMEM. */
NV_MUST_USE int nv_stream_write(struct nv_stream *stream, const char *p, size_t n);

/* Says that no more comes; failed: that the answer is to be cut off. */
void nv_stream_end(struct nv_stream *stream, int failed);

/* Nobody reads any more. From any thread, more than once. */
void nv_stream_leave(struct nv_stream *stream);

/* Looks at *cancel again. */
void nv_stream_wake(struct nv_stream *stream);

/* For libmicrohttpd. Called by an event loop. */
ssize_t nv_stream_read(struct nv_stream *stream, char *to, size_t max);

#endif
