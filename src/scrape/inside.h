/*
 * inside.h - the parts of scrape.h. Only src/scrape includes this.
 *
 *   label.c    what a target is, from what was discovered   ask.c     the headers of a scrape
 *   info.c     that, packed, for as long as it is so         digest.c  whether two jobs ask alike
 *   pull.c     one scrape of one target                      troubles.c  what went wrong, for whoever is to mend it
 *   turns.c    whose turn it is                              threads.c the threads
 *   pool.c     what a job names becomes its targets          change.c  pools in place of pools
 *   look.c     what is found while running                   scrape.c  the whole: apply, start, stop
 *   view.c     what is going on                          exposed.c  what is shown on our own /metrics
 *
 * Two locks. `changing` is held while pools are planned and changed, files read; `lock`, within it or alone and always
 * briefly, for what threads and views share: who reads pools holds either, who changes them both.
 */
#ifndef NV_SCRAPE_INSIDE_H
#define NV_SCRAPE_INSIDE_H

#include "base/cond.h"
#include "base/log.h"
#include "scrape/intake.h"
#include "scrape/label.h"
#include "scrape/scrape.h"

enum {
    NV_SCRAPE_IDLE_MAX = 2,     /* threads that have nothing to do; one more ends at once, */
    NV_SCRAPE_IDLE_MS = 30000,  /* and these when nobody needed them for as long */
    NV_SCRAPE_LOOK_MS = 5000,   /* how often files of file_sd and `discover` are looked at */
    NV_SCRAPE_SLEEP_MS = 10000, /* so that a step of the wall clock is seen soon */
    NV_SCRAPE_STACK = 512 << 10,
    NV_SCRAPE_PLAN_MEMORY = 64 << 20, /* what relabelling may need at once */
};

/* What a target is: never changed, counted. All in one piece of memory. */
struct nv_scrape_info {
    unsigned refs;         /* atomic */
    struct nv_config *pin; /* holds `config`; NULL: it lives as long as the scrape */
    const struct nv_config_scrape *config;
    uint64_t digest; /* of config */
    size_t n_found;  /* targets of the job, where these are more than target_limit; else 0 */
    struct nv_scrape_described is;
};

/* info.c. Copies what is described; NULL when memory is out. */
struct nv_scrape_info *nv_scrape_info_new(struct nv_config *pin,
                                          const struct nv_config_scrape *config, uint64_t digest,
                                          const struct nv_scrape_described *is);
struct nv_scrape_info *nv_scrape_info_ref(struct nv_scrape_info *info);
void nv_scrape_info_unref(struct nv_scrape_info *info); /* NULL is fine */

/* ---- a target ------------------------------------------------------------------------------- */

/* What asks it. Of the thread that has the turn alone, but for `http`, which the lock guards. */
struct nv_scrape_pull {
    struct nv_scrape_info
        *info; /* by which intake and client were made; NULL: there are none yet */
    struct nv_intake *intake;
    struct nv_http *http;
    const struct nv_scrape_storage *storage; /* of the source */
    uint32_t source, place;                  /* place: the number in the source's name */
    bool has_source;
    int64_t last_ms;                        /* time of the last frame */
    struct nv_complaint complaint, refused; /* of the target; of the store */
    struct nv_complaint left_out;           /* of samples */
};

/* What came of a scrape. */
struct nv_scrape_result {
    bool cancelled, timed_out, dropped; /* dropped: by the store */
    int64_t time_ms, duration_ns;
    const struct nv_intake_told *told;
    char error[NV_SCRAPE_ERROR_MAX]; /* "": none */
};

enum nv_scrape_state { NV_SCRAPE_WAITING, NV_SCRAPE_RUNNING };

struct nv_scrape_target {
    uint64_t identity;

    /* With the lock. */
    struct nv_scrape_info *info;
    enum nv_scrape_state state;
    int64_t due_ms; /* wall time of its next scrape */
    size_t place;   /* in its heap, while it waits */
    bool hangs;     /* it did not answer in time */
    bool leaving;   /* nobody names it any more */
    bool claimed;   /* while pools are changed: somebody does */

    enum nv_scrape_health health;
    int64_t last_ms, last_duration_ns;
    char *error; /* NULL: none */
    struct nv_frame *exposed[NV_INTAKE_EXPOSED_MAX];
    size_t n_exposed;
    struct nv_metadata *metadata;

    struct nv_scrape_pull pull;
};

/* Targets by their time. */
struct nv_scrape_heap {
    struct nv_scrape_target **at;
    size_t n, room;
};

/* ---- a job ---------------------------------------------------------------------------------- */

struct nv_scrape_sd {
    uint64_t digest;
    struct nv_file_sd *files;
    struct nv_scrape_sd *lender; /* of the pool before, whose it still is; NULL: ours */
    int64_t every_ms, look_ns;   /* monotonic: when next */
    struct nv_complaint complaint;
};

struct nv_scrape_pool {
    char *name;
    struct nv_config *pin; /* as of infos */
    const struct nv_config_scrape *config;
    bool elsewhere; /* of `discover` */
    struct nv_scrape_sd *sds;
    size_t n_sds;

    /* With the lock. */
    struct nv_scrape_target **targets; /* in the order they were found */
    size_t n;
    struct nv_scrape_info **dropped;
    size_t n_kept; /* of those; `stats` counts all */
    struct nv_scrape_pool_stats stats;
};

/* What a pool is to become, and the memory for it. */
struct nv_scrape_plan {
    struct nv_scrape_info **infos, **dropped;
    struct nv_scrape_target *
        *spares; /* for targets that are not there yet; after the change the list of the pool */
    size_t n, room, n_kept, room_kept, n_found;
    uint64_t n_dropped, n_left_out;
};

struct nv_scrape {
    struct nv_scrape_options options;

    pthread_mutex_t changing;
    uint64_t version; /* of what `discover` gave */
    bool looked;      /* there is such a version */
    struct nv_scrape_pool **pools;
    size_t n_pools;
    struct nv_complaint discover_complaint;

    pthread_mutex_t lock;
    struct nv_scrape_target **targets; /* all, those that leave too */
    size_t n_targets, room_targets;
    bool places[NV_SCRAPE_TARGETS_MAX]; /* taken: sources of the store */
    struct nv_scrape_heap prompt, hanging;
    size_t n_hanging; /* turns taken by those that hang */
    bool started, stopping;
    bool looks, looking;             /* there is something to look for; somebody does */
    int64_t look_ns;                 /* monotonic: when next */
    pthread_cond_t turn, idle, gone; /* of who waits for the next turn; of the others; of stop() */
    bool has_waiter;                 /* somebody waits for the next turn */
    unsigned n_threads, n_idle;
    struct nv_complaint thread_complaint;
    struct nv_scrape_thread {
        pthread_t id;
        enum { NV_SCRAPE_NO_THREAD, NV_SCRAPE_THREAD, NV_SCRAPE_ENDED_THREAD } state;
    } threads[NV_SCRAPE_THREADS_MAX];
    struct nv_scrape_stats stats;
};

/* ---- pull.c --------------------------------------------------------------------------------- */

/* Asks the target described by `info`, and appends the frame. `target` is for publishing its client, with the lock. */
void nv_scrape_pull(struct nv_scrape *scrape, struct nv_scrape_target *target,
                    struct nv_scrape_info *info, int64_t time_ms, struct nv_scrape_result *ret);

/* Its last frame: everything is stale. The source is given back. */
void nv_scrape_leave(struct nv_scrape *scrape, struct nv_scrape_target *target);

/* troubles.c: an answer other than 200, as a line. `excerpt`: the begin of its body. */
void nv_scrape_refusal(const struct nv_config_scrape *config, int status, struct nv_str excerpt,
                       char ret[NV_SCRAPE_ERROR_MAX]);

/* ---- turns.c, all with the lock -------------------------------------------------------------- */

/* The first time of a target after `now_ms`. */
int64_t nv_scrape_slot(uint64_t identity, int64_t interval_ms, int64_t now_ms);

/* Room for so many targets in each heap. -ENOMEM. */
NV_MUST_USE int nv_scrape_heaps_room(struct nv_scrape *scrape, size_t n);
void nv_scrape_wait(struct nv_scrape *scrape, struct nv_scrape_target *target, int64_t due_ms);
void nv_scrape_stop_waiting(struct nv_scrape *scrape, struct nv_scrape_target *target);

/* Whose turn it is: NULL where nobody is due; then *ret_wait_ms is how long that is so, -1 where nothing is waited for. */
struct nv_scrape_target *nv_scrape_take_turn(struct nv_scrape *scrape, int64_t now_ms,
                                             int64_t *ret_wait_ms);

/* ---- threads.c ------------------------------------------------------------------------------ */

/* There is something new to wait for. With the lock, as the next. */
void nv_scrape_wake(struct nv_scrape *scrape);
void nv_scrape_end_threads(struct nv_scrape *scrape); /* waits for them */

/* ---- pool.c, with `changing` ---------------------------------------------------------------- */

struct nv_scrape_pool *nv_scrape_pool_new(struct nv_config *pin,
                                          const struct nv_config_scrape *config);
void nv_scrape_pool_free(
    struct nv_scrape_pool *pool); /* NULL is fine; its targets are the scrape's */
struct nv_scrape_pool *nv_scrape_find_pool(const struct nv_scrape *scrape, const char *name);

/* Adds to a plan what groups name; `others`: how many targets there are beside it. -ENOMEM. */
NV_MUST_USE int nv_scrape_plan_add(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool,
                                   const struct nv_target_groups *groups, size_t others);

/* All that a pool's own configuration and files name. */
NV_MUST_USE int nv_scrape_plan_pool(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool,
                                    size_t others);
/* Nothing is added any more: allocates what the change will need. -ENOMEM. */
NV_MUST_USE int nv_scrape_plan_end(struct nv_scrape_plan *plan, const struct nv_scrape_pool *pool);
void nv_scrape_plan_done(struct nv_scrape_plan *plan);

/* The targets of all pools but this one. */
size_t nv_scrape_n_others(const struct nv_scrape *scrape, const struct nv_scrape_pool *pool);

/* What a change consists of, with the lock: room for so many new targets (-ENOMEM), begin, every pool either changed or kept,
 * end. Targets that no pool has then leave. */
NV_MUST_USE int nv_scrape_make_room(struct nv_scrape *scrape, size_t n_new);
void nv_scrape_change_begin(struct nv_scrape *scrape);
void nv_scrape_change_pool(struct nv_scrape *scrape, struct nv_scrape_pool *pool,
                           struct nv_scrape_plan *plan);
void nv_scrape_change_keep(struct nv_scrape_pool *pool);
void nv_scrape_change_end(struct nv_scrape *scrape);

/* change.c. Pools in place of all those found elsewhere, or of all those of the configuration. */
struct nv_scrape_change {
    struct nv_scrape_pool **pools;
    struct nv_scrape_plan *plans;
    size_t n, room;
};
NV_MUST_USE int nv_scrape_change_init(struct nv_scrape_change *change, size_t room);
void nv_scrape_change_done(struct nv_scrape_change *change);

/* The next pool and its empty plan; NULL when memory is out. */
struct nv_scrape_pool *nv_scrape_change_add(struct nv_scrape_change *change, struct nv_config *pin,
                                            const struct nv_config_scrape *config,
                                            struct nv_scrape_plan **ret_plan);

/* Does it: whole, or not at all with -ENOMEM. Takes the lock. */
NV_MUST_USE int nv_scrape_change_make(struct nv_scrape *scrape, struct nv_scrape_change *change,
                                      bool elsewhere);

void nv_scrape_target_forget(struct nv_scrape_target *target); /* what it said last */
void nv_scrape_target_free(struct nv_scrape_target *target);

/* ---- look.c --------------------------------------------------------------------------------- */

/* Looks at the files that are due, and elsewhere; what has changed takes effect. Takes `changing`. */
void nv_scrape_look_now(struct nv_scrape *scrape);

/* Reads the files of a pool for the first time, or again. Whether any differs. */
bool nv_scrape_read_files(struct nv_scrape *scrape, struct nv_scrape_pool *pool, int64_t now_ns,
                          bool all);

#endif
