/*
 * fuzz_review.c - answers of the API server. Who is taken for somebody has a name, and goes into the next question as JSON
 * that reads back; a right needs the very word.
 */
#include <errno.h>

#include <nodevitals/json.h>

#include "base/assert.h"
#include "kube/review_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_question(struct nv_str who)
{
    NV_AUTO_BUF question = NV_BUF(1 << 20);

    nv_access_review_write(&question, who, NV_LIT("/metrics"), NV_LIT("get"));
    nv_assert(!question.failed);
    struct nv_json in = nv_json(nv_buf_view(&question));
    nv_json_skip(&in);
    nv_assert(nv_json_done(&in));
    nv_assert(nv_review_user(who).n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nv_str audience = NV_LIT("api");
    const struct nv_review_audiences none = {NULL, 0}, one = {&audience, 1};
    struct nv_str answer = {(const char *)data, size};
    NV_AUTO_BUF who = NV_BUF(NV_REVIEW_WHO_MAX), same = NV_BUF(NV_REVIEW_WHO_MAX);

    int r = nv_token_review_read(answer, &none, &who);
    int strict = nv_token_review_read(answer, &one, &same);
    nv_assert(r == 0 || r == NV_REVIEW_NO || r == -EBADMSG || r == -EFBIG || r == -ENOMEM);
    nv_assert(strict == r ||
              strict == NV_REVIEW_NO); /* an audience only ever takes something away */
    if (r == 0)
        check_question(nv_buf_view(&who));
    if (nv_access_review_read(answer) == 0)
        nv_assert(memmem(data, size, "true", 4) && r != 0);
    return 0;
}
