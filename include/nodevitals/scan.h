/*
 * scan.h - views of text and a scanner that reads them where they lie.
 *
 *   struct nv_str    {p, n}: bytes somebody else owns; not ended by NUL
 *   struct nv_scan   a window over text: each call takes its bytes from the front; the first failure
 *                    empties the window and sets `failed`, so that one question serves a whole record
 *   nv_str_to_*      one number that fills a whole view, white space around it allowed
 *
 * Nothing here allocates, copies or needs more than libc.
 */
#ifndef NODEVITALS_SCAN_H
#define NODEVITALS_SCAN_H

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct nv_str {
    const char *p;
    size_t n;
};

struct nv_scan {
    const char *at, *end;
    bool failed;
};

/* A view of a string literal, and of a C string. For printf: "%.*s", NV_ARGS(s). */
#define NV_LIT(literal) ((struct nv_str){"" literal, sizeof(literal) - 1})
#define NV_ARGS(s)      (int)(s).n, (s).p

static inline struct nv_str nv_str(const char *c_string)
{
    return (struct nv_str){c_string, strlen(c_string)};
}

static inline bool nv_str_eq(struct nv_str a, struct nv_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool nv_str_is(struct nv_str s, const char *c_string)
{
    return nv_str_eq(s, nv_str(c_string));
}

/* Byte order, as in strcmp(). */
static inline int nv_str_cmp(struct nv_str a, struct nv_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static inline bool nv_str_starts(struct nv_str s, const char *prefix)
{
    size_t n = strlen(prefix);

    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

static inline bool nv_str_ends(struct nv_str s, const char *suffix)
{
    size_t n = strlen(suffix);

    return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

/* From byte `from` on; empty when there is none. */
static inline struct nv_str nv_str_from(struct nv_str s, size_t from)
{
    if (from > s.n)
        from = s.n;
    return (struct nv_str){from ? s.p + from : s.p, s.n - from};
}

/* Where `c` first stands; s.n when it does not. */
static inline size_t nv_str_find(struct nv_str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

/* By hand, since memmem() is there for those only who define _GNU_SOURCE, and a plugin need not. */
static inline bool nv_str_contains(struct nv_str s, const char *needle)
{
    size_t n = strlen(needle);

    for (size_t i = 0; s.n >= n && i <= s.n - n; i++) {
        if (memcmp(s.p + i, needle, n) == 0)
            return s.n > 0;
    }
    return false;
}

static inline bool nv_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool nv_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline struct nv_str nv_str_trim(struct nv_str s)
{
    while (s.n && nv_is_space(s.p[0]))
        s.p++, s.n--;
    while (s.n && nv_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Splits at the first `c`: returns what is before it, leaves in *s what follows (nothing at the end). */
static inline struct nv_str nv_str_cut(struct nv_str *s, char c)
{
    size_t at = nv_str_find(*s, c);
    struct nv_str head = {s->p, at};

    *s = nv_str_from(*s, at + (at < s->n));
    return head;
}

/* A decimal unsigned number and nothing else but white space around it. Writes *ret on success only. */
static inline bool nv_str_to_u64(struct nv_str s, uint64_t *ret)
{
    uint64_t value = 0;

    s = nv_str_trim(s);
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!nv_is_digit(s.p[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *ret = value;
    return true;
}

static inline bool nv_str_to_i64(struct nv_str s, int64_t *ret)
{
    s = nv_str_trim(s);
    bool minus = s.n && s.p[0] == '-';
    uint64_t value;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = nv_str_from(s, 1);
    if (!s.n || !nv_is_digit(s.p[0]) || !nv_str_to_u64(s, &value) ||
        value > (uint64_t)INT64_MAX + minus)
        return false;
    *ret = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* Hexadecimal digits without a prefix, as in net/softnet_stat. */
static inline bool nv_str_to_hex(struct nv_str s, uint64_t *ret)
{
    uint64_t value = 0;

    s = nv_str_trim(s);
    if (!s.n || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int digit = nv_is_digit(c)         ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *ret = value;
    return true;
}

/* Unsigned in the notation its prefix tells: 0x, 0b, 0o, a bare 0 for octal; `_` between digits. */
static inline bool nv_str_to_u64_prefixed(struct nv_str s, uint64_t *ret)
{
    unsigned base = 10;
    uint64_t value = 0;
    bool digits = false, gap = false;

    s = nv_str_trim(s);
    if (s.n >= 2 && s.p[0] == '0') {
        char mark = s.p[1] | 0x20;
        base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
        s = nv_str_from(s, mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
        digits = base == 8 && mark != 'o';
    }
    bool underscores = base != 10;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] | 0x20;
        unsigned digit = nv_is_digit(s.p[i])    ? (unsigned)(s.p[i] - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 99;
        if (s.p[i] == '_' && (digits || underscores) && !gap) {
            gap = true;
            continue;
        }
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
        digits = true;
        gap = false;
    }
    if (!digits || gap)
        return false;
    *ret = value;
    return true;
}

static inline bool nv_str_to_i64_prefixed(struct nv_str s, int64_t *ret)
{
    s = nv_str_trim(s);
    bool minus = s.n && s.p[0] == '-';
    uint64_t value;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = nv_str_from(s, 1);
    if (!s.n || nv_is_space(s.p[0]) || !nv_str_to_u64_prefixed(s, &value) ||
        value > (uint64_t)INT64_MAX + minus)
        return false;
    *ret = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* A floating-point number as strtod() in the C locale has it, infinities and NaN included. */
static inline bool nv_str_to_real(struct nv_str s, double *ret)
{
    static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    char copy[128], *end;
    uint64_t digits = 0;
    size_t n_digits = 0, n_fraction = 0, i;
    bool point = false;

    s = nv_str_trim(s);
    bool minus = s.n && s.p[0] == '-';
    for (i = minus; i < s.n && n_digits < 15; i++) {
        if (nv_is_digit(s.p[i])) {
            digits = digits * 10 + (uint64_t)(s.p[i] - '0');
            n_digits++;
            n_fraction += point;
        } else if (s.p[i] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (n_digits && i == s.n) { /* both are exact, so their quotient is correctly rounded */
        double value = (double)digits / power[n_fraction];
        *ret = minus ? -value : value;
        return true;
    }

    if (!s.n || s.n >= sizeof(copy))
        return false;
    memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    double value = strtod(copy, &end);
    if (end != copy + s.n)
        return false;
    *ret = value;
    return true;
}

static inline struct nv_scan nv_scan(struct nv_str s)
{
    return (struct nv_scan){s.p, s.p ? s.p + s.n : s.p, false};
}

/* What is left in the window. */
static inline struct nv_str nv_scan_rest(const struct nv_scan *s)
{
    return (struct nv_str){s->at, (size_t)(s->end - s->at)};
}

/* Empties the window for good. Returns 0, the value of every failed read. */
static inline uint64_t nv_scan_fail(struct nv_scan *s)
{
    s->at = s->end;
    s->failed = true;
    return 0;
}

/* Cuts the next line, without its newline, into *line. False when no line is left. */
static inline bool nv_scan_line(struct nv_scan *s, struct nv_scan *line)
{
    if (s->at == s->end)
        return false;
    const char *newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
    const char *end = newline ? newline : s->end;
    *line = (struct nv_scan){s->at, end, false};
    s->at = newline ? newline + 1 : s->end;
    return true;
}

/* Skips blanks and tabs. */
static inline void nv_scan_blanks(struct nv_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
        s->at++;
}

/* True when nothing but white space is left. */
static inline bool nv_scan_done(struct nv_scan *s)
{
    while (s->at < s->end && nv_is_space(*s->at))
        s->at++;
    return s->at == s->end;
}

/* Next word: a run without white space. Fails where there is none. */
static inline struct nv_str nv_scan_word(struct nv_scan *s)
{
    while (s->at < s->end && nv_is_space(*s->at))
        s->at++;
    const char *first = s->at;
    while (s->at < s->end && !nv_is_space(*s->at))
        s->at++;
    if (s->at == first)
        nv_scan_fail(s);
    return (struct nv_str){first, (size_t)(s->at - first)};
}

/* Skips n words. Fails where there are fewer. */
static inline void nv_scan_skip(struct nv_scan *s, size_t n)
{
    while (n-- && !s->failed)
        nv_scan_word(s);
}

/* Takes text up to the next `c`, and `c` itself. Fails where there is no `c`. */
static inline struct nv_str nv_scan_until(struct nv_scan *s, char c)
{
    struct nv_str rest = nv_scan_rest(s);
    size_t at = nv_str_find(rest, c);

    if (at == rest.n) {
        nv_scan_fail(s);
        return (struct nv_str){s->end, 0};
    }
    s->at += at + 1;
    return (struct nv_str){rest.p, at};
}

/* Takes `text` when the window begins with it. */
static inline bool nv_scan_accept(struct nv_scan *s, const char *text)
{
    if (!nv_str_starts(nv_scan_rest(s), text))
        return false;
    s->at += strlen(text);
    return true;
}

/* Next unsigned decimal. Fails on a missing digit and on overflow. */
static inline uint64_t nv_scan_u64(struct nv_scan *s)
{
    uint64_t value = 0;

    nv_scan_blanks(s);
    const char *first = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*s->at - '0'), &value))
            return nv_scan_fail(s);
    }
    return s->at > first ? value : nv_scan_fail(s);
}

/* Next word as a signed decimal. */
static inline int64_t nv_scan_i64(struct nv_scan *s)
{
    int64_t value = 0;

    if (!nv_str_to_i64(nv_scan_word(s), &value))
        nv_scan_fail(s);
    return value;
}

/* Next word as hexadecimal digits. */
static inline uint64_t nv_scan_hex(struct nv_scan *s)
{
    uint64_t value = 0;

    if (!nv_str_to_hex(nv_scan_word(s), &value))
        nv_scan_fail(s);
    return value;
}

/* Next word as a floating-point number. */
static inline double nv_scan_real(struct nv_scan *s)
{
    double value = 0;

    if (!nv_str_to_real(nv_scan_word(s), &value))
        nv_scan_fail(s);
    return value;
}

/*
 * Unsigned decimals up to the end of the window, at most `max` of them; words beyond are left.
 * Returns how many. Fails on a word that is no number; fewer than `max` is no failure.
 */
static inline size_t nv_scan_row(struct nv_scan *s, uint64_t *values, size_t max)
{
    size_t n = 0;

    while (n < max && !nv_scan_done(s)) {
        uint64_t value = nv_scan_u64(s);
        if (s->failed || (s->at < s->end && !nv_is_space(*s->at))) {
            nv_scan_fail(s);
            return n;
        }
        values[n++] = value;
    }
    return n;
}

#endif
