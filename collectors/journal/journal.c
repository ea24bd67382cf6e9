/*
 * journal - problems that systemd's journal tells of.
 *
 * Source: the journal, over libsystemd, entry by entry; only those are read that a rule may be about: by MESSAGE_ID, by
 * identifier, and the kernel's where the collector kmsg is off. Rules and what they yield: see problems/problems.h. Where the
 * reading stands is kept over restarts of the agent as a cursor, so that nothing counts twice; the first time reading begins
 * --collector.journal.lookback ago. An entry whose cursor was vacuumed away is followed by the next there is.
 *
 *   flood      at most ENTRIES_MAX entries and PASS_MS a pass; the rest waits for the next
 *   trust      a built-in rule believes root, journald and the kernel only: anybody may write MESSAGE_ID
 *   rights     group systemd-journal, or CAP_DAC_READ_SEARCH
 */
#include "../problems/problems.h"

#include <nodevitals/journal.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ENTRIES_MAX = 10000,
    UNREADABLE_MAX = 100, /* of a pass, before the journal is opened anew */
    PASS_MS = 250,
    SAVE_MS = 60000,
    BOOT_MAX = 64,
    UNIT_MAX = 256,
    TERM_MAX = 256,
    FOLDERS_MAX = 64, /* looked at for files */
};

enum { DIRECTORY, RULES_FILE, LOOKBACK, CONDITION_TIMEOUT };

// clang-format off
static const struct nv_flag flags[] = {
    [DIRECTORY]         = {"collector.journal.directory", NV_FLAG_TEXT, "", "Folder of journal files, such as /host/var/log/journal; unless given, this machine's own.", false},
    [RULES_FILE]        = {"collector.journal.rules-file", NV_FLAG_LIST, "", "Further rules: a file in the notation of node-problem-detector, with plugin journald.", false},
    [LOOKBACK]          = {"collector.journal.lookback", NV_FLAG_DURATION, "5m", "How far back the journal is read when it is read for the first time.", false},
    [CONDITION_TIMEOUT] = {"collector.journal.condition-timeout", NV_FLAG_DURATION, "24h", "When a lasting problem ends that the journal does not speak of any more; 0 for never.", false},
    {0},
};
static const struct nv_family columns[] = {
    {"node_journal_entries_total",             NV_COUNTER, NV_AS_IS, "Entries of the journal that were looked at."},
    {"node_journal_unreadable_entries_total",  NV_COUNTER, NV_AS_IS, "Entries of the journal that could not be read."},
    {"node_journal_suppressed_messages_total", NV_COUNTER, NV_AS_IS, "Messages that journald dropped, since a service wrote too many, as it tells itself."},
};
// clang-format on
static const struct nv_table totals = {NV_NO_LABELS, columns, NV_LEN(columns)};

static const char suppressed_id[] = "a596d6fe7bfa4994828e72309e95d61e";

struct state {
    const struct nv_host *host;
    struct nv_problems *problems;
    struct nv_journal *journal; /* NULL while it is closed */
    bool reads_kernel, began, dirty, moved;
    int64_t saved_ms;
    uint64_t since_us;
    char boot[BOOT_MAX], cursor[NV_JOURNAL_POSITION_MAX];
    uint64_t entries, unreadable, suppressed;
    char text[NV_PROBLEM_TEXT_MAX], unit[UNIT_MAX], identifier[UNIT_MAX], device[UNIT_MAX];
    char cgroup[UNIT_MAX * 4], id[UNIT_MAX];
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_journal(struct state *state)
{
    if (state->journal)
        state->host->journal_close(state->journal);
    state->journal = NULL;
}

static void stop(void *memory)
{
    struct state *state = memory;

    close_journal(state);
    nv_problems_free(state->problems);
}

static int start(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);
    const struct nv_flag_value *files = nv_flag(pass, RULES_FILE);

    if (nv_flag(pass, LOOKBACK)->number < 0)
        return nv_error(pass, -EINVAL, "--%s cannot be negative", flags[LOOKBACK].name);
    state->host = pass->host;
    state->problems = nv_problems_new(pass, "journal", 1);
    if (!state->problems)
        return -ENOMEM;
    state->reads_kernel = !nv_collector_is_on(pass, "kmsg");
    int r = nv_problems_add(state->problems, nv_system_rules, nv_n_system_rules, NULL);
    if (r == 0 && state->reads_kernel)
        r = nv_problems_add(state->problems, nv_kernel_rules, nv_n_kernel_rules, "kernel");
    for (size_t i = 0; i < files->n_list && r == 0; i++)
        r = nv_problems_add_file(pass, state->problems, files->list[i].p, "journald");
    return r == 0 ? nv_problems_ready(state->problems) : r;
}

/* ---- what outlives the agent ---------------------------------------------------------------- */

/* Lines "position BOOT CURSOR" and those of conditions, with tabs. Conditions of another boot are over. */
static void load(struct nv_pass *pass, struct state *state)
{
    struct nv_str text, boot = {NULL, 0};
    int64_t lookback_ms = nv_flag(pass, LOOKBACK)->number / 1000000;
    int64_t since_ms = clock_ms(CLOCK_REALTIME) - lookback_ms;

    (void)nv_read_attribute(pass, "proc/sys/kernel/random/boot_id", &boot);
    (void)snprintf(state->boot, sizeof(state->boot), "%.*s", NV_ARGS(boot));
    state->saved_ms = clock_ms(CLOCK_MONOTONIC);
    state->since_us = since_ms > 0 ? (uint64_t)since_ms * 1000 : 0;
    if (nv_state_load(pass, "journal", &text) < 0)
        return;
    struct nv_str line = nv_str_cut(&text, '\n'), word = nv_str_cut(&line, '\t');
    boot = nv_str_cut(&line, '\t');
    if (!nv_str_is(word, "position") || line.n >= sizeof(state->cursor))
        return;
    (void)snprintf(state->cursor, sizeof(state->cursor), "%.*s", NV_ARGS(line));
    while (text.n && nv_str_is(boot, state->boot))
        nv_problems_read(state->problems, nv_str_cut(&text, '\n'));
}

static void save(struct nv_pass *pass, struct state *state)
{
    int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

    if (!state->cursor[0] ||
        !(state->dirty || (state->moved && now_ms - state->saved_ms >= SAVE_MS)))
        return;
    char *text = nv_alloc(pass, NV_STATE_MAX);
    int n = snprintf(text, NV_STATE_MAX, "position\t%s\t%s\n", state->boot, state->cursor);
    size_t length =
        (size_t)n + nv_problems_write(state->problems, text + n, NV_STATE_MAX - (size_t)n);
    int r = nv_state_save(pass, "journal", (struct nv_str){text, length});
    if (r < 0) {
        nv_say(pass, NV_DEBUG, "the position cannot be saved: %s", strerrordesc_np(-r));
        return; /* and is tried again with the next pass */
    }
    state->dirty = state->moved = false;
    state->saved_ms = now_ms;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* What lies in a folder and those below: files of the system's journal, and how many can be read. */
struct found {
    size_t files, readable, folders;
};

static void look_into(int at, const char *path, unsigned depth, struct found *found)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!dir) {
        found->files += fd < 0 && errno == EACCES; /* there is something, for others */
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir)) && found->folders < FOLDERS_MAX) {
        struct nv_str name = nv_str(entry->d_name);
        if (name.p[0] == '.')
            continue;
        if (nv_str_ends(name, ".journal") && !nv_str_starts(name, "user-")) {
            found->files++;
            found->readable += faccessat(fd, entry->d_name, R_OK, AT_EACCESS) == 0;
        } else if (depth && entry->d_type == DT_DIR) {
            found->folders++;
            look_into(fd, entry->d_name, depth - 1, found);
        }
    }
    closedir(dir);
}

/* The folder to be opened; NULL for this machine's own journal. */
static const char *find_folder(struct nv_pass *pass)
{
    struct nv_str given = nv_flag(pass, DIRECTORY)->text;
    struct stat stat_of;

    if (given.n)
        return given.p;
    const char *folder = nv_native_path(pass, "root/var/log/journal").p;
    if (strcmp(folder, "/var/log/journal") == 0)
        return NULL;
    return stat(folder, &stat_of) == 0 ? folder : nv_native_path(pass, "root/run/log/journal").p;
}

/* 0 where there is a journal to read; NV_NO_DATA where there is none; an error where it is for others. */
static int check_rights(struct nv_pass *pass, const char *folder)
{
    struct found found = {.files = 0};

    if (folder) {
        look_into(AT_FDCWD, folder, 1, &found);
    } else {
        look_into(AT_FDCWD, "/var/log/journal", 1, &found);
        look_into(AT_FDCWD, "/run/log/journal", 1, &found);
    }
    if (found.files && !found.readable)
        return nv_error(pass, -EACCES,
                        "no file of the journal can be read: it takes group systemd-journal, or "
                        "CAP_DAC_READ_SEARCH");
    if (!found.files && nv_flag(pass, DIRECTORY)->text.n)
        return nv_error(pass, -ENOENT, "no journal in %s", folder);
    return found.files ? 0 : NV_NO_DATA;
}

/* Adds "FIELD=value" as one of the alternatives. */
static int match(struct nv_pass *pass, struct state *state, const char *field, const char *value)
{
    char term[TERM_MAX];

    if ((size_t)snprintf(term, sizeof(term), "%s=%s", field, value) >= sizeof(term))
        return -ENAMETOOLONG;
    return nv_journal_match(pass, state->journal, term);
}

/* Restricts the reading to what rules may be about. */
static int choose_entries(struct nv_pass *pass, struct state *state)
{
    bool any;
    const char *identifier;
    int r = 0;

    (void)nv_problems_identifier(state->problems, 0, &any);
    if (any)
        return 0;
    for (size_t i = 0; i < nv_n_system_rules && r == 0; i++)
        if (nv_system_rules[i].id)
            r = match(pass, state, "MESSAGE_ID", nv_system_rules[i].id);
    if (r == 0)
        r = nv_journal_or(pass, state->journal);
    for (size_t i = 0; i < nv_n_system_rules && r == 0; i++)
        if (nv_system_rules[i].identifier)
            r = match(pass, state, "SYSLOG_IDENTIFIER", nv_system_rules[i].identifier);
    for (size_t i = 0; r == 0 && (identifier = nv_problems_identifier(state->problems, i, &any));
         i++)
        r = match(pass, state, "SYSLOG_IDENTIFIER", identifier);
    if (r == 0 && state->reads_kernel)
        r = nv_journal_or(pass, state->journal);
    if (r == 0 && state->reads_kernel)
        r = match(pass, state, "_TRANSPORT", "kernel");
    return r;
}

static int open_journal(struct nv_pass *pass, struct state *state)
{
    const char *folder = find_folder(pass);

    int r = check_rights(pass, folder);
    if (r != 0)
        return r;
    r = nv_journal_open(pass, folder, &state->journal);
    if (r == -ENOPKG)
        return nv_error(pass, r, "libsystemd.so.0, which reads the journal, is not there");
    if (r == 0)
        r = choose_entries(pass, state);
    if (r == 0)
        r = nv_journal_seek(pass, state->journal, state->cursor, state->since_us);
    if (r < 0) {
        close_journal(state);
        return nv_error(pass, r, "cannot read the journal%s%s", folder ? " in " : "",
                        folder ? folder : "");
    }
    return 0;
}

/* ---- entries -------------------------------------------------------------------------------- */

/* A field, copied: each call ends the life of what the one before gave. Its beginning, where it is long. */
static struct nv_str field(struct nv_pass *pass, struct state *state, const char *name, char *out,
                           size_t size)
{
    struct nv_str value = nv_journal_field(pass, state->journal, name);
    size_t n = value.n < size ? value.n : size;

    if (n)
        memcpy(out, value.p, n);
    return (struct nv_str){out, n};
}

/* The first of these fields that the entry has. */
static struct nv_str first_field(struct nv_pass *pass, struct state *state,
                                 const char *const *names, char *out, size_t size)
{
    struct nv_str value = {out, 0};

    for (; *names && !value.n; names++)
        value = field(pass, state, *names, out, size);
    return value;
}

static void count_suppressed(struct nv_pass *pass, struct state *state,
                             const struct nv_problem_line *line)
{
    char number[32];
    uint64_t n;

    if (line->trusted && nv_str_is(line->id, suppressed_id) &&
        nv_str_to_u64(field(pass, state, "N_DROPPED", number, sizeof(number)), &n))
        state->suppressed += n;
}

static void see(struct nv_pass *pass, struct state *state)
{
    static const char *const units[] = {"COREDUMP_UNIT", "UNIT", "USER_UNIT", "_SYSTEMD_UNIT",
                                        NULL};
    static const char *const devices[] = {"_KERNEL_DEVICE", NULL};
    static const char *const cgroups[] = {"COREDUMP_CGROUP", NULL};
    char short_one[16], facility_text[16];

    struct nv_str transport = field(pass, state, "_TRANSPORT", short_one, sizeof(short_one));
    struct nv_str facility =
        field(pass, state, "SYSLOG_FACILITY", facility_text, sizeof(facility_text));
    bool kernel = nv_problem_is_kernels(transport, facility),
         driver = nv_str_is(transport, "driver");
    bool root = nv_str_is(field(pass, state, "_UID", short_one, sizeof(short_one)), "0");
    uint64_t time_us = nv_journal_time_us(pass, state->journal);
    struct nv_problem_line line = {
        .stamp_us = time_us,
        .time_ms = (int64_t)(time_us / 1000),
        .trusted = kernel || driver || root,
        .text = field(pass, state, "MESSAGE", state->text, sizeof(state->text)),
        .id = field(pass, state, "MESSAGE_ID", state->id, sizeof(state->id)),
        .unit = first_field(pass, state, units, state->unit, sizeof(state->unit)),
        .device = first_field(pass, state, devices, state->device, sizeof(state->device)),
        .cgroup = first_field(pass, state, cgroups, state->cgroup, sizeof(state->cgroup)),
    };

    if (kernel)
        line.identifier = NV_LIT("kernel"); /* whatever others call themselves */
    else
        line.identifier =
            field(pass, state, "SYSLOG_IDENTIFIER", state->identifier, sizeof(state->identifier));
    if (!kernel && nv_str_is(line.identifier, "kernel"))
        line.identifier = NV_LIT("");
    if (kernel && nv_str_starts(line.device, "+"))
        line.device = nv_str_from(line.device, 1);
    count_suppressed(pass, state, &line);
    state->dirty |= nv_problems_see(pass, state->problems, &line);
}

/* Takes what there is, within the bounds of a pass. */
static int take_all(struct nv_pass *pass, struct state *state)
{
    int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + PASS_MS;
    unsigned unreadable = 0;
    bool moved = false;
    int r = 0;

    for (unsigned i = 0; i < ENTRIES_MAX && clock_ms(CLOCK_MONOTONIC) < end_ms; i++) {
        r = nv_journal_next(pass, state->journal);
        if (r == -EAGAIN && ++unreadable == UNREADABLE_MAX)
            r = -EBADMSG;
        if (r == 0 || (r < 0 && r != -EAGAIN))
            break;
        moved = moved || r > 0;
        state->entries += r > 0;
        if (r > 0)
            see(pass, state);
    }
    state->unreadable += unreadable;
    if (moved && nv_journal_cursor(pass, state->journal, state->cursor, sizeof(state->cursor)) == 0)
        state->moved = true;
    return r < 0 && r != -EAGAIN ? r : 0;
}

/* Opens the journal where it is not, and takes what there is. After an error the next pass opens it anew. */
static int read_journal(struct nv_pass *pass, struct state *state)
{
    int r = state->journal ? 0 : open_journal(pass, state);
    if (r != 0)
        return r;
    r = take_all(pass, state);
    if (r < 0) {
        close_journal(state);
        return nv_error(pass, r, "the journal");
    }
    return 0;
}

static int collect(struct nv_pass *pass)
{
    struct state *state = nv_state(pass);

    if (!state->began)
        load(pass, state);
    state->began = true;
    int r = read_journal(pass, state);
    nv_problems_age(state->problems, clock_ms(CLOCK_REALTIME),
                    nv_flag(pass, CONDITION_TIMEOUT)->number / 1000000);
    save(pass, state);
    const uint64_t values[] = {state->entries, state->unreadable, state->suppressed};
    nv_emit_row(pass, &totals, NULL, values, NV_LEN(values));
    nv_problems_emit(pass, state->problems);
    return r;
}

NV_COLLECTOR(journal) = {
    NV_ABI_STAMP,
    .name = "journal",
    .summary = "Problems that systemd's journal tells of, the kernel's among them where kmsg is "
               "off; takes "
               "group systemd-journal.",
    .options = NV_OFF_BY_DEFAULT | NV_MAY_BLOCK,
    .tables = NV_TABLES(&totals, NV_PROBLEM_TABLES),
    .flags = flags,
    .cadence_ms = 5000,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .collect = collect,
};
