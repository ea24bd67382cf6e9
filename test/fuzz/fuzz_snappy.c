/*
 * fuzz_snappy.c - bytes as a block, and as a text: what unpacks, and any text, comes back from a block of ours.
 */
#include "base/assert.h"
#include "web/snappy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct nv_str text)
{
    static struct nv_snappy snappy;
    NV_AUTO_BUF block = NV_BUF(4 << 20), again = NV_BUF(4 << 20);

    nv_snappy_pack(&snappy, text, &block);
    nv_assert(!block.failed);
    nv_assert(nv_snappy_unpack(nv_buf_view(&block), text.n, &again) == 0);
    nv_assert(nv_str_eq(nv_buf_view(&again), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str bytes = {(const char *)data, size};
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    if (size > 1 << 20)
        return 0;
    if (nv_snappy_unpack(bytes, 1 << 20, &text) == 0)
        check_round_trip(nv_buf_view(&text));
    else
        nv_assert(text.n == 0);
    check_round_trip(bytes);
    return 0;
}
