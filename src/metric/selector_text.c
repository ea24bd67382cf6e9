#include "metric/selector_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

enum { UNICODE_SHORT = 4, UNICODE_LONG = 8, SHOWN_MAX = 40 };

struct reader {
    struct nv_selector *selector;
    struct nv_str text;
    size_t at;
    char *error;
    bool named;
};

__attribute__((format(printf, 2, 3))) static int fail(struct reader *r, const char *format, ...)
{
    va_list arguments;
    int n = snprintf(r->error, NV_SELECTOR_ERROR_MAX, "character %zu: ", r->at + 1);

    va_start(arguments, format);
    vsnprintf(r->error + n, NV_SELECTOR_ERROR_MAX - (size_t)n, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int expected(struct reader *r, const char *what)
{
    struct nv_str rest = nv_str_from(r->text, r->at);

    if (!rest.n)
        return fail(r, "expected %s, got the end", what);
    if (rest.n > SHOWN_MAX)
        rest.n = SHOWN_MAX;
    return fail(r, "expected %s, got '%.*s'", what, NV_ARGS(rest));
}

static int peek(const struct reader *r)
{
    return r->at < r->text.n ? (unsigned char)r->text.p[r->at] : -1;
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->text.n && nv_is_space(r->text.p[r->at]))
        r->at++;
}

static bool accept(struct reader *r, const char *token)
{
    if (!nv_str_starts(nv_str_from(r->text, r->at), token))
        return false;
    r->at += strlen(token);
    return true;
}

/* A bare name; empty where there is none. */
static struct nv_str bare(struct reader *r, bool colons)
{
    size_t from = r->at;

    for (; r->at < r->text.n; r->at++) {
        char c = r->text.p[r->at];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c == ':' && colons) && !(nv_is_digit(c) && r->at > from))
            break;
    }
    return (struct nv_str){r->text.p + from, r->at - from};
}

/* ---- strings, as in Go ---------------------------------------------------------------------- */

static int hex_digit(int c)
{
    return nv_is_digit((char)c)   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* n digits of a base; false where there are fewer. */
static bool digits(struct reader *r, size_t n, int base, uint32_t *ret)
{
    *ret = 0;
    for (; n; n--, r->at++) {
        int digit = peek(r) < 0 ? -1 : hex_digit(peek(r));
        if (digit < 0 || digit >= base)
            return false;
        *ret = *ret * (uint32_t)base + (uint32_t)digit;
    }
    return true;
}

/* What stands behind a backslash. Bytes are \ooo and \xhh, characters \uhhhh and \Uhhhhhhhh. */
static int escape(struct reader *r, char around, struct nv_buf *out)
{
    static const char codes[] = "abfnrtv\\", plain[] = "\a\b\f\n\r\t\v\\";
    int c = peek(r);
    const char *code = c > 0 ? strchr(codes, c) : NULL;
    size_t n = c == 'u' ? UNICODE_SHORT : c == 'U' ? UNICODE_LONG : 0;
    char encoded[4];
    uint32_t value;

    if (code || c == around) {
        nv_buf_char(out, code ? plain[code - codes] : around);
        r->at++;
        return 0;
    }
    if (n) {
        r->at++;
        if (!digits(r, n, 16, &value) || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return expected(r, "the digits of a character");
        nv_buf_add(out, encoded, nv_utf8_encode(encoded, value));
        return 0;
    }
    r->at += c == 'x';
    if (!(c == 'x' ? digits(r, 2, 16, &value) : digits(r, 3, 8, &value)) || value > 0xff)
        return expected(r, "an escape sequence");
    nv_buf_char(out, (char)value);
    return 0;
}

static int string(struct reader *r, const char *what, struct nv_str *ret)
{
    NV_AUTO_BUF out = NV_BUF(NV_SELECTOR_TEXT_MAX);
    int around = peek(r);

    if (around != '"' && around != '\'' && around != '`')
        return expected(r, what);
    for (r->at++; peek(r) != around;) {
        if (peek(r) < 0 || (peek(r) == '\n' && around != '`'))
            return expected(r, "the closing quote");
        if (peek(r) == '\\' && around != '`') {
            r->at++;
            int e = escape(r, (char)around, &out);
            if (e < 0)
                return e;
        } else {
            nv_buf_char(&out, r->text.p[r->at++]);
        }
    }
    r->at++;
    if (out.failed)
        return -ENOMEM;
    *ret = nv_arena_str(&r->selector->memory, nv_buf_view(&out));
    return ret->p ? 0 : -ENOMEM;
}

/* ---- matchers ------------------------------------------------------------------------------- */

static int add(struct reader *r, enum nv_match_op op, struct nv_str name, struct nv_str value)
{
    struct nv_selector *selector = r->selector;
    char error[NV_REGEX_ERROR_MAX];

    if (selector->n == NV_SELECTOR_MATCHERS_MAX)
        return fail(r, "more than %d matchers", NV_SELECTOR_MATCHERS_MAX);
    int e = nv_matcher_init(&selector->matchers[selector->n], op, name, value, error);
    if (e == -EINVAL)
        return fail(r, "%s", error);
    selector->n += e == 0;
    return e;
}

static int set_name(struct reader *r, struct nv_str name)
{
    if (r->named)
        return fail(r, "the metric name is given twice");
    r->named = true;
    return add(r, NV_MATCH_EQUAL, NV_LIT("__name__"), name);
}

/* a="b", or the name of the metric in quotes. */
static int matcher(struct reader *r)
{
    static const struct {
        const char *token;
        enum nv_match_op op;
    } ops[] = {
        {"=~", NV_MATCH_REGEX    },
        {"!~", NV_MATCH_NOT_REGEX},
        {"!=", NV_MATCH_NOT_EQUAL},
        {"=",  NV_MATCH_EQUAL    },
    };
    struct nv_str name = bare(r, false), value;
    bool is_bare = name.n;
    size_t i = 0;
    int e;

    if (!is_bare && (e = string(r, "a label name", &name)) < 0)
        return e;
    if (!name.n)
        return fail(r, "empty name");
    skip_blanks(r);
    if (!is_bare && (peek(r) == ',' || peek(r) == '}'))
        return set_name(r, name);
    while (i < NV_LEN(ops) && !accept(r, ops[i].token))
        i++;
    if (i == NV_LEN(ops))
        return expected(r, "=, !=, =~ or !~");
    skip_blanks(r);
    e = string(r, "a value in quotes", &value);
    return e < 0 ? e : add(r, ops[i].op, name, value);
}

static int matchers(struct reader *r)
{
    for (skip_blanks(r); !accept(r, "}"); skip_blanks(r)) {
        int e = matcher(r);
        if (e < 0)
            return e;
        skip_blanks(r);
        if (!accept(r, ",") && peek(r) != '}')
            return expected(r, "a comma or the closing brace");
    }
    return 0;
}

static int selector(struct reader *r)
{
    int e = 0;

    skip_blanks(r);
    struct nv_str name = bare(r, true);
    if (name.n)
        e = set_name(r, name);
    skip_blanks(r);
    if (e == 0 && accept(r, "{"))
        e = matchers(r);
    else if (e == 0 && !name.n)
        return expected(r, "a metric name or an opening brace");
    skip_blanks(r);
    if (e == 0 && r->at < r->text.n)
        return expected(r, "the end");
    return e == 0 && !r->selector->n ? fail(r, "no matcher") : e;
}

int nv_selector_init(struct nv_selector *made, struct nv_str text,
                     char error[NV_SELECTOR_ERROR_MAX])
{
    struct reader r = {made, .error = error};

    made->n = 0;
    made->memory = NV_ARENA(8 * NV_SELECTOR_TEXT_MAX);
    if (text.n > NV_SELECTOR_TEXT_MAX)
        return fail(&r, "longer than %d bytes", NV_SELECTOR_TEXT_MAX);
    r.text = nv_arena_str(&made->memory, text); /* bare names are views of it */
    int e = r.text.p ? selector(&r) : -ENOMEM;
    if (e < 0)
        nv_selector_done(made);
    return e;
}

void nv_selector_done(struct nv_selector *selector)
{
    for (size_t i = 0; i < selector->n; i++)
        nv_matcher_done(&selector->matchers[i]);
    selector->n = 0;
    nv_arena_done(&selector->memory);
}
