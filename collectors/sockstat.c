/*
 * sockstat - sockets in use, by protocol.
 *
 * Sources: proc/net/sockstat and sockstat6, lines "PROTO: key number key number ...". Memory is counted
 * in pages: mem is shown as it is, and in bytes. A file that is missing drops its series only.
 */
#include <nodevitals/collector.h>

#include <unistd.h>

static const struct nv_family used[] = {
    {"node_sockstat_sockets_used", NV_GAUGE, NV_AS_IS, "IPv4 sockets in use."},
};

static const struct nv_table sockets = {NV_NO_LABELS, used, NV_LEN(used)};

static const struct {
    const char *name, *help;
} keys[] = {
    {"inuse",  "Sockets of the protocol in use."   },
    {"orphan", "Sockets without a process."        },
    {"tw",     "Sockets waiting after their end."  },
    {"alloc",  "Sockets allocated."                },
    {"mem",    "Pages of memory in use by sockets."},
    {"memory", "Memory in use by fragments."       },
};
enum { INUSE, MEM = 4 };

static void emit(struct nv_pass *pass, struct nv_str protocol, const char *key, const char *help,
                 double value)
{
    char name[128];
    const struct nv_family family = {name, NV_GAUGE, NV_AS_IS, help};

    if ((size_t)snprintf(name, sizeof(name), "node_sockstat_%.*s_%s", NV_ARGS(protocol), key) <
        sizeof(name))
        nv_emit_named(pass, &family, NV_NO_LABELS, NULL, value);
}

static void emit_protocol(struct nv_pass *pass, struct nv_str protocol, const int64_t *values,
                          unsigned mask)
{
    for (size_t i = 0; i < NV_LEN(keys); i++) {
        if (!(mask & 1u << i) && i != INUSE)
            continue;
        emit(pass, protocol, keys[i].name, keys[i].help, (double)values[i]);
        if (i == MEM)
            emit(pass, protocol, "mem_bytes", "Memory in use by sockets.",
                 (double)(values[i] * sysconf(_SC_PAGESIZE)));
    }
}

/* One line. *ret_used is set by the line of all sockets. */
static int parse_line(struct nv_pass *pass, struct nv_scan line, int64_t *ret_used)
{
    int64_t values[NV_LEN(keys)] = {0}, value;
    unsigned mask = 0;
    struct nv_str protocol = nv_scan_word(&line);

    if (nv_str_ends(protocol, ":"))
        protocol.n--;
    bool all = nv_str_is(protocol, "sockets");
    while (!nv_scan_done(&line)) {
        struct nv_str key = nv_scan_word(&line);
        if (!nv_str_to_i64_prefixed(nv_scan_word(&line), &value) || line.failed)
            return nv_error(pass, -EBADMSG, "%.*s: %.*s has no number", NV_ARGS(protocol),
                            NV_ARGS(key));
        if (all && nv_str_is(key, "used"))
            *ret_used = value;
        for (size_t i = 0; i < NV_LEN(keys); i++) {
            if (nv_str_is(key, keys[i].name)) {
                values[i] = value;
                mask |= 1u << i;
            }
        }
    }
    if (protocol.n && !all)
        emit_protocol(pass, protocol, values, mask);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    for (size_t i = 0; i < 2; i++) {
        struct nv_scan file = nv_pass_text(pass, i), line;
        int64_t n_used = -1;
        int r = nv_pass_error(pass, i);
        if (r == -ENOENT) {
            nv_say(pass, NV_DEBUG, "no socket statistics of IPv%d", i ? 6 : 4);
            continue;
        }
        while (r == 0 && nv_scan_line(&file, &line))
            r = parse_line(pass, line, &n_used);
        if (r < 0)
            return r;
        if (i == 0 && n_used >= 0)
            nv_emit_i64(pass, &sockets, NULL, 0, n_used);
    }
    return 0;
}

NV_COLLECTOR(sockstat) = {
    NV_ABI_STAMP,
    .name = "sockstat",
    .summary = "Sockets in use, by protocol.",
    .sources = NV_SOURCES("?proc/net/sockstat", "?proc/net/sockstat6"),
    .tables = NV_TABLES(&sockets),
    .collect = collect,
};
