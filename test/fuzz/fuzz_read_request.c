/*
 * fuzz_read_request.c - what a client may post to remote read: a block that unpacks to a request, or a request.
 */
#include "base/assert.h"
#include "web/read_message.h"
#include "web/snappy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(struct nv_str message)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_read_request request;
    char error[NV_READ_ERROR_MAX];

    int r = nv_read_request_parse(message, &memory, &request, error);
    nv_assert(r == 0 ? request.n <= NV_READ_QUERIES_MAX : request.n == 0);
    nv_assert(r == 0 || r == -EBADMSG || r == -E2BIG || r == -ENOTSUP || r == -ENOMEM);
    nv_read_request_done(&request);
    nv_arena_done(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str bytes = {(const char *)data, size};
    NV_AUTO_BUF message = NV_BUF(1 << 16);

    check_request(bytes);
    if (nv_snappy_unpack(bytes, 1 << 16, &message) == 0)
        check_request(nv_buf_view(&message));
    return 0;
}
