/*
 * thermal_zone - temperatures the kernel cools by, and what it cools with.
 *
 * Source: /sys/class/thermal/thermal_zone<N>/{type,temp}, millidegrees; cooling_device<N>/{type,max_state,
 * cur_state}. A zone whose sensor does not answer (switched off: EAGAIN, EINVAL, ENODATA) is shown
 * as 0 degrees, as node_exporter has it; a cooling device that does not answer is left out.
 */
#include <nodevitals/sysfs.h>

#define CLASS "sys/class/thermal"

static const struct nv_family zone_columns[] = {
    {"node_thermal_zone_temp", NV_GAUGE, NV_OVER(1000), "Temperature of a zone, in Celsius."},
};
static const struct nv_table zones = {NV_LABELS("type", "zone"), zone_columns,
                                      NV_LEN(zone_columns)};

static const struct nv_family device_columns[] = {
    {"node_cooling_device_cur_state", NV_GAUGE, NV_AS_IS, "How hard the device cools now."},
    {"node_cooling_device_max_state", NV_GAUGE, NV_AS_IS, "How hard the device can cool." },
};
static const struct nv_table devices = {NV_LABELS("name", "type"), device_columns,
                                        NV_LEN(device_columns)};

static int read_i64(struct nv_pass *pass, const char *path, int64_t *ret)
{
    struct nv_str text;
    int r = nv_read_attribute(pass, path, &text);

    return r < 0 ? r : nv_str_to_i64(text, ret) ? 0 : -EINVAL;
}

static void collect_zone(struct nv_pass *pass, struct nv_str name, struct nv_str number)
{
    char path[NV_PATH_MAX];
    int64_t millidegrees = 0;

    nv_path(path, CLASS "/%.*s/type", NV_ARGS(name));
    struct nv_str type = nv_attribute_or_empty(pass, path);
    nv_path(path, CLASS "/%.*s/temp", NV_ARGS(name));
    int r = read_i64(pass, path, &millidegrees);
    if (r < 0)
        nv_say(pass, NV_DEBUG, "zone %.*s shows no temperature: %s", NV_ARGS(name), strerror(-r));
    nv_emit_i64(pass, &zones, (struct nv_str[]){type, number}, 0, millidegrees);
}

static void collect_device(struct nv_pass *pass, struct nv_str name, struct nv_str number)
{
    char path[NV_PATH_MAX];
    struct nv_str type;
    int64_t current, most;

    nv_path(path, CLASS "/%.*s/type", NV_ARGS(name));
    int r = nv_read_attribute(pass, path, &type);
    nv_path(path, CLASS "/%.*s/max_state", NV_ARGS(name));
    if (r == 0)
        r = read_i64(pass, path, &most);
    nv_path(path, CLASS "/%.*s/cur_state", NV_ARGS(name));
    if (r == 0)
        r = read_i64(pass, path, &current);
    if (r < 0) {
        nv_say(pass, NV_DEBUG, "%.*s left out: %s", NV_ARGS(name), strerror(-r));
        return;
    }
    const struct nv_str labels[] = {number, type};
    nv_emit_i64(pass, &devices, labels, 0, current);
    nv_emit_i64(pass, &devices, labels, 1, most);
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    struct nv_str number;

    int r = nv_list(pass, CLASS, &names);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* a machine without thermal zones is no failure */
    for (size_t i = 0; i < names.n; i++) {
        if (nv_numbered(names.at[i], "thermal_zone", &number))
            collect_zone(pass, names.at[i], number);
        else if (nv_numbered(names.at[i], "cooling_device", &number))
            collect_device(pass, names.at[i], number);
    }
    return 0;
}

NV_COLLECTOR(thermal_zone) = {
    NV_ABI_STAMP,
    .name = "thermal_zone",
    .summary = "Thermal zones and cooling devices.",
    .options = NV_MAY_BLOCK,
    .tables = NV_TABLES(&zones, &devices),
    .cadence_ms = 5000,
    .collect = collect,
};
