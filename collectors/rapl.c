/*
 * rapl - energy used by parts of the processor.
 *
 * Source: /sys/class/powercap/<zone>/{name,max_energy_range_uj,energy_uj}; a zone without a name is a
 * control type (intel-rapl itself). The name gives the metric: "package-0" is zone package, index 0;
 * names without a number ("dram") are counted in the order of their folders. The counter wraps at
 * max_energy_range_uj, which only its presence is asked of. Since Linux 5.10 only root may read it.
 */
#include <nodevitals/sysfs.h>

#define CLASS "sys/class/powercap"
#define HELP  "Energy used by a part of the processor, in joules."

enum { ENABLE_ZONE_LABEL };

static const struct nv_flag flags[] = {
    {"collector.rapl.enable-zone-label", NV_FLAG_BOOL, "false",
     "Name the zone in a label instead of in the metric.", false},
    {0                          },
};

static const struct nv_family joules_columns[] = {
    {"node_rapl_joules_total", NV_COUNTER, NV_OVER(1e6), HELP},
};
static const struct nv_table joules = {NV_LABELS("index", "path", "rapl_zone"), joules_columns,
                                       NV_LEN(joules_columns)};

struct zone {
    struct nv_str folder, name, index;
};

/* "package-0" into package and 0; else the ordinal among the zones before it of the same name. */
static void name_zone(struct nv_pass *pass, struct zone *zones, size_t n, struct nv_str text)
{
    struct zone *zone = &zones[n];
    struct nv_str number = text;
    struct nv_str name = nv_str_cut(&number, '-');
    int64_t index = 0;

    zone->name = text;
    if (nv_str_find(number, '-') == number.n && nv_str_to_i64(number, &index)) {
        zone->name = name;
    } else {
        for (size_t i = n; i-- > 0 && !index;) {
            int64_t before;
            if (nv_str_eq(zones[i].name, text) && nv_str_to_i64(zones[i].index, &before))
                index = before + 1;
        }
    }
    char *digits = nv_alloc(pass, 24);
    int written = snprintf(digits, 24, "%lld", (long long)index);
    zone->index = (struct nv_str){digits, (size_t)written};
}

/* Returns how many zones there are, or a negative errno. */
static int find_zones(struct nv_pass *pass, struct zone **ret)
{
    char path[NV_PATH_MAX];
    struct nv_names names;
    struct nv_str text;
    size_t n = 0;
    uint64_t range;

    int r = nv_list(pass, CLASS, &names);
    if (r < 0)
        return r;
    struct zone *zones = nv_alloc(pass, (names.n + 1) * sizeof(*zones));
    for (size_t i = 0; i < names.n; i++) {
        nv_path(path, CLASS "/%.*s/name", NV_ARGS(names.at[i]));
        if (nv_read_attribute(pass, path, &text) < 0)
            continue;
        nv_path(path, CLASS "/%.*s/max_energy_range_uj", NV_ARGS(names.at[i]));
        r = nv_read_u64(pass, path, &range);
        if (r < 0)
            return nv_error(pass, r, "%s", path);
        zones[n].folder = names.at[i];
        name_zone(pass, zones, n++, text);
    }
    *ret = zones;
    return (int)n;
}

static void emit_zone(struct nv_pass *pass, const struct zone *zone, uint64_t microjoules)
{
    char path[NV_PATH_MAX], metric[NV_PATH_MAX];

    nv_path(path, CLASS "/%.*s", NV_ARGS(zone->folder));
    const struct nv_str labels[] = {zone->index, nv_native_path(pass, path), zone->name};
    if (nv_on(pass, ENABLE_ZONE_LABEL)) {
        nv_emit_u64(pass, &joules, labels, 0, microjoules);
        return;
    }
    nv_path(metric, "node_rapl_%.*s_joules_total", NV_ARGS(nv_name_part(pass, zone->name)));
    const struct nv_family family = {metric, NV_COUNTER, NV_AS_IS, HELP};
    nv_emit_named(pass, &family, NV_LABELS("index", "path"), labels, (double)microjoules / 1e6);
}

static int collect(struct nv_pass *pass)
{
    char path[NV_PATH_MAX];
    struct zone *zones = NULL;
    uint64_t microjoules;

    int n = find_zones(pass, &zones);
    if (n == -ENOENT || n == -EACCES || n == -EPERM)
        return NV_NO_DATA;
    for (int i = 0; i < n; i++) {
        nv_path(path, CLASS "/%.*s/energy_uj", NV_ARGS(zones[i].folder));
        int r = nv_read_u64(pass, path, &microjoules);
        if (r == -EACCES || r == -EPERM) {
            nv_say(pass, NV_DEBUG, "only root may read %s", path);
            return NV_NO_DATA;
        }
        if (r < 0)
            return nv_error(pass, r, "%s", path);
        emit_zone(pass, &zones[i], microjoules);
    }
    return n < 0 ? n : 0;
}

NV_COLLECTOR(rapl) = {
    NV_ABI_STAMP,
    .name = "rapl",
    .summary = "Energy used by the processor.",
    .flags = flags,
    .tables = NV_TABLES(&joules),
    .collect = collect,
};
