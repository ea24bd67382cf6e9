#include "config/http_client.h"

#include <errno.h>
#include <fcntl.h>

struct nv_http *nv_http_client_new(const struct nv_http_config *config, int64_t timeout_ms)
{
    struct nv_http_options options = nv_http_config_options(config, timeout_ms);

    return nv_http_new(&options);
}

/* A secret from its file, without the line's end. */
static int read_value(const char *path, struct nv_arena *memory, const char **ret)
{
    NV_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = nv_arena_alloc(memory, NV_HTTP_SECRET_MAX);

    if (fd < 0)
        return -errno;
    if (!text)
        return -ENOMEM;
    ssize_t n = read(fd, text, NV_HTTP_SECRET_MAX - 1);
    if (n < 0)
        return -errno;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = '\0';
    *ret = text;
    return 0;
}

int nv_http_client_headers(const struct nv_http_config *config, size_t room,
                           struct nv_arena *memory, struct nv_http_header **ret, size_t *ret_n,
                           const char **ret_file)
{
    struct nv_http_header *headers =
        nv_arena_alloc(memory, (config->n_headers + room + 1) * sizeof(*headers));

    if (!headers)
        return -ENOMEM;
    for (size_t i = 0; i < config->n_headers; i++) {
        const struct nv_config_header *from = &config->headers[i];
        headers[i] = (struct nv_http_header){from->name, from->value};
        int r = from->value ? 0 : read_value(from->file, memory, &headers[i].value);
        if (r < 0) {
            *ret_file = from->file;
            return r;
        }
    }
    *ret = headers;
    *ret_n = config->n_headers;
    return 0;
}
