/*
 * book.h - how often each problem was seen, and what is so now: the counters that the collectors of the kernel log and of the
 * journal keep together, since both may know a reason. The lower side that does shows it, with what both had counted by then.
 *
 *   bound      NV_PROBLEM_REASONS_MAX reasons, and as many pairs of condition and reason
 *   threads    any: the book has a lock
 */
#ifndef NODEVITALS_PROBLEM_BOOK_H
#define NODEVITALS_PROBLEM_BOOK_H

#include "problems.h"

struct nv_problem_book;

/* The agent's own. NULL when memory is out. `side`: 0 or 1. */
struct nv_problem_book *nv_problem_book(struct nv_pass *pass);

/* The line of a reason, or of a condition for one; names are cut at NV_PROBLEM_NAME_MAX. -E2BIG where it is full. */
int nv_problem_book_reason(struct nv_problem_book *book, unsigned side, const char *reason);
int nv_problem_book_condition(struct nv_problem_book *book, unsigned side, const char *type,
                              const char *reason);

void nv_problem_book_count(struct nv_problem_book *book, unsigned side, int line);
void nv_problem_book_set(struct nv_problem_book *book, unsigned side, int line, bool on);
const char *nv_problem_book_name(const struct nv_problem_book *book, int line);

/* What this side shows. */
void nv_problem_book_emit(struct nv_pass *pass, struct nv_problem_book *book, unsigned side);

#endif
