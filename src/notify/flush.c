#include <errno.h>

#include "base/assert.h"
#include "notify/dispatch_parts.h"
#include "notify/inhibit.h"

/*
 * A flush takes a picture of its group under the lock, tells the receiver's ways without it, and then notes under the lock
 * what was told. Meanwhile alerts may come and be resolved; nobody else touches the group.
 */

enum { RETRY_FIRST_MS = 1000, RETRY_MAX_MS = 60000 };

struct flush {
    struct nv_group *group;
    int64_t now_ms;
    struct nv_alert **
        alerts; /* of the group, counted; those that fire and are to be told first, then resolved ones */
    size_t n, n_firing;
    struct nv_alert *
        *seen; /* each entry's alert, counted, to see which is still the same afterwards */
    size_t n_seen;
    uint64_t *firing, *resolved; /* fingerprints, rising */
};

/* ---- the picture ---------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

static bool is_muted(struct nv_dispatch *dispatch, const struct nv_alert *alert,
                     struct nv_alert *const *all, size_t n_all, int64_t now_ms)
{
    struct nv_silences *silences = dispatch->options.silences;

    return (silences && nv_silences_of(silences, alert, now_ms, NULL, 0) > 0) ||
           nv_inhibited_by(&dispatch->config->notify, alert, all, n_all, now_ms);
}

static void write_fingerprints(struct nv_alert *const *alerts, size_t n, uint64_t *into)
{
    for (size_t i = 0; i < n; i++)
        into[i] = alerts[i]->fingerprint;
    if (n > 1)
        qsort(into, n, sizeof(*into), by_number);
}

/* Those to be told of: not muted, and firing or not according to `firing`. */
static void collect(struct nv_dispatch *dispatch, struct flush *flush, struct nv_alert *const *all,
                    size_t n_all, bool firing)
{
    size_t from = flush->n;

    for (size_t i = 0; i < flush->n_seen; i++) {
        struct nv_alert *alert = flush->seen[i];
        if (nv_alert_fires(alert, flush->now_ms) == firing &&
            !is_muted(dispatch, alert, all, n_all, flush->now_ms))
            flush->alerts[flush->n++] = nv_alert_ref(alert);
    }
    nv_alerts_sort(flush->alerts + from, flush->n - from);
}

static int take_picture(struct nv_dispatch *dispatch, struct nv_group *group, struct flush *flush)
{
    size_t n_all, n = group->n;
    struct nv_alert **all = nv_dispatch_alerts(dispatch, &n_all);

    *flush = (struct flush){.group = group,
                            .now_ms = nv_dispatch_now(dispatch),
                            .alerts = malloc((n + 1) * sizeof(struct nv_alert *)),
                            .seen = malloc((n + 1) * sizeof(struct nv_alert *)),
                            .firing = malloc((n + 1) * sizeof(uint64_t)),
                            .resolved = malloc((n + 1) * sizeof(uint64_t))};
    bool ok = all && flush->alerts && flush->seen && flush->firing && flush->resolved;
    if (ok) {
        for (; flush->n_seen < n; flush->n_seen++)
            flush->seen[flush->n_seen] = nv_alert_ref(group->entries[flush->n_seen]->alert);
        collect(dispatch, flush, all, n_all, true);
        flush->n_firing = flush->n;
        collect(dispatch, flush, all, n_all, false);
        write_fingerprints(flush->alerts, flush->n_firing, flush->firing);
        write_fingerprints(flush->alerts + flush->n_firing, flush->n - flush->n_firing,
                           flush->resolved);
    }
    for (size_t i = 0; all && i < n_all; i++)
        nv_alert_unref(all[i]);
    free(all);
    return ok ? 0 : -ENOMEM;
}

static void flush_done(struct flush *flush)
{
    for (size_t i = 0; i < flush->n; i++)
        nv_alert_unref(flush->alerts[i]);
    for (size_t i = 0; i < flush->n_seen; i++)
        nv_alert_unref(flush->seen[i]);
    free(flush->alerts);
    free(flush->seen);
    free(flush->firing);
    free(flush->resolved);
}

/* ---- what is to be told --------------------------------------------------------------------- */

/* Both rise. */
static bool is_within(const uint64_t *part, size_t n_part, const uint64_t *whole, size_t n_whole)
{
    size_t k = 0;

    for (size_t i = 0; i < n_part; i++) {
        while (k < n_whole && whole[k] < part[i])
            k++;
        if (k == n_whole || whole[k] != part[i])
            return false;
    }
    return true;
}

static bool is_due(const struct flush *flush, const struct nv_tale *tale, bool send_resolved)
{
    size_t n_resolved = flush->n - flush->n_firing;

    if (!tale->at_ms)
        return flush->n_firing > 0;
    if (!is_within(flush->firing, flush->n_firing, tale->firing, tale->n_firing))
        return true;
    if (flush->n_firing == 0)
        return tale->n_firing > 0 && n_resolved > 0;
    if (send_resolved && !is_within(flush->resolved, n_resolved, tale->resolved, tale->n_resolved))
        return true;
    return tale->at_ms <= flush->now_ms - flush->group->route->repeat_interval_ms ||
           tale->at_ms > flush->now_ms; /* the clock was set back */
}

/* What all have in common of some labels; `get` finds them in an alert. */
static size_t common(struct nv_alert *const *alerts, size_t n, const struct nv_label *first,
                     size_t n_first, bool annotations, struct nv_label *ret)
{
    size_t kept = 0;

    for (size_t i = 0; i < n_first; i++) {
        bool everywhere = true;
        for (size_t k = 1; k < n && everywhere; k++) {
            const struct nv_label *labels =
                annotations ? alerts[k]->annotations : alerts[k]->labels;
            size_t n_labels = annotations ? alerts[k]->n_annotations : alerts[k]->n_labels;
            everywhere = nv_str_eq(nv_label_value(labels, n_labels, first[i].name), first[i].value);
        }
        if (everywhere)
            ret[kept++] = first[i];
    }
    return kept;
}

/* Without the lock. */
static int tell(struct nv_dispatch *dispatch, const struct flush *flush, unsigned way,
                bool send_resolved)
{
    const struct nv_group *group = flush->group;
    const struct nv_alert *first = flush->alerts[0];
    struct nv_notification said = {.receiver = group->route->receiver,
                                   .group_key = group->key,
                                   .alerts = flush->alerts,
                                   .n = send_resolved ? flush->n : flush->n_firing,
                                   .n_firing = flush->n_firing,
                                   .group_labels = group->labels,
                                   .n_group_labels = group->n_labels,
                                   .now_ms = flush->now_ms};
    char error[NV_DISPATCH_ERROR_MAX] = "";
    bool ignored;

    said.way = nv_receiver_way(said.receiver, way, &said.index, &ignored);
    struct nv_label *labels =
        malloc((first->n_labels + first->n_annotations + 1) * sizeof(*labels));
    if (!labels)
        return -ENOMEM;
    said.common_labels = labels;
    said.n_common_labels =
        common(said.alerts, said.n, first->labels, first->n_labels, false, labels);
    said.common_annotations = labels + first->n_labels;
    said.n_common_annotations = common(said.alerts, said.n, first->annotations,
                                       first->n_annotations, true, labels + first->n_labels);
    int r = dispatch->options.send(dispatch->options.user, &said, error);
    free(labels);
    return r;
}

/* Tells each way that is due. Returns 0 when all are told; -EINVAL where only what was refused is left; else an errno of
 * what failed. With the lock, which it gives up to tell. */
static int tell_all(struct nv_dispatch *dispatch, struct flush *flush)
{
    struct nv_group *group = flush->group;
    int worst = 0;

    for (unsigned i = 0; i < group->n_tales; i++) {
        size_t index;
        bool send_resolved;
        (void)nv_receiver_way(group->route->receiver, i, &index, &send_resolved);
        if (!is_due(flush, &group->tales[i], send_resolved))
            continue;
        int r = 0;
        if (flush->n_firing > 0 || send_resolved) {
            pthread_mutex_unlock(&dispatch->lock);
            r = tell(dispatch, flush, i, send_resolved);
            pthread_mutex_lock(&dispatch->lock);
            dispatch->stats.notifications += r == 0;
            dispatch->stats.failures += r < 0;
        }
        /* An end that is refused is let go: nothing is true any more that somebody should know. */
        if (r == 0 || (r == -EINVAL && flush->n_firing == 0))
            r = nv_tale_set(&group->tales[i], flush->now_ms, flush->firing, flush->n_firing,
                            flush->resolved, flush->n - flush->n_firing);
        dispatch->changes++;
        if (r < 0 && (worst == 0 || worst == -EINVAL))
            worst = r;
    }
    return worst;
}

/* ---- afterwards ----------------------------------------------------------------------------- */

/* Everybody knows that these are over. */
static void forget_resolved(struct nv_dispatch *dispatch, struct flush *flush)
{
    struct nv_group *group = flush->group;

    for (size_t i = group->n; i-- > 0;) {
        struct nv_alert *alert = group->entries[i]->alert;
        if (i < flush->n_seen && flush->seen[i] == alert && !nv_alert_fires(alert, flush->now_ms))
            nv_group_remove(dispatch, group, i);
    }
}

/* What was refused is said again with the next flush: who refused it may be set right meanwhile. */
static void set_next(struct flush *flush, int r)
{
    struct nv_group *group = flush->group;
    int64_t interval_ms = group->route->group_interval_ms;

    if (r == 0 || r == -EINVAL) {
        group->retry_ms = 0;
        group->next_ms = flush->now_ms + interval_ms;
        return;
    }
    group->retry_ms = group->retry_ms ? 2 * group->retry_ms : RETRY_FIRST_MS;
    if (group->retry_ms > RETRY_MAX_MS)
        group->retry_ms = RETRY_MAX_MS;
    if (group->retry_ms > interval_ms && interval_ms > 0)
        group->retry_ms = interval_ms;
    group->next_ms = flush->now_ms + group->retry_ms;
}

static void drop_if_empty(struct nv_dispatch *dispatch, struct nv_group *group)
{
    if (group->n > 0)
        return;
    for (size_t i = 0; i < dispatch->n_groups; i++) {
        if (dispatch->groups[i] == group) {
            dispatch->groups[i] = dispatch->groups[--dispatch->n_groups];
            break;
        }
    }
    nv_group_free(dispatch, group);
}

/* With the lock. */
static void flush_group(struct nv_dispatch *dispatch, struct nv_group *group)
{
    struct nv_config *config = nv_config_ref(dispatch->config); /* the group's route is in it */
    struct flush flush;

    group->busy = true;
    int r = take_picture(dispatch, group, &flush);
    if (r == 0)
        r = tell_all(dispatch, &flush);
    set_next(&flush, r);
    if (r == 0)
        forget_resolved(dispatch, &flush);
    group->busy = false;
    flush_done(&flush);
    if (group->orphan)
        nv_group_bequeath(dispatch, group);
    else
        drop_if_empty(dispatch, group);
    nv_config_unref(config);
}

/* The group that is due first. A clock that was set back must not make one wait for the time it came from. */
static struct nv_group *next_group(struct nv_dispatch *dispatch, int64_t now_ms)
{
    struct nv_group *next = NULL;

    for (size_t i = 0; i < dispatch->n_groups; i++) {
        struct nv_group *group = dispatch->groups[i];
        int64_t latest_ms = now_ms + group->route->group_wait_ms + group->route->group_interval_ms;
        if (group->next_ms > latest_ms)
            group->next_ms = latest_ms;
        if (!group->busy && (!next || group->next_ms < next->next_ms))
            next = group;
    }
    return next;
}

int64_t nv_dispatch_turn(struct nv_dispatch *dispatch)
{
    pthread_mutex_lock(&dispatch->lock);
    int64_t now_ms = nv_dispatch_now(dispatch), wait_ms = NV_DISPATCH_IDLE_MS;
    struct nv_group *group = next_group(dispatch, now_ms);

    if (group && group->next_ms - now_ms < wait_ms)
        wait_ms = group->next_ms > now_ms ? group->next_ms - now_ms : 0;
    if (wait_ms == 0)
        flush_group(dispatch, group);
    pthread_mutex_unlock(&dispatch->lock);
    return wait_ms;
}
