/*
 * nfsd - calls the NFS server answers.
 *
 * Source: /proc/net/rpc/nfsd, lines of a keyword and numbers by position. Which lines there are depends on
 * the kernel (Linux 5.4 dropped the read-ahead cache, builds without NFSv2 have no proc2); one that is
 * missing counts as all zero. The first three places of proc4ops stand for no operation.
 */
#include <nodevitals/rpc.h>

static const struct nv_family cache_columns[] = {
    {"node_nfsd_reply_cache_hits_total",    NV_COUNTER, NV_AS_IS,
     "Calls answered from the reply cache, for the client had sent them before."},
    {"node_nfsd_reply_cache_misses_total",  NV_COUNTER, NV_AS_IS,
     "Calls that were put in the reply cache."                                  },
    {"node_nfsd_reply_cache_nocache_total", NV_COUNTER, NV_AS_IS,
     "Calls that need no place in the reply cache."                             },
};
static const struct nv_family handle_columns[] = {
    {"node_nfsd_file_handles_stale_total", NV_COUNTER, NV_AS_IS, "Stale file handles met."},
};
static const struct nv_family io_columns[] = {
    {"node_nfsd_disk_bytes_read_total",    NV_COUNTER, NV_AS_IS, "Bytes read for clients."   },
    {"node_nfsd_disk_bytes_written_total", NV_COUNTER, NV_AS_IS, "Bytes written for clients."},
};
static const struct nv_family thread_columns[] = {
    {"node_nfsd_server_threads", NV_GAUGE, NV_AS_IS, "Threads of the server."},
};
static const struct nv_family ahead_columns[] = {
    {"node_nfsd_read_ahead_cache_size_blocks", NV_GAUGE, NV_AS_IS, "Size of the read-ahead cache."},
};
static const struct nv_family ahead_missed_columns[] = {
    {"node_nfsd_read_ahead_cache_not_found_total", NV_COUNTER, NV_AS_IS,
     "Reads not found in the read-ahead cache."},
};
static const struct nv_family packet_columns[] = {
    {"node_nfsd_packets_total", NV_COUNTER, NV_AS_IS, "Packets received, by transport."},
};
static const struct nv_family connection_columns[] = {
    {"node_nfsd_connections_total", NV_COUNTER, NV_AS_IS, "Connections accepted over TCP."},
};
static const struct nv_family rpc_columns[] = {
    {"node_nfsd_server_rpcs_total", NV_COUNTER, NV_AS_IS, "Remote procedure calls received."},
};
static const struct nv_family error_columns[] = {
    {"node_nfsd_rpc_errors_total", NV_COUNTER, NV_AS_IS, "Calls refused, by kind of error."},
};
static const struct nv_family request_columns[] = {
    {"node_nfsd_requests_total", NV_COUNTER, NV_AS_IS, "Calls by version of NFS and by method."},
};

static const struct nv_table caches = {NV_NO_LABELS, cache_columns, NV_LEN(cache_columns)};
static const struct nv_table handles = {NV_NO_LABELS, handle_columns, 1};
static const struct nv_table ios = {NV_NO_LABELS, io_columns, NV_LEN(io_columns)};
static const struct nv_table threads = {NV_NO_LABELS, thread_columns, 1};
static const struct nv_table aheads = {NV_NO_LABELS, ahead_columns, 1};
static const struct nv_table aheads_missed = {NV_NO_LABELS, ahead_missed_columns, 1};
static const struct nv_table packets = {NV_LABELS("proto"), packet_columns, 1};
static const struct nv_table connections = {NV_NO_LABELS, connection_columns, 1};
static const struct nv_table rpcs = {NV_NO_LABELS, rpc_columns, 1};
static const struct nv_table errors = {NV_LABELS("error"), error_columns, 1};
static const struct nv_table requests = {NV_LABELS("proto", "method"), request_columns, 1};

// clang-format off
static const char *const methods_2[] = {
    NULL, "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create",
    "Remove", "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
};
static const char *const methods_3[] = {
    NULL, "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir",
    "SymLink", "MkNod", "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat",
    "FsInfo", "PathConf", "Commit",
};
static const char *const operations_4[] = {
    NULL, NULL, NULL, "Access", "Close", "Commit", "Create", "DelegPurge", "DelegReturn", "GetAttr",
    "GetFH", "Link", "Lock", "Lockt", "Locku", "Lookup", "LookupRoot", "Nverify", "Open", "OpenAttr",
    "OpenConfirm", "OpenDgrd", "PutFH", NULL, NULL, "Read", "ReadDir", "ReadLink", "Remove", "Rename",
    "Renew", "RestoreFH", "SaveFH", "SecInfo", "SetAttr", "SetClientID", "SetClientIDConfirm", "Verify",
    "Write", "RelLockOwner",
};
// clang-format on

static const struct nv_rpc_methods versions[] = {
    {"proc2",    "2", methods_2,    NV_LEN(methods_2),    NV_LEN(methods_2)},
    {"proc3",    "3", methods_3,    NV_LEN(methods_3),    NV_LEN(methods_3)},
    {"proc4ops", "4", operations_4, NV_LEN(operations_4), 39               },
};

enum line { RC, FH, IO, TH, RA, NET, RPC, DELEG, N_LINES };
static const struct {
    const char *keyword;
    size_t n;
} lines[N_LINES] = {
    [RC] = {"rc",             3 },
      [FH] = {"fh",             5 },
      [IO] = {"io",             2 },
      [TH] = {"th",             1 },
    [RA] = {"ra",             12},
      [NET] = {"net",            4 },
      [RPC] = {"rpc",            5 },
      [DELEG] = {"wdeleg_getattr", 1 },
};

struct numbers {
    uint64_t line[N_LINES][12], methods[NV_LEN(versions)][NV_RPC_NUMBERS_MAX];
};

static int parse_line(struct nv_pass *pass, struct nv_scan *line, struct numbers *numbers)
{
    struct nv_str keyword = nv_scan_word(line);
    uint64_t value[NV_RPC_NUMBERS_MAX];

    for (size_t i = 0; i < NV_LEN(versions); i++) {
        if (nv_str_is(keyword, versions[i].keyword))
            return nv_rpc_method_numbers(pass, line, &versions[i], numbers->methods[i]);
    }
    for (size_t i = 0; i < N_LINES; i++) {
        if (!nv_str_is(keyword, lines[i].keyword))
            continue;
        struct nv_scan first = *line;
        if (i == TH) { /* the rest of this line are times, with fractions */
            nv_scan_word(&first);
            line->end = first.at;
        }
        int r = nv_rpc_numbers(pass, line, keyword, value, lines[i].n, NULL);
        if (r == 0)
            memcpy(numbers->line[i], value, lines[i].n * sizeof(value[0]));
        return r;
    }
    return 0;
}

static void emit(struct nv_pass *pass, const struct numbers *numbers)
{
    const uint64_t *net = numbers->line[NET], *rpc = numbers->line[RPC];

    nv_emit_row(pass, &caches, NULL, numbers->line[RC], NV_LEN(cache_columns));
    nv_emit_row(pass, &handles, NULL, numbers->line[FH], 1);
    nv_emit_row(pass, &ios, NULL, numbers->line[IO], NV_LEN(io_columns));
    nv_emit_row(pass, &threads, NULL, numbers->line[TH], 1);
    nv_emit_row(pass, &aheads, NULL, &numbers->line[RA][0], 1);
    nv_emit_row(pass, &aheads_missed, NULL, &numbers->line[RA][11], 1);
    nv_emit_row(pass, &packets, (struct nv_str[]){NV_LIT("udp")}, &net[1], 1);
    nv_emit_row(pass, &packets, (struct nv_str[]){NV_LIT("tcp")}, &net[2], 1);
    nv_emit_row(pass, &connections, NULL, &net[3], 1);
    nv_emit_row(pass, &rpcs, NULL, &rpc[0], 1);
    nv_emit_row(pass, &errors, (struct nv_str[]){NV_LIT("fmt")}, &rpc[2], 1);
    nv_emit_row(pass, &errors, (struct nv_str[]){NV_LIT("auth")}, &rpc[3], 1);
    nv_emit_row(pass, &errors, (struct nv_str[]){NV_LIT("cInt")}, &rpc[4], 1);
    for (size_t i = 0; i < NV_LEN(versions); i++)
        nv_rpc_emit_methods(pass, &requests, &versions[i], numbers->methods[i]);
    nv_emit_row(pass, &requests, (struct nv_str[]){NV_LIT("4"), NV_LIT("WdelegGetattr")},
                numbers->line[DELEG], 1);
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
    emit(pass, &numbers);
    return 0;
}

NV_COLLECTOR(nfsd) = {
    NV_ABI_STAMP,
    .name = "nfsd",
    .summary = "Calls answered by the NFS server.",
    .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/net/rpc/nfsd"),
    .tables = NV_TABLES(&caches, &handles, &ios, &threads, &aheads, &aheads_missed, &packets,
                        &connections, &rpcs, &errors, &requests),
    .collect = collect,
};
