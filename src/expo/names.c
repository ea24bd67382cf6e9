#include "expo/series.h"

#include "base/utf8.h"

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
    uint32_t rune;

    if (escaping == NV_ESCAPE_VALUES)
        nv_buf_text(out, "U__");
    for (size_t i = 0, n; i < name.n; i += n) {
        n = nv_utf8_decode(nv_str_from(name, i), &rune);
        if (!n) { /* the layout takes no such name */
            rune = 0xfffd;
            n = 1;
        }
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
