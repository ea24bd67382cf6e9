/*
 * cpu_vulnerabilities - what the kernel says about the CPU's known bugs.
 *
 * Sources: /sys/devices/system/cpu/vulnerabilities, a line per file: "Not affected", "Vulnerable[: how]",
 * "Mitigation: how" or "Unknown: why". A kernel without the directory gives no series.
 */
#include <nodevitals/collector.h>
#include <nodevitals/text.h>

#include <strings.h>

static const struct nv_family columns[] = {
    {"node_cpu_vulnerabilities_info", NV_GAUGE, NV_AS_IS, "State of a vulnerability, always 1."},
};

static const struct nv_table vulnerabilities = {NV_LABELS("codename", "state", "mitigation"),
                                                columns, NV_LEN(columns)};

static const char *const states[] = {"not affected", "vulnerable", "mitigation", "unknown"};

static void emit(struct nv_pass *pass, struct nv_str codename, struct nv_str text)
{
    struct nv_str labels[] = {codename, NV_LIT("unknown"), text};

    for (size_t i = 0; i < NV_LEN(states); i++) {
        if (text.n < strlen(states[i]) || strncasecmp(text.p, states[i], strlen(states[i])) != 0)
            continue;
        struct nv_scan words = nv_scan(text);
        nv_scan_word(&words);
        labels[1] = nv_str(states[i]);
        labels[2] = i == 0 ? NV_LIT("") : nv_scan_joined(pass, &words);
        break;
    }
    nv_emit_u64(pass, &vulnerabilities, labels, 0, 1);
}

static int collect(struct nv_pass *pass)
{
    struct nv_names names;
    char path[NV_PATH_MAX];

    int r = nv_list(pass, "sys/devices/system/cpu/vulnerabilities", &names);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < names.n; i++) {
        struct nv_str text;
        nv_path(path, "sys/devices/system/cpu/vulnerabilities/%.*s", NV_ARGS(names.at[i]));
        r = nv_read(pass, path, &text);
        if (r < 0)
            return nv_error(pass, r, "cannot read %s", path);
        emit(pass, names.at[i], nv_str_trim(text));
    }
    return 0;
}

NV_COLLECTOR(cpu_vulnerabilities) = {
    NV_ABI_STAMP,
    .name = "cpu_vulnerabilities",
    .summary = "Known bugs of the CPU and what is done about them.",
    .options = NV_OFF_BY_DEFAULT,
    .tables = NV_TABLES(&vulnerabilities),
    .cadence_ms = 15000,
    .collect = collect,
};
