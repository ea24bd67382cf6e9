#include "base/json_out.h"

#include <stdio.h>

#include "base/utf8.h"

size_t nv_json_plain(struct nv_str s)
{
    size_t i = 0;

    while (i < s.n) {
        unsigned char byte = (unsigned char)s.p[i];
        uint32_t c;
        if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
            i++; /* nearly all there is */
            continue;
        }
        size_t n = byte < 0x80 ? 1 : nv_utf8_decode(nv_str_from(s, i), &c);
        if (n < 2 || c == 0x2028 || c == 0x2029)
            break;
        i += n;
    }
    return i;
}

size_t nv_json_escaped(struct nv_str s, char out[NV_JSON_ESCAPE_MAX], size_t *ret_n)
{
    static const char letters[] = "btn\0fr"; /* from 8 on */
    uint32_t c = 0xfffd;
    size_t n = nv_utf8_decode(s, &c);

    out[0] = '\\';
    if (c == '"' || c == '\\')
        out[1] = (char)c;
    else if (c >= 8 && c <= 13 && letters[c - 8])
        out[1] = letters[c - 8];
    else
        return *ret_n = (size_t)snprintf(out, NV_JSON_ESCAPE_MAX, "\\u%04x", c & 0xffff), n ? n : 1;
    *ret_n = 2;
    return n;
}

void nv_json_quote(struct nv_buf *out, struct nv_str s)
{
    char escape[NV_JSON_ESCAPE_MAX];
    size_t n;

    nv_buf_char(out, '"');
    for (;;) {
        size_t plain = nv_json_plain(s);
        nv_buf_add(out, s.p, plain);
        s = nv_str_from(s, plain);
        if (!s.n)
            break;
        s = nv_str_from(s, nv_json_escaped(s, escape, &n));
        nv_buf_add(out, escape, n);
    }
    nv_buf_char(out, '"');
}

void nv_json_member(struct nv_buf *out, const char *name, struct nv_str value)
{
    char last = out->n ? out->p[out->n - 1] : '{';

    if (last != '{' && last != '[' && last != ',')
        nv_buf_char(out, ',');
    nv_json_quote(out, nv_str(name));
    nv_buf_char(out, ':');
    nv_json_quote(out, value);
}
