/*
 * api_read.c - /api/v1/read: series for another Prometheus, as samples or as chunks.
 *
 * Samples come in one message in one block, both of which begin with their length. So series are read twice: first to
 * learn how long each will be, then to write them, piece by piece; a series that gains samples meanwhile ends where it
 * was measured. Chunks come in frames of a series each, and need none of that. Either way the memory is that of one
 * series, beside the labels of all.
 */
#include <errno.h>

#include "tsdb/fs.h"
#include "tsdb/prom_chunk.h"
#include "web/read_message.h"
#include "web/snappy.h"
#include "web/union.h"

enum {
    REQUEST_MAX = 1 << 20,  /* unpacked */
    SAMPLES_MAX = 50000000, /* of an answer that is samples */
    SLICE = 1024,           /* samples encoded at once */
    SLICE_BYTES_MAX = 64 << 20,
    LABELS_BYTES_MAX = 8 << 20,
};

static const struct nv_read_chunks chunks = {nv_prom_chunk, nv_crc32c};

/* What a series will be in the message. */
struct measure {
    size_t n;       /* samples */
    uint64_t bytes; /* of its TimeSeries */
};

struct reading {
    struct nv_exchange *x;
    struct nv_read_request request;
    const struct nv_label *external;
    size_t n_external;

    struct nv_union *unions; /* a query each */
    struct measure **measures;
    uint64_t *result_bytes; /* of the queries' results */
    uint64_t n_samples, bytes;

    struct nv_samples samples;
    struct nv_buf labels, slice;
    size_t held; /* bytes of the pool */
};

/* ---- labels --------------------------------------------------------------------------------- */

/* Stored series lack the external labels, so that whoever asks for ours asks for their absence. */
static void drop_external(const struct reading *reading, struct nv_read_query *query)
{
    for (size_t i = 0; i < query->n; i++) {
        struct nv_matcher *matcher = &query->matchers[i];
        struct nv_str value = nv_label_value(reading->external, reading->n_external, matcher->name);
        if (matcher->op == NV_MATCH_EQUAL && value.n && nv_str_eq(matcher->value, value))
            matcher->value = (struct nv_str){"", 0};
    }
}

/* The labels of a series and the external ones it lacks, as a message has them, sorted. */
static void encode_labels(struct reading *reading, const struct nv_selected *series)
{
    size_t i = 0, k = 0;

    nv_buf_reset(&reading->labels);
    while (i < series->n_labels || k < reading->n_external) {
        int order = i == series->n_labels ? 1
                    : k == reading->n_external
                        ? -1
                        : nv_str_cmp(series->labels[i].name, reading->external[k].name);
        const struct nv_label *label = order <= 0 ? &series->labels[i] : &reading->external[k];
        nv_read_put_labels(&reading->labels, label, 1);
        i += order <= 0;
        k += order >= 0;
    }
}

/* ---- selecting ------------------------------------------------------------------------------ */

static int select_all(struct reading *reading)
{
    static const struct nv_matcher any = {
        NV_MATCH_NOT_EQUAL, NV_LIT("__name__"), {"", 0},
          NULL
    };
    struct nv_exchange *x = reading->x;
    size_t n = reading->request.n;

    reading->unions = nv_arena_alloc(&x->memory, (n + 1) * sizeof(*reading->unions));
    reading->measures = nv_arena_alloc(&x->memory, (n + 1) * sizeof(*reading->measures));
    reading->result_bytes = nv_arena_alloc(&x->memory, (n + 1) * sizeof(uint64_t));
    if (!reading->unions || !reading->measures || !reading->result_bytes) {
        reading->result_bytes = NULL; /* nothing to end */
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        reading->unions[i] = (struct nv_union){.x = x};
        reading->measures[i] = NULL;
        reading->result_bytes[i] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct nv_read_query *query = &reading->request.queries[i];
        drop_external(reading, query);
        struct nv_matchers_of one = {query->n ? query->matchers : &any, query->n ? query->n : 1};
        struct nv_selector_list selectors = {&one, 1};
        if (nv_union_select(x, &selectors, query->from_ms, query->to_ms, 0, NV_BY_LABELS,
                            &reading->unions[i]))
            return NV_ANSWERED;
    }
    return 0;
}

static int next_series(struct reading *reading, size_t query, size_t i)
{
    struct nv_exchange *x = reading->x;

    if (nv_is_over(x))
        return *x->cancel ? -ECANCELED : -ETIMEDOUT;
    int r = nv_union_read(&reading->unions[query], i, &reading->samples);
    if (r == 0)
        encode_labels(reading, reading->unions[query].at[i].series);
    return r ? r : reading->labels.failed;
}

/* Samples [from, from + SLICE) of the n as bytes. */
static int encode_slice(struct reading *reading, size_t from, size_t n)
{
    nv_buf_reset(&reading->slice);
    nv_read_put_samples(&reading->slice, &reading->samples, from,
                        n - from < SLICE ? n - from : SLICE);
    return reading->slice.failed;
}

/* ---- as samples ----------------------------------------------------------------------------- */

static size_t varint_length(uint64_t value)
{
    size_t n = 1;

    for (; value >= 0x80; value >>= 7)
        n++;
    return n;
}

static int measure_series(struct reading *reading, size_t query, size_t i)
{
    struct measure *measure = &reading->measures[query][i];

    int r = next_series(reading, query, i);
    if (r < 0)
        return r;
    *measure = (struct measure){reading->samples.n, reading->labels.n};
    reading->n_samples += measure->n;
    for (size_t from = 0; from < measure->n && r == 0; from += SLICE) {
        r = encode_slice(reading, from, measure->n);
        measure->bytes += reading->slice.n;
    }
    if (measure->n)
        reading->result_bytes[query] += 1 + varint_length(measure->bytes) + measure->bytes;
    return r;
}

static int measure_all(struct reading *reading)
{
    for (size_t q = 0; q < reading->request.n; q++) {
        size_t n = reading->unions[q].n;
        if (nv_pool_draw(reading->x, &reading->held, n * sizeof(struct measure), "remote read"))
            return NV_ANSWERED;
        reading->measures[q] = calloc(n + 1, sizeof(struct measure));
        if (!reading->measures[q])
            return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
            int r = measure_series(reading, q, i);
            if (r < 0)
                return r;
            if (reading->n_samples > SAMPLES_MAX)
                return nv_refuse(reading->x, 400, "exceeded sample limit (%d)\n", SAMPLES_MAX);
        }
        uint64_t bytes = reading->result_bytes[q];
        reading->bytes += 1 + varint_length(bytes) + bytes;
    }
    return reading->bytes <= UINT32_MAX
               ? 0
               : nv_refuse(reading->x, 400, "the answer would be longer than a block can be\n");
}

/* Bytes on their way into the block. */
struct packing {
    struct nv_snappy snappy;
    char piece[NV_SNAPPY_FRAGMENT];
    size_t n;
    struct nv_buf packed;
    struct nv_writer *out;
};

static void pack_piece(struct packing *packing)
{
    nv_snappy_add(&packing->snappy, (struct nv_str){packing->piece, packing->n}, &packing->packed);
    nv_write_str(packing->out, nv_buf_view(&packing->packed));
    if (packing->packed.failed && !packing->out->failed)
        packing->out->failed = packing->packed.failed;
    nv_buf_reset(&packing->packed);
    packing->n = 0;
}

static void pack(struct packing *packing, struct nv_str bytes)
{
    while (bytes.n) {
        size_t room = sizeof(packing->piece) - packing->n;
        size_t part = bytes.n < room ? bytes.n : room;
        memcpy(packing->piece + packing->n, bytes.p, part);
        packing->n += part;
        bytes = nv_str_from(bytes, part);
        if (packing->n == sizeof(packing->piece))
            pack_piece(packing);
    }
}

static void pack_head(struct packing *packing, uint64_t length)
{
    NV_AUTO_BUF head = NV_BUF(32);

    nv_read_put_head(&head, 1, (size_t)length);
    pack(packing, nv_buf_view(&head));
}

static int pack_series(struct reading *reading, struct packing *packing, size_t query, size_t i)
{
    const struct measure *measure = &reading->measures[query][i];
    uint64_t bytes;

    if (!measure->n)
        return 0;
    int r = next_series(reading, query, i);
    if (r < 0)
        return r;
    if (reading->samples.n < measure->n) /* deleted meanwhile: what was announced cannot be told */
        return -ESTALE;
    bytes = reading->labels.n;
    pack_head(packing, measure->bytes);
    pack(packing, nv_buf_view(&reading->labels));
    for (size_t from = 0; from < measure->n && r == 0; from += SLICE) {
        r = encode_slice(reading, from, measure->n);
        bytes += reading->slice.n;
        pack(packing, nv_buf_view(&reading->slice));
    }
    return r ? r : bytes == measure->bytes ? 0 : -ESTALE;
}

static int pack_all(struct reading *reading, struct packing *packing)
{
    int r = 0;

    nv_snappy_begin(&packing->packed, (uint32_t)reading->bytes);
    for (size_t q = 0; q < reading->request.n; q++) {
        pack_head(packing, reading->result_bytes[q]);
        for (size_t i = 0; i < reading->unions[q].n && r == 0; i++)
            r = packing->out->failed ? packing->out->failed : pack_series(reading, packing, q, i);
    }
    pack_piece(packing);
    return r;
}

static int answer_samples(struct reading *reading)
{
    int r = measure_all(reading);

    if (r)
        return r;
    NV_AUTO_FREE struct packing *packing = malloc(sizeof(*packing));
    if (!packing)
        return -ENOMEM;
    packing->n = 0;
    packing->packed = NV_BUF(2 * NV_SNAPPY_FRAGMENT);
    nv_answer_header(reading->x, "Content-Encoding", "snappy");
    packing->out = nv_raw(reading->x, 200, "application/x-protobuf", true);
    r = pack_all(reading, packing);
    nv_buf_done(&packing->packed);
    return r;
}

/* ---- as chunks ------------------------------------------------------------------------------ */

static int frame_series(struct reading *reading, struct nv_writer *out, struct nv_buf *frame,
                        size_t query, size_t i)
{
    size_t from = 0;

    int r = next_series(reading, query, i);
    while (r == 0 && from < reading->samples.n && !out->failed) {
        nv_buf_reset(frame);
        nv_read_put_frame(frame, &chunks, query, nv_buf_view(&reading->labels), &reading->samples,
                          &from);
        r = frame->failed;
        if (r == 0)
            nv_write_str(out, nv_buf_view(frame));
    }
    return r;
}

static int answer_chunks(struct reading *reading)
{
    NV_AUTO_BUF frame = NV_BUF(SLICE_BYTES_MAX);
    struct nv_writer *out =
        nv_raw(reading->x, 200,
               "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", true);
    int r = 0;

    for (size_t q = 0; q < reading->request.n; q++)
        for (size_t i = 0; i < reading->unions[q].n && r == 0; i++)
            r = out->failed ? out->failed : frame_series(reading, out, &frame, q, i);
    return r;
}

/* ---- the request ---------------------------------------------------------------------------- */

static int parse(struct nv_exchange *x, struct nv_buf *message, struct nv_read_request *ret)
{
    char error[NV_READ_ERROR_MAX];

    int r = nv_snappy_unpack(x->body, REQUEST_MAX, message);
    if (r == -EFBIG)
        return nv_refuse(x, 413, "the request is longer than %d bytes\n", REQUEST_MAX);
    if (r == -EBADMSG)
        return nv_refuse(x, 400, "snappy: corrupt input\n");
    if (r == 0)
        r = nv_read_request_parse(nv_buf_view(message), &x->memory, ret, error);
    return r < 0 && r != -ENOMEM ? nv_refuse(x, 400, "%s\n", error) : r;
}

static int read_series(struct reading *reading)
{
    struct nv_exchange *x = reading->x;

    if (x->api->sources.external_labels) {
        int r = x->api->sources.external_labels(x->api->user, &x->memory, &reading->external,
                                                &reading->n_external);
        if (r < 0)
            return r;
    }
    int r = select_all(reading);
    if (r)
        return r;
    return reading->request.kind == NV_READ_CHUNKS ? answer_chunks(reading)
                                                   : answer_samples(reading);
}

static void reading_done(struct reading *reading)
{
    for (size_t q = 0; reading->result_bytes && q < reading->request.n; q++) {
        nv_union_done(&reading->unions[q]);
        free(reading->measures[q]);
    }
    nv_pool_give_back(reading->x, &reading->held);
    nv_samples_done(&reading->samples);
    nv_buf_done(&reading->labels);
    nv_buf_done(&reading->slice);
    nv_read_request_done(&reading->request);
}

static int post_read(struct nv_exchange *x)
{
    NV_AUTO_BUF message = NV_BUF(REQUEST_MAX);
    struct reading reading = {
        .x = x, .labels = NV_BUF(LABELS_BYTES_MAX), .slice = NV_BUF(SLICE_BYTES_MAX)};

    int r = parse(x, &message, &reading.request);
    if (r == 0)
        r = read_series(&reading);
    reading_done(&reading);
    return r < 0 ? nv_fail_select(x, r, "remote read") : r;
}

const struct nv_endpoint nv_api_read_endpoints[] = {
    {"/api/v1/read",                        NV_POST, NV_ENDPOINT_BODY | NV_ENDPOINT_QUERY, post_read},
    {0},
};
