#include <errno.h>

#include "web/endpoints.h"

enum { REASON_MAX = 64 << 10 };

static int run_reload(struct nv_exchange *x)
{
    NV_AUTO_BUF reason = NV_BUF(REASON_MAX);
    const struct nv_api *api = x->api;

    int r = api->sources.reload ? api->sources.reload(api->user, &reason) : 0;
    if (r < 0) {
        struct nv_writer *out = nv_raw(x, 500, "text/plain; charset=utf-8", false);
        nv_write_text(out, "failed to reload config: ");
        nv_write_text(out, reason.n ? nv_buf_c_string(&reason) : strerror(-r));
        nv_write_char(out, '\n');
        return 0;
    }
    nv_raw(x, 200, "text/plain; charset=utf-8", false);
    return 0;
}

static int run_quit(struct nv_exchange *x)
{
    static bool asked; /* atomic: there is one process to end */
    const char *text = __atomic_exchange_n(&asked, true, __ATOMIC_RELAXED)
                           ? "Termination already in progress."
                           : "Requesting termination... Goodbye!";

    nv_write_text(nv_raw(x, 200, "text/plain; charset=utf-8", false), text);
    if (x->api->sources.quit)
        x->api->sources.quit(x->api->user);
    return 0;
}

const struct nv_endpoint nv_api_life_endpoints[] = {
    {"/-/reload",            NV_POST | NV_PUT, NV_ENDPOINT_LIFECYCLE, run_reload},
    {"/-/quit", NV_POST | NV_PUT, NV_ENDPOINT_LIFECYCLE, run_quit},
    {0                     },
};
