#include "expo/series.h"

#include "base/utf8.h"
#include "metric/name.h"

/* The first character of the name, as an integer; *ret_n bytes of it. Bytes that are no UTF-8 are U+FFFD. */
static uint32_t decode(struct nv_str s, size_t *ret_n)
{
    static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = nv_utf8_length(s);

    *ret_n = n ? n : 1;
    if (!n)
        return 0xfffd;
    uint32_t rune = (unsigned char)s.p[0] & lead[n];
    for (size_t i = 1; i < n; i++)
        rune = rune << 6 | ((unsigned char)s.p[i] & 0x3f);
    return rune;
}

static bool is_plain(uint32_t rune, bool first, bool colons)
{
    bool letter = (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z') || rune == '_';

    return letter || (rune == ':' && colons) || (!first && rune >= '0' && rune <= '9');
}

/* A character in a scheme: what is plain is kept, with underscores doubled where they are the escape. */
static void escape_rune(struct nv_buf *out, uint32_t rune, bool plain,
                        enum nv_expo_escaping escaping)
{
    if (escaping == NV_ESCAPE_UNDERSCORES)
        nv_buf_char(out, plain ? (char)rune : '_');
    else if (rune == '_')
        nv_buf_text(out, "__");
    else if (plain)
        nv_buf_char(out, (char)rune);
    else if (escaping == NV_ESCAPE_VALUES)
        nv_buf_printf(out, "_%x_", (unsigned)rune);
    else
        nv_buf_text(out, rune == '.' ? "_dot_" : "__");
}

static void escape(struct nv_buf *out, struct nv_str name, bool colons,
                   enum nv_expo_escaping escaping)
{
    size_t n;

    if (escaping == NV_ESCAPE_VALUES)
        nv_buf_text(out, "U__");
    for (size_t i = 0; i < name.n; i += n) {
        uint32_t rune = decode(nv_str_from(name, i), &n);
        escape_rune(out, rune, is_plain(rune, i == 0, colons), escaping);
    }
}

void nv_expo_metric_name(struct nv_buf *out, struct nv_str name, enum nv_expo_escaping escaping)
{
    if (escaping == NV_ESCAPE_ALLOW_UTF8 || nv_name_is_legacy_metric(name))
        nv_buf_str(out, name);
    else
        escape(out, name, true, escaping);
}

void nv_expo_label_name(struct nv_buf *out, struct nv_str name, enum nv_expo_escaping escaping)
{
    if (escaping == NV_ESCAPE_ALLOW_UTF8 || nv_name_is_legacy_label(name))
        nv_buf_str(out, name);
    else
        escape(out, name, false, escaping);
}

void nv_expo_quoted(struct nv_buf *out, struct nv_str name)
{
    if (nv_name_is_legacy_metric(name)) {
        nv_buf_str(out, name);
        return;
    }
    nv_buf_char(out, '"');
    nv_name_escape_value(out, name);
    nv_buf_char(out, '"');
}
