/*
 * nfs - calls of the NFS client.
 *
 * Source: /proc/net/rpc/nfs, lines of a keyword and numbers by position. Methods of NFSv4 were added over
 * the years: what an old kernel lacks counts as 0, what a new one has beyond the names is left out. A line
 * that is missing counts as all zero too.
 */
#include <nodevitals/rpc.h>

static const struct nv_family packet_columns[] = {
    {"node_nfs_packets_total", NV_COUNTER, NV_AS_IS, "Packets of NFS, by transport."},
};
static const struct nv_family connection_columns[] = {
    {"node_nfs_connections_total", NV_COUNTER, NV_AS_IS, "Connections made over TCP."},
};
static const struct nv_family rpc_columns[] = {
    {"node_nfs_rpcs_total",                         NV_COUNTER, NV_AS_IS, "Remote procedure calls made."},
    {"node_nfs_rpc_retransmissions_total",          NV_COUNTER, NV_AS_IS, "Calls that were sent again." },
    {"node_nfs_rpc_authentication_refreshes_total", NV_COUNTER, NV_AS_IS,
     "Renewals of credentials for calls."                                                               },
};
static const struct nv_family request_columns[] = {
    {"node_nfs_requests_total", NV_COUNTER, NV_AS_IS, "Calls by version of NFS and by method."},
};

static const struct nv_table packets = {NV_LABELS("protocol"), packet_columns, 1};
static const struct nv_table connections = {NV_NO_LABELS, connection_columns, 1};
static const struct nv_table rpcs = {NV_NO_LABELS, rpc_columns, NV_LEN(rpc_columns)};
static const struct nv_table requests = {NV_LABELS("proto", "method"), request_columns, 1};

// clang-format off
static const char *const methods_2[] = {
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create",
    "Remove", "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
};
static const char *const methods_3[] = {
    "Null", "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir",
    "SymLink", "MkNod", "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat",
    "FsInfo", "PathConf", "Commit",
};
static const char *const methods_4[] = {
    "Null", "Read", "Write", "Commit", "Open", "OpenConfirm", "OpenNoattr", "OpenDowngrade", "Close",
    "Setattr", "FsInfo", "Renew", "SetClientID", "SetClientIDConfirm", "Lock", "Lockt", "Locku",
    "Access", "Getattr", "Lookup", "LookupRoot", "Remove", "Rename", "Link", "Symlink", "Create",
    "Pathconf", "StatFs", "ReadLink", "ReadDir", "ServerCaps", "DelegReturn", "GetACL", "SetACL",
    "FsLocations", "ReleaseLockowner", "Secinfo", "FsidPresent", "ExchangeID", "CreateSession",
    "DestroySession", "Sequence", "GetLeaseTime", "ReclaimComplete", "GetDeviceInfo", "LayoutGet",
    "LayoutCommit", "LayoutReturn", "SecinfoNoName", "TestStateID", "FreeStateID", "GetDeviceList",
    "BindConnToSession", "DestroyClientID", "Seek", "Allocate", "DeAllocate", "LayoutStats", "Clone",
};
// clang-format on

static const struct nv_rpc_methods versions[] = {
    {"proc2", "2", methods_2, NV_LEN(methods_2), NV_LEN(methods_2)},
    {"proc3", "3", methods_3, NV_LEN(methods_3), NV_LEN(methods_3)},
    {"proc4", "4", methods_4, NV_LEN(methods_4), 0                },
};

struct numbers {
    uint64_t net[4], rpc[3], methods[NV_LEN(versions)][NV_RPC_NUMBERS_MAX];
};

static int parse_line(struct nv_pass *pass, struct nv_scan *line, struct numbers *numbers)
{
    struct nv_str keyword = nv_scan_word(line);
    uint64_t value[NV_RPC_NUMBERS_MAX];

    for (size_t i = 0; i < NV_LEN(versions); i++) {
        if (nv_str_is(keyword, versions[i].keyword))
            return nv_rpc_method_numbers(pass, line, &versions[i], numbers->methods[i]);
    }
    bool is_net = nv_str_is(keyword, "net");
    if (!is_net && !nv_str_is(keyword, "rpc"))
        return 0;
    uint64_t *into = is_net ? numbers->net : numbers->rpc;
    size_t n = is_net ? NV_LEN(numbers->net) : NV_LEN(numbers->rpc);
    int r = nv_rpc_numbers(pass, line, keyword, value, n, NULL);
    if (r == 0)
        memcpy(into, value, n * sizeof(value[0]));
    return r;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    struct numbers numbers = {0};

    while (nv_scan_line(&file, &line)) {
        int r = parse_line(pass, &line, &numbers);
        if (r < 0)
            return r;
    }
    nv_emit_row(pass, &packets, (struct nv_str[]){NV_LIT("udp")}, &numbers.net[1], 1);
    nv_emit_row(pass, &packets, (struct nv_str[]){NV_LIT("tcp")}, &numbers.net[2], 1);
    nv_emit_row(pass, &connections, NULL, &numbers.net[3], 1);
    nv_emit_row(pass, &rpcs, NULL, numbers.rpc, NV_LEN(numbers.rpc));
    for (size_t i = 0; i < NV_LEN(versions); i++)
        nv_rpc_emit_methods(pass, &requests, &versions[i], numbers.methods[i]);
    return 0;
}

NV_COLLECTOR(nfs) = {
    NV_ABI_STAMP,
    .name = "nfs",
    .summary = "Calls of the NFS client.",
    .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/net/rpc/nfs"),
    .tables = NV_TABLES(&packets, &connections, &rpcs, &requests),
    .collect = collect,
};
