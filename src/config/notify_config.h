/*
 * notify_config.h - `notify` of the configuration: ways out for alerts where there is no Alertmanager.
 *
 * The vocabulary is Alertmanager's where it has one:
 *
 *   notify:
 *     global: {smtp_smarthost, smtp_from, smtp_hello, smtp_auth_username, smtp_auth_password(_file),
 *              smtp_auth_identity, smtp_require_tls, resolve_timeout: 5m}
 *     route:                      # required with receivers; a tree
 *       receiver: ops             # the root names one; others inherit what they do not say
 *       matchers: ['severity="page"', 'team=~"a|b"']      # none at the root
 *       group_by: [alertname]     # or ['...'], all labels; none: one group
 *       group_wait: 30s
 *       group_interval: 5m
 *       repeat_interval: 4h
 *       continue: false           # whether its later siblings are tried too
 *       routes: [...]
 *     receivers:
 *     - name: ops
 *       webhook_configs:
 *       - {url | url_file, send_resolved: true, max_alerts: 0, timeout: 10s, http_config: {...}}
 *       email_configs:
 *       - {to, from, smarthost: HOST:PORT, hello, auth_username, auth_password(_file), auth_identity, require_tls: true,
 *          tls_config: {...}, headers: {Subject: TEMPLATE}, text: TEMPLATE, send_resolved: false}
 *       command_configs:
 *       - {command: [PATH, ARGUMENT ...], timeout: 10s, environment: {NAME: VALUE}, send_resolved: true}
 *       journal_configs:
 *       - {identifier: nodevitals-alert, send_resolved: true}
 *     inhibit_rules:
 *     - {source_matchers: [...], target_matchers: [...], equal: [LABEL ...]}
 *     silences_file: PATH         # where silences are kept; relative to the configuration's folder
 *
 *   bounds     those below
 *   ownership  all in the arena of the configuration; its expressions end with it
 */
#ifndef NV_CONFIG_NOTIFY_CONFIG_H
#define NV_CONFIG_NOTIFY_CONFIG_H

#include "config/http_config.h"
#include "metric/matcher.h"

enum {
    NV_NOTIFY_RECEIVERS_MAX = 256,
    NV_NOTIFY_ROUTES_MAX = 1024,
    NV_NOTIFY_ROUTE_DEPTH_MAX = 16,
    NV_NOTIFY_INHIBIT_MAX = 256,
    NV_NOTIFY_ARGUMENTS_MAX = 64,
};

struct nv_matcher_list {
    const struct nv_matcher *at;
    size_t n;
};

struct nv_config_pair {
    const char *name, *value;
};
struct nv_config_pairs {
    const struct nv_config_pair *at;
    size_t n;
};

struct nv_notify_webhook {
    const char *url, *url_file; /* one of them */
    bool send_resolved;
    int64_t max_alerts; /* 0: all */
    int64_t timeout_ms;
    struct nv_http_config http;
};

struct nv_notify_email {
    const char *to, *from, *hello;
    const char *smarthost; /* HOST:PORT */
    const char *auth_username, *auth_password, *auth_password_file, *auth_identity;
    bool require_tls, send_resolved;
    struct nv_tls_config tls;
    struct nv_config_pairs headers; /* values are templates */
    const char *text;               /* a template; NULL for the usual one */
};

struct nv_notify_command {
    struct nv_text_list command; /* an absolute path, then arguments */
    int64_t timeout_ms;
    struct nv_config_pairs environment; /* all there is */
    bool send_resolved;
};

struct nv_notify_journal {
    const char *identifier;
    bool send_resolved;
};

struct nv_notify_receiver {
    const char *name;
    const struct nv_notify_webhook *webhooks;
    const struct nv_notify_email *emails;
    const struct nv_notify_command *commands;
    const struct nv_notify_journal *journals;
    size_t n_webhooks, n_emails, n_commands, n_journals;
};

struct nv_notify_route {
    const struct nv_notify_receiver *receiver; /* what is inherited stands here too */
    struct nv_matcher_list matchers;
    struct nv_text_list group_by;
    bool group_by_all; /* '...' */
    bool continue_;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    const struct nv_notify_route *routes;
    size_t n_routes;
    unsigned number; /* of all routes, the root 0, in the order of the file: a name for groups */
    const char *receiver_name; /* as the file has it */
    bool has_group_by;
};

struct nv_notify_inhibit {
    struct nv_matcher_list source_matchers, target_matchers;
    struct nv_text_list equal;
};

struct nv_notify_config {
    bool present;
    int64_t resolve_timeout_ms;
    struct nv_notify_email smtp; /* the defaults of mails */
    const struct nv_notify_receiver *receivers;
    size_t n_receivers;
    const struct nv_notify_route *route; /* NULL where there is none */
    const struct nv_notify_inhibit *inhibits;
    size_t n_inhibits;
    const char *silences_file; /* NULL for none */
};

/* The reader of all that. */
int nv_schema_notify(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with);

/*
 * Alertmanager's notation: `a="b"`, `a=~b`, `{a!="b", "c d"!~"e"}`. Appends to `ret` what one text holds, at most
 * `max`; the caller ends them by nv_matcher_done(). Returns how many; -EINVAL with a reason; -ENOMEM.
 */
enum { NV_MATCHERS_MAX = 64, NV_MATCHERS_ERROR_MAX = 512 };
NV_MUST_USE int nv_matchers_parse(struct nv_str text, struct nv_arena *memory,
                                  struct nv_matcher ret[NV_MATCHERS_MAX],
                                  char error[NV_MATCHERS_ERROR_MAX]);

#endif
