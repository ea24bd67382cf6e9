#include "metric/name.h"

#include "base/utf8.h"

static bool is_legacy(struct nv_str name, bool colons)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c == ':' && colons) && !(i && nv_is_digit(c)))
            return false;
    }
    return name.n > 0;
}

bool nv_name_is_legacy_metric(struct nv_str name)
{
    return is_legacy(name, true);
}

bool nv_name_is_legacy_label(struct nv_str name)
{
    return is_legacy(name, false);
}

/* Appends the run of invalid bytes at the front of *s as one U+FFFD. */
static void replace_invalid(struct nv_buf *out, struct nv_str *s)
{
    while (s->n && !nv_utf8_length(*s))
        *s = nv_str_from(*s, 1);
    nv_buf_text(out, "\xef\xbf\xbd");
}

static void escape(struct nv_buf *out, struct nv_str s, bool quotes)
{
    while (s.n) {
        size_t n = nv_utf8_length(s);
        if (!n) {
            replace_invalid(out, &s);
            continue;
        }
        if (s.p[0] == '\\')
            nv_buf_text(out, "\\\\");
        else if (s.p[0] == '\n')
            nv_buf_text(out, "\\n");
        else if (s.p[0] == '"' && quotes)
            nv_buf_text(out, "\\\"");
        else
            nv_buf_add(out, s.p, n);
        s = nv_str_from(s, n);
    }
}

void nv_name_escape_value(struct nv_buf *out, struct nv_str value)
{
    escape(out, value, true);
}

void nv_name_escape_help(struct nv_buf *out, struct nv_str help)
{
    escape(out, help, false);
}
