/*
 * journal.c - sd-journal, each of its calls within a guard: it maps the journal's files (sigbus.h).
 */
#include "base/journal.h"

#include <limits.h>
#include <systemd/sd-journal.h>

#include "base/sigbus.h"

enum { MET_SIGBUS = INT_MIN };

struct nv_journal {
    sd_journal *journal;
    bool broken;  /* a page could not be read: whatever it was about is left as it is */
    bool watched; /* whether new files are told of */
    char *behind; /* the cursor that the next step is to pass */
    char field[NV_JOURNAL_FIELD_MAX];
};

/* A call of the library, and what it is given and gives. */
struct call {
    struct nv_journal *journal;
    const char *text;
    uint64_t time_us;
    char *out;
    size_t size;
};

static int note(struct nv_journal *journal, int value)
{
    journal->broken = journal->broken || value == MET_SIGBUS;
    return journal->broken ? -EIO : value;
}

static int guard(int (*function)(void *user), struct call *call)
{
    return call->journal->broken ? -EIO
                                 : note(call->journal, nv_sigbus_guard(function, call, MET_SIGBUS));
}

/* ---- within the guard ----------------------------------------------------------------------- */

static int open_files(void *user)
{
    const struct call *call = user;
    sd_journal **journal = &call->journal->journal;

    int r = call->text ? sd_journal_open_directory(journal, call->text, 0)
                       : sd_journal_open(journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
    if (r >= 0)
        r = sd_journal_set_data_threshold(*journal, NV_JOURNAL_FIELD_MAX);
    if (r >= 0)
        call->journal->watched = sd_journal_get_fd(*journal) >= 0;
    return r;
}

static int seek_time(void *user)
{
    const struct call *call = user;

    return sd_journal_seek_realtime_usec(call->journal->journal, call->time_us);
}

static int seek_cursor(void *user)
{
    const struct call *call = user;

    return sd_journal_seek_cursor(call->journal->journal, call->text);
}

/* The next entry; once there are no more, files may have come, gone or grown. */
static int next(void *user)
{
    const struct nv_journal *journal = ((const struct call *)user)->journal;

    int r = sd_journal_next(journal->journal);
    if (r == 0 && journal->watched && sd_journal_process(journal->journal) > SD_JOURNAL_NOP)
        r = sd_journal_next(journal->journal);
    return r;
}

static int is_at(void *user)
{
    const struct call *call = user;

    return sd_journal_test_cursor(call->journal->journal, call->text);
}

/* Copies a field. Returns how many bytes, with its name. */
static int copy_field(void *user)
{
    const struct call *call = user;
    const void *data;
    size_t n;

    int r = sd_journal_get_data(call->journal->journal, call->text, &data, &n);
    if (r < 0)
        return r;
    if (n > call->size)
        n = call->size;
    memcpy(call->out, data, n);
    return (int)n;
}

static int get_time(void *user)
{
    struct call *call = user;

    return sd_journal_get_realtime_usec(call->journal->journal, &call->time_us);
}

static int get_cursor(void *user)
{
    const struct call *call = user;
    char *cursor;

    int r = sd_journal_get_cursor(call->journal->journal, &cursor);
    if (r < 0)
        return r;
    size_t n = strlen(cursor);
    if (n < call->size)
        memcpy(call->out, cursor, n + 1);
    free(cursor);
    return n < call->size ? 0 : -ENAMETOOLONG;
}

/* ---- without -------------------------------------------------------------------------------- */

int nv_journal_new(const char *folder, struct nv_journal **ret)
{
    NV_AUTO(nv_journal) *journal = calloc(1, sizeof(*journal));

    if (!journal)
        return -ENOMEM;
    struct call call = {.journal = journal, .text = folder};
    int r = guard(open_files, &call);
    if (r < 0)
        return r;
    *ret = nv_take(journal);
    return 0;
}

void nv_journal_free(struct nv_journal *journal)
{
    if (!journal)
        return;
    if (journal->journal && !journal->broken)
        sd_journal_close(journal->journal);
    free(journal->behind);
    free(journal);
}

int nv_journal_add_match(struct nv_journal *journal, const char *term)
{
    int r = sd_journal_add_match(journal->journal, term, 0);

    return r < 0 ? r : 0;
}

int nv_journal_add_or(struct nv_journal *journal)
{
    int r = sd_journal_add_disjunction(journal->journal);

    return r < 0 ? r : 0;
}

int nv_journal_go(struct nv_journal *journal, const char *cursor, uint64_t since_us)
{
    struct call call = {.journal = journal, .text = cursor, .time_us = since_us};
    bool known = cursor && cursor[0];

    free(journal->behind);
    journal->behind = known ? strdup(cursor) : NULL;
    if (known && !journal->behind)
        return -ENOMEM;
    int r = guard(known ? seek_cursor : seek_time, &call);
    return r < 0 ? r : 0;
}

int nv_journal_step(struct nv_journal *journal)
{
    struct call call = {.journal = journal, .text = journal->behind};

    int r = guard(next, &call);
    if (r > 0 && journal->behind) {
        /* Where the entry is gone, we stand at the one after it already. */
        bool seen = guard(is_at, &call) > 0;
        free(journal->behind);
        journal->behind = NULL;
        if (seen || journal->broken)
            r = guard(next, &call);
    }
    return r == -EBADMSG || r == -EADDRNOTAVAIL ? -EAGAIN : r;
}

struct nv_str nv_journal_data(struct nv_journal *journal, const char *name)
{
    struct call call = {
        .journal = journal, .text = name, .out = journal->field, .size = sizeof(journal->field)};
    size_t skip = strlen(name) + 1;

    int n = guard(copy_field, &call);
    if (n < (int)skip)
        return (struct nv_str){NULL, 0};
    return (struct nv_str){journal->field + skip, (size_t)n - skip};
}

uint64_t nv_journal_entry_time_us(struct nv_journal *journal)
{
    struct call call = {.journal = journal};

    return guard(get_time, &call) < 0 ? 0 : call.time_us;
}

int nv_journal_here(struct nv_journal *journal, char *ret, size_t size)
{
    struct call call = {.journal = journal, .out = ret, .size = size};

    return guard(get_cursor, &call);
}
