/*
 * drbd - replicated block devices, as DRBD 8 tells of them.
 *
 * Source: /proc/drbd, words of the form key:value. A number without a value ("1:") begins device drbd1;
 * what comes before the first (the version) is about no device. Keys that stand in no table here (the
 * protocol's letter, wo, flags) are passed over. DRBD 9 has only the version in this file.
 *
 * The kernel counts in KiB, except for events and requests. Received KiB are exposed as they are under
 * the name of bytes, which node_exporter began and dashboards correct.
 */
#include <nodevitals/collector.h>

#define KIB NV_TIMES(1024)

static const struct nv_family columns[] = {
    {"node_drbd_network_sent_bytes_total",     NV_COUNTER, KIB,      "Bytes sent to the peer."                  },
    {"node_drbd_network_received_bytes_total", NV_COUNTER, NV_AS_IS, "KiB received from the peer."              },
    {"node_drbd_disk_written_bytes_total",     NV_COUNTER, KIB,      "Bytes written to the local disk."         },
    {"node_drbd_disk_read_bytes_total",        NV_COUNTER, KIB,      "Bytes read from the local disk."          },
    {"node_drbd_activitylog_writes_total",     NV_COUNTER, NV_AS_IS, "Updates of the activity log."             },
    {"node_drbd_bitmap_writes_total",          NV_COUNTER, NV_AS_IS, "Updates of the bitmap."                   },
    {"node_drbd_local_pending",                NV_GAUGE,   NV_AS_IS, "Requests the local disk has not answered."},
    {"node_drbd_remote_pending",               NV_GAUGE,   NV_AS_IS,
     "Requests sent that the peer has not answered."                                                            },
    {"node_drbd_remote_unacknowledged",        NV_GAUGE,   NV_AS_IS,
     "Requests of the peer that were not answered yet."                                                         },
    {"node_drbd_application_pending",          NV_GAUGE,   NV_AS_IS,
     "Requests taken from the layer above and not answered yet."                                                },
    {"node_drbd_epochs",                       NV_GAUGE,   NV_AS_IS, "Epochs in use."                           },
    {"node_drbd_out_of_sync_bytes",            NV_GAUGE,   KIB,      "Bytes in which the nodes differ."         },
    {"node_drbd_connected",                    NV_GAUGE,   NV_AS_IS, "Whether the peer is connected."           },
};

/* The keys of the columns; connected is none of the numbers. */
static const char *const keys[] = {
    "ns", "nr", "dw", "dr", "al", "bm", "lo", "pe", "ua", "ap", "ep", "oos",
};
enum { CONNECTED = NV_LEN(keys) };

static const struct nv_family role_columns[] = {
    {"node_drbd_node_role_is_primary", NV_GAUGE, NV_AS_IS,
     "Whether the node has the primary role."},
};
static const struct nv_family state_columns[] = {
    {"node_drbd_disk_state_is_up_to_date", NV_GAUGE, NV_AS_IS,
     "Whether the node's disk is up to date."},
};

static const struct nv_table devices = {NV_LABELS("device"), columns, NV_LEN(columns)};
static const struct nv_table roles = {NV_LABELS("device", "node"), role_columns, 1};
static const struct nv_table states = {NV_LABELS("device", "node"), state_columns, 1};

/* Emits one series for each node of "local/remote". */
static void emit_pair(struct nv_pass *pass, const struct nv_table *table, struct nv_str device,
                      struct nv_str pair, const char *good)
{
    struct nv_str local = nv_str_cut(&pair, '/');
    uint64_t is_good[] = {nv_str_is(local, good), nv_str_is(pair, good)};

    nv_emit_row(pass, table, (struct nv_str[]){device, NV_LIT("local")}, &is_good[0], 1);
    nv_emit_row(pass, table, (struct nv_str[]){device, NV_LIT("remote")}, &is_good[1], 1);
}

static int emit_number(struct nv_pass *pass, struct nv_str device, struct nv_str key,
                       struct nv_str value)
{
    for (size_t i = 0; i < NV_LEN(keys); i++) {
        double number;

        if (!nv_str_is(key, keys[i]))
            continue;
        if (!nv_str_to_real(value, &number))
            return nv_error(pass, -EBADMSG, "%.*s is no number", NV_ARGS(key));
        nv_emit_real(pass, &devices, &device, i, number);
        return 0;
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0);
    struct nv_str device = NV_LIT("unknown");
    int r = 0;

    while (r == 0 && !nv_scan_done(&file)) {
        struct nv_str value = nv_scan_word(&file), word = value;
        struct nv_str key = nv_str_cut(&value, ':');
        uint64_t number;

        if (key.n == word.n || nv_str_find(value, ':') < value.n)
            continue;
        if (!value.n && nv_str_to_u64(key, &number)) {
            char *name = nv_alloc(pass, 32);
            device = (struct nv_str){
                name, (size_t)snprintf(name, 32, "drbd%llu", (unsigned long long)number)};
        } else if (nv_str_is(key, "cs")) {
            nv_emit_u64(pass, &devices, &device, CONNECTED, nv_str_is(value, "Connected"));
        } else if (nv_str_is(key, "ro")) {
            emit_pair(pass, &roles, device, value, "Primary");
        } else if (nv_str_is(key, "ds")) {
            emit_pair(pass, &states, device, value, "UpToDate");
        } else {
            r = emit_number(pass, device, key, value);
        }
    }
    return r;
}

NV_COLLECTOR(drbd) = {
    NV_ABI_STAMP,
    .name = "drbd",
    .summary = "Replicated block devices of DRBD 8.",
    .options = NV_OFF_BY_DEFAULT | NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/drbd"),
    .tables = NV_TABLES(&devices, &roles, &states),
    .collect = collect,
};
