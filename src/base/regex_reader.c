#include "base/regex_reader.h"

#include <stdio.h>

#include "base/utf8.h"

int nv_regex_refuse(struct nv_regex_reader *reader, const char *reason, struct nv_str where)
{
    snprintf(reader->error, NV_REGEX_ERROR_MAX, "error parsing regexp: %s: `%.*s`", reason,
             where.n > NV_REGEX_ERROR_MAX ? NV_REGEX_ERROR_MAX : (int)where.n,
             where.n ? where.p : "");
    return -EINVAL;
}

int nv_regex_check_utf8(struct nv_regex_reader *reader, struct nv_str s)
{
    uint32_t c;

    while (s.n) {
        size_t n = nv_utf8_decode(s, &c);
        if (!n)
            return nv_regex_refuse(reader, "invalid UTF-8", s);
        s = nv_str_from(s, n);
    }
    return 0;
}

int nv_regex_take(struct nv_regex_reader *reader, uint32_t *ret)
{
    if (!reader->rest.n) {
        *ret = UINT32_MAX;
        return 0;
    }
    size_t n = nv_utf8_decode(reader->rest, ret);
    if (!n)
        return nv_regex_refuse(reader, "invalid UTF-8", reader->rest);
    nv_regex_drop(reader, n);
    return 0;
}

struct nv_regex_node *nv_regex_new_node(struct nv_regex_reader *reader, enum nv_regex_op op)
{
    struct nv_regex_node *node = nv_arena_alloc(reader->arena, sizeof(*node));

    if (node)
        *node = (struct nv_regex_node){
            .op = op, .fold = reader->flags & NV_REGEX_FOLD, .height = 1, .times = 1};
    return node;
}

static int hex_digit(uint32_t c)
{
    return c >= '0' && c <= '9'   ? (int)c - '0'
           : c >= 'a' && c <= 'f' ? (int)c - 'a' + 10
           : c >= 'A' && c <= 'F' ? (int)c - 'A' + 10
                                  : -1;
}

/* Behind \x{: any number of digits and the brace. *ret stays where they are malformed. */
static int take_hex_in_braces(struct nv_regex_reader *reader, uint32_t *ret)
{
    uint32_t c, value = 0;
    int r = nv_regex_take(reader, &c);

    for (size_t n = 0; r == 0; n++) {
        if (c == '}' && n)
            *ret = value;
        if (hex_digit(c) < 0)
            return 0;
        value = value * 16 + (uint32_t)hex_digit(c);
        if (value > 0x10ffff)
            return 0;
        r = nv_regex_take(reader, &c);
    }
    return r;
}

/* Behind \x. *ret stays where it is malformed. */
static int take_hex(struct nv_regex_reader *reader, uint32_t *ret)
{
    uint32_t high, low;
    int r = nv_regex_take(reader, &high);

    if (r < 0 || high == UINT32_MAX)
        return r;
    if (high == '{')
        return take_hex_in_braces(reader, ret);
    r = nv_regex_take(reader, &low);
    if (r == 0 && hex_digit(high) >= 0 && hex_digit(low) >= 0)
        *ret = (uint32_t)(hex_digit(high) * 16 + hex_digit(low));
    return r;
}

int nv_regex_take_escape(struct nv_regex_reader *reader, uint32_t *ret)
{
    static const char letters[] = "abtnvfr"; /* 7, none, 9 ... 13 */
    struct nv_str before = reader->rest;
    uint32_t c, value = UINT32_MAX;
    const char *letter;

    nv_regex_drop(reader, 1);
    if (!reader->rest.n)
        return nv_regex_refuse(reader, "trailing backslash at end of expression", NV_LIT(""));
    int r = nv_regex_take(reader, &c);
    if (r < 0)
        return r;
    bool octal_follows = reader->rest.n && reader->rest.p[0] >= '0' && reader->rest.p[0] <= '7';
    if (c == '0' || (c >= '1' && c <= '7' && octal_follows)) {
        value = c - '0';
        for (int i = 1; i < 3 && reader->rest.n && (reader->rest.p[0] & ~7) == '0';
             i++, nv_regex_drop(reader, 1))
            value = value * 8 + (uint32_t)(reader->rest.p[0] - '0');
    } else if (c == 'x') {
        r = take_hex(reader, &value);
        if (r < 0)
            return r;
    } else if (c < 0x80 && c != 'b' && (letter = c ? strchr(letters, (int)c) : NULL)) {
        value = 7 + (uint32_t)(letter - letters);
    } else if (c < 0x80 && !nv_is_digit((char)c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        value = c;
    }
    if (value == UINT32_MAX)
        return nv_regex_refuse(reader, "invalid escape sequence",
                               nv_regex_between(before, reader->rest));
    *ret = value;
    return 0;
}
