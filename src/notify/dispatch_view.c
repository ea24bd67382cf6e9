#include <errno.h>

#include "notify/dispatch_parts.h"
#include "notify/inhibit.h"

/* ---- what is going on ----------------------------------------------------------------------- */

static size_t receivers_of(const struct nv_notify_config *config, const struct nv_alert *alert,
                           const struct nv_notify_receiver *ret[NV_DISPATCH_ROUTES_MAX])
{
    const struct nv_notify_route *routes[NV_DISPATCH_ROUTES_MAX];
    size_t n_routes = nv_dispatch_route(config, alert, routes), n = 0;

    for (size_t i = 0; i < n_routes; i++) {
        bool known = false;
        for (size_t k = 0; k < n && !known; k++)
            known = ret[k] == routes[i]->receiver;
        if (!known)
            ret[n++] = routes[i]->receiver;
    }
    return n;
}

/* A picture of all alerts and the configuration; what is told of them is told without the lock. */
void nv_dispatch_each(struct nv_dispatch *dispatch,
                      void (*tell)(void *user, const struct nv_dispatch_alert *alert), void *user)
{
    size_t n;

    pthread_mutex_lock(&dispatch->lock);
    struct nv_alert **all = nv_dispatch_alerts(dispatch, &n);
    NV_AUTO(nv_config) *config = dispatch->config ? nv_config_ref(dispatch->config) : NULL;
    pthread_mutex_unlock(&dispatch->lock);

    int64_t now_ms = nv_dispatch_now(dispatch);
    if (all)
        nv_alerts_sort(all, n);
    for (size_t i = 0; all && config && i < n; i++) {
        const struct nv_notify_receiver *receivers[NV_DISPATCH_ROUTES_MAX];
        char ids[NV_DISPATCH_MUTES_MAX][NV_SILENCE_ID_MAX];
        struct nv_dispatch_alert one = {
            .alert = all[i], .receivers = receivers, .silenced_by = ids};
        if (!nv_alert_fires(all[i], now_ms))
            continue;
        one.n_receivers = receivers_of(&config->notify, all[i], receivers);
        if (dispatch->options.silences)
            one.n_silenced_by = nv_silences_of(dispatch->options.silences, all[i], now_ms, ids,
                                               NV_DISPATCH_MUTES_MAX);
        if (one.n_silenced_by > NV_DISPATCH_MUTES_MAX)
            one.n_silenced_by = NV_DISPATCH_MUTES_MAX;
        one.inhibited_by = nv_inhibited_by(&config->notify, all[i], all, n, now_ms);
        tell(user, &one);
    }
    for (size_t i = 0; all && i < n; i++)
        nv_alert_unref(all[i]);
    free(all);
}

/* ---- over a restart ------------------------------------------------------------------------- */

uint64_t nv_dispatch_changes(struct nv_dispatch *dispatch)
{
    pthread_mutex_lock(&dispatch->lock);
    uint64_t changes = dispatch->changes;
    pthread_mutex_unlock(&dispatch->lock);
    return changes;
}

void nv_dispatch_each_alert(struct nv_dispatch *dispatch,
                            void (*tell)(void *user, const struct nv_alert *alert), void *user)
{
    pthread_mutex_lock(&dispatch->lock);
    for (size_t i = 0; i < NV_DISPATCH_BUCKETS; i++) {
        for (const struct nv_entry *entry = dispatch->buckets[i]; entry; entry = entry->same)
            tell(user, entry->alert);
    }
    pthread_mutex_unlock(&dispatch->lock);
}

static void tell_tale(const char *key, unsigned way, const struct nv_tale *tale,
                      void (*tell)(void *user, const struct nv_told *told), void *user)
{
    if (tale->at_ms)
        tell(user, &(struct nv_told){key, way, tale->at_ms, tale->firing, tale->resolved,
                                     tale->n_firing, tale->n_resolved});
}

void nv_dispatch_each_told(struct nv_dispatch *dispatch,
                           void (*tell)(void *user, const struct nv_told *told), void *user)
{
    pthread_mutex_lock(&dispatch->lock);
    for (size_t i = 0; i < dispatch->n_groups; i++) {
        for (unsigned k = 0; k < dispatch->groups[i]->n_tales; k++)
            tell_tale(dispatch->groups[i]->key, k, &dispatch->groups[i]->tales[k], tell, user);
    }
    for (size_t i = 0; i < dispatch->n_recalled; i++)
        tell_tale(dispatch->recalled[i].key, dispatch->recalled[i].way, &dispatch->recalled[i].tale,
                  tell, user);
    pthread_mutex_unlock(&dispatch->lock);
}

static int make_room(struct nv_dispatch *dispatch)
{
    if (dispatch->n_recalled < dispatch->recalled_room)
        return 0;
    size_t room = dispatch->recalled_room ? 2 * dispatch->recalled_room : 16;
    if (dispatch->n_recalled >= NV_DISPATCH_RECALLED_MAX)
        return -ENOMEM;
    struct nv_recalled *recalled = realloc(dispatch->recalled, room * sizeof(*recalled));
    if (!recalled)
        return -ENOMEM;
    dispatch->recalled = recalled;
    dispatch->recalled_room = room;
    return 0;
}

int nv_dispatch_recall(struct nv_dispatch *dispatch, const struct nv_told *told)
{
    if (told->at_ms < nv_dispatch_now(dispatch) - NV_DISPATCH_RECALL_MS)
        return 0;
    struct nv_recalled one = {.key = strdup(told->group_key), .way = told->way};

    int r = one.key ? nv_tale_set(&one.tale, told->at_ms, told->firing, told->n_firing,
                                  told->resolved, told->n_resolved)
                    : -ENOMEM;
    pthread_mutex_lock(&dispatch->lock);
    if (r == 0)
        r = make_room(dispatch);
    if (r == 0)
        dispatch->recalled[dispatch->n_recalled++] = one;
    pthread_mutex_unlock(&dispatch->lock);
    if (r < 0) {
        nv_tale_done(&one.tale);
        free(one.key);
    }
    return r;
}
