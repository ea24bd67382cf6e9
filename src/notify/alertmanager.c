#include "notify/alertmanager.h"

#include <errno.h>
#include <pthread.h>

#include "base/assert.h"
#include "base/clock.h"

#define NONE UINT32_MAX

enum { BUCKETS = 4096 };

/* A place in the queue: in a list by age, and in one of those whose hash is alike. */
struct place {
    struct nv_alert *alert;
    uint32_t newer, older, same;
};

struct nv_alertmanager {
    struct nv_alertmanager_io io;
    pthread_mutex_t lock;
    struct place *places; /* NV_ALERTMANAGER_QUEUE of them, made at the first alert */
    uint32_t *buckets;
    uint32_t oldest, newest, free;
    struct nv_alert *batch[NV_ALERTMANAGER_BATCH]; /* on its way; the sender alone changes it */
    size_t n_batch;
    struct nv_alertmanager_stats stats;

    /* Of the sender alone. */
    struct nv_buf body;
    int64_t retry_ns, backoff_ns; /* not before; 0: nothing failed */
};

static int64_t now_ns(const struct nv_alertmanager *am)
{
    return am->io.now_ns ? am->io.now_ns(am->io.user) : nv_monotonic_ns();
}

static int64_t wall_ms(const struct nv_alertmanager *am)
{
    return am->io.wall_ms ? am->io.wall_ms(am->io.user) : nv_wall_ms();
}

/* ---- the queue, with the lock --------------------------------------------------------------- */

static int make_places(struct nv_alertmanager *am)
{
    if (am->places)
        return 0;
    struct place *places = malloc(NV_ALERTMANAGER_QUEUE * sizeof(*places));
    uint32_t *buckets = malloc(BUCKETS * sizeof(*buckets));
    if (!places || !buckets) {
        free(places);
        free(buckets);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < NV_ALERTMANAGER_QUEUE; i++)
        places[i].newer = i + 1 < NV_ALERTMANAGER_QUEUE ? i + 1 : NONE;
    for (size_t i = 0; i < BUCKETS; i++)
        buckets[i] = NONE;
    am->places = places;
    am->buckets = buckets;
    am->free = 0;
    return 0;
}

static uint32_t *bucket_of(struct nv_alertmanager *am, const struct nv_alert *alert)
{
    return &am->buckets[alert->fingerprint % BUCKETS];
}

static uint32_t find(struct nv_alertmanager *am, const struct nv_alert *alert)
{
    uint32_t i = am->places ? *bucket_of(am, alert) : NONE;

    while (i != NONE && !nv_alert_same_labels(am->places[i].alert, alert))
        i = am->places[i].same;
    return i;
}

/* Hands the alert to the caller. */
static struct nv_alert *take_out(struct nv_alertmanager *am, uint32_t i)
{
    struct place *place = &am->places[i];

    *(place->older == NONE ? &am->oldest : &am->places[place->older].newer) = place->newer;
    *(place->newer == NONE ? &am->newest : &am->places[place->newer].older) = place->older;
    for (uint32_t *at = bucket_of(am, place->alert);; at = &am->places[*at].same) {
        nv_assert(*at != NONE);
        if (*at == i) {
            *at = place->same;
            break;
        }
    }
    place->newer = am->free;
    am->free = i;
    am->stats.queued--;
    return nv_take(place->alert);
}

/* At the new end, or at the old one. There is room. */
static void put_in(struct nv_alertmanager *am, struct nv_alert *alert, bool as_oldest)
{
    uint32_t i = am->free, *bucket = bucket_of(am, alert);
    struct place *place = &am->places[i];

    nv_assert(i != NONE);
    am->free = place->newer;
    *place = (struct place){.alert = alert,
                            .newer = as_oldest ? am->oldest : NONE,
                            .older = as_oldest ? NONE : am->newest,
                            .same = *bucket};
    *bucket = i;
    *(place->older == NONE ? &am->oldest : &am->places[place->older].newer) = i;
    *(place->newer == NONE ? &am->newest : &am->places[place->newer].older) = i;
    am->stats.queued++;
}

bool nv_alertmanager_add(struct nv_alertmanager *am, struct nv_alert *alert)
{
    pthread_mutex_lock(&am->lock);
    bool was_empty = am->stats.queued == 0;
    uint32_t i = find(am, alert);

    if (i != NONE) {
        nv_alert_unref(am->places[i].alert);
        am->places[i].alert = nv_alert_ref(alert);
    } else if (make_places(am) < 0) {
        am->stats.dropped++;
    } else {
        if (am->free == NONE) {
            nv_alert_unref(take_out(am, am->oldest));
            am->stats.dropped++;
        }
        put_in(am, nv_alert_ref(alert), false);
    }
    pthread_mutex_unlock(&am->lock);
    return was_empty;
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Moves the oldest alerts into the batch, without those that are no longer true. */
static size_t take_batch(struct nv_alertmanager *am)
{
    int64_t now_ms = wall_ms(am);

    pthread_mutex_lock(&am->lock);
    while (am->n_batch < NV_ALERTMANAGER_BATCH && am->stats.queued > 0) {
        struct nv_alert *alert = take_out(am, am->oldest);
        if (alert->resolved || alert->ends_ms > now_ms) {
            am->batch[am->n_batch++] = alert;
        } else {
            nv_alert_unref(alert);
            am->stats.dropped++;
        }
    }
    size_t n = am->n_batch;
    pthread_mutex_unlock(&am->lock);
    return n;
}

/* Back to where they were, but for those on which there is a newer word. */
static void put_back(struct nv_alertmanager *am)
{
    while (am->n_batch > 0) {
        struct nv_alert *alert = am->batch[--am->n_batch];
        if (find(am, alert) != NONE) {
            nv_alert_unref(alert);
        } else if (am->free == NONE) {
            nv_alert_unref(alert);
            am->stats.dropped++;
        } else {
            put_in(am, alert, true);
        }
    }
}

static void give_up(struct nv_alertmanager *am, bool sent)
{
    *(sent ? &am->stats.sent : &am->stats.dropped) += am->n_batch;
    while (am->n_batch > 0)
        nv_alert_unref(am->batch[--am->n_batch]);
}

static void write_body(struct nv_alertmanager *am)
{
    nv_buf_reset(&am->body);
    for (size_t i = 0; i < am->n_batch; i++) {
        nv_buf_char(&am->body, i ? ',' : '[');
        nv_alert_write_post(&am->body, am->batch[i]);
    }
    nv_buf_char(&am->body, ']');
}

static bool is_worth_retrying(int r, int status)
{
    return r < 0 || status == 408 || status == 429 || status >= 500 || status < 200;
}

/* Posts the batch and says what became of it. */
static void settle(struct nv_alertmanager *am, char error[NV_ALERTMANAGER_ERROR_MAX])
{
    int status = 0, r = am->body.failed;
    int64_t before_ns = now_ns(am);

    if (r == 0)
        r = am->io.post(am->io.user, nv_buf_view(&am->body), &status, error);
    else
        snprintf(error, NV_ALERTMANAGER_ERROR_MAX, "a batch does not fit: %s", strerror(-r));
    int64_t after_ns = now_ns(am);
    bool sent = r == 0 && status / 100 == 2,
         retry = am->body.failed != -EFBIG && is_worth_retrying(r, status);
    if (r == 0 && !sent)
        snprintf(error, NV_ALERTMANAGER_ERROR_MAX, "it answers with status %d", status);

    pthread_mutex_lock(&am->lock);
    am->stats.posts++;
    am->stats.latency_ns = after_ns - before_ns;
    am->stats.latency_ns_sum += (uint64_t)(after_ns - before_ns);
    if (!sent)
        am->stats.errors += am->n_batch;
    if (!sent && retry)
        put_back(am);
    else
        give_up(am, sent);
    pthread_mutex_unlock(&am->lock);

    int64_t longest_ns = INT64_C(1000000) * NV_ALERTMANAGER_BACKOFF_MS;
    am->backoff_ns = sent || !retry ? 0 : am->backoff_ns ? am->backoff_ns * 2 : 1000000000;
    if (am->backoff_ns > longest_ns)
        am->backoff_ns = longest_ns;
    am->retry_ns = am->backoff_ns ? after_ns + am->backoff_ns : 0;
}

int64_t nv_alertmanager_turn(struct nv_alertmanager *am, char error[NV_ALERTMANAGER_ERROR_MAX])
{
    int64_t now = now_ns(am);

    error[0] = '\0';
    if (am->retry_ns > now)
        return am->retry_ns - now;
    size_t n = take_batch(am);
    if (n > 0) {
        write_body(am);
        settle(am, error);
        nv_buf_done(&am->body); /* a crowd of alerts is rare, and its memory need not stay */
    }
    if (am->backoff_ns)
        return am->backoff_ns;
    return n == NV_ALERTMANAGER_BATCH ? 0 : INT64_MAX;
}

/* ---- the rest ------------------------------------------------------------------------------- */

struct nv_alertmanager *nv_alertmanager_new(const struct nv_alertmanager_io *io)
{
    struct nv_alertmanager *am = calloc(1, sizeof(*am));

    if (!am)
        return NULL;
    am->io = *io;
    am->body = NV_BUF(NV_ALERTMANAGER_BODY_MAX);
    am->oldest = am->newest = am->free = NONE;
    pthread_mutex_init(&am->lock, NULL);
    return am;
}

void nv_alertmanager_free(struct nv_alertmanager *am)
{
    if (!am)
        return;
    while (am->stats.queued > 0)
        nv_alert_unref(take_out(am, am->oldest));
    pthread_mutex_destroy(&am->lock);
    nv_buf_done(&am->body);
    free(am->places);
    free(am->buckets);
    free(am);
}

void nv_alertmanager_set_io(struct nv_alertmanager *am, const struct nv_alertmanager_io *io)
{
    am->io = *io;
    am->retry_ns = am->backoff_ns = 0; /* the new way may work */
}

size_t nv_alertmanager_waiting(struct nv_alertmanager *am, struct nv_alert **ret, size_t max)
{
    size_t n = 0;

    pthread_mutex_lock(&am->lock);
    for (size_t i = 0; i < am->n_batch && n < max; i++) {
        if (find(am, am->batch[i]) == NONE)
            ret[n++] = nv_alert_ref(am->batch[i]);
    }
    for (uint32_t i = am->oldest; i != NONE && n < max; i = am->places[i].newer)
        ret[n++] = nv_alert_ref(am->places[i].alert);
    pthread_mutex_unlock(&am->lock);
    return n;
}

void nv_alertmanager_stats(struct nv_alertmanager *am, struct nv_alertmanager_stats *ret)
{
    pthread_mutex_lock(&am->lock);
    *ret = am->stats;
    pthread_mutex_unlock(&am->lock);
}
