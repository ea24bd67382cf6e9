/*
 * journal.h - reads systemd's journal, entry by entry.
 *
 *   struct nv_journal *journal;
 *
 *   int r = nv_journal_open(pass, NULL, &journal);
 *   ... nv_journal_match(pass, journal, "SYSLOG_IDENTIFIER=systemd");
 *   ... nv_journal_seek(pass, journal, cursor, since_us);
 *   while ((r = nv_journal_next(pass, journal)) > 0)
 *       text = nv_journal_field(pass, journal, "MESSAGE");
 *
 * A journal may be kept open between passes: what is rotated, vacuumed and added is seen by the next step. Its user is
 * NV_MAY_BLOCK. stop() has no pass: it closes by the host that collect() saw.
 */
#ifndef NODEVITALS_JOURNAL_H
#define NODEVITALS_JOURNAL_H

#include <nodevitals/collector.h>

enum { NV_JOURNAL_POSITION_MAX = 512 };

/* Opens the files below a native folder, or this machine's own (NULL). -ENOPKG where libsystemd is missing. */
static inline int nv_journal_open(struct nv_pass *pass, const char *folder, struct nv_journal **ret)
{
    return pass->host->journal_open(pass, folder, ret);
}

/* Only entries with "FIELD=value". Terms of one field are alternatives, of several must all hold. */
static inline int nv_journal_match(struct nv_pass *pass, struct nv_journal *journal,
                                   const char *term)
{
    return pass->host->journal_match(journal, term);
}

/* What is matched before and what is matched behind are alternatives. */
static inline int nv_journal_or(struct nv_pass *pass, struct nv_journal *journal)
{
    return pass->host->journal_or(journal);
}

/* The next step leads behind a cursor; where that is "", to the first entry since a time of day. */
static inline int nv_journal_seek(struct nv_pass *pass, struct nv_journal *journal,
                                  const char *cursor, uint64_t since_us)
{
    return pass->host->journal_seek(journal, cursor, since_us);
}

/* 1 at an entry; 0 where there is none yet; -EAGAIN for one that cannot be read, which was passed over. */
static inline int nv_journal_next(struct nv_pass *pass, struct nv_journal *journal)
{
    return pass->host->journal_next(journal);
}

/* A field of the entry, until the next call; p is NULL where it has none. */
static inline struct nv_str nv_journal_field(struct nv_pass *pass, struct nv_journal *journal,
                                             const char *name)
{
    return pass->host->journal_field(journal, name);
}

/* When the entry was written, in microseconds since the epoch. */
static inline uint64_t nv_journal_time_us(struct nv_pass *pass, struct nv_journal *journal)
{
    return pass->host->journal_time_us(journal);
}

/* The entry's cursor, for nv_journal_seek(). */
static inline int nv_journal_cursor(struct nv_pass *pass, struct nv_journal *journal, char *ret,
                                    size_t size)
{
    return pass->host->journal_cursor(journal, ret, size);
}

#endif
