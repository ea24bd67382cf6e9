#include "notify/notify.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/cond.h"
#include "base/http.h"
#include "base/log.h"
#include "base/save.h"
#include "notify/reports.h"
#include "notify/state.h"
#include "notify/ways.h"

struct nv_notify {
    char *folder, *external_url;
    struct nv_config *config; /* NULL before the first */
    struct nv_alertmanagers *alertmanagers;
    struct nv_silences *silences;
    struct nv_dispatch *dispatch;
    struct nv_ways *ways;
    struct nv_reports reports;

    pthread_mutex_t lock;
    pthread_cond_t wake, keep;
    uint64_t puts;       /* something may be due earlier */
    bool stopping, told; /* since the last look at the state */
    pthread_t tellers[NV_NOTIFY_THREADS], keeper;
    size_t n_tellers;
    bool keeping;

    /* Of the keeper. */
    uint64_t kept; /* what of the state is on disk */
    struct nv_complaint save_complaint;
};

/* ---- telling -------------------------------------------------------------------------------- */

static int send_way(void *user, const struct nv_notification *said,
                    char error[NV_DISPATCH_ERROR_MAX])
{
    struct nv_notify *notify = user;

    int r = nv_ways_send(notify->ways, said, error);
    if (r < 0 && r != -ECANCELED)
        nv_log_write(NV_ERROR, __FILE__, __LINE__, "receiver", said->receiver->name,
                     "notification not sent: %s", *error ? error : strerror(-r));
    if (r != -ECANCELED)
        nv_reports_put(&notify->reports, said, r == 0 ? NULL : *error ? error : strerror(-r));
    pthread_mutex_lock(&notify->lock);
    notify->told = true;
    pthread_cond_signal(&notify->keep);
    pthread_mutex_unlock(&notify->lock);
    return r;
}

static void *tell_due(void *arg)
{
    struct nv_notify *notify = arg;

    pthread_mutex_lock(&notify->lock);
    while (!notify->stopping) {
        uint64_t puts = notify->puts;
        pthread_mutex_unlock(&notify->lock);
        int64_t ms = nv_dispatch_turn(notify->dispatch);
        pthread_mutex_lock(&notify->lock);
        if (ms > 0 && puts == notify->puts && !notify->stopping)
            nv_cond_wait_until(&notify->wake, &notify->lock,
                               nv_monotonic_ns() + ms * INT64_C(1000000));
    }
    pthread_mutex_unlock(&notify->lock);
    return NULL;
}

/* ---- keeping -------------------------------------------------------------------------------- */

static int path_in(const struct nv_notify *notify, const char *name, char ret[PATH_MAX])
{
    return (size_t)snprintf(ret, PATH_MAX, "%s/%s", notify->folder, name) < PATH_MAX
               ? 0
               : -ENAMETOOLONG;
}

/* A number that changes with what is to be kept. */
static uint64_t state_number(struct nv_notify *notify)
{
    struct nv_alertmanagers_view view;
    uint64_t number = nv_dispatch_changes(notify->dispatch);

    if (nv_alertmanagers_view(notify->alertmanagers, &view) < 0)
        return number;
    for (size_t i = 0; i < view.n_active; i++) {
        const struct nv_alertmanager_stats *stats = &view.active[i].stats;
        number += stats->queued + 2 * (stats->sent + stats->dropped); /* all that came and went */
    }
    nv_alertmanagers_view_done(&view);
    return number + 1; /* 0 is: nothing is on disk */
}

static int save_text(struct nv_notify *notify, struct nv_str text)
{
    char path[PATH_MAX];

    int r = path_in(notify, "notify.json", path);
    if (r == 0 && mkdir(notify->folder, 0750) < 0 && errno != EEXIST)
        r = -errno;
    return r < 0 ? r : nv_save(path, text);
}

static void save(struct nv_notify *notify)
{
    NV_AUTO_BUF text = NV_BUF(NV_NOTIFY_STATE_MAX);
    uint64_t number = state_number(notify);

    if (!notify->folder || number == notify->kept)
        return;
    int r = nv_notify_state_write(&text, notify->dispatch, notify->alertmanagers);
    if (r == 0)
        r = save_text(notify, nv_buf_view(&text));
    if (r == 0)
        notify->kept = number;
    if (r < 0 && nv_complaint_speaks(&notify->save_complaint))
        nv_log_err(r, "notify: cannot keep the state in %s", notify->folder);
    else if (r == 0 && nv_complaint_over(&notify->save_complaint))
        nv_log_info("notify: the state is kept again");
}

static void look_at_silences(struct nv_notify *notify)
{
    char error[NV_SILENCE_ERROR_MAX];
    int r = nv_silences_refresh(notify->silences, nv_wall_ms(), error);

    if (r < 0)
        nv_log_error("notify: silences: %s", error);
}

static void *keep(void *arg)
{
    struct nv_notify *notify = arg;

    pthread_mutex_lock(&notify->lock);
    while (!notify->stopping) {
        if (!notify->told)
            nv_cond_wait_until(&notify->keep, &notify->lock,
                               nv_monotonic_ns() + NV_NOTIFY_LOOK_MS * INT64_C(1000000));
        /* Until the dispatcher has noted what was told, and more of it may have come. */
        for (int64_t until_ms = nv_monotonic_ns() / 1000000 + NV_NOTIFY_KEEP_MS, left_ms;
             !notify->stopping && (left_ms = until_ms - nv_monotonic_ns() / 1000000) > 0;)
            nv_cond_wait_until(&notify->keep, &notify->lock,
                               nv_monotonic_ns() + left_ms * INT64_C(1000000));
        notify->told = false;
        pthread_mutex_unlock(&notify->lock);
        look_at_silences(notify);
        save(notify);
        pthread_mutex_lock(&notify->lock);
    }
    pthread_mutex_unlock(&notify->lock);
    return NULL;
}

static void set_aside(const char *path)
{
    char bad[PATH_MAX];

    if ((size_t)snprintf(bad, sizeof(bad), "%s.bad", path) < sizeof(bad) && rename(path, bad) == 0)
        nv_log_warn("notify: %s cannot be understood and is set aside as %s", path, bad);
}

static void load(struct nv_notify *notify)
{
    NV_AUTO_BUF text = NV_BUF(NV_NOTIFY_STATE_MAX);
    char path[PATH_MAX];

    if (!notify->folder || path_in(notify, "notify.json", path) < 0 || access(path, F_OK) < 0)
        return;
    int r = nv_load(path, &text);
    if (r == 0)
        r = nv_notify_state_read(nv_buf_view(&text), notify->dispatch, notify->alertmanagers,
                                 nv_wall_ms() + NV_NOTIFY_RESTORE_MS);
    if (r == -EBADMSG)
        set_aside(path);
    else if (r < 0)
        nv_log_err(r, "notify: cannot take over the state in %s", path);
}

/* ---- beginning and end ---------------------------------------------------------------------- */

struct nv_notify *nv_notify_new(const struct nv_notify_options *options)
{
    struct nv_notify *notify = calloc(1, sizeof(*notify));

    if (!notify)
        return NULL;
    pthread_mutex_init(&notify->lock, NULL);
    nv_cond_init(&notify->wake);
    nv_cond_init(&notify->keep);
    nv_reports_init(&notify->reports);
    notify->folder = options->folder ? strdup(options->folder) : NULL;
    notify->external_url = strdup(options->external_url ? options->external_url : "");
    notify->alertmanagers = nv_alertmanagers_new();
    notify->ways = nv_ways_new(notify->external_url);
    if (!notify->external_url || !notify->alertmanagers || !notify->ways ||
        (options->folder && !notify->folder)) {
        nv_notify_free(notify);
        return NULL;
    }
    return notify;
}

void nv_notify_free(struct nv_notify *notify)
{
    if (!notify)
        return;
    nv_notify_stop(notify);
    nv_dispatch_free(notify->dispatch);
    nv_silences_free(notify->silences);
    nv_alertmanagers_free(notify->alertmanagers);
    nv_ways_free(notify->ways);
    nv_reports_done(&notify->reports);
    nv_config_unref(notify->config);
    pthread_cond_destroy(&notify->keep);
    pthread_cond_destroy(&notify->wake);
    pthread_mutex_destroy(&notify->lock);
    free(notify->external_url);
    free(notify->folder);
    free(notify);
}

/* What depends on the first configuration. */
static int make_parts(struct nv_notify *notify, const struct nv_config *config)
{
    char own[PATH_MAX];
    const char *path = config->notify.silences_file;

    if (!path && notify->folder && path_in(notify, "silences.json", own) == 0)
        path = own;
    if (!notify->silences)
        notify->silences = nv_silences_new(path);
    if (notify->silences)
        notify->dispatch = nv_dispatch_new(&(struct nv_dispatch_options){
            .send = send_way, .user = notify, .silences = notify->silences});
    if (!notify->dispatch)
        return -ENOMEM;
    if (path == own && mkdir(notify->folder, 0750) < 0 && errno != EEXIST)
        nv_log_err(-errno, "notify: cannot make %s", notify->folder);
    look_at_silences(notify);
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int start_threads(struct nv_notify *notify)
{
    bool tells = notify->config->notify.route, sends = notify->config->alerting.n_alertmanagers > 0;

    while (tells && notify->n_tellers < NV_NOTIFY_THREADS) {
        int r = pthread_create(&notify->tellers[notify->n_tellers], NULL, tell_due, notify);
        if (r != 0)
            return -r;
        pthread_setname_np(notify->tellers[notify->n_tellers++], "nv-notify");
    }
    if ((tells || sends) && !notify->keeping) {
        int r = pthread_create(&notify->keeper, NULL, keep, notify);
        if (r != 0)
            return -r;
        pthread_setname_np(notify->keeper, "nv-notify-keep");
        notify->keeping = true;
    }
    return 0;
}

int nv_notify_apply(struct nv_notify *notify, struct nv_config *config)
{
    bool first = !notify->config;

    int r = notify->dispatch ? 0 : make_parts(notify, config);
    if (r == 0)
        r = nv_dispatch_apply(notify->dispatch, config);
    if (r == 0) {
        r = nv_alertmanagers_apply(notify->alertmanagers, config);
        if (r < 0 && !first) /* its whole or nothing */
            (void)!nv_dispatch_apply(notify->dispatch, notify->config);
    }
    if (r < 0)
        return r;
    if (first)
        load(notify);
    else if (!same_text(config->notify.silences_file, notify->config->notify.silences_file))
        nv_log_warn("notify: another silences_file takes a restart");
    pthread_mutex_lock(&notify->lock);
    nv_config_unref(notify->config);
    notify->config = nv_config_ref(config);
    pthread_mutex_unlock(&notify->lock);
    nv_reports_forget(&notify->reports);
    nv_notify_wake(notify);
    return start_threads(notify);
}

void nv_notify_stop(struct nv_notify *notify)
{
    pthread_mutex_lock(&notify->lock);
    bool stopped = notify->stopping;
    notify->stopping = true;
    pthread_cond_broadcast(&notify->wake);
    pthread_cond_broadcast(&notify->keep);
    pthread_mutex_unlock(&notify->lock);
    if (stopped)
        return;
    if (notify->ways)
        nv_ways_stop(notify->ways);
    for (size_t i = 0; i < notify->n_tellers; i++)
        pthread_join(notify->tellers[i], NULL);
    if (notify->keeping)
        pthread_join(notify->keeper, NULL);
    if (notify->alertmanagers)
        nv_alertmanagers_stop(notify->alertmanagers);
    if (notify->keeping)
        save(notify);
}

/* ---- alerts --------------------------------------------------------------------------------- */

static struct nv_config *current_config(struct nv_notify *notify)
{
    pthread_mutex_lock(&notify->lock);
    struct nv_config *config = notify->config ? nv_config_ref(notify->config) : NULL;
    pthread_mutex_unlock(&notify->lock);
    return config;
}

static void send_one(struct nv_notify *notify, const struct nv_config *config,
                     const struct nv_alert *from)
{
    NV_AUTO(nv_alert) *alert = nv_alert_new(from);
    NV_AUTO(nv_alert) *ready = NULL;

    int r = alert ? nv_alert_relabel(alert, config->global.external_labels,
                                     config->global.n_external_labels,
                                     &config->alerting.alert_relabel, &ready)
                  : -E2BIG;
    if (r < 0)
        nv_log_err(r, "notify: an alert is dropped");
    if (r != 0)
        return;
    nv_alertmanagers_send(notify->alertmanagers, &ready, 1);
    nv_dispatch_put(notify->dispatch, ready);
}

void nv_notify_send(struct nv_notify *notify, const struct nv_alert *alerts, size_t n)
{
    NV_AUTO(nv_config) *config = current_config(notify);

    for (size_t i = 0; config && i < n; i++)
        send_one(notify, config, &alerts[i]);
    nv_notify_wake(notify);
}

void nv_notify_wake(struct nv_notify *notify)
{
    pthread_mutex_lock(&notify->lock);
    notify->puts++;
    pthread_cond_broadcast(&notify->wake);
    pthread_mutex_unlock(&notify->lock);
}

void nv_notify_generator_url(struct nv_buf *out, const char *external_url, struct nv_str expr)
{
    nv_buf_text(out, external_url);
    nv_buf_text(out, "/graph?g0.expr=");
    for (size_t i = 0; i < expr.n; i++) {
        if (expr.p[i] == ' ')
            nv_buf_char(out, '+');
        else
            nv_http_escape(out, (struct nv_str){expr.p + i, 1});
    }
    nv_buf_text(out, "&g0.tab=1");
}

/* ---- what is going on ----------------------------------------------------------------------- */

struct nv_silences *nv_notify_silences(struct nv_notify *notify)
{
    return notify->silences;
}

struct nv_dispatch *nv_notify_dispatch(struct nv_notify *notify)
{
    return notify->dispatch;
}

struct nv_alertmanagers *nv_notify_alertmanagers(struct nv_notify *notify)
{
    return notify->alertmanagers;
}

struct nv_reports *nv_notify_reports(struct nv_notify *notify)
{
    return &notify->reports;
}

void nv_notify_each_receiver(struct nv_notify *notify,
                             void (*tell)(void *user, const struct nv_notify_receiver *receiver),
                             void *user)
{
    NV_AUTO(nv_config) *config = current_config(notify);

    for (size_t i = 0; config && i < config->notify.n_receivers; i++)
        tell(user, &config->notify.receivers[i]);
}
