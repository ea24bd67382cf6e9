/*
 * kmsg - problems that the kernel's log tells of.
 *
 * Source: /dev/kmsg, or a file of raw records (--path.kmsg), read without waiting. What was seen is remembered by the boot
 * and the sequence number of the last record, over restarts of the agent too, so that nothing counts twice; the first time all
 * that the kernel still has is read. Rules and what they yield: see problems/problems.h.
 *
 *   flood      at most RECORDS_MAX records and PASS_MS a pass; the rest waits in the kernel for the next. What the kernel
 *              overwrites meanwhile shows in the sequence numbers, and is counted
 *   fragments  are put together; each form of the line that comes about is looked at, and counts once
 *   rights     with kernel.dmesg_restrict CAP_SYSLOG; in a container the device, which its device cgroup must allow
 */
#include "../problems/problems.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "reader.h"

enum {
    RECORDS_MAX = 20000,
    PASS_MS = 250,
    SAVE_MS =
        60000, /* how long a position without news may stay unsaved: what is read again has no news */
    BOOT_MAX = 64,
    KERNEL = 0, /* facility */
};

enum { PATH, RULES_FILE, MAX_LEVEL, CONDITION_TIMEOUT };

// clang-format off
static const struct nv_flag flags[] = {
    [PATH]              = {"path.kmsg", NV_FLAG_TEXT, "/dev/kmsg", "Where the kernel's log is: its device, or a file of raw records.", false},
    [RULES_FILE]        = {"collector.kmsg.rules-file", NV_FLAG_LIST, "", "Further rules: a file in the notation of node-problem-detector, with plugin kmsg.", false},
    [MAX_LEVEL]         = {"collector.kmsg.max-level", NV_FLAG_INT, "6", "The least important level that is looked at, 0 (emergency) to 7 (debug).", false},
    [CONDITION_TIMEOUT] = {"collector.kmsg.condition-timeout", NV_FLAG_DURATION, "24h", "When a lasting problem ends that the log does not speak of any more; 0 for never.", false},
    {0},
};
static const struct nv_family columns[] = {
    {"node_kmsg_records_total",            NV_COUNTER, NV_AS_IS, "Records read from the kernel's log."},
    {"node_kmsg_lost_records_total",       NV_COUNTER, NV_AS_IS, "Records that the kernel overwrote before they were read."},
    {"node_kmsg_unreadable_records_total", NV_COUNTER, NV_AS_IS, "Records that could not be understood."},
};
// clang-format on
static const struct nv_table totals = {NV_NO_LABELS, columns, NV_LEN(columns)};

struct state {
    struct nv_problems *problems;
    struct nv_kmsg_reader *reader;
    dev_t device; /* of a file that is open */
    ino_t inode;
    bool began, dirty, moved; /* dirty: there is news that is not saved; moved: only the position */
    int64_t saved_ms;
    char boot[BOOT_MAX];
    bool has_next;
    uint64_t next; /* sequence number */
    uint64_t records, lost, unreadable;
    char line[NV_PROBLEM_TEXT_MAX]; /* the present one, put together */
    size_t n_line, tail; /* tail: where the last that may begin a line of its own begins */
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_reader(struct state *state)
{
    if (state->reader->fd >= 0)
        close(state->reader->fd);
    state->reader->fd = -1;
}

static void stop(void *memory)
{
    struct state *state = memory;

    nv_problems_free(state->problems);
    if (state->reader)
        close_reader(state);
    free(state->reader);
}

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    const struct nv_flag_value *files = nv_flag(pass, RULES_FILE);
    int64_t level = nv_flag(pass, MAX_LEVEL)->number;

    if (level < 0 || level > 7)
        return nv_error(pass, -EINVAL, "--%s is 0 to 7", flags[MAX_LEVEL].name);
    if (!nv_flag(pass, PATH)->text.n)
        return nv_error(pass, -EINVAL, "--%s cannot be empty", flags[PATH].name);
    state->problems = nv_problems_new(pass, "kmsg", 0);
    state->reader = calloc(1, sizeof(*state->reader));
    if (!state->problems || !state->reader)
        return -ENOMEM;
    state->reader->fd = -1;
    state->reader->read = read;
    int r = nv_problems_add(state->problems, nv_kernel_rules, nv_n_kernel_rules, NULL);
    for (size_t i = 0; i < files->n_list && r == 0; i++)
        r = nv_problems_add_file(pass, state->problems, files->list[i].p, "kmsg");
    return r == 0 ? nv_problems_ready(state->problems) : r;
}

/* ---- what outlives the agent ---------------------------------------------------------------- */

/* Lines "position BOOT NEXT PATH" and those of conditions, with tabs. What was of another boot is over. */
static void load(struct nv_pass *pass, struct state *state)
{
    struct nv_str text, boot = {NULL, 0};

    (void)nv_read_attribute(pass, "proc/sys/kernel/random/boot_id", &boot);
    (void)snprintf(state->boot, sizeof(state->boot), "%.*s", NV_ARGS(boot));
    state->saved_ms = clock_ms(CLOCK_MONOTONIC);
    if (nv_state_load(pass, "kmsg", &text) < 0)
        return;
    struct nv_str line = nv_str_cut(&text, '\n'), word = nv_str_cut(&line, '\t');
    boot = nv_str_cut(&line, '\t');
    struct nv_str next = nv_str_cut(&line, '\t');
    if (!nv_str_is(word, "position") || !nv_str_is(boot, state->boot) ||
        !nv_str_eq(line, nv_flag(pass, PATH)->text) || !nv_str_to_u64(next, &state->next))
        return;
    state->has_next = true;
    while (text.n)
        nv_problems_read(state->problems, nv_str_cut(&text, '\n'));
}

static void save(struct nv_pass *pass, struct state *state)
{
    int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    struct nv_str path = nv_flag(pass, PATH)->text;

    if (!state->has_next ||
        !(state->dirty || (state->moved && now_ms - state->saved_ms >= SAVE_MS)))
        return;
    char *text = nv_alloc(pass, NV_STATE_MAX);
    int n = snprintf(text, NV_STATE_MAX, "position\t%s\t%llu\t%.*s\n", state->boot,
                     (unsigned long long)state->next, NV_ARGS(path));
    if (n < 0 || n >= NV_STATE_MAX)
        return;
    size_t length =
        (size_t)n + nv_problems_write(state->problems, text + n, NV_STATE_MAX - (size_t)n);
    int r = nv_state_save(pass, "kmsg", (struct nv_str){text, length});
    if (r < 0) {
        nv_say(pass, NV_DEBUG, "the position cannot be saved: %s", strerrordesc_np(-r));
        return; /* and is tried again with the next pass */
    }
    state->dirty = state->moved = false;
    state->saved_ms = now_ms;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int open_reader(struct nv_pass *pass, struct state *state)
{
    const char *path = nv_flag(pass, PATH)->text.p;
    struct nv_kmsg_reader *reader = state->reader;
    struct stat stat;

    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    int r = fd < 0 || fstat(fd, &stat) < 0 ? -errno : S_ISDIR(stat.st_mode) ? -EISDIR : 0;
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        if (r == -EPERM || r == -EACCES)
            return nv_error(pass, r,
                            "%s: reading the kernel's log takes CAP_SYSLOG where "
                            "kernel.dmesg_restrict is 1 and, in a container, a device cgroup that "
                            "allows the device (the journal has the same records)",
                            path);
        return nv_error(pass, r, "%s", path);
    }
    *reader =
        (struct nv_kmsg_reader){.read = reader->read, .fd = fd, .is_file = !S_ISCHR(stat.st_mode)};
    state->device = stat.st_dev;
    state->inode = stat.st_ino;
    state->n_line = state->tail = 0;
    return 0;
}

/* A file that was replaced, or cut, is read from its beginning. */
static void watch_file(struct nv_pass *pass, struct state *state)
{
    struct stat now;

    if (state->reader->fd < 0 || !state->reader->is_file ||
        stat(nv_flag(pass, PATH)->text.p, &now) < 0 || !S_ISREG(now.st_mode))
        return;
    if (now.st_dev != state->device || now.st_ino != state->inode ||
        (uint64_t)now.st_size < state->reader->n_read)
        close_reader(state);
}

/* When a record was written, by the clock of the day. A file's may be from another machine. */
static int64_t time_of(const struct state *state, uint64_t stamp_us)
{
    int64_t now_ms = clock_ms(CLOCK_REALTIME), age_ms;

    if (state->reader->is_file)
        return now_ms;
    age_ms = clock_ms(CLOCK_MONOTONIC) - (int64_t)(stamp_us / 1000);
    return age_ms > 0 ? now_ms - age_ms : now_ms;
}

static bool is_fragment(char flag)
{
    return flag == 'c' || flag == '+';
}

/* Looks at a line, or at what a fragment made of it: by itself, for it may have begun one, and with what came before. */
static void see(struct nv_pass *pass, struct state *state, const struct nv_kmsg_record *record)
{
    bool continued = is_fragment(record->flag) && state->n_line > 0;
    struct nv_problem_line line = {
        .stamp_us = record->stamp_us,
        .time_ms = time_of(state, record->stamp_us),
        .continued = continued,
        .trusted = true,
        .device = record->device,
    };

    if (!continued)
        state->n_line = state->tail = 0;
    else if (record->flag == 'c')
        state->tail = state->n_line;
    state->n_line += nv_kmsg_unescape(record->text, state->line + state->n_line,
                                      sizeof(state->line) - state->n_line);
    if (state->tail && state->tail < state->n_line) {
        line.text = (struct nv_str){state->line + state->tail, state->n_line - state->tail};
        state->dirty |= nv_problems_see(pass, state->problems, &line);
    }
    line.text = (struct nv_str){state->line, state->n_line};
    state->dirty |= nv_problems_see(pass, state->problems, &line);
}

static void take(struct nv_pass *pass, struct state *state, struct nv_str bytes)
{
    struct nv_kmsg_record record;

    if (!nv_kmsg_parse(bytes, &record)) {
        state->unreadable++;
        return;
    }
    if (state->has_next && record.sequence < state->next)
        return; /* seen before the restart */
    if (state->has_next)
        state->lost += record.sequence - state->next;
    state->records++;
    state->next = record.sequence + 1;
    state->has_next = state->moved = true;
    if (record.facility == KERNEL && record.level <= (uint64_t)nv_flag(pass, MAX_LEVEL)->number)
        see(pass, state, &record);
}

/* Takes what there is, within the bounds of a pass. */
static int take_all(struct nv_pass *pass, struct state *state)
{
    int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + PASS_MS;
    struct nv_str bytes;
    int r = 1;

    for (unsigned i = 0; i < RECORDS_MAX && clock_ms(CLOCK_MONOTONIC) < end_ms; i++) {
        r = nv_kmsg_next(state->reader, &bytes);
        if (r == 0 || (r < 0 && r != -EPIPE))
            break;
        if (r > 0)
            take(pass, state, bytes);
    }
    state->unreadable += state->reader->n_long;
    state->reader->n_long = 0;
    return r < 0 && r != -EPIPE ? r : 0;
}

/* Opens the log where it is not, and takes what there is. One that went away is opened again by the next pass. */
static int read_log(struct nv_pass *pass, struct state *state)
{
    watch_file(pass, state);
    int r = state->reader->fd < 0 ? open_reader(pass, state) : 0;
    if (r < 0)
        return r;
    r = take_all(pass, state);
    if (r < 0) {
        close_reader(state);
        return nv_error(pass, r, "%s", nv_flag(pass, PATH)->text.p);
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);

    if (!state->began)
        load(pass, state);
    state->began = true;
    int r = read_log(pass, state);
    nv_problems_age(state->problems, clock_ms(CLOCK_REALTIME),
                    nv_flag(pass, CONDITION_TIMEOUT)->number / 1000000);
    save(pass, state);
    const uint64_t values[] = {state->records, state->lost, state->unreadable};
    nv_emit_row(pass, &totals, NULL, values, NV_LEN(values));
    nv_problems_emit(pass, state->problems);
    return r;
}

NV_COLLECTOR(kmsg) = {
    NV_ABI_STAMP,
    .name = "kmsg",
    .summary =
        "Problems that the kernel's log tells of; takes CAP_SYSLOG where kernel.dmesg_restrict is "
        "set, and in a container the device.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&totals, NV_PROBLEM_TABLES),
    .flags = flags,
    .cadence_ms = 5000,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
