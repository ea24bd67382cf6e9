/*
 * fuzz_matchers.c - matchers in Alertmanager's notation.
 */
#include <errno.h>

#include "base/assert.h"
#include "config/notify_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_matcher matchers[NV_MATCHERS_MAX];
    char error[NV_MATCHERS_ERROR_MAX] = "";
    struct nv_arena memory = NV_ARENA(8 << 20);
    const struct nv_label label = {NV_LIT("a"), NV_LIT("b")};

    int n = nv_matchers_parse((struct nv_str){(const char *)data, size}, &memory, matchers, error);
    nv_assert(n <= NV_MATCHERS_MAX && (n >= 0 || n == -ENOMEM || error[0]));
    for (int i = 0; i < n; i++) {
        nv_assert(matchers[i].name.n > 0);
        (void)nv_matchers_fit(&matchers[i], 1, &label, 1);
        nv_matcher_done(&matchers[i]);
    }
    nv_arena_done(&memory);
    return 0;
}
