#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { FIRST_SIZE = 256, LARGE_SIZE = 256 << 10 };

void nv_buf_done(struct nv_buf *buf)
{
    free(buf->p);
    buf->p = NULL;
    buf->n = buf->size = 0;
}

/*
 * Where a buffer becomes large it is moved: the C library then maps its memory, grows it there and gives it back when the
 * buffer ends. One that grows in place leaves a hole in the heap, as large as an answer and resident for ever.
 */
static char *resize(const struct nv_buf *buf, size_t size)
{
    if (size < LARGE_SIZE || buf->size >= LARGE_SIZE)
        return realloc(buf->p, size);
    char *p = malloc(size);
    if (p && buf->n)
        memcpy(p, buf->p, buf->n);
    if (p)
        free(buf->p);
    return p;
}

bool nv_buf_grow(struct nv_buf *buf, size_t n)
{
    if (buf->failed)
        return false;
    if (n > buf->max || buf->n > buf->max - n) {
        buf->failed = -EFBIG;
        return false;
    }

    size_t size = buf->size ? buf->size : FIRST_SIZE;
    while (size < buf->n + n)
        size = size > buf->max / 2 ? buf->max : size * 2;
    if (size > buf->max)
        size = buf->max;
    if (size > buf->size) {
        char *p = resize(buf, size);
        if (!p) {
            buf->failed = -ENOMEM;
            return false;
        }
        buf->p = p;
        buf->size = size;
    }
    return true;
}

void nv_buf_printf(struct nv_buf *buf, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = buf->failed ? 0 : buf->size - buf->n;
    int n = vsnprintf(room ? buf->p + buf->n : NULL, room, format, arguments);
    if (n >= 0 && (size_t)n >= room && nv_buf_room(buf, (size_t)n + 1))
        vsnprintf(buf->p + buf->n, (size_t)n + 1, format, again);
    if (n >= 0 && !buf->failed)
        buf->n += (size_t)n;
    va_end(again);
    va_end(arguments);
}

const char *nv_buf_c_string(struct nv_buf *buf)
{
    if (!nv_buf_room(buf, 1))
        return "";
    buf->p[buf->n] = '\0';
    return buf->p;
}
