/*
 * queryable.h - anything that can be asked for series and samples: the store, and later other readers.
 *
 * PromQL and the HTTP API see storage through this and nothing else.
 *
 *   times      int64, ms since the epoch; ranges include both ends
 *   samples    in rising time; a double (staleness marker included: see NV_STALE_BITS) or a histogram
 *   order      series of a selection by nv_labels_compare(); names and values as bytes
 *   limits     0 is none; what is cut off is told
 *   threads    a queryable may be asked by many at once; a selection belongs to one thread
 */
#ifndef NV_METRIC_QUERYABLE_H
#define NV_METRIC_QUERYABLE_H

#include "base/arena.h"
#include "metric/histogram.h"
#include "metric/matcher.h"

#define NV_STALE_BITS UINT64_C(0x7ff0000000000002)

static inline bool nv_is_stale(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits == NV_STALE_BITS;
}

static inline double nv_stale(void)
{
    uint64_t bits = NV_STALE_BITS;
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Samples of one series, in columns that grow. */
struct nv_samples {
    int64_t *times, *starts; /* starts: of counters, 0 unknown; NULL where none is known */
    double *values;          /* NaN where there is a histogram */
    const struct nv_histogram **histograms; /* NULL where all are doubles */
    size_t n, room;
    struct nv_arena histogram_memory;
};
void nv_samples_reset(struct nv_samples *samples); /* keeps the memory */
void nv_samples_done(struct nv_samples *samples);
NV_MUST_USE int nv_samples_room(struct nv_samples *samples, size_t n); /* for n more; -ENOMEM */

struct nv_selected {
    const struct nv_label *labels; /* sorted, __name__ included */
    size_t n_labels;
    void *handle; /* the queryable's */
};

/* The series that fit, within a time range. Labels live as long as the selection. */
struct nv_selection {
    const struct nv_queryable *from;
    struct nv_selected *series;
    size_t n;
    bool truncated;  /* a limit cut it */
    size_t bytes;    /* of memory that it holds, for whoever counts them */
    uint64_t faults; /* parts that are damaged or cannot be read, left out so far */
    void *handle;
};

/* A list of texts, sorted; ends with its arena. */
struct nv_texts {
    struct nv_arena arena;
    struct nv_str *at;
    size_t n;
    bool truncated;
};
void nv_texts_done(struct nv_texts *texts);

struct nv_queryable {
    void *store;

    /* At least one matcher; -EINVAL without. */
    int (*select)(void *store, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                  int64_t to_ms, size_t limit, struct nv_selection *ret);
    /* Appends the samples of series i that lie in the selection's range. What is lost to damage is left out, and counted
     * in selection->faults; it does not fail the rest. Returns 0 or a negative errno. */
    int (*read)(struct nv_selection *selection, size_t i, struct nv_samples *samples);
    void (*release)(struct nv_selection *selection);

    /* Names, or values of one name, of series that fit (all for n 0) and have samples in the range. */
    int (*label_names)(void *store, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                       int64_t to_ms, size_t limit, struct nv_texts *ret);
    int (*label_values)(void *store, struct nv_str name, const struct nv_matcher *matchers,
                        size_t n, int64_t from_ms, int64_t to_ms, size_t limit,
                        struct nv_texts *ret);

    /* Oldest and newest sample; from > to where there is none. */
    void (*range)(void *store, int64_t *ret_from_ms, int64_t *ret_to_ms);
};

#endif
