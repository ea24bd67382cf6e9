/*
 * protobuf.c - io.prometheus.client.MetricFamily, one message a family.
 *
 *   parts        series of a histogram or summary that share their labels but le or quantile become one
 *                Metric; a native histogram of the same labels joins it
 *   counts       as integers where they are whole, else in the fields for floats
 *   native       spans and, for integer histograms, differences of the counts. One that would look
 *                classic (no span, no zero bucket) carries a span of nothing, which marks it as native
 *   custom       bounds have no place in the message: they go as classic buckets
 *   names        as elsewhere; a counter keeps its _total. No timestamps
 */
#include "expo/series.h"

#include "expo/wire.h"

// clang-format off
static const struct {
    uint32_t number;
    const char *word;
    struct nv_wire_field value; /* of a Metric, for this type */
} types[] = {
    [NV_COUNTER]   = {0, "COUNTER",   {3, "counter"}},
    [NV_GAUGE]     = {1, "GAUGE",     {2, "gauge"}},
    [NV_SUMMARY]   = {2, "SUMMARY",   {4, "summary"}},
    [NV_UNTYPED]   = {3, "UNTYPED",   {5, "untyped"}},
    [NV_HISTOGRAM] = {4, "HISTOGRAM", {7, "histogram"}},
};

static const struct nv_wire_field
    family_name = {1, "name"}, family_help = {2, "help"}, family_type = {3, "type"},
    family_metric = {4, "metric"},
    metric_label = {1, "label"}, pair_name = {1, "name"}, pair_value = {2, "value"},
    single_value = {1, "value"},
    sample_count = {1, "sample_count"}, sample_sum = {2, "sample_sum"},
    summary_quantile = {3, "quantile"}, quantile_bound = {1, "quantile"}, quantile_value = {2, "value"},
    sample_count_float = {4, "sample_count_float"}, /* histograms only, as are those below */
    histogram_bucket = {3, "bucket"}, bucket_count = {1, "cumulative_count"},
    bucket_bound = {2, "upper_bound"}, bucket_count_float = {4, "cumulative_count_float"},
    native_schema = {5, "schema"}, native_zero_threshold = {6, "zero_threshold"},
    native_zero_count = {7, "zero_count"}, native_zero_count_float = {8, "zero_count_float"},
    span_offset = {1, "offset"}, span_length = {2, "length"};

/* The fields of one side of a native histogram. */
struct side {
    struct nv_wire_field span, delta, count;
};
static const struct side
    negative = {{9, "negative_span"}, {10, "negative_delta"}, {11, "negative_count"}},
    positive = {{12, "positive_span"}, {13, "positive_delta"}, {14, "positive_count"}};
// clang-format on

/* A Metric being written from its parts. */
struct group {
    const struct nv_series *series; /* its last part; NULL: none is open */
    size_t metric, value;           /* marks */
    bool has_count;
    double last; /* the count of the last classic bucket */
};

static void count_field(struct nv_wire *wire, struct nv_wire_field whole, struct nv_wire_field real,
                        double value)
{
    if (nv_expo_is_u64(value))
        nv_wire_u64(wire, whole, (uint64_t)value);
    else
        nv_wire_double(wire, real, value);
}

static void bucket(struct nv_wire *wire, double bound, double cumulative)
{
    size_t mark = nv_wire_open(wire, histogram_bucket);

    count_field(wire, bucket_count, bucket_count_float, cumulative);
    nv_wire_double(wire, bucket_bound, bound);
    nv_wire_close(wire, mark);
}

static void span(struct nv_wire *wire, const struct side *side, int32_t offset, uint32_t length)
{
    size_t mark = nv_wire_open(wire, side->span);

    nv_wire_zigzag(wire, span_offset, offset);
    nv_wire_u64(wire, span_length, length);
    nv_wire_close(wire, mark);
}

static void buckets(struct nv_wire *wire, const struct side *side, bool real,
                    const struct nv_span *spans, uint32_t n_spans, const double *counts, uint32_t n)
{
    int64_t last = 0;

    for (uint32_t i = 0; i < n_spans; i++)
        span(wire, side, spans[i].offset, spans[i].length);
    for (uint32_t i = 0; i < n; i++) {
        if (real) {
            nv_wire_double(wire, side->count, counts[i]);
        } else {
            int64_t count = (int64_t)counts[i];
            nv_wire_zigzag(wire, side->delta, count - last);
            last = count;
        }
    }
}

/* Whether all counts can go as differences of integers, as those of an integer histogram can. */
static bool is_whole(const struct nv_histogram *h)
{
    bool whole = !h->is_float && nv_expo_is_u64(h->count) && nv_expo_is_u64(h->zero_count);

    for (uint32_t i = 0; whole && i < h->n_positive; i++)
        whole = nv_expo_is_u64(h->positive[i]) && h->positive[i] < 0x1p62;
    for (uint32_t i = 0; whole && i < h->n_negative; i++)
        whole = nv_expo_is_u64(h->negative[i]) && h->negative[i] < 0x1p62;
    return whole;
}

static void exponential(struct nv_wire *wire, const struct nv_histogram *h)
{
    bool real = !is_whole(h);

    if (real)
        nv_wire_double(wire, sample_count_float, h->count);
    else
        nv_wire_u64(wire, sample_count, (uint64_t)h->count);
    nv_wire_double(wire, sample_sum, h->sum);
    nv_wire_zigzag(wire, native_schema, h->schema);
    nv_wire_double(wire, native_zero_threshold, h->zero_threshold);
    if (real)
        nv_wire_double(wire, native_zero_count_float, h->zero_count);
    else
        nv_wire_u64(wire, native_zero_count, (uint64_t)h->zero_count);
    buckets(wire, &negative, real, h->negative_spans, h->n_negative_spans, h->negative,
            h->n_negative);
    buckets(wire, &positive, real, h->positive_spans, h->n_positive_spans, h->positive,
            h->n_positive);
    if (!h->n_negative_spans && !h->n_positive_spans && !(h->zero_threshold > 0) &&
        !(h->zero_count > 0))
        span(wire, &positive, 0, 0);
}

static void custom(struct nv_wire *wire, const struct nv_histogram *h)
{
    struct nv_expo_bucket b = {0};

    count_field(wire, sample_count, sample_count_float, h->count);
    nv_wire_double(wire, sample_sum, h->sum);
    while (nv_expo_next_bucket(h, &b))
        bucket(wire, b.bound, b.cumulative);
}

void nv_expo_protobuf_native(struct nv_wire *wire, const struct nv_histogram *h)
{
    if (h->schema == NV_HISTOGRAM_CUSTOM)
        custom(wire, h);
    else
        exponential(wire, h);
}

static void labels(const struct nv_expo_writer *w, struct nv_wire *wire,
                   const struct nv_series *series, size_t n)
{
    NV_AUTO_BUF escaped = NV_BUF(NV_EXPO_ESCAPED_MAX);

    for (size_t i = 0; i < n; i++) {
        size_t mark = nv_wire_open(wire, metric_label);
        struct nv_str name = series->labels[i].name;
        if (!series->legacy) {
            nv_buf_reset(&escaped);
            nv_expo_label_name(&escaped, name, w->escaping);
            name = nv_buf_view(&escaped);
        }
        nv_wire_str(wire, pair_name, name);
        nv_wire_str(wire, pair_value, series->labels[i].value);
        nv_wire_close(wire, mark);
    }
    if (escaped.failed)
        w->out->failed = escaped.failed;
}

static void close_group(struct nv_wire *wire, struct group *group, enum nv_type type)
{
    if (!group->series)
        return;
    if (!group->has_count && type == NV_HISTOGRAM && group->last >= 0)
        count_field(wire, sample_count, sample_count_float, group->last);
    nv_wire_close(wire, group->value);
    nv_wire_close(wire, group->metric);
    group->series = NULL;
}

static void open_group(const struct nv_expo_writer *w, struct nv_wire *wire, struct group *group,
                       const struct nv_series *series, enum nv_type type)
{
    *group = (struct group){.series = series, .last = -1};
    group->metric = nv_wire_open(wire, family_metric);
    labels(w, wire, series, nv_expo_n_own(series));
    group->value = nv_wire_open(wire, types[type].value);
}

/* One part of a histogram or summary. Beside a native histogram, sum and count are its own. A summary has
 * no field for a count that is not whole. */
static void part(struct nv_wire *wire, struct group *group, const struct nv_series *series,
                 enum nv_type type, double value)
{
    if (series->role == NV_ROLE_QUANTILE) {
        size_t mark = nv_wire_open(wire, summary_quantile);
        nv_wire_double(wire, quantile_bound, series->bound);
        nv_wire_double(wire, quantile_value, value);
        nv_wire_close(wire, mark);
    } else if (series->role == NV_ROLE_BUCKET) {
        bucket(wire, series->bound, value);
        group->last = value;
    } else if (series->role == NV_ROLE_SUM && !group->has_count) {
        nv_wire_double(wire, sample_sum, value);
    } else if (series->role == NV_ROLE_COUNT && !group->has_count) {
        if (type == NV_HISTOGRAM || nv_expo_is_u64(value))
            count_field(wire, sample_count, sample_count_float, value);
        group->has_count = true;
    }
}

static void composed(const struct nv_expo_writer *w, struct nv_wire *wire, struct group *group,
                     const struct nv_layout_family *family, uint32_t column)
{
    const struct nv_series *series = nv_layout_series(w->frame->layout, column);
    const struct nv_histogram *native = nv_expo_native(w->frame, column);

    if (series->role == NV_ROLE_VALUE && !native)
        return; /* a bare value under a histogram's name has no place in the message */
    if (group->series && nv_expo_same_part(group->series, series))
        return;
    if (group->series && !nv_expo_same_metric(group->series, series))
        close_group(wire, group, family->type);
    if (!group->series)
        open_group(w, wire, group, series, family->type);
    group->series = series;
    if (!native) {
        part(wire, group, series, family->type, w->frame->values[column]);
        return;
    }
    nv_expo_protobuf_native(wire, native);
    group->has_count = true;
}

/* A counter, gauge or untyped. */
static void single(const struct nv_expo_writer *w, struct nv_wire *wire,
                   const struct nv_layout_family *family, uint32_t column)
{
    const struct nv_series *series = nv_layout_series(w->frame->layout, column);

    if (nv_expo_native(w->frame, column))
        return;
    size_t metric = nv_wire_open(wire, family_metric);
    labels(w, wire, series, series->n_labels);
    size_t value = nv_wire_open(wire, types[family->type].value);
    nv_wire_double(wire, single_value, w->frame->values[column]);
    nv_wire_close(wire, value);
    nv_wire_close(wire, metric);
}

static void head(const struct nv_expo_writer *w, struct nv_wire *wire,
                 const struct nv_layout_family *family)
{
    NV_AUTO_BUF escaped = NV_BUF(NV_EXPO_ESCAPED_MAX);
    struct nv_str name = family->name;

    if (w->escaping != NV_ESCAPE_ALLOW_UTF8 && !nv_name_is_legacy_metric(name)) {
        nv_expo_metric_name(&escaped, name, w->escaping);
        name = nv_buf_view(&escaped);
    }
    if (escaped.failed)
        w->out->failed = escaped.failed;
    nv_wire_str(wire, family_name, name);
    nv_wire_str(wire, family_help, family->help);
    nv_wire_enum(wire, family_type, types[family->type].number, types[family->type].word);
}

void nv_expo_protobuf_family(const struct nv_expo_writer *w, const struct nv_layout_family *family)
{
    struct nv_wire wire = {
        .out = w->out,
        .form = w->form == NV_EXPO_PROTO_DELIMITED ? NV_WIRE_BINARY
                : w->form == NV_EXPO_PROTO_TEXT    ? NV_WIRE_TEXT
                                                   : NV_WIRE_COMPACT,
    };
    struct group group = {0};
    size_t mark = 0;
    bool begun = false;

    for (uint32_t i = 0; i < family->n_series && !w->out->failed; i++) {
        if (!nv_frame_has(w->frame, family->series[i]))
            continue;
        if (!begun) {
            mark = nv_wire_begin(&wire);
            head(w, &wire, family);
        }
        begun = true;
        if (family->type == NV_SUMMARY || family->type == NV_HISTOGRAM)
            composed(w, &wire, &group, family, family->series[i]);
        else
            single(w, &wire, family, family->series[i]);
    }
    close_group(&wire, &group, family->type);
    if (begun)
        nv_wire_end(&wire, mark);
}
