#include "tsdb/prom_file.h"

#include <errno.h>
#include <fcntl.h>

#include "tsdb/fs.h"

void nv_prom_file_create(struct nv_prom_file *file, int dir, const char *name)
{
    file->fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    file->error = file->fd < 0 ? -errno : 0;
    file->at = 0;
    file->crc = 0;
    file->n = 0;
}

static void flush(struct nv_prom_file *file)
{
    for (size_t done = 0; done < file->n && !file->error;) {
        ssize_t n = write(file->fd, file->pending + done, file->n - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            file->error = -errno;
    }
    file->n = 0;
}

void nv_prom_file_add(struct nv_prom_file *file, const void *p, size_t n)
{
    const char *from = p;

    if (!n)
        return;
    file->crc = nv_crc32c(file->crc, from, n);
    file->at += n;
    while (n) {
        size_t part = NV_PROM_PENDING_MAX - file->n;
        if (part > n)
            part = n;
        memcpy(file->pending + file->n, from, part);
        file->n += part;
        from += part;
        n -= part;
        if (file->n == NV_PROM_PENDING_MAX)
            flush(file);
    }
}

void nv_prom_file_be32(struct nv_prom_file *file, uint32_t value)
{
    value = htobe32(value);
    nv_prom_file_add(file, &value, sizeof(value));
}

void nv_prom_file_be64(struct nv_prom_file *file, uint64_t value)
{
    value = htobe64(value);
    nv_prom_file_add(file, &value, sizeof(value));
}

void nv_prom_file_uvarint(struct nv_prom_file *file, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;

    for (; value > 0x7f; value >>= 7)
        bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    nv_prom_file_add(file, bytes, n);
}

void nv_prom_file_string(struct nv_prom_file *file, struct nv_str s)
{
    nv_prom_file_uvarint(file, s.n);
    nv_prom_file_add(file, s.p, s.n);
}

void nv_prom_file_pad(struct nv_prom_file *file, size_t to)
{
    static const char zeros[64];

    nv_prom_file_add(file, zeros, (to - file->at % to) % to);
}

void nv_prom_file_crc(struct nv_prom_file *file)
{
    nv_prom_file_be32(file, file->crc);
}

int nv_prom_file_close(struct nv_prom_file *file)
{
    if (file->fd < 0)
        return file->error;
    flush(file);
    if (!file->error && fsync(file->fd) < 0)
        file->error = -errno;
    if (close(file->fd) < 0 && !file->error)
        file->error = -errno;
    file->fd = -1;
    return file->error;
}
