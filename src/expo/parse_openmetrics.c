/*
 * parse_openmetrics.c - OpenMetrics 1.0, as strict as Prometheus' parser, which promtool imports with.
 *
 *   lines      # TYPE, # HELP, # UNIT, samples; no blank lines, one blank between tokens; # EOF ends the text
 *   names      bare, or in quotes within the braces; label names likewise; an escape that is none stays
 *   times      seconds, read as the decimals they are: 1700000000.123 is that very millisecond. Digits below
 *              a millisecond are cut off, as in Prometheus
 *   values     as Go's ParseFloat(); any NaN is the ordinary one but `naN`, in that spelling, which is the
 *              staleness marker: no other tool writes it, every tool reads it as NaN
 *   labels     le and quantile are kept as written; empty values are no labels
 *   not asked  whether families are whole, in order, or named as their type wants; exemplars are checked
 *              and skipped
 */
#include "expo/openmetrics_in.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "expo/token.h"
#include "metric/queryable.h"

enum { FIRST_ROOM = 1 << 16, UNESCAPED_MAX = 4 << 20 };

#define NORMAL_NAN_BITS UINT64_C(0x7ff8000000000001) /* Prometheus' own */

static const struct {
    const char *name;
    bool has_created;
} types[] = {
    {"counter",        true },
    {"gauge",          false},
    {"histogram",      true },
    {"gaugehistogram", false},
    {"summary",        true },
    {"info",           false},
    {"stateset",       false},
    {"unknown",        false},
};

struct nv_openmetrics_in {
    nv_openmetrics_fill fill;
    void *user;
    char *p; /* what was read and not taken: at..end */
    size_t room, at, end;
    bool ended;
    uint64_t line, bytes;

    struct nv_buf series; /* text of the last sample's series; the views below are of it */
    struct nv_arena unescaped;
    struct nv_str name;
    struct nv_label labels[NV_OPENMETRICS_LABELS_MAX];
    size_t n_labels;
    bool is_created;

    struct nv_buf family; /* whose TYPE came last, where that has _created */
    struct nv_token quoter;
    char error[NV_OPENMETRICS_ERROR_MAX];
};

struct cursor {
    const char *at, *end;
};

/* ---- lines ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int fail(struct nv_openmetrics_in *in,
                                                      const char *format, ...)
{
    va_list arguments;
    int n = snprintf(in->error, sizeof(in->error), "line %llu: ", (unsigned long long)in->line);

    va_start(arguments, format);
    vsnprintf(in->error + n, sizeof(in->error) - (size_t)n, format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

static const char *quote(struct nv_openmetrics_in *in, struct nv_str s)
{
    return nv_token_quote(&in->quoter, s.n > 80 ? (struct nv_str){s.p, 80} : s);
}

/* Reads on; what was taken makes room. */
static int refill(struct nv_openmetrics_in *in)
{
    if (in->at > 0) {
        memmove(in->p, in->p + in->at, in->end - in->at);
        in->end -= in->at;
        in->at = 0;
    }
    if (in->end == in->room) {
        if (in->room > NV_OPENMETRICS_LINE_MAX)
            return fail(in, "longer than %d bytes", NV_OPENMETRICS_LINE_MAX);
        size_t room = in->room * 2;
        char *grown = realloc(in->p, room);
        if (!grown)
            return -ENOMEM;
        in->p = grown;
        in->room = room;
    }
    ssize_t n = in->fill(in->user, in->p + in->end, in->room - in->end);
    if (n < 0)
        return (int)n;
    nv_assert((size_t)n <= in->room - in->end);
    in->end += (size_t)n;
    in->bytes += (size_t)n;
    in->ended = n == 0;
    return 0;
}

/* The next line, without its newline; the last one may lack it. Nothing at the end of the text. */
static int next_line(struct nv_openmetrics_in *in, struct nv_str *ret, bool *ret_whole)
{
    size_t seen = 0;

    in->line++;
    for (;;) {
        size_t n = in->end - in->at;
        const char *from = in->p + in->at;
        const char *newline = n > seen ? memchr(from + seen, '\n', n - seen) : NULL;
        if (newline || in->ended) {
            *ret = (struct nv_str){from, newline ? (size_t)(newline - from) : n};
            *ret_whole = newline;
            in->at += ret->n + (newline ? 1 : 0);
            return ret->n > NV_OPENMETRICS_LINE_MAX
                       ? fail(in, "longer than %d bytes", NV_OPENMETRICS_LINE_MAX)
                       : 0;
        }
        seen = n;
        int r = refill(in);
        if (r < 0)
            return r;
    }
}

/* Nothing may follow # EOF. */
static int end_of_text(struct nv_openmetrics_in *in)
{
    while (in->at == in->end && !in->ended) {
        int r = refill(in);
        if (r < 0)
            return r;
    }
    if (in->at == in->end)
        return NV_OPENMETRICS_END;
    in->line++;
    return fail(in, "unexpected data after # EOF");
}

/* ---- tokens --------------------------------------------------------------------------------- */

static int peek(const struct cursor *c)
{
    return c->at < c->end ? (unsigned char)*c->at : -1;
}

static bool accept(struct cursor *c, char byte)
{
    bool is = c->at < c->end && *c->at == byte;

    c->at += is;
    return is;
}

/* What comes next, for messages. */
static const char *here(struct nv_openmetrics_in *in, const struct cursor *c)
{
    size_t n = (size_t)(c->end - c->at);

    return n ? quote(in, (struct nv_str){c->at, n < 20 ? n : 20}) : "end of line";
}

static struct nv_str bare_name(struct cursor *c, bool colons)
{
    const char *from = c->at;

    for (; c->at < c->end; c->at++) {
        char b = *c->at;
        bool letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '_';
        if (!letter && !(b == ':' && colons) && !(nv_is_digit(b) && c->at > from))
            break;
    }
    return (struct nv_str){from, (size_t)(c->at - from)};
}

/* A run without blanks behind exactly one. Empty where there is none. */
static struct nv_str word(struct cursor *c)
{
    if (!accept(c, ' '))
        return (struct nv_str){c->at, 0};
    const char *from = c->at;
    const char *blank = memchr(from, ' ', (size_t)(c->end - from));
    c->at = blank ? blank : c->end;
    return (struct nv_str){from, (size_t)(c->at - from)};
}

/* Resolves \\ \" \n; any other escape stands for itself, as Prometheus has it. */
static int unescape(struct nv_openmetrics_in *in, struct nv_str *s)
{
    char *copy = nv_arena_alloc(&in->unescaped, s->n);
    size_t n = 0;

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        char next = s->p[i] == '\\' && i + 1 < s->n ? s->p[i + 1] : '\0';
        if (next == '\\' || next == '"' || next == 'n') {
            copy[n++] = next == 'n' ? '\n' : next;
            i++;
        } else {
            copy[n++] = s->p[i];
        }
    }
    *s = (struct nv_str){copy, n};
    return 0;
}

static int quoted(struct nv_openmetrics_in *in, struct cursor *c, const char *what,
                  struct nv_str *ret)
{
    bool escapes = false;

    if (!accept(c, '"'))
        return fail(in, "expected %s in quotes, got %s", what, here(in, c));
    const char *from = c->at;
    for (; c->at < c->end && *c->at != '"'; c->at++) {
        if (*c->at != '\\')
            continue;
        escapes = true;
        if (++c->at == c->end)
            break;
    }
    if (c->at == c->end)
        return fail(in, "%s lacks its closing quote", what);
    *ret = (struct nv_str){from, (size_t)(c->at - from)};
    c->at++;
    if (!nv_utf8_valid(*ret))
        return fail(in, "%s %s is not UTF-8", what, quote(in, *ret));
    return escapes ? unescape(in, ret) : 0;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static int number(struct nv_openmetrics_in *in, const char *what, struct nv_str s, double *ret)
{
    static const uint64_t nan_bits = NORMAL_NAN_BITS;

    if (!s.n || !nv_token_number(s, ret))
        return fail(in, "expected %s, got %s", what, quote(in, s));
    if (isnan(*ret)) {
        if (nv_str_is(s, "naN"))
            *ret = nv_stale();
        else
            memcpy(ret, &nan_bits, sizeof(nan_bits));
    }
    return 0;
}

static int timestamp(struct nv_openmetrics_in *in, struct nv_str s, int64_t *ret)
{
    double seconds;

    int r = number(in, "a timestamp", s, &seconds);
    if (r < 0)
        return r;
    if (!isfinite(seconds) || !nv_token_seconds(s, ret))
        return fail(in, "invalid timestamp %s", quote(in, s));
    return 0;
}

/* ---- labels --------------------------------------------------------------------------------- */

struct labels {
    struct nv_label *at; /* NULL: only checked */
    size_t n;
    struct nv_str name; /* of the metric, where it stands among them; empty: none yet */
};

static int add_label(struct nv_openmetrics_in *in, struct labels *labels, struct nv_label label)
{
    if (!label.name.n)
        return fail(in, "empty label name");
    if (nv_str_is(label.name, "__name__"))
        return fail(in, "label name __name__ is reserved");
    if (!labels->at || !label.value.n)
        return 0;
    if (labels->n == NV_OPENMETRICS_LABELS_MAX - 1) /* one is for the name */
        return fail(in, "more than %d labels", NV_OPENMETRICS_LABELS_MAX - 1);
    labels->at[labels->n++] = label;
    return 0;
}

/* name="value", or the quoted name of the metric. */
static int pair(struct nv_openmetrics_in *in, struct cursor *c, struct labels *labels)
{
    struct nv_label label = {0};
    bool in_quotes = peek(c) == '"';
    int r = 0;

    if (in_quotes)
        r = quoted(in, c, "name", &label.name);
    else
        label.name = bare_name(c, false);
    if (r < 0)
        return r;
    if (in_quotes && (peek(c) == ',' || peek(c) == '}')) {
        if (labels->name.n || !label.name.n || !labels->at)
            return fail(in, "unexpected metric name %s", quote(in, label.name));
        labels->name = label.name;
        return 0;
    }
    if (!label.name.n && !in_quotes)
        return fail(in, "expected label name, got %s", here(in, c));
    if (!accept(c, '='))
        return fail(in, "expected equal, got %s", here(in, c));
    r = quoted(in, c, "label value", &label.value);
    return r < 0 ? r : add_label(in, labels, label);
}

/* From behind the opening brace to behind the closing one. A comma may end the list. */
static int read_labels(struct nv_openmetrics_in *in, struct cursor *c, struct labels *labels)
{
    while (!accept(c, '}')) {
        int r = pair(in, c, labels);
        if (r < 0)
            return r;
        if (!accept(c, ',') && peek(c) != '}')
            return fail(in, "expected comma or closing brace, got %s", here(in, c));
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_label *)a)->name, ((const struct nv_label *)b)->name);
}

/* By name, which mostly they are already. */
static void sort_labels(struct nv_label *labels, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct nv_label label = labels[i];
        size_t k = i;
        for (; k && by_name(&label, &labels[k - 1]) < 0; k--)
            labels[k] = labels[k - 1];
        labels[k] = label;
    }
}

/* ---- a sample ------------------------------------------------------------------------------- */

/* Whether the name is that of the family with _created behind it. */
static bool says_created(const struct nv_openmetrics_in *in)
{
    size_t n = in->family.n;

    return n && in->name.n == n + strlen("_created") && memcmp(in->name.p, in->family.p, n) == 0 &&
           nv_str_ends(in->name, "_created");
}

/* Reads the series at the front of the line; it stays for the lines that follow. */
static int read_series(struct nv_openmetrics_in *in, struct nv_str line)
{
    struct labels labels = {.at = in->labels};

    nv_buf_reset(&in->series);
    nv_arena_reset(&in->unescaped);
    in->n_labels = 0;
    nv_buf_str(&in->series, line);
    if (in->series.failed)
        return -ENOMEM;
    struct cursor c = {in->series.p, in->series.p + in->series.n};

    labels.name = bare_name(&c, true);
    if (!labels.name.n && peek(&c) != '{')
        return fail(in, "expected a metric name, got %s", here(in, &c));
    int r = accept(&c, '{') ? read_labels(in, &c, &labels) : 0;
    if (r < 0)
        return r;
    if (!labels.name.n)
        return fail(in, "metric name is missing");
    in->labels[labels.n++] = (struct nv_label){NV_LIT("__name__"), labels.name};
    sort_labels(in->labels, labels.n);
    for (size_t i = 1; i < labels.n; i++)
        if (nv_str_eq(in->labels[i].name, in->labels[i - 1].name))
            return fail(in, "label name %s is not unique", quote(in, in->labels[i].name));
    in->series.n = (size_t)(c.at - in->series.p);
    in->name = labels.name;
    in->n_labels = labels.n;
    return 0;
}

static int skip_exemplar(struct nv_openmetrics_in *in, struct cursor *c)
{
    struct labels none = {0};
    double value;
    int64_t time_ms;

    int r = read_labels(in, c, &none);
    if (r == 0)
        r = number(in, "the value of an exemplar", word(c), &value);
    if (r == 0 && c->at < c->end)
        r = timestamp(in, word(c), &time_ms);
    return r;
}

static int value_and_time(struct nv_openmetrics_in *in, struct cursor *c,
                          struct nv_openmetrics_sample *ret)
{
    static const struct nv_str opening = NV_LIT(" # {");

    if (peek(c) != ' ')
        return fail(in, "expected a blank and a value after the series, got %s", here(in, c));
    int r = number(in, "a value", word(c), &ret->value);
    if (r < 0)
        return r;
    if (c->at < c->end &&
        !nv_str_starts((struct nv_str){c->at, (size_t)(c->end - c->at)}, " # {")) {
        r = timestamp(in, word(c), &ret->time_ms);
        if (r < 0)
            return r;
        ret->has_time = true;
    }
    if (nv_str_starts((struct nv_str){c->at, (size_t)(c->end - c->at)}, " # {")) {
        c->at += opening.n;
        r = skip_exemplar(in, c);
        if (r < 0)
            return r;
    }
    return c->at == c->end ? 0 : fail(in, "expected the end of the line, got %s", here(in, c));
}

static int sample_line(struct nv_openmetrics_in *in, struct nv_str line,
                       struct nv_openmetrics_sample *ret)
{
    size_t n = in->series.n;
    bool same =
        in->n_labels && line.n > n && line.p[n] == ' ' && memcmp(line.p, in->series.p, n) == 0;

    if (!same) {
        int r = read_series(in, line);
        if (r < 0)
            return r;
        n = in->series.n;
    }
    *ret = (struct nv_openmetrics_sample){
        .name = in->name,
        .labels = in->labels,
        .n_labels = in->n_labels,
        .is_created = says_created(in),
        .same_series = same,
        .line = in->line,
    };
    struct cursor c = {line.p + n, line.p + line.n};
    return value_and_time(in, &c, ret);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static int type_is(struct nv_openmetrics_in *in, struct nv_str name, struct nv_str type)
{
    nv_buf_reset(&in->family);
    for (size_t i = 0; i < NV_LEN(types); i++) {
        if (!nv_str_is(type, types[i].name))
            continue;
        if (types[i].has_created)
            nv_buf_str(&in->family, name);
        return in->family.failed ? -ENOMEM : 0;
    }
    return fail(in, "invalid metric type %s", quote(in, type));
}

static int unit_is(struct nv_openmetrics_in *in, struct nv_str name, struct nv_str unit)
{
    struct nv_str tail = {name.p + name.n - unit.n, unit.n};

    if (unit.n && (name.n <= unit.n || !nv_str_eq(tail, unit) || tail.p[-1] != '_'))
        return fail(in, "unit %s not a suffix of metric %s", quote(in, unit), quote(in, name));
    return 0;
}

/* A line that begins with '#'. */
static int descriptor(struct nv_openmetrics_in *in, struct nv_str line)
{
    static const char *const keywords[] = {"# TYPE ", "# HELP ", "# UNIT "};
    struct nv_str name;
    size_t which = 0;
    int r = 0;

    while (which < NV_LEN(keywords) && !nv_str_starts(line, keywords[which]))
        which++;
    if (which == NV_LEN(keywords))
        return fail(in, "expected # TYPE, # HELP, # UNIT or # EOF, got %s", quote(in, line));
    struct cursor c = {line.p + strlen(keywords[which]), line.p + line.n};
    nv_arena_reset(&in->unescaped); /* what the last series has there is not asked for again: */
    in->n_labels = 0;               /* the next one is read anew */
    if (peek(&c) == '"')
        r = quoted(in, &c, "metric name", &name);
    else
        name = bare_name(&c, true);
    if (r < 0)
        return r;
    if (!name.n)
        return fail(in, "expected a metric name, got %s", here(in, &c));
    if (!accept(&c, ' '))
        return fail(in, "expected text after the metric name, got %s", here(in, &c));
    struct nv_str text = {c.at, (size_t)(c.end - c.at)};
    if (which == 0)
        return type_is(in, name, text);
    if (which == 2)
        return unit_is(in, name, text);
    return nv_utf8_valid(text) ? 0 : fail(in, "HELP text is not UTF-8");
}

/* ---- what is exported ----------------------------------------------------------------------- */

struct nv_openmetrics_in *nv_openmetrics_in_new(nv_openmetrics_fill fill, void *user)
{
    struct nv_openmetrics_in *in = calloc(1, sizeof(*in));

    if (!in)
        return NULL;
    in->p = malloc(FIRST_ROOM);
    if (!in->p) {
        free(in);
        return NULL;
    }
    in->room = FIRST_ROOM;
    in->fill = fill;
    in->user = user;
    in->series = NV_BUF(NV_OPENMETRICS_LINE_MAX + 1);
    in->family = NV_BUF(NV_OPENMETRICS_LINE_MAX + 1);
    in->unescaped = NV_ARENA(UNESCAPED_MAX);
    return in;
}

void nv_openmetrics_in_free(struct nv_openmetrics_in *in)
{
    if (!in)
        return;
    nv_buf_done(&in->series);
    nv_buf_done(&in->family);
    nv_arena_done(&in->unescaped);
    free(in->p);
    free(in);
}

int nv_openmetrics_in_next(struct nv_openmetrics_in *in, struct nv_openmetrics_sample *ret)
{
    struct nv_str line;
    bool whole;

    for (;;) {
        int r = next_line(in, &line, &whole);
        if (r < 0)
            return r;
        if (nv_str_is(line, "# EOF"))
            return end_of_text(in);
        if (!whole)
            return fail(in, "data does not end with # EOF");
        if (!line.n)
            return fail(in, "blank line");
        if (line.p[0] != '#')
            return sample_line(in, line, ret);
        r = descriptor(in, line);
        if (r < 0)
            return r;
    }
}

const char *nv_openmetrics_in_error(const struct nv_openmetrics_in *in)
{
    return in->error;
}

uint64_t nv_openmetrics_in_bytes(const struct nv_openmetrics_in *in)
{
    return in->bytes;
}
