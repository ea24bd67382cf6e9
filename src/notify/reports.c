#include "notify/reports.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/notify_config.h"

static const char *const names[] = {
    [NV_WAY_WEBHOOK] = "webhook",
    [NV_WAY_EMAIL] = "email",
    [NV_WAY_COMMAND] = "command",
    [NV_WAY_JOURNAL] = "journal",
};

const char *nv_way_name(enum nv_way way)
{
    return names[way];
}

void nv_reports_init(struct nv_reports *reports)
{
    *reports = (struct nv_reports){.n = 0};
    pthread_mutex_init(&reports->lock, NULL);
}

static void drop_all(struct nv_reports *reports)
{
    while (reports->n > 0) {
        struct nv_report *report = reports->at[--reports->n];
        free(report->receiver);
        free(report);
    }
}

void nv_reports_done(struct nv_reports *reports)
{
    drop_all(reports);
    pthread_mutex_destroy(&reports->lock);
}

void nv_reports_forget(struct nv_reports *reports)
{
    pthread_mutex_lock(&reports->lock);
    drop_all(reports);
    pthread_mutex_unlock(&reports->lock);
}

/* NULL for lack of memory or room. With the lock. */
static struct nv_report *find_or_add(struct nv_reports *reports, const struct nv_notification *said)
{
    for (size_t i = 0; i < reports->n; i++) {
        struct nv_report *one = reports->at[i];
        if (one->way == said->way && one->index == said->index &&
            strcmp(one->receiver, said->receiver->name) == 0)
            return one;
    }
    if (reports->n >= NV_REPORTS_MAX)
        return NULL;
    struct nv_report *report = calloc(1, sizeof(*report));
    char *receiver = report ? strdup(said->receiver->name) : NULL;
    if (!receiver) {
        free(report);
        return NULL;
    }
    report->receiver = receiver;
    report->way = said->way;
    report->index = said->index;
    reports->at[reports->n++] = report;
    return report;
}

void nv_reports_put(struct nv_reports *reports, const struct nv_notification *said,
                    const char *error)
{
    pthread_mutex_lock(&reports->lock);
    struct nv_report *report = find_or_add(reports, said);
    if (report) {
        report->told += !error;
        report->failed += !!error;
        report->tried_ms = said->now_ms;
        snprintf(report->error, sizeof(report->error), "%s", error ? error : "");
    }
    pthread_mutex_unlock(&reports->lock);
}

static bool copy_of(struct nv_reports *reports, size_t i, const char *receiver,
                    struct nv_report *ret, bool *ret_fits)
{
    pthread_mutex_lock(&reports->lock);
    bool there = i < reports->n;
    *ret_fits = there && strcmp(reports->at[i]->receiver, receiver) == 0;
    if (*ret_fits)
        *ret = *reports->at[i];
    pthread_mutex_unlock(&reports->lock);
    ret->receiver = NULL;
    return there;
}

void nv_reports_each(struct nv_reports *reports, const char *receiver,
                     void (*tell)(void *user, const struct nv_report *report), void *user)
{
    struct nv_report one;
    bool fits;

    for (size_t i = 0; copy_of(reports, i, receiver, &one, &fits); i++) {
        if (fits)
            tell(user, &one);
    }
}
