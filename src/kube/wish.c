#include "kube/wish.h"

#include <nodevitals/json.h>

#include <errno.h>
#include <strings.h>

#include "config/units.h"

#define PREFIX "prometheus.io/"
#define PARAM  "param_"

enum { INTERVAL_MIN_MS = 1000, INTERVAL_MAX_MS = 3600000 };

/* ---- pairs ---------------------------------------------------------------------------------- */

/* A copy without escapes; p is NULL where memory is out. */
static struct nv_str plain(struct nv_str raw, struct nv_arena *memory)
{
    char *bytes = nv_arena_alloc(memory, raw.n + 1);

    if (!bytes)
        return (struct nv_str){NULL, 0};
    struct nv_str text = nv_json_unescape(raw, bytes, raw.n);
    if (text.p == raw.p && raw.n)
        memcpy(bytes, raw.p, raw.n);
    return (struct nv_str){bytes, text.n};
}

int nv_kube_pairs(struct nv_str object, struct nv_arena *memory,
                  int (*each)(void *user, struct nv_str name, struct nv_str value), void *user)
{
    struct nv_json json = nv_json(object);
    struct nv_str key;

    if (nv_json_kind(&json) != NV_JSON_OBJECT)
        return 0;
    nv_json_object(&json);
    for (size_t n = 0; n < NV_KUBE_PAIRS_MAX && nv_json_key(&json, &key); n++) {
        if (nv_json_kind(&json) != NV_JSON_TEXT) {
            nv_json_skip(&json);
            continue;
        }
        struct nv_str name = plain(key, memory), value = plain(nv_json_text(&json), memory);
        if (!name.p || !value.p)
            return -ENOMEM;
        int r = each(user, name, value);
        if (r)
            return r;
    }
    return 0;
}

/* ---- the query of a path -------------------------------------------------------------------- */

/* Sets a parameter unless it is there. */
static void add_param(struct nv_kube_wish *wish, struct nv_str name, struct nv_str value)
{
    size_t bytes = name.n + value.n;

    if (!name.n || wish->n_params == NV_KUBE_PARAMS_MAX)
        return;
    for (size_t i = 0; i < wish->n_params; i++) {
        if (nv_str_eq(wish->params[i].name, name))
            return;
        bytes += wish->params[i].name.n + wish->params[i].value.n;
    }
    if (bytes > NV_KUBE_WISH_MAX)
        return;
    wish->params[wish->n_params++] = (struct nv_label){name, value};
}

/* Resolves %XX and "+" in the copy itself, which only becomes shorter. */
static struct nv_str decode(struct nv_str text)
{
    char *bytes = (char *)(uintptr_t)text.p; /* a copy of our own: see plain() */
    size_t n = 0;
    uint64_t c;

    for (size_t i = 0; i < text.n; i++) {
        bool escape = text.p[i] == '%' && i + 2 < text.n &&
                      nv_str_to_hex((struct nv_str){text.p + i + 1, 2}, &c);
        bytes[n++] = escape ? (char)c : text.p[i] == '+' ? ' ' : text.p[i];
        i += escape ? 2 : 0;
    }
    return (struct nv_str){bytes, n};
}

static void read_query(struct nv_kube_wish *wish, struct nv_str query)
{
    while (query.n) {
        struct nv_str value = nv_str_cut(&query, '&'), name = nv_str_cut(&value, '=');
        add_param(wish, decode(name), decode(value));
    }
}

/* ---- the annotations ------------------------------------------------------------------------ */

struct reader {
    struct nv_kube_wish *wish;
    struct nv_arena *memory;
    struct nv_str query;
};

static bool is_word(struct nv_str text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

static int read_path(struct reader *reader, struct nv_str value)
{
    struct nv_str path = nv_str_cut(&value, '?');

    reader->query = value;
    if (!path.n || path.n >= NV_KUBE_WISH_MAX)
        return 0;
    if (path.p[0] != '/') {
        char *longer = nv_arena_alloc(reader->memory, path.n + 1);
        if (!longer)
            return -ENOMEM;
        longer[0] = '/';
        memcpy(longer + 1, path.p, path.n);
        path = (struct nv_str){longer, path.n + 1};
    }
    reader->wish->path = path;
    return 0;
}

static int64_t read_duration(struct nv_str value)
{
    int64_t ms;

    return nv_parse_duration(value, &ms) == 0 && ms >= INTERVAL_MIN_MS && ms <= INTERVAL_MAX_MS ? ms
                                                                                                : 0;
}

static int take(void *user, struct nv_str name, struct nv_str value)
{
    struct reader *reader = user;
    struct nv_kube_wish *wish = reader->wish;
    uint64_t port;

    if (!nv_str_starts(name, PREFIX))
        return 0;
    name = nv_str_from(name, sizeof(PREFIX) - 1);
    value = nv_str_trim(value);
    if (nv_str_is(name, "scrape"))
        wish->scrape = is_word(value, "true") ? NV_KUBE_YES : NV_KUBE_NO;
    else if (nv_str_is(name, "port") && nv_str_to_u64(value, &port) && port <= UINT16_MAX)
        wish->port = (uint16_t)port;
    else if (nv_str_is(name, "scheme"))
        wish->https = is_word(value, "https");
    else if (nv_str_is(name, "path"))
        return read_path(reader, value);
    else if (nv_str_is(name, "interval"))
        wish->interval_ms = read_duration(value);
    else if (nv_str_is(name, "timeout"))
        wish->timeout_ms = read_duration(value);
    else if (nv_str_starts(name, PARAM))
        add_param(wish, nv_str_from(name, sizeof(PARAM) - 1), value);
    return 0;
}

int nv_kube_wish_read(struct nv_str annotations, struct nv_arena *memory, struct nv_kube_wish *ret)
{
    struct reader reader = {.wish = ret, .memory = memory};

    *ret = (struct nv_kube_wish){.path = NV_LIT("/metrics")};
    int r = nv_kube_pairs(annotations, memory, take, &reader);
    read_query(ret, reader.query); /* behind those that are named one by one, which win */
    return r;
}
