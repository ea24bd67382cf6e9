/*
 * native.h - files named on the command line, outside of the path flags.
 */
#ifndef NODEVITALS_NATIVE_H
#define NODEVITALS_NATIVE_H

#include <nodevitals/collector.h>

#include <fcntl.h>
#include <unistd.h>

enum { NV_NATIVE_MAX = 16 << 20 };

/* A whole file below `dir`. The text lives until the pass ends. Returns 0, -EFBIG, or a negative errno. */
static inline int nv_native_read(struct nv_pass *pass, struct nv_str dir, const char *name,
                                 struct nv_str *ret)
{
    char path[NV_PATH_MAX], *text = NULL;
    size_t n = 0, max = 4096;

    nv_path(path, "%.*s/%s", NV_ARGS(dir), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    for (ssize_t r = 1; r > 0;) {
        if (!text || n == max) {
            char *bigger = max < NV_NATIVE_MAX ? nv_alloc(pass, max *= 2) : NULL;
            if (!bigger)
                break;
            if (n)
                memcpy(bigger, text, n);
            text = bigger;
        }
        r = read(fd, text + n, max - n);
        if (r < 0) {
            r = -errno;
            close(fd);
            return (int)r;
        }
        n += (size_t)r;
    }
    close(fd);
    if (n == max)
        return -EFBIG;
    *ret = (struct nv_str){text, n};
    return 0;
}

#endif
