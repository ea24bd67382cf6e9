/*
 * arp - entries of the IPv4 neighbour table, by interface.
 *
 * Source: an RTM_GETNEIGH dump, where entries that need no resolution (NUD_NOARP) do not count; with
 * --no-collector.arp.netlink the rows of /proc/net/arp, which shows fewer states.
 */
#include <nodevitals/links.h>

#include <linux/neighbour.h>

enum { INCLUDE, EXCLUDE, NETLINK };

static const struct nv_family columns[] = {
    {"node_arp_entries", NV_GAUGE, NV_AS_IS, "Entries of the ARP table."},
};

static const struct nv_table devices = {NV_LABELS("device"), columns, NV_LEN(columns)};

static void emit(struct nv_pass *pass, struct nv_str device, uint64_t n)
{
    if (nv_wants(pass, INCLUDE, EXCLUDE, device))
        nv_emit_row(pass, &devices, &device, &n, 1);
}

struct walk {
    struct nv_link_names names;
    uint64_t *counts; /* one per name */
};

static int count_neighbour(const struct nlmsghdr *message, void *user)
{
    struct walk *walk = user;
    struct ndmsg neighbour;

    if (message->nlmsg_type != RTM_NEWNEIGH ||
        !nv_netlink_head(message, &neighbour, sizeof(neighbour)) || neighbour.ndm_state & NUD_NOARP)
        return 0;
    ptrdiff_t i = nv_link_names_find(&walk->names, neighbour.ndm_ifindex);
    if (i >= 0)
        walk->counts[i]++;
    return 0;
}

static int collect_netlink(struct nv_pass *pass)
{
    struct {
        struct nlmsghdr header;
        struct ndmsg body;
    } request = {
        .header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETNEIGH}
    };
    struct walk walk = {0};

    request.body.ndm_family = AF_INET;
    int r = nv_link_names(pass, &walk.names);
    if (r < 0)
        return nv_error(pass, r, "cannot list links");
    walk.counts = nv_alloc(pass, (walk.names.n + 1) * sizeof(*walk.counts));
    memset(walk.counts, 0, (walk.names.n + 1) * sizeof(*walk.counts));
    r = nv_netlink(pass, NETLINK_ROUTE, &request, sizeof(request), count_neighbour, &walk);
    if (r < 0)
        return nv_error(pass, r, "cannot list neighbours");
    for (size_t i = 0; i < walk.names.n; i++) {
        if (walk.counts[i])
            emit(pass, nv_str(walk.names.at[i].name), walk.counts[i]);
    }
    return 0;
}

static int order(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

static int collect_procfs(struct nv_pass *pass)
{
    enum { DATA_COLUMNS = 6, HEADING_COLUMNS = 9, DEVICE = 5 };
    struct nv_str text, word[HEADING_COLUMNS];
    size_t n = 0;

    int r = nv_read(pass, "proc/net/arp", &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read net/arp");
    struct nv_scan file = nv_scan(text), line;
    while (nv_scan_line(&file, &line))
        n++;
    struct nv_str *names = nv_alloc(pass, (n + 1) * sizeof(*names));
    file = nv_scan(text);
    for (n = 0; nv_scan_line(&file, &line);) {
        size_t width = 0;
        for (; width < HEADING_COLUMNS && !nv_scan_done(&line); width++)
            word[width] = nv_scan_word(&line);
        if (width == 0 || (width == HEADING_COLUMNS && nv_scan_done(&line)))
            continue;
        if (width != DATA_COLUMNS)
            return nv_error(pass, -EBADMSG, "net/arp: a row has not 6 columns");
        names[n++] = word[DEVICE];
    }
    nv_sort(names, n, sizeof(*names), order);
    for (size_t i = 0, first = 0; i < n; i++) {
        if (i + 1 < n && nv_str_eq(names[i], names[i + 1]))
            continue;
        emit(pass, names[i], i + 1 - first);
        first = i + 1;
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    return nv_on(pass, NETLINK) ? collect_netlink(pass) : collect_procfs(pass);
}

NV_COLLECTOR(arp) = {
    NV_ABI_STAMP,
    .name = "arp",
    .summary = "Entries of the ARP table.",
    .tables = NV_TABLES(&devices),
    .flags = NV_FLAGS(
        {"collector.arp.device-include", NV_FLAG_REGEX, "", "Network devices to include.", false},
        {"collector.arp.device-exclude", NV_FLAG_REGEX, "", "Network devices to leave out.", false},
        {"collector.arp.netlink", NV_FLAG_BOOL, "true",
         "Ask the kernel by netlink rather than through /proc/net/arp.", false}),
    .cadence_ms = 5000,
    .collect = collect,
};
