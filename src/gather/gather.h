/*
 * gather.h - runs collectors into frames.
 *
 *   pass       reads the static sources of all selected inline collectors in one sweep, then lets them
 *              parse; those that may block run on workers meanwhile; ends when all are done or at its
 *              deadline, with everyone else's rows
 *   late       a collector that is late is served with its last complete rows, up to
 *              NV_GATHER_STALE_CADENCES cadences old; after that it reports success 0
 *   shared     concurrent passes of the whole are one pass; each caller gets a count on the same frame
 *   sample     what the store takes on a clock of its own; it goes on while a scrape waits for workers
 *   threads    nv_gather_pass() from any; workers are made when needed, at most NV_GATHER_WORKERS_MAX
 *   memory     a pass whose layout did not change allocates nothing
 */
#ifndef NV_GATHER_GATHER_H
#define NV_GATHER_GATHER_H

#include "metric/frame.h"

enum {
    NV_GATHER_COLLECTORS_MAX = 256,
    NV_GATHER_WORKERS_MAX = 32, /* threads, those held by calls that hang included */
    NV_GATHER_STALE_CADENCES = 3,
    NV_GATHER_CADENCE_MS = 15000, /* of collectors that name none */
    NV_GATHER_PASS_MS = 5000,     /* longest pass */
    NV_GATHER_JOIN_MS = 100,      /* how long a sample waits for a scrape that has just begun */
    NV_GATHER_KEPT_MAX = 512,     /* file descriptors kept open */
};

/* Where the pods of this node come from. From any thread, without waiting. */
struct nv_gather_pods {
    const struct nv_pods *(*take)(void *user); /* NULL: none known. Given back when the run ends: */
    void (*give)(void *user, const struct nv_pods *pods);
    void (*wanted)(void *user); /* newer ones soon */
    /* Any other path of the kubelet, within a time. Returns 0, or a negative errno and a line in `error`. */
    int (*get)(void *user, const char *path, int64_t timeout_ms, struct nv_buf *into, char *error,
               size_t error_max);
    void *user;
};

struct nv_gather_options {
    const char *procfs, *sysfs, *rootfs, *udev; /* the path flags */
    /* See nv_parse_text(); on -EBADMSG writes a reason to `error`. */
    int (*parse_text)(struct nv_str text, const struct nv_text_sink *sink, void *user, char *error,
                      size_t error_max);
    struct nv_gather_pods pods; /* NULL functions: none */
};

struct nv_gather;

/* Returns NULL when memory is out. Paths are copied. */
struct nv_gather *nv_gather_new(const struct nv_gather_options *options);
void nv_gather_free(struct nv_gather *gather);
NV_DEFINE_AUTO(nv_gather)

/* How a collector is known. */
enum nv_gather_kind {
    NV_GATHER_NODE, /* chosen by collect[] and exclude[], reported by node_scrape_collector_* */
    NV_GATHER_SELF, /* the agent's own families: in every pass, not reported */
};

/*
 * Adds a collector that is on, with the values of its flags in the order of its list (borrowed). Before
 * nv_gather_start(). Returns 0; -EPROTO for a wrong ABI stamp; -EEXIST; -E2BIG; -ENOMEM.
 */
NV_MUST_USE int nv_gather_add(struct nv_gather *gather, const struct nv_collector *collector,
                              enum nv_gather_kind kind, const struct nv_flag_value *flags);

/* Where collectors keep small states between runs of the agent, a folder that is made when needed; without it, nowhere.
 * Before the first pass. */
NV_MUST_USE int nv_gather_keep_states(struct nv_gather *gather, const char *folder);

/* Runs every start(). On failure returns its error and a line for the user in `error`. */
enum { NV_GATHER_ERROR_MAX = 512 };
NV_MUST_USE int nv_gather_start(struct nv_gather *gather, char error[NV_GATHER_ERROR_MAX]);

/* The number of a collector that is on, or -ENOENT. */
int nv_gather_find(const struct nv_gather *gather, struct nv_str name);
size_t nv_gather_count(const struct nv_gather *gather);
const char *nv_gather_name(const struct nv_gather *gather, size_t i);

/* Which collectors a pass runs: bit i is collector i. */
struct nv_gather_selection {
    bool some; /* false: all, and the bits do not matter */
    uint64_t bits[NV_GATHER_COLLECTORS_MAX / 64];
};

/*
 * One fresh pass, waiting timeout_ms (at most NV_GATHER_PASS_MS) for workers. Returns 0 and a counted
 * frame; -ENOMEM.
 */
NV_MUST_USE int nv_gather_pass(struct nv_gather *gather,
                               const struct nv_gather_selection *selection, int64_t timeout_ms,
                               struct nv_frame **ret);

/*
 * A pass for the store, which waits for nobody: runs the inline collectors (one that names a cadence when that is
 * due), takes what workers have ended, and posts those that are due. In the frame, of time_ms, only the sections with
 * something new are observed. A whole scrape that has just begun is joined instead: its frame has its own time.
 * Returns 0 and a counted frame; -ENOMEM. For one thread.
 */
NV_MUST_USE int nv_gather_sample(struct nv_gather *gather, int64_t time_ms, struct nv_frame **ret);

/* The job of one collector's series, instead of the one it names. */
struct nv_gather_job {
    struct nv_str collector, job;
};

/*
 * Gives all sections their target labels: these (by name, job among them), where a collector names a job or a path with
 * that in its place or beside them. After the last nv_gather_add(), before the first pass. -ENOMEM; -ENOENT for a job of
 * a collector that is not there.
 */
NV_MUST_USE int nv_gather_set_target(struct nv_gather *gather, const struct nv_label *labels,
                                     size_t n, const struct nv_gather_job *jobs, size_t n_jobs);

/* The different targets that came of it, the node's own first; constant from then on. */
size_t nv_gather_n_targets(const struct nv_gather *gather);
const struct nv_target *nv_gather_target(const struct nv_gather *gather, size_t i);

/* Whether a collector of that target had series in its last run; of the node's own always. For the thread that samples. */
bool nv_gather_target_is_there(struct nv_gather *gather, size_t i);

/* The present layout, counted for the caller: the families and series known so far. Waits for a pass that runs inline
 * collectors. NULL when memory is out. */
struct nv_layout *nv_gather_layout(struct nv_gather *gather);

/* Whether the next pass that can is to begin a new generation, where any series is absent. Until one did. */
void nv_gather_renew(struct nv_gather *gather, bool wanted);

/* What the agent tells of itself. Totals since the start. */
struct nv_gather_stats {
    uint64_t passes, dropped_cells, gather_errors; /* passes with at least one dropped cell */
    size_t series, layout_generation, kept_files, workers, workers_held;
};
void nv_gather_stats(struct nv_gather *gather, struct nv_gather_stats *ret);

/* For collectors of the agent itself: emits a native histogram (copied), as nv_emit_named() does a sample. */
void nv_gather_emit_histogram(struct nv_pass *pass, const struct nv_family *family,
                              const char *const *names, const struct nv_str *labels,
                              const struct nv_histogram *histogram);

/* State of one collector after its last run. */
struct nv_gather_state {
    int result; /* 0, NV_NO_DATA or a negative errno */
    int64_t duration_ns;
    int64_t age_ms; /* of the rows served; 0 when fresh */
    size_t series;
    const char *error; /* text of the last failure, "" for none; valid until the next pass */
};
void nv_gather_state(struct nv_gather *gather, size_t i, struct nv_gather_state *ret);

/* The same for those who show it, copied and with the error in words; from any thread. Waits for a pass that runs inline
 * collectors. */
struct nv_gather_report {
    const char *name;
    enum nv_gather_kind kind;
    int result;
    int64_t duration_ns, age_ms;
    size_t series;
    char error[NV_GATHER_ERROR_MAX + 64]; /* "" where result is no failure */
};
void nv_gather_report(struct nv_gather *gather, size_t i, struct nv_gather_report *ret);

/* Loads DIR/\*.so, each one collector. Calls each() with it. Errors name the file in `error`. */
NV_MUST_USE int nv_gather_load_plugins(const char *dir,
                                       int (*each)(const struct nv_collector *collector,
                                                   void *user),
                                       void *user, char error[NV_GATHER_ERROR_MAX]);

#endif
