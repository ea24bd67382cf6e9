#include <errno.h>

#include "config/http_client.h"
#include "notify/ways.h"

enum { URL_MAX = 4096 };

static int discard(void *user, struct nv_str bytes)
{
    (void)user;
    (void)bytes;
    return 0;
}

/* The URL, or what its file holds now. */
static int find_url(const struct nv_notify_webhook *webhook, struct nv_arena *memory,
                    const char **ret, char error[NV_DISPATCH_ERROR_MAX])
{
    char why[NV_YAML_ERROR_MAX];
    struct nv_str text;

    if (webhook->url) {
        *ret = webhook->url;
        return 0;
    }
    int r = nv_config_read_file(webhook->url_file, memory, &text, why);
    if (r < 0) {
        snprintf(error, NV_DISPATCH_ERROR_MAX, "%.500s", why);
        return r;
    }
    text = nv_arena_str(memory, nv_str_trim(text));
    *ret = text.p;
    return text.p && text.n && text.n < URL_MAX ? 0 : -EBADMSG;
}

static int post(struct nv_http *http, const struct nv_notify_webhook *webhook,
                struct nv_arena *memory, struct nv_str body, char error[NV_DISPATCH_ERROR_MAX])
{
    struct nv_http_header *headers = NULL;
    const char *url, *file = "";
    size_t n = 0;
    int status = 0;

    int r = find_url(webhook, memory, &url, error);
    if (r == 0) {
        r = nv_http_client_headers(&webhook->http, 1, memory, &headers, &n, &file);
        if (r < 0)
            snprintf(error, NV_DISPATCH_ERROR_MAX, "%.400s: %s", file, strerror(-r));
    }
    if (r < 0)
        return r;
    headers[n++] = (struct nv_http_header){"Content-Type", "application/json"};
    r = nv_http_ask(http,
                    &(struct nv_http_request){.method = "POST",
                                              .url = url,
                                              .headers = headers,
                                              .n_headers = n,
                                              .body = body,
                                              .take = discard},
                    &status);
    if (r < 0) {
        snprintf(error, NV_DISPATCH_ERROR_MAX, "%.500s", nv_http_error(http));
        return r;
    }
    if (status / 100 == 2)
        return 0;
    snprintf(error, NV_DISPATCH_ERROR_MAX, "the webhook answers with status %d", status);
    return status / 100 == 4 && status != 408 && status != 429 ? -EINVAL : -EREMOTEIO;
}

int nv_way_webhook(struct nv_ways *ways, const struct nv_notify_webhook *webhook,
                   struct nv_str body, char error[NV_DISPATCH_ERROR_MAX])
{
    NV_AUTO(nv_http) *http = nv_http_client_new(&webhook->http, webhook->timeout_ms);
    struct nv_arena memory = NV_ARENA(16 << 20);
    unsigned number;

    if (!http)
        return -ENOMEM;
    int r = nv_ways_hold(ways, (struct nv_way_hold){.http = http}, &number);
    if (r < 0)
        return r;
    r = post(http, webhook, &memory, body, error);
    nv_ways_release(ways, number);
    nv_arena_done(&memory);
    return r;
}
