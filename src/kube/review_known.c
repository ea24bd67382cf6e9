#include "kube/review_parts.h"

#include <gnutls/crypto.h>
#include <stdio.h>

enum { SHOWN_MAX = 100 /* bytes of a name or a path in what the client is told */ };

void nv_review_make_digest(const struct nv_review *review, const struct nv_str *parts, size_t n,
                           struct nv_review_digest *ret)
{
    gnutls_hmac_hd_t hmac;

    memset(ret, 0, sizeof(*ret));
    if (gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, review->key, sizeof(review->key)) < 0)
        return; /* out of memory: without a digest nothing is recalled, so that nobody gets another's verdict */
    for (size_t i = 0; i < n; i++) {
        uint64_t length = parts[i].n;
        (void)!gnutls_hmac(hmac, &length, sizeof(length));
        (void)!gnutls_hmac(hmac, parts[i].p, parts[i].n);
    }
    gnutls_hmac_deinit(hmac, ret->at);
}

bool nv_review_is_digest(const struct nv_review_digest *digest)
{
    static const struct nv_review_digest none;

    return memcmp(digest, &none, sizeof(none)) != 0;
}

static void digest_of_right(const struct nv_review *review, struct nv_str who,
                            const struct nv_review_ask *ask, struct nv_review_digest *ret)
{
    const struct nv_str parts[] = {NV_LIT("right"), who, ask->path, ask->verb};

    nv_review_make_digest(review, parts, NV_LEN(parts), ret);
}

static struct nv_str shortened(struct nv_str s)
{
    return (struct nv_str){s.p, s.n < SHOWN_MAX ? s.n : SHOWN_MAX};
}

void nv_review_decide(struct nv_review_ask *ask, enum nv_review_verdict verdict, struct nv_str user)
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

/* With the lock. What the rights say of somebody known; false where they say nothing. */
bool nv_review_recall_right(struct nv_review *review, struct nv_str who, struct nv_review_ask *ask,
                            int64_t now_ns)
{
    struct nv_review_digest digest;

    digest_of_right(review, who, ask, &digest);
    const struct nv_review_entry *entry =
        nv_review_is_digest(&digest) ? nv_review_cache_find(&review->rights, &digest, now_ns)
                                     : NULL;
    if (entry)
        nv_review_decide(ask, entry->yes ? NV_REVIEW_ALLOWED : NV_REVIEW_DENIED,
                         nv_review_user(who));
    return entry != NULL;
}

/* With the lock. */
bool nv_review_recall(struct nv_review *review, const struct nv_review_digest *token,
                      struct nv_review_ask *ask)
{
    int64_t now_ns = nv_monotonic_ns();
    const struct nv_review_entry *entry = nv_review_cache_find(&review->tokens, token, now_ns);

    if (!entry)
        return false;
    if (entry->yes)
        return nv_review_recall_right(review, nv_str(entry->who), ask, now_ns);
    nv_review_decide(ask, NV_REVIEW_NOBODY, NV_LIT(""));
    return true;
}

void nv_review_keep_who(struct nv_review *review, const struct nv_review_subject *subject,
                        const char *who)
{
    char *copy = who ? strdup(who) : NULL;

    if (who && !copy)
        return; /* it will be asked again */
    pthread_mutex_lock(&review->lock);
    nv_review_cache_put(&review->tokens, &subject->digest, who != NULL, copy, nv_monotonic_ns(),
                        who ? review->who_ms : review->no_ms);
    pthread_mutex_unlock(&review->lock);
}

void nv_review_keep_right(struct nv_review *review, struct nv_str who,
                          const struct nv_review_ask *ask, bool yes)
{
    struct nv_review_digest digest;

    digest_of_right(review, who, ask, &digest);
    if (!nv_review_is_digest(&digest))
        return;
    pthread_mutex_lock(&review->lock);
    nv_review_cache_put(&review->rights, &digest, yes, NULL, nv_monotonic_ns(),
                        yes ? review->yes_ms : review->no_ms);
    pthread_mutex_unlock(&review->lock);
}
