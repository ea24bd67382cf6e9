#include "kube/kubelet.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

struct nv_kubelet {
    struct nv_kubelet_options options;
    pthread_t thread;
    bool started;
    struct nv_kube_caller caller; /* the thread's */

    pthread_mutex_t other_lock; /* of the next */
    struct nv_kube_caller other;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake, answered;
    bool stopping, wanted;
    const struct nv_pods *pods; /* NULL, or a count */
    int64_t good_ns;            /* when they were told last */
    const struct nv_kube_way *way;
    struct nv_kubelet_stats stats;

    /* The thread's. */
    uint64_t version;
    struct nv_complaint complaint;
    int extra; /* questions out of turn that are left */
};

static int64_t or_default(int64_t ms, int64_t fallback_ms)
{
    return ms ? ms : fallback_ms;
}

struct nv_kubelet *nv_kubelet_new(const struct nv_kubelet_options *options)
{
    struct nv_kubelet *kubelet = calloc(1, sizeof(*kubelet));

    if (!kubelet)
        return NULL;
    nv_assert(options->access.n_ways);
    kubelet->options = *options;
    kubelet->options.poll_ms = or_default(options->poll_ms, NV_KUBELET_POLL_MS);
    kubelet->options.soon_ms = or_default(options->soon_ms, NV_KUBELET_SOON_MS);
    kubelet->options.keep_ms = or_default(options->keep_ms, NV_KUBELET_KEEP_MS);
    kubelet->way = &options->access.ways[0];
    kubelet->extra = NV_KUBELET_EXTRA;
    nv_kube_caller_init(&kubelet->caller, &kubelet->options.access);
    nv_kube_caller_init(&kubelet->other, &kubelet->options.access);
    pthread_mutex_init(&kubelet->lock, NULL);
    pthread_mutex_init(&kubelet->other_lock, NULL);
    nv_cond_init(&kubelet->wake);
    nv_cond_init(&kubelet->answered);
    return kubelet;
}

void nv_kubelet_free(struct nv_kubelet *kubelet)
{
    if (!kubelet)
        return;
    nv_kubelet_stop(kubelet);
    nv_kube_caller_done(&kubelet->caller);
    nv_kube_caller_done(&kubelet->other);
    nv_pods_unref(kubelet->pods);
    pthread_cond_destroy(&kubelet->wake);
    pthread_cond_destroy(&kubelet->answered);
    pthread_mutex_destroy(&kubelet->lock);
    pthread_mutex_destroy(&kubelet->other_lock);
    free(kubelet);
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool same_text(const struct nv_pods *pods, const struct nv_buf *text)
{
    return pods && nv_str_eq(pods->text, nv_buf_view(text));
}

/* Puts an answer in the place of the one before. Returns whether it differs. */
static bool take_answer(struct nv_kubelet *kubelet, struct nv_pods *new)
{
    const struct nv_pods *old = NULL;

    pthread_mutex_lock(&kubelet->lock);
    if (new) {
        old = kubelet->pods;
        kubelet->pods = new;
        kubelet->stats.pods = new->n;
        kubelet->stats.containers = new->n_containers;
        kubelet->stats.left_out = new->left_out;
    }
    kubelet->good_ns = nv_monotonic_ns();
    kubelet->stats.last_success_ms = nv_wall_ms();
    pthread_mutex_unlock(&kubelet->lock);
    nv_pods_unref(old);
    return new != NULL;
}

/* Asks, reads, keeps. *ret_changed: there are other pods than before. The error is the caller's. */
static enum nv_kube_failure refresh(struct nv_kubelet *kubelet, bool *ret_changed)
{
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
    struct nv_kube_caller *caller = &kubelet->caller;
    char error[NV_PODS_ERROR_MAX];
    struct nv_pods *pods = NULL;

    enum nv_kube_failure failure = nv_kube_caller_get(caller, "/pods", &text);
    if (failure)
        return failure;
    if (!same_text(kubelet->pods, &text)) { /* changed by this thread alone */
        int r = nv_pods_read(&text, kubelet->version + 1, nv_wall_ms(), &pods, error);
        if (r < 0) {
            snprintf(caller->error, sizeof(caller->error), "%s/pods: %s",
                     caller->access->ways[caller->way].url, error[0] ? error : strerror(-r));
            return r == -EBADMSG ? NV_KUBE_MALFORMED : NV_KUBE_OTHER;
        }
        kubelet->version++;
    }
    *ret_changed = take_answer(kubelet, pods);
    return NV_KUBE_OK;
}

static void speak(struct nv_kubelet *kubelet, enum nv_kube_failure failure)
{
    if (failure) {
        if (nv_complaint_speaks(&kubelet->complaint))
            nv_log_warn("kubelet: the pods of this node are not known: %s", kubelet->caller.error);
        return;
    }
    uint64_t times = nv_complaint_over(&kubelet->complaint);
    if (times)
        nv_log_info("kubelet: it tells its pods again after %llu failures",
                    (unsigned long long)times);
}

/* Pods that nobody confirms any more are no longer told. */
static bool drop_old(struct nv_kubelet *kubelet)
{
    const struct nv_pods *old = NULL;

    pthread_mutex_lock(&kubelet->lock);
    if (kubelet->pods &&
        nv_monotonic_ns() - kubelet->good_ns > kubelet->options.keep_ms * 1000000) {
        old = kubelet->pods;
        kubelet->pods = NULL;
        kubelet->stats.pods = kubelet->stats.containers = kubelet->stats.left_out = 0;
    }
    pthread_mutex_unlock(&kubelet->lock);
    nv_pods_unref(old);
    return old != NULL;
}

static void poll_once(struct nv_kubelet *kubelet)
{
    int64_t begin_ns = nv_monotonic_ns();
    bool changed = false, stopping;

    enum nv_kube_failure failure = refresh(kubelet, &changed);
    if (failure)
        changed = drop_old(kubelet);
    pthread_mutex_lock(&kubelet->lock);
    stopping = kubelet->stopping;
    if (!stopping) {
        kubelet->stats.asked++;
        kubelet->stats.failed[failure] += failure != NV_KUBE_OK;
        kubelet->stats.up = failure == NV_KUBE_OK;
        kubelet->stats.seconds += (double)(nv_monotonic_ns() - begin_ns) / 1e9;
    }
    if (kubelet->caller.worked &&
        kubelet->way != &kubelet->options.access.ways[kubelet->caller.way]) {
        kubelet->way = &kubelet->options.access.ways[kubelet->caller.way];
        changed = true;
    }
    pthread_cond_broadcast(&kubelet->answered);
    pthread_mutex_unlock(&kubelet->lock);
    if (stopping)
        return;
    speak(kubelet, failure);
    if (changed && kubelet->options.changed)
        kubelet->options.changed(kubelet->options.user);
}

/*
 * Until the next question: its turn, or a wish, of which a few go before their time, and then one in each interval. False at
 * the end. With the lock.
 */
static bool wait_for_turn(struct nv_kubelet *kubelet, int64_t begun_ns)
{
    int64_t turn_ns = begun_ns + kubelet->options.poll_ms * 1000000;
    int64_t soon_ns = begun_ns + kubelet->options.soon_ms * 1000000;

    for (;;) {
        int64_t now_ns = nv_monotonic_ns();
        bool out_of_turn = kubelet->wanted && kubelet->extra > 0;
        if (kubelet->stopping)
            return false;
        if (now_ns >= turn_ns) {
            kubelet->extra += kubelet->extra < NV_KUBELET_EXTRA;
            return true;
        }
        if (out_of_turn && now_ns >= soon_ns) {
            kubelet->extra--;
            return true;
        }
        nv_cond_wait_until(&kubelet->wake, &kubelet->lock, out_of_turn ? soon_ns : turn_ns);
    }
}

static void *run(void *user)
{
    struct nv_kubelet *kubelet = user;
    bool going = true;

    while (going) {
        int64_t begun_ns = nv_monotonic_ns();
        poll_once(kubelet);
        pthread_mutex_lock(&kubelet->lock);
        going = wait_for_turn(kubelet, begun_ns);
        kubelet->wanted = false; /* what is wished from here on, the answer may not know */
        pthread_mutex_unlock(&kubelet->lock);
    }
    return NULL;
}

int nv_kubelet_start(struct nv_kubelet *kubelet)
{
    int r = pthread_create(&kubelet->thread, NULL, run, kubelet);

    kubelet->started = r == 0;
    return -r;
}

void nv_kubelet_stop(struct nv_kubelet *kubelet)
{
    pthread_mutex_lock(&kubelet->lock);
    kubelet->stopping = true;
    pthread_cond_broadcast(&kubelet->wake);
    pthread_cond_broadcast(&kubelet->answered);
    pthread_mutex_unlock(&kubelet->lock);
    nv_kube_caller_cancel(&kubelet->caller);
    nv_kube_caller_cancel(&kubelet->other);
    if (kubelet->started)
        pthread_join(kubelet->thread, NULL);
    kubelet->started = false;
}

/* ---- what others see ------------------------------------------------------------------------ */

const struct nv_pods *nv_kubelet_pods(struct nv_kubelet *kubelet)
{
    const struct nv_pods *pods = NULL;

    pthread_mutex_lock(&kubelet->lock);
    if (kubelet->pods)
        pods = nv_pods_ref(kubelet->pods);
    pthread_mutex_unlock(&kubelet->lock);
    return pods;
}

void nv_kubelet_want(struct nv_kubelet *kubelet)
{
    pthread_mutex_lock(&kubelet->lock);
    if (!kubelet->wanted)
        pthread_cond_signal(&kubelet->wake);
    kubelet->wanted = true;
    pthread_mutex_unlock(&kubelet->lock);
}

bool nv_kubelet_wait(struct nv_kubelet *kubelet, int64_t timeout_ms)
{
    int64_t until_ns = nv_monotonic_ns() + timeout_ms * 1000000;
    int r = 0;

    pthread_mutex_lock(&kubelet->lock);
    while (!kubelet->stats.asked && !kubelet->stopping && r == 0)
        r = nv_cond_wait_until(&kubelet->answered, &kubelet->lock, until_ns);
    bool there = kubelet->pods != NULL;
    pthread_mutex_unlock(&kubelet->lock);
    return there;
}

const struct nv_kube_way *nv_kubelet_way(struct nv_kubelet *kubelet)
{
    pthread_mutex_lock(&kubelet->lock);
    const struct nv_kube_way *way = kubelet->way;
    pthread_mutex_unlock(&kubelet->lock);
    return way;
}

static int error_of(enum nv_kube_failure failure, int status)
{
    switch (failure) {
    case NV_KUBE_OK:
        return 0;
    case NV_KUBE_UNAUTHORIZED:
    case NV_KUBE_FORBIDDEN:
    case NV_KUBE_TOKEN:
        return -EACCES;
    case NV_KUBE_TIMEOUT:
        return -ETIMEDOUT;
    case NV_KUBE_TOO_LARGE:
        return -EFBIG;
    case NV_KUBE_STATUS:
        return status == 404 || status == 405 ? -ENOENT : -EIO;
    default:
        return -EIO;
    }
}

int nv_kubelet_get(struct nv_kubelet *kubelet, const char *path, int64_t timeout_ms,
                   struct nv_buf *into, char error[NV_KUBE_CALL_ERROR_MAX])
{
    struct nv_kube_access access = kubelet->options.access;

    access.timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    size_t way = (size_t)(nv_kubelet_way(kubelet) - access.ways);
    pthread_mutex_lock(&kubelet->other_lock);
    nv_kube_caller_prefer(&kubelet->other, way);
    kubelet->other.access = &access;
    enum nv_kube_failure failure = nv_kube_caller_get(&kubelet->other, path, into);
    int status = kubelet->other.http ? nv_http_status(kubelet->other.http) : 0;
    memcpy(error, kubelet->other.error, NV_KUBE_CALL_ERROR_MAX);
    kubelet->other.access = &kubelet->options.access;
    pthread_mutex_unlock(&kubelet->other_lock);
    return error_of(failure, status);
}

void nv_kubelet_stats(struct nv_kubelet *kubelet, struct nv_kubelet_stats *ret)
{
    pthread_mutex_lock(&kubelet->lock);
    *ret = kubelet->stats;
    ret->age_ms = kubelet->pods ? (nv_monotonic_ns() - kubelet->good_ns) / 1000000 : -1;
    pthread_mutex_unlock(&kubelet->lock);
}
