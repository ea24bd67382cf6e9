/*
 * sockets.c - what a network namespace knows of its sockets (groups "tcp", "udp", "advtcp"), from files of a process's
 * net folder: tcp, tcp6, udp, udp6, a line a socket; netstat and snmp, lines of names and, behind each, of values.
 *
 * Off by default, for the kernel goes through all sockets for them. A list longer than TEXT_MAX is not told at all,
 * rather than wrong.
 */
#include <ctype.h>

#include "container.h"

enum {
    TEXT_MAX = 16 << 20, /* some 100,000 sockets */
    STATES = 11,
    UDP_NUMBERS = 4,
    ADVANCED_MAX = 512, /* fields of netstat and snmp */
    STATE_COLUMN = 3,   /* of a line, from 0; then "tx_queue:rx_queue", both hexadecimal */
    DROPS_COLUMN = 12,
};

static const char *const states[STATES] = {"established", "synsent",  "synrecv", "finwait1",
                                           "finwait2",    "timewait", "close",   "closewait",
                                           "lastack",     "listen",   "closing"};
enum { LISTEN, DROPPED, RXQUEUED, TXQUEUED };
static const char *const udp_names[UDP_NUMBERS] = {
    [LISTEN] = "listen", [DROPPED] = "dropped", [RXQUEUED] = "rxqueued", [TXQUEUED] = "txqueued"};

static const struct nv_family tcp_columns[] = {
    {"container_network_tcp_usage_total",  NV_GAUGE, NV_AS_IS, "TCP sockets by state."         },
    {"container_network_tcp6_usage_total", NV_GAUGE, NV_AS_IS, "TCP sockets by state, of IPv6."},
};
static const struct nv_family udp_columns[] = {
    {"container_network_udp_usage_total",  NV_GAUGE, NV_AS_IS,
     "UDP sockets, packets they dropped, and bytes in their queues."        },
    {"container_network_udp6_usage_total", NV_GAUGE, NV_AS_IS,
     "UDP sockets of IPv6, packets they dropped, and bytes in their queues."},
};
static const struct nv_family advanced_columns[] = {
    {"container_network_advance_tcp_stats_total", NV_GAUGE, NV_AS_IS,
     "What the kernel counts of TCP, by the names it has for it."},
};

#define BASE "container", "id", "image", "name", "namespace", "pod"
const struct nv_table nv_cg_tcps = {NV_LABELS(BASE, "tcp_state"), tcp_columns, 2};
const struct nv_table nv_cg_udps = {NV_LABELS(BASE, "udp_state"), udp_columns, 2};
const struct nv_table nv_cg_advanced = {NV_LABELS(BASE, "tcp_state"), advanced_columns, 1};

struct advanced {
    struct nv_str name;
    int64_t value;
};

struct nv_cg_sockets {
    uint64_t tcp[STATES][2], udp[UDP_NUMBERS][2]; /* by family: IPv4, IPv6 */
    unsigned has_tcp, has_udp;                    /* a bit a family */
    struct advanced advanced[ADVANCED_MAX];
    size_t n_advanced;
};

/* ---- lists of sockets ------------------------------------------------------------------------- */

static void count_tcp(struct nv_cg_sockets *sockets, struct nv_scan *line, int family)
{
    uint64_t state;

    nv_scan_skip(line, STATE_COLUMN);
    if (nv_str_to_hex(nv_scan_word(line), &state) && state >= 1 && state <= STATES)
        sockets->tcp[state - 1][family]++;
}

static void count_udp(struct nv_cg_sockets *sockets, struct nv_scan *line, int family)
{
    uint64_t sent, received;

    nv_scan_skip(line, STATE_COLUMN + 1);
    struct nv_str queues = nv_scan_word(line), first = nv_str_cut(&queues, ':');
    nv_scan_skip(line, DROPS_COLUMN - STATE_COLUMN - 2);
    uint64_t dropped = nv_scan_u64(line);
    if (line->failed || !nv_str_to_hex(first, &sent) || !nv_str_to_hex(queues, &received))
        return;
    sockets->udp[LISTEN][family]++;
    sockets->udp[DROPPED][family] += dropped;
    sockets->udp[RXQUEUED][family] += received;
    sockets->udp[TXQUEUED][family] += sent;
}

/* A list, in the state's memory or, where that is too small, in `*more`, which is the caller's to free. */
static struct nv_str read_list(struct nv_pass *pass, struct nv_cg_state *state, int dir,
                               const char *name, char **more)
{
    int n = nv_dir_read_parts(pass, dir, name, state->text, NV_CG_TEXT_MAX);

    if (n < NV_CG_TEXT_MAX)
        return (struct nv_str){state->text, n > 0 ? (size_t)n : 0};
    *more = malloc(TEXT_MAX);
    n = *more ? nv_dir_read_parts(pass, dir, name, *more, TEXT_MAX) : 0;
    return (struct nv_str){*more, n > 0 && n < TEXT_MAX ? (size_t)n : 0};
}

static void read_sockets(struct nv_pass *pass, struct nv_cg_state *state, int dir,
                         struct nv_cg_sockets *sockets, bool tcp)
{
    static const char *const names[2][2] = {
        {"net/udp", "net/udp6"},
        {"net/tcp", "net/tcp6"}
    };

    for (int family = 0; family < 2; family++) {
        char *more = NULL;
        struct nv_str text = read_list(pass, state, dir, names[tcp][family], &more);
        struct nv_scan file = nv_scan(text), line;
        if (nv_scan_line(&file, &line)) /* the heading */
            *(tcp ? &sockets->has_tcp : &sockets->has_udp) |= 1u << family;
        while (nv_scan_line(&file, &line))
            (tcp ? count_tcp : count_udp)(sockets, &line, family);
        free(more);
    }
}

/* ---- counters --------------------------------------------------------------------------------- */

static struct nv_str lower(struct nv_pass *pass, struct nv_str name)
{
    char *copy = nv_alloc(pass, name.n + 1);

    for (size_t i = 0; i < name.n; i++)
        copy[i] = (char)tolower((unsigned char)name.p[i]);
    return (struct nv_str){copy, name.n};
}

/* Pairs of lines that begin with the same word: names, then values. */
static void read_counters(struct nv_pass *pass, struct nv_cg_state *state, int dir,
                          const char *file_name, const char *prefix, struct nv_cg_sockets *sockets)
{
    int n = nv_dir_read_parts(pass, dir, file_name, state->text, NV_CG_TEXT_MAX);
    struct nv_scan file = nv_scan((struct nv_str){state->text, n > 0 ? (size_t)n : 0});
    struct nv_scan names, values;

    while (nv_scan_line(&file, &names)) {
        if (!nv_scan_accept(&names, prefix) || !nv_scan_line(&file, &values) ||
            !nv_scan_accept(&values, prefix))
            continue;
        while (sockets->n_advanced < ADVANCED_MAX) {
            struct advanced *advanced = &sockets->advanced[sockets->n_advanced];
            struct nv_str name = nv_scan_word(&names);
            if (!name.n || !nv_str_to_i64(nv_scan_word(&values), &advanced->value))
                break;
            advanced->name = lower(pass, name);
            sockets->n_advanced++;
        }
    }
}

/* ---- exported --------------------------------------------------------------------------------- */

void nv_cg_sockets_read(struct nv_pass *pass, struct nv_cg_state *state, int dir,
                        struct nv_cg_values *values)
{
    if (!(state->groups & (NV_CG_TCP | NV_CG_UDP | NV_CG_ADVTCP)))
        return;
    struct nv_cg_sockets *sockets = nv_alloc(pass, sizeof(*sockets));
    memset(sockets, 0, sizeof(*sockets));
    nv_cg_more(pass, values)->sockets = sockets;
    if (state->groups & NV_CG_TCP)
        read_sockets(pass, state, dir, sockets, true);
    if (state->groups & NV_CG_UDP)
        read_sockets(pass, state, dir, sockets, false);
    if (!(state->groups & NV_CG_ADVTCP))
        return;
    read_counters(pass, state, dir, "net/netstat", "TcpExt:", sockets);
    read_counters(pass, state, dir, "net/snmp", "Tcp:", sockets);
}

void nv_cg_sockets_emit(struct nv_pass *pass, const struct nv_cg_sockets *sockets,
                        struct nv_str *labels)
{
    for (size_t i = 0; sockets->has_tcp && i < STATES; i++) {
        labels[NV_CG_LABELS] = nv_str(states[i]);
        nv_emit_some(pass, &nv_cg_tcps, labels, sockets->tcp[i], 2, sockets->has_tcp);
    }
    for (size_t i = 0; sockets->has_udp && i < UDP_NUMBERS; i++) {
        labels[NV_CG_LABELS] = nv_str(udp_names[i]);
        nv_emit_some(pass, &nv_cg_udps, labels, sockets->udp[i], 2, sockets->has_udp);
    }
    for (size_t i = 0; i < sockets->n_advanced; i++) {
        labels[NV_CG_LABELS] = sockets->advanced[i].name;
        nv_emit_i64(pass, &nv_cg_advanced, labels, 0, sockets->advanced[i].value);
    }
}

size_t nv_cg_sockets_count(const struct nv_cg_sockets *sockets)
{
    return (size_t)__builtin_popcount(sockets->has_tcp) * STATES +
           (size_t)__builtin_popcount(sockets->has_udp) * UDP_NUMBERS + sockets->n_advanced;
}
