#include "kube/way.h"

#include <stdio.h>

#include "base/buf.h"

enum { PORT_TLS = 10250, PORT_PLAIN = 10255, ADDRESSES_MAX = 5 };

struct list {
    struct nv_arena *memory;
    struct nv_kube_way *at;
    size_t n;
    bool no_memory;
};

/* Copies a URL and remembers its parts. */
static void add(struct list *list, struct nv_str url, const char *server_name)
{
    struct nv_str copy = nv_arena_str(list->memory, url);

    if (list->n == NV_KUBE_WAYS_MAX)
        return;
    if (!copy.p) {
        list->no_memory = true;
        return;
    }
    struct nv_str rest = copy, address;
    bool tls = nv_str_starts(copy, "https:");
    rest = nv_str_from(rest, tls ? 8 : 7);
    size_t slash = nv_str_find(rest, '/');
    address = (struct nv_str){rest.p, slash};
    list->at[list->n++] = (struct nv_kube_way){
        .url = copy.p,
        .address = address,
        .path = nv_str_from(rest, slash),
        .server_name = tls ? server_name : NULL,
        .tls = tls,
    };
}

static void add_both(struct list *list, struct nv_str url, const char *node_name)
{
    const char *name = node_name && node_name[0] ? node_name : NULL;

    add(list, url, NULL);
    if (name && nv_str_starts(url, "https:"))
        add(list, url, name);
}

/* ---- the flag ------------------------------------------------------------------------------- */

static bool is_port(struct nv_str text)
{
    uint64_t port;

    for (size_t i = 0; i < text.n; i++)
        if (!nv_is_digit(text.p[i]))
            return false;
    return nv_str_to_u64(text, &port) && port > 0 && port <= UINT16_MAX;
}

static bool is_plain(struct nv_str text, const char *others)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c >= 0x7f || strchr(others, c))
            return false;
    }
    return true;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT. */
static bool is_authority(struct nv_str text, bool *ret_port)
{
    struct nv_str host = text, port = {NULL, 0};

    if (text.n && text.p[0] == '[') {
        size_t end = nv_str_find(text, ']');
        host = nv_str_from((struct nv_str){text.p, end}, 1);
        port = nv_str_from(text, end + 1);
        if (end == text.n || (port.n && port.p[0] != ':'))
            return false;
        *ret_port = port.n > 0;
        port = nv_str_from(port, 1);
    } else {
        port = text;
        host = nv_str_cut(&port, ':');
        *ret_port = host.n < text.n;
        if (nv_str_find(host, ']') < host.n)
            return false;
    }
    return host.n > 0 && is_plain(host, "/?#@\\\"<>^`{|}[") && (!*ret_port || is_port(port));
}

static int wrong(char error[NV_KUBE_WAY_ERROR_MAX], const char *url)
{
    snprintf(error, NV_KUBE_WAY_ERROR_MAX, "'%.150s': it is https://HOST:PORT or http://HOST:PORT",
             url);
    return -EINVAL;
}

static int add_given(struct list *list, const struct nv_kube_surroundings *around,
                     char error[NV_KUBE_WAY_ERROR_MAX])
{
    NV_AUTO_BUF url = NV_BUF(NV_KUBE_ADDRESS_MAX);
    struct nv_str rest = nv_str(around->url);
    bool tls = nv_str_starts(rest, "https://"), port = false;

    if (!tls && !nv_str_starts(rest, "http://"))
        return wrong(error, around->url);
    rest = nv_str_from(rest, tls ? 8 : 7);
    size_t slash = nv_str_find(rest, '/');
    struct nv_str authority = {rest.p, slash}, path = nv_str_from(rest, slash);
    if (!is_authority(authority, &port) || !is_plain(path, "?#\"<>\\^`{|}"))
        return wrong(error, around->url);
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    nv_buf_text(&url, tls ? "https://" : "http://");
    nv_buf_str(&url, authority);
    if (!port && !path.n)
        nv_buf_printf(&url, ":%d", tls ? PORT_TLS : PORT_PLAIN);
    nv_buf_str(&url, path);
    if (url.failed)
        return wrong(error, around->url);
    add_both(list, nv_buf_view(&url), around->node_name);
    return 0;
}

/* ---- the downward API ----------------------------------------------------------------------- */

/* Adds an address unless it is none or known. */
static void add_address(struct nv_str *at, size_t *n, struct nv_str address)
{
    address = nv_str_trim(address);
    bool known = !address.n || !is_plain(address, "/?#@\\\"<>^`{|}[]");

    for (size_t i = 0; i < *n; i++)
        known = known || nv_str_eq(at[i], address);
    if (!known && *n < ADDRESSES_MAX)
        at[(*n)++] = address;
}

static void write_url(struct nv_buf *out, const char *scheme, struct nv_str address, int port)
{
    bool v6 = nv_str_find(address, ':') < address.n;

    nv_buf_reset(out);
    nv_buf_printf(out, "%s://%s%.*s%s:%d", scheme, v6 ? "[" : "", NV_ARGS(address), v6 ? "]" : "",
                  port);
}

static void add_found(struct list *list, const struct nv_kube_surroundings *around)
{
    NV_AUTO_BUF url = NV_BUF(NV_KUBE_ADDRESS_MAX);
    struct nv_str at[ADDRESSES_MAX], rest = nv_str(around->host_ips ? around->host_ips : "");
    size_t n = 0;

    add_address(at, &n, nv_str(around->host_ip ? around->host_ip : ""));
    while (rest.n)
        add_address(at, &n, nv_str_cut(&rest, ','));
    if (!n)
        at[n++] = NV_LIT("127.0.0.1");
    for (size_t i = 0; i < n; i++) {
        write_url(&url, "https", at[i], PORT_TLS);
        if (!url.failed)
            add_both(list, nv_buf_view(&url), around->node_name);
    }
    write_url(&url, "http", at[0], PORT_PLAIN);
    if (!url.failed)
        add(list, nv_buf_view(&url), NULL);
}

int nv_kube_ways(const struct nv_kube_surroundings *around, struct nv_arena *memory,
                 const struct nv_kube_way **ret, size_t *ret_n, char error[NV_KUBE_WAY_ERROR_MAX])
{
    struct list list = {.memory = memory};
    int r = 0;

    error[0] = '\0';
    list.at = nv_arena_alloc(memory, NV_KUBE_WAYS_MAX * sizeof(*list.at));
    if (!list.at)
        return -ENOMEM;
    if (around->url && around->url[0])
        r = add_given(&list, around, error);
    else
        add_found(&list, around);
    if (r < 0)
        return r;
    if (list.no_memory)
        return -ENOMEM;
    *ret = list.at;
    *ret_n = list.n;
    return 0;
}
