/*
 * proto_in.h - io.prometheus.client.MetricFamily read, one metric after the other.
 *
 *   reading    where the bytes lie; what has to be made (the numbers of a native histogram) is in the caller's arena
 *   labels     the fields of a metric's labels as they lie, for hashing; read only when somebody wants to know them
 *   failures   false: it is not such a message
 */
#ifndef NV_EXPO_PROTO_IN_H
#define NV_EXPO_PROTO_IN_H

#include "base/arena.h"
#include "base/cleanup.h"
#include "expo/wire_in.h"
#include "metric/histogram.h"
#include "metric/layout.h"

enum nv_proto_type {
    NV_PROTO_COUNTER,
    NV_PROTO_GAUGE,
    NV_PROTO_SUMMARY,
    NV_PROTO_UNTYPED,
    NV_PROTO_HISTOGRAM,
    NV_PROTO_GAUGE_HISTOGRAM,
    NV_PROTO_TYPES,
};

struct nv_proto_family {
    struct nv_str name, help, unit, message; /* p is never NULL */
    uint64_t type;                           /* NV_PROTO_TYPES or beyond: unknown */
};
bool nv_proto_family(struct nv_str message, struct nv_proto_family *ret);

struct nv_proto_metric {
    struct nv_str message; /* of the metric */
    int64_t time_ms;       /* 0: none */
    struct nv_str value;   /* the message of the family's type; n 0: all that is in it is 0 */
    uint64_t labels;       /* a keyed hash over its labels */
};

/* The next metric of a family, from `in`, which began as nv_wire_in(family.message). False at the end; in->failed: no metric. */
bool nv_proto_next_metric(struct nv_wire_in *in, const struct nv_proto_family *family,
                          struct nv_proto_metric *ret);

/* The labels of a metric, at most `max`, as they stand there. False: it has more, or they are none. */
bool nv_proto_labels(const struct nv_proto_metric *metric, struct nv_label *labels, size_t max,
                     size_t *ret_n);

/* What a counter, gauge or untyped says. */
bool nv_proto_single(struct nv_str message, double *ret);

/* One part of a summary or classic histogram after the other. */
struct nv_proto_part {
    double bound, value;
};
struct nv_proto_summary {
    double count, sum;
    struct nv_wire_in quantiles;
};
bool nv_proto_summary(struct nv_str message, struct nv_proto_summary *ret);
bool nv_proto_next_quantile(struct nv_wire_in *in, struct nv_proto_part *ret);

struct nv_proto_histogram {
    double count, sum;
    bool is_native, is_float, has_infinity; /* has_infinity: among the buckets */
    size_t n_buckets;
    struct nv_str message;
};
bool nv_proto_histogram(struct nv_str message, struct nv_proto_histogram *ret);
/* From nv_wire_in(histogram.message). */
bool nv_proto_next_bucket(struct nv_wire_in *in, struct nv_proto_part *ret);

/* The native part. Returns 0; -EBADMSG and what is wrong; -ENOMEM. */
NV_MUST_USE int nv_proto_native(const struct nv_proto_histogram *from, bool is_gauge,
                                struct nv_arena *memory, struct nv_histogram *ret,
                                const char **ret_why);

#endif
