#include "notify/state.h"

#include <errno.h>
#include <nodevitals/json.h>

#include "base/json_out.h"
#include "base/rfc3339.h"

/* ---- written -------------------------------------------------------------------------------- */

static void comma(struct nv_buf *out)
{
    if (out->n && out->p[out->n - 1] != '[')
        nv_buf_text(out, ",\n");
}

/* The post's shape, with one member more. */
static void write_alert(struct nv_buf *out, const struct nv_alert *alert)
{
    nv_alert_write_post(out, alert);
    if (!out->failed && out->n)
        out->n--; /* the brace */
    nv_buf_printf(out, ",\"resolved\":%s}", alert->resolved ? "true" : "false");
}

static void each_alert(void *user, const struct nv_alert *alert)
{
    struct nv_buf *out = user;

    comma(out);
    write_alert(out, alert);
}

static void write_numbers(struct nv_buf *out, const char *name, const uint64_t *numbers, size_t n)
{
    nv_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        nv_buf_printf(out, "%s\"%016llx\"", i ? "," : "", (unsigned long long)numbers[i]);
    nv_buf_char(out, ']');
}

static void each_told(void *user, const struct nv_told *told)
{
    struct nv_buf *out = user;

    comma(out);
    nv_buf_char(out, '{');
    nv_json_member(out, "group", nv_str(told->group_key));
    nv_buf_printf(out, ",\"way\":%u,\"at\":%lld", told->way, (long long)told->at_ms);
    write_numbers(out, "firing", told->firing, told->n_firing);
    write_numbers(out, "resolved", told->resolved, told->n_resolved);
    nv_buf_char(out, '}');
}

static void each_waiting(void *user, const char *url, struct nv_alert *alert)
{
    struct nv_buf *out = user;

    comma(out);
    nv_buf_char(out, '{');
    nv_json_member(out, "url", nv_str(url));
    nv_buf_text(out, ",\"alert\":");
    write_alert(out, alert);
    nv_buf_char(out, '}');
}

int nv_notify_state_write(struct nv_buf *out, struct nv_dispatch *dispatch,
                          struct nv_alertmanagers *all)
{
    nv_buf_text(out, "{\"version\":1,\"alerts\":[");
    nv_dispatch_each_alert(dispatch, each_alert, out);
    nv_buf_text(out, "],\n\"told\":[");
    nv_dispatch_each_told(dispatch, each_told, out);
    nv_buf_text(out, "],\n\"waiting\":[");
    int r = nv_alertmanagers_each_waiting(all, each_waiting, out);
    nv_buf_text(out, "]}\n");
    return r < 0 ? r : out->failed;
}

/* ---- read ----------------------------------------------------------------------------------- */

struct reader {
    struct nv_dispatch *dispatch;
    struct nv_alertmanagers *all;
    int64_t until_ms;
    struct nv_arena memory; /* of one element */
};

static struct nv_str read_text(struct reader *reader, struct nv_json *json)
{
    struct nv_str raw = nv_json_text(json);
    char *room = nv_arena_alloc(&reader->memory, raw.n + 1);

    if (!room)
        return nv_str_trim(NV_LIT(""));
    struct nv_str text = nv_json_unescape(raw, room, raw.n);
    if (text.n && text.p != room)
        memmove(room, text.p, text.n);
    room[text.n] = '\0';
    return (struct nv_str){room, text.n};
}

static size_t read_labels(struct reader *reader, struct nv_json *json, const struct nv_label **ret)
{
    struct nv_label *labels =
        nv_arena_alloc(&reader->memory, NV_ALERT_LABELS_MAX * sizeof(*labels));
    char room[NV_JSON_KEY_MAX];
    struct nv_str key;
    size_t n = 0;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        struct nv_str name = nv_json_unescape(key, room, sizeof(room));
        struct nv_str value = read_text(reader, json);
        if (labels && n < NV_ALERT_LABELS_MAX)
            labels[n++] = (struct nv_label){nv_arena_str(&reader->memory, name), value};
    }
    *ret = labels;
    return n;
}

static int64_t read_time(struct reader *reader, struct nv_json *json)
{
    int64_t ms = 0;

    if (!nv_rfc3339_read(read_text(reader, json), &ms))
        (void)nv_json_fail(json);
    return ms;
}

static struct nv_alert *read_alert(struct reader *reader, struct nv_json *json, int64_t until_ms)
{
    struct nv_alert one = {0};
    struct nv_str key;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        if (nv_json_key_is(key, "labels"))
            one.n_labels = read_labels(reader, json, &one.labels);
        else if (nv_json_key_is(key, "annotations"))
            one.n_annotations = read_labels(reader, json, &one.annotations);
        else if (nv_json_key_is(key, "startsAt"))
            one.starts_ms = read_time(reader, json);
        else if (nv_json_key_is(key, "endsAt"))
            one.ends_ms = read_time(reader, json);
        else if (nv_json_key_is(key, "generatorURL"))
            one.generator_url = read_text(reader, json);
        else if (nv_json_key_is(key, "resolved"))
            one.resolved = nv_json_bool(json);
        else
            nv_json_skip(json);
    }
    if (json->failed || one.n_labels == 0)
        return NULL;
    if (!one.resolved && one.ends_ms < until_ms)
        one.ends_ms = until_ms;
    return nv_alert_new(&one);
}

static void take_alert(struct reader *reader, struct nv_json *json)
{
    NV_AUTO(nv_alert) *alert = read_alert(reader, json, reader->until_ms);

    if (alert)
        nv_dispatch_put_back(reader->dispatch, alert);
}

static size_t read_numbers(struct reader *reader, struct nv_json *json, const uint64_t **ret)
{
    uint64_t *numbers = nv_arena_alloc(&reader->memory, NV_DISPATCH_ALERTS_MAX * sizeof(*numbers));
    size_t n = 0;

    nv_json_array(json);
    while (nv_json_item(json)) {
        struct nv_str hex = read_text(reader, json);
        if (numbers && n < NV_DISPATCH_ALERTS_MAX && hex.n == 16)
            numbers[n++] = strtoull(hex.p, NULL, 16);
    }
    *ret = numbers;
    return n;
}

static void take_told(struct reader *reader, struct nv_json *json)
{
    struct nv_told told = {0};
    struct nv_str key;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        if (nv_json_key_is(key, "group"))
            told.group_key = read_text(reader, json).p;
        else if (nv_json_key_is(key, "way"))
            told.way = (unsigned)nv_json_u64(json);
        else if (nv_json_key_is(key, "at"))
            told.at_ms = (int64_t)nv_json_u64(json);
        else if (nv_json_key_is(key, "firing"))
            told.n_firing = read_numbers(reader, json, &told.firing);
        else if (nv_json_key_is(key, "resolved"))
            told.n_resolved = read_numbers(reader, json, &told.resolved);
        else
            nv_json_skip(json);
    }
    if (!json->failed && told.group_key && told.at_ms > 0)
        (void)!nv_dispatch_recall(reader->dispatch, &told);
}

static void take_waiting(struct reader *reader, struct nv_json *json)
{
    NV_AUTO(nv_alert) *alert = NULL;
    struct nv_str url = NV_LIT(""), key;

    nv_json_object(json);
    while (nv_json_key(json, &key)) {
        if (nv_json_key_is(key, "url")) {
            url = read_text(reader, json);
        } else if (nv_json_key_is(key, "alert")) {
            nv_alert_unref(alert);
            alert = read_alert(reader, json, 0); /* if it is still true the rules say so again */
        } else {
            nv_json_skip(json);
        }
    }
    if (!json->failed && alert)
        (void)nv_alertmanagers_put_back(reader->all, url.p, alert);
}

static void take_list(struct reader *reader, struct nv_json *json,
                      void (*take)(struct reader *reader, struct nv_json *json))
{
    nv_json_array(json);
    while (nv_json_item(json)) {
        take(reader, json);
        nv_arena_reset(&reader->memory);
    }
}

/* What was told comes before the alerts it was about: groups adopt it when they are made. */
static int read_pass(struct reader *reader, struct nv_str text, bool told)
{
    struct nv_json json = nv_json(text);
    uint64_t version = 0;
    struct nv_str key;

    nv_json_object(&json);
    while (nv_json_key(&json, &key)) {
        if (nv_json_key_is(key, "version"))
            version = nv_json_u64(&json);
        else if (told && nv_json_key_is(key, "told"))
            take_list(reader, &json, take_told);
        else if (!told && nv_json_key_is(key, "alerts"))
            take_list(reader, &json, take_alert);
        else if (!told && nv_json_key_is(key, "waiting"))
            take_list(reader, &json, take_waiting);
        else
            nv_json_skip(&json);
        if (version != 1)
            return -EBADMSG;
    }
    return nv_json_done(&json) ? 0 : -EBADMSG;
}

int nv_notify_state_read(struct nv_str text, struct nv_dispatch *dispatch,
                         struct nv_alertmanagers *all, int64_t until_ms)
{
    struct reader reader = {dispatch, all, until_ms, NV_ARENA(16 << 20)};

    int r = read_pass(&reader, text, true);
    int r2 = read_pass(&reader, text, false);
    nv_arena_done(&reader.memory);
    return r < 0 ? r : r2;
}
