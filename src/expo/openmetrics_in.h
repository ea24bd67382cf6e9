/*
 * openmetrics_in.h - OpenMetrics 1.0 text pulled in sample by sample, of any length.
 *
 *     while ((r = nv_openmetrics_in_next(in, &sample)) == 0) ... r is NV_OPENMETRICS_END at # EOF
 *
 *   reading    from a buffer that the caller's fill() refills; a line is seen whole, the text never
 *   bounds     NV_OPENMETRICS_LINE_MAX bytes a line, NV_OPENMETRICS_LABELS_MAX labels a sample
 *   ownership  a sample's name and labels live until the next call
 *   memory     steady: lines of the series before cost no parsing of labels and no allocation
 */
#ifndef NV_EXPO_OPENMETRICS_IN_H
#define NV_EXPO_OPENMETRICS_IN_H

#include "metric/layout.h"

enum {
    NV_OPENMETRICS_LINE_MAX = 1 << 20,
    NV_OPENMETRICS_LABELS_MAX = 256,
    NV_OPENMETRICS_ERROR_MAX = 512,
};

struct nv_openmetrics_in;

/* Reads up to n bytes; returns how many, 0 at the end, or a negative errno. */
typedef ssize_t (*nv_openmetrics_fill)(void *user, char *p, size_t n);

struct nv_openmetrics_sample {
    struct nv_str name;
    const struct nv_label *labels; /* by name, __name__ included; none is empty */
    size_t n_labels;
    double value;
    bool has_time, is_created, same_series; /* same_series: as the sample before */
    int64_t time_ms;
    uint64_t line;
};

enum nv_openmetrics_outcome { NV_OPENMETRICS_END = 1 };

/* NULL when memory is out. */
struct nv_openmetrics_in *nv_openmetrics_in_new(nv_openmetrics_fill fill, void *user);
void nv_openmetrics_in_free(struct nv_openmetrics_in *in);
NV_DEFINE_AUTO(nv_openmetrics_in)

/* Returns 0 and the next sample; NV_OPENMETRICS_END; -EBADMSG with nv_openmetrics_in_error(); -ENOMEM; or what
 * fill() returned. After anything but 0 there is nothing more to ask. */
NV_MUST_USE int nv_openmetrics_in_next(struct nv_openmetrics_in *in,
                                       struct nv_openmetrics_sample *ret);

/* "line 3: what is wrong", on one line. */
const char *nv_openmetrics_in_error(const struct nv_openmetrics_in *in);

/* Bytes taken so far. */
uint64_t nv_openmetrics_in_bytes(const struct nv_openmetrics_in *in);

#endif
