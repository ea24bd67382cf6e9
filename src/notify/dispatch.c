#include "notify/dispatch.h"

#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/index.h"
#include "notify/dispatch_parts.h"

/* ---- what a way was told -------------------------------------------------------------------- */

void nv_tale_done(struct nv_tale *tale)
{
    free(tale->firing);
    *tale = (struct nv_tale){0};
}

int nv_tale_set(struct nv_tale *tale, int64_t at_ms, const uint64_t *firing, size_t n_firing,
                const uint64_t *resolved, size_t n_resolved)
{
    uint64_t *both = malloc((n_firing + n_resolved + 1) * sizeof(*both));

    if (!both)
        return -ENOMEM;
    if (n_firing)
        memcpy(both, firing, n_firing * sizeof(*both));
    if (n_resolved)
        memcpy(both + n_firing, resolved, n_resolved * sizeof(*both));
    nv_tale_done(tale);
    *tale = (struct nv_tale){at_ms, both, both + n_firing, n_firing, n_resolved};
    return 0;
}

/* ---- entries -------------------------------------------------------------------------------- */

static struct nv_entry **bucket_of(struct nv_dispatch *dispatch, const struct nv_alert *alert)
{
    return &dispatch->buckets[alert->fingerprint % NV_DISPATCH_BUCKETS];
}

static struct nv_entry *find(struct nv_dispatch *dispatch, const struct nv_alert *alert)
{
    struct nv_entry *entry = *bucket_of(dispatch, alert);

    while (entry && !nv_alert_same_labels(entry->alert, alert))
        entry = entry->same;
    return entry;
}

void nv_entry_remove(struct nv_dispatch *dispatch, struct nv_entry *entry)
{
    struct nv_entry **at = bucket_of(dispatch, entry->alert);

    while (*at != entry)
        at = &(*at)->same;
    *at = entry->same;
    nv_alert_unref(entry->alert);
    free(entry);
    dispatch->stats.alerts--;
    dispatch->changes++;
}

struct nv_alert **nv_dispatch_alerts(const struct nv_dispatch *dispatch, size_t *ret_n)
{
    struct nv_alert **all = malloc((dispatch->stats.alerts + 1) * sizeof(struct nv_alert *));
    size_t n = 0;

    for (size_t i = 0; all && i < NV_DISPATCH_BUCKETS; i++) {
        for (struct nv_entry *entry = dispatch->buckets[i]; entry; entry = entry->same)
            all[n++] = nv_alert_ref(entry->alert);
    }
    *ret_n = n;
    return all;
}

/* ---- groups --------------------------------------------------------------------------------- */

void nv_group_remove(struct nv_dispatch *dispatch, struct nv_group *group, size_t i)
{
    struct nv_entry *entry = group->entries[i];

    group->entries[i] = group->entries[--group->n];
    if (--entry->n_groups == 0)
        nv_entry_remove(dispatch, entry);
}

static void free_shell(struct nv_group *group)
{
    for (unsigned i = 0; i < group->n_tales; i++)
        nv_tale_done(&group->tales[i]);
    free(group->tales);
    free(group->entries);
    free(group->labels);
    nv_alert_unref(group->first);
    free(group->key);
    free(group);
}

void nv_group_free(struct nv_dispatch *dispatch, struct nv_group *group)
{
    while (group->n > 0)
        nv_group_remove(dispatch, group, group->n - 1);
    free_shell(group);
}

/* Names a route by its matchers and those above it, so that a file that is put in order renames nothing. */
static uint64_t route_hash(const struct nv_notify_route *at, const struct nv_notify_route *wanted,
                           uint64_t hash, bool *found)
{
    for (size_t i = 0; i < at->matchers.n; i++) {
        const struct nv_matcher *matcher = &at->matchers.at[i];
        hash = nv_hash(matcher->name.p, matcher->name.n, hash + 1 + (uint64_t)matcher->op);
        hash = nv_hash(matcher->value.p, matcher->value.n, hash + 1);
    }
    *found = at == wanted;
    for (size_t i = 0; i < at->group_by.n && *found; i++)
        hash = nv_hash(at->group_by.at[i], strlen(at->group_by.at[i]), hash + 1);
    for (size_t i = 0; i < at->n_routes && !*found; i++) {
        uint64_t below = route_hash(&at->routes[i], wanted, hash, found);
        if (*found)
            return below;
    }
    return hash;
}

static bool is_grouped_by(const struct nv_notify_route *route, struct nv_str name)
{
    if (route->group_by_all)
        return true;
    for (size_t i = 0; i < route->group_by.n; i++) {
        if (nv_str_is(name, route->group_by.at[i]))
            return true;
    }
    return false;
}

static struct nv_label *group_labels(const struct nv_notify_route *route,
                                     const struct nv_alert *alert, size_t *ret_n)
{
    struct nv_label *labels = malloc((alert->n_labels + 1) * sizeof(*labels));

    *ret_n = 0;
    for (size_t i = 0; labels && i < alert->n_labels; i++) {
        if (is_grouped_by(route, alert->labels[i].name))
            labels[(*ret_n)++] = alert->labels[i];
    }
    return labels;
}

static int write_key(struct nv_buf *out, const struct nv_notify_config *config,
                     const struct nv_notify_route *route, const struct nv_label *labels, size_t n)
{
    bool found = false;

    nv_buf_printf(out,
                  "%016llx/%s:", (unsigned long long)route_hash(config->route, route, 0, &found),
                  route->receiver->name);
    nv_alert_write_labels(out, labels, n);
    return out->failed;
}

/* The other parts of a group, by what stands in it. */
static struct nv_group *group_new(const struct nv_notify_route *route, struct nv_alert *alert,
                                  struct nv_label *labels, size_t n_labels, const char *key,
                                  int64_t now_ms)
{
    struct nv_group *group = calloc(1, sizeof(*group));

    if (!group) {
        free(labels);
        return NULL;
    }
    group->labels = labels;
    group->n_labels = n_labels;
    group->first = nv_alert_ref(alert);
    group->route = route;
    group->key = strdup(key);
    group->n_tales = nv_receiver_ways(route->receiver);
    group->tales = calloc(group->n_tales + 1, sizeof(*group->tales));
    if (!group->key || !group->tales) {
        group->n_tales = group->tales ? group->n_tales : 0;
        free_shell(group);
        return NULL;
    }
    group->hash = nv_hash(key, strlen(key), 0);
    /* One that fires for long already, as after a restart, has waited enough. */
    group->next_ms =
        alert->starts_ms + route->group_wait_ms < now_ms ? now_ms : now_ms + route->group_wait_ms;
    return group;
}

/* What was told of a group before it came. */
static void adopt_recalled(struct nv_dispatch *dispatch, struct nv_group *group)
{
    for (size_t i = dispatch->n_recalled; i-- > 0;) {
        struct nv_recalled *one = &dispatch->recalled[i];
        if (one->way >= group->n_tales || strcmp(one->key, group->key) != 0)
            continue;
        nv_tale_done(&group->tales[one->way]);
        group->tales[one->way] = one->tale;
        free(one->key);
        *one = dispatch->recalled[--dispatch->n_recalled];
    }
}

struct groups {
    struct nv_group **at;
    size_t n, room;
};

static struct nv_group *find_group(const struct groups *groups, const char *key)
{
    uint64_t hash = nv_hash(key, strlen(key), 0);

    for (size_t i = 0; i < groups->n; i++) {
        if (groups->at[i]->hash == hash && strcmp(groups->at[i]->key, key) == 0)
            return groups->at[i];
    }
    return NULL;
}

static int push_group(struct groups *groups, struct nv_group *group)
{
    if (groups->n == groups->room) {
        size_t room = groups->room ? 2 * groups->room : 8;
        struct nv_group **at = realloc(groups->at, room * sizeof(struct nv_group *));
        if (!at)
            return -ENOMEM;
        groups->at = at;
        groups->room = room;
    }
    groups->at[groups->n++] = group;
    return 0;
}

static int join_group(struct nv_group *group, struct nv_entry *entry)
{
    if (group->n == group->room) {
        size_t room = group->room ? 2 * group->room : 4;
        struct nv_entry **entries = realloc(group->entries, room * sizeof(struct nv_entry *));
        if (!entries)
            return -ENOMEM;
        group->entries = entries;
        group->room = room;
    }
    group->entries[group->n++] = entry;
    return 0;
}

/* The group of an alert on a route, made where there is none. */
static int group_of(const struct nv_notify_config *config, const struct nv_notify_route *route,
                    struct nv_alert *alert, struct groups *groups, int64_t now_ms,
                    struct nv_group **ret, bool *ret_new)
{
    NV_AUTO_BUF key = NV_BUF(NV_ALERT_BYTES_MAX * 8);
    size_t n;
    struct nv_label *labels = group_labels(route, alert, &n);

    int r = labels ? write_key(&key, config, route, labels, n) : -ENOMEM;
    struct nv_group *group = r == 0 ? find_group(groups, nv_buf_c_string(&key)) : NULL;
    *ret_new = !group;
    if (r < 0 || group) {
        free(labels);
        *ret = group;
        return r;
    }
    group = group_new(route, alert, labels, n, nv_buf_c_string(&key), now_ms);
    r = group ? push_group(groups, group) : -ENOMEM;
    if (r < 0 && group)
        free_shell(group);
    *ret = r == 0 ? group : NULL;
    return r;
}

/* Puts an entry into its groups. */
static int place(struct nv_dispatch *dispatch, const struct nv_notify_config *config,
                 struct nv_entry *entry, struct groups *groups, unsigned *ret_n)
{
    const struct nv_notify_route *routes[NV_DISPATCH_ROUTES_MAX];
    size_t n = nv_dispatch_route(config, entry->alert, routes);
    int r = 0;

    *ret_n = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct nv_group *group;
        bool is_new;
        r = group_of(config, routes[i], entry->alert, groups, nv_dispatch_now(dispatch), &group,
                     &is_new);
        if (r == 0 && is_new)
            adopt_recalled(dispatch, group);
        /* Two routes that say the same have the same group. */
        if (r < 0 || (group->n > 0 && group->entries[group->n - 1] == entry))
            continue;
        r = join_group(group, entry);
        *ret_n += r == 0;
    }
    return r;
}

/* ---- what comes ----------------------------------------------------------------------------- */

/* Where nobody is to be told, alerts are kept as long as they fire: to be looked at. */
static void drop_ungrouped(struct nv_dispatch *dispatch, int64_t now_ms)
{
    for (size_t i = 0; i < NV_DISPATCH_BUCKETS; i++) {
        for (struct nv_entry *entry = dispatch->buckets[i], *next; entry; entry = next) {
            next = entry->same;
            if (entry->n_groups == 0 && !nv_alert_fires(entry->alert, now_ms))
                nv_entry_remove(dispatch, entry);
        }
    }
}

/* Without a route nobody takes turns, so who brings an alert makes room for it: now and then, and at the bound. */
static bool has_room(struct nv_dispatch *dispatch)
{
    int64_t now_ms = nv_dispatch_now(dispatch);

    if (!dispatch->config->notify.route &&
        (dispatch->stats.alerts >= NV_DISPATCH_ALERTS_MAX ||
         now_ms >= dispatch->swept_ms + NV_DISPATCH_IDLE_MS || now_ms < dispatch->swept_ms)) {
        drop_ungrouped(dispatch, now_ms);
        dispatch->swept_ms = now_ms;
    }
    return dispatch->stats.alerts < NV_DISPATCH_ALERTS_MAX;
}

static void put_new(struct nv_dispatch *dispatch, struct nv_alert *alert)
{
    struct groups groups = {dispatch->groups, dispatch->n_groups, dispatch->room};
    struct nv_entry **bucket = bucket_of(dispatch, alert), *entry = calloc(1, sizeof(*entry));

    if (!entry) {
        dispatch->stats.refused++;
        return;
    }
    entry->alert = nv_alert_ref(alert);
    entry->same = *bucket;
    *bucket = entry;
    dispatch->stats.alerts++;
    if (place(dispatch, &dispatch->config->notify, entry, &groups, &entry->n_groups) < 0)
        dispatch->stats.refused++;
    dispatch->groups = groups.at;
    dispatch->n_groups = groups.n;
    dispatch->room = groups.room;
    if (entry->n_groups == 0 && dispatch->config->notify.route)
        nv_entry_remove(dispatch, entry);
}

static void put(struct nv_dispatch *dispatch, struct nv_alert *alert, bool even_if_over)
{
    pthread_mutex_lock(&dispatch->lock);
    struct nv_entry *entry = find(dispatch, alert);
    bool changed = true;

    if (entry) {
        /* The same word again (its end moves on) need not be kept at once. */
        changed = entry->alert->resolved != alert->resolved ||
                  entry->alert->starts_ms != alert->starts_ms;
        struct nv_alert *old = entry->alert;
        entry->alert = nv_alert_ref(alert);
        nv_alert_unref(old);
        if (entry->n_groups == 0 && !nv_alert_fires(alert, nv_dispatch_now(dispatch)))
            nv_entry_remove(dispatch, entry);
    } else if (!dispatch->config ||
               (!even_if_over && !nv_alert_fires(alert, nv_dispatch_now(dispatch)))) {
        changed = false; /* what is over and was never told need not be */
    } else if (!has_room(dispatch)) {
        dispatch->stats.refused++;
        changed = false;
    } else {
        put_new(dispatch, alert);
    }
    dispatch->changes += changed;
    pthread_mutex_unlock(&dispatch->lock);
}

void nv_dispatch_put(struct nv_dispatch *dispatch, struct nv_alert *alert)
{
    put(dispatch, alert, false);
}

void nv_dispatch_put_back(struct nv_dispatch *dispatch, struct nv_alert *alert)
{
    put(dispatch, alert, true);
}

/* ---- another configuration ------------------------------------------------------------------ */

/* What was told goes on; how it goes on is known at the end of a flush only. */
static void inherit(struct nv_group *group, const struct nv_group *old, int64_t now_ms)
{
    if (old->busy)
        group->next_ms = now_ms + group->route->group_interval_ms;
    else if (old->next_ms < group->next_ms)
        group->next_ms = old->next_ms;
    for (unsigned i = 0; i < group->n_tales && i < old->n_tales; i++) {
        const struct nv_tale *tale = &old->tales[i];
        if (tale->at_ms) /* without memory it is told twice */
            (void)!nv_tale_set(&group->tales[i], tale->at_ms, tale->firing, tale->n_firing,
                               tale->resolved, tale->n_resolved);
    }
}

void nv_group_bequeath(struct nv_dispatch *dispatch, struct nv_group *orphan)
{
    struct groups groups = {dispatch->groups, dispatch->n_groups, dispatch->room};
    struct nv_group *heir = find_group(&groups, orphan->key);

    if (heir) {
        inherit(heir, orphan, nv_dispatch_now(dispatch));
        heir->next_ms = orphan->next_ms;
    }
    free_shell(orphan);
}

static void leave_groups(struct nv_group **groups, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        groups[i]->n = 0;
        groups[i]->orphan = groups[i]->busy;
        if (!groups[i]->busy)
            free_shell(groups[i]);
    }
    free(groups);
}

static void free_groups(struct nv_group **groups, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free_shell(groups[i]);
    free(groups);
}

static int regroup(struct nv_dispatch *dispatch, const struct nv_notify_config *config)
{
    struct groups groups = {0}, old = {dispatch->groups, dispatch->n_groups, dispatch->room};
    unsigned n;

    for (size_t i = 0; i < NV_DISPATCH_BUCKETS; i++) {
        for (struct nv_entry *entry = dispatch->buckets[i]; entry; entry = entry->same) {
            int r = place(dispatch, config, entry, &groups, &n);
            if (r < 0) {
                free_groups(groups.at, groups.n);
                return r;
            }
        }
    }
    for (size_t i = 0; i < groups.n; i++) {
        struct nv_group *before = find_group(&old, groups.at[i]->key);
        if (before)
            inherit(groups.at[i], before, nv_dispatch_now(dispatch));
    }
    for (size_t i = 0; i < NV_DISPATCH_BUCKETS; i++) {
        for (struct nv_entry *entry = dispatch->buckets[i]; entry; entry = entry->same)
            entry->n_groups = 0;
    }
    for (size_t i = 0; i < groups.n; i++) {
        for (size_t k = 0; k < groups.at[i]->n; k++)
            groups.at[i]->entries[k]->n_groups++;
    }
    leave_groups(old.at, old.n);
    dispatch->groups = groups.at;
    dispatch->n_groups = groups.n;
    dispatch->room = groups.room;
    return 0;
}

int nv_dispatch_apply(struct nv_dispatch *dispatch, struct nv_config *config)
{
    pthread_mutex_lock(&dispatch->lock);
    int r = regroup(dispatch, &config->notify);
    if (r == 0) {
        nv_config_unref(dispatch->config);
        dispatch->config = nv_config_ref(config);
        dispatch->changes++;
    }
    pthread_mutex_unlock(&dispatch->lock);
    return r;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static int64_t real_wall_ms(void *user)
{
    (void)user;
    return nv_wall_ms();
}

struct nv_dispatch *nv_dispatch_new(const struct nv_dispatch_options *options)
{
    struct nv_dispatch *dispatch = calloc(1, sizeof(*dispatch));

    if (!dispatch)
        return NULL;
    dispatch->options = *options;
    if (!options->wall_ms)
        dispatch->options.wall_ms = real_wall_ms;
    pthread_mutex_init(&dispatch->lock, NULL);
    return dispatch;
}

void nv_dispatch_free(struct nv_dispatch *dispatch)
{
    if (!dispatch)
        return;
    free_groups(dispatch->groups, dispatch->n_groups);
    for (size_t i = 0; i < NV_DISPATCH_BUCKETS; i++) {
        while (dispatch->buckets[i])
            nv_entry_remove(dispatch, dispatch->buckets[i]);
    }
    for (size_t i = 0; i < dispatch->n_recalled; i++) {
        nv_tale_done(&dispatch->recalled[i].tale);
        free(dispatch->recalled[i].key);
    }
    free(dispatch->recalled);
    nv_config_unref(dispatch->config);
    pthread_mutex_destroy(&dispatch->lock);
    free(dispatch);
}

void nv_dispatch_stats(struct nv_dispatch *dispatch, struct nv_dispatch_stats *ret)
{
    pthread_mutex_lock(&dispatch->lock);
    *ret = dispatch->stats;
    ret->groups = dispatch->n_groups;
    pthread_mutex_unlock(&dispatch->lock);
}
