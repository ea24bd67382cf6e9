/*
 * ask.h - the headers of a scrape, as Prometheus sends them.
 *
 *   Accept     scrape_protocols in their order, q from 0.6 down; the newer text forms with their escaping; then anything
 */
#ifndef NV_SCRAPE_ASK_H
#define NV_SCRAPE_ASK_H

#include "config/config.h"

void nv_scrape_write_accept(const struct nv_config_scrape *config, struct nv_buf *out);

/* "10", "0.5": the seconds a target has. */
void nv_scrape_write_timeout(int64_t timeout_ms, struct nv_buf *out);

/* "403 Forbidden"; a status without a name is its number. */
void nv_scrape_write_status(int status, struct nv_buf *out);

#endif
