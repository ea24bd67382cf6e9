#include "expo/wire.h"

#include <inttypes.h>

#include "base/number.h"

enum { VARINT_MAX = 10, TYPE_VARINT = 0, TYPE_64 = 1, TYPE_BYTES = 2 };

static size_t put_varint(unsigned char *at, uint64_t value)
{
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        at[n++] = (unsigned char)(value | 0x80);
    at[n++] = (unsigned char)value;
    return n;
}

static void varint(struct nv_buf *out, uint64_t value)
{
    unsigned char bytes[VARINT_MAX];

    nv_buf_add(out, bytes, put_varint(bytes, value));
}

static void tag(struct nv_wire *w, struct nv_wire_field field, unsigned type)
{
    varint(w->out, (uint64_t)field.number << 3 | type);
}

/* Puts the length of what was written after `mark` into the spare byte there, making room as needed. */
static void fix_length(struct nv_buf *out, size_t mark)
{
    unsigned char length[VARINT_MAX];

    if (out->failed)
        return;
    size_t content = out->n - mark - 1, n = put_varint(length, content);
    if (!nv_buf_room(out, n - 1))
        return;
    if (n > 1)
        memmove(out->p + mark + n, out->p + mark + 1, content);
    memcpy(out->p + mark, length, n);
    out->n += n - 1;
}

static size_t spare(struct nv_buf *out)
{
    nv_buf_char(out, 0);
    return out->n - 1;
}

/* The front of a field in text. */
static void name(struct nv_wire *w, struct nv_wire_field field, const char *colon)
{
    if (w->form == NV_WIRE_COMPACT && w->inner)
        nv_buf_char(w->out, ' ');
    for (unsigned i = 0; w->form == NV_WIRE_TEXT && i < w->depth; i++)
        nv_buf_text(w->out, "  ");
    w->inner = true;
    nv_buf_text(w->out, field.name);
    nv_buf_text(w->out, colon);
    if (w->form == NV_WIRE_TEXT)
        nv_buf_char(w->out, ' ');
}

static void line_end(struct nv_wire *w)
{
    if (w->form == NV_WIRE_TEXT)
        nv_buf_char(w->out, '\n');
}

size_t nv_wire_begin(struct nv_wire *w)
{
    w->inner = false;
    w->depth = 0;
    return w->form == NV_WIRE_BINARY ? spare(w->out) : 0;
}

void nv_wire_end(struct nv_wire *w, size_t mark)
{
    if (w->form == NV_WIRE_BINARY)
        fix_length(w->out, mark);
    else
        nv_buf_char(w->out, '\n');
}

size_t nv_wire_open(struct nv_wire *w, struct nv_wire_field field)
{
    if (w->form == NV_WIRE_BINARY) {
        tag(w, field, TYPE_BYTES);
        return spare(w->out);
    }
    name(w, field, ":");
    nv_buf_char(w->out, '{');
    line_end(w);
    w->depth++;
    w->inner = false;
    return 0;
}

void nv_wire_close(struct nv_wire *w, size_t mark)
{
    if (w->form == NV_WIRE_BINARY) {
        fix_length(w->out, mark);
        return;
    }
    w->depth--;
    for (unsigned i = 0; w->form == NV_WIRE_TEXT && i < w->depth; i++)
        nv_buf_text(w->out, "  ");
    nv_buf_char(w->out, '}');
    line_end(w);
    w->inner = true;
}

static void quoted(struct nv_buf *out, struct nv_str s)
{
    nv_buf_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            nv_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            nv_buf_text(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            nv_buf_printf(out, "\\x%02x", c);
        else
            nv_buf_char(out, (char)c);
    }
    nv_buf_char(out, '"');
}

void nv_wire_str(struct nv_wire *w, struct nv_wire_field field, struct nv_str s)
{
    if (w->form == NV_WIRE_BINARY) {
        tag(w, field, TYPE_BYTES);
        varint(w->out, s.n);
        nv_buf_str(w->out, s);
        return;
    }
    name(w, field, ":");
    quoted(w->out, s);
    line_end(w);
}

void nv_wire_double(struct nv_wire *w, struct nv_wire_field field, double value)
{
    if (w->form == NV_WIRE_BINARY) {
        uint64_t bits;
        unsigned char bytes[8];
        memcpy(&bits, &value, sizeof(bits));
        for (unsigned i = 0; i < 8; i++)
            bytes[i] = (unsigned char)(bits >> (8 * i));
        tag(w, field, TYPE_64);
        nv_buf_add(w->out, bytes, sizeof(bytes));
        return;
    }
    char number[NV_NUMBER_MAX];
    name(w, field, ":");
    if (isnan(value))
        nv_buf_text(w->out, "nan");
    else if (isinf(value))
        nv_buf_text(w->out, value > 0 ? "inf" : "-inf");
    else
        nv_buf_add(w->out, number, nv_number_text(number, value));
    line_end(w);
}

void nv_wire_u64(struct nv_wire *w, struct nv_wire_field field, uint64_t value)
{
    if (w->form == NV_WIRE_BINARY) {
        tag(w, field, TYPE_VARINT);
        varint(w->out, value);
        return;
    }
    name(w, field, ":");
    nv_buf_printf(w->out, "%" PRIu64, value);
    line_end(w);
}

void nv_wire_i64(struct nv_wire *w, struct nv_wire_field field, int64_t value)
{
    if (w->form == NV_WIRE_BINARY) {
        nv_wire_u64(w, field, (uint64_t)value);
        return;
    }
    name(w, field, ":");
    nv_buf_printf(w->out, "%" PRId64, value);
    line_end(w);
}

void nv_wire_zigzag(struct nv_wire *w, struct nv_wire_field field, int64_t value)
{
    if (w->form == NV_WIRE_BINARY) {
        tag(w, field, TYPE_VARINT);
        varint(w->out, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
        return;
    }
    name(w, field, ":");
    nv_buf_printf(w->out, "%" PRId64, value);
    line_end(w);
}

void nv_wire_enum(struct nv_wire *w, struct nv_wire_field field, uint32_t value, const char *word)
{
    if (w->form == NV_WIRE_BINARY) {
        nv_wire_u64(w, field, value);
        return;
    }
    name(w, field, ":");
    nv_buf_text(w->out, word);
    line_end(w);
}
