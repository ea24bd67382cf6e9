/*
 * review.h - who somebody is and whether he may, as the API server of the cluster says.
 *
 *   who        whose a bearer token is (TokenReview); or the user that a certificate has shown
 *   may        get, post ... on a path of ours (SubjectAccessReview, nonResourceAttributes), with the agent's own token
 *   kept       whose a token is for NV_REVIEW_WHO_MS, that it is nobody's for NV_REVIEW_NO_MS; that he may for NV_REVIEW_YES_MS,
 *              that he may not for NV_REVIEW_NO_MS; under keyed hashes. Tokens themselves are kept only while they are asked about
 *   shared     who asks about a token that is being asked about waits for the same answer
 *   away       where the API server does not answer, what is kept serves to its end; all else is NV_REVIEW_AWAY, without
 *              another attempt for NV_REVIEW_AWAY_MS
 *   threads    any may ask; NV_REVIEW_THREADS_MAX that ask the API server, made when needed, gone when idle
 *   bounds     those below; tokens of NV_REVIEW_TOKEN_MAX bytes, paths of NV_REVIEW_PATH_MAX
 *   ownership  texts of the options are copied
 */
#ifndef NV_KUBE_REVIEW_H
#define NV_KUBE_REVIEW_H

#include <nodevitals/scan.h>

#include "base/cleanup.h"

enum {
    NV_REVIEW_WHO_MS = 120000,
    NV_REVIEW_YES_MS = 300000,
    NV_REVIEW_NO_MS = 30000,
    NV_REVIEW_AWAY_MS = 1000,
    NV_REVIEW_CALL_MS = 4000,      /* one question to the API server */
    NV_REVIEW_PATIENCE_MS = 10000, /* nobody is asked about later than this */
    NV_REVIEW_THREADS_MAX = 4,
    NV_REVIEW_THREAD_IDLE_S = 30,
    NV_REVIEW_TOKENS_MAX = 256,   /* being asked about at once */
    NV_REVIEW_WAITING_MAX = 1024, /* who waits for that */
    NV_REVIEW_TOKEN_MAX = 16 << 10,
    NV_REVIEW_PATH_MAX = 1024,
    NV_REVIEW_SAID_MAX = 256,
    NV_REVIEW_ERROR_MAX = 512,
};

enum nv_review_verdict {
    NV_REVIEW_ALLOWED,
    NV_REVIEW_NOBODY, /* 401 */
    NV_REVIEW_DENIED, /* 403 */
    NV_REVIEW_AWAY,   /* 503 */
    NV_REVIEW_VERDICTS,
};

struct nv_review_options {
    const char *url; /* of the API server; NULL: from KUBERNETES_SERVICE_HOST and _PORT */
    const char *token_file, *ca_file; /* NULL: those of the service account */
    const struct nv_str *audiences;   /* that a token may be for; none: the API server's own */
    size_t n_audiences;
    int64_t who_ms, yes_ms, no_ms, call_ms; /* 0: as above */
};

/* One question. The asker's, until done() is called. */
struct nv_review_ask {
    struct nv_str path, verb; /* live as long */
    void (*done)(
        struct nv_review_ask *ask); /* from a thread of the review; the question may be gone then */
    enum nv_review_verdict verdict;
    char said[NV_REVIEW_SAID_MAX]; /* a line for the client where he may not */
    int64_t until_ns;
    struct nv_review_ask *next;
};

struct nv_review;

/* Returns 0; -EINVAL, with a line in `error`, where it is not known where the API server is; -ENOMEM. Asks nothing yet. */
NV_MUST_USE int nv_review_new(const struct nv_review_options *options, struct nv_review **ret,
                              char error[NV_REVIEW_ERROR_MAX]);
void nv_review_free(struct nv_review *review); /* stops first */
NV_DEFINE_AUTO(nv_review)

/* True: the verdict is there. False: done() will be called. */
NV_MUST_USE bool nv_review_token(struct nv_review *review, struct nv_review_ask *ask,
                                 struct nv_str token);
NV_MUST_USE bool nv_review_person(struct nv_review *review, struct nv_review_ask *ask,
                                  struct nv_str user, const struct nv_str *groups, size_t n_groups);

/* Ends what runs. Everybody who waits is told NV_REVIEW_AWAY, as is whoever asks afterwards. */
void nv_review_stop(struct nv_review *review);

struct nv_review_stats {
    uint64_t verdicts[NV_REVIEW_VERDICTS];
    uint64_t token_reviews, access_reviews, failures; /* questions to the API server */
};
void nv_review_stats(struct nv_review *review, struct nv_review_stats *ret);

#endif
