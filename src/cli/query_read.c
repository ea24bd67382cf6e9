/*
 * query_read.c - reads the `data` of an answer of the API, value by value, into an nv_answer.
 *
 * The order of keys is free, so the objects are gone through once for the places of what counts, and these are read then.
 */
#include <errno.h>
#include <math.h>
#include <nodevitals/collector.h> /* NV_LEN */
#include <nodevitals/json.h>

#include "cli/query.h"

/* Skips a value. Returns where it stands. */
static struct nv_str skip(struct nv_json *json)
{
    nv_json_front(json);
    const char *first = json->at;

    nv_json_skip(json);
    return (struct nv_str){first, json->failed ? 0 : (size_t)(json->at - first)};
}

/* Items of an array or members of an object. */
static size_t count(struct nv_str text)
{
    struct nv_json json = nv_json(text);
    struct nv_str key;
    size_t n = 0;

    if (nv_json_kind(&json) == NV_JSON_OBJECT) {
        nv_json_object(&json);
        for (; nv_json_key(&json, &key); n++)
            nv_json_skip(&json);
        return n;
    }
    nv_json_array(&json);
    for (; nv_json_item(&json); n++)
        nv_json_skip(&json);
    return n;
}

/* Room for n of something, zeroed; NULL past the limit. */
static void *room(struct nv_answer *answer, size_t n, size_t size)
{
    void *p = n > SIZE_MAX / 2 / size ? NULL : nv_arena_alloc(&answer->memory, n * size + 1);

    return p ? memset(p, 0, n * size + 1) : NULL;
}

/* A text with its escapes resolved, in the arena. */
static int keep_text(struct nv_answer *answer, struct nv_str raw, struct nv_str *ret)
{
    char *bytes = nv_arena_alloc(&answer->memory, raw.n + 1);

    if (!bytes)
        return -EDQUOT;
    struct nv_str text = nv_json_unescape(raw, bytes, raw.n);
    if (text.p != bytes && raw.n) /* it had none */
        memcpy(bytes, raw.p, raw.n);
    *ret = (struct nv_str){bytes, text.n};
    return 0;
}

/* ---- values --------------------------------------------------------------------------------- */

/* A number in quotes, as the API writes those of samples. */
static double read_number(struct nv_json *json)
{
    struct nv_str text = nv_json_text(json);
    double value = 0;

    if (!nv_str_to_real(text, &value))
        nv_json_fail(json);
    return value;
}

/* A time that stands next, in seconds. */
static int64_t read_time(struct nv_json *json)
{
    double ms = nv_json_real(json) * 1000;

    if (!(fabs(ms) < 9e15))
        return nv_json_fail(json);
    return llround(ms);
}

static int read_buckets(struct nv_answer *answer, struct nv_str text, struct nv_answer_histogram *h)
{
    struct nv_json json = nv_json(text);

    h->buckets = room(answer, count(text), sizeof(*h->buckets));
    if (!h->buckets)
        return -EDQUOT;
    nv_json_array(&json);
    while (nv_json_item(&json)) {
        struct nv_answer_bucket *bucket = &h->buckets[h->n++];
        nv_json_array(&json);
        bucket->rule = (uint8_t)(nv_json_item(&json) ? nv_json_u64(&json) & 3 : 0);
        bucket->lower = nv_json_item(&json) ? read_number(&json) : 0;
        bucket->upper = nv_json_item(&json) ? read_number(&json) : 0;
        bucket->count = nv_json_item(&json) ? read_number(&json) : 0;
        if (nv_json_item(&json))
            nv_json_fail(&json);
    }
    return nv_json_done(&json) ? 0 : -EBADMSG;
}

static int read_histogram(struct nv_answer *answer, struct nv_json *json,
                          struct nv_answer_histogram **ret)
{
    struct nv_answer_histogram *h = room(answer, 1, sizeof(*h));
    struct nv_str key;
    int r = 0;

    if (!h)
        return -EDQUOT;
    nv_json_object(json);
    while (r == 0 && nv_json_key(json, &key)) {
        if (nv_json_key_is(key, "count"))
            h->count = read_number(json);
        else if (nv_json_key_is(key, "sum"))
            h->sum = read_number(json);
        else if (nv_json_key_is(key, "buckets"))
            r = read_buckets(answer, skip(json), h);
        else
            nv_json_skip(json);
    }
    *ret = h;
    return r;
}

/* One point, [TIME, "VALUE"] or [TIME, {HISTOGRAM}], as the series' i-th. */
static int read_point(struct nv_answer *answer, struct nv_json *json,
                      struct nv_answer_series *series, size_t i, bool is_histogram)
{
    int r = 0;

    nv_json_array(json);
    if (nv_json_item(json))
        series->times[i] = read_time(json);
    if (!nv_json_item(json))
        nv_json_fail(json);
    else if (is_histogram)
        r = read_histogram(answer, json, &series->histograms[i]);
    else
        series->values[i] = read_number(json);
    if (r == 0 && nv_json_item(json))
        nv_json_fail(json);
    return r;
}

static int read_points(struct nv_answer *answer, struct nv_str text,
                       struct nv_answer_series *series, size_t at, bool is_histogram)
{
    struct nv_json json = nv_json(text);
    int r = 0;

    nv_json_array(&json);
    while (r == 0 && nv_json_item(&json))
        r = read_point(answer, &json, series, at++, is_histogram);
    return r < 0 ? r : nv_json_done(&json) ? 0 : -EBADMSG;
}

/* ---- series --------------------------------------------------------------------------------- */

static int compare_labels(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_label *)a)->name, ((const struct nv_label *)b)->name);
}

static int read_labels(struct nv_answer *answer, struct nv_str text,
                       struct nv_answer_series *series)
{
    struct nv_json json = nv_json(text);
    struct nv_str key;
    int r = 0;

    series->labels = room(answer, count(text), sizeof(*series->labels));
    if (!series->labels)
        return -EDQUOT;
    nv_json_object(&json);
    while (r == 0 && nv_json_key(&json, &key)) {
        struct nv_label *label = &series->labels[series->n_labels++];
        r = keep_text(answer, key, &label->name);
        if (r == 0)
            r = keep_text(answer, nv_json_text(&json), &label->value);
    }
    if (r < 0 || !nv_json_done(&json))
        return r < 0 ? r : -EBADMSG;
    qsort(series->labels, series->n_labels, sizeof(*series->labels), compare_labels);
    return 0;
}

static int make_points(struct nv_answer *answer, struct nv_answer_series *series, size_t n,
                       bool histograms)
{
    series->n = n;
    series->times = room(answer, n, sizeof(*series->times));
    series->values = room(answer, n, sizeof(*series->values));
    series->histograms = histograms ? room(answer, n, sizeof(struct nv_answer_histogram *)) : NULL;
    return series->times && series->values && (series->histograms || !histograms) ? 0 : -EDQUOT;
}

/* Floats and histograms come in a list each, histograms behind; here they become one, in order of time. */
static int merge_points(struct nv_answer_series *series, size_t n_floats)
{
    size_t n = series->n - n_floats, k = series->n;
    NV_AUTO_FREE int64_t *times = calloc(n, sizeof(*times));
    NV_AUTO_FREE struct nv_answer_histogram **histograms = calloc(n, sizeof(*histograms));

    if (!times || !histograms)
        return -ENOMEM;
    memcpy(times, series->times + n_floats, n * sizeof(*times));
    memcpy(histograms, series->histograms + n_floats, n * sizeof(struct nv_answer_histogram *));
    while (k--) { /* from the back, where there is room */
        bool is_float = n_floats && (!n || series->times[n_floats - 1] > times[n - 1]);
        if (is_float)
            n_floats--;
        else
            n--;
        series->times[k] = is_float ? series->times[n_floats] : times[n];
        series->values[k] = is_float ? series->values[n_floats] : NAN;
        series->histograms[k] = is_float ? NULL : histograms[n];
    }
    return 0;
}

/* Where the parts of a series stand. */
struct parts {
    struct nv_str metric, value, histogram, values, histograms;
};

static void find_parts(struct nv_json *json, struct parts *ret)
{
    struct nv_str key;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        struct nv_str *part = nv_json_key_is(key, "metric")       ? &ret->metric
                              : nv_json_key_is(key, "value")      ? &ret->value
                              : nv_json_key_is(key, "values")     ? &ret->values
                              : nv_json_key_is(key, "histogram")  ? &ret->histogram
                              : nv_json_key_is(key, "histograms") ? &ret->histograms
                                                                  : NULL;
        struct nv_str text = skip(json);
        if (part)
            *part = text;
    }
}

static int read_vector_item(struct nv_answer *answer, const struct parts *parts,
                            struct nv_answer_series *series)
{
    bool is_histogram = parts->histogram.n > 0;
    struct nv_json json = nv_json(is_histogram ? parts->histogram : parts->value);
    int r = make_points(answer, series, 1, is_histogram);

    if (r == 0)
        r = read_point(answer, &json, series, 0, is_histogram);
    return r < 0 ? r : nv_json_done(&json) ? 0 : -EBADMSG;
}

static int read_matrix_item(struct nv_answer *answer, const struct parts *parts,
                            struct nv_answer_series *series)
{
    size_t n_floats = parts->values.n ? count(parts->values) : 0;
    size_t n_histograms = parts->histograms.n ? count(parts->histograms) : 0;
    int r = make_points(answer, series, n_floats + n_histograms, n_histograms > 0);

    if (r == 0 && parts->values.n)
        r = read_points(answer, parts->values, series, 0, false);
    if (r == 0 && parts->histograms.n)
        r = read_points(answer, parts->histograms, series, n_floats, true);
    return r == 0 && n_histograms ? merge_points(series, n_floats) : r;
}

static int read_series(struct nv_answer *answer, struct nv_str result, bool is_matrix)
{
    struct nv_json json = nv_json(result);
    int r = 0;

    answer->series = room(answer, count(result), sizeof(*answer->series));
    if (!answer->series)
        return -EDQUOT;
    nv_json_array(&json);
    while (r == 0 && nv_json_item(&json)) {
        struct nv_answer_series *series = &answer->series[answer->n++];
        struct parts parts = {0};
        find_parts(&json, &parts);
        r = read_labels(answer, parts.metric, series);
        if (r == 0)
            r = is_matrix ? read_matrix_item(answer, &parts, series)
                          : read_vector_item(answer, &parts, series);
    }
    return r < 0 ? r : nv_json_done(&json) ? 0 : -EBADMSG;
}

/* A scalar, [TIME, "VALUE"], or a string: one series without labels. */
static int read_single(struct nv_answer *answer, struct nv_str result, bool is_string)
{
    struct nv_json json = nv_json(result);
    int r;

    answer->series = room(answer, 1, sizeof(*answer->series));
    if (!answer->series || make_points(answer, answer->series, 1, false) < 0)
        return -EDQUOT;
    answer->n = 1;
    if (!is_string) {
        r = read_point(answer, &json, answer->series, 0, false);
        return r < 0 ? r : nv_json_done(&json) ? 0 : -EBADMSG;
    }
    nv_json_array(&json);
    if (nv_json_item(&json))
        answer->series->times[0] = read_time(&json);
    if (!nv_json_item(&json))
        return -EBADMSG;
    r = keep_text(answer, nv_json_text(&json), &answer->string);
    if (nv_json_item(&json) || !nv_json_done(&json))
        return -EBADMSG;
    return r;
}

static int read_result(struct nv_answer *answer, struct nv_str data)
{
    static const struct {
        const char *name;
        enum nv_value_type type;
    } types[] = {
        {"scalar", NV_VALUE_SCALAR},
        {"vector", NV_VALUE_VECTOR},
        {"matrix", NV_VALUE_MATRIX},
        {"string", NV_VALUE_STRING},
    };
    struct nv_json json = nv_json(data);
    struct nv_str key, result = {NULL, 0}, type = {"", 0};

    nv_json_object(&json);
    while (nv_json_key(&json, &key)) {
        if (nv_json_key_is(key, "resultType"))
            type = nv_json_text(&json);
        else if (nv_json_key_is(key, "result"))
            result = skip(&json);
        else
            nv_json_skip(&json);
    }
    if (!nv_json_done(&json) || !result.n)
        return -EBADMSG;
    for (size_t i = 0; i < NV_LEN(types); i++) {
        if (!nv_str_is(type, types[i].name))
            continue;
        answer->type = types[i].type;
        return answer->type == NV_VALUE_SCALAR || answer->type == NV_VALUE_STRING
                   ? read_single(answer, result, answer->type == NV_VALUE_STRING)
                   : read_series(answer, result, answer->type == NV_VALUE_MATRIX);
    }
    return -EBADMSG;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int read_texts(struct nv_answer *answer, struct nv_str data)
{
    struct nv_json json = nv_json(data);
    int r = 0;

    answer->texts = room(answer, count(data), sizeof(*answer->texts));
    if (!answer->texts)
        return -EDQUOT;
    nv_json_array(&json);
    while (r == 0 && nv_json_item(&json))
        r = keep_text(answer, nv_json_text(&json), &answer->texts[answer->n_texts++]);
    return r < 0 ? r : nv_json_done(&json) ? 0 : -EBADMSG;
}

static int read_label_sets(struct nv_answer *answer, struct nv_str data)
{
    struct nv_json json = nv_json(data);
    int r = 0;

    answer->series = room(answer, count(data), sizeof(*answer->series));
    if (!answer->series)
        return -EDQUOT;
    nv_json_array(&json);
    while (r == 0 && nv_json_item(&json))
        r = read_labels(answer, skip(&json), &answer->series[answer->n++]);
    return r < 0 ? r : nv_json_done(&json) ? 0 : -EBADMSG;
}

int nv_query_read_data(struct nv_answer *answer, enum nv_query_kind kind, struct nv_str data)
{
    switch (kind) {
    case NV_QUERY_SERIES:
        return read_label_sets(answer, data);
    case NV_QUERY_LABELS:
    case NV_QUERY_LABEL_VALUES:
        return read_texts(answer, data);
    case NV_QUERY_INSTANT:
    case NV_QUERY_RANGE:
        break;
    }
    return read_result(answer, data);
}
