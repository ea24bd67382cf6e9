/*
 * watchdog - watchdog timers and what they were set to.
 *
 * Source: /sys/class/watchdog/<name>/, which the kernel has with CONFIG_WATCHDOG_SYSFS. Each attribute
 * is there when the driver has it; the info series is always there.
 */
#include <nodevitals/sysfs.h>

#define CLASS "sys/class/watchdog"

static const char *const numbers[] = {"access_cs0", "bootstatus", "fw_version", "nowayout",
                                      "pretimeout", "timeleft",   "timeout"};

static const struct nv_family columns[] = {
    {"node_watchdog_access_cs0",         NV_GAUGE, NV_AS_IS, "Whether chip select 0 can be accessed."},
    {"node_watchdog_bootstatus",         NV_GAUGE, NV_AS_IS, "Why the machine started, as flags."    },
    {"node_watchdog_fw_version",         NV_GAUGE, NV_AS_IS, "Firmware version of the timer."        },
    {"node_watchdog_nowayout",           NV_GAUGE, NV_AS_IS, "Whether the timer cannot be stopped."  },
    {"node_watchdog_pretimeout_seconds", NV_GAUGE, NV_AS_IS, "Notice before the timer fires."        },
    {"node_watchdog_timeleft_seconds",   NV_GAUGE, NV_AS_IS, "Time until the timer fires."           },
    {"node_watchdog_timeout_seconds",    NV_GAUGE, NV_AS_IS, "Time the timer is set to."             },
};
static const struct nv_table watchdogs = {NV_LABELS("name"), columns, NV_LEN(columns)};

static const struct nv_family info_columns[] = {
    {"node_watchdog_info", NV_GAUGE, NV_AS_IS, "What the timer is, in labels; always 1."},
};
static const struct nv_table infos = {
    NV_LABELS("identity", "options", "pretimeout_governor", "state", "status", "name"),
    info_columns, NV_LEN(info_columns)};
enum { TEXTS = 5 }; /* of the labels, those read from the file of that name */

/* Returns 0 with text or, where the driver has no such attribute, with a NULL text. */
static int read_optional(struct nv_pass *pass, struct nv_str name, const char *attribute,
                         struct nv_str *ret)
{
    char path[NV_PATH_MAX];

    nv_path(path, CLASS "/%.*s/%s", NV_ARGS(name), attribute);
    *ret = (struct nv_str){NULL, 0};
    int r = nv_read_attribute(pass, path, ret);
    return r == 0 || r == -ENOENT ? 0 : nv_error(pass, r, "%s", path);
}

static int collect_one(struct nv_pass *pass, struct nv_str name)
{
    struct nv_str text, labels[TEXTS + 1];
    int64_t value[NV_LEN(numbers)];
    bool present[NV_LEN(numbers)];

    for (size_t i = 0; i < NV_LEN(numbers); i++) {
        int r = read_optional(pass, name, numbers[i], &text);
        if (r < 0)
            return r;
        present[i] = text.p != NULL;
        if (present[i] && !nv_str_to_i64_prefixed(text, &value[i]))
            return nv_error(pass, -EBADMSG, "%.*s/%s is no number", NV_ARGS(name), numbers[i]);
    }
    for (size_t i = 0; i < TEXTS; i++) {
        int r = read_optional(pass, name, infos.labels[i], &labels[i]);
        if (r < 0)
            return r;
    }
    labels[TEXTS] = name;

    for (size_t i = 0; i < NV_LEN(numbers); i++) {
        if (present[i])
            nv_emit_i64(pass, &watchdogs, &name, i, value[i]);
    }
    nv_emit_u64(pass, &infos, labels, 0, 1);
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;

    int r = nv_list(pass, CLASS, &names);
    for (size_t i = 0; r == 0 && i < names.n; i++)
        r = collect_one(pass, names.at[i]);
    return r == -ENOENT || r == -EACCES || r == -EPERM ? NV_NO_DATA : r;
}

NV_COLLECTOR(watchdog) = {
    NV_ABI_STAMP,
    .name = "watchdog",
    .summary = "Watchdog timers.",
    .tables = NV_TABLES(&watchdogs, &infos),
    .cadence_ms = 15000,
    .collect = collect,
};
