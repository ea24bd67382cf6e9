/*
 * query_answer.c - an answer in memory, and its parts as text.
 */
#include <math.h>

#include "base/number.h"
#include "base/utf8.h"
#include "cli/query.h"
#include "metric/name.h"

void nv_answer_done(struct nv_answer *answer)
{
    nv_arena_done(&answer->memory);
}

void nv_answer_note(struct nv_answer *answer, const char *kind, struct nv_str text)
{
    static const char prefix[] = "PromQL ";
    NV_AUTO_BUF line = NV_BUF(text.n + 64);

    if (answer->n_notes == NV_QUERY_NOTES_MAX)
        return;
    struct nv_str rest = nv_str_from(text, sizeof(prefix) - 1);
    if (nv_str_starts(text, prefix) && nv_str_starts(rest, kind) &&
        nv_str_starts(nv_str_from(rest, strlen(kind)), ": ")) /* it says its kind itself */
        text = nv_str_from(rest, strlen(kind) + 2);
    nv_buf_printf(&line, "%s: %.*s", kind, NV_ARGS(text));
    struct nv_str kept = nv_arena_str(&answer->memory, nv_buf_view(&line));
    if (kept.p && !line.failed)
        answer->notes[answer->n_notes++] = kept;
}

bool nv_answer_is_empty(const struct nv_answer *answer, enum nv_query_kind kind)
{
    return kind == NV_QUERY_LABELS || kind == NV_QUERY_LABEL_VALUES ? !answer->n_texts : !answer->n;
}

size_t nv_answer_common(const struct nv_answer *answer, struct nv_label out[NV_QUERY_LABELS_MAX])
{
    size_t n = 0, n_first = answer->n ? answer->series[0].n_labels : 0;

    for (size_t i = 0; i < n_first && n < NV_QUERY_LABELS_MAX; i++) {
        struct nv_label label = answer->series[0].labels[i];
        bool common = true;
        for (size_t s = 1; common && s < answer->n; s++)
            common = nv_str_eq(label.value, nv_label_value(answer->series[s].labels,
                                                           answer->series[s].n_labels, label.name));
        if (common)
            out[n++] = label;
    }
    return n;
}

/* Puts a name among those sorted before it; they are no fewer for that. */
static size_t add_name(struct nv_str *names, size_t n, struct nv_str name)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = nv_str_cmp(names[middle], name);
        if (order == 0)
            return n;
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    if (n == NV_QUERY_LABELS_MAX)
        return n;
    memmove(&names[low + 1], &names[low], (n - low) * sizeof(*names));
    names[low] = name;
    return n + 1;
}

size_t nv_answer_names(const struct nv_answer *answer, const struct nv_label *without,
                       size_t n_without, struct nv_str out[NV_QUERY_LABELS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < answer->n; i++) {
        const struct nv_answer_series *series = &answer->series[i];
        for (size_t k = 0; k < series->n_labels; k++) {
            if (!nv_label_value(without, n_without, series->labels[k].name).n)
                n = add_name(out, n, series->labels[k].name);
        }
    }
    return n;
}

/* ---- text ----------------------------------------------------------------------------------- */

void nv_query_plain(struct nv_buf *out, struct nv_str text)
{
    uint32_t c = 0;

    while (text.n) {
        size_t n = nv_utf8_decode(text, &c);
        bool harmless = n && c >= 0x20 && (c < 0x7f || c >= 0xa0);
        if (harmless)
            nv_buf_add(out, text.p, n);
        else if (text.p[0] == '\n')
            nv_buf_text(out, "\\n");
        else
            nv_buf_printf(out, "\\x%02x", (unsigned char)text.p[0]);
        text = nv_str_from(text, harmless ? n : 1);
    }
}

static void print_quoted(struct nv_buf *out, struct nv_str text)
{
    nv_buf_char(out, '"');
    for (size_t i = 0, from = 0; i <= text.n; i++) {
        if (i < text.n && text.p[i] != '"' && text.p[i] != '\\')
            continue;
        nv_query_plain(out, (struct nv_str){text.p + from, i - from});
        if (i < text.n) {
            nv_buf_char(out, '\\');
            nv_buf_char(out, text.p[i]);
        }
        from = i + 1;
    }
    nv_buf_char(out, '"');
}

void nv_query_print_labels(struct nv_buf *out, const struct nv_label *labels, size_t n,
                           const struct nv_label *without, size_t n_without)
{
    struct nv_str name = nv_label_value(labels, n, NV_LIT("__name__"));
    bool left_out = nv_label_value(without, n_without, NV_LIT("__name__")).n > 0;
    bool in_front = name.n && !left_out && nv_name_is_legacy_metric(name);
    size_t begun = out->n, shown = 0;

    if (in_front)
        nv_buf_str(out, name);
    for (size_t i = 0; i < n; i++) {
        bool is_name = nv_str_is(labels[i].name, "__name__");
        if ((is_name && (in_front || left_out)) ||
            nv_label_value(without, n_without, labels[i].name).n)
            continue;
        nv_buf_text(out, shown++ ? ", " : "{");
        if (nv_name_is_legacy_label(labels[i].name) && !is_name)
            nv_buf_str(out, labels[i].name);
        else if (!is_name)
            print_quoted(out, labels[i].name);
        if (!is_name)
            nv_buf_char(out, '=');
        print_quoted(out, labels[i].value);
    }
    if (shown || out->n == begun)
        nv_buf_text(out, shown ? "}" : "{}");
}

/* Exponents only where the number is very large or very small. */
void nv_answer_number_print(struct nv_buf *out, double value)
{
    char text[NV_NUMBER_PLAIN_MAX];
    double size = fabs(value);
    bool exponent = isfinite(value) && value != 0 && (size < 1e-6 || size >= 1e21);

    nv_buf_add(out, text, exponent ? nv_number_text(text, value) : nv_number_plain(text, value));
}

/* As %g of Go: the shortest that reads back. */
static void print_number(struct nv_buf *out, double value)
{
    char text[NV_NUMBER_MAX];

    nv_buf_add(out, text, nv_number_text(text, value));
}

void nv_answer_histogram_print(struct nv_buf *out, const struct nv_answer_histogram *h)
{
    nv_buf_text(out, "{count:");
    print_number(out, h->count);
    nv_buf_text(out, ", sum:");
    print_number(out, h->sum);
    for (size_t i = 0; i < h->n; i++) {
        const struct nv_answer_bucket *bucket = &h->buckets[i];
        nv_buf_text(out, bucket->rule & 1 ? ", [" : ", (");
        print_number(out, bucket->lower);
        nv_buf_char(out, ',');
        print_number(out, bucket->upper);
        nv_buf_text(out, bucket->rule == 0 || bucket->rule == 3 ? "]:" : "):");
        print_number(out, bucket->count);
    }
    nv_buf_char(out, '}');
}
