#include "agent/outgoing.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"

enum { CADENCE_MS = 15000 };

struct nv_notify *nv_outgoing_notify(const struct nv_outgoing *outgoing)
{
    return __atomic_load_n(&outgoing->notify, __ATOMIC_ACQUIRE);
}

int nv_outgoing_open(struct nv_outgoing *outgoing, const char *folder, const char *external_url)
{
    const struct nv_notify_options options = {.folder = folder, .external_url = external_url};
    struct nv_notify *notify = nv_notify_new(&options);

    if (!notify)
        return -ENOMEM;
    outgoing->external_url = external_url;
    __atomic_store_n(&outgoing->notify, notify, __ATOMIC_RELEASE);
    return 0;
}

void nv_outgoing_stop(struct nv_outgoing *outgoing)
{
    if (outgoing->notify)
        nv_notify_stop(outgoing->notify);
}

void nv_outgoing_done(struct nv_outgoing *outgoing)
{
    nv_notify_free(outgoing->notify);
    outgoing->notify = NULL;
}

int nv_outgoing_apply(void *user, struct nv_config *config, char error[NV_YAML_ERROR_MAX])
{
    const struct nv_outgoing *outgoing = user;
    struct nv_notify *notify = nv_outgoing_notify(outgoing);
    int r = notify ? nv_notify_apply(notify, config) : 0;

    if (r < 0)
        snprintf(error, NV_YAML_ERROR_MAX, "the notifiers cannot be set up: %s", strerror(-r));
    return r;
}

void nv_outgoing_send(void *user, const struct nv_rule_alert *of_rule, size_t n)
{
    const struct nv_outgoing *outgoing = user;
    struct nv_notify *notify = nv_outgoing_notify(outgoing);
    NV_AUTO_FREE struct nv_alert *out = calloc(n ? n : 1, sizeof(*out));
    NV_AUTO_BUF url = NV_BUF(NV_ALERT_BYTES_MAX);
    int64_t now_ms = nv_wall_ms();

    if (!notify || !out || n == 0)
        return;
    nv_notify_generator_url(&url, outgoing->external_url,
                            of_rule[0].expr); /* all are of one rule */
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct nv_alert){
            .labels = of_rule[i].labels,
            .annotations = of_rule[i].annotations,
            .n_labels = of_rule[i].n_labels,
            .n_annotations = of_rule[i].n_annotations,
            .starts_ms = of_rule[i].starts_ms,
            .ends_ms = of_rule[i].ends_ms,
            .resolved = of_rule[i].resolved,
            .updated_ms = now_ms,
            .generator_url = nv_buf_view(&url),
        };
    }
    nv_notify_send(notify, out, n);
}

/* ---- metrics -------------------------------------------------------------------------------- */

// clang-format off
static const struct nv_family columns[] = {
    {"prometheus_notifications_sent_total",     NV_COUNTER, NV_AS_IS, "Alerts that an Alertmanager has taken."},
    {"prometheus_notifications_errors_total",   NV_COUNTER, NV_AS_IS, "Alerts in attempts that failed."},
    {"prometheus_notifications_dropped_total",  NV_COUNTER, NV_AS_IS, "Alerts given up: refused, or too many while an Alertmanager was away."},
    {"prometheus_notifications_queue_length",   NV_GAUGE,   NV_AS_IS, "Alerts that wait for an Alertmanager."},
    {"prometheus_notifications_queue_capacity", NV_GAUGE,   NV_AS_IS, "How many may wait."},
};
static const struct nv_family discovered_column[] = {
    {"prometheus_notifications_alertmanagers_discovered", NV_GAUGE, NV_AS_IS, "Alertmanagers that are told."},
};
// clang-format on
static const struct nv_table table = {NV_LABELS("alertmanager"), columns, NV_LEN(columns)};
static const struct nv_table discovered = {NV_NO_LABELS, discovered_column, 1};

static int collect(struct nv_pass *pass)
{
    const struct nv_outgoing *outgoing = (const void *)nv_flag(pass, 0)->text.p;
    struct nv_alertmanagers_view view;

    nv_assert(outgoing->magic == NV_OUTGOING_MAGIC);
    struct nv_notify *notify = nv_outgoing_notify(outgoing);
    if (!notify)
        return 0;
    int r = nv_alertmanagers_view(nv_notify_alertmanagers(notify), &view);
    if (r < 0)
        return r;
    for (size_t i = 0; i < view.n_active; i++) {
        const struct nv_alertmanager_stats *stats = &view.active[i].stats;
        const uint64_t values[] = {stats->sent, stats->errors, stats->dropped, stats->queued,
                                   NV_ALERTMANAGER_QUEUE};
        static_assert(NV_LEN(values) == NV_LEN(columns), "one value a column");
        struct nv_str url = nv_str(view.active[i].url);
        nv_emit_row(pass, &table, &url, values, NV_LEN(values));
    }
    nv_emit_u64(pass, &discovered, NULL, 0, view.n_active);
    nv_alertmanagers_view_done(&view);
    return 0;
}

static const struct nv_flag flags[] = {
    {.name = "outgoing", .kind = NV_FLAG_TEXT},
    {0                 }
};

static const struct nv_collector outgoing_collector = {
    NV_ABI_STAMP,
    .name = "self.outgoing",
    .summary = "Alerts on their way out.",
    .tables = NV_TABLES(&table, &discovered),
    .flags = flags,
    .cadence_ms = CADENCE_MS,
    .collect = collect,
};

int nv_outgoing_add(struct nv_outgoing *outgoing, struct nv_gather *gather)
{
    outgoing->magic = NV_OUTGOING_MAGIC;
    outgoing->handle.text = (struct nv_str){(const char *)outgoing, sizeof(*outgoing)};
    return nv_gather_add(gather, &outgoing_collector, NV_GATHER_SELF, &outgoing->handle);
}
