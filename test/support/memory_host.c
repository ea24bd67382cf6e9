#include "support/memory_host.h"

#include <limits.h>
#include <linux/netlink.h>
#include <nodevitals/dir.h>
#include <sys/stat.h>

#include "agent/options.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/regex.h"
#include "expo/expo.h"
#include "kube/pods.h"

extern const struct nv_collector *const nv_builtin_collectors[];

enum { FILES_MAX = 2048, ARENA_MAX = 256 << 20, LINKS_MAX = 16, DIRS_MAX = 64 };

struct file {
    struct nv_str path, content;
    bool is_link;
};

struct machine {
    struct nv_pass pass; /* first */
    struct file files[FILES_MAX];
    size_t n_files;
    const struct nv_collector *collector;
    struct nv_arena arena;
    const struct nv_pods *pods;
    struct nv_str dirs[DIRS_MAX]; /* those that are open; p is NULL for a free place */
};

static struct machine *machine_of(struct nv_pass *pass)
{
    return (struct machine *)pass;
}

/* ---- the archive ---------------------------------------------------------------------------- */

static bool read_entry(struct machine *machine, struct nv_scan *scan)
{
    struct nv_scan line;
    uint64_t size;

    if (machine->n_files == FILES_MAX || !nv_scan_line(scan, &line))
        return false;
    struct file *file = &machine->files[machine->n_files];
    file->is_link = nv_scan_accept(&line, "-> ");
    if (!file->is_link && !nv_scan_accept(&line, "== "))
        return false;
    file->path = nv_scan_word(&line);
    if (file->is_link) {
        file->content = nv_scan_word(&line);
    } else {
        size = nv_scan_u64(&line);
        if (line.failed || size > (uint64_t)(scan->end - scan->at))
            size = (uint64_t)(scan->end - scan->at);
        file->content = (struct nv_str){scan->at, (size_t)size};
        scan->at += size;
        nv_scan_accept(scan, "\n");
    }
    if (!file->path.n)
        return false;
    machine->n_files++;
    return true;
}

static bool is_below(struct nv_str path, struct nv_str dir)
{
    return path.n > dir.n && path.p[dir.n] == '/' && memcmp(path.p, dir.p, dir.n) == 0;
}

/* The path with links on its way replaced, as far as the archive knows them. */
static struct nv_str follow(struct machine *machine, struct nv_str path)
{
    for (int depth = 0; depth < LINKS_MAX; depth++) {
        size_t i = 0;
        while (i < machine->n_files &&
               !(machine->files[i].is_link && (nv_str_eq(machine->files[i].path, path) ||
                                               is_below(path, machine->files[i].path))))
            i++;
        if (i == machine->n_files)
            return path;
        const struct file *link = &machine->files[i];
        size_t size = link->path.n + link->content.n + path.n + 8;
        char *joined = nv_arena_alloc(&machine->arena, size);
        if (!joined || size > PATH_MAX)
            return path;
        struct nv_str dir = link->path;
        while (dir.n && dir.p[dir.n - 1] != '/')
            dir.n--;
        struct nv_str rest = nv_str_from(path, link->path.n), target = link->content;
        while (nv_str_starts(target, "../") && dir.n) {
            target = nv_str_from(target, 3);
            dir.n--;
            while (dir.n && dir.p[dir.n - 1] != '/')
                dir.n--;
        }
        int n =
            snprintf(joined, size, "%.*s%.*s%.*s", NV_ARGS(dir), NV_ARGS(target), NV_ARGS(rest));
        path = (struct nv_str){joined, (size_t)n};
    }
    return path;
}

static const struct file *find(struct machine *machine, struct nv_str path)
{
    path = follow(machine, path);
    for (size_t i = 0; i < machine->n_files; i++)
        if (!machine->files[i].is_link && nv_str_eq(machine->files[i].path, path))
            return &machine->files[i];
    return NULL;
}

/* ---- the host ------------------------------------------------------------------------------- */

static const struct file *source_file(struct nv_pass *pass, size_t source)
{
    struct machine *machine = machine_of(pass);
    const char *path = machine->collector->sources[source];

    return find(machine, nv_str(path + (path[0] == '?')));
}

static struct nv_scan mem_text(struct nv_pass *pass, size_t source)
{
    const struct file *file = source_file(pass, source);
    struct nv_scan scan = nv_scan(file ? file->content : (struct nv_str){NULL, 0});

    if (!file)
        nv_scan_fail(&scan);
    return scan;
}

static int mem_text_error(struct nv_pass *pass, size_t source)
{
    return source_file(pass, source) ? 0 : -ENOENT;
}

static int mem_read(struct nv_pass *pass, const char *path, size_t max, struct nv_str *ret)
{
    const struct file *file = find(machine_of(pass), nv_str(path));

    if (!file)
        return -ENOENT;
    *ret = file->content;
    if (ret->n > max && max <= 128)
        ret->n = max;
    *ret = nv_arena_str(&machine_of(pass)->arena, *ret);
    return ret->p ? 0 : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

static int mem_list(struct nv_pass *pass, const char *path, struct nv_names *ret)
{
    struct machine *machine = machine_of(pass);
    struct nv_str dir = follow(machine, nv_str(path));
    struct nv_str *names = nv_must(nv_arena_alloc(&machine->arena, FILES_MAX * sizeof(*names)));
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < machine->n_files; i++) {
        if (!is_below(machine->files[i].path, dir))
            continue;
        struct nv_str rest = nv_str_from(machine->files[i].path, dir.n + 1);
        names[n++] = nv_str_cut(&rest, '/');
    }
    if (!n)
        return -ENOENT;
    qsort(names, n, sizeof(*names), compare);
    for (size_t i = 0; i < n; i++)
        if (names[i].n && names[i].p[0] != '.' && (!kept || !nv_str_eq(names[kept - 1], names[i])))
            names[kept++] = names[i];
    *ret = (struct nv_names){names, kept};
    return 0;
}

static int mem_link(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    struct machine *machine = machine_of(pass);

    for (size_t i = 0; i < machine->n_files; i++) {
        if (machine->files[i].is_link && nv_str_is(machine->files[i].path, path)) {
            *ret = nv_arena_str(&machine->arena, machine->files[i].content);
            return ret->p ? 0 : -ENOMEM;
        }
    }
    return -ENOENT;
}

static bool exists(struct machine *machine, struct nv_str path)
{
    for (size_t i = 0; i < machine->n_files; i++)
        if (nv_str_eq(machine->files[i].path, path) || is_below(machine->files[i].path, path))
            return true;
    return false;
}

static int mem_resolve(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    struct machine *machine = machine_of(pass);
    struct nv_str real = follow(machine, nv_str(path));

    if (!exists(machine, real))
        return -ENOENT;
    char *full = nv_must(nv_arena_alloc(&machine->arena, real.n + 2));
    int n = snprintf(full, real.n + 2, "/%.*s", NV_ARGS(real));
    *ret = (struct nv_str){full, (size_t)n};
    return 0;
}

static int mem_stat(struct nv_pass *pass, const char *path, unsigned *ret_mode,
                    int64_t *ret_mtime_ns)
{
    struct machine *machine = machine_of(pass);

    if (!exists(machine, follow(machine, nv_str(path))))
        return -ENOENT;
    if (ret_mode)
        *ret_mode = find(machine, nv_str(path)) ? S_IFREG | 0644 : S_IFDIR | 0755;
    if (ret_mtime_ns)
        *ret_mtime_ns = 1;
    return 0;
}

static struct nv_str mem_native(struct nv_pass *pass, const char *path)
{
    struct nv_str copy = nv_arena_str(&machine_of(pass)->arena, nv_str(path));

    nv_must((void *)(uintptr_t)copy.p);
    return copy;
}

static void *mem_alloc(struct nv_pass *pass, size_t size)
{
    return nv_must(nv_arena_alloc(&machine_of(pass)->arena, size));
}

static volatile char sink; /* reads every byte that is emitted, for the sanitizers */

static void touch(struct nv_str s)
{
    for (size_t i = 0; i < s.n; i++)
        sink = s.p[i];
}

static void mem_emit(struct nv_pass *pass, const struct nv_table *table,
                     const struct nv_str *labels, enum nv_number number, const void *values,
                     size_t first, size_t n, uint64_t mask)
{
    (void)pass, (void)number, (void)mask;
    nv_assert(first + n <= table->n_columns && table->n_columns <= NV_COLUMNS_MAX);
    for (size_t i = 0; table->labels[i]; i++)
        touch(labels[i]);
    touch((struct nv_str){values, n * sizeof(uint64_t)});
}

static void mem_emit_sample(struct nv_pass *pass, const struct nv_family *family,
                            const char *suffix, const char *const *names,
                            const struct nv_str *labels, double value)
{
    (void)pass, (void)value;
    touch(nv_str(family->name));
    touch(nv_str(family->help));
    touch(nv_str(suffix));
    for (size_t i = 0; names[i]; i++) {
        touch(nv_str(names[i]));
        touch(labels[i]);
    }
}

static bool mem_match(const struct nv_regex *regex, struct nv_str text)
{
    return nv_regex_match(regex, text);
}

__attribute__((format(printf, 3, 0))) static int mem_error(struct nv_pass *pass, int error,
                                                           const char *format, va_list arguments)
{
    char text[512];

    (void)pass;
    vsnprintf(text, sizeof(text), format, arguments);
    return error;
}

__attribute__((format(printf, 3, 0))) static void
mem_log(struct nv_pass *pass, enum nv_log_level level, const char *format, va_list arguments)
{
    (void)level;
    mem_error(pass, 0, format, arguments);
}

static int64_t mem_remaining_ms(struct nv_pass *pass)
{
    (void)pass;
    return 1000;
}

static int mem_netlink(struct nv_pass *pass, int protocol, const void *request, size_t n,
                       nv_netlink_fn each, void *user)
{
    const struct file *file = find(machine_of(pass), NV_LIT("netlink"));
    struct nv_str left = file ? file->content : (struct nv_str){NULL, 0};

    (void)protocol;
    touch((struct nv_str){request, n});
    while (left.n >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr header;
        memcpy(&header, left.p, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > left.n)
            return -EBADMSG;
        struct nlmsghdr *copy =
            nv_must(malloc(header.nlmsg_len)); /* aligned, and with a hard end */
        memcpy(copy, left.p, header.nlmsg_len);
        int r = each(copy, user);
        free(copy);
        if (r)
            return r;
        left = nv_str_from(left, NLMSG_ALIGN(header.nlmsg_len));
    }
    return file ? 0 : -EOPNOTSUPP;
}

static int mem_genl_family(struct nv_pass *pass, const char *name, uint16_t *ret_id)
{
    (void)pass, (void)name;
    *ret_id = 0x1c;
    return 0;
}

static void mem_link_notices(struct nv_pass *pass, uint64_t *cursor,
                             void (*each)(int ifindex, void *user), void *user)
{
    (void)pass;
    each(*cursor ? 1 : 0, user);
    ++*cursor;
}

static int mem_bus_call(struct nv_pass *pass, const struct nv_bus_call *call,
                        struct nv_bus_reply **ret)
{
    (void)pass, (void)call, (void)ret;
    return -ENOTCONN;
}

static int mem_guard(struct nv_pass *pass, void *items, size_t item_size, size_t n,
                     const struct nv_str *keys, void (*call)(void *item), int64_t timeout_ms,
                     size_t width, unsigned char *ret_outcomes)
{
    (void)pass, (void)call, (void)timeout_ms, (void)width;
    touch((struct nv_str){items, n * item_size});
    for (size_t i = 0; i < n; i++) {
        touch(keys[i]);
        ret_outcomes[i] = (unsigned char)(i % 3);
    }
    return 0;
}

static int mem_parse_text(struct nv_pass *pass, struct nv_str text, const struct nv_text_sink *to,
                          void *user)
{
    char error[256];

    (void)pass;
    return nv_expo_parse_text(text, to, user, error, sizeof(error));
}

static bool mem_yes(struct nv_pass *pass, const char *name)
{
    (void)pass, (void)name;
    return true;
}

static bool mem_sysfs_is_live(struct nv_pass *pass)
{
    return find(machine_of(pass), NV_LIT("netlink"));
}

/* ---- folders that are open ------------------------------------------------------------------ */

static struct nv_str path_below(struct machine *machine, int at, const char *name)
{
    if (at == NV_DIR_ROOTS)
        return nv_str(name);
    nv_assert(at >= 0 && at < DIRS_MAX && machine->dirs[at].p);
    size_t size = machine->dirs[at].n + strlen(name) + 2;
    char *path = nv_must(nv_arena_alloc(&machine->arena, size));
    int n = snprintf(path, size, "%.*s/%s", NV_ARGS(machine->dirs[at]), name);
    return (struct nv_str){path, (size_t)n};
}

static int mem_dir_open(struct nv_pass *pass, int at, const char *path)
{
    struct machine *machine = machine_of(pass);
    struct nv_str real = follow(machine, path_below(machine, at, path));
    int dir = 0;

    if (!exists(machine, real))
        return -ENOENT;
    while (dir < DIRS_MAX && machine->dirs[dir].p)
        dir++;
    if (dir == DIRS_MAX)
        return -EMFILE;
    machine->dirs[dir] = nv_arena_str(&machine->arena, real);
    return machine->dirs[dir].p ? dir : -ENOMEM;
}

static void mem_dir_close(struct nv_pass *pass, int dir)
{
    struct machine *machine = machine_of(pass);

    nv_assert(dir >= 0 && dir < DIRS_MAX && machine->dirs[dir].p);
    machine->dirs[dir] = (struct nv_str){NULL, 0};
}

static int mem_dir_read(struct nv_pass *pass, int dir, const char *name, bool in_parts, char *out,
                        size_t max)
{
    struct machine *machine = machine_of(pass);
    const struct file *file = find(machine, path_below(machine, dir, name));

    (void)in_parts;
    if (!file)
        return -ENOENT;
    size_t n = file->content.n < max ? file->content.n : max;
    if (n)
        memcpy(out, file->content.p, n);
    return (int)n;
}

static int mem_dir_list(struct nv_pass *pass, int dir, struct nv_names *ret)
{
    struct machine *machine = machine_of(pass);
    struct nv_str path = path_below(machine, dir, ""), *names;
    size_t n = 0;

    path.n--; /* the separator */
    names = nv_must(nv_arena_alloc(&machine->arena, FILES_MAX * sizeof(*names)));
    for (size_t i = 0; i < machine->n_files; i++) {
        if (!is_below(machine->files[i].path, path))
            continue;
        struct nv_str rest = nv_str_from(machine->files[i].path, path.n + 1);
        struct nv_str name = nv_str_cut(&rest, '/');
        if (rest.n && name.n && name.p[0] != '.' && (!n || !nv_str_eq(names[n - 1], name)))
            names[n++] = nv_arena_str(&machine->arena, name);
    }
    *ret = (struct nv_names){names, n};
    return 0;
}

static int mem_dir_stat(struct nv_pass *pass, int dir, struct nv_dir_stat *ret)
{
    (void)pass;
    *ret = (struct nv_dir_stat){.inode = (uint64_t)dir, .n_links = 1, .mtime_ns = 1};
    return 0;
}

static const struct nv_pods *mem_pods(struct nv_pass *pass)
{
    struct machine *machine = machine_of(pass);
    const struct file *file = find(machine, NV_LIT("pods.json"));
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
    char error[NV_PODS_ERROR_MAX];
    struct nv_pods *pods;

    if (!machine->pods && file) {
        nv_buf_str(&text, file->content);
        if (nv_pods_read(&text, 1, 1, &pods, error) == 0)
            machine->pods = pods;
    }
    return machine->pods;
}

static void mem_pods_wanted(struct nv_pass *pass)
{
    (void)pass;
}

static int mem_kubelet(struct nv_pass *pass, const char *path, struct nv_str *ret)
{
    char name[NV_PATH_MAX];

    nv_path(name, "kubelet%s", path);
    return mem_read(pass, name, NV_TEXT_MAX, ret);
}

/* What is saved is forgotten, what is loaded is the archive's. */
static int mem_state_load(struct nv_pass *pass, const char *name, struct nv_str *ret)
{
    char path[NV_PATH_MAX];

    nv_path(path, "state/%s", name);
    return mem_read(pass, path, NV_STATE_MAX, ret);
}

static int mem_state_save(struct nv_pass *pass, const char *name, struct nv_str text)
{
    (void)pass, (void)name;
    nv_assert(text.n <= NV_STATE_MAX);
    return 0;
}

static const struct nv_host memory_host = {
    .version = NV_ABI_VERSION,
    .size = sizeof(struct nv_host),
    .text = mem_text,
    .text_error = mem_text_error,
    .read = mem_read,
    .list = mem_list,
    .link = mem_link,
    .resolve = mem_resolve,
    .stat = mem_stat,
    .native = mem_native,
    .alloc = mem_alloc,
    .emit = mem_emit,
    .emit_sample = mem_emit_sample,
    .match = mem_match,
    .error = mem_error,
    .log = mem_log,
    .remaining_ms = mem_remaining_ms,
    .netlink = mem_netlink,
    .genl_family = mem_genl_family,
    .link_notices = mem_link_notices,
    .bus_call = mem_bus_call,
    .guard = mem_guard,
    .parse_text = mem_parse_text,
    .collector_is_on = mem_yes,
    .sysfs_is_live = mem_sysfs_is_live,
    .pods = mem_pods,
    .pods_wanted = mem_pods_wanted,
    .kubelet = mem_kubelet,
    .dir_open = mem_dir_open,
    .dir_close = mem_dir_close,
    .dir_read = mem_dir_read,
    .dir_list = mem_dir_list,
    .dir_stat = mem_dir_stat,
    .state_load = mem_state_load,
    .state_save = mem_state_save,
};

/* ---- running -------------------------------------------------------------------------------- */

static const char *const *flags;
static int n_flags;

void nv_memory_flags(const char *const *argv, int argc)
{
    flags = argv;
    n_flags = argc;
}

/* Flag values of all collectors, at their defaults but for those set; parsed once. */
static const struct nv_flag_value *values_of(const struct nv_collector *collector)
{
    static struct nv_options *options;

    if (!options) {
        options = nv_options_new("nodevitals", "");
        nv_must(options);
        nv_assert(nv_options_parse(options, nv_builtin_collectors, n_flags, flags) == 0);
    }
    for (size_t i = 0; i < options->n_collectors; i++)
        if (options->collectors[i].collector == collector)
            return options->collectors[i].values;
    return NULL;
}

/* These read logs, which are no files of a machine in memory; their records are fuzzed by themselves. */
static const char *const of_logs[] = {"kmsg", "journal"};

static const struct nv_collector *find_collector(struct nv_str name)
{
    for (size_t i = 0; i < NV_LEN(of_logs); i++)
        if (nv_str_is(name, of_logs[i]))
            return NULL;
    for (size_t i = 0; nv_builtin_collectors[i]; i++)
        if (nv_str_is(name, nv_builtin_collectors[i]->name))
            return nv_builtin_collectors[i];
    return NULL;
}

/* As the agent does: a source that had to be there and is not ends the run. */
static bool sources_are_there(struct machine *machine)
{
    const char *const *sources = machine->collector->sources;

    for (size_t i = 0; sources && sources[i]; i++)
        if (sources[i][0] != '?' && !find(machine, nv_str(sources[i])))
            return false;
    return true;
}

static void run(struct machine *machine)
{
    const struct nv_collector *collector = machine->collector;

    machine->pass.state = nv_must(calloc(1, collector->state_size + 1));
    int r = collector->start ? collector->start(&machine->pass) : 0;
    for (int i = 0; i < 3 && r >= 0; i++) {
        memset(machine->dirs, 0, sizeof(machine->dirs));
        nv_arena_reset(&machine->arena);
        if (sources_are_there(machine))
            collector->collect(&machine->pass);
        nv_pods_unref(machine->pods);
        machine->pods = NULL;
        for (size_t k = 0; k < DIRS_MAX; k++)
            nv_assert(!machine->dirs[k].p); /* what it opened it closed */
    }
    if (collector->stop)
        collector->stop(machine->pass.state);
    free(machine->pass.state);
}

bool nv_memory_run(struct nv_str archive)
{
    static struct machine machine;
    struct nv_scan scan = nv_scan(archive), line;

    if (!nv_scan_line(&scan, &line) || !nv_scan_accept(&line, "collector "))
        return false;
    machine.collector = find_collector(nv_scan_word(&line));
    if (!machine.collector)
        return false;
    machine.n_files = 0;
    machine.arena = NV_ARENA(ARENA_MAX);
    while (read_entry(&machine, &scan))
        ;
    machine.pass = (struct nv_pass){&memory_host, NULL, values_of(machine.collector)};
    run(&machine);
    nv_arena_done(&machine.arena);
    return true;
}
