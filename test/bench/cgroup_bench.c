/*
 * cgroup_bench.c - a pass of the container collector, and the same files read and nothing else.
 *
 * Usage: cgroup_bench PROC SYS ROUNDS [PODS.json]. What the collector asks of the kernel in one pass is written down
 * (openat, read, getdents, fstat, close, by descriptor and name) by standing in front of these functions; the floor
 * is the same sequence without a look at what was read. Both are measured in turns, as CPU time of the whole process, and
 * the median of each is told: microseconds of a pass, of the floor, files, series.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/options.h"
#include "base/buf.h"
#include "base/log.h"
#include "gather/gather.h"
#include "support/pods.h"

extern const struct nv_collector nv_collector_container;

enum { CALLS_MAX = 1 << 20, SLOTS = 4096, ROUNDS_MAX = 1000, NAMES_MAX = 64 << 20 };
enum kind { OPEN, READ, LIST, STAT, CLOSE };

struct call {
    enum kind kind;
    int slot, at; /* of the descriptor; of the one it is opened below, or AT_FDCWD */
    int flags;
    size_t size;
    const char *name;
};

static struct call *calls;
static size_t n_calls, n_files;
static bool recording;
static char *names, *name_at;

static void record(struct call call)
{
    if (!recording || n_calls == CALLS_MAX)
        return;
    if (call.name) {
        size_t n = strlen(call.name) + 1;
        memcpy(name_at, call.name, n);
        call.name = name_at;
        name_at += n;
    }
    n_files += call.kind == OPEN && !(call.flags & O_DIRECTORY);
    calls[n_calls++] = call;
}

/* ---- in front of the C library ---------------------------------------------------------------- */

static int open_recorded(int at, const char *path, int flags)
{
    static int (*real)(int, const char *, int, ...);

    if (!real)
        real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    int fd = real(at, path, flags);
    record((struct call){OPEN, fd, at, flags, 0, path});
    return fd;
}

int openat(int at, const char *path, int flags, ...)
{
    return open_recorded(at, path, flags);
}

/* What a fortified openat() becomes where the flags are not constant. */
int __openat_2(int at, const char *path, int flags);
int __openat_2(int at, const char *path, int flags)
{
    return open_recorded(at, path, flags);
}

ssize_t read(int fd, void *out, size_t size)
{
    static ssize_t (*real)(int, void *, size_t);

    if (!real)
        real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    record((struct call){READ, fd, 0, 0, size, NULL});
    return real(fd, out, size);
}

ssize_t getdents64(int fd, void *out, size_t size)
{
    static ssize_t (*real)(int, void *, size_t);

    if (!real)
        real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "getdents64");
    record((struct call){LIST, fd, 0, 0, size, NULL});
    return real(fd, out, size);
}

int fstat(int fd, struct stat *st)
{
    static int (*real)(int, struct stat *);

    if (!real)
        real = (int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat");
    record((struct call){STAT, fd, 0, 0, 0, NULL});
    return real(fd, st);
}

int close(int fd)
{
    static int (*real)(int);

    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "close");
    record((struct call){CLOSE, fd, 0, 0, 0, NULL});
    return real(fd);
}

/* ---- the floor ------------------------------------------------------------------------------ */

static int fds[SLOTS];
static char buffer[1 << 20];

static int descriptor(int slot)
{
    return slot >= 0 && slot < SLOTS && fds[slot] >= 0 ? fds[slot] : slot;
}

static void replay(void)
{
    struct stat st;

    memset(fds, 0xff, sizeof(fds));
    for (size_t i = 0; i < n_calls; i++) {
        const struct call *call = &calls[i];
        switch (call->kind) {
        case OPEN: {
            int fd = openat(call->at == AT_FDCWD ? AT_FDCWD : descriptor(call->at), call->name,
                            call->flags);
            if (call->slot >= 0 && call->slot < SLOTS)
                fds[call->slot] = fd;
            break;
        }
        case READ:
            if (read(descriptor(call->slot), buffer, call->size) < 0)
                break;
            break;
        case LIST:
            if (getdents64(descriptor(call->slot), buffer, call->size) < 0)
                break;
            break;
        case STAT:
            if (fstat(descriptor(call->slot), &st) < 0)
                break;
            break;
        case CLOSE:
            close(descriptor(call->slot));
            if (call->slot >= 0 && call->slot < SLOTS)
                fds[call->slot] = -1;
            break;
        }
    }
}

/* ---- measuring ------------------------------------------------------------------------------ */

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static size_t pass(struct nv_gather *gather)
{
    const struct nv_gather_selection all = {0};
    struct nv_frame *frame = NULL;
    struct nv_gather_state state;

    if (nv_gather_pass(gather, &all, NV_GATHER_PASS_MS, &frame) != 0)
        return 0;
    nv_frame_unref(frame);
    nv_gather_state(gather, 0, &state);
    return state.result == 0 ? state.series : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct nv_gather *begin(char **argv, struct nv_options *options)
{
    const struct nv_collector *const list[] = {&nv_collector_container, NULL};
    const char *flags[] = {"--collector.container", "--collector.container.max-series=1000000"};
    char error[NV_GATHER_ERROR_MAX];
    const struct nv_gather_options paths = {.procfs = argv[1],
                                            .sysfs = argv[2],
                                            .rootfs = "/nonexistent",
                                            .udev = "/nonexistent",
                                            .pods = nv_test_pods(".")};
    struct nv_gather *gather = nv_gather_new(&paths);

    if (nv_options_parse(options, list, 2, flags) != 0)
        return NULL;
    for (size_t i = 0; i < options->n_collectors; i++)
        if (options->collectors[i].collector == list[0] &&
            nv_gather_add(gather, list[0], NV_GATHER_NODE, options->collectors[i].values) != 0)
            return NULL;
    return nv_gather_start(gather, error) == 0 ? gather : NULL;
}

int main(int argc, char **argv)
{
    static double ours[ROUNDS_MAX], floor_us[ROUNDS_MAX];
    size_t series = 0, rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

    if (argc < 4 || rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    nv_log_setup(NV_ERROR, NV_LOG_LOGFMT, 2);
    if (argc > 4)
        nv_test_pods_file(argv[4]);
    struct nv_options *options = nv_options_new("nodevitals", "");
    struct nv_gather *gather = begin(argv, options);
    calls = calloc(CALLS_MAX, sizeof(*calls));
    name_at = names = malloc(NAMES_MAX);
    if (!gather || !calls || !names)
        return 1;
    for (int i = 0; i < 3; i++)
        series = pass(gather);
    recording = true;
    pass(gather);
    recording = false;
    replay();
    for (size_t i = 0; i < rounds; i++) {
        double start = cpu_us();
        pass(gather);
        double between = cpu_us();
        replay();
        ours[i] = between - start;
        floor_us[i] = cpu_us() - between;
    }
    qsort(ours, rounds, sizeof(double), by_value);
    qsort(floor_us, rounds, sizeof(double), by_value);
    printf("%.1f %.1f %zu %zu\n", ours[rounds / 2], floor_us[rounds / 2], n_files, series);
    nv_gather_free(gather);
    nv_options_free(options);
    free(calls);
    free(names);
    return series ? 0 : 1;
}
