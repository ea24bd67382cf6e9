/*
 * guard.h - calls that may never return, on threads of their own. See nv_guard() in collector.h.
 *
 * One thread works through the items; another joins it whenever nothing has moved for STALL_MS, up to
 * `width`. At the deadline what still runs is late: its key is remembered as stuck until the call
 * returns, and its thread is the price. Items live in a batch that the hanging threads keep alive.
 *
 *   bounds     NV_GUARD_THREADS_MAX threads in all, NV_GUARD_STUCK_MAX keys remembered
 *   threads    nv_guard_run() from any
 */
#ifndef NV_GATHER_GUARD_H
#define NV_GATHER_GUARD_H

#include <nodevitals/collector.h>

#include "base/cleanup.h"

enum { NV_GUARD_THREADS_MAX = 32, NV_GUARD_STUCK_MAX = 256 };

struct nv_guards;

struct nv_guards *nv_guards_new(void);

/* Waits for idle threads to end. Where one hangs, its memory is left to it. */
void nv_guards_free(struct nv_guards *guards);

NV_MUST_USE int nv_guard_run(struct nv_guards *guards, void *items, size_t item_size, size_t n,
                             const struct nv_str *keys, void (*call)(void *item),
                             int64_t deadline_ns, size_t width, unsigned char *ret_outcomes);

/* Threads there are, and how many of them a call holds. */
void nv_guards_count(struct nv_guards *guards, size_t *ret_threads, size_t *ret_held);

#endif
