/*
 * head.h - what one source has in memory: open rows, full chunks on their way to pages, and pages.
 *
 *   writer     turns the frames of a source into rows: columns of the layout become columns of the head, sections of
 *              the layout those of the head. Both stay what they are within a generation; a series that was there
 *              at the end of one generation and is missing in the next keeps a column there, so that it becomes stale
 *              when its section is observed without it
 *   staleness  a section that was not observed for three of its intervals is taken as observed without series
 *   layouts    one with more than NV_HEAD_AT_ONCE new series is followed by a thread of its own, in which its frame and
 *              those behind it wait: an append never does, a query does
 *   bounds     NV_LOG_COLUMNS_MAX series and NV_LOG_SECTIONS_MAX sections; NV_HEAD_WAITING full chunks or as many bytes, then the
 *              writer seals one by itself
 *   threads    one writer; one sealer at a time, who is woken when a chunk is full; readers take a snapshot, under a
 *              lock that is only ever held for copying pointers
 */
#ifndef NV_TSDB_HEAD_H
#define NV_TSDB_HEAD_H

#include <pthread.h>

#include "tsdb/log_record.h"
#include "tsdb/page.h"

enum {
    NV_HEAD_WAITING = 6,
    NV_HEAD_WAITING_BYTES = 8 << 20,
    NV_HEAD_AT_ONCE = 1000,
    NV_HEAD_PENDING = 16, /* frames; the next one waits */
    NV_HEAD_NAME_MAX = 256,
    NV_HEAD_PAGES_BYTES = 64 << 20, /* while nothing can be written: then the oldest page goes */
    NV_HEAD_NONE = UINT32_MAX,      /* another source has it */
    NV_HEAD_FULL = UINT32_MAX - 1,  /* a bound is reached */
    NV_JUMP_MS =
        3600 * 1000, /* between two rows: the clock was set, or nobody was there; a page ends */
};

static inline bool nv_is_jump(int64_t from_ms, int64_t to_ms)
{
    return to_ms > from_ms && (uint64_t)to_ms - (uint64_t)from_ms >= NV_JUMP_MS;
}

/* When a section was last observed, and how often it is. */
struct nv_section_clock {
    int64_t last_ms, interval_ms; /* interval 0: not known yet */
    int64_t cadence_ms;           /* as the layout says: what comes more often is no promise */
    bool live;                    /* observed, and not stale since */
    bool used;                    /* has had a series */
};

struct nv_head {
    char *name;
    uint32_t number;
    struct nv_series_table *table;

    pthread_mutex_t lock; /* of what readers see: */
    struct nv_chunk *open;
    struct nv_chunk *waiting[NV_HEAD_WAITING + 1];
    size_t n_waiting;
    struct nv_page **pages; /* in order of time */
    size_t n_pages, room_pages;
    struct nv_sparse **sparse; /* see sparse.h */
    size_t n_sparse, room_sparse, sparse_bytes;
    uint64_t sparse_segment; /* the first that has a sparse sample in memory; UINT64_MAX: none */
    int64_t newest_ms;       /* INT64_MIN: none */

    pthread_mutex_t sealing; /* one at a time; taken before `lock` */
    struct nv_codec *codec;  /* under `sealing` */

    /* Frames on their way, see head_pending.c. `entering` is taken before `writing`. */
    pthread_mutex_t entering;
    pthread_cond_t entered;
    struct nv_frame *pending[NV_HEAD_PENDING];
    size_t n_pending;
    uint64_t n_followed; /* those entered so far */
    int64_t pending_ms;
    struct nv_log *pending_log;
    pthread_t follower;
    bool following, joinable;
    bool defers; /* constant: there may be such a thread */

    void (*wake)(void *user); /* constant: a chunk is full; or NULL */
    void *wake_user;

    /* The writer's, under `writing`. */
    pthread_mutex_t writing;
    struct nv_columns *columns;
    uint64_t generation;
    struct nv_layout *layout; /* of the last frame; NULL before the first of this process */
    uint32_t *map;            /* column of the layout -> ours, NV_HEAD_NONE, or NV_HEAD_FULL */
    size_t n_mapped, room_map;
    size_t n_refused;   /* series of the layout that another source claims */
    size_t n_homeless;  /* those for which the table had no room */
    uint64_t unclaimed; /* as of when they were */
    bool identity;      /* map[i] == i for all */
    uint32_t *sections; /* section of the layout -> ours, or NV_HEAD_NONE */
    size_t n_layout_sections;
    struct nv_section_clock *clocks; /* by our section */
    size_t n_sections, room_sections;
    int64_t last_ms; /* INT64_MIN: none */
    struct nv_log_state log;
    uint64_t log_segment; /* in which its columns stand, and which were there last; atomic */
    uint64_t sparse_log_segment, since_whole;
    uint32_t sparse_numbers; /* given in that segment */
    uint32_t logged;         /* columns that stand in the segment */
    struct nv_columns
        *told; /* of the generation before, all of which stand in told_segment; or NULL */
    uint64_t told_segment;
    struct nv_codec *log_codec;
    struct nv_buf record;
    struct nv_chunk_draft draft;

    uint64_t frames, samples, not_newer, full, conflicts, lost; /* atomic */
};

/* Outcomes as in store.h. */
NV_MUST_USE int nv_head_new(struct nv_series_table *table, uint32_t number, struct nv_str name,
                            struct nv_head **ret);
void nv_head_free(struct nv_head *head);

/* Enters a frame, and queues it in the log where there is one. Returns 0, NV_STORE_NOT_NEWER, NV_STORE_FULL, -ENOMEM. */
struct nv_log;
NV_MUST_USE int nv_head_append(struct nv_head *head, struct nv_log *log, struct nv_frame *frame);

/* Waits until all frames that were appended by now are entered. */
void nv_head_settle(struct nv_head *head);
bool nv_head_is_deferring(struct nv_head *head);

/* Enters a row as the log had it, under columns that were added with nv_head_add_column(). */
NV_MUST_USE int nv_head_replay(struct nv_head *head, const struct nv_row *row, uint64_t segment);
NV_MUST_USE int nv_head_begin_generation(struct nv_head *head, uint64_t generation);
NV_MUST_USE int nv_head_add_column(struct nv_head *head, const struct nv_label *labels, size_t n,
                                   uint32_t section, bool live);
/* The same for a series that has one in another generation. */
NV_MUST_USE int nv_head_add_column_again(struct nv_head *head, struct nv_head_series *series,
                                         uint32_t section, bool live);

/* No more frames for now: what it claims is given back, and what it has goes its way to a block. -ENOMEM. */
NV_MUST_USE int nv_head_end(struct nv_head *head);

/* Appends a source record to head->record. */
void nv_head_put_source(struct nv_head *head);

/* Seals full chunks; with `all` also the open one. Returns how many, or -ENOMEM. */
NV_MUST_USE int nv_head_seal(struct nv_head *head, bool all);
/* The oldest full one only. */
NV_MUST_USE int nv_head_seal_one(struct nv_head *head);

/* Lets go of the first n pages, and returns how many rows that were; of those up to a time, which a block holds now. */
uint64_t nv_head_drop_pages(struct nv_head *head, size_t n);
void nv_head_drop_until(struct nv_head *head, int64_t until_ms);

/* What a reader sees: pages and chunks, held. */
struct nv_head_view {
    struct nv_page **pages;
    size_t n_pages;
    struct nv_chunk *chunks[NV_HEAD_WAITING + 2];
    uint32_t rows[NV_HEAD_WAITING + 2];
    size_t n_chunks;
};
NV_MUST_USE int nv_head_view(struct nv_head *head, struct nv_head_view *ret);
void nv_head_view_done(struct nv_head_view *view);

/* Time of the newest row; INT64_MIN: none. */
int64_t nv_head_newest(struct nv_head *head);
/* The times of all rows and samples in memory; false where there are none. */
bool nv_head_span(struct nv_head *head, int64_t *ret_from_ms, int64_t *ret_to_ms);
/* The times pages span, and those of the first; false where there are none. */
bool nv_head_page_span(struct nv_head *head, int64_t *ret_from_ms, int64_t *ret_to_ms);
bool nv_head_first_page(struct nv_head *head, int64_t *ret_from_ms, int64_t *ret_to_ms);
size_t nv_head_page_bytes(struct nv_head *head);

/* Tells the log in its newest segment what was there last, so that no older one is needed for that. */
void nv_head_tell_again(struct nv_head *head, struct nv_log *log);

/* The oldest segment of the log that rows in memory need, or who wants to know what was there last; UINT64_MAX: none. */
uint64_t nv_head_segment(struct nv_head *head);
size_t nv_head_memory(struct nv_head *head);

#endif
