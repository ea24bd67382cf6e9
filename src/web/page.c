#include "web/page.h"

#include <zlib.h>

enum { PAGE_MAX = 4 << 20 /* bytes of an asset, not compressed */ };

static const char index_name[] = "index.html", below[] = "/page/";

/*
 * Nothing from anywhere else, and nothing that stands in the markup itself: were a label ever taken for markup, it could
 * do nothing. The page may not be shown within another.
 */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
                             "'self' data:; connect-src 'self'; "
                             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct nv_page_asset *find(const char *name)
{
    for (const struct nv_page_asset *asset = nv_page_assets; asset->name; asset++)
        if (strcmp(asset->name, name) == 0)
            return asset;
    return NULL;
}

const struct nv_page_asset *nv_page_find(struct nv_connection *connection, const char *path)
{
    const char *name = strcmp(path, "/") == 0                         ? index_name
                       : strncmp(path, below, sizeof(below) - 1) == 0 ? path + sizeof(below) - 1
                                                                      : NULL;
    const struct nv_page_asset *asset = name ? find(name) : NULL;

    return asset && nv_api_may_ask(connection) ? asset : NULL;
}

static const char *header(struct nv_connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection->mhd, MHD_HEADER_KIND, name);

    return value ? value : "";
}

/* For the few clients that do not take gzip. NULL when memory is out. */
static struct MHD_Response *unpack(const struct nv_page_asset *asset)
{
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)asset->gzip,
                       .avail_in = (uInt)(asset->end - asset->gzip)};
    unsigned char *plain = malloc(PAGE_MAX);

    if (!plain || inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
        free(plain);
        return NULL;
    }
    stream.next_out = plain;
    stream.avail_out = PAGE_MAX;
    int r = inflate(&stream, Z_FINISH);
    size_t n = PAGE_MAX - stream.avail_out;
    inflateEnd(&stream);
    struct MHD_Response *response =
        r == Z_STREAM_END ? MHD_create_response_from_buffer(n, plain, MHD_RESPMEM_MUST_FREE) : NULL;
    if (!response)
        free(plain);
    return response;
}

static struct MHD_Response *make(struct nv_connection *connection,
                                 const struct nv_page_asset *asset)
{
    if (!nv_expo_accepts(nv_str(header(connection, "Accept-Encoding")), NV_CODING_GZIP))
        return unpack(asset);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        (size_t)(asset->end - asset->gzip), (void *)(uintptr_t)asset->gzip, MHD_RESPMEM_PERSISTENT);
    if (response)
        nv_add_header(response, "Content-Encoding", "gzip");
    return response;
}

enum MHD_Result nv_page_answer(struct nv_connection *connection, const char *method,
                               const struct nv_page_asset *asset)
{
    bool named = strcmp(asset->name, index_name) != 0; /* by its digest */
    bool same = strstr(header(connection, "If-None-Match"), asset->etag);

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return nv_answer_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    struct MHD_Response *response =
        same ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
             : make(connection, asset);
    if (response) {
        nv_add_header(response, "Content-Type", asset->type);
        nv_add_header(response, "ETag", asset->etag);
        nv_add_header(response, "Vary", "Accept-Encoding");
        nv_add_header(response, "Cache-Control",
                      named ? "private, max-age=31536000, immutable" : "no-cache");
        nv_add_header(response, "Content-Security-Policy", policy);
        nv_add_header(response, "X-Content-Type-Options", "nosniff");
        nv_add_header(response, "Referrer-Policy", "no-referrer");
        nv_add_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    }
    return nv_answer(connection, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}
