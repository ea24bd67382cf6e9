#include <errno.h>

#include "base/json_out.h"
#include "base/rfc3339.h"
#include "config/template.h"
#include "notify/ways.h"

/* ---- as JSON -------------------------------------------------------------------------------- */

static const char *status_of(bool firing)
{
    return firing ? "firing" : "resolved";
}

static struct nv_str fingerprint(const struct nv_alert *alert, char out[17])
{
    return (struct nv_str){
        out, (size_t)snprintf(out, 17, "%016llx", (unsigned long long)alert->fingerprint)};
}

/* The end of one that fires is not known; Go's zero time says so. */
static struct nv_str end_of(const struct nv_alert *alert, bool firing, char out[NV_RFC3339_MAX])
{
    if (firing)
        return NV_LIT("0001-01-01T00:00:00Z");
    return (struct nv_str){out, nv_rfc3339_ms(out, alert->ends_ms)};
}

static struct nv_str start_of(const struct nv_alert *alert, char out[NV_RFC3339_MAX])
{
    return (struct nv_str){out, nv_rfc3339_ms(out, alert->starts_ms)};
}

static void write_labels(struct nv_buf *out, const char *name, const struct nv_label *labels,
                         size_t n)
{
    nv_buf_printf(out, ",\"%s\":", name);
    nv_alert_write_labels(out, labels, n);
}

static void write_alert(struct nv_buf *out, const struct nv_alert *alert, bool firing)
{
    char text[NV_RFC3339_MAX], hex[17];

    nv_buf_char(out, '{');
    nv_json_member(out, "status", nv_str(status_of(firing)));
    write_labels(out, "labels", alert->labels, alert->n_labels);
    write_labels(out, "annotations", alert->annotations, alert->n_annotations);
    nv_json_member(out, "startsAt", start_of(alert, text));
    nv_json_member(out, "endsAt", end_of(alert, firing, text));
    nv_json_member(out, "generatorURL", alert->generator_url);
    nv_json_member(out, "fingerprint", fingerprint(alert, hex));
    nv_buf_char(out, '}');
}

void nv_notification_write(struct nv_buf *out, const struct nv_notification *said,
                           const char *external_url, size_t max_alerts)
{
    size_t n = max_alerts && max_alerts < said->n ? max_alerts : said->n;

    nv_buf_char(out, '{');
    nv_json_member(out, "receiver", nv_str(said->receiver->name));
    nv_json_member(out, "status", nv_str(status_of(said->n_firing > 0)));
    nv_buf_text(out, ",\"alerts\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            nv_buf_char(out, ',');
        write_alert(out, said->alerts[i], i < said->n_firing);
    }
    nv_buf_char(out, ']');
    write_labels(out, "groupLabels", said->group_labels, said->n_group_labels);
    write_labels(out, "commonLabels", said->common_labels, said->n_common_labels);
    write_labels(out, "commonAnnotations", said->common_annotations, said->n_common_annotations);
    nv_json_member(out, "externalURL", nv_str(external_url));
    nv_json_member(out, "version", NV_LIT("4"));
    nv_json_member(out, "groupKey", nv_str(said->group_key));
    nv_buf_printf(out, ",\"truncatedAlerts\":%zu}", said->n - n);
}

/* ---- through a template --------------------------------------------------------------------- */

static const char usual_subject[] =
    "[{{ if .Firing }}FIRING:{{ len .Firing }}{{ else }}RESOLVED{{ end }}]"
    "{{ range $name, $value := .GroupLabels }} {{ $value }}{{ end }}"
    "{{ if not .GroupLabels }}{{ range $name, $value := .CommonLabels }} {{ $value }}{{ end }}{{ "
    "end }}";

static const char usual_text[] =
    "{{ range .Alerts }}{{ if eq .Status \"firing\" }}FIRING{{ else }}RESOLVED{{ end }}"
    " {{ .Labels.alertname }} since {{ .StartsAt }}"
    "{{ if ne .Status \"firing\" }} until {{ .EndsAt }}{{ end }}\n"
    "{{ range $name, $value := .Annotations }}  {{ $name }}: {{ $value }}\n{{ end }}"
    "{{ range $name, $value := .Labels }}  {{ $name }} = {{ $value }}\n{{ end }}"
    "{{ if .GeneratorURL }}  {{ .GeneratorURL }}\n{{ end }}\n{{ end }}"
    "{{ if .ExternalURL }}Sent by {{ .ExternalURL }}\n{{ end }}";

enum { ALERT_FIELDS = 7 };

static int alert_value(struct nv_arena *memory, const struct nv_alert *alert, bool firing,
                       struct nv_template_value *ret)
{
    struct nv_template_pair *pairs = nv_arena_alloc(memory, ALERT_FIELDS * sizeof(*pairs));
    struct nv_template_value labels, annotations;
    char starts[NV_RFC3339_MAX], ends[NV_RFC3339_MAX], hex[17];

    if (!pairs || nv_template_labels(memory, alert->labels, alert->n_labels, &labels) < 0 ||
        nv_template_labels(memory, alert->annotations, alert->n_annotations, &annotations) < 0)
        return -ENOMEM;
    // clang-format off
    const struct nv_template_pair all[ALERT_FIELDS] = {
        {NV_LIT("Status"),                      nv_template_text(nv_str(status_of(firing)))},
        {                                                        NV_LIT("Labels"),                                      labels                                                           },
        {                                             NV_LIT("Annotations"),                        annotations                             },
        {                                                            NV_LIT("StartsAt"),                                                                                                                 nv_template_text(nv_arena_str(memory,                 start_of(alert, starts)))},
        {                                                                 NV_LIT("EndsAt"),                                                                                                               nv_template_text(nv_arena_str(memory,  end_of(alert, firing, ends)))},
        { NV_LIT("GeneratorURL"), nv_template_text(alert->generator_url)                                                        },
        {                                NV_LIT("Fingerprint"),                                                                                      nv_template_text(nv_arena_str(memory,                                                                                 fingerprint(alert, hex)))},
    };
    // clang-format on
    memcpy(pairs, all, sizeof(all));
    *ret = (struct nv_template_value){
        .kind = NV_TEMPLATE_STRUCT, .map = {pairs, ALERT_FIELDS, "template.Alert"}
    };
    return 0;
}

static struct nv_template_value list_of(const struct nv_template_value *items, size_t n)
{
    return (struct nv_template_value){
        .kind = NV_TEMPLATE_LIST, .list = {items, n}
    };
}

static int execute(const struct nv_notification *said, const char *external_url, const char *text,
                   struct nv_arena *memory, struct nv_buf *out, char error[NV_TEMPLATE_ERROR_MAX])
{
    struct nv_template_value *alerts = nv_arena_alloc(memory, (said->n + 1) * sizeof(*alerts));
    struct nv_template_value group, labels, annotations;
    NV_AUTO(nv_template) *parsed = NULL;

    if (!alerts ||
        nv_template_labels(memory, said->group_labels, said->n_group_labels, &group) < 0 ||
        nv_template_labels(memory, said->common_labels, said->n_common_labels, &labels) < 0 ||
        nv_template_labels(memory, said->common_annotations, said->n_common_annotations,
                           &annotations) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < said->n; i++) {
        if (alert_value(memory, said->alerts[i], i < said->n_firing, &alerts[i]) < 0)
            return -ENOMEM;
    }
    // clang-format off
    const struct nv_template_pair pairs[] = {
        {NV_LIT("Receiver"),               nv_template_text(nv_str(said->receiver->name))         },
        {NV_LIT("Status"),                 nv_template_text(nv_str(status_of(said->n_firing > 0)))},
        {NV_LIT("Alerts"),                 list_of(alerts,                                          said->n)},
        {NV_LIT("Firing"),                                list_of(alerts,                                                                        said->n_firing)},
        {NV_LIT("Resolved"),                 list_of(alerts + said->n_firing, said->n - said->n_firing)},
        {NV_LIT("GroupLabels"),group              },
        {NV_LIT("CommonLabels"),            labels                                                                             },
        {NV_LIT("CommonAnnotations"),           annotations                                                },
        {NV_LIT("ExternalURL"),      nv_template_text(nv_str(external_url))                                       },
    };
    // clang-format on
    const struct nv_template_value dot = {
        .kind = NV_TEMPLATE_STRUCT, .map = {pairs, NV_LEN(pairs), "template.Data"}
    };
    const struct nv_template_context context = {.time_ms = said->now_ms,
                                                .external_url = nv_str(external_url)};
    int r = nv_template_new(NV_LIT("notification"), nv_str(text), &parsed, error);
    return r < 0 ? r : nv_template_execute(parsed, &context, &dot, out, error);
}

static int through(const struct nv_notification *said, const char *external_url, const char *text,
                   struct nv_buf *out, char error[NV_DISPATCH_ERROR_MAX])
{
    struct nv_arena memory = NV_ARENA(NV_WAYS_TEXT_MAX);
    char why[NV_TEMPLATE_ERROR_MAX] = "";

    int r = execute(said, external_url, text, &memory, out, why);
    nv_arena_done(&memory);
    if (r < 0)
        snprintf(error, NV_DISPATCH_ERROR_MAX, "%.500s", *why ? why : strerror(-r));
    return r;
}

int nv_notification_subject(const struct nv_notification *said, const char *external_url,
                            const char *text, struct nv_buf *out, char error[NV_DISPATCH_ERROR_MAX])
{
    return through(said, external_url, text ? text : usual_subject, out, error);
}

int nv_notification_text(const struct nv_notification *said, const char *external_url,
                         const char *text, struct nv_buf *out, char error[NV_DISPATCH_ERROR_MAX])
{
    return through(said, external_url, text ? text : usual_text, out, error);
}
