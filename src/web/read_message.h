/*
 * read_message.h - the messages of remote read: what is asked, and series as its answers have them.
 *
 *   request    queries, each of matchers and a range; the kinds of answer that are welcome, best first. Hints and what
 *              is not known are passed over
 *   samples    a TimeSeries: labels, samples, histograms
 *   chunks     frames of ChunkedReadResponse: length, CRC32C, message; one series each, which goes on in the next frame
 *              when it is long
 *   bounds     NV_READ_QUERIES_MAX queries, NV_READ_MATCHERS_MAX matchers each
 *   ownership  views into the message; nv_read_request_done() ends the matchers
 */
#ifndef NV_WEB_READ_MESSAGE_H
#define NV_WEB_READ_MESSAGE_H

#include "base/buf.h"
#include "metric/queryable.h"

enum {
    NV_READ_QUERIES_MAX = 64,
    NV_READ_MATCHERS_MAX = 1000,
    NV_READ_ERROR_MAX = NV_REGEX_ERROR_MAX + 128,
    NV_READ_FRAME_MAX = 1 << 20, /* of chunks, about */
};

enum nv_read_kind { NV_READ_SAMPLES, NV_READ_CHUNKS };

struct nv_read_query {
    int64_t from_ms, to_ms;
    struct nv_matcher *matchers;
    size_t n;
};

struct nv_read_request {
    struct nv_read_query *queries;
    size_t n;
    enum nv_read_kind kind; /* of the answer, of those we have */
};

/* Returns 0; -EBADMSG, -E2BIG, -ENOTSUP (no kind of answer fits) with a line in `error`; -ENOMEM. */
NV_MUST_USE int nv_read_request_parse(struct nv_str message, struct nv_arena *memory,
                                      struct nv_read_request *ret, char error[NV_READ_ERROR_MAX]);
void nv_read_request_done(struct nv_read_request *request);

/* Appends a TimeSeries without the tag and length in front: its labels; `n` samples from `from` on. */
void nv_read_put_labels(struct nv_buf *out, const struct nv_label *labels, size_t n_labels);
void nv_read_put_samples(struct nv_buf *out, const struct nv_samples *samples, size_t from,
                         size_t n);

/* The front of a field that is a message or bytes of so many bytes. */
void nv_read_put_head(struct nv_buf *out, unsigned field, size_t length);

/* What makes chunks: the store's, lent by the agent. */
struct nv_read_chunks {
    /* Appends a byte for the kind and then a chunk that begins with sample `from`. Returns how many samples it took. */
    size_t (*encode)(const struct nv_samples *samples, size_t from, struct nv_buf *out);
    uint32_t (*crc32c)(uint32_t crc, const void *p, size_t n);
};

/* Appends a frame with samples from *from on, which it moves; `labels` as nv_read_put_labels() wrote them. */
void nv_read_put_frame(struct nv_buf *out, const struct nv_read_chunks *chunks, size_t query,
                       struct nv_str labels, const struct nv_samples *samples, size_t *from);

#endif
