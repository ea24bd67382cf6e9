/*
 * scrape.h - targets: found, asked each at its own times, and what they say handed on as frames.
 *
 *   found      in the configuration (static_configs, file_sd_configs), and elsewhere by `discover`: the pods of the node, the
 *              kubelet. Relabelled, checked and told apart as Prometheus does it (label.h)
 *   asked      at times that are the same distance apart and differ from target to target; by threads that exist while there
 *              are targets. One that hangs holds a thread until its timeout; those that hung last time share a part of the
 *              threads alone, so that the others are asked in time
 *   handed on  one frame a scrape to the target's own source of the store: its samples, then up and scrape_*. Samples with
 *              times of their own go to the same source, sparse. What disappears, fails or leaves is stale; not so at the end
 *              of the program
 *   identity   the job, the final labels and the URL: they choose the source, so that it is mostly the same after a restart
 *   reload     whole or not at all; targets that are there before and after go on
 *   bounds     those below; the intake's (intake.h); per job those of its configuration
 *   threads    apply() from one at a time; the callbacks of the storage from many, for a source from one at a time; the rest
 *              from any
 */
#ifndef NV_SCRAPE_SCRAPE_H
#define NV_SCRAPE_SCRAPE_H

#include "config/config.h"
#include "metric/frame.h"

enum {
    NV_SCRAPE_TARGETS_MAX = 768, /* in all; the store has 1,024 sources, and others use it too */
    NV_SCRAPE_DROPPED_MAX =
        1024, /* of a job, remembered to be shown; keep_dropped_targets may say less */
    NV_SCRAPE_THREADS_MAX = 64,
    NV_SCRAPE_HANGING_MAX = 48, /* threads for targets that did not answer in time */
    NV_SCRAPE_ERROR_MAX = 512,
};

/* Where frames go. As in store.h; names are "scrape/000" and so on, NV_SCRAPE_TARGETS_MAX at most. */
struct nv_scrape_storage {
    void *user;
    int (*source)(void *user, const char *name, uint32_t *ret);
    void (*source_end)(void *user, uint32_t source); /* its target has left, after a last frame */
    int (*append)(void *user, uint32_t source, struct nv_frame *frame);
    bool (*begins_page)(void *user, uint32_t source);
    int (*append_sparse)(void *user, uint32_t source, const struct nv_label *labels,
                         size_t n_labels, int64_t time_ms, double value);
    int (*append_sparse_histogram)(void *user, uint32_t source, const struct nv_label *labels,
                                   size_t n_labels, int64_t time_ms,
                                   const struct nv_histogram *histogram);
};

/* Targets of one job that were found elsewhere; __address__ is the target itself, __meta_* labels as wanted. */
struct nv_scrape_job {
    const struct nv_config_scrape *config; /* finished: no default is filled in here */
    struct nv_target_groups groups;
};

struct nv_scrape_options {
    struct nv_scrape_storage storage; /* source NULL: nothing is kept */
    const char *user_agent;           /* "nodevitals/1.0"; borrowed */

    /*
     * All jobs found elsewhere, made in the arena, each name once and none of the configuration's; what config points to is
     * borrowed for as long as the scrape lives. Asked every few seconds, and soon after nv_scrape_look(), by one thread at a
     * time. *version: where it is still what was put there last, nothing else is looked at. Returns 0, or a negative errno,
     * and everything stays. NULL: there are none.
     */
    int (*discover)(void *user, struct nv_arena *memory, uint64_t *version,
                    const struct nv_scrape_job **ret, size_t *ret_n);
    void *discover_user;
};

struct nv_scrape;

/* NULL when memory is out. Options are copied. No thread, and hardly any memory, before there are targets. */
struct nv_scrape *nv_scrape_new(const struct nv_scrape_options *options);
void nv_scrape_free(struct nv_scrape *scrape); /* stops first */
NV_DEFINE_AUTO(nv_scrape)

/*
 * Takes over the scrape_configs of a configuration, counted, in place of those before: whole, or not at all. Mistakes in a
 * file of file_sd are logged, and are none here. Returns 0 or -ENOMEM with a line in `error`.
 */
NV_MUST_USE int nv_scrape_apply(struct nv_scrape *scrape, struct nv_config *config,
                                char error[NV_YAML_ERROR_MAX]);

/* From here on targets are asked; before, they are only known. stop() ends what runs at once; nothing becomes stale. */
NV_MUST_USE int nv_scrape_start(struct nv_scrape *scrape);
void nv_scrape_stop(struct nv_scrape *scrape);

/* Something may have been found elsewhere. */
void nv_scrape_look(struct nv_scrape *scrape);

/* ---- what is going on ----------------------------------------------------------------------- */

enum nv_scrape_health { NV_SCRAPE_UNKNOWN, NV_SCRAPE_UP, NV_SCRAPE_DOWN };

struct nv_scrape_view {
    struct nv_str pool, url, error;
    const struct nv_label *labels, *discovered; /* by name; labels: the final ones, without __* */
    size_t n_labels, n_discovered;
    bool dropped; /* by relabelling: pool and discovered labels are all there is */
    uint64_t
        unlisted; /* of the last dropped one of a job: how many more there are that were not kept */
    enum nv_scrape_health health;
    int64_t last_ms;          /* wall time when it was last asked; 0: never */
    int64_t last_duration_ns; /* how long it took */
    int64_t interval_ms, timeout_ms;
};

/* Of all targets, those of a job together, in the order they were found; lent for the call. Whatever each() returns other than
 * 0 ends the list and is returned; -ENOMEM. */
NV_MUST_USE int nv_scrape_targets(struct nv_scrape *scrape,
                                  int (*each)(void *to, const struct nv_scrape_view *view),
                                  void *to);

struct nv_scrape_family {
    struct nv_str name, type, help, unit; /* type as Prometheus' API names it */
    const struct nv_label *labels;        /* of the target */
    size_t n_labels;
};

/* The families of the last answer of each target, likewise. */
NV_MUST_USE int nv_scrape_families(struct nv_scrape *scrape,
                                   int (*each)(void *to, const struct nv_scrape_family *family),
                                   void *to);

/* The frames of the last scrape of the targets of a job with `expose: true`, where it did not fail: the target's own series,
 * without up and scrape_*. Lent for the call; who keeps one counts it. An empty job: of all jobs. */
NV_MUST_USE int nv_scrape_exposed(struct nv_scrape *scrape, struct nv_str job,
                                  int (*each)(void *to, struct nv_str job, struct nv_frame *frame),
                                  void *to);

/* Whether there is such a job with `expose: true`, be its targets up or not. */
bool nv_scrape_exposes(struct nv_scrape *scrape, struct nv_str job);

/* Of a job. */
struct nv_scrape_pool_stats {
    struct nv_str name;
    uint64_t targets, dropped, left_out; /* left out: past a bound of ours */
    uint64_t syncs;
    int64_t target_limit;
};
struct nv_scrape_stats {
    uint64_t scrapes, failed,
        missed; /* missed: not asked at their time, for they or all threads were busy */
    uint64_t exceeded_body_size, exceeded_samples, duplicates, out_of_order, out_of_bounds;
    uint64_t dropped_frames; /* by the store */
    uint64_t
        refused_samples; /* of series that no store can hold, or of times that ours does not take */
    uint64_t reloads, failed_reloads;
    uint64_t exceeded_targets; /* times that a job had more than its target_limit */
    uint64_t file_sd_errors, file_sd_scans;
    unsigned threads;
};
void nv_scrape_stats(struct nv_scrape *scrape, struct nv_scrape_stats *ret);
/* each() is to be brief: it is called under a lock. */
NV_MUST_USE int nv_scrape_pools(struct nv_scrape *scrape,
                                int (*each)(void *to, const struct nv_scrape_pool_stats *pool),
                                void *to);

#endif
