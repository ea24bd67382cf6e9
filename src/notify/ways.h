/*
 * ways.h - the ways of a receiver: webhook, mail, command, journal.
 *
 *   webhook    Alertmanager's webhook JSON, version 4, as a POST
 *   mail       one message to all of `to`; subject and text are templates over what the webhook's JSON has: .Receiver,
 *              .Status, .Alerts (.Firing and .Resolved alone too) of .Status .Labels .Annotations .StartsAt .EndsAt
 *              .GeneratorURL .Fingerprint, .GroupLabels, .CommonLabels, .CommonAnnotations, .ExternalURL
 *   command    the webhook's JSON on standard input; no shell, only the configured environment, output to nowhere; past its
 *              time it and all its children are killed. An exit status other than 0 is a failure
 *   journal    an entry for each alert: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, ALERT_STATUS, ALERT_NAME, ALERT_FINGERPRINT,
 *              ALERT_LABEL_<NAME>, ALERT_ANNOTATION_<NAME>
 *   bounds     NV_WAYS_TEXT_MAX bytes of a text; each way its own time
 *   threads    any; stop ends what is under way
 */
#ifndef NV_NOTIFY_WAYS_H
#define NV_NOTIFY_WAYS_H

#include "notify/dispatch.h"

enum { NV_WAYS_TEXT_MAX = 32 << 20, NV_WAYS_AT_ONCE = 8, NV_WAYS_MAIL_MS = 30000 };

struct nv_ways;

struct nv_ways *nv_ways_new(const char *external_url); /* NULL when memory is out */
void nv_ways_free(struct nv_ways *ways);
NV_DEFINE_AUTO(nv_ways)

/* As nv_dispatch_options.send wants it. -ECANCELED after the stop. */
NV_MUST_USE int nv_ways_send(struct nv_ways *ways, const struct nv_notification *notification,
                             char error[NV_DISPATCH_ERROR_MAX]);
void nv_ways_stop(struct nv_ways *ways);

/* ---- texts ---------------------------------------------------------------------------------- */

/* The webhook's JSON; with max_alerts, no more than that (0: all). */
void nv_notification_write(struct nv_buf *out, const struct nv_notification *notification,
                           const char *external_url, size_t max_alerts);

/* A template over the notification; NULL for the usual subject or text. -EINVAL and why. */
NV_MUST_USE int nv_notification_subject(const struct nv_notification *notification,
                                        const char *external_url, const char *text,
                                        struct nv_buf *out, char error[NV_DISPATCH_ERROR_MAX]);
NV_MUST_USE int nv_notification_text(const struct nv_notification *notification,
                                     const char *external_url, const char *text, struct nv_buf *out,
                                     char error[NV_DISPATCH_ERROR_MAX]);

/* ---- for the ways themselves ---------------------------------------------------------------- */

/* What a stop has to end. One of the first two, or neither. */
struct nv_way_hold {
    struct nv_http *http;
    struct nv_mailer *mailer;
};

/* Returns 0 and a number; -ECANCELED after the stop; -EAGAIN where NV_WAYS_AT_ONCE are under way. */
NV_MUST_USE int nv_ways_hold(struct nv_ways *ways, struct nv_way_hold hold, unsigned *ret);
void nv_ways_release(struct nv_ways *ways, unsigned number);
int nv_ways_stop_fd(const struct nv_ways *ways); /* readable after the stop */

int nv_way_webhook(struct nv_ways *ways, const struct nv_notify_webhook *webhook,
                   struct nv_str body, char error[NV_DISPATCH_ERROR_MAX]);
int nv_way_email(struct nv_ways *ways, const struct nv_notify_email *email,
                 const struct nv_notification *notification, const char *external_url,
                 char error[NV_DISPATCH_ERROR_MAX]);
int nv_way_command(struct nv_ways *ways, const struct nv_notify_command *command,
                   struct nv_str body, char error[NV_DISPATCH_ERROR_MAX]);
int nv_way_journal(const struct nv_notify_journal *journal,
                   const struct nv_notification *notification, const char *socket_path,
                   char error[NV_DISPATCH_ERROR_MAX]);

#endif
