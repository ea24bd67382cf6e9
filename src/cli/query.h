/*
 * query.h - what the files of `nodevitals query` share: what is asked, and what came back.
 *
 *   query.c        the command line
 *   query_time.c   times and steps as people write them
 *   query_api.c    asks a server, and query_read.c reads what it says
 *   query_ask.c    asks a store at hand, offline
 *   query_answer.c what both give: an nv_answer
 *   query_table.c  table and CSV
 *   query_json.c   JSON
 *   query_chart.c  the chart; its parts are in chart.h
 *
 *   bounds     NV_QUERY_BODY_MAX bytes from a server, NV_QUERY_MEMORY_MAX for what they become
 *   ownership  an answer has all it shows in its arena, and ends with nv_answer_done()
 */
#ifndef NV_CLI_QUERY_H
#define NV_CLI_QUERY_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/http.h"
#include "base/rfc3339.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "metric/matcher.h"
#include "promql/ast.h"

enum { NV_QUERY_BODY_MAX = 256 << 20, NV_QUERY_MEMORY_MAX = 512 << 20, NV_QUERY_NOTES_MAX = 32 };

/* Exit statuses, as grep has them. */
enum { NV_QUERY_FOUND, NV_QUERY_EMPTY, NV_QUERY_FAILED };

/* ---- what is asked -------------------------------------------------------------------------- */

enum nv_query_kind {
    NV_QUERY_INSTANT,
    NV_QUERY_RANGE,
    NV_QUERY_SERIES,
    NV_QUERY_LABELS,
    NV_QUERY_LABEL_VALUES,
};

struct nv_query {
    enum nv_query_kind kind;
    struct nv_str expr;  /* of an instant or a range */
    struct nv_str label; /* whose values */
    const struct nv_str *matches;
    size_t n_matches;
    int64_t start_ms, end_ms, step_ms; /* an instant is at end_ms */
    bool now;                          /* an instant of a server is at its own time instead */
    bool has_start, has_end;           /* else all there is, in queries that are of neither kind */
    uint64_t limit;                    /* 0: none */
    int64_t timeout_ms;
    int64_t lookback_ms; /* 0: as it is set there */
};

/* ---- what came back ------------------------------------------------------------------------- */

/* A native histogram as the API shows it. */
struct nv_answer_bucket {
    uint8_t rule; /* bounds that belong to it: 0 the upper, 1 the lower, 2 none, 3 both */
    double lower, upper, count;
};
struct nv_answer_histogram {
    double count, sum;
    struct nv_answer_bucket *buckets;
    size_t n;
};

struct nv_answer_series {
    struct nv_label *labels; /* sorted by name */
    size_t n_labels, n;
    int64_t *times;
    double *values;
    struct nv_answer_histogram *
        *histograms; /* NULL where all are floats; entries NULL for floats */
};

struct nv_answer {
    struct nv_arena memory;
    enum nv_value_type type; /* of an instant or range */
    struct nv_answer_series *series;
    size_t n;
    struct nv_str string; /* of NV_VALUE_STRING, which is one series without labels */
    struct nv_str *texts; /* of labels and values */
    size_t n_texts;
    struct nv_str notes[NV_QUERY_NOTES_MAX]; /* warnings and infos, with the word in front */
    size_t n_notes;
};
void nv_answer_done(struct nv_answer *answer);

/* Adds "warning: ..."; those past the bound are left out. */
void nv_answer_note(struct nv_answer *answer, const char *kind, struct nv_str text);

/* Whether there is nothing in it. */
bool nv_answer_is_empty(const struct nv_answer *answer, enum nv_query_kind kind);

/* A number as the API has it. Histogram: "{count:5, sum:12.5, [-0.001,0.001]:1, (0.5,1]:2}". */
void nv_answer_number_print(struct nv_buf *out, double value);
void nv_answer_histogram_print(struct nv_buf *out, const struct nv_answer_histogram *h);

/* ---- asking: 0, or NV_QUERY_FAILED after telling why ---------------------------------------- */

/* Who is asked, and how: as a file of Prometheus' http_config tells, where there is one ("" for none). */
struct nv_query_server {
    const char *url, *shown; /* shown: without user and password */
    struct nv_http *http;
    struct nv_http_header *headers; /* with room for one more behind */
    size_t n_headers;
    struct nv_arena memory;
};
NV_MUST_USE int nv_query_server_init(struct nv_query_server *server, const char *url,
                                     const char *config_file);
void nv_query_server_done(struct nv_query_server *server);

NV_MUST_USE int nv_query_api(const struct nv_query *query, const struct nv_query_server *server,
                             struct nv_answer *ret);

struct nv_queryable;
NV_MUST_USE int nv_query_ask(const struct nv_query *query, const struct nv_queryable *queryable,
                             struct nv_answer *ret);

/* Reads the `data` of an answer. -EBADMSG, -EDQUOT. */
NV_MUST_USE int nv_query_read_data(struct nv_answer *answer, enum nv_query_kind kind,
                                   struct nv_str data);

#define nv_query_fail(...) nv_cli_error(NV_QUERY_FAILED, __VA_ARGS__)

/* The same with the line of the query and a caret under the place, where the message has one ("1:5: parse error:"). */
int nv_query_fail_at(struct nv_str expr, struct nv_str message);
void nv_query_print_place(FILE *to, struct nv_str expr, struct nv_str message);

/* ---- times ---------------------------------------------------------------------------------- */

/* "now", "-1h", "now-1h30m", RFC 3339, Unix seconds. */
bool nv_query_read_time(struct nv_str text, int64_t now_ms, int64_t *ret_ms);

/* "15s", "1h30m", or seconds. */
bool nv_query_read_step(struct nv_str text, int64_t *ret_ms);

/* A step for a range where none is given: some 250 of them, of whole seconds. */
int64_t nv_query_step(int64_t start_ms, int64_t end_ms);

/* "2026-11-20T10:17:22.5Z". */
const char *nv_query_time(char out[NV_RFC3339_MAX], int64_t time_ms);

/* ---- showing: 0, or NV_QUERY_FAILED after telling why --------------------------------------- */

int nv_query_print_table(FILE *to, const struct nv_answer *answer, const struct nv_query *query);
int nv_query_print_csv(FILE *to, const struct nv_answer *answer, const struct nv_query *query);
int nv_query_print_json(FILE *to, const struct nv_answer *answer, const struct nv_query *query);

struct nv_chart_look {
    unsigned width, height; /* characters of all, rows of the plot */
    bool colors, utf8;
};
int nv_query_print_chart(FILE *to, const struct nv_answer *answer, const struct nv_query *query,
                         const struct nv_chart_look *look);

/* Whether the locale's characters are UTF-8. */
bool nv_query_is_utf8(void);

/* Appends text with what could steer a terminal escaped: control characters as \n or \x1b, bytes that are no UTF-8. */
void nv_query_plain(struct nv_buf *out, struct nv_str text);

/* Labels that all series have with the same value; how many. */
enum { NV_QUERY_LABELS_MAX = 1024 };
size_t nv_answer_common(const struct nv_answer *answer, struct nv_label out[NV_QUERY_LABELS_MAX]);

/* Names of labels that occur and are not among these, sorted; how many. Those past the bound are left out. */
size_t nv_answer_names(const struct nv_answer *answer, const struct nv_label *without,
                       size_t n_without, struct nv_str out[NV_QUERY_LABELS_MAX]);

/* name{a="b"}, escaped as above. `without`: labels left out, by name. */
void nv_query_print_labels(struct nv_buf *out, const struct nv_label *labels, size_t n,
                           const struct nv_label *without, size_t n_without);

#endif
