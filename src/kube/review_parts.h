/*
 * review_parts.h - the inside of a review. Only src/kube includes this.
 *
 *   review_known.c    what was said before, under digests; what clients are told
 *   review_call.c     questions to the API server
 *   review_threads.c  one subject at a time is a thread's
 *   review.c          who asks; making and ending
 */
#ifndef NV_KUBE_REVIEW_PARTS_H
#define NV_KUBE_REVIEW_PARTS_H

#include "base/cond.h"
#include "base/http.h"
#include "base/log.h"
#include "kube/review.h"
#include "kube/review_cache.h"
#include "kube/review_text.h"

/* Of whom is asked: a token, or a user whom a certificate has shown. */
struct nv_review_subject {
    struct nv_review_digest digest;
    struct nv_str token; /* owned; or: */
    char *who;           /* owned */
    struct nv_review_ask *first, **last;
    int64_t until_ns; /* when nobody waits for it any more */
    bool running;
    struct nv_review_subject *next;
};

/* A thread that asks. It stays in its place, and is joined, when it has left. */
struct nv_review_thread {
    struct nv_review *review;
    pthread_t id;
    bool left;            /* with the lock */
    struct nv_http *http; /* NULL until it is needed */
    struct nv_buf url, question, answer, who;
};

struct nv_review {
    char *url, *token_file, *ca_file;
    struct nv_str *audiences;
    size_t n_audiences;
    int64_t who_ms, yes_ms, no_ms, call_ms;
    uint8_t key[NV_REVIEW_DIGEST];

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    struct nv_review_cache tokens, rights;
    struct nv_review_subject *subjects;
    size_t n_subjects, n_waiting, n_queued, threads, idle;
    struct nv_review_thread *slots[NV_REVIEW_THREADS_MAX];
    bool stopping;
    int64_t away_until_ns;
    struct nv_complaint complaint;
    struct nv_review_stats stats;
};

/* ---- review_known.c ------------------------------------------------------------------------- */

/* Of parts, told apart by their lengths. */
void nv_review_make_digest(const struct nv_review *review, const struct nv_str *parts, size_t n,
                           struct nv_review_digest *ret);
bool nv_review_is_digest(const struct nv_review_digest *digest); /* false: it could not be made */

/* Sets the verdict, and what the client is told. */
void nv_review_decide(struct nv_review_ask *ask, enum nv_review_verdict verdict,
                      struct nv_str user);

/* With the lock. Whether what is asked is known: of somebody, of whom a token is. */
bool nv_review_recall_right(struct nv_review *review, struct nv_str who, struct nv_review_ask *ask,
                            int64_t now_ns);
bool nv_review_recall(struct nv_review *review, const struct nv_review_digest *token,
                      struct nv_review_ask *ask);

/* NULL: the token is nobody's. */
void nv_review_keep_who(struct nv_review *review, const struct nv_review_subject *subject,
                        const char *who);
void nv_review_keep_right(struct nv_review *review, struct nv_str who,
                          const struct nv_review_ask *ask, bool yes);

/* ---- review_call.c -------------------------------------------------------------------------- */

/* Whose the token is, into thread->who. */
enum nv_review_verdict nv_review_ask_who(struct nv_review_thread *thread, struct nv_str token);
enum nv_review_verdict nv_review_ask_right(struct nv_review_thread *thread, struct nv_str who,
                                           const struct nv_review_ask *ask);

/* ---- review_threads.c ----------------------------------------------------------------------- */

/* With the lock, which a thread that has left does not take any more. False where none can be made. */
bool nv_review_make_thread(struct nv_review *review);
void nv_review_free_thread(struct nv_review_thread *thread);
void nv_review_free_subject(struct nv_review_subject *subject);

/* With the lock. Whether there is no use in asking: it failed just now, or nobody waits any more. */
bool nv_review_is_away(const struct nv_review *review, int64_t until_ns);

#endif
