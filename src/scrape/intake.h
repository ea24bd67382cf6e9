/*
 * intake.h - takes in what a target answers: bytes, in any cuts, become a frame of its samples.
 *
 *   one scrape    begin, feed*, end; or fail, at any moment instead. Then frame, once
 *   forms         text 0.0.4 and 1.0.0, OpenMetrics 0.0.1 and 1.0.0, protobuf (delimited), by Content-Type
 *   meaning       that of Prometheus' scrape: target labels, exported_<name>, metric_relabel_configs, limits, duplicates,
 *                 staleness. A body that is bad anywhere fails the scrape as a whole: nothing of it is seen, and all that was
 *                 there before is stale
 *   frame         section 0: the target's samples. Section 1: the report on the scrape (up, scrape_*). The target's labels
 *                 are section labels. Series that were there and are not are absent: stale
 *   own times     samples with a time of their own, where those are honoured, do not fit a frame: they go to `sparse`,
 *                 at the end of a good body
 *   steady        a line is that which followed its predecessor last time: its end is where the other's was, a keyed
 *                 hash over its series tells that it is the same, and the value is read. No labels, no table, no memory
 *   memory        of an unchanged target none is asked for. A body is never held: one line, or one protobuf family, at most
 *   bounds        those below and those of the configuration
 *   threads       one at a time; metadata and frames may be read by any
 */
#ifndef NV_SCRAPE_INTAKE_H
#define NV_SCRAPE_INTAKE_H

#include "config/config.h"
#include "metric/frame.h"

enum {
    NV_INTAKE_LINE_MAX = 1 << 20,     /* bytes of a line */
    NV_INTAKE_MESSAGE_MAX = 32 << 20, /* bytes of one family in protobuf */
    NV_INTAKE_SERIES_MAX =
        1 << 18, /* series of a target, beyond its sample_limit: the scrape fails */
    NV_INTAKE_LINES_MAX = 1 << 21,   /* lines remembered, absent and dropped ones included */
    NV_INTAKE_AHEAD_MS = 10 * 60000, /* samples further in the future are dropped, counted */
    NV_INTAKE_ERROR_MAX = 512,
};

/* What to call for a sample with its own time. `labels` by name, __name__ and the target's included; a staleness marker
 * is a value. Returns 0 or anything else, which is only counted. */
typedef int nv_intake_sparse(void *user, const struct nv_label *labels, size_t n_labels,
                             int64_t time_ms, double value, const struct nv_histogram *histogram);

struct nv_intake_options {
    const struct nv_config_scrape *scrape; /* outlives the intake, or nv_intake_apply() */
    const struct nv_label *labels; /* of the target, by name, copied; those with __ are left out */
    size_t n_labels;
    nv_intake_sparse *sparse; /* NULL: own times are never honoured */
    void *user;
};

struct nv_intake *nv_intake_new(const struct nv_intake_options *options); /* NULL: -ENOMEM */
void nv_intake_free(struct nv_intake *intake);
NV_DEFINE_AUTO(nv_intake)

/* The rules may be others from here on (a reload): what is remembered of lines is forgotten. Between scrapes. */
void nv_intake_apply(struct nv_intake *intake, const struct nv_config_scrape *scrape);

/* What came of a scrape. */
struct nv_intake_told {
    uint64_t samples, kept;                                    /* in the body; after relabelling */
    uint64_t added;                                            /* series that are new */
    uint64_t duplicates, out_of_order, out_of_bounds, refused; /* samples that were dropped */
    uint64_t body_bytes; /* uncompressed; 0 where the answer was not whole */
    bool body_too_large;
    bool sample_limit, label_limit;  /* why it failed */
    char error[NV_INTAKE_ERROR_MAX]; /* "": it did not */
};

/* A body begins; time_ms: when the scrape did. `content_type` as the answer has it, empty where it had none. */
void nv_intake_begin(struct nv_intake *intake, struct nv_str content_type, int64_t time_ms);

/* Returns 0; -EBADMSG: the scrape has failed, and more need not be fetched; -EFBIG, likewise: the body is too large;
 * -ENOMEM. After a failure neither end nor fail is needed. */
NV_MUST_USE int nv_intake_feed(struct nv_intake *intake, const char *p, size_t n);

/* The body is whole. Returns as nv_intake_feed() does. Samples with own times are given out here. */
NV_MUST_USE int nv_intake_end(struct nv_intake *intake);

/* There was no answer, or no whole one. Without begin too. */
void nv_intake_fail(struct nv_intake *intake, int64_t time_ms, const char *why);

/* We end before the scrape does: nothing is said of the target, and nothing becomes stale. There is no frame of it. */
void nv_intake_abandon(struct nv_intake *intake);

/* Of the last scrape; until the next begins. */
const struct nv_intake_told *nv_intake_told(const struct nv_intake *intake);

struct nv_intake_report {
    double duration_s;
    double timeout_s; /* of scrape_timeout_seconds, where extra metrics are asked for */
};

/* The frame of the scrape that ended or failed, whose count is the caller's. -ENOMEM. */
NV_MUST_USE int nv_intake_frame(struct nv_intake *intake, const struct nv_intake_report *report,
                                struct nv_frame **ret);

/* The target is gone: all its series are stale in this frame, the report's too. *ret NULL: nothing was there. */
NV_MUST_USE int nv_intake_leave(struct nv_intake *intake, int64_t time_ms, struct nv_frame **ret);

/*
 * For who shows the target's series on our own /metrics: the samples of the last scrape without the report, and those
 * with own times. Returns how many frames, whose counts are the caller's. Nothing where the configuration does not say
 * `expose`, or memory is out. Times that were not honoured stand in the first frame of a scrape that is asked for.
 */
enum { NV_INTAKE_EXPOSED_MAX = 2 };
size_t nv_intake_exposed(struct nv_intake *intake, struct nv_frame *ret[NV_INTAKE_EXPOSED_MAX]);

/* Whether a new generation is worth it: to be asked, and done, when the store begins a page of this source; before the frame
 * of that scrape is made. */
bool nv_intake_wants_renewal(const struct nv_intake *intake);
bool nv_intake_is_crowded(
    const struct nv_intake *intake); /* so much so that no page is waited for */
void nv_intake_renew(struct nv_intake *intake);

/* What the target tells of its families. Counted, immutable; by name. */
struct nv_metadata_entry {
    struct nv_str family, help, unit;
    const char
        *type; /* counter, gauge, histogram, gaugehistogram, summary, info, stateset, unknown */
};
struct nv_metadata {
    unsigned refs; /* atomic */
    size_t n, bytes;
    const struct nv_metadata_entry *at;
    struct nv_arena memory;
};

/* With a count for the caller. NULL: none, or memory is out. The same as long as nothing changed. */
struct nv_metadata *nv_intake_metadata(struct nv_intake *intake);
void nv_metadata_unref(struct nv_metadata *metadata); /* NULL is fine */

/* Series that stand in the present generation, absent ones included; bytes of all that the intake holds. */
size_t nv_intake_n_series(const struct nv_intake *intake);
size_t nv_intake_memory(const struct nv_intake *intake);

#endif
