/*
 * openmetrics.c - OpenMetrics text, 0.0.1 and 1.0.0 alike.
 *
 * A family is named without the suffix of its samples: the counter x_total is family x. A counter whose
 * name lacks _total is written as unknown, so that no series is renamed; so is one whose short name, or
 * the x_created that goes with it, is a family of its own. Bounds are floats ("1.0"), so that
 * of two that were only written differently the first stays; counts are integers.
 */
#include "expo/series.h"

#include "base/number.h"

static const char *const types[] = {"counter", "gauge", "unknown", "summary", "histogram"};

/* A family as it is written: its escaped name, which counters write without _total in the head. */
struct family {
    struct nv_str name, head;
    enum nv_type type;
    bool plain; /* neither escaped nor quoted */
};

static bool has_family(const struct nv_layout *layout, struct nv_str stem, const char *suffix)
{
    size_t low = 0, high = layout->n_families;

    while (low < high) {
        size_t middle = (low + high) / 2;
        struct nv_str name = layout->families[middle]->name;
        struct nv_str front = {name.p, name.n < stem.n ? name.n : stem.n};
        int order = nv_str_cmp(front, stem);
        if (order == 0)
            order = nv_str_cmp(nv_str_from(name, stem.n), nv_str(suffix));
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Whether a counter can be one here: its name ends in _total, and what is before that is free. */
static bool is_counter(const struct nv_expo_writer *w, struct nv_str name)
{
    if (!nv_str_ends(name, "_total") || name.n == strlen("_total"))
        return false;
    struct nv_str stem = {name.p, name.n - strlen("_total")};
    for (size_t i = 0; i < w->n_parts; i++) {
        const struct nv_layout *layout = w->parts[i].frame->layout;
        if (has_family(layout, stem, "") || has_family(layout, stem, "_created"))
            return false;
    }
    return true;
}

/* HELP as the classic head of the family has it, escaped but for the double quote. */
static struct nv_str classic_help(const struct nv_layout_family *family)
{
    size_t before = strlen("# HELP ") + family->name.n + 1;
    struct nv_str rest = nv_str_from(family->head, before);

    return nv_str_cut(&rest, '\n');
}

static void name(struct nv_buf *out, const struct family *as)
{
    if (as->plain)
        nv_buf_str(out, as->head);
    else
        nv_expo_quoted(out, as->head);
}

/* In HELP the double quote is escaped as well, unlike in classic text. */
static void help_line(struct nv_buf *out, const struct family *as,
                      const struct nv_layout_family *family)
{
    struct nv_str classic = classic_help(family);

    nv_buf_text(out, "# HELP ");
    name(out, as);
    nv_buf_char(out, ' ');
    if (as->plain && nv_str_find(classic, '"') == classic.n)
        nv_buf_str(out, classic);
    else
        nv_name_escape_value(out, family->help);
    nv_buf_char(out, '\n');
}

static void head(struct nv_buf *out, const struct family *as, const struct nv_layout_family *family)
{
    if (family->help.n)
        help_line(out, as, family);
    nv_buf_text(out, "# TYPE ");
    name(out, as);
    nv_buf_char(out, ' ');
    nv_buf_text(out, types[as->type]);
    nv_buf_char(out, '\n');
}

static void series_text(const struct nv_expo_writer *w, const struct family *as,
                        const struct nv_series *series)
{
    static const char *const suffixes[] = {
        [NV_ROLE_BUCKET] = "_bucket", [NV_ROLE_SUM] = "_sum", [NV_ROLE_COUNT] = "_count"};
    char text[NV_NUMBER_MAX];
    struct nv_label bound = {
        {NULL, 0},
        {text, 0}
    };
    bool part = series->role == NV_ROLE_BUCKET || series->role == NV_ROLE_QUANTILE;

    if (!part && series->rest.p && (series->legacy || w->escaping == NV_ESCAPE_ALLOW_UTF8)) {
        nv_buf_str(w->out, nv_series_text(series));
        nv_buf_str(w->out, series->rest);
        return;
    }
    if (part) {
        bound.name = series->role == NV_ROLE_BUCKET ? NV_LIT("le") : NV_LIT("quantile");
        bound.value.n = nv_number_openmetrics(text, series->bound);
    }
    const char *suffix = suffixes[series->role];
    nv_expo_series(w->out, as->name, suffix ? suffix : "", series, nv_expo_n_own(series), bound,
                   w->escaping);
}

static void sample(const struct nv_expo_writer *w, const struct family *as,
                   const struct nv_series *series, uint32_t column)
{
    const struct nv_histogram *native = nv_expo_native(w->frame, column);
    double value = w->frame->values[column];
    bool whole = series->role == NV_ROLE_BUCKET || series->role == NV_ROLE_COUNT;

    if (native) {
        nv_expo_native_text(w, as->name, series, native);
        return;
    }
    series_text(w, as, series);
    if (!nv_buf_room(w->out, NV_NUMBER_MAX + 1))
        return;
    char *at = w->out->p + w->out->n;
    at += whole && nv_expo_is_u64(value) ? nv_number_u64(at, (uint64_t)value)
                                         : nv_number_openmetrics(at, value);
    *at++ = '\n';
    w->out->n = (size_t)(at - w->out->p);
}

static void resolve(const struct nv_expo_writer *w, const struct nv_layout_family *family,
                    const struct nv_series *series, struct nv_buf *escaped, struct family *ret)
{
    *ret = (struct family){family->name, family->name, family->type,
                           nv_expo_has_plain_name(family, series)};
    if (w->escaping != NV_ESCAPE_ALLOW_UTF8 && !ret->plain) {
        nv_expo_metric_name(escaped, family->name, w->escaping);
        ret->name = ret->head = nv_buf_view(escaped);
    }
    if (family->type != NV_COUNTER)
        return;
    if (is_counter(w, family->name))
        ret->head.n -= strlen("_total");
    else
        ret->type = NV_UNTYPED;
}

void nv_expo_openmetrics_family(const struct nv_expo_writer *w,
                                const struct nv_layout_family *family)
{
    NV_AUTO_BUF escaped = NV_BUF(NV_EXPO_ESCAPED_MAX);
    struct family as;
    const struct nv_series *last = NULL;

    for (uint32_t i = 0; i < family->n_series; i++) {
        uint32_t column = family->series[i];
        if (!nv_frame_has(w->frame, column))
            continue;
        const struct nv_series *series = nv_layout_series(w->frame->layout, column);
        if (!last) {
            resolve(w, family, series, &escaped, &as);
            head(w->out, &as, family);
        }
        bool told = nv_expo_native(w->frame, column) && nv_expo_has_classic(w->frame, family, i);
        if (!told && (!last || !nv_expo_same_part(last, series)))
            sample(w, &as, series, column);
        last = series;
    }
    if (escaped.failed)
        w->out->failed = escaped.failed;
}
