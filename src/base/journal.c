#include "base/journal.h"

#include <systemd/sd-journal.h>

struct nv_journal {
    sd_journal *journal;
    bool watched; /* whether new files are told of */
    char *behind; /* the cursor that the next step is to pass */
};

int nv_journal_new(const char *folder, struct nv_journal **ret)
{
    NV_AUTO(nv_journal) *journal = calloc(1, sizeof(*journal));

    if (!journal)
        return -ENOMEM;
    int r = folder ? sd_journal_open_directory(&journal->journal, folder, 0)
                   : sd_journal_open(&journal->journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
    if (r >= 0)
        r = sd_journal_set_data_threshold(journal->journal, NV_JOURNAL_FIELD_MAX);
    if (r < 0)
        return r;
    journal->watched = sd_journal_get_fd(journal->journal) >= 0;
    *ret = nv_take(journal);
    return 0;
}

void nv_journal_free(struct nv_journal *journal)
{
    if (!journal)
        return;
    if (journal->journal)
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
    free(journal->behind);
    journal->behind = NULL;
    if (!cursor || !cursor[0]) {
        int r = sd_journal_seek_realtime_usec(journal->journal, since_us);
        return r < 0 ? r : 0;
    }
    journal->behind = strdup(cursor);
    if (!journal->behind)
        return -ENOMEM;
    int r = sd_journal_seek_cursor(journal->journal, cursor);
    return r < 0 ? r : 0;
}

int nv_journal_step(struct nv_journal *journal)
{
    int r = sd_journal_next(journal->journal);
    if (r == 0 && journal->watched && sd_journal_process(journal->journal) > SD_JOURNAL_NOP)
        r = sd_journal_next(journal->journal); /* files came, went or grew */
    if (r > 0 && journal->behind) {
        /* Where the entry is gone, we stand at the one after it already. */
        bool seen = sd_journal_test_cursor(journal->journal, journal->behind) > 0;
        free(journal->behind);
        journal->behind = NULL;
        if (seen)
            r = sd_journal_next(journal->journal);
    }
    return r == -EBADMSG || r == -EADDRNOTAVAIL ? -EAGAIN : r;
}

struct nv_str nv_journal_data(struct nv_journal *journal, const char *name)
{
    const void *data;
    size_t n, skip = strlen(name) + 1;

    int r = sd_journal_get_data(journal->journal, name, &data, &n);
    if (r < 0 || n < skip)
        return (struct nv_str){NULL, 0};
    return (struct nv_str){(const char *)data + skip, n - skip};
}

uint64_t nv_journal_entry_time_us(struct nv_journal *journal)
{
    uint64_t us = 0;

    return sd_journal_get_realtime_usec(journal->journal, &us) < 0 ? 0 : us;
}

int nv_journal_here(struct nv_journal *journal, char *ret, size_t size)
{
    char *cursor;

    int r = sd_journal_get_cursor(journal->journal, &cursor);
    if (r < 0)
        return r;
    size_t n = strlen(cursor);
    if (n < size)
        memcpy(ret, cursor, n + 1);
    free(cursor);
    return n < size ? 0 : -ENAMETOOLONG;
}
