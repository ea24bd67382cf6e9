/*
 * answers.h - what the HTTP API tells of this agent: the callbacks of web/api.h.
 *
 *   targets    the agent itself, as a central Prometheus would list it: one for each set of target labels that
 *              collectors have, with the URL of our own /metrics; then those that are scraped
 *   metadata   of the families the collectors have shown so far; where nothing samples them and nobody has scraped yet,
 *              one pass is made
 *   threads    any
 */
#ifndef NV_AGENT_ANSWERS_H
#define NV_AGENT_ANSWERS_H

#include "agent/outgoing.h"
#include "agent/configured.h"
#include "agent/history.h"
#include "agent/life.h"
#include "agent/options.h"
#include "agent/scraping.h"
#include "web/api.h"
#include "web/web.h"

struct nv_answers {
    const struct nv_options *options;
    const struct nv_history *history; /* NULL: none is kept */
    struct nv_gather *gather;
    const struct nv_web *web;
    const struct nv_identity *identity;
    struct nv_life *life;
    struct nv_configured *configured;
    const struct nv_outgoing *outgoing;
    const struct nv_scraping *scraping;
    int64_t started_ms; /* wall time */
};

/* The callbacks, to be given the answers as their user. */
extern const struct nv_api_sources nv_answers_sources;

/* answers_scrape.c: targets that are scraped, and what they told of their families. */
int nv_answer_scraped_targets(const struct nv_answers *answers,
                              int (*each)(void *to, const struct nv_api_target *target), void *to);
int nv_answer_pools(void *user, int (*each)(void *to, struct nv_str pool), void *to);
int nv_answer_scraped_families(const struct nv_answers *answers,
                               int (*each)(void *to, const struct nv_api_family *family), void *to);

/* answers_store.c: those about the store. */
int nv_answer_head(void *user, size_t limit, struct nv_store_head *ret);
int nv_answer_blocks(void *user, int (*each)(void *to, const struct nv_block_info *block),
                     void *to);
int nv_answer_delete(void *user, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                     int64_t to_ms);
int nv_answer_clean(void *user);
int nv_answer_snapshot(void *user, bool skip_head, char name[NV_BLOCK_NAME_MAX]);

#endif
