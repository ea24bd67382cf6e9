/*
 * scrape_store.h - stands where a scrape's frames go, and remembers them all.
 *
 *   series    as exposition has them, without the target's labels: "up", "a{b=\"c\"}"
 *   target    the value of its `instance`
 *   threads   any
 */
#ifndef NV_TEST_SCRAPE_STORE_H
#define NV_TEST_SCRAPE_STORE_H

#include "scrape/scrape.h"

enum { NV_SCRAPE_STORE_FRAMES_MAX = 32768 };

struct nv_scrape_store;
struct nv_scrape_store *nv_scrape_store_new(void);
void nv_scrape_store_free(struct nv_scrape_store *store);
struct nv_scrape_storage nv_scrape_store_storage(struct nv_scrape_store *store);

/* How many frames the target gave. */
size_t nv_scrape_store_count(struct nv_scrape_store *store, const char *target);

/* Waits until there are so many; fails the test after a minute. */
void nv_scrape_store_wait(struct nv_scrape_store *store, const char *target, size_t n);

/* Of its i-th frame; from the last one where i is negative (-1: the last). */
int64_t nv_scrape_store_time(struct nv_scrape_store *store, const char *target, int i);
uint32_t nv_scrape_store_source(struct nv_scrape_store *store, const char *target, int i);

/* The value of a series there, or NAN where it is absent. */
double nv_scrape_store_value(struct nv_scrape_store *store, const char *target, int i,
                             const char *series);

/* How many series are present there. */
size_t nv_scrape_store_present(struct nv_scrape_store *store, const char *target, int i);

/* How many sources were opened and not ended. */
size_t nv_scrape_store_open(struct nv_scrape_store *store);

#endif
