#include "config/notify_config.h"

#include <errno.h>

#include "config/config_parts.h"

enum { LIST_MAX = 64, PAIRS_MAX = 256, SIZE_MAX_ALERTS = 1000000 };

/* ---- small readers -------------------------------------------------------------------------- */

static int read_matchers(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with)
{
    struct nv_matcher_list *list = into;
    struct nv_matcher *all;

    (void)with;
    if (node->kind != NV_YAML_LIST)
        return nv_schema_refuse(schema, node,
                                "a list of matchers is wanted: ['severity=\"page\"']");
    int r = nv_schema_alloc(schema, NV_MATCHERS_MAX * sizeof(*all), &all);
    for (size_t i = 0; i < node->n && r == 0; i++) {
        struct nv_matcher matchers[NV_MATCHERS_MAX];
        char error[NV_MATCHERS_ERROR_MAX] = "";
        struct nv_str text = {NULL, 0};
        r = nv_schema_scalar(schema, node->items[i], &text);
        int n = r < 0 ? 0 : nv_matchers_parse(text, schema->memory, matchers, error);
        if (n < 0)
            return nv_schema_refuse(schema, node->items[i], "bad matcher: %s",
                                    n == -EINVAL ? error : "out of memory");
        for (int k = 0; k < n; k++) {
            int own = matchers[k].regex ? nv_config_own(schema, matchers[k].regex) : 0;
            r = r < 0 ? r : own;
            if (list->n < NV_MATCHERS_MAX)
                all[list->n++] = matchers[k];
            else
                r = nv_schema_refuse(schema, node, "more than %d matchers", NV_MATCHERS_MAX);
        }
    }
    list->at = all;
    return r;
}

/* A map of texts: struct nv_config_pairs. `with`: whether values are hidden (const bool *); NULL: no. */
static int read_pairs(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    const bool *hidden = with;
    struct nv_config_pairs *pairs = into;
    struct nv_config_pair *at;

    if (node->kind != NV_YAML_MAP)
        return nv_schema_refuse(schema, node, "a map of names and values is wanted");
    if (node->n > PAIRS_MAX)
        return nv_schema_refuse(schema, node, "more than %d entries", PAIRS_MAX);
    int r = nv_schema_alloc(schema, node->n * sizeof(*at), &at);
    for (size_t i = 0; i < node->n && r == 0; i++) {
        r = nv_schema_text(schema, node->pairs[i].key, &at[i].name, NULL);
        if (r == 0)
            r = hidden && *hidden
                    ? nv_schema_secret(schema, node->pairs[i].value, &at[i].value, NULL)
                    : nv_schema_text(schema, node->pairs[i].value, &at[i].value, NULL);
    }
    pairs->at = at;
    pairs->n = node->n;
    return r;
}

/* HOST:PORT */
static int read_smarthost(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                          const void *with)
{
    struct nv_str text = {NULL, 0};
    uint64_t port = 0;
    int r = nv_schema_scalar(schema, node, &text);

    (void)with;
    if (r < 0)
        return r;
    size_t colon = text.n;
    while (colon && text.p[colon - 1] != ':')
        colon--;
    struct nv_str digits = nv_str_from(text, colon);
    if (colon < 2 || !digits.n || !nv_is_digit(digits.p[0]) || !nv_str_to_u64(digits, &port) ||
        port == 0 || port > 65535)
        return nv_schema_refuse(schema, node, "'%.64s' is no HOST:PORT", text.p);
    *(const char **)into = text.p;
    return 0;
}

/* An address in a mail's head: no line ends within. */
static int read_address(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                        const void *with)
{
    int r = nv_schema_text(schema, node, into, with);

    if (r == 0 && strpbrk(*(const char **)into, "\r\n"))
        return nv_schema_refuse(schema, node, "a line end in an address");
    return r;
}

static int read_positive(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with)
{
    int r = nv_schema_milliseconds(schema, node, into, with);

    return r == 0 && *(int64_t *)into == 0 ? nv_schema_refuse(schema, node, "must not be 0") : r;
}

/* ---- receivers ------------------------------------------------------------------------------ */

static int read_url(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with)
{
    struct nv_str url = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &url);

    if (r < 0)
        return r;
    if (!nv_str_starts(url, "http://") && !nv_str_starts(url, "https://") &&
        !nv_str_starts(url, "unix:"))
        return nv_schema_refuse(schema, node,
                                "this is no URL; allowed: http://, https://, unix:PATH:");
    return nv_schema_secret(schema, node, into, with); /* such URLs often hold a token */
}

static int read_webhook(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const struct nv_schema_range counts = {0, SIZE_MAX_ALERTS};
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_notify_webhook, url, read_url, NULL),
        NV_KEY(struct nv_notify_webhook, url_file, nv_schema_path, NULL),
        NV_KEY(struct nv_notify_webhook, send_resolved, nv_schema_bool, NULL),
        NV_KEY(struct nv_notify_webhook, max_alerts, nv_schema_int, &counts),
        NV_FIELD("timeout", struct nv_notify_webhook, timeout_ms, read_positive, NULL),
        NV_FIELD("http_config", struct nv_notify_webhook, http, nv_schema_http, NULL),
    };
    struct nv_notify_webhook *webhook = item;

    *webhook = (struct nv_notify_webhook){
        .send_resolved = true, .timeout_ms = 10000, .http = NV_HTTP_CONFIG_DEFAULT};
    int r = nv_schema_read(schema, node, NV_KEYS(keys), webhook);
    if (r == 0 && !webhook->url == !webhook->url_file)
        return nv_schema_refuse(schema, node,
                                webhook->url ? "at most one of url & url_file must be configured"
                                             : "one of url or url_file must be configured");
    return r;
}

static int read_email(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const struct nv_schema_key keys[] = {
        NV_FIELD("to", struct nv_notify_email, to, read_address, NULL),
        NV_FIELD("from", struct nv_notify_email, from, read_address, NULL),
        NV_FIELD("hello", struct nv_notify_email, hello, read_address, NULL),
        NV_FIELD("smarthost", struct nv_notify_email, smarthost, read_smarthost, NULL),
        NV_FIELD("auth_username", struct nv_notify_email, auth_username, nv_schema_text, NULL),
        NV_FIELD("auth_password", struct nv_notify_email, auth_password, nv_schema_secret, NULL),
        NV_FIELD("auth_password_file", struct nv_notify_email, auth_password_file, nv_schema_path,
                 NULL),
        NV_FIELD("auth_identity", struct nv_notify_email, auth_identity, nv_schema_text, NULL),
        NV_FIELD("require_tls", struct nv_notify_email, require_tls, nv_schema_bool, NULL),
        NV_FIELD("send_resolved", struct nv_notify_email, send_resolved, nv_schema_bool, NULL),
        NV_FIELD("tls_config", struct nv_notify_email, tls, nv_schema_tls, NULL),
        NV_FIELD("headers", struct nv_notify_email, headers, read_pairs, NULL),
        NV_FIELD("text", struct nv_notify_email, text, nv_schema_text, NULL),
        NV_WHOLE("html", nv_schema_not_provided, "mails are plain text"),
        NV_WHOLE("auth_secret", nv_schema_not_provided, NULL),
    };
    struct nv_notify_email *email = item;

    *email = schema->config->notify.smtp;
    int r = nv_schema_read(schema, node, NV_KEYS(keys), email);
    if (r < 0)
        return r;
    if (!email->to || !email->to[0])
        return nv_schema_refuse(schema, node, "missing to address in email config");
    if (!email->smarthost)
        return nv_schema_refuse(
            schema, node, "no smarthost; say it here or as smtp_smarthost in notify's global");
    if (!email->from || !email->from[0])
        return nv_schema_refuse(schema, node,
                                "no from address; say it here or as smtp_from in notify's global");
    if (email->auth_password && email->auth_password_file)
        return nv_schema_refuse(
            schema, node, "at most one of auth_password & auth_password_file must be configured");
    for (size_t i = 0; i < email->headers.n; i++) {
        if (strpbrk(email->headers.at[i].name, " \r\n:") || !email->headers.at[i].name[0])
            return nv_schema_refuse(schema, node, "'%.64s' is no name of a header",
                                    email->headers.at[i].name);
    }
    return 0;
}

static int read_command(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const bool hidden = true; /* programs take their keys from there */
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_notify_command, command, nv_schema_texts, NULL),
        NV_FIELD("timeout", struct nv_notify_command, timeout_ms, read_positive, NULL),
        NV_KEY(struct nv_notify_command, environment, read_pairs, &hidden),
        NV_KEY(struct nv_notify_command, send_resolved, nv_schema_bool, NULL),
    };
    struct nv_notify_command *command = item;

    *command = (struct nv_notify_command){.send_resolved = true, .timeout_ms = 10000};
    int r = nv_schema_read(schema, node, NV_KEYS(keys), command);
    if (r < 0)
        return r;
    if (!command->command.n || command->command.at[0][0] != '/')
        return nv_schema_refuse(schema, node,
                                "command must be a list that begins with an absolute path");
    if (command->command.n > NV_NOTIFY_ARGUMENTS_MAX)
        return nv_schema_refuse(schema, node, "more than %d arguments", NV_NOTIFY_ARGUMENTS_MAX);
    for (size_t i = 0; i < command->environment.n; i++) {
        const char *name = command->environment.at[i].name;
        if (!name[0] || strchr(name, '='))
            return nv_schema_refuse(schema, node, "'%.64s' is no name of a variable", name);
    }
    return 0;
}

static int read_journal(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_notify_journal, identifier, nv_schema_text, NULL),
        NV_KEY(struct nv_notify_journal, send_resolved, nv_schema_bool, NULL),
    };
    struct nv_notify_journal *journal = item;

    *journal = (struct nv_notify_journal){.identifier = "nodevitals-alert", .send_resolved = true};
    return nv_schema_read(schema, node, NV_KEYS(keys), journal);
}

#define WAYS(name, member, n_member, reader, singular)                                             \
    NV_FIELD(name, struct nv_notify_receiver, member, nv_schema_list,                              \
             NV_ITEMS(struct nv_notify_receiver, member, n_member, reader, LIST_MAX, singular))

static int read_receiver(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_notify_receiver, name, nv_schema_text, NULL),
        WAYS("webhook_configs", webhooks, n_webhooks, read_webhook, "webhook config"),
        WAYS("email_configs", emails, n_emails, read_email, "email config"),
        WAYS("command_configs", commands, n_commands, read_command, "command config"),
        WAYS("journal_configs", journals, n_journals, read_journal, "journal config"),
        NV_NOT_PROVIDED("discord_configs"),
        NV_NOT_PROVIDED("incidentio_configs"),
        NV_NOT_PROVIDED("jira_configs"),
        NV_NOT_PROVIDED("mattermost_configs"),
        NV_NOT_PROVIDED("msteams_configs"),
        NV_NOT_PROVIDED("msteamsv2_configs"),
        NV_NOT_PROVIDED("opsgenie_configs"),
        NV_NOT_PROVIDED("pagerduty_configs"),
        NV_NOT_PROVIDED("pushover_configs"),
        NV_NOT_PROVIDED("rocketchat_configs"),
        NV_NOT_PROVIDED("slack_configs"),
        NV_NOT_PROVIDED("sns_configs"),
        NV_NOT_PROVIDED("telegram_configs"),
        NV_NOT_PROVIDED("victorops_configs"),
        NV_NOT_PROVIDED("webex_configs"),
        NV_NOT_PROVIDED("wechat_configs"),
    };
    const struct nv_notify_receiver *receiver = item;
    int r = nv_schema_read(schema, node, NV_KEYS(keys), item);

    if (r == 0 && (!receiver->name || !receiver->name[0]))
        return nv_schema_refuse(schema, node, "missing name in receiver");
    return r;
}

static const struct nv_notify_receiver *find_receiver(const struct nv_notify_config *notify,
                                                      const char *name)
{
    for (size_t i = 0; i < notify->n_receivers; i++) {
        if (strcmp(notify->receivers[i].name, name) == 0)
            return &notify->receivers[i];
    }
    return NULL;
}

static int read_receivers(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                          const void *with)
{
    const struct nv_notify_config *notify = into;

    (void)with;
    int r = nv_schema_list(schema, node, &((struct nv_notify_config *)into)->receivers,
                           NV_ITEMS(struct nv_notify_config, receivers, n_receivers, read_receiver,
                                    NV_NOTIFY_RECEIVERS_MAX, "receiver"));
    for (size_t i = 0; i < notify->n_receivers && r == 0; i++) {
        if (find_receiver(notify, notify->receivers[i].name) != &notify->receivers[i])
            r = nv_schema_refuse(schema, node->items[i],
                                 "notification config name \"%.128s\" is not unique",
                                 notify->receivers[i].name);
    }
    return r;
}

/* ---- routes --------------------------------------------------------------------------------- */

static int read_routes(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with);

static int read_group_by(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with)
{
    struct nv_notify_route *route = into;
    int r = nv_schema_texts(schema, node, &route->group_by, with);

    route->has_group_by = true;
    route->group_by_all = false;
    for (size_t i = 0; i < route->group_by.n && r == 0; i++) {
        const char *name = route->group_by.at[i];
        route->group_by_all |= strcmp(name, "...") == 0;
        if (!name[0])
            return nv_schema_refuse(schema, node, "an empty name in group_by");
        for (size_t k = 0; k < i; k++) {
            if (strcmp(route->group_by.at[k], name) == 0)
                return nv_schema_refuse(schema, node, "duplicated label \"%.64s\" in group_by",
                                        name);
        }
    }
    if (r == 0 && route->group_by_all && route->group_by.n > 1)
        return nv_schema_refuse(schema, node,
                                "cannot have wildcard group_by (`...`) and other labels at the "
                                "same time");
    return r;
}

/* A route inherits what it does not say from `parent`, whose copy it begins as. */
static int read_route(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const struct nv_schema_key keys[] = {
        NV_FIELD("receiver", struct nv_notify_route, receiver_name, nv_schema_text, NULL),
        NV_KEY(struct nv_notify_route, matchers, read_matchers, NULL),
        NV_WHOLE("group_by", read_group_by, NULL),
        NV_FIELD("group_wait", struct nv_notify_route, group_wait_ms, nv_schema_milliseconds, NULL),
        NV_FIELD("group_interval", struct nv_notify_route, group_interval_ms, read_positive, NULL),
        NV_FIELD("repeat_interval", struct nv_notify_route, repeat_interval_ms, read_positive,
                 NULL),
        NV_FIELD("continue", struct nv_notify_route, continue_, nv_schema_bool, NULL),
        NV_WHOLE("routes", read_routes, NULL),
        NV_WHOLE("match", nv_schema_not_provided, "say it with matchers"),
        NV_WHOLE("match_re", nv_schema_not_provided, "say it with matchers"),
        NV_NOT_PROVIDED("mute_time_intervals"),
        NV_NOT_PROVIDED("active_time_intervals"),
    };

    return nv_schema_read(schema, node, NV_KEYS(keys), item);
}

/* Children are read after their parent's other keys are known, so here they are only kept. */
static int read_routes(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    (void)into;
    (void)with;
    if (node->kind != NV_YAML_LIST)
        return nv_schema_refuse(schema, node, "a list of routes is wanted");
    return 0;
}

struct tree {
    struct nv_schema *schema;
    const struct nv_notify_config *notify;
    unsigned n;
};

static int check_route(struct tree *tree, const struct nv_yaml *node, struct nv_notify_route *route)
{
    if (!route->receiver_name)
        return nv_schema_refuse(tree->schema, node, "root route must specify a default receiver");
    route->receiver = find_receiver(tree->notify, route->receiver_name);
    if (!route->receiver)
        return nv_schema_refuse(tree->schema, node, "undefined receiver \"%.128s\" used in route",
                                route->receiver_name);
    if (tree->n == NV_NOTIFY_ROUTES_MAX)
        return nv_schema_refuse(tree->schema, node, "more than %d routes", NV_NOTIFY_ROUTES_MAX);
    route->number = tree->n++;
    return 0;
}

static int build_route(struct tree *tree, const struct nv_yaml *node, unsigned depth,
                       const struct nv_notify_route *parent, struct nv_notify_route *route)
{
    const struct nv_yaml *children = nv_yaml_get(node, "routes");
    struct nv_notify_route *routes;

    *route = *parent;
    route->matchers = (struct nv_matcher_list){NULL, 0};
    route->continue_ = false;
    route->routes = NULL;
    route->n_routes = 0;
    if (depth > NV_NOTIFY_ROUTE_DEPTH_MAX)
        return nv_schema_refuse(tree->schema, node, "routes more than %d levels deep",
                                NV_NOTIFY_ROUTE_DEPTH_MAX);
    int r = read_route(tree->schema, node, route);
    if (r == 0)
        r = check_route(tree, node, route);
    if (r < 0 || !children || children->kind != NV_YAML_LIST)
        return r;
    if (children->n > NV_NOTIFY_ROUTES_MAX)
        return nv_schema_refuse(tree->schema, children, "more than %d routes",
                                NV_NOTIFY_ROUTES_MAX);
    r = nv_schema_alloc(tree->schema, children->n * sizeof(*routes), &routes);
    for (size_t i = 0; i < children->n && r == 0; i++)
        r = build_route(tree, children->items[i], depth + 1, route, &routes[i]);
    route->routes = routes;
    route->n_routes = children->n;
    return r;
}

static int build_routes(struct nv_schema *schema, const struct nv_yaml *node,
                        struct nv_notify_config *notify)
{
    static const struct nv_notify_route usual = {
        .group_wait_ms = 30000, .group_interval_ms = 300000, .repeat_interval_ms = 14400000};
    struct tree tree = {.schema = schema, .notify = notify};
    struct nv_notify_route *root;

    int r = nv_schema_alloc(schema, sizeof(*root), &root);
    if (r == 0)
        r = build_route(&tree, node, 1, &usual, root);
    if (r < 0)
        return r;
    if (root->matchers.n)
        return nv_schema_refuse(schema, node, "root route must not have any matchers");
    if (root->continue_)
        return nv_schema_refuse(schema, node, "cannot have continue in root route");
    notify->route = root;
    return 0;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static int read_inhibit(struct nv_schema *schema, const struct nv_yaml *node, void *item)
{
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_notify_inhibit, source_matchers, read_matchers, NULL),
        NV_KEY(struct nv_notify_inhibit, target_matchers, read_matchers, NULL),
        NV_KEY(struct nv_notify_inhibit, equal, nv_schema_texts, NULL),
        NV_WHOLE("source_match", nv_schema_not_provided, "say it with source_matchers"),
        NV_WHOLE("target_match", nv_schema_not_provided, "say it with target_matchers"),
    };
    const struct nv_notify_inhibit *inhibit = item;
    int r = nv_schema_read(schema, node, NV_KEYS(keys), item);

    if (r == 0 && (!inhibit->source_matchers.n || !inhibit->target_matchers.n))
        return nv_schema_refuse(schema, node,
                                "an inhibit rule needs source_matchers and target_matchers");
    return r;
}

static int read_global(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                       const void *with)
{
    static const struct nv_schema_key keys[] = {
        NV_FIELD("resolve_timeout", struct nv_notify_config, resolve_timeout_ms, read_positive,
                 NULL),
        NV_FIELD("smtp_from", struct nv_notify_config, smtp.from, read_address, NULL),
        NV_FIELD("smtp_hello", struct nv_notify_config, smtp.hello, read_address, NULL),
        NV_FIELD("smtp_smarthost", struct nv_notify_config, smtp.smarthost, read_smarthost, NULL),
        NV_FIELD("smtp_auth_username", struct nv_notify_config, smtp.auth_username, nv_schema_text,
                 NULL),
        NV_FIELD("smtp_auth_password", struct nv_notify_config, smtp.auth_password,
                 nv_schema_secret, NULL),
        NV_FIELD("smtp_auth_password_file", struct nv_notify_config, smtp.auth_password_file,
                 nv_schema_path, NULL),
        NV_FIELD("smtp_auth_identity", struct nv_notify_config, smtp.auth_identity, nv_schema_text,
                 NULL),
        NV_FIELD("smtp_require_tls", struct nv_notify_config, smtp.require_tls, nv_schema_bool,
                 NULL),
        NV_FIELD("smtp_tls_config", struct nv_notify_config, smtp.tls, nv_schema_tls, NULL),
    };

    (void)with;
    return nv_schema_read(schema, node, NV_KEYS(keys), into);
}

/* `global` and `receivers` are read before, since the others name them; `route` after. */
int nv_schema_notify(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    const struct nv_schema_key keys[] = {
        NV_WHOLE("global", nv_schema_nothing, NULL),
        NV_WHOLE("receivers", nv_schema_nothing, NULL),
        NV_WHOLE("route", nv_schema_nothing, NULL),
        NV_FIELD("inhibit_rules", struct nv_notify_config, inhibits, nv_schema_list,
                 NV_ITEMS(struct nv_notify_config, inhibits, n_inhibits, read_inhibit,
                          NV_NOTIFY_INHIBIT_MAX, "inhibit rule")),
        NV_FIELD("silences_file", struct nv_notify_config, silences_file, nv_schema_path, NULL),
        NV_WHOLE("templates", nv_schema_not_provided, NULL),
        NV_WHOLE("time_intervals", nv_schema_not_provided, NULL),
        NV_WHOLE("mute_time_intervals", nv_schema_not_provided, NULL),
    };
    struct nv_notify_config *notify = into;
    const struct nv_yaml *global = nv_yaml_get(node, "global");
    const struct nv_yaml *receivers = nv_yaml_get(node, "receivers");
    const struct nv_yaml *route = nv_yaml_get(node, "route");
    int r = 0;

    (void)with;
    notify->present = true;
    notify->resolve_timeout_ms = 300000;
    notify->smtp.require_tls = true;
    notify->smtp.hello = "localhost";
    if (global && !nv_yaml_is_null(global))
        r = read_global(schema, global, notify, NULL);
    if (r == 0 && receivers && !nv_yaml_is_null(receivers))
        r = read_receivers(schema, receivers, notify, NULL);
    if (r == 0)
        r = nv_schema_read(schema, node, NV_KEYS(keys), notify);
    if (r < 0)
        return r;
    if (route && !nv_yaml_is_null(route))
        return build_routes(schema, route, notify);
    return notify->n_receivers
               ? nv_schema_refuse(schema, node, "no routes provided: receivers need a route")
               : 0;
}
