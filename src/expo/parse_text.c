/*
 * parse_text.c - classic text, read as Go's expfmt.TextParser reads it, its messages included.
 *
 *   two passes the first checks everything and notes where the samples of each family stand; the
 *              second delivers them family by family. So the sink hears nothing of a text that has an
 *              error, HELP may follow samples, and families may be interleaved
 *   families   x_sum and x_count belong to a summary x and, with x_bucket, to a histogram x, once its TYPE
 *              was read and unless they have been families of their own before. Without samples: not told
 *   dropped    parts that say nothing: x_bucket without le, x without quantile. A histogram's bare x with
 *              le is a bucket
 *   labels     at most LABELS_MAX a sample, where Go has no bound
 */
#include "expo/expo.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/arena.h"
#include "base/index.h"
#include "base/utf8.h"
#include "metric/name.h"

enum { LABELS_MAX = 512, QUOTED_MAX = 200, TEXT_MAX = 1 << 30, NO_LINE = UINT32_MAX };

static const char *const types[] = {"counter", "gauge", "untyped", "summary", "histogram"};

struct family {
    struct nv_text_family as;
    uint32_t first, last; /* its sample lines, by `next` */
};

struct line {
    uint32_t at, number, next; /* offset in the text */
};

struct parser {
    struct nv_str text;
    const char *at, *end;
    uint32_t line;
    struct nv_arena arena; /* unescaped strings */
    struct family *families;
    size_t n_families, room_families;
    struct nv_index index;
    struct line *lines;
    size_t n_lines, room_lines;
    char *error;
    size_t error_max;
    char quoted[2][QUOTED_MAX * 4 + 8]; /* for messages */
    unsigned turn;
    struct nv_str names[LABELS_MAX], values[LABELS_MAX];
};

struct sample {
    struct family *family;
    struct nv_text_sample as;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *p, const char *format, ...)
{
    va_list arguments;
    int n = snprintf(p->error, p->error_max, "text format parsing error in line %u: ", p->line);

    va_start(arguments, format);
    if (n >= 0 && (size_t)n < p->error_max)
        vsnprintf(p->error + n, p->error_max - (size_t)n, format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

/* A character as %q in Go has it. Returns the bytes written, at most 4. */
static size_t quote_byte(char *at, unsigned char c, char around)
{
    static const char plain[] = "\a\b\f\n\r\t\v\\", codes[] = "abfnrtv\\";
    const char *code = c ? strchr(plain, c) : NULL;

    if (code || c == (unsigned char)around)
        return (size_t)snprintf(at, 5, "\\%c", code ? codes[code - plain] : around);
    if (c < 0x20 || c >= 0x7f)
        return (size_t)snprintf(at, 5, "\\x%02x", c);
    *at = (char)c;
    return 1;
}

/* A view in double quotes, cut at QUOTED_MAX bytes. Lasts until the next call but one. */
static const char *quote(struct parser *p, struct nv_str s)
{
    char *room = p->quoted[p->turn++ % NV_LEN(p->quoted)], *at = room;

    *at++ = '"';
    for (size_t i = 0, n; i < s.n && i < QUOTED_MAX; i += n) {
        n = nv_utf8_length(nv_str_from(s, i));
        if (n > 1) {
            memcpy(at, s.p + i, n);
            at += n;
            continue;
        }
        at += quote_byte(at, (unsigned char)s.p[i], '"');
        n = 1;
    }
    *at++ = '"';
    *at = '\0';
    return room;
}

/* The character at the cursor, in single quotes. */
static const char *quote_here(struct parser *p)
{
    char *room = p->quoted[p->turn++ % NV_LEN(p->quoted)];

    room[0] = '\'';
    size_t n = quote_byte(room + 1, (unsigned char)*p->at, '\'');
    memcpy(room + 1 + n, "'", 2);
    return room;
}

/* ---- tokens --------------------------------------------------------------------------------- */

/* The byte at the cursor; -1 at the end, which is an error anywhere but between lines. */
static int peek(const struct parser *p)
{
    return p->at < p->end ? (unsigned char)*p->at : -1;
}

static int ended(struct parser *p)
{
    return fail(p, "unexpected end of input stream");
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct parser *p)
{
    while (is_blank(peek(p)))
        p->at++;
}

/* Up to the next blank, tab or newline, which is left. */
static int word(struct parser *p, struct nv_str *ret)
{
    const char *from = p->at;

    while (p->at < p->end && !is_blank(*p->at) && *p->at != '\n')
        p->at++;
    *ret = (struct nv_str){from, (size_t)(p->at - from)};
    return p->at < p->end ? 0 : ended(p);
}

/* Up to the newline, which is left. */
static int rest_of_line(struct parser *p, struct nv_str *ret)
{
    const char *newline = memchr(p->at, '\n', (size_t)(p->end - p->at));

    if (!newline) {
        p->at = p->end;
        return ended(p);
    }
    *ret = (struct nv_str){p->at, (size_t)(newline - p->at)};
    p->at = newline;
    return 0;
}

/* Resolves \\ \n \" in a view that has a backslash. */
static int unescape(struct parser *p, struct nv_str *s)
{
    char *copy = nv_arena_alloc(&p->arena, s->n);
    size_t n = 0;

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];
        if (c == '\\') {
            if (++i == s->n)
                return ended(p);
            c = s->p[i] == 'n' ? '\n' : s->p[i];
            if (s->p[i] != 'n' && c != '\\' && c != '"')
                return fail(p, "invalid escape sequence '\\%c'", c);
        }
        copy[n++] = c;
    }
    *s = (struct nv_str){copy, n};
    return 0;
}

/* What stands between the double quote at the cursor and the next that is not escaped. */
static int quoted(struct parser *p, const char *what, struct nv_str *ret)
{
    const char *from = ++p->at;
    bool escapes = false;

    for (; peek(p) != '"'; p->at++) {
        struct nv_str so_far = {from, (size_t)(p->at - from)};
        if (p->at == p->end)
            return ended(p);
        if (*p->at == '\n')
            return fail(p, "%s %s contains unescaped new-line", what, quote(p, so_far));
        if (*p->at != '\\')
            continue;
        escapes = true;
        if (++p->at == p->end)
            return ended(p);
        if (*p->at != 'n' && *p->at != '\\' && *p->at != '"')
            return fail(p, "invalid escape sequence '\\%c'", *p->at);
    }
    *ret = (struct nv_str){from, (size_t)(p->at - from)};
    p->at++;
    return escapes ? unescape(p, ret) : 0;
}

/* A name, in quotes or bare; empty where there is none. */
static int name(struct parser *p, bool colons, const char *what, struct nv_str *ret)
{
    const char *from = p->at;

    if (peek(p) == '"')
        return quoted(p, what, ret);
    for (; p->at < p->end; p->at++) {
        char c = *p->at;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c == ':' && colons) && !(nv_is_digit(c) && p->at > from))
            break;
    }
    *ret = (struct nv_str){from, (size_t)(p->at - from)};
    return p->at < p->end ? 0 : ended(p);
}

/* As Go's ParseFloat(), without hexadecimal and underscores: out of range is an error. */
static bool number(struct nv_str s, double *ret)
{
    bool minus = s.n && s.p[0] == '-', sign = s.n && (s.p[0] == '-' || s.p[0] == '+');
    struct nv_str bare = nv_str_from(s, sign);

    if ((bare.n == 3 && strncasecmp(bare.p, "inf", 3) == 0) ||
        (bare.n == 8 && strncasecmp(bare.p, "infinity", 8) == 0)) {
        *ret = minus ? -INFINITY : INFINITY;
        return true;
    }
    if (s.n == 3 && strncasecmp(s.p, "nan", 3) == 0) {
        *ret = NAN;
        return true;
    }
    for (size_t i = 0; i < s.n; i++)
        if (!nv_is_digit(s.p[i]) && !memchr("+-.eE", s.p[i], 5))
            return false;
    return nv_str_to_real(s, ret) && isfinite(*ret);
}

static bool is_integer(struct nv_str s)
{
    int64_t value;

    return s.n && !nv_is_space(s.p[0]) && !nv_is_space(s.p[s.n - 1]) && nv_str_to_i64(s, &value);
}

/* ---- families ------------------------------------------------------------------------------- */

static uint64_t family_hash(uint32_t value, const void *families)
{
    struct nv_str key = ((const struct family *)families)[value].as.name;

    return nv_hash(key.p, key.n, 0);
}

static struct family *find(struct parser *p, struct nv_str key)
{
    uint64_t hash = nv_hash(key.p, key.n, 0);
    uint32_t v;

    for (uint32_t at = nv_index_first(&p->index, hash); nv_index_next(&p->index, hash, &at, &v);)
        if (nv_str_eq(p->families[v].as.name, key))
            return &p->families[v];
    return NULL;
}

/* The summary or histogram that `key` is a part of by its suffix, or NULL. */
static struct family *find_whole(struct parser *p, struct nv_str key)
{
    static const char *const suffixes[] = {"_count", "_sum", "_bucket"};

    for (size_t i = 0; i < NV_LEN(suffixes); i++) {
        size_t n = strlen(suffixes[i]);
        if (!nv_str_ends(key, suffixes[i]) || key.n == n)
            continue;
        struct family *whole = find(p, (struct nv_str){key.p, key.n - n});
        if (whole && whole->as.has_type &&
            (whole->as.type == NV_HISTOGRAM || (whole->as.type == NV_SUMMARY && i < 2)))
            return whole;
    }
    return NULL;
}

static int add_family(struct parser *p, struct nv_str key, struct family **ret)
{
    if (p->n_families == p->room_families) {
        size_t room = p->room_families ? p->room_families * 2 : 32;
        struct family *grown = realloc(p->families, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        p->families = grown;
        p->room_families = room;
    }
    uint32_t i = (uint32_t)p->n_families;
    p->families[i] = (struct family){
        .as = {.name = key, .type = NV_UNTYPED},
          .first = NO_LINE, .last = NO_LINE
    };
    int r = nv_index_add(&p->index, nv_hash(key.p, key.n, 0), i, family_hash, p->families);
    if (r < 0)
        return r;
    p->n_families++;
    *ret = &p->families[i];
    return 0;
}

static int family_of(struct parser *p, struct nv_str key, struct family **ret)
{
    if (!nv_name_is_legacy_metric(key))
        return fail(p, "invalid metric name %s", quote(p, key));
    *ret = find(p, key);
    if (!*ret)
        *ret = find_whole(p, key);
    return *ret ? 0 : add_family(p, key, ret);
}

/* ---- comments ------------------------------------------------------------------------------- */

static int help_line(struct parser *p, struct family *family)
{
    if (family->as.has_help)
        return fail(p, "second HELP line for metric name %s", quote(p, family->as.name));
    int r = rest_of_line(p, &family->as.help);
    if (r == 0 && nv_str_find(family->as.help, '\\') < family->as.help.n)
        r = unescape(p, &family->as.help);
    family->as.has_help = true;
    return r;
}

static int type_line(struct parser *p, struct family *family)
{
    struct nv_str text;

    if (family->as.has_type || family->first != NO_LINE)
        return fail(p, "second TYPE line for metric name %s, or TYPE reported after samples",
                    quote(p, family->as.name));
    int r = rest_of_line(p, &text);
    if (r < 0)
        return r;
    for (size_t i = 0; i < NV_LEN(types); i++) {
        if (text.n == strlen(types[i]) && strncasecmp(text.p, types[i], text.n) == 0) {
            family->as.type = (enum nv_type)i;
            family->as.has_type = true;
            return 0;
        }
    }
    return fail(p, "unknown metric type %s", quote(p, text));
}

/* A line from behind its '#' up to its newline. What is neither HELP nor TYPE is a comment. */
static int comment(struct parser *p)
{
    struct nv_str keyword, key;
    struct family *family;

    skip_blanks(p);
    int r = word(p, &keyword);
    if (r < 0)
        return r;
    bool help = nv_str_is(keyword, "HELP");
    if (!help && !nv_str_is(keyword, "TYPE"))
        return rest_of_line(p, &keyword);

    skip_blanks(p);
    r = name(p, true, "metric name", &key);
    if (r < 0)
        return r;
    if (peek(p) == '\n')
        return 0;
    if (!is_blank(peek(p)))
        return p->at == p->end ? ended(p) : fail(p, "invalid metric name in comment");
    r = family_of(p, key, &family);
    if (r < 0)
        return r;
    skip_blanks(p);
    if (peek(p) == '\n')
        return 0;
    return help ? help_line(p, family) : type_line(p, family);
}

/* ---- samples -------------------------------------------------------------------------------- */

/* Remembers which family a sample is of, unless the second pass knows already. */
static int set_name(struct parser *p, struct sample *sample, struct nv_str key)
{
    sample->as.name = key;
    return sample->family ? 0 : family_of(p, key, &sample->family);
}

static struct nv_str name_of(const struct sample *sample)
{
    return sample->family ? sample->family->as.name : (struct nv_str){"", 0};
}

/* A name between braces that has no value: the metric's. */
static int name_in_braces(struct parser *p, struct sample *sample, struct nv_str key, bool braces)
{
    int c = peek(p);

    if (c < 0)
        return ended(p);
    if (!braces)
        return fail(p, "expected '=' after label name, found %s", quote_here(p));
    if (sample->as.name.n)
        return fail(p, "multiple metric names for metric %s", quote(p, name_of(sample)));
    if (c != ',' && c != '}')
        return fail(p, "unexpected end of metric name %s", quote_here(p));
    return set_name(p, sample, key);
}

static int add_label(struct parser *p, struct sample *sample, struct nv_str key)
{
    size_t n = sample->as.n_labels;

    if (nv_str_is(key, "__name__"))
        return fail(p, "label name \"__name__\" is reserved");
    if (!nv_name_is_legacy_label(key))
        return fail(p, "invalid label name %s for metric %s", quote(p, key),
                    quote(p, name_of(sample)));
    for (size_t i = 0; i < n; i++)
        if (nv_str_eq(p->names[i], key))
            return fail(p, "duplicate label names for metric %s", quote(p, name_of(sample)));
    if (n == LABELS_MAX)
        return fail(p, "too many labels for metric %s", quote(p, name_of(sample)));

    p->at++; /* the '=' */
    skip_blanks(p);
    if (peek(p) != '"')
        return p->at == p->end
                   ? ended(p)
                   : fail(p, "expected '\"' at start of label value, found %s", quote_here(p));
    int r = quoted(p, "label value", &p->values[n]);
    if (r < 0)
        return r;
    if (!nv_utf8_valid(p->values[n]))
        return fail(p, "invalid label value %s", quote(p, p->values[n]));
    p->names[n] = key;
    sample->as.n_labels++;
    return 0;
}

/* One label, or the name, and what follows it, which is ',' or '}' and left. */
static int label(struct parser *p, struct sample *sample, bool braces)
{
    struct nv_str key;

    int r = name(p, false, "label name", &key);
    if (r < 0)
        return r;
    if (!key.n)
        return fail(p, "invalid label name for metric %s", quote(p, name_of(sample)));
    skip_blanks(p);
    if (peek(p) != '=')
        return name_in_braces(p, sample, key, braces);
    r = add_label(p, sample, key);
    if (r < 0)
        return r;
    skip_blanks(p);
    if (p->at == p->end)
        return ended(p);
    if (*p->at != ',' && *p->at != '}')
        return fail(p, "unexpected end of label value %s",
                    quote(p, p->values[sample->as.n_labels - 1]));
    return 0;
}

/* From the brace at the cursor to behind its partner. */
static int labels(struct parser *p, struct sample *sample)
{
    bool braces = sample->as.name.n == 0;

    do {
        p->at++;
        skip_blanks(p);
        if (peek(p) == '}')
            break;
        if (p->at == p->end)
            return ended(p);
        int r = label(p, sample, braces);
        if (r < 0)
            return r;
    } while (*p->at == ',');
    p->at++;
    return sample->as.name.n ? 0 : fail(p, "invalid metric name");
}

static int timestamp(struct parser *p, struct sample *sample)
{
    struct nv_str text;

    skip_blanks(p);
    int r = word(p, &text);
    if (r < 0)
        return r;
    if (!is_integer(text))
        return fail(p, "expected integer as timestamp, got %s", quote(p, text));
    sample->as.has_timestamp = true;
    r = rest_of_line(p, &text);
    if (r < 0)
        return r;
    return text.n ? fail(p, "spurious string after timestamp: %s", quote(p, text)) : 0;
}

/* Where the family has it, the label that tells its parts apart; NULL elsewhere. */
static const char *bound_label(const struct family *family)
{
    return family->as.type == NV_HISTOGRAM ? "le"
           : family->as.type == NV_SUMMARY ? "quantile"
                                           : NULL;
}

static int check_bound(struct parser *p, const struct sample *sample)
{
    const char *bound = bound_label(sample->family);
    double value;

    for (size_t i = 0; bound && i < sample->as.n_labels; i++)
        if (nv_str_is(p->names[i], bound) && !number(p->values[i], &value))
            return fail(p, "expected float as value for '%s' label, got %s", bound,
                        quote(p, p->values[i]));
    return 0;
}

/* A sample up to its newline. */
static int parse_sample(struct parser *p, struct sample *sample)
{
    struct nv_str text;
    int r;

    if (peek(p) != '{') {
        r = name(p, true, "metric name", &text);
        if (r == 0)
            r = text.n ? set_name(p, sample, text) : fail(p, "invalid metric name");
        if (r < 0)
            return r;
        skip_blanks(p);
    }
    if (peek(p) == '{') {
        r = labels(p, sample);
        if (r == 0)
            r = check_bound(p, sample);
        if (r < 0)
            return r;
        skip_blanks(p);
    }
    r = word(p, &text);
    if (r < 0)
        return r;
    if (!number(text, &sample->as.value))
        return fail(p, "expected float as value, got %s", quote(p, text));
    return *p->at == '\n' ? 0 : timestamp(p, sample);
}

/* ---- the passes ----------------------------------------------------------------------------- */

static int note_line(struct parser *p, struct family *family, const char *from)
{
    if (p->n_lines == p->room_lines) {
        size_t room = p->room_lines ? p->room_lines * 2 : 256;
        struct line *grown = realloc(p->lines, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        p->lines = grown;
        p->room_lines = room;
    }
    uint32_t i = (uint32_t)p->n_lines++;
    p->lines[i] = (struct line){(uint32_t)(from - p->text.p), p->line, NO_LINE};
    if (family->first == NO_LINE)
        family->first = i;
    else
        p->lines[family->last].next = i;
    family->last = i;
    return 0;
}

/* One line, its newline included. */
static int parse_line(struct parser *p)
{
    struct sample sample = {0};
    int r;

    p->line++;
    skip_blanks(p);
    if (p->at == p->end)
        return 0;
    if (*p->at == '#') {
        p->at++;
        r = comment(p);
    } else if (*p->at != '\n') {
        const char *from = p->at;
        r = parse_sample(p, &sample);
        if (r == 0)
            r = note_line(p, sample.family, from);
    } else {
        r = 0;
    }
    if (r == 0)
        p->at++;
    return r;
}

/* Leaves out a bound where the part has none (x_sum{le="1"}), which Go takes no notice of either. */
static void drop_label(struct parser *p, struct sample *sample, const char *key)
{
    size_t kept = 0;

    for (size_t i = 0; i < sample->as.n_labels; i++) {
        if (nv_str_is(p->names[i], key))
            continue;
        p->names[kept] = p->names[i];
        p->values[kept++] = p->values[i];
    }
    sample->as.n_labels = kept;
}

/* Whether the sample has a bound, and not NaN, which counts as none. */
static bool has_bound(const struct parser *p, const struct sample *sample, const char *key)
{
    double value;

    for (size_t i = 0; i < sample->as.n_labels; i++)
        if (nv_str_is(p->names[i], key))
            return number(p->values[i], &value) && !isnan(value);
    return false;
}

/* Makes a part of a histogram or summary what its name says. 1: deliver it, 0: it says nothing, or -ENOMEM. */
static int settle(struct parser *p, struct sample *sample)
{
    const char *bound = bound_label(sample->family);
    struct nv_str whole = sample->family->as.name;

    if (!bound)
        return 1;
    if (sample->as.name.n > whole.n && !nv_str_ends(sample->as.name, "_bucket")) {
        drop_label(p, sample, bound);
        return 1;
    }
    if (!has_bound(p, sample, bound))
        return 0;
    if (sample->family->as.type == NV_HISTOGRAM && sample->as.name.n == whole.n) {
        size_t n = whole.n + strlen("_bucket");
        char *copy = nv_arena_alloc(&p->arena, n);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, whole.p, whole.n);
        memcpy(copy + whole.n, "_bucket", n - whole.n);
        sample->as.name = (struct nv_str){copy, n};
    }
    return 1;
}

static int deliver_line(struct parser *p, struct family *family, const struct line *line,
                        const struct nv_text_sink *sink, void *user)
{
    struct sample sample = {.family = family};

    p->at = p->text.p + line->at;
    p->line = line->number;
    int r = parse_sample(p, &sample);
    if (r == 0)
        r = settle(p, &sample);
    if (r <= 0)
        return r;
    sample.as.label_names = p->names;
    sample.as.label_values = p->values;
    return sink->sample(user, &sample.as);
}

static int deliver(struct parser *p, const struct nv_text_sink *sink, void *user)
{
    for (size_t i = 0; i < p->n_families; i++) {
        struct family *family = &p->families[i];
        if (family->first == NO_LINE)
            continue;
        int r = sink->family(user, &family->as);
        for (uint32_t k = family->first; k != NO_LINE && r == 0; k = p->lines[k].next)
            r = deliver_line(p, family, &p->lines[k], sink, user);
        if (r < 0)
            return r;
    }
    return 0;
}

int nv_expo_parse_text(struct nv_str text, const struct nv_text_sink *sink, void *user, char *error,
                       size_t error_max)
{
    NV_AUTO_FREE struct parser *p = calloc(1, sizeof(*p));
    int r = 0;

    if (!p)
        return -ENOMEM;
    p->text = text;
    p->at = text.p;
    p->end = text.n ? text.p + text.n : text.p;
    p->error = error;
    p->error_max = error_max;
    p->arena = NV_ARENA((size_t)16 * text.n + (1 << 20)); /* both passes unescape */
    if (text.n > TEXT_MAX)
        r = fail(p, "text too long");
    while (r == 0 && p->at < p->end)
        r = parse_line(p);
    if (r == 0)
        r = deliver(p, sink, user);
    nv_arena_done(&p->arena);
    nv_index_done(&p->index);
    free(p->families);
    free(p->lines);
    return r;
}
