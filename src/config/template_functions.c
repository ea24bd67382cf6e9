/*
 * template_functions.c - the functions that Prometheus adds: queries, texts, addresses, links. Those about numbers and times
 * are in template_numbers.c.
 */
#include "config/template_parts.h"

#include <arpa/inet.h>

#include "base/case.h"
#include "base/regex.h"
#include "base/utf8.h"

typedef struct nv_template_value value_t;
typedef struct nv_template_call call_t;

enum { TEXT_MAX = NV_TEMPLATE_OUTPUT_MAX, GROUPS_MAX = 64 };

static int give_text(call_t *call, struct nv_str text)
{
    call->result = nv_template_text(text);
    return 0;
}

/* ---- queries -------------------------------------------------------------------------------- */

static int make_sample(struct nv_arena *memory, const struct nv_template_sample *sample,
                       value_t *ret)
{
    struct nv_template_pair *pairs = nv_arena_alloc(memory, 2 * sizeof(*pairs));

    if (!pairs)
        return -ENOMEM;
    pairs[0].key = NV_LIT("Labels");
    pairs[1].key = NV_LIT("Value");
    int r = nv_template_labels(memory, sample->labels, sample->n_labels, &pairs[0].value);
    if (r == 0 && sample->histogram)
        r = nv_template_histogram(memory, sample->histogram, &pairs[1].value);
    else
        pairs[1].value = nv_template_real(sample->value);
    *ret = (value_t){
        .kind = NV_TEMPLATE_STRUCT, .map = {pairs, 2, "*template.sample"}
    };
    return r;
}

static int call_query(call_t *call)
{
    const struct nv_template_context *context = call->run->context;
    const struct nv_template_sample *samples = NULL;
    size_t n = 0;

    if (!context->query)
        return nv_template_call_fail(call, "queries are not possible here");
    int r = context->query(context->user, call->args[0].text, context->time_ms, &call->run->memory,
                           &samples, &n, call->run->reason);
    if (r < 0)
        return r == -ENOMEM ? r : -EINVAL;
    value_t *items = nv_arena_alloc(&call->run->memory, n * sizeof(*items));
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        r = make_sample(&call->run->memory, &samples[i], &items[i]);
        if (r < 0)
            return r;
    }
    call->result = (value_t){
        .kind = NV_TEMPLATE_LIST, .list = {items, n}
    };
    return 0;
}

static int call_first(call_t *call)
{
    if (!call->args[0].list.n)
        return nv_template_call_fail(call, "first() called on vector with no elements");
    call->result = call->args[0].list.items[0];
    return 0;
}

static struct nv_str label_of(const value_t *sample, struct nv_str name)
{
    const value_t *labels = nv_template_get(sample, NV_LIT("Labels"));
    const value_t *found = labels ? nv_template_get(labels, name) : NULL;

    return found ? found->text : NV_LIT("");
}

static int call_label(call_t *call)
{
    return give_text(call, label_of(&call->args[1], call->args[0].text));
}

static int call_strvalue(call_t *call)
{
    return give_text(call, label_of(&call->args[0], NV_LIT("__value__")));
}

static int call_value(call_t *call)
{
    call->result = *nv_template_get(&call->args[0], NV_LIT("Value"));
    return 0;
}

/* Merges the two halves, which keeps equal labels in their order. */
static void sort_samples(value_t *items, value_t *spare, size_t n, struct nv_str label)
{
    size_t half = n / 2, a = 0, b = half;

    if (n < 2)
        return;
    sort_samples(items, spare, half, label);
    sort_samples(items + half, spare, n - half, label);
    memcpy(spare, items, n * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        bool second = a == half || (b < n && nv_str_cmp(label_of(&spare[b], label),
                                                        label_of(&spare[a], label)) < 0);
        items[i] = second ? spare[b++] : spare[a++];
    }
}

static int call_sort(call_t *call)
{
    size_t n = call->args[1].list.n;
    value_t *items = nv_arena_alloc(&call->run->memory, n * sizeof(*items));
    value_t *spare = nv_arena_alloc(&call->run->memory, n * sizeof(*spare));

    if (!items || !spare)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        items[i] = call->args[1].list.items[i];
        if (items[i].kind != NV_TEMPLATE_STRUCT)
            return nv_template_call_fail(call, "not a list of samples");
    }
    sort_samples(items, spare, n, call->args[0].text);
    call->result = (value_t){
        .kind = NV_TEMPLATE_LIST, .list = {items, n}
    };
    return 0;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static int call_to_upper(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    nv_utf8_upper(&text, call->args[0].text);
    return nv_template_call_text(call, &text);
}

static int call_to_lower(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    nv_utf8_lower(&text, call->args[0].text);
    return nv_template_call_text(call, &text);
}

static bool is_separator(uint32_t c)
{
    if (c < 0x80)
        return !(nv_is_digit((char)c) || c == '_' || nv_is_letter(c));
    return c == 0x85 || c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

static int call_title(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);
    uint32_t before = ' ';

    for (struct nv_str rest = call->args[0].text; rest.n;) {
        char bytes[4];
        uint32_t c = 0xfffd;
        size_t n = nv_utf8_decode(rest, &c);
        c = n ? c : 0xfffd;
        nv_buf_add(&text, bytes, nv_utf8_encode(bytes, is_separator(before) ? nv_upper(c) : c));
        before = c;
        rest = nv_str_from(rest, n ? n : 1);
    }
    return nv_template_call_text(call, &text);
}

static int compile(call_t *call, struct nv_str pattern, bool must, struct nv_regex **ret)
{
    char error[NV_REGEX_ERROR_MAX] = "";
    int r = nv_regex_new(pattern, NV_REGEX_SEARCH, ret, error);

    if (r == 0 || r == -ENOMEM)
        return r;
    int n = pattern.n < 128 ? (int)pattern.n : 128;
    if (must)
        return nv_template_call_fail(call, "regexp: Compile(`%.*s`): %s", n, pattern.p, error);
    return nv_template_call_fail(call, "%s", error);
}

static int call_match(call_t *call)
{
    NV_AUTO(nv_regex) *regex = NULL;
    int r = compile(call, call->args[0].text, false, &regex);

    if (r < 0)
        return r;
    call->result =
        (value_t){.kind = NV_TEMPLATE_BOOL, .yes = nv_regex_match(regex, call->args[1].text)};
    return 0;
}

/* Replaces every match. An empty one right behind another does not count. */
static void replace_all(const struct nv_regex *regex, struct nv_str replacement, struct nv_str text,
                        struct nv_buf *out)
{
    struct nv_str spans[GROUPS_MAX];
    size_t at = 0, copied = 0, n;
    bool matched = false;

    while (at <= text.n && !out->failed &&
           (n = nv_regex_search(regex, text, at, spans, GROUPS_MAX)) > 0) {
        size_t from = (size_t)(spans[0].p - text.p), to = from + spans[0].n;
        nv_buf_add(out, text.p + copied, from - copied);
        if (to > from || !matched || from > copied || from == 0)
            nv_regex_expand(regex, replacement, spans, n, out);
        copied = to;
        matched = true;
        at = to;
        if (to == from) { /* on by a character */
            size_t length = at < text.n ? nv_utf8_length(nv_str_from(text, at)) : 1;
            at += length ? length : 1;
        }
    }
    nv_buf_str(out, nv_str_from(text, copied));
}

static int call_replace_all(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX), valid = NV_BUF(TEXT_MAX);
    NV_AUTO(nv_regex) *regex = NULL;
    int r = compile(call, call->args[0].text, true, &regex);

    if (r < 0)
        return r;
    for (struct nv_str rest = call->args[2].text; rest.n;) {
        size_t n = nv_utf8_length(rest);
        nv_buf_add(&valid, n ? rest.p : "\xef\xbf\xbd", n ? n : 3);
        rest = nv_str_from(rest, n ? n : 1);
    }
    replace_all(regex, call->args[1].text, valid.n ? nv_buf_view(&valid) : NV_LIT(""), &text);
    return nv_template_call_text(call, &text);
}

static int call_same(call_t *call)
{
    return give_text(call, call->args[0].text);
}

/* ---- links and addresses -------------------------------------------------------------------- */

void nv_query_escape(struct nv_buf *out, struct nv_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (nv_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("-_.~", c)))
            nv_buf_char(out, c);
        else if (c == ' ')
            nv_buf_char(out, '+');
        else
            nv_buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

static int call_escape(call_t *call)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    nv_query_escape(&text, call->args[0].text);
    return nv_template_call_text(call, &text);
}

static int give_link(call_t *call, char tab)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    nv_buf_text(&text, "/graph?g0.expr=");
    nv_query_escape(&text, call->args[0].text);
    nv_buf_printf(&text, "&g0.tab=%c", tab);
    return nv_template_call_text(call, &text);
}

static int call_graph_link(call_t *call)
{
    return give_link(call, '0');
}

static int call_table_link(call_t *call)
{
    return give_link(call, '1');
}

static int call_external_url(call_t *call)
{
    return give_text(call, call->run->context->external_url);
}

static int call_path_prefix(call_t *call)
{
    struct nv_str url = call->run->context->external_url;
    size_t at = 0;

    while (at + 2 < url.n && memcmp(url.p + at, "://", 3) != 0)
        at++;
    struct nv_str rest = at + 2 < url.n ? nv_str_from(url, at + 3) : url;
    struct nv_str path = nv_str_from(rest, nv_str_find(rest, '/'));
    path.n = nv_str_find(path, '?');
    path.n = nv_str_find(path, '#');
    return give_text(call, path.n ? path : NV_LIT(""));
}

/* HOST:PORT or [HOST]:PORT; false where it is neither. */
static bool split_address(struct nv_str address, struct nv_str *ret_host, struct nv_str *ret_port)
{
    size_t colon = address.n;

    while (colon && address.p[colon - 1] != ':')
        colon--;
    if (!colon)
        return false;
    struct nv_str host = {address.p, colon - 1}, port = nv_str_from(address, colon);
    if (host.n && host.p[0] == '[') {
        if (host.p[host.n - 1] != ']' || nv_str_find(host, ']') != host.n - 1)
            return false;
        host = (struct nv_str){host.p + 1, host.n - 2};
    } else if (nv_str_find(host, ':') < host.n || nv_str_find(host, ']') < host.n) {
        return false;
    }
    if (nv_str_find(host, '[') < host.n || nv_str_find(port, '[') < port.n ||
        nv_str_find(port, ']') < port.n)
        return false;
    *ret_host = host;
    *ret_port = port;
    return true;
}

static int call_strip_port(call_t *call)
{
    struct nv_str host, port;

    return give_text(call,
                     split_address(call->args[0].text, &host, &port) ? host : call->args[0].text);
}

static bool is_ip(struct nv_str host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];

    if (host.n >= sizeof(text))
        return false;
    if (host.n)
        memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static int call_strip_domain(call_t *call)
{
    struct nv_str host = call->args[0].text, port = NV_LIT("");
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    if (!split_address(call->args[0].text, &host, &port))
        host = call->args[0].text;
    if (is_ip(host))
        return give_text(call, call->args[0].text);
    host.n = nv_str_find(host, '.');
    if (!port.n)
        return give_text(call, host);
    nv_buf_printf(&text, nv_str_find(host, ':') < host.n ? "[%.*s]:%.*s" : "%.*s:%.*s",
                  NV_ARGS(host), NV_ARGS(port));
    return nv_template_call_text(call, &text);
}

static int order_pairs(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_template_pair *)a)->key,
                      ((const struct nv_template_pair *)b)->key);
}

/* A map with the keys arg0, arg1 ... */
static int call_args(call_t *call)
{
    struct nv_template_pair *pairs = nv_arena_alloc(&call->run->memory, call->n * sizeof(*pairs));

    if (!pairs)
        return -ENOMEM;
    for (size_t i = 0; i < call->n; i++) {
        NV_AUTO_BUF name = NV_BUF(32);
        nv_buf_printf(&name, "arg%zu", i);
        pairs[i] = (struct nv_template_pair){nv_arena_str(&call->run->memory, nv_buf_view(&name)),
                                             call->args[i]};
        if (!pairs[i].key.p)
            return -ENOMEM;
    }
    qsort(pairs, call->n, sizeof(*pairs), order_pairs);
    call->result = (value_t){
        .kind = NV_TEMPLATE_MAP, .map = {pairs, call->n, NULL}
    };
    return 0;
}

static const struct nv_template_function functions[] = {
    {"query",          "t",   call_query       },
    {"first",          "l",   call_first       },
    {"label",          "ts",  call_label       },
    {"value",          "s",   call_value       },
    {"strvalue",       "s",   call_strvalue    },
    {"sortByLabel",    "tl",  call_sort        },
    {"title",          "t",   call_title       },
    {"toUpper",        "t",   call_to_upper    },
    {"toLower",        "t",   call_to_lower    },
    {"match",          "tt",  call_match       },
    {"reReplaceAll",   "ttt", call_replace_all },
    {"graphLink",      "t",   call_graph_link  },
    {"tableLink",      "t",   call_table_link  },
    {"stripPort",      "t",   call_strip_port  },
    {"stripDomain",    "t",   call_strip_domain},
    {"urlQueryEscape", "t",   call_escape      },
    {"args",           "v.",  call_args        },
    {"externalURL",    "",    call_external_url},
    {"pathPrefix",     "",    call_path_prefix },
    {"safeHtml",       "t",   call_same        },
};

const struct nv_template_function *nv_template_prometheus(struct nv_str name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (nv_str_is(name, functions[i].name))
            return &functions[i];
    }
    return nv_template_number(name);
}
