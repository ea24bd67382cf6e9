/*
 * fuzz_openmetrics.c - OpenMetrics pulled in: any bytes are refused or read, in pieces as in one, and what
 * is read is fit for the store.
 */
#include <errno.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "expo/openmetrics_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pieces {
    struct nv_str rest;
    size_t size;
};

static ssize_t fill(void *user, char *p, size_t n)
{
    struct pieces *pieces = user;

    if (n > pieces->size)
        n = pieces->size;
    if (n > pieces->rest.n)
        n = pieces->rest.n;
    memcpy(p, pieces->rest.n ? pieces->rest.p : p, n);
    pieces->rest = nv_str_from(pieces->rest, n);
    return (ssize_t)n;
}

static void is_fit(const struct nv_openmetrics_sample *sample)
{
    nv_assert(sample->name.n && sample->n_labels && sample->n_labels <= NV_OPENMETRICS_LABELS_MAX);
    for (size_t i = 0; i < sample->n_labels; i++) {
        nv_assert(sample->labels[i].name.n && sample->labels[i].value.n);
        nv_assert(nv_utf8_valid(sample->labels[i].name) && nv_utf8_valid(sample->labels[i].value));
        nv_assert(!i || nv_str_cmp(sample->labels[i - 1].name, sample->labels[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str text = {(const char *)data, size};
    struct pieces whole = {text, SIZE_MAX}, parts = {text, size % 5 + 1};
    NV_AUTO(nv_openmetrics_in) *a = nv_openmetrics_in_new(fill, &whole);
    NV_AUTO(nv_openmetrics_in) *b = nv_openmetrics_in_new(fill, &parts);
    struct nv_openmetrics_sample one, other;
    int r;

    nv_assert(a && b);
    do {
        r = nv_openmetrics_in_next(a, &one);
        nv_assert(nv_openmetrics_in_next(b, &other) == r);
        nv_assert(r == 0 || r == NV_OPENMETRICS_END || r == -EBADMSG);
        nv_assert(strcmp(nv_openmetrics_in_error(a), nv_openmetrics_in_error(b)) == 0);
        if (r)
            break;
        is_fit(&one);
        nv_assert(one.n_labels == other.n_labels && nv_str_eq(one.name, other.name));
        nv_assert(memcmp(&one.value, &other.value, sizeof(one.value)) == 0);
        nv_assert(one.has_time == other.has_time && one.time_ms == other.time_ms);
    } while (r == 0);
    return 0;
}
