#include "web/page.h"

/* The first page a browser sees on a plain exporter. Title and headings are node_exporter's, by which people and
 * probes know it. */
static const char landing_head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"UTF-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n" /* or a browser asks for one */
    "<title>Node Exporter</title>\n"
    "<style>html{color-scheme:light dark;background:Canvas;color:CanvasText}"
    "body{font-family:sans-serif;max-width:40em;margin:2em auto;padding:0 1em}</style>\n"
    "</head>\n"
    "<body>\n"
    "<h1>Node Exporter</h1>\n"
    "<h2>Prometheus Node Exporter</h2>\n";

static void add_escaped(struct nv_buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            nv_buf_text(out, "&amp;");
            break;
        case '<':
            nv_buf_text(out, "&lt;");
            break;
        case '>':
            nv_buf_text(out, "&gt;");
            break;
        case '"':
            nv_buf_text(out, "&quot;");
            break;
        default:
            nv_buf_char(out, *text);
        }
    }
}

static void add_fact(struct nv_buf *out, const char *name, const char *value)
{
    nv_buf_text(out, name);
    add_escaped(out, value ? value : "");
}

int nv_route_init(struct nv_web *web, const struct nv_web_options *options)
{
    NV_AUTO_BUF page = NV_BUF(64 << 10);

    nv_buf_text(&page, landing_head);
    add_fact(&page, "<p>Version: (version=", options->version);
    add_fact(&page, ", branch=", options->branch);
    add_fact(&page, ", revision=", options->revision);
    add_fact(&page, "), served by nodevitals</p>\n<ul>\n<li><a href=\"", web->telemetry_path);
    nv_buf_text(&page,
                "\">Metrics</a></li>\n"
                "<li><a href=\"/metrics/cadvisor\">Metrics of containers alone</a>, where they "
                "are collected</li>\n"
                "<li><a href=\"/metrics/resource\">CPU and memory of containers and pods</a>, "
                "for metrics-server</li>\n</ul>\n");
    if (nv_page_assets[0].name)
        nv_buf_text(&page,
                    "<p>The page that shows this node is for those who may use its API (<code>"
                    "--web.api-access</code>): on the node, or through a tunnel to it, under "
                    "the name localhost.</p>\n");
    nv_buf_text(&page, "</body>\n</html>\n");
    nv_buf_char(&page, '\0');
    if (page.failed)
        return page.failed;
    web->landing = nv_take(page.p);
    return 0;
}

/* As Go's mux has it: a path that ends in a slash stands for all below it. */
static bool is_telemetry(const struct nv_web *web, const char *path)
{
    size_t n = strlen(web->telemetry_path);

    return strcmp(path, web->telemetry_path) == 0 ||
           (web->telemetry_path[n - 1] == '/' && strncmp(path, web->telemetry_path, n) == 0);
}

enum MHD_Result nv_route(struct nv_connection *connection, const char *path, const char *method)
{
    struct nv_web *web = connection->web;

    if (is_telemetry(web, path))
        return nv_scrape(connection, NV_SCRAPE_ALL);
    if (strcmp(path, "/metrics/cadvisor") == 0)
        return nv_scrape(connection, NV_SCRAPE_CONTAINERS);
    if (strcmp(path, "/metrics/resource") == 0)
        return nv_scrape(connection, NV_SCRAPE_RESOURCE);
    if (connection->request.endpoint)
        return nv_api_begin(connection, method);
    const struct nv_page_asset *asset = nv_page_find(connection, path);
    if (asset)
        return nv_page_answer(connection, method, asset);
    if (strcmp(path, "/") != 0)
        return nv_answer_error(connection, MHD_HTTP_NOT_FOUND, "404 page not found\n");

    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(web->landing), web->landing, MHD_RESPMEM_PERSISTENT);
    if (response)
        nv_add_header(response, "Content-Type", "text/html; charset=UTF-8");
    return nv_answer(connection, MHD_HTTP_OK, response);
}

/* ---- health --------------------------------------------------------------------------------- */

static const char healthy[] = "/-/healthy", ready[] = "/-/ready";

bool nv_route_is_health(const char *path)
{
    return strcmp(path, healthy) == 0 || strcmp(path, ready) == 0;
}

static enum MHD_Result answer_plain(struct nv_connection *connection, const char *text)
{
    NV_AUTO_FREE char *copy = strdup(text);
    struct MHD_Response *response =
        copy ? MHD_create_response_from_buffer(strlen(copy), copy, MHD_RESPMEM_MUST_COPY) : NULL;

    if (response)
        nv_add_header(response, "Content-Type", "text/plain; charset=utf-8");
    return nv_answer(connection, MHD_HTTP_OK, response);
}

enum MHD_Result nv_route_health(struct nv_connection *connection, const char *path,
                                const char *method)
{
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return nv_answer_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    if (strcmp(path, healthy) == 0)
        return answer_plain(connection, "nodevitals is Healthy.\n");
    if (!__atomic_load_n(&connection->web->ready, __ATOMIC_RELAXED))
        return nv_answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Service Unavailable\n");
    return answer_plain(connection, "nodevitals is Ready.\n");
}
