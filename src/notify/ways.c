#include "notify/ways.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "base/assert.h"
#include "base/http.h"
#include "base/mail.h"

struct nv_ways {
    pthread_mutex_t lock;
    char *external_url;
    struct nv_way_hold holds[NV_WAYS_AT_ONCE];
    bool held[NV_WAYS_AT_ONCE];
    bool stopping;
    int stop_fd;
};

struct nv_ways *nv_ways_new(const char *external_url)
{
    struct nv_ways *ways = calloc(1, sizeof(*ways));

    if (!ways)
        return NULL;
    pthread_mutex_init(&ways->lock, NULL);
    ways->external_url = strdup(external_url ? external_url : "");
    ways->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!ways->external_url || ways->stop_fd < 0) {
        nv_ways_free(ways);
        return NULL;
    }
    return ways;
}

void nv_ways_free(struct nv_ways *ways)
{
    if (!ways)
        return;
    if (ways->stop_fd >= 0)
        close(ways->stop_fd);
    pthread_mutex_destroy(&ways->lock);
    free(ways->external_url);
    free(ways);
}

int nv_ways_hold(struct nv_ways *ways, struct nv_way_hold hold, unsigned *ret)
{
    int r = -EAGAIN;

    pthread_mutex_lock(&ways->lock);
    for (unsigned i = 0; i < NV_WAYS_AT_ONCE && r == -EAGAIN; i++) {
        if (ways->held[i])
            continue;
        ways->held[i] = true;
        ways->holds[i] = hold;
        *ret = i;
        r = 0;
    }
    if (ways->stopping) {
        if (r == 0)
            ways->held[*ret] = false;
        r = -ECANCELED;
    }
    pthread_mutex_unlock(&ways->lock);
    return r;
}

void nv_ways_release(struct nv_ways *ways, unsigned number)
{
    pthread_mutex_lock(&ways->lock);
    ways->held[number] = false;
    ways->holds[number] = (struct nv_way_hold){0};
    pthread_mutex_unlock(&ways->lock);
}

int nv_ways_stop_fd(const struct nv_ways *ways)
{
    return ways->stop_fd;
}

void nv_ways_stop(struct nv_ways *ways)
{
    pthread_mutex_lock(&ways->lock);
    ways->stopping = true;
    (void)!eventfd_write(ways->stop_fd, 1);
    for (unsigned i = 0; i < NV_WAYS_AT_ONCE; i++) {
        if (ways->held[i] && ways->holds[i].http)
            nv_http_cancel(ways->holds[i].http);
        if (ways->held[i] && ways->holds[i].mailer)
            nv_mailer_cancel(ways->holds[i].mailer);
    }
    pthread_mutex_unlock(&ways->lock);
}

/* ---- one notification ----------------------------------------------------------------------- */

static int send_json(struct nv_ways *ways, const struct nv_notification *said,
                     char error[NV_DISPATCH_ERROR_MAX])
{
    NV_AUTO_BUF body = NV_BUF(NV_WAYS_TEXT_MAX);
    bool is_webhook = said->way == NV_WAY_WEBHOOK;
    size_t max = is_webhook ? (size_t)said->receiver->webhooks[said->index].max_alerts : 0;

    nv_notification_write(&body, said, ways->external_url, max);
    if (body.failed) {
        snprintf(error, NV_DISPATCH_ERROR_MAX, "the notification does not fit: %s",
                 strerror(-body.failed));
        return body.failed;
    }
    return is_webhook ? nv_way_webhook(ways, &said->receiver->webhooks[said->index],
                                       nv_buf_view(&body), error)
                      : nv_way_command(ways, &said->receiver->commands[said->index],
                                       nv_buf_view(&body), error);
}

int nv_ways_send(struct nv_ways *ways, const struct nv_notification *said,
                 char error[NV_DISPATCH_ERROR_MAX])
{
    switch (said->way) {
    case NV_WAY_WEBHOOK:
    case NV_WAY_COMMAND:
        return send_json(ways, said, error);
    case NV_WAY_EMAIL:
        return nv_way_email(ways, &said->receiver->emails[said->index], said, ways->external_url,
                            error);
    case NV_WAY_JOURNAL:
        return nv_way_journal(&said->receiver->journals[said->index], said, NULL, error);
    }
    nv_assert(false);
    return -EINVAL;
}
