#include "base/assert.h"
#include "notify/dispatch_parts.h"

/* As Alertmanager walks its tree: the first child that fits, and its later siblings where it says `continue`; the route
 * itself where no child fits. */
static size_t walk(const struct nv_notify_route *route, const struct nv_alert *alert,
                   const struct nv_notify_route **ret, size_t room)
{
    size_t n = 0;

    if (!nv_matchers_fit(route->matchers.at, route->matchers.n, alert->labels, alert->n_labels))
        return 0;
    for (size_t i = 0; i < route->n_routes; i++) {
        size_t more = walk(&route->routes[i], alert, ret + n, room - n);
        n += more;
        if (more && !route->routes[i].continue_)
            break;
    }
    if (n == 0 && room > 0)
        ret[n++] = route;
    return n;
}

size_t nv_dispatch_route(const struct nv_notify_config *config, const struct nv_alert *alert,
                         const struct nv_notify_route *ret[NV_DISPATCH_ROUTES_MAX])
{
    return config->route ? walk(config->route, alert, ret, NV_DISPATCH_ROUTES_MAX) : 0;
}

unsigned nv_receiver_ways(const struct nv_notify_receiver *receiver)
{
    return (unsigned)(receiver->n_webhooks + receiver->n_emails + receiver->n_commands +
                      receiver->n_journals);
}

enum nv_way nv_receiver_way(const struct nv_notify_receiver *receiver, unsigned number,
                            size_t *ret_index, bool *ret_send_resolved)
{
    size_t i = number;

    *ret_index = i;
    if (i < receiver->n_webhooks) {
        *ret_send_resolved = receiver->webhooks[i].send_resolved;
        return NV_WAY_WEBHOOK;
    }
    *ret_index = i -= receiver->n_webhooks;
    if (i < receiver->n_emails) {
        *ret_send_resolved = receiver->emails[i].send_resolved;
        return NV_WAY_EMAIL;
    }
    *ret_index = i -= receiver->n_emails;
    if (i < receiver->n_commands) {
        *ret_send_resolved = receiver->commands[i].send_resolved;
        return NV_WAY_COMMAND;
    }
    *ret_index = i -= receiver->n_commands;
    nv_assert(i < receiver->n_journals);
    *ret_send_resolved = receiver->journals[i].send_resolved;
    return NV_WAY_JOURNAL;
}
