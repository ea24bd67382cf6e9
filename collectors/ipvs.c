/*
 * ipvs - the kernel's load balancer: totals, and the backends of every service.
 *
 * Sources: proc/net/ip_vs_stats, whose third line has five totals in hexadecimal; and proc/net/ip_vs,
 * where a line TCP, UDP or FWM begins a service and each line "->" below is a backend:
 *     TCP  C0A80016:0CEA wlc                    address and port in hexadecimal, IPv6 in brackets
 *       -> C0A85216:0CEA Tunnel 100 248 2       address, method, weight, active, inactive connections
 *     FWM  10001000 wlc                         a firewall mark instead of an address
 * Backends alike in the labels chosen by the flag are summed.
 */
#include <nodevitals/address.h>
#include <nodevitals/sort.h>

enum { BACKEND_LABELS };
enum { LOCAL_ADDRESS, LOCAL_PORT, REMOTE_ADDRESS, REMOTE_PORT, PROTO, LOCAL_MARK, N_LABELS };

static const char *const label_names[N_LABELS] = {"local_address", "local_port", "remote_address",
                                                  "remote_port",   "proto",      "local_mark"};

// clang-format off
#define C NV_COUNTER, NV_AS_IS
static const struct nv_family totals[] = {
    {"node_ipvs_connections_total",      C, "Connections made."},
    {"node_ipvs_incoming_packets_total", C, "Packets received."},
    {"node_ipvs_outgoing_packets_total", C, "Packets sent."},
    {"node_ipvs_incoming_bytes_total",   C, "Bytes received."},
    {"node_ipvs_outgoing_bytes_total",   C, "Bytes sent."},
};
static const struct nv_family backends[] = {
    {"node_ipvs_backend_weight",               NV_GAUGE, NV_AS_IS, "Weight of the backend."},
    {"node_ipvs_backend_connections_active",   NV_GAUGE, NV_AS_IS, "Connections to the backend in use."},
    {"node_ipvs_backend_connections_inactive", NV_GAUGE, NV_AS_IS, "Connections to the backend at rest."},
};
// clang-format on

static const struct nv_table table_totals = {NV_NO_LABELS, totals, NV_LEN(totals)};

struct state {
    unsigned char chosen[N_LABELS]; /* labels of the flag, in the order above */
    const char *names[N_LABELS + 1];
    size_t n_chosen;
    struct nv_table backends;
};

struct backend {
    struct nv_str label[N_LABELS];
    uint64_t values[NV_LEN(backends)];
};

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_str rest = nv_flag(pass, BACKEND_LABELS)->text;
    bool wanted[N_LABELS] = {false};

    while (rest.n) {
        struct nv_str word = nv_str_cut(&rest, ',');
        size_t i = 0;
        while (i < N_LABELS && !nv_str_is(word, label_names[i]))
            i++;
        if (word.n && i == N_LABELS)
            return nv_error(pass, -EINVAL, "unknown IPVS backend label \"%.*s\"", NV_ARGS(word));
        if (word.n)
            wanted[i] = true;
    }
    for (size_t i = 0; i < N_LABELS; i++) {
        if (wanted[i]) {
            state->names[state->n_chosen] = label_names[i];
            state->chosen[state->n_chosen++] = (unsigned char)i;
        }
    }
    state->backends = (struct nv_table){state->names, backends, NV_LEN(backends)};
    return 0;
}

static int collect_totals(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line = {0};
    uint64_t values[NV_LEN(totals)];

    for (size_t i = 0; i < 3; i++) {
        if (!nv_scan_line(&file, &line))
            return nv_error(pass, -EBADMSG, "net/ip_vs_stats is too short");
    }
    for (size_t i = 0; i < NV_LEN(values); i++)
        values[i] = nv_scan_hex(&line);
    if (line.failed || !nv_scan_done(&line))
        return nv_error(pass, -EBADMSG, "net/ip_vs_stats: not five numbers");
    nv_emit_row(pass, &table_totals, NULL, values, NV_LEN(values));
    return 0;
}

/* Text that lives until the pass ends. */
static struct nv_str keep(struct nv_pass *pass, struct nv_str text)
{
    char *copy = nv_alloc(pass, text.n + 1);

    memcpy(copy, text.p, text.n);
    return (struct nv_str){copy, text.n};
}

static bool parse_ip4(struct nv_str text, unsigned char ip[16])
{
    uint64_t word;

    if (!nv_str_to_hex(text, &word))
        return false;
    for (int i = 0; i < 4; i++)
        ip[i] = (unsigned char)(word >> (24 - 8 * i));
    return true;
}

/* Eight groups of four digits, as the kernel writes them. */
static bool parse_ip6(struct nv_str text, unsigned char ip[16])
{
    for (int i = 0; i < 16; i += 2) {
        uint64_t group;
        if (!nv_str_to_hex(nv_str_cut(&text, ':'), &group) || group > 0xffff)
            return false;
        ip[i] = (unsigned char)(group >> 8);
        ip[i + 1] = (unsigned char)group;
    }
    return text.n == 0;
}

static bool parse_endpoint(struct nv_pass *pass, struct nv_str text, struct nv_str *ret_address,
                           struct nv_str *ret_port)
{
    enum { V4 = 13, V6 = 46 }; /* lengths of address and port */
    unsigned char ip[16];
    char address[NV_IP_TEXT_MAX], port[8];
    uint64_t number;

    if (text.n == V4 ? !parse_ip4((struct nv_str){text.p, 8}, ip)
                     : text.n != V6 || !parse_ip6((struct nv_str){text.p + 1, 39}, ip))
        return false;
    if (!nv_str_to_hex(nv_str_from(text, text.n - 4), &number))
        return false;
    int n = snprintf(port, sizeof(port), "%u", (unsigned)number);
    *ret_port = keep(pass, (struct nv_str){port, (size_t)n});
    struct nv_str bytes = {(const char *)ip, text.n == V4 ? 4 : 16};
    *ret_address = keep(pass, nv_ip_text(bytes, address));
    return true;
}

static bool parse_backend(struct nv_pass *pass, struct nv_scan line, struct backend *backend)
{
    struct nv_str endpoint = nv_scan_word(&line);

    nv_scan_skip(&line, 1); /* how packets are forwarded */
    for (size_t i = 0; i < NV_LEN(backend->values); i++)
        backend->values[i] = nv_scan_u64(&line);
    return !line.failed && parse_endpoint(pass, endpoint, &backend->label[REMOTE_ADDRESS],
                                          &backend->label[REMOTE_PORT]);
}

static size_t n_words(struct nv_scan line)
{
    size_t n = 0;

    for (; !nv_scan_done(&line); n++)
        nv_scan_word(&line);
    return n;
}

/* Takes the file apart; *ret_n is at most the number of its lines. */
static int parse_backends(struct nv_pass *pass, struct nv_scan file, struct backend *at,
                          size_t *ret_n)
{
    struct backend service = {0};
    struct nv_scan line;
    size_t n = 0;

    while (nv_scan_line(&file, &line)) {
        size_t width = n_words(line);
        struct nv_str whole = nv_scan_rest(&line);
        struct nv_str word = width ? nv_scan_word(&line) : NV_LIT("");
        struct nv_scan rest = line;
        struct nv_str second = width > 1 ? nv_scan_word(&rest) : NV_LIT("");
        bool good = true;
        if (width < 2 || nv_str_is(second, "RemoteAddress:Port")) {
            continue;
        } else if (nv_str_is(word, "TCP") || nv_str_is(word, "UDP")) {
            service = (struct backend){.label[PROTO] = word};
            good = parse_endpoint(pass, second, &service.label[LOCAL_ADDRESS],
                                  &service.label[LOCAL_PORT]);
        } else if (nv_str_is(word, "FWM")) {
            service = (struct backend){
                .label = {[PROTO] = word, [LOCAL_MARK] = second, [LOCAL_PORT] = NV_LIT("0")}
            };
        } else if (nv_str_is(word, "->") && width >= 6) {
            at[n] = service;
            good = parse_backend(pass, line, &at[n++]);
        }
        if (!good)
            return nv_error(pass, -EBADMSG, "net/ip_vs: cannot read \"%.*s\"", NV_ARGS(whole));
    }
    *ret_n = n;
    return 0;
}

/* Moves the chosen labels to the front, and empties the others. */
static void choose(const struct state *state, struct backend *backend)
{
    struct backend all = *backend;

    memset(backend->label, 0, sizeof(backend->label));
    for (size_t i = 0; i < state->n_chosen; i++)
        backend->label[i] = all.label[state->chosen[i]];
}

static int order(const void *a, const void *b)
{
    const struct backend *x = a, *y = b;
    int difference = 0;

    for (size_t i = 0; i < N_LABELS && !difference; i++)
        difference = nv_str_cmp(x->label[i], y->label[i]);
    return difference;
}

static int collect_backends(struct nv_pass *pass)
{
    const struct state *state = nv_state(pass);
    struct nv_str text;
    struct nv_scan file, line;
    size_t n = 0;

    int r = nv_read(pass, "proc/net/ip_vs", &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read net/ip_vs");
    for (file = nv_scan(text); nv_scan_line(&file, &line);)
        n++;
    struct backend *at = nv_alloc(pass, (n + 1) * sizeof(*at));
    r = parse_backends(pass, nv_scan(text), at, &n);
    if (r < 0)
        return r;

    for (size_t i = 0; i < n; i++)
        choose(state, &at[i]);
    nv_sort(at, n, sizeof(*at), order);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && order(&at[i], &at[i + 1]) == 0) {
            for (size_t k = 0; k < NV_LEN(at->values); k++)
                at[i + 1].values[k] += at[i].values[k];
        } else {
            nv_emit_row(pass, &state->backends, at[i].label, at[i].values, NV_LEN(at->values));
        }
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    int r = collect_totals(pass);

    return r == 0 ? collect_backends(pass) : r;
}

NV_COLLECTOR(ipvs) = {
    NV_ABI_STAMP,
    .name = "ipvs",
    .summary = "The kernel's load balancer.",
    .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/net/ip_vs_stats"),
    .tables = NV_TABLES(&table_totals),
    .flags = NV_FLAGS({"collector.ipvs.backend-labels", NV_FLAG_TEXT,
                       "local_address,local_port,remote_address,remote_port,proto,local_mark",
                       "Labels of backends, between commas; backends alike in them are summed.",
                       false}),
    .state_size = sizeof(struct state),
    .start = start,
    .collect = collect,
};
