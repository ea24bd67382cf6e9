/*
 * review_text.h - TokenReview and SubjectAccessReview, written and read.
 *
 * Who somebody is stays JSON, as the one answer had it and the other question takes it: `"user":"u","uid":"i","groups":
 * ["g"],"extra":{"k":["v"]}`, members that were missing left out, each checked to be of its kind.
 */
#ifndef NV_KUBE_REVIEW_TEXT_H
#define NV_KUBE_REVIEW_TEXT_H

#include <nodevitals/scan.h>

#include "base/buf.h"

enum {
    NV_REVIEW_WHO_MAX = 64 << 10, /* bytes of who somebody is */
    NV_REVIEW_AUDIENCES_MAX = 16,
};

enum nv_review_said {
    NV_REVIEW_NO = 1, /* the token is nobody's, or he may not */
};

struct nv_review_audiences {
    const struct nv_str *at;
    size_t n; /* 0: that of the API server */
};

void nv_token_review_write(struct nv_buf *out, struct nv_str token,
                           const struct nv_review_audiences *audiences);

/* 0 and who it is, appended to `who`; NV_REVIEW_NO; -EBADMSG where it is no such answer; -EFBIG, -ENOMEM. Where audiences
 * were asked for, the answer has to name one of them. */
NV_MUST_USE int nv_token_review_read(struct nv_str answer,
                                     const struct nv_review_audiences *audiences,
                                     struct nv_buf *who);

/* Who a certificate shows. */
void nv_review_write_user(struct nv_buf *who, struct nv_str user, const struct nv_str *groups,
                          size_t n_groups);

/* The name in it, between its quotes. */
struct nv_str nv_review_user(struct nv_str who);

void nv_access_review_write(struct nv_buf *out, struct nv_str who, struct nv_str path,
                            struct nv_str verb);

/* 0: he may; NV_REVIEW_NO; -EBADMSG. */
NV_MUST_USE int nv_access_review_read(struct nv_str answer);

#endif
