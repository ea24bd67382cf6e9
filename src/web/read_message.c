#include "web/read_message.h"

#include <errno.h>
#include <stdio.h>

#include "expo/wire.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* ---- reading -------------------------------------------------------------------------------- */

/* A field of a message. */
struct field {
    uint64_t number;
    unsigned type;
    uint64_t value;      /* of a varint */
    struct nv_str bytes; /* of bytes, and of a message */
};

static bool take_varint(struct nv_str *s, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 10 && i < s->n; i++) {
        unsigned char c = (unsigned char)s->p[i];
        if (i == 9 && c > 1)
            return false;
        value |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            *s = nv_str_from(*s, i + 1);
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct nv_str *s, uint64_t n, struct nv_str *ret)
{
    if (n > s->n)
        return false;
    *ret = (struct nv_str){s->p, (size_t)n};
    *s = nv_str_from(*s, (size_t)n);
    return true;
}

/* Takes the next field. Returns 1; 0 at the end; -EBADMSG. Groups are none of ours. */
static int take_field(struct nv_str *s, struct field *ret)
{
    uint64_t tag, n;
    bool good;

    if (!s->n)
        return 0;
    *ret = (struct field){0};
    if (!take_varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return -EBADMSG;
    ret->number = tag >> 3;
    ret->type = tag & 7;
    switch (ret->type) {
    case VARINT:
        good = take_varint(s, &ret->value);
        break;
    case FIXED64:
        good = take_bytes(s, 8, &ret->bytes);
        break;
    case BYTES:
        good = take_varint(s, &n) && take_bytes(s, n, &ret->bytes);
        break;
    case FIXED32:
        good = take_bytes(s, 4, &ret->bytes);
        break;
    default:
        good = false;
    }
    return good ? 1 : -EBADMSG;
}

/* How many fields of a number there are, all of `type`; or -EBADMSG. */
static ssize_t count_fields(struct nv_str message, unsigned number, unsigned type)
{
    struct field field;
    ssize_t n = 0;
    int r;

    while ((r = take_field(&message, &field)) > 0) {
        if (field.number != number)
            continue;
        if (field.type != type)
            return -EBADMSG;
        n++;
    }
    return r < 0 ? r : n;
}

static bool is_kind(const struct field *field, unsigned number, unsigned type)
{
    return field->number == number && field->type == type;
}

static int parse_matcher(struct nv_str message, struct nv_matcher *ret, char *error)
{
    struct field field;
    uint64_t op = 0;
    struct nv_str name = {"", 0}, value = {"", 0};
    int r;

    while ((r = take_field(&message, &field)) > 0) {
        if (is_kind(&field, 1, VARINT))
            op = field.value;
        else if (is_kind(&field, 2, BYTES))
            name = field.bytes;
        else if (is_kind(&field, 3, BYTES))
            value = field.bytes;
        else if (field.number <= 3)
            return -EBADMSG;
    }
    if (r < 0 || op > NV_MATCH_NOT_REGEX) /* the numbers are the same */
        return -EBADMSG;
    r = nv_matcher_init(ret, (enum nv_match_op)op, name, value, error);
    return r == -EINVAL ? -EBADMSG : r;
}

static int parse_query(struct nv_str message, struct nv_arena *memory, struct nv_read_query *ret,
                       char *error)
{
    struct field field;
    ssize_t n = count_fields(message, 3, BYTES);
    int r = 0;

    if (n < 0)
        return (int)n;
    if (n > NV_READ_MATCHERS_MAX) {
        snprintf(error, NV_READ_ERROR_MAX, "more than %d matchers", NV_READ_MATCHERS_MAX);
        return -E2BIG;
    }
    ret->matchers = nv_arena_alloc(memory, ((size_t)n + 1) * sizeof(*ret->matchers));
    if (!ret->matchers)
        return -ENOMEM;
    while (r >= 0 && (r = take_field(&message, &field)) > 0) {
        if (is_kind(&field, 1, VARINT)) {
            ret->from_ms = (int64_t)field.value;
        } else if (is_kind(&field, 2, VARINT)) {
            ret->to_ms = (int64_t)field.value;
        } else if (field.number == 3) {
            r = parse_matcher(field.bytes, &ret->matchers[ret->n], error);
            ret->n += r == 0;
        } else if (field.number < 3) {
            return -EBADMSG;
        }
    }
    return r;
}

/* The kinds of answer as they are listed, packed or not. The first that we have wins; SAMPLES where none is listed. */
static int choose_kind(struct nv_str message, struct nv_read_request *ret)
{
    struct field field;
    bool any = false, found = false;
    int r;

    ret->kind = NV_READ_SAMPLES;
    while ((r = take_field(&message, &field)) > 0) {
        if (field.number != 2)
            continue;
        if (field.type != VARINT && field.type != BYTES)
            return -EBADMSG;
        do {
            if (field.type == BYTES && field.bytes.n && !take_varint(&field.bytes, &field.value))
                return -EBADMSG;
            any = true;
            if (!found && field.value <= NV_READ_CHUNKS) {
                ret->kind = (enum nv_read_kind)field.value;
                found = true;
            }
        } while (field.type == BYTES && field.bytes.n);
    }
    return r < 0 ? r : any && !found ? -ENOTSUP : 0;
}

static int parse_queries(struct nv_str message, struct nv_arena *memory,
                         struct nv_read_request *ret, char *error)
{
    struct field field;
    ssize_t n = count_fields(message, 1, BYTES);
    int r = 0;

    if (n < 0)
        return (int)n;
    if (n > NV_READ_QUERIES_MAX) {
        snprintf(error, NV_READ_ERROR_MAX, "more than %d queries", NV_READ_QUERIES_MAX);
        return -E2BIG;
    }
    ret->queries = nv_arena_alloc(memory, ((size_t)n + 1) * sizeof(*ret->queries));
    if (!ret->queries)
        return -ENOMEM;
    while (r >= 0 && (r = take_field(&message, &field)) > 0) {
        if (field.number != 1)
            continue;
        ret->queries[ret->n] = (struct nv_read_query){0};
        r = parse_query(field.bytes, memory, &ret->queries[ret->n++], error);
    }
    return r;
}

int nv_read_request_parse(struct nv_str message, struct nv_arena *memory,
                          struct nv_read_request *ret, char error[NV_READ_ERROR_MAX])
{
    *ret = (struct nv_read_request){0};
    snprintf(error, NV_READ_ERROR_MAX, "the request is no ReadRequest");

    int r = choose_kind(message, ret);
    if (r == -ENOTSUP)
        snprintf(error, NV_READ_ERROR_MAX,
                 "server does not support any of the requested response types");
    if (r == 0)
        r = parse_queries(message, memory, ret, error);
    if (r < 0)
        nv_read_request_done(ret);
    return r;
}

void nv_read_request_done(struct nv_read_request *request)
{
    for (size_t i = 0; i < request->n; i++)
        for (size_t k = 0; k < request->queries[i].n; k++)
            nv_matcher_done(&request->queries[i].matchers[k]);
    request->n = 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static const struct nv_wire_field label_field = {1, NULL}, label_name = {1, NULL},
                                  label_value = {2, NULL};

static void put_varint(struct nv_buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        nv_buf_char(out, (char)(value | 0x80));
    nv_buf_char(out, (char)value);
}

void nv_read_put_head(struct nv_buf *out, unsigned field, size_t length)
{
    put_varint(out, (uint64_t)field << 3 | BYTES);
    put_varint(out, length);
}

void nv_read_put_labels(struct nv_buf *out, const struct nv_label *labels, size_t n_labels)
{
    struct nv_wire wire = {.out = out, .form = NV_WIRE_BINARY};

    for (size_t i = 0; i < n_labels; i++) {
        size_t mark = nv_wire_open(&wire, label_field);
        nv_wire_str(&wire, label_name, labels[i].name);
        nv_wire_str(&wire, label_value, labels[i].value);
        nv_wire_close(&wire, mark);
    }
}

/* A Sample of TimeSeries: many, so without detours. Its time takes ten bytes at most. */
static void put_sample(struct nv_buf *out, double value, int64_t time_ms)
{
    enum { HEAD = 2, VALUE = 9, ROOM = HEAD + VALUE + 11 };
    uint64_t time = (uint64_t)time_ms, bits;

    if (!nv_buf_room(out, ROOM))
        return;
    unsigned char *first = (unsigned char *)out->p + out->n, *at = first + HEAD;
    memcpy(&bits, &value, sizeof(bits));
    *at++ = 1 << 3 | FIXED64;
    for (unsigned i = 0; i < 8; i++)
        *at++ = (unsigned char)(bits >> (8 * i));
    *at++ = 2 << 3 | VARINT;
    for (; time >= 0x80; time >>= 7)
        *at++ = (unsigned char)(time | 0x80);
    *at++ = (unsigned char)time;
    first[0] = 2 << 3 | BYTES;
    first[1] = (unsigned char)(at - first - HEAD);
    out->n += (size_t)(at - first);
}

/* The fields of Histogram. */
// clang-format off
static const struct nv_wire_field
    h_histogram = {4, NULL}, h_count = {1, NULL}, h_count_float = {2, NULL}, h_sum = {3, NULL}, h_schema = {4, NULL},
    h_zero_threshold = {5, NULL}, h_zero_count = {6, NULL}, h_zero_count_float = {7, NULL}, h_reset_hint = {14, NULL},
    h_time = {15, NULL}, h_custom = {16, NULL}, span_offset = {1, NULL}, span_length = {2, NULL};

static const struct side {
    struct nv_wire_field span, delta, count;
} negative = {{8, NULL}, {9, NULL}, {10, NULL}}, positive = {{11, NULL}, {12, NULL}, {13, NULL}};
// clang-format on

static void put_doubles(struct nv_wire *wire, struct nv_wire_field field, const double *values,
                        uint32_t n)
{
    if (!n)
        return;
    nv_read_put_head(wire->out, field.number, n * sizeof(double));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        for (unsigned k = 0; k < 8; k++)
            nv_buf_char(wire->out, (char)(bits >> (8 * k)));
    }
}

/* Differences of whole counts. */
static void put_deltas(struct nv_wire *wire, struct nv_wire_field field, const double *counts,
                       uint32_t n)
{
    int64_t last = 0;

    if (!n)
        return;
    size_t mark = nv_wire_open(wire, field);
    for (uint32_t i = 0; i < n; i++) {
        int64_t count = (int64_t)counts[i], delta = count - last;
        put_varint(wire->out, (uint64_t)delta << 1 ^ (uint64_t)(delta >> 63));
        last = count;
    }
    nv_wire_close(wire, mark);
}

static void put_side(struct nv_wire *wire, const struct side *side, bool is_float,
                     const struct nv_span *spans, uint32_t n_spans, const double *counts,
                     uint32_t n)
{
    for (uint32_t i = 0; i < n_spans; i++) {
        size_t mark = nv_wire_open(wire, side->span);
        nv_wire_zigzag(wire, span_offset, spans[i].offset);
        nv_wire_u64(wire, span_length, spans[i].length);
        nv_wire_close(wire, mark);
    }
    if (is_float)
        put_doubles(wire, side->count, counts, n);
    else
        put_deltas(wire, side->delta, counts, n);
}

/* Whether a count can go as an integer, the differences to it included. */
static bool is_whole(double count)
{
    return count >= 0 && count < 0x1p62 && count == (double)(int64_t)count;
}

static bool all_whole(const double *counts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!is_whole(counts[i]))
            return false;
    return true;
}

static void put_histogram(struct nv_buf *out, const struct nv_histogram *h, int64_t time_ms)
{
    struct nv_wire wire = {.out = out, .form = NV_WIRE_BINARY};
    bool real = h->is_float || !is_whole(h->count) || !is_whole(h->zero_count) ||
                !all_whole(h->positive, h->n_positive) || !all_whole(h->negative, h->n_negative);
    size_t mark = nv_wire_open(&wire, h_histogram);

    if (real)
        nv_wire_double(&wire, h_count_float, h->count);
    else
        nv_wire_u64(&wire, h_count, (uint64_t)h->count);
    nv_wire_double(&wire, h_sum, h->sum);
    nv_wire_zigzag(&wire, h_schema, h->schema);
    nv_wire_double(&wire, h_zero_threshold, h->zero_threshold);
    if (real)
        nv_wire_double(&wire, h_zero_count_float, h->zero_count);
    else
        nv_wire_u64(&wire, h_zero_count, (uint64_t)h->zero_count);
    put_side(&wire, &negative, real, h->negative_spans, h->n_negative_spans, h->negative,
             h->n_negative);
    put_side(&wire, &positive, real, h->positive_spans, h->n_positive_spans, h->positive,
             h->n_positive);
    nv_wire_u64(&wire, h_reset_hint, h->reset_hint); /* the numbers are the same */
    nv_wire_i64(&wire, h_time, time_ms);
    put_doubles(&wire, h_custom, h->custom_values, h->n_custom);
    nv_wire_close(&wire, mark);
}

void nv_read_put_samples(struct nv_buf *out, const struct nv_samples *samples, size_t from,
                         size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        const struct nv_histogram *h = samples->histograms ? samples->histograms[i] : NULL;
        if (h)
            put_histogram(out, h, samples->times[i]);
        else
            put_sample(out, samples->values[i], samples->times[i]);
    }
}

/* ---- frames of chunks ----------------------------------------------------------------------- */

static const struct nv_wire_field chunked_series = {1, NULL}, query_index = {2, NULL},
                                  chunk_field = {2, NULL}, chunk_from = {1, NULL},
                                  chunk_to = {2, NULL}, chunk_type = {3, NULL};
enum { CHUNK_DATA = 4 };

/* One chunk. The bytes are made where they belong, behind a length they then get. */
static void put_chunk(struct nv_wire *wire, const struct nv_read_chunks *chunks,
                      const struct nv_samples *samples, size_t *from)
{
    struct nv_buf data = NV_BUF(NV_READ_FRAME_MAX);
    size_t n = chunks->encode(samples, *from, &data);
    size_t mark = nv_wire_open(wire, chunk_field);

    nv_wire_i64(wire, chunk_from, samples->times[*from]);
    nv_wire_i64(wire, chunk_to, samples->times[*from + n - 1]);
    if (!data.failed && data.n) {
        nv_wire_u64(wire, chunk_type, (unsigned char)data.p[0]);
        nv_read_put_head(wire->out, CHUNK_DATA, data.n - 1);
        nv_buf_add(wire->out, data.p + 1, data.n - 1);
    } else {
        wire->out->failed = data.failed ? data.failed : -EFBIG;
    }
    nv_wire_close(wire, mark);
    nv_buf_done(&data);
    *from += n;
}

void nv_read_put_frame(struct nv_buf *out, const struct nv_read_chunks *chunks, size_t query,
                       struct nv_str labels, const struct nv_samples *samples, size_t *from)
{
    struct nv_buf message = NV_BUF(4 * NV_READ_FRAME_MAX + labels.n);
    struct nv_wire wire = {.out = &message, .form = NV_WIRE_BINARY};
    size_t mark = nv_wire_open(&wire, chunked_series);

    nv_buf_str(&message, labels);
    while (*from < samples->n && message.n < NV_READ_FRAME_MAX && !message.failed)
        put_chunk(&wire, chunks, samples, from);
    nv_wire_close(&wire, mark);
    nv_wire_u64(&wire, query_index, query);

    uint32_t crc = chunks->crc32c(0, message.p, message.n);
    const char bytes[] = {(char)(crc >> 24), (char)(crc >> 16), (char)(crc >> 8), (char)crc};
    put_varint(out, message.n);
    nv_buf_add(out, bytes, sizeof(bytes));
    nv_buf_str(out, nv_buf_view(&message));
    if (message.failed)
        out->failed = message.failed;
    nv_buf_done(&message);
}
