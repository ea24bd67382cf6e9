/*
 * fuzz_regex.c - a pattern, a newline, a text. Anchored and searching must not contradict each other, the
 * groups must agree with the verdict and lie within the text.
 */
#include "base/regex.h"

#include "base/assert.h"
#include "base/buf.h"

enum { LENGTH_MAX = 300, SPANS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool try(struct nv_str pattern, enum nv_regex_kind kind, struct nv_str text)
{
    char error[NV_REGEX_ERROR_MAX];
    struct nv_str spans[SPANS];
    NV_AUTO(nv_regex) *regex = NULL;
    NV_AUTO_BUF out = NV_BUF(1 << 16);

    int r = nv_regex_new(pattern, kind, &regex, error);
    nv_assert(r == 0 || (r == -EINVAL && error[0]) || r == -ENOMEM);
    if (r < 0)
        return false;
    bool matches = nv_regex_match(regex, text);
    size_t n = nv_regex_groups(regex, text, spans, SPANS);
    nv_assert(!n || matches);
    for (size_t i = 0; i < n; i++)
        nv_assert(!spans[i].n ||
                  (spans[i].p >= text.p && spans[i].p + spans[i].n <= text.p + text.n));
    nv_assert(!n || kind == NV_REGEX_SEARCH || spans[0].n == text.n);
    nv_regex_expand(regex, text, spans, n, &out);
    return matches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str text = {(const char *)data, size < LENGTH_MAX ? size : LENGTH_MAX};
    struct nv_str pattern = nv_str_cut(&text, '\n');

    try(pattern, NV_REGEX_SEARCH, text);
    try(pattern, NV_REGEX_ANCHORED, text);
    return 0;
}
