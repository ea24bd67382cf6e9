#include "reader.h"

static int take_device(struct nv_kmsg_reader *reader, struct nv_str *ret)
{
    ssize_t n;

    do
        n = reader->read(reader->fd, reader->bytes, sizeof(reader->bytes));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    *ret = (struct nv_str){reader->bytes, (size_t)n};
    return n > 0;
}

/* Reads on behind what is there. Returns how many bytes came; 0 at the end. */
static ssize_t fill(struct nv_kmsg_reader *reader)
{
    ssize_t n;

    memmove(reader->bytes, reader->bytes + reader->first, reader->end - reader->first);
    reader->end -= reader->first;
    reader->first = 0;
    do
        n = reader->read(reader->fd, reader->bytes + reader->end,
                         sizeof(reader->bytes) - reader->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    reader->end += (size_t)n;
    reader->n_read += (uint64_t)n;
    return n;
}

static int take_file(struct nv_kmsg_reader *reader, struct nv_str *ret)
{
    for (;;) {
        struct nv_str rest = {reader->bytes + reader->first, reader->end - reader->first};
        size_t n = nv_kmsg_length(rest);
        if (!n && rest.n < NV_KMSG_RECORD_MAX) {
            ssize_t came = fill(reader);
            if (came < 0)
                return (int)came;
            if (came > 0)
                continue;
            rest.p = reader->bytes; /* to where it was moved */
            n = rest.n;
        }
        bool is_long = !n || n > NV_KMSG_RECORD_MAX;
        if (is_long)
            n = n ? n : rest.n;
        if (!rest.n)
            return 0;
        bool was_skipping = reader->skips;
        reader->first += n;
        reader->skips = is_long && n == rest.n;
        reader->n_long += is_long && !was_skipping;
        if (is_long || was_skipping)
            continue;
        *ret = (struct nv_str){rest.p, n};
        return 1;
    }
}

int nv_kmsg_next(struct nv_kmsg_reader *reader, struct nv_str *ret)
{
    return reader->is_file ? take_file(reader, ret) : take_device(reader, ret);
}
