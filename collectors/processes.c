/*
 * processes - how many processes and threads there are, and in which states.
 *
 * Sources: /proc/sys/kernel/threads-max and pid_max; /proc/<pid>/stat of every process, for its state
 * and its number of threads; /proc/<pid>/task/<tid>/stat of the threads other than the first, whose state
 * is that of the process.
 *
 * With ten thousand processes what counts is the number of system calls and the memory: a stat is opened
 * relative to /proc, read once into a buffer on the stack and closed, and the tasks of a process are
 * listed only when it has more than one. A process that ends meanwhile is left out.
 */
#include <nodevitals/collector.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static const struct nv_family columns[] = {
    {"node_processes_threads",       NV_GAUGE, NV_AS_IS, "Threads of all processes."             },
    {"node_processes_max_threads",   NV_GAUGE, NV_AS_IS, "Threads there may be."                 },
    {"node_processes_pids",          NV_GAUGE, NV_AS_IS, "Processes."                            },
    {"node_processes_max_processes", NV_GAUGE, NV_AS_IS, "Highest number of a process, plus one."},
};
static const struct nv_family state_columns[] = {
    {"node_processes_state", NV_GAUGE, NV_AS_IS, "Processes by state."},
};
static const struct nv_family thread_columns[] = {
    {"node_processes_threads_state", NV_GAUGE, NV_AS_IS, "Threads by state."},
};

static const struct nv_table totals = {NV_NO_LABELS, columns, NV_LEN(columns)};
static const struct nv_table states = {NV_LABELS("state"), state_columns, 1};
static const struct nv_table thread_states = {NV_LABELS("thread_state"), thread_columns, 1};

enum { SOURCE_THREADS_MAX, SOURCE_PID_MAX };

enum {
    STAT_MAX = 1024,       /* a line of stat is half as long at most */
    ENTRIES_MAX = 1 << 14, /* bytes of directory entries at a time */
    N_LETTERS = 128,
};

struct counts {
    uint64_t pids, threads;
    uint64_t state[N_LETTERS], thread_state[N_LETTERS];
    bool has_tasks; /* some process has shown a task directory, so all have */
    const char *pid;
    unsigned char letter; /* state of that process */
};

struct stat_line {
    unsigned char letter;
    uint64_t threads;
};

/* Whether an error only says that the process is gone. */
static bool gone(int error)
{
    return error == -ENOENT || error == -ESRCH;
}

/* "pid (name) S ...": the name may hold anything, parentheses and newlines too. */
static int parse_stat(struct nv_str text, struct stat_line *ret)
{
    const char *name_end = text.n ? memrchr(text.p, ')', text.n) : NULL;

    if (!name_end)
        return -EBADMSG;
    struct nv_scan s = nv_scan(nv_str_from(text, (size_t)(name_end + 1 - text.p)));
    struct nv_str letter = nv_scan_word(&s);
    nv_scan_skip(&s, 16); /* fields 4 to 19 */
    ret->threads = nv_scan_u64(&s);
    if (s.failed || letter.n != 1 || (unsigned char)letter.p[0] >= N_LETTERS)
        return -EBADMSG;
    ret->letter = (unsigned char)letter.p[0];
    return 0;
}

static int read_stat(int dir, const char *number, struct stat_line *ret)
{
    char path[64], text[STAT_MAX];

    nv_path(path, "%s/stat", number);
    int fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, sizeof(text));
    int r = n < 0 ? -errno : 0;
    close(fd);
    return r < 0 ? r : parse_stat((struct nv_str){text, (size_t)n}, ret);
}

/* Calls each() for every entry that is a number. Returns 0, or what it or the kernel returned. */
static int walk(int dir, struct counts *counts,
                int (*each)(int dir, const char *number, struct counts *counts))
{
    _Alignas(struct dirent64) char entries[ENTRIES_MAX];
    ssize_t n;

    while ((n = getdents64(dir, entries, sizeof(entries))) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            int r = nv_is_digit(entry->d_name[0]) ? each(dir, entry->d_name, counts) : 0;
            if (r < 0)
                return r;
            at += entry->d_reclen;
        }
    }
    return n < 0 ? -errno : 0;
}

static int count_thread(int dir, const char *tid, struct counts *counts)
{
    struct stat_line stat = {.letter = counts->letter};

    if (strcmp(tid, counts->pid) != 0) {
        int r = read_stat(dir, tid, &stat);
        if (r < 0)
            return gone(r) ? 0 : r;
    }
    counts->thread_state[stat.letter]++;
    return 0;
}

static int count_threads(int dir, const char *pid, const struct stat_line *stat,
                         struct counts *counts)
{
    char path[64];

    if (counts->has_tasks && stat->threads == 1) {
        counts->thread_state[stat->letter]++;
        return 0;
    }
    nv_path(path, "%s/task", pid);
    int tasks = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tasks < 0)
        return gone(-errno) ? 0 : -errno;
    counts->has_tasks = true;
    counts->pid = pid;
    counts->letter = stat->letter;
    int r = walk(tasks, counts, count_thread);
    close(tasks);
    return gone(r) ? 0 : r;
}

static int count_process(int dir, const char *pid, struct counts *counts)
{
    struct stat_line stat;

    int r = read_stat(dir, pid, &stat);
    if (r < 0)
        return gone(r) ? 0 : r;
    counts->pids++;
    counts->threads += stat.threads;
    counts->state[stat.letter]++;
    return count_threads(dir, pid, &stat, counts);
}

static int count_all(struct nv_pass *pass, struct counts *counts)
{
    struct nv_str path = nv_native_path(pass, "proc");
    int dir = open(path.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return -errno;
    int r = walk(dir, counts, count_process);
    close(dir);
    return r;
}

static void emit_states(struct nv_pass *pass, const struct nv_table *table, const uint64_t *count)
{
    for (size_t i = 0; i < N_LETTERS; i++) {
        char letter = (char)i;
        struct nv_str label = {&letter, 1};
        if (count[i])
            nv_emit_row(pass, table, &label, &count[i], 1);
    }
}

static int collect(struct nv_pass *pass)
{
    struct nv_scan threads_max = nv_pass_text(pass, SOURCE_THREADS_MAX),
                   pid_max = nv_pass_text(pass, SOURCE_PID_MAX);
    struct counts counts = {0};
    uint64_t value[NV_LEN(columns)];

    int r = count_all(pass, &counts);
    if (r < 0)
        return nv_error(pass, r, "cannot count processes");
    if (!nv_str_to_u64(nv_scan_rest(&threads_max), &value[1]) ||
        !nv_str_to_u64(nv_scan_rest(&pid_max), &value[3]))
        return nv_error(pass, -EBADMSG, "threads-max or pid_max is no number");
    value[0] = counts.threads;
    value[2] = counts.pids;
    nv_emit_row(pass, &totals, NULL, value, NV_LEN(columns));
    emit_states(pass, &states, counts.state);
    emit_states(pass, &thread_states, counts.thread_state);
    return 0;
}

NV_COLLECTOR(processes) = {
    NV_ABI_STAMP,
    .name = "processes",
    .summary = "Processes and threads by state.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .sources = NV_SOURCES("proc/sys/kernel/threads-max", "proc/sys/kernel/pid_max"),
    .tables = NV_TABLES(&totals, &states, &thread_states),
    .collect = collect,
};
