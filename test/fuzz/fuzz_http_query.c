/*
 * fuzz_http_query.c - what a client may send about itself: queries and Authorization headers. A value, escaped
 * again and put into a query of its own, reads back as itself.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "web/access.h"
#include "web/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct nv_str value)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    NV_AUTO_BUF text = NV_BUF(1 << 20);
    struct nv_query again;

    nv_buf_text(&text, "name[]=");
    for (size_t i = 0; i < value.n; i++)
        nv_buf_printf(&text, "%%%02x", (unsigned char)value.p[i]);
    nv_assert(!text.failed);
    nv_assert(nv_query_parse(nv_buf_view(&text), &memory, &again) == 0);
    nv_assert(again.n_names == 1 && nv_str_eq(again.names[0], value));
    nv_arena_done(&memory);
}

static void check_query(struct nv_str text)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_query query;

    if (nv_query_parse(text, &memory, &query) == 0) {
        for (size_t i = 0; i < query.n_collect; i++)
            check_round_trip(query.collect[i]);
        for (size_t i = 0; i < query.n_names; i++)
            check_round_trip(query.names[i]);
    }
    nv_arena_done(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_credentials credentials;
    char header[4096];

    if (size > 16384)
        return 0;
    check_query((struct nv_str){(const char *)data, size});
    snprintf(header, sizeof(header), "%.*s", (int)size, (const char *)data);
    if (nv_credentials_read(header, &credentials))
        nv_assert(!strchr(credentials.user, ':') &&
                  strlen(credentials.password) <= NV_PASSWORD_MAX);
    return 0;
}
