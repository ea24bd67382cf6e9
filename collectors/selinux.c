/*
 * selinux - whether SELinux is on, and whether it enforces.
 *
 * It is on when its file system is mounted, writable, and this process has another context than
 * "kernel". That is found out once, at start, in the process's own namespace: the path flags do not
 * apply, since the answer concerns the running kernel.
 *
 * Sources: <mount>/enforce, 1 or 0; /etc/selinux/config, SELINUX=enforcing or permissive. A mode that
 * cannot be told is -1.
 */
#include <nodevitals/collector.h>

#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SELINUX_FS = (int)0xf97cff8c }; /* f_type */
enum { TEXT_MAX = 1 << 16 };

static const struct nv_family enabled_columns[] = {
    {"node_selinux_enabled", NV_GAUGE, NV_AS_IS, "Whether SELinux is on."},
};
static const struct nv_family mode_columns[] = {
    {"node_selinux_config_mode",  NV_GAUGE, NV_AS_IS,
     "Configured mode: 1 enforces, 0 permits, -1 neither."},
    {"node_selinux_current_mode", NV_GAUGE, NV_AS_IS,
     "Present mode: 1 enforces, 0 permits, -1 neither."   },
};

static const struct nv_table enabled = {NV_NO_LABELS, enabled_columns, NV_LEN(enabled_columns)};
static const struct nv_table modes = {NV_NO_LABELS, mode_columns, NV_LEN(mode_columns)};

struct state {
    bool enabled;
    char enforce[256]; /* path */
};

/* The beginning of a file of the process's own file system; empty where it cannot be read. */
static struct nv_str read_native(struct nv_pass *pass, const char *path)
{
    struct nv_str text = {nv_alloc(pass, TEXT_MAX), 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return text;
    ssize_t n = 1;
    while (n > 0 && text.n < TEXT_MAX) {
        n = read(fd, (char *)(uintptr_t)text.p + text.n, TEXT_MAX - text.n);
        text.n += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return text;
}

static bool is_selinuxfs(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && (int)fs.f_type == SELINUX_FS && !(fs.f_flags & ST_RDONLY);
}

/* Where selinuxfs is mounted, from mountinfo. */
static bool find_mount(struct nv_pass *pass, char *path, size_t size)
{
    struct nv_scan file = nv_scan(read_native(pass, "/proc/self/mountinfo")), line;

    while (nv_scan_line(&file, &line)) {
        if (!nv_str_contains(nv_scan_rest(&line), " - selinuxfs "))
            continue;
        nv_scan_skip(&line, 4);
        struct nv_str point = nv_scan_word(&line);
        if (line.failed || (size_t)snprintf(path, size, "%.*s", NV_ARGS(point)) >= size)
            continue;
        if (is_selinuxfs(path))
            return true;
    }
    return false;
}

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    char mount[200] = "/sys/fs/selinux";

    if (!is_selinuxfs(mount) && !find_mount(pass, mount, sizeof(mount)))
        return 0;
    struct nv_str context = read_native(pass, "/proc/self/attr/current");
    context.n = nv_str_find(context, '\0');
    state->enabled = !nv_str_is(nv_str_trim(context), "kernel");
    nv_path(state->enforce, "%s/enforce", mount);
    return 0;
}

static int config_mode(struct nv_pass *pass)
{
    struct nv_scan file = nv_scan(read_native(pass, "/etc/selinux/config")), line;

    while (nv_scan_line(&file, &line)) {
        struct nv_str value = nv_str_trim(nv_scan_rest(&line));
        struct nv_str key = nv_str_trim(nv_str_cut(&value, '='));
        if (!nv_str_is(key, "SELINUX"))
            continue;
        value = nv_str_trim(value);
        return nv_str_is(value, "enforcing") ? 1 : nv_str_is(value, "permissive") ? 0 : -1;
    }
    return -1;
}

static int collect(struct nv_pass *pass)
{
    const struct state *state = nv_state(pass);
    int64_t current = -1;

    nv_emit_u64(pass, &enabled, NULL, 0, state->enabled);
    if (!state->enabled)
        return 0;
    nv_str_to_i64(read_native(pass, state->enforce), &current);
    nv_emit_i64(pass, &modes, NULL, 0, config_mode(pass));
    nv_emit_i64(pass, &modes, NULL, 1, current);
    return 0;
}

NV_COLLECTOR(selinux) = {
    NV_ABI_STAMP,
    .name = "selinux",
    .summary = "Mode of SELinux.",
    .tables = NV_TABLES(&enabled, &modes),
    .state_size = sizeof(struct state),
    .start = start,
    .cadence_ms = 15000,
    .collect = collect,
};
