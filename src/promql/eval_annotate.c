/*
 * eval_annotate.c - warnings and infos that a query gathers, each once.
 */
#include <stdarg.h>
#include <time.h>

#include "base/number.h"
#include "promql/eval_parts.h"

enum { ANNOTATIONS_MAX = 10000 };

static uint64_t text_hash(uint32_t i, const void *user)
{
    const struct nv_promql_result *result = user;

    return nv_hash(result->annotations[i].text.p, result->annotations[i].text.n, 0);
}

static bool is_known(const struct nv_eval *ev, struct nv_str text, uint64_t hash)
{
    for (uint32_t at = nv_index_first(&ev->annotations, hash), i;
         nv_index_next(&ev->annotations, hash, &at, &i);)
        if (nv_str_eq(ev->result->annotations[i].text, text))
            return true;
    return false;
}

void nv_annotate(struct nv_eval *ev, bool is_warning, const struct nv_expr *at, const char *format,
                 ...)
{
    NV_AUTO_BUF text = NV_BUF(4096);
    struct nv_promql_result *result = ev->result;
    unsigned line, column;
    char message[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    nv_promql_position(ev->text, at->start, &line, &column);
    nv_buf_printf(&text, "PromQL %s: %s (%u:%u)", is_warning ? "warning" : "info", message, line,
                  column);
    uint64_t hash = nv_hash(text.p, text.n, 0);
    if (result->n_annotations == ANNOTATIONS_MAX || is_known(ev, nv_buf_view(&text), hash))
        return;
    if (result->n_annotations == ev->room_annotations) {
        size_t room = ev->room_annotations ? ev->room_annotations * 2 : 8;
        struct nv_annotation *larger = realloc(result->annotations, room * sizeof(*larger));
        if (!larger)
            return; /* a query without a remark is better than none */
        result->annotations = larger;
        ev->room_annotations = room;
    }
    struct nv_str kept = nv_arena_str(&ev->kept.arena, nv_buf_view(&text));
    if (!kept.p)
        return;
    result->annotations[result->n_annotations++] = (struct nv_annotation){is_warning, kept};
    if (nv_index_add(&ev->annotations, hash, (uint32_t)result->n_annotations - 1, text_hash,
                     result) < 0)
        result->n_annotations--;
}

struct nv_str nv_row_name(const struct nv_row *row)
{
    return nv_label_value(row->labels, row->n_labels, NV_LIT("__name__"));
}

const char *nv_quoted(struct nv_eval *ev, struct nv_str text)
{
    NV_AUTO_BUF buf = NV_BUF(2048);

    nv_promql_print_string(&buf, text);
    struct nv_str kept = nv_arena_str(&ev->kept.arena, nv_buf_view(&buf));
    return kept.p ? kept.p : "\"\"";
}

const char *nv_shown(struct nv_eval *ev, double value)
{
    char text[NV_NUMBER_MAX];
    struct nv_str kept =
        nv_arena_str(&ev->kept.arena, (struct nv_str){text, nv_number_text(text, value)});

    return kept.p ? kept.p : "";
}

static const char *rfc3339(int64_t ms, char out[40])
{
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || !strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return "";
    return out;
}

void nv_count_overlaps(struct nv_eval *ev, const struct nv_expr *at, struct nv_str name, uint64_t n)
{
    struct nv_overlap *o = ev->overlaps;

    while (o && (o->at != at->start || !nv_str_eq(o->name, name)))
        o = o->next;
    if (!o) {
        struct nv_str copy = nv_arena_str(&ev->kept.arena, name);
        o = nv_pool_alloc(&ev->kept, 1, sizeof(*o));
        if (!o || !copy.p)
            return;
        *o = (struct nv_overlap){at->start, copy, 0, ev->overlaps};
        ev->overlaps = o;
    }
    o->n += n;
}

static void annotate_overlaps(struct nv_eval *ev)
{
    for (const struct nv_overlap *o = ev->overlaps; o; o = o->next) {
        struct nv_expr at = {.start = o->at};
        char times[48] = "";
        if (o->n > 1)
            snprintf(times, sizeof(times), " (%llu occurrences)", (unsigned long long)o->n);
        nv_annotate(ev, true, &at,
                    "sample has start time that overlaps with previous sample timestamp for "
                    "metric %s%s",
                    nv_quoted(ev, o->name), times);
    }
}

void nv_annotate_gathered(struct nv_eval *ev)
{
    annotate_overlaps(ev);
    for (const struct nv_fix *f = ev->fixes; f; f = f->next) {
        struct nv_expr at = {.start = f->at};
        char from[40], to[40];
        nv_annotate(ev, false, &at,
                    "input to histogram_quantile needed to be fixed for monotonicity (see "
                    "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                    "#histogram_quantile)%s%s, from buckets %s to %s, with a max diff of %.2g, "
                    "over %llu samples from %s to %s",
                    f->name.n ? " for metric name " : "", f->name.n ? nv_quoted(ev, f->name) : "",
                    nv_shown(ev, f->low), nv_shown(ev, f->high), f->difference,
                    (unsigned long long)f->n, rfc3339(f->first_ms, from), rfc3339(f->last_ms, to));
    }
}
