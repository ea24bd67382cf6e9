#include "web/writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/json_out.h"
#include "base/number.h"
#include "base/rfc3339.h"

void nv_writer_init(struct nv_writer *w, char *block,
                    int (*pass_on)(void *user, const char *p, size_t n), void *user)
{
    *w = (struct nv_writer){.at = block,
                            .end = block + NV_WRITER_BLOCK,
                            .block = block,
                            .pass_on = pass_on,
                            .user = user};
}

void nv_writer_flush(struct nv_writer *w)
{
    size_t n = (size_t)(w->at - w->block);

    w->at = w->block;
    if (n && !w->failed)
        w->failed = w->pass_on(w->user, w->block, n);
}

void nv_write_bytes(struct nv_writer *w, const char *p, size_t n)
{
    while (n) {
        size_t room = (size_t)(w->end - w->at), part = n < room ? n : room;
        memcpy(w->at, p, part);
        w->at += part;
        p += part;
        n -= part;
        if (n)
            nv_writer_flush(w);
    }
}

void nv_write_printf(struct nv_writer *w, const char *format, ...)
{
    va_list arguments;

    char *to = nv_writer_room(w, NV_WRITER_ROOM_MAX);
    va_start(arguments, format);
    int n = vsnprintf(to, NV_WRITER_ROOM_MAX, format, arguments);
    va_end(arguments);
    nv_assert(n >= 0);
    w->at += n < NV_WRITER_ROOM_MAX ? n : NV_WRITER_ROOM_MAX - 1;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* In front of a value. */
static void value(struct nv_writer *w)
{
    if (w->comma)
        nv_write_char(w, ',');
    w->comma = true;
}

static void begin(struct nv_writer *w, char c)
{
    value(w);
    nv_write_char(w, c);
    w->comma = false;
}

static void end(struct nv_writer *w, char c)
{
    nv_write_char(w, c);
    w->comma = true;
}

void nv_write_object(struct nv_writer *w)
{
    begin(w, '{');
}

void nv_write_object_end(struct nv_writer *w)
{
    end(w, '}');
}

void nv_write_array(struct nv_writer *w)
{
    begin(w, '[');
}

void nv_write_array_end(struct nv_writer *w)
{
    end(w, ']');
}

static void quote(struct nv_writer *w, struct nv_str s)
{
    nv_write_char(w, '"');
    while (s.n) {
        size_t plain = nv_json_plain(s), n;
        nv_write_bytes(w, s.p, plain);
        s = nv_str_from(s, plain);
        if (!s.n)
            break;
        char *to = nv_writer_room(w, NV_JSON_ESCAPE_MAX);
        s = nv_str_from(s, nv_json_escaped(s, to, &n));
        w->at += n;
    }
    nv_write_char(w, '"');
}

void nv_write_string(struct nv_writer *w, struct nv_str s)
{
    value(w);
    quote(w, s);
}

void nv_write_key_str(struct nv_writer *w, struct nv_str key)
{
    value(w);
    quote(w, key);
    nv_write_char(w, ':');
    w->comma = false;
}

void nv_write_key(struct nv_writer *w, const char *key)
{
    nv_write_key_str(w, nv_str(key));
}

void nv_write_json(struct nv_writer *w, struct nv_str json)
{
    value(w);
    nv_write_str(w, json);
}

void nv_write_u64(struct nv_writer *w, uint64_t number)
{
    value(w);
    w->at += nv_number_u64(nv_writer_room(w, NV_NUMBER_MAX), number);
}

void nv_write_i64(struct nv_writer *w, int64_t number)
{
    value(w);
    if (number < 0)
        nv_write_char(w, '-');
    uint64_t magnitude = number < 0 ? -(uint64_t)number : (uint64_t)number;
    w->at += nv_number_u64(nv_writer_room(w, NV_NUMBER_MAX), magnitude);
}

void nv_write_real(struct nv_writer *w, double number)
{
    value(w);
    if (!isfinite(number))
        nv_write_text(w, "null"); /* JSON has no word for it */
    else
        w->at += nv_number_json(nv_writer_room(w, NV_NUMBER_MAX), number);
}

void nv_write_bool(struct nv_writer *w, bool is)
{
    value(w);
    nv_write_text(w, is ? "true" : "false");
}

void nv_write_null(struct nv_writer *w)
{
    value(w);
    nv_write_text(w, "null");
}

void nv_write_member(struct nv_writer *w, const char *key, struct nv_str text)
{
    nv_write_key(w, key);
    nv_write_string(w, text);
}

void nv_write_member_text(struct nv_writer *w, const char *key, const char *text)
{
    nv_write_member(w, key, nv_str(text));
}

void nv_write_member_u64(struct nv_writer *w, const char *key, uint64_t number)
{
    nv_write_key(w, key);
    nv_write_u64(w, number);
}

void nv_write_member_real(struct nv_writer *w, const char *key, double number)
{
    nv_write_key(w, key);
    nv_write_real(w, number);
}

void nv_write_member_bool(struct nv_writer *w, const char *key, bool is)
{
    nv_write_key(w, key);
    nv_write_bool(w, is);
}

void nv_write_labels(struct nv_writer *w, const struct nv_label *labels, size_t n)
{
    nv_write_object(w);
    for (size_t i = 0; i < n; i++) {
        nv_write_key_str(w, labels[i].name);
        nv_write_string(w, labels[i].value);
    }
    nv_write_object_end(w);
}

/* ---- samples -------------------------------------------------------------------------------- */

enum { TIME_MAX = 24, SAMPLE_MAX = TIME_MAX + NV_NUMBER_MAX + 8 };

static char *put_time(char *to, int64_t ms)
{
    uint64_t magnitude = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    unsigned rest = (unsigned)(magnitude % 1000);

    if (ms < 0)
        *to++ = '-';
    to += nv_number_u64(to, magnitude / 1000);
    if (rest) {
        *to++ = '.';
        *to++ = (char)('0' + rest / 100);
        *to++ = (char)('0' + rest / 10 % 10);
        *to++ = (char)('0' + rest % 10);
    }
    return to;
}

static char *put_value(char *to, double number)
{
    *to++ = '"';
    to += nv_number_json(to, number);
    *to++ = '"';
    return to;
}

void nv_write_time(struct nv_writer *w, int64_t ms)
{
    value(w);
    w->at = put_time(nv_writer_room(w, TIME_MAX), ms);
}

void nv_write_sample_value(struct nv_writer *w, double number)
{
    value(w);
    w->at = put_value(nv_writer_room(w, NV_NUMBER_MAX + 2), number);
}

void nv_write_sample(struct nv_writer *w, int64_t ms, double number)
{
    char *to = nv_writer_room(w, SAMPLE_MAX);

    if (w->comma)
        *to++ = ',';
    *to++ = '[';
    to = put_time(to, ms);
    *to++ = ',';
    to = put_value(to, number);
    *to++ = ']';
    w->at = to;
    w->comma = true;
}

void nv_write_moment_ns(struct nv_writer *w, int64_t ns, bool known)
{
    char text[NV_RFC3339_MAX];

    if (!known)
        nv_write_string(w, NV_LIT("0001-01-01T00:00:00Z"));
    else
        nv_write_string(w, (struct nv_str){text, nv_rfc3339_ns(text, ns)});
}
