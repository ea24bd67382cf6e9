#include "notify/alertmanagers.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/http_client.h"
#include "notify/discover.h"

/* One of them. All but the thread's own part is guarded by the lock of the set. */
struct member {
    struct nv_alertmanagers *all;
    char *url;
    const struct nv_config_alertmanager *config; /* of the set's configuration */
    struct nv_alertmanager *am;
    pthread_cond_t wake;
    bool stopping; /* leave */
    bool running;
    pthread_t thread;

    struct nv_http *http; /* made by the first post */
    struct nv_complaint complaint;
};

struct nv_alertmanagers {
    pthread_mutex_t lock;
    struct nv_config *config;
    struct member *members[NV_ALERTMANAGERS_MAX];
    size_t n;
    char *dropped[NV_DISCOVERED_DROPPED_MAX];
    size_t n_dropped;

    /* Where files name targets. */
    struct nv_file_sd **sds; /* in the order of groups and their file_sd_configs */
    size_t n_sds;
    pthread_cond_t look;
    pthread_t looker;
    bool looking, leaving;
    bool draining;
};

/* ---- one Alertmanager ----------------------------------------------------------------------- */

static int discard(void *user, struct nv_str bytes)
{
    (void)user;
    (void)bytes;
    return 0;
}

static int post_with(struct member *one, struct nv_arena *memory, struct nv_str body,
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

static int post(void *user, struct nv_str body, int *ret_status,
                char error[NV_ALERTMANAGER_ERROR_MAX])
{
    struct member *one = user;
    struct nv_arena memory = NV_ARENA(8 << 20);

    int r = post_with(one, &memory, body, ret_status, error);
    nv_arena_done(&memory);
    return r;
}

static void wait_for(pthread_cond_t *wake, pthread_mutex_t *lock, int64_t ns)
{
    if (ns == INT64_MAX) {
        pthread_cond_wait(wake, lock);
        return;
    }
    int64_t until_ns = nv_monotonic_ns() + ns;
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_cond_timedwait(wake, lock, &until);
}

static void tell_outcome(struct member *one, const char *error)
{
    if (*error && nv_complaint_speaks(&one->complaint))
        nv_log_write(NV_ERROR, __FILE__, __LINE__, "alertmanager", one->url, "alerts not sent: %s",
                     error);
    else if (!*error && nv_complaint_over(&one->complaint))
        nv_log_write(NV_INFO, __FILE__, __LINE__, "alertmanager", one->url,
                     "alerts are sent again");
}

static void *send_all(void *arg)
{
    struct member *one = arg;
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
            wait_for(&one->wake, &all->lock, wait_ns);
    }
    one->running = false;
    pthread_cond_broadcast(&all->look);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

static void member_free(struct member *one)
{
    if (!one)
        return;
    nv_http_free(one->http);
    nv_alertmanager_free(one->am);
    pthread_cond_destroy(&one->wake);
    free(one->url);
    free(one);
}

static void monotonic_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static struct member *member_new(struct nv_alertmanagers *all,
                                 const struct nv_config_alertmanager *config, const char *url)
{
    struct member *one = calloc(1, sizeof(*one));

    if (!one)
        return NULL;
    monotonic_cond(&one->wake);
    one->all = all;
    one->config = config;
    one->url = strdup(url);
    one->am = nv_alertmanager_new(&(struct nv_alertmanager_io){.post = post, .user = one});
    one->http = nv_http_client_new(&config->http, config->timeout_ms);
    if (!one->url || !one->am || !one->http) {
        member_free(one);
        return NULL;
    }
    return one;
}

/* ---- the set, with the lock ----------------------------------------------------------------- */

static struct member *find(struct nv_alertmanagers *all, const char *url)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->members[i]->url, url) == 0)
            return all->members[i];
    }
    return NULL;
}

static void start_member(struct member *one)
{
    one->stopping = false;
    one->running = pthread_create(&one->thread, NULL, send_all, one) == 0;
    if (one->running) {
        pthread_setname_np(one->thread, "nv-alerts");
        return;
    }
    one->thread = 0;
    nv_log_write(NV_ERROR, __FILE__, __LINE__, "alertmanager", one->url,
                 "no thread to send alerts");
}

/* Gives the lock up for the while. */
static void stop_members(struct nv_alertmanagers *all, struct member **members, size_t n)
{
    bool had[NV_ALERTMANAGERS_MAX];

    for (size_t i = 0; i < n; i++) {
        had[i] = members[i]->thread != 0;
        members[i]->stopping = true;
        nv_http_cancel(members[i]->http);
        pthread_cond_signal(&members[i]->wake);
    }
    pthread_mutex_unlock(&all->lock);
    for (size_t i = 0; i < n; i++) {
        if (had[i])
            pthread_join(members[i]->thread, NULL);
        members[i]->thread = 0;
    }
    pthread_mutex_lock(&all->lock);
}

static void forget_dropped(struct nv_alertmanagers *all)
{
    while (all->n_dropped > 0)
        free(all->dropped[--all->n_dropped]);
}

/* What was found becomes members: new ones, with the queues of those they follow. All or nothing. */
static int make_members(struct nv_alertmanagers *all, const struct nv_discovered *found,
                        struct member *ret[NV_ALERTMANAGERS_MAX])
{
    _Static_assert((int)NV_DISCOVERED_MAX == (int)NV_ALERTMANAGERS_MAX,
                   "each found one has its place");

    for (size_t i = 0; i < found->n; i++) {
        ret[i] = member_new(all, found->group[i], found->url[i].p);
        if (!ret[i]) {
            while (i-- > 0)
                member_free(ret[i]);
            return -ENOMEM;
        }
    }
    return 0;
}

static void follow(struct member *one, struct member *before)
{
    struct nv_alertmanager *queue = before->am;

    before->am = one->am;
    one->am = queue;
    nv_alertmanager_set_io(queue, &(struct nv_alertmanager_io){.post = post, .user = one});
    one->complaint = before->complaint;
}

static void replace_members(struct nv_alertmanagers *all, struct member *const *members, size_t n)
{
    struct member *old[NV_ALERTMANAGERS_MAX];
    size_t n_old = all->n;

    memcpy(old, all->members, sizeof(old));
    stop_members(all, old, n_old);
    for (size_t i = 0; i < n; i++) {
        struct member *before = find(all, members[i]->url);
        if (before)
            follow(members[i], before);
    }
    all->n = n;
    if (n)
        memcpy(all->members, members, n * sizeof(*members));
    for (size_t i = 0; i < n; i++)
        start_member(all->members[i]);
    for (size_t i = 0; i < n_old; i++)
        member_free(old[i]);
}

/* ---- finding them --------------------------------------------------------------------------- */

static int find_all(const struct nv_config *config, struct nv_file_sd *const *sds,
                    struct nv_arena *memory, struct nv_discovered *found)
{
    size_t at = 0;
    int r = 0;

    *found = (struct nv_discovered){0};
    for (size_t i = 0; i < config->alerting.n_alertmanagers && r == 0; i++) {
        const struct nv_config_alertmanager *group = &config->alerting.alertmanagers[i];
        r = nv_discover(group, &group->targets.groups, memory, found);
        for (size_t k = 0; k < group->targets.n_file_sds && r == 0; k++) {
            struct nv_target_groups groups = nv_file_sd_groups(sds[at++]);
            r = nv_discover(group, &groups, memory, found);
        }
    }
    return r;
}

static int settle_found(struct nv_alertmanagers *all, const struct nv_discovered *found)
{
    struct member *members[NV_ALERTMANAGERS_MAX];
    int r = make_members(all, found, members);

    if (r < 0)
        return r;
    replace_members(all, members, found->n);
    forget_dropped(all);
    for (size_t i = 0; i < found->n_dropped; i++) {
        all->dropped[all->n_dropped] = strdup(found->dropped[i].p);
        all->n_dropped += all->dropped[all->n_dropped] != NULL;
    }
    if (found->n_left_out)
        nv_log_warn("alerting: %zu Alertmanagers are left out, more than %d are not told",
                    found->n_left_out, NV_ALERTMANAGERS_MAX);
    return 0;
}

static int rediscover(struct nv_alertmanagers *all, const struct nv_config *config,
                      struct nv_file_sd *const *sds)
{
    struct nv_arena memory = NV_ARENA(64 << 20);
    struct nv_discovered found;

    int r = find_all(config, sds, &memory, &found);
    if (r == 0)
        r = settle_found(all, &found);
    nv_arena_done(&memory);
    return r;
}

/* Whether any file says something else than before. */
static bool read_files(struct nv_file_sd *const *sds, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        char error[NV_YAML_ERROR_MAX] = "";
        bool changed = false;
        if (nv_file_sd_refresh(sds[i], &changed, error) < 0)
            nv_log_error("alerting: %s", error);
        any |= changed;
    }
    return any;
}

static int64_t refresh_ns(const struct nv_config *config)
{
    int64_t least_ms = INT64_MAX / 2000000;

    for (size_t i = 0; i < config->alerting.n_alertmanagers; i++) {
        const struct nv_config_targets *targets = &config->alerting.alertmanagers[i].targets;
        for (size_t k = 0; k < targets->n_file_sds; k++) {
            if (targets->file_sds[k].refresh_interval_ms < least_ms)
                least_ms = targets->file_sds[k].refresh_interval_ms;
        }
    }
    return (least_ms < 1000 ? 1000 : least_ms) * 1000000;
}

static void *look_at_files(void *arg)
{
    struct nv_alertmanagers *all = arg;
    int64_t every_ns = refresh_ns(all->config), next_ns = nv_monotonic_ns() + every_ns;

    pthread_mutex_lock(&all->lock);
    while (!all->leaving) {
        int64_t wait_ns = next_ns - nv_monotonic_ns();
        if (wait_ns > 0) {
            wait_for(&all->look, &all->lock, wait_ns);
            continue;
        }
        next_ns = nv_monotonic_ns() + every_ns;
        pthread_mutex_unlock(&all->lock); /* a file may hang; the thread alone reads them */
        bool changed = read_files(all->sds, all->n_sds);
        pthread_mutex_lock(&all->lock);
        if (changed && !all->leaving) {
            int r = rediscover(all, all->config, all->sds);
            if (r < 0)
                nv_log_err(r, "alerting: cannot take over changed targets");
        }
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* With the lock, which it gives up for the while. */
static void stop_looking(struct nv_alertmanagers *all)
{
    if (!all->looking)
        return;
    all->leaving = true;
    pthread_cond_broadcast(&all->look);
    pthread_mutex_unlock(&all->lock);
    pthread_join(all->looker, NULL);
    pthread_mutex_lock(&all->lock);
    all->looking = all->leaving = false;
}

static void free_sds(struct nv_file_sd **sds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nv_file_sd_free(sds[i]);
    free(sds);
}

static int make_sds(const struct nv_config *config, struct nv_file_sd ***ret, size_t *ret_n)
{
    size_t n = 0, at = 0;

    for (size_t i = 0; i < config->alerting.n_alertmanagers; i++)
        n += config->alerting.alertmanagers[i].targets.n_file_sds;
    struct nv_file_sd **sds = calloc(n + 1, sizeof(*sds));
    if (!sds)
        return -ENOMEM;
    for (size_t i = 0; i < config->alerting.n_alertmanagers; i++) {
        const struct nv_config_targets *targets = &config->alerting.alertmanagers[i].targets;
        for (size_t k = 0; k < targets->n_file_sds; k++) {
            sds[at] = nv_file_sd_new(targets->file_sds[k].files.at);
            if (!sds[at++]) {
                free_sds(sds, n);
                return -ENOMEM;
            }
        }
    }
    *ret = sds;
    *ret_n = n;
    return 0;
}

/* ---- what the agent calls ------------------------------------------------------------------- */

struct nv_alertmanagers *nv_alertmanagers_new(void)
{
    struct nv_alertmanagers *all = calloc(1, sizeof(*all));

    if (!all)
        return NULL;
    pthread_mutex_init(&all->lock, NULL);
    monotonic_cond(&all->look);
    return all;
}

int nv_alertmanagers_apply(struct nv_alertmanagers *all, struct nv_config *config)
{
    struct nv_file_sd **sds = NULL;
    size_t n_sds = 0;

    int r = make_sds(config, &sds, &n_sds);
    if (r < 0)
        return r;
    (void)read_files(sds, n_sds);
    pthread_mutex_lock(&all->lock);
    stop_looking(all);
    r = rediscover(all, config, sds);
    if (r == 0) {
        struct nv_file_sd **old = all->sds;
        size_t n_old = all->n_sds;
        nv_config_unref(all->config);
        all->config = nv_config_ref(config);
        all->sds = sds;
        all->n_sds = n_sds;
        sds = old;
        n_sds = n_old;
    }
    all->looking = all->n_sds > 0 && pthread_create(&all->looker, NULL, look_at_files, all) == 0;
    pthread_mutex_unlock(&all->lock);
    free_sds(sds, n_sds);
    return r;
}

static bool any_runs(const struct nv_alertmanagers *all)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->members[i]->running)
            return true;
    }
    return false;
}

void nv_alertmanagers_stop(struct nv_alertmanagers *all)
{
    int64_t until_ns = nv_monotonic_ns() + INT64_C(1000000) * NV_ALERTMANAGERS_DRAIN_MS;

    pthread_mutex_lock(&all->lock);
    stop_looking(all);
    all->draining = true;
    for (size_t i = 0; i < all->n; i++)
        pthread_cond_signal(&all->members[i]->wake);
    for (int64_t left_ns; any_runs(all) && (left_ns = until_ns - nv_monotonic_ns()) > 0;)
        wait_for(&all->look, &all->lock, left_ns);
    stop_members(all, all->members, all->n);
    pthread_mutex_unlock(&all->lock);
}

void nv_alertmanagers_free(struct nv_alertmanagers *all)
{
    if (!all)
        return;
    nv_alertmanagers_stop(all);
    for (size_t i = 0; i < all->n; i++)
        member_free(all->members[i]);
    forget_dropped(all);
    free_sds(all->sds, all->n_sds);
    nv_config_unref(all->config);
    pthread_cond_destroy(&all->look);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

static void add_to(struct member *one, struct nv_alert *alert)
{
    NV_AUTO(nv_alert) *changed = NULL;

    if (nv_alert_relabel(alert, NULL, 0, &one->config->alert_relabel, &changed) == 0 &&
        nv_alertmanager_add(one->am, changed))
        pthread_cond_signal(&one->wake);
}

void nv_alertmanagers_send(struct nv_alertmanagers *all, struct nv_alert *const *alerts, size_t n)
{
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n; i++) {
        for (size_t k = 0; k < n; k++)
            add_to(all->members[i], alerts[k]);
    }
    pthread_mutex_unlock(&all->lock);
}

/* ---- what is going on ----------------------------------------------------------------------- */

/* Without what stands between "://" and '@'. */
static void show_url(char out[NV_ALERTMANAGERS_URL_MAX], const char *url)
{
    const char *host = strstr(url, "://"), *at;

    host = host ? host + 3 : url;
    at = memchr(host, '@', strcspn(host, "/"));
    snprintf(out, NV_ALERTMANAGERS_URL_MAX, "%.*s%s", (int)(host - url), url, at ? at + 1 : host);
}

int nv_alertmanagers_view(struct nv_alertmanagers *all, struct nv_alertmanagers_view *ret)
{
    pthread_mutex_lock(&all->lock);
    *ret = (struct nv_alertmanagers_view){.active = calloc(all->n + 1, sizeof(*ret->active)),
                                          .dropped =
                                              calloc(all->n_dropped + 1, sizeof(*ret->dropped))};
    int r = ret->active && ret->dropped ? 0 : -ENOMEM;
    for (size_t i = 0; i < all->n && r == 0; i++) {
        struct nv_alertmanager_view *one = &ret->active[ret->n_active++];
        show_url(one->url, all->members[i]->url);
        nv_alertmanager_stats(all->members[i]->am, &one->stats);
    }
    for (size_t i = 0; i < all->n_dropped && r == 0; i++)
        show_url(ret->dropped[ret->n_dropped++], all->dropped[i]);
    pthread_mutex_unlock(&all->lock);
    if (r < 0)
        nv_alertmanagers_view_done(ret);
    return r;
}

void nv_alertmanagers_view_done(struct nv_alertmanagers_view *view)
{
    free(view->active);
    free(view->dropped);
    *view = (struct nv_alertmanagers_view){0};
}

void nv_alertmanagers_each_waiting(struct nv_alertmanagers *all,
                                   void (*tell)(void *user, const char *url,
                                                struct nv_alert *alert),
                                   void *user)
{
    struct nv_alert **waiting = malloc(NV_ALERTMANAGER_QUEUE * sizeof(struct nv_alert *));

    if (!waiting)
        return;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n; i++) {
        size_t n = nv_alertmanager_waiting(all->members[i]->am, waiting, NV_ALERTMANAGER_QUEUE);
        for (size_t k = 0; k < n; k++) {
            tell(user, all->members[i]->url, waiting[k]);
            nv_alert_unref(waiting[k]);
        }
    }
    pthread_mutex_unlock(&all->lock);
    free(waiting);
}

bool nv_alertmanagers_put_back(struct nv_alertmanagers *all, const char *url,
                               struct nv_alert *alert)
{
    pthread_mutex_lock(&all->lock);
    struct member *one = find(all, url);
    if (one && nv_alertmanager_add(one->am, alert))
        pthread_cond_signal(&one->wake);
    pthread_mutex_unlock(&all->lock);
    return one;
}
