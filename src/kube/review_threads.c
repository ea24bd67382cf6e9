/*
 * One subject at a time is a thread's: a token, or a user whom a certificate has shown. The thread finds out who it is and then
 * answers those who ask on its behalf, one after the other, those that come meanwhile too; so nothing is asked twice, and one
 * token, however many bring it, never holds more than one thread.
 */
#include "kube/review_parts.h"

#include <errno.h>

enum { ANSWER_MAX = 512 << 10 };

static void tell(struct nv_review *review, struct nv_review_ask *ask)
{
    __atomic_add_fetch(&review->stats.verdicts[ask->verdict], 1, __ATOMIC_RELAXED);
    ask->done(ask);
}

/* With the lock. From here on whoever asks about it begins anew. */
static void unlist(struct nv_review *review, struct nv_review_subject *subject)
{
    struct nv_review_subject **at = &review->subjects;

    while (*at != subject)
        at = &(*at)->next;
    *at = subject->next;
    review->n_subjects--;
}

/* With the lock. */
static struct nv_review_ask *take_first(struct nv_review *review, struct nv_review_subject *subject)
{
    struct nv_review_ask *ask = subject->first;

    if (!ask)
        return NULL;
    subject->first = ask->next;
    if (!subject->first)
        subject->last = &subject->first;
    review->n_waiting--;
    return ask;
}

bool nv_review_is_away(const struct nv_review *review, int64_t until_ns)
{
    int64_t now_ns = nv_monotonic_ns();

    return review->stopping || now_ns < review->away_until_ns || now_ns >= until_ns;
}

/* Decides what one asks, who is known. */
static void answer(struct nv_review_thread *thread, struct nv_str who, struct nv_review_ask *ask)
{
    struct nv_review *review = thread->review;

    pthread_mutex_lock(&review->lock);
    bool known = nv_review_recall_right(review, who, ask, nv_monotonic_ns());
    bool away = nv_review_is_away(review, ask->until_ns);
    pthread_mutex_unlock(&review->lock);
    if (known)
        return;
    enum nv_review_verdict verdict = away ? NV_REVIEW_AWAY : nv_review_ask_right(thread, who, ask);
    nv_review_decide(ask, verdict, nv_review_user(who));
    if (verdict != NV_REVIEW_AWAY)
        nv_review_keep_right(review, who, ask, verdict == NV_REVIEW_ALLOWED);
}

/* Who it is: the subject's own text, what was known before, or what the API server says. */
static enum nv_review_verdict identify(struct nv_review_thread *thread,
                                       struct nv_review_subject *subject)
{
    struct nv_review *review = thread->review;
    enum nv_review_verdict verdict = NV_REVIEW_AWAY;

    nv_buf_reset(&thread->who);
    pthread_mutex_lock(&review->lock);
    const struct nv_review_entry *entry =
        nv_review_cache_find(&review->tokens, &subject->digest, nv_monotonic_ns());
    bool away = nv_review_is_away(review, subject->until_ns);
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
    verdict = nv_review_ask_who(thread, subject->token);
    if (verdict == NV_REVIEW_NOBODY)
        nv_review_keep_who(review, subject, NULL);
    else if (verdict == NV_REVIEW_ALLOWED)
        nv_review_keep_who(review, subject, nv_buf_c_string(&thread->who));
    return verdict;
}

void nv_review_free_subject(struct nv_review_subject *subject)
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

/* Those who come while others are answered are answered, too. */
static void answer_all(struct nv_review_thread *thread, struct nv_review_subject *subject)
{
    struct nv_review *review = thread->review;

    for (;;) {
        pthread_mutex_lock(&review->lock);
        struct nv_review_ask *ask = take_first(review, subject);
        if (!ask)
            unlist(review, subject);
        pthread_mutex_unlock(&review->lock);
        if (!ask)
            return;
        answer(thread, nv_buf_view(&thread->who), ask);
        tell(review, ask);
    }
}

/* Only those who have come by now: what failed a moment ago may go well for others. */
static void refuse_all(struct nv_review_thread *thread, struct nv_review_subject *subject,
                       enum nv_review_verdict verdict)
{
    struct nv_review *review = thread->review;
    struct nv_review_ask *all = NULL, **last = &all, *ask;

    pthread_mutex_lock(&review->lock);
    unlist(review, subject);
    while ((ask = take_first(review, subject))) {
        *last = ask;
        last = &ask->next;
    }
    *last = NULL;
    pthread_mutex_unlock(&review->lock);
    while ((ask = all)) {
        all = ask->next; /* told, it may be gone */
        nv_review_decide(ask, verdict, NV_LIT(""));
        tell(review, ask);
    }
}

static void serve(struct nv_review_thread *thread, struct nv_review_subject *subject)
{
    enum nv_review_verdict verdict = identify(thread, subject);

    if (verdict == NV_REVIEW_ALLOWED)
        answer_all(thread, subject);
    else
        refuse_all(thread, subject, verdict);
    nv_review_free_subject(subject);
}

static struct nv_review_subject *find_queued(struct nv_review *review)
{
    struct nv_review_subject *subject = review->subjects;

    while (subject && subject->running)
        subject = subject->next;
    return subject;
}

/* With the lock. NULL: it is time for the thread to leave. */
static struct nv_review_subject *await_subject(struct nv_review *review)
{
    int64_t until_ns = nv_monotonic_ns() + NV_REVIEW_THREAD_IDLE_S * INT64_C(1000000000);
    int r = 0;

    review->idle++;
    while (!review->n_queued && !review->stopping && r != ETIMEDOUT)
        r = nv_cond_wait_until(&review->work, &review->lock, until_ns);
    review->idle--;
    struct nv_review_subject *subject = find_queued(review);
    if (subject) {
        subject->running = true;
        review->n_queued--;
    }
    return subject;
}

void nv_review_free_thread(struct nv_review_thread *thread)
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
    struct nv_review_thread *thread = arg;
    struct nv_review *review = thread->review;
    struct nv_review_subject *subject;

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

static struct nv_review_thread *new_thread(struct nv_review *review)
{
    struct nv_review_thread *thread = calloc(1, sizeof(*thread));

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
    nv_review_free_thread(thread);
    return NULL;
}

bool nv_review_make_thread(struct nv_review *review)
{
    struct nv_review_thread **slot = review->slots;

    while (*slot && !(*slot)->left)
        slot++; /* there is one: fewer run than there are places */
    if (*slot) {
        pthread_join((*slot)->id, NULL);
        nv_review_free_thread(nv_take(*slot));
    }
    *slot = new_thread(review);
    if (!*slot)
        return false;
    pthread_setname_np((*slot)->id, "nv-review");
    review->threads++;
    return true;
}
