#include "kube/review_parts.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

/* ---- asking --------------------------------------------------------------------------------- */

static struct nv_review_subject *find_subject(struct nv_review *review,
                                              const struct nv_review_digest *digest)
{
    struct nv_review_subject *subject = review->subjects;

    while (subject && memcmp(&subject->digest, digest, sizeof(*digest)) != 0)
        subject = subject->next;
    return subject;
}

/* With the lock. NULL where there is no room, or no thread. */
static struct nv_review_subject *add_subject(struct nv_review *review,
                                             const struct nv_review_digest *digest,
                                             struct nv_str token, const char *who, int64_t until_ns)
{
    struct nv_review_subject *subject = NULL;

    if (review->n_subjects < NV_REVIEW_TOKENS_MAX)
        subject = calloc(1, sizeof(*subject));
    if (!subject)
        return NULL;
    subject->digest = *digest;
    subject->last = &subject->first;
    subject->until_ns = until_ns;
    if (token.n)
        subject->token = (struct nv_str){strndup(token.p, token.n), token.n};
    if (who)
        subject->who = strdup(who);
    bool whole = token.n ? subject->token.p != NULL : subject->who != NULL;
    if (!whole) {
        free(subject);
        return NULL;
    }
    if (review->idle <= review->n_queued && review->threads < NV_REVIEW_THREADS_MAX &&
        !nv_review_make_thread(review) && review->threads == 0) {
        nv_review_free_subject(subject);
        return NULL;
    }
    struct nv_review_subject **end = &review->subjects; /* in order of arrival */
    while (*end)
        end = &(*end)->next;
    *end = subject;
    review->n_subjects++;
    review->n_queued++;
    pthread_cond_signal(&review->work);
    return subject;
}

/* With the lock. False: it cannot wait. */
static bool enqueue(struct nv_review *review, const struct nv_review_digest *digest,
                    struct nv_str token, const char *who, struct nv_review_ask *ask)
{
    int64_t until_ns = nv_monotonic_ns() + NV_REVIEW_PATIENCE_MS * INT64_C(1000000);

    if (review->n_waiting == NV_REVIEW_WAITING_MAX || nv_review_is_away(review, until_ns))
        return false;
    struct nv_review_subject *subject = find_subject(review, digest);
    if (!subject)
        subject = add_subject(review, digest, token, who, until_ns);
    if (!subject)
        return false;
    ask->next = NULL;
    ask->until_ns = until_ns;
    *subject->last = ask;
    subject->last = &ask->next;
    review->n_waiting++;
    return true;
}

/* True: it is decided already. */
static bool begin(struct nv_review *review, const struct nv_review_digest *digest,
                  struct nv_str token, const char *who, struct nv_review_ask *ask)
{
    bool waits = false;

    pthread_mutex_lock(&review->lock);
    bool known = who ? nv_review_recall_right(review, nv_str(who), ask, nv_monotonic_ns())
                     : nv_review_recall(review, digest, ask);
    if (!known)
        waits = enqueue(review, digest, token, who, ask);
    pthread_mutex_unlock(&review->lock);
    if (waits)
        return false;
    if (!known)
        nv_review_decide(ask, NV_REVIEW_AWAY, NV_LIT(""));
    __atomic_add_fetch(&review->stats.verdicts[ask->verdict], 1, __ATOMIC_RELAXED);
    return true;
}

/* Decides at once, without a look at anything. */
static bool refuse(struct nv_review *review, struct nv_review_ask *ask,
                   enum nv_review_verdict verdict)
{
    nv_review_decide(ask, verdict, NV_LIT(""));
    __atomic_add_fetch(&review->stats.verdicts[verdict], 1, __ATOMIC_RELAXED);
    return true;
}

static bool is_token(struct nv_str token)
{
    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] <= ' ' || token.p[i] > '~')
            return false;
    }
    return token.n > 0 && token.n <= NV_REVIEW_TOKEN_MAX;
}

bool nv_review_token(struct nv_review *review, struct nv_review_ask *ask, struct nv_str token)
{
    const struct nv_str parts[] = {NV_LIT("token"), token};
    struct nv_review_digest digest;

    if (!is_token(token))
        return refuse(review, ask, NV_REVIEW_NOBODY);
    nv_review_make_digest(review, parts, NV_LEN(parts), &digest);
    if (ask->path.n > NV_REVIEW_PATH_MAX || ask->verb.n > NV_REVIEW_SAID_MAX)
        return refuse(review, ask, NV_REVIEW_DENIED);
    if (!nv_review_is_digest(&digest))
        return refuse(review, ask, NV_REVIEW_AWAY);
    return begin(review, &digest, token, NULL, ask);
}

bool nv_review_person(struct nv_review *review, struct nv_review_ask *ask, struct nv_str user,
                      const struct nv_str *groups, size_t n_groups)
{
    NV_AUTO_BUF who = NV_BUF(NV_REVIEW_WHO_MAX);
    struct nv_review_digest digest;

    nv_review_write_user(&who, user, groups, n_groups);
    const char *text = nv_buf_c_string(&who);
    const struct nv_str parts[] = {NV_LIT("person"), nv_str(text)};
    nv_review_make_digest(review, parts, NV_LEN(parts), &digest);
    if (!user.n)
        return refuse(review, ask, NV_REVIEW_NOBODY);
    if (ask->path.n > NV_REVIEW_PATH_MAX || ask->verb.n > NV_REVIEW_SAID_MAX)
        return refuse(review, ask, NV_REVIEW_DENIED);
    if (who.failed || !nv_review_is_digest(&digest))
        return refuse(review, ask, NV_REVIEW_AWAY);
    return begin(review, &digest, (struct nv_str){NULL, 0}, text, ask);
}

/* ---- making and ending ---------------------------------------------------------------------- */

/* The address every pod is told, as a URL; brackets around an IPv6 address. */
static char *url_of_cluster(void)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    NV_AUTO_BUF url = NV_BUF(1024);
    bool v6 = host && strchr(host, ':') && host[0] != '[';

    if (!host || !*host)
        return NULL;
    nv_buf_printf(&url, "https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "",
                  port && *port ? port : "443");
    nv_buf_c_string(&url);
    return url.failed ? NULL : nv_take(url.p);
}

static int find_url(struct nv_review *review, const char *given, char error[NV_REVIEW_ERROR_MAX])
{
    review->url = given && *given ? strdup(given) : url_of_cluster();
    if (!review->url) {
        snprintf(error, NV_REVIEW_ERROR_MAX,
                 "it is not known where the API server is: KUBERNETES_SERVICE_HOST is not set");
        return -EINVAL;
    }
    if (strncmp(review->url, "https://", 8) != 0 && strncmp(review->url, "http://", 7) != 0) {
        snprintf(error, NV_REVIEW_ERROR_MAX,
                 "the API server's URL '%.200s' must begin with https:// or http://", review->url);
        return -EINVAL;
    }
    for (size_t n = strlen(review->url); n && review->url[n - 1] == '/'; n--)
        review->url[n - 1] = '\0';
    return 0;
}

static int copy_options(struct nv_review *review, const struct nv_review_options *options)
{
    const char *token = options->token_file, *ca = options->ca_file;

    review->token_file = strdup(token && *token ? token : ACCOUNT "token");
    /* A service account's CA is that of the cluster's own address alone. */
    if (ca && *ca)
        review->ca_file = strdup(ca);
    else if (!options->url || !*options->url)
        review->ca_file = strdup(ACCOUNT "ca.crt");
    review->audiences = calloc(options->n_audiences + 1, sizeof(*review->audiences));
    if (!review->token_file || !review->audiences)
        return -ENOMEM;
    for (size_t i = 0; i < options->n_audiences && i < NV_REVIEW_AUDIENCES_MAX; i++) {
        struct nv_str one = options->audiences[i];
        review->audiences[i] = (struct nv_str){strndup(one.p, one.n), one.n};
        review->n_audiences++;
        if (!review->audiences[i].p)
            return -ENOMEM;
    }
    review->who_ms = options->who_ms ? options->who_ms : NV_REVIEW_WHO_MS;
    review->yes_ms = options->yes_ms ? options->yes_ms : NV_REVIEW_YES_MS;
    review->no_ms = options->no_ms ? options->no_ms : NV_REVIEW_NO_MS;
    review->call_ms = options->call_ms ? options->call_ms : NV_REVIEW_CALL_MS;
    return 0;
}

int nv_review_new(const struct nv_review_options *options, struct nv_review **ret,
                  char error[NV_REVIEW_ERROR_MAX])
{
    NV_AUTO(nv_review) *review = calloc(1, sizeof(*review));

    snprintf(error, NV_REVIEW_ERROR_MAX, "out of memory");
    if (!review)
        return -ENOMEM;
    pthread_mutex_init(&review->lock, NULL);
    nv_cond_init(&review->work);
    int r = find_url(review, options->url, error);
    if (r == 0)
        r = copy_options(review, options);
    if (r < 0)
        return r;
    if (gnutls_rnd(GNUTLS_RND_KEY, review->key, sizeof(review->key)) < 0) {
        snprintf(error, NV_REVIEW_ERROR_MAX, "no random numbers to be had");
        return -EIO;
    }
    *ret = nv_take(review);
    return 0;
}

void nv_review_stop(struct nv_review *review)
{
    pthread_mutex_lock(&review->lock);
    review->stopping = true;
    for (size_t i = 0; i < NV_REVIEW_THREADS_MAX; i++) {
        if (review->slots[i] && review->slots[i]->http)
            nv_http_cancel(review->slots[i]->http);
    }
    pthread_cond_broadcast(&review->work);
    pthread_mutex_unlock(&review->lock);
    for (size_t i = 0; i < NV_REVIEW_THREADS_MAX; i++) { /* none is made any more */
        if (!review->slots[i])
            continue;
        pthread_join(review->slots[i]->id, NULL);
        nv_review_free_thread(nv_take(review->slots[i]));
    }
}

void nv_review_free(struct nv_review *review)
{
    if (!review)
        return;
    nv_review_stop(review);
    nv_review_cache_clear(&review->tokens);
    nv_review_cache_clear(&review->rights);
    pthread_cond_destroy(&review->work);
    pthread_mutex_destroy(&review->lock);
    for (size_t i = 0; i < review->n_audiences; i++) {
        char *one;
        memcpy(&one, &review->audiences[i].p, sizeof(one)); /* ours, though views are constant */
        free(one);
    }
    free(review->audiences);
    free(review->url);
    free(review->token_file);
    free(review->ca_file);
    free(review);
}

void nv_review_stats(struct nv_review *review, struct nv_review_stats *ret)
{
    for (size_t i = 0; i < NV_REVIEW_VERDICTS; i++)
        ret->verdicts[i] = __atomic_load_n(&review->stats.verdicts[i], __ATOMIC_RELAXED);
    ret->token_reviews = __atomic_load_n(&review->stats.token_reviews, __ATOMIC_RELAXED);
    ret->access_reviews = __atomic_load_n(&review->stats.access_reviews, __ATOMIC_RELAXED);
    pthread_mutex_lock(&review->lock);
    ret->failures = review->stats.failures;
    pthread_mutex_unlock(&review->lock);
}
