/*
 * powersupplyclass - batteries, mains and other supplies.
 *
 * Source: /sys/class/power_supply/<name>/, one attribute a file, those the driver has. Voltages, currents,
 * charges, energies and powers are in millionths, temperatures in tenths. A driver answers ENODEV or
 * EOPNOTSUPP where a reading makes no sense just now; any other error fails the collector.
 */
#include <nodevitals/sysfs.h>

#define CLASS "sys/class/power_supply"
#define MICRO NV_OVER(1e6)
#define TENTH NV_OVER(10)

enum { IGNORED_SUPPLIES };

static const struct nv_flag flags[] = {
    {"collector.powersupply.ignored-supplies", NV_FLAG_REGEX, "^$", "Supplies to ignore.", false},
    {0                                   },
};

/* Files, and what each becomes, in the same order. */
// clang-format off
static const char *const files[] = {
    "authentic", "calibrate", "capacity", "capacity_alert_max", "capacity_alert_min", "cycle_count",
    "online", "present", "time_to_empty_now", "time_to_full_now", "current_boot", "current_max",
    "current_now", "energy_empty", "energy_empty_design", "energy_full", "energy_full_design",
    "energy_now", "voltage_boot", "voltage_max", "voltage_max_design", "voltage_min",
    "voltage_min_design", "voltage_now", "voltage_ocv", "charge_control_limit",
    "charge_control_limit_max", "charge_counter", "charge_empty", "charge_empty_design",
    "charge_full", "charge_full_design", "charge_now", "charge_term_current",
    "constant_charge_current", "constant_charge_current_max", "constant_charge_voltage",
    "constant_charge_voltage_max", "precharge_current", "input_current_limit", "power_now", "temp",
    "temp_alert_max", "temp_alert_min", "temp_ambient", "temp_ambient_max", "temp_ambient_min",
    "temp_max", "temp_min",
};
static const struct nv_family columns[] = {
    {"node_power_supply_authentic",                   NV_GAUGE, NV_AS_IS, "Whether the supply is a genuine one."},
    {"node_power_supply_calibrate",                   NV_GAUGE, NV_AS_IS, "Whether the supply is being calibrated."},
    {"node_power_supply_capacity",                    NV_GAUGE, NV_AS_IS, "State of charge, in percent."},
    {"node_power_supply_capacity_alert_max",          NV_GAUGE, NV_AS_IS, "State of charge above which there is an alert, in percent."},
    {"node_power_supply_capacity_alert_min",          NV_GAUGE, NV_AS_IS, "State of charge below which there is an alert, in percent."},
    {"node_power_supply_cyclecount",                  NV_GAUGE, NV_AS_IS, "Full charge cycles so far."},
    {"node_power_supply_online",                      NV_GAUGE, NV_AS_IS, "Whether the supply feeds the machine."},
    {"node_power_supply_present",                     NV_GAUGE, NV_AS_IS, "Whether the supply is there."},
    {"node_power_supply_time_to_empty_seconds",       NV_GAUGE, NV_AS_IS, "Time until the battery is empty."},
    {"node_power_supply_time_to_full_seconds",        NV_GAUGE, NV_AS_IS, "Time until the battery is full."},
    {"node_power_supply_current_boot",                NV_GAUGE, MICRO,    "Current when the machine started, in amperes."},
    {"node_power_supply_current_max",                 NV_GAUGE, MICRO,    "Highest current, in amperes."},
    {"node_power_supply_current_ampere",              NV_GAUGE, MICRO,    "Current."},
    {"node_power_supply_energy_empty",                NV_GAUGE, MICRO,    "Energy at which the battery counts as empty, in watt-hours."},
    {"node_power_supply_energy_empty_design",         NV_GAUGE, MICRO,    "Energy at which the battery was to count as empty, in watt-hours."},
    {"node_power_supply_energy_full",                 NV_GAUGE, MICRO,    "Energy of the full battery, in watt-hours."},
    {"node_power_supply_energy_full_design",          NV_GAUGE, MICRO,    "Energy of the full battery when new, in watt-hours."},
    {"node_power_supply_energy_watthour",             NV_GAUGE, MICRO,    "Energy left."},
    {"node_power_supply_voltage_boot",                NV_GAUGE, MICRO,    "Voltage when the machine started."},
    {"node_power_supply_voltage_max",                 NV_GAUGE, MICRO,    "Highest voltage."},
    {"node_power_supply_voltage_max_design",          NV_GAUGE, MICRO,    "Highest voltage by design."},
    {"node_power_supply_voltage_min",                 NV_GAUGE, MICRO,    "Lowest voltage."},
    {"node_power_supply_voltage_min_design",          NV_GAUGE, MICRO,    "Lowest voltage by design."},
    {"node_power_supply_voltage_volt",                NV_GAUGE, MICRO,    "Voltage."},
    {"node_power_supply_voltage_ocv",                 NV_GAUGE, MICRO,    "Voltage without load."},
    {"node_power_supply_charge_control_limit",        NV_GAUGE, MICRO,    "Limit set on the charging current."},
    {"node_power_supply_charge_control_limit_max",    NV_GAUGE, MICRO,    "Highest limit that can be set on the charging current."},
    {"node_power_supply_charge_counter",              NV_GAUGE, MICRO,    "Charge counted by the battery, in ampere-hours."},
    {"node_power_supply_charge_empty",                NV_GAUGE, MICRO,    "Charge at which the battery counts as empty, in ampere-hours."},
    {"node_power_supply_charge_empty_design",         NV_GAUGE, MICRO,    "Charge at which the battery was to count as empty, in ampere-hours."},
    {"node_power_supply_charge_full",                 NV_GAUGE, MICRO,    "Charge of the full battery, in ampere-hours."},
    {"node_power_supply_charge_full_design",          NV_GAUGE, MICRO,    "Charge of the full battery when new, in ampere-hours."},
    {"node_power_supply_charge_ampere",               NV_GAUGE, MICRO,    "Charge left, in ampere-hours."},
    {"node_power_supply_charge_term_current",         NV_GAUGE, MICRO,    "Current at which charging ends."},
    {"node_power_supply_constant_charge_current",     NV_GAUGE, MICRO,    "Current of charging at constant current."},
    {"node_power_supply_constant_charge_current_max", NV_GAUGE, MICRO,    "Highest current of charging at constant current."},
    {"node_power_supply_constant_charge_voltage",     NV_GAUGE, MICRO,    "Voltage of charging at constant voltage."},
    {"node_power_supply_constant_charge_voltage_max", NV_GAUGE, MICRO,    "Highest voltage of charging at constant voltage."},
    {"node_power_supply_precharge_current",           NV_GAUGE, MICRO,    "Current at which charging begins."},
    {"node_power_supply_input_current_limit",         NV_GAUGE, MICRO,    "Limit of the current drawn from the charger."},
    {"node_power_supply_power_watt",                  NV_GAUGE, MICRO,    "Power."},
    {"node_power_supply_temp_celsius",                NV_GAUGE, TENTH,    "Temperature of the battery."},
    {"node_power_supply_temp_alert_max_celsius",      NV_GAUGE, TENTH,    "Temperature above which there is an alert."},
    {"node_power_supply_temp_alert_min_celsius",      NV_GAUGE, TENTH,    "Temperature below which there is an alert."},
    {"node_power_supply_temp_ambient_celsius",        NV_GAUGE, TENTH,    "Temperature around the battery."},
    {"node_power_supply_temp_ambient_max_celsius",    NV_GAUGE, TENTH,    "Highest temperature allowed around the battery."},
    {"node_power_supply_temp_ambient_min_celsius",    NV_GAUGE, TENTH,    "Lowest temperature allowed around the battery."},
    {"node_power_supply_temp_max_celsius",            NV_GAUGE, TENTH,    "Highest temperature allowed."},
    {"node_power_supply_temp_min_celsius",            NV_GAUGE, TENTH,    "Lowest temperature allowed."},
};
// clang-format on
static const struct nv_table supplies = {NV_LABELS("power_supply"), columns, NV_LEN(columns)};
_Static_assert(NV_LEN(files) == NV_LEN(columns), "a file for each column");

/* Labels of the info series, each from the file of its name, in this order behind power_supply. */
static const char *const texts[] = {
    "capacity_level", "charge_type", "health",     "manufacturer", "model_name", "scope",
    "serial_number",  "status",      "technology", "type",         "usb_type"};
static const struct nv_family info = {"node_power_supply_info", NV_GAUGE, NV_AS_IS,
                                      "What the supply is, in labels; always 1."};

/* 1 with an attribute, 0 where there is none just now. */
static int read_file(struct nv_pass *pass, struct nv_str supply, const char *file,
                     struct nv_str *ret)
{
    char path[NV_PATH_MAX];

    nv_path(path, CLASS "/%.*s/%s", NV_ARGS(supply), file);
    int r = nv_read_attribute(pass, path, ret);
    if (r == -ENOENT || r == -EOPNOTSUPP || r == -ENODEV)
        return 0;
    return r < 0 ? nv_error(pass, r, "%s", path) : 1;
}

static int collect_numbers(struct nv_pass *pass, struct nv_str supply)
{
    struct nv_str text;
    int64_t value;

    for (size_t i = 0; i < NV_LEN(files); i++) {
        int r = read_file(pass, supply, files[i], &text);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (!nv_str_to_i64_prefixed(text, &value))
            return nv_error(pass, -EBADMSG, "%.*s/%s is no number", NV_ARGS(supply), files[i]);
        nv_emit_i64(pass, &supplies, &supply, i, value);
    }
    return 0;
}

static int collect_info(struct nv_pass *pass, struct nv_str supply)
{
    const char *names[NV_LEN(texts) + 2] = {"power_supply"};
    struct nv_str labels[NV_LEN(texts) + 1] = {supply};
    size_t n = 1;

    for (size_t i = 0; i < NV_LEN(texts); i++) {
        int r = read_file(pass, supply, texts[i], &labels[n]);
        if (r < 0)
            return r;
        if (r > 0 && labels[n].n)
            names[n++] = texts[i];
    }
    names[n] = NULL;
    nv_emit_named(pass, &info, names, labels, 1);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;

    int r = nv_list(pass, CLASS, &names);
    if (r == -ENOENT)
        return NV_NO_DATA;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (nv_matches(pass, IGNORED_SUPPLIES, names.at[i]))
            continue;
        r = collect_numbers(pass, names.at[i]);
        if (r == 0)
            r = collect_info(pass, names.at[i]);
    }
    return r;
}

NV_COLLECTOR(powersupplyclass) = {
    NV_ABI_STAMP,
    .name = "powersupplyclass",
    .summary = "Batteries and other power supplies.",
    .options = NV_MAY_BLOCK,
    .flags = flags,
    .tables = NV_TABLES(&supplies),
    .collect = collect,
};
