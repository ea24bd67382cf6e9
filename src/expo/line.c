#include "expo/line.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/number.h"
#include "base/real.h"
#include "base/utf8.h"

#define NORMAL_NAN_BITS UINT64_C(0x7ff8000000000001) /* Prometheus' own */

enum { QUOTED_MAX = 60 /* bytes of a line that a message quotes */ };

/* ---- failures ------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int fail(struct nv_line_reader *r, const char *format,
                                                      ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(r->error, sizeof(r->error), format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

static const char *quote(struct nv_line_reader *r, const char *from, const char *to)
{
    size_t n = (size_t)(to - from);

    return nv_token_quote(&r->quoter, (struct nv_str){from, n < QUOTED_MAX ? n : QUOTED_MAX});
}

/* What was wanted at a place of a line, and what stands there. */
static int expected(struct nv_line_reader *r, const char *what, const char *line, const char *at)
{
    const char *got = quote(r, at, at + 1);

    return fail(r, "expected %s, got %s while parsing: %s", what, got, quote(r, line, at + 1));
}

/* ---- tokens --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Classic text has blanks wherever it likes. */
static const char *blanks(enum nv_line_form form, const char *at)
{
    while (form == NV_LINE_TEXT && is_blank(*at))
        at++;
    return at;
}

static const char *bare_name(const char *at, bool colons)
{
    const char *from = at;

    for (;; at++) {
        char c = *at;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c == ':' && colons) && !(nv_is_digit(c) && at > from))
            return at;
    }
}

/* Behind the quote that closes the one at `at`; NULL where the line ends before. */
static const char *closing(const char *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\' && at[1] != '\n')
            at++;
        else if (*at == '\n')
            return NULL;
    }
    return at + 1;
}

/* Resolves \\ \" \n; any other escape stands for itself, as Prometheus has it. */
static int unescape(struct nv_line_reader *r, struct nv_str *s, bool quotes)
{
    size_t n = 0;

    if (!s->n || !memchr(s->p, '\\', s->n))
        return 0;
    char *copy = nv_arena_alloc(&r->memory, s->n);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        char next = s->p[i] == '\\' && i + 1 < s->n ? s->p[i + 1] : '\0';
        if (next == '\\' || next == 'n' || (next == '"' && quotes)) {
            copy[n++] = next == 'n' ? '\n' : next;
            i++;
        } else {
            copy[n++] = s->p[i];
        }
    }
    *s = (struct nv_str){copy, n};
    return 0;
}

/* ---- a series ------------------------------------------------------------------------------- */

const char *nv_line_series_end(enum nv_line_form form, const char *at)
{
    const char *end = bare_name(at, true), *brace = blanks(form, end);

    if (*brace != '{')
        return end > at ? end : NULL;
    for (at = brace + 1; *at != '}'; at++) {
        if (*at == '\n')
            return NULL;
        if (*at != '"')
            continue;
        at = closing(at);
        if (!at)
            return NULL;
        at--;
    }
    return at + 1;
}

/* A string in quotes, which is what stands at *at. */
static int quoted(struct nv_line_reader *r, const char *line, const char **at, const char *what,
                  struct nv_str *ret)
{
    const char *from = *at, *end = *from == '"' ? closing(from) : NULL;

    if (!end)
        return expected(r, what, line, from);
    *ret = (struct nv_str){from + 1, (size_t)(end - from - 2)};
    *at = end;
    if (!nv_utf8_valid(*ret))
        return fail(r, "invalid UTF-8 %s: %s", what, quote(r, from, end));
    return unescape(r, ret, true);
}

static int add_label(struct nv_line_reader *r, const char *line, struct nv_label label)
{
    if (r->n_labels == NV_LINE_LABELS_MAX)
        return fail(r, "more than %d labels while parsing: %s", NV_LINE_LABELS_MAX,
                    quote(r, line, line + QUOTED_MAX / 2));
    r->labels[r->n_labels++] = label;
    return 0;
}

/* name="value", or the name of the metric in quotes. */
static int pair(struct nv_line_reader *r, const char *line, const char **at)
{
    struct nv_label label = {0};
    const char *from = *at;
    bool in_quotes = *from == '"';
    int f = 0;

    if (in_quotes)
        f = quoted(r, line, at, "label name", &label.name);
    else
        *at = bare_name(from, false);
    if (f < 0)
        return f;
    if (!in_quotes) {
        label.name = (struct nv_str){from, (size_t)(*at - from)};
        if (!label.name.n)
            return expected(r, "label name or left brace", line, *at);
    }
    *at = blanks(r->form, *at);
    if (in_quotes && (**at == ',' || **at == '}')) {
        if (r->name.n)
            return fail(r, "metric name already set while parsing: %s", quote(r, line, *at));
        r->name = label.name;
        return 0;
    }
    if (**at != '=')
        return expected(r, "equal", line, *at);
    *at = blanks(r->form, *at + 1);
    f = quoted(r, line, at, "label value", &label.value);
    return f < 0 ? f : add_label(r, line, label);
}

/* From behind the opening brace to behind the closing one. A comma may end the list; classic text needs none between. */
static int pairs(struct nv_line_reader *r, const char *line, const char **at)
{
    for (;;) {
        *at = blanks(r->form, *at);
        if (**at == '}') {
            ++*at;
            return 0;
        }
        int f = pair(r, line, at);
        if (f < 0)
            return f;
        *at = blanks(r->form, *at);
        if (**at == ',')
            ++*at;
        else if (**at != '}' && r->form == NV_LINE_OPENMETRICS)
            return expected(r, "comma or brace close", line, *at);
    }
}

int nv_line_series(struct nv_line_reader *r, const char *line)
{
    const char *at = bare_name(line, true), *brace = blanks(r->form, at);
    int f = 0;

    r->name = (struct nv_str){line, (size_t)(at - line)};
    r->n_labels = 0;
    if (*brace == '{') {
        brace++;
        f = pairs(r, line, &brace);
        if (f == 0 && !r->name.n)
            return fail(r, "metric name not set while parsing: %s", quote(r, line, brace));
    } else if (!r->name.n) {
        return expected(r, "a valid start token", line, line);
    }
    return f;
}

struct nv_str nv_line_bound(struct nv_arena *memory, struct nv_str value)
{
    char text[NV_NUMBER_MAX];
    double bound;

    if (!nv_line_number(value, &bound))
        return value;
    struct nv_str as = {text, nv_number_openmetrics(text, bound)};
    return nv_str_eq(as, value) ? value : nv_arena_str(memory, as);
}

/* ---- what stands behind it ------------------------------------------------------------------ */

bool nv_line_number(struct nv_str s, double *ret)
{
    static const uint64_t nan_bits = NORMAL_NAN_BITS;
    const char *end = s.n ? nv_real_read(s.p, s.p + s.n, ret) : NULL;

    if (end == s.p + s.n && end)
        return true;
    if (!s.n || !nv_token_number(s, ret))
        return false;
    if (isnan(*ret))
        memcpy(ret, &nan_bits, sizeof(nan_bits));
    return true;
}

/* The end of a token; a brace ends one in classic text. */
static const char *token_end(enum nv_line_form form, const char *at)
{
    if (form == NV_LINE_OPENMETRICS) {
        while (*at != ' ' && *at != '\n')
            at++;
        return at;
    }
    while (!is_blank(*at) && *at != '\n' && *at != '{')
        at++;
    return at;
}

/* A number and where it ends. */
static int number(struct nv_line_reader *r, const char *line, const char **at, double *ret)
{
    const char *from = *at, *end = nv_real_read(from, r->end, ret);

    if (end && (is_blank(*end) || *end == '\n')) {
        *at = end;
        return 0;
    }
    *at = end = token_end(r->form, from);
    struct nv_str s = {from, (size_t)(end - from)};
    if (nv_line_number(s, ret))
        return 0;
    const char *as = quote(r, from, end);
    return fail(r, "strconv.ParseFloat: parsing %s: invalid syntax while parsing: %s", as,
                quote(r, line, end));
}

static int text_time(struct nv_line_reader *r, const char *line, const char **at, int64_t *ret)
{
    const char *from = *at;
    bool minus = *from == '-';
    int64_t time = 0;

    for (*at += minus; nv_is_digit(**at); ++*at) {
        if (__builtin_mul_overflow(time, 10, &time) ||
            __builtin_add_overflow(time, **at - '0', &time))
            return fail(r, "timestamp out of range while parsing: %s", quote(r, line, *at));
    }
    if (*at == from + minus)
        return expected(r, "timestamp or new record", line, *at);
    *ret = minus ? -time : time;
    return 0;
}

static int text_value(struct nv_line_reader *r, const char *line, const char **at,
                      struct nv_line_value *ret)
{
    const char *from = blanks(NV_LINE_TEXT, *at);

    if (*from == '{')
        return NV_LINE_LABELS;
    if (*from == '\n')
        return expected(r, "value after metric", line, from);
    int f = number(r, line, &from, &ret->value);
    if (f < 0)
        return f;
    from = blanks(NV_LINE_TEXT, from);
    ret->has_time = *from != '\n';
    if (ret->has_time) {
        f = text_time(r, line, &from, &ret->time_ms);
        if (f < 0)
            return f;
        from = blanks(NV_LINE_TEXT, from);
    }
    if (*from != '\n')
        return expected(r, "next entry after timestamp", line, from);
    *at = from + 1;
    return 0;
}

/* Seconds, as the decimals they are. */
static int openmetrics_time(struct nv_line_reader *r, const char *line, const char **at,
                            int64_t *ret)
{
    const char *from = ++*at;
    double seconds;

    int f = number(r, line, at, &seconds);
    if (f < 0)
        return f;
    struct nv_str s = {from, (size_t)(*at - from)};
    if (!isfinite(seconds) || !nv_token_seconds(s, ret))
        return fail(r, "invalid timestamp %s while parsing: %s", quote(r, from, *at),
                    quote(r, line, *at));
    return 0;
}

/* {labels} value [time], behind " # ". */
static int exemplar(struct nv_line_reader *r, const char *line, const char **at)
{
    struct nv_arena_mark mark = nv_arena_mark(&r->memory);
    double value;
    int64_t time_ms;

    r->name = (struct nv_str){NULL, 0};
    r->n_labels = 0;
    int f = pairs(r, line, at);
    nv_arena_rewind(&r->memory, mark);
    if (f == 0 && r->name.n)
        f = fail(r, "metric name in an exemplar while parsing: %s", quote(r, line, *at));
    if (f == 0 && **at != ' ')
        f = expected(r, "value after exemplar labels", line, *at);
    if (f < 0)
        return f;
    ++*at;
    f = number(r, line, at, &value);
    return f == 0 && **at == ' ' ? openmetrics_time(r, line, at, &time_ms) : f;
}

static bool has_exemplar(const char *at)
{
    return at[0] == ' ' && at[1] == '#' && at[2] == ' ' && at[3] == '{';
}

static int openmetrics_value(struct nv_line_reader *r, const char *line, const char **at,
                             struct nv_line_value *ret)
{
    const char *from = *at;

    if (*from == '{')
        return NV_LINE_LABELS;
    if (*from != ' ')
        return expected(r, "value after metric", line, from);
    from++;
    int f = number(r, line, &from, &ret->value);
    if (f < 0)
        return f;
    ret->has_time = *from == ' ' && !has_exemplar(from);
    if (ret->has_time)
        f = openmetrics_time(r, line, &from, &ret->time_ms);
    if (f == 0 && has_exemplar(from)) {
        from += strlen(" # {");
        f = exemplar(r, line, &from);
    }
    if (f == 0 && *from != '\n')
        f = expected(r, "next entry after the value", line, from);
    if (f == 0)
        *at = from + 1;
    return f;
}

int nv_line_value(struct nv_line_reader *r, const char *line, const char **at,
                  struct nv_line_value *ret)
{
    return r->form == NV_LINE_TEXT ? text_value(r, line, at, ret)
                                   : openmetrics_value(r, line, at, ret);
}

/* ---- lines that are no samples -------------------------------------------------------------- */

static const struct {
    const char *name, *as;
    bool text, openmetrics;
} types[] = {
    {"counter",        "counter",        true,  true },
    {"gauge",          "gauge",          true,  true },
    {"histogram",      "histogram",      true,  true },
    {"summary",        "summary",        true,  true },
    {"untyped",        "unknown",        true,  false},
    {"unknown",        "unknown",        false, true },
    {"gaugehistogram", "gaugehistogram", false, true },
    {"info",           "info",           false, true },
    {"stateset",       "stateset",       false, true },
};

const char *nv_line_type(enum nv_line_form form, struct nv_str type)
{
    for (size_t i = 0; i < NV_LEN(types); i++)
        if (nv_str_is(type, types[i].name))
            return (form == NV_LINE_TEXT ? types[i].text : types[i].openmetrics) ? types[i].as
                                                                                 : NULL;
    return NULL;
}

static const struct {
    const char *word;
    enum nv_line_kind kind;
} words[] = {
    {"HELP", NV_LINE_HELP},
    {"TYPE", NV_LINE_TYPE},
    {"UNIT", NV_LINE_UNIT},
};

/* Behind "# HELP " and the like; NULL: it is none. Classic text knows no units. */
static const char *keyword(enum nv_line_form form, const char *line, enum nv_line_kind *ret)
{
    const char *at = line + 1;

    if (!is_blank(*at))
        return NULL;
    at = form == NV_LINE_TEXT ? blanks(form, at) : at + 1;
    for (size_t i = 0; i < NV_LEN(words) - (form == NV_LINE_TEXT); i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(at, words[i].word, n) != 0)
            continue;
        if (at[n] != ' ' && !(at[n] == '\t' && form == NV_LINE_TEXT))
            return NULL;
        *ret = words[i].kind;
        return blanks(form, at + n + 1);
    }
    return NULL;
}

static int check_told(struct nv_line_reader *r, enum nv_line_kind kind, struct nv_line_told *told)
{
    struct nv_str name = told->family, text = told->text;
    const char *end = text.p + text.n;

    if (kind == NV_LINE_TYPE && !nv_line_type(r->form, text))
        return fail(r, "invalid metric type %s", quote(r, text.p, end));
    if (kind == NV_LINE_HELP && !nv_utf8_valid(text))
        return fail(r, "help text %s is not a valid utf8 string", quote(r, text.p, end));
    if (kind == NV_LINE_UNIT && text.n) {
        struct nv_str tail = nv_str_from(name, name.n - (text.n < name.n ? text.n : name.n));
        if (!nv_str_eq(tail, text) || tail.n == name.n || tail.p[-1] != '_') {
            const char *unit = quote(r, text.p, end);
            return fail(r, "unit %s not a suffix of metric %s", unit,
                        quote(r, name.p, name.p + name.n));
        }
    }
    return kind == NV_LINE_HELP ? unescape(r, &told->text, r->form == NV_LINE_OPENMETRICS) : 0;
}

static int comment(struct nv_line_reader *r, struct nv_str line, struct nv_line_told *ret)
{
    const char *newline = line.p + line.n, *at, *from;
    enum nv_line_kind kind;

    if (r->form == NV_LINE_OPENMETRICS && nv_str_is(line, "# EOF"))
        return NV_LINE_EOF;
    from = at = keyword(r->form, line.p, &kind);
    if (!at && r->form == NV_LINE_OPENMETRICS)
        return expected(r, "a valid start token", line.p, line.p);
    if (!at)
        return NV_LINE_NOTHING;
    if (*at == '"') {
        int f = quoted(r, line.p, &at, "metric name", &ret->family);
        if (f < 0)
            return f;
    } else {
        at = bare_name(at, true);
        ret->family = (struct nv_str){from, (size_t)(at - from)};
    }
    if (!ret->family.n)
        return expected(r, "metric name", line.p, from);
    /* Of classic help one byte behind the name is left out, whatever it is: "# HELP a-b ..." is of "a". */
    if (r->form == NV_LINE_TEXT ? *at != '\n' && !is_blank(*at) && kind != NV_LINE_HELP
                                : *at != ' ')
        return expected(r, "text after the metric name", line.p, at);
    at += at < newline;
    ret->text = (struct nv_str){at, (size_t)(newline - at)};
    int f = check_told(r, kind, ret);
    return f < 0 ? f : (int)kind;
}

int nv_line_kind(struct nv_line_reader *r, struct nv_str line, struct nv_line_told *ret)
{
    if (!line.n)
        return r->form == NV_LINE_TEXT ? NV_LINE_NOTHING
                                       : expected(r, "a valid start token", line.p, line.p);
    return line.p[0] == '#' ? comment(r, line, ret) : NV_LINE_SAMPLE;
}
