/*
 * digest.h - whether two jobs ask their targets in the same way: a hash of all that scraping depends on, but for where the
 * targets are, how they are labelled and when they are asked.
 */
#ifndef NV_SCRAPE_DIGEST_H
#define NV_SCRAPE_DIGEST_H

#include "config/config.h"

uint64_t nv_scrape_digest(const struct nv_config_scrape *config);

/* Likewise of the files and patterns of a file_sd_config. */
uint64_t nv_file_sd_digest(const struct nv_config_file_sd *config);

#endif
