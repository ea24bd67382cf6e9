/*
 * tapestats - SCSI tape drives.
 *
 * Source: sys/class/scsi_tape/st<N>/stats/, one number per file. The class also lists the drive's
 * other device nodes (nst0, st0a, st0l, st0m), which have no counters of their own. A file that a kernel
 * lacks is absent, which is not zero.
 */
#include <nodevitals/sysfs.h>

#define NS NV_TIMES(0.000000001)

static const struct nv_family columns[] = {
    {"node_tape_io_now",                   NV_GAUGE,   NV_AS_IS, "Requests that the drive has not answered yet."},
    {"node_tape_io_others_total",          NV_COUNTER, NV_AS_IS,
     "Requests completed that neither read nor write, such as rewinding."                                       },
    {"node_tape_io_time_seconds_total",    NV_COUNTER, NS,
     "Time spent waiting for requests of any kind."                                                             },
    {"node_tape_read_bytes_total",         NV_COUNTER, NV_AS_IS, "Bytes read from tape."                        },
    {"node_tape_read_time_seconds_total",  NV_COUNTER, NS,       "Time spent waiting for reads."                },
    {"node_tape_reads_completed_total",    NV_COUNTER, NV_AS_IS, "Reads completed."                             },
    {"node_tape_residual_total",           NV_COUNTER, NV_AS_IS,
     "Reads and writes that moved less or more than was asked for."                                             },
    {"node_tape_write_time_seconds_total", NV_COUNTER, NS,       "Time spent waiting for writes."               },
    {"node_tape_writes_completed_total",   NV_COUNTER, NV_AS_IS, "Writes completed."                            },
    {"node_tape_written_bytes_total",      NV_COUNTER, NV_AS_IS, "Bytes written to tape."                       },
};

static const char *const files[NV_LEN(columns)] = {
    "in_flight", "other_cnt", "io_ns",    "read_byte_cnt", "read_ns",
    "read_cnt",  "resid_cnt", "write_ns", "write_cnt",     "write_byte_cnt",
};

static const struct nv_table tapes = {NV_LABELS("device"), columns, NV_LEN(columns)};

enum { IGNORED };

static int read_drive(struct nv_pass *pass, struct nv_str name, uint64_t *values,
                      uint64_t *ret_mask)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < NV_LEN(columns); i++) {
        struct nv_str text;
        int r =
            nv_attribute(pass, &text, "sys/class/scsi_tape/%.*s/stats/%s", NV_ARGS(name), files[i]);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        if (!nv_str_to_u64_prefixed(text, &values[i]))
            return nv_error(pass, -EBADMSG, "%.*s: %s is no number", NV_ARGS(name), files[i]);
        mask |= UINT64_C(1) << i;
    }
    *ret_mask = mask;
    return mask ? 0 : -ENOENT;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    int r = nv_list(pass, "sys/class/scsi_tape", &names);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        uint64_t values[NV_LEN(columns)] = {0}, mask = 0;

        if (!nv_is_numbered(names.at[i], "st") || nv_matches(pass, IGNORED, names.at[i]))
            continue;
        r = read_drive(pass, names.at[i], values, &mask);
        if (r == 0)
            nv_emit_some(pass, &tapes, &names.at[i], values, NV_LEN(columns), mask);
    }
    return r == -ENOENT ? NV_NO_DATA : r;
}

NV_COLLECTOR(tapestats) = {
    NV_ABI_STAMP,
    .name = "tapestats",
    .summary = "SCSI tape drives.",
    .tables = NV_TABLES(&tapes),
    .flags = NV_FLAGS({"collector.tapestats.ignored-devices", NV_FLAG_REGEX, "^$",
                       "Drives to leave out, by expression."}),
    .collect = collect,
};
