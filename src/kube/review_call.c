#include "kube/review_parts.h"

#include <errno.h>
#include <stdio.h>

enum { CONNECT_MS = 2000, QUOTED_MAX = 300 };

static bool make_client(struct nv_review_thread *thread)
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

static void complain_status(struct nv_review_thread *thread, const char *path, int status)
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
static bool post(struct nv_review_thread *thread, const char *path, uint64_t *counter)
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
enum nv_review_verdict nv_review_ask_who(struct nv_review_thread *thread, struct nv_str token)
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

enum nv_review_verdict nv_review_ask_right(struct nv_review_thread *thread, struct nv_str who,
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
