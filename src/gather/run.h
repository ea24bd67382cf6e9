/*
 * run.h - one collector at work: what stands behind the `struct nv_pass` it is given.
 *
 * A lane is what a thread that runs collectors brings along: memory for what they read, and sockets. The
 * pass has one, and each worker one.
 */
#ifndef NV_GATHER_RUN_H
#define NV_GATHER_RUN_H

#include "base/arena.h"
#include "base/bus.h"
#include "base/log.h"
#include "base/netlink.h"
#include "gather/files.h"
#include "gather/guard.h"
#include "gather/kept.h"
#include "metric/section.h"

enum {
    NV_RUN_MAGIC = 0x72756e21,
    NV_LANE_ARENA_MAX = 512 << 20,
    NV_LANE_ANSWERS = 8, /* netlink answers remembered within a pass */
    NV_LANE_REQUEST_MAX = 256,
};

struct nv_answer {
    int protocol, result;
    size_t n_request;
    char request[NV_LANE_REQUEST_MAX];
    struct nv_buf messages;
};

struct nv_lane {
    struct nv_arena arena;
    struct nv_buf scratch;
    struct nv_netlink *netlink;
    struct nv_answer answers[NV_LANE_ANSWERS];
    size_t n_answers; /* of the present pass */
};

void nv_lane_init(struct nv_lane *lane);
void nv_lane_done(struct nv_lane *lane);

/* A file that is read before collect(). Those of inline collectors are shared among them. */
struct nv_source {
    char *path;
    struct nv_buf text;
    int error;
    uint64_t read_in; /* the pass */
};

struct nv_run {
    struct nv_pass pass; /* what the collector sees; first */
    uint32_t magic;
    struct nv_gather *gather;
    const struct nv_collector *collector;
    enum nv_gather_kind kind;
    struct nv_section *section;
    size_t target; /* which of the gather's */
    struct nv_source **sources;
    bool *optional;
    size_t n_sources;
    struct nv_lane *lane;       /* of the thread that runs it */
    bool collecting;            /* emission is allowed */
    bool busy;                  /* a worker has it; under the lock of the jobs */
    int64_t deadline_ns;        /* of the present pass */
    const struct nv_pods *pods; /* taken in the present run */
    struct nv_buf answer;       /* of the kubelet, in the present run */
    char error[NV_GATHER_ERROR_MAX];

    /* The last run, written by the runner and read by the owner when it is not busy. */
    int result;
    int64_t duration_ns, finished_ns;

    /* The owner's. */
    bool posted; /* a worker has it, or has ended it and its rows are not taken yet */
    bool late;
    bool served;                    /* was it ever published */
    bool unstored;                  /* published since the store's last frame */
    int64_t asked_ns, published_ns; /* asked: when it was last run or posted, 0 for never */
    int shown;                      /* the result told by the last pass */
    int64_t shown_duration_ns;
    char shown_error[NV_GATHER_ERROR_MAX];
    struct nv_complaint complaint, dropped;
    bool fresh; /* published since the last pass ended; then: */
    size_t n_dropped, n_refused;
    char what[NV_SECTION_WHAT_MAX];
};

/* What runs share. Complete in gather.c. */
struct nv_shared {
    struct nv_files *files;
    struct nv_guards *guards;
    struct nv_bus *bus;
    int (*parse_text)(struct nv_str, const struct nv_text_sink *, void *, char *, size_t);
    struct nv_gather_pods pods;
    struct nv_kept *kept;
};
struct nv_shared *nv_gather_shared(struct nv_gather *gather);
void nv_gather_link_notices(struct nv_gather *gather, uint64_t *cursor,
                            void (*each)(int ifindex, void *user), void *user);

/* The functions behind collector.h. */
extern const struct nv_host nv_host;

/* Reads a source for the given pass, unless it has been. */
void nv_run_read_source(struct nv_files *files, struct nv_source *source, uint64_t pass);

/* Runs collect() once, on this thread. */
void nv_run_collect(struct nv_run *run, struct nv_lane *lane, uint64_t pass);

#endif
