/*
 * writer.h - JSON and text into a block that is handed on when it is full, so that an answer of any length costs one.
 *
 *   commas     are set by the writer: keys and values are written one after another, between _begin and _end
 *   strings    as Go escapes them; bytes that are no UTF-8 become U+FFFD
 *   failing    the first failure (the client is gone, the query was cancelled) stays in `failed`; what is written
 *              after it is dropped. Long loops look at it to end early; nobody else need
 */
#ifndef NV_WEB_WRITER_H
#define NV_WEB_WRITER_H

#include <nodevitals/scan.h>

#include "metric/layout.h"

enum { NV_WRITER_BLOCK = 64 << 10, NV_WRITER_ROOM_MAX = 512 /* that may be asked for at once */ };

struct nv_writer {
    char *at, *end, *block; /* at: where the next byte goes */
    bool comma;             /* a value stands before */
    int failed;             /* 0 or a negative errno */
    int (*pass_on)(void *user, const char *p, size_t n);
    void *user;
};

/* `block` has NV_WRITER_BLOCK bytes. */
void nv_writer_init(struct nv_writer *w, char *block,
                    int (*pass_on)(void *user, const char *p, size_t n), void *user);

/* Hands on what there is. */
void nv_writer_flush(struct nv_writer *w);

/* Room for n bytes, NV_WRITER_ROOM_MAX at most, at w->at, which the caller moves on. */
static inline char *nv_writer_room(struct nv_writer *w, size_t n)
{
    if ((size_t)(w->end - w->at) < n)
        nv_writer_flush(w);
    return w->at;
}

/* Text as it is. */
void nv_write_bytes(struct nv_writer *w, const char *p, size_t n);

static inline void nv_write_str(struct nv_writer *w, struct nv_str s)
{
    nv_write_bytes(w, s.p, s.n);
}

static inline void nv_write_text(struct nv_writer *w, const char *c_string)
{
    nv_write_bytes(w, c_string, strlen(c_string));
}

static inline void nv_write_char(struct nv_writer *w, char c)
{
    *nv_writer_room(w, 1) = c;
    w->at++;
}

__attribute__((format(printf, 2, 3))) void nv_write_printf(struct nv_writer *w, const char *format,
                                                           ...); /* at most NV_WRITER_ROOM_MAX */

/* ---- JSON ----------------------------------------------------------------------------------- */

void nv_write_object(struct nv_writer *w);     /* { */
void nv_write_object_end(struct nv_writer *w); /* } */
void nv_write_array(struct nv_writer *w);      /* [ */
void nv_write_array_end(struct nv_writer *w);  /* ] */

/* "key": - of plain ASCII, and of any text. */
void nv_write_key(struct nv_writer *w, const char *key);
void nv_write_key_str(struct nv_writer *w, struct nv_str key);

void nv_write_string(struct nv_writer *w, struct nv_str s);
void nv_write_u64(struct nv_writer *w, uint64_t value);
void nv_write_i64(struct nv_writer *w, int64_t value);
void nv_write_real(struct nv_writer *w, double value); /* a JSON number; null where it is none */
void nv_write_bool(struct nv_writer *w, bool value);
void nv_write_null(struct nv_writer *w);
void nv_write_json(struct nv_writer *w, struct nv_str json); /* a value that is JSON already */

/* "key":"value" and such. */
void nv_write_member(struct nv_writer *w, const char *key, struct nv_str value);
void nv_write_member_text(struct nv_writer *w, const char *key, const char *value);
void nv_write_member_u64(struct nv_writer *w, const char *key, uint64_t value);
void nv_write_member_real(struct nv_writer *w, const char *key, double value);
void nv_write_member_bool(struct nv_writer *w, const char *key, bool value);

/* {"name":"value",...} */
void nv_write_labels(struct nv_writer *w, const struct nv_label *labels, size_t n);

/* Seconds with three digits behind the point where there are milliseconds: 1767322800.500 */
void nv_write_time(struct nv_writer *w, int64_t ms);

/* A sample's value, in quotes: "0.42", "NaN", "1e-07". */
void nv_write_sample_value(struct nv_writer *w, double value);

/* [time,"value"] */
void nv_write_sample(struct nv_writer *w, int64_t ms, double value);

/* "2026-01-02T03:04:05.678Z"; Go's zero time for a moment that is not known. */
void nv_write_moment_ns(struct nv_writer *w, int64_t ns, bool known);

#endif
