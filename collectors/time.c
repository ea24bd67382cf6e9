/*
 * time - the clock, its time zone, and what it is driven by.
 *
 * Sources: the system clock and the zone of the process; /sys/devices/system/clocksource, directories
 * clocksource<N> with the names of the sources. The kernel makes them at boot, so they are listed once.
 * The device label is the directory's place among them.
 */
#include <nodevitals/collector.h>
#include <nodevitals/sysfs.h>
#include <nodevitals/text.h>

#include <time.h>

#define ROOT "sys/devices/system/clocksource/clocksource"

enum { N_DEVICES_MAX = 16 };

static const struct nv_family clock_columns[] = {
    {"node_time_seconds", NV_GAUGE, NV_OVER(1e9), "The system clock, in Unix time."},
};
static const struct nv_family zone_columns[] = {
    {"node_time_zone_offset_seconds", NV_GAUGE, NV_AS_IS, "Offset of local time from UTC."},
};
static const struct nv_family available_columns[] = {
    {"node_time_clocksource_available_info", NV_GAUGE, NV_AS_IS,
     "A clock source the kernel could use, always 1."},
};
static const struct nv_family current_columns[] = {
    {"node_time_clocksource_current_info", NV_GAUGE, NV_AS_IS,
     "The clock source in use, always 1."},
};

static const struct nv_table clocks = {NV_NO_LABELS, clock_columns, 1};
static const struct nv_table zones = {NV_LABELS("time_zone"), zone_columns, 1};
static const struct nv_table available = {NV_LABELS("device", "clocksource"), available_columns, 1};
static const struct nv_table current = {NV_LABELS("device", "clocksource"), current_columns, 1};

struct state {
    bool listed;
    size_t n;
    char numbers[N_DEVICES_MAX][8]; /* of the directories */
};

static int list(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct nv_names names;
    struct nv_str number;

    int r = nv_list(pass, "sys/devices/system/clocksource", &names);
    if (r == -ENOENT)
        names.n = 0;
    else if (r < 0)
        return r;
    for (size_t i = 0; i < names.n && state->n < N_DEVICES_MAX; i++) {
        if (nv_numbered(names.at[i], "clocksource", &number))
            nv_path(state->numbers[state->n++], "%.*s", NV_ARGS(number));
    }
    state->listed = true;
    return 0;
}

static int collect_device(struct nv_pass *pass, struct nv_str device, const char *number)
{
    char path[NV_PATH_MAX];
    struct nv_str text, labels[2] = {device};

    nv_path(path, ROOT "%s/available_clocksource", number);
    int r = nv_read_attribute(pass, path, &text);
    if (r < 0)
        return nv_error(pass, r, "cannot read %s", path);
    for (struct nv_scan words = nv_scan(text); !nv_scan_done(&words);) {
        labels[1] = nv_scan_word(&words);
        nv_emit_u64(pass, &available, labels, 0, 1);
    }
    nv_path(path, ROOT "%s/current_clocksource", number);
    r = nv_read_attribute(pass, path, &labels[1]);
    if (r < 0)
        return nv_error(pass, r, "cannot read %s", path);
    nv_emit_u64(pass, &current, labels, 0, 1);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    struct timespec now;
    struct tm local;

    clock_gettime(CLOCK_REALTIME, &now);
    nv_emit_i64(pass, &clocks, NULL, 0, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    if (localtime_r(&now.tv_sec, &local)) {
        struct nv_str zone = nv_str(local.tm_zone);
        nv_emit_i64(pass, &zones, &zone, 0, local.tm_gmtoff);
    }

    int r = state->listed ? 0 : list(pass);
    const struct nv_str *ordinals = nv_ordinals(pass, N_DEVICES_MAX);
    for (size_t i = 0; r == 0 && i < state->n; i++)
        r = collect_device(pass, ordinals[i], state->numbers[i]);
    return r;
}

NV_COLLECTOR(time) = {
    NV_ABI_STAMP,
    .name = "time",
    .summary = "Clock, time zone and clock source.",
    .tables = NV_TABLES(&clocks, &zones, &available, &current),
    .state_size = sizeof(struct state),
    .cadence_ms = 15000,
    .collect = collect,
};
