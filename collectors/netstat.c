/*
 * netstat - counters of the network protocols.
 *
 * Sources: proc/net/netstat and proc/net/snmp, pairs of lines "Proto: name name ..." and
 * "Proto: value value ..."; and proc/net/snmp6, "Proto6Name value" a line, absent where there is no
 * IPv6. A protocol that occurs twice is the later one's.
 *
 * Which fields are wanted, a matter of a regular expression, is remembered until a name changes.
 */
#include <nodevitals/collector.h>

enum { FIELDS };
enum { NETSTAT, SNMP, SNMP6 };

struct entry {
    struct nv_str protocol, field;
    double value;
};

struct entries {
    struct entry *at;
    size_t n, max;
};

/* What became of the entry at the same place; name is "" for one that is not wanted. */
struct cell {
    size_t at, n_protocol, n_field; /* in the texts: the protocol and its field, */
    size_t name;                    /* and the full name */
};

struct state {
    struct cell *cells;
    char *texts;
    size_t n, n_texts;
};

static int parse_pairs(struct nv_pass *pass, struct nv_scan file, struct entries *entries)
{
    struct nv_scan names, values;

    while (nv_scan_line(&file, &names)) {
        if (!nv_scan_line(&file, &values))
            return nv_error(pass, -EBADMSG, "a line of names without one of values");
        struct nv_str protocol = nv_scan_word(&names);
        nv_scan_word(&values);
        if (protocol.n)
            protocol.n--; /* the colon */
        while (!nv_scan_done(&names) && entries->n < entries->max) {
            struct entry *entry = &entries->at[entries->n++];
            entry->protocol = protocol;
            entry->field = nv_scan_word(&names);
            entry->value = nv_scan_real(&values);
        }
        if (names.failed || values.failed || !nv_scan_done(&values))
            return nv_error(pass, -EBADMSG, "%.*s: names and values do not pair up",
                            NV_ARGS(protocol));
    }
    return 0;
}

static int parse_snmp6(struct nv_pass *pass, struct nv_scan file, struct entries *entries)
{
    struct nv_scan line;

    while (nv_scan_line(&file, &line)) {
        struct nv_str key = nv_scan_word(&line);
        size_t six = nv_str_find(key, '6');
        if (nv_scan_done(&line) || six == key.n || entries->n == entries->max)
            continue;
        struct entry *entry = &entries->at[entries->n++];
        entry->protocol = (struct nv_str){key.p, six + 1};
        entry->field = nv_str_from(key, six + 1);
        entry->value = nv_scan_real(&line);
        if (line.failed)
            return nv_error(pass, -EBADMSG, "%.*s is not a number", NV_ARGS(key));
    }
    return 0;
}

static bool same(const struct state *state, const struct entries *entries)
{
    if (entries->n != state->n)
        return false;
    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = &entries->at[i];
        const struct cell *cell = &state->cells[i];
        const char *text = state->texts + cell->at;
        if (!nv_str_eq(entry->protocol, (struct nv_str){text, cell->n_protocol}) ||
            !nv_str_eq(entry->field, (struct nv_str){text + cell->n_protocol, cell->n_field}))
            return false;
    }
    return true;
}

/* Whether a later line or file is about the same protocol; a run of entries has one protocol text. */
static bool replaced(const struct entries *entries, size_t i)
{
    const char *own = entries->at[i].protocol.p;
    bool snmp6 = nv_str_ends(entries->at[i].protocol, "6");

    for (size_t k = i + 1; k < entries->n && !snmp6; k++) {
        if (entries->at[k].protocol.p != own &&
            nv_str_eq(entries->at[k].protocol, entries->at[i].protocol))
            return true;
    }
    return false;
}

/* Appends the name of a metric, its NUL included, behind "Proto" "Field" at `text`. Returns its bytes. */
static size_t append_name(struct nv_pass *pass, const struct entry *entry, char *text, size_t max)
{
    static const char prefix[] = "node_netstat_";
    int n =
        snprintf(text, max, "%s%.*s_%.*s", prefix, NV_ARGS(entry->protocol), NV_ARGS(entry->field));
    struct nv_str key = {text + sizeof(prefix) - 1, (size_t)n - (sizeof(prefix) - 1)};

    if (!nv_matches(pass, FIELDS, key)) {
        text[0] = '\0';
        return 1;
    }
    return (size_t)n + 1;
}

static int remember(struct nv_pass *pass, const struct entries *entries)
{
    enum { EXTRA = 32 }; /* of a name over its two parts, NUL included */
    struct state *state = nv_state(pass);
    size_t max = 1, n = 0;

    for (size_t i = 0; i < entries->n; i++)
        max += 2 * (entries->at[i].protocol.n + entries->at[i].field.n) + EXTRA;
    struct cell *cells = malloc((entries->n + 1) * sizeof(*cells));
    char *texts = malloc(max);
    if (!cells || !texts) {
        free(cells);
        free(texts);
        return -ENOMEM;
    }
    for (size_t i = 0; i < entries->n; i++) {
        const struct entry *entry = &entries->at[i];
        size_t n_protocol = entry->protocol.n, n_field = entry->field.n;
        cells[i] = (struct cell){n, n_protocol, n_field, n + n_protocol + n_field};
        memcpy(texts + n, entry->protocol.p, n_protocol);
        memcpy(texts + n + n_protocol, entry->field.p, n_field);
        n = cells[i].name;
        texts[n] = '\0';
        n += replaced(entries, i) ? 1 : append_name(pass, entry, texts + n, max - n);
    }
    free(state->cells);
    free(state->texts);
    *state = (struct state){cells, texts, entries->n, n};
    return 0;
}

static void emit(struct nv_pass *pass, const struct state *state, const struct entries *entries)
{
    struct nv_family family = {.type = NV_UNTYPED, .help = "Counter of a network protocol."};

    for (size_t i = 0; i < state->n; i++) {
        family.name = state->texts + state->cells[i].name;
        if (*family.name)
            nv_emit_named(pass, &family, NV_NO_LABELS, NULL, entries->at[i].value);
    }
}

/* Where words may end: what is behind one is no printing character. */
static size_t count_ends(struct nv_str text)
{
    size_t n = 1; /* the last */

    for (size_t i = 0; i < text.n; i++)
        n += (unsigned char)text.p[i] <= ' ';
    return n;
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct entries entries = {0};

    for (size_t i = NETSTAT; i <= SNMP6; i++) {
        struct nv_scan text = nv_pass_text(pass, i);
        entries.max += count_ends(nv_scan_rest(&text)) / 2; /* of a name, and of its value */
    }
    entries.at = nv_alloc(pass, (entries.max + 1) * sizeof(*entries.at));

    int r = parse_pairs(pass, nv_pass_text(pass, NETSTAT), &entries);
    if (r == 0)
        r = parse_pairs(pass, nv_pass_text(pass, SNMP), &entries);
    if (r == 0 && nv_pass_error(pass, SNMP6) != -ENOENT)
        r = nv_pass_error(pass, SNMP6);
    if (r == 0)
        r = parse_snmp6(pass, nv_pass_text(pass, SNMP6), &entries);
    if (r == 0 && !same(state, &entries))
        r = remember(pass, &entries);
    if (r == 0)
        emit(pass, state, &entries);
    return r;
}

static void stop(void *user)
{
    struct state *state = user;

    free(state->cells);
    free(state->texts);
}

NV_COLLECTOR(netstat) = {
    NV_ABI_STAMP,
    .name = "netstat",
    .summary = "Counters of the network protocols.",
    .sources = NV_SOURCES("proc/net/netstat", "proc/net/snmp", "?proc/net/snmp6"),
    .flags = NV_FLAGS(
        {"collector.netstat.fields", NV_FLAG_REGEX,
         "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|"
         "Icmp6?_(InMsgs|OutMsgs)|"
         "TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|"
         "Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|"
         "Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
         "Which fields to show, as Protocol_Field.", false}),
    .state_size = sizeof(struct state),
    .stop = stop,
    .collect = collect,
};
