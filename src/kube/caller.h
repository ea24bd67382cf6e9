/*
 * caller.h - one who asks the kubelet: on the ways there are, with the token and certificates of the moment.
 *
 *   ways       those with TLS are tried in turn from the one that worked last, until there is an answer, whatever it says; the
 *              port without TLS only where nobody listens on any of them, never for a certificate that does not verify; for
 *              some questions in a row where that took its time to find out
 *   silence    an address that takes no connection costs its share of the time, and leads on as one that refuses does
 *   token      read from its file for every request, so that rotation is seen; one that is refused is read and tried once
 *              more. Sent without TLS only where it was asked for
 *   deadline   NV_KUBE_CALL_MS for all ways together
 *   threads    one at a time, except that nv_kube_caller_cancel() may come from any
 */
#ifndef NV_KUBE_CALLER_H
#define NV_KUBE_CALLER_H

#include <pthread.h>

#include "base/http.h"
#include "kube/way.h"

enum { NV_KUBE_CALL_MS = 10000, NV_KUBE_CALL_ERROR_MAX = 768 };

/* Why there is no answer. */
enum nv_kube_failure {
    NV_KUBE_OK,
    NV_KUBE_CONNECT,
    NV_KUBE_TIMEOUT,
    NV_KUBE_TLS,
    NV_KUBE_TOKEN, /* its file cannot be read */
    NV_KUBE_UNAUTHORIZED,
    NV_KUBE_FORBIDDEN,
    NV_KUBE_STATUS, /* any other status than 200 */
    NV_KUBE_CUT,    /* the connection ended in mid-answer */
    NV_KUBE_TOO_LARGE,
    NV_KUBE_MALFORMED, /* the answer is not what was asked for */
    NV_KUBE_OTHER,
    NV_KUBE_FAILURES,
};
const char *nv_kube_failure_name(enum nv_kube_failure failure); /* as a label value */

/* Of what nv_http_ask() returned. After NV_KUBE_CONNECT another way is tried. */
enum nv_kube_failure nv_kube_failure_of(int error);

/* Texts are the owner's. */
struct nv_kube_access {
    const struct nv_kube_way *ways;
    size_t n_ways;
    const char *token_file; /* NULL: none */
    bool token_without_tls;
    const char *ca_file; /* NULL: those of the system */
    bool insecure_skip_verify;
    int64_t timeout_ms; /* 0: NV_KUBE_CALL_MS */
};

struct nv_kube_caller {
    const struct nv_kube_access *access;
    pthread_mutex_t lock; /* of http and cancelled */
    struct nv_http *http; /* for the way that was used last; NULL at first */
    bool cancelled;
    size_t way;           /* of http */
    bool worked;          /* there was an answer on it */
    size_t start;         /* the way that worked last */
    unsigned plain_turns; /* how often that may be one without TLS before the others are tried */
    char error[NV_KUBE_CALL_ERROR_MAX];
};

void nv_kube_caller_init(struct nv_kube_caller *caller, const struct nv_kube_access *access);
void nv_kube_caller_done(struct nv_kube_caller *caller);

/* GET of a path. The answer's body is in `into` where the outcome is NV_KUBE_OK; else a line for the user in `error`. */
NV_MUST_USE enum nv_kube_failure nv_kube_caller_get(struct nv_kube_caller *caller, const char *path,
                                                    struct nv_buf *into);

/* Begins with this way, which others found to work. */
void nv_kube_caller_prefer(struct nv_kube_caller *caller, size_t way);

/* Ends what runs, and all that would. */
void nv_kube_caller_cancel(struct nv_kube_caller *caller);

#endif
