#include <errno.h>

#include "base/clock.h"
#include "config/http_client.h"
#include "notify/alertmanagers_parts.h"

static int discard(void *user, struct nv_str bytes)
{
    (void)user;
    (void)bytes;
    return 0;
}

static int post_with(struct nv_member *one, struct nv_arena *memory, struct nv_str body,
                     int *ret_status, char error[NV_ALERTMANAGER_ERROR_MAX])
{
    struct nv_http_header *headers = NULL;
    const char *file = "";
    size_t n = 0;

    int r = nv_http_client_headers(&one->config->http, 1, memory, &headers, &n, &file);
    if (r < 0) {
        snprintf(error, NV_ALERTMANAGER_ERROR_MAX, "%s: %s", file, strerror(-r));
        return r;
    }
    headers[n++] = (struct nv_http_header){"Content-Type", "application/json"};
    r = nv_http_ask(one->http,
                    &(struct nv_http_request){.method = "POST",
                                              .url = one->url,
                                              .headers = headers,
                                              .n_headers = n,
                                              .body = body,
                                              .take = discard},
                    ret_status);
    if (r < 0)
        snprintf(error, NV_ALERTMANAGER_ERROR_MAX, "%s", nv_http_error(one->http));
    return r;
}

int nv_member_post(void *user, struct nv_str body, int *ret_status,
                   char error[NV_ALERTMANAGER_ERROR_MAX])
{
    struct nv_member *one = user;
    struct nv_arena memory = NV_ARENA(8 << 20);

    int r = post_with(one, &memory, body, ret_status, error);
    nv_arena_done(&memory);
    return r;
}

static void tell_outcome(struct nv_member *one, const char *error)
{
    if (*error && nv_complaint_speaks(&one->complaint))
        nv_log_write(NV_ERROR, __FILE__, __LINE__, "alertmanager", one->url, "alerts not sent: %s",
                     error);
    else if (!*error && nv_complaint_over(&one->complaint))
        nv_log_write(NV_INFO, __FILE__, __LINE__, "alertmanager", one->url,
                     "alerts are sent again");
}

void *nv_member_send_all(void *arg)
{
    struct nv_member *one = arg;
    struct nv_alertmanagers *all = one->all;
    struct nv_alertmanager_stats stats;

    pthread_mutex_lock(&all->lock);
    while (!one->stopping) {
        char error[NV_ALERTMANAGER_ERROR_MAX];
        nv_alertmanager_stats(one->am, &stats);
        uint64_t posts = stats.posts;
        pthread_mutex_unlock(&all->lock);
        int64_t wait_ns = nv_alertmanager_turn(one->am, error);
        nv_alertmanager_stats(one->am, &stats);
        if (stats.posts != posts)
            tell_outcome(one, error);
        pthread_mutex_lock(&all->lock);
        if (all->draining && (*error || wait_ns > 0))
            break; /* once is tried; more is for the next start */
        nv_alertmanager_stats(one->am, &stats);
        if (!one->stopping && wait_ns > 0 && (stats.queued == 0 || wait_ns != INT64_MAX))
            nv_cond_wait_until(&one->wake, &all->lock,
                               wait_ns == INT64_MAX ? wait_ns : nv_monotonic_ns() + wait_ns);
    }
    one->running = false;
    pthread_cond_broadcast(&all->look);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

void nv_member_free(struct nv_member *one)
{
    if (!one)
        return;
    nv_http_free(one->http);
    nv_alertmanager_free(one->am);
    pthread_cond_destroy(&one->wake);
    free(one->url);
    free(one);
}

struct nv_member *nv_member_new(struct nv_alertmanagers *all,
                                const struct nv_config_alertmanager *config, const char *url)
{
    struct nv_member *one = calloc(1, sizeof(*one));

    if (!one)
        return NULL;
    nv_cond_init(&one->wake);
    one->all = all;
    one->config = config;
    one->url = strdup(url);
    one->am =
        nv_alertmanager_new(&(struct nv_alertmanager_io){.post = nv_member_post, .user = one});
    one->http = nv_http_client_new(&config->http, config->timeout_ms);
    if (!one->url || !one->am || !one->http) {
        nv_member_free(one);
        return NULL;
    }
    return one;
}
