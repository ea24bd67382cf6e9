#include "notify/alertmanagers.h"

#include <errno.h>

#include "base/clock.h"
#include "notify/alertmanagers_parts.h"

/* ---- the set, with the lock ----------------------------------------------------------------- */

static struct nv_member *find(struct nv_alertmanagers *all, const char *url)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->members[i]->url, url) == 0)
            return all->members[i];
    }
    return NULL;
}

static void start_member(struct nv_member *one)
{
    one->stopping = false;
    one->running = pthread_create(&one->thread, NULL, nv_member_send_all, one) == 0;
    if (one->running) {
        pthread_setname_np(one->thread, "nv-alerts");
        return;
    }
    one->thread = 0;
    nv_log_write(NV_ERROR, __FILE__, __LINE__, "alertmanager", one->url,
                 "no thread to send alerts");
}

/* Gives the lock up for the while. */
static void stop_members(struct nv_alertmanagers *all, struct nv_member **members, size_t n)
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
                        struct nv_member *ret[NV_ALERTMANAGERS_MAX])
{
    _Static_assert((int)NV_DISCOVERED_MAX == (int)NV_ALERTMANAGERS_MAX,
                   "each found one has its place");

    for (size_t i = 0; i < found->n; i++) {
        ret[i] = nv_member_new(all, found->group[i], found->url[i].p);
        if (!ret[i]) {
            while (i-- > 0)
                nv_member_free(ret[i]);
            return -ENOMEM;
        }
    }
    return 0;
}

static void follow(struct nv_member *one, struct nv_member *before)
{
    struct nv_alertmanager *queue = before->am;

    before->am = one->am;
    one->am = queue;
    nv_alertmanager_set_io(queue,
                           &(struct nv_alertmanager_io){.post = nv_member_post, .user = one});
    one->complaint = before->complaint;
}

static void replace_members(struct nv_alertmanagers *all, struct nv_member *const *members,
                            size_t n)
{
    struct nv_member *old[NV_ALERTMANAGERS_MAX];
    size_t n_old = all->n;

    memcpy(old, all->members, sizeof(old));
    stop_members(all, old, n_old);
    for (size_t i = 0; i < n; i++) {
        struct nv_member *before = find(all, members[i]->url);
        if (before)
            follow(members[i], before);
    }
    all->n = n;
    if (n)
        memcpy(all->members, members, n * sizeof(*members));
    for (size_t i = 0; i < n; i++)
        start_member(all->members[i]);
    for (size_t i = 0; i < n_old; i++)
        nv_member_free(old[i]);
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
    struct nv_member *members[NV_ALERTMANAGERS_MAX];
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
            nv_cond_wait_until(&all->look, &all->lock, next_ns);
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
    nv_cond_init(&all->look);
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
        nv_cond_wait_until(&all->look, &all->lock, until_ns);
    stop_members(all, all->members, all->n);
    pthread_mutex_unlock(&all->lock);
}

void nv_alertmanagers_free(struct nv_alertmanagers *all)
{
    if (!all)
        return;
    nv_alertmanagers_stop(all);
    for (size_t i = 0; i < all->n; i++)
        nv_member_free(all->members[i]);
    forget_dropped(all);
    free_sds(all->sds, all->n_sds);
    nv_config_unref(all->config);
    pthread_cond_destroy(&all->look);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

static void add_to(struct nv_member *one, struct nv_alert *alert)
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

int nv_alertmanagers_each_waiting(struct nv_alertmanagers *all,
                                  void (*tell)(void *user, const char *url, struct nv_alert *alert),
                                  void *user)
{
    struct nv_alert **waiting = malloc(NV_ALERTMANAGER_QUEUE * sizeof(struct nv_alert *));

    if (!waiting)
        return -ENOMEM;
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
    return 0;
}

bool nv_alertmanagers_put_back(struct nv_alertmanagers *all, const char *url,
                               struct nv_alert *alert)
{
    pthread_mutex_lock(&all->lock);
    struct nv_member *one = find(all, url);
    if (one && nv_alertmanager_add(one->am, alert))
        pthread_cond_signal(&one->wake);
    pthread_mutex_unlock(&all->lock);
    return one;
}
