#include "web/server.h"

#include <errno.h>

#include "base/assert.h"

/* Of the collector's frame: its pass also has what the agent tells of itself. */
static const char *const container_families[] = {"container_", "machine_", "cadvisor_", NULL};

bool nv_is_exposed(const struct nv_web *web, struct nv_str name)
{
    return web->exposed.has && web->exposed.has(web->exposed.user, name);
}

static bool is_among(struct nv_str name, const struct nv_str *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (nv_str_eq(name, list[i]))
            return true;
    }
    return false;
}

static bool is_wanted(const struct nv_shown *shown, struct nv_str name)
{
    const struct nv_query *query = &shown->request->wanted;

    if (shown->name)
        return nv_str_is(name, shown->name);
    if (nv_str_is(name, NV_WEB_RESOURCE))
        return false;
    return query->n_collect ? is_among(name, query->collect, query->n_collect)
                            : !is_among(name, query->exclude, query->n_exclude);
}

static int make_room(struct nv_shown *shown)
{
    size_t room = shown->room ? shown->room * 2 : 16;

    if (shown->n < shown->room)
        return 0;
    struct nv_expo_part *old = shown->parts == &shown->own ? NULL : shown->parts;
    struct nv_expo_part *parts = reallocarray(old, room, sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    if (!old && shown->n)
        parts[0] = shown->own;
    shown->parts = parts;
    shown->room = room;
    return 0;
}

static void add(void *to, struct nv_str name, struct nv_frame *frame)
{
    struct nv_shown *shown = to;

    if (!is_wanted(shown, name) || shown->n == NV_WEB_EXPOSED_MAX || shown->failed)
        return;
    shown->failed = make_room(shown);
    if (!shown->failed)
        shown->parts[shown->n++] = (struct nv_expo_part){nv_frame_ref(frame), NULL};
}

static void add_all(struct nv_shown *shown, const char *name)
{
    const struct nv_web_exposed *exposed = &shown->web->exposed;

    shown->name = name;
    if (exposed->each)
        exposed->each(exposed->user, add, shown);
}

int nv_shown_init(struct nv_shown *shown, struct nv_web *web, const struct nv_request *request,
                  const struct nv_frame *frame)
{
    const char *const *prefixes = request->kind == NV_SCRAPE_ALL ? NULL : container_families;

    *shown = (struct nv_shown){.web = web, .request = request, .parts = &shown->own};
    if (frame) {
        shown->own = (struct nv_expo_part){frame, prefixes};
        shown->n = 1;
    }
    if (request->kind != NV_SCRAPE_RESOURCE || frame ||
        !nv_is_exposed(web, nv_str(NV_WEB_RESOURCE)))
        add_all(shown, request->kind == NV_SCRAPE_ALL ? NULL : NV_WEB_CONTAINER);
    else
        add_all(shown, NV_WEB_RESOURCE);
    if (shown->failed)
        nv_shown_done(shown);
    return shown->failed;
}

void nv_shown_done(struct nv_shown *shown)
{
    /* The caller's own frame is no count of ours. */
    for (size_t i = shown->n && shown->own.frame ? 1 : 0; i < shown->n; i++) {
        struct nv_frame *frame;
        memcpy(&frame, &shown->parts[i].frame, sizeof(frame)); /* writers see them as constant */
        nv_frame_unref(frame);
    }
    if (shown->parts != &shown->own)
        free(shown->parts);
    shown->parts = &shown->own;
    shown->n = 0;
}
