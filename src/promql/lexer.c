#include "promql/lexer.h"

#include <errno.h>
#include <stdarg.h>
#include <strings.h>

#include "base/utf8.h"

#define WORD(word, kind, which)                                                                    \
    {                                                                                              \
        word, sizeof(word) - 1, kind, which                                                        \
    }

static const struct {
    const char *word;
    uint8_t n;
    uint8_t kind, which;
} words[] = {
    WORD("and", NV_TOKEN_OPERATOR, NV_OP_AND),
    WORD("or", NV_TOKEN_OPERATOR, NV_OP_OR),
    WORD("unless", NV_TOKEN_OPERATOR, NV_OP_UNLESS),
    WORD("atan2", NV_TOKEN_OPERATOR, NV_OP_ATAN2),
    WORD("sum", NV_TOKEN_AGGREGATOR, NV_AGG_SUM),
    WORD("avg", NV_TOKEN_AGGREGATOR, NV_AGG_AVG),
    WORD("count", NV_TOKEN_AGGREGATOR, NV_AGG_COUNT),
    WORD("min", NV_TOKEN_AGGREGATOR, NV_AGG_MIN),
    WORD("max", NV_TOKEN_AGGREGATOR, NV_AGG_MAX),
    WORD("group", NV_TOKEN_AGGREGATOR, NV_AGG_GROUP),
    WORD("stddev", NV_TOKEN_AGGREGATOR, NV_AGG_STDDEV),
    WORD("stdvar", NV_TOKEN_AGGREGATOR, NV_AGG_STDVAR),
    WORD("topk", NV_TOKEN_AGGREGATOR, NV_AGG_TOPK),
    WORD("bottomk", NV_TOKEN_AGGREGATOR, NV_AGG_BOTTOMK),
    WORD("count_values", NV_TOKEN_AGGREGATOR, NV_AGG_COUNT_VALUES),
    WORD("quantile", NV_TOKEN_AGGREGATOR, NV_AGG_QUANTILE),
    WORD("limitk", NV_TOKEN_AGGREGATOR, NV_AGG_LIMITK),
    WORD("limit_ratio", NV_TOKEN_AGGREGATOR, NV_AGG_LIMIT_RATIO),
    WORD("offset", NV_TOKEN_KEYWORD, NV_KEYWORD_OFFSET),
    WORD("by", NV_TOKEN_KEYWORD, NV_KEYWORD_BY),
    WORD("without", NV_TOKEN_KEYWORD, NV_KEYWORD_WITHOUT),
    WORD("on", NV_TOKEN_KEYWORD, NV_KEYWORD_ON),
    WORD("ignoring", NV_TOKEN_KEYWORD, NV_KEYWORD_IGNORING),
    WORD("group_left", NV_TOKEN_KEYWORD, NV_KEYWORD_GROUP_LEFT),
    WORD("group_right", NV_TOKEN_KEYWORD, NV_KEYWORD_GROUP_RIGHT),
    WORD("bool", NV_TOKEN_KEYWORD, NV_KEYWORD_BOOL),
    WORD("anchored", NV_TOKEN_KEYWORD, NV_KEYWORD_ANCHORED),
    WORD("smoothed", NV_TOKEN_KEYWORD, NV_KEYWORD_SMOOTHED),
    WORD("fill", NV_TOKEN_KEYWORD, NV_KEYWORD_FILL),
    WORD("fill_left", NV_TOKEN_KEYWORD, NV_KEYWORD_FILL_LEFT),
    WORD("fill_right", NV_TOKEN_KEYWORD, NV_KEYWORD_FILL_RIGHT),
    WORD("start", NV_TOKEN_KEYWORD, NV_KEYWORD_START),
    WORD("end", NV_TOKEN_KEYWORD, NV_KEYWORD_END),
    WORD("step", NV_TOKEN_KEYWORD, NV_KEYWORD_STEP),
    WORD("range", NV_TOKEN_KEYWORD, NV_KEYWORD_RANGE),
    WORD("min_of", NV_TOKEN_KEYWORD, NV_KEYWORD_MIN_OF),
    WORD("max_of", NV_TOKEN_KEYWORD, NV_KEYWORD_MAX_OF),
    WORD("inf", NV_TOKEN_NUMBER, 0),
    WORD("nan", NV_TOKEN_NUMBER, 1),
};

static const struct {
    const char *text;
    uint8_t kind, which;
} symbols[] = {
  /* longest first */
    {"==", NV_TOKEN_OPERATOR,      NV_OP_EQ        },
    {"=~", NV_TOKEN_MATCH,         0               },
    {"!=", NV_TOKEN_OPERATOR,      NV_OP_NE        },
    {"!~", NV_TOKEN_NOT_MATCH,     0               },
    {"<=", NV_TOKEN_OPERATOR,      NV_OP_LE        },
    {"</", NV_TOKEN_OPERATOR,      NV_OP_TRIM_UPPER},
    {">=", NV_TOKEN_OPERATOR,      NV_OP_GE        },
    {">/", NV_TOKEN_OPERATOR,      NV_OP_TRIM_LOWER},
    {"=",  NV_TOKEN_EQUAL,         0               },
    {"<",  NV_TOKEN_OPERATOR,      NV_OP_LT        },
    {">",  NV_TOKEN_OPERATOR,      NV_OP_GT        },
    {"+",  NV_TOKEN_OPERATOR,      NV_OP_ADD       },
    {"-",  NV_TOKEN_OPERATOR,      NV_OP_SUB       },
    {"*",  NV_TOKEN_OPERATOR,      NV_OP_MUL       },
    {"/",  NV_TOKEN_OPERATOR,      NV_OP_DIV       },
    {"%",  NV_TOKEN_OPERATOR,      NV_OP_MOD       },
    {"^",  NV_TOKEN_OPERATOR,      NV_OP_POW       },
    {",",  NV_TOKEN_COMMA,         0               },
    {"@",  NV_TOKEN_AT,            0               },
    {"(",  NV_TOKEN_LEFT_PAREN,    0               },
    {")",  NV_TOKEN_RIGHT_PAREN,   0               },
    {"{",  NV_TOKEN_LEFT_BRACE,    0               },
    {"}",  NV_TOKEN_RIGHT_BRACE,   0               },
    {"[",  NV_TOKEN_LEFT_BRACKET,  0               },
    {"]",  NV_TOKEN_RIGHT_BRACKET, 0               },
};

static bool is_alpha(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
    return is_alpha(c) || nv_is_digit(c);
}

static struct nv_str rest_of(const struct nv_lexer *l)
{
    return nv_str_from(l->text, l->at);
}

__attribute__((format(printf, 3, 4))) static struct nv_token
fail(struct nv_lexer *l, uint32_t start, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(l->error, sizeof(l->error), format, args);
    va_end(args);
    uint32_t end = (uint32_t)l->text.n;
    l->at = end;
    return (struct nv_token){.kind = NV_TOKEN_ERROR, .start = start, .end = end};
}

/* The character at the front as Go's %q shows it. */
static const char *quoted_char(struct nv_str s, char out[8])
{
    size_t n = nv_utf8_length(s);

    if (n)
        snprintf(out, 8, "'%.*s'", (int)n, s.p);
    else
        snprintf(out, 8, "'\\x%02x'", (unsigned)(unsigned char)s.p[0]);
    return out;
}

static void skip_blanks(struct nv_lexer *l)
{
    for (; l->at < l->text.n; l->at++) {
        char c = l->text.p[l->at];
        if (c == '#') {
            while (l->at + 1 < l->text.n && l->text.p[l->at + 1] != '\n')
                l->at++;
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        }
    }
}

/* Up to the closing quote; escapes are looked at by nv_unquote(). */
static struct nv_token string(struct nv_lexer *l)
{
    uint32_t start = l->at;
    char quote = l->text.p[l->at++];

    for (; l->at < l->text.n; l->at++) {
        char c = l->text.p[l->at];
        if (c == quote) {
            l->at++;
            return (struct nv_token){.kind = NV_TOKEN_STRING, .start = start, .end = l->at};
        }
        if (quote == '`')
            continue;
        if (c == '\n')
            break;
        if (c == '\\') {
            l->at++;
            if (l->at == l->text.n)
                return fail(l, start, "escape sequence not terminated");
        }
    }
    return fail(l, start, quote == '`' ? "unterminated raw string" : "unterminated quoted string");
}

/* Units from large to small. */
static const struct {
    char text[3];
    int64_t ms;
} units[] = {
    {"y",  INT64_C(31536000000)},
    {"w",  604800000           },
    {"d",  86400000            },
    {"h",  3600000             },
    {"m",  60000               },
    {"s",  1000                },
    {"ms", 1                   }
};

int nv_duration_parse(struct nv_str text, int64_t *ret_ms)
{
    size_t unit = 0;
    int64_t total = 0;

    if (!text.n)
        return -EINVAL;
    if (nv_str_is(text, "0")) {
        *ret_ms = 0;
        return 0;
    }
    while (text.n) {
        size_t digits = 0, letters;
        while (digits < text.n && nv_is_digit(text.p[digits]))
            digits++;
        uint64_t value;
        struct nv_str number = {text.p, digits};
        text = nv_str_from(text, digits);
        for (letters = 0; letters < text.n && is_alpha(text.p[letters]); letters++)
            ;
        while (unit < 7 && !nv_str_is((struct nv_str){text.p, letters}, units[unit].text))
            unit++;
        if (!digits || unit == 7)
            return -EINVAL;
        int64_t part;
        if (!nv_str_to_u64(number, &value) || value > INT64_MAX ||
            __builtin_mul_overflow((int64_t)value, units[unit].ms, &part) ||
            __builtin_add_overflow(total, part, &total) || total > INT64_MAX / 1000000)
            return -ERANGE;
        unit++;
        text = nv_str_from(text, letters);
    }
    *ret_ms = total;
    return 0;
}

/* Underscores taken out where one stands between two digits; false where one does not. */
static bool clean_number(struct nv_str text, char *out, size_t size, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '_') {
            if (!i || i + 1 == text.n || !is_alnum(text.p[i - 1]) || text.p[i - 1] == '_' ||
                !is_alnum(text.p[i + 1]) || text.p[i + 1] == '_')
                return false;
            continue;
        }
        if (n + 1 >= size)
            return false;
        out[n++] = text.p[i];
    }
    out[n] = '\0';
    *ret_n = n;
    return true;
}

static bool is_decimal(struct nv_str s)
{
    size_t i = 0, digits = 0;

    for (; i < s.n && (nv_is_digit(s.p[i]) || s.p[i] == '.'); i++)
        digits += s.p[i] != '.';
    if (!digits)
        return false;
    if (i < s.n && (s.p[i] | 0x20) == 'e') {
        i++;
        if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
            i++;
        size_t first = i;
        while (i < s.n && nv_is_digit(s.p[i]))
            i++;
        if (i == first)
            return false;
    }
    return i == s.n;
}

static bool is_octal(struct nv_str s)
{
    if (s.n < 2 || s.p[0] != '0')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '7')
            return false;
    return true;
}

static bool number_value(struct nv_str text, double *ret)
{
    char clean[512];
    size_t n;
    uint64_t integer;

    if (!clean_number(text, clean, sizeof(clean), &n))
        return false;
    struct nv_str s = {clean, n};
    bool hex = n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x';
    if ((hex || is_octal(s)) && nv_str_to_u64_prefixed(s, &integer)) {
        *ret = (double)integer;
        return true;
    }
    if (hex || !is_decimal(s))
        return false;
    char *end;
    *ret = strtod(clean, &end);
    return true;
}

/* A number or duration: all that can belong to it is taken, then judged. */
static struct nv_token number(struct nv_lexer *l)
{
    uint32_t start = l->at;
    const char *p = l->text.p;
    bool hex = l->at + 1 < l->text.n && p[l->at] == '0' && (p[l->at + 1] | 0x20) == 'x';

    for (; l->at < l->text.n; l->at++) {
        char c = p[l->at];
        bool sign = (c == '+' || c == '-') && !hex && l->at > start &&
                    (p[l->at - 1] | 0x20) == 'e' && l->at + 1 < l->text.n &&
                    nv_is_digit(p[l->at + 1]);
        if (!is_alnum(c) && c != '.' && !sign)
            break;
    }
    struct nv_token token = {.kind = NV_TOKEN_NUMBER, .start = start, .end = l->at};
    struct nv_str text = {p + start, l->at - start};
    int64_t ms;
    if (number_value(text, &token.value))
        return token;
    int r = nv_duration_parse(text, &ms);
    if (r == 0) {
        token.kind = NV_TOKEN_DURATION;
        token.value = (double)ms / 1000;
        return token;
    }
    if (r == -ERANGE)
        return fail(l, start, "duration out of range");
    return fail(l, start, "bad number or duration syntax: \"%.*s\"",
                (int)(text.n > 64 ? 64 : text.n), text.p);
}

/* `fill` and its like are keywords in front of a parenthesis only. */
static bool before_paren(const struct nv_lexer *l)
{
    struct nv_lexer ahead = *l;

    skip_blanks(&ahead);
    return ahead.at < ahead.text.n && ahead.text.p[ahead.at] == '(';
}

static void find_word(const struct nv_lexer *l, struct nv_token *token)
{
    struct nv_str text = nv_token_text(l, token);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (words[i].n != text.n || ((words[i].word[0] ^ text.p[0]) & ~0x20) ||
            strncasecmp(words[i].word, text.p, text.n) != 0)
            continue;
        bool fill = words[i].kind == NV_TOKEN_KEYWORD && words[i].which >= NV_KEYWORD_FILL &&
                    words[i].which <= NV_KEYWORD_FILL_RIGHT;
        if (fill && !before_paren(l))
            return;
        token->kind = words[i].kind;
        token->which = words[i].which;
        if (token->kind == NV_TOKEN_NUMBER)
            token->value = token->which ? NAN : INFINITY;
        return;
    }
}

static struct nv_token word(struct nv_lexer *l)
{
    struct nv_token token = {.kind = NV_TOKEN_IDENTIFIER, .is_word = true, .start = l->at};
    bool colons = !l->in_braces && !l->in_brackets;

    for (; l->at < l->text.n; l->at++) {
        char c = l->text.p[l->at];
        if (c == ':' && colons)
            token.kind = NV_TOKEN_METRIC;
        else if (!is_alnum(c))
            break;
    }
    token.end = l->at;
    if (token.kind == NV_TOKEN_IDENTIFIER && !l->in_braces)
        find_word(l, &token);
    return token;
}

/* Braces, brackets and parentheses change what follows. Returns a message where they do not fit, or NULL. */
static const char *enter(struct nv_lexer *l, uint8_t kind)
{
    switch (kind) {
    case NV_TOKEN_LEFT_PAREN:
        l->parens++;
        return NULL;
    case NV_TOKEN_RIGHT_PAREN:
        if (!l->parens)
            return "unexpected right parenthesis ')'";
        l->parens--;
        return NULL;
    case NV_TOKEN_LEFT_BRACE:
        l->in_braces = true;
        return NULL;
    case NV_TOKEN_RIGHT_BRACE:
        if (!l->in_braces)
            return "unexpected right brace '}'";
        l->in_braces = false;
        return NULL;
    case NV_TOKEN_LEFT_BRACKET:
        if (l->in_brackets)
            return "unexpected left bracket '['";
        l->in_brackets = true;
        return NULL;
    case NV_TOKEN_RIGHT_BRACKET:
        if (!l->in_brackets)
            return "unexpected right bracket ']'";
        l->in_brackets = false;
        return NULL;
    default:
        return NULL;
    }
}

static struct nv_token symbol(struct nv_lexer *l)
{
    uint32_t start = l->at;
    struct nv_str rest = rest_of(l);
    char shown[8];

    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        if (symbols[i].text[0] != rest.p[0] || !nv_str_starts(rest, symbols[i].text))
            continue;
        const char *problem = enter(l, symbols[i].kind);
        if (problem)
            return fail(l, start, "%s", problem);
        l->at += (uint32_t)strlen(symbols[i].text);
        return (struct nv_token){
            .kind = symbols[i].kind, .which = symbols[i].which, .start = start, .end = l->at};
    }
    if (rest.p[0] == '!')
        return rest.n > 1 ? fail(l, start, "unexpected character after '!': %s",
                                 quoted_char(nv_str_from(rest, 1), shown))
                          : fail(l, start, "unexpected end of input after '!'");
    return fail(l, start, "unexpected character: %s", quoted_char(rest, shown));
}

/* Inside braces there are names, strings, commas and the four matching operators. */
static struct nv_token in_braces(struct nv_lexer *l)
{
    static const struct {
        char text[3];
        uint8_t kind, which;
    } few[] = {
        {"=~", NV_TOKEN_MATCH,       0       },
        {"!~", NV_TOKEN_NOT_MATCH,   0       },
        {"!=", NV_TOKEN_OPERATOR,    NV_OP_NE},
        {"=",  NV_TOKEN_EQUAL,       0       },
        {",",  NV_TOKEN_COMMA,       0       },
        {"}",  NV_TOKEN_RIGHT_BRACE, 0       }
    };
    struct nv_str rest = rest_of(l);
    uint32_t start = l->at;
    char shown[8];

    for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++) {
        if (!nv_str_starts(rest, few[i].text))
            continue;
        l->at += (uint32_t)strlen(few[i].text);
        if (few[i].kind == NV_TOKEN_RIGHT_BRACE)
            l->in_braces = false;
        return (struct nv_token){
            .kind = few[i].kind, .which = few[i].which, .start = start, .end = l->at};
    }
    if (rest.p[0] == '{')
        return fail(l, start, "unexpected left brace '{'");
    if (rest.p[0] == '!' && rest.n > 1)
        return fail(l, start, "unexpected character after '!' inside braces: %s",
                    quoted_char(nv_str_from(rest, 1), shown));
    return fail(l, start, "unexpected character inside braces: %s", quoted_char(rest, shown));
}

static struct nv_token at_end(struct nv_lexer *l)
{
    uint32_t n = (uint32_t)l->text.n;

    if (l->in_braces)
        return fail(l, n, "unexpected end of input inside braces");
    if (l->in_brackets)
        return fail(l, n, "unclosed left bracket");
    if (l->parens)
        return fail(l, n, "unclosed left parenthesis");
    return (struct nv_token){.kind = NV_TOKEN_END, .start = n, .end = n};
}

struct nv_token nv_lexer_next(struct nv_lexer *l)
{
    if (l->error[0])
        return (struct nv_token){.kind = NV_TOKEN_ERROR, .start = l->at, .end = l->at};
    skip_blanks(l);
    if (l->at >= l->text.n)
        return at_end(l);
    char c = l->text.p[l->at];
    bool digit_next = l->at + 1 < l->text.n && nv_is_digit(l->text.p[l->at + 1]);
    if (c == '"' || c == '\'' || c == '`')
        return string(l);
    if (is_alpha(c) || (c == ':' && !l->in_braces && !l->in_brackets))
        return word(l);
    if (l->in_braces)
        return in_braces(l);
    if (nv_is_digit(c) || (c == '.' && digit_next))
        return number(l);
    if (c == ':' && l->in_brackets)
        return l->at++, (struct nv_token){.kind = NV_TOKEN_COLON, .start = l->at - 1, .end = l->at};
    return symbol(l);
}

/* Digits of an escape sequence. Returns how many characters it took, 0 with a message. */
static size_t numeric_escape(struct nv_str s, unsigned base, unsigned n_digits, uint32_t max,
                             uint32_t *ret, char error[160])
{
    uint32_t value = 0;

    for (unsigned i = 0; i < n_digits; i++) {
        if (i >= s.n)
            return snprintf(error, 160, "escape sequence not terminated"), 0;
        char c = s.p[i] | 0x20;
        unsigned digit = nv_is_digit(s.p[i])    ? (unsigned)(s.p[i] - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 99;
        if (digit >= base) {
            snprintf(error, 160, "illegal character U+%04X '%c' in escape sequence",
                     (unsigned)(unsigned char)s.p[i], s.p[i]);
            return 0;
        }
        value = value * base + digit;
    }
    if (value > max || (max > 255 && value >= 0xd800 && value < 0xe000))
        return snprintf(error, 160, "escape sequence is an invalid Unicode code point"), 0;
    *ret = value;
    return n_digits;
}

/* One escape, behind its backslash. Returns the characters it took, 0 with a message. */
static size_t escape(struct nv_str s, char quote, char out[4], size_t *ret_n, char error[160])
{
    static const char letters[] = "abfnrtv\\", meaning[] = "\a\b\f\n\r\t\v\\";
    const char *found = s.n ? memchr(letters, s.p[0], sizeof(letters) - 1) : NULL;
    uint32_t value;
    size_t taken;

    if (!s.n)
        return snprintf(error, 160, "escape sequence not terminated"), 0;
    *ret_n = 1;
    if (found || s.p[0] == quote) {
        out[0] = found ? meaning[found - letters] : quote;
        return 1;
    }
    if (s.p[0] >= '0' && s.p[0] <= '7') {
        taken = numeric_escape(s, 8, 3, 255, &value, error);
    } else if (s.p[0] == 'x' || s.p[0] == 'u' || s.p[0] == 'U') {
        unsigned n = s.p[0] == 'x' ? 2 : s.p[0] == 'u' ? 4 : 8;
        taken = numeric_escape(nv_str_from(s, 1), 16, n, n == 2 ? 255 : 0x10ffff, &value, error);
        taken += taken != 0;
        if (taken && n != 2)
            return *ret_n = nv_utf8_encode(out, value), taken;
    } else {
        uint32_t c = (unsigned char)s.p[0];
        size_t n = nv_utf8_decode(s, &c);
        snprintf(error, 160, "unknown escape sequence U+%04X '%.*s'", (unsigned)c, (int)(n ? n : 1),
                 s.p);
        return 0;
    }
    if (taken)
        out[0] = (char)value;
    return taken;
}

int nv_unquote(struct nv_str quoted, struct nv_arena *arena, struct nv_str *ret, char error[160])
{
    char quote = quoted.p[0];
    struct nv_str s = {quoted.p + 1, quoted.n - 2};
    char *out = nv_arena_alloc(arena, s.n + 4);
    size_t n = 0;

    if (!out)
        return -ENOMEM;
    if (!nv_utf8_valid(s))
        return snprintf(error, 160, "invalid UTF-8 rune"), -EINVAL;
    while (s.n) {
        char bytes[4] = {s.p[0]};
        size_t n_bytes = 1, taken = 1;
        if (s.p[0] == '\\' && quote != '`') {
            taken = escape(nv_str_from(s, 1), quote, bytes, &n_bytes, error);
            if (!taken)
                return -EINVAL;
            taken++;
        }
        memcpy(out + n, bytes, n_bytes);
        n += n_bytes;
        s = nv_str_from(s, taken);
    }
    *ret = (struct nv_str){out, n};
    return 0;
}
