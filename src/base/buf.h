/*
 * buf.h - text that grows, up to a maximum it is born with.
 *
 *   bound      `max` bytes; what would pass it, or meets the end of memory, sets `failed` and is left
 *              out, and so is all that follows: check once, at the end
 *   ownership  nv_buf_done() frees; nv_buf_reset() keeps the memory for the next text
 *   content    not ended by NUL; nv_buf_c_string() ends it
 */
#ifndef NV_BASE_BUF_H
#define NV_BASE_BUF_H

#include <nodevitals/scan.h>

#include "base/cleanup.h"

struct nv_buf {
    char *p;
    size_t n, size, max;
    int failed; /* 0, -EFBIG or -ENOMEM */
};

#define NV_BUF(maximum) ((struct nv_buf){.max = (maximum)})
#define NV_AUTO_BUF     __attribute__((cleanup(nv_buf_done))) struct nv_buf

void nv_buf_done(struct nv_buf *buf);

/* Makes room for n more bytes. False, and `failed`, where there is none. */
bool nv_buf_grow(struct nv_buf *buf, size_t n);

static inline void nv_buf_reset(struct nv_buf *buf)
{
    buf->n = 0;
    buf->failed = 0;
}

static inline bool nv_buf_room(struct nv_buf *buf, size_t n)
{
    return buf->size - buf->n >= n && !buf->failed ? true : nv_buf_grow(buf, n);
}

static inline void nv_buf_add(struct nv_buf *buf, const void *p, size_t n)
{
    if (n && nv_buf_room(buf, n)) {
        memcpy(buf->p + buf->n, p, n);
        buf->n += n;
    }
}

static inline void nv_buf_str(struct nv_buf *buf, struct nv_str s)
{
    nv_buf_add(buf, s.p, s.n);
}

static inline void nv_buf_text(struct nv_buf *buf, const char *c_string)
{
    nv_buf_add(buf, c_string, strlen(c_string));
}

static inline void nv_buf_char(struct nv_buf *buf, char c)
{
    if (nv_buf_room(buf, 1))
        buf->p[buf->n++] = c;
}

__attribute__((format(printf, 2, 3))) void nv_buf_printf(struct nv_buf *buf, const char *format,
                                                         ...);

static inline struct nv_str nv_buf_view(const struct nv_buf *buf)
{
    return (struct nv_str){buf->p, buf->n};
}

/* The text with a NUL behind it, which does not count; "" where the buffer failed. */
const char *nv_buf_c_string(struct nv_buf *buf);

#endif
