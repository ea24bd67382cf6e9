/*
 * mountstats - what the NFS client counts for each mount.
 *
 * Sources: /proc/self/mountstats, a block for each mount:
 *
 *   device 10.0.0.1:/srv mounted on /mnt with fstype nfs4 statvers=1.1
 *     age:    13968                        seconds since the mount
 *     bytes:  8 numbers
 *     events: 27 numbers
 *     xprt:   tcp 13 numbers               a transport; there may be several. Other counts for udp, rdma
 *     per-op statistics
 *           READ: 8 numbers or 9           an operation
 *
 * and /proc/self/mountinfo, which lists the same mounts in the same order and tells the address of the
 * server, "addr=", among the options of the file system.
 *
 * Mounts of the same export from the same address share their counts in the kernel, so that only the
 * first is exposed: mounts are told apart by export, protocol and address. Which mount points there are
 * is mountpoint_info's to tell. A block that has an unknown form is a failure of all.
 */
#include <nodevitals/set.h>

#define MANTISSA                                                                                   \
    (UINT64_C(1) << 53) /* times that run over appear as huge numbers; this bounds them */
#define COUNTER(name, help)                                                                        \
    {                                                                                              \
        name, NV_COUNTER, NV_AS_IS, help                                                           \
    }

static const struct nv_family age_columns[] = {
    COUNTER("node_mountstats_nfs_age_seconds_total", "Time since the mount."),
};
static const struct nv_family byte_columns[] = {
    COUNTER("node_mountstats_nfs_read_bytes_total", "Bytes that programs read with read(2)."),
    COUNTER("node_mountstats_nfs_write_bytes_total", "Bytes that programs wrote with write(2)."),
    COUNTER("node_mountstats_nfs_direct_read_bytes_total",
            "Bytes that programs read with O_DIRECT."),
    COUNTER("node_mountstats_nfs_direct_write_bytes_total",
            "Bytes that programs wrote with O_DIRECT."),
    COUNTER("node_mountstats_nfs_total_read_bytes_total", "Bytes read from the server."),
    COUNTER("node_mountstats_nfs_total_write_bytes_total", "Bytes written to the server."),
    COUNTER("node_mountstats_nfs_read_pages_total", "Pages read through mappings."),
    COUNTER("node_mountstats_nfs_write_pages_total", "Pages written through mappings."),
};
static const struct nv_family event_columns[] = {
    COUNTER("node_mountstats_nfs_event_inode_revalidate_total",
            "Attributes of inodes checked with the server."),
    COUNTER("node_mountstats_nfs_event_dnode_revalidate_total",
            "Directory entries checked with the server."),
    COUNTER("node_mountstats_nfs_event_data_invalidate_total",
            "Times cached data of a file were dropped."),
    COUNTER("node_mountstats_nfs_event_attribute_invalidate_total",
            "Times cached attributes were dropped."),
    COUNTER("node_mountstats_nfs_event_vfs_open_total", "Files and directories opened."),
    COUNTER("node_mountstats_nfs_event_vfs_lookup_total", "Names looked up."),
    COUNTER("node_mountstats_nfs_event_vfs_access_total", "Permissions checked."),
    COUNTER("node_mountstats_nfs_event_vfs_update_page_total",
            "Pages updated, in whole or in part."),
    COUNTER("node_mountstats_nfs_event_vfs_read_page_total", "Pages read."),
    COUNTER("node_mountstats_nfs_event_vfs_read_pages_total", "Groups of pages read."),
    COUNTER("node_mountstats_nfs_event_vfs_write_page_total", "Pages written."),
    COUNTER("node_mountstats_nfs_event_vfs_write_pages_total", "Groups of pages written."),
    COUNTER("node_mountstats_nfs_event_vfs_getdents_total", "Listings of directories."),
    COUNTER("node_mountstats_nfs_event_vfs_setattr_total", "Attributes set."),
    COUNTER("node_mountstats_nfs_event_vfs_flush_total", "Writes pending flushed to the server."),
    COUNTER("node_mountstats_nfs_event_vfs_fsync_total",
            "Calls of fsync on files and directories."),
    COUNTER("node_mountstats_nfs_event_vfs_lock_total", "Locks asked for on ranges of files."),
    COUNTER("node_mountstats_nfs_event_vfs_file_release_total", "Files closed."),
    COUNTER("node_mountstats_nfs_event_congestion_wait_total", "Not exposed."),
    COUNTER("node_mountstats_nfs_event_truncation_total", "Files truncated."),
    COUNTER("node_mountstats_nfs_event_write_extension_total", "Writes that made a file longer."),
    COUNTER("node_mountstats_nfs_event_silly_rename_total", "Files removed while open."),
    COUNTER("node_mountstats_nfs_event_short_read_total",
            "Reads the server answered with less data."),
    COUNTER("node_mountstats_nfs_event_short_write_total", "Writes the server took less data of."),
    COUNTER("node_mountstats_nfs_event_jukebox_delay_total",
            "Times the server asked for patience, as with data on tape."),
    COUNTER("node_mountstats_nfs_event_pnfs_read_total", "Reads by parallel NFS."),
    COUNTER("node_mountstats_nfs_event_pnfs_write_total", "Writes by parallel NFS."),
};
#define EVENTS_EXPOSED ~(UINT64_C(1) << 18) /* not the waits for congestion */

static const struct nv_family transport_columns[] = {
    COUNTER("node_mountstats_nfs_transport_bind_total", "Times the client had to bind to a port."),
    COUNTER("node_mountstats_nfs_transport_connect_total", "Connections made to the server."),
    {"node_mountstats_nfs_transport_idle_time_seconds", NV_GAUGE, NV_AS_IS,
                                                                                        "Time since anything was sent."             },
    COUNTER("node_mountstats_nfs_transport_sends_total", "Requests sent."),
    COUNTER("node_mountstats_nfs_transport_receives_total", "Answers received."),
    COUNTER("node_mountstats_nfs_transport_bad_transaction_ids_total",
            "Answers to no known request."),
    COUNTER("node_mountstats_nfs_transport_backlog_queue_total",
            "Sum of requests that waited for a slot, at each request sent."),
    {"node_mountstats_nfs_transport_maximum_rpc_slots", NV_GAUGE, NV_AS_IS,
                                                                                        "Most requests that were under way at once."},
    COUNTER("node_mountstats_nfs_transport_sending_queue_total",
            "Sum of requests that waited to be sent, at each request sent."),
    COUNTER("node_mountstats_nfs_transport_pending_queue_total",
            "Sum of requests that waited for their answer, at each request sent."),
};
/* Columns of a transport among the numbers of a tcp line of version 1.1. */
static const unsigned char transport_numbers[NV_LEN(transport_columns)] = {1, 2, 4,  5,  6,
                                                                           7, 9, 10, 11, 12};
enum { IDLE_TIME = 2 };

static const struct nv_family operation_columns[] = {
    COUNTER("node_mountstats_nfs_operations_requests_total", "Requests of an operation."),
    COUNTER("node_mountstats_nfs_operations_transmissions_total",
            "Times requests of an operation were sent, repetitions included."),
    COUNTER("node_mountstats_nfs_operations_major_timeouts_total",
            "Times a request of an operation met a major time-out."),
    COUNTER("node_mountstats_nfs_operations_sent_bytes_total", "Bytes sent for an operation."),
    COUNTER("node_mountstats_nfs_operations_received_bytes_total",
            "Bytes received for an operation."),
    {"node_mountstats_nfs_operations_queue_time_seconds_total",    NV_COUNTER, NV_OVER(1000),
       "Time requests of an operation waited to be sent."         },
    {"node_mountstats_nfs_operations_response_time_seconds_total", NV_COUNTER, NV_OVER(1000),
       "Time requests of an operation waited for the answer."     },
    {"node_mountstats_nfs_operations_request_time_seconds_total",  NV_COUNTER, NV_OVER(1000),
       "Time requests of an operation took from beginning to end."},
};
enum { QUEUE_TIME = 5 }; /* the first of the times */

static const struct nv_family info_columns[] = {
    {"node_mountstats_nfs_mountpoint_info", NV_GAUGE, NV_AS_IS, "A mount point of NFS, always 1."},
};

#define MOUNT "export", "protocol", "mountaddr"
static const struct nv_table ages = {NV_LABELS(MOUNT), age_columns, 1};
static const struct nv_table bytes = {NV_LABELS(MOUNT), byte_columns, NV_LEN(byte_columns)};
static const struct nv_table events = {NV_LABELS(MOUNT), event_columns, NV_LEN(event_columns)};
static const struct nv_table transports = {NV_LABELS(MOUNT, "transport"), transport_columns,
                                           NV_LEN(transport_columns)};
static const struct nv_table operations = {NV_LABELS(MOUNT, "operation"), operation_columns,
                                           NV_LEN(operation_columns)};
static const struct nv_table infos = {NV_LABELS(MOUNT, "mountpoint"), info_columns, 1};

/* Numbers after the protocol, by version of the statistics. rdma may have more. */
static const struct {
    const char *version, *protocol;
    size_t n, n_max;
} forms[] = {
    {"statvers=1.0", "tcp",  10, 10},
    {"statvers=1.0", "udp",  7,  7 },
    {"statvers=1.1", "tcp",  13, 13},
    {"statvers=1.1", "udp",  10, 10},
    {"statvers=1.1", "rdma", 20, 28},
};

enum { SOURCE_STATS, SOURCE_INFO };
enum { TRANSPORTS_MAX = 64, NUMBERS_MAX = 32 };

struct transport {
    struct nv_str protocol;
    uint64_t value[NV_LEN(transport_columns)];
};

struct block {
    struct nv_str export, point, version, address;
    uint64_t age, bytes[NV_LEN(byte_columns)], events[NV_LEN(event_columns)];
    struct transport transports[TRANSPORTS_MAX];
    size_t n_transports;
    struct nv_scan operations; /* what follows "per-op statistics" */
};

/* Reads exactly n numbers to the end of the line. */
static bool row(struct nv_scan *line, uint64_t *values, size_t n)
{
    return nv_scan_row(line, values, n) == n && !line->failed && nv_scan_done(line);
}

static bool parse_transport(struct nv_scan *line, struct nv_str version, struct transport *ret)
{
    uint64_t numbers[NUMBERS_MAX] = {0};
    size_t form = 0;

    ret->protocol = nv_scan_word(line);
    size_t n = nv_scan_row(line, numbers, NUMBERS_MAX);
    if (line->failed || !nv_scan_done(line))
        return false;
    while (form < NV_LEN(forms) && !(nv_str_is(version, forms[form].version) &&
                                     nv_str_is(ret->protocol, forms[form].protocol)))
        form++;
    if (form == NV_LEN(forms) || n < forms[form].n || n > forms[form].n_max)
        return false;

    if (nv_str_is(ret->protocol,
                  "udp")) { /* which has no connections: connects, their time, idleness */
        memmove(&numbers[5], &numbers[2], (n - 2) * sizeof(numbers[0]));
        memset(&numbers[2], 0, 3 * sizeof(numbers[0]));
    } else if (nv_str_is(ret->protocol, "rdma")) { /* which has no slots and queues */
        memset(&numbers[10], 0, 3 * sizeof(numbers[0]));
    }
    for (size_t i = 0; i < NV_LEN(transport_columns); i++)
        ret->value[i] = numbers[transport_numbers[i]];
    ret->value[IDLE_TIME] %= MANTISSA;
    return true;
}

/* Takes one line of a block. False where it has an unknown form. */
static bool parse_line(struct nv_str keyword, struct nv_scan *line, struct block *block)
{
    if (nv_str_is(keyword, "age:")) {
        block->age = nv_scan_u64(line);
        return !line->failed;
    }
    if (nv_str_is(keyword, "bytes:"))
        return row(line, block->bytes, NV_LEN(block->bytes));
    if (nv_str_is(keyword, "events:"))
        return row(line, block->events, NV_LEN(block->events));
    if (nv_str_is(keyword, "xprt:"))
        return block->n_transports < TRANSPORTS_MAX &&
               parse_transport(line, block->version, &block->transports[block->n_transports++]);
    return true;
}

/* Whether a line begins a block, of a mount with a device or without one. Leaves its words unread. */
static bool is_head(struct nv_scan line)
{
    struct nv_str word = nv_scan_word(&line);

    return nv_str_is(word, "device") ||
           (nv_str_is(word, "no") && nv_str_is(nv_scan_word(&line), "device"));
}

/* Reads "device EXPORT mounted on POINT with fstype TYPE [statvers=1.1]". False where it is no NFS. */
static bool parse_head(struct nv_scan line, struct block *ret)
{
    nv_scan_skip(&line, 1);
    ret->export = nv_scan_word(&line);
    nv_scan_skip(&line, 2);
    ret->point = nv_scan_word(&line);
    nv_scan_skip(&line, 2);
    struct nv_str type = nv_scan_word(&line);
    ret->version = nv_scan_word(&line);
    return !line.failed && (nv_str_is(type, "nfs") || nv_str_is(type, "nfs4"));
}

/* Reads a block from behind its first line. */
static int parse_block(struct nv_pass *pass, struct nv_scan *file, struct block *ret)
{
    struct nv_scan before = *file, line;

    for (; nv_scan_line(file, &line) && !is_head(line); before = *file) {
        struct nv_str keyword;

        if (nv_scan_done(&line))
            return 0;
        keyword = nv_scan_word(&line);
        if (nv_str_is(keyword, "per-op")) {
            ret->operations = *file;
            return 0;
        }
        if (!parse_line(keyword, &line, ret))
            return nv_error(pass, -EBADMSG, "%.*s: unknown form of the line %.*s",
                            NV_ARGS(ret->point), NV_ARGS(keyword));
    }
    *file = before;
    return 0;
}

static int emit_operations(struct nv_pass *pass, const struct nv_str *mount, struct nv_scan file)
{
    struct nv_scan line;

    while (nv_scan_line(&file, &line) && !is_head(line) && !nv_scan_done(&line)) {
        struct nv_str labels[] = {mount[0], mount[1], mount[2], nv_scan_word(&line)};
        uint64_t value[NV_LEN(operation_columns)];

        if (nv_str_ends(labels[3], ":"))
            labels[3].n--;
        if (nv_scan_row(&line, value, NV_LEN(value)) < NV_LEN(value))
            return nv_error(pass, -EBADMSG, "unknown form of the operation %.*s",
                            NV_ARGS(labels[3]));
        for (size_t i = QUEUE_TIME; i < NV_LEN(value); i++)
            value[i] %= MANTISSA;
        nv_emit_row(pass, &operations, labels, value, NV_LEN(value));
    }
    return 0;
}

/* Emits the counts of a mount that is the first of its kind. */
static int emit_mount(struct nv_pass *pass, const struct nv_str *mount, const struct block *block)
{
    nv_emit_row(pass, &ages, mount, &block->age, 1);
    nv_emit_row(pass, &bytes, mount, block->bytes, NV_LEN(block->bytes));
    nv_emit_some(pass, &events, mount, block->events, NV_LEN(block->events), EVENTS_EXPOSED);
    for (size_t i = 0; i < block->n_transports; i++) {
        char index[24];
        int n = snprintf(index, sizeof(index), "%zu", i);
        nv_emit_row(pass, &transports,
                    (struct nv_str[]){
                        mount[0], mount[1], mount[2], {index, (size_t)n}
        },
                    block->transports[i].value, NV_LEN(transport_columns));
    }
    return emit_operations(pass, mount, block->operations);
}

static int emit_block(struct nv_pass *pass, const struct block *block, struct nv_set *mounts,
                      struct nv_set *points)
{
    for (size_t i = 0; i < block->n_transports; i++) {
        struct nv_str *tuple = nv_alloc(pass, 4 * sizeof(*tuple));

        tuple[0] = block->export;
        tuple[1] = block->transports[i].protocol;
        tuple[2] = block->address;
        tuple[3] = block->point;
        if (nv_set_add(points, tuple))
            nv_emit_u64(pass, &infos, tuple, 0, 1);
        if (!nv_set_add(mounts, tuple))
            return 0;
        int r = emit_mount(pass, tuple, block);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The value of "addr=" on the next line of mountinfo; empty where there is none. */
static struct nv_str next_address(struct nv_scan *info)
{
    struct nv_scan line;

    if (!nv_scan_line(info, &line))
        return NV_LIT("");
    struct nv_str text = nv_scan_rest(&line);
    const char *blank = text.n ? memrchr(text.p, ' ', text.n) : NULL;
    struct nv_str options = blank ? nv_str_from(text, (size_t)(blank + 1 - text.p)) : text;
    while (options.n) {
        struct nv_str option = nv_str_cut(&options, ',');
        if (nv_str_starts(option, "addr="))
            return nv_str_from(option, strlen("addr="));
    }
    return NV_LIT("");
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, SOURCE_STATS), line;
    struct nv_scan info = nv_pass_text(pass, SOURCE_INFO);
    size_t transports_max = 0;

    for (struct nv_scan all = file; nv_scan_line(&all, &line);)
        transports_max += nv_str_contains(nv_scan_rest(&line), "xprt:");
    struct nv_set mounts = nv_set_new(pass, transports_max, 3);
    struct nv_set points = nv_set_new(pass, transports_max, 4);

    while (nv_scan_line(&file, &line)) {
        struct block block = {0};

        if (!is_head(line))
            continue;
        block.address = next_address(&info);
        if (!parse_head(line, &block))
            continue;
        int r = parse_block(pass, &file, &block);
        if (r == 0)
            r = emit_block(pass, &block, &mounts, &points);
        if (r < 0)
            return r;
    }
    return 0;
}

NV_COLLECTOR(mountstats) = {
    NV_ABI_STAMP,
    .name = "mountstats",
    .summary = "What the NFS client counts for each mount.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/self/mountstats", "proc/self/mountinfo"),
    .tables = NV_TABLES(&ages, &bytes, &events, &transports, &operations, &infos),
    .collect = collect,
};
