/*
 * edac - memory errors that hardware corrected, or could not.
 *
 * Source: /sys/devices/system/edac/mc/mc<N>/ for a controller, csrow<M>/ below it for a row of chips,
 * ch<K>_* therein for a channel. Errors that no row could be blamed for (*_noinfo_count) are row
 * "unknown". Not every driver counts uncorrectable errors of a channel; a missing label is "unknown".
 */
#include <nodevitals/sysfs.h>

#define MC "sys/devices/system/edac/mc"

static const struct nv_family controller_columns[] = {
    {"node_edac_correctable_errors_total",   NV_COUNTER, NV_AS_IS, "Errors corrected."      },
    {"node_edac_uncorrectable_errors_total", NV_COUNTER, NV_AS_IS, "Errors not correctable."},
};
static const struct nv_table controllers = {NV_LABELS("controller"), controller_columns,
                                            NV_LEN(controller_columns)};

static const struct nv_family row_columns[] = {
    {"node_edac_csrow_correctable_errors_total",   NV_COUNTER, NV_AS_IS,
     "Errors corrected, by row of chips."      },
    {"node_edac_csrow_uncorrectable_errors_total", NV_COUNTER, NV_AS_IS,
     "Errors not correctable, by row of chips."},
};
static const struct nv_table rows = {NV_LABELS("controller", "csrow"), row_columns,
                                     NV_LEN(row_columns)};

static const struct nv_family channel_columns[] = {
    {"node_edac_channel_correctable_errors_total",   NV_COUNTER, NV_AS_IS,
     "Errors corrected, by channel."      },
    {"node_edac_channel_uncorrectable_errors_total", NV_COUNTER, NV_AS_IS,
     "Errors not correctable, by channel."},
};
static const struct nv_table channels = {NV_LABELS("controller", "csrow", "channel", "dimm_label"),
                                         channel_columns, NV_LEN(channel_columns)};

static int read_count(struct nv_pass *pass, const char *folder, const char *file, uint64_t *ret)
{
    char path[NV_PATH_MAX];

    nv_path(path, "%s/%s", folder, file);
    int r = nv_read_u64(pass, path, ret);
    return r < 0 ? nv_error(pass, r, "%s", path) : 0;
}

/* "mc#0csrow#1channel#0" reads mc0_csrow1_channel0. */
static struct nv_str clean_label(struct nv_pass *pass, struct nv_str text)
{
    char *p = nv_alloc(pass, 2 * text.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '#')
            continue;
        struct nv_str rest = nv_str_from(text, i);
        if (nv_str_starts(rest, "csrow") || nv_str_starts(rest, "channel"))
            p[n++] = '_';
        p[n++] = text.p[i];
    }
    return (struct nv_str){p, n};
}

static int collect_channel(struct nv_pass *pass, const char *folder, struct nv_str controller,
                           struct nv_str row, struct nv_str channel)
{
    char file[NV_PATH_MAX];
    struct nv_str label;
    uint64_t value[2];

    nv_path(file, "%s/ch%.*s_dimm_label", folder, NV_ARGS(channel));
    label =
        nv_read_attribute(pass, file, &label) == 0 ? clean_label(pass, label) : NV_LIT("unknown");
    nv_path(file, "ch%.*s_ce_count", NV_ARGS(channel));
    int r = read_count(pass, folder, file, &value[0]);
    if (r < 0)
        return r;
    nv_path(file, "%s/ch%.*s_ue_count", folder, NV_ARGS(channel));
    size_t n = nv_read_u64(pass, file, &value[1]) == 0 ? 2 : 1;
    nv_emit_row(pass, &channels, (struct nv_str[]){controller, row, channel, label}, value, n);
    return 0;
}

static int collect_row(struct nv_pass *pass, const char *folder, struct nv_str controller,
                       struct nv_str row)
{
    struct nv_names names;
    struct nv_str rest;
    uint64_t value[2];

    int r = read_count(pass, folder, "ce_count", &value[0]);
    if (r == 0)
        r = read_count(pass, folder, "ue_count", &value[1]);
    if (r < 0)
        return r;
    nv_emit_row(pass, &rows, (struct nv_str[]){controller, row}, value, 2);

    r = nv_list(pass, folder, &names);
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (!nv_numbered(names.at[i], "ch", &rest))
            continue;
        struct nv_str channel = nv_leading_digits(rest);
        if (nv_str_is(nv_str_from(rest, channel.n), "_ce_count"))
            r = collect_channel(pass, folder, controller, row, channel);
    }
    return r;
}

static int collect_controller(struct nv_pass *pass, const char *folder, struct nv_str controller)
{
    static const char *const files[] = {"ce_count", "ue_count", "ce_noinfo_count",
                                        "ue_noinfo_count"};
    char path[NV_PATH_MAX];
    struct nv_names names;
    struct nv_str row;
    uint64_t value[NV_LEN(files)];

    for (size_t i = 0; i < NV_LEN(files); i++) {
        int r = read_count(pass, folder, files[i], &value[i]);
        if (r < 0)
            return r;
    }
    nv_emit_row(pass, &controllers, &controller, value, 2);
    nv_emit_row(pass, &rows, (struct nv_str[]){controller, NV_LIT("unknown")}, value + 2, 2);

    int r = nv_list(pass, folder, &names);
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (!nv_numbered(names.at[i], "csrow", &row))
            continue;
        nv_path(path, "%s/%.*s", folder, NV_ARGS(names.at[i]));
        r = collect_row(pass, path, controller, nv_leading_digits(row));
    }
    return r;
}

static int collect(struct nv_pass *pass)
{
    char path[NV_PATH_MAX];
    struct nv_names names;
    struct nv_str number;

    int r = nv_list(pass, MC, &names);
    if (r == -ENOENT)
        return 0; /* a machine without such memory is no failure */
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (!nv_numbered(names.at[i], "mc", &number))
            continue;
        nv_path(path, MC "/%.*s", NV_ARGS(names.at[i]));
        r = collect_controller(pass, path, nv_leading_digits(number));
    }
    return r;
}

NV_COLLECTOR(edac) = {
    NV_ABI_STAMP,
    .name = "edac",
    .summary = "Memory errors.",
    .tables = NV_TABLES(&controllers, &rows, &channels),
    .cadence_ms = 15000,
    .collect = collect,
};
