/*
 * api_alertmanager.c - /api/v2, as Alertmanager has it, over the agent's own notifiers: for amtool, Karma, Grafana.
 *
 * Errors are JSON strings, as there. Silences are changed only with the admin switch on.
 */
#include <errno.h>

#include "web/api_parts.h"

enum { FILTERS_MAX = 64, RECEIVERS_MAX = 64 };

static int complain(struct nv_exchange *x, unsigned status, const char *text)
{
    nv_write_string(nv_raw(x, status, "application/json", false), nv_str(text));
    return NV_ANSWERED;
}

static struct nv_writer *answer(struct nv_exchange *x)
{
    return nv_raw(x, 200, "application/json", false);
}

static void write_moment(struct nv_writer *out, const char *key, int64_t ms)
{
    nv_write_key(out, key);
    nv_write_moment_ns(out, ms * 1000000, true);
}

/* ---- filters -------------------------------------------------------------------------------- */

struct filter {
    struct nv_matcher at[FILTERS_MAX];
    size_t n;
};

static void filter_done(struct filter *filter)
{
    while (filter->n > 0)
        nv_matcher_done(&filter->at[--filter->n]);
}

/* filter=MATCHERS, repeated: all must fit. */
static int ask_filter(struct nv_exchange *x, struct filter *filter)
{
    struct nv_matcher parsed[NV_MATCHERS_MAX];
    char error[NV_MATCHERS_ERROR_MAX], message[NV_MATCHERS_ERROR_MAX + 64];
    struct nv_str text;

    filter->n = 0;
    for (size_t at = 0; nv_ask_next(x, "filter", &at, &text);) {
        int n = nv_matchers_parse(text, &x->memory, parsed, error);
        for (int i = 0; i < n; i++) {
            if (filter->n < FILTERS_MAX)
                filter->at[filter->n++] = parsed[i];
            else
                nv_matcher_done(&parsed[i]);
        }
        if (n < 0) {
            snprintf(message, sizeof(message), "bad matcher format: %s",
                     n == -ENOMEM ? "too long" : error);
            filter_done(filter);
            return complain(x, 400, message);
        }
    }
    return 0;
}

static bool ask_flag(const struct nv_exchange *x, const char *name)
{
    struct nv_str text;

    return !nv_asked(x, name, &text) || !(nv_str_is(text, "false") || nv_str_is(text, "0"));
}

/* ---- alerts --------------------------------------------------------------------------------- */

struct alerts {
    struct nv_writer *out;
    struct filter filter;
    struct nv_regex *receiver; /* NULL: any */
    bool active, silenced, inhibited;
};

static bool is_received(const struct alerts *asked, const struct nv_dispatch_alert *one)
{
    for (size_t i = 0; asked->receiver && i < one->n_receivers; i++) {
        if (nv_regex_match(asked->receiver, nv_str(one->receivers[i]->name)))
            return true;
    }
    return !asked->receiver;
}

static bool is_wanted(const struct alerts *asked, const struct nv_dispatch_alert *one)
{
    bool muted = one->n_silenced_by || one->inhibited_by;

    return (asked->active || muted) && (asked->silenced || !one->n_silenced_by) &&
           (asked->inhibited || !one->inhibited_by) && is_received(asked, one) &&
           nv_matchers_fit(asked->filter.at, asked->filter.n, one->alert->labels,
                           one->alert->n_labels);
}

static void write_fingerprint(struct nv_writer *out, const struct nv_alert *alert)
{
    char hex[17];

    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)alert->fingerprint);
    nv_write_string(out, nv_str(hex));
}

static void write_status(struct nv_writer *out, const struct nv_dispatch_alert *one)
{
    nv_write_key(out, "status");
    nv_write_object(out);
    nv_write_key(out, "inhibitedBy");
    nv_write_array(out);
    if (one->inhibited_by)
        write_fingerprint(out, one->inhibited_by);
    nv_write_array_end(out);
    nv_write_key(out, "silencedBy");
    nv_write_array(out);
    for (size_t i = 0; i < one->n_silenced_by; i++)
        nv_write_string(out, nv_str(one->silenced_by[i]));
    nv_write_array_end(out);
    nv_write_member_text(out, "state",
                         one->inhibited_by || one->n_silenced_by ? "suppressed" : "active");
    nv_write_object_end(out);
}

static void write_alert(void *user, const struct nv_dispatch_alert *one)
{
    const struct alerts *asked = user;
    const struct nv_alert *alert = one->alert;
    struct nv_writer *out = asked->out;

    if (!is_wanted(asked, one))
        return;
    nv_write_object(out);
    nv_write_key(out, "annotations");
    nv_write_labels(out, alert->annotations, alert->n_annotations);
    write_moment(out, "endsAt", alert->ends_ms);
    nv_write_key(out, "fingerprint");
    write_fingerprint(out, alert);
    nv_write_key(out, "receivers");
    nv_write_array(out);
    for (size_t i = 0; i < one->n_receivers; i++) {
        nv_write_object(out);
        nv_write_member_text(out, "name", one->receivers[i]->name);
        nv_write_object_end(out);
    }
    nv_write_array_end(out);
    write_moment(out, "startsAt", alert->starts_ms);
    write_status(out, one);
    write_moment(out, "updatedAt", alert->updated_ms);
    nv_write_member(out, "generatorURL", alert->generator_url);
    nv_write_key(out, "labels");
    nv_write_labels(out, alert->labels, alert->n_labels);
    nv_write_object_end(out);
}

static int ask_receiver(struct nv_exchange *x, struct nv_regex **ret)
{
    char error[NV_REGEX_ERROR_MAX], message[NV_REGEX_ERROR_MAX + 64];
    struct nv_str text;

    *ret = NULL;
    if (!nv_asked(x, "receiver", &text))
        return 0;
    int r = nv_regex_new(text, NV_REGEX_ANCHORED, ret, error);
    if (r == 0)
        return 0;
    snprintf(message, sizeof(message), "failed to parse receiver param: %s", error);
    return complain(x, 400, message);
}

static int get_alerts(struct nv_exchange *x)
{
    struct nv_dispatch *dispatch = x->api->notify ? nv_notify_dispatch(x->api->notify) : NULL;
    struct alerts asked = {.active = ask_flag(x, "active"),
                           .silenced = ask_flag(x, "silenced"),
                           .inhibited = ask_flag(x, "inhibited")};

    if (ask_filter(x, &asked.filter))
        return NV_ANSWERED;
    if (ask_receiver(x, &asked.receiver)) {
        filter_done(&asked.filter);
        return NV_ANSWERED;
    }
    asked.out = answer(x);
    nv_write_array(asked.out);
    if (dispatch)
        nv_dispatch_each(dispatch, write_alert, &asked);
    nv_write_array_end(asked.out);
    nv_regex_free(asked.receiver);
    filter_done(&asked.filter);
    return 0;
}

/* ---- silences ------------------------------------------------------------------------------- */

/* Written only when all are there: they are told under the lock that alerts wait for, and a client may be slow. */
struct silences {
    struct filter filter;
    struct nv_buf text; /* with commas between them */
};

/* A silence is filtered by its matchers' values as if they were labels; what it does not name is empty, as there. */
static bool silence_fits(const struct filter *filter, const struct nv_silence_spec *spec)
{
    for (size_t i = 0; i < filter->n; i++) {
        bool named = false, fits = false;
        for (size_t k = 0; k < spec->n_matchers && !fits; k++) {
            if (!nv_str_eq(spec->matchers[k].name, filter->at[i].name))
                continue;
            named = true;
            fits = nv_matcher_fits(&filter->at[i], spec->matchers[k].value);
        }
        if (!fits && (named || !nv_matcher_fits(&filter->at[i], NV_LIT(""))))
            return false;
    }
    return true;
}

static void write_silence(void *user, const struct nv_silence_spec *spec,
                          enum nv_silence_state state)
{
    struct silences *asked = user;

    if (!silence_fits(&asked->filter, spec))
        return;
    if (asked->text.n)
        nv_buf_char(&asked->text, ',');
    nv_silence_write(&asked->text, spec, state);
}

static struct nv_silences *silences_of(const struct nv_exchange *x)
{
    return x->api->notify ? nv_notify_silences(x->api->notify) : NULL;
}

static int get_silences(struct nv_exchange *x)
{
    struct silences asked = {.text = NV_BUF(2 * NV_SILENCE_FILE_MAX)};

    if (ask_filter(x, &asked.filter))
        return NV_ANSWERED;
    if (silences_of(x))
        nv_silences_each(silences_of(x), NULL, x->now_ms, write_silence, &asked);
    int r = asked.text.failed;
    if (r == 0) {
        struct nv_writer *out = answer(x);
        nv_write_array(out);
        if (asked.text.n)
            nv_write_json(out, nv_buf_view(&asked.text));
        nv_write_array_end(out);
    }
    filter_done(&asked.filter);
    nv_buf_done(&asked.text);
    return r;
}

static const char *id_of(struct nv_exchange *x)
{
    struct nv_str id = nv_arena_str(&x->memory, x->part);

    return id.p && strlen(id.p) == id.n ? id.p : "";
}

static void copy_silence(void *user, const struct nv_silence_spec *spec,
                         enum nv_silence_state state)
{
    nv_silence_write(user, spec, state);
}

static int get_silence(struct nv_exchange *x)
{
    NV_AUTO_BUF text = NV_BUF(4 << 20);

    if (silences_of(x))
        nv_silences_each(silences_of(x), id_of(x), x->now_ms, copy_silence, &text);
    if (!text.n || text.failed)
        return nv_refuse(x, 404, "%s", "");
    nv_write_json(answer(x), nv_buf_view(&text));
    return 0;
}

static unsigned status_of(int r)
{
    return r == -ENOENT ? 404 : r == -EINVAL || r == -EALREADY ? 400 : 500;
}

static int post_silences(struct nv_exchange *x)
{
    char error[NV_SILENCE_ERROR_MAX], id[NV_SILENCE_ID_MAX];
    struct nv_silence_spec spec;

    if (!silences_of(x))
        return complain(x, 500, "there are no notifiers");
    int r = nv_silence_parse_json(x->body, &x->memory, &spec, error);
    if (r < 0)
        return complain(x, 400, error);
    r = nv_silences_set(silences_of(x), &spec, x->now_ms, id, error);
    if (r < 0)
        return complain(x, status_of(r), error);
    nv_notify_wake(x->api->notify);
    struct nv_writer *out = answer(x);
    nv_write_object(out);
    nv_write_member_text(out, "silenceID", id);
    nv_write_object_end(out);
    return 0;
}

static int delete_silence(struct nv_exchange *x)
{
    char error[NV_SILENCE_ERROR_MAX];

    if (!silences_of(x))
        return complain(x, 500, "there are no notifiers");
    int r = nv_silences_expire(silences_of(x), id_of(x), x->now_ms, error);
    if (r < 0)
        return complain(x, status_of(r), error);
    nv_notify_wake(x->api->notify);
    (void)answer(x);
    return 0;
}

/* ---- the rest ------------------------------------------------------------------------------- */

/* What came of the tries is not in Alertmanager's own API; the names are those that Grafana's has for it. */
static void write_report(void *user, const struct nv_report *report)
{
    struct nv_writer *out = user;

    nv_write_object(out);
    nv_write_member_text(out, "name", nv_way_name(report->way));
    write_moment(out, "lastNotifyAttempt", report->tried_ms);
    if (*report->error)
        nv_write_member_text(out, "lastNotifyAttemptError", report->error);
    nv_write_member_u64(out, "told", report->told);
    nv_write_member_u64(out, "failed", report->failed);
    nv_write_object_end(out);
}

struct receivers {
    struct nv_writer *out;
    struct nv_reports *reports;
};

static void write_receiver(void *user, const struct nv_notify_receiver *receiver)
{
    const struct receivers *asked = user;

    nv_write_object(asked->out);
    nv_write_member_text(asked->out, "name", receiver->name);
    nv_write_key(asked->out, "integrations");
    nv_write_array(asked->out);
    nv_reports_each(asked->reports, receiver->name, write_report, asked->out);
    nv_write_array_end(asked->out);
    nv_write_object_end(asked->out);
}

static int get_receivers(struct nv_exchange *x)
{
    struct nv_writer *out = answer(x);

    nv_write_array(out);
    if (x->api->notify)
        nv_notify_each_receiver(x->api->notify, write_receiver,
                                &(struct receivers){out, nv_notify_reports(x->api->notify)});
    nv_write_array_end(out);
    return 0;
}

static int get_status(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    NV_AUTO_BUF yaml = NV_BUF(16 << 20);
    struct nv_api_runtime runtime = {0};

    if (sources->config && sources->config(x->api->user, &yaml) < 0)
        nv_buf_reset(&yaml);
    if (sources->runtime)
        (void)sources->runtime(x->api->user, &runtime);
    struct nv_writer *out = answer(x);
    nv_write_object(out);
    nv_write_key(out, "cluster");
    nv_write_object(out);
    nv_write_key(out, "peers");
    nv_write_array(out);
    nv_write_array_end(out);
    nv_write_member_text(out, "status", "disabled");
    nv_write_object_end(out);
    nv_write_key(out, "config");
    nv_write_object(out);
    nv_write_member(out, "original", nv_buf_view(&yaml));
    nv_write_object_end(out);
    write_moment(out, "uptime", runtime.started_ms);
    nv_write_key(out, "versionInfo");
    nv_write_object(out);
    nv_write_member_text(out, "branch", x->build->branch);
    nv_write_member_text(out, "buildDate", "");
    nv_write_member_text(out, "buildUser", "");
    nv_write_member_text(out, "goVersion", "");
    nv_write_member_text(out, "revision", x->build->revision);
    nv_write_member_text(out, "version", x->build->version);
    nv_write_object_end(out);
    nv_write_object_end(out);
    return 0;
}

const struct nv_endpoint nv_api_alertmanager_endpoints[] = {
    {"/api/v2/alerts",                      NV_GET, 0, get_alerts},
    {"/api/v2/silences",                                    NV_GET, 0, get_silences},
    {"/api/v2/silences",                                     NV_POST, NV_ENDPOINT_ADMIN | NV_ENDPOINT_BODY, post_silences},
    {"/api/v2/silence/{id}",NV_GET, 0, get_silence},
    {"/api/v2/silence/{id}",                         NV_DELETE, NV_ENDPOINT_ADMIN, delete_silence},
    {"/api/v2/receivers",                    NV_GET, 0, get_receivers},
    {"/api/v2/status", NV_GET, 0, get_status},
    {0                                    },
};
