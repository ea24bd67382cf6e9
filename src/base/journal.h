/*
 * journal.h - reads systemd's journal over sd-journal, as journal.h of the ABI has it.
 *
 *   threads    one at a time per journal
 *   library    loaded when a journal is first opened; -ENOPKG where there is none
 *   failure    a page of a file that cannot be read ends the journal: every call is -EIO then, and what the library held is
 *              left behind
 *   texts      of a field: until the next call; name and value are cut at NV_JOURNAL_FIELD_MAX bytes
 */
#ifndef NV_BASE_JOURNAL_H
#define NV_BASE_JOURNAL_H

#include <nodevitals/scan.h>

#include "base/cleanup.h"

enum { NV_JOURNAL_FIELD_MAX = 16 << 10, NV_JOURNAL_CURSOR_MAX = 512 };

struct nv_journal;

/* `folder` NULL: this machine's own journal. */
NV_MUST_USE int nv_journal_new(const char *folder, struct nv_journal **ret);
void nv_journal_free(struct nv_journal *journal);
NV_DEFINE_AUTO(nv_journal)

/* Restricts to entries with "FIELD=value"; terms of one field are alternatives, of several fields must all hold; what
 * stands before and behind nv_journal_add_or() are alternatives. */
NV_MUST_USE int nv_journal_add_match(struct nv_journal *journal, const char *term);
NV_MUST_USE int nv_journal_add_or(struct nv_journal *journal);

/* The next step leads to the first entry behind a cursor; without one ("" or NULL) to the first since a time of day. */
NV_MUST_USE int nv_journal_go(struct nv_journal *journal, const char *cursor, uint64_t since_us);

/* 1 at an entry; 0 where there is none yet; -EAGAIN for an entry that cannot be read, which is passed over. */
NV_MUST_USE int nv_journal_step(struct nv_journal *journal);

/* Of the present entry. p is NULL where it has no such field. */
struct nv_str nv_journal_data(struct nv_journal *journal, const char *name);
uint64_t nv_journal_entry_time_us(struct nv_journal *journal);
NV_MUST_USE int nv_journal_here(struct nv_journal *journal, char *ret, size_t size);

#endif
