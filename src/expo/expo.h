/*
 * expo.h - frames written as exposition, and which form a client asked for.
 *
 *   text 0.0.4, 1.0.0   classic; names that are not classic are escaped, or quoted (allow-utf-8)
 *   OpenMetrics         1.0.0 and 0.0.1: a counter whose name lacks _total is written as unknown, so
 *                       that no series is renamed; ends in # EOF
 *   protobuf            io.prometheus.client.MetricFamily, delimited; native histograms only here
 */
#ifndef NV_EXPO_EXPO_H
#define NV_EXPO_EXPO_H

#include "base/buf.h"
#include "metric/frame.h"

enum nv_expo_form {
    NV_EXPO_TEXT_0_0_4,
    NV_EXPO_TEXT_1_0_0,
    NV_EXPO_OPENMETRICS_0_0_1,
    NV_EXPO_OPENMETRICS_1_0_0,
    NV_EXPO_PROTO_DELIMITED,
    NV_EXPO_PROTO_TEXT,
    NV_EXPO_PROTO_COMPACT,
};

enum nv_expo_escaping { /* of names that are not classic */
                        NV_ESCAPE_UNDERSCORES,
                        NV_ESCAPE_ALLOW_UTF8,
                        NV_ESCAPE_DOTS,
                        NV_ESCAPE_VALUES,
};

struct nv_expo_choice {
    enum nv_expo_form form;
    enum nv_expo_escaping escaping;
};

/* Reads an Accept header ("" for none). Never fails: what is not understood means text 0.0.4. */
struct nv_expo_choice nv_expo_negotiate(struct nv_str accept);

/* The Content-Type of a choice. Ends in NUL. */
enum { NV_EXPO_TYPE_MAX = 192 };
void nv_expo_content_type(struct nv_expo_choice choice, char ret[NV_EXPO_TYPE_MAX]);

/* Writes what the frame has present. `names`: only these families (name[]=), all where n_names is 0. */
void nv_expo_write(const struct nv_frame *frame, struct nv_expo_choice choice,
                   const struct nv_str *names, size_t n_names, struct nv_buf *out);

/*
 * Several frames as one exposition: a family that more than one has is written once, with the head of the first that has it.
 * Where another calls it by another type, or has a metric that was there before (its labels, le and quantile aside),
 * those series are left out and counted. One part costs what nv_expo_write() costs, and no memory.
 */
struct nv_expo_part {
    const struct nv_frame *frame;
    const char *const *prefixes; /* ended by NULL: families whose names begin so alone. NULL: all */
};
struct nv_expo_left_out {
    uint64_t conflicts, duplicates; /* series */
};
enum {
    NV_EXPO_MERGE_MAX = 128 << 20
}; /* bytes of memory, for the largest family of several parts */
void nv_expo_write_parts(const struct nv_expo_part *parts, size_t n_parts,
                         struct nv_expo_choice choice, const struct nv_str *names, size_t n_names,
                         struct nv_buf *out, struct nv_expo_left_out *ret);

enum nv_expo_coding { NV_CODING_IDENTITY, NV_CODING_GZIP, NV_CODING_ZSTD };

/* Reads an Accept-Encoding header: the best q wins, ties go to identity, then gzip. Identity when
 * nothing fits. */
enum nv_expo_coding nv_expo_negotiate_coding(struct nv_str accept_encoding);

/* Whether a coding is among those wanted. */
bool nv_expo_accepts(struct nv_str accept_encoding, enum nv_expo_coding coding);

/* Compresses for HTTP. Contexts are kept per caller. Returns 0 or -ENOMEM. */
struct nv_compressor;
struct nv_compressor *nv_compressor_new(void);
void nv_compressor_free(struct nv_compressor *compressor);
NV_DEFINE_AUTO(nv_compressor)
NV_MUST_USE int nv_compress(struct nv_compressor *compressor, enum nv_expo_coding coding,
                            struct nv_str in, struct nv_buf *out);

/*
 * Parses classic text as Go's expfmt does: TYPE before samples, one HELP and one TYPE, names legacy (in
 * quotes or not), the last line ended by a newline. Histograms without +Inf stay without.
 *
 * The sink hears nothing unless the whole text is good. Then it hears of each family that has samples, in
 * order of appearance: the family with what the text tells of it anywhere, then all its samples.
 * Returns 0; -EBADMSG with the reason in `error` ("text format parsing error in line 3: ..."); -ENOMEM; or
 * what a sink returned.
 */
NV_MUST_USE int nv_expo_parse_text(struct nv_str text, const struct nv_text_sink *sink, void *user,
                                   char *error, size_t error_max);

/*
 * Lints as promtool's `check metrics`: appends a line per problem, ordered by metric and text. Returns how
 * many; -EBADMSG with the line "error while linting: ..." appended; or -ENOMEM.
 */
NV_MUST_USE int nv_expo_lint(struct nv_str text, struct nv_buf *out);

#endif
