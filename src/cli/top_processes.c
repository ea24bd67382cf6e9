/*
 * top_processes.c - the processes of this moment, from /proc.
 *
 * The store knows no processes. Reading /proc/PID/stat of all costs some microseconds each, so that with thousands of them it is
 * done less often: reading takes at most a two-hundredth of a core, but for a reading each ten seconds.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/top.h"

enum { STAT_MAX = 1024, SHARE = 200 };
#define LONGEST_NS INT64_C(10000000000) /* between readings */

struct reading {
    uint64_t pid, start, ticks;
};

struct nv_top_processes {
    struct nv_top_process list[NV_TOP_PROCESSES_MAX];
    struct reading last[NV_TOP_PROCESSES_MAX], next[NV_TOP_PROCESSES_MAX];
    size_t n, n_last;
    int64_t last_ns, not_before_ns;
};

struct nv_top_processes *nv_top_processes_new(void)
{
    return calloc(1, sizeof(struct nv_top_processes));
}

void nv_top_processes_free(struct nv_top_processes *processes)
{
    free(processes);
}

/* The name may hold blanks and parentheses: what follows is behind the last one. */
static bool parse(struct nv_str text, struct nv_top_process *process, struct reading *reading)
{
    const char *open = text.n ? memchr(text.p, '(', text.n) : NULL,
               *close = text.n ? memrchr(text.p, ')', text.n) : NULL;
    uint64_t user, system, pages;

    if (!open || !close || close < open)
        return false;
    struct nv_scan scan =
        nv_scan((struct nv_str){close + 1, (size_t)(text.p + text.n - close - 1)});
    nv_scan_skip(&scan, 11); /* up to cmajflt */
    user = nv_scan_u64(&scan);
    system = nv_scan_u64(&scan);
    nv_scan_skip(&scan, 6); /* up to itrealvalue */
    reading->start = nv_scan_u64(&scan);
    nv_scan_skip(&scan, 1);
    pages = nv_scan_u64(&scan);
    if (scan.failed)
        return false;
    reading->ticks = user + system;
    process->memory = (double)pages * (double)sysconf(_SC_PAGESIZE);
    snprintf(process->name, sizeof(process->name), "%.*s", (int)(close - open - 1), open + 1);
    return true;
}

static int compare_readings(const void *a, const void *b)
{
    const struct reading *x = a, *y = b;

    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Share of one core since the last reading, or since it began for a process that was not there then. */
static double cpu_of(const struct nv_top_processes *processes, const struct reading *reading,
                     int64_t now_ns)
{
    double hertz = (double)sysconf(_SC_CLK_TCK), ticks = (double)reading->ticks,
           seconds = (double)now_ns / 1e9 - (double)reading->start / hertz;
    const struct reading *last =
        bsearch(reading, processes->last, processes->n_last, sizeof(*last), compare_readings);
    bool same = last && last->start == reading->start && last->ticks <= reading->ticks;

    if (same) {
        ticks = (double)(reading->ticks - last->ticks);
        seconds = (double)(now_ns - processes->last_ns) / 1e9;
    }
    return 100 * ticks / hertz / fmax(seconds, 1 / hertz);
}

static bool read_one(int proc, struct nv_str name, struct nv_top_process *process,
                     struct reading *reading)
{
    char path[64], text[STAT_MAX];

    if (!nv_str_to_u64(name, &reading->pid))
        return false;
    snprintf(path, sizeof(path), "%llu/stat", (unsigned long long)reading->pid);
    NV_AUTO_FD fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    process->pid = reading->pid;
    return n > 0 && parse((struct nv_str){text, (size_t)n}, process, reading);
}

void nv_top_processes_read(struct nv_top_processes *processes, const char *proc, int64_t now_ns)
{
    DIR *dir = opendir(proc);

    processes->n = 0;
    for (struct dirent *entry;
         dir && processes->n < NV_TOP_PROCESSES_MAX && (entry = readdir(dir));) {
        struct nv_top_process *process = &processes->list[processes->n];
        struct reading *reading = &processes->next[processes->n];
        if (!read_one(dirfd(dir), nv_str(entry->d_name), process, reading))
            continue;
        process->cpu = cpu_of(processes, reading, now_ns);
        processes->n++;
    }
    if (dir)
        closedir(dir);
    qsort(processes->next, processes->n, sizeof(processes->next[0]), compare_readings);
    memcpy(processes->last, processes->next, processes->n * sizeof(processes->next[0]));
    processes->n_last = processes->n;
    processes->last_ns = now_ns;
}

bool nv_top_processes_due(const struct nv_top_processes *processes, int64_t now_ns)
{
    return now_ns >= processes->not_before_ns;
}

void nv_top_processes_took(struct nv_top_processes *processes, int64_t now_ns, int64_t cost_ns)
{
    int64_t pause_ns = cost_ns < LONGEST_NS / SHARE ? SHARE * cost_ns : LONGEST_NS;

    processes->not_before_ns = now_ns + pause_ns;
}

/* ---- order ---------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b, void *user)
{
    const struct nv_top_process *x = a, *y = b;
    const struct nv_top_sort *sort = user;
    int order = 0;

    if (sort->column == NV_TOP_PROCESSES_CPU)
        order = nv_top_numbers_compare(x->cpu, y->cpu, sort->reversed);
    else if (sort->column == NV_TOP_PROCESSES_MEMORY)
        order = nv_top_numbers_compare(x->memory, y->memory, sort->reversed);
    else if (sort->column == 0)
        order = sort->reversed ? strcmp(y->name, x->name) : strcmp(x->name, y->name);
    if (!order && sort->column == NV_TOP_PROCESSES_CPU) /* most do nothing */
        order = nv_top_numbers_compare(x->memory, y->memory, false);
    bool rising = sort->column != NV_TOP_PROCESSES_PID || sort->reversed;
    return order ? order : nv_top_numbers_compare((double)x->pid, (double)y->pid, rising);
}

const struct nv_top_process *nv_top_processes_sort(struct nv_top_processes *processes,
                                                   struct nv_top_sort sort, size_t *ret_n)
{
    qsort_r(processes->list, processes->n, sizeof(processes->list[0]), compare, &sort);
    *ret_n = processes->n;
    return processes->list;
}

/* Words end with NUL there. */
void nv_top_processes_command(char out[NV_TOP_COMMAND_MAX], const char *proc, uint64_t pid)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%llu/cmdline", proc, (unsigned long long)pid);
    NV_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, NV_TOP_COMMAND_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    for (ssize_t i = 0; i + 1 < n; i++) {
        if (!out[i])
            out[i] = ' ';
    }
}

/* ---- whose ---------------------------------------------------------------------------------- */

/* A tunnel to another node has an address of this one, but another node's name behind it. */
bool nv_top_is_here(const struct nv_top_source *source, const struct nv_top_data *data)
{
    static const char *const places[] = {
        "localhost", "http://localhost", "https://localhost", "127.", "http://127.", "https://127.",
        "[::1]",     "http://[::1]",     "https://[::1]",     "unix:"};
    const struct nv_top_rows *uname_rows = &data->parts[NV_TOP_UNAME];
    struct utsname name;
    bool near = false;

    for (size_t i = 0; !source->folder && i < NV_LEN(places); i++)
        near = near || strncmp(source->server.shown, places[i], strlen(places[i])) == 0;
    return near && uname_rows->n && uname(&name) == 0 &&
           nv_str_is(nv_top_label(uname_rows->at[0], "nodename"), name.nodename);
}
