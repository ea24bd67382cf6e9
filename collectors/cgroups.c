/*
 * cgroups - the controllers, and how many cgroups each has.
 *
 * Source: /proc/cgroups: a heading, then lines of name, hierarchy, number of cgroups, enabled.
 */
#include <nodevitals/collector.h>

static const struct nv_family columns[] = {
    {"node_cgroups_cgroups", NV_GAUGE, NV_AS_IS, "Cgroups in the controller's hierarchy."},
    {"node_cgroups_enabled", NV_GAUGE, NV_AS_IS, "Whether the controller is enabled."    },
};

static const struct nv_table controllers = {NV_LABELS("subsys_name"), columns, NV_LEN(columns)};

static int collect(struct nv_pass *pass)
{
    struct nv_scan file = nv_pass_text(pass, 0), line;
    uint64_t value[1 + NV_LEN(columns)];

    while (nv_scan_line(&file, &line)) {
        if (nv_scan_accept(&line, "#"))
            continue;
        struct nv_str name = nv_scan_word(&line);
        size_t n = nv_scan_row(&line, value, NV_LEN(value));
        if (line.failed || n < NV_LEN(value))
            return nv_error(pass, -EBADMSG, "proc/cgroups: bad line of %.*s", NV_ARGS(name));
        nv_emit_row(pass, &controllers, &name, &value[1], NV_LEN(columns));
    }
    return 0;
}

NV_COLLECTOR(cgroups) = {
    NV_ABI_STAMP,
    .name = "cgroups",
    .summary = "Controllers of cgroups.",
    .options = NV_OFF_BY_DEFAULT,
    .sources = NV_SOURCES("proc/cgroups"),
    .tables = NV_TABLES(&controllers),
    .collect = collect,
};
