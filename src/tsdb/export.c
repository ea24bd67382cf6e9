/*
 * export.c - the series that are wanted, and the way out as OpenMetrics text.
 */
#include "tsdb/export.h"

#include <errno.h>

#include "base/number.h"
#include "metric/name.h"

enum { SERIES_TEXT_MAX = 64 << 20, LINE_MAX_BYTES = 3 * NV_NUMBER_MAX };

/* ---- what is wanted ------------------------------------------------------------------------- */

static int by_labels(const void *a, const void *b)
{
    const struct nv_picked *x = a, *y = b;
    const struct nv_selected *s = &x->from->series[x->i], *t = &y->from->series[y->i];

    return nv_labels_compare(s->labels, s->n_labels, t->labels, t->n_labels);
}

/* The selections as one list. Each is sorted; what fits several selectors is kept once. */
static int merge(struct nv_picks *picks)
{
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < picks->n_selections; i++)
        n += picks->selections[i].n;
    picks->at = calloc(n ? n : 1, sizeof(*picks->at));
    if (!picks->at)
        return -ENOMEM;
    for (size_t i = 0, k = 0; i < picks->n_selections; i++)
        for (size_t j = 0; j < picks->selections[i].n; j++)
            picks->at[k++] = (struct nv_picked){&picks->selections[i], j};
    if (picks->n_selections > 1)
        qsort(picks->at, n, sizeof(*picks->at), by_labels);
    for (size_t i = 0; i < n; i++)
        if (!kept || by_labels(&picks->at[kept - 1], &picks->at[i]) != 0)
            picks->at[kept++] = picks->at[i];
    picks->n = kept;
    return 0;
}

int nv_export_pick(const struct nv_export *export, int64_t from_ms, int64_t to_ms,
                   struct nv_picks *ret)
{
    const struct nv_matcher any = {NV_MATCH_NOT_EQUAL, NV_LIT("__name__"), NV_LIT(""), NULL};
    const struct nv_export_selector all = {&any, 1};
    const struct nv_export_selector *selectors = export->n_selectors ? export->selectors : &all;
    size_t n = export->n_selectors ? export->n_selectors : 1;
    int r = 0;

    *ret = (struct nv_picks){.selections = calloc(n, sizeof(*ret->selections))};
    if (!ret->selections)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = export->from->select(export->from->store, selectors[i].matchers, selectors[i].n,
                                 from_ms, to_ms, 0, &ret->selections[i]);
        if (r == 0)
            ret->n_selections++;
    }
    if (r == 0)
        r = merge(ret);
    if (r < 0)
        nv_picks_done(ret);
    return r;
}

void nv_picks_done(struct nv_picks *picks)
{
    for (size_t i = 0; i < picks->n_selections; i++)
        picks->selections[i].from->release(&picks->selections[i]);
    free(picks->selections);
    free(picks->at);
    *picks = (struct nv_picks){0};
}

int nv_picked_read(const struct nv_picks *picks, size_t i, struct nv_samples *samples)
{
    const struct nv_picked *picked = &picks->at[i];

    nv_samples_reset(samples);
    return picked->from->from->read(picked->from, picked->i, samples);
}

bool nv_export_range(const struct nv_export *export, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    int64_t from_ms, to_ms;

    export->from->range(export->from->store, &from_ms, &to_ms);
    *ret_from_ms = from_ms > export->from_ms ? from_ms : export->from_ms;
    *ret_to_ms = to_ms < export->to_ms ? to_ms : export->to_ms;
    return *ret_from_ms <= *ret_to_ms;
}

/* ---- OpenMetrics ---------------------------------------------------------------------------- */

static void add_quoted(struct nv_buf *out, struct nv_str text)
{
    nv_buf_char(out, '"');
    nv_name_escape_value(out, text);
    nv_buf_char(out, '"');
}

/* name{a="b"}, or {"name",a="b"} where the name is not classic. */
static void series_text(struct nv_buf *out, const struct nv_selected *series)
{
    struct nv_str name = nv_label_value(series->labels, series->n_labels, NV_LIT("__name__"));
    bool plain = nv_name_is_legacy_metric(name), open = !plain;

    nv_buf_reset(out);
    if (plain) {
        nv_buf_str(out, name);
    } else {
        nv_buf_char(out, '{');
        add_quoted(out, name);
    }
    for (size_t i = 0; i < series->n_labels; i++) {
        const struct nv_label *label = &series->labels[i];
        if (nv_str_is(label->name, "__name__"))
            continue;
        nv_buf_char(out, open ? ',' : '{');
        open = true;
        if (nv_name_is_legacy_label(label->name))
            nv_buf_str(out, label->name);
        else
            add_quoted(out, label->name);
        nv_buf_char(out, '=');
        add_quoted(out, label->value);
    }
    if (open)
        nv_buf_char(out, '}');
}

static size_t value_text(char *out, double value)
{
    const char *text = nv_is_stale(value) ? "naN" : value == 0 && signbit(value) ? "-0" : NULL;

    if (!text)
        return nv_number_text(out, value);
    memcpy(out, text, strlen(text));
    return strlen(text);
}

/* Seconds with three decimals. */
static size_t time_text(char *out, int64_t time_ms)
{
    uint64_t ms = time_ms < 0 ? -(uint64_t)time_ms : (uint64_t)time_ms;
    char *at = out;

    if (time_ms < 0)
        *at++ = '-';
    at += nv_number_u64(at, ms / 1000);
    *at++ = '.';
    for (unsigned divisor = 100; divisor; divisor /= 10)
        *at++ = (char)('0' + ms / divisor % 10);
    return (size_t)(at - out);
}

static void write_series(struct nv_str series, const struct nv_samples *samples, FILE *to,
                         struct nv_export_stats *stats)
{
    for (size_t i = 0; i < samples->n; i++) {
        char line[LINE_MAX_BYTES], *at = line;
        if (samples->histograms && samples->histograms[i]) {
            stats->left_out++;
            continue;
        }
        *at++ = ' ';
        at += value_text(at, samples->values[i]);
        *at++ = ' ';
        at += time_text(at, samples->times[i]);
        *at++ = '\n';
        fwrite(series.p, 1, series.n, to);
        fwrite(line, 1, (size_t)(at - line), to);
        stats->samples++;
        stats->bytes += series.n + (size_t)(at - line);
    }
}

static int write_all(const struct nv_export *export, const struct nv_picks *picks,
                     struct nv_samples *samples, FILE *to, struct nv_export_stats *stats)
{
    NV_AUTO_BUF text = NV_BUF(SERIES_TEXT_MAX);

    for (size_t i = 0; i < picks->n; i++) {
        uint64_t before = stats->samples;
        int r = nv_picked_read(picks, i, samples);
        if (r == -EBADMSG) {
            stats->damaged++;
            continue;
        }
        if (r < 0)
            return r;
        series_text(&text, nv_picked(picks, i));
        if (text.failed)
            return -ENOMEM;
        write_series(nv_buf_view(&text), samples, to, stats);
        stats->series += stats->samples > before;
        if (ferror(to))
            return -EIO;
        if (export->progress)
            export->progress(export->user, stats);
    }
    return 0;
}

int nv_export_openmetrics(const struct nv_export *export, FILE *to, struct nv_export_stats *ret)
{
    struct nv_samples samples = {.histogram_memory = NV_ARENA(SIZE_MAX)};
    struct nv_picks picks = {0};
    int64_t from_ms, to_ms;
    int r = 0;

    *ret = (struct nv_export_stats){0};
    if (nv_export_range(export, &from_ms, &to_ms)) {
        r = nv_export_pick(export, from_ms, to_ms, &picks);
        if (r == 0)
            r = write_all(export, &picks, &samples, to, ret);
        ret->at_ms = to_ms;
        nv_picks_done(&picks);
        nv_samples_done(&samples);
    }
    if (r < 0)
        return r;
    errno = 0;
    if (fputs("# EOF\n", to) < 0 || fflush(to) != 0)
        return errno ? -errno : -EIO;
    ret->bytes += strlen("# EOF\n");
    return 0;
}
