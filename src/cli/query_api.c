/*
 * query_api.c - asks a server through Prometheus' HTTP API.
 *
 * A question is posted as a form, and asked again with GET where the server takes no POST, as promtool does.
 */
#include <errno.h>
#include <nodevitals/collector.h> /* NV_LEN */
#include <nodevitals/json.h>

#include "cli/query.h"
#include "config/http_client.h"
#include "expo/series.h"

enum { FORM_MAX = 8 << 20, TEXT_SHOWN = 200, SLACK_MS = 5000, CONFIG_MAX = 16 << 20 };

/* ---- the server ----------------------------------------------------------------------------- */

static int read_config(const char *path, struct nv_arena *memory, struct nv_http_config *ret)
{
    char error[NV_YAML_ERROR_MAX] = "";
    const char *slash = strrchr(path, '/');
    struct nv_schema schema = {
        .file = path,
        .memory = memory,
        .error = error,
        .folder = slash ? (struct nv_str){path, (size_t)(slash - path)}
             : NV_LIT("."),
    };
    const struct nv_yaml *root;
    struct nv_str text;

    int r = nv_config_read_file(path, memory, &text, error);
    if (r == 0)
        r = nv_yaml_parse(path, text, memory, &root, error);
    if (r == 0)
        r = nv_schema_http(&schema, root, ret, NULL);
    return r < 0 ? nv_query_fail("%s", error[0] ? error : strerror(-r)) : 0;
}

/* A URL as it may be shown: without user and password. NULL when memory is out. */
static const char *show_url(struct nv_arena *memory, const char *url)
{
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
    const char *at = memrchr(host, '@', strcspn(host, "/?#"));
    NV_AUTO_BUF shown = NV_BUF(FORM_MAX);

    nv_buf_add(&shown, url, (size_t)(host - url));
    nv_buf_text(&shown, at ? at + 1 : host);
    return nv_arena_str(memory, nv_buf_view(&shown)).p;
}

int nv_query_server_init(struct nv_query_server *server, const char *url, const char *config_file)
{
    struct nv_http_config config = NV_HTTP_CONFIG_DEFAULT;
    const char *file = NULL;

    *server = (struct nv_query_server){.url = url, .memory = NV_ARENA(CONFIG_MAX)};
    config.proxy_from_environment = !config_file[0];
    server->shown = show_url(&server->memory, url);
    int r = config_file[0] ? read_config(config_file, &server->memory, &config) : 0;
    if (r)
        return r;
    struct nv_http_options options = nv_http_config_options(&config, 0);
    options.user_agent = "nodevitals-query";
    server->http = nv_http_new(&options);
    r = nv_http_client_headers(&config, 1, &server->memory, &server->headers, &server->n_headers,
                               &file);
    if (r < 0 && file)
        return nv_query_fail("cannot read %s: %s", file, strerror(-r));
    return r < 0 || !server->http || !server->shown ? nv_query_fail("out of memory") : 0;
}

void nv_query_server_done(struct nv_query_server *server)
{
    nv_http_free(server->http);
    nv_arena_done(&server->memory);
}

/* ---- the question --------------------------------------------------------------------------- */

static void add(struct nv_buf *form, const char *name, struct nv_str value)
{
    nv_buf_printf(form, "%s%s=", form->n ? "&" : "", name);
    nv_http_escape(form, value);
}

static void add_seconds(struct nv_buf *form, const char *name, int64_t ms)
{
    char text[32];
    uint64_t size = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

    snprintf(text, sizeof(text), "%s%llu.%03u", ms < 0 ? "-" : "", (unsigned long long)size / 1000,
             (unsigned)(size % 1000));
    add(form, name, nv_str(text));
}

static void write_form(struct nv_buf *form, const struct nv_query *query)
{
    bool is_instant = query->kind == NV_QUERY_INSTANT, is_range = query->kind == NV_QUERY_RANGE;

    if (is_instant || is_range)
        add(form, "query", query->expr);
    if (is_instant && !query->now)
        add_seconds(form, "time", query->end_ms);
    if (is_range || (!is_instant && query->has_start))
        add_seconds(form, "start", query->start_ms);
    if (is_range || (!is_instant && query->has_end))
        add_seconds(form, "end", query->end_ms);
    if (is_range)
        add_seconds(form, "step", query->step_ms);
    for (size_t i = 0; i < query->n_matches; i++)
        add(form, "match[]", query->matches[i]);
    if (query->limit)
        nv_buf_printf(form, "&limit=%llu", (unsigned long long)query->limit);
    if (is_instant || is_range)
        add_seconds(form, "timeout", query->timeout_ms);
    if (query->lookback_ms)
        add_seconds(form, "lookback_delta", query->lookback_ms);
}

static void write_url(struct nv_buf *out, const char *url, const struct nv_query *query)
{
    static const char *const paths[] = {
        [NV_QUERY_INSTANT] = "query",      [NV_QUERY_RANGE] = "query_range",
        [NV_QUERY_SERIES] = "series",      [NV_QUERY_LABELS] = "labels",
        [NV_QUERY_LABEL_VALUES] = "label",
    };
    struct nv_str base = nv_str(url);

    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    bool is_unix = nv_str_starts(base, "unix:");
    if (!is_unix && !nv_str_contains(base, "://"))
        nv_buf_text(out, "http://");
    nv_buf_str(out, base);
    if (is_unix && !nv_str_contains(nv_str_from(base, 5), ":"))
        nv_buf_char(out, ':');
    nv_buf_printf(out, "/api/v1/%s", paths[query->kind]);
    if (query->kind == NV_QUERY_LABEL_VALUES) {
        nv_buf_char(out, '/');
        nv_expo_label_name(out, query->label, NV_ESCAPE_VALUES);
        nv_buf_text(out, "/values");
    }
}

/* ---- the answer ----------------------------------------------------------------------------- */

/* What stands around the data. */
struct envelope {
    struct nv_str status, error, data, warnings, infos;
};

static bool read_envelope(struct nv_str body, struct envelope *ret)
{
    struct nv_json json = nv_json(body);
    struct nv_str key;

    nv_json_object(&json);
    while (nv_json_key(&json, &key)) {
        struct nv_str *part = nv_json_key_is(key, "status")     ? &ret->status
                              : nv_json_key_is(key, "error")    ? &ret->error
                              : nv_json_key_is(key, "data")     ? &ret->data
                              : nv_json_key_is(key, "warnings") ? &ret->warnings
                              : nv_json_key_is(key, "infos")    ? &ret->infos
                                                                : NULL;
        bool is_text = part == &ret->status || part == &ret->error;
        nv_json_front(&json);
        const char *first = json.at;
        struct nv_str text = is_text ? nv_json_text(&json) : (nv_json_skip(&json), NV_LIT(""));
        if (part && !json.failed)
            *part = is_text ? text : (struct nv_str){first, (size_t)(json.at - first)};
    }
    return nv_json_done(&json) && ret->status.n;
}

/* What a server says that does not speak the API, up to its first line's end. */
static int fail_with_text(struct nv_http *http, const char *url, int status, struct nv_str body)
{
    NV_AUTO_BUF text = NV_BUF(4 * TEXT_SHOWN + 64);
    struct nv_str line = nv_str_trim(body);

    line = nv_str_trim(nv_str_cut(&line, '\n'));
    line.n = line.n > TEXT_SHOWN ? TEXT_SHOWN : line.n;
    if (line.n && line.p[0] != '<' &&
        nv_str_starts(nv_http_header(http, "Content-Type"), "text/")) {
        nv_buf_text(&text, ": ");
        nv_query_plain(&text, line);
    }
    return nv_query_fail("%s answers with status %d%s", url, status, nv_buf_c_string(&text));
}

static int fail_with_error(const struct nv_query *query, struct nv_str raw)
{
    NV_AUTO_FREE char *bytes = malloc(raw.n + 1);

    if (!bytes)
        return nv_query_fail("out of memory");
    return nv_query_fail_at(query->expr, nv_json_unescape(raw, bytes, raw.n));
}

static void add_notes(struct nv_answer *answer, const char *kind, struct nv_str list)
{
    struct nv_json json = nv_json(list);

    if (!list.n || nv_json_kind(&json) != NV_JSON_ARRAY)
        return;
    nv_json_array(&json);
    while (nv_json_item(&json)) {
        struct nv_str raw = nv_json_text(&json);
        NV_AUTO_FREE char *bytes = malloc(raw.n + 1);
        if (bytes)
            nv_answer_note(answer, kind, nv_json_unescape(raw, bytes, raw.n));
    }
}

static int read_answer(const struct nv_query *query, struct nv_http *http, const char *url,
                       struct nv_str body, struct nv_answer *ret)
{
    struct envelope envelope = {0};
    int status = nv_http_status(http);

    if (status == 204) /* nothing at all */
        return 0;
    if (!read_envelope(body, &envelope))
        return status == 200 ? nv_query_fail("%s does not answer as Prometheus does", url)
                             : fail_with_text(http, url, status, body);
    if (!nv_str_is(envelope.status, "success"))
        return fail_with_error(query, envelope.error);
    int r = nv_query_read_data(ret, query->kind, envelope.data);
    if (r == -EDQUOT || r == -ENOMEM)
        return nv_query_fail("the answer does not fit into %d MiB, try --limit",
                             NV_QUERY_MEMORY_MAX >> 20);
    if (r < 0)
        return nv_query_fail("%s does not answer as Prometheus does", url);
    add_notes(ret, "warning", envelope.warnings);
    add_notes(ret, "info", envelope.infos);
    return 0;
}

/* ---- both ----------------------------------------------------------------------------------- */

static int ask(const struct nv_query_server *server, const char *url, const char *form, bool post,
               int64_t timeout_ms, struct nv_buf *body, int *ret_status)
{
    NV_AUTO_BUF with_form = NV_BUF(FORM_MAX);
    struct nv_http_request request = {
        .url = url,
        .headers = server->headers,
        .n_headers = server->n_headers + post,
        .timeout_ms = timeout_ms + SLACK_MS, /* the server ends it first, and says so */
        .decode = true,
        .into = body,
    };

    nv_buf_reset(body);
    server->headers[server->n_headers] =
        (struct nv_http_header){"Content-Type", "application/x-www-form-urlencoded"};
    if (post) {
        request.body = nv_str(form);
    } else {
        nv_buf_printf(&with_form, form[0] ? "%s?%s" : "%s", url, form);
        request.url = nv_buf_c_string(&with_form);
    }
    return nv_http_ask(server->http, &request, ret_status);
}

int nv_query_api(const struct nv_query *query, const struct nv_query_server *server,
                 struct nv_answer *ret)
{
    NV_AUTO_BUF form = NV_BUF(FORM_MAX), place = NV_BUF(FORM_MAX), body = NV_BUF(NV_QUERY_BODY_MAX);
    bool post = query->kind != NV_QUERY_LABEL_VALUES;
    int status = 0;

    write_form(&form, query);
    write_url(&place, server->url, query);
    if (form.failed || place.failed)
        return nv_query_fail("the question is too long");
    const char *where = nv_buf_c_string(&place), *text = nv_buf_c_string(&form);
    int r = ask(server, where, text, post, query->timeout_ms, &body, &status);
    if (r == 0 && post && (status == 405 || status == 501))
        r = ask(server, where, text, false, query->timeout_ms, &body, &status);
    if (r < 0)
        return nv_query_fail("cannot ask %s: %s", server->shown, nv_http_error(server->http));
    return read_answer(query, server->http, server->shown, nv_buf_view(&body), ret);
}
