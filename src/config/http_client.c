#include "config/http_client.h"

#include <errno.h>
#include <fcntl.h>

struct nv_http *nv_http_client_new(const struct nv_http_config *config, int64_t timeout_ms)
{
    static const enum nv_http_tls_version versions[] = {NV_TLS_DEFAULT, NV_TLS_1_0, NV_TLS_1_1,
                                                        NV_TLS_1_2, NV_TLS_1_3};
    const struct nv_tls_config *tls = &config->tls;

    return nv_http_new(&(struct nv_http_options){
        .tls = {.ca = tls->ca,
                .cert = tls->cert,
                .key = tls->key,
                .ca_file = tls->ca_file,
                .cert_file = tls->cert_file,
                .key_file = tls->key_file,
                .server_name = tls->server_name,
                .insecure_skip_verify = tls->insecure_skip_verify,
                .min_version = versions[tls->min_version],
                .max_version = versions[tls->max_version]},
        .user = config->username,
        .user_file = config->username_file,
        .password = config->password,
        .password_file = config->password_file,
        .credentials = config->credentials,
        .credentials_file = config->credentials_file,
        .credentials_type = config->auth_type,
        .proxy_url = config->proxy_url,
        .no_proxy = config->no_proxy,
        .proxy_from_environment = config->proxy_from_environment,
        .follow_redirects = config->follow_redirects,
        .timeout_ms = timeout_ms,
    });
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
