/*
 * review.c - one subject at a time is a thread's: a token, or a user whom a certificate has shown. The thread finds out who
 * it is and then answers those who ask on its behalf, one after the other, those that come meanwhile too; so nothing is asked
 * twice, and one token, however many bring it, never holds more than one thread.
 */
#include "kube/review.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>

#include "base/cond.h"
#include "base/http.h"
#include "base/log.h"
#include "kube/review_cache.h"
#include "kube/review_text.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

enum {
    ANSWER_MAX = 512 << 10,
    CONNECT_MS = 2000,
    SHOWN_MAX = 100, /* bytes of a name or a path in what the client is told */
    QUOTED_MAX = 300,
};

struct subject {
    struct nv_review_digest digest;
    struct nv_str token; /* owned; or: */
    char *who;           /* owned */
    struct nv_review_ask *first, **last;
    int64_t until_ns; /* when nobody waits for it any more */
    bool running;
    struct subject *next;
};

struct thread;

struct nv_review {
    char *url, *token_file, *ca_file;
    struct nv_str *audiences;
    size_t n_audiences;
    int64_t who_ms, yes_ms, no_ms, call_ms;
    uint8_t key[NV_REVIEW_DIGEST];

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    struct nv_review_cache tokens, rights;
    struct subject *subjects;
    size_t n_subjects, n_waiting, n_queued, threads, idle;
    struct thread *slots[NV_REVIEW_THREADS_MAX];
    bool stopping;
    int64_t away_until_ns;
    struct nv_complaint complaint;
    struct nv_review_stats stats;
};

/* ---- digests -------------------------------------------------------------------------------- */

/* Of parts, told apart by their lengths. */
static void make_digest(const struct nv_review *review, const struct nv_str *parts, size_t n,
                        struct nv_review_digest *ret)
{
    gnutls_hmac_hd_t hmac;

    memset(ret, 0, sizeof(*ret));
    if (gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, review->key, sizeof(review->key)) < 0)
        return; /* out of memory: a digest like others' would be another's verdict; see is_digest() */
    for (size_t i = 0; i < n; i++) {
        uint64_t length = parts[i].n;
        (void)!gnutls_hmac(hmac, &length, sizeof(length));
        (void)!gnutls_hmac(hmac, parts[i].p, parts[i].n);
    }
    gnutls_hmac_deinit(hmac, ret->at);
}

/* All zero: it could not be made. */
static bool is_digest(const struct nv_review_digest *digest)
{
    static const struct nv_review_digest none;

    return memcmp(digest, &none, sizeof(none)) != 0;
}

static void digest_of_right(const struct nv_review *review, struct nv_str who,
                            const struct nv_review_ask *ask, struct nv_review_digest *ret)
{
    const struct nv_str parts[] = {NV_LIT("right"), who, ask->path, ask->verb};

    make_digest(review, parts, NV_LEN(parts), ret);
}

/* ---- what the client is told ---------------------------------------------------------------- */

static struct nv_str shortened(struct nv_str s)
{
    return (struct nv_str){s.p, s.n < SHOWN_MAX ? s.n : SHOWN_MAX};
}

static void decide(struct nv_review_ask *ask, enum nv_review_verdict verdict, struct nv_str user)
{
    ask->verdict = verdict;
    switch (verdict) {
    case NV_REVIEW_DENIED:
        snprintf(ask->said, sizeof(ask->said), "Forbidden: user \"%.*s\" may not %.*s %.*s\n",
                 NV_ARGS(shortened(user)), NV_ARGS(shortened(ask->verb)),
                 NV_ARGS(shortened(ask->path)));
        break;
    case NV_REVIEW_AWAY:
        snprintf(ask->said, sizeof(ask->said),
                 "Service Unavailable: the API server cannot be asked who you are; try again "
                 "later.\n");
        break;
    default:
        snprintf(ask->said, sizeof(ask->said), "Unauthorized\n");
    }
}

/* ---- asking the API server ------------------------------------------------------------------ */

/* A thread that asks. It stays in its place, and is joined, when it has left. */
struct thread {
    struct nv_review *review;
    pthread_t id;
    bool left;            /* with the lock */
    struct nv_http *http; /* NULL until it is needed */
    struct nv_buf url, question, answer, who;
};

static bool make_client(struct thread *thread)
{
    struct nv_review *review = thread->review;
    const struct nv_http_options options = {
        .tls = {.ca_file = review->ca_file},
        .credentials_file = review->token_file,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = review->call_ms,
    };

    if (thread->http)
        return true;
    struct nv_http *http = nv_http_new(&options);
    if (!http)
        return false;
    pthread_mutex_lock(&review->lock);
    thread->http = http;
    if (review->stopping)
        nv_http_cancel(http);
    pthread_mutex_unlock(&review->lock);
    return true;
}

/* `away`: it concerns all questions, not this one, which may be a client's making. */
static void complain(struct nv_review *review, const char *path, bool away, const char *why)
{
    pthread_mutex_lock(&review->lock);
    review->stats.failures++;
    if (away)
        review->away_until_ns = nv_monotonic_ns() + NV_REVIEW_AWAY_MS * INT64_C(1000000);
    bool speaks = !review->stopping && nv_complaint_speaks(&review->complaint);
    pthread_mutex_unlock(&review->lock);
    if (speaks)
        nv_log_error("the API server cannot be asked who may ask: %s%s: %s", review->url, path,
                     why);
}

static void end_complaint(struct nv_review *review)
{
    pthread_mutex_lock(&review->lock);
    review->away_until_ns = 0;
    uint64_t times = nv_complaint_over(&review->complaint);
    pthread_mutex_unlock(&review->lock);
    if (times)
        nv_log_info("the API server answers again who may ask, after %llu failures",
                    (unsigned long long)times);
}

static void complain_status(struct thread *thread, const char *path, int status)
{
    char why[QUOTED_MAX + 100];
    struct nv_str said = nv_str_trim(nv_buf_view(&thread->answer));

    if (said.n > QUOTED_MAX)
        said.n = QUOTED_MAX;
    snprintf(why, sizeof(why), "status %d%s: %.*s", status,
             status == 403   ? ", the agent's role lacks create on this"
             : status == 401 ? ", the agent's token is not taken"
                             : "",
             NV_ARGS(said));
    complain(thread->review, path, status >= 500 || status == 401 || status == 403 || status == 429,
             why);
}

/* Posts the question. A token of ours that is refused may have been renewed this very moment. */
static bool post(struct thread *thread, const char *path, uint64_t *counter)
{
    static const struct nv_http_header headers[] = {
        {"Content-Type", "application/json"},
        {"Accept",       "application/json"},
    };
    struct nv_review *review = thread->review;
    int status = 401, r = thread->question.failed;

    if (r == 0 && !make_client(thread))
        r = -ENOMEM;
    nv_buf_reset(&thread->url);
    nv_buf_text(&thread->url, review->url);
    nv_buf_text(&thread->url, path);
    const struct nv_http_request request = {
        .url = nv_buf_c_string(&thread->url),
        .headers = headers,
        .n_headers = NV_LEN(headers),
        .body = nv_buf_view(&thread->question),
        .into = &thread->answer,
    };
    for (int i = 0; i < 2 && r == 0 && status == 401; i++) {
        __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
        nv_buf_reset(&thread->answer);
        r = nv_http_ask(thread->http, &request, &status);
    }
    if (r < 0)
        complain(review, path, r != -EFBIG,
                 thread->http ? nv_http_error(thread->http) : strerror(-r));
    else if (status != 200 && status != 201)
        complain_status(thread, path, status);
    explicit_bzero(thread->question.p, thread->question.n);
    return r == 0 && (status == 200 || status == 201);
}

/* Whose the token is, into thread->who. */
static enum nv_review_verdict ask_who(struct thread *thread, struct nv_str token)
{
    static const char path[] = "/apis/authentication.k8s.io/v1/tokenreviews";
    struct nv_review *review = thread->review;
    const struct nv_review_audiences audiences = {review->audiences, review->n_audiences};

    nv_buf_reset(&thread->question);
    nv_token_review_write(&thread->question, token, &audiences);
    if (!post(thread, path, &review->stats.token_reviews))
        return NV_REVIEW_AWAY;
    nv_buf_reset(&thread->who);
    int r = nv_token_review_read(nv_buf_view(&thread->answer), &audiences, &thread->who);
    if (r < 0) {
        complain(review, path, false,
                 r == -EBADMSG ? "the answer is no TokenReview" : strerror(-r));
        return NV_REVIEW_AWAY;
    }
    end_complaint(review);
    return r == NV_REVIEW_NO ? NV_REVIEW_NOBODY : NV_REVIEW_ALLOWED;
}

static enum nv_review_verdict ask_right(struct thread *thread, struct nv_str who,
                                        const struct nv_review_ask *ask)
{
    static const char path[] = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    struct nv_review *review = thread->review;

    nv_buf_reset(&thread->question);
    nv_access_review_write(&thread->question, who, ask->path, ask->verb);
    if (!post(thread, path, &review->stats.access_reviews))
        return NV_REVIEW_AWAY;
    int r = nv_access_review_read(nv_buf_view(&thread->answer));
    if (r < 0) {
        complain(review, path, false, "the answer is no SubjectAccessReview");
        return NV_REVIEW_AWAY;
    }
    end_complaint(review);
    return r == NV_REVIEW_NO ? NV_REVIEW_DENIED : NV_REVIEW_ALLOWED;
}

/* ---- what is known -------------------------------------------------------------------------- */

/* With the lock. What the rights say of somebody known; false where they say nothing. */
static bool recall_right(struct nv_review *review, struct nv_str who, struct nv_review_ask *ask,
                         int64_t now_ns)
{
    struct nv_review_digest digest;

    digest_of_right(review, who, ask, &digest);
    const struct nv_review_entry *entry =
        is_digest(&digest) ? nv_review_cache_find(&review->rights, &digest, now_ns) : NULL;
    if (entry)
        decide(ask, entry->yes ? NV_REVIEW_ALLOWED : NV_REVIEW_DENIED, nv_review_user(who));
    return entry != NULL;
}

/* With the lock. */
static bool recall(struct nv_review *review, const struct nv_review_digest *token,
                   struct nv_review_ask *ask)
{
    int64_t now_ns = nv_monotonic_ns();
    const struct nv_review_entry *entry = nv_review_cache_find(&review->tokens, token, now_ns);

    if (!entry)
        return false;
    if (entry->yes)
        return recall_right(review, nv_str(entry->who), ask, now_ns);
    decide(ask, NV_REVIEW_NOBODY, NV_LIT(""));
    return true;
}

static void keep_who(struct nv_review *review, const struct subject *subject, const char *who)
{
    char *copy = who ? strdup(who) : NULL;

    if (who && !copy)
        return; /* it will be asked again */
    pthread_mutex_lock(&review->lock);
    nv_review_cache_put(&review->tokens, &subject->digest, who != NULL, copy, nv_monotonic_ns(),
                        who ? review->who_ms : review->no_ms);
    pthread_mutex_unlock(&review->lock);
}

static void keep_right(struct nv_review *review, struct nv_str who, const struct nv_review_ask *ask,
                       bool yes)
{
    struct nv_review_digest digest;

    digest_of_right(review, who, ask, &digest);
    if (!is_digest(&digest))
        return;
    pthread_mutex_lock(&review->lock);
    nv_review_cache_put(&review->rights, &digest, yes, NULL, nv_monotonic_ns(),
                        yes ? review->yes_ms : review->no_ms);
    pthread_mutex_unlock(&review->lock);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void tell(struct nv_review *review, struct nv_review_ask *ask)
{
    __atomic_add_fetch(&review->stats.verdicts[ask->verdict], 1, __ATOMIC_RELAXED);
    ask->done(ask);
}

/* Takes the next one who waits; where there is none the subject itself is taken out of the list. With the lock. */
static struct nv_review_ask *next_ask(struct nv_review *review, struct subject *subject)
{
    struct nv_review_ask *ask = subject->first;

    if (ask) {
        subject->first = ask->next;
        if (!subject->first)
            subject->last = &subject->first;
        review->n_waiting--;
        return ask;
    }
    struct subject **at = &review->subjects;
    while (*at != subject)
        at = &(*at)->next;
    *at = subject->next;
    review->n_subjects--;
    return NULL;
}

/* With the lock. Whether there is no use in asking: it failed just now, or nobody waits any more. */
static bool is_away(const struct nv_review *review, int64_t until_ns)
{
    int64_t now_ns = nv_monotonic_ns();

    return review->stopping || now_ns < review->away_until_ns || now_ns >= until_ns;
}

/* Decides what one asks, who is known. */
static void answer(struct thread *thread, struct nv_str who, struct nv_review_ask *ask)
{
    struct nv_review *review = thread->review;

    pthread_mutex_lock(&review->lock);
    bool known = recall_right(review, who, ask, nv_monotonic_ns());
    bool away = is_away(review, ask->until_ns);
    pthread_mutex_unlock(&review->lock);
    if (known)
        return;
    enum nv_review_verdict verdict = away ? NV_REVIEW_AWAY : ask_right(thread, who, ask);
    decide(ask, verdict, nv_review_user(who));
    if (verdict != NV_REVIEW_AWAY)
        keep_right(review, who, ask, verdict == NV_REVIEW_ALLOWED);
}

/* Who it is: the subject's own text, what was known before, or what the API server says. */
static enum nv_review_verdict identify(struct thread *thread, struct subject *subject)
{
    struct nv_review *review = thread->review;
    enum nv_review_verdict verdict = NV_REVIEW_AWAY;

    nv_buf_reset(&thread->who);
    pthread_mutex_lock(&review->lock);
    const struct nv_review_entry *entry =
        nv_review_cache_find(&review->tokens, &subject->digest, nv_monotonic_ns());
    bool away = is_away(review, subject->until_ns);
    if (subject->who)
        nv_buf_text(&thread->who, subject->who);
    else if (entry && entry->yes)
        nv_buf_text(&thread->who, entry->who);
    bool refused = entry && !entry->yes;
    pthread_mutex_unlock(&review->lock);

    if (refused)
        return NV_REVIEW_NOBODY;
    if (thread->who.failed || (!thread->who.n && away))
        return NV_REVIEW_AWAY;
    if (thread->who.n)
        return NV_REVIEW_ALLOWED;
    verdict = ask_who(thread, subject->token);
    if (verdict == NV_REVIEW_NOBODY)
        keep_who(review, subject, NULL);
    else if (verdict == NV_REVIEW_ALLOWED)
        keep_who(review, subject, nv_buf_c_string(&thread->who));
    return verdict;
}

static void free_subject(struct subject *subject)
{
    if (subject->token.n) {
        char *token;
        memcpy(&token, &subject->token.p, sizeof(token)); /* ours, though views are constant */
        explicit_bzero(token, subject->token.n);
        free(token);
    }
    free(subject->who);
    free(subject);
}

static void serve(struct thread *thread, struct subject *subject)
{
    struct nv_review *review = thread->review;
    enum nv_review_verdict verdict = identify(thread, subject);

    for (;;) {
        pthread_mutex_lock(&review->lock);
        struct nv_review_ask *ask = next_ask(review, subject);
        pthread_mutex_unlock(&review->lock);
        if (!ask)
            break;
        if (verdict == NV_REVIEW_ALLOWED)
            answer(thread, nv_buf_view(&thread->who), ask);
        else
            decide(ask, verdict, NV_LIT(""));
        tell(review, ask);
    }
    free_subject(subject);
}

static struct subject *find_queued(struct nv_review *review)
{
    struct subject *subject = review->subjects;

    while (subject && subject->running)
        subject = subject->next;
    return subject;
}

/* With the lock. NULL: it is time for the thread to leave. */
static struct subject *await_subject(struct nv_review *review)
{
    int64_t until_ns = nv_monotonic_ns() + NV_REVIEW_THREAD_IDLE_S * INT64_C(1000000000);
    int r = 0;

    review->idle++;
    while (!review->n_queued && !review->stopping && r != ETIMEDOUT)
        r = nv_cond_wait_until(&review->work, &review->lock, until_ns);
    review->idle--;
    struct subject *subject = find_queued(review);
    if (subject) {
        subject->running = true;
        review->n_queued--;
    }
    return subject;
}

static void free_thread(struct thread *thread)
{
    nv_http_free(thread->http);
    nv_buf_done(&thread->url);
    nv_buf_done(&thread->question);
    nv_buf_done(&thread->answer);
    nv_buf_done(&thread->who);
    free(thread);
}

static void *work(void *arg)
{
    struct thread *thread = arg;
    struct nv_review *review = thread->review;
    struct subject *subject;

    pthread_mutex_lock(&review->lock);
    while ((subject = await_subject(review))) {
        pthread_mutex_unlock(&review->lock);
        serve(thread, subject);
        pthread_mutex_lock(&review->lock);
    }
    thread->left = true; /* from here on nobody may wait for it */
    review->threads--;
    pthread_mutex_unlock(&review->lock);
    return NULL;
}

static struct thread *new_thread(struct nv_review *review)
{
    struct thread *thread = calloc(1, sizeof(*thread));

    if (!thread)
        return NULL;
    thread->review = review;
    thread->url = NV_BUF(4096);
    thread->question =
        NV_BUF(NV_REVIEW_WHO_MAX + NV_REVIEW_PATH_MAX * 8 + NV_REVIEW_TOKEN_MAX + 4096);
    thread->answer = NV_BUF(ANSWER_MAX);
    thread->who = NV_BUF(NV_REVIEW_WHO_MAX);
    if (pthread_create(&thread->id, NULL, work, thread) == 0)
        return thread;
    free_thread(thread);
    return NULL;
}

/* With the lock, which a thread that has left does not take any more. False where none can be made. */
static bool make_thread(struct nv_review *review)
{
    struct thread **slot = review->slots;

    while (*slot && !(*slot)->left)
        slot++; /* there is one: fewer run than there are places */
    if (*slot) {
        pthread_join((*slot)->id, NULL);
        free_thread(nv_take(*slot));
    }
    *slot = new_thread(review);
    if (!*slot)
        return false;
    pthread_setname_np((*slot)->id, "nv-review");
    review->threads++;
    return true;
}

/* ---- asking --------------------------------------------------------------------------------- */

static struct subject *find_subject(struct nv_review *review, const struct nv_review_digest *digest)
{
    struct subject *subject = review->subjects;

    while (subject && memcmp(&subject->digest, digest, sizeof(*digest)) != 0)
        subject = subject->next;
    return subject;
}

/* With the lock. NULL where there is no room, or no thread. */
static struct subject *add_subject(struct nv_review *review, const struct nv_review_digest *digest,
                                   struct nv_str token, const char *who, int64_t until_ns)
{
    struct subject *subject = NULL;

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
        !make_thread(review) && review->threads == 0) {
        free_subject(subject);
        return NULL;
    }
    struct subject **end = &review->subjects; /* in order of arrival */
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

    if (review->n_waiting == NV_REVIEW_WAITING_MAX || is_away(review, until_ns))
        return false;
    struct subject *subject = find_subject(review, digest);
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
    bool known = who ? recall_right(review, nv_str(who), ask, nv_monotonic_ns())
                     : recall(review, digest, ask);
    if (!known)
        waits = enqueue(review, digest, token, who, ask);
    pthread_mutex_unlock(&review->lock);
    if (waits)
        return false;
    if (!known)
        decide(ask, NV_REVIEW_AWAY, NV_LIT(""));
    __atomic_add_fetch(&review->stats.verdicts[ask->verdict], 1, __ATOMIC_RELAXED);
    return true;
}

/* Decides at once, without a look at anything. */
static bool refuse(struct nv_review *review, struct nv_review_ask *ask,
                   enum nv_review_verdict verdict)
{
    decide(ask, verdict, NV_LIT(""));
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
    make_digest(review, parts, NV_LEN(parts), &digest);
    if (ask->path.n > NV_REVIEW_PATH_MAX || ask->verb.n > NV_REVIEW_SAID_MAX)
        return refuse(review, ask, NV_REVIEW_DENIED);
    if (!is_digest(&digest))
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
    make_digest(review, parts, NV_LEN(parts), &digest);
    if (!user.n)
        return refuse(review, ask, NV_REVIEW_NOBODY);
    if (ask->path.n > NV_REVIEW_PATH_MAX || ask->verb.n > NV_REVIEW_SAID_MAX)
        return refuse(review, ask, NV_REVIEW_DENIED);
    if (who.failed || !is_digest(&digest))
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
        free_thread(nv_take(review->slots[i]));
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
