/*
 * fuzz_lint.c - the linter says as many lines as it counts, or one that names the error.
 */
#include "base/assert.h"
#include "expo/expo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    NV_AUTO_BUF out = NV_BUF(64 << 20);
    int n_lines = 0;

    int r = nv_expo_lint((struct nv_str){(const char *)data, size}, &out);
    struct nv_str said = {out.p, out.n};
    if (r == -EBADMSG) {
        nv_assert(nv_str_starts(said, "error while linting: text format parsing error in line "));
        return 0;
    }
    while (said.n) {
        struct nv_str line = nv_str_cut(&said, '\n');
        n_lines += line.n > 0;
    }
    nv_assert(r == n_lines);
    return 0;
}
