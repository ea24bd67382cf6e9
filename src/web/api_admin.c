/*
 * api_admin.c - what changes the store, with --web.enable-admin-api only: snapshots, deleting.
 */
#include <errno.h>

#include "web/api_parts.h"

static int tell(struct nv_exchange *x, int r, const char *what)
{
    if (r == -EOPNOTSUPP)
        return nv_fail(x, NV_INTERNAL, "%s: history is kept in memory only", what);
    return r < 0 ? nv_fail(x, NV_INTERNAL, "%s: %s", what, strerror(-r)) : 0;
}

static int make_snapshot(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    char name[NV_BLOCK_NAME_MAX];
    bool skip_head;

    if (nv_ask_bool(x, "skip_head", "unable to parse boolean", &skip_head))
        return NV_ANSWERED;
    int r = sources->snapshot ? sources->snapshot(x->api->user, skip_head, name) : -EOPNOTSUPP;
    if (r < 0)
        return tell(x, r, "snapshot");
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    nv_write_member_text(out, "name", name);
    nv_write_object_end(out);
    return 0;
}

static int delete_series(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_selector_list selectors;
    int64_t from_ms, to_ms;
    struct nv_str any;
    int r = 0;

    if (!nv_asked(x, "match[]", &any))
        return nv_fail(x, NV_BAD_DATA, "no match[] parameter provided");
    if (nv_ask_time(x, "start", NV_API_TIME_MIN, &from_ms) ||
        nv_ask_time(x, "end", NV_API_TIME_MAX, &to_ms) || nv_ask_selectors(x, true, &selectors))
        return NV_ANSWERED;
    for (size_t i = 0; i < selectors.n && r == 0 && sources->delete_series; i++)
        r = sources->delete_series(x->api->user, selectors.at[i].at, selectors.at[i].n, from_ms,
                                   to_ms);
    return tell(x, r, "delete");
}

static int clean(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;

    return tell(x, sources->clean ? sources->clean(x->api->user) : 0, "clean tombstones");
}

const struct nv_endpoint nv_api_admin_endpoints[] = {
    {"/api/v1/admin/tsdb/snapshot", NV_POST | NV_PUT, NV_ENDPOINT_ADMIN, make_snapshot},
    {"/api/v1/admin/tsdb/delete_series",            NV_POST | NV_PUT, NV_ENDPOINT_ADMIN, delete_series},
    {"/api/v1/admin/tsdb/clean_tombstones",                             NV_POST | NV_PUT, NV_ENDPOINT_ADMIN, clean},
    {0 },
};
