#include "expo/proto_in.h"

#include "base/index.h"

/* Numbers of fields, by message. */
enum { FAMILY_NAME = 1, FAMILY_HELP, FAMILY_TYPE, FAMILY_METRIC, FAMILY_UNIT };
enum { METRIC_LABEL = 1, METRIC_TIME = 6 };
enum { LABEL_NAME = 1, LABEL_VALUE };
enum { SUMMARY_COUNT = 1, SUMMARY_SUM, SUMMARY_QUANTILE };
enum { BUCKET_COUNT = 1, BUCKET_BOUND, BUCKET_COUNT_FLOAT = 4 };
enum {
    HISTOGRAM_COUNT = 1,
    HISTOGRAM_SUM,
    HISTOGRAM_BUCKET,
    HISTOGRAM_COUNT_FLOAT,
    HISTOGRAM_SCHEMA,
    HISTOGRAM_ZERO_THRESHOLD,
    HISTOGRAM_ZERO_COUNT,
    HISTOGRAM_ZERO_COUNT_FLOAT,
    HISTOGRAM_NEGATIVE_SPAN,
    HISTOGRAM_NEGATIVE_DELTA,
    HISTOGRAM_NEGATIVE_COUNT,
    HISTOGRAM_POSITIVE_SPAN,
    HISTOGRAM_POSITIVE_DELTA,
    HISTOGRAM_POSITIVE_COUNT,
};

enum { SCHEMA_LEAST = -4, SCHEMA_MOST = 8 };

/* Which field of a metric has its value. */
static const uint32_t value_fields[NV_PROTO_TYPES] = {
    [NV_PROTO_COUNTER] = 3, [NV_PROTO_GAUGE] = 2,     [NV_PROTO_SUMMARY] = 4,
    [NV_PROTO_UNTYPED] = 5, [NV_PROTO_HISTOGRAM] = 7, [NV_PROTO_GAUGE_HISTOGRAM] = 7,
};

static struct nv_str text(struct nv_wire_value field)
{
    return field.bytes.p ? field.bytes : (struct nv_str){"", 0};
}

bool nv_proto_family(struct nv_str message, struct nv_proto_family *ret)
{
    struct nv_wire_in in = nv_wire_in(message);
    struct nv_wire_value field;

    *ret = (struct nv_proto_family){
        {"", 0},
        {"", 0},
        {"", 0},
        message, NV_PROTO_COUNTER
    };
    while (nv_wire_next(&in, &field)) {
        if (field.number == FAMILY_NAME)
            ret->name = text(field);
        else if (field.number == FAMILY_HELP)
            ret->help = text(field);
        else if (field.number == FAMILY_UNIT)
            ret->unit = text(field);
        else if (field.number == FAMILY_TYPE)
            ret->type = field.u64;
    }
    return !in.failed;
}

static bool read_metric(const struct nv_proto_family *family, struct nv_proto_metric *metric)
{
    uint64_t hashes[2] = {0, 0};
    struct nv_wire_in in = nv_wire_in(metric->message);
    struct nv_wire_value field;

    while (nv_wire_next(&in, &field)) {
        if (field.number == METRIC_LABEL) {
            hashes[1] = nv_hash_keyed(text(field).p, text(field).n);
            hashes[0] = nv_hash_keyed(hashes, sizeof(hashes));
        } else if (field.number == METRIC_TIME) {
            metric->time_ms = (int64_t)field.u64;
        } else if (field.number == value_fields[family->type]) {
            metric->value = text(field);
        }
    }
    metric->labels = hashes[0];
    return !in.failed;
}

bool nv_proto_next_metric(struct nv_wire_in *in, const struct nv_proto_family *family,
                          struct nv_proto_metric *ret)
{
    struct nv_wire_value field;

    while (nv_wire_next(in, &field)) {
        if (field.number != FAMILY_METRIC)
            continue;
        *ret = (struct nv_proto_metric){
            .message = text(field), .value = {"", 0}
        };
        in->failed = !read_metric(family, ret);
        return !in->failed;
    }
    return false;
}

static bool label(struct nv_str message, struct nv_label *ret)
{
    struct nv_wire_in in = nv_wire_in(message);
    struct nv_wire_value field;

    *ret = (struct nv_label){
        {"", 0},
        {"", 0}
    };
    while (nv_wire_next(&in, &field)) {
        if (field.number == LABEL_NAME)
            ret->name = text(field);
        else if (field.number == LABEL_VALUE)
            ret->value = text(field);
    }
    return !in.failed;
}

bool nv_proto_labels(const struct nv_proto_metric *metric, struct nv_label *labels, size_t max,
                     size_t *ret_n)
{
    struct nv_wire_in in = nv_wire_in(metric->message);
    struct nv_wire_value field;
    size_t n = 0;

    while (nv_wire_next(&in, &field)) {
        if (field.number != METRIC_LABEL)
            continue;
        if (n == max || !label(text(field), &labels[n]))
            return false;
        n++;
    }
    *ret_n = n;
    return true;
}

bool nv_proto_single(struct nv_str message, double *ret)
{
    struct nv_wire_in in = nv_wire_in(message);
    struct nv_wire_value field;

    *ret = 0;
    while (nv_wire_next(&in, &field))
        if (field.number == 1)
            *ret = nv_wire_as_double(field.u64);
    return !in.failed;
}

bool nv_proto_summary(struct nv_str message, struct nv_proto_summary *ret)
{
    struct nv_wire_in in = nv_wire_in(message);
    struct nv_wire_value field;

    *ret = (struct nv_proto_summary){.quantiles = in};
    while (nv_wire_next(&in, &field)) {
        if (field.number == SUMMARY_COUNT)
            ret->count = (double)field.u64;
        else if (field.number == SUMMARY_SUM)
            ret->sum = nv_wire_as_double(field.u64);
    }
    return !in.failed;
}

/* The next field of that number, as a message of a bound and a value. */
static bool next_part(struct nv_wire_in *in, uint32_t number, struct nv_str *ret)
{
    struct nv_wire_value field;

    while (nv_wire_next(in, &field)) {
        if (field.number != number)
            continue;
        *ret = text(field);
        return true;
    }
    return false;
}

bool nv_proto_next_quantile(struct nv_wire_in *in, struct nv_proto_part *ret)
{
    struct nv_wire_value field;
    struct nv_str message;

    if (!next_part(in, SUMMARY_QUANTILE, &message))
        return false;
    struct nv_wire_in inner = nv_wire_in(message);
    *ret = (struct nv_proto_part){0, 0};
    while (nv_wire_next(&inner, &field)) {
        if (field.number == 1)
            ret->bound = nv_wire_as_double(field.u64);
        else if (field.number == 2)
            ret->value = nv_wire_as_double(field.u64);
    }
    in->failed = inner.failed;
    return !in->failed;
}

bool nv_proto_next_bucket(struct nv_wire_in *in, struct nv_proto_part *ret)
{
    struct nv_wire_value field;
    struct nv_str message;
    double whole = 0, real = 0;

    if (!next_part(in, HISTOGRAM_BUCKET, &message))
        return false;
    struct nv_wire_in inner = nv_wire_in(message);
    ret->bound = 0;
    while (nv_wire_next(&inner, &field)) {
        if (field.number == BUCKET_COUNT)
            whole = (double)field.u64;
        else if (field.number == BUCKET_COUNT_FLOAT)
            real = nv_wire_as_double(field.u64);
        else if (field.number == BUCKET_BOUND)
            ret->bound = nv_wire_as_double(field.u64);
    }
    ret->value = real > 0 ? real : whole;
    in->failed = inner.failed;
    return !in->failed;
}

bool nv_proto_histogram(struct nv_str message, struct nv_proto_histogram *ret)
{
    struct nv_wire_in in = nv_wire_in(message), buckets = in;
    double count = 0, count_float = 0, zero_float = 0;
    struct nv_wire_value field;
    struct nv_proto_part part;

    *ret = (struct nv_proto_histogram){.message = message};
    while (nv_wire_next(&in, &field)) {
        double real = nv_wire_as_double(field.u64);
        if (field.number == HISTOGRAM_COUNT)
            count = (double)field.u64;
        else if (field.number == HISTOGRAM_COUNT_FLOAT)
            count_float = real;
        else if (field.number == HISTOGRAM_SUM)
            ret->sum = real;
        else if (field.number == HISTOGRAM_ZERO_COUNT_FLOAT)
            zero_float = real;
        ret->is_native |= field.number == HISTOGRAM_POSITIVE_SPAN ||
                          field.number == HISTOGRAM_NEGATIVE_SPAN ||
                          (field.number == HISTOGRAM_ZERO_THRESHOLD && real > 0) ||
                          (field.number == HISTOGRAM_ZERO_COUNT && field.u64);
    }
    ret->is_native |= zero_float > 0;
    ret->is_float = count_float > 0 || zero_float > 0;
    ret->count = count_float > 0 ? count_float : count;
    while (nv_proto_next_bucket(&buckets, &part)) {
        ret->n_buckets++;
        ret->has_infinity |= part.bound == (double)INFINITY;
    }
    return !in.failed && !buckets.failed;
}

/* ---- native histograms ---------------------------------------------------------------------- */

/* The fields of one side. */
struct side {
    uint32_t span, delta, count;
};
static const struct side negative_side = {HISTOGRAM_NEGATIVE_SPAN, HISTOGRAM_NEGATIVE_DELTA,
                                          HISTOGRAM_NEGATIVE_COUNT};
static const struct side positive_side = {HISTOGRAM_POSITIVE_SPAN, HISTOGRAM_POSITIVE_DELTA,
                                          HISTOGRAM_POSITIVE_COUNT};

struct counts {
    double *at; /* NULL: only counted */
    size_t n;
    int64_t running; /* of deltas */
    bool failed;
};

static void add_count(struct counts *counts, bool is_float, uint64_t bits)
{
    double value = nv_wire_as_double(bits);

    if (!is_float) {
        counts->failed |=
            __builtin_add_overflow(counts->running, nv_wire_as_zigzag(bits), &counts->running);
        value = (double)counts->running;
    }
    if (counts->at)
        counts->at[counts->n] = value;
    counts->n++;
}

/* One number, or many that are packed. */
static void add_counts(struct counts *counts, bool is_float, const struct nv_wire_value *field)
{
    struct nv_wire_in in = nv_wire_in(field->bytes);
    uint64_t bits = field->u64;

    if (!field->bytes.p) {
        add_count(counts, is_float, bits);
        return;
    }
    while (in.at < in.end && !counts->failed) {
        if (is_float ? !nv_wire_fixed(&in, 8, &bits) : nv_wire_varint(&in.at, in.end, &bits) != 1)
            counts->failed = true;
        else
            add_count(counts, is_float, bits);
    }
}

static bool read_span(struct nv_str message, struct nv_span *ret)
{
    struct nv_wire_in in = nv_wire_in(message);
    struct nv_wire_value field;

    *ret = (struct nv_span){0, 0};
    while (nv_wire_next(&in, &field)) {
        if (field.number == 1)
            ret->offset = (int32_t)nv_wire_as_zigzag(field.u64 & UINT32_MAX);
        else if (field.number == 2)
            ret->length = (uint32_t)field.u64;
    }
    return !in.failed;
}

/* Spans of a side; those without buckets only move the next one. */
static bool read_spans(struct nv_wire_in in, uint32_t number, struct nv_span *spans,
                       uint32_t *ret_n, uint64_t *ret_buckets)
{
    struct nv_wire_value field;
    int64_t moved = 0;
    uint32_t n = 0, seen = 0;

    *ret_buckets = 0;
    while (nv_wire_next(&in, &field)) {
        struct nv_span span;
        if (field.number != number)
            continue;
        if (!read_span(text(field), &span) || (seen++ && span.offset < 0))
            return false;
        moved += span.offset;
        if (moved < INT32_MIN || moved > INT32_MAX)
            return false;
        if (!span.length)
            continue;
        *ret_buckets += span.length;
        spans[n++] = (struct nv_span){(int32_t)moved, span.length};
        moved = 0;
    }
    *ret_n = n;
    return true;
}

static size_t count_fields(struct nv_wire_in in, uint32_t number)
{
    struct nv_wire_value field;
    size_t n = 0;

    while (nv_wire_next(&in, &field))
        n += field.number == number;
    return n;
}

static void read_counts(struct nv_wire_in in, const struct side *side, bool is_float,
                        struct counts *counts)
{
    struct nv_wire_value field;

    counts->n = 0;
    counts->running = 0;
    while (nv_wire_next(&in, &field) && !counts->failed)
        if (field.number == (is_float ? side->count : side->delta))
            add_counts(counts, is_float, &field);
}

static int read_side(const struct nv_proto_histogram *from, const struct side *side,
                     struct nv_arena *memory, const struct nv_span **ret_spans,
                     uint32_t *ret_n_spans, const double **ret_counts, uint32_t *ret_n,
                     const char **ret_why)
{
    struct nv_wire_in in = nv_wire_in(from->message);
    struct counts counts = {0};
    uint64_t buckets;

    read_counts(in, side, from->is_float, &counts);
    struct nv_span *spans =
        nv_arena_alloc(memory, (count_fields(in, side->span) + 1) * sizeof(*spans));
    counts.at = nv_arena_alloc(memory, (counts.n + 1) * sizeof(double));
    if (!spans || !counts.at)
        return -ENOMEM;
    read_counts(in, side, from->is_float, &counts);
    if (counts.failed || !read_spans(in, side->span, spans, ret_n_spans, &buckets)) {
        *ret_why = "histogram has a span that goes backwards, or counts that are none";
        return -EBADMSG;
    }
    if (buckets != counts.n) {
        *ret_why = "histogram spans specify different number of buckets than provided";
        return -EBADMSG;
    }
    for (size_t i = 0; i < counts.n; i++) {
        if (counts.at[i] < 0) {
            *ret_why = "histogram has a bucket whose observation count is negative";
            return -EBADMSG;
        }
    }
    *ret_spans = spans;
    *ret_counts = counts.at;
    *ret_n = (uint32_t)counts.n;
    return 0;
}

static void read_head(const struct nv_proto_histogram *from, struct nv_histogram *ret)
{
    struct nv_wire_in in = nv_wire_in(from->message);
    struct nv_wire_value field;
    double zero = 0, zero_float = 0;

    while (nv_wire_next(&in, &field)) {
        if (field.number == HISTOGRAM_SCHEMA)
            ret->schema = (int32_t)nv_wire_as_zigzag(field.u64 & UINT32_MAX);
        else if (field.number == HISTOGRAM_ZERO_THRESHOLD)
            ret->zero_threshold = nv_wire_as_double(field.u64);
        else if (field.number == HISTOGRAM_ZERO_COUNT)
            zero = (double)field.u64;
        else if (field.number == HISTOGRAM_ZERO_COUNT_FLOAT)
            zero_float = nv_wire_as_double(field.u64);
    }
    ret->zero_count = from->is_float ? zero_float : zero;
    ret->count = from->count;
    ret->sum = from->sum;
    ret->is_float = from->is_float;
}

/* Of whole counts the buckets have to add up; of fractions they hardly ever do exactly, so nobody asks. */
static bool adds_up(const struct nv_histogram *h)
{
    double found = h->zero_count;

    for (uint32_t i = 0; i < h->n_positive; i++)
        found += h->positive[i];
    for (uint32_t i = 0; i < h->n_negative; i++)
        found += h->negative[i];
    return h->is_float || (isnan(h->sum) ? found <= h->count : found == h->count);
}

int nv_proto_native(const struct nv_proto_histogram *from, bool is_gauge, struct nv_arena *memory,
                    struct nv_histogram *ret, const char **ret_why)
{
    *ret = (struct nv_histogram){
        .reset_hint = is_gauge ? NV_RESET_GAUGE : NV_RESET_UNKNOWN,
    };
    read_head(from, ret);
    if (ret->schema < SCHEMA_LEAST || ret->schema > SCHEMA_MOST) {
        *ret_why = "histogram has an invalid schema";
        return -EBADMSG;
    }
    int r = read_side(from, &negative_side, memory, &ret->negative_spans, &ret->n_negative_spans,
                      &ret->negative, &ret->n_negative, ret_why);
    if (r == 0)
        r = read_side(from, &positive_side, memory, &ret->positive_spans, &ret->n_positive_spans,
                      &ret->positive, &ret->n_positive, ret_why);
    if (r == 0 && !adds_up(ret)) {
        *ret_why =
            "histogram's observation count should equal the number of observations found in the "
            "buckets";
        r = -EBADMSG;
    }
    return r;
}
