/*
 * exposed.h - what scraped targets expose, as the web server shows it.
 *
 * By the name of its job; the kubelet's own by the names that stand for it there: its container families are those of the
 * collector `container`.
 */
#ifndef NV_AGENT_EXPOSED_H
#define NV_AGENT_EXPOSED_H

#include "agent/scraping.h"
#include "web/web.h"

/* Borrows: it outlives the server. */
struct nv_web_exposed nv_exposed(struct nv_scraping *scraping);

#endif
