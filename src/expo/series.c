#include "expo/series.h"

#include "base/number.h"

bool nv_expo_same_metric(const struct nv_series *a, const struct nv_series *b)
{
    size_t n = nv_expo_n_own(a);

    if (n != nv_expo_n_own(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!nv_str_eq(a->labels[i].value, b->labels[i].value) ||
            !nv_str_eq(a->labels[i].name, b->labels[i].name))
            return false;
    return true;
}

static void label(struct nv_buf *out, struct nv_label pair, enum nv_expo_escaping escaping)
{
    if (escaping == NV_ESCAPE_ALLOW_UTF8 && !nv_name_is_legacy_label(pair.name)) {
        nv_buf_char(out, '"');
        nv_name_escape_value(out, pair.name);
        nv_buf_char(out, '"');
    } else {
        nv_expo_label_name(out, pair.name, escaping);
    }
    nv_buf_text(out, "=\"");
    nv_name_escape_value(out, pair.value);
    nv_buf_char(out, '"');
}

/* The name, and for one that must be quoted the brace it stands in. True where it is quoted. */
static bool name_with_suffix(struct nv_buf *out, struct nv_str name, const char *suffix)
{
    bool legacy = nv_name_is_legacy_metric(name);

    if (legacy) {
        nv_buf_str(out, name);
        nv_buf_text(out, suffix);
        return false;
    }
    nv_buf_text(out, "{\"");
    nv_name_escape_value(out, name);
    nv_buf_text(out, suffix);
    nv_buf_char(out, '"');
    return true;
}

void nv_expo_series(struct nv_buf *out, struct nv_str name, const char *suffix,
                    const struct nv_series *series, size_t n, struct nv_label bound,
                    enum nv_expo_escaping escaping)
{
    bool open = name_with_suffix(out, name, suffix);

    for (size_t i = 0; i < n + (bound.name.n > 0); i++) {
        nv_buf_char(out, open ? ',' : '{');
        open = true;
        label(out, i < n ? series->labels[i] : bound, escaping);
    }
    nv_buf_text(out, open ? "} " : " ");
}

/* The count of bucket `index` of a custom histogram, which are asked for in rising order. */
static double count_at(const struct nv_histogram *h, struct nv_expo_bucket *b, int64_t index)
{
    while (b->span < h->n_positive_spans) {
        const struct nv_span *span = &h->positive_spans[b->span];
        if (!b->placed)
            b->index += span->offset;
        b->placed = true;
        if (b->taken == span->length) {
            b->span++;
            b->taken = 0;
            b->placed = false;
            continue;
        }
        if (b->index > index || b->n_counts == h->n_positive)
            return 0;
        b->index++;
        b->taken++;
        double count = h->positive[b->n_counts++];
        if (b->index == index + 1)
            return count;
    }
    return 0;
}

bool nv_expo_next_bucket(const struct nv_histogram *h, struct nv_expo_bucket *b)
{
    uint32_t n_bounds = h->schema == NV_HISTOGRAM_CUSTOM ? h->n_custom : 0;

    if (b->n > n_bounds)
        return false;
    if (b->n == n_bounds) {
        b->bound = INFINITY;
        b->cumulative = h->count;
    } else {
        b->bound = h->custom_values[b->n];
        b->cumulative += count_at(h, b, b->n);
    }
    b->n++;
    return true;
}

bool nv_expo_has_classic(const struct nv_frame *frame, const struct nv_layout_family *family,
                         uint32_t i)
{
    const struct nv_series *native = nv_layout_series(frame->layout, family->series[i]);

    for (i++; i < family->n_series; i++) { /* parts follow their whole */
        const struct nv_series *series = nv_layout_series(frame->layout, family->series[i]);
        if (!nv_expo_same_metric(native, series))
            return false;
        if (series->role == NV_ROLE_BUCKET && nv_frame_has(frame, family->series[i]))
            return true;
    }
    return false;
}

/* A value of the form; `whole` for counts, which OpenMetrics has as integers. */
static void value_line(const struct nv_expo_writer *w, double value, bool whole)
{
    char text[NV_NUMBER_MAX];
    bool openmetrics = w->form == NV_EXPO_OPENMETRICS_0_0_1 || w->form == NV_EXPO_OPENMETRICS_1_0_0;
    size_t n = !openmetrics                     ? nv_number_text(text, value)
               : whole && nv_expo_is_u64(value) ? nv_number_u64(text, (uint64_t)value)
                                                : nv_number_openmetrics(text, value);

    nv_buf_add(w->out, text, n);
    nv_buf_char(w->out, '\n');
}

void nv_expo_native_text(const struct nv_expo_writer *w, struct nv_str name,
                         const struct nv_series *series, const struct nv_histogram *histogram)
{
    static const struct nv_label none;
    struct nv_expo_bucket bucket = {0};
    char text[NV_NUMBER_MAX];
    bool classic = w->form == NV_EXPO_TEXT_0_0_4 || w->form == NV_EXPO_TEXT_1_0_0;

    while (nv_expo_next_bucket(histogram, &bucket)) {
        size_t n = classic ? nv_number_text(text, bucket.bound)
                           : nv_number_openmetrics(text, bucket.bound);
        nv_expo_series(w->out, name, "_bucket", series, series->n_labels,
                       (struct nv_label){
                           NV_LIT("le"), {text, n}
        },
                       w->escaping);
        value_line(w, bucket.cumulative, true);
    }
    nv_expo_series(w->out, name, "_sum", series, series->n_labels, none, w->escaping);
    value_line(w, histogram->sum, false);
    nv_expo_series(w->out, name, "_count", series, series->n_labels, none, w->escaping);
    value_line(w, histogram->count, true);
}
