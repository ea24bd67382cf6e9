/*
 * line.h - one line of exposition in, classic or OpenMetrics, as Prometheus' scrape takes it.
 *
 * Its two halves are read by themselves: who knows the series from before needs the value only. Lines lie in a region
 * whose last byte is a newline, so that nothing here looks for an end.
 *
 *   text         0.0.4 and 1.0.0: blanks and tabs anywhere between tokens, comments and empty lines, a time in
 *                milliseconds
 *   OpenMetrics  0.0.1 and 1.0.0: one blank between tokens, a time in seconds, exemplars (checked, skipped)
 *   values       as Go's ParseFloat(); any NaN is the ordinary one
 *   ownership    names and labels are views of the line, or of `memory` where something was escaped
 */
#ifndef NV_EXPO_LINE_H
#define NV_EXPO_LINE_H

#include "expo/token.h"
#include "metric/layout.h"

enum { NV_LINE_LABELS_MAX = 512, NV_LINE_ERROR_MAX = 512 };

enum nv_line_form { NV_LINE_TEXT, NV_LINE_OPENMETRICS };

struct nv_line_reader {
    enum nv_line_form form;
    const char *end;        /* of the region that is read */
    struct nv_arena memory; /* of unescaped texts; the caller resets it */
    struct nv_str name;
    struct nv_label
        labels[NV_LINE_LABELS_MAX]; /* as they stand there: in any order, empty ones too */
    size_t n_labels;
    struct nv_token quoter;
    char error[NV_LINE_ERROR_MAX];
};

struct nv_line_value {
    double value;
    int64_t time_ms;
    bool has_time;
};

enum nv_line_kind {
    NV_LINE_SAMPLE,
    NV_LINE_NOTHING, /* an empty line, a comment */
    NV_LINE_HELP,
    NV_LINE_TYPE,
    NV_LINE_UNIT,
    NV_LINE_EOF,
};

/* Where the series at the front of a line ends; NULL where it does not: nv_line_series() tells why. */
const char *nv_line_series_end(enum nv_line_form form, const char *at);

/* Reads the name and labels of a series. Returns 0; -EBADMSG with `error`; -ENOMEM. */
NV_MUST_USE int nv_line_series(struct nv_line_reader *reader, const char *line);

/*
 * Reads what stands behind a series, and leaves *at behind the newline. Returns 0; -EBADMSG with `error`, in which `line` is
 * quoted; NV_LINE_LABELS and leaves *at, where there are labels, which belong to the series. The reader's name and labels
 * are of no use behind it.
 */
enum nv_line_outcome { NV_LINE_LABELS = 1 };
NV_MUST_USE int nv_line_value(struct nv_line_reader *reader, const char *line, const char **at,
                              struct nv_line_value *ret);

/* A line that is no sample, or NV_LINE_SAMPLE; the family it tells of and what. -EBADMSG, -ENOMEM. */
struct nv_line_told {
    struct nv_str family, text;
};
NV_MUST_USE int nv_line_kind(struct nv_line_reader *reader, struct nv_str line,
                             struct nv_line_told *ret);

/* A type as the API names it (untyped is unknown), or NULL. */
const char *nv_line_type(enum nv_line_form form, struct nv_str type);

/* A bound of a bucket or quantile as Prometheus keeps it ("1" is 1.0); as it was where it is no number. NULL: -ENOMEM. */
struct nv_str nv_line_bound(struct nv_arena *memory, struct nv_str value);

/* As nv_token_number(), fast. */
bool nv_line_number(struct nv_str s, double *ret);

#endif
