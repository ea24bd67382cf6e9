/*
 * text.c - the classic text format: per family its head, per present series its rendered text, a number
 * and a newline. All but the number is in the layout, so this is mostly memcpy().
 */
#include "expo/series.h"

#include "base/number.h"

static const char *const types[] = {"counter", "gauge", "untyped", "summary", "histogram"};

/* The head, and in *ret the name as it is written: from here in `escaped` where the scheme changes it. */
static void head(const struct nv_expo_writer *w, const struct nv_layout_family *family,
                 const struct nv_series *series, struct nv_buf *escaped, struct nv_str *ret)
{
    struct nv_buf *out = w->out;

    *ret = family->name;
    if (w->escaping == NV_ESCAPE_ALLOW_UTF8 || nv_expo_has_plain_name(family, series)) {
        nv_buf_str(out, family->head);
        return;
    }
    nv_expo_metric_name(escaped, family->name, w->escaping);
    if (escaped->failed)
        out->failed = escaped->failed;
    *ret = nv_buf_view(escaped);
    nv_buf_text(out, "# HELP ");
    nv_buf_str(out, *ret);
    nv_buf_char(out, ' ');
    nv_name_escape_help(out, family->help);
    nv_buf_text(out, "\n# TYPE ");
    nv_buf_str(out, *ret);
    nv_buf_printf(out, " %s\n", types[family->type]);
}

/* A series that has no text to copy: its name is escaped, or its value is a native histogram. */
static void from_parts(const struct nv_expo_writer *w, struct nv_str name,
                       const struct nv_series *series, uint32_t column)
{
    static const struct nv_label none;
    static const char *const suffixes[] = {
        [NV_ROLE_BUCKET] = "_bucket", [NV_ROLE_SUM] = "_sum", [NV_ROLE_COUNT] = "_count"};
    const struct nv_histogram *native = nv_expo_native(w->frame, column);
    const char *suffix = suffixes[series->role];
    char number[NV_NUMBER_MAX];

    if (native) {
        nv_expo_native_text(w, name, series, native);
        return;
    }
    nv_expo_series(w->out, name, suffix ? suffix : "", series, series->n_labels, none, w->escaping);
    nv_buf_add(w->out, number, nv_number_text(number, w->frame->values[column]));
    nv_buf_char(w->out, '\n');
}

void nv_expo_text_family(const struct nv_expo_writer *w, const struct nv_layout_family *family)
{
    NV_AUTO_BUF escaped = NV_BUF(NV_EXPO_ESCAPED_MAX);
    const struct nv_frame *frame = w->frame;
    struct nv_buf *out = w->out;
    struct nv_str name = {NULL, 0};
    bool quotes = w->escaping == NV_ESCAPE_ALLOW_UTF8;

    for (uint32_t i = 0; i < family->n_series; i++) {
        uint32_t column = family->series[i];
        if (!nv_frame_has(frame, column))
            continue;
        const struct nv_series *series = nv_layout_series(frame->layout, column);
        if (!name.n)
            head(w, family, series, &escaped, &name);
        bool native = nv_expo_native(frame, column);
        if (native && nv_expo_has_classic(frame, family, i))
            continue;
        if ((!series->legacy && !quotes) || native || !series->rest.p) {
            from_parts(w, name, series, column);
            continue;
        }
        struct nv_str text = nv_series_text(series);
        if (!nv_buf_room(out, text.n + series->rest.n + NV_NUMBER_MAX + 1))
            return;
        char *at = out->p + out->n;
        memcpy(at, text.p, text.n);
        at += text.n;
        memcpy(at, series->rest.p, series->rest.n);
        at += series->rest.n;
        at += nv_number_text(at, frame->values[column]);
        *at++ = '\n';
        out->n = (size_t)(at - out->p);
    }
}
