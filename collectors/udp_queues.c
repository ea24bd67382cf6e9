/*
 * udp_queues - bytes waiting in all UDP sockets.
 *
 * Sources: proc/net/udp and udp6, whose fifth column is "tx:rx" in hexadecimal. A family whose file is
 * missing is left out.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_udp_queues", NV_GAUGE, NV_AS_IS, "Bytes in the queues of UDP sockets."},
};

static const struct nv_table queues = {NV_LABELS("ip", "queue"), columns, NV_LEN(columns)};

enum { QUEUES = 4, COLUMNS_MIN = 10 };

static int sum(struct nv_pass *pass, struct nv_scan file, uint64_t *tx, uint64_t *rx)
{
    struct nv_scan line;

    nv_scan_line(&file, &line); /* the heading */
    while (nv_scan_line(&file, &line)) {
        uint64_t sent, received;
        nv_scan_skip(&line, QUEUES);
        struct nv_str pair = nv_scan_word(&line);
        nv_scan_skip(&line, COLUMNS_MIN - QUEUES - 1);
        struct nv_str first = nv_str_cut(&pair, ':');
        if (line.failed || !nv_str_to_hex(first, &sent) || !nv_str_to_hex(pair, &received))
            return nv_error(pass, -EBADMSG, "a row of net/udp cannot be read");
        *tx += sent;
        *rx += received;
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    static const char *const versions[] = {"v4", "v6"};
    size_t n_missing = 0;

    for (size_t i = 0; i < NV_LEN(versions); i++) {
        struct nv_str labels[] = {nv_str(versions[i]), NV_LIT("tx")};
        uint64_t tx = 0, rx = 0;
        int r = nv_pass_error(pass, i);
        if (r == -ENOENT) {
            nv_say(pass, NV_DEBUG, "no UDP sockets of IP%s", versions[i]);
            n_missing++;
            continue;
        }
        if (r == 0)
            r = sum(pass, nv_pass_text(pass, i), &tx, &rx);
        if (r < 0)
            return r;
        nv_emit_u64(pass, &queues, labels, 0, tx);
        labels[1] = NV_LIT("rx");
        nv_emit_u64(pass, &queues, labels, 0, rx);
    }
    return n_missing == NV_LEN(versions) ? NV_NO_DATA : 0;
}

NV_COLLECTOR(udp_queues) = {
    NV_ABI_STAMP,
    .name = "udp_queues",
    .summary = "Bytes waiting in UDP sockets.",
    .sources = NV_SOURCES("?proc/net/udp", "?proc/net/udp6"),
    .tables = NV_TABLES(&queues),
    .collect = collect,
};
