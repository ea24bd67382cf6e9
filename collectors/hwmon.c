/*
 * hwmon - sensors: temperatures, voltages, fans, power, as lm-sensors has them.
 *
 * Source: the entries of /sys/class/hwmon. A chip's files are <type><number>_<property> ("temp1_crit_alarm"),
 * <type><number> ("pwm1") or <type> alone ("vrm", number 0); older drivers keep them in the device's
 * folder instead, which wins where both have one. Chips are labelled by their device, since hwmon
 * numbers depend on the order in which drivers were loaded.
 *
 * Families are named after type, property and unit. That all properties of a scaled type are scaled, flags
 * such as crit_alarm included, is node_exporter's way, and dashboards rely on it.
 *
 * Reading an attribute can mean a transaction on a slow bus, some milliseconds each.
 */
#include <nodevitals/sysfs.h>

#define CLASS      "sys/class/hwmon"
#define METRIC_MAX 256

enum { CHIP_INCLUDE, CHIP_EXCLUDE, SENSOR_INCLUDE, SENSOR_EXCLUDE };

// clang-format off
static const struct nv_flag flags[] = {
    {"collector.hwmon.chip-include",   NV_FLAG_REGEX, "", "Chips to include.", false},
    {"collector.hwmon.chip-exclude",   NV_FLAG_REGEX, "", "Chips to exclude.", false},
    {"collector.hwmon.sensor-include", NV_FLAG_REGEX, "", "Sensors, as chip;sensor, to include.", false},
    {"collector.hwmon.sensor-exclude", NV_FLAG_REGEX, "", "Sensors, as chip;sensor, to exclude.", false},
    {0},
};
// clang-format on

static const struct nv_family chip_columns[] = {
    {"node_hwmon_chip_names", NV_GAUGE, NV_AS_IS, "The chip's own name, in a label; always 1."},
};
static const struct nv_table chip_names = {NV_LABELS("chip", "chip_name"), chip_columns,
                                           NV_LEN(chip_columns)};

static const struct nv_family label_columns[] = {
    {"node_hwmon_sensor_label", NV_GAUGE, NV_AS_IS,
     "What a sensor measures, in a label; always 1."},
};
static const struct nv_table sensor_labels = {NV_LABELS("chip", "sensor", "label"), label_columns,
                                              NV_LEN(label_columns)};

/* Types that have no properties, each a column; they come first among the types. */
// clang-format off
static const struct nv_family whole_columns[] = {
    {"node_hwmon_beep_enabled",              NV_GAUGE, NV_AS_IS,        "Whether the chip may beep."},
    {"node_hwmon_voltage_regulator_version", NV_GAUGE, NV_AS_IS,        "Version of the voltage regulator."},
    {"node_hwmon_update_interval_seconds",   NV_GAUGE, NV_TIMES(0.001), "Time between two measurements."},
};
// clang-format on
static const struct nv_table wholes = {NV_LABELS("chip", "sensor"), whole_columns,
                                       NV_LEN(whole_columns)};

/* What stands before the number. */
// clang-format off
enum type {
    BEEP_ENABLE, VRM, UPDATE_INTERVAL,
    IN, CPU, FAN, PWM, TEMP, CURR, POWER, ENERGY, HUMIDITY, INTRUSION, FREQ, TYPES
};
static const char *const types[TYPES] = {
    "beep_enable", "vrm", "update_interval",
    "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy", "humidity", "intrusion", "freq",
};
// clang-format on

/* How a property becomes a family: the first rule that fits. */
static const struct rule {
    int type;             /* or -1 for any */
    const char *property; /* or NULL for any */
    const char *suffix;
    enum nv_type kind;
    struct nv_arith arith;
    const char *help;
} rules[] = {
  // clang-format off
    {-1,       "fault",                "",          NV_GAUGE,   NV_AS_IS,        "Whether the sensor is faulty."},
    {-1,       "alarm",                "",          NV_GAUGE,   NV_AS_IS,        "Whether the sensor raises an alarm."},
    {-1,       "beep",                 "_enabled",  NV_GAUGE,   NV_AS_IS,        "Whether the sensor may beep."},
    {IN,       NULL,                   "_volts",    NV_GAUGE,   NV_TIMES(0.001), "A voltage or a limit of it."},
    {CPU,      NULL,                   "_volts",    NV_GAUGE,   NV_TIMES(0.001), "A voltage or a limit of it."},
    {TEMP,     "type",                 "",          NV_GAUGE,   NV_AS_IS,        "Kind of the temperature sensor."},
    {TEMP,     NULL,                   "_celsius",  NV_GAUGE,   NV_TIMES(0.001), "A temperature or a limit of it."},
    {CURR,     NULL,                   "_amps",     NV_GAUGE,   NV_TIMES(0.001), "A current or a limit of it."},
    {ENERGY,   NULL,                   "_joule_total", NV_COUNTER, NV_OVER(1e6), "Energy used."},
    {POWER,    "accuracy",             "",          NV_GAUGE,   NV_OVER(1e6),    "Accuracy of the power meter, as a ratio."},
    {POWER,    "average_interval",     "_seconds",  NV_GAUGE,   NV_TIMES(0.001), "Time over which power is averaged."},
    {POWER,    "average_interval_min", "_seconds",  NV_GAUGE,   NV_TIMES(0.001), "Shortest time over which power can be averaged."},
    {POWER,    "average_interval_max", "_seconds",  NV_GAUGE,   NV_TIMES(0.001), "Longest time over which power can be averaged."},
    {POWER,    NULL,                   "_watt",     NV_GAUGE,   NV_OVER(1e6),    "A power or a limit of it."},
    {HUMIDITY, NULL,                   "",          NV_GAUGE,   NV_OVER(1e6),    "Humidity as a ratio."},
    {FAN,      "input",                "_rpm",      NV_GAUGE,   NV_AS_IS,        "Speed of a fan."},
    {FAN,      "min",                  "_rpm",      NV_GAUGE,   NV_AS_IS,        "Lowest speed of a fan."},
    {FAN,      "max",                  "_rpm",      NV_GAUGE,   NV_AS_IS,        "Highest speed of a fan."},
    {FAN,      "target",               "_rpm",      NV_GAUGE,   NV_AS_IS,        "Speed a fan should have."},
    {FREQ,     "input",                "_freq_mhz", NV_GAUGE,   NV_OVER(1e6),    "A frequency."},
    {-1,       NULL,                   "",          NV_GAUGE,   NV_AS_IS,        "A setting or reading of the chip, as it is."},
  // clang-format on
};

/* An entry of the class. */
struct chip {
    struct nv_str entry, name, label; /* name: content of its file, cleaned; may be empty */
};

/* A file of a chip that was read. */
struct reading {
    enum type type;
    uint64_t number;
    struct nv_str property, value;
    unsigned order; /* which folder it is from: 0, then 1, which wins */
};

struct sensor {
    const struct reading *at;
    size_t n;
    struct nv_str chip, name;
};

/* Lower case, anything but [a-z0-9:_] becomes an underscore, none of them at either end. */
static struct nv_str clean(struct nv_pass *pass, struct nv_str text)
{
    char *p = nv_alloc(pass, text.n + 1);

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        p[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : nv_is_alnum(c) || c == ':' ? c : '_';
    }
    struct nv_str cleaned = {p, text.n};
    while (cleaned.n && cleaned.p[0] == '_')
        cleaned = nv_str_from(cleaned, 1);
    while (cleaned.n && cleaned.p[cleaned.n - 1] == '_')
        cleaned.n--;
    return cleaned;
}

static struct nv_str join(struct nv_pass *pass, struct nv_str a, struct nv_str b)
{
    char *p = nv_alloc(pass, a.n + b.n + 2);
    int n = snprintf(p, a.n + b.n + 2, "%.*s_%.*s", NV_ARGS(a), NV_ARGS(b));

    return (struct nv_str){p, (size_t)n};
}

/* platform_coretemp_0, from the device; else what the chip calls itself; else hwmon4. */
static int label_chip(struct nv_pass *pass, struct chip *chip)
{
    char path[NV_PATH_MAX];
    struct nv_str device;

    nv_path(path, CLASS "/%.*s/device", NV_ARGS(chip->entry));
    if (nv_realpath(pass, path, &device) == 0) {
        struct nv_str name = clean(pass, nv_base_name(device));
        struct nv_str type = clean(pass, nv_base_name(nv_dir_name(device)));
        if (name.n) {
            chip->label = type.n ? join(pass, type, name) : name;
            return 0;
        }
    }
    chip->label = chip->name;
    if (chip->label.n)
        return 0;
    nv_path(path, CLASS "/%.*s", NV_ARGS(chip->entry));
    int r = nv_realpath(pass, path, &device);
    if (r < 0)
        return r;
    chip->label = clean(pass, nv_base_name(device));
    return chip->label.n ? 0 : -EINVAL;
}

static bool shares(const struct chip *chips, size_t n, size_t i, bool names)
{
    for (size_t k = 0; k < n; k++) {
        if (k != i && nv_str_eq(chips[k].label, chips[i].label) &&
            (!names || nv_str_eq(chips[k].name, chips[i].name)))
            return true;
    }
    return false;
}

/* Where a device has several chips, their names tell them apart, or else their entries. */
static void tell_apart(struct nv_pass *pass, struct chip *chips, size_t n)
{
    struct nv_str *labels = nv_alloc(pass, (n + 1) * sizeof(*labels));

    for (size_t i = 0; i < n; i++) {
        labels[i] = chips[i].label;
        if (!labels[i].n || !shares(chips, n, i, false))
            continue;
        bool by_name = chips[i].name.n && !shares(chips, n, i, true);
        labels[i] = join(pass, labels[i], by_name ? chips[i].name : chips[i].entry);
    }
    for (size_t i = 0; i < n; i++)
        chips[i].label = labels[i];
}

/* "temp1_crit": true with its parts where the type is one of ours. */
static bool parse_name(struct nv_str name, struct reading *reading)
{
    size_t n = 0;

    while (n < name.n && !nv_is_digit(name.p[n]))
        n++;
    struct nv_str type = {name.p, n};
    struct nv_str digits = nv_leading_digits(nv_str_from(name, n));
    struct nv_str rest = nv_str_from(name, n + digits.n);

    reading->number = 0;
    if (digits.n && (!nv_str_to_u64(digits, &reading->number) || reading->number > INT64_MAX))
        return false;
    if (rest.n && (rest.p[0] != '_' || rest.n < 2))
        return false;
    reading->property = nv_str_from(rest, 1);
    for (int i = 0; i < TYPES; i++) {
        if (nv_str_is(type, types[i])) {
            reading->type = (enum type)i;
            return true;
        }
    }
    return false;
}

static struct nv_str sensor_name(struct nv_pass *pass, const struct reading *reading)
{
    char *p = nv_alloc(pass, 48);
    int n = snprintf(p, 48, "%s%llu", types[reading->type], (unsigned long long)reading->number);

    return (struct nv_str){p, (size_t)n};
}

static bool wants_sensor(struct nv_pass *pass, struct nv_str chip, const struct reading *reading)
{
    struct nv_str name = sensor_name(pass, reading);
    char *both = nv_alloc(pass, chip.n + name.n + 2);
    int n = snprintf(both, chip.n + name.n + 2, "%.*s;%.*s", NV_ARGS(chip), NV_ARGS(name));

    return nv_wants(pass, SENSOR_INCLUDE, SENSOR_EXCLUDE, (struct nv_str){both, (size_t)n});
}

static struct nv_str trim_newlines(struct nv_str text)
{
    while (text.n && text.p[0] == '\n')
        text = nv_str_from(text, 1);
    while (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    return text;
}

/* Reads what is a sensor's in a folder; what cannot be read is left out. Returns how many. */
static size_t read_folder(struct nv_pass *pass, const char *folder, const struct nv_names *names,
                          unsigned order, struct nv_str chip, struct reading *readings)
{
    char path[NV_PATH_MAX];
    size_t n = 0;

    for (size_t i = 0; i < names->n; i++) {
        struct reading *reading = &readings[n];
        if (!parse_name(names->at[i], reading) || !wants_sensor(pass, chip, reading))
            continue;
        nv_path(path, "%s/%.*s", folder, NV_ARGS(names->at[i]));
        if (pass->host->read(pass, path, 128, &reading->value) < 0)
            continue; /* a sensor that is switched off, or a folder */
        reading->value = trim_newlines(reading->value);
        reading->order = order;
        n++;
    }
    return n;
}

static int compare(const void *left, const void *right)
{
    const struct reading *a = left, *b = right;

    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    int order = nv_str_cmp(a->property, b->property);
    return order ? order : (int)a->order - (int)b->order;
}

/* Sorts; of two with one name keeps the later. */
static size_t sort(struct reading *readings, size_t n)
{
    size_t kept = 0;

    qsort(readings, n, sizeof(*readings), compare);
    for (size_t i = 0; i < n; i++) {
        bool again = kept && readings[kept - 1].type == readings[i].type &&
                     readings[kept - 1].number == readings[i].number &&
                     nv_str_eq(readings[kept - 1].property, readings[i].property);
        readings[again ? kept - 1 : kept] = readings[i];
        kept += !again;
    }
    return kept;
}

static const struct reading *property(const struct sensor *sensor, const char *name)
{
    for (size_t i = 0; i < sensor->n; i++) {
        if (nv_str_is(sensor->at[i].property, name))
            return &sensor->at[i];
    }
    return NULL;
}

/* Kernel numbers only: no white space, none of strtod()'s hexadecimal. */
static bool parse_value(struct nv_str text, double *ret)
{
    return text.n && !nv_is_space(text.p[0]) && !nv_is_space(text.p[text.n - 1]) &&
           nv_str_find(text, 'x') == text.n && nv_str_find(text, 'X') == text.n &&
           nv_str_to_real(text, ret);
}

static const struct rule *find_rule(enum type type, struct nv_str name)
{
    const struct rule *rule = rules;

    while ((rule->type >= 0 && rule->type != (int)type) ||
           (rule->property && !nv_str_is(name, rule->property)))
        rule++;
    return rule;
}

static void emit_property(struct nv_pass *pass, const struct sensor *sensor,
                          const struct reading *reading)
{
    const struct rule *rule = find_rule(reading->type, reading->property);
    struct nv_str sensor_label = sensor->name, part = clean(pass, reading->property);
    char name[METRIC_MAX];
    double value;

    if (!parse_value(reading->value, &value))
        return;
    if (nv_str_is(reading->property, "input") && !property(sensor, ""))
        part.n = 0; /* it is the value itself */
    if (rule->type == FREQ) {
        const struct reading *label = property(sensor, "label");
        if (!label)
            return;
        sensor_label = clean(pass, label->value);
    }
    int n = snprintf(name, sizeof(name), "node_hwmon_%s%s%.*s%s", types[reading->type],
                     part.n ? "_" : "", NV_ARGS(part), rule->suffix);
    if (n < 0 || (size_t)n >= sizeof(name))
        return;
    value = rule->arith.operation == NV_OP_TIMES  ? value * rule->arith.a
            : rule->arith.operation == NV_OP_OVER ? value / rule->arith.a
                                                  : value;
    const struct nv_family family = {name, rule->kind, NV_AS_IS, rule->help};
    nv_emit_named(pass, &family, NV_LABELS("chip", "sensor"),
                  (struct nv_str[]){sensor->chip, sensor_label}, value);
}

static void emit_whole(struct nv_pass *pass, const struct sensor *sensor)
{
    const struct nv_str labels[] = {sensor->chip, sensor->name};
    const struct reading *reading = property(sensor, "");
    double value;

    if (sensor->at->type == BEEP_ENABLE)
        nv_emit_u64(pass, &wholes, labels, BEEP_ENABLE, reading && nv_str_is(reading->value, "1"));
    else if (reading && parse_value(reading->value, &value))
        nv_emit_real(pass, &wholes, labels, sensor->at->type, value);
}

static void emit_sensor(struct nv_pass *pass, const struct sensor *sensor)
{
    const struct reading *label = property(sensor, "label");

    if (label)
        nv_emit_u64(pass, &sensor_labels,
                    (struct nv_str[]){sensor->chip, sensor->name, label->value}, 0, 1);
    if (sensor->at->type < NV_LEN(whole_columns)) {
        emit_whole(pass, sensor);
        return;
    }
    for (size_t i = 0; i < sensor->n; i++) {
        if (&sensor->at[i] != label)
            emit_property(pass, sensor, &sensor->at[i]);
    }
}

static int collect_chip(struct nv_pass *pass, const struct chip *chip)
{
    char folder[NV_PATH_MAX], device[NV_PATH_MAX];
    struct nv_names names[2] = {{0}, {0}};

    nv_path(folder, CLASS "/%.*s", NV_ARGS(chip->entry));
    nv_path(device, CLASS "/%.*s/device", NV_ARGS(chip->entry));
    int r = nv_list(pass, folder, &names[0]);
    if (r == 0 && nv_stat(pass, device, NULL, NULL) == 0)
        r = nv_list(pass, device, &names[1]);
    if (r < 0)
        return nv_error(pass, r, "%s", folder);
    if (chip->name.n)
        nv_emit_u64(pass, &chip_names, (struct nv_str[]){chip->label, chip->name}, 0, 1);

    struct reading *readings = nv_alloc(pass, (names[0].n + names[1].n + 1) * sizeof(*readings));
    size_t n = read_folder(pass, folder, &names[0], 0, chip->label, readings);
    n += read_folder(pass, device, &names[1], 1, chip->label, readings + n);
    n = sort(readings, n);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && readings[end].type == readings[i].type &&
                          readings[end].number == readings[i].number;)
            end++;
        const struct sensor sensor = {&readings[i], end - i, chip->label,
                                      sensor_name(pass, &readings[i])};
        emit_sensor(pass, &sensor);
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    char path[NV_PATH_MAX];
    struct nv_names names;
    int result = 0;
    size_t n = 0;

    int r = nv_list(pass, CLASS, &names);
    if (r < 0)
        return r == -ENOENT ? NV_NO_DATA : r;
    struct chip *chips = nv_alloc(pass, (names.n + 1) * sizeof(*chips));
    for (size_t i = 0; i < names.n; i++) {
        nv_path(path, CLASS "/%.*s", NV_ARGS(names.at[i]));
        if (!nv_is_directory(pass, path))
            continue;
        nv_path(path, CLASS "/%.*s/name", NV_ARGS(names.at[i]));
        chips[n].entry = names.at[i];
        chips[n].name = clean(pass, nv_attribute_or_empty(pass, path));
        r = label_chip(pass, &chips[n]);
        if (r < 0)
            result = nv_error(pass, r, "%.*s has no name", NV_ARGS(names.at[i]));
        else
            n++;
    }
    tell_apart(pass, chips, n);
    for (size_t i = 0; i < n; i++) {
        if (!nv_wants(pass, CHIP_INCLUDE, CHIP_EXCLUDE, chips[i].label)) {
            nv_say(pass, NV_DEBUG, "chip %.*s is not wanted", NV_ARGS(chips[i].label));
            continue;
        }
        r = collect_chip(pass, &chips[i]);
        if (r < 0)
            result = r;
    }
    return result;
}

NV_COLLECTOR(hwmon) = {
    NV_ABI_STAMP,
    .name = "hwmon",
    .summary = "Sensors of temperature, voltage, fans and power.",
    .options = NV_MAY_BLOCK,
    .flags = flags,
    .tables = NV_TABLES(&chip_names, &sensor_labels, &wholes),
    .cadence_ms = 5000,
    .collect = collect,
};
