#include "base/json_out.h"

#include "base/utf8.h"

/* How a character that cannot stand as it is is written. */
static void escape(struct nv_buf *out, uint32_t c)
{
    static const char letters[] = "btn\0fr"; /* from 8 on */

    nv_buf_char(out, '\\');
    if (c == '"' || c == '\\')
        nv_buf_char(out, (char)c);
    else if (c >= 8 && c <= 13 && letters[c - 8])
        nv_buf_char(out, letters[c - 8]);
    else
        nv_buf_printf(out, "u%04x", c);
}

void nv_json_quote(struct nv_buf *out, struct nv_str s)
{
    size_t from = 0, i = 0;

    nv_buf_char(out, '"');
    while (i < s.n) {
        unsigned char byte = (unsigned char)s.p[i];
        uint32_t c = byte;
        if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
            i++; /* nearly all there is: copied in one go */
            continue;
        }
        size_t n = byte < 0x80 ? 1 : nv_utf8_decode(nv_str_from(s, i), &c);
        if (n > 1 && c != 0x2028 && c != 0x2029) {
            i += n;
            continue;
        }
        nv_buf_add(out, s.p + from, i - from);
        escape(out, n ? c : 0xfffd);
        i += n ? n : 1;
        from = i;
    }
    nv_buf_add(out, s.p ? s.p + from : NULL, s.n - from);
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
