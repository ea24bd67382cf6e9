/*
 * page.h - the page: a few files that a browser asks for, as they were bundled and compressed when the program was built.
 *
 *   "/"             for those who may ask the API: the page itself, which names the others by a digest of each
 *   "/page/<name>"  those others, which a browser may keep for ever
 *   without one     (built with NV_PAGE=OFF) and for everybody else "/" is a plain page of links
 */
#ifndef NV_WEB_PAGE_H
#define NV_WEB_PAGE_H

#include "web/server.h"

struct nv_page_asset {
    const char *name, *type, *etag;
    const unsigned char *gzip, *end; /* compressed */
};

/* A NULL name at the end. Generated: see src/web/page/build.sh. */
extern const struct nv_page_asset nv_page_assets[];

/* The asset a path leads to, for this client; NULL for none. */
const struct nv_page_asset *nv_page_find(struct nv_connection *connection, const char *path);

enum MHD_Result nv_page_answer(struct nv_connection *connection, const char *method,
                               const struct nv_page_asset *asset);

#endif
