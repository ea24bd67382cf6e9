/*
 * fuzz_promql.c - any bytes are refused or parsed, and what parses prints to a text that parses and prints
 * the same.
 */
#include <errno.h>
#include <stdint.h>

#include "base/assert.h"
#include "promql/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void (*writer)(struct nv_buf *, const struct nv_expr *);

static int once(struct nv_str text, writer print, struct nv_buf *out)
{
    struct nv_arena arena = NV_ARENA(16 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;
    int r = nv_promql_parse(text, NV_PROMQL_ALL, &arena, &promql, &error);

    nv_assert(r == 0 || r == -ENOMEM || (r == -EINVAL && error.text[0]));
    nv_assert(r != -EINVAL || (error.start <= text.n && error.end <= text.n));
    if (r == 0) {
        print(out, promql.root);
        nv_promql_done(&promql);
    }
    nv_arena_done(&arena);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    NV_AUTO_BUF first = NV_BUF(8 << 20), second = NV_BUF(8 << 20), lines = NV_BUF(8 << 20),
                third = NV_BUF(8 << 20), json = NV_BUF(8 << 20);
    struct nv_str text = {(const char *)data, size};

    if (size > 4096 || once(text, nv_promql_print, &first) < 0)
        return 0;
    nv_assert(once(nv_buf_view(&first), nv_promql_print, &second) == 0);
    nv_assert(nv_str_eq(nv_buf_view(&first), nv_buf_view(&second)));
    nv_assert(once(text, nv_promql_prettify, &lines) == 0);
    nv_assert(once(nv_buf_view(&lines), nv_promql_print, &third) == 0);
    nv_assert(nv_str_eq(nv_buf_view(&first), nv_buf_view(&third)));
    nv_assert(once(text, nv_promql_json, &json) == 0 && !json.failed);
    return 0;
}
