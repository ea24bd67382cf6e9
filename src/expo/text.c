/*
 * text.c - the classic text format: per family its head, per present series its rendered text, a number
 * and a newline. All but the number is in the layout, so this is mostly memcpy().
 */
#include "expo/series.h"

#include "base/number.h"

static const char *const types[] = {"counter", "gauge", "untyped", "summary", "histogram"};

/* The head of a family whose name is escaped. */
static void escaped_head(struct nv_buf *out, const struct nv_layout_family *family,
                         enum nv_expo_escaping escaping)
{
    nv_buf_text(out, "# HELP ");
    nv_expo_metric_name(out, family->name, escaping);
    nv_buf_char(out, ' ');
    nv_name_escape_help(out, family->help);
    nv_buf_text(out, "\n# TYPE ");
    nv_expo_metric_name(out, family->name, escaping);
    nv_buf_printf(out, " %s\n", types[family->type]);
}

static void head(const struct nv_expo_writer *w, const struct nv_layout_family *family,
                 const struct nv_series *series)
{
    if (w->escaping == NV_ESCAPE_ALLOW_UTF8 || nv_expo_has_plain_name(family, series))
        nv_buf_str(w->out, family->head);
    else
        escaped_head(w->out, family, w->escaping);
}

/* A series that has no text to copy: its name is escaped, or its value is a native histogram. */
static void from_parts(const struct nv_expo_writer *w, const struct nv_layout_family *family,
                       const struct nv_series *series, uint32_t column)
{
    static const struct nv_label none;
    static const char *const suffixes[] = {
        [NV_ROLE_BUCKET] = "_bucket", [NV_ROLE_SUM] = "_sum", [NV_ROLE_COUNT] = "_count"};
    const struct nv_histogram *native = nv_expo_native(w->frame, column);
    NV_AUTO_BUF name = NV_BUF(NV_EXPO_ESCAPED_MAX);

    nv_expo_metric_name(&name, family->name, w->escaping);
    if (name.failed) {
        w->out->failed = name.failed;
    } else if (native) {
        nv_expo_native_text(w, nv_buf_view(&name), series, native);
    } else {
        const char *suffix = suffixes[series->role];
        char number[NV_NUMBER_MAX];
        nv_expo_series(w->out, nv_buf_view(&name), suffix ? suffix : "", series, series->n_labels,
                       none, w->escaping);
        nv_buf_add(w->out, number, nv_number_text(number, w->frame->values[column]));
        nv_buf_char(w->out, '\n');
    }
}

void nv_expo_text_family(const struct nv_expo_writer *w, const struct nv_layout_family *family)
{
    const struct nv_frame *frame = w->frame;
    struct nv_buf *out = w->out;
    bool quotes = w->escaping == NV_ESCAPE_ALLOW_UTF8, begun = false;

    for (uint32_t i = 0; i < family->n_series; i++) {
        uint32_t column = family->series[i];
        if (!nv_frame_has(frame, column))
            continue;
        const struct nv_series *series = nv_layout_series(frame->layout, column);
        if (!begun)
            head(w, family, series);
        begun = true;
        if ((!series->legacy && !quotes) || nv_expo_native(frame, column)) {
            from_parts(w, family, series, column);
            continue;
        }
        if (!nv_buf_room(out, series->text.n + NV_NUMBER_MAX + 1))
            return;
        char *at = out->p + out->n;
        memcpy(at, series->text.p, series->text.n);
        at += series->text.n;
        at += nv_number_text(at, frame->values[column]);
        *at++ = '\n';
        out->n = (size_t)(at - out->p);
    }
}
