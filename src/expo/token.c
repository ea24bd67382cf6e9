#include "expo/token.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/utf8.h"

enum { TIME_DIGITS = 18 };

int nv_token_fail(struct nv_token *t, const char *format, ...)
{
    va_list arguments;
    int n = snprintf(t->error, t->error_max, "text format parsing error in line %u: ", t->line);

    va_start(arguments, format);
    if (n >= 0 && (size_t)n < t->error_max)
        vsnprintf(t->error + n, t->error_max - (size_t)n, format, arguments);
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

const char *nv_token_quote(struct nv_token *t, struct nv_str s)
{
    char *room = t->quoted[t->turn++ % 2], *at = room;

    *at++ = '"';
    for (size_t i = 0, n; i < s.n && i < NV_TOKEN_QUOTED_MAX; i += n) {
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

const char *nv_token_quote_here(struct nv_token *t)
{
    char *room = t->quoted[t->turn++ % 2];

    room[0] = '\'';
    size_t n = quote_byte(room + 1, (unsigned char)*t->at, '\'');
    memcpy(room + 1 + n, "'", 2);
    return room;
}

int nv_token_ended(struct nv_token *t)
{
    return nv_token_fail(t, "unexpected end of input stream");
}

int nv_token_word(struct nv_token *t, struct nv_str *ret)
{
    const char *from = t->at;

    while (t->at < t->end && !nv_token_is_blank(*t->at) && *t->at != '\n')
        t->at++;
    *ret = (struct nv_str){from, (size_t)(t->at - from)};
    return t->at < t->end ? 0 : nv_token_ended(t);
}

int nv_token_line(struct nv_token *t, struct nv_str *ret)
{
    const char *newline = memchr(t->at, '\n', (size_t)(t->end - t->at));

    if (!newline) {
        t->at = t->end;
        return nv_token_ended(t);
    }
    *ret = (struct nv_str){t->at, (size_t)(newline - t->at)};
    t->at = newline;
    return 0;
}

int nv_token_unescape(struct nv_token *t, struct nv_str *s)
{
    char *copy = nv_arena_alloc(&t->arena, s->n);
    size_t n = 0;

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];
        if (c == '\\') {
            char code = ++i < s->n ? s->p[i] : '\n'; /* which ends HELP */
            if (code != 'n' && code != '\\' && code != '"')
                return nv_token_fail(t, "invalid escape sequence '\\%c'", code);
            c = code == 'n' ? '\n' : code;
        }
        copy[n++] = c;
    }
    *s = (struct nv_str){copy, n};
    return 0;
}

int nv_token_quoted(struct nv_token *t, const char *what, struct nv_str *ret)
{
    const char *from = ++t->at;
    bool escapes = false;

    for (; nv_token_peek(t) != '"'; t->at++) {
        struct nv_str so_far = {from, (size_t)(t->at - from)};
        if (t->at == t->end)
            return nv_token_ended(t);
        if (*t->at == '\n')
            return nv_token_fail(t, "%s %s contains unescaped new-line", what,
                                 nv_token_quote(t, so_far));
        if (*t->at != '\\')
            continue;
        escapes = true;
        if (++t->at == t->end)
            return nv_token_ended(t);
        if (*t->at != 'n' && *t->at != '\\' && *t->at != '"')
            return nv_token_fail(t, "invalid escape sequence '\\%c'", *t->at);
    }
    *ret = (struct nv_str){from, (size_t)(t->at - from)};
    t->at++;
    return escapes ? nv_token_unescape(t, ret) : 0;
}

int nv_token_name(struct nv_token *t, bool colons, const char *what, struct nv_str *ret)
{
    const char *from = t->at;

    if (nv_token_peek(t) == '"')
        return nv_token_quoted(t, what, ret);
    for (; t->at < t->end; t->at++) {
        char c = *t->at;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c == ':' && colons) && !(nv_is_digit(c) && t->at > from))
            break;
    }
    *ret = (struct nv_str){from, (size_t)(t->at - from)};
    return t->at < t->end ? 0 : nv_token_ended(t);
}

bool nv_token_number(struct nv_str s, double *ret)
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

bool nv_token_seconds(struct nv_str s, int64_t *ret)
{
    bool minus = s.p[0] == '-', fraction = false;
    int64_t mantissa = 0, exponent = 3, given = 0;
    size_t i = s.p[0] == '-' || s.p[0] == '+', digits = 0;

    for (; i < s.n && s.p[i] != 'e' && s.p[i] != 'E'; i++) {
        if (s.p[i] == '.') {
            fraction = true;
        } else if (digits < TIME_DIGITS) {
            mantissa = mantissa * 10 + (s.p[i] - '0');
            digits += mantissa != 0;
            exponent -= fraction;
        } else {
            exponent += !fraction;
        }
    }
    if (i < s.n && !nv_str_to_i64(nv_str_from(s, i + 1 + (s.p[i + 1] == '+')), &given))
        return false;
    if (mantissa == 0 || given < -1000) {
        *ret = 0;
        return true;
    }
    if (given > 1000)
        return false;
    for (exponent += given; exponent > 0; exponent--)
        if (__builtin_mul_overflow(mantissa, 10, &mantissa))
            return false;
    for (; exponent < 0 && mantissa; exponent++)
        mantissa /= 10;
    *ret = minus ? -mantissa : mantissa;
    return true;
}

bool nv_token_is_integer(struct nv_str s)
{
    int64_t value;

    return s.n && !nv_is_space(s.p[0]) && !nv_is_space(s.p[s.n - 1]) && nv_str_to_i64(s, &value);
}
