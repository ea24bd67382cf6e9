/*
 * template_format.c - printf with Go's verbs.
 *
 * A value that a verb is not made for prints as %!d(string=x), a missing one as %!d(MISSING): what Go has for each
 * mistake is kept, since alerts show it to people who know it. Argument indexes (%[1]d) are not taken.
 */
#include "config/template_parts.h"

#include <stdio.h>

#include "base/utf8.h"

enum { NESTED_MAX = 32, WIDTH_MAX = 1000, PIECE_MAX = NV_TEMPLATE_OUTPUT_MAX };

struct spec {
    bool plus, minus, sharp, blank, zero;
    int width, precision; /* -1 where there is none */
    uint32_t verb;
    unsigned depth; /* of values within values */
};

static void print_value(struct nv_buf *out, const struct spec *spec,
                        const struct nv_template_value *value);

static size_t count_characters(struct nv_str text)
{
    size_t n = 0;

    while (text.n) {
        size_t length = nv_utf8_length(text);
        text = nv_str_from(text, length ? length : 1);
        n++;
    }
    return n;
}

static void pad(struct nv_buf *out, const struct spec *spec, struct nv_str text)
{
    size_t n = count_characters(text);
    size_t missing = spec->width > 0 && (size_t)spec->width > n ? (size_t)spec->width - n : 0;

    if (spec->minus)
        nv_buf_str(out, text);
    for (size_t i = 0; i < missing; i++)
        nv_buf_char(out, spec->zero && !spec->minus ? '0' : ' ');
    if (!spec->minus)
        nv_buf_str(out, text);
}

/* Zeros go behind the sign. */
static void pad_number(struct nv_buf *out, const struct spec *spec, struct nv_str text)
{
    size_t sign = text.n && !nv_is_digit(text.p[0]);
    size_t width = spec->width > 0 ? (size_t)spec->width : 0;

    if (!spec->zero || spec->minus || text.n >= width) {
        struct spec blanks = *spec;
        blanks.zero = false;
        pad(out, &blanks, text);
        return;
    }
    nv_buf_add(out, text.p, sign);
    for (size_t i = text.n; i < width; i++)
        nv_buf_char(out, '0');
    nv_buf_add(out, text.p + sign, text.n - sign);
}

static void print_verb(struct nv_buf *out, uint32_t verb)
{
    char bytes[4];

    nv_buf_add(out, bytes, nv_utf8_encode(bytes, verb));
}

static void bad_verb(struct nv_buf *out, const struct spec *spec,
                     const struct nv_template_value *value)
{
    struct spec plain = *spec;

    nv_buf_text(out, "%!");
    print_verb(out, spec->verb);
    if (value->kind == NV_TEMPLATE_NIL) {
        nv_buf_text(out, "(<nil>)");
        return;
    }
    nv_buf_printf(out, "(%s=", nv_template_type(value));
    plain.verb = 'v';
    print_value(out, &plain, value);
    nv_buf_char(out, ')');
}

/* ---- by kind -------------------------------------------------------------------------------- */

static void print_hex(struct nv_buf *out, struct nv_str text, bool upper)
{
    for (size_t i = 0; i < text.n; i++)
        nv_buf_printf(out, upper ? "%02X" : "%02x", (unsigned char)text.p[i]);
}

/* Cut to as many characters as the precision says. */
static struct nv_str truncate_text(const struct spec *spec, struct nv_str text)
{
    size_t at = 0;

    for (int i = 0; spec->precision >= 0 && at < text.n; i++) {
        if (i == spec->precision)
            return (struct nv_str){text.p, at};
        size_t n = nv_utf8_length(nv_str_from(text, at));
        at += n ? n : 1;
    }
    return text;
}

static void print_text(struct nv_buf *out, const struct spec *spec, struct nv_str text,
                       const struct nv_template_value *value)
{
    NV_AUTO_BUF piece = NV_BUF(PIECE_MAX);

    switch (spec->verb) {
    case 'v':
    case 's':
        pad(out, spec, truncate_text(spec, text));
        return;
    case 'q':
        nv_go_quote(&piece, truncate_text(spec, text));
        break;
    case 'x':
    case 'X':
        print_hex(&piece, text, spec->verb == 'X');
        break;
    default:
        bad_verb(out, spec, value);
        return;
    }
    pad(out, spec, nv_buf_view(&piece));
}

static void print_digits(struct nv_buf *out, uint64_t value, unsigned base, bool upper, int least)
{
    char digits[64];
    size_t n = sizeof(digits);

    do {
        digits[--n] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
        value /= base;
    } while (value);
    for (size_t i = sizeof(digits) - n; (int)i < least; i++)
        nv_buf_char(out, '0');
    nv_buf_add(out, digits + n, sizeof(digits) - n);
}

static void print_character(struct nv_buf *out, const struct spec *spec, int64_t value)
{
    bool valid = value >= 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
    NV_AUTO_BUF piece = NV_BUF(64), quoted = NV_BUF(64);

    if (spec->verb == 'U') {
        nv_buf_printf(&piece, "U+%04llX", (unsigned long long)value);
        pad(out, spec, nv_buf_view(&piece));
        return;
    }
    print_verb(&piece, valid ? (uint32_t)value : 0xfffd);
    if (spec->verb == 'c') {
        pad(out, spec, nv_buf_view(&piece));
        return;
    }
    nv_go_quote(&quoted, nv_buf_view(&piece));
    struct nv_str inside = nv_buf_view(&quoted);
    nv_buf_reset(&piece);
    nv_buf_char(&piece, '\'');
    if (value == '\'' || value == '"')
        nv_buf_text(&piece, value == '"' ? "\"" : "\\'");
    else
        nv_buf_add(&piece, inside.p + 1, inside.n - 2);
    nv_buf_char(&piece, '\'');
    pad(out, spec, nv_buf_view(&piece));
}

static void print_whole(struct nv_buf *out, const struct spec *spec,
                        const struct nv_template_value *value)
{
    static const struct {
        char verb;
        unsigned base;
        const char *prefix, *always;
    } bases[] = {
        {'v', 10, "",   ""  },
        {'d', 10, "",   ""  },
        {'b', 2,  "0b", ""  },
        {'o', 8,  "0",  ""  },
        {'O', 8,  "",   "0o"},
        {'x', 16, "0x", ""  },
        {'X', 16, "0X", ""  },
    };
    NV_AUTO_BUF piece = NV_BUF(2 * WIDTH_MAX);

    if (spec->verb == 'c' || spec->verb == 'q' || spec->verb == 'U') {
        print_character(out, spec, value->whole);
        return;
    }
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        if (spec->verb != (unsigned char)bases[i].verb)
            continue;
        struct spec padded = *spec;
        bool minus = value->whole < 0;
        uint64_t size = minus ? 0 - (uint64_t)value->whole : (uint64_t)value->whole;
        padded.zero &= spec->precision < 0;
        nv_buf_text(&piece, minus ? "-" : spec->plus ? "+" : spec->blank ? " " : "");
        nv_buf_text(&piece, bases[i].always);
        nv_buf_text(&piece, spec->sharp ? bases[i].prefix : "");
        if (spec->precision != 0 || size)
            print_digits(&piece, size, bases[i].base, spec->verb == 'X', spec->precision);
        pad_number(out, &padded, nv_buf_view(&piece));
        return;
    }
    bad_verb(out, spec, value);
}

static void print_real(struct nv_buf *out, const struct spec *spec,
                       const struct nv_template_value *value)
{
    NV_AUTO_BUF piece = NV_BUF(2 * WIDTH_MAX), number = NV_BUF(2 * WIDTH_MAX);
    struct spec padded = *spec;
    char verb = spec->verb == 'v' ? 'g' : (char)spec->verb;

    if (spec->verb > 0x7f || !strchr("gGeEfF", verb)) {
        bad_verb(out, spec, value);
        return;
    }
    nv_template_write_real(&number, value->real, verb == 'F' ? 'f' : verb, spec->precision);
    struct nv_str text = nv_buf_view(&number);
    if (verb == 'G' && spec->precision < 0)
        for (size_t i = 0; i < text.n; i++)
            number.p[i] = number.p[i] == 'e' ? 'E' : number.p[i];
    bool is_signed = text.p[0] == '+' || text.p[0] == '-';
    if (text.p[0] == '+' && !spec->plus && spec->blank) {
        nv_buf_char(&piece, ' ');
        text = nv_str_from(text, 1);
    } else if (!is_signed) {
        nv_buf_text(&piece, spec->plus ? "+" : spec->blank ? " " : "");
    }
    nv_buf_str(&piece, text);
    padded.zero &= isfinite(value->real);
    pad_number(out, &padded, nv_buf_view(&piece));
}

static void print_items(struct nv_buf *out, const struct spec *spec,
                        const struct nv_template_value *value)
{
    nv_buf_char(out, '[');
    for (size_t i = 0; i < value->list.n && !out->failed; i++) {
        nv_buf_text(out, i ? " " : "");
        print_value(out, spec, &value->list.items[i]);
    }
    nv_buf_char(out, ']');
}

static void print_members(struct nv_buf *out, const struct spec *spec,
                          const struct nv_template_value *value)
{
    bool is_struct = value->kind == NV_TEMPLATE_STRUCT;

    nv_buf_text(out, is_struct ? "{" : "map[");
    for (size_t i = 0; i < value->map.n && !out->failed; i++) {
        nv_buf_text(out, i ? " " : "");
        if (!is_struct) {
            struct nv_template_value key = nv_template_text(value->map.pairs[i].key);
            print_value(out, spec, &key);
            nv_buf_char(out, ':');
        }
        print_value(out, spec, &value->map.pairs[i].value);
    }
    nv_buf_char(out, is_struct ? '}' : ']');
}

static void print_named(struct nv_buf *out, const struct spec *spec,
                        const struct nv_template_value *value)
{
    NV_AUTO_BUF text = NV_BUF(PIECE_MAX);

    if (value->kind == NV_TEMPLATE_DURATION && spec->verb == 'd') {
        print_whole(out, spec, value);
        return;
    }
    nv_template_print(&text, value);
    print_text(out, spec, nv_buf_view(&text), value);
}

static void print_value(struct nv_buf *out, const struct spec *spec,
                        const struct nv_template_value *value)
{
    struct spec inner = *spec;

    if (++inner.depth > NESTED_MAX) {
        nv_buf_text(out, "...");
        return;
    }
    if (spec->verb == 'T') {
        pad(out, spec, nv_str(nv_template_type(value)));
        return;
    }
    switch (value->kind) {
    case NV_TEMPLATE_NIL:
        if (spec->verb == 'v')
            pad(out, spec, NV_LIT("<nil>"));
        else
            bad_verb(out, spec, value);
        break;
    case NV_TEMPLATE_BOOL:
        if (spec->verb == 'v' || spec->verb == 't')
            pad(out, spec, value->yes ? NV_LIT("true") : NV_LIT("false"));
        else
            bad_verb(out, spec, value);
        break;
    case NV_TEMPLATE_INT:
        print_whole(out, spec, value);
        break;
    case NV_TEMPLATE_REAL:
        print_real(out, spec, value);
        break;
    case NV_TEMPLATE_TEXT:
        print_text(out, spec, value->text, value);
        break;
    case NV_TEMPLATE_LIST:
        print_items(out, &inner, value);
        break;
    case NV_TEMPLATE_TIME:
    case NV_TEMPLATE_DURATION:
    case NV_TEMPLATE_HISTOGRAM:
        print_named(out, spec, value);
        break;
    default:
        print_members(out, &inner, value);
    }
}

/* ---- the format ----------------------------------------------------------------------------- */

struct arguments {
    const struct nv_template_value *at;
    size_t n, next;
};

/* A number of digits, or one that an argument gives for `*`. Returns -1 where there is none. */
static int take_number(struct nv_buf *out, struct nv_str *format, struct arguments *arguments,
                       const char *bad)
{
    int value = -1;

    if (format->n && format->p[0] == '*') {
        *format = nv_str_from(*format, 1);
        bool fits = arguments->next < arguments->n &&
                    arguments->at[arguments->next].kind == NV_TEMPLATE_INT &&
                    llabs(arguments->at[arguments->next].whole) <= WIDTH_MAX;
        if (fits)
            value = (int)arguments->at[arguments->next].whole;
        else
            nv_buf_text(out, bad);
        arguments->next++;
        return value;
    }
    while (format->n && nv_is_digit(format->p[0])) {
        value = (value < 0 ? 0 : value) * 10 + (format->p[0] - '0');
        value = value > WIDTH_MAX ? WIDTH_MAX : value;
        *format = nv_str_from(*format, 1);
    }
    return value;
}

static struct spec take_flags(struct nv_str *format)
{
    struct spec spec = {.width = -1, .precision = -1};

    for (; format->n; *format = nv_str_from(*format, 1)) {
        char c = format->p[0];
        if (c == '+')
            spec.plus = true;
        else if (c == '-')
            spec.minus = true;
        else if (c == '#')
            spec.sharp = true;
        else if (c == ' ')
            spec.blank = true;
        else if (c == '0')
            spec.zero = true;
        else
            break;
    }
    return spec;
}

/* Behind a per cent sign. */
static void print_directive(struct nv_buf *out, struct nv_str *format, struct arguments *arguments)
{
    struct spec spec = take_flags(format);

    spec.width = take_number(out, format, arguments, "%!(BADWIDTH)");
    if (spec.width < -1) {
        spec.minus = true;
        spec.width = -spec.width;
    }
    if (format->n && format->p[0] == '.') {
        *format = nv_str_from(*format, 1);
        spec.precision = take_number(out, format, arguments, "%!(BADPREC)");
        spec.precision = spec.precision < 0 ? 0 : spec.precision;
    }
    if (!format->n) {
        nv_buf_text(out, "%!(NOVERB)");
        return;
    }
    size_t n = nv_utf8_decode(*format, &spec.verb);
    spec.verb = n ? spec.verb : 0xfffd;
    if (spec.verb == 'v') /* there they ask for Go's syntax, which nobody wants here */
        spec.plus = spec.sharp = false;
    *format = nv_str_from(*format, n ? n : 1);
    if (spec.verb == '%') {
        nv_buf_char(out, '%');
    } else if (arguments->next >= arguments->n) {
        nv_buf_text(out, "%!");
        print_verb(out, spec.verb);
        nv_buf_text(out, "(MISSING)");
    } else {
        print_value(out, &spec, &arguments->at[arguments->next++]);
    }
}

static void print_extra(struct nv_buf *out, const struct arguments *arguments)
{
    nv_buf_text(out, "%!(EXTRA ");
    for (size_t i = arguments->next; i < arguments->n; i++) {
        const struct nv_template_value *value = &arguments->at[i];
        bool nil = value->kind == NV_TEMPLATE_NIL;
        nv_buf_text(out, i > arguments->next ? ", " : "");
        if (nil) {
            nv_buf_text(out, "<nil>");
            continue;
        }
        nv_buf_printf(out, "%s=", nv_template_type(value));
        nv_template_print(out, value);
    }
    nv_buf_char(out, ')');
}

void nv_template_printf(struct nv_buf *out, struct nv_str format,
                        const struct nv_template_value *values, size_t n)
{
    struct arguments arguments = {values, n, 0};

    while (format.n && !out->failed) {
        size_t percent = nv_str_find(format, '%');
        nv_buf_add(out, format.p, percent);
        if (percent == format.n)
            break;
        format = nv_str_from(format, percent + 1);
        print_directive(out, &format, &arguments);
    }
    if (arguments.next < arguments.n)
        print_extra(out, &arguments);
}
