/*
 * lines.h - the lines of a target's last answers, by a hash, each with the one that followed it.
 *
 *   order     next to every line stands what came behind it last time; so a body that is like the last one is followed
 *             without a lookup, and one that gained or lost lines at the cost of these
 *   entry 0   stands before the first line
 *   bound     NV_LINES_MAX
 */
#ifndef NV_SCRAPE_LINES_H
#define NV_SCRAPE_LINES_H

#include "base/index.h"

enum { NV_LINES_MAX = 1 << 20 };

/* What a line is, and what `slot` is then. */
enum nv_entry_kind {
    NV_ENTRY_FRAME,   /* a sample: its column */
    NV_ENTRY_OWN,     /* a sample with a time of its own: its place among those */
    NV_ENTRY_DROPPED, /* by relabelling, or otherwise: enum nv_entry_reason */
    NV_ENTRY_TOLD,    /* HELP, TYPE, UNIT: the family */
};
enum nv_entry_reason { NV_ENTRY_RELABELLED, NV_ENTRY_REFUSED, NV_ENTRY_REPORT };

struct nv_line_entry {
    uint64_t
        hash; /* keyed, of the first `length` bytes: the series, or all of a line that is TOLD */
    uint32_t length; /* 0 in protobuf */
    uint32_t next;   /* the one that followed it last; 0: none yet */
    uint32_t slot : 30, kind : 2;
    uint32_t seen; /* in which scrape it was there last */
};

struct nv_lines {
    struct nv_line_entry *at;
    uint32_t n, room;
    uint32_t last; /* the one before the next */
    struct nv_index index;
};

NV_MUST_USE int nv_lines_init(struct nv_lines *lines); /* -ENOMEM */
void nv_lines_done(struct nv_lines *lines);

static inline void nv_lines_rewind(struct nv_lines *lines)
{
    lines->last = 0;
}

/* What is expected next; entry 0 where nothing is. */
static inline uint32_t nv_lines_expected(const struct nv_lines *lines)
{
    return lines->at[lines->last].next;
}

/* The line that was read is this one. */
static inline void nv_lines_follow(struct nv_lines *lines, uint32_t i)
{
    lines->at[lines->last].next = i;
    lines->last = i;
}

/* 0: there is none. */
uint32_t nv_lines_find(const struct nv_lines *lines, uint64_t hash, uint32_t length);

/* A new one, behind the last one read and before what was expected there; follows it. -ENOMEM, -E2BIG. */
NV_MUST_USE int nv_lines_add(struct nv_lines *lines, struct nv_line_entry entry, uint32_t *ret);

/* Forgets those that were not there since a scrape; those that came after the first n; all. Between scrapes. On -ENOMEM all are
 * forgotten. */
NV_MUST_USE int nv_lines_keep(struct nv_lines *lines, uint32_t since);
NV_MUST_USE int nv_lines_cut(struct nv_lines *lines, uint32_t n);
void nv_lines_clear(struct nv_lines *lines);

size_t nv_lines_memory(const struct nv_lines *lines);

#endif
