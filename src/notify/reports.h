/*
 * reports.h - how the ways out of the agent's own receivers fare: what came of the last try of each, and of all.
 *
 *   bound      NV_REPORTS_MAX ways; those that are first tried later have none
 *   threads    any
 */
#ifndef NV_NOTIFY_REPORTS_H
#define NV_NOTIFY_REPORTS_H

#include <pthread.h>

#include "notify/dispatch.h"

enum { NV_REPORTS_MAX = 512, NV_REPORT_ERROR_MAX = 256 };

struct nv_report {
    char *receiver; /* owned */
    enum nv_way way;
    size_t index;          /* among the receiver's ways of that kind */
    uint64_t told, failed; /* tries since the configuration was read */
    int64_t tried_ms;
    char error[NV_REPORT_ERROR_MAX]; /* of the last try; empty when it was told */
};

struct nv_reports {
    pthread_mutex_t lock;
    struct nv_report *at[NV_REPORTS_MAX];
    size_t n;
};

void nv_reports_init(struct nv_reports *reports);
void nv_reports_done(struct nv_reports *reports);

/* Begins anew, as receivers may be others now. */
void nv_reports_forget(struct nv_reports *reports);

/* Takes down what came of a try: NULL when it was told, else why not. Without memory it is not taken down. */
void nv_reports_put(struct nv_reports *reports, const struct nv_notification *said,
                    const char *error);

/* Calls for each way of the receiver that was tried, with a copy that names no receiver: whoever is told may be slow. */
void nv_reports_each(struct nv_reports *reports, const char *receiver,
                     void (*tell)(void *user, const struct nv_report *report), void *user);

/* "webhook" and its like. */
const char *nv_way_name(enum nv_way way);

#endif
